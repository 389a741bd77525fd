/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pki.h"

#include <gio/gio.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HOUR_S 3600

struct Pki {
    char *directory;
    gnutls_x509_privkey_t ca_key;
    gnutls_x509_crt_t ca;
    guint serial, rsa_bits;
    GPtrArray *paths;
};

#define check(call) g_assert_cmpint((call), >=, 0)

const char *pki_path(Pki *pki, const char *format, ...)
{
    g_autofree char *name = NULL;
    char *path;
    va_list args;

    va_start(args, format);
    name = g_strdup_vprintf(format, args);
    va_end(args);
    path = g_build_filename(pki->directory, name, NULL);
    g_ptr_array_add(pki->paths, path);
    return path;
}

static void pki_write(Pki *pki, const char *path, gnutls_datum_t *pem)
{
    g_assert_true(g_file_set_contents(path, (const char *) pem->data, pem->size, NULL));
    gnutls_free(pem->data);
}

static gnutls_x509_privkey_t pki_new_key(guint rsa_bits)
{
    gnutls_x509_privkey_t key;

    check(gnutls_x509_privkey_init(&key));
    if (rsa_bits > 0)
        check(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, rsa_bits, 0));
    else
        check(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    return key;
}

static gnutls_x509_crt_t pki_new_crt(Pki *pki, gnutls_x509_privkey_t key, gint64 from_s, gint64 until_s)
{
    gnutls_x509_crt_t crt;
    guint8 serial[4];

    pki->serial++;
    serial[0] = 1;
    serial[1] = (guint8) (pki->serial >> 16);
    serial[2] = (guint8) (pki->serial >> 8);
    serial[3] = (guint8) pki->serial;
    check(gnutls_x509_crt_init(&crt));
    check(gnutls_x509_crt_set_version(crt, 3));
    check(gnutls_x509_crt_set_serial(crt, serial, sizeof serial));
    check(gnutls_x509_crt_set_activation_time(crt, time(NULL) + from_s));
    check(gnutls_x509_crt_set_expiration_time(crt, time(NULL) + until_s));
    check(gnutls_x509_crt_set_key(crt, key));
    return crt;
}

static void pki_set_cn(gnutls_x509_crt_t crt, const char *cn)
{
    check(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn, (unsigned) strlen(cn)));
}

