/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link.h"

#include "error.h"
#include "link-frames.h"
#include "link-names.h"
#include "link-pump.h"
#include "link-socket.h"
#include "link-tls.h"
#include "reactor.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDSHAKE_TIMEOUT_MS 5000u
/* How long a refused peer may take to read why and hang up, and an ending link to send what it has. Closing at once would
 * make the kernel answer the peer's next byte with a reset, and the reason would be lost with it. */
#define LINGER_MS 1000u
#define LINGER_MAX_BYTES (256u * 1024u)
/* Messages that sd-bus holds for a peer who does not read: with more of them the peer is hostile or hung. */
#define QUEUED_MAX 4096u
/* While a peer does not read, calls to it are not seen to leave: how often it is looked whether one has run out of time. */
#define BLOCKED_TICK_US 100000
/* How many messages one run takes at most: saves a poll() each, and still lets other links run in a flood. */
#define MESSAGES_PER_RUN 16

enum { WATCH_NET, WATCH_PAIR };

struct Link {
    guint refs; /* the owner's, and one for each of our own functions that calls out */
    LinkState state;
    LinkTls *tls;
    const LinkCallbacks *callbacks; /* NULL once the owner has freed it */
    void *data;
    guint handshake_timeout_ms;
    char *expected_name; /* NULL: accepting */
    char *peer_name;
    char *remote;
    ReactorEntry *entry;
    gint64 deadline_us; /* CLOCK_MONOTONIC; of the handshake, or of the end */
    int watch_errno;    /* the kernel does not let us wait for its sockets */
    LinkSocketDial *dial;
    int fd, pair_fd; /* TCP; the far end of the bus's socketpair */
    LinkSession *session;
    LinkSessionStep step; /* LINK_HANDSHAKE: what is waited for */
    gboolean lingering;   /* `error` is set; waiting for the peer to hang up, or for our last bytes to go */
    gsize lingered_bytes;
    LinkPump pump;
    LinkFrames frames;
    sd_bus *bus;
    gboolean bus_busy; /* it has more to do than one run lets it */
    int bus_error; /* positive errno once the bus has ended */
    gboolean spoken_to; /* by the peer's D-Bus: the time limit of the handshake is over */
    gboolean resumed;
    GError *error;
};

static Link *link_ref(Link *link)
{
    link->refs++;
    return link;
}

static void link_unref(Link *link)
{
    if (--link->refs > 0)
        return;
    link_tls_unref(link->tls);
    g_clear_error(&link->error);
    g_free(link->expected_name);
    g_free(link->peer_name);
    g_free(link->remote);
    g_free(link);
}

/* How messages name the other end. */
static char *link_who(const Link *link)
{
    if (link->expected_name)
        return g_strdup_printf("peer %s at %s", link->expected_name, link->remote);
    return g_strdup_printf("connection from %s", link->remote);
}

static GError *link_fault(const Link *link, TbsyncError code, const char *what)
{
    g_autofree char *who = link_who(link);

    return g_error_new(TBSYNC_ERROR, (int) code, "%s: %s", who, what);
}

/* ---- Loop ---- */

/* Decrypted bytes that can be passed on. */
static gboolean link_has_pending(const Link *link)
{
    return (link_pump_wants_stream(&link->pump) & G_IO_IN) && link_session_has_pending(link->session);
}

static void link_update_due(Link *link)
{
    gint64 due_us = link->deadline_us;
    guint64 bus_due_us = G_MAXUINT64;

    if (!link->entry)
        return;
    if (link->state == LINK_UP && link->bus_error == 0) {
        if (sd_bus_get_timeout(link->bus, &bus_due_us) < 0 || link->bus_busy)
            bus_due_us = 0;
        due_us = (gint64) MIN(bus_due_us, (guint64) due_us);
    }
    if (link->state == LINK_UP && link->pump.to_stream.bytes)
        due_us = MIN(due_us, reactor_now_us(link->entry) + BLOCKED_TICK_US);
    if (link->state == LINK_UP && link_has_pending(link))
        due_us = 0;
    reactor_set_due(link->entry, due_us);
}

static void link_set_deadline(Link *link, guint from_now_ms)
{
    link->deadline_us = reactor_now_us(link->entry) + (gint64) from_now_ms * G_TIME_SPAN_MILLISECOND;
    link_update_due(link);
}

