/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-world.h"

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

/* "systemctl reload" after DriftBoundPpb= was raised: hosts that may drift apart by 1 % need 18 units more over a minute. */
static void test_open_plan_follows_the_drift_bound(Fixture *f, gconstpointer data)
{
    f->relation = interval_of(-10 * TB_OFFSET_UNIT_TICKS, -10 * TB_OFFSET_UNIT_TICKS + 1);
    open_record(f, "a");
    while (published_offset(f) != 11 * TB_OFFSET_UNIT_TICKS)
        g_main_context_iteration(NULL, TRUE);
    audit_reload(f->audit, 10000000);
    while (published_offset(f) == 11 * TB_OFFSET_UNIT_TICKS)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpint(published_offset(f), ==, 29 * TB_OFFSET_UNIT_TICKS);
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

/* From a host that is no peer, while a peer still has its definition: libvirt does not tell which it is. */
static void test_guest_that_comes_running_was_not_moved_offline(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) node = NULL;
    JsonObject *figures;
    GuestEntry entry;

    open_record_of(f, "a", FALSE);
    f->here = ROLE_ACTIVE;
    event(f, GUEST_EVENT_INCOMING_STARTED);
    g_test_expect_message("tbsyncd", G_LOG_LEVEL_WARNING, "*allowed as one that is not running, but came in running*");
    event(f, GUEST_EVENT_RESUMED_CPUS);
    g_test_assert_expected_messages();
    assert_state(f, "a", "completed");
    g_assert_cmpuint(audit_open_count(f->audit), ==, 0); /* nobody is asked: the wrong one would answer */
    node = record_of(f, "a");
    figures = json_object_get_object_member(json_node_get_object(node), "audit");
    g_assert_false(json_object_get_boolean_member(figures, "known"));
    g_assert_nonnull(strstr(json_object_get_string_member(figures, "why"), "came in running"));
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_false(entry.offset_known);
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
    ADD("open-plan-follows-the-drift-bound", test_open_plan_follows_the_drift_bound);
    ADD("paused-guest-has-no-blackout", test_paused_guest_has_no_blackout);
    ADD("events-are-kept-in-order", test_events_are_kept_in_order);
    ADD("failure-is-recorded", test_failure_is_recorded);
    ADD("guest-that-is-gone-without-a-word-has-failed", test_guest_that_is_gone_without_a_word_has_failed);
    ADD("guest-that-comes-up-slowly-is-waited-for", test_guest_that_comes_up_slowly_is_waited_for);
    ADD("guest-that-moves-offline-arrives-by-its-definition", test_guest_that_moves_offline_arrives_by_its_definition);
    ADD("guest-that-comes-running-was-not-moved-offline", test_guest_that_comes_running_was_not_moved_offline);
    ADD("silent-libvirt-ends-no-record", test_silent_libvirt_ends_no_record);
    ADD("guest-that-never-comes-expires", test_guest_that_never_comes_expires);
    ADD("guest-that-is-coming-does-not-expire", test_guest_that_is_coming_does_not_expire);
    ADD("guest-whose-end-was-not-heard-is-interrupted", test_guest_whose_end_was_not_heard_is_interrupted);
    ADD("second-question-closes-the-first", test_second_question_closes_the_first);
    ADD("restart-closes-what-was-open", test_restart_closes_what_was_open);
    ADD("other-guests-do-not-matter", test_other_guests_do_not_matter);
    return g_test_run();
}
