/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-tls.h"

#include "link-cert-names.h"
#include "link-names.h"
#include "pem-file.h"
#include "tb-clock.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/socket.h>

/* A certificate chain takes a few kB. GnuTLS gathers a handshake message of up to 16 MiB before it looks at it, whatever
 * gnutls_handshake_set_max_packet_length() says: a gift to strangers. */
#define HANDSHAKE_MAX_BYTES 65536u
#define CHAIN_MAX 16u
#define SESSIONS_MAX 4096u
#define SESSION_LIFETIME_S (24 * 60 * 60)
#define TICKET_KEY_BYTES 64u
/* TLS record types that may come first: handshake, or an alert that refuses us. */
#define RECORD_HANDSHAKE 22
#define RECORD_ALERT 21
#define NOT_TLS 1 /* no GnuTLS code is positive */

struct LinkTls {
    guint refs;
    gnutls_certificate_credentials_t server, client;
    gnutls_priority_t priority;
    gnutls_datum_t ticket_key;
    GHashTable *sessions; /* expected name, lower case -> GBytes: what the last link to it may be resumed with */
};

struct LinkSession {
    LinkTls *tls;
    gnutls_session_t tls_session;
    int fd;
    char *expected_name; /* NULL: accepting */
    char *who;
    gboolean greeted;         /* the peer's first byte looked like TLS */
    gboolean ticket_to_send;  /* accepting: not all of it is in the socket yet */
    gboolean ticket_received; /* dialling: kept for the next time */
    gboolean send_blocked;    /* GnuTLS holds a record that the socket did not take */
    gboolean alerted;         /* we told the peer why it is refused */
    gboolean established;     /* the handshake is over */
    gsize handshake_bytes;    /* received until then */
    int socket_errno;         /* behind GNUTLS_E_PULL_ERROR and _PUSH_ERROR */
    int handshake_error, recv_error, send_error; /* GnuTLS codes */
};

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)

/* ---- Words ---- */

/* Text from a certificate goes into messages and logs: nothing but printable ASCII, and not too much of it. */
static char *text_printable(const char *text, gsize size_bytes)
{
    char *copy = g_strndup(text, MIN(size_bytes, 200));

    for (char *c = copy; *c; c++)
        if (!g_ascii_isprint(*c))
            *c = '?';
    return copy;
}

static char *text_date(time_t when)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc((gint64) when);

    return date ? g_date_time_format(date, "%Y-%m-%d %H:%M:%S UTC") : g_strdup("an impossible date");
}

static char *text_issuer(gnutls_x509_crt_t leaf)
{
    gnutls_datum_t dn = { 0 };
    char *text;

    if (gnutls_x509_crt_get_issuer_dn3(leaf, &dn, 0) < 0)
        return g_strdup("unknown");
    text = text_printable((const char *) dn.data, dn.size);
    gnutls_free(dn.data);
    return text;
}

/* GnuTLS does not say whose dates are wrong. */
static char *text_dates(guint status, gnutls_x509_crt_t leaf)
{
    time_t from_s = gnutls_x509_crt_get_activation_time(leaf), until_s = gnutls_x509_crt_get_expiration_time(leaf);
    gint64 now_s = tb_clock_real_ns() / 1000000000;
    g_autofree char *from = text_date(from_s);
    g_autofree char *until = text_date(until_s);
    g_autofree char *issuer = text_issuer(leaf);

    if (until_s <= now_s)
        return g_strdup_printf("expired on %s", until);
    if (from_s > now_s)
        return g_strdup_printf("is not yet valid: only from %s", from);
    return g_strdup_printf("is signed by '%s', whose certificate %s", issuer,
                           status & GNUTLS_CERT_EXPIRED ? "has expired" : "is not yet valid");
}

