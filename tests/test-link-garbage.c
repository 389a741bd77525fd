/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes at the TLS port that nobody in his right mind would send: changed, cut, mixed, random. The seed is printed by GLib and can
 * be given with --seed. What must hold: the link ends with one error, the bus never comes up, nothing leaks. */

#include "link-fixture.h"
#include "link-relay.h"

#include "error.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLOS  1500
#define NOISES  500
#define FLIPS   60
#define SHORT_TIMEOUT_MS 100u
/* more than either end sends in a handshake is not tried */
#define FLIP_RANGE_BYTES 1400

static ssize_t keep_bytes(gnutls_transport_ptr_t where, const void *bytes, size_t size)
{
    g_byte_array_append(where, bytes, (guint) size);
    return (ssize_t) size;
}

static ssize_t no_bytes(gnutls_transport_ptr_t where, void *bytes, size_t size)
{
    errno = EAGAIN;
    return -1;
}

/* What a GnuTLS client says first. */
static GByteArray *client_hello(void)
{
    GByteArray *hello = g_byte_array_new();
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;

    gnutls_certificate_allocate_credentials(&credentials);
    gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
    gnutls_priority_set_direct(session, "NORMAL", NULL);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_ptr(session, hello);
    gnutls_transport_set_push_function(session, keep_bytes);
    gnutls_transport_set_pull_function(session, no_bytes);
    g_assert_cmpint(gnutls_handshake(session), ==, GNUTLS_E_AGAIN);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    g_assert_cmpuint(hello->len, >, 100);
    return hello;
}

/* Sends it all, says no more, and waits until the link has ended. */
static void throw_at(LinkFixture *f, const guint8 *bytes, gsize size_bytes)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons(f->port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int closed = f->server.closed;

    g_assert_cmpint(connect(fd, (struct sockaddr *) &address, sizeof address), ==, 0);
    g_assert_cmpint(send(fd, bytes, size_bytes, MSG_NOSIGNAL), ==, (ssize_t) size_bytes);
    shutdown(fd, SHUT_WR);
    link_wait(&f->server.closed, closed + 1);
    close(fd);
    g_assert_cmpint(f->server.closed, ==, closed + 1);
    g_assert_cmpint(f->server.authorised, ==, 0);
    g_assert_cmpint(f->server.up, ==, 0);
    g_assert_nonnull(f->server.error);
}

static void change(GByteArray *bytes)
{
    guint at = (guint) g_test_rand_int_range(0, (gint32) bytes->len);
    guint8 other[64];

    switch (g_test_rand_int_range(0, 5)) {
    case 0:
        bytes->data[at] ^= (guint8) (1 << g_test_rand_int_range(0, 8));
        break;
    case 1:
        bytes->data[at] = (guint8) g_test_rand_int_range(0, 256);
        break;
    case 2:
        g_byte_array_set_size(bytes, MAX(at, 1));
        break;
    case 3:
        for (gsize i = 0; i < sizeof other; i++)
            other[i] = (guint8) g_test_rand_int_range(0, 256);
        g_byte_array_append(bytes, other, sizeof other);
        break;
    default:
        memset(bytes->data + at, g_test_rand_int_range(0, 2) ? 0xff : 0, MIN(bytes->len - at, 4));
        break;
    }
}

static void test_changed_hellos_are_kept_out(const void *pki)
{
    g_autoptr(GByteArray) hello = client_hello();
    LinkFixture f;

    link_fixture_init(&f, (Pki *) pki);
    for (int i = 0; i < HELLOS; i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();

        g_byte_array_append(bytes, hello->data, hello->len);
        for (int n = g_test_rand_int_range(1, 5); n > 0; n--)
            change(bytes);
        throw_at(&f, bytes->data, bytes->len);
    }
    link_fixture_clear(&f);
}

static void test_noise_is_kept_out(const void *pki)
{
    LinkFixture f;
    guint8 noise[600];

    link_fixture_init(&f, (Pki *) pki);
    for (int i = 0; i < NOISES; i++) {
        for (gsize n = 0; n < sizeof noise; n++)
            noise[n] = (guint8) g_test_rand_int_range(0, 256);
        /* three in four look like a TLS record at first */
        if (i % 4 > 0)
            memcpy(noise, "\x16\x03\x01\x02", 4);
        if (i % 4 > 1)
            memcpy(noise + 5, "\x01\x00\x01", 3);
        throw_at(&f, noise, (gsize) g_test_rand_int_range(1, sizeof noise));
    }
    link_fixture_clear(&f);
}

/* One byte of a good connection is changed on the way. Most end the link, some make one end wait for what never comes until its
 * time limit, a few are ignored by design (RFC 8446 5.1: the version of a record); none is ever taken for data. */
static void flip_one(Pki *pki, LinkRelayPlan plan)
{
    guint timeout_ms = plan.flip ? SHORT_TIMEOUT_MS : 0;
    EchoCount count = { 0 };
    LinkRelay *relay;
    LinkFixture f;
    guint16 port;
    gboolean called = FALSE;

    link_fixture_init(&f, pki);
    f.server.params.handshake_timeout_ms = f.client.params.handshake_timeout_ms = timeout_ms;
    plan.port = f.port;
    relay = link_relay_new(&plan, &port);
    f.client.link = link_dial("127.0.0.1", port, "beta", &f.client.params);
    while (f.client.closed == 0 && count.replies + count.failures + count.wrong == 0) {
        g_main_context_iteration(NULL, TRUE);
        if (f.client.started == 1 && !called && link_bus(f.client.link)) {
            sd_bus_set_method_call_timeout(link_bus(f.client.link), timeout_ms * 1000);
            link_call_echo(link_bus(f.client.link), 1000, &count);
            called = TRUE;
        }
    }
    link_fixture_clear(&f);
    link_relay_join(relay);
    g_assert_cmpint(count.wrong, ==, 0);
    if (!plan.flip)
        g_assert_cmpint(count.replies, ==, 1);
}

static void test_a_byte_changed_on_the_way_is_never_taken_for_data(const void *pki)
{
    flip_one((Pki *) pki, (LinkRelayPlan) { 0 });
    for (int i = 0; i < FLIPS; i++)
        flip_one((Pki *) pki, (LinkRelayPlan) { .from_listener = i % 2,
                                                .at_bytes = (gsize) g_test_rand_int_range(0, FLIP_RANGE_BYTES),
                                                .flip = (guint8) (1 << g_test_rand_int_range(0, 8)) });
}

int main(int argc, char **argv)
{
    g_autoptr(Pki) pki = pki_new("Fleet CA");

    g_test_init(&argc, &argv, NULL);
    pki_issue_host(pki, "alpha");
    pki_issue_host(pki, "beta");
    g_test_add_data_func("/link-garbage/changed-hellos-are-kept-out", pki, test_changed_hellos_are_kept_out);
    g_test_add_data_func("/link-garbage/noise-is-kept-out", pki, test_noise_is_kept_out);
    g_test_add_data_func("/link-garbage/a-byte-changed-on-the-way-is-never-taken-for-data", pki,
                         test_a_byte_changed_on_the_way_is_never_taken_for_data);
    return g_test_run();
}
