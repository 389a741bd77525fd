/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

#include "ctl-format.h"
#include "ctl-manager.h"
#include "ctl-peer.h"
#include "ctl-record.h"
#include "ctl-verbs.h"
#include "units-text.h"

#define RECORDS_WATCHED 50

const char ctl_monitor_help[] =
    "Shows what changes, as it happens: links and clock relations of peers, hook and libvirt of this host, migrations that come here and\n"
    "what becomes of them. It asks tbsyncd every second (--interval), and goes on until it is interrupted or has asked --count times. With\n"
    "--json one object a line.\n";

typedef struct Monitor {
    Ctl *ctl;
    GHashTable *seen; /* what is watched -> its state, as last shown */
} Monitor;

/* kind: "peer", "migration", "host". what: of that kind, the key. state: compared with what was shown last. text: shown with it. */
typedef struct Change {
    const char *kind, *what, *state, *text;
} Change;

static void print_change(const Ctl *ctl, const Change *change)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%H:%M:%S");

    if (ctl->json) {
        g_autoptr(JsonBuilder) builder = json_builder_new();
        g_autoptr(JsonNode) root = NULL;
        g_autofree char *line = NULL;

        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "kind");
        json_builder_add_string_value(builder, change->kind);
        json_builder_set_member_name(builder, "name");
        json_builder_add_string_value(builder, change->what);
        json_builder_set_member_name(builder, "state");
        json_builder_add_string_value(builder, change->state);
        json_builder_set_member_name(builder, "text");
        json_builder_add_string_value(builder, change->text);
        json_builder_end_object(builder);
        root = json_builder_get_root(builder);
        line = json_to_string(root, FALSE);
        printf("%s\n", line);
    } else {
        printf("%s  %s ", time, change->kind);
        ctl_print(ctl, CTL_HEAD, change->what);
        printf(": ");
        ctl_print(ctl, CTL_PLAIN, change->state);
        printf("%s", *change->text != '\0' ? ", " : "");
        ctl_print(ctl, CTL_PLAIN, change->text);
        printf("\n");
    }
    fflush(stdout);
}

static void note(Monitor *monitor, const Change *change)
{
    g_autofree char *key = g_strdup_printf("%s %s", change->kind, change->what);

    if (g_strcmp0(g_hash_table_lookup(monitor->seen, key), change->state) == 0)
        return;
    print_change(monitor->ctl, change);
    g_hash_table_insert(monitor->seen, g_steal_pointer(&key), g_strdup(change->state));
}

static void note_peer(Monitor *monitor, const CtlPeer *peer, guint64 own_hz)
{
    Interval ns = ctl_peer_timebase_ns(peer, own_hz);
    g_autofree char *width = interval_is_bounded(ns) ? ns_to_text(interval_width(ns)) : NULL;
    g_autofree char *state = g_strdup_printf("%s, relation %s", peer->state, peer->relation_state);
    g_autofree char *text = *peer->error != '\0' ? g_strdup(peer->error)
                            : width != NULL      ? g_strdup_printf("timebase known to %s", width)
                                                 : g_strdup("");

    note(monitor, &(Change){ "peer", peer->name, state, text });
}

static void note_record(Monitor *monitor, JsonObject *record)
{
    g_autofree char *state = g_strdup_printf("%s, %s", g_str_equal(ctl_json_string(record, "decision"), "allow") ? "allowed" : "refused",
                                             ctl_json_string(record, "state"));
    g_autofree char *text = g_strdup_printf("guest %s from %s", ctl_json_string(record, "name"),
                                            *ctl_json_string(record, "source") != '\0' ? ctl_json_string(record, "source") : "an unknown host");

    note(monitor, &(Change){ "migration", ctl_json_string(record, "id"), state, text });
}

static gboolean look(Monitor *monitor, GError **error)
{
    g_autoptr(CtlManager) manager = ctl_manager_load(monitor->ctl, error);
    g_autoptr(GPtrArray) peers = manager != NULL ? ctl_peers_load(monitor->ctl, error) : NULL;
    g_autoptr(GPtrArray) records = peers != NULL ? ctl_records_load(monitor->ctl, RECORDS_WATCHED, error) : NULL;

    if (records == NULL)
        return FALSE;
    note(monitor, &(Change){ "host", "hook", manager->hook_state, "" });
    note(monitor, &(Change){ "host", "libvirt", manager->libvirt_state, manager->libvirt_error });
    for (guint i = 0; i < peers->len; i++)
        note_peer(monitor, peers->pdata[i], ctl_manager_timebase_hz(manager));
    for (guint i = records->len; i-- > 0;) /* oldest first */
        note_record(monitor, json_node_get_object(records->pdata[i]));
    return TRUE;
}

int ctl_monitor(Ctl *ctl, int argc, char **argv)
{
    double interval_s = 1;
    int count = 0;
    const GOptionEntry options[] = {
        { "interval", 'i', 0, G_OPTION_ARG_DOUBLE, &interval_s, "Ask so often (default: 1)", "SECONDS" },
        { "count", 'n', 0, G_OPTION_ARG_INT, &count, "End after so many times (default: 0, never)", "N" },
        { NULL },
    };
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    Monitor monitor = { ctl, seen };
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, options, &(CtlArguments){ &argc, &argv, 0, 0 }, &exit_code))
        return exit_code;
    if (!(interval_s >= 0.01 && interval_s <= 3600))
        return ctl_fail_usage(ctl, "--interval: %g is not within 0.01 and 3600 seconds", interval_s);
    if (count < 0)
        return ctl_fail_usage(ctl, "--count: %d is negative", count);
    for (int i = 0; count == 0 || i < count; i++) {
        g_autoptr(GError) error = NULL;

        if (i > 0)
            g_usleep((gulong)(interval_s * G_USEC_PER_SEC));
        if (!look(&monitor, &error))
            return ctl_fail(ctl, error);
        if (ferror(stdout))
            return CTL_EXIT_ERROR;
    }
    return CTL_EXIT_OK;
}
