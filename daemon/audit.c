/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit.h"

#include <glib/gstdio.h>
#include <string.h>

#include "left-open.h"

/* How many of the newest records are looked at for ones that were left open. */
#define LEFT_OPEN_SEARCH 256

typedef struct Open {
    Audit *audit;
    char *id;
    char *uuid;
    JsonObject *record;
    AuditSubject subject;
    guint expiry_source;
    guint renew_source;
    gboolean holds; /* the stamp clock, from the start of QEMU on */
    TbTicks
        started; /* this host's timebase when QEMU was seen to run here, its CPUs still stopped */
    gboolean started_known;
    gboolean gap;     /* the connection to libvirt was lost meanwhile, and what it would have told */
    gboolean arrived; /* the CPUs run: only the figures are missing */
    gboolean stopped_again; /* they stopped since: a later start is not that of the arrival */
    gboolean started_again;
    Arrival arrival;
    guint asked;
    guint ask_source;
    guint look_source;
    guint missed; /* looks in a row that did not find the guest here */
} Open;

struct Audit {
    AuditParams params;
    char *plans;
    GHashTable *open; /* uuid -> Open */
    GHashTable *stopped; /* set of the uuids of guests whose CPUs stand still here */
    LeftOpen *left_open;
};

static void open_free(void *pointer)
{
    Open *open = pointer;

    g_clear_handle_id(&open->expiry_source, g_source_remove);
    g_clear_handle_id(&open->ask_source, g_source_remove);
    g_clear_handle_id(&open->renew_source, g_source_remove);
    g_clear_handle_id(&open->look_source, g_source_remove);
    if (open->holds)
        stamp_clock_release(open->audit->params.stamps);
    json_object_unref(open->record);
    g_free(open->id);
    g_free(open->uuid);
    g_free(open);
}

static char *plan_path(const Audit *audit, const char *uuid)
{
    return g_strdup_printf("%s/%s.json", audit->plans, uuid);
}

static void publish_plan(const Open *open)
{
    JsonNode *plan = json_object_get_member(open->record, "plan");
    g_autofree char *path = plan_path(open->audit, open->uuid);
    g_autofree char *text = plan ? json_to_string(plan, FALSE) : NULL;
    g_autoptr(GError) error = NULL;

    if (text && !g_file_set_contents(path, text, -1, &error))
        g_warning("plan not published: %s", error->message);
}

static void withdraw_plan(const Open *open)
{
    g_autofree char *path = plan_path(open->audit, open->uuid);

    g_unlink(path);
}

static void save(const Open *open)
{
    ledger_put_async(open->audit->params.ledger, open->id, open->record, NULL, NULL);
}

/* A transfer may take longer than the plan's relation is good for. */
static gboolean on_renew(void *data)
{
    Open *open = data;
    const AuditParams *params = &open->audit->params;
    Interval now_ticks = params->relation(open->subject.source, params->data);
    OffsetQuery query = {
        .relation_ticks =
            plan_relation(now_ticks, open->subject.timebase_hz, params->drift_bound_ppb),
        .source_offset_ticks = open->subject.offset_ticks,
        .ahead_ticks = open->subject.ahead_ticks,
    };
    OffsetPlan plan = offset_plan(&query);

    if (!plan.known) {
        /* Better none than one that may be wrong. */
        withdraw_plan(open);
        return G_SOURCE_CONTINUE;
    }
    record_set_plan(open->record, &query, &plan, tb_clock_real_ns());
    publish_plan(open);
    return G_SOURCE_CONTINUE;
}

/* Frees `open`. */
static void close_record(Open *open, RecordState state)
{
    record_set_state(open->record, state);
    save(open);
    withdraw_plan(open);
    g_hash_table_remove(open->audit->open, open->uuid);
}

static gboolean on_expiry(void *data)
{
    Open *open = data;

    if (open->started_known && !open->gap)
        return G_SOURCE_CONTINUE; /* it is coming */
    open->expiry_source = 0;
    g_message("guest %s was allowed but %s", open->uuid,
              open->gap ? "libvirt was away when it may have arrived" : "never arrived");
    close_record(open, open->gap ? RECORD_INTERRUPTED : RECORD_EXPIRED);
    return G_SOURCE_REMOVE;
}

