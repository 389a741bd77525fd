/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers-fixture.h"

#include <string.h>

#include "error.h"

/* Two nodes that know each other. */
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
}

static void pair_clear(Pair *pair)
{
    node_clear(&pair->alpha);
    node_clear(&pair->beta);
    g_clear_pointer(&pair->pki, pki_free);
}

static gboolean has_one_link(Node *node, const char *peer_name)
{
    Peer *peer = node_peer(node, peer_name);

    return peer->current && peer->links->len == 1;
}

/* One link, the same one at both ends. */
static gboolean pair_has_converged(Pair *pair)
{
    return has_one_link(&pair->alpha, "beta") && has_one_link(&pair->beta, "alpha") &&
           node_peer(&pair->alpha, "beta")->current->dialled != node_peer(&pair->beta, "alpha")->current->dialled;
}

static gboolean relation_is_ok(Node *node, const char *peer_name)
{
    RelationBounds bounds = peer_relation(node_peer(node, peer_name));

    return bounds.state == RELATION_OK && bounds.exchanges >= 8;
}

static void test_peers_link_and_know_each_other(void)
{
    Pair pair;

    pair_init(&pair);
    pair.beta.facts.pvr = 0x00800200;
    FACT_SET(&pair.beta.facts, HOST_PVR);
    pair_start(&pair);
    WAIT_UNTIL(node_is_linked(&pair.alpha, "BETA") && node_is_linked(&pair.beta, "alpha"));
    g_assert_cmpstr(peer_facts(node_peer(&pair.alpha, "beta"))->name, ==, "beta");
    g_assert_cmphex(peer_facts(node_peer(&pair.alpha, "beta"))->pvr, ==, 0x00800200);
    g_assert_true(peer_facts(node_peer(&pair.alpha, "beta"))->simulated);
    g_assert_cmpuint(peer_facts(node_peer(&pair.alpha, "beta"))->timebase_hz, ==, TB_FREQUENCY_POWER_HZ);
    g_assert_null(peer_error(node_peer(&pair.alpha, "beta")));
    g_assert_cmpuint(peers_listen_port(pair.alpha.peers), ==, pair.alpha.port);
    pair_clear(&pair);
}

static void test_relation_contains_the_truth(void)
{
    const gint64 truth_ticks = 123456789012345;
    RelationBounds seen_by_alpha, seen_by_beta;
    Pair pair;

    pair_init(&pair);
    pair.alpha.clock_config.start_ticks = 1000;
    pair.beta.clock_config.start_ticks = 1000 + truth_ticks;
    pair_start(&pair);
    WAIT_UNTIL(relation_is_ok(&pair.alpha, "beta") && relation_is_ok(&pair.beta, "alpha"));
    seen_by_alpha = peer_relation(node_peer(&pair.alpha, "beta"));
    seen_by_beta = peer_relation(node_peer(&pair.beta, "alpha"));
    g_assert_true(interval_is_bounded(seen_by_alpha.tb_ticks));
    g_assert_true(interval_contains(seen_by_alpha.tb_ticks, truth_ticks));
    g_assert_true(interval_contains(seen_by_beta.tb_ticks, -truth_ticks));
    g_assert_true(interval_contains(seen_by_alpha.tod_ns, 0));
    pair_clear(&pair);
}

/* beta's oscillator is 90 ppm fast, within the bound of 100 ppm. */
static void test_relation_of_drifting_clocks_contains_the_truth(void)
{
    Pair pair;

    pair_init(&pair);
    pair.beta.clock_config.drift_ppb = 90000;
    pair.beta.config.poll_interval_ns = pair.alpha.config.poll_interval_ns = NS_PER_S / 200;
    pair_start(&pair);
    WAIT_UNTIL(relation_is_ok(&pair.alpha, "beta"));
    for (int i = 0; i < 200; i++) {
        TbTicks before, there, after;
        RelationBounds bounds;

        g_main_context_iteration(NULL, TRUE);
        before = tb_clock_read_tb(pair.alpha.clock);
        there = tb_clock_read_tb(pair.beta.clock);
        bounds = peer_relation(node_peer(&pair.alpha, "beta"));
        after = tb_clock_read_tb(pair.alpha.clock);
        g_assert_cmpint(bounds.state, ==, RELATION_OK);
        g_assert_cmpint(bounds.tb_ticks.lo, <=, tb_minus(there, before));
        g_assert_cmpint(bounds.tb_ticks.hi, >=, tb_minus(there, after));
    }
    pair_clear(&pair);
}

