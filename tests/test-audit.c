/* SPDX-License-Identifier: LGPL-2.1-or-later */
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

static gboolean on_read(void *data)
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

static void read_timebase(const char *uuid, GuestTimebaseDone done, void *done_data, void *data)
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

static gboolean on_answer(void *data)
{
    Answer *answer = data;

    answer->done(&answer->f->departure, NULL, answer->data);
    g_free(answer);
    return G_SOURCE_REMOVE;
}

static gboolean ask_departure(const char *source, const char *uuid, AuditDepartureDone done,
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

static gboolean on_look(void *data)
{
    g_autofree Look *look = data;
    g_autoptr(GError) error = look->f->look_fails ? g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "hung") : NULL;

    look->f->looked++;
    look->done(look->f->here, error, look->data);
    return G_SOURCE_REMOVE;
}

static void look_here(const char *uuid, AuditLookDone done, void *done_data, void *data)
{
    Look *look = g_new0(Look, 1);

    g_assert_cmpstr(uuid, ==, UUID);
    *look = (Look){ data, done, done_data };
    g_idle_add_full(G_PRIORITY_DEFAULT, on_look, look, NULL);
}

/* The source's timebase is 1000 ticks behind. */
static Interval relation(const char *source, void *data)
{
    Fixture *f = data;

    f->related++;
    if (f->relation_lost)
        return INTERVAL_UNBOUNDED;
    return interval_is_empty(f->relation) || f->relation.hi == 0 ? interval_of(990, 1010)
                                                                 : f->relation;
}

static void start(Fixture *f)
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

static void stop(Fixture *f)
{
    g_clear_pointer(&f->audit, audit_free);
    while (g_main_context_iteration(NULL, FALSE))
        continue; /* answers that come too late */
    g_clear_pointer(&f->ledger, ledger_free);
    g_clear_pointer(&f->stamps, stamp_clock_free);
    g_clear_pointer(&f->clock, tb_clock_free);
}

