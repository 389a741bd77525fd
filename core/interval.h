/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Closed intervals of signed 64-bit quantities (ticks or ns; the name of the variable says which).
 *
 * Pure values. Every operation rounds outward: the result contains every value that the operands
 * allow. INT64_MIN as lo and INT64_MAX as hi mean "unbounded on this side" and stay so. An interval
 * with lo > hi is empty: nothing is possible, the operands contradict each other.
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct Interval {
    int64_t lo;
    int64_t hi;
} Interval;

#define INTERVAL_UNBOUNDED ((Interval){ INT64_MIN, INT64_MAX })
#define INTERVAL_EMPTY     ((Interval){ INT64_MAX, INT64_MIN })

/* [lo, hi] */
Interval interval_of(int64_t lo, int64_t hi);

/* [value, value] */
Interval interval_point(int64_t value);

bool interval_is_empty(Interval a);

/* Neither empty nor unbounded on either side. */
bool interval_is_bounded(Interval a);

bool interval_contains(Interval a, int64_t value);

/* hi - lo, saturating; 0 for an empty interval. */
int64_t interval_width(Interval a);

/* {x + y}, {x - y}, {-x}: empty if an operand is. */
Interval interval_add(Interval a, Interval b);
Interval interval_sub(Interval a, Interval b);
Interval interval_neg(Interval a);

/* lo - margin, hi + margin; margin >= 0. */
Interval interval_widen(Interval a, int64_t margin);

/* What both allow; may be empty. */
Interval interval_intersect(Interval a, Interval b);

/* The smallest interval that contains both. */
Interval interval_hull(Interval a, Interval b);

/* {x * num / den}, outward; den > 0, num >= 0. */
Interval interval_scale(Interval a, int64_t num, int64_t den);