static void test_both_dial_and_one_link_remains(void)
{
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    /* both at once, so that there are two for certain */
    peer_dial(node_peer(&pair.alpha, "beta"));
    peer_dial(node_peer(&pair.beta, "alpha"));
    WAIT_UNTIL(pair_has_converged(&pair));
    g_assert_true(node_peer(&pair.alpha, "beta")->current->dialled); /* the smaller name */
    g_assert_cmpuint(pair.alpha.unlinked, ==, 0);
    g_assert_cmpuint(pair.beta.unlinked, ==, 0);
    pair_clear(&pair);
}

static void test_link_dialled_by_the_larger_name_serves_while_it_is_the_only_one(void)
{
    guint16 port;
    Pair pair;

    pair_init(&pair);
    port = pair.alpha.peer_configs[0].port;
    pair.alpha.peer_configs[0].port = 1; /* nobody there: only beta can dial */
    pair_start(&pair);
    WAIT_UNTIL(pair_has_converged(&pair));
    g_assert_false(node_peer(&pair.alpha, "beta")->current->dialled);
    pair.alpha.peer_configs[0].port = port;
    peers_reload(pair.alpha.peers, &pair.alpha.config, pair.alpha.tls);
    g_assert_true(pair_has_converged(&pair)); /* and nobody changes it for the sake of the rule */
    pair_clear(&pair);
}

/* As by DNS: alpha's configuration names nobody. */
static void test_found_peers_come_stay_and_go(void)
{
    ConfigPeer found[2];
    Pair pair;
    Peer *beta;

    pair_init(&pair);
    found[0] = found[1] = pair.alpha.peer_configs[0];
    found[1].name = (char *) "ALPHA"; /* this host itself is none */
    pair.alpha.config.n_peers = 0;
    pair_start(&pair);
    peers_set_found(pair.alpha.peers, found, 2);
    g_assert_cmpuint(peers_count(pair.alpha.peers), ==, 1);
    WAIT_UNTIL(pair_has_converged(&pair));
    beta = peer_ref(node_peer(&pair.alpha, "beta"));
    g_assert_true(peer_is_found(beta));
    found[0].port = 1; /* found elsewhere now: that is for the next dial */
    peers_set_found(pair.alpha.peers, found, 1);
    peers_reload(pair.alpha.peers, &pair.alpha.config, pair.alpha.tls);
    g_assert_true(node_peer(&pair.alpha, "beta") == beta && pair_has_converged(&pair));
    g_assert_cmpuint(pair.alpha.unlinked, ==, 0);
    peers_set_found(pair.alpha.peers, NULL, 0);
    g_assert_cmpuint(peers_count(pair.alpha.peers), ==, 0);
    g_assert_cmpint(peer_state(beta), ==, PEER_IDLE);
    g_assert_cmpstr(peer_error(beta), ==, "it is not found in DNS any more");
    WAIT_UNTIL(node_peer(&pair.beta, "alpha")->state == PEER_IDLE); /* a stranger now */
    peer_unref(beta);
    pair_clear(&pair);
}

static void test_configured_peer_stands_above_a_found_one(void)
{
    ConfigPeer found;
    Pair pair;

    pair_init(&pair);
    found = (ConfigPeer){ .name = (char *) "BETA", .address = (char *) "192.0.2.1", .port = 1 };
    pair_start(&pair);
    peers_set_found(pair.alpha.peers, &found, 1);
    g_assert_cmpuint(peers_count(pair.alpha.peers), ==, 1);
    g_assert_cmpuint(node_peer(&pair.alpha, "beta")->port, ==, pair.beta.port);
    g_assert_false(peer_is_found(node_peer(&pair.alpha, "beta")));
    WAIT_UNTIL(pair_has_converged(&pair));
    peers_set_found(pair.alpha.peers, NULL, 0);
    g_assert_true(pair_has_converged(&pair));
    peers_set_found(pair.alpha.peers, &found, 1);
    pair.alpha.config.n_peers = 0; /* left to DNS: the same peer, and linked as before */
    peers_reload(pair.alpha.peers, &pair.alpha.config, pair.alpha.tls);
    g_assert_true(peer_is_found(node_peer(&pair.alpha, "beta")) && pair_has_converged(&pair));
    pair_clear(&pair);
}

