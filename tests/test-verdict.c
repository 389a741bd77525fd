/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <glib.h>

#include "verdict-private.h"

#define V(major, minor) QEMU_VERSION(major, minor, 0)

#define PVR_POWER7  0x003f0203
#define PVR_POWER8  0x004d0200
#define PVR_POWER9  0x004e1202
#define PVR_POWER10 0x00801200
#define PVR_POWER11 0x00821200
#define PVR_970     0x00390202

/* One migration, all facts known, nothing to say against it; tests change one thing. */
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

static void set_pvr(HostFacts *host, uint32_t pvr)
{
    bool radix = compat_mode_fits_cpu(COMPAT_POWER9, pvr);

    SET(host, HOST_PVR, pvr, pvr);
    SET(host, HOST_MMU, mmu, radix ? MMU_HASH | MMU_RADIX : MMU_HASH);
    host->caps[CAP_LARGE_DECR] = radix;
}

static void set_kernel(HostFacts *host, const char *release)
{
    g_strlcpy(host->kernel, release, sizeof host->kernel);
    FACT_SET(host, HOST_KERNEL);
}

static void host_init(HostFacts *host, uint32_t pvr)
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

static void set_machine(GuestFacts *guest, const char *machine)
{
    g_strlcpy(guest->machine_type, machine, sizeof guest->machine_type);
    FACT_SET(guest, GUEST_MACHINE_TYPE);
}

static void set_model(GuestFacts *guest, const char *model)
{
    g_strlcpy(guest->cpu_model, model, sizeof guest->cpu_model);
    FACT_SET(guest, GUEST_CPU_MODEL);
}

static void set_limit(World *w, CompatMode source, CompatMode dest)
{
    SET(&w->guest, GUEST_MAX_CPU_COMPAT, max_cpu_compat, source);
    SET(&w->incoming, GUEST_MAX_CPU_COMPAT, max_cpu_compat, dest);
}

static void set_mode(World *w, CompatMode mode)
{
    SET(&w->guest, GUEST_EFFECTIVE_MODE, effective_mode, mode);
    SET(&w->guest, GUEST_MMU, mmu, mode >= COMPAT_POWER9 ? MMU_RADIX : MMU_HASH);
}

static void set_cap(GuestFacts *guest, SpaprCap cap, int level)
{
    guest->caps[cap] = (int8_t)level;
    FACT_SET(guest, GUEST_CAPS);
}

static void guest_init(GuestFacts *guest)
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

static void world_init(World *w, uint32_t source_pvr, uint32_t dest_pvr)
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
static void world_init_tcg(World *w, const char *source_model, const char *dest_model)
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

static const Finding *find(const World *w, FindingCode code)
{
    for (int i = 0; i < w->verdict.n_findings; i++)
        if (w->verdict.findings[i].code == code)
            return &w->verdict.findings[i];
    return NULL;
}

/* The only finding; nothing else is said. */
static const Finding *assert_only(World *w, FindingCode code, Severity severity, int variant)
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
static const Finding *assert_found(World *w, FindingCode code, Severity severity, int variant)
{
    const Finding *finding;

    judge(&w->in, &w->verdict);
    finding = find(w, code);
    g_assert_nonnull(finding);
    g_assert_cmpint(finding->severity, ==, severity);
    g_assert_cmpint(finding->variant, ==, variant);
    if (severity == SEVERITY_BLOCK)
        g_assert_cmpint(w->verdict.decision, ==, DECISION_BLOCK);
    return finding;
}

static void assert_not_found(World *w, FindingCode code)
{
    judge(&w->in, &w->verdict);
    g_assert_null(find(w, code));
}

static void assert_clean(World *w)
{
    judge(&w->in, &w->verdict);
    for (int i = 0; i < w->verdict.n_findings; i++)
        g_test_message("finding %d severity %d variant %d", w->verdict.findings[i].code,
                       w->verdict.findings[i].severity, w->verdict.findings[i].variant);
    g_assert_cmpint(w->verdict.n_findings, ==, 0);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);
}

