/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-policy.h"

#include "error.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Files {
    char *directory, *path, *drop_ins;
} Files;

static void files_make(Files *files)
{
    files->directory = g_dir_make_tmp("tbsync-hook-policy-XXXXXX", NULL);
    files->path = g_build_filename(files->directory, "tbsyncd.conf", NULL);
    files->drop_ins = g_strconcat(files->path, ".d", NULL);
}

static void files_remove(Files *files)
{
    g_autoptr(GDir) dir = g_dir_open(files->drop_ins, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(files->drop_ins, name, NULL);
        g_remove(file);
    }
    g_rmdir(files->drop_ins);
    g_remove(files->path);
    g_rmdir(files->directory);
    g_free(files->directory);
    g_free(files->path);
    g_free(files->drop_ins);
}

static void write_drop_in(const Files *files, const char *name, const char *text)
{
    g_autofree char *file = g_build_filename(files->drop_ins, name, NULL);

    g_mkdir(files->drop_ins, 0700);
    g_assert_true(g_file_set_contents(file, text, -1, NULL));
}

static void expect(const Files *files, gboolean blocks, const char *origin)
{
    g_autoptr(GError) error = NULL;
    HookPolicy policy;

    g_assert_true(hook_policy_read(files->path, &policy, &error));
    g_assert_no_error(error);
    g_assert_cmpint(policy.blocks, ==, blocks);
    g_assert_true(g_str_has_suffix(policy.origin, origin));
    g_free(policy.origin);
}

static void test_missing_files_block(void)
{
    Files files;

    files_make(&files);
    expect(&files, TRUE, "default");
    files_remove(&files);
}

static void test_key_counts_in_its_section_only(void)
{
    static const struct {
        const char *text;
        gboolean blocks;
        const char *origin;
    } cases[] = {
        { "", TRUE, "default" },
        { "[Policy]\nWhenUnavailable=allow\n", FALSE, ".conf:2" },
        { "[Policy]\r\n WhenUnavailable = allow \r\n", FALSE, ".conf:2" },
        { "[ Policy ]\nUnknownMode=strict\nWhenUnavailable=block", TRUE, ".conf:3" },
        { "[Policy]\n#WhenUnavailable=allow\n;WhenUnavailable=allow\n", TRUE, "default" },
        { "[Daemon]\nWhenUnavailable=allow\n", TRUE, "default" },
        { "WhenUnavailable=allow\n", TRUE, "default" },
        { "[Policy]\n[Peer x]\nWhenUnavailable=allow\n", TRUE, "default" },
        { "[Policy]\nwhenunavailable=allow\n", TRUE, "default" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        Files files;

        files_make(&files);
        g_assert_true(g_file_set_contents(files.path, cases[i].text, -1, NULL));
        expect(&files, cases[i].blocks, cases[i].origin);
        files_remove(&files);
    }
}

static void test_last_drop_in_wins(void)
{
    Files files;

    files_make(&files);
    g_assert_true(g_file_set_contents(files.path, "[Policy]\nWhenUnavailable=block\n", -1, NULL));
    write_drop_in(&files, "20-b.conf", "[Policy]\nWhenUnavailable=allow\n");
    write_drop_in(&files, "10-a.conf", "[Policy]\nWhenUnavailable=block\n");
    write_drop_in(&files, "30-other.conf", "[Daemon]\nName=x\n");
    write_drop_in(&files, "40-off.conf~", "[Policy]\nWhenUnavailable=block\n");
    write_drop_in(&files, ".50.conf", "[Policy]\nWhenUnavailable=block\n");
    expect(&files, FALSE, "20-b.conf:2");
    files_remove(&files);
}

static void expect_refused(const Files *files, const char *named)
{
    g_autoptr(GError) error = NULL;
    HookPolicy policy;

    g_assert_false(hook_policy_read(files->path, &policy, &error));
    g_assert_true(policy.blocks);
    g_assert_nonnull(strstr(error->message, named));
    g_free(policy.origin);
}

static void test_doubt_blocks_and_is_named(void)
{
    static const struct {
        const char *text, *named;
    } cases[] = {
        { "[Policy]\nWhenUnavailable=Allow\n", "tbsyncd.conf:2: WhenUnavailable=" },
        { "[Policy]\nWhenUnavailable=\n", "tbsyncd.conf:2: WhenUnavailable=" },
        { "[Policy]\nWhenUnavailable=allow\nWhenUnavailable=allow\n", "tbsyncd.conf:3" },
    };
    Files files;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        files_make(&files);
        g_assert_true(g_file_set_contents(files.path, cases[i].text, -1, NULL));
        expect_refused(&files, cases[i].named);
        files_remove(&files);
    }
    files_make(&files);
    g_assert_true(g_file_set_contents(files.path, "[Policy]\nWhenUnavailable=allow\n", -1, NULL));
    write_drop_in(&files, "10-bad.conf", "[Policy]\nWhenUnavailable=maybe\n");
    expect_refused(&files, "10-bad.conf:2");
    files_remove(&files);
}

static void test_fifo_holds_nothing_up(void)
{
    Files files;

    files_make(&files);
    g_assert_cmpint(mkfifo(files.path, 0600), ==, 0);
    expect_refused(&files, "tbsyncd.conf");
    files_remove(&files);
}

static void test_binary_file_blocks(void)
{
    Files files;

    files_make(&files);
    g_assert_true(
        g_file_set_contents(files.path, "[Policy]\nWhenUnavailable=allow\n\0x", 33, NULL));
    expect_refused(&files, "not a text file");
    files_remove(&files);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hook-policy/missing-files-block", test_missing_files_block);
    g_test_add_func("/hook-policy/key-counts-in-its-section-only",
                    test_key_counts_in_its_section_only);
    g_test_add_func("/hook-policy/last-drop-in-wins", test_last_drop_in_wins);
    g_test_add_func("/hook-policy/doubt-blocks-and-is-named", test_doubt_blocks_and_is_named);
    g_test_add_func("/hook-policy/fifo-holds-nothing-up", test_fifo_holds_nothing_up);
    g_test_add_func("/hook-policy/binary-file-blocks", test_binary_file_blocks);
    return g_test_run();
}
