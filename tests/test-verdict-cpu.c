/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <glib.h>

#include "verdict-world.h"

/* --- can the destination start it --- */

static void test_kvm_kind(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->dest.kvm = KVM_PR;
    assert_only(w, FINDING_KVM_PR_HOST, SEVERITY_BLOCK, 0);
    w->dest.kvm = KVM_NONE;
    assert_only(w, FINDING_KVM_MISSING, SEVERITY_BLOCK, 0);
    UNSET(&w->dest, HOST_KVM);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 0);
    g_assert_cmpstr(finding->a.string, ==, "kvm");
    w->policy.unknown_facts_block = false;
    assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_WARN, 0);
}

static void test_unknown_pvr_is_not_guessed(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, 0x00830000);
    finding = assert_found(w, FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK, FAMILY_VARIANT_PVR);
    assert_value(&finding->b, VALUE_PVR, 0x00830000);
    set_pvr(&w->dest, 0x003c0301);
    assert_found(w, FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK, FAMILY_VARIANT_PSERIES);

    set_pvr(&w->dest, PVR_POWER9);
    UNSET(&w->dest, HOST_PVR);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 0);
    g_assert_cmpstr(finding->a.string, ==, "pvr");
    w->policy.unknown_facts_block = false;
    assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_WARN, 0);
    w->policy.unknown_facts_block = true;
    set_limit(w, COMPAT_RAW, COMPAT_POWER8);
    assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 0);
    set_pvr(&w->dest, PVR_POWER9);
    set_limit(w, COMPAT_RAW, COMPAT_RAW);
    UNSET(&w->source, HOST_PVR);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 1);
    g_assert_cmpstr(finding->a.string, ==, "pvr");
}

static void test_first_power9_under_kvm(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, 0x004e0100, 0x004e0100);
    w->source.qemu_version = w->dest.qemu_version = V(8, 2);
    assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_DD1);
    w->source.qemu_version = w->dest.qemu_version = V(9, 0);
    assert_found(w, FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK, FAMILY_VARIANT_DD1);
    world_init_tcg(w, "power9_v1.0", "power9_v1.0");
    set_mode(w, COMPAT_POWER9);
    assert_not_found(w, FINDING_COMPAT_MODE_UNSUPPORTED);
}

static void test_kvm_fakes_no_other_cpu(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    SET(&w->guest, GUEST_CPU_MODE, cpu_mode, CPU_CUSTOM);
    assert_clean(w); /* no model named */
    set_model(&w->guest, "POWER9");
    assert_clean(w);
    set_model(&w->guest, "power9_v2.2");
    assert_clean(w);
    set_model(&w->guest, "POWER9");
    w->source.pvr = w->dest.pvr = 0x004e1203; /* no model of its own: the name stands for it */
    assert_clean(w);
    w->source.pvr = w->dest.pvr = PVR_POWER9;
    set_model(&w->guest, "power9_v2.0");
    finding = assert_only(w, FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK, FAMILY_VARIANT_CUSTOM);
    g_assert_cmpstr(finding->a.string, ==, "power9_v2.0");
    assert_value(&finding->b, VALUE_PVR, PVR_POWER9);
    w->guest.cpu_mode = CPU_HOST_MODEL;
    assert_clean(w);
    world_init(w, PVR_970, PVR_970);
    SET(&w->guest, GUEST_CPU_MODE, cpu_mode, CPU_CUSTOM);
    set_model(&w->guest, "raw");
    assert_found(w, FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK, FAMILY_VARIANT_CUSTOM);
}

static void test_limit_must_be_valid_there(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER8);
    set_limit(w, COMPAT_RAW, COMPAT_POWER9);
    finding = assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_LIMIT);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER9);
    g_assert_cmpint(finding->advise_mode, ==, COMPAT_POWER8);

    w->dest.qemu_version = V(10, 2);
    set_limit(w, COMPAT_POWER7PLUS, COMPAT_POWER7PLUS);
    set_mode(w, COMPAT_POWER7);
    finding =
        assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_NUMERIC);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER7PLUS);
    assert_value(&finding->b, VALUE_QEMU_VERSION, V(10, 2));
}

