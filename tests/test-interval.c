/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interval.h"

#include <glib.h>

#include "units.h"

#define LEAST INT64_MIN
#define MOST  INT64_MAX

#define assert_interval(a, expected_lo, expected_hi)  \
    do {                                              \
        Interval value_ = (a);                        \
        g_assert_cmpint(value_.lo, ==, expected_lo);  \
        g_assert_cmpint(value_.hi, ==, expected_hi);  \
    } while (0)

static void test_empty_and_bounded_are_told_apart(void)
{
    g_assert_true(interval_is_empty(INTERVAL_EMPTY));
    g_assert_true(interval_is_empty(interval_of(1, 0)));
    g_assert_false(interval_is_empty(interval_point(7)));
    g_assert_true(interval_is_bounded(interval_of(LEAST + 1, MOST - 1)));
    g_assert_false(interval_is_bounded(interval_of(LEAST, 0)));
    g_assert_false(interval_is_bounded(interval_of(0, MOST)));
    g_assert_false(interval_is_bounded(INTERVAL_EMPTY));
    g_assert_true(interval_contains(interval_of(-1, 1), 1));
    g_assert_true(interval_contains(interval_of(-1, 1), -1));
    g_assert_false(interval_contains(interval_of(-1, 1), 2));
    g_assert_false(interval_contains(interval_of(-1, 1), -2));
}

static void test_width_saturates(void)
{
    g_assert_cmpint(interval_width(interval_of(-3, 4)), ==, 7);
    g_assert_cmpint(interval_width(INTERVAL_EMPTY), ==, 0);
    g_assert_cmpint(interval_width(INTERVAL_UNBOUNDED), ==, MOST);
}

static void test_sums_and_differences_have_known_answers(void)
{
    assert_interval(interval_add(interval_of(1, 2), interval_of(-5, 9)), -4, 11);
    assert_interval(interval_sub(interval_of(1, 2), interval_of(-5, 9)), -8, 7);
    assert_interval(interval_neg(interval_of(-5, 9)), -9, 5);
    assert_interval(interval_widen(interval_of(-5, 9), 3), -8, 12);
    assert_interval(interval_widen(interval_of(LEAST + 2, MOST - 2), MOST), LEAST, MOST);
}

static void test_unbounded_sides_stay_unbounded(void)
{
    assert_interval(interval_add(interval_of(LEAST, 3), interval_of(10, 20)), LEAST, 23);
    assert_interval(interval_add(interval_of(10, 20), interval_of(LEAST, 3)), LEAST, 23);
    assert_interval(interval_add(interval_of(3, MOST), interval_of(-20, -10)), -17, MOST);
    assert_interval(interval_add(interval_of(-20, -10), interval_of(3, MOST)), -17, MOST);
    assert_interval(interval_neg(interval_of(LEAST, 3)), -3, MOST);
    assert_interval(interval_neg(interval_of(3, MOST)), LEAST, -3);
    assert_interval(interval_sub(interval_of(0, 1), interval_of(3, MOST)), LEAST, -2);
    assert_interval(interval_scale(interval_of(LEAST, 3), 1, 2), LEAST, 2);
    assert_interval(interval_scale(interval_of(-3, MOST), 1, 2), -2, MOST);
}

static void test_nothing_possible_stays_impossible(void)
{
    Interval empty = INTERVAL_EMPTY, some = interval_of(1, 2);

    g_assert_true(interval_is_empty(interval_add(empty, some)));
    g_assert_true(interval_is_empty(interval_add(some, empty)));
    g_assert_true(interval_is_empty(interval_sub(some, empty)));
    g_assert_true(interval_is_empty(interval_neg(empty)));
    g_assert_true(interval_is_empty(interval_widen(empty, 1000)));
    g_assert_true(interval_is_empty(interval_scale(empty, 3, 2)));
    g_assert_true(interval_is_empty(interval_intersect(some, empty)));
    assert_interval(interval_hull(empty, some), 1, 2);
    assert_interval(interval_hull(some, empty), 1, 2);
}

static void test_intersection_and_hull(void)
{
    assert_interval(interval_intersect(interval_of(0, 10), interval_of(5, 20)), 5, 10);
    assert_interval(interval_intersect(interval_of(5, 20), interval_of(0, 10)), 5, 10);
    assert_interval(interval_intersect(interval_of(0, 5), interval_of(5, 9)), 5, 5);
    assert_interval(interval_intersect(interval_of(0, 4), interval_of(5, 9)), MOST, LEAST);
    assert_interval(interval_hull(interval_of(0, 4), interval_of(6, 9)), 0, 9);
    assert_interval(interval_hull(interval_of(6, 9), interval_of(0, 4)), 0, 9);
}

static void test_scaling_rounds_outward(void)
{
    assert_interval(interval_scale(interval_of(-7, 7), 1, 2), -4, 4);
    assert_interval(interval_scale(interval_of(1, 1), 1, 3), 0, 1);
    assert_interval(interval_scale(interval_of(-9, 9), 0, 3), 0, 0);
    assert_interval(interval_scale(interval_of(LEAST + 1, MOST - 1), 3, 2), LEAST, MOST);
}

static Interval random_interval(int64_t *ret_member)
{
    int64_t lo = (int64_t)g_test_rand_int() * (1 << 28);
    int64_t width = g_test_rand_int_range(0, 1 << 30);

    *ret_member = lo + g_test_rand_int_range(0, (gint32)width + 1);
    return interval_of(lo, lo + width);
}

/* Whatever the operands are, the result of the operation lies in the interval of the results. */
static void test_members_stay_members(void)
{
    for (int i = 0; i < 100000; i++) {
        int64_t x, y, num = g_test_rand_int_range(0, 1000), den = g_test_rand_int_range(1, 1000);
        Interval a = random_interval(&x), b = random_interval(&y);
        Interval scaled = interval_scale(a, num, den);
        __int128 product = (__int128)x * num;

        g_assert_true(interval_contains(interval_add(a, b), x + y));
        g_assert_true(interval_contains(interval_sub(a, b), x - y));
        g_assert_true(interval_contains(interval_neg(a), -x));
        g_assert_true(interval_contains(interval_hull(a, b), y));
        g_assert_true((__int128)scaled.lo * den <= product || scaled.lo == LEAST);
        g_assert_true((__int128)scaled.hi * den >= product || scaled.hi == MOST);
        g_assert_cmpint(interval_contains(interval_intersect(a, b), x), ==, interval_contains(b, x));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/interval/empty-and-bounded-are-told-apart", test_empty_and_bounded_are_told_apart);
    g_test_add_func("/interval/width-saturates", test_width_saturates);
    g_test_add_func("/interval/sums-and-differences-have-known-answers",
                    test_sums_and_differences_have_known_answers);
    g_test_add_func("/interval/unbounded-sides-stay-unbounded", test_unbounded_sides_stay_unbounded);
    g_test_add_func("/interval/nothing-possible-stays-impossible",
                    test_nothing_possible_stays_impossible);
    g_test_add_func("/interval/intersection-and-hull", test_intersection_and_hull);
    g_test_add_func("/interval/scaling-rounds-outward", test_scaling_rounds_outward);
    g_test_add_func("/interval/members-stay-members", test_members_stay_members);
    return g_test_run();
}
