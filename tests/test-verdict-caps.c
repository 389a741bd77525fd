/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <glib.h>

#include "verdict-world.h"

static void assert_levels(const Finding *finding, SpaprCap cap, int a, int b)
{
    g_assert_cmpint(finding->a.kind, ==, VALUE_CAP_LEVEL);
    g_assert_cmpint(finding->a.cap, ==, cap);
    g_assert_cmpint(finding->a.number, ==, a);
    g_assert_cmpint(finding->b.kind, ==, VALUE_CAP_LEVEL);
    g_assert_cmpint(finding->b.cap, ==, cap);
    g_assert_cmpint(finding->b.number, ==, b);
}

/* --- in the stream --- */

static void test_higher_level_in_the_stream_is_refused(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power9", "power9");
    set_cap(&w->guest, CAP_CFPC, 2);
    set_cap(&w->incoming, CAP_CFPC, 1);
    assert_levels(assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_STREAM),
                  CAP_CFPC, 2, 1);
    set_cap(&w->incoming, CAP_CFPC, 2);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
    set_cap(&w->guest, CAP_CFPC, 0); /* less in the stream: QEMU warns only */
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
}

static void test_absent_level_reads_as_the_destinations_default(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power9", "power9");
    set_cap(&w->incoming, CAP_SBBC, 0);
    assert_levels(assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_STREAM),
                  CAP_SBBC, 1, 0);
    /* explicit, but the default: not sent either */
    set_cap(&w->guest, CAP_SBBC, 1);
    assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_STREAM);
    set_cap(&w->guest, CAP_SBBC, 0);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
}

static void test_definition_without_caps_is_that_of_the_guest(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power9", "power9");
    set_cap(&w->guest, CAP_IBS, 3);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
}

static void test_defaults_that_differ_are_hidden_from_qemu(void)
{
    g_autofree World *w = g_new0(World, 1);

    /* limits: large-decr is on from power9 on only */
    world_init(w, PVR_POWER9, PVR_POWER9);
    set_mode(w, COMPAT_POWER8);
    SET(&w->guest, GUEST_IC_MODE, ic_mode, IC_XICS);
    set_limit(w, COMPAT_RAW, COMPAT_POWER8);
    assert_levels(assert_only(w, FINDING_CAPABILITY_DEFAULT_DIFFERS, SEVERITY_WARN, 0),
                  CAP_LARGE_DECR, 1, 0);
    /* versions: sbbc fell to broken in 9.2 */
    world_init(w, PVR_POWER9, PVR_POWER9);
    SET(&w->guest, GUEST_IC_MODE, ic_mode, IC_XIVE);
    w->source.qemu_version = V(9, 1);
    w->dest.qemu_version = V(10, 2);
    assert_levels(assert_found(w, FINDING_CAPABILITY_DEFAULT_DIFFERS, SEVERITY_WARN, 0), CAP_SBBC,
                  1, 0);
    set_cap(&w->guest, CAP_SBBC, 1);
    assert_not_found(w, FINDING_CAPABILITY_DEFAULT_DIFFERS);
}

/* --- defaults --- */

/* Default level of `cap`, seen by what the destination is said to lack: the stream carries the
 * highest level, the destination has its default. */
static int default_there(uint32_t version, const char *model, CompatMode limit, const char *machine,
                         SpaprCap cap)
{
    static const int highest[CAP_COUNT] = { [CAP_CFPC] = 2, [CAP_SBBC] = 2, [CAP_IBS] = 3 };
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, model, model);
    w->source.qemu_version = w->dest.qemu_version = version;
    set_limit(w, limit, limit);
    set_mode(w, limit);
    set_machine(&w->guest, machine);
    set_cap(&w->guest, cap, highest[cap] ? highest[cap] : 1);
    FACT_SET(&w->incoming, GUEST_CAPS);
    judge(&w->in, &w->verdict);
    for (int i = 0; i < w->verdict.n_findings; i++)
        if (w->verdict.findings[i].b.kind == VALUE_CAP_LEVEL && w->verdict.findings[i].b.cap == cap)
            return (int)w->verdict.findings[i].b.number;
    return w->guest.caps[cap]; /* nothing to say: as high */
}

