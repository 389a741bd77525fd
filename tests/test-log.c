/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

static void test_info_is_the_level_to_start_with(void)
{
    g_autoptr(Log) log = log_new();

    g_assert_cmpstr(log_level(log), ==, "info");
    g_assert_cmpstr(log_target(log), ==, "auto");
    g_assert_true(log_wants(log, G_LOG_LEVEL_INFO, "tbsyncd"));
    g_assert_false(log_wants(log, G_LOG_LEVEL_DEBUG, "tbsyncd"));
}

static void test_each_level_lets_through_what_is_at_least_as_severe(void)
{
    static const struct {
        const char *name;
        guint wanted; /* of the six below, from the most severe on */
    } table[] = {
        { "emerg", 0 }, { "alert", 0 }, { "crit", 1 }, { "err", 2 }, { "warning", 3 }, { "notice", 4 }, { "info", 5 },
        { "debug", 6 },
    };
    static const GLogLevelFlags flags[] = { G_LOG_LEVEL_ERROR,   G_LOG_LEVEL_CRITICAL, G_LOG_LEVEL_WARNING,
                                            G_LOG_LEVEL_MESSAGE, G_LOG_LEVEL_INFO,     G_LOG_LEVEL_DEBUG };
    g_autoptr(Log) log = log_new();

    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_assert_true(log_set_level(log, table[i].name));
        g_assert_cmpstr(log_level(log), ==, table[i].name);
        for (guint k = 0; k < G_N_ELEMENTS(flags); k++)
            g_assert_cmpint(log_wants(log, flags[k], "tbsyncd"), ==, k < table[i].wanted);
    }
}

static void test_an_unknown_word_changes_nothing(void)
{
    g_autoptr(Log) log = log_new();

    g_assert_false(log_set_level(log, "verbose"));
    g_assert_false(log_set_level(log, ""));
    g_assert_false(log_set_target(log, "kmsg"));
    g_assert_cmpstr(log_level(log), ==, "info");
    g_assert_cmpstr(log_target(log), ==, "auto");
    g_assert_true(log_set_target(log, "console"));
    g_assert_cmpstr(log_target(log), ==, "console");
}

static void test_debug_lines_of_other_libraries_stay_out(void)
{
    g_autoptr(Log) log = log_new();

    g_assert_true(log_set_level(log, "debug"));
    g_assert_true(log_wants(log, G_LOG_LEVEL_DEBUG, "tbsyncd"));
    g_assert_true(log_wants(log, G_LOG_LEVEL_DEBUG, NULL));
    g_assert_false(log_wants(log, G_LOG_LEVEL_DEBUG, "GLib-GIO"));
    g_assert_true(log_wants(log, G_LOG_LEVEL_WARNING, "GLib-GIO"));
}

static void test_the_environment_asks_for_debug(void)
{
    g_assert_true(g_setenv("G_MESSAGES_DEBUG", "GLib-GIO tbsyncd", TRUE));
    g_autoptr(Log) log = log_new();
    g_unsetenv("G_MESSAGES_DEBUG");

    g_assert_cmpstr(log_level(log), ==, "debug");
    g_assert_true(log_wants(log, G_LOG_LEVEL_DEBUG, "GLib-GIO"));
    g_assert_false(log_wants(log, G_LOG_LEVEL_DEBUG, "GLib"));
}

/* The writer is the whole process's, so the lines are written by a process of their own. */
static void test_lines_come_out_as_the_level_says(void)
{
    if (g_test_subprocess()) {
        Log *log = log_new(); /* lives as long as the process */

        log_install(log);
        g_debug("debug before");
        g_message("message before");
        g_assert_true(log_set_level(log, "debug"));
        g_debug("debug after");
        g_assert_true(log_set_level(log, "warning"));
        g_message("message after");
        g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "TBSYNC_CODE", "deadline", "MESSAGE", "a warning");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*message before*debug after*a warning*");
    g_test_trap_assert_stderr_unmatched("*debug before*");
    g_test_trap_assert_stderr_unmatched("*message after*");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_unsetenv("G_MESSAGES_DEBUG");
    g_test_add_func("/log/info-is-the-level-to-start-with", test_info_is_the_level_to_start_with);
    g_test_add_func("/log/each-level-lets-through-what-is-at-least-as-severe",
                    test_each_level_lets_through_what_is_at_least_as_severe);
    g_test_add_func("/log/an-unknown-word-changes-nothing", test_an_unknown_word_changes_nothing);
    g_test_add_func("/log/debug-lines-of-other-libraries-stay-out", test_debug_lines_of_other_libraries_stay_out);
    g_test_add_func("/log/the-environment-asks-for-debug", test_the_environment_asks_for_debug);
    g_test_add_func("/log/lines-come-out-as-the-level-says", test_lines_come_out_as_the_level_says);
    return g_test_run();
}
