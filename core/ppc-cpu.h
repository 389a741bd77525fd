/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CPU families, PVRs, architecture levels and compat modes, as QEMU and KVM see them.
 *
 * Tables and pure functions over them. Sources: QEMU target/ppc/cpu-models.h (PVRs),
 * target/ppc/cpu_init.c (families, pvr_match), target/ppc/compat.c (compat_table, pcc_compat),
 * read in 7.2 and 10.2; Linux arch/powerpc/kvm/book3s_hv.c, kvmppc_set_arch_compat.
 * A PVR of no known family is unknown and stays so: nothing is guessed from neighbours.
 */

#include "facts.h"

typedef enum CpuFamily {
    CPU_UNKNOWN,
    CPU_970,
    CPU_970FX,
    CPU_970MP,
    CPU_POWER4,
    CPU_POWER5,
    CPU_POWER5PLUS,
    CPU_POWER6,
    CPU_POWER7,
    CPU_POWER7PLUS,
    CPU_POWER8E,
    CPU_POWER8NVL,
    CPU_POWER8,
    CPU_POWER9,
    CPU_POWER10,
    CPU_POWER11,
    CPU_FAMILY_COUNT,
} CpuFamily;

CpuFamily cpu_family_of_pvr(uint32_t pvr);

/* "POWER9", "970FX"; "unknown" for CPU_UNKNOWN. */
const char *cpu_family_name(CpuFamily family);

/* The family can be the CPU of a pseries machine; false for 970FX and what QEMU has no model of. */
bool cpu_family_is_pseries(CpuFamily family);

/* QEMU or libvirt model name ("POWER9", "power9_v2.0", any case) -> PVR of that model in that QEMU
 * version (aliases move: power9 is v2.0 up to 8.0, v2.2 from 8.1). 0 = no such pseries model known.
 * qemu_version 0, unknown: what the newest version says. */
uint32_t cpu_model_pvr(const char *model, uint32_t qemu_version);

/* "raw", "power6" ... "power11" */
const char *compat_mode_name(CompatMode mode);

/* Logical PVR: 0x0f000005 for power9; 0 for raw. */
uint32_t compat_mode_logical_pvr(CompatMode mode);

/* First QEMU version that knows the mode; 0 for raw. */
uint32_t compat_mode_since(CompatMode mode);

/* QEMU's pcc_compat() with limits: whether `mode` can be set on a CPU of that PVR by that QEMU
 * version. `max` COMPAT_RAW: no upper limit. False for COMPAT_RAW and unknown families.
 * qemu_version 0, unknown: false if any version since the mode exists says so. */
bool compat_mode_is_valid(CompatMode mode, uint32_t pvr, uint32_t qemu_version, CompatMode max);

/* The CPU has the level of `mode`, whatever QEMU's version makes of it. */
bool compat_mode_fits_cpu(CompatMode mode, uint32_t pvr);

/* The mode of the CPU's own level (power9 on POWER9), COMPAT_RAW if it has none: what a current
 * Linux guest ends in at CAS without a limit. */
CompatMode cpu_own_mode(uint32_t pvr);

/* QEMU's pvr_match hook ("best" = true) on a destination of class `dest_pvr`. Versions before 2.10,
 * which had no such rule for migration: equal PVR. qemu_version 0, unknown: as the newest. */
bool cpu_pvr_matches(uint32_t dest_pvr, uint32_t incoming_pvr, uint32_t qemu_version);

/* The CPU has TBU40, so that the kernel can offer a timebase offset; false for 970 and unknown. */
bool cpu_has_tbu40(CpuFamily family);

/* POWER9 of the first revision, which KVM and later QEMU treat apart. */
bool cpu_is_power9_dd1(uint32_t pvr);
