/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>

#include "ctl-bus.h"
#include "ctl-lines.h"
#include "ctl-replay-record.h"
#include "ctl-verbs.h"
#include "error.h"
#include "json-tree.h"
#include "relation.h"

const char ctl_replay_help[] =
    "With the ID of a migration, or with a FILE that holds its record: computes relation, verdict and plan again from what they\n"
    "were made of, and compares them with the record: exits 0 if they are the same, 1 with both if something differs.\n\n"
    "Else, for exchanges: "
    "the first line of FILE (default: stdin) names the clocks, {\"timebase_hz\":512000000,\"drift_ppb\":100000};\n"
    "each further line is one exchange, {\"l1\":..,\"r2\":..,\"r3\":..,\"l4\":..} in ticks (l: local timebase, r: remote\n"
    "one), optionally with \"tod_l_ns\":[at l1, at l4] and \"tod_r_ns\":[at r2, at r3].\n"
    "After each exchange the bounds on remote - local at l4 are printed:\n"
    "{\"tb_lo\":..,\"tb_hi\":..,\"state\":\"ok\"|\"stepped\"|\"invalid\"}, and \"tod_lo_ns\", \"tod_hi_ns\" where known. A bound\n"
    "that is not known is null.\n\n"
    "Exit codes: 0 all lines read, 1 the file cannot be read or its first line is wrong, 2 some lines in error.\n";

enum { REPLAY_EXIT_OK = 0, REPLAY_EXIT_ERROR = 1, REPLAY_EXIT_BROKEN = 2 };

#define HZ_MAX    INT64_C(1000000000000)
#define DRIFT_MAX 10000000

typedef struct Replay {
    JsonTree *tree;
    Relation relation;
    gboolean started; /* the first line was read */
    gboolean broken;
    Ctl *ctl;
    gboolean is_record; /* the first line was one: all is done */
    int record_exit;
} Replay;

/* ---- reading ---- */

static gboolean refuse(GError **error, const char *name, const char *wanted)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: %s", name, wanted);
    return FALSE;
}

static gboolean refuse_value(GError **error, const char *name, const JsonValue *value)
{
    g_autofree char *shown = json_value_describe(value);

    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: %s is not an integer in its range", name, shown);
    return FALSE;
}

static gboolean read_range(const JsonValue *object, const char *name, gint64 max, gint64 *ret, GError **error)
{
    const JsonValue *value = json_value_member(object, name);

    if (value == NULL)
        return refuse(error, name, "it is missing");
    if (value->kind != JSON_INTEGER || value->integer < 1 || value->integer > max)
        return refuse_value(error, name, value);
    *ret = value->integer;
    return TRUE;
}

/* A register of 64 bits. */
static gboolean read_ticks(const JsonValue *object, const char *name, TbTicks *ret, GError **error)
{
    const JsonValue *value = json_value_member(object, name);

    if (value == NULL)
        return refuse(error, name, "it is missing");
    if (value->kind != JSON_UNSIGNED && (value->kind != JSON_INTEGER || value->integer < 0))
        return refuse_value(error, name, value);
    *ret = tb_ticks(value->kind == JSON_UNSIGNED ? value->big : (guint64)value->integer);
    return TRUE;
}

static gboolean read_tod_pair(const JsonValue *object, const char *name, TodNs *first, TodNs *second, GError **error)
{
    const JsonValue *pair = json_value_member(object, name);
    const JsonValue *a = pair != NULL && pair->kind == JSON_ARRAY ? pair->first : NULL;
    const JsonValue *b = a != NULL ? a->next : NULL;

    if (b == NULL || b->next != NULL)
        return refuse(error, name, "an array of two integers is wanted");
    if (a->kind != JSON_INTEGER || b->kind != JSON_INTEGER)
        return refuse_value(error, name, a->kind != JSON_INTEGER ? a : b);
    *first = tod_ns(a->integer);
    *second = tod_ns(b->integer);
    return TRUE;
}

static gboolean read_exchange(const JsonValue *object, Exchange *x, GError **error)
{
    if (!read_ticks(object, "l1", &x->l1, error) || !read_ticks(object, "r2", &x->r2, error) ||
        !read_ticks(object, "r3", &x->r3, error) || !read_ticks(object, "l4", &x->l4, error))
        return FALSE;
    x->has_tod = json_value_member(object, "tod_l_ns") != NULL || json_value_member(object, "tod_r_ns") != NULL;
    if (!x->has_tod)
        return TRUE;
    return read_tod_pair(object, "tod_l_ns", &x->tod_l1, &x->tod_l4, error) &&
           read_tod_pair(object, "tod_r_ns", &x->tod_r2, &x->tod_r3, error);
}

static gboolean start(Replay *replay, const JsonValue *object, GError **error)
{
    RelationParams params;
    gint64 hz, drift_ppb = 0;
    const JsonValue *drift = json_value_member(object, "drift_ppb");

    /* 0 is a drift, and missing is none */
    if (drift == NULL || drift->kind != JSON_INTEGER || drift->integer != 0)
        if (!read_range(object, "drift_ppb", DRIFT_MAX, &drift_ppb, error))
            return FALSE;
    if (!read_range(object, "timebase_hz", HZ_MAX, &hz, error))
        return FALSE;
    params = (RelationParams){ .timebase_hz = (guint64)hz, .drift_ppb = (guint32)drift_ppb };
    relation_init(&replay->relation, &params);
    replay->started = TRUE;
    return TRUE;
}

/* ---- writing ---- */

static void print_bound(const char *name, gint64 value, gint64 unbounded)
{
    if (value == unbounded)
        printf("\"%s\":null,", name);
    else
        printf("\"%s\":%" G_GINT64_FORMAT ",", name, value);
}