/* An answer finds its record by name: it may have been closed meanwhile, or the audit be gone. */
typedef struct Asked {
    GHashTable *open;
    char *uuid;
    char *id;
} Asked;

static Asked *asked_new(const Open *open)
{
    Asked *asked = g_new0(Asked, 1);

    asked->open = g_hash_table_ref(open->audit->open);
    asked->uuid = g_strdup(open->uuid);
    asked->id = g_strdup(open->id);
    return asked;
}

static void asked_free(Asked *asked)
{
    g_hash_table_unref(asked->open);
    g_free(asked->uuid);
    g_free(asked->id);
    g_free(asked);
}

/* (nullable) */
static Open *asked_open(const Asked *asked)
{
    Open *open = g_hash_table_lookup(asked->open, asked->uuid);

    return open && strcmp(open->id, asked->id) == 0 ? open : NULL;
}

static void on_looked(GuestRole role, const GError *error, void *data)
{
    Asked *asked = data;
    Open *open = asked_open(asked);
    gboolean here;

    asked_free(asked);
    if (!open || open->arrived || error)
        return;
    here = role != ROLE_ABSENT && (role != ROLE_INACTIVE || open->subject.offline);
    open->missed = here ? 0 : open->missed + 1;
    if (open->missed < AUDIT_LOOK_TIMES)
        return;
    g_message("guest %s was allowed, but was gone before it arrived", open->uuid);
    close_record(open, RECORD_FAILED);
}

static gboolean on_look(void *data)
{
    Open *open = data;
    const AuditParams *params = &open->audit->params;

    params->look_here(open->uuid, on_looked, asked_new(open), params->data);
    return G_SOURCE_CONTINUE;
}

void audit_open(Audit *audit, const char *id, const MigrationCase *c, JsonObject *record)
{
    Open *older = g_hash_table_lookup(audit->open, c->incoming.uuid);
    Open *open = g_new0(Open, 1);

    if (older)
        close_record(older, older->arrived ? RECORD_COMPLETED : RECORD_EXPIRED);
    open->audit = audit;
    open->id = g_strdup(id);
    open->uuid = g_strdup(c->incoming.uuid);
    open->record = json_object_ref(record);
    open->subject = audit_subject_of(c);
    open->expiry_source = g_timeout_add(audit->params.expiry_ms, on_expiry, open);
    open->look_source = g_timeout_add(audit->params.look_period_ms, on_look, open);
    g_hash_table_insert(audit->open, open->uuid, open);
    publish_plan(open);
    if (json_object_has_member(record, "plan"))
        open->renew_source = g_timeout_add(audit->params.renew_period_ms, on_renew, open);
}

static const GuestEntry nothing_known = { .ahead_lo_ticks = G_MININT64,
                                          .ahead_hi_ticks = G_MAXINT64 };

/* The CPUs were stopped and started in one process. QEMU froze the timebase meanwhile, nobody knows for how long, and set a new offset,
 * which the kernel rounded up (hw/ppc/ppc.c, cpu_ppc_clock_vm_state_change). */
static void entry_note_pause(GuestEntry *entry)
{
    entry->offset_known = FALSE;
    entry->ahead_lo_ticks = G_MININT64;
    entry->ahead_hi_ticks = int64_add(entry->ahead_hi_ticks, TB_OFFSET_UNIT_TICKS - 1);
    entry->paused_here = TRUE;
    entry->copy_synced = FALSE;
}

/* ---- the figures ---- */

static void finish(Open *open, JsonObject *figures, const GuestEntry *entry)
{
    GuestEntry now = *entry, seen;

    /* What happened to it since it arrived is not undone by figures that come late. */
    if (open->started_again)
        entry_note_pause(&now);
    if (ledger_get_guest(open->audit->params.ledger, open->uuid, &seen)) {
        now.paused_here = seen.paused_here;
        now.copy_synced = seen.copy_synced;
    }
    json_object_set_object_member(open->record, "audit", figures);
    ledger_put_guest(open->audit->params.ledger, open->uuid, &now);
    close_record(open, RECORD_COMPLETED);
}

static void finish_unknown(Open *open, const char *why)
{
    finish(open, audit_figures_unknown(why), &nothing_known);
}

