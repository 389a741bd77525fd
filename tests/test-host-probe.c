/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-probe.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "facts-codec.h"
#include "tree.h"

/* Hundreds of files that nobody needs after a crash: not synced. GLib 2.74 writes over an old file without cutting it. */
#define write_text(path, text, length, error) \
    (g_unlink(path), g_file_set_contents_full(path, text, length, G_FILE_SET_CONTENTS_NONE, 0644, error))

#define HOSTS TEST_DATA "/hosts/"

static char *facts_to_text(const HostFacts *facts)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) node = NULL;
    g_autofree char *text = NULL;

    json_builder_begin_object(builder);
    host_facts_build_json(facts, builder);
    json_builder_end_object(builder);
    node = json_builder_get_root(builder);
    text = json_to_string(node, TRUE);
    return g_strconcat(text, "\n", NULL);
}

static void test_fixture(gconstpointer data)
{
    g_autofree char *root = g_strconcat(HOSTS, data, NULL);
    g_autofree char *expected_path = g_build_filename(root, "expected.json", NULL);
    g_autofree char *expected = NULL;
    g_autofree char *found = NULL;
    g_autoptr(GError) error = NULL;
    HostFacts facts;

    g_assert_true(host_probe(root, &facts, &error));
    g_assert_no_error(error);
    found = facts_to_text(&facts);
    if (g_getenv("TBSYNC_UPDATE_EXPECTED"))
        g_assert_true(write_text(expected_path, found, -1, NULL));
    g_assert_true(g_file_get_contents(expected_path, &expected, NULL, NULL));
    g_assert_cmpstr(found, ==, expected);
}

/* A copy of a fixture in a directory of its own. */
typedef struct Copy {
    char *root;
} Copy;

static void copy_tree(const char *from, const char *to)
{
    g_autoptr(GDir) dir = g_dir_open(from, 0, NULL);
    const char *name;

    if (dir == NULL) {
        g_autofree char *bytes = NULL;
        gsize length;

        g_assert_true(g_file_get_contents(from, &bytes, &length, NULL));
        g_assert_true(write_text(to, bytes, (gssize)length, NULL));
        return;
    }
    g_assert_cmpint(g_mkdir_with_parents(to, 0700), ==, 0);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *source = g_build_filename(from, name, NULL);
        g_autofree char *target = g_build_filename(to, name, NULL);
        copy_tree(source, target);
    }
}

static void copy_clear(Copy *copy)
{
    tree_remove(copy->root);
    g_free(copy->root);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Copy, copy_clear)

static Copy copy_of(const char *name)
{
    g_autofree char *from = g_strconcat(HOSTS, name, NULL);
    Copy copy = { g_dir_make_tmp("tbsync-host-XXXXXX", NULL) };

    g_assert_nonnull(copy.root);
    copy_tree(from, copy.root);
    return copy;
}

static void put(const Copy *copy, const char *path, const void *bytes, gssize length)
{
    g_autofree char *file = g_build_filename(copy->root, path, NULL);
    g_autofree char *directory = g_path_get_dirname(file);

    g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
    g_assert_true(write_text(file, bytes, length, NULL));
}

static void drop(const Copy *copy, const char *path)
{
    g_autofree char *file = g_build_filename(copy->root, path, NULL);

    tree_remove(file);
}

/* Every `old` in cpuinfo from the `nth` on, counted from 0, becomes `new`. */
static void edit_cpuinfo(const Copy *copy, const char *old, const char *new, guint nth)
{
    g_autofree char *file = g_build_filename(copy->root, "proc/cpuinfo", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) parts = NULL;
    g_autoptr(GString) edited = g_string_new("");

    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    parts = g_strsplit(text, old, -1);
    g_assert_cmpuint(g_strv_length(parts), >, nth + 1);
    for (guint i = 0; parts[i]; i++) {
        g_string_append(edited, parts[i]);
        if (parts[i + 1])
            g_string_append(edited, i < nth ? old : new);
    }
    g_assert_true(write_text(file, edited->str, -1, NULL));
}

static HostFacts probe(const Copy *copy)
{
    g_autoptr(GError) error = NULL;
    HostFacts facts;

    host_probe(copy->root, &facts, &error);
    g_assert_no_error(error);
    return facts;
}

