/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-fixture.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

/* A host whose files stand below `root`. */
typedef struct Host {
    Fixture *fixture;
    char *root, *hooks, *libvirt;
} Host;

static void host_init(Host *host, gboolean with_service)
{
    host->fixture = fixture_new(with_service);
    host->root = g_dir_make_tmp("tbsync-doctor-XXXXXX", NULL);
    host->libvirt = g_build_filename(host->root, "etc/libvirt", NULL);
    host->hooks = g_build_filename(host->libvirt, "hooks/qemu.d", NULL);
    g_assert_cmpint(g_mkdir_with_parents(host->hooks, 0755), ==, 0);
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        remove_tree(child);
    }
    g_remove(path);
}

static void host_clear(Host *host)
{
    fixture_free(host->fixture);
    remove_tree(host->root);
    g_free(host->root);
    g_free(host->hooks);
    g_free(host->libvirt);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Host, host_clear)

static void write_file(const char *directory, const char *name, const char *text, int mode)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, mode), ==, 0);
}

static void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        g_error("'%s' is not in:\n%s", part, text);
}

static void test_where_all_is_well_it_says_so(void)
{
    g_auto(Host) host = { NULL };

    host_init(&host, TRUE);
    write_file(host.hooks, "90-tbsyncd", "", 0755);
    write_file(host.hooks, "50-other", "", 0755);
    write_file(host.libvirt, "libvirtd.conf", " host_uuid_source = \"machine-id\"\n", 0644);
    g_auto(Run) run = RUN(host.fixture, "doctor", "--root", host.root);
    g_assert_cmpstr(run.out, ==, "All is well.\n");
    g_assert_cmpint(run.status, ==, 0);
    g_auto(Run) json = RUN(host.fixture, "doctor", "--json", "--root", host.root);
    g_assert_cmpstr(json.out, ==, "[]\n");
}

static void test_what_the_daemon_finds_is_shown_with_the_fix(void)
{
    g_auto(Host) host = { NULL };

    host_init(&host, TRUE);
    host.fixture->problems = "[{'code': <'hook-missing'>, 'severity': <'error'>, 'object': <'/hooks/90-tbsyncd'>,"
                             " 'text': <'it is missing'>, 'advice': <'install it'>},"
                             " {'code': <'timing-off'>, 'severity': <'note'>, 'object': <'TimingEvents='>,"
                             " 'text': <'off'>, 'advice': <'set it'>}]";
    g_auto(Run) run = RUN(host.fixture, "doctor", "--root", host.root);
    g_assert_cmpint(run.status, ==, 1);
    g_assert_cmpstr(run.out, ==, "error hook-missing /hooks/90-tbsyncd: it is missing\n    fix: install it\n1 problem found.\n");
    g_auto(Run) all = RUN(host.fixture, "doctor", "--all", "--root", host.root);
    expect_text(all.out, "note timing-off TimingEvents=: off\n    fix: set it\n");
    g_auto(Run) json = RUN(host.fixture, "doctor", "--json", "--root", host.root);
    g_autoptr(JsonNode) node = json_from_string(json.out, NULL);
    g_assert_cmpuint(json_array_get_length(json_node_get_array(node)), ==, 2);
    g_assert_cmpint(json.status, ==, 1);
}

static void test_notes_alone_are_no_problem(void)
{
    g_auto(Host) host = { NULL };

    host_init(&host, TRUE);
    host.fixture->problems = "[{'code': <'timing-off'>, 'severity': <'note'>}]";
    g_auto(Run) run = RUN(host.fixture, "doctor", "--root", host.root);
    g_assert_cmpint(run.status, ==, 0);
}

static void test_leftovers_that_libvirt_runs_are_found(void)
{
    static const char *const names[] = { ".90-tbsyncd.swp", "90-tbsyncd~", "90-tbsyncd.dpkg-old", "90-tbsyncd.rpmsave", ".hidden" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(Host) host = { NULL };

        host_init(&host, TRUE);
        write_file(host.hooks, names[i], "", 0755);
        g_auto(Run) run = RUN(host.fixture, "doctor", "--root", host.root);
        g_assert_cmpint(run.status, ==, 1);
        expect_text(run.out, "error hook-leftover ");
        expect_text(run.out, names[i]);
        expect_text(run.out, "fix: rm ");
        write_file(host.hooks, names[i], "", 0644); /* libvirt leaves it alone */
        g_auto(Run) harmless = RUN(host.fixture, "doctor", "--root", host.root);
        g_assert_cmpint(harmless.status, ==, 0);
    }
}

