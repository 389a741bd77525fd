/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-fixture.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define PEER_PATH      "/org/tbsyncd1/peer/beta"
#define MIGRATION_PATH "/org/tbsyncd1/migration/m1"

/* A monitor that runs, and its lines as they come. */
typedef struct Live {
    GSubprocess *child;
    GDataInputStream *lines;
} Live;

static Live live_start(Fixture *fixture, const char *const *words)
{
    GSubprocess *child = fixture_spawn(fixture, words);

    return (Live){ child, g_data_input_stream_new(g_subprocess_get_stdout_pipe(child)) };
}

typedef struct Line {
    char *text;
    gboolean done;
} Line;

static void on_line(GObject *source, GAsyncResult *result, void *data)
{
    Line *line = data;

    line->text = g_data_input_stream_read_line_finish(G_DATA_INPUT_STREAM(source), result, NULL, NULL);
    line->done = TRUE;
}

/* The next line, without its time of day; NULL at the end. */
static char *live_line(Live *live)
{
    Line line = { NULL, FALSE };
    g_autofree char *text = NULL;

    g_data_input_stream_read_line_async(live->lines, G_PRIORITY_DEFAULT, NULL, on_line, &line);
    while (!line.done)
        g_main_context_iteration(NULL, TRUE);
    text = line.text;
    return text != NULL && *text != '{' ? g_strdup(text + strlen("00:00:00  ")) : g_steal_pointer(&text);
}

static void assert_line(Live *live, const char *expected)
{
    g_autofree char *line = live_line(live);

    g_assert_cmpstr(line, ==, expected);
}

static void assert_start(Live *live)
{
    assert_line(live, "host hook: not-executable");
    assert_line(live, "host libvirt: down, the connection was lost");
    assert_line(live, "peer beta: refused, relation ok, its certificate is of another  [31mhost");
}

static void on_end(GObject *source, GAsyncResult *result, void *data)
{
    g_assert_true(g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL));
    *(gboolean *)data = TRUE;
}

/* Ends it if it does not by itself; its exit code, -1 if it had to be ended. */
static int live_end(Live *live, gboolean by_itself)
{
    gboolean done = FALSE;
    int status;

    if (!by_itself)
        g_subprocess_force_exit(live->child);
    g_subprocess_wait_async(live->child, NULL, on_end, &done);
    while (!done)
        g_main_context_iteration(NULL, TRUE);
    status = g_subprocess_get_if_exited(live->child) ? g_subprocess_get_exit_status(live->child) : -1;
    g_object_unref(live->lines);
    g_object_unref(live->child);
    return status;
}

/* ---- a migration of the made-up daemon ---- */

static int on_get(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *data,
                  sd_bus_error *error)
{
    static const char *const values[][2] = { { "Id", "m1" }, { "Guest", "web1" }, { "Source", "beta" }, { "Decision", "allow" } };

    for (guint i = 0; i < G_N_ELEMENTS(values); i++)
        if (g_str_equal(values[i][0], property))
            return sd_bus_message_append(reply, "s", values[i][1]);
    return sd_bus_message_append(reply, "s", *(const char **)data);
}

static const sd_bus_vtable migration_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Id", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Guest", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Source", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Decision", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_VTABLE_END,
};

static void migration_add(Fixture *fixture, const char **state)
{
    g_assert_cmpint(sd_bus_add_object_vtable(fixture->service, NULL, MIGRATION_PATH, "org.tbsyncd1.Migration", migration_vtable,
                                             state),
                    >=, 0);
    g_assert_cmpint(sd_bus_emit_object_added(fixture->service, MIGRATION_PATH), >=, 0);
}

static void migration_emit(Fixture *fixture)
{
    g_assert_cmpint(
        sd_bus_emit_properties_changed(fixture->service, MIGRATION_PATH, "org.tbsyncd1.Migration", "State", NULL), >=, 0);
}

static void peer_emit(Fixture *fixture)
{
    g_assert_cmpint(
        sd_bus_emit_properties_changed(fixture->service, PEER_PATH, "org.tbsyncd1.Peer", "State", "Error", NULL), >=, 0);
}

/* ---- cases ---- */

static void test_each_change_is_shown_as_it_is_signalled(void)
{
    static const char *const words[] = { "monitor", NULL };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    Live live = live_start(fixture, words);
    const char *state = "planned";

    assert_start(&live);
    migration_add(fixture, &state);
    state = "arriving"; /* two in a row: neither may get lost */
    migration_emit(fixture);
    state = "completed";
    migration_emit(fixture);
    assert_line(&live, "migration m1: allowed, planned, guest web1 from beta");
    assert_line(&live, "migration m1: allowed, arriving, guest web1 from beta");
    assert_line(&live, "migration m1: allowed, completed, guest web1 from beta");
    fixture->linked = TRUE;
    peer_emit(fixture);
    assert_line(&live, "peer beta: linked, relation ok, timebase known to 3.002 us");
    g_assert_cmpint(sd_bus_emit_interfaces_removed(fixture->service, PEER_PATH, "org.tbsyncd1.Peer", NULL), >=, 0);
    assert_line(&live, "peer beta: removed, it is not configured any more");
    live_end(&live, FALSE);
}

