/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "peers-fixture.h"

#define BOOT_A "00000000000000000000000000000001"
#define BOOT_B "00000000000000000000000000000002"
#define LATER  G_GUINT64_CONSTANT(5000000000000) /* ticks: what a timebase jumps by when its host boots */

/* alpha keeps what it knows of beta. Its drift bound is far too large, so that what is stored is soon worn out. */
typedef struct Fixture {
    Pki *pki;
    Node alpha, beta;
    char *directory;
    RelationBounds kept;
    gboolean worn_out; /* nothing stored is left */
} Fixture;

static void set_boot(Node *node, const char *id)
{
    g_strlcpy(node->facts.boot_id, id, sizeof node->facts.boot_id);
    FACT_SET(&node->facts, HOST_BOOT_ID);
}

static Peer *beta_of(Fixture *f)
{
    return node_peer(&f->alpha, "beta");
}

static void open_ledger(Fixture *f)
{
    g_autoptr(GError) error = NULL;

    f->alpha.ledger = ledger_new(f->directory, 10, &error);
    g_assert_no_error(error);
}

/* As the daemon does: what is under way is written before the ledger is gone. */
static void stop_alpha(Fixture *f)
{
    node_stop(&f->alpha);
    g_clear_pointer(&f->alpha.ledger, ledger_free);
}

static void setup(Fixture *f, gconstpointer data)
{
    f->pki = pki_new("fleet");
    pki_revoke(f->pki, NULL);
    f->directory = g_dir_make_tmp("tbsync-memory-XXXXXX", NULL);
    node_init(&f->alpha, f->pki, "alpha");
    node_init(&f->beta, f->pki, "beta");
    node_add_peer(&f->alpha, &f->beta);
    node_add_peer(&f->beta, &f->alpha);
    set_boot(&f->alpha, BOOT_A);
    set_boot(&f->beta, BOOT_B);
    f->alpha.config.drift_bound_ppb = 10000000;
    open_ledger(f);
    node_start(&f->alpha);
    node_start(&f->beta);
    WAIT_UNTIL(peer_relation(beta_of(f)).exchanges >= 8);
    f->kept = peer_relation(beta_of(f));
    stop_alpha(f);
}

static void remove_file(Fixture *f, const char *name)
{
    g_autofree char *path = g_build_filename(f->directory, name, NULL);

    g_remove(path);
}

static void teardown(Fixture *f, gconstpointer data)
{
    stop_alpha(f);
    node_clear(&f->alpha);
    node_clear(&f->beta);
    pki_free(f->pki);
    remove_file(f, "peers/beta.json");
    remove_file(f, "peers");
    remove_file(f, "guests");
    remove_file(f, "migrations");
    g_rmdir(f->directory);
    g_free(f->directory);
}

/* Until beta's facts are known and nothing was measured yet. */
static void start_again(Fixture *f)
{
    open_ledger(f);
    node_start(&f->alpha);
    WAIT_UNTIL(peer_facts(beta_of(f)));
}

static void on_burst(GObject *source, GAsyncResult *result, void *data)
{
    Fixture *f = data;
    RelationTrace trace;

    g_assert_true(peer_burst_finish(beta_of(f), result, &trace, NULL));
    f->worn_out = !peer_relation_is_stored(beta_of(f));
    if (!f->worn_out)
        peer_burst_async(beta_of(f), 1, 60000, NULL, on_burst, f);
}

static void test_stored(Fixture *f, gconstpointer data)
{
    RelationBounds bounds;

    start_again(f);
    bounds = peer_relation(beta_of(f));
    g_assert_true(bounds.stored);
    g_assert_cmpint(bounds.tod_state, ==, RELATION_NONE);
    g_assert_cmpint(bounds.state, ==, RELATION_OK);
    g_assert_true(peer_relation_is_stored(beta_of(f)));
    g_assert_cmpuint(bounds.exchanges, >=, f->kept.exchanges);
    g_assert_cmpint(bounds.age_ticks, >, f->kept.age_ticks);
    g_assert_true(interval_contains(bounds.tb_ticks, 0));
    WAIT_UNTIL(peer_relation(beta_of(f)).exchanges > bounds.exchanges);
    peer_burst_async(beta_of(f), 1, 60000, NULL, on_burst, f);
    WAIT_UNTIL(f->worn_out);
    g_assert_cmpint(peer_relation(beta_of(f)).tod_state, ==, RELATION_OK);
    g_assert_cmpint(peer_relation(beta_of(f)).state, ==, RELATION_OK);
}

