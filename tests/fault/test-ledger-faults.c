/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ledger over a disk that fails: each call that can fail is failed once, and the writer is killed at each step.
 *
 * The linker puts __wrap_<call>() in front of each call (tests/fault/meson.build); calls outside the state directory do not count.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "ledger.h"
#include "spare-room.h"

#define UUID      "5a5a5a5a-1111-4222-8333-00000000beef"
#define ID        "20231114T221320.000000Z-5a5a5a5a"
#define KILLS     1200
#define TEXT_MAX  20000

/* --- the disk -------------------------------------------------------------------------------- */

typedef enum Effect {
    EFFECT_NONE,
    EFFECT_ERROR,       /* the call does nothing and fails */
    EFFECT_SHORT,       /* a write writes one byte: no error, the rest follows */
    EFFECT_KILL_BEFORE, /* SIGKILL instead of the call */
    EFFECT_KILL_WITHIN, /* a write writes a part first; other calls as KILL_AFTER */
    EFFECT_KILL_AFTER,
} Effect;

/* What happens at the countdown-th call. */
static struct {
    Effect effect;
    gint countdown; /* atomic: the ledger writes in a thread */
    int error;
    gsize part_bytes;
    gint fired;
    gboolean full; /* no file can be made */
} fault;

static void arm(Effect effect, int at, int error)
{
    fault.effect = effect;
    fault.error = error;
    fault.fired = 0;
    g_atomic_int_set(&fault.countdown, at);
}

static void disarm(void)
{
    g_atomic_int_set(&fault.countdown, 0);
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* TRUE: this is the call. */
static gboolean is_due(void)
{
    if (g_atomic_int_get(&fault.countdown) <= 0 || !g_atomic_int_dec_and_test(&fault.countdown))
        return FALSE;
    g_atomic_int_set(&fault.fired, 1);
    return TRUE;
}

static gboolean fails(void)
{
    if (fault.effect == EFFECT_KILL_BEFORE)
        die();
    errno = fault.error;
    return fault.effect == EFFECT_ERROR;
}

static void done(void)
{
    if (fault.effect == EFFECT_KILL_AFTER || fault.effect == EFFECT_KILL_WITHIN)
        die();
}

#define WRAP(type, call, parameters, arguments)            \
    type __real_##call parameters;                         \
    type __wrap_##call parameters;                         \
    type __wrap_##call parameters                          \
    {                                                      \
        gboolean due = is_due();                           \
        type result = due && fails() ? -1 : __real_##call arguments; \
                                                           \
        if (due)                                           \
            done();                                        \
        return result;                                     \
    }

WRAP(int, fsync, (int fd), (fd))
WRAP(int, ftruncate64, (int fd, off64_t size), (fd, size))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))

int __real_close(int fd);
int __wrap_close(int fd);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
gssize __real_write(int fd, const void *data, gsize size);
gssize __wrap_write(int fd, const void *data, gsize size);

/* A close that fails has closed all the same. */
int __wrap_close(int fd)
{
    gboolean due = is_due(), is_failure = due && fails();
    int error = errno, result = __real_close(fd);

    if (due)
        done();
    if (is_failure)
        errno = error;
    return is_failure ? -1 : result;
}

int __wrap_open64(const char *path, int flags, ...)
{
    gboolean due = is_due();
    int result = -1;

    errno = ENOSPC;
    if (!(due && fails()) && !(fault.full && (flags & O_CREAT)))
        result = __real_open64(path, flags, 0644);
    if (due)
        done();
    return result;
}

gssize __wrap_write(int fd, const void *data, gsize size)
{
    gssize result;

    if (!is_due())
        return __real_write(fd, data, size);
    if (fails())
        return -1;
    if (fault.effect == EFFECT_SHORT)
        size = MIN(size, 1);
    if (fault.effect == EFFECT_KILL_WITHIN)
        size = MIN(size, fault.part_bytes);
    result = __real_write(fd, data, size);
    done();
    return result;
}

/* --- the ledger ------------------------------------------------------------------------------ */

typedef struct Fixture {
    char *directory;
} Fixture;

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        remove_tree(child);
    }
    g_remove(path);
}

