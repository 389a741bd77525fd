/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One migration with all its facts, for the tests and the benchmark of judge(): world_init() makes
 * one that nothing is to be said against, world_init_tcg() one that knows what a case of the oracle
 * carries and no more; a test changes one thing.
 */

#include <glib.h>
#include <string.h>

#include "verdict.h"

#define V(major, minor) QEMU_VERSION(major, minor, 0)

#define PVR_POWER7  0x003f0203
#define PVR_POWER8  0x004d0200
#define PVR_POWER9  0x004e1202
#define PVR_POWER10 0x00801200
#define PVR_POWER11 0x00821200
#define PVR_970     0x00390202

typedef struct World {
    HostFacts source;
    HostFacts dest;
    GuestFacts guest;
    GuestFacts incoming;
    RelationBounds relation;
    Policy policy;
    JudgeInput in;
    Verdict verdict;
} World;

#define SET(facts, bit, member, value) ((facts)->member = (value), FACT_SET(facts, bit))
#define UNSET(facts, bit)              ((facts)->known &= ~FACT_BIT(bit))

/* value fits: the names of tests are short */
static inline void world_copy(char *to, const char *value, size_t size)
{
    memset(to, 0, size);
    memcpy(to, value, strlen(value));
}

static inline void set_pvr(HostFacts *host, uint32_t pvr)
{
    bool radix = compat_mode_fits_cpu(COMPAT_POWER9, pvr);

    SET(host, HOST_PVR, pvr, pvr);
    SET(host, HOST_MMU, mmu, radix ? MMU_HASH | MMU_RADIX : MMU_HASH);
    host->caps[CAP_LARGE_DECR] = radix;
}

static inline void set_kernel(HostFacts *host, const char *release)
{
    world_copy(host->kernel, release, sizeof host->kernel);
    FACT_SET(host, HOST_KERNEL);
}

static inline void host_init(HostFacts *host, uint32_t pvr)
{
    host_facts_init(host);
    memset(host->caps, 1, sizeof host->caps);
    host->caps[CAP_HTM] = 0;
    host->caps[CAP_HPT_MAX_PAGE_SIZE] = 24;
    FACT_SET(host, HOST_CAPS);
    set_pvr(host, pvr);
    set_kernel(host, "6.14.0");
    SET(host, HOST_SIMULATED, simulated, false);
    SET(host, HOST_KVM, kvm, KVM_HV);
    SET(host, HOST_QEMU_VERSION, qemu_version, V(8, 2));
    SET(host, HOST_TIMEBASE_HZ, timebase_hz, TB_FREQUENCY_POWER_HZ);
    SET(host, HOST_TB_OFFSET, tb_offset, true);
    SET(host, HOST_HPT_MAX_ORDER, hpt_max_order, 30);
    SET(host, HOST_RESIZE_HPT, resize_hpt, true);
}

static inline void set_machine(GuestFacts *guest, const char *machine)
{
    world_copy(guest->machine_type, machine, sizeof guest->machine_type);
    FACT_SET(guest, GUEST_MACHINE_TYPE);
}

static inline void set_model(GuestFacts *guest, const char *model)
{
    world_copy(guest->cpu_model, model, sizeof guest->cpu_model);
    FACT_SET(guest, GUEST_CPU_MODEL);
}

static inline void set_limit(World *w, CompatMode source, CompatMode dest)
{
    SET(&w->guest, GUEST_MAX_CPU_COMPAT, max_cpu_compat, source);
    SET(&w->incoming, GUEST_MAX_CPU_COMPAT, max_cpu_compat, dest);
}

static inline void set_mode(World *w, CompatMode mode)
{
    SET(&w->guest, GUEST_EFFECTIVE_MODE, effective_mode, mode);
    SET(&w->guest, GUEST_MMU, mmu, mode >= COMPAT_POWER9 ? MMU_RADIX : MMU_HASH);
}

static inline void set_cap(GuestFacts *guest, SpaprCap cap, int level)
{
    guest->caps[cap] = (int8_t)level;
    FACT_SET(guest, GUEST_CAPS);
}

static inline void guest_init(GuestFacts *guest)
{
    guest_facts_init(guest);
    SET(guest, GUEST_ARCH, arch, ARCH_PPC64LE);
    SET(guest, GUEST_ACCEL, accel, ACCEL_KVM);
    set_machine(guest, "pseries-7.2");
    SET(guest, GUEST_ACTIVE, active, true);
    SET(guest, GUEST_TB_OFFSET_TICKS, tb_offset_ticks, 0);
    SET(guest, GUEST_MEMORY_BYTES, memory_bytes, UINT64_C(4) << 30);
    SET(guest, GUEST_MAX_MEMORY_BYTES, max_memory_bytes, UINT64_C(4) << 30);
    SET(guest, GUEST_RESIZE_HPT, resize_hpt, RESIZE_HPT_DISABLED);
}

