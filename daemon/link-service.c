/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link-service.h"

#include <errno.h>
#include <string.h>

#include "error.h"
#include "facts-codec.h"
#include "sd-variant.h"

/* Longest part of a peer's error message that is shown or logged. */
#define MESSAGE_MAX_CHARS 256

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)

static const char *const role_names[] = {
    [ROLE_ABSENT] = "absent",
    [ROLE_INACTIVE] = "inactive",
    [ROLE_ACTIVE] = "active",
    [ROLE_MIGRATING_OUT] = "migrating-out",
};

const char *link_role_name(GuestRole role)
{
    return role_names[role];
}

static gboolean role_parse(const char *name, GuestRole *ret)
{
    for (guint i = 0; i < G_N_ELEMENTS(role_names); i++)
        if (g_str_equal(name, role_names[i])) {
            *ret = (GuestRole) i;
            return TRUE;
        }
    return FALSE;
}

/* Text of a peer, fit for one line of a log: bounded, no control characters. (transfer full) */
static char *text_of_peer(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
    char *end = g_utf8_offset_to_pointer(valid, MIN(g_utf8_strlen(valid, -1), MESSAGE_MAX_CHARS));

    *end = '\0';
    for (char *c = valid; *c; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    return g_steal_pointer(&valid);
}

static gboolean has_control_characters(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (g_ascii_iscntrl(*c))
            return TRUE;
    }
    return FALSE;
}

/* uuid in the form that facts hold: lower case, with dashes. NULL if it is none. (transfer full) */
static char *uuid_normalise(const char *uuid)
{
    return g_uuid_string_is_valid(uuid) ? g_ascii_strdown(uuid, -1) : NULL;
}

/* Facts as they stand in a message, with the name that stands beside them. */
static gboolean read_facts(sd_bus_message *message, const char *name, HostFacts *ret, GError **error)
{
    g_autoptr(GVariant) dict = NULL;
    HostFacts facts;

    if (sd_variant_read(message, "a{sv}", &dict) <= 0) {
        g_set_error_literal(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "facts are no well-formed dictionary");
        return FALSE;
    }
    if (!host_facts_from_variant(dict, &facts, error))
        return FALSE;
    if (FACT_KNOWN(&facts, HOST_NAME) && g_ascii_strcasecmp(facts.name, name) != 0) {
        g_autofree char *shown = text_of_peer(facts.name);
        g_autofree char *shown_name = text_of_peer(name);

        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "facts are those of \"%s\", the name given is \"%s\"",
                    shown, shown_name);
        return FALSE;
    }
    *ret = facts;
    return TRUE;
}

/* What Hello carries in both directions. Facts of another protocol version are not looked at: they may have any form. */
static gboolean read_hello(sd_bus_message *message, guint32 *ret_version, HostFacts *ret_facts, GError **error)
{
    guint32 version;
    const char *name;
    HostFacts facts;

    host_facts_init(&facts);
    if (sd_bus_message_read(message, "us", &version, &name) <= 0) {
        g_set_error_literal(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "malformed Hello");
        return FALSE;
    }
    if (strlen(name) >= sizeof facts.name) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "name in Hello has %zu bytes, %zu are the limit",
                    strlen(name), sizeof facts.name - 1);
        return FALSE;
    }
    if (!*name || has_control_characters(name)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "name in Hello %s", *name ? "has control characters" : "is empty");
        return FALSE;
    }
    if (version == LINK_PROTOCOL_VERSION && !read_facts(message, name, &facts, error))
        return FALSE;
    g_strlcpy(facts.name, name, sizeof facts.name);
    FACT_SET(&facts, HOST_NAME);
    *ret_version = version;
    *ret_facts = facts;
    return TRUE;
}

static int append_hello(sd_bus_message *message, const HostFacts *own)
{
    int r = sd_bus_message_append(message, "us", LINK_PROTOCOL_VERSION, own->name);

    return r < 0 ? r : sd_variant_append(message, host_facts_to_variant(own));
}