/* What is wrong with a certificate, as the end of a sentence that begins with "certificate". */
static char *text_status(guint status, gnutls_x509_crt_t leaf, gboolean for_server)
{
    g_autofree char *issuer = text_issuer(leaf);

    if (status & GNUTLS_CERT_REVOKED)
        return g_strdup("is revoked by the CRL");
    if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
        return g_strdup_printf("is not signed by our CA but by '%s'", issuer);
    if (status & GNUTLS_CERT_SIGNATURE_FAILURE)
        return g_strdup_printf("has a signature that our CA '%s' did not make", issuer);
    if (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED))
        return text_dates(status, leaf);
    if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        return g_strdup_printf("is not for TLS %ss (extended key usage)", for_server ? "server" : "client");
    if (status & (GNUTLS_CERT_SIGNER_NOT_CA | GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE))
        return g_strdup_printf("is signed by '%s', which may not sign it", issuer);
    if (status & GNUTLS_CERT_INSECURE_ALGORITHM)
        return g_strdup("uses an algorithm or a key that is too weak");
    if (status & GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS)
        return g_strdup("has a critical extension that is not known");
    return g_strdup_printf("is not valid (GnuTLS status 0x%x)", status);
}

static gnutls_alert_description_t status_to_alert(guint status)
{
    if (status & GNUTLS_CERT_REVOKED)
        return GNUTLS_A_CERTIFICATE_REVOKED;
    if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE))
        return GNUTLS_A_UNKNOWN_CA;
    if (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED))
        return GNUTLS_A_CERTIFICATE_EXPIRED;
    return GNUTLS_A_BAD_CERTIFICATE;
}

