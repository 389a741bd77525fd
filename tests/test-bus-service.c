/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-service.h"

#include <glib/gstdio.h>
#include <string.h>

#include "error.h"
#include "peers-fixture.h"
#include "tree.h"

#define ROOT    "/org/tbsyncd1"
#define MANAGER "org.tbsyncd1.Manager"

/* One daemon's worth of objects on a private bus, and a client of it in the same loop. */
typedef struct Fixture {
    GTestDBus *dbus;
    GDBusConnection *client;
    Pki *pki;
    Node node, other;
    char *directory;
    Ledger *ledger;
    Guests *guests;
    Hooks *hooks;
    BusService *service;
    Log *log;
    gboolean owned;
    gboolean reload_fails;
    guint reloads;
} Fixture;

static const HostFacts *own_facts(void *data)
{
    return &((Fixture *)data)->node.facts;
}

static const Config *own_config(void *data)
{
    return &((Fixture *)data)->node.config;
}

static void own_status(BusStatus *ret, void *data)
{
    *ret = (BusStatus){ "up",         "",      TRUE, "missing", "/hooks/qemu.d/90-tbsyncd",
                        "[::]:16524", "no KVM" };
}

static gboolean on_reload(void *data, GError **error)
{
    Fixture *f = data;

    f->reloads++;
    if (f->reload_fails)
        g_set_error_literal(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                            "tbsyncd.conf:3: no such key");
    return !f->reload_fails;
}

static GVariant *on_diagnose(void *data)
{
    return g_variant_new_parsed("[{'code': <'hook-missing'>}]");
}

static void on_owned(gboolean owned, const char *why, void *data)
{
    ((Fixture *)data)->owned = owned;
}

static void on_decided(const char *id, const MigrationCase *c, const Verdict *verdict,
                       JsonObject *record, void *data)
{
}

static void start_service(Fixture *f)
{
    BusServiceParams params = {
        .hooks = f->hooks,
        .peers = f->node.peers,
        .guests = f->guests,
        .ledger = f->ledger,
        .clock = f->node.clock,
        .log = f->log,
        .host_facts = own_facts,
        .config = own_config,
        .status = own_status,
        .reload = on_reload,
        .diagnose = on_diagnose,
        .owned = on_owned,
        .data = f,
    };
    g_autoptr(GError) error = NULL;

    f->service = bus_service_new(&params, &error);
    g_assert_no_error(error);
    WAIT_UNTIL(f->owned);
}

static void set_up(Fixture *f, gconstpointer data)
{
    GuestsConfig guests = { .uri = "" };
    GuestsCallbacks callbacks = { 0 };
    HooksParams hooks = { .host_facts = own_facts, .decided = on_decided, .data = f };
    g_autoptr(GError) error = NULL;

    f->dbus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(f->dbus);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(f->dbus), TRUE);
    f->client =
        g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(f->dbus),
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    g_assert_no_error(error);
    f->pki = pki_new("fleet");
    node_init(&f->node, f->pki, "beta");
    node_init(&f->other, f->pki, "alpha");
    node_close(&f->other); /* refuses connections */
    node_add_peer(&f->node, &f->other);
    f->node.config.policy = POLICY_DEFAULT;
    f->node.config.hook_deadline_ns = 4 * (guint64)NS_PER_S; /* twice what the search takes */
    node_start(&f->node);
    f->directory = g_dir_make_tmp("tbsyncd-bus-XXXXXX", NULL);
    f->ledger = ledger_new(f->directory, 10, &error);
    g_assert_no_error(error);
    f->guests = guests_new(&guests, &callbacks, f);
    hooks.peers = f->node.peers;
    hooks.ledger = f->ledger;
    hooks.config = &f->node.config;
    f->hooks = hooks_new(&hooks);
    f->log = log_new();
    start_service(f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    bus_service_free(f->service);
    hooks_free(f->hooks);
    guests_free(f->guests);
    ledger_free(f->ledger);
    log_free(f->log);
    node_clear(&f->node);
    node_clear(&f->other);
    pki_free(f->pki);
    g_clear_object(&f->client);
    g_test_dbus_down(f->dbus);
    g_clear_object(&f->dbus);
    tree_remove(f->directory);
    g_free(f->directory);
}

typedef struct Answer {
    GVariant *value;
    GError *error;
    gboolean done;
} Answer;

static void on_answer(GObject *source, GAsyncResult *result, void *data)
{
    Answer *answer = data;

    answer->value =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &answer->error);
    answer->done = TRUE;
}

