/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registry: which peers there are, and what happens to all of them. */
#include "peers-private.h"

#include <string.h>
#include <unistd.h>

/* First attempts are spread a little, so that a start with a thousand peers is no storm of handshakes. Most of them wait for the
 * peers to come first: after a restart those dial within a second, and have a ticket to resume their session with, we have none. As
 * long as they keep coming nobody is dialled, within reason; a hook dials whom it needs at once. */
#define START_AT_ONCE   8
#define START_SPREAD_MS 2

static guint start_delay_ms(const Peers *self, guint n)
{
    return n * START_SPREAD_MS + (n < START_AT_ONCE ? 0 : self->timing.start_delay_ms);
}

gboolean peers_are_coming(const Peers *self, guint *ret_again_ms)
{
    gint64 now_boot_ns = tb_clock_boot_ns();
    gint64 calm_ns = (gint64) self->timing.start_calm_ms * (NS_PER_S / 1000);

    if (now_boot_ns - self->start_boot_ns > (gint64) self->timing.start_patience_ms * (NS_PER_S / 1000) ||
        (self->half_open->len == 0 && now_boot_ns - self->accepted_boot_ns > calm_ns))
        return FALSE;
    *ret_again_ms = self->timing.start_calm_ms +
                    (guint) g_random_int_range(0, START_SPREAD_MS * (gint32) self->peers->len + 1);
    return TRUE;
}

static const PeersTiming default_timing = {
    .hello_ms = 5000,
    .exchange_ms = 2000,
    .backoff_min_ms = 250,
    .backoff_max_ms = 30000,
    .backoff_reset_ms = 5000,
    .refused_retry_ms = 60000,
    .retire_ms = 1000,
    .linger_ms = 1000,
    .settle_ms = 30,
    .half_open_ms = 1000,
    .rebind_ms = 5000,
    .start_delay_ms = 700,
    .start_calm_ms = 300,
    .start_patience_ms = 10000,
};

void peers_notify(Peers *self, Peer *peer)
{
    if (self->params.changed && !self->closing)
        self->params.changed(peer, self->params.data);
}

void peers_notify_sampled(Peers *self, Peer *peer)
{
    if (self->params.sampled && !self->closing)
        self->params.sampled(peer, self->params.data);
    else
        peers_notify(self, peer);
}

/* What the exchange stamps mean is told by the clock itself, and who we are by the configuration: a peer checks both. */
const HostFacts *peers_own_facts(Peers *self)
{
    const TbClock *clock = self->params.clock;
    HostFacts *own = &self->own;

    *own = *self->params.host_facts(self->params.data);
    g_strlcpy(own->name, self->own_name, sizeof own->name);
    own->simulated = tb_clock_is_simulated(clock) || (FACT_KNOWN(own, HOST_SIMULATED) && own->simulated);
    own->timebase_hz = tb_clock_frequency_hz(clock);
    FACT_SET(own, HOST_NAME);
    FACT_SET(own, HOST_SIMULATED);
    FACT_SET(own, HOST_TIMEBASE_HZ);
    return own;
}

typedef struct TaskResult {
    GTask *task;
    void *result;
    GDestroyNotify free_result;
    GError *error;
} TaskResult;

static gboolean on_task_result(void *data)
{
    TaskResult *self = data;

    if (self->error)
        g_task_return_error(self->task, g_steal_pointer(&self->error));
    else
        g_task_return_pointer(self->task, g_steal_pointer(&self->result), self->free_result);
    return G_SOURCE_REMOVE;
}

static void task_result_free(void *data)
{
    TaskResult *self = data;

    if (self->result)
        self->free_result(self->result);
    g_clear_error(&self->error);
    g_object_unref(self->task);
    g_free(self);
}

static void task_result_send(const TaskResult *result)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, on_task_result, g_memdup2(result, sizeof *result), task_result_free);
}

void peers_task_return(GTask *task, void *result, GDestroyNotify free_result)
{
    TaskResult later = { .task = g_object_ref(task), .result = result, .free_result = free_result };

    task_result_send(&later);
}

void peers_task_fail(GTask *task, GError *error)
{
    TaskResult later = { .task = g_object_ref(task), .error = error };

    task_result_send(&later);
}

/* ---- life cycle ---- */

Peers *peers_new(const PeersParams *params, GError **error)
{
    g_autoptr(Peers) self = g_new0(Peers, 1);
    const Config *config = params->config;

    self->params = *params;
    self->listen_fd = -1;
    self->timing = params->timing ? *params->timing : default_timing;
    self->service_ops = peer_link_service_ops;
    self->service_ops.clock = params->clock;
    self->tls = link_tls_ref(params->tls);
    self->reactor = params->reactor ? reactor_ref(params->reactor) : reactor_new(NULL);
    self->own_name = g_strdup(config->name);
    self->start_boot_ns = tb_clock_boot_ns();
    self->accepted_boot_ns = G_MININT64 / 2;
    self->peers = g_ptr_array_new_with_free_func((GDestroyNotify) peer_unref);
    self->finds = g_ptr_array_new();
    self->half_open = g_ptr_array_new();
    self->condemned = g_ptr_array_new_with_free_func((GDestroyNotify) peer_link_free);
    if (!peers_listen_start(self, error))
        return NULL;
    for (gsize i = 0; i < config->n_peers; i++)
        g_ptr_array_add(self->peers, peer_new(self, &config->peers[i], start_delay_ms(self, (guint) i)));
    return g_steal_pointer(&self);
}

