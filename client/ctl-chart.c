/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-chart.h"

#include <math.h>

#include "units-text.h"
#include "units.h"

#define LABEL_WIDTH 13

/* What of a row a bar covers: a row has an upper and a lower half. */
enum { COVERS_NONE, COVERS_LOWER, COVERS_UPPER, COVERS_ALL };

/* Of one column; lo > hi: nothing was measured then. */
typedef struct Bar {
    double lo, hi;
} Bar;

static double middle(const CtlChartPoint *point)
{
    return (double)point->ns.lo / 2 + (double)point->ns.hi / 2;
}

static double slope(const CtlChart *chart)
{
    const CtlChartPoint *first = &chart->points[0], *last = &chart->points[chart->n - 1];
    gint64 span_ns = first->age_ns - last->age_ns;

    return span_ns > 0 ? (middle(last) - middle(first)) / (double)span_ns : 0;
}

double ctl_chart_slope_ppb(const CtlChart *chart)
{
    return slope(chart) * NS_PER_S;
}

/* The hull of what falls into each column. */
static void fill_bars(const CtlChart *chart, Bar *bars)
{
    const CtlChartPoint *first = &chart->points[0], *last = &chart->points[chart->n - 1];
    double span_ns = (double)(first->age_ns - last->age_ns), per_ns = slope(chart);

    for (guint i = 0; i < chart->columns; i++)
        bars[i] = (Bar){ INFINITY, -INFINITY };
    for (guint i = 0; i < chart->n; i++) {
        const CtlChartPoint *point = &chart->points[i];
        double since_ns = (double)(first->age_ns - point->age_ns);
        double line = middle(first) + per_ns * since_ns;
        guint at = span_ns > 0 ? (guint)MIN(since_ns / span_ns * chart->columns, chart->columns - 1) : chart->columns - 1;

        bars[at].lo = MIN(bars[at].lo, (double)point->ns.lo - line);
        bars[at].hi = MAX(bars[at].hi, (double)point->ns.hi - line);
    }
}

/* Half of the height, in ns: zero stands in the middle. */
static double find_scale(const CtlChart *chart, const Bar *bars)
{
    double scale = 1;

    for (guint i = 0; i < chart->columns; i++)
        if (bars[i].lo <= bars[i].hi)
            scale = MAX(scale, MAX(fabs(bars[i].lo), fabs(bars[i].hi)));
    return scale;
}

/* half: counted from the top, twice as many as rows. A bar is at least one half high. */
static gboolean covers(const CtlChart *chart, const Bar *bar, double scale, guint half)
{
    double halves = 2.0 * chart->rows;
    double top = (scale - bar->hi) / (2 * scale) * halves, bottom = (scale - bar->lo) / (2 * scale) * halves;
    guint from = (guint)CLAMP(floor(top), 0, halves - 1), to = (guint)CLAMP(ceil(bottom) - 1, 0, halves - 1);

    return bar->lo <= bar->hi && half >= from && half <= MAX(from, to);
}

static void append_cell(GString *text, const CtlChart *chart, guint covered, gboolean middle_row)
{
    static const char *const blocks[] = { " ", "\u2584", "\u2580", "\u2588" };

    if (covered == COVERS_NONE && middle_row)
        g_string_append(text, chart->ascii ? "-" : "\u2500");
    else if (chart->ascii)
        g_string_append_c(text, covered == COVERS_NONE ? ' ' : '#');
    else
        g_string_append(text, blocks[covered]);
}

static void append_row(GString *text, const CtlChart *chart, const Bar *bars, double scale, guint row)
{
    gboolean middle_row = row == chart->rows / 2;
    g_autofree char *amount = ns_to_text((gint64)MIN(scale, 9e18));
    g_autofree char *label = row == 0                ? g_strdup_printf("+%s", amount)
                             : row == chart->rows - 1 ? g_strdup_printf("-%s", amount)
                                                      : g_strdup(middle_row ? "0" : "");
    gsize length;

    g_string_append_printf(text, "%*s %s", LABEL_WIDTH, label, chart->ascii ? "|" : "\u2502");
    length = text->len;
    for (guint column = 0; column < chart->columns; column++) {
        guint covered = (covers(chart, &bars[column], scale, 2 * row) ? COVERS_UPPER : COVERS_NONE) |
                        (covers(chart, &bars[column], scale, 2 * row + 1) ? COVERS_LOWER : COVERS_NONE);

        append_cell(text, chart, covered, middle_row);
    }
    while (text->len > length && text->str[text->len - 1] == ' ')
        g_string_truncate(text, text->len - 1);
    g_string_append_c(text, '\n');
}

char *ctl_chart_age(gint64 ns)
{
    gint64 s = ns / NS_PER_S;

    if (s >= 2 * 3600)
        return g_strdup_printf("%" G_GINT64_FORMAT " h %" G_GINT64_FORMAT " min", s / 3600, s / 60 % 60);
    return s >= 120 ? g_strdup_printf("%" G_GINT64_FORMAT " min", s / 60) : g_strdup_printf("%" G_GINT64_FORMAT " s", s);
}

/* "2 h 5 min ago                         64 s ago" below the columns. */
static void append_ages(GString *text, const CtlChart *chart)
{
    g_autofree char *first = ctl_chart_age(chart->points[0].age_ns), *last = ctl_chart_age(chart->points[chart->n - 1].age_ns);
    g_autofree char *left = g_strdup_printf("%s ago", first), *right = g_strdup_printf("%s ago", last);

    if (chart->n == 1)
        *left = '\0';
    g_string_append_printf(text, "%*s%-*s%*s\n", LABEL_WIDTH + 2, "", (int)(chart->columns / 2), left,
                           (int)(chart->columns - chart->columns / 2), right);
}

char *ctl_chart_text(const CtlChart *chart)
{
    g_autofree Bar *bars = g_new0(Bar, chart->columns);
    GString *text = g_string_new(NULL);
    double scale;

    fill_bars(chart, bars);
    scale = find_scale(chart, bars);
    for (guint row = 0; row < chart->rows; row++)
        append_row(text, chart, bars, scale, row);
    append_ages(text, chart);
    return g_string_free(text, FALSE);
}