static void test_peer_that_dns_does_not_name_any_more_is_told(void)
{
    static const char *const words[] = { "monitor", NULL };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    Live live;

    fixture->by_dns = TRUE;
    live = live_start(fixture, words);
    assert_start(&live);
    g_assert_cmpint(sd_bus_emit_interfaces_removed(fixture->service, PEER_PATH, "org.tbsyncd1.Peer", NULL), >=, 0);
    assert_line(&live, "peer beta: removed, it is not found in DNS any more");
    live_end(&live, FALSE);
}

static void test_nothing_is_asked_while_nothing_changes(void)
{
    static const char *const words[] = { "monitor", "--count", "1", NULL };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    Live live = live_start(fixture, words);

    assert_start(&live);
    peer_emit(fixture); /* signalled, and the same as before: not a line */
    fixture->linked = TRUE;
    peer_emit(fixture);
    assert_line(&live, "peer beta: linked, relation ok, timebase known to 3.002 us");
    assert_line(&live, NULL);
    g_assert_cmpint(live_end(&live, TRUE), ==, 0);
    g_assert_cmpuint(fixture->calls, ==, 0); /* no method of the manager */
}

/* ---- what happens between the subscription and the first load ---- */

typedef struct Gap {
    Fixture *fixture;
    const char *member; /* the first call of it, which is part of the load, is yet to be answered when `happen` is called */
    void (*happen)(struct Gap *gap);
    const char *state; /* of the migration */
    guint calls;
} Gap;

static int on_call(sd_bus_message *message, void *data, sd_bus_error *error)
{
    Gap *gap = data;

    if (sd_bus_message_is_method_call(message, NULL, gap->member) > 0 && gap->calls++ == 0)
        gap->happen(gap);
    return 0; /* and then it is answered */
}

static Live gap_start(Gap *gap)
{
    static const char *const words[] = { "monitor", NULL };

    g_assert_cmpint(sd_bus_add_filter(gap->fixture->service, NULL, on_call, gap), >=, 0);
    return live_start(gap->fixture, words);
}

static void hook_emit(Fixture *fixture, const char *state)
{
    fixture->hook = state;
    g_assert_cmpint(
        sd_bus_emit_properties_changed(fixture->service, "/org/tbsyncd1", "org.tbsyncd1.Manager", "HookState", NULL), >=, 0);
}

/* Each object goes two steps, the first of which is over when the answer is made. */
static void go_two_steps(Gap *gap)
{
    hook_emit(gap->fixture, "missing");
    hook_emit(gap->fixture, "active");
    migration_add(gap->fixture, &gap->state);
    gap->state = "arriving";
    migration_emit(gap->fixture);
    gap->fixture->linked = TRUE;
    peer_emit(gap->fixture);
}

static void assert_only_what_came_of_it(Live *live, Gap *gap)
{
    assert_line(live, "host hook: active");
    assert_line(live, "host libvirt: down, the connection was lost");
    assert_line(live, "peer beta: linked, relation ok, timebase known to 3.002 us");
    assert_line(live, "migration m1: allowed, arriving, guest web1 from beta");
    /* had anything been left of the gap, it would come before this */
    gap->state = "completed";
    migration_emit(gap->fixture);
    assert_line(live, "migration m1: allowed, completed, guest web1 from beta");
    g_assert_cmpuint(gap->calls, >=, 1);
}

static void test_changes_before_the_first_answer_are_shown_once(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    Gap gap = { fixture, "GetAll", go_two_steps, "planned", 0 };
    Live live = gap_start(&gap);

    assert_only_what_came_of_it(&live, &gap);
    live_end(&live, FALSE);
}

/* The manager was told by then, all other objects were not. */
static void go_two_steps_late(Gap *gap)
{
    hook_emit(gap->fixture, "missing");
    migration_add(gap->fixture, &gap->state);
    gap->state = "arriving";
    migration_emit(gap->fixture);
    gap->fixture->linked = TRUE;
    peer_emit(gap->fixture);
}

static void test_changes_between_the_answers_are_shown_once(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    Gap gap = { fixture, "GetManagedObjects", go_two_steps_late, "planned", 0 };
    Live live = gap_start(&gap);

    assert_line(&live, "host hook: not-executable");
    assert_line(&live, "host libvirt: down, the connection was lost");
    assert_line(&live, "peer beta: linked, relation ok, timebase known to 3.002 us");
    assert_line(&live, "migration m1: allowed, arriving, guest web1 from beta");
    assert_line(&live, "host hook: missing");
    hook_emit(fixture, "active");
    assert_line(&live, "host hook: active");
    live_end(&live, FALSE);
}

