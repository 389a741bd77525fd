/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of ctl_bus_call(), for ctl-watch.c, which has to know what came before an answer. Nobody else needs sd-bus. */

#include <systemd/sd-bus.h>

#include "ctl-bus.h"

/* The connection, opened if it is not. (transfer none) */
sd_bus *ctl_bus_open(Ctl *ctl, GError **error);

/* `arguments`: a tuple (nullable). Negative errno on failure. */
int ctl_bus_new_call(sd_bus *bus, const CtlCall *call, GVariant *arguments, sd_bus_message **ret);

/* The tuple of a reply that is no error. (transfer full) */
GVariant *ctl_bus_read_reply(const CtlCall *call, sd_bus_message *reply, GError **error);

/* The sentence for a call that failed: r is negative errno, bus_error (nullable) what the bus or the daemon said. */
void ctl_bus_set_error(const Ctl *ctl, const CtlCall *call, int r, const sd_bus_error *bus_error, GError **error);