/* The audit starts again, with leave to read guests. */
static void stop_and_read(Fixture *f)
{
    stop(f);
    f->reads = TRUE;
    start(f);
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->here = ROLE_ACTIVE;
    f->directory = g_dir_make_tmp("tbsyncd-audit-XXXXXX", NULL);
    f->plan = g_strdup_printf("%s/plans/" UUID ".json", f->directory);
    start(f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    stop(f);
    tree_remove(f->directory);
    g_free(f->directory);
    g_free(f->plan);
}

static void open_record_of(Fixture *f, const char *id, gboolean active)
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

static void open_record(Fixture *f, const char *id)
{
    open_record_of(f, id, TRUE);
}

static void event(Fixture *f, GuestEventKind kind)
{
    GuestEvent e = {
        .kind = kind, .uuid = UUID, .name = "g", .detail = "words", .seen_real_ns = 5
    };

    audit_event(f->audit, &e);
}

static void wait_until_closed(Fixture *f)
{
    while (audit_open_count(f->audit) > 0)
        g_main_context_iteration(NULL, TRUE);
}

static JsonNode *record_of(const Fixture *f, const char *id)
{
    g_autofree char *text = ledger_get(f->ledger, id, NULL);

    return json_from_string(text, NULL);
}

static void assert_state(const Fixture *f, const char *id, const char *expected)
{
    g_autofree char *text = ledger_get(f->ledger, id, NULL);
    g_autoptr(JsonNode) node = json_from_string(text, NULL);

    g_assert_cmpstr(json_object_get_string_member(json_node_get_object(node), "state"), ==,
                    expected);
}

static void test_arrival_completes_the_record(Fixture *f, gconstpointer data)
{
    g_autofree char *plan = NULL;
    GuestEntry entry;

    open_record(f, "a");
    g_assert_true(g_file_get_contents(f->plan, &plan, NULL, NULL));
    g_assert_cmpstr(plan, ==, "{\"offset_ticks\":16777216}"); /* as it was decided */
    event(f, GUEST_EVENT_INCOMING_STARTED);
    assert_state(f, "a", "arriving");
    event(f, GUEST_EVENT_RESUMED_CPUS);
    assert_state(f, "a", "completed"); /* at once, whatever becomes of the figures */
    g_assert_false(g_file_test(f->plan, G_FILE_TEST_EXISTS));
    /* the offset is QEMU's choice: unknown, not the one before */
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_false(entry.offset_known);
}

static void test_figures_contain_the_truth(Fixture *f, gconstpointer data)
{
    TbTicks stopped, before, after;
    g_autoptr(JsonNode) node = NULL;
    JsonObject *figures;
    GuestEntry entry;

    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    before = stamp_clock_now(f->stamps);
    stopped = tb_plus(
        before, -51200000); /* 100 ms ago, on our timebase; the source's is 1000 ticks behind */
    f->departure = (Departure){ .state = DEPARTURE_LEFT, .precise = TRUE };
    f->departure.stop_lo = tb_plus(stopped, -1000 - 10);
    f->departure.stop_hi = tb_plus(stopped, -1000 + 10);
    {
        GuestEvent e = { .kind = GUEST_EVENT_QEMU_RESUME,
                         .uuid = UUID,
                         .name = "g",
                         .qemu_real_ns = tb_clock_real_ns() };

        audit_event(f->audit, &e);
    }
    after = stamp_clock_now(f->stamps);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    wait_until_closed(f);
    node = record_of(f, "a");
    figures = json_object_get_object_member(json_node_get_object(node), "audit");
    g_assert_true(json_object_get_boolean_member(figures, "known"));
    g_assert_cmpstr(json_object_get_string_member(figures, "stop_from"), ==, "qemu");
    g_assert_cmpstr(json_object_get_string_member(figures, "start_from"), ==, "qemu");
    g_assert_cmpint(json_object_get_int_member(figures, "blackout_lo_ticks"), <=,
                    tb_minus(after, stopped));
    g_assert_cmpint(json_object_get_int_member(figures, "blackout_hi_ticks"), >=,
                    tb_minus(before, stopped));
    /* under TCG the guest's timebase stands still: all of the blackout is lost */
    g_assert_cmpint(json_object_get_int_member(figures, "lost_lo_ticks"), ==,
                    json_object_get_int_member(figures, "blackout_lo_ticks"));
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_cmpint(entry.ahead_hi_ticks, <, -51200000 + 512000);
    g_assert_cmpint(entry.ahead_lo_ticks, >, G_MININT64);
}

/* The stamp of QEMU and the timebase of one instant, to half a microsecond: what is stamped is up to one old. */
static gint64 resume_now(Fixture *f)
{
    gint64 real_ns;

    do {
        f->resumed = stamp_clock_now(f->stamps);
        real_ns = tb_clock_real_ns();
    } while (tb_minus(stamp_clock_now(f->stamps), f->resumed) > 256);
    return real_ns - 500;
}

/* A guest that stopped at `stop` of its own timebase, and starts here at `here`. (transfer full) */
static JsonNode *audit_of_guest(Fixture *f, guint64 stop, guint64 here)
{
    GuestEvent resume = { .kind = GUEST_EVENT_QEMU_RESUME, .uuid = UUID, .name = "g" };

    stop_and_read(f);
    f->guest_ticks = here;
    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    f->departure = (Departure){ .state = DEPARTURE_LEFT, .precise = TRUE };
    f->departure.stop_lo = f->departure.stop_hi = tb_plus(stamp_clock_now(f->stamps), -1000 - 51200000);
    f->departure.guest_known = stop > 0;
    f->departure.guest_tb = (GuestTbBounds){ tb_ticks(stop), tb_ticks(stop) };
    resume.qemu_real_ns = resume_now(f);
    if (f->libvirt_first)
        event(f, GUEST_EVENT_RESUMED_CPUS);
    audit_event(f->audit, &resume);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    wait_until_closed(f);
    return record_of(f, "a");
}

#define STOP G_GUINT64_CONSTANT(1000000000)
#define LONG G_GINT64_CONSTANT(512000000)

static JsonObject *figures_of(JsonNode *record)
{
    return json_object_get_object_member(json_node_get_object(record), "audit");
}

static void qemu_event(Fixture *f, GuestEventKind kind, gint64 qemu_real_ns)
{
    GuestEvent e = { .kind = kind, .uuid = UUID, .name = "g", .qemu_real_ns = qemu_real_ns };

    audit_event(f->audit, &e);
}

/* It stopped 100 ms before it started here, and was paused here for 1 ms before the source told. QEMU's stamp of the first of
 * its two starts may not have come. (transfer full) */
static JsonNode *audit_of_guest_paused_at_once(Fixture *f, gboolean first_is_seen, GuestEventKind pause)
{
    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    f->departure = (Departure){ .state = DEPARTURE_LEFT, .precise = TRUE };
    f->departure.stop_lo = f->departure.stop_hi = tb_plus(stamp_clock_now(f->stamps), -1000 - 51200000);
    if (first_is_seen)
        qemu_event(f, GUEST_EVENT_QEMU_RESUME, tb_clock_real_ns());
    event(f, GUEST_EVENT_RESUMED_CPUS);
    f->resumed = stamp_clock_now(f->stamps);
    event(f, pause);
    g_usleep(1000);
    qemu_event(f, GUEST_EVENT_QEMU_RESUME, tb_clock_real_ns());
    event(f, GUEST_EVENT_RESUMED_HERE);
    wait_until_closed(f);
    return record_of(f, "a");
}

static void test_start_after_a_pause_here_is_no_arrival(Fixture *f, gconstpointer data)
{
    const struct {
        gboolean first_is_seen;
        GuestEventKind pause;
    } cases[] = { { TRUE, GUEST_EVENT_SUSPENDED }, { FALSE, GUEST_EVENT_SUSPENDED }, { FALSE, GUEST_EVENT_QEMU_STOP } };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(JsonNode) node = audit_of_guest_paused_at_once(f, cases[i].first_is_seen, cases[i].pause);
        JsonObject *figures = figures_of(node);
        gint64 stopped_for = tb_minus(f->resumed, tb_plus(f->departure.stop_lo, 1000));

        g_assert_cmpint(json_object_get_int_member(figures, "blackout_lo_ticks"), <=, stopped_for);
        g_assert_cmpstr(json_object_get_string_member(figures, "start_from"), ==,
                        cases[i].first_is_seen ? "qemu" : "libvirt");
        stop(f);
        start(f);
    }
}