static gboolean on_answered(void *data)
{
    Gap *gap = data;

    gap->fixture->linked = TRUE;
    peer_emit(gap->fixture);
    migration_add(gap->fixture, &gap->state);
    return G_SOURCE_REMOVE;
}

/* Right behind the answer, while the monitor is still reading it. */
static void go_on_behind_it(Gap *gap)
{
    g_idle_add_full(G_PRIORITY_HIGH, on_answered, gap, NULL);
}

static void test_changes_behind_the_last_answer_are_not_lost(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    Gap gap = { fixture, "GetManagedObjects", go_on_behind_it, "planned", 0 };
    Live live = gap_start(&gap);

    assert_start(&live);
    assert_line(&live, "peer beta: linked, relation ok, timebase known to 3.002 us");
    assert_line(&live, "migration m1: allowed, planned, guest web1 from beta");
    live_end(&live, FALSE);
}

static void test_daemon_that_is_started_again_is_waited_for(void)
{
    static const char *const words[] = { "monitor", NULL };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    Live live = live_start(fixture, words);

    assert_start(&live);
    g_assert_cmpint(sd_bus_release_name(fixture->service, "org.tbsyncd1"), >=, 0);
    assert_line(&live, "host tbsyncd: away, it was stopped, or is started again");
    fixture->linked = TRUE;
    g_assert_cmpint(sd_bus_request_name(fixture->service, "org.tbsyncd1", 0), >=, 0);
    assert_line(&live, "host tbsyncd: back");
    assert_line(&live, "peer beta: linked, relation ok, timebase known to 3.002 us");
    live_end(&live, FALSE);
}

static void test_count_of_0_shows_what_is_so_now(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    const char *state = "completed";

    migration_add(fixture, &state);
    g_auto(Run) run = RUN(fixture, "monitor", "--count", "0");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(run.err, ==, "");
    g_assert_nonnull(strstr(run.out, "host hook: not-executable\n"));
    g_assert_nonnull(strstr(run.out, "peer beta: refused, relation ok, its certificate"));
    g_assert_nonnull(strstr(run.out, "migration m1: allowed, completed, guest web1 from beta\n"));
    g_assert_null(strchr(run.out, '\033'));
}

static void test_json_is_one_object_a_line(void)
{
    static const char *const members[] = { "kind", "name", "state", "text", "seen_real_ns" };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "monitor", "--json", "--count", "0");
    g_auto(GStrv) lines = g_strsplit(run.out, "\n", -1);

    g_assert_cmpuint(g_strv_length(lines), ==, 4);
    for (guint i = 0; i < 3; i++) {
        g_autoptr(JsonNode) node = json_from_string(lines[i], NULL);

        g_assert_nonnull(node);
        for (guint j = 0; j < G_N_ELEMENTS(members); j++)
            g_assert_true(json_object_has_member(json_node_get_object(node), members[j]));
    }
    g_assert_cmpstr(lines[3], ==, "");
}

static void test_wrong_numbers_are_usage_errors(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) count = RUN(fixture, "monitor", "--count=-1");

    g_assert_cmpint(count.status, ==, 2);
    g_assert_cmpstr(count.err, ==, "tbsyncctl monitor: --count: -1 is negative. See tbsyncctl monitor --help\n");
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
    g_test_add_func("/ctl-monitor/each-change-is-shown-as-it-is-signalled", test_each_change_is_shown_as_it_is_signalled);
    g_test_add_func("/ctl-monitor/peer-that-dns-does-not-name-any-more-is-told", test_peer_that_dns_does_not_name_any_more_is_told);
    g_test_add_func("/ctl-monitor/nothing-is-asked-while-nothing-changes", test_nothing_is_asked_while_nothing_changes);
    g_test_add_func("/ctl-monitor/changes-before-the-first-answer-are-shown-once", test_changes_before_the_first_answer_are_shown_once);
    g_test_add_func("/ctl-monitor/changes-between-the-answers-are-shown-once", test_changes_between_the_answers_are_shown_once);
    g_test_add_func("/ctl-monitor/changes-behind-the-last-answer-are-not-lost", test_changes_behind_the_last_answer_are_not_lost);
    g_test_add_func("/ctl-monitor/daemon-that-is-started-again-is-waited-for", test_daemon_that_is_started_again_is_waited_for);
    g_test_add_func("/ctl-monitor/count-of-0-shows-what-is-so-now", test_count_of_0_shows_what_is_so_now);
    g_test_add_func("/ctl-monitor/json-is-one-object-a-line", test_json_is_one_object_a_line);
    g_test_add_func("/ctl-monitor/wrong-numbers-are-usage-errors", test_wrong_numbers_are_usage_errors);
    g_test_add_func("/ctl-monitor/absent-daemon-ends-it", test_absent_daemon_ends_it);
    return g_test_run();
}
