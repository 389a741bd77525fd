/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "departures.h"

#define UUID "5a5a5a5a-1111-4222-8333-00000000beef"

typedef struct Fixture {
    TbClock *clock;
    StampClock *stamps;
    Departures *departures;
    /* of the reader */
    guint asked;
    GuestTimebaseDone done;
    void *done_data;
} Fixture;

/* The newest question is answered by answer(); older ones at once, with an error. */
static void on_ask(const char *uuid, GuestTimebaseDone done, void *done_data, void *data)
{
    Fixture *f = data;
    g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED, "too late");

    g_assert_cmpstr(uuid, ==, UUID);
    if (f->done)
        f->done(NULL, error, f->done_data);
    f->asked++;
    f->done = done;
    f->done_data = done_data;
}

static void answer(Fixture *f, guint64 ticks)
{
    gint64 now_boot_ns = tb_clock_boot_ns();
    GuestTimebase read = { ticks, now_boot_ns, now_boot_ns };
    GuestTimebaseDone done = g_steal_pointer(&f->done);

    done(&read, NULL, f->done_data);
}

static void set_up(Fixture *f, gconstpointer data)
{
    TbClockConfig config = { .simulated = TRUE, .frequency_hz = 512000000 };
    g_autoptr(GError) error = NULL;

    f->clock = tb_clock_new(&config, &error);
    g_assert_no_error(error);
    f->stamps = stamp_clock_new(f->clock, 0);
    f->departures = departures_new(f->stamps);
    departures_set_reader(f->departures, on_ask, f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    departures_free(f->departures);
    if (f->done)
        answer(f, 1); /* nobody is there any more */
    stamp_clock_free(f->stamps);
    tb_clock_free(f->clock);
}

static void event(Fixture *f, GuestEventKind kind, gint64 qemu_real_ns)
{
    GuestEvent e = { .kind = kind, .uuid = UUID, .name = "g", .qemu_real_ns = qemu_real_ns };

    departures_event(f->departures, &e);
}

static DepartureState state(Fixture *f)
{
    return departures_get(f->departures, UUID).state;
}

static void test_only_watched_guests_are_known(Fixture *f, gconstpointer data)
{
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    g_assert_cmpint(state(f), ==, DEPARTURE_UNKNOWN);
    departures_watch(f->departures, UUID, TRUE);
    g_assert_cmpint(state(f), ==, DEPARTURE_RUNNING);
}

static void test_seen_stop_lies_after_the_question(Fixture *f, gconstpointer data)
{
    TbTicks before = stamp_clock_now(f->stamps), after;
    Departure departure;

    departures_watch(f->departures, UUID, TRUE);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    after = stamp_clock_now(f->stamps);
    departure = departures_get(f->departures, UUID);
    g_assert_cmpint(departure.state, ==, DEPARTURE_STOPPED);
    g_assert_false(departure.precise);
    g_assert_cmpint(tb_minus(departure.stop_lo, before), >=, 0);
    g_assert_cmpint(tb_minus(departure.stop_hi, departure.stop_lo), >, 0);
    g_assert_cmpint(tb_minus(departure.stop_hi, after), <=, 0);
}

static void test_stamp_of_qemu_is_preferred(Fixture *f, gconstpointer data)
{
    Departure stamped;

    departures_watch(f->departures, UUID, TRUE);
    event(f, GUEST_EVENT_QEMU_STOP, tb_clock_real_ns());
    stamped = departures_get(f->departures, UUID);
    g_assert_true(stamped.precise);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    event(f, GUEST_EVENT_LEFT, 0);
    g_assert_cmpint(state(f), ==, DEPARTURE_LEFT);
    g_assert_true(departures_get(f->departures, UUID).precise);
    g_assert_cmpuint(departures_get(f->departures, UUID).stop_hi.raw, ==, stamped.stop_hi.raw);
}

static void test_stamp_after_libvirts_word_replaces_it(Fixture *f, gconstpointer data)
{
    departures_watch(f->departures, UUID, TRUE);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    event(f, GUEST_EVENT_QEMU_STOP, tb_clock_real_ns());
    g_assert_true(departures_get(f->departures, UUID).precise);
}

static void test_guest_that_runs_on_here_starts_anew(Fixture *f, gconstpointer data)
{
    TbTicks first_stop;

    departures_watch(f->departures, UUID, TRUE);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    first_stop = departures_get(f->departures, UUID).stop_hi;
    event(f, GUEST_EVENT_RESUMED_CPUS, 0); /* the migration failed */
    g_assert_cmpint(state(f), ==, DEPARTURE_RUNNING);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    g_assert_cmpint(tb_minus(departures_get(f->departures, UUID).stop_lo, first_stop), >=, 0);
}

/* Somebody asks once more, by then the guest is dark: what is asked does not start it. */
static void test_second_question_keeps_the_stop(Fixture *f, gconstpointer data)
{
    Departure stopped;

    departures_watch(f->departures, UUID, TRUE);
    answer(f, 1000);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    answer(f, 2000);
    stopped = departures_get(f->departures, UUID);
    departures_watch(f->departures, UUID, TRUE);
    g_assert_cmpint(state(f), ==, DEPARTURE_STOPPED);
    event(f, GUEST_EVENT_LEFT, 0);
    g_assert_cmpuint(departures_get(f->departures, UUID).stop_lo.raw, ==, stopped.stop_lo.raw);
    g_assert_cmpuint(departures_get(f->departures, UUID).stop_hi.raw, ==, stopped.stop_hi.raw);
    g_assert_cmpuint(departures_get(f->departures, UUID).guest_tb.lo.raw, ==, 2000);
    departures_watch(f->departures, UUID, TRUE); /* it came back, and leaves again */
    g_assert_cmpint(state(f), ==, DEPARTURE_RUNNING);
}

/* It may have been started while nobody told us. */
static void test_stop_of_before_a_gap_is_forgotten(Fixture *f, gconstpointer data)
{
    GuestEvent connected = { .kind = GUEST_EVENT_DEFINED_CHANGED, .uuid = "", .name = "", .detail = "connected" };

    departures_watch(f->departures, UUID, TRUE);
    departures_event(f->departures, &connected);
    g_assert_cmpint(state(f), ==, DEPARTURE_RUNNING); /* as far as anybody knows: a stop is later than the question */
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    departures_event(f->departures, &connected);
    g_assert_cmpint(state(f), ==, DEPARTURE_UNKNOWN);
    departures_watch(f->departures, UUID, TRUE);
    g_assert_cmpint(state(f), ==, DEPARTURE_RUNNING);
}

static void test_guests_timebase_is_exact_once_it_stopped(Fixture *f, gconstpointer data)
{
    Departure departure;

    departures_watch(f->departures, UUID, TRUE);
    answer(f, 1000);
    g_assert_false(departures_get(f->departures, UUID).guest_known); /* it runs */
    event(f, GUEST_EVENT_QEMU_STOP, tb_clock_real_ns());
    departure = departures_get(f->departures, UUID);
    g_assert_true(departure.guest_known); /* counted on from when it ran */
    g_assert_cmpint(tb_minus(departure.guest_tb.lo, tb_ticks(1000)), >=, 0);
    g_assert_cmpint(tb_minus(departure.guest_tb.hi, departure.guest_tb.lo), >, 0);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    g_assert_cmpuint(f->asked, ==, 2); /* once when the watch began, once for both words of the stop */
    g_usleep(10); /* a stamp of QEMU is of a whole microsecond */
    answer(f, 7777);
    event(f, GUEST_EVENT_LEFT, 0);
    departure = departures_get(f->departures, UUID);
    g_assert_true(departure.guest_known);
    g_assert_cmpuint(departure.guest_tb.lo.raw, ==, 7777);
    g_assert_cmpuint(departure.guest_tb.hi.raw, ==, 7777);
}

static void test_guest_that_runs_on_here_is_read_anew(Fixture *f, gconstpointer data)
{
    GuestTimebaseDone done;
    void *done_data;

    departures_watch(f->departures, UUID, TRUE);
    answer(f, 1000);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    done = g_steal_pointer(&f->done);
    done_data = f->done_data;
    event(f, GUEST_EVENT_RESUMED_CPUS, 0); /* the migration failed */
    done(&(GuestTimebase){ 2000, tb_clock_boot_ns(), tb_clock_boot_ns() }, NULL, done_data); /* of the stop that is over */
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    g_assert_false(departures_get(f->departures, UUID).guest_known);
    answer(f, 3000);
    g_assert_cmpuint(departures_get(f->departures, UUID).guest_tb.lo.raw, ==, 3000);
    g_assert_cmpuint(f->asked, ==, 4);
}

static void test_guest_that_cannot_be_read_is_not_asked(Fixture *f, gconstpointer data)
{
    departures_watch(f->departures, UUID, FALSE);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    g_assert_cmpuint(f->asked, ==, 0);
    departures_set_reader(f->departures, NULL, NULL);
    departures_watch(f->departures, UUID, TRUE);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    g_assert_cmpuint(f->asked, ==, 0);
    g_assert_false(departures_get(f->departures, UUID).guest_known);
}

static void test_names_round_trip(void)
{
    for (int s = DEPARTURE_UNKNOWN; s <= DEPARTURE_LEFT; s++) {
        DepartureState parsed;

        g_assert_true(departure_state_parse(departure_state_name(s), &parsed));
        g_assert_cmpint(parsed, ==, s);
    }
    g_assert_false(departure_state_parse("gone", &(DepartureState){ 0 }));
}

#define ADD(name, function)                                                                        \
    g_test_add("/departures/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("only-watched-guests-are-known", test_only_watched_guests_are_known);
    ADD("seen-stop-lies-after-the-question", test_seen_stop_lies_after_the_question);
    ADD("stamp-of-qemu-is-preferred", test_stamp_of_qemu_is_preferred);
    ADD("stamp-after-libvirts-word-replaces-it", test_stamp_after_libvirts_word_replaces_it);
    ADD("guest-that-runs-on-here-starts-anew", test_guest_that_runs_on_here_starts_anew);
    ADD("second-question-keeps-the-stop", test_second_question_keeps_the_stop);
    ADD("stop-of-before-a-gap-is-forgotten", test_stop_of_before_a_gap_is_forgotten);
    ADD("guests-timebase-is-exact-once-it-stopped", test_guests_timebase_is_exact_once_it_stopped);
    ADD("guest-that-runs-on-here-is-read-anew", test_guest_that_runs_on_here_is_read_anew);
    ADD("guest-that-cannot-be-read-is-not-asked", test_guest_that_cannot_be_read_is_not_asked);
    g_test_add_func("/departures/names-round-trip", test_names_round_trip);
    return g_test_run();
}
