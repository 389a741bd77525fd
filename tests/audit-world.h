/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An audit of guest UUID, which comes from host alpha: the test plays alpha, libvirt and the relation. For tests only. */

#include "audit.h"
#include "tree.h"

#include <glib/gstdio.h>
#include <string.h>

#define UUID "5a5a5a5a-1111-4222-8333-00000000beef"

typedef struct Fixture {
    char *directory;
    char *plan;
    TbClock *clock;
    StampClock *stamps;
    Ledger *ledger;
    Audit *audit;
    Departure departure; /* what the source says */
    gboolean unreachable;
    guint asked;
    gboolean relation_lost;
    Interval relation;
    guint related; /* times the relation was asked for */
    guint expiry_ms;
    GuestRole here;      /* what libvirt says of the guest on this host */
    gboolean look_fails;  /* libvirt does not answer */
    guint looked;
    gboolean reads; /* the guest's own timebase */
    guint64 guest_ticks; /* it started with that; 0: QEMU does not tell */
    TbTicks resumed;
    guint read;
    gboolean libvirt_first; /* its word comes before QEMU's own, on another connection */
} Fixture;

typedef struct Read {
    Fixture *f;
    GuestTimebaseDone done;
    void *data;
} Read;

static inline gboolean on_read(void *data)
{
    g_autofree Read *read = data;
    const Fixture *f = read->f;
    GuestTimebase timebase = { .asked_boot_ns = tb_clock_boot_ns() };
    g_autoptr(GError) error = f->guest_ticks ? NULL : g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "it shows none");

    timebase.ticks = f->guest_ticks + (guint64)tb_minus(stamp_clock_now(f->stamps), f->resumed);
    timebase.answered_boot_ns = tb_clock_boot_ns();
    read->done(error ? NULL : &timebase, error, read->data);
    return G_SOURCE_REMOVE;
}

static inline void read_timebase(const char *uuid, GuestTimebaseDone done, void *done_data, void *data)
{
    Read *read = g_new0(Read, 1);

    g_assert_cmpstr(uuid, ==, UUID);
    *read = (Read){ data, done, done_data };
    read->f->read++;
    g_idle_add_full(G_PRIORITY_DEFAULT, on_read, read, NULL);
}

typedef struct Answer {
    Fixture *f;
    AuditDepartureDone done;
    void *data;
} Answer;

static inline gboolean on_answer(void *data)
{
    Answer *answer = data;

    answer->done(&answer->f->departure, NULL, answer->data);
    g_free(answer);
    return G_SOURCE_REMOVE;
}

static inline gboolean ask_departure(const char *source, const char *uuid, AuditDepartureDone done,
                              void *done_data, void *data)
{
    Fixture *f = data;
    Answer *answer;

    g_assert_cmpstr(source, ==, "alpha");
    g_assert_cmpstr(uuid, ==, UUID);
    f->asked++;
    if (f->unreachable)
        return FALSE;
    answer = g_new0(Answer, 1);
    *answer = (Answer){ f, done, done_data };
    g_idle_add(on_answer, answer);
    return TRUE;
}

typedef struct Look {
    Fixture *f;
    AuditLookDone done;
    void *data;
} Look;

static inline gboolean on_look(void *data)
{
    g_autofree Look *look = data;
    g_autoptr(GError) error = look->f->look_fails ? g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "hung") : NULL;

    look->f->looked++;
    look->done(look->f->here, error, look->data);
    return G_SOURCE_REMOVE;
}

static inline void look_here(const char *uuid, AuditLookDone done, void *done_data, void *data)
{
    Look *look = g_new0(Look, 1);

    g_assert_cmpstr(uuid, ==, UUID);
    *look = (Look){ data, done, done_data };
    g_idle_add_full(G_PRIORITY_DEFAULT, on_look, look, NULL);
}

/* The source's timebase is 1000 ticks behind. */
static inline Interval relation(const char *source, void *data)
{
    Fixture *f = data;

    f->related++;
    if (f->relation_lost)
        return INTERVAL_UNBOUNDED;
    return interval_is_empty(f->relation) || f->relation.hi == 0 ? interval_of(990, 1010)
                                                                 : f->relation;
}

