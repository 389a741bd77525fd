/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tb-clock.h"

#include <glib.h>
#include <string.h>

#include "error.h"

static void test_simulated_ticks_are_exact(void)
{
    static const struct {
        guint64 hz;
        guint64 start_ticks;
        gint32 drift_ppb;
        gint64 raw_ns;
        guint64 expected;
    } table[] = {
        { 512000000, 0, 0, 0, 0 },
        { 512000000, 0, 0, 1, 0 },
        { 512000000, 0, 0, 2, 1 },
        { 0, 0, 0, NS_PER_S, 512000000 },
        { 512000000, 7, 0, NS_PER_S, 512000007 },
        { 512000000, G_MAXUINT64, 0, NS_PER_S, 511999999 }, /* wraps */
        { 512000000, 0, 100000, NS_PER_S, 512051200 },
        { 512000000, 0, -1000000, NS_PER_S, 511488000 },
        /* ten years at the limits: nothing overflows */
        { TB_CLOCK_HZ_MAX, 0, 1000000, G_GINT64_CONSTANT(315360000) * NS_PER_S,
          G_GUINT64_CONSTANT(3156753600000000000) },
        { TB_CLOCK_HZ_MIN, 0, 0, G_MAXINT64, G_GUINT64_CONSTANT(9223372036854775) },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        TbClockConfig config = { .simulated = TRUE,
                                 .frequency_hz = table[i].hz,
                                 .start_ticks = table[i].start_ticks,
                                 .drift_ppb = table[i].drift_ppb };

        g_assert_cmpuint(tb_clock_simulate(&config, table[i].raw_ns).raw, ==, table[i].expected);
    }
}

static void test_readings_never_go_back(void)
{
    TbClockConfig config = { .simulated = TRUE,
                             .frequency_hz = TB_CLOCK_HZ_MAX,
                             .drift_ppb = -999999 };
    g_autoptr(GError) error = NULL;
    g_autoptr(TbClock) clock = tb_clock_new(&config, &error);
    TbTicks last;

    g_assert_no_error(error);
    last = tb_clock_read_tb(clock);
    for (int i = 0; i < 10000; i++) {
        ClockReading reading = tb_clock_read(clock);

        g_assert_cmpint(tb_minus(reading.tb_before, last), >=, 0);
        g_assert_cmpint(tb_minus(reading.tb_after, reading.tb_before), >=, 0);
        last = reading.tb_after;
    }
}

static void test_two_simulated_clocks_share_one_base(void)
{
    TbClockConfig first_config = { .simulated = TRUE,
                                   .frequency_hz = 512000000,
                                   .start_ticks = 1000 };
    TbClockConfig second_config = { .simulated = TRUE,
                                    .frequency_hz = 512000000,
                                    .start_ticks = 5000 };
    g_autoptr(TbClock) first = tb_clock_new(&first_config, NULL);
    g_autoptr(TbClock) second = tb_clock_new(&second_config, NULL);
    TbTicks before = tb_clock_read_tb(first);
    TbTicks other = tb_clock_read_tb(second);
    TbTicks after = tb_clock_read_tb(first);

    g_assert_cmpint(tb_minus(other, before), >=, 4000);
    g_assert_cmpint(tb_minus(other, after), <=, 4000);
}

static void test_time_of_day_lies_in_the_reading(void)
{
    TbClockConfig config = { .simulated = TRUE };
    g_autoptr(TbClock) clock = tb_clock_new(&config, NULL);
    gint64 before_real_ns = tb_clock_real_ns();
    ClockReading reading = tb_clock_read(clock);

    g_assert_cmpuint(tb_clock_frequency_hz(clock), ==, 512000000);
    g_assert_true(tb_clock_is_simulated(clock));
    /* an administrator may step the clock under the test, but not by a minute */
    g_assert_cmpint(ABS(reading.tod.raw - before_real_ns), <, 60 * NS_PER_S);
    g_assert_cmpint(tb_clock_boot_ns(), >, 0);
}

static void assert_refused(const TbClockConfig *config, const char *words)
{
    g_autoptr(GError) error = NULL;
    TbClock *clock = tb_clock_new(config, &error);

    g_assert_null(clock);
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    if (strstr(error->message, words) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, words);
}

static void test_figures_out_of_range_are_refused(void)
{
    assert_refused(&(TbClockConfig){ .simulated = TRUE, .frequency_hz = 999999 },
                   "999999 Hz: must be 1000000 to");
    assert_refused(&(TbClockConfig){ .simulated = TRUE, .frequency_hz = TB_CLOCK_HZ_MAX + 1 },
                   "10000000001 Hz");
    assert_refused(&(TbClockConfig){ .simulated = TRUE, .drift_ppb = 1000001 },
                   "1000001 ppb: must be");
    assert_refused(&(TbClockConfig){ .simulated = TRUE, .drift_ppb = -1000001 },
                   "-1000001 ppb: must be");
}

