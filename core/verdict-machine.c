/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rules on machine types, QEMU versions, MMU and hash page table, and on simulated hosts.
 */

#include "verdict-private.h"

#include <string.h>

void judge_simulated(Judgement *j)
{
    const HostFacts *source = j->source.host, *dest = j->dest.host;
    bool source_is = source && FACT_KNOWN(source, HOST_SIMULATED) && source->simulated;
    bool dest_is = FACT_KNOWN(dest, HOST_SIMULATED) && dest->simulated;

    if (source && source_is != dest_is)
        judge_add(
            j, &(Finding){ FINDING_SIMULATED_HOST, SEVERITY_BLOCK, .variant = source_is ? 1 : 2 });
    else if (dest_is)
        judge_add(j, &(Finding){ FINDING_SIMULATED_HOST, SEVERITY_NOTE, .variant = 0 });
}

static bool machine_is_listed(const HostFacts *host, const char *machine)
{
    for (unsigned i = 0; i < host->n_machine_types; i++)
        if (strcmp(host->machine_types[i], machine) == 0)
            return true;
    return false;
}

/* Without a list: a machine type has the number of the QEMU version that brought it; 9.2 dropped
 * 2.x, 10.2 begins with 5.0. */
static bool machine_has_version(const Side *dest)
{
    uint32_t machine = dest->machine_version;

    if (machine == 0 || dest->qemu_version == 0)
        return true;
    if (machine > dest->qemu_version)
        return false;
    if (dest->qemu_version >= QEMU_VERSION(10, 2, 0))
        return machine >= QEMU_VERSION(5, 0, 0);
    return dest->qemu_version < QEMU_VERSION(9, 2, 0) || machine >= QEMU_VERSION(3, 0, 0);
}

/* QEMU compares the names (migration/savevm.c, configuration section); an alias is sent as what it
 * stands for. Vendors' types have no version here and are compared as they are. */
static bool machines_are_equal(const Side *a, const Side *b)
{
    if (a->machine_version == 0 || b->machine_version == 0)
        return strcmp(a->machine, b->machine) == 0;
    return a->machine_version == b->machine_version &&
           !strstr(a->machine, "-sxxm") == !strstr(b->machine, "-sxxm");
}

void judge_machine_type(Judgement *j)
{
    const Side *source = &j->source, *dest = &j->dest;
    Finding finding = { FINDING_MACHINE_TYPE_MISSING, SEVERITY_BLOCK,
                        .a = value_string(dest->machine) };

    if (dest->machine[0] == '\0')
        return;
    if (j->running && source->machine[0] != '\0' && !machines_are_equal(source, dest)) {
        finding.a = value_string(source->machine);
        finding.b = value_string(dest->machine);
        finding.variant = 2;
    } else if (machine_type_is_alias(dest->machine)) {
        return;
    } else if (FACT_KNOWN(dest->host, HOST_MACHINE_TYPES)) {
        if (machine_is_listed(dest->host, dest->machine))
            return;
    } else if (machine_has_version(dest)) {
        return;
    } else {
        finding.b = value_version(dest->qemu_version);
        finding.variant = 1;
    }
    judge_add(j, &finding);
}

/* These neither send nor know the section of XICS presenters. */
static bool version_lost_icp(uint32_t version)
{
    return (version >= QEMU_VERSION(9, 2, 0) && version < QEMU_VERSION(10, 0, 5)) ||
           (version >= QEMU_VERSION(10, 1, 0) && version < QEMU_VERSION(10, 1, 1));
}

static void add_version(Judgement *j, FindingCode code, Severity severity, int variant)
{
    judge_add(j,
              &(Finding){ code, severity, .a = value_version(j->source.qemu_version),
                          .b = value_version(j->dest.qemu_version), .variant = (int8_t)variant });
}

static void judge_icp(Judgement *j)
{
    bool source_lost = version_lost_icp(j->source.qemu_version);
    bool idle = j->source.has_xive && j->mode_known && j->mode >= COMPAT_POWER9;

    if (!j->source.has_xics)
        return;
    if (source_lost && idle)
        add_version(j, FINDING_QEMU_VERSION_LOSES_STATE, SEVERITY_WARN, LOSES_VARIANT_ICP_IDLE);
    else if (source_lost)
        add_version(j, FINDING_QEMU_VERSION_LOSES_STATE, SEVERITY_BLOCK, LOSES_VARIANT_ICP);
    else if (version_lost_icp(j->dest.qemu_version))
        add_version(j, FINDING_QEMU_VERSION_REFUSES, SEVERITY_BLOCK, REFUSES_VARIANT_ICP);
}

