/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A throw-away CA below a temporary directory, with certificates made to order. For tests only. */

#include <glib.h>

typedef struct Pki Pki;

typedef struct PkiCertificate {
    const char *file;         /* "beta" gives DIR/beta-cert.pem and DIR/beta-key.pem */
    const char *cn;           /* (nullable) */
    const char *const *dns;   /* (nullable) SAN DNS names, NULL-terminated */
    const char *raw_dns;      /* (nullable) instead: one SAN DNS name of raw_dns_bytes < 100, whatever is in it */
    gsize raw_dns_bytes;
    const char *const *purposes; /* (nullable) EKU OIDs, NULL-terminated */
    gint64 from_s, until_s;   /* from now; both 0: an hour ago until tomorrow */
    const char *issuer;       /* (nullable) file of the certificate that signs, which follows in the PEM; default: the CA */
} PkiCertificate;

/* Makes DIR/cacert.pem and DIR/ca-key.pem. */
Pki *pki_new(const char *ca_name);

/* Keys of certificates that are issued from now on; 0, as at first: of an elliptic curve. */
void pki_set_rsa(Pki *pki, guint bits);

/* Removes the directory. */
void pki_free(Pki *pki);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pki, pki_free)

void pki_issue(Pki *pki, const PkiCertificate *certificate);

/* Certificate for one DNS name, both purposes. */
void pki_issue_host(Pki *pki, const char *name);

/* DIR/<file>-key.pem: the public half of DIR/<one>-key.pem with the private half of DIR/<other>-key.pem, both of a curve. */
void pki_mix_keys(Pki *pki, const char *one, const char *other, const char *file);

/* Writes DIR/cacrl.pem that revokes DIR/<file>-cert.pem; file == NULL: revokes nobody. */
void pki_revoke(Pki *pki, const char *file);

/* "DIR/<format>" (transfer none), kept until pki_free(). */
const char *pki_path(Pki *pki, const char *format, ...) G_GNUC_PRINTF(2, 3);