static void test_rate_is_judged_by_whole_intervals(void)
{
    static const struct {
        guint64 ticks;
        gint64 lo_ns, hi_ns;
        TbRate expected;
    } table[] = {
        { 512000, 1000000, 1000000, TB_RATE_RIGHT },
        { 512000, 999000, 1001000, TB_RATE_RIGHT },
        { 517120, 1000000, 1000000, TB_RATE_RIGHT }, /* exactly 1 % */
        { 517121, 1000000, 1000000, TB_RATE_WRONG },
        { 506880, 1000000, 1000000, TB_RATE_RIGHT },
        { 506879, 1000000, 1000000, TB_RATE_WRONG },
        { 512000, 900000, 1001000, TB_RATE_UNDECIDED },
        { 517000, 999000, 1001000, TB_RATE_UNDECIDED },
        { 2600000, 900000, 1100000, TB_RATE_WRONG }, /* a 2.6 GHz counter */
        { 0, 1000000, 1000000, TB_RATE_WRONG },
        { G_MAXUINT64, 1, G_MAXINT64, TB_RATE_WRONG },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        g_assert_cmpint(
            tb_clock_judge_rate(table[i].ticks, table[i].lo_ns, table[i].hi_ns, 512000000), ==,
            table[i].expected);
}

#ifdef __powerpc64__
/* Measures the register, by the message that refuses a wrong figure, so that one test holds on
 * POWER and under user-mode emulation, where the register counts at the rate of another machine's
 * counter. */
static guint64 measured_hz(void)
{
    static const char words[] = "the timebase register counts at about ";
    g_autoptr(GError) error = NULL;
    g_autoptr(TbClock) clock = tb_clock_new(&(TbClockConfig){ .host_hz = TB_CLOCK_HZ_MIN }, &error);

    g_assert_null(clock);
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    g_test_message("%s", error->message);
    g_assert_true(g_str_has_prefix(error->message, words));
    return g_ascii_strtoull(error->message + strlen(words), NULL, 10);
}

static void test_register_is_read_and_its_rate_is_checked(void)
{
    TbClockConfig config = { .host_hz = measured_hz() };
    g_autoptr(GError) error = NULL;
    g_autoptr(TbClock) clock = tb_clock_new(&config, &error);
    TbTicks last;

    g_assert_no_error(error);
    g_assert_false(tb_clock_is_simulated(clock));
    last = tb_clock_read_tb(clock);
    for (int i = 0; i < 100000; i++) {
        TbTicks now = tb_clock_read_tb(clock);

        g_assert_cmpint(tb_minus(now, last), >=, 0);
        last = now;
    }
    assert_refused(&(TbClockConfig){ .host_hz = config.host_hz * 2 },
                   "the timebase register counts at about ");
    assert_refused(&(TbClockConfig){ .host_hz = config.host_hz / 2 },
                   "the timebase register counts at about ");
    assert_refused(
        &(TbClockConfig){ .host_hz = config.host_hz, .frequency_hz = config.host_hz + 1 },
        "but the machine says ");
    assert_refused(&(TbClockConfig){ 0 }, "does not say how fast");
}
#else
static void test_machine_without_the_register_is_told_what_to_set(void)
{
    assert_refused(&(TbClockConfig){ .host_hz = 512000000 },
                   "this machine has no timebase register: set Source=simulated");
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tb-clock/simulated-ticks-are-exact", test_simulated_ticks_are_exact);
    g_test_add_func("/tb-clock/readings-never-go-back", test_readings_never_go_back);
    g_test_add_func("/tb-clock/two-simulated-clocks-share-one-base",
                    test_two_simulated_clocks_share_one_base);
    g_test_add_func("/tb-clock/time-of-day-lies-in-the-reading",
                    test_time_of_day_lies_in_the_reading);
    g_test_add_func("/tb-clock/figures-out-of-range-are-refused",
                    test_figures_out_of_range_are_refused);
    g_test_add_func("/tb-clock/rate-is-judged-by-whole-intervals",
                    test_rate_is_judged_by_whole_intervals);
#ifdef __powerpc64__
    g_test_add_func("/tb-clock/register-is-read-and-its-rate-is-checked",
                    test_register_is_read_and_its_rate_is_checked);
#else
    g_test_add_func("/tb-clock/machine-without-the-register-is-told-what-to-set",
                    test_machine_without_the_register_is_told_what_to_set);
#endif
    return g_test_run();
}
