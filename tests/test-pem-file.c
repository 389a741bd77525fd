/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pem-file.h"

#include "error.h"

#include <glib/gstdio.h>
#include <string.h>

static void test_a_file_is_read_whole(void)
{
    g_autofree char *directory = g_dir_make_tmp("pem-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "key.pem", NULL);
    g_autoptr(GError) error = NULL;
    PemFile file = { 0 };

    g_assert_true(g_file_set_contents(path, "secret\0more", 11, NULL));
    g_assert_true(pem_file_read(path, FALSE, &file, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(file.text, file.size_bytes, "secret\0more", 11);
    pem_file_clear(&file);
    g_assert_null(file.text);
    pem_file_clear(&file);
    g_remove(path);
    g_rmdir(directory);
}

static void test_a_missing_file_is_named_unless_optional(void)
{
    g_autoptr(GError) error = NULL;
    PemFile file = { 0 };

    g_assert_false(pem_file_read("/nonexistent/key.pem", FALSE, &file, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    g_assert_cmpstr(error->message, ==, "/nonexistent/key.pem: cannot read it: No such file or directory");
    g_clear_error(&error);
    g_assert_true(pem_file_read("/nonexistent/key.pem", TRUE, &file, &error));
    g_assert_no_error(error);
    g_assert_null(file.text);
}

static void test_what_cannot_be_read_is_no_missing_file(void)
{
    g_autofree char *directory = g_dir_make_tmp("pem-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;
    PemFile file = { 0 };

    g_assert_false(pem_file_read(directory, TRUE, &file, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    g_assert_true(g_str_has_prefix(error->message, directory));
    g_rmdir(directory);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pem-file/a-file-is-read-whole", test_a_file_is_read_whole);
    g_test_add_func("/pem-file/a-missing-file-is-named-unless-optional", test_a_missing_file_is_named_unless_optional);
    g_test_add_func("/pem-file/what-cannot-be-read-is-no-missing-file", test_what_cannot_be_read_is_no_missing_file);
    return g_test_run();
}
