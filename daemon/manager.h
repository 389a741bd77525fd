/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Wiring: makes the parts of one daemon, feeds facts to them and carries out results. Decides
 * nothing itself.
 *
 * Everything hangs off the manager, so that two daemons fit into one process. It runs on the
 * default GMainContext, which libvirt's event implementation uses.
 */

#include <gio/gio.h>

#include "config.h"
#include "log.h"
#include "peers.h"

typedef struct Manager Manager;

typedef struct ManagerParams {
    const char *config_file;
    int listen_fd; /* -1, or a listening socket from socket activation (transfer full) */
    Log *log;      /* what LogControl1 sets; may be NULL */
    /* Ready to serve (once), or the bus name cannot be had (why != NULL): the process should end.
     */
    void (*ready)(void *data);
    void (*failed)(const char *why, void *data);
    void *data;
} ManagerParams;

/* Errors name file and line of a wrong configuration, the certificate, the address, the directory,
 * or the bus. */
Manager *manager_new(const ManagerParams *params, GError **error);
void manager_free(Manager *manager);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manager, manager_free)

/* Reads configuration and certificates again; on error the running ones stay. Timebase, host and
 * directories are not changed by a reload. */
gboolean manager_reload(Manager *manager, GError **error);

/* One line for sd_notify: "3 of 4 peers linked, libvirt up". (transfer full) */
char *manager_status_text(const Manager *manager);
