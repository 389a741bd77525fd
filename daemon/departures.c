/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "departures.h"

#include <string.h>

struct Departures {
    StampClock *stamps;
    GHashTable *watches; /* uuid -> Watch */
};

typedef struct Watch {
    Departures *departures;
    char *uuid;
    Departure departure;
    guint expiry;
    gboolean holds; /* the stamp clock, while stamps may come */
} Watch;

static void hold(Watch *watch)
{
    if (!watch->holds)
        stamp_clock_hold(watch->departures->stamps);
    watch->holds = TRUE;
}

static void release(Watch *watch)
{
    if (watch->holds)
        stamp_clock_release(watch->departures->stamps);
    watch->holds = FALSE;
}

static void watch_free(void *pointer)
{
    Watch *watch = pointer;

    g_clear_handle_id(&watch->expiry, g_source_remove);
    release(watch);
    g_free(watch->uuid);
    g_free(watch);
}

Departures *departures_new(StampClock *stamps)
{
    Departures *departures = g_new0(Departures, 1);

    departures->stamps = stamps;
    departures->watches = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, watch_free);
    return departures;
}

void departures_free(Departures *departures)
{
    if (!departures)
        return;
    g_hash_table_unref(departures->watches);
    g_free(departures);
}

static gboolean on_expiry(void *data)
{
    Watch *watch = data;

    watch->expiry = 0;
    g_hash_table_remove(watch->departures->watches, watch->uuid);
    return G_SOURCE_REMOVE;
}

static void postpone_expiry(Watch *watch)
{
    g_clear_handle_id(&watch->expiry, g_source_remove);
    watch->expiry = g_timeout_add_seconds(DEPARTURE_KEEP_S, on_expiry, watch);
}

void departures_watch(Departures *departures, const char *uuid)
{
    Watch *watch = g_hash_table_lookup(departures->watches, uuid);

    if (!watch) {
        watch = g_new0(Watch, 1);
        watch->departures = departures;
        watch->uuid = g_strdup(uuid);
        g_hash_table_insert(departures->watches, watch->uuid, watch);
    }
    hold(watch);
    watch->departure =
        (Departure){ .state = DEPARTURE_RUNNING, .watched = stamp_clock_now(departures->stamps) };
    postpone_expiry(watch);
}

static TbTicks later(TbTicks a, TbTicks b)
{
    return tb_minus(a, b) > 0 ? a : b;
}

static void take_qemu_stop(Watch *watch, const GuestEvent *event)
{
    Departure *departure = &watch->departure;
    StampBounds bounds;

    if (!stamp_clock_place(watch->departures->stamps, event->qemu_real_ns, &bounds))
        return;
    departure->state = DEPARTURE_STOPPED;
    departure->precise = TRUE;
    departure->stop_lo = later(bounds.lo, departure->watched);
    departure->stop_hi = later(bounds.hi, departure->watched);
}

static void take_seen_stop(Watch *watch)
{
    Departure *departure = &watch->departure;

    if (departure->state != DEPARTURE_RUNNING)
        return; /* QEMU's own word is better */
    departure->state = DEPARTURE_STOPPED;
    departure->precise = FALSE;
    departure->stop_lo = departure->watched;
    departure->stop_hi = stamp_clock_now(watch->departures->stamps);
}

void departures_event(Departures *departures, const GuestEvent *event)
{
    Watch *watch = event->uuid ? g_hash_table_lookup(departures->watches, event->uuid) : NULL;

    if (!watch)
        return;
    switch (event->kind) {
    case GUEST_EVENT_QEMU_STOP:
        take_qemu_stop(watch, event);
        break;
    case GUEST_EVENT_STOPPED_CPUS:
    case GUEST_EVENT_SUSPENDED:
        take_seen_stop(watch);
        break;
    case GUEST_EVENT_QEMU_RESUME:
    case GUEST_EVENT_RESUMED_CPUS:
    case GUEST_EVENT_RESUMED_HERE:
        /* Failed or aborted: the guest runs on here. A later stop counts from now. */
        watch->departure = (Departure){ .state = DEPARTURE_RUNNING,
                                        .watched = stamp_clock_now(departures->stamps) };
        break;
    case GUEST_EVENT_LEFT:
        take_seen_stop(watch);
        watch->departure.state = DEPARTURE_LEFT;
        release(watch);
        break;
    case GUEST_EVENT_DEFINED:
    case GUEST_EVENT_DEFINED_CHANGED:
    case GUEST_EVENT_BOOTED:
    case GUEST_EVENT_INCOMING_STARTED:
    case GUEST_EVENT_FAILED:
    case GUEST_EVENT_STOPPED:
    case GUEST_EVENT_QEMU_MIGRATION:
    case GUEST_EVENT_REGISTERS_SYNCED:
    case GUEST_EVENT_SYNC_FAILED:
        return;
    }
    postpone_expiry(watch);
}

Departure departures_get(const Departures *departures, const char *uuid)
{
    const Watch *watch = g_hash_table_lookup(departures->watches, uuid);

    return watch ? watch->departure : (Departure){ .state = DEPARTURE_UNKNOWN };
}

static const char *const state_names[] = {
    [DEPARTURE_UNKNOWN] = "unknown",
    [DEPARTURE_RUNNING] = "running",
    [DEPARTURE_STOPPED] = "stopped",
    [DEPARTURE_LEFT] = "left",
};

const char *departure_state_name(DepartureState state)
{
    return state_names[state];
}

gboolean departure_state_parse(const char *name, DepartureState *ret)
{
    for (gsize i = 0; i < G_N_ELEMENTS(state_names); i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *ret = (DepartureState)i;
            return TRUE;
        }
    }
    return FALSE;
}
