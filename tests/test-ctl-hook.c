/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-fixture.h"

#include <signal.h>
#include <string.h>

#include "guest-xml.h"

#define UUID "5a5a5a5a-1111-4222-8333-00000000beef"
#define XML(machine, arch)                                                                                            \
    "<domain type='kvm'>\n  <name>web1</name>\n  <uuid>" UUID "</uuid>\n  <memory unit='KiB'>262144</memory>\n"        \
    "  <os>\n    <type arch='" arch "' machine='" machine "'>hvm</type>\n  </os>\n"                                    \
    "  <devices><graphics type='vnc' passwd='s3cret'/></devices>\n</domain>\n"
#define PSERIES XML("pseries-7.2", "ppc64")

/* libvirt would take anything on stdout for a new domain XML. */
static Run hook(Fixture *fixture, const char *name, const char *operation, const char *sub, const char *xml)
{
    Run run = fixture_run(fixture, xml, -1, (const char *const[]){ "hook", name, operation, sub, "-", NULL });

    g_assert_cmpstr(run.out, ==, "");
    g_assert_null(strstr(run.err, "s3cret"));
    return run;
}

static void expect(const Run *run, int status, const char *const *lines)
{
    g_auto(GStrv) said = g_strsplit(run->err, "\n", -1);
    guint n = g_strv_length((char **)lines);

    g_assert_cmpint(run->status, ==, status);
    g_assert_cmpuint(g_strv_length(said), ==, n == 0 ? 0 : n + 1); /* each line ends in a line end */
    for (guint i = 0; i < n; i++)
        g_assert_cmpstr(said[i], ==, lines[i]);
}

static void test_other_operations_are_let_go(void)
{
    static const char *const operations[][2] = { { "prepare", "begin" }, { "start", "begin" },   { "started", "begin" },
                                                 { "stopped", "end" },   { "release", "end" },   { "reconnect", "begin" },
                                                 { "attach", "begin" },  { "migrate", "other" }, { "unknown", "x" } };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->decision = "block";
    for (guint i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_auto(Run) run = hook(fixture, "web1", operations[i][0], operations[i][1], "no XML");
        expect(&run, 0, (const char *const[]){ NULL });
    }
    g_assert_cmpuint(fixture->calls, ==, 0);
}

static void test_other_guests_are_let_go_without_a_question(void)
{
    static const char *const others[] = { XML("q35", "x86_64"), XML("powernv9", "ppc64"), XML("virt", "aarch64") };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->decision = "block";
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", others[i]);
        expect(&run, 0, (const char *const[]){ NULL });
    }
    g_assert_cmpuint(fixture->calls, ==, 0);
}

static void test_allowed_guest_passes_in_silence(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", PSERIES);
    const char *text = "";

    expect(&run, 0, (const char *const[]){ NULL });
    g_assert_cmpstr(fixture->member, ==, "CheckIncoming");
    g_assert_true(g_variant_lookup(fixture->guest, "uuid", "&s", &text));
    g_assert_cmpstr(text, ==, UUID);
    g_assert_true(g_variant_lookup(fixture->guest, "machine_type", "&s", &text));
    g_assert_cmpstr(text, ==, "pseries-7.2");
}

static void test_allowed_with_a_warning_says_so(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture_add_finding(fixture, "note", "mode-assumed", "assumed power9", "");
    fixture_add_finding(fixture, "warn", "tod-skew", "the clocks are 3 s apart", "start chronyd");
    g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", PSERIES);
    expect(&run, 0, (const char *const[]){ "tbsync: migration of guest 'web1' allowed, with a warning: "
                                           "the clocks are 3 s apart; start chronyd [tod-skew]",
                                           NULL });
}

static void test_refused_guest_is_told_cause_and_fix_in_one_line(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->decision = "block";
    fixture_add_finding(fixture, "block", "compat-mode-unsupported", "it runs in power9, which\nPOWER8 \033[1mlacks",
                        "set <model>power8</model>");
    fixture_add_finding(fixture, "note", "mode-assumed", "assumed power9", "");
    g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", PSERIES);
    expect(&run, 1, (const char *const[]){ "tbsync: migration of guest 'web1' refused: it runs in power9, which "
                                           "POWER8  [1mlacks; set <model>power8</model> [compat-mode-unsupported]",
                                           "tbsync: note: assumed power9 [mode-assumed]", NULL });
}

