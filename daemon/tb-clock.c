/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tb-clock.h"

#include <time.h>

#include "error.h"

#define READ_TRIES         5
#define RATE_TOLERANCE     100 /* one part in 100 */
#define RATE_FIRST_SPAN_NS (4 * G_GINT64_CONSTANT(1000000))
#define RATE_SPAN_GROWTH   10
#define RATE_SPANS         3

#ifdef __powerpc64__
#define HAVE_TIMEBASE 1
#else
#define HAVE_TIMEBASE 0
#endif

struct TbClock {
    TbClockConfig config;
    guint64 hz;
};

static gint64 clock_read_ns(clockid_t id)
{
    struct timespec now;

    /* cannot fail: both the clock and the pointer are constants of ours */
    clock_gettime(id, &now);
    return (gint64)now.tv_sec * NS_PER_S + now.tv_nsec;
}

gint64 tb_clock_boot_ns(void)
{
    return clock_read_ns(CLOCK_BOOTTIME);
}

gint64 tb_clock_real_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

gint64 tb_clock_mono_us(void)
{
    return clock_read_ns(CLOCK_MONOTONIC) / 1000;
}

/* isync on both sides: mfspr may run ahead of the instructions before it and behind those after it,
 * and an instant that bounds another one must really lie on its side (Power ISA, Book II, isync).
 */
static TbTicks hardware_read(void)
{
#ifdef __powerpc64__
    guint64 raw;

    __asm__ volatile("isync; mfspr %0, 268; isync" : "=r"(raw)::"memory");
    return tb_ticks(raw);
#else
    return tb_ticks(0);
#endif
}

TbTicks tb_clock_simulate(const TbClockConfig *config, gint64 raw_ns)
{
    guint64 hz = config->frequency_hz ? config->frequency_hz : TB_FREQUENCY_POWER_HZ;
    /* 2^63 ns x 10^10 Hz x (10^9 + 10^6) < 2^127; one division at the end, so that the result is
     * monotonic */
    unsigned __int128 product = (unsigned __int128)raw_ns * hz;

    product *= (guint64)(NS_PER_S + config->drift_ppb);
    return tb_ticks((guint64)(product / ((unsigned __int128)NS_PER_S * NS_PER_S)) +
                    config->start_ticks);
}

TbRate tb_clock_judge_rate(guint64 ticks, gint64 lo_ns, gint64 hi_ns, guint64 hz)
{
    /* ticks / ns against hz x (1 +- 1/100), cross-multiplied */
    unsigned __int128 counted = (unsigned __int128)ticks * NS_PER_S * RATE_TOLERANCE;
    unsigned __int128 slowest = (unsigned __int128)hz * (RATE_TOLERANCE - 1);
    unsigned __int128 fastest = (unsigned __int128)hz * (RATE_TOLERANCE + 1);

    if (counted < slowest * (guint64)lo_ns || counted > fastest * (guint64)hi_ns)
        return TB_RATE_WRONG;
    if (counted >= slowest * (guint64)hi_ns && counted <= fastest * (guint64)lo_ns)
        return TB_RATE_RIGHT;
    return TB_RATE_UNDECIDED;
}

/* A timebase reading and the CLOCK_MONOTONIC_RAW instants on both sides of it. */
typedef struct RateMark {
    gint64 before_raw_ns;
    TbTicks tb;
    gint64 after_raw_ns;
} RateMark;

static RateMark rate_mark(void)
{
    RateMark best = { 0 };

    for (int try = 0; try < READ_TRIES; try++) {
        RateMark mark;

        mark.before_raw_ns = clock_read_ns(CLOCK_MONOTONIC_RAW);
        mark.tb = hardware_read();
        mark.after_raw_ns = clock_read_ns(CLOCK_MONOTONIC_RAW);
        if (try == 0 ||
            mark.after_raw_ns - mark.before_raw_ns < best.after_raw_ns - best.before_raw_ns)
            best = mark;
    }
    return best;
}

/* The kernel derives CLOCK_MONOTONIC_RAW from the timebase with the frequency that it believes in,
 * so a difference means that the frequency given to us is not the kernel's, or that mftb is not the
 * timebase (user-mode emulation). */
