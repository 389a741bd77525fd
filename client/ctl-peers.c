/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-bus.h"
#include "ctl-chart.h"
#include "ctl-format.h"
#include "ctl-manager.h"
#include "ctl-peer.h"
#include "ctl-verbs.h"
#include "error.h"
#include "units-text.h"

const char ctl_peers_help[] =
    "Shows each peer: its link, and the bounds within which its timebase and time of day minus those of this host are now.\n"
    "With PEER only that one. RELATION is none, ok, stepped (a clock was stepped; a new relation is being made) or\n"
    "invalid (the peer's answers contradict themselves); stored if it rests on exchanges from before tbsyncd was started.\n"
    "ADDRESS is followed by DNS if Discover= has found the peer, and no [Peer NAME] section names it (origin in --json:\n"
    "dns or configuration). Why a peer is not linked stands below the table.\n"
    "\n"
    "--history draws instead, for each peer, how the bounds on its timebase went over the last day: how far the interval is from the\n"
    "straight line of a steady drift, which is told beside it. It needs a UTF-8 terminal, or --ascii.\n";

#define CHART_COLUMNS 64
#define CHART_ROWS    9

/* FALSE if `name` is given and no peer has it. */
static gboolean keep_one(GPtrArray *peers, const char *name, GError **error)
{
    for (guint i = peers->len; name != NULL && i-- > 0;) {
        if (!g_str_equal(((const CtlPeer *)peers->pdata[i])->name, name))
            g_ptr_array_remove_index(peers, i);
    }
    if (name == NULL || peers->len > 0)
        return TRUE;
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_PEER,
                "no peer is named '%s'; list them with: tbsyncctl peers", name);
    return FALSE;
}

static void print_peers_json(const GPtrArray *peers, guint64 timebase_hz)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_array(builder);
    ctl_peers_build_json(peers, timebase_hz, builder);
    json_builder_end_array(builder);
    ctl_print_json(builder);
}

/* ---- history ---- */

/* Array of CtlChartPoint; what cannot be told in ns is left out. (transfer full) */
static GArray *history_load(Ctl *ctl, const CtlPeer *peer, guint64 timebase_hz, GError **error)
{
    CtlCall call = { peer->path, CTL_BUS_PEER, "GetHistory", "(a(xxx))", 0 };
    g_autoptr(GVariant) reply = ctl_bus_call(ctl, &call, NULL, error);
    g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(CtlChartPoint));
    g_autoptr(GVariantIter) iter = NULL;
    CtlChartPoint point;
    Interval ticks;

    if (reply == NULL)
        return NULL;
    g_variant_get(reply, "(a(xxx))", &iter);
    while (g_variant_iter_next(iter, "(xxx)", &point.age_ns, &ticks.lo, &ticks.hi)) {
        if (point.age_ns < 0 || ticks.lo > ticks.hi)
            continue;
        point.ns = ctl_peer_ticks_to_ns(peer, ticks, timebase_hz);
        if (interval_is_bounded(point.ns))
            g_array_append_val(points, point);
    }
    return g_steal_pointer(&points);
}

static void history_print(const Ctl *ctl, const CtlPeer *peer, const GArray *points, gboolean ascii)
{
    CtlChart chart = { .points = (const CtlChartPoint *)points->data, .n = points->len, .columns = CHART_COLUMNS,
                       .rows = CHART_ROWS, .ascii = ascii };
    g_autofree char *text = NULL, *width = NULL, *age = NULL;

    ctl_print(ctl, CTL_HEAD, peer->name);
    if (points->len == 0) {
        printf(": no sample of its clock since tbsyncd was started; why it is not linked: tbsyncctl peers\n");
        return;
    }
    text = ctl_chart_text(&chart);
    width = ns_to_text(interval_width(chart.points[chart.n - 1].ns));
    age = ctl_chart_age(chart.points[0].age_ns);
    if (points->len == 1)
        printf(": timebase minus this host's; one sample, %s wide\n%s", width, text);
    else
        printf(": timebase minus this host's, less a steady drift of %+.3f ppm; %u samples in %s, the last one %s wide\n%s",
               ctl_chart_slope_ppb(&chart) / 1000, chart.n, age, width, text);
}

static void history_build_json(JsonBuilder *builder, const CtlPeer *peer, const GArray *points)
{
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "name");
    json_builder_add_string_value(builder, peer->name);
    json_builder_set_member_name(builder, "points");
    json_builder_begin_array(builder);
    for (guint i = 0; i < points->len; i++) {
        const CtlChartPoint *point = &g_array_index(points, CtlChartPoint, i);

        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "age_ns");
        json_builder_add_int_value(builder, point->age_ns);
        json_builder_set_member_name(builder, "tb_lo_ns");
        json_builder_add_int_value(builder, point->ns.lo);
        json_builder_set_member_name(builder, "tb_hi_ns");
        json_builder_add_int_value(builder, point->ns.hi);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

static int show_history(Ctl *ctl, const GPtrArray *peers, guint64 timebase_hz, gboolean ascii)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(CtlPager) pager = ctl_pager_open(ctl);

    json_builder_begin_array(builder);
    for (guint i = 0; i < peers->len; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GArray) points = history_load(ctl, peers->pdata[i], timebase_hz, &error);

        if (points == NULL)
            return ctl_fail(ctl, error);
        if (ctl->json)
            history_build_json(builder, peers->pdata[i], points);
        else
            history_print(ctl, peers->pdata[i], points, ascii);
    }
    json_builder_end_array(builder);
    if (ctl->json)
        ctl_print_json(builder);
    return CTL_EXIT_OK;
}

int ctl_peers(Ctl *ctl, int argc, char **argv)
{
    gboolean history = FALSE, ascii = FALSE;
    const GOptionEntry options[] = {
        { "history", 0, 0, G_OPTION_ARG_NONE, &history, "Draw the bounds over the last day", NULL },
        { "ascii", 0, 0, G_OPTION_ARG_NONE, &ascii, "Draw with ASCII characters alone", NULL },
        { NULL },
    };
    g_autoptr(CtlManager) manager = NULL;
    g_autoptr(GPtrArray) peers = NULL;
    g_autoptr(GError) error = NULL;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, options, &(CtlArguments){ &argc, &argv, 0, 1 }, &exit_code))
        return exit_code;
    manager = ctl_manager_load(ctl, &error);
    if (manager != NULL)
        peers = ctl_peers_load(ctl, &error);
    if (peers == NULL || !keep_one(peers, argc > 1 ? argv[1] : NULL, &error))
        return ctl_fail(ctl, error);
    if (history && peers->len > 0)
        exit_code = show_history(ctl, peers, ctl_manager_timebase_hz(manager), ascii || !g_get_charset(NULL));
    else if (ctl->json)
        print_peers_json(peers, ctl_manager_timebase_hz(manager));
    else if (peers->len == 0)
        printf("There are no peers; add [Peer NAME] sections or Discover= to the configuration, see tbsyncd.conf(5).\n");
    else
        ctl_peers_print(ctl, peers, ctl_manager_timebase_hz(manager), TRUE);
    return exit_code;
}
