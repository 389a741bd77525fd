/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guests.h"

#include <json-glib/json-glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "error.h"
#include "guest-xml.h"
#include "guests-private.h"
#include "tb-clock.h"
#include "units.h"

#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT      3
#define LIST_MAX             4096

#define IDLE_MAX 2 /* connections kept open for the next call */

/* Calls do not run on the connection that brings events, and no two at a time on one connection:
 * before 10.4 libvirt's client is not safe against a second thread, nor against its own keepalive
 * timer while a call is under way (CVE-2024-4418, libvirt src/rpc/virnetclient.c,
 * virNetClientIOEventLoop), and Debian 12 has 9.0. So the connection with keepalive carries no
 * calls, and each call has a connection without keepalive to itself, taken from `idle` or opened by
 * the thread. A stuck guest then holds up nobody else either. */
struct GuestsConn {
    char *uri; /* this and `timing`: constant */
    gboolean timing;
    GuestsSink sink; /* main thread only; all NULL once detached */
    Crew *crew;
    gboolean lost;   /* main thread only */
    virConnectPtr handle;
    int lifecycle_id; /* -1: not registered */
    int monitor_id;
    GMutex lock; /* of the three below */
    gboolean open;
    gboolean closing;
    GQueue idle; /* of virConnectPtr */
};

/* ---- errors ---- */

static void ignore_libvirt_error(void *data, virErrorPtr error)
{
}

/* libvirt keeps its event implementation and its error handler per process; without a handler it
 * prints on stderr. */
void guests_libvirt_init(void)
{
    static gboolean done;

    if (done)
        return;
    done = virInitialize() >= 0 && virEventRegisterDefaultImpl() >= 0;
    virSetErrorFunc(NULL, ignore_libvirt_error);
    if (!done)
        g_warning("libvirt: no event loop: %s", virGetLastErrorMessage());
}

static TbsyncError libvirt_error_code(void)
{
    switch (virGetLastErrorCode()) {
    case VIR_ERR_NO_DOMAIN:
        return TBSYNC_ERROR_NO_SUCH_GUEST;
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_OPERATION_DENIED:
        return TBSYNC_ERROR_DENIED;
    case VIR_ERR_OPERATION_TIMEOUT:
        return TBSYNC_ERROR_TIMEOUT;
    default:
        return TBSYNC_ERROR_UNAVAILABLE;
    }
}

/* "<what>: <libvirt's last error of this thread>" */
static void take_libvirt_error(GError **error, const char *what)
{
    g_set_error(error, TBSYNC_ERROR, (int)libvirt_error_code(), "%s: %s", what,
                virGetLastErrorMessage());
}

/* ---- events ---- */

