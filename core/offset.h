/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The plan: a destination timebase offset that can never make the guest's timebase go back.
 *
 * guest TB = host TB + offset; the kernel takes multiples of 2^24 ticks only and rounds up
 * (Linux arch/powerpc/kvm/book3s_hv.c, kvmppc_set_one_reg_hv). With off1 the guest's offset on the
 * source and rel = TB2 - TB1 (destination minus source), following real time means off1 - rel; every
 * offset >= off1 - rel.lo is safe for every value in the interval, since the guest resumes after it
 * stopped. Pure: integers, 128-bit intermediates, rounding stated.
 *
 * Offsets count from the one that the guest got when it first ran, which nobody is told: from 2.9 on QEMU begins a KVM guest's
 * timebase at 0, with minus the host's timebase of that instant, and the kernel rounds it up (QEMU hw/ppc/ppc.c,
 * timebase_load, of a guest_timebase that was never saved). It is a multiple of 2^24 too, so that rounding is the same with and without
 * it, and only differences of offsets matter. Whoever sets an offset adds the change to the one in force on the source.
 */

#include "interval.h"
#include "units.h"

/* x rounded up to a multiple of 2^24 (towards +infinity, negative values too), as the kernel does. */
int64_t offset_round_up(int64_t ticks);

typedef struct OffsetPlan {
    bool known;             /* false: no plan is possible, all else is undefined */
    int64_t offset_ticks;   /* smallest multiple of 2^24 that is safe for the whole interval */
    int64_t offset_hi_ticks; /* the same for the upper end: where the true smallest one may lie */
    bool exact;             /* both are equal: the interval straddles no multiple */
    int64_t nearest_ticks;  /* safe multiple nearest to real time, counting `ahead`; with a hold_ticks the next lower one */
    int64_t hold_ticks;     /* 0; or nearest_ticks is safe only if the start is put off by so much more */
    Interval jump_ticks;    /* forward jump of the guest's TB against real time with offset_ticks */
    Interval nearest_jump_ticks; /* the same with nearest_ticks */
} OffsetPlan;

typedef struct OffsetQuery {
    Interval relation_ticks;  /* destination minus source timebase, until the guest resumes: of
                               * relation_at() the latest instant the plan is for, not now */
    int64_t source_offset_ticks; /* off1: the guest's offset on the source */
    Interval ahead_ticks;     /* how far the guest's TB is ahead (+) of or behind (-) real time;
                               * [0, 0] for a guest that never moved */
    int64_t blackout_lo_ticks; /* the guest is stopped at least so long; 0 is always safe */
    bool has_floor;
    int64_t floor_ticks;       /* TB1(stop) + off1 - TB2(now) of a guest that is already stopped and not yet
                                * started: safe by itself, whatever the relation is. The less of the two
                                * bounds counts */
    int64_t hold_max_ticks;    /* the start may be put off by so many ticks of the destination, from the instant of floor_ticks, or
                                * from the end of blackout_lo_ticks on; 0: it may not */
} OffsetQuery;

/* A guest that is ahead can only be brought back while it is stopped, and no further than it was stopped. One that is moved twice with
 * hardly a blackout, and rounded up each time, would end this much ahead or more; then it is better held for some ms: never for
 * more than 2^24 ticks, and those were missing from a blackout shorter than that. */
#define OFFSET_AHEAD_MAX_TICKS (3 * TB_OFFSET_UNIT_TICKS / 2)

/* known = false if the relation is unbounded or empty or a result leaves the 64-bit range. */
OffsetPlan offset_plan(const OffsetQuery *query);

/* How far from real time the guest ends on that destination if the nearest multiple is taken: ahead + jump. What a
 * destination is ranked by: the phase of its timebase decides how near a multiple of 2^24 comes. Unbounded
 * if there is no plan or `ahead_ticks` is not known. */
Interval offset_expected_error(const OffsetQuery *query);

/* The worst the interval allows, max(|lo|, |hi|), for sorting: smaller is better. INT64_MAX if not bounded. */
int64_t offset_error_size_ticks(Interval error_ticks);

/* --- guard ------------------------------------------------------------------------------------ */

/* Linux calls a soft lockup after 2 x watchdog_thresh, 10 s by default (kernel/watchdog.c, get_softlockup_thresh): a
 * guest whose timebase leaps over it has every CPU reported as stuck. */
#define OFFSET_SOFT_LOCKUP_NS (INT64_C(20) * NS_PER_S)

/* Whether a forward step of the guest's timebase may exceed its soft-lockup limit. Unbounded above: yes. */
bool offset_jump_trips_watchdog(Interval jump_ticks, uint64_t timebase_hz);

/* Whether it may exceed `max_jump_ns` (>= 0) or the soft-lockup limit, whichever is less. */
bool offset_jump_is_too_large(Interval jump_ticks, uint64_t timebase_hz, int64_t max_jump_ns);

