/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd-poll.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 256 /* of one step; what is left comes in the next one */

/* What is kept of one descriptor; index in the table: its number. */
typedef struct FdEntry {
    gboolean entrusted;
    gushort events; /* that epoll knows; 0: it does not know the descriptor */
    guint step;     /* the last step in which GLib asked for it ... */
    guint index;    /* ... and where in GLib's array */
} FdEntry;

typedef struct FdPoll {
    int epoll_fd;
    guint step;
    GArray *entries; /* of FdEntry */
    GArray *others;  /* of struct pollfd: the epoll instance, then what is not entrusted */
    GArray *indices; /* of guint: where those are in GLib's array */
} FdPoll;

G_STATIC_ASSERT((int) G_IO_IN == (int) EPOLLIN && (int) G_IO_OUT == (int) EPOLLOUT && (int) G_IO_PRI == (int) EPOLLPRI);
G_STATIC_ASSERT((int) G_IO_ERR == (int) EPOLLERR && (int) G_IO_HUP == (int) EPOLLHUP);

/* The one of the process, NULL until one is given. GPollFunc has no data argument, so it cannot hang off the manager; and there is
 * one default context. */
static FdPoll *poll_of_process(FdPoll *given)
{
    static FdPoll *installed;

    if (given)
        installed = given;
    return installed;
}

/* NULL: not in the table. */
static FdEntry *entry_find(FdPoll *self, int fd)
{
    return fd >= 0 && (guint) fd < self->entries->len ? &g_array_index(self->entries, FdEntry, fd) : NULL;
}

/* Of one that is in the table, as all are that epoll knows. */
static FdEntry *entry_of(FdPoll *self, int fd)
{
    g_assert(fd >= 0 && (guint) fd < self->entries->len);
    return &g_array_index(self->entries, FdEntry, fd);
}

/* What epoll knows of a number may be of a file that is closed by now: then it has forgotten it by itself. */
static gboolean entry_register(FdPoll *self, FdEntry *entry, int fd, gushort events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    int r = epoll_ctl(self->epoll_fd, entry->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);

    if (r < 0 && errno == ENOENT)
        r = epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    else if (r < 0 && errno == EEXIST)
        r = epoll_ctl(self->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    entry->events = r < 0 ? 0 : events;
    return r >= 0;
}

static void entry_unregister(FdPoll *self, FdEntry *entry, int fd)
{
    epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* fails if it was closed: forgotten all the same */
    entry->events = 0;
}

static void poll_add_other(FdPoll *self, int fd, gushort events, guint index)
{
    struct pollfd other = { .fd = fd, .events = (short) events };

    g_array_append_val(self->others, other);
    g_array_append_val(self->indices, index);
}

static void poll_sort(FdPoll *self, GPollFD *fds, guint n)
{
    self->step++;
    g_array_set_size(self->others, 0);
    g_array_set_size(self->indices, 0);
    poll_add_other(self, self->epoll_fd, G_IO_IN, 0);
    for (guint i = 0; i < n; i++) {
        FdEntry *entry = entry_find(self, fds[i].fd);

        fds[i].revents = 0;
        /* epoll has no way to ask for errors alone */
        if (!entry || !entry->entrusted || fds[i].events == 0 ||
            (entry->events != fds[i].events && !entry_register(self, entry, fds[i].fd, fds[i].events))) {
            poll_add_other(self, fds[i].fd, fds[i].events, i);
            continue;
        }
        entry->step = self->step;
        entry->index = i;
    }
}

static int poll_take_events(FdPoll *self, GPollFD *fds)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(self->epoll_fd, events, EVENTS_MAX, 0), taken = 0;

    for (int i = 0; i < n; i++) {
        FdEntry *entry = entry_of(self, events[i].data.fd);

        if (entry->step == self->step) {
            fds[entry->index].revents = (gushort) events[i].events;
            taken++;
        } else {
            entry_unregister(self, entry, events[i].data.fd); /* GLib does not want to know now */
        }
    }
    return taken;
}

static int poll_step(GPollFD *fds, guint n, int timeout_ms)
{
    FdPoll *self = poll_of_process(NULL);
    struct pollfd *others;
    int ready;

    poll_sort(self, fds, n);
    others = (struct pollfd *) (void *) self->others->data;
    ready = poll(others, self->others->len, timeout_ms);
    if (ready <= 0)
        return ready;
    for (guint i = 1; i < self->others->len; i++)
        fds[g_array_index(self->indices, guint, i)].revents = (gushort) others[i].revents;
    if (others[0].revents)
        ready += poll_take_events(self, fds) - 1;
    return ready;
}

void fd_poll_install(void)
{
    FdPoll *self;
    int fd = poll_of_process(NULL) ? -1 : epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0)
        return; /* there already; or poll() has to do, if slower */
    self = g_new0(FdPoll, 1);
    self->epoll_fd = fd;
    self->entries = g_array_new(FALSE, TRUE, sizeof(FdEntry));
    self->others = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
    self->indices = g_array_new(FALSE, FALSE, sizeof(guint));
    poll_of_process(self);
    g_main_context_set_poll_func(NULL, poll_step);
}

void fd_poll_entrust(int fd)
{
    FdPoll *self = poll_of_process(NULL);

    if (!self || fd < 0)
        return;
    if ((guint) fd >= self->entries->len)
        g_array_set_size(self->entries, (guint) fd + 1);
    /* the number may be that of another file than before */
    entry_unregister(self, entry_of(self, fd), fd);
    entry_of(self, fd)->entrusted = TRUE;
}

void fd_poll_take_back(int fd)
{
    FdPoll *self = poll_of_process(NULL);
    FdEntry *entry = self ? entry_find(self, fd) : NULL;

    if (!entry || !entry->entrusted)
        return;
    entry_unregister(self, entry, fd);
    entry->entrusted = FALSE;
}