/* ---- what a peer may ask of us ---- */

typedef struct LinkService {
    char *peer_name;
    const LinkServiceOps *ops;
    void *data;
    gboolean greeted; /* a Hello was accepted */
    gint64 allowance; /* calls x NS_PER_S that the peer may still make now */
    gint64 allowance_boot_ns;
} LinkService;

static void link_service_free(void *data)
{
    LinkService *self = data;

    g_free(self->peer_name);
    g_free(self);
}

static int fail(sd_bus_error *ret_error, const GError *error)
{
    return sd_bus_error_set(ret_error, tbsync_error_dbus_name(error), error->message);
}

static gboolean link_service_may_call(LinkService *self)
{
    const gint64 per_s = self->ops->calls_per_s ? self->ops->calls_per_s : LINK_CALLS_PER_S;
    const gint64 full = (self->ops->calls_burst ? self->ops->calls_burst : LINK_CALLS_BURST) * NS_PER_S;
    gint64 now_boot_ns = tb_clock_boot_ns();
    /* capped first, so that a long silence cannot overflow */
    gint64 silent_ns = MIN(now_boot_ns - self->allowance_boot_ns, full / per_s);

    self->allowance = MIN(self->allowance + silent_ns * per_s, full);
    self->allowance_boot_ns = now_boot_ns;
    if (self->allowance < NS_PER_S)
        return FALSE;
    self->allowance -= NS_PER_S;
    return TRUE;
}

/* Before all else that sd-bus would answer, its own Peer and Introspectable included. */
static int on_message(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    LinkService *self = data;

    if (sd_bus_message_is_method_call(message, NULL, NULL) <= 0)
        return 0;
    if (!link_service_may_call(self))
        return sd_bus_error_set(ret_error, "org.tbsyncd1.Error.Denied", "too many calls a second");
    if (!self->greeted && sd_bus_message_is_method_call(message, LINK_INTERFACE, "Hello") <= 0)
        return sd_bus_error_set(ret_error, "org.tbsyncd1.Error.Denied", "Hello comes first");
    return 0;
}

static int on_hello(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    LinkService *self = data;
    g_autoptr(sd_bus_message) reply = NULL;
    g_autoptr(GError) error = NULL;
    guint32 version;
    HostFacts facts;
    int r;

    self->greeted = FALSE; /* a later Hello may withdraw what an earlier one gave */
    if (!read_hello(call, &version, &facts, &error)) {
        if (self->ops->hello_refused)
            self->ops->hello_refused(error, self->data);
        return fail(ret_error, error);
    }
    if (!self->ops->hello(self->peer_name, version, &facts, self->data, &error))
        return fail(ret_error, error);
    self->greeted = TRUE;
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = append_hello(reply, self->ops->host_facts(self->data));
    return r < 0 ? r : sd_bus_message_send(reply);
}

/* r2 is the first TB read after receipt and r3 the last one before the reply, so that the bounds hold whatever happens
 * between the wire and this function. */
static int on_exchange(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    LinkService *self = data;
    ClockReading received = tb_clock_read(self->ops->clock);
    g_autoptr(sd_bus_message) reply = NULL;
    ClockReading replied;
    int r = sd_bus_message_new_method_return(call, &reply);

    if (r < 0)
        return r;
    replied = tb_clock_read(self->ops->clock);
    r = sd_bus_message_append(reply, "txtx", received.tb_before.raw, received.tod.raw, replied.tb_after.raw,
                              replied.tod.raw);
    return r < 0 ? r : sd_bus_message_send(reply);
}

/* The one argument of a call about a guest. *ret (transfer full). */
static int read_uuid(sd_bus_message *call, char **ret, sd_bus_error *ret_error)
{
    g_autofree char *shown = NULL;
    const char *given;
    int r = sd_bus_message_read(call, "s", &given);

    if (r < 0)
        return r;
    *ret = uuid_normalise(given);
    if (*ret)
        return 0;
    shown = text_of_peer(given);
    return sd_bus_error_setf(ret_error, "org.tbsyncd1.Error.Invalid", "\"%s\" is no UUID", shown);
}

