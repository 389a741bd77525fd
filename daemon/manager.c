/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include "audit.h"
#include "bus-service.h"
#include "credentials.h"
#include "departures.h"
#include "diagnose.h"
#include "discover.h"
#include "findings.h"
#include "guests.h"
#include "health-log.h"
#include "hook-watch.h"
#include "hooks.h"
#include "ledger.h"
#include "link-service.h"
#include "listing.h"
#include "own-host.h"
#include "residents.h"
#include "tb-clock.h"

/* Less than the 2 s that a peer grants its FindGuest. */
#define FIND_DEADLINE_MS 1800

#define DEPARTURE_DEADLINE_MS 2000

/* A guest that comes in does not answer before libvirt has finished its migration. */
#define TIMEBASE_DEADLINE_MS 10000

/* Between two looks for the hook and at what changes of this host: a handful of system calls. */
#define LOOK_PERIOD_S 5

struct Manager {
    ManagerParams params;
    Config *config;
    OwnHost *host;
    char *not_taken_up; /* (nullable) keys of the file that count from the next start on */
    char *loop_suspect; /* of the last status */
    char *listen;       /* likewise */
    HookWatch hook; /* as last looked at */
    HookState hook_told; /* on the bus */
    guint look_source;
    gboolean hook_was_called;
    TbClock *clock;
    HealthLog *health;
    StampClock *stamps;
    Departures *departures;
    Ledger *ledger;
    Audit *audit;
    Guests *guests;
    Listing *listing;
    Residents *residents;
    Peers *peers;
    Discover *discover;
    Hooks *hooks;
    BusService *bus;
    gboolean was_ready;
};

static const HostFacts *host_facts(void *data)
{
    return own_host_facts(((Manager *)data)->host, tb_clock_boot_ns());
}

/* FALSE: peers know the facts as they are. */
static gboolean announce_host(Manager *manager)
{
    if (!own_host_has_changed(manager->host, tb_clock_boot_ns()))
        return FALSE;
    if (manager->peers)
        peers_announce(manager->peers);
    return TRUE;
}

static const Config *current_config(void *data)
{
    return ((Manager *)data)->config;
}

/* ---- what peers ask ---- */

typedef struct Find {
    Manager *manager;
    sd_bus_message *call;
} Find;

static void on_own_guest(GObject *source, GAsyncResult *result, void *data)
{
    Find *find = data;
    g_autoptr(GError) error = NULL;
    GuestFacts guest;
    GuestRole role = ROLE_ABSENT;

    guest_facts_init(&guest);
    if (guests_find_finish(find->manager->guests, result, &role, &guest, &error)) {
        ledger_fill_guest(find->manager->ledger, &guest);
        if (role == ROLE_MIGRATING_OUT)
            departures_watch(find->manager->departures, guest.uuid,
                             FACT_KNOWN(&guest, GUEST_ACCEL) && guest.accel == ACCEL_TCG);
        link_service_reply_find(find->call, role, &guest);
    } else {
        link_service_reply_error(find->call, error);
    }
    sd_bus_message_unref(find->call);
    g_free(find);
}

static void find_guest(const char *peer, const char *uuid, sd_bus_message *call, void *data)
{
    Find *find = g_new0(Find, 1);

    find->manager = data;
    find->call = call;
    guests_find_async(find->manager->guests, uuid, FIND_DEADLINE_MS, NULL, on_own_guest, find);
}

static Departure departure(const char *uuid, void *data)
{
    return departures_get(((Manager *)data)->departures, uuid);
}

static void list_guests(const char *peer, sd_bus_message *call, void *data)
{
    listing_answer(((Manager *)data)->listing, call);
}

/* ---- the guests' own timebases ---- */

typedef struct TimebaseRead {
    GuestTimebaseDone done;
    void *done_data;
} TimebaseRead;

static void on_timebase_read(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree TimebaseRead *read = data;
    g_autoptr(GError) error = NULL;
    GuestTimebase timebase;
    gboolean ok = guests_read_timebase_finish(result, &timebase, &error);

    read->done(ok ? &timebase : NULL, error, read->done_data);
}

