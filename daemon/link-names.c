/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-names.h"

#define NAMES_IN_TEXT 3u

GPtrArray *link_names_new(void)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(names, NULL);
    return names;
}

static gboolean name_is_plain(const char *name, gsize size_bytes)
{
    if (size_bytes == 0 || size_bytes > LINK_NAME_MAX_BYTES)
        return FALSE;
    for (gsize i = 0; i < size_bytes; i++)
        if (!g_ascii_isalnum(name[i]) && name[i] != '-' && name[i] != '_' && name[i] != '.')
            return FALSE;
    return TRUE;
}

void link_names_add(GPtrArray *names, const char *name, gsize size_bytes)
{
    if (name_is_plain(name, size_bytes) && names->len - 1 < LINK_NAMES_MAX)
        g_ptr_array_insert(names, (gint) names->len - 1, g_strndup(name, size_bytes));
}

gboolean link_names_keep_only(GPtrArray *names, const char *expected)
{
    gboolean found = FALSE;

    for (guint i = 0; i + 1 < names->len; i++)
        found = found || g_ascii_strcasecmp(names->pdata[i], expected) == 0;
    if (!found)
        return FALSE;
    g_ptr_array_set_size(names, 0);
    g_ptr_array_add(names, g_strdup(expected));
    g_ptr_array_add(names, NULL);
    return TRUE;
}

char *link_names_text(const GPtrArray *names)
{
    guint n = names->len - 1; /* without the NULL */
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < MIN(n, NAMES_IN_TEXT); i++)
        g_string_append_printf(text, "%s'%s'", i > 0 ? ", " : "", (const char *) names->pdata[i]);
    if (n > NAMES_IN_TEXT)
        g_string_append_printf(text, " and %u more", n - NAMES_IN_TEXT);
    return g_string_free(text, FALSE);
}
