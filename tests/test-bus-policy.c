/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus policy that is installed: a dbus-daemon with it, and the default policy of a system bus.
 *
 * All processes of a test have one user, so that it is the policy's users that are moved: this one is written for "tbsyncd", "root" or group
 * "libvirt" where the case plays them, and a user or group that nobody has for the others. That the same holds with the
 * real users is shown in the lab (tests/lab/test-systemd.py).
 */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define NAME "org.tbsyncd1"
#define ROOT "/org/tbsyncd1"

/* As /usr/share/dbus-1/system.conf has it. */
static const char base[] =
    "<busconfig><type>system</type><listen>unix:dir=%s</listen><auth>EXTERNAL</auth><policy context='default'>"
    "<allow user='*'/><deny own='*'/><deny send_type='method_call'/><allow send_type='signal'/>"
    "<allow send_requested_reply='true' send_type='method_return'/><allow send_requested_reply='true' send_type='error'/>"
    "<allow receive_type='method_call'/><allow receive_type='method_return'/><allow receive_type='error'/>"
    "<allow receive_type='signal'/><allow send_destination='org.freedesktop.DBus'/></policy><include>%s</include></busconfig>\n";

typedef struct Roles {
    gboolean tbsyncd, root, libvirt; /* who this process is to the policy */
} Roles;

typedef struct Fixture {
    char *directory, *policy, *config;
    GSubprocess *daemon;
    GDBusConnection *service, *client;
} Fixture;

/* "NOBODY" is no number and no name. */
static void play(GString *policy, const char *attribute, guint id, gboolean played)
{
    g_autofree char *mine = g_strdup_printf("%.*s=\"%u\"", (int)strcspn(attribute, "="), attribute, id);
    g_autofree char *nobody = g_strdup_printf("%.*s=\"4294967290\"", (int)strcspn(attribute, "="), attribute);

    g_assert_cmpuint(g_string_replace(policy, attribute, played ? mine : nobody, 0), ==, 1); /* the installed file names it once */
}

static void write_files(Fixture *f, const Roles *roles)
{
    g_autofree char *text = NULL, *config = g_strdup_printf(base, f->directory, f->policy);
    g_autoptr(GString) policy = NULL;

    g_assert_true(g_file_get_contents(SOURCE_ROOT "/data/dbus-1/org.tbsyncd1.conf", &text, NULL, NULL));
    policy = g_string_new(text);
    play(policy, "user=\"tbsyncd\"", getuid(), roles->tbsyncd);
    play(policy, "user=\"root\"", getuid(), roles->root);
    play(policy, "group=\"libvirt\"", getgid(), roles->libvirt);
    g_assert_true(g_file_set_contents(f->policy, policy->str, -1, NULL));
    g_assert_true(g_file_set_contents(f->config, config, -1, NULL));
}

static GDBusConnection *connect_to(const char *address)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection = g_dbus_connection_new_for_address_sync(
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &error);

    g_assert_no_error(error);
    return connection;
}

static guint32 request_name(const Fixture *f, GError **error)
{
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_sync(f->service, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                                    g_variant_new("(su)", NAME, 0), G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
    guint32 result = 0;

    if (reply)
        g_variant_get(reply, "(u)", &result);
    return result;
}

static void set_up(Fixture *f, gconstpointer roles)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDataInputStream) out = NULL;
    g_autofree char *address = NULL;

    f->directory = g_dir_make_tmp("tbsync-policy-XXXXXX", &error);
    f->policy = g_build_filename(f->directory, "policy.conf", NULL);
    f->config = g_build_filename(f->directory, "bus.conf", NULL);
    write_files(f, roles);
    f->daemon = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, "dbus-daemon", "--nofork",
                                 "--nopidfile", "--print-address", "--config-file", f->config, NULL);
    g_assert_no_error(error);
    out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(f->daemon));
    address = g_data_input_stream_read_line(out, NULL, NULL, &error);
    g_assert_no_error(error);
    f->service = connect_to(address);
    f->client = connect_to(address);
}

