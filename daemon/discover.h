/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Peers by DNS: asks for the SRV records of Discover= again and again, and tells which peers they name.
 *
 * A record's target is the name of a peer, the name its certificate must carry, and the host that is dialled, on the record's
 * port. Priority and weight mean nothing: all are peers. What DNS says is not proven, so it chooses only among the hosts that the
 * operator has named by Discover= itself: a target outside of its domain is no peer, and one inside needs the certificate
 * like any other (docs/threat-model.md).
 *
 * A lookup that fails changes nothing, and one without any record has failed: the peers of the last answer stay, also over a
 * restart (ledger), and it is tried again, first after 1 s, then after twice as long each time up to the interval. A single
 * record with the target "." says that there are none.
 *
 * GResolver is used here alone; it reads /etc/resolv.conf anew for each lookup and does not block. It does not tell the
 * records' TTL: DiscoverIntervalSec= is the period, a cache on the way keeps to the TTL. Main thread only.
 */

#include <gio/gio.h>

#include "config.h"
#include "ledger.h"

typedef struct Discover Discover;

typedef struct DiscoverParams {
    const Config *config; /* borrowed until discover_free() or discover_reload() */
    GResolver *resolver;  /* (nullable): the system's. A reference is taken */
    guint deadline_ms;    /* of one lookup; 0: 20000 */
    Ledger *ledger;       /* (nullable): where the last answer is kept; must outlive the Discover */
    /* The peers or the error are others than before. From the loop, or inside discover_reload(). discover_free() and
     * discover_reload() may not be called inside. */
    void (*changed)(void *data);
    void *data;
} DiscoverParams;

/* Begins with the peers of the ledger; the first lookup is under way when it returns. Calls nothing back before. */
Discover *discover_new(const DiscoverParams *params);
void discover_free(Discover *discover);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Discover, discover_free)

/* Looks up at once. Another Discover= forgets the peers of the former. */
void discover_reload(Discover *discover, const Config *config);

/* By name; without this host. (transfer none), until the next call of `changed` has returned. NULL if *ret_count is 0. */
const ConfigPeer *discover_peers(const Discover *discover, gsize *ret_count);

const char *discover_error(const Discover *discover);   /* (nullable) why the last lookup failed: one sentence */
const char *discover_foreign(const Discover *discover); /* (nullable) targets of the last answer that are no names of its domain */

/* The peers that the targets name: of `service` ("_tbsyncd._tcp.example.org") those at or below its domain ("example.org"), by
 * name in lower case, without `own_name`, each once (with the first port of the best priority), DISCOVER_PEERS_MAX at most, which
 * is about what a DNS message holds.
 * targets: of GSrvTarget. *ret_foreign (transfer full) (nullable): some others, as "a.example.com, b.example.com".
 * Array of ConfigPeer that frees their strings. (transfer full) */
#define DISCOVER_PEERS_MAX 2048u
GArray *discover_read(const char *service, const char *own_name, GList *targets, char **ret_foreign);
