/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-progress.h"

#include <stdio.h>
#include <unistd.h>

#include "ctl-format.h"

/* Calls with less between them are one wait. */
#define GAP_US (G_USEC_PER_SEC / 10)

/* The clock is looked at once in so many things. */
#define COUNT_STEP 1024

void ctl_progress_init(CtlProgress *self)
{
    *self = (CtlProgress){ .enabled = isatty(STDERR_FILENO), .results_are_seen = isatty(STDOUT_FILENO) };
}

void ctl_progress_clear(CtlProgress *self)
{
    g_clear_pointer(&self->what, g_free);
}

void ctl_progress_set(CtlProgress *self, const char *what)
{
    g_free(self->what);
    self->what = g_strdup(what);
}

void ctl_progress_go_on(CtlProgress *self, const char *words)
{
    gint64 waited_us = g_get_monotonic_time() - self->since_mono_us;
    g_autofree char *shown = NULL;

    if (!self->enabled || waited_us < CTL_PROGRESS_PERIOD_US)
        return;
    shown = self->what != NULL ? ctl_safe(self->what) : g_strdup_printf("waiting for tbsyncd: %s", words);
    fprintf(stderr, "\r\033[K%s ... %u s", shown, (guint)(waited_us / G_USEC_PER_SEC));
    fflush(stderr);
}

void ctl_progress_begin(CtlProgress *self, const char *words)
{
    gint64 now_mono_us = g_get_monotonic_time();

    if (now_mono_us - self->ended_mono_us > GAP_US)
        self->since_mono_us = now_mono_us;
    ctl_progress_go_on(self, words);
}

void ctl_progress_count(CtlProgress *self, guint64 n, const char *things)
{
    gint64 now_mono_us;

    if (!self->enabled || self->results_are_seen || n % COUNT_STEP != 0)
        return;
    now_mono_us = g_get_monotonic_time();
    if (now_mono_us - MAX(self->since_mono_us, self->counted_mono_us) < CTL_PROGRESS_PERIOD_US)
        return;
    self->counted_mono_us = now_mono_us;
    fprintf(stderr, "\r\033[K%" G_GUINT64_FORMAT " %s ... %u s", n, things,
            (guint)((now_mono_us - self->since_mono_us) / G_USEC_PER_SEC));
    fflush(stderr);
}

/* What is printed next begins on an empty line. */
void ctl_progress_end(CtlProgress *self)
{
    self->ended_mono_us = g_get_monotonic_time();
    if (!self->enabled || self->ended_mono_us - self->since_mono_us < CTL_PROGRESS_PERIOD_US)
        return;
    fprintf(stderr, "\r\033[K");
    fflush(stderr);
}
