/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The TCP side of a link: dialling without blocking, socket options, addresses as text. Knows no TLS.
 *
 * Names are resolved in GLib's resolver threads; no proxy is ever used. Call-backs come from the thread-default context
 * of the call to link_socket_dial().
 */

#include <gio/gio.h>

typedef struct LinkSocketDial LinkSocketDial;

/* Once, unless cancelled. fd: connected (transfer full), or -1 with error set. */
typedef void (*LinkSocketDone)(int fd, const GError *error, void *data);

/* address: host name or IP literal. Never fails at once, and has no deadline of its own. */
LinkSocketDial *link_socket_dial(const char *address, guint16 port, LinkSocketDone done, void *data);

/* No call-back after it; releases, also after completion. NULL is fine. */
void link_socket_dial_cancel(LinkSocketDial *dial);

/* Non-blocking, close-on-exec, no delay for small segments, and dead peers found within half a minute. */
gboolean link_socket_prepare(int fd, GError **error);

/* "10.77.0.2:16524", "[fe80::1]:16524"; v4-mapped addresses as v4. NULL if the socket is not connected any
 * more: a reset takes the address with it. (transfer full) (nullable) */
char *link_socket_remote(int fd);

/* The same for an address that is not yet resolved. (transfer full) */
char *link_socket_text(const char *address, guint16 port);
