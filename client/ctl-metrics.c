/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

#include "ctl-manager.h"
#include "ctl-peer.h"
#include "ctl-record.h"
#include "ctl-verbs.h"
#include "error.h"
#include "units.h"

const char ctl_metrics_help[] =
    "What a monitoring system should know, as OpenMetrics text: links and clock relations, migrations that are on record, hook and\n"
    "libvirt. With --output the file is replaced as a whole, for the textfile collector of the node exporter; tbsyncd-metrics.timer does\n"
    "that every minute. If tbsyncd does not answer the text says tbsyncd_up 0, and tbsyncctl exits 1. With --json the same samples as\n"
    "an array of name, labels, value.\n";

/* ---- samples ---- */

typedef struct Metrics {
    GString *text;
    JsonBuilder *samples; /* the same as an array that is open */
} Metrics;

/* Label values: OpenMetrics escapes backslash, quote and line end. */
static void append_label(GString *out, const char *name, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);

    g_string_append_printf(out, "%s=\"", name);
    for (const char *at = valid; *at != '\0'; at++) {
        if (*at == '\\' || *at == '"')
            g_string_append_c(out, '\\');
        if (*at == '\n')
            g_string_append(out, "\\n");
        else
            g_string_append_c(out, *at);
    }
    g_string_append_c(out, '"');
}

/* A family; all are gauges: what is counted here may shrink when old records are dropped. The unit ends the name. */
static void begin_family(Metrics *out, const char *name, const char *help)
{
    g_string_append_printf(out->text, "# TYPE %s gauge\n", name);
    if (g_str_has_suffix(name, "_seconds"))
        g_string_append_printf(out->text, "# UNIT %s seconds\n", name);
    g_string_append_printf(out->text, "# HELP %s %s\n", name, help);
}

static void build_sample(JsonBuilder *builder, const char *name, const char *const *labels, const char *value)
{
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "name");
    json_builder_add_string_value(builder, name);
    json_builder_set_member_name(builder, "labels");
    json_builder_begin_object(builder);
    for (guint i = 0; labels[i] != NULL; i += 2) {
        g_autofree char *valid = g_utf8_make_valid(labels[i + 1], -1);

        json_builder_set_member_name(builder, labels[i]);
        json_builder_add_string_value(builder, valid);
    }
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "value");
    if (strchr(value, '.') != NULL)
        json_builder_add_double_value(builder, g_ascii_strtod(value, NULL));
    else
        json_builder_add_int_value(builder, g_ascii_strtoll(value, NULL, 10));
    json_builder_end_object(builder);
}

/* labels: name, value, ..., NULL */
static void append_sample(Metrics *out, const char *name, const char *const *labels, const char *value)
{
    g_string_append(out->text, name);
    for (guint i = 0; labels[i] != NULL; i += 2) {
        g_string_append_c(out->text, i == 0 ? '{' : ',');
        append_label(out->text, labels[i], labels[i + 1]);
    }
    g_string_append_printf(out->text, "%s %s\n", labels[0] != NULL ? "}" : "", value);
    build_sample(out->samples, name, labels, value);
}

#define LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void append_flag(Metrics *out, const char *name, const char *help, gboolean value)
{
    begin_family(out, name, help);
    append_sample(out, name, LABELS(NULL), value ? "1" : "0");
}

/* Nanoseconds as seconds, exactly. */
static char *seconds_text(guint64 ns)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%09" G_GUINT64_FORMAT, ns / NS_PER_S, ns % NS_PER_S);
}

/* One of several words is 1, the others 0. */
static void append_states(Metrics *out, const char *name, const char *const *labels, const char *const *words)
{
    const char *state = labels[0], *peer = labels[1];

    for (; *words != NULL; words++) {
        const char *value = g_str_equal(*words, state) ? "1" : "0";

        if (peer != NULL)
            append_sample(out, name, LABELS("peer", peer, "state", *words), value);
        else
            append_sample(out, name, LABELS("state", *words), value);
    }
}

/* ---- host ---- */

static void append_host(Metrics *out, const CtlManager *manager)
{
    static const char *const hook_states[] = { "active", "missing", "not-executable", "unused", "unknown", NULL };

    begin_family(out, "tbsyncd_build_info", "Version of tbsyncd; always 1.");
    append_sample(out, "tbsyncd_build_info", LABELS("version", manager->version), "1");
    append_flag(out, "tbsyncd_simulated", "Whether this host's facts or timebase are made up.", manager->host.simulated);
    append_flag(out, "tbsyncd_libvirt_up", "Whether tbsyncd is connected to libvirt.", g_str_equal(manager->libvirt_state, "up"));
    append_flag(out, "tbsyncd_timing_events", "Whether stamps of QEMU's stops and starts are received.", manager->timing_events);
    begin_family(out, "tbsyncd_hook_state", "Whether libvirt calls the hook; 1 for the state it is in.");
    append_states(out, "tbsyncd_hook_state", LABELS(manager->hook_state, NULL), hook_states);
}

/* ---- peers ---- */

static void append_width(Metrics *out, const char *name, const CtlPeer *peer, guint64 width_ns)
{
    g_autofree char *text = seconds_text(width_ns);

    append_sample(out, name, LABELS("peer", peer->name), text);
}