static void test_limit_unknown(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    UNSET(&w->guest, GUEST_MAX_CPU_COMPAT);
    assert_clean(w); /* the destination's is known */
    UNSET(&w->incoming, GUEST_MAX_CPU_COMPAT);
    assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 2);
    world_init_tcg(w, "power9", "power9");
    UNSET(&w->guest, GUEST_MAX_CPU_COMPAT);
    UNSET(&w->incoming, GUEST_MAX_CPU_COMPAT);
    assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_NOTE, 2);
}

/* --- the running mode --- */

static void test_newer_mode_is_refused_with_advice(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER8);
    finding = assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_CPU);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER9);
    assert_value(&finding->b, VALUE_PVR, PVR_POWER8);
    g_assert_cmpint(finding->advise_mode, ==, COMPAT_POWER8);
    assert_found(w, FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK, IC_VARIANT_CPU);

    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    set_mode(w, COMPAT_POWER8);
    assert_clean(w);
}

static void test_no_advice_between_strangers(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_970, PVR_POWER9);
    set_mode(w, COMPAT_RAW);
    g_assert_cmpint(assert_only(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 0)->advise_mode, ==,
                    COMPAT_RAW);
}

static void test_modes_a_version_does_not_know(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER11, PVR_POWER11);
    w->dest.qemu_version = V(9, 1);
    w->source.qemu_version = V(9, 2);
    finding = assert_found(w, FINDING_COMPAT_MODE_UNKNOWN, SEVERITY_BLOCK, 0);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER11);
    assert_value(&finding->b, VALUE_QEMU_VERSION, V(9, 1));
    set_limit(w, COMPAT_POWER11, COMPAT_POWER11);
    assert_found(w, FINDING_COMPAT_MODE_UNKNOWN, SEVERITY_BLOCK, 1);

    world_init(w, PVR_POWER8, PVR_POWER8);
    w->source.qemu_version = V(2, 10);
    w->dest.qemu_version = V(2, 9);
    assert_found(w, FINDING_QEMU_VERSION_REFUSES, SEVERITY_BLOCK, REFUSES_VARIANT_COMPAT);
}

static void test_lpar_is_judged_by_its_level(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER10, PVR_POWER10);
    SET(&w->dest, HOST_NESTED, nested, true);
    SET(&w->dest, HOST_COMPAT_LEVEL, compat_level, COMPAT_POWER9);
    finding = assert_only(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_HOST);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER10);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER9);
    g_assert_cmpint(finding->advise_mode, ==, COMPAT_POWER9);
    set_mode(w, COMPAT_POWER9);
    assert_clean(w);
    /* the same as a source: its guests end in its level */
    SET(&w->source, HOST_COMPAT_LEVEL, compat_level, COMPAT_POWER9);
    UNSET(&w->guest, GUEST_EFFECTIVE_MODE);
    finding = assert_only(w, FINDING_MODE_ASSUMED, SEVERITY_NOTE, 0);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER9);
}

static void test_raw_guest_on_an_lpar_has_its_level(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER10, PVR_POWER10);
    set_mode(w, COMPAT_RAW);
    SET(&w->dest, HOST_COMPAT_LEVEL, compat_level, COMPAT_POWER9);
    finding = assert_only(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_HOST);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER10);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER9);
    SET(&w->source, HOST_COMPAT_LEVEL, compat_level, COMPAT_POWER9);
    assert_clean(w);
    UNSET(&w->dest, HOST_COMPAT_LEVEL); /* up is no loss */
    assert_not_found(w, FINDING_COMPAT_MODE_UNSUPPORTED);
}

static void test_mode_newer_than_limit_is_warned_of(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER8);
    set_limit(w, COMPAT_RAW, COMPAT_POWER7);
    finding = assert_found(w, FINDING_MODE_NEWER_THAN_LIMIT, SEVERITY_WARN, 0);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER8);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER7);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);
}

