/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers-fixture.h"

/* Ten seconds: more than all exchanges of a triangle can take, also on a slow or an emulated machine. */
#define WRONG_TICKS (10 * TB_FREQUENCY_POWER_HZ)

/* Four hosts, each linked with each: four triangles. */
typedef struct Fixture {
    Pki *pki;
    Node nodes[4];
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
    static const char *const names[] = { "alpha", "beta", "gamma", "delta" };

    f->pki = pki_new("fleet");
    pki_revoke(f->pki, NULL);
    for (guint i = 0; i < 4; i++) {
        node_init(&f->nodes[i], f->pki, names[i]);
        f->nodes[i].config.poll_interval_ns = 50 * (guint64) NS_PER_S / 1000;
        f->nodes[i].clock_config.start_ticks = i * G_GUINT64_CONSTANT(1000000000000);
    }
    for (guint i = 0; i < 4; i++)
        for (guint j = 0; j < 4; j++)
            if (i != j)
                node_add_peer(&f->nodes[i], &f->nodes[j]);
    for (guint i = 0; i < 4; i++)
        node_start(&f->nodes[i]);
}

static void teardown(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < 4; i++)
        node_clear(&f->nodes[i]);
    pki_free(f->pki);
}

static void test_closes(Fixture *f, gconstpointer data)
{
    g_autofree char *suspect = NULL;
    RelationLoopState state = RELATION_LOOP_UNKNOWN;

    while (state == RELATION_LOOP_UNKNOWN) {
        g_main_context_iteration(NULL, TRUE);
        g_free(suspect);
        state = peers_loop(f->nodes[0].peers, &suspect);
    }
    g_assert_cmpint(state, ==, RELATION_LOOP_CLOSES);
    g_assert_cmpstr(suspect, ==, "");
    g_assert_cmpstr(peers_loop_state_name(state), ==, "closes");
}

/* What alpha would say if its relations to these peers were wrong. */
static char *suspect_if_wrong(Fixture *f, const char *const *names)
{
    Relation before[4];
    char *suspect;

    for (guint i = 0; names[i]; i++) {
        Peer *peer = node_peer(&f->nodes[0], names[i]);

        before[i] = peer->relation;
        peer->relation.tb.bounds = interval_add(peer->relation.tb.bounds, interval_point((i + 1) * WRONG_TICKS));
    }
    peers_loop(f->nodes[0].peers, &suspect);
    for (guint i = 0; names[i]; i++)
        node_peer(&f->nodes[0], names[i])->relation = before[i];
    return suspect;
}

static void wait_for_suspect(Fixture *f, const char *const *names, const char *wanted)
{
    g_autofree char *suspect = suspect_if_wrong(f, names);

    /* until all have told all */
    while (!g_str_equal(suspect, wanted)) {
        g_main_context_iteration(NULL, TRUE);
        g_free(suspect);
        suspect = suspect_if_wrong(f, names);
    }
}

static void test_wrong_link(Fixture *f, gconstpointer data)
{
    wait_for_suspect(f, (const char *const[]){ "gamma", NULL }, "alpha-gamma");
}

static void test_wrong_host(Fixture *f, gconstpointer data)
{
    wait_for_suspect(f, (const char *const[]){ "beta", "gamma", "delta", NULL }, "alpha");
}

static void test_silent_peers(Fixture *f, gconstpointer data)
{
    g_autofree char *suspect = NULL;

    for (guint i = 1; i < 4; i++)
        node_close(&f->nodes[i]);
    for (guint i = 1; i < 4; i++)
        node_stop(&f->nodes[i]);
    WAIT_UNTIL(!node_is_linked(&f->nodes[0], "beta") && !node_is_linked(&f->nodes[0], "gamma"));
    g_assert_cmpint(peers_loop(f->nodes[0].peers, &suspect), ==, RELATION_LOOP_UNKNOWN);
}

#define ADD(name, function) g_test_add("/peer-loop/" name, Fixture, NULL, setup, function, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("true-relations-close", test_closes);
    ADD("wrong-relation-is-named", test_wrong_link);
    ADD("host-that-contradicts-all-others-is-named", test_wrong_host);
    ADD("nothing-is-known-without-links", test_silent_peers);
    return g_test_run();
}