const LifecycleRow *guests_lifecycle_row(int event, int detail)
{
    static const LifecycleRow rows[] = {
        { VIR_DOMAIN_EVENT_DEFINED, -1, GUEST_EVENT_DEFINED, "defined" },
        { VIR_DOMAIN_EVENT_UNDEFINED, -1, GUEST_EVENT_DEFINED_CHANGED, "undefined" },
        { VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED, GUEST_EVENT_BOOTED,
          "started booted" },
        { VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_MIGRATED, GUEST_EVENT_INCOMING_STARTED,
          "started migrated" },
        { VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_RESTORED, GUEST_EVENT_DEFINED_CHANGED,
          "started restored" },
        { VIR_DOMAIN_EVENT_STARTED, -1, GUEST_EVENT_DEFINED_CHANGED, "started" },
        { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, GUEST_EVENT_STOPPED_CPUS,
          "suspended migrated" },
        { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, GUEST_EVENT_SUSPENDED,
          "suspended paused" },
        { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY, GUEST_EVENT_SUSPENDED,
          "suspended post-copy" },
        { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED,
          GUEST_EVENT_SUSPENDED, "suspended post-copy-failed" },
        { VIR_DOMAIN_EVENT_SUSPENDED, -1, GUEST_EVENT_SUSPENDED, "suspended" },
        { VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_MIGRATED, GUEST_EVENT_RESUMED_CPUS,
          "resumed migrated" },
        { VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_POSTCOPY, GUEST_EVENT_RESUMED_CPUS,
          "resumed post-copy" },
        /* Tells of the migration, not of the CPUs: they ran before and go on. */
        { VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED,
          GUEST_EVENT_DEFINED_CHANGED, "resumed post-copy-failed" },
        { VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, GUEST_EVENT_RESUMED_HERE,
          "resumed unpaused" },
        { VIR_DOMAIN_EVENT_RESUMED, -1, GUEST_EVENT_RESUMED_HERE, "resumed" },
        { VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED, GUEST_EVENT_LEFT,
          "stopped migrated" },
        { VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, GUEST_EVENT_FAILED,
          "stopped failed" },
        { VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SAVED, GUEST_EVENT_STOPPED,
          "stopped saved" },
        { VIR_DOMAIN_EVENT_STOPPED, -1, GUEST_EVENT_STOPPED, "stopped" },
        { VIR_DOMAIN_EVENT_SHUTDOWN, -1, GUEST_EVENT_DEFINED_CHANGED, "shutting down" },
        { VIR_DOMAIN_EVENT_PMSUSPENDED, -1, GUEST_EVENT_SUSPENDED, "suspended by the guest" },
        { VIR_DOMAIN_EVENT_CRASHED, -1, GUEST_EVENT_SUSPENDED, "crashed" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].event == event && (rows[i].detail == detail || rows[i].detail == -1))
            return &rows[i];
    }
    return NULL;
}

/* "status" of {"status":"active"}; "" if there is none. */
static char *migration_status(const char *details)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root, *status = NULL;

    if (details == NULL || !json_parser_load_from_data(parser, details, -1, NULL))
        return g_strdup("");
    root = json_parser_get_root(parser);
    if (root != NULL && JSON_NODE_HOLDS_OBJECT(root))
        status = json_object_get_member(json_node_get_object(root), "status");
    if (status == NULL || json_node_get_value_type(status) != G_TYPE_STRING)
        return g_strdup("");
    return json_node_dup_string(status);
}

gboolean guests_monitor_event(const char *name, const char *details, GuestEventKind *ret_kind,
                              char **ret_status)
{
    if (g_str_equal(name, "STOP"))
        *ret_kind = GUEST_EVENT_QEMU_STOP;
    else if (g_str_equal(name, "RESUME"))
        *ret_kind = GUEST_EVENT_QEMU_RESUME;
    else if (g_str_equal(name, "MIGRATION"))
        *ret_kind = GUEST_EVENT_QEMU_MIGRATION;
    else
        return FALSE;
    *ret_status =
        *ret_kind == GUEST_EVENT_QEMU_MIGRATION ? migration_status(details) : g_strdup("");
    return TRUE;
}

static void conn_deliver(const GuestsConn *conn, virDomainPtr domain, GuestEvent *event)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";

    if (virDomainGetUUIDString(domain, uuid) < 0)
        return;
    event->uuid = uuid;
    event->name = virDomainGetName(domain);
    event->seen_real_ns = tb_clock_real_ns();
    conn->sink.event(event, conn->sink.data);
}

static int on_lifecycle(virConnectPtr handle, virDomainPtr domain, int event, int detail,
                        void *data)
{
    const LifecycleRow *row = guests_lifecycle_row(event, detail);
    const GuestsConn *conn = data;

    if (conn->sink.data != NULL && row != NULL)
        conn_deliver(conn, domain, &(GuestEvent){ .kind = row->kind, .detail = row->words });
    return 0;
}

static void on_monitor_event(virConnectPtr handle, virDomainPtr domain, const char *name,
                             long long seconds, unsigned int micros, const char *details,
                             void *data)
{
    g_autofree char *status = NULL;
    const GuestsConn *conn = data;
    GuestEvent event = { 0 };

    if (conn->sink.data == NULL || !guests_monitor_event(name, details, &event.kind, &status))
        return;
    event.detail = status;
    event.qemu_real_ns = int64_add(mul_div_floor(seconds, NS_PER_S, 1), (gint64)micros * 1000);
    conn_deliver(conn, domain, &event);
}

/* ---- one connection ---- */

