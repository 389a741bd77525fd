/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An sd_bus as a GSource on a GMainContext: its descriptor, events and timeout drive sd_bus_process().
 *
 * Does not start, flush or close the bus. One source per bus; on the thread that runs the context.
 */

#include <glib.h>
#include <systemd/sd-bus.h>

/* Called once when the bus fails or is closed by the other end. By then sd-bus has failed all calls that waited for a
 * reply. error: positive errno; ECONNRESET for a plain end. The source is already detached;
 * its owner still gives its reference back with sd_source_remove(), here or later. */
typedef void (*SdSourceClosed)(int error, void *data);

/* Attaches `bus` (a reference is taken) to `context` (NULL: default). Messages are processed from the loop only, never
 * inside this call. closed: (nullable). (transfer full): release with sd_source_remove() and nothing else. */
GSource *sd_source_attach(sd_bus *bus, GMainContext *context, SdSourceClosed closed, void *data);

/* Detaches and releases, also from inside a handler of the same bus; NULL is fine. No callback after it. */
void sd_source_remove(GSource *source);
