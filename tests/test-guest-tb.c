/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-tb.h"

#include <glib.h>

#define HZ GUEST_TB_HZ
#define MS INT64_C(512000) /* ticks */

/* A reading of `guest` that took 10 ticks from `host` on. */
static GuestTbQuery query(uint64_t guest, uint64_t host, uint64_t limit)
{
    return (GuestTbQuery){ .reading = { .known = true, .guest = { guest }, .host_lo = { host }, .host_hi = { host + 10 } },
                           .limit = { limit },
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

/* By how much at the most: its clock may have stopped long before anybody said so. */
static void test_reading_of_a_running_guest_counts_on(void)
{
    GuestTbQuery q = query(777, 1000, 2000);

    assert_bounds(guest_tb_at_stop(&q), 777, 777 + 1000 + 1);
    q = query(7777, 2000, 1000);
    assert_bounds(guest_tb_at_start(&q), 7777 - 1010 - 1, 7777);
}

static void test_clocks_of_other_rates_are_allowed_for(void)
{
    GuestTbQuery q = query(0, 0, 1000000);

    q.rate_ppb = 1000000; /* 0.1 % */
    assert_bounds(guest_tb_at_stop(&q), 0, 1000000 + 1000 + 1);
    q.rate_ppb = 0;
    q.host_hz = HZ / 2;
    assert_bounds(guest_tb_at_stop(&q), 0, 2 * 1000000 + 1);
}

static void test_counters_may_wrap(void)
{
    GuestTbQuery q = query(UINT64_MAX - 10, UINT64_MAX - 20, 980);

    assert_bounds(guest_tb_at_stop(&q), UINT64_MAX - 10, 1001 - 11 + 1);
}

static void test_movement_is_start_minus_stop(void)
{
    GuestTbBounds stop = { { 1000 }, { 1010 } }, start = { { 1005 }, { 1100 } };
    Interval moved = guest_tb_moved(&stop, &start);

    g_assert_cmpint(moved.lo, ==, -5);
    g_assert_cmpint(moved.hi, ==, 100);
}

/* The truth lies in the bounds for every reading, however late the stop and however early the start were told, and every rate
 * within its bound. */
static void test_bounds_contain_the_truth(void)
{
    for (int i = 0; i < 200000; i++) {
        int64_t when = g_test_rand_int_range(0, 1 << 30), slack = g_test_rand_int_range(0, 1 << 20);
        int64_t read = when + g_test_rand_int_range(-(1 << 29), 1 << 29), took = g_test_rand_int_range(0, 1 << 20);
        int32_t rate_ppb = g_test_rand_int_range(-600000, 600001);
        int64_t ran = when - read, counted = ran + mul_div_floor(ran, rate_ppb, NS_PER_S);
        int64_t early = g_test_rand_int_range(0, (gint32)took + 1);
        GuestTbQuery q = { .reading = { true, { 1000000 }, { (uint64_t)(read - early) }, { (uint64_t)(read - early + took) } },
                           .limit = { (uint64_t)(when + slack) },
                           .host_hz = HZ,
                           .rate_ppb = 600000 };
        int64_t stopped = ran > 0 ? 1000000 + counted : 1000000, started = ran < 0 ? 1000000 + counted : 1000000;
        GuestTbBounds at_stop = guest_tb_at_stop(&q), at_start;

        q.limit = tb_ticks((uint64_t)(when - slack));
        at_start = guest_tb_at_start(&q);
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
    g_test_add_func("/guest-tb/clocks-of-other-rates-are-allowed-for", test_clocks_of_other_rates_are_allowed_for);
    g_test_add_func("/guest-tb/counters-may-wrap", test_counters_may_wrap);
    g_test_add_func("/guest-tb/movement-is-start-minus-stop", test_movement_is_start_minus_stop);
    g_test_add_func("/guest-tb/bounds-contain-the-truth", test_bounds_contain_the_truth);
    return g_test_run();
}
