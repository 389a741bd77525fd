/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of a host and of a guest: plain structs, every field may be unknown.
 *
 * A field is valid only if its bit is set in `known` (macros below); unknown is a state of its own,
 * never 0. Strings are bounded arrays, always terminated. Field names equal those of the offline
 * formats and of the D-Bus dictionaries; common/facts-codec.c holds the one table that says so.
 */

#include <stdbool.h>
#include <stdint.h>

#define FACTS_NAME_MAX          256 /* bytes with the terminator: a DNS name or a domain name */
#define FACTS_WORD_MAX          64  /* bytes: kernel release */
#define FACTS_UUID_MAX          37
#define FACTS_MACHINE_MAX       24 /* bytes of a machine type name */
#define FACTS_MACHINE_TYPES_MAX 96
#define FACTS_MODEL_MAX         32

/* Compat modes in QEMU's own order, oldest first (QEMU target/ppc/compat.c, compat_table). As a
 * limit (max_cpu_compat) COMPAT_RAW means "unset"; as an effective mode it means raw. */
typedef enum CompatMode {
    COMPAT_RAW,
    COMPAT_POWER6,
    COMPAT_POWER7,
    COMPAT_POWER7PLUS,
    COMPAT_POWER8,
    COMPAT_POWER9,
    COMPAT_POWER10,
    COMPAT_POWER11,
    COMPAT_COUNT,
} CompatMode;

typedef enum KvmKind { KVM_NONE, KVM_PR, KVM_HV } KvmKind;
typedef enum GuestArch { ARCH_PPC64, ARCH_PPC64LE, ARCH_OTHER } GuestArch;
typedef enum GuestAccel { ACCEL_KVM, ACCEL_TCG } GuestAccel;
typedef enum CpuMode { CPU_HOST_MODEL, CPU_HOST_PASSTHROUGH, CPU_CUSTOM } CpuMode;
typedef enum IcMode { IC_DUAL, IC_XICS, IC_XIVE } IcMode;
typedef enum ResizeHpt { RESIZE_HPT_ENABLED, RESIZE_HPT_DISABLED, RESIZE_HPT_REQUIRED } ResizeHpt;

/* MMU modes; a host's `mmu` is a set of these, a guest's is exactly one. */
#define MMU_HASH  1u
#define MMU_RADIX 2u

/* spapr capabilities (QEMU hw/ppc/spapr_caps.c); values are QEMU's levels, hpt-max-page-size is log2 of
 * the size in bytes. */
typedef enum SpaprCap {
    CAP_HTM,
    CAP_VSX,
    CAP_DFP,
    CAP_CFPC,
    CAP_SBBC,
    CAP_IBS,
    CAP_HPT_MAX_PAGE_SIZE,
    CAP_NESTED_HV,
    CAP_LARGE_DECR,
    CAP_CCF_ASSIST,
    CAP_FWNMI,
    CAP_RPT_INVALIDATE,
    CAP_AIL_MODE_3,
    CAP_NESTED_PAPR,
    CAP_DAWR1,
    CAP_COUNT,
} SpaprCap;

#define CAP_UNKNOWN (-1)

/* QEMU version as one comparable number. */
#define QEMU_VERSION(major, minor, micro) \
    ((uint32_t)(major) << 16 | (uint32_t)(minor) << 8 | (uint32_t)(micro))

typedef struct HostFacts {
    uint64_t known;
    char name[FACTS_NAME_MAX];
    char machine_id[FACTS_UUID_MAX];
    char boot_id[FACTS_UUID_MAX]; /* of this boot: the timebase started with it. Hex digits without dashes */
    bool simulated;
    uint32_t pvr;
    CompatMode compat_level; /* the level the host itself runs at when an LPAR in a compat mode */
    bool nested;
    KvmKind kvm;
    char kernel[FACTS_WORD_MAX];
    uint32_t qemu_version; /* QEMU_VERSION() */
    uint16_t n_machine_types;
    char machine_types[FACTS_MACHINE_TYPES_MAX][FACTS_MACHINE_MAX];
    uint64_t timebase_hz;
    bool tb_offset; /* the kernel accepts KVM_REG_PPC_TB_OFFSET */
    unsigned mmu;   /* set of MMU_*: what a KVM guest may use */
    int8_t caps[CAP_COUNT]; /* highest level the host can give; CAP_UNKNOWN; HOST_CAPS not needed */
    uint8_t hpt_max_order;
    bool resize_hpt;
} HostFacts;

