/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who gets no byte of D-Bus, and what is said about it: each case against a real socket, from both sides of the link. */

#include "link-fixture.h"
#include "link-stranger.h"

#include "error.h"

#include <glib/gstdio.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#define HOUR_S 3600
#define NO_ALERT -1
#define SHORT_TIMEOUT_MS 100u
#define LONG_TIMEOUT_MS  20000u
#define TLS_1_2 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS_1_3 "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define BYTES(text) text, sizeof(text) - 1

typedef struct Case {
    const char *path;
    const char *certificate; /* (nullable) file in the PKI; "other/x" is of the other CA */
    const char *priority;
    const char *words;
    gsize words_bytes;
    StrangerEnd end;
    guint timeout_ms; /* 0: long */
    TbsyncError code;
    const char *text; /* stands in the error */
    int alert;        /* what the stranger hears */
    int authorised;   /* how often the peer list was asked */
} Case;

typedef struct World {
    Pki *pki, *other;
} World;

typedef struct CaseInWorld {
    const Case *c;
    const World *world;
} CaseInWorld;

#define IDENTITY TBSYNC_ERROR_IDENTITY
#define FAILED TBSYNC_ERROR_FAILED
#define UNREACHABLE TBSYNC_ERROR_UNREACHABLE
#define DENIED TBSYNC_ERROR_DENIED

