/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relation.h"

#include <assert.h>
#include <string.h>

/* Why one running intersection is enough. With |d(remote - local)/dt| <= drift, exchange i allows at time t exactly
 * [lo_i - drift (t - t_i), hi_i + drift (t - t_i)]. The margins of all older exchanges grow at the same speed,
 * so widening their intersection by drift x dt is the same as intersecting them after each was widened: which of
 * them is the tightest never changes with time. Keeping them all, or the best few, could not give a narrower interval
 * without assuming more than the drift bound. Rounding costs less than one tick per exchange and side. */

#define PPB INT64_C(1000000000)

static RelationTrack track_empty(RelationState state)
{
    return (RelationTrack){ .state = state,
                            .bounds = INTERVAL_UNBOUNDED,
                            .confirm = state == RELATION_NONE ? 0 : RELATION_CONFIRM };
}

static bool track_has_bounds(const RelationTrack *track)
{
    return track->state == RELATION_OK || track->state == RELATION_STEPPED;
}

void relation_init(Relation *rel, const RelationParams *params)
{
    assert(params->timebase_hz >= 1 && params->timebase_hz <= UINT64_C(1000000000000));
    assert(params->drift_ppb <= 10000000 && params->tod_drift_ppb <= 100000000);
    memset(rel, 0, sizeof *rel);
    rel->params = *params;
    if (rel->params.tod_drift_ppb == 0)
        rel->params.tod_drift_ppb = RELATION_TOD_DRIFT_PPB_DEFAULT;
    rel->tb = track_empty(RELATION_NONE);
    rel->tod = track_empty(RELATION_NONE);
}

static int64_t tb_margin(const Relation *rel, int64_t ticks)
{
    return mul_div_ceil(ticks, rel->params.drift_ppb, PPB);
}

static int64_t tod_margin(const Relation *rel, int64_t ticks)
{
    return mul_div_ceil(ticks_to_ns_ceil(ticks, rel->params.timebase_hz), rel->params.tod_drift_ppb,
                        PPB);
}

/* Bounds at l4. Below: the remote clock read r3 before l4 was read and has not gone back since, so remote - local >= r3
 * - l4 at l4 without any margin. Above: remote - local was at most r2 - l1 at some instant of the round trip, which the
 * drift may have raised until l4. A reading is the floor of the true time, which could cost one tick each way; no message
 * travels in less than a tick, and the bounds leave out the whole flight.
 * The turnaround is in remote ticks and may exceed the round trip by the drift, but by nothing else. */
static Interval tb_bounds(const Relation *rel, const Exchange *x)
{
    int64_t round_trip = tb_minus(x->l4, x->l1), turnaround = tb_minus(x->r3, x->r2);
    int64_t lo = tb_minus(x->r3, x->l4), hi;

    if (round_trip < 0 || turnaround < 0 ||
        turnaround - round_trip > mul_div_floor(round_trip, rel->params.drift_ppb, PPB))
        return INTERVAL_EMPTY;
    hi = int64_add(lo, round_trip - turnaround); /* = r2 - l1, without its wrap */
    if (lo <= -RELATION_DIFFERENCE_MAX_TICKS || hi >= RELATION_DIFFERENCE_MAX_TICKS)
        return INTERVAL_EMPTY;
    return interval_of(lo, int64_add(hi, tb_margin(rel, round_trip)));
}

static Interval tod_bounds(const Relation *rel, const Exchange *x)
{
    int64_t round_trip = tod_minus(x->tod_l4, x->tod_l1);
    int64_t turnaround = tod_minus(x->tod_r3, x->tod_r2);

    if (round_trip < 0 || turnaround < 0)
        return INTERVAL_EMPTY;
    return interval_of(tod_minus(x->tod_r3, x->tod_l4),
                       int64_add(tod_minus(x->tod_r2, x->tod_l1),
                                 tod_margin(rel, tb_minus(x->l4, x->l1))));
}

/* The stamps against those of the exchange before. Exchanges may overlap; of two that do not, the later one has the later
 * remote stamps, and a remote clock that shows one value over two whole exchanges stands still. */
static bool is_out_of_order(const Relation *rel, const Exchange *x)
{
    if (!track_has_bounds(&rel->tb))
        return false;
    if (tb_minus(x->l4, rel->last.l4) < 0)
        return true;
    if (tb_minus(x->l1, rel->last.l4) < 0)
        return false;
    return tb_minus(x->r2, rel->last.r3) < 0 ||
           (x->r3.raw == rel->last.r2.raw && tb_minus(x->l4, rel->last.l1) > 2);
}

/* `fresh` holds at x->l4; empty means that the exchange is impossible. `margin` is for the age of what is kept. */
static void track_add(RelationTrack *track, Interval fresh, int64_t margin, const Exchange *x)
{
    bool follows = tb_minus(x->l1, track->at) >= 0;
    Interval both = fresh;

    if (interval_is_empty(fresh)) {
        *track = track_empty(RELATION_INVALID);
        return;
    }
    if (track_has_bounds(track))
        both = interval_intersect(interval_widen(track->bounds, margin), fresh);
    if (track->state == RELATION_INVALID || interval_is_empty(both)) {
        *track = track_empty(RELATION_STEPPED);
        both = fresh;
    } else if (track->confirm == 0 || (follows && --track->confirm == 0)) {
        track->state = RELATION_OK;
    }
    track->bounds = both;
    track->at = x->l4;
    track->exchanges += track->exchanges < UINT32_MAX;
}

