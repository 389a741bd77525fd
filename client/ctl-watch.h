/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What changes on the daemon's objects, told by its signals, one change after the other.
 *
 * Events are queued as they come and handed out by ctl_watch_next(), so that whoever takes one may make calls. One watch for one
 * Ctl, which must outlive it. Blocking.
 */

#include <glib.h>

#include "ctl.h"

typedef struct CtlWatch CtlWatch;

typedef enum CtlEventKind {
    CTL_EVENT_ADDED,   /* an object; `properties` are all of them */
    CTL_EVENT_CHANGED, /* `properties` are those that changed */
    CTL_EVENT_REMOVED, /* `properties` is NULL */
    CTL_EVENT_AWAY,    /* tbsyncd left the bus; no path */
    CTL_EVENT_BACK,    /* and is there again: all of it has to be loaded anew */
} CtlEventKind;

typedef struct CtlEvent {
    CtlEventKind kind;
    char *path, *interface; /* one of org.tbsyncd1.*; NULL with AWAY and BACK */
    GVariant *properties;   /* a{sv} (nullable) */
} CtlEvent;

void ctl_event_free(CtlEvent *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlEvent, ctl_event_free)

/* From now on events are queued. Errors as of ctl_bus_call(). */
CtlWatch *ctl_watch_new(Ctl *ctl, GError **error);
void ctl_watch_free(CtlWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlWatch, ctl_watch_free)

/* All objects as they are now, the manager first, array of CtlEvent of kind ADDED; what is queued of them and older is dropped, so
 * that nothing is told twice. Errors as of ctl_bus_call(). (transfer full) */
GPtrArray *ctl_watch_load(CtlWatch *watch, GError **error);

/* Waits for as long as it takes. Fails only if the bus is lost. (transfer full) */
CtlEvent *ctl_watch_next(CtlWatch *watch, GError **error);
