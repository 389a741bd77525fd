/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "sd-source.h"
#include "sd-variant.h"

/* ---- the service ---- */

static int reply_variant(sd_bus_message *call, const char *first, GVariant *second, GVariant *third, const char *fourth)
{
    sd_bus_message *reply = NULL;

    g_assert_cmpint(sd_bus_message_new_method_return(call, &reply), >=, 0);
    g_assert_cmpint(sd_bus_message_append(reply, "s", first), >=, 0);
    g_assert_cmpint(sd_variant_append(reply, second), >=, 0);
    if (third != NULL)
        g_assert_cmpint(sd_variant_append(reply, third), >=, 0);
    if (fourth != NULL)
        g_assert_cmpint(sd_bus_message_append(reply, "s", fourth), >=, 0);
    g_assert_cmpint(sd_bus_send(NULL, reply, NULL), >=, 0);
    sd_bus_message_unref(reply);
    return 1;
}

/* 0: answer it; else what the handler returns. */
static int called(Fixture *fixture, sd_bus_message *call, const char *member)
{
    fixture->calls++;
    g_free(fixture->member);
    fixture->member = g_strdup(member);
    if (fixture->die)
        sd_bus_close(fixture->service);
    if (fixture->hang) {
        sd_bus_message_unref(fixture->held);
        fixture->held = sd_bus_message_ref(call);
    }
    if (fixture->hang || fixture->die)
        return 1;
    if (fixture->error_name != NULL)
        return sd_bus_reply_method_errorf(call, fixture->error_name, "%s", fixture->error_message);
    return 0;
}

static void take_guest(Fixture *fixture, sd_bus_message *call)
{
    g_clear_pointer(&fixture->guest, g_variant_unref);
    g_assert_cmpint(sd_variant_read(call, "a{sv}", &fixture->guest), ==, 1);
}

static GVariant *new_plan(void)
{
    return g_variant_new_parsed("{'offset_ticks': <int64 -16777216>, 'offset_hi_ticks': <int64 0>, 'exact': <false>,"
                                " 'nearest_ticks': <int64 -16777216>, 'jump_lo_ticks': <int64 512>,"
                                " 'jump_hi_ticks': <int64 16777215>}");
}

static int on_check_incoming(sd_bus_message *call, void *data, sd_bus_error *error)
{
    Fixture *fixture = data;
    int r;

    take_guest(fixture, call);
    r = called(fixture, call, "CheckIncoming");
    return r != 0 ? r : reply_variant(call, fixture->decision, fixture->findings, new_plan(), "m1");
}

static int on_check_restore(sd_bus_message *call, void *data, sd_bus_error *error)
{
    Fixture *fixture = data;
    int r;

    take_guest(fixture, call);
    r = called(fixture, call, "CheckRestore");
    return r != 0 ? r : reply_variant(call, fixture->decision, fixture->findings, NULL, NULL);
}

static int on_check(sd_bus_message *call, void *data, sd_bus_error *error)
{
    Fixture *fixture = data;
    const char *guest, *host;
    g_autoptr(GVariant) assume = NULL;
    g_autofree char *printed = NULL;
    int r = called(fixture, call, "Check");

    g_assert_cmpint(sd_bus_message_read(call, "ss", &guest, &host), >=, 0);
    g_assert_cmpint(sd_variant_read(call, "as", &assume), ==, 1);
    printed = g_variant_print(assume, FALSE);
    g_free(fixture->text);
    fixture->text = g_strdup_printf("%s %s %s", guest, host, printed);
    return r != 0 ? r : reply_variant(call, fixture->decision, fixture->findings, new_plan(), NULL);
}

