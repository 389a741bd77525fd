/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Guests on their way out: when their CPUs stopped here, and what their own timebase was then, for the audit on the other side.
 *
 * A guest is watched from the moment a peer asked for it and it was being migrated out. QEMU's own
 * STOP stamp is taken where raw events are received; else the stop lies between the question and
 * libvirt's word that it had happened: wider, and said so. A guest's own timebase is read, if a reader is set, when the watch
 * begins and once more when the guest has stopped, which is exact if QEMU still answers then. Main thread only.
 */

#include <glib.h>

#include "guest-tb.h"
#include "guests.h"
#include "stamp-clock.h"

typedef struct Departures Departures;

typedef enum DepartureState {
    DEPARTURE_UNKNOWN, /* not watched here */
    DEPARTURE_RUNNING, /* watched, its CPUs still run here. Left by STOPPED */
    DEPARTURE_STOPPED, /* its CPUs stopped: stop_* hold. Left by LEFT, or by RUNNING when it was
                          started here again */
    DEPARTURE_LEFT,    /* its QEMU ended here after the migration: stop_* hold */
} DepartureState;

typedef struct Departure {
    DepartureState state;
    TbTicks watched;          /* this host's timebase when the watch began: the guest ran */
    TbTicks stop_lo, stop_hi; /* bounds on this host's timebase at the stop; STOPPED and LEFT */
    gboolean precise;         /* from QEMU's own stamp */
    gboolean guest_known;     /* then: */
    GuestTbBounds guest_tb;   /* the guest's own timebase at the stop */
} Departure;

/* Reads the timebase of a guest as guests_read_timebase_async(); `done` comes once, later, also after departures_free(). `read` is NULL
 * on error. */
typedef void (*GuestTimebaseDone)(const GuestTimebase *read, const GError *error, void *done_data);
typedef void (*GuestTimebaseReader)(const char *uuid, GuestTimebaseDone done, void *done_data, void *data);

/* How long a guest that runs is watched: its memory may take hours to move. How long a departure is kept after the last event. */
#define DEPARTURE_WATCH_S (6 * 3600)
#define DEPARTURE_KEEP_S  3600

Departures *departures_new(StampClock *stamps);
void departures_free(Departures *departures);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Departures, departures_free)

/* Before the first watch. Without one no guest is asked. */
void departures_set_reader(Departures *departures, GuestTimebaseReader read, void *data);

/* reads: the guest's own timebase can be read, as it can under TCG. A guest whose stop is known, and that was not started since,
 * stays STOPPED. */
void departures_watch(Departures *departures, const char *uuid, gboolean reads);
void departures_event(Departures *departures, const GuestEvent *event);
Departure departures_get(const Departures *departures, const char *uuid);

/* "unknown", "running", "stopped", "left" */
const char *departure_state_name(DepartureState state);
gboolean departure_state_parse(const char *name, DepartureState *ret);
