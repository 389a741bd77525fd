/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relation-json.h"

#include <string.h>

#include "error.h"

typedef enum FieldKind { FIELD_INT64, FIELD_UINT32, FIELD_BOOL, FIELD_STATE, FIELD_FAULT } FieldKind;

typedef struct Field {
    const char *name;
    FieldKind kind;
    gsize offset;
    gint64 min, max; /* of numbers */
} Field;

#define OF(type, member) offsetof(type, member)
#define ANY              G_MININT64, G_MAXINT64
#define U32              0, G_MAXUINT32

/* Timebases and uint64_t are kept as the signed number of the same bits. */
static const Field relation_fields[] = {
    { "timebase_hz", FIELD_INT64, OF(Relation, params.timebase_hz), 1, G_GINT64_CONSTANT(1000000000000) },
    { "drift_ppb", FIELD_UINT32, OF(Relation, params.drift_ppb), 0, 10000000 },
    { "tod_drift_ppb", FIELD_UINT32, OF(Relation, params.tod_drift_ppb), 0, 100000000 },
    { "tb_state", FIELD_STATE, OF(Relation, tb.state), 0, 0 },
    { "tb_lo", FIELD_INT64, OF(Relation, tb.bounds.lo), ANY },
    { "tb_hi", FIELD_INT64, OF(Relation, tb.bounds.hi), ANY },
    { "tb_at", FIELD_INT64, OF(Relation, tb.at), ANY },
    { "tb_exchanges", FIELD_UINT32, OF(Relation, tb.exchanges), U32 },
    { "tb_confirm", FIELD_UINT32, OF(Relation, tb.confirm), U32 },
    { "tod_state", FIELD_STATE, OF(Relation, tod.state), 0, 0 },
    { "tod_lo_ns", FIELD_INT64, OF(Relation, tod.bounds.lo), ANY },
    { "tod_hi_ns", FIELD_INT64, OF(Relation, tod.bounds.hi), ANY },
    { "tod_at", FIELD_INT64, OF(Relation, tod.at), ANY },
    { "tod_exchanges", FIELD_UINT32, OF(Relation, tod.exchanges), U32 },
    { "tod_confirm", FIELD_UINT32, OF(Relation, tod.confirm), U32 },
    { "fault", FIELD_FAULT, OF(Relation, fault), 0, 0 },
    { "older_set", FIELD_BOOL, OF(Relation, older.set), 0, 0 },
    { "older_at", FIELD_INT64, OF(Relation, older.at), ANY },
    { "older_lo", FIELD_INT64, OF(Relation, older.tb_ticks.lo), ANY },
    { "older_hi", FIELD_INT64, OF(Relation, older.tb_ticks.hi), ANY },
    { "newer_set", FIELD_BOOL, OF(Relation, newer.set), 0, 0 },
    { "newer_at", FIELD_INT64, OF(Relation, newer.at), ANY },
    { "newer_lo", FIELD_INT64, OF(Relation, newer.tb_ticks.lo), ANY },
    { "newer_hi", FIELD_INT64, OF(Relation, newer.tb_ticks.hi), ANY },
};

/* Only of a relation that was stored by an earlier process. */
static const Field stored_fields[] = {
    { "stored", FIELD_BOOL, OF(Relation, stored), 0, 0 },
    { "fresh_lo", FIELD_INT64, OF(Relation, fresh_ticks.lo), ANY },
    { "fresh_hi", FIELD_INT64, OF(Relation, fresh_ticks.hi), ANY },
};

static const Field exchange_fields[] = {
    { "l1", FIELD_INT64, OF(Exchange, l1), ANY },
    { "r2", FIELD_INT64, OF(Exchange, r2), ANY },
    { "r3", FIELD_INT64, OF(Exchange, r3), ANY },
    { "l4", FIELD_INT64, OF(Exchange, l4), ANY },
    { "has_tod", FIELD_BOOL, OF(Exchange, has_tod), 0, 0 },
    { "tod_l1_ns", FIELD_INT64, OF(Exchange, tod_l1), ANY },
    { "tod_r2_ns", FIELD_INT64, OF(Exchange, tod_r2), ANY },
    { "tod_r3_ns", FIELD_INT64, OF(Exchange, tod_r3), ANY },
    { "tod_l4_ns", FIELD_INT64, OF(Exchange, tod_l4), ANY },
};

/* ---- out ---- */

static void field_write(const Field *field, const void *from, JsonObject *object)
{
    const char *member = (const char *)from + field->offset;

    switch (field->kind) {
    case FIELD_INT64:
        json_object_set_int_member(object, field->name, *(const gint64 *)(const void *)member);
        break;
    case FIELD_UINT32:
        json_object_set_int_member(object, field->name, *(const guint32 *)(const void *)member);
        break;
    case FIELD_BOOL:
        json_object_set_boolean_member(object, field->name, *(const bool *)member);
        break;
    case FIELD_STATE:
        json_object_set_string_member(object, field->name,
                                      relation_state_name(*(const RelationState *)(const void *)member));
        break;
    case FIELD_FAULT:
        json_object_set_string_member(object, field->name,
                                      relation_fault_name(*(const RelationFault *)(const void *)member));
        break;
    }
}

