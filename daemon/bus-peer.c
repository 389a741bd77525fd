/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tbsyncd1.Peer: one object per peer.
 *
 * What was signalled last is kept, so that a sample that changes nothing but bounds costs no signal.
 */
#include "bus-private.h"

#include <string.h>

#include "facts-codec.h"
#include "sd-variant.h"

#define INTERFACE "org.tbsyncd1.Peer"
#define PREFIX    BUS_ROOT "/peer"

/* Of one peer, as it was signalled last. */
typedef struct Shown {
    char *address;
    gboolean found;
    RelationState relation;
    RelationFault fault;
    gboolean stored;
} Shown;

#define DIFFERENCES_MAX 5 /* members of Shown */

struct BusPeers {
    Peers *peers;
    BusObjects *objects;
    GHashTable *shown; /* name -> Shown */
};

/* ---- properties ---- */

static int on_peer_get_string(sd_bus *bus, const char *path, const char *interface,
                              const char *property, sd_bus_message *reply, void *data,
                              sd_bus_error *e)
{
    const Peer *peer = data;
    const char *value = NULL;

    if (strcmp(property, "Name") == 0)
        value = peer_name(peer);
    else if (strcmp(property, "Address") == 0)
        value = peer_address(peer);
    else if (strcmp(property, "Origin") == 0)
        value = peer_is_found(peer) ? "dns" : "configuration";
    else if (strcmp(property, "State") == 0)
        value = peer_state_name(peer_state(peer));
    else if (strcmp(property, "Error") == 0)
        value = peer_state(peer) == PEER_LINKED ? "" : peer_error(peer);
    else if (strcmp(property, "RelationState") == 0)
        value = relation_state_name(peer_relation(peer).state);
    else if (strcmp(property, "RelationFault") == 0)
        value = relation_fault_name(peer_relation(peer).fault);
    return sd_bus_message_append(reply, "s", value ? value : "");
}

static int on_peer_get_host(sd_bus *bus, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *data,
                            sd_bus_error *e)
{
    const HostFacts *facts = peer_facts(data);
    HostFacts unknown;

    host_facts_init(&unknown);
    return sd_variant_append(reply, host_facts_to_variant(facts ? facts : &unknown));
}

static int on_peer_get_relation(sd_bus *bus, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *data,
                                sd_bus_error *e)
{
    RelationBounds bounds = peer_relation(data);
    Interval interval = strcmp(property, "TodRelationNSec") == 0 ? bounds.tod_ns : bounds.tb_ticks;

    return sd_bus_message_append(reply, "(xx)", interval.lo, interval.hi);
}

static int on_peer_get_age(sd_bus *bus, const char *path, const char *interface,
                           const char *property, sd_bus_message *reply, void *data, sd_bus_error *e)
{
    const HostFacts *facts = peer_facts(data);
    RelationBounds bounds = peer_relation(data);
    guint64 hz = facts && FACT_KNOWN(facts, HOST_TIMEBASE_HZ) ? facts->timebase_hz : 0;
    gint64 age_ns = bounds.exchanges > 0 && hz > 0 ? ticks_to_ns_ceil(bounds.age_ticks, hz) : -1;

    return sd_bus_message_append(reply, "x", age_ns);
}

static int on_peer_get_exchanges(sd_bus *bus, const char *path, const char *interface,
                                 const char *property, sd_bus_message *reply, void *data,
                                 sd_bus_error *e)
{
    return sd_bus_message_append(reply, "u", peer_relation(data).exchanges);
}

static int on_peer_get_stored(sd_bus *bus, const char *path, const char *interface,
                              const char *property, sd_bus_message *reply, void *data,
                              sd_bus_error *e)
{
    return sd_bus_message_append(reply, "b", (int)peer_relation_is_stored(data));
}

static int on_peer_get_drift(sd_bus *bus, const char *path, const char *interface,
                             const char *property, sd_bus_message *reply, void *data,
                             sd_bus_error *e)
{
    RelationDrift drift = peer_drift(data);
    Interval ppb = drift.known ? drift.ppb : INTERVAL_UNBOUNDED;

    return sd_bus_message_append(reply, "(xx)", ppb.lo, ppb.hi);
}

static int on_get_history(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const PeerHistory *history = peer_history(data);
    gint64 now_boot_ns = tb_clock_boot_ns();
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("a(xxx)"));
    for (guint i = 0; history && i < history->n; i++) {
        const PeerHistoryPoint *point = &history->points[i];
        Interval ticks = peer_history_ticks(point);

        g_variant_builder_add(&list, "(xxx)", now_boot_ns - peer_history_at_boot_ns(point), ticks.lo, ticks.hi);
    }
    bus_send_reply(call, g_variant_new("(a(xxx))", &list));
    return 1;
}

