/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of peers share; nobody else includes it.
 *
 * peers.c: registry, reload. peers-listen.c: listener and connections not identified yet. peer.c: the state machine of one
 * peer, its links and back-off. peer-link.c: one link and its Hellos. peer-sample.c: exchanges and bursts. peers-find.c: the
 * hook path. peer-ask.c: other questions to one peer. peer-marks.c: which guests who has, told in advance.
 *
 * Life times: a link is never freed while something that it called is on the stack; peer_link_condemn() cuts all that it could
 * call and an idle source frees it. A Peer counts references, since results of finds and bursts point to it; one that was
 * removed has `peers` NULL and nothing scheduled.
 */

#include "link-service.h"
#include "peers.h"

typedef struct PeerLink {
    Peers *peers;
    Peer *peer; /* a reference; NULL until the certificate was seen */
    Link *link;
    gboolean dialled;  /* by us */
    gboolean up;       /* identified and in peer->links */
    gboolean greeted;  /* the peer accepted our Hello */
    gboolean welcomed; /* we accepted its Hello */
    gboolean linked;   /* both, and not refused since */
    gboolean announce; /* own facts changed while a Hello was under way: say another one */
    gboolean condemned;
    gint64 since_boot_ns;
    guint missed; /* exchanges in a row without an answer */
    sd_bus_slot *hello_slot;
    guint hello_timer; /* both Hellos have to be accepted until then */
    guint close_timer; /* second link of a pair, or refused: closed then */
} PeerLink;

struct Peer {
    guint n_refs;
    Peers *peers; /* NULL: removed */
    char *name, *host, *address;
    guint16 port;
    PeerState state;
    gboolean found; /* by Discover=: the configuration does not name it */
    gboolean refused; /* the last Hello ended so; kept while it is tried again */
    char *error;
    TbsyncError error_code; /* of `error` */
    gint64 since_boot_ns;
    GPtrArray *links;  /* of PeerLink: dialling, in Hello, linked */
    PeerLink *current; /* (nullable) the linked one that is used for calls */
    guint retry_timer;
    gboolean patient; /* the first attempt is put off as long as peers come by themselves */
    guint backoff_ms;
    gboolean has_facts, has_relation, had_relation;
    HostFacts facts;
    Relation relation; /* valid with has_relation */
    RelationState relation_state;
    guint32 relation_drift_ppb;
    PeerHistory *history;    /* (nullable) */
    gint64 kept_boot_ns;      /* when it was last written; 0: never */
    /* peer-loop.c */
    GArray *told; /* (nullable) of LinkRelation: what it says of others */
    gint64 told_boot_ns, told_asked_boot_ns;
    sd_bus_slot *told_slot;
    GuestMarks *marks; /* (nullable): it may have any guest. peer-marks.c */
    /* peer-sample.c */
    sd_bus_slot *exchange_slot; /* at most one exchange is under way */
    PeerLink *exchange_link;
    guint own_samples;  /* exchanges still wanted by ourselves */
    GPtrArray *bursts;  /* of Burst */
    ReactorEntry *sample_timer;
    /* peer-ask.c */
    GPtrArray *asks; /* of PeerAsk */
};

struct Peers {
    PeersParams params;
    PeersTiming timing;
    LinkServiceOps service_ops;
    LinkTls *tls;
    Reactor *reactor; /* of all links and sample timers */
    char *own_name;
    HostFacts own; /* the last that were sent */
    GuestMarks *marks; /* (nullable) of our own guests */
    gboolean closing;
    gint64 start_boot_ns;
    GPtrArray *peers;     /* of Peer */
    const ConfigPeer *found; /* see peers_set_found() */
    gsize n_found;
    GPtrArray *finds;     /* of Find */
    GPtrArray *condemned; /* of PeerLink, freed by bury_source */
    guint bury_source;
    /* peers-listen.c */
    gint64 accepted_boot_ns; /* the last one */
    GPtrArray *half_open; /* of PeerLink, accepted and not identified, oldest first */
    int listen_fd;
    gboolean listen_inherited;
    char *listen_address; /* as configured */
    guint16 listen_config_port, listen_port;
    char *listen_error;
    guint listen_source; /* accepting */
    guint listen_timer;  /* not accepting, or not bound, until then */
    guint refused_lines; /* log lines that may still be written */
    guint refused_unlogged;
    gint64 refused_boot_ns;
};

