/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-control.h"

#include <string.h>

static int on_get(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                  void *data, sd_bus_error *e)
{
    const Log *log = data;

    if (strcmp(property, "LogLevel") == 0)
        return sd_bus_message_append(reply, "s", log_level(log));
    if (strcmp(property, "LogTarget") == 0)
        return sd_bus_message_append(reply, "s", log_target(log));
    return sd_bus_message_append(reply, "s", "tbsyncd");
}

static int on_set(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *value,
                  void *data, sd_bus_error *e)
{
    Log *log = data;
    gboolean is_level = strcmp(property, "LogLevel") == 0;
    const char *word;
    int r = sd_bus_message_read(value, "s", &word);

    if (r < 0)
        return r;
    if (is_level ? log_set_level(log, word) : log_set_target(log, word))
        return 0;
    return sd_bus_error_setf(e, SD_BUS_ERROR_INVALID_ARGS, "%s cannot be \"%s\"; it is one of %s", property, word,
                             is_level ? "emerg, alert, crit, err, warning, notice, info, debug" : "auto, console, journal");
}

/* writable without SD_BUS_VTABLE_UNPRIVILEGED: sd-bus lets root and our own user set them */
static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", on_get, on_set, 0, 0),
    SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", on_get, on_set, 0, 0),
    SD_BUS_PROPERTY("SyslogIdentifier", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END,
};

int log_control_add(sd_bus *bus, Log *log)
{
    return sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", vtable, log);
}
