/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reactor.h"

#include <glib-unix.h>
#include <unistd.h>

typedef struct Party {
    ReactorEntry *entry;
    int ends[2];
    guint runs;
    gint64 run_us;
    GIOCondition seen;
    gboolean keep; /* does not read what is there */
    struct Party *removes;
    GString *order;
    char letter;
} Party;

static void on_run(void *data)
{
    Party *p = data;
    char byte;

    p->runs++;
    p->run_us = g_get_monotonic_time();
    p->seen = reactor_ready(p->entry, 0);
    if (p->order)
        g_string_append_c(p->order, p->letter);
    if ((p->seen & G_IO_IN) && !p->keep)
        g_assert_cmpint(read(p->ends[0], &byte, 1), ==, 1);
    if (p->removes)
        g_clear_pointer(&p->removes->entry, reactor_remove);
    if (p->entry)
        reactor_set_due(p->entry, REACTOR_NEVER);
}

static void party_open(Party *p, Reactor *reactor, ReactorLane lane)
{
    *p = (Party){ .letter = '?' };
    g_assert_true(g_unix_open_pipe(p->ends, FD_CLOEXEC, NULL));
    p->entry = reactor_add(reactor, lane, on_run, p);
    g_assert_true(reactor_watch(p->entry, 0, p->ends[0], G_IO_IN));
}

static void party_close(Party *p)
{
    reactor_remove(p->entry);
    close(p->ends[0]);
    if (p->ends[1] >= 0)
        close(p->ends[1]);
}

static void party_write(const Party *p)
{
    g_assert_cmpint(write(p->ends[1], "x", 1), ==, 1);
}

static void await(const guint *runs, guint n)
{
    while (*runs < n)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(*runs, ==, n);
}

