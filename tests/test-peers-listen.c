/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The listener, unidentified connections, and a configuration that is read again. */
#include "peers-fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "link-fixture.h"

typedef struct Pair {
    Pki *pki;
    Node alpha, beta;
} Pair;

static void pair_init(Pair *pair)
{
    pair->pki = pki_new("fleet");
    pki_revoke(pair->pki, NULL);
    node_init(&pair->alpha, pair->pki, "alpha");
    node_init(&pair->beta, pair->pki, "beta");
    node_add_peer(&pair->alpha, &pair->beta);
    node_add_peer(&pair->beta, &pair->alpha);
}

static void pair_start(Pair *pair)
{
    node_start(&pair->alpha);
    node_start(&pair->beta);
    WAIT_UNTIL(node_is_linked(&pair->alpha, "beta") && node_is_linked(&pair->beta, "alpha"));
}

static void pair_clear(Pair *pair)
{
    node_clear(&pair->alpha);
    node_clear(&pair->beta);
    g_clear_pointer(&pair->pki, pki_free);
}

/* Somebody who connects and says nothing. */
static int connect_silently(guint16 port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(connect(fd, (struct sockaddr *) &address, sizeof address), ==, 0);
    return fd;
}

/* alpha binds by itself, as configured. */
static void use_config_listener(Node *node, const char *address, guint16 port)
{
    if (node->listen_fd >= 0)
        close(node->listen_fd);
    node->listen_fd = -1;
    node->config.listen_address = (char *) address;
    node->config.listen_port = port;
}

static void reload(Node *node)
{
    peers_reload(node->peers, &node->config, node->tls);
}

/* ip == NULL: nowhere. */
static void assert_listens_on(const Node *node, const char *ip, guint16 port)
{
    g_autofree char *text = peers_listen_text(node->peers);
    g_autofree char *expected = ip ? g_strdup_printf("%s:%u", ip, port) : g_strdup("");

    g_assert_cmpuint(peers_listen_port(node->peers), ==, port);
    g_assert_cmpstr(text, ==, expected);
}

static void test_listens_where_it_is_told(void)
{
    int fd;
    Pair pair;

    pair_init(&pair);
    use_config_listener(&pair.alpha, "127.0.0.1", 0);
    node_start(&pair.alpha);
    g_assert_cmpuint(peers_listen_port(pair.alpha.peers), !=, 0);
    g_assert_null(peers_listen_error(pair.alpha.peers));
    fd = connect_silently(peers_listen_port(pair.alpha.peers));
    WAIT_UNTIL(pair.alpha.peers->half_open->len == 1);
    close(fd);
    pair_clear(&pair);
}

static void test_does_not_listen_without_an_address(void)
{
    Pair pair;

    pair_init(&pair);
    use_config_listener(&pair.alpha, "", 0);
    node_start(&pair.alpha);
    g_assert_cmpuint(peers_listen_port(pair.alpha.peers), ==, 0);
    assert_listens_on(&pair.alpha, NULL, 0);
    node_start(&pair.beta);
    WAIT_UNTIL(node_is_linked(&pair.beta, "alpha")); /* alpha dials all the same */
    pair_clear(&pair);
}

static const HostFacts *no_facts(void *data)
{
    return &((Node *) data)->facts;
}

static void assert_start_fails(Pair *pair, const char *part)
{
    g_autoptr(GError) error = NULL;
    PeersParams params = {
        .config = &pair->alpha.config, .tls = pair->alpha.tls, .listen_fd = -1, .host_facts = no_facts, .data = &pair->alpha
    };

    g_assert_null(peers_new(&params, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, part));
}

static void test_address_that_cannot_be_bound_is_named(void)
{
    g_autofree char *port = NULL;
    Pair pair;

    pair_init(&pair);
    use_config_listener(&pair.alpha, "127.0.0.1", pair.beta.port); /* beta's */
    port = g_strdup_printf("127.0.0.1 port %u", pair.beta.port);
    assert_start_fails(&pair, port);
    use_config_listener(&pair.alpha, "alpha.example.org", 0);
    assert_start_fails(&pair, "\"alpha.example.org\": no IP address");
    pair_clear(&pair);
}

