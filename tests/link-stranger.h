/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Somebody at the other end of a TCP connection who is not us: any certificate or none, any TLS version, or no TLS at
 * all. Runs in a thread with blocking calls, so that it shares nothing with the code under test. For tests only. */

#include <glib.h>

typedef enum StrangerEnd {
    STRANGER_READS,  /* reads until the other end closes */
    STRANGER_CLOSES, /* closes after its words */
    STRANGER_RESETS, /* the same with a reset */
} StrangerEnd;

typedef struct StrangerPlan {
    /* TLS, unless `words` is set */
    const char *certificate_file, *key_file; /* (nullable): sends none */
    const char *priority;                    /* (nullable): GnuTLS' default */
    gboolean one_byte_at_a_time;
    gboolean no_greeting;                    /* says nothing after the handshake */
    const void *flood;                       /* (nullable) sent over TLS behind the greeting, again and again, unread */
    gsize flood_bytes;
    /* no TLS: these bytes and nothing else */
    const void *words;
    gsize words_bytes;
    StrangerEnd end;
} StrangerPlan;

typedef struct StrangerResult {
    gboolean handshake_done; /* as seen from the stranger's side */
    int alert;               /* the last one it received, or -1 */
    gsize received_bytes;    /* after the handshake; plain bytes if it speaks no TLS */
} StrangerResult;

typedef struct Stranger Stranger;

/* Connects to 127.0.0.1:port. After a handshake it sends a D-Bus greeting, as an attacker would. */
Stranger *stranger_connect(guint16 port, const StrangerPlan *plan);

/* Listens, and serves one connection. */
Stranger *stranger_listen(const StrangerPlan *plan, guint16 *ret_port);

/* Waits for it to end. */
StrangerResult stranger_join(Stranger *stranger);