static void append_widths(Metrics *out, const GPtrArray *peers, guint64 own_hz)
{
    static const char tb[] = "tbsyncd_relation_timebase_width_seconds", tod[] = "tbsyncd_relation_tod_width_seconds";

    begin_family(out, tb, "Width of the bounds on the peer's timebase minus this host's; absent: unknown.");
    for (guint i = 0; i < peers->len; i++) {
        const CtlPeer *peer = peers->pdata[i];
        Interval ns = ctl_peer_timebase_ns(peer, own_hz);

        if (interval_is_bounded(ns))
            append_width(out, tb, peer, (guint64)interval_width(ns));
    }
    begin_family(out, tod, "Width of the bounds on the peer's time of day minus this host's; absent: unknown.");
    for (guint i = 0; i < peers->len; i++) {
        const CtlPeer *peer = peers->pdata[i];

        if (interval_is_bounded(peer->tod_ns))
            append_width(out, tod, peer, (guint64)interval_width(peer->tod_ns));
    }
}

static void append_peers(Metrics *out, const GPtrArray *peers, guint64 own_hz)
{
    static const char *const link_states[] = { "idle", "dialling", "hello", "linked", "refused", NULL };
    static const char *const relation_states[] = { "none", "ok", "stepped", "invalid", NULL };
    static const char age[] = "tbsyncd_relation_age_seconds";

    begin_family(out, "tbsyncd_peer_state", "Link to the peer; 1 for the state it is in.");
    for (guint i = 0; i < peers->len; i++) {
        const CtlPeer *peer = peers->pdata[i];
        append_states(out, "tbsyncd_peer_state", LABELS(peer->state, peer->name), link_states);
    }
    begin_family(out, "tbsyncd_relation_state", "Clock relation with the peer; 1 for the state it is in.");
    for (guint i = 0; i < peers->len; i++) {
        const CtlPeer *peer = peers->pdata[i];
        append_states(out, "tbsyncd_relation_state", LABELS(peer->relation_state, peer->name), relation_states);
    }
    append_widths(out, peers, own_hz);
    begin_family(out, age, "Since the newest exchange with the peer; absent: there was none.");
    for (guint i = 0; i < peers->len; i++) {
        const CtlPeer *peer = peers->pdata[i];
        if (peer->age_ns >= 0)
            append_width(out, age, peer, (guint64)peer->age_ns);
    }
}

/* ---- migrations ---- */

static int compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void append_migrations(Metrics *out, const GPtrArray *records)
{
    g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree const char **keys = NULL;
    guint n = 0;

    for (guint i = 0; i < records->len; i++) {
        JsonObject *record = json_node_get_object(records->pdata[i]);
        char *key = g_strdup_printf("%s\n%s", ctl_json_string(record, "decision"), ctl_json_string(record, "state"));

        g_hash_table_insert(counts, key, GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(counts, key)) + 1));
    }
    begin_family(out, "tbsyncd_migrations", "Migrations to this host that are on record.");
    keys = (const char **)g_hash_table_get_keys_as_array(counts, &n);
    qsort(keys, n, sizeof *keys, compare_strings);
    for (guint i = 0; i < n; i++) {
        g_auto(GStrv) parts = g_strsplit(keys[i], "\n", 2);
        g_autofree char *count = g_strdup_printf("%u", GPOINTER_TO_UINT(g_hash_table_lookup(counts, keys[i])));

        append_sample(out, "tbsyncd_migrations", LABELS("decision", parts[0], "state", parts[1]), count);
    }
}

/* ---- verb ---- */

static gboolean append_all(Ctl *ctl, Metrics *out, GError **error)
{
    g_autoptr(CtlManager) manager = ctl_manager_load(ctl, error);
    g_autoptr(GPtrArray) peers = manager != NULL ? ctl_peers_load(ctl, error) : NULL;
    g_autoptr(GPtrArray) records = peers != NULL ? ctl_records_load(ctl, 0, error) : NULL;

    append_flag(out, "tbsyncd_up", "Whether tbsyncd answers.", records != NULL);
    if (records != NULL) {
        append_host(out, manager);
        append_peers(out, peers, ctl_manager_timebase_hz(manager));
        append_migrations(out, records);
    }
    g_string_append(out->text, "# EOF\n");
    return records != NULL;
}

/* (transfer full) */
static char *samples_to_text(JsonBuilder *builder)
{
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;

    json_builder_end_array(builder);
    root = json_builder_get_root(builder);
    text = json_to_string(root, FALSE);
    return g_strconcat(text, "\n", NULL);
}

int ctl_metrics(Ctl *ctl, int argc, char **argv)
{
    g_autofree char *path = NULL, *json = NULL;
    const GOptionEntry options[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Replace FILE instead of printing", "FILE" },
        { NULL },
    };
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(JsonBuilder) samples = json_builder_new();
    g_autoptr(GError) daemon_error = NULL, error = NULL;
    Metrics out = { text, samples };
    const char *printed;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, options, &(CtlArguments){ &argc, &argv, 0, 0 }, &exit_code))
        return exit_code;
    json_builder_begin_array(samples);
    append_all(ctl, &out, &daemon_error);
    json = samples_to_text(samples);
    printed = ctl->json ? json : text->str;
    if (path == NULL)
        fputs(printed, stdout);
    else if (!g_file_set_contents_full(path, printed, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error)) {
        g_prefix_error(&error, "--output %s: ", path);
        return ctl_fail(ctl, error);
    }
    if (daemon_error == NULL)
        return CTL_EXIT_OK;
    ctl_fail(ctl, daemon_error);
    return CTL_EXIT_ERROR;
}