static void print_bounds(const RelationBounds *bounds)
{
    printf("{");
    print_bound("tb_lo", bounds->tb_ticks.lo, INT64_MIN);
    print_bound("tb_hi", bounds->tb_ticks.hi, INT64_MAX);
    if (interval_is_bounded(bounds->tod_ns)) {
        print_bound("tod_lo_ns", bounds->tod_ns.lo, INT64_MIN);
        print_bound("tod_hi_ns", bounds->tod_ns.hi, INT64_MAX);
    }
    printf("\"state\":\"%s\"}\n", relation_state_name(bounds->state));
}

static void print_error(Replay *replay, const CtlLine *line, const GError *error)
{
    g_autofree char *message = g_strdup_printf("line %" G_GUINT64_FORMAT ": %s", line->number, error->message);
    g_autofree char *valid = g_utf8_make_valid(message, -1);
    g_autoptr(GString) text = g_string_new(NULL);

    json_append_string(text, valid);
    printf("{\"line\":%" G_GUINT64_FORMAT ",\"error\":%s}\n", line->number, text->str);
    replay->broken = TRUE;
}

/* ---- all lines ---- */

static const JsonValue *parse_line(Replay *replay, const CtlLine *line, GError **error)
{
    if (!line->too_long)
        return json_tree_parse_object(replay->tree, line->text, line->length, error);
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "it is longer than %" G_GSIZE_FORMAT " bytes", CTL_LINE_MAX);
    return NULL;
}

/* FALSE: the first line is wrong, and without it nothing can be computed. */
static gboolean replay_line(Replay *replay, const CtlLine *line, GError **error)
{
    g_autoptr(GError) line_error = NULL;
    const JsonValue *object;
    Exchange x = { 0 };

    if (!replay->started && !line->too_long && ctl_replay_is_record(line->text, line->length)) {
        replay->record_exit = ctl_replay_record(replay->ctl, line->text);
        replay->is_record = TRUE;
        return TRUE;
    }
    object = parse_line(replay, line, &line_error);

    if (!replay->started) {
        if (object != NULL && start(replay, object, &line_error))
            return TRUE;
        g_propagate_prefixed_error(error, g_steal_pointer(&line_error), "line %" G_GUINT64_FORMAT ": ", line->number);
        return FALSE;
    }
    if (object == NULL || !read_exchange(object, &x, &line_error)) {
        print_error(replay, line, line_error);
        return TRUE;
    }
    relation_add(&replay->relation, &x);
    RelationBounds bounds = relation_at(&replay->relation, x.l4);
    print_bounds(&bounds);
    return TRUE;
}

static gboolean replay_lines(Replay *replay, CtlLines *lines, GError **error)
{
    CtlLine line;
    CtlLinesState state;

    while ((state = ctl_lines_next(lines, &line, error)) == CTL_LINES_LINE) {
        if (!ctl_line_is_blank(&line) && !replay_line(replay, &line, error))
            return FALSE;
        if (replay->is_record)
            return TRUE;
        ctl_progress_count(&replay->ctl->progress, line.number, "exchanges read");
        if (ferror(stdout)) {
            g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "stdout cannot be written: %s", g_strerror(errno));
            return FALSE;
        }
    }
    if (state == CTL_LINES_END && !replay->started)
        return refuse(error, "line 1", "the line with timebase_hz and drift_ppb is missing");
    return state == CTL_LINES_END;
}

static int replay_id(Ctl *ctl, const char *id)
{
    CtlCall call = { .method = "GetMigration", .reply_type = "(s)" };
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = ctl_bus_call(ctl, &call, g_variant_new("(s)", id), &error);
    const char *text;

    if (reply == NULL)
        return ctl_fail(ctl, error);
    g_variant_get(reply, "(&s)", &text);
    return ctl_replay_record(ctl, text);
}

/* As the ledger makes them, "20261121T040327.193098Z-a0521827-17", or made them, without the last number. */
static gboolean is_id(const char *argument)
{
    return g_regex_match_simple("^[0-9]{8}T[0-9]{6}\\.[0-9]{6}Z-[0-9a-f]{8}(-[0-9]+)?$", argument, 0, 0);
}

static void add_hint(GError **error, const char *hint)
{
    g_autoptr(GError) plain = g_steal_pointer(error);

    g_set_error(error, plain->domain, plain->code, "%s; %s", plain->message, hint);
}

int ctl_replay(Ctl *ctl, int argc, char **argv)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    g_autoptr(GError) error = NULL;
    Replay replay = { .tree = tree, .ctl = ctl };
    int exit_code;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 0, 1 }, &exit_code))
        return exit_code;
    if (argc > 1 && is_id(argv[1]) && !g_file_test(argv[1], G_FILE_TEST_EXISTS))
        return replay_id(ctl, argv[1]);
    g_autoptr(CtlLines) lines = ctl_lines_open(argc > 1 ? argv[1] : NULL, &error);
    if (lines == NULL && strchr(argv[1], '/') == NULL)
        add_hint(&error, "a migration is named by its ID, list them with: tbsyncctl history");
    ctl_progress_begin(&ctl->progress, "");
    gboolean done = lines != NULL && replay_lines(&replay, lines, &error);
    ctl_progress_end(&ctl->progress);
    if (!done) {
        ctl_fail(ctl, error);
        return REPLAY_EXIT_ERROR;
    }
    if (replay.is_record)
        return replay.record_exit;
    return replay.broken ? REPLAY_EXIT_BROKEN : REPLAY_EXIT_OK;
}
