/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "facts-codec.h"
#include "findings.h"
#include "log-control.h"
#include "preflight.h"
#include "ranking.h"
#include "sd-source.h"
#include "sd-variant.h"
#include "tbsyncd-config.h"

#define BUS_NAME     "org.tbsyncd1"
#define ROOT_PATH    "/org/tbsyncd1"
#define PEER_PREFIX  "/org/tbsyncd1/peer"
#define MANAGER_NAME "org.tbsyncd1.Manager"
#define PEER_NAME    "org.tbsyncd1.Peer"

#define REOPEN_MS           1000
#define LIST_DEADLINE_MS    4000
#define GUEST_ARGUMENT_MAX  255
#define ASSUME_ARGUMENT_MAX 64
#define RECORDS_MAX         1000

struct BusService {
    BusServiceParams params;
    sd_bus *bus;
    GSource *source;
    guint reopen_source;
};

/* A method call that is answered later: keeps nothing but the call. */
typedef struct Pending {
    sd_bus_message *call;
    Guests *guests;
} Pending;

static Pending *pending_new(BusService *service, sd_bus_message *call)
{
    Pending *pending = g_new0(Pending, 1);

    pending->call = sd_bus_message_ref(call);
    pending->guests = service->params.guests;
    return pending;
}

static void pending_free(Pending *pending)
{
    sd_bus_message_unref(pending->call);
    g_free(pending);
}

static void send_reply(sd_bus_message *call, GVariant *body)
{
    sd_bus_message *reply = NULL;
    g_autoptr(GVariant) owned = g_variant_ref_sink(body);
    GVariantIter iter;
    GVariant *child;
    int r = sd_bus_message_new_method_return(call, &reply);

    g_variant_iter_init(&iter, owned);
    while (r >= 0 && (child = g_variant_iter_next_value(&iter))) {
        r = sd_variant_append(reply, child);
        g_variant_unref(child);
    }
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    if (r < 0)
        g_debug("reply on the system bus: %s", g_strerror(-r));
    sd_bus_message_unref(reply);
}

static int reply_error(sd_bus_message *call, const GError *error)
{
    return sd_bus_reply_method_errorf(call, tbsync_error_dbus_name(error), "%s", error->message);
}

static int reply_invalid(sd_bus_message *call, const char *message)
{
    return sd_bus_reply_method_errorf(call, "org.tbsyncd1.Error.Invalid", "%s", message);
}

/* ---- Manager: methods ---- */

