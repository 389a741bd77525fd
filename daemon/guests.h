/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt: connection, events, per-guest state. The only includer of libvirt.h.
 *
 * A read-only connection, re-opened with back-off (0.5 s doubling to 30 s) whenever it is lost; all blocking calls, opening
 * included, run in threads of their own (guests-calls.h) that see only copies, each with a deadline; a late answer is
 * discarded and the number of outstanding calls is bounded. libvirt's default event implementation is on the
 * default GMainContext (libvirt src/util/vireventglib.c), which must be the daemon's; it is registered once per process, the
 * one thing here that two Guests share. Nothing here lists domains except guests_list_async() and guests_uuids_async(), which no
 * hook path may call.
 * Callbacks run in the main loop and must not free the Guests. Main thread only.
 */

#include <gio/gio.h>

#include "facts.h"

typedef struct Guests Guests;

typedef enum GuestsState {
    GUESTS_OFF,        /* URI is "": never connects */
    GUESTS_CONNECTING, /* an open is under way; calls are possible */
    GUESTS_UP,         /* events are told; calls are possible */
    GUESTS_DOWN,       /* lost or refused; guests_error() says why; a retry is scheduled */
} GuestsState;

/* What guests_find() says of a UUID on this host. */
typedef enum GuestRole {
    ROLE_ABSENT,        /* no such domain */
    ROLE_INACTIVE,      /* defined, not running: an offline migration */
    ROLE_ACTIVE,        /* running, not being migrated out */
    ROLE_MIGRATING_OUT, /* active, job operation 5 (outgoing migration) */
} GuestRole;

typedef enum GuestEventKind {
    GUEST_EVENT_DEFINED,         /* added to this host's guests, or its definition was replaced */
    GUEST_EVENT_DEFINED_CHANGED, /* started, stopped, undefined: facts may have changed */
    GUEST_EVENT_BOOTED,          /* Started/Booted: a new QEMU process, from whose offset all later ones count */
    GUEST_EVENT_INCOMING_STARTED, /* Started/Migrated: QEMU is up, paused */
    GUEST_EVENT_STOPPED_CPUS,    /* Suspended/Migrated on a source */
    GUEST_EVENT_RESUMED_CPUS,    /* Resumed/Migrated (or Post-copy) on a destination, or a source after a failure */
    GUEST_EVENT_SUSPENDED,       /* Suspended for any other reason */
    GUEST_EVENT_RESUMED_HERE,    /* Resumed for any other reason: paused and started on this host */
    GUEST_EVENT_LEFT,            /* Stopped/Migrated on a source */
    GUEST_EVENT_FAILED,          /* Stopped/Failed on a destination */
    GUEST_EVENT_STOPPED,         /* any other stop */
    GUEST_EVENT_QEMU_STOP,       /* raw QEMU STOP, qemu_real_ns valid */
    GUEST_EVENT_QEMU_RESUME,     /* raw QEMU RESUME, qemu_real_ns valid */
    GUEST_EVENT_QEMU_MIGRATION,  /* raw QEMU MIGRATION; detail = status */
    GUEST_EVENT_REGISTERS_SYNCED, /* QEMU has read its registers after the last start; see sync_registers */
    GUEST_EVENT_SYNC_FAILED,      /* it was asked to and did not; detail = why */
} GuestEventKind;

/* Events of the time without a connection are lost. Whenever the state becomes GUESTS_UP one GUEST_EVENT_DEFINED_CHANGED
 * with empty uuid and name says that any guest may have changed. */
typedef struct GuestEvent {
    GuestEventKind kind;
    const char *uuid;     /* lower case, with dashes */
    const char *name;
    const char *detail;   /* libvirt's own words of event and detail, or QEMU's status */
    gint64 seen_real_ns;  /* this host's CLOCK_REALTIME when libvirt told us */
    gint64 qemu_real_ns;  /* QEMU's own stamp, else 0 */
} GuestEvent;

typedef struct GuestsCallbacks {
    void (*event)(const GuestEvent *event, void *data);
    void (*state_changed)(void *data);  /* guests_state() or host facts changed */
} GuestsCallbacks;

