/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "left-open.h"

#include <glib.h>

#include "tree.h"

#define SEARCH 4

typedef struct Fixture {
    char *directory;
    Ledger *ledger;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->directory = g_dir_make_tmp("tbsyncd-left-open-XXXXXX", NULL);
    f->ledger = ledger_new(f->directory, 100, &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    ledger_free(f->ledger);
    tree_remove(f->directory);
    g_free(f->directory);
}

static void put(Fixture *f, const char *id, const char *text)
{
    g_autoptr(JsonNode) node = json_from_string(text, NULL);

    ledger_put_async(f->ledger, id, json_node_get_object(node), NULL, NULL);
}

static void assert_holds(Fixture *f, const char *id, const char *words)
{
    g_autofree char *text = ledger_get(f->ledger, id, NULL);

    g_assert_nonnull(g_strstr_len(text, -1, words));
}

static void run_loop(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

static void test_what_was_left_open_is_closed_from_the_loop(Fixture *f, gconstpointer data)
{
    g_autoptr(LeftOpen) left_open = NULL;

    put(f, "a", "{\"version\":1,\"state\":\"planned\",\"name\":\"db1\"}");
    put(f, "b", "{\"version\":1,\"state\":\"arriving\"}");
    left_open = left_open_new(f->ledger, SEARCH);
    assert_holds(f, "a", "\"planned\""); /* nothing was read yet */
    run_loop();
    assert_holds(f, "a", "\"state\":\"interrupted\",\"name\":\"db1\"");
    assert_holds(f, "b", "\"interrupted\"");
}

static void test_other_records_are_left_alone(Fixture *f, gconstpointer data)
{
    static const char *const texts[] = { "{\"version\":1,\"state\":\"completed\",\"name\":\"planned\"}",
                                         "{\"version\":1,\"state\":[\"planned\"]}", "{\"version\":1,\"name\":\"arriving\"}",
                                         "{\"version\":1,\"state\":\"refused\"}" };
    g_autoptr(LeftOpen) left_open = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        put(f, (char[]){ (char)('a' + i), '\0' }, texts[i]);
    left_open = left_open_new(f->ledger, SEARCH);
    run_loop();
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_holds(f, (char[]){ (char)('a' + i), '\0' }, texts[i]);
}

static void test_new_questions_stay_open(Fixture *f, gconstpointer data)
{
    g_autoptr(LeftOpen) left_open = NULL;

    put(f, "a", "{\"state\":\"planned\"}");
    left_open = left_open_new(f->ledger, SEARCH);
    put(f, "b", "{\"state\":\"planned\"}");
    run_loop();
    assert_holds(f, "a", "interrupted");
    assert_holds(f, "b", "planned");
}

static void test_only_the_newest_are_searched(Fixture *f, gconstpointer data)
{
    g_autoptr(LeftOpen) left_open = NULL;

    for (char id = 'a'; id <= 'e'; id++)
        put(f, (char[]){ id, '\0' }, "{\"state\":\"planned\"}");
    left_open = left_open_new(f->ledger, SEARCH);
    run_loop();
    assert_holds(f, "a", "planned");
    assert_holds(f, "b", "interrupted");
    assert_holds(f, "e", "interrupted");
}

static void test_stop_leaves_the_rest_to_the_next_process(Fixture *f, gconstpointer data)
{
    LeftOpen *left_open;

    put(f, "a", "{\"state\":\"planned\"}");
    put(f, "b", "{\"state\":\"planned\"}");
    left_open = left_open_new(f->ledger, SEARCH);
    while (!g_main_context_iteration(NULL, FALSE))
        continue;
    left_open_free(left_open);
    run_loop();
    assert_holds(f, "a", "planned");
    assert_holds(f, "b", "interrupted"); /* the newest first */
    left_open_free(NULL);
}

#define ADD(name, function) g_test_add("/left-open/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("what-was-left-open-is-closed-from-the-loop", test_what_was_left_open_is_closed_from_the_loop);
    ADD("other-records-are-left-alone", test_other_records_are_left_alone);
    ADD("new-questions-stay-open", test_new_questions_stay_open);
    ADD("only-the-newest-are-searched", test_only_the_newest_are_searched);
    ADD("stop-leaves-the-rest-to-the-next-process", test_stop_leaves_the_rest_to_the_next_process);
    return g_test_run();
}