static int read_guest(sd_bus_message *call, GuestFacts *ret)
{
    g_autoptr(GVariant) dict = NULL;
    g_autoptr(GError) error = NULL;
    int r = sd_variant_read(call, "a{sv}", &dict);

    if (r < 0)
        return r;
    if (!guest_facts_from_variant(dict, ret, &error)) {
        reply_error(call, error);
        return 0;
    }
    if (!FACT_KNOWN(ret, GUEST_UUID) || !g_uuid_string_is_valid(ret->uuid)) {
        reply_invalid(call, "uuid: missing or not a UUID");
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
        send_reply(pending->call,
                   g_variant_new("(s@aa{sv}@a{sv}s)", decision_name(answer->verdict.decision),
                                 verdict_findings_to_variant(&answer->verdict),
                                 offset_plan_to_variant(&answer->verdict.plan),
                                 answer->migration_id ? answer->migration_id : ""));
    else
        reply_error(pending->call, error);
    pending_free(pending);
}

static int on_check_incoming(sd_bus_message *call, void *data, sd_bus_error *e)
{
    BusService *service = data;
    GuestFacts guest;
    int r = read_guest(call, &guest);

    if (r <= 0)
        return r < 0 ? r : 1;
    hooks_check_async(service->params.hooks, &guest, on_checked, pending_new(service, call));
    return 1;
}

static int on_check_restore(sd_bus_message *call, void *data, sd_bus_error *e)
{
    BusService *service = data;
    g_autoptr(HookAnswer) answer = NULL;
    GuestFacts guest;
    int r = read_guest(call, &guest);

    if (r <= 0)
        return r < 0 ? r : 1;
    answer = hooks_check_restore(service->params.hooks, &guest);
    send_reply(call, g_variant_new("(s@aa{sv})", decision_name(answer->verdict.decision),
                                   verdict_findings_to_variant(&answer->verdict)));
    return 1;
}

static void on_preflight(GObject *source, GAsyncResult *result, void *data)
{
    Pending *pending = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(HookAnswer) answer = preflight_finish(result, &error);

    if (answer)
        send_reply(pending->call,
                   g_variant_new("(s@aa{sv}@a{sv})", decision_name(answer->verdict.decision),
                                 verdict_findings_to_variant(&answer->verdict),
                                 offset_plan_to_variant(&answer->verdict.plan)));
    else
        reply_error(pending->call, error);
    pending_free(pending);
}

static PreflightParams preflight_params(const BusService *service)
{
    return (PreflightParams){
        .peers = service->params.peers,
        .guests = service->params.guests,
        .ledger = service->params.ledger,
        .config = service->params.config(service->params.data),
        .own = service->params.host_facts(service->params.data),
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
        send_reply(pending->call, g_variant_new("(aa{sv})", &list));
    } else {
        reply_error(pending->call, error);
    }
    pending_free(pending);
}

static int on_rank(sd_bus_message *call, void *data, sd_bus_error *e)
{
    BusService *service = data;
    PreflightParams params = preflight_params(service);
    const char *guest;
    int r = sd_bus_message_read(call, "s", &guest);

    if (r < 0)
        return r;
    if (strlen(guest) > GUEST_ARGUMENT_MAX)
        return reply_invalid(call, "guest: name too long");
    ranking_async(&params, guest, on_ranked, pending_new(service, call));
    return 1;
}

static int on_check(sd_bus_message *call, void *data, sd_bus_error *e)
{
    BusService *service = data;
    PreflightParams params = preflight_params(service);
    const char *guest, *host;
    char **assume = NULL;
    int r = sd_bus_message_read(call, "ss", &guest, &host);

    if (r >= 0)
        r = sd_bus_message_read_strv(call, &assume);
    if (r < 0)
        return r;
    if (strlen(guest) > GUEST_ARGUMENT_MAX)
        r = reply_invalid(call, "guest: name too long");
    else if (assume && g_strv_length(assume) > ASSUME_ARGUMENT_MAX)
        r = reply_invalid(call, "assume: too many assumptions");
    else
        preflight_async(&params, guest, host, (const char *const *)assume, on_preflight,
                        pending_new(service, call));
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
        reply_error(pending->call, error);
        pending_free(pending);
        return;
    }
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < guests->len; i++)
        g_variant_builder_add_value(&list,
                                    guest_facts_to_variant(&g_array_index(guests, GuestFacts, i)));
    send_reply(pending->call, g_variant_new("(aa{sv})", &list));
    pending_free(pending);
}

static int on_list_guests(sd_bus_message *call, void *data, sd_bus_error *e)
{
    BusService *service = data;

    guests_list_async(service->params.guests, LIST_DEADLINE_MS, NULL, on_listed,
                      pending_new(service, call));
    return 1;
}

static void on_peer_listed(const GArray *guests, gboolean complete, const GError *error, void *data)
{
    sd_bus_message *call = data;
    GVariantBuilder list;

    if (error) {
        reply_error(call, error);
        sd_bus_message_unref(call);
        return;
    }
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < guests->len; i++)
        g_variant_builder_add_value(&list,
                                    guest_facts_to_variant(&g_array_index(guests, GuestFacts, i)));
    send_reply(call, g_variant_new("(aa{sv}b)", &list, complete));
    sd_bus_message_unref(call);
}

static int on_list_peer_guests(sd_bus_message *call, void *data, sd_bus_error *e)
{
    BusService *service = data;
    const char *name;
    Peer *peer;
    int r = sd_bus_message_read(call, "s", &name);

    if (r < 0)
        return r;
    peer = peers_by_name(service->params.peers, name);
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
    BusService *service = data;
    g_autoptr(GPtrArray) ids = NULL;
    GVariantBuilder list;
    guint32 limit;
    int r = sd_bus_message_read(call, "u", &limit);

    if (r < 0)
        return r;
    ids = ledger_ids(service->params.ledger, limit == 0 ? RECORDS_MAX : MIN(limit, RECORDS_MAX));
    g_variant_builder_init(&list, G_VARIANT_TYPE_STRING_ARRAY);
    for (guint i = 0; i < ids->len; i++) {
        g_autofree char *text = ledger_get(service->params.ledger, g_ptr_array_index(ids, i), NULL);

        if (text)
            g_variant_builder_add(&list, "s", text);
    }
    send_reply(call, g_variant_new("(as)", &list));
    return 1;
}