static void test_restarts_at_any_moment_converge(void)
{
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    for (int i = 0; i < 60; i++) {
        Node *node = g_test_rand_bit() ? &pair.alpha : &pair.beta;

        /* some time after they have converged nothing more comes */
        for (int turns = g_test_rand_int_range(0, 60); turns > 0; turns--)
            g_main_context_iteration(NULL, !pair_has_converged(&pair));
        node_stop(node);
        for (int turns = g_test_rand_int_range(0, 10); turns > 0; turns--)
            g_main_context_iteration(NULL, FALSE);
        node_start(node);
    }
    WAIT_UNTIL(pair_has_converged(&pair));
    WAIT_UNTIL(relation_is_ok(&pair.alpha, "beta") && relation_is_ok(&pair.beta, "alpha"));
    pair_clear(&pair);
}

/* The peer vanished without a word; its successor dials while the old link looks alive. */
static void test_new_link_of_the_same_dialler_replaces_the_old_one(void)
{
    Fake first, second;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    fake_init(&first, pair.pki, "beta", "beta");
    fake_init(&second, pair.pki, "beta", "beta");
    fake_dial(&first, &pair.alpha);
    WAIT_UNTIL(first.exchanges >= 8);
    fake_dial(&second, &pair.alpha);
    WAIT_UNTIL(first.closed && second.exchanges >= 8);
    g_assert_true(has_one_link(&pair.alpha, "beta"));
    g_assert_cmpuint(pair.alpha.unlinked, ==, 0);
    fake_clear(&first);
    fake_clear(&second);
    pair_clear(&pair);
}

static void test_links_per_peer_are_bounded(void)
{
    Fake fakes[5];
    guint closed;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    for (guint i = 0; i < G_N_ELEMENTS(fakes); i++) {
        fake_init(&fakes[i], pair.pki, "beta", "beta");
        fakes[i].accept_only = TRUE; /* stays in Hello */
        fake_dial(&fakes[i], &pair.alpha);
    }
    do {
        g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(node_peer(&pair.alpha, "beta")->links->len, <=, 3); /* two, and one that we dial */
        closed = 0;
        for (guint i = 0; i < G_N_ELEMENTS(fakes); i++)
            closed += fakes[i].closed;
    } while (closed < 3);
    for (guint i = 0; i < G_N_ELEMENTS(fakes); i++)
        fake_clear(&fakes[i]);
    pair_clear(&pair);
}

/* ---- who may be a peer ---- */

static void test_other_protocol_version_is_refused_with_both_numbers(void)
{
    Fake fake;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    fake_init(&fake, pair.pki, "beta", "beta");
    fake.version = 7;
    fake_dial(&fake, &pair.alpha);
    WAIT_UNTIL(fake.closed);
    g_assert_cmpstr(fake.hello_error, ==, "org.tbsyncd1.Error.Version");
    g_assert_cmpstr(fake.hello_message, ==, "peer beta speaks link protocol 7, alpha speaks 1");
    g_assert_cmpint(peer_state(node_peer(&pair.alpha, "beta")), ==, PEER_REFUSED);
    g_assert_cmpstr(peer_error(node_peer(&pair.alpha, "beta")), ==, "peer beta speaks link protocol 7, alpha speaks 1");
    fake_clear(&fake);
    pair_clear(&pair);
}

static void test_real_and_simulated_hosts_refuse_each_other(void)
{
    Fake fake;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    fake_init(&fake, pair.pki, "beta", "beta");
    fake.facts.simulated = false;
    fake_dial(&fake, &pair.alpha);
    WAIT_UNTIL(fake.closed);
    g_assert_cmpstr(fake.hello_error, ==, "org.tbsyncd1.Error.Simulated");
    g_assert_cmpint(peer_state(node_peer(&pair.alpha, "beta")), ==, PEER_REFUSED);
    g_assert_cmpuint(fake.exchanges, ==, 0);
    fake_clear(&fake);
    pair_clear(&pair);
}

