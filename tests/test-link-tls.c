/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Credentials: what link_tls_new() says of files that cannot work. */

#include "link.h"
#include "link-fixture.h"
#include "link-stranger.h"
#include "pki.h"

#include "error.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#define HOUR_S 3600

typedef struct Files {
    const char *path; /* of the test */
    const char *ca, *crl, *cert, *key, *client_cert, *client_key, *priority;
    gboolean crl_required;
    const char *file, *text; /* the error names the one and says the other; file NULL: no error */
} Files;

static const Files cases[] = {
    { "one-pair-serves-both-roles", .file = NULL },
    { "two-pairs", .cert = "server-only-cert.pem", .key = "server-only-key.pem", .client_cert = "client-only-cert.pem",
      .client_key = "client-only-key.pem", .file = NULL },
    { "an-absent-default-crl-is-no-error", .crl = "absent.pem", .file = NULL },
    { "an-empty-priority-is-none", .priority = "", .file = NULL },
    { "ca-is-absent", .ca = "absent.pem", .file = "absent.pem", .text = "cannot read it: No such file" },
    { "ca-is-not-pem", .ca = "text.pem", .file = "text.pem", .text = "no CA certificate in PEM form" },
    { "ca-is-empty", .ca = "empty.pem", .file = "empty.pem", .text = "no CA certificate in PEM form" },
    { "certificate-is-absent", .cert = "absent.pem", .file = "absent.pem", .text = "cannot read it: No such file" },
    { "certificate-is-not-pem", .cert = "text.pem", .file = "text.pem", .text = "not a certificate in PEM form" },
    { "certificate-is-a-key", .cert = "beta-key.pem", .file = "beta-key.pem", .text = "not a certificate in PEM form" },
    { "key-is-absent", .key = "absent.pem", .file = "absent.pem", .text = "cannot read it: No such file" },
    { "key-is-not-pem", .key = "text.pem", .file = "text.pem", .text = "not an unencrypted private key" },
    { "key-is-of-another-certificate", .key = "gamma-key.pem", .file = "gamma-key.pem",
      .text = "not the one of the certificate" },
    { "key-has-the-public-half-of-another", .key = "mixed-key.pem", .file = "mixed-key.pem",
      .text = "not the one of the certificate" },
    { "certificate-has-expired", .cert = "expired-cert.pem", .key = "expired-key.pem", .file = "expired-cert.pem",
      .text = "certificate expired on 20" },
    { "certificate-is-not-yet-valid", .cert = "future-cert.pem", .key = "future-key.pem", .file = "future-cert.pem",
      .text = "not yet valid" },
    { "certificate-is-of-another-ca", .cert = "stray-cert.pem", .key = "stray-key.pem", .file = "stray-cert.pem",
      .text = "not signed by our CA but by 'CN=Other CA'" },
    { "certificate-is-revoked", .crl = "cacrl.pem", .cert = "revoked-cert.pem", .key = "revoked-key.pem",
      .file = "revoked-cert.pem", .text = "revoked by the CRL" },
    { "server-certificate-is-used-to-dial", .cert = "server-only-cert.pem", .key = "server-only-key.pem",
      .file = "server-only-cert.pem", .text = "not for TLS clients" },
    { "client-certificate-is-used-to-listen", .cert = "client-only-cert.pem", .key = "client-only-key.pem",
      .file = "client-only-cert.pem", .text = "not for TLS servers" },
    { "client-certificate-is-absent", .client_cert = "absent.pem", .client_key = "beta-key.pem", .file = "absent.pem",
      .text = "cannot read it" },
    { "required-crl-is-absent", .crl = "absent.pem", .crl_required = TRUE, .file = "absent.pem",
      .text = "cannot read it: No such file" },
    { "crl-is-not-pem", .crl = "text.pem", .file = "text.pem", .text = "not a CRL in PEM form" },
    { "crl-is-of-another-ca", .crl = "stray-crl.pem", .file = "stray-crl.pem", .text = "none of the CAs has issued" },
    { "priority-is-nonsense", .priority = "+NONSENSE", .file = "TLSPriority=+NONSENSE", .text = "NONSENSE" },
};

typedef struct FilesInPki {
    const Files *files;
    Pki *pki;
} FilesInPki;

static LinkTls *load(Pki *pki, const Files *files, GError **error)
{
    LinkTlsConfig config = {
        .ca_file = pki_path(pki, "%s", files->ca ? files->ca : "cacert.pem"),
        .crl_file = files->crl ? pki_path(pki, "%s", files->crl) : NULL,
        .crl_required = files->crl_required,
        .cert_file = pki_path(pki, "%s", files->cert ? files->cert : "beta-cert.pem"),
        .key_file = pki_path(pki, "%s", files->key ? files->key : "beta-key.pem"),
        .client_cert_file = files->client_cert ? pki_path(pki, "%s", files->client_cert) : NULL,
        .client_key_file = files->client_key ? pki_path(pki, "%s", files->client_key) : NULL,
        .priority = files->priority,
    };

    return link_tls_new(&config, error);
}

static void test_files(const void *data)
{
    const FilesInPki *in = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(LinkTls) tls = load(in->pki, in->files, &error);

    if (!in->files->file) {
        g_assert_no_error(error);
        g_assert_nonnull(tls);
        return;
    }
    g_assert_null(tls);
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    if (!strstr(error->message, in->files->file) || !strstr(error->message, in->files->text))
        g_error("'%s' does not name '%s' and '%s'", error->message, in->files->file, in->files->text);
}

