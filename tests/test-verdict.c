/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <glib.h>

#include "verdict-world.h"

/* --- the list of findings --- */

static void test_list_is_sorted_and_bounded(void)
{
    Verdict verdict = { .decision = DECISION_ALLOW };

    for (int i = 0; i < VERDICT_FINDINGS_MAX; i++)
        verdict_add(&verdict,
                    &(Finding){ FINDING_MODE_ASSUMED, SEVERITY_NOTE, .variant = (int8_t)i });
    g_assert_cmpint(verdict.n_findings, ==, VERDICT_FINDINGS_MAX);
    g_assert_cmpint(verdict.decision, ==, DECISION_ALLOW);
    verdict_add(&verdict, &(Finding){ FINDING_TIME_STOOD_STILL, SEVERITY_NOTE });
    g_assert_cmpint(verdict.findings[VERDICT_FINDINGS_MAX - 1].code, ==, FINDING_MODE_ASSUMED);

    verdict_add(&verdict, &(Finding){ FINDING_TOD_SKEW, SEVERITY_WARN });
    verdict_add(&verdict, &(Finding){ FINDING_DEADLINE, SEVERITY_BLOCK });
    verdict_add(&verdict, &(Finding){ FINDING_SOURCE_UNKNOWN, SEVERITY_BLOCK });
    g_assert_cmpint(verdict.n_findings, ==, VERDICT_FINDINGS_MAX);
    g_assert_cmpint(verdict.decision, ==, DECISION_BLOCK);
    g_assert_cmpint(verdict.findings[0].code, ==, FINDING_DEADLINE);
    g_assert_cmpint(verdict.findings[1].code, ==, FINDING_SOURCE_UNKNOWN);
    g_assert_cmpint(verdict.findings[2].code, ==, FINDING_TOD_SKEW);
    for (int i = 3; i < VERDICT_FINDINGS_MAX; i++)
        g_assert_cmpint(verdict.findings[i].variant, ==, i - 3); /* oldest first, newest dropped */
}

static void test_refusals_are_qemus_or_ours(void)
{
    static const struct {
        FindingCode code;
        int variant;
        bool stricter;
    } cases[] = {
        { FINDING_COMPAT_MODE_UNSUPPORTED, 0, false },
        { FINDING_RAW_PVR_MISMATCH, 1, false },
        { FINDING_KVM_MISSING, 0, false },
        { FINDING_CAPABILITY_INVALID, 0, true },
        { FINDING_CAPABILITY_INVALID, 1, false },
        { FINDING_HPT_TOO_LARGE, 0, false },
        { FINDING_HPT_TOO_LARGE, 1, true },
        { FINDING_RAW_ADOPTS_MODE, 0, true },
        { FINDING_SOURCE_UNKNOWN, 0, true },
        { FINDING_TIME_STOOD_STILL, 0, true },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpint(finding_is_stricter(&(Finding){ cases[i].code, SEVERITY_BLOCK,
                                                        .variant = (int8_t)cases[i].variant }),
                        ==, cases[i].stricter);
}

/* --- whose business --- */

static void test_same_hosts_are_clean_and_planned(void)
{
    static const uint32_t pvrs[] = { PVR_POWER7, PVR_POWER8, PVR_POWER9, PVR_POWER10, PVR_POWER11 };

    for (gsize i = 0; i < G_N_ELEMENTS(pvrs); i++) {
        g_autofree World *w = g_new0(World, 1);

        world_init(w, pvrs[i], pvrs[i]);
        w->source.qemu_version = w->dest.qemu_version = QEMU_VERSION(10, 2, 0);
        if (pvrs[i] == PVR_POWER7) {
            w->source.qemu_version = w->dest.qemu_version = V(8, 2);
            w->dest.caps[CAP_VSX] = w->dest.caps[CAP_DFP] = CAP_UNKNOWN; /* the CPU tells */
        }
        assert_clean(w);
        g_assert_true(w->verdict.plan.known);
        g_assert_cmpint(w->verdict.plan.offset_ticks, ==, TB_OFFSET_UNIT_TICKS);
    }
}

static void test_other_guests_are_none_of_our_business(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_970);
    w->guest.arch = ARCH_OTHER;
    assert_clean(w);
    w->guest.arch = ARCH_PPC64;
    set_machine(&w->guest, "powernv9");
    assert_clean(w);
    UNSET(&w->guest, GUEST_ARCH);
    assert_clean(w);
    UNSET(&w->guest, GUEST_MACHINE_TYPE);
    judge(&w->in, &w->verdict);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_BLOCK);
}

