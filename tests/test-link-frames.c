/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-frames.h"

#include <string.h>

#define CLIENT_HELLO "\0AUTH ANONYMOUS\r\nBEGIN\r\n"
#define SERVER_HELLO "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n"
#define BYTES(text) (const guint8 *) text, sizeof(text) - 1

static void begin(LinkFrames *frames, gboolean from_client)
{
    link_frames_init(frames, from_client);
    if (from_client)
        g_assert_true(link_frames_pass(frames, BYTES(CLIENT_HELLO)));
    else
        g_assert_true(link_frames_pass(frames, BYTES(SERVER_HELLO)));
    g_assert_cmpint(frames->phase, ==, LINK_FRAMES_HEADER);
}

static GByteArray *message(char order, guint32 body_bytes, guint32 fields_bytes)
{
    GByteArray *bytes = g_byte_array_new();
    guint32 body = order == 'l' ? GUINT32_TO_LE(body_bytes) : GUINT32_TO_BE(body_bytes);
    guint32 fields = order == 'l' ? GUINT32_TO_LE(fields_bytes) : GUINT32_TO_BE(fields_bytes);

    g_byte_array_set_size(bytes, 16);
    memset(bytes->data, 1, 16);
    bytes->data[0] = (guint8) order;
    memcpy(bytes->data + 4, &body, 4);
    memcpy(bytes->data + 12, &fields, 4);
    return bytes;
}

static void append_rest(GByteArray *bytes, gsize size_bytes)
{
    gsize old = bytes->len;

    g_byte_array_set_size(bytes, (guint) (old + size_bytes));
    memset(bytes->data + old, 'l', size_bytes);
}

static void test_messages_pass_in_any_pieces(void)
{
    for (gsize piece = 1; piece < 70; piece++) {
        for (int order = 0; order < 2; order++) {
            g_autoptr(GByteArray) bytes = message(order ? 'B' : 'l', 21, 30);
            LinkFrames frames;
            gsize size;

            append_rest(bytes, 21 + 32);
            size = bytes->len;
            begin(&frames, order);
            for (gsize at = 0; at < size; at += piece)
                g_assert_true(link_frames_pass(&frames, bytes->data + at, MIN(piece, size - at)));
            g_assert_cmpint(frames.phase, ==, LINK_FRAMES_HEADER);
            g_assert_cmpuint(frames.have_bytes, ==, 0);
            g_assert_null(link_frames_refusal(&frames));
        }
    }
}

static void test_authentication_in_any_pieces(void)
{
    const guint8 hello[] = "\0AUTH EXTERNAL\r\nAUTH ANONYMOUS\rx\nBEGINNING\r\nNEGOTIATE_UNIX_FD\r\nBEGIN \r\n";

    for (gsize piece = 1; piece < sizeof hello; piece++) {
        LinkFrames frames;

        link_frames_init(&frames, TRUE);
        for (gsize at = 0; at < sizeof hello - 1; at += piece) {
            g_assert_cmpint(frames.phase, ==, LINK_FRAMES_LINES);
            g_assert_true(link_frames_pass(&frames, hello + at, MIN(piece, sizeof hello - 1 - at)));
        }
        g_assert_cmpint(frames.phase, ==, LINK_FRAMES_HEADER);
    }
}

static void test_the_limit_is_exact(void)
{
    const guint32 fields = 100, padded = 104;
    const guint32 body = LINK_FRAMES_MESSAGE_MAX_BYTES - 16 - padded;
    g_autoptr(GByteArray) fits = message('l', body, fields);
    g_autoptr(GByteArray) exceeds = message('l', body + 1, fields);
    LinkFrames frames;

    begin(&frames, TRUE);
    g_assert_true(link_frames_pass(&frames, fits->data, fits->len));
    g_assert_cmpuint(frames.rest_bytes, ==, body + padded);
    begin(&frames, TRUE);
    g_assert_false(link_frames_pass(&frames, exceeds->data, exceeds->len));
    g_assert_nonnull(strstr(link_frames_refusal(&frames), "more than 2 MiB"));
    /* and nothing passes ever after */
    g_assert_false(link_frames_pass(&frames, fits->data, fits->len));
}

static void test_lengths_that_overflow_32_bits_are_refused(void)
{
    g_autoptr(GByteArray) bytes = message('B', 0xfffffff0u, 0xffffffffu);
    LinkFrames frames;

    begin(&frames, FALSE);
    g_assert_false(link_frames_pass(&frames, bytes->data, bytes->len));
}

static void test_a_long_message_behind_a_good_one_is_found(void)
{
    g_autoptr(GByteArray) bytes = message('l', 8, 0);
    g_autoptr(GByteArray) bad = message('l', G_MAXINT32, 0);
    LinkFrames frames;

    append_rest(bytes, 8);
    g_byte_array_append(bytes, bad->data, bad->len);
    begin(&frames, TRUE);
    g_assert_false(link_frames_pass(&frames, bytes->data, bytes->len));
}

static void test_what_is_no_d_bus_is_refused(void)
{
    LinkFrames frames;
    guint8 line[LINK_FRAMES_LINE_MAX_BYTES + 2];

    link_frames_init(&frames, TRUE);
    g_assert_false(link_frames_pass(&frames, BYTES("AUTH ANONYMOUS\r\n")));
    begin(&frames, TRUE);
    g_assert_false(link_frames_pass(&frames, BYTES("GET / HTTP/1.1\r\n")));
    memset(line, 'A', sizeof line);
    line[0] = 0;
    link_frames_init(&frames, TRUE);
    g_assert_false(link_frames_pass(&frames, line, sizeof line));
    g_assert_nonnull(strstr(link_frames_refusal(&frames), "line"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link-frames/messages-pass-in-any-pieces", test_messages_pass_in_any_pieces);
    g_test_add_func("/link-frames/authentication-in-any-pieces", test_authentication_in_any_pieces);
    g_test_add_func("/link-frames/the-limit-is-exact", test_the_limit_is_exact);
    g_test_add_func("/link-frames/lengths-that-overflow-32-bits-are-refused",
                    test_lengths_that_overflow_32_bits_are_refused);
    g_test_add_func("/link-frames/a-long-message-behind-a-good-one-is-found",
                    test_a_long_message_behind_a_good_one_is_found);
    g_test_add_func("/link-frames/what-is-no-d-bus-is-refused", test_what_is_no_d_bus_is_refused);
    return g_test_run();
}