static void test_silent_strangers_do_not_keep_a_peer_out(void)
{
    int fds[5];
    Pair pair;

    pair_init(&pair);
    pair.alpha.config.max_handshakes = 2;
    pair.alpha.peer_configs[0].port = 1; /* beta has to get in */
    node_start(&pair.alpha);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = connect_silently(pair.alpha.port);
    node_start(&pair.beta);
    do {
        g_assert_cmpuint(pair.alpha.peers->half_open->len, <=, 2);
        g_main_context_iteration(NULL, TRUE);
    } while (!node_is_linked(&pair.alpha, "beta"));
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
    pair_clear(&pair);
}

/* beta listens, and does not dial: whether there is a link is alpha's doing. */
static void test_who_starts_dials_nobody_while_others_come(void)
{
    const PeersTiming timing = {
        .hello_ms = 10000, .exchange_ms = 10000, .backoff_min_ms = 10, .backoff_max_ms = 160, .retire_ms = 50,
        .half_open_ms = 10000, .start_calm_ms = 5, .start_patience_ms = G_MAXINT
    };
    Pair pair;
    Peer *peer;
    int fd;

    pair_init(&pair);
    pair.alpha.timing = &timing;
    pair.beta.peer_configs[0].port = 1;
    node_start(&pair.beta);
    node_start(&pair.alpha);
    pair.alpha.peers->accepted_boot_ns = G_MAXINT64 / 2; /* until this one is there */
    fd = connect_silently(pair.alpha.port);
    WAIT_UNTIL(pair.alpha.peers->half_open->len == 1);
    pair.alpha.peers->accepted_boot_ns = 0;
    peer = node_peer(&pair.alpha, "beta");
    for (guint i = 0; i < 3; i++) {
        guint timer = peer->retry_timer;

        WAIT_UNTIL(peer->retry_timer != timer);
        g_assert_cmpuint(peer->links->len, ==, 0);
    }
    close(fd);
    WAIT_UNTIL(node_is_linked(&pair.alpha, "beta"));
    pair_clear(&pair);
}

static void test_who_starts_dials_in_the_end_whoever_comes(void)
{
    const PeersTiming timing = {
        .hello_ms = 10000, .exchange_ms = 10000, .backoff_min_ms = 10, .backoff_max_ms = 160, .retire_ms = 50,
        .half_open_ms = 10000, .start_calm_ms = 5, .start_patience_ms = 20
    };
    Pair pair;
    int fd;

    pair_init(&pair);
    pair.alpha.timing = &timing;
    pair.beta.peer_configs[0].port = 1;
    node_start(&pair.beta);
    node_start(&pair.alpha);
    pair.alpha.peers->accepted_boot_ns = G_MAXINT64 / 2;
    fd = connect_silently(pair.alpha.port);
    WAIT_UNTIL(node_is_linked(&pair.alpha, "beta"));
    g_assert_cmpuint(pair.alpha.peers->half_open->len, ==, 1); /* still there */
    close(fd);
    pair_clear(&pair);
}

static void test_flood_of_refusals_is_logged_in_few_lines(void)
{
    Pair pair;

    pair_init(&pair);
    node_start(&pair.alpha);
    for (guint i = 0; i < 100; i++) {
        int fd = connect_silently(pair.alpha.port);

        WAIT_UNTIL(pair.alpha.peers->half_open->len == 1);
        close(fd);
        WAIT_UNTIL(pair.alpha.peers->half_open->len == 0);
    }
    g_assert_cmpuint(pair.alpha.peers->refused_unlogged, >, 0);
    pair_clear(&pair);
}

static guint lowest_free_fd(void)
{
    int fd = dup(0);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    return (guint) fd;
}

static void test_lack_of_descriptors_passes(void)
{
    struct rlimit limit, low;
    int fd;
    Pair pair;

    pair_init(&pair);
    pair.alpha.config.n_peers = 0; /* nobody else wants descriptors */
    node_start(&pair.alpha);
    fd = connect_silently(pair.alpha.port);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    low = limit;
    low.rlim_cur = lowest_free_fd();
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
    WAIT_UNTIL(pair.alpha.peers->listen_source == 0); /* paused, not spinning */
    g_assert_cmpuint(pair.alpha.peers->half_open->len, ==, 0);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    WAIT_UNTIL(pair.alpha.peers->half_open->len == 1);
    close(fd);
    pair_clear(&pair);
}

