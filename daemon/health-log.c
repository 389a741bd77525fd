/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health-log.h"

#include <string.h>

typedef enum Said {
    SAID_NOTHING,
    SAID_GONE,
    SAID_REFUSED,
    SAID_THERE,
} Said;

typedef struct SaidPeer {
    Said said;
    gboolean was_there;
    RelationFault fault;
} SaidPeer;

struct HealthLog {
    GHashTable *peers; /* name -> SaidPeer */
    Said libvirt;
    Said discovery;
    guint n_discovered;
    char *foreign; /* (nullable) */
};

HealthLog *health_log_new(void)
{
    HealthLog *self = g_new0(HealthLog, 1);

    self->peers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return self;
}

void health_log_free(HealthLog *self)
{
    if (!self)
        return;
    g_hash_table_unref(self->peers);
    g_free(self->foreign);
    g_free(self);
}

static SaidPeer *said_of(HealthLog *self, const char *name)
{
    SaidPeer *said = g_hash_table_lookup(self->peers, name);

    if (!said) {
        said = g_new0(SaidPeer, 1);
        g_hash_table_insert(self->peers, g_strdup(name), said);
    }
    return said;
}

static void say(GLogLevelFlags level, const char *peer, const char *text)
{
    g_log_structured(G_LOG_DOMAIN, level, "TBSYNC_PEER", peer, "MESSAGE", "peer %s: %s", peer, text);
}

static void say_state(const HealthPeer *peer, SaidPeer *said)
{
    g_autofree char *text = NULL;

    if (peer->state == PEER_LINKED) {
        if (said->said != SAID_THERE)
            say(G_LOG_LEVEL_MESSAGE, peer->name, said->was_there ? "linked again" : "linked");
        said->said = SAID_THERE;
        said->was_there = TRUE;
    } else if (peer->state == PEER_REFUSED) {
        if (said->said != SAID_REFUSED) {
            text = g_strdup_printf("refused: %s", peer->error ? peer->error : "for a reason not told");
            say(G_LOG_LEVEL_WARNING, peer->name, text);
        }
        said->said = SAID_REFUSED;
    } else if (said->said == SAID_THERE || (said->said == SAID_NOTHING && peer->error)) {
        text = g_strdup_printf("%s: %s; trying again", said->said == SAID_THERE ? "link lost" : "not linked",
                               peer->error ? peer->error : "closed");
        say(G_LOG_LEVEL_WARNING, peer->name, text);
        said->said = SAID_GONE;
    }
}

static const char *fault_words(RelationFault fault)
{
    switch (fault) {
    case RELATION_FAULT_NONE:
        return "the relation of the clocks holds again";
    case RELATION_FAULT_TOD:
        return "a time of day was stepped, here or there; it is measured anew";
    case RELATION_FAULT_LOCAL_TOD:
        return "this host's time of day was stepped; it is measured anew";
    case RELATION_FAULT_REMOTE_TOD:
        return "its time of day was stepped; it is measured anew";
    case RELATION_FAULT_TIMEBASE:
        return "a timebase jumped or drifts beyond DriftBoundPpb=, here or there; it is measured anew";
    case RELATION_FAULT_LOCAL_TIMEBASE:
        return "this host's timebase jumped or drifts beyond DriftBoundPpb=; it is measured anew";
    case RELATION_FAULT_REMOTE_TIMEBASE:
        return "its timebase jumped or drifts beyond DriftBoundPpb=; it is measured anew";
    case RELATION_FAULT_CLOCKS:
        return "timebase and time of day moved together, here or there: another machine, or a restored one?";
    case RELATION_FAULT_LOCAL_CLOCKS:
        return "this host's timebase and time of day moved together: was this machine restored?";
    case RELATION_FAULT_REMOTE_CLOCKS:
        return "its timebase and time of day moved together: another machine under this name, or a restored one?";
    }
    g_assert_not_reached();
}

void health_log_peer(HealthLog *self, const HealthPeer *peer)
{
    SaidPeer *said = said_of(self, peer->name);

    say_state(peer, said);
    /* what was measured on a lost link proves nothing better meanwhile */
    if (peer->state == PEER_LINKED && peer->fault != said->fault) {
        say(peer->fault == RELATION_FAULT_NONE ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_WARNING, peer->name,
            fault_words(peer->fault));
        said->fault = peer->fault;
    }
}

void health_log_libvirt(HealthLog *self, GuestsState state, const char *error)
{
    if (state == GUESTS_UP && self->libvirt != SAID_THERE) {
        g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "MESSAGE", "connected to libvirt%s",
                         self->libvirt == SAID_NOTHING ? "" : " again");
        self->libvirt = SAID_THERE;
    } else if (state == GUESTS_DOWN && self->libvirt != SAID_GONE) {
        g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "MESSAGE", "no libvirt: %s; trying again",
                         error ? error : "the connection was closed");
        self->libvirt = SAID_GONE;
    }
}

void health_log_discovery(HealthLog *self, guint n, const char *error, const char *foreign)
{
    if (error && self->discovery != SAID_GONE) {
        g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "MESSAGE",
                         "cannot look up Discover=: %s; the %u peers known from it stay, trying again", error, n);
        self->discovery = SAID_GONE;
    } else if (!error && (self->discovery != SAID_THERE || n != self->n_discovered)) {
        g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "MESSAGE", "peers found by Discover=: %u", n);
        self->discovery = SAID_THERE;
    }
    if (foreign && g_strcmp0(foreign, self->foreign) != 0)
        g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "MESSAGE",
                         "DNS names %s, which Discover= does not allow to be peers: not in its domain, or no names of hosts",
                         foreign);
    g_free(self->foreign);
    self->foreign = g_strdup(foreign);
    self->n_discovered = n;
}

static gboolean is_no_peer(void *key, void *value, void *data)
{
    return peers_by_name(data, key) == NULL;
}

void health_log_forget(HealthLog *self, const Peers *peers)
{
    g_hash_table_foreach_remove(self->peers, is_no_peer, (gpointer) peers);
}
