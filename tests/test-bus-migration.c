/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-private.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "sd-source.h"
#include "tree.h"

#define ROOT      "/org/tbsyncd1"
#define INTERFACE "org.tbsyncd1.Migration"

#define WAIT_UNTIL(condition) \
    while (!(condition))      \
    g_main_context_iteration(NULL, TRUE)

/* A ledger whose newest records are objects on a private bus, and a client of it in the same loop. */
typedef struct Fixture {
    GTestDBus *dbus;
    char *directory;
    Ledger *ledger;
    BusMigrations *migrations;
    sd_bus *bus;
    GSource *source;
    GDBusConnection *client;
    GPtrArray *signals; /* of char*: "InterfacesAdded ID", "PropertiesChanged ID {...}", "InterfacesRemoved ID" */
} Fixture;

static char *path_of(const char *id)
{
    char *path = NULL;
    char *copy;

    g_assert_cmpint(sd_bus_path_encode(ROOT "/migration", id, &path), >=, 0);
    copy = g_strdup(path);
    free(path);
    return copy;
}

static char *id_of(const char *path)
{
    char *id = NULL;
    char *copy;

    g_assert_cmpint(sd_bus_path_decode(path, ROOT "/migration", &id), >, 0);
    copy = g_strdup(id);
    free(id);
    return copy;
}

static void on_signal(GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name,
                      GVariant *parameters, void *data)
{
    Fixture *f = data;
    g_autofree char *id = NULL, *text = NULL;
    g_autoptr(GVariant) changed = NULL;

    if (g_str_equal(name, "PropertiesChanged")) {
        id = id_of(path);
        changed = g_variant_get_child_value(parameters, 1);
        text = g_variant_print(changed, FALSE);
        g_ptr_array_add(f->signals, g_strdup_printf("%s %s %s", name, id, text));
    } else if (g_str_has_prefix(name, "Interfaces")) {
        const char *object;

        g_variant_get_child(parameters, 0, "&o", &object);
        id = id_of(object);
        g_ptr_array_add(f->signals, g_strdup_printf("%s %s", name, id));
    }
}

static void open_bus(Fixture *f)
{
    g_assert_cmpint(sd_bus_new(&f->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(f->bus, g_test_dbus_get_bus_address(f->dbus)), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(f->bus, 1), >=, 0);
    g_assert_cmpint(sd_bus_start(f->bus), >=, 0);
    g_assert_cmpint(bus_migrations_add(f->migrations, f->bus), >=, 0);
    g_assert_cmpint(sd_bus_add_object_manager(f->bus, NULL, ROOT), >=, 0);
    g_assert_cmpint(sd_bus_request_name(f->bus, "org.tbsyncd1", 0), >=, 0);
    f->source = sd_source_attach(f->bus, NULL, NULL, NULL);
}

static void open_ledger(Fixture *f, guint max_records)
{
    g_autoptr(GError) error = NULL;

    f->ledger = ledger_new(f->directory, max_records, &error);
    g_assert_no_error(error);
}

static void on_answer(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GError) error = NULL;

    *(GVariant **)data = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    g_assert_no_error(error);
}

static GVariant *call(Fixture *f, const char *path, const char *interface, const char *method, GVariant *arguments)
{
    GVariant *answer = NULL;

    g_dbus_connection_call(f->client, "org.tbsyncd1", path, interface, method, arguments, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                           on_answer, &answer);
    WAIT_UNTIL(answer);
    return answer;
}

/* All signals of before have come when this returns: answers do not overtake them. */
static void barrier(Fixture *f)
{
    g_variant_unref(call(f, ROOT, "org.freedesktop.DBus.Peer", "Ping", NULL));
}

