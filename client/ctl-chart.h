/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A small chart of an interval over time, for a terminal. Pure: values in, text out.
 *
 * Two clocks gain on each other all the time, which would hide everything else: what is drawn is how far each interval is from
 * the straight line through the first and the last one. The slope of that line is told beside it.
 */

#include <glib.h>

#include "interval.h"

typedef struct CtlChartPoint {
    gint64 age_ns; /* >= 0 */
    Interval ns;   /* bounded */
} CtlChartPoint;

typedef struct CtlChart {
    const CtlChartPoint *points; /* oldest first, at least one */
    guint n;
    guint columns, rows; /* of the drawing alone, each at least 2 */
    gboolean ascii;      /* nothing but ASCII */
} CtlChart;

/* The slope of the line, in 10^-9; 0 for a single point. */
double ctl_chart_slope_ppb(const CtlChart *chart);

/* Lines with labels. (transfer full) */
char *ctl_chart_text(const CtlChart *chart);

/* "2 h 5 min", "64 s". (transfer full) */
char *ctl_chart_age(gint64 ns);
