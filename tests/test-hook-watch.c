/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-watch.h"

#include <glib/gstdio.h>
#include <time.h>
#include <utime.h>

typedef struct Fixture {
    char *top, *qemu_d, *hook, *pid_file;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->top = g_dir_make_tmp("tbsyncd-hooks-XXXXXX", NULL);
    f->qemu_d = g_build_filename(f->top, "qemu.d", NULL);
    f->hook = g_build_filename(f->qemu_d, "90-tbsyncd", NULL);
    f->pid_file = g_build_filename(f->top, "libvirtd.pid", NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_autofree char *main_hook = g_build_filename(f->top, "qemu", NULL);

    g_remove(f->hook);
    g_remove(f->qemu_d);
    g_remove(f->pid_file);
    g_remove(main_hook);
    g_remove(f->top);
    g_free(f->top);
    g_free(f->qemu_d);
    g_free(f->hook);
    g_free(f->pid_file);
}

static HookState look(const Fixture *f)
{
    return hook_watch_look(f->top, f->top).state;
}

static void install(const char *path)
{
    g_file_set_contents(path, "#!/bin/sh\n", -1, NULL);
    g_chmod(path, 0755);
}

/* A pid file written `seconds` after now. */
static void start_libvirtd(const Fixture *f, gint64 seconds)
{
    struct utimbuf times = { .modtime = time(NULL) + seconds };

    g_file_set_contents(f->pid_file, "1\n", -1, NULL);
    g_assert_cmpint(g_utime(f->pid_file, &times), ==, 0);
}

static void test_missing_then_not_executable_then_there(Fixture *f, gconstpointer data)
{
    g_assert_cmpint(look(f), ==, HOOK_MISSING);
    g_assert_cmpstr(hook_watch_look(f->top, f->top).path, ==, f->hook);
    g_mkdir(f->qemu_d, 0755);
    g_assert_cmpint(look(f), ==, HOOK_MISSING);
    install(f->hook);
    g_assert_cmpint(look(f), ==, HOOK_ACTIVE);
    g_chmod(f->hook, 0644);
    g_assert_cmpint(look(f), ==, HOOK_NOT_EXECUTABLE);
    g_unlink(f->hook);
    g_mkdir(f->hook, 0755); /* a directory of that name is skipped by libvirt */
    g_assert_cmpint(look(f), ==, HOOK_NOT_EXECUTABLE);
}

static void test_hook_newer_than_libvirtd_is_unused(Fixture *f, gconstpointer data)
{
    g_autofree char *main_hook = g_build_filename(f->top, "qemu", NULL);

    g_mkdir(f->qemu_d, 0755);
    install(f->hook);
    start_libvirtd(f, -100);
    g_assert_cmpint(look(f), ==, HOOK_UNUSED);
    start_libvirtd(f, 100);
    g_assert_cmpint(look(f), ==, HOOK_ACTIVE);
    install(main_hook); /* no older than ours: changes nothing */
    start_libvirtd(f, -100);
    g_assert_cmpint(look(f), ==, HOOK_UNUSED);
}

static void test_each_state_has_its_own_name(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (int state = HOOK_ACTIVE; state <= HOOK_UNKNOWN; state++)
        g_assert_true(g_hash_table_add(seen, (char *)hook_watch_state_name(state)));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/hook-watch/missing-then-not-executable-then-there", Fixture, NULL, set_up,
               test_missing_then_not_executable_then_there, tear_down);
    g_test_add("/hook-watch/hook-newer-than-libvirtd-is-unused", Fixture, NULL, set_up,
               test_hook_newer_than_libvirtd_is_unused, tear_down);
    g_test_add_func("/hook-watch/each-state-has-its-own-name", test_each_state_has_its_own_name);
    return g_test_run();
}
