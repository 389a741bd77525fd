/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-watch.h"

#include <errno.h>
#include <sys/stat.h>

/* When a running libvirtd last looked for hooks, as far as the file system tells: its pid file is
 * written at start. */
static gboolean libvirtd_started(const char *run_directory, gint64 *ret_s)
{
    static const char *const pid_files[] = { "libvirtd.pid", "virtqemud.pid" };
    gboolean found = FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS(pid_files); i++) {
        g_autofree char *path = g_build_filename(run_directory, pid_files[i], NULL);
        struct stat st;

        if (stat(path, &st) == 0) {
            *ret_s = st.st_mtime;
            found = TRUE;
        }
    }
    return found;
}

static gboolean is_hook(const char *path, struct stat *ret)
{
    return stat(path, ret) == 0 && S_ISREG(ret->st_mode) && (ret->st_mode & 0111);
}

/* Whether any qemu hook was there at that time: one is enough for libvirt to look into the
 * directory at each call. ctime: a package's files carry the time of the build as mtime. */
static gboolean any_hook_since(const char *directory, gint64 started_s)
{
    g_autofree char *main_hook = g_build_filename(directory, "qemu", NULL);
    g_autofree char *drop_ins = g_build_filename(directory, "qemu.d", NULL);
    g_autoptr(GDir) dir = g_dir_open(drop_ins, 0, NULL);
    struct stat st;
    const char *name;

    if (is_hook(main_hook, &st) && st.st_ctime <= started_s)
        return TRUE;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(drop_ins, name, NULL);

        if (is_hook(path, &st) && st.st_ctime <= started_s)
            return TRUE;
    }
    return FALSE;
}

HookWatch hook_watch_look(const char *directory, const char *run_directory)
{
    HookWatch watch = { .state = HOOK_ACTIVE };
    gint64 started_s;
    struct stat st;

    g_snprintf(watch.path, sizeof watch.path, "%s/qemu.d/90-tbsyncd", directory);
    if (stat(watch.path, &st) < 0)
        watch.state = errno == ENOENT || errno == ENOTDIR ? HOOK_MISSING : HOOK_UNKNOWN;
    else if (!is_hook(watch.path, &st))
        watch.state = HOOK_NOT_EXECUTABLE;
    else if (libvirtd_started(run_directory, &started_s) && !any_hook_since(directory, started_s))
        watch.state = HOOK_UNUSED;
    return watch;
}

const char *hook_watch_state_name(HookState state)
{
    switch (state) {
    case HOOK_ACTIVE:
        return "active";
    case HOOK_MISSING:
        return "missing";
    case HOOK_NOT_EXECUTABLE:
        return "not-executable";
    case HOOK_UNUSED:
        return "unused";
    case HOOK_UNKNOWN:
        return "unknown";
    }
    g_assert_not_reached();
}
