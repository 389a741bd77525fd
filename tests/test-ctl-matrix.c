/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* matrix and baseline: what the client judges itself from the facts on the bus. */
#include "ctl-fixture.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define POWER8  0x004d0200
#define POWER10 0x00800200

static void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        g_error("'%s' is not in:\n%s", part, text);
}

static Fixture *fleet_new(guint32 peer_pvr)
{
    Fixture *fixture = fixture_new(TRUE);

    fixture->linked = TRUE;
    fixture->peer_pvr = peer_pvr;
    return fixture;
}

static JsonObject *parse(const Run *run, JsonNode **ret)
{
    g_autoptr(GError) error = NULL;

    *ret = json_from_string(run->out, &error);
    g_assert_no_error(error);
    return json_node_get_object(*ret);
}

static void test_matrix_has_a_column_for_each_linked_host(void)
{
    g_autoptr(Fixture) fixture = fleet_new(0);
    g_auto(Run) run = RUN(fixture, "matrix");

    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(run.err, ==, "");
    expect_text(run.out, "GUEST  STATE    beta\n");
    expect_text(run.out, "\nweb1   running  ");
    expect_text(run.out, "\npc     off      -\n"); /* no pseries guest: not judged */
}

static void test_matrix_of_all_asks_peers_for_their_guests(void)
{
    g_autoptr(Fixture) fixture = fleet_new(POWER10);
    g_auto(Run) run = RUN(fixture, "matrix", "--all", "--policy", "UnknownFacts=allow");

    g_assert_cmpstr(run.err, ==, "");
    g_assert_cmpint(run.status, ==, 0);
    g_assert_cmpstr(fixture->text, ==, "beta");
    expect_text(run.out, "GUEST  HOST   STATE    alpha");
    expect_text(run.out, "\nweb1   alpha  running  here ");
    expect_text(run.out, "\ndb1    beta   running  compat-mode-unsupported  here\n"); /* power10 on a POWER9 */
}

static void test_matrix_marks_moves_without_return(void)
{
    g_autoptr(Fixture) fixture = fleet_new(POWER10);
    g_auto(Run) run = RUN(fixture, "matrix", "--json", "--assume", "beta:qemu_version=10.2.0", "--policy", "UnknownFacts=allow");
    g_autoptr(JsonNode) node = NULL;
    JsonObject *matrix = parse(&run, &node);
    JsonObject *guest = json_array_get_object_element(json_object_get_array_member(matrix, "guests"), 0);
    JsonObject *verdict = json_array_get_object_element(json_object_get_array_member(guest, "verdicts"), 0);

    g_assert_cmpstr(json_object_get_string_member(guest, "name"), ==, "web1");
    g_assert_cmpstr(json_object_get_string_member(verdict, "host"), ==, "beta");
    g_assert_cmpstr(json_object_get_string_member(verdict, "decision"), ==, "allow");
    g_assert_true(json_object_get_boolean_member(verdict, "one_way")); /* from 10.2 nothing comes back to 7.2 */
    g_auto(Run) text = RUN(fixture, "matrix", "--assume", "beta:qemu_version=10.2.0", "--policy", "UnknownFacts=allow");
    expect_text(text.out, "web1   running  one-way\n");
}

static void test_matrix_assumes_facts(void)
{
    g_autoptr(Fixture) fixture = fleet_new(0);
    g_auto(Run) run = RUN(fixture, "matrix", "--assume", "pvr=0x003f0201");

    g_assert_cmpint(run.status, ==, 0);
    expect_text(run.out, "web1   running  compat-mode-unsupported\n"); /* POWER7 has no power8 */
    g_auto(Run) wrong = RUN(fixture, "matrix", "--assume", "pvr=x");
    g_assert_cmpint(wrong.status, ==, 1);
    expect_text(wrong.err, "pvr");
    g_auto(Run) unknown = RUN(fixture, "matrix", "--assume", "gamma:pvr=0x003f0201");
    g_assert_cmpint(unknown.status, ==, 4);
    expect_text(unknown.err, "gamma");
    g_auto(Run) policy = RUN(fixture, "matrix", "--policy", "Nonsense=1");
    g_assert_cmpint(policy.status, ==, 2);
    expect_text(policy.err, "Nonsense");
}