static void assert_not_used(Fixture *f, gint64 truth_ticks)
{
    start_again(f);
    g_assert_cmpint(peer_relation(beta_of(f)).state, ==, RELATION_NONE);
    g_assert_false(peer_relation_is_stored(beta_of(f)));
    WAIT_UNTIL(peer_relation(beta_of(f)).exchanges > 0);
    g_assert_cmpint(peer_relation(beta_of(f)).state, ==, RELATION_OK);
    g_assert_true(interval_contains(peer_relation(beta_of(f)).tb_ticks, truth_ticks));
}

static void test_peer_booted(Fixture *f, gconstpointer data)
{
    node_stop(&f->beta);
    set_boot(&f->beta, "00000000000000000000000000000003");
    f->beta.clock_config.start_ticks = LATER;
    node_start(&f->beta);
    assert_not_used(f, (gint64) LATER);
}

static void test_own_boot(Fixture *f, gconstpointer data)
{
    set_boot(&f->alpha, "00000000000000000000000000000003");
    f->alpha.clock_config.start_ticks = LATER;
    assert_not_used(f, -(gint64) LATER);
}

/* A machine that was suspended, or taken back to a snapshot: the same boot, another timebase. */
static void test_own_timebase_moved(Fixture *f, gconstpointer data)
{
    f->alpha.clock_config.start_ticks = LATER;
    assert_not_used(f, -(gint64) LATER);
}

static void test_no_boot_id(Fixture *f, gconstpointer data)
{
    node_stop(&f->beta);
    f->beta.facts.known &= ~FACT_BIT(HOST_BOOT_ID);
    node_start(&f->beta);
    assert_not_used(f, 0);
}

static void test_other_bound(Fixture *f, gconstpointer data)
{
    f->alpha.config.drift_bound_ppb /= 2;
    assert_not_used(f, 0);
}

static void test_foreign_files(Fixture *f, gconstpointer data)
{
    static const char *const texts[] = { "", "{", "[]", "{\"version\":1}", "{\"version\":1,\"key\":5,\"relation\":[]}" };
    g_autofree char *path = g_build_filename(f->directory, "peers/beta.json", NULL);
    g_autofree char *good = NULL;
    g_auto(GStrv) parts = NULL;

    g_assert_true(g_file_get_contents(path, &good, NULL, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_true(g_file_set_contents(path, texts[i], -1, NULL));
        assert_not_used(f, 0);
        stop_alpha(f);
    }
    /* the right key, and a relation that is none */
    parts = g_strsplit(good, "\"timebase_hz\":512000000", 2);
    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    g_free(good);
    good = g_strjoinv("\"timebase_hz\":0", parts);
    g_assert_true(g_file_set_contents(path, good, -1, NULL));
    assert_not_used(f, 0);
}

#define ADD(name, function) g_test_add("/peer-memory/" name, Fixture, NULL, setup, function, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("relation-holds-over-a-restart-and-says-so", test_stored);
    ADD("not-if-the-peer-booted", test_peer_booted);
    ADD("not-if-this-host-booted", test_own_boot);
    ADD("not-if-this-hosts-timebase-moved-without-a-boot", test_own_timebase_moved);
    ADD("not-if-the-peer-does-not-tell-its-boot", test_no_boot_id);
    ADD("not-with-another-drift-bound", test_other_bound);
    ADD("not-from-a-file-that-is-not-ours", test_foreign_files);
    return g_test_run();
}
