/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-fixture.h"

#include "error.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB (1024u * 1024u)

static void test_both_ends_know_each_other(const void *pki)
{
    LinkFixture f;
    g_autofree char *beta = NULL;

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    g_assert_cmpstr(link_peer_name(f.client.link), ==, "beta");
    g_assert_cmpstr(link_peer_name(f.server.link), ==, "alpha");
    g_assert_cmpstr(f.server.names, ==, "alpha");
    g_assert_cmpint(f.server.authorised, ==, 1);
    g_assert_cmpint(f.client.authorised, ==, 1);
    beta = g_strdup_printf("127.0.0.1:%u", f.port);
    g_assert_cmpstr(link_remote_address(f.client.link), ==, beta);
    g_assert_true(g_str_has_prefix(link_remote_address(f.server.link), "127.0.0.1:"));
    link_fixture_clear(&f);
}

static void test_both_ends_can_call(const void *pki)
{
    LinkFixture f;
    EchoCount to_server = { 0 }, to_client = { 0 };

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    link_call_echo(link_bus(f.client.link), 5, &to_server);
    link_call_echo(link_bus(f.server.link), 7, &to_client);
    link_wait(&to_server.replies, 1);
    link_wait(&to_client.replies, 1);
    g_assert_cmpint(f.server.called, ==, 1);
    g_assert_cmpint(f.client.called, ==, 1);
    link_fixture_clear(&f);
}

static void test_large_messages_pass_both_ways_at_once(const void *pki)
{
    LinkFixture f;
    EchoCount to_server = { 0 }, to_client = { 0 };

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    for (int i = 0; i < 4; i++) {
        link_call_echo(link_bus(f.client.link), MIB, &to_server);
        link_call_echo(link_bus(f.server.link), MIB + 1, &to_client);
    }
    link_wait(&to_server.replies, 4);
    link_wait(&to_client.replies, 4);
    g_assert_cmpint(to_server.failures + to_client.failures + to_server.wrong + to_client.wrong, ==, 0);
    link_fixture_clear(&f);
}

static void test_many_calls_at_once_are_all_answered(const void *pki)
{
    LinkFixture f;
    EchoCount count = { 0 };

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    for (gsize i = 0; i < 500; i++) {
        link_call_echo(link_bus(f.client.link), i, &count);
        link_call_echo(link_bus(f.server.link), i, &count);
    }
    link_wait(&count.replies, 1000);
    g_assert_cmpint(count.failures + count.wrong, ==, 0);
    link_fixture_clear(&f);
}

static void test_an_idle_link_does_not_spin(const void *pki)
{
    LinkFixture f;
    EchoCount count = { 0 };

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    link_call_echo(link_bus(f.client.link), 1, &count);
    link_wait(&count.replies, 1);
    link_settle();
    g_assert_false(g_main_context_pending(NULL));
    link_fixture_clear(&f);
}

static void test_free_closes_the_other_end_cleanly(const void *pki)
{
    LinkFixture f;

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    g_clear_pointer(&f.client.link, link_free);
    link_wait(&f.server.closed, 1);
    g_assert_error(f.server.error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE);
    g_assert_nonnull(strstr(f.server.error->message, "it closed the link"));
    g_assert_cmpint(f.client.closed, ==, 0);
    link_fixture_clear(&f);
}

static void test_loss_fails_pending_calls_before_closed(const void *pki)
{
    LinkFixture f;
    EchoCount count = { 0 };

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    link_call_echo(link_bus(f.client.link), 1, &count);
    link_wait(&count.replies, 1);
    g_clear_handle_id(&f.accept_source, g_source_remove);
    link_call_echo(link_bus(f.client.link), 1, &count);
    g_clear_pointer(&f.server.link, link_free);
    link_wait(&f.client.closed, 1);
    g_assert_cmpint(count.failures, ==, 1);
    link_fixture_clear(&f);
}

