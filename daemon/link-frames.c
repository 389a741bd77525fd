/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-frames.h"

#include <string.h>

#define HEADER_BYTES 16u

void link_frames_init(LinkFrames *frames, gboolean from_client)
{
    *frames = (LinkFrames) { .phase = LINK_FRAMES_LINES, .from_client = from_client };
}

const char *link_frames_refusal(const LinkFrames *frames)
{
    return frames->refusal;
}

static void frames_refuse(LinkFrames *frames, const char *why)
{
    frames->phase = LINK_FRAMES_REFUSED;
    frames->refusal = why;
}

/* The line that ends authentication, by the rule that sd-bus uses: the word, then a space or the end of the line. */
static gboolean frames_line_is_last(const LinkFrames *frames, gsize line_bytes)
{
    const char *word = frames->from_client ? "BEGIN" : "OK";
    gsize size_bytes = strlen(word);

    return line_bytes >= size_bytes && memcmp(frames->head, word, size_bytes) == 0 &&
           (line_bytes == size_bytes || frames->head[size_bytes] == ' ');
}

static void frames_take_line_byte(LinkFrames *frames, guint8 byte)
{
    gboolean ends = frames->last == '\r' && byte == '\n';

    if (frames->from_client && !frames->past_nul) {
        frames->past_nul = TRUE;
        if (byte != 0)
            frames_refuse(frames, "what it sends is not D-Bus");
        return;
    }
    if (frames->have_bytes < sizeof frames->head)
        frames->head[frames->have_bytes] = byte;
    frames->have_bytes++;
    frames->last = byte;
    if (ends) {
        if (frames_line_is_last(frames, frames->have_bytes - 2))
            frames->phase = LINK_FRAMES_HEADER;
        frames->have_bytes = 0;
        frames->last = 0;
    } else if (frames->have_bytes > LINK_FRAMES_LINE_MAX_BYTES) {
        frames_refuse(frames, "it sends a D-Bus authentication line of more than 4 KiB");
    }
}

static guint64 frames_number(const LinkFrames *frames, guint at)
{
    guint32 value;

    memcpy(&value, frames->head + at, sizeof value);
    return frames->head[0] == 'l' ? GUINT32_FROM_LE(value) : GUINT32_FROM_BE(value);
}

/* Header: byte order, type, flags, version, body length, serial, length of the fields (padded to 8). */
static void frames_take_header(LinkFrames *frames)
{
    guint64 body_bytes = frames_number(frames, 4);
    guint64 fields_bytes = (frames_number(frames, 12) + 7) / 8 * 8;

    frames->have_bytes = 0;
    frames->rest_bytes = body_bytes + fields_bytes;
    frames->phase = frames->rest_bytes > 0 ? LINK_FRAMES_REST : LINK_FRAMES_HEADER;
    if (frames->head[0] != 'l' && frames->head[0] != 'B')
        frames_refuse(frames, "what it sends is not D-Bus");
    else if (HEADER_BYTES + frames->rest_bytes > LINK_FRAMES_MESSAGE_MAX_BYTES)
        frames_refuse(frames, "it sends a D-Bus message of more than 2 MiB");
}

gboolean link_frames_pass(LinkFrames *frames, const guint8 *bytes, gsize size_bytes)
{
    gsize at = 0;

    while (at < size_bytes && frames->phase != LINK_FRAMES_REFUSED) {
        if (frames->phase == LINK_FRAMES_LINES) {
            frames_take_line_byte(frames, bytes[at++]);
        } else if (frames->phase == LINK_FRAMES_HEADER) {
            frames->head[frames->have_bytes++] = bytes[at++];
            if (frames->have_bytes == HEADER_BYTES)
                frames_take_header(frames);
        } else {
            gsize part = (gsize) MIN(frames->rest_bytes, (guint64) (size_bytes - at));

            at += part;
            frames->rest_bytes -= part;
            if (frames->rest_bytes == 0)
                frames->phase = LINK_FRAMES_HEADER;
        }
    }
    return frames->phase != LINK_FRAMES_REFUSED;
}
