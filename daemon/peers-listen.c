/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The listener, and connections that are not identified yet.
 *
 * Strangers cost at most MaxHandshakes= places. When all are taken nothing more is accepted, so that the kernel's queue holds
 * back a storm of friends in the order they came; a place whose owner has shown no certificate for a second is given to
 * the next, so that silence buys nobody more than that.
 */
#include "peers-private.h"

#include <errno.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib-unix.h>

#include "error.h"

/* After all that concerns peers, and before the handshakes of those who were let in. */
#define PRIORITY_ACCEPT (G_PRIORITY_DEFAULT + 40)
/* No descriptors or no memory: others have to give some back first. */
#define ACCEPT_PAUSE_MS 250
/* Log lines on refused connections: so many at once, and one per second in the long run. */
#define REFUSED_LINES 20

static gboolean on_listen_ready(int fd, GIOCondition events, void *data);

static void peers_accept_start(Peers *self)
{
    g_clear_handle_id(&self->listen_timer, g_source_remove);
    if (self->listen_fd >= 0 && self->listen_source == 0)
        self->listen_source = g_unix_fd_add_full(PRIORITY_ACCEPT, self->listen_fd, G_IO_IN, on_listen_ready, self, NULL);
}

static gboolean on_accept_again(void *data)
{
    Peers *self = data;

    self->listen_timer = 0;
    peers_accept_start(self);
    return G_SOURCE_REMOVE;
}

static void peers_accept_pause(Peers *self, guint pause_ms)
{
    g_clear_handle_id(&self->listen_source, g_source_remove);
    g_clear_handle_id(&self->listen_timer, g_source_remove);
    self->listen_timer = g_timeout_add(pause_ms, on_accept_again, self);
}

/* ---- connections not identified yet ---- */

/* One line each, within reason: whoever scans the port must not fill the journal. */
static void peers_log_refused(Peers *self, const char *message)
{
    gint64 now_boot_ns = tb_clock_boot_ns();
    gint64 earned = (now_boot_ns - self->refused_boot_ns) / NS_PER_S;

    if (earned > 0) {
        self->refused_lines = (guint) MIN(self->refused_lines + earned, REFUSED_LINES);
        self->refused_boot_ns = now_boot_ns;
    }
    if (self->refused_lines == 0) {
        self->refused_unlogged++;
        return;
    }
    self->refused_lines--;
    if (self->refused_unlogged > 0)
        g_message("%u more refused connections were not logged", self->refused_unlogged);
    self->refused_unlogged = 0;
    g_message("refused: %s", message);
}

void peers_half_open_done(Peers *self, PeerLink *link, const GError *error)
{
    g_ptr_array_remove(self->half_open, link);
    if (error)
        peers_log_refused(self, error->message);
    if (self->listen_source == 0 && self->listen_fd >= 0)
        peers_accept_start(self);
}

/* FALSE if there is none, now. */
static gboolean peers_make_place(Peers *self)
{
    gint64 patience_ns = (gint64) self->timing.half_open_ms * (NS_PER_S / 1000);
    g_autoptr(GError) error = NULL;
    PeerLink *oldest;
    gint64 age_ns;

    if (self->half_open->len < MAX(self->params.config->max_handshakes, 1))
        return TRUE;
    oldest = g_ptr_array_index(self->half_open, 0);
    age_ns = tb_clock_boot_ns() - oldest->since_boot_ns;
    if (age_ns < patience_ns) {
        peers_accept_pause(self, (guint) ((patience_ns - age_ns) / (NS_PER_S / 1000)) + 1);
        return FALSE;
    }
    error = g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT,
                        "connection from %s: no certificate within %u ms while others waited",
                        link_remote_address(oldest->link), self->timing.half_open_ms);
    peers_half_open_done(self, oldest, error);
    peer_link_condemn(oldest);
    return TRUE;
}

/* Errors of the connection that was to be accepted, not of the listener (accept(2)). */
static gboolean errno_is_of_connection(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
        return TRUE;
    default:
        return FALSE;
    }
}

static void peers_accept_one(Peers *self)
{
    int fd = accept4(self->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        g_ptr_array_add(self->half_open, peer_link_accept(self, fd));
        self->accepted_boot_ns = tb_clock_boot_ns();
    } else if (!errno_is_of_connection(errno) && errno != EAGAIN && errno != EWOULDBLOCK) {
        g_debug("cannot accept a connection: %s", g_strerror(errno));
        peers_accept_pause(self, ACCEPT_PAUSE_MS);
    }
}

static gboolean on_listen_ready(int fd, GIOCondition events, void *data)
{
    Peers *self = data;

    /* one a step: a hook may be waiting */
    if (peers_make_place(self))
        peers_accept_one(self);
    return G_SOURCE_CONTINUE; /* a source that was paused is destroyed already */
}

/* ---- the listener ---- */

static void peers_listen_close(Peers *self)
{
    g_clear_handle_id(&self->listen_source, g_source_remove);
    g_clear_handle_id(&self->listen_timer, g_source_remove);
    if (self->listen_fd >= 0)
        close(self->listen_fd);
    self->listen_fd = -1;
    self->listen_port = 0;
}

