/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hook path: which peer has a guest.
 *
 * Those that may have it, by what they told, and those of which nothing is known are asked first. Only the word of one of them that
 * it is migrating the guest out ends the search: without it the others are asked as well, once nobody that was asked first can
 * answer any more or when it takes too long, since what they told may be out of date.
 *
 * After that word the first ones have a moment to contradict it, and those that told that they have the guest as long as it takes:
 * one of them is the source, unless it is the speaker, who may be lying.
 */
#include "peers-private.h"

#include "error.h"

typedef enum AskState {
    ASK_WAITING,  /* for a link */
    ASK_UNDERWAY, /* slot and link are valid */
    ASK_ANSWERED,
    ASK_GIVEN_UP, /* the peer answered with an error, or will not answer */
} AskState;

typedef struct Find Find;

typedef struct Ask {
    Find *find;
    Peer *peer; /* a reference */
    AskState state;
    PeerLink *link;
    sd_bus_slot *slot;
    GuestRole role;
    gboolean claims; /* it told that it has such a guest */
} Ask;

struct Find {
    Peers *peers;
    GTask *task;
    char *uuid;
    gint64 deadline_boot_ns;
    guint deadline_timer, settle_timer;
    guint others_timer; /* the others are asked then */
    GSource *cancelled; /* (nullable) */
    GPtrArray *asks;    /* of Ask */
    GPtrArray *others;  /* of Peer, references: they told that they do not have it, and are not asked yet */
    guint n_over;       /* so many of them, from the first one on, are answered or given up; neither is taken back */
    guint told[ROLE_MIGRATING_OUT + 1]; /* how many peers said so */
    PeersFound *found;
};

static void ask_free(void *data)
{
    Ask *self = data;

    g_clear_pointer(&self->slot, sd_bus_slot_unref);
    peer_unref(self->peer);
    g_free(self);
}

void peers_found_free(PeersFound *found)
{
    if (!found)
        return;
    g_clear_pointer(&found->peer, peer_unref);
    g_clear_pointer(&found->unreachable, g_ptr_array_unref);
    g_free(found);
}

static PeersFound *peers_found_new(void)
{
    PeersFound *found = g_new0(PeersFound, 1);

    guest_facts_init(&found->guest);
    found->unreachable = g_ptr_array_new_with_free_func(g_free);
    return found;
}

/* Of several answers of the same rank none is better than the others, but that a guest on its way out is worth the more,
 * so that the caller can name it beside the ambiguity. */
static void find_conclude(Find *self)
{
    PeersFound *found = self->found;

    found->asked = self->asks->len;
    found->migrating_out = self->told[ROLE_MIGRATING_OUT];
    for (guint i = 0; i < self->asks->len; i++) {
        Ask *ask = g_ptr_array_index(self->asks, i);

        if (ask->state == ASK_ANSWERED)
            found->answered++;
        else
            g_ptr_array_add(found->unreachable, g_strdup(ask->peer->name));
    }
    if (found->role != ROLE_MIGRATING_OUT && self->told[found->role] > 1) {
        g_clear_pointer(&found->peer, peer_unref);
        guest_facts_init(&found->guest);
    }
}

/* error: (nullable) (transfer full) */
static void find_complete(Find *self, GError *error)
{
    g_ptr_array_remove(self->peers->finds, self);
    g_clear_handle_id(&self->deadline_timer, g_source_remove);
    g_clear_handle_id(&self->settle_timer, g_source_remove);
    g_clear_handle_id(&self->others_timer, g_source_remove);
    if (self->cancelled) {
        g_source_destroy(self->cancelled);
        g_source_unref(self->cancelled);
    }
    find_conclude(self);
    if (error)
        peers_task_fail(self->task, error);
    else
        peers_task_return(self->task, g_steal_pointer(&self->found), (GDestroyNotify) peers_found_free);
    g_clear_pointer(&self->found, peers_found_free);
    g_ptr_array_unref(self->asks);
    g_ptr_array_unref(self->others);
    g_object_unref(self->task);
    g_free(self->uuid);
    g_free(self);
}

static gboolean on_deadline(void *data)
{
    Find *self = data;

    self->deadline_timer = 0;
    find_complete(self, NULL);
    return G_SOURCE_REMOVE;
}