/* --- TCG, and hosts that are simulated --- */

static void test_tcg_needs_few_facts(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power9", "power9");
    assert_only(w, FINDING_DECREMENTER_NOT_MIGRATED, SEVERITY_NOTE, 0);
    set_model(&w->incoming, "power8");
    assert_found(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 0);
    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    set_mode(w, COMPAT_POWER8);
    assert_only(w, FINDING_DECREMENTER_NOT_MIGRATED, SEVERITY_NOTE, 0);
}

static void test_tcg_decrementer_travels_from_8_2_on(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power8", "power8");
    w->source.qemu_version = V(8, 2);
    assert_only(w, FINDING_DECREMENTER_NOT_MIGRATED, SEVERITY_NOTE, 0);
    w->dest.qemu_version = V(8, 2);
    assert_clean(w);
}

static void test_tcg_model_must_exist_there(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init_tcg(w, "power9", "power9_v2.2"); /* from 8.1 on */
    finding = assert_found(w, FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK, FAMILY_VARIANT_MODEL);
    g_assert_cmpstr(finding->a.string, ==, "power9_v2.2");
    assert_value(&finding->b, VALUE_QEMU_VERSION, V(7, 2));

    UNSET(&w->incoming, GUEST_CPU_MODEL);
    UNSET(&w->guest, GUEST_CPU_MODEL);
    finding = assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 2);
    g_assert_cmpstr(finding->a.string, ==, "cpu_model");
    w->policy.unknown_facts_block = false;
    assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_WARN, 2);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);

    set_model(&w->incoming, "power3");
    UNSET(&w->dest, HOST_QEMU_VERSION);
    finding = assert_found(w, FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK, FAMILY_VARIANT_MODEL);
    assert_value(&finding->b, VALUE_NONE, 0);
}

static void test_without_a_definition_the_guest_is_taken_as_it_is(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->in.incoming = NULL;
    assert_clean(w);
    SET(&w->guest, GUEST_MAX_CPU_COMPAT, max_cpu_compat, COMPAT_POWER10);
    assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_LIMIT);
}

static void test_tcg_source_without_a_model_has_the_pvr_in_its_vcpus(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "", "power9");
    UNSET(&w->guest, GUEST_CPU_MODEL);
    SET(&w->guest, GUEST_PVR, pvr, 0x004e1200);
    assert_not_found(w, FINDING_RAW_PVR_MISMATCH);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);
    w->guest.pvr = PVR_POWER8;
    assert_found(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 0);
}

static void test_unknown_accelerator_is_judged_as_kvm(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    UNSET(&w->guest, GUEST_ACCEL);
    w->dest.kvm = KVM_NONE;
    assert_only(w, FINDING_KVM_MISSING, SEVERITY_BLOCK, 0);
}

static void test_simulated_hosts_keep_to_themselves(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->source.simulated = true;
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_BLOCK, 1);
    w->dest.simulated = true;
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_NOTE, 0);
    w->source.simulated = false;
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_BLOCK, 2);
}

static void test_simulated_hosts_lend_tcg_guests_their_cpu(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER8);
    w->guest.accel = ACCEL_TCG;
    set_model(&w->guest, "power9"); /* the same on both sides, and not asked */
    w->source.simulated = w->dest.simulated = true;
    w->dest.kvm = KVM_NONE;
    assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_CPU);
    set_pvr(&w->dest, PVR_POWER9);
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_NOTE, 0);
    g_assert_true(w->verdict.plan.known);
}

/* --- other kinds of judgement --- */

static void test_restore_is_judged_against_this_host_alone(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->in.kind = JUDGE_RESTORE;
    w->in.source = NULL;
    w->in.relation = NULL;
    assert_only(w, FINDING_TIME_STOOD_STILL, SEVERITY_NOTE, 0);
    set_limit(w, COMPAT_POWER10, COMPAT_POWER10);
    assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_LIMIT);
    set_limit(w, COMPAT_RAW, COMPAT_RAW);
    w->dest.tb_offset = false;
    assert_found(w, FINDING_TIMEBASE_OFFSET_UNSUPPORTED, SEVERITY_BLOCK, 0);
}