static ClockReading reading_of(TbTicks tb, TodNs tod)
{
    return (ClockReading){ tb, tod, tb };
}

/* Whether a host's two clocks advanced alike over the stamps from the exchange before and through this one. */
static bool pairs_hold(const RelationParams *params, const ClockReading readings[3])
{
    return relation_pair_holds(params, &readings[0], &readings[1]) &&
           relation_pair_holds(params, &readings[1], &readings[2]);
}

/* Who is to blame for what `x` broke, before it replaces `last`. */
static RelationFault fault_of(const Relation *rel, const Exchange *x, bool tb_broken, bool tod_broken)
{
    const Exchange *last = &rel->last;
    RelationEvidence evidence = { .tb_broken = tb_broken, .tod_broken = tod_broken };

    evidence.local_holds = tb_minus(x->l4, x->l1) >= 0;
    evidence.remote_holds = tb_minus(x->r3, x->r2) >= 0;
    if (track_has_bounds(&rel->tb)) {
        evidence.local_holds &= tb_minus(x->l4, last->l4) >= 0;
        evidence.remote_holds &= tb_minus(x->l1, last->l4) < 0 ||
                                 (tb_minus(x->r2, last->r3) >= 0 && x->r3.raw != last->r2.raw);
    }
    if (track_has_bounds(&rel->tb) && x->has_tod && last->has_tod) {
        evidence.local_holds = pairs_hold(&rel->params,
                                          (ClockReading[]){ reading_of(last->l4, last->tod_l4),
                                                            reading_of(x->l1, x->tod_l1),
                                                            reading_of(x->l4, x->tod_l4) });
        evidence.remote_holds = pairs_hold(&rel->params,
                                           (ClockReading[]){ reading_of(last->r3, last->tod_r3),
                                                             reading_of(x->r2, x->tod_r2),
                                                             reading_of(x->r3, x->tod_r3) });
    }
    return relation_blame(&evidence);
}

/* Whether `fresh` contradicts what the track would still hold, without adding it. */
static bool track_is_broken(const RelationTrack *track, Interval fresh, int64_t margin)
{
    if (interval_is_empty(fresh))
        return true;
    return track_has_bounds(track) && margin >= 0 &&
           interval_is_empty(interval_intersect(interval_widen(track->bounds, margin), fresh));
}

/* An anchor of 2^63 ticks ago or more has no age, and is dropped. */
static void anchor_refine(const Relation *rel, RelationAnchor *anchor)
{
    int64_t age_ticks = tb_minus(rel->tb.at, anchor->at);

    anchor->set = anchor->set && age_ticks >= 0;
    if (anchor->set)
        anchor->tb_ticks = interval_intersect(anchor->tb_ticks,
                                              interval_widen(rel->tb.bounds, tb_margin(rel, age_ticks)));
}

/* The drift bound works backwards as well: what is known now bounds the difference at the anchors. */
static void anchors_update(Relation *rel)
{
    RelationAnchor now = { .set = true, .at = rel->tb.at, .tb_ticks = rel->tb.bounds };

    if (rel->tb.exchanges == 1) {
        rel->older = (RelationAnchor){ .set = false };
        rel->newer = now;
        return;
    }
    anchor_refine(rel, &rel->older);
    anchor_refine(rel, &rel->newer);
    if (tb_minus(now.at, rel->newer.at) / RELATION_BASELINE_S >= (int64_t)rel->params.timebase_hz) {
        rel->older = rel->newer;
        rel->newer = now;
    }
}

RelationDrift relation_drift(const Relation *rel)
{
    const RelationAnchor *from = rel->older.set ? &rel->older : &rel->newer;
    RelationDrift drift = { .ppb = INTERVAL_UNBOUNDED };
    Interval bound = interval_of(-(int64_t)rel->params.drift_ppb, rel->params.drift_ppb);

    if (rel->tb.state != RELATION_OK || tb_minus(rel->tb.at, from->at) <= 0)
        return drift;
    drift.known = true;
    drift.baseline_ticks = tb_minus(rel->tb.at, from->at);
    drift.ppb = interval_intersect(interval_scale(interval_sub(rel->tb.bounds, from->tb_ticks), PPB,
                                                  drift.baseline_ticks),
                                   bound);
    return drift;
}

static bool was_restarted(const RelationTrack *track)
{
    return track->state == RELATION_STEPPED && track->exchanges == 1;
}

