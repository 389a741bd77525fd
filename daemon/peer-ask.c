/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions to one linked peer that are asked once: when a guest left it, which guests it has. */
#include "peers-private.h"

#include "error.h"

typedef struct PeerAsk {
    Peer *peer;
    PeerLink *link;
    sd_bus_slot *slot;
    LinkDepartureDone departure; /* one of the two */
    LinkGuestsDone guests;
    void *data;
} PeerAsk;

static PeerAsk *ask_new(Peer *peer, void *data)
{
    PeerAsk *ask = g_new0(PeerAsk, 1);

    ask->peer = peer;
    ask->link = peer->current;
    ask->data = data;
    return ask;
}

static void ask_detach(PeerAsk *ask)
{
    g_ptr_array_remove(ask->peer->asks, ask);
    g_clear_pointer(&ask->slot, sd_bus_slot_unref);
}

static void ask_fail(PeerAsk *ask, const GError *error)
{
    ask_detach(ask);
    if (ask->departure)
        ask->departure(NULL, error, ask->data);
    else
        ask->guests(NULL, FALSE, error, ask->data);
    g_free(ask);
}

void peer_asks_relink(Peer *peer)
{
    g_autoptr(GPtrArray) asks = g_ptr_array_copy(peer->asks, NULL, NULL);

    for (guint i = 0; i < asks->len; i++) {
        PeerAsk *ask = g_ptr_array_index(asks, i);
        g_autoptr(GError) error = NULL;

        if (ask->link->linked)
            continue;
        error = g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE, "the link to peer %s was lost", peer->name);
        ask_fail(ask, error);
    }
}

/* `sent`: what the call said. */
static gboolean ask_keep(PeerAsk *ask, int sent)
{
    if (sent < 0) {
        g_free(ask);
        return FALSE;
    }
    g_ptr_array_add(ask->peer->asks, ask);
    return TRUE;
}

static void on_departure_done(const Departure *departure, const GError *error, void *data)
{
    PeerAsk *ask = data;

    ask_detach(ask);
    ask->departure(departure, error, ask->data);
    g_free(ask);
}

gboolean peer_ask_departure(Peer *peer, const char *uuid, guint deadline_ms, LinkDepartureDone done, void *data)
{
    PeerAsk *ask;

    if (!peer->current)
        return FALSE;
    ask = ask_new(peer, data);
    ask->departure = done;
    return ask_keep(ask, link_call_departure(link_bus(ask->link->link), uuid, deadline_ms, on_departure_done, ask, &ask->slot));
}

static void on_guests_done(const GArray *guests, gboolean complete, const GError *error, void *data)
{
    PeerAsk *ask = data;

    ask_detach(ask);
    ask->guests(guests, complete, error, ask->data);
    g_free(ask);
}

gboolean peer_list_guests(Peer *peer, guint deadline_ms, LinkGuestsDone done, void *data)
{
    PeerAsk *ask;

    if (!peer->current)
        return FALSE;
    ask = ask_new(peer, data);
    ask->guests = done;
    return ask_keep(ask, link_call_list_guests(link_bus(ask->link->link), deadline_ms, on_guests_done, ask, &ask->slot));
}