static void tear_down(Fixture *f, gconstpointer roles)
{
    g_autoptr(GDir) directory = g_dir_open(f->directory, 0, NULL);
    const char *name;

    g_clear_object(&f->client);
    g_clear_object(&f->service);
    g_subprocess_force_exit(f->daemon);
    g_subprocess_wait(f->daemon, NULL, NULL);
    g_object_unref(f->daemon);
    while ((name = g_dir_read_name(directory))) {
        g_autofree char *path = g_build_filename(f->directory, name, NULL);

        g_remove(path);
    }
    g_rmdir(f->directory);
    g_free(f->directory);
    g_free(f->policy);
    g_free(f->config);
}

/* ---- calls: what the policy lets through is answered, or refused with another error since there is no such object ---- */

typedef struct Call {
    gboolean done;
    GError *error;
} Call;

static void on_replied(GObject *source, GAsyncResult *result, void *data)
{
    Call *call = data;
    g_autoptr(GDBusMessage) reply =
        g_dbus_connection_send_message_with_reply_finish(G_DBUS_CONNECTION(source), result, &call->error);

    if (reply)
        g_dbus_message_to_gerror(reply, &call->error);
    call->done = TRUE;
}

/* interface: NULL: without one, which D-Bus allows. */
static gboolean is_let_through(const Fixture *f, const char *interface, const char *method)
{
    g_autoptr(GDBusMessage) message = g_dbus_message_new_method_call(NAME, ROOT, interface, method);
    Call call = { FALSE, NULL };
    g_autoptr(GError) error = NULL;

    g_dbus_connection_send_message_with_reply(f->client, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, -1, NULL, NULL, on_replied, &call);
    while (!call.done)
        g_main_context_iteration(NULL, TRUE);
    error = call.error;
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
        return FALSE;
    if (error && !g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) &&
        !g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT))
        g_error("%s.%s: %s", interface ? interface : "", method, error->message);
    return TRUE;
}

typedef struct Right {
    const char *interface, *method;
    gboolean anyone;
} Right;

/* Every method of the contract, and what a bus object has beside it. */
static const Right rights[] = {
    { "org.tbsyncd1.Manager", "CheckIncoming", FALSE },
    { "org.tbsyncd1.Manager", "CheckRestore", FALSE },
    { "org.tbsyncd1.Manager", "Check", TRUE },
    { "org.tbsyncd1.Manager", "Rank", TRUE },
    { "org.tbsyncd1.Manager", "ListGuests", TRUE },
    { "org.tbsyncd1.Manager", "ListPeerGuests", TRUE },
    { "org.tbsyncd1.Manager", "ListMigrations", TRUE },
    { "org.tbsyncd1.Manager", "GetMigration", TRUE },
    { "org.tbsyncd1.Manager", "Diagnose", TRUE },
    { "org.tbsyncd1.Manager", "Reload", FALSE },
    { "org.tbsyncd1.Peer", "GetHistory", TRUE },
    { "org.freedesktop.DBus.Properties", "Get", TRUE },
    { "org.freedesktop.DBus.Properties", "GetAll", TRUE },
    { "org.freedesktop.DBus.Properties", "Set", FALSE }, /* the log level */
    { "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", TRUE },
    { "org.freedesktop.DBus.Introspectable", "Introspect", TRUE },
    { "org.freedesktop.DBus.Peer", "Ping", TRUE },
};

static void assert_rights(const Fixture *f, gboolean may_act)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(request_name(f, &error), ==, 1);
    g_assert_no_error(error);
    for (guint i = 0; i < G_N_ELEMENTS(rights); i++)
        if (is_let_through(f, rights[i].interface, rights[i].method) != (may_act || rights[i].anyone))
            g_error("%s.%s is%s let through", rights[i].interface, rights[i].method, may_act || rights[i].anyone ? " not" : "");
}

