/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stamp.h"

#include <glib.h>

#define HZ       UINT64_C(512000000)
#define MS_TICKS INT64_C(512000)
#define MS_NS    INT64_C(1000000)

/* A host whose wall clock shows `tod_ms` at timebase `tb_ms`; reading a pair takes 2 ticks. */
static ClockReading pair_at(int64_t tb_ms, int64_t tod_ms)
{
    uint64_t tb = (uint64_t)(tb_ms * MS_TICKS);

    return (ClockReading){ tb_ticks(tb - 1), tod_ns(tod_ms * MS_NS), tb_ticks(tb + 1) };
}

static StampBounds bounds(ClockReading before, ClockReading after, int64_t stamp_ms)
{
    StampQuery query = { before, after, tod_ns(stamp_ms * MS_NS), 1000, HZ, 600000 };

    return stamp_bounds(&query);
}

static void assert_contains(StampBounds b, int64_t tb_ms)
{
    uint64_t tb = (uint64_t)(tb_ms * MS_TICKS);

    g_assert_cmpuint(b.lo.raw, <=, tb);
    g_assert_cmpuint(b.hi.raw, >=, tb);
}

static void test_steady_clock_gives_a_narrow_interval(void)
{
    StampBounds b = bounds(pair_at(1000, 50000), pair_at(2000, 51000), 50995);

    g_assert_false(b.stepped);
    assert_contains(b, 1995);
    /* 995 ms x 600 / 999400 on both sides, 1 us resolution, the pair itself */
    g_assert_cmpint(tb_minus(b.hi, b.lo), <=, 2 * 305848 + 512 + 6);
}

static void test_step_before_the_stamp_keeps_the_truth_inside(void)
{
    /* +5 s at TB 1500: the stamp at TB 1900 reads 55.9 s */
    StampBounds b = bounds(pair_at(1000, 50000), pair_at(2000, 56000), 55900);

    g_assert_true(b.stepped);
    assert_contains(b, 1900);
    g_assert_cmpuint(b.hi.raw, <=, 2000 * MS_TICKS + 1);
}

static void test_step_after_the_stamp_keeps_the_truth_inside(void)
{
    /* +5 s at TB 1950: the stamp at TB 1900 reads 50.9 s */
    StampBounds b = bounds(pair_at(1000, 50000), pair_at(2000, 56000), 50900);

    g_assert_true(b.stepped);
    assert_contains(b, 1900);
    g_assert_cmpuint(b.lo.raw, >=, 1000 * MS_TICKS - 1);
}

static void test_backward_step_keeps_the_truth_inside(void)
{
    assert_contains(bounds(pair_at(1000, 50000), pair_at(2000, 46000), 45900), 1900);
    assert_contains(bounds(pair_at(1000, 50000), pair_at(2000, 46000), 50200), 1200);
}

static void test_to_and_fro_leaves_only_the_order(void)
{
    /* stamped while the clock was an hour ahead; both pairs were read with the right time */
    StampBounds b = bounds(pair_at(1000, 50000), pair_at(2000, 51000), 3650500);

    g_assert_true(b.stepped);
    g_assert_cmpuint(b.lo.raw, ==, 1000 * MS_TICKS - 1);
    g_assert_cmpuint(b.hi.raw, ==, 2000 * MS_TICKS + 1);
}

static void test_wrap_of_the_timebase_does_not_matter(void)
{
    ClockReading before = { tb_ticks(UINT64_MAX - 10), tod_ns(0), tb_ticks(UINT64_MAX - 8) };
    ClockReading after = { tb_ticks((uint64_t)MS_TICKS - 10), tod_ns(MS_NS),
                           tb_ticks((uint64_t)MS_TICKS - 8) };
    StampQuery query = { before, after, tod_ns(MS_NS / 2), 0, HZ, 0 };
    StampBounds b = stamp_bounds(&query);

    g_assert_false(b.stepped);
    g_assert_cmpint(tb_minus(b.lo, before.tb_before), >=, MS_TICKS / 2 - 6);
    g_assert_cmpint(tb_minus(b.hi, before.tb_before), <=, MS_TICKS / 2 + 6);
}

