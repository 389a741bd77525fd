/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-service.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "error.h"
#include "facts-codec.h"
#include "sd-source.h"
#include "sd-variant.h"

#define UUID "1f3c2a52-7c5e-4d2b-9f60-0d6d3d1d7a10"

/* One end: a bus with the service on it, and what the service was told. */
typedef struct End {
    const char *peer_name; /* who the certificate says is at the other end */
    HostFacts own;
    TbClock *clock;
    LinkServiceOps ops;
    sd_bus *bus;
    GSource *source;
    guint hellos, hellos_refused;
    guint32 version; /* of the last Hello */
    HostFacts seen;
    gboolean refuse;
    sd_bus_message *question; /* a FindGuest or ListGuests not answered yet */
    char *uuid;
    Departure departure; /* what it says of any guest */
} End;

/* What the last call brought. */
typedef struct Answer {
    guint calls;
    GError *error;
    guint32 version;
    HostFacts host;
    Exchange exchange;
    GuestRole role;
    gboolean has_guest;
    GuestFacts guest;
    Departure departure;
    GArray *guests; /* (nullable) of GuestFacts */
    gboolean complete;
} Answer;

typedef struct Pair {
    End alpha, beta;
    Answer answer;
} Pair;

static const HostFacts *on_host_facts(void *data)
{
    return &((End *) data)->own;
}

static gboolean on_hello(const char *peer_name, guint32 version, const HostFacts *peer, void *data, GError **error)
{
    End *end = data;

    g_assert_cmpstr(peer_name, ==, end->peer_name);
    end->hellos++;
    end->version = version;
    end->seen = *peer;
    if (end->refuse) {
        g_set_error_literal(error, TBSYNC_ERROR, TBSYNC_ERROR_SIMULATED, "one host is simulated, the other is not");
        return FALSE;
    }
    return TRUE;
}

static void on_hello_refused(const GError *error, void *data)
{
    ((End *) data)->hellos_refused++;
}

static void on_find_guest(const char *peer_name, const char *uuid, sd_bus_message *call, void *data)
{
    End *end = data;

    g_assert_null(end->question);
    end->question = call;
    g_free(end->uuid);
    end->uuid = g_strdup(uuid);
}

static Departure on_departure(const char *uuid, void *data)
{
    g_assert_cmpstr(uuid, ==, UUID);
    return ((End *) data)->departure;
}

static void on_list_guests(const char *peer_name, sd_bus_message *call, void *data)
{
    End *end = data;

    g_assert_cmpstr(peer_name, ==, end->peer_name);
    g_assert_null(end->question);
    end->question = call;
}

