/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the libvirt hook does while tbsyncd does not answer: [Policy] WhenUnavailable= of the daemon's own files.
 *
 * The client never links daemon code, and the daemon is away when this is needed; so this is a reader of that one
 * key, with the same files, order and rules for lines as daemon/config.c. It looks at nothing else in the files: what the
 * daemon would refuse elsewhere does not matter here. Main file and drop-ins in byte order; the last one wins.
 */

#include <glib.h>

typedef struct HookPolicy {
    gboolean blocks; /* TRUE unless the files say WhenUnavailable=allow without any doubt */
    char *origin;    /* "/etc/tbsyncd/tbsyncd.conf:7", "default" (transfer full: g_free) */
} HookPolicy;

/* `path`: the main file; drop-ins are in "<path>.d/". On a file that cannot be read, a key given twice in one file or a value
 * that is neither block nor allow: FALSE with TBSYNC_ERROR_INVALID or _FAILED, naming file and line, and
 * *ret blocks all the same. Missing files give the default: block. */
gboolean hook_policy_read(const char *path, HookPolicy *ret, GError **error);
