/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two ends of a D-Bus connection in one process, without a loop: what the link's fuzz targets share. */

#include <glib.h>
#include <systemd/sd-bus.h>

#include "tb-clock.h"

typedef struct FuzzBus {
    sd_bus *client, *server;
    TbClock *clock;
} FuzzBus;

/* Neither end is started yet. */
void fuzz_bus_open(FuzzBus *bus);
void fuzz_bus_start(FuzzBus *bus);

/* Until neither end has anything to do. */
void fuzz_bus_run(FuzzBus *bus);
void fuzz_bus_close(FuzzBus *bus);

/* Cuts the next line off; FALSE at the end. Not terminated. */
gboolean fuzz_line(const char **text, gsize *size, const char **ret_line, gsize *ret_size);

/* Appends the elements of a tuple in GVariant's text form; FALSE if it is none, or D-Bus does not know its types. */
gboolean fuzz_bus_append(sd_bus_message *message, const char *text, gsize size);
