/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-socket.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A peer that is silent for KEEPALIVE_IDLE_S, and then does not answer KEEPALIVE_PROBES, is gone. Data that is not
 * acknowledged for USER_TIMEOUT_MS counts the same: keepalive probes are not sent while data is under way. */
#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES 3
#define USER_TIMEOUT_MS 30000u

struct LinkSocketDial {
    GCancellable *cancellable;
    LinkSocketDone done; /* NULL once cancelled or called */
    void *data;
    gboolean under_way; /* GLib still holds a pointer to this */
    gboolean released;  /* by the owner */
};

static void link_socket_dial_release(LinkSocketDial *dial)
{
    if (dial->under_way || !dial->released)
        return;
    g_object_unref(dial->cancellable);
    g_free(dial);
}

/* The descriptor outlives the GSocket, which closes its own. */
static int link_socket_take(GSocketConnection *connection, GError **error)
{
    int fd = g_socket_get_fd(g_socket_connection_get_socket(connection));
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (copy < 0)
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "cannot duplicate the socket: %s", g_strerror(errno));
    return copy;
}

static void link_socket_on_connected(GObject *client, GAsyncResult *result, void *data)
{
    LinkSocketDial *dial = data;
    LinkSocketDone done = g_steal_pointer(&dial->done);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) connection = NULL;

    connection = g_socket_client_connect_finish(G_SOCKET_CLIENT(client), result, &error);
    if (done) {
        int fd = connection ? link_socket_take(connection, &error) : -1;

        done(fd, error, dial->data); /* may cancel */
    }
    dial->under_way = FALSE;
    link_socket_dial_release(dial);
}

LinkSocketDial *link_socket_dial(const char *address, guint16 port, LinkSocketDone done, void *data)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnectable) where = g_network_address_new(address, port);
    LinkSocketDial *dial = g_new0(LinkSocketDial, 1);

    dial->cancellable = g_cancellable_new();
    dial->done = done;
    dial->data = data;
    dial->under_way = TRUE;
    g_socket_client_set_enable_proxy(client, FALSE);
    g_socket_client_set_protocol(client, G_SOCKET_PROTOCOL_TCP);
    g_socket_client_connect_async(client, where, dial->cancellable, link_socket_on_connected, dial);
    return dial;
}

void link_socket_dial_cancel(LinkSocketDial *dial)
{
    if (!dial)
        return;
    dial->done = NULL;
    dial->released = TRUE;
    g_cancellable_cancel(dial->cancellable);
    link_socket_dial_release(dial);
}

static gboolean link_socket_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

gboolean link_socket_prepare(int fd, GError **error)
{
    if (!g_unix_set_fd_nonblocking(fd, TRUE, error))
        return FALSE;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && link_socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
        link_socket_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
        link_socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S) &&
        link_socket_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S) &&
        link_socket_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES) &&
        link_socket_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS))
        return TRUE;
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "cannot set socket options: %s", g_strerror(errno));
    return FALSE;
}

char *link_socket_text(const char *address, guint16 port)
{
    return g_strdup_printf(strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port);
}

char *link_socket_remote(int fd)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    g_autoptr(GSocketAddress) address = NULL;
    g_autofree char *text = NULL;
    GInetSocketAddress *inet;

    if (getpeername(fd, (struct sockaddr *) &storage, &size) == 0)
        address = g_socket_address_new_from_native(&storage, size);
    /* GLib turns v4-mapped addresses into v4 ones */
    if (!address || !G_IS_INET_SOCKET_ADDRESS(address))
        return NULL;
    inet = G_INET_SOCKET_ADDRESS(address);
    text = g_inet_address_to_string(g_inet_socket_address_get_address(inet));
    return link_socket_text(text, g_inet_socket_address_get_port(inet));
}