GuestsConn *guests_conn_new(const char *uri, gboolean timing, const GuestsSink *sink, Crew *crew)
{
    GuestsConn *conn = g_atomic_rc_box_new0(GuestsConn);

    conn->uri = g_strdup(uri);
    conn->timing = timing;
    conn->sink = *sink;
    conn->crew = crew_ref(crew);
    conn->lifecycle_id = conn->monitor_id = -1;
    g_mutex_init(&conn->lock);
    return conn;
}

void *guests_conn_ref(void *conn)
{
    return g_atomic_rc_box_acquire(conn);
}

static void conn_clear(void *data)
{
    GuestsConn *conn = data;

    g_mutex_clear(&conn->lock);
    crew_unref(conn->crew);
    g_free(conn->uri);
}

void guests_conn_unref(void *conn)
{
    g_atomic_rc_box_release_full(conn, conn_clear);
}

void *guests_conn_owner(const GuestsConn *conn)
{
    return conn->sink.data;
}

void guests_conn_detach(GuestsConn *conn)
{
    conn->sink = (GuestsSink){ NULL };
}

gboolean guests_conn_is_lost(const GuestsConn *conn)
{
    return conn->lost;
}

typedef struct ConnClosed {
    GuestsConn *conn;
    int reason;
} ConnClosed;

static void conn_closed_free(void *data)
{
    ConnClosed *closed = data;

    guests_conn_unref(closed->conn);
    g_free(closed);
}

static gboolean conn_closed(void *data)
{
    const ConnClosed *closed = data;
    GuestsConn *conn = closed->conn;
    g_autofree char *reason = NULL;

    conn->lost = TRUE;
    if (conn->sink.data == NULL)
        return G_SOURCE_REMOVE;
    reason = g_strdup_printf(
        "the connection to libvirt at %s was lost: %s", conn->uri,
        closed->reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE ? "libvirtd does not answer"
        : closed->reason == VIR_CONNECT_CLOSE_REASON_EOF     ? "libvirtd closed it"
                                                             : "input or output error");
    conn->sink.closed(conn, reason, conn->sink.data);
    return G_SOURCE_REMOVE;
}

/* libvirt calls this in whichever thread notices. */
static void on_close(virConnectPtr handle, int reason, void *data)
{
    ConnClosed *closed = g_new0(ConnClosed, 1);

    closed->conn = guests_conn_ref(data);
    closed->reason = reason;
    g_idle_add_full(G_PRIORITY_DEFAULT, conn_closed, closed, conn_closed_free);
}

static gboolean conn_register(GuestsConn *conn)
{
    int *id = conn->timing ? &conn->monitor_id : &conn->lifecycle_id;

    if (conn->timing)
        *id = virConnectDomainQemuMonitorEventRegister(
            conn->handle, NULL, "^(STOP|RESUME|MIGRATION)$", on_monitor_event,
            guests_conn_ref(conn), guests_conn_unref,
            VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX);
    else
        *id = virConnectDomainEventRegisterAny(conn->handle, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                               VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle),
                                               guests_conn_ref(conn), guests_conn_unref);
    if (*id < 0)
        guests_conn_unref(conn);
    return *id >= 0;
}

/* A hung libvirtd keeps this thread until that lives again. */
void *guests_conn_open(void *data, GError **error)
{
    GuestsConn *conn = data;
    g_autofree char *what = g_strdup_printf("cannot connect to libvirt at %s%s", conn->uri,
                                            conn->timing ? " read-write" : "");

    conn->handle = conn->timing ? virConnectOpen(conn->uri) : virConnectOpenReadOnly(conn->uri);
    if (conn->handle == NULL) {
        take_libvirt_error(error, what);
        return NULL;
    }
    /* Without a reference: drivers without a server (test) say yes and never free it. It is taken
     * back before our last one goes. They have no keepalive either, and no need of it. */
    virConnectRegisterCloseCallback(conn->handle, on_close, conn, NULL);
    if (!conn_register(conn)) {
        take_libvirt_error(error, what);
        virConnectUnregisterCloseCallback(conn->handle, on_close);
        virConnectClose(conn->handle);
        return NULL;
    }
    if (virConnectSetKeepAlive(conn->handle, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT) < 0)
        virResetLastError();
    g_mutex_lock(&conn->lock);
    conn->open = TRUE;
    g_mutex_unlock(&conn->lock);
    return guests_conn_ref(conn);
}

