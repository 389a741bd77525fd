/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guests-caps.h"

#include "error.h"

#include <string.h>

#define HOST(arch)                                                                                 \
    "<host><uuid>x</uuid><cpu><arch>" arch "</arch><model>POWER9</model></cpu></host>"

#define GUEST_X86                                                                                  \
    "<guest><os_type>hvm</os_type><arch name='x86_64'><emulator>/usr/bin/qemu-system-x86_64"       \
    "</emulator><machine maxCpus='255'>pc-i440fx-7.2</machine><machine>pseries-9.9</machine>"      \
    "</arch></guest>"

#define GUEST_PPC64                                                                                \
    "<guest><os_type>hvm</os_type><arch name='ppc64'><wordsize>64</wordsize>"                      \
    "<emulator>/usr/bin/qemu-system-ppc64</emulator>"                                              \
    "<machine maxCpus='32768'>pseries-7.2</machine>"                                               \
    "<machine canonical='pseries-7.2' maxCpus='32768'>pseries</machine>"                           \
    "<machine maxCpus='2048'>powernv9</machine><machine>pseries-2.12-sxxm</machine>"               \
    "<domain type='qemu'/><domain type='kvm'><emulator>/usr/bin/other</emulator>"                  \
    "<machine>pseries-6.0</machine><machine>pseries-7.2</machine></domain></arch></guest>"

static void parse(const char *xml, GuestsCaps *ret)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(guests_caps_parse(xml, strlen(xml), ret, &error));
    g_assert_no_error(error);
}

static void test_pseries_machines_of_the_ppc64_emulator(void)
{
    GuestsCaps caps;

    parse("<capabilities>" HOST("ppc64le") GUEST_X86 GUEST_PPC64 "</capabilities>", &caps);
    g_assert_cmpstr(caps.host_arch, ==, "ppc64le");
    g_assert_true(caps.has_ppc64);
    g_assert_cmpstr(caps.emulator, ==, "/usr/bin/qemu-system-ppc64");
    g_assert_cmpuint(caps.n_machine_types, ==, 4);
    g_assert_cmpstr(caps.machine_types[0], ==, "pseries-7.2");
    g_assert_cmpstr(caps.machine_types[1], ==, "pseries");
    g_assert_cmpstr(caps.machine_types[2], ==, "pseries-2.12-sxxm");
    g_assert_cmpstr(caps.machine_types[3], ==, "pseries-6.0");
}

static void test_no_ppc64_emulator_is_said(void)
{
    GuestsCaps caps;

    parse("<capabilities>" HOST("x86_64") GUEST_X86 "</capabilities>", &caps);
    g_assert_false(caps.has_ppc64);
    g_assert_cmpuint(caps.n_machine_types, ==, 0);
    g_assert_cmphex(guests_caps_qemu_version(&caps, 7002022), ==, 0);
}

static void test_paravirtual_os_type_does_not_count(void)
{
    GuestsCaps caps;

    parse("<capabilities><guest><os_type>xen</os_type><arch name='ppc64'>"
          "<machine>pseries-7.2</machine></arch></guest></capabilities>",
          &caps);
    g_assert_false(caps.has_ppc64);
}

static void test_version_is_libvirts_on_a_power_host(void)
{
    GuestsCaps caps;

    parse("<capabilities>" HOST("ppc64le") GUEST_PPC64 "</capabilities>", &caps);
    g_assert_cmphex(guests_caps_qemu_version(&caps, 8001005), ==, QEMU_VERSION(8, 1, 5));
    g_assert_cmphex(guests_caps_qemu_version(&caps, 0), ==, 0);
}

static void test_version_is_the_newest_machines_elsewhere(void)
{
    GuestsCaps caps;

    parse("<capabilities>" HOST("x86_64") GUEST_X86 GUEST_PPC64 "</capabilities>", &caps);
    g_assert_cmphex(guests_caps_qemu_version(&caps, 7002022), ==, QEMU_VERSION(7, 2, 22));
    g_assert_cmphex(guests_caps_qemu_version(&caps, 10000002), ==, QEMU_VERSION(7, 2, 0));
    g_assert_cmphex(guests_caps_qemu_version(&caps, 0), ==, QEMU_VERSION(7, 2, 0));
}

static void test_broken_or_huge_text_is_refused(void)
{
    static const char *const bad[] = { "", "<capabilities>", "<capabilities></host>", "no xml",
                                       "<capabilities>&xxe;</capabilities>" };
    g_autofree char *huge = g_strnfill(GUESTS_CAPS_MAX + 1, 'x');
    GuestsCaps caps = { .n_machine_types = 7 };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(guests_caps_parse(bad[i], strlen(bad[i]), &caps, &error));
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    }
    g_assert_false(guests_caps_parse(huge, GUESTS_CAPS_MAX + 1, &caps, NULL));
    g_assert_cmpuint(caps.n_machine_types, ==, 7);
}

static void test_machine_types_are_bounded(void)
{
    g_autoptr(GString) xml = g_string_new("<capabilities><guest><os_type>hvm</os_type>"
                                          "<arch name='ppc64le'>");
    GuestsCaps caps;

    for (int i = 0; i < 1000; i++)
        g_string_append_printf(xml, "<machine>pseries-7.%d</machine>", i);
    g_string_append(xml, "<machine>pseries-with-a-name-that-is-too-long</machine>"
                         "</arch></guest></capabilities>");
    parse(xml->str, &caps);
    g_assert_cmpuint(caps.n_machine_types, ==, FACTS_MACHINE_TYPES_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guests-caps/pseries-machines-of-the-ppc64-emulator",
                    test_pseries_machines_of_the_ppc64_emulator);
    g_test_add_func("/guests-caps/no-ppc64-emulator-is-said", test_no_ppc64_emulator_is_said);
    g_test_add_func("/guests-caps/paravirtual-os-type-does-not-count",
                    test_paravirtual_os_type_does_not_count);
    g_test_add_func("/guests-caps/version-is-libvirts-on-a-power-host",
                    test_version_is_libvirts_on_a_power_host);
    g_test_add_func("/guests-caps/version-is-the-newest-machines-elsewhere",
                    test_version_is_the_newest_machines_elsewhere);
    g_test_add_func("/guests-caps/broken-or-huge-text-is-refused",
                    test_broken_or_huge_text_is_refused);
    g_test_add_func("/guests-caps/machine-types-are-bounded", test_machine_types_are_bounded);
    return g_test_run();
}
