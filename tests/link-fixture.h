/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two ends of a link in one process, over loopback, and what happened to each. For tests only. */

#include "link.h"
#include "pki.h"

typedef enum EndEvent { END_NEVER, END_AUTHORISE, END_UP, END_STARTED, END_CALLED, END_CLOSED } EndEvent;

typedef struct LinkEnd {
    Link *link;
    LinkParams params;
    const char *accepts;   /* what authorise returns if it is among the names; NULL: nobody */
    EndEvent free_at;      /* the link is freed inside this call-back */
    int authorised, up, started, closed, called;
    char *names;           /* of authorise, joined with ',' */
    GError *error;         /* of closed */
} LinkEnd;

typedef struct LinkFixture {
    Pki *pki;
    LinkTls *server_tls, *client_tls;
    int listen_fd;
    guint16 port;
    guint accept_source;
    LinkEnd server, client; /* server: the newest accepted link */
    int accepted;
} LinkFixture;

/* A fleet's CA with hosts alpha (dials) and beta (listens), both ready. */
void link_fixture_init(LinkFixture *f, Pki *pki);
void link_fixture_clear(LinkFixture *f);

/* Credentials with the given host's certificate for both roles; never fails. */
LinkTls *link_fixture_tls(Pki *pki, const char *host);

void link_end_init(LinkEnd *end, LinkTls *tls, const char *accepts);
void link_end_clear(LinkEnd *end);

/* alpha dials beta and both come up. */
void link_fixture_connect(LinkFixture *f);

/* Runs the loop until `*counter` is at least `least`; the test run's own time limit is the only clock. */
void link_wait(const int *counter, int least);

/* Runs the loop until nothing is ready. */
void link_settle(void);

/* Calls Echo with `size_bytes` of a pattern; `replies` counts the right answers, `failures` the errors, `wrong` the
 * answers with other bytes. `count` must outlive the call. */
typedef struct EchoCount {
    int replies, failures, wrong;
} EchoCount;
void link_call_echo(sd_bus *bus, gsize size_bytes, EchoCount *count);
