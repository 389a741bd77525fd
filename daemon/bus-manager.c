/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tbsyncd1.Manager: this host, and the questions that are put to it. */
#include "bus-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "facts-codec.h"
#include "findings.h"
#include "preflight.h"
#include "ranking.h"
#include "sd-variant.h"
#include "tbsyncd-config.h"

#define INTERFACE "org.tbsyncd1.Manager"

#define LIST_DEADLINE_MS    4000
#define GUEST_ARGUMENT_MAX  255
#define ASSUME_ARGUMENT_MAX 64
#define RECORDS_MAX         1000

/* A method call that is answered later: keeps nothing but the call. */
typedef struct Pending {
    sd_bus_message *call;
    Guests *guests;
} Pending;

static Pending *pending_new(const BusServiceParams *params, sd_bus_message *call)
{
    Pending *pending = g_new0(Pending, 1);

    pending->call = sd_bus_message_ref(call);
    pending->guests = params->guests;
    return pending;
}

static void pending_free(Pending *pending)
{
    sd_bus_message_unref(pending->call);
    g_free(pending);
}

/* ---- methods ---- */

static int read_guest(sd_bus_message *call, GuestFacts *ret)
{
    g_autoptr(GVariant) dict = NULL;
    g_autoptr(GError) error = NULL;
    int r = sd_variant_read(call, "a{sv}", &dict);

    if (r < 0)
        return r;
    if (!guest_facts_from_variant(dict, ret, &error)) {
        bus_reply_error(call, error);
        return 0;
    }
    if (!FACT_KNOWN(ret, GUEST_UUID) || !g_uuid_string_is_valid(ret->uuid)) {
        bus_reply_invalid(call, "uuid: missing or not a UUID");
        return 0;
    }
    return 1;
}

static void on_checked(GObject *source, GAsyncResult *result, void *data)
{
    Pending *pending = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(HookAnswer) answer = hooks_check_finish(result, &error);

    if (answer)
        bus_send_reply(pending->call,
                   g_variant_new("(s@aa{sv}@a{sv}s)", decision_name(answer->verdict.decision),
                                 verdict_findings_to_variant(&answer->verdict),
                                 offset_plan_to_variant(&answer->verdict.plan),
                                 answer->migration_id ? answer->migration_id : ""));
    else
        bus_reply_error(pending->call, error);
    pending_free(pending);
}

static int on_check_incoming(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;
    GuestFacts guest;
    int r = read_guest(call, &guest);

    if (r <= 0)
        return r < 0 ? r : 1;
    hooks_check_async(params->hooks, &guest, on_checked, pending_new(params, call));
    return 1;
}

static int on_check_restore(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;
    g_autoptr(HookAnswer) answer = NULL;
    GuestFacts guest;
    int r = read_guest(call, &guest);

    if (r <= 0)
        return r < 0 ? r : 1;
    answer = hooks_check_restore(params->hooks, &guest);
    bus_send_reply(call, g_variant_new("(s@aa{sv})", decision_name(answer->verdict.decision),
                                   verdict_findings_to_variant(&answer->verdict)));
    return 1;
}

static void on_preflight(GObject *source, GAsyncResult *result, void *data)
{
    Pending *pending = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(HookAnswer) answer = preflight_finish(result, &error);

    if (answer)
        bus_send_reply(pending->call,
                   g_variant_new("(s@aa{sv}@a{sv})", decision_name(answer->verdict.decision),
                                 verdict_findings_to_variant(&answer->verdict),
                                 offset_plan_to_variant(&answer->verdict.plan)));
    else
        bus_reply_error(pending->call, error);
    pending_free(pending);
}

static PreflightParams preflight_params(const BusServiceParams *params)
{
    return (PreflightParams){
        .peers = params->peers,
        .guests = params->guests,
        .ledger = params->ledger,
        .config = params->config(params->data),
        .own = params->host_facts(params->data),
    };
}

