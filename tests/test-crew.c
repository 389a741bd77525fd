/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crew.h"

typedef struct Gate {
    GMutex lock;
    GCond changed;
    gboolean open;
    int passed;
} Gate;

static void *pass(void *data)
{
    Gate *gate = data;

    g_mutex_lock(&gate->lock);
    while (!gate->open)
        g_cond_wait(&gate->changed, &gate->lock);
    g_mutex_unlock(&gate->lock);
    g_atomic_int_inc(&gate->passed);
    return NULL;
}

static void open_gate(Gate *gate)
{
    g_mutex_lock(&gate->lock);
    gate->open = TRUE;
    g_cond_broadcast(&gate->changed);
    g_mutex_unlock(&gate->lock);
}

static void start(Crew *crew, Gate *gate)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(crew_start(crew, "test", pass, gate, &error));
    g_assert_no_error(error);
}

static void test_wait_ends_with_the_last_thread(void)
{
    g_autoptr(Crew) crew = crew_new();
    Gate gates[4] = { { .open = TRUE }, { .open = TRUE }, { .open = TRUE }, { .open = TRUE } };

    g_assert_cmpuint(crew_wait(crew, 0), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(gates); i++)
        start(crew, &gates[i]);
    g_assert_cmpuint(crew_wait(crew, G_MAXINT), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(gates); i++)
        g_assert_cmpint(gates[i].passed, ==, 1);
}

static void test_hung_thread_is_waited_for_no_longer_than_told(void)
{
    g_autoptr(Crew) crew = crew_new();
    Gate hung = { 0 };

    start(crew, &hung);
    g_assert_cmpuint(crew_wait(crew, 1), ==, 1);
    open_gate(&hung);
    g_assert_cmpuint(crew_wait(crew, G_MAXINT), ==, 0);
    g_assert_cmpint(hung.passed, ==, 1);
    start(crew, &hung); /* and it goes on */
    g_assert_cmpuint(crew_wait(crew, G_MAXINT), ==, 0);
    g_assert_cmpint(hung.passed, ==, 2);
}

static void test_thread_outlives_the_last_reference(void)
{
    Crew *crew = crew_new();
    Gate hung = { 0 };

    start(crew, &hung);
    crew_unref(crew); /* the thread has one */
    crew_unref(NULL);
    open_gate(&hung);
    while (!g_atomic_int_get(&hung.passed))
        g_thread_yield();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/crew/wait-ends-with-the-last-thread", test_wait_ends_with_the_last_thread);
    g_test_add_func("/crew/hung-thread-is-waited-for-no-longer-than-told", test_hung_thread_is_waited_for_no_longer_than_told);
    g_test_add_func("/crew/thread-outlives-the-last-reference", test_thread_outlives_the_last_reference);
    return g_test_run();
}
