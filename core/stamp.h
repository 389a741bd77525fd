/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where on the timebase a time-of-day stamp lies.
 *
 * QEMU stamps its events with the wall clock; a wall clock may be stepped or slewed. Counted from a
 * TB/TOD pair read surely before the stamped instant, or from one read surely after it, the stamp
 * gives a timebase. A step in between spoils one of the two counts, never both: the instant lies in
 * their hull, however the clock was slewed within its bound and stepped once. Pure.
 */

#include "interval.h"
#include "units.h"

typedef struct StampQuery {
    ClockReading before; /* of the same host, surely before the stamped instant */
    ClockReading after;  /* surely after it */
    TodNs stamp;
    int64_t resolution_ns;  /* the instant lies in [stamp, stamp + resolution] */
    uint64_t timebase_hz;   /* 1 .. 10^12 */
    uint32_t tod_drift_ppb; /* largest rate difference of time of day and timebase; 0 .. 10^8 */
} StampQuery;

typedef struct StampBounds {
    TbTicks lo, hi; /* the timebase at the stamped instant */
    bool stepped;   /* the wall clock was moved between the two pairs: bounds are wide */
} StampBounds;

/* Bounds never leave [before.tb_before, after.tb_after]. */
StampBounds stamp_bounds(const StampQuery *query);