static GVariant *rank_entry_to_variant(const RankEntry *entry)
{
    const Verdict *verdict = &entry->verdict;
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "host", "s", entry->host);
    g_variant_dict_insert(&dict, "decision", "s", decision_name(verdict->decision));
    g_variant_dict_insert(&dict, "code", "s",
                          verdict->n_findings > 0 ? finding_code_name(verdict->findings[0].code) : "");
    if (interval_is_bounded(entry->error_ns)) {
        g_variant_dict_insert(&dict, "error_lo_ns", "x", entry->error_ns.lo);
        g_variant_dict_insert(&dict, "error_hi_ns", "x", entry->error_ns.hi);
        g_variant_dict_insert(&dict, "offset_ticks", "x", entry->offset_ticks);
    }
    return g_variant_dict_end(&dict);
}

static void on_ranked(GObject *source, GAsyncResult *result, void *data)
{
    Pending *pending = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = ranking_finish(result, &error);
    GVariantBuilder list;

    if (entries) {
        g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
        for (guint i = 0; i < entries->len; i++)
            g_variant_builder_add_value(&list, rank_entry_to_variant(entries->pdata[i]));
        bus_send_reply(pending->call, g_variant_new("(aa{sv})", &list));
    } else {
        bus_reply_error(pending->call, error);
    }
    pending_free(pending);
}

static int on_rank(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;
    PreflightParams preflight = preflight_params(params);
    const char *guest;
    int r = sd_bus_message_read(call, "s", &guest);

    if (r < 0)
        return r;
    if (strlen(guest) > GUEST_ARGUMENT_MAX)
        return bus_reply_invalid(call, "guest: name too long");
    ranking_async(&preflight, guest, on_ranked, pending_new(params, call));
    return 1;
}

static int on_check(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;
    PreflightParams preflight = preflight_params(params);
    const char *guest, *host;
    char **assume = NULL;
    int r = sd_bus_message_read(call, "ss", &guest, &host);

    if (r >= 0)
        r = sd_bus_message_read_strv(call, &assume);
    if (r < 0)
        return r;
    if (strlen(guest) > GUEST_ARGUMENT_MAX)
        r = bus_reply_invalid(call, "guest: name too long");
    else if (assume && g_strv_length(assume) > ASSUME_ARGUMENT_MAX)
        r = bus_reply_invalid(call, "assume: too many assumptions");
    else
        preflight_async(&preflight, guest, host, (const char *const *)assume, on_preflight,
                        pending_new(params, call));
    for (char **s = assume; s && *s; s++)
        free(*s); /* sd-bus' allocator, not GLib's */
    free(assume);
    return r < 0 ? r : 1;
}

static void on_listed(GObject *source, GAsyncResult *result, void *data)
{
    Pending *pending = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) guests = guests_list_finish(pending->guests, result, &error);
    GVariantBuilder list;

    if (!guests) {
        bus_reply_error(pending->call, error);
        pending_free(pending);
        return;
    }
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < guests->len; i++)
        g_variant_builder_add_value(&list,
                                    guest_facts_to_variant(&g_array_index(guests, GuestFacts, i)));
    bus_send_reply(pending->call, g_variant_new("(aa{sv})", &list));
    pending_free(pending);
}

static int on_list_guests(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;

    guests_list_async(params->guests, LIST_DEADLINE_MS, NULL, on_listed,
                      pending_new(params, call));
    return 1;
}

static void on_peer_listed(const GArray *guests, gboolean complete, const GError *error, void *data)
{
    sd_bus_message *call = data;
    GVariantBuilder list;

    if (error) {
        bus_reply_error(call, error);
        sd_bus_message_unref(call);
        return;
    }
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < guests->len; i++)
        g_variant_builder_add_value(&list,
                                    guest_facts_to_variant(&g_array_index(guests, GuestFacts, i)));
    bus_send_reply(call, g_variant_new("(aa{sv}b)", &list, complete));
    sd_bus_message_unref(call);
}

