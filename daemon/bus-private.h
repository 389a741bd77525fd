/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of bus-service share; nobody else includes it.
 *
 * bus-service.c: the connection and the name. bus-manager.c, bus-peer.c, bus-migration.c: one kind of object each, its vtable
 * and its signals. bus-objects.c: what peers and migrations have in common. bus-reply.c: answers to method calls.
 *
 * The connection may be lost and opened again: what is kept between two signals is kept by BusPeers and BusMigrations, which
 * outlive it. x_add() registers objects on a new connection and returns sd-bus' negative errno or >= 0; from then until x_leave()
 * its signals go there.
 */

#include <systemd/sd-bus.h>

#include "bus-service.h"

#define BUS_ROOT "/org/tbsyncd1"

/* Answers `call` with the members of a tuple; a floating one is consumed. */
void bus_send_reply(sd_bus_message *call, GVariant *body);
int bus_reply_error(sd_bus_message *call, const GError *error);
int bus_reply_invalid(sd_bus_message *call, const char *message);

/* `params` must outlive the bus. */
int bus_manager_add(sd_bus *bus, BusServiceParams *params);
void bus_manager_changed(sd_bus *bus);
void bus_manager_hook_changed(sd_bus *bus);

/* Objects of one interface below one path, one for each name. */
typedef struct BusKind {
    const char *prefix, *interface;
    const sd_bus_vtable *vtable;
    /* The `data` of the vtable's handlers; NULL: nothing has that name. */
    void *(*find)(void *owner, const char *name);
    /* How many there are now, and the name of the nth of them; asked in this order. */
    guint (*count)(void *owner);
    const char *(*name)(void *owner, guint n);
} BusKind;

typedef struct BusObjects BusObjects;

/* `owner` is handed to the functions of `kind`; both must outlive it. */
BusObjects *bus_objects_new(const BusKind *kind, void *owner);
void bus_objects_free(BusObjects *self);
int bus_objects_add(BusObjects *self, sd_bus *bus);
void bus_objects_leave(BusObjects *self);

/* Signals; without a bus nothing is done. properties: names, NULL-terminated; none: nothing is done. */
void bus_objects_added(BusObjects *self, const char *name);
void bus_objects_removed(BusObjects *self, const char *name);
void bus_objects_changed(BusObjects *self, const char *name, const char *const *properties);

typedef struct BusPeers BusPeers;

/* `peers` must outlive it. */
BusPeers *bus_peers_new(Peers *peers);
void bus_peers_free(BusPeers *self);
int bus_peers_add(BusPeers *self, sd_bus *bus);
void bus_peers_leave(BusPeers *self);
void bus_peers_changed(BusPeers *self);             /* some were added or removed, or have another address */
void bus_peer_changed(BusPeers *self, Peer *peer);  /* its state or facts */
void bus_peer_sampled(BusPeers *self, Peer *peer);  /* signals if more than the bounds of its relation changed */

/* So many of the newest records are objects. Those still under way stay while there is place. */
#define BUS_MIGRATIONS_MAX 64

typedef struct BusMigrations BusMigrations;

/* Watches `ledger`, which must outlive it. */
BusMigrations *bus_migrations_new(Ledger *ledger);
void bus_migrations_free(BusMigrations *self);
int bus_migrations_add(BusMigrations *self, sd_bus *bus);
void bus_migrations_leave(BusMigrations *self);
