/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sd-source.h"

#include <errno.h>
#include <poll.h>

/* How many messages one dispatch takes at most: saves a poll() each, and still lets other sources run in a flood. */
#define MESSAGES_PER_DISPATCH 16

typedef struct SdSource {
    GSource base;
    sd_bus *bus;
    SdSourceClosed closed;
    void *data;
    int fd; /* what tag stands for; sd-bus may change it while it tries one address after the other */
    void *tag;
    GIOCondition events;
    gboolean dispatching;
} SdSource;

static void sd_source_unwatch(SdSource *self)
{
    if (self->tag)
        g_source_remove_unix_fd(&self->base, g_steal_pointer(&self->tag));
    self->fd = -1;
}

/* GLib wakes the loop whenever watches change, so only real changes are passed on. */
static void sd_source_watch(SdSource *self, int fd, GIOCondition events)
{
    if (fd != self->fd) {
        sd_source_unwatch(self);
        self->tag = g_source_add_unix_fd(&self->base, fd, events);
        self->fd = fd;
    } else if (events != self->events) {
        g_source_modify_unix_fd(&self->base, self->tag, events);
    }
    self->events = events;
}

static gboolean sd_source_is_due(SdSource *self, int *ret_wait_ms)
{
    guint64 due_mono_us;
    gint64 now_mono_us;
    int r = sd_bus_get_timeout(self->bus, &due_mono_us);

    if (r < 0)
        return TRUE; /* the bus is closed: dispatch says so */
    *ret_wait_ms = -1;
    if (r == 0 || due_mono_us == G_MAXUINT64)
        return FALSE;
    now_mono_us = g_source_get_time(&self->base);
    if (due_mono_us <= (guint64) now_mono_us)
        return TRUE;
    *ret_wait_ms = (int) MIN((due_mono_us - (guint64) now_mono_us + 999) / 1000, (guint64) G_MAXINT);
    return FALSE;
}

static gboolean sd_source_prepare(GSource *source, int *ret_wait_ms)
{
    SdSource *self = (SdSource *) source;
    int fd = sd_bus_get_fd(self->bus);
    int events = sd_bus_get_events(self->bus);

    *ret_wait_ms = -1;
    if (self->dispatching)
        return FALSE;
    if (fd < 0 || events < 0)
        return TRUE;
    sd_source_watch(self, fd, (GIOCondition) events);
    return sd_source_is_due(self, ret_wait_ms);
}

static gboolean sd_source_check(GSource *source)
{
    SdSource *self = (SdSource *) source;
    int wait_ms;

    if (self->dispatching)
        return FALSE;
    if (self->tag && g_source_query_unix_fd(source, self->tag) != 0)
        return TRUE;
    return sd_source_is_due(self, &wait_ms);
}

static void sd_source_fail(SdSource *self, int error)
{
    SdSourceClosed closed = g_steal_pointer(&self->closed);

    g_source_destroy(&self->base);
    if (closed)
        closed(error, self->data);
}

static gboolean sd_source_dispatch(GSource *source, GSourceFunc callback, void *data)
{
    SdSource *self = (SdSource *) source;
    sd_bus *bus = sd_bus_ref(self->bus);
    int r = 1;

    self->dispatching = TRUE;
    for (int i = 0; i < MESSAGES_PER_DISPATCH && r > 0 && !g_source_is_destroyed(source); i++)
        r = sd_bus_process(bus, NULL);
    self->dispatching = FALSE;
    if (!g_source_is_destroyed(source)) {
        /* -ENOTCONN: sd-bus has finished closing after the other end went away; the errno of the loss is not kept. */
        if (r < 0)
            sd_source_fail(self, r == -ENOTCONN ? ECONNRESET : -r);
        else if (sd_bus_is_open(bus) <= 0 && sd_bus_get_events(bus) < 0)
            sd_source_fail(self, ECONNRESET);
    }
    sd_bus_unref(bus);
    return G_SOURCE_CONTINUE;
}

static void sd_source_finalize(GSource *source)
{
    SdSource *self = (SdSource *) source;

    self->bus = sd_bus_unref(self->bus);
}

static const GSourceFuncs sd_source_funcs = {
    .prepare = sd_source_prepare,
    .check = sd_source_check,
    .dispatch = sd_source_dispatch,
    .finalize = sd_source_finalize,
};

GSource *sd_source_attach(sd_bus *bus, GMainContext *context, SdSourceClosed closed, void *data)
{
    /* GLib's prototype lacks the const; it only reads */
    GSource *source = g_source_new((GSourceFuncs *) &sd_source_funcs, sizeof(SdSource));
    SdSource *self = (SdSource *) source;

    self->bus = sd_bus_ref(bus);
    self->closed = closed;
    self->data = data;
    self->fd = -1;
    g_source_set_name(source, "sd-bus");
    /* Otherwise GLib takes the descriptor out and in again around every dispatch, at two system calls each. sd-bus cannot be
     * re-entered, so `dispatching` keeps the source quiet should a handler ever run the loop. */
    g_source_set_can_recurse(source, TRUE);
    g_source_attach(source, context);
    return source;
}

void sd_source_remove(GSource *source)
{
    if (!source)
        return;
    ((SdSource *) source)->closed = NULL;
    g_source_destroy(source);
    g_source_unref(source);
}
