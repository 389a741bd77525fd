/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which peers a hook asks first, by what they told of their guests; and that it is never more than an order. */
#include "peers-fixture.h"

#include <string.h>

#include "error.h"

#define OTHER_UUID "6695eb01-f6a4-8304-79aa-97f2502e193f"

/* Longer than a test may take: what waits for it fails the test by its time limit. */
#define NEVER_MS 1000000
#define BUSY_MS  3000 /* a deadline until which who answers at all does so, also on a busy machine */

static void start(Trio *trio)
{
    trio_init(trio);
    trio_start(trio);
    trio->alpha.peers->timing.settle_ms = NEVER_MS;
    WAIT_UNTIL(node_is_linked(&trio->beta, "alpha") && node_is_linked(&trio->gamma, "alpha"));
}

/* What alpha knows of the guests of `node`. */
static const GuestMarks *marks_of(Trio *trio, const Node *node)
{
    return node_peer(&trio->alpha, node->name)->marks;
}

static void tell(Trio *trio, Node *node, const char *uuid)
{
    guint32 mark = guest_mark(uuid ? uuid : OTHER_UUID);

    peers_tell_guests(node->peers, guest_marks_new(&uuid, uuid ? 1 : 0));
    WAIT_UNTIL(marks_of(trio, node) && guest_marks_may_have(marks_of(trio, node), mark) == (uuid != NULL));
}

static gboolean on_span(void *data)
{
    *(gboolean *) data = TRUE;
    return G_SOURCE_REMOVE;
}

static void test_peer_that_does_not_have_the_guest_is_not_asked(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NODE_GUEST_UUID);
    tell(&trio, &trio.gamma, OTHER_UUID);
    trio.beta.role = ROLE_MIGRATING_OUT;
    trio.gamma.answer = ANSWER_LATER; /* it would be waited for */
    found = node_find(&trio.alpha, NEVER_MS);
    g_assert_cmpstr(peer_name(found->peer), ==, "beta");
    g_assert_cmpuint(found->asked, ==, 1);
    g_assert_cmpuint(found->answered, ==, 1);
    g_assert_cmpuint(found->unreachable->len, ==, 0);
    g_assert_cmpuint(trio.gamma.asked, ==, 0);
    trio_clear(&trio);
}

static void test_case_of_the_uuid_does_not_matter(void)
{
    g_autofree char *upper = g_ascii_strup(NODE_GUEST_UUID, -1);
    g_autoptr(PeersFound) found = NULL;
    GAsyncResult *result = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NODE_GUEST_UUID);
    tell(&trio, &trio.gamma, NULL);
    trio.beta.role = ROLE_MIGRATING_OUT;
    peers_find_guest_async(trio.alpha.peers, upper, NEVER_MS, NULL, keep_result, &result);
    found = node_find_finish(&trio.alpha, &result, NULL);
    g_assert_cmpstr(peer_name(found->peer), ==, "beta");
    g_assert_cmpuint(trio.gamma.asked, ==, 0);
    trio_clear(&trio);
}

static void test_peer_that_told_nothing_is_asked(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NULL);
    trio.gamma.role = ROLE_MIGRATING_OUT;
    found = node_find(&trio.alpha, NEVER_MS);
    g_assert_cmpstr(peer_name(found->peer), ==, "gamma");
    g_assert_cmpuint(trio.beta.asked, ==, 0);
    trio_clear(&trio);
}

static void test_peer_that_does_not_know_any_more_is_asked(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NULL);
    tell(&trio, &trio.gamma, NODE_GUEST_UUID);
    peers_tell_guests(trio.beta.peers, NULL);
    WAIT_UNTIL(!marks_of(&trio, &trio.beta));
    trio.beta.role = trio.gamma.role = ROLE_MIGRATING_OUT;
    found = node_find(&trio.alpha, NEVER_MS);
    g_assert_cmpuint(found->migrating_out, ==, 2);
    trio_clear(&trio);
}

/* The guest went from gamma to beta, and beta has not told yet. */
static void test_marks_that_are_out_of_date_do_not_hide_the_source(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NULL);
    tell(&trio, &trio.gamma, NODE_GUEST_UUID);
    trio.beta.role = ROLE_MIGRATING_OUT;
    found = node_find(&trio.alpha, NEVER_MS);
    g_assert_cmpstr(peer_name(found->peer), ==, "beta");
    g_assert_cmpuint(found->asked, ==, 2);
    g_assert_cmpuint(found->answered, ==, 2);
    trio_clear(&trio);
}

