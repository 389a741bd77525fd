/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "departures.h"

#define UUID "5a5a5a5a-1111-4222-8333-00000000beef"

typedef struct Fixture {
    TbClock *clock;
    StampClock *stamps;
    Departures *departures;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    TbClockConfig config = { .simulated = TRUE, .frequency_hz = 512000000 };
    g_autoptr(GError) error = NULL;

    f->clock = tb_clock_new(&config, &error);
    g_assert_no_error(error);
    f->stamps = stamp_clock_new(f->clock);
    f->departures = departures_new(f->stamps);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    departures_free(f->departures);
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
    departures_watch(f->departures, UUID);
    g_assert_cmpint(state(f), ==, DEPARTURE_RUNNING);
}

static void test_seen_stop_lies_after_the_question(Fixture *f, gconstpointer data)
{
    TbTicks before = stamp_clock_now(f->stamps), after;
    Departure departure;

    departures_watch(f->departures, UUID);
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

    departures_watch(f->departures, UUID);
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
    departures_watch(f->departures, UUID);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    event(f, GUEST_EVENT_QEMU_STOP, tb_clock_real_ns());
    g_assert_true(departures_get(f->departures, UUID).precise);
}

static void test_guest_that_runs_on_here_starts_anew(Fixture *f, gconstpointer data)
{
    TbTicks first_stop;

    departures_watch(f->departures, UUID);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    first_stop = departures_get(f->departures, UUID).stop_hi;
    event(f, GUEST_EVENT_RESUMED_CPUS, 0); /* the migration failed */
    g_assert_cmpint(state(f), ==, DEPARTURE_RUNNING);
    event(f, GUEST_EVENT_STOPPED_CPUS, 0);
    g_assert_cmpint(tb_minus(departures_get(f->departures, UUID).stop_lo, first_stop), >=, 0);
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
    g_test_add_func("/departures/names-round-trip", test_names_round_trip);
    return g_test_run();
}
