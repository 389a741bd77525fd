/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stamp-clock.h"

typedef struct Fixture {
    TbClock *clock;
    StampClock *stamps;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    TbClockConfig config = { .simulated = TRUE, .frequency_hz = 512000000 };
    g_autoptr(GError) error = NULL;

    f->clock = tb_clock_new(&config, &error);
    g_assert_no_error(error);
    f->stamps = stamp_clock_new(f->clock, 1);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    stamp_clock_free(f->stamps);
    tb_clock_free(f->clock);
}

static void test_nothing_is_placed_while_nobody_holds(Fixture *f, gconstpointer data)
{
    StampBounds bounds;

    g_assert_false(stamp_clock_place(f->stamps, tb_clock_real_ns(), &bounds));
    stamp_clock_hold(f->stamps);
    stamp_clock_hold(f->stamps);
    stamp_clock_release(f->stamps);
    g_assert_true(stamp_clock_place(f->stamps, tb_clock_real_ns(), &bounds));
    stamp_clock_release(f->stamps);
    g_assert_false(stamp_clock_place(f->stamps, tb_clock_real_ns(), &bounds));
}

static void test_stamp_lies_between_the_readings_around_it(Fixture *f, gconstpointer data)
{
    stamp_clock_hold(f->stamps);
    for (int i = 0; i < 100; i++) {
        TbTicks before = stamp_clock_now(f->stamps);
        gint64 stamp = tb_clock_real_ns() / 1000 * 1000;
        TbTicks after = stamp_clock_now(f->stamps);
        StampBounds bounds;

        g_assert_true(stamp_clock_place(f->stamps, stamp, &bounds));
        /* QEMU cuts to whole microseconds: the cut stamp may lie 1 us (512 ticks) before */
        g_assert_cmpint(tb_minus(bounds.lo, after), <=, 0);
        g_assert_cmpint(tb_minus(bounds.hi, before), >=, -512);
    }
    stamp_clock_release(f->stamps);
}

/* libvirtd hung, and then told of something that was long past: no pair of before it is left but the first. */
static void test_stamp_of_long_ago_is_still_after_the_hold(Fixture *f, gconstpointer data)
{
    TbTicks before = stamp_clock_now(f->stamps), after;
    StampBounds bounds;
    gint64 stamp;

    stamp_clock_hold(f->stamps);
    stamp = tb_clock_real_ns();
    after = stamp_clock_now(f->stamps);
    while (tb_minus(stamp_clock_now(f->stamps), after) < 100 * 512000) /* 100 pairs, more than are kept */
        g_main_context_iteration(NULL, TRUE);
    g_assert_true(stamp_clock_place(f->stamps, stamp, &bounds));
    g_assert_cmpint(tb_minus(bounds.lo, after), <=, 0);
    g_assert_cmpint(tb_minus(bounds.hi, before), >=, 0);
    stamp_clock_release(f->stamps);
}

static void test_boot_time_is_placed_outward(Fixture *f, gconstpointer data)
{
    TbTicks before = stamp_clock_now(f->stamps), lo, hi;
    gint64 first = tb_clock_boot_ns(), second = tb_clock_boot_ns();
    TbTicks after = stamp_clock_now(f->stamps);

    stamp_clock_place_boot(f->stamps, first, second, &lo, &hi);
    g_assert_cmpint(tb_minus(lo, after), <, 0);
    g_assert_cmpint(tb_minus(hi, before), >, 0);
    stamp_clock_place_boot(f->stamps, first - 1000000, second, &lo, &hi); /* 1 ms and no more than what this takes */
    g_assert_cmpint(tb_minus(hi, lo), >=, 512000);
    g_assert_cmpint(tb_minus(hi, lo), <, 512000 + 600 + tb_minus(stamp_clock_now(f->stamps), before));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/stamp-clock/nothing-is-placed-while-nobody-holds", Fixture, NULL, set_up,
               test_nothing_is_placed_while_nobody_holds, tear_down);
    g_test_add("/stamp-clock/stamp-lies-between-the-readings-around-it", Fixture, NULL, set_up,
               test_stamp_lies_between_the_readings_around_it, tear_down);
    g_test_add("/stamp-clock/stamp-of-long-ago-is-still-after-the-hold", Fixture, NULL, set_up,
               test_stamp_of_long_ago_is_still_after_the_hold, tear_down);
    g_test_add("/stamp-clock/boot-time-is-placed-outward", Fixture, NULL, set_up, test_boot_time_is_placed_outward, tear_down);
    return g_test_run();
}
