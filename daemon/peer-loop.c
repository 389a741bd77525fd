/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loop closure: what the peers say of each other, held against what we measured.
 *
 * With three linked hosts the three differences have to sum to 0. Each peer is asked for its relations once per round of samples;
 * what it told is widened by the drift since then, and core/relation-loop.c names the link or the host that cannot be right.
 */
#include "peers-private.h"

#include <string.h>

#define ASK_DEADLINE_MS 2000
#define TOLD_MAX_POLLS  4 /* rounds after which an answer is too old to say anything */

static void peer_ask_relations_done(const GArray *relations, const GError *error, void *data)
{
    Peer *self = data;

    g_clear_pointer(&self->told_slot, sd_bus_slot_unref);
    if (error) {
        g_debug("peer %s does not tell its relations: %s", self->name, error->message);
        return;
    }
    g_clear_pointer(&self->told, g_array_unref);
    self->told = g_array_ref((GArray *) relations);
    self->told_boot_ns = self->told_asked_boot_ns;
}

void peer_loop_ask(Peer *self)
{
    if (!self->current || self->told_slot)
        return;
    self->told_asked_boot_ns = tb_clock_boot_ns();
    link_call_relations(link_bus(self->current->link), ASK_DEADLINE_MS, peer_ask_relations_done, self, &self->told_slot);
}

void peer_loop_forget(Peer *self)
{
    g_clear_pointer(&self->told_slot, sd_bus_slot_unref);
    g_clear_pointer(&self->told, g_array_unref);
}

GArray *peers_own_relations(const Peers *self)
{
    GArray *relations = g_array_new(FALSE, TRUE, sizeof(LinkRelation));

    for (guint i = 0; i < self->peers->len && relations->len < LINK_RELATIONS_MAX; i++) {
        const Peer *peer = g_ptr_array_index(self->peers, i);
        RelationBounds bounds = peer_relation(peer);
        LinkRelation relation = { .tb_ticks = bounds.tb_ticks };

        if (!peer->current || bounds.state != RELATION_OK)
            continue;
        g_strlcpy(relation.name, peer->name, sizeof relation.name);
        g_array_append_val(relations, relation);
    }
    return relations;
}

/* The hosts of one judgement: 0 is this one, n is hosts[n - 1]. */
typedef struct Loop {
    const Peers *peers;
    GPtrArray *hosts; /* of Peer */
    GArray *links;    /* of RelationLoopLink */
} Loop;

static int loop_index(const Loop *loop, const char *name)
{
    for (guint i = 0; i < loop->hosts->len; i++)
        if (g_ascii_strcasecmp(((const Peer *) g_ptr_array_index(loop->hosts, i))->name, name) == 0)
            return (int) i + 1;
    return -1;
}

static gboolean loop_has(const Loop *loop, guint8 a, guint8 b)
{
    for (guint i = 0; i < loop->links->len; i++) {
        const RelationLoopLink *link = &g_array_index(loop->links, RelationLoopLink, i);

        if ((link->a == a && link->b == b) || (link->a == b && link->b == a))
            return TRUE;
    }
    return FALSE;
}

static void loop_add(Loop *loop, guint8 a, guint8 b, Interval tb_ticks)
{
    RelationLoopLink link = { .a = a, .b = b, .tb_ticks = tb_ticks };

    if (a != b && !loop_has(loop, a, b))
        g_array_append_val(loop->links, link);
}

/* By how much two timebases may have drifted apart since. */
static gint64 drift_since(const Peers *self, gint64 boot_ns)
{
    gint64 ticks = ns_to_ticks_ceil(MAX(tb_clock_boot_ns() - boot_ns, 0), tb_clock_frequency_hz(self->params.clock));

    return mul_div_ceil(ticks, self->params.config->drift_bound_ppb, NS_PER_S);
}

static void loop_add_told(Loop *loop, guint8 a, const Peer *peer)
{
    gint64 age_ns = tb_clock_boot_ns() - peer->told_boot_ns;
    gint64 margin = drift_since(loop->peers, peer->told_boot_ns);

    if (!peer->told || age_ns > TOLD_MAX_POLLS * (gint64) loop->peers->params.config->poll_interval_ns)
        return;
    for (guint i = 0; i < peer->told->len; i++) {
        const LinkRelation *relation = &g_array_index(peer->told, LinkRelation, i);
        int b = loop_index(loop, relation->name);

        if (b > 0)
            loop_add(loop, a, (guint8) b, interval_widen(relation->tb_ticks, margin));
    }
}

static const char *loop_name(const Loop *loop, int index)
{
    return index == 0 ? loop->peers->own_name : ((const Peer *) g_ptr_array_index(loop->hosts, index - 1))->name;
}

static char *loop_suspect(const Loop *loop, const RelationLoop *result)
{
    if (result->state != RELATION_LOOP_OPEN)
        return g_strdup("");
    if (result->suspect_link >= 0) {
        const RelationLoopLink *link = &g_array_index(loop->links, RelationLoopLink, result->suspect_link);

        return g_strdup_printf("%s-%s", loop_name(loop, link->a), loop_name(loop, link->b));
    }
    return g_strdup(result->suspect_host >= 0 ? loop_name(loop, result->suspect_host) : "unknown");
}

RelationLoopState peers_loop(const Peers *self, char **ret_suspect)
{
    g_autoptr(GPtrArray) hosts = g_ptr_array_new();
    g_autoptr(GArray) links = g_array_new(FALSE, FALSE, sizeof(RelationLoopLink));
    Loop loop = { self, hosts, links };
    RelationLoop result;

    for (guint i = 0; i < self->peers->len && hosts->len < RELATION_LOOP_HOSTS_MAX - 1; i++) {
        Peer *peer = g_ptr_array_index(self->peers, i);
        RelationBounds bounds = peer_relation(peer);

        if (!peer->current || bounds.state != RELATION_OK)
            continue;
        g_ptr_array_add(hosts, peer);
        loop_add(&loop, 0, (guint8) hosts->len, bounds.tb_ticks);
    }
    for (guint i = 0; i < hosts->len; i++)
        loop_add_told(&loop, (guint8) (i + 1), g_ptr_array_index(hosts, i));
    result = relation_loop_judge((const RelationLoopLink *) links->data, links->len, 0);
    *ret_suspect = loop_suspect(&loop, &result);
    return result.state;
}

const char *peers_loop_state_name(RelationLoopState state)
{
    switch (state) {
    case RELATION_LOOP_UNKNOWN:
        return "unknown";
    case RELATION_LOOP_CLOSES:
        return "closes";
    case RELATION_LOOP_OPEN:
        return "open";
    }
    g_assert_not_reached();
}
