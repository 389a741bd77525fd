/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Removal of a test's temporary directory with all that is in it. For tests only. */

#include <glib/gstdio.h>

static inline void tree_remove(const char *path)
{
    g_autoptr(GDir) dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        tree_remove(child);
    }
    g_remove(path);
}
