/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Several Peers objects, and peers that misbehave, in one process over real TLS on loopback. For tests only. */

#include "peers-private.h"
#include "pki.h"

#define NODE_PEERS_MAX 4
#define NODE_GUEST_UUID "1f3c2a52-7c5e-4d2b-9f60-0d6d3d1d7a10"

/* What a node answers to FindGuest. */
typedef enum NodeAnswer {
    ANSWER_ROLE,  /* node->role */
    ANSWER_ERROR, /* Error.Unavailable */
    ANSWER_LATER, /* nothing yet: kept in node->question */
} NodeAnswer;

typedef struct Node {
    const char *name;
    Config config;
    ConfigPeer peer_configs[NODE_PEERS_MAX];
    HostFacts facts;
    TbClockConfig clock_config;
    TbClock *clock;
    LinkTls *tls;
    Peers *peers;
    gboolean default_timing; /* as tbsyncd; else quick */
    Reactor *reactor; /* (nullable), borrowed: one for many nodes */
    const PeersTiming *timing; /* (nullable): quick */
    int listen_fd; /* -1: nobody listens on port */
    guint16 port;
    NodeAnswer answer;
    GuestRole role;
    GuestFacts guest; /* told with the role; its name is the node's unless known */
    sd_bus_message *question;
    guint asked;
    Departure departure;
    Ledger *ledger; /* (nullable); the test's own */
    guint changes;  /* notifications */
    guint unlinked; /* times that a peer left PEER_LINKED */
    PeerState states[NODE_PEERS_MAX];
} Node;

/* Not started; listens already, so that its port is known. Simulated clock, 512 MHz. */
void node_init(Node *node, Pki *pki, const char *name);
/* `other` is one of its peers. */
void node_add_peer(Node *node, const Node *other);
void node_start(Node *node);
void node_stop(Node *node); /* may be started again */
void node_close(Node *node); /* stops listening, too: connections are refused */
void node_clear(Node *node);
Peer *node_peer(Node *node, const char *name);
gboolean node_is_linked(Node *node, const char *name);

/* GAsyncReadyCallback: *data (GAsyncResult **) becomes a reference to the result. */
void keep_result(GObject *source, GAsyncResult *result, void *data);
/* Runs the loop until *result is there, and clears it. */
PeersFound *node_find_finish(Node *node, GAsyncResult **result, GError **error);
/* Of NODE_GUEST_UUID; must succeed. */
PeersFound *node_find(Node *node, guint deadline_ms);

/* alpha asks, beta and gamma are asked. */
typedef struct Trio {
    Pki *pki;
    Node alpha, beta, gamma;
} Trio;

void trio_init(Trio *trio); /* not started */
void trio_start(Trio *trio); /* and linked, as alpha sees it */
void trio_clear(Trio *trio);

#define WAIT_UNTIL(condition) \
    while (!(condition))      \
    g_main_context_iteration(NULL, TRUE)

/* A peer that is not tbsyncd: a link that is dialled to `node`, with a service of its own. */
typedef struct Fake {
    Link *link;
    LinkTls *tls;
    HostFacts facts;
    TbClock *clock;
    guint32 version;       /* 1 */
    gboolean mute_hello;   /* does not answer these */
    gboolean mute_exchange;
    gboolean deny_exchange;
    gboolean accept_only;  /* says no Hello itself */
    guint hellos, exchanges;
    gboolean up, closed;
    GError *error;         /* of the end of the link */
    char *hello_error;     /* (nullable) D-Bus name of the answer to its Hello */
    char *hello_message;
    gboolean greeted;      /* its Hello was accepted */
} Fake;

/* `file`: which certificate it shows. */
void fake_init(Fake *fake, Pki *pki, const char *file, const char *name);
void fake_dial(Fake *fake, const Node *node);
void fake_clear(Fake *fake);
