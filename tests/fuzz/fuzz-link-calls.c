/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of a peer: each line is a method of the link's interface and a tuple, "FindGuest ('...',)". */
#include <string.h>

#include "fuzz-link-bus.h"
#include "fuzz.h"
#include "link-service.h"

static HostFacts own_facts(void)
{
    HostFacts own;

    host_facts_init(&own);
    strcpy(own.name, "beta");
    FACT_SET(&own, HOST_NAME);
    return own;
}

static const HostFacts *on_host_facts(void *data)
{
    return data;
}

static gboolean on_hello(const char *peer_name, guint32 version, const HostFacts *peer, void *data, GError **error)
{
    g_assert_cmpstr(peer_name, ==, "alpha");
    if (version == LINK_PROTOCOL_VERSION)
        fuzz_check_host(peer);
    return version == LINK_PROTOCOL_VERSION || (g_set_error(error, G_FILE_ERROR, 0, "another version"), FALSE);
}

static void on_hello_refused(const GError *error, void *data)
{
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

static void check_uuid(const char *uuid)
{
    g_autofree char *lower = g_ascii_strdown(uuid, -1);

    g_assert_true(g_uuid_string_is_valid(uuid));
    g_assert_cmpstr(uuid, ==, lower);
}

static void on_find_guest(const char *peer_name, const char *uuid, sd_bus_message *call, void *data)
{
    check_uuid(uuid);
    link_service_reply_find(call, ROLE_ABSENT, NULL);
    sd_bus_message_unref(call);
}

static Departure on_departure(const char *uuid, void *data)
{
    check_uuid(uuid);
    return (Departure){ 0 };
}

static void on_guests_told(GuestMarks *marks, void *data)
{
    (void) guest_marks_may_have(marks, 0);
    guest_marks_free(marks);
}

static void call_peer(FuzzBus *bus, const char *line, gsize size)
{
    const char *space = memchr(line, ' ', size);
    g_autofree char *method = space ? g_strndup(line, (gsize) (space - line)) : NULL;
    sd_bus_message *call = NULL;

    if (method && sd_bus_message_new_method_call(bus->client, &call, NULL, LINK_OBJECT_PATH, LINK_INTERFACE, method) >= 0 &&
        fuzz_bus_append(call, space + 1, size - (gsize) (space + 1 - line)) &&
        sd_bus_call_async(bus->client, NULL, call, NULL, NULL, 0) >= 0)
        fuzz_bus_run(bus);
    sd_bus_message_unref(call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HostFacts own = own_facts();
    FuzzBus bus;
    const LinkServiceOps ops = {
        .host_facts = on_host_facts,
        .hello = on_hello,
        .hello_refused = on_hello_refused,
        .find_guest = on_find_guest,
        .departure = on_departure,
        .guests_told = on_guests_told,
    };
    LinkServiceOps with_clock = ops;
    const char *text = (const char *) data, *line;
    gsize line_size;

    fuzz_bus_open(&bus);
    with_clock.clock = bus.clock;
    g_assert_cmpint(link_service_add(bus.server, "alpha", &with_clock, &own), >=, 0);
    fuzz_bus_start(&bus);
    fuzz_bus_run(&bus);
    while (fuzz_line(&text, &size, &line, &line_size))
        call_peer(&bus, line, line_size);
    fuzz_bus_close(&bus);
    return 0;
}
