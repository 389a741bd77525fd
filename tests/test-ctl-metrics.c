/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics, and the names that shells ask for. */
#include "ctl-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        g_error("'%s' is not in:\n%s", part, text);
}

static void test_metrics_hold_peers_host_and_migrations(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "metrics");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(run.err, ==, "");
    expect_text(run.out, "\ntbsyncd_up 1\n");
    expect_text(run.out, "\ntbsyncd_build_info{version=\"0.1.0\"} 1\n");
    expect_text(run.out, "\ntbsyncd_simulated 1\n");
    expect_text(run.out, "\ntbsyncd_libvirt_up 0\n");
    expect_text(run.out, "\ntbsyncd_hook_state{state=\"not-executable\"} 1\n");
    expect_text(run.out, "\ntbsyncd_hook_state{state=\"active\"} 0\n");
    expect_text(run.out, "\ntbsyncd_peer_state{peer=\"beta\",state=\"refused\"} 1\n");
    expect_text(run.out, "\ntbsyncd_peer_state{peer=\"beta\",state=\"linked\"} 0\n");
    expect_text(run.out, "\ntbsyncd_relation_state{peer=\"beta\",state=\"ok\"} 1\n");
    expect_text(run.out, "\n# UNIT tbsyncd_relation_timebase_width_seconds seconds\n");
    expect_text(run.out, "\ntbsyncd_relation_timebase_width_seconds{peer=\"beta\"} 0.000003002\n");
    expect_text(run.out, "\ntbsyncd_relation_tod_width_seconds{peer=\"beta\"} 0.000004000\n");
    expect_text(run.out, "\ntbsyncd_relation_age_seconds{peer=\"beta\"} 3.200000000\n");
    expect_text(run.out, "\ntbsyncd_migrations{decision=\"allow\",state=\"completed\"} 1\n");
    g_assert_true(g_str_has_suffix(run.out, "\n# EOF\n"));
}

/* Each family is declared once, before its samples, and all of them in one place. */
static void test_metrics_are_well_formed(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "metrics");
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) lines = g_strsplit(run.out, "\n", -1);
    g_autofree char *family = NULL;

    for (guint i = 0; lines[i] != NULL && *lines[i] != '\0'; i++) {
        if (g_str_has_prefix(lines[i], "# TYPE ")) {
            g_auto(GStrv) words = g_strsplit(lines[i], " ", -1);

            g_free(family);
            family = g_strdup(words[2]);
            g_assert_true(g_hash_table_add(seen, g_strdup(family)));
        } else if (*lines[i] != '#') {
            gsize length = strcspn(lines[i], "{ ");

            g_assert_cmpuint(strlen(family), ==, length);
            g_assert_true(strncmp(lines[i], family, length) == 0);
        }
    }
    g_assert_cmpuint(g_hash_table_size(seen), >=, 10);
}

static void test_metrics_replace_a_file(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_autofree char *directory = g_dir_make_tmp("tbsync-metrics-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "tbsyncd.prom", NULL);
    g_autofree char *text = NULL;
    struct stat info;

    g_assert_true(g_file_set_contents(path, "old", -1, NULL));
    g_auto(Run) run = RUN(fixture, "metrics", "--output", path);
    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(run.out, ==, "");
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_true(g_str_has_prefix(text, "# TYPE tbsyncd_up gauge\n"));
    g_assert_cmpint(stat(path, &info), ==, 0);
    g_assert_cmpint(info.st_mode & 0777, ==, 0644); /* the exporter is another user */
    g_remove(path);
    g_assert_cmpint(g_rmdir(directory), ==, 0); /* nothing else was left there */
    g_auto(Run) nowhere = RUN(fixture, "metrics", "--output", "/nonexistent/x.prom");
    g_assert_cmpint(nowhere.status, ==, 1);
    expect_text(nowhere.err, "/nonexistent/x.prom");
}

static void test_absent_daemon_is_a_metric(void)
{
    g_autoptr(Fixture) fixture = fixture_new(FALSE);
    g_auto(Run) run = RUN(fixture, "metrics");

    g_assert_cmpint(run.status, ==, 1);
    expect_text(run.out, "\ntbsyncd_up 0\n# EOF\n");
    expect_text(run.err, "tbsyncd is not running");
}

static void test_shells_are_told_names(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) peers = RUN(fixture, "complete", "peers");
    g_auto(Run) guests = RUN(fixture, "complete", "guests");
    g_auto(Run) migrations = RUN(fixture, "complete", "migrations");
    g_auto(Run) wrong = RUN(fixture, "complete", "cats");

    g_assert_cmpstr(peers.out, ==, "beta\n");
    g_assert_cmpstr(guests.out, ==, "web1\npc\n");
    g_assert_cmpstr(migrations.out, ==, "20261121T031500Z-web1\n");
    g_assert_cmpint(wrong.status, ==, 2);
}

static void test_shells_are_told_nothing_without_a_daemon(void)
{
    g_autoptr(Fixture) fixture = fixture_new(FALSE);
    g_auto(Run) peers = RUN(fixture, "complete", "peers");

    g_assert_cmpstr(peers.out, ==, "");
    g_assert_cmpstr(peers.err, ==, "");
    g_assert_cmpint(peers.status, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-metrics/metrics-hold-peers-host-and-migrations", test_metrics_hold_peers_host_and_migrations);
    g_test_add_func("/ctl-metrics/metrics-are-well-formed", test_metrics_are_well_formed);
    g_test_add_func("/ctl-metrics/metrics-replace-a-file", test_metrics_replace_a_file);
    g_test_add_func("/ctl-metrics/absent-daemon-is-a-metric", test_absent_daemon_is_a_metric);
    g_test_add_func("/ctl-metrics/shells-are-told-names", test_shells_are_told_names);
    g_test_add_func("/ctl-metrics/shells-are-told-nothing-without-a-daemon", test_shells_are_told_nothing_without_a_daemon);
    return g_test_run();
}
