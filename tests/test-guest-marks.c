/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-marks.h"

#include <errno.h>
#include <sys/socket.h>

#define A "1f3c2a52-7c5e-4d2b-9f60-0d6d3d1d7a10"
#define B "6695eb01-f6a4-8304-79aa-97f2502e193f"
#define C "00000000-0000-0000-0000-000000000000"

/* A bus that is never started: messages can be made and sealed. */
static sd_bus *bus_new(void)
{
    sd_bus *bus;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_cmpint(sd_bus_new(&bus), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(bus, fds[0], fds[1]), >=, 0);
    g_assert_cmpint(sd_bus_start(bus), >=, 0);
    return bus;
}

static sd_bus_message *message_new(sd_bus *bus)
{
    sd_bus_message *message;

    g_assert_cmpint(sd_bus_message_new_method_call(bus, &message, NULL, "/a", "a.b", "C"), >=, 0);
    return message;
}

static void seal(sd_bus_message *message)
{
    g_assert_cmpint(sd_bus_message_seal(message, 1, 0), >=, 0);
}

/* (nullable) */
static GuestMarks *carry(const GuestMarks *marks)
{
    sd_bus *bus = bus_new();
    sd_bus_message *message = message_new(bus);
    GuestMarks *ret;

    g_assert_cmpint(guest_marks_append(message, marks), >=, 0);
    seal(message);
    g_assert_cmpint(guest_marks_read(message, &ret), ==, 0);
    sd_bus_message_unref(message);
    sd_bus_unref(bus);
    return ret;
}

/* sha256sum of the 36 characters */
static void test_mark_is_the_begin_of_the_sha256(void)
{
    g_assert_cmphex(guest_mark(A), ==, 0xa65460e4u);
    g_assert_cmphex(guest_mark(C), ==, 0x12b9377cu);
}

static void test_marks_say_who_may_be_there(void)
{
    g_autoptr(GuestMarks) marks = guest_marks_new((const char *const[]){ B, A }, 2);

    g_assert_true(guest_marks_may_have(marks, guest_mark(A)));
    g_assert_true(guest_marks_may_have(marks, guest_mark(B)));
    g_assert_false(guest_marks_may_have(marks, guest_mark(C)));
}

static void test_nobody_is_where_no_guest_is(void)
{
    g_autoptr(GuestMarks) marks = guest_marks_new(NULL, 0);

    g_assert_nonnull(marks);
    g_assert_false(guest_marks_may_have(marks, guest_mark(A)));
}

static void test_anybody_may_be_where_nothing_was_told(void)
{
    g_assert_true(guest_marks_may_have(NULL, guest_mark(A)));
}

static void test_too_many_guests_are_not_told(void)
{
    g_autofree const char **uuids = g_new(const char *, GUEST_MARKS_MAX + 1);
    g_autoptr(GuestMarks) most = NULL;

    for (gsize i = 0; i <= GUEST_MARKS_MAX; i++)
        uuids[i] = A;
    most = guest_marks_new(uuids, GUEST_MARKS_MAX);
    g_assert_nonnull(most);
    g_assert_null(guest_marks_new(uuids, GUEST_MARKS_MAX + 1));
}

static void test_marks_are_the_same_at_the_other_end(void)
{
    g_autoptr(GuestMarks) marks = guest_marks_new((const char *const[]){ A, B }, 2);
    g_autoptr(GuestMarks) none = guest_marks_new(NULL, 0);
    g_autoptr(GuestMarks) carried = carry(marks);
    g_autoptr(GuestMarks) carried_none = carry(none);

    g_assert_true(guest_marks_may_have(carried, guest_mark(A)));
    g_assert_true(guest_marks_may_have(carried, guest_mark(B)));
    g_assert_false(guest_marks_may_have(carried, guest_mark(C)));
    g_assert_false(guest_marks_may_have(carried_none, guest_mark(A)));
    g_assert_null(carry(NULL));
}

