/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "offset.h"

#include <assert.h>

#define U TB_OFFSET_UNIT_TICKS

/* Arithmetic shift is floor division, so that negative values go up as well: the kernel adds 2^24 - 1 and clears
 * the low 24 bits of the two's complement number. Here the sum has 128 bits and cannot wrap. */
static __int128 round_up_wide(__int128 ticks)
{
    return ((ticks + U - 1) >> 24) * U;
}

int64_t offset_round_up(int64_t ticks)
{
    return int64_from_wide(round_up_wide(ticks));
}

static bool fits(__int128 x)
{
    return x > INT64_MIN && x < INT64_MAX;
}

/* The forward jump with `offset`: guest TB after minus guest TB before, both taken at one real instant. */
static Interval jump_of(const OffsetQuery *q, int64_t offset)
{
    Interval moved = interval_of(int64_sub(offset, q->source_offset_ticks),
                                 int64_sub(offset, q->source_offset_ticks));

    return interval_add(moved, q->relation_ticks);
}

/* Multiple nearest to real time: the m that brings the middle of ahead + jump(m) nearest to 0, that is nearest to
 * off1 - mid(relation) - mid(ahead). In half ticks, so that the middles stay integers; of two equally near ones
 * the lower, which jumps less. */
static __int128 nearest_to_real_time(const OffsetQuery *q)
{
    __int128 target2 = (__int128)2 * q->source_offset_ticks - q->relation_ticks.lo -
                       q->relation_ticks.hi - q->ahead_ticks.lo - q->ahead_ticks.hi;

    return ((target2 - U + 2 * U - 1) >> 25) * U;
}

/* Safe for every value r in the relation: TB2(resume) + off2 >= TB1(stop) + off1. At the instant of the resume
 * TB2 = TB1 + r, and TB1(resume) >= TB1(stop) + blackout_lo, so off2 >= off1 - r - blackout_lo is enough; the
 * largest right side is that of r = relation.lo. A floor is the condition itself, as TB2(resume) >= TB2(now). */
static __int128 needed_for(const OffsetQuery *q, int64_t relation_ticks)
{
    __int128 needed = (__int128)q->source_offset_ticks - q->blackout_lo_ticks - relation_ticks;

    return q->has_floor && q->floor_ticks < needed ? q->floor_ticks : needed;
}

/* The next lower multiple, where `nearest` would leave the guest too far ahead, by the middle as above, and waiting makes the
 * lower one safe: each tick of the destination until the start is one that the offset need not give. Both bounds of
 * needed_for() are lower bounds on the destination's timebase at the earliest start, so that holds for both. */
static __int128 nearest_with_hold(const OffsetQuery *q, __int128 nearest, int64_t *ret_hold_ticks)
{
    __int128 lower = nearest - U, hold = needed_for(q, q->relation_ticks.lo) - lower;
    Interval error = fits(nearest) ? interval_add(q->ahead_ticks, jump_of(q, (int64_t)nearest)) : INTERVAL_UNBOUNDED;
    __int128 middle2 = (__int128)error.lo + error.hi;

    if (!interval_is_bounded(error) || middle2 <= 2 * OFFSET_AHEAD_MAX_TICKS || hold > q->hold_max_ticks)
        return nearest;
    assert(hold > 0); /* else the lower one is safe as it is, and nearer to real time */
    *ret_hold_ticks = (int64_t)hold;
    return lower;
}

OffsetPlan offset_plan(const OffsetQuery *query)
{
    OffsetPlan plan = { .known = false };
    __int128 smallest, smallest_hi, nearest;

    assert(query->blackout_lo_ticks >= 0 && query->hold_max_ticks >= 0);
    if (!interval_is_bounded(query->relation_ticks))
        return plan;
    smallest = round_up_wide(needed_for(query, query->relation_ticks.lo));
    smallest_hi = round_up_wide(needed_for(query, query->relation_ticks.hi));
    nearest = interval_is_bounded(query->ahead_ticks) ? nearest_to_real_time(query) : smallest;
    nearest = nearest > smallest ? nearest : smallest;
    if (query->hold_max_ticks > 0)
        nearest = nearest_with_hold(query, nearest, &plan.hold_ticks);
    if (!fits(smallest) || !fits(nearest) || !fits(smallest_hi))
        return plan;
    plan.offset_ticks = (int64_t)smallest;
    plan.offset_hi_ticks = (int64_t)smallest_hi;
    plan.exact = plan.offset_ticks == plan.offset_hi_ticks;
    plan.nearest_ticks = (int64_t)nearest;
    plan.jump_ticks = jump_of(query, plan.offset_ticks);
    plan.nearest_jump_ticks = jump_of(query, plan.nearest_ticks);
    plan.known = interval_is_bounded(plan.jump_ticks) && interval_is_bounded(plan.nearest_jump_ticks);
    return plan;
}

Interval offset_expected_error(const OffsetQuery *query)
{
    OffsetPlan plan = offset_plan(query);

    return plan.known ? interval_add(query->ahead_ticks, plan.nearest_jump_ticks) : INTERVAL_UNBOUNDED;
}

int64_t offset_error_size_ticks(Interval error_ticks)
{
    int64_t below = int64_sub(0, error_ticks.lo);

    if (!interval_is_bounded(error_ticks))
        return INT64_MAX;
    return below > error_ticks.hi ? below : error_ticks.hi;
}

static bool jump_may_exceed(Interval jump_ticks, uint64_t timebase_hz, int64_t limit_ns)
{
    return jump_ticks.hi > ns_to_ticks_floor(limit_ns, timebase_hz);
}

bool offset_jump_trips_watchdog(Interval jump_ticks, uint64_t timebase_hz)
{
    return jump_may_exceed(jump_ticks, timebase_hz, OFFSET_SOFT_LOCKUP_NS);
}

bool offset_jump_is_too_large(Interval jump_ticks, uint64_t timebase_hz, int64_t max_jump_ns)
{
    assert(max_jump_ns >= 0);
    return offset_jump_trips_watchdog(jump_ticks, timebase_hz) ||
           jump_may_exceed(jump_ticks, timebase_hz, max_jump_ns);
}
