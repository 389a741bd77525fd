/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units-text.h"

static void check_ns(gint64 ns, const char *expected)
{
    g_autofree char *text = ns_to_text(ns);

    g_assert_cmpstr(text, ==, expected);
}

static void test_nanoseconds(void)
{
    check_ns(0, "0 ns");
    check_ns(-999, "-999 ns");
    check_ns(1000, "1.000 us");
    check_ns(1234567, "1.235 ms");
    check_ns(-1234567, "-1.235 ms");
    check_ns(999999, "999.999 us");
    check_ns(999999499, "999.999 ms");
    check_ns(999999500, "1.000 s");
    check_ns(G_GINT64_CONSTANT(64000000000), "64.000 s");
    check_ns(G_MAXINT64, "unbounded");
    check_ns(G_MININT64, "unbounded");
    check_ns(G_MAXINT64 - 1, "9223372036.855 s");
}

static void check_hz(gint64 hz, const char *expected)
{
    g_autofree char *text = hz_to_text(hz);

    g_assert_cmpstr(text, ==, expected);
}

static void test_frequencies(void)
{
    check_hz(999, "999 Hz");
    check_hz(512000000, "512 MHz");
    check_hz(512000001, "512.000001 MHz");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/units-text/nanoseconds", test_nanoseconds);
    g_test_add_func("/units-text/frequencies", test_frequencies);
    return g_test_run();
}