static void test_defaults_by_machine_type(void)
{
    static const struct {
        SpaprCap cap;
        int levels[5];
    } cases[] = {
        { CAP_HTM, { 0, 0, 0, 0, 1 } },        { CAP_VSX, { 1, 1, 1, 1, 1 } },
        { CAP_DFP, { 1, 1, 1, 1, 1 } },        { CAP_CFPC, { 1, 1, 0, 0, 0 } },
        { CAP_SBBC, { 1, 1, 0, 0, 0 } },       { CAP_IBS, { 1, 1, 0, 0, 0 } },
        { CAP_NESTED_HV, { 0, 0, 0, 0, 0 } },  { CAP_LARGE_DECR, { 1, 1, 0, 0, 0 } },
        { CAP_CCF_ASSIST, { 1, 0, 0, 0, 0 } }, { CAP_FWNMI, { 1, 0, 0, 0, 0 } },
    };
    static const char *const machines[] = { "pseries-7.2", "pseries-4.0", "pseries-3.1",
                                            "pseries-2.12", "pseries-2.11" };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        for (gsize k = 0; k < G_N_ELEMENTS(machines); k++) {
            g_test_message("cap %d of %s", cases[i].cap, machines[k]);
            g_assert_cmpint(default_there(V(7, 2), "power9", COMPAT_RAW, machines[k], cases[i].cap),
                            ==, cases[i].levels[k]);
        }
    g_assert_cmpint(default_there(V(7, 2), "power9", COMPAT_RAW, "pseries-2.12-sxxm", CAP_CFPC), ==,
                    1);
    g_assert_cmpint(default_there(V(7, 2), "power9", COMPAT_RAW, "pseries-2.12-sxxm", CAP_SBBC), ==,
                    1);
    g_assert_cmpint(default_there(V(7, 2), "power9", COMPAT_RAW, "pseries-2.12-sxxm", CAP_IBS), ==,
                    3);
    g_assert_cmpint(
        default_there(V(7, 2), "power9", COMPAT_RAW, "pseries-2.12-sxxm", CAP_CCF_ASSIST), ==, 0);
}

static void test_defaults_by_cpu_limit_and_version(void)
{
    g_assert_cmpint(default_there(V(7, 2), "power7", COMPAT_RAW, "pseries-7.2", CAP_SBBC), ==, 1);
    g_assert_cmpint(default_there(V(10, 2), "power7", COMPAT_RAW, "pseries-7.2", CAP_SBBC), ==, 1);
    g_assert_cmpint(default_there(V(10, 2), "power8", COMPAT_RAW, "pseries-7.2", CAP_SBBC), ==, 0);
    g_assert_cmpint(default_there(V(9, 1), "power8", COMPAT_RAW, "pseries-7.2", CAP_SBBC), ==, 1);
    g_assert_cmpint(default_there(V(7, 2), "power8", COMPAT_POWER7, "pseries-7.2", CAP_SBBC), ==,
                    0);
    g_assert_cmpint(default_there(V(7, 2), "power7", COMPAT_RAW, "pseries-7.2", CAP_CFPC), ==, 0);
    g_assert_cmpint(default_there(V(7, 2), "power8", COMPAT_POWER6, "pseries-7.2", CAP_IBS), ==, 0);
    g_assert_cmpint(default_there(V(7, 2), "970", COMPAT_RAW, "pseries-7.2", CAP_VSX), ==, 0);
    g_assert_cmpint(default_there(V(10, 2), "power10", COMPAT_RAW, "pseries-7.2", CAP_DAWR1), ==,
                    1);
    g_assert_cmpint(default_there(V(10, 2), "power9", COMPAT_RAW, "pseries-7.2", CAP_AIL_MODE_3),
                    ==, 1);
    g_assert_cmpint(default_there(V(10, 2), "power9", COMPAT_RAW, "pseries-9.0", CAP_NESTED_PAPR),
                    ==, 0);
}

static void test_page_size_default_of_2_12_is_not_known(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power9", "power9");
    set_cap(&w->guest, CAP_HPT_MAX_PAGE_SIZE, 24);
    FACT_SET(&w->incoming, GUEST_CAPS);
    assert_levels(assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_STREAM),
                  CAP_HPT_MAX_PAGE_SIZE, 24, 16);
    set_machine(&w->guest, "pseries-2.12");
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
    w->guest.caps[CAP_HPT_MAX_PAGE_SIZE] = CAP_UNKNOWN;
    set_cap(&w->incoming, CAP_HPT_MAX_PAGE_SIZE, 16);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
}

