/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-codec.h"

#include <string.h>

#include "error.h"
#include "facts-table.h"
#include "json-text.h"

/* ---- from JSON ---- */

static gboolean refuse_value(GError **error, const FactField *field, const JsonValue *value)
{
    g_autofree char *shown = json_value_describe(value);

    return fact_refuse(error, field->name, shown, fact_type_name(field));
}

static gboolean read_strings(const FactField *field, const JsonValue *value, RawFact *raw, GError **error)
{
    raw->strings.n = 0;
    if (value->kind != JSON_ARRAY)
        return refuse_value(error, field, value);
    for (const JsonValue *item = value->first; item != NULL; item = item->next) {
        if (item->kind != JSON_STRING)
            return refuse_value(error, field, item);
        if (!raw_strings_add(raw, field, item->text, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean read_caps(const FactField *field, const JsonValue *value, RawFact *raw, GError **error)
{
    SpaprCap cap;

    raw_caps_init(raw);
    if (value->kind != JSON_OBJECT)
        return refuse_value(error, field, value);
    for (const JsonValue *level = value->first; level != NULL; level = level->next) {
        if (level->kind == JSON_INTEGER) {
            if (!raw_caps_add(raw, level->name, level->integer, error))
                return FALSE;
        } else if (spapr_cap_parse(level->name, &cap)) {
            g_autofree char *shown = json_value_describe(level);
            g_autofree char *member = g_strdup_printf("caps.%s", level->name);
            return fact_refuse(error, member, shown, "an integer within 64 bits");
        }
    }
    return TRUE;
}

static gboolean read_value(const FactField *field, const JsonValue *value, RawFact *raw, GError **error)
{
    raw->kind = fact_raw_kind(field);
    if (raw->kind == RAW_STRINGS)
        return read_strings(field, value, raw, error);
    if (raw->kind == RAW_CAPS)
        return read_caps(field, value, raw, error);
    if (raw->kind == RAW_BOOL && value->kind == JSON_BOOL) {
        raw->boolean = value->boolean;
        return TRUE;
    }
    if (raw->kind == RAW_INTEGER && value->kind == JSON_INTEGER) {
        raw->integer = value->integer;
        return TRUE;
    }
    if (value->kind != JSON_STRING || (raw->kind != RAW_STRING && field->type != FACT_PVR))
        return refuse_value(error, field, value);
    raw->kind = RAW_STRING;
    raw->string = value->text;
    return TRUE;
}

/* Members mostly come in the order of the table, so the search goes on where the last one ended. */
static const FactField *find_field(const FactField *fields, const FactField **cursor, const char *name)
{
    const FactField *start = *cursor, *field = start;

    do {
        if (field->name == NULL)
            field = fields;
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the table is not empty */
        if (strcmp(field->name, name) == 0) {
            *cursor = field + 1;
            return field;
        }
        field++;
    } while (field != start && !(field->name == NULL && start == fields));
    return NULL;
}

static gboolean facts_from_value(const FactField *fields, const JsonValue *object, void *facts, GError **error)
{
    const FactField *cursor = fields;

    if (object->kind != JSON_OBJECT) {
        g_autofree char *shown = json_value_describe(object);
        return fact_refuse(error, "facts", shown, "an object");
    }
    for (const JsonValue *member = object->first; member != NULL; member = member->next) {
        const FactField *field = find_field(fields, &cursor, member->name);
        RawFact raw;
        if (field != NULL && (!read_value(field, member, &raw, error) || !fact_store(field, facts, &raw, error)))
            return FALSE;
    }
    return TRUE;
}

gboolean host_facts_from_value(const JsonValue *object, HostFacts *ret, GError **error)
{
    HostFacts host;

    host_facts_init(&host);
    if (!facts_from_value(host_fields, object, &host, error))
        return FALSE;
    *ret = host;
    return TRUE;
}

gboolean guest_facts_from_value(const JsonValue *object, GuestFacts *ret, GError **error)
{
    GuestFacts guest;

    guest_facts_init(&guest);
    if (!facts_from_value(guest_fields, object, &guest, error))
        return FALSE;
    *ret = guest;
    return TRUE;
}

/* One reader for all: json-glib's objects go through their text. */
gboolean host_facts_from_json(JsonObject *object, HostFacts *ret, GError **error)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    const JsonValue *value = json_text_to_value(object, tree, error);

    return value != NULL && host_facts_from_value(value, ret, error);
}

gboolean guest_facts_from_json(JsonObject *object, GuestFacts *ret, GError **error)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    const JsonValue *value = json_text_to_value(object, tree, error);

    return value != NULL && guest_facts_from_value(value, ret, error);
}

/* ---- to JSON ---- */

static void build_caps(const RawFact *raw, JsonBuilder *builder)
{
    json_builder_begin_object(builder);
    for (int cap = 0; cap < CAP_COUNT; cap++) {
        if (raw->caps[cap] == CAP_UNKNOWN)
            continue;
        json_builder_set_member_name(builder, spapr_cap_name((SpaprCap)cap));
        json_builder_add_int_value(builder, raw->caps[cap]);
    }
    json_builder_end_object(builder);
}

static void build_strings(const RawFact *raw, JsonBuilder *builder)
{
    json_builder_begin_array(builder);
    for (guint i = 0; i < raw->strings.n; i++)
        json_builder_add_string_value(builder, raw->strings.items[i]);
    json_builder_end_array(builder);
}

static void build_integer(const FactField *field, gint64 value, JsonBuilder *builder)
{
    char hex[16];

    if (field->type == FACT_PVR) {
        g_snprintf(hex, sizeof hex, "0x%08x", (guint)value);
        json_builder_add_string_value(builder, hex);
    } else {
        json_builder_add_int_value(builder, value);
    }
}

static void build_value(const FactField *field, const RawFact *raw, JsonBuilder *builder)
{
    switch (raw->kind) {
    case RAW_STRING:
        json_builder_add_string_value(builder, raw->string);
        break;
    case RAW_BOOL:
        json_builder_add_boolean_value(builder, raw->boolean);
        break;
    case RAW_INTEGER:
        build_integer(field, raw->integer, builder);
        break;
    case RAW_STRINGS:
        build_strings(raw, builder);
        break;
    case RAW_CAPS:
        build_caps(raw, builder);
        break;
    }
}

static void facts_build_json(const FactField *fields, const void *facts, JsonBuilder *builder)
{
    for (const FactField *field = fields; field->name != NULL; field++) {
        RawFact raw;
        if (!fact_is_known(field, facts))
            continue;
        fact_load(field, facts, &raw);
        json_builder_set_member_name(builder, field->name);
        build_value(field, &raw, builder);
    }
}

void host_facts_build_json(const HostFacts *host, JsonBuilder *builder)
{
    facts_build_json(host_fields, host, builder);
}

void guest_facts_build_json(const GuestFacts *guest, JsonBuilder *builder)
{
    facts_build_json(guest_fields, guest, builder);
}

/* ---- from a command line ---- */

/* "TbOffset", "tb-offset" and "tb_offset" are the same key: configuration files and command lines have their own
 * customs. */
static gboolean key_equal(const char *typed, const char *name)
{
    while (*typed != '\0' || *name != '\0') {
        if (*typed == '-' || *typed == '_')
            typed++;
        else if (*name == '-' || *name == '_')
            name++;
        else if (g_ascii_tolower(*typed++) != *name++)
            return FALSE;
    }
    return TRUE;
}

static gboolean assign_cap(HostFacts *host, const char *name, const char *value, GError **error)
{
    for (int cap = 0; cap < CAP_COUNT; cap++) {
        int level;
        if (!key_equal(name, spapr_cap_name((SpaprCap)cap)))
            continue;
        if (!spapr_cap_level_parse((SpaprCap)cap, value, &level)) {
            g_autofree char *field = g_strdup_printf("caps.%s", spapr_cap_name((SpaprCap)cap));
            return fact_refuse(error, field, value, "one of its levels");
        }
        host->caps[cap] = (gint8)level;
        FACT_SET(host, HOST_CAPS);
        return TRUE;
    }
    return fact_refuse(error, "caps", name, "a capability");
}

static gboolean assign_strings(const FactField *field, HostFacts *host, const char *value, GError **error)
{
    g_auto(GStrv) items = g_strsplit(value, ",", RAW_STRINGS_MAX + 1);
    RawFact raw = { .kind = RAW_STRINGS };

    for (guint i = 0; items[i] != NULL; i++)
        if (!raw_strings_add(&raw, field, g_strstrip(items[i]), error))
            return FALSE;
    return fact_store(field, host, &raw, error);
}

static gboolean assign_integer(const FactField *field, HostFacts *host, const char *value, GError **error)
{
    gboolean is_hex = g_str_has_prefix(value, "0x");
    RawFact raw = { .kind = RAW_INTEGER };
    guint64 magnitude;

    if (is_hex ? !g_ascii_string_to_unsigned(value + 2, 16, 0, G_MAXINT64, &magnitude, NULL)
               : !g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT64, &magnitude, NULL))
        return fact_refuse(error, field->name, value, "an integer, decimal or 0x and hex digits");
    raw.integer = (gint64)magnitude;
    return fact_store(field, host, &raw, error);
}

static gboolean assign_bool(const FactField *field, HostFacts *host, const char *value, GError **error)
{
    RawFact raw = { .kind = RAW_BOOL };

    if (!fact_word_parse(words_bool, value, &raw.boolean))
        return fact_refuse(error, field->name, value, "yes or no");
    return fact_store(field, host, &raw, error);
}

static gboolean assign_field(const FactField *field, HostFacts *host, const char *value, GError **error)
{
    RawFact raw = { .kind = RAW_STRING, .string = value };

    switch (fact_raw_kind(field)) {
    case RAW_STRING:
        return fact_store(field, host, &raw, error);
    case RAW_BOOL:
        return assign_bool(field, host, value, error);
    case RAW_INTEGER:
        return assign_integer(field, host, value, error);
    case RAW_STRINGS:
        return assign_strings(field, host, value, error);
    case RAW_CAPS:
        return fact_refuse(error, field->name, value, "assigned as a whole: name one, as in caps.ibs=2");
    }
    g_assert_not_reached();
}

gboolean host_facts_assign(HostFacts *host, const char *assignment, GError **error)
{
    const char *equals = strchr(assignment, '=');

    if (equals == NULL)
        return fact_refuse(error, NULL, assignment, "of the form FIELD=VALUE");
    g_autofree char *key = g_strndup(assignment, (gsize)(equals - assignment));
    if (g_ascii_strncasecmp(key, "caps.", 5) == 0)
        return assign_cap(host, key + 5, equals + 1, error);
    for (const FactField *field = host_fields; field->name != NULL; field++)
        if (key_equal(key, field->name))
            return assign_field(field, host, equals + 1, error);
    return fact_refuse(error, NULL, key, "a host fact");
}
