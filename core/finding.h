/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a verdict may say: finding codes, their variants, and the two values that clash.
 *
 * Plain values. Words for people are made from them in common/findings.c, none here.
 */

#include "facts.h"

/* A code never changes its meaning; names (dashes, lower case) in common/findings.c. A code that
 * needs several sentences has variants, listed here or in an enumeration below; the others have
 * variant 0 only. "a" is what the guest or the source has, "b" what the destination has or takes.
 *
 * [S]: stricter than QEMU, which would let the guest pass; see finding_is_stricter().
 * [C]: added by callers of judge() only. */
typedef enum FindingCode {
    /* a mode; variants: MODE_VARIANT_* */
    FINDING_COMPAT_MODE_UNSUPPORTED,
    /* a mode, b QEMU version that does not know it.
     * 0: the mode the guest runs in; 1: the limit in its definition */
    FINDING_COMPAT_MODE_UNKNOWN,
    /* a PVR in the guest, b PVR of the destination. 0: another CPU; 1: another revision (DD) */
    FINDING_RAW_PVR_MISMATCH,
    /* [S] b the limit that the guest would be switched to in mid-flight.
     * 0: a PVR of the raw guest (or none); 1: a mode of a guest with a machine type before 2.10,
     * whose mode is not sent */
    FINDING_RAW_ADOPTS_MODE,
    /* [S] a mode now, b limit at the destination: the guest's next boot changes its mode */
    FINDING_MODE_NEWER_THAN_LIMIT,
    /* [S] a mode assumed. 0: from the source's CPU and the limit; 1: of a saved guest without a
     * limit, as if it had been saved on the CPU of this host */
    FINDING_MODE_ASSUMED,
    /* [S] 0: policy strict; 1: policy monitor, and QEMU did not tell;
     * 2: policy negotiated, but the source's CPU is not known */
    FINDING_MODE_UNKNOWN,
    /* variants: FAMILY_VARIANT_* */
    FINDING_CPU_FAMILY_UNSUPPORTED,
    /* variants: IC_VARIANT_* */
    FINDING_INTERRUPT_CONTROLLER_MISSING,
    /* a source's, b destination's QEMU version; variants: REFUSES_VARIANT_* */
    FINDING_QEMU_VERSION_REFUSES,
    /* [S] a source's, b destination's QEMU version; variants: LOSES_VARIANT_* */
    FINDING_QEMU_VERSION_LOSES_STATE,
    /* a machine type (string). 0: not in the destination's list; 1: b QEMU version that does not
     * have it; 2: b another machine type, which the destination was told to start */
    FINDING_MACHINE_TYPE_MISSING,
    /* [S] a, b Hz */
    FINDING_TIMEBASE_FREQUENCY_DIFFERS,
    /* [S] 0: b kernel release (or none) that takes no offset; 1: b PVR of a CPU without TBU40 */
    FINDING_TIMEBASE_OFFSET_UNSUPPORTED,
    /* [S] 0: never measured; 1: a clock was stepped; 2: the peer's stamps are impossible;
     * 3: bounds too wide for a plan */
    FINDING_TIMEBASE_RELATION_UNKNOWN,
    /* [S] a age, b allowed age, ns */
    FINDING_TIMEBASE_RELATION_STALE,
    /* [S] a jump, b allowed jump, ns */
    FINDING_TIMEBASE_JUMP_TOO_LARGE,
    /* [S] a ticks, negative */
    FINDING_TIMEBASE_COULD_GO_BACK,
    /* [S] a least possible difference of the wall clocks (destination minus source), b allowed
     * one, ns */
    FINDING_TOD_SKEW,
    /* a capability level; variants: CAPS_VARIANT_* */
    FINDING_CAPABILITY_TOO_LOW,
    /* [S] a level the guest has now, b lower level it gets; QEMU does not see the difference */
    FINDING_CAPABILITY_DEFAULT_DIFFERS,
    /* a capability level. 0: [S] ibs=fixed-na, QEMU aborts when the guest asks for it; 1: b QEMU
     * version that does not know the capability; 2: no such level, b the highest one */
    FINDING_CAPABILITY_INVALID,
    /* 0: the guest uses hash, b PVR of a host that cannot; 1: a mode or limit that leaves
     * nothing but hash, b PVR; 2: the destination is itself a guest */
    FINDING_HASH_MMU_UNSUPPORTED,
    /* b PVR of a host without radix, which the guest uses */
    FINDING_RADIX_MMU_UNSUPPORTED,
    /* a order, b largest order the destination can allocate. 0: surely too large;
     * 1: [S] only if the guest cannot resize its table (warns) */
    FINDING_HPT_TOO_LARGE,
    /* 0: required, the destination cannot; 1: [S] on at the source, silently off at the
     * destination (note) */
    FINDING_RESIZE_HPT_UNSUPPORTED,
    /* [S] 0: TCG, a and b QEMU versions, one before 8.2; 1: KVM, b kernel release known to
     * start vCPUs with a far too large decrementer */
    FINDING_DECREMENTER_NOT_MIGRATED,
    /* KVM PR has neither compat modes nor a timebase offset */
    FINDING_KVM_PR_HOST,
    /* a mode, b kernel release. 0: upstream kernel older than the mode; 1: [S] a vendor's kernel
     * of an old number, which may know it all the same (warns) */
    FINDING_KERNEL_MODE_UNSUPPORTED,
    FINDING_SOURCE_UNKNOWN,           /* [C] */
    FINDING_SOURCE_AMBIGUOUS,         /* [C] */
    FINDING_PEER_UNREACHABLE,         /* [C] */
    FINDING_GUEST_CHANGED_ON_THE_WAY, /* [C] */
    /* [S] 0: both hosts (or the only one) are simulated: note; 1: the source alone; 2: the
     * destination alone */
    FINDING_SIMULATED_HOST,
    FINDING_DAEMON_UNAVAILABLE, /* [C] */
    FINDING_DEADLINE,           /* [C] */
    /* [S] a string: name of the fact in the formats ("pvr"). 0: of the destination; 1: of the
     * source; 2: of the guest */
    FINDING_FACT_UNKNOWN,
    /* [S] the guest may go, but could not come back; variants: RETURN_VARIANT_* */
    FINDING_CANNOT_RETURN,
    /* [S] a saved guest: its timebase does not count the time it was saved */
    FINDING_TIME_STOOD_STILL,
    /* the destination has no KVM for a KVM guest */
    FINDING_KVM_MISSING,
    /* [S] a how far the guest's timebase may go back, ns: QEMU keeps a copy of the offset that the kernel has rounded up.
     * 0: the guest is paused, and what it takes along was made from that copy; 1: it runs, but was paused and resumed:
     * the step may have happened already */
    FINDING_TIMEBASE_STALE_COPY,
    /* [S] the relation was stored by an earlier process of tbsyncd: note */
    FINDING_TIMEBASE_RELATION_STORED,
    FINDING_CODE_COUNT,
} FindingCode;

