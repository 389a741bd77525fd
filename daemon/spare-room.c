/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spare-room.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct SpareRoom {
    char *directory;
    gboolean there[SPARE_FILES];
    gint missing; /* atomic */
};

static char *spare_path(const SpareRoom *room, guint i)
{
    return g_strdup_printf("%s/%u", room->directory, i);
}

SpareRoom *spare_room_new(const char *directory)
{
    SpareRoom *room = g_new0(SpareRoom, 1);

    room->directory = g_strdup(directory);
    room->missing = SPARE_FILES;
    return room;
}

void spare_room_free(SpareRoom *room)
{
    if (!room)
        return;
    g_free(room->directory);
    g_free(room);
}

guint spare_room_missing(const SpareRoom *room)
{
    return (guint) g_atomic_int_get(&room->missing);
}

static void spare_set(SpareRoom *room, guint i, gboolean there)
{
    if (room->there[i] == there)
        return;
    room->there[i] = there;
    g_atomic_int_add(&room->missing, there ? -1 : 1);
}

/* Of an earlier start. One that is shorter was being used when that ended. */
static gboolean spare_is_whole(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == SPARE_BYTES && st.st_blocks >= SPARE_BYTES / 512;
}

static gboolean spare_make(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    gboolean ok;

    if (fd < 0)
        return FALSE;
    ok = posix_fallocate(fd, 0, SPARE_BYTES) == 0;
    close(fd);
    if (!ok)
        unlink(path); /* a half one helps nobody */
    return ok;
}

gboolean spare_room_fill(SpareRoom *room)
{
    gboolean ok = TRUE, lacked = spare_room_missing(room) > 0;

    if (!lacked)
        return FALSE;
    g_mkdir(room->directory, 0700);
    for (guint i = 0; i < SPARE_FILES && ok; i++) {
        g_autofree char *path = spare_path(room, i);

        ok = room->there[i] || spare_is_whole(path) || spare_make(path);
        spare_set(room, i, ok);
    }
    return ok;
}

static gboolean write_over(int fd, const char *text)
{
    gsize size_bytes = strlen(text), at = 0;

    while (at < size_bytes) {
        gssize n = write(fd, text + at, size_bytes - at);

        if (n < 0 && errno != EINTR)
            return FALSE;
        at += n > 0 ? (gsize) n : 0;
    }
    return ftruncate(fd, (off_t) size_bytes) == 0 && fsync(fd) == 0;
}

static gboolean spare_use(const char *spare, const char *path, const char *text)
{
    int fd = open(spare, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    gboolean ok;

    if (fd < 0)
        return FALSE;
    ok = write_over(fd, text) && fchmod(fd, 0644) == 0;
    return close(fd) == 0 && ok && rename(spare, path) == 0;
}

gboolean spare_room_write(SpareRoom *room, const char *path, const char *text)
{
    g_autofree char *spare = NULL;
    guint i = 0;

    while (i < SPARE_FILES && !room->there[i])
        i++;
    if (i == SPARE_FILES || strlen(text) > SPARE_BYTES)
        return FALSE;
    spare = spare_path(room, i);
    spare_set(room, i, FALSE); /* also if that fails: it may have been cut. The next fill looks */
    return spare_use(spare, path, text);
}
