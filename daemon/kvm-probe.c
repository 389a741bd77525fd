/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvm-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "ppc-cpu.h"

#ifdef __powerpc__
#include <linux/kvm.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#endif

/* H_GET_CPU_CHARACTERISTICS (PAPR), which KVM_PPC_GET_CPU_CHAR hands on. Spelled out here, since
 * linux/kvm.h has them on powerpc only and the decoding is tested everywhere. */
#define CHAR_SPEC_BAR_ORI31     (G_GUINT64_CONSTANT(1) << 63)
#define CHAR_BCCTRL_SERIALISED  (G_GUINT64_CONSTANT(1) << 62)
#define CHAR_L1D_FLUSH_ORI30    (G_GUINT64_CONSTANT(1) << 61)
#define CHAR_L1D_FLUSH_TRIG2    (G_GUINT64_CONSTANT(1) << 60)
#define CHAR_L1D_THREAD_PRIV    (G_GUINT64_CONSTANT(1) << 59)
#define CHAR_COUNT_CACHE_DIS    (G_GUINT64_CONSTANT(1) << 56)
#define CHAR_BCCTR_FLUSH_ASSIST (G_GUINT64_CONSTANT(1) << 54)
#define BEHAV_L1D_FLUSH_PR      (G_GUINT64_CONSTANT(1) << 62)
#define BEHAV_BNDS_CHK_SPEC_BAR (G_GUINT64_CONSTANT(1) << 61)
#define BEHAV_FLUSH_COUNT_CACHE (G_GUINT64_CONSTANT(1) << 58)

/* KVM_PPC_GET_SMMU_INFO, linux/kvm.h */
#define SMMU_PAGE_SIZES_REAL 1u
#define SMMU_NO_HASH         4u

/* AT_HWCAP and AT_HWCAP2, asm/cputable.h */
#define HWCAP_VSX  0x00000080u
#define HWCAP_DFP  0x00000400u
#define HWCAP2_HTM 0x40000000u

/* QEMU's levels of cap-cfpc, cap-sbbc, cap-ibs */
enum {
    LEVEL_BROKEN,
    LEVEL_WORKAROUND,
    LEVEL_FIXED,
    LEVEL_FIXED_IBS = 2,
    LEVEL_FIXED_CCD,
    LEVEL_FIXED_NA
};

/* 16 GiB: what QEMU takes where KVM does not tie guest pages to host pages */
#define PAGE_SHIFT_ANY 34

static gboolean is_known_on(guint64 value, guint64 mask, guint64 bits)
{
    return (value & mask & bits) != 0;
}

static gboolean is_known_off(guint64 value, guint64 mask, guint64 bit)
{
    return (~value & mask & bit) != 0;
}

static gboolean has_isa_3_00(CpuFamily family)
{
    return family == CPU_POWER9 || family == CPU_POWER10 || family == CPU_POWER11;
}

static gboolean is_power8(CpuFamily family)
{
    return family == CPU_POWER8 || family == CPU_POWER8E || family == CPU_POWER8NVL;
}

static gint8 decode_cfpc(const KvmAnswers *a, CpuFamily family)
{
    gboolean is_private =
        is_power8(family) || is_known_on(a->character, a->character_mask, CHAR_L1D_THREAD_PRIV);

    if (is_known_off(a->behaviour, a->behaviour_mask, BEHAV_L1D_FLUSH_PR))
        return LEVEL_FIXED;
    if (is_private &&
        is_known_on(a->character, a->character_mask, CHAR_L1D_FLUSH_ORI30 | CHAR_L1D_FLUSH_TRIG2))
        return LEVEL_WORKAROUND;
    return LEVEL_BROKEN;
}

