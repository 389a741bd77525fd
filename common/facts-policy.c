/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Relation and policy of facts-codec.h. */
#include <stddef.h>
#include <string.h>

#include "error.h"
#include "facts-codec.h"
#include "facts-table.h"
#include "json-text.h"

/* ---- relation ---- */

typedef enum Presence { PRESENT, ABSENT, WRONG } Presence;

static Presence read_integer(const JsonValue *object, const char *name, gint64 *ret, GError **error)
{
    const JsonValue *value = json_value_member(object, name);

    if (value == NULL)
        return ABSENT;
    if (value->kind != JSON_INTEGER) {
        g_autofree char *shown = json_value_describe(value);
        fact_refuse(error, name, shown, "an integer within 64 bits");
        return WRONG;
    }
    *ret = value->integer;
    return PRESENT;
}

/* Both ends or none: one alone proves nothing about the other side. */
static gboolean read_bounds(const JsonValue *object, const char *lo_name, const char *hi_name, Interval *ret, GError **error)
{
    Interval bounds = INTERVAL_UNBOUNDED;
    Presence lo = read_integer(object, lo_name, &bounds.lo, error);
    Presence hi = lo == WRONG ? WRONG : read_integer(object, hi_name, &bounds.hi, error);

    if (hi == WRONG)
        return FALSE;
    if (lo != hi) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s is missing beside %s",
                    lo == ABSENT ? lo_name : hi_name, lo == ABSENT ? hi_name : lo_name);
        return FALSE;
    }
    if (bounds.lo > bounds.hi) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "%s: %" G_GINT64_FORMAT " is above %s, %" G_GINT64_FORMAT, lo_name, bounds.lo, hi_name, bounds.hi);
        return FALSE;
    }
    *ret = bounds;
    return TRUE;
}

static Presence read_flag(const JsonValue *object, const char *name, bool *ret, GError **error)
{
    const JsonValue *value = json_value_member(object, name);

    if (value == NULL)
        return ABSENT;
    if (value->kind != JSON_BOOL) {
        g_autofree char *shown = json_value_describe(value);
        fact_refuse(error, name, shown, "true or false");
        return WRONG;
    }
    *ret = value->boolean;
    return PRESENT;
}

gboolean relation_from_value(const JsonValue *object, guint64 timebase_hz, RelationBounds *ret, GError **error)
{
    RelationBounds bounds = { .state = RELATION_NONE, .tod_state = RELATION_NONE };
    gint64 age_ns = 0;

    if (!read_bounds(object, "tb_lo", "tb_hi", &bounds.tb_ticks, error) ||
        !read_bounds(object, "tod_lo_ns", "tod_hi_ns", &bounds.tod_ns, error) ||
        read_integer(object, "age_ns", &age_ns, error) == WRONG ||
        read_flag(object, "stored", &bounds.stored, error) == WRONG)
        return FALSE;
    if (age_ns < 0) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "age_ns: %" G_GINT64_FORMAT " is negative", age_ns);
        return FALSE;
    }
    if (interval_is_bounded(bounds.tb_ticks)) {
        bounds.state = RELATION_OK;
        bounds.exchanges = 1;
    }
    if (interval_is_bounded(bounds.tod_ns))
        bounds.tod_state = RELATION_OK;
    bounds.age_ticks = ns_to_ticks_ceil(age_ns, timebase_hz > 0 ? timebase_hz : TB_FREQUENCY_POWER_HZ);
    *ret = bounds;
    return TRUE;
}

gboolean relation_from_json(JsonObject *object, guint64 timebase_hz, RelationBounds *ret, GError **error)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    const JsonValue *value = json_text_to_value(object, tree, error);

    return value != NULL && relation_from_value(value, timebase_hz, ret, error);
}

/* ---- policy ---- */

static const FactWord words_unknown_mode[] = {
    { "negotiated", UNKNOWN_MODE_NEGOTIATED },
    { "strict", UNKNOWN_MODE_STRICT },
    { "monitor", UNKNOWN_MODE_MONITOR },
    { NULL },
};
static const FactWord words_blocks[] = { { "block", TRUE }, { "allow", FALSE }, { NULL } };