static void test_guests_own_timebase_is_held_against_the_prediction(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) node = audit_of_guest(f, STOP, STOP);
    JsonObject *figures = figures_of(node);
    GuestEntry entry;

    g_assert_true(json_object_get_boolean_member(figures, "guest_as_predicted"));
    g_assert_false(json_object_get_boolean_member(figures, "guest_went_back"));
    g_assert_cmpint(json_object_get_int_member(figures, "guest_stop_lo_ticks"), ==, STOP);
    g_assert_cmpint(json_object_get_int_member(figures, "guest_start_hi_ticks"), >=, STOP);
    g_assert_cmpint(json_object_get_int_member(figures, "guest_moved_lo_ticks"), <=, 0);
    g_assert_cmpint(json_object_get_int_member(figures, "guest_moved_hi_ticks"), >=, 0);
    g_assert_cmpint(json_object_get_int_member(figures, "moved_lo_ticks"), ==, 0); /* as QEMU does */
    g_assert_cmpint(json_object_get_int_member(figures, "moved_hi_ticks"), ==, 0);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
}

static void test_late_stamp_of_qemu_leaves_the_reading(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) node = NULL;

    f->libvirt_first = TRUE;
    node = audit_of_guest(f, STOP, STOP);
    g_assert_true(json_object_get_boolean_member(figures_of(node), "guest_as_predicted"));
    g_assert_cmpstr(json_object_get_string_member(figures_of(node), "start_from"), ==, "qemu");
}

/* It saw 10 s more than QEMU gives: the guest is believed. */
static void test_guest_that_moved_otherwise_is_believed(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) node = audit_of_guest(f, STOP, STOP + 10 * LONG);
    JsonObject *figures = figures_of(node);

    g_assert_false(json_object_get_boolean_member(figures, "guest_as_predicted"));
    g_assert_false(json_object_get_boolean_member(figures, "guest_went_back"));
    g_assert_cmpint(json_object_get_int_member(figures, "moved_hi_ticks"), ==,
                    json_object_get_int_member(figures, "guest_moved_hi_ticks"));
    g_assert_cmpint(json_object_get_int_member(figures, "moved_lo_ticks"), >, 9 * LONG);
    g_assert_cmpint(json_object_get_int_member(figures, "lost_hi_ticks"), <, 0); /* it won */
}

