/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors and deadlines of any number of links, behind two sources of a GMainContext.
 *
 * GLib looks at every source before and after every poll(), and hands every descriptor to it: with a few sources for each of a
 * thousand peers each message cost a walk over all of them. Here the descriptors are in epoll and the deadlines in a heap, so
 * that a message costs the same whatever the number of links.
 *
 * An entry is what one owner waits for: at most REACTOR_FDS descriptors and one deadline; `run` is called when one of them is
 * ready. Knows nothing of what is read or written. One thread: that of the context.
 */

#include <glib.h>

#define REACTOR_FDS 2

typedef struct Reactor Reactor;
typedef struct ReactorEntry ReactorEntry;

/* Which entries go first. A few of the first lane run in each step of the loop, beside the other sources of that priority. One of
 * the second lane runs when nothing else is to do. */
typedef enum ReactorLane {
    REACTOR_FRIENDS,
    REACTOR_STRANGERS, /* who is not identified: a TLS handshake costs a millisecond, and a hook may be waiting */
} ReactorLane;

/* From the loop. The entry may be removed inside. Not called again before it has returned, even if it runs the loop. */
typedef void (*ReactorRun)(void *data);

/* context: (nullable) the default one. Reference counted; each entry holds a reference. */
Reactor *reactor_new(GMainContext *context);
Reactor *reactor_ref(Reactor *reactor);
void reactor_unref(Reactor *reactor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reactor, reactor_unref)

/* While somebody holds them strangers run rarely, so that an answer that is measured or waited for is not behind their handshakes.
 * Counted: each TRUE is followed by a FALSE. */
void reactor_hold_strangers(Reactor *reactor, gboolean hold);
gboolean reactor_holds_strangers(const Reactor *reactor);

/* (transfer full): give it back with reactor_remove(). */
ReactorEntry *reactor_add(Reactor *reactor, ReactorLane lane, ReactorRun run, void *data);

/* Before its descriptors are closed. No `run` after it. NULL is fine. */
void reactor_remove(ReactorEntry *entry);

void reactor_set_lane(ReactorEntry *entry, ReactorLane lane);

/* Waits for `events` of `fd` (borrowed) in place `index`; 0: not at all, not even for hang-ups. Another fd than before replaces it,
 * which must still be open. FALSE, with errno, if the kernel does not take it. */
gboolean reactor_watch(ReactorEntry *entry, guint index, int fd, GIOCondition events);

/* What was ready when `run` was called; valid inside it. */
GIOCondition reactor_ready(const ReactorEntry *entry, guint index);

#define REACTOR_NEVER G_MAXINT64

/* `run` is called soon after CLOCK_MONOTONIC has reached due_mono_us, once or more often, until another time is set. 0: in the next
 * step; REACTOR_NEVER: no deadline. */
void reactor_set_due(ReactorEntry *entry, gint64 due_mono_us);

/* CLOCK_MONOTONIC of this step of the loop. */
gint64 reactor_now_us(const ReactorEntry *entry);
