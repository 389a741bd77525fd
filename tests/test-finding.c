/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finding.h"

#include <glib.h>

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/finding/refusals-are-qemus-or-ours", test_refusals_are_qemus_or_ours);
    return g_test_run();
}
