/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-fixture.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "facts-codec.h"

static JsonNode *parse(const Run *run)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(run->out, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(run->err, ==, "");
    g_assert_cmpint(run->status, ==, 0);
    return node;
}

static void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        g_error("'%s' is not in:\n%s", part, text);
}

static JsonObject *member(JsonObject *object, const char *name)
{
    return json_object_get_object_member(object, name);
}

static void test_status_is_a_glance(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "status");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(run.err, ==, "");
    expect_text(run.out, "alpha (tbsyncd 0.1.0)\n");
    expect_text(run.out, "CPU: POWER9 (PVR 0x004e1202)\n");
    expect_text(run.out, "timebase: 512 MHz (512000000 Hz), now 18446744073709551615 ticks; SIMULATED");
    expect_text(run.out, "QEMU: 7.2.22, 1 machine types\n");
    expect_text(run.out, "libvirt: down: the connection was lost, with timing events\n");
    expect_text(run.out, "hook: not-executable (/etc/libvirt/hooks/qemu.d/90-tbsyncd); migrations are not checked: "
                         "chmod 755 /etc/libvirt/hooks/qemu.d/90-tbsyncd, then: systemctl reload libvirtd\n");
    expect_text(run.out, "peers: 1, 0 linked\n");
    expect_text(run.out, "-1025 .. 512"); /* ticks, and outward in microseconds: */
    expect_text(run.out, "-2.002 .. 1.000");
    expect_text(run.out, "-1.500 .. 2.500");
    expect_text(run.out, "3.200 s");
    expect_text(run.out, "2026-11-21 03:12:33  web1   beta  alpha  allowed  completed  mode-assumed  20261121T031500Z-web1\n");
    g_assert_cmpstr(fixture->text, ==, "5"); /* that many migrations */
}

static void test_status_json_has_units_in_its_keys(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "status", "--json");
    g_autoptr(JsonNode) node = parse(&run);
    JsonObject *status = json_node_get_object(node);
    JsonObject *peer = json_array_get_object_element(json_object_get_array_member(status, "peers"), 0);
    JsonObject *relation = member(peer, "relation");

    g_assert_cmpstr(json_object_get_string_member(status, "name"), ==, "alpha");
    g_assert_true(json_object_get_boolean_member(status, "simulated"));
    g_assert_cmpstr(json_object_get_string_member(status, "timebase_ticks"), ==, "18446744073709551615");
    g_assert_cmpstr(json_object_get_string_member(member(status, "libvirt"), "state"), ==, "down");
    g_assert_cmpstr(json_object_get_string_member(member(status, "hook"), "state"), ==, "not-executable");
    g_assert_cmpint(json_object_get_int_member(member(status, "host"), "timebase_hz"), ==, 512000000);
    g_assert_cmpstr(json_object_get_string_member(peer, "name"), ==, "beta");
    g_assert_cmpstr(json_object_get_string_member(relation, "state"), ==, "ok");
    g_assert_cmpint(json_object_get_int_member(relation, "tb_lo_ticks"), ==, -1025);
    g_assert_cmpint(json_object_get_int_member(relation, "tb_hi_ticks"), ==, 512);
    g_assert_cmpint(json_object_get_int_member(relation, "tb_lo_ns"), ==, -2002);
    g_assert_cmpint(json_object_get_int_member(relation, "tb_hi_ns"), ==, 1000);
    g_assert_cmpint(json_object_get_int_member(relation, "tod_lo_ns"), ==, -1500);
    g_assert_cmpint(json_object_get_int_member(relation, "age_ns"), ==, 3200000000);
    g_assert_cmpint(json_array_get_length(json_object_get_array_member(status, "migrations")), ==, 1);
}

static void test_peers_say_why_one_is_not_linked(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "peers", "beta");

    g_assert_cmpint(run.status, ==, 0);
    expect_text(run.out, "beta  refused  ok");
    expect_text(run.out, "beta.example.org:16524");
    expect_text(run.out, "POWER9 (PVR 0x004e1202), simulated");
    expect_text(run.out, "\nbeta: its certificate is of another  [31mhost\n");
    g_assert_null(strchr(run.out, '\033')); /* what a peer says does not steer the terminal */
}

