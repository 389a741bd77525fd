/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guests.h"

#include "error.h"
#include "guests-private.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <libvirt/libvirt.h>
#include <string.h>

/* The domain that libvirt's test driver starts with; all connections of a process share it. */
#define TEST_URI  "test:///default"
#define TEST_NAME "test"
#define TEST_UUID "6695eb01-f6a4-8304-79aa-97f2502e193f"

/* libvirt's own is not asked, whose test driver knows no POWER: a number of refusals, then a host with one machine type. */
static gint *capabilities_refusals(void)
{
    static gint left;

    return &left;
}

char *virConnectGetCapabilities(virConnectPtr conn)
{
    (void) conn;
    if (g_atomic_int_add(capabilities_refusals(), -1) > 0)
        return NULL;
    return strdup("<capabilities><host><cpu><arch>ppc64le</arch></cpu></host><guest><os_type>hvm</os_type>"
                  "<arch name='ppc64'><machine>pseries-7.2</machine><domain type='qemu'/></arch></guest></capabilities>");
}

typedef struct World {
    Guests *guests;
    GArray *kinds; /* of GuestEventKind, the refresh at connect left out */
    guint refreshes;
    guint changes;
    char *uuid, *name, *detail; /* of the last event */
    gint64 seen_real_ns;
} World;

static void on_event(const GuestEvent *event, void *data)
{
    World *world = data;

    if (*event->uuid == '\0') {
        g_assert_cmpint(event->kind, ==, GUEST_EVENT_DEFINED_CHANGED);
        world->refreshes++;
        return;
    }
    g_array_append_val(world->kinds, event->kind);
    g_free(world->uuid);
    g_free(world->name);
    g_free(world->detail);
    world->uuid = g_strdup(event->uuid);
    world->name = g_strdup(event->name);
    world->detail = g_strdup(event->detail);
    world->seen_real_ns = event->seen_real_ns;
}

static void on_state_changed(void *data)
{
    World *world = data;

    world->changes++;
}

static void world_open(World *world, const char *uri, gboolean timing, guint open_deadline_ms)
{
    static const GuestsCallbacks callbacks = { on_event, on_state_changed };

    *world = (World){ .kinds = g_array_new(FALSE, FALSE, sizeof(GuestEventKind)) };
    world->guests = guests_new(&(GuestsConfig){ .uri = uri,
                                                .timing_events = timing,
                                                .open_deadline_ms = open_deadline_ms,
                                                .retry_min_ms = 1 },
                               &callbacks, world);
}

static void world_close(World *world)
{
    guests_free(world->guests);
    g_array_unref(world->kinds);
    g_free(world->uuid);
    g_free(world->name);
    g_free(world->detail);
}

static void wait_for_state(const World *world, GuestsState state)
{
    while (guests_state(world->guests) != state)
        g_main_context_iteration(NULL, TRUE);
}

static GuestEventKind wait_for_event(const World *world, guint nth)
{
    while (world->kinds->len <= nth)
        g_main_context_iteration(NULL, TRUE);
    return g_array_index(world->kinds, GuestEventKind, nth);
}

static void keep_result(GObject *source, GAsyncResult *result, void *data)
{
    GAsyncResult **slot = data;

    *slot = g_object_ref(result);
}

static GAsyncResult *wait_for_result(GAsyncResult **slot)
{
    while (*slot == NULL)
        g_main_context_iteration(NULL, TRUE);
    return *slot;
}

static gboolean find(const World *world, const char *uuid, GuestRole *role, GuestFacts *facts,
                     GError **error)
{
    GAsyncResult *result = NULL;
    gboolean found;

    guests_find_async(world->guests, uuid, 60000, NULL, keep_result, &result);
    found = guests_find_finish(world->guests, wait_for_result(&result), role, facts, error);
    g_object_unref(result);
    return found;
}

