/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hosts and guests of the fleet as the local daemon knows them, for planning: matrix and baseline. */

#include "ctl.h"
#include "facts.h"

typedef struct CtlFleetHost {
    char *name;
    gboolean own;      /* the host this runs on */
    HostFacts facts;   /* as it is: where its guests come from */
    HostFacts assumed; /* with the assumptions: where guests would go */
} CtlFleetHost;

typedef struct CtlFleetGuest {
    guint host; /* index of the one that has it */
    GuestFacts facts;
} CtlFleetGuest;

typedef struct CtlFleet {
    GPtrArray *hosts;  /* of CtlFleetHost: this one first, then the linked peers by name */
    GArray *guests;    /* of CtlFleetGuest, by host */
    GPtrArray *absent; /* of char*: peers that are not linked, and so are not in `hosts` */
    GPtrArray *silent; /* of char*: "NAME: why" of hosts whose guests are not, or not all, in `guests` */
} CtlFleet;

/* assume: (nullable) "FACT=VALUE" for every host, "HOST:FACT=VALUE" for one. peers_guests: also those of linked peers, which
 * are asked one after the other, up to some seconds each. */
CtlFleet *ctl_fleet_load(Ctl *ctl, char **assume, gboolean peers_guests, GError **error);
void ctl_fleet_free(CtlFleet *fleet);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlFleet, ctl_fleet_free)

/* Keeps only the hosts of these names (nullable: all), and their guests. FALSE: one of them is not there; the error says
 * whether it is unknown or not linked. */
gboolean ctl_fleet_keep(CtlFleet *fleet, char **names, GError **error);

/* Who is missing, one line each on stderr. */
void ctl_fleet_print_missing(const Ctl *ctl, const CtlFleet *fleet);

/* The guests of this host, array of GuestFacts. (transfer full) */
GArray *ctl_guests_load(Ctl *ctl, GError **error);
