/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-pump.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A stream in memory whose every answer a test can set. */
typedef struct Mock {
    LinkPump pump;
    int bus_fd; /* where sd-bus would be */
    GString *incoming, *sent;
    gsize takes_bytes;    /* how much send() takes before it blocks */
    gsize piece_bytes;    /* at most so much per call, both ways; 0: all */
    gboolean ended, recv_dies, send_dies;
    gsize blocked_bytes;
    guint8 blocked_copy[LINK_PUMP_CHUNK_BYTES];
} Mock;

static gssize mock_recv(void *stream, void *buffer, gsize size_bytes)
{
    Mock *mock = stream;
    gsize n = MIN(size_bytes, mock->incoming->len);

    if (mock->piece_bytes)
        n = MIN(n, mock->piece_bytes);
    if (n == 0)
        return mock->recv_dies ? -EIO : mock->ended ? 0 : -EAGAIN;
    memcpy(buffer, mock->incoming->str, n);
    g_string_erase(mock->incoming, 0, (gssize) n);
    return (gssize) n;
}

static gssize mock_send(void *stream, const void *buffer, gsize size_bytes)
{
    Mock *mock = stream;
    gsize n = MIN(size_bytes, mock->takes_bytes);

    if (mock->send_dies)
        return -EIO;
    if (mock->piece_bytes)
        n = MIN(n, mock->piece_bytes);
    /* the promise of the header: after -EAGAIN the same bytes come again */
    if (mock->blocked_bytes) {
        g_assert_cmpuint(size_bytes, ==, mock->blocked_bytes);
        g_assert_cmpmem(buffer, size_bytes, mock->blocked_copy, mock->blocked_bytes);
        mock->blocked_bytes = 0;
    }
    if (n == 0) {
        mock->blocked_bytes = size_bytes;
        memcpy(mock->blocked_copy, buffer, size_bytes);
        return -EAGAIN;
    }
    g_string_append_len(mock->sent, buffer, (gssize) n);
    mock->takes_bytes -= n;
    return (gssize) n;
}

static const LinkPumpStream mock_stream = { mock_recv, mock_send };

static void mock_open(Mock *mock)
{
    int fds[2];

    *mock = (Mock) { .incoming = g_string_new(NULL), .sent = g_string_new(NULL), .takes_bytes = G_MAXSIZE };
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
    mock->bus_fd = fds[0];
    link_pump_init(&mock->pump, fds[1], &mock_stream, mock);
}

static void mock_close(Mock *mock)
{
    close(mock->pump.fd);
    if (mock->bus_fd >= 0)
        close(mock->bus_fd);
    link_pump_clear(&mock->pump);
    g_string_free(mock->incoming, TRUE);
    g_string_free(mock->sent, TRUE);
}

static void append_pattern(GString *text, gsize size_bytes)
{
    for (gsize i = 0; i < size_bytes; i++)
        g_string_append_c(text, (char) (i * 31 + i / 257));
}

static void check_pattern(const GString *text, gsize size_bytes)
{
    g_assert_cmpuint(text->len, ==, size_bytes);
    for (gsize i = 0; i < size_bytes; i++)
        g_assert_true(text->str[i] == (char) (i * 31 + i / 257));
}

static gsize bus_read(Mock *mock, GString *into)
{
    char buffer[65536];
    gssize n, total = 0;

    while ((n = read(mock->bus_fd, buffer, sizeof buffer)) > 0) {
        g_string_append_len(into, buffer, n);
        total += n;
    }
    return (gsize) total;
}

static void test_an_idle_pump_wants_to_read_and_holds_nothing(void)
{
    Mock mock;

    mock_open(&mock);
    link_pump_run(&mock.pump);
    g_assert_cmpint(link_pump_wants_stream(&mock.pump), ==, G_IO_IN);
    g_assert_cmpint(link_pump_wants_bus(&mock.pump), ==, G_IO_IN);
    g_assert_null(mock.pump.to_bus.bytes);
    g_assert_null(mock.pump.to_stream.bytes);
    mock_close(&mock);
}

