/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-fixture.h"

#include <glib-unix.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

/* A terminal that reads what tbsyncctl says on stderr. */
typedef struct Terminal {
    int fd;
    GString *text;
    gboolean ended;
} Terminal;

static gboolean on_readable(int fd, GIOCondition events, void *data)
{
    Terminal *terminal = data;
    char bytes[256];
    gssize n = read(fd, bytes, sizeof bytes);

    if (n > 0)
        g_string_append_len(terminal->text, bytes, n);
    else
        terminal->ended = TRUE; /* EIO: nobody has the other end any more */
    return n > 0;
}

static void terminal_open(Terminal *terminal, Fixture *fixture)
{
    g_assert_cmpint(openpty(&terminal->fd, &fixture->stderr_fd, NULL, NULL, NULL), ==, 0);
    terminal->text = g_string_new(NULL);
    terminal->ended = FALSE;
    g_unix_fd_add(terminal->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, terminal);
}

static void terminal_await(const Terminal *terminal, const char *text)
{
    while (strstr(terminal->text->str, text) == NULL) {
        g_assert_false(terminal->ended);
        g_main_context_iteration(NULL, TRUE);
    }
}

static void terminal_finish(Terminal *terminal, GSubprocess *child)
{
    while (!terminal->ended)
        g_main_context_iteration(NULL, TRUE);
    g_subprocess_wait(child, NULL, NULL);
    close(terminal->fd);
}

static void test_long_wait_is_told_and_leaves_nothing_behind(void)
{
    static const char *const words[] = { "check", "web1", "beta", NULL };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_autoptr(GSubprocess) child = NULL;
    Terminal terminal;

    fixture->hang = TRUE;
    fixture->error_name = "org.tbsyncd1.Error.NoSuchGuest";
    fixture->error_message = "no such guest";
    terminal_open(&terminal, fixture);
    child = fixture_spawn(fixture, words);
    terminal_await(&terminal, "\r\033[Kwaiting for tbsyncd: Check ... ");
    terminal_await(&terminal, "s\r\033[Kwaiting for tbsyncd: Check ... "); /* it goes on */
    fixture_answer_held(fixture);
    terminal_finish(&terminal, child);
    g_assert_true(g_str_has_suffix(terminal.text->str, "\r\033[Ktbsyncctl check: no such guest\r\n"));
    g_assert_cmpint(g_subprocess_get_exit_status(child), ==, 4);
    g_string_free(terminal.text, TRUE);
}

static void test_fleet_tells_whom_it_asks(void)
{
    static const char *const words[] = { "matrix", "--all", NULL };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_autoptr(GSubprocess) child = NULL;
    Terminal terminal;

    fixture->linked = TRUE;
    fixture->hang_peer = TRUE;
    terminal_open(&terminal, fixture);
    child = fixture_spawn(fixture, words);
    terminal_await(&terminal, "\r\033[Kasking beta for its guests, 1 of 1 ... ");
    fixture->error_name = "org.tbsyncd1.Error.Unavailable";
    fixture->error_message = "libvirt is away";
    fixture_answer_held(fixture);
    terminal_finish(&terminal, child);
    g_assert_nonnull(strstr(terminal.text->str, "\r\033[Ktbsyncctl matrix: "));
    g_string_free(terminal.text, TRUE);
}

/* Empty lines, so many at a time, until the terminal says how many there were. */
static void test_long_file_is_counted(void)
{
    static const struct {
        const char *words[2], *said;
    } cases[] = { { { "judge" }, " lines judged ... " }, { { "replay" }, " exchanges read ... " } };
    g_autofree char *lines = g_strnfill(4096, '\n');

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Fixture) fixture = fixture_new(FALSE);
        g_autoptr(GSubprocess) child = NULL;
        Terminal terminal;

        terminal_open(&terminal, fixture);
        child = fixture_spawn(fixture, cases[i].words);
        while (strstr(terminal.text->str, cases[i].said) == NULL) {
            GOutputStream *in = g_subprocess_get_stdin_pipe(child);

            g_assert_true(g_output_stream_write_all(in, lines, 4096, NULL, NULL, NULL));
            g_main_context_iteration(NULL, FALSE);
            g_assert_false(terminal.ended);
        }
        g_assert_true(g_output_stream_close(g_subprocess_get_stdin_pipe(child), NULL, NULL));
        terminal_finish(&terminal, child);
        g_assert_nonnull(g_strrstr(terminal.text->str, "\r\033[K"));
        g_string_free(terminal.text, TRUE);
    }
}

static void test_short_wait_is_not_worth_a_word(void)
{
    static const char *const words[] = { "peers", NULL };
    g_autoptr(Fixture) fixture = fixture_new(TRUE);
    g_autoptr(GSubprocess) child = NULL;
    Terminal terminal;

    terminal_open(&terminal, fixture);
    child = fixture_spawn(fixture, words);
    terminal_finish(&terminal, child);
    g_assert_cmpstr(terminal.text->str, ==, "");
    g_assert_cmpint(g_subprocess_get_exit_status(child), ==, 0);
    g_string_free(terminal.text, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-progress/long-wait-is-told-and-leaves-nothing-behind", test_long_wait_is_told_and_leaves_nothing_behind);
    g_test_add_func("/ctl-progress/fleet-tells-whom-it-asks", test_fleet_tells_whom_it_asks);
    g_test_add_func("/ctl-progress/long-file-is-counted", test_long_file_is_counted);
    g_test_add_func("/ctl-progress/short-wait-is-not-worth-a-word", test_short_wait_is_not_worth_a_word);
    return g_test_run();
}