static void end_open(End *end, int fd, const char *name, gboolean is_server)
{
    TbClockConfig config = {
        .simulated = TRUE,
        .frequency_hz = TB_FREQUENCY_POWER_HZ,
        .start_ticks = is_server ? 1000000000 : 0,
    };
    g_autoptr(GError) error = NULL;
    sd_id128_t id;

    end->clock = tb_clock_new(&config, &error);
    g_assert_no_error(error);
    end->ops = (LinkServiceOps){
        .clock = end->clock,
        .host_facts = on_host_facts,
        .hello = on_hello,
        .hello_refused = on_hello_refused,
        .find_guest = on_find_guest,
        .departure = on_departure,
        .list_guests = on_list_guests,
    };
    host_facts_init(&end->own);
    g_strlcpy(end->own.name, name, sizeof end->own.name);
    end->own.pvr = 0x004e1202;
    FACT_SET(&end->own, HOST_NAME);
    FACT_SET(&end->own, HOST_PVR);
    g_assert_cmpint(sd_bus_new(&end->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(end->bus, fd, fd), >=, 0);
    if (is_server) {
        g_assert_cmpint(sd_id128_randomize(&id), >=, 0);
        g_assert_cmpint(sd_bus_set_server(end->bus, 1, id), >=, 0);
    }
    g_assert_cmpint(link_service_add(end->bus, end->peer_name, &end->ops, end), >=, 0);
    g_assert_cmpint(sd_bus_start(end->bus), >=, 0);
    end->source = sd_source_attach(end->bus, NULL, NULL, NULL);
}

static void end_close(End *end)
{
    sd_source_remove(g_steal_pointer(&end->source));
    g_clear_pointer(&end->question, sd_bus_message_unref);
    end->bus = sd_bus_close_unref(end->bus);
    g_clear_pointer(&end->clock, tb_clock_free);
    g_clear_pointer(&end->uuid, g_free);
}

static void pair_open(Pair *pair)
{
    int fds[2];

    memset(pair, 0, sizeof *pair);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
    pair->alpha.peer_name = "beta";
    pair->beta.peer_name = "alpha";
    end_open(&pair->alpha, fds[0], "alpha", FALSE);
    end_open(&pair->beta, fds[1], "beta", TRUE);
}

static void pair_close(Pair *pair)
{
    end_close(&pair->alpha);
    end_close(&pair->beta);
    g_clear_error(&pair->answer.error);
    g_clear_pointer(&pair->answer.guests, g_array_unref);
}

static void answer_note(Answer *answer, const GError *error)
{
    answer->calls++;
    g_clear_error(&answer->error);
    if (error)
        answer->error = g_error_copy(error);
}

static void on_hello_done(guint32 version, const HostFacts *peer, const GError *error, void *data)
{
    Answer *answer = data;

    answer_note(answer, error);
    answer->version = version;
    if (peer)
        answer->host = *peer;
}

static void on_exchange_done(const Exchange *exchange, const GError *error, void *data)
{
    Answer *answer = data;

    answer_note(answer, error);
    if (exchange)
        answer->exchange = *exchange;
}

static void on_find_done(GuestRole role, const GuestFacts *guest, const GError *error, void *data)
{
    Answer *answer = data;

    answer_note(answer, error);
    answer->role = role;
    answer->has_guest = guest != NULL;
    if (guest)
        answer->guest = *guest;
}

static void pair_wait(Pair *pair)
{
    guint calls = pair->answer.calls;

    while (pair->answer.calls == calls)
        g_main_context_iteration(NULL, TRUE);
}

static void pair_hello(Pair *pair)
{
    g_assert_cmpint(link_call_hello(pair->alpha.bus, &pair->alpha.own, 5000, on_hello_done, &pair->answer, NULL), >=, 0);
    pair_wait(pair);
}

static void on_departure_done(const Departure *departure, const GError *error, void *data)
{
    Answer *answer = data;

    answer->calls++;
    g_clear_error(&answer->error);
    answer->error = error ? g_error_copy(error) : NULL;
    if (departure)
        answer->departure = *departure;
}

static void pair_departure(Pair *pair)
{
    g_assert_cmpint(link_call_departure(pair->alpha.bus, UUID, 5000, on_departure_done, &pair->answer, NULL), >=, 0);
    pair_wait(pair);
}

static void pair_exchange(Pair *pair)
{
    g_assert_cmpint(
        link_call_exchange(pair->alpha.bus, pair->alpha.clock, 5000, on_exchange_done, &pair->answer, NULL), >=, 0);
    pair_wait(pair);
}

static void pair_ask(Pair *pair, const char *uuid)
{
    g_assert_cmpint(link_call_find_guest(pair->alpha.bus, uuid, 5000, on_find_done, &pair->answer, NULL), >=, 0);
    while (!pair->beta.question)
        g_main_context_iteration(NULL, TRUE);
}

static int on_raw_reply(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    *(sd_bus_message **) data = sd_bus_message_ref(reply);
    return 1;
}

/* A call as some other program would make it. (transfer full) */
static sd_bus_message *pair_raw_call(Pair *pair, sd_bus_message *call)
{
    sd_bus_message *reply = NULL;

    g_assert_cmpint(sd_bus_call_async(pair->alpha.bus, NULL, call, on_raw_reply, &reply, 0), >=, 0);
    while (!reply)
        g_main_context_iteration(NULL, TRUE);
    sd_bus_message_unref(call);
    return reply;
}

static sd_bus_message *raw_call_new(Pair *pair, const char *interface, const char *member)
{
    sd_bus_message *call;

    g_assert_cmpint(sd_bus_message_new_method_call(pair->alpha.bus, &call, NULL, LINK_OBJECT_PATH, interface, member),
                    >=, 0);
    return call;
}

static sd_bus_message *raw_hello_new(Pair *pair, guint32 version, const char *name, GVariant *facts)
{
    sd_bus_message *call = raw_call_new(pair, LINK_INTERFACE, "Hello");

    g_assert_cmpint(sd_bus_message_append(call, "us", version, name), >=, 0);
    g_assert_cmpint(sd_variant_append(call, facts), >=, 0);
    return call;
}

static void assert_reply_is_error(sd_bus_message *reply, const char *name, const char *part)
{
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    g_assert_nonnull(error);
    g_assert_cmpstr(error->name, ==, name);
    g_assert_nonnull(strstr(error->message, part));
    sd_bus_message_unref(reply);
}

static void test_hello_carries_facts_both_ways(void)
{
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    g_assert_no_error(pair.answer.error);
    g_assert_cmpuint(pair.answer.version, ==, LINK_PROTOCOL_VERSION);
    g_assert_cmpstr(pair.answer.host.name, ==, "beta");
    g_assert_cmphex(pair.answer.host.pvr, ==, 0x004e1202);
    g_assert_cmpuint(pair.beta.version, ==, LINK_PROTOCOL_VERSION);
    g_assert_cmpstr(pair.beta.seen.name, ==, "alpha");
    g_assert_cmphex(pair.beta.seen.pvr, ==, 0x004e1202);
    pair_close(&pair);
}

static void test_nothing_is_answered_before_hello(void)
{
    static const char *const members[][2] = {
        { LINK_INTERFACE, "Exchange" },
        { LINK_INTERFACE, "FindGuest" },
        { LINK_INTERFACE, "ListGuests" },
        { "org.freedesktop.DBus.Introspectable", "Introspect" },
        { "org.freedesktop.DBus.Peer", "Ping" },
        { "org.freedesktop.DBus.Peer", "GetMachineId" },
    };
    Pair pair;

    pair_open(&pair);
    for (guint i = 0; i < G_N_ELEMENTS(members); i++)
        assert_reply_is_error(pair_raw_call(&pair, raw_call_new(&pair, members[i][0], members[i][1])),
                              "org.tbsyncd1.Error.Denied", "Hello comes first");
    pair_exchange(&pair);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_DENIED);
    pair_close(&pair);
}

