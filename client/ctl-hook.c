/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "ctl-verbs.h"
#include "error.h"
#include "facts-codec.h"
#include "findings.h"
#include "guest-xml.h"
#include "hook-policy.h"
#include "sd-variant.h"
#include "tbsyncd-config.h"

#define DEADLINE_US      (5 * G_USEC_PER_SEC) /* for all: reading, asking, answering */
#define FIRST_LINE_MAX   600                  /* characters; the operator finds it at the end of a long line */
#define JOURNAL_SOCKET   "/run/systemd/journal/socket"
#define EXIT_ALLOW       CTL_EXIT_OK
#define EXIT_BLOCK       CTL_EXIT_ERROR

const char ctl_hook_help[] =
    "What the libvirt hook runs, with the domain XML on stdin; arguments are libvirt's own and none of them is an option. Exit 0 lets the\n"
    "guest in, 1 refuses. Nothing is ever printed on stdout, since libvirt would take it for a new domain XML; on stderr are lines that\n"
    "begin with \"tbsync: \". It takes at most 5 s.\n"
    "\n"
    "Operations other than migrate and restore, guests that are no ppc64 pseries guests, and guests of users other than root are let in\n"
    "without a question. If tbsyncd does not answer, WhenUnavailable= in [Policy] of its configuration decides.\n";

typedef struct Hook {
    const char *operation; /* "migrate" or "restore" */
    const char *name;      /* as libvirt gave it */
    gint64 end_us;         /* monotonic */
} Hook;

/* What the daemon said, or why it said nothing. */
typedef struct Answer {
    gboolean done;
    GError *error;        /* no verdict: why */
    Decision decision;
    GVariant *findings;   /* aa{sv}, most severe first */
} Answer;

static void answer_clear(Answer *answer)
{
    g_clear_error(&answer->error);
    g_clear_pointer(&answer->findings, g_variant_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Answer, answer_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus, sd_bus_close_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)

/* ---- what is said ---- */

/* One line, whatever a peer or a guest's name put into it. */
static char *one_line(const char *text)
{
    char *line = g_utf8_make_valid(text, -1);

    for (char *c = line; *c != '\0'; c++) {
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    }
    return line;
}

static char *cut(char *line)
{
    g_autofree char *start = NULL;

    if (g_utf8_strlen(line, -1) <= FIRST_LINE_MAX)
        return line;
    start = g_utf8_substring(line, 0, FIRST_LINE_MAX - 3);
    g_free(line);
    return g_strconcat(start, "...", NULL);
}

G_GNUC_PRINTF(1, 2) static void say(const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    line = cut(one_line(text));
    fprintf(stderr, "tbsync: %s\n", line);
}

static const char *action(const Hook *hook)
{
    return g_str_equal(hook->operation, "restore") ? "restore" : "migration";
}

/* libvirt drops the stderr of a hook that succeeds, so what matters goes to the journal too. */
static void record(const Hook *hook, int priority, const char *code, const char *message)
{
    if (access(JOURNAL_SOCKET, F_OK) < 0)
        syslog(LOG_DAEMON | priority, "%s", message);
    else
        sd_journal_send("MESSAGE=%s", message, "PRIORITY=%i", priority, "SYSLOG_IDENTIFIER=tbsync-hook",
                        "TBSYNC_GUEST=%s", hook->name, "TBSYNC_CODE=%s", code, NULL);
}

/* ---- the domain XML ---- */

static int left_ms(const Hook *hook)
{
    gint64 left_us = hook->end_us - g_get_monotonic_time();

    return left_us <= 0 ? 0 : (int)(left_us / 1000) + 1;
}

/* One byte more than allowed is kept, so that the parser refuses what is too long. */
static GByteArray *read_stdin(const Hook *hook, GError **error)
{
    g_autoptr(GByteArray) xml = g_byte_array_new();
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    char buffer[65536];

    while (xml->len <= GUEST_XML_MAX) {
        ssize_t got = -1;
        int ready = poll(&input, 1, left_ms(hook));

        if (ready > 0)
            got = read(STDIN_FILENO, buffer, sizeof buffer);
        if (ready == 0 || left_ms(hook) == 0) {
            g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT,
                        "libvirt did not send the whole domain XML in time");
            return NULL;
        }
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "cannot read the domain XML: %s",
                        g_strerror(errno));
            return NULL;
        }
        if (got == 0)
            break;
        if (got > 0)
            g_byte_array_append(xml, (const guint8 *)buffer, (guint)got);
    }
    return g_steal_pointer(&xml);
}