static GVariant *call_on(Fixture *f, const char *path, const char *member, GVariant *arguments,
                         GError **error)
{
    g_auto(GStrv) parts = g_strsplit(member, "/", 2); /* "interface/member" */
    Answer answer = { 0 };

    g_dbus_connection_call(f->client, "org.tbsyncd1", path, parts[0], parts[1], arguments, NULL,
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_answer, &answer);
    WAIT_UNTIL(answer.done);
    if (answer.error)
        g_propagate_error(error, answer.error);
    return answer.value;
}

static void assert_fails(Fixture *f, const char *member, GVariant *arguments, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = call_on(f, ROOT, member, arguments, &error);
    g_autofree char *remote = NULL;

    g_assert_null(value);
    remote = g_dbus_error_get_remote_error(error);
    g_assert_cmpstr(remote, ==, name);
}

static GDBusNodeInfo *introspect(Fixture *f, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value =
        call_on(f, path, "org.freedesktop.DBus.Introspectable/Introspect", NULL, &error);
    const char *xml;
    GDBusNodeInfo *info;

    g_assert_no_error(error);
    g_variant_get(value, "(&s)", &xml);
    info = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    return info;
}

static void assert_same_args(GDBusArgInfo **a, GDBusArgInfo **b)
{
    guint i = 0;

    for (; a && a[i]; i++) {
        g_assert_nonnull(b[i]);
        g_assert_cmpstr(a[i]->name, ==, b[i]->name);
        g_assert_cmpstr(a[i]->signature, ==, b[i]->signature);
    }
    g_assert_true(!b || !b[i]);
}

static const char *emits_changed(const GDBusPropertyInfo *property)
{
    const char *value = g_dbus_annotation_info_lookup(
        property->annotations, "org.freedesktop.DBus.Property.EmitsChangedSignal");

    return value ? value : "true";
}

static void assert_same_interface(GDBusInterfaceInfo *contract, GDBusInterfaceInfo *served)
{
    guint n = 0;

    g_assert_nonnull(contract);
    g_assert_nonnull(served);
    for (guint i = 0; contract->methods && contract->methods[i]; i++, n++) {
        GDBusMethodInfo *method =
            g_dbus_interface_info_lookup_method(served, contract->methods[i]->name);

        g_assert_nonnull(method);
        assert_same_args(contract->methods[i]->in_args, method->in_args);
        assert_same_args(contract->methods[i]->out_args, method->out_args);
    }
    for (guint i = 0; served->methods && served->methods[i]; i++)
        n--;
    for (guint i = 0; contract->signals && contract->signals[i]; i++, n++) {
        GDBusSignalInfo *signal = g_dbus_interface_info_lookup_signal(served, contract->signals[i]->name);

        g_assert_nonnull(signal);
        assert_same_args(contract->signals[i]->args, signal->args);
    }
    for (guint i = 0; served->signals && served->signals[i]; i++)
        n--;
    for (guint i = 0; contract->properties && contract->properties[i]; i++, n++) {
        GDBusPropertyInfo *a = contract->properties[i];
        GDBusPropertyInfo *b = g_dbus_interface_info_lookup_property(served, a->name);

        g_assert_nonnull(b);
        g_assert_cmpstr(a->signature, ==, b->signature);
        g_assert_cmpint(a->flags, ==, b->flags);
        g_assert_cmpstr(emits_changed(a), ==, emits_changed(b));
    }
    for (guint i = 0; served->properties && served->properties[i]; i++)
        n--;
    g_assert_cmpuint(n, ==, 0); /* nothing is served that the contract does not name */
}

static GVariant *guest_of(const char *uuid)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (uuid)
        g_variant_builder_add(&dict, "{sv}", "uuid", g_variant_new_string(uuid));
    g_variant_builder_add(&dict, "{sv}", "arch", g_variant_new_string("ppc64"));
    g_variant_builder_add(&dict, "{sv}", "machine_type", g_variant_new_string("pseries-7.2"));
    return g_variant_new("(a{sv})", &dict);
}

/* Of one interface of ours at `path`; all others there are standard ones. */
static void assert_served(Fixture *f, GDBusNodeInfo *contract, const char *name, const char *path)
{
    g_autoptr(GDBusNodeInfo) served = introspect(f, path);

    assert_same_interface(g_dbus_node_info_lookup_interface(contract, name), g_dbus_node_info_lookup_interface(served, name));
    for (guint i = 0; served->interfaces[i]; i++)
        g_assert_true(g_str_equal(served->interfaces[i]->name, name) ||
                      g_str_has_prefix(served->interfaces[i]->name, "org.freedesktop.DBus."));
}

