/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-fleet.h"

#include <stdio.h>
#include <string.h>

#include "ctl-bus.h"
#include "ctl-format.h"
#include "ctl-manager.h"
#include "ctl-peer.h"
#include "error.h"
#include "facts-codec.h"

#define LIST_DEADLINE_MS 6000

/* ---- guests ---- */

static GArray *guests_of_list(GVariant *list, GError **error)
{
    g_autoptr(GArray) guests = g_array_new(FALSE, FALSE, sizeof(GuestFacts));

    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(list, i);
        GuestFacts guest;

        if (!guest_facts_from_variant(dict, &guest, error))
            return NULL;
        g_array_append_val(guests, guest);
    }
    return g_steal_pointer(&guests);
}

GArray *ctl_guests_load(Ctl *ctl, GError **error)
{
    CtlCall call = { .method = "ListGuests", .reply_type = "(aa{sv})", .deadline_ms = LIST_DEADLINE_MS };
    g_autoptr(GVariant) reply = ctl_bus_call(ctl, &call, NULL, error);
    g_autoptr(GVariant) list = reply != NULL ? g_variant_get_child_value(reply, 0) : NULL;

    return list != NULL ? guests_of_list(list, error) : NULL;
}

static GArray *load_peer_guests(Ctl *ctl, const char *peer, gboolean *ret_complete, GError **error)
{
    CtlCall call = { .method = "ListPeerGuests", .reply_type = "(aa{sv}b)", .deadline_ms = LIST_DEADLINE_MS };
    g_autoptr(GVariant) reply = ctl_bus_call(ctl, &call, g_variant_new("(s)", peer), error);
    g_autoptr(GVariant) list = NULL;

    if (reply == NULL)
        return NULL;
    list = g_variant_get_child_value(reply, 0);
    g_variant_get_child(reply, 1, "b", ret_complete);
    return guests_of_list(list, error);
}

static void take_guests(CtlFleet *fleet, guint host, const GArray *guests)
{
    for (guint i = 0; i < guests->len; i++) {
        CtlFleetGuest guest = { host, g_array_index(guests, GuestFacts, i) };

        g_array_append_val(fleet->guests, guest);
    }
}

static void load_guests_of_peers(Ctl *ctl, CtlFleet *fleet)
{
    for (guint i = 0; i < fleet->hosts->len; i++) {
        const CtlFleetHost *host = fleet->hosts->pdata[i];
        g_autoptr(GArray) guests = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *what = g_strdup_printf("asking %s for its guests, %u of %u", host->name, i, fleet->hosts->len - 1);
        gboolean complete = FALSE;

        if (host->own)
            continue;
        ctl_progress_set(&ctl->progress, what); /* this host is the first */
        guests = load_peer_guests(ctl, host->name, &complete, &error);
        if (guests != NULL)
            take_guests(fleet, i, guests);
        if (guests == NULL)
            g_ptr_array_add(fleet->silent, g_strdup_printf("%s: %s", host->name, error->message));
        else if (!complete)
            g_ptr_array_add(fleet->silent, g_strdup_printf("%s: it has more than %u guests, the others are left out",
                                                           host->name, guests->len));
    }
    ctl_progress_set(&ctl->progress, NULL);
}

/* ---- hosts ---- */

static void host_free(void *data)
{
    CtlFleetHost *host = data;

    g_free(host->name);
    g_free(host);
}

static void add_host(CtlFleet *fleet, const char *name, const HostFacts *facts, gboolean own)
{
    CtlFleetHost *host = g_new0(CtlFleetHost, 1);

    host->name = g_strdup(name);
    host->own = own;
    host->facts = host->assumed = *facts;
    g_ptr_array_add(fleet->hosts, host);
}

static gboolean load_hosts(Ctl *ctl, CtlFleet *fleet, GError **error)
{
    g_autoptr(CtlManager) manager = ctl_manager_load(ctl, error);
    g_autoptr(GPtrArray) peers = manager != NULL ? ctl_peers_load(ctl, error) : NULL;

    if (peers == NULL)
        return FALSE;
    add_host(fleet, FACT_KNOWN(&manager->host, HOST_NAME) ? manager->host.name : "this host", &manager->host, TRUE);
    for (guint i = 0; i < peers->len; i++) {
        const CtlPeer *peer = peers->pdata[i];

        if (ctl_peer_is_linked(peer))
            add_host(fleet, peer->name, &peer->host, FALSE);
        else
            g_ptr_array_add(fleet->absent, g_strdup(peer->name));
    }
    return TRUE;
}

static CtlFleetHost *find_host(const CtlFleet *fleet, const char *name)
{
    for (guint i = 0; i < fleet->hosts->len; i++) {
        CtlFleetHost *host = fleet->hosts->pdata[i];

        if (g_ascii_strcasecmp(host->name, name) == 0)
            return host;
    }
    return NULL;
}