static void test_unknown_peer_is_named(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "peers", "gamma");

    g_assert_cmpint(run.status, ==, 4);
    g_assert_cmpstr(run.out, ==, "");
    g_assert_cmpstr(run.err, ==, "tbsyncctl peers: no peer is named 'gamma'; list them with: tbsyncctl peers\n");
}

static void test_peers_json_is_an_array(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "peers", "--json");
    g_autoptr(JsonNode) node = parse(&run);

    g_assert_cmpuint(json_array_get_length(json_node_get_array(node)), ==, 1);
}

static void test_relation_from_before_the_start_is_marked(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) fresh = RUN(fixture, "peers", "beta");

    fixture->stored = TRUE;
    g_auto(Run) peers = RUN(fixture, "peers", "beta");
    g_auto(Run) status = RUN(fixture, "status");
    g_auto(Run) json = RUN(fixture, "peers", "--json");

    g_assert_null(strstr(fresh.out, "stored"));
    expect_text(peers.out, "beta  refused  ok, stored");
    expect_text(status.out, "ok, stored");
    expect_text(json.out, "\"stored\":true");
}

static void test_peer_that_dns_names_is_marked(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) configured = RUN(fixture, "peers");
    g_auto(Run) configured_json = RUN(fixture, "peers", "--json");

    fixture->by_dns = TRUE;
    g_auto(Run) found = RUN(fixture, "peers");
    g_auto(Run) found_json = RUN(fixture, "peers", "--json");

    g_assert_null(strstr(configured.out, "DNS"));
    expect_text(configured_json.out, "\"origin\":\"configuration\"");
    expect_text(found.out, "beta.example.org:16524, DNS\n");
    expect_text(found_json.out, "\"origin\":\"dns\"");
}

static void test_history_of_a_peer_is_a_chart(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) none = RUN(fixture, "peers", "--history");

    g_assert_cmpint(none.status, ==, 0);
    expect_text(none.out, "beta: no sample of its clock since tbsyncd was started");
    fixture->linked = TRUE;
    g_auto(Run) run = RUN(fixture, "peers", "beta", "--history");
    g_assert_cmpint(run.status, ==, 0);
    expect_text(run.out, "beta: timebase minus this host's, less a steady drift of +0.000 ppm; 3 samples in 2 min, the last one "
                         "1.000 us wide\n      +500 ns \u2502\u2588");
    expect_text(run.out, "2 min ago");
    expect_text(run.out, "4 s ago\n");
}

static void test_chart_is_ascii_where_it_has_to_be(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->linked = TRUE;
    g_auto(Run) asked = RUN(fixture, "peers", "--history", "--ascii");
    g_assert_true(g_str_is_ascii(asked.out));
    expect_text(asked.out, "      +500 ns |#");
    fixture->locale = "C";
    g_auto(Run) locale = RUN(fixture, "peers", "--history");
    g_assert_cmpstr(locale.out, ==, asked.out);
}

static void test_history_json_has_the_points(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->linked = TRUE;
    g_auto(Run) run = RUN(fixture, "peers", "--history", "--json");
    g_assert_cmpstr(run.out, ==,
                    "[{\"name\":\"beta\",\"points\":[{\"age_ns\":120000000000,\"tb_lo_ns\":0,\"tb_hi_ns\":1000},"
                    "{\"age_ns\":60000000000,\"tb_lo_ns\":0,\"tb_hi_ns\":1000},"
                    "{\"age_ns\":4000000000,\"tb_lo_ns\":0,\"tb_hi_ns\":1000}]}]\n");
    fixture->error_name = "org.freedesktop.DBus.Error.UnknownMethod"; /* an older daemon */
    fixture->error_message = "no such method";
    g_auto(Run) old = RUN(fixture, "peers", "--history");
    g_assert_cmpint(old.status, ==, 1);
    expect_text(old.err, "GetHistory on tbsyncd failed");
}

static void test_check_allows_with_a_plan(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "check", "web1", "beta", "--assume", "pvr=0x00820200", "--assume", "caps.ibs=2");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(fixture->text, ==, "web1 beta ['pvr=0x00820200', 'caps.ibs=2']");
    expect_text(run.out, "web1 to beta: allowed\n");
    expect_text(run.out, "plan: smallest safe timebase offset -16777216 ticks or 0 ticks\n");
    expect_text(run.out, "jumps forward by 512 ticks (1.000 us) to 16777215 ticks (32.768 ms)\n");
}

