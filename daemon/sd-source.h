/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An sd_bus as a GSource on a GMainContext: its descriptor, events and timeout drive sd_bus_process(). */

#include <glib.h>
#include <systemd/sd-bus.h>

/* Called once when the bus fails or is closed by the other end; the source is removed after it. */
typedef void (*SdSourceClosed)(int error, void *data);

/* Attaches `bus` (a reference is taken) to `context` (NULL: default). The returned source id is to be removed with
 * sd_source_remove(). */
GSource *sd_source_attach(sd_bus *bus, GMainContext *context, SdSourceClosed closed, void *data);

/* Detaches and releases; NULL is fine. No callback after it. */
void sd_source_remove(GSource *source);