static void fields_add(const Field *fields, gsize n, const void *from, JsonObject *object)
{
    for (gsize i = 0; i < n; i++)
        field_write(&fields[i], from, object);
}

static JsonObject *fields_write(const Field *fields, gsize n, const void *from)
{
    JsonObject *object = json_object_new();

    fields_add(fields, n, from, object);
    return object;
}

JsonObject *relation_to_json(const Relation *relation)
{
    JsonObject *object = fields_write(relation_fields, G_N_ELEMENTS(relation_fields), relation);

    if (relation->stored)
        fields_add(stored_fields, G_N_ELEMENTS(stored_fields), relation, object);
    json_object_set_object_member(
        object, "last", fields_write(exchange_fields, G_N_ELEMENTS(exchange_fields), &relation->last));
    return object;
}

JsonObject *relation_trace_to_json(const RelationTrace *trace)
{
    JsonObject *object = json_object_new();
    JsonArray *exchanges = json_array_new();

    for (guint i = 0; i < trace->n_exchanges; i++)
        json_array_add_object_element(
            exchanges, fields_write(exchange_fields, G_N_ELEMENTS(exchange_fields), &trace->exchanges[i]));
    json_object_set_object_member(object, "before", relation_to_json(&trace->before));
    json_object_set_array_member(object, "exchanges", exchanges);
    json_object_set_int_member(object, "at", (gint64)trace->at.raw);
    return object;
}

/* ---- in ---- */

static gboolean refuse(const char *name, const char *wanted, GError **error)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: %s", name, wanted);
    return FALSE;
}

