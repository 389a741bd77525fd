/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd-poll.h"

#include <glib-unix.h>
#include <unistd.h>

typedef struct Pipe {
    int ends[2];
    guint source;
    guint seen;
} Pipe;

static gboolean on_readable(int fd, GIOCondition condition, void *data)
{
    Pipe *p = data;
    char byte;

    p->seen += read(fd, &byte, 1) == 1;
    return G_SOURCE_CONTINUE;
}

static void pipe_open(Pipe *p, gboolean entrusted)
{
    p->seen = 0;
    g_assert_true(g_unix_open_pipe(p->ends, FD_CLOEXEC, NULL));
    p->source = g_unix_fd_add(p->ends[0], G_IO_IN, on_readable, p);
    if (entrusted)
        fd_poll_entrust(p->ends[0]);
}

static void pipe_close(Pipe *p, gboolean take_back)
{
    g_source_remove(p->source);
    if (take_back)
        fd_poll_take_back(p->ends[0]);
    close(p->ends[0]);
    close(p->ends[1]);
}

static void pipe_write(const Pipe *p)
{
    g_assert_cmpint(write(p->ends[1], "x", 1), ==, 1);
}

static void pipe_expect(Pipe *p, guint seen)
{
    while (p->seen < seen)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(p->seen, ==, seen);
}

static void test_both_kinds_are_polled(void)
{
    Pipe epoll, plain;

    pipe_open(&epoll, TRUE);
    pipe_open(&plain, FALSE);
    for (guint i = 1; i <= 3; i++) {
        pipe_write(&epoll);
        pipe_write(&plain);
        pipe_expect(&epoll, i);
        pipe_expect(&plain, i);
    }
    fd_poll_take_back(epoll.ends[0]);
    pipe_write(&epoll);
    pipe_expect(&epoll, 4);
    pipe_close(&epoll, TRUE);
    pipe_close(&plain, TRUE);
}

static void test_number_that_is_used_again_is_the_new_file(void)
{
    Pipe p;

    for (int i = 0; i < 4; i++) {
        pipe_open(&p, TRUE);
        pipe_write(&p);
        pipe_expect(&p, 1);
        pipe_close(&p, i % 2 == 0); /* also where it was closed first and entrusted anew in the same step */
    }
    fd_poll_take_back(p.ends[0]); /* closed: harmless */
    pipe_open(&p, FALSE);
    pipe_write(&p);
    pipe_expect(&p, 1);
    pipe_close(&p, TRUE);
}

/* A descriptor that epoll reports and GLib does not ask for would keep the loop from ever sleeping. */
static void test_what_is_not_asked_for_is_left_alone_until_it_is(void)
{
    Pipe p;

    pipe_open(&p, TRUE);
    pipe_write(&p);
    pipe_expect(&p, 1);
    g_source_remove(p.source);
    pipe_write(&p);
    for (int i = 0; i < 3; i++)
        g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(p.seen, ==, 1);
    p.source = g_unix_fd_add(p.ends[0], G_IO_IN, on_readable, &p);
    pipe_expect(&p, 2);
    pipe_close(&p, TRUE);
}

static void test_hang_up_is_told(void)
{
    Pipe p;
    GPollFD fd = { .events = G_IO_IN };
    GPollFunc poll_step = g_main_context_get_poll_func(NULL);

    pipe_open(&p, TRUE);
    fd.fd = p.ends[0];
    close(p.ends[1]);
    g_assert_cmpint(poll_step(&fd, 1, -1), ==, 1);
    g_assert_cmpint(fd.revents & G_IO_HUP, ==, G_IO_HUP);
    g_assert_cmpint(poll_step(&fd, 0, 0), ==, 0);
    g_source_remove(p.source);
    fd_poll_take_back(p.ends[0]);
    close(p.ends[0]);
}

static void test_file_that_epoll_cannot_take_is_polled(void)
{
    g_autofree char *path = g_strdup("/tmp/tbsync-fd-poll-XXXXXX");
    GPollFD fd = { .fd = g_mkstemp(path), .events = G_IO_IN };

    g_assert_cmpint(fd.fd, >=, 0);
    unlink(path);
    fd_poll_entrust(fd.fd);
    g_assert_cmpint(g_main_context_get_poll_func(NULL)(&fd, 1, -1), ==, 1);
    g_assert_cmpint(fd.revents, ==, G_IO_IN);
    fd_poll_take_back(fd.fd);
    close(fd.fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fd_poll_entrust(0); /* without effect, as it was not installed */
    fd_poll_take_back(0);
    fd_poll_install();
    fd_poll_install();
    g_test_add_func("/fd-poll/both-kinds-are-polled", test_both_kinds_are_polled);
    g_test_add_func("/fd-poll/number-that-is-used-again-is-the-new-file", test_number_that_is_used_again_is_the_new_file);
    g_test_add_func("/fd-poll/what-is-not-asked-for-is-left-alone-until-it-is",
                    test_what_is_not_asked_for_is_left_alone_until_it_is);
    g_test_add_func("/fd-poll/hang-up-is-told", test_hang_up_is_told);
    g_test_add_func("/fd-poll/file-that-epoll-cannot-take-is-polled", test_file_that_epoll_cannot_take_is_polled);
    return g_test_run();
}
