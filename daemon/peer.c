/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state machine of one peer.
 *
 * Two links. Both ends dial, since either may start first or sit behind a firewall; so two links may come up. Both ends
 * use the one that was dialled by the lexically smaller name, as soon as both Hellos on it were accepted, and whatever
 * else is linked until then: neither end is ever without a link for the sake of a better one. Only the dialler of the
 * other one closes it, and only some time after it has changed over itself, since the accepting end may change over later. Of two
 * links dialled by the same end the newer counts: nobody dials a second time unless the first is lost to him.
 */
#include "peers-private.h"

#include <string.h>

#include "error.h"

/* Exchanges right after a link came up. */
#define CONNECT_BURST 8

Peer *peer_ref(Peer *self)
{
    self->n_refs++;
    return self;
}

void peer_unref(Peer *self)
{
    if (!self || --self->n_refs > 0)
        return;
    g_assert(self->links->len == 0 && self->bursts->len == 0 && self->asks->len == 0);
    g_ptr_array_unref(self->links);
    g_ptr_array_unref(self->bursts);
    g_ptr_array_unref(self->asks);
    g_free(self->name);
    g_free(self->host);
    g_free(self->address);
    g_free(self->error);
    g_free(self->history);
    guest_marks_free(self->marks);
    g_free(self);
}

static gboolean on_retry_timer(void *data)
{
    Peer *self = data;
    guint again_ms;

    self->retry_timer = 0;
    if (self->patient && self->links->len == 0 && peers_are_coming(self->peers, &again_ms)) {
        self->retry_timer = g_timeout_add(again_ms, on_retry_timer, self);
        return G_SOURCE_REMOVE;
    }
    self->patient = FALSE;
    peer_dial(self);
    return G_SOURCE_REMOVE;
}

static void peer_set_address(Peer *self, const ConfigPeer *config)
{
    g_free(self->host);
    g_free(self->address);
    self->host = g_strdup(config->address && *config->address ? config->address : config->name);
    self->port = config->port ? config->port : CONFIG_PORT;
    self->address = strchr(self->host, ':') ? g_strdup_printf("[%s]:%u", self->host, self->port)
                                            : g_strdup_printf("%s:%u", self->host, self->port);
}

Peer *peer_new(Peers *peers, const ConfigPeer *config, guint delay_ms)
{
    Peer *self = g_new0(Peer, 1);

    self->n_refs = 1;
    self->peers = peers;
    self->name = g_strdup(config->name);
    peer_set_address(self, config);
    self->since_boot_ns = tb_clock_boot_ns();
    self->links = g_ptr_array_new();
    self->bursts = g_ptr_array_new();
    self->asks = g_ptr_array_new();
    self->backoff_ms = peers->timing.backoff_min_ms;
    self->patient = delay_ms >= peers->timing.start_delay_ms;
    self->retry_timer = g_timeout_add(delay_ms, on_retry_timer, self);
    return self;
}

static TbsyncError error_code(const GError *error)
{
    return error->domain == TBSYNC_ERROR ? (TbsyncError) error->code : TBSYNC_ERROR_FAILED;
}

static void peer_set_error(Peer *self, TbsyncError code, const char *message)
{
    g_free(self->error);
    self->error = g_strdup(message);
    self->error_code = code;
}

/* The links are cut first: what completes then sees a peer without any. */
static void peer_drop_links(Peer *self)
{
    self->current = NULL;
    while (self->links->len > 0)
        peer_link_condemn(g_ptr_array_index(self->links, self->links->len - 1));
}

void peer_remove(Peer *self, const char *reason)
{
    Peers *peers = self->peers;
    g_autoptr(GError) error = g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "peer %s: %s", self->name, reason);

    peer_memory_keep(self, TRUE);
    peer_drop_links(self);
    g_clear_handle_id(&self->retry_timer, g_source_remove);
    peer_sample_stop(self, error);
    self->peers = NULL;
    self->has_relation = FALSE;
    self->state = PEER_IDLE;
    self->refused = FALSE;
    peer_set_error(self, TBSYNC_ERROR_FAILED, reason);
    self->since_boot_ns = tb_clock_boot_ns();
    peers_find_relink(peers, self);
}

/* ---- dialling and back-off ---- */

static void peer_settle(Peer *self);

static guint jitter_ms(guint ms)
{
    return (guint) ((double) ms * g_random_double_range(0.8, 1.2));
}

void peer_dial(Peer *self)
{
    PeerLink *link;

    if (!self->peers || self->links->len > 0)
        return;
    g_clear_handle_id(&self->retry_timer, g_source_remove);
    link = peer_link_dial(self);
    g_ptr_array_add(self->links, link);
    peer_settle(self);
}