static void finish_known(Open *open, const Departure *departure)
{
    const AuditParams *params = &open->audit->params;
    Interval relation = params->relation(open->subject.source, params->data);
    int64_t since_ticks = tb_minus(stamp_clock_now(params->stamps), open->arrival.run_lo);
    GuestEntry entry;
    JsonObject *figures;

    /* The relation is that of now; at the start the oscillators were that much less apart. */
    relation = interval_widen(relation,
                              mul_div_ceil(MAX(since_ticks, 0), params->drift_bound_ppb, NS_PER_S));
    figures = audit_figures(&open->subject, departure, &open->arrival, relation, &entry);
    finish(open, figures, &entry);
}

static gboolean on_ask(void *data);

static void on_departure(const Departure *departure, const GError *error, void *data)
{
    Asked *asked = data;
    Open *open = asked_open(asked);

    asked_free(asked);
    if (!open)
        return;
    if (departure && (departure->state == DEPARTURE_STOPPED || departure->state == DEPARTURE_LEFT))
        finish_known(open, departure);
    else
        open->ask_source = g_timeout_add(open->audit->params.ask_period_ms, on_ask, open);
}

static gboolean on_ask(void *data)
{
    Open *open = data;
    const AuditParams *params = &open->audit->params;
    Asked *asked;

    if (open->asked++ >= AUDIT_ASK_TIMES) {
        open->ask_source = 0;
        finish_unknown(open, "the source did not say when it stopped the guest");
        return G_SOURCE_REMOVE;
    }
    asked = asked_new(open);
    if (params->ask_departure(open->subject.source, open->uuid, on_departure, asked,
                              params->data)) {
        open->ask_source = 0;
        return G_SOURCE_REMOVE;
    }
    asked_free(asked);
    return G_SOURCE_CONTINUE;
}

/* ---- the guest's own timebase ---- */

static void on_timebase(const GuestTimebase *read, const GError *error, void *data)
{
    Asked *asked = data;
    Open *open = asked_open(asked);
    GuestTbReading *reading = open ? &open->arrival.guest : NULL;

    if (error)
        g_debug("guest %s: its timebase is not known: %s", asked->uuid, error->message);
    asked_free(asked);
    if (!read || !reading)
        return;
    reading->known = true;
    reading->guest = tb_ticks(read->ticks);
    stamp_clock_place_boot(open->audit->params.stamps, read->asked_boot_ns, read->answered_boot_ns, &reading->host_lo,
                           &reading->host_hi);
}

static void ask_timebase(Open *open)
{
    const AuditParams *params = &open->audit->params;

    open->arrival.reads_guest = params->read_timebase && !open->subject.kvm;
    if (open->arrival.reads_guest)
        params->read_timebase(open->uuid, on_timebase, asked_new(open), params->data);
}

/* ---- events ---- */

static void on_started(Open *open)
{
    if (!open->holds)
        stamp_clock_hold(open->audit->params.stamps);
    open->holds = TRUE;
    open->started = stamp_clock_now(open->audit->params.stamps);
    open->started_known = TRUE;
    record_set_state(open->record, RECORD_ARRIVING);
    save(open);
}

/* libvirt's word and QEMU's own come in any order, on two connections; a guest that is paused here before the source has told all
 * makes both a second time. */
static void take_qemu_resume(Open *open, const GuestEvent *event)
{
    StampBounds bounds;

    if (open->arrival.precise || open->stopped_again)
        return;
    if (!stamp_clock_place(open->audit->params.stamps, event->qemu_real_ns, &bounds))
        return;
    open->arrival.run_lo = bounds.lo;
    open->arrival.run_hi = bounds.hi;
    open->arrival.precise = TRUE;
}

static void on_arrived(Open *open)
{
    if (open->arrived)
        return; /* post-copy says so twice */
    open->arrived = TRUE;
    if (!open->arrival.precise) {
        open->arrival.run_hi = stamp_clock_now(open->audit->params.stamps);
        open->arrival.run_lo = open->started_known ? open->started : open->arrival.run_hi;
    }
    g_clear_handle_id(&open->expiry_source, g_source_remove);
    g_clear_handle_id(&open->renew_source, g_source_remove);
    g_clear_handle_id(&open->look_source, g_source_remove);
    record_set_state(open->record, RECORD_COMPLETED);
    withdraw_plan(open);
    save(open);
    ledger_put_guest(open->audit->params.ledger, open->uuid, &nothing_known);
    if (open->subject.offline) {
        /* whose it was is not known: the peer that answered has no more than its definition */
        g_warning("guest %s was allowed as one that is not running, but came in running: it was not judged for that", open->uuid);
        finish_unknown(open, "it was taken for an offline migration, but the guest came in running");
        return;
    }
    ask_timebase(open);
    if (!*open->subject.source)
        finish_unknown(open, "the source is not known");
    else if (!open->started_known && !open->arrival.precise)
        finish_unknown(open, "the guest's arrival was not watched");
    else
        open->ask_source = g_timeout_add(open->audit->params.ask_period_ms, on_ask, open);
}