static void test_restored_guests_mode_is_assumed(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->in.kind = JUDGE_RESTORE;
    w->in.source = NULL;
    UNSET(&w->guest, GUEST_EFFECTIVE_MODE);
    finding = assert_found(w, FINDING_MODE_ASSUMED, SEVERITY_NOTE, 1);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER9);
    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    UNSET(&w->guest, GUEST_MMU);
    finding = assert_found(w, FINDING_MODE_ASSUMED, SEVERITY_NOTE, 0);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER8);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);

    set_limit(w, COMPAT_RAW, COMPAT_RAW);
    UNSET(&w->dest, HOST_PVR);
    UNSET(&w->dest, HOST_QEMU_VERSION);
    assert_found(w, FINDING_MODE_UNKNOWN, SEVERITY_BLOCK, 2);
}

static void test_restored_tcg_guest_was_saved_by_a_qemu_like_ours(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power9", "power9");
    w->in.kind = JUDGE_RESTORE;
    w->in.source = NULL;
    assert_only(w, FINDING_TIME_STOOD_STILL, SEVERITY_NOTE, 0);
    SET(&w->dest, HOST_SIMULATED, simulated, true);
    assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 0); /* pvr */
}

static void test_offline_migration_asks_whether_it_could_start(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER8);
    w->guest.active = false;
    w->in.relation = NULL;
    w->dest.timebase_hz = 1;
    assert_clean(w);
    g_assert_false(w->verdict.plan.known);
    set_limit(w, COMPAT_POWER9, COMPAT_POWER9);
    assert_only(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_LIMIT);
}

static void test_planning_asks_for_no_relation(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->in.kind = JUDGE_OFFLINE;
    assert_clean(w);
    g_assert_true(w->verdict.plan.known);
    UNSET(&w->guest, GUEST_TB_OFFSET_TICKS);
    assert_clean(w);
    g_assert_false(w->verdict.plan.known);
    w->in.relation = NULL;
    assert_clean(w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict/list-is-sorted-and-bounded", test_list_is_sorted_and_bounded);
    g_test_add_func("/verdict/refusals-are-qemus-or-ours", test_refusals_are_qemus_or_ours);
    g_test_add_func("/verdict/same-hosts-are-clean-and-planned",
                    test_same_hosts_are_clean_and_planned);
    g_test_add_func("/verdict/other-guests-are-none-of-our-business",
                    test_other_guests_are_none_of_our_business);
    g_test_add_func("/verdict/tcg-needs-few-facts", test_tcg_needs_few_facts);
    g_test_add_func("/verdict/tcg-decrementer-travels-from-8-2-on",
                    test_tcg_decrementer_travels_from_8_2_on);
    g_test_add_func("/verdict/tcg-model-must-exist-there", test_tcg_model_must_exist_there);
    g_test_add_func("/verdict/without-a-definition-the-guest-is-taken-as-it-is",
                    test_without_a_definition_the_guest_is_taken_as_it_is);
    g_test_add_func("/verdict/tcg-source-without-a-model-has-the-pvr-in-its-vcpus",
                    test_tcg_source_without_a_model_has_the_pvr_in_its_vcpus);
    g_test_add_func("/verdict/unknown-accelerator-is-judged-as-kvm",
                    test_unknown_accelerator_is_judged_as_kvm);
    g_test_add_func("/verdict/simulated-hosts-keep-to-themselves",
                    test_simulated_hosts_keep_to_themselves);
    g_test_add_func("/verdict/simulated-hosts-lend-tcg-guests-their-cpu",
                    test_simulated_hosts_lend_tcg_guests_their_cpu);
    g_test_add_func("/verdict/restore-is-judged-against-this-host-alone",
                    test_restore_is_judged_against_this_host_alone);
    g_test_add_func("/verdict/restored-guests-mode-is-assumed",
                    test_restored_guests_mode_is_assumed);
    g_test_add_func("/verdict/restored-tcg-guest-was-saved-by-a-qemu-like-ours",
                    test_restored_tcg_guest_was_saved_by_a_qemu_like_ours);
    g_test_add_func("/verdict/offline-migration-asks-whether-it-could-start",
                    test_offline_migration_asks_whether_it_could_start);
    g_test_add_func("/verdict/planning-asks-for-no-relation", test_planning_asks_for_no_relation);
    return g_test_run();
}