enum {
    MODE_VARIANT_CPU,     /* a mode the guest runs in, b PVR without that level */
    MODE_VARIANT_LIMIT,   /* a limit, b PVR without that level: QEMU would not start */
    MODE_VARIANT_NUMERIC, /* a power7+, b QEMU version from 9.2 on, which orders modes by number
                           * and refuses this one on CPUs after POWER7+ */
    MODE_VARIANT_HOST,    /* a mode, or level of a raw guest; b level that the destination (LPAR,
                           * nested) itself runs at */
    MODE_VARIANT_DD1,     /* a mode, b PVR: KVM gives no compat mode on POWER9 DD1 */
};

enum {
    FAMILY_VARIANT_PVR,     /* b PVR of no known family */
    FAMILY_VARIANT_MODEL,   /* a model name, b QEMU version without such a pseries CPU (or none) */
    FAMILY_VARIANT_PSERIES, /* b PVR of a family that no pseries machine takes */
    FAMILY_VARIANT_CUSTOM,  /* a model name of <cpu mode='custom'>, b PVR: KVM fakes no other CPU */
    FAMILY_VARIANT_DD1,     /* b PVR: POWER9 DD1, unknown to QEMU from 9.0 on */
};

enum {
    IC_VARIANT_CPU,   /* a ic-mode, b PVR without XIVE: the guest's XIVE devices have no match */
    IC_VARIANT_LIMIT, /* a ic-mode, b limit below power9, which leaves the XIVE devices out */
    IC_VARIANT_MODE,  /* a ic-mode of the source, b other ic-mode at the destination */
    IC_VARIANT_START, /* a "xive", b PVR or limit (mode): cannot start there */
};