static int on_list_guests(sd_bus_message *call, void *data, sd_bus_error *error)
{
    Fixture *fixture = data;
    sd_bus_message *reply = NULL;
    int r = called(fixture, call, "ListGuests");

    if (r != 0)
        return r;
    g_assert_cmpint(sd_bus_message_new_method_return(call, &reply), >=, 0);
    g_assert_cmpint(
        sd_variant_append(reply,
                          g_variant_new_parsed("[{'uuid': <'5a5a5a5a-1111-4222-8333-00000000beef'>, 'name': <'web1'>,"
                                               " 'arch': <'ppc64'>, 'accel': <'kvm'>, 'machine_type': <'pseries-7.2'>,"
                                               " 'max_cpu_compat': <'power8'>, 'active': <true>,"
                                               " 'tb_offset_ticks': <int64 -33554432>},"
                                               " {'name': <'pc'>, 'arch': <'other'>, 'active': <false>}]")),
        >=, 0);
    g_assert_cmpint(sd_bus_send(NULL, reply, NULL), >=, 0);
    sd_bus_message_unref(reply);
    return 1;
}

static int on_list_peer_guests(sd_bus_message *call, void *data, sd_bus_error *error)
{
    Fixture *fixture = data;
    sd_bus_message *reply = NULL;
    const char *peer;

    g_assert_cmpint(sd_bus_message_read(call, "s", &peer), >=, 0);
    g_free(fixture->text);
    fixture->text = g_strdup(peer);
    if (fixture->hang_peer) {
        fixture->held = sd_bus_message_ref(call);
        return 1;
    }
    if (fixture->peer_error != NULL)
        return sd_bus_reply_method_errorf(call, "org.tbsyncd1.Error.Unavailable", "%s", fixture->peer_error);
    g_assert_cmpint(sd_bus_message_new_method_return(call, &reply), >=, 0);
    g_assert_cmpint(
        sd_variant_append(reply,
                          g_variant_new_parsed("[{'uuid': <'5a5a5a5a-1111-4222-8333-00000000d00d'>, 'name': <'db1'>,"
                                               " 'arch': <'ppc64le'>, 'accel': <'kvm'>, 'machine_type': <'pseries-7.2'>,"
                                               " 'max_cpu_compat': <''>, 'effective_mode': <'power10'>,"
                                               " 'mmu': <'radix'>, 'active': <true>}]")),
        >=, 0);
    g_assert_cmpint(sd_bus_message_append(reply, "b", 1), >=, 0);
    g_assert_cmpint(sd_bus_send(NULL, reply, NULL), >=, 0);
    sd_bus_message_unref(reply);
    return 1;
}

static int on_rank(sd_bus_message *call, void *data, sd_bus_error *error)
{
    Fixture *fixture = data;
    sd_bus_message *reply = NULL;
    int r = called(fixture, call, "Rank");

    if (r != 0)
        return r;
    g_autoptr(GVariant) list = g_variant_ref_sink(
        g_variant_parse(G_VARIANT_TYPE("aa{sv}"), fixture->ranked != NULL ? fixture->ranked : "[]", NULL, NULL, NULL));
    g_assert_cmpint(sd_bus_message_new_method_return(call, &reply), >=, 0);
    g_assert_cmpint(sd_variant_append(reply, list), >=, 0);
    g_assert_cmpint(sd_bus_send(NULL, reply, NULL), >=, 0);
    sd_bus_message_unref(reply);
    return 1;
}

static int on_diagnose(sd_bus_message *call, void *data, sd_bus_error *error)
{
    Fixture *fixture = data;
    sd_bus_message *reply = NULL;
    int r = called(fixture, call, "Diagnose");

    if (r != 0)
        return r;
    g_autoptr(GVariant) list = g_variant_ref_sink(
        g_variant_parse(G_VARIANT_TYPE("aa{sv}"), fixture->problems != NULL ? fixture->problems : "[]", NULL, NULL, NULL));
    g_assert_cmpint(sd_bus_message_new_method_return(call, &reply), >=, 0);
    g_assert_cmpint(sd_variant_append(reply, list), >=, 0);
    g_assert_cmpint(sd_bus_send(NULL, reply, NULL), >=, 0);
    sd_bus_message_unref(reply);
    return 1;
}

