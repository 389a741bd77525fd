/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The TLS half of a link; with link-cert.c, which reads certificates for people, the only includer of gnutls.h: credentials, session, identity of the peer.
 *
 * Knows no loop, no D-Bus and no peer list: link.c waits for what the session asks for, and decides whether a name is a
 * peer. The functions of LinkTls are declared in link.h, where their users look.
 */

#include "error.h"
#include "link.h"

typedef struct LinkSession LinkSession;

typedef enum LinkSessionStep {
    LINK_SESSION_READ,   /* blocked: again when the socket is readable */
    LINK_SESSION_WRITE,  /* blocked: again when it is writable */
    LINK_SESSION_DONE,
    LINK_SESSION_FAILED, /* link_session_error() says why; an alert was sent if that makes sense */
} LinkSessionStep;

/* fd: connected and non-blocking, borrowed. expected_name: whom we dial, or NULL when accepting. who: how messages name the
 * peer ("peer beta at 10.77.0.2:16524"). NULL with error set if GnuTLS refuses. */
LinkSession *link_session_new(LinkTls *tls, int fd, const char *expected_name, const char *who, GError **error);
void link_session_free(LinkSession *session);

LinkSessionStep link_session_handshake(LinkSession *session);

/* After DONE: certificate chain, dates, CRL, key purpose, and the expected name when dialling. The names by which the peer
 * may be known, as link-names makes them (transfer full); NULL on failure, and the peer was told by an alert. */
GPtrArray *link_session_identify(LinkSession *session, GError **error);

/* Last step before the first byte of D-Bus: sends session tickets when accepting. */
void link_session_welcome(LinkSession *session);

/* Sends the alert "access denied". */
void link_session_deny(LinkSession *session);

/* Whether an alert tells the peer why it is refused. */
gboolean link_session_has_alerted(const LinkSession *session);

/* For LinkPump: `session` is a LinkSession. */
gssize link_session_recv(void *session, void *buffer, gsize size_bytes);
gssize link_session_send(void *session, const void *buffer, gsize size_bytes);

/* Decrypted bytes wait inside: the socket may stay silent about them. */
gboolean link_session_has_pending(const LinkSession *session);

/* Tells the peer, as far as the socket takes it, that we are done. */
void link_session_bye(LinkSession *session);

gboolean link_session_is_resumed(const LinkSession *session);

/* Why handshake, recv or send ended; NULL if nothing but an orderly end was seen. (transfer full) */
GError *link_session_error(const LinkSession *session);

/* The chain against other credentials. */
gboolean link_session_recheck(const LinkSession *session, LinkTls *tls, GError **error);