static void test_first_line_is_bounded(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_autofree char *text = g_strnfill(5000, 'x');

    fixture->decision = "block";
    fixture_add_finding(fixture, "block", "deadline", text, "");
    g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", PSERIES);
    g_assert_cmpint(run.status, ==, 1);
    g_assert_cmpuint(strcspn(run.err, "\n"), <=, 700);
}

static void test_restore_asks_for_this_host_alone(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->decision = "block";
    fixture_add_finding(fixture, "block", "machine-type-missing", "no pseries-7.2", "upgrade QEMU");
    g_auto(Run) run = hook(fixture, "web1", "restore", "begin", PSERIES);
    expect(&run, 1, (const char *const[]){
                        "tbsync: restore of guest 'web1' refused: no pseries-7.2; upgrade QEMU [machine-type-missing]", NULL });
    g_assert_cmpstr(fixture->member, ==, "CheckRestore");
}

static void test_guest_name_may_look_like_an_option(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_auto(Run) run = hook(fixture, "--help", "migrate", "begin", PSERIES);

    expect(&run, 0, (const char *const[]){ NULL });
    g_assert_cmpuint(fixture->calls, ==, 1);
}

static void expect_unavailable(Fixture *fixture, const char *reason)
{
    g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", PSERIES);
    g_autofree char *start = g_strdup_printf("tbsync: migration of guest 'web1' refused: tbsyncd does not answer (%s", reason);

    g_assert_cmpint(run.status, ==, 1);
    g_assert_true(g_str_has_prefix(run.err, start));
    g_assert_nonnull(strstr(run.err, "systemctl start tbsyncd"));
    g_assert_nonnull(strstr(run.err, "WhenUnavailable=allow"));
    g_assert_nonnull(strstr(run.err, fixture->config));
    g_assert_true(g_str_has_suffix(run.err, "[daemon-unavailable]\n"));
}

static void test_absent_daemon_blocks_by_default(void)
{
    g_autoptr(Fixture) fixture = fixture_new(FALSE);

    expect_unavailable(fixture, "it is not running)");
}

static void test_absent_bus_blocks_by_default(void)
{
    g_autoptr(Fixture) fixture = fixture_new(FALSE);

    fixture->no_bus = TRUE;
    expect_unavailable(fixture, "");
}

static void test_daemon_that_dies_when_asked_blocks(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->die = TRUE;
    expect_unavailable(fixture, "no answer came in time)");
}

static void test_hung_daemon_blocks_at_the_deadline(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->hang = TRUE;
    expect_unavailable(fixture, "no answer came in time)");
}

static void test_absent_daemon_is_no_obstacle_if_allowed(void)
{
    g_autoptr(Fixture) fixture = fixture_new(FALSE);

    fixture_write_config(fixture, "[Policy]\nWhenUnavailable=allow\n");
    g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", PSERIES);
    g_assert_cmpint(run.status, ==, 0);
    g_assert_true(g_str_has_prefix(run.err, "tbsync: migration of guest 'web1' allowed without a check: tbsyncd does "
                                            "not answer (it is not running)"));
}

static void test_policy_in_doubt_blocks_and_names_the_line(void)
{
    g_autoptr(Fixture) fixture = fixture_new(FALSE);

    fixture_write_config(fixture, "[Policy]\nWhenUnavailable=perhaps\n");
    g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", PSERIES);
    g_assert_cmpint(run.status, ==, 1);
    g_assert_nonnull(strstr(run.err, "tbsyncd.conf:2: WhenUnavailable="));
}

static void test_daemon_that_refuses_the_question_blocks(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture_write_config(fixture, "[Policy]\nWhenUnavailable=allow\n");
    fixture->error_name = "org.tbsyncd1.Error.Invalid";
    fixture->error_message = "uuid: missing";
    g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", PSERIES);
    expect(&run, 1, (const char *const[]){ "tbsync: migration of guest 'web1' refused: tbsyncd: uuid: missing", NULL });
}

static void test_answer_that_is_no_decision_counts_as_none(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->decision = "perhaps";
    expect_unavailable(fixture, "its answer cannot be read");
}

