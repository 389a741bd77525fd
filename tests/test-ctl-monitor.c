/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-fixture.h"

#include <json-glib/json-glib.h>
#include <string.h>

static guint count_lines(const char *text)
{
    guint n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void test_what_does_not_change_is_shown_once(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "monitor", "--count", "3", "--interval", "0.01");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpuint(count_lines(run.out), ==, 4);
    g_assert_nonnull(strstr(run.out, "host hook: not-executable\n"));
    g_assert_nonnull(strstr(run.out, "host libvirt: down, the connection was lost\n"));
    g_assert_nonnull(strstr(run.out, "peer beta: refused, relation ok, its certificate"));
    g_assert_nonnull(strstr(run.out, "migration 20261121T031500Z-web1: allowed, completed, guest web1 from beta\n"));
    g_assert_null(strchr(run.out, '\033'));
}

static void test_json_is_one_object_a_line(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "monitor", "--json", "--count", "1");
    g_auto(GStrv) lines = g_strsplit(run.out, "\n", -1);

    for (guint i = 0; i < 4; i++) {
        g_autoptr(JsonNode) node = json_from_string(lines[i], NULL);

        g_assert_nonnull(node);
        g_assert_true(json_object_has_member(json_node_get_object(node), "state"));
    }
    g_assert_cmpstr(lines[4], ==, "");
}

static void test_wrong_numbers_are_usage_errors(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) interval = RUN(fixture, "monitor", "--interval", "0");
    g_auto(Run) count = RUN(fixture, "monitor", "--count=-1");

    g_assert_cmpint(interval.status, ==, 2);
    g_assert_cmpint(count.status, ==, 2);
}

static void test_absent_daemon_ends_it(void)
{
    g_autoptr(Fixture) fixture = fixture_new(FALSE);
    g_auto(Run) run = RUN(fixture, "monitor");

    g_assert_cmpint(run.status, ==, 1);
    g_assert_nonnull(strstr(run.err, "tbsyncd is not running"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-monitor/what-does-not-change-is-shown-once", test_what_does_not_change_is_shown_once);
    g_test_add_func("/ctl-monitor/json-is-one-object-a-line", test_json_is_one_object_a_line);
    g_test_add_func("/ctl-monitor/wrong-numbers-are-usage-errors", test_wrong_numbers_are_usage_errors);
    g_test_add_func("/ctl-monitor/absent-daemon-ends-it", test_absent_daemon_ends_it);
    return g_test_run();
}
