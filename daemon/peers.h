/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listener, configured peers, back-off, sampling schedule: keeps one identified link and one relation per peer.
 *
 * Both ends of a pair dial; when two links exist for one peer the one dialled by the lexically smaller name is
 * kept. A peer is authorised iff its name is configured, or found (peers_set_found()), and stands in its certificate. Samples:
 * a burst of 8 exchanges at connect, one exchange every poll interval (with +-10 % jitter), and a burst on demand for a hook, as
 * long as it gains something. A relation outlives the link it was measured on, widening by drift, and starts anew when another
 * host answers under the same name.
 * Decides nothing about guests. Main thread and default GMainContext only; nothing here blocks. Names of peers are
 * compared without regard to case.
 */

#include <gio/gio.h>

#include "config.h"
#include "error.h"
#include "facts.h"
#include "guest-marks.h"
#include "guests.h"
#include "ledger.h"
#include "link-service.h"
#include "link.h"
#include "peer-history.h"
#include "relation-json.h"
#include "relation.h"
#include "tb-clock.h"

typedef struct Peers Peers;
typedef struct Peer Peer;

typedef enum PeerState {
    PEER_IDLE,       /* no link, no attempt under way; the next one is scheduled. Left by DIALLING or an accepted link */
    PEER_DIALLING,   /* TCP or TLS under way. Left by HELLO or IDLE (peer_error() says why) */
    PEER_HELLO,      /* link is up, Hello not accepted by both ends: no samples. Left by LINKED, REFUSED or IDLE */
    PEER_LINKED,     /* facts known, relation sampled, calls possible. Left by IDLE or REFUSED */
    PEER_REFUSED,    /* we may not be peers (protocol version, simulated against real, name); peer_error() says why. Retried
                      * slowly, staying in this state. Left by LINKED, or by IDLE when a try fails for another reason */
} PeerState;

/* How long things take; for tests that do not want to wait. */
typedef struct PeersTiming {
    guint hello_ms;         /* from TLS to both Hellos accepted: 5000 */
    guint exchange_ms;      /* deadline of one exchange; two missed ones end the link: 2000 */
    guint backoff_min_ms;   /* 250, doubled up to ... */
    guint backoff_max_ms;   /* ... 30000; +-20 % */
    guint backoff_reset_ms; /* a link that lasted so long resets it: 5000 */
    guint refused_retry_ms; /* 60000 */
    guint retire_ms;        /* the second link of a pair is kept so long before its dialler closes it: 1000 */
    guint linger_ms;        /* a refused link is kept so long, so that the peer can read why: 1000 */
    guint settle_ms;        /* after the first "migrating out", for a second one: 30 */
    guint half_open_ms;     /* age at which an unidentified connection may be thrown out for others that wait: 1000 */
    guint rebind_ms;        /* between attempts to bind after a reload: 5000 */
    guint start_delay_ms;   /* most peers are not dialled before: 700. After that not while others ... */
    guint start_calm_ms;    /* ... came to us in the last: 300 ... */
    guint start_patience_ms; /* ... until so long after the start: 10000 */
} PeersTiming;