static void test_missing_hosts_are_named(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = RUN(fixture, "matrix", "--all");

    g_assert_cmpint(run.status, ==, 0);
    expect_text(run.err, "beta is not linked and left out");
    fixture->linked = TRUE;
    fixture->peer_error = "libvirt is away";
    g_auto(Run) silent = RUN(fixture, "matrix", "--all");
    g_assert_cmpint(silent.status, ==, 4);
    expect_text(silent.err, "beta: libvirt is away");
    expect_text(silent.out, "web1"); /* the others are shown all the same */
}

static void test_baseline_is_the_newest_mode_in_common(void)
{
    static const struct {
        guint32 pvr;
        const char *mode;
    } cases[] = { { 0, "power9" }, { POWER8, "power8" }, { POWER10, "power9" } };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Fixture) fixture = fleet_new(cases[i].pvr);
        g_auto(Run) run = RUN(fixture, "baseline", "--json");
        g_autoptr(JsonNode) node = NULL;
        JsonObject *baseline = parse(&run, &node);

        g_assert_cmpstr(json_object_get_string_member(baseline, "baseline"), ==, cases[i].mode);
        g_assert_cmpint(run.status, ==, 0);
    }
}

static void test_baseline_names_hosts_and_guests_in_the_way(void)
{
    g_autoptr(Fixture) fixture = fleet_new(POWER10);
    g_auto(Run) run = RUN(fixture, "baseline");

    g_assert_cmpint(run.status, ==, 0);
    expect_text(run.out, "baseline: power9\n");
    expect_text(run.out, "\nalpha  POWER9 (PVR 0x004e1202)   power9   ");
    expect_text(run.out, "\nbeta   POWER10 (PVR 0x00800200)  power10  ");
    expect_text(run.out, "\ndb1    beta  power10  none   it runs in a newer mode\n");
    expect_text(run.out, "<cpu mode='host-model'><model>power9</model></cpu>");
    g_assert_null(strstr(run.out, "web1")); /* limited to power8 */
    g_auto(Run) one = RUN(fixture, "baseline", "beta");
    expect_text(one.out, "baseline: power10\n");
    expect_text(one.out, "No running guest stands in the way.\n");
    g_auto(Run) assumed = RUN(fixture, "baseline", "--assume", "beta:pvr=0x004d0200");
    expect_text(assumed.out, "baseline: power8\n");
}

static void test_baseline_of_unknown_or_distant_hosts(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) unknown = RUN(fixture, "baseline", "gamma");
    g_auto(Run) refused = RUN(fixture, "baseline", "beta");

    g_assert_cmpint(unknown.status, ==, 4);
    expect_text(unknown.err, "no host is named 'gamma'");
    g_assert_cmpint(refused.status, ==, 4);
    expect_text(refused.err, "'beta' is not linked");
}

static void test_hosts_without_a_common_mode_have_no_baseline(void)
{
    g_autoptr(Fixture) fixture = fleet_new(0);
    g_auto(Run) run = RUN(fixture, "baseline", "--assume", "beta:pvr=0x12345678");

    g_assert_cmpint(run.status, ==, 1);
    expect_text(run.out, "baseline: none");
    g_auto(Run) json = RUN(fixture, "baseline", "--json", "--assume", "beta:pvr=0x12345678");
    g_autoptr(JsonNode) node = NULL;
    g_assert_true(json_object_get_null_member(parse(&json, &node), "baseline"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-matrix/matrix-has-a-column-for-each-linked-host", test_matrix_has_a_column_for_each_linked_host);
    g_test_add_func("/ctl-matrix/matrix-of-all-asks-peers-for-their-guests", test_matrix_of_all_asks_peers_for_their_guests);
    g_test_add_func("/ctl-matrix/matrix-marks-moves-without-return", test_matrix_marks_moves_without_return);
    g_test_add_func("/ctl-matrix/matrix-assumes-facts", test_matrix_assumes_facts);
    g_test_add_func("/ctl-matrix/missing-hosts-are-named", test_missing_hosts_are_named);
    g_test_add_func("/ctl-matrix/baseline-is-the-newest-mode-in-common", test_baseline_is_the_newest_mode_in_common);
    g_test_add_func("/ctl-matrix/baseline-names-hosts-and-guests-in-the-way", test_baseline_names_hosts_and_guests_in_the_way);
    g_test_add_func("/ctl-matrix/baseline-of-unknown-or-distant-hosts", test_baseline_of_unknown_or_distant_hosts);
    g_test_add_func("/ctl-matrix/hosts-without-a-common-mode-have-no-baseline", test_hosts_without_a_common_mode_have_no_baseline);
    return g_test_run();
}
