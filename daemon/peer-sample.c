/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exchanges with one peer: at connect, every poll interval, and in bursts on demand.
 *
 * One after the other, never two at a time: an exchange that begins before the last one ended proves nothing new
 * (core/relation.h), and the second would wait behind the first and be the wider for it. All who want samples share them.
 */
#include "peers-private.h"

#include "error.h"

/* Exchanges without an answer, one after the other, that end a link. */
#define MISSED_MAX 2

typedef struct Burst {
    Peer *peer; /* a reference */
    GTask *task;
    guint wanted, done; /* wanted 0: as `gain` says */
    RelationBurst gain;
    gboolean skip; /* the exchange under way began before we did: not ours */
    guint deadline_ms;
    guint timer;
    GSource *cancelled; /* (nullable) */
    RelationTrace trace;
} Burst;

/* error: (nullable); used if nothing was measured. */
static void burst_complete(Burst *self, const GError *error)
{
    g_autoptr(GTask) task = self->task;

    g_ptr_array_remove(self->peer->bursts, self);
    reactor_hold_strangers(self->peer->peers->reactor, FALSE);
    g_clear_handle_id(&self->timer, g_source_remove);
    if (self->cancelled) {
        g_source_destroy(self->cancelled);
        g_source_unref(self->cancelled);
    }
    if (error && (self->done == 0 || error->domain == G_IO_ERROR)) {
        peers_task_fail(task, g_error_copy(error));
    } else {
        self->trace.at = tb_clock_read_tb(self->peer->peers->params.clock);
        peers_task_return(task, g_memdup2(&self->trace, sizeof self->trace), g_free);
    }
    peer_unref(self->peer);
    g_free(self);
}

static void peer_sample_next(Peer *self);

static void peer_start_trace(const Peer *self, RelationTrace *trace)
{
    if (self->has_relation)
        relation_trace_start(trace, &self->relation);
    else
        trace->known = FALSE;
}

static void peer_complete_bursts(Peer *self, const GError *error)
{
    for (guint i = self->bursts->len; i-- > 0;)
        burst_complete(g_ptr_array_index(self->bursts, i), error);
}

/* Also for a burst whose own exchanges come later: what the relation takes in belongs to its trace. */
static void peer_trace_exchange(Peer *self, const Exchange *exchange)
{
    if (!self->has_relation)
        return;
    self->relation_state = relation_add(&self->relation, exchange);
    for (guint i = 0; i < self->bursts->len; i++)
        relation_trace_add(&((Burst *) g_ptr_array_index(self->bursts, i))->trace, exchange);
}

void peer_sample_retrace(Peer *self)
{
    for (guint i = 0; i < self->bursts->len; i++)
        peer_start_trace(self, &((Burst *) g_ptr_array_index(self->bursts, i))->trace);
}

static gboolean burst_is_over(Burst *self)
{
    RelationBounds bounds = peer_relation(self->peer);

    self->done++;
    return self->wanted > 0 ? self->done >= self->wanted : !relation_burst_goes_on(&self->gain, &bounds);
}

static void peer_count_exchange(Peer *self)
{
    for (guint i = self->bursts->len; i-- > 0;) {
        Burst *burst = g_ptr_array_index(self->bursts, i);

        if (burst->skip)
            burst->skip = FALSE;
        else if (burst_is_over(burst))
            burst_complete(burst, NULL);
    }
}

/* The exchange under way is over without a result: the next one belongs to all. */
static void peer_skip_none(Peer *self)
{
    for (guint i = 0; i < self->bursts->len; i++)
        ((Burst *) g_ptr_array_index(self->bursts, i))->skip = FALSE;
}

static void peer_miss_exchange(Peer *self, PeerLink *link, const GError *error)
{
    g_autoptr(GError) told = NULL;

    if (self->own_samples == 0)
        self->own_samples = 1; /* whether the link is dead is worth knowing now, not a poll interval later */
    if (++link->missed < MISSED_MAX)
        return;
    told = g_error_copy(error);
    g_prefix_error(&told, "peer %s: %u exchanges in a row failed: ", self->name, link->missed);
    peer_lose_link(self, link, told);
}

/* Of a burst the last bounds, which are the narrowest. */
static void peer_note_history(Peer *self)
{
    RelationBounds bounds = peer_relation(self);

    if (!self->history)
        self->history = g_new0(PeerHistory, 1);
    peer_history_add(self->history, tb_clock_boot_ns(), bounds.tb_ticks);
}

static void on_exchange_done(const Exchange *exchange, const GError *error, void *data)
{
    Peer *self = data;
    PeerLink *link = g_steal_pointer(&self->exchange_link);
    RelationState before = self->relation_state;

    g_clear_pointer(&self->exchange_slot, sd_bus_slot_unref);
    if (error) {
        peer_skip_none(self);
        if (g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE))
            return; /* the link is closing and will say why */
        if (g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_DENIED)) {
            /* alive, and asked too often: whoever wants more has to come again */
            self->own_samples = 0;
            peer_complete_bursts(self, error);
            return;
        }
        peer_miss_exchange(self, link, error);
        peer_sample_next(self);
        return;
    }
    link->missed = 0;
    peer_trace_exchange(self, exchange);
    if (self->own_samples > 0)
        self->own_samples--;
    peer_count_exchange(self);
    if (self->own_samples == 0) {
        peer_note_history(self);
        peer_memory_keep(self, FALSE);
        peer_loop_ask(self);
    }
    if (self->own_samples == 0 || self->relation_state != before)
        peers_notify_sampled(self->peers, self);
    peer_sample_next(self);
}