typedef struct PeersParams {
    const Config *config;   /* borrowed until peers_free() or peers_reload() */
    const TbClock *clock;
    LinkTls *tls;           /* a reference is taken */
    Ledger *ledger;         /* (nullable): where relations are kept over a restart; must outlive the Peers */
    const PeersTiming *timing; /* (nullable): the defaults. Copied */
    Reactor *reactor;       /* (nullable): one of its own. A reference is taken */
    int listen_fd;          /* -1: bind by config; else an already listening socket (socket activation) (transfer full) */
    /* Own facts. Name, simulated and timebase_hz are set here, by config and clock. (transfer none) */
    const HostFacts *(*host_facts)(void *data);
    /* A peer asks for a guest: answer through link-service (see LinkServiceOps.find_guest). */
    void (*find_guest)(const char *peer_name, const char *uuid, sd_bus_message *call, void *data);
    /* A peer asks when a guest stopped here (see LinkServiceOps.departure). */
    Departure (*departure)(const char *uuid, void *data);
    /* (nullable) A peer asks for all guests (see LinkServiceOps.list_guests). */
    void (*list_guests)(const char *peer_name, sd_bus_message *call, void *data);
    /* State or facts of `peer` changed; peer == NULL: the set of peers or the listener
     * changed. Neither peers_free() nor peers_reload() may be called inside. */
    void (*changed)(Peer *peer, void *data);
    /* (nullable): then `changed` is told. Samples were taken and nothing but the relation of `peer` may have changed: up to
     * thousands of times a second in a large fleet. The same rules. */
    void (*sampled)(Peer *peer, void *data);
    void *data;
} PeersParams;

/* TBSYNC_ERROR_FAILED if the address cannot be bound: names it. Calls nothing back before it returned. */
Peers *peers_new(const PeersParams *params, GError **error);

/* Finds and bursts under way complete with G_IO_ERROR_CANCELLED, from the loop, after this call. */
void peers_free(Peers *peers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peers, peers_free)

/* New configuration and credentials. Kept peers keep their links and relations, unless their certificate is not accepted
 * any more or our own name changed. If a new listening address cannot be bound peers_listen_error() says so, and it is tried
 * again. An inherited listening socket stays. */
void peers_reload(Peers *peers, const Config *config, LinkTls *tls);

/* The peers that were found beside those of the configuration, instead of those of the last call; what the configuration names,
 * or this host, is not looked at. Borrowed until the next call or peers_free(). As for a reload, peers that stay keep their links. */
void peers_set_found(Peers *peers, const ConfigPeer *found, gsize n_found);

/* Own facts changed: tell linked peers (a new Hello). */
void peers_announce(Peers *peers);

/* Our own guests are others: tells linked peers, and those that come, so that their hooks ask first where a guest may be.
 * marks: (transfer full) (nullable): any guest may be here, as before the first call. */
void peers_tell_guests(Peers *peers, GuestMarks *marks);

guint peers_count(const Peers *peers);
Peer *peers_nth(const Peers *peers, guint n);                  /* (transfer none) in configuration order, then those found */
Peer *peers_by_name(const Peers *peers, const char *name);     /* (nullable) */
guint16 peers_listen_port(const Peers *peers);                 /* 0: not listening */
char *peers_listen_text(const Peers *peers);                   /* (transfer full) "[::]:16524", "": not listening */
const char *peers_listen_error(const Peers *peers);            /* (nullable) why it does not listen: one sentence */

/* A Peer that a reload or peers_free() removed can be read as long as a reference is held: it is PEER_IDLE with an error, and
 * its relation is RELATION_NONE. */
Peer *peer_ref(Peer *peer);
void peer_unref(Peer *peer);

const char *peer_name(const Peer *peer);
const char *peer_address(const Peer *peer);                    /* "host:port" */
gboolean peer_is_found(const Peer *peer);                      /* by peers_set_found(): the configuration does not name it */
PeerState peer_state(const Peer *peer);
const char *peer_state_name(PeerState state);                  /* "idle", "dialling", "hello", "linked", "refused" */
const char *peer_error(const Peer *peer);                      /* (nullable) why it is not linked: one sentence */
TbsyncError peer_error_code(const Peer *peer);                 /* what kind of error it is; TBSYNC_ERROR_FAILED if there is none */
const HostFacts *peer_facts(const Peer *peer);                 /* (nullable) of the last Hello, also while not linked */
gint64 peer_since_boot_ns(const Peer *peer);                   /* CLOCK_BOOTTIME of the last state change */

/* peer minus local, now. RELATION_NONE if the two timebases have different frequencies. */
RelationBounds peer_relation(const Peer *peer);