/* An operator's priority string may choose ciphers; the version is not his to choose. */
static void test_no_priority_brings_tls_1_2_back(const void *data)
{
    Pki *pki = (Pki *) data;
    Files files = { .priority = "+VERS-TLS1.2:+VERS-TLS1.1" };
    StrangerPlan plan = { .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2" };
    g_autoptr(GError) error = NULL;
    g_autoptr(LinkTls) tls = load(pki, &files, &error);
    Stranger *stranger;
    LinkFixture f;

    g_assert_no_error(error);
    plan.certificate_file = pki_path(pki, "alpha-cert.pem");
    plan.key_file = pki_path(pki, "alpha-key.pem");
    link_fixture_init(&f, pki);
    f.server.params.tls = tls;
    stranger = stranger_connect(f.port, &plan);
    link_wait(&f.server.closed, 1);
    stranger_join(stranger);
    g_assert_nonnull(strstr(f.server.error->message, "does not speak TLS 1.3"));
    g_assert_cmpint(f.server.up, ==, 0);
    link_fixture_clear(&f);
}

static void test_a_priority_string_is_used(const void *data)
{
    Pki *pki = (Pki *) data;
    Files only_chacha = { .priority = "-CIPHER-ALL:+CHACHA20-POLY1305" }, only_aes = { .priority = "-CIPHER-ALL:+AES-256-GCM" };
    g_autoptr(LinkTls) server = load(pki, &only_chacha, NULL);
    g_autoptr(LinkTls) client = load(pki, &only_aes, NULL);
    LinkFixture f;

    link_fixture_init(&f, pki);
    f.server.params.tls = server;
    f.client.params.tls = client;
    f.client.link = link_dial("127.0.0.1", f.port, "beta", &f.client.params);
    link_wait(&f.server.closed, 1);
    link_wait(&f.client.closed, 1);
    g_assert_nonnull(strstr(f.server.error->message, "in common"));
    g_assert_nonnull(strstr(f.client.error->message, "in common"));
    link_fixture_clear(&f);
}

static void test_links_keep_their_credentials(const void *data)
{
    Pki *pki = (Pki *) data;
    EchoCount count = { 0 };
    LinkFixture f;

    link_fixture_init(&f, pki);
    link_fixture_connect(&f);
    g_clear_pointer(&f.server_tls, link_tls_unref);
    g_clear_pointer(&f.client_tls, link_tls_unref);
    link_call_echo(link_bus(f.client.link), 100, &count);
    link_wait(&count.replies, 1);
    link_fixture_clear(&f);
}

static void write_text(Pki *pki, const char *file, const char *text)
{
    g_assert_true(g_file_set_contents(pki_path(pki, "%s", file), text, -1, NULL));
}

static void copy_file(Pki *from, const char *file, Pki *to, const char *as)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(pki_path(from, "%s", file), &text, NULL, NULL));
    write_text(to, as, text);
}

static void issue(Pki *pki, const char *file, const char *purpose, gint64 from_s)
{
    const char *dns[] = { file, NULL };
    const char *purposes[] = { purpose, NULL };

    pki_issue(pki, &(PkiCertificate) { .file = file, .cn = file, .dns = dns, .purposes = purpose ? purposes : NULL,
                                       .from_s = from_s, .until_s = from_s ? from_s + HOUR_S : 0 });
}

static void make_files(Pki *pki)
{
    g_autoptr(Pki) other = pki_new("Other CA");

    issue(pki, "alpha", NULL, 0);
    issue(pki, "beta", NULL, 0);
    issue(pki, "gamma", NULL, 0);
    issue(pki, "revoked", NULL, 0);
    issue(pki, "expired", NULL, -2 * HOUR_S);
    issue(pki, "future", NULL, HOUR_S);
    issue(pki, "server-only", GNUTLS_KP_TLS_WWW_SERVER, 0);
    issue(pki, "client-only", GNUTLS_KP_TLS_WWW_CLIENT, 0);
    pki_mix_keys(pki, "beta", "gamma", "mixed");
    pki_revoke(pki, "revoked");
    pki_issue_host(other, "beta");
    pki_revoke(other, NULL);
    copy_file(other, "beta-cert.pem", pki, "stray-cert.pem");
    copy_file(other, "beta-key.pem", pki, "stray-key.pem");
    copy_file(other, "cacrl.pem", pki, "stray-crl.pem");
    write_text(pki, "text.pem", "no certificate\n");
    write_text(pki, "empty.pem", "");
}

int main(int argc, char **argv)
{
    g_autoptr(Pki) pki = pki_new("Fleet CA");
    FilesInPki in[G_N_ELEMENTS(cases)];

    g_test_init(&argc, &argv, NULL);
    make_files(pki);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/link-tls/%s", cases[i].path);

        in[i] = (FilesInPki) { &cases[i], pki };
        g_test_add_data_func(path, &in[i], test_files);
    }
    g_test_add_data_func("/link-tls/no-priority-brings-tls-1.2-back", pki, test_no_priority_brings_tls_1_2_back);
    g_test_add_data_func("/link-tls/a-priority-string-is-used", pki, test_a_priority_string_is_used);
    g_test_add_data_func("/link-tls/links-keep-their-credentials", pki, test_links_keep_their_credentials);
    return g_test_run();
}