static gboolean lookup(const World *world, const char *name, GuestFacts *facts, GError **error)
{
    GAsyncResult *result = NULL;
    gboolean found;

    guests_lookup_async(world->guests, name, 60000, NULL, keep_result, &result);
    found = guests_lookup_finish(world->guests, wait_for_result(&result), facts, error);
    g_object_unref(result);
    return found;
}

static void test_empty_uri_is_off(void)
{
    World world;
    g_autoptr(GError) error = NULL;
    GuestRole role;
    GuestFacts facts;

    world_open(&world, "", TRUE, 0);
    g_assert_cmpint(guests_state(world.guests), ==, GUESTS_OFF);
    g_assert_false(find(&world, TEST_UUID, &role, &facts, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE);
    g_assert_nonnull(strstr(error->message, TEST_UUID));
    world_close(&world);
}

static void test_connect_is_reported_with_one_refresh(void)
{
    World world;

    world_open(&world, TEST_URI, FALSE, 0);
    g_assert_cmpint(guests_state(world.guests), ==, GUESTS_CONNECTING);
    wait_for_state(&world, GUESTS_UP);
    g_assert_null(guests_error(world.guests));
    g_assert_cmpuint(world.refreshes, ==, 1);
    g_assert_cmpuint(world.changes, >=, 1);
    world_close(&world);
}

/* As from a libvirtd that is too busy to probe its emulators: the connection stays up, so no other connect asks again. */
static void test_refused_capabilities_are_asked_for_again(void)
{
    World world;
    HostFacts facts = { 0 };

    g_atomic_int_set(capabilities_refusals(), 2);
    world_open(&world, TEST_URI, FALSE, 0);
    wait_for_state(&world, GUESTS_UP);
    guests_fill_host_facts(world.guests, &facts);
    g_assert_false(FACT_KNOWN(&facts, HOST_QEMU_VERSION));
    while (!FACT_KNOWN(&facts, HOST_QEMU_VERSION)) {
        g_main_context_iteration(NULL, TRUE);
        guests_fill_host_facts(world.guests, &facts);
    }
    g_assert_cmpuint(facts.n_machine_types, ==, 1);
    g_assert_cmpint(guests_state(world.guests), ==, GUESTS_UP);
    g_assert_cmpint(g_atomic_int_get(capabilities_refusals()), ==, -1); /* and not after that */
    world_close(&world);
}

static void test_find_tells_active_from_absent(void)
{
    World world;
    g_autoptr(GError) error = NULL;
    GuestRole role = ROLE_ABSENT;
    GuestFacts facts;

    world_open(&world, TEST_URI, FALSE, 0);
    wait_for_state(&world, GUESTS_UP);
    g_assert_true(find(&world, TEST_UUID, &role, &facts, &error));
    g_assert_no_error(error);
    g_assert_cmpint(role, ==, ROLE_ACTIVE);
    g_assert_cmpstr(facts.uuid, ==, TEST_UUID);
    g_assert_cmpstr(facts.name, ==, TEST_NAME);
    g_assert_true(FACT_KNOWN(&facts, GUEST_ACTIVE));
    g_assert_true(facts.active);
    g_assert_cmpint(facts.arch, ==, ARCH_OTHER);

    g_assert_true(find(&world, "00000000-0000-0000-0000-000000000001", &role, &facts, &error));
    g_assert_cmpint(role, ==, ROLE_ABSENT);
    world_close(&world);
}

/* As from a peer whose hook comes just after this daemon was started again. */
static void test_guest_is_found_while_connecting(void)
{
    World world;
    g_autoptr(GError) error = NULL;
    GuestRole role = ROLE_ABSENT;
    GuestFacts facts;

    world_open(&world, TEST_URI, FALSE, 0);
    g_assert_cmpint(guests_state(world.guests), ==, GUESTS_CONNECTING);
    g_assert_true(find(&world, TEST_UUID, &role, &facts, &error));
    g_assert_no_error(error);
    g_assert_cmpint(role, ==, ROLE_ACTIVE);
    world_close(&world);
}

static void test_lookup_takes_name_or_uuid(void)
{
    World world;
    g_autoptr(GError) error = NULL;
    GuestFacts facts;

    world_open(&world, TEST_URI, FALSE, 0);
    wait_for_state(&world, GUESTS_UP);
    g_assert_true(lookup(&world, TEST_NAME, &facts, &error));
    g_assert_cmpstr(facts.uuid, ==, TEST_UUID);
    g_assert_true(lookup(&world, TEST_UUID, &facts, &error));
    g_assert_cmpstr(facts.name, ==, TEST_NAME);
    g_assert_false(lookup(&world, "nobody", &facts, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_GUEST);
    g_assert_nonnull(strstr(error->message, "'nobody'"));
    world_close(&world);
}

static void test_list_has_every_guest(void)
{
    World world;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) guests = NULL;
    GAsyncResult *result = NULL;

    world_open(&world, TEST_URI, FALSE, 0);
    wait_for_state(&world, GUESTS_UP);
    guests_list_async(world.guests, 60000, NULL, keep_result, &result);
    guests = guests_list_finish(world.guests, wait_for_result(&result), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(guests->len, ==, 1);
    g_assert_cmpstr(g_array_index(guests, GuestFacts, 0).name, ==, TEST_NAME);
    g_object_unref(result);
    world_close(&world);
}

static void test_uuids_are_those_of_every_guest(void)
{
    World world;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) uuids = NULL;
    GAsyncResult *result = NULL;

    world_open(&world, TEST_URI, FALSE, 0);
    wait_for_state(&world, GUESTS_UP);
    guests_uuids_async(world.guests, 60000, NULL, keep_result, &result);
    uuids = guests_uuids_finish(world.guests, wait_for_result(&result), &error);
    g_assert_no_error(error);
    g_assert_cmpstrv(uuids, ((const char *const[]){ TEST_UUID, NULL }));
    g_object_unref(result);
    world_close(&world);
}

static void test_events_name_guest_and_cause(void)
{
    World world;
    virConnectPtr handle;
    virDomainPtr domain;
    GuestRole role;
    GuestFacts facts;

    world_open(&world, TEST_URI, FALSE, 0);
    wait_for_state(&world, GUESTS_UP);
    handle = virConnectOpen(TEST_URI);
    domain = virDomainLookupByName(handle, TEST_NAME);

    virDomainSuspend(domain);
    g_assert_cmpint(wait_for_event(&world, 0), ==, GUEST_EVENT_SUSPENDED);
    g_assert_cmpstr(world.uuid, ==, TEST_UUID);
    g_assert_cmpstr(world.name, ==, TEST_NAME);
    g_assert_cmpstr(world.detail, ==, "suspended paused");
    g_assert_cmpint(world.seen_real_ns, >, 0);
    virDomainResume(domain);
    g_assert_cmpint(wait_for_event(&world, 1), ==, GUEST_EVENT_RESUMED_HERE);
    g_assert_true(find(&world, TEST_UUID, &role, &facts, NULL));
    g_assert_false(FACT_KNOWN(&facts, GUEST_TB_OFFSET_TICKS)); /* it was paused, and nobody knows how long */
    g_assert_true(FACT_KNOWN(&facts, GUEST_AHEAD_LO_TICKS) && FACT_KNOWN(&facts, GUEST_AHEAD_HI_TICKS));
    g_assert_cmpint(facts.ahead_lo_ticks, ==, G_MININT64);
    g_assert_cmpint(facts.ahead_hi_ticks, ==, G_MAXINT64);

    virDomainDestroy(domain);
    g_assert_cmpint(wait_for_event(&world, 2), ==, GUEST_EVENT_STOPPED);
    g_assert_true(find(&world, TEST_UUID, &role, &facts, NULL));
    g_assert_cmpint(role, ==, ROLE_INACTIVE);
    g_assert_false(facts.active);

    virDomainCreate(domain);
    g_assert_cmpint(wait_for_event(&world, 3), ==, GUEST_EVENT_BOOTED);
    g_assert_true(find(&world, TEST_UUID, &role, &facts, NULL));
    g_assert_cmpint(role, ==, ROLE_ACTIVE);
    g_assert_true(FACT_KNOWN(&facts, GUEST_TB_OFFSET_TICKS)); /* a new process: 0 */
    g_assert_false(FACT_KNOWN(&facts, GUEST_TB_COPY_STALE));  /* nobody knows what the rounding of it added */
    g_assert_cmpint(facts.tb_offset_ticks, ==, 0);
    virDomainFree(domain);
    virConnectClose(handle);
    world_close(&world);
}

/* The test driver has no QEMU to tell: that it was tried, and when, is all that can be seen. */
static void test_registers_are_synced_after_each_start(void)
{
    static const GuestsCallbacks callbacks = { on_event, on_state_changed };
    World world = { .kinds = g_array_new(FALSE, FALSE, sizeof(GuestEventKind)) };
    virConnectPtr handle = virConnectOpen(TEST_URI);
    virDomainPtr domain = virDomainLookupByName(handle, TEST_NAME);
    GuestRole role;
    GuestFacts facts;

    world.guests = guests_new(&(GuestsConfig){ .uri = TEST_URI, .sync_registers = TRUE }, &callbacks, &world);
    wait_for_state(&world, GUESTS_UP);
    virDomainSuspend(domain);
    g_assert_cmpint(wait_for_event(&world, 0), ==, GUEST_EVENT_SUSPENDED);
    g_assert_true(find(&world, TEST_UUID, &role, &facts, NULL));
    g_assert_true(FACT_KNOWN(&facts, GUEST_PAUSED));
    g_assert_true(facts.paused);
    virDomainResume(domain);
    g_assert_cmpint(wait_for_event(&world, 1), ==, GUEST_EVENT_RESUMED_HERE);
    g_assert_cmpint(wait_for_event(&world, 2), ==, GUEST_EVENT_SYNC_FAILED);
    g_assert_cmpstr(world.uuid, ==, TEST_UUID);
    g_assert_nonnull(strstr(world.detail, TEST_UUID));
    g_assert_true(find(&world, TEST_UUID, &role, &facts, NULL));
    g_assert_false(facts.paused);
    virDomainDestroy(domain);
    g_assert_cmpint(wait_for_event(&world, 3), ==, GUEST_EVENT_STOPPED);
    virDomainCreate(domain); /* the first offset is rounded as any other */
    g_assert_cmpint(wait_for_event(&world, 4), ==, GUEST_EVENT_BOOTED);
    g_assert_cmpint(wait_for_event(&world, 5), ==, GUEST_EVENT_SYNC_FAILED);
    virDomainFree(domain);
    virConnectClose(handle);
    world_close(&world);
}

static void test_timebase_stands_in_the_registers(void)
{
    static const char *const good[] = { "TB 00000000 477702733 DECR 3817265300",
                                        "NIP 0\nMSR 8\nTB 00001122 18446744073709551615 DECR 0\nGPR00", "x\nTB 0 477702733" };
    static const guint64 wanted[] = { 477702733, G_MAXUINT64, 477702733 };
    static const char *const bad[] = { "", "NIP 0", "TB", "TB ", "TB 1", "TB 1 ", "TB x 1 ", "TB 1 -5 ", "TB 4294967296 1 ",
                                       "TB 1 5x ", "ATB 1 5", "TB  5 " };
    guint64 ticks = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(guests_parse_timebase(good[i], &ticks));
        g_assert_cmpuint(ticks, ==, wanted[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(guests_parse_timebase(bad[i], &ticks));
}

static void on_result(GObject *source, GAsyncResult *result, void *data)
{
    *(GAsyncResult **)data = g_object_ref(result);
}

/* As above: the test driver has no QEMU. */
static void test_timebase_of_a_guest_without_qemu_is_an_error(void)
{
    g_autoptr(GAsyncResult) result = NULL;
    g_autoptr(GError) error = NULL;
    GuestTimebase read;
    World world;

    world_open(&world, TEST_URI, FALSE, 0);
    wait_for_state(&world, GUESTS_UP);
    guests_read_timebase_async(world.guests, TEST_UUID, 60000, on_result, &result);
    while (result == NULL)
        g_main_context_iteration(NULL, TRUE);
    g_assert_false(guests_read_timebase_finish(result, &read, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE);
    g_assert_nonnull(strstr(error->message, TEST_UUID));
    world_close(&world);
}

static void test_timing_events_may_be_refused(void)
{
    World world;

    world_open(&world, TEST_URI, TRUE, 0); /* the test driver has no QEMU */
    wait_for_state(&world, GUESTS_UP);
    while (guests_timing_error(world.guests) == NULL)
        g_main_context_iteration(NULL, TRUE);
    g_assert_false(guests_has_timing_events(world.guests));
    g_assert_cmpint(guests_state(world.guests), ==, GUESTS_UP);
    world_close(&world);
}

/* ---- libvirtd that is away or hangs ---- */

typedef struct Server {
    char *directory, *path, *uri;
    GSocket *listener;
    GSource *incoming; /* wakes the main loop */
} Server;

static gboolean on_incoming(GSocket *socket, GIOCondition condition, void *data)
{
    return G_SOURCE_CONTINUE;
}

static void server_start(Server *server)
{
    g_autoptr(GSocketAddress) address = NULL;

    server->directory = g_dir_make_tmp("tbsync-guests-XXXXXX", NULL);
    server->path = g_build_filename(server->directory, "sock", NULL);
    server->uri = g_strdup_printf("qemu+unix:///system?socket=%s", server->path);
    address = g_unix_socket_address_new(server->path);
    server->listener = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);
    g_assert_true(g_socket_bind(server->listener, address, FALSE, NULL));
    g_assert_true(g_socket_listen(server->listener, NULL));
    g_socket_set_blocking(server->listener, FALSE);
    server->incoming = g_socket_create_source(server->listener, G_IO_IN, NULL);
    g_source_set_callback(server->incoming, G_SOURCE_FUNC(on_incoming), NULL, NULL);
    g_source_attach(server->incoming, NULL);
}

/* A connection that came in while the main loop turned. */
static GSocket *server_accept(Server *server)
{
    for (;;) {
        GSocket *socket = g_socket_accept(server->listener, NULL, NULL);

        if (socket != NULL)
            return socket;
        g_main_context_iteration(NULL, TRUE);
    }
}

static void server_stop(Server *server)
{
    g_source_destroy(server->incoming);
    g_source_unref(server->incoming);
    g_clear_object(&server->listener);
    g_unlink(server->path);
    g_rmdir(server->directory);
    g_free(server->directory);
    g_free(server->path);
    g_free(server->uri);
}

static void test_absent_libvirtd_is_named_and_retried(void)
{
    World world;
    g_autoptr(GError) error = NULL;
    GuestRole role;
    GuestFacts facts;

    world_open(&world, "qemu+unix:///system?socket=/nonexistent/sock", FALSE, 0);
    wait_for_state(&world, GUESTS_DOWN);
    g_assert_nonnull(strstr(guests_error(world.guests), "/nonexistent/sock"));
    g_assert_false(find(&world, TEST_UUID, &role, &facts, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE);
    g_assert_nonnull(strstr(error->message, "/nonexistent/sock"));
    wait_for_state(&world, GUESTS_CONNECTING);
    wait_for_state(&world, GUESTS_DOWN);
    world_close(&world);
}

static void test_libvirtd_that_hangs_up_is_retried(void)
{
    World world;
    Server server;

    server_start(&server);
    world_open(&world, server.uri, FALSE, 0);
    for (int attempt = 0; attempt < 2; attempt++) {
        g_autoptr(GSocket) socket = server_accept(&server);

        g_socket_close(socket, NULL);
        wait_for_state(&world, GUESTS_DOWN);
    }
    world_close(&world);
    server_stop(&server);
}

static void test_hung_libvirtd_is_given_up_at_the_deadline(void)
{
    World world;
    Server server;
    g_autoptr(GSocket) socket = NULL;

    server_start(&server);
    world_open(&world, server.uri, FALSE, 100);
    socket = server_accept(&server); /* and say nothing */
    wait_for_state(&world, GUESTS_DOWN);
    g_assert_nonnull(strstr(guests_error(world.guests), "took longer than 100 ms"));
    world_close(&world);
    server_stop(&server);
}

/* Its libvirtd cannot be asked for now: told at the call's own deadline, not at that of the connection. */
static void test_guest_is_not_waited_for_while_libvirtd_hangs(void)
{
    World world;
    Server server;
    GAsyncResult *result = NULL;
    GuestRole role;
    GuestFacts facts;
    g_autoptr(GError) error = NULL;

    server_start(&server);
    world_open(&world, server.uri, FALSE, 60000);
    guests_find_async(world.guests, TEST_UUID, 100, NULL, keep_result, &result);
    g_assert_false(guests_find_finish(world.guests, wait_for_result(&result), &role, &facts, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT);
    g_assert_cmpint(guests_state(world.guests), ==, GUESTS_CONNECTING);
    g_object_unref(result);
    world_close(&world);
    server_stop(&server);
}

static void test_hung_libvirtd_does_not_pile_up_threads(void)
{
    World world;
    Server server;
    GSocket *sockets[3];

    server_start(&server);
    world_open(&world, server.uri, FALSE, 1);
    for (guint i = 0; i < G_N_ELEMENTS(sockets); i++)
        sockets[i] = server_accept(&server);
    while (strstr(guests_error(world.guests), "still hang") == NULL)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpint(guests_state(world.guests), ==, GUESTS_DOWN);
    g_assert_null(g_socket_accept(server.listener, NULL, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(sockets); i++)
        g_object_unref(sockets[i]);
    g_object_unref(server_accept(&server)); /* the threads are free again: it goes on */
    world_close(&world);
    server_stop(&server);
}

static void test_free_does_not_wait_for_a_hung_libvirtd(void)
{
    World world;
    Server server;
    g_autoptr(GSocket) socket = NULL;

    server_start(&server);
    world_open(&world, server.uri, TRUE, 60000);
    socket = server_accept(&server);
    world_close(&world);
    server_stop(&server);
}

/* ---- tables ---- */

static void test_lifecycle_events_map_as_documented(void)
{
    static const struct {
        int event, detail;
        GuestEventKind kind;
        const char *words;
    } cases[] = {
        { VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED, GUEST_EVENT_BOOTED,
          "started booted" },
        { VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_MIGRATED, GUEST_EVENT_INCOMING_STARTED,
          "started migrated" },
        { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, GUEST_EVENT_STOPPED_CPUS,
          "suspended migrated" },
        { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY, GUEST_EVENT_SUSPENDED,
          "suspended post-copy" },
        { VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR, GUEST_EVENT_SUSPENDED,
          "suspended" },
        { VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_MIGRATED, GUEST_EVENT_RESUMED_CPUS,
          "resumed migrated" },
        { VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_POSTCOPY, GUEST_EVENT_RESUMED_CPUS,
          "resumed post-copy" },
        { VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, GUEST_EVENT_RESUMED_HERE,
          "resumed unpaused" },
        { VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED, GUEST_EVENT_LEFT,
          "stopped migrated" },
        { VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, GUEST_EVENT_FAILED,
          "stopped failed" },
        { VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, GUEST_EVENT_STOPPED,
          "stopped" },
        { VIR_DOMAIN_EVENT_STOPPED, 12345, GUEST_EVENT_STOPPED, "stopped" },
        { VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_UPDATED, GUEST_EVENT_DEFINED,
          "defined" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const LifecycleRow *row = guests_lifecycle_row(cases[i].event, cases[i].detail);

        g_assert_cmpint(row->kind, ==, cases[i].kind);
        g_assert_cmpstr(row->words, ==, cases[i].words);
    }
    g_assert_null(guests_lifecycle_row(12345, 0));
}

static void test_qemu_events_map_as_documented(void)
{
    static const struct {
        const char *name, *details;
        GuestEventKind kind;
        const char *status;
    } cases[] = {
        { "STOP", NULL, GUEST_EVENT_QEMU_STOP, "" },
        { "RESUME", "{}", GUEST_EVENT_QEMU_RESUME, "" },
        { "MIGRATION", "{\"status\":\"completed\"}", GUEST_EVENT_QEMU_MIGRATION, "completed" },
        { "MIGRATION", "{\"status\":7}", GUEST_EVENT_QEMU_MIGRATION, "" },
        { "MIGRATION", "[1]", GUEST_EVENT_QEMU_MIGRATION, "" },
        { "MIGRATION", "{\"status", GUEST_EVENT_QEMU_MIGRATION, "" },
        { "MIGRATION", "", GUEST_EVENT_QEMU_MIGRATION, "" },
        { "MIGRATION", NULL, GUEST_EVENT_QEMU_MIGRATION, "" },
    };
    GuestEventKind kind;
    char *status;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_true(guests_monitor_event(cases[i].name, cases[i].details, &kind, &status));
        g_assert_cmpint(kind, ==, cases[i].kind);
        g_assert_cmpstr(status, ==, cases[i].status);
        g_free(status);
    }
    g_assert_false(guests_monitor_event("RTC_CHANGE", "{}", &kind, &status));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guests/empty-uri-is-off", test_empty_uri_is_off);
    g_test_add_func("/guests/connect-is-reported-with-one-refresh",
                    test_connect_is_reported_with_one_refresh);
    g_test_add_func("/guests/refused-capabilities-are-asked-for-again",
                    test_refused_capabilities_are_asked_for_again);
    g_test_add_func("/guests/find-tells-active-from-absent", test_find_tells_active_from_absent);
    g_test_add_func("/guests/guest-is-found-while-connecting", test_guest_is_found_while_connecting);
    g_test_add_func("/guests/lookup-takes-name-or-uuid", test_lookup_takes_name_or_uuid);
    g_test_add_func("/guests/list-has-every-guest", test_list_has_every_guest);
    g_test_add_func("/guests/uuids-are-those-of-every-guest", test_uuids_are_those_of_every_guest);
    g_test_add_func("/guests/events-name-guest-and-cause", test_events_name_guest_and_cause);
    g_test_add_func("/guests/registers-are-synced-after-each-start",
                    test_registers_are_synced_after_each_start);
    g_test_add_func("/guests/timebase-stands-in-the-registers", test_timebase_stands_in_the_registers);
    g_test_add_func("/guests/timebase-of-a-guest-without-qemu-is-an-error",
                    test_timebase_of_a_guest_without_qemu_is_an_error);
    g_test_add_func("/guests/timing-events-may-be-refused", test_timing_events_may_be_refused);
    g_test_add_func("/guests/absent-libvirtd-is-named-and-retried",
                    test_absent_libvirtd_is_named_and_retried);
    g_test_add_func("/guests/libvirtd-that-hangs-up-is-retried",
                    test_libvirtd_that_hangs_up_is_retried);
    g_test_add_func("/guests/hung-libvirtd-is-given-up-at-the-deadline",
                    test_hung_libvirtd_is_given_up_at_the_deadline);
    g_test_add_func("/guests/guest-is-not-waited-for-while-libvirtd-hangs",
                    test_guest_is_not_waited_for_while_libvirtd_hangs);
    g_test_add_func("/guests/hung-libvirtd-does-not-pile-up-threads",
                    test_hung_libvirtd_does_not_pile_up_threads);
    g_test_add_func("/guests/free-does-not-wait-for-a-hung-libvirtd",
                    test_free_does_not_wait_for_a_hung_libvirtd);
    g_test_add_func("/guests/lifecycle-events-map-as-documented",
                    test_lifecycle_events_map_as_documented);
    g_test_add_func("/guests/qemu-events-map-as-documented", test_qemu_events_map_as_documented);
    return g_test_run();
}