/* Worlds with a slewing clock and at most one step: the truth is inside, always. */
static void test_random_worlds_contain_the_truth(void)
{
    for (int i = 0; i < 20000; i++) {
        int64_t span = g_test_rand_int_range(2, 100000) * INT64_C(1000); /* us */
        int64_t at = g_test_rand_int_range(0, 1000) * span / 1000;
        int64_t step_at = g_test_rand_int_range(0, 1000) * span / 1000;
        int64_t step = g_test_rand_bit() ? g_test_rand_int_range(-5000000, 5000000) : 0;
        int64_t ppm = g_test_rand_int_range(-600, 601);
        int64_t tod_at = at + at * ppm / 1000000 + (step_at < at ? step : 0);
        int64_t tod_end = span + span * ppm / 1000000 + step;
        StampQuery query = {
            .before = { tb_ticks(7), tod_ns(0), tb_ticks(7) },
            .after = { tb_ticks(7 + (uint64_t)span * 512), tod_ns(tod_end * 1000),
                       tb_ticks(7 + (uint64_t)span * 512) },
            .stamp = tod_ns(tod_at * 1000),
            .resolution_ns = 1000,
            .timebase_hz = HZ,
            .tod_drift_ppb = 600000,
        };
        StampBounds b = stamp_bounds(&query);
        int64_t truth = at * 512;

        /* the world's own rounding to 1 us moves its stamps by as much */
        g_assert_cmpint(tb_minus(b.lo, tb_ticks(7)) - 1024, <=, truth);
        g_assert_cmpint(tb_minus(b.hi, tb_ticks(7)) + 1024, >=, truth);
    }
}

/* A clock that runs as slowly as allowed shows 9 s while 10 s pass; stepped right after the first pair, so that only the
 * later one tells, 9 s by the wall clock and 10 s by the timebase after the stamp. */
static void test_slowest_clock_keeps_the_truth_inside(void)
{
    StampQuery query = { pair_at(1000, 50000), pair_at(20000, 77100), tod_ns(68100 * MS_NS), 0, HZ, 100000000 };
    StampBounds b = stamp_bounds(&query);

    g_assert_true(b.stepped);
    assert_contains(b, 10000);
}

/* Whatever a stamp says, there and back is at least the order. */
static void test_absurd_stamps_leave_only_the_order(void)
{
    const int64_t stamps_ns[] = { INT64_MIN, INT64_MIN + 1, INT64_MAX - 1, INT64_MAX };

    for (unsigned i = 0; i < G_N_ELEMENTS(stamps_ns); i++) {
        StampQuery query = { pair_at(1000, 50000), pair_at(2000, 51000), tod_ns(stamps_ns[i]), 1000, HZ, 600000 };
        StampBounds b = stamp_bounds(&query);

        g_assert_true(b.stepped);
        g_assert_cmpuint(b.lo.raw, ==, 1000 * MS_TICKS - 1);
        g_assert_cmpuint(b.hi.raw, ==, 2000 * MS_TICKS + 1);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stamp/steady-clock-gives-a-narrow-interval",
                    test_steady_clock_gives_a_narrow_interval);
    g_test_add_func("/stamp/step-before-the-stamp-keeps-the-truth-inside",
                    test_step_before_the_stamp_keeps_the_truth_inside);
    g_test_add_func("/stamp/step-after-the-stamp-keeps-the-truth-inside",
                    test_step_after_the_stamp_keeps_the_truth_inside);
    g_test_add_func("/stamp/backward-step-keeps-the-truth-inside",
                    test_backward_step_keeps_the_truth_inside);
    g_test_add_func("/stamp/to-and-fro-leaves-only-the-order",
                    test_to_and_fro_leaves_only_the_order);
    g_test_add_func("/stamp/wrap-of-the-timebase-does-not-matter",
                    test_wrap_of_the_timebase_does_not_matter);
    g_test_add_func("/stamp/slowest-clock-keeps-the-truth-inside", test_slowest_clock_keeps_the_truth_inside);
    g_test_add_func("/stamp/absurd-stamps-leave-only-the-order", test_absurd_stamps_leave_only_the_order);
    g_test_add_func("/stamp/random-worlds-contain-the-truth", test_random_worlds_contain_the_truth);
    return g_test_run();
}
