/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One JSON file per migration record, one per guest and one per peer, atomic and durable, bounded in number.
 *
 * Format first, below <directory>:
 *   migrations/ID.json   one object; ID is the UTC time of the question, the first 8 digits of the
 * guest's UUID and a number that grows by one with each record: records are ordered by that, since
 * clocks are set back. Those without it are of an older version and come first, by time. Members: see docs/ledger.md; "version": 1. A file of another
 * version or one that is not an object is left alone and not listed. guests/UUID.json     what this
 * host knows of a guest's timebase, see GuestEntry. A write goes to a temporary file in the same
 * directory, is synced, renamed over the old one, and the directory is synced: killed at any point
 * the next start finds the old record or the new one. Left-over temporary files are removed at
 * start.
 *
 * Writes run one after the other in a thread of their own, in the order of the calls; reads are
 * small and done at once. The index (ids) is in memory; contents stay on disk. When there are more
 * than max_records the oldest ones are removed.
 *
 * While the disk is full, records and guests are written in room that is kept for this (spare-room.h), as far as that goes. What the
 * disk does not take then (or is read-only) is told once, kept in memory, read as if it were written, and tried again every
 * 10 s and at the end, until it is there or replaced.
 */

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "facts.h"

#define LEDGER_VERSION 1

typedef struct Ledger Ledger;

/* Creates the directories. TBSYNC_ERROR_FAILED naming the path if they cannot be made or written.
 */
Ledger *ledger_new(const char *directory, guint max_records, GError **error);

/* Waits for the writes that are under way, after a last try of those that failed. */
void ledger_free(Ledger *ledger);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ledger, ledger_free)

/* Told of each record that is stored, before ledger_put_async() returns; record == NULL: the oldest one, which is removed to make
 * place. (transfer none). Main thread. One watcher; changed == NULL: nobody. */
typedef void (*LedgerChanged)(const char *id, JsonObject *record, void *data);
void ledger_watch(Ledger *ledger, LedgerChanged changed, void *data);

/* A new, unused id for a question asked at real_ns about the guest `uuid`, which is after all others whatever the clock says.
 * (transfer full) */
char *ledger_new_id(Ledger *ledger, gint64 real_ns, const char *uuid);

/* Stores `record` (serialised at once) under `id`, replacing an older one. `callback` may be NULL:
 * a failure is then logged here, since nobody else would. */
void ledger_put_async(Ledger *ledger, const char *id, JsonObject *record,
                      GAsyncReadyCallback callback, void *data);
gboolean ledger_put_finish(Ledger *ledger, GAsyncResult *result, GError **error);

/* How many writes failed and wait for another try: see the top. */
guint ledger_unwritten(const Ledger *ledger);

/* How many of SPARE_FILES (spare-room.h) are used up, or could never be made. */
guint ledger_spare_missing(const Ledger *ledger);

/* The order of two ids: < 0 if `a` is the older one. */
int ledger_compare_ids(const char *a, const char *b);

/* Newest first, in the order of ledger_new_id(), `limit` at most (0 = all); (transfer container): array of borrowed ids. */
GPtrArray *ledger_ids(const Ledger *ledger, guint limit);

/* The record as JSON text, including a write still under way. TBSYNC_ERROR_NO_SUCH_MIGRATION.
 * (transfer full) */
char *ledger_get(const Ledger *ledger, const char *id, GError **error);

/* What this host knows of a guest's timebase between two migrations. */
typedef struct GuestEntry {
    gboolean offset_known;
    gint64 offset_ticks;   /* in force in the guest's QEMU process on this host */
    gint64 ahead_lo_ticks; /* guest TB minus real time since boot, bounds */
    gint64 ahead_hi_ticks;
    gboolean paused_here; /* was stopped and started on this host: QEMU's copy of the offset may be
                             stale */
    gboolean copy_synced; /* QEMU has read its registers since the last start: the copy is right. Only while events are heard */
} GuestEntry;

gboolean ledger_get_guest(const Ledger *ledger, const char *uuid, GuestEntry *ret);
void ledger_put_guest(Ledger *ledger, const char *uuid, const GuestEntry *entry);
void ledger_drop_guest(Ledger *ledger, const char *uuid);

/* Events were lost: any guest may have been paused and started. No entry is synced until it is put again. */
void ledger_forget_syncs(Ledger *ledger);

/* The relation with a peer over a restart: peers/NAME.json, written by peer-memory.c. The name may be anything; `object` gets
 * the version. (transfer none) */
void ledger_put_peer(Ledger *ledger, const char *name, JsonObject *object);
JsonObject *ledger_get_peer(const Ledger *ledger, const char *name); /* (transfer full) (nullable) */

/* The peers of the last answer of DNS: discovered.json, written by discover.c. */
void ledger_put_discovered(Ledger *ledger, JsonObject *object);
JsonObject *ledger_get_discovered(const Ledger *ledger); /* (transfer full) (nullable) */

/* Adds what the ledger knows of the guest's timebase, and of QEMU's copy of the offset, to facts that do not know it. Where they say
 * that the guest was started again (guests_find_finish()), an entry that knows of no pause is out of date. */
void ledger_fill_guest(const Ledger *ledger, GuestFacts *guest);
