/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-chart.h"

#include <string.h>

#define US G_GINT64_CONSTANT(1000)
#define S  G_GINT64_CONSTANT(1000000000)

static void assert_chart(const CtlChart *chart, const char *expected)
{
    g_autofree char *text = ctl_chart_text(chart);

    g_assert_cmpstr(text, ==, expected);
}

static const CtlChartPoint steady[] = { { 400 * S, { -40 * US, 40 * US } },
                                        { 300 * S, { -20 * US, 20 * US } },
                                        { 200 * S, { -20 * US, 20 * US } },
                                        { 0, { -20 * US, 20 * US } } };

static void test_interval_that_narrows_is_drawn_so(void)
{
    CtlChart chart = { .points = steady, .n = 4, .columns = 8, .rows = 4 };

    assert_chart(&chart, "   +40.000 us │█\n"
                         "              │█ █ █  █\n"
                         "            0 │█─█─█──█\n"
                         "   -40.000 us │█\n"
                         "               6 min ago0 s ago\n");
}

static void test_ascii_has_nothing_else(void)
{
    CtlChart chart = { .points = steady, .n = 4, .columns = 24, .rows = 4, .ascii = TRUE };
    g_autofree char *text = ctl_chart_text(&chart);

    g_assert_true(g_str_is_ascii(text));
    g_assert_nonnull(strstr(text, "   +40.000 us |#\n"));
    g_assert_nonnull(strstr(text, "            0 |#-----#-----#----------#\n"));
}

static void test_halves_of_a_row_are_told_apart(void)
{
    static const CtlChartPoint points[] = { { 100 * S, { -80, 80 } }, { 50 * S, { 40, 80 } }, { 0, { -80, 80 } } };
    CtlChart chart = { .points = points, .n = 3, .columns = 3, .rows = 2 };

    assert_chart(&chart, "       +80 ns │█▀█\n"
                         "       -80 ns │█─█\n"
                         "               100 s ago0 s ago\n");
}

/* 10^-6: 100 us in 100 s; what is left is the width. */
static void test_steady_drift_is_a_flat_line(void)
{
    static const CtlChartPoint points[] = { { 200 * S, { -5 * US, 5 * US } },
                                            { 100 * S, { 95 * US, 105 * US } },
                                            { 0, { 195 * US, 205 * US } } };
    CtlChart chart = { .points = points, .n = 3, .columns = 3, .rows = 2, .ascii = TRUE };
    g_autofree char *text = ctl_chart_text(&chart);

    g_assert_cmpfloat_with_epsilon(ctl_chart_slope_ppb(&chart), 1000, 1e-6);
    g_assert_nonnull(strstr(text, "    +5.000 us |###\n"));
    g_assert_nonnull(strstr(text, "    -5.000 us |###\n"));
}

static void test_gap_stays_empty(void)
{
    static const CtlChartPoint points[] = { { 100 * S, { -1, 1 } }, { 90 * S, { -1, 1 } }, { 0, { -1, 1 } } };
    CtlChart chart = { .points = points, .n = 3, .columns = 10, .rows = 3, .ascii = TRUE };
    g_autofree char *text = ctl_chart_text(&chart);

    g_assert_nonnull(strstr(text, "            0 |##-------#\n"));
}

static void test_single_point_is_the_newest(void)
{
    CtlChart chart = { .points = &steady[3], .n = 1, .columns = 10, .rows = 3, .ascii = TRUE };
    g_autofree char *text = ctl_chart_text(&chart);

    g_assert_cmpfloat(ctl_chart_slope_ppb(&chart), ==, 0);
    g_assert_nonnull(strstr(text, "            0 |---------#\n"));
    g_assert_null(strstr(text, "ago 0 s"));
}

/* What a daemon may send, whatever it is worth: no division by zero, no place outside. */
static void test_extremes_are_drawn(void)
{
    static const CtlChartPoint points[] = { { G_MAXINT64, { G_MININT64 + 1, G_MAXINT64 - 1 } },
                                            { G_MAXINT64, { 0, 0 } },
                                            { 7, { 0, 0 } },
                                            { 9, { 5, 5 } } };

    for (guint n = 1; n <= G_N_ELEMENTS(points); n++) {
        CtlChart chart = { .points = points, .n = n, .columns = 60, .rows = 7 };
        g_autofree char *text = ctl_chart_text(&chart);

        g_assert_true(g_utf8_validate(text, -1, NULL));
    }
}

static void test_ages_are_short(void)
{
    static const struct {
        gint64 s;
        const char *text;
    } cases[] = { { 0, "0 s" }, { 119, "119 s" }, { 120, "2 min" }, { 7199, "119 min" }, { 7500, "2 h 5 min" } };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = ctl_chart_age(cases[i].s * S);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-chart/interval-that-narrows-is-drawn-so", test_interval_that_narrows_is_drawn_so);
    g_test_add_func("/ctl-chart/ascii-has-nothing-else", test_ascii_has_nothing_else);
    g_test_add_func("/ctl-chart/halves-of-a-row-are-told-apart", test_halves_of_a_row_are_told_apart);
    g_test_add_func("/ctl-chart/steady-drift-is-a-flat-line", test_steady_drift_is_a_flat_line);
    g_test_add_func("/ctl-chart/gap-stays-empty", test_gap_stays_empty);
    g_test_add_func("/ctl-chart/single-point-is-the-newest", test_single_point_is_the_newest);
    g_test_add_func("/ctl-chart/extremes-are-drawn", test_extremes_are_drawn);
    g_test_add_func("/ctl-chart/ages-are-short", test_ages_are_short);
    return g_test_run();
}
