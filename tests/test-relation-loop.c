/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relation.h"

#include <glib.h>

#define HOSTS 5

/* All pairs of n hosts whose timebases are `base` apart; each relation is known to +-10. */
static size_t full_mesh(RelationLoopLink *links, unsigned n)
{
    static const int64_t base[HOSTS] = { 0, 1000, -5000, 70000, 123 };
    size_t count = 0;

    for (unsigned a = 0; a < n; a++)
        for (unsigned b = a + 1; b < n; b++) {
            int64_t difference = base[b] - base[a];

            links[count++] = (RelationLoopLink){ (uint8_t)a, (uint8_t)b,
                                                 interval_of(difference - 10, difference + 10) };
        }
    return count;
}

static void shift(RelationLoopLink *link, int64_t ticks)
{
    link->tb_ticks = interval_add(link->tb_ticks, interval_point(ticks));
}

static void test_gap_of_a_triangle(void)
{
    Interval zero = interval_of(-10, 10);

    g_assert_cmpint(relation_loop_gap(zero, zero, zero), ==, 0);
    g_assert_cmpint(relation_loop_gap(zero, interval_point(20), zero), ==, 0);
    g_assert_cmpint(relation_loop_gap(zero, interval_point(25), zero), ==, 5);
    g_assert_cmpint(relation_loop_gap(zero, zero, interval_point(-27)), ==, 7);
    g_assert_cmpint(relation_loop_gap(zero, zero, INTERVAL_UNBOUNDED), ==, 0);
    g_assert_cmpint(relation_loop_gap(zero, zero, INTERVAL_EMPTY), ==, INT64_MAX);
}

static void test_sound_relations_close(void)
{
    RelationLoopLink links[10];
    RelationLoop loop = relation_loop_judge(links, full_mesh(links, 5), 0);

    g_assert_cmpint(loop.state, ==, RELATION_LOOP_CLOSES);
    g_assert_cmpuint(loop.closed, ==, 10);
    g_assert_cmpuint(loop.open, ==, 0);
    g_assert_cmpint(loop.gap_ticks, ==, 0);
    g_assert_cmpint(loop.suspect_link, ==, -1);
    g_assert_cmpint(loop.suspect_host, ==, -1);
}

static void test_two_hosts_have_no_loop(void)
{
    RelationLoopLink links[10];

    g_assert_cmpint(relation_loop_judge(links, full_mesh(links, 2), 0).state, ==, RELATION_LOOP_UNKNOWN);
    full_mesh(links, 3);
    links[1].tb_ticks = INTERVAL_UNBOUNDED;
    g_assert_cmpint(relation_loop_judge(links, 3, 0).state, ==, RELATION_LOOP_UNKNOWN);
    g_assert_cmpint(relation_loop_judge(NULL, 0, 0).state, ==, RELATION_LOOP_UNKNOWN);
}

static void test_three_hosts_cannot_name_the_link(void)
{
    RelationLoopLink links[10];
    size_t n = full_mesh(links, 3);
    RelationLoop loop;

    shift(&links[1], 1030);
    loop = relation_loop_judge(links, n, 0);
    g_assert_cmpint(loop.state, ==, RELATION_LOOP_OPEN);
    g_assert_cmpint(loop.gap_ticks, ==, 1000);
    g_assert_cmpint(loop.suspect_link, ==, -1);
    g_assert_cmpint(loop.suspect_host, ==, -1);
}

static void test_fourth_host_names_the_link(void)
{
    for (int bad = 0; bad < 6; bad++) {
        RelationLoopLink links[10];
        size_t n = full_mesh(links, 4);
        RelationLoop loop;

        shift(&links[bad], -1030);
        loop = relation_loop_judge(links, n, 0);
        g_assert_cmpint(loop.suspect_link, ==, bad);
        g_assert_cmpint(loop.suspect_host, ==, -1);
        g_assert_cmpuint(loop.open, ==, 2);
        g_assert_cmpuint(loop.closed, ==, 2);
    }
}

static void test_link_given_the_other_way_round_is_turned(void)
{
    RelationLoopLink links[10];
    size_t n = full_mesh(links, 4);

    for (size_t i = 0; i < n; i += 2)
        links[i] = (RelationLoopLink){ links[i].b, links[i].a, interval_neg(links[i].tb_ticks) };
    g_assert_cmpint(relation_loop_judge(links, n, 0).state, ==, RELATION_LOOP_CLOSES);
}

/* A host that tells each peer another story breaks every triangle it is in. */
static void test_host_that_lies_differently_to_each_is_named(void)
{
    RelationLoopLink links[10];
    size_t n = full_mesh(links, 4);
    RelationLoop loop;

    shift(&links[0], 5000); /* 0-1 */
    shift(&links[3], -9000); /* 1-2 */
    shift(&links[4], 17000); /* 1-3 */
    loop = relation_loop_judge(links, n, 0);
    g_assert_cmpint(loop.state, ==, RELATION_LOOP_OPEN);
    g_assert_cmpint(loop.suspect_link, ==, -1);
    g_assert_cmpint(loop.suspect_host, ==, 1);
    g_assert_cmpuint(loop.closed, ==, 1);
}

static void test_nobody_is_named_when_everything_is_open(void)
{
    RelationLoopLink links[10];
    size_t n = full_mesh(links, 4);

    for (size_t i = 0; i < n; i++)
        shift(&links[i], (int64_t)(100000u << i));
    g_assert_cmpint(relation_loop_judge(links, n, 0).suspect_link, ==, -1);
    g_assert_cmpint(relation_loop_judge(links, n, 0).suspect_host, ==, -1);
}

static void test_slack_closes_what_drift_opened(void)
{
    RelationLoopLink links[10];
    size_t n = full_mesh(links, 3);

    shift(&links[0], 33);
    g_assert_cmpint(relation_loop_judge(links, n, 0).state, ==, RELATION_LOOP_OPEN);
    g_assert_cmpint(relation_loop_judge(links, n, 1).state, ==, RELATION_LOOP_CLOSES);
}

static void test_empty_relation_opens_its_loop(void)
{
    RelationLoopLink links[10];
    size_t n = full_mesh(links, 3);

    links[2].tb_ticks = INTERVAL_EMPTY;
    g_assert_cmpint(relation_loop_judge(links, n, 0).state, ==, RELATION_LOOP_OPEN);
}

#define CASE(name, function) g_test_add_func("/relation-loop/" name, function)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CASE("gap-of-a-triangle", test_gap_of_a_triangle);
    CASE("sound-relations-close", test_sound_relations_close);
    CASE("two-hosts-have-no-loop", test_two_hosts_have_no_loop);
    CASE("three-hosts-cannot-name-the-link", test_three_hosts_cannot_name_the_link);
    CASE("fourth-host-names-the-link", test_fourth_host_names_the_link);
    CASE("link-given-the-other-way-round-is-turned", test_link_given_the_other_way_round_is_turned);
    CASE("host-that-lies-differently-to-each-is-named",
         test_host_that_lies_differently_to_each_is_named);
    CASE("nobody-is-named-when-everything-is-open", test_nobody_is_named_when_everything_is_open);
    CASE("slack-closes-what-drift-opened", test_slack_closes_what_drift_opened);
    CASE("empty-relation-opens-its-loop", test_empty_relation_opens_its_loop);
    return g_test_run();
}