static void test_refused_hello_opens_nothing_and_withdraws_an_earlier_one(void)
{
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    pair_exchange(&pair);
    g_assert_no_error(pair.answer.error);
    pair.beta.refuse = TRUE;
    pair_hello(&pair);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_SIMULATED);
    g_assert_cmpstr(pair.answer.error->message, ==, "one host is simulated, the other is not");
    pair_exchange(&pair);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_DENIED);
    pair_close(&pair);
}

static void test_facts_of_another_version_are_not_read(void)
{
    GVariantBuilder builder;
    Pair pair;

    pair_open(&pair);
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&builder, "{sv}", "pvr", g_variant_new_string("a word"));
    sd_bus_message_unref(pair_raw_call(&pair, raw_hello_new(&pair, 2, "alpha", g_variant_builder_end(&builder))));
    g_assert_cmpuint(pair.beta.hellos, ==, 1);
    g_assert_cmpuint(pair.beta.version, ==, 2);
    g_assert_cmpstr(pair.beta.seen.name, ==, "alpha");
    g_assert_false(FACT_KNOWN(&pair.beta.seen, HOST_PVR));
    pair_close(&pair);
}

static void test_malformed_facts_are_refused_by_field(void)
{
    GVariantBuilder builder;
    Pair pair;

    pair_open(&pair);
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&builder, "{sv}", "timebase_hz", g_variant_new_string("fast"));
    assert_reply_is_error(pair_raw_call(&pair, raw_hello_new(&pair, 1, "alpha", g_variant_builder_end(&builder))),
                          "org.tbsyncd1.Error.Invalid", "timebase_hz");
    g_assert_cmpuint(pair.beta.hellos, ==, 0);
    g_assert_cmpuint(pair.beta.hellos_refused, ==, 1);
    pair_close(&pair);
}

static void assert_name_is_refused(const char *name, const char *text)
{
    GVariantBuilder facts;
    Pair pair;

    pair_open(&pair);
    g_variant_builder_init(&facts, G_VARIANT_TYPE_VARDICT);
    assert_reply_is_error(pair_raw_call(&pair, raw_hello_new(&pair, LINK_PROTOCOL_VERSION, name, g_variant_builder_end(&facts))),
                          "org.tbsyncd1.Error.Invalid", text);
    g_assert_cmpuint(pair.beta.hellos, ==, 0);
    pair_close(&pair);
}