#define RECORD                                                                                                         \
    "{\"version\":1,\"id\":\"20261121T031500Z-web1\",\"state\":\"completed\",\"name\":\"web1\","                      \
    "\"uuid\":\"5a5a5a5a-1111-4222-8333-00000000beef\",\"source\":\"beta\",\"destination\":\"alpha\","                \
    "\"decided_real_ns\":1795230753193191666,\"timebase_hz\":512000000,\"decision\":\"allow\","                      \
    "\"findings\":[{\"code\":\"mode-assumed\",\"severity\":\"note\",\"text\":\"assumed power9\",\"advice\":\"\"}],"    \
    "\"plan\":{\"offset_ticks\":-16777216,\"jump_lo_ticks\":512,\"jump_hi_ticks\":16777215},"                          \
    "\"audit\":{\"known\":true,\"blackout_lo_ns\":36000000,\"events\":[1]}}"

static int on_list_migrations(sd_bus_message *call, void *data, sd_bus_error *error)
{
    Fixture *fixture = data;
    guint32 limit = 0;
    int r = called(fixture, call, "ListMigrations");

    g_assert_cmpint(sd_bus_message_read(call, "u", &limit), >=, 0);
    g_free(fixture->text);
    fixture->text = g_strdup_printf("%u", limit);
    return r != 0 ? r : sd_bus_reply_method_return(call, "as", 1, RECORD);
}

static int on_get_migration(sd_bus_message *call, void *data, sd_bus_error *error)
{
    int r = called(data, call, "GetMigration");

    return r != 0 ? r : sd_bus_reply_method_return(call, "s", RECORD);
}

static int on_get_text(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *data, sd_bus_error *error)
{
    static const char *const values[][2] = { { "Version", "0.1.0" },
                                             { "LibvirtState", "down" },
                                             { "LibvirtError", "the connection was lost" },
                                             { "HookPath", "/etc/libvirt/hooks/qemu.d/90-tbsyncd" },
                                             { "Listen", "[::]:16524" },
                                             { "KvmNote", "" },
                                             { "Name", "beta" },
                                             { "Address", "beta.example.org:16524" },
                                             { "State", "refused" },
                                             { "Error", "its certificate is of\nanother \033[31mhost" },
                                             { "RelationState", "ok" } };

    if (((Fixture *)data)->linked && (g_str_equal(property, "State") || g_str_equal(property, "Error")))
        return sd_bus_message_append(reply, "s", *property == 'S' ? "linked" : "");
    if (g_str_equal(property, "Origin"))
        return sd_bus_message_append(reply, "s", ((Fixture *)data)->by_dns ? "dns" : "configuration");
    if (g_str_equal(property, "HookState"))
        return sd_bus_message_append(reply, "s", ((Fixture *)data)->hook);
    for (guint i = 0; i < G_N_ELEMENTS(values); i++)
        if (g_str_equal(values[i][0], property))
            return sd_bus_message_append(reply, "s", values[i][1]);
    return -ENOENT;
}

static int on_get_host(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *data, sd_bus_error *error)
{
    const Fixture *fixture = data;
    gboolean own = g_str_equal(interface, "org.tbsyncd1.Manager");

    return sd_variant_append(reply, g_variant_new_parsed("{'name': <%s>, 'simulated': <true>, 'pvr': <%u>,"
                                                         " 'kvm': <'hv'>, 'kernel': <'6.1.0'>, 'qemu_version': <'7.2.22'>,"
                                                         " 'machine_types': <['pseries-7.2']>,"
                                                         " 'timebase_hz': <uint64 512000000>}",
                                                         own ? "alpha" : "beta",
                                                         !own && fixture->peer_pvr != 0 ? fixture->peer_pvr : 0x004e1202));
}

