/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sd-source.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two buses on a socketpair, both driven by one context: server answers, client asks. */
typedef struct Pair {
    GMainContext *context;
    sd_bus *server, *client;
    GSource *server_source, *client_source;
    int closed_calls, closed_error;
    int calls, replies, reply_error;
    gboolean remove_in_handler;
} Pair;

static void on_closed(int error, void *data)
{
    Pair *pair = data;

    pair->closed_calls++;
    pair->closed_error = error;
}

static int on_echo(sd_bus_message *m, void *data, sd_bus_error *ret_error)
{
    Pair *pair = data;
    const char *text;

    g_assert_cmpint(sd_bus_message_read(m, "s", &text), >, 0);
    pair->calls++;
    if (pair->remove_in_handler) {
        sd_source_remove(g_steal_pointer(&pair->server_source));
        pair->server = sd_bus_flush_close_unref(pair->server);
        return 1;
    }
    return sd_bus_reply_method_return(m, "s", text);
}

static int on_reply(sd_bus_message *m, void *data, sd_bus_error *ret_error)
{
    Pair *pair = data;

    pair->replies++;
    pair->reply_error = sd_bus_message_get_errno(m);
    return 0;
}

static const sd_bus_vtable echo_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Echo", "s", "s", on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static void pair_open(Pair *pair)
{
    int fds[2];
    sd_id128_t id;

    *pair = (Pair) { .context = g_main_context_new() };
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_cmpint(sd_id128_randomize(&id), ==, 0);
    g_assert_cmpint(sd_bus_new(&pair->server), ==, 0);
    g_assert_cmpint(sd_bus_set_fd(pair->server, fds[0], fds[0]), >=, 0);
    g_assert_cmpint(sd_bus_set_server(pair->server, 1, id), >=, 0);
    g_assert_cmpint(sd_bus_add_object_vtable(pair->server, NULL, "/test", "org.tbsyncd1.Test", echo_vtable, pair),
                    >=, 0);
    g_assert_cmpint(sd_bus_start(pair->server), >=, 0);
    g_assert_cmpint(sd_bus_new(&pair->client), ==, 0);
    g_assert_cmpint(sd_bus_set_fd(pair->client, fds[1], fds[1]), >=, 0);
    g_assert_cmpint(sd_bus_start(pair->client), >=, 0);
    pair->server_source = sd_source_attach(pair->server, pair->context, NULL, NULL);
    pair->client_source = sd_source_attach(pair->client, pair->context, on_closed, pair);
}

static void pair_close(Pair *pair)
{
    sd_source_remove(pair->client_source);
    sd_source_remove(pair->server_source);
    sd_bus_close_unref(pair->client);
    sd_bus_close_unref(pair->server);
    g_main_context_unref(pair->context);
}

static void pair_call(Pair *pair, const char *member, const char *text, guint64 timeout_us)
{
    sd_bus_message *m = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(pair->client, &m, NULL, "/test", "org.tbsyncd1.Test", member),
                    >=, 0);
    g_assert_cmpint(sd_bus_message_append(m, "s", text), >=, 0);
    g_assert_cmpint(sd_bus_call_async(pair->client, NULL, m, on_reply, pair, timeout_us), >=, 0);
    sd_bus_message_unref(m);
}

static void test_calls_are_answered_from_the_loop(void)
{
    Pair pair;

    pair_open(&pair);
    for (int i = 0; i < 200; i++)
        pair_call(&pair, "Echo", "hello", 0);
    g_assert_cmpint(pair.replies, ==, 0);
    while (pair.replies < 200)
        g_main_context_iteration(pair.context, TRUE);
    g_assert_cmpint(pair.calls, ==, 200);
    g_assert_cmpint(pair.reply_error, ==, 0);
    g_assert_cmpint(pair.closed_calls, ==, 0);
    pair_close(&pair);
}

static void test_an_idle_bus_does_not_spin(void)
{
    Pair pair;

    pair_open(&pair);
    pair_call(&pair, "Echo", "hello", 0);
    while (pair.replies < 1)
        g_main_context_iteration(pair.context, TRUE);
    for (int i = 0; i < 10; i++)
        g_main_context_iteration(pair.context, FALSE);
    g_assert_false(g_main_context_pending(pair.context));
    pair_close(&pair);
}

