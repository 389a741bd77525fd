/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relation.h"

#include <assert.h>

/* The classic way to a timebase offset goes through the wall clocks: if both hosts agree on the time of day, then so much
 * of TOD between two readings is so much of TB. Here "agree" is an interval, and so is every reading. */

#define PPB INT64_C(1000000000)

static int64_t slew_ppb(const RelationParams *params)
{
    return params->tod_drift_ppb ? params->tod_drift_ppb : RELATION_TOD_DRIFT_PPB_DEFAULT;
}

/* The timebase advances by ns / (1 +- d), which is at most
 * ns x d / (1 - d) away from ns. The margin follows the larger end. */
Interval relation_ticks_of_ns(const RelationParams *params, Interval ns)
{
    Interval ticks = interval_scale(ns, (int64_t)params->timebase_hz, NS_PER_S);
    int64_t drift_ppb = slew_ppb(params);
    int64_t lo = int64_sub(0, ticks.lo), size = ticks.hi > lo ? ticks.hi : lo;

    return interval_widen(ticks, mul_div_ceil(size > 0 ? size : 0, drift_ppb, PPB - drift_ppb));
}

/* The time of day was read somewhere between the two readings of the timebase. */
static Interval bracket(const ClockReading *reading)
{
    int64_t width = tb_minus(reading->tb_after, reading->tb_before);

    return width < 0 ? INTERVAL_EMPTY : interval_of(0, width);
}

bool relation_pair_holds(const RelationParams *params, const ClockReading *then,
                         const ClockReading *now)
{
    Interval from_tod =
        relation_ticks_of_ns(params, interval_widen(interval_point(tod_minus(now->tod, then->tod)),
                                           RELATION_PAIR_SLACK_NS));
    Interval from_tb = interval_add(interval_point(tb_minus(now->tb_before, then->tb_before)),
                                    interval_sub(bracket(now), bracket(then)));

    return !interval_is_empty(interval_intersect(from_tod, from_tb));
}

Interval relation_ticks_at_tod(const RelationParams *params, const ClockReading *pair, TodNs tod)
{
    Interval ns = interval_point(tod_minus(tod, pair->tod));

    return interval_add(bracket(pair), relation_ticks_of_ns(params, ns));
}

/* With D = remote - local time of day, the remote time of day advanced by remote.tod - (local.tod + D) from the local
 * reading to the remote one. The remote timebase at the local reading is that much less than it was read. */
Interval relation_through_wall(const RelationParams *params, const ClockReading *local,
                               const ClockReading *remote, Interval tod_ns)
{
    Interval between_ns = interval_sub(interval_point(tod_minus(remote->tod, local->tod)), tod_ns);
    Interval read = interval_add(interval_point(tb_minus(remote->tb_before, local->tb_before)),
                                 interval_sub(bracket(remote), bracket(local)));

    return interval_sub(read, relation_ticks_of_ns(params, between_ns));
}

RelationFault relation_blame(const RelationEvidence *evidence)
{
    static const RelationFault faults[] = { RELATION_FAULT_TOD, RELATION_FAULT_TIMEBASE,
                                            RELATION_FAULT_CLOCKS };
    int kind = evidence->tb_broken + (evidence->tb_broken && evidence->tod_broken);

    assert(evidence->tb_broken || evidence->tod_broken);
    if (evidence->local_holds == evidence->remote_holds)
        return faults[kind];
    return faults[kind] + (evidence->local_holds ? 2 : 1);
}

/* The timebases were watched all along by the exchanges. As long as their relation is OK, a contradiction between the two ways
 * can only come from a time of day; else from a timebase. */
static RelationFault ways_fault(const RelationParams *params, const RelationBounds *bounds,
                                const RelationReadings *readings)
{
    RelationEvidence evidence = { .tb_broken = bounds->state != RELATION_OK,
                                  .tod_broken = bounds->state == RELATION_OK,
                                  .local_holds = true,
                                  .remote_holds = true };

    if (readings->has_then) {
        evidence.local_holds =
            relation_pair_holds(params, &readings->local_then, &readings->local);
        evidence.remote_holds =
            relation_pair_holds(params, &readings->remote_then, &readings->remote);
    }
    return relation_blame(&evidence);
}

RelationWays relation_two_ways(const RelationParams *params, const RelationBounds *bounds,
                               const RelationReadings *readings)
{
    RelationWays ways = { .direct_ticks = bounds->tb_ticks };

    ways.wall_ticks =
        relation_through_wall(params, &readings->local, &readings->remote, bounds->tod_ns);
    ways.tb_ticks = interval_intersect(ways.direct_ticks, ways.wall_ticks);
    if (interval_is_empty(ways.tb_ticks))
        ways.fault = ways_fault(params, bounds, readings);
    return ways;
}
