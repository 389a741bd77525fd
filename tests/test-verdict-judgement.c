/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <glib.h>

#include "verdict-private.h"
#include "verdict-world.h"

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

static void test_numbers_in_names(void)
{
    static const struct {
        const char *name;
        uint32_t version;
    } machines[] = {
        { "pseries-7.2", V(7, 2) },
        { "pseries-2.12-sxxm", V(2, 12) },
        { "pseries-10.0", V(10, 0) },
        { "pseries", V(9, 1) },
        { "pseries-jammy", 0 },
        { "pseries-rhel9.0.0", 0 },
        { "pseries-7", 0 },
        { "pseries-7.", 0 },
        { "pseries-.2", 0 },
        { "pseries-7.2x", 0 },
        { "pseries-300.1", 0 },
        { "pseries-1234.1", 0 },
        { "pseries-7.256", 0 },
        { "powernv9", 0 },
        { "", 0 },
    };
    static const struct {
        const char *release;
        uint32_t version;
    } kernels[] = {
        { "6.1.0-31-powerpc64le", V(6, 1) },
        { "5.17.0", V(5, 17) },
        { "4.18.0-477.10.1.el8_8.ppc64le", V(4, 18) },
        { "6", 0 },
        { "", 0 },
        { "vendor", 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(machines); i++)
        g_assert_cmphex(machine_type_version(machines[i].name, QEMU_VERSION(9, 1, 2)), ==,
                        machines[i].version);
    for (gsize i = 0; i < G_N_ELEMENTS(kernels); i++)
        g_assert_cmphex(kernel_release_version(kernels[i].release), ==, kernels[i].version);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict-judgement/list-is-sorted-and-bounded", test_list_is_sorted_and_bounded);
    g_test_add_func("/verdict-judgement/numbers-in-names", test_numbers_in_names);
    return g_test_run();
}
