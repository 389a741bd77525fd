/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict-private.h"

#include <string.h>

bool finding_is_stricter(const Finding *finding)
{
    switch (finding->code) {
    case FINDING_COMPAT_MODE_UNSUPPORTED:
    case FINDING_COMPAT_MODE_UNKNOWN:
    case FINDING_RAW_PVR_MISMATCH:
    case FINDING_CPU_FAMILY_UNSUPPORTED:
    case FINDING_INTERRUPT_CONTROLLER_MISSING:
    case FINDING_QEMU_VERSION_REFUSES:
    case FINDING_MACHINE_TYPE_MISSING:
    case FINDING_CAPABILITY_TOO_LOW:
    case FINDING_HASH_MMU_UNSUPPORTED:
    case FINDING_RADIX_MMU_UNSUPPORTED:
    case FINDING_KVM_PR_HOST:
    case FINDING_KVM_MISSING:
        return false;
    case FINDING_CAPABILITY_INVALID:
        return finding->variant == 0;
    case FINDING_HPT_TOO_LARGE:
    case FINDING_RESIZE_HPT_UNSUPPORTED:
    case FINDING_KERNEL_MODE_UNSUPPORTED:
        return finding->variant == 1;
    case FINDING_RAW_ADOPTS_MODE:
    case FINDING_MODE_NEWER_THAN_LIMIT:
    case FINDING_MODE_ASSUMED:
    case FINDING_MODE_UNKNOWN:
    case FINDING_QEMU_VERSION_LOSES_STATE:
    case FINDING_TIMEBASE_FREQUENCY_DIFFERS:
    case FINDING_TIMEBASE_OFFSET_UNSUPPORTED:
    case FINDING_TIMEBASE_RELATION_UNKNOWN:
    case FINDING_TIMEBASE_RELATION_STALE:
    case FINDING_TIMEBASE_JUMP_TOO_LARGE:
    case FINDING_TIMEBASE_COULD_GO_BACK:
    case FINDING_TOD_SKEW:
    case FINDING_CAPABILITY_DEFAULT_DIFFERS:
    case FINDING_DECREMENTER_NOT_MIGRATED:
    case FINDING_SOURCE_UNKNOWN:
    case FINDING_SOURCE_AMBIGUOUS:
    case FINDING_PEER_UNREACHABLE:
    case FINDING_GUEST_CHANGED_ON_THE_WAY:
    case FINDING_SIMULATED_HOST:
    case FINDING_DAEMON_UNAVAILABLE:
    case FINDING_DEADLINE:
    case FINDING_FACT_UNKNOWN:
    case FINDING_CANNOT_RETURN:
    case FINDING_TIME_STOOD_STILL:
    case FINDING_CODE_COUNT:
        break;
    }
    return true;
}

void verdict_add(Verdict *verdict, const Finding *finding)
{
    uint8_t at = verdict->n_findings;
    uint8_t last = at;

    while (at > 0 && verdict->findings[at - 1].severity < finding->severity)
        at--;
    if (at == VERDICT_FINDINGS_MAX)
        return;
    if (last == VERDICT_FINDINGS_MAX)
        last--;
    memmove(&verdict->findings[at + 1], &verdict->findings[at],
            (size_t)(last - at) * sizeof verdict->findings[0]);
    verdict->findings[at] = *finding;
    verdict->n_findings = (uint8_t)(last + 1);
    if (finding->severity == SEVERITY_BLOCK)
        verdict->decision = DECISION_BLOCK;
}

void judge_add(Judgement *j, const Finding *finding)
{
    Finding full = *finding;

    full.advise_mode = j->advise_mode;
    verdict_add(j->verdict, &full);
}

void judge_unknown(Judgement *j, const char *fact, int variant, Severity severity)
{
    judge_add(j, &(Finding){ FINDING_FACT_UNKNOWN, severity, .a = value_string(fact),
                             .variant = (int8_t)variant });
}

bool side_takes_mode(const Side *side, CompatMode mode, CompatMode limit)
{
    return compat_mode_is_valid(mode, side->pvr, side->qemu_version, limit) &&
           (side->host_level == COMPAT_RAW || mode <= side->host_level);
}

CompatMode side_negotiated_mode(const Side *side)
{
    /* Linux does not name power7+ at CAS; a limit of power7+ ends in power7. */
    for (CompatMode mode = COMPAT_COUNT - 1; mode > COMPAT_RAW; mode--)
        if (mode != COMPAT_POWER7PLUS && side_takes_mode(side, mode, side->limit))
            return mode;
    return COMPAT_RAW;
}

/* The interrupt controllers of the machine: the default is "dual" from machine type 4.1 on; XIVE
 * needs a CPU that has power9 within the limit (QEMU hw/ppc/spapr_irq.c, spapr_irq_check). */
static void side_set_devices(Side *side, const GuestFacts *guest)
{
    if (FACT_KNOWN(guest, GUEST_IC_MODE))
        side->ic_mode = guest->ic_mode;
    else if (side->machine_version != 0 && side->machine_version < QEMU_VERSION(4, 1, 0))
        side->ic_mode = IC_XICS;
    else
        side->ic_mode = IC_DUAL;
    side->has_xics = side->ic_mode != IC_XIVE;
    side->has_xive =
        side->ic_mode != IC_XICS &&
        compat_mode_is_valid(COMPAT_POWER9, side->pvr, side->qemu_version, side->limit);
}

