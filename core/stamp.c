/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stamp.h"

/* Ticks since `origin` at which the pair was read. */
static Interval pair_ticks(const ClockReading *pair, TbTicks origin)
{
    return interval_of(tb_minus(pair->tb_before, origin), tb_minus(pair->tb_after, origin));
}

/* Ticks since `origin` of the stamp as counted from one pair. While the time of day advances by ns the timebase advances by ns /
 * (1 +- d), which is at most ns x d / (1 - d) away from ns. */
static Interval count_from(const ClockReading *pair, TbTicks origin, const StampQuery *query)
{
    int64_t ns = tod_minus(query->stamp, pair->tod);
    Interval distance = interval_of(ns, int64_add(ns, query->resolution_ns));
    int64_t back_ns = int64_sub(0, distance.lo), farther_ns = distance.hi > back_ns ? distance.hi : back_ns;
    int64_t slack_ns = mul_div_ceil(farther_ns, query->tod_drift_ppb, NS_PER_S - query->tod_drift_ppb);

    distance =
        interval_scale(interval_widen(distance, slack_ns), (int64_t)query->timebase_hz, NS_PER_S);
    return interval_add(pair_ticks(pair, origin), distance);
}

StampBounds stamp_bounds(const StampQuery *query)
{
    TbTicks origin = query->before.tb_before;
    Interval possible = interval_of(0, tb_minus(query->after.tb_after, origin));
    Interval from_before = count_from(&query->before, origin, query);
    Interval from_after = count_from(&query->after, origin, query);
    /* A step before the stamp makes the count from the earlier pair wrong, one after it the count
     * from the later pair: one of the two holds. Their intersection would be narrower, but a step
     * smaller than the slack goes unseen and may put the truth outside of it. */
    Interval either = interval_intersect(interval_hull(from_before, from_after), possible);
    Interval both = interval_intersect(interval_intersect(from_before, from_after), possible);

    /* Not even between the two: the clock was moved to and fro. All that is left is the order. */
    if (interval_is_empty(either))
        either = possible;
    return (StampBounds){
        .lo = tb_plus(origin, either.lo),
        .hi = tb_plus(origin, either.hi),
        .stepped = interval_is_empty(both),
    };
}
