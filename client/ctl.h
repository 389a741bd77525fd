/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* tbsyncctl: what all verbs share.
 *
 * One verb is one file, ctl-<verb>.c, with one function of type CtlRun and one line in the table of tbsyncctl.c. A verb
 * first calls ctl_options() with its own options, then prints through ctl-format.h and asks the daemon through
 * ctl-bus.h. A verb prints results on stdout and nothing else there; what went wrong goes to stderr, one sentence:
 * what, where, what to type next.
 */

#include <glib.h>

#include "ctl-progress.h"

typedef struct CtlVerb CtlVerb;
typedef struct CtlBus CtlBus;

/* Exit codes. judge and replay have their own, see their help. */
enum {
    CTL_EXIT_OK = 0,      /* done; allowed */
    CTL_EXIT_ERROR = 1,   /* it did not work */
    CTL_EXIT_USAGE = 2,   /* wrong command line */
    CTL_EXIT_REFUSED = 3, /* the migration would be refused */
    CTL_EXIT_UNKNOWN = 4, /* no such guest, host or record; or a host that cannot be asked, so that nobody knows */
};

typedef enum CtlColor { CTL_COLOR_AUTO, CTL_COLOR_ALWAYS, CTL_COLOR_NEVER } CtlColor;

typedef struct Ctl {
    const CtlVerb *verb;  /* that is running */
    const CtlVerb *verbs; /* all of them; ends with one without a name */
    gboolean json;       /* --json */
    gboolean no_legend;  /* --no-legend: tables without head and foot */
    gboolean no_pager;   /* --no-pager */
    CtlColor color;      /* --color; ask ctl_has_color() */
    int columns;         /* of the terminal that stdout is; 0: it is none, or does not say */
    CtlProgress progress; /* of the calls to tbsyncd */
    CtlBus *bus;         /* ctl-bus.c's own; opened by the first call */
} Ctl;

/* argv[0] is the verb. Returns the exit code. */
typedef int (*CtlRun)(Ctl *ctl, int argc, char **argv);

struct CtlVerb {
    const char *name;
    const char *synopsis; /* "GUEST HOST"; after the options */
    const char *summary;  /* one line of the list of verbs, no full stop */
    const char *help;     /* paragraphs for `tbsyncctl VERB --help`, with exit codes that differ from the common ones */
    CtlRun run;
    gboolean hidden; /* for programs: not in the list of verbs */
    gboolean no_options; /* but --help: all words are arguments */
};

/* Parses the verb's own options (may be NULL; ends with { NULL }) and the common ones, which may stand anywhere
 * behind the verb; removes them from argv. TRUE: go on, *argc and *argv hold the verb and its arguments, at least `min`
 * and at most `max` of them (max < 0: any number). FALSE: all is said, return *ret_exit. Strings that options set are
 * (transfer full). */
typedef struct CtlArguments {
    int *argc;
    char ***argv;
    int min, max;
} CtlArguments;
gboolean ctl_options(Ctl *ctl, const GOptionEntry *entries, const CtlArguments *arguments, int *ret_exit);

/* "tbsyncctl VERB: MESSAGE" on stderr. Returns the exit code for that error: CTL_EXIT_UNKNOWN for an unknown guest, peer or
 * record and for an unreachable host, CTL_EXIT_REFUSED never, CTL_EXIT_ERROR otherwise. */
int ctl_fail(const Ctl *ctl, const GError *error);

/* The same for a wrong command line, with a hint at --help. Returns CTL_EXIT_USAGE. */
int ctl_fail_usage(const Ctl *ctl, const char *format, ...) G_GNUC_PRINTF(2, 3);