static void set_up(Fixture *f, gconstpointer data)
{
    /* what a process leaves behind is the same on a file system in memory, and a thousand syncs are not felt there */
    f->directory = g_mkdtemp(g_strdup(g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm/tbsync-fault-XXXXXX"
                                                                                   : "/tmp/tbsync-fault-XXXXXX"));
    g_assert_nonnull(f->directory);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    disarm();
    fault.full = FALSE;
    remove_tree(f->directory);
    g_free(f->directory);
}

static Ledger *open_ledger(const Fixture *f)
{
    g_autoptr(GError) error = NULL;
    Ledger *ledger = ledger_new(f->directory, 10, &error);

    g_assert_no_error(error);
    return ledger;
}

static void on_put(GObject *source, GAsyncResult *result, void *data)
{
    GError **error = data;

    if (ledger_put_finish(NULL, result, error))
        *error = g_error_new_literal(G_FILE_ERROR, 0, "done");
}

/* A record of that value: its size says it too, so that one which is cut off cannot pass. */
static JsonObject *record_of(int value)
{
    g_autofree char *padding = g_strnfill((gsize) (value * 7919 % TEXT_MAX), 'x');
    JsonObject *record = json_object_new();

    json_object_set_int_member(record, "version", LEDGER_VERSION);
    json_object_set_int_member(record, "value", value);
    json_object_set_string_member(record, "padding", padding);
    return record;
}

/* NULL: written. (transfer full) */
static GError *put(Ledger *ledger, int value)
{
    JsonObject *record = record_of(value);
    GError *error = NULL;

    ledger_put_async(ledger, ID, record, on_put, &error);
    json_object_unref(record);
    while (!error)
        g_main_context_iteration(NULL, TRUE);
    if (error->domain == G_FILE_ERROR)
        g_clear_error(&error);
    return error;
}

/* The value of a whole record; -1: none. Anything else fails the test. */
static int stored_value(const Ledger *ledger)
{
    g_autofree char *text = ledger_get(ledger, ID, NULL);
    g_autoptr(JsonNode) node = NULL;
    g_autoptr(GError) error = NULL;
    JsonObject *record;
    int value;

    if (!text)
        return -1;
    node = json_from_string(text, &error);
    g_assert_no_error(error);
    record = json_node_get_object(node);
    value = (int) json_object_get_int_member(record, "value");
    g_assert_cmpuint(strlen(json_object_get_string_member(record, "padding")), ==, (gsize) (value * 7919 % TEXT_MAX));
    return value;
}

/* As the next start finds it. */
static int value_on_disk(const Fixture *f)
{
    g_autoptr(Ledger) ledger = ledger_new(f->directory, 10, NULL);

    g_assert_nonnull(ledger);
    return stored_value(ledger);
}

static void assert_no_leftovers(const Fixture *f, const char *folder)
{
    g_autofree char *path = g_build_filename(f->directory, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)))
        if (!g_str_has_suffix(name, ".json"))
            g_error("%s/%s was left over", path, name);
}

/* --- cases ----------------------------------------------------------------------------------- */

/* Every call from the first to the last of a write fails once, with each error. */
static void test_each_failing_call_is_told(Fixture *f, gconstpointer data)
{
    static const int errors[] = { ENOSPC, EIO, EROFS, EDQUOT };
    gboolean fired = TRUE;
    int old = 1, calls = 0;

    for (int at = 1; fired; at++) {
        for (guint i = 0; i < G_N_ELEMENTS(errors); i++) {
            g_autoptr(Ledger) ledger = open_ledger(f);
            g_autoptr(GError) error = put(ledger, old), failure = NULL;
            int now;

            g_assert_no_error(error);
            arm(EFFECT_ERROR, at, errors[i]);
            failure = put(ledger, old + 1);
            disarm();
            fired = fault.fired;
            now = stored_value(ledger);
            if (!fired) {
                g_assert_no_error(failure);
                break;
            }
            if (errors[i] == ENOSPC || errors[i] == EDQUOT) {
                /* there is room that is kept for that */
                g_assert_no_error(failure);
                g_assert_cmpint(now, ==, old + 1);
            }
            g_assert_true(failure == NULL || failure->domain == TBSYNC_ERROR);
            g_assert_true(!failure || (strstr(failure->message, f->directory) && strstr(failure->message, g_strerror(errors[i]))));
            /* what is told as written is written; what is not, is the old record or the new one */
            g_assert_true(now == old + 1 || (failure && now == old));
            /* and the ledger goes on */
            g_clear_error(&failure);
            failure = put(ledger, old + 2);
            g_assert_no_error(failure);
            g_assert_cmpint(stored_value(ledger), ==, old + 2);
            assert_no_leftovers(f, "migrations");
            old += 3;
            calls = at;
        }
    }
    /* open, write, sync, close, rename; open, sync, close of the directory */
    g_assert_cmpint(calls, >=, 8);
}