static inline void start(Fixture *f)
{
    AuditParams params = { .runtime_directory = f->directory,
                           .drift_bound_ppb = 100000,
                           .ask_period_ms = 2,
                           .renew_period_ms = 2,
                           .look_period_ms = 2,
                           .expiry_ms = f->expiry_ms,
                           .look_here = look_here,
                           .ask_departure = ask_departure,
                           .relation = relation,
                           .data = f };
    TbClockConfig clock = { .simulated = TRUE, .frequency_hz = 512000000 };
    g_autoptr(GError) error = NULL;

    f->clock = tb_clock_new(&clock, &error);
    g_assert_no_error(error);
    f->stamps = stamp_clock_new(f->clock, 0);
    params.stamps = f->stamps;
    f->ledger = ledger_new(f->directory, 10, &error);
    g_assert_no_error(error);
    params.ledger = f->ledger;
    params.read_timebase = f->reads ? read_timebase : NULL;
    f->audit = audit_new(&params);
}

static inline void stop(Fixture *f)
{
    g_clear_pointer(&f->audit, audit_free);
    while (g_main_context_iteration(NULL, FALSE))
        continue; /* answers that come too late */
    g_clear_pointer(&f->ledger, ledger_free);
    g_clear_pointer(&f->stamps, stamp_clock_free);
    g_clear_pointer(&f->clock, tb_clock_free);
}

/* The audit starts again, with leave to read guests. */
static inline void stop_and_read(Fixture *f)
{
    stop(f);
    f->reads = TRUE;
    start(f);
}

static inline void set_up(Fixture *f, gconstpointer data)
{
    f->here = ROLE_ACTIVE;
    f->directory = g_dir_make_tmp("tbsyncd-audit-XXXXXX", NULL);
    f->plan = g_strdup_printf("%s/plans/" UUID ".json", f->directory);
    start(f);
}

static inline void tear_down(Fixture *f, gconstpointer data)
{
    stop(f);
    tree_remove(f->directory);
    g_free(f->directory);
    g_free(f->plan);
}

static inline void open_record_of(Fixture *f, const char *id, gboolean active)
{
    g_autoptr(JsonNode) node = json_from_string(
        "{\"version\":1,\"state\":\"planned\",\"plan\":{\"offset_ticks\":16777216}}", NULL);
    JsonObject *record = json_node_get_object(node);
    MigrationCase *c = g_new0(MigrationCase, 1);

    c->has_source = TRUE;
    g_strlcpy(c->source.name, "alpha", sizeof c->source.name);
    c->source.qemu_version = c->destination.qemu_version = QEMU_VERSION(7, 2, 22);
    c->destination.timebase_hz = 512000000;
    guest_facts_init(&c->guest);
    c->guest.accel = ACCEL_TCG;
    FACT_SET(&c->guest, GUEST_ACCEL);
    c->guest.active = active;
    FACT_SET(&c->guest, GUEST_ACTIVE);
    FACT_SET(&c->guest, GUEST_AHEAD_LO_TICKS);
    FACT_SET(&c->guest, GUEST_AHEAD_HI_TICKS);
    FACT_SET(&c->guest, GUEST_TB_OFFSET_TICKS);
    g_strlcpy(c->incoming.uuid, UUID, sizeof c->incoming.uuid);
    ledger_put_async(f->ledger, id, record, NULL, NULL);
    audit_open(f->audit, id, c, record);
    g_free(c);
}

static inline void open_record(Fixture *f, const char *id)
{
    open_record_of(f, id, TRUE);
}

static inline void event(Fixture *f, GuestEventKind kind)
{
    GuestEvent e = {
        .kind = kind, .uuid = UUID, .name = "g", .detail = "words", .seen_real_ns = 5
    };

    audit_event(f->audit, &e);
}

static inline void wait_until_closed(Fixture *f)
{
    while (audit_open_count(f->audit) > 0)
        g_main_context_iteration(NULL, TRUE);
}

static inline JsonNode *record_of(const Fixture *f, const char *id)
{
    g_autofree char *text = ledger_get(f->ledger, id, NULL);

    return json_from_string(text, NULL);
}

static inline void assert_state(const Fixture *f, const char *id, const char *expected)
{
    g_autofree char *text = ledger_get(f->ledger, id, NULL);
    g_autoptr(JsonNode) node = json_from_string(text, NULL);

    g_assert_cmpstr(json_object_get_string_member(json_node_get_object(node), "state"), ==,
                    expected);
}
