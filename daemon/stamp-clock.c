/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stamp-clock.h"

#include "relation.h"

#define PAIRS (STAMP_REACH_MS / STAMP_PERIOD_MS + 1)

#define STAMP_RESOLUTION_NS 1000   /* QEMU events carry microseconds */
#define TOD_DRIFT_PPB       600000 /* the kernel slews by at most 500 ppm; two oscillators by 100 */

struct StampClock {
    const TbClock *clock;
    guint holders;
    guint period_ms;
    guint timer;
    ClockReading first;        /* at the first hold */
    guint n_pairs;             /* read since then */
    ClockReading pairs[PAIRS]; /* ring: pair n is at n % PAIRS */
};

static gboolean on_period(void *data)
{
    StampClock *stamps = data;

    stamps->pairs[stamps->n_pairs++ % PAIRS] = tb_clock_read(stamps->clock);
    return G_SOURCE_CONTINUE;
}

StampClock *stamp_clock_new(const TbClock *clock, guint period_ms)
{
    StampClock *stamps = g_new0(StampClock, 1);

    stamps->clock = clock;
    stamps->period_ms = period_ms != 0 ? period_ms : STAMP_PERIOD_MS;
    return stamps;
}

void stamp_clock_free(StampClock *stamps)
{
    if (!stamps)
        return;
    g_clear_handle_id(&stamps->timer, g_source_remove);
    g_free(stamps);
}

void stamp_clock_hold(StampClock *stamps)
{
    if (stamps->holders++ > 0)
        return;
    stamps->n_pairs = 0;
    on_period(stamps);
    stamps->first = stamps->pairs[0];
    stamps->timer = g_timeout_add(stamps->period_ms, on_period, stamps);
}

void stamp_clock_release(StampClock *stamps)
{
    g_assert(stamps->holders > 0);
    if (--stamps->holders == 0)
        g_clear_handle_id(&stamps->timer, g_source_remove);
}

/* The newest pair that is older than the latency, and than the stamp by this clock's own order: on a
 * busy machine an event may take longer. Else the first one of all, which whoever holds the clock took before the stamp: the
 * oldest of the ring may be younger than an event that a hung libvirtd held back. */
static const ClockReading *pair_before(const StampClock *stamps, TbTicks now, TodNs stamp)
{
    gint64 latency_ticks = ns_to_ticks_ceil(STAMP_LATENCY_MS * G_GINT64_CONSTANT(1000000),
                                            tb_clock_frequency_hz(stamps->clock));
    guint oldest = stamps->n_pairs > PAIRS ? stamps->n_pairs - PAIRS : 0;
    const ClockReading *pair = &stamps->first;

    for (guint n = oldest; n < stamps->n_pairs; n++) {
        const ClockReading *newer = &stamps->pairs[n % PAIRS];

        if (tb_minus(now, newer->tb_after) < latency_ticks || tod_minus(newer->tod, stamp) > 0)
            break;
        pair = newer;
    }
    return pair;
}

gboolean stamp_clock_place(const StampClock *stamps, gint64 stamp_real_ns, StampBounds *ret)
{
    StampQuery query = {
        .stamp = tod_ns(stamp_real_ns),
        .resolution_ns = STAMP_RESOLUTION_NS,
        .timebase_hz = tb_clock_frequency_hz(stamps->clock),
        .tod_drift_ppb = TOD_DRIFT_PPB,
    };

    if (stamps->holders == 0)
        return FALSE;
    query.after = tb_clock_read(stamps->clock);
    query.before = *pair_before(stamps, query.after.tb_after, query.stamp);
    *ret = stamp_bounds(&query);
    return TRUE;
}

/* Counted back from now; CLOCK_BOOTTIME is slewed like the time of day, and never stepped. */
void stamp_clock_place_boot(const StampClock *stamps, gint64 first_boot_ns, gint64 second_boot_ns, TbTicks *ret_lo,
                            TbTicks *ret_hi)
{
    RelationParams params = { .timebase_hz = tb_clock_frequency_hz(stamps->clock), .tod_drift_ppb = TOD_DRIFT_PPB };
    gint64 before_boot_ns = tb_clock_boot_ns();
    TbTicks now = tb_clock_read_tb(stamps->clock);
    gint64 after_boot_ns = tb_clock_boot_ns();
    Interval ago_ticks = relation_ticks_of_ns(&params, interval_of(before_boot_ns - second_boot_ns, after_boot_ns - first_boot_ns));

    *ret_lo = tb_plus(now, -ago_ticks.hi);
    *ret_hi = tb_plus(now, -ago_ticks.lo);
}

TbTicks stamp_clock_now(const StampClock *stamps)
{
    return tb_clock_read_tb(stamps->clock);
}

guint64 stamp_clock_frequency_hz(const StampClock *stamps)
{
    return tb_clock_frequency_hz(stamps->clock);
}