static void test_vendor_machine_types_count_as_new(void)
{
    g_assert_cmpint(default_there(V(7, 2), "power9", COMPAT_RAW, "pseries-rhel9.0.0", CAP_CFPC), ==,
                    1);
}

/* --- levels that are none --- */

static void test_levels_that_are_none(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power9", "power9");
    set_cap(&w->guest, CAP_IBS, 4);
    g_assert_cmpint(assert_found(w, FINDING_CAPABILITY_INVALID, SEVERITY_BLOCK, 0)->a.cap, ==,
                    CAP_IBS);
    set_cap(&w->guest, CAP_IBS, 5);
    assert_levels(assert_found(w, FINDING_CAPABILITY_INVALID, SEVERITY_BLOCK, 2), CAP_IBS, 5, 4);
    set_cap(&w->guest, CAP_IBS, 3);
    assert_not_found(w, FINDING_CAPABILITY_INVALID);
}

static void test_capabilities_a_version_does_not_know(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init_tcg(w, "power9", "power9");
    set_cap(&w->guest, CAP_AIL_MODE_3, 0); /* 8.0 and later */
    finding = assert_found(w, FINDING_CAPABILITY_INVALID, SEVERITY_BLOCK, 1);
    assert_value(&finding->b, VALUE_QEMU_VERSION, V(7, 2));
    /* not in the destination's definition, but sent */
    w->source.qemu_version = V(8, 0);
    FACT_SET(&w->incoming, GUEST_CAPS);
    assert_found(w, FINDING_CAPABILITY_INVALID, SEVERITY_BLOCK, 1);
    set_cap(&w->guest, CAP_AIL_MODE_3, 1); /* the default: not sent */
    assert_not_found(w, FINDING_CAPABILITY_INVALID);
    w->guest.caps[CAP_AIL_MODE_3] = 0;
    w->guest.active = false;
    FACT_SET(&w->guest, GUEST_ACTIVE);
    assert_not_found(w, FINDING_CAPABILITY_INVALID); /* nothing is sent */
}

/* --- at start --- */

static void test_what_tcg_cannot_give(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power9", "power9");
    set_cap(&w->guest, CAP_HTM, 1);
    assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_TCG);
    set_cap(&w->guest, CAP_HTM, 0);
    set_cap(&w->guest, CAP_RPT_INVALIDATE, 1);
    assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_TCG);
    set_cap(&w->guest, CAP_RPT_INVALIDATE, 0);
    set_cap(&w->guest, CAP_NESTED_HV, 1);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
    /* on by default up to 2.11 */
    set_machine(&w->guest, "pseries-2.11");
    w->guest.caps[CAP_HTM] = CAP_UNKNOWN;
    assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_TCG);
}

static void test_what_cpu_and_limit_cannot_give(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init_tcg(w, "power8", "power8");
    set_cap(&w->guest, CAP_LARGE_DECR, 1);
    finding = assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_CPU);
    assert_value(&finding->b, VALUE_PVR, PVR_POWER8);
    world_init_tcg(w, "power9", "power9");
    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    set_mode(w, COMPAT_POWER8);
    set_cap(&w->guest, CAP_LARGE_DECR, 1);
    finding = assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_CPU);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER8);
    /* nested-hv needs the CPU under TCG, and the limit too under KVM */
    w->guest.caps[CAP_LARGE_DECR] = CAP_UNKNOWN;
    set_cap(&w->guest, CAP_NESTED_HV, 1);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
    w->guest.accel = ACCEL_KVM;
    SET(&w->dest, HOST_PVR, pvr, PVR_POWER9);
    finding = assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_CPU);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER8);
    /* vsx needs the CPU, whatever the limit */
    world_init_tcg(w, "power7", "power7");
    set_limit(w, COMPAT_POWER6, COMPAT_POWER6);
    set_mode(w, COMPAT_POWER6);
    set_cap(&w->guest, CAP_VSX, 1);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
    /* so do ail-mode-3 and nested-papr, in every version that has them: measured on 10.0.2 */
    world_init_tcg(w, "power8", "power8");
    w->source.qemu_version = w->dest.qemu_version = V(10, 1);
    set_limit(w, COMPAT_POWER7, COMPAT_POWER7);
    set_mode(w, COMPAT_POWER7);
    set_cap(&w->guest, CAP_AIL_MODE_3, 1);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
    set_model(&w->incoming, "power7");
    assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_CPU);
    world_init_tcg(w, "power9", "power9");
    w->source.qemu_version = w->dest.qemu_version = V(10, 1);
    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    set_mode(w, COMPAT_POWER8);
    set_cap(&w->guest, CAP_NESTED_PAPR, 1);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
    set_model(&w->incoming, "power8");
    assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_CPU);
    world_init_tcg(w, "970", "970");
    set_cap(&w->guest, CAP_DFP, 1);
    assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_CPU);
    set_model(&w->incoming, "none"); /* an unknown CPU is said once */
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
}