static void test_guest_that_nobody_told_of_is_asked_for_everywhere(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NULL);
    tell(&trio, &trio.gamma, OTHER_UUID);
    found = node_find(&trio.alpha, NEVER_MS);
    g_assert_cmpint(found->role, ==, ROLE_ABSENT);
    g_assert_cmpuint(found->answered, ==, 2);
    trio_clear(&trio);
}

/* A definition that stayed behind must not stand for the guest that runs elsewhere. */
static void test_inactive_guest_does_not_end_the_search(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NODE_GUEST_UUID);
    tell(&trio, &trio.gamma, NULL);
    trio.beta.role = ROLE_INACTIVE;
    trio.gamma.role = ROLE_MIGRATING_OUT;
    found = node_find(&trio.alpha, NEVER_MS);
    g_assert_cmpstr(peer_name(found->peer), ==, "gamma");
    trio_clear(&trio);
}

static void test_two_that_told_and_migrate_it_out_are_ambiguous(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NODE_GUEST_UUID);
    tell(&trio, &trio.gamma, NODE_GUEST_UUID);
    trio.beta.role = trio.gamma.role = ROLE_MIGRATING_OUT;
    found = node_find(&trio.alpha, NEVER_MS);
    g_assert_cmpuint(found->migrating_out, ==, 2);
    trio_clear(&trio);
}

/* Whoever claims the guest of another must outlast the deadline, not 30 ms. */
static void test_peer_that_told_is_awaited_after_a_claim(void)
{
    g_autoptr(PeersFound) found = NULL;
    GAsyncResult *result = NULL;
    gboolean over = FALSE;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NODE_GUEST_UUID);
    trio.alpha.peers->timing.settle_ms = 1;
    trio.beta.answer = ANSWER_LATER;
    trio.gamma.role = ROLE_MIGRATING_OUT; /* and told nothing */
    peers_find_guest_async(trio.alpha.peers, NODE_GUEST_UUID, NEVER_MS, NULL, keep_result, &result);
    WAIT_UNTIL(trio.beta.question && trio.gamma.asked);
    g_timeout_add(50, on_span, &over);
    WAIT_UNTIL(over);
    g_assert_null(result);
    link_service_reply_find(trio.beta.question, ROLE_MIGRATING_OUT, &trio.beta.guest);
    found = node_find_finish(&trio.alpha, &result, NULL);
    g_assert_cmpuint(found->migrating_out, ==, 2);
    trio_clear(&trio);
}

/* It may be an old definition on a host that hangs. */
static void test_peer_that_told_and_is_silent_does_not_undo_a_claim(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NODE_GUEST_UUID);
    trio.alpha.peers->timing.settle_ms = 1;
    trio.beta.answer = ANSWER_LATER;
    trio.gamma.role = ROLE_MIGRATING_OUT;
    found = node_find(&trio.alpha, BUSY_MS);
    g_assert_cmpstr(peer_name(found->peer), ==, "gamma");
    g_assert_cmpuint(found->migrating_out, ==, 1);
    g_assert_cmpuint(found->unreachable->len, ==, 1);
    trio_clear(&trio);
}

/* beta told that it has the guest and does not answer; gamma has it and has not told. */
static void test_silent_peer_does_not_hide_the_source(void)
{
    g_autoptr(PeersFound) found = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NODE_GUEST_UUID);
    tell(&trio, &trio.gamma, NULL);
    trio.alpha.peers->timing.settle_ms = 5;
    trio.beta.answer = ANSWER_LATER;
    trio.gamma.role = ROLE_MIGRATING_OUT;
    found = node_find(&trio.alpha, BUSY_MS);
    g_assert_cmpstr(peer_name(found->peer), ==, "gamma");
    trio_clear(&trio);
}

/* beta is down: whoever waits for its link would wait for ever. */
static void test_unlinked_peer_does_not_hide_the_source(void)
{
    g_autoptr(PeersFound) found = NULL;
    GAsyncResult *result = NULL;
    Trio trio;

    start(&trio);
    tell(&trio, &trio.gamma, NULL);
    node_close(&trio.beta);
    WAIT_UNTIL(!node_is_linked(&trio.alpha, "beta"));
    trio.gamma.role = ROLE_MIGRATING_OUT;
    peers_find_guest_async(trio.alpha.peers, NODE_GUEST_UUID, NEVER_MS, NULL, keep_result, &result);
    WAIT_UNTIL(trio.gamma.asked == 1);
    g_assert_null(result); /* beta may still come */
    trio_clear(&trio);
    WAIT_UNTIL(result);
    found = peers_find_guest_finish(NULL, result, NULL);
    g_assert_null(found); /* cancelled with its Peers */
    g_object_unref(result);
}

