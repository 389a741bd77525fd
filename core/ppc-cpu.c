/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ppc-cpu.h"

#include <stddef.h>
#include <strings.h>

#define N_ELEMENTS(array) (sizeof(array) / sizeof(array)[0])

#define PVR_BASE(pvr)     ((pvr)&UINT32_C(0xffff0000))
#define PVR_MAJOR_DD(pvr) ((pvr)&UINT32_C(0x00000f00))
#define PVR_MINOR_DD(pvr) ((pvr)&UINT32_C(0x0000000f))

/* Architecture levels as bits of the PCR (QEMU target/ppc/cpu.h, PCR_COMPAT_*). */
enum {
    LEVEL_2_05 = 0x02,
    LEVEL_2_06 = 0x04,
    LEVEL_2_07 = 0x08,
    LEVEL_3_00 = 0x10,
    LEVEL_3_10 = 0x20,
};

#define LEVELS_POWER7  (LEVEL_2_06 | LEVEL_2_05)
#define LEVELS_POWER8  (LEVEL_2_07 | LEVELS_POWER7)
#define LEVELS_POWER9  (LEVEL_3_00 | LEVELS_POWER8)
#define LEVELS_POWER10 (LEVEL_3_10 | LEVELS_POWER9)

/* QEMU target/ppc/compat.c, compat_table: its order is CompatMode's order. */
static const struct {
    const char *name;
    uint32_t logical_pvr;
    unsigned level;
    uint32_t since; /* first QEMU version with the mode */
} compat_modes[COMPAT_COUNT] = {
    [COMPAT_RAW] = { "raw", 0, 0, 0 },
    [COMPAT_POWER6] = { "power6", 0x0f000002, LEVEL_2_05, QEMU_VERSION(2, 1, 0) },
    [COMPAT_POWER7] = { "power7", 0x0f000003, LEVEL_2_06, QEMU_VERSION(2, 1, 0) },
    [COMPAT_POWER7PLUS] = { "power7+", 0x0f100003, LEVEL_2_06, QEMU_VERSION(2, 9, 0) },
    [COMPAT_POWER8] = { "power8", 0x0f000004, LEVEL_2_07, QEMU_VERSION(2, 1, 0) },
    [COMPAT_POWER9] = { "power9", 0x0f000005, LEVEL_3_00, QEMU_VERSION(2, 9, 0) },
    [COMPAT_POWER10] = { "power10", 0x0f000006, LEVEL_3_10, QEMU_VERSION(5, 1, 0) },
    [COMPAT_POWER11] = { "power11", 0x0f000007, LEVEL_3_10, QEMU_VERSION(9, 2, 0) },
};

/* How pvr_match compares (QEMU target/ppc/cpu_init.c, ppc_pvr_match_*). */
typedef enum MatchRule {
    MATCH_EQUAL, /* no hook: the very same PVR */
    MATCH_BASE,  /* same base; up to 7.1 any base of the same group */
    MATCH_DD,    /* same base and, from 7.2 on, major revision */
    MATCH_DD_9,  /* the same, with POWER9's extra rules of 8.1 and 9.0 */
} MatchRule;

/* QEMU target/ppc/cpu_init.c, family classes; models of each: cpu_models below.
 * own: the mode of the full level. class_logical_pvr: what QEMU from 9.2 on compares modes with by
 * number; POWER7's is that of power7+. levels 0 and own raw: no compat modes at all. */
static const struct {
    const char *name;
    bool pseries;
    bool tbu40;
    unsigned levels;
    CompatMode own;
    CompatMode class_mode;
    MatchRule match;
    CpuFamily group; /* families with the same group matched each other from 2.10 to 7.1 */
} families[CPU_FAMILY_COUNT] = {
    [CPU_UNKNOWN] = { "unknown" },
    [CPU_970] = { "970", .pseries = true },
    [CPU_970FX] = { "970FX" },
    [CPU_970MP] = { "970MP", .pseries = true },
    [CPU_POWER4] = { "POWER4" },
    [CPU_POWER5] = { "POWER5" },
    [CPU_POWER5PLUS] = { "POWER5+", .pseries = true, .tbu40 = true },
    [CPU_POWER6] = { "POWER6", .tbu40 = true },
    [CPU_POWER7] = { "POWER7", true, true, LEVELS_POWER7, COMPAT_POWER7, COMPAT_POWER7PLUS,
                     MATCH_BASE, CPU_POWER7 },
    [CPU_POWER7PLUS] = { "POWER7+", true, true, LEVELS_POWER7, COMPAT_POWER7, COMPAT_POWER7PLUS,
                         MATCH_BASE, CPU_POWER7 },
    [CPU_POWER8E] = { "POWER8E", true, true, LEVELS_POWER8, COMPAT_POWER8, COMPAT_POWER8,
                      MATCH_BASE, CPU_POWER8 },
    [CPU_POWER8NVL] = { "POWER8NVL", true, true, LEVELS_POWER8, COMPAT_POWER8, COMPAT_POWER8,
                        MATCH_BASE, CPU_POWER8 },
    [CPU_POWER8] = { "POWER8", true, true, LEVELS_POWER8, COMPAT_POWER8, COMPAT_POWER8, MATCH_BASE,
                     CPU_POWER8 },
    [CPU_POWER9] = { "POWER9", true, true, LEVELS_POWER9, COMPAT_POWER9, COMPAT_POWER9, MATCH_DD_9,
                     CPU_POWER9 },
    [CPU_POWER10] = { "POWER10", true, true, LEVELS_POWER10, COMPAT_POWER10, COMPAT_POWER10,
                      MATCH_DD, CPU_POWER10 },
    [CPU_POWER11] = { "POWER11", true, true, LEVELS_POWER10, COMPAT_POWER11, COMPAT_POWER11,
                      MATCH_DD, CPU_POWER11 },
};