static void test_guest_that_went_back_is_said_to(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) node = audit_of_guest(f, STOP, STOP - LONG);

    g_assert_true(json_object_get_boolean_member(figures_of(node), "guest_went_back"));
    g_assert_false(json_object_get_boolean_member(figures_of(node), "guest_as_predicted"));
}

static void test_unknown_timebase_of_a_guest_has_a_reason(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) not_here = audit_of_guest(f, STOP, 0), not_there = NULL;

    g_assert_nonnull(strstr(json_object_get_string_member(figures_of(not_here), "guest_why"), "here"));
    g_assert_true(json_object_get_boolean_member(figures_of(not_here), "known"));
    g_assert_false(json_object_has_member(figures_of(not_here), "guest_as_predicted"));
    not_there = audit_of_guest(f, 0, STOP);
    g_assert_nonnull(strstr(json_object_get_string_member(figures_of(not_there), "guest_why"), "source"));
}

static void test_guests_are_not_read_without_leave(Fixture *f, gconstpointer data)
{
    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    g_assert_cmpuint(f->read, ==, 0);
}

static void test_source_that_stays_silent_is_recorded(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) node = NULL;
    JsonObject *figures;

    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    f->unreachable = TRUE;
    wait_until_closed(f);
    g_assert_cmpuint(f->asked, >, 1);
    node = record_of(f, "a");
    figures = json_object_get_object_member(json_node_get_object(node), "audit");
    g_assert_false(json_object_get_boolean_member(figures, "known"));
    g_assert_cmpstr(json_object_get_string_member(figures, "why"), !=, "");
}

static gint64 published_offset(const Fixture *f)
{
    g_autofree char *text = NULL;
    g_autoptr(JsonNode) node = NULL;

    if (!g_file_get_contents(f->plan, &text, NULL, NULL))
        return -1;
    node = json_from_string(text, NULL);
    return json_object_get_int_member(json_node_get_object(node), "offset_ticks");
}

static void test_open_plan_follows_the_relation(Fixture *f, gconstpointer data)
{
    /* the destination's timebase is 10 units behind: 10 units of offset, one more for the drift
     * until the plan is renewed */
    f->relation = interval_of(-10 * TB_OFFSET_UNIT_TICKS, -10 * TB_OFFSET_UNIT_TICKS + 1);
    open_record(f, "a");
    while (published_offset(f) != 11 * TB_OFFSET_UNIT_TICKS)
        g_main_context_iteration(NULL, TRUE);
    f->relation_lost = TRUE;
    while (published_offset(f) != -1) /* better none than a wrong one */
        g_main_context_iteration(NULL, TRUE);
    f->relation_lost = FALSE;
    while (published_offset(f) != 11 * TB_OFFSET_UNIT_TICKS)
        g_main_context_iteration(NULL, TRUE);
    event(f, GUEST_EVENT_INCOMING_STARTED);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    wait_until_closed(f);
    g_assert_cmpint(published_offset(f), ==, -1);
}

static void test_paused_guest_has_no_blackout(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) node = NULL;

    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    event(f, GUEST_EVENT_SUSPENDED);
    assert_state(f, "a", "completed");
    node = record_of(f, "a");
    g_assert_true(json_object_get_boolean_member(
        json_object_get_object_member(json_node_get_object(node), "audit"), "paused"));
}

static void test_events_are_kept_in_order(Fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL;
    g_autoptr(JsonNode) node = NULL;
    JsonArray *events;

    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    text = ledger_get(f->ledger, "a", NULL);
    node = json_from_string(text, NULL);
    events = json_object_get_array_member(json_node_get_object(node), "events");
    g_assert_cmpuint(json_array_get_length(events), ==, 2);
    g_assert_cmpint(
        json_object_get_int_member(json_array_get_object_element(events, 0), "seen_real_ns"), ==,
        5);
}

static void test_failure_is_recorded(Fixture *f, gconstpointer data)
{
    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    event(f, GUEST_EVENT_FAILED);
    assert_state(f, "a", "failed");
    g_assert_false(g_file_test(f->plan, G_FILE_TEST_EXISTS));
}

static void wait_for_looks(const Fixture *f, guint count)
{
    while (f->looked < count)
        g_main_context_iteration(NULL, TRUE);
}