typedef struct GuestsConfig {
    const char *uri;
    gboolean timing_events; /* second, read-write connection for raw QEMU events */
    gboolean sync_registers; /* after each start of a guest's CPUs (BOOTED, RESUMED_HERE, RESUMED_CPUS) QEMU is told "info registers" over
                              * a read-write connection, so that its copy of the timebase offset becomes what the kernel has. Taints
                              * the guest (custom-monitor) */
    guint open_deadline_ms; /* for connecting; 0: 10 s */
    guint retry_min_ms;     /* first wait before connecting again, doubled each time up to 30 s; 0: 0.5 s */
} GuestsConfig;

Guests *guests_new(const GuestsConfig *config, const GuestsCallbacks *callbacks, void *data);
void guests_free(Guests *guests);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Guests, guests_free)

GuestsState guests_state(const Guests *guests);
const char *guests_error(const Guests *guests); /* (nullable) one sentence */
gboolean guests_has_timing_events(const Guests *guests);
const char *guests_timing_error(const Guests *guests); /* (nullable) why they are wanted but not received: one sentence */

/* QEMU version and pseries machine types of libvirt's ppc64 emulator, once known; into facts. Asked for after each
 * connect, until there is an answer, and cached: libvirt's first one may take seconds, on a busy host more than we wait. */
void guests_fill_host_facts(const Guests *guests, HostFacts *facts);

/* One domain by UUID, also in GUESTS_CONNECTING: a peer's hook may come just after a start. Never lists. deadline in ms from
 * now; TBSYNC_ERROR_TIMEOUT, _UNAVAILABLE. */
void guests_find_async(Guests *guests, const char *uuid, guint deadline_ms, GCancellable *cancellable,
                       GAsyncReadyCallback callback, void *data);
/* ret_facts filled unless ROLE_ABSENT; FALSE on error. A guest whose state reason is "booted" was neither paused nor
 * moved since its QEMU process started here: tb_offset_ticks, ahead_lo_ticks and ahead_hi_ticks are then known to be 0,
 * since offsets count from that of the first start (core/offset.h). Of a running one that was stopped and started again here
 * ahead_lo_ticks and ahead_hi_ticks are known to be unbounded. */
gboolean guests_find_finish(Guests *guests, GAsyncResult *result, GuestRole *ret_role, GuestFacts *ret_facts,
                            GError **error);

/* One domain by name or UUID, as typed by an operator. TBSYNC_ERROR_NO_SUCH_GUEST. */
void guests_lookup_async(Guests *guests, const char *name_or_uuid, guint deadline_ms, GCancellable *cancellable,
                         GAsyncReadyCallback callback, void *data);
gboolean guests_lookup_finish(Guests *guests, GAsyncResult *result, GuestFacts *ret_facts, GError **error);

/* A guest's own timebase as QEMU tells it, read between two instants of CLOCK_BOOTTIME. */
typedef struct GuestTimebase {
    guint64 ticks;
    gint64 asked_boot_ns, answered_boot_ns;
} GuestTimebase;

/* QEMU is told "info registers" over a read-write connection, which taints the guest (custom-monitor). Only for guests under TCG:
 * under KVM QEMU does not know. A guest that is coming in answers once it has arrived. TBSYNC_ERROR_INVALID: QEMU's answer
 * shows no timebase. */
void guests_read_timebase_async(Guests *guests, const char *uuid, guint deadline_ms, GAsyncReadyCallback callback,
                                void *data);
gboolean guests_read_timebase_finish(GAsyncResult *result, GuestTimebase *ret, GError **error);

/* All domains; never from a hook. (transfer full) array of GuestFacts. */
void guests_list_async(Guests *guests, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                       void *data);
GArray *guests_list_finish(Guests *guests, GAsyncResult *result, GError **error);

/* The UUIDs of all domains, defined or running: one call to libvirt, however many they are. (transfer full) NULL-terminated. */
void guests_uuids_async(Guests *guests, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                        void *data);
GStrv guests_uuids_finish(Guests *guests, GAsyncResult *result, GError **error);
