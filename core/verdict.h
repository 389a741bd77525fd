/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* judge(): may this guest go from that host to this one?
 *
 * A closed, pure function over facts, relation and policy. The verdict equals what QEMU itself
 * would do at the end of the migration, or is stricter with a named reason. Unknown is never read
 * as compatible: a finding says what is unknown, and policy decides whether that blocks. Words for
 * people are made in common/findings.c from the code and the two values of each finding; none are
 * made here.
 */

#include "facts.h"
#include "finding.h"
#include "offset.h"
#include "ppc-cpu.h"
#include "relation.h"

typedef enum Decision { DECISION_ALLOW, DECISION_BLOCK } Decision;

#define VERDICT_FINDINGS_MAX 32

typedef struct Verdict {
    Decision decision; /* DECISION_BLOCK iff a finding has SEVERITY_BLOCK */
    uint8_t n_findings;
    Finding findings[VERDICT_FINDINGS_MAX]; /* most severe first, then in the order of the rules */
    OffsetPlan plan;
} Verdict;

typedef enum UnknownMode {
    UNKNOWN_MODE_NEGOTIATED, /* assume the CPU's own logical level within the limit, say so in a
                                note */
    UNKNOWN_MODE_STRICT,     /* block */
    UNKNOWN_MODE_MONITOR,    /* the caller asks QEMU; still unknown here: block */
} UnknownMode;

/* The [Policy] section of tbsyncd.conf; key names in comments. */
typedef struct Policy {
    UnknownMode unknown_mode;     /* UnknownMode=negotiated|strict|monitor */
    bool source_unknown_blocks;   /* SourceUnknown=block|allow */
    bool unavailable_blocks;      /* WhenUnavailable=block|allow: read by the hook client */
    bool relation_unknown_blocks; /* RelationUnknown=block|allow */
    bool unknown_facts_block;     /* UnknownFacts=block|allow: a fact that a KVM verdict needs */
    int64_t max_forward_jump_ns;  /* MaxForwardJumpMSec= */
    int64_t max_relation_age_ns;  /* MaxRelationAgeSec= */
    int64_t max_tod_skew_ns;      /* MaxTodSkewMSec=: warns */
} Policy;

/* negotiated, block, block, block, block, 1 s, 300 s, 1 s */
#define POLICY_DEFAULT                                                                             \
    ((Policy){ .unknown_mode = UNKNOWN_MODE_NEGOTIATED,                                            \
               .source_unknown_blocks = true,                                                      \
               .unavailable_blocks = true,                                                         \
               .relation_unknown_blocks = true,                                                    \
               .unknown_facts_block = true,                                                        \
               .max_forward_jump_ns = NS_PER_S,                                                    \
               .max_relation_age_ns = 300 * NS_PER_S,                                              \
               .max_tod_skew_ns = NS_PER_S })

typedef enum JudgeKind {
    JUDGE_OFFLINE,   /* planning: a missing relation is not a finding */
    JUDGE_MIGRATION, /* a real migration: a running guest needs a relation */
    JUDGE_RESTORE,   /* a saved guest: destination alone, no source, no relation */
} JudgeKind;

typedef struct JudgeInput {
    JudgeKind kind;
    const HostFacts *source;    /* NULL: unknown source (JUDGE_RESTORE: always NULL) */
    const GuestFacts *guest;    /* as it is on the source; never NULL */
    const GuestFacts *incoming; /* what the destination was told to start; fields missing are those
                                 * of guest; NULL: same as guest */
    const HostFacts *destination;   /* never NULL */
    const RelationBounds *relation; /* destination minus source; NULL: none */
    const Policy *policy;           /* never NULL */
} JudgeInput;

/* Guests that are not ppc64 pseries guests are allowed without findings. */
void judge(const JudgeInput *in, Verdict *ret);

/* Appends a finding of the caller's own (source-unknown, deadline) and keeps order and decision
 * right. A full list drops the least severe one. */
void verdict_add(Verdict *verdict, const Finding *finding);