static gint8 decode_sbbc(const KvmAnswers *a)
{
    if (is_known_off(a->behaviour, a->behaviour_mask, BEHAV_BNDS_CHK_SPEC_BAR))
        return LEVEL_FIXED;
    return is_known_on(a->character, a->character_mask, CHAR_SPEC_BAR_ORI31) ? LEVEL_WORKAROUND
                                                                             : LEVEL_BROKEN;
}

static gint8 decode_ibs(const KvmAnswers *a)
{
    if (is_known_off(a->behaviour, a->behaviour_mask, BEHAV_FLUSH_COUNT_CACHE) &&
        is_known_off(a->character, a->character_mask, CHAR_COUNT_CACHE_DIS) &&
        is_known_off(a->character, a->character_mask, CHAR_BCCTRL_SERIALISED))
        return LEVEL_FIXED_NA;
    if (is_known_on(a->behaviour, a->behaviour_mask, BEHAV_FLUSH_COUNT_CACHE))
        return LEVEL_WORKAROUND;
    if (is_known_on(a->character, a->character_mask, CHAR_COUNT_CACHE_DIS))
        return LEVEL_FIXED_CCD;
    return is_known_on(a->character, a->character_mask, CHAR_BCCTRL_SERIALISED) ? LEVEL_FIXED_IBS
                                                                                : LEVEL_BROKEN;
}

/* What KVM does not tell, QEMU takes for broken. */
static void decode_speculation(const KvmAnswers *answers, CpuFamily family, gint8 *caps)
{
    gboolean assist =
        is_known_on(answers->character, answers->character_mask, CHAR_BCCTR_FLUSH_ASSIST);
    gboolean told = answers->has_cpu_char;

    caps[CAP_CFPC] = told ? decode_cfpc(answers, family) : LEVEL_BROKEN;
    caps[CAP_SBBC] = told ? decode_sbbc(answers) : LEVEL_BROKEN;
    caps[CAP_IBS] = told ? decode_ibs(answers) : LEVEL_BROKEN;
    /* a disabled count cache needs no flush: QEMU lets ccf-assist pass there */
    caps[CAP_CCF_ASSIST] = told && (assist || caps[CAP_IBS] == LEVEL_FIXED_CCD);
}

static void decode_caps(const KvmAnswers *answers, CpuFamily family, HostFacts *facts)
{
    gboolean is_hv = facts->kvm == KVM_HV;
    gint8 *caps = facts->caps;

    decode_speculation(answers, family, caps);
    /* KVM HV has transactional memory on POWER8 also in kernels that do not say so */
    caps[CAP_HTM] = answers->htm || (is_hv && is_power8(family) && (answers->hwcap2 & HWCAP2_HTM));
    caps[CAP_VSX] = (answers->hwcap & HWCAP_VSX) != 0;
    caps[CAP_DFP] = (answers->hwcap & HWCAP_DFP) != 0;
    caps[CAP_NESTED_HV] = answers->nested_hv && has_isa_3_00(family);
    caps[CAP_FWNMI] = answers->fwnmi;
    caps[CAP_RPT_INVALIDATE] = answers->rpt_invalidate && answers->mmu_radix;
    caps[CAP_AIL_MODE_3] = answers->ail_mode_3;
    caps[CAP_DAWR1] = answers->dawr1;
    caps[CAP_NESTED_PAPR] = 0; /* QEMU refuses it under KVM */
    if (answers->has_smmu)
        caps[CAP_HPT_MAX_PAGE_SIZE] = answers->smmu_flags & SMMU_PAGE_SIZES_REAL
                                          ? (gint8)answers->page_shift
                                          : PAGE_SHIFT_ANY;
    FACT_SET(facts, HOST_CAPS);
}

/* Before POWER9 there is nothing but hash; from POWER9 on KVM HV says what it has, and PR has hash
 * only. */
