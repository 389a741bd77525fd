/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The plan: a destination timebase offset that can never make the guest's timebase go back.
 *
 * guest TB = host TB + offset; the kernel takes multiples of 2^24 ticks only and rounds up
 * (Linux arch/powerpc/kvm/book3s_hv.c, kvmppc_set_one_reg_hv). With off1 the guest's offset on the
 * source and rel = TB2 - TB1 (destination minus source), following real time means off1 - rel; every
 * offset >= off1 - rel.lo is safe for every value in the interval, since the guest resumes after it
 * stopped. Pure: integers, 128-bit intermediates, rounding stated.
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
    int64_t nearest_ticks;  /* safe multiple nearest to real time, counting `ahead` */
    Interval jump_ticks;    /* forward jump of the guest's TB against real time with offset_ticks */
    Interval nearest_jump_ticks; /* the same with nearest_ticks */
} OffsetPlan;

typedef struct OffsetQuery {
    Interval relation_ticks;  /* destination minus source timebase */
    int64_t source_offset_ticks; /* off1: the guest's offset on the source */
    Interval ahead_ticks;     /* how far the guest's TB is ahead (+) of or behind (-) real time;
                               * [0, 0] for a guest that never moved */
    int64_t blackout_lo_ticks; /* the guest is stopped at least so long; 0 is always safe */
} OffsetQuery;

/* known = false if the relation is unbounded or empty or a result leaves the 64-bit range. */
OffsetPlan offset_plan(const OffsetQuery *query);