static int on_get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *data, sd_bus_error *error)
{
    if (g_str_equal(property, "TimebaseTicks"))
        return sd_bus_message_append(reply, "t", G_MAXUINT64);
    if (g_str_equal(property, "TimebaseRelationTicks"))
        return sd_bus_message_append(reply, "(xx)", (gint64)-1025, (gint64)512);
    if (g_str_equal(property, "TodRelationNSec"))
        return sd_bus_message_append(reply, "(xx)", (gint64)-1500, (gint64)2500);
    if (g_str_equal(property, "RelationAgeNSec"))
        return sd_bus_message_append(reply, "x", (gint64)3200000000);
    return sd_bus_message_append(reply, "u", 72u);
}

static int on_get_flag(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *data, sd_bus_error *error)
{
    return sd_bus_message_append(reply, "b", g_str_equal(property, "RelationStored") ? (int)((const Fixture *)data)->stored : 1);
}

#define METHOD(name, in, out, handler) SD_BUS_METHOD(name, in, out, handler, SD_BUS_VTABLE_UNPRIVILEGED)
#define TEXT(name)                     SD_BUS_PROPERTY(name, "s", on_get_text, 0, 0)

static const sd_bus_vtable manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    METHOD("CheckIncoming", "a{sv}", "saa{sv}a{sv}s", on_check_incoming),
    METHOD("CheckRestore", "a{sv}", "saa{sv}", on_check_restore),
    METHOD("Check", "ssas", "saa{sv}a{sv}", on_check),
    METHOD("ListGuests", NULL, "aa{sv}", on_list_guests),
    METHOD("ListPeerGuests", "s", "aa{sv}b", on_list_peer_guests),
    METHOD("Rank", "s", "aa{sv}", on_rank),
    METHOD("Diagnose", NULL, "aa{sv}", on_diagnose),
    METHOD("ListMigrations", "u", "as", on_list_migrations),
    METHOD("GetMigration", "s", "s", on_get_migration),
    TEXT("Version"),
    TEXT("LibvirtState"),
    TEXT("LibvirtError"),
    SD_BUS_PROPERTY("HookState", "s", on_get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    TEXT("HookPath"),
    TEXT("Listen"),
    TEXT("KvmNote"),
    SD_BUS_PROPERTY("TimingEvents", "b", on_get_flag, 0, 0),
    SD_BUS_PROPERTY("TimebaseTicks", "t", on_get_number, 0, 0),
    SD_BUS_PROPERTY("Host", "a{sv}", on_get_host, 0, 0),
    SD_BUS_VTABLE_END,
};

/* Three points, 512 ticks (1 us) wide; one that is none. */
static int on_get_history(sd_bus_message *call, void *data, sd_bus_error *error)
{
    const Fixture *fixture = data;

    if (fixture->error_name != NULL)
        return sd_bus_reply_method_errorf(call, fixture->error_name, "%s", fixture->error_message);
    return sd_bus_reply_method_return(call, "a(xxx)", fixture->linked ? 4 : 0, (gint64)120000000000, (gint64)0, (gint64)512,
                                      (gint64)90000000000, (gint64)9, (gint64)8, (gint64)60000000000, (gint64)0, (gint64)512,
                                      (gint64)4000000000, (gint64)0, (gint64)512);
}

static const sd_bus_vtable peer_vtable[] = {
    SD_BUS_VTABLE_START(0),
    METHOD("GetHistory", NULL, "a(xxx)", on_get_history),
    TEXT("Name"),
    TEXT("Address"),
    TEXT("Origin"),
    SD_BUS_PROPERTY("State", "s", on_get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Error", "s", on_get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("RelationState", "s", on_get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("RelationStored", "b", on_get_flag, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Host", "a{sv}", on_get_host, 0, 0),
    SD_BUS_PROPERTY("TimebaseRelationTicks", "(xx)", on_get_number, 0, 0),
    SD_BUS_PROPERTY("TodRelationNSec", "(xx)", on_get_number, 0, 0),
    SD_BUS_PROPERTY("RelationAgeNSec", "x", on_get_number, 0, 0),
    SD_BUS_PROPERTY("Exchanges", "u", on_get_number, 0, 0),
    SD_BUS_VTABLE_END,
};