static void read_timebase(const char *uuid, GuestTimebaseDone done, void *done_data, void *data)
{
    TimebaseRead *read = g_new0(TimebaseRead, 1);

    *read = (TimebaseRead){ done, done_data };
    guests_read_timebase_async(((Manager *)data)->guests, uuid, TIMEBASE_DEADLINE_MS, on_timebase_read, read);
}

/* ---- what the audit asks ---- */

static gboolean ask_departure(const char *source, const char *uuid, AuditDepartureDone done,
                              void *done_data, void *data)
{
    Peer *peer = peers_by_name(((Manager *)data)->peers, source);

    return peer && peer_ask_departure(peer, uuid, DEPARTURE_DEADLINE_MS, done, done_data);
}

typedef struct Look {
    Guests *guests;
    AuditLookDone done;
    void *data;
} Look;

static void on_look_done(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree Look *look = data;
    g_autoptr(GError) error = NULL;
    GuestRole role = ROLE_ABSENT;
    GuestFacts guest;

    guest_facts_init(&guest);
    guests_find_finish(look->guests, result, &role, &guest, &error);
    look->done(role, error, look->data);
}

static void look_here(const char *uuid, AuditLookDone done, void *done_data, void *data)
{
    Look *look = g_new0(Look, 1);

    *look = (Look){ .guests = ((Manager *)data)->guests, .done = done, .data = done_data };
    guests_find_async(look->guests, uuid, FIND_DEADLINE_MS, NULL, on_look_done, look);
}

static Interval relation_to(const char *source, void *data)
{
    Peer *peer = peers_by_name(((Manager *)data)->peers, source);
    RelationBounds bounds;

    if (!peer)
        return INTERVAL_UNBOUNDED;
    bounds = peer_relation(peer);
    return bounds.state == RELATION_OK ? interval_neg(bounds.tb_ticks) : INTERVAL_UNBOUNDED;
}

/* ---- what changes ---- */

static void on_peer_sampled(Peer *peer, void *data)
{
    Manager *manager = data;

    health_log_peer(manager->health, &(HealthPeer){ .name = peer_name(peer),
                                                    .state = peer_state(peer),
                                                    .error = peer_error(peer),
                                                    .fault = peer_relation(peer).fault });
    bus_service_peer_sampled(manager->bus, peer);
}

static void on_peer_changed(Peer *peer, void *data)
{
    Manager *manager = data;

    if (peer) {
        bus_service_peer_changed(manager->bus, peer);
        on_peer_sampled(peer, data);
    } else {
        bus_service_peers_changed(manager->bus);
        bus_service_manager_changed(manager->bus); /* Listen */
    }
}

/* Discover= names other peers than before. */
static void on_discovered(void *data)
{
    Manager *manager = data;
    gsize n;
    const ConfigPeer *found = discover_peers(manager->discover, &n);
    const char *error = discover_error(manager->discover);

    health_log_discovery(manager->health, (guint)n, error, discover_foreign(manager->discover));
    peers_set_found(manager->peers, found, n);
    health_log_forget(manager->health, manager->peers);
}

static void on_guest_event(const GuestEvent *event, void *data)
{
    Manager *manager = data;

    if (event->kind == GUEST_EVENT_SYNC_FAILED)
        g_warning("guest %s: its timebase may go back when it is paused again: %s", event->name, event->detail);
    departures_event(manager->departures, event);
    audit_event(manager->audit, event);
    residents_event(manager->residents, event);
}

static void on_residents_changed(const char *const *uuids, gsize n, void *data)
{
    peers_tell_guests(((Manager *)data)->peers, guest_marks_new(uuids, n));
}

static void on_guests_changed(void *data)
{
    Manager *manager = data;

    health_log_libvirt(manager->health, guests_state(manager->guests), guests_error(manager->guests));
    own_host_take_guests(manager->host, manager->guests);
    announce_host(manager);
    bus_service_manager_changed(manager->bus);
}