static int on_find_guest(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    LinkService *self = data;
    g_autofree char *uuid = NULL;
    int r = read_uuid(call, &uuid, ret_error);

    if (r < 0)
        return r;
    self->ops->find_guest(self->peer_name, uuid, sd_bus_message_ref(call), self->data);
    return 1; /* answered by link_service_reply_find() */
}

static int on_get_departure(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    LinkService *self = data;
    g_autofree char *uuid = NULL;
    Departure departure;
    int r = read_uuid(call, &uuid, ret_error);

    if (r < 0)
        return r;
    departure = self->ops->departure(uuid, self->data);
    return sd_bus_reply_method_return(call, "sttbbtt", departure_state_name(departure.state), departure.stop_lo.raw,
                                      departure.stop_hi.raw, (int) departure.precise, (int) departure.guest_known,
                                      departure.guest_tb.lo.raw, departure.guest_tb.hi.raw);
}

static int on_list_guests(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    LinkService *self = data;

    self->ops->list_guests(self->peer_name, sd_bus_message_ref(call), self->data);
    return 1; /* answered by link_service_reply_guests() */
}

/* Nobody waits for an answer. Of malformed marks nothing is kept, the last ones included: any guest may be there then. */
static int on_tell_guests(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    LinkService *self = data;
    GuestMarks *marks = NULL;

    if (guest_marks_read(call, &marks) < 0)
        g_debug("peer %s: malformed TellGuests", self->peer_name);
    if (self->ops->guests_told)
        self->ops->guests_told(marks, self->data);
    else
        guest_marks_free(marks);
    return 1;
}