static int on_get_migration(sd_bus_message *call, void *data, sd_bus_error *e)
{
    BusService *service = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    const char *id;
    int r = sd_bus_message_read(call, "s", &id);

    if (r < 0)
        return r;
    text = ledger_get(service->params.ledger, id, &error);
    if (!text)
        return reply_error(call, error);
    return sd_bus_reply_method_return(call, "s", text);
}

static int on_reload(sd_bus_message *call, void *data, sd_bus_error *e)
{
    BusService *service = data;
    g_autoptr(GError) error = NULL;

    if (!service->params.reload(service->params.data, &error))
        return reply_error(call, error);
    return sd_bus_reply_method_return(call, NULL);
}

static int on_diagnose(sd_bus_message *call, void *data, sd_bus_error *e)
{
    BusService *service = data;

    send_reply(call, g_variant_new("(@aa{sv})", service->params.diagnose(service->params.data)));
    return 1;
}

/* ---- Manager: properties ---- */

static int on_get_version(sd_bus *bus, const char *path, const char *interface,
                          const char *property, sd_bus_message *reply, void *data, sd_bus_error *e)
{
    return sd_bus_message_append(reply, "s", TBSYNCD_VERSION);
}

static int on_get_host(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *data, sd_bus_error *e)
{
    BusService *service = data;

    return sd_variant_append(
        reply, host_facts_to_variant(service->params.host_facts(service->params.data)));
}

static int on_get_simulated(sd_bus *bus, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *data,
                            sd_bus_error *e)
{
    BusService *service = data;

    return sd_bus_message_append(reply, "b",
                                 (int)service->params.host_facts(service->params.data)->simulated);
}

static int on_get_timebase(sd_bus *bus, const char *path, const char *interface,
                           const char *property, sd_bus_message *reply, void *data, sd_bus_error *e)
{
    BusService *service = data;

    return sd_bus_message_append(reply, "t", tb_clock_read_tb(service->params.clock).raw);
}

