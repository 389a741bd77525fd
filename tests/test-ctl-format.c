/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-format.h"

#include <string.h>

static void test_foreign_text_is_made_safe(void)
{
    g_autofree char *safe = ctl_safe("a\033[31mb\nc\xff\xe2\x80\xae\xc2\x9b" "d");

    g_assert_cmpstr(safe, ==, "a [31mb c\xef\xbf\xbd  d");
}

static void print_table(const Ctl *ctl)
{
    static const char *const heads[] = { "NAME", ">AGE", "STATE", NULL };
    g_autoptr(CtlTable) table = ctl_table_new(ctl, heads);

    ctl_table_add(table, CTL_PLAIN, "alpha");
    ctl_table_printf(table, CTL_PLAIN, "%d ms", 7);
    ctl_table_add(table, CTL_GOOD, "linked");
    ctl_table_add(table, CTL_PLAIN, "h\xc3\xb6\xe4\xb8\xad");
    ctl_table_add(table, CTL_PLAIN, "1000 ms");
    ctl_table_add(table, CTL_BAD, "refused\n");
    ctl_table_print(table);
}

/* What is printed on stdout can be seen from another process only. */
static void check_output(const char *name, const char *expected)
{
    g_autofree char *path = g_strdup_printf("/ctl-format/subprocess/%s", name);

    g_test_trap_subprocess(path, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_passed();
    g_test_trap_assert_stdout(expected);
}

static void print_plain(void)
{
    Ctl ctl = { .color = CTL_COLOR_NEVER };

    print_table(&ctl);
}

static void print_on_terminal_of(int columns)
{
    Ctl ctl = { .color = CTL_COLOR_NEVER, .columns = columns };

    print_table(&ctl);
}

static void print_fitting(void)
{
    print_on_terminal_of(24);
}

static void print_too_wide(void)
{
    print_on_terminal_of(23);
}

static void print_too_wide_for_a_program(void)
{
    Ctl ctl = { .color = CTL_COLOR_NEVER, .columns = 10, .no_legend = TRUE };

    print_table(&ctl);
}

static void print_without_legend(void)
{
    Ctl ctl = { .color = CTL_COLOR_ALWAYS, .no_legend = TRUE };

    print_table(&ctl);
}

static void print_fields(void)
{
    Ctl ctl = { .color = CTL_COLOR_NEVER };

    ctl_print_field(&ctl, 8, "Host", "alpha");
    ctl_print_field(&ctl, 8, "Timebase", "512 MHz");
}

static void print_variant(void)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(
        "{'s': <'x'>, 'b': <true>, 'x': <int64 -9223372036854775808>, 't': <uint64 18446744073709551615>, 'y': <byte 255>,"
        " 'd': <0.5>, 'a': <['p', 'q']>, 'e': <@aa{sv} []>, 'm': <{'ibs': int64 3}>, 'r': <(int64 1, int64 2)>, 'o': <objectpath '/a'>}"));

    ctl_build_variant(builder, value);
    ctl_print_json(builder);
}

static void test_tables_are_aligned(void)
{
    check_output("plain", "*NAME       AGE  STATE\n"
                          "alpha     7 ms  linked\n"
                          "h\xc3\xb6\xe4\xb8\xad   1000 ms  refused \n*");
}

static void test_tables_without_legend_start_at_once(void)
{
    check_output("without-legend", "*alpha     7 ms  \033?32mlinked\033?0m\n*");
}

static void test_table_wider_than_the_terminal_is_a_list(void)
{
    check_output("fitting", "*NAME       AGE  STATE\nalpha     7 ms  linked\n*");
    check_output("too-wide", "* NAME  alpha\n"
                             "  AGE  7 ms\n"
                             "STATE  linked\n"
                             "\n"
                             " NAME  h\xc3\xb6\xe4\xb8\xad\n"
                             "  AGE  1000 ms\n"
                             "STATE  refused \n*");
    check_output("too-wide-for-a-program", "*alpha     7 ms  linked\n*");
}

static void test_fields_stand_in_one_column(void)
{
    check_output("fields", "*      Host: alpha\n  Timebase: 512 MHz\n*");
}

static void test_dbus_values_become_json(void)
{
    check_output("variant", "*{\"s\":\"x\",\"b\":true,\"x\":-9223372036854775808,\"t\":\"18446744073709551615\",\"y\":255,\"d\":0.5,"
                            "\"a\":[\"p\",\"q\"],\"e\":[],\"m\":{\"ibs\":3},\"r\":[1,2],\"o\":\"/a\"}\n*");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-format/foreign-text-is-made-safe", test_foreign_text_is_made_safe);
    g_test_add_func("/ctl-format/tables-are-aligned", test_tables_are_aligned);
    g_test_add_func("/ctl-format/tables-without-legend-start-at-once", test_tables_without_legend_start_at_once);
    g_test_add_func("/ctl-format/table-wider-than-the-terminal-is-a-list", test_table_wider_than_the_terminal_is_a_list);
    g_test_add_func("/ctl-format/fields-stand-in-one-column", test_fields_stand_in_one_column);
    g_test_add_func("/ctl-format/dbus-values-become-json", test_dbus_values_become_json);
    g_test_add_func("/ctl-format/subprocess/plain", print_plain);
    g_test_add_func("/ctl-format/subprocess/fitting", print_fitting);
    g_test_add_func("/ctl-format/subprocess/too-wide", print_too_wide);
    g_test_add_func("/ctl-format/subprocess/too-wide-for-a-program", print_too_wide_for_a_program);
    g_test_add_func("/ctl-format/subprocess/without-legend", print_without_legend);
    g_test_add_func("/ctl-format/subprocess/fields", print_fields);
    g_test_add_func("/ctl-format/subprocess/variant", print_variant);
    return g_test_run();
}