static int on_get_relations(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    LinkService *self = data;
    g_autoptr(GArray) relations = self->ops->relations ? self->ops->relations(self->data)
                                                       : g_array_new(FALSE, FALSE, sizeof(LinkRelation));
    g_autoptr(sd_bus_message) reply = NULL;
    int r = sd_bus_message_new_method_return(call, &reply);

    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(sxx)");
    for (guint i = 0; r >= 0 && i < MIN(relations->len, LINK_RELATIONS_MAX); i++) {
        const LinkRelation *relation = &g_array_index(relations, LinkRelation, i);

        r = sd_bus_message_append(reply, "(sxx)", relation->name, relation->tb_ticks.lo, relation->tb_ticks.hi);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_message_send(reply);
}

static const sd_bus_vtable link_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Hello", SD_BUS_ARGS("u", version, "s", name, "a{sv}", facts),
                            SD_BUS_RESULT("u", version, "s", name, "a{sv}", facts), on_hello,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Exchange", SD_BUS_NO_ARGS,
                            SD_BUS_RESULT("t", tb2_ticks, "x", tod2_ns, "t", tb3_ticks, "x", tod3_ns), on_exchange,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("FindGuest", SD_BUS_ARGS("s", uuid), SD_BUS_RESULT("s", role, "a{sv}", guest),
                            on_find_guest, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("GetDeparture", SD_BUS_ARGS("s", uuid),
                            SD_BUS_RESULT("s", state, "t", stop_lo_ticks, "t", stop_hi_ticks, "b", precise, "b", guest_known,
                                          "t", guest_lo_ticks, "t", guest_hi_ticks),
                            on_get_departure, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListGuests", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", guests, "b", complete),
                            on_list_guests, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("TellGuests", SD_BUS_ARGS("au", marks, "b", complete), SD_BUS_NO_RESULT, on_tell_guests,
                            SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_METHOD_NO_REPLY),
    SD_BUS_METHOD_WITH_ARGS("GetRelations", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sxx)", relations), on_get_relations,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

int link_service_add(sd_bus *bus, const char *peer_name, const LinkServiceOps *ops, void *data)
{
    LinkService *self = g_new0(LinkService, 1);
    sd_bus_slot *slot;
    int r;

    self->peer_name = g_strdup(peer_name);
    self->ops = ops;
    self->data = data;
    self->allowance = (ops->calls_burst ? ops->calls_burst : LINK_CALLS_BURST) * NS_PER_S;
    self->allowance_boot_ns = tb_clock_boot_ns();
    r = sd_bus_add_object_vtable(bus, &slot, LINK_OBJECT_PATH, LINK_INTERFACE, link_vtable, self);
    if (r < 0) {
        link_service_free(self);
        return r;
    }
    /* the bus owns the slot and with it the service */
    sd_bus_slot_set_destroy_callback(slot, link_service_free);
    sd_bus_slot_set_floating(slot, 1);
    sd_bus_slot_unref(slot);
    return sd_bus_add_filter(bus, NULL, on_message, self);
}

void link_service_reply_find(sd_bus_message *call, GuestRole role, const GuestFacts *guest)
{
    g_autoptr(sd_bus_message) reply = NULL;
    int r = sd_bus_message_new_method_return(call, &reply);

    if (r >= 0)
        r = sd_bus_message_append(reply, "s", link_role_name(role));
    if (r >= 0 && (role == ROLE_ABSENT || !guest)) /* what nearly all peers answer: no detour for nothing */
        r = sd_bus_message_append(reply, "a{sv}", 0);
    else if (r >= 0)
        r = sd_variant_append(reply, guest_facts_to_variant(guest));
    if (r >= 0)
        r = sd_bus_message_send(reply);
    if (r < 0)
        g_debug("cannot answer FindGuest: %s", g_strerror(-r));
}

void link_service_reply_guests(sd_bus_message *call, const GArray *guests)
{
    g_autoptr(sd_bus_message) reply = NULL;
    GVariantBuilder list;
    guint n = MIN(guests->len, LINK_GUESTS_MAX);
    int r = sd_bus_message_new_method_return(call, &reply);

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < n; i++)
        g_variant_builder_add_value(&list, guest_facts_to_variant(&g_array_index(guests, GuestFacts, i)));
    g_autoptr(GVariant) body = g_variant_ref_sink(g_variant_builder_end(&list));
    if (r >= 0)
        r = sd_variant_append(reply, body);
    if (r >= 0)
        r = sd_bus_message_append(reply, "b", (int) (n == guests->len));
    if (r >= 0)
        r = sd_bus_message_send(reply);
    if (r < 0)
        g_debug("cannot answer ListGuests: %s", g_strerror(-r));
}

void link_service_reply_error(sd_bus_message *call, const GError *error)
{
    int r = sd_bus_reply_method_errorf(call, tbsync_error_dbus_name(error), "%s", error->message);

    if (r < 0)
        g_debug("cannot answer %s: %s", sd_bus_message_get_member(call), g_strerror(-r));
}

/* ---- what we ask of a peer ---- */

typedef struct LinkCall {
    sd_bus_message_handler_t handler;
    union {
        LinkHelloDone hello;
        LinkExchangeDone exchange;
        LinkFindDone find;
        LinkDepartureDone departure;
        LinkGuestsDone guests;
        LinkRelationsDone relations;
    } done;
    void *data;
    guint deadline_ms;
    const TbClock *clock; /* Exchange */
    ClockReading sent;    /* Exchange */
    char uuid[FACTS_UUID_MAX]; /* FindGuest */
} LinkCall;

static int link_call_new(sd_bus *bus, const char *member, sd_bus_message **ret)
{
    return sd_bus_message_new_method_call(bus, ret, NULL, LINK_OBJECT_PATH, LINK_INTERFACE, member);
}

/* `call` is a template; the copy lives as long as the slot. */
static int link_call_send(sd_bus *bus, sd_bus_message *message, const LinkCall *call, sd_bus_slot **ret_slot)
{
    LinkCall *self = g_memdup2(call, sizeof *call);
    sd_bus_slot *slot;
    int r;

    if (self->clock)
        self->sent = tb_clock_read(self->clock);
    r = sd_bus_call_async(bus, &slot, message, self->handler, self, (guint64) self->deadline_ms * 1000);
    if (r < 0) {
        g_free(self);
        return r;
    }
    sd_bus_slot_set_destroy_callback(slot, g_free);
    if (ret_slot) {
        *ret_slot = slot;
    } else {
        sd_bus_slot_set_floating(slot, 1);
        sd_bus_slot_unref(slot);
    }
    return 0;
}

static GError *link_call_error(const LinkCall *self, sd_bus_message *reply)
{
    const sd_bus_error *given = sd_bus_message_get_error(reply);
    g_autofree char *text = NULL;

    if (!given)
        return NULL;
    /* sd-bus uses one name for a call that ran out of time and for one whose connection ended */
    if (g_strcmp0(given->name, SD_BUS_ERROR_NO_REPLY) == 0) {
        if (sd_bus_is_open(sd_bus_message_get_bus(reply)) <= 0)
            return g_error_new_literal(TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE, "the link was lost");
        return g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT, "no answer within %u ms", self->deadline_ms);
    }
    text = text_of_peer(given->message);
    return tbsync_error_from_dbus(given->name, text);
}

