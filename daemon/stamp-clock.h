/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* TB/TOD pairs of the recent past, to place QEMU's wall-clock stamps on the timebase.
 *
 * While held it reads a pair every STAMP_PERIOD_MS; a stamp that comes with an event is then placed
 * between a pair of more than STAMP_LATENCY_MS ago and one read now (core/stamp.h). Idle, and free
 * of cost, while nobody holds it. Main thread only.
 */

#include <glib.h>

#include "stamp.h"
#include "tb-clock.h"

#define STAMP_PERIOD_MS 250

/* An event reaches us within this time after QEMU stamped it: two local sockets and two event
 * loops. If it takes longer, the bounds hold unless the wall clock was stepped meanwhile; they grow with the distance to
 * the first hold beyond STAMP_REACH_MS. What is stamped comes after the first hold. */
#define STAMP_LATENCY_MS 1000
#define STAMP_REACH_MS   10000

typedef struct StampClock StampClock;

/* period_ms: 0: STAMP_PERIOD_MS, which STAMP_REACH_MS is for. */
StampClock *stamp_clock_new(const TbClock *clock, guint period_ms);
void stamp_clock_free(StampClock *stamps);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StampClock, stamp_clock_free)

/* Counted. The first hold reads a pair at once. */
void stamp_clock_hold(StampClock *stamps);
void stamp_clock_release(StampClock *stamps);

/* The timebase when this host's time of day was stamp_real_ns, to the microsecond. FALSE if no pair
 * was read before: nobody held the clock. */
gboolean stamp_clock_place(const StampClock *stamps, gint64 stamp_real_ns, StampBounds *ret);

/* The timebases at two instants of CLOCK_BOOTTIME that are past: *ret_lo is at or before the first, *ret_hi at or after the
 * second. Whether the clock is held or not. */
void stamp_clock_place_boot(const StampClock *stamps, gint64 first_boot_ns, gint64 second_boot_ns, TbTicks *ret_lo,
                            TbTicks *ret_hi);

TbTicks stamp_clock_now(const StampClock *stamps);
guint64 stamp_clock_frequency_hz(const StampClock *stamps);
