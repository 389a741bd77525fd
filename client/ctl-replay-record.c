/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-replay-record.h"

#include <stdio.h>
#include <string.h>

#include "case-json.h"
#include "ctl-format.h"
#include "error.h"
#include "facts-codec.h"
#include "findings.h"
#include "json-text.h"
#include "relation-json.h"

/* What the record says was put to judge(). */
typedef struct Again {
    JsonObject *record, *object; /* the record and its case */
    HostFacts source, destination;
    GuestFacts guest, incoming;
    RelationTrace trace;
    RelationBounds relation;
    Policy policy;
    JudgeInput input;
} Again;

typedef struct Report {
    Ctl *ctl;
    JsonBuilder *builder; /* of --json */
    gboolean differs;
} Report;

/* ---- reading ---- */

static JsonObject *member_object(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static gboolean read_host(Again *again, const char *name, HostFacts *facts, const HostFacts **ret, GError **error)
{
    JsonObject *object = member_object(again->object, name);

    if (object && !host_facts_from_json(object, facts, error))
        return FALSE;
    *ret = object ? facts : NULL;
    return TRUE;
}

static gboolean read_guest(Again *again, const char *name, GuestFacts *facts, const GuestFacts **ret, GError **error)
{
    JsonObject *object = member_object(again->object, name);

    if (object && !guest_facts_from_json(object, facts, error))
        return FALSE;
    *ret = object ? facts : NULL;
    return TRUE;
}

static gboolean read_measurement(Again *again, JsonObject *object, GError **error)
{
    gint64 drift_ppb = json_object_get_int_member_with_default(object, "drift_bound_ppb", -1);

    if (!relation_trace_read_json(object, &again->trace, error)) {
        g_prefix_error(error, "measurement.");
        return FALSE;
    }
    if (drift_ppb < 0 || drift_ppb > 10000000) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "measurement.drift_bound_ppb: 0 to 10000000 is wanted");
        return FALSE;
    }
    again->relation = relation_trace_for_plan(&again->trace, again->destination.timebase_hz, (guint32)drift_ppb);
    again->input.relation = &again->relation;
    return TRUE;
}

static gboolean read_relation(Again *again, GError **error)
{
    JsonObject *measurement = member_object(again->record, "measurement");
    JsonObject *relation = member_object(again->object, "relation");

    if (measurement)
        return read_measurement(again, measurement, error);
    if (!relation)
        return TRUE;
    if (!relation_from_json(relation, again->destination.timebase_hz, &again->relation, error))
        return FALSE;
    again->input.relation = &again->relation;
    return TRUE;
}

static gboolean read_again(Again *again, GError **error)
{
    JsonObject *policy = member_object(again->object, "policy");
    const char *kind = json_object_get_string_member_with_default(again->object, "kind", "");

    again->policy = POLICY_DEFAULT;
    again->input.policy = &again->policy;
    if (!judge_kind_parse(kind, &again->input.kind)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "case.kind: \"%s\" is none", kind);
        return FALSE;
    }
    if (!read_host(again, "source", &again->source, &again->input.source, error) ||
        !read_guest(again, "guest", &again->guest, &again->input.guest, error) ||
        !read_guest(again, "incoming", &again->incoming, &again->input.incoming, error) ||
        !read_host(again, "destination", &again->destination, &again->input.destination, error) ||
        (policy && !policy_from_json(policy, &again->policy, error)))
        return FALSE;
    if (again->input.guest && again->input.destination && FACT_KNOWN(&again->destination, HOST_TIMEBASE_HZ) &&
        again->destination.timebase_hz > 0)
        return read_relation(again, error);
    g_set_error_literal(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                        "case: guest, destination and its timebase_hz are wanted");
    return FALSE;
}

/* ---- comparing ---- */

static char *text_or_null(JsonNode *node)
{
    return node ? json_to_string(node, FALSE) : g_strdup("null");
}

static void report(Report *self, const char *what, const char *recorded, const char *computed)
{
    gboolean same = strcmp(recorded, computed) == 0;

    self->differs |= !same;
    if (self->builder) {
        json_builder_set_member_name(self->builder, what);
        json_builder_add_string_value(self->builder, same ? "same" : "differs");
        return;
    }
    ctl_print(self->ctl, CTL_HEAD, what);
    printf(": ");
    ctl_print(self->ctl, same ? CTL_GOOD : CTL_BAD, same ? "same" : "differs");
    printf("\n");
    if (!same)
        printf("  recorded %s\n  computed %s\n", recorded, computed);
}

