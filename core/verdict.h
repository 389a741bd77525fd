/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* judge(): may this guest go from that host to this one?
 *
 * A closed, pure function over facts, relation and policy. The verdict equals what QEMU itself would do
 * at the end of the migration, or is stricter with a named reason. Unknown is never read as compatible: a
 * finding says what is unknown, and policy decides whether that blocks. Words for people are made in
 * common/findings.c from the code and the two values of each finding; none are made here.
 */

#include "facts.h"
#include "offset.h"
#include "ppc-cpu.h"
#include "relation.h"

/* Stable: a code never changes its meaning. Names (dashes, lower case) in findings.c. */
typedef enum FindingCode {
    FINDING_COMPAT_MODE_UNSUPPORTED,
    FINDING_COMPAT_MODE_UNKNOWN,
    FINDING_RAW_PVR_MISMATCH,
    FINDING_RAW_ADOPTS_MODE,
    FINDING_MODE_NEWER_THAN_LIMIT,
    FINDING_MODE_ASSUMED,
    FINDING_MODE_UNKNOWN,
    FINDING_CPU_FAMILY_UNSUPPORTED,
    FINDING_INTERRUPT_CONTROLLER_MISSING,
    FINDING_QEMU_VERSION_REFUSES,
    FINDING_QEMU_VERSION_LOSES_STATE,
    FINDING_MACHINE_TYPE_MISSING,
    FINDING_TIMEBASE_FREQUENCY_DIFFERS,
    FINDING_TIMEBASE_OFFSET_UNSUPPORTED,
    FINDING_TIMEBASE_RELATION_UNKNOWN,
    FINDING_TIMEBASE_RELATION_STALE,
    FINDING_TIMEBASE_JUMP_TOO_LARGE,
    FINDING_TIMEBASE_COULD_GO_BACK,
    FINDING_TOD_SKEW,
    FINDING_CAPABILITY_TOO_LOW,
    FINDING_CAPABILITY_DEFAULT_DIFFERS,
    FINDING_CAPABILITY_INVALID,
    FINDING_HASH_MMU_UNSUPPORTED,
    FINDING_RADIX_MMU_UNSUPPORTED,
    FINDING_HPT_TOO_LARGE,
    FINDING_RESIZE_HPT_UNSUPPORTED,
    FINDING_DECREMENTER_NOT_MIGRATED,
    FINDING_KVM_PR_HOST,
    FINDING_KERNEL_MODE_UNSUPPORTED,
    FINDING_SOURCE_UNKNOWN,
    FINDING_SOURCE_AMBIGUOUS,
    FINDING_PEER_UNREACHABLE,
    FINDING_GUEST_CHANGED_ON_THE_WAY,
    FINDING_SIMULATED_HOST,
    FINDING_DAEMON_UNAVAILABLE,
    FINDING_DEADLINE,
    FINDING_FACT_UNKNOWN,   /* a fact needed for the verdict is not known; value a names it */
    FINDING_CANNOT_RETURN,  /* the guest may go, but could not come back */
    FINDING_TIME_STOOD_STILL, /* a saved guest: its timebase does not count the time it was saved */
    FINDING_CODE_COUNT,
} FindingCode;

typedef enum Severity { SEVERITY_NOTE, SEVERITY_WARN, SEVERITY_BLOCK } Severity;
typedef enum Decision { DECISION_ALLOW, DECISION_BLOCK } Decision;

typedef enum FindingValueKind {
    VALUE_NONE,
    VALUE_STRING, /* string: points into the input facts or to a literal; lives as long as they do */
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
    FindingValue a; /* what the guest or the source has */
    FindingValue b; /* what the destination has or takes */
    CompatMode advise_mode; /* the mode to set in <cpu>, COMPAT_RAW: none fits */
    int8_t variant;         /* which sentence of this code; 0 unless findings.c documents more */
} Finding;

#define VERDICT_FINDINGS_MAX 32

typedef struct Verdict {
    Decision decision; /* DECISION_BLOCK iff a finding has SEVERITY_BLOCK */
    uint8_t n_findings;
    Finding findings[VERDICT_FINDINGS_MAX]; /* most severe first, then in the order of the rules */
    OffsetPlan plan;
} Verdict;

typedef enum UnknownMode {
    UNKNOWN_MODE_NEGOTIATED, /* assume the CPU's own logical level within the limit, say so in a note */
    UNKNOWN_MODE_STRICT,     /* block */
    UNKNOWN_MODE_MONITOR,    /* the caller asks QEMU; still unknown here: block */
} UnknownMode;

/* The [Policy] section of tbsyncd.conf; key names in comments. */
typedef struct Policy {
    UnknownMode unknown_mode;      /* UnknownMode=negotiated|strict|monitor */
    bool source_unknown_blocks;    /* SourceUnknown=block|allow */
    bool unavailable_blocks;       /* WhenUnavailable=block|allow: read by the hook client */
    bool relation_unknown_blocks;  /* RelationUnknown=block|allow */
    bool unknown_facts_block;      /* UnknownFacts=block|allow: a fact that a KVM verdict needs */
    int64_t max_forward_jump_ns;   /* MaxForwardJumpMSec= */
    int64_t max_relation_age_ns;   /* MaxRelationAgeSec= */
    int64_t max_tod_skew_ns;       /* MaxTodSkewMSec=: warns */
} Policy;

/* negotiated, block, block, block, block, 1 s, 300 s, 1 s */
#define POLICY_DEFAULT                                                             \
    ((Policy){ .unknown_mode = UNKNOWN_MODE_NEGOTIATED,                            \
               .source_unknown_blocks = true,                                      \
               .unavailable_blocks = true,                                         \
               .relation_unknown_blocks = true,                                    \
               .unknown_facts_block = true,                                        \
               .max_forward_jump_ns = NS_PER_S,                                    \
               .max_relation_age_ns = 300 * NS_PER_S,                              \
               .max_tod_skew_ns = NS_PER_S })

typedef enum JudgeKind {
    JUDGE_OFFLINE,   /* planning: a missing relation is not a finding */
    JUDGE_MIGRATION, /* a real migration: a running guest needs a relation */
    JUDGE_RESTORE,   /* a saved guest: destination alone, no source, no relation */
} JudgeKind;

typedef struct JudgeInput {
    JudgeKind kind;
    const HostFacts *source;       /* NULL: unknown source (JUDGE_RESTORE: always NULL) */
    const GuestFacts *guest;       /* as it is on the source; never NULL */
    const GuestFacts *incoming;    /* what the destination was told to start; fields missing are those of
                                    * guest; NULL: same as guest */
    const HostFacts *destination;  /* never NULL */
    const RelationBounds *relation; /* destination minus source; NULL: none */
    const Policy *policy;          /* never NULL */
} JudgeInput;

/* Guests that are not ppc64 pseries guests are allowed without findings. */
void judge(const JudgeInput *in, Verdict *ret);

/* Appends a finding of the caller's own (source-unknown, deadline) and keeps order and decision right. A full list
 * drops the least severe one. */
void verdict_add(Verdict *verdict, const Finding *finding);
