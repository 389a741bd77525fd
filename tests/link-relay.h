/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Somebody on the way between two ends of a TCP connection, who changes one byte. For tests only. */

#include <glib.h>

typedef struct LinkRelay LinkRelay;

typedef struct LinkRelayPlan {
    guint16 port;           /* where to relay to, on 127.0.0.1 */
    gboolean from_listener; /* change what comes back, not what goes there */
    gsize at_bytes;         /* which byte of that direction */
    guint8 flip;            /* is XORed into it; 0 changes nothing */
} LinkRelayPlan;

/* Relays one connection, in a thread of its own, until either end closes. */
LinkRelay *link_relay_new(const LinkRelayPlan *plan, guint16 *ret_port);

/* Waits for it. */
void link_relay_join(LinkRelay *relay);
