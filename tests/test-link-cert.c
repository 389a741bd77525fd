/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-cert.h"

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link-cert/the-first-end-of-a-file-counts", test_the_first_end_of_a_file_counts);
    g_test_add_func("/link-cert/a-crl-ends-with-its-next-update", test_a_crl_ends_with_its_next_update);
    g_test_add_func("/link-cert/what-is-no-such-file-is-named", test_what_is_no_such_file_is_named);
    g_test_add_func("/link-cert/names-are-those-of-the-first-certificate", test_names_are_those_of_the_first_certificate);
    return g_test_run();
}