static void test_kernel_older_than_the_mode(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER10, PVR_POWER10);
    set_kernel(&w->dest, "5.8.0-63-generic");
    finding = assert_only(w, FINDING_KERNEL_MODE_UNSUPPORTED, SEVERITY_BLOCK, 0);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER10);
    g_assert_cmpstr(finding->b.string, ==, "5.8.0-63-generic");
    set_kernel(&w->dest, "4.18.0-477.10.1.el8_8.ppc64le");
    assert_only(w, FINDING_KERNEL_MODE_UNSUPPORTED, SEVERITY_WARN, 1);
    set_kernel(&w->dest, "4.12.14-122-default");
    assert_only(w, FINDING_KERNEL_MODE_UNSUPPORTED, SEVERITY_WARN, 1);
    set_kernel(&w->dest, "vendor");
    assert_clean(w);
    UNSET(&w->dest, HOST_KERNEL);
    assert_clean(w);
}

/* --- mode not known --- */

static void test_unknown_mode_by_policy(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    UNSET(&w->guest, GUEST_EFFECTIVE_MODE);
    finding = assert_only(w, FINDING_MODE_ASSUMED, SEVERITY_NOTE, 0);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER9);
    w->policy.unknown_mode = UNKNOWN_MODE_STRICT;
    assert_only(w, FINDING_MODE_UNKNOWN, SEVERITY_BLOCK, 0);
    w->policy.unknown_mode = UNKNOWN_MODE_MONITOR;
    assert_only(w, FINDING_MODE_UNKNOWN, SEVERITY_BLOCK, 1);

    w->policy.unknown_mode = UNKNOWN_MODE_NEGOTIATED;
    w->policy.unknown_facts_block = false;
    UNSET(&w->source, HOST_PVR);
    assert_found(w, FINDING_MODE_UNKNOWN, SEVERITY_BLOCK, 2);
}

static void test_assumed_modes(void)
{
    static const struct {
        uint32_t pvr;
        uint32_t version;
        CompatMode limit, mode;
    } cases[] = {
        { PVR_POWER7, V(7, 2), COMPAT_RAW, COMPAT_POWER7 },
        { PVR_POWER9, V(7, 2), COMPAT_POWER8, COMPAT_POWER8 },
        { PVR_POWER9, V(7, 2), COMPAT_POWER7PLUS, COMPAT_POWER7 },
        { 0x003b0201, V(7, 2), COMPAT_RAW, COMPAT_RAW },
        { PVR_POWER8, V(2, 8), COMPAT_RAW, COMPAT_RAW },
        { PVR_POWER8, V(2, 8), COMPAT_POWER7, COMPAT_POWER7 },
        { PVR_POWER8, 0, COMPAT_RAW, COMPAT_POWER8 },
        { 0, V(7, 2), COMPAT_POWER7PLUS, COMPAT_POWER7 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree World *w = g_new0(World, 1);
        const Finding *finding;

        world_init(w, cases[i].pvr, PVR_POWER10);
        UNSET(&w->guest, GUEST_EFFECTIVE_MODE);
        w->source.qemu_version = cases[i].version;
        if (cases[i].pvr == 0)
            UNSET(&w->source, HOST_PVR);
        set_limit(w, cases[i].limit, COMPAT_RAW);
        finding = assert_found(w, FINDING_MODE_ASSUMED, SEVERITY_NOTE, 0);
        assert_value(&finding->a, VALUE_MODE, cases[i].mode);
    }
}

/* --- raw --- */

static void test_raw_guest_needs_the_same_cpu(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER9);
    set_mode(w, COMPAT_RAW);
    finding = assert_only(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 0);
    assert_value(&finding->a, VALUE_PVR, PVR_POWER8);
    assert_value(&finding->b, VALUE_PVR, PVR_POWER9);
    world_init(w, 0x004e1202, 0x004e1203);
    set_mode(w, COMPAT_RAW);
    assert_only(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 1);
    /* lopsided: the other way round it goes, and never comes back */
    world_init(w, 0x004e1203, 0x004e1202);
    set_mode(w, COMPAT_RAW);
    assert_only(w, FINDING_CANNOT_RETURN, SEVERITY_NOTE, RETURN_VARIANT_RAW);
    /* the vCPUs may hold another PVR than the host */
    SET(&w->guest, GUEST_PVR, pvr, 0x004e1201);
    assert_only(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 1);
}