/* ---- cases ---- */

static void test_anyone_may_read_and_nothing_else(Fixture *f, gconstpointer roles)
{
    assert_rights(f, FALSE);
    for (guint i = 0; i < G_N_ELEMENTS(rights); i++)
        g_assert_true(rights[i].anyone || !is_let_through(f, NULL, rights[i].method));
}

static void test_who_may_act(Fixture *f, gconstpointer roles)
{
    assert_rights(f, TRUE);
}

static void test_nobody_else_owns_the_name(Fixture *f, gconstpointer roles)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(request_name(f, &error), ==, 0);
    g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
}

static void on_signal(GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name,
                      GVariant *parameters, void *data)
{
    *(gboolean *)data = TRUE;
}

static void test_anyone_hears_the_signals(Fixture *f, gconstpointer roles)
{
    gboolean heard = FALSE;
    guint id;

    g_assert_cmpuint(request_name(f, NULL), ==, 1);
    id = g_dbus_connection_signal_subscribe(f->client, NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", ROOT, NULL,
                                            G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &heard, NULL);
    g_assert_true(is_let_through(f, "org.freedesktop.DBus.Peer", "Ping")); /* the bus knows of the subscription */
    g_assert_true(g_dbus_connection_emit_signal(f->service, NULL, ROOT, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                                g_variant_new_parsed("('org.tbsyncd1.Manager', @a{sv} {}, @as [])"), NULL));
    while (!heard)
        g_main_context_iteration(NULL, TRUE);
    g_dbus_connection_signal_unsubscribe(f->client, id);
}

/* A new method is everybody's unless the policy names it: it has to be decided on. */
static void test_each_method_of_the_contract_is_decided_on(void)
{
    g_autofree char *xml = NULL;
    g_autoptr(GDBusNodeInfo) node = NULL;
    guint n = 0;

    g_assert_true(g_file_get_contents(SOURCE_ROOT "/data/dbus-1/org.tbsyncd1.xml", &xml, NULL, NULL));
    node = g_dbus_node_info_new_for_xml(xml, NULL);
    for (guint i = 0; node->interfaces[i]; i++) {
        for (guint j = 0; node->interfaces[i]->methods && node->interfaces[i]->methods[j]; j++, n++) {
            const char *name = node->interfaces[i]->methods[j]->name;
            gboolean found = FALSE;

            for (guint k = 0; k < G_N_ELEMENTS(rights); k++)
                found |= g_str_equal(rights[k].interface, node->interfaces[i]->name) && g_str_equal(rights[k].method, name);
            if (!found)
                g_error("%s.%s: who may call it?", node->interfaces[i]->name, name);
        }
    }
    g_assert_cmpuint(n, >, 0);
}

#define ADD(name, roles, function) g_test_add("/bus-policy/" name, Fixture, roles, set_up, function, tear_down)

int main(int argc, char **argv)
{
    static const Roles anyone = { .tbsyncd = TRUE }, root = { .tbsyncd = TRUE, .root = TRUE };
    static const Roles libvirt = { .tbsyncd = TRUE, .libvirt = TRUE }, others = { .root = TRUE, .libvirt = TRUE };

    g_test_init(&argc, &argv, NULL);
    ADD("anyone-may-read-and-nothing-else", &anyone, test_anyone_may_read_and_nothing_else);
    ADD("anyone-hears-the-signals", &anyone, test_anyone_hears_the_signals);
    ADD("root-may-act", &root, test_who_may_act);
    ADD("group-libvirt-may-act", &libvirt, test_who_may_act);
    ADD("nobody-else-owns-the-name", &others, test_nobody_else_owns_the_name);
    g_test_add_func("/bus-policy/each-method-of-the-contract-is-decided-on", test_each_method_of_the_contract_is_decided_on);
    return g_test_run();
}
