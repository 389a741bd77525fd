/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The only reader of timebase and system clocks: hardware (mftb) or simulated.
 *
 * A simulated timebase is CLOCK_MONOTONIC_RAW x frequency x (1 + drift) + start, for machines without mftb; it says
 * so through tb_clock_is_simulated() and whoever uses it must pass that on. Main thread only.
 */

#include <glib.h>

#include "units.h"

typedef struct TbClock TbClock;

typedef struct TbClockConfig {
    gboolean simulated;
    guint64 frequency_hz; /* simulated: 1 MHz .. 10 GHz. hardware: 0 = take it from the host; else it must agree */
    guint64 start_ticks;  /* simulated only: TB at CLOCK_MONOTONIC_RAW 0 */
    gint32 drift_ppb;     /* simulated only: -10^6 .. 10^6 */
    const char *root;     /* root prefix for /proc/cpuinfo and the device tree; "" for the real one */
} TbClockConfig;

/* Hardware on a machine without mftb, or with a frequency that cpuinfo and device tree do not agree on:
 * TBSYNC_ERROR_INVALID that names both. */
TbClock *tb_clock_new(const TbClockConfig *config, GError **error);
void tb_clock_free(TbClock *clock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TbClock, tb_clock_free)

TbTicks tb_clock_read_tb(const TbClock *clock);

/* TB, TOD, TB; the tightest of a few tries. */
ClockReading tb_clock_read(const TbClock *clock);

guint64 tb_clock_frequency_hz(const TbClock *clock);
gboolean tb_clock_is_simulated(const TbClock *clock);

/* CLOCK_BOOTTIME in ns: deadlines and ages. CLOCK_REALTIME in ns: stamps of records. */
gint64 tb_clock_boot_ns(void);
gint64 tb_clock_real_ns(void);