void peers_free(Peers *self)
{
    if (!self)
        return;
    self->closing = TRUE;
    peers_find_stop(self);
    for (guint i = 0; i < self->peers->len; i++)
        peer_remove(g_ptr_array_index(self->peers, i), "the daemon stops");
    peers_listen_stop(self);
    g_clear_handle_id(&self->bury_source, g_source_remove);
    g_ptr_array_unref(self->condemned);
    g_ptr_array_unref(self->half_open);
    g_ptr_array_unref(self->finds);
    g_ptr_array_unref(self->peers);
    link_tls_unref(self->tls);
    reactor_unref(self->reactor);
    g_free(self->own_name);
    guest_marks_free(self->marks);
    g_free(self);
}

/* ---- reload ---- */

/* The Peer of that name is taken out of `from`. (transfer full) (nullable) */
static Peer *steal_peer(GPtrArray *from, const char *name)
{
    for (guint i = 0; i < from->len; i++)
        if (g_ascii_strcasecmp(((Peer *) g_ptr_array_index(from, i))->name, name) == 0)
            return g_ptr_array_steal_index(from, i);
    return NULL;
}

/* A link whose certificate the new credentials do not accept (revoked, expired, another CA) ends. */
static void peer_recheck(Peer *peer, LinkTls *tls)
{
    g_autoptr(GPtrArray) links = g_ptr_array_copy(peer->links, NULL, NULL);

    for (guint i = 0; i < links->len; i++) {
        PeerLink *link = g_ptr_array_index(links, i);
        g_autoptr(GError) error = NULL;

        if (link->up && !link->condemned && link_state(link->link) == LINK_UP &&
            !link_recheck(link->link, tls, &error))
            peer_lose_link(peer, link, error);
    }
}

/* Of ConfigPeer, borrowed: those of the configuration, then those found that it does not name. */
static GPtrArray *peers_wanted(const Peers *self)
{
    const Config *config = self->params.config;
    GPtrArray *wanted = g_ptr_array_new();
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    g_hash_table_add(names, g_ascii_strdown(config->name, -1));
    for (gsize i = 0; i < config->n_peers; i++) {
        g_ptr_array_add(wanted, &config->peers[i]);
        g_hash_table_add(names, g_ascii_strdown(config->peers[i].name, -1));
    }
    for (gsize i = 0; i < self->n_found; i++)
        if (g_hash_table_add(names, g_ascii_strdown(self->found[i].name, -1)))
            g_ptr_array_add(wanted, (gpointer) &self->found[i]);
    return wanted;
}

static void peers_update(Peers *self, const char *reason)
{
    g_autoptr(GPtrArray) wanted = peers_wanted(self);
    GPtrArray *before = self->peers;
    guint n_new = 0;

    self->peers = g_ptr_array_new_with_free_func((GDestroyNotify) peer_unref);
    for (guint i = 0; i < wanted->len; i++) {
        const ConfigPeer *config = g_ptr_array_index(wanted, i);
        Peer *peer = steal_peer(before, config->name);

        if (!peer)
            peer = peer_new(self, config, start_delay_ms(self, n_new++));
        peer->found = i >= self->params.config->n_peers;
        g_ptr_array_add(self->peers, peer);
    }
    for (guint i = 0; i < before->len; i++)
        peer_remove(g_ptr_array_index(before, i), reason);
    g_ptr_array_unref(before);
    for (guint i = 0; i < wanted->len; i++)
        peer_readdress(g_ptr_array_index(self->peers, i), g_ptr_array_index(wanted, i));
}

void peers_set_found(Peers *self, const ConfigPeer *found, gsize n_found)
{
    self->found = found;
    self->n_found = n_found;
    peers_update(self, "it is not found in DNS any more");
    peers_notify(self, NULL);
}

void peers_reload(Peers *self, const Config *config, LinkTls *tls)
{
    gboolean renamed = g_ascii_strcasecmp(config->name, self->own_name) != 0;

    self->params.config = config;
    link_tls_ref(tls);
    link_tls_unref(self->tls);
    self->tls = tls;
    g_free(self->own_name);
    self->own_name = g_strdup(config->name);
    peers_update(self, "removed from the configuration");
    for (guint i = 0; i < self->peers->len; i++) {
        Peer *peer = g_ptr_array_index(self->peers, i);

        peer_reconfigure(peer);
        if (renamed)
            peer_restart(peer, "this host has another name now");
        else
            peer_recheck(peer, tls);
    }
    peers_listen_reload(self);
    peers_notify(self, NULL);
}

void peers_announce(Peers *self)
{
    for (guint i = 0; i < self->peers->len; i++) {
        Peer *peer = g_ptr_array_index(self->peers, i);
        g_autoptr(GPtrArray) links = g_ptr_array_copy(peer->links, NULL, NULL);

        for (guint j = 0; j < links->len; j++) {
            PeerLink *link = g_ptr_array_index(links, j);

            if (!link->condemned && (link->greeted || link->hello_slot))
                peer_link_say_hello(link);
        }
    }
}

/* ---- accessors ---- */

guint peers_count(const Peers *self)
{
    return self->peers->len;
}

Peer *peers_nth(const Peers *self, guint n)
{
    return n < self->peers->len ? g_ptr_array_index(self->peers, n) : NULL;
}

Peer *peers_by_name(const Peers *self, const char *name)
{
    for (guint i = 0; i < self->peers->len; i++) {
        Peer *peer = g_ptr_array_index(self->peers, i);

        if (g_ascii_strcasecmp(peer->name, name) == 0)
            return peer;
    }
    return NULL;
}

guint16 peers_listen_port(const Peers *self)
{
    return self->listen_port;
}

const char *peers_listen_error(const Peers *self)
{
    return self->listen_error;
}
