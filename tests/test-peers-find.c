/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations on peers: finds, bursts, departures; and their end at any moment. */
#include "peers-fixture.h"

#include <string.h>

#include "error.h"

/* Longer than a test may take: a find that waits for it fails the test by its time limit. */
#define NO_DEADLINE_MS 1000000

/* The deadline of a search that nothing else ends: who answers at all does so until then, also on a busy machine. */
#define BUSY_DEADLINE_MS 3000

static void assert_unreachable(const PeersFound *found, const char *name)
{
    for (guint i = 0; i < found->unreachable->len; i++)
        if (g_str_equal(g_ptr_array_index(found->unreachable, i), name))
            return;
    g_assert_not_reached();
}

static void test_guest_that_nobody_has_is_absent(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    found = node_find(&trio.alpha, NO_DEADLINE_MS);
    g_assert_cmpint(found->role, ==, ROLE_ABSENT);
    g_assert_null(found->peer);
    g_assert_cmpuint(found->asked, ==, 2);
    g_assert_cmpuint(found->answered, ==, 2);
    g_assert_cmpuint(found->unreachable->len, ==, 0);
    trio_clear(&trio);
}

static void test_peer_that_migrates_it_out_is_found_while_others_are_silent(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.role = ROLE_MIGRATING_OUT;
    trio.gamma.answer = ANSWER_LATER;
    found = node_find(&trio.alpha, NO_DEADLINE_MS);
    g_assert_cmpint(found->role, ==, ROLE_MIGRATING_OUT);
    g_assert_cmpstr(peer_name(found->peer), ==, "beta");
    g_assert_cmpstr(found->guest.name, ==, "beta");
    g_assert_cmpstr(found->guest.uuid, ==, NODE_GUEST_UUID);
    g_assert_cmpuint(found->migrating_out, ==, 1);
    assert_unreachable(found, "gamma");
    trio_clear(&trio);
}

static void test_two_that_migrate_it_out_are_ambiguous(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.role = trio.gamma.role = ROLE_MIGRATING_OUT;
    trio.alpha.peers->timing.settle_ms = NO_DEADLINE_MS; /* both answer before it is over, however slow this machine is */
    found = node_find(&trio.alpha, NO_DEADLINE_MS);
    g_assert_cmpuint(found->migrating_out, ==, 2);
    g_assert_cmpint(found->role, ==, ROLE_MIGRATING_OUT);
    g_assert_nonnull(found->peer);
    trio_clear(&trio);
}

static void test_active_stands_above_inactive(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.role = ROLE_INACTIVE;
    trio.gamma.role = ROLE_ACTIVE;
    found = node_find(&trio.alpha, NO_DEADLINE_MS);
    g_assert_cmpint(found->role, ==, ROLE_ACTIVE);
    g_assert_cmpstr(peer_name(found->peer), ==, "gamma");
    g_assert_cmpstr(found->guest.name, ==, "gamma");
    g_assert_cmpuint(found->migrating_out, ==, 0);
    trio_clear(&trio);
}

static void test_two_inactive_ones_contradict_each_other(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.role = trio.gamma.role = ROLE_INACTIVE;
    found = node_find(&trio.alpha, NO_DEADLINE_MS);
    g_assert_cmpint(found->role, ==, ROLE_INACTIVE);
    g_assert_null(found->peer);
    g_assert_cmpuint(found->guest.known, ==, 0);
    trio_clear(&trio);
}

static void test_error_is_no_answer_and_not_waited_for(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.answer = ANSWER_ERROR;
    found = node_find(&trio.alpha, NO_DEADLINE_MS);
    g_assert_cmpint(found->role, ==, ROLE_ABSENT);
    g_assert_cmpuint(found->asked, ==, 2);
    g_assert_cmpuint(found->answered, ==, 1);
    g_assert_cmpuint(found->unreachable->len, ==, 1);
    assert_unreachable(found, "beta");
    trio_clear(&trio);
}

static void test_silent_peer_is_unreachable_at_the_deadline(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.answer = ANSWER_LATER;
    found = node_find(&trio.alpha, BUSY_DEADLINE_MS);
    g_assert_cmpuint(found->answered, ==, 1);
    assert_unreachable(found, "beta");
    g_assert_true(node_is_linked(&trio.alpha, "beta")); /* libvirt may be slow there: no reason to cut the link */
    trio_clear(&trio);
}