/* They are not sorted for the peer: one that has gone mad could have us sort all day. */
static void test_marks_out_of_order_are_refused(void)
{
    const guint32 marks[] = { 1, 3, 2 };
    sd_bus *bus = bus_new();
    sd_bus_message *message = message_new(bus);
    GuestMarks *ret;

    g_assert_cmpint(sd_bus_message_append_array(message, 'u', marks, sizeof marks), >=, 0);
    g_assert_cmpint(sd_bus_message_append(message, "b", 1), >=, 0);
    seal(message);
    g_assert_cmpint(guest_marks_read(message, &ret), ==, -EBADMSG);
    sd_bus_message_unref(message);
    sd_bus_unref(bus);
}

/* Two guests may share one. */
static void test_equal_marks_are_taken(void)
{
    const guint32 marks[] = { 1, 2, 2 };
    sd_bus *bus = bus_new();
    sd_bus_message *message = message_new(bus);
    g_autoptr(GuestMarks) ret = NULL;

    g_assert_cmpint(sd_bus_message_append_array(message, 'u', marks, sizeof marks), >=, 0);
    g_assert_cmpint(sd_bus_message_append(message, "b", 1), >=, 0);
    seal(message);
    g_assert_cmpint(guest_marks_read(message, &ret), ==, 0);
    g_assert_true(guest_marks_may_have(ret, 1));
    g_assert_true(guest_marks_may_have(ret, 2));
    g_assert_false(guest_marks_may_have(ret, 3));
    sd_bus_message_unref(message);
    sd_bus_unref(bus);
}

static void test_more_than_the_limit_is_refused(void)
{
    sd_bus *bus = bus_new();
    sd_bus_message *message = message_new(bus);
    g_autofree guint32 *marks = g_new0(guint32, GUEST_MARKS_MAX + 1);
    GuestMarks *ret = (GuestMarks *) marks;

    g_assert_cmpint(sd_bus_message_append_array(message, 'u', marks, (GUEST_MARKS_MAX + 1) * sizeof *marks), >=, 0);
    g_assert_cmpint(sd_bus_message_append(message, "b", 1), >=, 0);
    seal(message);
    g_assert_cmpint(guest_marks_read(message, &ret), ==, -E2BIG);
    g_assert_true(ret == (GuestMarks *) marks); /* untouched */
    sd_bus_message_unref(message);
    sd_bus_unref(bus);
}

static void test_another_type_is_refused(void)
{
    sd_bus *bus = bus_new();
    sd_bus_message *message = message_new(bus);
    GuestMarks *ret;

    g_assert_cmpint(sd_bus_message_append(message, "as", 1, "x"), >=, 0);
    seal(message);
    g_assert_cmpint(guest_marks_read(message, &ret), ==, -EBADMSG);
    sd_bus_message_unref(message);
    sd_bus_unref(bus);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-marks/mark-is-the-begin-of-the-sha256", test_mark_is_the_begin_of_the_sha256);
    g_test_add_func("/guest-marks/marks-say-who-may-be-there", test_marks_say_who_may_be_there);
    g_test_add_func("/guest-marks/nobody-is-where-no-guest-is", test_nobody_is_where_no_guest_is);
    g_test_add_func("/guest-marks/anybody-may-be-where-nothing-was-told", test_anybody_may_be_where_nothing_was_told);
    g_test_add_func("/guest-marks/too-many-guests-are-not-told", test_too_many_guests_are_not_told);
    g_test_add_func("/guest-marks/marks-are-the-same-at-the-other-end", test_marks_are_the_same_at_the_other_end);
    g_test_add_func("/guest-marks/marks-out-of-order-are-refused", test_marks_out_of_order_are_refused);
    g_test_add_func("/guest-marks/equal-marks-are-taken", test_equal_marks_are_taken);
    g_test_add_func("/guest-marks/more-than-the-limit-is-refused", test_more_than_the_limit_is_refused);
    g_test_add_func("/guest-marks/another-type-is-refused", test_another_type_is_refused);
    return g_test_run();
}
