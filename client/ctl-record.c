/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-record.h"

#include <stdio.h>

#include "ctl-bus.h"
#include "ctl-format.h"
#include "error.h"
#include "units-text.h"
#include "units.h"

#define LIST_DEADLINE_MS 10000

/* ---- reading ---- */

const char *ctl_json_string(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node != NULL && json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : "";
}

gboolean ctl_json_int(JsonObject *object, const char *name, gint64 *ret)
{
    JsonNode *node = json_object_get_member(object, name);

    if (node == NULL || json_node_get_value_type(node) != G_TYPE_INT64)
        return FALSE;
    *ret = json_node_get_int(node);
    return TRUE;
}

static JsonObject *json_member_object(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonNode *ctl_record_parse(const char *text, GError **error)
{
    g_autoptr(JsonNode) node = json_from_string(text, NULL);

    if (node != NULL && JSON_NODE_HOLDS_OBJECT(node))
        return g_steal_pointer(&node);
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_VERSION,
                "tbsyncd sent a record that is no JSON object; tool and daemon must be of one version: tbsyncctl --version");
    return NULL;
}

GPtrArray *ctl_records_load(Ctl *ctl, guint limit, GError **error)
{
    CtlCall call = { .method = "ListMigrations", .reply_type = "(as)", .deadline_ms = LIST_DEADLINE_MS };
    g_autoptr(GVariant) reply = ctl_bus_call(ctl, &call, g_variant_new("(u)", limit), error);
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)json_node_unref);
    g_autofree const char **texts = NULL;

    if (reply == NULL)
        return NULL;
    g_variant_get(reply, "(^a&s)", &texts);
    for (gsize i = 0; texts[i] != NULL; i++) {
        JsonNode *record = ctl_record_parse(texts[i], error);

        if (record == NULL)
            return NULL;
        g_ptr_array_add(records, record);
    }
    return g_steal_pointer(&records);
}

/* ---- text ---- */

char *ctl_time_text(gint64 real_ns)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(real_ns / NS_PER_S);

    return time != NULL ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("unknown");
}

static CtlStyle decision_style(const char *decision)
{
    return g_str_equal(decision, "allow") ? CTL_GOOD : g_str_equal(decision, "block") ? CTL_BAD : CTL_DIM;
}

static const char *decision_word(const char *decision)
{
    return g_str_equal(decision, "allow") ? "allowed" : g_str_equal(decision, "block") ? "refused" : "unknown";
}

/* The most severe finding comes first. */
static const char *first_code(JsonObject *record)
{
    JsonNode *node = json_object_get_member(record, "findings");
    JsonArray *findings = node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    if (findings == NULL || json_array_get_length(findings) == 0)
        return "-";
    node = json_array_get_element(findings, 0);
    return JSON_NODE_HOLDS_OBJECT(node) ? ctl_json_string(json_node_get_object(node), "code") : "-";
}

static void add_text(CtlTable *table, const char *text)
{
    ctl_table_add(table, *text != '\0' ? CTL_PLAIN : CTL_DIM, *text != '\0' ? text : "unknown");
}

void ctl_records_print(const Ctl *ctl, const GPtrArray *records)
{
    static const char *const heads[] = { "TIME", "GUEST", "FROM", "TO", "VERDICT", "STATE", "FINDING", "ID", NULL };
    g_autoptr(CtlTable) table = ctl_table_new(ctl, heads);

    for (guint i = 0; i < records->len; i++) {
        JsonObject *record = json_node_get_object(records->pdata[i]);
        const char *decision = ctl_json_string(record, "decision");
        gint64 decided_ns = 0;
        g_autofree char *time = NULL;

        ctl_json_int(record, "decided_real_ns", &decided_ns);
        time = ctl_time_text(decided_ns);
        add_text(table, time);
        add_text(table, ctl_json_string(record, "name"));
        add_text(table, ctl_json_string(record, "source"));
        add_text(table, ctl_json_string(record, "destination"));
        ctl_table_add(table, decision_style(decision), decision_word(decision));
        add_text(table, ctl_json_string(record, "state"));
        add_text(table, first_code(record));
        add_text(table, ctl_json_string(record, "id"));
    }
    ctl_table_print(table);
}

/* ---- verdict ---- */

static CtlStyle severity_style(const char *severity)
{
    return g_str_equal(severity, "block") ? CTL_BAD : g_str_equal(severity, "warn") ? CTL_WARN : CTL_DIM;
}

static void print_finding(JsonArray *array, guint index, JsonNode *node, void *data)
{
    const Ctl *ctl = data;
    JsonObject *finding;
    const char *advice;

    if (!JSON_NODE_HOLDS_OBJECT(node))
        return;
    finding = json_node_get_object(node);
    advice = ctl_json_string(finding, "advice");
    printf("  ");
    ctl_print(ctl, severity_style(ctl_json_string(finding, "severity")), ctl_json_string(finding, "severity"));
    printf(" ");
    ctl_print(ctl, CTL_HEAD, ctl_json_string(finding, "code"));
    printf(": ");
    ctl_print(ctl, CTL_PLAIN, ctl_json_string(finding, "text"));
    printf("\n");
    if (*advice == '\0')
        return;
    printf("    fix: ");
    ctl_print(ctl, CTL_PLAIN, advice);
    printf("\n");
}

/* "16777216 ticks (32.768 ms)" */
static char *ticks_text(gint64 ticks, guint64 hz)
{
    g_autofree char *time = NULL;

    if (hz == 0 || hz > G_MAXINT64)
        return g_strdup_printf("%" G_GINT64_FORMAT " ticks", ticks);
    time = ns_to_text(ticks_to_ns_floor(ticks, hz));
    return g_strdup_printf("%" G_GINT64_FORMAT " ticks (%s)", ticks, time);
}

static void print_plan(JsonObject *plan, guint64 hz)
{
    gint64 offset = 0, offset_hi = 0, nearest = 0, lo = 0, hi = 0;
    g_autofree char *lo_text = NULL;
    g_autofree char *hi_text = NULL;

    if (!ctl_json_int(plan, "offset_ticks", &offset))
        return;
    printf("  plan: smallest safe timebase offset %" G_GINT64_FORMAT " ticks", offset);
    if (ctl_json_int(plan, "offset_hi_ticks", &offset_hi) && offset_hi != offset)
        printf(" or %" G_GINT64_FORMAT " ticks", offset_hi);
    if (ctl_json_int(plan, "nearest_ticks", &nearest) && nearest != offset)
        printf(", nearest to real time %" G_GINT64_FORMAT " ticks", nearest);
    printf("\n");
    if (!ctl_json_int(plan, "jump_lo_ticks", &lo) || !ctl_json_int(plan, "jump_hi_ticks", &hi))
        return;
    lo_text = ticks_text(lo, hz);
    hi_text = ticks_text(hi, hz);
    printf("  the guest's timebase jumps forward by %s to %s\n", lo_text, hi_text);
}

void ctl_verdict_print(const Ctl *ctl, JsonObject *object, guint64 timebase_hz)
{
    const char *decision = ctl_json_string(object, "decision");
    JsonNode *findings = json_object_get_member(object, "findings");
    JsonObject *plan = json_member_object(object, "plan");

    ctl_print(ctl, decision_style(decision), decision_word(decision));
    printf("\n");
    if (findings != NULL && JSON_NODE_HOLDS_ARRAY(findings))
        json_array_foreach_element(json_node_get_array(findings), print_finding, (void *)ctl);
    if (plan != NULL)
        print_plan(plan, timebase_hz);
}