Pki *pki_new(const char *ca_name)
{
    Pki *pki = g_new0(Pki, 1);
    gnutls_datum_t pem;

    pki->paths = g_ptr_array_new_with_free_func(g_free);
    pki->directory = g_dir_make_tmp("pki-XXXXXX", NULL);
    g_assert_nonnull(pki->directory);
    pki->ca_key = pki_new_key(0);
    pki->ca = pki_new_crt(pki, pki->ca_key, -48 * HOUR_S, 48 * HOUR_S);
    pki_set_cn(pki->ca, ca_name);
    check(gnutls_x509_crt_set_basic_constraints(pki->ca, 1, -1));
    check(gnutls_x509_crt_set_key_usage(pki->ca, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
    check(gnutls_x509_crt_sign2(pki->ca, pki->ca, pki->ca_key, GNUTLS_DIG_SHA256, 0));
    check(gnutls_x509_crt_export2(pki->ca, GNUTLS_X509_FMT_PEM, &pem));
    pki_write(pki, pki_path(pki, "cacert.pem"), &pem);
    check(gnutls_x509_privkey_export2(pki->ca_key, GNUTLS_X509_FMT_PEM, &pem));
    pki_write(pki, pki_path(pki, "ca-key.pem"), &pem);
    return pki;
}

void pki_set_rsa(Pki *pki, guint bits)
{
    pki->rsa_bits = bits;
}

void pki_free(Pki *pki)
{
    GDir *directory;
    const char *name;

    if (!pki)
        return;
    directory = g_dir_open(pki->directory, 0, NULL);
    while (directory && (name = g_dir_read_name(directory))) {
        g_autofree char *path = g_build_filename(pki->directory, name, NULL);
        g_autoptr(GFile) file = g_file_new_for_path(path);

        g_file_delete(file, NULL, NULL);
    }
    g_clear_pointer(&directory, g_dir_close);
    rmdir(pki->directory);
    gnutls_x509_crt_deinit(pki->ca);
    gnutls_x509_privkey_deinit(pki->ca_key);
    g_ptr_array_unref(pki->paths);
    g_free(pki->directory);
    g_free(pki);
}

static gnutls_datum_t pki_read(const char *path)
{
    char *text;
    gsize size;

    g_assert_true(g_file_get_contents(path, &text, &size, NULL));
    return (gnutls_datum_t) { (unsigned char *) text, (unsigned) size };
}

/* Signs with another certificate's key, whether that may sign or not. */
static void pki_sign_by(Pki *pki, gnutls_x509_crt_t crt, const char *issuer)
{
    gnutls_datum_t crt_pem = pki_read(pki_path(pki, "%s-cert.pem", issuer));
    gnutls_datum_t key_pem = pki_read(pki_path(pki, "%s-key.pem", issuer));
    gnutls_x509_crt_t issuer_crt;
    gnutls_x509_privkey_t issuer_key;

    check(gnutls_x509_crt_init(&issuer_crt));
    check(gnutls_x509_crt_import(issuer_crt, &crt_pem, GNUTLS_X509_FMT_PEM));
    check(gnutls_x509_privkey_init(&issuer_key));
    check(gnutls_x509_privkey_import(issuer_key, &key_pem, GNUTLS_X509_FMT_PEM));
    check(gnutls_x509_crt_sign2(crt, issuer_crt, issuer_key, GNUTLS_DIG_SHA256, 0));
    gnutls_x509_crt_deinit(issuer_crt);
    gnutls_x509_privkey_deinit(issuer_key);
    g_free(crt_pem.data);
    g_free(key_pem.data);
}

/* By hand, as GnuTLS writes a name up to its first NUL only: SEQUENCE { [2] IMPLICIT IA5String }. */
static void pki_set_raw_name(gnutls_x509_crt_t crt, const char *name, gsize size_bytes)
{
    guint8 der[4 + 100] = { 0x30, (guint8) (size_bytes + 2), 0x82, (guint8) size_bytes };

    g_assert_cmpuint(size_bytes, <, 100);
    memcpy(der + 4, name, size_bytes);
    check(gnutls_x509_crt_set_extension_by_oid(crt, GNUTLS_X509EXT_OID_SAN, der, (unsigned) size_bytes + 4, 0));
}

static void pki_set_names(gnutls_x509_crt_t crt, const PkiCertificate *want)
{
    guint flags = GNUTLS_FSAN_SET;

    if (want->cn)
        pki_set_cn(crt, want->cn);
    for (guint i = 0; want->dns && want->dns[i]; i++, flags = GNUTLS_FSAN_APPEND)
        check(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, want->dns[i],
                                                   (unsigned) strlen(want->dns[i]), flags));
    if (want->raw_dns)
        pki_set_raw_name(crt, want->raw_dns, want->raw_dns_bytes);
}

/* The certificate, and behind it the one that signed it if that is not the CA. */
static void pki_write_chain(Pki *pki, gnutls_x509_crt_t crt, const PkiCertificate *want)
{
    g_autoptr(GString) chain = g_string_new(NULL);
    gnutls_datum_t pem;

    check(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem));
    g_string_append_len(chain, (const char *) pem.data, pem.size);
    gnutls_free(pem.data);
    if (want->issuer) {
        pem = pki_read(pki_path(pki, "%s-cert.pem", want->issuer));
        g_string_append_len(chain, (const char *) pem.data, pem.size);
        g_free(pem.data);
    }
    g_assert_true(g_file_set_contents(pki_path(pki, "%s-cert.pem", want->file), chain->str, (gssize) chain->len, NULL));
}

