/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-peer.h"

#include <stdio.h>
#include <string.h>

#include "ctl-bus.h"
#include "ctl-format.h"
#include "facts-codec.h"
#include "units-text.h"
#include "units.h"

/* ---- from the bus ---- */

void ctl_peer_free(CtlPeer *peer)
{
    if (peer == NULL)
        return;
    g_free(peer->path);
    g_free(peer->name);
    g_free(peer->address);
    g_free(peer->origin);
    g_free(peer->state);
    g_free(peer->error);
    g_free(peer->relation_state);
    g_free(peer->relation_fault);
    g_free(peer);
}

static char *get_string(GVariant *properties, const char *name)
{
    const char *text = "";

    g_variant_lookup(properties, name, "&s", &text);
    return g_strdup(text);
}

CtlPeer *ctl_peer_read(GVariant *properties, GError **error)
{
    CtlPeer *peer = g_new0(CtlPeer, 1);
    g_autoptr(GVariant) host = g_variant_lookup_value(properties, "Host", G_VARIANT_TYPE_VARDICT);

    peer->path = g_strdup("");
    peer->name = get_string(properties, "Name");
    peer->address = get_string(properties, "Address");
    peer->origin = get_string(properties, "Origin");
    peer->state = get_string(properties, "State");
    peer->error = get_string(properties, "Error");
    peer->relation_state = get_string(properties, "RelationState");
    peer->relation_fault = get_string(properties, "RelationFault");
    g_variant_lookup(properties, "RelationStored", "b", &peer->relation_stored);
    peer->tb_ticks = peer->tod_ns = peer->drift_ppb = INTERVAL_UNBOUNDED;
    g_variant_lookup(properties, "MeasuredDriftPpb", "(xx)", &peer->drift_ppb.lo, &peer->drift_ppb.hi);
    peer->age_ns = -1;
    g_variant_lookup(properties, "TimebaseRelationTicks", "(xx)", &peer->tb_ticks.lo, &peer->tb_ticks.hi);
    g_variant_lookup(properties, "TodRelationNSec", "(xx)", &peer->tod_ns.lo, &peer->tod_ns.hi);
    g_variant_lookup(properties, "RelationAgeNSec", "x", &peer->age_ns);
    g_variant_lookup(properties, "Exchanges", "u", &peer->exchanges);
    host_facts_init(&peer->host);
    if (host != NULL && !host_facts_from_variant(host, &peer->host, error)) {
        g_prefix_error(error, "peer %s: ", peer->name);
        ctl_peer_free(peer);
        return NULL;
    }
    return peer;
}

static int compare_peers(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const CtlPeer *const *)a)->name, (*(const CtlPeer *const *)b)->name);
}

GPtrArray *ctl_peers_load(Ctl *ctl, GError **error)
{
    g_autoptr(GVariant) objects = ctl_bus_get_objects(ctl, error);
    g_autoptr(GPtrArray) peers = g_ptr_array_new_with_free_func((GDestroyNotify)ctl_peer_free);

    if (objects == NULL)
        return NULL;
    for (gsize i = 0; i < g_variant_n_children(objects); i++) {
        g_autoptr(GVariant) object = g_variant_get_child_value(objects, i);
        g_autoptr(GVariant) interfaces = g_variant_get_child_value(object, 1);
        g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, CTL_BUS_PEER, G_VARIANT_TYPE_VARDICT);
        CtlPeer *peer;

        if (properties == NULL)
            continue;
        peer = ctl_peer_read(properties, error);
        if (peer == NULL)
            return NULL;
        g_free(peer->path);
        g_variant_get_child(object, 0, "o", &peer->path);
        g_ptr_array_add(peers, peer);
    }
    g_ptr_array_sort(peers, compare_peers);
    return g_steal_pointer(&peers);
}

gboolean ctl_peer_is_linked(const CtlPeer *peer)
{
    return g_str_equal(peer->state, "linked");
}

/* ---- bounds ---- */

static guint64 peer_hz(const CtlPeer *peer, guint64 own_hz)
{
    return FACT_KNOWN(&peer->host, HOST_TIMEBASE_HZ) ? peer->host.timebase_hz : own_hz;
}