static void start_service(Fixture *fixture)
{
    sd_bus *service = NULL;

    g_assert_cmpint(sd_bus_new(&service), >=, 0);
    g_assert_cmpint(sd_bus_set_address(service, g_test_dbus_get_bus_address(fixture->bus)), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(service, 1), >=, 0);
    g_assert_cmpint(sd_bus_start(service), >=, 0);
    sd_bus_add_object_manager(service, NULL, "/org/tbsyncd1");
    sd_bus_add_object_vtable(service, NULL, "/org/tbsyncd1", "org.tbsyncd1.Manager", manager_vtable, fixture);
    sd_bus_add_object_vtable(service, NULL, "/org/tbsyncd1/peer/beta", "org.tbsyncd1.Peer", peer_vtable, fixture);
    g_assert_cmpint(sd_bus_request_name(service, "org.tbsyncd1", 0), >=, 0);
    fixture->service = service;
    fixture->source = sd_source_attach(service, NULL, NULL, NULL);
}

/* ---- the fixture ---- */

void fixture_answer_held(Fixture *fixture)
{
    g_assert_nonnull(fixture->held);
    g_assert_cmpint(sd_bus_reply_method_errorf(fixture->held, fixture->error_name, "%s", fixture->error_message), >=, 0);
    g_clear_pointer(&fixture->held, sd_bus_message_unref);
}

Fixture *fixture_new(gboolean with_service)
{
    Fixture *fixture = g_new0(Fixture, 1);
    g_autofree char *directory = g_dir_make_tmp("tbsync-ctl-XXXXXX", NULL);

    fixture->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(fixture->bus);
    fixture->config = g_build_filename(directory, "tbsyncd.conf", NULL);
    fixture->decision = "allow";
    fixture->hook = "not-executable";
    fixture->findings = g_variant_ref_sink(g_variant_new("aa{sv}", NULL));
    if (with_service)
        start_service(fixture);
    return fixture;
}

void fixture_free(Fixture *fixture)
{
    g_autofree char *directory = g_path_get_dirname(fixture->config);

    sd_source_remove(fixture->source);
    sd_bus_message_unref(fixture->held);
    sd_bus_flush_close_unref(fixture->service);
    g_test_dbus_down(fixture->bus);
    g_object_unref(fixture->bus);
    g_remove(fixture->config);
    g_rmdir(directory);
    g_variant_unref(fixture->findings);
    g_clear_pointer(&fixture->guest, g_variant_unref);
    g_free(fixture->config);
    g_free(fixture->member);
    g_free(fixture->text);
    g_free(fixture);
}

void fixture_add_finding(Fixture *fixture, const char *severity, const char *code, const char *text, const char *advice)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (gsize i = 0; i < g_variant_n_children(fixture->findings); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(fixture->findings, i);
        g_variant_builder_add_value(&list, child);
    }
    g_variant_builder_add_parsed(&list, "{'severity': <%s>, 'code': <%s>, 'text': <%s>, 'advice': <%s>}", severity, code,
                                 text, advice);
    g_variant_unref(fixture->findings);
    fixture->findings = g_variant_ref_sink(g_variant_builder_end(&list));
}

void fixture_write_config(Fixture *fixture, const char *text)
{
    g_assert_true(g_file_set_contents(fixture->config, text, -1, NULL));
}

/* ---- running ---- */

static char *to_text(GBytes *bytes)
{
    gsize length = 0;
    const char *text = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;

    return text != NULL ? g_strndup(text, length) : g_strdup("");
}

typedef struct Result {
    gboolean done;
    Run run;
} Result;

