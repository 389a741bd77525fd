/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Threads that may hang for longer than anybody waits, and a bounded wait for the rest at the end of the process.
 *
 * exit() takes the global data of libraries away. A thread that is inside one of them by then works on freed memory, so
 * whoever starts threads waits for them once before the end. One that hangs in a system call does no harm and is left.
 */

#include <glib.h>

typedef struct Crew Crew;

Crew *crew_new(void);
Crew *crew_ref(Crew *crew);
void crew_unref(Crew *crew);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Crew, crew_unref)

/* Runs function(data) in a thread of its own. Any thread. */
gboolean crew_start(Crew *crew, const char *name, GThreadFunc function, void *data, GError **error);

/* Waits until all have ended, or that long. Returns how many still run. */
guint crew_wait(Crew *crew, guint at_most_ms);
