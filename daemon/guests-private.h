/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between guests.c, which is the door to libvirt, and guests-session.c, which keeps connections up
 * and implements the rest of guests.h without any libvirt. Nobody else but tests/test-guests.c
 * includes this.
 */

#include "guests.h"
#include "crew.h"
#include "guests-caps.h"

/* One connection. References are counted atomically: the session, the thread that opens or closes
 * it and libvirt's callbacks each hold one. */
typedef struct GuestsConn GuestsConn;

/* Where a connection delivers, in the main thread, until it is detached. */
typedef struct GuestsSink {
    void (*event)(const GuestEvent *event, void *data);
    void (*closed)(GuestsConn *conn, const char *reason,
                   void *data); /* once opened or while opening */
    void *data;
} GuestsSink;

/* Not yet opened. (transfer full) */
GuestsConn *guests_conn_new(const char *uri, gboolean timing, const GuestsSink *sink, Crew *crew);
void *guests_conn_ref(void *conn);
void guests_conn_unref(void *conn);

/* A CallRun on a reference of its own: opens and registers for events. Returns a further reference.
 */
void *guests_conn_open(void *conn, GError **error);

/* sink.data; NULL after guests_conn_detach(), which stops all delivery. Main thread. */
void *guests_conn_owner(const GuestsConn *conn);
void guests_conn_detach(GuestsConn *conn);

/* The other end has closed it. Main thread. */
gboolean guests_conn_is_lost(const GuestsConn *conn);

/* Detaches and closes an opened connection in a thread; takes the reference over. Main thread. */
void guests_conn_discard(void *conn);

typedef struct GuestsHostAnswer {
    GuestsCaps caps;
    guint32 qemu_version; /* 0: unknown */
} GuestsHostAnswer;

typedef struct GuestsFound {
    GuestRole role;
    GuestFacts facts; /* all unknown if absent */
} GuestsFound;

/* Input of the calls below: a connection, open or being opened, and a guest (UUID; as typed, for a lookup; "" for
 * host and list). */
void *guests_ask_new(GuestsConn *conn, const char *guest);
void guests_ask_free(void *input);

/* CallRun: GuestsHostAnswer, GuestsFound, GuestFacts (all g_free()), GArray of GuestFacts, GStrv. */
void *guests_ask_host(void *input, GError **error);
void *guests_ask_find(void *input, GError **error);
void *guests_ask_lookup(void *input, GError **error);
void *guests_ask_list(void *input, GError **error);
void *guests_ask_uuids(void *input, GError **error);

/* CallRun on a UUID: tells QEMU "info registers", over a connection that may write. Returns a token, g_free(). */
void *guests_ask_sync(void *input, GError **error);

/* CallRun on a UUID: the same, for its answer. Returns a GuestTimebase, g_free(). */
void *guests_ask_timebase(void *input, GError **error);

/* The timebase in the text of "info registers". */
gboolean guests_parse_timebase(const char *text, guint64 *ret_ticks);

/* Once per process, before each connection: what failed is tried again by the next one, which fails meanwhile. */
void guests_libvirt_init(void);

/* libvirt's numbers of a lifecycle event -> kind and words; a detail newer than the table gives the
 * event's own row. NULL for an unknown event. */
typedef struct LifecycleRow {
    int event;
    int detail; /* -1: any other */
    GuestEventKind kind;
    const char *words;
} LifecycleRow;
const LifecycleRow *guests_lifecycle_row(int event, int detail);

/* A raw QEMU event; FALSE if it is none of ours. ret_status: of MIGRATION, else "" (transfer full).
 */
gboolean guests_monitor_event(const char *name, const char *details, GuestEventKind *ret_kind,
                              char **ret_status);