static guint16 socket_port(int fd)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    g_autoptr(GSocketAddress) address = NULL;

    if (getsockname(fd, (struct sockaddr *) &storage, &size) < 0)
        return 0;
    address = g_socket_address_new_from_native(&storage, size);
    return G_IS_INET_SOCKET_ADDRESS(address) ? g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address)) : 0;
}

char *peers_listen_text(const Peers *self)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    g_autoptr(GSocketAddress) address = NULL;
    g_autofree char *ip = NULL;

    if (self->listen_fd < 0 || getsockname(self->listen_fd, (struct sockaddr *) &storage, &size) < 0)
        return g_strdup("");
    address = g_socket_address_new_from_native(&storage, size);
    if (!G_IS_INET_SOCKET_ADDRESS(address))
        return g_strdup("");
    ip = g_inet_address_to_string(g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address)));
    return g_strdup_printf(strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, self->listen_port);
}

/* A listening socket, or a negative errno. */
static int listen_on(GSocketAddress *address)
{
    struct sockaddr_storage storage;
    gssize size = g_socket_address_get_native_size(address);
    int one = 1, zero = 0, fd, r = 0;

    if (!g_socket_address_to_native(address, &storage, sizeof storage, NULL))
        return -EINVAL;
    fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* else a restart could not bind for a minute; and [::] is to mean IPv4 too */
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (storage.ss_family == AF_INET6)
        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, (struct sockaddr *) &storage, (socklen_t) size) < 0 || listen(fd, SOMAXCONN) < 0)
        r = -errno;
    if (r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

static gboolean peers_listen_bind(Peers *self, GError **error)
{
    const Config *config = self->params.config;
    g_autoptr(GSocketAddress) address = NULL;
    int fd;

    if (*config->listen_address == '\0')
        return TRUE;
    address = g_inet_socket_address_new_from_string(config->listen_address, config->listen_port);
    if (!address) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "cannot listen on \"%s\": no IP address",
                    config->listen_address);
        return FALSE;
    }
    fd = listen_on(address);
    if (fd == -EAFNOSUPPORT && g_str_equal(config->listen_address, "::")) { /* a kernel without IPv6 */
        g_autoptr(GSocketAddress) any = g_inet_socket_address_new_from_string("0.0.0.0", config->listen_port);

        fd = listen_on(any);
    }
    if (fd < 0) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "cannot listen on %s port %u: %s",
                    config->listen_address, config->listen_port, g_strerror(-fd));
        return FALSE;
    }
    self->listen_fd = fd;
    self->listen_port = socket_port(fd);
    return TRUE;
}

static void peers_listen_remember(Peers *self)
{
    g_free(self->listen_address);
    self->listen_address = g_strdup(self->params.config->listen_address);
    self->listen_config_port = self->params.config->listen_port;
}

gboolean peers_listen_start(Peers *self, GError **error)
{
    self->refused_lines = REFUSED_LINES;
    self->refused_boot_ns = tb_clock_boot_ns();
    peers_listen_remember(self);
    self->listen_fd = self->params.listen_fd;
    self->listen_inherited = self->listen_fd >= 0;
    if (self->listen_inherited) {
        if (!g_unix_set_fd_nonblocking(self->listen_fd, TRUE, error))
            return FALSE;
        self->listen_port = socket_port(self->listen_fd);
        if (self->listen_config_port != CONFIG_PORT || !g_str_equal(self->listen_address, "::"))
            g_message("Listen= is not used: the socket for peers was handed over, as by tbsyncd.socket of systemd; "
                      "systemctl edit tbsyncd.socket changes it");
    } else if (!peers_listen_bind(self, error)) {
        return FALSE;
    }
    peers_accept_start(self);
    return TRUE;
}

static gboolean on_rebind(void *data)
{
    Peers *self = data;
    g_autoptr(GError) error = NULL;

    self->listen_timer = 0;
    g_clear_pointer(&self->listen_error, g_free);
    if (peers_listen_bind(self, &error)) {
        peers_accept_start(self);
    } else {
        self->listen_error = g_strdup(error->message);
        self->listen_timer = g_timeout_add(self->timing.rebind_ms, on_rebind, self);
    }
    peers_notify(self, NULL);
    return G_SOURCE_REMOVE;
}

void peers_listen_reload(Peers *self)
{
    const Config *config = self->params.config;

    if (self->listen_inherited)
        return;
    if (g_str_equal(config->listen_address, self->listen_address) && config->listen_port == self->listen_config_port)
        return;
    peers_listen_remember(self);
    /* closed first: [::]:16524 and 10.77.0.1:16524 cannot be bound at the same time */
    peers_listen_close(self);
    on_rebind(self);
}

void peers_listen_stop(Peers *self)
{
    peers_listen_close(self);
    for (guint i = 0; i < self->half_open->len; i++)
        peer_link_free(g_ptr_array_index(self->half_open, i));
    g_ptr_array_set_size(self->half_open, 0);
    g_clear_pointer(&self->listen_address, g_free);
    g_clear_pointer(&self->listen_error, g_free);
}
