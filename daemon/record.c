/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include "case-json.h"
#include "findings.h"
#include "ledger.h"

JudgeInput migration_case_input(const MigrationCase *c)
{
    return (JudgeInput){
        .kind = c->kind,
        .source = c->has_source ? &c->source : NULL,
        .guest = &c->guest,
        .incoming = c->has_incoming ? &c->incoming : NULL,
        .destination = &c->destination,
        .relation = c->has_relation ? &c->relation : NULL,
        .policy = &c->policy,
    };
}

const char *record_state_name(RecordState state)
{
    switch (state) {
    case RECORD_REFUSED:
        return "refused";
    case RECORD_PLANNED:
        return "planned";
    case RECORD_ARRIVING:
        return "arriving";
    case RECORD_COMPLETED:
        return "completed";
    case RECORD_FAILED:
        return "failed";
    case RECORD_EXPIRED:
        return "expired";
    case RECORD_INTERRUPTED:
        return "interrupted";
    }
    g_assert_not_reached();
}

static void add_word(JsonBuilder *builder, const char *name, const char *word)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, word);
}

static void add_int(JsonBuilder *builder, const char *name, gint64 value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, value);
}

static void build_head(const RecordHead *head, const MigrationCase *c, JsonBuilder *builder)
{
    add_int(builder, "version", LEDGER_VERSION);
    add_word(builder, "id", head->id);
    add_word(builder, "state", record_state_name(head->state));
    add_word(builder, "uuid", c->guest.uuid);
    add_word(builder, "name", c->guest.name);
    if (c->has_source)
        add_word(builder, "source", c->source.name);
    add_word(builder, "destination", c->destination.name);
    add_int(builder, "asked_real_ns", head->asked_real_ns);
    add_int(builder, "decided_real_ns", head->decided_real_ns);
    add_int(builder, "plan_valid_until_real_ns", head->decided_real_ns + PLAN_VALID_S * NS_PER_S);
    add_int(builder, "timebase_hz", (gint64)head->timebase_hz);
    json_builder_set_member_name(builder, "simulated");
    json_builder_add_boolean_value(builder, c->destination.simulated);
}

static void build_measurement(const MigrationCase *c, JsonBuilder *builder)
{
    JsonNode *node;

    if (!c->has_relation || !c->trace.known)
        return;
    node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, relation_trace_to_json(&c->trace));
    json_object_set_int_member(json_node_get_object(node), "drift_bound_ppb", c->drift_bound_ppb);
    json_builder_set_member_name(builder, "measurement");
    json_builder_add_value(builder, node);
}

JsonObject *record_new(const RecordHead *head, const MigrationCase *c, const Verdict *verdict)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;
    JudgeInput in = migration_case_input(c);

    json_builder_begin_object(builder);
    build_head(head, c, builder);
    verdict_build_json(verdict, builder);
    json_builder_set_member_name(builder, "case");
    json_builder_begin_object(builder);
    case_build_json(&in, head->timebase_hz, builder);
    json_builder_end_object(builder);
    build_measurement(c, builder);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    return json_node_dup_object(root);
}

/* What a later plan was made of; all else of its query stands in the case. */
static void set_renewal(JsonObject *record, const OffsetQuery *query)
{
    JsonObject *renewal = json_object_new();

    if (!json_object_has_member(record, "renewal"))
        json_object_set_member(record, "plan_decided", json_node_copy(json_object_get_member(record, "plan")));
    json_object_set_int_member(renewal, "tb_lo", query->relation_ticks.lo);
    json_object_set_int_member(renewal, "tb_hi", query->relation_ticks.hi);
    json_object_set_object_member(record, "renewal", renewal);
}

void record_set_plan(JsonObject *record, const OffsetQuery *query, const OffsetPlan *plan, gint64 made_real_ns)
{
    g_autoptr(GVariant) dict = g_variant_ref_sink(offset_plan_to_variant(plan));
    JsonObject *object = json_object_new();
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
            json_object_set_boolean_member(object, key, g_variant_get_boolean(value));
        else
            json_object_set_int_member(object, key, g_variant_get_int64(value));
    }
    if (json_object_has_member(record, "plan"))
        set_renewal(record, query);
    json_object_set_object_member(record, "plan", object);
    json_object_set_int_member(record, "plan_valid_until_real_ns",
                               made_real_ns + PLAN_VALID_S * NS_PER_S);
}

void record_set_state(JsonObject *record, RecordState state)
{
    json_object_set_string_member(record, "state", record_state_name(state));
}