static gboolean on_find_cancelled(GCancellable *cancellable, void *data)
{
    find_complete(data, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "the search was cancelled"));
    return G_SOURCE_REMOVE;
}

static gboolean find_is_answered(Find *self)
{
    for (; self->n_over < self->asks->len; self->n_over++) {
        AskState state = ((Ask *) g_ptr_array_index(self->asks, self->n_over))->state;

        if (state == ASK_WAITING || state == ASK_UNDERWAY)
            return FALSE;
    }
    return TRUE;
}

/* Of those that were asked none can tell it before its link is there. */
static gboolean find_is_idle(const Find *self)
{
    for (guint i = self->n_over; i < self->asks->len; i++)
        if (((Ask *) g_ptr_array_index(self->asks, i))->state == ASK_UNDERWAY)
            return FALSE;
    return TRUE;
}

static gboolean find_awaits_claim(const Find *self)
{
    for (guint i = self->n_over; i < self->asks->len; i++) {
        const Ask *ask = g_ptr_array_index(self->asks, i);

        if (ask->claims && (ask->state == ASK_WAITING || ask->state == ASK_UNDERWAY))
            return TRUE;
    }
    return FALSE;
}

/* The time for a second "migrating out" is over, but for those that claim the guest. */
static gboolean find_is_settled(const Find *self)
{
    return self->found->role == ROLE_MIGRATING_OUT && self->settle_timer == 0;
}

static void find_ask_others(Find *self);

/* Completes if there is nothing to wait for; `self` may be gone afterwards. */
static void find_review(Find *self)
{
    if (self->others->len > 0 && self->found->role != ROLE_MIGRATING_OUT && find_is_idle(self))
        find_ask_others(self);
    if (find_is_answered(self) || (find_is_settled(self) && !find_awaits_claim(self)))
        find_complete(self, NULL);
}

static gboolean on_settled(void *data)
{
    Find *self = data;

    self->settle_timer = 0;
    find_review(self);
    return G_SOURCE_REMOVE;
}

static void find_note(Find *self, Ask *ask, const GuestFacts *guest)
{
    PeersFound *found = self->found;

    self->told[ask->role]++;
    if (ask->role == ROLE_ABSENT || ask->role <= found->role)
        return; /* of two that are migrating it out the first counts */
    g_clear_pointer(&found->peer, peer_unref);
    found->peer = peer_ref(ask->peer);
    found->role = ask->role;
    found->guest = *guest;
    if (found->role == ROLE_MIGRATING_OUT)
        self->settle_timer = g_timeout_add(self->peers->timing.settle_ms, on_settled, self);
}

static void on_ask_done(GuestRole role, const GuestFacts *guest, const GError *error, void *data)
{
    Ask *self = data;

    g_clear_pointer(&self->slot, sd_bus_slot_unref);
    if (error && sd_bus_is_open(link_bus(self->link->link)) <= 0) {
        self->state = ASK_WAITING; /* the link is closing: on the next one again */
        return;
    }
    if (error) {
        g_debug("peer %s: guest %s: %s", self->peer->name, self->find->uuid, error->message);
        self->state = ASK_GIVEN_UP;
        if (g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT))
            peer_sample(self->peer, 1); /* a dead link is worth finding out */
    } else {
        self->state = ASK_ANSWERED;
        self->role = role;
        find_note(self->find, self, guest);
    }
    find_review(self->find);
}

static void ask_send(Ask *self)
{
    gint64 left_ns = self->find->deadline_boot_ns - tb_clock_boot_ns();
    guint left_ms = (guint) CLAMP(left_ns / (NS_PER_S / 1000), 1, G_MAXINT);
    int r;

    self->link = self->peer->current;
    r = link_call_find_guest(link_bus(self->link->link), self->find->uuid, left_ms, on_ask_done, self, &self->slot);
    self->state = r < 0 ? ASK_WAITING : ASK_UNDERWAY;
}

static void ask_review(Ask *self)
{
    if (self->state == ASK_UNDERWAY && !self->link->linked) {
        g_clear_pointer(&self->slot, sd_bus_slot_unref);
        self->state = ASK_WAITING;
    }
    if (self->state == ASK_WAITING && self->peer->current)
        ask_send(self);
    else if (self->state == ASK_WAITING && !peer_has_hope(self->peer))
        self->state = ASK_GIVEN_UP;
}

