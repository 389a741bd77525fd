/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interval.h"

#include "units.h"

#include <assert.h>

Interval interval_of(int64_t lo, int64_t hi)
{
    return (Interval){ lo, hi };
}

Interval interval_point(int64_t value)
{
    return (Interval){ value, value };
}

bool interval_is_empty(Interval a)
{
    return a.lo > a.hi;
}

bool interval_is_bounded(Interval a)
{
    return a.lo <= a.hi && a.lo != INT64_MIN && a.hi != INT64_MAX;
}

bool interval_contains(Interval a, int64_t value)
{
    return a.lo <= value && value <= a.hi;
}

int64_t interval_width(Interval a)
{
    return interval_is_empty(a) ? 0 : int64_sub(a.hi, a.lo);
}

/* A bound that is unbounded absorbs: "unbounded minus something" must not become a number again, which plain
 * saturation would do when the other operand has the opposite sign. */
static int64_t lo_add(int64_t a, int64_t b)
{
    return a == INT64_MIN || b == INT64_MIN ? INT64_MIN : int64_add(a, b);
}

static int64_t hi_add(int64_t a, int64_t b)
{
    return a == INT64_MAX || b == INT64_MAX ? INT64_MAX : int64_add(a, b);
}

Interval interval_add(Interval a, Interval b)
{
    if (interval_is_empty(a) || interval_is_empty(b))
        return INTERVAL_EMPTY;
    return interval_of(lo_add(a.lo, b.lo), hi_add(a.hi, b.hi));
}

/* -INT64_MAX is a number, but a hi of INT64_MAX means "unbounded" and has to stay so on the other side. */
Interval interval_neg(Interval a)
{
    if (interval_is_empty(a))
        return INTERVAL_EMPTY;
    return interval_of(a.hi == INT64_MAX ? INT64_MIN : int64_sub(0, a.hi), int64_sub(0, a.lo));
}

Interval interval_sub(Interval a, Interval b)
{
    return interval_add(a, interval_neg(b));
}

Interval interval_widen(Interval a, int64_t margin)
{
    assert(margin >= 0);
    return interval_add(a, interval_of(int64_sub(0, margin), margin));
}

Interval interval_intersect(Interval a, Interval b)
{
    Interval both = { a.lo > b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi };

    return interval_is_empty(both) ? INTERVAL_EMPTY : both;
}

Interval interval_hull(Interval a, Interval b)
{
    if (interval_is_empty(a))
        return b;
    if (interval_is_empty(b))
        return a;
    return interval_of(a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi);
}

Interval interval_scale(Interval a, int64_t num, int64_t den)
{
    assert(num >= 0 && den > 0);
    if (interval_is_empty(a))
        return INTERVAL_EMPTY;
    return interval_of(a.lo == INT64_MIN ? INT64_MIN : mul_div_floor(a.lo, num, den),
                       a.hi == INT64_MAX ? INT64_MAX : mul_div_ceil(a.hi, num, den));
}
