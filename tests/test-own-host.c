/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "own-host.h"

#include <glib/gstdio.h>
#include <string.h>

#include "error.h"
#include "tree.h"

#define NOW_NS (1000 * NS_PER_S)

/* A host root with what decides on the largest hash page table, and the configuration that names it. */
typedef struct Fixture {
    char *root;
    char *assignments[2];
    Config config;
} Fixture;

static void put(const Fixture *f, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(f->root, name, NULL);
    g_autofree char *directory = g_path_get_dirname(path);

    g_mkdir_with_parents(directory, 0700);
    g_unlink(path); /* GLib 2.74 writes over an old file without cutting it */
    g_assert_true(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
}

static void put_free_kib(const Fixture *f, guint kib)
{
    g_autofree char *text = g_strdup_printf("CmaTotal: 6684672 kB\nCmaFree: %u kB\n", kib);

    put(f, "proc/meminfo", text);
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->root = g_dir_make_tmp("tbsync-own-host-XXXXXX", NULL);
    put(f, "proc/cpuinfo", "processor\t: 0\ncpu\t\t: POWER9, altivec supported\nrevision\t: 2.2 (pvr 004e 1202)\n\n"
                           "timebase\t: 512000000\nplatform\t: PowerNV\nMMU\t\t: Radix\n");
    put_free_kib(f, 6684672);
    f->config.name = (char *)"alpha";
    f->config.root = f->root;
    f->config.host_assignments = f->assignments;
}

static void tear_down(Fixture *f, gconstpointer data)
{
    tree_remove(f->root);
    g_free(f->root);
}

static OwnHost *start(const Fixture *f)
{
    g_autoptr(GError) error = NULL;
    OwnHost *host = own_host_new(&f->config, &error);

    g_assert_no_error(error);
    return host;
}

static void test_configuration_completes_what_is_probed(Fixture *f, gconstpointer data)
{
    g_autoptr(OwnHost) host = start(f);
    const HostFacts *facts = own_host_facts(host, NOW_NS);

    g_assert_cmpstr(facts->name, ==, "alpha");
    g_assert_cmphex(facts->pvr, ==, 0x004e1202);
    g_assert_true(FACT_KNOWN(facts, HOST_SIMULATED) && facts->simulated); /* the root is not this machine's */
    g_assert_cmpuint(facts->hpt_max_order, ==, 32);
    own_host_set_timebase_hz(host, 512000001);
    own_host_set_name(host, "beta");
    g_assert_cmpuint(facts->timebase_hz, ==, 512000001);
    g_assert_cmpstr(facts->name, ==, "beta");
}

/* What a guest needs must be there when it comes, not when tbsyncd was started. */
static void test_free_memory_is_as_of_now(Fixture *f, gconstpointer data)
{
    g_autoptr(OwnHost) host = start(f);

    put_free_kib(f, 1048575);
    g_assert_cmpuint(own_host_facts(host, NOW_NS)->hpt_max_order, ==, 29);
    put_free_kib(f, 0);
    g_assert_cmpuint(own_host_facts(host, NOW_NS + OWN_HOST_REFRESH_NS - 1)->hpt_max_order, ==, 29);
    g_assert_cmpuint(own_host_facts(host, NOW_NS + OWN_HOST_REFRESH_NS)->hpt_max_order, ==, 24);
}

static void test_override_stands_above_what_is_read_again(Fixture *f, gconstpointer data)
{
    f->assignments[0] = (char *)"hpt_max_order=26";
    g_autoptr(OwnHost) host = start(f);

    put_free_kib(f, 0);
    g_assert_cmpuint(own_host_facts(host, NOW_NS)->hpt_max_order, ==, 26);
    g_assert_false(own_host_has_changed(host, NOW_NS + 2 * OWN_HOST_REFRESH_NS));
}

static void test_change_is_told_once(Fixture *f, gconstpointer data)
{
    g_autoptr(OwnHost) host = start(f);

    g_assert_false(own_host_has_changed(host, NOW_NS));
    put_free_kib(f, 0);
    /* although somebody else was first to look */
    g_assert_cmpuint(own_host_facts(host, NOW_NS + OWN_HOST_REFRESH_NS)->hpt_max_order, ==, 24);
    g_assert_true(own_host_has_changed(host, NOW_NS + OWN_HOST_REFRESH_NS));
    g_assert_false(own_host_has_changed(host, NOW_NS + OWN_HOST_REFRESH_NS));
    own_host_set_timebase_hz(host, 1);
    g_assert_false(own_host_has_changed(host, NOW_NS + OWN_HOST_REFRESH_NS));
    own_host_set_name(host, "beta");
    g_assert_true(own_host_has_changed(host, NOW_NS + OWN_HOST_REFRESH_NS));
}

static void test_wrong_override_is_an_error(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->assignments[0] = (char *)"pvr=much";
    g_assert_null(own_host_new(&f->config, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
}

#define ADD(name, function) g_test_add("/own-host/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("configuration-completes-what-is-probed", test_configuration_completes_what_is_probed);
    ADD("free-memory-is-as-of-now", test_free_memory_is_as_of_now);
    ADD("override-stands-above-what-is-read-again", test_override_stands_above_what_is_read_again);
    ADD("change-is-told-once", test_change_is_told_once);
    ADD("wrong-override-is-an-error", test_wrong_override_is_an_error);
    return g_test_run();
}