static void set_up(Fixture *f, gconstpointer max_records)
{
    g_autoptr(GError) error = NULL;

    f->dbus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(f->dbus);
    f->directory = g_dir_make_tmp("tbsyncd-bus-XXXXXX", NULL);
    f->signals = g_ptr_array_new_with_free_func(g_free);
    open_ledger(f, max_records ? GPOINTER_TO_UINT(max_records) : 1000);
    f->migrations = bus_migrations_new(f->ledger);
    open_bus(f);
    f->client = g_dbus_connection_new_for_address_sync(
        g_test_dbus_get_bus_address(f->dbus),
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &error);
    g_assert_no_error(error);
    g_dbus_connection_signal_subscribe(f->client, "org.tbsyncd1", NULL, NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, f,
                                       NULL);
    barrier(f); /* the bus knows by now what we listen to */
}

static void tear_down(Fixture *f, gconstpointer data)
{
    bus_migrations_free(f->migrations);
    ledger_free(f->ledger);
    sd_source_remove(f->source);
    sd_bus_flush_close_unref(f->bus);
    g_clear_object(&f->client);
    g_test_dbus_down(f->dbus);
    g_clear_object(&f->dbus);
    g_ptr_array_unref(f->signals);
    tree_remove(f->directory);
    g_free(f->directory);
}

/* a{sv} */
static GVariant *properties(Fixture *f, const char *id)
{
    g_autofree char *path = path_of(id);
    g_autoptr(GVariant) reply = call(f, path, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new("(s)", INTERFACE));

    return g_variant_get_child_value(reply, 0);
}

static void put(Fixture *f, const char *id, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = json_from_string(text, &error);

    g_assert_no_error(error);
    ledger_put_async(f->ledger, id, json_node_get_object(node), NULL, NULL);
}

static void put_state(Fixture *f, const char *id, const char *state)
{
    g_autofree char *text = g_strdup_printf("{\"version\":1,\"state\":\"%s\"}", state);

    put(f, id, text);
}

static const char *signal_nth(const Fixture *f, guint n)
{
    return n < f->signals->len ? f->signals->pdata[n] : "none";
}

static void assert_string(GVariant *dict, const char *name, const char *expected)
{
    const char *value = NULL;

    g_assert_true(g_variant_lookup(dict, name, "&s", &value));
    g_assert_cmpstr(value, ==, expected);
}

static void assert_printed(GVariant *dict, const char *name, const char *expected)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(dict, name, NULL);
    g_autofree char *text = NULL;

    g_assert_nonnull(value);
    text = g_variant_print(value, FALSE);
    g_assert_cmpstr(text, ==, expected);
}

static void test_new_record_is_announced_as_an_object(Fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) dict = NULL;

    put(f, "20261121T031500.000001Z-5a5a5a5a",
        "{\"state\":\"planned\",\"uuid\":\"5a5a5a5a-1111-4222-8333-00000000beef\",\"name\":\"web1\",\"source\":\"beta\","
        "\"destination\":\"alpha\",\"decision\":\"allow\",\"asked_real_ns\":7,\"decided_real_ns\":9,"
        "\"findings\":[{\"code\":\"mode-assumed\",\"severity\":\"note\",\"text\":\"t\",\"advice\":\"\"}],"
        "\"plan\":{\"offset_ticks\":-16777216,\"exact\":true},\"case\":{}}");
    WAIT_UNTIL(f->signals->len > 0);
    g_assert_cmpstr(signal_nth(f, 0), ==, "InterfacesAdded 20261121T031500.000001Z-5a5a5a5a");
    dict = properties(f, "20261121T031500.000001Z-5a5a5a5a");
    assert_string(dict, "Id", "20261121T031500.000001Z-5a5a5a5a");
    assert_string(dict, "Guest", "web1");
    assert_string(dict, "GuestUuid", "5a5a5a5a-1111-4222-8333-00000000beef");
    assert_string(dict, "Source", "beta");
    assert_string(dict, "Destination", "alpha");
    assert_string(dict, "Decision", "allow");
    assert_string(dict, "State", "planned");
    assert_printed(dict, "AskedRealNSec", "7");
    assert_printed(dict, "DecidedRealNSec", "9");
    assert_printed(dict, "LastEventRealNSec", "0");
    assert_printed(dict, "Findings", "[{'code': <'mode-assumed'>, 'severity': <'note'>, 'text': <'t'>, 'advice': <''>}]");
    assert_printed(dict, "Plan", "{'offset_ticks': <int64 -16777216>, 'exact': <true>}");
    assert_printed(dict, "Audit", "{}");
}

