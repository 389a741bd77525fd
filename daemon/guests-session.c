/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guests-private.h"

#include <string.h>

#include "error.h"
#include "guests-calls.h"
#include "tb-clock.h"

#define OPEN_DEADLINE_MS 10000
#define HOST_DEADLINE_MS 30000 /* the first capabilities call of a libvirtd probes all emulators   \
                                */
#define HOST_KEY         "/"   /* no guest is called so; one hung request keeps others from threads */
#define RETRY_MIN_MS     500
#define RETRY_MAX_MS     30000
#define STABLE_MS        30000 /* a connection that lasted so long resets the back-off */
#define OPENS_MAX        3     /* threads stuck in an open, of both connections */
#define SYNC_DEADLINE_MS 10000
#define CALLS_MAX        8
#define END_WAIT_MS      500   /* for threads in libvirt, before exit() takes its data away */
#define CALLS_QUEUED_MAX 256

/* What keeps one connection up. Main thread only. */
typedef struct Session {
    Guests *guests;
    gboolean timing; /* read-write, raw QEMU events; else read-only, lifecycle events and calls */
    GuestsState state;
    GuestsConn *opening;
    GuestsConn *conn;
    char *error;
    guint retry_ms;
    guint retry_id;
    guint stable_id;
} Session;

struct Guests {
    char *uri;
    guint open_deadline_ms;
    guint retry_min_ms;
    GuestsCallbacks callbacks;
    void *data;
    Crew *crew; /* of all threads that are in libvirt */
    Calls *opens;
    Calls *calls;
    Session main;
    Session timing;
    GuestsCaps caps;
    gboolean caps_known;
    guint32 qemu_version; /* 0: unknown */
    guint host_retry_ms, host_retry_id;
    gboolean sync_registers;
    GHashTable *syncing; /* uuid -> Sync (borrowed) of the last start, until it is done or the guest stops */
};

static void session_open(Session *session);

/* ---- sessions ---- */

static void guests_state_changed(const Guests *guests)
{
    guests->callbacks.state_changed(guests->data);
}

static gboolean session_retry(void *data)
{
    Session *session = data;

    session->retry_id = 0;
    session_open(session);
    return G_SOURCE_REMOVE;
}

static gboolean session_stable(void *data)
{
    Session *session = data;

    session->stable_id = 0;
    session->retry_ms = session->guests->retry_min_ms;
    return G_SOURCE_REMOVE;
}

static void session_down(Session *session, const char *reason)
{
    session->state = GUESTS_DOWN;
    g_clear_handle_id(&session->stable_id, g_source_remove);
    if (!session->timing)
        g_clear_handle_id(&session->guests->host_retry_id, g_source_remove);
    g_clear_pointer(&session->conn, guests_conn_discard);
    g_free(session->error);
    session->error = g_strdup(reason);
    session->retry_id = g_timeout_add(session->retry_ms, session_retry, session);
    session->retry_ms = MIN(2 * session->retry_ms, RETRY_MAX_MS);
    guests_state_changed(session->guests);
}

static void host_ask(Guests *guests);

static void session_up(Session *session, GuestsConn *conn)
{
    Guests *guests = session->guests;

    session->state = GUESTS_UP;
    session->conn = conn;
    g_clear_pointer(&session->error, g_free);
    session->stable_id = g_timeout_add(STABLE_MS, session_stable, session);
    if (!session->timing) {
        guests->host_retry_ms = guests->retry_min_ms;
        host_ask(guests);
    }
    guests_state_changed(guests);
    if (!session->timing)
        guests->callbacks.event(&(GuestEvent){ .kind = GUEST_EVENT_DEFINED_CHANGED,
                                               .uuid = "",
                                               .name = "",
                                               .detail = "connected",
                                               .seen_real_ns = tb_clock_real_ns() },
                                guests->data);
}

static void session_opened(GObject *source, GAsyncResult *result, void *data)
{
    GuestsConn *attempt = data; /* our own reference: the session may be gone */
    Session *session = guests_conn_owner(attempt);
    g_autoptr(GError) error = NULL;
    GuestsConn *conn = calls_run_finish(result, &error);

    if (session != NULL) {
        g_clear_pointer(&session->opening, guests_conn_unref);
        if (conn == NULL) {
            guests_conn_detach(attempt);
            session_down(session, error->message);
        } else if (guests_conn_is_lost(conn)) {
            guests_conn_discard(conn);
            session_down(session, "libvirtd closed the connection at once");
        } else {
            session_up(session, conn);
        }
    } else if (conn != NULL) {
        guests_conn_discard(conn);
    }
    guests_conn_unref(attempt);
}

/* ---- registers ---- */

/* One question to QEMU; `conn` tells whether the Guests still are. */
typedef struct Sync {
    GuestsConn *conn;
    char *uuid;
    char *name;
} Sync;

