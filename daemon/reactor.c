/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reactor.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 64 /* taken from epoll at once; what is left comes in the next step */
/* Entries that run in one step: many save steps, few let the system bus in between. */
#define FRIENDS_PER_STEP   16
#define STRANGERS_PER_STEP 1
/* Between two steps of held strangers: they are to come in all the same if nobody ever stops asking. */
#define HELD_PAUSE_US 10000
/* What waits for a stranger comes after all else that the loop does by default. */
#define PRIORITY_STRANGERS (G_PRIORITY_DEFAULT + 50)

typedef struct ReactorFd {
    ReactorEntry *entry;
    int fd;          /* -1: none */
    guint32 watched; /* events that epoll knows */
    guint32 ready;
} ReactorFd;

typedef struct Lane {
    GSource base;
    int epoll_fd;
    void *epoll_tag;
    guint per_step;
    guint held;        /* by so many */
    gint64 resumes_us; /* while held: nothing runs before */
    GQueue ready;    /* of ReactorEntry, by their `node` */
    GPtrArray *heap; /* of ReactorEntry, the earliest queued_us first; children of n: 2n + 1, 2n + 2 */
} Lane;

struct Reactor {
    guint refs;
    Lane *lanes[REACTOR_STRANGERS + 1];
};

struct ReactorEntry {
    guint refs; /* the owner's, and one while it runs */
    Reactor *reactor;
    Lane *lane;
    ReactorRun run; /* NULL once removed */
    void *data;
    ReactorFd fds[REACTOR_FDS];
    GList node;
    gboolean is_ready, is_running;
    gint64 due_us;
    gint64 queued_us; /* its place in the heap: not later than due_us, so that a deadline that is put off costs nothing */
    guint place;      /* in the heap, from 1; 0: not there */
};

G_STATIC_ASSERT((int) G_IO_IN == (int) EPOLLIN && (int) G_IO_OUT == (int) EPOLLOUT);
G_STATIC_ASSERT((int) G_IO_ERR == (int) EPOLLERR && (int) G_IO_HUP == (int) EPOLLHUP);

/* ---- deadlines ---- */

static ReactorEntry *heap_nth(const Lane *lane, guint i)
{
    return g_ptr_array_index(lane->heap, i);
}

static void heap_put(Lane *lane, guint i, ReactorEntry *entry)
{
    g_ptr_array_index(lane->heap, i) = entry;
    entry->place = i + 1;
}

static void heap_rise(Lane *lane, guint i)
{
    ReactorEntry *entry = heap_nth(lane, i);

    for (; i > 0 && heap_nth(lane, (i - 1) / 2)->queued_us > entry->queued_us; i = (i - 1) / 2)
        heap_put(lane, i, heap_nth(lane, (i - 1) / 2));
    heap_put(lane, i, entry);
}

static void heap_sink(Lane *lane, guint i)
{
    ReactorEntry *entry = heap_nth(lane, i);

    for (guint child = 2 * i + 1; child < lane->heap->len; child = 2 * i + 1) {
        if (child + 1 < lane->heap->len && heap_nth(lane, child + 1)->queued_us < heap_nth(lane, child)->queued_us)
            child++;
        if (heap_nth(lane, child)->queued_us >= entry->queued_us)
            break;
        heap_put(lane, i, heap_nth(lane, child));
        i = child;
    }
    heap_put(lane, i, entry);
}

static void heap_take(ReactorEntry *entry)
{
    Lane *lane = entry->lane;
    guint i = entry->place - 1;
    ReactorEntry *last;

    if (entry->place == 0)
        return;
    entry->place = 0;
    last = g_ptr_array_steal_index(lane->heap, lane->heap->len - 1);
    if (last == entry)
        return;
    heap_put(lane, i, last);
    heap_rise(lane, i);
    heap_sink(lane, last->place - 1);
}

static void heap_add(ReactorEntry *entry)
{
    if (entry->due_us == REACTOR_NEVER)
        return;
    entry->queued_us = entry->due_us;
    g_ptr_array_add(entry->lane->heap, entry);
    heap_rise(entry->lane, entry->lane->heap->len - 1);
}

/* ---- what is ready ---- */

static void entry_queue(ReactorEntry *entry)
{
    if (entry->is_ready)
        return;
    entry->is_ready = TRUE;
    g_queue_push_tail_link(&entry->lane->ready, &entry->node);
}

static void entry_unqueue(ReactorEntry *entry)
{
    if (!entry->is_ready)
        return;
    entry->is_ready = FALSE;
    g_queue_unlink(&entry->lane->ready, &entry->node);
}