typedef enum HostField {
    HOST_NAME,
    HOST_MACHINE_ID,
    HOST_SIMULATED,
    HOST_PVR,
    HOST_COMPAT_LEVEL,
    HOST_NESTED,
    HOST_KVM,
    HOST_KERNEL,
    HOST_QEMU_VERSION,
    HOST_MACHINE_TYPES,
    HOST_TIMEBASE_HZ,
    HOST_TB_OFFSET,
    HOST_MMU,
    HOST_CAPS,
    HOST_HPT_MAX_ORDER,
    HOST_RESIZE_HPT,
    HOST_BOOT_ID,
} HostField;

typedef struct GuestFacts {
    uint64_t known;
    char uuid[FACTS_UUID_MAX]; /* lower case, with dashes */
    char name[FACTS_NAME_MAX];
    GuestArch arch;
    GuestAccel accel;
    char machine_type[FACTS_MACHINE_MAX]; /* "pseries-7.2" */
    CpuMode cpu_mode;
    char cpu_model[FACTS_MODEL_MAX];
    CompatMode max_cpu_compat; /* COMPAT_RAW: known to be unset */
    CompatMode effective_mode;
    uint32_t pvr; /* in the guest's vCPUs */
    IcMode ic_mode;
    unsigned mmu; /* MMU_HASH or MMU_RADIX: in use now */
    int8_t caps[CAP_COUNT]; /* set explicitly; CAP_UNKNOWN: not set */
    uint64_t memory_bytes;
    uint64_t max_memory_bytes;
    ResizeHpt resize_hpt;
    bool active; /* false: an offline migration */
    bool paused;             /* stopped before any migration began */
    bool tb_copy_stale;      /* QEMU's own copy of the offset: true: the guest was paused and resumed here since QEMU last read
                              * its registers; false: the copy is what the kernel has, since QEMU has read them */
    int64_t tb_offset_ticks; /* off1, counted from the offset of its first start: see offset.h */
    int64_t ahead_lo_ticks;  /* guest TB minus real time since its boot, bounds: what earlier */
    int64_t ahead_hi_ticks;  /* migrations added (+) or lost (-) */
} GuestFacts;

typedef enum GuestField {
    GUEST_UUID,
    GUEST_NAME,
    GUEST_ARCH,
    GUEST_ACCEL,
    GUEST_MACHINE_TYPE,
    GUEST_CPU_MODE,
    GUEST_CPU_MODEL,
    GUEST_MAX_CPU_COMPAT,
    GUEST_EFFECTIVE_MODE,
    GUEST_PVR,
    GUEST_IC_MODE,
    GUEST_MMU,
    GUEST_CAPS,
    GUEST_MEMORY_BYTES,
    GUEST_MAX_MEMORY_BYTES,
    GUEST_RESIZE_HPT,
    GUEST_ACTIVE,
    GUEST_TB_OFFSET_TICKS,
    GUEST_AHEAD_LO_TICKS,
    GUEST_AHEAD_HI_TICKS,
    GUEST_PAUSED,
    GUEST_TB_COPY_STALE,
} GuestField;

#define FACT_BIT(field)         (UINT64_C(1) << (field))
#define FACT_KNOWN(facts, field) (((facts)->known & FACT_BIT(field)) != 0)
#define FACT_SET(facts, field)   ((facts)->known |= FACT_BIT(field))

/* All unknown: `known` 0, caps CAP_UNKNOWN, strings empty. */
void host_facts_init(HostFacts *host);
void guest_facts_init(GuestFacts *guest);

/* Fields that `over` knows replace those of `base`; explicit caps are merged one by one. */
void guest_facts_overlay(GuestFacts *base, const GuestFacts *over);