/* Family by base, the upper half of the PVR; by index, since judge() asks a hundred times. */
#define BASE_COUNT 0x83
static const uint8_t base_families[BASE_COUNT] = {
    [0x35] = CPU_POWER4,     [0x38] = CPU_POWER4, /* POWER4+ */
    [0x39] = CPU_970,        [0x3c] = CPU_970FX,     [0x44] = CPU_970MP,  [0x3a] = CPU_POWER5,
    [0x3b] = CPU_POWER5PLUS, [0x3e] = CPU_POWER6,    [0x3f] = CPU_POWER7, [0x4a] = CPU_POWER7PLUS,
    [0x4b] = CPU_POWER8E,    [0x4c] = CPU_POWER8NVL, [0x4d] = CPU_POWER8, [0x4e] = CPU_POWER9,
    [0x80] = CPU_POWER10,    [0x82] = CPU_POWER11,
};

/* The one revision of the 970FX that has the base of the 970. */
#define PVR_970FX_V1_0 0x00391100

/* QEMU target/ppc/cpu-models.c with hw/ppc/spapr_cpu_core.c: models and aliases that can be the CPU
 * of a pseries machine. since inclusive, before exclusive; 0: no bound. */
static const struct {
    const char *name;
    uint32_t pvr;
    uint32_t since;
    uint32_t before;
} cpu_models[] = {
    { "970_v2.2", 0x00390202, 0, 0 },
    { "970", 0x00390202, 0, 0 },
    { "970mp_v1.0", 0x00440100, 0, 0 },
    { "970mp_v1.1", 0x00440101, 0, 0 },
    { "970mp", 0x00440101, 0, 0 },
    /* 9.0 renamed those with a "+" and kept the old names as aliases */
    { "power5+_v2.1", 0x003b0201, 0, 0 },
    { "power5+", 0x003b0201, 0, 0 },
    { "power5gs", 0x003b0201, 0, 0 },
    { "power5p_v2.1", 0x003b0201, QEMU_VERSION(9, 0, 0), 0 },
    { "power7_v2.3", 0x003f0203, 0, 0 },
    { "power7", 0x003f0203, 0, 0 },
    { "power7+_v2.1", 0x004a0201, 0, 0 },
    { "power7+", 0x004a0201, 0, 0 },
    { "power7p_v2.1", 0x004a0201, QEMU_VERSION(9, 0, 0), 0 },
    { "power8e_v2.1", 0x004b0201, 0, 0 },
    { "power8e", 0x004b0201, 0, 0 },
    { "power8nvl_v1.0", 0x004c0100, 0, 0 },
    { "power8nvl", 0x004c0100, 0, 0 },
    { "power8_v2.0", 0x004d0200, 0, 0 },
    { "power8", 0x004d0200, 0, 0 },
    /* 8.1 corrected the PVRs of three models; 9.0 dropped first revisions */
    { "power9_v1.0", 0x004e0100, 0, QEMU_VERSION(8, 1, 0) },
    { "power9_v1.0", 0x004e1100, QEMU_VERSION(8, 1, 0), QEMU_VERSION(9, 0, 0) },
    { "power9_v2.0", 0x004e1200, 0, 0 },
    { "power9_v2.2", 0x004e1202, QEMU_VERSION(8, 1, 0), 0 },
    { "power9", 0x004e1200, 0, QEMU_VERSION(8, 1, 0) },
    { "power9", 0x004e1202, QEMU_VERSION(8, 1, 0), 0 },
    { "power10_v1.0", 0x00800100, QEMU_VERSION(5, 1, 0), QEMU_VERSION(8, 1, 0) },
    { "power10_v1.0", 0x00801100, QEMU_VERSION(8, 1, 0), QEMU_VERSION(9, 0, 0) },
    { "power10_v2.0", 0x00800200, QEMU_VERSION(5, 1, 0), QEMU_VERSION(8, 1, 0) },
    { "power10_v2.0", 0x00801200, QEMU_VERSION(8, 1, 0), 0 },
    { "power10", 0x00800200, QEMU_VERSION(5, 1, 0), QEMU_VERSION(8, 1, 0) },
    { "power10", 0x00801200, QEMU_VERSION(8, 1, 0), 0 },
    { "power11_v2.0", 0x00821200, QEMU_VERSION(9, 2, 0), 0 },
    { "power11", 0x00821200, QEMU_VERSION(9, 2, 0), 0 },
};

