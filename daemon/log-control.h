/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.freedesktop.LogControl1 on a bus: `systemctl service-log-level tbsyncd debug`. The interface is systemd's,
 * org.freedesktop.LogControl1(5). Reading is for all, writing for root and the daemon's own user. */

#include <systemd/sd-bus.h>

#include "log.h"

/* `log` (transfer none) has to outlive the bus. Negative errno as sd_bus_add_object_vtable(). */
int log_control_add(sd_bus *bus, Log *log);
