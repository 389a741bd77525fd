/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ppc-cpu.h"

#include <glib.h>

#define V(major, minor) QEMU_VERSION(major, minor, 0)

static void test_families_by_pvr(void)
{
    static const struct {
        uint32_t pvr;
        const char *name;
        bool pseries;
        bool tbu40;
        CompatMode own;
    } cases[] = {
        { 0x00390202, "970", true, false, COMPAT_RAW },
        { 0x00391100, "970FX", false, false, COMPAT_RAW },
        { 0x003c0301, "970FX", false, false, COMPAT_RAW },
        { 0x00440101, "970MP", true, false, COMPAT_RAW },
        { 0x00350000, "POWER4", false, false, COMPAT_RAW },
        { 0x00380000, "POWER4", false, false, COMPAT_RAW },
        { 0x003a0203, "POWER5", false, false, COMPAT_RAW },
        { 0x003b0201, "POWER5+", true, true, COMPAT_RAW },
        { 0x003e0000, "POWER6", false, true, COMPAT_RAW },
        { 0x003f0203, "POWER7", true, true, COMPAT_POWER7 },
        { 0x004a0201, "POWER7+", true, true, COMPAT_POWER7 },
        { 0x004b0201, "POWER8E", true, true, COMPAT_POWER8 },
        { 0x004c0100, "POWER8NVL", true, true, COMPAT_POWER8 },
        { 0x004d0200, "POWER8", true, true, COMPAT_POWER8 },
        { 0x004e1203, "POWER9", true, true, COMPAT_POWER9 },
        { 0x00801200, "POWER10", true, true, COMPAT_POWER10 },
        { 0x00821200, "POWER11", true, true, COMPAT_POWER11 },
        { 0x00810011, "unknown", false, false, COMPAT_RAW },
        { 0x00830000, "unknown", false, false, COMPAT_RAW },
        { 0x0f000005, "unknown", false, false, COMPAT_RAW },
        { 0, "unknown", false, false, COMPAT_RAW },
        { 0xffffffff, "unknown", false, false, COMPAT_RAW },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        CpuFamily family = cpu_family_of_pvr(cases[i].pvr);

        g_assert_cmpstr(cpu_family_name(family), ==, cases[i].name);
        g_assert_cmpint(cpu_family_is_pseries(family), ==, cases[i].pseries);
        g_assert_cmpint(cpu_has_tbu40(family), ==, cases[i].tbu40);
        g_assert_cmpint(cpu_own_mode(cases[i].pvr), ==, cases[i].own);
    }
    for (int family = 0; family < CPU_FAMILY_COUNT; family++)
        g_assert_nonnull(cpu_family_name((CpuFamily)family));
}

