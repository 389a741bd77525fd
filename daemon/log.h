/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the process's log lines go, and which.
 *
 * One GLib log writer for the whole process: lines of a severity above the level are dropped, the others go to the journal
 * with their fields if stderr is the journal's, else to stderr as text. Level and target can be changed at run time, which
 * log-control.c does for `systemctl service-log-level`. Debug lines of other libraries than ours stay out unless
 * G_MESSAGES_DEBUG names them. The writer may be called from any thread.
 */

#include <glib.h>

typedef struct Log Log;

typedef enum LogTarget {
    LOG_TARGET_AUTO, /* the journal if stderr is connected to it, else stderr */
    LOG_TARGET_CONSOLE,
    LOG_TARGET_JOURNAL,
} LogTarget;

/* Level info, or debug if G_MESSAGES_DEBUG is "all" or names our domain; target auto. */
Log *log_new(void);
void log_free(Log *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Log, log_free)

/* GLib takes one writer per process and never gives it back: `log` has to live as long as the process. */
void log_install(Log *log);

/* Severities of syslog(3), 0 (emerg) to 7 (debug), by their names in LogControl1. */
const char *log_level(const Log *log);
gboolean log_set_level(Log *log, const char *name);

const char *log_target(const Log *log);
gboolean log_set_target(Log *log, const char *name);

/* Whether a line of ours (domain NULL) or of another library would be written. */
gboolean log_wants(const Log *log, GLogLevelFlags level, const char *domain);
