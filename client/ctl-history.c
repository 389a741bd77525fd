/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-bus.h"
#include "ctl-format.h"
#include "ctl-record.h"
#include "ctl-verbs.h"

#define LIMIT_DEFAULT 20
#define NAME_WIDTH    11 /* of "destination" */

const char ctl_history_help[] =
    "Shows the migrations that came to this host, newest first, with the verdict and what became of them. FINDING is the most severe one;\n"
    "`tbsyncctl show ID` has all of a migration, `tbsyncctl explain CODE` what a finding means.\n";

const char ctl_show_help[] =
    "Shows one migration: verdict with findings, plan, and the audit of what really happened. With --json the whole record, from which\n"
    "relation, verdict and plan can be computed again.\n"
    "\n"
    "Exits 4 if there is no such record.\n";

/* ---- history ---- */

static void print_history_json(const GPtrArray *records)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_array(builder);
    for (guint i = 0; i < records->len; i++)
        json_builder_add_value(builder, json_node_ref(records->pdata[i]));
    json_builder_end_array(builder);
    ctl_print_json(builder);
}

static void print_history(const Ctl *ctl, const GPtrArray *records)
{
    g_autoptr(CtlPager) pager = ctl_pager_open(ctl);

    if (records->len > 0)
        ctl_records_print(ctl, records);
    else
        printf("No migration came here yet.\n");
}

int ctl_history(Ctl *ctl, int argc, char **argv)
{
    int limit = LIMIT_DEFAULT;
    const GOptionEntry options[] = {
        { "limit", 'n', 0, G_OPTION_ARG_INT, &limit, "How many at most; 0: all (default: 20)", "N" },
        { NULL },
    };
    g_autoptr(GPtrArray) records = NULL;
    g_autoptr(GError) error = NULL;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, options, &(CtlArguments){ &argc, &argv, 0, 0 }, &exit_code))
        return exit_code;
    if (limit < 0)
        return ctl_fail_usage(ctl, "--limit: %d is negative", limit);
    records = ctl_records_load(ctl, (guint)limit, &error);
    if (records == NULL)
        return ctl_fail(ctl, error);
    if (ctl->json)
        print_history_json(records);
    else
        print_history(ctl, records);
    return CTL_EXIT_OK;
}

/* ---- show ---- */

static void print_member(const Ctl *ctl, JsonObject *record, const char *name)
{
    const char *value = ctl_json_string(record, name);

    if (*value != '\0')
        ctl_print_field(ctl, NAME_WIDTH, name, value);
}

static void print_time(const Ctl *ctl, JsonObject *record)
{
    gint64 decided_ns = 0;
    g_autofree char *time = NULL;

    if (!ctl_json_int(record, "decided_real_ns", &decided_ns))
        return;
    time = ctl_time_text(decided_ns);
    ctl_print_field(ctl, NAME_WIDTH, "time", time);
}

/* Figures are named with their units; nested objects are left to --json. */
static void print_figure(JsonObject *object, const char *name, JsonNode *node, void *data)
{
    const Ctl *ctl = data;
    g_autofree char *text = NULL;

    if (!JSON_NODE_HOLDS_VALUE(node))
        return;
    text = json_node_get_value_type(node) == G_TYPE_STRING ? json_node_dup_string(node) : json_to_string(node, FALSE);
    printf("  ");
    ctl_print_field(ctl, 0, name, text);
}

static void print_record(const Ctl *ctl, JsonObject *record)
{
    JsonNode *audit = json_object_get_member(record, "audit");
    gint64 timebase_hz = 0;

    print_member(ctl, record, "id");
    print_time(ctl, record);
    print_member(ctl, record, "name");
    print_member(ctl, record, "uuid");
    print_member(ctl, record, "source");
    print_member(ctl, record, "destination");
    print_member(ctl, record, "state");
    ctl_json_int(record, "timebase_hz", &timebase_hz);
    printf("%*s", NAME_WIDTH + 2 - (int)sizeof "verdict" + 1, "");
    ctl_print(ctl, CTL_HEAD, "verdict");
    printf(": ");
    ctl_verdict_print(ctl, record, timebase_hz > 0 ? (guint64)timebase_hz : 0);
    if (audit != NULL && JSON_NODE_HOLDS_OBJECT(audit)) {
        printf("  audit:\n");
        json_object_foreach_member(json_node_get_object(audit), print_figure, (void *)ctl);
    }
}

int ctl_show(Ctl *ctl, int argc, char **argv)
{
    CtlCall call = { .method = "GetMigration", .reply_type = "(s)" };
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(JsonNode) record = NULL;
    g_autoptr(GError) error = NULL;
    const char *text;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 1, 1 }, &exit_code))
        return exit_code;
    reply = ctl_bus_call(ctl, &call, g_variant_new("(s)", argv[1]), &error);
    if (reply == NULL)
        return ctl_fail(ctl, error);
    g_variant_get(reply, "(&s)", &text);
    record = ctl_record_parse(text, &error);
    if (record == NULL)
        return ctl_fail(ctl, error);
    if (ctl->json) {
        printf("%s\n", text);
    } else {
        g_autoptr(CtlPager) pager = ctl_pager_open(ctl);

        print_record(ctl, json_node_get_object(record));
    }
    return CTL_EXIT_OK;
}
