/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvm-probe.h"

#include <glib.h>
#include <string.h>

#define BIT(n) (G_GUINT64_CONSTANT(1) << (n))

static HostFacts decode(const KvmAnswers *answers, guint32 pvr)
{
    HostFacts facts;

    host_facts_init(&facts);
    if (pvr != 0) {
        facts.pvr = pvr;
        FACT_SET(&facts, HOST_PVR);
    }
    kvm_probe_decode(answers, &facts);
    g_assert_true(FACT_KNOWN(&facts, HOST_KVM));
    g_assert_true(FACT_KNOWN(&facts, HOST_CAPS));
    return facts;
}

#define POWER8  0x004d0200
#define POWER9  0x004e1202
#define POWER10 0x00800200

static void test_paravirtual_information_means_pr(void)
{
    g_assert_cmpint(decode(&(KvmAnswers){ .pvinfo = TRUE }, POWER8).kvm, ==, KVM_PR);
    g_assert_cmpint(decode(&(KvmAnswers){ 0 }, POWER8).kvm, ==, KVM_HV);
}

/* The module without kvm_hv and kvm_pr: what it answers looks like PR. */
static void test_device_without_a_backend_means_none(void)
{
    const KvmAnswers answers = { .no_backend = TRUE, .pvinfo = TRUE, .has_tb_offset = TRUE };
    HostFacts facts;

    host_facts_init(&facts);
    kvm_probe_decode(&answers, &facts);
    g_assert_cmpint(facts.kvm, ==, KVM_NONE);
    g_assert_cmphex(facts.known, ==, FACT_BIT(HOST_KVM));
}

static void test_mmu_modes(void)
{
    static const struct {
        KvmAnswers answers;
        guint32 pvr;
        unsigned expected;
    } table[] = {
        { { 0 }, POWER8, MMU_HASH },
        { { .pvinfo = TRUE }, POWER8, MMU_HASH },
        { { .pvinfo = TRUE }, POWER9, MMU_HASH },
        { { .mmu_radix = TRUE, .mmu_hash_v3 = TRUE }, POWER9, MMU_HASH | MMU_RADIX },
        { { .mmu_radix = TRUE }, POWER9, MMU_RADIX }, /* before DD2.2, or nested */
        { { .mmu_hash_v3 = TRUE }, POWER10, MMU_HASH },
        { { .mmu_radix = TRUE, .mmu_hash_v3 = TRUE, .has_smmu = TRUE, .smmu_flags = 4 },
          POWER9,
          MMU_RADIX },
        { { .mmu_radix = TRUE, .mmu_hash_v3 = TRUE }, 0, MMU_HASH | MMU_RADIX },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        HostFacts facts = decode(&table[i].answers, table[i].pvr);

        g_assert_true(FACT_KNOWN(&facts, HOST_MMU));
        g_assert_cmphex(facts.mmu, ==, table[i].expected);
    }
}

static void test_unknown_cpu_without_a_word_has_an_unknown_mmu(void)
{
    HostFacts facts = decode(&(KvmAnswers){ 0 }, 0);

    g_assert_false(FACT_KNOWN(&facts, HOST_MMU));
}