static void test_raw_guest_adopts_no_mode(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER8);
    set_mode(w, COMPAT_RAW);
    set_limit(w, COMPAT_RAW, COMPAT_POWER8);
    finding = assert_found(w, FINDING_RAW_ADOPTS_MODE, SEVERITY_BLOCK, 0);
    assert_value(&finding->a, VALUE_PVR, PVR_POWER8);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER8);
    UNSET(&w->source, HOST_PVR);
    assert_value(&assert_found(w, FINDING_RAW_ADOPTS_MODE, SEVERITY_BLOCK, 0)->a, VALUE_NONE, 0);
}

static void test_raw_guest_of_unknown_cpu(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER8);
    set_mode(w, COMPAT_RAW);
    w->in.source = NULL;
    w->in.kind = JUDGE_RESTORE;
    finding = assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 2);
    g_assert_cmpstr(finding->a.string, ==, "pvr");
    UNSET(&w->dest, HOST_PVR);
    assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 0);
}

static void test_machine_types_before_2_10_send_no_mode(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER9);
    set_machine(&w->guest, "pseries-2.9");
    w->dest.caps[CAP_HTM] = 1; /* on by default then */
    assert_only(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 0);

    set_pvr(&w->dest, PVR_POWER8);
    assert_clean(w); /* its own level: raw is the same */
    set_mode(w, COMPAT_POWER7);
    assert_only(w, FINDING_QEMU_VERSION_LOSES_STATE, SEVERITY_WARN, LOSES_VARIANT_MODE);
    set_limit(w, COMPAT_POWER7, COMPAT_POWER7);
    assert_clean(w); /* the destination's limit stands in for it */
    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    finding = assert_found(w, FINDING_RAW_ADOPTS_MODE, SEVERITY_BLOCK, 1);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER7);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER8);
}

/* --- devices --- */

static void test_devices_follow_from_cpu_and_limit(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    set_mode(w, COMPAT_POWER8);
    set_limit(w, COMPAT_RAW, COMPAT_POWER8);
    finding =
        assert_found(w, FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK, IC_VARIANT_LIMIT);
    g_assert_cmpstr(finding->a.string, ==, "dual");
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER8);
    SET(&w->incoming, GUEST_IC_MODE, ic_mode, IC_XICS);
    finding =
        assert_found(w, FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK, IC_VARIANT_MODE);
    g_assert_cmpstr(finding->b.string, ==, "xics");
    SET(&w->guest, GUEST_IC_MODE, ic_mode, IC_XICS);
    assert_not_found(w, FINDING_INTERRUPT_CONTROLLER_MISSING);

    set_limit(w, COMPAT_RAW, COMPAT_RAW);
    w->incoming.ic_mode = IC_XIVE;
    assert_only(w, FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK, IC_VARIANT_MODE);
    w->guest.ic_mode = IC_XIVE;
    assert_clean(w);
}

static void test_xive_alone_needs_power9_to_start(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER8);
    SET(&w->guest, GUEST_IC_MODE, ic_mode, IC_XIVE);
    w->guest.active = false;
    finding =
        assert_only(w, FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK, IC_VARIANT_START);
    assert_value(&finding->b, VALUE_PVR, PVR_POWER8);
    set_pvr(&w->dest, PVR_POWER9);
    set_limit(w, COMPAT_RAW, COMPAT_POWER8);
    finding =
        assert_only(w, FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK, IC_VARIANT_START);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER8);
}

static void test_old_machine_types_have_xics_only(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER8);
    set_mode(w, COMPAT_POWER8);
    set_machine(&w->guest, "pseries-4.1");
    assert_found(w, FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK, IC_VARIANT_CPU);
    set_machine(&w->guest, "pseries-4.0");
    assert_not_found(w, FINDING_INTERRUPT_CONTROLLER_MISSING);
    set_machine(&w->guest, "pseries-jammy");
    assert_found(w, FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK, IC_VARIANT_CPU);
}

/* --- one way --- */

