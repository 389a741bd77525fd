/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rules on spapr capabilities. A level travels only if it was set explicitly and differs from the
 * source's default; what is absent is read as the destination's default for its own CPU and limit
 * (QEMU hw/ppc/spapr_caps.c, spapr_caps_post_migration). So two defaults that differ hide a
 * difference from QEMU; and a level that the destination's host, CPU or accelerator cannot give
 * ends QEMU at start.
 */

#include "verdict-private.h"

#include <string.h>

#define LEVEL_BROKEN     0
#define LEVEL_WORKAROUND 1
#define LEVEL_IBS_CCD    3
#define LEVEL_IBS_NA     4
#define LEVEL_UNKNOWN    CAP_UNKNOWN
#define PAGE_64K         16

/* Columns of the defaults, by machine type. */
typedef enum MachineAge { AGE_5_0, AGE_4_0, AGE_3_0, AGE_2_12, AGE_2_11, AGE_COUNT } MachineAge;

/* QEMU hw/ppc/spapr.c, class options; hw/ppc/spapr_caps.c, default_caps_with_cpu and cap_*_apply.
 * lowered_without: the default falls to 0 if that mode is not valid within the limit. needs: a
 * level above 0 is refused if that mode is not valid within the limit (needs_cpu_only: whatever the
 * limit). no_tcg, no_kvm: any level above 0 is refused there. */
static const struct {
    int8_t highest;
    uint32_t since;
    int8_t levels[AGE_COUNT];
    CompatMode lowered_without;
    CompatMode needs;
    bool needs_cpu_only;
    bool tcg_any_limit;
    bool no_tcg;
    bool no_kvm;
} caps[CAP_COUNT] = {
    [CAP_HTM] = { 1, 0, { 0, 0, 0, 0, 1 }, COMPAT_POWER8, .no_tcg = true },
    [CAP_VSX] = { 1, 0, { 1, 1, 1, 1, 1 }, COMPAT_POWER7, COMPAT_POWER7, true },
    [CAP_DFP] = { 1, 0, { 1, 1, 1, 1, 1 }, COMPAT_POWER7, COMPAT_POWER7, true },
    [CAP_CFPC] = { 2, 0, { 1, 1, 0, 0, 0 }, COMPAT_POWER8 },
    [CAP_SBBC] = { 2, 0, { 1, 1, 0, 0, 0 }, COMPAT_POWER7PLUS },
    [CAP_IBS] = { LEVEL_IBS_NA, 0, { 1, 1, 0, 0, 0 }, COMPAT_POWER7 },
    /* up to 2.12 the default is the host's page size, or 16 GiB */
    [CAP_HPT_MAX_PAGE_SIZE] = { 63, 0, { PAGE_64K, PAGE_64K, PAGE_64K, -1, -1 } },
    [CAP_NESTED_HV] = { 1,
                        QEMU_VERSION(4, 0, 0),
                        { 0 },
                        .needs = COMPAT_POWER9,
                        .tcg_any_limit = true },
    [CAP_LARGE_DECR] = { 1,
                         QEMU_VERSION(4, 0, 0),
                         { 1, 1, 0, 0, 0 },
                         COMPAT_POWER9,
                         COMPAT_POWER9 },
    [CAP_CCF_ASSIST] = { 1, QEMU_VERSION(4, 0, 0), { 1, 0, 0, 0, 0 } },
    [CAP_FWNMI] = { 1, QEMU_VERSION(5, 0, 0), { 1, 0, 0, 0, 0 } },
    [CAP_RPT_INVALIDATE] = { 1, QEMU_VERSION(6, 1, 0), { 0 }, .no_tcg = true },
    [CAP_AIL_MODE_3] = { 1,
                         QEMU_VERSION(8, 0, 0),
                         { 1, 1, 1, 1, 1 },
                         COMPAT_POWER8,
                         COMPAT_POWER8,
                         true },
    [CAP_NESTED_PAPR] = { 1,
                          QEMU_VERSION(9, 0, 0),
                          { 0 },
                          .needs = COMPAT_POWER9,
                          .needs_cpu_only = true,
                          .no_kvm = true },
    [CAP_DAWR1] = { 1, QEMU_VERSION(10, 0, 0), { 1, 1, 1, 1, 1 }, COMPAT_POWER10, COMPAT_POWER10 },
};