static void on_decided(const char *id, const MigrationCase *c, const Verdict *verdict,
                       JsonObject *record, void *data)
{
    Manager *manager = data;

    manager->hook_was_called = TRUE;
    if (verdict->decision == DECISION_ALLOW)
        audit_open(manager->audit, id, c, record);
}

static const char *guests_state_word(GuestsState state)
{
    switch (state) {
    case GUESTS_OFF:
        return "off";
    case GUESTS_CONNECTING:
        return "connecting";
    case GUESTS_UP:
        return "up";
    case GUESTS_DOWN:
        return "down";
    }
    g_assert_not_reached();
}

static HookWatch look_for_hook(const Manager *manager)
{
    HookWatch hook = hook_watch_look(manager->config->hook_directory, "/run");

    if (hook.state == HOOK_UNUSED && manager->hook_was_called)
        hook.state = HOOK_ACTIVE;
    return hook;
}

static gboolean on_look(void *data)
{
    Manager *manager = data;
    HookState state = look_for_hook(manager).state;

    if (state != manager->hook_told)
        bus_service_hook_changed(manager->bus);
    manager->hook_told = state;
    if (announce_host(manager))
        bus_service_manager_changed(manager->bus);
    return G_SOURCE_CONTINUE;
}

static void fill_status(BusStatus *ret, void *data)
{
    Manager *manager = data;
    RelationLoopState loop;
    const char *error = guests_error(manager->guests);

    manager->hook = look_for_hook(manager);
    g_free(manager->listen);
    manager->listen = peers_listen_text(manager->peers);
    g_free(manager->loop_suspect);
    loop = peers_loop(manager->peers, &manager->loop_suspect);
    *ret = (BusStatus){
        .libvirt_state = guests_state_word(guests_state(manager->guests)),
        .libvirt_error = error ? error : "",
        .timing_events = guests_has_timing_events(manager->guests),
        .hook_state = hook_watch_state_name(manager->hook.state),
        .hook_path = manager->hook.path,
        .listen = manager->listen,
        .kvm_note = own_host_kvm_note(manager->host) ? own_host_kvm_note(manager->host) : "",
        .loop_state = peers_loop_state_name(loop),
        .loop_suspect = manager->loop_suspect,
    };
}

static DiagnosePeer describe_peer(const Peer *peer)
{
    return (DiagnosePeer){
        .name = peer_name(peer),
        .linked = peer_state(peer) == PEER_LINKED,
        .code = peer_error_code(peer),
        .error = peer_error(peer),
        .relation = peer_relation(peer).state,
    };
}

static GVariant *on_diagnose(void *data)
{
    Manager *manager = data;
    guint n = peers_count(manager->peers);
    g_autofree DiagnosePeer *peers = g_new0(DiagnosePeer, n);
    BusStatus status;
    DiagnoseInput input = {
        .config = manager->config,
        .host = host_facts(manager),
        .status = &status,
        .timing_error = guests_timing_error(manager->guests),
        .listen_error = peers_listen_error(manager->peers),
        .not_taken_up = manager->not_taken_up,
        .discover_error = discover_error(manager->discover),
        .discover_foreign = discover_foreign(manager->discover),
        .unwritten = ledger_unwritten(manager->ledger),
        .spare_missing = ledger_spare_missing(manager->ledger),
        .peers = peers,
        .n_peers = n,
        .now_real_ns = tb_clock_real_ns(),
    };

    fill_status(&status, manager);
    for (guint i = 0; i < n; i++)
        peers[i] = describe_peer(peers_nth(manager->peers, i));
    return diagnose(&input);
}

static gboolean on_reload(void *data, GError **error)
{
    return manager_reload(data, error);
}

static void on_owned(gboolean owned, const char *why, void *data)
{
    Manager *manager = data;

    if (owned && !manager->was_ready) {
        manager->was_ready = TRUE;
        manager->params.ready(manager->params.data);
    } else if (owned) {
        g_message("back on the system bus");
    } else if (!manager->was_ready) {
        g_autofree char *text =
            g_strdup_printf("cannot own org.tbsyncd1 on the system bus: %s", why);

        manager->params.failed(text, manager->params.data);
    } else {
        g_warning("lost the system bus: %s; trying again every second", why);
    }
}

