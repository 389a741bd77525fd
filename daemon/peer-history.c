/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer-history.h"

#include <string.h>

/* The newest, which has an odd place in a full array, stays. */
static void history_thin(PeerHistory *self)
{
    gint64 span_ns = self->points[self->n - 1].at_boot_ns - self->points[0].at_boot_ns;

    for (guint i = 1; i < self->n; i += 2)
        self->points[i / 2] = self->points[i];
    self->n /= 2;
    self->stride_ns = span_ns / self->n;
}

static void history_drop_oldest(PeerHistory *self)
{
    self->n--;
    memmove(self->points, self->points + 1, self->n * sizeof self->points[0]);
}

static void history_make_place(PeerHistory *self)
{
    if (self->n < PEER_HISTORY_POINTS)
        return;
    if (self->points[self->n - 1].at_boot_ns - self->points[0].at_boot_ns < PEER_HISTORY_SPAN_NS)
        history_thin(self);
    else
        history_drop_oldest(self);
}

void peer_history_add(PeerHistory *self, gint64 at_boot_ns, Interval ticks)
{
    gint64 stride_ns = MAX(self->stride_ns, PEER_HISTORY_STRIDE_MIN_NS);
    gboolean replaces = self->n >= 2 && self->points[self->n - 1].at_boot_ns - self->points[self->n - 2].at_boot_ns < stride_ns;

    if (replaces)
        self->n--;
    else
        history_make_place(self);
    self->points[self->n++] = (PeerHistoryPoint){ at_boot_ns, ticks };
}