static void drain(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void test_what_is_readable_runs_and_nothing_else(void)
{
    g_autoptr(Reactor) reactor = reactor_new(NULL);
    Party a, b;

    party_open(&a, reactor, REACTOR_FRIENDS);
    party_open(&b, reactor, REACTOR_FRIENDS);
    for (guint i = 1; i <= 3; i++) {
        party_write(&a);
        await(&a.runs, i);
    }
    drain();
    g_assert_cmpuint(a.runs, ==, 3);
    g_assert_cmpuint(b.runs, ==, 0);
    party_close(&a);
    party_close(&b);
}

static void test_unwatched_descriptor_is_left_alone_even_when_it_hangs_up(void)
{
    g_autoptr(Reactor) reactor = reactor_new(NULL);
    Party p;

    party_open(&p, reactor, REACTOR_FRIENDS);
    g_assert_true(reactor_watch(p.entry, 0, p.ends[0], 0));
    party_write(&p);
    close(p.ends[1]);
    p.ends[1] = -1;
    drain();
    g_assert_cmpuint(p.runs, ==, 0);
    g_assert_true(reactor_watch(p.entry, 0, p.ends[0], G_IO_IN));
    await(&p.runs, 1);
    g_assert_cmpint(p.seen & G_IO_HUP, ==, G_IO_HUP);
    party_close(&p);
}

static void test_descriptor_that_is_replaced_is_watched_no_more(void)
{
    g_autoptr(Reactor) reactor = reactor_new(NULL);
    Party p;
    int other[2];

    party_open(&p, reactor, REACTOR_FRIENDS);
    g_assert_true(g_unix_open_pipe(other, FD_CLOEXEC, NULL));
    g_assert_true(reactor_watch(p.entry, 0, other[0], G_IO_IN));
    party_write(&p);
    drain();
    g_assert_cmpuint(p.runs, ==, 0);
    p.keep = TRUE;
    g_assert_cmpint(write(other[1], "x", 1), ==, 1);
    await(&p.runs, 1);
    party_close(&p);
    close(other[0]);
    close(other[1]);
}

static void test_descriptor_that_epoll_cannot_take_is_told(void)
{
    g_autoptr(Reactor) reactor = reactor_new(NULL);
    ReactorEntry *entry = reactor_add(reactor, REACTOR_FRIENDS, on_run, NULL);
    g_autofree char *path = g_strdup("/tmp/tbsync-reactor-XXXXXX");
    int fd = g_mkstemp(path);

    g_assert_cmpint(fd, >=, 0);
    unlink(path);
    g_assert_false(reactor_watch(entry, 0, fd, G_IO_IN));
    reactor_remove(entry);
    close(fd);
}

/* Among a thousand others, so that the heap has some depth; in an order of its own. */
static void test_deadlines_run_in_their_order_and_not_early(void)
{
    enum { N = 1000 };
    g_autoptr(Reactor) reactor = reactor_new(NULL);
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    g_autofree Party *parties = g_new0(Party, N);
    g_autofree gint64 *due_us = g_new0(gint64, N);
    gint64 start_us = g_get_monotonic_time();

    for (guint i = 0; i < N; i++) {
        parties[i].entry = reactor_add(reactor, REACTOR_FRIENDS, on_run, &parties[i]);
        reactor_set_due(parties[i].entry, start_us + 1000000000);
        due_us[i] = start_us + g_rand_int_range(rand, 0, 20000);
        reactor_set_due(parties[i].entry, due_us[i]);
    }
    for (guint i = 0; i < N; i += 3) /* put off, then removed */
        reactor_set_due(parties[i].entry, REACTOR_NEVER);
    for (guint i = 0; i < N; i += 5)
        g_clear_pointer(&parties[i].entry, reactor_remove);
    for (guint i = 0; i < N; i++)
        if (i % 3 != 0 && i % 5 != 0)
            await(&parties[i].runs, 1);
    drain();
    for (guint i = 0; i < N; i++) {
        g_assert_cmpuint(parties[i].runs, ==, i % 3 != 0 && i % 5 != 0);
        g_assert_true(parties[i].runs == 0 || parties[i].run_us >= due_us[i]);
        for (guint j = 0; j < i; j++)
            if (parties[i].runs && parties[j].runs && due_us[i] < due_us[j])
                g_assert_cmpint(parties[i].run_us, <=, parties[j].run_us);
        reactor_remove(parties[i].entry);
    }
}

static void test_deadline_that_is_put_off_waits_and_one_that_is_brought_forward_does_not(void)
{
    g_autoptr(Reactor) reactor = reactor_new(NULL);
    Party late = { 0 }, early = { 0 };
    gint64 start_us = g_get_monotonic_time();

    late.entry = reactor_add(reactor, REACTOR_FRIENDS, on_run, &late);
    early.entry = reactor_add(reactor, REACTOR_FRIENDS, on_run, &early);
    reactor_set_due(late.entry, start_us + 1000);
    reactor_set_due(late.entry, start_us + 30000);
    reactor_set_due(early.entry, start_us + 1000000000);
    reactor_set_due(early.entry, start_us + 1000);
    await(&early.runs, 1);
    await(&late.runs, 1);
    g_assert_cmpint(late.run_us, >=, start_us + 30000);
    g_assert_cmpint(early.run_us, <=, late.run_us);
    reactor_remove(late.entry);
    reactor_remove(early.entry);
}

static void test_entry_that_is_removed_by_another_does_not_run(void)
{
    g_autoptr(Reactor) reactor = reactor_new(NULL);
    Party a, b;

    party_open(&a, reactor, REACTOR_FRIENDS);
    party_open(&b, reactor, REACTOR_FRIENDS);
    a.removes = &b;
    b.removes = &a;
    party_write(&a);
    party_write(&b);
    drain();
    g_assert_cmpuint(a.runs + b.runs, ==, 1);
    party_close(&a);
    party_close(&b);
}

static void test_entry_may_remove_itself_with_the_last_reference_to_the_reactor(void)
{
    Reactor *reactor = reactor_new(NULL);
    Party p;

    party_open(&p, reactor, REACTOR_FRIENDS);
    reactor_unref(reactor);
    p.removes = &p;
    party_write(&p);
    await(&p.runs, 1);
    drain();
    party_close(&p);
}

static gboolean on_idle(void *data)
{
    g_string_append_c(data, 'd');
    return G_SOURCE_REMOVE;
}

/* One stranger a step, and each after what else there is to do. */
static void test_strangers_wait_for_friends_and_for_the_loop(void)
{
    g_autoptr(Reactor) reactor = reactor_new(NULL);
    g_autoptr(GString) order = g_string_new(NULL);
    Party strangers[3], friend;

    for (guint i = 0; i < G_N_ELEMENTS(strangers); i++) {
        party_open(&strangers[i], reactor, REACTOR_STRANGERS);
        strangers[i].order = order;
        strangers[i].letter = 's';
        party_write(&strangers[i]);
    }
    party_open(&friend, reactor, REACTOR_FRIENDS);
    friend.order = order;
    friend.letter = 'f';
    party_write(&friend);
    g_main_context_iteration(NULL, FALSE);
    g_assert_cmpstr(order->str, ==, "f");
    g_main_context_iteration(NULL, FALSE);
    g_assert_cmpstr(order->str, ==, "fs");
    party_write(&friend);
    g_idle_add_full(G_PRIORITY_DEFAULT, on_idle, order, NULL);
    g_main_context_iteration(NULL, FALSE);
    g_assert_nonnull(strchr(order->str + 2, 'd'));
    g_assert_null(strchr(order->str + 2, 's'));
    reactor_set_lane(strangers[2].entry, REACTOR_FRIENDS); /* identified: first now */
    while (strangers[2].runs == 0)
        g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(strangers[0].runs + strangers[1].runs, <, 2);
    drain();
    g_assert_cmpuint(strangers[0].runs + strangers[1].runs, ==, 2);
    for (guint i = 0; i < G_N_ELEMENTS(strangers); i++)
        party_close(&strangers[i]);
    party_close(&friend);
}

/* A flood of friends lets other sources of the loop in. */
static void test_flood_does_not_fill_a_step(void)
{
    enum { N = 200 };
    g_autoptr(Reactor) reactor = reactor_new(NULL);
    g_autoptr(GString) order = g_string_new(NULL);
    g_autofree Party *parties = g_new0(Party, N);

    for (guint i = 0; i < N; i++) {
        party_open(&parties[i], reactor, REACTOR_FRIENDS);
        parties[i].order = order;
        parties[i].letter = 'f';
        party_write(&parties[i]);
    }
    g_main_context_iteration(NULL, FALSE);
    g_idle_add_full(G_PRIORITY_DEFAULT, on_idle, order, NULL);
    drain();
    g_assert_cmpuint(order->len, ==, N + 1);
    g_assert_cmpint(strchr(order->str, 'd') - order->str, <, N / 2);
    for (guint i = 0; i < N; i++)
        party_close(&parties[i]);
}

/* Held, they run one by one with pauses; not held, at once. */
static void test_held_strangers_run_rarely_but_run(void)
{
    g_autoptr(Reactor) reactor = reactor_new(NULL);
    Party strangers[4];
    gint64 start_us;
    guint runs = 0;

    for (guint i = 0; i < G_N_ELEMENTS(strangers); i++) {
        party_open(&strangers[i], reactor, REACTOR_STRANGERS);
        party_write(&strangers[i]);
    }
    reactor_hold_strangers(reactor, TRUE);
    reactor_hold_strangers(reactor, TRUE);
    start_us = reactor_now_us(strangers[0].entry);
    while (runs < 2) {
        g_main_context_iteration(NULL, TRUE);
        runs = 0;
        for (guint i = 0; i < G_N_ELEMENTS(strangers); i++)
            runs += strangers[i].runs;
    }
    g_assert_cmpuint(runs, ==, 2);
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 20000);
    reactor_hold_strangers(reactor, FALSE);
    g_assert_true(reactor_holds_strangers(reactor));
    reactor_hold_strangers(reactor, FALSE);
    g_assert_false(reactor_holds_strangers(reactor));
    for (guint i = 0; i < G_N_ELEMENTS(strangers); i++) {
        await(&strangers[i].runs, 1);
        party_close(&strangers[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/reactor/what-is-readable-runs-and-nothing-else", test_what_is_readable_runs_and_nothing_else);
    g_test_add_func("/reactor/unwatched-descriptor-is-left-alone-even-when-it-hangs-up",
                    test_unwatched_descriptor_is_left_alone_even_when_it_hangs_up);
    g_test_add_func("/reactor/descriptor-that-is-replaced-is-watched-no-more",
                    test_descriptor_that_is_replaced_is_watched_no_more);
    g_test_add_func("/reactor/descriptor-that-epoll-cannot-take-is-told", test_descriptor_that_epoll_cannot_take_is_told);
    g_test_add_func("/reactor/deadlines-run-in-their-order-and-not-early",
                    test_deadlines_run_in_their_order_and_not_early);
    g_test_add_func("/reactor/deadline-that-is-put-off-waits-and-one-that-is-brought-forward-does-not",
                    test_deadline_that_is_put_off_waits_and_one_that_is_brought_forward_does_not);
    g_test_add_func("/reactor/entry-that-is-removed-by-another-does-not-run",
                    test_entry_that_is_removed_by_another_does_not_run);
    g_test_add_func("/reactor/entry-may-remove-itself-with-the-last-reference-to-the-reactor",
                    test_entry_may_remove_itself_with_the_last_reference_to_the_reactor);
    g_test_add_func("/reactor/strangers-wait-for-friends-and-for-the-loop",
                    test_strangers_wait_for_friends_and_for_the_loop);
    g_test_add_func("/reactor/flood-does-not-fill-a-step", test_flood_does_not_fill_a_step);
    g_test_add_func("/reactor/held-strangers-run-rarely-but-run", test_held_strangers_run_rarely_but_run);
    return g_test_run();
}
