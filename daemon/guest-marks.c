/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-marks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct GuestMarks {
    gsize n;
    guint32 marks[]; /* ascending */
};

static int compare_marks(const void *a, const void *b)
{
    guint32 x = *(const guint32 *) a, y = *(const guint32 *) b;

    return x < y ? -1 : x > y;
}

static GuestMarks *marks_alloc(gsize n)
{
    GuestMarks *self = g_malloc(sizeof *self + n * sizeof self->marks[0]);

    self->n = n;
    return self;
}

guint32 guest_mark(const char *uuid)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize n = sizeof digest;

    g_checksum_update(checksum, (const guint8 *) uuid, -1);
    g_checksum_get_digest(checksum, digest, &n);
    return (guint32) digest[0] << 24 | (guint32) digest[1] << 16 | (guint32) digest[2] << 8 | digest[3];
}

GuestMarks *guest_marks_new(const char *const *uuids, gsize n)
{
    GuestMarks *self;

    if (n > GUEST_MARKS_MAX)
        return NULL;
    self = marks_alloc(n);
    for (gsize i = 0; i < n; i++)
        self->marks[i] = guest_mark(uuids[i]);
    qsort(self->marks, n, sizeof self->marks[0], compare_marks);
    return self;
}

void guest_marks_free(GuestMarks *self)
{
    g_free(self);
}

gboolean guest_marks_may_have(const GuestMarks *self, guint32 mark)
{
    return !self || bsearch(&mark, self->marks, self->n, sizeof self->marks[0], compare_marks);
}

int guest_marks_append(sd_bus_message *message, const GuestMarks *self)
{
    int r = sd_bus_message_append_array(message, 'u', self ? self->marks : NULL,
                                        self ? self->n * sizeof self->marks[0] : 0);

    return r < 0 ? r : sd_bus_message_append(message, "b", (int) (self != NULL));
}

static gboolean is_ascending(const guint32 *marks, gsize n)
{
    for (gsize i = 1; i < n; i++)
        if (marks[i - 1] > marks[i])
            return FALSE;
    return TRUE;
}

int guest_marks_read(sd_bus_message *message, GuestMarks **ret)
{
    const void *marks;
    size_t n_bytes;
    gsize n;
    int known;

    if (sd_bus_message_read_array(message, 'u', &marks, &n_bytes) <= 0 || sd_bus_message_read(message, "b", &known) <= 0)
        return -EBADMSG;
    n = n_bytes / sizeof(guint32);
    if (n > GUEST_MARKS_MAX)
        return -E2BIG;
    if (!is_ascending(marks, n))
        return -EBADMSG;
    *ret = NULL;
    if (!known)
        return 0;
    *ret = marks_alloc(n);
    if (n > 0)
        memcpy((*ret)->marks, marks, n_bytes);
    return 0;
}
