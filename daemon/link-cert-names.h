/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between link-cert.c and link-tls.c alone, which are GnuTLS' door. */

#include <gnutls/x509.h>

#include <glib.h>

/* DNS names of the SAN; the CN only if there is no SAN at all and just one CN. (transfer full) NULL-terminated */
GPtrArray *certificate_names(gnutls_x509_crt_t leaf);