static bool version_is_10_0(uint32_t version)
{
    return version >= QEMU_VERSION(10, 0, 0) && version < QEMU_VERSION(10, 1, 0);
}

void judge_versions(Judgement *j)
{
    uint32_t source = j->source.qemu_version, dest = j->dest.qemu_version;

    if (!j->running || !j->source.host)
        return;
    if (source == 0)
        judge_unknown(j, "qemu_version", 1, SEVERITY_WARN);
    if (dest == 0)
        judge_unknown(j, "qemu_version", 0, SEVERITY_WARN);
    if (source == 0 || dest == 0)
        return;
    if (source >= QEMU_VERSION(9, 2, 0) && dest < QEMU_VERSION(9, 2, 0))
        add_version(j, FINDING_QEMU_VERSION_REFUSES, SEVERITY_BLOCK, REFUSES_VARIANT_SLB);
    else
        judge_icp(j);
    if (version_is_10_0(source) || version_is_10_0(dest))
        add_version(j, FINDING_QEMU_VERSION_LOSES_STATE, SEVERITY_WARN, LOSES_VARIANT_RTAS);
    if (j->timed && (source < QEMU_VERSION(2, 1, 0) || dest < QEMU_VERSION(2, 1, 0)))
        add_version(j, FINDING_QEMU_VERSION_LOSES_STATE, SEVERITY_BLOCK, LOSES_VARIANT_TIMEBASE);
}

/* The MMU the guest uses; 0 if that cannot be told. Whatever is older than power9 has hash only. */
static unsigned guest_mmu(const Judgement *j)
{
    const GuestFacts *guest = j->in->guest;
    CompatMode mode = j->running && j->mode_known ? j->mode : j->dest.limit;

    if (j->running && FACT_KNOWN(guest, GUEST_MMU))
        return guest->mmu;
    if (mode != COMPAT_RAW)
        return mode < COMPAT_POWER9 ? MMU_HASH : 0;
    return j->dest.pvr_known && !compat_mode_fits_cpu(COMPAT_POWER9, j->dest.pvr) ? MMU_HASH : 0;
}

/* Linux from 5.12 on keeps hash guests off POWER9 before DD2.2 (kvmppc_hash_v3_possible). */
static bool hash_is_denied(const Side *dest)
{
    uint32_t kernel =
        FACT_KNOWN(dest->host, HOST_KERNEL) ? kernel_release_version(dest->host->kernel) : 0;

    return cpu_family_of_pvr(dest->pvr) == CPU_POWER9 && (dest->pvr & 0xf0f) < 0x202 &&
           kernel >= QEMU_VERSION(5, 12, 0);
}

static void add_hash(Judgement *j, int variant)
{
    judge_add(j, &(Finding){ FINDING_HASH_MMU_UNSUPPORTED, SEVERITY_BLOCK,
                             .b = value_pvr(j->dest.pvr), .variant = (int8_t)variant });
}

static void add_hash_only_mode(Judgement *j, CompatMode mode)
{
    judge_add(j, &(Finding){ FINDING_HASH_MMU_UNSUPPORTED, SEVERITY_BLOCK, .a = value_mode(mode),
                             .b = value_pvr(j->dest.pvr), .variant = 1 });
}

static void judge_hash(Judgement *j)
{
    const HostFacts *host = j->dest.host;
    CompatMode mode = j->running ? j->mode : j->dest.limit;

    if (FACT_KNOWN(host, HOST_MMU)) {
        if ((host->mmu & MMU_HASH) != 0)
            return;
        if (mode != COMPAT_RAW && mode < COMPAT_POWER9)
            add_hash_only_mode(j, mode);
        else
            add_hash(j, 0);
    } else if (FACT_KNOWN(host, HOST_NESTED) && host->nested) {
        add_hash(j, 2);
    } else if (hash_is_denied(&j->dest)) {
        add_hash(j, 0);
    } else if (j->kvm && compat_mode_fits_cpu(COMPAT_POWER9, j->dest.pvr)) {
        judge_unknown(j, "mmu", 0, SEVERITY_NOTE);
    }
}

