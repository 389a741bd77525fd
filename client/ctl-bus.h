/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* tbsyncctl's way to the daemon: org.tbsyncd1 on the system bus (DBUS_SYSTEM_BUS_ADDRESS is honoured).
 *
 * Blocking calls, each with a deadline. Errors are one sentence that says what, where and what to type next; domain
 * TBSYNC_ERROR. The connection is opened by the first call and closed by ctl_bus_close(); nothing starts the daemon.
 */

#include <glib.h>

#include "ctl.h"

#define CTL_BUS_NAME    "org.tbsyncd1"
#define CTL_BUS_ROOT    "/org/tbsyncd1"
#define CTL_BUS_MANAGER "org.tbsyncd1.Manager"
#define CTL_BUS_PEER    "org.tbsyncd1.Peer"
#define CTL_BUS_MIGRATION "org.tbsyncd1.Migration"

typedef struct CtlCall {
    const char *path;      /* NULL: CTL_BUS_ROOT */
    const char *interface; /* NULL: CTL_BUS_MANAGER */
    const char *method;
    const char *reply_type; /* a tuple, "(saa{sv})"; NULL: "()" */
    guint deadline_ms;      /* 0: 5000 */
} CtlCall;

/* `arguments`: a tuple, a floating one is consumed; NULL: none. (transfer full): a tuple of type reply_type. */
GVariant *ctl_bus_call(Ctl *ctl, const CtlCall *call, GVariant *arguments, GError **error);

/* All properties of one interface, a{sv}. (transfer full) */
GVariant *ctl_bus_get_all(Ctl *ctl, const char *path, const char *interface, GError **error);

/* All objects, a{oa{sa{sv}}}. (transfer full) */
GVariant *ctl_bus_get_objects(Ctl *ctl, GError **error);

/* NULL-safe and repeatable. */
void ctl_bus_close(Ctl *ctl);