static MachineAge machine_age(uint32_t machine_version)
{
    if (machine_version == 0 || machine_version >= QEMU_VERSION(5, 0, 0))
        return AGE_5_0; /* vendors' types: both ends mean the same one */
    if (machine_version >= QEMU_VERSION(4, 0, 0))
        return AGE_4_0;
    if (machine_version >= QEMU_VERSION(3, 0, 0))
        return AGE_3_0;
    return machine_version >= QEMU_VERSION(2, 12, 0) ? AGE_2_12 : AGE_2_11;
}

static bool is_sxxm(const Side *side)
{
    return strstr(side->machine, "-sxxm") != NULL;
}

static bool version_knows(const Side *side, SpaprCap cap)
{
    return side->qemu_version == 0 || side->qemu_version >= caps[cap].since;
}

/* LEVEL_UNKNOWN if the CPU is not known, or QEMU does not know the capability. */
static int default_level(const Side *side, SpaprCap cap)
{
    CompatMode without = caps[cap].lowered_without;
    int level = caps[cap].levels[machine_age(side->machine_version)];

    if (!side->pvr_known || !version_knows(side, cap))
        return LEVEL_UNKNOWN;
    if (without == COMPAT_POWER7PLUS && side->qemu_version == 0)
        return LEVEL_UNKNOWN; /* 9.2 changed what power7+ is valid for */
    if (is_sxxm(side) && (cap == CAP_CFPC || cap == CAP_SBBC))
        level = LEVEL_WORKAROUND;
    else if (is_sxxm(side) && cap == CAP_IBS)
        level = LEVEL_IBS_CCD;
    if (without != COMPAT_RAW &&
        !compat_mode_is_valid(without, side->pvr, side->qemu_version, side->limit))
        return LEVEL_BROKEN;
    return level;
}

static int explicit_level(const GuestFacts *guest, SpaprCap cap)
{
    return FACT_KNOWN(guest, GUEST_CAPS) ? guest->caps[cap] : LEVEL_UNKNOWN;
}

static void add_cap(Judgement *j, FindingCode code, int variant, FindingValue a, FindingValue b)
{
    judge_add(j, &(Finding){ code, SEVERITY_BLOCK, .a = a, .b = b, .variant = (int8_t)variant });
}

/* The level as such; true if there is nothing to say. */
static bool cap_level_is_sound(Judgement *j, SpaprCap cap, int set)
{
    if (set > caps[cap].highest)
        add_cap(j, FINDING_CAPABILITY_INVALID, 2, value_cap(cap, set),
                value_cap(cap, caps[cap].highest));
    else if (set != LEVEL_UNKNOWN && !version_knows(&j->dest, cap))
        add_cap(j, FINDING_CAPABILITY_INVALID, 1, value_cap(cap, set),
                value_version(j->dest.qemu_version));
    else if (cap == CAP_IBS && set == LEVEL_IBS_NA)
        /* stored as 4, tested as 0x10: QEMU aborts at the guest's first query */
        add_cap(j, FINDING_CAPABILITY_INVALID, 0, value_cap(cap, set), (FindingValue){ 0 });
    else
        return true;
    return false;
}

/* Whether CPU and limit give the level; QEMU asks before anything else. */
static bool cap_fits_cpu(Judgement *j, SpaprCap cap, int level)
{
    const Side *dest = &j->dest;
    CompatMode needs = caps[cap].needs;
    bool any_limit = caps[cap].needs_cpu_only || (caps[cap].tcg_any_limit && !dest->hardware);
    CompatMode limit = any_limit ? COMPAT_RAW : dest->limit;

    if (needs == COMPAT_RAW || !dest->pvr_known ||
        compat_mode_is_valid(needs, dest->pvr, dest->qemu_version, limit))
        return true;
    add_cap(j, FINDING_CAPABILITY_TOO_LOW, CAPS_VARIANT_CPU, value_cap(cap, level),
            compat_mode_fits_cpu(needs, dest->pvr) ? value_mode(dest->limit)
                                                   : value_pvr(dest->pvr));
    return false;
}

