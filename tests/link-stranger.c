/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-stranger.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct Stranger {
    StrangerPlan plan;
    StrangerResult result;
    GThread *thread;
    gboolean listens;
    int fd; /* listening, or to be connected */
    guint16 port;
};

static ssize_t push_one_byte(gnutls_transport_ptr_t where, const void *bytes, size_t size)
{
    return send((int) GPOINTER_TO_INT(where), bytes, size > 0 ? 1 : 0, MSG_NOSIGNAL);
}

static void stranger_speak_plain(Stranger *s, int fd)
{
    char buffer[4096];
    ssize_t n;

    /* the other end may hang up in the middle of it */
    for (gsize done = 0; done < s->plan.words_bytes; done += (gsize) n) {
        n = send(fd, (const char *) s->plan.words + done, s->plan.words_bytes - done, MSG_NOSIGNAL);
        if (n <= 0)
            return;
    }
    while (s->plan.end == STRANGER_READS && (n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        s->result.received_bytes += (gsize) n;
}

static int stranger_handshake(Stranger *s, gnutls_session_t session)
{
    int r;

    do
        r = gnutls_handshake(session);
    while (r < 0 && !gnutls_error_is_fatal(r));
    return r;
}

static void stranger_speak_tls(Stranger *s, int fd)
{
    static const char greeting[] = "\0AUTH ANONYMOUS\r\nBEGIN\r\n";
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
    char buffer[4096];
    ssize_t n;
    int r;

    gnutls_certificate_allocate_credentials(&credentials);
    if (s->plan.certificate_file)
        g_assert_cmpint(gnutls_certificate_set_x509_key_file(credentials, s->plan.certificate_file, s->plan.key_file,
                                                             GNUTLS_X509_FMT_PEM), >=, 0);
    gnutls_init(&session, (s->listens ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NO_SIGNAL);
    g_assert_cmpint(gnutls_priority_set_direct(session, s->plan.priority ? s->plan.priority : "NORMAL", NULL), >=, 0);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    if (s->listens)
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
    gnutls_transport_set_int(session, fd);
    if (s->plan.one_byte_at_a_time) {
        gnutls_transport_set_push_function(session, push_one_byte);
        gnutls_transport_set_ptr(session, GINT_TO_POINTER(fd));
    }
    r = stranger_handshake(s, session);
    s->result.handshake_done = r >= 0;
    if (r >= 0 && !s->listens && !s->plan.no_greeting)
        gnutls_record_send(session, greeting, sizeof greeting - 1);
    while (r >= 0 && s->plan.flood)
        r = (int) gnutls_record_send(session, s->plan.flood, s->plan.flood_bytes);
    while (r >= 0 && s->plan.end == STRANGER_READS) {
        n = gnutls_record_recv(session, buffer, sizeof buffer);
        s->result.received_bytes += n > 0 ? (gsize) n : 0;
        r = (int) n;
        /* a peer that takes us in answers the greeting: that is all we wanted to know */
        if (n == 0 || n > 0)
            break;
        if (!gnutls_error_is_fatal(r))
            r = 0;
    }
    if (!s->result.handshake_done && r != GNUTLS_E_FATAL_ALERT_RECEIVED)
        gnutls_alert_send_appropriate(session, r);
    if (r == GNUTLS_E_FATAL_ALERT_RECEIVED)
        s->result.alert = (int) gnutls_alert_get(session);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
}

static void *stranger_run(void *data)
{
    Stranger *s = data;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(s->port) };
    struct linger hard = { 1, 0 };
    int one = 1;
    int fd = s->fd;

    if (s->listens)
        fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    else
        g_assert_cmpint(connect(fd, (struct sockaddr *) &address, sizeof address), ==, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (s->plan.words)
        stranger_speak_plain(s, fd);
    else
        stranger_speak_tls(s, fd);
    if (s->plan.end == STRANGER_RESETS)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    if (s->listens)
        close(s->fd);
    return NULL;
}

static Stranger *stranger_new(const StrangerPlan *plan)
{
    Stranger *s = g_new0(Stranger, 1);

    s->plan = *plan;
    s->result.alert = -1;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(s->fd, >=, 0);
    return s;
}

Stranger *stranger_connect(guint16 port, const StrangerPlan *plan)
{
    Stranger *s = stranger_new(plan);

    s->port = port;
    s->thread = g_thread_new("stranger", stranger_run, s);
    return s;
}

Stranger *stranger_listen(const StrangerPlan *plan, guint16 *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    Stranger *s = stranger_new(plan);

    g_assert_cmpint(bind(s->fd, (struct sockaddr *) &address, size), ==, 0);
    g_assert_cmpint(listen(s->fd, 1), ==, 0);
    g_assert_cmpint(getsockname(s->fd, (struct sockaddr *) &address, &size), ==, 0);
    *ret_port = ntohs(address.sin_port);
    s->listens = TRUE;
    s->thread = g_thread_new("stranger", stranger_run, s);
    return s;
}

StrangerResult stranger_join(Stranger *stranger)
{
    StrangerResult result;

    g_thread_join(stranger->thread);
    result = stranger->result;
    g_free(stranger);
    return result;
}