static void test_host_that_does_not_say_whether_it_is_simulated_is_refused(void)
{
    Fake fake;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    fake_init(&fake, pair.pki, "beta", "beta");
    fake.facts.known &= ~FACT_BIT(HOST_SIMULATED);
    fake_dial(&fake, &pair.alpha);
    WAIT_UNTIL(fake.closed);
    g_assert_cmpstr(fake.hello_error, ==, "org.tbsyncd1.Error.Simulated");
    fake_clear(&fake);
    pair_clear(&pair);
}

static void test_host_that_calls_itself_otherwise_is_refused_at_both_ends(void)
{
    Pair pair;

    pair_init(&pair);
    pair.beta.config.name = (char *) "gamma";
    pair_start(&pair);
    WAIT_UNTIL(peer_state(node_peer(&pair.alpha, "beta")) == PEER_REFUSED &&
               peer_state(node_peer(&pair.beta, "alpha")) == PEER_REFUSED);
    g_assert_cmpstr(peer_error(node_peer(&pair.alpha, "beta")), ==,
                    "the certificate is that of beta, its host calls itself gamma");
    g_assert_nonnull(strstr(peer_error(node_peer(&pair.beta, "alpha")), "its host calls itself gamma"));
    pair_clear(&pair);
}

static void test_malformed_facts_are_refused(void)
{
    Fake fake;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    fake_init(&fake, pair.pki, "beta", "beta");
    g_strlcpy(fake.facts.machine_id, "no machine id", sizeof fake.facts.machine_id);
    FACT_SET(&fake.facts, HOST_MACHINE_ID);
    fake_dial(&fake, &pair.alpha);
    WAIT_UNTIL(fake.closed);
    g_assert_cmpstr(fake.hello_error, ==, "org.tbsyncd1.Error.Invalid");
    g_assert_cmpint(peer_state(node_peer(&pair.alpha, "beta")), !=, PEER_LINKED);
    g_assert_nonnull(strstr(peer_error(node_peer(&pair.alpha, "beta")), "machine_id"));
    fake_clear(&fake);
    pair_clear(&pair);
}

static void test_refused_peer_links_when_the_cause_is_gone(void)
{
    Fake wrong, right;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    fake_init(&wrong, pair.pki, "beta", "beta");
    wrong.version = 7;
    fake_dial(&wrong, &pair.alpha);
    WAIT_UNTIL(peer_state(node_peer(&pair.alpha, "beta")) == PEER_REFUSED);
    fake_init(&right, pair.pki, "beta", "beta");
    fake_dial(&right, &pair.alpha);
    WAIT_UNTIL(node_is_linked(&pair.alpha, "beta"));
    g_assert_null(peer_error(node_peer(&pair.alpha, "beta")));
    fake_clear(&wrong);
    fake_clear(&right);
    pair_clear(&pair);
}

static void test_stranger_of_the_same_ca_is_refused_with_one_line(void)
{
    Fake fake;
    Pair pair;

    pair_init(&pair);
    pki_issue_host(pair.pki, "mallory");
    node_start(&pair.alpha);
    fake_init(&fake, pair.pki, "mallory", "mallory");
    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "refused: connection from 127.0.0.1:*mallory*");
    fake_dial(&fake, &pair.alpha);
    WAIT_UNTIL(fake.closed && pair.alpha.peers->half_open->len == 0);
    g_test_assert_expected_messages();
    g_assert_cmpuint(fake.hellos, ==, 0);
    g_assert_false(fake.greeted);
    fake_clear(&fake);
    pair_clear(&pair);
}

static void test_certificate_of_another_ca_is_refused_with_one_line(void)
{
    g_autoptr(Pki) other = pki_new("elsewhere");
    Fake fake;
    Pair pair;

    pair_init(&pair);
    pki_revoke(other, NULL);
    pki_issue_host(other, "beta");
    node_start(&pair.alpha);
    fake_init(&fake, other, "beta", "beta");
    /* whichever end finds out first, beta's own CA being as unknown here as ours is there */
    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "refused: connection from 127.0.0.1:*");
    fake_dial(&fake, &pair.alpha);
    WAIT_UNTIL(fake.closed && pair.alpha.peers->half_open->len == 0);
    WAIT_UNTIL(pair.alpha.peers->refused_lines < 20);
    g_test_assert_expected_messages();
    g_assert_cmpint(peer_state(node_peer(&pair.alpha, "beta")), !=, PEER_LINKED);
    fake_clear(&fake);
    pair_clear(&pair);
}

