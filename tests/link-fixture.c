/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-fixture.h"

#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static gboolean end_frees(LinkEnd *end, EndEvent event)
{
    if (end->free_at != event)
        return FALSE;
    g_clear_pointer(&end->link, link_free);
    return TRUE;
}

static const char *end_authorise(Link *link, const char *const *names, void *data)
{
    LinkEnd *end = data;

    g_assert_cmpint(link_state(link), ==, LINK_HANDSHAKE);
    g_assert_null(link_bus(link));
    end->authorised++;
    g_free(end->names);
    end->names = g_strjoinv(",", (char **) names);
    if (end_frees(end, END_AUTHORISE))
        return end->accepts;
    return end->accepts && g_strv_contains(names, end->accepts) ? end->accepts : NULL;
}

static int on_echo(sd_bus_message *m, void *data, sd_bus_error *ret_error)
{
    LinkEnd *end = data;
    const void *bytes;
    gsize size;
    sd_bus_message *reply = NULL;
    int r;

    end->called++;
    if (end_frees(end, END_CALLED))
        return 1;
    g_assert_cmpint(sd_bus_message_read_array(m, 'y', &bytes, &size), >=, 0);
    g_assert_cmpint(sd_bus_message_new_method_return(m, &reply), >=, 0);
    g_assert_cmpint(sd_bus_message_append_array(reply, 'y', bytes, size), >=, 0);
    r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r < 0 ? r : 1;
}

static const sd_bus_vtable echo_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Echo", "ay", "ay", on_echo, 0),
    SD_BUS_VTABLE_END,
};

static void end_up(Link *link, void *data)
{
    LinkEnd *end = data;

    g_assert_cmpint(link_state(link), ==, LINK_UP);
    g_assert_cmpstr(link_peer_name(link), ==, end->accepts);
    end->up++;
    g_assert_cmpint(sd_bus_add_object_vtable(link_bus(link), NULL, "/test", "org.tbsyncd1.Test", echo_vtable, end), >=, 0);
    end_frees(end, END_UP);
}

static void end_started(Link *link, void *data)
{
    LinkEnd *end = data;

    end->started++;
    end_frees(end, END_STARTED);
}

static void end_closed(Link *link, const GError *error, void *data)
{
    LinkEnd *end = data;

    g_assert_nonnull(error);
    g_assert_cmpint(link_state(link), ==, LINK_CLOSED);
    g_assert_null(link_bus(link));
    g_assert_true(link_error(link) == error);
    end->closed++;
    g_clear_error(&end->error);
    end->error = g_error_copy(error);
    if (g_test_initialized())
        g_test_message("closed: %s", error->message);
    end_frees(end, END_CLOSED);
}

static const LinkCallbacks end_callbacks = { end_authorise, end_up, end_closed, end_started };

void link_end_init(LinkEnd *end, LinkTls *tls, const char *accepts)
{
    *end = (LinkEnd) { .accepts = accepts, .params = { tls, &end_callbacks, end, 0 } };
}

void link_end_clear(LinkEnd *end)
{
    g_clear_pointer(&end->link, link_free);
    g_clear_pointer(&end->names, g_free);
    g_clear_error(&end->error);
}

LinkTls *link_fixture_tls(Pki *pki, const char *host)
{
    g_autoptr(GError) error = NULL;
    LinkTlsConfig config = {
        .ca_file = pki_path(pki, "cacert.pem"),
        .crl_file = pki_path(pki, "cacrl.pem"),
        .cert_file = pki_path(pki, "%s-cert.pem", host),
        .key_file = pki_path(pki, "%s-key.pem", host),
    };
    LinkTls *tls = link_tls_new(&config, &error);

    g_assert_no_error(error);
    return tls;
}

static gboolean on_connection(int fd, GIOCondition condition, void *data)
{
    LinkFixture *f = data;
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

    if (accepted < 0)
        return G_SOURCE_CONTINUE;
    /* one link at a time: the newest counts, as the tests look at it */
    g_clear_pointer(&f->server.link, link_free);
    f->server.link = link_accept(accepted, &f->server.params);
    f->accepted++;
    return G_SOURCE_CONTINUE;
}

void link_fixture_init(LinkFixture *f, Pki *pki)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;

    *f = (LinkFixture) { .pki = pki };
    f->server_tls = link_fixture_tls(pki, "beta");
    f->client_tls = link_fixture_tls(pki, "alpha");
    link_end_init(&f->server, f->server_tls, "alpha");
    link_end_init(&f->client, f->client_tls, "beta");
    f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(bind(f->listen_fd, (struct sockaddr *) &address, size), ==, 0);
    g_assert_cmpint(listen(f->listen_fd, 64), ==, 0);
    g_assert_cmpint(getsockname(f->listen_fd, (struct sockaddr *) &address, &size), ==, 0);
    f->port = ntohs(address.sin_port);
    f->accept_source = g_unix_fd_add(f->listen_fd, G_IO_IN, on_connection, f);
}

void link_fixture_clear(LinkFixture *f)
{
    g_clear_handle_id(&f->accept_source, g_source_remove);
    link_end_clear(&f->server);
    link_end_clear(&f->client);
    link_settle();
    link_tls_unref(f->server_tls);
    link_tls_unref(f->client_tls);
    close(f->listen_fd);
}

void link_wait(const int *counter, int least)
{
    while (*counter < least)
        g_main_context_iteration(NULL, TRUE);
}

void link_settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

void link_fixture_connect(LinkFixture *f)
{
    f->client.link = link_dial("127.0.0.1", f->port, "beta", &f->client.params);
    link_wait(&f->client.started, f->client.started + 1);
    link_wait(&f->server.started, f->client.started);
}

static int on_echoed(sd_bus_message *m, void *data, sd_bus_error *ret_error)
{
    EchoCount *count = data;
    const guint8 *bytes;
    gsize size;
    gboolean right;

    if (sd_bus_message_is_method_error(m, NULL)) {
        count->failures++;
        return 0;
    }
    g_assert_cmpint(sd_bus_message_read_array(m, 'y', (const void **) &bytes, &size), >=, 0);
    right = TRUE;
    for (gsize i = 0; i < size; i++)
        right = right && bytes[i] == (guint8) (i * 7 + i / 251);
    if (right)
        count->replies++;
    else
        count->wrong++;
    return 0;
}

void link_call_echo(sd_bus *bus, gsize size_bytes, EchoCount *count)
{
    sd_bus_message *m = NULL;
    void *space;

    g_assert_nonnull(bus);
    g_assert_cmpint(sd_bus_message_new_method_call(bus, &m, NULL, "/test", "org.tbsyncd1.Test", "Echo"), >=, 0);
    g_assert_cmpint(sd_bus_message_append_array_space(m, 'y', size_bytes, &space), >=, 0);
    for (gsize i = 0; i < size_bytes; i++)
        ((guint8 *) space)[i] = (guint8) (i * 7 + i / 251);
    g_assert_cmpint(sd_bus_call_async(bus, NULL, m, on_echoed, count, 0), >=, 0);
    sd_bus_message_unref(m);
}