static Ask *find_add(Find *self, Peer *peer)
{
    Ask *ask = g_new0(Ask, 1);

    ask->find = self;
    ask->peer = peer_ref(peer);
    g_ptr_array_add(self->asks, ask);
    return ask;
}

/* Of `asks` from the nth on. The search is listed after it: a state that changes in between must not complete what is half asked. */
static void find_send(Find *self, guint n)
{
    for (; n < self->asks->len; n++) {
        Ask *ask = g_ptr_array_index(self->asks, n);

        peer_dial(ask->peer);
        ask_review(ask);
    }
    g_ptr_array_add(self->peers->finds, self);
}

static void find_ask_others(Find *self)
{
    guint n = self->asks->len;

    g_ptr_array_remove(self->peers->finds, self);
    for (guint i = 0; i < self->others->len; i++)
        find_add(self, g_ptr_array_index(self->others, i));
    g_ptr_array_set_size(self->others, 0);
    find_send(self, n);
}

static gboolean on_others_timer(void *data)
{
    Find *self = data;

    self->others_timer = 0;
    if (self->found->role != ROLE_MIGRATING_OUT)
        find_ask_others(self);
    find_review(self);
    return G_SOURCE_REMOVE;
}

void peers_find_relink(Peers *peers, Peer *peer)
{
    peer_asks_relink(peer);
    for (guint i = peers->finds->len; i-- > 0;) {
        Find *find = g_ptr_array_index(peers->finds, i);

        for (guint j = 0; j < find->asks->len; j++) {
            Ask *ask = g_ptr_array_index(find->asks, j);

            if (ask->peer == peer)
                ask_review(ask);
        }
        find_review(find);
    }
}

void peers_find_stop(Peers *peers)
{
    while (peers->finds->len > 0)
        find_complete(g_ptr_array_index(peers->finds, 0),
                      g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "the daemon stops"));
}

static Find *find_new(Peers *peers, const char *uuid, guint deadline_ms, GTask *task)
{
    Find *self = g_new0(Find, 1);
    guint32 mark;

    self->peers = peers;
    self->task = task;
    self->uuid = g_ascii_strdown(uuid, -1);
    mark = guest_mark(self->uuid);
    self->deadline_boot_ns = tb_clock_boot_ns() + (gint64) deadline_ms * (NS_PER_S / 1000);
    self->deadline_timer = g_timeout_add(deadline_ms, on_deadline, self);
    self->found = peers_found_new();
    self->asks = g_ptr_array_new_with_free_func(ask_free);
    self->others = g_ptr_array_new_with_free_func((GDestroyNotify) peer_unref);
    for (guint i = 0; i < peers->peers->len; i++) {
        Peer *peer = g_ptr_array_index(peers->peers, i);

        if (guest_marks_may_have(peer->marks, mark))
            find_add(self, peer)->claims = peer->marks != NULL;
        else
            g_ptr_array_add(self->others, peer_ref(peer));
    }
    g_debug("guest %s: %u of %u peers may have it", self->uuid, self->asks->len, peers->peers->len);
    if (self->others->len > 0)
        self->others_timer = g_timeout_add(peers->timing.settle_ms, on_others_timer, self);
    return self;
}

void peers_find_guest_async(Peers *peers, const char *uuid, guint deadline_ms, GCancellable *cancellable,
                            GAsyncReadyCallback callback, void *data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Find *find;

    g_task_set_source_tag(task, peers_find_guest_async);
    if (!g_uuid_string_is_valid(uuid)) {
        g_task_return_new_error(task, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "\"%s\" is no UUID", uuid);
        return;
    }
    find = find_new(peers, uuid, deadline_ms, g_steal_pointer(&task));
    if (cancellable) {
        find->cancelled = g_cancellable_source_new(cancellable);
        g_source_set_callback(find->cancelled, G_SOURCE_FUNC(on_find_cancelled), find, NULL);
        g_source_attach(find->cancelled, NULL);
    }
    find_send(find, 0);
    find_review(find);
}

PeersFound *peers_find_guest_finish(Peers *peers, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