static void test_each_state_is_signalled_with_what_changed(Fixture *f, gconstpointer data)
{
    put(f, "m1", "{\"state\":\"planned\"}");
    put(f, "m1", "{\"state\":\"arriving\",\"events\":[{\"what\":\"started\",\"seen_real_ns\":5}]}");
    put(f, "m1", "{\"state\":\"completed\",\"events\":[{\"what\":\"started\",\"seen_real_ns\":5}]}");
    put(f, "m1", "{\"state\":\"completed\",\"events\":[{\"seen_real_ns\":5}],\"audit\":{\"known\":true,\"lost_lo_ns\":3}}");
    barrier(f);
    g_assert_cmpuint(f->signals->len, ==, 4);
    g_assert_cmpstr(signal_nth(f, 0), ==, "InterfacesAdded m1");
    g_assert_cmpstr(signal_nth(f, 1), ==, "PropertiesChanged m1 {'State': <'arriving'>, 'LastEventRealNSec': <int64 5>}");
    g_assert_cmpstr(signal_nth(f, 2), ==, "PropertiesChanged m1 {'State': <'completed'>}");
    g_assert_cmpstr(signal_nth(f, 3), ==, "PropertiesChanged m1 {'Audit': <{'known': <true>, 'lost_lo_ns': <int64 3>}>}");
}

static void test_record_that_says_the_same_is_not_signalled(Fixture *f, gconstpointer data)
{
    put_state(f, "m1", "planned");
    put_state(f, "m1", "planned");
    barrier(f);
    g_assert_cmpuint(f->signals->len, ==, 1);
}

static guint count_objects(Fixture *f)
{
    g_autoptr(GVariant) reply = call(f, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
    g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);

    return (guint)g_variant_n_children(objects);
}

static void test_oldest_makes_place_and_those_under_way_stay(Fixture *f, gconstpointer data)
{
    put_state(f, "m000", "planned");
    for (guint i = 1; i <= BUS_MIGRATIONS_MAX; i++) {
        g_autofree char *id = g_strdup_printf("m%03u", i);

        put_state(f, id, "refused");
    }
    barrier(f);
    g_assert_cmpuint(f->signals->len, ==, BUS_MIGRATIONS_MAX + 2);
    g_assert_cmpstr(signal_nth(f, BUS_MIGRATIONS_MAX), ==, "InterfacesRemoved m001");
    g_assert_cmpstr(signal_nth(f, BUS_MIGRATIONS_MAX + 1), ==, "InterfacesAdded m064");
    g_assert_cmpuint(count_objects(f), ==, BUS_MIGRATIONS_MAX);
    put_state(f, "m000", "expired");
    put_state(f, "m065", "refused");
    barrier(f);
    g_assert_cmpstr(signal_nth(f, BUS_MIGRATIONS_MAX + 2), ==, "PropertiesChanged m000 {'State': <'expired'>}");
    g_assert_cmpstr(signal_nth(f, BUS_MIGRATIONS_MAX + 3), ==, "InterfacesRemoved m000");
}

static void test_all_under_way_are_bounded_too(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i <= BUS_MIGRATIONS_MAX; i++) {
        g_autofree char *id = g_strdup_printf("m%03u", i);

        put_state(f, id, "planned");
    }
    g_assert_cmpuint(count_objects(f), ==, BUS_MIGRATIONS_MAX);
}

/* The ledger keeps two. */
static void test_record_that_the_ledger_drops_is_removed(Fixture *f, gconstpointer data)
{
    put_state(f, "m1", "completed");
    put_state(f, "m2", "completed");
    put_state(f, "m3", "completed");
    barrier(f);
    g_assert_cmpuint(f->signals->len, ==, 4);
    g_assert_cmpstr(signal_nth(f, 3), ==, "InterfacesRemoved m1");
    g_assert_cmpuint(count_objects(f), ==, 2);
}

