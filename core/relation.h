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

#include <stddef.h>

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
    uint32_t tod_drift_ppb; /* the same between the two times of day, per second of local timebase, and
                             * of each against its own timebase; 0 means RELATION_TOD_DRIFT_PPB_DEFAULT,
                             * .. 10^8 (adjtimex(2) takes ticks that are off by 10 %) */
} RelationParams;

/* What a contradiction says is wrong, as far as it can be told. A host whose timebase and time of day did not advance
 * alike has moved one of the two; which of them, is told by the relation that broke. */
typedef enum RelationFault {
    RELATION_FAULT_NONE,
    RELATION_FAULT_TOD, /* a time of day was stepped, here or there */
    RELATION_FAULT_LOCAL_TOD,
    RELATION_FAULT_REMOTE_TOD,
    RELATION_FAULT_TIMEBASE, /* a timebase jumped, stands still or drifts beyond the bound */
    RELATION_FAULT_LOCAL_TIMEBASE,
    RELATION_FAULT_REMOTE_TIMEBASE,
    RELATION_FAULT_CLOCKS, /* timebase and time of day of a host moved together: another machine under the
                            * same name, a restored virtual machine, stale or invented answers */
    RELATION_FAULT_LOCAL_CLOCKS,
    RELATION_FAULT_REMOTE_CLOCKS,
} RelationFault;

/* A relation as handed out: bounds at one local instant. */
typedef struct RelationBounds {
    RelationState state; /* of the timebases */
    Interval tb_ticks;   /* remote - local timebase; unbounded unless state is OK or STEPPED */
    Interval tod_ns;     /* remote - local time of day; unbounded unless tod_state is OK */
    int64_t age_ticks;   /* since the newest exchange, >= 0 */
    uint32_t exchanges;  /* how many support the bounds */
    RelationState tod_state; /* of the times of day */
    RelationFault fault; /* the newest contradiction; NONE when all that is sampled is OK again */
    bool stored; /* tb_ticks rests on exchanges that an earlier process made: those since alone would leave it wider */
} RelationBounds;

/* One kind of clock: bounds that hold at local timebase `at`. */
typedef struct RelationTrack {
    RelationState state;
    Interval bounds;
    TbTicks at;         /* l4 of the newest exchange of this track */
    uint32_t exchanges; /* since the last start */
    uint32_t confirm;   /* consistent exchanges still needed before OK */
} RelationTrack;

/* Bounds at an earlier instant, for the measured drift. */
typedef struct RelationAnchor {
    bool set;
    TbTicks at;
    Interval tb_ticks;
} RelationAnchor;

/* Opaque by convention: only relation.c opens it. A plain value: may be copied, needs no release. */
typedef struct Relation {
    RelationParams params;
    RelationTrack tb;  /* ticks */
    RelationTrack tod; /* ns */
    Exchange last;     /* valid unless tb.state is NONE or INVALID */
    RelationFault fault;
    RelationAnchor older, newer; /* newer is at most one baseline old, older at most two */
    bool stored;
    Interval fresh_ticks; /* valid if stored: what the exchanges since then allow at tb.at */
} Relation;

void relation_init(Relation *rel, const RelationParams *params);

/* Takes one exchange; returns the state after it. */
RelationState relation_add(Relation *rel, const Exchange *x);

/* Says that `rel`, which is OK, was read from a file: `stored` is told until fresh exchanges alone give the same bounds. The time
 * of day is forgotten: wall clocks may have been stepped while nobody watched them, timebases cannot. */
void relation_set_stored(Relation *rel);

/* Bounds at local timebase `now`, widened by the drift since the newest exchange. A `now` older
 * than the newest exchange counts as that exchange's l4. */
RelationBounds relation_at(const Relation *rel, TbTicks now);

/* "none", "ok", "stepped", "invalid" */
const char *relation_state_name(RelationState state);

/* "none", "tod", "local-tod", "remote-tod", "timebase", "local-timebase", "remote-timebase", "clocks", "local-clocks",
 * "remote-clocks" */
const char *relation_fault_name(RelationFault fault);

/* --- bursts (relation-burst.c) ---------------------------------------------------------------- */

/* Exchanges in a row that narrow nothing, after which a burst is over; and the most it takes. */
#define RELATION_BURST_IDLE 12
#define RELATION_BURST_MAX  32

/* Starts as { 0 }. */
typedef struct RelationBurst {
    uint32_t made, idle;
    int64_t narrowest_ticks;
} RelationBurst;

/* One more exchange was made; `bounds` are those right after it. Whether another one is worth its round trip. */
bool relation_burst_goes_on(RelationBurst *burst, const RelationBounds *bounds);

