/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tbsyncd1.Peer: one object per configured peer. */
#include "bus-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "facts-codec.h"
#include "sd-variant.h"

#define INTERFACE "org.tbsyncd1.Peer"
#define PREFIX    BUS_ROOT "/peer"

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

static const sd_bus_vtable peer_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Name", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Address", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("State", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Error", "s", on_peer_get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Host", "a{sv}", on_peer_get_host, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("RelationState", "s", on_peer_get_string, 0, 0),
    SD_BUS_PROPERTY("RelationFault", "s", on_peer_get_string, 0, 0),
    SD_BUS_PROPERTY("RelationStored", "b", on_peer_get_stored, 0, 0),
    SD_BUS_PROPERTY("MeasuredDriftPpb", "(xx)", on_peer_get_drift, 0, 0),
    SD_BUS_PROPERTY("TimebaseRelationTicks", "(xx)", on_peer_get_relation, 0, 0),
    SD_BUS_PROPERTY("TodRelationNSec", "(xx)", on_peer_get_relation, 0, 0),
    SD_BUS_PROPERTY("RelationAgeNSec", "x", on_peer_get_age, 0, 0),
    SD_BUS_PROPERTY("Exchanges", "u", on_peer_get_exchanges, 0, 0),
    SD_BUS_VTABLE_END,
};

static int on_find_peer(sd_bus *bus, const char *path, const char *interface, void *data,
                        void **ret_found, sd_bus_error *e)
{
    const BusServiceParams *params = data;
    char *name = NULL;
    int r = sd_bus_path_decode(path, PREFIX, &name);

    if (r > 0)
        *ret_found = peers_by_name(params->peers, name);
    r = r > 0 && *ret_found ? 1 : 0;
    free(name);
    return r;
}

static int on_enumerate_peers(sd_bus *bus, const char *prefix, void *data, char ***ret_nodes,
                              sd_bus_error *e)
{
    const BusServiceParams *params = data;
    guint n = peers_count(params->peers);
    char **nodes = calloc(n + 1, sizeof *nodes); /* freed by sd-bus */
    int r = nodes ? 0 : -ENOMEM;

    for (guint i = 0; r >= 0 && i < n; i++)
        r = sd_bus_path_encode(PREFIX, peer_name(peers_nth(params->peers, i)),
                               &nodes[i]);
    if (r < 0)
        return r;
    *ret_nodes = nodes;
    return 1;
}

int bus_peers_add(sd_bus *bus, BusServiceParams *params)
{
    int r = sd_bus_add_fallback_vtable(bus, NULL, PREFIX, INTERFACE, peer_vtable, on_find_peer, params);

    return r < 0 ? r : sd_bus_add_node_enumerator(bus, NULL, PREFIX, on_enumerate_peers, params);
}

void bus_peer_changed(sd_bus *bus, Peer *peer)
{
    char *path = NULL;

    if (sd_bus_path_encode(PREFIX, peer_name(peer), &path) >= 0)
        sd_bus_emit_properties_changed(bus, path, INTERFACE, "State", "Error", "Host", NULL);
    free(path);
}
