/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rules on CPUs and modes: can the destination start the guest, does it take the running mode, do
 * the devices that follow from the CPU match, and could the guest come back.
 */

#include "verdict-private.h"

#include <string.h>
#include <strings.h>

static const char *ic_mode_name(IcMode mode)
{
    static const char *const names[] = {
        [IC_DUAL] = "dual", [IC_XICS] = "xics", [IC_XIVE] = "xive"
    };

    return names[mode];
}

static void judge_kvm(Judgement *j)
{
    const HostFacts *host = j->dest.host;

    if (!j->kvm)
        return;
    if (!FACT_KNOWN(host, HOST_KVM))
        judge_unknown(j, "kvm", 0, severity_if(j->in->policy->unknown_facts_block));
    else if (host->kvm == KVM_NONE)
        judge_add(j, &(Finding){ FINDING_KVM_MISSING, SEVERITY_BLOCK });
    else if (host->kvm == KVM_PR)
        judge_add(j, &(Finding){ FINDING_KVM_PR_HOST, SEVERITY_BLOCK });
}

/* KVM HV refuses any PVR but the host's (KVM_SET_SREGS). A family's generic name is fine: QEMU lets
 * it stand for the host's CPU then (QEMU target/ppc/kvm.c, kvm_ppc_register_host_cpu_type). */
static void judge_custom_model(Judgement *j)
{
    const GuestFacts *mode = incoming_with(j, GUEST_CPU_MODE);
    const GuestFacts *model = incoming_with(j, GUEST_CPU_MODEL);
    CompatMode own = cpu_own_mode(j->dest.pvr);

    if (!j->kvm || !FACT_KNOWN(mode, GUEST_CPU_MODE) || mode->cpu_mode != CPU_CUSTOM ||
        !FACT_KNOWN(model, GUEST_CPU_MODEL))
        return;
    if (cpu_model_pvr(model->cpu_model, j->dest.qemu_version) == j->dest.pvr)
        return;
    if (own != COMPAT_RAW && strcasecmp(model->cpu_model, compat_mode_name(own)) == 0)
        return;
    judge_add(j, &(Finding){ FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK,
                             .a = value_string(model->cpu_model), .b = value_pvr(j->dest.pvr),
                             .variant = FAMILY_VARIANT_CUSTOM });
}

static void judge_unknown_cpu(Judgement *j)
{
    const GuestFacts *model = incoming_with(j, GUEST_CPU_MODEL);
    Severity severity = severity_if(j->in->policy->unknown_facts_block);

    if (j->dest.hardware)
        judge_unknown(j, "pvr", 0, severity);
    else if (FACT_KNOWN(model, GUEST_CPU_MODEL))
        judge_add(j, &(Finding){ FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK,
                                 .a = value_string(model->cpu_model),
                                 .b = value_version(j->dest.qemu_version),
                                 .variant = FAMILY_VARIANT_MODEL });
    else
        judge_unknown(j, "cpu_model", 2, severity);
}

static void judge_family(Judgement *j)
{
    CpuFamily family = cpu_family_of_pvr(j->dest.pvr);
    int variant;

    if (family == CPU_UNKNOWN)
        variant = FAMILY_VARIANT_PVR;
    else if (!cpu_family_is_pseries(family))
        variant = FAMILY_VARIANT_PSERIES;
    else if (j->dest.hardware && cpu_is_power9_dd1(j->dest.pvr) &&
             j->dest.qemu_version >= QEMU_VERSION(9, 0, 0))
        variant = FAMILY_VARIANT_DD1;
    else
        return;
    judge_add(j, &(Finding){ FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK,
                             .b = value_pvr(j->dest.pvr), .variant = (int8_t)variant });
}

/* First upstream kernel whose KVM HV takes the mode (Linux arch/powerpc/kvm/book3s_hv.c,
 * kvmppc_set_arch_compat); 0: any kernel that has a timebase offset. */
static const uint32_t mode_kernels[COMPAT_COUNT] = {
    [COMPAT_POWER9] = QEMU_VERSION(4, 10, 0),
    [COMPAT_POWER10] = QEMU_VERSION(5, 9, 0),
    [COMPAT_POWER11] = QEMU_VERSION(6, 13, 0),
};

/* Kernels of these vendors carry newer code under an old number. */
static bool kernel_is_backporting(const char *release)
{
    return strstr(release, ".el") || strstr(release, "-default");
}

