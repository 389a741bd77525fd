/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl-lines.h"
#include "ctl-verbs.h"
#include "error.h"
#include "facts-codec.h"
#include "findings.h"
#include "json-tree.h"

const char ctl_judge_help[] =
    "Each line of FILE (default: stdin) is one case:\n"
    "  {\"id\":\"c1\", \"source\":{host}, \"guest\":{guest}, \"incoming\":{guest}, \"destination\":{host},\n"
    "   \"relation\":{...}, \"policy\":{...}}\n"
    "One line is printed for each, in order: {\"id\":..,\"decision\":..,\"findings\":[..],\"plan\":{..}}, or\n"
    "{\"id\":..,\"line\":..,\"error\":..} for a line that cannot be read; the others are judged all the same.\n"
    "Facts have the names that tbsyncctl facts --json prints.\n\n"
    "Exit codes: 0 all lines judged, 1 some blocked (with --fail-on-block), 2 some lines in error, or FILE cannot be read.\n";

enum { JUDGE_EXIT_OK = 0, JUDGE_EXIT_BLOCKED = 1, JUDGE_EXIT_BROKEN = 2 };

typedef struct Judging {
    JsonTree *tree;
    GString *out;
    char **assumptions; /* FIELD=VALUE for every destination; may be NULL */
    Policy policy;      /* what a case's own policy changes */
    gboolean blocked, broken;
} Judging;

/* One case, as read. */
typedef struct Case {
    HostFacts source, destination;
    GuestFacts guest, incoming;
    RelationBounds relation;
    Policy policy;
    JudgeInput input; /* points into the others */
} Case;

/* ---- reading ---- */

typedef enum Part { PART_PRESENT, PART_ABSENT, PART_WRONG } Part;

/* null counts as absent. */
static Part get_part(const JsonValue *object, const char *name, const JsonValue **ret, GError **error)
{
    const JsonValue *value = json_value_member(object, name);

    if (value == NULL || value->kind == JSON_NULL)
        return PART_ABSENT;
    if (value->kind != JSON_OBJECT) {
        g_autofree char *shown = json_value_describe(value);
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: %s is not an object", name, shown);
        return PART_WRONG;
    }
    *ret = value;
    return PART_PRESENT;
}

static gboolean require(const char *name, GError **error)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: it is missing", name);
    return FALSE;
}

static gboolean read_host(const JsonValue *object, const char *name, HostFacts *facts, const HostFacts **ret, GError **error)
{
    const JsonValue *part;
    Part found = get_part(object, name, &part, error);

    *ret = NULL;
    if (found != PART_PRESENT)
        return found == PART_ABSENT;
    if (!host_facts_from_value(part, facts, error)) {
        g_prefix_error(error, "%s.", name);
        return FALSE;
    }
    *ret = facts;
    return TRUE;
}

static gboolean read_guest(const JsonValue *object, const char *name, GuestFacts *facts, const GuestFacts **ret, GError **error)
{
    const JsonValue *part;
    Part found = get_part(object, name, &part, error);

    *ret = NULL;
    if (found != PART_PRESENT)
        return found == PART_ABSENT;
    if (!guest_facts_from_value(part, facts, error)) {
        g_prefix_error(error, "%s.", name);
        return FALSE;
    }
    *ret = facts;
    return TRUE;
}

/* Both hosts' frequencies are equal where a relation means anything; the destination's is as good as the other. */
static gboolean read_relation(const JsonValue *object, Case *c, GError **error)
{
    const JsonValue *part;
    Part found = get_part(object, "relation", &part, error);
    guint64 hz = FACT_KNOWN(&c->destination, HOST_TIMEBASE_HZ) ? c->destination.timebase_hz : 0;

    c->input.relation = NULL;
    if (found != PART_PRESENT)
        return found == PART_ABSENT;
    if (!relation_from_value(part, hz, &c->relation, error)) {
        g_prefix_error(error, "relation.");
        return FALSE;
    }
    c->input.relation = &c->relation;
    return TRUE;
}

static gboolean read_policy(const JsonValue *object, Case *c, GError **error)
{
    const JsonValue *part;
    Part found = get_part(object, "policy", &part, error);

    c->input.policy = &c->policy;
    if (found != PART_PRESENT)
        return found == PART_ABSENT;
    if (policy_from_value(part, &c->policy, error))
        return TRUE;
    g_prefix_error(error, "policy.");
    return FALSE;
}

static gboolean read_case(const Judging *judging, const JsonValue *object, Case *c, GError **error)
{
    c->input.kind = JUDGE_OFFLINE;
    c->policy = judging->policy;
    if (!read_host(object, "source", &c->source, &c->input.source, error) ||
        !read_guest(object, "guest", &c->guest, &c->input.guest, error) ||
        !read_guest(object, "incoming", &c->incoming, &c->input.incoming, error) ||
        !read_host(object, "destination", &c->destination, &c->input.destination, error))
        return FALSE;
    if (c->input.guest == NULL)
        return require("guest", error);
    if (c->input.destination == NULL)
        return require("destination", error);
    for (char **assumption = judging->assumptions; assumption != NULL && *assumption != NULL; assumption++)
        if (!host_facts_assign(&c->destination, *assumption, error))
            return FALSE;
    return read_relation(object, c, error) && read_policy(object, c, error);
}

/* ---- writing ---- */