static void test_words_sent_before_free_arrive(const void *pki)
{
    LinkFixture f;
    sd_bus_message *m = NULL;

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    link_settle();
    g_assert_cmpint(sd_bus_message_new_method_call(link_bus(f.client.link), &m, NULL, "/test", "org.tbsyncd1.Test", "Echo"),
                    >=, 0);
    g_assert_cmpint(sd_bus_message_append_array(m, 'y', "x", 1), >=, 0);
    g_assert_cmpint(sd_bus_message_set_expect_reply(m, 0), >=, 0);
    g_assert_cmpint(sd_bus_send(NULL, m, NULL), >=, 0);
    sd_bus_message_unref(m);
    g_clear_pointer(&f.client.link, link_free);
    link_wait(&f.server.closed, 1);
    g_assert_cmpint(f.server.called, ==, 1);
    link_fixture_clear(&f);
}

static void test_a_bus_closed_by_its_user_ends_the_link(const void *pki)
{
    LinkFixture f;

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    sd_bus_close(link_bus(f.client.link));
    link_wait(&f.client.closed, 1);
    link_wait(&f.server.closed, 1);
    g_assert_nonnull(strstr(f.client.error->message, "D-Bus"));
    link_fixture_clear(&f);
}

static void test_the_second_link_resumes_the_session(const void *pki)
{
    LinkFixture f;
    EchoCount count = { 0 };

    link_fixture_init(&f, (Pki *) pki);
    for (int i = 0; i < 4; i++) {
        link_fixture_connect(&f);
        link_call_echo(link_bus(f.client.link), 1, &count);
        link_wait(&count.replies, i + 1);
        g_assert_cmpint(link_is_resumed(f.client.link), ==, i > 0);
        g_assert_cmpint(link_is_resumed(f.server.link), ==, i > 0);
        g_assert_cmpstr(link_peer_name(f.server.link), ==, "alpha");
        g_clear_pointer(&f.client.link, link_free);
    }
    g_assert_cmpint(f.server.authorised, ==, 4);
    g_assert_cmpint(f.client.authorised, ==, 4);
    link_fixture_clear(&f);
}

static void test_sessions_outlive_a_restart_of_the_accepting_side(const void *pki)
{
    LinkFixture f;
    EchoCount count = { 0 };

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    link_call_echo(link_bus(f.client.link), 1, &count);
    link_wait(&count.replies, 1);
    g_clear_pointer(&f.client.link, link_free);
    /* the same files, read again */
    link_tls_unref(f.server_tls);
    f.server_tls = link_fixture_tls((Pki *) pki, "beta");
    f.server.params.tls = f.server_tls;
    link_fixture_connect(&f);
    g_assert_true(link_is_resumed(f.server.link));
    link_fixture_clear(&f);
}

static void test_a_resumed_session_is_checked_against_the_new_crl(const void *pki_shared)
{
    LinkFixture f;
    EchoCount count = { 0 };
    g_autoptr(Pki) pki = pki_new("CA with a CRL");

    pki_issue_host(pki, "alpha");
    pki_issue_host(pki, "beta");
    link_fixture_init(&f, pki);
    link_fixture_connect(&f);
    link_call_echo(link_bus(f.client.link), 1, &count);
    link_wait(&count.replies, 1);
    g_clear_pointer(&f.client.link, link_free);
    link_wait(&f.server.closed, 1);
    pki_revoke(pki, "alpha");
    link_tls_unref(f.server_tls);
    f.server_tls = link_fixture_tls(pki, "beta");
    f.server.params.tls = f.server_tls;
    f.client.link = link_dial("127.0.0.1", f.port, "beta", &f.client.params);
    f.server.closed = 0;
    link_wait(&f.client.closed, 1);
    link_wait(&f.server.closed, 1);
    g_assert_cmpint(f.server.up, ==, 1);
    g_assert_nonnull(strstr(f.server.error->message, "revoked"));
    g_assert_error(f.client.error, TBSYNC_ERROR, TBSYNC_ERROR_DENIED);
    g_assert_nonnull(strstr(f.client.error->message, "revoked"));
    link_fixture_clear(&f);
}