static GError *session_fault(const LinkSession *session, TbsyncError code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static GError *session_fault(const LinkSession *session, TbsyncError code, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    return g_error_new(TBSYNC_ERROR, (int) code, "%s: %s", session->who, what);
}

/* The peer sent a fatal alert: its reason in our words. */
static GError *session_alert_fault(const LinkSession *session)
{
    gnutls_alert_description_t alert = gnutls_alert_get(session->tls_session);
    const char *name = gnutls_alert_get_name(alert);

    switch ((guint) alert) {
    case GNUTLS_A_CERTIFICATE_REQUIRED:
        return session_fault(session, TBSYNC_ERROR_DENIED, "it expects a certificate and got none");
    case GNUTLS_A_CERTIFICATE_EXPIRED:
        return session_fault(session, TBSYNC_ERROR_DENIED, "it refused our certificate as expired or not yet valid");
    case GNUTLS_A_CERTIFICATE_REVOKED:
        return session_fault(session, TBSYNC_ERROR_DENIED, "it refused our certificate as revoked");
    case GNUTLS_A_UNKNOWN_CA:
        return session_fault(session, TBSYNC_ERROR_DENIED, "it refused our certificate: its CA is another one");
    case GNUTLS_A_ACCESS_DENIED:
        return session_fault(session, TBSYNC_ERROR_DENIED, "it knows no name in our certificate as a peer");
    case GNUTLS_A_BAD_CERTIFICATE:
    case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
    case GNUTLS_A_CERTIFICATE_UNKNOWN:
        return session_fault(session, TBSYNC_ERROR_DENIED, "it refused our certificate (alert '%s')", name);
    case GNUTLS_A_HANDSHAKE_FAILURE:
    case GNUTLS_A_INSUFFICIENT_SECURITY:
        return session_fault(session, TBSYNC_ERROR_FAILED, "it has no TLS version, cipher or key exchange in common "
                             "with us; TLS 1.3 is required");
    case GNUTLS_A_PROTOCOL_VERSION:
        return session_fault(session, TBSYNC_ERROR_FAILED, "it does not speak TLS 1.3, which is required");
    default:
        return session_fault(session, TBSYNC_ERROR_FAILED, "it ended TLS with alert '%s'", name ? name : "unknown");
    }
}

/* A fatal code of handshake, recv or send, or NOT_TLS. */
static GError *session_code_fault(const LinkSession *session, int code)
{
    switch (code) {
    case NOT_TLS:
        return session_fault(session, TBSYNC_ERROR_FAILED, "what it sends is not TLS; TLS 1.3 is required");
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        return session_alert_fault(session);
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
        return session_fault(session, TBSYNC_ERROR_IDENTITY, "it sent no certificate, and one of our CA is required");
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
        return session_fault(session, TBSYNC_ERROR_FAILED, "it does not speak TLS 1.3, which is required");
    case GNUTLS_E_NO_CIPHER_SUITES:
    case GNUTLS_E_NO_COMMON_KEY_SHARE:
        return session_fault(session, TBSYNC_ERROR_FAILED, "no TLS cipher or key exchange in common (TLSPriority=)");
    case GNUTLS_E_PREMATURE_TERMINATION:
        return session_fault(session, TBSYNC_ERROR_UNREACHABLE, "it closed the connection without a word");
    case GNUTLS_E_HANDSHAKE_TOO_LARGE:
        return session_fault(session, TBSYNC_ERROR_FAILED, "it sends too much in the TLS handshake");
    case GNUTLS_E_PULL_ERROR:
    case GNUTLS_E_PUSH_ERROR:
        return session_fault(session, TBSYNC_ERROR_UNREACHABLE, "the connection was lost: %s",
                             g_strerror(session->socket_errno));
    default:
        return session_fault(session, TBSYNC_ERROR_FAILED, "TLS: %s", gnutls_strerror(code));
    }
}

/* ---- Credentials ---- */

static gnutls_datum_t pem_file_datum(const PemFile *file)
{
    return (gnutls_datum_t) { (unsigned char *) file->text, (unsigned) file->size_bytes };
}

/* GnuTLS looks CRLs up by issuer: one of another CA would be taken, and never revoke anybody. */
static gboolean tls_check_crl(gnutls_certificate_credentials_t credentials, const char *path, const gnutls_datum_t *pem,
                              GError **error)
{
    gnutls_x509_trust_list_t trust;
    gnutls_x509_crl_t *crls = NULL;
    gnutls_x509_crt_t ca;
    guint n = 0;
    gboolean ok = TRUE;
    gnutls_x509_trust_list_iter_t iter = NULL;
    int r = gnutls_x509_crl_list_import2(&crls, &n, pem, GNUTLS_X509_FMT_PEM, 0);

    if (r < 0)
        return pem_file_invalid(error, path, "not a CRL in PEM form: %s", gnutls_strerror(r));
    gnutls_certificate_get_trust_list(credentials, &trust);
    for (guint i = 0; i < n; i++) {
        gboolean ours = FALSE;

        while (gnutls_x509_trust_list_iter_get_ca(trust, &iter, &ca) == 0) {
            ours = ours || gnutls_x509_crl_check_issuer(crls[i], ca);
            gnutls_x509_crt_deinit(ca);
        }
        ok = ok && ours;
        gnutls_x509_crl_deinit(crls[i]);
    }
    gnutls_free(crls);
    return ok || pem_file_invalid(error, path, "holds a CRL that none of the CAs has issued");
}

static gboolean tls_load_trust(gnutls_certificate_credentials_t credentials, const LinkTlsConfig *config, GError **error)
{
    g_auto(PemFile) ca = { 0 };
    g_auto(PemFile) crl = { 0 };
    gnutls_datum_t datum;
    int r;

    if (!pem_file_read(config->ca_file, FALSE, &ca, error))
        return FALSE;
    datum = pem_file_datum(&ca);
    r = gnutls_certificate_set_x509_trust_mem(credentials, &datum, GNUTLS_X509_FMT_PEM);
    if (r <= 0)
        return pem_file_invalid(error, config->ca_file, "no CA certificate in PEM form: %s",
                           r < 0 ? gnutls_strerror(r) : "it is empty");
    if (!config->crl_file)
        return TRUE;
    if (!pem_file_read(config->crl_file, !config->crl_required, &crl, error))
        return FALSE;
    if (!crl.text)
        return TRUE;
    datum = pem_file_datum(&crl);
    if (!tls_check_crl(credentials, config->crl_file, &datum, error))
        return FALSE;
    r = gnutls_certificate_set_x509_crl_mem(credentials, &datum, GNUTLS_X509_FMT_PEM);
    return r >= 0 || pem_file_invalid(error, config->crl_file, "not a usable CRL: %s", gnutls_strerror(r));
}

static const char *purpose_oid(gboolean for_server)
{
    return for_server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
}

/* A chain against CA, CRL, dates and purpose. FALSE: *ret_status says why. */
static gboolean chain_is_valid(gnutls_certificate_credentials_t credentials, gnutls_x509_crt_t *chain, guint n,
                               gboolean for_server, guint *ret_status)
{
    gnutls_typed_vdata_st purpose = { GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *) purpose_oid(for_server), 0 };
    gnutls_x509_trust_list_t trust;

    gnutls_certificate_get_trust_list(credentials, &trust);
    *ret_status = GNUTLS_CERT_INVALID;
    return gnutls_x509_trust_list_verify_crt2(trust, chain, n, &purpose, 1, 0, ret_status, NULL) >= 0 &&
           *ret_status == 0;
}