/* --- measured drift ------------------------------------------------------------------------- */

/* Length of a baseline. The measured drift is that of one to two of them, less after a start. */
#define RELATION_BASELINE_S 4096

/* What the bounds at both ends of a baseline prove of the drift between them. It is a statement on the past: oscillators
 * wander, so bounds are always widened by drift_ppb, never by this. */
typedef struct RelationDrift {
    bool known;             /* state is OK and there is a baseline */
    Interval ppb;           /* mean of d(remote - local) / d(local), within +-drift_ppb */
    int64_t baseline_ticks; /* > 0 */
} RelationDrift;

RelationDrift relation_drift(const Relation *rel);

/* --- through the wall clocks (relation-wall.c) ------------------------------------------------ */

/* A pair of stamps that are said to be of one instant may be this far apart. Only for naming a fault. */
#define RELATION_PAIR_SLACK_NS INT64_C(1000000)

/* Whether one host's timebase and time of day advanced alike from `then` to `now`, up to the drift and
 * RELATION_PAIR_SLACK_NS. Differences only: either may have any value. */
bool relation_pair_holds(const RelationParams *params, const ClockReading *then,
                         const ClockReading *now);

/* Ticks that pass on a host while its time of day advances by `ns`, slewed or not. */
Interval relation_ticks_of_ns(const RelationParams *params, Interval ns);

/* The timebase when that host's time of day was `tod`, minus pair->tb_before, if neither was stepped between. */
Interval relation_ticks_at_tod(const RelationParams *params, const ClockReading *pair, TodNs tod);

/* remote - local timebase at the instant of the local reading, by the classic formula: both pairs and the
 * difference of the times of day `tod_ns` (remote - local, at that instant; unbounded gives unbounded).
 * The pairs may be of different instants; the time between them costs tod_drift_ppb. */
Interval relation_through_wall(const RelationParams *params, const ClockReading *local,
                               const ClockReading *remote, Interval tod_ns);

typedef struct RelationReadings {
    ClockReading local, remote;           /* now */
    bool has_then;                        /* the same two hosts some time before */
    ClockReading local_then, remote_then;
} RelationReadings;

/* Both ways to the same number, and what both allow. Over sound clocks the direct way is the narrower one; the other
 * is there to contradict it. */
typedef struct RelationWays {
    Interval direct_ticks;
    Interval wall_ticks; /* unbounded while the relation of the times of day is unknown */
    Interval tb_ticks;   /* the intersection; empty: they contradict each other */
    RelationFault fault; /* NONE unless tb_ticks is empty */
} RelationWays;

/* `bounds` is of the instant of readings->local. */
RelationWays relation_two_ways(const RelationParams *params, const RelationBounds *bounds,
                               const RelationReadings *readings);

typedef struct RelationEvidence {
    bool tb_broken, tod_broken;       /* which relation broke; at least one */
    bool local_holds, remote_holds;   /* which host's pair advanced alike; true if not known */
} RelationEvidence;

RelationFault relation_blame(const RelationEvidence *evidence);

/* --- loop closure (relation-loop.c) ----------------------------------------------------------- */

/* Hosts are numbered 0 .. RELATION_LOOP_HOSTS_MAX - 1. */
#define RELATION_LOOP_HOSTS_MAX 64

typedef struct RelationLoopLink {
    uint8_t a, b;       /* a != b */
    Interval tb_ticks;  /* timebase of b minus that of a; unbounded: not linked */
} RelationLoopLink;

typedef enum RelationLoopState {
    RELATION_LOOP_UNKNOWN, /* not one triangle is linked */
    RELATION_LOOP_CLOSES,  /* around every triangle the differences may sum to 0 */
    RELATION_LOOP_OPEN,    /* at least one cannot: a relation in it is wrong */
} RelationLoopState;

typedef struct RelationLoop {
    RelationLoopState state;
    uint32_t closed, open; /* triangles */
    int64_t gap_ticks;     /* of the worst one: how far its sum stays away from 0; 0 if none is open */
    int suspect_link;      /* index of the only link that explains every open triangle, else -1 */
    int suspect_host;      /* the only host that does, if no single link does, else -1 */
} RelationLoop;

/* {a-b, b-c, c-a} each as (second minus first): how far their sum stays away from 0; 0: the triangle closes, or a
 * side is unbounded. An empty side is a gap of INT64_MAX. */
int64_t relation_loop_gap(Interval ab, Interval bc, Interval ca);

/* Each pair of hosts at most once. All links hold at about one instant; `slack_ticks` >= 0 is what each may have drifted meanwhile. */
RelationLoop relation_loop_judge(const RelationLoopLink *links, size_t n_links, int64_t slack_ticks);