/* ---- start ---- */

static gboolean start_clock(Manager *manager, GError **error)
{
    const Config *config = manager->config;
    const HostFacts *host = host_facts(manager);
    TbClockConfig clock = {
        .simulated = config->tb_simulated,
        .frequency_hz = config->tb_frequency_hz,
        .start_ticks = config->tb_start_ticks,
        .drift_ppb = config->tb_drift_ppb,
        .host_hz = FACT_KNOWN(host, HOST_TIMEBASE_HZ) ? host->timebase_hz : 0,
    };

    manager->clock = tb_clock_new(&clock, error);
    if (!manager->clock)
        return FALSE;
    own_host_set_timebase_hz(manager->host, tb_clock_frequency_hz(manager->clock));
    return TRUE;
}

static void start_guests(Manager *manager)
{
    GuestsConfig config = { .uri = manager->config->libvirt_uri,
                            .timing_events = manager->config->libvirt_events,
                            .sync_registers = manager->config->libvirt_sync_registers };
    GuestsCallbacks callbacks = { .event = on_guest_event, .state_changed = on_guests_changed };

    manager->guests = guests_new(&config, &callbacks, manager);
    manager->listing = listing_new(manager->guests);
    manager->residents = residents_new(&(ResidentsParams){
        .guests = manager->guests, .changed = on_residents_changed, .data = manager });
}

static gboolean start_records(Manager *manager, GError **error)
{
    AuditParams audit = {
        .runtime_directory = manager->config->runtime_directory,
        .drift_bound_ppb = manager->config->drift_bound_ppb,
        .ask_departure = ask_departure,
        .look_here = look_here,
        .relation = relation_to,
        .data = manager,
    };

    manager->ledger =
        ledger_new(manager->config->state_directory, manager->config->max_records, error);
    if (!manager->ledger)
        return FALSE;
    manager->stamps = stamp_clock_new(manager->clock, 0);
    manager->departures = departures_new(manager->stamps);
    if (manager->config->libvirt_read_timebase) {
        departures_set_reader(manager->departures, read_timebase, manager);
        audit.read_timebase = read_timebase;
    }
    audit.ledger = manager->ledger;
    audit.stamps = manager->stamps;
    manager->audit = audit_new(&audit);
    return TRUE;
}

static gboolean start_peers(Manager *manager, GError **error)
{
    g_autoptr(LinkTls) tls = credentials_load(manager->config, error);
    PeersParams params = {
        .config = manager->config,
        .clock = manager->clock,
        .tls = tls,
        .ledger = manager->ledger,
        .listen_fd = manager->params.listen_fd,
        .host_facts = host_facts,
        .find_guest = find_guest,
        .departure = departure,
        .list_guests = list_guests,
        .changed = on_peer_changed,
        .sampled = on_peer_sampled,
        .data = manager,
    };

    if (!tls)
        return FALSE;
    manager->peers = peers_new(&params, error);
    if (!manager->peers)
        return FALSE;
    return TRUE;
}

static void start_discover(Manager *manager)
{
    DiscoverParams params = {
        .config = manager->config, .ledger = manager->ledger, .changed = on_discovered, .data = manager
    };
    const ConfigPeer *found;
    gsize n;

    manager->discover = discover_new(&params);
    found = discover_peers(manager->discover, &n);
    peers_set_found(manager->peers, found, n);
}

static void start_hooks(Manager *manager)
{
    HooksParams params = {
        .peers = manager->peers,
        .ledger = manager->ledger,
        .config = manager->config,
        .host_facts = host_facts,
        .decided = on_decided,
        .data = manager,
    };

    manager->hooks = hooks_new(&params);
}

