/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files whose blocks are there already, so that a record can be written while the disk is full.
 *
 * Format first: SPARE_FILES files of SPARE_BYTES each, named 0, 1, ... in a directory of their own; what is in them means nothing. One that
 * is used is written over in place, cut to the length of the text, synced, and renamed to where the text belongs: no block and no inode has
 * to be found for it. Nobody else can take the room, as they could if it were freed first; a directory that has to grow for the new name may
 * still fail.
 *
 * For the writer's thread of the ledger alone, but for spare_room_missing().
 */

#include <gio/gio.h>

#define SPARE_FILES 16u
#define SPARE_BYTES (32u * 1024u) /* a record is some 10 kB */

typedef struct SpareRoom SpareRoom;

/* Makes nothing yet: what an earlier start left is taken by spare_room_fill(). */
SpareRoom *spare_room_new(const char *directory);
void spare_room_free(SpareRoom *room);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SpareRoom, spare_room_free)

/* Makes what is missing, as far as the disk lets it. TRUE: none is missing now, and one was before. */
gboolean spare_room_fill(SpareRoom *room);

/* Writes `text` durably to `path`, which is on the same file system and replaced, in one of the files. FALSE: none is left, it is too long, or
 * the disk fails otherwise; `path` is as it was. The caller syncs the directory of `path`. */
gboolean spare_room_write(SpareRoom *room, const char *path, const char *text);

/* How many files are missing. Any thread. */
guint spare_room_missing(const SpareRoom *room);