static void test_random_host_uuid_is_found(void)
{
    g_auto(Host) host = { NULL };

    host_init(&host, TRUE);
    write_file(host.libvirt, "libvirtd.conf", "#host_uuid = \"0000\"\n#host_uuid_source = \"smbios\"\nhost_uuid_sources = 1\n", 0644);
    g_auto(Run) run = RUN(host.fixture, "doctor", "--root", host.root);
    g_assert_cmpint(run.status, ==, 1);
    expect_text(run.out, "warn host-uuid-random ");
    write_file(host.libvirt, "libvirtd.conf", "host_uuid=\"5a5a5a5a-1111-4222-8333-00000000beef\"\n", 0644);
    g_auto(Run) set = RUN(host.fixture, "doctor", "--root", host.root);
    g_assert_cmpint(set.status, ==, 0);
}

static void test_absent_daemon_is_a_finding(void)
{
    g_auto(Host) host = { NULL };

    host_init(&host, FALSE);
    g_auto(Run) run = RUN(host.fixture, "doctor", "--root", host.root);
    g_assert_cmpint(run.status, ==, 1);
    expect_text(run.out, "error daemon-not-running tbsyncd: tbsyncd is not running on this host\n"
                         "    fix: systemctl start tbsyncd; journalctl -u tbsyncd");
}

static void test_absent_bus_is_a_finding(void)
{
    g_auto(Host) host = { NULL };

    host_init(&host, FALSE);
    host.fixture->no_bus = TRUE;
    g_auto(Run) run = RUN(host.fixture, "doctor", "--root", host.root);
    g_assert_cmpint(run.status, ==, 1);
    expect_text(run.out, "cannot be reached: No such file or directory\n    fix: systemctl status dbus\n");
    expect_text(run.out, "error bus-missing system bus: ");
    g_assert_null(strstr(run.out, "daemon-"));
}

/* It runs: to start it would mend nothing. */
static void test_daemon_that_fails_is_another_finding(void)
{
    g_auto(Host) host = { NULL };

    host_init(&host, TRUE);
    host.fixture->error_name = "org.freedesktop.DBus.Error.UnknownMethod";
    host.fixture->error_message = "Unknown method Diagnose";
    g_auto(Run) run = RUN(host.fixture, "doctor", "--root", host.root);
    g_assert_cmpint(run.status, ==, 1);
    expect_text(run.out, "error daemon-fails tbsyncd: Diagnose on tbsyncd failed: Unknown method Diagnose\n"
                         "    fix: systemctl status tbsyncd; journalctl -u tbsyncd -n 20; systemctl restart tbsyncd\n");
    g_assert_null(strstr(run.out, "daemon-not-running"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-doctor/where-all-is-well-it-says-so", test_where_all_is_well_it_says_so);
    g_test_add_func("/ctl-doctor/what-the-daemon-finds-is-shown-with-the-fix", test_what_the_daemon_finds_is_shown_with_the_fix);
    g_test_add_func("/ctl-doctor/notes-alone-are-no-problem", test_notes_alone_are_no_problem);
    g_test_add_func("/ctl-doctor/leftovers-that-libvirt-runs-are-found", test_leftovers_that_libvirt_runs_are_found);
    g_test_add_func("/ctl-doctor/random-host-uuid-is-found", test_random_host_uuid_is_found);
    g_test_add_func("/ctl-doctor/absent-daemon-is-a-finding", test_absent_daemon_is_a_finding);
    g_test_add_func("/ctl-doctor/absent-bus-is-a-finding", test_absent_bus_is_a_finding);
    g_test_add_func("/ctl-doctor/daemon-that-fails-is-another-finding", test_daemon_that_fails_is_another_finding);
    return g_test_run();
}