/* Outward, so that the bounds stay bounds. */
static Interval ticks_to_ns(Interval ticks, guint64 hz)
{
    if (hz == 0 || hz > G_MAXINT64 || !interval_is_bounded(ticks))
        return INTERVAL_UNBOUNDED;
    return interval_of(ticks_to_ns_floor(ticks.lo, hz), ticks_to_ns_ceil(ticks.hi, hz));
}

Interval ctl_peer_ticks_to_ns(const CtlPeer *peer, Interval ticks, guint64 own_hz)
{
    return ticks_to_ns(ticks, peer_hz(peer, own_hz));
}

Interval ctl_peer_timebase_ns(const CtlPeer *peer, guint64 own_hz)
{
    return ticks_to_ns(peer->tb_ticks, peer_hz(peer, own_hz));
}

static char *ns_as_us(gint64 ns)
{
    guint64 size = ns < 0 ? -(guint64)ns : (guint64)ns;

    return g_strdup_printf("%s%" G_GUINT64_FORMAT ".%03u", ns < 0 ? "-" : "", size / 1000, (guint)(size % 1000));
}

static char *us_text(Interval ns)
{
    g_autofree char *lo = ns_as_us(ns.lo);
    g_autofree char *hi = ns_as_us(ns.hi);

    return interval_is_bounded(ns) ? g_strdup_printf("%s .. %s", lo, hi) : g_strdup("unknown");
}

static char *ticks_text(Interval ticks)
{
    return interval_is_bounded(ticks)
               ? g_strdup_printf("%" G_GINT64_FORMAT " .. %" G_GINT64_FORMAT, ticks.lo, ticks.hi)
               : g_strdup("unknown");
}

/* ---- table ---- */

static CtlStyle state_style(const CtlPeer *peer)
{
    return ctl_peer_is_linked(peer) ? CTL_GOOD : g_str_equal(peer->state, "refused") ? CTL_BAD : CTL_WARN;
}

static CtlStyle relation_style(const CtlPeer *peer)
{
    return g_str_equal(peer->relation_state, "ok") ? CTL_GOOD : g_str_equal(peer->relation_state, "none") ? CTL_DIM : CTL_BAD;
}

/* "ok", "ok, stored", "stepped, remote-timebase" */
static char *relation_text(const CtlPeer *peer)
{
    gboolean fault = *peer->relation_fault != '\0' && !g_str_equal(peer->relation_fault, "none");

    return g_strdup_printf("%s%s%s%s", peer->relation_state, peer->relation_stored ? ", stored" : "", fault ? ", " : "",
                           fault ? peer->relation_fault : "");
}

static void add_bounds(CtlTable *table, char *text)
{
    g_autofree char *owned = text;

    ctl_table_add(table, g_str_equal(text, "unknown") ? CTL_DIM : CTL_PLAIN, text);
}

static void add_details(CtlTable *table, const CtlPeer *peer)
{
    g_autofree char *cpu = FACT_KNOWN(&peer->host, HOST_PVR) ? pvr_to_text(peer->host.pvr) : g_strdup("unknown");
    gboolean simulated = FACT_KNOWN(&peer->host, HOST_SIMULATED) && peer->host.simulated;

    ctl_table_printf(table, CTL_PLAIN, "%u", peer->exchanges);
    ctl_table_printf(table, CTL_PLAIN, "%s%s", cpu, simulated ? ", simulated" : "");
    ctl_table_printf(table, CTL_PLAIN, "%s%s", peer->address, g_str_equal(peer->origin, "dns") ? ", DNS" : "");
}