/* Closing asks the server and may block. */
static void *conn_close_thread(void *data)
{
    GuestsConn *conn = data;
    virConnectPtr idle;

    g_mutex_lock(&conn->lock);
    conn->closing = TRUE; /* `idle` is ours from here on */
    g_mutex_unlock(&conn->lock);
    if (conn->lifecycle_id >= 0)
        virConnectDomainEventDeregisterAny(conn->handle, conn->lifecycle_id);
    if (conn->monitor_id >= 0)
        virConnectDomainQemuMonitorEventDeregister(conn->handle, conn->monitor_id);
    virConnectUnregisterCloseCallback(conn->handle, on_close);
    virConnectClose(conn->handle);
    while ((idle = g_queue_pop_head(&conn->idle)) != NULL)
        virConnectClose(idle);
    guests_conn_unref(conn);
    return NULL;
}

/* Such threads are no more than connections were opened, and those are few. */
void guests_conn_discard(void *data)
{
    GuestsConn *conn = data;
    g_autoptr(GError) error = NULL;

    guests_conn_detach(conn);
    if (!crew_start(conn->crew, "tbsync-close", conn_close_thread, conn, &error))
        g_debug("libvirt: a connection is not closed: %s", error->message);
}

/* ---- the host ---- */

typedef struct AskInput {
    GuestsConn *conn;
    virConnectPtr handle; /* its own while it runs */
    char *guest;
} AskInput;

void *guests_ask_new(GuestsConn *conn, const char *guest)
{
    AskInput *input = g_new0(AskInput, 1);

    input->conn = guests_conn_ref(conn);
    input->guest = g_strdup(guest);
    return input;
}

/* In the thread, so that closing may block. */
static void ask_give_back(AskInput *input)
{
    GuestsConn *conn = input->conn;

    g_mutex_lock(&conn->lock);
    if (conn->open && !conn->closing && conn->idle.length < IDLE_MAX && virConnectIsAlive(input->handle) == 1)
        g_queue_push_head(&conn->idle, g_steal_pointer(&input->handle));
    g_mutex_unlock(&conn->lock);
    if (input->handle != NULL)
        virConnectClose(input->handle);
}

void guests_ask_free(void *data)
{
    AskInput *input = data;

    if (input->handle != NULL)
        ask_give_back(input);
    guests_conn_unref(input->conn);
    g_free(input->guest);
    g_free(input);
}

static gboolean ask_connect(AskInput *input, GError **error)
{
    g_autofree char *what = NULL;

    g_mutex_lock(&input->conn->lock);
    input->handle = g_queue_pop_head(&input->conn->idle);
    g_mutex_unlock(&input->conn->lock);
    if (input->handle == NULL)
        input->handle = virConnectOpenReadOnly(input->conn->uri);
    if (input->handle != NULL)
        return TRUE;
    what = g_strdup_printf("cannot connect to libvirt at %s", input->conn->uri);
    take_libvirt_error(error, what);
    return FALSE;
}

void *guests_ask_host(void *data, GError **error)
{
    AskInput *input = data;
    unsigned long version = 0;
    GuestsCaps caps;
    GuestsHostAnswer *answer;
    gboolean parsed;
    char *xml;

    if (!ask_connect(input, error))
        return NULL;
    xml = virConnectGetCapabilities(input->handle);
    if (xml == NULL) {
        take_libvirt_error(error, "cannot read libvirt's capabilities");
        return NULL;
    }
    parsed = guests_caps_parse(xml, strlen(xml), &caps, error);
    free(xml);
    if (!parsed)
        return NULL;
    if (virConnectGetVersion(input->handle, &version) < 0)
        version = 0; /* no emulator for the host's own architecture */
    answer = g_new0(GuestsHostAnswer, 1);
    answer->caps = caps;
    answer->qemu_version = guests_caps_qemu_version(&caps, version);
    return answer;
}