/* libvirt tells no event of a QEMU that died before it was up. */
static void test_guest_that_is_gone_without_a_word_has_failed(Fixture *f, gconstpointer data)
{
    open_record(f, "a");
    f->here = ROLE_INACTIVE;
    wait_until_closed(f);
    assert_state(f, "a", "failed");
    g_assert_cmpuint(f->looked, ==, AUDIT_LOOK_TIMES);
    g_assert_false(g_file_test(f->plan, G_FILE_TEST_EXISTS));
}

static void test_guest_that_comes_up_slowly_is_waited_for(Fixture *f, gconstpointer data)
{
    open_record(f, "a");
    f->here = ROLE_ABSENT;
    wait_for_looks(f, AUDIT_LOOK_TIMES - 1);
    f->here = ROLE_ACTIVE;
    wait_for_looks(f, AUDIT_LOOK_TIMES + 1);
    f->here = ROLE_ABSENT;
    wait_for_looks(f, AUDIT_LOOK_TIMES + 2);
    assert_state(f, "a", "planned");
}

static void test_guest_that_moves_offline_arrives_by_its_definition(Fixture *f, gconstpointer data)
{
    open_record_of(f, "a", FALSE);
    f->here = ROLE_INACTIVE; /* libvirt adds it before it keeps it */
    wait_for_looks(f, 2 * AUDIT_LOOK_TIMES);
    assert_state(f, "a", "planned");
    event(f, GUEST_EVENT_DEFINED);
    assert_state(f, "a", "completed");

    open_record_of(f, "b", FALSE);
    f->here = ROLE_ABSENT;
    wait_until_closed(f);
    assert_state(f, "b", "failed");
}

static void test_silent_libvirt_ends_no_record(Fixture *f, gconstpointer data)
{
    open_record(f, "a");
    f->here = ROLE_ABSENT;
    f->look_fails = TRUE;
    wait_for_looks(f, 2 * AUDIT_LOOK_TIMES);
    assert_state(f, "a", "planned");
}

static void expire_soon(Fixture *f)
{
    stop(f);
    f->expiry_ms = 5;
    start(f);
}

static void test_guest_that_never_comes_expires(Fixture *f, gconstpointer data)
{
    expire_soon(f);
    open_record(f, "a");
    wait_until_closed(f);
    assert_state(f, "a", "expired");
}

/* Large guests take hours to arrive. */
static void test_guest_that_is_coming_does_not_expire(Fixture *f, gconstpointer data)
{
    TbTicks begin;

    expire_soon(f);
    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    begin = stamp_clock_now(f->stamps);
    while (tb_minus(stamp_clock_now(f->stamps), begin) < 10 * 5 * 512000)
        g_main_context_iteration(NULL, FALSE);
    assert_state(f, "a", "arriving");
    g_assert_true(g_file_test(f->plan, G_FILE_TEST_EXISTS));
    event(f, GUEST_EVENT_RESUMED_CPUS);
    assert_state(f, "a", "completed");
}

/* libvirt was away, and may have told nobody of the arrival. */
static void test_guest_whose_end_was_not_heard_is_interrupted(Fixture *f, gconstpointer data)
{
    GuestEvent connected = { .kind = GUEST_EVENT_DEFINED_CHANGED, .uuid = "", .name = "", .detail = "connected" };

    expire_soon(f);
    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    audit_event(f->audit, &connected);
    wait_until_closed(f);
    assert_state(f, "a", "interrupted");
}

static void test_second_question_closes_the_first(Fixture *f, gconstpointer data)
{
    open_record(f, "a");
    open_record(f, "b");
    assert_state(f, "a", "expired");
    assert_state(f, "b", "planned");
    g_assert_cmpuint(audit_open_count(f->audit), ==, 1);
    g_assert_true(g_file_test(f->plan, G_FILE_TEST_EXISTS));
}

static void test_restart_closes_what_was_open(Fixture *f, gconstpointer data)
{
    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    open_record(f, "b");
    event(f, GUEST_EVENT_RESUMED_CPUS); /* completed, its figures not yet asked for */
    open_record(f, "c");
    stop(f);
    start(f);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    assert_state(f, "a", "expired");
    assert_state(f, "b", "completed");
    assert_state(f, "c", "interrupted");
}

static void test_other_guests_do_not_matter(Fixture *f, gconstpointer data)
{
    GuestEvent e = { .kind = GUEST_EVENT_RESUMED_CPUS,
                     .uuid = "5a5a5a5a-1111-4222-8333-00000000dead",
                     .name = "h" };

    open_record(f, "a");
    audit_event(f->audit, &e);
    assert_state(f, "a", "planned");
}

