/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-cert.h"
#include "link-cert-names.h"

#include <string.h>

#include "error.h"
#include "link-names.h"
#include "pki.h"
#include "tb-clock.h"

#define HOUR_NS (3600 * NS_PER_S)

static void test_the_first_end_of_a_file_counts(void)
{
    g_autoptr(Pki) pki = pki_new("fleet");
    g_autoptr(GError) error = NULL;
    gint64 until_ns = 0, now_ns = tb_clock_real_ns();

    pki_issue(pki, &(PkiCertificate){ .file = "short", .cn = "short", .from_s = -60, .until_s = 3600 });
    g_assert_true(link_cert_until(pki_path(pki, "short-cert.pem"), LINK_CERT_CERTIFICATES, &until_ns, &error));
    g_assert_cmpint(until_ns, >=, now_ns + HOUR_NS / 2);
    g_assert_cmpint(until_ns, <=, now_ns + 2 * HOUR_NS);
}

static void test_a_crl_ends_with_its_next_update(void)
{
    g_autoptr(Pki) pki = pki_new("fleet");
    g_autoptr(GError) error = NULL;
    gint64 until_ns = 0, now_ns = tb_clock_real_ns();

    pki_revoke(pki, NULL);
    g_assert_true(link_cert_until(pki_path(pki, "cacrl.pem"), LINK_CERT_CRL, &until_ns, &error));
    g_assert_cmpint(until_ns, >, now_ns + 23 * HOUR_NS);
    g_assert_cmpint(until_ns, <, now_ns + 25 * HOUR_NS);
}

static void test_what_is_no_such_file_is_named(void)
{
    g_autoptr(Pki) pki = pki_new("fleet");
    g_autoptr(GError) absent = NULL, key = NULL, names = NULL;
    gint64 until_ns = 17;

    g_assert_false(link_cert_until(pki_path(pki, "absent.pem"), LINK_CERT_CERTIFICATES, &until_ns, &absent));
    g_assert_error(absent, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    g_assert_false(link_cert_until(pki_path(pki, "ca-key.pem"), LINK_CERT_CRL, &until_ns, &key));
    g_assert_nonnull(strstr(key->message, "ca-key.pem"));
    g_assert_cmpint(until_ns, ==, 17);
    g_assert_null(link_cert_names(pki_path(pki, "ca-key.pem"), &names));
    g_assert_nonnull(strstr(names->message, "ca-key.pem"));
}

static void test_names_are_those_of_the_first_certificate(void)
{
    g_autoptr(Pki) pki = pki_new("fleet");
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(GError) error = NULL;

    pki_issue(pki, &(PkiCertificate){ .file = "beta", .cn = "other", .dns = (const char *const[]){ "beta", "b.example.org", NULL } });
    names = link_cert_names(pki_path(pki, "beta-cert.pem"), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(names->len, ==, 3);
    g_assert_false(link_names_keep_only(names, "other"));
    g_assert_true(link_names_keep_only(names, "beta"));
}

static gboolean has_key(Pki *pki, const char *certificate, const char *key)
{
    g_autofree char *certificate_text = NULL, *key_text = NULL;
    gsize certificate_bytes, key_bytes;

    g_assert_true(g_file_get_contents(pki_path(pki, "%s.pem", certificate), &certificate_text, &certificate_bytes, NULL));
    g_assert_true(g_file_get_contents(pki_path(pki, "%s.pem", key), &key_text, &key_bytes, NULL));
    return certificate_has_key(&(gnutls_datum_t){ (guint8 *) certificate_text, (guint) certificate_bytes },
                               &(gnutls_datum_t){ (guint8 *) key_text, (guint) key_bytes });
}

static void test_a_key_is_told_from_others_by_its_numbers(void)
{
    g_autoptr(Pki) pki = pki_new("fleet");

    pki_issue(pki, &(PkiCertificate){ .file = "curve", .cn = "curve" });
    pki_issue(pki, &(PkiCertificate){ .file = "other", .cn = "other" });
    pki_set_rsa(pki, 2048);
    pki_issue(pki, &(PkiCertificate){ .file = "rsa", .cn = "rsa" });
    pki_issue(pki, &(PkiCertificate){ .file = "other-rsa", .cn = "other-rsa" });
    pki_mix_keys(pki, "curve", "other", "mixed");
    g_assert_true(has_key(pki, "curve-cert", "curve-key"));
    g_assert_true(has_key(pki, "rsa-cert", "rsa-key"));
    g_assert_false(has_key(pki, "curve-cert", "other-key"));
    g_assert_false(has_key(pki, "rsa-cert", "other-rsa-key"));
    g_assert_false(has_key(pki, "rsa-cert", "curve-key"));
    g_assert_false(has_key(pki, "curve-cert", "mixed-key"));
    g_assert_false(has_key(pki, "curve-key", "curve-key"));
    g_assert_false(has_key(pki, "curve-cert", "curve-cert"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link-cert/the-first-end-of-a-file-counts", test_the_first_end_of_a_file_counts);
    g_test_add_func("/link-cert/a-crl-ends-with-its-next-update", test_a_crl_ends_with_its_next_update);
    g_test_add_func("/link-cert/what-is-no-such-file-is-named", test_what_is_no_such_file_is_named);
    g_test_add_func("/link-cert/names-are-those-of-the-first-certificate", test_names_are_those_of_the_first_certificate);
    g_test_add_func("/link-cert/a-key-is-told-from-others-by-its-numbers", test_a_key_is_told_from_others_by_its_numbers);
    return g_test_run();
}
