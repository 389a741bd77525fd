/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer-history.h"

#include <string.h>

#include "units.h"

#define NS_PER_DS (NS_PER_S / 10)

/* The newest, which has an odd place in a full array, stays. */
static void history_thin(PeerHistory *self)
{
    guint32 span_ds = self->points[self->n - 1].at_boot_ds - self->points[0].at_boot_ds;

    for (guint i = 1; i < self->n; i += 2)
        self->points[i / 2] = self->points[i];
    self->n /= 2;
    self->stride_ds = span_ds / self->n;
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
    if (self->points[self->n - 1].at_boot_ds - self->points[0].at_boot_ds < PEER_HISTORY_SPAN_DS)
        history_thin(self);
    else
        history_drop_oldest(self);
}

void peer_history_add(PeerHistory *self, gint64 at_boot_ns, Interval ticks)
{
    guint32 stride_ds = MAX(self->stride_ds, PEER_HISTORY_STRIDE_DS);
    gboolean replaces = self->n >= 2 && self->points[self->n - 1].at_boot_ds - self->points[self->n - 2].at_boot_ds < stride_ds;
    gint64 width_ticks;

    if (!interval_is_bounded(ticks) || __builtin_sub_overflow(ticks.hi, ticks.lo, &width_ticks) || width_ticks > G_MAXUINT32)
        return;
    if (replaces)
        self->n--;
    else
        history_make_place(self);
    self->points[self->n++] = (PeerHistoryPoint){
        .lo_ticks = ticks.lo,
        .width_ticks = (guint32)width_ticks,
        .at_boot_ds = (guint32)(at_boot_ns / NS_PER_DS),
    };
}

gint64 peer_history_at_boot_ns(const PeerHistoryPoint *point)
{
    return (gint64)point->at_boot_ds * NS_PER_DS;
}

/* hi fits: it was one. */
Interval peer_history_ticks(const PeerHistoryPoint *point)
{
    return interval_of(point->lo_ticks, point->lo_ticks + (gint64)point->width_ticks);
}