/* ---- one guest ---- */

/* Is the active domain being migrated out? FALSE with *error unset: no. */
static gboolean domain_is_leaving(virDomainPtr domain, const char *what, GError **error)
{
    int type = VIR_DOMAIN_JOB_NONE, n_params = 0, operation = 0;
    virTypedParameterPtr params = NULL;

    if (virDomainGetJobStats(domain, &type, &params, &n_params, 0) < 0) {
        int code = virGetLastErrorCode();

        /* Stopped meanwhile; an incoming migration, which has no statistics; a driver without jobs.
         */
        if (code != VIR_ERR_OPERATION_INVALID && code != VIR_ERR_OPERATION_UNSUPPORTED &&
            code != VIR_ERR_NO_SUPPORT)
            take_libvirt_error(error, what);
        return FALSE;
    }
    if (virTypedParamsGetInt(params, n_params, VIR_DOMAIN_JOB_OPERATION, &operation) < 0)
        operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    virTypedParamsFree(params, n_params);
    return type != VIR_DOMAIN_JOB_NONE && operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT;
}

static gboolean domain_read_xml(virDomainPtr domain, const char *what, GuestFacts *ret,
                                GError **error)
{
    char *xml = virDomainGetXMLDesc(domain, 0); /* no secrets: those need read-write access */
    gboolean parsed;

    if (xml == NULL) {
        take_libvirt_error(error, what);
        return FALSE;
    }
    parsed = guest_xml_parse(xml, strlen(xml), ret, error);
    free(xml);
    if (!parsed)
        g_prefix_error(error, "%s: ", what);
    return parsed;
}

/* A running guest whose CPUs were stopped and started since it came: libvirt keeps the reason of the last start, over restarts of its own
 * and of ours. */
static gboolean was_started_again(int reason)
{
    return reason != VIR_DOMAIN_RUNNING_UNKNOWN && reason != VIR_DOMAIN_RUNNING_BOOTED &&
           reason != VIR_DOMAIN_RUNNING_MIGRATED && reason != VIR_DOMAIN_RUNNING_POSTCOPY &&
           reason != VIR_DOMAIN_RUNNING_POSTCOPY_FAILED;
}

/* What the state says beyond the XML; *ret_active. */
static gboolean domain_read_state(virDomainPtr domain, const char *what, GuestFacts *facts,
                                  GError **error)
{
    int state = VIR_DOMAIN_NOSTATE, reason = 0;

    if (virDomainGetState(domain, &state, &reason, 0) < 0) {
        take_libvirt_error(error, what);
        return FALSE;
    }
    facts->active = state != VIR_DOMAIN_SHUTOFF &&
                    (state != VIR_DOMAIN_CRASHED || virDomainGetID(domain) != (unsigned)-1);
    FACT_SET(facts, GUEST_ACTIVE);
    /* what pauses a guest for the migration itself is no pause; one that is being started was none yet */
    facts->paused = state == VIR_DOMAIN_PAUSED && reason != VIR_DOMAIN_PAUSED_MIGRATION &&
                    reason != VIR_DOMAIN_PAUSED_POSTCOPY && reason != VIR_DOMAIN_PAUSED_STARTING_UP;
    FACT_SET(facts, GUEST_PAUSED);
    if (state == VIR_DOMAIN_RUNNING && reason == VIR_DOMAIN_RUNNING_BOOTED) {
        facts->tb_offset_ticks = facts->ahead_lo_ticks = facts->ahead_hi_ticks = 0;
        FACT_SET(facts, GUEST_TB_OFFSET_TICKS);
        FACT_SET(facts, GUEST_AHEAD_LO_TICKS);
        FACT_SET(facts, GUEST_AHEAD_HI_TICKS);
    } else if (state == VIR_DOMAIN_RUNNING && was_started_again(reason)) {
        facts->ahead_lo_ticks = G_MININT64; /* its timebase stood still meanwhile */
        facts->ahead_hi_ticks = G_MAXINT64;
        FACT_SET(facts, GUEST_AHEAD_LO_TICKS);
        FACT_SET(facts, GUEST_AHEAD_HI_TICKS);
    }
    return TRUE;
}

