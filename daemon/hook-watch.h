/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether libvirt's hook is in place: a missing hook fails open, so somebody has to look.
 *
 * libvirtd decides once at its start or reload whether there is any qemu hook, and reads the
 * directory anew at each call (libvirt src/util/virhook.c, virHookInitialize, virHookCall). Reads
 * the file system only.
 */

#include <glib.h>

typedef enum HookState {
    HOOK_ACTIVE,  /* there, executable, and the running libvirtd calls it as far as can be seen */
    HOOK_MISSING, /* no qemu.d/90-tbsyncd */
    HOOK_NOT_EXECUTABLE, /* there, but libvirt skips it */
    HOOK_UNUSED,  /* there, but the running libvirtd started before any qemu hook existed: it calls
                   * none until it is  reloaded. A reload leaves no trace: who has seen the hook run
                   * knows better */
    HOOK_UNKNOWN, /* the directory cannot be read */
} HookState;

#define HOOK_PATH_MAX 512

typedef struct HookWatch {
    HookState state;
    char path[HOOK_PATH_MAX];
} HookWatch;

/* directory: libvirt's hooks directory ("/etc/libvirt/hooks"). run_directory: where libvirtd keeps
 * its pid file ("/run"). */
HookWatch hook_watch_look(const char *directory, const char *run_directory);

const char *hook_watch_state_name(HookState state);
