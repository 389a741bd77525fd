/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "offset.h"

#include <glib.h>

#include "facts.h"

#define U  TB_OFFSET_UNIT_TICKS
#define MS INT64_C(512000)

#define V(major, minor) QEMU_VERSION(major, minor, 0)

/* A guest that was dark for 300 .. 310 ms: saved after 100 .. 110, loaded 40 .. 50 before it ran. */
static OffsetQemuQuery query_for(OffsetEvent event, uint32_t source, uint32_t destination, bool paused)
{
    return (OffsetQemuQuery){ .event = event,
                              .kvm = true,
                              .source_version = source,
                              .destination_version = destination,
                              .paused_before = paused,
                              .destination_takes_offset = true,
                              .blackout_ticks = interval_of(300 * MS, 310 * MS),
                              .stop_to_save_ticks = interval_of(100 * MS, 110 * MS),
                              .load_to_run_ticks = interval_of(40 * MS, 50 * MS),
                              .raw_jump_ticks = interval_of(-7, 9) };
}

static void test_table_of_versions(void)
{
    static const struct {
        OffsetEvent event;
        uint32_t source, destination;
        bool paused;
        OffsetQemuRule rule;
        int64_t lo, hi;
    } cases[] = {
        { OFFSET_EVENT_MIGRATION, V(2, 0), V(2, 0), false, OFFSET_QEMU_NO_TIMEBASE, -7, 9 },
        { OFFSET_EVENT_MIGRATION, V(2, 1), V(2, 8), false, OFFSET_QEMU_AT_LOAD, 140 * MS, 160 * MS + U - 1 },
        { OFFSET_EVENT_MIGRATION, V(7, 2), V(2, 8), false, OFFSET_QEMU_AT_LOAD, 140 * MS, 160 * MS + U - 1 },
        { OFFSET_EVENT_MIGRATION, V(7, 2), V(2, 8), true, OFFSET_QEMU_AT_LOAD, 40 * MS - U + 1, 50 * MS + U - 1 },
        { OFFSET_EVENT_MIGRATION, V(2, 8), V(2, 9), false, OFFSET_QEMU_AT_RUN, 100 * MS, 110 * MS + U - 1 },
        { OFFSET_EVENT_MIGRATION, V(2, 9), V(4, 1), true, OFFSET_QEMU_AT_RUN, 100 * MS, 110 * MS + U - 1 },
        { OFFSET_EVENT_MIGRATION, V(4, 1), V(7, 2), true, OFFSET_QEMU_AT_RUN, 100 * MS, 110 * MS + U - 1 },
        { OFFSET_EVENT_MIGRATION, V(4, 2), V(7, 2), true, OFFSET_QEMU_FROZEN, -U + 1, U - 1 },
        { OFFSET_EVENT_MIGRATION, V(4, 2), V(7, 2), false, OFFSET_QEMU_AT_RUN, 100 * MS, 110 * MS + U - 1 },
        { OFFSET_EVENT_MIGRATION, V(10, 2), V(10, 2), false, OFFSET_QEMU_AT_RUN, 100 * MS, 110 * MS + U - 1 },
        { OFFSET_EVENT_RESTORE, V(5, 2), V(5, 2), false, OFFSET_QEMU_AT_RUN, 100 * MS, 110 * MS + U - 1 },
        { OFFSET_EVENT_RESTORE, V(5, 2), V(5, 2), true, OFFSET_QEMU_FROZEN, -U + 1, U - 1 },
        { OFFSET_EVENT_RESTORE, V(6, 0), V(6, 0), false, OFFSET_QEMU_FROZEN, -U + 1, U - 1 },
        { OFFSET_EVENT_STOP_CONT, V(2, 9), V(2, 9), false, OFFSET_QEMU_FROZEN, -U + 1, U - 1 },
        { OFFSET_EVENT_STOP_CONT, V(2, 8), V(2, 8), false, OFFSET_QEMU_RUNS_ON, 300 * MS, 310 * MS },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        OffsetQemuQuery query =
            query_for(cases[i].event, cases[i].source, cases[i].destination, cases[i].paused);
        OffsetQemuPrediction got = offset_qemu_prediction(&query);

        g_test_message("case %zu", i);
        g_assert_true(got.known);
        g_assert_cmpint(got.rule, ==, cases[i].rule);
        g_assert_cmpint(got.jump_ticks.lo, ==, cases[i].lo);
        g_assert_cmpint(got.jump_ticks.hi, ==, cases[i].hi);
        g_assert_cmpint(got.lost_ticks.lo, ==, 300 * MS - cases[i].hi);
        g_assert_cmpint(got.lost_ticks.hi, ==, 310 * MS - cases[i].lo);
        g_assert_cmpint(got.may_go_back, ==, cases[i].lo < 0);
    }
}

static void test_pairs_that_nobody_has_seen_are_unknown(void)
{
    OffsetQemuQuery query = query_for(OFFSET_EVENT_MIGRATION, V(2, 0), V(7, 2), false);

    g_assert_false(offset_qemu_prediction(&query).known);
    g_assert_true(offset_qemu_prediction(&query).may_go_back);
    g_assert_false(interval_is_bounded(offset_qemu_prediction(&query).jump_ticks));
    query = query_for(OFFSET_EVENT_MIGRATION, V(7, 2), V(2, 0), false);
    g_assert_false(offset_qemu_prediction(&query).known);
}

static void test_host_without_offset_shows_its_own_timebase(void)
{
    OffsetQemuQuery query = query_for(OFFSET_EVENT_MIGRATION, V(7, 2), V(7, 2), false);

    query.destination_takes_offset = false;
    g_assert_cmpint(offset_qemu_prediction(&query).rule, ==, OFFSET_QEMU_NO_TIMEBASE);
    g_assert_cmpint(offset_qemu_prediction(&query).jump_ticks.lo, ==, -7);
}

static void test_tcg_stands_still(void)
{
    OffsetQemuQuery query = query_for(OFFSET_EVENT_MIGRATION, V(7, 2), V(10, 0), false);
    OffsetQemuPrediction got;

    query.kvm = false;
    got = offset_qemu_prediction(&query);
    g_assert_cmpint(got.rule, ==, OFFSET_QEMU_VIRTUAL_CLOCK);
    g_assert_cmpint(got.jump_ticks.lo, ==, 0);
    g_assert_cmpint(got.jump_ticks.hi, ==, 0);
    g_assert_cmpint(got.lost_ticks.lo, ==, 300 * MS);
    g_assert_false(got.may_go_back);
    query.source_version = V(2, 8);
    g_assert_false(offset_qemu_prediction(&query).known);
    query.source_version = V(7, 2);
    query.destination_version = V(2, 8);
    g_assert_false(offset_qemu_prediction(&query).known);
}

#define CASE(name, function) g_test_add_func("/offset-qemu/" name, function)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CASE("table-of-versions", test_table_of_versions);
    CASE("pairs-that-nobody-has-seen-are-unknown", test_pairs_that_nobody_has_seen_are_unknown);
    CASE("host-without-offset-shows-its-own-timebase", test_host_without_offset_shows_its_own_timebase);
    CASE("tcg-stands-still", test_tcg_stands_still);
    return g_test_run();
}