/* What the host gives; true if that has to be known and is not. */
static bool cap_host_is_unknown(Judgement *j, SpaprCap cap, int level)
{
    const HostFacts *host = j->dest.host;
    int highest = FACT_KNOWN(host, HOST_CAPS) ? host->caps[cap] : LEVEL_UNKNOWN;

    if (highest == LEVEL_UNKNOWN)
        return cap != CAP_VSX && cap != CAP_DFP; /* those the CPU has told */
    /* the count cache need not be flushed where it is disabled */
    if (level > highest && !(cap == CAP_CCF_ASSIST && host->caps[CAP_IBS] == LEVEL_IBS_CCD))
        add_cap(j, FINDING_CAPABILITY_TOO_LOW, CAPS_VARIANT_HOST, value_cap(cap, level),
                value_cap(cap, highest));
    return false;
}

/* A level above 0 that the destination is asked for at start; true as above. */
static bool judge_cap_start(Judgement *j, SpaprCap cap, int level)
{
    if (!cap_fits_cpu(j, cap, level))
        return false;
    if (!j->dest.hardware && caps[cap].no_tcg)
        add_cap(j, FINDING_CAPABILITY_TOO_LOW, CAPS_VARIANT_TCG, value_cap(cap, level),
                (FindingValue){ 0 });
    else if (j->dest.hardware && caps[cap].no_kvm)
        add_cap(j, FINDING_CAPABILITY_TOO_LOW, CAPS_VARIANT_KVM, value_cap(cap, level),
                (FindingValue){ 0 });
    else if (j->dest.hardware)
        return cap_host_is_unknown(j, cap, level);
    return false;
}

/* QEMU 7.2 sends hpt-max-page-size always, by an accident of a macro, for machine types from 4.1
 * on; an explicit value that is the default counts the same either way. */
static void judge_cap_stream(Judgement *j, SpaprCap cap, int set, int there)
{
    int source_default = default_level(&j->source, cap);
    int dest_default = default_level(&j->dest, cap);
    int now = set != LEVEL_UNKNOWN ? set : source_default;
    int sent = set != LEVEL_UNKNOWN && set != source_default ? set : dest_default;

    if (sent > there && there != LEVEL_UNKNOWN)
        add_cap(j, FINDING_CAPABILITY_TOO_LOW, CAPS_VARIANT_STREAM, value_cap(cap, sent),
                value_cap(cap, there));
    else if (now > there && there != LEVEL_UNKNOWN)
        judge_add(j, &(Finding){ FINDING_CAPABILITY_DEFAULT_DIFFERS, SEVERITY_WARN,
                                 .a = value_cap(cap, now), .b = value_cap(cap, there) });
}

/* One capability; true if the host's level has to be known and is not. */
static bool judge_cap(Judgement *j, SpaprCap cap)
{
    int set_source = explicit_level(j->in->guest, cap);
    int set_dest = explicit_level(incoming_with(j, GUEST_CAPS), cap);
    int there = set_dest != LEVEL_UNKNOWN ? set_dest : default_level(&j->dest, cap);

    if (j->running && set_dest == LEVEL_UNKNOWN && set_source != default_level(&j->source, cap) &&
        !version_knows(&j->dest, cap))
        set_dest = set_source; /* an unknown section in the stream is as bad as an unknown option */
    if (!cap_level_is_sound(j, cap, set_dest))
        return false;
    if (j->running)
        judge_cap_stream(j, cap, set_source, there);
    return there > 0 && judge_cap_start(j, cap, there);
}

void judge_caps(Judgement *j)
{
    bool unknown = false;

    for (SpaprCap cap = 0; cap < CAP_COUNT; cap++)
        unknown |= judge_cap(j, cap);
    if (unknown && j->kvm)
        judge_unknown(j, "caps", 0, SEVERITY_NOTE);
}
