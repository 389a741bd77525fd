/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.tbsyncd1.Link on /org/tbsyncd1/link: what a peer may ask of us, and the calls that we make. Thin.
 *
 * Contract: data/dbus-1/org.tbsyncd1.Link.xml and docs/protocol.md.
 */

#include <gio/gio.h>
#include <systemd/sd-bus.h>

#include "facts.h"
#include "guests.h"
#include "tb-clock.h"
#include "relation.h"

#define LINK_PROTOCOL_VERSION 1u

typedef struct LinkServiceOps {
    const TbClock *clock;
    /* Own facts, sent with Hello and GetHost. (transfer none) */
    const HostFacts *(*host_facts)(void *data);
    /* The peer said hello: returns FALSE to refuse (version, simulated against real, name differs). */
    gboolean (*hello)(const char *peer_name, guint32 version, const HostFacts *peer, void *data, GError **error);
    /* FindGuest: must answer with link_service_reply_find() or _reply_error(), may do so later. The deadline is the
     * caller's; the reference to `call` is the callee's to drop. */
    void (*find_guest)(const char *peer_name, const char *uuid, sd_bus_message *call, void *data);
} LinkServiceOps;

/* Adds the vtable to `bus`; `ops` and `data` must outlive the bus. `peer_name` is the authorised name. */
int link_service_add(sd_bus *bus, const char *peer_name, const LinkServiceOps *ops, void *data);

void link_service_reply_find(sd_bus_message *call, GuestRole role, const GuestFacts *guest);
void link_service_reply_error(sd_bus_message *call, const GError *error);

/* Calls. Each has a deadline; callbacks are not called after the bus is closed by us. */
typedef void (*LinkHelloDone)(guint32 version, const HostFacts *peer, const GError *error, void *data);
int link_call_hello(sd_bus *bus, const HostFacts *own, guint deadline_ms, LinkHelloDone done, void *data,
                    sd_bus_slot **ret_slot);

/* Reads the clock just before sending and just after receiving. */
typedef void (*LinkExchangeDone)(const Exchange *exchange, const GError *error, void *data);
int link_call_exchange(sd_bus *bus, const TbClock *clock, guint deadline_ms, LinkExchangeDone done, void *data,
                       sd_bus_slot **ret_slot);

typedef void (*LinkFindDone)(GuestRole role, const GuestFacts *guest, const GError *error, void *data);
int link_call_find_guest(sd_bus *bus, const char *uuid, guint deadline_ms, LinkFindDone done, void *data,
                         sd_bus_slot **ret_slot);