/* Until the room that is kept is used up; then it is said, and what is kept in memory is written when there is room. */
static void test_full_disk_takes_as_much_as_there_is_room_for(Fixture *f, gconstpointer data)
{
    g_autoptr(Ledger) ledger = open_ledger(f);
    g_autoptr(GError) error = NULL;

    fault.full = TRUE;
    for (guint i = 0; i < SPARE_FILES; i++) {
        g_assert_cmpuint(ledger_spare_missing(ledger), ==, i);
        g_assert_null(put(ledger, (int) i));
        g_assert_cmpint(value_on_disk(f), ==, (int) i);
    }
    error = put(ledger, 100);
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, g_strerror(ENOSPC)));
    g_assert_cmpint(stored_value(ledger), ==, 100);
    g_assert_cmpint(value_on_disk(f), ==, SPARE_FILES - 1);
    g_assert_cmpuint(ledger_unwritten(ledger), ==, 1);
    fault.full = FALSE;
    g_clear_pointer(&ledger, ledger_free); /* tries again */
    g_assert_cmpint(value_on_disk(f), ==, 100);
    ledger = open_ledger(f);
    g_assert_cmpuint(ledger_spare_missing(ledger), ==, 0);
}

/* A failure in that room, too, is told, and what is not on disk is kept. */
static void test_each_failing_call_on_a_full_disk_is_told(Fixture *f, gconstpointer data)
{
    gboolean fired = TRUE;
    int old = 1, told = 0;

    for (int at = 2; fired; at++) { /* after the file that cannot be made */
        g_autoptr(Ledger) ledger = open_ledger(f);
        g_autoptr(GError) error = put(ledger, old), failure = NULL;

        g_assert_no_error(error);
        arm(EFFECT_ERROR, at, EIO);
        fault.full = TRUE;
        failure = put(ledger, old + 1);
        disarm();
        fired = fault.fired;
        told += failure != NULL;
        g_assert_cmpint(stored_value(ledger), ==, old + 1);
        g_assert_true(failure || value_on_disk(f) == old + 1);
        g_assert_cmpuint(ledger_unwritten(ledger), ==, failure ? 1 : 0);
        fault.full = FALSE;
        old += 2;
    }
    /* open, write, cut, sync, mode, close, rename; open and sync of the directory */
    g_assert_cmpint(told, ==, 9);
}

/* What can be learnt anew uses up no room. */
static void test_relation_of_a_peer_uses_up_no_room(Fixture *f, gconstpointer data)
{
    g_autoptr(Ledger) ledger = open_ledger(f);
    g_autoptr(JsonObject) object = json_object_new();

    fault.full = TRUE;
    ledger_put_peer(ledger, "alpha", object);
    g_assert_null(put(ledger, 1)); /* after it */
    g_assert_cmpuint(ledger_spare_missing(ledger), ==, 1);
    g_assert_cmpuint(ledger_unwritten(ledger), ==, 1);
    fault.full = FALSE;
}

static void test_interrupted_and_short_writes_are_continued(Fixture *f, gconstpointer data)
{
    g_autoptr(Ledger) ledger = open_ledger(f);

    for (int at = 1; at <= 3; at++) {
        g_autoptr(GError) first = NULL, second = NULL;

        arm(EFFECT_SHORT, at, 0);
        first = put(ledger, 2 * at);
        g_assert_no_error(first);
        g_assert_cmpint(stored_value(ledger), ==, 2 * at);
    }
    arm(EFFECT_ERROR, 2, EINTR); /* the write */
    g_assert_null(put(ledger, 100));
    g_assert_true(fault.fired);
    g_assert_cmpint(stored_value(ledger), ==, 100);
}