static int on_list_peer_guests(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;
    const char *name;
    Peer *peer;
    int r = sd_bus_message_read(call, "s", &name);

    if (r < 0)
        return r;
    peer = peers_by_name(params->peers, name);
    if (!peer)
        return sd_bus_reply_method_errorf(call, "org.tbsyncd1.Error.NoSuchPeer",
                                          "no peer '%s' is configured on this host; 'tbsyncctl "
                                          "peers' lists them",
                                          name);
    sd_bus_message_ref(call);
    if (peer_list_guests(peer, LIST_DEADLINE_MS, on_peer_listed, call))
        return 1;
    sd_bus_message_unref(call);
    return sd_bus_reply_method_errorf(call, "org.tbsyncd1.Error.Unreachable",
                                      "peer '%s' is not linked: %s", name,
                                      peer_error(peer) ? peer_error(peer)
                                                       : peer_state_name(peer_state(peer)));
}

static int on_list_migrations(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;
    g_autoptr(GPtrArray) ids = NULL;
    GVariantBuilder list;
    guint32 limit;
    int r = sd_bus_message_read(call, "u", &limit);

    if (r < 0)
        return r;
    ids = ledger_ids(params->ledger, limit == 0 ? RECORDS_MAX : MIN(limit, RECORDS_MAX));
    g_variant_builder_init(&list, G_VARIANT_TYPE_STRING_ARRAY);
    for (guint i = 0; i < ids->len; i++) {
        g_autofree char *text = ledger_get(params->ledger, g_ptr_array_index(ids, i), NULL);

        if (text)
            g_variant_builder_add(&list, "s", text);
    }
    bus_send_reply(call, g_variant_new("(as)", &list));
    return 1;
}

static int on_get_migration(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    const char *id;
    int r = sd_bus_message_read(call, "s", &id);

    if (r < 0)
        return r;
    text = ledger_get(params->ledger, id, &error);
    if (!text)
        return bus_reply_error(call, error);
    return sd_bus_reply_method_return(call, "s", text);
}

static int on_reload(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;
    g_autoptr(GError) error = NULL;

    if (!params->reload(params->data, &error))
        return bus_reply_error(call, error);
    return sd_bus_reply_method_return(call, NULL);
}

static int on_diagnose(sd_bus_message *call, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;

    bus_send_reply(call, g_variant_new("(@aa{sv})", params->diagnose(params->data)));
    return 1;
}

/* ---- properties ---- */

static int on_get_version(sd_bus *bus, const char *path, const char *interface,
                          const char *property, sd_bus_message *reply, void *data, sd_bus_error *e)
{
    return sd_bus_message_append(reply, "s", TBSYNCD_VERSION);
}

static int on_get_host(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;

    return sd_variant_append(
        reply, host_facts_to_variant(params->host_facts(params->data)));
}

static int on_get_simulated(sd_bus *bus, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *data,
                            sd_bus_error *e)
{
    const BusServiceParams *params = data;

    return sd_bus_message_append(reply, "b",
                                 (int)params->host_facts(params->data)->simulated);
}

static int on_get_timebase(sd_bus *bus, const char *path, const char *interface,
                           const char *property, sd_bus_message *reply, void *data, sd_bus_error *e)
{
    const BusServiceParams *params = data;

    return sd_bus_message_append(reply, "t", tb_clock_read_tb(params->clock).raw);
}

static int on_get_timing_events(sd_bus *bus, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *data,
                                sd_bus_error *e)
{
    const BusServiceParams *params = data;
    BusStatus status;

    params->status(&status, params->data);
    return sd_bus_message_append(reply, "b", (int)status.timing_events);
}

