/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <glib.h>

#include "verdict-world.h"

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
    UNSET(&w->guest, GUEST_ARCH);
    assert_clean(w);
    UNSET(&w->guest, GUEST_MACHINE_TYPE);
    judge(&w->in, &w->verdict);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_BLOCK);
}

/* --- TCG, and hosts that are simulated --- */

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
}

static void test_tcg_decrementer_travels_from_8_2_on(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power8", "power8");
    w->source.qemu_version = V(8, 2);
    assert_only(w, FINDING_DECREMENTER_NOT_MIGRATED, SEVERITY_NOTE, 0);
    w->dest.qemu_version = V(8, 2);
    assert_clean(w);
}

static void test_tcg_model_must_exist_there(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init_tcg(w, "power9", "power9_v2.2"); /* from 8.1 on */
    finding = assert_found(w, FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK, FAMILY_VARIANT_MODEL);
    g_assert_cmpstr(finding->a.string, ==, "power9_v2.2");
    assert_value(&finding->b, VALUE_QEMU_VERSION, V(7, 2));

    UNSET(&w->incoming, GUEST_CPU_MODEL);
    UNSET(&w->guest, GUEST_CPU_MODEL);
    finding = assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 2);
    g_assert_cmpstr(finding->a.string, ==, "cpu_model");
    w->policy.unknown_facts_block = false;
    assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_WARN, 2);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);

    set_model(&w->incoming, "power3");
    UNSET(&w->dest, HOST_QEMU_VERSION);
    finding = assert_found(w, FINDING_CPU_FAMILY_UNSUPPORTED, SEVERITY_BLOCK, FAMILY_VARIANT_MODEL);
    assert_value(&finding->b, VALUE_NONE, 0);
}

static void test_without_a_definition_the_guest_is_taken_as_it_is(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->in.incoming = NULL;
    assert_clean(w);
    SET(&w->guest, GUEST_MAX_CPU_COMPAT, max_cpu_compat, COMPAT_POWER10);
    assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_LIMIT);
}

static void test_tcg_source_without_a_model_has_the_pvr_in_its_vcpus(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "", "power9");
    UNSET(&w->guest, GUEST_CPU_MODEL);
    SET(&w->guest, GUEST_PVR, pvr, 0x004e1200);
    assert_not_found(w, FINDING_RAW_PVR_MISMATCH);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);
    w->guest.pvr = PVR_POWER8;
    assert_found(w, FINDING_RAW_PVR_MISMATCH, SEVERITY_BLOCK, 0);
}

static void test_unknown_accelerator_is_judged_as_kvm(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    UNSET(&w->guest, GUEST_ACCEL);
    w->dest.kvm = KVM_NONE;
    assert_only(w, FINDING_KVM_MISSING, SEVERITY_BLOCK, 0);
}

static void test_simulated_hosts_keep_to_themselves(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->source.simulated = true;
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_BLOCK, 1);
    w->dest.simulated = true;
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_NOTE, 0);
    w->source.simulated = false;
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_BLOCK, 2);
}

static void test_simulated_hosts_lend_tcg_guests_their_cpu(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER8);
    w->guest.accel = ACCEL_TCG;
    set_model(&w->guest, "power9"); /* the same on both sides, and not asked */
    w->source.simulated = w->dest.simulated = true;
    w->dest.kvm = KVM_NONE;
    assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_CPU);
    set_pvr(&w->dest, PVR_POWER9);
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_NOTE, 0);
    g_assert_true(w->verdict.plan.known);
}

/* --- other kinds of judgement --- */

static void test_restore_is_judged_against_this_host_alone(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->in.kind = JUDGE_RESTORE;
    w->in.source = NULL;
    w->in.relation = NULL;
    assert_only(w, FINDING_TIME_STOOD_STILL, SEVERITY_NOTE, 0);
    set_limit(w, COMPAT_POWER10, COMPAT_POWER10);
    assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_LIMIT);
    set_limit(w, COMPAT_RAW, COMPAT_RAW);
    w->dest.tb_offset = false;
    assert_found(w, FINDING_TIMEBASE_OFFSET_UNSUPPORTED, SEVERITY_BLOCK, 0);
}

static void test_restored_guests_mode_is_assumed(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->in.kind = JUDGE_RESTORE;
    w->in.source = NULL;
    UNSET(&w->guest, GUEST_EFFECTIVE_MODE);
    finding = assert_found(w, FINDING_MODE_ASSUMED, SEVERITY_NOTE, 1);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER9);
    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    UNSET(&w->guest, GUEST_MMU);
    finding = assert_found(w, FINDING_MODE_ASSUMED, SEVERITY_NOTE, 0);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER8);
    g_assert_cmpint(w->verdict.decision, ==, DECISION_ALLOW);

    set_limit(w, COMPAT_RAW, COMPAT_RAW);
    UNSET(&w->dest, HOST_PVR);
    UNSET(&w->dest, HOST_QEMU_VERSION);
    assert_found(w, FINDING_MODE_UNKNOWN, SEVERITY_BLOCK, 2);
}