/* State before XML: if it boots anew in between, what is said of its offset still holds. */
static gboolean domain_read(virDomainPtr domain, GuestFacts *ret, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot read guest '%s'", virDomainGetName(domain));
    GuestFacts state, facts;

    guest_facts_init(&state);
    guest_facts_init(&facts);
    if (!domain_read_state(domain, what, &state, error) ||
        !domain_read_xml(domain, what, &facts, error))
        return FALSE;
    guest_facts_overlay(&facts, &state);
    *ret = facts;
    return TRUE;
}

void *guests_ask_find(void *data, GError **error)
{
    AskInput *input = data;
    virDomainPtr domain;
    g_autofree char *what = g_strdup_printf("cannot look up guest %s", input->guest);
    g_autofree GuestsFound *found = g_new0(GuestsFound, 1);
    g_autoptr(GError) cause = NULL;

    if (!ask_connect(input, error))
        return NULL;
    found->role = ROLE_ABSENT;
    guest_facts_init(&found->facts);
    domain = virDomainLookupByUUIDString(input->handle, input->guest);
    if (domain == NULL) {
        take_libvirt_error(&cause, what);
    } else {
        gboolean leaving = domain_is_leaving(domain, what, &cause);

        if (cause == NULL && domain_read(domain, &found->facts, &cause))
            found->role = !found->facts.active ? ROLE_INACTIVE
                          : leaving            ? ROLE_MIGRATING_OUT
                                               : ROLE_ACTIVE;
        virDomainFree(domain);
    }
    /* Also a guest that goes away while we look is absent. */
    if (cause != NULL && !g_error_matches(cause, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_GUEST)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    return g_steal_pointer(&found);
}

void *guests_ask_lookup(void *data, GError **error)
{
    AskInput *input = data;
    virDomainPtr domain = NULL;
    g_autofree GuestFacts *facts = g_new0(GuestFacts, 1);
    gboolean read;

    if (!ask_connect(input, error))
        return NULL;
    if (g_uuid_string_is_valid(input->guest))
        domain = virDomainLookupByUUIDString(input->handle, input->guest);
    if (domain == NULL)
        domain = virDomainLookupByName(input->handle, input->guest);
    if (domain == NULL && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_GUEST,
                    "libvirt knows no guest '%s' on this host; list them with: tbsyncctl guests", input->guest);
        return NULL;
    }
    if (domain == NULL) {
        g_autofree char *what = g_strdup_printf("cannot look up guest '%s'", input->guest);

        take_libvirt_error(error, what);
        return NULL;
    }
    read = domain_read(domain, facts, error);
    virDomainFree(domain);
    return read ? g_steal_pointer(&facts) : NULL;
}

/* ---- registers ---- */

/* What QEMU says to "info registers" (nullable); free(). *ret: when it was asked and when it had answered. */
static char *domain_registers(virDomainPtr domain, const char *what, GuestTimebase *ret, GError **error)
{
    char *answer = NULL;
    int done;

    ret->asked_boot_ns = tb_clock_boot_ns();
    done = virDomainQemuMonitorCommand(domain, "info registers", &answer, VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP);
    ret->answered_boot_ns = tb_clock_boot_ns();
    if (done < 0)
        take_libvirt_error(error, what);
    return done < 0 ? NULL : answer;
}

/* Over a connection that may write. */
static char *ask_registers(const AskInput *input, const char *what, GuestTimebase *ret, GError **error)
{
    virConnectPtr handle = virConnectOpen(input->conn->uri);
    virDomainPtr domain = handle != NULL ? virDomainLookupByUUIDString(handle, input->guest) : NULL;
    char *answer = NULL;

    if (domain == NULL) {
        take_libvirt_error(error, what);
    } else {
        answer = domain_registers(domain, what, ret, error);
        virDomainFree(domain);
    }
    if (handle != NULL)
        virConnectClose(handle);
    return answer;
}

/* `info registers` prints the CPU that the monitor looks at, the first one, and fetches its registers for that: those of a
 * vcore's offset among them (QEMU target/ppc/kvm.c, kvm_arch_get_registers). */