/* alpha is in a back-off of an hour when it is asked: only the question can bring the link. */
static void test_unlinked_peer_is_dialled_at_once_and_asked(void)
{
    g_autoptr(PeersFound) found = NULL;
    Peer *peer;
    Trio trio;

    trio_init(&trio);
    trio.beta.peer_configs[0].port = 1; /* it cannot dial */
    trio_start(&trio);
    peer = node_peer(&trio.alpha, "beta");
    trio.alpha.peers->timing.backoff_max_ms = peer->backoff_ms = 3600000;
    node_stop(&trio.beta);
    WAIT_UNTIL(peer_state(peer) == PEER_IDLE);
    trio.beta.role = ROLE_MIGRATING_OUT;
    node_start(&trio.beta);
    found = node_find(&trio.alpha, NO_DEADLINE_MS);
    g_assert_cmpint(found->role, ==, ROLE_MIGRATING_OUT);
    g_assert_cmpstr(peer_name(found->peer), ==, "beta");
    trio_clear(&trio);
}

static void test_peer_that_is_down_is_unreachable_at_the_deadline(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    node_close(&trio.beta);
    found = node_find(&trio.alpha, BUSY_DEADLINE_MS);
    g_assert_cmpuint(found->answered, ==, 1);
    assert_unreachable(found, "beta");
    trio_clear(&trio);
}

static void test_peer_that_dies_during_a_find_is_unreachable(void)
{
    g_autoptr(PeersFound) found = NULL;
    GAsyncResult *result = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.answer = ANSWER_LATER;
    peers_find_guest_async(trio.alpha.peers, NODE_GUEST_UUID, BUSY_DEADLINE_MS, NULL, keep_result, &result);
    WAIT_UNTIL(trio.beta.question && trio.gamma.asked);
    node_close(&trio.beta);
    found = node_find_finish(&trio.alpha, &result, NULL);
    g_assert_cmpuint(found->answered, ==, 1);
    assert_unreachable(found, "beta");
    g_assert_false(node_is_linked(&trio.alpha, "beta"));
    trio_clear(&trio);
}

static void test_peer_that_restarts_during_a_find_is_asked_again(void)
{
    g_autoptr(PeersFound) found = NULL;
    GAsyncResult *result = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.answer = ANSWER_LATER;
    peers_find_guest_async(trio.alpha.peers, NODE_GUEST_UUID, NO_DEADLINE_MS, NULL, keep_result, &result);
    WAIT_UNTIL(trio.beta.question);
    node_stop(&trio.beta);
    trio.beta.answer = ANSWER_ROLE;
    trio.beta.role = ROLE_MIGRATING_OUT;
    node_start(&trio.beta);
    found = node_find_finish(&trio.alpha, &result, NULL);
    g_assert_cmpint(found->role, ==, ROLE_MIGRATING_OUT);
    g_assert_cmpuint(trio.beta.asked, ==, 2);
    trio_clear(&trio);
}

static void test_refused_peer_is_not_waited_for(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    trio_init(&trio);
    trio.beta.config.name = (char *) "delta"; /* not what its certificate says */
    node_start(&trio.alpha);
    node_start(&trio.beta);
    node_start(&trio.gamma);
    WAIT_UNTIL(peer_state(node_peer(&trio.alpha, "beta")) == PEER_REFUSED);
    found = node_find(&trio.alpha, NO_DEADLINE_MS);
    g_assert_cmpuint(found->answered, ==, 1);
    assert_unreachable(found, "beta");
    trio_clear(&trio);
}

static void test_many_finds_at_once_are_all_answered(void)
{
    GAsyncResult *results[100] = { NULL };
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.gamma.role = ROLE_MIGRATING_OUT;
    for (guint i = 0; i < G_N_ELEMENTS(results); i++)
        peers_find_guest_async(trio.alpha.peers, NODE_GUEST_UUID, NO_DEADLINE_MS, NULL, keep_result, &results[i]);
    for (guint i = 0; i < G_N_ELEMENTS(results); i++) {
        g_autoptr(PeersFound) found = node_find_finish(&trio.alpha, &results[i], NULL);

        g_assert_cmpstr(peer_name(found->peer), ==, "gamma");
    }
    trio_clear(&trio);
}