/* ---- what happens to links ---- */

static void test_silent_peer_is_dropped_after_two_missed_exchanges(void)
{
    Fake fake;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    pair.alpha.peers->timing.exchange_ms = 50;
    fake_init(&fake, pair.pki, "beta", "beta");
    fake.mute_exchange = TRUE;
    fake_dial(&fake, &pair.alpha);
    WAIT_UNTIL(fake.closed);
    g_assert_cmpuint(fake.exchanges, ==, 2);
    g_assert_nonnull(strstr(peer_error(node_peer(&pair.alpha, "beta")), "2 exchanges in a row failed"));
    g_assert_cmpint(peer_relation(node_peer(&pair.alpha, "beta")).state, ==, RELATION_NONE);
    fake_clear(&fake);
    pair_clear(&pair);
}

static void test_peer_without_hello_is_dropped(void)
{
    Fake fake;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    pair.alpha.peers->timing.hello_ms = 50;
    /* its own dialling fails once and not again: that would replace the error */
    pair.alpha.peers->timing.backoff_min_ms = pair.alpha.peers->timing.backoff_max_ms = 100000;
    fake_init(&fake, pair.pki, "beta", "beta");
    fake.accept_only = TRUE;
    fake_dial(&fake, &pair.alpha);
    WAIT_UNTIL(fake.closed);
    g_assert_cmpuint(fake.hellos, ==, 1);
    g_assert_cmpuint(fake.exchanges, ==, 0);
    g_assert_nonnull(strstr(peer_error(node_peer(&pair.alpha, "beta")), "did not finish Hello within 50 ms"));
    fake_clear(&fake);
    pair_clear(&pair);
}

static void test_unreachable_peer_is_dialled_ever_more_rarely(void)
{
    Peer *peer;
    guint before;
    Pair pair;

    pair_init(&pair);
    node_close(&pair.beta);
    node_start(&pair.alpha);
    peer = node_peer(&pair.alpha, "beta");
    before = peer->backoff_ms;
    g_assert_cmpuint(before, ==, pair.alpha.peers->timing.backoff_min_ms);
    while (peer->backoff_ms < pair.alpha.peers->timing.backoff_max_ms) {
        g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(peer->backoff_ms, ==, peer->backoff_ms == before ? before : before * 2);
        before = peer->backoff_ms;
    }
    g_assert_nonnull(strstr(peer_error(peer), "beta"));
    pair_clear(&pair);
}

static void test_relation_outlives_a_link(void)
{
    RelationBounds before, after;
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    WAIT_UNTIL(relation_is_ok(&pair.alpha, "beta"));
    before = peer_relation(node_peer(&pair.alpha, "beta"));
    node_stop(&pair.beta);
    WAIT_UNTIL(!node_is_linked(&pair.alpha, "beta"));
    after = peer_relation(node_peer(&pair.alpha, "beta"));
    g_assert_cmpint(after.state, ==, RELATION_OK);
    g_assert_cmpuint(after.exchanges, ==, before.exchanges);
    g_assert_cmpint(after.age_ticks, >, before.age_ticks);
    g_assert_true(interval_contains(after.tb_ticks, 0));
    node_start(&pair.beta);
    WAIT_UNTIL(node_is_linked(&pair.alpha, "beta") &&
               peer_relation(node_peer(&pair.alpha, "beta")).exchanges > before.exchanges);
    g_assert_cmpint(peer_relation(node_peer(&pair.alpha, "beta")).state, ==, RELATION_OK);
    pair_clear(&pair);
}

static void test_other_host_under_the_same_name_starts_a_new_relation(void)
{
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    WAIT_UNTIL(relation_is_ok(&pair.alpha, "beta"));
    node_stop(&pair.beta);
    WAIT_UNTIL(!node_is_linked(&pair.alpha, "beta"));
    pair.beta.facts.machine_id[0] ^= 1;
    pair.beta.clock_config.start_ticks = 5000000000000;
    node_start(&pair.beta);
    WAIT_UNTIL(node_is_linked(&pair.alpha, "beta"));
    WAIT_UNTIL(relation_is_ok(&pair.alpha, "beta"));
    g_assert_true(interval_contains(peer_relation(node_peer(&pair.alpha, "beta")).tb_ticks, 5000000000000));
    pair_clear(&pair);
}

