/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <glib.h>

#include "verdict-private.h"
#include "verdict-world.h"

static const Finding *find(const World *w, FindingCode code)
{
    for (int i = 0; i < w->verdict.n_findings; i++)
        if (w->verdict.findings[i].code == code)
            return &w->verdict.findings[i];
    return NULL;
}

/* The only finding; nothing else is said. */
static const Finding *assert_only(World *w, FindingCode code, Severity severity, int variant)
{
    judge(&w->in, &w->verdict);
    for (int i = 0; i < w->verdict.n_findings; i++)
        g_test_message("finding %d severity %d variant %d", w->verdict.findings[i].code,
                       w->verdict.findings[i].severity, w->verdict.findings[i].variant);
    g_assert_cmpint(w->verdict.n_findings, ==, 1);
    g_assert_cmpint(w->verdict.findings[0].code, ==, code);
    g_assert_cmpint(w->verdict.findings[0].severity, ==, severity);
    g_assert_cmpint(w->verdict.findings[0].variant, ==, variant);
    g_assert_cmpint(w->verdict.decision, ==,
                    severity == SEVERITY_BLOCK ? DECISION_BLOCK : DECISION_ALLOW);
    return &w->verdict.findings[0];
}

/* The finding is among others. */
static const Finding *assert_found(World *w, FindingCode code, Severity severity, int variant)
{
    const Finding *finding;

    judge(&w->in, &w->verdict);
    finding = find(w, code);
    g_assert_nonnull(finding);
    g_assert_cmpint(finding->severity, ==, severity);
    g_assert_cmpint(finding->variant, ==, variant);
    if (severity == SEVERITY_BLOCK)
        g_assert_cmpint(w->verdict.decision, ==, DECISION_BLOCK);
    return finding;
}

static void assert_not_found(World *w, FindingCode code)
{
    judge(&w->in, &w->verdict);
    g_assert_null(find(w, code));
}

static void assert_clean(World *w)
{
    judge(&w->in, &w->verdict);
    for (int i = 0; i < w->verdict.n_findings; i++)
        g_test_message("finding %d severity %d variant %d", w->verdict.findings[i].code,
                       w->verdict.findings[i].severity, w->verdict.findings[i].variant);
    g_assert_cmpint(w->verdict.n_findings, ==, 0);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);
}

static void assert_value(const FindingValue *value, FindingValueKind kind, int64_t number)
{
    g_assert_cmpint(value->kind, ==, kind);
    g_assert_cmpint(value->number, ==, number);
}

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

static void test_every_code_is_ours_or_qemus(void)
{
    int stricter = 0;

    for (int code = 0; code <= FINDING_CODE_COUNT; code++)
        stricter += finding_is_stricter(&(Finding){ (FindingCode)code, SEVERITY_BLOCK });
    g_assert_cmpint(stricter, ==, FINDING_CODE_COUNT + 1 - 15);
    g_assert_false(finding_is_stricter(&(Finding){ FINDING_CAPABILITY_INVALID, .variant = 1 }));
    g_assert_true(finding_is_stricter(&(Finding){ FINDING_HPT_TOO_LARGE, .variant = 1 }));
    g_assert_true(finding_is_stricter(&(Finding){ FINDING_KERNEL_MODE_UNSUPPORTED, .variant = 1 }));
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
    UNSET(&w->guest, GUEST_MACHINE_TYPE);
    judge(&w->in, &w->verdict);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_BLOCK);
}

/* --- modes --- */

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

static void test_raw_guest_needs_the_same_cpu(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER9);
    set_mode(w, COMPAT_RAW);
    finding = assert_only(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 0);
    assert_value(&finding->a, VALUE_PVR, PVR_POWER8);
    assert_value(&finding->b, VALUE_PVR, PVR_POWER9);

    set_limit(w, COMPAT_RAW, COMPAT_POWER8);
    finding = assert_only(w, FINDING_RAW_ADOPTS_MODE, SEVERITY_BLOCK, 0);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER8);
}

/* --- TCG: QEMU's rules and nothing else --- */

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
    assert_not_found(w, FINDING_FACT_UNKNOWN);
}

/* --- capabilities --- */

static void test_higher_level_in_the_stream_is_refused(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init_tcg(w, "power9", "power9");
    set_cap(&w->guest, CAP_CFPC, 2);
    set_cap(&w->incoming, CAP_CFPC, 1);
    finding = assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_STREAM);
    assert_value(&finding->a, VALUE_CAP_LEVEL, 2);
    g_assert_cmpint(finding->a.cap, ==, CAP_CFPC);
    assert_value(&finding->b, VALUE_CAP_LEVEL, 1);
    set_cap(&w->incoming, CAP_CFPC, 2);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict/list-is-sorted-and-bounded", test_list_is_sorted_and_bounded);
    g_test_add_func("/verdict/every-code-is-ours-or-qemus", test_every_code_is_ours_or_qemus);
    g_test_add_func("/verdict/same-hosts-are-clean-and-planned",
                    test_same_hosts_are_clean_and_planned);
    g_test_add_func("/verdict/other-guests-are-none-of-our-business",
                    test_other_guests_are_none_of_our_business);
    g_test_add_func("/verdict/newer-mode-is-refused-with-advice",
                    test_newer_mode_is_refused_with_advice);
    g_test_add_func("/verdict/raw-guest-needs-the-same-cpu", test_raw_guest_needs_the_same_cpu);
    g_test_add_func("/verdict/tcg-needs-few-facts", test_tcg_needs_few_facts);
    g_test_add_func("/verdict/higher-level-in-the-stream-is-refused",
                    test_higher_level_in_the_stream_is_refused);
    return g_test_run();
}
