/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Peers as the daemon shows them on the bus: read, printed as a table, built as JSON. For status and peers. */

#include <json-glib/json-glib.h>

#include "ctl.h"
#include "facts.h"
#include "interval.h"

typedef struct CtlPeer {
    char *path; /* of its object; "" if it was not told */
    char *name, *address, *origin, *state, *error, *relation_state, *relation_fault;
    HostFacts host;    /* all unknown if it was never heard of */
    Interval tb_ticks; /* peer minus this host, now */
    Interval tod_ns;
    gint64 age_ns;     /* of the newest exchange; -1: there was none */
    guint32 exchanges;
    gboolean relation_stored; /* rests on exchanges from before tbsyncd was started */
    Interval drift_ppb;       /* measured */
} CtlPeer;

/* From all properties of its object, a{sv}; what is missing is unknown. (transfer full) */
CtlPeer *ctl_peer_read(GVariant *properties, GError **error);
void ctl_peer_free(CtlPeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlPeer, ctl_peer_free)

/* Array of CtlPeer by name. (transfer full) */
GPtrArray *ctl_peers_load(Ctl *ctl, GError **error);

gboolean ctl_peer_is_linked(const CtlPeer *peer);

/* Its timebase minus that of this host, outward in ns; unbounded: unknown. `own_hz`: of this host, 0: unknown. */
Interval ctl_peer_timebase_ns(const CtlPeer *peer, guint64 own_hz);

/* Another difference of these timebases likewise. */
Interval ctl_peer_ticks_to_ns(const CtlPeer *peer, Interval ticks, guint64 own_hz);

/* `timebase_hz`: this host's; 0: unknown, then nothing is said in microseconds. `detailed`: more columns. Why a peer
 * is not linked follows the table. */
void ctl_peers_print(const Ctl *ctl, const GPtrArray *peers, guint64 timebase_hz, gboolean detailed);

/* One object per peer into an array that is open. */
void ctl_peers_build_json(const GPtrArray *peers, guint64 timebase_hz, JsonBuilder *builder);