/* peers.c */
void peers_notify(Peers *peers, Peer *peer);
/* Soon after the start, and peers are connecting to us: who dials now would have two links, and no ticket for his own. *ret_again_ms:
 * when to ask again. */
gboolean peers_are_coming(const Peers *peers, guint *ret_again_ms);
void peers_notify_sampled(Peers *peers, Peer *peer);
const HostFacts *peers_own_facts(Peers *peers);
/* Completes `task` from the loop and never from inside the caller, so that its callback may do whatever it likes. */
void peers_task_return(GTask *task, void *result, GDestroyNotify free_result);
void peers_task_fail(GTask *task, GError *error); /* (transfer full) */

/* peers-listen.c */
gboolean peers_listen_start(Peers *peers, GError **error);
void peers_listen_reload(Peers *peers);
void peers_listen_stop(Peers *peers);
/* `link` is identified or gone: its place is free. error: (nullable) why it was refused, for the log. */
void peers_half_open_done(Peers *peers, PeerLink *link, const GError *error);

/* peer.c */
Peer *peer_new(Peers *peers, const ConfigPeer *config, guint delay_ms);
/* Cuts all links and timers; operations of the peer complete. The caller drops its reference afterwards. */
void peer_remove(Peer *peer, const char *reason);
/* Where to dial, from now on. */
void peer_readdress(Peer *peer, const ConfigPeer *config);
/* The configuration was read again. */
void peer_reconfigure(Peer *peer);
/* Drops all links and dials. */
void peer_restart(Peer *peer, const char *reason);
/* Dials now if there is neither a link nor an attempt. */
void peer_dial(Peer *peer);
gboolean peer_may_link(Peer *peer, guint32 version, const HostFacts *facts, GError **error);
/* What a Hello on `link` told. */
void peer_take_facts(Peer *peer, PeerLink *link, const HostFacts *facts);
/* The link is identified, its Hello comes next. */
void peer_adopt_link(Peer *peer, PeerLink *link);
/* One more Hello of the link was accepted. */
void peer_hello_accepted(Peer *peer, PeerLink *link);
void peer_lose_link(Peer *peer, PeerLink *link, const GError *error);
void peer_refuse(Peer *peer, const GError *error);
/* Whether an answer of it may come in spite of a refusal: a new attempt is under way. */
gboolean peer_has_hope(const Peer *peer);

/* peer-link.c */
PeerLink *peer_link_accept(Peers *peers, int fd);
PeerLink *peer_link_dial(Peer *peer);
void peer_link_say_hello(PeerLink *link);
/* Closed `delay_ms` from now, unless it is its peer's current link then. */
void peer_link_close_later(PeerLink *link, guint delay_ms);
/* Out of all lists, timers and calls cut; freed from the loop. Tells nobody. */
void peer_link_condemn(PeerLink *link);
void peer_link_free(PeerLink *link);
extern const LinkServiceOps peer_link_service_ops;

/* peer-sample.c */
/* At least `count` more exchanges for ourselves; 0: go on where a link was lost. */
void peer_sample(Peer *peer, guint count);
void peer_sample_schedule(Peer *peer);
void peer_sample_forget(Peer *peer, PeerLink *link);  /* it answers no more */
void peer_sample_retrace(Peer *peer);                 /* the relation was started anew */
void peer_sample_relink(Peer *peer);                  /* peer->current changed, NULL included */
void peer_sample_stop(Peer *peer, const GError *error); /* completes all bursts with `error` */

/* peer-ask.c */
void peer_asks_relink(Peer *peer); /* fails what was asked on a link that is lost */

/* peer-loop.c */
void peer_loop_ask(Peer *peer);
void peer_loop_forget(Peer *peer);
GArray *peers_own_relations(const Peers *peers); /* (transfer full) of LinkRelation */

/* peer-memory.c */
void peer_memory_keep(Peer *peer, gboolean now); /* else only if the last time is long ago */
/* Whether the peer's relation is now the one that was kept. Its facts are known. */
gboolean peer_memory_recall(Peer *peer);

/* peer-marks.c */
void peer_tell_marks(Peer *peer); /* ours, on its current link if there is one */
void peer_take_marks(Peer *peer, GuestMarks *marks); /* its own (transfer full) (nullable) */

/* peers-find.c */
/* The links of `peer` changed: asks again what was asked on one that is lost, asks what waits for a link, and gives up
 * where no answer is to be expected. */
void peers_find_relink(Peers *peers, Peer *peer);
void peers_find_stop(Peers *peers);