static void decode_mmu(const KvmAnswers *answers, CpuFamily family, HostFacts *facts)
{
    gboolean has_hash = facts->kvm == KVM_PR || !has_isa_3_00(family) || answers->mmu_hash_v3;

    if (family == CPU_UNKNOWN && !answers->mmu_radix && !answers->mmu_hash_v3)
        return;
    if (family == CPU_UNKNOWN)
        has_hash = answers->mmu_hash_v3;
    if (answers->has_smmu && (answers->smmu_flags & SMMU_NO_HASH))
        has_hash = FALSE;
    facts->mmu = (answers->mmu_radix ? MMU_RADIX : 0) | (has_hash ? MMU_HASH : 0);
    FACT_SET(facts, HOST_MMU);
}

void kvm_probe_decode(const KvmAnswers *answers, HostFacts *facts)
{
    CpuFamily family = FACT_KNOWN(facts, HOST_PVR) ? cpu_family_of_pvr(facts->pvr) : CPU_UNKNOWN;

    if (answers->no_backend) {
        facts->kvm = KVM_NONE;
        FACT_SET(facts, HOST_KVM);
        return;
    }
    /* QEMU's own test: only KVM PR has paravirtual information (target/ppc/kvm.c, kvmppc_is_pr) */
    facts->kvm = answers->pvinfo ? KVM_PR : KVM_HV;
    FACT_SET(facts, HOST_KVM);
    decode_caps(answers, family, facts);
    decode_mmu(answers, family, facts);
    facts->resize_hpt = answers->resize_hpt;
    FACT_SET(facts, HOST_RESIZE_HPT);
    if (answers->has_tb_offset) {
        facts->tb_offset = answers->tb_offset;
        FACT_SET(facts, HOST_TB_OFFSET);
    }
}

#ifdef __powerpc__

static void ask_extensions(int fd, KvmAnswers *answers)
{
    const struct {
        int extension;
        gboolean *answer;
    } table[] = {
        { KVM_CAP_PPC_GET_PVINFO, &answers->pvinfo },
        { KVM_CAP_PPC_HTM, &answers->htm },
        { KVM_CAP_PPC_MMU_RADIX, &answers->mmu_radix },
        { KVM_CAP_PPC_MMU_HASH_V3, &answers->mmu_hash_v3 },
        { KVM_CAP_PPC_NESTED_HV, &answers->nested_hv },
        { KVM_CAP_PPC_FWNMI, &answers->fwnmi },
        { KVM_CAP_PPC_RPT_INVALIDATE, &answers->rpt_invalidate },
        { KVM_CAP_PPC_AIL_MODE_3, &answers->ail_mode_3 },
        { KVM_CAP_PPC_DAWR1, &answers->dawr1 },
        { KVM_CAP_SPAPR_RESIZE_HPT, &answers->resize_hpt },
        { KVM_CAP_PPC_GET_CPU_CHAR, &answers->has_cpu_char },
        { KVM_CAP_PPC_GET_SMMU_INFO, &answers->has_smmu },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        *table[i].answer = ioctl(fd, KVM_CHECK_EXTENSION, table[i].extension) > 0;
}

static void ask_vm(int vm, KvmAnswers *answers)
{
    struct kvm_ppc_cpu_char cpu_char = { 0 };
    struct kvm_ppc_smmu_info smmu = { 0 };

    answers->has_cpu_char =
        answers->has_cpu_char && ioctl(vm, KVM_PPC_GET_CPU_CHAR, &cpu_char) >= 0;
    answers->character = cpu_char.character;
    answers->character_mask = cpu_char.character_mask;
    answers->behaviour = cpu_char.behaviour;
    answers->behaviour_mask = cpu_char.behaviour_mask;
    answers->has_smmu = answers->has_smmu && ioctl(vm, KVM_PPC_GET_SMMU_INFO, &smmu) >= 0;
    answers->smmu_flags = smmu.flags;
}

/* Offset 0 changes nothing for the vCPU, which never runs. */
static char *ask_tb_offset(int vm, KvmAnswers *answers)
{
    guint64 offset_ticks = 0;
    struct kvm_one_reg reg = { .id = KVM_REG_PPC_TB_OFFSET, .addr = (guintptr)&offset_ticks };
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0), code;

    if (vcpu < 0)
        return g_strdup_printf("cannot make a virtual CPU to try timebase offsets: %s",
                               g_strerror(errno));
    answers->has_tb_offset = TRUE;
    answers->tb_offset = ioctl(vcpu, KVM_SET_ONE_REG, &reg) >= 0;
    if (answers->tb_offset) {
        offset_ticks = G_MAXUINT64;
        answers->tb_offset = ioctl(vcpu, KVM_GET_ONE_REG, &reg) >= 0 && offset_ticks == 0;
    }
    code = errno;
    close(vcpu);
    return answers->tb_offset
               ? NULL
               : g_strdup_printf("this KVM takes no timebase offset: %s", g_strerror(code));
}

