/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "facts-codec.h"

static char *directory;

static GLogWriterOutput drop_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields, void *data)
{
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return g_log_writer_standard_streams(level, fields, n_fields, data);
    return G_LOG_WRITER_HANDLED;
}

/* g_error() ends by SIGTRAP, of which libFuzzer knows nothing: it would not keep the input. */
static void on_trap(int number)
{
    abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    signal(SIGTRAP, on_trap);
    g_log_set_writer_func(drop_log, NULL, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
    return 0;
}

static void remove_below(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (!g_file_test(child, G_FILE_TEST_IS_SYMLINK) && g_file_test(child, G_FILE_TEST_IS_DIR))
            remove_below(child);
        g_remove(child);
    }
}

static void remove_directory(void)
{
    remove_below(directory);
    g_rmdir(directory);
    g_clear_pointer(&directory, g_free);
}

const char *fuzz_directory(void)
{
    if (!directory) {
        const char *above = g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : g_get_tmp_dir();

        directory = g_mkdtemp(g_strconcat(above, "/tbsync-fuzz-XXXXXX", NULL));
        g_assert_nonnull(directory);
        atexit(remove_directory);
    }
    return directory;
}

void fuzz_write(const char *path, const void *data, size_t size)
{
    g_autofree char *file = g_build_filename(fuzz_directory(), path, NULL);
    g_autofree char *above = g_path_get_dirname(file);
    int fd;

    g_assert_cmpint(g_mkdir_with_parents(above, 0700), ==, 0);
    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, data, size), ==, (gssize) size);
    close(fd);
}

void fuzz_clear(void)
{
    remove_below(fuzz_directory());
}

FuzzParts fuzz_parts(const uint8_t *data, size_t size)
{
    return (FuzzParts){ data, size, FALSE };
}

gboolean fuzz_parts_next(FuzzParts *parts, const uint8_t **ret_part, size_t *ret_size)
{
    const uint8_t *end;

    if (parts->done)
        return FALSE;
    end = parts->left > 0 ? memchr(parts->next, FUZZ_PART, parts->left) : NULL;
    *ret_part = parts->next;
    *ret_size = end ? (size_t) (end - parts->next) : parts->left;
    parts->done = end == NULL;
    if (end) {
        parts->left -= *ret_size + 1;
        parts->next = end + 1;
    }
    return TRUE;
}

/* (transfer full): where `fd` went before. */
static int redirect(int fd, int target)
{
    int saved = dup(fd);

    g_assert_cmpint(dup2(target, fd), >=, 0);
    return saved;
}

static void restore(int fd, int saved)
{
    g_assert_cmpint(dup2(saved, fd), >=, 0);
    close(saved);
}

FuzzSilence fuzz_silence(void)
{
    FuzzSilence silence = { -1, -1 };
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    fflush(stdout);
    silence.saved_out = redirect(STDOUT_FILENO, null_fd);
#ifndef FUZZ_WITH_LIBFUZZER
    silence.saved_err = redirect(STDERR_FILENO, null_fd);
#endif
    close(null_fd);
    return silence;
}

void fuzz_speak(FuzzSilence *silence)
{
    fflush(stdout);
    restore(STDOUT_FILENO, silence->saved_out);
    if (silence->saved_err >= 0)
        restore(STDERR_FILENO, silence->saved_err);
}

static void check_same(GVariant *first, GVariant *second)
{
    g_autoptr(GVariant) a = g_variant_ref_sink(first);
    g_autoptr(GVariant) b = g_variant_ref_sink(second);

    if (!g_variant_equal(a, b)) {
        g_autofree char *a_text = g_variant_print(a, TRUE);
        g_autofree char *b_text = g_variant_print(b, TRUE);

        g_error("sent %s, arrived %s", a_text, b_text);
    }
}

void fuzz_check_host(const HostFacts *host)
{
    g_autoptr(GVariant) sent = g_variant_ref_sink(host_facts_to_variant(host));
    g_autoptr(GError) error = NULL;
    HostFacts arrived;

    host_facts_from_variant(sent, &arrived, &error);
    g_assert_no_error(error);
    check_same(sent, host_facts_to_variant(&arrived));
}

void fuzz_check_guest(const GuestFacts *guest)
{
    g_autoptr(GVariant) sent = g_variant_ref_sink(guest_facts_to_variant(guest));
    g_autoptr(GError) error = NULL;
    GuestFacts arrived;

    guest_facts_from_variant(sent, &arrived, &error);
    g_assert_no_error(error);
    check_same(sent, guest_facts_to_variant(&arrived));
}

void fuzz_check_outcome(gboolean ok, const GError *error)
{
    g_assert_true(ok ? error == NULL : error != NULL);
    g_assert_true(!error || (error->message[0] && g_utf8_validate(error->message, -1, NULL)));
}