static void add_row(CtlTable *table, const CtlPeer *peer, guint64 own_hz, gboolean detailed)
{
    Interval tb_ns = ticks_to_ns(peer->tb_ticks, peer_hz(peer, own_hz));
    g_autofree char *width = interval_is_bounded(tb_ns) ? ns_to_text(interval_width(tb_ns)) : g_strdup("-");
    g_autofree char *relation = relation_text(peer);
    g_autofree char *age = peer->age_ns >= 0 ? ns_to_text(peer->age_ns) : g_strdup("never");

    ctl_table_add(table, CTL_PLAIN, peer->name);
    ctl_table_add(table, state_style(peer), peer->state);
    ctl_table_add(table, relation_style(peer), relation);
    add_bounds(table, ticks_text(peer->tb_ticks));
    add_bounds(table, us_text(tb_ns));
    ctl_table_add(table, CTL_PLAIN, width);
    add_bounds(table, us_text(peer->tod_ns));
    ctl_table_add(table, CTL_PLAIN, age);
    if (detailed)
        add_details(table, peer);
}

void ctl_peers_print(const Ctl *ctl, const GPtrArray *peers, guint64 timebase_hz, gboolean detailed)
{
    static const char *const heads[] = { "PEER", "STATE", "RELATION", ">TIMEBASE (ticks)", ">TIMEBASE (us)", ">WIDTH",
                                         ">TIME OF DAY (us)", ">AGE", NULL };
    static const char *const more[] = { "PEER", "STATE", "RELATION", ">TIMEBASE (ticks)", ">TIMEBASE (us)", ">WIDTH",
                                        ">TIME OF DAY (us)", ">AGE", ">EXCHANGES", "CPU", "ADDRESS", NULL };
    g_autoptr(CtlTable) table = ctl_table_new(ctl, detailed ? more : heads);

    for (guint i = 0; i < peers->len; i++)
        add_row(table, peers->pdata[i], timebase_hz, detailed);
    ctl_table_print(table);
    for (guint i = 0; i < peers->len; i++) {
        const CtlPeer *peer = peers->pdata[i];

        if (*peer->error == '\0')
            continue;
        ctl_print(ctl, state_style(peer), peer->name);
        printf(": ");
        ctl_print(ctl, CTL_PLAIN, peer->error);
        printf("\n");
    }
}

/* ---- JSON ---- */

static void add_string(JsonBuilder *builder, const char *name, const char *value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

static void add_int(JsonBuilder *builder, const char *name, gint64 value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, value);
}

/* Unbounded is left out: unknown is a state of its own. */
static void add_interval(JsonBuilder *builder, const char *lo, const char *hi, Interval value)
{
    if (!interval_is_bounded(value))
        return;
    add_int(builder, lo, value.lo);
    add_int(builder, hi, value.hi);
}

static void build_peer(const CtlPeer *peer, guint64 own_hz, JsonBuilder *builder)
{
    json_builder_begin_object(builder);
    add_string(builder, "name", peer->name);
    add_string(builder, "address", peer->address);
    add_string(builder, "origin", peer->origin);
    add_string(builder, "state", peer->state);
    add_string(builder, "error", peer->error);
    json_builder_set_member_name(builder, "relation");
    json_builder_begin_object(builder);
    add_string(builder, "state", peer->relation_state);
    add_string(builder, "fault", peer->relation_fault);
    json_builder_set_member_name(builder, "stored");
    json_builder_add_boolean_value(builder, peer->relation_stored);
    add_interval(builder, "drift_lo_ppb", "drift_hi_ppb", peer->drift_ppb);
    add_interval(builder, "tb_lo_ticks", "tb_hi_ticks", peer->tb_ticks);
    add_interval(builder, "tb_lo_ns", "tb_hi_ns", ticks_to_ns(peer->tb_ticks, peer_hz(peer, own_hz)));
    add_interval(builder, "tod_lo_ns", "tod_hi_ns", peer->tod_ns);
    if (peer->age_ns >= 0)
        add_int(builder, "age_ns", peer->age_ns);
    add_int(builder, "exchanges", peer->exchanges);
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "host");
    json_builder_begin_object(builder);
    host_facts_build_json(&peer->host, builder);
    json_builder_end_object(builder);
    json_builder_end_object(builder);
}

void ctl_peers_build_json(const GPtrArray *peers, guint64 timebase_hz, JsonBuilder *builder)
{
    for (guint i = 0; i < peers->len; i++)
        build_peer(peers->pdata[i], timebase_hz, builder);
}
