/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The relation of a peer over a restart of this daemon: kept in the ledger, and taken up again by the first Hello.
 *
 * It holds as long as both timebases run on, that is until either host boots; so it is taken only if both boot ids are those
 * it was kept with. Drift widens it as it widens any other while a peer is silent. A host that does not tell its boot id
 * has no memory. A timebase may stop without a boot, where a machine is suspended or taken back to a snapshot: of this host
 * that is seen by CLOCK_BOOTTIME, which was kept beside it; of the peer by the first exchange, as at any other time. Of the times
 * of day nothing is taken: they are stepped every day.
 */
#include "peers-private.h"

#include <string.h>

#include "ledger.h"

/* Between two writes: what is lost with a crash is some drift. */
#define KEEP_PERIOD_NS (60 * NS_PER_S)

/* Between the readings of two clocks that are one after the other, on a busy machine. */
#define READING_SLACK_NS (50 * (NS_PER_S / 1000))

/* What may not change: both machines, both boots, and how our own timebase is made. */
static char *memory_key(const Peer *self)
{
    const HostFacts *own = peers_own_facts(self->peers);
    const Config *config = self->peers->params.config;

    if (!FACT_KNOWN(own, HOST_BOOT_ID) || !self->has_facts || !FACT_KNOWN(&self->facts, HOST_BOOT_ID) ||
        !FACT_KNOWN(&self->facts, HOST_MACHINE_ID))
        return NULL;
    return g_strdup_printf("%s %s %s %d %" G_GUINT64_FORMAT " %d %" G_GUINT64_FORMAT " %u", own->boot_id,
                           self->facts.machine_id, self->facts.boot_id, own->simulated, config->tb_start_ticks,
                           config->tb_drift_ppb, own->timebase_hz, config->drift_bound_ppb);
}

/* Whether this host's timebase and CLOCK_BOOTTIME advanced alike since it was kept. */
static gboolean timebase_ran_on(const Peer *self, JsonObject *object)
{
    JsonNode *tb = json_object_get_member(object, "now_tb"), *boot = json_object_get_member(object, "now_boot_ns");
    gint64 ticks, boot_ns, tb_ns;

    if (!tb || !boot || json_node_get_value_type(tb) != G_TYPE_INT64 || json_node_get_value_type(boot) != G_TYPE_INT64)
        return FALSE;
    ticks = tb_minus(tb_clock_read_tb(self->peers->params.clock), tb_ticks((guint64) json_node_get_int(tb)));
    boot_ns = int64_sub(tb_clock_boot_ns(), json_node_get_int(boot));
    tb_ns = ticks_to_ns_floor(ticks, tb_clock_frequency_hz(self->peers->params.clock));
    return interval_contains(interval_widen(interval_point(boot_ns), READING_SLACK_NS +
                                            mul_div_ceil(MAX(boot_ns, 0), RELATION_TOD_DRIFT_PPB_DEFAULT, NS_PER_S)),
                             tb_ns);
}

void peer_memory_keep(Peer *self, gboolean now)
{
    Ledger *ledger = self->peers->params.ledger;
    gint64 boot_ns = tb_clock_boot_ns();
    g_autofree char *key = NULL;
    g_autoptr(JsonObject) object = NULL;

    if (!ledger || !self->has_relation || self->relation.stored || self->relation_state != RELATION_OK ||
        (!now && self->kept_boot_ns != 0 && boot_ns - self->kept_boot_ns < KEEP_PERIOD_NS))
        return;
    key = memory_key(self);
    if (!key)
        return;
    self->kept_boot_ns = boot_ns;
    object = json_object_new();
    json_object_set_string_member(object, "key", key);
    json_object_set_int_member(object, "now_tb", (gint64) tb_clock_read_tb(self->peers->params.clock).raw);
    json_object_set_int_member(object, "now_boot_ns", boot_ns);
    json_object_set_object_member(object, "relation", relation_to_json(&self->relation));
    ledger_put_peer(ledger, self->name, object);
}

gboolean peer_memory_recall(Peer *self)
{
    Ledger *ledger = self->peers->params.ledger;
    g_autoptr(JsonObject) object = ledger ? ledger_get_peer(ledger, self->name) : NULL;
    g_autofree char *key = object ? memory_key(self) : NULL;
    JsonNode *node = object ? json_object_get_member(object, "relation") : NULL;
    g_autoptr(GError) error = NULL;
    Relation relation;

    if (!key || !node || !JSON_NODE_HOLDS_OBJECT(node) ||
        strcmp(json_object_get_string_member_with_default(object, "key", ""), key) != 0)
        return FALSE;
    if (!relation_read_json(json_node_get_object(node), &relation, &error)) {
        g_debug("peer %s: its stored relation is not used: %s", self->name, error->message);
        return FALSE;
    }
    if (relation.params.timebase_hz != tb_clock_frequency_hz(self->peers->params.clock) ||
        relation.params.drift_ppb != self->peers->params.config->drift_bound_ppb || relation.tb.state != RELATION_OK ||
        !timebase_ran_on(self, object))
        return FALSE;
    relation_set_stored(&relation);
    self->relation = relation;
    self->relation_state = RELATION_OK;
    return TRUE;
}
