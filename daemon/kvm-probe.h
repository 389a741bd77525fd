/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /dev/kvm -> HostFacts: HV, PR or none; timebase offset, MMU modes, capability levels, resize-hpt.
 *
 * The only includer of linux/kvm.h. Asking and deciding are apart: kvm_probe() makes a throw-away VM with one vCPU, asks it
 * what QEMU would ask (KVM_CHECK_EXTENSION, KVM_PPC_GET_CPU_CHAR, KVM_PPC_GET_SMMU_INFO, KVM_REG_PPC_TB_OFFSET) and writes the
 * answers down; kvm_probe_decode() is pure and makes facts of them, as QEMU does in target/ppc/kvm.c and hw/ppc/spapr_caps.c.
 */

#include <glib.h>

#include "facts.h"

/* Fills into `facts`, which may already hold host-probe's: its PVR decides some levels, its MMU is replaced where KVM
 * knows better. `device` is "/dev/kvm". Takes some ms; never fails:
 *
 * - no device, or no POWER kernel: kvm is none, all else is left;
 * - the device is there but cannot be opened or asked: kvm stays unknown;
 * - the device is that of the kvm module alone, without kvm_hv or kvm_pr behind it: kvm is none, all else is left;
 * - no VM can be made for another reason: what the device itself says, timebase offset unknown.
 *
 * ret_note (transfer full) (nullable): one sentence for status and doctor on each of these, and on KVM PR or a kernel that
 * takes no timebase offset; NULL if there is nothing to say. */
void kvm_probe(const char *device, HostFacts *facts, char **ret_note);

/* What KVM, the auxiliary vector and the page size said. */
typedef struct KvmAnswers {
    gboolean no_backend; /* neither HV nor PR is there: the rest says nothing */
    /* KVM_CAP_... is not 0 */
    gboolean pvinfo, htm, mmu_radix, mmu_hash_v3, nested_hv, fwnmi, rpt_invalidate, ail_mode_3, dawr1, resize_hpt;
    gboolean has_cpu_char;
    guint64 character, character_mask, behaviour, behaviour_mask;
    gboolean has_smmu;
    guint64 smmu_flags;
    guint page_shift; /* log2 of the host's page size */
    guint64 hwcap, hwcap2;
    gboolean has_tb_offset; /* a vCPU could be asked */
    gboolean tb_offset;     /* it took an offset and gave it back */
} KvmAnswers;

void kvm_probe_decode(const KvmAnswers *answers, HostFacts *facts);