static void test_full_disk_at_start_is_told(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->directory, "migrations", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(path, "not a directory", -1, NULL));
    g_assert_null(ledger_new(f->directory, 10, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, path));
}

/* In the child: one record and one guest's entry, and is killed on the way; exits with 0 if it was not. */
static void write_and_die(const Fixture *f, int value)
{
    g_autoptr(Ledger) ledger = open_ledger(f);
    const GuestEntry entry = { TRUE, value, value, value, FALSE };
    JsonObject *record = record_of(value);

    ledger_put_async(ledger, ID, record, NULL, NULL);
    ledger_put_guest(ledger, UUID, &entry);
    g_clear_pointer(&ledger, ledger_free); /* waits for both */
    _exit(0);
}

/* In the next start: the record and the entry are those of one of the writers, each as a whole. */
static int check_after(const Fixture *f, int old, int new, gboolean *had_entry)
{
    g_autoptr(Ledger) ledger = open_ledger(f);
    int value = stored_value(ledger);
    GuestEntry entry;

    if (value != old && value != new)
        g_error("record %d is neither %d nor %d", value, old, new);
    if (ledger_get_guest(ledger, UUID, &entry)) {
        g_assert_cmpint(entry.ahead_lo_ticks, ==, entry.offset_ticks);
        g_assert_cmpint(entry.ahead_hi_ticks, ==, entry.offset_ticks);
        /* written after the record: never newer */
        g_assert_cmpint(entry.offset_ticks, <=, value);
        *had_entry = TRUE;
    } else {
        g_assert_false(*had_entry);
    }
    assert_no_leftovers(f, "migrations");
    assert_no_leftovers(f, "guests");
    return value;
}

static void test_killed_writer_leaves_old_or_new(Fixture *f, gconstpointer data)
{
    static const Effect effects[] = { EFFECT_KILL_BEFORE, EFFECT_KILL_WITHIN, EFFECT_KILL_AFTER };
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    gboolean had_entry = FALSE;
    int value = -1, kills = 0, kept = 0, replaced = 0;

    for (int run = 0; kills < KILLS; run++) {
        int status, before = value;
        pid_t pid = fork();

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
            fault.part_bytes = (gsize) g_rand_int_range(rand, 0, TEXT_MAX);
            fault.full = run % 2 == 1;
            arm(effects[run / 2 % 3], 1 + run / 6 % 18, 0);
            write_and_die(f, run);
        }
        g_rand_int(rand); /* the next child cuts elsewhere */
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        kills += WIFSIGNALED(status) != 0;
        value = check_after(f, value, run, &had_entry);
        if (value == before)
            kept++;
        else
            replaced++;
    }
    g_test_message("%d kills: %d times the old record, %d times the new one", kills, kept, replaced);
    g_assert_cmpint(kept, >, KILLS / 10);
    g_assert_cmpint(replaced, >, KILLS / 10);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK); /* a full disk is a warning */
    /* before any thread is started: the writers are forked */
    g_test_add("/ledger-faults/killed-writer-leaves-the-old-record-or-the-new", Fixture, NULL, set_up,
               test_killed_writer_leaves_old_or_new, tear_down);
    g_test_add("/ledger-faults/each-failing-call-is-told", Fixture, NULL, set_up, test_each_failing_call_is_told, tear_down);
    g_test_add("/ledger-faults/full-disk-takes-as-much-as-there-is-room-for", Fixture, NULL, set_up,
               test_full_disk_takes_as_much_as_there_is_room_for, tear_down);
    g_test_add("/ledger-faults/each-failing-call-on-a-full-disk-is-told", Fixture, NULL, set_up,
               test_each_failing_call_on_a_full_disk_is_told, tear_down);
    g_test_add("/ledger-faults/relation-of-a-peer-uses-up-no-room", Fixture, NULL, set_up, test_relation_of_a_peer_uses_up_no_room,
               tear_down);
    g_test_add("/ledger-faults/interrupted-and-short-writes-are-continued", Fixture, NULL, set_up,
               test_interrupted_and_short_writes_are_continued, tear_down);
    g_test_add("/ledger-faults/state-that-cannot-be-made-is-told", Fixture, NULL, set_up, test_full_disk_at_start_is_told, tear_down);
    return g_test_run();
}