static gboolean hardware_rate_is_right(guint64 hz, GError **error)
{
    RateMark start = rate_mark();
    gint64 span_ns = RATE_FIRST_SPAN_NS;

    for (int span = 0; span < RATE_SPANS; span++, span_ns *= RATE_SPAN_GROWTH) {
        RateMark end;
        guint64 ticks;
        gint64 lo_ns, hi_ns;

        while (clock_read_ns(CLOCK_MONOTONIC_RAW) - start.after_raw_ns < span_ns)
            ;
        end = rate_mark();
        ticks = (guint64)tb_minus(end.tb, start.tb);
        lo_ns = end.before_raw_ns - start.after_raw_ns;
        hi_ns = end.after_raw_ns - start.before_raw_ns;
        switch (tb_clock_judge_rate(ticks, lo_ns, hi_ns, hz)) {
        case TB_RATE_RIGHT:
            return TRUE;
        case TB_RATE_WRONG:
            g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                        "the timebase register counts at about %" G_GUINT64_FORMAT
                        " Hz, not at %" G_GUINT64_FORMAT
                        " Hz: FrequencyHz= in [Timebase] or the machine's own figure is wrong, or "
                        "this is an emulator",
                        (guint64)((unsigned __int128)ticks * NS_PER_S / (guint64)hi_ns), hz);
            return FALSE;
        case TB_RATE_UNDECIDED:
            break;
        }
    }
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                "the rate of the timebase register could not be compared with %" G_GUINT64_FORMAT
                " Hz: this machine is too busy to read two clocks within 1 %% of 0.4 s",
                hz);
    return FALSE;
}

static gboolean frequency_is_valid(guint64 hz, const char *what, GError **error)
{
    if (hz >= TB_CLOCK_HZ_MIN && hz <= TB_CLOCK_HZ_MAX)
        return TRUE;
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                "%s timebase frequency of %" G_GUINT64_FORMAT " Hz: must be %" G_GUINT64_FORMAT
                " to %" G_GUINT64_FORMAT,
                what, hz, TB_CLOCK_HZ_MIN, TB_CLOCK_HZ_MAX);
    return FALSE;
}

static gboolean simulated_is_valid(const TbClockConfig *config, GError **error)
{
    if (config->drift_ppb >= -TB_CLOCK_DRIFT_PPB_MAX && config->drift_ppb <= TB_CLOCK_DRIFT_PPB_MAX)
        return frequency_is_valid(config->frequency_hz ? config->frequency_hz
                                                       : TB_FREQUENCY_POWER_HZ,
                                  "simulated", error);
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                "simulated drift of %d ppb: must be %d to %d", config->drift_ppb,
                -TB_CLOCK_DRIFT_PPB_MAX, TB_CLOCK_DRIFT_PPB_MAX);
    return FALSE;
}

static gboolean hardware_is_valid(const TbClockConfig *config, guint64 hz, GError **error)
{
    if (!HAVE_TIMEBASE) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "this machine has no timebase register: set Source=simulated in [Timebase] for "
                    "a development or test host");
        return FALSE;
    }
    if (hz == 0) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "this machine does not say how fast its timebase counts: set FrequencyHz= in "
                    "[Timebase]");
        return FALSE;
    }
    if (config->frequency_hz && config->host_hz && config->frequency_hz != config->host_hz) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "FrequencyHz=%" G_GUINT64_FORMAT
                    " in [Timebase], but the machine says %" G_GUINT64_FORMAT " Hz",
                    config->frequency_hz, config->host_hz);
        return FALSE;
    }
    return frequency_is_valid(hz, "a", error) && hardware_rate_is_right(hz, error);
}

TbClock *tb_clock_new(const TbClockConfig *config, GError **error)
{
    TbClock *clock;
    guint64 hz = config->frequency_hz;

    if (hz == 0)
        hz = config->simulated ? TB_FREQUENCY_POWER_HZ : config->host_hz;
    if (config->simulated ? !simulated_is_valid(config, error)
                          : !hardware_is_valid(config, hz, error))
        return NULL;
    clock = g_new0(TbClock, 1);
    clock->config = *config;
    clock->hz = hz;
    return clock;
}

void tb_clock_free(TbClock *clock)
{
    g_free(clock);
}

TbTicks tb_clock_read_tb(const TbClock *clock)
{
    if (!clock->config.simulated)
        return hardware_read();
    return tb_clock_simulate(&clock->config, clock_read_ns(CLOCK_MONOTONIC_RAW));
}

ClockReading tb_clock_read(const TbClock *clock)
{
    ClockReading best = { 0 };

    for (int try = 0; try < READ_TRIES; try++) {
        ClockReading reading;

        reading.tb_before = tb_clock_read_tb(clock);
        reading.tod = tod_ns(tb_clock_real_ns());
        reading.tb_after = tb_clock_read_tb(clock);
        if (try == 0 ||
            tb_minus(reading.tb_after, reading.tb_before) < tb_minus(best.tb_after, best.tb_before))
            best = reading;
    }
    return best;
}

guint64 tb_clock_frequency_hz(const TbClock *clock)
{
    return clock->hz;
}

gboolean tb_clock_is_simulated(const TbClock *clock)
{
    return clock->config.simulated;
}