static void chain_free(gnutls_x509_crt_t *chain, guint n)
{
    for (guint i = 0; i < n; i++)
        gnutls_x509_crt_deinit(chain[i]);
}

/* Peers would refuse it: better to hear it now, with the name of the file. */
static gboolean tls_check_own(gnutls_certificate_credentials_t credentials, const char *path, const gnutls_datum_t *pem,
                              gboolean for_server, GError **error)
{
    gnutls_x509_crt_t chain[CHAIN_MAX];
    guint n = CHAIN_MAX, status;
    gboolean ok = TRUE;
    int r = gnutls_x509_crt_list_import(chain, &n, pem, GNUTLS_X509_FMT_PEM,
                                        GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);

    if (r <= 0)
        return pem_file_invalid(error, path, "not a certificate in PEM form: %s", r < 0 ? gnutls_strerror(r) : "it is empty");
    if (!chain_is_valid(credentials, chain, n, for_server, &status)) {
        g_autofree char *what = text_status(status, chain[0], for_server);

        ok = pem_file_invalid(error, path, "this certificate %s", what);
    }
    chain_free(chain, n);
    return ok;
}

/* The key that seals session tickets comes from the private key, so that a restarted daemon still takes the tickets that
 * it gave out; whoever has that key can pose as this host anyway. Another CA or certificate: another key. */
static gboolean tls_make_ticket_key(LinkTls *tls, const PemFile *key, const PemFile *cert, const char *ca_file,
                                    GError **error)
{
    g_auto(PemFile) ca = { 0 };
    g_autoptr(GString) what = g_string_new("tbsyncd session tickets 1");

    if (!pem_file_read(ca_file, FALSE, &ca, error))
        return FALSE;
    g_string_append_len(what, cert->text, (gssize) cert->size_bytes);
    g_string_append_len(what, ca.text, (gssize) ca.size_bytes);
    if (gnutls_session_ticket_key_generate(&tls->ticket_key) < 0)
        return pem_file_invalid(error, ca_file, "no randomness for session tickets");
    /* should GnuTLS change the size one day, the random key does: tickets then end with the process */
    if (tls->ticket_key.size == TICKET_KEY_BYTES)
        gnutls_hmac_fast(GNUTLS_MAC_SHA512, key->text, key->size_bytes, what->str, what->len, tls->ticket_key.data);
    return TRUE;
}

