/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-policy.h"

#include <string.h>
#include <sys/stat.h>

#include "error.h"

#define FILE_MAX_BYTES (1024 * 1024) /* as the daemon has it */
#define KEY            "WhenUnavailable"

static gboolean refuse(const char *file, guint line, const char *reason, GError **error)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s:%u: " KEY "= %s", file, line,
                reason);
    return FALSE;
}

/* "[ Policy ]" is the same section to the daemon. */
static gboolean is_our_section(const char *line)
{
    g_autofree char *inside = g_strndup(line + 1, strlen(line) - 1);
    char *end = strrchr(inside, ']');

    if (end == NULL)
        return FALSE;
    *end = '\0';
    return g_str_equal(g_strstrip(inside), "Policy");
}

static gboolean read_value(const char *file, guint line, const char *value, HookPolicy *ret,
                           GError **error)
{
    if (!g_str_equal(value, "block") && !g_str_equal(value, "allow"))
        return refuse(file, line, "is neither block nor allow", error);
    ret->blocks = g_str_equal(value, "block");
    g_free(ret->origin);
    ret->origin = g_strdup_printf("%s:%u", file, line);
    return TRUE;
}

static gboolean read_text(const char *file, const char *text, HookPolicy *ret, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    gboolean ours = FALSE, seen = FALSE;

    for (guint i = 0; lines[i] != NULL; i++) {
        char *line = g_strstrip(lines[i]);
        char *equals = strchr(line, '=');

        if (*line == '[')
            ours = is_our_section(line);
        if (!ours || equals == NULL || strchr("#;[", *line) != NULL)
            continue;
        *equals = '\0';
        if (!g_str_equal(g_strchomp(line), KEY))
            continue;
        if (seen)
            return refuse(file, i + 1, "is given twice", error);
        seen = TRUE;
        if (!read_value(file, i + 1, g_strchug(equals + 1), ret, error))
            return FALSE;
    }
    return TRUE;
}

/* Only a regular file: a fifo must not hold the hook up. */
static gboolean read_file(const char *file, HookPolicy *ret, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    gsize length = 0;
    struct stat info;

    if (stat(file, &info) == 0 && (!S_ISREG(info.st_mode) || info.st_size > FILE_MAX_BYTES)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "%s: not a file of at most %d bytes",
                    file, FILE_MAX_BYTES);
        return FALSE;
    }
    if (!g_file_get_contents(file, &text, &length, &cause)) {
        if (g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
            g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOTDIR))
            return TRUE;
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "%s", cause->message);
        return FALSE;
    }
    if (strlen(text) != length) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: not a text file", file);
        return FALSE;
    }
    return read_text(file, text, ret, error);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* NULL with *error set; an empty array if there is no such directory. */
static GPtrArray *list_drop_ins(const char *path, GError **error)
{
    g_autofree char *directory = g_strconcat(path, ".d", NULL);
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, &cause);
    const char *name;

    if (dir == NULL && !g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "%s", cause->message);
        return NULL;
    }
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (*name != '.' && g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(files, g_build_filename(directory, name, NULL));
    }
    g_ptr_array_sort(files, compare_names);
    return g_steal_pointer(&files);
}

static gboolean read_all(const char *path, HookPolicy *ret, GError **error)
{
    g_autoptr(GPtrArray) files = NULL;

    if (!read_file(path, ret, error))
        return FALSE;
    files = list_drop_ins(path, error);
    if (files == NULL)
        return FALSE;
    for (guint i = 0; i < files->len; i++) {
        if (!read_file(files->pdata[i], ret, error))
            return FALSE;
    }
    return TRUE;
}

gboolean hook_policy_read(const char *path, HookPolicy *ret, GError **error)
{
    *ret = (HookPolicy){ .blocks = TRUE, .origin = g_strdup("default") };
    if (read_all(path, ret, error))
        return TRUE;
    ret->blocks = TRUE;
    return FALSE;
}