/* Two hosts with one name and one certificate: nothing that the first one says may count for the second. */
static void test_links_to_the_former_host_of_a_name_end(void)
{
    Fake first, second;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    node_start(&pair.alpha);
    fake_init(&first, pair.pki, "beta", "beta");
    fake_init(&second, pair.pki, "beta", "beta");
    g_strlcpy(second.facts.machine_id, "0123456789abcdef0123456789abcdef", sizeof second.facts.machine_id);
    FACT_SET(&second.facts, HOST_MACHINE_ID);
    fake_dial(&first, &pair.alpha);
    WAIT_UNTIL(relation_is_ok(&pair.alpha, "beta"));
    second.mute_hello = TRUE; /* its own Hello is enough */
    fake_dial(&second, &pair.alpha);
    WAIT_UNTIL(first.closed);
    g_assert_cmpint(peer_state(node_peer(&pair.alpha, "beta")), ==, PEER_HELLO);
    g_assert_cmpint(peer_relation(node_peer(&pair.alpha, "beta")).state, ==, RELATION_NONE);
    fake_clear(&first);
    fake_clear(&second);
    pair_clear(&pair);
}

static void test_peer_that_is_asked_too_often_is_not_lost(void)
{
    Fake fake;
    Pair pair;

    pair_init(&pair);
    pair.alpha.peer_configs[0].port = 1;
    pair.alpha.config.poll_interval_ns = NS_PER_S / 100;
    node_start(&pair.alpha);
    fake_init(&fake, pair.pki, "beta", "beta");
    fake.deny_exchange = TRUE;
    fake_dial(&fake, &pair.alpha);
    WAIT_UNTIL(fake.exchanges >= 5);
    g_assert_true(node_is_linked(&pair.alpha, "beta"));
    g_assert_false(fake.closed);
    fake.deny_exchange = FALSE;
    WAIT_UNTIL(relation_is_ok(&pair.alpha, "beta"));
    fake_clear(&fake);
    pair_clear(&pair);
}

static void test_stepped_timebase_is_told(void)
{
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    WAIT_UNTIL(relation_is_ok(&pair.alpha, "beta"));
    node_stop(&pair.beta);
    pair.beta.clock_config.start_ticks = 5000000000000; /* rebooted: the same host, another count */
    node_start(&pair.beta);
    WAIT_UNTIL(peer_relation(node_peer(&pair.alpha, "beta")).state == RELATION_STEPPED);
    WAIT_UNTIL(peer_relation(node_peer(&pair.alpha, "beta")).state == RELATION_OK);
    g_assert_true(interval_contains(peer_relation(node_peer(&pair.alpha, "beta")).tb_ticks, 5000000000000));
    pair_clear(&pair);
}

static void test_other_frequency_links_without_a_relation(void)
{
    Pair pair;

    pair_init(&pair);
    pair.beta.clock_config.frequency_hz = 1000000000;
    pair_start(&pair);
    WAIT_UNTIL(node_is_linked(&pair.alpha, "beta") && node_peer(&pair.alpha, "beta")->own_samples == 0);
    g_assert_cmpuint(peer_facts(node_peer(&pair.alpha, "beta"))->timebase_hz, ==, 1000000000);
    g_assert_cmpint(peer_relation(node_peer(&pair.alpha, "beta")).state, ==, RELATION_NONE);
    g_assert_false(interval_is_bounded(peer_relation(node_peer(&pair.alpha, "beta")).tb_ticks));
    pair_clear(&pair);
}