/* (transfer full): the id of its record. */
static char *refuse_migration(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_on(f, ROOT, MANAGER "/CheckIncoming",
                                         guest_of("5A5A5A5A-1111-4222-8333-00000000BEEF"), &error);
    const char *decision;
    char *id;

    g_assert_no_error(error);
    g_variant_get_child(answer, 0, "&s", &decision);
    g_assert_cmpstr(decision, ==, "block");
    g_variant_get_child(answer, 3, "s", &id);
    return id;
}

static void test_vtables_are_the_contract(Fixture *f, gconstpointer data)
{
    g_autofree char *xml = NULL, *id = refuse_migration(f), *path = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusNodeInfo) contract = NULL;
    char *encoded = NULL;

    g_file_get_contents(SOURCE_ROOT "/data/dbus-1/org.tbsyncd1.xml", &xml, NULL, &error);
    g_assert_no_error(error);
    contract = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    g_assert_cmpint(sd_bus_path_encode(ROOT "/migration", id, &encoded), >=, 0);
    path = g_strdup(encoded);
    free(encoded);
    assert_served(f, contract, MANAGER, ROOT);
    assert_served(f, contract, "org.tbsyncd1.Peer", ROOT "/peer/alpha");
    assert_served(f, contract, "org.tbsyncd1.Migration", path);
    for (guint i = 0; contract->interfaces[i]; i++)
        g_assert_cmpuint(i, <, 3);
}

static void test_peers_are_managed_objects(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value =
        call_on(f, ROOT, "org.freedesktop.DBus.ObjectManager/GetManagedObjects", NULL, &error);
    g_autoptr(GVariant) objects = NULL, interfaces = NULL, peer = NULL;
    const char *name;

    g_assert_no_error(error);
    objects = g_variant_get_child_value(value, 0);
    interfaces = g_variant_lookup_value(objects, ROOT "/peer/alpha", NULL);
    g_assert_nonnull(interfaces);
    peer = g_variant_lookup_value(interfaces, "org.tbsyncd1.Peer", G_VARIANT_TYPE_VARDICT);
    g_assert_nonnull(peer);
    g_assert_true(g_variant_lookup(peer, "Name", "&s", &name));
    g_assert_cmpstr(name, ==, "alpha");
}

static GVariant *set_log(Fixture *f, const char *property, const char *value, GError **error)
{
    return call_on(f, "/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties/Set",
                   g_variant_new("(ssv)", "org.freedesktop.LogControl1", property, g_variant_new_string(value)), error);
}

/* What `systemctl service-log-level tbsyncd debug` does. */
static void test_log_level_is_set_at_run_time(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) all = NULL, dict = NULL, refused = NULL;
    const char *level, *target, *identifier;

    g_variant_unref(set_log(f, "LogLevel", "debug", &error));
    g_variant_unref(set_log(f, "LogTarget", "console", &error));
    g_assert_cmpstr(log_level(f->log), ==, "debug");
    all = call_on(f, "/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties/GetAll",
                  g_variant_new("(s)", "org.freedesktop.LogControl1"), &error);
    g_assert_no_error(error);
    dict = g_variant_get_child_value(all, 0);
    g_assert_true(g_variant_lookup(dict, "LogLevel", "&s", &level));
    g_assert_true(g_variant_lookup(dict, "LogTarget", "&s", &target));
    g_assert_true(g_variant_lookup(dict, "SyslogIdentifier", "&s", &identifier));
    g_assert_cmpstr(level, ==, "debug");
    g_assert_cmpstr(target, ==, "console");
    g_assert_cmpstr(identifier, ==, "tbsyncd");
    refused = set_log(f, "LogLevel", "loud", &error);
    g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
    g_assert_null(refused);
    g_assert_cmpstr(log_level(f->log), ==, "debug");
}

static void test_wrong_arguments_have_their_own_errors(Fixture *f, gconstpointer data)
{
    assert_fails(f, MANAGER "/CheckIncoming", guest_of(NULL), "org.tbsyncd1.Error.Invalid");
    assert_fails(f, MANAGER "/CheckIncoming", guest_of("../../etc/passwd"),
                 "org.tbsyncd1.Error.Invalid");
    assert_fails(f, MANAGER "/CheckRestore", guest_of("x"), "org.tbsyncd1.Error.Invalid");
    assert_fails(f, MANAGER "/GetMigration", g_variant_new("(s)", "../x"),
                 "org.tbsyncd1.Error.NoSuchMigration");
    assert_fails(f, MANAGER "/Check",
                 g_variant_new("(ss@as)", "g", "zeta", g_variant_new_strv(NULL, 0)),
                 "org.tbsyncd1.Error.NoSuchPeer");
    assert_fails(f, MANAGER "/Check",
                 g_variant_new("(ss@as)", "g", "alpha", g_variant_new_strv(NULL, 0)),
                 "org.tbsyncd1.Error.Unreachable");
    assert_fails(f, MANAGER "/ListGuests", NULL, "org.tbsyncd1.Error.Unavailable");
    assert_fails(f, MANAGER "/ListPeerGuests", g_variant_new("(s)", "zeta"),
                 "org.tbsyncd1.Error.NoSuchPeer");
    assert_fails(f, MANAGER "/ListPeerGuests", g_variant_new("(s)", "alpha"),
                 "org.tbsyncd1.Error.Unreachable");
}