static int on_get_status_string(sd_bus *bus, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *data,
                                sd_bus_error *e)
{
    static const struct {
        const char *property;
        size_t offset;
    } fields[] = {
        { "LibvirtState", offsetof(BusStatus, libvirt_state) },
        { "LibvirtError", offsetof(BusStatus, libvirt_error) },
        { "HookState", offsetof(BusStatus, hook_state) },
        { "HookPath", offsetof(BusStatus, hook_path) },
        { "Listen", offsetof(BusStatus, listen) },
        { "KvmNote", offsetof(BusStatus, kvm_note) },
        { "LoopState", offsetof(BusStatus, loop_state) },
        { "LoopSuspect", offsetof(BusStatus, loop_suspect) },
    };
    const BusServiceParams *params = data;
    BusStatus status;

    params->status(&status, params->data);
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        if (strcmp(property, fields[i].property) == 0)
            return sd_bus_message_append(reply, "s",
                                         *(const char **)((char *)&status + fields[i].offset));
    return -ENOENT;
}

static const sd_bus_vtable manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_NAMES("CheckIncoming", "a{sv}", SD_BUS_PARAM(guest), "saa{sv}a{sv}s",
                             SD_BUS_PARAM(decision) SD_BUS_PARAM(findings) SD_BUS_PARAM(plan)
                                 SD_BUS_PARAM(migration),
                             on_check_incoming, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("CheckRestore", "a{sv}", SD_BUS_PARAM(guest), "saa{sv}",
                             SD_BUS_PARAM(decision) SD_BUS_PARAM(findings), on_check_restore,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES(
        "Check", "ssas", SD_BUS_PARAM(guest) SD_BUS_PARAM(host) SD_BUS_PARAM(assume),
        "saa{sv}a{sv}", SD_BUS_PARAM(decision) SD_BUS_PARAM(findings) SD_BUS_PARAM(plan), on_check,
        SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("Rank", "s", SD_BUS_PARAM(guest), "aa{sv}", SD_BUS_PARAM(destinations),
                             on_rank, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("ListGuests", NULL, , "aa{sv}", SD_BUS_PARAM(guests), on_list_guests,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("ListPeerGuests", "s", SD_BUS_PARAM(peer), "aa{sv}b",
                             SD_BUS_PARAM(guests) SD_BUS_PARAM(complete), on_list_peer_guests,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("ListMigrations", "u", SD_BUS_PARAM(limit), "as",
                             SD_BUS_PARAM(records), on_list_migrations, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("GetMigration", "s", SD_BUS_PARAM(id), "s", SD_BUS_PARAM(record),
                             on_get_migration, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("Diagnose", NULL, , "aa{sv}", SD_BUS_PARAM(problems), on_diagnose,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Reload", NULL, NULL, on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Version", "s", on_get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Host", "a{sv}", on_get_host, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Simulated", "b", on_get_simulated, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("TimebaseTicks", "t", on_get_timebase, 0, 0),
    SD_BUS_PROPERTY("LibvirtState", "s", on_get_status_string, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("LibvirtError", "s", on_get_status_string, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("TimingEvents", "b", on_get_timing_events, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("HookState", "s", on_get_status_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("HookPath", "s", on_get_status_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Listen", "s", on_get_status_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("KvmNote", "s", on_get_status_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("LoopState", "s", on_get_status_string, 0, 0),
    SD_BUS_PROPERTY("LoopSuspect", "s", on_get_status_string, 0, 0),
    SD_BUS_VTABLE_END,
};

int bus_manager_add(sd_bus *bus, BusServiceParams *params)
{
    return sd_bus_add_object_vtable(bus, NULL, BUS_ROOT, INTERFACE, manager_vtable, params);
}

void bus_manager_hook_changed(sd_bus *bus)
{
    sd_bus_emit_properties_changed(bus, BUS_ROOT, INTERFACE, "HookState", "HookPath", NULL);
}

void bus_manager_changed(sd_bus *bus)
{
    sd_bus_emit_properties_changed(bus, BUS_ROOT, INTERFACE, "Host", "LibvirtState", "LibvirtError", "TimingEvents", "Listen",
                                   "KvmNote", NULL);
}