static gboolean state_parse(const char *word, RelationState *ret)
{
    for (RelationState state = RELATION_NONE; state <= RELATION_INVALID; state++) {
        if (strcmp(word, relation_state_name(state)) == 0) {
            *ret = state;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean fault_parse(const char *word, RelationFault *ret)
{
    for (RelationFault fault = RELATION_FAULT_NONE; fault <= RELATION_FAULT_REMOTE_CLOCKS; fault++) {
        if (strcmp(word, relation_fault_name(fault)) == 0) {
            *ret = fault;
            return TRUE;
        }
    }
    return FALSE;
}

static JsonNode *typed_member(JsonObject *object, const char *name, GType type)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type ? node : NULL;
}

static gboolean number_read(const Field *field, JsonObject *object, void *member, GError **error)
{
    JsonNode *node = typed_member(object, field->name, G_TYPE_INT64);
    gint64 value;

    if (!node)
        return refuse(field->name, "an integer is wanted", error);
    value = json_node_get_int(node);
    if (value < field->min || value > field->max)
        return refuse(field->name, "it is out of its range", error);
    if (field->kind == FIELD_UINT32)
        *(guint32 *)member = (guint32)value;
    else
        *(gint64 *)member = value;
    return TRUE;
}

static gboolean field_read(const Field *field, JsonObject *object, void *to, GError **error)
{
    void *member = (char *)to + field->offset;
    JsonNode *node;

    switch (field->kind) {
    case FIELD_INT64:
    case FIELD_UINT32:
        return number_read(field, object, member, error);
    case FIELD_BOOL:
        node = typed_member(object, field->name, G_TYPE_BOOLEAN);
        if (!node)
            return refuse(field->name, "true or false is wanted", error);
        *(bool *)member = json_node_get_boolean(node);
        return TRUE;
    case FIELD_STATE:
        node = typed_member(object, field->name, G_TYPE_STRING);
        return (node && state_parse(json_node_get_string(node), member)) ||
               refuse(field->name, "the name of a state is wanted", error);
    case FIELD_FAULT:
        node = typed_member(object, field->name, G_TYPE_STRING);
        return (node && fault_parse(json_node_get_string(node), member)) ||
               refuse(field->name, "the name of a fault is wanted", error);
    }
    g_assert_not_reached();
}

static gboolean fields_read(const Field *fields, gsize n, JsonObject *object, void *to, GError **error)
{
    for (gsize i = 0; i < n; i++)
        if (!field_read(&fields[i], object, to, error))
            return FALSE;
    return TRUE;
}

static JsonObject *object_member(JsonObject *object, const char *name, GError **error)
{
    JsonNode *node = json_object_get_member(object, name);

    if (node && JSON_NODE_HOLDS_OBJECT(node))
        return json_node_get_object(node);
    refuse(name, "an object is wanted", error);
    return NULL;
}

static gboolean has_bounds(const RelationTrack *track)
{
    return track->state == RELATION_OK || track->state == RELATION_STEPPED;
}

/* relation.c counts ages from each of them to the newest exchange. */
static gboolean check_instants(const Relation *relation, GError **error)
{
    const struct {
        const char *name;
        gboolean set;
        TbTicks at;
    } instants[] = { { "tod_at", has_bounds(&relation->tod), relation->tod.at },
                     { "older_at", relation->older.set, relation->older.at },
                     { "newer_at", relation->newer.set, relation->newer.at } };

    if (!has_bounds(&relation->tb))
        return TRUE; /* the next exchange begins anew */
    if (relation->tb.at.raw != relation->last.l4.raw)
        return refuse("tb_at", "the end of the last exchange is wanted", error);
    for (gsize i = 0; i < G_N_ELEMENTS(instants); i++)
        if (instants[i].set && tb_minus(relation->tb.at, instants[i].at) < 0)
            return refuse(instants[i].name, "it is later than tb_at", error);
    return TRUE;
}

gboolean relation_read_json(JsonObject *object, Relation *ret, GError **error)
{
    JsonObject *last = object_member(object, "last", error);

    memset(ret, 0, sizeof *ret);
    return last && fields_read(relation_fields, G_N_ELEMENTS(relation_fields), object, ret, error) &&
           (!json_object_has_member(object, stored_fields[0].name) ||
            fields_read(stored_fields, G_N_ELEMENTS(stored_fields), object, ret, error)) &&
           fields_read(exchange_fields, G_N_ELEMENTS(exchange_fields), last, &ret->last, error) &&
           check_instants(ret, error);
}

static gboolean exchanges_read(JsonObject *object, RelationTrace *ret, GError **error)
{
    JsonNode *node = json_object_get_member(object, "exchanges");
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    if (!array || json_array_get_length(array) > RELATION_TRACE_MAX)
        return refuse("exchanges", "an array of at most " G_STRINGIFY(RELATION_TRACE_MAX) " exchanges is wanted", error);
    ret->n_exchanges = json_array_get_length(array);
    for (guint i = 0; i < ret->n_exchanges; i++) {
        JsonNode *element = json_array_get_element(array, i);

        if (!JSON_NODE_HOLDS_OBJECT(element))
            return refuse("exchanges", "an exchange is an object", error);
        if (!fields_read(exchange_fields, G_N_ELEMENTS(exchange_fields), json_node_get_object(element),
                         &ret->exchanges[i], error))
            return FALSE;
    }
    return TRUE;
}

gboolean relation_trace_read_json(JsonObject *object, RelationTrace *ret, GError **error)
{
    static const Field at = { "at", FIELD_INT64, OF(RelationTrace, at), ANY };
    JsonObject *before = object_member(object, "before", error);

    memset(ret, 0, sizeof *ret);
    ret->known = TRUE;
    return before && relation_read_json(before, &ret->before, error) && exchanges_read(object, ret, error) &&
           field_read(&at, object, ret, error);
}

/* ---- the trace ---- */

void relation_trace_start(RelationTrace *trace, const Relation *before)
{
    memset(trace, 0, sizeof *trace);
    trace->known = TRUE;
    trace->before = *before;
}

void relation_trace_add(RelationTrace *trace, const Exchange *exchange)
{
    if (trace->n_exchanges == RELATION_TRACE_MAX) {
        relation_add(&trace->before, &trace->exchanges[0]);
        memmove(&trace->exchanges[0], &trace->exchanges[1], (RELATION_TRACE_MAX - 1) * sizeof trace->exchanges[0]);
        trace->n_exchanges--;
    }
    trace->exchanges[trace->n_exchanges++] = *exchange;
}

RelationBounds relation_trace_bounds(const RelationTrace *trace)
{
    Relation relation = trace->before;

    for (guint i = 0; i < trace->n_exchanges; i++)
        relation_add(&relation, &trace->exchanges[i]);
    return relation_at(&relation, trace->at);
}

Interval plan_relation(Interval now_ticks, guint64 timebase_hz, guint32 drift_bound_ppb)
{
    gint64 valid_ticks = int64_from_wide((__int128)timebase_hz * PLAN_VALID_S);

    return interval_widen(now_ticks, mul_div_ceil(valid_ticks, drift_bound_ppb, NS_PER_S));
}

RelationBounds relation_trace_for_plan(const RelationTrace *trace, guint64 timebase_hz, guint32 drift_bound_ppb)
{
    RelationBounds bounds = relation_trace_bounds(trace);

    bounds.tb_ticks = plan_relation(interval_neg(bounds.tb_ticks), timebase_hz, drift_bound_ppb);
    bounds.tod_ns = interval_neg(bounds.tod_ns);
    return bounds;
}