static void judge_kernel(Judgement *j, CompatMode mode)
{
    const HostFacts *host = j->dest.host;
    uint32_t kernel = FACT_KNOWN(host, HOST_KERNEL) ? kernel_release_version(host->kernel) : 0;
    bool backporting;

    if (!j->kvm || kernel == 0 || kernel >= mode_kernels[mode])
        return;
    backporting = kernel_is_backporting(host->kernel);
    judge_add(j,
              &(Finding){ FINDING_KERNEL_MODE_UNSUPPORTED, severity_if(!backporting),
                          .a = value_mode(mode), .b = value_kernel(host), .variant = backporting });
}

/* One mode that has to be set on the destination: its limit at start, or the mode in the stream.
 * QEMU: valid for the CPU class; KVM: not above the level of the host. */
static void judge_mode_there(Judgement *j, CompatMode mode, bool is_limit)
{
    const Side *dest = &j->dest;
    Finding finding = { FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, .a = value_mode(mode) };

    if (dest->qemu_version != 0 && dest->qemu_version < compat_mode_since(mode)) {
        finding.code = FINDING_COMPAT_MODE_UNKNOWN;
        finding.b = value_version(dest->qemu_version);
        finding.variant = is_limit;
    } else if (!dest->pvr_known) {
        return; /* said by judge_unknown_cpu() */
    } else if (!compat_mode_fits_cpu(mode, dest->pvr)) {
        finding.b = value_pvr(dest->pvr);
        finding.variant = is_limit ? MODE_VARIANT_LIMIT : MODE_VARIANT_CPU;
    } else if (!compat_mode_is_valid(mode, dest->pvr, dest->qemu_version, COMPAT_RAW)) {
        finding.b = value_version(dest->qemu_version);
        finding.variant = MODE_VARIANT_NUMERIC;
    } else if (j->kvm && cpu_is_power9_dd1(dest->pvr)) {
        finding.b = value_pvr(dest->pvr);
        finding.variant = MODE_VARIANT_DD1;
    } else if (!side_takes_mode(dest, mode, COMPAT_RAW)) {
        finding.b = value_mode(dest->host_level);
        finding.variant = MODE_VARIANT_HOST;
    } else {
        judge_kernel(j, mode);
        return;
    }
    judge_add(j, &finding);
}

void judge_cpu(Judgement *j)
{
    const GuestFacts *limited = incoming_with(j, GUEST_MAX_CPU_COMPAT);

    judge_kvm(j);
    if (j->dest.pvr_known) {
        judge_family(j);
        judge_custom_model(j);
    } else {
        judge_unknown_cpu(j);
    }
    if (!FACT_KNOWN(limited, GUEST_MAX_CPU_COMPAT))
        judge_unknown(j, "max_cpu_compat", 2,
                      j->dest.hardware ? severity_if(j->in->policy->unknown_facts_block)
                                       : SEVERITY_NOTE);
    if (j->dest.limit != COMPAT_RAW)
        judge_mode_there(j, j->dest.limit, true);
}

static void assume_mode(Judgement *j, CompatMode mode, int variant)
{
    j->mode_known = true;
    j->mode = mode;
    judge_add(j, &(Finding){ FINDING_MODE_ASSUMED, SEVERITY_NOTE, .a = value_mode(mode),
                             .variant = (int8_t)variant });
}

/* Policy "negotiated": any current Linux ends in the newest mode that its CPU has within the limit.
 * QEMU before 2.9 preferred raw. A limit was valid on the source, so it is the mode even if the
 * source's CPU is not known. */
static void assume_negotiated_mode(Judgement *j)
{
    const Side *source = &j->source;
    CompatMode limit = source->limit == COMPAT_POWER7PLUS ? COMPAT_POWER7 : source->limit;

    if (source->pvr_known && limit == COMPAT_RAW && source->qemu_version != 0 &&
        source->qemu_version < QEMU_VERSION(2, 9, 0))
        assume_mode(j, COMPAT_RAW, 0);
    else if (source->pvr_known)
        assume_mode(j, side_negotiated_mode(source), 0);
    else if (limit != COMPAT_RAW)
        assume_mode(j, limit, 0);
    else if (j->in->kind == JUDGE_RESTORE && j->dest.pvr_known)
        assume_mode(j, side_negotiated_mode(&j->dest), 1);
    else
        judge_add(j, &(Finding){ FINDING_MODE_UNKNOWN, SEVERITY_BLOCK, .variant = 2 });
}