static char *ask(int kvm, KvmAnswers *answers)
{
    int vm = ioctl(kvm, KVM_CREATE_VM, 0), code = errno;
    char *note;

    answers->page_shift = (guint)__builtin_ctzl((unsigned long)sysconf(_SC_PAGESIZE));
    answers->hwcap = getauxval(AT_HWCAP);
    answers->hwcap2 = getauxval(AT_HWCAP2);
    /* The kvm module registers the device by itself, and opening the device loads it; with nothing behind it there is
     * no type of VM to make (arch/powerpc/kvm/powerpc.c, kvm_arch_init_vm), and KVM_CAP_PPC_GET_PVINFO reads like PR. */
    answers->no_backend = vm < 0 && code == EINVAL;
    if (answers->no_backend)
        return g_strdup("the kvm module is loaded, but neither kvm_hv nor kvm_pr: no guest can run with KVM");
    /* a VM knows whether it is one of HV or PR, if the kernel has both */
    ask_extensions(vm >= 0 ? vm : kvm, answers);
    if (vm < 0) {
        answers->has_cpu_char = FALSE;
        answers->has_smmu = FALSE;
        return g_strdup_printf("cannot make a virtual machine to ask KVM: %s", g_strerror(code));
    }
    ask_vm(vm, answers);
    note = ask_tb_offset(vm, answers);
    close(vm);
    return note;
}

static char *probe_opened(int kvm, const char *device, HostFacts *facts)
{
    KvmAnswers answers = { 0 };
    int version = ioctl(kvm, KVM_GET_API_VERSION, 0);
    g_autofree char *note = NULL;

    if (version != KVM_API_VERSION)
        return g_strdup_printf("%s speaks KVM API version %d, not %d", device, version,
                               KVM_API_VERSION);
    note = ask(kvm, &answers);
    kvm_probe_decode(&answers, facts);
    if (facts->kvm == KVM_PR)
        return g_strdup("this is KVM PR, which cannot shift a guest's timebase");
    return g_steal_pointer(&note);
}

#else

static char *probe_opened(int kvm, const char *device, HostFacts *facts)
{
    facts->kvm = KVM_NONE;
    FACT_SET(facts, HOST_KVM);
    return g_strdup_printf("this is no POWER kernel: %s is of no use for ppc64 guests", device);
}

#endif

void kvm_probe(const char *device, HostFacts *facts, char **ret_note)
{
    int kvm = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int code = errno;

    if (kvm >= 0) {
        *ret_note = probe_opened(kvm, device, facts);
        close(kvm);
    } else if (code == ENOENT || code == ENODEV || code == ENXIO || code == ENOTDIR) {
        facts->kvm = KVM_NONE;
        FACT_SET(facts, HOST_KVM);
        *ret_note = g_strdup_printf("%s: %s: no KVM, or its module is not loaded", device,
                                    g_strerror(code));
    } else {
        *ret_note = g_strdup_printf("%s: %s: what KVM can do is unknown", device, g_strerror(code));
    }
}
