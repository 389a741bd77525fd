/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One link: from its socket to both Hellos, and its end. */
#include "peers-private.h"

#include <string.h>

#include "error.h"

static const char *on_link_authorise(Link *link, const char *const *names, void *data)
{
    PeerLink *self = data;

    if (self->condemned)
        return NULL;
    if (self->dialled) /* link.c has already compared with the expected name */
        return self->peer->name;
    for (; *names; names++) {
        Peer *peer = peers_by_name(self->peers, *names);

        if (peer) {
            self->peer = peer_ref(peer);
            return peer->name;
        }
    }
    return NULL;
}

static void on_link_up(Link *link, void *data)
{
    PeerLink *self = data;
    g_autoptr(GError) error = NULL;
    int r;

    if (self->condemned)
        return;
    if (!self->dialled)
        peers_half_open_done(self->peers, self, NULL);
    if (!self->peer->peers) { /* removed by a reload during the handshake */
        peer_link_condemn(self);
        return;
    }
    r = link_service_add(link_bus(link), self->peer->name, &self->peers->service_ops, self);
    peer_adopt_link(self->peer, self);
    if (r >= 0)
        return;
    g_set_error(&error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "cannot serve peer %s: %s", self->peer->name,
                g_strerror(-r));
    peer_lose_link(self->peer, self, error);
}

static gboolean on_hello_timer(void *data)
{
    PeerLink *self = data;
    g_autoptr(GError) error = NULL;

    self->hello_timer = 0;
    g_set_error(&error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT, "peer %s did not finish Hello within %u ms",
                self->peer->name, self->peers->timing.hello_ms);
    peer_lose_link(self->peer, self, error);
    return G_SOURCE_REMOVE;
}

static void on_link_started(Link *link, void *data)
{
    PeerLink *self = data;

    if (self->condemned || !self->up)
        return;
    self->hello_timer = g_timeout_add(self->peers->timing.hello_ms, on_hello_timer, self);
    peer_link_say_hello(self);
}

static void on_link_closed(Link *link, const GError *error, void *data)
{
    PeerLink *self = data;

    if (self->condemned)
        return;
    if (self->up || self->dialled) {
        peer_lose_link(self->peer, self, error);
    } else {
        peers_half_open_done(self->peers, self, error);
        peer_link_condemn(self);
    }
}

static const LinkCallbacks link_callbacks = {
    .authorise = on_link_authorise,
    .up = on_link_up,
    .started = on_link_started,
    .closed = on_link_closed,
};

static PeerLink *peer_link_new(Peers *peers, gboolean dialled, LinkParams *ret_params)
{
    PeerLink *self = g_new0(PeerLink, 1);

    self->peers = peers;
    self->dialled = dialled;
    self->since_boot_ns = tb_clock_boot_ns();
    *ret_params = (LinkParams){
        .tls = peers->tls, .callbacks = &link_callbacks, .data = self, .reactor = peers->reactor
    };
    return self;
}

PeerLink *peer_link_accept(Peers *peers, int fd)
{
    LinkParams params;
    PeerLink *self = peer_link_new(peers, FALSE, &params);

    self->link = link_accept(fd, &params);
    return self;
}

PeerLink *peer_link_dial(Peer *peer)
{
    LinkParams params;
    PeerLink *self = peer_link_new(peer->peers, TRUE, &params);

    self->peer = peer_ref(peer);
    self->link = link_dial(peer->host, peer->port, peer->name, &params);
    return self;
}

void peer_link_free(PeerLink *self)
{
    g_clear_pointer(&self->hello_slot, sd_bus_slot_unref);
    link_free(self->link);
    g_clear_pointer(&self->peer, peer_unref);
    g_free(self);
}

static gboolean on_bury(void *data)
{
    Peers *peers = data;
    g_autoptr(GPtrArray) condemned = g_steal_pointer(&peers->condemned);

    peers->condemned = g_ptr_array_new_with_free_func((GDestroyNotify) peer_link_free);
    peers->bury_source = 0;
    return G_SOURCE_REMOVE;
}

void peer_link_condemn(PeerLink *self)
{
    if (self->condemned)
        return;
    self->condemned = TRUE;
    self->linked = FALSE;
    g_clear_handle_id(&self->hello_timer, g_source_remove);
    g_clear_handle_id(&self->close_timer, g_source_remove);
    g_clear_pointer(&self->hello_slot, sd_bus_slot_unref);
    if (self->peer) {
        g_ptr_array_remove(self->peer->links, self);
        peer_sample_forget(self->peer, self);
    }
    g_ptr_array_add(self->peers->condemned, self);
    if (self->peers->bury_source == 0)
        self->peers->bury_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_bury, self->peers, NULL);
}

static gboolean on_close_timer(void *data)
{
    PeerLink *self = data;

    self->close_timer = 0;
    if (self == self->peer->current) /* the better one is gone meanwhile */
        return G_SOURCE_REMOVE;
    peer_lose_link(self->peer, self, NULL);
    return G_SOURCE_REMOVE;
}

