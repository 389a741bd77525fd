/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The only reader of timebase and system clocks: hardware (mftb) or simulated.
 *
 * A simulated timebase is CLOCK_MONOTONIC_RAW x frequency x (1 + drift) + start, for machines without mftb; it says
 * so through tb_clock_is_simulated() and whoever uses it must pass that on. All processes of one machine that use the same
 * figures read the same simulated timebase. What the machine says of its frequency is host-probe's business and comes in
 * as host_hz. Reads nothing but clocks. Main thread only.
 */

#include <glib.h>

#include "units.h"

typedef struct TbClock TbClock;

#define TB_CLOCK_HZ_MIN        G_GUINT64_CONSTANT(1000000)     /* 1 MHz */
#define TB_CLOCK_HZ_MAX        G_GUINT64_CONSTANT(10000000000) /* 10 GHz */
#define TB_CLOCK_DRIFT_PPB_MAX 1000000

typedef struct TbClockConfig {
    gboolean simulated;
    guint64 frequency_hz; /* FrequencyHz=, TB_CLOCK_HZ_MIN .. _MAX. simulated: 0 = 512 MHz. hardware: 0 = host_hz */
    guint64 host_hz;      /* hardware only: what host-probe found (HostFacts.timebase_hz); 0 = unknown */
    guint64 start_ticks;  /* simulated only: TB at CLOCK_MONOTONIC_RAW 0 */
    gint32 drift_ppb;     /* simulated only: -10^6 .. 10^6 */
} TbClockConfig;

/* TBSYNC_ERROR_INVALID, with both values where two clash: a figure out of range; hardware on a machine without mftb;
 * hardware with no frequency known, with frequency_hz and host_hz that differ, or with a register that counts more than 1 %
 * off against CLOCK_MONOTONIC_RAW. The last check takes 4 ms, on a machine that is overloaded up to 0.4 s. */
TbClock *tb_clock_new(const TbClockConfig *config, GError **error);
void tb_clock_free(TbClock *clock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TbClock, tb_clock_free)

TbTicks tb_clock_read_tb(const TbClock *clock);

/* TB, TOD, TB; the tightest of a few tries. */
ClockReading tb_clock_read(const TbClock *clock);

/* What every tick is converted with: the nominal frequency, without the simulated drift. */
guint64 tb_clock_frequency_hz(const TbClock *clock);
gboolean tb_clock_is_simulated(const TbClock *clock);

/* CLOCK_BOOTTIME in ns: deadlines and ages. CLOCK_REALTIME in ns: stamps of records. */
gint64 tb_clock_boot_ns(void);
gint64 tb_clock_real_ns(void);

/* CLOCK_MONOTONIC in us: for g_cond_wait_until(), which knows no other. */
gint64 tb_clock_mono_us(void);

/* The parts of tb_clock_new() and the readings that are pure, for tests. */

/* TB of a simulated clock at `raw_ns` >= 0 of CLOCK_MONOTONIC_RAW, rounded down; wraps at 2^64. */
TbTicks tb_clock_simulate(const TbClockConfig *config, gint64 raw_ns);

typedef enum TbRate {
    TB_RATE_RIGHT,     /* the whole interval lies within 1 % */
    TB_RATE_WRONG,     /* the whole interval lies outside */
    TB_RATE_UNDECIDED, /* the measurement is too loose: take a longer one */
} TbRate;

/* Whether `ticks` counted in lo_ns .. hi_ns (0 < lo_ns <= hi_ns) are `hz` within 1 %. */
TbRate tb_clock_judge_rate(guint64 ticks, gint64 lo_ns, gint64 hi_ns, guint64 hz);