static void test_speculation_levels(void)
{
    static const guint64 all = G_MAXUINT64;
    const struct {
        guint64 character, character_mask, behaviour, behaviour_mask;
        guint32 pvr;
        gint8 cfpc, sbbc, ibs, ccf;
    } table[] = {
        /* nothing known at all, nothing known to be on */
        { 0, 0, 0, 0, POWER9, 0, 0, 0, 0 },
        { 0, all, all, all, POWER9, 0, 0, 1, 0 },
        /* L1D flush: thread-private cache is asked for from POWER9 on */
        { BIT(61), all, all, all, POWER9, 0, 0, 1, 0 },
        { BIT(61), all, all, all, POWER8, 1, 0, 1, 0 },
        { BIT(60) | BIT(59), all, all, all, POWER9, 1, 0, 1, 0 },
        { BIT(60) | BIT(59), 0, all, all, POWER9, 0, 0, 1, 0 },
        { 0, all, ~BIT(62), all, POWER9, 2, 0, 1, 0 },
        /* bounds check */
        { BIT(63), all, all, all, POWER9, 0, 1, 1, 0 },
        { BIT(63), all, ~BIT(61), all, POWER9, 0, 2, 1, 0 },
        { BIT(63), all, ~BIT(61), ~BIT(61), POWER9, 0, 1, 1, 0 },
        /* indirect branches: flush, disabled, serialised, none needed */
        { BIT(54), all, all, all, POWER9, 0, 0, 1, 1 },
        { BIT(56), all, ~BIT(58), all, POWER9, 0, 0, 3, 1 },
        { BIT(62), all, ~BIT(58), all, POWER9, 0, 0, 2, 0 },
        { 0, all, ~BIT(58), all, POWER9, 0, 0, 4, 0 },
        { 0, ~BIT(56), ~BIT(58), all, POWER9, 0, 0, 0, 0 },
        { 0, all, BIT(58), 0, POWER9, 0, 0, 0, 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        KvmAnswers answers = { .has_cpu_char = TRUE,
                               .character = table[i].character,
                               .character_mask = table[i].character_mask,
                               .behaviour = table[i].behaviour,
                               .behaviour_mask = table[i].behaviour_mask };
        HostFacts facts = decode(&answers, table[i].pvr);

        g_test_message("row %zu", i);
        g_assert_cmpint(facts.caps[CAP_CFPC], ==, table[i].cfpc);
        g_assert_cmpint(facts.caps[CAP_SBBC], ==, table[i].sbbc);
        g_assert_cmpint(facts.caps[CAP_IBS], ==, table[i].ibs);
        g_assert_cmpint(facts.caps[CAP_CCF_ASSIST], ==, table[i].ccf);
    }
}

static void test_untold_speculation_is_broken(void)
{
    KvmAnswers answers = { .character = G_MAXUINT64, .character_mask = G_MAXUINT64 };
    HostFacts facts = decode(&answers, POWER9);

    g_assert_cmpint(facts.caps[CAP_CFPC], ==, 0);
    g_assert_cmpint(facts.caps[CAP_SBBC], ==, 0);
    g_assert_cmpint(facts.caps[CAP_IBS], ==, 0);
    g_assert_cmpint(facts.caps[CAP_CCF_ASSIST], ==, 0);
}

static void test_switches_follow_their_extension(void)
{
    KvmAnswers on = { .htm = TRUE,
                      .mmu_radix = TRUE,
                      .nested_hv = TRUE,
                      .fwnmi = TRUE,
                      .rpt_invalidate = TRUE,
                      .ail_mode_3 = TRUE,
                      .dawr1 = TRUE,
                      .resize_hpt = TRUE,
                      .hwcap = 0x480 };
    HostFacts facts = decode(&on, POWER10);
    static const SpaprCap caps[] = { CAP_HTM,        CAP_NESTED_HV, CAP_FWNMI, CAP_RPT_INVALIDATE,
                                     CAP_AIL_MODE_3, CAP_DAWR1,     CAP_VSX,   CAP_DFP };

    for (gsize i = 0; i < G_N_ELEMENTS(caps); i++)
        g_assert_cmpint(facts.caps[caps[i]], ==, 1);
    g_assert_true(facts.resize_hpt);
    g_assert_cmpint(facts.caps[CAP_NESTED_PAPR], ==, 0);
    g_assert_cmpint(facts.caps[CAP_LARGE_DECR], ==, CAP_UNKNOWN); /* host-probe's */
    facts = decode(&(KvmAnswers){ 0 }, POWER10);
    for (gsize i = 0; i < G_N_ELEMENTS(caps); i++)
        g_assert_cmpint(facts.caps[caps[i]], ==, 0);
    g_assert_true(FACT_KNOWN(&facts, HOST_RESIZE_HPT) && !facts.resize_hpt);
    on.mmu_radix = FALSE;
    g_assert_cmpint(decode(&on, POWER10).caps[CAP_RPT_INVALIDATE], ==, 0);
    g_assert_cmpint(decode(&on, POWER8).caps[CAP_NESTED_HV], ==, 0);
}

static void test_power8_has_htm_without_a_word(void)
{
    KvmAnswers answers = { .hwcap2 = 0x40000000 };

    g_assert_cmpint(decode(&answers, POWER8).caps[CAP_HTM], ==, 1);
    g_assert_cmpint(decode(&answers, POWER9).caps[CAP_HTM], ==, 0);
    answers.pvinfo = TRUE;
    g_assert_cmpint(decode(&answers, POWER8).caps[CAP_HTM], ==, 0);
}

static void test_page_size_is_the_hosts_where_kvm_ties_them(void)
{
    KvmAnswers answers = { .has_smmu = TRUE, .smmu_flags = 1, .page_shift = 16 };

    g_assert_cmpint(decode(&answers, POWER8).caps[CAP_HPT_MAX_PAGE_SIZE], ==, 16);
    answers.smmu_flags = 0;
    g_assert_cmpint(decode(&answers, POWER8).caps[CAP_HPT_MAX_PAGE_SIZE], ==, 34);
    answers.has_smmu = FALSE;
    g_assert_cmpint(decode(&answers, POWER8).caps[CAP_HPT_MAX_PAGE_SIZE], ==, CAP_UNKNOWN);
}

static void test_untried_offset_stays_unknown(void)
{
    HostFacts facts = decode(&(KvmAnswers){ 0 }, POWER9);

    g_assert_false(FACT_KNOWN(&facts, HOST_TB_OFFSET));
    facts = decode(&(KvmAnswers){ .has_tb_offset = TRUE }, POWER9);
    g_assert_true(FACT_KNOWN(&facts, HOST_TB_OFFSET) && !facts.tb_offset);
    facts = decode(&(KvmAnswers){ .has_tb_offset = TRUE, .tb_offset = TRUE }, POWER9);
    g_assert_true(facts.tb_offset);
}

static void test_missing_device_means_none(void)
{
    g_autofree char *note = NULL;
    HostFacts facts;

    host_facts_init(&facts);
    kvm_probe("/nonexistent/kvm", &facts, &note);
    g_assert_cmpuint(facts.known, ==, FACT_BIT(HOST_KVM));
    g_assert_cmpint(facts.kvm, ==, KVM_NONE);
    g_assert_true(g_str_has_prefix(note, "/nonexistent/kvm: "));
}

static void test_device_that_cannot_be_opened_leaves_it_unknown(void)
{
    g_autofree char *note = NULL;
    HostFacts facts;

    host_facts_init(&facts);
    kvm_probe("/", &facts, &note); /* a directory: cannot be opened for writing, by root neither */
    g_assert_cmpuint(facts.known, ==, 0);
    g_assert_nonnull(strstr(note, "unknown"));
}

/* A device that is there but is no KVM for POWER guests: /dev/null on POWER, anything on others. */
static void test_device_that_is_no_kvm_is_named(void)
{
    g_autofree char *note = NULL;
    HostFacts facts;

    host_facts_init(&facts);
    kvm_probe("/dev/null", &facts, &note);
    g_assert_nonnull(strstr(note, "/dev/null"));
#ifdef __powerpc__
    g_assert_nonnull(strstr(note, "KVM API version"));
    g_assert_cmpuint(facts.known, ==, 0);
#else
    g_assert_nonnull(strstr(note, "this is no POWER kernel"));
    g_assert_cmpuint(facts.known, ==, FACT_BIT(HOST_KVM));
    g_assert_cmpint(facts.kvm, ==, KVM_NONE);
#endif
}

static void test_this_machine_can_be_asked(void)
{
    g_autofree char *note = NULL;
    HostFacts facts;

    host_facts_init(&facts);
    kvm_probe("/dev/kvm", &facts, &note);
    /* either KVM says all it has, or there is a sentence why not */
    g_assert_true(note != NULL || (FACT_KNOWN(&facts, HOST_TB_OFFSET) && facts.kvm == KVM_HV));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm-probe/paravirtual-information-means-pr",
                    test_paravirtual_information_means_pr);
    g_test_add_func("/kvm-probe/device-without-a-backend-means-none",
                    test_device_without_a_backend_means_none);
    g_test_add_func("/kvm-probe/mmu-modes", test_mmu_modes);
    g_test_add_func("/kvm-probe/unknown-cpu-without-a-word-has-an-unknown-mmu",
                    test_unknown_cpu_without_a_word_has_an_unknown_mmu);
    g_test_add_func("/kvm-probe/speculation-levels", test_speculation_levels);
    g_test_add_func("/kvm-probe/untold-speculation-is-broken", test_untold_speculation_is_broken);
    g_test_add_func("/kvm-probe/switches-follow-their-extension",
                    test_switches_follow_their_extension);
    g_test_add_func("/kvm-probe/power8-has-htm-without-a-word", test_power8_has_htm_without_a_word);
    g_test_add_func("/kvm-probe/page-size-is-the-hosts-where-kvm-ties-them",
                    test_page_size_is_the_hosts_where_kvm_ties_them);
    g_test_add_func("/kvm-probe/untried-offset-stays-unknown", test_untried_offset_stays_unknown);
    g_test_add_func("/kvm-probe/missing-device-means-none", test_missing_device_means_none);
    g_test_add_func("/kvm-probe/device-that-cannot-be-opened-leaves-it-unknown",
                    test_device_that_cannot_be_opened_leaves_it_unknown);
    g_test_add_func("/kvm-probe/device-that-is-no-kvm-is-named",
                    test_device_that_is_no_kvm_is_named);
    g_test_add_func("/kvm-probe/this-machine-can-be-asked", test_this_machine_can_be_asked);
    return g_test_run();
}
