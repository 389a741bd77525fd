/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relation.h"

#include <glib.h>

/* How many exchanges are made if the n-th leaves width_of(n). */
static uint32_t length_of(int64_t (*width_of)(uint32_t n))
{
    RelationBurst burst = { 0 };

    for (uint32_t n = 1;; n++) {
        RelationBounds bounds = { .state = RELATION_OK, .tb_ticks = interval_of(-7, width_of(n) - 7) };

        g_assert_cmpuint(n, <=, RELATION_BURST_MAX);
        if (!relation_burst_goes_on(&burst, &bounds))
            return n;
    }
}

static int64_t same(uint32_t n)
{
    return 1000;
}

static int64_t narrower(uint32_t n)
{
    return 1000 - n;
}

/* By what a clock may drift between two exchanges. */
static int64_t wider(uint32_t n)
{
    return 1000 + n;
}

static int64_t narrower_once(uint32_t n)
{
    return n < 5 ? 1000 : 999;
}

static int64_t unbounded(uint32_t n)
{
    return INT64_MAX;
}

static void test_burst_ends_when_it_gains_nothing(void)
{
    g_assert_cmpuint(length_of(same), ==, 1 + RELATION_BURST_IDLE);
    g_assert_cmpuint(length_of(wider), ==, 1 + RELATION_BURST_IDLE);
    g_assert_cmpuint(length_of(unbounded), ==, 1 + RELATION_BURST_IDLE);
}

static void test_each_gain_lengthens_it(void)
{
    g_assert_cmpuint(length_of(narrower_once), ==, 5 + RELATION_BURST_IDLE);
}

static void test_burst_has_an_end_though_it_gains(void)
{
    g_assert_cmpuint(length_of(narrower), ==, RELATION_BURST_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/relation-burst/ends-when-it-gains-nothing", test_burst_ends_when_it_gains_nothing);
    g_test_add_func("/relation-burst/each-gain-lengthens-it", test_each_gain_lengthens_it);
    g_test_add_func("/relation-burst/has-an-end-though-it-gains", test_burst_has_an_end_though_it_gains);
    return g_test_run();
}