/* The relation rests on exchanges from before this daemon started: RelationBounds.stored. */
gboolean peer_relation_is_stored(const Peer *peer);

RelationDrift peer_drift(const Peer *peer);

/* Bounds of peer minus local of the last day, as long as the same host answered. (transfer none) (nullable): no sample yet. */
const PeerHistory *peer_history(const Peer *peer);

/* Whether the relations among this host and its linked peers can all be true. *ret_suspect (transfer full): the link "alpha-beta" or the
 * host that cannot be right; "unknown" if none can be told; "" unless RELATION_LOOP_OPEN. */
RelationLoopState peers_loop(const Peers *peers, char **ret_suspect);
const char *peers_loop_state_name(RelationLoopState state); /* "unknown", "closes", "open" */

/* Hook path. Asks all linked peers for `uuid` at once, but for those that told not to have it, and dials the unlinked ones at the
 * same time, also those in back-off; a peer whose link is lost meanwhile is asked again on its next one. Completes 30 ms after the first
 * ROLE_MIGRATING_OUT (time for a second one, which makes it ambiguous) and when all that told to have the guest have answered, or when all
 * that were asked have, one of them so, or at the deadline. Where none of them answers so, within 30 ms, those that told not to have it are asked as well. A peer that
 * answers with an error, that is PEER_REFUSED or that is removed has not answered; the first two are not waited for.
 * Errors: G_IO_ERROR_CANCELLED only; TBSYNC_ERROR_INVALID for what is no UUID. */
typedef struct PeersFound {
    Peer *peer;          /* (nullable) (a reference is held) the best answer: migrating out, else the only active one, else the only
                          * inactive one; NULL if several contradict each other */
    GuestRole role;      /* the highest one told, also with peer == NULL; ROLE_ABSENT: nobody has it */
    GuestFacts guest;    /* the view of `peer`; all unknown without one */
    guint migrating_out; /* how many peers said so: > 1 is ambiguous (only if told before completion) */
    guint asked, answered; /* all peers but those of `others`; those of them with an answer other than an error */
    GPtrArray *unreachable; /* of char*: names that did not answer, for the finding */
} PeersFound;
void peers_find_guest_async(Peers *peers, const char *uuid, guint deadline_ms, GCancellable *cancellable,
                            GAsyncReadyCallback callback, void *data);
PeersFound *peers_find_guest_finish(Peers *peers, GAsyncResult *result, GError **error); /* (transfer full) */
void peers_found_free(PeersFound *found);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PeersFound, peers_found_free)

/* `count` exchanges one after the other with one peer, or with 0 as many as make the relation narrower
 * (relation_burst_goes_on()); each goes into its relation. Bursts that overlap share exchanges, so
 * that a hundred hooks at once cost little more than one. At the deadline, or when the link is lost, what was measured until then
 * is enough for success; without any exchange: TBSYNC_ERROR_TIMEOUT, TBSYNC_ERROR_UNREACHABLE. *ret: what gives the bounds at
 * completion: relation_trace_bounds(), peer minus local; not known as in peer_relation(). */
void peer_burst_async(Peer *peer, guint count, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                      void *data);
gboolean peer_burst_finish(Peer *peer, GAsyncResult *result, RelationTrace *ret, GError **error);

/* The same of now, without any exchange. */
RelationTrace peer_trace(const Peer *peer);

/* Asks when a guest that came from that peer stopped there. FALSE if it is not linked: `done` is not called then. Else it is
 * called once, with TBSYNC_ERROR_UNREACHABLE if the link is lost; that may be inside peers_free() or peers_reload(). */
gboolean peer_ask_departure(Peer *peer, const char *uuid, guint deadline_ms, LinkDepartureDone done, void *data);

/* Asks for all guests of that peer, for planning; never from a hook. As peer_ask_departure(). */
gboolean peer_list_guests(Peer *peer, guint deadline_ms, LinkGuestsDone done, void *data);