static gboolean tls_load_pair(LinkTls *tls, const LinkTlsConfig *config, gboolean for_server, GError **error)
{
    gnutls_certificate_credentials_t credentials = for_server ? tls->server : tls->client;
    gboolean own_client = !for_server && config->client_cert_file && config->client_key_file;
    const char *cert_file = own_client ? config->client_cert_file : config->cert_file;
    const char *key_file = own_client ? config->client_key_file : config->key_file;
    g_auto(PemFile) cert = { 0 };
    g_auto(PemFile) key = { 0 };
    gnutls_datum_t cert_pem, key_pem;
    int r;

    if (!tls_load_trust(credentials, config, error) || !pem_file_read(cert_file, FALSE, &cert, error) ||
        !pem_file_read(key_file, FALSE, &key, error))
        return FALSE;
    cert_pem = pem_file_datum(&cert);
    key_pem = pem_file_datum(&key);
    if (!tls_check_own(credentials, cert_file, &cert_pem, for_server, error))
        return FALSE;
    /* GnuTLS looks whether the two fit by a signature, which takes milliseconds with an RSA key; where their numbers tell it that is
     * not needed, and where they do not it has the last word */
    if (certificate_has_key(&cert_pem, &key_pem))
        gnutls_certificate_set_flags(credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    r = gnutls_certificate_set_x509_key_mem2(credentials, &cert_pem, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return pem_file_invalid(error, key_file, "the key is not the one of the certificate %s", cert_file);
    if (r < 0)
        return pem_file_invalid(error, key_file, "not an unencrypted private key in PEM form: %s", gnutls_strerror(r));
    return !for_server || tls_make_ticket_key(tls, &key, &cert, config->ca_file, error);
}

/* The operator's string may change all but the protocol version: that comes last. */
static gboolean tls_load_priority(LinkTls *tls, const char *appended, GError **error)
{
    gboolean some = appended && *appended;
    g_autofree char *text = g_strdup_printf("NORMAL:%s%s-VERS-ALL:+VERS-TLS1.3", some ? appended : "", some ? ":" : "");
    const char *at = NULL;
    int r = gnutls_priority_init(&tls->priority, text, &at);

    if (r >= 0)
        return TRUE;
    tls->priority = NULL;
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "TLSPriority=%s: %s, at '%s'", some ? appended : "",
                gnutls_strerror(r), at ? at : text);
    return FALSE;
}

LinkTls *link_tls_new(const LinkTlsConfig *config, GError **error)
{
    g_autoptr(LinkTls) tls = g_new0(LinkTls, 1);

    tls->refs = 1;
    tls->sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
    /* fatal, as memory is everywhere in GLib: there is nothing sound to go on with */
    if (gnutls_certificate_allocate_credentials(&tls->server) < 0 || gnutls_certificate_allocate_credentials(&tls->client) < 0)
        g_error("GnuTLS has no memory for credentials");
    if (!tls_load_priority(tls, config->priority, error) || !tls_load_pair(tls, config, TRUE, error) ||
        !tls_load_pair(tls, config, FALSE, error))
        return NULL;
    return g_steal_pointer(&tls);
}

LinkTls *link_tls_ref(LinkTls *tls)
{
    tls->refs++;
    return tls;
}

void link_tls_unref(LinkTls *tls)
{
    if (!tls || --tls->refs > 0)
        return;
    g_hash_table_unref(tls->sessions);
    gnutls_certificate_free_credentials(tls->server);
    gnutls_certificate_free_credentials(tls->client);
    if (tls->priority)
        gnutls_priority_deinit(tls->priority);
    if (tls->ticket_key.data) {
        gnutls_memset(tls->ticket_key.data, 0, tls->ticket_key.size);
        gnutls_free(tls->ticket_key.data);
    }
    g_free(tls);
}

static void tls_remember(LinkTls *tls, const char *name, gnutls_session_t session)
{
    gnutls_datum_t data = { 0 };
    GHashTableIter iter;

    if (gnutls_session_get_data2(session, &data) < 0)
        return;
    /* any one makes room: what is lost is one full handshake */
    if (g_hash_table_size(tls->sessions) >= SESSIONS_MAX && !g_hash_table_contains(tls->sessions, name)) {
        g_hash_table_iter_init(&iter, tls->sessions);
        if (g_hash_table_iter_next(&iter, NULL, NULL))
            g_hash_table_iter_remove(&iter);
    }
    g_hash_table_replace(tls->sessions, g_strdup(name), g_bytes_new(data.data, data.size));
    gnutls_free(data.data);
}

/* ---- Identity ---- */

/* The peer's leaf certificate if the chain is good now: also of a resumed session, whose chain is in the ticket. */
static gnutls_x509_crt_t session_check_chain(const LinkSession *session, gnutls_alert_description_t *ret_alert,
                                             GError **error)
{
    gboolean for_server = session->expected_name != NULL;
    gnutls_typed_vdata_st purpose = { GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *) purpose_oid(for_server), 0 };
    g_auto(gnutls_x509_crt_t) leaf = NULL;
    const gnutls_datum_t *chain;
    guint n = 0, status = 0;
    int r = gnutls_x509_crt_init(&leaf);

    *ret_alert = GNUTLS_A_BAD_CERTIFICATE;
    chain = gnutls_certificate_get_peers(session->tls_session, &n);
    if (gnutls_protocol_get_version(session->tls_session) != GNUTLS_TLS1_3)
        r = GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
    else if (!chain || n == 0)
        r = GNUTLS_E_NO_CERTIFICATE_FOUND;
    if (r >= 0)
        r = gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER);
    if (r >= 0)
        r = gnutls_certificate_verify_peers(session->tls_session, &purpose, 1, &status);
    if (r < 0) {
        g_propagate_error(error, session_code_fault(session, r));
        return NULL;
    }
    if (status != 0) {
        g_autofree char *what = text_status(status, leaf, for_server);

        *ret_alert = status_to_alert(status);
        g_propagate_error(error, session_fault(session, TBSYNC_ERROR_IDENTITY, "its certificate %s", what));
        return NULL;
    }
    return g_steal_pointer(&leaf);
}