static gboolean start_bus(Manager *manager, GError **error)
{
    BusServiceParams params = {
        .hooks = manager->hooks,
        .peers = manager->peers,
        .guests = manager->guests,
        .ledger = manager->ledger,
        .clock = manager->clock,
        .log = manager->params.log,
        .host_facts = host_facts,
        .config = current_config,
        .status = fill_status,
        .reload = on_reload,
        .diagnose = on_diagnose,
        .owned = on_owned,
        .data = manager,
    };

    manager->bus = bus_service_new(&params, error);
    manager->hook_told = look_for_hook(manager).state;
    manager->look_source = g_timeout_add_seconds(LOOK_PERIOD_S, on_look, manager);
    return manager->bus != NULL;
}

Manager *manager_new(const ManagerParams *params, GError **error)
{
    g_autoptr(Manager) manager = g_new0(Manager, 1);

    manager->params = *params;
    manager->health = health_log_new();
    manager->config = config_load(params->config_file, error);
    if (!manager->config)
        return NULL;
    manager->host = own_host_new(manager->config, error);
    if (!manager->host || !start_clock(manager, error) || !start_records(manager, error))
        return NULL;
    start_guests(manager);
    if (!start_peers(manager, error))
        return NULL;
    start_discover(manager);
    start_hooks(manager);
    if (!start_bus(manager, error))
        return NULL;
    if (host_facts(manager)->simulated)
        g_message("this host is simulated (timebase or facts are configured, not its own): for "
                  "tests only");
    return g_steal_pointer(&manager);
}

void manager_free(Manager *manager)
{
    if (!manager)
        return;
    g_clear_handle_id(&manager->look_source, g_source_remove);
    g_clear_pointer(&manager->bus, bus_service_free);
    g_clear_pointer(&manager->hooks, hooks_free);
    g_clear_pointer(&manager->peers, peers_free);
    g_clear_pointer(&manager->discover, discover_free);
    g_clear_pointer(&manager->residents, residents_free);
    g_clear_pointer(&manager->listing, listing_free);
    g_clear_pointer(&manager->guests, guests_free);
    g_clear_pointer(&manager->audit, audit_free);
    g_clear_pointer(&manager->departures, departures_free);
    g_clear_pointer(&manager->stamps, stamp_clock_free);
    g_clear_pointer(&manager->ledger, ledger_free);
    g_clear_pointer(&manager->clock, tb_clock_free);
    g_clear_pointer(&manager->health, health_log_free);
    g_clear_pointer(&manager->config, config_free);
    g_clear_pointer(&manager->host, own_host_free);
    g_free(manager->not_taken_up);
    g_free(manager->loop_suspect);
    g_free(manager->listen);
    g_free(manager);
}

gboolean manager_reload(Manager *manager, GError **error)
{
    g_autoptr(Config) config = config_load(manager->params.config_file, error);
    g_autoptr(LinkTls) tls = config ? credentials_load(config, error) : NULL;

    if (!tls)
        return FALSE;
    g_free(manager->not_taken_up);
    manager->not_taken_up = config_keep_at_start(config, manager->config);
    own_host_set_name(manager->host, config->name);
    peers_reload(manager->peers, config, tls);
    discover_reload(manager->discover, config);
    hooks_reload(manager->hooks, config);
    audit_reload(manager->audit, config->drift_bound_ppb);
    config_free(manager->config);
    manager->config = g_steal_pointer(&config);
    bus_service_manager_changed(manager->bus);
    g_message("configuration and certificates read again");
    if (manager->not_taken_up)
        g_warning("changed, and not taken up before the next start: %s; type: systemctl restart tbsyncd", manager->not_taken_up);
    return TRUE;
}

char *manager_status_text(const Manager *manager)
{
    guint linked = 0, n = peers_count(manager->peers);

    for (guint i = 0; i < n; i++)
        linked += peer_state(peers_nth(manager->peers, i)) == PEER_LINKED;
    return g_strdup_printf("%s%u of %u peers linked, libvirt %s",
                           host_facts((void *)manager)->simulated ? "SIMULATED, " : "", linked, n,
                           guests_state_word(guests_state(manager->guests)));
}