static void on_done(GObject *source, GAsyncResult *async, void *data)
{
    Result *result = data;
    g_autoptr(GBytes) out = NULL;
    g_autoptr(GBytes) err = NULL;
    g_autoptr(GError) error = NULL;

    /* It may leave before it has read all of stdin. */
    if (!g_subprocess_communicate_finish(G_SUBPROCESS(source), async, &out, &err, &error))
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
    result->run.out = to_text(out);
    result->run.err = to_text(err);
    result->done = TRUE;
}

static gboolean has_user_namespaces(void)
{
    const char *const words[] = { "unshare", "--user", "true", NULL };
    int status = -1;

    return g_spawn_sync(NULL, (char **)words, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status, NULL) &&
           status == 0;
}

/* The hook looks at its user: root is made in a user namespace if we are not, and nobody if we are. In a chroot there is none to be
 * had: there another user is made, with the right to read what root's home holds. */
static void add_user(GPtrArray *arguments, gboolean as_user)
{
    static const char *const root[] = { "unshare", "--user", "--map-root-user", NULL };
    static const char *const nobody[] = { "unshare", "--user", NULL };
    static const char *const user[] = {
        "setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override", NULL
    };

    if ((geteuid() == 0) != as_user)
        return;
    for (const char *const *word = !as_user ? root : has_user_namespaces() ? nobody : user; *word != NULL; word++)
        g_ptr_array_add(arguments, (char *)*word);
}

GSubprocess *fixture_spawn(Fixture *fixture, const char *const *words)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                  (fixture->stderr_fd != 0 ? G_SUBPROCESS_FLAGS_NONE : G_SUBPROCESS_FLAGS_STDERR_PIPE));
    g_autoptr(GPtrArray) arguments = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    GSubprocess *child;

    if (fixture->stderr_fd != 0)
        g_subprocess_launcher_take_fd(launcher, fixture->stderr_fd, 2);
    add_user(arguments, fixture->as_user);
    g_ptr_array_add(arguments, (char *)g_getenv("TBSYNCCTL"));
    for (; *words != NULL; words++)
        g_ptr_array_add(arguments, (char *)*words);
    g_ptr_array_add(arguments, NULL);
    g_subprocess_launcher_setenv(launcher, "DBUS_SYSTEM_BUS_ADDRESS",
                                 fixture->no_bus ? "unix:path=/nonexistent/bus"
                                                 : g_test_dbus_get_bus_address(fixture->bus),
                                 TRUE);
    g_subprocess_launcher_setenv(launcher, "TBSYNC_CONFIG_FILE", fixture->config, TRUE);
    g_subprocess_launcher_setenv(launcher, "TZ", "UTC", TRUE);
    g_subprocess_launcher_setenv(launcher, "LC_ALL", fixture->locale != NULL ? fixture->locale : "C.UTF-8", TRUE);
    child = g_subprocess_launcher_spawnv(launcher, (const char *const *)arguments->pdata, &error);
    g_assert_no_error(error);
    return child;
}

Run fixture_run(Fixture *fixture, const char *input, gssize length, const char *const *words)
{
    g_autoptr(GSubprocess) child = fixture_spawn(fixture, words);
    g_autoptr(GBytes) bytes = input != NULL ? g_bytes_new(input, length < 0 ? strlen(input) : (gsize)length)
                                            : g_bytes_new("", 0);
    Result result = { FALSE };

    g_subprocess_communicate_async(child, bytes, NULL, on_done, &result);
    while (!result.done)
        g_main_context_iteration(NULL, TRUE);
    g_subprocess_wait(child, NULL, NULL);
    g_assert_true(g_subprocess_get_if_exited(child)); /* not killed by a signal */
    result.run.status = g_subprocess_get_exit_status(child);
    return result.run;
}

void run_clear(Run *run)
{
    g_clear_pointer(&run->out, g_free);
    g_clear_pointer(&run->err, g_free);
}