static void peer_schedule(Peer *self)
{
    const PeersTiming *timing = &self->peers->timing;

    if (self->links->len > 0 || self->retry_timer != 0)
        return;
    if (self->refused) {
        self->retry_timer = g_timeout_add(jitter_ms(timing->refused_retry_ms), on_retry_timer, self);
        return;
    }
    self->retry_timer = g_timeout_add(jitter_ms(self->backoff_ms), on_retry_timer, self);
    self->backoff_ms = MIN(self->backoff_ms * 2, timing->backoff_max_ms);
}

/* ---- state ---- */

static PeerState peer_derive_state(const Peer *self)
{
    if (self->current)
        return PEER_LINKED;
    if (self->refused)
        return PEER_REFUSED;
    for (guint i = 0; i < self->links->len; i++)
        if (((PeerLink *) g_ptr_array_index(self->links, i))->up)
            return PEER_HELLO;
    return self->links->len > 0 ? PEER_DIALLING : PEER_IDLE;
}

/* After any change of links: state, retry, notification. */
static void peer_settle(Peer *self)
{
    PeerState state;

    if (!self->peers || self->peers->closing)
        return;
    peer_schedule(self);
    state = peer_derive_state(self);
    if (state == self->state)
        return;
    self->state = state;
    self->since_boot_ns = tb_clock_boot_ns();
    peers_notify(self->peers, self);
}

/* ---- which link is used ---- */

/* Both ends come to the same answer: each knows the other by the name that its certificate carries. */
static gboolean peer_prefers(const Peer *self, const PeerLink *link)
{
    return link->dialled == (g_ascii_strcasecmp(self->peers->own_name, self->name) < 0);
}

static PeerLink *peer_best_link(const Peer *self)
{
    PeerLink *best = NULL;

    for (guint i = 0; i < self->links->len; i++) {
        PeerLink *link = g_ptr_array_index(self->links, i);

        if (link->linked && (!best || peer_prefers(self, link)))
            best = link;
    }
    return best;
}

/* What becomes of the links beside the current one. */
static void peer_judge_others(Peer *self)
{
    gboolean doubt = FALSE;

    for (guint i = self->links->len; i-- > 0;) {
        PeerLink *link = g_ptr_array_index(self->links, i);

        if (link == self->current)
            continue;
        if (link->linked && link->dialled)
            peer_link_close_later(link, self->peers->timing.retire_ms);
        else if (link->linked)
            doubt = TRUE; /* its dialler should have closed it, or has lost the current one without our knowing */
        else if (link->dialled && !link->up && peer_prefers(self, self->current))
            peer_link_condemn(link);
    }
    if (doubt)
        peer_sample(self, 1);
}

static void peer_choose_link(Peer *self)
{
    PeerLink *best = peer_best_link(self);
    gboolean changed = best != self->current;

    self->current = best;
    if (!best) /* who comes back says anew what it has */
        peer_take_marks(self, NULL);
    if (changed) {
        peer_sample_relink(self);
        peer_tell_marks(self);
    }
    if (self->current)
        peer_judge_others(self);
    peer_settle(self);
    peers_find_relink(self->peers, self);
}

/* The links that this peer dialled count against its limit; the oldest goes, since a peer that dials again has lost it. */
static void peer_limit_links(Peer *self)
{
    PeerLink *oldest = NULL;
    guint accepted = 0;

    for (guint i = 0; i < self->links->len; i++) {
        PeerLink *link = g_ptr_array_index(self->links, i);

        if (link->dialled)
            continue;
        accepted++;
        if (!oldest)
            oldest = link;
    }
    if (accepted > MAX(self->peers->params.config->max_links_per_peer, 1))
        peer_lose_link(self, oldest, NULL);
}

void peer_adopt_link(Peer *self, PeerLink *link)
{
    link->up = TRUE;
    if (!link->dialled) {
        g_ptr_array_add(self->links, link);
        peer_limit_links(self);
    }
    peer_settle(self);
}

static void peer_drop_predecessors(Peer *self, const PeerLink *link)
{
    for (guint i = self->links->len; i-- > 0;) {
        PeerLink *other = g_ptr_array_index(self->links, i);

        if (other != link && other->dialled == link->dialled && other->linked)
            peer_link_condemn(other);
    }
}

