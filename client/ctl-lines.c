/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

struct CtlLines {
    int fd;
    char *path; /* for messages */
    guint64 number;
    gsize start, end; /* of what is read and not handed out */
    gboolean at_end;
    gboolean skipping; /* inside a line that was too long */
    char buffer[CTL_LINE_MAX + 2]; /* a line, its end, and a NUL */
};

static void set_error(const CtlLines *lines, const char *what, GError **error)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "%s: %s: %s", lines->path, what, g_strerror(errno));
}

CtlLines *ctl_lines_open(const char *path, GError **error)
{
    gboolean is_stdin = path == NULL || strcmp(path, "-") == 0;
    g_autoptr(CtlLines) lines = g_new0(CtlLines, 1);

    lines->path = g_strdup(is_stdin ? "stdin" : path);
    lines->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (lines->fd < 0) {
        set_error(lines, "cannot be opened", error);
        return NULL;
    }
    return g_steal_pointer(&lines);
}

void ctl_lines_free(CtlLines *lines)
{
    if (lines == NULL)
        return;
    if (lines->fd > STDERR_FILENO)
        close(lines->fd);
    g_free(lines->path);
    g_free(lines);
}

/* Reads more, at least one byte unless the end is reached. */
static gboolean fill(CtlLines *lines, GError **error)
{
    ssize_t n;

    if (lines->start > 0) {
        memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
        lines->end -= lines->start;
        lines->start = 0;
    }
    do
        n = read(lines->fd, lines->buffer + lines->end, MIN((gsize)65536, CTL_LINE_MAX + 1 - lines->end));
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        set_error(lines, "cannot be read", error);
        return FALSE;
    }
    lines->at_end = n == 0;
    lines->end += (gsize)n;
    return TRUE;
}

/* Drops what is left of a line that was too long. */
static gboolean skip_rest(CtlLines *lines, GError **error)
{
    while (lines->skipping) {
        char *newline = memchr(lines->buffer + lines->start, '\n', lines->end - lines->start);
        lines->start = newline != NULL ? (gsize)(newline + 1 - lines->buffer) : lines->end;
        lines->skipping = newline == NULL && !lines->at_end;
        if (lines->skipping && !fill(lines, error))
            return FALSE;
    }
    return TRUE;
}

/* Finds the end of the next line, reading as needed; *ret_length without the line end. */
static CtlLinesState find_line(CtlLines *lines, gsize *ret_length, GError **error)
{
    gsize searched = 0;

    for (;;) {
        gsize have = lines->end - lines->start;
        char *newline = memchr(lines->buffer + lines->start + searched, '\n', have - searched);
        if (newline != NULL) {
            *ret_length = (gsize)(newline - lines->buffer) - lines->start;
            return CTL_LINES_LINE;
        }
        if (have > CTL_LINE_MAX || (lines->at_end && have > 0)) {
            *ret_length = have;
            return CTL_LINES_LINE;
        }
        if (lines->at_end)
            return CTL_LINES_END;
        searched = have;
        if (!fill(lines, error))
            return CTL_LINES_ERROR;
    }
}

CtlLinesState ctl_lines_next(CtlLines *lines, CtlLine *ret, GError **error)
{
    gsize length;

    if (!skip_rest(lines, error))
        return CTL_LINES_ERROR;
    CtlLinesState state = find_line(lines, &length, error);
    if (state != CTL_LINES_LINE)
        return state;
    ret->number = ++lines->number;
    ret->too_long = length > CTL_LINE_MAX;
    ret->length = MIN(length, CTL_LINE_MAX);
    ret->text = lines->buffer + lines->start;
    lines->buffer[lines->start + ret->length] = '\0';
    lines->skipping = ret->too_long;
    lines->start = MIN(lines->start + length + 1, lines->end);
    return CTL_LINES_LINE;
}

gboolean ctl_line_is_blank(const CtlLine *line)
{
    for (gsize i = 0; i < line->length; i++)
        if (!g_ascii_isspace(line->text[i]))
            return FALSE;
    return TRUE;
}