static void test_a_resumed_session_is_checked_against_the_new_peer_list(const void *pki)
{
    LinkFixture f;
    EchoCount count = { 0 };

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    link_call_echo(link_bus(f.client.link), 1, &count);
    link_wait(&count.replies, 1);
    g_clear_pointer(&f.client.link, link_free);
    link_wait(&f.server.closed, 1);
    f.server.accepts = NULL;
    f.server.closed = 0;
    f.client.link = link_dial("127.0.0.1", f.port, "beta", &f.client.params);
    link_wait(&f.client.closed, 1);
    link_wait(&f.server.closed, 1);
    g_assert_cmpint(f.server.up, ==, 1);
    g_assert_nonnull(strstr(f.server.error->message, "'alpha' is not in the peer list"));
    g_assert_error(f.client.error, TBSYNC_ERROR, TBSYNC_ERROR_DENIED);
    link_fixture_clear(&f);
}

static void test_recheck_finds_a_peer_that_was_revoked_since(const void *pki_shared)
{
    LinkFixture f;
    g_autoptr(Pki) pki = pki_new("CA with a CRL");
    g_autoptr(LinkTls) reloaded = NULL;
    g_autoptr(GError) error = NULL;

    pki_issue_host(pki, "alpha");
    pki_issue_host(pki, "beta");
    link_fixture_init(&f, pki);
    link_fixture_connect(&f);
    g_assert_true(link_recheck(f.server.link, f.server_tls, &error));
    g_assert_no_error(error);
    pki_revoke(pki, "alpha");
    reloaded = link_fixture_tls(pki, "beta");
    g_assert_false(link_recheck(f.server.link, reloaded, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_IDENTITY);
    g_assert_nonnull(strstr(error->message, "revoked"));
    g_assert_cmpint(link_state(f.server.link), ==, LINK_UP);
    link_fixture_clear(&f);
}

typedef struct FreeCase {
    Pki *pki;
    EndEvent event;
    gboolean server;
} FreeCase;

static void test_free_inside_a_callback(const void *data)
{
    const FreeCase *c = data;
    LinkFixture f;
    LinkEnd *freed, *other;
    EchoCount count = { 0 };

    link_fixture_init(&f, c->pki);
    freed = c->server ? &f.server : &f.client;
    other = c->server ? &f.client : &f.server;
    freed->free_at = c->event;
    if (c->event == END_CALLED || c->event == END_CLOSED) {
        link_fixture_connect(&f);
        if (c->event == END_CALLED)
            link_call_echo(link_bus(other->link), 1, &count);
        else
            sd_bus_close(link_bus(freed->link));
    } else {
        f.client.link = link_dial("127.0.0.1", f.port, "beta", &f.client.params);
    }
    /* the other end always hears of it */
    link_wait(&other->closed, 1);
    g_assert_null(freed->link);
    g_assert_cmpint(freed->closed, ==, c->event == END_CLOSED);
    link_fixture_clear(&f);
}

static void test_free_in_every_state(const void *pki)
{
    for (int state = LINK_CONNECTING; state <= LINK_CLOSED; state++) {
        LinkFixture f;

        link_fixture_init(&f, (Pki *) pki);
        if (state == LINK_CLOSED)
            f.client.accepts = NULL;
        f.client.link = link_dial("localhost", f.port, "beta", &f.client.params);
        g_assert_cmpint(link_state(f.client.link), ==, LINK_CONNECTING);
        while ((int) link_state(f.client.link) < state)
            g_main_context_iteration(NULL, TRUE);
        g_assert_cmpint(link_state(f.client.link), ==, state);
        link_free(g_steal_pointer(&f.client.link));
        link_settle();
        g_assert_cmpint(f.client.closed, ==, state == LINK_CLOSED);
        link_fixture_clear(&f);
    }
    link_free(NULL);
}

static void test_a_refused_connection_is_named(const void *pki)
{
    LinkFixture f;
    g_autofree char *who = NULL;

    link_fixture_init(&f, (Pki *) pki);
    g_clear_handle_id(&f.accept_source, g_source_remove);
    close(f.listen_fd);
    f.client.link = link_dial("127.0.0.1", f.port, "beta", &f.client.params);
    link_wait(&f.client.closed, 1);
    who = g_strdup_printf("peer beta at 127.0.0.1:%u: cannot connect: Connection refused", f.port);
    g_assert_error(f.client.error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE);
    g_assert_cmpstr(f.client.error->message, ==, who);
    f.listen_fd = -1;
    link_fixture_clear(&f);
}

static void test_an_unknown_host_name_is_named(const void *pki)
{
    LinkFixture f;

    link_fixture_init(&f, (Pki *) pki);
    f.client.link = link_dial("no such host", f.port, "beta", &f.client.params);
    link_wait(&f.client.closed, 1);
    g_assert_error(f.client.error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE);
    g_assert_nonnull(strstr(f.client.error->message, "no such host"));
    link_fixture_clear(&f);
}

static void test_links_work_in_a_context_of_their_own(const void *pki)
{
    LinkFixture f;
    g_autoptr(GMainContext) context = g_main_context_new();

    link_fixture_init(&f, (Pki *) pki);
    g_main_context_push_thread_default(context);
    f.client.link = link_dial("127.0.0.1", f.port, "beta", &f.client.params);
    while (f.client.started < 1 || f.server.started < 1) {
        g_main_context_iteration(context, FALSE);
        g_main_context_iteration(NULL, FALSE);
    }
    link_free(g_steal_pointer(&f.client.link));
    g_main_context_pop_thread_default(context);
    link_fixture_clear(&f);
}

static void test_a_message_beyond_the_limit_ends_the_link(const void *pki)
{
    LinkFixture f;
    EchoCount count = { 0 };

    link_fixture_init(&f, (Pki *) pki);
    link_fixture_connect(&f);
    link_call_echo(link_bus(f.client.link), 2 * MIB, &count);
    link_wait(&f.server.closed, 1);
    link_wait(&f.client.closed, 1);
    g_assert_nonnull(strstr(f.server.error->message, "more than 2 MiB"));
    g_assert_cmpint(f.server.called, ==, 0);
    g_assert_cmpint(count.failures, ==, 1);
    link_fixture_clear(&f);
}

/* The far end does not read for a while: TLS blocks in the middle of a record and goes on with it later. */
static void test_a_peer_that_does_not_read_holds_us_up_and_loses_nothing(const void *pki)
{
    LinkFixture f;
    EchoCount count = { 0 };
    g_autoptr(GMainContext) context = g_main_context_new();

    link_fixture_init(&f, (Pki *) pki);
    g_main_context_push_thread_default(context);
    f.client.link = link_dial("127.0.0.1", f.port, "beta", &f.client.params);
    g_main_context_pop_thread_default(context);
    while (f.client.started < 1 || f.server.started < 1) {
        g_main_context_iteration(context, FALSE);
        g_main_context_iteration(NULL, FALSE);
    }
    for (int i = 0; i < 32; i++)
        link_call_echo(link_bus(f.client.link), MIB, &count);
    for (int idle = 0; idle < 100; idle++)
        if (g_main_context_iteration(context, FALSE))
            idle = 0;
    g_assert_cmpint(f.server.called, ==, 0);
    while (count.replies < 32) {
        g_main_context_iteration(context, FALSE);
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_cmpint(count.failures + count.wrong, ==, 0);
    g_clear_pointer(&f.client.link, link_free);
    link_fixture_clear(&f);
}

typedef struct FreeName {
    const char *path;
    EndEvent event;
    gboolean server;
} FreeName;

static const FreeName free_names[] = {
    { "/link/free-inside-authorise-when-accepting", END_AUTHORISE, TRUE },
    { "/link/free-inside-authorise-when-dialling", END_AUTHORISE, FALSE },
    { "/link/free-inside-up-when-accepting", END_UP, TRUE },
    { "/link/free-inside-up-when-dialling", END_UP, FALSE },
    { "/link/free-inside-started-when-accepting", END_STARTED, TRUE },
    { "/link/free-inside-started-when-dialling", END_STARTED, FALSE },
    { "/link/free-inside-a-method-when-accepting", END_CALLED, TRUE },
    { "/link/free-inside-a-method-when-dialling", END_CALLED, FALSE },
    { "/link/free-inside-closed-when-accepting", END_CLOSED, TRUE },
    { "/link/free-inside-closed-when-dialling", END_CLOSED, FALSE },
};

static const struct {
    const char *path;
    void (*test)(const void *pki);
} tests[] = {
    { "/link/both-ends-know-each-other", test_both_ends_know_each_other },
    { "/link/both-ends-can-call", test_both_ends_can_call },
    { "/link/large-messages-pass-both-ways-at-once", test_large_messages_pass_both_ways_at_once },
    { "/link/many-calls-at-once-are-all-answered", test_many_calls_at_once_are_all_answered },
    { "/link/an-idle-link-does-not-spin", test_an_idle_link_does_not_spin },
    { "/link/free-closes-the-other-end-cleanly", test_free_closes_the_other_end_cleanly },
    { "/link/loss-fails-pending-calls-before-closed", test_loss_fails_pending_calls_before_closed },
    { "/link/words-sent-before-free-arrive", test_words_sent_before_free_arrive },
    { "/link/a-bus-closed-by-its-user-ends-the-link", test_a_bus_closed_by_its_user_ends_the_link },
    { "/link/the-second-link-resumes-the-session", test_the_second_link_resumes_the_session },
    { "/link/sessions-outlive-a-restart-of-the-accepting-side", test_sessions_outlive_a_restart_of_the_accepting_side },
    { "/link/a-resumed-session-is-checked-against-the-new-crl", test_a_resumed_session_is_checked_against_the_new_crl },
    { "/link/a-resumed-session-is-checked-against-the-new-peer-list",
      test_a_resumed_session_is_checked_against_the_new_peer_list },
    { "/link/recheck-finds-a-peer-that-was-revoked-since", test_recheck_finds_a_peer_that_was_revoked_since },
    { "/link/free-in-every-state", test_free_in_every_state },
    { "/link/a-refused-connection-is-named", test_a_refused_connection_is_named },
    { "/link/an-unknown-host-name-is-named", test_an_unknown_host_name_is_named },
    { "/link/a-message-beyond-the-limit-ends-the-link", test_a_message_beyond_the_limit_ends_the_link },
    { "/link/a-peer-that-does-not-read-holds-us-up-and-loses-nothing",
      test_a_peer_that_does_not_read_holds_us_up_and_loses_nothing },
    { "/link/links-work-in-a-context-of-their-own", test_links_work_in_a_context_of_their_own },
};

int main(int argc, char **argv)
{
    g_autoptr(Pki) pki = pki_new("Fleet CA");
    FreeCase cases[G_N_ELEMENTS(free_names)];

    g_test_init(&argc, &argv, NULL);
    pki_issue_host(pki, "alpha");
    pki_issue_host(pki, "beta");
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_data_func(tests[i].path, pki, tests[i].test);
    for (guint i = 0; i < G_N_ELEMENTS(free_names); i++) {
        cases[i] = (FreeCase) { pki, free_names[i].event, free_names[i].server };
        g_test_add_data_func(free_names[i].path, &cases[i], test_free_inside_a_callback);
    }
    return g_test_run();
}