static void test_one_way_moves_are_named(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER9);
    finding = assert_only(w, FINDING_CANNOT_RETURN, SEVERITY_NOTE, RETURN_VARIANT_XIVE);
    assert_value(&finding->a, VALUE_PVR, PVR_POWER8);
    assert_value(&finding->b, VALUE_PVR, PVR_POWER9);
    SET(&w->guest, GUEST_IC_MODE, ic_mode, IC_XICS);
    finding = assert_only(w, FINDING_CANNOT_RETURN, SEVERITY_NOTE, RETURN_VARIANT_REBOOT);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER9);
    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    assert_clean(w);

    world_init(w, PVR_POWER9, PVR_POWER9);
    set_limit(w, COMPAT_POWER8, COMPAT_RAW);
    finding = assert_only(w, FINDING_CANNOT_RETURN, SEVERITY_NOTE, RETURN_VARIANT_XIVE);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER8);
}

static void test_one_way_by_version_and_offset(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->source.qemu_version = V(9, 1);
    w->dest.qemu_version = V(10, 2);
    assert_found(w, FINDING_CANNOT_RETURN, SEVERITY_NOTE, RETURN_VARIANT_VERSION);
    UNSET(&w->source, HOST_QEMU_VERSION);
    assert_not_found(w, FINDING_CANNOT_RETURN);
    w->source = w->dest;
    w->source.tb_offset = false;
    assert_only(w, FINDING_CANNOT_RETURN, SEVERITY_NOTE, RETURN_VARIANT_OFFSET);
    UNSET(&w->source, HOST_TB_OFFSET);
    assert_clean(w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict-cpu/kvm-kind", test_kvm_kind);
    g_test_add_func("/verdict-cpu/unknown-pvr-is-not-guessed", test_unknown_pvr_is_not_guessed);
    g_test_add_func("/verdict-cpu/first-power9-under-kvm", test_first_power9_under_kvm);
    g_test_add_func("/verdict-cpu/kvm-fakes-no-other-cpu", test_kvm_fakes_no_other_cpu);
    g_test_add_func("/verdict-cpu/limit-must-be-valid-there", test_limit_must_be_valid_there);
    g_test_add_func("/verdict-cpu/limit-unknown", test_limit_unknown);
    g_test_add_func("/verdict-cpu/newer-mode-is-refused-with-advice",
                    test_newer_mode_is_refused_with_advice);
    g_test_add_func("/verdict-cpu/no-advice-between-strangers", test_no_advice_between_strangers);
    g_test_add_func("/verdict-cpu/modes-a-version-does-not-know",
                    test_modes_a_version_does_not_know);
    g_test_add_func("/verdict-cpu/lpar-is-judged-by-its-level", test_lpar_is_judged_by_its_level);
    g_test_add_func("/verdict-cpu/raw-guest-on-an-lpar-has-its-level",
                    test_raw_guest_on_an_lpar_has_its_level);
    g_test_add_func("/verdict-cpu/mode-newer-than-limit-is-warned-of",
                    test_mode_newer_than_limit_is_warned_of);
    g_test_add_func("/verdict-cpu/kernel-older-than-the-mode", test_kernel_older_than_the_mode);
    g_test_add_func("/verdict-cpu/unknown-mode-by-policy", test_unknown_mode_by_policy);
    g_test_add_func("/verdict-cpu/assumed-modes", test_assumed_modes);
    g_test_add_func("/verdict-cpu/raw-guest-needs-the-same-cpu", test_raw_guest_needs_the_same_cpu);
    g_test_add_func("/verdict-cpu/raw-guest-adopts-no-mode", test_raw_guest_adopts_no_mode);
    g_test_add_func("/verdict-cpu/raw-guest-of-unknown-cpu", test_raw_guest_of_unknown_cpu);
    g_test_add_func("/verdict-cpu/machine-types-before-2-10-send-no-mode",
                    test_machine_types_before_2_10_send_no_mode);
    g_test_add_func("/verdict-cpu/devices-follow-from-cpu-and-limit",
                    test_devices_follow_from_cpu_and_limit);
    g_test_add_func("/verdict-cpu/xive-alone-needs-power9-to-start",
                    test_xive_alone_needs_power9_to_start);
    g_test_add_func("/verdict-cpu/old-machine-types-have-xics-only",
                    test_old_machine_types_have_xics_only);
    g_test_add_func("/verdict-cpu/one-way-moves-are-named", test_one_way_moves_are_named);
    g_test_add_func("/verdict-cpu/one-way-by-version-and-offset",
                    test_one_way_by_version_and_offset);
    return g_test_run();
}
