/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"

#include <gio/gio.h>

static void test_every_code_survives_the_bus(void)
{
    for (int code = 0; code < TBSYNC_ERROR_COUNT; code++) {
        g_autoptr(GError) error = g_error_new(TBSYNC_ERROR, code, "guest %d", code);
        const char *name = tbsync_error_dbus_name(error);
        g_autoptr(GError) back = tbsync_error_from_dbus(name, error->message);
        g_assert_true(g_str_has_prefix(name, "org.tbsyncd1.Error."));
        g_assert_error(back, TBSYNC_ERROR, code);
        g_assert_cmpstr(back->message, ==, error->message);
    }
}

static void test_foreign_domain_is_failed(void)
{
    g_autoptr(GError) error = g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no file");

    g_assert_cmpstr(tbsync_error_dbus_name(error), ==, "org.tbsyncd1.Error.Failed");
}

static void check_name(const char *name, TbsyncError code)
{
    g_autoptr(GError) error = tbsync_error_from_dbus(name, NULL);

    g_assert_error(error, TBSYNC_ERROR, (int)code);
    g_assert_nonnull(error->message);
}

static void test_bus_errors_are_told_apart(void)
{
    check_name("org.freedesktop.DBus.Error.ServiceUnknown", TBSYNC_ERROR_UNAVAILABLE);
    check_name("org.freedesktop.DBus.Error.AccessDenied", TBSYNC_ERROR_DENIED);
    check_name("org.freedesktop.DBus.Error.NoReply", TBSYNC_ERROR_TIMEOUT);
    check_name("org.example.Error.Other", TBSYNC_ERROR_FAILED);
    check_name(NULL, TBSYNC_ERROR_FAILED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/every-code-survives-the-bus", test_every_code_survives_the_bus);
    g_test_add_func("/error/foreign-domain-is-failed", test_foreign_domain_is_failed);
    g_test_add_func("/error/bus-errors-are-told-apart", test_bus_errors_are_told_apart);
    return g_test_run();
}