void *guests_ask_sync(void *data, GError **error)
{
    AskInput *input = data;
    g_autofree char *what = g_strdup_printf("cannot sync the registers of guest %s", input->guest);
    GuestTimebase ignored;
    char *answer = ask_registers(input, what, &ignored, error);

    if (answer == NULL)
        return NULL;
    free(answer);
    return g_strdup(input->guest);
}

/* "TB 00000000 477702733 DECR 3817265300": two halves are meant, but the second number is the whole register (QEMU
 * target/ppc/cpu_init.c, ppc_cpu_dump_state, which prints what cpu_ppc_load_tbl() gives). */
gboolean guests_parse_timebase(const char *text, guint64 *ret_ticks)
{
    const char *line = g_str_has_prefix(text, "TB ") ? text : strstr(text, "\nTB ");
    guint64 high, ticks;
    char *end;

    if (line == NULL)
        return FALSE;
    line = strstr(line, "TB ") + strlen("TB ");
    high = g_ascii_strtoull(line, &end, 10);
    if (end == line || *end != ' ' || high > G_MAXUINT32)
        return FALSE;
    line = end + 1;
    if (!g_ascii_isdigit(*line))
        return FALSE;
    ticks = g_ascii_strtoull(line, &end, 10);
    if (*end != '\0' && !g_ascii_isspace(*end))
        return FALSE;
    *ret_ticks = ticks;
    return TRUE;
}

void *guests_ask_timebase(void *data, GError **error)
{
    AskInput *input = data;
    g_autofree char *what = g_strdup_printf("cannot read the timebase of guest %s", input->guest);
    g_autofree GuestTimebase *read = g_new0(GuestTimebase, 1);
    char *answer = ask_registers(input, what, read, error);
    gboolean parsed;

    if (answer == NULL)
        return NULL;
    parsed = guests_parse_timebase(answer, &read->ticks);
    free(answer);
    if (!parsed)
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: QEMU's registers show none", what);
    return parsed ? g_steal_pointer(&read) : NULL;
}

/* ---- all guests ---- */

/* At least who it is, if the rest cannot be read. */
static void domain_read_or_name(virDomainPtr domain, GuestFacts *ret)
{
    g_autoptr(GError) error = NULL;

    guest_facts_init(ret);
    if (domain_read(domain, ret, &error))
        return;
    g_strlcpy(ret->name, virDomainGetName(domain), sizeof ret->name);
    FACT_SET(ret, GUEST_NAME);
    if (virDomainGetUUIDString(domain, ret->uuid) == 0)
        FACT_SET(ret, GUEST_UUID);
}

/* Returns how many; -1 with *error set. *ret: each to be freed, and the array by free(). */
static int ask_domains(AskInput *input, virDomainPtr **ret, GError **error)
{
    int n;

    if (!ask_connect(input, error))
        return -1;
    n = virConnectListAllDomains(input->handle, ret, 0);
    if (n < 0)
        take_libvirt_error(error, "cannot list the guests of this host");
    return n;
}

void *guests_ask_list(void *data, GError **error)
{
    virDomainPtr *domains = NULL;
    int n = ask_domains(data, &domains, error);
    GArray *guests;

    if (n < 0)
        return NULL;
    guests = g_array_new(FALSE, FALSE, sizeof(GuestFacts));
    for (int i = 0; i < n; i++) {
        GuestFacts facts;

        if (i < LIST_MAX) {
            domain_read_or_name(domains[i], &facts);
            g_array_append_val(guests, facts);
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    return guests;
}

void *guests_ask_uuids(void *data, GError **error)
{
    virDomainPtr *domains = NULL;
    int n = ask_domains(data, &domains, error);
    g_autoptr(GStrvBuilder) uuids = g_strv_builder_new();

    if (n < 0)
        return NULL;
    for (int i = 0; i < n; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (virDomainGetUUIDString(domains[i], uuid) == 0)
            g_strv_builder_add(uuids, uuid);
        virDomainFree(domains[i]);
    }
    free(domains);
    return g_strv_builder_end(uuids);
}
