/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bounds of one relation over the last day, in few points: plain memory, no clock, no I/O.
 *
 * While there is place each sample is a point; then every second one goes, and new ones are kept half as often. Once a day is
 * covered the oldest goes instead. The newest sample is always a point.
 */

#include <glib.h>

#include "interval.h"

#define PEER_HISTORY_POINTS  96
#define PEER_HISTORY_STRIDE_MIN_NS G_GINT64_CONSTANT(1000000000) /* the exchanges of a burst are one point */
#define PEER_HISTORY_SPAN_NS (24 * 3600 * G_GINT64_CONSTANT(1000000000))

/* Bounds that held at that instant. */
typedef struct PeerHistoryPoint {
    gint64 at_boot_ns;
    Interval ticks; /* bounded */
} PeerHistoryPoint;

/* Zeroed: empty. */
typedef struct PeerHistory {
    guint n;
    gint64 stride_ns; /* at least so much, and a second, lies between two points, the newest apart */
    PeerHistoryPoint points[PEER_HISTORY_POINTS]; /* the first n, oldest first */
} PeerHistory;

/* at_boot_ns: not before that of the newest point. */
void peer_history_add(PeerHistory *history, gint64 at_boot_ns, Interval ticks);