static void test_marks_end_with_the_link(void)
{
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NULL);
    node_stop(&trio.beta);
    WAIT_UNTIL(!node_is_linked(&trio.alpha, "beta"));
    g_assert_null(marks_of(&trio, &trio.beta));
    trio_clear(&trio);
}

static void test_new_link_is_told_at_once(void)
{
    Trio trio;

    start(&trio);
    tell(&trio, &trio.beta, NODE_GUEST_UUID);
    node_stop(&trio.alpha);
    node_start(&trio.alpha);
    WAIT_UNTIL(marks_of(&trio, &trio.beta));
    g_assert_true(guest_marks_may_have(marks_of(&trio, &trio.beta), guest_mark(NODE_GUEST_UUID)));
    g_assert_false(guest_marks_may_have(marks_of(&trio, &trio.beta), guest_mark(OTHER_UUID)));
    trio_clear(&trio);
}

/* One that answers what is said with an error, as an older version does. */
static void test_peer_that_does_not_know_the_call_stays_linked(void)
{
    Fake fake;
    Trio trio;

    start(&trio);
    node_close(&trio.gamma);
    WAIT_UNTIL(!node_is_linked(&trio.alpha, "gamma"));
    fake_init(&fake, trio.pki, "gamma", "gamma");
    fake_dial(&fake, &trio.alpha);
    WAIT_UNTIL(node_is_linked(&trio.alpha, "gamma"));
    peers_tell_guests(trio.alpha.peers, guest_marks_new(NULL, 0));
    WAIT_UNTIL(fake.exchanges >= 8); /* they are asked for on the same link, later */
    g_assert_true(node_is_linked(&trio.alpha, "gamma"));
    g_assert_false(fake.closed);
    fake_clear(&fake);
    trio_clear(&trio);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peer-marks/peer-that-does-not-have-the-guest-is-not-asked",
                    test_peer_that_does_not_have_the_guest_is_not_asked);
    g_test_add_func("/peer-marks/case-of-the-uuid-does-not-matter", test_case_of_the_uuid_does_not_matter);
    g_test_add_func("/peer-marks/peer-that-told-nothing-is-asked", test_peer_that_told_nothing_is_asked);
    g_test_add_func("/peer-marks/peer-that-does-not-know-any-more-is-asked", test_peer_that_does_not_know_any_more_is_asked);
    g_test_add_func("/peer-marks/marks-that-are-out-of-date-do-not-hide-the-source",
                    test_marks_that_are_out_of_date_do_not_hide_the_source);
    g_test_add_func("/peer-marks/guest-that-nobody-told-of-is-asked-for-everywhere",
                    test_guest_that_nobody_told_of_is_asked_for_everywhere);
    g_test_add_func("/peer-marks/inactive-guest-does-not-end-the-search", test_inactive_guest_does_not_end_the_search);
    g_test_add_func("/peer-marks/two-that-told-and-migrate-it-out-are-ambiguous",
                    test_two_that_told_and_migrate_it_out_are_ambiguous);
    g_test_add_func("/peer-marks/peer-that-told-is-awaited-after-a-claim", test_peer_that_told_is_awaited_after_a_claim);
    g_test_add_func("/peer-marks/peer-that-told-and-is-silent-does-not-undo-a-claim",
                    test_peer_that_told_and_is_silent_does_not_undo_a_claim);
    g_test_add_func("/peer-marks/silent-peer-does-not-hide-the-source", test_silent_peer_does_not_hide_the_source);
    g_test_add_func("/peer-marks/unlinked-peer-does-not-hide-the-source", test_unlinked_peer_does_not_hide_the_source);
    g_test_add_func("/peer-marks/marks-end-with-the-link", test_marks_end_with_the_link);
    g_test_add_func("/peer-marks/new-link-is-told-at-once", test_new_link_is_told_at_once);
    g_test_add_func("/peer-marks/peer-that-does-not-know-the-call-stays-linked",
                    test_peer_that_does_not_know_the_call_stays_linked);
    return g_test_run();
}