static int on_get_timing_events(sd_bus *bus, const char *path, const char *interface,
                                const char *property, sd_bus_message *reply, void *data,
                                sd_bus_error *e)
{
    BusService *service = data;
    BusStatus status;

    service->params.status(&status, service->params.data);
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
    BusService *service = data;
    BusStatus status;

    service->params.status(&status, service->params.data);
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
    SD_BUS_PROPERTY("HookState", "s", on_get_status_string, 0, 0),
    SD_BUS_PROPERTY("HookPath", "s", on_get_status_string, 0, 0),
    SD_BUS_PROPERTY("Listen", "s", on_get_status_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("KvmNote", "s", on_get_status_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("LoopState", "s", on_get_status_string, 0, 0),
    SD_BUS_PROPERTY("LoopSuspect", "s", on_get_status_string, 0, 0),
    SD_BUS_VTABLE_END,
};

/* ---- Peer ---- */

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
    BusService *service = data;
    char *name = NULL;
    int r = sd_bus_path_decode(path, PEER_PREFIX, &name);

    if (r > 0)
        *ret_found = peers_by_name(service->params.peers, name);
    r = r > 0 && *ret_found ? 1 : 0;
    free(name);
    return r;
}

static int on_enumerate_peers(sd_bus *bus, const char *prefix, void *data, char ***ret_nodes,
                              sd_bus_error *e)
{
    BusService *service = data;
    guint n = peers_count(service->params.peers);
    char **nodes = calloc(n + 1, sizeof *nodes); /* freed by sd-bus */
    int r = nodes ? 0 : -ENOMEM;

    for (guint i = 0; r >= 0 && i < n; i++)
        r = sd_bus_path_encode(PEER_PREFIX, peer_name(peers_nth(service->params.peers, i)),
                               &nodes[i]);
    if (r < 0)
        return r;
    *ret_nodes = nodes;
    return 1;
}

void bus_service_peer_changed(BusService *service, Peer *peer)
{
    char *path = NULL;

    if (!service || !service->bus)
        return;
    if (peer && sd_bus_path_encode(PEER_PREFIX, peer_name(peer), &path) >= 0)
        sd_bus_emit_properties_changed(service->bus, path, PEER_NAME, "State", "Error", "Host",
                                       NULL);
    free(path);
}

void bus_service_manager_changed(BusService *service)
{
    if (service && service->bus)
        sd_bus_emit_properties_changed(service->bus, ROOT_PATH, MANAGER_NAME, "Host",
                                       "LibvirtState", "LibvirtError", "TimingEvents", "Listen",
                                       "KvmNote", NULL);
}

/* ---- the bus itself ---- */

static gboolean open_bus(BusService *service, GError **error);

static gboolean on_reopen(void *data)
{
    BusService *service = data;
    g_autoptr(GError) error = NULL;

    if (!open_bus(service, &error)) {
        g_debug("%s", error->message);
        return G_SOURCE_CONTINUE;
    }
    service->reopen_source = 0;
    return G_SOURCE_REMOVE;
}

static void close_bus(BusService *service)
{
    g_clear_pointer(&service->source, sd_source_remove);
    g_clear_pointer(&service->bus, sd_bus_close_unref);
}

static void on_bus_closed(int error, void *data)
{
    BusService *service = data;

    close_bus(service);
    service->params.owned(FALSE, g_strerror(error), service->params.data);
    if (!service->reopen_source)
        service->reopen_source = g_timeout_add(REOPEN_MS, on_reopen, service);
}

static int on_name(sd_bus_message *reply, void *data, sd_bus_error *e)
{
    BusService *service = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    guint32 result = 0;

    if (error) {
        service->params.owned(FALSE, error->message, service->params.data);
        return 0;
    }
    sd_bus_message_read(reply, "u", &result);
    /* 1: primary owner, 4: already owner (D-Bus specification, RequestName) */
    if (result == 1 || result == 4)
        service->params.owned(TRUE, NULL, service->params.data);
    else
        service->params.owned(FALSE, "another process owns it", service->params.data);
    return 0;
}

static int add_objects(BusService *service)
{
    sd_bus *bus = service->bus;
    int r = sd_bus_add_object_vtable(bus, NULL, ROOT_PATH, MANAGER_NAME, manager_vtable, service);

    if (r >= 0)
        r = sd_bus_add_fallback_vtable(bus, NULL, PEER_PREFIX, PEER_NAME, peer_vtable, on_find_peer,
                                       service);
    if (r >= 0)
        r = sd_bus_add_node_enumerator(bus, NULL, PEER_PREFIX, on_enumerate_peers, service);
    if (r >= 0)
        r = sd_bus_add_object_manager(bus, NULL, ROOT_PATH);
    if (r >= 0 && service->params.log)
        r = log_control_add(bus, service->params.log);
    if (r >= 0)
        r = sd_bus_request_name_async(bus, NULL, BUS_NAME, 0, on_name, service);
    return r;
}

static gboolean open_bus(BusService *service, GError **error)
{
    int r = sd_bus_open_system_with_description(&service->bus, "system-bus");

    if (r >= 0)
        r = add_objects(service);
    if (r < 0) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "cannot open the system bus: %s",
                    g_strerror(-r));
        close_bus(service);
        return FALSE;
    }
    service->source = sd_source_attach(service->bus, NULL, on_bus_closed, service);
    return TRUE;
}

BusService *bus_service_new(const BusServiceParams *params, GError **error)
{
    g_autoptr(BusService) service = g_new0(BusService, 1);

    service->params = *params;
    if (!open_bus(service, error))
        return NULL;
    return g_steal_pointer(&service);
}

void bus_service_free(BusService *service)
{
    if (!service)
        return;
    g_clear_handle_id(&service->reopen_source, g_source_remove);
    if (service->bus)
        sd_bus_flush(service->bus); /* replies that are ready still go out */
    close_bus(service);
    g_free(service);
}