static const sd_bus_vtable peer_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_NAMES("GetHistory", NULL, , "a(xxx)", SD_BUS_PARAM(points), on_get_history, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Name", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Address", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Origin", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("State", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Error", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Host", "a{sv}", on_peer_get_host, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("RelationState", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("RelationFault", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("RelationStored", "b", on_peer_get_stored, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("MeasuredDriftPpb", "(xx)", on_peer_get_drift, 0, 0),
    SD_BUS_PROPERTY("TimebaseRelationTicks", "(xx)", on_peer_get_relation, 0, 0),
    SD_BUS_PROPERTY("TodRelationNSec", "(xx)", on_peer_get_relation, 0, 0),
    SD_BUS_PROPERTY("RelationAgeNSec", "x", on_peer_get_age, 0, 0),
    SD_BUS_PROPERTY("Exchanges", "u", on_peer_get_exchanges, 0, 0),
    SD_BUS_VTABLE_END,
};

/* ---- objects ---- */

static void *find_peer(void *owner, const char *name)
{
    return peers_by_name(((BusPeers *)owner)->peers, name);
}

static guint count_peers(void *owner)
{
    return peers_count(((BusPeers *)owner)->peers);
}

static const char *nth_name(void *owner, guint n)
{
    return peer_name(peers_nth(((BusPeers *)owner)->peers, n));
}

static const BusKind peer_kind = { PREFIX, INTERFACE, peer_vtable, find_peer, count_peers, nth_name };

/* ---- signals ---- */

static void shown_free(void *data)
{
    Shown *shown = data;

    g_free(shown->address);
    g_free(shown);
}

/* What of the peer is signalled only if it differs; its names go to `names`, which has place for them. */
static void shown_update(Shown *shown, const Peer *peer, const char **names)
{
    RelationBounds relation = peer_relation(peer);
    gboolean stored = peer_relation_is_stored(peer);
    guint n = 0;

    if (relation.state != shown->relation)
        names[n++] = "RelationState";
    if (relation.fault != shown->fault)
        names[n++] = "RelationFault";
    if (stored != shown->stored)
        names[n++] = "RelationStored";
    if (g_strcmp0(peer_address(peer), shown->address) != 0)
        names[n++] = "Address";
    if (peer_is_found(peer) != shown->found)
        names[n++] = "Origin";
    names[n] = NULL;
    shown->relation = relation.state;
    shown->fault = relation.fault;
    shown->stored = stored;
    shown->found = peer_is_found(peer);
    g_free(shown->address);
    shown->address = g_strdup(peer_address(peer));
}

static void emit_differences(BusPeers *self, Peer *peer)
{
    const char *names[DIFFERENCES_MAX + 1];

    shown_update(g_hash_table_lookup(self->shown, peer_name(peer)), peer, names);
    bus_objects_changed(self->objects, peer_name(peer), names);
}

/* FALSE: the peer is new, and all of it was told. */
static gboolean is_shown(BusPeers *self, Peer *peer)
{
    Shown *shown = g_hash_table_lookup(self->shown, peer_name(peer));
    const char *ignored[DIFFERENCES_MAX + 1];

    if (shown)
        return TRUE;
    shown = g_new0(Shown, 1);
    shown_update(shown, peer, ignored);
    g_hash_table_insert(self->shown, g_strdup(peer_name(peer)), shown);
    bus_objects_added(self->objects, peer_name(peer));
    return FALSE;
}

void bus_peer_sampled(BusPeers *self, Peer *peer)
{
    if (is_shown(self, peer))
        emit_differences(self, peer);
}

void bus_peer_changed(BusPeers *self, Peer *peer)
{
    static const char *const always[] = { "State", "Error", "Host", NULL };

    if (!is_shown(self, peer))
        return;
    bus_objects_changed(self->objects, peer_name(peer), always);
    emit_differences(self, peer);
}

static gboolean is_gone(void *name, void *shown, void *data)
{
    const BusPeers *self = data;
    const Peer *peer = peers_by_name(self->peers, name);

    if (peer && strcmp(peer_name(peer), name) == 0)
        return FALSE;
    bus_objects_removed(self->objects, name);
    return TRUE;
}

void bus_peers_changed(BusPeers *self)
{
    g_hash_table_foreach_remove(self->shown, is_gone, self);
    for (guint i = 0; i < peers_count(self->peers); i++)
        bus_peer_sampled(self, peers_nth(self->peers, i));
}

/* ---- life cycle ---- */

BusPeers *bus_peers_new(Peers *peers)
{
    BusPeers *self = g_new0(BusPeers, 1);

    self->peers = peers;
    self->objects = bus_objects_new(&peer_kind, self);
    self->shown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, shown_free);
    bus_peers_changed(self);
    return self;
}

void bus_peers_free(BusPeers *self)
{
    if (!self)
        return;
    g_hash_table_unref(self->shown);
    bus_objects_free(self->objects);
    g_free(self);
}

int bus_peers_add(BusPeers *self, sd_bus *bus)
{
    return bus_objects_add(self->objects, bus);
}

void bus_peers_leave(BusPeers *self)
{
    bus_objects_leave(self->objects);
}
