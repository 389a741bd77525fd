/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* That each key of the configuration reaches the credentials; what is wrong with a file is link-tls' to say. */
#include "credentials.h"
#include "error.h"
#include "pki.h"

#include <string.h>

typedef struct Fixture {
    Pki *pki;
    Config config;
} Fixture;

static char *path(Fixture *f, const char *file)
{
    return (char *)pki_path(f->pki, "%s", file);
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->pki = pki_new("fleet");
    pki_issue_host(f->pki, "server");
    pki_issue_host(f->pki, "client");
    pki_revoke(f->pki, NULL);
    f->config = (Config){ .ca_file = path(f, "cacert.pem"), .crl_file = path(f, "cacrl.pem"),
                          .cert_file = path(f, "server-cert.pem"), .key_file = path(f, "server-key.pem"),
                          .client_cert_file = path(f, "client-cert.pem"), .client_key_file = path(f, "client-key.pem"),
                          .tls_priority = (char *)"" };
}

static void tear_down(Fixture *f, gconstpointer data)
{
    pki_free(f->pki);
}

static void assert_refused(const Fixture *f, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LinkTls) tls = credentials_load(&f->config, &error);

    g_assert_null(tls);
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    if (!strstr(error->message, expected))
        g_error("'%s' does not name '%s'", error->message, expected);
}

static void assert_loaded(const Fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LinkTls) tls = credentials_load(&f->config, &error);

    g_assert_no_error(error);
    g_assert_nonnull(tls);
}

static void test_each_file_is_read(Fixture *f, gconstpointer data)
{
    char **const files[] = { &f->config.ca_file, &f->config.cert_file, &f->config.key_file, &f->config.client_cert_file,
                             &f->config.client_key_file };

    assert_loaded(f);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        char *before = *files[i];
        g_autofree char *name = g_strdup_printf("absent-%u.pem", i);

        *files[i] = path(f, name);
        assert_refused(f, name);
        *files[i] = before;
    }
    assert_loaded(f);
}

static void test_pair_for_dialling_may_be_left_out(Fixture *f, gconstpointer data)
{
    f->config.client_cert_file = f->config.client_key_file = NULL;
    assert_loaded(f);
}

static void test_only_a_named_crl_must_be_there(Fixture *f, gconstpointer data)
{
    f->config.crl_file = path(f, "absent-crl.pem");
    assert_loaded(f);
    f->config.crl_required = TRUE;
    assert_refused(f, "absent-crl.pem");
}

static void test_crl_revokes_this_host_too(Fixture *f, gconstpointer data)
{
    pki_revoke(f->pki, "client");
    assert_refused(f, "client-cert.pem");
}

static void test_priority_is_used(Fixture *f, gconstpointer data)
{
    f->config.tls_priority = (char *)"+NONSENSE";
    assert_refused(f, "TLSPriority=+NONSENSE");
}

#define ADD(name, function) g_test_add("/credentials/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("each-file-is-read", test_each_file_is_read);
    ADD("pair-for-dialling-may-be-left-out", test_pair_for_dialling_may_be_left_out);
    ADD("only-a-named-crl-must-be-there", test_only_a_named_crl_must_be_there);
    ADD("crl-revokes-this-host-too", test_crl_revokes_this_host_too);
    ADD("priority-is-used", test_priority_is_used);
    return g_test_run();
}
