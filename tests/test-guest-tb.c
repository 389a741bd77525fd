/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-tb.h"

#include <glib.h>

#define HZ GUEST_TB_HZ
#define MS INT64_C(512000) /* ticks */

/* A reading of `guest` that took 10 ticks from `host` on; the instant asked for is within 5 ticks from `at` on. */
static GuestTbQuery query(uint64_t guest, uint64_t host, uint64_t at)
{
    return (GuestTbQuery){ .reading = { .known = true, .guest = { guest }, .host_lo = { host }, .host_hi = { host + 10 } },
                           .lo = { at },
                           .hi = { at + 5 },
                           .host_hz = HZ };
}

static void assert_bounds(GuestTbBounds bounds, uint64_t lo, uint64_t hi)
{
    g_assert_cmpuint(bounds.lo.raw, ==, lo);
    g_assert_cmpuint(bounds.hi.raw, ==, hi);
}

static void test_reading_of_a_stopped_guest_is_exact(void)
{
    GuestTbQuery q = query(777, 2000, 1000);

    assert_bounds(guest_tb_at_stop(&q), 777, 777);
    q = query(777, 1000, 2000);
    assert_bounds(guest_tb_at_start(&q), 777, 777);
}

static void test_reading_of_a_running_guest_counts_on(void)
{
    GuestTbQuery q = query(777, 1000, 2000);

    assert_bounds(guest_tb_at_stop(&q), 777 + 990 - 1, 777 + 1005 + 1);
    q = query(7777, 2000, 1000);
    assert_bounds(guest_tb_at_start(&q), 7777 - 1010 - 1, 7777 - 995 + 1);
}

/* Whether it ran or not when it was read is not known: either may be. */
static void test_reading_across_the_stop_allows_both(void)
{
    GuestTbQuery q = query(777, 1000, 1003);

    assert_bounds(guest_tb_at_stop(&q), 777, 777 + 8 + 1);
    assert_bounds(guest_tb_at_start(&q), 777 - 7 - 1, 777);
}

static void test_clocks_of_other_rates_are_allowed_for(void)
{
    GuestTbQuery q = query(0, 0, 1000000);

    q.rate_ppb = 1000000; /* 0.1 % */
    assert_bounds(guest_tb_at_stop(&q), 999990 - 1001 - 1, 1000005 + 1001 + 1);
    q.rate_ppb = 0;
    q.host_hz = HZ / 2;
    assert_bounds(guest_tb_at_stop(&q), 2 * 999990 - 1, 2 * 1000005 + 1);
}

static void test_counters_may_wrap(void)
{
    GuestTbQuery q = query(UINT64_MAX - 10, UINT64_MAX - 20, 980);

    assert_bounds(guest_tb_at_stop(&q), 979, 996);
}

static void test_movement_is_start_minus_stop(void)
{
    GuestTbBounds stop = { { 1000 }, { 1010 } }, start = { { 1005 }, { 1100 } };
    Interval moved = guest_tb_moved(&stop, &start);

    g_assert_cmpint(moved.lo, ==, -5);
    g_assert_cmpint(moved.hi, ==, 100);
}

/* The truth lies in the bounds for every instant within those that are said, and every rate within its bound. */
static void test_bounds_contain_the_truth(void)
{
    for (int i = 0; i < 200000; i++) {
        int64_t stop = g_test_rand_int_range(0, 1 << 30), width = g_test_rand_int_range(0, 1 << 20);
        int64_t read = stop + g_test_rand_int_range(-(1 << 29), 1 << 29), took = g_test_rand_int_range(0, 1 << 20);
        int32_t rate_ppb = g_test_rand_int_range(-600000, 600001);
        int64_t ran = stop - read, counted = ran + mul_div_floor(ran, rate_ppb, NS_PER_S);
        int64_t early = g_test_rand_int_range(0, (gint32)took + 1), before = g_test_rand_int_range(0, (gint32)width + 1);
        GuestTbQuery q = { .reading = { true, { 1000000 }, { (uint64_t)(read - early) }, { (uint64_t)(read - early + took) } },
                           .lo = { (uint64_t)(stop - before) },
                           .hi = { (uint64_t)(stop - before + width) },
                           .host_hz = HZ,
                           .rate_ppb = 600000 };
        GuestTbBounds at_stop = guest_tb_at_stop(&q), at_start = guest_tb_at_start(&q);
        int64_t stopped = ran > 0 ? 1000000 + counted : 1000000, started = ran < 0 ? 1000000 + counted : 1000000;

        g_assert_cmpint(tb_minus(at_stop.lo, tb_ticks(0)), <=, stopped);
        g_assert_cmpint(tb_minus(at_stop.hi, tb_ticks(0)), >=, stopped);
        g_assert_cmpint(tb_minus(at_start.lo, tb_ticks(0)), <=, started);
        g_assert_cmpint(tb_minus(at_start.hi, tb_ticks(0)), >=, started);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-tb/reading-of-a-stopped-guest-is-exact", test_reading_of_a_stopped_guest_is_exact);
    g_test_add_func("/guest-tb/reading-of-a-running-guest-counts-on", test_reading_of_a_running_guest_counts_on);
    g_test_add_func("/guest-tb/reading-across-the-stop-allows-both", test_reading_across_the_stop_allows_both);
    g_test_add_func("/guest-tb/clocks-of-other-rates-are-allowed-for", test_clocks_of_other_rates_are_allowed_for);
    g_test_add_func("/guest-tb/counters-may-wrap", test_counters_may_wrap);
    g_test_add_func("/guest-tb/movement-is-start-minus-stop", test_movement_is_start_minus_stop);
    g_test_add_func("/guest-tb/bounds-contain-the-truth", test_bounds_contain_the_truth);
    return g_test_run();
}