static void sync_free(Sync *sync)
{
    guests_conn_unref(sync->conn);
    g_free(sync->uuid);
    g_free(sync->name);
    g_free(sync);
}

static void sync_answered(GObject *source, GAsyncResult *result, void *data)
{
    Sync *sync = data;
    const Session *session = guests_conn_owner(sync->conn);
    g_autoptr(GError) error = NULL;
    g_autofree char *done = calls_run_finish(result, &error);

    /* If it was stopped meanwhile nobody knows what came first. */
    if (session != NULL && g_hash_table_lookup(session->guests->syncing, sync->uuid) == sync) {
        const Guests *guests = session->guests;

        g_hash_table_remove(guests->syncing, sync->uuid);
        guests->callbacks.event(
            &(GuestEvent){ .kind = done ? GUEST_EVENT_REGISTERS_SYNCED : GUEST_EVENT_SYNC_FAILED,
                           .uuid = sync->uuid,
                           .name = sync->name,
                           .detail = done ? "registers synced" : error->message,
                           .seen_real_ns = tb_clock_real_ns() },
            guests->data);
    }
    sync_free(sync);
}

static void sync_start(const Session *session, const GuestEvent *event)
{
    Guests *guests = session->guests;
    Sync *sync = g_new0(Sync, 1);

    sync->conn = guests_conn_ref(session->conn);
    sync->uuid = g_strdup(event->uuid);
    sync->name = g_strdup(event->name);
    g_hash_table_replace(guests->syncing, g_strdup(event->uuid), sync);
    calls_run_async(guests->calls,
                    &(CallSpec){ .key = event->uuid,
                                 .what = "syncing the registers of a guest",
                                 .deadline_ms = SYNC_DEADLINE_MS,
                                 .run = guests_ask_sync,
                                 .input = guests_ask_new(session->conn, event->uuid),
                                 .input_free = guests_ask_free,
                                 .output_free = g_free },
                    NULL, sync_answered, sync);
}

/* The first one too: QEMU begins a guest's timebase at 0, with minus the host's for its offset (hw/ppc/ppc.c, timebase_load). */
static gboolean is_start(GuestEventKind kind)
{
    return kind == GUEST_EVENT_BOOTED || kind == GUEST_EVENT_RESUMED_HERE || kind == GUEST_EVENT_RESUMED_CPUS;
}

static gboolean is_stop(GuestEventKind kind)
{
    return kind == GUEST_EVENT_SUSPENDED || kind == GUEST_EVENT_STOPPED_CPUS ||
           kind == GUEST_EVENT_STOPPED || kind == GUEST_EVENT_LEFT || kind == GUEST_EVENT_QEMU_STOP;
}

/* After the event itself, so that whoever hears of both hears of the start first. */
static void session_event(const GuestEvent *event, void *data)
{
    const Session *session = data;
    const Guests *guests = session->guests;

    guests->callbacks.event(event, guests->data);
    if (is_stop(event->kind))
        g_hash_table_remove(guests->syncing, event->uuid);
    if (guests->sync_registers && is_start(event->kind) && session->conn != NULL)
        sync_start(session, event);
}

static void session_closed(GuestsConn *conn, const char *reason, void *data)
{
    Session *session = data;

    if (session->conn == conn)
        session_down(session, reason);
}

static void session_open(Session *session)
{
    Guests *guests = session->guests;
    g_autofree char *what = g_strdup_printf("connecting to libvirt at %s", guests->uri);

    guests_libvirt_init();
    session->state = GUESTS_CONNECTING;
    session->opening = guests_conn_new(guests->uri, session->timing,
                                       &(GuestsSink){ session_event, session_closed, session },
                                       guests->crew);
    calls_run_async(guests->opens,
                    &(CallSpec){ .key = "",
                                 .what = what,
                                 .deadline_ms = guests->open_deadline_ms,
                                 .run = guests_conn_open,
                                 .input = guests_conn_ref(session->opening),
                                 .input_free = guests_conn_unref,
                                 .output_free = guests_conn_discard },
                    NULL, session_opened, guests_conn_ref(session->opening));
}

static void session_close(Session *session)
{
    g_clear_handle_id(&session->retry_id, g_source_remove);
    g_clear_handle_id(&session->stable_id, g_source_remove);
    if (session->opening != NULL)
        guests_conn_detach(session->opening);
    g_clear_pointer(&session->opening, guests_conn_unref);
    g_clear_pointer(&session->conn, guests_conn_discard);
    g_clear_pointer(&session->error, g_free);
}

/* ---- host facts ---- */

static gboolean host_ask_again(void *data)
{
    Guests *guests = data;

    guests->host_retry_id = 0;
    host_ask(guests);
    return G_SOURCE_REMOVE;
}