static void peer_sample_next(Peer *self)
{
    const PeersParams *params;
    g_autoptr(GError) error = NULL;
    int r;

    if (!self->peers || !self->current || self->exchange_slot)
        return;
    if (self->own_samples == 0 && self->bursts->len == 0)
        return;
    params = &self->peers->params;
    self->exchange_link = self->current;
    r = link_call_exchange(link_bus(self->current->link), params->clock, self->peers->timing.exchange_ms,
                           on_exchange_done, self, &self->exchange_slot);
    if (r >= 0)
        return;
    g_set_error(&error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE, "cannot send to peer %s: %s", self->name,
                g_strerror(-r));
    self->exchange_link = NULL;
    peer_lose_link(self, self->current, error);
}

void peer_sample(Peer *self, guint count)
{
    self->own_samples = MAX(self->own_samples, count);
    peer_sample_next(self);
}

static void on_sample_timer(void *data)
{
    Peer *self = data;

    peer_sample_schedule(self);
    peer_sample(self, 1);
}

/* Jitter, so that a fleet that was started by one command does not march in step. */
void peer_sample_schedule(Peer *self)
{
    double poll_ms = (double) self->peers->params.config->poll_interval_ns / (NS_PER_S / 1000);

    if (!self->current) {
        g_clear_pointer(&self->sample_timer, reactor_remove);
        return;
    }
    if (!self->sample_timer)
        self->sample_timer = reactor_add(self->peers->reactor, REACTOR_FRIENDS, on_sample_timer, self);
    reactor_set_due(self->sample_timer, reactor_now_us(self->sample_timer) +
                                            (gint64) (MAX(poll_ms, 1) * 1000 * g_random_double_range(0.9, 1.1)));
}

void peer_sample_forget(Peer *self, PeerLink *link)
{
    if (link != self->exchange_link)
        return;
    self->exchange_link = NULL;
    g_clear_pointer(&self->exchange_slot, sd_bus_slot_unref);
    peer_skip_none(self);
}

void peer_sample_relink(Peer *self)
{
    g_autoptr(GError) error = NULL;

    peer_loop_forget(self);
    peer_sample_schedule(self);
    if (self->current) {
        peer_sample_next(self);
        return;
    }
    self->own_samples = 0;
    g_set_error(&error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE, "the link to peer %s was lost", self->name);
    peer_complete_bursts(self, error);
}

void peer_sample_stop(Peer *self, const GError *error)
{
    self->exchange_link = NULL;
    self->own_samples = 0;
    peer_loop_forget(self);
    g_clear_pointer(&self->exchange_slot, sd_bus_slot_unref);
    g_clear_pointer(&self->sample_timer, reactor_remove);
    peer_complete_bursts(self, error);
}

/* ---- bursts on demand ---- */

static gboolean on_burst_deadline(void *data)
{
    Burst *self = data;
    g_autoptr(GError) error = g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT, "no exchange with peer %s within %u ms",
                                          self->peer->name, self->deadline_ms);

    self->timer = 0;
    burst_complete(self, error);
    return G_SOURCE_REMOVE;
}

static gboolean on_burst_cancelled(GCancellable *cancellable, void *data)
{
    Burst *self = data;
    g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "the burst was cancelled");

    burst_complete(self, error);
    return G_SOURCE_REMOVE;
}

void peer_burst_async(Peer *self, guint count, guint deadline_ms, GCancellable *cancellable,
                      GAsyncReadyCallback callback, void *data)
{
    /* our own sources watch the cancellable, so that a result that is ready is not replaced by it */
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Burst *burst;

    g_task_set_source_tag(task, peer_burst_async);
    if (!self->peers || self->peers->closing || !self->current) {
        g_task_return_new_error(task, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE, "peer %s is not linked%s%s", self->name,
                                self->error ? ": " : "", self->error ? self->error : "");
        return;
    }
    burst = g_new0(Burst, 1);
    burst->peer = peer_ref(self);
    burst->task = g_steal_pointer(&task);
    burst->wanted = count;
    burst->skip = self->exchange_slot != NULL;
    burst->deadline_ms = deadline_ms;
    peer_start_trace(self, &burst->trace);
    burst->timer = g_timeout_add(deadline_ms, on_burst_deadline, burst);
    if (cancellable) {
        burst->cancelled = g_cancellable_source_new(cancellable);
        g_source_set_callback(burst->cancelled, G_SOURCE_FUNC(on_burst_cancelled), burst, NULL);
        g_source_attach(burst->cancelled, NULL);
    }
    g_ptr_array_add(self->bursts, burst);
    reactor_hold_strangers(self->peers->reactor, TRUE); /* for the sake of the interval, and of the hook */
    peer_sample_next(self);
}

gboolean peer_burst_finish(Peer *self, GAsyncResult *result, RelationTrace *ret, GError **error)
{
    g_autofree RelationTrace *trace = g_task_propagate_pointer(G_TASK(result), error);

    if (!trace)
        return FALSE;
    *ret = *trace;
    return TRUE;
}

RelationTrace peer_trace(const Peer *self)
{
    RelationTrace trace = { .known = FALSE };

    if (!self->peers)
        return trace;
    peer_start_trace(self, &trace);
    trace.at = tb_clock_read_tb(self->peers->params.clock);
    return trace;
}
