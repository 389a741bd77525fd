/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relation.h"

#include <glib.h>

#define HZ TB_FREQUENCY_POWER_HZ
#define S  INT64_C(512000000) /* ticks */

static const RelationParams params = { .timebase_hz = HZ, .drift_ppb = 100000 };

/* A pair taken `width` ticks apart. */
static ClockReading reading(uint64_t tb, int64_t tod, int64_t width)
{
    return (ClockReading){ tb_ticks(tb), tod_ns(tod), tb_plus(tb_ticks(tb), width) };
}

static bool holds(ClockReading then, ClockReading now)
{
    return relation_pair_holds(&params, &then, &now);
}

static void test_pair_holds_within_drift_and_slack(void)
{
    ClockReading then = reading(0, 0, 0);

    g_assert_true(holds(then, reading(S, NS_PER_S, 0)));
    g_assert_true(holds(then, reading(S, NS_PER_S + 1500000, 0)));
    g_assert_true(holds(then, reading(S, NS_PER_S - 1500000, 0)));
    g_assert_false(holds(then, reading(S, NS_PER_S + 1700000, 0)));
    g_assert_false(holds(then, reading(S, NS_PER_S - 1700000, 0)));
    g_assert_true(holds(reading(UINT64_MAX, 0, 0), reading(S - 1, NS_PER_S, 0)));
    g_assert_true(holds(reading(S, NS_PER_S, 0), then));
}

static void test_pair_with_a_wide_bracket_proves_less(void)
{
    ClockReading then = reading(0, 0, 0);

    g_assert_false(holds(then, reading(S, NS_PER_S + 50000000, 0)));
    g_assert_true(holds(then, reading(S, NS_PER_S + 50000000, S / 10)));
    g_assert_false(holds(then, reading(S, NS_PER_S, -1)));
}

static void test_ticks_at_an_earlier_time_of_day(void)
{
    ClockReading pair = reading(5 * S, 100 * NS_PER_S, 10);
    Interval ticks = relation_ticks_at_tod(&params, &pair, tod_ns(99 * NS_PER_S));

    g_assert_true(interval_contains(ticks, -S));
    g_assert_cmpint(ticks.lo, <=, -S - S / 10000 * 6);
    g_assert_cmpint(ticks.lo, >=, -S - S / 10000 * 6 - 1000);
    g_assert_cmpint(ticks.hi, >=, -S + 10 + S / 10000 * 6);
    ticks = relation_ticks_at_tod(&params, &pair, tod_ns(100 * NS_PER_S));
    g_assert_cmpint(ticks.lo, ==, 0);
    g_assert_cmpint(ticks.hi, ==, 10);
}

static void test_classic_formula_gives_the_timebase_difference(void)
{
    ClockReading local = reading(1000 * S, 100 * NS_PER_S, 0);
    ClockReading remote = reading(77 * S, 107 * NS_PER_S, 0); /* clock 5 s ahead, read 2 s later */
    RelationParams exact = { .timebase_hz = HZ, .tod_drift_ppb = 1 };
    Interval ticks = relation_through_wall(&exact, &local, &remote, interval_point(5 * NS_PER_S));

    g_assert_true(interval_contains(ticks, (75 - 1000) * S));
    g_assert_cmpint(interval_width(ticks), <=, 6);
    ticks = relation_through_wall(&params, &local, &remote, INTERVAL_UNBOUNDED);
    g_assert_false(interval_is_bounded(ticks));
}

static RelationBounds bounds_of(RelationState state, int64_t tb, int64_t tod)
{
    return (RelationBounds){ .state = state,
                             .tb_ticks = interval_of(tb - 1000, tb + 1000),
                             .tod_ns = interval_of(tod - 2000, tod + 2000) };
}

static void test_two_ways_agree_on_sound_clocks(void)
{
    RelationBounds bounds = bounds_of(RELATION_OK, -925 * S, 5 * NS_PER_S);
    RelationReadings readings = { .local = reading(1000 * S, 100 * NS_PER_S, 9),
                                  .remote = reading(75 * S, 105 * NS_PER_S, 9) };
    RelationWays ways = relation_two_ways(&params, &bounds, &readings);

    g_assert_cmpint(ways.fault, ==, RELATION_FAULT_NONE);
    g_assert_true(interval_contains(ways.tb_ticks, -925 * S));
    g_assert_true(interval_contains(ways.wall_ticks, -925 * S));
    g_assert_cmpint(interval_width(ways.tb_ticks), <=, interval_width(ways.direct_ticks));
    bounds.tod_ns = INTERVAL_UNBOUNDED;
    ways = relation_two_ways(&params, &bounds, &readings);
    g_assert_cmpint(ways.tb_ticks.lo, ==, bounds.tb_ticks.lo);
    g_assert_cmpint(ways.tb_ticks.hi, ==, bounds.tb_ticks.hi);
}

