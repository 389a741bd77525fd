/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lines of a file or of stdin, one at a time, in constant memory.
 *
 * A line longer than CTL_LINE_MAX is handed out as its first CTL_LINE_MAX bytes, marked as too long; the rest of it
 * is skipped. Lines may hold any bytes.
 */

#include <glib.h>

#define CTL_LINE_MAX ((gsize)1024 * 1024)

typedef struct CtlLines CtlLines;

typedef struct CtlLine {
    const char *text; /* without the line end, followed by a NUL; valid until the next call */
    gsize length;
    guint64 number;   /* from 1 */
    gboolean too_long;
} CtlLine;

typedef enum CtlLinesState { CTL_LINES_LINE, CTL_LINES_END, CTL_LINES_ERROR } CtlLinesState;

/* `path` NULL or "-": stdin. NULL on error, which names the file. */
CtlLines *ctl_lines_open(const char *path, GError **error);
CtlLinesState ctl_lines_next(CtlLines *lines, CtlLine *ret, GError **error);
void ctl_lines_free(CtlLines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlLines, ctl_lines_free)

/* Nothing but white space. */
gboolean ctl_line_is_blank(const CtlLine *line);
