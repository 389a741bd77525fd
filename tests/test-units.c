/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units.h"

#include <glib.h>

static void test_differences_are_right_across_the_wrap(void)
{
    TbTicks before = tb_ticks(UINT64_MAX - 4), after = tb_plus(before, 10);

    g_assert_cmpuint(after.raw, ==, 5);
    g_assert_cmpint(tb_minus(after, before), ==, 10);
    g_assert_cmpint(tb_minus(before, after), ==, -10);
    g_assert_cmpuint(tb_plus(after, -10).raw, ==, before.raw);
}

static void test_what_does_not_fit_saturates(void)
{
    g_assert_cmpint(int64_add(INT64_MAX, 1), ==, INT64_MAX);
    g_assert_cmpint(int64_add(INT64_MIN, -1), ==, INT64_MIN);
    g_assert_cmpint(int64_sub(INT64_MIN, INT64_MAX), ==, INT64_MIN);
    g_assert_cmpint(int64_sub(0, INT64_MIN), ==, INT64_MAX);
    g_assert_cmpint(tod_minus(tod_ns(INT64_MAX), tod_ns(INT64_MIN)), ==, INT64_MAX);
    g_assert_cmpint(mul_div_floor(INT64_MAX, 3, 2), ==, INT64_MAX);
    g_assert_cmpint(mul_div_ceil(INT64_MIN, 3, 2), ==, INT64_MIN);
}

static void test_division_rounds_as_its_name_says(void)
{
    static const struct {
        int64_t a, b, c, floor, ceil;
    } cases[] = {
        { 7, 1, 2, 3, 4 },
        { -7, 1, 2, -4, -3 },
        { 7, -1, 2, -4, -3 },
        { 8, 1, 2, 4, 4 },
        { -8, 1, 2, -4, -4 },
        { 0, 5, 3, 0, 0 },
        { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX },
        { INT64_MIN, 2, 3, -6148914691236517206, -6148914691236517205 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpint(mul_div_floor(cases[i].a, cases[i].b, cases[i].c), ==, cases[i].floor);
        g_assert_cmpint(mul_div_ceil(cases[i].a, cases[i].b, cases[i].c), ==, cases[i].ceil);
    }
}

/* There and back loses less than one unit of the coarser clock, on the stated side. */
static void test_conversion_there_and_back_brackets_the_start(void)
{
    static const uint64_t frequencies[] = { 1, 1000000, 512000000, 999999999, 1000000000000 };

    for (size_t i = 0; i < G_N_ELEMENTS(frequencies); i++)
        for (int n = 0; n < 10000; n++) {
            uint64_t hz = frequencies[i];
            int64_t ticks = (int64_t)(g_test_rand_double() * 2e6) - 1000000;
            int64_t per_ns = (int64_t)(hz / NS_PER_S) + 1;
            int64_t down = ns_to_ticks_floor(ticks_to_ns_floor(ticks, hz), hz);
            int64_t up = ns_to_ticks_ceil(ticks_to_ns_ceil(ticks, hz), hz);

            g_assert_cmpint(down, <=, ticks);
            g_assert_cmpint(up, >=, ticks);
            g_assert_cmpint(ticks - down, <=, per_ns);
            g_assert_cmpint(up - ticks, <=, per_ns);
        }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/units/differences-are-right-across-the-wrap",
                    test_differences_are_right_across_the_wrap);
    g_test_add_func("/units/what-does-not-fit-saturates", test_what_does_not_fit_saturates);
    g_test_add_func("/units/division-rounds-as-its-name-says", test_division_rounds_as_its_name_says);
    g_test_add_func("/units/conversion-there-and-back-brackets-the-start",
                    test_conversion_there_and_back_brackets_the_start);
    return g_test_run();
}