static void test_local_pause_makes_the_offset_unknown(Fixture *f, gconstpointer data)
{
    GuestEntry entry = { .offset_known = TRUE, .offset_ticks = 0 };

    ledger_put_guest(f->ledger, UUID, &entry);
    event(f, GUEST_EVENT_RESUMED_HERE);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_false(entry.offset_known);
    g_assert_true(entry.paused_here);
    event(f, GUEST_EVENT_BOOTED); /* a new QEMU process: libvirt's state says all there is */
    g_assert_false(ledger_get_guest(f->ledger, UUID, &entry));
}

/* guests/UUID.json bounds the guest's timebase against real time. It stood still for as long as it was paused, and the kernel
 * rounded the new offset up. */
static void assert_known_to_be_behind(const Fixture *f, gint64 ahead_hi_ticks)
{
    GuestEntry entry;

    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_cmpint(entry.ahead_lo_ticks, ==, G_MININT64);
    g_assert_cmpint(entry.ahead_hi_ticks, ==, ahead_hi_ticks + TB_OFFSET_UNIT_TICKS - 1);
    g_assert_false(entry.offset_known);
}

static void test_local_pause_leaves_the_guest_behind(Fixture *f, gconstpointer data)
{
    const GuestEntry entry = { .ahead_lo_ticks = -5, .ahead_hi_ticks = 7 };

    ledger_put_guest(f->ledger, UUID, &entry);
    event(f, GUEST_EVENT_SUSPENDED);
    event(f, GUEST_EVENT_RESUMED_HERE);
    assert_known_to_be_behind(f, 7);
}

/* The CPUs were stopped to move it and started again here: to QEMU that is a pause like any other. */
static void test_failed_move_away_is_a_pause(Fixture *f, gconstpointer data)
{
    const GuestEntry entry = { .offset_known = TRUE, .ahead_lo_ticks = -5, .ahead_hi_ticks = 7, .copy_synced = TRUE };
    GuestEntry after;

    ledger_put_guest(f->ledger, UUID, &entry);
    event(f, GUEST_EVENT_STOPPED_CPUS);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    assert_known_to_be_behind(f, 7);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &after));
    g_assert_true(after.paused_here);
    g_assert_false(after.copy_synced);
}

static void test_second_word_of_post_copy_is_no_pause(Fixture *f, gconstpointer data)
{
    GuestEntry entry;

    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    f->departure = (Departure){ .state = DEPARTURE_LEFT };
    f->departure.stop_lo = f->departure.stop_hi = tb_plus(stamp_clock_now(f->stamps), -1000 - 51200000);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    wait_until_closed(f);
    event(f, GUEST_EVENT_RESUMED_CPUS); /* libvirt's Resumed/Migrated, after Resumed/Post-copy */
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_cmpint(entry.ahead_lo_ticks, >, G_MININT64);
    g_assert_false(entry.paused_here);
}

/* Nobody saw it leave: what was known of it then is of another QEMU process. */
static void test_guest_that_comes_in_is_not_what_it_was(Fixture *f, gconstpointer data)
{
    const GuestEntry old = { .offset_known = TRUE, .copy_synced = TRUE };
    GuestEntry entry;

    ledger_put_guest(f->ledger, UUID, &old);
    event(f, GUEST_EVENT_INCOMING_STARTED); /* without a record: the hook was not asked */
    event(f, GUEST_EVENT_RESUMED_CPUS);
    g_assert_false(ledger_get_guest(f->ledger, UUID, &entry));
}

static void test_late_figures_do_not_undo_a_pause(Fixture *f, gconstpointer data)
{
    GuestEntry entry;

    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    f->departure = (Departure){ .state = DEPARTURE_LEFT };
    f->departure.stop_lo = f->departure.stop_hi = tb_plus(stamp_clock_now(f->stamps), -1000 - 51200000);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    event(f, GUEST_EVENT_SUSPENDED);
    event(f, GUEST_EVENT_RESUMED_HERE);
    event(f, GUEST_EVENT_REGISTERS_SYNCED);
    wait_until_closed(f);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_cmpint(entry.ahead_lo_ticks, ==, G_MININT64);
    g_assert_cmpint(entry.ahead_hi_ticks, <, G_MAXINT64);
    g_assert_false(entry.offset_known);
    g_assert_true(entry.copy_synced);
}