/* Found by fuzzing: without a name among the facts nothing looked at the one beside them. */
static void test_name_with_control_characters_is_refused(void)
{
    assert_name_is_refused("al\001pha", "control characters");
}

/* Found by fuzzing: it was taken for a name, and facts with it could not be sent on. */
static void test_empty_name_is_refused(void)
{
    assert_name_is_refused("", "name in Hello is empty");
}

static void test_facts_of_another_host_are_refused(void)
{
    g_autofree char *long_name = g_strnfill(FACTS_NAME_MAX, 'x');
    Pair pair;

    pair_open(&pair);
    assert_reply_is_error(
        pair_raw_call(&pair, raw_hello_new(&pair, 1, "gamma", host_facts_to_variant(&pair.alpha.own))),
        "org.tbsyncd1.Error.Invalid", "gamma");
    assert_reply_is_error(
        pair_raw_call(&pair, raw_hello_new(&pair, 1, long_name, host_facts_to_variant(&pair.alpha.own))),
        "org.tbsyncd1.Error.Invalid", "255");
    g_assert_cmpuint(pair.beta.hellos_refused, ==, 2);
    pair_close(&pair);
}

/* Both clocks count the same oscillator; beta started 10^9 ticks ahead. */
static void test_exchange_brackets_the_true_difference(void)
{
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    for (int i = 0; i < 100; i++) {
        const Exchange *x = &pair.answer.exchange;

        pair_exchange(&pair);
        g_assert_no_error(pair.answer.error);
        g_assert_cmpint(tb_minus(x->r3, x->l4), <=, 1000000000);
        g_assert_cmpint(tb_minus(x->r2, x->l1), >=, 1000000000);
        g_assert_cmpint(tb_minus(x->r3, x->r2), >=, 0);
        g_assert_true(x->has_tod);
        g_assert_cmpint(tod_minus(x->tod_r3, x->tod_l4), <=, 0);
        g_assert_cmpint(tod_minus(x->tod_r2, x->tod_l1), >=, 0);
    }
    pair_close(&pair);
}

static void test_find_guest_may_be_answered_later(void)
{
    GuestFacts guest;
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    pair_ask(&pair, "1F3C2A52-7C5E-4D2B-9F60-0D6D3D1D7A10");
    g_assert_cmpstr(pair.beta.uuid, ==, UUID);
    guest_facts_init(&guest);
    g_strlcpy(guest.name, "web", sizeof guest.name);
    FACT_SET(&guest, GUEST_NAME);
    link_service_reply_find(pair.beta.question, ROLE_MIGRATING_OUT, &guest);
    pair_wait(&pair);
    g_assert_no_error(pair.answer.error);
    g_assert_cmpint(pair.answer.role, ==, ROLE_MIGRATING_OUT);
    g_assert_true(pair.answer.has_guest);
    g_assert_cmpstr(pair.answer.guest.name, ==, "web");
    g_assert_cmpstr(pair.answer.guest.uuid, ==, UUID);
    pair_close(&pair);
}

static void test_absent_guest_has_no_facts(void)
{
    GuestFacts guest;
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    pair_ask(&pair, UUID);
    guest_facts_init(&guest);
    link_service_reply_find(pair.beta.question, ROLE_ABSENT, &guest);
    pair_wait(&pair);
    g_assert_no_error(pair.answer.error);
    g_assert_cmpint(pair.answer.role, ==, ROLE_ABSENT);
    g_assert_false(pair.answer.has_guest);
    pair_close(&pair);
}

static void test_departure_carries_the_bounds(void)
{
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    pair.beta.departure = (Departure){
        .state = DEPARTURE_LEFT, .stop_lo = { 17 }, .stop_hi = { G_MAXUINT64 - 1 }, .precise = TRUE
    };
    pair_departure(&pair);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID); /* hi before lo, across the wrap */
    pair.beta.departure.stop_hi = tb_ticks(18);
    pair_departure(&pair);
    g_assert_no_error(pair.answer.error);
    g_assert_cmpint(pair.answer.departure.state, ==, DEPARTURE_LEFT);
    g_assert_cmpuint(pair.answer.departure.stop_lo.raw, ==, 17);
    g_assert_cmpuint(pair.answer.departure.stop_hi.raw, ==, 18);
    g_assert_true(pair.answer.departure.precise);
    g_assert_false(pair.answer.departure.guest_known);
    pair.beta.departure.guest_known = TRUE;
    pair.beta.departure.guest_tb = (GuestTbBounds){ { G_MAXUINT64 - 3 }, { 5 } };
    pair_departure(&pair);
    g_assert_true(pair.answer.departure.guest_known);
    g_assert_cmpuint(pair.answer.departure.guest_tb.lo.raw, ==, G_MAXUINT64 - 3);
    g_assert_cmpuint(pair.answer.departure.guest_tb.hi.raw, ==, 5);
    pair.beta.departure.guest_tb.hi = tb_ticks(G_MAXUINT64 - 4);
    pair_departure(&pair);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    pair_close(&pair);
}