static gboolean session_check_names(const LinkSession *session, GPtrArray *names, GError **error)
{
    g_autofree char *all = NULL;

    if (!names->pdata[0]) {
        g_propagate_error(error, session_fault(session, TBSYNC_ERROR_IDENTITY,
                                               "its certificate has no DNS name, and a peer must have one"));
        return FALSE;
    }
    if (!session->expected_name || link_names_keep_only(names, session->expected_name))
        return TRUE;
    all = link_names_text(names);
    g_propagate_error(error, session_fault(session, TBSYNC_ERROR_IDENTITY,
                                           "wrong name: its certificate is for %s, expected '%s'", all,
                                           session->expected_name));
    return FALSE;
}

static void session_alert(LinkSession *session, gnutls_alert_description_t alert)
{
    session->alerted = gnutls_alert_send(session->tls_session, GNUTLS_AL_FATAL, alert) >= 0;
}

GPtrArray *link_session_identify(LinkSession *session, GError **error)
{
    gnutls_alert_description_t alert;
    g_auto(gnutls_x509_crt_t) leaf = session_check_chain(session, &alert, error);
    g_autoptr(GPtrArray) names = leaf ? certificate_names(leaf) : NULL;

    if (leaf)
        alert = GNUTLS_A_BAD_CERTIFICATE;
    if (leaf && session_check_names(session, names, error))
        return g_steal_pointer(&names);
    session_alert(session, alert);
    return NULL;
}

void link_session_deny(LinkSession *session)
{
    session_alert(session, GNUTLS_A_ACCESS_DENIED);
}

gboolean link_session_has_alerted(const LinkSession *session)
{
    return session->alerted;
}

gboolean link_session_recheck(const LinkSession *session, LinkTls *tls, GError **error)
{
    gboolean for_server = session->expected_name != NULL;
    gnutls_x509_crt_t chain[CHAIN_MAX];
    const gnutls_datum_t *raw;
    guint n = 0, imported = 0, status = GNUTLS_CERT_INVALID;
    gboolean ok;

    raw = gnutls_certificate_get_peers(session->tls_session, &n);
    for (; imported < MIN(n, CHAIN_MAX) && gnutls_x509_crt_init(&chain[imported]) >= 0; imported++)
        gnutls_x509_crt_import(chain[imported], &raw[imported], GNUTLS_X509_FMT_DER); /* an empty one is not valid */
    ok = imported > 0 && chain_is_valid(for_server ? tls->client : tls->server, chain, imported, for_server, &status);
    if (!ok) {
        g_autofree char *what = imported > 0 ? text_status(status, chain[0], for_server) : g_strdup("cannot be read again");

        g_propagate_error(error, session_fault(session, TBSYNC_ERROR_IDENTITY, "its certificate %s", what));
    }
    chain_free(chain, imported);
    return ok;
}

/* ---- Session ---- */

static void session_offer_resumption(LinkSession *session)
{
    g_autofree char *key = g_ascii_strdown(session->expected_name, -1);
    GBytes *bytes = g_hash_table_lookup(session->tls->sessions, key);
    gsize size;
    const void *data;

    if (!bytes)
        return;
    data = g_bytes_get_data(bytes, &size);
    gnutls_session_set_data(session->tls_session, data, size);
    /* A ticket is used once (RFC 8446 C.4); the new link brings the next one. */
    g_hash_table_remove(session->tls->sessions, key);
}