/* The connection may stay up for months, so its first call is not the last chance. */
static void host_ask_later(Guests *guests)
{
    guests->host_retry_id = g_timeout_add(guests->host_retry_ms, host_ask_again, guests);
    guests->host_retry_ms = MIN(2 * guests->host_retry_ms, RETRY_MAX_MS);
}

static void host_answered(GObject *source, GAsyncResult *result, void *data)
{
    GuestsConn *conn = data;
    const Session *session = guests_conn_owner(conn);
    g_autoptr(GError) error = NULL;
    g_autofree GuestsHostAnswer *answer = calls_run_finish(result, &error);

    if (session != NULL && answer == NULL) {
        g_debug("host facts are not known yet: %s", error->message);
        host_ask_later(session->guests);
    }
    if (session != NULL && answer != NULL) {
        Guests *guests = session->guests;

        guests->caps = answer->caps;
        guests->caps_known = TRUE;
        guests->qemu_version = answer->qemu_version;
        guests_state_changed(guests);
    }
    guests_conn_unref(conn);
}

static void host_ask(Guests *guests)
{
    calls_run_async(guests->calls,
                    &(CallSpec){ .key = HOST_KEY,
                                 .what = "reading libvirt's capabilities",
                                 .deadline_ms = HOST_DEADLINE_MS,
                                 .run = guests_ask_host,
                                 .input = guests_ask_new(guests->main.conn, ""),
                                 .input_free = guests_ask_free,
                                 .output_free = g_free },
                    NULL, host_answered, guests_conn_ref(guests->main.conn));
}

void guests_fill_host_facts(const Guests *guests, HostFacts *facts)
{
    if (guests->qemu_version != 0) {
        facts->qemu_version = guests->qemu_version;
        FACT_SET(facts, HOST_QEMU_VERSION);
    }
    if (guests->caps_known && guests->caps.has_ppc64) {
        G_STATIC_ASSERT(sizeof facts->machine_types == sizeof guests->caps.machine_types);
        memcpy(facts->machine_types, guests->caps.machine_types, sizeof facts->machine_types);
        facts->n_machine_types = (guint16)guests->caps.n_machine_types;
        FACT_SET(facts, HOST_MACHINE_TYPES);
    }
}

/* ---- asynchronous calls ---- */

typedef struct Ask {
    const char *guest; /* "" for all */
    const char *what;
    guint deadline_ms;
    CallRun run;
    GDestroyNotify output_free;
    const char *key; /* (nullable): `guest` */
} Ask;

static void guests_ask(Guests *guests, const Ask *ask, GCancellable *cancellable,
                       GAsyncReadyCallback callback, void *data)
{
    /* Each call connects by itself: one that comes while we connect need not wait. */
    GuestsConn *conn = guests->main.conn != NULL ? guests->main.conn : guests->main.opening;

    if (conn == NULL) {
        g_task_report_new_error(NULL, callback, data, guests_ask, TBSYNC_ERROR,
                                TBSYNC_ERROR_UNAVAILABLE, "%s: %s", ask->what,
                                guests->main.error != NULL
                                    ? guests->main.error
                                    : "no libvirt is configured (URI= in [Libvirt] is empty)");
        return;
    }
    calls_run_async(guests->calls,
                    &(CallSpec){ .key = ask->key != NULL ? ask->key : ask->guest,
                                 .what = ask->what,
                                 .deadline_ms = ask->deadline_ms,
                                 .run = ask->run,
                                 .input = guests_ask_new(conn, ask->guest),
                                 .input_free = guests_ask_free,
                                 .output_free = ask->output_free },
                    cancellable, callback, data);
}

void guests_find_async(Guests *guests, const char *uuid, guint deadline_ms,
                       GCancellable *cancellable, GAsyncReadyCallback callback, void *data)
{
    g_autofree char *what = g_strdup_printf("looking up guest %s in libvirt", uuid);

    guests_ask(guests, &(Ask){ uuid, what, deadline_ms, guests_ask_find, g_free }, cancellable,
               callback, data);
}

gboolean guests_find_finish(Guests *guests, GAsyncResult *result, GuestRole *ret_role,
                            GuestFacts *ret_facts, GError **error)
{
    g_autofree GuestsFound *found = calls_run_finish(result, error);

    if (found == NULL)
        return FALSE;
    *ret_role = found->role;
    if (found->role != ROLE_ABSENT)
        *ret_facts = found->facts;
    return TRUE;
}

void guests_lookup_async(Guests *guests, const char *name_or_uuid, guint deadline_ms,
                         GCancellable *cancellable, GAsyncReadyCallback callback, void *data)
{
    g_autofree char *what = g_strdup_printf("looking up guest '%s' in libvirt", name_or_uuid);

    guests_ask(guests, &(Ask){ name_or_uuid, what, deadline_ms, guests_ask_lookup, g_free },
               cancellable, callback, data);
}