static void judge_radix(Judgement *j)
{
    const HostFacts *host = j->dest.host;

    if (FACT_KNOWN(host, HOST_MMU)) {
        if ((host->mmu & MMU_RADIX) != 0)
            return;
    } else if (!j->dest.pvr_known || compat_mode_fits_cpu(COMPAT_POWER9, j->dest.pvr)) {
        if (j->kvm)
            judge_unknown(j, "mmu", 0, SEVERITY_NOTE);
        return;
    }
    judge_add(j, &(Finding){ FINDING_RADIX_MMU_UNSUPPORTED, SEVERITY_BLOCK,
                             .b = value_pvr(j->dest.pvr) });
}

/* log2 of the bytes of the hash page table for so much RAM (QEMU hw/ppc/spapr.c,
 * spapr_hpt_shift_for_ramsize): a 128th of the RAM rounded up to a power of two, 2^18 to 2^46. */
static int hpt_order(uint64_t memory_bytes)
{
    int order = 18;

    while (order < 46 && (UINT64_C(1) << (order + 7)) < memory_bytes)
        order++;
    return order;
}

/* The destination must allocate exactly the order in the stream: for the maximum of memory if the
 * table cannot be resized. Whether it can is settled between guest and QEMU, so "enabled" leaves
 * both orders possible. */
static void judge_hpt(Judgement *j)
{
    const HostFacts *host = j->dest.host;
    const GuestFacts *now = incoming_with(j, GUEST_MEMORY_BYTES);
    const GuestFacts *max = incoming_with(j, GUEST_MAX_MEMORY_BYTES);
    const GuestFacts *resize = incoming_with(j, GUEST_RESIZE_HPT);
    int least, most;

    if (!FACT_KNOWN(now, GUEST_MEMORY_BYTES))
        return;
    if (!FACT_KNOWN(host, HOST_HPT_MAX_ORDER)) {
        if (j->kvm)
            judge_unknown(j, "hpt_max_order", 0, SEVERITY_NOTE);
        return;
    }
    least = hpt_order(now->memory_bytes);
    most = FACT_KNOWN(max, GUEST_MAX_MEMORY_BYTES) ? hpt_order(max->max_memory_bytes) : least;
    if (FACT_KNOWN(resize, GUEST_RESIZE_HPT) && resize->resize_hpt == RESIZE_HPT_DISABLED)
        least = most;
    if (most > host->hpt_max_order)
        judge_add(j, &(Finding){ FINDING_HPT_TOO_LARGE, severity_if(least > host->hpt_max_order),
                                 .a = value_number(VALUE_INTEGER, most),
                                 .b = value_number(VALUE_INTEGER, host->hpt_max_order),
                                 .variant = least <= host->hpt_max_order });
}

static void judge_resize(Judgement *j)
{
    const HostFacts *host = j->dest.host;
    const GuestFacts *resize = incoming_with(j, GUEST_RESIZE_HPT);

    if (!FACT_KNOWN(resize, GUEST_RESIZE_HPT) || resize->resize_hpt == RESIZE_HPT_DISABLED)
        return;
    if (!FACT_KNOWN(host, HOST_RESIZE_HPT)) {
        if (j->kvm)
            judge_unknown(j, "resize_hpt", 0, SEVERITY_NOTE);
    } else if (!host->resize_hpt && resize->resize_hpt == RESIZE_HPT_REQUIRED) {
        judge_add(j, &(Finding){ FINDING_RESIZE_HPT_UNSUPPORTED, SEVERITY_BLOCK, .variant = 0 });
    } else if (!host->resize_hpt) {
        judge_add(j, &(Finding){ FINDING_RESIZE_HPT_UNSUPPORTED, SEVERITY_NOTE, .variant = 1 });
    }
}

/* A CPU that has radix, on a host that does not give it. */
static bool radix_is_switched_off(const Side *side)
{
    return FACT_KNOWN(side->host, HOST_MMU) && (side->host->mmu & MMU_RADIX) == 0 &&
           compat_mode_fits_cpu(COMPAT_POWER9, side->pvr);
}

void judge_mmu(Judgement *j)
{
    unsigned mmu;

    if (!j->dest.hardware)
        return; /* TCG has both, and a table of any size */
    judge_resize(j);
    mmu = guest_mmu(j);
    if (mmu == MMU_HASH) {
        judge_hash(j);
        judge_hpt(j);
    } else if (mmu == MMU_RADIX) {
        judge_radix(j);
    } else if (j->running && radix_is_switched_off(&j->dest)) {
        judge_unknown(j, "mmu", 2, SEVERITY_WARN);
    }
}