static gboolean fail_unknown_host(const CtlFleet *fleet, const char *name, GError **error)
{
    for (guint i = 0; i < fleet->absent->len; i++) {
        if (g_ascii_strcasecmp(fleet->absent->pdata[i], name) != 0)
            continue;
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE, "peer '%s' is not linked; see why: tbsyncctl peers %s", name,
                    name);
        return FALSE;
    }
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_PEER, "no host is named '%s'; list them with: tbsyncctl peers", name);
    return FALSE;
}

/* A host name has neither ":" nor "=", a fact has no ":". */
static gboolean assume_one(CtlFleet *fleet, const char *assumption, GError **error)
{
    const char *colon = strchr(assumption, ':'), *equals = strchr(assumption, '=');
    g_autofree char *name = NULL;
    CtlFleetHost *host;

    if (colon != NULL && equals != NULL && colon < equals) {
        name = g_strndup(assumption, (gsize)(colon - assumption));
        host = find_host(fleet, name);
        return host != NULL ? host_facts_assign(&host->assumed, colon + 1, error) : fail_unknown_host(fleet, name, error);
    }
    for (guint i = 0; i < fleet->hosts->len; i++) {
        host = fleet->hosts->pdata[i];
        if (!host_facts_assign(&host->assumed, assumption, error))
            return FALSE;
    }
    return TRUE;
}

CtlFleet *ctl_fleet_load(Ctl *ctl, char **assume, gboolean peers_guests, GError **error)
{
    g_autoptr(CtlFleet) fleet = g_new0(CtlFleet, 1);
    g_autoptr(GArray) own = NULL;

    fleet->hosts = g_ptr_array_new_with_free_func(host_free);
    fleet->guests = g_array_new(FALSE, FALSE, sizeof(CtlFleetGuest));
    fleet->absent = g_ptr_array_new_with_free_func(g_free);
    fleet->silent = g_ptr_array_new_with_free_func(g_free);
    if (!load_hosts(ctl, fleet, error))
        return NULL;
    for (; assume != NULL && *assume != NULL; assume++)
        if (!assume_one(fleet, *assume, error))
            return NULL;
    own = ctl_guests_load(ctl, error);
    if (own == NULL)
        return NULL;
    take_guests(fleet, 0, own);
    if (peers_guests)
        load_guests_of_peers(ctl, fleet);
    return g_steal_pointer(&fleet);
}

void ctl_fleet_free(CtlFleet *fleet)
{
    if (fleet == NULL)
        return;
    g_ptr_array_unref(fleet->hosts);
    g_array_unref(fleet->guests);
    g_ptr_array_unref(fleet->absent);
    g_ptr_array_unref(fleet->silent);
    g_free(fleet);
}

static gboolean is_named(char **names, const char *name)
{
    for (; *names != NULL; names++)
        if (g_ascii_strcasecmp(*names, name) == 0)
            return TRUE;
    return FALSE;
}

gboolean ctl_fleet_keep(CtlFleet *fleet, char **names, GError **error)
{
    g_autofree guint *moved = g_new0(guint, fleet->hosts->len);
    guint kept = 0, n = fleet->hosts->len;

    if (names == NULL || *names == NULL)
        return TRUE;
    for (char **name = names; *name != NULL; name++)
        if (find_host(fleet, *name) == NULL)
            return fail_unknown_host(fleet, *name, error);
    for (guint i = 0; i < n; i++)
        moved[i] = is_named(names, ((CtlFleetHost *)fleet->hosts->pdata[i])->name) ? kept++ : G_MAXUINT;
    for (guint i = n; i-- > 0;)
        if (moved[i] == G_MAXUINT)
            g_ptr_array_remove_index(fleet->hosts, i);
    for (guint i = fleet->guests->len; i-- > 0;) {
        CtlFleetGuest *guest = &g_array_index(fleet->guests, CtlFleetGuest, i);

        if (moved[guest->host] == G_MAXUINT)
            g_array_remove_index(fleet->guests, i);
        else
            guest->host = moved[guest->host];
    }
    g_ptr_array_set_size(fleet->absent, 0); /* not asked for */
    return TRUE;
}

static void print_line(const Ctl *ctl, const char *text)
{
    g_autofree char *safe = ctl_safe(text);

    fprintf(stderr, "tbsyncctl %s: %s\n", ctl->verb->name, safe);
}

void ctl_fleet_print_missing(const Ctl *ctl, const CtlFleet *fleet)
{
    for (guint i = 0; i < fleet->absent->len; i++) {
        g_autofree char *line = g_strdup_printf("%s is not linked and left out; see why: tbsyncctl peers %s",
                                                (char *)fleet->absent->pdata[i], (char *)fleet->absent->pdata[i]);

        print_line(ctl, line);
    }
    for (guint i = 0; i < fleet->silent->len; i++)
        print_line(ctl, fleet->silent->pdata[i]);
}