static void link_watch(Link *link, GIOCondition net_events, GIOCondition pair_events)
{
    if (reactor_watch(link->entry, WATCH_NET, link->fd, net_events) &&
        reactor_watch(link->entry, WATCH_PAIR, link->pair_fd, pair_events))
        return;
    link->watch_errno = errno;
    link_set_deadline(link, 0);
}

static void link_update_watches(Link *link)
{
    switch (link->state) {
    case LINK_CONNECTING:
    case LINK_CLOSED:
        break;
    case LINK_HANDSHAKE:
        if (link->lingering || link->step == LINK_SESSION_READ)
            link_watch(link, G_IO_IN, 0);
        else
            link_watch(link, G_IO_OUT, 0);
        break;
    case LINK_UP:
        link_watch(link, link_pump_wants_stream(&link->pump), link_pump_wants_bus(&link->pump));
        break;
    }
}

/* ---- Ends ---- */

/* Gives back all but the words. The owner may still read those. */
static void link_release(Link *link)
{
    link->state = LINK_CLOSED;
    link_socket_dial_cancel(g_steal_pointer(&link->dial));
    if (link->bus) {
        sd_bus_close(link->bus);
        link->bus = sd_bus_unref(link->bus);
    }
    link_pump_clear(&link->pump);
    reactor_remove(g_steal_pointer(&link->entry));
    if (link->session) {
        link_session_bye(link->session);
        g_clear_pointer(&link->session, link_session_free);
    }
    if (link->fd >= 0)
        close(link->fd);
    if (link->pair_fd >= 0)
        close(link->pair_fd);
    link->fd = link->pair_fd = -1;
}

/* The link is over, with link->error as the reason. */
static void link_finish(Link *link)
{
    const LinkCallbacks *callbacks = link->callbacks;

    link_release(link);
    if (callbacks)
        callbacks->closed(link, link->error, link->data);
}

static void link_fail(Link *link, GError *error)
{
    g_assert(!link->error);
    link->error = error;
    link_finish(link);
}

/* Refused before LINK_UP: who was sent an alert may read it; no byte of the peer goes anywhere but into the bin. */
static void link_linger(Link *link, GError *error)
{
    if (!link_session_has_alerted(link->session)) {
        link_fail(link, error);
        return;
    }
    g_assert(!link->error);
    link->error = error;
    link->lingering = TRUE;
    shutdown(link->fd, SHUT_WR);
    link_set_deadline(link, LINGER_MS);
}

static void link_discard(Link *link)
{
    char bin[4096];
    gssize n;

    do {
        n = recv(link->fd, bin, sizeof bin, MSG_DONTWAIT);
        link->lingered_bytes += n > 0 ? (gsize) n : 0;
    } while (n > 0 && link->lingered_bytes < LINGER_MAX_BYTES);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    link_finish(link);
}

/* ---- Up ---- */

static gssize link_stream_recv(void *stream, void *buffer, gsize size_bytes)
{
    Link *link = stream;
    gssize n = link_session_recv(link->session, buffer, size_bytes);

    if (n > 0 && !link->spoken_to) {
        link->spoken_to = TRUE;
        link->deadline_us = REACTOR_NEVER;
    }
    return n > 0 && !link_frames_pass(&link->frames, buffer, (gsize) n) ? -EPROTO : n;
}

static gssize link_stream_send(void *stream, const void *buffer, gsize size_bytes)
{
    return link_session_send(((Link *) stream)->session, buffer, size_bytes);
}

static const LinkPumpStream link_stream = { link_stream_recv, link_stream_send };

static GError *link_end_reason(const Link *link)
{
    g_autofree char *what = NULL;
    GError *error = link_session_error(link->session);

    if (error)
        return error;
    if (link_frames_refusal(&link->frames))
        return link_fault(link, TBSYNC_ERROR_FAILED, link_frames_refusal(&link->frames));
    if (link->pump.stream_ended)
        return link_fault(link, TBSYNC_ERROR_UNREACHABLE, "it closed the link");
    what = g_strdup_printf("D-Bus on the link ended: %s", g_strerror(link->bus_error));
    return link_fault(link, TBSYNC_ERROR_FAILED, what);
}