static void test_refused_migration_is_listed(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) list = NULL, record = NULL;
    g_autofree const char **records = NULL;
    g_autofree char *id = refuse_migration(f);
    const char *text;

    list = call_on(f, ROOT, MANAGER "/ListMigrations", g_variant_new("(u)", 5), &error);
    g_assert_no_error(error);
    g_variant_get(list, "(^a&s)", &records);
    g_assert_cmpuint(g_strv_length((char **)records), ==, 1);
    record = call_on(f, ROOT, MANAGER "/GetMigration", g_variant_new("(s)", id), &error);
    g_assert_no_error(error);
    g_variant_get(record, "(&s)", &text);
    g_assert_cmpstr(text, ==, records[0]);
    g_assert_nonnull(strstr(text, "source-unknown"));
}

static void test_diagnosis_is_handed_on(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = call_on(f, ROOT, MANAGER "/Diagnose", NULL, &error);
    g_autofree char *text = NULL;

    g_assert_no_error(error);
    text = g_variant_print(answer, FALSE);
    g_assert_cmpstr(text, ==, "([{'code': <'hook-missing'>}],)");
}

static void test_reload_tells_why_it_failed(Fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) ok = NULL;
    g_autoptr(GError) error = NULL;

    f->reload_fails = TRUE;
    assert_fails(f, MANAGER "/Reload", NULL, "org.tbsyncd1.Error.Invalid");
    f->reload_fails = FALSE;
    ok = call_on(f, ROOT, MANAGER "/Reload", NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(f->reloads, ==, 2);
}

/* "PATH NAME", and with PropertiesChanged what changed. */
static void on_signal(GDBusConnection *connection, const char *sender, const char *path,
                      const char *interface, const char *name, GVariant *parameters, void *data)
{
    g_autoptr(GVariant) dict = NULL;
    GString *text = g_string_new(NULL);
    GVariantIter iter;
    const char *word;

    if (g_str_equal(name, "PropertiesChanged")) {
        g_string_printf(text, "%s changed", path);
        dict = g_variant_get_child_value(parameters, 1);
        g_variant_iter_init(&iter, dict);
        while (g_variant_iter_next(&iter, "{&sv}", &word, NULL))
            g_string_append_printf(text, " %s", word);
    } else {
        g_variant_get_child(parameters, 0, "&o", &word);
        g_string_printf(text, "%s %s", word, name);
    }
    g_ptr_array_add(data, g_string_free(text, FALSE));
}

/* (transfer full) of what on_signal() says, as it comes in. */
static GPtrArray *listen_to_signals(Fixture *f)
{
    GPtrArray *heard = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < 2; i++)
        g_dbus_connection_signal_subscribe(f->client, "org.tbsyncd1",
                                           i == 0 ? "org.freedesktop.DBus.Properties" : "org.freedesktop.DBus.ObjectManager", NULL,
                                           NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, heard, NULL);
    g_variant_unref(call_on(f, ROOT, "org.freedesktop.DBus.Peer/Ping", NULL, NULL));
    return heard;
}

static gboolean was_heard(const GPtrArray *heard, const char *what)
{
    for (guint i = 0; i < heard->len; i++)
        if (g_str_equal(heard->pdata[i], what))
            return TRUE;
    return FALSE;
}

static void test_changes_are_signalled(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) heard = listen_to_signals(f);

    bus_service_peer_changed(f->service, peers_by_name(f->node.peers, "alpha"));
    WAIT_UNTIL(was_heard(heard, ROOT "/peer/alpha changed State Error Host"));
    bus_service_manager_changed(f->service);
    WAIT_UNTIL(was_heard(heard, ROOT " changed Host LibvirtState LibvirtError TimingEvents Listen KvmNote"));
    bus_service_hook_changed(f->service);
    WAIT_UNTIL(was_heard(heard, ROOT " changed HookState HookPath"));
}