/* --- what stock QEMU does (offset-qemu.c) ----------------------------------------------------- */

typedef enum OffsetEvent {
    OFFSET_EVENT_MIGRATION, /* to another process, or to a file (virsh save) and from it later */
    OFFSET_EVENT_RESTORE,   /* of a snapshot that QEMU itself keeps (savevm, loadvm) */
    OFFSET_EVENT_STOP_CONT, /* pause and resume in one process */
} OffsetEvent;

typedef struct OffsetQemuQuery {
    OffsetEvent event;
    bool kvm;                     /* false: TCG */
    uint32_t source_version;      /* QEMU_VERSION(): of the process that stopped the guest */
    uint32_t destination_version; /* of the one that starts it */
    bool paused_before;           /* the guest was paused already when the migration stopped it */
    bool destination_takes_offset; /* false: KVM PR or no TBU40. The register write fails silently */
    Interval blackout_ticks;      /* from the stop to the start of the vCPUs, >= 0 */
    Interval stop_to_save_ticks;  /* from the stop to the timebase in the stream; a part of the blackout.
                                   * [0, blackout.hi] if not known; for a paused guest it includes the pause */
    Interval load_to_run_ticks;   /* from loading the timebase to the start; the same. Matters for 2.1 .. 2.8 */
    Interval raw_jump_ticks;      /* destination's TB at the start minus guest TB at the stop: what the guest sees
                                   * where no offset is set. Unbounded if not known */
} OffsetQemuQuery;

typedef enum OffsetQemuRule {
    OFFSET_QEMU_UNKNOWN,      /* nothing can be said of that pair: `known` is false */
    OFFSET_QEMU_NO_TIMEBASE,  /* no offset is set (<= 2.0, or the host takes none): any size, any sign */
    OFFSET_QEMU_AT_LOAD,      /* destination 2.1 .. 2.8: lost between save and load, counted before and after */
    OFFSET_QEMU_AT_RUN,       /* 2.9 and later: counted until the save, frozen from there to the start */
    OFFSET_QEMU_FROZEN,       /* frozen from the stop; QEMU's stale copy may take up to 2^24 - 1 ticks back */
    OFFSET_QEMU_RUNS_ON,      /* stop and cont before 2.9: the timebase never stopped */
    OFFSET_QEMU_VIRTUAL_CLOCK, /* TCG: stands still */
} OffsetQemuRule;

typedef struct OffsetQemuPrediction {
    bool known;
    OffsetQemuRule rule;
    Interval jump_ticks; /* guest TB at the first instruction minus that at the last one before */
    Interval lost_ticks; /* blackout - jump: how far the guest falls behind real time */
    bool may_go_back;    /* jump_ticks reaches below 0 */
} OffsetQemuPrediction;

OffsetQemuPrediction offset_qemu_prediction(const OffsetQemuQuery *query);

/* --- audit (offset-audit.c) -------------------------------------------------------------------- */

typedef struct OffsetAuditQuery {
    uint64_t timebase_hz;
    uint32_t tod_drift_ppb;      /* as in RelationParams; 0: its default */
    bool has_tb;                 /* stop and start are known as readings of the hosts' timebases */
    TbTicks stop_tb;             /* source; the guest stopped at stop_tb + stop_error_ticks */
    Interval stop_error_ticks;   /* a STOP event comes after the stop: lo < 0 */
    TbTicks resume_tb;           /* destination */
    Interval resume_error_ticks; /* a RESUME event comes before the start: hi > 0 */
    Interval relation_ticks;     /* destination minus source timebase, at the resume */
    bool has_tod;                /* the same as times of day */
    TodNs stop_tod, resume_tod;
    Interval stop_error_ns, resume_error_ns;
    Interval tod_ns;             /* destination minus source time of day, at the resume */
    bool has_offsets;            /* both offsets in force are known, else moved_ticks is used */
    int64_t source_offset_ticks, destination_offset_ticks;
    Interval moved_ticks;        /* how far the guest's TB moved from stop to start: seen, or predicted; unbounded
                                  * if neither */
    Interval ahead_ticks;        /* the guest's ledger before the migration; unbounded if unknown */
} OffsetAuditQuery;

typedef struct OffsetAudit {
    bool known;              /* the blackout has bounds, else all is unbounded */
    bool ways_contradict;    /* timebases and times of day tell two different stories: the times of day were left
                              * out (a wall clock was stepped meanwhile) */
    bool contradiction;      /* the guest started before it stopped: a relation or a stamp is wrong */
    Interval blackout_ticks; /* >= 0, of the source's timebase */
    Interval moved_ticks;    /* the guest's TB over the blackout */
    Interval lost_ticks;     /* blackout - moved; < 0: won */
    Interval ahead_ticks;    /* the guest's ledger after it: before - lost */
} OffsetAudit;

OffsetAudit offset_audit(const OffsetAuditQuery *query);