static void on_guests_done(const GArray *guests, gboolean complete, const GError *error, void *data)
{
    Answer *answer = data;

    answer_note(answer, error);
    answer->complete = complete;
    g_clear_pointer(&answer->guests, g_array_unref);
    answer->guests = guests ? g_array_copy((GArray *) guests) : NULL;
}

static void pair_list(Pair *pair)
{
    g_clear_pointer(&pair->beta.question, sd_bus_message_unref);
    g_assert_cmpint(link_call_list_guests(pair->alpha.bus, 5000, on_guests_done, &pair->answer, NULL), >=, 0);
    while (!pair->beta.question)
        g_main_context_iteration(NULL, TRUE);
}

static void test_guests_are_listed_up_to_a_bound(void)
{
    g_autoptr(GArray) guests = g_array_new(FALSE, FALSE, sizeof(GuestFacts));
    GuestFacts guest;
    Pair pair;

    guest_facts_init(&guest);
    g_strlcpy(guest.name, "web", sizeof guest.name);
    FACT_SET(&guest, GUEST_NAME);
    pair_open(&pair);
    pair_hello(&pair);
    for (guint n = 0; n <= LINK_GUESTS_MAX + 1; n = n == 0 ? LINK_GUESTS_MAX : n + 1) {
        while (guests->len < n)
            g_array_append_val(guests, guest);
        pair_list(&pair);
        link_service_reply_guests(pair.beta.question, guests);
        pair_wait(&pair);
        g_assert_no_error(pair.answer.error);
        g_assert_cmpuint(pair.answer.guests->len, ==, MIN(n, LINK_GUESTS_MAX));
        g_assert_cmpint(pair.answer.complete, ==, n <= LINK_GUESTS_MAX);
        for (guint i = 0; i < pair.answer.guests->len; i++)
            g_assert_cmpstr(g_array_index(pair.answer.guests, GuestFacts, i).name, ==, "web");
    }
    pair_close(&pair);
}

static void reply_with(Pair *pair, GVariant *list)
{
    sd_bus_message *reply;

    pair_list(pair);
    g_assert_cmpint(sd_bus_message_new_method_return(pair->beta.question, &reply), >=, 0);
    g_assert_cmpint(sd_variant_append(reply, list), >=, 0);
    g_assert_cmpint(sd_bus_message_append(reply, "b", 1), >=, 0);
    g_assert_cmpint(sd_bus_message_send(reply), >=, 0);
    sd_bus_message_unref(reply);
    pair_wait(pair);
    g_assert_error(pair->answer.error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    g_assert_null(pair->answer.guests);
}

static void test_malformed_list_of_guests_is_refused(void)
{
    GVariantBuilder many;
    Pair pair;

    g_variant_builder_init(&many, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i <= LINK_GUESTS_MAX; i++)
        g_variant_builder_add_value(&many, g_variant_new("a{sv}", NULL));
    pair_open(&pair);
    pair_hello(&pair);
    reply_with(&pair, g_variant_builder_end(&many));
    reply_with(&pair, g_variant_new_parsed("[{'name': <'ok'>}, {'pvr': <'a word'>}]"));
    g_assert_nonnull(strstr(pair.answer.error->message, "pvr"));
    pair_close(&pair);
}

static void test_facts_of_another_guest_are_no_answer(void)
{
    GuestFacts guest;
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    pair_ask(&pair, UUID);
    guest_facts_init(&guest);
    g_strlcpy(guest.uuid, "ffffffff-7c5e-4d2b-9f60-0d6d3d1d7a10", sizeof guest.uuid);
    FACT_SET(&guest, GUEST_UUID);
    link_service_reply_find(pair.beta.question, ROLE_ACTIVE, &guest);
    pair_wait(&pair);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    pair_close(&pair);
}

static void test_error_of_the_peer_fits_one_line(void)
{
    g_autofree char *long_text = g_strnfill(5000, 'x');
    g_autoptr(GError) given = NULL;
    Pair pair;

    long_text[3] = '\n';
    pair_open(&pair);
    pair_hello(&pair);
    pair_ask(&pair, UUID);
    given = g_error_new_literal(TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, long_text);
    link_service_reply_error(pair.beta.question, given);
    pair_wait(&pair);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE);
    g_assert_null(strchr(pair.answer.error->message, '\n'));
    g_assert_cmpuint(strlen(pair.answer.error->message), <, 300);
    pair_close(&pair);
}

