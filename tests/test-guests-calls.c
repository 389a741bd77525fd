/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guests-calls.h"

#include "error.h"

#include <gio/gio.h>
#include <string.h>

/* A call that stays in its thread until it is let go. */
typedef struct Gate {
    GMutex lock;
    GCond changed;
    gboolean open;
    guint entered;
    guint freed_outputs;
} Gate;

typedef struct Answer {
    gboolean done;
    char *output;
    GError *error;
} Answer;

static void *run_gate(void *input, GError **error)
{
    Gate *gate = input;

    g_mutex_lock(&gate->lock);
    gate->entered++;
    g_cond_broadcast(&gate->changed);
    while (!gate->open)
        g_cond_wait(&gate->changed, &gate->lock);
    g_mutex_unlock(&gate->lock);
    return gate;
}

static void *run_echo(void *input, GError **error)
{
    return g_strdup(input);
}

static void *run_fail(void *input, GError **error)
{
    g_set_error_literal(error, TBSYNC_ERROR, TBSYNC_ERROR_DENIED, "no");
    return NULL;
}

static void nothing(void *data)
{
}

static void count_output(void *data)
{
    Gate *gate = data;

    gate->freed_outputs++;
}

static void on_answer(GObject *source, GAsyncResult *result, void *data)
{
    Answer *answer = data;

    answer->output = calls_run_finish(result, &answer->error);
    answer->done = TRUE;
}

static void wait_for(const gboolean *flag)
{
    while (!*flag)
        g_main_context_iteration(NULL, TRUE);
}

static void gate_wait_entered(Gate *gate, guint n)
{
    g_mutex_lock(&gate->lock);
    while (gate->entered < n)
        g_cond_wait(&gate->changed, &gate->lock);
    g_mutex_unlock(&gate->lock);
}

static void gate_open(Gate *gate)
{
    g_mutex_lock(&gate->lock);
    gate->open = TRUE;
    g_cond_broadcast(&gate->changed);
    g_mutex_unlock(&gate->lock);
}

static void ask_gate(Calls *calls, const char *key, guint deadline_ms, Gate *gate, Answer *answer)
{
    calls_run_async(calls,
                    &(CallSpec){ .key = key,
                                 .what = "looking up guest 'g'",
                                 .deadline_ms = deadline_ms,
                                 .run = run_gate,
                                 .input = gate,
                                 .input_free = nothing,
                                 .output_free = count_output },
                    NULL, on_answer, answer);
}

static void ask(Calls *calls, CallRun run, GCancellable *cancellable, Answer *answer)
{
    calls_run_async(calls,
                    &(CallSpec){ .key = "k",
                                 .what = "asking",
                                 .deadline_ms = 60000,
                                 .run = run,
                                 .input = g_strdup("hello"),
                                 .input_free = g_free,
                                 .output_free = g_free },
                    cancellable, on_answer, answer);
}

static void drain(const Calls *calls)
{
    while (calls_running(calls) > 0)
        g_main_context_iteration(NULL, TRUE);
}

static void test_output_and_error_arrive(void)
{
    g_autoptr(Crew) crew = crew_new();
    g_autoptr(Calls) calls = calls_new(crew, 2, 2);
    Answer good = { 0 }, bad = { 0 };

    ask(calls, run_echo, NULL, &good);
    ask(calls, run_fail, NULL, &bad);
    wait_for(&good.done);
    wait_for(&bad.done);
    g_assert_no_error(good.error);
    g_assert_cmpstr(good.output, ==, "hello");
    g_assert_error(bad.error, TBSYNC_ERROR, TBSYNC_ERROR_DENIED);
    g_assert_null(bad.output);
    g_free(good.output);
    g_clear_error(&bad.error);
}

static void test_stuck_call_is_answered_at_its_deadline(void)
{
    g_autoptr(Crew) crew = crew_new();
    g_autoptr(Calls) calls = calls_new(crew, 2, 2);
    Gate gate = { 0 };
    Answer answer = { 0 };

    ask_gate(calls, "g", 1, &gate, &answer);
    wait_for(&answer.done);
    g_assert_error(answer.error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT);
    g_assert_cmpstr(answer.error->message, ==, "looking up guest 'g' took longer than 1 ms");
    g_assert_cmpuint(calls_running(calls), ==, 1);
    gate_open(&gate);
    drain(calls);
    g_assert_cmpuint(gate.freed_outputs, ==, 1); /* the late answer was discarded */
    g_clear_error(&answer.error);
}