static void test_a_call_without_answer_times_out(void)
{
    Pair pair;

    pair_open(&pair);
    pair_call(&pair, "Echo", "authenticates", 0);
    while (pair.replies < 1)
        g_main_context_iteration(pair.context, TRUE);
    /* from here on the server is never processed */
    sd_source_remove(g_steal_pointer(&pair.server_source));
    pair_call(&pair, "Echo", "hello", 1000);
    while (pair.replies < 2)
        g_main_context_iteration(pair.context, TRUE);
    g_assert_cmpint(pair.reply_error, ==, ETIMEDOUT);
    pair_close(&pair);
}

static void test_loss_fails_pending_calls_and_tells_once(void)
{
    Pair pair;

    pair_open(&pair);
    pair_call(&pair, "Echo", "hello", 0);
    while (pair.replies < 1)
        g_main_context_iteration(pair.context, TRUE);
    sd_source_remove(g_steal_pointer(&pair.server_source));
    pair_call(&pair, "Echo", "lost", 0);
    pair.server = sd_bus_close_unref(pair.server);
    while (pair.closed_calls < 1)
        g_main_context_iteration(pair.context, TRUE);
    g_assert_cmpint(pair.replies, ==, 2);
    g_assert_cmpint(pair.reply_error, !=, 0);
    g_assert_cmpint(pair.closed_error, ==, ECONNRESET);
    while (g_main_context_iteration(pair.context, FALSE))
        ;
    g_assert_cmpint(pair.closed_calls, ==, 1);
    pair_close(&pair);
}

static void test_garbage_closes_the_bus(void)
{
    Pair pair;
    int fds[2];

    pair_open(&pair);
    sd_source_remove(pair.client_source);
    sd_bus_close_unref(pair.client);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_cmpint(sd_bus_new(&pair.client), ==, 0);
    g_assert_cmpint(sd_bus_set_fd(pair.client, fds[0], fds[0]), >=, 0);
    g_assert_cmpint(sd_bus_start(pair.client), >=, 0);
    pair.client_source = sd_source_attach(pair.client, pair.context, on_closed, &pair);
    g_assert_cmpint(write(fds[1], "HTTP/1.1 400 Bad\r\n\r\n\r\n\r\n", 24), ==, 24);
    while (pair.closed_calls < 1)
        g_main_context_iteration(pair.context, TRUE);
    g_assert_cmpint(pair.closed_error, >, 0);
    close(fds[1]);
    pair_close(&pair);
}

static void test_removal_inside_a_handler_is_safe(void)
{
    Pair pair;

    pair_open(&pair);
    pair.remove_in_handler = TRUE;
    pair_call(&pair, "Echo", "hello", 0);
    while (pair.closed_calls < 1)
        g_main_context_iteration(pair.context, TRUE);
    g_assert_cmpint(pair.calls, ==, 1);
    g_assert_null(pair.server);
    pair_close(&pair);
}

static void test_no_callback_after_removal(void)
{
    Pair pair;

    pair_open(&pair);
    sd_source_remove(g_steal_pointer(&pair.client_source));
    sd_source_remove(g_steal_pointer(&pair.server_source));
    sd_source_remove(NULL);
    pair.server = sd_bus_close_unref(pair.server);
    while (g_main_context_iteration(pair.context, FALSE))
        ;
    g_assert_cmpint(pair.closed_calls, ==, 0);
    pair_close(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sd-source/calls-are-answered-from-the-loop", test_calls_are_answered_from_the_loop);
    g_test_add_func("/sd-source/an-idle-bus-does-not-spin", test_an_idle_bus_does_not_spin);
    g_test_add_func("/sd-source/a-call-without-answer-times-out", test_a_call_without_answer_times_out);
    g_test_add_func("/sd-source/loss-fails-pending-calls-and-tells-once", test_loss_fails_pending_calls_and_tells_once);
    g_test_add_func("/sd-source/garbage-closes-the-bus", test_garbage_closes_the_bus);
    g_test_add_func("/sd-source/removal-inside-a-handler-is-safe", test_removal_inside_a_handler_is_safe);
    g_test_add_func("/sd-source/no-callback-after-removal", test_no_callback_after_removal);
    return g_test_run();
}
