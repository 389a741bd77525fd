/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relation.h"

#include <assert.h>
#include <string.h>

/* Timebase differences around a loop sum to 0. Bounds that exclude 0 prove that one of the three relations is wrong, not
 * which one: that needs a second triangle over the same link. A link is suspect if all triangles over it are open, there are
 * at least two of them, and no other triangle is open; a host likewise with the triangles through it. */

int64_t relation_loop_gap(Interval ab, Interval bc, Interval ca)
{
    Interval sum = interval_add(interval_add(ab, bc), ca);

    if (interval_is_empty(sum))
        return INT64_MAX;
    return sum.lo > 0 ? sum.lo : sum.hi < 0 ? int64_sub(0, sum.hi) : 0;
}

typedef struct Tally {
    uint32_t closed, open;
} Tally;

typedef struct LoopScan {
    const RelationLoopLink *links;
    size_t n_links;
    int64_t slack_ticks;
    RelationLoop result;
} LoopScan;

/* b minus a, or a minus b turned round; unbounded if the two are not linked. A link given twice counts once. */
static Interval side(const LoopScan *scan, unsigned from, unsigned to)
{
    for (size_t i = 0; i < scan->n_links; i++) {
        const RelationLoopLink *link = &scan->links[i];

        if (link->a == from && link->b == to)
            return interval_widen(link->tb_ticks, scan->slack_ticks);
        if (link->a == to && link->b == from)
            return interval_widen(interval_neg(link->tb_ticks), scan->slack_ticks);
    }
    return INTERVAL_UNBOUNDED;
}

static bool is_linked(Interval side_ticks)
{
    return interval_is_empty(side_ticks) || interval_is_bounded(side_ticks);
}

/* The triangle over link a-b and host c: 1 closed, -1 open, 0 not linked. */
static int triangle(const LoopScan *scan, const RelationLoopLink *link, unsigned c, int64_t *ret_gap)
{
    Interval ab = side(scan, link->a, link->b), bc = side(scan, link->b, c), ca = side(scan, c, link->a);

    if (!is_linked(ab) || !is_linked(bc) || !is_linked(ca))
        return 0;
    *ret_gap = relation_loop_gap(ab, bc, ca);
    return *ret_gap == 0 ? 1 : -1;
}

static Tally tally_link(LoopScan *scan, const RelationLoopLink *link)
{
    Tally tally = { 0, 0 };

    for (unsigned c = 0; c < RELATION_LOOP_HOSTS_MAX; c++) {
        int64_t gap = 0;
        int found = c == link->a || c == link->b ? 0 : triangle(scan, link, c, &gap);

        tally.closed += found > 0;
        tally.open += found < 0;
        if (gap > scan->result.gap_ticks)
            scan->result.gap_ticks = gap;
    }
    return tally;
}

/* Every triangle is found over each of its three links; a host's triangles over two of its links. */
static void count_link(LoopScan *scan, size_t i, Tally hosts[])
{
    const RelationLoopLink *link = &scan->links[i];
    Tally tally = tally_link(scan, link);

    scan->result.closed += tally.closed;
    scan->result.open += tally.open;
    hosts[link->a].closed += tally.closed;
    hosts[link->a].open += tally.open;
    hosts[link->b].closed += tally.closed;
    hosts[link->b].open += tally.open;
}

static void name_suspect_link(LoopScan *scan)
{
    int found = 0;

    for (size_t i = 0; i < scan->n_links; i++) {
        Tally tally = tally_link(scan, &scan->links[i]);

        if (tally.closed == 0 && tally.open >= 2 && tally.open == scan->result.open) {
            scan->result.suspect_link = (int)i;
            found++;
        }
    }
    if (found != 1)
        scan->result.suspect_link = -1;
}

static void name_suspect_host(LoopScan *scan, const Tally hosts[])
{
    int found = 0;

    for (unsigned h = 0; h < RELATION_LOOP_HOSTS_MAX; h++)
        if (hosts[h].closed == 0 && hosts[h].open / 2 >= 2 && hosts[h].open / 2 == scan->result.open) {
            scan->result.suspect_host = (int)h;
            found++;
        }
    if (found != 1)
        scan->result.suspect_host = -1;
}

RelationLoop relation_loop_judge(const RelationLoopLink *links, size_t n_links, int64_t slack_ticks)
{
    LoopScan scan = { links, n_links, slack_ticks, { .suspect_link = -1, .suspect_host = -1 } };
    Tally hosts[RELATION_LOOP_HOSTS_MAX] = { { 0, 0 } };

    assert(slack_ticks >= 0);
    for (size_t i = 0; i < n_links; i++) {
        assert(links[i].a != links[i].b);
        assert(links[i].a < RELATION_LOOP_HOSTS_MAX && links[i].b < RELATION_LOOP_HOSTS_MAX);
        count_link(&scan, i, hosts);
    }
    scan.result.closed /= 3;
    scan.result.open /= 3;
    if (scan.result.open > 0) {
        scan.result.state = RELATION_LOOP_OPEN;
        name_suspect_link(&scan);
        if (scan.result.suspect_link < 0)
            name_suspect_host(&scan, hosts);
    } else if (scan.result.closed > 0) {
        scan.result.state = RELATION_LOOP_CLOSES;
    }
    return scan.result;
}