static void test_sync_after_a_pause_mends_the_copy(Fixture *f, gconstpointer data)
{
    GuestEntry entry;

    event(f, GUEST_EVENT_RESUMED_HERE);
    event(f, GUEST_EVENT_SYNC_FAILED);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_true(entry.paused_here);
    event(f, GUEST_EVENT_REGISTERS_SYNCED);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_false(entry.paused_here);
    g_assert_true(entry.copy_synced);
    g_assert_false(entry.offset_known);
    event(f, GUEST_EVENT_RESUMED_HERE);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_true(entry.paused_here);
    g_assert_false(entry.copy_synced);
}

static void test_late_figures_do_not_undo_a_sync(Fixture *f, gconstpointer data)
{
    GuestEntry entry;

    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    event(f, GUEST_EVENT_REGISTERS_SYNCED);
    wait_until_closed(f);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_true(entry.copy_synced);
}

#define ADD(name, function) g_test_add("/audit/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("arrival-completes-the-record", test_arrival_completes_the_record);
    ADD("figures-contain-the-truth", test_figures_contain_the_truth);
    ADD("start-after-a-pause-here-is-no-arrival", test_start_after_a_pause_here_is_no_arrival);
    ADD("guests-own-timebase-is-held-against-the-prediction", test_guests_own_timebase_is_held_against_the_prediction);
    ADD("late-stamp-of-qemu-leaves-the-reading", test_late_stamp_of_qemu_leaves_the_reading);
    ADD("guest-that-moved-otherwise-is-believed", test_guest_that_moved_otherwise_is_believed);
    ADD("guest-that-went-back-is-said-to", test_guest_that_went_back_is_said_to);
    ADD("unknown-timebase-of-a-guest-has-a-reason", test_unknown_timebase_of_a_guest_has_a_reason);
    ADD("guests-are-not-read-without-leave", test_guests_are_not_read_without_leave);
    ADD("source-that-stays-silent-is-recorded", test_source_that_stays_silent_is_recorded);
    ADD("open-plan-follows-the-relation", test_open_plan_follows_the_relation);
    ADD("paused-guest-has-no-blackout", test_paused_guest_has_no_blackout);
    ADD("events-are-kept-in-order", test_events_are_kept_in_order);
    ADD("failure-is-recorded", test_failure_is_recorded);
    ADD("guest-that-is-gone-without-a-word-has-failed", test_guest_that_is_gone_without_a_word_has_failed);
    ADD("guest-that-comes-up-slowly-is-waited-for", test_guest_that_comes_up_slowly_is_waited_for);
    ADD("guest-that-moves-offline-arrives-by-its-definition", test_guest_that_moves_offline_arrives_by_its_definition);
    ADD("silent-libvirt-ends-no-record", test_silent_libvirt_ends_no_record);
    ADD("guest-that-never-comes-expires", test_guest_that_never_comes_expires);
    ADD("guest-that-is-coming-does-not-expire", test_guest_that_is_coming_does_not_expire);
    ADD("guest-whose-end-was-not-heard-is-interrupted", test_guest_whose_end_was_not_heard_is_interrupted);
    ADD("second-question-closes-the-first", test_second_question_closes_the_first);
    ADD("restart-closes-what-was-open", test_restart_closes_what_was_open);
    ADD("other-guests-do-not-matter", test_other_guests_do_not_matter);
    ADD("local-pause-makes-the-offset-unknown", test_local_pause_makes_the_offset_unknown);
    ADD("local-pause-leaves-the-guest-behind", test_local_pause_leaves_the_guest_behind);
    ADD("failed-move-away-is-a-pause", test_failed_move_away_is_a_pause);
    ADD("second-word-of-post-copy-is-no-pause", test_second_word_of_post_copy_is_no_pause);
    ADD("guest-that-comes-in-is-not-what-it-was", test_guest_that_comes_in_is_not_what_it_was);
    ADD("late-figures-do-not-undo-a-pause", test_late_figures_do_not_undo_a_pause);
    ADD("sync-after-a-pause-mends-the-copy", test_sync_after_a_pause_mends_the_copy);
    ADD("late-figures-do-not-undo-a-sync", test_late_figures_do_not_undo_a_sync);
    return g_test_run();
}