/* Starts an output line with the id as it came, if it was read and is a string or a number. */
static void begin_line(Judging *judging)
{
    const JsonValue *id = json_value_member(json_tree_partial(judging->tree), "id");

    g_string_assign(judging->out, "{\"id\":");
    json_append_scalar(judging->out, id != NULL && id->kind != JSON_BOOL ? id : NULL);
}

static void end_line(Judging *judging)
{
    g_string_append(judging->out, "}\n");
    fwrite(judging->out->str, 1, judging->out->len, stdout);
}

static void write_verdict(Judging *judging, const Verdict *verdict)
{
    begin_line(judging);
    g_string_append_c(judging->out, ',');
    verdict_append_json(verdict, judging->out);
    end_line(judging);
    judging->blocked |= verdict->decision == DECISION_BLOCK;
}

static void write_error(Judging *judging, const CtlLine *line, const GError *error)
{
    g_autofree char *message = g_strdup_printf("line %" G_GUINT64_FORMAT ": %s", line->number, error->message);
    g_autofree char *valid = g_utf8_make_valid(message, -1);

    begin_line(judging);
    g_string_append_printf(judging->out, ",\"line\":%" G_GUINT64_FORMAT ",\"error\":", line->number);
    json_append_string(judging->out, valid);
    end_line(judging);
    judging->broken = TRUE;
}

/* ---- all lines ---- */

static void judge_line(Judging *judging, const CtlLine *line)
{
    g_autoptr(GError) error = NULL, cut_error = NULL;
    const JsonValue *object = json_tree_parse_object(judging->tree, line->text, line->length, &error);
    Verdict verdict;
    Case c;

    if (line->too_long) {
        /* parsed all the same, since the id may stand in what was kept */
        g_set_error(&cut_error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "it is longer than %" G_GSIZE_FORMAT " bytes",
                    CTL_LINE_MAX);
        write_error(judging, line, cut_error);
    } else if (object == NULL || !read_case(judging, object, &c, &error)) {
        write_error(judging, line, error);
    } else {
        judge(&c.input, &verdict);
        write_verdict(judging, &verdict);
    }
}

static int judge_lines(Judging *judging, CtlLines *lines, CtlProgress *progress, GError **error)
{
    CtlLine line;
    CtlLinesState state;

    while ((state = ctl_lines_next(lines, &line, error)) == CTL_LINES_LINE) {
        if (!ctl_line_is_blank(&line))
            judge_line(judging, &line);
        ctl_progress_count(progress, line.number, "lines judged");
        if (ferror(stdout)) {
            g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "stdout cannot be written: %s", g_strerror(errno));
            return -1;
        }
    }
    return state == CTL_LINES_ERROR ? -1 : 0;
}

static gboolean apply_options(Judging *judging, char **policies, GError **error)
{
    HostFacts probe;

    host_facts_init(&probe);
    for (char **assumption = judging->assumptions; assumption != NULL && *assumption != NULL; assumption++)
        if (!host_facts_assign(&probe, *assumption, error))
            return FALSE;
    for (char **policy = policies; policy != NULL && *policy != NULL; policy++) {
        g_auto(GStrv) parts = g_strsplit(*policy, "=", 2);
        if (g_strv_length(parts) != 2) {
            g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "--policy: \"%s\" is not KEY=VALUE", *policy);
            return FALSE;
        }
        if (!policy_set(&judging->policy, parts[0], parts[1], error))
            return FALSE;
    }
    return TRUE;
}

static int run(Ctl *ctl, Judging *judging, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CtlLines) lines = ctl_lines_open(path, &error);
    gboolean done;

    ctl_progress_begin(&ctl->progress, "");
    done = lines != NULL && judge_lines(judging, lines, &ctl->progress, &error) >= 0;
    ctl_progress_end(&ctl->progress);
    if (!done) {
        ctl_fail(ctl, error);
        return JUDGE_EXIT_BROKEN;
    }
    return judging->broken ? JUDGE_EXIT_BROKEN : JUDGE_EXIT_OK;
}

int ctl_judge(Ctl *ctl, int argc, char **argv)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) policies = NULL, assumptions = NULL;
    gboolean fail_on_block = FALSE;
    Judging judging = { tree, out, .policy = POLICY_DEFAULT };
    const GOptionEntry entries[] = {
        { "fail-on-block", 0, 0, G_OPTION_ARG_NONE, &fail_on_block, "Exit with 1 if a case is blocked", NULL },
        { "assume", 0, 0, G_OPTION_ARG_STRING_ARRAY, &assumptions, "Change a fact of every destination (pvr=0x00820200)",
          "FIELD=VALUE" },
        { "policy", 0, 0, G_OPTION_ARG_STRING_ARRAY, &policies, "Set a policy that cases do not set (UnknownMode=strict)",
          "KEY=VALUE" },
        { NULL },
    };
    int exit_code;

    if (!ctl_options(ctl, entries, &(CtlArguments){ &argc, &argv, 0, 1 }, &exit_code))
        return exit_code;
    judging.assumptions = assumptions;
    if (!apply_options(&judging, policies, &error))
        return ctl_fail_usage(ctl, "%s", error->message);
    exit_code = run(ctl, &judging, argc > 1 ? argv[1] : NULL);
    return exit_code == JUDGE_EXIT_OK && fail_on_block && judging.blocked ? JUDGE_EXIT_BLOCKED : exit_code;
}