static void test_find_without_peers_finds_nobody(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    trio_init(&trio);
    trio.alpha.config.n_peers = 0;
    node_start(&trio.alpha);
    found = node_find(&trio.alpha, NO_DEADLINE_MS);
    g_assert_cmpuint(found->asked, ==, 0);
    g_assert_cmpint(found->role, ==, ROLE_ABSENT);
    trio_clear(&trio);
}

static void test_find_of_no_uuid_is_invalid(void)
{
    g_autoptr(GError) error = NULL;
    GAsyncResult *result = NULL;
    Trio trio;

    trio_init(&trio);
    node_start(&trio.alpha);
    peers_find_guest_async(trio.alpha.peers, "web", NO_DEADLINE_MS, NULL, keep_result, &result);
    g_assert_null(node_find_finish(&trio.alpha, &result, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    trio_clear(&trio);
}

/* ---- bursts ---- */

static gboolean burst_finish(Node *node, GAsyncResult **result, RelationBounds *ret, GError **error)
{
    RelationTrace trace;
    gboolean ok;

    WAIT_UNTIL(*result);
    ok = peer_burst_finish(node_peer(node, "beta"), *result, &trace, error);
    if (ok) /* to the tick what the peer itself says of that instant */
        *ret = relation_trace_bounds(&trace);
    g_clear_object(result);
    return ok;
}

static void test_burst_is_so_many_exchanges(void)
{
    g_autoptr(GError) error = NULL;
    GAsyncResult *result = NULL;
    RelationBounds before, after;
    gint64 start_boot_ns, drift_ticks;
    Trio trio;
    Peer *peer;

    trio_init(&trio);
    trio_start(&trio);
    peer = node_peer(&trio.alpha, "beta");
    WAIT_UNTIL(peer->own_samples == 0 && !peer->exchange_slot);
    start_boot_ns = tb_clock_boot_ns();
    before = peer_relation(peer);
    peer_burst_async(peer, 5, NO_DEADLINE_MS, NULL, keep_result, &result);
    g_assert_true(reactor_holds_strangers(trio.alpha.peers->reactor));
    g_assert_true(burst_finish(&trio.alpha, &result, &after, &error));
    g_assert_no_error(error);
    g_assert_false(reactor_holds_strangers(trio.alpha.peers->reactor));
    g_assert_cmpuint(after.exchanges, ==, before.exchanges + 5);
    g_assert_true(interval_contains(after.tb_ticks, 0));
    /* not wider than by the drift since, at both ends of the interval and rounded outward by each exchange */
    drift_ticks = ns_to_ticks_ceil(tb_clock_boot_ns() - start_boot_ns, TB_FREQUENCY_POWER_HZ) / 10000 + 1 + 5;
    g_assert_cmpint(interval_width(after.tb_ticks), <=, interval_width(before.tb_ticks) + 2 * drift_ticks);
    trio_clear(&trio);
}

static void test_burst_goes_on_while_it_gains_something(void)
{
    GAsyncResult *result = NULL;
    RelationBounds before, after;
    Trio trio;
    Peer *peer;

    trio_init(&trio);
    trio_start(&trio);
    peer = node_peer(&trio.alpha, "beta");
    WAIT_UNTIL(peer->own_samples == 0 && !peer->exchange_slot);
    before = peer_relation(peer);
    peer_burst_async(peer, 0, NO_DEADLINE_MS, NULL, keep_result, &result);
    g_assert_true(burst_finish(&trio.alpha, &result, &after, NULL));
    g_assert_cmpuint(after.exchanges, >, before.exchanges + RELATION_BURST_IDLE);
    g_assert_cmpuint(after.exchanges, <=, before.exchanges + RELATION_BURST_MAX);
    trio_clear(&trio);
}

static void test_bursts_at_once_share_their_exchanges(void)
{
    GAsyncResult *results[50] = { NULL };
    RelationBounds before, after;
    Trio trio;
    Peer *peer;

    trio_init(&trio);
    trio_start(&trio);
    peer = node_peer(&trio.alpha, "beta");
    WAIT_UNTIL(peer->own_samples == 0 && !peer->exchange_slot);
    before = peer_relation(peer);
    for (guint i = 0; i < G_N_ELEMENTS(results); i++)
        peer_burst_async(peer, 8, NO_DEADLINE_MS, NULL, keep_result, &results[i]);
    for (guint i = 0; i < G_N_ELEMENTS(results); i++)
        g_assert_true(burst_finish(&trio.alpha, &results[i], &after, NULL));
    /* the first begins at once; all others wait for it to end, and then begin together */
    g_assert_cmpuint(after.exchanges, ==, before.exchanges + 9);
    trio_clear(&trio);
}

static void test_burst_with_an_unlinked_peer_fails_at_once(void)
{
    g_autoptr(GError) error = NULL;
    GAsyncResult *result = NULL;
    RelationBounds bounds;
    Trio trio;

    trio_init(&trio);
    node_start(&trio.alpha);
    peer_burst_async(node_peer(&trio.alpha, "beta"), 8, NO_DEADLINE_MS, NULL, keep_result, &result);
    g_assert_false(burst_finish(&trio.alpha, &result, &bounds, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE);
    trio_clear(&trio);
}

static void test_burst_ends_at_its_deadline(void)
{
    g_autoptr(GError) error = NULL;
    GAsyncResult *result = NULL;
    RelationBounds bounds;
    Fake fake;
    Trio trio;

    trio_init(&trio);
    trio.alpha.peer_configs[0].port = 1;
    node_start(&trio.alpha);
    fake_init(&fake, trio.pki, "beta", "beta");
    fake.mute_exchange = TRUE;
    fake_dial(&fake, &trio.alpha);
    WAIT_UNTIL(fake.exchanges == 1);
    peer_burst_async(node_peer(&trio.alpha, "beta"), 8, 20, NULL, keep_result, &result);
    g_assert_false(burst_finish(&trio.alpha, &result, &bounds, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT);
    fake_clear(&fake);
    trio_clear(&trio);
}

static void test_burst_that_loses_its_link_keeps_what_was_measured(void)
{
    g_autoptr(GError) error = NULL;
    GAsyncResult *result = NULL;
    RelationBounds bounds;
    Peer *peer;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    peer = node_peer(&trio.alpha, "beta");
    WAIT_UNTIL(peer_relation(peer).exchanges >= 8);
    peer_burst_async(peer, 1000000, NO_DEADLINE_MS, NULL, keep_result, &result);
    WAIT_UNTIL(peer_relation(peer).exchanges >= 20);
    node_close(&trio.beta);
    g_assert_true(burst_finish(&trio.alpha, &result, &bounds, &error));
    g_assert_cmpint(bounds.state, ==, RELATION_OK);
    g_assert_cmpuint(bounds.exchanges, >=, 20);
    trio_clear(&trio);
}

/* ---- departures ---- */

typedef struct DepartureResult {
    guint calls;
    Departure departure;
    GError *error;
} DepartureResult;

static void on_departure_result(const Departure *departure, const GError *error, void *data)
{
    DepartureResult *result = data;

    result->calls++;
    if (departure)
        result->departure = *departure;
    if (error)
        result->error = g_error_copy(error);
}

static void test_departure_is_told_by_the_peer(void)
{
    DepartureResult result = { 0 };
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.departure = (Departure){
        .state = DEPARTURE_LEFT, .stop_lo = tb_ticks(77), .stop_hi = tb_ticks(99), .precise = TRUE
    };
    g_assert_true(peer_ask_departure(node_peer(&trio.alpha, "beta"), NODE_GUEST_UUID, 10000, on_departure_result, &result));
    WAIT_UNTIL(result.calls);
    g_assert_no_error(result.error);
    g_assert_cmpint(result.departure.state, ==, DEPARTURE_LEFT);
    g_assert_cmpuint(result.departure.stop_lo.raw, ==, 77);
    g_assert_cmpuint(result.departure.stop_hi.raw, ==, 99);
    trio_clear(&trio);
}

static void test_departure_is_an_error_when_the_link_is_lost(void)
{
    DepartureResult lost = { 0 }, stopped = { 0 };
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    g_assert_true(peer_ask_departure(node_peer(&trio.alpha, "beta"), NODE_GUEST_UUID, 10000, on_departure_result, &lost));
    node_close(&trio.beta);
    WAIT_UNTIL(lost.calls);
    g_assert_error(lost.error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE);
    WAIT_UNTIL(!node_is_linked(&trio.alpha, "beta"));
    g_assert_false(peer_ask_departure(node_peer(&trio.alpha, "beta"), NODE_GUEST_UUID, 10000, on_departure_result, &lost));
    g_assert_true(peer_ask_departure(node_peer(&trio.alpha, "gamma"), NODE_GUEST_UUID, 10000, on_departure_result, &stopped));
    node_stop(&trio.alpha);
    g_assert_cmpuint(stopped.calls, ==, 1);
    g_assert_error(stopped.error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE);
    g_clear_error(&lost.error);
    g_clear_error(&stopped.error);
    trio_clear(&trio);
}

/* ---- lists of guests ---- */

typedef struct ListResult {
    guint calls;
    guint n_guests;
    GError *error;
} ListResult;

static void on_list_result(const GArray *guests, gboolean complete, const GError *error, void *data)
{
    ListResult *result = data;

    result->calls++;
    result->n_guests = guests ? guests->len : 0;
    g_assert_cmpint(complete, ==, guests != NULL);
    result->error = error ? g_error_copy(error) : NULL;
}

static void test_guests_are_listed_by_the_peer(void)
{
    ListResult listed = { 0 }, stopped = { 0 };
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    g_assert_true(peer_list_guests(node_peer(&trio.alpha, "beta"), 10000, on_list_result, &listed));
    WAIT_UNTIL(listed.calls);
    g_assert_no_error(listed.error);
    g_assert_cmpuint(listed.n_guests, ==, 1);
    g_assert_true(peer_list_guests(node_peer(&trio.alpha, "beta"), 10000, on_list_result, &stopped));
    node_stop(&trio.alpha);
    g_assert_cmpuint(stopped.calls, ==, 1);
    g_assert_error(stopped.error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE);
    g_clear_error(&stopped.error);
    trio_clear(&trio);
}

/* ---- ends ---- */

static void assert_cancelled(GAsyncResult **result)
{
    g_autoptr(GError) error = NULL;

    WAIT_UNTIL(*result);
    g_assert_null(g_task_propagate_pointer(G_TASK(*result), &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_object(result);
}

static void test_operations_can_be_cancelled(void)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    GAsyncResult *found = NULL, *burst = NULL, *late = NULL;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.answer = ANSWER_LATER;
    peers_find_guest_async(trio.alpha.peers, NODE_GUEST_UUID, NO_DEADLINE_MS, cancellable, keep_result, &found);
    peer_burst_async(node_peer(&trio.alpha, "gamma"), 1000000, NO_DEADLINE_MS, cancellable, keep_result, &burst);
    WAIT_UNTIL(trio.beta.question);
    g_cancellable_cancel(cancellable);
    assert_cancelled(&found);
    assert_cancelled(&burst);
    peers_find_guest_async(trio.alpha.peers, NODE_GUEST_UUID, NO_DEADLINE_MS, cancellable, keep_result, &late);
    assert_cancelled(&late);
    g_assert_true(node_is_linked(&trio.alpha, "beta"));
    trio_clear(&trio);
}

static void test_free_cancels_what_is_under_way(void)
{
    GAsyncResult *found = NULL, *burst = NULL;
    Peer *peer;
    Trio trio;

    trio_init(&trio);
    trio_start(&trio);
    trio.beta.answer = ANSWER_LATER;
    peer = peer_ref(node_peer(&trio.alpha, "gamma"));
    peers_find_guest_async(trio.alpha.peers, NODE_GUEST_UUID, NO_DEADLINE_MS, NULL, keep_result, &found);
    peer_burst_async(peer, 1000000, NO_DEADLINE_MS, NULL, keep_result, &burst);
    WAIT_UNTIL(trio.beta.question);
    node_stop(&trio.alpha);
    assert_cancelled(&found);
    assert_cancelled(&burst);
    g_assert_cmpint(peer_state(peer), ==, PEER_IDLE);
    g_assert_cmpint(peer_relation(peer).state, ==, RELATION_NONE);
    peer_burst_async(peer, 1, NO_DEADLINE_MS, NULL, keep_result, &burst);
    WAIT_UNTIL(burst);
    g_assert_true(g_task_had_error(G_TASK(burst)));
    g_clear_object(&burst);
    peer_unref(peer);
    trio_clear(&trio);
}

static void test_free_at_any_moment_is_safe(void)
{
    Trio trio;

    trio_init(&trio);
    trio.beta.role = ROLE_ACTIVE;
    node_start(&trio.beta);
    node_start(&trio.gamma);
    for (int i = 0; i < 100; i++) {
        GAsyncResult *found = NULL, *burst = NULL;

        node_start(&trio.alpha);
        peers_find_guest_async(trio.alpha.peers, NODE_GUEST_UUID, NO_DEADLINE_MS, NULL, keep_result, &found);
        for (int turns = g_test_rand_int_range(0, 80); turns > 0; turns--)
            g_main_context_iteration(NULL, FALSE);
        peer_burst_async(node_peer(&trio.alpha, "beta"), 3, NO_DEADLINE_MS, NULL, keep_result, &burst);
        for (int turns = g_test_rand_int_range(0, 20); turns > 0; turns--)
            g_main_context_iteration(NULL, FALSE);
        node_stop(&trio.alpha);
        WAIT_UNTIL(found && burst);
        peers_found_free(peers_find_guest_finish(NULL, found, NULL));
        g_object_unref(found);
        g_object_unref(burst);
    }
    trio_clear(&trio);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peers-find/guest-that-nobody-has-is-absent", test_guest_that_nobody_has_is_absent);
    g_test_add_func("/peers-find/peer-that-migrates-it-out-is-found-while-others-are-silent",
                    test_peer_that_migrates_it_out_is_found_while_others_are_silent);
    g_test_add_func("/peers-find/two-that-migrate-it-out-are-ambiguous", test_two_that_migrate_it_out_are_ambiguous);
    g_test_add_func("/peers-find/active-stands-above-inactive", test_active_stands_above_inactive);
    g_test_add_func("/peers-find/two-inactive-ones-contradict-each-other", test_two_inactive_ones_contradict_each_other);
    g_test_add_func("/peers-find/error-is-no-answer-and-not-waited-for", test_error_is_no_answer_and_not_waited_for);
    g_test_add_func("/peers-find/silent-peer-is-unreachable-at-the-deadline",
                    test_silent_peer_is_unreachable_at_the_deadline);
    g_test_add_func("/peers-find/unlinked-peer-is-dialled-at-once-and-asked",
                    test_unlinked_peer_is_dialled_at_once_and_asked);
    g_test_add_func("/peers-find/peer-that-is-down-is-unreachable-at-the-deadline",
                    test_peer_that_is_down_is_unreachable_at_the_deadline);
    g_test_add_func("/peers-find/peer-that-dies-during-a-find-is-unreachable",
                    test_peer_that_dies_during_a_find_is_unreachable);
    g_test_add_func("/peers-find/peer-that-restarts-during-a-find-is-asked-again",
                    test_peer_that_restarts_during_a_find_is_asked_again);
    g_test_add_func("/peers-find/refused-peer-is-not-waited-for", test_refused_peer_is_not_waited_for);
    g_test_add_func("/peers-find/many-finds-at-once-are-all-answered", test_many_finds_at_once_are_all_answered);
    g_test_add_func("/peers-find/find-without-peers-finds-nobody", test_find_without_peers_finds_nobody);
    g_test_add_func("/peers-find/find-of-no-uuid-is-invalid", test_find_of_no_uuid_is_invalid);
    g_test_add_func("/peers-find/burst-is-so-many-exchanges", test_burst_is_so_many_exchanges);
    g_test_add_func("/peers-find/burst-goes-on-while-it-gains-something", test_burst_goes_on_while_it_gains_something);
    g_test_add_func("/peers-find/bursts-at-once-share-their-exchanges", test_bursts_at_once_share_their_exchanges);
    g_test_add_func("/peers-find/burst-with-an-unlinked-peer-fails-at-once",
                    test_burst_with_an_unlinked_peer_fails_at_once);
    g_test_add_func("/peers-find/burst-ends-at-its-deadline", test_burst_ends_at_its_deadline);
    g_test_add_func("/peers-find/burst-that-loses-its-link-keeps-what-was-measured",
                    test_burst_that_loses_its_link_keeps_what_was_measured);
    g_test_add_func("/peers-find/departure-is-told-by-the-peer", test_departure_is_told_by_the_peer);
    g_test_add_func("/peers-find/departure-is-an-error-when-the-link-is-lost",
                    test_departure_is_an_error_when_the_link_is_lost);
    g_test_add_func("/peers-find/guests-are-listed-by-the-peer", test_guests_are_listed_by_the_peer);
    g_test_add_func("/peers-find/operations-can-be-cancelled", test_operations_can_be_cancelled);
    g_test_add_func("/peers-find/free-cancels-what-is-under-way", test_free_cancels_what_is_under_way);
    g_test_add_func("/peers-find/free-at-any-moment-is-safe", test_free_at_any_moment_is_safe);
    return g_test_run();
}
