/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sd-variant.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX 64u

/* ---- GVariant -> message ---- */

static int append_value(sd_bus_message *message, GVariant *value, guint depth);

/* The type string of what a container holds, as sd_bus_message_open_container() wants it: without the parentheses
 * or braces of structs and dictionary entries. (transfer full) */
static char *contents_type(GVariant *container)
{
    const char *type = g_variant_get_type_string(container);

    if (g_variant_is_of_type(container, G_VARIANT_TYPE_VARIANT)) {
        g_autoptr(GVariant) inner = g_variant_get_variant(container);
        return g_strdup(g_variant_get_type_string(inner));
    }
    if (type[0] == 'a')
        return g_strdup(type + 1);
    return g_strndup(type + 1, strlen(type) - 2);
}

static int append_container(sd_bus_message *message, GVariant *value, char kind, guint depth)
{
    g_autofree char *contents = contents_type(value);
    int r = sd_bus_message_open_container(message, kind, contents);

    for (gsize i = 0; r >= 0 && i < g_variant_n_children(value); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
        r = append_value(message, child, depth + 1);
    }
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_value(sd_bus_message *message, GVariant *value, guint depth)
{
    if (depth > DEPTH_MAX)
        return -E2BIG;
    GVariantClass class = g_variant_classify(value);
    switch (class) {
    case G_VARIANT_CLASS_BOOLEAN: {
        int wide = g_variant_get_boolean(value);
        return sd_bus_message_append_basic(message, 'b', &wide);
    }
    case G_VARIANT_CLASS_BYTE:
    case G_VARIANT_CLASS_INT16:
    case G_VARIANT_CLASS_UINT16:
    case G_VARIANT_CLASS_INT32:
    case G_VARIANT_CLASS_UINT32:
    case G_VARIANT_CLASS_INT64:
    case G_VARIANT_CLASS_UINT64:
    case G_VARIANT_CLASS_DOUBLE:
        /* the class is the type's letter, and both sides keep fixed-size values in native order */
        return sd_bus_message_append_basic(message, (char)class, g_variant_get_data(value));
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
    case G_VARIANT_CLASS_SIGNATURE:
        return sd_bus_message_append_basic(message, (char)class, g_variant_get_string(value, NULL));
    case G_VARIANT_CLASS_VARIANT:
    case G_VARIANT_CLASS_ARRAY:
        return append_container(message, value, (char)class, depth);
    case G_VARIANT_CLASS_TUPLE:
        return append_container(message, value, SD_BUS_TYPE_STRUCT, depth);
    case G_VARIANT_CLASS_DICT_ENTRY:
        return append_container(message, value, SD_BUS_TYPE_DICT_ENTRY, depth);
    case G_VARIANT_CLASS_HANDLE:
    case G_VARIANT_CLASS_MAYBE:
        return -EINVAL;
    }
    return -EINVAL;
}

int sd_variant_append(sd_bus_message *message, GVariant *value)
{
    g_autoptr(GVariant) held = g_variant_ref_sink(value);

    return append_value(message, held, 0);
}

/* ---- message -> GVariant ---- */

static int read_value(sd_bus_message *message, const char *type, guint depth, GVariant **ret);

static int read_string(sd_bus_message *message, char kind, GVariant **ret)
{
    const char *text;
    int r = sd_bus_message_read_basic(message, kind, &text);

    if (r <= 0)
        return r;
    /* sd-bus has checked UTF-8, paths and signatures; GVariant is stricter on none of them */
    *ret = g_variant_ref_sink(kind == 'o'   ? g_variant_new_object_path(text)
                              : kind == 'g' ? g_variant_new_signature(text)
                                            : g_variant_new_string(text));
    return r;
}

static GVariant *fixed_to_variant(char kind, const void *data)
{
    switch (kind) {
    case 'y':
        return g_variant_new_byte(*(const guint8 *)data);
    case 'b':
        return g_variant_new_boolean(*(const int *)data);
    case 'n':
        return g_variant_new_int16(*(const gint16 *)data);
    case 'q':
        return g_variant_new_uint16(*(const guint16 *)data);
    case 'i':
        return g_variant_new_int32(*(const gint32 *)data);
    case 'u':
        return g_variant_new_uint32(*(const guint32 *)data);
    case 'x':
        return g_variant_new_int64(*(const gint64 *)data);
    case 't':
        return g_variant_new_uint64(*(const guint64 *)data);
    case 'd':
        return g_variant_new_double(*(const double *)data);
    }
    return NULL;
}

static int read_fixed(sd_bus_message *message, char kind, GVariant **ret)
{
    guint64 room = 0;
    int r;

    if (strchr("ybnqiuxtd", kind) == NULL)
        return -EBADMSG; /* descriptors among them */
    r = sd_bus_message_read_basic(message, kind, &room);
    if (r > 0)
        *ret = g_variant_ref_sink(fixed_to_variant(kind, &room));
    return r;
}

static int read_variant(sd_bus_message *message, guint depth, GVariant **ret)
{
    g_autoptr(GVariant) inner = NULL;
    const char *contents;
    char kind;
    int r = sd_bus_message_peek_type(message, &kind, &contents);

    if (r <= 0)
        return r;
    g_autofree char *type = g_strdup(contents);
    r = sd_bus_message_enter_container(message, 'v', type);
    if (r <= 0)
        return r;
    r = read_value(message, type, depth + 1, &inner);
    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    *ret = g_variant_ref_sink(g_variant_new_variant(inner));
    r = sd_bus_message_exit_container(message);
    return r < 0 ? r : 1;
}

/* Reads all elements of an array. */
static int read_elements(sd_bus_message *message, const char *type, guint depth, GVariantBuilder *builder)
{
    for (;;) {
        g_autoptr(GVariant) child = NULL;
        int r = read_value(message, type, depth + 1, &child);
        if (r <= 0)
            return r;
        g_variant_builder_add_value(builder, child);
    }
}

/* Reads the members of a struct or dictionary entry, whose types are known one by one. */
static int read_members(sd_bus_message *message, const char *types, guint depth, GVariantBuilder *builder)
{
    while (*types != '\0') {
        g_autoptr(GVariant) child = NULL;
        const char *end;
        if (!g_variant_type_string_scan(types, NULL, &end))
            return -EBADMSG;
        g_autofree char *type = g_strndup(types, (gsize)(end - types));
        int r = read_value(message, type, depth + 1, &child);
        if (r <= 0)
            return r < 0 ? r : -EBADMSG;
        g_variant_builder_add_value(builder, child);
        types = end;
    }
    return 0;
}

static int read_container(sd_bus_message *message, const char *type, guint depth, GVariant **ret)
{
    char kind = type[0] == '(' ? 'r' : type[0] == '{' ? 'e' : 'a';
    g_autofree char *contents = kind == 'a' ? g_strdup(type + 1) : g_strndup(type + 1, strlen(type) - 2);
    GVariantBuilder builder;
    int r = sd_bus_message_enter_container(message, kind, contents);

    if (r <= 0)
        return r;
    g_variant_builder_init(&builder, G_VARIANT_TYPE(type));
    r = kind == 'a' ? read_elements(message, contents, depth, &builder)
                    : read_members(message, contents, depth, &builder);
    if (r >= 0)
        r = sd_bus_message_exit_container(message);
    if (r < 0) {
        g_variant_builder_clear(&builder);
        return r;
    }
    *ret = g_variant_ref_sink(g_variant_builder_end(&builder));
    return 1;
}

static int read_value(sd_bus_message *message, const char *type, guint depth, GVariant **ret)
{
    int r = sd_bus_message_at_end(message, FALSE);

    if (r != 0)
        return r < 0 ? r : 0;
    if (depth > DEPTH_MAX)
        return -E2BIG;
    if (type[0] == 'v')
        r = read_variant(message, depth, ret);
    else if (type[0] == 'a' || type[0] == '(' || type[0] == '{')
        r = read_container(message, type, depth, ret);
    else if (type[0] == 's' || type[0] == 'o' || type[0] == 'g')
        r = read_string(message, type[0], ret);
    else
        r = read_fixed(message, type[0], ret);
    /* sd-bus says ENXIO for "something else is there" */
    return r == -ENXIO ? -EBADMSG : r;
}

int sd_variant_read(sd_bus_message *message, const char *type, GVariant **ret)
{
    g_autoptr(GVariant) value = NULL;
    int r;

    if (!g_variant_type_string_is_valid(type))
        return -EINVAL;
    r = read_value(message, type, 0, &value);
    if (r > 0)
        *ret = g_steal_pointer(&value);
    return r;
}