static void settle_mode(Judgement *j)
{
    const GuestFacts *guest = j->in->guest;

    if (FACT_KNOWN(guest, GUEST_EFFECTIVE_MODE)) {
        j->mode_known = true;
        j->mode = guest->effective_mode;
        return;
    }
    if (j->in->policy->unknown_mode == UNKNOWN_MODE_NEGOTIATED)
        assume_negotiated_mode(j);
    else
        judge_add(j, &(Finding){ FINDING_MODE_UNKNOWN, SEVERITY_BLOCK,
                                 .variant = j->in->policy->unknown_mode == UNKNOWN_MODE_MONITOR });
}

/* PVR in the guest's vCPUs; 0 if not known. */
static uint32_t guest_pvr(const Judgement *j)
{
    return FACT_KNOWN(j->in->guest, GUEST_PVR) ? j->in->guest->pvr : j->source.pvr;
}

/* What a raw guest makes of its CPU: all of it, up to the level of the host below it. */
static CompatMode raw_level(const Judgement *j, uint32_t pvr)
{
    return j->source.host_level != COMPAT_RAW ? j->source.host_level : cpu_own_mode(pvr);
}

static void judge_raw_pvr(Judgement *j)
{
    uint32_t pvr = guest_pvr(j);
    CompatMode host_level = j->dest.host_level;

    if (pvr == 0)
        judge_unknown(j, "pvr", 2, severity_if(j->in->policy->unknown_facts_block));
    else if (!cpu_pvr_matches(j->dest.pvr, pvr, j->dest.qemu_version))
        judge_add(
            j, &(Finding){ FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, .a = value_pvr(pvr),
                           .b = value_pvr(j->dest.pvr),
                           .variant = cpu_family_of_pvr(pvr) == cpu_family_of_pvr(j->dest.pvr) });
    else if (host_level != COMPAT_RAW && raw_level(j, pvr) > host_level)
        judge_add(j, &(Finding){ FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK,
                                 .a = value_mode(raw_level(j, pvr)), .b = value_mode(host_level),
                                 .variant = MODE_VARIANT_HOST });
    else if (j->mode != COMPAT_RAW && j->mode != cpu_own_mode(j->dest.pvr))
        judge_add(j, &(Finding){ FINDING_QEMU_VERSION_LOSES_STATE, SEVERITY_WARN,
                                 .a = value_version(j->source.qemu_version),
                                 .b = value_version(j->dest.qemu_version),
                                 .variant = LOSES_VARIANT_MODE });
}

/* The stream names no mode: the guest is raw, or its machine type is older than 2.10. A limit at
 * the destination is in its vCPUs from reset on and nothing clears it; without one the PVR decides.
 */
static void judge_unsent_mode(Judgement *j)
{
    CompatMode limit = j->dest.limit;
    uint32_t pvr = guest_pvr(j);

    if (limit == COMPAT_RAW && j->dest.pvr_known)
        judge_raw_pvr(j);
    else if (limit != COMPAT_RAW && j->mode == COMPAT_RAW)
        judge_add(j, &(Finding){ FINDING_RAW_ADOPTS_MODE, SEVERITY_BLOCK,
                                 .a = pvr ? value_pvr(pvr) : (FindingValue){ 0 },
                                 .b = value_mode(limit), .variant = 0 });
    else if (limit != COMPAT_RAW && j->mode != limit)
        judge_add(j, &(Finding){ FINDING_RAW_ADOPTS_MODE, SEVERITY_BLOCK, .a = value_mode(j->mode),
                                 .b = value_mode(limit), .variant = 1 });
}

static bool mode_is_sent(const Judgement *j)
{
    return j->mode != COMPAT_RAW &&
           (j->source.machine_version == 0 || j->source.machine_version >= QEMU_VERSION(2, 10, 0));
}

static void judge_sent_mode(Judgement *j)
{
    const Side *dest = &j->dest;

    if (dest->qemu_version != 0 && dest->qemu_version < QEMU_VERSION(2, 10, 0))
        judge_add(j, &(Finding){ FINDING_QEMU_VERSION_REFUSES, SEVERITY_BLOCK,
                                 .a = value_version(j->source.qemu_version),
                                 .b = value_version(dest->qemu_version),
                                 .variant = REFUSES_VARIANT_COMPAT });
    if (j->mode != dest->limit) /* that one is judged already */
        judge_mode_there(j, j->mode, false);
    if (dest->limit != COMPAT_RAW && j->mode > dest->limit)
        judge_add(j, &(Finding){ FINDING_MODE_NEWER_THAN_LIMIT, SEVERITY_WARN,
                                 .a = value_mode(j->mode), .b = value_mode(dest->limit) });
}

