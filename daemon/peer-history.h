/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bounds of one relation over the last day, in few points: plain memory, no clock, no I/O.
 *
 * While there is place each sample is a point; then every second one goes, and new ones are kept half as often. Once a day is
 * covered the oldest goes instead. The newest sample is always a point. A thousand peers have theirs in memory at all times, so
 * a point takes 16 bytes: bounds that are wider than 2^32 - 1 ticks (8 s) are none.
 */

#include <glib.h>

#include "interval.h"

#define PEER_HISTORY_POINTS    64
#define PEER_HISTORY_STRIDE_DS 10u               /* the exchanges of a burst are one point */
#define PEER_HISTORY_SPAN_DS   (24 * 3600 * 10u)

/* Bounds that held at that instant. */
typedef struct PeerHistoryPoint {
    gint64 lo_ticks;
    guint32 width_ticks;
    guint32 at_boot_ds; /* tenths of a second since boot, which lasts 13 years */
} PeerHistoryPoint;

/* Zeroed: empty. */
typedef struct PeerHistory {
    guint32 n;
    guint32 stride_ds; /* at least so much, and PEER_HISTORY_STRIDE_DS, lies between two points, the newest apart */
    PeerHistoryPoint points[PEER_HISTORY_POINTS]; /* the first n, oldest first */
} PeerHistory;

/* at_boot_ns: not before that of the newest point. */
void peer_history_add(PeerHistory *history, gint64 at_boot_ns, Interval ticks);

gint64 peer_history_at_boot_ns(const PeerHistoryPoint *point);
Interval peer_history_ticks(const PeerHistoryPoint *point);
