/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a peer answers: a line with the method that we call, then a tuple, or "error NAME TEXT". */
#include <string.h>

#include "error.h"
#include "fuzz-link-bus.h"
#include "fuzz.h"
#include "link-service.h"

#define UUID "5a5a5a5a-1111-4222-8333-00000000beef"

typedef struct Answer {
    const char *text;
    gsize size;
    gboolean came;
} Answer;

static int on_call(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    const Answer *answer = data;
    sd_bus_message *reply = NULL;

    if (answer->size > 6 && memcmp(answer->text, "error ", 6) == 0) {
        g_autofree char *rest = g_strndup(answer->text + 6, answer->size - 6);
        char *space = strchr(rest, ' ');
        g_autofree char *valid = g_utf8_make_valid(space ? space + 1 : "", -1);

        if (space)
            *space = '\0';
        if (sd_bus_reply_method_errorf(call, rest, "%s", valid) < 0)
            sd_bus_reply_method_errorf(call, "org.tbsyncd1.Error.Failed", "%s", valid);
        return 1;
    }
    if (sd_bus_message_new_method_return(call, &reply) >= 0 && fuzz_bus_append(reply, answer->text, answer->size))
        sd_bus_message_send(reply);
    sd_bus_message_unref(reply);
    return 1;
}

static void check_error(const GError *error)
{
    g_assert_true(error->domain == TBSYNC_ERROR);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    for (const char *p = error->message; *p; p++)
        g_assert_false(g_ascii_iscntrl(*p));
}

static void on_hello(guint32 version, const HostFacts *peer, const GError *error, void *data)
{
    ((Answer *) data)->came = TRUE;
    g_assert_true((peer != NULL) != (error != NULL));
    if (error)
        check_error(error);
    else if (version == LINK_PROTOCOL_VERSION)
        fuzz_check_host(peer);
}

static void on_exchange(const Exchange *exchange, const GError *error, void *data)
{
    ((Answer *) data)->came = TRUE;
    g_assert_true((exchange != NULL) != (error != NULL));
    if (error)
        check_error(error);
}

static void on_find(GuestRole role, const GuestFacts *guest, const GError *error, void *data)
{
    ((Answer *) data)->came = TRUE;
    if (error) {
        check_error(error);
        g_assert_null(guest);
    } else if (role == ROLE_ABSENT) {
        g_assert_null(guest);
    } else {
        g_assert_cmpstr(guest->uuid, ==, UUID);
        fuzz_check_guest(guest);
    }
}

static void on_departure(const Departure *departure, const GError *error, void *data)
{
    ((Answer *) data)->came = TRUE;
    g_assert_true((departure != NULL) != (error != NULL));
    if (error)
        check_error(error);
    else
        g_assert_cmpint(tb_minus(departure->stop_hi, departure->stop_lo), >=, 0);
}

static void on_guests(const GArray *guests, gboolean complete, const GError *error, void *data)
{
    ((Answer *) data)->came = TRUE;
    g_assert_true((guests != NULL) != (error != NULL));
    if (error)
        check_error(error);
    for (guint i = 0; guests && i < guests->len; i++)
        fuzz_check_guest(&g_array_index(guests, GuestFacts, i));
}

static void on_relations(const GArray *relations, const GError *error, void *data)
{
    ((Answer *) data)->came = TRUE;
    g_assert_true((relations != NULL) != (error != NULL));
    if (error)
        check_error(error);
    for (guint i = 0; relations && i < relations->len; i++) {
        const LinkRelation *relation = &g_array_index(relations, LinkRelation, i);

        g_assert_true(interval_is_bounded(relation->tb_ticks));
        for (const char *p = relation->name; *p; p++)
            g_assert_false(g_ascii_iscntrl(*p));
    }
}

static void ask(FuzzBus *bus, char method, Answer *answer)
{
    HostFacts own;
    int r;

    host_facts_init(&own);
    strcpy(own.name, "alpha");
    FACT_SET(&own, HOST_NAME);
    switch (method) {
    case 'H':
        r = link_call_hello(bus->client, &own, 60000, on_hello, answer, NULL);
        break;
    case 'E':
        r = link_call_exchange(bus->client, bus->clock, 60000, on_exchange, answer, NULL);
        break;
    case 'F':
        r = link_call_find_guest(bus->client, UUID, 60000, on_find, answer, NULL);
        break;
    case 'L':
        r = link_call_list_guests(bus->client, 60000, on_guests, answer, NULL);
        break;
    case 'R':
        r = link_call_relations(bus->client, 60000, on_relations, answer, NULL);
        break;
    default:
        r = link_call_departure(bus->client, UUID, 60000, on_departure, answer, NULL);
        break;
    }
    g_assert_cmpint(r, >=, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *) data, *line;
    gsize line_size;
    Answer answer = { 0 };
    FuzzBus bus;

    if (!fuzz_line(&text, &size, &line, &line_size) || line_size == 0)
        return 0;
    answer.text = text;
    answer.size = size;
    fuzz_bus_open(&bus);
    g_assert_cmpint(sd_bus_add_filter(bus.server, NULL, on_call, &answer), >=, 0);
    fuzz_bus_start(&bus);
    ask(&bus, line[0], &answer);
    fuzz_bus_run(&bus);
    fuzz_bus_close(&bus);
    return 0;
}