static const char http[] = "GET / HTTP/1.1\r\nHost: beta\r\n\r\n";
static const char dbus[] = "\0AUTH ANONYMOUS\r\nBEGIN\r\n";
/* a whole handshake message, of the wrong type: a certificate */
static const char nonsense[] = "\x16\x03\x01\x00\x10\x0b\x00\x00\x0c" "0123456789ab";
/* the first bytes of a hello of 512 bytes */
static const char beginning[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
/* a record that claims to be longer than any may be */
static const char too_long[] = "\x16\x03\x01\xff\xff\x01\x00\xff\xff\xff";

static const Case accepting[] = {
    { "no-certificate", NULL, TLS_1_3, .code = IDENTITY, .text = "it sent no certificate",
      .alert = GNUTLS_A_CERTIFICATE_REQUIRED },
    { "certificate-of-another-ca", "other/alpha", .code = IDENTITY, .text = "not signed by our CA but by 'CN=Other CA'",
      .alert = GNUTLS_A_UNKNOWN_CA },
    { "certificate-of-a-ca-with-the-same-name", "forged/alpha", .code = IDENTITY, .text = "our CA",
      .alert = GNUTLS_A_UNKNOWN_CA },
    { "certificate-signed-by-a-peer", "by-gamma", .code = IDENTITY, .text = "which may not sign",
      .alert = GNUTLS_A_BAD_CERTIFICATE },
    { "expired", "expired", .code = IDENTITY, .text = "certificate expired on 20", .alert = GNUTLS_A_CERTIFICATE_EXPIRED },
    { "not-yet-valid", "future", .code = IDENTITY, .text = "not yet valid", .alert = GNUTLS_A_CERTIFICATE_EXPIRED },
    { "revoked", "revoked", .code = IDENTITY, .text = "revoked by the CRL", .alert = GNUTLS_A_CERTIFICATE_REVOKED },
    { "server-only-key-purpose", "server-only", .code = IDENTITY, .text = "not for TLS clients",
      .alert = GNUTLS_A_BAD_CERTIFICATE },
    { "name-not-in-the-peer-list", "gamma", .code = IDENTITY, .text = "'gamma' is not in the peer list",
      .alert = GNUTLS_A_ACCESS_DENIED, .authorised = 1 },
    { "common-name-beside-another-dns-name", "cn-and-san", .code = IDENTITY, .text = "'gamma' is not in the peer list",
      .alert = GNUTLS_A_ACCESS_DENIED, .authorised = 1 },
    { "no-name-at-all", "nameless", .code = IDENTITY, .text = "no DNS name", .alert = GNUTLS_A_BAD_CERTIFICATE },
    { "wildcard-name", "wildcard", .code = IDENTITY, .text = "no DNS name", .alert = GNUTLS_A_BAD_CERTIFICATE },
    { "name-with-an-embedded-nul", "nul", .code = IDENTITY, .text = "no DNS name", .alert = GNUTLS_A_BAD_CERTIFICATE },
    { "tls-1.2", "alpha", TLS_1_2, .code = FAILED, .text = "does not speak TLS 1.3",
      .alert = GNUTLS_A_PROTOCOL_VERSION },
    { "http", .words = http, .words_bytes = sizeof http - 1, .code = FAILED, .text = "is not TLS", .alert = NO_ALERT },
    { "d-bus-without-tls", .words = dbus, .words_bytes = sizeof dbus - 1, .code = FAILED, .text = "is not TLS",
      .alert = NO_ALERT },
    { "nonsense-in-a-tls-record", .words = nonsense, .words_bytes = sizeof nonsense - 1, .code = FAILED, .text = "TLS",
      .alert = NO_ALERT },
    { "record-longer-than-any", .words = too_long, .words_bytes = sizeof too_long - 1, .code = FAILED, .text = "TLS",
      .alert = NO_ALERT },
    { "silence", .words = "", .timeout_ms = SHORT_TIMEOUT_MS, .code = TBSYNC_ERROR_TIMEOUT, .text = "time limit",
      .alert = NO_ALERT },
    { "half-a-hello-and-silence", .words = beginning, .words_bytes = sizeof beginning - 1, .timeout_ms = SHORT_TIMEOUT_MS,
      .code = TBSYNC_ERROR_TIMEOUT, .text = "time limit", .alert = NO_ALERT },
    { "close-at-once", .words = "", .end = STRANGER_CLOSES, .code = UNREACHABLE, .text = "closed the connection",
      .alert = NO_ALERT },
    { "close-in-the-hello", .words = beginning, .words_bytes = sizeof beginning - 1, .end = STRANGER_CLOSES,
      .code = UNREACHABLE, .text = "closed the connection", .alert = NO_ALERT },
    { "reset-in-the-hello", .words = beginning, .words_bytes = sizeof beginning - 1, .end = STRANGER_RESETS,
      .code = UNREACHABLE, .text = "was lost", .alert = NO_ALERT },
};

static const Case dialling[] = {
    { "server-of-another-ca", "other/beta", .code = IDENTITY, .text = "not signed by our CA but by 'CN=Other CA'",
      .alert = GNUTLS_A_UNKNOWN_CA },
    { "server-signed-by-a-peer", "by-gamma", .code = IDENTITY, .text = "which may not sign",
      .alert = GNUTLS_A_BAD_CERTIFICATE },
    { "expired-server", "expired", .code = IDENTITY, .text = "certificate expired on 20", .alert = GNUTLS_A_CERTIFICATE_EXPIRED },
    { "server-not-yet-valid", "future", .code = IDENTITY, .text = "not yet valid",
      .alert = GNUTLS_A_CERTIFICATE_EXPIRED },
    { "revoked-server", "revoked", .code = IDENTITY, .text = "revoked by the CRL",
      .alert = GNUTLS_A_CERTIFICATE_REVOKED },
    { "client-only-key-purpose", "client-only", .code = IDENTITY, .text = "not for TLS servers",
      .alert = GNUTLS_A_BAD_CERTIFICATE },
    { "wrong-name", "gamma", .code = IDENTITY, .text = "wrong name: its certificate is for 'gamma', expected 'beta'",
      .alert = GNUTLS_A_BAD_CERTIFICATE },
    { "wildcard-server", "wildcard", .code = IDENTITY, .text = "no DNS name", .alert = GNUTLS_A_BAD_CERTIFICATE },
    { "tls-1.2-server", "beta", TLS_1_2, .code = FAILED, .text = "TLS 1.3 is required", .alert = NO_ALERT },
    { "ssh-server", .words = "SSH-2.0-OpenSSH_9.2\r\n", .words_bytes = 21, .code = FAILED, .text = "is not TLS",
      .alert = NO_ALERT },
    { "silent-server", .words = "", .timeout_ms = SHORT_TIMEOUT_MS, .code = TBSYNC_ERROR_TIMEOUT, .text = "time limit",
      .alert = NO_ALERT },
    { "server-that-hangs-up", .words = "", .end = STRANGER_CLOSES, .code = UNREACHABLE, .text = "peer beta at 127.0.0.1:",
      .alert = NO_ALERT },
    { "server-that-resets", .words = "", .end = STRANGER_RESETS, .code = UNREACHABLE, .text = "peer beta at 127.0.0.1:",
      .alert = NO_ALERT },
};

static StrangerPlan case_plan(const CaseInWorld *in)
{
    const Case *c = in->c;
    StrangerPlan plan = { .priority = c->priority, .words = c->words, .words_bytes = c->words_bytes, .end = c->end };
    const char *file = c->certificate;
    Pki *pki = in->world->pki;

    if (file && g_str_has_prefix(file, "other/")) {
        pki = in->world->other;
        file += strlen("other/");
    }
    if (file && g_str_has_prefix(file, "forged/"))
        file = "forged";
    if (file) {
        plan.certificate_file = pki_path(pki, "%s-cert.pem", file);
        plan.key_file = pki_path(pki, "%s-key.pem", file);
    }
    return plan;
}

static void check_end(const Case *c, const LinkEnd *end)
{
    g_assert_cmpint(end->closed, ==, 1);
    g_assert_cmpint(end->up, ==, 0);
    g_assert_cmpint(end->started, ==, 0);
    g_assert_cmpint(end->authorised, ==, c->authorised);
    g_assert_error(end->error, TBSYNC_ERROR, (int) c->code);
    if (!strstr(end->error->message, c->text))
        g_error("'%s' does not say '%s'", end->error->message, c->text);
    /* one sentence, one line */
    g_assert_null(strchr(end->error->message, '\n'));
}

static void test_accepting(const void *data)
{
    const CaseInWorld *in = data;
    StrangerPlan plan = case_plan(in);
    StrangerResult result;
    Stranger *stranger;
    LinkFixture f;

    link_fixture_init(&f, in->world->pki);
    f.server.params.handshake_timeout_ms = in->c->timeout_ms;
    stranger = stranger_connect(f.port, &plan);
    link_wait(&f.server.closed, 1);
    result = stranger_join(stranger);
    check_end(in->c, &f.server);
    /* who resets early has no address any more when it is accepted */
    g_assert_true(g_str_has_prefix(f.server.error->message,
                                   in->c->end == STRANGER_RESETS ? "connection from " : "connection from 127.0.0.1:"));
    g_assert_cmpint(result.alert, ==, in->c->alert);
    /* alerts are all it ever hears */
    if (plan.words)
        g_assert_cmpint(result.received_bytes, <=, 7);
    else
        g_assert_cmpint(result.received_bytes, ==, 0);
    link_fixture_clear(&f);
}

static void test_dialling(const void *data)
{
    const CaseInWorld *in = data;
    StrangerPlan plan = case_plan(in);
    StrangerResult result;
    Stranger *stranger;
    LinkFixture f;
    guint16 port;

    link_fixture_init(&f, in->world->pki);
    f.client.params.handshake_timeout_ms = in->c->timeout_ms;
    stranger = stranger_listen(&plan, &port);
    f.client.link = link_dial("127.0.0.1", port, "beta", &f.client.params);
    link_wait(&f.client.closed, 1);
    result = stranger_join(stranger);
    check_end(in->c, &f.client);
    g_assert_true(g_str_has_prefix(f.client.error->message, "peer beta at 127.0.0.1:"));
    g_assert_cmpint(result.alert, ==, in->c->alert);
    link_fixture_clear(&f);
}

/* The good ones: what is refused above is refused for its fault and not by accident. */
static void stranger_is_let_in(const World *world, const char *file, gboolean one_byte_at_a_time)
{
    CaseInWorld in = { &(Case) { .certificate = file }, world };
    StrangerPlan plan = case_plan(&in);
    Stranger *stranger;
    StrangerResult result;
    LinkFixture f;

    plan.one_byte_at_a_time = one_byte_at_a_time;
    link_fixture_init(&f, world->pki);
    stranger = stranger_connect(f.port, &plan);
    link_wait(&f.server.up, 1);
    link_wait(&f.server.closed, 1);
    result = stranger_join(stranger);
    g_assert_true(result.handshake_done);
    g_assert_cmpint(result.received_bytes, >, 0);
    g_assert_cmpstr(f.server.names, ==, "alpha");
    link_fixture_clear(&f);
}

static void test_a_good_certificate_is_let_in(const void *world)
{
    stranger_is_let_in(world, "alpha", FALSE);
}

static void test_one_byte_at_a_time_is_let_in(const void *world)
{
    stranger_is_let_in(world, "alpha", TRUE);
}

static void test_no_key_purpose_is_any_purpose(const void *world)
{
    stranger_is_let_in(world, "purposeless", FALSE);
}

static void test_any_purpose_is_let_in(const void *world)
{
    stranger_is_let_in(world, "any-purpose", FALSE);
}

static void test_the_common_name_counts_without_a_san(const void *world)
{
    stranger_is_let_in(world, "cn-only", FALSE);
}

static void test_the_case_of_the_name_does_not_matter(const void *data)
{
    const World *world = data;
    LinkFixture f;

    link_fixture_init(&f, world->pki);
    f.client.accepts = "BETA";
    f.client.link = link_dial("127.0.0.1", f.port, "BETA", &f.client.params);
    link_wait(&f.client.started, 1);
    g_assert_cmpstr(f.client.names, ==, "BETA");
    link_fixture_clear(&f);
}

static void test_a_refused_dialler_hears_why(const void *data)
{
    const World *world = data;
    LinkFixture f;

    link_fixture_init(&f, world->pki);
    f.server.accepts = NULL;
    f.client.link = link_dial("127.0.0.1", f.port, "beta", &f.client.params);
    link_wait(&f.client.closed, 1);
    link_wait(&f.server.closed, 1);
    g_assert_error(f.client.error, TBSYNC_ERROR, TBSYNC_ERROR_DENIED);
    g_assert_nonnull(strstr(f.client.error->message, "knows no name in our certificate"));
    g_assert_cmpint(f.server.up, ==, 0);
    link_fixture_clear(&f);
}

/* One client hello of 16 MiB in many records: GnuTLS must not gather it. */
static void test_a_hello_without_end_is_cut_off(const void *data)
{
    const World *world = data;
    static const guint8 hello[] = { 0x01, 0xff, 0xff, 0xff, 0x03, 0x03 };
    static const guint8 header[] = { 0x16, 0x03, 0x01, 0x40, 0x00 };
    g_autoptr(GByteArray) words = g_byte_array_new();
    StrangerPlan plan = { 0 };
    Stranger *stranger;
    LinkFixture f;

    for (int i = 0; i < 64; i++) {
        guint8 body[0x4000] = { 0 };

        if (i == 0)
            memcpy(body, hello, sizeof hello);
        g_byte_array_append(words, header, sizeof header);
        g_byte_array_append(words, body, sizeof body);
    }
    plan.words = words->data;
    plan.words_bytes = words->len;
    link_fixture_init(&f, world->pki);
    stranger = stranger_connect(f.port, &plan);
    link_wait(&f.server.closed, 1);
    stranger_join(stranger);
    g_assert_error(f.server.error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED);
    g_assert_nonnull(strstr(f.server.error->message, "too much"));
    g_assert_cmpint(f.server.up, ==, 0);
    link_fixture_clear(&f);
}

/* A peer with a good certificate that says nothing after the handshake. Whether it got so far. */
static gboolean is_silent_after_the_handshake(const World *world, guint timeout_ms)
{
    StrangerPlan plan = { .no_greeting = TRUE };
    Stranger *stranger;
    LinkFixture f;
    gboolean up;

    plan.certificate_file = pki_path(world->pki, "alpha-cert.pem");
    plan.key_file = pki_path(world->pki, "alpha-key.pem");
    link_fixture_init(&f, world->pki);
    f.server.params.handshake_timeout_ms = timeout_ms;
    stranger = stranger_connect(f.port, &plan);
    link_wait(&f.server.closed, 1);
    stranger_join(stranger);
    up = f.server.up == 1;
    g_assert_error(f.server.error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT);
    link_fixture_clear(&f);
    return up;
}

/* The handshake takes what it takes on a busy machine, and the limit counts from its beginning. */
static void test_silence_after_the_handshake_is_bounded(const void *world)
{
    guint timeout_ms = SHORT_TIMEOUT_MS;

    while (!is_silent_after_the_handshake(world, timeout_ms)) {
        timeout_ms *= 2;
        g_assert_cmpuint(timeout_ms, <, LONG_TIMEOUT_MS);
    }
}

static void append_field(GByteArray *bytes, guint8 code, char type, const char *value)
{
    static const guint8 zeros[8] = { 0 };
    guint32 size_bytes = GUINT32_TO_LE((guint32) strlen(value));
    const guint8 head[] = { code, 1, (guint8) type, 0 };

    g_byte_array_append(bytes, zeros, (8 - bytes->len % 8) % 8);
    g_byte_array_append(bytes, head, sizeof head);
    if (type == 'g')
        g_byte_array_append(bytes, (const guint8 *) &size_bytes, 1);
    else
        g_byte_array_append(bytes, (const guint8 *) &size_bytes, 4);
    g_byte_array_append(bytes, (const guint8 *) value, (guint) strlen(value) + 1);
}

/* A call of Echo with 4 KiB, as it goes over the wire. */
static GByteArray *echo_call(void)
{
    GByteArray *bytes = g_byte_array_new();
    guint8 header[16] = { 'l', 1, 0, 1, [5] = 0x10, [8] = 1 }; /* body: 4096 bytes, of which 4 say how many follow */
    static const guint8 body[4096] = { 0xfc, 0x0f };
    static const guint8 zeros[8] = { 0 };

    g_byte_array_append(bytes, header, sizeof header);
    append_field(bytes, 1, 'o', "/test");
    append_field(bytes, 2, 's', "org.tbsyncd1.Test");
    append_field(bytes, 3, 's', "Echo");
    append_field(bytes, 8, 'g', "ay");
    bytes->data[12] = (guint8) (bytes->len - sizeof header);
    g_byte_array_append(bytes, zeros, (8 - bytes->len % 8) % 8);
    g_byte_array_append(bytes, body, sizeof body);
    return bytes;
}

/* A peer with a good certificate that calls and calls and never reads an answer. */
static void test_a_peer_that_calls_and_never_reads_is_dropped(const void *data)
{
    const World *world = data;
    g_autoptr(GByteArray) call = echo_call();
    StrangerPlan plan = { .flood = call->data, .flood_bytes = call->len };
    Stranger *stranger;
    LinkFixture f;

    plan.certificate_file = pki_path(world->pki, "alpha-cert.pem");
    plan.key_file = pki_path(world->pki, "alpha-key.pem");
    link_fixture_init(&f, world->pki);
    stranger = stranger_connect(f.port, &plan);
    link_wait(&f.server.closed, 1);
    stranger_join(stranger);
    g_assert_cmpint(f.server.called, >, 1000);
    g_assert_error(f.server.error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED);
    g_assert_nonnull(strstr(f.server.error->message, "does not read what we send"));
    link_fixture_clear(&f);
}

static void issue(Pki *pki, PkiCertificate want, const char *dns)
{
    const char *names[] = { dns, NULL };

    want.cn = want.cn ? want.cn : want.file;
    want.dns = dns ? names : NULL;
    pki_issue(pki, &want);
}

static void issue_all(Pki *pki)
{
    static const char *const server[] = { GNUTLS_KP_TLS_WWW_SERVER, NULL };
    static const char *const client[] = { GNUTLS_KP_TLS_WWW_CLIENT, NULL };
    static const char *const any[] = { GNUTLS_KP_ANY, NULL };
    PkiCertificate nameless = { .file = "nameless" };

    pki_issue_host(pki, "alpha");
    pki_issue_host(pki, "beta");
    pki_issue_host(pki, "gamma");
    issue(pki, (PkiCertificate) { .file = "by-gamma", .issuer = "gamma" }, "alpha");
    issue(pki, (PkiCertificate) { .file = "expired", .from_s = -2 * HOUR_S, .until_s = -HOUR_S }, "alpha");
    issue(pki, (PkiCertificate) { .file = "future", .from_s = HOUR_S, .until_s = 2 * HOUR_S }, "alpha");
    issue(pki, (PkiCertificate) { .file = "revoked" }, "alpha");
    issue(pki, (PkiCertificate) { .file = "server-only", .purposes = server }, "alpha");
    issue(pki, (PkiCertificate) { .file = "client-only", .purposes = client }, "beta");
    issue(pki, (PkiCertificate) { .file = "any-purpose", .purposes = any }, "alpha");
    issue(pki, (PkiCertificate) { .file = "purposeless" }, "alpha");
    issue(pki, (PkiCertificate) { .file = "cn-and-san", .cn = "alpha" }, "gamma");
    issue(pki, (PkiCertificate) { .file = "cn-only", .cn = "alpha" }, NULL);
    issue(pki, (PkiCertificate) { .file = "wildcard" }, "*");
    issue(pki, (PkiCertificate) { .file = "nul", .raw_dns = BYTES("alpha\0.example") }, NULL);
    pki_issue(pki, &nameless);
    pki_revoke(pki, "revoked");
}

/* A CA of the same name with a key of its own: what it signs is put beside ours. */
static void forge(Pki *pki)
{
    g_autoptr(Pki) forger = pki_new("Fleet CA");

    pki_issue_host(forger, "alpha");
    g_assert_cmpint(g_rename(pki_path(forger, "alpha-cert.pem"), pki_path(pki, "forged-cert.pem")), ==, 0);
    g_assert_cmpint(g_rename(pki_path(forger, "alpha-key.pem"), pki_path(pki, "forged-key.pem")), ==, 0);
}

static void add_cases(CaseInWorld *in, const Case *cases, gsize n, GTestDataFunc test)
{
    for (gsize i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("/link-strangers/%s-is-kept-out", cases[i].path);

        in[i].c = &cases[i];
        g_test_add_data_func(path, &in[i], test);
    }
}

int main(int argc, char **argv)
{
    g_autoptr(Pki) pki = pki_new("Fleet CA");
    g_autoptr(Pki) other = pki_new("Other CA");
    World world = { pki, other };
    CaseInWorld in[G_N_ELEMENTS(accepting) + G_N_ELEMENTS(dialling)];

    g_test_init(&argc, &argv, NULL);
    issue_all(pki);
    pki_issue_host(other, "alpha");
    pki_issue_host(other, "beta");
    forge(pki);
    for (gsize i = 0; i < G_N_ELEMENTS(in); i++)
        in[i].world = &world;
    add_cases(in, accepting, G_N_ELEMENTS(accepting), test_accepting);
    add_cases(in + G_N_ELEMENTS(accepting), dialling, G_N_ELEMENTS(dialling), test_dialling);
    g_test_add_data_func("/link-strangers/a-good-certificate-is-let-in", &world, test_a_good_certificate_is_let_in);
    g_test_add_data_func("/link-strangers/one-byte-at-a-time-is-let-in", &world, test_one_byte_at_a_time_is_let_in);
    g_test_add_data_func("/link-strangers/no-key-purpose-is-any-purpose", &world, test_no_key_purpose_is_any_purpose);
    g_test_add_data_func("/link-strangers/any-purpose-is-let-in", &world, test_any_purpose_is_let_in);
    g_test_add_data_func("/link-strangers/the-common-name-counts-without-a-san", &world,
                         test_the_common_name_counts_without_a_san);
    g_test_add_data_func("/link-strangers/the-case-of-the-name-does-not-matter", &world,
                         test_the_case_of_the_name_does_not_matter);
    g_test_add_data_func("/link-strangers/a-hello-without-end-is-cut-off", &world, test_a_hello_without_end_is_cut_off);
    g_test_add_data_func("/link-strangers/silence-after-the-handshake-is-bounded", &world,
                         test_silence_after_the_handshake_is_bounded);
    g_test_add_data_func("/link-strangers/a-peer-that-calls-and-never-reads-is-dropped", &world,
                         test_a_peer_that_calls_and_never_reads_is_dropped);
    g_test_add_data_func("/link-strangers/a-refused-dialler-hears-why", &world, test_a_refused_dialler_hears_why);
    return g_test_run();
}