static void assert_value(const FindingValue *value, FindingValueKind kind, int64_t number)
{
    g_assert_cmpint(value->kind, ==, kind);
    g_assert_cmpint(value->number, ==, number);
}

/* --- the list of findings --- */

static void test_list_is_sorted_and_bounded(void)
{
    Verdict verdict = { .decision = DECISION_ALLOW };

    for (int i = 0; i < VERDICT_FINDINGS_MAX; i++)
        verdict_add(&verdict,
                    &(Finding){ FINDING_MODE_ASSUMED, SEVERITY_NOTE, .variant = (int8_t)i });
    g_assert_cmpint(verdict.n_findings, ==, VERDICT_FINDINGS_MAX);
    g_assert_cmpint(verdict.decision, ==, DECISION_ALLOW);
    verdict_add(&verdict, &(Finding){ FINDING_TIME_STOOD_STILL, SEVERITY_NOTE });
    g_assert_cmpint(verdict.findings[VERDICT_FINDINGS_MAX - 1].code, ==, FINDING_MODE_ASSUMED);

    verdict_add(&verdict, &(Finding){ FINDING_TOD_SKEW, SEVERITY_WARN });
    verdict_add(&verdict, &(Finding){ FINDING_DEADLINE, SEVERITY_BLOCK });
    verdict_add(&verdict, &(Finding){ FINDING_SOURCE_UNKNOWN, SEVERITY_BLOCK });
    g_assert_cmpint(verdict.n_findings, ==, VERDICT_FINDINGS_MAX);
    g_assert_cmpint(verdict.decision, ==, DECISION_BLOCK);
    g_assert_cmpint(verdict.findings[0].code, ==, FINDING_DEADLINE);
    g_assert_cmpint(verdict.findings[1].code, ==, FINDING_SOURCE_UNKNOWN);
    g_assert_cmpint(verdict.findings[2].code, ==, FINDING_TOD_SKEW);
    for (int i = 3; i < VERDICT_FINDINGS_MAX; i++)
        g_assert_cmpint(verdict.findings[i].variant, ==, i - 3); /* oldest first, newest dropped */
}

static void test_every_code_is_ours_or_qemus(void)
{
    int stricter = 0;

    for (int code = 0; code <= FINDING_CODE_COUNT; code++)
        stricter += finding_is_stricter(&(Finding){ (FindingCode)code, SEVERITY_BLOCK });
    g_assert_cmpint(stricter, ==, FINDING_CODE_COUNT + 1 - 15);
    g_assert_false(finding_is_stricter(&(Finding){ FINDING_CAPABILITY_INVALID, .variant = 1 }));
    g_assert_true(finding_is_stricter(&(Finding){ FINDING_HPT_TOO_LARGE, .variant = 1 }));
    g_assert_true(finding_is_stricter(&(Finding){ FINDING_KERNEL_MODE_UNSUPPORTED, .variant = 1 }));
}

/* --- whose business --- */

static void test_same_hosts_are_clean_and_planned(void)
{
    static const uint32_t pvrs[] = { PVR_POWER7, PVR_POWER8, PVR_POWER9, PVR_POWER10, PVR_POWER11 };

    for (gsize i = 0; i < G_N_ELEMENTS(pvrs); i++) {
        g_autofree World *w = g_new0(World, 1);

        world_init(w, pvrs[i], pvrs[i]);
        w->source.qemu_version = w->dest.qemu_version = QEMU_VERSION(10, 2, 0);
        if (pvrs[i] == PVR_POWER7) {
            w->source.qemu_version = w->dest.qemu_version = V(8, 2);
            w->dest.caps[CAP_VSX] = w->dest.caps[CAP_DFP] = CAP_UNKNOWN; /* the CPU tells */
        }
        assert_clean(w);
        g_assert_true(w->verdict.plan.known);
        g_assert_cmpint(w->verdict.plan.offset_ticks, ==, TB_OFFSET_UNIT_TICKS);
    }
}

