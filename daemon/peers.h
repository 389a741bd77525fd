/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listener, configured peers, back-off, sampling schedule: keeps one identified link and one relation per peer.
 *
 * Both ends of a pair dial; when two links exist for one peer the one dialled by the lexically smaller name is
 * kept. A peer is authorised iff its name is configured and stands in its certificate. Samples: a burst of 8 exchanges at
 * connect, one exchange every poll interval (with +-10 % jitter), and a burst on demand for a hook.
 * Decides nothing about guests. Main thread only.
 */

#include <gio/gio.h>

#include "config.h"
#include "facts.h"
#include "guests.h"
#include "link.h"
#include "relation.h"
#include "tb-clock.h"

typedef struct Peers Peers;
typedef struct Peer Peer;

typedef enum PeerState {
    PEER_IDLE,       /* no link, no attempt under way; next_attempt is scheduled. Left by DIALLING or an accepted link */
    PEER_DIALLING,   /* TCP or TLS under way. Left by HELLO or IDLE (peer_error() says why) */
    PEER_HELLO,      /* link is up, Hello not answered: facts unknown, no samples. Left by LINKED or IDLE */
    PEER_LINKED,     /* facts known, relation sampled, calls possible. Left by IDLE */
    PEER_REFUSED,    /* we may not be peers (protocol version, simulated against real); retried slowly. peer_error() */
} PeerState;

typedef struct PeersParams {
    const Config *config;   /* borrowed until peers_free() or peers_reload() */
    const TbClock *clock;
    LinkTls *tls;
    int listen_fd;          /* -1: bind by config; else an already listening socket (socket activation) (transfer full) */
    const HostFacts *(*host_facts)(void *data);
    /* A peer asks for a guest: answer through link-service (see LinkServiceOps.find_guest). */
    void (*find_guest)(const char *peer_name, const char *uuid, sd_bus_message *call, void *data);
    /* State, facts or relation of `peer` changed; peer == NULL: the set of peers changed. */
    void (*changed)(Peer *peer, void *data);
    void *data;
} PeersParams;

/* TBSYNC_ERROR_FAILED if the address cannot be bound: names it. */
Peers *peers_new(const PeersParams *params, GError **error);
void peers_free(Peers *peers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peers, peers_free)

/* New configuration and credentials: kept peers keep their links. */
void peers_reload(Peers *peers, const Config *config, LinkTls *tls);

/* Own facts changed: tell linked peers (a new Hello). */
void peers_announce(Peers *peers);

guint peers_count(const Peers *peers);
Peer *peers_nth(const Peers *peers, guint n);                  /* (transfer none) in configuration order */
Peer *peers_by_name(const Peers *peers, const char *name);     /* (nullable) */
guint16 peers_listen_port(const Peers *peers);                 /* 0: not listening */

const char *peer_name(const Peer *peer);
const char *peer_address(const Peer *peer);                    /* "host:port" */
PeerState peer_state(const Peer *peer);
const char *peer_state_name(PeerState state);                  /* "idle", "dialling", "hello", "linked", "refused" */
const char *peer_error(const Peer *peer);                      /* (nullable) why it is not linked: one sentence */
const HostFacts *peer_facts(const Peer *peer);                 /* (nullable) of the last Hello */
gint64 peer_since_boot_ns(const Peer *peer);                   /* CLOCK_BOOTTIME of the last state change */

/* peer minus local, now. */
RelationBounds peer_relation(const Peer *peer);

/* Hook path. Asks all linked peers for `uuid` at once and dials the unlinked ones at the same time; completes at the first
 * ROLE_MIGRATING_OUT, or when all have answered, or at the deadline. */
typedef struct PeersFound {
    Peer *peer;          /* (nullable) the best answer: migrating out, else the only active or inactive one */
    GuestRole role;
    GuestFacts guest;    /* its own view */
    guint migrating_out; /* how many peers said so: > 1 is ambiguous (only if told before completion) */
    guint asked, answered;
    GPtrArray *unreachable; /* of char*: names that did not answer, for the finding */
} PeersFound;
void peers_find_guest_async(Peers *peers, const char *uuid, guint deadline_ms, GCancellable *cancellable,
                            GAsyncReadyCallback callback, void *data);
PeersFound *peers_find_guest_finish(Peers *peers, GAsyncResult *result, GError **error); /* (transfer full) */
void peers_found_free(PeersFound *found);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PeersFound, peers_found_free)

/* `count` exchanges one after the other with one peer; each goes into its relation. */
void peer_burst_async(Peer *peer, guint count, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                      void *data);
gboolean peer_burst_finish(Peer *peer, GAsyncResult *result, RelationBounds *ret, GError **error);
