/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between link-cert.c and link-tls.c alone, which are GnuTLS' door; and for tests. */

#include <gnutls/x509.h>

#include <glib.h>

/* DNS names of the SAN; the CN only if there is no SAN at all and just one CN. (transfer full) NULL-terminated */
GPtrArray *certificate_names(gnutls_x509_crt_t leaf);

/* Whether the private key is that of the first certificate, both in PEM form, without signing anything: the public numbers of
 * both are the same, and the private ones belong to them. FALSE: it is not, or that cannot be told in this way. */
gboolean certificate_has_key(const gnutls_datum_t *certificate_pem, const gnutls_datum_t *key_pem);