static inline void world_init(World *w, uint32_t source_pvr, uint32_t dest_pvr)
{
    host_init(&w->source, source_pvr);
    host_init(&w->dest, dest_pvr);
    guest_init(&w->guest);
    guest_facts_init(&w->incoming);
    set_limit(w, COMPAT_RAW, COMPAT_RAW);
    set_mode(w, cpu_own_mode(source_pvr));
    w->relation = (RelationBounds){ RELATION_OK, { -100, 100 }, { -1000, 1000 }, 512000000, 8 };
    w->policy = POLICY_DEFAULT;
    w->in = (JudgeInput){ JUDGE_MIGRATION, &w->source,   &w->guest, &w->incoming,
                          &w->dest,        &w->relation, &w->policy };
}

/* A guest under TCG on plain hosts: what a case of the oracle carries, and no more. */
static inline void world_init_tcg(World *w, const char *source_model, const char *dest_model)
{
    memset(w, 0, sizeof *w);
    host_facts_init(&w->source);
    host_facts_init(&w->dest);
    SET(&w->source, HOST_QEMU_VERSION, qemu_version, V(7, 2));
    SET(&w->dest, HOST_QEMU_VERSION, qemu_version, V(7, 2));
    guest_facts_init(&w->guest);
    guest_facts_init(&w->incoming);
    SET(&w->guest, GUEST_ARCH, arch, ARCH_PPC64);
    SET(&w->guest, GUEST_ACCEL, accel, ACCEL_TCG);
    set_machine(&w->guest, "pseries-7.2");
    set_model(&w->guest, source_model);
    set_model(&w->incoming, dest_model);
    set_limit(w, COMPAT_RAW, COMPAT_RAW);
    SET(&w->guest, GUEST_EFFECTIVE_MODE, effective_mode, COMPAT_RAW);
    w->policy = POLICY_DEFAULT;
    w->in = (JudgeInput){ .kind = JUDGE_MIGRATION,
                          .source = &w->source,
                          .guest = &w->guest,
                          .incoming = &w->incoming,
                          .destination = &w->dest,
                          .policy = &w->policy };
}

static inline const Finding *find_finding(const World *w, FindingCode code)
{
    for (int i = 0; i < w->verdict.n_findings; i++)
        if (w->verdict.findings[i].code == code)
            return &w->verdict.findings[i];
    return NULL;
}

/* The only finding; nothing else is said. */
static inline const Finding *assert_only(World *w, FindingCode code, Severity severity, int variant)
{
    judge(&w->in, &w->verdict);
    for (int i = 0; i < w->verdict.n_findings; i++)
        g_test_message("finding %d severity %d variant %d", w->verdict.findings[i].code,
                       w->verdict.findings[i].severity, w->verdict.findings[i].variant);
    g_assert_cmpint(w->verdict.n_findings, ==, 1);
    g_assert_cmpint(w->verdict.findings[0].code, ==, code);
    g_assert_cmpint(w->verdict.findings[0].severity, ==, severity);
    g_assert_cmpint(w->verdict.findings[0].variant, ==, variant);
    g_assert_cmpint(w->verdict.decision, ==,
                    severity == SEVERITY_BLOCK ? DECISION_BLOCK : DECISION_ALLOW);
    return &w->verdict.findings[0];
}

/* The finding is among others. */
static inline const Finding *assert_found(World *w, FindingCode code, Severity severity,
                                          int variant)
{
    const Finding *finding;

    judge(&w->in, &w->verdict);
    finding = find_finding(w, code);
    g_assert_nonnull(finding);
    g_assert_cmpint(finding->severity, ==, severity);
    g_assert_cmpint(finding->variant, ==, variant);
    if (severity == SEVERITY_BLOCK)
        g_assert_cmpint(w->verdict.decision, ==, DECISION_BLOCK);
    return finding;
}

static inline void assert_not_found(World *w, FindingCode code)
{
    judge(&w->in, &w->verdict);
    g_assert_null(find_finding(w, code));
}

static inline void assert_clean(World *w)
{
    judge(&w->in, &w->verdict);
    for (int i = 0; i < w->verdict.n_findings; i++)
        g_test_message("finding %d severity %d variant %d", w->verdict.findings[i].code,
                       w->verdict.findings[i].severity, w->verdict.findings[i].variant);
    g_assert_cmpint(w->verdict.n_findings, ==, 0);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);
}

static inline void assert_value(const FindingValue *value, FindingValueKind kind, int64_t number)
{
    g_assert_cmpint(value->kind, ==, kind);
    g_assert_cmpint(value->number, ==, number);
}
