/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of bus-service share; nobody else includes it.
 *
 * bus-service.c: the connection and the name. bus-manager.c, bus-peer.c: one kind of object each, its vtable and its signals.
 * bus-reply.c: answers to method calls.
 *
 * `params` of the *_add() functions is the vtables' data and must outlive the bus; they return sd-bus' negative errno or >= 0.
 */

#include <systemd/sd-bus.h>

#include "bus-service.h"

#define BUS_ROOT "/org/tbsyncd1"

/* Answers `call` with the members of a tuple; a floating one is consumed. */
void bus_send_reply(sd_bus_message *call, GVariant *body);
int bus_reply_error(sd_bus_message *call, const GError *error);
int bus_reply_invalid(sd_bus_message *call, const char *message);

int bus_manager_add(sd_bus *bus, BusServiceParams *params);
void bus_manager_changed(sd_bus *bus);

int bus_peers_add(sd_bus *bus, BusServiceParams *params);
void bus_peer_changed(sd_bus *bus, Peer *peer);