static GError *malformed_answer(const char *method)
{
    return g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "malformed answer to %s", method);
}

static int on_hello_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    LinkCall *self = data;
    g_autoptr(GError) error = link_call_error(self, reply);
    guint32 version = 0;
    HostFacts facts;

    if (!error && read_hello(reply, &version, &facts, &error))
        self->done.hello(version, &facts, NULL, self->data);
    else
        self->done.hello(0, NULL, error, self->data);
    return 1;
}

int link_call_hello(sd_bus *bus, const HostFacts *own, guint deadline_ms, LinkHelloDone done, void *data,
                    sd_bus_slot **ret_slot)
{
    LinkCall call = { .handler = on_hello_answer, .done.hello = done, .data = data, .deadline_ms = deadline_ms };
    g_autoptr(sd_bus_message) message = NULL;
    int r = link_call_new(bus, "Hello", &message);

    if (r >= 0)
        r = append_hello(message, own);
    return r < 0 ? r : link_call_send(bus, message, &call, ret_slot);
}

/* l1 is the last TB read before sending and l4 the first one after receipt. */
static int on_exchange_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    LinkCall *self = data;
    ClockReading received = tb_clock_read(self->clock);
    g_autoptr(GError) error = link_call_error(self, reply);
    Exchange x = {
        .l1 = self->sent.tb_after,
        .l4 = received.tb_before,
        .has_tod = true,
        .tod_l1 = self->sent.tod,
        .tod_l4 = received.tod,
    };

    if (!error && sd_bus_message_read(reply, "txtx", &x.r2.raw, &x.tod_r2.raw, &x.r3.raw, &x.tod_r3.raw) <= 0)
        error = malformed_answer("Exchange");
    self->done.exchange(error ? NULL : &x, error, self->data);
    return 1;
}

int link_call_exchange(sd_bus *bus, const TbClock *clock, guint deadline_ms, LinkExchangeDone done, void *data,
                       sd_bus_slot **ret_slot)
{
    LinkCall call = {
        .handler = on_exchange_answer,
        .done.exchange = done,
        .data = data,
        .deadline_ms = deadline_ms,
        .clock = clock,
    };
    g_autoptr(sd_bus_message) message = NULL;
    int r = link_call_new(bus, "Exchange", &message);

    return r < 0 ? r : link_call_send(bus, message, &call, ret_slot);
}