void pki_issue(Pki *pki, const PkiCertificate *want)
{
    gboolean any_time = want->from_s == 0 && want->until_s == 0;
    gnutls_x509_privkey_t key = pki_new_key(pki->rsa_bits);
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;

    crt = pki_new_crt(pki, key, any_time ? -HOUR_S : want->from_s, any_time ? 24 * HOUR_S : want->until_s);
    pki_set_names(crt, want);
    for (guint i = 0; want->purposes && want->purposes[i]; i++)
        check(gnutls_x509_crt_set_key_purpose_oid(crt, want->purposes[i], 0));
    check(gnutls_x509_crt_set_basic_constraints(crt, 0, -1));
    check(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE));
    if (want->issuer)
        pki_sign_by(pki, crt, want->issuer);
    else
        check(gnutls_x509_crt_sign2(crt, pki->ca, pki->ca_key, GNUTLS_DIG_SHA256, 0));
    pki_write_chain(pki, crt, want);
    check(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem));
    pki_write(pki, pki_path(pki, "%s-key.pem", want->file), &pem);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

void pki_issue_host(Pki *pki, const char *name)
{
    const char *dns[] = { name, NULL };
    const char *purposes[] = { GNUTLS_KP_TLS_WWW_SERVER, GNUTLS_KP_TLS_WWW_CLIENT, NULL };
    PkiCertificate host = { .file = name, .cn = name, .dns = dns, .purposes = purposes };

    pki_issue(pki, &host);
}

static gnutls_x509_privkey_t pki_read_key(Pki *pki, const char *file)
{
    gnutls_datum_t pem = pki_read(pki_path(pki, "%s-key.pem", file));
    gnutls_x509_privkey_t key;

    check(gnutls_x509_privkey_init(&key));
    check(gnutls_x509_privkey_import(key, &pem, GNUTLS_X509_FMT_PEM));
    g_free(pem.data);
    return key;
}

void pki_mix_keys(Pki *pki, const char *one, const char *other, const char *file)
{
    gnutls_x509_privkey_t public = pki_read_key(pki, one), private = pki_read_key(pki, other), mixed;
    gnutls_datum_t x, y, ignored_x, ignored_y, ignored_k, k, pem;
    gnutls_ecc_curve_t curve;

    check(gnutls_x509_privkey_export_ecc_raw(public, &curve, &x, &y, &ignored_k));
    check(gnutls_x509_privkey_export_ecc_raw(private, &curve, &ignored_x, &ignored_y, &k));
    check(gnutls_x509_privkey_init(&mixed));
    check(gnutls_x509_privkey_import_ecc_raw(mixed, curve, &x, &y, &k));
    check(gnutls_x509_privkey_export2(mixed, GNUTLS_X509_FMT_PEM, &pem));
    pki_write(pki, pki_path(pki, "%s-key.pem", file), &pem);
    gnutls_free(x.data);
    gnutls_free(y.data);
    gnutls_free(k.data);
    gnutls_free(ignored_x.data);
    gnutls_free(ignored_y.data);
    gnutls_free(ignored_k.data);
    gnutls_x509_privkey_deinit(public);
    gnutls_x509_privkey_deinit(private);
    gnutls_x509_privkey_deinit(mixed);
}

static void pki_revoke_file(Pki *pki, gnutls_x509_crl_t crl, const char *file)
{
    gnutls_datum_t pem = pki_read(pki_path(pki, "%s-cert.pem", file));
    gnutls_x509_crt_t crt;

    check(gnutls_x509_crt_init(&crt));
    check(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM));
    check(gnutls_x509_crl_set_crt(crl, crt, time(NULL) - HOUR_S));
    gnutls_x509_crt_deinit(crt);
    g_free(pem.data);
}

void pki_revoke(Pki *pki, const char *file)
{
    gnutls_x509_crl_t crl;
    gnutls_datum_t pem;

    check(gnutls_x509_crl_init(&crl));
    check(gnutls_x509_crl_set_version(crl, 2));
    check(gnutls_x509_crl_set_this_update(crl, time(NULL) - HOUR_S));
    check(gnutls_x509_crl_set_next_update(crl, time(NULL) + 24 * HOUR_S));
    check(gnutls_x509_crl_set_number(crl, "\1", 1));
    if (file)
        pki_revoke_file(pki, crl, file);
    check(gnutls_x509_crl_sign2(crl, pki->ca, pki->ca_key, GNUTLS_DIG_SHA256, 0));
    check(gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &pem));
    pki_write(pki, pki_path(pki, "cacrl.pem"), &pem);
    gnutls_x509_crl_deinit(crl);
}
