/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Preflight: the verdict on moving one of this host's guests to a peer, before anybody migrates.
 * Changes nothing. */

#include <gio/gio.h>

#include "config.h"
#include "guests.h"
#include "hooks.h"
#include "ledger.h"
#include "peers.h"

typedef struct PreflightParams {
    Peers *peers;
    Guests *guests;
    Ledger *ledger;
    const Config *config;
    const HostFacts *own; /* copied */
} PreflightParams;

#define PREFLIGHT_LOOKUP_DEADLINE_MS 4000

/* Source, destination, relation and policy of a migration to that peer, whose facts are known; the guest is left unknown. */
void preflight_fill_case(const PreflightParams *params, const Peer *peer, MigrationCase *c);

/* guest: name or UUID on this host. host: peer name. assume: (nullable) assignments to the peer's
 * facts, NULL-terminated. Errors: TBSYNC_ERROR_NO_SUCH_PEER, _UNREACHABLE (its facts were never
 * known), _NO_SUCH_GUEST, _UNAVAILABLE, _INVALID. */
void preflight_async(const PreflightParams *params, const char *guest, const char *host,
                     const char *const *assume, GAsyncReadyCallback callback, void *data);
HookAnswer *preflight_finish(GAsyncResult *result, GError **error); /* (transfer full) */