/* Who does not speak TLS is told apart from bad TLS by the first byte; GnuTLS reads a record's header first. */
static ssize_t session_pull(gnutls_transport_ptr_t transport, void *buffer, size_t size_bytes)
{
    LinkSession *session = transport;
    const guint8 *type = buffer;
    ssize_t n = -1;

    errno = EMSGSIZE;
    if (session->established || session->handshake_bytes < HANDSHAKE_MAX_BYTES)
        n = recv(session->fd, buffer, size_bytes, MSG_DONTWAIT);
    if (n > 0 && !session->greeted) {
        session->greeted = *type == RECORD_HANDSHAKE || *type == RECORD_ALERT;
        errno = EPROTO;
        n = session->greeted ? n : -1;
    }
    if (n < 0) {
        session->socket_errno = errno;
        gnutls_transport_set_errno(session->tls_session, errno);
    } else if (!session->established) {
        session->handshake_bytes += (gsize) n;
    }
    return n;
}

static ssize_t session_push(gnutls_transport_ptr_t transport, const giovec_t *pieces, int n_pieces)
{
    LinkSession *session = transport;
    struct msghdr message = { .msg_iov = (struct iovec *) pieces, .msg_iovlen = (size_t) n_pieces };
    ssize_t n = sendmsg(session->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0) {
        session->socket_errno = errno;
        gnutls_transport_set_errno(session->tls_session, errno);
    }
    return n;
}

LinkSession *link_session_new(LinkTls *tls, int fd, const char *expected_name, const char *who, GError **error)
{
    LinkSession *session = g_new0(LinkSession, 1);
    /* Tickets go out by link_session_welcome(), after the identity check. */
    guint role = expected_name ? GNUTLS_CLIENT : GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET;
    int r = gnutls_init(&session->tls_session, role | GNUTLS_NONBLOCK);

    session->tls = link_tls_ref(tls);
    session->fd = fd;
    session->expected_name = g_strdup(expected_name);
    session->who = g_strdup(who);
    if (r >= 0)
        r = gnutls_priority_set(session->tls_session, tls->priority);
    if (r >= 0)
        r = gnutls_credentials_set(session->tls_session, GNUTLS_CRD_CERTIFICATE, expected_name ? tls->client : tls->server);
    if (r >= 0 && !expected_name)
        r = gnutls_session_ticket_enable_server(session->tls_session, &tls->ticket_key);
    if (r < 0) {
        g_propagate_error(error, session_code_fault(session, r));
        link_session_free(session);
        return NULL;
    }
    gnutls_db_set_cache_expiration(session->tls_session, SESSION_LIFETIME_S);
    gnutls_transport_set_ptr(session->tls_session, session);
    gnutls_transport_set_pull_function(session->tls_session, session_pull);
    gnutls_transport_set_vec_push_function(session->tls_session, session_push);
    if (expected_name) {
        session_offer_resumption(session);
    } else {
        gnutls_certificate_server_set_request(session->tls_session, GNUTLS_CERT_REQUIRE);
        /* Without our CA's name a peer of another CA sends what it has, and hears what is wrong with it. */
        gnutls_certificate_send_x509_rdn_sequence(session->tls_session, 1);
    }
    return session;
}

void link_session_free(LinkSession *session)
{
    if (!session)
        return;
    if (session->tls_session)
        gnutls_deinit(session->tls_session);
    link_tls_unref(session->tls);
    g_free(session->expected_name);
    g_free(session->who);
    g_free(session);
}

