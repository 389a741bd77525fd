/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls that may block without limit: each in a thread of its own, with a deadline, bounded in
 * number.
 *
 * A call that misses its deadline is answered with TBSYNC_ERROR_TIMEOUT at once; its thread is
 * abandoned and what it brings later is discarded. Own threads and not the GTask pool: that one is
 * shared with name resolution, and a hung libvirtd would fill it (10 threads). Knows nothing of
 * libvirt. Main thread and default GMainContext only, but for the function that is run.
 */

#include <gio/gio.h>

#include "crew.h"

typedef struct Calls Calls;

/* Runs in a thread; sees only `input`. Returns the output, or NULL with *error set. */
typedef void *(*CallRun)(void *input, GError **error);

typedef struct CallSpec {
    const char
        *key; /* what the call may get stuck on (a guest); "": nothing in particular. Copied */
    const char *what; /* "looking up guest 'x'": completes "... took too long". Copied */
    guint deadline_ms;
    CallRun run;
    void *input; /* (transfer full) */
    GDestroyNotify
        input_free; /* run in the thread, or in the main thread for a call that never started */
    GDestroyNotify output_free; /* for an output nobody waits for; main thread, must not block */
} CallSpec;

/* At most `max_running` threads of `crew` (referenced), abandoned ones included, and `max_queued` calls that wait for one.
 */
Calls *calls_new(Crew *crew, guint max_running, guint max_queued);

/* Callbacks of outstanding calls run later with TBSYNC_ERROR_UNAVAILABLE. NULL is fine. */
void calls_free(Calls *calls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Calls, calls_free)

/* `callback` runs in a later turn of the loop, always and once. Errors: TBSYNC_ERROR_TIMEOUT
 * (deadline, or an earlier call of the same key is still stuck), TBSYNC_ERROR_UNAVAILABLE (queue
 * full, no thread, calls_free()), G_IO_ERROR_CANCELLED, and those of `run`. */
void calls_run_async(Calls *calls, const CallSpec *spec, GCancellable *cancellable,
                     GAsyncReadyCallback callback, void *data);

/* (transfer full) the output; NULL with *error set. */
void *calls_run_finish(GAsyncResult *result, GError **error);

/* Threads that run now, abandoned ones included. */
guint calls_running(const Calls *calls);
