/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <glib.h>

#include "verdict-private.h"
#include "verdict-world.h"

static void test_frequency_must_be_known_and_equal(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->dest.timebase_hz = 33300000;
    finding = assert_only(w, FINDING_TIMEBASE_FREQUENCY_DIFFERS, SEVERITY_BLOCK, 0);
    assert_value(&finding->a, VALUE_HZ, 512000000);
    assert_value(&finding->b, VALUE_HZ, 33300000);

    UNSET(&w->dest, HOST_TIMEBASE_HZ);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 0);
    g_assert_cmpstr(finding->a.string, ==, "timebase_hz");
    UNSET(&w->source, HOST_TIMEBASE_HZ);
    SET(&w->dest, HOST_TIMEBASE_HZ, timebase_hz, 512000000);
    assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 1);
}

static void test_impossible_frequencies_do_no_harm(void)
{
    static const uint64_t values[] = { 0, UINT64_MAX, (uint64_t)INT64_MAX + 1, 1, INT64_MAX };

    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree World *w = g_new0(World, 1);

        world_init(w, PVR_POWER9, PVR_POWER9);
        w->dest.timebase_hz = values[i];
        assert_found(w, FINDING_TIMEBASE_FREQUENCY_DIFFERS, SEVERITY_BLOCK, 0);
    }
}

static void test_destination_must_take_an_offset(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->dest.tb_offset = false;
    finding = assert_only(w, FINDING_TIMEBASE_OFFSET_UNSUPPORTED, SEVERITY_BLOCK, 0);
    g_assert_cmpstr(finding->b.string, ==, "6.14.0");
    UNSET(&w->dest, HOST_KERNEL);
    finding = assert_only(w, FINDING_TIMEBASE_OFFSET_UNSUPPORTED, SEVERITY_BLOCK, 0);
    assert_value(&finding->b, VALUE_NONE, 0);
    UNSET(&w->dest, HOST_TB_OFFSET);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 0);
    g_assert_cmpstr(finding->a.string, ==, "tb_offset");

    world_init(w, PVR_970, PVR_970);
    finding = assert_found(w, FINDING_TIMEBASE_OFFSET_UNSUPPORTED, SEVERITY_BLOCK, 1);
    assert_value(&finding->b, VALUE_PVR, PVR_970);
}

static void test_stale_copy_is_warned_of(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    SET(&w->guest, GUEST_TB_COPY_STALE, tb_copy_stale, true);
    finding = assert_only(w, FINDING_TIMEBASE_STALE_COPY, SEVERITY_WARN, 1);
    assert_value(&finding->a, VALUE_NS, 32768000);
    SET(&w->guest, GUEST_PAUSED, paused, true);
    assert_only(w, FINDING_TIMEBASE_STALE_COPY, SEVERITY_WARN, 0);
    UNSET(&w->guest, GUEST_TB_COPY_STALE); /* for all that is known */
    assert_only(w, FINDING_TIMEBASE_STALE_COPY, SEVERITY_WARN, 0);
    SET(&w->guest, GUEST_TB_COPY_STALE, tb_copy_stale, false);
    assert_clean(w);
    w->guest.paused = false;
    assert_clean(w);
}

static void test_stale_copy_is_of_kvm_guests_that_run(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    SET(&w->guest, GUEST_TB_COPY_STALE, tb_copy_stale, true);
    w->guest.active = false;
    assert_clean(w);
    w->guest.active = true;
    w->guest.accel = ACCEL_TCG;
    assert_not_found(w, FINDING_TIMEBASE_STALE_COPY);
}

static void test_running_guest_needs_a_sound_relation(void)
{
    static const struct {
        RelationState state;
        int variant;
    } cases[] = {
        { RELATION_NONE, 0 },
        { RELATION_STEPPED, 1 },
        { RELATION_INVALID, 2 },
    };
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        w->relation.state = cases[i].state;
        assert_only(w, FINDING_TIMEBASE_RELATION_UNKNOWN, SEVERITY_BLOCK, cases[i].variant);
        g_assert_false(w->verdict.plan.known);
    }
    w->in.relation = NULL;
    assert_only(w, FINDING_TIMEBASE_RELATION_UNKNOWN, SEVERITY_BLOCK, 0);
    w->policy.relation_unknown_blocks = false;
    assert_only(w, FINDING_TIMEBASE_RELATION_UNKNOWN, SEVERITY_WARN, 0);
}