static void test_a_full_bus_stops_reading_from_the_stream(void)
{
    const gsize size = 4 * 1024 * 1024;
    g_autoptr(GString) got = g_string_new(NULL);
    Mock mock;
    gsize left;

    mock_open(&mock);
    append_pattern(mock.incoming, size);
    for (int i = 0; i < 100; i++)
        link_pump_run(&mock.pump);
    /* the kernel has its fill, one chunk is held, the rest waits with the peer */
    left = mock.incoming->len;
    g_assert_cmpuint(left, >, size / 2);
    g_assert_cmpuint(mock.pump.to_bus.size_bytes, <=, LINK_PUMP_CHUNK_BYTES);
    g_assert_cmpint(link_pump_wants_stream(&mock.pump), ==, 0);
    g_assert_cmpint(link_pump_wants_bus(&mock.pump), ==, G_IO_IN | G_IO_OUT);
    while (got->len < size) {
        g_assert_cmpuint(bus_read(&mock, got), >, 0);
        link_pump_run(&mock.pump);
    }
    check_pattern(got, size);
    g_assert_null(mock.pump.to_bus.bytes);
    mock_close(&mock);
}

static void test_a_full_stream_stops_reading_from_the_bus(void)
{
    g_autoptr(GString) pattern = g_string_new(NULL);
    const gsize size = 100 * 1024;
    Mock mock;

    mock_open(&mock);
    append_pattern(pattern, size);
    g_assert_cmpint(write(mock.bus_fd, pattern->str, size), ==, (gssize) size);
    mock.takes_bytes = 10;
    link_pump_run(&mock.pump);
    g_assert_cmpint(link_pump_wants_stream(&mock.pump), ==, G_IO_IN | G_IO_OUT);
    g_assert_cmpint(link_pump_wants_bus(&mock.pump), ==, 0);
    g_assert_cmpuint(mock.pump.to_stream.size_bytes, <=, LINK_PUMP_CHUNK_BYTES);
    g_assert_false(link_pump_is_flushed(&mock.pump));
    while (mock.sent->len < size) {
        mock.takes_bytes = 5000;
        link_pump_run(&mock.pump);
    }
    check_pattern(mock.sent, size);
    g_assert_null(mock.pump.to_stream.bytes);
    mock_close(&mock);
}

static void test_small_pieces_arrive_whole(void)
{
    g_autoptr(GString) got = g_string_new(NULL);
    g_autoptr(GString) pattern = g_string_new(NULL);
    Mock mock;

    mock_open(&mock);
    mock.piece_bytes = 7;
    append_pattern(mock.incoming, 1000);
    append_pattern(pattern, 1000);
    g_assert_cmpint(write(mock.bus_fd, pattern->str, 1000), ==, 1000);
    while (got->len < 1000 || mock.sent->len < 1000) {
        link_pump_run(&mock.pump);
        bus_read(&mock, got);
    }
    check_pattern(got, 1000);
    check_pattern(mock.sent, 1000);
    mock_close(&mock);
}

static void test_the_end_of_the_stream_reaches_the_bus_after_the_bytes(void)
{
    g_autoptr(GString) got = g_string_new(NULL);
    char byte;
    Mock mock;

    mock_open(&mock);
    append_pattern(mock.incoming, 100);
    mock.ended = TRUE;
    link_pump_run(&mock.pump);
    g_assert_true(mock.pump.stream_ended);
    g_assert_true(mock.pump.bus_told);
    g_assert_cmpint(link_pump_wants_stream(&mock.pump), ==, 0);
    bus_read(&mock, got);
    check_pattern(got, 100);
    g_assert_cmpint(read(mock.bus_fd, &byte, 1), ==, 0);
    /* the other direction goes on */
    g_assert_false(link_pump_is_flushed(&mock.pump));
    g_assert_cmpint(write(mock.bus_fd, "bye", 3), ==, 3);
    link_pump_run(&mock.pump);
    g_assert_cmpstr(mock.sent->str, ==, "bye");
    mock_close(&mock);
}