/* The peer's end reaches sd-bus as the end of its socket; it first handles what came before and fails the calls that wait. Only
 * when sd-bus is through, and its last words are sent, is the link over. */
static void link_review(Link *link)
{
    guint64 queued = 0;

    if (link->bus_error != 0 && link_pump_is_flushed(&link->pump))
        link_fail(link, link_end_reason(link));
    else if (sd_bus_get_n_queued_write(link->bus, &queued) >= 0 && queued > QUEUED_MAX)
        link_fail(link, link_fault(link, TBSYNC_ERROR_FAILED, "it does not read what we send"));
}

static void link_on_bus_closed(Link *link, int error)
{
    link->bus_error = error;
    link_set_deadline(link, LINGER_MS);
}

/* Its end of the socketpair is not watched: what goes in at the other end, or comes out of it, is known here. */
static gboolean link_bus_has_work(const Link *link, gboolean fed)
{
    guint64 due_us = G_MAXUINT64;

    return link->bus_error == 0 &&
           (fed || link->bus_busy || (sd_bus_get_events(link->bus) & G_IO_OUT) ||
            sd_bus_get_timeout(link->bus, &due_us) < 0 || due_us <= (guint64) reactor_now_us(link->entry));
}

/* The link may be gone, or LINK_CLOSED, afterwards but for a reference that the caller holds. */
static void link_process_bus(Link *link)
{
    sd_bus *bus = sd_bus_ref(link->bus);
    int r = 1;

    for (int i = 0; i < MESSAGES_PER_RUN && r > 0 && link->state == LINK_UP; i++)
        r = sd_bus_process(bus, NULL);
    link->bus_busy = r > 0;
    /* -ENOTCONN: sd-bus has finished closing after the other end went away; the errno of the loss is not kept */
    if (link->state == LINK_UP && r < 0)
        link_on_bus_closed(link, r == -ENOTCONN ? ECONNRESET : -r);
    else if (link->state == LINK_UP && sd_bus_is_open(bus) <= 0 && sd_bus_get_events(bus) < 0)
        link_on_bus_closed(link, ECONNRESET);
    sd_bus_unref(bus);
}

static void link_pump_bytes(Link *link)
{
    GIOCondition net = reactor_ready(link->entry, WATCH_NET), pair = reactor_ready(link->entry, WATCH_PAIR);
    guint fed = link->pump.fed;

    link_pump_run_some(&link->pump, net != 0 || (pair & ~G_IO_IN) || link_has_pending(link), pair != 0 || (net & ~G_IO_IN));
    if (link_bus_has_work(link, fed != link->pump.fed)) {
        link_process_bus(link);
        if (link->state != LINK_UP)
            return;
        /* what it has to say goes out at once, not a step of the loop later; and so that nothing is left when it ended */
        link_pump_run_some(&link->pump, link->bus_error != 0, TRUE);
    }
    link_review(link);
}

static int link_open_bus(Link *link, int bus_fd)
{
    sd_id128_t id;
    gboolean accepting = link->expected_name == NULL;
    int r = sd_bus_new(&link->bus);

    if (r < 0) {
        close(bus_fd);
        return r;
    }
    r = sd_bus_set_fd(link->bus, bus_fd, bus_fd);
    if (r < 0) {
        close(bus_fd);
        return r;
    }
    if (accepting)
        r = sd_id128_randomize(&id);
    if (r >= 0 && accepting)
        r = sd_bus_set_server(link->bus, 1, id);
    /* Who the peer is was settled by TLS: sd-bus asks nobody's uid, and lets all methods be called. */
    if (r >= 0)
        r = sd_bus_set_anonymous(link->bus, 1);
    if (r >= 0)
        r = sd_bus_set_trusted(link->bus, 1);
    if (r >= 0)
        r = sd_bus_set_bus_client(link->bus, 0);
    if (r >= 0)
        r = sd_bus_negotiate_fds(link->bus, 0);
    return r;
}