static void test_unknown_role_is_refused(void)
{
    sd_bus_message *reply;
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    pair_ask(&pair, UUID);
    g_assert_cmpint(sd_bus_message_new_method_return(pair.beta.question, &reply), >=, 0);
    g_assert_cmpint(sd_bus_message_append(reply, "sa{sv}", "teleporting", 0), >=, 0);
    g_assert_cmpint(sd_bus_message_send(reply), >=, 0);
    sd_bus_message_unref(reply);
    pair_wait(&pair);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    g_assert_nonnull(strstr(pair.answer.error->message, "teleporting"));
    pair_close(&pair);
}

static void test_no_uuid_is_refused_at_both_ends(void)
{
    sd_bus_message *call;
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    g_assert_cmpint(link_call_find_guest(pair.alpha.bus, "web", 5000, on_find_done, &pair.answer, NULL), ==, -EINVAL);
    call = raw_call_new(&pair, LINK_INTERFACE, "FindGuest");
    g_assert_cmpint(sd_bus_message_append(call, "s", "web\033[2J"), >=, 0);
    assert_reply_is_error(pair_raw_call(&pair, call), "org.tbsyncd1.Error.Invalid", "\"web [2J\" is no UUID");
    g_assert_null(pair.beta.question);
    pair_close(&pair);
}

static void test_silent_peer_is_a_timeout(void)
{
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    g_assert_cmpint(link_call_find_guest(pair.alpha.bus, UUID, 20, on_find_done, &pair.answer, NULL), >=, 0);
    pair_wait(&pair);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT);
    pair_close(&pair);
}

static void test_lost_link_is_unreachable_and_late_answers_are_harmless(void)
{
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    pair_ask(&pair, UUID);
    sd_source_remove(g_steal_pointer(&pair.beta.source));
    sd_bus_close(pair.beta.bus);
    pair_wait(&pair);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE);
    link_service_reply_find(pair.beta.question, ROLE_ABSENT, NULL);
    pair_close(&pair);
}

static void test_released_slot_forgets_the_call(void)
{
    sd_bus_slot *slot = NULL;
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    g_assert_cmpint(link_call_exchange(pair.alpha.bus, pair.alpha.clock, 5000, on_exchange_done, NULL, &slot), >=, 0);
    sd_bus_slot_unref(slot);
    pair_exchange(&pair); /* an answer to the first one would have come before, with no place to go */
    g_assert_no_error(pair.answer.error);
    pair_close(&pair);
}

static void test_flood_of_calls_is_denied_and_forgiven(void)
{
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    for (int i = 0; i < 100; i++) {
        pair_exchange(&pair);
        g_assert_no_error(pair.answer.error);
    }
    pair.beta.ops.calls_burst = 1; /* what was saved up is gone */
    pair.beta.ops.calls_per_s = 1;
    do
        pair_exchange(&pair);
    while (!pair.answer.error);
    g_assert_error(pair.answer.error, TBSYNC_ERROR, TBSYNC_ERROR_DENIED);
    pair.beta.ops.calls_per_s = 1000;
    do
        pair_exchange(&pair);
    while (pair.answer.error);
    pair_close(&pair);
}

static void assert_same_args(GDBusArgInfo **contract, GDBusArgInfo **served)
{
    guint i;

    for (i = 0; contract && contract[i]; i++) {
        g_assert_nonnull(served[i]);
        g_assert_cmpstr(contract[i]->name, ==, served[i]->name);
        g_assert_cmpstr(contract[i]->signature, ==, served[i]->signature);
    }
    g_assert_true(!served || !served[i]);
}