static void test_check_refuses_with_cause_and_fix(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->decision = "block";
    fixture_add_finding(fixture, "block", "compat-mode-unsupported", "it runs in power9", "set power8");
    g_auto(Run) run = RUN(fixture, "check", "web1", "beta");
    g_assert_cmpint(run.status, ==, 3);
    expect_text(run.out, "web1 to beta: refused\n  block compat-mode-unsupported: it runs in power9\n    fix: set power8\n");
    g_assert_cmpstr(fixture->text, ==, "web1 beta []");
}

static void test_check_json_holds_the_verdict(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "check", "--json", "web1", "beta");
    g_autoptr(JsonNode) node = parse(&run);
    JsonObject *verdict = json_node_get_object(node);

    g_assert_cmpstr(json_object_get_string_member(verdict, "decision"), ==, "allow");
    g_assert_cmpint(json_object_get_int_member(member(verdict, "plan"), "offset_ticks"), ==, -16777216);
    g_assert_false(json_object_get_boolean_member(member(verdict, "plan"), "exact"));
}

static void test_rank_tells_by_its_exit_code_whether_there_is_a_place(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) none = RUN(fixture, "rank", "web1");

    g_assert_cmpint(none.status, ==, 3);
    g_assert_cmpstr(none.out, ==, "No peer is linked; 'tbsyncctl peers' says why.\n");
    fixture->ranked = "[{'host': <'beta'>, 'decision': <'allow'>, 'code': <''>, 'error_lo_ns': <int64 -1500>,"
                      " 'error_hi_ns': <int64 2500>, 'offset_ticks': <int64 0>},"
                      " {'host': <'gamma'>, 'decision': <'block'>, 'code': <'kvm-pr-host'>}]";
    g_auto(Run) some = RUN(fixture, "rank", "web1");
    g_assert_cmpint(some.status, ==, 0);
    expect_text(some.out, "beta   allowed  -1.500 us .. 2.500 us  -\n");
    expect_text(some.out, "gamma  refused                unknown  kvm-pr-host\n");
    fixture->ranked = "[{'host': <'gamma'>, 'decision': <'block'>, 'code': <'kvm-pr-host'>}]";
    g_auto(Run) refused = RUN(fixture, "rank", "web1", "--json");
    g_assert_cmpint(refused.status, ==, 3);
    g_assert_cmpstr(refused.out, ==, "[{\"host\":\"gamma\",\"decision\":\"block\",\"code\":\"kvm-pr-host\"}]\n");
}

static void expect_error(const char *name, const char *message, int status, const char *const *words)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->error_name = name;
    fixture->error_message = message;
    g_auto(Run) run = fixture_run(fixture, NULL, 0, words);
    g_assert_cmpint(run.status, ==, status);
    g_assert_cmpstr(run.out, ==, "");
    expect_text(run.err, message);
    g_assert_true(strchr(run.err, '\n') == run.err + strlen(run.err) - 1);
}

static void test_unknown_guest_host_and_record_are_told_apart_from_errors(void)
{
    static const char *const check[] = { "check", "web9", "beta", NULL };
    static const char *const show[] = { "show", "m9", NULL };
    static const char *const guests[] = { "guests", NULL };

    expect_error("org.tbsyncd1.Error.NoSuchGuest", "libvirt knows no guest 'web9'", 4, check);
    expect_error("org.tbsyncd1.Error.NoSuchPeer", "no peer is named 'beta'", 4, check);
    expect_error("org.tbsyncd1.Error.Unreachable", "peer 'beta' cannot be reached", 4, check);
    expect_error("org.tbsyncd1.Error.NoSuchMigration", "there is no record 'm9'", 4, show);
    expect_error("org.tbsyncd1.Error.Unavailable", "libvirt is away", 1, guests);
}

