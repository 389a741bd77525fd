/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-socket.h"

#include "error.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Dialled {
    int calls, fd;
    GError *error;
    LinkSocketDial *dial;
    gboolean cancel_inside;
} Dialled;

static void on_dialled(int fd, const GError *error, void *data)
{
    Dialled *dialled = data;

    dialled->calls++;
    dialled->fd = fd;
    dialled->error = error ? g_error_copy(error) : NULL;
    g_assert_cmpint(fd >= 0, ==, error == NULL);
    if (dialled->cancel_inside)
        link_socket_dial_cancel(g_steal_pointer(&dialled->dial));
}

/* A listening socket on loopback, of IPv4 or IPv6. */
static int listen_on(int family, guint16 *ret_port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;
    socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int zero = 0;

    if (family == AF_INET6)
        g_assert_cmpint(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero), ==, 0);
    g_assert_cmpint(bind(fd, address, size), ==, 0);
    g_assert_cmpint(listen(fd, 4), ==, 0);
    g_assert_cmpint(getsockname(fd, address, &size), ==, 0);
    *ret_port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    return fd;
}

static void dial_and_wait(Dialled *dialled, const char *address, guint16 port)
{
    dialled->dial = link_socket_dial(address, port, on_dialled, dialled);
    g_assert_cmpint(dialled->calls, ==, 0);
    while (dialled->calls == 0)
        g_main_context_iteration(NULL, TRUE);
    link_socket_dial_cancel(dialled->dial);
}

static void settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void test_addresses_read_as_usual(void)
{
    static const struct {
        const char *address;
        guint16 port;
        const char *text;
    } cases[] = {
        { "10.77.0.2", 16524, "10.77.0.2:16524" },
        { "beta.example.org", 1, "beta.example.org:1" },
        { "fe80::1", 65535, "[fe80::1]:65535" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = link_socket_text(cases[i].address, cases[i].port);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_a_dialled_socket_is_ours_and_prepared(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *remote = NULL;
    g_autofree char *expected = NULL;
    Dialled dialled = { 0 };
    int value = 0;
    socklen_t size = sizeof value;
    guint16 port;
    int listen_fd = listen_on(AF_INET, &port);

    dial_and_wait(&dialled, "127.0.0.1", port);
    g_assert_no_error(dialled.error);
    g_assert_true(link_socket_prepare(dialled.fd, &error));
    g_assert_no_error(error);
    g_assert_true(fcntl(dialled.fd, F_GETFL) & O_NONBLOCK);
    g_assert_true(fcntl(dialled.fd, F_GETFD) & FD_CLOEXEC);
    g_assert_cmpint(getsockopt(dialled.fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), ==, 0);
    g_assert_cmpint(value, !=, 0);
    g_assert_cmpint(getsockopt(dialled.fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size), ==, 0);
    g_assert_cmpint(value, !=, 0);
    remote = link_socket_remote(dialled.fd);
    expected = g_strdup_printf("127.0.0.1:%u", port);
    g_assert_cmpstr(remote, ==, expected);
    close(dialled.fd);
    close(listen_fd);
}

static void test_a_v4_peer_of_a_v6_socket_reads_as_v4(void)
{
    g_autofree char *remote = NULL;
    Dialled dialled = { 0 };
    guint16 port;
    int listen_fd = listen_on(AF_INET6, &port);
    int fd;

    dial_and_wait(&dialled, "127.0.0.1", port);
    fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    remote = link_socket_remote(fd);
    g_assert_true(g_str_has_prefix(remote, "127.0.0.1:"));
    close(fd);
    close(dialled.fd);
    close(listen_fd);
}

static void test_what_is_no_tcp_socket_is_refused(void)
{
    g_autoptr(GError) error = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_false(link_socket_prepare(fds[0], &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED);
    g_assert_null(link_socket_remote(fds[0]));
    close(fds[0]);
    close(fds[1]);
}

static void test_refusal_is_an_error_and_no_descriptor(void)
{
    Dialled dialled = { 0 };
    guint16 port;

    close(listen_on(AF_INET, &port));
    dial_and_wait(&dialled, "127.0.0.1", port);
    g_assert_error(dialled.error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
    g_clear_error(&dialled.error);
}

static void test_no_call_after_cancel(void)
{
    Dialled dialled = { 0 };
    guint16 port;
    int listen_fd = listen_on(AF_INET, &port);

    /* at once, and after any number of turns of the loop before the call */
    for (int turns = 0; turns < 4; turns++) {
        LinkSocketDial *dial = link_socket_dial(turns % 2 ? "localhost" : "127.0.0.1", port, on_dialled, &dialled);

        for (int i = 0; i < turns && dialled.calls == 0; i++)
            g_main_context_iteration(NULL, FALSE);
        if (dialled.calls > 0) {
            close(dialled.fd);
            dialled.calls = 0;
        }
        link_socket_dial_cancel(dial);
        settle();
        g_assert_cmpint(dialled.calls, ==, 0);
    }
    link_socket_dial_cancel(NULL);
    close(listen_fd);
}

static void test_cancel_inside_the_call_is_safe(void)
{
    Dialled dialled = { .cancel_inside = TRUE };
    guint16 port;
    int listen_fd = listen_on(AF_INET, &port);

    dial_and_wait(&dialled, "127.0.0.1", port);
    g_assert_null(dialled.dial);
    close(dialled.fd);
    close(listen_fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link-socket/addresses-read-as-usual", test_addresses_read_as_usual);
    g_test_add_func("/link-socket/a-dialled-socket-is-ours-and-prepared", test_a_dialled_socket_is_ours_and_prepared);
    g_test_add_func("/link-socket/a-v4-peer-of-a-v6-socket-reads-as-v4", test_a_v4_peer_of_a_v6_socket_reads_as_v4);
    g_test_add_func("/link-socket/what-is-no-tcp-socket-is-refused", test_what_is_no_tcp_socket_is_refused);
    g_test_add_func("/link-socket/refusal-is-an-error-and-no-descriptor", test_refusal_is_an_error_and_no_descriptor);
    g_test_add_func("/link-socket/no-call-after-cancel", test_no_call_after_cancel);
    g_test_add_func("/link-socket/cancel-inside-the-call-is-safe", test_cancel_inside_the_call_is_safe);
    return g_test_run();
}