static void compare_nodes(Report *self, const char *what, JsonNode *recorded, JsonNode *computed)
{
    g_autofree char *recorded_text = text_or_null(recorded), *computed_text = text_or_null(computed);

    report(self, what, recorded_text, computed_text);
}

static void compare_relation(Report *self, const Again *again)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) computed = NULL;

    if (!again->trace.known)
        return;
    case_relation_build_json(&again->relation, again->destination.timebase_hz, builder);
    computed = json_builder_get_root(builder);
    compare_nodes(self, "relation", json_object_get_member(again->object, "relation"), computed);
}

static JsonNode *node_of(const Verdict *verdict)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    verdict_build_json(verdict, builder);
    json_builder_end_object(builder);
    return json_builder_get_root(builder);
}

static void compare_verdict(Report *self, const Again *again)
{
    JsonObject *record = again->record;
    gboolean renewed = json_object_has_member(record, "plan_decided");
    g_autoptr(JsonNode) node = NULL;
    JsonObject *computed;
    Verdict verdict;

    judge(&again->input, &verdict);
    node = node_of(&verdict);
    computed = json_node_get_object(node);
    compare_nodes(self, "decision", json_object_get_member(record, "decision"), json_object_get_member(computed, "decision"));
    compare_nodes(self, "findings", json_object_get_member(record, "findings"), json_object_get_member(computed, "findings"));
    compare_nodes(self, "plan", json_object_get_member(record, renewed ? "plan_decided" : "plan"),
                  json_object_get_member(computed, "plan"));
}

/* The plan that was made later, for a transfer that took long. */
static void compare_renewal(Report *self, const Again *again)
{
    JsonObject *renewal = member_object(again->record, "renewal");
    const GuestFacts *guest = &again->guest;
    OffsetQuery query = { .ahead_ticks = INTERVAL_UNBOUNDED, .source_offset_ticks = guest->tb_offset_ticks };
    g_autoptr(JsonNode) node = NULL;
    Verdict verdict = { .decision = DECISION_ALLOW };

    if (!renewal)
        return;
    query.relation_ticks = interval_of(json_object_get_int_member_with_default(renewal, "tb_lo", G_MININT64),
                                       json_object_get_int_member_with_default(renewal, "tb_hi", G_MAXINT64));
    if (FACT_KNOWN(guest, GUEST_AHEAD_LO_TICKS))
        query.ahead_ticks.lo = guest->ahead_lo_ticks;
    if (FACT_KNOWN(guest, GUEST_AHEAD_HI_TICKS))
        query.ahead_ticks.hi = guest->ahead_hi_ticks;
    verdict.plan = offset_plan(&query);
    node = node_of(&verdict);
    compare_nodes(self, "renewed plan", json_object_get_member(again->record, "plan"),
                  json_object_get_member(json_node_get_object(node), "plan"));
}

static void compare(Report *self, const Again *again)
{
    if (!again->input.source) {
        /* Decided by whom was asked and who answered, which no record can answer again. */
        if (!self->builder)
            printf("nothing to compute again: the source of the guest was not found\n");
        return;
    }
    compare_relation(self, again);
    compare_verdict(self, again);
    compare_renewal(self, again);
}

gboolean ctl_replay_is_record(const char *text, gsize length)
{
    g_autoptr(JsonTree) tree = json_tree_new();

    return json_value_member(json_tree_parse_object(tree, text, length, NULL), "case") != NULL;
}

int ctl_replay_record(Ctl *ctl, const char *text)
{
    g_autofree Again *again = g_new0(Again, 1);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(JsonBuilder) builder = ctl->json ? json_builder_new() : NULL;
    g_autoptr(GError) error = NULL;
    Report self = { .ctl = ctl, .builder = builder };

    again->record = json_text_parse_object(parser, text, strlen(text), &error);
    again->object = again->record ? member_object(again->record, "case") : NULL;
    if (again->record && !again->object)
        g_set_error_literal(&error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "case: an object is wanted");
    if (!again->object || !read_again(again, &error)) {
        ctl_fail(ctl, error);
        return CTL_EXIT_ERROR;
    }
    if (builder)
        json_builder_begin_object(builder);
    compare(&self, again);
    if (builder) {
        json_builder_end_object(builder);
        ctl_print_json(builder);
    }
    return self.differs ? CTL_EXIT_ERROR : CTL_EXIT_OK;
}
