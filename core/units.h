/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Units of time: timebase ticks, time of day, frequencies, and conversions between them.
 *
 * Pure: no I/O, no clock, no allocation. Instants are raw counters in one-member structs so that
 * the compiler refuses to mix them; differences are signed 64-bit numbers whose name carries the
 * unit. Every conversion names its rounding direction; what does not fit saturates at INT64_MIN
 * or INT64_MAX, which interval.h reads as "unbounded on this side".
 */

#include <stdbool.h>
#include <stdint.h>

/* A reading of a timebase register: ticks since that timebase was started. Compare and subtract
 * with tb_minus(), which is right across the wrap at 2^64. Only this header opens it. */
typedef struct TbTicks {
    uint64_t raw;
} TbTicks;

/* Time of day: ns since 1970-01-01 UTC on some host's CLOCK_REALTIME. */
typedef struct TodNs {
    int64_t raw;
} TodNs;

/* One TB/TOD pair: tod was read after tb_before and before tb_after on the same CPU, so the pair
 * itself is an interval. */
typedef struct ClockReading {
    TbTicks tb_before;
    TodNs tod;
    TbTicks tb_after;
} ClockReading;

#define NS_PER_S INT64_C(1000000000)

/* Granularity of a KVM timebase offset: writing TBU40 keeps the low 24 bits
 * (Linux 93b0f4dc29c5, arch/powerpc/kvm/book3s_hv.c, kvmppc_set_one_reg_hv). */
#define TB_OFFSET_UNIT_TICKS (INT64_C(1) << 24)

/* POWER6 and later count at 512 MHz; so does a pseries guest under TCG
 * (QEMU include/hw/ppc/spapr.h, SPAPR_TIMEBASE_FREQ). */
#define TB_FREQUENCY_POWER_HZ UINT64_C(512000000)

static inline TbTicks tb_ticks(uint64_t raw)
{
    return (TbTicks){ raw };
}

static inline TodNs tod_ns(int64_t raw)
{
    return (TodNs){ raw };
}

/* a - b, modulo 2^64, as a signed number of ticks. */
static inline int64_t tb_minus(TbTicks a, TbTicks b)
{
    return (int64_t)(a.raw - b.raw);
}

static inline TbTicks tb_plus(TbTicks a, int64_t ticks)
{
    return (TbTicks){ a.raw + (uint64_t)ticks };
}

static inline int64_t int64_from_wide(__int128 x)
{
    return x > INT64_MAX ? INT64_MAX : x < INT64_MIN ? INT64_MIN : (int64_t)x;
}

static inline int64_t int64_add(int64_t a, int64_t b)
{
    return int64_from_wide((__int128)a + b);
}

static inline int64_t int64_sub(int64_t a, int64_t b)
{
    return int64_from_wide((__int128)a - b);
}

/* a - b of two instants of the same host's time of day, in ns; saturates. */
static inline int64_t tod_minus(TodNs a, TodNs b)
{
    return int64_sub(a.raw, b.raw);
}

/* floor(a * b / c) and ceil(a * b / c) with a 128-bit intermediate, c > 0; saturating. */
static inline int64_t mul_div_floor(int64_t a, int64_t b, int64_t c)
{
    __int128 p = (__int128)a * b, q = p / c;
    return int64_from_wide(p % c < 0 ? q - 1 : q);
}

static inline int64_t mul_div_ceil(int64_t a, int64_t b, int64_t c)
{
    __int128 p = (__int128)a * b, q = p / c;
    return int64_from_wide(p % c > 0 ? q + 1 : q);
}

/* hz is 1 .. INT64_MAX in all four. */
static inline int64_t ticks_to_ns_floor(int64_t ticks, uint64_t hz)
{
    return mul_div_floor(ticks, NS_PER_S, (int64_t)hz);
}

static inline int64_t ticks_to_ns_ceil(int64_t ticks, uint64_t hz)
{
    return mul_div_ceil(ticks, NS_PER_S, (int64_t)hz);
}

static inline int64_t ns_to_ticks_floor(int64_t ns, uint64_t hz)
{
    return mul_div_floor(ns, (int64_t)hz, NS_PER_S);
}

static inline int64_t ns_to_ticks_ceil(int64_t ns, uint64_t hz)
{
    return mul_div_ceil(ns, (int64_t)hz, NS_PER_S);
}
