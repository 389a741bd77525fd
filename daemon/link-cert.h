/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What certificate files say of themselves, for those who look after them. Decides nothing about links: that is link-tls.
 *
 * Errors name the file, TBSYNC_ERROR_INVALID.
 */

#include <glib.h>

typedef enum LinkCertKind { LINK_CERT_CERTIFICATES, LINK_CERT_CRL } LinkCertKind;

/* When the first of the certificates (or CRLs: their next update) in that file ends, ns since 1970 UTC; G_MAXINT64: never. */
gboolean link_cert_until(const char *path, LinkCertKind kind, gint64 *ret_until_real_ns, GError **error);

/* The names that the first certificate in that file gives its host, as link-names makes them. (transfer full) */
GPtrArray *link_cert_names(const char *path, GError **error);