static void assert_refused(const Copy *copy, const char *message)
{
    g_autoptr(GError) error = NULL;
    HostFacts facts = { .known = 42 };

    g_assert_false(host_probe(copy->root, &facts, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpuint(facts.known, ==, 42);
}

#define P9_NODE_0 "proc/device-tree/cpus/PowerPC,POWER9@0"
#define P9_NODE_4 "proc/device-tree/cpus/PowerPC,POWER9@4"

static void test_two_pvrs_are_refused(void)
{
    g_auto(Copy) copy = copy_of("power9-dd22");

    edit_cpuinfo(&copy, "004e 1202", "004e 1203", 5);
    assert_refused(&copy,
                   "/proc/cpuinfo: processor 0 has PVR 0x004e1202, but processor 5 has 0x004e1203");
    edit_cpuinfo(&copy, "004e 1202", "004e 1203", 0);
    assert_refused(&copy,
                   "the PVR is 0x004e1203 in /proc/cpuinfo, but 0x004e1202 in the device tree");
    put(&copy, P9_NODE_0 "/cpu-version", "\0\x4e\x12\x03", 4);
    put(&copy, P9_NODE_4 "/cpu-version", "\0\x4e\x12\x03", 4);
    g_assert_cmphex(probe(&copy).pvr, ==, 0x004e1203);
}

static void test_two_frequencies_are_refused(void)
{
    g_auto(Copy) copy = copy_of("power9-dd22");
    g_autoptr(GError) error = NULL;
    HostFacts facts;

    edit_cpuinfo(&copy, "512000000", "500000000", 0);
    assert_refused(&copy, "the timebase counts at 500000000 Hz in /proc/cpuinfo, but at 512000000 "
                          "Hz in the device tree");
    edit_cpuinfo(&copy, "500000000", "512000000", 0);
    put(&copy, P9_NODE_4 "/ibm,extended-timebase-frequency", "\0\0\0\0\x1d\xcd\x65\0", 8);
    g_assert_false(host_probe(copy.root, &facts,
                              &error)); /* which one is met first is the directory's business */
    g_assert_nonnull(strstr(error->message, "500000000"));
    g_assert_nonnull(strstr(error->message, "512000000"));
    g_assert_nonnull(strstr(error->message, "timebase-frequency is"));
}

static void test_frequency_is_taken_from_either_place(void)
{
    g_auto(Copy) copy = copy_of("power9-dd22");
    HostFacts facts;

    edit_cpuinfo(&copy, "timebase\t: 512000000\n", "", 0);
    g_assert_cmpuint(probe(&copy).timebase_hz, ==, 512000000);
    drop(&copy, "proc/device-tree");
    facts = probe(&copy);
    g_assert_false(FACT_KNOWN(&facts, HOST_TIMEBASE_HZ));
    edit_cpuinfo(&copy, "platform\t:", "timebase\t: 999\nplatform\t:", 0);
    g_assert_cmpuint(probe(&copy).timebase_hz, ==, 999);
}

static void test_two_levels_are_refused(void)
{
    g_auto(Copy) copy = copy_of("lpar-power9");

    edit_cpuinfo(&copy, "POWER9 (arch", "POWER8 (arch", 0);
    assert_refused(&copy, "/proc/cpuinfo says POWER8 (architected), altivec supported, but the "
                          "device tree has the logical "
                          "PVR 0x0f000005 of power9");
    edit_cpuinfo(&copy, "POWER8 (arch", "POWER10 (arch", 0);
    put(&copy, "proc/device-tree/cpus/PowerPC,POWER9@0/cpu-version", "\0\x80\x02\0", 4);
    put(&copy, "proc/device-tree/cpus/PowerPC,POWER9@8/cpu-version", "\0\x80\x02\0", 4);
    assert_refused(
        &copy,
        "/proc/cpuinfo says POWER10 (architected), altivec supported, but the device tree has PVR "
        "0x00800200, which is no logical one");
    drop(&copy, "proc/device-tree");
    g_assert_cmpint(probe(&copy).compat_level, ==, COMPAT_POWER10);
}

static void test_bare_metal_in_a_hypervisor_is_refused(void)
{
    g_auto(Copy) copy = copy_of("power9-dd22");

    put(&copy, "proc/device-tree/hypervisor/compatible", "linux,kvm", 10);
    assert_refused(&copy, "/proc/cpuinfo says platform PowerNV, which is bare metal, but the "
                          "device tree has a hypervisor, "
                          "linux,kvm");
    drop(&copy, "proc/device-tree/hypervisor");
    edit_cpuinfo(&copy, "POWER9,", "POWER9 (architected),", 0);
    drop(&copy, "proc/device-tree");
    assert_refused(&copy, "/proc/cpuinfo says platform PowerNV, which is bare metal, but this host "
                          "runs at level power9");
}

static void test_name_of_another_cpu_is_refused(void)
{
    g_auto(Copy) copy = copy_of("power9-dd22");

    edit_cpuinfo(&copy, "POWER9,", "POWER8 (raw),", 0);
    assert_refused(
        &copy,
        "/proc/cpuinfo names a POWER8 (raw), altivec supported, but PVR 0x004e1202 is a POWER9");
}

/* Found by mutation: the message took over what stood for a processor number, whatever it was. */
static void test_messages_are_text_whatever_the_file_holds(void)
{
    g_auto(Copy) copy = copy_of("power9-dd22");

    edit_cpuinfo(&copy, "processor\t: 7", "processor\t: 7\xff", 0);
    edit_cpuinfo(&copy, "004e 1202", "004e 1203", 7);
    assert_refused(&copy, "/proc/cpuinfo: processor 0 has PVR 0x004e1202, but processor ? has 0x004e1203");
}

static void test_missing_pieces_stay_unknown(void)
{
    g_auto(Copy) copy = copy_of("power9-dd22");
    HostFacts facts;

    drop(&copy, "proc/meminfo");
    drop(&copy, "etc");
    edit_cpuinfo(&copy, "MMU\t\t: Radix\n", "", 0);
    facts = probe(&copy);
    g_assert_false(FACT_KNOWN(&facts, HOST_HPT_MAX_ORDER));
    g_assert_false(FACT_KNOWN(&facts, HOST_MACHINE_ID));
    g_assert_false(FACT_KNOWN(&facts, HOST_MMU));
    g_assert_true(FACT_KNOWN(&facts, HOST_PVR));
    edit_cpuinfo(&copy, "platform", "plutform", 0);
    facts = probe(&copy);
    g_assert_false(FACT_KNOWN(&facts, HOST_NESTED));
    edit_cpuinfo(&copy, "004e 1202", "004e 120", 0);
    facts = probe(&copy);
    g_assert_false(FACT_KNOWN(&facts, HOST_PVR));
    g_assert_false(FACT_KNOWN(&facts, HOST_TIMEBASE_HZ));
    drop(&copy, "proc");
    facts = probe(&copy);
    g_assert_cmpuint(facts.known, ==, FACT_BIT(HOST_SIMULATED));
}

static void test_cut_off_number_is_not_taken_for_a_shorter_one(void)
{
    g_auto(Copy) copy = copy_of("power9-dd22");
    static const char text[] = "revision\t: 2.2 (pvr 004e 1202)\ntimebase\t: 5120";
    HostFacts facts;

    drop(&copy, "proc/device-tree");
    put(&copy, "proc/cpuinfo", text, -1);
    facts = probe(&copy);
    g_assert_true(FACT_KNOWN(&facts, HOST_PVR));
    g_assert_false(FACT_KNOWN(&facts, HOST_TIMEBASE_HZ));
}

static void test_files_that_are_no_text_are_left_alone(void)
{
    g_auto(Copy) copy = copy_of("power9-dd22");
    g_autofree char *huge = g_malloc(5 * 1024 * 1024);
    g_autofree char *fifo = g_build_filename(copy.root, "proc/sys/kernel/osrelease", NULL);
    HostFacts facts;

    memset(huge, '\n', 5 * 1024 * 1024);
    put(&copy, "proc/cpuinfo", huge, 5 * 1024 * 1024);
    put(&copy, "etc/machine-id", "0123456789ABCDEF0123456789abcdef\n", -1);
    put(&copy, P9_NODE_0 "/cpu-version", "\0\x4e", 2);
    g_remove(fifo);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    facts = probe(&copy);
    g_assert_cmpuint(facts.known, ==, FACT_BIT(HOST_SIMULATED));
    put(&copy, "etc/machine-id", "0123456789abcdef0123456789abcdef\n", -1);
    g_assert_cmpstr(probe(&copy).machine_id, ==, "0123456789abcdef0123456789abcdef");
}

static void test_free_contiguous_memory_is_read_again(void)
{
    g_auto(Copy) copy = copy_of("power9-dd22");
    HostFacts facts = probe(&copy);

    g_assert_cmpuint(facts.hpt_max_order, ==, 32);
    g_assert_false(host_probe_refresh(copy.root, &facts));
    put(&copy, "proc/meminfo", "CmaTotal: 6684672 kB\nCmaFree: 1048575 kB\n", -1);
    g_assert_true(host_probe_refresh(copy.root, &facts));
    g_assert_cmpuint(facts.hpt_max_order, ==, 29);
    put(&copy, "proc/meminfo", "CmaTotal: 6684672 kB\nCmaFree: 0 kB\n", -1);
    g_assert_true(host_probe_refresh(copy.root, &facts));
    g_assert_cmpuint(facts.hpt_max_order, ==, 24);
}

static void test_this_machine_can_be_probed(void)
{
    g_autoptr(GError) error = NULL;
    HostFacts facts;

    g_assert_true(host_probe("", &facts, &error));
    g_assert_no_error(error);
    g_assert_true(FACT_KNOWN(&facts, HOST_KERNEL));
    g_assert_false(FACT_KNOWN(&facts, HOST_SIMULATED));
}

static void mutate(const Copy *copy, const char *path)
{
    static const char alphabet[] = "\0\n\t :()pvr0123456789abcdefkB\xff\x0f";
    g_autofree char *file = g_build_filename(copy->root, path, NULL);
    g_autofree char *bytes = NULL;
    gsize length;
    int changes = g_test_rand_int_range(1, 6);

    if (!g_file_get_contents(file, &bytes, &length, NULL) || length == 0)
        return;
    while (changes-- > 0)
        bytes[g_test_rand_int_range(0, (gint32)length)] =
            alphabet[g_test_rand_int_range(0, sizeof alphabet - 1)];
    if (g_test_rand_int_range(0, 4) == 0)
        length = (gsize)g_test_rand_int_range(0, (gint32)length);
    put(copy, path, bytes, (gssize)length);
}

/* Bytes are changed and files cut at random: the facts are found, unknown or refused in words, and
 * nothing worse. */
static void test_mutated_hosts_never_crash(void)
{
    static const char *const names[] = { "power8",        "power9-dd22", "lpar-power9",
                                         "nested-power9", "970",         "x86" };
    static const char *const paths[] = {
        "proc/cpuinfo",
        "proc/meminfo",
        "etc/machine-id",
        "proc/sys/kernel/osrelease",
        P9_NODE_0 "/cpu-version",
        P9_NODE_0 "/timebase-frequency",
        P9_NODE_0 "/device_type",
        P9_NODE_0 "/ibm,dec-bits",
        "proc/device-tree/hypervisor/compatible",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(Copy) copy = copy_of(names[i]);

        for (int round = 0; round < 150; round++) {
            g_autoptr(GError) error = NULL;
            HostFacts facts;

            mutate(&copy, paths[g_test_rand_int_range(0, G_N_ELEMENTS(paths))]);
            if (host_probe(copy.root, &facts, &error)) {
                g_autofree char *text = facts_to_text(&facts);
                g_assert_true(g_utf8_validate(text, -1, NULL));
            } else {
                g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
                g_assert_true(g_utf8_validate(error->message, -1, NULL));
            }
            if (round % 10 == 9) {
                g_autofree char *from = g_strconcat(HOSTS, names[i], NULL);
                copy_tree(from, copy.root);
            }
        }
    }
}

int main(int argc, char **argv)
{
    static const char *const fixtures[] = { "970",         "power8",      "power9-dd21",
                                            "power9-dd22", "power9-dd23", "power10",
                                            "power11",     "lpar-power9", "nested-power9",
                                            "x86" };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(fixtures); i++) {
        g_autofree char *path = g_strconcat("/host-probe/fixture/", fixtures[i], NULL);
        g_test_add_data_func(path, fixtures[i], test_fixture);
    }
    g_test_add_func("/host-probe/two-pvrs-are-refused", test_two_pvrs_are_refused);
    g_test_add_func("/host-probe/two-frequencies-are-refused", test_two_frequencies_are_refused);
    g_test_add_func("/host-probe/frequency-is-taken-from-either-place",
                    test_frequency_is_taken_from_either_place);
    g_test_add_func("/host-probe/two-levels-are-refused", test_two_levels_are_refused);
    g_test_add_func("/host-probe/bare-metal-in-a-hypervisor-is-refused",
                    test_bare_metal_in_a_hypervisor_is_refused);
    g_test_add_func("/host-probe/name-of-another-cpu-is-refused",
                    test_name_of_another_cpu_is_refused);
    g_test_add_func("/host-probe/messages-are-text-whatever-the-file-holds",
                    test_messages_are_text_whatever_the_file_holds);
    g_test_add_func("/host-probe/missing-pieces-stay-unknown", test_missing_pieces_stay_unknown);
    g_test_add_func("/host-probe/cut-off-number-is-not-taken-for-a-shorter-one",
                    test_cut_off_number_is_not_taken_for_a_shorter_one);
    g_test_add_func("/host-probe/files-that-are-no-text-are-left-alone",
                    test_files_that_are_no_text_are_left_alone);
    g_test_add_func("/host-probe/free-contiguous-memory-is-read-again",
                    test_free_contiguous_memory_is_read_again);
    g_test_add_func("/host-probe/this-machine-can-be-probed", test_this_machine_can_be_probed);
    g_test_add_func("/host-probe/mutated-hosts-never-crash", test_mutated_hosts_never_crash);
    return g_test_run();
}
