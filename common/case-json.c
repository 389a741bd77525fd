/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "case-json.h"

#include <string.h>

#include "facts-codec.h"

gboolean judge_kind_parse(const char *name, JudgeKind *ret)
{
    for (JudgeKind kind = JUDGE_OFFLINE; kind <= JUDGE_RESTORE; kind++) {
        if (strcmp(name, judge_kind_name(kind)) == 0) {
            *ret = kind;
            return TRUE;
        }
    }
    return FALSE;
}

const char *judge_kind_name(JudgeKind kind)
{
    switch (kind) {
    case JUDGE_OFFLINE:
        return "offline";
    case JUDGE_MIGRATION:
        return "migration";
    case JUDGE_RESTORE:
        return "restore";
    }
    g_assert_not_reached();
}

static void add_int(JsonBuilder *builder, const char *name, gint64 value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, value);
}

static void add_word(JsonBuilder *builder, const char *name, const char *word)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, word);
}

void case_relation_build_json(const RelationBounds *relation, guint64 timebase_hz,
                              JsonBuilder *builder)
{
    json_builder_begin_object(builder);
    add_word(builder, "state", relation_state_name(relation->state));
    add_int(builder, "tb_lo", relation->tb_ticks.lo);
    add_int(builder, "tb_hi", relation->tb_ticks.hi);
    add_int(builder, "tod_lo_ns", relation->tod_ns.lo);
    add_int(builder, "tod_hi_ns", relation->tod_ns.hi);
    add_int(builder, "age_ns", ticks_to_ns_ceil(relation->age_ticks, timebase_hz));
    add_int(builder, "exchanges", relation->exchanges);
    if (relation->stored) {
        json_builder_set_member_name(builder, "stored");
        json_builder_add_boolean_value(builder, TRUE);
    }
    json_builder_end_object(builder);
}

static const char *unknown_mode_name(UnknownMode mode)
{
    switch (mode) {
    case UNKNOWN_MODE_NEGOTIATED:
        return "negotiated";
    case UNKNOWN_MODE_STRICT:
        return "strict";
    case UNKNOWN_MODE_MONITOR:
        return "monitor";
    }
    g_assert_not_reached();
}

static const char *block_or_allow(bool blocks)
{
    return blocks ? "block" : "allow";
}

static void build_policy(const Policy *policy, JsonBuilder *builder)
{
    json_builder_set_member_name(builder, "policy");
    json_builder_begin_object(builder);
    add_word(builder, "UnknownMode", unknown_mode_name(policy->unknown_mode));
    add_word(builder, "SourceUnknown", block_or_allow(policy->source_unknown_blocks));
    add_word(builder, "WhenUnavailable", block_or_allow(policy->unavailable_blocks));
    add_word(builder, "RelationUnknown", block_or_allow(policy->relation_unknown_blocks));
    add_word(builder, "UnknownFacts", block_or_allow(policy->unknown_facts_block));
    add_int(builder, "MaxForwardJumpMSec", policy->max_forward_jump_ns / 1000000);
    add_int(builder, "MaxRelationAgeSec", policy->max_relation_age_ns / NS_PER_S);
    add_int(builder, "MaxTodSkewMSec", policy->max_tod_skew_ns / 1000000);
    json_builder_end_object(builder);
}

static void build_guest(const char *name, const GuestFacts *guest, JsonBuilder *builder)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_object(builder);
    guest_facts_build_json(guest, builder);
    json_builder_end_object(builder);
}

static void build_host(const char *name, const HostFacts *host, JsonBuilder *builder)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_object(builder);
    host_facts_build_json(host, builder);
    json_builder_end_object(builder);
}

void case_build_json(const JudgeInput *in, guint64 timebase_hz, JsonBuilder *builder)
{
    add_word(builder, "kind", judge_kind_name(in->kind));
    if (in->source)
        build_host("source", in->source, builder);
    build_guest("guest", in->guest, builder);
    if (in->incoming)
        build_guest("incoming", in->incoming, builder);
    build_host("destination", in->destination, builder);
    if (in->relation) {
        json_builder_set_member_name(builder, "relation");
        case_relation_build_json(in->relation, timebase_hz, builder);
    }
    build_policy(in->policy, builder);
}