gboolean guests_lookup_finish(Guests *guests, GAsyncResult *result, GuestFacts *ret_facts,
                              GError **error)
{
    g_autofree GuestFacts *facts = calls_run_finish(result, error);

    if (facts == NULL)
        return FALSE;
    *ret_facts = *facts;
    return TRUE;
}

/* A key of its own: a guest that hangs here must not be taken for one whose lookup hangs, which a hook may be waiting for. */
void guests_read_timebase_async(Guests *guests, const char *uuid, guint deadline_ms, GAsyncReadyCallback callback,
                                void *data)
{
    g_autofree char *what = g_strdup_printf("reading the timebase of guest %s", uuid);
    g_autofree char *key = g_strdup_printf("timebase %s", uuid);
    const Ask ask = { uuid, what, deadline_ms, guests_ask_timebase, g_free, key };

    guests_ask(guests, &ask, NULL, callback, data);
}

gboolean guests_read_timebase_finish(GAsyncResult *result, GuestTimebase *ret, GError **error)
{
    g_autofree GuestTimebase *read = calls_run_finish(result, error);

    if (read == NULL)
        return FALSE;
    *ret = *read;
    return TRUE;
}

void guests_list_async(Guests *guests, guint deadline_ms, GCancellable *cancellable,
                       GAsyncReadyCallback callback, void *data)
{
    guests_ask(guests,
               &(Ask){ "", "listing the guests of this host", deadline_ms, guests_ask_list,
                       (GDestroyNotify)g_array_unref },
               cancellable, callback, data);
}

GArray *guests_list_finish(Guests *guests, GAsyncResult *result, GError **error)
{
    return calls_run_finish(result, error);
}

/* A key of its own: where a listing hangs the next one is not begun, and nobody else is kept from asking. */
void guests_uuids_async(Guests *guests, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                        void *data)
{
    guests_ask(guests,
               &(Ask){ "", "listing the UUIDs of this host's guests", deadline_ms, guests_ask_uuids,
                       (GDestroyNotify)g_strfreev, "uuids" },
               cancellable, callback, data);
}

GStrv guests_uuids_finish(Guests *guests, GAsyncResult *result, GError **error)
{
    return calls_run_finish(result, error);
}

/* ---- life cycle and accessors ---- */

static void session_init(Session *session, Guests *guests, gboolean timing)
{
    session->guests = guests;
    session->timing = timing;
    session->state = GUESTS_OFF;
    session->retry_ms = guests->retry_min_ms;
}

Guests *guests_new(const GuestsConfig *config, const GuestsCallbacks *callbacks, void *data)
{
    Guests *guests = g_new0(Guests, 1);

    guests->uri = g_strdup(config->uri);
    guests->open_deadline_ms =
        config->open_deadline_ms != 0 ? config->open_deadline_ms : OPEN_DEADLINE_MS;
    guests->retry_min_ms = config->retry_min_ms != 0 ? config->retry_min_ms : RETRY_MIN_MS;
    guests->callbacks = *callbacks;
    guests->data = data;
    guests->crew = crew_new();
    guests->opens = calls_new(guests->crew, OPENS_MAX, 0);
    guests->sync_registers = config->sync_registers;
    guests->syncing = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    guests->calls = calls_new(guests->crew, CALLS_MAX, CALLS_QUEUED_MAX);
    session_init(&guests->main, guests, FALSE);
    session_init(&guests->timing, guests, TRUE);
    if (*guests->uri != '\0') {
        session_open(&guests->main);
        if (config->timing_events)
            session_open(&guests->timing);
    }
    return guests;
}

/* Calls that wait are dropped before the connection they refer to. */
void guests_free(Guests *guests)
{
    if (guests == NULL)
        return;
    g_clear_pointer(&guests->calls, calls_free);
    g_clear_handle_id(&guests->host_retry_id, g_source_remove);
    session_close(&guests->main);
    session_close(&guests->timing);
    g_clear_pointer(&guests->opens, calls_free);
    crew_wait(guests->crew, END_WAIT_MS);
    g_clear_pointer(&guests->crew, crew_unref);
    g_hash_table_unref(guests->syncing);
    g_free(guests->uri);
    g_free(guests);
}

GuestsState guests_state(const Guests *guests)
{
    return guests->main.state;
}

const char *guests_error(const Guests *guests)
{
    return guests->main.error;
}

gboolean guests_has_timing_events(const Guests *guests)
{
    return guests->timing.state == GUESTS_UP;
}

const char *guests_timing_error(const Guests *guests)
{
    return guests->timing.error;
}