static void test_what_the_host_cannot_give(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->dest.caps[CAP_CFPC] = 0;
    assert_levels(assert_only(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_HOST),
                  CAP_CFPC, 1, 0);
    set_cap(&w->guest, CAP_CFPC, 0);
    assert_clean(w);
    w->dest.caps[CAP_CCF_ASSIST] = 0;
    assert_only(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_HOST);
    w->dest.caps[CAP_IBS] = 3; /* count cache disabled: nothing to flush */
    assert_clean(w);
    w->dest.caps[CAP_FWNMI] = 0;
    assert_only(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_HOST);
}

static void test_what_kvm_cannot_give(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER10, PVR_POWER10);
    w->source.qemu_version = w->dest.qemu_version = V(10, 2);
    set_cap(&w->guest, CAP_NESTED_PAPR, 1);
    assert_only(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_KVM);
}

static void test_unknown_levels_of_a_host_are_said_once(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    UNSET(&w->dest, HOST_CAPS);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_NOTE, 0);
    g_assert_cmpstr(finding->a.string, ==, "caps");
    FACT_SET(&w->dest, HOST_CAPS);
    w->dest.caps[CAP_VSX] = w->dest.caps[CAP_DFP] = CAP_UNKNOWN;
    assert_clean(w);
    w->dest.caps[CAP_IBS] = CAP_UNKNOWN;
    assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_NOTE, 0);
    w->guest.accel = ACCEL_TCG;
    w->source.simulated = w->dest.simulated = true;
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_NOTE, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict-caps/higher-level-in-the-stream-is-refused",
                    test_higher_level_in_the_stream_is_refused);
    g_test_add_func("/verdict-caps/absent-level-reads-as-the-destinations-default",
                    test_absent_level_reads_as_the_destinations_default);
    g_test_add_func("/verdict-caps/definition-without-caps-is-that-of-the-guest",
                    test_definition_without_caps_is_that_of_the_guest);
    g_test_add_func("/verdict-caps/defaults-that-differ-are-hidden-from-qemu",
                    test_defaults_that_differ_are_hidden_from_qemu);
    g_test_add_func("/verdict-caps/defaults-by-machine-type", test_defaults_by_machine_type);
    g_test_add_func("/verdict-caps/defaults-by-cpu-limit-and-version",
                    test_defaults_by_cpu_limit_and_version);
    g_test_add_func("/verdict-caps/page-size-default-of-2-12-is-not-known",
                    test_page_size_default_of_2_12_is_not_known);
    g_test_add_func("/verdict-caps/vendor-machine-types-count-as-new",
                    test_vendor_machine_types_count_as_new);
    g_test_add_func("/verdict-caps/levels-that-are-none", test_levels_that_are_none);
    g_test_add_func("/verdict-caps/capabilities-a-version-does-not-know",
                    test_capabilities_a_version_does_not_know);
    g_test_add_func("/verdict-caps/what-tcg-cannot-give", test_what_tcg_cannot_give);
    g_test_add_func("/verdict-caps/what-cpu-and-limit-cannot-give",
                    test_what_cpu_and_limit_cannot_give);
    g_test_add_func("/verdict-caps/what-the-host-cannot-give", test_what_the_host_cannot_give);
    g_test_add_func("/verdict-caps/what-kvm-cannot-give", test_what_kvm_cannot_give);
    g_test_add_func("/verdict-caps/unknown-levels-of-a-host-are-said-once",
                    test_unknown_levels_of_a_host_are_said_once);
    return g_test_run();
}