static void link_come_up(Link *link)
{
    g_autofree char *what = NULL;
    int fds[2];
    int r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);

    if (r == 0) {
        link->pair_fd = fds[0];
        r = link_open_bus(link, fds[1]);
    } else {
        r = -errno;
    }
    if (r >= 0) {
        link->state = LINK_UP;
        link->resumed = link_session_is_resumed(link->session);
        reactor_set_lane(link->entry, REACTOR_FRIENDS);
        link_frames_init(&link->frames, link->expected_name == NULL);
        link_pump_init(&link->pump, link->pair_fd, &link_stream, link);
        link_session_welcome(link->session);
        /* cppcheck-suppress nullPointerRedundantCheck ; the call may free the link, which clears them */
        link->callbacks->up(link, link->data);
        if (!link->callbacks)
            return;
        r = sd_bus_start(link->bus);
    }
    if (r < 0) {
        what = g_strdup_printf("cannot start D-Bus: %s", g_strerror(-r));
        link_fail(link, link_fault(link, TBSYNC_ERROR_FAILED, what));
        return;
    }
    link->bus_busy = TRUE;
    if (link->callbacks->started)
        link->callbacks->started(link, link->data);
}

/* ---- Handshake ---- */

/* The one place where a stranger becomes a peer: certificate and name in link_session_identify(), then the peer list. */
static void link_identify(Link *link)
{
    GError *error = NULL;
    g_autoptr(GPtrArray) names = link_session_identify(link->session, &error);
    const char *name;

    if (!names) {
        link_linger(link, error);
        return;
    }
    /* cppcheck-suppress nullPointerRedundantCheck ; the call may free the link, which clears them */
    name = link->callbacks->authorise(link, (const char *const *) names->pdata, link->data);
    if (!link->callbacks)
        return;
    if (!name) {
        g_autofree char *all = link_names_text(names);
        g_autofree char *what = g_strdup_printf("%s is not in the peer list", all);

        link_session_deny(link->session);
        link_linger(link, link_fault(link, TBSYNC_ERROR_IDENTITY, what));
        return;
    }
    link->peer_name = g_strdup(name);
    link_come_up(link);
}

static void link_step(Link *link)
{
    g_autofree char *who = link_who(link);
    GError *error = NULL;

    /* Not before the peer's first byte when accepting: whoever connects and stays silent costs no TLS session. */
    if (!link->session)
        link->session = link_session_new(link->tls, link->fd, link->expected_name, who, &error);
    if (!link->session) {
        link_fail(link, error);
        return;
    }
    link->step = link_session_handshake(link->session);
    if (link->step == LINK_SESSION_DONE)
        link_identify(link);
    else if (link->step == LINK_SESSION_FAILED)
        link_linger(link, link_session_error(link->session));
}

static void link_on_deadline(Link *link)
{
    if (link->watch_errno != 0 && !link->error) {
        g_autofree char *what = g_strdup_printf("cannot wait for its socket: %s", g_strerror(link->watch_errno));

        link_fail(link, link_fault(link, TBSYNC_ERROR_FAILED, what));
        return;
    }
    switch (link->state) {
    case LINK_CONNECTING:
        link_fail(link, link_fault(link, TBSYNC_ERROR_TIMEOUT, "no connection within the time limit"));
        break;
    case LINK_HANDSHAKE:
        if (link->error)
            link_finish(link);
        else
            link_fail(link, link_fault(link, TBSYNC_ERROR_TIMEOUT, "no TLS handshake within the time limit"));
        break;
    case LINK_UP:
        if (link->bus_error != 0)
            link_fail(link, link_end_reason(link));
        else
            link_fail(link, link_fault(link, TBSYNC_ERROR_TIMEOUT, "no word of D-Bus within the time limit"));
        break;
    case LINK_CLOSED:
        break;
    }
}

static void link_on_ready(Link *link)
{
    switch (link->state) {
    case LINK_HANDSHAKE:
        if (reactor_ready(link->entry, WATCH_NET) == 0)
            break;
        if (link->lingering)
            link_discard(link);
        else
            link_step(link);
        break;
    case LINK_UP:
        link_pump_bytes(link);
        break;
    case LINK_CONNECTING:
    case LINK_CLOSED:
        break;
    }
}