void judge_mode(Judgement *j)
{
    if (!j->running)
        return;
    if (j->source.host && j->source.hardware && !j->source.pvr_known)
        judge_unknown(j, "pvr", 1, severity_if(j->in->policy->unknown_facts_block));
    settle_mode(j);
    if (!j->mode_known)
        return;
    if (mode_is_sent(j))
        judge_sent_mode(j);
    else
        judge_unsent_mode(j);
}

/* The devices of the source must exist at the destination; more there do no harm. */
static void judge_device_match(Judgement *j)
{
    const Side *source = &j->source, *dest = &j->dest;
    Finding finding = { FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK,
                        .a = value_string(ic_mode_name(source->ic_mode)) };

    if (source->has_xics && !dest->has_xics) {
        finding.b = value_string(ic_mode_name(dest->ic_mode));
        finding.variant = IC_VARIANT_MODE;
    } else if (!source->has_xive || dest->has_xive) {
        return;
    } else if (dest->ic_mode == IC_XICS) {
        finding.b = value_string(ic_mode_name(dest->ic_mode));
        finding.variant = IC_VARIANT_MODE;
    } else if (compat_mode_fits_cpu(COMPAT_POWER9, dest->pvr)) {
        finding.b = value_mode(dest->limit);
        finding.variant = IC_VARIANT_LIMIT;
    } else {
        finding.b = value_pvr(dest->pvr);
        finding.variant = IC_VARIANT_CPU;
    }
    judge_add(j, &finding);
}

void judge_devices(Judgement *j)
{
    const Side *dest = &j->dest;
    bool fits = compat_mode_fits_cpu(COMPAT_POWER9, dest->pvr);

    if (!dest->pvr_known)
        return;
    if (dest->ic_mode == IC_XIVE && !dest->has_xive)
        judge_add(j, &(Finding){ FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK,
                                 .a = value_string(ic_mode_name(IC_XIVE)),
                                 .b = fits ? value_mode(dest->limit) : value_pvr(dest->pvr),
                                 .variant = IC_VARIANT_START });
    else if (j->running)
        judge_device_match(j);
}

static void add_return(Judgement *j, int variant, FindingValue a, FindingValue b)
{
    judge_add(j, &(Finding){ FINDING_CANNOT_RETURN, SEVERITY_NOTE, .a = a, .b = b,
                             .variant = (int8_t)variant });
}

/* KVM HV puts the host's own PVR into the vCPUs of a raw guest that came in; TCG keeps the old one.
 */
static bool raw_could_return(const Judgement *j)
{
    uint32_t pvr = j->kvm ? j->dest.pvr : guest_pvr(j);

    return cpu_pvr_matches(j->source.pvr, pvr, j->source.qemu_version);
}

static void judge_return_cpu(Judgement *j)
{
    const Side *source = &j->source, *dest = &j->dest;
    CompatMode next = side_negotiated_mode(dest);

    if (dest->has_xive && !source->has_xive)
        add_return(j, RETURN_VARIANT_XIVE,
                   source->limit != COMPAT_RAW ? value_mode(source->limit) : value_pvr(source->pvr),
                   value_pvr(dest->pvr));
    else if (next != COMPAT_RAW && !side_takes_mode(source, next, COMPAT_RAW))
        add_return(j, RETURN_VARIANT_REBOOT, value_pvr(source->pvr), value_mode(next));
    if (j->mode_known && j->mode == COMPAT_RAW && !raw_could_return(j))
        add_return(j, RETURN_VARIANT_RAW, value_pvr(source->pvr), value_pvr(dest->pvr));
}

void judge_return(Judgement *j)
{
    const Side *source = &j->source, *dest = &j->dest;

    if (j->verdict->decision == DECISION_BLOCK || !source->host)
        return;
    if (source->qemu_version != 0 && source->qemu_version < QEMU_VERSION(9, 2, 0) &&
        dest->qemu_version >= QEMU_VERSION(9, 2, 0))
        add_return(j, RETURN_VARIANT_VERSION, value_version(source->qemu_version),
                   value_version(dest->qemu_version));
    if (source->pvr_known && dest->pvr_known)
        judge_return_cpu(j);
    if (j->timed && FACT_KNOWN(source->host, HOST_TB_OFFSET) && !source->host->tb_offset)
        add_return(j, RETURN_VARIANT_OFFSET, (FindingValue){ 0 }, (FindingValue){ 0 });
}