#define NS_PER_MS      (NS_PER_S / 1000)
#define POLICY_MAX_MS  INT64_C(3600000)
#define POLICY_MAX_SEC INT64_C(86400)

typedef struct PolicyKey {
    const char *name;
    const FactWord *words; /* NULL: an integer from 0 to max, times unit_ns */
    gsize offset;
    gint64 max, unit_ns;
} PolicyKey;

#define BLOCKS(name, member)             { name, words_blocks, offsetof(Policy, member) }
#define SPAN(name, member, max, unit_ns) { name, NULL, offsetof(Policy, member), max, unit_ns }

static const PolicyKey policy_keys[] = {
    { "UnknownMode", words_unknown_mode, offsetof(Policy, unknown_mode) },
    BLOCKS("SourceUnknown", source_unknown_blocks),
    BLOCKS("WhenUnavailable", unavailable_blocks),
    BLOCKS("RelationUnknown", relation_unknown_blocks),
    BLOCKS("UnknownFacts", unknown_facts_block),
    SPAN("MaxForwardJumpMSec", max_forward_jump_ns, POLICY_MAX_MS, NS_PER_MS),
    SPAN("MaxRelationAgeSec", max_relation_age_ns, POLICY_MAX_SEC, NS_PER_S),
    SPAN("MaxTodSkewMSec", max_tod_skew_ns, POLICY_MAX_MS, NS_PER_MS),
};

static gboolean set_words(const PolicyKey *key, Policy *policy, const char *text, GError **error)
{
    void *at = (char *)policy + key->offset;
    int value;

    if (!fact_word_parse(key->words, text, &value)) {
        g_autofree char *wanted = fact_words_list(key->words);
        return fact_refuse(error, key->name, text, wanted);
    }
    if (key->words == words_blocks)
        *(bool *)at = value;
    else
        *(UnknownMode *)at = (UnknownMode)value;
    return TRUE;
}

static gboolean set_key(const PolicyKey *key, Policy *policy, const char *text, GError **error)
{
    gint64 value;

    if (key->words != NULL)
        return set_words(key, policy, text, error);
    if (!g_ascii_string_to_signed(text, 10, 0, key->max, &value, NULL)) {
        g_autofree char *wanted = g_strdup_printf("an integer from 0 to %" G_GINT64_FORMAT, key->max);
        return fact_refuse(error, key->name, text, wanted);
    }
    *(gint64 *)(void *)((char *)policy + key->offset) = value * key->unit_ns;
    return TRUE;
}

gboolean policy_set(Policy *policy, const char *key, const char *value, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(policy_keys); i++)
        if (strcmp(policy_keys[i].name, key) == 0)
            return set_key(&policy_keys[i], policy, value, error);
    return fact_refuse(error, "[Policy]", key, "a known key");
}

static gboolean set_from_value(const PolicyKey *key, Policy *policy, const JsonValue *value, GError **error)
{
    JsonKind wanted = key->words != NULL ? JSON_STRING : JSON_INTEGER;
    g_autofree char *shown = json_value_describe(value);

    if (value->kind != wanted)
        return fact_refuse(error, key->name, shown, wanted == JSON_STRING ? "a string" : "an integer");
    return set_key(key, policy, wanted == JSON_STRING ? value->text : shown, error);
}

gboolean policy_from_value(const JsonValue *object, Policy *policy, GError **error)
{
    Policy changed = *policy;

    for (guint i = 0; i < G_N_ELEMENTS(policy_keys); i++) {
        const JsonValue *value = json_value_member(object, policy_keys[i].name);
        if (value != NULL && !set_from_value(&policy_keys[i], &changed, value, error))
            return FALSE;
    }
    *policy = changed;
    return TRUE;
}

gboolean policy_from_json(JsonObject *object, Policy *policy, GError **error)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    const JsonValue *value = json_text_to_value(object, tree, error);

    return value != NULL && policy_from_value(value, policy, error);
}
