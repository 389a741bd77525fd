/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pem-file.h"

#include "error.h"

#include <string.h>

void pem_file_clear(PemFile *file)
{
    if (file->text)
        explicit_bzero(file->text, file->size_bytes);
    g_clear_pointer(&file->text, g_free);
}

gboolean pem_file_invalid(GError **error, const char *path, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: %s", path, what);
    return FALSE;
}

gboolean pem_file_read(const char *path, gboolean optional, PemFile *ret_file, GError **error)
{
    g_autoptr(GError) local = NULL;
    const char *why;

    if (g_file_get_contents(path, &ret_file->text, &ret_file->size_bytes, &local))
        return TRUE;
    if (optional && g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
    /* GLib's text names the file again in front */
    why = strrchr(local->message, ':');
    return pem_file_invalid(error, path, "cannot read it: %s", why ? why + 2 : local->message);
}