static void test_stuck_guest_is_refused_and_others_are_not(void)
{
    g_autoptr(Crew) crew = crew_new();
    g_autoptr(Calls) calls = calls_new(crew, 4, 4);
    Gate gate = { 0 };
    Answer stuck = { 0 }, again = { 0 }, other = { 0 };

    ask_gate(calls, "g", 1, &gate, &stuck);
    wait_for(&stuck.done);
    ask_gate(calls, "g", 60000, &gate, &again);
    wait_for(&again.done);
    g_assert_error(again.error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT);
    g_assert_nonnull(strstr(again.error->message, "still hangs"));
    ask(calls, run_echo, NULL, &other);
    wait_for(&other.done);
    g_assert_cmpstr(other.output, ==, "hello");

    gate_open(&gate);
    drain(calls);
    g_clear_error(&again.error);
    again.done = FALSE;
    ask_gate(calls, "g", 60000, &gate, &again); /* it lives again */
    wait_for(&again.done);
    g_assert_no_error(again.error);
    g_free(other.output);
    g_clear_error(&stuck.error);
}

static void test_calls_beyond_the_bound_wait_or_are_refused(void)
{
    g_autoptr(Crew) crew = crew_new();
    g_autoptr(Calls) calls = calls_new(crew, 1, 1);
    Gate gate = { 0 };
    Answer first = { 0 }, queued = { 0 }, refused = { 0 };

    ask_gate(calls, "a", 60000, &gate, &first);
    ask_gate(calls, "b", 60000, &gate, &queued);
    ask_gate(calls, "c", 60000, &gate, &refused);
    wait_for(&refused.done);
    g_assert_error(refused.error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE);
    gate_wait_entered(&gate, 1);
    g_assert_false(queued.done);
    gate_open(&gate);
    wait_for(&queued.done);
    g_assert_true(first.done);
    g_assert_no_error(queued.error);
    g_assert_cmpuint(gate.entered, ==, 2);
    drain(calls);
    g_clear_error(&refused.error);
}

static void test_queued_call_keeps_its_own_deadline(void)
{
    g_autoptr(Crew) crew = crew_new();
    g_autoptr(Calls) calls = calls_new(crew, 1, 1);
    Gate gate = { 0 };
    Answer first = { 0 }, queued = { 0 };

    ask_gate(calls, "a", 60000, &gate, &first);
    ask_gate(calls, "b", 1, &gate, &queued);
    wait_for(&queued.done);
    g_assert_error(queued.error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT);
    gate_open(&gate);
    wait_for(&first.done);
    drain(calls);
    g_assert_cmpuint(gate.entered, ==, 1); /* it never ran */
    g_clear_error(&queued.error);
}

static void test_cancelled_call_is_answered_at_once(void)
{
    g_autoptr(Crew) crew = crew_new();
    g_autoptr(Calls) calls = calls_new(crew, 1, 1);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Gate gate = { 0 };
    Answer first = { 0 }, queued = { 0 };

    ask_gate(calls, "a", 60000, &gate, &first);
    ask(calls, run_echo, cancellable, &queued);
    g_cancellable_cancel(cancellable);
    wait_for(&queued.done);
    g_assert_error(queued.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_false(first.done);
    gate_open(&gate);
    wait_for(&first.done);
    drain(calls);
    g_clear_error(&queued.error);
}

static void test_free_answers_what_is_outstanding(void)
{
    g_autoptr(Crew) crew = crew_new();
    Calls *calls = calls_new(crew, 1, 1);
    Gate gate = { 0 };
    Answer running = { 0 }, queued = { 0 };

    ask_gate(calls, "a", 60000, &gate, &running);
    ask(calls, run_echo, NULL, &queued);
    calls_free(calls);
    g_assert_false(running.done);
    wait_for(&running.done);
    wait_for(&queued.done);
    g_assert_error(running.error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE);
    g_assert_error(queued.error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE);
    gate_open(&gate);
    while (gate.freed_outputs == 0)
        g_main_context_iteration(NULL, TRUE);
    g_clear_error(&running.error);
    g_clear_error(&queued.error);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guests-calls/output-and-error-arrive", test_output_and_error_arrive);
    g_test_add_func("/guests-calls/stuck-call-is-answered-at-its-deadline",
                    test_stuck_call_is_answered_at_its_deadline);
    g_test_add_func("/guests-calls/stuck-guest-is-refused-and-others-are-not",
                    test_stuck_guest_is_refused_and_others_are_not);
    g_test_add_func("/guests-calls/calls-beyond-the-bound-wait-or-are-refused",
                    test_calls_beyond_the_bound_wait_or_are_refused);
    g_test_add_func("/guests-calls/queued-call-keeps-its-own-deadline",
                    test_queued_call_keeps_its_own_deadline);
    g_test_add_func("/guests-calls/cancelled-call-is-answered-at-once",
                    test_cancelled_call_is_answered_at_once);
    g_test_add_func("/guests-calls/free-answers-what-is-outstanding",
                    test_free_answers_what_is_outstanding);
    return g_test_run();
}