void peer_hello_accepted(Peer *self, PeerLink *link)
{
    if (link->linked || !link->greeted || !link->welcomed)
        return;
    link->linked = TRUE;
    g_clear_handle_id(&link->hello_timer, g_source_remove);
    g_clear_handle_id(&link->close_timer, g_source_remove);
    g_clear_handle_id(&self->retry_timer, g_source_remove);
    link->since_boot_ns = tb_clock_boot_ns();
    self->refused = FALSE;
    peer_set_error(self, TBSYNC_ERROR_FAILED, NULL);
    peer_drop_predecessors(self, link);
    if (!self->current || self->current->condemned)
        self->own_samples = CONNECT_BURST;
    peer_choose_link(self);
}

void peer_lose_link(Peer *self, PeerLink *link, const GError *error)
{
    gboolean was_current = link == self->current;
    gint64 lived_ns = tb_clock_boot_ns() - link->since_boot_ns;

    if (link->condemned)
        return;
    if (error)
        g_debug("peer %s: link lost: %s", self->name, error->message);
    peer_link_condemn(link);
    /* a refused peer stays so until it is found otherwise: the lost link is that of the refusal */
    if (error && !peer_best_link(self) && !(self->refused && link->up)) {
        self->refused = FALSE;
        peer_set_error(self, error_code(error), error->message);
    }
    if (was_current && lived_ns >= (gint64) self->peers->timing.backoff_reset_ms * (NS_PER_S / 1000))
        self->backoff_ms = self->peers->timing.backoff_min_ms;
    peer_choose_link(self);
    peer_sample(self, 0);
}

/* The links stay a moment, without being used: the peer has to be able to read our answer. */
void peer_refuse(Peer *self, const GError *error)
{
    g_debug("peer %s refused: %s", self->name, error->message);
    self->refused = TRUE;
    peer_set_error(self, error_code(error), error->message);
    for (guint i = 0; i < self->links->len; i++) {
        PeerLink *link = g_ptr_array_index(self->links, i);

        if (!link->up)
            continue;
        link->greeted = link->welcomed = link->linked = FALSE;
        g_clear_handle_id(&link->hello_timer, g_source_remove);
        g_clear_handle_id(&link->close_timer, g_source_remove);
        peer_link_close_later(link, self->peers->timing.linger_ms);
    }
    peer_choose_link(self);
}

gboolean peer_has_hope(const Peer *self)
{
    if (!self->peers)
        return FALSE;
    for (guint i = 0; i < self->links->len; i++)
        if (((PeerLink *) g_ptr_array_index(self->links, i))->close_timer == 0)
            return TRUE;
    return !self->refused;
}

/* ---- facts ---- */

static gboolean check_simulated(const Peer *self, const HostFacts *facts, GError **error)
{
    gboolean own = peers_own_facts(self->peers)->simulated;

    if (!FACT_KNOWN(facts, HOST_SIMULATED)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_SIMULATED, "peer %s does not say whether it is simulated",
                    self->name);
        return FALSE;
    }
    if (facts->simulated == own)
        return TRUE;
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_SIMULATED,
                own ? "%s is a simulated host, its peer %s is a real one" : "%s is a real host, its peer %s is simulated",
                self->peers->own_name, self->name);
    return FALSE;
}

gboolean peer_may_link(Peer *self, guint32 version, const HostFacts *facts, GError **error)
{
    if (version != LINK_PROTOCOL_VERSION) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_VERSION, "peer %s speaks link protocol %u, %s speaks %u",
                    self->name, version, self->peers->own_name, LINK_PROTOCOL_VERSION);
        return FALSE;
    }
    if (g_ascii_strcasecmp(facts->name, self->name) != 0) {
        g_autofree char *shown = g_strescape(facts->name, NULL);

        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_IDENTITY, "the certificate is that of %s, its host calls itself %s",
                    self->name, shown);
        return FALSE;
    }
    return check_simulated(self, facts, error);
}

static gboolean same_host(const HostFacts *a, const HostFacts *b)
{
    return a->simulated == b->simulated && a->timebase_hz == b->timebase_hz &&
           FACT_KNOWN(a, HOST_MACHINE_ID) == FACT_KNOWN(b, HOST_MACHINE_ID) && g_str_equal(a->machine_id, b->machine_id) &&
           FACT_KNOWN(a, HOST_BOOT_ID) == FACT_KNOWN(b, HOST_BOOT_ID) && g_str_equal(a->boot_id, b->boot_id);
}

/* Ticks can only be subtracted if both ends count at the same rate; and history is worth something only if it is still
 * the same host that answers. */