static void start_again(Fixture *f)
{
    bus_migrations_free(f->migrations);
    sd_source_remove(f->source);
    sd_bus_flush_close_unref(f->bus);
    f->bus = NULL;
    ledger_free(f->ledger); /* all is written */
    open_ledger(f, 1000);
    f->migrations = bus_migrations_new(f->ledger);
    open_bus(f);
}

/* Seen by what is written past the ledger after the start: it is what is shown. */
static void test_records_of_before_are_read_when_asked_for(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_strdup_printf("%s/migrations/m1.json", f->directory);
    g_autoptr(GVariant) dict = NULL;

    put_state(f, "m1", "planned");
    start_again(f);
    g_assert_true(g_file_set_contents(path, "{\"state\":\"completed\"}", -1, NULL));
    put_state(f, "m2", "planned");
    barrier(f);
    g_assert_cmpstr(signal_nth(f, f->signals->len - 1), ==, "InterfacesAdded m2");
    dict = properties(f, "m1");
    assert_string(dict, "State", "completed");
    g_assert_cmpuint(count_objects(f), ==, 2);
}

static void test_records_are_in_the_order_of_their_numbers(Fixture *f, gconstpointer data)
{
    for (guint i = 1; i <= BUS_MIGRATIONS_MAX + 1; i++) { /* each with an earlier time than the one before */
        g_autofree char *id = g_strdup_printf("%08uT000000.000000Z-5a5a5a5a-%u", 20231114 - i, i);

        put_state(f, id, "completed");
    }
    barrier(f);
    g_assert_cmpstr(signal_nth(f, BUS_MIGRATIONS_MAX), ==, "InterfacesRemoved 20231113T000000.000000Z-5a5a5a5a-1");
}

static void test_records_of_before_are_objects_whatever_they_hold(Fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) dict = NULL;

    put(f, "m1", "{\"state\":5,\"name\":[],\"findings\":{},\"plan\":[1],\"audit\":null,\"events\":[7],\"asked_real_ns\":\"x\"}");
    start_again(f);
    dict = properties(f, "m1");
    assert_string(dict, "State", "");
    assert_string(dict, "Guest", "");
    assert_printed(dict, "Findings", "[]");
    assert_printed(dict, "Plan", "{}");
    assert_printed(dict, "AskedRealNSec", "0");
    assert_printed(dict, "LastEventRealNSec", "0");
}

static void test_changes_without_a_bus_are_seen_on_the_next_one(Fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) dict = NULL;

    put_state(f, "m1", "planned");
    bus_migrations_leave(f->migrations);
    sd_source_remove(f->source);
    sd_bus_flush_close_unref(f->bus);
    f->bus = NULL;
    put_state(f, "m1", "completed");
    open_bus(f);
    dict = properties(f, "m1");
    assert_string(dict, "State", "completed");
}

#define ADD(name, max_records, function) \
    g_test_add("/bus-migration/" name, Fixture, GUINT_TO_POINTER(max_records), set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("new-record-is-announced-as-an-object", 0, test_new_record_is_announced_as_an_object);
    ADD("each-state-is-signalled-with-what-changed", 0, test_each_state_is_signalled_with_what_changed);
    ADD("record-that-says-the-same-is-not-signalled", 0, test_record_that_says_the_same_is_not_signalled);
    ADD("oldest-makes-place-and-those-under-way-stay", 0, test_oldest_makes_place_and_those_under_way_stay);
    ADD("all-under-way-are-bounded-too", 0, test_all_under_way_are_bounded_too);
    ADD("record-that-the-ledger-drops-is-removed", 2, test_record_that_the_ledger_drops_is_removed);
    ADD("records-of-before-are-read-when-asked-for", 0, test_records_of_before_are_read_when_asked_for);
    ADD("records-are-in-the-order-of-their-numbers", 0, test_records_are_in_the_order_of_their_numbers);
    ADD("records-of-before-are-objects-whatever-they-hold", 0, test_records_of_before_are_objects_whatever_they_hold);
    ADD("changes-without-a-bus-are-seen-on-the-next-one", 0, test_changes_without_a_bus_are_seen_on_the_next_one);
    return g_test_run();
}
