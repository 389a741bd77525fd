/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which guests this host has, running or defined: listed once libvirt is there, and followed by its events.
 *
 * For hints to peers only (guest-marks.h): between an event and the next listing a guest that is gone is still among them, and a
 * change is told a moment later, with those that came after it. While libvirt is away the last ones known stand. Calls libvirt in
 * threads of guests.h; nothing that a hook waits for waits for this. Main thread only.
 */

#include "guests.h"

typedef struct Residents Residents;

typedef struct ResidentsParams {
    Guests *guests; /* must outlive the Residents; its events go to residents_event() */
    /* They are others than before, or known for the first time. uuids: `n` of them, borrowed. */
    void (*changed)(const char *const *uuids, gsize n, void *data);
    void *data;
    guint tell_ms;  /* from a change to `changed`; 0: 100 */
    guint list_ms;  /* from an event that may have taken a guest away to the listing; 0: 1000 */
    guint retry_ms; /* from a listing that failed to the next; 0: 10000 */
} ResidentsParams;

Residents *residents_new(const ResidentsParams *params);
void residents_free(Residents *residents);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Residents, residents_free)

void residents_event(Residents *residents, const GuestEvent *event);