/* A guest that is still paused here has not lost anything yet: that is told by its resume. */
static void on_arrived_paused(Open *open)
{
    JsonObject *figures = audit_figures_unknown("the guest arrived paused");

    json_object_set_boolean_member(figures, "paused", TRUE);
    finish(open, figures, &nothing_known);
}

static void note_local_pause(const Audit *audit, const char *uuid)
{
    GuestEntry entry;

    if (!ledger_get_guest(audit->params.ledger, uuid, &entry))
        entry = nothing_known;
    entry_note_pause(&entry);
    ledger_put_guest(audit->params.ledger, uuid, &entry);
}

/* The offset itself is not told: info registers does not show it. */
static void note_sync(const Audit *audit, const char *uuid)
{
    GuestEntry entry;

    if (!ledger_get_guest(audit->params.ledger, uuid, &entry))
        entry = nothing_known;
    entry.paused_here = FALSE;
    entry.copy_synced = TRUE;
    ledger_put_guest(audit->params.ledger, uuid, &entry);
}

static void record_event(Open *open, const GuestEvent *event)
{
    JsonArray *events;
    JsonObject *object = json_object_new();

    if (!json_object_has_member(open->record, "events"))
        json_object_set_array_member(open->record, "events", json_array_new());
    events = json_object_get_array_member(open->record, "events");
    json_object_set_string_member(object, "what", event->detail ? event->detail : "");
    json_object_set_int_member(object, "seen_real_ns", event->seen_real_ns);
    if (event->qemu_real_ns)
        json_object_set_int_member(object, "qemu_real_ns", event->qemu_real_ns);
    json_array_add_object_element(events, object);
}

/* Of a guest with an open record. */
static void open_event(Open *open, const GuestEvent *event)
{
    record_event(open, event);
    switch (event->kind) {
    case GUEST_EVENT_INCOMING_STARTED:
        on_started(open);
        break;
    case GUEST_EVENT_DEFINED:
        if (open->subject.offline)
            finish_unknown(open, "the guest was moved offline: no timebase ran");
        break;
    case GUEST_EVENT_QEMU_RESUME:
        take_qemu_resume(open, event);
        break;
    case GUEST_EVENT_RESUMED_CPUS:
        on_arrived(open);
        break;
    case GUEST_EVENT_SUSPENDED:
        if (open->started_known && !open->arrived)
            on_arrived_paused(open);
        else
            open->stopped_again = open->arrived;
        break;
    case GUEST_EVENT_STOPPED_CPUS:
    case GUEST_EVENT_QEMU_STOP:
        open->stopped_again = open->arrived;
        break;
    case GUEST_EVENT_FAILED:
    case GUEST_EVENT_STOPPED:
    case GUEST_EVENT_LEFT:
        close_record(open, open->arrived ? RECORD_COMPLETED : RECORD_FAILED);
        break;
    case GUEST_EVENT_DEFINED_CHANGED:
    case GUEST_EVENT_BOOTED:
    case GUEST_EVENT_RESUMED_HERE:
    case GUEST_EVENT_QEMU_MIGRATION:
    case GUEST_EVENT_REGISTERS_SYNCED:
    case GUEST_EVENT_SYNC_FAILED:
        break;
    }
}

/* Whether CPUs that ran here were stopped and started. libvirt uses one word for the start of a guest that came in and for that of one
 * which failed to leave; and says it twice of post-copy. QEMU's own words come over another connection, out of order. */