static void test_other_guests_are_none_of_our_business(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_970);
    w->guest.arch = ARCH_OTHER;
    assert_clean(w);
    w->guest.arch = ARCH_PPC64;
    set_machine(&w->guest, "powernv9");
    assert_clean(w);
    UNSET(&w->guest, GUEST_MACHINE_TYPE);
    judge(&w->in, &w->verdict);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_BLOCK);
}

/* --- modes --- */

static void test_newer_mode_is_refused_with_advice(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER8);
    finding = assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_CPU);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER9);
    assert_value(&finding->b, VALUE_PVR, PVR_POWER8);
    g_assert_cmpint(finding->advise_mode, ==, COMPAT_POWER8);
    assert_found(w, FINDING_INTERRUPT_CONTROLLER_MISSING, SEVERITY_BLOCK, IC_VARIANT_CPU);

    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    set_mode(w, COMPAT_POWER8);
    assert_clean(w);
}

static void test_raw_guest_needs_the_same_cpu(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER9);
    set_mode(w, COMPAT_RAW);
    finding = assert_only(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 0);
    assert_value(&finding->a, VALUE_PVR, PVR_POWER8);
    assert_value(&finding->b, VALUE_PVR, PVR_POWER9);

    set_limit(w, COMPAT_RAW, COMPAT_POWER8);
    finding = assert_only(w, FINDING_RAW_ADOPTS_MODE, SEVERITY_BLOCK, 0);
    assert_value(&finding->b, VALUE_MODE, COMPAT_POWER8);
}

/* --- TCG: QEMU's rules and nothing else --- */

static void test_tcg_needs_few_facts(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power9", "power9");
    assert_only(w, FINDING_DECREMENTER_NOT_MIGRATED, SEVERITY_NOTE, 0);
    set_model(&w->incoming, "power8");
    assert_found(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 0);
    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    set_mode(w, COMPAT_POWER8);
    assert_only(w, FINDING_DECREMENTER_NOT_MIGRATED, SEVERITY_NOTE, 0);
    assert_not_found(w, FINDING_FACT_UNKNOWN);
}

/* --- capabilities --- */

static void test_higher_level_in_the_stream_is_refused(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init_tcg(w, "power9", "power9");
    set_cap(&w->guest, CAP_CFPC, 2);
    set_cap(&w->incoming, CAP_CFPC, 1);
    finding = assert_found(w, FINDING_CAPABILITY_TOO_LOW, SEVERITY_BLOCK, CAPS_VARIANT_STREAM);
    assert_value(&finding->a, VALUE_CAP_LEVEL, 2);
    g_assert_cmpint(finding->a.cap, ==, CAP_CFPC);
    assert_value(&finding->b, VALUE_CAP_LEVEL, 1);
    set_cap(&w->incoming, CAP_CFPC, 2);
    assert_not_found(w, FINDING_CAPABILITY_TOO_LOW);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict/list-is-sorted-and-bounded", test_list_is_sorted_and_bounded);
    g_test_add_func("/verdict/every-code-is-ours-or-qemus", test_every_code_is_ours_or_qemus);
    g_test_add_func("/verdict/same-hosts-are-clean-and-planned",
                    test_same_hosts_are_clean_and_planned);
    g_test_add_func("/verdict/other-guests-are-none-of-our-business",
                    test_other_guests_are_none_of_our_business);
    g_test_add_func("/verdict/newer-mode-is-refused-with-advice",
                    test_newer_mode_is_refused_with_advice);
    g_test_add_func("/verdict/raw-guest-needs-the-same-cpu", test_raw_guest_needs_the_same_cpu);
    g_test_add_func("/verdict/tcg-needs-few-facts", test_tcg_needs_few_facts);
    g_test_add_func("/verdict/higher-level-in-the-stream-is-refused",
                    test_higher_level_in_the_stream_is_refused);
    return g_test_run();
}
