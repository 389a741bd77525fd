/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the rules of judge() share; nobody else includes this.
 *
 * judge() fills in one Judgement, the facts as the rules see them, and calls the rules in order.
 * A rule reads the Judgement and adds findings; it changes nothing else. So their order decides the
 * order of equally severe findings and nothing more, with two exceptions: judge_mode() settles the
 * mode that later rules read, and judge_return() comes last since it is silent once a guest is
 * refused.
 */

#include "verdict.h"

/* One end of the move. */
typedef struct Side {
    const HostFacts *host; /* NULL: unknown source */
    bool hardware;         /* the host's CPU decides: KVM, or a simulated host */
    bool pvr_known;
    uint32_t pvr;          /* of the CPU class the guest runs on there; 0 if not known */
    uint32_t qemu_version; /* 0: unknown */
    CompatMode limit; /* max-cpu-compat of its definition there; COMPAT_RAW: unset or unknown */
    CompatMode host_level;    /* the level the host itself runs at; COMPAT_RAW: its CPU's own */
    const char *machine;      /* "" if unknown */
    uint32_t machine_version; /* 0: unknown, or a vendor's type; "pseries" alone is that QEMU's
                               * newest */
    IcMode ic_mode;
    bool has_xive; /* devices the machine has there; XIVE only if pvr_known */
    bool has_xics;
} Side;

typedef struct Judgement {
    const JudgeInput *in;
    Verdict *verdict;
    Side source;
    Side dest;
    bool kvm;
    bool running; /* has a mode and a timebase: no offline migration */
    bool timed;   /* running, and a real or simulated timebase comes with it; not so with TCG */
    bool mode_known;
    CompatMode mode;
    CompatMode advise_mode;
} Judgement;

/* The facts of the guest at the destination: what it was told to start, else what the source says.
 */
static inline const GuestFacts *incoming_with(const Judgement *j, GuestField field)
{
    const GuestFacts *incoming = j->in->incoming;

    return incoming && FACT_KNOWN(incoming, field) ? incoming : j->in->guest;
}

static inline FindingValue value_string(const char *string)
{
    return (FindingValue){ .kind = VALUE_STRING, .string = string };
}

static inline FindingValue value_number(FindingValueKind kind, int64_t number)
{
    return (FindingValue){ .kind = kind, .number = number };
}

static inline FindingValue value_mode(CompatMode mode)
{
    return value_number(VALUE_MODE, mode);
}

static inline FindingValue value_pvr(uint32_t pvr)
{
    return value_number(VALUE_PVR, pvr);
}

/* VALUE_NONE for version 0. */
static inline FindingValue value_version(uint32_t qemu_version)
{
    return value_number(qemu_version != 0 ? VALUE_QEMU_VERSION : VALUE_NONE, qemu_version);
}

static inline FindingValue value_cap(SpaprCap cap, int level)
{
    return (FindingValue){ .kind = VALUE_CAP_LEVEL, .cap = cap, .number = level };
}

/* Kernel release of a host, VALUE_NONE if unknown. */
static inline FindingValue value_kernel(const HostFacts *host)
{
    return FACT_KNOWN(host, HOST_KERNEL) ? value_string(host->kernel) : (FindingValue){ 0 };
}

/* Adds a finding; its advise_mode is filled in here. */
void judge_add(Judgement *j, const Finding *finding);

/* How bad it is not to know a fact that a verdict stands on. */
static inline Severity severity_if(bool blocks)
{
    return blocks ? SEVERITY_BLOCK : SEVERITY_WARN;
}

/* fact-unknown; variant: 0 destination, 1 source, 2 guest. */
void judge_unknown(Judgement *j, const char *fact, int variant, Severity severity);

/* `mode` can be set on that side's CPU by that side's QEMU and host; limit COMPAT_RAW: any. */
bool side_takes_mode(const Side *side, CompatMode mode, CompatMode limit);

/* What a current Linux ends in at CAS on that side within its limit; COMPAT_RAW if in none. */
CompatMode side_negotiated_mode(const Side *side);

/* "6.1.0-31-powerpc64le" -> 6 << 16 | 1 << 8; 0 if it does not begin with two numbers. */
uint32_t kernel_release_version(const char *release);

/* "pseries" alone: the newest of whichever QEMU it is. */
bool machine_type_is_alias(const char *machine);

/* Version of a machine type: "pseries-7.2" -> QEMU_VERSION(7, 2, 0), 0 for others. */
uint32_t machine_type_version(const char *machine, uint32_t qemu_version);

/* The two ends of j->in. False: the guest is none of our business, no rule applies. */
bool judgement_init(Judgement *j);

/* The rules, in order; file in brackets. */
void judge_simulated(Judgement *j);    /* verdict-machine.c */
void judge_machine_type(Judgement *j); /* verdict-machine.c */
void judge_cpu(Judgement *j);          /* verdict-cpu.c: KVM, family, limit */
void judge_mode(Judgement *j);         /* verdict-cpu.c: running mode, raw guests */
void judge_devices(Judgement *j);      /* verdict-cpu.c: interrupt controllers */
void judge_versions(Judgement *j);     /* verdict-machine.c */
void judge_caps(Judgement *j);         /* verdict-caps.c */
void judge_mmu(Judgement *j);          /* verdict-machine.c: hash, radix, HPT */
void judge_time(Judgement *j);         /* verdict-time.c */
void judge_return(Judgement *j);       /* verdict-cpu.c: one-way moves */

/* Checks a plan against policy; apart from judge_time() so that a test can hand it a plan that
 * offset_plan() must never make. */
void judge_plan(Judgement *j, const OffsetPlan *plan, uint64_t timebase_hz);