/* Nothing runs in here: the pointers that epoll gives are good. */
static void lane_take_events(Lane *lane)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(lane->epoll_fd, events, EVENTS_MAX, 0);

    for (int i = 0; i < n; i++) {
        ReactorFd *fd = events[i].data.ptr;

        fd->ready |= events[i].events;
        entry_queue(fd->entry);
    }
}

static void lane_take_due(Lane *lane)
{
    gint64 now_us = g_source_get_time(&lane->base);

    while (lane->heap->len > 0 && heap_nth(lane, 0)->queued_us <= now_us) {
        ReactorEntry *entry = heap_nth(lane, 0);

        heap_take(entry);
        if (entry->due_us > now_us)
            heap_add(entry);
        else
            entry_queue(entry);
    }
}

static void entry_unref(ReactorEntry *entry)
{
    if (--entry->refs > 0)
        return;
    reactor_unref(entry->reactor);
    g_free(entry);
}

static void entry_run(ReactorEntry *entry)
{
    entry_unqueue(entry);
    if (entry->is_running)
        return; /* whoever runs the loop inside of `run`; what is ready stays so */
    entry->refs++;
    entry->is_running = TRUE;
    entry->run(entry->data);
    entry->is_running = FALSE;
    for (guint i = 0; i < REACTOR_FDS; i++)
        entry->fds[i].ready = 0;
    if (entry->run && entry->place == 0)
        heap_add(entry);
    entry_unref(entry);
}

/* ---- the source ---- */

static int wait_ms(gint64 left_us)
{
    return left_us <= 0 ? 0 : (int) MIN((left_us + 999) / 1000, G_MAXINT);
}

static gboolean lane_prepare(GSource *base, int *ret_wait_ms)
{
    Lane *lane = (Lane *) base;
    gint64 left_us;

    *ret_wait_ms = -1;
    if (lane->held > 0) {
        left_us = lane->resumes_us - g_source_get_time(base);
        *ret_wait_ms = wait_ms(left_us);
        return left_us <= 0;
    }
    if (lane->ready.length > 0)
        return TRUE;
    if (lane->heap->len == 0)
        return FALSE;
    left_us = heap_nth(lane, 0)->queued_us - g_source_get_time(base);
    *ret_wait_ms = wait_ms(left_us);
    return left_us <= 0;
}

static gboolean lane_check(GSource *base)
{
    Lane *lane = (Lane *) base;

    if (lane->held > 0)
        return lane->resumes_us <= g_source_get_time(base);
    return lane->ready.length > 0 ||
           (lane->heap->len > 0 && heap_nth(lane, 0)->queued_us <= g_source_get_time(base));
}

static gboolean lane_dispatch(GSource *base, GSourceFunc callback, void *data)
{
    Lane *lane = (Lane *) base;

    if (lane->held > 0)
        lane->resumes_us = g_source_get_time(base) + HELD_PAUSE_US;
    /* not while some wait for their turn: epoll would give them again */
    if (lane->ready.length == 0)
        lane_take_events(lane);
    lane_take_due(lane);
    for (guint i = 0; i < lane->per_step && lane->ready.length > 0 && !g_source_is_destroyed(base); i++)
        entry_run(lane->ready.head->data);
    return G_SOURCE_CONTINUE;
}

static void lane_finalize(GSource *base)
{
    Lane *lane = (Lane *) base;

    g_ptr_array_unref(lane->heap);
    close(lane->epoll_fd);
}

/* GLib polls epoll's descriptor for us: a source with a descriptor of its own is dispatched when that is ready. */
static const GSourceFuncs lane_funcs = {
    .prepare = lane_prepare,
    .check = lane_check,
    .dispatch = lane_dispatch,
    .finalize = lane_finalize,
};

static Lane *lane_new(GMainContext *context, int priority, guint per_step)
{
    /* GLib's prototype lacks the const; it only reads */
    GSource *source = g_source_new((GSourceFuncs *) &lane_funcs, sizeof(Lane));
    Lane *lane = (Lane *) source;

    lane->per_step = per_step;
    lane->heap = g_ptr_array_new();
    g_queue_init(&lane->ready);
    lane->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (lane->epoll_fd < 0) /* as without memory: there is nothing sound to go on with */
        g_error("cannot create an epoll instance: %s", g_strerror(errno));
    g_source_set_name(source, "reactor");
    g_source_set_priority(source, priority);
    g_source_set_can_recurse(source, TRUE);
    lane->epoll_tag = g_source_add_unix_fd(source, lane->epoll_fd, G_IO_IN);
    g_source_attach(source, context);
    return lane;
}

