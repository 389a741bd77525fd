/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-relay.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

struct LinkRelay {
    LinkRelayPlan plan;
    GThread *thread;
    int listen_fd;
    gsize passed_bytes; /* in the direction of the plan */
};

/* FALSE at the end of the connection. */
static gboolean relay_pass(LinkRelay *relay, int from, int to, gboolean change)
{
    guint8 buffer[4096];
    ssize_t n = recv(from, buffer, sizeof buffer, 0);

    if (n <= 0)
        return FALSE;
    if (change) {
        gsize at = relay->plan.at_bytes - relay->passed_bytes;

        if (relay->plan.at_bytes >= relay->passed_bytes && at < (gsize) n)
            buffer[at] ^= relay->plan.flip;
        relay->passed_bytes += (gsize) n;
    }
    return send(to, buffer, (size_t) n, MSG_NOSIGNAL) == n;
}

static void *relay_run(void *data)
{
    LinkRelay *relay = data;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons(relay->plan.port) };
    struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
    gboolean open;

    fds[0].fd = accept4(relay->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    fds[1].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* the listener may be gone by now: then both ends see this one close */
    open = connect(fds[1].fd, (struct sockaddr *) &address, sizeof address) == 0;
    while (open && poll(fds, 2, -1) > 0) {
        if (fds[0].revents)
            open = relay_pass(relay, fds[0].fd, fds[1].fd, !relay->plan.from_listener);
        if (open && fds[1].revents)
            open = relay_pass(relay, fds[1].fd, fds[0].fd, relay->plan.from_listener);
    }
    close(fds[0].fd);
    close(fds[1].fd);
    close(relay->listen_fd);
    return NULL;
}

LinkRelay *link_relay_new(const LinkRelayPlan *plan, guint16 *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    LinkRelay *relay = g_new0(LinkRelay, 1);

    relay->plan = *plan;
    relay->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(relay->listen_fd, (struct sockaddr *) &address, size), ==, 0);
    g_assert_cmpint(listen(relay->listen_fd, 1), ==, 0);
    g_assert_cmpint(getsockname(relay->listen_fd, (struct sockaddr *) &address, &size), ==, 0);
    *ret_port = ntohs(address.sin_port);
    relay->thread = g_thread_new("relay", relay_run, relay);
    return relay;
}

void link_relay_join(LinkRelay *relay)
{
    g_thread_join(relay->thread);
    g_free(relay);
}