static gboolean read_guest(sd_bus_message *reply, const char *uuid, GuestRole *ret_role, GuestFacts *ret_guest,
                           GError **error)
{
    g_autoptr(GVariant) dict = NULL;
    const char *role;

    if (sd_bus_message_read(reply, "s", &role) <= 0) {
        g_propagate_error(error, malformed_answer("FindGuest"));
        return FALSE;
    }
    if (!role_parse(role, ret_role)) {
        g_autofree char *shown = text_of_peer(role);

        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "unknown role \"%s\" of a guest", shown);
        return FALSE;
    }
    guest_facts_init(ret_guest);
    if (*ret_role == ROLE_ABSENT ? sd_bus_message_skip(reply, "a{sv}") <= 0 : sd_variant_read(reply, "a{sv}", &dict) <= 0) {
        g_propagate_error(error, malformed_answer("FindGuest"));
        return FALSE;
    }
    if (*ret_role == ROLE_ABSENT)
        return TRUE;
    if (!guest_facts_from_variant(dict, ret_guest, error))
        return FALSE;
    if (FACT_KNOWN(ret_guest, GUEST_UUID) && g_ascii_strcasecmp(ret_guest->uuid, uuid) != 0) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "asked for guest %s, the answer is about %s", uuid,
                    ret_guest->uuid);
        return FALSE;
    }
    g_strlcpy(ret_guest->uuid, uuid, sizeof ret_guest->uuid);
    FACT_SET(ret_guest, GUEST_UUID);
    return TRUE;
}

static int on_find_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    LinkCall *self = data;
    g_autoptr(GError) error = link_call_error(self, reply);
    GuestRole role = ROLE_ABSENT;
    GuestFacts guest;

    if (!error && read_guest(reply, self->uuid, &role, &guest, &error))
        self->done.find(role, role == ROLE_ABSENT ? NULL : &guest, NULL, self->data);
    else
        self->done.find(ROLE_ABSENT, NULL, error, self->data);
    return 1;
}

/* A call whose one argument is the UUID of a guest. */
static int link_call_about(sd_bus *bus, const char *member, const char *uuid, LinkCall *call, sd_bus_slot **ret_slot)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autofree char *lower = uuid_normalise(uuid);
    int r;

    if (!lower)
        return -EINVAL;
    g_strlcpy(call->uuid, lower, sizeof call->uuid);
    r = link_call_new(bus, member, &message);
    if (r >= 0)
        r = sd_bus_message_append(message, "s", lower);
    return r < 0 ? r : link_call_send(bus, message, call, ret_slot);
}

int link_call_find_guest(sd_bus *bus, const char *uuid, guint deadline_ms, LinkFindDone done, void *data,
                         sd_bus_slot **ret_slot)
{
    LinkCall call = { .handler = on_find_answer, .done.find = done, .data = data, .deadline_ms = deadline_ms };

    return link_call_about(bus, "FindGuest", uuid, &call, ret_slot);
}

/* The guest's own timebase came later: a peer that does not tell it is of an older version. */
static gboolean read_departure(sd_bus_message *reply, Departure *ret)
{
    const char *state;
    int precise, guest_known = FALSE;

    if (sd_bus_message_read(reply, "sttb", &state, &ret->stop_lo.raw, &ret->stop_hi.raw, &precise) <= 0 ||
        (!sd_bus_message_at_end(reply, TRUE) &&
         sd_bus_message_read(reply, "btt", &guest_known, &ret->guest_tb.lo.raw, &ret->guest_tb.hi.raw) <= 0))
        return FALSE;
    ret->precise = precise;
    ret->guest_known = guest_known;
    return departure_state_parse(state, &ret->state) && tb_minus(ret->stop_hi, ret->stop_lo) >= 0 &&
           tb_minus(ret->guest_tb.hi, ret->guest_tb.lo) >= 0;
}

static int on_departure_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    LinkCall *self = data;
    g_autoptr(GError) error = link_call_error(self, reply);
    Departure departure = { 0 };

    if (!error && !read_departure(reply, &departure))
        error = malformed_answer("GetDeparture");
    self->done.departure(error ? NULL : &departure, error, self->data);
    return 1;
}

int link_call_departure(sd_bus *bus, const char *uuid, guint deadline_ms, LinkDepartureDone done, void *data,
                        sd_bus_slot **ret_slot)
{
    LinkCall call = {
        .handler = on_departure_answer, .done.departure = done, .data = data, .deadline_ms = deadline_ms
    };

    return link_call_about(bus, "GetDeparture", uuid, &call, ret_slot);
}