static void test_the_end_of_the_bus_is_flushed_first(void)
{
    Mock mock;

    mock_open(&mock);
    g_assert_cmpint(write(mock.bus_fd, "last words", 10), ==, 10);
    close(mock.bus_fd);
    mock.bus_fd = -1;
    mock.takes_bytes = 4;
    link_pump_run(&mock.pump);
    g_assert_false(link_pump_is_flushed(&mock.pump));
    mock.takes_bytes = 100;
    link_pump_run(&mock.pump);
    g_assert_true(link_pump_is_flushed(&mock.pump));
    g_assert_true(mock.pump.bus_ended);
    g_assert_cmpstr(mock.sent->str, ==, "last words");
    mock_close(&mock);
}

static void test_bytes_for_a_dead_bus_are_dropped(void)
{
    Mock mock;

    mock_open(&mock);
    close(mock.bus_fd);
    mock.bus_fd = -1;
    append_pattern(mock.incoming, 100000);
    link_pump_run(&mock.pump);
    g_assert_true(mock.pump.bus_dead);
    g_assert_null(mock.pump.to_bus.bytes);
    g_assert_cmpint(link_pump_wants_stream(&mock.pump), ==, 0);
    g_assert_cmpint(link_pump_wants_bus(&mock.pump), ==, 0);
    mock_close(&mock);
}

/* The peer refused us and hung up: our send fails, and its reason is still there to be read. */
static void test_what_a_dead_stream_still_has_is_read(void)
{
    g_autoptr(GString) got = g_string_new(NULL);
    char byte;
    Mock mock;

    mock_open(&mock);
    mock.send_dies = TRUE;
    append_pattern(mock.incoming, 50);
    g_assert_cmpint(write(mock.bus_fd, "x", 1), ==, 1);
    link_pump_run(&mock.pump);
    g_assert_true(mock.pump.stream_dead);
    g_assert_true(mock.pump.stream_ended);
    g_assert_true(link_pump_is_flushed(&mock.pump));
    g_assert_null(mock.pump.to_stream.bytes);
    bus_read(&mock, got);
    check_pattern(got, 50);
    g_assert_cmpint(read(mock.bus_fd, &byte, 1), ==, 0);
    g_assert_cmpint(link_pump_wants_stream(&mock.pump), ==, 0);
    g_assert_cmpint(link_pump_wants_bus(&mock.pump), ==, 0);
    mock_close(&mock);
}

static void test_a_stream_that_dies_ends(void)
{
    char byte;
    Mock mock;

    mock_open(&mock);
    mock.recv_dies = TRUE;
    link_pump_run(&mock.pump);
    g_assert_true(mock.pump.stream_ended);
    g_assert_cmpint(read(mock.bus_fd, &byte, 1), ==, 0);
    mock_close(&mock);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link-pump/an-idle-pump-wants-to-read-and-holds-nothing",
                    test_an_idle_pump_wants_to_read_and_holds_nothing);
    g_test_add_func("/link-pump/a-full-bus-stops-reading-from-the-stream", test_a_full_bus_stops_reading_from_the_stream);
    g_test_add_func("/link-pump/a-full-stream-stops-reading-from-the-bus", test_a_full_stream_stops_reading_from_the_bus);
    g_test_add_func("/link-pump/small-pieces-arrive-whole", test_small_pieces_arrive_whole);
    g_test_add_func("/link-pump/the-end-of-the-stream-reaches-the-bus-after-the-bytes",
                    test_the_end_of_the_stream_reaches_the_bus_after_the_bytes);
    g_test_add_func("/link-pump/the-end-of-the-bus-is-flushed-first", test_the_end_of_the_bus_is_flushed_first);
    g_test_add_func("/link-pump/bytes-for-a-dead-bus-are-dropped", test_bytes_for_a_dead_bus_are_dropped);
    g_test_add_func("/link-pump/what-a-dead-stream-still-has-is-read", test_what_a_dead_stream_still_has_is_read);
    g_test_add_func("/link-pump/a-stream-that-dies-ends", test_a_stream_that_dies_ends);
    return g_test_run();
}
