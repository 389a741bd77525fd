/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-lines.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

static CtlLines *open_text(const char *text, gsize length)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp(NULL, &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(path, text, (gssize)length, NULL));
    CtlLines *lines = ctl_lines_open(path, NULL);
    g_assert_nonnull(lines);
    g_unlink(path);
    return lines;
}

static void check_line(CtlLines *lines, const char *text, gboolean too_long)
{
    CtlLine line;

    g_assert_cmpint(ctl_lines_next(lines, &line, NULL), ==, CTL_LINES_LINE);
    g_assert_cmpmem(line.text, line.length, text, strlen(text));
    g_assert_cmpint(line.text[line.length], ==, '\0');
    g_assert_cmpint(line.too_long, ==, too_long);
}

static void check_end(CtlLines *lines)
{
    CtlLine line;

    g_assert_cmpint(ctl_lines_next(lines, &line, NULL), ==, CTL_LINES_END);
    g_assert_cmpint(ctl_lines_next(lines, &line, NULL), ==, CTL_LINES_END);
}

static void test_lines_come_one_by_one(void)
{
    g_autoptr(CtlLines) lines = open_text("a\n\nbc", 5);

    check_line(lines, "a", FALSE);
    check_line(lines, "", FALSE);
    check_line(lines, "bc", FALSE);
    check_end(lines);
}

static void test_empty_file_has_no_line(void)
{
    g_autoptr(CtlLines) lines = open_text("", 0);

    check_end(lines);
}

static void test_bytes_are_kept(void)
{
    g_autoptr(CtlLines) lines = open_text("a\0b\n", 4);
    CtlLine line;

    g_assert_cmpint(ctl_lines_next(lines, &line, NULL), ==, CTL_LINES_LINE);
    g_assert_cmpmem(line.text, line.length, "a\0b", 3);
}

/* Lengths around the limit, with and without a line end, each followed by a short line. */
static void test_long_lines_are_cut_and_skipped(void)
{
    for (gsize length = CTL_LINE_MAX - 1; length <= CTL_LINE_MAX + 70000; length += length > CTL_LINE_MAX + 2 ? 34999 : 1) {
        g_autofree char *text = g_strnfill(length, 'x');
        g_autofree char *file = g_strconcat(text, "\nshort\n", text, NULL);
        g_autofree char *kept = g_strndup(text, MIN(length, CTL_LINE_MAX));
        g_autoptr(CtlLines) lines = open_text(file, strlen(file));
        check_line(lines, kept, length > CTL_LINE_MAX);
        check_line(lines, "short", FALSE);
        check_line(lines, kept, length > CTL_LINE_MAX);
        check_end(lines);
    }
}

static void test_random_lines_survive_any_buffering(void)
{
    g_autoptr(GString) file = g_string_new(NULL);
    g_autoptr(GPtrArray) wanted = g_ptr_array_new_with_free_func(g_free);

    for (int i = 0; i < 2000; i++) {
        char *text = g_strnfill((gsize)g_test_rand_int_range(0, 3000), (char)('a' + i % 26));
        g_ptr_array_add(wanted, text);
        g_string_append_printf(file, "%s\n", text);
    }
    g_autoptr(CtlLines) lines = open_text(file->str, file->len);
    for (guint i = 0; i < wanted->len; i++)
        check_line(lines, g_ptr_array_index(wanted, i), FALSE);
    check_end(lines);
}

static void test_what_cannot_be_read_is_named(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) read_error = NULL;
    CtlLine line;

    g_assert_null(ctl_lines_open("/nonexistent/file", &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "/nonexistent/file"));
    g_autoptr(CtlLines) lines = ctl_lines_open("/", NULL);
    g_assert_cmpint(ctl_lines_next(lines, &line, &read_error), ==, CTL_LINES_ERROR);
    g_assert_nonnull(strstr(read_error->message, "/: "));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-lines/lines-come-one-by-one", test_lines_come_one_by_one);
    g_test_add_func("/ctl-lines/empty-file-has-no-line", test_empty_file_has_no_line);
    g_test_add_func("/ctl-lines/bytes-are-kept", test_bytes_are_kept);
    g_test_add_func("/ctl-lines/long-lines-are-cut-and-skipped", test_long_lines_are_cut_and_skipped);
    g_test_add_func("/ctl-lines/random-lines-survive-any-buffering", test_random_lines_survive_any_buffering);
    g_test_add_func("/ctl-lines/what-cannot-be-read-is-named", test_what_cannot_be_read_is_named);
    return g_test_run();
}