static void test_stale_relation(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->relation.age_ticks = 300 * INT64_C(512000000);
    assert_clean(w);
    w->relation.age_ticks++;
    finding = assert_only(w, FINDING_TIMEBASE_RELATION_STALE, SEVERITY_BLOCK, 0);
    assert_value(&finding->a, VALUE_NS, 300 * NS_PER_S + 2);
    assert_value(&finding->b, VALUE_NS, 300 * NS_PER_S);
    w->policy.relation_unknown_blocks = false;
    assert_only(w, FINDING_TIMEBASE_RELATION_STALE, SEVERITY_WARN, 0);
}

static void test_stored_relation_is_noted(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->relation.stored = true;
    assert_only(w, FINDING_TIMEBASE_RELATION_STORED, SEVERITY_NOTE, 0);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);
    g_assert_true(w->verdict.plan.known);
}

static void test_plan_follows_the_relation(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->relation.tb_ticks = interval_of(-TB_OFFSET_UNIT_TICKS * 4, -TB_OFFSET_UNIT_TICKS * 4 + 50);
    w->guest.tb_offset_ticks = TB_OFFSET_UNIT_TICKS;
    assert_clean(w);
    g_assert_true(w->verdict.plan.known);
    g_assert_cmpint(w->verdict.plan.offset_ticks, ==, TB_OFFSET_UNIT_TICKS * 5);
    g_assert_cmpint(w->verdict.plan.jump_ticks.lo, >=, 0);
}

static void test_plan_counts_what_the_guest_is_ahead(void)
{
    g_autofree World *w = g_new0(World, 1);
    int64_t nearest_ticks;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->relation.tb_ticks = interval_of(-100, 100);
    SET(&w->guest, GUEST_AHEAD_LO_TICKS, ahead_lo_ticks, -TB_OFFSET_UNIT_TICKS * 3);
    assert_clean(w);
    nearest_ticks = w->verdict.plan.nearest_ticks; /* one bound alone says nothing */
    SET(&w->guest, GUEST_AHEAD_HI_TICKS, ahead_hi_ticks, -TB_OFFSET_UNIT_TICKS * 3);
    assert_clean(w);
    g_assert_cmpint(w->verdict.plan.nearest_ticks, >, nearest_ticks);
}

static void test_plan_needs_the_offset_and_bounds(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->relation.tb_ticks = INTERVAL_UNBOUNDED;
    assert_only(w, FINDING_TIMEBASE_RELATION_UNKNOWN, SEVERITY_BLOCK, 3);
    UNSET(&w->guest, GUEST_TB_OFFSET_TICKS);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_WARN, 2);
    g_assert_cmpstr(finding->a.string, ==, "tb_offset_ticks");
    g_assert_false(w->verdict.plan.known);
}

static void test_large_jump_is_refused(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->relation.tb_ticks = interval_of(-600000000, 0);
    finding = assert_only(w, FINDING_TIMEBASE_JUMP_TOO_LARGE, SEVERITY_BLOCK, 0);
    g_assert_cmpint(finding->a.kind, ==, VALUE_NS);
    g_assert_cmpint(finding->a.number, >, NS_PER_S);
    assert_value(&finding->b, VALUE_NS, NS_PER_S);
    w->policy.max_forward_jump_ns = 2 * NS_PER_S;
    assert_clean(w);
}

static void test_jump_beyond_a_soft_lockup_is_refused_by_any_policy(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->policy.max_forward_jump_ns = 3600 * NS_PER_S;
    w->relation.tb_ticks = interval_of(-INT64_C(9) * TB_FREQUENCY_POWER_HZ, 0);
    assert_clean(w);
    w->relation.tb_ticks = interval_of(-INT64_C(20) * TB_FREQUENCY_POWER_HZ, 0);
    assert_value(&assert_only(w, FINDING_TIMEBASE_JUMP_TOO_LARGE, SEVERITY_BLOCK, 1)->b, VALUE_NS,
                 OFFSET_SOFT_LOCKUP_NS);
}