/* Both hosts ten seconds ago, and now with one of the four clocks moved by 5 s. */
static RelationFault fault_with(int64_t local_tb, int64_t local_tod, int64_t remote_tb, int64_t remote_tod,
                                RelationState state)
{
    RelationBounds bounds = bounds_of(state, -925 * S, 5 * NS_PER_S);
    RelationReadings readings = { .has_then = true,
                                  .local_then = reading(990 * S, 90 * NS_PER_S, 9),
                                  .remote_then = reading(65 * S, 95 * NS_PER_S, 9) };
    RelationWays ways;

    readings.local = reading((uint64_t)((1000 + local_tb) * S), (100 + local_tod) * NS_PER_S, 9);
    readings.remote = reading((uint64_t)((75 + remote_tb) * S), (105 + remote_tod) * NS_PER_S, 9);
    ways = relation_two_ways(&params, &bounds, &readings);
    g_assert_true(interval_is_empty(ways.tb_ticks));
    return ways.fault;
}

static void test_contradiction_names_the_clock(void)
{
    g_assert_cmpint(fault_with(0, 5, 0, 0, RELATION_OK), ==, RELATION_FAULT_LOCAL_TOD);
    g_assert_cmpint(fault_with(0, 0, 0, -5, RELATION_OK), ==, RELATION_FAULT_REMOTE_TOD);
    g_assert_cmpint(fault_with(5, 0, 0, 0, RELATION_STEPPED), ==, RELATION_FAULT_LOCAL_TIMEBASE);
    g_assert_cmpint(fault_with(0, 0, 5, 0, RELATION_STEPPED), ==, RELATION_FAULT_REMOTE_TIMEBASE);
    g_assert_cmpint(fault_with(0, 5, 0, -5, RELATION_OK), ==, RELATION_FAULT_TOD);
}

static void test_contradiction_without_history_names_the_kind(void)
{
    RelationBounds bounds = bounds_of(RELATION_OK, -900 * S, 5 * NS_PER_S);
    RelationReadings readings = { .local = reading(1000 * S, 100 * NS_PER_S, 9),
                                  .remote = reading(75 * S, 105 * NS_PER_S, 9) };

    g_assert_cmpint(relation_two_ways(&params, &bounds, &readings).fault, ==, RELATION_FAULT_TOD);
    bounds.state = RELATION_STEPPED;
    g_assert_cmpint(relation_two_ways(&params, &bounds, &readings).fault, ==, RELATION_FAULT_TIMEBASE);
}

static void test_blame_covers_every_combination(void)
{
    static const struct {
        bool tb, tod, local, remote;
        RelationFault fault;
    } cases[] = {
        { false, true, true, true, RELATION_FAULT_TOD },
        { false, true, false, true, RELATION_FAULT_LOCAL_TOD },
        { false, true, true, false, RELATION_FAULT_REMOTE_TOD },
        { false, true, false, false, RELATION_FAULT_TOD },
        { true, false, true, true, RELATION_FAULT_TIMEBASE },
        { true, false, false, true, RELATION_FAULT_LOCAL_TIMEBASE },
        { true, false, true, false, RELATION_FAULT_REMOTE_TIMEBASE },
        { true, true, true, true, RELATION_FAULT_CLOCKS },
        { true, true, false, true, RELATION_FAULT_LOCAL_CLOCKS },
        { true, true, true, false, RELATION_FAULT_REMOTE_CLOCKS },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        RelationEvidence evidence = { cases[i].tb, cases[i].tod, cases[i].local, cases[i].remote };

        g_assert_cmpint(relation_blame(&evidence), ==, cases[i].fault);
    }
}

#define CASE(name, function) g_test_add_func("/relation-wall/" name, function)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CASE("pair-holds-within-drift-and-slack", test_pair_holds_within_drift_and_slack);
    CASE("pair-with-a-wide-bracket-proves-less", test_pair_with_a_wide_bracket_proves_less);
    CASE("ticks-at-an-earlier-time-of-day", test_ticks_at_an_earlier_time_of_day);
    CASE("classic-formula-gives-the-timebase-difference",
         test_classic_formula_gives_the_timebase_difference);
    CASE("two-ways-agree-on-sound-clocks", test_two_ways_agree_on_sound_clocks);
    CASE("contradiction-names-the-clock", test_contradiction_names_the_clock);
    CASE("contradiction-without-history-names-the-kind",
         test_contradiction_without_history_names_the_kind);
    CASE("blame-covers-every-combination", test_blame_covers_every_combination);
    return g_test_run();
}
