/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the rules stand on: the two ends as far as they are known, and the list that they add to.
 */

#include "verdict-private.h"

#include <string.h>

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

/* Two decimal numbers with a dot between, at most three digits each, as 16.8.0 bits; *end behind
 * them. 0 if there are none. */
static uint32_t parse_two_numbers(const char *text, const char **end)
{
    uint32_t number[2] = { 0, 0 };

    for (int i = 0; i < 2; i++) {
        const char *start = text;

        while (*text >= '0' && *text <= '9' && text - start < 3)
            number[i] = number[i] * 10 + (uint32_t)(*text++ - '0');
        if (text == start || number[i] > 255 || (i == 0 && *text++ != '.'))
            return 0;
    }
    *end = text;
    return QEMU_VERSION(number[0], number[1], 0);
}

uint32_t kernel_release_version(const char *release)
{
    const char *end;

    return parse_two_numbers(release, &end);
}

bool machine_type_is_alias(const char *machine)
{
    return strcmp(machine, "pseries") == 0;
}

/* "pseries-2.12-sxxm" counts as 2.12: it differs in defaults only. */
uint32_t machine_type_version(const char *machine, uint32_t qemu_version)
{
    const char *end;
    uint32_t version;

    if (machine_type_is_alias(machine))
        return qemu_version & ~UINT32_C(0xff);
    if (strncmp(machine, "pseries-", strlen("pseries-")) != 0)
        return 0;
    version = parse_two_numbers(machine + strlen("pseries-"), &end);
    return version != 0 && (*end == '\0' || strcmp(end, "-sxxm") == 0) ? version : 0;
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

static bool host_is_simulated(const HostFacts *host)
{
    return FACT_KNOWN(host, HOST_SIMULATED) && host->simulated;
}

static void side_set_host(Side *side, const HostFacts *host, bool kvm)
{
    side->host = host;
    side->hardware = kvm;
    if (!host)
        return;
    side->hardware |= host_is_simulated(host);
    if (FACT_KNOWN(host, HOST_QEMU_VERSION))
        side->qemu_version = host->qemu_version;
    if (side->hardware && FACT_KNOWN(host, HOST_COMPAT_LEVEL))
        side->host_level = host->compat_level;
    if (side->hardware && FACT_KNOWN(host, HOST_PVR)) {
        side->pvr_known = true;
        side->pvr = host->pvr;
    }
}

/* TCG: the model is the CPU. A model that does not exist there leaves the PVR unknown. Of the host
 * on which a guest was saved nothing is known but that its CPU was of the model that the guest asks
 * for: KVM takes no other (Linux book3s_hv.c, kvm_arch_vcpu_ioctl_set_sregs_hv). */
static void side_set_model(Side *side, const GuestFacts *guest)
{
    if ((side->hardware && side->host) || !FACT_KNOWN(guest, GUEST_CPU_MODEL))
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
    const HostFacts *dest = j->in->destination;
    Side *source = &j->source;

    side_set_host(source, j->in->source, j->kvm);
    if (!j->in->source) {
        /* a saved guest: by a QEMU like this host's, as far as anyone knows */
        source->hardware |= host_is_simulated(dest);
        source->qemu_version = FACT_KNOWN(dest, HOST_QEMU_VERSION) ? dest->qemu_version : 0;
    }
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

bool judgement_init(Judgement *j)
{
    const GuestFacts *guest = j->in->guest;
    const GuestFacts *accel = incoming_with(j, GUEST_ACCEL);

    if (!guest_is_ours(j))
        return false;
    /* An unknown accelerator is judged by the rules of KVM, which are the stricter ones. */
    j->kvm = !FACT_KNOWN(accel, GUEST_ACCEL) || accel->accel == ACCEL_KVM;
    j->running = j->in->kind == JUDGE_RESTORE || !FACT_KNOWN(guest, GUEST_ACTIVE) || guest->active;
    judgement_set_source(j);
    judgement_set_destination(j);
    j->timed = j->running && j->dest.hardware;
    j->advise_mode = common_mode(j);
    return true;
}