/* GnuTLS takes the end of the connection inside a record for a bad record, and what session_pull() refuses for a bad socket. */
static int session_cause(const LinkSession *session, int code)
{
    char byte;

    if (code == GNUTLS_E_PULL_ERROR && session->socket_errno == EMSGSIZE)
        return GNUTLS_E_HANDSHAKE_TOO_LARGE;
    if (code == GNUTLS_E_PULL_ERROR && session->socket_errno == EPROTO)
        return NOT_TLS;
    if (code == GNUTLS_E_UNEXPECTED_PACKET_LENGTH && recv(session->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        return GNUTLS_E_PREMATURE_TERMINATION;
    return code;
}

LinkSessionStep link_session_handshake(LinkSession *session)
{
    int r;

    do
        r = gnutls_handshake(session->tls_session);
    while (r < 0 && r != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(r));
    if (r == GNUTLS_E_AGAIN)
        return gnutls_record_get_direction(session->tls_session) ? LINK_SESSION_WRITE : LINK_SESSION_READ;
    session->established = r >= 0;
    if (r >= 0)
        return LINK_SESSION_DONE;
    /* what GnuTLS says of a hello of TLS 1.2 or before when only 1.3 is enabled */
    if (r == GNUTLS_E_NO_CIPHER_SUITES && gnutls_protocol_get_version(session->tls_session) != GNUTLS_TLS1_3)
        r = GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
    session->handshake_error = session_cause(session, r);
    if (r != GNUTLS_E_PREMATURE_TERMINATION && r != GNUTLS_E_FATAL_ALERT_RECEIVED && r != GNUTLS_E_PULL_ERROR &&
        r != GNUTLS_E_PUSH_ERROR)
        session->alerted = gnutls_alert_send_appropriate(session->tls_session, r) >= 0;
    return LINK_SESSION_FAILED;
}

static void session_send_ticket(LinkSession *session)
{
    int r = gnutls_session_ticket_send(session->tls_session, 1, 0);

    /* any other failure costs the peer a full handshake next time, and shows in the next send if it matters */
    session->ticket_to_send = r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED;
}

void link_session_welcome(LinkSession *session)
{
    if (!session->expected_name)
        session_send_ticket(session);
}

static void session_keep_ticket(LinkSession *session)
{
    g_autofree char *key = NULL;

    if (!session->expected_name || session->ticket_received ||
        !(gnutls_session_get_flags(session->tls_session) & GNUTLS_SFLAGS_SESSION_TICKET))
        return;
    key = g_ascii_strdown(session->expected_name, -1);
    session->ticket_received = TRUE;
    tls_remember(session->tls, key, session->tls_session);
}

gssize link_session_recv(void *stream, void *buffer, gsize size_bytes)
{
    LinkSession *session = stream;
    gssize n;

    do
        n = gnutls_record_recv(session->tls_session, buffer, size_bytes);
    while (n < 0 && n != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int) n));
    session_keep_ticket(session);
    if (n == GNUTLS_E_AGAIN)
        return -EAGAIN;
    if (n < 0)
        session->recv_error = session_cause(session, (int) n);
    return n < 0 ? -EIO : n;
}

gssize link_session_send(void *stream, const void *buffer, gsize size_bytes)
{
    LinkSession *session = stream;
    gssize n;

    if (session->ticket_to_send)
        session_send_ticket(session);
    if (session->ticket_to_send)
        return -EAGAIN;
    do {
        /* after a blocked send GnuTLS has the bytes already, and wants to be called without */
        n = session->send_blocked ? gnutls_record_send(session->tls_session, NULL, 0)
                                  : gnutls_record_send(session->tls_session, buffer, size_bytes);
        session->send_blocked = n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
    } while (n == GNUTLS_E_INTERRUPTED);
    if (n == GNUTLS_E_AGAIN)
        return -EAGAIN;
    if (n < 0)
        session->send_error = (int) n;
    return n < 0 ? -EIO : n;
}

gboolean link_session_has_pending(const LinkSession *session)
{
    return gnutls_record_check_pending(session->tls_session) > 0;
}

void link_session_bye(LinkSession *session)
{
    if (session->handshake_error == 0 && session->recv_error == 0 && session->send_error == 0)
        gnutls_bye(session->tls_session, GNUTLS_SHUT_WR);
}

gboolean link_session_is_resumed(const LinkSession *session)
{
    return gnutls_session_is_resumed(session->tls_session) != 0;
}

GError *link_session_error(const LinkSession *session)
{
    /* what was received tells more than that nothing could be sent */
    int code = session->handshake_error ? session->handshake_error
               : session->recv_error    ? session->recv_error
                                        : session->send_error;

    return code ? session_code_fault(session, code) : NULL;
}