/* NULL and *error if they are malformed or too many. (transfer full) */
static GArray *read_guests(sd_bus_message *reply, gboolean *ret_complete, GError **error)
{
    g_autoptr(GArray) guests = g_array_new(FALSE, FALSE, sizeof(GuestFacts));
    g_autoptr(GVariant) list = NULL;
    int complete;

    if (sd_variant_read(reply, "aa{sv}", &list) <= 0 || sd_bus_message_read(reply, "b", &complete) <= 0 ||
        g_variant_n_children(list) > LINK_GUESTS_MAX) {
        g_propagate_error(error, malformed_answer("ListGuests"));
        return NULL;
    }
    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(list, i);
        GuestFacts guest;

        if (!guest_facts_from_variant(dict, &guest, error))
            return NULL;
        g_array_append_val(guests, guest);
    }
    *ret_complete = complete;
    return g_steal_pointer(&guests);
}

static int on_guests_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    LinkCall *self = data;
    g_autoptr(GError) error = link_call_error(self, reply);
    gboolean complete = FALSE;
    g_autoptr(GArray) guests = error ? NULL : read_guests(reply, &complete, &error);

    self->done.guests(guests, complete, error, self->data);
    return 1;
}

int link_call_list_guests(sd_bus *bus, guint deadline_ms, LinkGuestsDone done, void *data, sd_bus_slot **ret_slot)
{
    LinkCall call = { .handler = on_guests_answer, .done.guests = done, .data = data, .deadline_ms = deadline_ms };
    g_autoptr(sd_bus_message) message = NULL;
    int r = link_call_new(bus, "ListGuests", &message);

    return r < 0 ? r : link_call_send(bus, message, &call, ret_slot);
}

/* NULL if they are malformed or too many. (transfer full) */
static GArray *read_relations(sd_bus_message *reply)
{
    g_autoptr(GArray) relations = g_array_new(FALSE, TRUE, sizeof(LinkRelation));
    const char *name;
    LinkRelation relation;

    if (sd_bus_message_enter_container(reply, 'a', "(sxx)") <= 0)
        return NULL;
    while (sd_bus_message_read(reply, "(sxx)", &name, &relation.tb_ticks.lo, &relation.tb_ticks.hi) > 0) {
        if (!interval_is_bounded(relation.tb_ticks) || strlen(name) >= sizeof relation.name ||
            has_control_characters(name) || relations->len == LINK_RELATIONS_MAX)
            return NULL;
        g_strlcpy(relation.name, name, sizeof relation.name);
        g_array_append_val(relations, relation);
    }
    return g_steal_pointer(&relations);
}

static int on_relations_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    LinkCall *self = data;
    g_autoptr(GError) error = link_call_error(self, reply);
    g_autoptr(GArray) relations = error ? NULL : read_relations(reply);

    if (!error && !relations)
        error = malformed_answer("GetRelations");
    self->done.relations(relations, error, self->data);
    return 1;
}

int link_call_relations(sd_bus *bus, guint deadline_ms, LinkRelationsDone done, void *data, sd_bus_slot **ret_slot)
{
    LinkCall call = { .handler = on_relations_answer, .done.relations = done, .data = data, .deadline_ms = deadline_ms };
    g_autoptr(sd_bus_message) message = NULL;
    int r = link_call_new(bus, "GetRelations", &message);

    return r < 0 ? r : link_call_send(bus, message, &call, ret_slot);
}

int link_tell_guests(sd_bus *bus, const GuestMarks *marks)
{
    g_autoptr(sd_bus_message) message = NULL;
    int r = link_call_new(bus, "TellGuests", &message);

    if (r >= 0)
        r = sd_bus_message_set_expect_reply(message, 0);
    if (r >= 0)
        r = guest_marks_append(message, marks);
    return r < 0 ? r : sd_bus_send(bus, message, NULL);
}
