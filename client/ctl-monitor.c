/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

#include "ctl-bus.h"
#include "ctl-format.h"
#include "ctl-peer.h"
#include "ctl-verbs.h"
#include "ctl-watch.h"
#include "units-text.h"

const char ctl_monitor_help[] =
    "Shows what is so now, then each change as it happens: links and clock relations of peers, hook and libvirt of this host, migrations\n"
    "that come here and what becomes of them. It goes on until it is interrupted, also while tbsyncd is restarted, or until there were\n"
    "--count changes. With --json one object a line: kind, name, state, text, and seen_real_ns, the time of day.\n";

typedef struct Monitor {
    Ctl *ctl;
    CtlWatch *watch;
    guint64 timebase_hz;
    GHashTable *objects; /* path -> its properties, a{sv} */
    GHashTable *seen;    /* what is watched -> its state, as last shown */
    guint shown;
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
        json_builder_set_member_name(builder, "seen_real_ns");
        json_builder_add_int_value(builder, g_get_real_time() * 1000);
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

static gboolean is_news(const Monitor *monitor, const char *kind, const char *what, const char *state)
{
    g_autofree char *key = g_strdup_printf("%s %s", kind, what);

    return g_strcmp0(g_hash_table_lookup(monitor->seen, key), state) != 0;
}

static void note(Monitor *monitor, const Change *change)
{
    if (!is_news(monitor, change->kind, change->what, change->state))
        return;
    print_change(monitor->ctl, change);
    monitor->shown++;
    g_hash_table_insert(monitor->seen, g_strdup_printf("%s %s", change->kind, change->what), g_strdup(change->state));
}

/* ---- what is shown of each kind ---- */

static const char *get_string(GVariant *properties, const char *name)
{
    const char *text = "";

    g_variant_lookup(properties, name, "&s", &text);
    return text;
}

static void note_manager(Monitor *monitor, GVariant *properties)
{
    if (*get_string(properties, "HookState") != '\0')
        note(monitor, &(Change){ "host", "hook", get_string(properties, "HookState"), "" });
    note(monitor,
         &(Change){ "host", "libvirt", get_string(properties, "LibvirtState"), get_string(properties, "LibvirtError") });
}

/* Bounds change all the time and are not signalled. (transfer full) */
static char *width_text(Monitor *monitor, const char *path)
{
    g_autoptr(GVariant) properties = ctl_bus_get_all(monitor->ctl, path, CTL_BUS_PEER, NULL);
    g_autoptr(CtlPeer) peer = properties != NULL ? ctl_peer_read(properties, NULL) : NULL;
    Interval ns = peer != NULL ? ctl_peer_timebase_ns(peer, monitor->timebase_hz) : INTERVAL_UNBOUNDED;
    g_autofree char *width = interval_is_bounded(ns) ? ns_to_text(interval_width(ns)) : NULL;

    return width != NULL ? g_strdup_printf("timebase known to %s", width) : g_strdup("");
}

static void note_peer(Monitor *monitor, const char *path, GVariant *properties)
{
    const char *name = get_string(properties, "Name"), *error = get_string(properties, "Error");
    const char *fault = get_string(properties, "RelationFault");
    gboolean faulty = *fault != '\0' && !g_str_equal(fault, "none");
    g_autofree char *state = g_strdup_printf("%s, relation %s%s%s", get_string(properties, "State"),
                                             get_string(properties, "RelationState"), faulty ? ", " : "", faulty ? fault : "");
    g_autofree char *text = NULL;

    if (!is_news(monitor, "peer", name, state))
        return;
    text = *error != '\0' ? g_strdup(error) : width_text(monitor, path);
    note(monitor, &(Change){ "peer", name, state, text });
}

static void note_migration(Monitor *monitor, const char *path, GVariant *properties)
{
    const char *source = get_string(properties, "Source");
    g_autoptr(GVariant) audit = g_variant_lookup_value(properties, "Audit", G_VARIANT_TYPE_VARDICT);
    gint64 lo_ns, hi_ns;
    gboolean measured = audit != NULL && g_variant_lookup(audit, "blackout_lo_ns", "x", &lo_ns) &&
                        g_variant_lookup(audit, "blackout_hi_ns", "x", &hi_ns);
    g_autofree char *lo = measured ? ns_to_text(lo_ns) : NULL, *hi = measured ? ns_to_text(hi_ns) : NULL;
    g_autofree char *dark = measured ? g_strdup_printf(", dark for %s to %s", lo, hi) : g_strdup("");
    gboolean allowed = g_str_equal(get_string(properties, "Decision"), "allow");
    g_autofree char *state = g_strdup_printf("%s%s%s", allowed ? "allowed, " : "", get_string(properties, "State"), dark);
    g_autofree char *text = g_strdup_printf("guest %s from %s", get_string(properties, "Guest"),
                                            *source != '\0' ? source : "an unknown host");

    note(monitor, &(Change){ "migration", get_string(properties, "Id"), state, text });
}

static void note_object(Monitor *monitor, const CtlEvent *event, GVariant *properties)
{
    if (g_str_equal(event->interface, CTL_BUS_MANAGER))
        note_manager(monitor, properties);
    else if (g_str_equal(event->interface, CTL_BUS_PEER))
        note_peer(monitor, event->path, properties);
    else if (g_str_equal(event->interface, CTL_BUS_MIGRATION))
        note_migration(monitor, event->path, properties);
}

/* ---- what is known of each object ---- */

/* `changed` on top of what is known. (transfer full) */
static GVariant *merge(GVariant *known, GVariant *changed)
{
    GVariantDict dict;
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_dict_init(&dict, known);
    g_variant_iter_init(&iter, changed);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value))
        g_variant_dict_insert_value(&dict, name, value);
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

