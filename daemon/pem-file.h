/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file of certificates or keys, read whole. What it held is wiped from memory. Knows no TLS. */

#include <glib.h>

typedef struct PemFile {
    char *text; /* NUL behind it; NULL if there is no such file */
    gsize size_bytes;
} PemFile;

/* optional: a missing file is no error, and leaves ret_file empty. Errors: TBSYNC_ERROR_INVALID that names the file. */
gboolean pem_file_read(const char *path, gboolean optional, PemFile *ret_file, GError **error);
void pem_file_clear(PemFile *file);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PemFile, pem_file_clear)

/* "<path>: <format>" as TBSYNC_ERROR_INVALID. Always FALSE, to be returned. */
gboolean pem_file_invalid(GError **error, const char *path, const char *format, ...) G_GNUC_PRINTF(3, 4);
