/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-cert.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#include "link-cert-names.h"
#include "link-names.h"
#include "pem-file.h"
#include "units.h"

#define KEY_ID_BYTES 32 /* SHA-256 */

GPtrArray *certificate_names(gnutls_x509_crt_t leaf)
{
    GPtrArray *names = link_names_new();
    char text[LINK_NAME_MAX_BYTES + 2];
    gsize size = sizeof text;
    gboolean has_san = FALSE;
    int type = 0;

    for (guint i = 0; i < 4 * LINK_NAMES_MAX && type != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE; i++, size = sizeof text) {
        type = gnutls_x509_crt_get_subject_alt_name(leaf, i, text, &size, NULL);
        has_san = has_san || type != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
        if (type == GNUTLS_SAN_DNSNAME)
            link_names_add(names, text, size);
    }
    if (!has_san) {
        gsize second = 0;

        size = sizeof text;
        if (gnutls_x509_crt_get_dn_by_oid(leaf, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &size) >= 0 &&
            gnutls_x509_crt_get_dn_by_oid(leaf, GNUTLS_OID_X520_COMMON_NAME, 1, 0, NULL, &second) ==
                GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            link_names_add(names, text, size);
    }
    return names;
}

static gboolean certificate_key_id(const gnutls_datum_t *pem, guint8 *ret_id)
{
    gsize size = KEY_ID_BYTES;
    gnutls_x509_crt_t leaf;
    gboolean ok;

    if (gnutls_x509_crt_init(&leaf) < 0)
        return FALSE;
    ok = gnutls_x509_crt_import(leaf, pem, GNUTLS_X509_FMT_PEM) >= 0 &&
         gnutls_x509_crt_get_key_id(leaf, GNUTLS_KEYID_USE_SHA256, ret_id, &size) >= 0 && size == KEY_ID_BYTES;
    gnutls_x509_crt_deinit(leaf);
    return ok;
}

/* Of the key's own public numbers, if the private ones belong to them. */
static gboolean private_key_id(const gnutls_datum_t *pem, guint8 *ret_id)
{
    gsize size = KEY_ID_BYTES;
    gnutls_x509_privkey_t key;
    gboolean ok;

    if (gnutls_x509_privkey_init(&key) < 0)
        return FALSE;
    ok = gnutls_x509_privkey_import2(key, pem, GNUTLS_X509_FMT_PEM, NULL, 0) >= 0 &&
         gnutls_x509_privkey_verify_params(key) >= 0 &&
         gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, ret_id, &size) >= 0 && size == KEY_ID_BYTES;
    gnutls_x509_privkey_deinit(key);
    return ok;
}

gboolean certificate_has_key(const gnutls_datum_t *certificate_pem, const gnutls_datum_t *key_pem)
{
    guint8 of_certificate[KEY_ID_BYTES], of_key[KEY_ID_BYTES];

    return certificate_key_id(certificate_pem, of_certificate) && private_key_id(key_pem, of_key) &&
           memcmp(of_certificate, of_key, KEY_ID_BYTES) == 0;
}

/* -1: the file has no such date, or one that cannot be read. */
static gint64 until_ns(time_t until_s)
{
    return until_s == (time_t) -1 || until_s > G_MAXINT64 / NS_PER_S ? G_MAXINT64 : (gint64) until_s * NS_PER_S;
}

static int certificates_until(const gnutls_datum_t *pem, gint64 *ret)
{
    gnutls_x509_crt_t *chain = NULL;
    guint n = 0;
    int r = gnutls_x509_crt_list_import2(&chain, &n, pem, GNUTLS_X509_FMT_PEM, 0);

    if (r < 0)
        return r;
    for (guint i = 0; i < n; i++) {
        *ret = MIN(*ret, until_ns(gnutls_x509_crt_get_expiration_time(chain[i])));
        gnutls_x509_crt_deinit(chain[i]);
    }
    gnutls_free(chain);
    return 0;
}

static int crls_until(const gnutls_datum_t *pem, gint64 *ret)
{
    gnutls_x509_crl_t *crls = NULL;
    guint n = 0;
    int r = gnutls_x509_crl_list_import2(&crls, &n, pem, GNUTLS_X509_FMT_PEM, 0);

    if (r < 0)
        return r;
    for (guint i = 0; i < n; i++) {
        *ret = MIN(*ret, until_ns(gnutls_x509_crl_get_next_update(crls[i])));
        gnutls_x509_crl_deinit(crls[i]);
    }
    gnutls_free(crls);
    return 0;
}

gboolean link_cert_until(const char *path, LinkCertKind kind, gint64 *ret_until_real_ns, GError **error)
{
    g_auto(PemFile) file = { 0 };
    gint64 until = G_MAXINT64;
    gnutls_datum_t pem;
    int r;

    if (!pem_file_read(path, FALSE, &file, error))
        return FALSE;
    pem = (gnutls_datum_t) { (unsigned char *) file.text, (unsigned) file.size_bytes };
    r = kind == LINK_CERT_CRL ? crls_until(&pem, &until) : certificates_until(&pem, &until);
    if (r < 0)
        return pem_file_invalid(error, path, "not in PEM form: %s", gnutls_strerror(r));
    *ret_until_real_ns = until;
    return TRUE;
}

GPtrArray *link_cert_names(const char *path, GError **error)
{
    g_auto(PemFile) file = { 0 };
    gnutls_x509_crt_t *chain = NULL;
    GPtrArray *names;
    gnutls_datum_t pem;
    guint n = 0;
    int r;

    if (!pem_file_read(path, FALSE, &file, error))
        return NULL;
    pem = (gnutls_datum_t) { (unsigned char *) file.text, (unsigned) file.size_bytes };
    r = gnutls_x509_crt_list_import2(&chain, &n, &pem, GNUTLS_X509_FMT_PEM, 0);
    if (r < 0 || n == 0) {
        pem_file_invalid(error, path, "not a certificate in PEM form: %s", r < 0 ? gnutls_strerror(r) : "it is empty");
        return NULL;
    }
    names = certificate_names(chain[0]);
    for (guint i = 0; i < n; i++)
        gnutls_x509_crt_deinit(chain[i]);
    gnutls_free(chain);
    return names;
}