static void test_what_tbsyncd_cannot_reach_is_for_doctor(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->error_name = "org.tbsyncd1.Error.Unavailable";
    fixture->error_message = "libvirt is away";
    g_auto(Run) away = RUN(fixture, "guests");
    g_assert_cmpstr(away.err, ==, "tbsyncctl guests: libvirt is away; see: tbsyncctl doctor\n");
    fixture->error_name = "org.tbsyncd1.Error.Unreachable";
    fixture->error_message = "it sleeps; wake it";
    g_auto(Run) told = RUN(fixture, "check", "web1", "beta");
    g_assert_cmpstr(told.err, ==, "tbsyncctl check: it sleeps; wake it\n");
}

static void test_missing_permission_is_said_with_what_to_type(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->error_name = "org.freedesktop.DBus.Error.AccessDenied";
    fixture->error_message = "Sender is not authorized to send message";
    g_auto(Run) run = RUN(fixture, "guests");
    g_assert_cmpint(run.status, ==, 1);
    g_assert_cmpstr(run.out, ==, "");
    g_assert_cmpstr(run.err, ==, "tbsyncctl guests: ListGuests on tbsyncd is not permitted to you; try: sudo tbsyncctl guests\n");
}

static void test_guests_are_listed_with_what_decides(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "guests");

    g_assert_cmpint(run.status, ==, 0);
    expect_text(run.out, "web1   running  ppc64        kvm    pseries-7.2  -    power8  -     -            -33554432  5a5a5a5a-");
    expect_text(run.out, "pc     off      not pseries  ");
}

static void test_guests_json_are_facts(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "guests", "--json");
    g_autoptr(JsonNode) node = parse(&run);
    g_autoptr(GError) error = NULL;
    GuestFacts guest;

    g_assert_true(guest_facts_from_json(json_array_get_object_element(json_node_get_array(node), 0), &guest, &error));
    g_assert_no_error(error);
    g_assert_cmpint(guest.tb_offset_ticks, ==, -33554432);
}

static void test_history_asks_for_so_many(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "history", "--limit", "7");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(fixture->text, ==, "7");
    expect_text(run.out, "20261121T031500Z-web1\n");
    g_auto(Run) json = RUN(fixture, "history", "--json");
    g_autoptr(JsonNode) node = parse(&json);
    g_assert_cmpstr(fixture->text, ==, "20");
    g_assert_cmpstr(json_object_get_string_member(json_array_get_object_element(json_node_get_array(node), 0), "state"), ==,
                    "completed");
}

static void test_show_has_verdict_plan_and_audit(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "show", "m1");

    g_assert_cmpint(run.status, ==, 0);
    expect_text(run.out, "           id: 20261121T031500Z-web1\n");
    expect_text(run.out, "  destination: alpha\n");
    expect_text(run.out, "      verdict: allowed\n");
    expect_text(run.out, "jumps forward by 512 ticks (1.000 us)");
    expect_text(run.out, "    blackout_lo_ns: 36000000\n");
    g_auto(Run) json = RUN(fixture, "show", "--json", "m1");
    g_autoptr(JsonNode) node = parse(&json);
    g_assert_cmpint(json_object_get_int_member(json_node_get_object(node), "timebase_hz"), ==, 512000000);
}

static void test_facts_are_what_judge_takes(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "facts");
    g_autoptr(JsonNode) node = parse(&run);
    g_autoptr(GError) error = NULL;
    HostFacts host;

    g_assert_true(host_facts_from_json(json_node_get_object(node), &host, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(host.name, ==, "alpha");
    g_assert_cmphex(host.pvr, ==, 0x004e1202);
}

static const char *const asking[][4] = { { "status" }, { "peers" },         { "guests" }, { "check", "web1", "beta" },
                                         { "facts" },  { "show", "m1" }, { "history" } };

static void test_absent_daemon_is_said_with_what_to_type(void)
{
    g_autoptr(Fixture) fixture = fixture_new(FALSE);

    for (guint i = 0; i < G_N_ELEMENTS(asking); i++) {
        g_auto(Run) run = fixture_run(fixture, NULL, 0, asking[i]);

        g_assert_cmpint(run.status, ==, 1);
        g_assert_cmpstr(run.out, ==, "");
        expect_text(run.err, "tbsyncd is not running on this host; start it with: systemctl start tbsyncd\n");
    }
}

static void test_absent_bus_is_said(void)
{
    g_autoptr(Fixture) fixture = fixture_new(FALSE);

    fixture->no_bus = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(asking); i++) {
        g_auto(Run) run = fixture_run(fixture, NULL, 0, asking[i]);

        g_assert_cmpint(run.status, ==, 1);
        g_assert_cmpstr(run.out, ==, "");
        expect_text(run.err, "the system bus at unix:path=/nonexistent/bus cannot be reached");
    }
}

