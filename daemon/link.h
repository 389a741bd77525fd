/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One TLS connection turned into an sd-bus. The only includer of gnutls.h.
 *
 * TLS 1.3, both certificates, GnuTLS on a non-blocking socket in the GLib loop. The peer's certificate chain, dates, CRL, key
 * purpose and name are checked in one function before the first byte of D-Bus is read; after that one end of a socketpair
 * goes to sd_bus_set_fd() and this module moves bytes between the other end and the TLS session with bounded buffers: back-pressure
 * is the kernel's. The listening side is the sd-bus server. Nothing unauthenticated reaches a D-Bus parser.
 *
 * In TLS 1.3 the dialling side is up before the other side has checked our certificate: if it is refused then, `closed` follows
 * with the reason that the other side sent.
 *
 * All call-backs come from the thread-default main context of the call that made the link, never from inside that call.
 * link_free() may be called in each of them.
 *
 * Errors are one sentence that begins with the peer ("connection from 10.77.0.2:40112: ...", "peer beta at
 * 10.77.0.2:16524: ..."). TBSYNC_ERROR_IDENTITY: certificate or name; _TIMEOUT: deadline; _UNREACHABLE: no connection, or
 * it was lost; _DENIED: the peer refused us; _FAILED: not TLS 1.3, protocol violations and the rest.
 */

#include <gio/gio.h>
#include <systemd/sd-bus.h>

#include "reactor.h"

typedef struct LinkTls LinkTls;   /* loaded credentials; reference counted, links in use keep theirs */
typedef struct Link Link;

typedef struct LinkTlsConfig {
    const char *ca_file, *crl_file;
    gboolean crl_required;
    const char *cert_file, *key_file;               /* used when accepting */
    const char *client_cert_file, *client_key_file; /* used when dialling; (nullable): the other pair */
    const char *priority;                           /* (nullable) appended GnuTLS priority */
} LinkTlsConfig;

/* Errors name the file and what is wrong with it: unreadable, not PEM, key does not match, expired, not signed by the CA, not
 * for this purpose, CRL of another CA. TBSYNC_ERROR_INVALID. Reads the files now and never again. */
LinkTls *link_tls_new(const LinkTlsConfig *config, GError **error);
LinkTls *link_tls_ref(LinkTls *tls);
void link_tls_unref(LinkTls *tls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LinkTls, link_tls_unref)

typedef enum LinkState {
    LINK_CONNECTING, /* TCP connect under way; dialling side only. Left by HANDSHAKE or CLOSED */
    LINK_HANDSHAKE,  /* TLS under way, bounded by handshake_timeout_ms; no peer name yet */
                     /* A refused peer stays here for at most one second more, so that it can read why */
    LINK_UP,         /* peer identified: link_bus() and link_peer_name() may be used */
    LINK_CLOSED,     /* over; only link_free(), link_error(), link_peer_name() and link_remote_address() */
} LinkState;

typedef struct LinkCallbacks {
    /* Which of the names in the certificate is an authorised peer: returns it (transfer none), or NULL to refuse. `names` are
     * the DNS names of the SAN (CN if there is no SAN), NULL-terminated, without wildcards; made of letters, digits, '-', '_'
     * and '.' only. When dialling it is the expected name alone. Called once, before LINK_UP. */
    const char *(*authorise)(Link *link, const char *const *names, void *data);
    /* The bus exists and is not yet started: add vtables here. Dialling and accepting side alike. Calls cannot be made
     * yet: that is for `started`. */
    void (*up)(Link *link, void *data);
    /* Once; error is never NULL (a clean end by the peer is one too). The link may be freed inside. */
    void (*closed)(Link *link, const GError *error, void *data);
    /* (nullable) Right after `up`, with the bus started: calls may be made from here on. */
    void (*started)(Link *link, void *data);
} LinkCallbacks;

typedef struct LinkParams {
    LinkTls *tls;
    const LinkCallbacks *callbacks;
    void *data;
    Reactor *reactor; /* (nullable): one of its own, in the thread-default context. A reference is taken */
    guint handshake_timeout_ms; /* connect, handshake and the peer's first word of D-Bus together; default 5000 if 0 */
} LinkParams;

/* Takes a connected, accepted socket (transfer full). Never fails at once: errors come through closed. */
Link *link_accept(int fd, const LinkParams *params);

/* Dials `address` (name or literal); `expected_name` must be in the peer's certificate. */
Link *link_dial(const char *address, guint16 port, const char *expected_name, const LinkParams *params);

/* Closes without callbacks and releases; NULL is fine. */
void link_free(Link *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, link_free)

LinkState link_state(const Link *link);
sd_bus *link_bus(const Link *link);              /* (nullable) (transfer none) while LINK_UP */
const char *link_peer_name(const Link *link);    /* (nullable) what authorise returned */
const char *link_remote_address(const Link *link); /* "10.77.0.2:16524" for messages */
const GError *link_error(const Link *link);      /* (nullable) why it is LINK_CLOSED */
gboolean link_is_resumed(const Link *link);      /* TLS session resumed; the certificate was checked all the same */

/* Whether the peer of a LINK_UP would still be accepted with `tls` (CA, CRL, dates, key purpose): after a reload, or from
 * time to time on long-lived links. TBSYNC_ERROR_IDENTITY. The link is not touched. */
gboolean link_recheck(const Link *link, LinkTls *tls, GError **error);