static void test_vtable_is_the_contract(void)
{
    g_autofree char *contract_xml = NULL;
    g_autoptr(GDBusNodeInfo) contract = NULL, served = NULL;
    g_autoptr(GError) error = NULL;
    GDBusInterfaceInfo *a, *b;
    sd_bus_message *reply;
    const char *xml;
    Pair pair;

    pair_open(&pair);
    pair_hello(&pair);
    reply = pair_raw_call(&pair, raw_call_new(&pair, "org.freedesktop.DBus.Introspectable", "Introspect"));
    g_assert_cmpint(sd_bus_message_read(reply, "s", &xml), >, 0);
    g_file_get_contents(SOURCE_ROOT "/data/dbus-1/org.tbsyncd1.Link.xml", &contract_xml, NULL, &error);
    g_assert_no_error(error);
    contract = g_dbus_node_info_new_for_xml(contract_xml, &error);
    g_assert_no_error(error);
    served = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    a = g_dbus_node_info_lookup_interface(contract, LINK_INTERFACE);
    b = g_dbus_node_info_lookup_interface(served, LINK_INTERFACE);
    for (guint i = 0; b->methods[i]; i++)
        g_assert_nonnull(g_dbus_interface_info_lookup_method(a, b->methods[i]->name));
    for (guint i = 0; a->methods[i]; i++) {
        GDBusMethodInfo *method = g_dbus_interface_info_lookup_method(b, a->methods[i]->name);

        g_assert_nonnull(method);
        assert_same_args(a->methods[i]->in_args, method->in_args);
        assert_same_args(a->methods[i]->out_args, method->out_args);
    }
    sd_bus_message_unref(reply);
    pair_close(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link-service/hello-carries-facts-both-ways", test_hello_carries_facts_both_ways);
    g_test_add_func("/link-service/nothing-is-answered-before-hello", test_nothing_is_answered_before_hello);
    g_test_add_func("/link-service/refused-hello-opens-nothing-and-withdraws-an-earlier-one",
                    test_refused_hello_opens_nothing_and_withdraws_an_earlier_one);
    g_test_add_func("/link-service/facts-of-another-version-are-not-read", test_facts_of_another_version_are_not_read);
    g_test_add_func("/link-service/malformed-facts-are-refused-by-field", test_malformed_facts_are_refused_by_field);
    g_test_add_func("/link-service/empty-name-is-refused", test_empty_name_is_refused);
    g_test_add_func("/link-service/name-with-control-characters-is-refused", test_name_with_control_characters_is_refused);
    g_test_add_func("/link-service/facts-of-another-host-are-refused", test_facts_of_another_host_are_refused);
    g_test_add_func("/link-service/exchange-brackets-the-true-difference", test_exchange_brackets_the_true_difference);
    g_test_add_func("/link-service/find-guest-may-be-answered-later", test_find_guest_may_be_answered_later);
    g_test_add_func("/link-service/departure-carries-the-bounds", test_departure_carries_the_bounds);
    g_test_add_func("/link-service/guests-are-listed-up-to-a-bound", test_guests_are_listed_up_to_a_bound);
    g_test_add_func("/link-service/malformed-list-of-guests-is-refused", test_malformed_list_of_guests_is_refused);
    g_test_add_func("/link-service/absent-guest-has-no-facts", test_absent_guest_has_no_facts);
    g_test_add_func("/link-service/facts-of-another-guest-are-no-answer", test_facts_of_another_guest_are_no_answer);
    g_test_add_func("/link-service/error-of-the-peer-fits-one-line", test_error_of_the_peer_fits_one_line);
    g_test_add_func("/link-service/unknown-role-is-refused", test_unknown_role_is_refused);
    g_test_add_func("/link-service/no-uuid-is-refused-at-both-ends", test_no_uuid_is_refused_at_both_ends);
    g_test_add_func("/link-service/silent-peer-is-a-timeout", test_silent_peer_is_a_timeout);
    g_test_add_func("/link-service/lost-link-is-unreachable-and-late-answers-are-harmless",
                    test_lost_link_is_unreachable_and_late_answers_are_harmless);
    g_test_add_func("/link-service/released-slot-forgets-the-call", test_released_slot_forgets_the_call);
    g_test_add_func("/link-service/flood-of-calls-is-denied-and-forgiven", test_flood_of_calls_is_denied_and_forgiven);
    g_test_add_func("/link-service/vtable-is-the-contract", test_vtable_is_the_contract);
    return g_test_run();
}