static void test_wrong_command_lines_are_usage_errors(void)
{
    static const char *const wrong[][4] = { { "check", "web1" },   { "check", "a", "b", "c" }, { "show" },
                                            { "status", "x" },     { "peers", "--frob" },      { "history", "--limit", "x" },
                                            { "history", "-n-1" }, { "facts", "x" } };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        const char *words[5] = { wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], NULL };
        g_auto(Run) run = fixture_run(fixture, NULL, 0, words);

        g_assert_cmpint(run.status, ==, 2);
        g_assert_cmpstr(run.out, ==, "");
        expect_text(run.err, " --help\n");
    }
    g_assert_cmpuint(fixture->calls, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-verbs/status-is-a-glance", test_status_is_a_glance);
    g_test_add_func("/ctl-verbs/status-json-has-units-in-its-keys", test_status_json_has_units_in_its_keys);
    g_test_add_func("/ctl-verbs/peers-say-why-one-is-not-linked", test_peers_say_why_one_is_not_linked);
    g_test_add_func("/ctl-verbs/unknown-peer-is-named", test_unknown_peer_is_named);
    g_test_add_func("/ctl-verbs/peers-json-is-an-array", test_peers_json_is_an_array);
    g_test_add_func("/ctl-verbs/relation-from-before-the-start-is-marked", test_relation_from_before_the_start_is_marked);
    g_test_add_func("/ctl-verbs/peer-that-dns-names-is-marked", test_peer_that_dns_names_is_marked);
    g_test_add_func("/ctl-verbs/history-of-a-peer-is-a-chart", test_history_of_a_peer_is_a_chart);
    g_test_add_func("/ctl-verbs/chart-is-ascii-where-it-has-to-be", test_chart_is_ascii_where_it_has_to_be);
    g_test_add_func("/ctl-verbs/history-json-has-the-points", test_history_json_has_the_points);
    g_test_add_func("/ctl-verbs/check-allows-with-a-plan", test_check_allows_with_a_plan);
    g_test_add_func("/ctl-verbs/check-refuses-with-cause-and-fix", test_check_refuses_with_cause_and_fix);
    g_test_add_func("/ctl-verbs/rank-tells-by-its-exit-code-whether-there-is-a-place",
                    test_rank_tells_by_its_exit_code_whether_there_is_a_place);
    g_test_add_func("/ctl-verbs/check-json-holds-the-verdict", test_check_json_holds_the_verdict);
    g_test_add_func("/ctl-verbs/unknown-guest-host-and-record-are-told-apart-from-errors",
                    test_unknown_guest_host_and_record_are_told_apart_from_errors);
    g_test_add_func("/ctl-verbs/what-tbsyncd-cannot-reach-is-for-doctor", test_what_tbsyncd_cannot_reach_is_for_doctor);
    g_test_add_func("/ctl-verbs/missing-permission-is-said-with-what-to-type", test_missing_permission_is_said_with_what_to_type);
    g_test_add_func("/ctl-verbs/guests-are-listed-with-what-decides", test_guests_are_listed_with_what_decides);
    g_test_add_func("/ctl-verbs/guests-json-are-facts", test_guests_json_are_facts);
    g_test_add_func("/ctl-verbs/history-asks-for-so-many", test_history_asks_for_so_many);
    g_test_add_func("/ctl-verbs/show-has-verdict-plan-and-audit", test_show_has_verdict_plan_and_audit);
    g_test_add_func("/ctl-verbs/facts-are-what-judge-takes", test_facts_are_what_judge_takes);
    g_test_add_func("/ctl-verbs/absent-daemon-is-said-with-what-to-type", test_absent_daemon_is_said_with_what_to_type);
    g_test_add_func("/ctl-verbs/absent-bus-is-said", test_absent_bus_is_said);
    g_test_add_func("/ctl-verbs/wrong-command-lines-are-usage-errors", test_wrong_command_lines_are_usage_errors);
    return g_test_run();
}