static void tod_add(Relation *rel, const Exchange *x, Interval fresh)
{
    /* Ages are counted in local ticks: bounds on the time of day cannot outlive a step of the timebase. */
    if (rel->tod.state != RELATION_NONE &&
        (rel->tb.state == RELATION_INVALID || was_restarted(&rel->tb)))
        rel->tod = track_empty(RELATION_INVALID);
    if (track_has_bounds(&rel->tod) && tb_minus(x->l4, rel->tod.at) < 0)
        rel->tod = track_empty(RELATION_NONE); /* of 2^63 ticks ago or more: no age can be told */
    if (x->has_tod && rel->tb.state != RELATION_INVALID)
        track_add(&rel->tod, fresh, tod_margin(rel, tb_minus(x->l4, rel->tod.at)), x);
}

void relation_set_stored(Relation *rel)
{
    assert(rel->tb.state == RELATION_OK);
    rel->tod = track_empty(RELATION_NONE);
    rel->last.has_tod = false;
    rel->fault = RELATION_FAULT_NONE;
    rel->stored = true;
    rel->fresh_ticks = INTERVAL_UNBOUNDED;
}

/* Both are widened by the same margins and intersected with the same bounds: once equal they stay so. A contradiction leaves nothing
 * of what was stored. */
static void stored_update(Relation *rel, Interval tb, int64_t margin)
{
    rel->stored = rel->stored && rel->tb.state == RELATION_OK; /* then the exchange is in order, and margin >= 0 */
    if (!rel->stored)
        return;
    rel->fresh_ticks = interval_intersect(interval_widen(rel->fresh_ticks, margin), tb);
    rel->stored = rel->fresh_ticks.lo < rel->tb.bounds.lo || rel->fresh_ticks.hi > rel->tb.bounds.hi;
}

RelationState relation_add(Relation *rel, const Exchange *x)
{
    Interval tb = is_out_of_order(rel, x) ? INTERVAL_EMPTY : tb_bounds(rel, x);
    Interval tod = x->has_tod ? tod_bounds(rel, x) : INTERVAL_UNBOUNDED;
    int64_t tb_age_margin = tb_margin(rel, tb_minus(x->l4, rel->tb.at));
    bool tb_broken = track_is_broken(&rel->tb, tb, tb_age_margin);
    bool tod_broken = track_is_broken(&rel->tod, tod, tod_margin(rel, tb_minus(x->l4, rel->tod.at)));

    if (tb_broken || tod_broken)
        rel->fault = fault_of(rel, x, tb_broken, tod_broken);
    track_add(&rel->tb, tb, tb_age_margin, x);
    stored_update(rel, tb, tb_age_margin);
    tod_add(rel, x, tod);
    rel->last = *x;
    if (track_has_bounds(&rel->tb))
        anchors_update(rel);
    if (rel->tb.state == RELATION_OK &&
        (rel->tod.state == RELATION_OK || rel->tod.state == RELATION_NONE))
        rel->fault = RELATION_FAULT_NONE;
    return rel->tb.state;
}

RelationBounds relation_at(const Relation *rel, TbTicks now)
{
    bool known = track_has_bounds(&rel->tb);
    int64_t age = known ? tb_minus(now, rel->tb.at) : 0;
    int64_t tod_age = tb_minus(now, rel->tod.at);
    RelationBounds bounds = { .state = rel->tb.state,
                              .tb_ticks = INTERVAL_UNBOUNDED,
                              .tod_ns = INTERVAL_UNBOUNDED,
                              .tod_state = rel->tod.state,
                              .exchanges = rel->tb.exchanges,
                              .fault = rel->fault,
                              .stored = known && rel->stored };

    bounds.age_ticks = age > 0 ? age : 0;
    if (known)
        bounds.tb_ticks = interval_widen(rel->tb.bounds, tb_margin(rel, bounds.age_ticks));
    if (rel->tod.state == RELATION_OK)
        bounds.tod_ns = interval_widen(rel->tod.bounds, tod_margin(rel, tod_age > 0 ? tod_age : 0));
    return bounds;
}

const char *relation_state_name(RelationState state)
{
    switch (state) {
    case RELATION_NONE:
        return "none";
    case RELATION_OK:
        return "ok";
    case RELATION_STEPPED:
        return "stepped";
    case RELATION_INVALID:
        return "invalid";
    }
    return "invalid";
}

const char *relation_fault_name(RelationFault fault)
{
    switch (fault) {
    case RELATION_FAULT_NONE:
        return "none";
    case RELATION_FAULT_TOD:
        return "tod";
    case RELATION_FAULT_LOCAL_TOD:
        return "local-tod";
    case RELATION_FAULT_REMOTE_TOD:
        return "remote-tod";
    case RELATION_FAULT_TIMEBASE:
        return "timebase";
    case RELATION_FAULT_LOCAL_TIMEBASE:
        return "local-timebase";
    case RELATION_FAULT_REMOTE_TIMEBASE:
        return "remote-timebase";
    case RELATION_FAULT_CLOCKS:
        return "clocks";
    case RELATION_FAULT_LOCAL_CLOCKS:
        return "local-clocks";
    case RELATION_FAULT_REMOTE_CLOCKS:
        return "remote-clocks";
    }
    return "clocks";
}