static gboolean is_restart(const Audit *audit, const GuestEvent *event)
{
    switch (event->kind) {
    case GUEST_EVENT_STOPPED_CPUS:
    case GUEST_EVENT_SUSPENDED:
        g_hash_table_add(audit->stopped, g_strdup(event->uuid));
        return FALSE;
    case GUEST_EVENT_RESUMED_HERE:
        g_hash_table_remove(audit->stopped, event->uuid);
        return TRUE;
    case GUEST_EVENT_RESUMED_CPUS:
        return g_hash_table_remove(audit->stopped, event->uuid);
    case GUEST_EVENT_BOOTED:
    case GUEST_EVENT_INCOMING_STARTED:
    case GUEST_EVENT_LEFT:
    case GUEST_EVENT_FAILED:
    case GUEST_EVENT_STOPPED:
        g_hash_table_remove(audit->stopped, event->uuid);
        return FALSE;
    case GUEST_EVENT_DEFINED:
    case GUEST_EVENT_DEFINED_CHANGED:
    case GUEST_EVENT_QEMU_STOP:
    case GUEST_EVENT_QEMU_RESUME:
    case GUEST_EVENT_QEMU_MIGRATION:
    case GUEST_EVENT_REGISTERS_SYNCED:
    case GUEST_EVENT_SYNC_FAILED:
        return FALSE;
    }
    g_assert_not_reached();
}

/* A QEMU process begins or ends: what was known is of another one. */
static gboolean is_other_process(GuestEventKind kind)
{
    return kind == GUEST_EVENT_BOOTED || kind == GUEST_EVENT_INCOMING_STARTED || kind == GUEST_EVENT_LEFT ||
           kind == GUEST_EVENT_STOPPED;
}

static void note_gap(const Audit *audit)
{
    GHashTableIter iter;
    void *open;

    g_hash_table_iter_init(&iter, audit->open);
    while (g_hash_table_iter_next(&iter, NULL, &open))
        ((Open *)open)->gap = TRUE;
    g_hash_table_remove_all(audit->stopped);
    ledger_forget_syncs(audit->params.ledger);
}

void audit_event(Audit *audit, const GuestEvent *event)
{
    Open *open = event->uuid ? g_hash_table_lookup(audit->open, event->uuid) : NULL;
    gboolean restart = is_restart(audit, event);

    if (event->kind == GUEST_EVENT_DEFINED_CHANGED && event->uuid && !*event->uuid)
        note_gap(audit);
    if (open) {
        open->started_again |= restart && open->arrived;
        open_event(open, event);
    }
    if (restart)
        note_local_pause(audit, event->uuid);
    else if (event->kind == GUEST_EVENT_REGISTERS_SYNCED)
        note_sync(audit, event->uuid);
    else if (is_other_process(event->kind))
        ledger_drop_guest(audit->params.ledger, event->uuid);
}

guint audit_open_count(const Audit *audit)
{
    return g_hash_table_size(audit->open);
}

Audit *audit_new(const AuditParams *params)
{
    Audit *audit = g_new0(Audit, 1);

    audit->params = *params;
    audit->plans = g_build_filename(params->runtime_directory, "plans", NULL);
    audit->params.runtime_directory = NULL;
    if (audit->params.renew_period_ms == 0)
        audit->params.renew_period_ms = PLAN_VALID_S * 1000 / 2;
    if (audit->params.ask_period_ms == 0)
        audit->params.ask_period_ms = AUDIT_ASK_PERIOD_MS;
    if (audit->params.expiry_ms == 0)
        audit->params.expiry_ms = AUDIT_EXPIRY_MS;
    if (audit->params.look_period_ms == 0)
        audit->params.look_period_ms = AUDIT_LOOK_PERIOD_MS;
    audit->open = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, open_free);
    audit->stopped = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (g_mkdir_with_parents(audit->plans, 0755) < 0)
        g_warning("cannot create %s: plans will not be published there", audit->plans);
    audit->left_open = left_open_new(params->ledger, LEFT_OPEN_SEARCH);
    return audit;
}

void audit_reload(Audit *audit, guint32 drift_bound_ppb)
{
    audit->params.drift_bound_ppb = drift_bound_ppb;
}

void audit_free(Audit *audit)
{
    if (!audit)
        return;
    g_hash_table_remove_all(audit->open);
    g_hash_table_unref(audit->open);
    g_hash_table_unref(audit->stopped);
    left_open_free(audit->left_open);
    g_free(audit->plans);
    g_free(audit);
}
