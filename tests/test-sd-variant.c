/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sd-variant.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)

typedef struct Fixture {
    sd_bus *bus;
    int other_fd;
} Fixture;

/* Messages need a started bus, not one that answers. */
static void setup(Fixture *f, gconstpointer data)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    f->other_fd = fds[1];
    g_assert_cmpint(sd_bus_new(&f->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(f->bus, fds[0], fds[0]), >=, 0);
    g_assert_cmpint(sd_bus_start(f->bus), >=, 0);
}

static void teardown(Fixture *f, gconstpointer data)
{
    sd_bus_close_unref(f->bus);
    close(f->other_fd);
}

static sd_bus_message *new_message(Fixture *f)
{
    sd_bus_message *message;

    g_assert_cmpint(sd_bus_message_new_signal(f->bus, &message, "/t", "org.tbsyncd1.T", "T"), >=, 0);
    return message;
}

static void seal(sd_bus_message *message)
{
    g_assert_cmpint(sd_bus_message_seal(message, 1, 0), >=, 0);
    g_assert_cmpint(sd_bus_message_rewind(message, TRUE), >=, 0);
}

static void check_round_trip(Fixture *f, const char *text)
{
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(text)), back = NULL, none = NULL;
    g_autoptr(sd_bus_message) message = new_message(f);

    g_test_message("%s", text);
    g_assert_cmpint(sd_variant_append(message, value), >=, 0);
    seal(message);
    g_assert_cmpint(sd_variant_read(message, g_variant_get_type_string(value), &back), ==, 1);
    g_assert_true(g_variant_equal(value, back));
    g_assert_cmpint(sd_variant_read(message, "s", &none), ==, 0);
    g_assert_null(none);
}

static void test_values_survive_there_and_back(Fixture *f, gconstpointer data)
{
    check_round_trip(f, "{'a': <'text'>, 'b': <true>, 'c': <[('x', int64 -1)]>, 'd': <{'k': int64 3}>}");
    check_round_trip(f, "(byte 255, int16 -3, uint16 3, -7, uint32 7, int64 -9223372036854775808,"
                        " uint64 18446744073709551615, 1.5, false)");
    check_round_trip(f, "@a{sv} {}");
    check_round_trip(f, "[{'code': <'x'>}, {}]");
    check_round_trip(f, "(objectpath '/a/b', signature 'a{sv}')");
    check_round_trip(f, "<<<'deep'>>>");
    check_round_trip(f, "'plain'");
}

static void test_wrong_type_is_refused(Fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) back = NULL;
    g_autoptr(sd_bus_message) message = new_message(f);

    g_assert_cmpint(sd_variant_append(message, g_variant_new_string("x")), >=, 0);
    seal(message);
    g_assert_cmpint(sd_variant_read(message, "a{sv}", &back), ==, -EBADMSG);
    g_assert_cmpint(sd_variant_read(message, "t", &back), ==, -EBADMSG);
    g_assert_cmpint(sd_variant_read(message, "no type", &back), ==, -EINVAL);
    g_assert_null(back);
}

static void test_descriptors_are_refused(Fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) back = NULL;
    g_autoptr(sd_bus_message) message = new_message(f);

    g_assert_cmpint(sd_variant_append(message, g_variant_new_handle(0)), ==, -EINVAL);
    g_assert_cmpint(sd_variant_append(message, g_variant_new_maybe(NULL, g_variant_new_int32(1))), ==, -EINVAL);
    g_assert_cmpint(sd_bus_message_append(message, "hv", 0, "h", 0), >=, 0);
    seal(message);
    g_assert_cmpint(sd_variant_read(message, "h", &back), ==, -EBADMSG);
    g_assert_cmpint(sd_bus_message_skip(message, "h"), >=, 0);
    g_assert_cmpint(sd_variant_read(message, "v", &back), ==, -EBADMSG);
    g_assert_null(back);
}

static void test_depth_is_bounded(Fixture *f, gconstpointer data)
{
    g_autoptr(sd_bus_message) message = new_message(f);
    GVariant *value = g_variant_new_int32(1);

    for (int i = 0; i < 70; i++)
        value = g_variant_new_variant(value);
    g_assert_cmpint(sd_variant_append(message, value), ==, -E2BIG);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/sd-variant/values-survive-there-and-back", Fixture, NULL, setup, test_values_survive_there_and_back,
               teardown);
    g_test_add("/sd-variant/wrong-type-is-refused", Fixture, NULL, setup, test_wrong_type_is_refused, teardown);
    g_test_add("/sd-variant/descriptors-are-refused", Fixture, NULL, setup, test_descriptors_are_refused, teardown);
    g_test_add("/sd-variant/depth-is-bounded", Fixture, NULL, setup, test_depth_is_bounded, teardown);
    return g_test_run();
}