static void take_properties(Monitor *monitor, const CtlEvent *event)
{
    GVariant *known = g_hash_table_lookup(monitor->objects, event->path), *now;

    if (known == NULL && event->kind == CTL_EVENT_CHANGED)
        return; /* of an object that has left meanwhile, or of one that is not watched */
    now = merge(event->kind == CTL_EVENT_ADDED ? NULL : known, event->properties);
    g_hash_table_insert(monitor->objects, g_strdup(event->path), now);
    note_object(monitor, event, now);
}

/* A migration that makes place for a newer one is over; a peer that leaves is news. */
static void take_removal(Monitor *monitor, const CtlEvent *event)
{
    GVariant *known = g_hash_table_lookup(monitor->objects, event->path);
    gboolean by_dns = known != NULL && g_str_equal(get_string(known, "Origin"), "dns");
    const char *why = by_dns ? "it is not found in DNS any more" : "it is not configured any more";

    if (known != NULL && g_str_equal(event->interface, CTL_BUS_PEER))
        note(monitor, &(Change){ "peer", get_string(known, "Name"), "removed", why });
    g_hash_table_remove(monitor->objects, event->path);
}

static int rank(const CtlEvent *event)
{
    return g_str_equal(event->interface, CTL_BUS_MANAGER) ? 0 : g_str_equal(event->interface, CTL_BUS_PEER) ? 1 : 2;
}

/* The manager, peers by name, migrations: their ids sort by time. */
static int compare_events(gconstpointer a, gconstpointer b)
{
    const CtlEvent *left = *(const CtlEvent *const *)a, *right = *(const CtlEvent *const *)b;

    return rank(left) != rank(right) ? rank(left) - rank(right) : strcmp(left->path, right->path);
}

static gboolean load(Monitor *monitor, GError **error)
{
    g_autoptr(GPtrArray) objects = ctl_watch_load(monitor->watch, error);
    g_autoptr(GVariant) host = NULL;

    if (objects == NULL)
        return FALSE;
    g_ptr_array_sort(objects, compare_events);
    host = g_variant_lookup_value(((const CtlEvent *)objects->pdata[0])->properties, "Host", G_VARIANT_TYPE_VARDICT);
    if (host != NULL)
        g_variant_lookup(host, "timebase_hz", "t", &monitor->timebase_hz);
    for (guint i = 0; i < objects->len; i++)
        take_properties(monitor, objects->pdata[i]);
    return TRUE;
}

static gboolean take_event(Monitor *monitor, const CtlEvent *event, GError **error)
{
    switch (event->kind) {
    case CTL_EVENT_ADDED:
    case CTL_EVENT_CHANGED:
        take_properties(monitor, event);
        break;
    case CTL_EVENT_REMOVED:
        take_removal(monitor, event);
        break;
    case CTL_EVENT_AWAY:
        note(monitor, &(Change){ "host", "tbsyncd", "away", "it was stopped, or is started again" });
        g_hash_table_remove_all(monitor->objects);
        break;
    case CTL_EVENT_BACK:
        note(monitor, &(Change){ "host", "tbsyncd", "back", "" });
        return load(monitor, error);
    }
    return TRUE;
}

static int run(Monitor *monitor, gint count)
{
    g_autoptr(GError) error = NULL;
    guint at_start;

    monitor->watch = ctl_watch_new(monitor->ctl, &error);
    if (monitor->watch == NULL || !load(monitor, &error))
        return ctl_fail(monitor->ctl, error);
    at_start = monitor->shown;
    while (monitor->shown - at_start < (guint)count) {
        g_autoptr(CtlEvent) event = ctl_watch_next(monitor->watch, &error);

        if (event == NULL || !take_event(monitor, event, &error))
            return ctl_fail(monitor->ctl, error);
        if (ferror(stdout))
            return CTL_EXIT_ERROR;
    }
    return CTL_EXIT_OK;
}

int ctl_monitor(Ctl *ctl, int argc, char **argv)
{
    int count = G_MAXINT;
    const GOptionEntry options[] = {
        { "count", 'n', 0, G_OPTION_ARG_INT, &count, "End after so many changes; 0: only what is so now (default: go on)", "N" },
        { NULL },
    };
    g_autoptr(GHashTable) objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    Monitor monitor = { .ctl = ctl, .objects = objects, .seen = seen };
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, options, &(CtlArguments){ &argc, &argv, 0, 0 }, &exit_code))
        return exit_code;
    if (count < 0)
        return ctl_fail_usage(ctl, "--count: %d is negative", count);
    exit_code = run(&monitor, count);
    ctl_watch_free(monitor.watch);
    return exit_code;
}