static gboolean read_guest(const Hook *hook, GuestFacts *ret, GError **error)
{
    g_autoptr(GByteArray) xml = read_stdin(hook, error);

    return xml != NULL && guest_xml_parse((const char *)xml->data, xml->len, ret, error);
}

/* ---- asking the daemon ---- */

static void answer_set_errno(Answer *answer, int code, const char *what)
{
    if (answer->error == NULL)
        answer->error = g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "%s: %s", what,
                                    g_strerror(-code));
}

/* The message of an error reply that says the daemon is away, or what it says itself. */
static void answer_set_bus_error(Answer *answer, const sd_bus_error *error)
{
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
        sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
        answer->error = g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "it is not running");
    else if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
             sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT))
        answer->error = g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT, "no answer came in time");
    else
        answer->error = tbsync_error_from_dbus(error->name, error->message);
}

static int read_answer(sd_bus_message *reply, Answer *answer)
{
    const char *decision;
    int r = sd_bus_message_read(reply, "s", &decision);

    if (r >= 0)
        r = sd_variant_read(reply, "aa{sv}", &answer->findings);
    if (r < 0)
        return r;
    if (r == 0)
        return -EBADMSG;
    if (g_str_equal(decision, decision_name(DECISION_ALLOW)))
        answer->decision = DECISION_ALLOW;
    else if (g_str_equal(decision, decision_name(DECISION_BLOCK)))
        answer->decision = DECISION_BLOCK;
    else
        return -EBADMSG;
    return 0;
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Answer *answer = data;
    int r;

    answer->done = TRUE;
    if (sd_bus_message_is_method_error(reply, NULL)) {
        answer_set_bus_error(answer, sd_bus_message_get_error(reply));
        return 0;
    }
    r = read_answer(reply, answer);
    if (r < 0)
        answer_set_errno(answer, r, "its answer cannot be read");
    return 0;
}

/* A daemon that was stopped on purpose is not started by a migration. */
static int send_call(sd_bus *bus, const Hook *hook, const GuestFacts *guest, Answer *answer)
{
    g_autoptr(sd_bus_message) call = NULL;
    const char *method = g_str_equal(hook->operation, "restore") ? "CheckRestore" : "CheckIncoming";
    int r = sd_bus_message_new_method_call(bus, &call, "org.tbsyncd1", "/org/tbsyncd1",
                                           "org.tbsyncd1.Manager", method);

    if (r >= 0)
        r = sd_bus_message_set_auto_start(call, 0);
    if (r >= 0)
        r = sd_variant_append(call, guest_facts_to_variant(guest));
    if (r >= 0)
        r = sd_bus_call_async(bus, NULL, call, on_reply, answer, DEADLINE_US);
    return r;
}

/* sd-bus' own blocking call may spend its time on authentication first, so the loop is ours. */
static void ask_daemon(const Hook *hook, const GuestFacts *guest, Answer *answer)
{
    g_autoptr(sd_bus) bus = NULL;
    int r = sd_bus_open_system(&bus);

    if (r < 0) {
        answer_set_errno(answer, r, "there is no system bus");
        return;
    }
    r = send_call(bus, hook, guest, answer);
    while (r >= 0 && !answer->done && left_ms(hook) > 0) {
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, (uint64_t)left_ms(hook) * 1000);
    }
    if (r < 0)
        answer_set_errno(answer, r, "the system bus failed");
    else if (!answer->done)
        answer->error = g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT, "no answer came in time");
}

/* ---- the verdict ---- */

static const char *field(GVariant *finding, const char *name)
{
    const char *text = "";

    g_variant_lookup(finding, name, "&s", &text);
    return text;
}

/* "<cause>; <fix> [<code>]" */
static char *finding_line(GVariant *finding)
{
    const char *advice = field(finding, "advice");

    return g_strdup_printf("%s%s%s [%s]", field(finding, "text"), *advice != '\0' ? "; " : "", advice,
                           field(finding, "code"));
}

/* The blocking findings come first, and the first of them is in the first line. */
static int say_block(const Hook *hook, GVariant *findings)
{
    gsize n = g_variant_n_children(findings);

    if (n == 0)
        say("%s of guest '%s' refused by tbsyncd without a reason", action(hook), hook->name);
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) finding = g_variant_get_child_value(findings, i);
        g_autofree char *line = finding_line(finding);

        if (i == 0)
            say("%s of guest '%s' refused: %s", action(hook), hook->name, line);
        else
            say("%s: %s", field(finding, "severity"), line);
    }
    return EXIT_BLOCK;
}