static void link_run(void *data)
{
    Link *link = link_ref(data);
    gint64 deadline_us = link->deadline_us;

    link_on_ready(link);
    /* a deadline that was set just now has its time */
    if (link->state != LINK_CLOSED && deadline_us == link->deadline_us && deadline_us <= reactor_now_us(link->entry))
        link_on_deadline(link);
    if (link->state != LINK_CLOSED) {
        link_update_watches(link);
        link_update_due(link);
    }
    link_unref(link);
}

/* ---- Life ---- */

static Link *link_new(const LinkParams *params, const char *expected_name, char *remote)
{
    g_autoptr(Reactor) reactor = NULL;
    Link *link = g_new0(Link, 1);

    link->refs = 1;
    link->tls = link_tls_ref(params->tls);
    link->callbacks = params->callbacks;
    link->data = params->data;
    link->handshake_timeout_ms = params->handshake_timeout_ms ? params->handshake_timeout_ms : HANDSHAKE_TIMEOUT_MS;
    link->expected_name = g_strdup(expected_name);
    link->remote = remote;
    link->fd = link->pair_fd = -1;
    reactor = params->reactor ? reactor_ref(params->reactor) : reactor_new(g_main_context_get_thread_default());
    link->entry = reactor_add(reactor, REACTOR_STRANGERS, link_run, link);
    link_set_deadline(link, link->handshake_timeout_ms);
    return link;
}

/* A socket with which nothing can be done ends the link from the loop, as any other failure. */
static void link_start_handshake(Link *link, int fd)
{
    GError *error = NULL;

    link->fd = fd;
    link->state = LINK_HANDSHAKE;
    link->step = link->expected_name ? LINK_SESSION_WRITE : LINK_SESSION_READ;
    if (!link_socket_prepare(fd, &error)) {
        link->error = link_fault(link, TBSYNC_ERROR_FAILED, error->message);
        g_error_free(error);
        link->lingering = TRUE;
        link_set_deadline(link, 0);
    }
    link_update_watches(link);
}

Link *link_accept(int fd, const LinkParams *params)
{
    char *remote = link_socket_remote(fd);
    Link *link = link_new(params, NULL, remote ? remote : g_strdup("an unknown address"));

    link_start_handshake(link, fd);
    return link;
}

static void link_on_connected(int fd, const GError *error, void *data)
{
    Link *link = link_ref(data);

    link_socket_dial_cancel(g_steal_pointer(&link->dial));
    if (fd >= 0) {
        char *remote = link_socket_remote(fd);

        if (remote) {
            g_free(link->remote);
            link->remote = remote;
        }
        link_start_handshake(link, fd);
    } else {
        /* GIO: "Could not connect to HOST: REASON", "Error resolving “HOST”: REASON"; where we dial is said before */
        const char *colon = strrchr(error->message, ':');
        g_autofree char *what = g_strdup_printf("cannot connect: %s", colon && colon[1] == ' ' ? colon + 2 : error->message);

        link_fail(link, link_fault(link, TBSYNC_ERROR_UNREACHABLE, what));
    }
    link_unref(link);
}

Link *link_dial(const char *address, guint16 port, const char *expected_name, const LinkParams *params)
{
    Link *link = link_new(params, expected_name, link_socket_text(address, port));

    link->state = LINK_CONNECTING;
    link->dial = link_socket_dial(address, port, link_on_connected, link);
    return link;
}

void link_free(Link *link)
{
    if (!link)
        return;
    link->callbacks = NULL;
    /* what the owner has just sent, a refusal for instance, is in the socketpair: it goes as far as it can at once */
    if (link->state == LINK_UP)
        link_pump_run(&link->pump);
    link_release(link);
    link_unref(link);
}

/* ---- Accessors ---- */

LinkState link_state(const Link *link)
{
    return link->state;
}

sd_bus *link_bus(const Link *link)
{
    return link->state == LINK_UP ? link->bus : NULL;
}

const char *link_peer_name(const Link *link)
{
    return link->peer_name;
}

const char *link_remote_address(const Link *link)
{
    return link->remote;
}

const GError *link_error(const Link *link)
{
    return link->state == LINK_CLOSED ? link->error : NULL;
}

gboolean link_is_resumed(const Link *link)
{
    return link->resumed;
}

gboolean link_recheck(const Link *link, LinkTls *tls, GError **error)
{
    return link->state != LINK_UP || link_session_recheck(link->session, tls, error);
}
