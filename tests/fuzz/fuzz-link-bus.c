/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz-link-bus.h"

#include <string.h>
#include <sys/socket.h>

#include "sd-variant.h"

static sd_bus *end_new(int fd)
{
    sd_bus *end = NULL;

    g_assert_cmpint(sd_bus_new(&end), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(end, fd, fd), >=, 0);
    return end;
}

void fuzz_bus_open(FuzzBus *bus)
{
    const TbClockConfig config = { .simulated = TRUE, .frequency_hz = TB_FREQUENCY_POWER_HZ };
    sd_id128_t id = SD_ID128_NULL;
    int fds[2];

    id.bytes[0] = 1;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
    bus->clock = tb_clock_new(&config, NULL);
    bus->client = end_new(fds[0]);
    bus->server = end_new(fds[1]);
    g_assert_cmpint(sd_bus_set_server(bus->server, 1, id), >=, 0);
}

void fuzz_bus_start(FuzzBus *bus)
{
    g_assert_cmpint(sd_bus_start(bus->client), >=, 0);
    g_assert_cmpint(sd_bus_start(bus->server), >=, 0);
}

void fuzz_bus_run(FuzzBus *bus)
{
    int client, server;

    do {
        client = sd_bus_process(bus->client, NULL);
        server = sd_bus_process(bus->server, NULL);
    } while (client > 0 || server > 0);
}

void fuzz_bus_close(FuzzBus *bus)
{
    bus->client = sd_bus_close_unref(bus->client);
    bus->server = sd_bus_close_unref(bus->server);
    g_clear_pointer(&bus->clock, tb_clock_free);
}

gboolean fuzz_line(const char **text, gsize *size, const char **ret_line, gsize *ret_size)
{
    const char *end;

    if (*size == 0)
        return FALSE;
    end = memchr(*text, '\n', *size);
    *ret_line = *text;
    *ret_size = end ? (gsize) (end - *text) : *size;
    *text += MIN(*ret_size + 1, *size);
    *size -= MIN(*ret_size + 1, *size);
    return TRUE;
}

gboolean fuzz_bus_append(sd_bus_message *message, const char *text, gsize size)
{
    g_autoptr(GVariant) tuple =
        g_utf8_validate(text, (gssize) size, NULL) ? g_variant_parse(NULL, text, text + size, NULL, NULL) : NULL;

    if (!tuple || !g_variant_is_of_type(tuple, G_VARIANT_TYPE_TUPLE))
        return FALSE;
    for (gsize i = 0; i < g_variant_n_children(tuple); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(tuple, i);

        if (sd_variant_append(message, child) < 0)
            return FALSE;
    }
    return TRUE;
}
