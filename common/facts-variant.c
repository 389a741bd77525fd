/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The D-Bus form of facts-codec.h. */
#include <string.h>

#include "error.h"
#include "facts-codec.h"
#include "facts-table.h"

/* ---- to a{sv} ---- */

static GVariant *caps_to_variant(const RawFact *raw)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{sx}"));
    for (int cap = 0; cap < CAP_COUNT; cap++)
        if (raw->caps[cap] != CAP_UNKNOWN)
            g_variant_builder_add(&builder, "{sx}", spapr_cap_name((SpaprCap)cap), (gint64)raw->caps[cap]);
    return g_variant_builder_end(&builder);
}

static GVariant *integer_to_variant(const FactField *field, gint64 value)
{
    if (field->type == FACT_PVR)
        return g_variant_new_uint32((guint32)value);
    if (field->type == FACT_SIGNED)
        return g_variant_new_int64(value);
    return g_variant_new_uint64((guint64)value);
}

static GVariant *raw_to_variant(const FactField *field, const RawFact *raw)
{
    switch (raw->kind) {
    case RAW_STRING:
        return g_variant_new_string(raw->string);
    case RAW_BOOL:
        return g_variant_new_boolean(raw->boolean);
    case RAW_INTEGER:
        return integer_to_variant(field, raw->integer);
    case RAW_STRINGS:
        return g_variant_new_strv(raw->strings.items, raw->strings.n);
    case RAW_CAPS:
        return caps_to_variant(raw);
    }
    g_assert_not_reached();
}

static GVariant *facts_to_variant(const FactField *fields, const void *facts)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (const FactField *field = fields; field->name != NULL; field++) {
        RawFact raw;
        if (!fact_is_known(field, facts))
            continue;
        fact_load(field, facts, &raw);
        g_variant_builder_add(&builder, "{sv}", field->name, raw_to_variant(field, &raw));
    }
    return g_variant_builder_end(&builder);
}

GVariant *host_facts_to_variant(const HostFacts *host)
{
    return facts_to_variant(host_fields, host);
}

GVariant *guest_facts_to_variant(const GuestFacts *guest)
{
    return facts_to_variant(guest_fields, guest);
}

/* ---- from a{sv} ---- */

static gboolean refuse_value(GError **error, const FactField *field, GVariant *value)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: a value of D-Bus type %s is not %s", field->name,
                g_variant_get_type_string(value), fact_type_name(field));
    return FALSE;
}

static gboolean refuse_range(GError **error, const FactField *field, guint64 number)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: %" G_GUINT64_FORMAT " is out of range", field->name,
                number);
    return FALSE;
}

/* Any integer type: a newer peer may have widened a field. */
static gboolean read_integer(const FactField *field, GVariant *value, gint64 *ret, GError **error)
{
    switch (g_variant_classify(value)) {
    case G_VARIANT_CLASS_INT32:
        *ret = g_variant_get_int32(value);
        return TRUE;
    case G_VARIANT_CLASS_UINT32:
        *ret = g_variant_get_uint32(value);
        return TRUE;
    case G_VARIANT_CLASS_INT64:
        *ret = g_variant_get_int64(value);
        return TRUE;
    case G_VARIANT_CLASS_UINT64:
        if (g_variant_get_uint64(value) > G_MAXINT64)
            return refuse_range(error, field, g_variant_get_uint64(value));
        *ret = (gint64)g_variant_get_uint64(value);
        return TRUE;
    default:
        return refuse_value(error, field, value);
    }
}

static gboolean read_strings(const FactField *field, GVariant *value, RawFact *raw, GError **error)
{
    GVariantIter iter;
    const char *item;

    raw->strings.n = 0;
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING_ARRAY))
        return refuse_value(error, field, value);
    g_variant_iter_init(&iter, value);
    while (g_variant_iter_next(&iter, "&s", &item))
        if (!raw_strings_add(raw, field, item, error))
            return FALSE;
    return TRUE;
}

static gboolean read_caps(const FactField *field, GVariant *value, RawFact *raw, GError **error)
{
    GVariantIter iter;
    const char *name;
    gint64 level;

    raw_caps_init(raw);
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE("a{sx}")))
        return refuse_value(error, field, value);
    g_variant_iter_init(&iter, value);
    while (g_variant_iter_next(&iter, "{&sx}", &name, &level))
        if (!raw_caps_add(raw, name, level, error))
            return FALSE;
    return TRUE;
}

static gboolean read_value(const FactField *field, GVariant *value, RawFact *raw, GError **error)
{
    raw->kind = fact_raw_kind(field);
    switch (raw->kind) {
    case RAW_STRINGS:
        return read_strings(field, value, raw, error);
    case RAW_CAPS:
        return read_caps(field, value, raw, error);
    case RAW_INTEGER:
        return read_integer(field, value, &raw->integer, error);
    case RAW_BOOL:
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
            return refuse_value(error, field, value);
        raw->boolean = g_variant_get_boolean(value);
        return TRUE;
    case RAW_STRING:
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
            return refuse_value(error, field, value);
        raw->string = g_variant_get_string(value, NULL);
        return TRUE;
    }
    g_assert_not_reached();
}

static gboolean facts_from_variant(const FactField *fields, GVariant *dict, void *facts, GError **error)
{
    if (!g_variant_is_of_type(dict, G_VARIANT_TYPE_VARDICT)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "facts: a value of D-Bus type %s is not a{sv}",
                    g_variant_get_type_string(dict));
        return FALSE;
    }
    for (const FactField *field = fields; field->name != NULL; field++) {
        g_autoptr(GVariant) value = g_variant_lookup_value(dict, field->name, NULL);
        RawFact raw;
        if (value == NULL)
            continue;
        if (!read_value(field, value, &raw, error) || !fact_store(field, facts, &raw, error))
            return FALSE;
    }
    return TRUE;
}

gboolean host_facts_from_variant(GVariant *dict, HostFacts *ret, GError **error)
{
    HostFacts host;

    host_facts_init(&host);
    if (!facts_from_variant(host_fields, dict, &host, error))
        return FALSE;
    *ret = host;
    return TRUE;
}

gboolean guest_facts_from_variant(GVariant *dict, GuestFacts *ret, GError **error)
{
    GuestFacts guest;

    guest_facts_init(&guest);
    if (!facts_from_variant(guest_fields, dict, &guest, error))
        return FALSE;
    *ret = guest;
    return TRUE;
}