static void test_restored_guest_was_saved_on_the_cpu_it_asks_for(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER8);
    w->in.kind = JUDGE_RESTORE;
    w->in.source = NULL;
    UNSET(&w->guest, GUEST_EFFECTIVE_MODE);
    UNSET(&w->guest, GUEST_MMU);
    world_copy(w->guest.cpu_model, "POWER9", sizeof w->guest.cpu_model);
    FACT_SET(&w->guest, GUEST_CPU_MODEL);
    finding = assert_found(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, 0);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER9);
}

static void test_restored_tcg_guest_was_saved_by_a_qemu_like_ours(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power9", "power9");
    w->in.kind = JUDGE_RESTORE;
    w->in.source = NULL;
    assert_only(w, FINDING_TIME_STOOD_STILL, SEVERITY_NOTE, 0);
    SET(&w->dest, HOST_SIMULATED, simulated, true);
    assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_BLOCK, 0); /* pvr */
}

static void test_offline_migration_asks_whether_it_could_start(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER8);
    w->guest.active = false;
    w->in.relation = NULL;
    w->dest.timebase_hz = 1;
    assert_clean(w);
    g_assert_false(w->verdict.plan.known);
    set_limit(w, COMPAT_POWER9, COMPAT_POWER9);
    assert_only(w, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK, MODE_VARIANT_LIMIT);
}

static void test_planning_asks_for_no_relation(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->in.kind = JUDGE_OFFLINE;
    assert_clean(w);
    g_assert_true(w->verdict.plan.known);
    UNSET(&w->guest, GUEST_TB_OFFSET_TICKS);
    assert_clean(w);
    g_assert_false(w->verdict.plan.known);
    w->in.relation = NULL;
    assert_clean(w);
}

/* --- any facts at all --- */

static uint32_t one_of(const uint32_t *values, gsize n)
{
    return values[g_test_rand_int_range(0, (gint32)n)];
}