static void peer_review_relation(Peer *self, gboolean same)
{
    RelationParams params = {
        .timebase_hz = tb_clock_frequency_hz(self->peers->params.clock),
        .drift_ppb = self->peers->params.config->drift_bound_ppb,
    };
    gboolean first;

    if (!same)
        g_clear_pointer(&self->history, g_free);
    if (!FACT_KNOWN(&self->facts, HOST_TIMEBASE_HZ) || self->facts.timebase_hz != params.timebase_hz) {
        self->has_relation = FALSE;
        peer_sample_retrace(self);
        return;
    }
    if (self->has_relation && same && self->relation_drift_ppb == params.drift_ppb)
        return;
    first = !self->has_relation && !self->had_relation;
    self->has_relation = self->had_relation = TRUE;
    self->relation_state = RELATION_NONE;
    self->relation_drift_ppb = params.drift_ppb;
    relation_init(&self->relation, &params);
    if (first)
        peer_memory_recall(self);
    peer_sample_retrace(self);
    if (self->exchange_link) /* begun with what is history now */
        peer_sample_forget(self, self->exchange_link);
    if (self->current)
        peer_sample(self, CONNECT_BURST);
}

/* Another host answers under this name: what it is told on the links to the first one would be taken for its own. */
static void peer_leave_host(Peer *self, const PeerLink *link)
{
    for (guint i = self->links->len; i-- > 0;) {
        PeerLink *other = g_ptr_array_index(self->links, i);

        if (other != link && other->up)
            peer_link_condemn(other);
    }
    peer_choose_link(self);
}

void peer_take_facts(Peer *self, PeerLink *link, const HostFacts *facts)
{
    gboolean same = self->has_facts && same_host(&self->facts, facts);
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): a difference in padding costs one signal */
    gboolean changed = !self->has_facts || memcmp(&self->facts, facts, sizeof *facts) != 0;

    if (self->has_facts && !same)
        peer_leave_host(self, link);
    self->facts = *facts;
    /* the peer key, as it is spelled in our configuration */
    g_strlcpy(self->facts.name, self->name, sizeof self->facts.name);
    self->has_facts = TRUE;
    peer_review_relation(self, same);
    if (changed)
        peers_notify(self->peers, self);
}

/* ---- reload ---- */

void peer_restart(Peer *self, const char *reason)
{
    peer_set_error(self, TBSYNC_ERROR_FAILED, reason);
    self->refused = FALSE;
    self->backoff_ms = self->peers->timing.backoff_min_ms;
    while (self->links->len > 0)
        peer_link_condemn(g_ptr_array_index(self->links, self->links->len - 1));
    peer_choose_link(self);
    peer_dial(self);
}

void peer_readdress(Peer *self, const ConfigPeer *config)
{
    g_autofree char *before = g_strdup(self->address);

    peer_set_address(self, config);
    /* a peer that is linked was identified by its certificate, wherever it is */
    if (!g_str_equal(before, self->address) && !self->current)
        peer_restart(self, "its address was changed");
}

void peer_reconfigure(Peer *self)
{
    if (self->has_facts)
        peer_review_relation(self, TRUE);
    peer_sample_schedule(self);
}

/* ---- accessors ---- */

const char *peer_name(const Peer *self)
{
    return self->name;
}

gboolean peer_is_found(const Peer *self)
{
    return self->found;
}

const char *peer_address(const Peer *self)
{
    return self->address;
}

PeerState peer_state(const Peer *self)
{
    return self->state;
}

const char *peer_state_name(PeerState state)
{
    static const char *const names[] = {
        [PEER_IDLE] = "idle",     [PEER_DIALLING] = "dialling", [PEER_HELLO] = "hello",
        [PEER_LINKED] = "linked", [PEER_REFUSED] = "refused",
    };

    return names[state];
}

TbsyncError peer_error_code(const Peer *self)
{
    return self->error_code;
}

const char *peer_error(const Peer *self)
{
    return self->state == PEER_LINKED ? NULL : self->error;
}

const HostFacts *peer_facts(const Peer *self)
{
    return self->has_facts ? &self->facts : NULL;
}

gint64 peer_since_boot_ns(const Peer *self)
{
    return self->since_boot_ns;
}

gboolean peer_relation_is_stored(const Peer *self)
{
    return self->peers && self->has_relation && self->relation.stored;
}

const PeerHistory *peer_history(const Peer *self)
{
    return self->history;
}

RelationDrift peer_drift(const Peer *self)
{
    return self->peers && self->has_relation ? relation_drift(&self->relation) : (RelationDrift){ .known = false };
}

RelationBounds peer_relation(const Peer *self)
{
    if (!self->peers || !self->has_relation)
        return (RelationBounds){
            .state = RELATION_NONE,
            .tb_ticks = INTERVAL_UNBOUNDED,
            .tod_ns = INTERVAL_UNBOUNDED,
        };
    return relation_at(&self->relation, tb_clock_read_tb(self->peers->params.clock));
}
