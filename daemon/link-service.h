/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.tbsyncd1.Link on /org/tbsyncd1/link: what a peer may ask of us, and the calls that we make. Thin.
 *
 * Contract: data/dbus-1/org.tbsyncd1.Link.xml and docs/protocol.md. Until a Hello of the peer was accepted every other method,
 * introspection included, is answered with Error.Denied; so is a peer that asks more often than LINK_CALLS_PER_S.
 * Keeps no state but that; decides nothing about peers or guests. Everything that a peer sends is validated here.
 */

#include <gio/gio.h>
#include <systemd/sd-bus.h>

#include "departures.h"
#include "facts.h"
#include "guest-marks.h"
#include "guests.h"
#include "tb-clock.h"
#include "relation.h"

#define LINK_PROTOCOL_VERSION 1u
#define LINK_OBJECT_PATH "/org/tbsyncd1/link"
#define LINK_INTERFACE "org.tbsyncd1.Link"

/* A peer may call us this often in the long run, and that many times at once. A hook is at most 33 calls of some ten us: the limit keeps a
 * peer that has gone mad from taking our processor, and is out of reach of one that has not. */
#define LINK_CALLS_PER_S 2048
#define LINK_CALLS_BURST 16384

/* Guests in one answer to ListGuests: as facts they stay well below what one message may hold. */
#define LINK_GUESTS_MAX 1024

/* One relation of a host: `name` minus that host, ticks, now. */
typedef struct LinkRelation {
    char name[FACTS_NAME_MAX];
    Interval tb_ticks;
} LinkRelation;

#define LINK_RELATIONS_MAX RELATION_LOOP_HOSTS_MAX

typedef struct LinkServiceOps {
    const TbClock *clock;
    guint calls_per_s, calls_burst; /* 0: LINK_CALLS_PER_S, LINK_CALLS_BURST */
    /* Own facts, sent with Hello. HOST_NAME must be known. (transfer none) */
    const HostFacts *(*host_facts)(void *data);
    /* The peer said hello: returns FALSE to refuse (version, simulated against real, name differs). `peer` holds the name
     * that it gave; of a peer with another protocol version nothing but the name is known. May be called again. */
    gboolean (*hello)(const char *peer_name, guint32 version, const HostFacts *peer, void *data, GError **error);
    /* (nullable) A Hello was refused before `hello` could be asked, since it was malformed. */
    void (*hello_refused)(const GError *error, void *data);
    /* FindGuest: must answer with link_service_reply_find() or _reply_error(), may do so later. The deadline is the
     * caller's; the reference to `call` is the callee's to drop. `uuid` is valid and in lower case. */
    void (*find_guest)(const char *peer_name, const char *uuid, sd_bus_message *call, void *data);
    /* GetDeparture: answered at once. `uuid` is valid and in lower case. */
    Departure (*departure)(const char *uuid, void *data);
    /* ListGuests: must answer with link_service_reply_guests() or _reply_error(), may do so later. The reference to `call` is the
     * callee's to drop. */
    void (*list_guests)(const char *peer_name, sd_bus_message *call, void *data);
    /* (nullable) TellGuests: what the peer says it has. marks: (transfer full) (nullable): any */
    void (*guests_told)(GuestMarks *marks, void *data);
    /* (nullable) GetRelations: at most LINK_RELATIONS_MAX of LinkRelation. (transfer full) */
    GArray *(*relations)(void *data);
} LinkServiceOps;

/* Adds the vtable to `bus`; `ops` and `data` must outlive the bus. `peer_name` is the authorised name. Negative errno on
 * failure. */
int link_service_add(sd_bus *bus, const char *peer_name, const LinkServiceOps *ops, void *data);

/* guest: (nullable) for ROLE_ABSENT. A caller that is gone by now is no error. */
void link_service_reply_find(sd_bus_message *call, GuestRole role, const GuestFacts *guest);
void link_service_reply_error(sd_bus_message *call, const GError *error);

/* guests: of GuestFacts; what exceeds LINK_GUESTS_MAX is left out, and said to be. */
void link_service_reply_guests(sd_bus_message *call, const GArray *guests);

/* "absent", "inactive", "active", "migrating-out" */
const char *link_role_name(GuestRole role);

/* Calls. Each has a deadline in ms from now; the callback comes once, from the loop. It is not called after the bus was
 * closed by us or the slot was released. ret_slot: (nullable) (transfer full); releasing it forgets the call.
 * Negative errno if nothing was sent; the callback is not called then.
 * Errors: what the peer answered; TBSYNC_ERROR_TIMEOUT, _UNREACHABLE: the link was lost; _INVALID: malformed answer. */
typedef void (*LinkHelloDone)(guint32 version, const HostFacts *peer, const GError *error, void *data);
int link_call_hello(sd_bus *bus, const HostFacts *own, guint deadline_ms, LinkHelloDone done, void *data,
                    sd_bus_slot **ret_slot);

/* Reads the clock just before sending and just after receiving. */
typedef void (*LinkExchangeDone)(const Exchange *exchange, const GError *error, void *data);
int link_call_exchange(sd_bus *bus, const TbClock *clock, guint deadline_ms, LinkExchangeDone done, void *data,
                       sd_bus_slot **ret_slot);

/* guest: NULL if absent. Its uuid is the one that was asked for. */
typedef void (*LinkFindDone)(GuestRole role, const GuestFacts *guest, const GError *error, void *data);
int link_call_find_guest(sd_bus *bus, const char *uuid, guint deadline_ms, LinkFindDone done, void *data,
                         sd_bus_slot **ret_slot);

/* departure: NULL on error; its `watched` is not told. */
typedef void (*LinkDepartureDone)(const Departure *departure, const GError *error, void *data);
int link_call_departure(sd_bus *bus, const char *uuid, guint deadline_ms, LinkDepartureDone done, void *data,
                        sd_bus_slot **ret_slot);

/* guests: of GuestFacts, (transfer none); NULL on error. complete: the peer left none out. */
typedef void (*LinkGuestsDone)(const GArray *guests, gboolean complete, const GError *error, void *data);
int link_call_list_guests(sd_bus *bus, guint deadline_ms, LinkGuestsDone done, void *data, sd_bus_slot **ret_slot);

/* relations: of LinkRelation; all bounded. */
typedef void (*LinkRelationsDone)(const GArray *relations, const GError *error, void *data);
int link_call_relations(sd_bus *bus, guint deadline_ms, LinkRelationsDone done, void *data, sd_bus_slot **ret_slot);

/* Tells the peer which guests we have; no answer is awaited. marks: (nullable). Negative errno if nothing was sent. */
int link_tell_guests(sd_bus *bus, const GuestMarks *marks);