/* libvirt drops it; whoever runs the hook by hand sees it. */
static int say_allow(const Hook *hook, GVariant *findings)
{
    gsize n = g_variant_n_children(findings);

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) finding = g_variant_get_child_value(findings, i);
        g_autofree char *line = finding_line(finding);

        if (g_str_equal(field(finding, "severity"), severity_name(SEVERITY_WARN))) {
            say("%s of guest '%s' allowed, with a warning: %s", action(hook), hook->name, line);
            break;
        }
    }
    return EXIT_ALLOW;
}

static int say_unavailable(const Hook *hook, const GError *reason)
{
    const char *code = finding_code_name(FINDING_DAEMON_UNAVAILABLE);
    const char *path = secure_getenv("TBSYNC_CONFIG_FILE");
    g_autoptr(GError) error = NULL;
    g_autofree char *message = NULL;
    g_autofree char *origin = NULL;
    HookPolicy policy;

    if (path == NULL)
        path = TBSYNCD_CONFIG_FILE;
    if (!hook_policy_read(path, &policy, &error))
        message = g_strdup_printf("%s of guest '%s' refused: tbsyncd does not answer (%s), and what to do "
                                  "then cannot be read: %s [%s]",
                                  action(hook), hook->name, reason->message, error->message, code);
    else if (policy.blocks)
        message = g_strdup_printf("%s of guest '%s' refused: tbsyncd does not answer (%s); start it with "
                                  "'systemctl start tbsyncd', or set WhenUnavailable=allow in [Policy] of "
                                  "%s (WhenUnavailable=block: %s) [%s]",
                                  action(hook), hook->name, reason->message, path, policy.origin, code);
    else
        message = g_strdup_printf("%s of guest '%s' allowed without a check: tbsyncd does not answer (%s), "
                                  "and WhenUnavailable=allow (%s) [%s]",
                                  action(hook), hook->name, reason->message, policy.origin, code);
    origin = policy.origin;
    say("%s", message);
    record(hook, policy.blocks ? LOG_ERR : LOG_WARNING, code, message);
    return policy.blocks ? EXIT_BLOCK : EXIT_ALLOW;
}

static int check(const Hook *hook)
{
    g_autoptr(GError) error = NULL;
    g_auto(Answer) answer = { 0 };
    GuestFacts guest;

    if (!read_guest(hook, &guest, &error)) {
        say("%s of guest '%s' refused: %s", action(hook), hook->name, error->message);
        return EXIT_BLOCK;
    }
    if (guest.arch == ARCH_OTHER)
        return EXIT_ALLOW;
    ask_daemon(hook, &guest, &answer);
    if (g_error_matches(answer.error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID)) {
        say("%s of guest '%s' refused: tbsyncd: %s", action(hook), hook->name, answer.error->message);
        return EXIT_BLOCK;
    }
    if (answer.error != NULL)
        return say_unavailable(hook, answer.error);
    return answer.decision == DECISION_BLOCK ? say_block(hook, answer.findings)
                                             : say_allow(hook, answer.findings);
}

/* Not a byte may reach stdout, whatever library or failure wants to print there. */
static void close_stdout(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
        close(STDOUT_FILENO);
    if (null > STDERR_FILENO)
        close(null);
}

int ctl_hook(Ctl *ctl, int argc, char **argv)
{
    Hook hook = { .end_us = g_get_monotonic_time() + DEADLINE_US };
    int exit_code = CTL_EXIT_OK;

    /* A person; libvirt always gives four arguments, and a guest may be named "--help". */
    if (argc == 2 && !ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 4, 4 }, &exit_code))
        return exit_code;
    close_stdout();
    if (argc < 4) {
        say("usage: tbsyncctl hook NAME OPERATION SUB-OPERATION EXTRA, with the domain XML on stdin");
        return CTL_EXIT_USAGE;
    }
    hook.name = argv[1];
    hook.operation = argv[2];
    /* A failing "reconnect" would kill the guest: whatever is not ours is allowed. */
    if (!g_str_equal(hook.operation, "migrate") && !g_str_equal(hook.operation, "restore"))
        return EXIT_ALLOW;
    if (!g_str_equal(argv[3], "begin"))
        return EXIT_ALLOW;
    if (geteuid() != 0)
        return EXIT_ALLOW; /* qemu:///session: the daemon does not know those guests */
    return check(&hook);
}