static void test_announced_facts_reach_the_peer(void)
{
    Peer *seen;
    Pair pair;

    pair_init(&pair);
    pair_start(&pair);
    WAIT_UNTIL(pair_has_converged(&pair));
    seen = node_peer(&pair.beta, "alpha");
    g_assert_false(FACT_KNOWN(peer_facts(seen), HOST_KVM));
    pair.alpha.facts.kvm = KVM_HV;
    FACT_SET(&pair.alpha.facts, HOST_KVM);
    peers_announce(pair.alpha.peers);
    pair.alpha.facts.pvr = 0x00800200; /* while the first is under way: the last one counts */
    FACT_SET(&pair.alpha.facts, HOST_PVR);
    peers_announce(pair.alpha.peers);
    WAIT_UNTIL(FACT_KNOWN(peer_facts(seen), HOST_PVR));
    g_assert_true(FACT_KNOWN(peer_facts(seen), HOST_KVM));
    g_assert_cmpuint(pair.beta.unlinked, ==, 0);
    pair_clear(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peers/link-and-know-each-other", test_peers_link_and_know_each_other);
    g_test_add_func("/peers/relation-contains-the-truth", test_relation_contains_the_truth);
    g_test_add_func("/peers/relation-of-drifting-clocks-contains-the-truth",
                    test_relation_of_drifting_clocks_contains_the_truth);
    g_test_add_func("/peers/both-dial-and-one-link-remains", test_both_dial_and_one_link_remains);
    g_test_add_func("/peers/link-dialled-by-the-larger-name-serves-while-it-is-the-only-one",
                    test_link_dialled_by_the_larger_name_serves_while_it_is_the_only_one);
    g_test_add_func("/peers/found-peers-come-stay-and-go", test_found_peers_come_stay_and_go);
    g_test_add_func("/peers/configured-peer-stands-above-a-found-one", test_configured_peer_stands_above_a_found_one);
    g_test_add_func("/peers/restarts-at-any-moment-converge", test_restarts_at_any_moment_converge);
    g_test_add_func("/peers/new-link-of-the-same-dialler-replaces-the-old-one",
                    test_new_link_of_the_same_dialler_replaces_the_old_one);
    g_test_add_func("/peers/links-per-peer-are-bounded", test_links_per_peer_are_bounded);
    g_test_add_func("/peers/other-protocol-version-is-refused-with-both-numbers",
                    test_other_protocol_version_is_refused_with_both_numbers);
    g_test_add_func("/peers/real-and-simulated-hosts-refuse-each-other", test_real_and_simulated_hosts_refuse_each_other);
    g_test_add_func("/peers/host-that-does-not-say-whether-it-is-simulated-is-refused",
                    test_host_that_does_not_say_whether_it_is_simulated_is_refused);
    g_test_add_func("/peers/host-that-calls-itself-otherwise-is-refused-at-both-ends",
                    test_host_that_calls_itself_otherwise_is_refused_at_both_ends);
    g_test_add_func("/peers/malformed-facts-are-refused", test_malformed_facts_are_refused);
    g_test_add_func("/peers/refused-peer-links-when-the-cause-is-gone", test_refused_peer_links_when_the_cause_is_gone);
    g_test_add_func("/peers/stranger-of-the-same-ca-is-refused-with-one-line",
                    test_stranger_of_the_same_ca_is_refused_with_one_line);
    g_test_add_func("/peers/certificate-of-another-ca-is-refused-with-one-line",
                    test_certificate_of_another_ca_is_refused_with_one_line);
    g_test_add_func("/peers/silent-peer-is-dropped-after-two-missed-exchanges",
                    test_silent_peer_is_dropped_after_two_missed_exchanges);
    g_test_add_func("/peers/peer-without-hello-is-dropped", test_peer_without_hello_is_dropped);
    g_test_add_func("/peers/unreachable-peer-is-dialled-ever-more-rarely",
                    test_unreachable_peer_is_dialled_ever_more_rarely);
    g_test_add_func("/peers/relation-outlives-a-link", test_relation_outlives_a_link);
    g_test_add_func("/peers/other-host-under-the-same-name-starts-a-new-relation",
                    test_other_host_under_the_same_name_starts_a_new_relation);
    g_test_add_func("/peers/links-to-the-former-host-of-a-name-end", test_links_to_the_former_host_of_a_name_end);
    g_test_add_func("/peers/peer-that-is-asked-too-often-is-not-lost", test_peer_that_is_asked_too_often_is_not_lost);
    g_test_add_func("/peers/stepped-timebase-is-told", test_stepped_timebase_is_told);
    g_test_add_func("/peers/other-frequency-links-without-a-relation", test_other_frequency_links_without_a_relation);
    g_test_add_func("/peers/announced-facts-reach-the-peer", test_announced_facts_reach_the_peer);
    return g_test_run();
}