static void test_bad_xml_is_refused_with_one_line(void)
{
    static const char *const bad[] = { "",
                                       "no XML",
                                       "<domain>",
                                       "<domain type='kvm'><os><type arch='ppc64' machine='pseries-7.2'>hvm</type>",
                                       "<?xml version='1.0'?><!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
                                       "<domain type='kvm'><name>&e;</name></domain>",
                                       "<network/>" };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", bad[i]);

        g_assert_cmpint(run.status, ==, 1);
        g_assert_true(g_str_has_prefix(run.err, "tbsync: migration of guest 'web1' refused: "));
        g_assert_true(strchr(run.err, '\n') == run.err + strlen(run.err) - 1);
    }
    g_assert_cmpuint(fixture->calls, ==, 0);
}

static void test_huge_xml_is_refused(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_autofree char *filler = g_strnfill(GUEST_XML_MAX, 'x');
    g_autofree char *xml = g_strconcat("<domain type='kvm'><title>", filler, "</title></domain>", NULL);
    g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", xml);

    g_assert_cmpint(run.status, ==, 1);
    g_assert_true(g_str_has_prefix(run.err, "tbsync: migration of guest 'web1' refused: "));
}

static void test_session_guests_are_not_checked(void)
{
    g_autoptr(Fixture) fixture = fixture_new(TRUE);

    fixture->decision = "block";
    fixture->as_user = TRUE;
    g_auto(Run) run = hook(fixture, "web1", "migrate", "begin", PSERIES);
    expect(&run, 0, (const char *const[]){ NULL });
}

static void test_too_few_arguments_are_a_usage_error(void)
{
    g_autoptr(Fixture) fixture = fixture_new(FALSE);
    g_auto(Run) run = RUN(fixture, "hook", "web1", "migrate");

    g_assert_cmpint(run.status, ==, 2);
    g_assert_cmpstr(run.out, ==, "");
    g_assert_true(g_str_has_prefix(run.err, "tbsync: usage: "));
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a hook that has decided does not read on */
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-hook/other-operations-are-let-go", test_other_operations_are_let_go);
    g_test_add_func("/ctl-hook/other-guests-are-let-go-without-a-question",
                    test_other_guests_are_let_go_without_a_question);
    g_test_add_func("/ctl-hook/allowed-guest-passes-in-silence", test_allowed_guest_passes_in_silence);
    g_test_add_func("/ctl-hook/allowed-with-a-warning-says-so", test_allowed_with_a_warning_says_so);
    g_test_add_func("/ctl-hook/refused-guest-is-told-cause-and-fix-in-one-line",
                    test_refused_guest_is_told_cause_and_fix_in_one_line);
    g_test_add_func("/ctl-hook/first-line-is-bounded", test_first_line_is_bounded);
    g_test_add_func("/ctl-hook/restore-asks-for-this-host-alone", test_restore_asks_for_this_host_alone);
    g_test_add_func("/ctl-hook/guest-name-may-look-like-an-option", test_guest_name_may_look_like_an_option);
    g_test_add_func("/ctl-hook/absent-daemon-blocks-by-default", test_absent_daemon_blocks_by_default);
    g_test_add_func("/ctl-hook/absent-bus-blocks-by-default", test_absent_bus_blocks_by_default);
    g_test_add_func("/ctl-hook/daemon-that-dies-when-asked-blocks", test_daemon_that_dies_when_asked_blocks);
    g_test_add_func("/ctl-hook/hung-daemon-blocks-at-the-deadline", test_hung_daemon_blocks_at_the_deadline);
    g_test_add_func("/ctl-hook/absent-daemon-is-no-obstacle-if-allowed", test_absent_daemon_is_no_obstacle_if_allowed);
    g_test_add_func("/ctl-hook/policy-in-doubt-blocks-and-names-the-line",
                    test_policy_in_doubt_blocks_and_names_the_line);
    g_test_add_func("/ctl-hook/daemon-that-refuses-the-question-blocks", test_daemon_that_refuses_the_question_blocks);
    g_test_add_func("/ctl-hook/answer-that-is-no-decision-counts-as-none",
                    test_answer_that_is_no_decision_counts_as_none);
    g_test_add_func("/ctl-hook/bad-xml-is-refused-with-one-line", test_bad_xml_is_refused_with_one_line);
    g_test_add_func("/ctl-hook/huge-xml-is-refused", test_huge_xml_is_refused);
    g_test_add_func("/ctl-hook/session-guests-are-not-checked", test_session_guests_are_not_checked);
    g_test_add_func("/ctl-hook/too-few-arguments-are-a-usage-error", test_too_few_arguments_are_a_usage_error);
    return g_test_run();
}
