/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.tbsyncd1 on the system bus: the objects Manager, Peer and Migration. Thin handlers: read arguments, validate, call one
 * function, reply. Migrations are taken from the ledger, which is watched.
 *
 * Contract: data/dbus-1/org.tbsyncd1.xml. Who may call what is the bus policy's to say
 * (data/dbus-1/org.tbsyncd1.conf). A lost bus is opened again every second; the daemon works on
 * without it.
 */

#include <gio/gio.h>

#include "guests.h"
#include "hooks.h"
#include "ledger.h"
#include "log.h"
#include "peers.h"
#include "tb-clock.h"

typedef struct BusService BusService;

/* What status shows beside facts and peers; strings are (transfer none). */
typedef struct BusStatus {
    const char *libvirt_state;
    const char *libvirt_error; /* "" if none */
    gboolean timing_events;
    const char *hook_state;
    const char *hook_path;
    const char *listen;
    const char *kvm_note; /* "" if none */
    const char *loop_state, *loop_suspect;
} BusStatus;

typedef struct BusServiceParams {
    Hooks *hooks;
    Peers *peers;
    Guests *guests;
    Ledger *ledger;
    const TbClock *clock;
    Log *log; /* for org.freedesktop.LogControl1; NULL: without */
    const HostFacts *(*host_facts)(void *data);
    const Config *(*config)(void *data);
    void (*status)(BusStatus *ret, void *data);
    gboolean (*reload)(void *data, GError **error);
    GVariant *(*diagnose)(void *data); /* floating aa{sv}, see diagnose.h */
    /* The name is owned (TRUE), or was lost or refused (FALSE, `why`). */
    void (*owned)(gboolean owned, const char *why, void *data);
    void *data;
} BusServiceParams;

/* Opens the system bus (DBUS_SYSTEM_BUS_ADDRESS is honoured) and asks for the name.
 * TBSYNC_ERROR_UNAVAILABLE at the first attempt. */
BusService *bus_service_new(const BusServiceParams *params, GError **error);
void bus_service_free(BusService *service);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusService, bus_service_free)

/* Signals; service: (nullable). */
void bus_service_peers_changed(BusService *service); /* the set of peers, or their addresses */
void bus_service_peer_changed(BusService *service, Peer *peer);
void bus_service_peer_sampled(BusService *service, Peer *peer); /* costs no signal if only bounds changed */
void bus_service_manager_changed(BusService *service);
void bus_service_hook_changed(BusService *service);