#define ONE_OF(...)                                                                                \
    one_of((const uint32_t[]){ __VA_ARGS__ },                                                      \
           sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* Most facts stay as they are, or hardly any world would be allowed. */
#define RARELY if (g_test_rand_int_range(0, 8) == 0)

static void randomise_caps(int8_t *caps, int lowest)
{
    for (int cap = 0; cap < CAP_COUNT; cap++)
        if (g_test_rand_int_range(0, 100) == 0)
            caps[cap] = (int8_t)g_test_rand_int_range(lowest, 5);
}

static void randomise_host(HostFacts *host)
{
    RARELY set_pvr(host, ONE_OF(PVR_970, PVR_POWER7, PVR_POWER8, 0x004e1201, 0x004e0100,
                                PVR_POWER10, PVR_POWER11, 0x00830000));
    RARELY host->qemu_version = ONE_OF(V(2, 0), V(2, 9), V(4, 2), V(7, 2), V(9, 2), V(10, 0),
                                       QEMU_VERSION(10, 0, 5), V(10, 2));
    RARELY host->kvm = ONE_OF(KVM_NONE, KVM_PR);
    RARELY host->tb_offset = false;
    RARELY host->timebase_hz = 33300000;
    RARELY host->mmu = ONE_OF(MMU_HASH, MMU_RADIX, MMU_HASH | MMU_RADIX);
    RARELY SET(host, HOST_COMPAT_LEVEL, compat_level, COMPAT_POWER9);
    RARELY SET(host, HOST_NESTED, nested, true);
    randomise_caps(host->caps, 0);
    RARELY host->known &= ~((uint64_t)g_test_rand_int() | FACT_BIT(HOST_MMU));
}

static void randomise_guest(GuestFacts *guest)
{
    static const char *const machines[] = { "pseries", "pseries-2.9", "pseries-4.0",
                                            "pseries-jammy" };

    RARELY SET(guest, GUEST_MAX_CPU_COMPAT, max_cpu_compat, g_test_rand_int_range(0, COMPAT_COUNT));
    RARELY SET(guest, GUEST_EFFECTIVE_MODE, effective_mode, g_test_rand_int_range(0, COMPAT_COUNT));
    RARELY SET(guest, GUEST_IC_MODE, ic_mode, ONE_OF(IC_DUAL, IC_XICS, IC_XIVE));
    RARELY set_machine(guest, machines[g_test_rand_int_range(0, G_N_ELEMENTS(machines))]);
    RARELY SET(guest, GUEST_PVR, pvr, ONE_OF(PVR_POWER8, PVR_POWER9));
    randomise_caps(guest->caps, -1);
    RARELY guest->known &= ~(uint64_t)g_test_rand_int() | FACT_BIT(GUEST_ARCH) |
                           FACT_BIT(GUEST_ACCEL) | FACT_BIT(GUEST_ACTIVE);
}

static void randomise(World *w)
{
    world_init(w, PVR_POWER9, PVR_POWER9);
    randomise_host(&w->source);
    randomise_host(&w->dest);
    randomise_guest(&w->guest);
    randomise_guest(&w->incoming);
    RARELY w->relation.state = (RelationState)ONE_OF(RELATION_NONE, RELATION_STEPPED);
    RARELY w->guest.accel = w->incoming.accel = ACCEL_TCG;
    RARELY w->policy.unknown_mode = (UnknownMode)ONE_OF(0, 1, 2);
}

static void assert_sound(const Verdict *verdict)
{
    bool blocks = false;

    for (int i = 0; i < verdict->n_findings; i++) {
        blocks |= verdict->findings[i].severity == SEVERITY_BLOCK;
        g_assert_true(i == 0 || verdict->findings[i - 1].severity >= verdict->findings[i].severity);
        g_assert_true(verdict->findings[i].code != FINDING_TIMEBASE_COULD_GO_BACK);
    }
    g_assert_cmpint(verdict->decision, ==, blocks ? DECISION_BLOCK : DECISION_ALLOW);
    g_assert_true(!verdict->plan.known || verdict->plan.jump_ticks.lo >= 0);
}

/* Not to know a fact that a verdict under KVM stands on makes nothing better. */
static void test_unknown_is_never_read_as_compatible(void)
{
    static const HostField vital[] = { HOST_PVR, HOST_KVM, HOST_TIMEBASE_HZ, HOST_TB_OFFSET };
    g_autofree World *w = g_new0(World, 1);
    int allowed = 0;

    for (int i = 0; i < 200000; i++) {
        HostField lost = vital[i % (int)G_N_ELEMENTS(vital)];

        randomise(w);
        judge(&w->in, &w->verdict);
        assert_sound(&w->verdict);
        allowed += w->verdict.decision == DECISION_ALLOW;
        if (w->guest.accel == ACCEL_TCG)
            continue;
        UNSET(&w->dest, lost);
        judge(&w->in, &w->verdict);
        assert_sound(&w->verdict);
        g_assert_cmpint(w->verdict.decision, ==, DECISION_BLOCK);
    }
    g_assert_cmpint(allowed, >, 1000); /* or the worlds are no worlds */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict/same-hosts-are-clean-and-planned",
                    test_same_hosts_are_clean_and_planned);
    g_test_add_func("/verdict/other-guests-are-none-of-our-business",
                    test_other_guests_are_none_of_our_business);
    g_test_add_func("/verdict/tcg-needs-few-facts", test_tcg_needs_few_facts);
    g_test_add_func("/verdict/tcg-decrementer-travels-from-8-2-on",
                    test_tcg_decrementer_travels_from_8_2_on);
    g_test_add_func("/verdict/tcg-model-must-exist-there", test_tcg_model_must_exist_there);
    g_test_add_func("/verdict/without-a-definition-the-guest-is-taken-as-it-is",
                    test_without_a_definition_the_guest_is_taken_as_it_is);
    g_test_add_func("/verdict/tcg-source-without-a-model-has-the-pvr-in-its-vcpus",
                    test_tcg_source_without_a_model_has_the_pvr_in_its_vcpus);
    g_test_add_func("/verdict/unknown-accelerator-is-judged-as-kvm",
                    test_unknown_accelerator_is_judged_as_kvm);
    g_test_add_func("/verdict/simulated-hosts-keep-to-themselves",
                    test_simulated_hosts_keep_to_themselves);
    g_test_add_func("/verdict/simulated-hosts-lend-tcg-guests-their-cpu",
                    test_simulated_hosts_lend_tcg_guests_their_cpu);
    g_test_add_func("/verdict/restore-is-judged-against-this-host-alone",
                    test_restore_is_judged_against_this_host_alone);
    g_test_add_func("/verdict/restored-guests-mode-is-assumed",
                    test_restored_guests_mode_is_assumed);
    g_test_add_func("/verdict/restored-guest-was-saved-on-the-cpu-it-asks-for",
                    test_restored_guest_was_saved_on_the_cpu_it_asks_for);
    g_test_add_func("/verdict/restored-tcg-guest-was-saved-by-a-qemu-like-ours",
                    test_restored_tcg_guest_was_saved_by_a_qemu_like_ours);
    g_test_add_func("/verdict/offline-migration-asks-whether-it-could-start",
                    test_offline_migration_asks_whether_it_could_start);
    g_test_add_func("/verdict/planning-asks-for-no-relation", test_planning_asks_for_no_relation);
    g_test_add_func("/verdict/unknown-is-never-read-as-compatible",
                    test_unknown_is_never_read_as_compatible);
    return g_test_run();
}
