/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Moves bytes between the far end of a bus's socketpair and a record stream (TLS), both non-blocking.
 *
 * At most one chunk is held for each direction, and only while the receiver is full: nothing more is read then, so
 * back-pressure reaches the sender through the kernel. An idle pump owns no heap. Knows no TLS and no loop: its owner calls
 * link_pump_run() when something became ready and then watches for what link_pump_wants() says.
 */

#include <glib.h>

#define LINK_PUMP_CHUNK_BYTES 16384u

typedef struct LinkPumpStream {
    /* > 0: bytes; 0: orderly end; -EAGAIN: nothing now; else negative: the stream is dead in this direction. */
    gssize (*recv)(void *stream, void *buffer, gsize size_bytes);
    /* As above. After -EAGAIN it is called again with the same bytes. */
    gssize (*send)(void *stream, const void *buffer, gsize size_bytes);
} LinkPumpStream;

typedef struct LinkPumpHeld {
    guint8 *bytes; /* NULL when empty */
    gsize size_bytes, done_bytes;
} LinkPumpHeld;

/* A plain value; fields are read by the owner and written here only. */
typedef struct LinkPump {
    int fd; /* the far end of the bus's socketpair; borrowed */
    const LinkPumpStream *ops;
    void *stream;
    LinkPumpHeld to_bus, to_stream;
    gboolean stream_ended; /* nothing more will come from the stream */
    gboolean stream_dead;  /* nothing more can be sent to it */
    gboolean bus_told;     /* that the stream has ended: the socketpair is shut down for writing */
    gboolean bus_ended;    /* nothing more will come from the bus */
    gboolean bus_dead;     /* the bus takes nothing any more */
    guint fed;             /* how often the bus was given something, the end of the stream included */
} LinkPump;

void link_pump_init(LinkPump *pump, int fd, const LinkPumpStream *ops, void *stream);
void link_pump_clear(LinkPump *pump);

/* Moves what can be moved, up to a fixed amount so that other sources get their turn. */
void link_pump_run(LinkPump *pump);

/* The same where it is known that only one side has something. */
void link_pump_run_some(LinkPump *pump, gboolean from_stream, gboolean from_bus);

/* All that came from the bus is sent, or cannot be, and nothing more will come. */
gboolean link_pump_is_flushed(const LinkPump *pump);

/* 0: do not watch at all, not even for hang-ups, which would spin under back-pressure. */
GIOCondition link_pump_wants_stream(const LinkPump *pump);
GIOCondition link_pump_wants_bus(const LinkPump *pump);