static void test_models_by_version(void)
{
    static const struct {
        const char *model;
        uint32_t version;
        uint32_t pvr;
    } cases[] = {
        { "970", V(7, 2), 0x00390202 },
        { "970_v2.2", V(10, 0), 0x00390202 },
        { "970mp", V(7, 2), 0x00440101 },
        { "970mp_v1.0", V(7, 2), 0x00440100 },
        { "970fx", V(7, 2), 0 },
        { "970fx_v3.1", V(7, 2), 0 },
        { "power5+", V(7, 2), 0x003b0201 },
        { "power5+_v2.1", V(10, 0), 0x003b0201 },
        { "power5p_v2.1", V(8, 2), 0 },
        { "power5p_v2.1", V(9, 0), 0x003b0201 },
        { "power7", V(7, 2), 0x003f0203 },
        { "POWER7", V(7, 2), 0x003f0203 },
        { "power7+_v2.1", V(10, 0), 0x004a0201 },
        { "power7p_v2.1", V(7, 2), 0 },
        { "power7p_v2.1", V(9, 0), 0x004a0201 },
        { "power8e", V(7, 2), 0x004b0201 },
        { "POWER8NVL", V(7, 2), 0x004c0100 },
        { "POWER8", V(7, 2), 0x004d0200 },
        { "power9_v1.0", V(7, 2), 0x004e0100 },
        { "power9_v1.0", V(8, 2), 0x004e1100 },
        { "power9_v1.0", V(9, 0), 0 },
        { "POWER9", V(8, 0), 0x004e1200 },
        { "power9", V(8, 1), 0x004e1202 },
        { "power9_v2.0", V(10, 0), 0x004e1200 },
        { "power9_v2.2", V(8, 0), 0 },
        { "power9_v2.2", V(8, 1), 0x004e1202 },
        { "power10", V(5, 0), 0 },
        { "power10", V(5, 1), 0x00800200 },
        { "power10", V(10, 0), 0x00801200 },
        { "power10_v1.0", V(8, 2), 0x00801100 },
        { "power10_v1.0", V(9, 0), 0 },
        { "power11", V(9, 1), 0 },
        { "power11", V(9, 2), 0x00821200 },
        { "POWER11", 0, 0x00821200 },
        { "POWER9", 0, 0x004e1202 },
        { "power9_v1.0", 0, 0 },
        { "host", V(7, 2), 0 },
        { "power6", V(7, 2), 0 },
        { "", V(7, 2), 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmphex(cpu_model_pvr(cases[i].model, cases[i].version), ==, cases[i].pvr);
}

static void test_modes(void)
{
    static const struct {
        const char *name;
        uint32_t logical_pvr;
        uint32_t since;
    } cases[COMPAT_COUNT] = {
        { "raw", 0, 0 },
        { "power6", 0x0f000002, V(2, 1) },
        { "power7", 0x0f000003, V(2, 1) },
        { "power7+", 0x0f100003, V(2, 9) },
        { "power8", 0x0f000004, V(2, 1) },
        { "power9", 0x0f000005, V(2, 9) },
        { "power10", 0x0f000006, V(5, 1) },
        { "power11", 0x0f000007, V(9, 2) },
    };

    for (CompatMode mode = 0; mode < COMPAT_COUNT; mode++) {
        g_assert_cmpstr(compat_mode_name(mode), ==, cases[mode].name);
        g_assert_cmphex(compat_mode_logical_pvr(mode), ==, cases[mode].logical_pvr);
        g_assert_cmphex(compat_mode_since(mode), ==, cases[mode].since);
    }
}

/* One letter per mode from power6 on: 6 7 + 8 9 T(en) E(leven), or "." if it is not valid. */
static void assert_valid(uint32_t pvr, uint32_t version, const char *expected)
{
    static const char letters[] = "r67+89TE";
    char got[COMPAT_COUNT] = "";

    for (CompatMode mode = COMPAT_POWER6; mode < COMPAT_COUNT; mode++)
        got[mode - 1] = compat_mode_is_valid(mode, pvr, version, COMPAT_RAW) ? letters[mode] : '.';
    g_assert_cmpstr(got, ==, expected);
}

static void test_validity_by_family_and_version(void)
{
    assert_valid(0x00390202, V(7, 2), ".......");
    assert_valid(0x003b0201, V(7, 2), ".......");
    assert_valid(0x003e0000, V(7, 2), ".......");
    assert_valid(0x003f0203, V(7, 2), "67+....");
    assert_valid(0x003f0203, V(10, 0), "67+....");
    assert_valid(0x004a0201, V(10, 0), "67+....");
    assert_valid(0x004d0200, V(7, 2), "67+8...");
    assert_valid(0x004d0200, V(9, 1), "67+8...");
    assert_valid(0x004d0200, V(9, 2), "67.8...");
    assert_valid(0x004b0201, V(10, 0), "67.8...");
    assert_valid(0x004c0100, V(10, 0), "67.8...");
    assert_valid(0x004e1200, V(7, 2), "67+89..");
    assert_valid(0x004e1202, V(10, 0), "67.89..");
    assert_valid(0x00800200, V(5, 0), "67+89..");
    assert_valid(0x00800200, V(7, 2), "67+89T.");
    assert_valid(0x00801200, V(10, 0), "67.89T.");
    assert_valid(0x00821200, V(9, 1), "67+89T.");
    assert_valid(0x00821200, V(9, 2), "67.89TE");
    assert_valid(0x00821200, 0, "67.89TE");
    assert_valid(0x004d0200, V(2, 8), "67.8...");
    assert_valid(0x004d0200, V(2, 0), ".......");
    assert_valid(0x0f000005, V(7, 2), ".......");
}

static void test_limits_go_by_table_order(void)
{
    g_assert_false(compat_mode_is_valid(COMPAT_RAW, 0x004e1200, V(7, 2), COMPAT_RAW));
    g_assert_true(compat_mode_is_valid(COMPAT_POWER8, 0x004e1200, V(7, 2), COMPAT_POWER8));
    g_assert_false(compat_mode_is_valid(COMPAT_POWER9, 0x004e1200, V(7, 2), COMPAT_POWER8));
    g_assert_true(compat_mode_is_valid(COMPAT_POWER7, 0x004e1200, V(7, 2), COMPAT_POWER7PLUS));
    g_assert_false(compat_mode_is_valid(COMPAT_POWER7PLUS, 0x004e1200, V(7, 2), COMPAT_POWER7));
    /* by number power7+ is above all others; by table it is not */
    g_assert_true(compat_mode_is_valid(COMPAT_POWER7PLUS, 0x004e1200, V(7, 2), COMPAT_POWER8));
}

static void test_close_enough_pvrs(void)
{
    static const struct {
        uint32_t dest, incoming, version;
        bool matches;
    } cases[] = {
        { 0x00390202, 0x00390202, V(2, 0), true }, /* identical */
        { 0x00390202, 0x00390203, V(7, 2), false },
        { 0x00440100, 0x00440101, V(7, 2), false },
        { 0x0f0f0f0f, 0x0f0f0f0f, V(7, 2), true },
        { 0x004d0200, 0x004d0201, V(2, 9), false },
        { 0x004d0200, 0x004d0201, V(2, 10), true },
        { 0x003f0203, 0x004a0201, V(7, 1), true },
        { 0x003f0203, 0x004a0201, V(7, 2), false },
        { 0x004d0200, 0x004b0201, V(7, 1), true },
        { 0x004d0200, 0x004c0100, V(7, 1), true },
        { 0x004d0200, 0x004b0201, V(7, 2), false },
        { 0x004d0200, 0x003f0203, V(7, 1), false },
        { 0x004d0200, 0x004d0201, V(10, 0), true },
        { 0x004e1200, 0x004e0100, V(7, 1), true },
        { 0x004e1200, 0x004e0100, V(7, 2), false },
        { 0x004e1200, 0x004e1202, V(8, 0), true },
        { 0x004e1200, 0x004e1202, V(8, 1), false },
        { 0x004e1202, 0x004e1203, V(8, 1), true },
        { 0x004e1203, 0x004e1202, V(8, 1), false }, /* lopsided */
        { 0x004e1200, 0x004e1201, V(8, 1), true },
        { 0x004e1201, 0x004e1200, V(8, 1), false },
        { 0x004e1202, 0x004e1201, V(8, 1), false },
        { 0x004e1100, 0x004e0100, V(8, 2), true },
        { 0x004e1100, 0x004e0100, V(9, 0), false },
        { 0x00801200, 0x00800200, V(10, 0), true }, /* 7.2's model on 10.0 */
        { 0x00801200, 0x00801100, V(10, 0), false },
        { 0x00821200, 0x00821201, V(10, 0), true },
        { 0x00821200, 0x00801200, V(10, 0), false },
        { 0x00801200, 0x004e1202, V(7, 1), false },
        { 0x004e1202, 0x004e1200, 0, false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%08x takes %08x in %08x", cases[i].dest, cases[i].incoming,
                       cases[i].version);
        g_assert_cmpint(cpu_pvr_matches(cases[i].dest, cases[i].incoming, cases[i].version), ==,
                        cases[i].matches);
    }
}

static void test_first_revision_of_power9(void)
{
    g_assert_true(cpu_is_power9_dd1(0x004e0100));
    g_assert_true(cpu_is_power9_dd1(0x004e1101));
    g_assert_false(cpu_is_power9_dd1(0x004e1200));
    g_assert_false(cpu_is_power9_dd1(0x00801100));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ppc-cpu/families-by-pvr", test_families_by_pvr);
    g_test_add_func("/ppc-cpu/models-by-version", test_models_by_version);
    g_test_add_func("/ppc-cpu/modes-have-names-and-logical-pvrs", test_modes);
    g_test_add_func("/ppc-cpu/validity-by-family-and-version", test_validity_by_family_and_version);
    g_test_add_func("/ppc-cpu/limits-go-by-table-order", test_limits_go_by_table_order);
    g_test_add_func("/ppc-cpu/close-enough-pvrs-by-version", test_close_enough_pvrs);
    g_test_add_func("/ppc-cpu/first-revision-of-power9", test_first_revision_of_power9);
    return g_test_run();
}