/* "Unknown" as a version means: as in the newest. */
static uint32_t version_or_newest(uint32_t qemu_version)
{
    return qemu_version != 0 ? qemu_version : UINT32_MAX;
}

CpuFamily cpu_family_of_pvr(uint32_t pvr)
{
    uint32_t base = pvr >> 16;

    if (pvr == PVR_970FX_V1_0)
        return CPU_970FX;
    return base < BASE_COUNT ? (CpuFamily)base_families[base] : CPU_UNKNOWN;
}

const char *cpu_family_name(CpuFamily family)
{
    return families[family].name;
}

bool cpu_family_is_pseries(CpuFamily family)
{
    return families[family].pseries;
}

bool cpu_has_tbu40(CpuFamily family)
{
    return families[family].tbu40;
}

bool cpu_is_power9_dd1(uint32_t pvr)
{
    return cpu_family_of_pvr(pvr) == CPU_POWER9 && PVR_MAJOR_DD(pvr) == 0x0100;
}

uint32_t cpu_model_pvr(const char *model, uint32_t qemu_version)
{
    uint32_t version = version_or_newest(qemu_version);

    for (size_t i = 0; i < N_ELEMENTS(cpu_models); i++) {
        if (version < cpu_models[i].since ||
            (cpu_models[i].before != 0 && version >= cpu_models[i].before))
            continue;
        if (strcasecmp(model, cpu_models[i].name) == 0)
            return cpu_models[i].pvr;
    }
    return 0;
}

const char *compat_mode_name(CompatMode mode)
{
    return compat_modes[mode].name;
}

uint32_t compat_mode_logical_pvr(CompatMode mode)
{
    return compat_modes[mode].logical_pvr;
}

uint32_t compat_mode_since(CompatMode mode)
{
    return compat_modes[mode].since;
}

bool compat_mode_fits_cpu(CompatMode mode, uint32_t pvr)
{
    CpuFamily family = cpu_family_of_pvr(pvr);

    /* power11 has power10's level and would fit POWER10 by it; QEMU learnt the mode and the
     * comparison by number that keeps it off POWER10 in the same release. power7+ on the other hand
     * fits newer CPUs by its level, and did in QEMU up to 9.1. */
    return (compat_modes[mode].level & families[family].levels) != 0 &&
           (mode != COMPAT_POWER11 || families[family].own == COMPAT_POWER11);
}

bool compat_mode_is_valid(CompatMode mode, uint32_t pvr, uint32_t qemu_version, CompatMode max)
{
    uint32_t version = version_or_newest(qemu_version);
    CompatMode class_mode = families[cpu_family_of_pvr(pvr)].class_mode;

    if (!compat_mode_fits_cpu(mode, pvr) || version < compat_modes[mode].since)
        return false;
    if (max != COMPAT_RAW && mode > max)
        return false;
    return version < QEMU_VERSION(9, 2, 0) ||
           compat_modes[mode].logical_pvr <= compat_modes[class_mode].logical_pvr;
}

CompatMode cpu_own_mode(uint32_t pvr)
{
    return families[cpu_family_of_pvr(pvr)].own;
}

/* POWER9's revisions: from 8.1 on those below DD2.2 belong to the class v2.0, the others to v2.2;
 * 9.0 forgot DD1. So a host class of DD2.1 or DD2.3 takes nothing but its own PVR. */
static bool power9_dd_matches(uint32_t dest_pvr, uint32_t incoming_pvr, uint32_t version)
{
    if (version >= QEMU_VERSION(9, 0, 0) && cpu_is_power9_dd1(incoming_pvr))
        return false;
    if (version < QEMU_VERSION(8, 1, 0) || PVR_MAJOR_DD(incoming_pvr) != 0x0200)
        return true;
    return PVR_MINOR_DD(dest_pvr) == (PVR_MINOR_DD(incoming_pvr) < 2 ? 0 : 2);
}

bool cpu_pvr_matches(uint32_t dest_pvr, uint32_t incoming_pvr, uint32_t qemu_version)
{
    uint32_t version = version_or_newest(qemu_version);
    CpuFamily dest = cpu_family_of_pvr(dest_pvr);
    MatchRule rule = families[dest].match;

    if (dest_pvr == incoming_pvr)
        return true;
    if (rule == MATCH_EQUAL || version < QEMU_VERSION(2, 10, 0))
        return false;
    if (version < QEMU_VERSION(7, 2, 0))
        return families[cpu_family_of_pvr(incoming_pvr)].group == families[dest].group;
    if (PVR_BASE(dest_pvr) != PVR_BASE(incoming_pvr))
        return false;
    if (rule == MATCH_BASE)
        return true;
    if (PVR_MAJOR_DD(dest_pvr) != PVR_MAJOR_DD(incoming_pvr))
        return false;
    return rule == MATCH_DD || power9_dd_matches(dest_pvr, incoming_pvr, version);
}
