/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a verb waits for, told on stderr once it took longer than a second, if that is a terminal.
 *
 * One line that is written over and erased: nothing of it stays. Calls that follow each other at once count as one wait.
 */

#include <glib.h>

typedef struct CtlProgress {
    gboolean enabled;
    gboolean results_are_seen; /* they go to a terminal, too */
    gint64 since_mono_us, ended_mono_us, counted_mono_us;
    char *what; /* (nullable) told instead of the call's own words */
} CtlProgress;

#define CTL_PROGRESS_PERIOD_US G_USEC_PER_SEC

/* Zeroed is a valid state that tells nothing. */
void ctl_progress_init(CtlProgress *progress);
void ctl_progress_clear(CtlProgress *progress);

/* What the calls from now on are for: "asking beta for its guests, 3 of 12"; NULL: nothing special. */
void ctl_progress_set(CtlProgress *progress, const char *what);

/* So many things are done since ctl_progress_begin(), in a loop of our own: told now and then, where results do not scroll by
 * themselves. things: "lines judged". Cheap; ctl_progress_end() follows. */
void ctl_progress_count(CtlProgress *progress, guint64 n, const char *things);

/* A wait begins, goes on (called at least once per period), ends. words: of the call, "Check". */
void ctl_progress_begin(CtlProgress *progress, const char *words);
void ctl_progress_go_on(CtlProgress *progress, const char *words);
void ctl_progress_end(CtlProgress *progress);
