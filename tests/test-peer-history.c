/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer-history.h"

#define SECOND_NS G_GINT64_CONSTANT(1000000000)

/* A sample every `every_s` up to and with `last_s`; its bounds tell when it was taken. */
static void add_until(PeerHistory *history, gint64 first_s, gint64 last_s, gint64 every_s)
{
    for (gint64 at_s = first_s; at_s <= last_s; at_s += every_s)
        peer_history_add(history, at_s * SECOND_NS, interval_of(at_s, at_s + 1));
}

static void assert_sound(const PeerHistory *history, gint64 newest_s)
{
    g_assert_cmpuint(history->n, >, 0);
    g_assert_cmpuint(history->n, <=, PEER_HISTORY_POINTS);
    g_assert_cmpint(peer_history_at_boot_ns(&history->points[history->n - 1]), ==, newest_s * SECOND_NS);
    for (guint i = 0; i < history->n; i++) {
        const PeerHistoryPoint *point = &history->points[i];

        g_assert_cmpint(peer_history_ticks(point).lo, ==, peer_history_at_boot_ns(point) / SECOND_NS);
        if (i > 0)
            g_assert_cmpint(peer_history_at_boot_ns(point), >, peer_history_at_boot_ns(&history->points[i - 1]));
    }
}

static void test_each_sample_is_a_point_at_first(void)
{
    PeerHistory history = { 0 };

    add_until(&history, 0, (PEER_HISTORY_POINTS - 1) * 64, 64);
    g_assert_cmpuint(history.n, ==, PEER_HISTORY_POINTS);
    g_assert_cmpint(peer_history_at_boot_ns(&history.points[0]), ==, 0);
    assert_sound(&history, (PEER_HISTORY_POINTS - 1) * 64);
}

static void test_full_history_keeps_its_beginning_in_fewer_points(void)
{
    PeerHistory history = { 0 };

    add_until(&history, 0, PEER_HISTORY_POINTS * 64, 64);
    g_assert_cmpuint(history.n, ==, PEER_HISTORY_POINTS / 2 + 1);
    g_assert_cmpint(peer_history_at_boot_ns(&history.points[0]), ==, 64 * SECOND_NS);
    assert_sound(&history, PEER_HISTORY_POINTS * 64);
}

static void test_newest_sample_is_always_a_point(void)
{
    PeerHistory history = { 0 };

    for (gint64 at_s = 0; at_s < 20000; at_s += 64) {
        add_until(&history, at_s, at_s, 64);
        assert_sound(&history, at_s);
    }
}

static void test_points_lie_no_nearer_than_their_stride(void)
{
    PeerHistory history = { 0 };

    add_until(&history, 0, 64 * 1000, 64);
    for (guint i = 1; i + 1 < history.n; i++)
        g_assert_cmpint(peer_history_at_boot_ns(&history.points[i]) - peer_history_at_boot_ns(&history.points[i - 1]), >=, 1024 * SECOND_NS);
    g_assert_cmpuint(history.n, >, PEER_HISTORY_POINTS / 2);
}

static void test_a_day_is_kept_and_no_more_than_that(void)
{
    PeerHistory history = { 0 };
    const gint64 day_s = PEER_HISTORY_SPAN_DS / 10, last_s = 40 * day_s / 64 * 64;

    add_until(&history, 0, last_s, 64);
    assert_sound(&history, last_s);
    g_assert_cmpint(last_s - peer_history_at_boot_ns(&history.points[0]) / SECOND_NS, >=, day_s - 3600);
    g_assert_cmpint(last_s - peer_history_at_boot_ns(&history.points[0]) / SECOND_NS, <=, 2 * day_s);
    g_assert_cmpuint(history.n, >, PEER_HISTORY_POINTS / 2);
}

static void test_pause_longer_than_a_day_is_survived(void)
{
    PeerHistory history = { 0 };
    const gint64 later_s = 10 * PEER_HISTORY_SPAN_DS / 10;

    add_until(&history, 0, 64 * 500, 64);
    add_until(&history, later_s, later_s + 64 * 500, 64);
    assert_sound(&history, later_s + 64 * 500);
}

static void test_burst_is_one_point(void)
{
    PeerHistory history = { 0 };

    add_until(&history, 0, 128, 64);
    for (gint64 i = 0; i < 8; i++)
        peer_history_add(&history, 192 * SECOND_NS + i, interval_of(192, 193));
    peer_history_add(&history, 256 * SECOND_NS, interval_of(256, 257));
    g_assert_cmpuint(history.n, <=, 6);
    g_assert_cmpint(peer_history_ticks(&history.points[history.n - 1]).lo, ==, 256);
}

static void test_bounds_come_back_as_they_were(void)
{
    static const Interval cases[] = { { G_MININT64 + 1, G_MININT64 + 2 }, { G_MAXINT64 - 2, G_MAXINT64 - 1 }, { -5, 7 },
                                      { -1, (gint64)G_MAXUINT32 - 1 }, { 0, 0 } };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        PeerHistory history = { 0 };

        peer_history_add(&history, SECOND_NS, cases[i]);
        g_assert_cmpuint(history.n, ==, 1);
        g_assert_cmpint(peer_history_ticks(&history.points[0]).lo, ==, cases[i].lo);
        g_assert_cmpint(peer_history_ticks(&history.points[0]).hi, ==, cases[i].hi);
    }
}

static void test_bounds_that_are_too_wide_are_no_point(void)
{
    static const Interval cases[] = { { G_MININT64 + 1, G_MAXINT64 - 1 }, { -1, G_MAXUINT32 }, { G_MININT64, G_MAXINT64 } };
    PeerHistory history = { 0 };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        peer_history_add(&history, SECOND_NS, cases[i]);
    g_assert_cmpuint(history.n, ==, 0);
}

static void test_memory_is_what_the_fleet_can_pay(void)
{
    g_assert_cmpuint(sizeof(PeerHistory), <=, 1040);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peer-history/each-sample-is-a-point-at-first", test_each_sample_is_a_point_at_first);
    g_test_add_func("/peer-history/full-history-keeps-its-beginning-in-fewer-points",
                    test_full_history_keeps_its_beginning_in_fewer_points);
    g_test_add_func("/peer-history/newest-sample-is-always-a-point", test_newest_sample_is_always_a_point);
    g_test_add_func("/peer-history/points-lie-no-nearer-than-their-stride", test_points_lie_no_nearer_than_their_stride);
    g_test_add_func("/peer-history/a-day-is-kept-and-no-more-than-that", test_a_day_is_kept_and_no_more_than_that);
    g_test_add_func("/peer-history/pause-longer-than-a-day-is-survived", test_pause_longer_than_a_day_is_survived);
    g_test_add_func("/peer-history/burst-is-one-point", test_burst_is_one_point);
    g_test_add_func("/peer-history/bounds-come-back-as-they-were", test_bounds_come_back_as_they_were);
    g_test_add_func("/peer-history/bounds-that-are-too-wide-are-no-point", test_bounds_that_are_too_wide_are_no_point);
    g_test_add_func("/peer-history/memory-is-what-the-fleet-can-pay", test_memory_is_what_the_fleet_can_pay);
    return g_test_run();
}