void peer_link_close_later(PeerLink *self, guint delay_ms)
{
    if (self->close_timer == 0)
        self->close_timer = g_timeout_add(delay_ms, on_close_timer, self);
}

/* ---- Hello, both ways ---- */

static gboolean error_is_refusal(const GError *error)
{
    return g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_VERSION) ||
           g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_SIMULATED) ||
           g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_IDENTITY);
}

static void peer_link_hello_failed(PeerLink *self, const GError *error)
{
    g_autoptr(GError) told = g_error_copy(error);

    g_prefix_error(&told, "peer %s: Hello: ", self->peer->name);
    if (error_is_refusal(error))
        peer_refuse(self->peer, told);
    else
        peer_lose_link(self->peer, self, told);
}

static void on_hello_done(guint32 version, const HostFacts *facts, const GError *error, void *data)
{
    PeerLink *self = data;
    g_autoptr(GError) refusal = NULL;

    g_clear_pointer(&self->hello_slot, sd_bus_slot_unref);
    if (error && sd_bus_is_open(link_bus(self->link)) <= 0)
        return; /* the link is closing and will say why: it may be that our certificate was not accepted */
    if (error) {
        peer_link_hello_failed(self, error);
        return;
    }
    if (!peer_may_link(self->peer, version, facts, &refusal)) {
        peer_refuse(self->peer, refusal);
        return;
    }
    self->greeted = TRUE;
    peer_take_facts(self->peer, self, facts);
    if (self->announce)
        peer_link_say_hello(self);
    if (!self->condemned)
        peer_hello_accepted(self->peer, self);
}

void peer_link_say_hello(PeerLink *self)
{
    Peers *peers = self->peers;
    g_autoptr(GError) error = NULL;
    int r;

    self->announce = self->hello_slot != NULL;
    if (self->announce)
        return;
    r = link_call_hello(link_bus(self->link), peers_own_facts(peers), peers->timing.hello_ms, on_hello_done, self,
                        &self->hello_slot);
    if (r >= 0)
        return;
    g_set_error(&error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE, "cannot say Hello to peer %s: %s", self->peer->name,
                g_strerror(-r));
    peer_lose_link(self->peer, self, error);
}

static const HostFacts *on_service_host_facts(void *data)
{
    return peers_own_facts(((PeerLink *) data)->peers);
}

static gboolean on_service_hello(const char *peer_name, guint32 version, const HostFacts *facts, void *data,
                                 GError **error)
{
    PeerLink *self = data;
    g_autoptr(GError) refusal = NULL;

    if (self->condemned) {
        g_set_error_literal(error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "this link is being closed");
        return FALSE;
    }
    if (!peer_may_link(self->peer, version, facts, &refusal)) {
        peer_refuse(self->peer, refusal);
        g_propagate_error(error, g_steal_pointer(&refusal));
        return FALSE;
    }
    self->welcomed = TRUE;
    peer_take_facts(self->peer, self, facts);
    peer_hello_accepted(self->peer, self);
    return TRUE;
}

static void on_service_hello_refused(const GError *error, void *data)
{
    PeerLink *self = data;

    if (!self->condemned)
        peer_refuse(self->peer, error);
}

static void on_service_find_guest(const char *peer_name, const char *uuid, sd_bus_message *call, void *data)
{
    PeerLink *self = data;
    const PeersParams *params = &self->peers->params;
    g_autoptr(GError) error = NULL;

    if (!self->condemned && params->find_guest) {
        params->find_guest(self->peer->name, uuid, call, params->data);
        return;
    }
    error = g_error_new_literal(TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "this link is being closed");
    link_service_reply_error(call, error);
    sd_bus_message_unref(call);
}

static Departure on_service_departure(const char *uuid, void *data)
{
    const PeersParams *params = &((PeerLink *) data)->peers->params;

    return params->departure ? params->departure(uuid, params->data) : (Departure){ .state = DEPARTURE_UNKNOWN };
}

static void on_service_list_guests(const char *peer_name, sd_bus_message *call, void *data)
{
    PeerLink *self = data;
    const PeersParams *params = &self->peers->params;
    g_autoptr(GError) error = NULL;

    if (!self->condemned && params->list_guests) {
        params->list_guests(self->peer->name, call, params->data);
        return;
    }
    error = g_error_new_literal(TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "this link is being closed");
    link_service_reply_error(call, error);
    sd_bus_message_unref(call);
}

static void on_service_guests_told(GuestMarks *marks, void *data)
{
    PeerLink *self = data;

    if (self->condemned)
        guest_marks_free(marks);
    else
        peer_take_marks(self->peer, marks);
}

static GArray *on_service_relations(void *data)
{
    return peers_own_relations(((PeerLink *) data)->peers);
}

const LinkServiceOps peer_link_service_ops = {
    .host_facts = on_service_host_facts,
    .hello = on_service_hello,
    .hello_refused = on_service_hello_refused,
    .find_guest = on_service_find_guest,
    .departure = on_service_departure,
    .list_guests = on_service_list_guests,
    .guests_told = on_service_guests_told,
    .relations = on_service_relations,
};