enum {
    REFUSES_VARIANT_SLB,    /* from 9.2 on to 9.1 or older: cpu/slb version 2 */
    REFUSES_VARIANT_ICP,    /* icp/server sent to 9.2 ... 10.0.4 or 10.1.0, unknown there */
    REFUSES_VARIANT_COMPAT, /* a mode sent to a destination before 2.10 */
};

enum {
    LOSES_VARIANT_ICP,      /* 9.2 ... 10.0.4 and 10.1.0 send no XICS presenters: guest hangs */
    LOSES_VARIANT_ICP_IDLE, /* the same, but the guest most likely uses XIVE (warns) */
    LOSES_VARIANT_RTAS,     /* 10.0: which vCPUs were stopped is not sent: those hang (warns) */
    LOSES_VARIANT_MODE,     /* machine type before 2.10: the mode is not sent (warns) */
    LOSES_VARIANT_TIMEBASE, /* before 2.1: the timebase is not sent */
};

enum {
    CAPS_VARIANT_STREAM, /* a level in the stream, b lower level at the destination */
    CAPS_VARIANT_HOST,   /* a level asked for there, b highest one of the host: does not start */
    CAPS_VARIANT_TCG,    /* a level that TCG cannot give */
    CAPS_VARIANT_KVM,    /* a level that KVM cannot give */
    CAPS_VARIANT_CPU,    /* a level, b PVR or limit (mode) that cannot give it */
};

enum {
    RETURN_VARIANT_VERSION, /* a source's, b destination's QEMU version: no way back */
    RETURN_VARIANT_XIVE,    /* a PVR or limit of the source, b PVR: XIVE devices appear there */
    RETURN_VARIANT_RAW,     /* a PVR of the source, b PVR: refused raw on the way back */
    RETURN_VARIANT_REBOOT,  /* a PVR of the source, b mode the guest takes at its next boot */
    RETURN_VARIANT_OFFSET,  /* the source takes no timebase offset */
};

typedef enum Severity { SEVERITY_NOTE, SEVERITY_WARN, SEVERITY_BLOCK } Severity;

typedef enum FindingValueKind {
    VALUE_NONE,
    VALUE_STRING, /* points into the input facts or to a literal; lives as long as they do */
    VALUE_MODE,
    VALUE_PVR,
    VALUE_HZ,
    VALUE_TICKS,
    VALUE_NS,
    VALUE_INTEGER,
    VALUE_QEMU_VERSION,
    VALUE_CAP_LEVEL, /* cap and level */
} FindingValueKind;

typedef struct FindingValue {
    FindingValueKind kind;
    SpaprCap cap;
    union {
        const char *string;
        int64_t number; /* mode, PVR, Hz, ticks, ns, integer, version, level */
    };
} FindingValue;

typedef struct Finding {
    FindingCode code;
    Severity severity;
    FindingValue a;
    FindingValue b;
    CompatMode advise_mode; /* newest mode that the destination takes and the source can still run:
                             * the one to set in <cpu>; COMPAT_RAW: none fits */
    int8_t variant;
} Finding;

/* QEMU itself would let the guest pass in spite of this finding: it is advice, or a rule of ours.
 */
bool finding_is_stricter(const Finding *finding);
