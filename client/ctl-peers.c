/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-format.h"
#include "ctl-manager.h"
#include "ctl-peer.h"
#include "ctl-verbs.h"
#include "error.h"

const char ctl_peers_help[] =
    "Shows each peer: its link, and the bounds within which its timebase and time of day minus those of this host are now.\n"
    "With PEER only that one. RELATION is none, ok, stepped (a clock was stepped; a new relation is being made) or\n"
    "invalid (the peer's answers contradict themselves). Why a peer is not linked stands below the table.\n";

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

int ctl_peers(Ctl *ctl, int argc, char **argv)
{
    g_autoptr(CtlManager) manager = NULL;
    g_autoptr(GPtrArray) peers = NULL;
    g_autoptr(GError) error = NULL;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 0, 1 }, &exit_code))
        return exit_code;
    manager = ctl_manager_load(ctl, &error);
    if (manager != NULL)
        peers = ctl_peers_load(ctl, &error);
    if (peers == NULL || !keep_one(peers, argc > 1 ? argv[1] : NULL, &error))
        return ctl_fail(ctl, error);
    if (ctl->json)
        print_peers_json(peers, ctl_manager_timebase_hz(manager));
    else if (peers->len == 0)
        printf("No peers are configured; add a [Peer NAME] section to the configuration, see tbsyncd.conf(5).\n");
    else
        ctl_peers_print(ctl, peers, ctl_manager_timebase_hz(manager), TRUE);
    return CTL_EXIT_OK;
}
