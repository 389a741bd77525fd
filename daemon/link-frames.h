/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Watches a peer's bytes on their way to sd-bus, and stops a message that is too long before sd-bus makes room for it.
 *
 * sd-bus itself takes up to 128 MiB from whoever is connected. This is no parser: it knows where a message begins and how long it says
 * it is, and leaves all else to sd-bus. Pure, bounded, no allocation.
 */

#include <glib.h>

#define LINK_FRAMES_MESSAGE_MAX_BYTES (2u * 1024u * 1024u)
#define LINK_FRAMES_LINE_MAX_BYTES 4096u

typedef enum LinkFramesPhase {
    LINK_FRAMES_LINES,   /* authentication: lines that end in CR LF, up to BEGIN (from a client) or OK (from a server) */
    LINK_FRAMES_HEADER,  /* the 16 fixed bytes of a message */
    LINK_FRAMES_REST,    /* what the header announced */
    LINK_FRAMES_REFUSED, /* nothing may pass any more; link_frames_refusal() says why */
} LinkFramesPhase;

/* A plain value; written here only. */
typedef struct LinkFrames {
    LinkFramesPhase phase;
    gboolean from_client;
    gboolean past_nul;         /* a client's stream begins with one NUL */
    guint8 head[16];           /* of the line or message under way */
    gsize have_bytes;          /* of the line or header */
    guint8 last;               /* byte of the line */
    guint64 rest_bytes;
    const char *refusal;
} LinkFrames;

void link_frames_init(LinkFrames *frames, gboolean from_client);

/* FALSE: these bytes must not reach sd-bus. */
gboolean link_frames_pass(LinkFrames *frames, const guint8 *bytes, gsize size_bytes);

/* (nullable) static */
const char *link_frames_refusal(const LinkFrames *frames);
