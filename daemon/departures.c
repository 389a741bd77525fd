/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "departures.h"

#include <string.h>

#include "relation.h"

struct Departures {
    StampClock *stamps;
    GHashTable *watches; /* uuid -> Watch */
    GuestTimebaseReader read; /* (nullable) */
    void *read_data;
};

typedef struct Watch {
    Departures *departures;
    char *uuid;
    Departure departure;
    guint expiry;
    gboolean holds; /* the stamp clock, while stamps may come */
    gboolean reads;
    guint turn;     /* counts watches and starts: what was read in another one is not of this stop */
    gboolean asked; /* since the stop */
    GuestTbReading reading; /* the latest of this turn */
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
    g_hash_table_remove_all(departures->watches); /* answers that come later hold the table */
    g_hash_table_unref(departures->watches);
    g_free(departures);
}

void departures_set_reader(Departures *departures, GuestTimebaseReader read, void *data)
{
    departures->read = read;
    departures->read_data = data;
}

/* ---- the guest's own timebase ---- */

typedef struct Asked {
    GHashTable *watches;
    char *uuid;
    guint turn;
} Asked;

static void on_read(const GuestTimebase *read, const GError *error, void *data)
{
    Asked *asked = data;
    Watch *watch = g_hash_table_lookup(asked->watches, asked->uuid);
    GuestTbReading reading = { .known = true };

    if (error)
        g_debug("guest %s: its timebase is not known: %s", asked->uuid, error->message);
    if (read && watch && watch->turn == asked->turn) {
        reading.guest = tb_ticks(read->ticks);
        stamp_clock_place_boot(watch->departures->stamps, read->asked_boot_ns, read->answered_boot_ns, &reading.host_lo,
                               &reading.host_hi);
        if (!watch->reading.known || tb_minus(reading.host_lo, watch->reading.host_lo) > 0)
            watch->reading = reading;
    }
    g_hash_table_unref(asked->watches);
    g_free(asked->uuid);
    g_free(asked);
}

static void ask_timebase(const Watch *watch)
{
    const Departures *departures = watch->departures;
    Asked *asked;

    if (!departures->read || !watch->reads)
        return;
    asked = g_new0(Asked, 1);
    asked->watches = g_hash_table_ref(departures->watches);
    asked->uuid = g_strdup(watch->uuid);
    asked->turn = watch->turn;
    departures->read(watch->uuid, on_read, asked, departures->read_data);
}

/* It runs here, from now on as far as we know. */
static void begin_turn(Watch *watch)
{
    watch->departure =
        (Departure){ .state = DEPARTURE_RUNNING, .watched = stamp_clock_now(watch->departures->stamps) };
    watch->turn++;
    watch->asked = FALSE;
    watch->reading.known = false;
    ask_timebase(watch);
}

static void ask_once_stopped(Watch *watch)
{
    if (!watch->asked)
        ask_timebase(watch);
    watch->asked = TRUE;
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
    gboolean runs = watch->departure.state == DEPARTURE_RUNNING;

    g_clear_handle_id(&watch->expiry, g_source_remove);
    watch->expiry = g_timeout_add_seconds(runs ? DEPARTURE_WATCH_S : DEPARTURE_KEEP_S, on_expiry, watch);
}

void departures_watch(Departures *departures, const char *uuid, gboolean reads)
{
    Watch *watch = g_hash_table_lookup(departures->watches, uuid);

    if (!watch) {
        watch = g_new0(Watch, 1);
        watch->departures = departures;
        watch->uuid = g_strdup(uuid);
        g_hash_table_insert(departures->watches, watch->uuid, watch);
    }
    /* Whoever asks once more may do so when the guest is dark already: that it was started again we would have heard. */
    if (watch->departure.state != DEPARTURE_STOPPED) {
        hold(watch);
        watch->reads = reads;
        begin_turn(watch);
    }
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

static gboolean is_stopped(void *uuid, void *watch, void *data)
{
    return ((const Watch *)watch)->departure.state == DEPARTURE_STOPPED;
}

void departures_event(Departures *departures, const GuestEvent *event)
{
    Watch *watch = event->uuid ? g_hash_table_lookup(departures->watches, event->uuid) : NULL;

    /* Events were lost: a guest that stopped may run again. One that ran may have stopped: then its end is heard, or nothing. */
    if (event->kind == GUEST_EVENT_DEFINED_CHANGED && event->uuid && !*event->uuid)
        g_hash_table_foreach_remove(departures->watches, is_stopped, NULL);
    if (!watch)
        return;
    switch (event->kind) {
    case GUEST_EVENT_QEMU_STOP:
        take_qemu_stop(watch, event);
        ask_once_stopped(watch);
        break;
    case GUEST_EVENT_STOPPED_CPUS:
    case GUEST_EVENT_SUSPENDED:
        take_seen_stop(watch);
        ask_once_stopped(watch);
        break;
    case GUEST_EVENT_QEMU_RESUME:
    case GUEST_EVENT_RESUMED_CPUS:
    case GUEST_EVENT_RESUMED_HERE:
        /* Failed or aborted: the guest runs on here. A later stop counts from now. */
        begin_turn(watch);
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
    Departure departure = watch ? watch->departure : (Departure){ .state = DEPARTURE_UNKNOWN };
    GuestTbQuery query = { .limit = departure.stop_hi,
                           .host_hz = stamp_clock_frequency_hz(departures->stamps),
                           .rate_ppb = RELATION_TOD_DRIFT_PPB_DEFAULT };

    if ((departure.state != DEPARTURE_STOPPED && departure.state != DEPARTURE_LEFT) || !watch->reading.known)
        return departure;
    query.reading = watch->reading;
    departure.guest_known = TRUE;
    departure.guest_tb = guest_tb_at_stop(&query);
    return departure;
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