/* ---- reload ---- */

static void test_reload_keeps_links_of_kept_peers(void)
{
    PeerLink *link;
    Peer *peer;
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    WAIT_UNTIL(peer_relation(node_peer(&pair.alpha, "beta")).state == RELATION_OK);
    WAIT_UNTIL(node_peer(&pair.alpha, "beta")->links->len == 1);
    peer = node_peer(&pair.alpha, "beta");
    link = peer->current;
    pair.alpha.config.poll_interval_ns = 32 * (guint64) NS_PER_S;
    pair.alpha.peer_configs[0].address = (char *) "localhost"; /* where it is reached next time */
    reload(&pair.alpha);
    g_assert_true(node_peer(&pair.alpha, "beta") == peer);
    g_assert_true(peer->current == link);
    g_assert_cmpint(peer_relation(peer).state, ==, RELATION_OK);
    g_assert_true(g_str_has_prefix(peer_address(peer), "localhost:"));
    g_assert_cmpuint(pair.alpha.unlinked, ==, 0);
    pair_clear(&pair);
}

static void test_reload_drops_a_removed_peer(void)
{
    Peer *peer;
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    peer = peer_ref(node_peer(&pair.alpha, "beta"));
    pair.alpha.config.n_peers = 0;
    reload(&pair.alpha);
    g_assert_cmpuint(peers_count(pair.alpha.peers), ==, 0);
    g_assert_null(peers_by_name(pair.alpha.peers, "beta"));
    g_assert_cmpint(peer_state(peer), ==, PEER_IDLE);
    g_assert_cmpstr(peer_error(peer), ==, "removed from the configuration");
    peer_unref(peer);
    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "refused: connection from 127.0.0.1:*beta*");
    WAIT_UNTIL(!node_is_linked(&pair.beta, "alpha"));
    WAIT_UNTIL(pair.alpha.peers->refused_lines < 20);
    g_test_assert_expected_messages();
    pair_clear(&pair);
}

static void test_reload_links_an_added_peer(void)
{
    Pair pair;

    pair_init(&pair);
    pair.alpha.config.n_peers = 0;
    node_start(&pair.alpha);
    pair.alpha.config.n_peers = 1;
    reload(&pair.alpha);
    g_assert_cmpint(peer_state(node_peer(&pair.alpha, "beta")), ==, PEER_IDLE);
    node_start(&pair.beta);
    WAIT_UNTIL(node_is_linked(&pair.alpha, "beta"));
    pair_clear(&pair);
}

static void test_reload_dials_a_new_address_at_once(void)
{
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    pair.beta.config.n_peers = 1;
    pair.beta.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    node_start(&pair.beta);
    WAIT_UNTIL(peer_error(node_peer(&pair.alpha, "beta")));
    node_peer(&pair.alpha, "beta")->backoff_ms = pair.alpha.peers->timing.backoff_max_ms = 3600000;
    pair.alpha.peers->timing.backoff_min_ms = 3600000;
    WAIT_UNTIL(peer_state(node_peer(&pair.alpha, "beta")) == PEER_IDLE);
    pair.alpha.peer_configs[0].port = pair.beta.port;
    reload(&pair.alpha);
    g_assert_cmpint(peer_state(node_peer(&pair.alpha, "beta")), ==, PEER_DIALLING);
    WAIT_UNTIL(node_is_linked(&pair.alpha, "beta"));
    pair_clear(&pair);
}

static void test_reload_ends_links_of_revoked_certificates(void)
{
    LinkTls *tls;
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    pki_revoke(pair.pki, "beta");
    tls = link_fixture_tls(pair.pki, "alpha");
    peers_reload(pair.alpha.peers, &pair.alpha.config, tls);
    link_tls_unref(tls);
    g_assert_cmpint(peer_state(node_peer(&pair.alpha, "beta")), !=, PEER_LINKED);
    g_assert_nonnull(strstr(peer_error(node_peer(&pair.alpha, "beta")), "revoked"));
    WAIT_UNTIL(!node_is_linked(&pair.beta, "alpha"));
    pair_clear(&pair);
}

