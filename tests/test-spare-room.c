/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spare-room.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

typedef struct Fixture {
    char *directory, *spare, *path;
    SpareRoom *room;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->directory = g_dir_make_tmp("tbsyncd-spare-XXXXXX", NULL);
    f->spare = g_build_filename(f->directory, "spare", NULL);
    f->path = g_build_filename(f->directory, "record.json", NULL);
    f->room = spare_room_new(f->spare);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    spare_room_free(f->room);
    tree_remove(f->directory);
    g_free(f->directory);
    g_free(f->spare);
    g_free(f->path);
}

static void again(Fixture *f)
{
    spare_room_free(f->room);
    f->room = spare_room_new(f->spare);
}

static void stat_spare(const Fixture *f, guint i, struct stat *ret)
{
    g_autofree char *path = g_strdup_printf("%s/%u", f->spare, i);

    g_assert_cmpint(lstat(path, ret), ==, 0);
}

static void assert_text(const Fixture *f, const char *text)
{
    g_autofree char *found = NULL;

    g_assert_true(g_file_get_contents(f->path, &found, NULL, NULL));
    g_assert_cmpstr(found, ==, text);
}

static void test_blocks_are_there_beforehand(Fixture *f, gconstpointer data)
{
    struct stat st;

    g_assert_cmpuint(spare_room_missing(f->room), ==, SPARE_FILES);
    g_assert_true(spare_room_fill(f->room));
    g_assert_cmpuint(spare_room_missing(f->room), ==, 0);
    for (guint i = 0; i < SPARE_FILES; i++) {
        stat_spare(f, i, &st);
        g_assert_cmpint(st.st_size, ==, SPARE_BYTES);
        g_assert_cmpint(st.st_blocks * 512, >=, SPARE_BYTES);
    }
    g_assert_false(spare_room_fill(f->room)); /* nothing was missing */
}

static void test_text_is_written_in_the_same_file(Fixture *f, gconstpointer data)
{
    struct stat before, after;

    g_assert_true(g_file_set_contents(f->path, "old", -1, NULL));
    g_assert_true(spare_room_fill(f->room));
    stat_spare(f, 0, &before);
    g_assert_true(spare_room_write(f->room, f->path, "{\"new\":1}"));
    assert_text(f, "{\"new\":1}");
    g_assert_cmpint(g_stat(f->path, &after), ==, 0);
    g_assert_cmpuint(after.st_ino, ==, before.st_ino);
    g_assert_cmpint(after.st_mode & 0777, ==, 0644);
    g_assert_cmpuint(spare_room_missing(f->room), ==, 1);
    g_assert_true(spare_room_fill(f->room));
    g_assert_cmpuint(spare_room_missing(f->room), ==, 0);
}

static void test_room_comes_to_an_end(Fixture *f, gconstpointer data)
{
    g_assert_false(spare_room_write(f->room, f->path, "x")); /* none was made */
    spare_room_fill(f->room);
    for (guint i = 0; i < SPARE_FILES; i++)
        g_assert_true(spare_room_write(f->room, f->path, "last"));
    g_assert_false(spare_room_write(f->room, f->path, "one more"));
    assert_text(f, "last");
}

static void test_long_text_uses_nothing_up(Fixture *f, gconstpointer data)
{
    g_autofree char *fits = g_strnfill(SPARE_BYTES, 'x'), *longer = g_strnfill(SPARE_BYTES + 1, 'x');

    spare_room_fill(f->room);
    g_assert_false(spare_room_write(f->room, f->path, longer));
    g_assert_cmpuint(spare_room_missing(f->room), ==, 0);
    g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
    g_assert_true(spare_room_write(f->room, f->path, fits));
    assert_text(f, fits);
}

/* Without room for new ones, as on a full disk: the directory takes no new name. */
static void test_whole_files_of_an_earlier_start_are_used(Fixture *f, gconstpointer data)
{
    struct stat before, after;
    g_autofree char *cut = g_build_filename(f->spare, "1", NULL);

    spare_room_fill(f->room);
    stat_spare(f, 0, &before);
    g_assert_true(g_file_set_contents(cut, "a record that was being written", -1, NULL));
    again(f);
    spare_room_fill(f->room);
    stat_spare(f, 0, &after);
    g_assert_cmpuint(after.st_ino, ==, before.st_ino);
    stat_spare(f, 1, &after); /* and one that was cut is made whole */
    g_assert_cmpint(after.st_size, ==, SPARE_BYTES);
    g_assert_cmpuint(spare_room_missing(f->room), ==, 0);
}

static void test_link_in_its_place_is_not_followed(Fixture *f, gconstpointer data)
{
    g_autofree char *link = g_build_filename(f->spare, "0", NULL);

    g_assert_true(g_file_set_contents(f->path, "of somebody else", -1, NULL));
    g_assert_cmpint(g_mkdir(f->spare, 0700), ==, 0);
    g_assert_cmpint(symlink(f->path, link), ==, 0);
    g_assert_false(spare_room_fill(f->room));
    assert_text(f, "of somebody else");
}

#define ADD(name, function) g_test_add("/spare-room/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("blocks-are-there-beforehand", test_blocks_are_there_beforehand);
    ADD("text-is-written-in-the-same-file", test_text_is_written_in_the_same_file);
    ADD("room-comes-to-an-end", test_room_comes_to_an_end);
    ADD("long-text-uses-nothing-up", test_long_text_uses_nothing_up);
    ADD("whole-files-of-an-earlier-start-are-used", test_whole_files_of_an_earlier_start_are_used);
    ADD("link-in-its-place-is-not-followed", test_link_in_its_place_is_not_followed);
    return g_test_run();
}
