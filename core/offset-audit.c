/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "offset.h"

#include "relation.h"

static const Interval not_negative = { 0, INT64_MAX };

/* Resume and relation are of one instant, so this is what the source's timebase advanced by from the stop to it. */
static Interval blackout_by_tb(const OffsetAuditQuery *q)
{
    Interval apart = interval_point(tb_minus(q->resume_tb, q->stop_tb));
    Interval errors = interval_sub(q->resume_error_ticks, q->stop_error_ticks);

    return interval_sub(interval_add(apart, errors), q->relation_ticks);
}

static Interval blackout_by_tod(const OffsetAuditQuery *q)
{
    RelationParams params = { .timebase_hz = q->timebase_hz, .tod_drift_ppb = q->tod_drift_ppb };
    Interval apart = interval_point(tod_minus(q->resume_tod, q->stop_tod));
    Interval errors = interval_sub(q->resume_error_ns, q->stop_error_ns);
    Interval ns = interval_sub(interval_add(apart, errors), q->tod_ns);

    return relation_ticks_of_ns(&params, ns);
}

/* Timebases are not stepped, wall clocks are: where the two contradict each other, the timebases are believed. */
static Interval blackout_of(const OffsetAuditQuery *q, bool *ret_ways_contradict)
{
    Interval tb = q->has_tb ? blackout_by_tb(q) : INTERVAL_UNBOUNDED;
    Interval tod = q->has_tod ? blackout_by_tod(q) : INTERVAL_UNBOUNDED;
    Interval both = interval_intersect(tb, tod);

    *ret_ways_contradict = interval_is_empty(both) && interval_is_bounded(tb);
    return *ret_ways_contradict ? tb : both;
}

/* With both offsets known the stamps cancel out: TB2 + off2 - (TB1 + off1) at one instant is what the guest won, whatever
 * the blackout was. */
static Interval won_ticks(const OffsetAuditQuery *q, Interval blackout)
{
    Interval offsets;

    if (!q->has_offsets)
        return interval_sub(q->moved_ticks, blackout);
    offsets = interval_sub(interval_point(q->destination_offset_ticks),
                           interval_point(q->source_offset_ticks));
    return interval_add(offsets, q->relation_ticks);
}

OffsetAudit offset_audit(const OffsetAuditQuery *query)
{
    OffsetAudit audit = { .blackout_ticks = INTERVAL_UNBOUNDED,
                          .moved_ticks = INTERVAL_UNBOUNDED,
                          .lost_ticks = INTERVAL_UNBOUNDED,
                          .ahead_ticks = INTERVAL_UNBOUNDED };
    Interval won, blackout = blackout_of(query, &audit.ways_contradict);

    audit.contradiction = interval_is_empty(interval_intersect(blackout, not_negative));
    audit.known = !audit.contradiction && interval_is_bounded(blackout);
    if (!audit.known)
        return audit;
    audit.blackout_ticks = interval_intersect(blackout, not_negative);
    won = won_ticks(query, audit.blackout_ticks);
    audit.lost_ticks = interval_neg(won);
    audit.moved_ticks = query->has_offsets ? interval_add(audit.blackout_ticks, won) : query->moved_ticks;
    audit.ahead_ticks = interval_add(query->ahead_ticks, won);
    return audit;
}