static void test_samples_are_signalled_if_the_relation_changes_its_state(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) heard = listen_to_signals(f);
    Peer *peer = peers_by_name(f->node.peers, "alpha");
    RelationParams params = { .timebase_hz = 512000000, .drift_ppb = 100000 };
    Exchange exchange = { .l1 = { 1 }, .r2 = { 5 }, .r3 = { 6 }, .l4 = { 20 } };

    relation_init(&peer->relation, &params);
    peer->has_relation = TRUE;
    bus_service_peer_sampled(f->service, peer); /* nothing but that nothing is known */
    peer->relation_state = relation_add(&peer->relation, &exchange);
    bus_service_peer_sampled(f->service, peer);
    bus_service_peer_sampled(f->service, peer);
    WAIT_UNTIL(was_heard(heard, ROOT "/peer/alpha changed RelationState"));
    g_variant_unref(call_on(f, ROOT, "org.freedesktop.DBus.Peer/Ping", NULL, NULL));
    g_assert_cmpuint(heard->len, ==, 1);
}

static void test_peers_come_and_go_with_a_reload(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) heard = listen_to_signals(f);
    ConfigPeer *peer = &f->node.peer_configs[0];
    char *name = peer->name;

    peer->name = (char *)"gamma";
    peers_reload(f->node.peers, &f->node.config, f->node.tls);
    bus_service_peers_changed(f->service);
    WAIT_UNTIL(was_heard(heard, ROOT "/peer/alpha InterfacesRemoved"));
    WAIT_UNTIL(was_heard(heard, ROOT "/peer/gamma InterfacesAdded"));
    peer->port++;
    peers_reload(f->node.peers, &f->node.config, f->node.tls);
    bus_service_peers_changed(f->service);
    WAIT_UNTIL(was_heard(heard, ROOT "/peer/gamma changed Address"));
    peer->name = name;
}

static char *origin_of(Fixture *f, const char *path)
{
    g_autoptr(GVariant) reply = call_on(f, path, "org.freedesktop.DBus.Properties/Get",
                                        g_variant_new("(ss)", "org.tbsyncd1.Peer", "Origin"), NULL);
    g_autoptr(GVariant) value = g_variant_get_child_value(reply, 0);

    return g_variant_dup_string(g_variant_get_variant(value), NULL);
}

static void test_peer_tells_where_it_comes_from(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) heard = listen_to_signals(f);
    ConfigPeer found = f->node.peer_configs[0];
    g_autofree char *before = origin_of(f, ROOT "/peer/alpha"), *after = NULL;

    g_assert_cmpstr(before, ==, "configuration");
    peers_set_found(f->node.peers, &found, 1); /* the configuration stands above it */
    bus_service_peers_changed(f->service);
    f->node.config.n_peers = 0;
    peers_reload(f->node.peers, &f->node.config, f->node.tls);
    bus_service_peers_changed(f->service);
    WAIT_UNTIL(was_heard(heard, ROOT "/peer/alpha changed Origin"));
    g_assert_cmpuint(heard->len, ==, 1);
    after = origin_of(f, ROOT "/peer/alpha");
    g_assert_cmpstr(after, ==, "dns");
}

static void test_bus_that_went_away_is_told(Fixture *f, gconstpointer data)
{
    g_dbus_connection_set_exit_on_close(f->client, FALSE);
    g_clear_object(&f->client);
    g_test_dbus_stop(f->dbus);
    WAIT_UNTIL(!f->owned);
}

#define ADD(name, function)                                                                        \
    g_test_add("/bus-service/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK); /* refusals are warnings */
    ADD("vtables-are-the-contract", test_vtables_are_the_contract);
    ADD("peers-are-managed-objects", test_peers_are_managed_objects);
    ADD("log-level-is-set-at-run-time", test_log_level_is_set_at_run_time);
    ADD("wrong-arguments-have-their-own-errors", test_wrong_arguments_have_their_own_errors);
    ADD("refused-migration-is-listed", test_refused_migration_is_listed);
    ADD("diagnosis-is-handed-on", test_diagnosis_is_handed_on);
    ADD("reload-tells-why-it-failed", test_reload_tells_why_it_failed);
    ADD("changes-are-signalled", test_changes_are_signalled);
    ADD("samples-are-signalled-if-the-relation-changes-its-state", test_samples_are_signalled_if_the_relation_changes_its_state);
    ADD("peers-come-and-go-with-a-reload", test_peers_come_and_go_with_a_reload);
    ADD("peer-tells-where-it-comes-from", test_peer_tells_where_it_comes_from);
    ADD("bus-that-went-away-is-told", test_bus_that_went_away_is_told);
    return g_test_run();
}
