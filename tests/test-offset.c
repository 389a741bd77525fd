/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "offset.h"

#include <glib.h>

#define U   TB_OFFSET_UNIT_TICKS
#define LEAST INT64_MIN
#define MOST  INT64_MAX

static OffsetPlan plan_for(Interval relation, int64_t off1, Interval ahead, int64_t blackout_lo)
{
    OffsetQuery query = { .relation_ticks = relation,
                          .source_offset_ticks = off1,
                          .ahead_ticks = ahead,
                          .blackout_lo_ticks = blackout_lo };

    return offset_plan(&query);
}

static void test_rounding_is_up_for_both_signs(void)
{
    static const int64_t cases[][2] = {
        { 0, 0 },      { 1, U },          { U - 1, U },      { U, U },
        { U + 1, 2 * U }, { -1, 0 },      { -U + 1, 0 },     { -U, -U },
        { -U - 1, -U }, { LEAST, LEAST },     { LEAST + 1, LEAST + U }, { MOST - U + 1, MOST - U + 1 },
        { MOST - U + 2, MOST }, { MOST, MOST },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpint(offset_round_up(cases[i][0]), ==, cases[i][1]);
}

static void test_smallest_safe_offset_has_known_answers(void)
{
    OffsetPlan plan = plan_for(interval_of(-3 * U - 10, -3 * U - 5), 0, interval_point(0), 0);

    g_assert_true(plan.known);
    g_assert_cmpint(plan.offset_ticks, ==, 4 * U);
    g_assert_true(plan.exact);
    g_assert_cmpint(plan.jump_ticks.lo, ==, U - 10);
    g_assert_cmpint(plan.jump_ticks.hi, ==, U - 5);
    g_assert_cmpint(plan.nearest_ticks, ==, 4 * U);
}

static void test_interval_over_a_multiple_names_both(void)
{
    OffsetPlan plan = plan_for(interval_of(-U - 5, -U + 5), 0, interval_point(0), 0);

    g_assert_false(plan.exact);
    g_assert_cmpint(plan.offset_ticks, ==, 2 * U);
    g_assert_cmpint(plan.offset_hi_ticks, ==, U);
}

static void test_blackout_lowers_what_is_needed(void)
{
    OffsetPlan plan = plan_for(interval_point(-U / 4), 0, interval_point(0), U / 2);

    g_assert_cmpint(plan.offset_ticks, ==, 0);
    g_assert_cmpint(plan.jump_ticks.lo, ==, -U / 4);
    g_assert_cmpint(plan.nearest_ticks, ==, 0);
    plan = plan_for(interval_point(-U / 4), 0, interval_point(0), U / 4 - 1);
    g_assert_cmpint(plan.offset_ticks, ==, U);
}

static void test_readings_of_a_stopped_guest_are_enough(void)
{
    OffsetQuery query = { .relation_ticks = interval_of(-U / 4, U / 4),
                          .ahead_ticks = interval_point(U),
                          .has_floor = true,
                          .floor_ticks = -3 * U / 2 };
    OffsetPlan plan = offset_plan(&query);

    g_assert_cmpint(plan.offset_ticks, ==, -U);
    g_assert_cmpint(plan.offset_hi_ticks, ==, -U);
    g_assert_cmpint(plan.nearest_ticks, ==, -U);
    query.floor_ticks = 3 * U; /* the relation knows better */
    plan = offset_plan(&query);
    g_assert_cmpint(plan.offset_ticks, ==, U);
    g_assert_cmpint(plan.offset_hi_ticks, ==, 0);
}

static void test_nearest_brings_a_late_guest_back(void)
{
    OffsetPlan plan = plan_for(interval_point(0), 0, interval_point(-5 * U - 3), 0);

    g_assert_cmpint(plan.offset_ticks, ==, 0);
    g_assert_cmpint(plan.nearest_ticks, ==, 5 * U);
    g_assert_cmpint(plan.nearest_jump_ticks.lo, ==, 5 * U);
}

static void test_nearest_never_takes_a_guest_back(void)
{
    OffsetPlan plan = plan_for(interval_point(0), 0, interval_point(5 * U), 0);

    g_assert_cmpint(plan.nearest_ticks, ==, 0);
    plan = plan_for(interval_point(0), 0, interval_point(5 * U), 2 * U);
    g_assert_cmpint(plan.nearest_ticks, ==, -2 * U);
}

static void test_nearest_of_two_equally_near_jumps_less(void)
{
    g_assert_cmpint(plan_for(interval_point(0), 0, interval_point(-U / 2), 0).nearest_ticks, ==, 0);
    g_assert_cmpint(plan_for(interval_point(0), 0, interval_point(-U / 2 - 1), 0).nearest_ticks, ==, U);
}

static void test_guest_far_ahead_is_held_until_less_is_safe(void)
{
    OffsetQuery query = { .relation_ticks = interval_point(-U / 2),
                          .ahead_ticks = interval_point(5 * U / 4),
                          .hold_max_ticks = U };
    OffsetPlan plan = offset_plan(&query);

    g_assert_cmpint(plan.offset_ticks, ==, U); /* for whoever does not wait */
    g_assert_cmpint(plan.nearest_ticks, ==, 0);
    g_assert_cmpint(plan.hold_ticks, ==, U / 2);
    g_assert_cmpint(plan.nearest_jump_ticks.hi, ==, -U / 2);
    query.has_floor = true;
    query.floor_ticks = U / 4; /* stopped long enough for a part of it */
    g_assert_cmpint(offset_plan(&query).hold_ticks, ==, U / 4);
}

static void test_guest_is_not_held_without_need_or_leave(void)
{
    OffsetQuery query = { .relation_ticks = interval_point(-U / 2),
                          .ahead_ticks = interval_point(U), /* and half a unit more: just bearable */
                          .hold_max_ticks = U };

    g_assert_cmpint(offset_plan(&query).hold_ticks, ==, 0);
    g_assert_cmpint(offset_plan(&query).nearest_ticks, ==, U);
    query.ahead_ticks = interval_point(5 * U / 4);
    query.hold_max_ticks = U / 2 - 1;
    g_assert_cmpint(offset_plan(&query).hold_ticks, ==, 0);
    g_assert_cmpint(offset_plan(&query).nearest_ticks, ==, U);
    query.hold_max_ticks = U;
    query.ahead_ticks = INTERVAL_UNBOUNDED;
    g_assert_cmpint(offset_plan(&query).hold_ticks, ==, 0);
    query = (OffsetQuery){ .source_offset_ticks = MOST / 2, .ahead_ticks = interval_point(LEAST + 1), .hold_max_ticks = U };
    g_assert_false(offset_plan(&query).known); /* the nearest multiple does not fit */
}

static void test_unknown_history_takes_the_smallest(void)
{
    OffsetPlan plan = plan_for(interval_point(-U / 2), 0, INTERVAL_UNBOUNDED, 0);

    g_assert_true(plan.known);
    g_assert_cmpint(plan.nearest_ticks, ==, U);
}

static void test_no_plan_without_bounds(void)
{
    g_assert_false(plan_for(INTERVAL_UNBOUNDED, 0, interval_point(0), 0).known);
    g_assert_false(plan_for(INTERVAL_EMPTY, 0, interval_point(0), 0).known);
    g_assert_false(plan_for(interval_of(LEAST, 0), 0, interval_point(0), 0).known);
    g_assert_false(plan_for(interval_of(0, MOST), 0, interval_point(0), 0).known);
}

static void test_no_plan_beyond_64_bits(void)
{
    Interval now = interval_point(0);

    g_assert_false(plan_for(interval_point(-1), MOST - U + 1, now, 0).known);
    g_assert_true(plan_for(interval_point(-1), MOST - 2 * U, now, 0).known);
    g_assert_false(plan_for(interval_of(1, MOST - 1), LEAST + U, now, 0).known);
    g_assert_false(plan_for(interval_point(LEAST + 1), MOST - 1, now, 0).known);
    g_assert_false(plan_for(interval_point(MOST - 1), -U, now, 0).known);
    g_assert_false(plan_for(interval_point(0), MOST / 2, interval_point(LEAST + 1), 0).known);
    g_assert_false(plan_for(interval_of(0, INT64_C(1) << 61), -(INT64_C(1) << 61),
                            interval_point(LEAST + (INT64_C(1) << 60)), 0).known);
    g_assert_false(plan_for(interval_of(-(INT64_C(3) << 61), INT64_C(3) << 61), 0, now, 0).known);
    g_assert_false(plan_for(interval_of(0, MOST - 1), 0, interval_point(LEAST + U), 0).known);
}

static void test_rank_is_the_distance_from_real_time(void)
{
    OffsetQuery query = { .relation_ticks = interval_of(-U / 4 - 5, -U / 4 + 5), .ahead_ticks = interval_of(-3, 3) };
    Interval error = offset_expected_error(&query);

    g_assert_cmpint(error.lo, ==, U - U / 4 - 8);
    g_assert_cmpint(error.hi, ==, U - U / 4 + 8);
    g_assert_cmpint(offset_error_size_ticks(error), ==, error.hi);
    g_assert_cmpint(offset_error_size_ticks(interval_of(-9, 3)), ==, 9);
    g_assert_cmpint(offset_error_size_ticks(INTERVAL_UNBOUNDED), ==, MOST);
    query.relation_ticks = INTERVAL_UNBOUNDED;
    g_assert_false(interval_is_bounded(offset_expected_error(&query)));
}

static void test_watchdog_guard(void)
{
    const uint64_t hz = TB_FREQUENCY_POWER_HZ;
    const int64_t second = (int64_t)hz;

    g_assert_false(offset_jump_trips_watchdog(interval_of(0, 20 * second), hz));
    g_assert_true(offset_jump_trips_watchdog(interval_of(0, 20 * second + 1), hz));
    g_assert_true(offset_jump_trips_watchdog(INTERVAL_UNBOUNDED, hz));
    g_assert_false(offset_jump_is_too_large(interval_of(0, second), hz, NS_PER_S));
    g_assert_true(offset_jump_is_too_large(interval_of(0, second + 1), hz, NS_PER_S));
    g_assert_true(offset_jump_is_too_large(interval_point(21 * second), hz, 60 * NS_PER_S));
    g_assert_false(offset_jump_is_too_large(interval_of(-5 * second, 0), hz, 0));
}

/* The promise: for every value in the relation, every blackout and both offsets of the plan. */
static void test_no_plan_takes_the_timebase_back(void)
{
    for (int i = 0; i < 200000; i++) {
        int64_t lo = (int64_t)g_test_rand_int() * (1 << 24);
        int64_t hi = lo + g_test_rand_int_range(0, 1 << 26);
        int64_t off1 = (int64_t)g_test_rand_int() * (1 << 20);
        int64_t least = g_test_rand_bit() ? 0 : g_test_rand_int_range(0, 1 << 28);
        int64_t ahead = g_test_rand_int_range(-(1 << 28), 1 << 28);
        OffsetQuery query = { .relation_ticks = interval_of(lo, hi),
                              .source_offset_ticks = off1,
                              .ahead_ticks = interval_of(ahead, ahead + 99),
                              .blackout_lo_ticks = least,
                              .hold_max_ticks = g_test_rand_bit() ? 0 : g_test_rand_int_range(1, 1 << 26) };
        OffsetPlan plan = offset_plan(&query);
        int64_t stop_tb1 = 1000, resume_tb1 = stop_tb1 + least, rel = lo + (hi - lo) / 1000 * (i % 1001);

        g_assert_true(plan.known);
        g_assert_cmpint(resume_tb1 + rel + plan.offset_ticks, >=, stop_tb1 + off1);
        g_assert_cmpint(resume_tb1 + rel + plan.hold_ticks + plan.nearest_ticks, >=, stop_tb1 + off1);
        g_assert_cmpint(plan.hold_ticks, <=, query.hold_max_ticks);
        g_assert_cmpint(resume_tb1 + lo + plan.offset_ticks - U, <, stop_tb1 + off1);
        g_assert_cmpint(plan.offset_ticks % U, ==, 0);
        g_assert_cmpint(plan.nearest_ticks % U, ==, 0);
        g_assert_cmpint(plan.offset_hi_ticks, <=, plan.offset_ticks);
        g_assert_true(interval_contains(plan.jump_ticks, plan.offset_ticks + rel - off1));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/offset/rounding-is-up-for-both-signs", test_rounding_is_up_for_both_signs);
    g_test_add_func("/offset/smallest-safe-offset-has-known-answers",
                    test_smallest_safe_offset_has_known_answers);
    g_test_add_func("/offset/interval-over-a-multiple-names-both",
                    test_interval_over_a_multiple_names_both);
    g_test_add_func("/offset/blackout-lowers-what-is-needed", test_blackout_lowers_what_is_needed);
    g_test_add_func("/offset/readings-of-a-stopped-guest-are-enough",
                    test_readings_of_a_stopped_guest_are_enough);
    g_test_add_func("/offset/nearest-brings-a-late-guest-back", test_nearest_brings_a_late_guest_back);
    g_test_add_func("/offset/nearest-never-takes-a-guest-back", test_nearest_never_takes_a_guest_back);
    g_test_add_func("/offset/nearest-of-two-equally-near-jumps-less",
                    test_nearest_of_two_equally_near_jumps_less);
    g_test_add_func("/offset/guest-far-ahead-is-held-until-less-is-safe",
                    test_guest_far_ahead_is_held_until_less_is_safe);
    g_test_add_func("/offset/guest-is-not-held-without-need-or-leave",
                    test_guest_is_not_held_without_need_or_leave);
    g_test_add_func("/offset/unknown-history-takes-the-smallest",
                    test_unknown_history_takes_the_smallest);
    g_test_add_func("/offset/no-plan-without-bounds", test_no_plan_without_bounds);
    g_test_add_func("/offset/no-plan-beyond-64-bits", test_no_plan_beyond_64_bits);
    g_test_add_func("/offset/rank-is-the-distance-from-real-time",
                    test_rank_is_the_distance_from_real_time);
    g_test_add_func("/offset/watchdog-guard", test_watchdog_guard);
    g_test_add_func("/offset/no-plan-takes-the-timebase-back", test_no_plan_takes_the_timebase_back);
    return g_test_run();
}
