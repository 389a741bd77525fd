/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-bus.h"
#include "ctl-format.h"
#include "ctl-verbs.h"
#include "units-text.h"

#define RANK_DEADLINE_MS 15000

const char ctl_rank_help[] =
    "Shows the linked peers as destinations of GUEST (name or UUID, of this host), best first: how far from real time its timebase would\n"
    "be there, with the offset nearest to real time that can never make it go back. Hosts that would refuse it come last.\n"
    "\n"
    "Exits 0 if at least one would take it, 3 if none would, 4 if there is no such guest.\n";

/* One destination as the daemon tells it. */
typedef struct Destination {
    const char *host, *decision, *code;
    gboolean has_error;
    gint64 lo_ns, hi_ns;
} Destination;

static Destination destination_read(GVariant *dict)
{
    Destination destination = { .host = "", .decision = "", .code = "" };

    g_variant_lookup(dict, "host", "&s", &destination.host);
    g_variant_lookup(dict, "decision", "&s", &destination.decision);
    g_variant_lookup(dict, "code", "&s", &destination.code);
    destination.has_error = g_variant_lookup(dict, "error_lo_ns", "x", &destination.lo_ns) &&
                            g_variant_lookup(dict, "error_hi_ns", "x", &destination.hi_ns);
    return destination;
}

static gboolean is_allowed(const Destination *destination)
{
    return g_str_equal(destination->decision, "allow");
}

static void add_row(CtlTable *table, const Destination *destination)
{
    gboolean allowed = is_allowed(destination);

    ctl_table_add(table, CTL_PLAIN, destination->host);
    ctl_table_add(table, allowed ? CTL_GOOD : CTL_BAD, allowed ? "allowed" : "refused");
    if (destination->has_error) {
        g_autofree char *lo = ns_to_text(destination->lo_ns), *hi = ns_to_text(destination->hi_ns);

        ctl_table_printf(table, CTL_PLAIN, "%s .. %s", lo, hi);
    } else {
        ctl_table_add(table, CTL_DIM, "unknown");
    }
    ctl_table_add(table, CTL_PLAIN, *destination->code != '\0' ? destination->code : "-");
}

static void print_table(const Ctl *ctl, GVariant *list)
{
    static const char *const heads[] = { "HOST", "VERDICT", ">FROM REAL TIME", "FINDING", NULL };
    g_autoptr(CtlTable) table = ctl_table_new(ctl, heads);

    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(list, i);
        Destination destination = destination_read(dict);

        add_row(table, &destination);
    }
    ctl_table_print(table);
}

static void print_json(GVariant *list)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    ctl_build_variant(builder, list);
    ctl_print_json(builder);
}

static gboolean any_allowed(GVariant *list)
{
    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(list, i);
        Destination destination = destination_read(dict);

        if (is_allowed(&destination))
            return TRUE;
    }
    return FALSE;
}

int ctl_rank(Ctl *ctl, int argc, char **argv)
{
    CtlCall call = { .method = "Rank", .reply_type = "(aa{sv})", .deadline_ms = RANK_DEADLINE_MS };
    g_autoptr(GVariant) reply = NULL, list = NULL;
    g_autoptr(GError) error = NULL;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 1, 1 }, &exit_code))
        return exit_code;
    reply = ctl_bus_call(ctl, &call, g_variant_new("(s)", argv[1]), &error);
    if (reply == NULL)
        return ctl_fail(ctl, error);
    list = g_variant_get_child_value(reply, 0);
    if (ctl->json)
        print_json(list);
    else if (g_variant_n_children(list) == 0)
        printf("No peer is linked; 'tbsyncctl peers' says why.\n");
    else
        print_table(ctl, list);
    return any_allowed(list) ? CTL_EXIT_OK : CTL_EXIT_REFUSED;
}