static void side_set_host(Side *side, const HostFacts *host, bool kvm)
{
    side->host = host;
    side->hardware = kvm;
    if (!host)
        return;
    side->hardware |= FACT_KNOWN(host, HOST_SIMULATED) && host->simulated;
    if (FACT_KNOWN(host, HOST_QEMU_VERSION))
        side->qemu_version = host->qemu_version;
    if (side->hardware && FACT_KNOWN(host, HOST_COMPAT_LEVEL))
        side->host_level = host->compat_level;
    if (side->hardware && FACT_KNOWN(host, HOST_PVR)) {
        side->pvr_known = true;
        side->pvr = host->pvr;
    }
}

/* TCG: the model is the CPU. A model that does not exist there leaves the PVR unknown. */
static void side_set_model(Side *side, const GuestFacts *guest)
{
    if (side->hardware || !FACT_KNOWN(guest, GUEST_CPU_MODEL))
        return;
    side->pvr = cpu_model_pvr(guest->cpu_model, side->qemu_version);
    side->pvr_known = side->pvr != 0;
}

static void side_set_machine(Side *side, const GuestFacts *guest)
{
    side->machine = FACT_KNOWN(guest, GUEST_MACHINE_TYPE) ? guest->machine_type : "";
    side->machine_version = machine_type_version(side->machine, side->qemu_version);
}

static void judgement_set_source(Judgement *j)
{
    const GuestFacts *guest = j->in->guest;
    Side *source = &j->source;

    side_set_host(source, j->in->source, j->kvm);
    side_set_model(source, guest);
    if (!source->pvr_known && !source->hardware && FACT_KNOWN(guest, GUEST_PVR)) {
        source->pvr_known = true;
        source->pvr = guest->pvr;
    }
    side_set_machine(source, guest);
    if (FACT_KNOWN(guest, GUEST_MAX_CPU_COMPAT))
        source->limit = guest->max_cpu_compat;
    side_set_devices(source, guest);
}

static void judgement_set_destination(Judgement *j)
{
    const GuestFacts *limited = incoming_with(j, GUEST_MAX_CPU_COMPAT);
    Side *dest = &j->dest;

    side_set_host(dest, j->in->destination, j->kvm);
    side_set_model(dest, incoming_with(j, GUEST_CPU_MODEL));
    side_set_machine(dest, incoming_with(j, GUEST_MACHINE_TYPE));
    if (FACT_KNOWN(limited, GUEST_MAX_CPU_COMPAT))
        dest->limit = limited->max_cpu_compat;
    side_set_devices(dest, incoming_with(j, GUEST_IC_MODE));
}

/* Newest mode that both ends can run: what to set in <cpu>. power7+ is no advice: libvirt cannot
 * set it and QEMU from 9.2 on refuses it. */
static CompatMode common_mode(const Judgement *j)
{
    for (CompatMode mode = COMPAT_COUNT - 1; mode > COMPAT_RAW; mode--)
        if (mode != COMPAT_POWER7PLUS && side_takes_mode(&j->dest, mode, COMPAT_RAW) &&
            (!j->source.pvr_known || side_takes_mode(&j->source, mode, COMPAT_RAW)))
            return mode;
    return COMPAT_RAW;
}

/* Guests of other architectures and of other machines are none of our business. */
static bool guest_is_ours(const Judgement *j)
{
    const GuestFacts *arch = incoming_with(j, GUEST_ARCH);
    const GuestFacts *machine = incoming_with(j, GUEST_MACHINE_TYPE);

    if (FACT_KNOWN(arch, GUEST_ARCH) && arch->arch == ARCH_OTHER)
        return false;
    return !FACT_KNOWN(machine, GUEST_MACHINE_TYPE) ||
           strncmp(machine->machine_type, "pseries", strlen("pseries")) == 0;
}

static void judgement_init(Judgement *j)
{
    const GuestFacts *guest = j->in->guest;
    const GuestFacts *accel = incoming_with(j, GUEST_ACCEL);

    /* An unknown accelerator is judged by the rules of KVM, which are the stricter ones. */
    j->kvm = !FACT_KNOWN(accel, GUEST_ACCEL) || accel->accel == ACCEL_KVM;
    j->running = j->in->kind == JUDGE_RESTORE || !FACT_KNOWN(guest, GUEST_ACTIVE) || guest->active;
    judgement_set_source(j);
    judgement_set_destination(j);
    j->timed = j->running && j->dest.hardware;
    j->advise_mode = common_mode(j);
}

void judge(const JudgeInput *in, Verdict *ret)
{
    Judgement j = { .in = in, .verdict = ret };

    ret->decision = DECISION_ALLOW;
    ret->n_findings = 0;
    ret->plan = (OffsetPlan){ 0 };
    if (!guest_is_ours(&j))
        return;
    judgement_init(&j);
    judge_simulated(&j);
    judge_machine_type(&j);
    judge_cpu(&j);
    judge_mode(&j);
    judge_devices(&j);
    judge_versions(&j);
    judge_caps(&j);
    judge_mmu(&j);
    judge_time(&j);
    judge_return(&j);
}