Reactor *reactor_new(GMainContext *context)
{
    Reactor *self = g_new0(Reactor, 1);

    self->refs = 1;
    self->lanes[REACTOR_FRIENDS] = lane_new(context, G_PRIORITY_DEFAULT, FRIENDS_PER_STEP);
    self->lanes[REACTOR_STRANGERS] = lane_new(context, PRIORITY_STRANGERS, STRANGERS_PER_STEP);
    return self;
}

Reactor *reactor_ref(Reactor *self)
{
    self->refs++;
    return self;
}

void reactor_unref(Reactor *self)
{
    if (!self || --self->refs > 0)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(self->lanes); i++) {
        g_source_destroy(&self->lanes[i]->base);
        g_source_unref(&self->lanes[i]->base);
    }
    g_free(self);
}

void reactor_hold_strangers(Reactor *self, gboolean hold)
{
    Lane *lane = self->lanes[REACTOR_STRANGERS];

    if (lane->held == 0)
        lane->resumes_us = g_source_get_time(&lane->base) + HELD_PAUSE_US;
    lane->held += hold ? 1 : -1u;
    /* a descriptor that GLib watches would keep the loop from sleeping */
    if (lane->held == (hold ? 1 : 0))
        g_source_modify_unix_fd(&lane->base, lane->epoll_tag, hold ? 0 : G_IO_IN);
}

gboolean reactor_holds_strangers(const Reactor *self)
{
    return self->lanes[REACTOR_STRANGERS]->held > 0;
}

/* ---- entries ---- */

ReactorEntry *reactor_add(Reactor *self, ReactorLane lane, ReactorRun run, void *data)
{
    ReactorEntry *entry = g_new0(ReactorEntry, 1);

    entry->refs = 1;
    entry->reactor = reactor_ref(self);
    entry->lane = self->lanes[lane];
    entry->run = run;
    entry->data = data;
    entry->node.data = entry;
    entry->due_us = REACTOR_NEVER;
    for (guint i = 0; i < REACTOR_FDS; i++)
        entry->fds[i] = (ReactorFd){ .entry = entry, .fd = -1 };
    return entry;
}

gboolean reactor_watch(ReactorEntry *entry, guint index, int fd, GIOCondition events)
{
    ReactorFd *self = &entry->fds[index];
    struct epoll_event event = { .events = events, .data.ptr = self };
    int epoll_fd = entry->lane->epoll_fd, r = 0;

    if (fd != self->fd) {
        if (self->watched)
            epoll_ctl(epoll_fd, EPOLL_CTL_DEL, self->fd, NULL);
        *self = (ReactorFd){ .entry = entry, .fd = fd };
    }
    if (events == self->watched)
        return TRUE;
    if (events == 0) /* epoll has no way to watch for nothing: it would tell of hang-ups */
        r = epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    else
        r = epoll_ctl(epoll_fd, self->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (r == 0)
        self->watched = events;
    return r == 0;
}

void reactor_remove(ReactorEntry *entry)
{
    if (!entry)
        return;
    for (guint i = 0; i < REACTOR_FDS; i++)
        reactor_watch(entry, i, -1, 0);
    entry_unqueue(entry);
    heap_take(entry);
    entry->run = NULL;
    entry_unref(entry);
}

void reactor_set_lane(ReactorEntry *entry, ReactorLane lane)
{
    guint32 watched[REACTOR_FDS];
    int fds[REACTOR_FDS];

    if (entry->lane == entry->reactor->lanes[lane])
        return;
    for (guint i = 0; i < REACTOR_FDS; i++) {
        watched[i] = entry->fds[i].watched;
        fds[i] = entry->fds[i].fd;
        reactor_watch(entry, i, -1, 0);
    }
    entry_unqueue(entry);
    heap_take(entry);
    entry->lane = entry->reactor->lanes[lane];
    for (guint i = 0; i < REACTOR_FDS; i++)
        reactor_watch(entry, i, fds[i], (GIOCondition) watched[i]);
    heap_add(entry);
}

GIOCondition reactor_ready(const ReactorEntry *entry, guint index)
{
    return (GIOCondition) entry->fds[index].ready;
}

void reactor_set_due(ReactorEntry *entry, gint64 due_mono_us)
{
    entry->due_us = due_mono_us;
    if (entry->place != 0 && entry->queued_us <= due_mono_us)
        return;
    heap_take(entry);
    heap_add(entry);
}

gint64 reactor_now_us(const ReactorEntry *entry)
{
    return g_source_get_time(&entry->lane->base);
}
