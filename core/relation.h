/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The relation between two hosts' clocks: bounds on (remote - local) timebase and time of day.
 *
 * Fed with the stamps of request/reply exchanges on the link. Each exchange bounds the difference
 * with no assumption on symmetry: the peer received after we sent and replied before we received,
 * so remote - local lies in [r3 - l4, r2 - l1]. Older bounds are widened by drift_ppb x age and
 * intersected with new ones. An empty intersection means that a clock was stepped or is broken: all
 * history is dropped, the state says so, and the relation starts again from the newest exchange.
 * Timebase and time of day are two tracks of the same kind. A contradiction of the timebases drops
 * both; one of the times of day alone restarts only their own track, since wall clocks are stepped
 * every day and the guests' timebases do not care.
 *
 * Pure: plain values, no allocation, no clock reads ("now" is an argument), integers, rounding
 * outward. The bounds hold as long as the two oscillators drift apart by at most drift_ppb.
 */

#include "interval.h"
#include "units.h"

/* The stamps of one exchange. All "l" are the local host's clocks, all "r" the remote host's. */
typedef struct Exchange {
    TbTicks l1; /* local, before the request was sent */
    TbTicks r2; /* remote, after the request was received */
    TbTicks r3; /* remote, before the reply was sent; r3 >= r2 */
    TbTicks l4; /* local, after the reply was received; l4 >= l1 */
    bool has_tod;
    TodNs tod_l1, tod_r2, tod_r3, tod_l4; /* same four instants; valid if has_tod */
} Exchange;

typedef enum RelationState {
    RELATION_NONE,    /* no sound exchange yet: bounds are unbounded. Left by a sound exchange */
    RELATION_OK,      /* bounds hold. Left by a contradiction or an impossible exchange */
    RELATION_STEPPED, /* the newest exchange contradicted the older ones, which were dropped: a clock
                       * was stepped, or drifts faster than drift_ppb; or it is the first possible
                       * one after INVALID. The bounds are those of the exchanges since then alone
                       * and may not be used for a plan. Left by RELATION_CONFIRM further consistent
                       * exchanges */
    RELATION_INVALID, /* the newest exchange is impossible by itself (l4 < l1, r3 < r2, turnaround
                       * longer than the round trip), is older than the one before it, or its remote
                       * clock went back or stood still: the peer is broken or lies. No bounds. Left
                       * by a possible exchange, to STEPPED */
} RelationState;

/* Consistent exchanges needed to trust a relation again after STEPPED or INVALID. Each has to begin after the one
 * before it ended: a repeated exchange confirms nothing. */
#define RELATION_CONFIRM 3

/* Differences of the two timebases of 2^62 ticks (285 years at 512 MHz) and more are taken for nonsense. */
#define RELATION_DIFFERENCE_MAX_TICKS (INT64_C(1) << 62)

/* Two free-running oscillators (100 ppm) and a kernel that slews at its limit of 500 ppm (adjtime(2); the same
 * is the range of the frequency of adjtimex(2)). Whoever lets chronyd slew faster (maxslewrate) raises it; else a fast
 * slew is told as a step of the time of day. */
#define RELATION_TOD_DRIFT_PPB_DEFAULT 600000u

typedef struct RelationParams {
    uint64_t timebase_hz; /* of both hosts; they must be equal. 1 .. 10^12 */
    uint32_t drift_ppb;   /* largest drift between the two oscillators; 0 .. 10^7 */
    uint32_t tod_drift_ppb; /* the same between the two times of day, per second of local timebase; 0 means
                             * RELATION_TOD_DRIFT_PPB_DEFAULT, .. 10^9 */
} RelationParams;

/* A relation as handed out: bounds at one local instant. */
typedef struct RelationBounds {
    RelationState state; /* of the timebases */
    Interval tb_ticks;   /* remote - local timebase; unbounded unless state is OK or STEPPED */
    Interval tod_ns;     /* remote - local time of day; unbounded unless tod_state is OK */
    int64_t age_ticks;   /* since the newest exchange, >= 0 */
    uint32_t exchanges;  /* how many support the bounds */
    RelationState tod_state; /* of the times of day */
} RelationBounds;

/* One kind of clock: bounds that hold at local timebase `at`. */
typedef struct RelationTrack {
    RelationState state;
    Interval bounds;
    TbTicks at;         /* l4 of the newest exchange of this track */
    uint32_t exchanges; /* since the last start */
    uint32_t confirm;   /* consistent exchanges still needed before OK */
} RelationTrack;

/* Opaque by convention: only relation.c opens it. A plain value: may be copied, needs no release. */
typedef struct Relation {
    RelationParams params;
    RelationTrack tb;  /* ticks */
    RelationTrack tod; /* ns */
    Exchange last;     /* valid unless tb.state is NONE or INVALID */
} Relation;

void relation_init(Relation *rel, const RelationParams *params);

/* Takes one exchange; returns the state after it. */
RelationState relation_add(Relation *rel, const Exchange *x);

/* Bounds at local timebase `now`, widened by the drift since the newest exchange. A `now` older
 * than the newest exchange counts as that exchange's l4. */
RelationBounds relation_at(const Relation *rel, TbTicks now);

/* "none", "ok", "stepped", "invalid" */
const char *relation_state_name(RelationState state);