static void test_plan_that_could_go_back_is_refused(void)
{
    g_autofree World *w = g_new0(World, 1);
    OffsetPlan plan = { .known = true, .jump_ticks = { -1, 0 } };
    Judgement j = { 0 };

    world_init(w, PVR_POWER9, PVR_POWER9);
    judge(&w->in, &w->verdict);
    j.in = &w->in;
    j.verdict = &w->verdict;
    judge_plan(&j, &plan, TB_FREQUENCY_POWER_HZ);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_BLOCK);
    g_assert_cmpint(w->verdict.findings[0].code, ==, FINDING_TIMEBASE_COULD_GO_BACK);
    assert_value(&w->verdict.findings[0].a, VALUE_TICKS, -1);
}

static void test_wall_clocks_that_surely_differ(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->relation.tod_ns = interval_of(-2 * NS_PER_S, 2 * NS_PER_S);
    assert_clean(w); /* may be equal */
    w->relation.tod_ns = interval_of(NS_PER_S + 1, 2 * NS_PER_S);
    assert_value(&assert_only(w, FINDING_TOD_SKEW, SEVERITY_WARN, 0)->a, VALUE_NS, NS_PER_S + 1);
    w->relation.tod_ns = interval_of(-3 * NS_PER_S, -2 * NS_PER_S);
    assert_value(&assert_only(w, FINDING_TOD_SKEW, SEVERITY_WARN, 0)->a, VALUE_NS, -2 * NS_PER_S);
    w->relation.tod_ns = INTERVAL_UNBOUNDED;
    assert_clean(w);
}

static void test_kernels_with_a_broken_decrementer(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    set_kernel(&w->dest, "5.17.0");
    finding = assert_only(w, FINDING_DECREMENTER_NOT_MIGRATED, SEVERITY_WARN, 1);
    g_assert_cmpstr(finding->b.string, ==, "5.17.0");
    set_kernel(&w->dest, "6.0.19-powerpc64le");
    assert_only(w, FINDING_DECREMENTER_NOT_MIGRATED, SEVERITY_WARN, 1);
    set_kernel(&w->dest, "5.16.2");
    assert_clean(w);
    set_kernel(&w->dest, "6.1.0");
    assert_clean(w);
    world_init_tcg(w, "power9", "power9");
    UNSET(&w->source, HOST_QEMU_VERSION);
    assert_not_found(w, FINDING_DECREMENTER_NOT_MIGRATED);
    SET(&w->source, HOST_QEMU_VERSION, qemu_version, V(8, 2));
    UNSET(&w->dest, HOST_QEMU_VERSION);
    assert_not_found(w, FINDING_DECREMENTER_NOT_MIGRATED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict-time/frequency-must-be-known-and-equal",
                    test_frequency_must_be_known_and_equal);
    g_test_add_func("/verdict-time/impossible-frequencies-do-no-harm",
                    test_impossible_frequencies_do_no_harm);
    g_test_add_func("/verdict-time/destination-must-take-an-offset",
                    test_destination_must_take_an_offset);
    g_test_add_func("/verdict-time/running-guest-needs-a-sound-relation",
                    test_running_guest_needs_a_sound_relation);
    g_test_add_func("/verdict-time/stale-relation", test_stale_relation);
    g_test_add_func("/verdict-time/stored-relation-is-noted", test_stored_relation_is_noted);
    g_test_add_func("/verdict-time/plan-follows-the-relation", test_plan_follows_the_relation);
    g_test_add_func("/verdict-time/plan-counts-what-the-guest-is-ahead",
                    test_plan_counts_what_the_guest_is_ahead);
    g_test_add_func("/verdict-time/plan-needs-the-offset-and-bounds",
                    test_plan_needs_the_offset_and_bounds);
    g_test_add_func("/verdict-time/large-jump-is-refused", test_large_jump_is_refused);
    g_test_add_func("/verdict-time/jump-beyond-a-soft-lockup-is-refused-by-any-policy",
                    test_jump_beyond_a_soft_lockup_is_refused_by_any_policy);
    g_test_add_func("/verdict-time/stale-copy-is-warned-of", test_stale_copy_is_warned_of);
    g_test_add_func("/verdict-time/stale-copy-is-of-kvm-guests-that-run",
                    test_stale_copy_is_of_kvm_guests_that_run);
    g_test_add_func("/verdict-time/plan-that-could-go-back-is-refused",
                    test_plan_that_could_go_back_is_refused);
    g_test_add_func("/verdict-time/wall-clocks-that-surely-differ",
                    test_wall_clocks_that_surely_differ);
    g_test_add_func("/verdict-time/kernels-with-a-broken-decrementer",
                    test_kernels_with_a_broken_decrementer);
    return g_test_run();
}
