/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Says in the log, once each, what an operator has to know of peers and of libvirt: there, gone and why, there again.
 *
 * It is told every state and remembers what it said; it decides nothing. Lines on a peer carry TBSYNC_PEER=. Main thread only.
 */

#include <glib.h>

#include "guests.h"
#include "peers.h"

typedef struct HealthLog HealthLog;

HealthLog *health_log_new(void);
void health_log_free(HealthLog *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HealthLog, health_log_free)

typedef struct HealthPeer {
    const char *name;
    PeerState state;
    const char *error; /* (nullable) why it is not linked: one sentence */
    RelationFault fault;
} HealthPeer;

/* A peer that was never linked is named once, with the first reason. */
void health_log_peer(HealthLog *self, const HealthPeer *peer);

/* error: (nullable) one sentence */
void health_log_libvirt(HealthLog *self, GuestsState state, const char *error);

/* What DNS says of Discover=: n peers; error: (nullable) why the last lookup failed; foreign: (nullable) targets that may not be
 * peers. */
void health_log_discovery(HealthLog *self, guint n, const char *error, const char *foreign);

/* Forgets the peers that are none any more: DNS may name others for ever. */
void health_log_forget(HealthLog *self, const Peers *peers);
