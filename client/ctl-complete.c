/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "ctl-bus.h"
#include "ctl-fleet.h"
#include "ctl-format.h"
#include "ctl-peer.h"
#include "ctl-record.h"
#include "ctl-verbs.h"
#include "findings.h"

const char ctl_complete_help[] =
    "For shells: one name a line of what can stand on a command line. Says nothing where nothing can be known.\n";

/* Names come from other hosts, and go into a shell: nothing but what needs no quotes. */
static void print_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (!g_ascii_isalnum(*at) && (at == name || g_strrstr("-_.:+", (char[]){ *at, '\0' }) == NULL))
            return;
    if (*name != '\0')
        printf("%s\n", name);
}

static void complete_peers(Ctl *ctl)
{
    g_autoptr(GPtrArray) peers = ctl_peers_load(ctl, NULL);

    for (guint i = 0; peers != NULL && i < peers->len; i++)
        print_name(((const CtlPeer *)peers->pdata[i])->name);
}

static void complete_guests(Ctl *ctl)
{
    g_autoptr(GArray) guests = ctl_guests_load(ctl, NULL);

    for (guint i = 0; guests != NULL && i < guests->len; i++)
        print_name(g_array_index(guests, GuestFacts, i).name);
}

static void complete_migrations(Ctl *ctl)
{
    g_autoptr(GPtrArray) records = ctl_records_load(ctl, 50, NULL);

    for (guint i = 0; records != NULL && i < records->len; i++)
        print_name(ctl_json_string(json_node_get_object(records->pdata[i]), "id"));
}

static void complete_codes(Ctl *ctl)
{
    for (int code = 0; code < FINDING_CODE_COUNT; code++)
        print_name(finding_code_name((FindingCode)code));
}

int ctl_complete(Ctl *ctl, int argc, char **argv)
{
    static const struct {
        const char *word;
        void (*run)(Ctl *ctl);
    } words[] = {
        { "peers", complete_peers },
        { "guests", complete_guests },
        { "migrations", complete_migrations },
        { "codes", complete_codes },
    };
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 1, 1 }, &exit_code))
        return exit_code;
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!g_str_equal(argv[1], words[i].word))
            continue;
        words[i].run(ctl);
        return CTL_EXIT_OK;
    }
    return ctl_fail_usage(ctl, "\"%s\" is not peers, guests, migrations or codes", argv[1]);
}
