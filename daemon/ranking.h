/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The linked peers as destinations of one of this host's guests, best first: those that may take it before those that may not,
 * and among them by how far from real time the guest's timebase would be there at most (core/offset.h,
 * offset_expected_error()). Changes nothing. Main thread only.
 */

#include "preflight.h"

typedef struct RankEntry {
    char *host;          /* peer name */
    Verdict verdict;     /* its findings point into the peer's facts: only decision and codes may be read */
    Interval error_ns;   /* expected; unbounded if there is no plan */
    gint64 offset_ticks; /* that gives it; valid if error_ns is bounded */
} RankEntry;

void rank_entry_free(void *entry);

/* One destination: the case is complete. (transfer full) */
RankEntry *rank_entry_new(const char *host, const MigrationCase *c);
void ranking_sort(GPtrArray *entries);

/* guest: name or UUID on this host. Errors: TBSYNC_ERROR_NO_SUCH_GUEST, _UNAVAILABLE. */
void ranking_async(const PreflightParams *params, const char *guest, GAsyncReadyCallback callback, void *data);
GPtrArray *ranking_finish(GAsyncResult *result, GError **error); /* (transfer full) of RankEntry */
