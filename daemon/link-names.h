/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names in a peer's certificate, after everything that could be a trick has been left out. Knows no certificate.
 *
 * A list is a GPtrArray of char *, always NULL-terminated; its `len` counts the NULL.
 */

#include <glib.h>

#define LINK_NAME_MAX_BYTES 253u
#define LINK_NAMES_MAX 64u

/* (transfer full): g_ptr_array_unref() */
GPtrArray *link_names_new(void);

/* Adds a name of letters, digits, '-', '_' and '.'. Whatever else comes (embedded NUL, other alphabets, nothing, too long) can match
 * no peer and is left out; so is a wildcard, as a peer is one host; and what is beyond LINK_NAMES_MAX. */
void link_names_add(GPtrArray *names, const char *name, gsize size_bytes);

/* TRUE: `expected` is among them, whatever its case, and is now the only one. FALSE: nothing has changed. */
gboolean link_names_keep_only(GPtrArray *names, const char *expected);

/* "'alpha', 'beta', 'gamma' and 3 more", for messages. (transfer full) */
char *link_names_text(const GPtrArray *names);