static void test_reload_with_another_name_says_hello_anew(void)
{
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    pair.alpha.config.name = (char *) "omega"; /* its certificate still says alpha */
    reload(&pair.alpha);
    WAIT_UNTIL(peer_state(node_peer(&pair.beta, "alpha")) == PEER_REFUSED);
    g_assert_nonnull(strstr(peer_error(node_peer(&pair.beta, "alpha")), "calls itself omega"));
    pair_clear(&pair);
}

static void test_reload_moves_the_listener_and_waits_for_its_address(void)
{
    guint16 port;
    Pair pair;

    pair_init(&pair);
    use_config_listener(&pair.alpha, "127.0.0.1", 0);
    node_start(&pair.alpha);
    port = pair.beta.port; /* taken */
    pair.alpha.config.listen_port = port;
    reload(&pair.alpha);
    g_assert_cmpuint(peers_listen_port(pair.alpha.peers), ==, 0);
    g_assert_nonnull(strstr(peers_listen_error(pair.alpha.peers), "cannot listen on 127.0.0.1"));
    node_close(&pair.beta);
    WAIT_UNTIL(peers_listen_port(pair.alpha.peers));
    g_assert_cmpuint(peers_listen_port(pair.alpha.peers), ==, port);
    assert_listens_on(&pair.alpha, "127.0.0.1", port);
    g_assert_null(peers_listen_error(pair.alpha.peers));
    pair_clear(&pair);
}

static void test_reload_leaves_an_inherited_listener_alone(void)
{
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    pair.alpha.config.listen_address = (char *) "127.0.0.2";
    reload(&pair.alpha);
    assert_listens_on(&pair.alpha, "127.0.0.1", pair.alpha.port); /* what is told is what is so */
    pair_clear(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peers-listen/listens-where-it-is-told", test_listens_where_it_is_told);
    g_test_add_func("/peers-listen/does-not-listen-without-an-address", test_does_not_listen_without_an_address);
    g_test_add_func("/peers-listen/address-that-cannot-be-bound-is-named", test_address_that_cannot_be_bound_is_named);
    g_test_add_func("/peers-listen/who-starts-dials-nobody-while-others-come",
                    test_who_starts_dials_nobody_while_others_come);
    g_test_add_func("/peers-listen/who-starts-dials-in-the-end-whoever-comes",
                    test_who_starts_dials_in_the_end_whoever_comes);
    g_test_add_func("/peers-listen/silent-strangers-do-not-keep-a-peer-out", test_silent_strangers_do_not_keep_a_peer_out);
    g_test_add_func("/peers-listen/flood-of-refusals-is-logged-in-few-lines",
                    test_flood_of_refusals_is_logged_in_few_lines);
    g_test_add_func("/peers-listen/lack-of-descriptors-passes", test_lack_of_descriptors_passes);
    g_test_add_func("/peers-listen/reload-keeps-links-of-kept-peers", test_reload_keeps_links_of_kept_peers);
    g_test_add_func("/peers-listen/reload-drops-a-removed-peer", test_reload_drops_a_removed_peer);
    g_test_add_func("/peers-listen/reload-links-an-added-peer", test_reload_links_an_added_peer);
    g_test_add_func("/peers-listen/reload-dials-a-new-address-at-once", test_reload_dials_a_new_address_at_once);
    g_test_add_func("/peers-listen/reload-ends-links-of-revoked-certificates",
                    test_reload_ends_links_of_revoked_certificates);
    g_test_add_func("/peers-listen/reload-with-another-name-says-hello-anew",
                    test_reload_with_another_name_says_hello_anew);
    g_test_add_func("/peers-listen/reload-moves-the-listener-and-waits-for-its-address",
                    test_reload_moves_the_listener_and_waits_for_its_address);
    g_test_add_func("/peers-listen/reload-leaves-an-inherited-listener-alone",
                    test_reload_leaves_an_inherited_listener_alone);
    return g_test_run();
}
