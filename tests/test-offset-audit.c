/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "offset.h"

#include <glib.h>

#define U  TB_OFFSET_UNIT_TICKS
#define MS INT64_C(512000) /* ticks */

/* Destination 1000 U +- 1 ms ahead; stopped for 300 ms; both wall clocks agree within 2 ms. */
static OffsetAuditQuery query_new(void)
{
    return (OffsetAuditQuery){
        .timebase_hz = TB_FREQUENCY_POWER_HZ,
        .tod_drift_ppb = 1,
        .has_tb = true,
        .stop_tb = tb_ticks(500),
        .resume_tb = tb_ticks(500 + 1000 * U + 300 * MS),
        .relation_ticks = interval_of(1000 * U - MS, 1000 * U + MS),
        .has_tod = true,
        .stop_tod = tod_ns(0),
        .resume_tod = tod_ns(300000000),
        .tod_ns = interval_of(-2000000, 2000000),
        .moved_ticks = INTERVAL_UNBOUNDED,
    };
}

#define assert_interval(a, expected_lo, expected_hi)  \
    do {                                              \
        Interval value_ = (a);                        \
        g_assert_cmpint(value_.lo, ==, expected_lo);  \
        g_assert_cmpint(value_.hi, ==, expected_hi);  \
    } while (0)

static void test_blackout_is_what_both_ways_allow(void)
{
    OffsetAuditQuery query = query_new();
    OffsetAudit audit = offset_audit(&query);

    g_assert_true(audit.known);
    g_assert_false(audit.ways_contradict);
    assert_interval(audit.blackout_ticks, 299 * MS, 301 * MS);
    query.has_tb = false;
    assert_interval(offset_audit(&query).blackout_ticks, 298 * MS - 1, 302 * MS + 1);
    query.resume_error_ns = interval_of(0, 1000000);
    query.stop_error_ns = interval_of(-3000000, 0);
    assert_interval(offset_audit(&query).blackout_ticks, 298 * MS - 1, 306 * MS + 1);
    query.tod_drift_ppb = 0;
    assert_interval(offset_audit(&query).blackout_ticks, 298 * MS - 94060, 306 * MS + 94060);
}

static void test_late_events_widen_the_blackout(void)
{
    OffsetAuditQuery query = query_new();

    query.has_tod = false;
    query.stop_error_ticks = interval_of(-3 * MS, 0);
    query.resume_error_ticks = interval_of(0, 4 * MS);
    assert_interval(offset_audit(&query).blackout_ticks, 299 * MS, 308 * MS);
}

static void test_stepped_wall_clock_is_left_out_and_named(void)
{
    OffsetAuditQuery query = query_new();
    OffsetAudit audit;

    query.resume_tod = tod_ns(5300000000);
    audit = offset_audit(&query);
    g_assert_true(audit.known);
    g_assert_true(audit.ways_contradict);
    assert_interval(audit.blackout_ticks, 299 * MS, 301 * MS);
}

static void test_start_before_stop_is_a_contradiction(void)
{
    OffsetAuditQuery query = query_new();
    OffsetAudit audit;

    query.has_tod = false;
    query.resume_tb = tb_plus(query.stop_tb, 1000 * U - 2 * MS);
    audit = offset_audit(&query);
    g_assert_true(audit.contradiction);
    g_assert_false(audit.known);
    g_assert_false(interval_is_bounded(audit.blackout_ticks));
    query.resume_tb = tb_plus(query.stop_tb, 1000 * U);
    assert_interval(offset_audit(&query).blackout_ticks, 0, MS);
}

static void test_nothing_known_is_said_so(void)
{
    OffsetAuditQuery query = { .timebase_hz = TB_FREQUENCY_POWER_HZ };
    OffsetAudit audit = offset_audit(&query);

    g_assert_false(audit.known);
    g_assert_false(audit.contradiction);
    g_assert_false(audit.ways_contradict);
    g_assert_false(interval_is_bounded(audit.ahead_ticks));
    query = query_new();
    query.tod_ns = INTERVAL_EMPTY;
    query.has_tb = false;
    g_assert_true(offset_audit(&query).contradiction);
}

/* A frozen timebase loses the blackout; the ledger says so. */
static void test_predicted_movement_gives_the_loss(void)
{
    OffsetAuditQuery query = query_new();
    OffsetAudit audit;

    query.moved_ticks = interval_of(0, U - 1);
    query.ahead_ticks = interval_of(5 * MS, 6 * MS);
    audit = offset_audit(&query);
    assert_interval(audit.moved_ticks, 0, U - 1);
    assert_interval(audit.lost_ticks, 299 * MS - U + 1, 301 * MS);
    assert_interval(audit.ahead_ticks, 5 * MS - 301 * MS, 6 * MS + U - 1 - 299 * MS);
}

/* Known offsets leave only the uncertainty of the relation. */
static void test_known_offsets_give_the_loss_exactly(void)
{
    OffsetAuditQuery query = query_new();
    OffsetAudit audit;

    query.has_offsets = true;
    query.source_offset_ticks = 3 * U;
    query.destination_offset_ticks = -996 * U;
    query.ahead_ticks = interval_of(-MS, MS);
    audit = offset_audit(&query);
    assert_interval(audit.lost_ticks, -U - MS, -U + MS);
    assert_interval(audit.ahead_ticks, U - 2 * MS, U + 2 * MS);
    assert_interval(audit.moved_ticks, 298 * MS + U, 302 * MS + U);
}

#define CASE(name, function) g_test_add_func("/offset-audit/" name, function)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CASE("blackout-is-what-both-ways-allow", test_blackout_is_what_both_ways_allow);
    CASE("late-events-widen-the-blackout", test_late_events_widen_the_blackout);
    CASE("stepped-wall-clock-is-left-out-and-named", test_stepped_wall_clock_is_left_out_and_named);
    CASE("start-before-stop-is-a-contradiction", test_start_before_stop_is_a_contradiction);
    CASE("nothing-known-is-said-so", test_nothing_known_is_said_so);
    CASE("predicted-movement-gives-the-loss", test_predicted_movement_gives_the_loss);
    CASE("known-offsets-give-the-loss-exactly", test_known_offsets_give_the_loss_exactly);
    return g_test_run();
}
