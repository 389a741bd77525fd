/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-pump.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Chunks per direction and run: 256 KiB, some 100 us of work. */
#define CHUNKS_PER_RUN 16

void link_pump_init(LinkPump *pump, int fd, const LinkPumpStream *ops, void *stream)
{
    *pump = (LinkPump) { .fd = fd, .ops = ops, .stream = stream };
}

static void held_clear(LinkPumpHeld *held)
{
    g_free(held->bytes);
    *held = (LinkPumpHeld) { 0 };
}

static void held_set(LinkPumpHeld *held, const guint8 *bytes, gsize size_bytes)
{
    g_assert(!held->bytes);
    held->bytes = g_malloc(size_bytes);
    memcpy(held->bytes, bytes, size_bytes);
    held->size_bytes = size_bytes;
}

void link_pump_clear(LinkPump *pump)
{
    held_clear(&pump->to_bus);
    held_clear(&pump->to_stream);
}

/* The two senders have one form: bytes taken, -EAGAIN, or the direction is dead. */
static gssize bus_send(LinkPump *pump, const guint8 *bytes, gsize size_bytes)
{
    gssize n;

    do
        n = send(pump->fd, bytes, size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN)
        pump->bus_dead = TRUE;
    pump->fed += n > 0;
    return n < 0 ? -errno : n;
}

static gssize stream_send(LinkPump *pump, const guint8 *bytes, gsize size_bytes)
{
    gssize n = pump->ops->send(pump->stream, bytes, size_bytes);

    if (n < 0 && n != -EAGAIN)
        pump->stream_dead = TRUE;
    return n;
}

typedef gssize (*Sender)(LinkPump *pump, const guint8 *bytes, gsize size_bytes);

/* Sends all of it and returns how much was taken; less than all only if the receiver is full or dead. */
static gsize send_all(LinkPump *pump, Sender sender, const guint8 *bytes, gsize size_bytes)
{
    gsize done = 0;

    while (done < size_bytes) {
        gssize n = sender(pump, bytes + done, size_bytes - done);

        if (n < 0)
            break;
        done += (gsize) n;
    }
    return done;
}

static gboolean held_flush(LinkPump *pump, LinkPumpHeld *held, Sender sender)
{
    held->done_bytes += send_all(pump, sender, held->bytes + held->done_bytes, held->size_bytes - held->done_bytes);
    if (held->done_bytes < held->size_bytes)
        return FALSE;
    held_clear(held);
    return TRUE;
}

static void pump_to_bus(LinkPump *pump)
{
    guint8 chunk[LINK_PUMP_CHUNK_BYTES];

    for (int i = 0; i < CHUNKS_PER_RUN && !pump->stream_ended && !pump->bus_dead; i++) {
        gssize n;
        gsize done;

        if (pump->to_bus.bytes && !held_flush(pump, &pump->to_bus, bus_send))
            break;
        n = pump->ops->recv(pump->stream, chunk, sizeof chunk);
        if (n == -EAGAIN)
            break;
        if (n <= 0) {
            pump->stream_ended = TRUE;
            break;
        }
        done = send_all(pump, bus_send, chunk, (gsize) n);
        if (done < (gsize) n)
            held_set(&pump->to_bus, chunk + done, (gsize) n - done);
    }
    if (pump->to_bus.bytes && !pump->bus_dead)
        held_flush(pump, &pump->to_bus, bus_send);
    if (pump->bus_dead)
        held_clear(&pump->to_bus);
    if (pump->stream_ended && !pump->to_bus.bytes && !pump->bus_told) {
        shutdown(pump->fd, SHUT_WR);
        pump->bus_told = TRUE;
        pump->fed++;
    }
}

static void pump_to_stream(LinkPump *pump)
{
    guint8 chunk[LINK_PUMP_CHUNK_BYTES];

    for (int i = 0; i < CHUNKS_PER_RUN && !pump->stream_dead; i++) {
        gssize n;
        gsize done;

        if (pump->to_stream.bytes && !held_flush(pump, &pump->to_stream, stream_send))
            break;
        if (pump->bus_ended)
            break;
        n = recv(pump->fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            pump->bus_ended = TRUE;
            break;
        }
        done = send_all(pump, stream_send, chunk, (gsize) n);
        if (done < (gsize) n)
            held_set(&pump->to_stream, chunk + done, (gsize) n - done);
        if (n < (gssize) sizeof chunk)
            break; /* that was all; the end shows in the next run */
    }
    if (pump->stream_dead)
        held_clear(&pump->to_stream);
}

void link_pump_run(LinkPump *pump)
{
    link_pump_run_some(pump, TRUE, TRUE);
}

void link_pump_run_some(LinkPump *pump, gboolean from_stream, gboolean from_bus)
{
    if (from_stream)
        pump_to_bus(pump);
    if (from_bus)
        pump_to_stream(pump);
    /* A peer that refuses us says why and hangs up: our send fails, and its reason is still to be read. Whatever is
     * there is taken, and then the stream is over in this direction too. */
    if (pump->stream_dead && !pump->stream_ended && !pump->to_bus.bytes) {
        pump_to_bus(pump);
        if (!pump->to_bus.bytes && !pump->stream_ended) {
            pump->stream_ended = TRUE;
            pump_to_bus(pump);
        }
    }
}

gboolean link_pump_is_flushed(const LinkPump *pump)
{
    return pump->stream_dead || (pump->bus_ended && !pump->to_stream.bytes);
}

GIOCondition link_pump_wants_stream(const LinkPump *pump)
{
    GIOCondition wants = 0;

    if (!pump->stream_ended && !pump->to_bus.bytes && !pump->bus_dead)
        wants |= G_IO_IN;
    if (pump->to_stream.bytes)
        wants |= G_IO_OUT;
    return wants;
}

GIOCondition link_pump_wants_bus(const LinkPump *pump)
{
    GIOCondition wants = 0;

    if (!pump->bus_ended && !pump->to_stream.bytes && !pump->stream_dead)
        wants |= G_IO_IN;
    if (pump->to_bus.bytes)
        wants |= G_IO_OUT;
    return wants;
}
