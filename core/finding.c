/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finding.h"

/* Which variants of a code stand for a refusal of QEMU or KVM itself; codes left out: none. */
typedef enum Refusal { REFUSAL_NONE, REFUSAL_ALL, REFUSAL_FIRST, REFUSAL_ALL_BUT_FIRST } Refusal;

static const Refusal refusals[FINDING_CODE_COUNT] = {
    [FINDING_COMPAT_MODE_UNSUPPORTED] = REFUSAL_ALL,
    [FINDING_COMPAT_MODE_UNKNOWN] = REFUSAL_ALL,
    [FINDING_RAW_PVR_MISMATCH] = REFUSAL_ALL,
    [FINDING_CPU_FAMILY_UNSUPPORTED] = REFUSAL_ALL,
    [FINDING_INTERRUPT_CONTROLLER_MISSING] = REFUSAL_ALL,
    [FINDING_QEMU_VERSION_REFUSES] = REFUSAL_ALL,
    [FINDING_MACHINE_TYPE_MISSING] = REFUSAL_ALL,
    [FINDING_CAPABILITY_TOO_LOW] = REFUSAL_ALL,
    [FINDING_CAPABILITY_INVALID] = REFUSAL_ALL_BUT_FIRST,
    [FINDING_HASH_MMU_UNSUPPORTED] = REFUSAL_ALL,
    [FINDING_RADIX_MMU_UNSUPPORTED] = REFUSAL_ALL,
    [FINDING_HPT_TOO_LARGE] = REFUSAL_FIRST,
    [FINDING_RESIZE_HPT_UNSUPPORTED] = REFUSAL_FIRST,
    [FINDING_KERNEL_MODE_UNSUPPORTED] = REFUSAL_FIRST,
    [FINDING_KVM_PR_HOST] = REFUSAL_ALL,
    [FINDING_KVM_MISSING] = REFUSAL_ALL,
};

bool finding_is_stricter(const Finding *finding)
{
    Refusal refusal = refusals[finding->code];

    if (refusal == REFUSAL_FIRST)
        return finding->variant != 0;
    if (refusal == REFUSAL_ALL_BUT_FIRST)
        return finding->variant == 0;
    return refusal == REFUSAL_NONE;
}
