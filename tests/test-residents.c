/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's listings are made here: this program's guests_uuids_async() takes the place of the daemon's. */
#include "residents.h"

#include <string.h>

#include "error.h"

#define NEVER_MS 1000000

typedef struct World {
    Residents *residents;
    GTask *listing; /* (nullable) under way */
    guint listings; /* begun */
    guint told;
    char *last; /* what was told last: sorted, with blanks between */
} World;

static gboolean on_span(void *data)
{
    *(gboolean *) data = TRUE;
    return G_SOURCE_REMOVE;
}

/* The Guests are the World. */
void guests_uuids_async(Guests *guests, guint deadline_ms, GCancellable *cancellable, GAsyncReadyCallback callback, void *data)
{
    World *world = (World *) guests;

    g_assert_null(world->listing); /* one at a time */
    world->listing = g_task_new(NULL, cancellable, callback, data);
    world->listings++;
}

GStrv guests_uuids_finish(Guests *guests, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void on_changed(const char *const *uuids, gsize n, void *data)
{
    World *world = data;
    g_autofree const char **sorted = g_new0(const char *, n + 1);

    if (n > 0)
        memcpy(sorted, uuids, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_texts);
    g_free(world->last);
    world->last = g_strjoinv(" ", (char **) sorted);
    world->told++;
}

static void world_init(World *world, guint list_ms, guint retry_ms)
{
    ResidentsParams params = {
        .guests = (Guests *) world, .changed = on_changed, .data = world, .tell_ms = 1, .list_ms = list_ms, .retry_ms = retry_ms
    };

    memset(world, 0, sizeof *world);
    world->residents = residents_new(&params);
}

static void world_clear(World *world)
{
    residents_free(world->residents);
    g_clear_object(&world->listing);
    g_free(world->last);
}

static void happen(World *world, GuestEventKind kind, const char *uuid)
{
    residents_event(world->residents, &(GuestEvent){ .kind = kind, .uuid = uuid, .name = "g" });
}

/* uuids: with blanks between; NULL: libvirt fails */
static void list_ends(World *world, const char *uuids)
{
    g_autoptr(GTask) task = g_steal_pointer(&world->listing);

    if (uuids)
        g_task_return_pointer(task, *uuids ? g_strsplit(uuids, " ", -1) : g_new0(char *, 1), (GDestroyNotify) g_strfreev);
    else
        g_task_return_new_error(task, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "libvirt is away");
    while (!g_task_get_completed(task))
        g_main_context_iteration(NULL, TRUE);
}

static void await_told(const World *world, guint told)
{
    while (world->told < told)
        g_main_context_iteration(NULL, TRUE);
}

static void await_listing(const World *world)
{
    while (!world->listing)
        g_main_context_iteration(NULL, TRUE);
}

/* Whatever was due when it was called has been told afterwards: timers run in order, and `tell_ms` is 1. */
static void run_for_a_while(void)
{
    gboolean over = FALSE;

    g_timeout_add(20, on_span, &over);
    while (!over)
        g_main_context_iteration(NULL, TRUE);
}

static void connect_with(World *world, const char *uuids)
{
    happen(world, GUEST_EVENT_DEFINED_CHANGED, "");
    list_ends(world, uuids);
    await_told(world, 1);
}

static void test_guests_are_told_once_libvirt_is_there(void)
{
    World world;

    world_init(&world, NEVER_MS, NEVER_MS);
    run_for_a_while();
    g_assert_cmpuint(world.told + world.listings, ==, 0);
    connect_with(&world, "b a");
    g_assert_cmpstr(world.last, ==, "a b");
    world_clear(&world);
}

static void test_host_without_guests_tells_that(void)
{
    World world;

    world_init(&world, NEVER_MS, NEVER_MS);
    connect_with(&world, "");
    g_assert_cmpstr(world.last, ==, "");
    world_clear(&world);
}

static void test_guest_that_comes_is_told_without_a_listing(void)
{
    static const GuestEventKind kinds[] = { GUEST_EVENT_DEFINED, GUEST_EVENT_BOOTED, GUEST_EVENT_INCOMING_STARTED };

    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        World world;

        world_init(&world, NEVER_MS, NEVER_MS);
        connect_with(&world, "a");
        happen(&world, kinds[i], "b");
        await_told(&world, 2);
        g_assert_cmpstr(world.last, ==, "a b");
        g_assert_cmpuint(world.listings, ==, 1);
        world_clear(&world);
    }
}

static void test_guest_that_goes_is_looked_for(void)
{
    static const GuestEventKind kinds[] = {
        GUEST_EVENT_LEFT, GUEST_EVENT_FAILED, GUEST_EVENT_STOPPED, GUEST_EVENT_DEFINED_CHANGED
    };

    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        World world;

        world_init(&world, 1, NEVER_MS);
        connect_with(&world, "a b");
        happen(&world, kinds[i], "b");
        await_listing(&world);
        list_ends(&world, "a");
        await_told(&world, 2);
        g_assert_cmpstr(world.last, ==, "a");
        world_clear(&world);
    }
}

static void test_what_did_not_change_is_not_told_again(void)
{
    World world;

    world_init(&world, 1, NEVER_MS);
    connect_with(&world, "a b");
    happen(&world, GUEST_EVENT_BOOTED, "b");
    happen(&world, GUEST_EVENT_STOPPED, "b"); /* and still defined */
    happen(&world, GUEST_EVENT_SUSPENDED, "a");
    await_listing(&world);
    list_ends(&world, "b a");
    run_for_a_while();
    g_assert_cmpuint(world.told, ==, 1);
    world_clear(&world);
}

static void test_one_guest_for_another_is_a_change(void)
{
    World world;

    world_init(&world, 1, NEVER_MS);
    connect_with(&world, "a");
    happen(&world, GUEST_EVENT_DEFINED_CHANGED, "a");
    await_listing(&world);
    list_ends(&world, "b");
    await_told(&world, 2);
    g_assert_cmpstr(world.last, ==, "b");
    world_clear(&world);
}

static void test_many_changes_are_told_together(void)
{
    World world;

    world_init(&world, NEVER_MS, NEVER_MS);
    connect_with(&world, "");
    for (guint i = 0; i < 100; i++) {
        g_autofree char *uuid = g_strdup_printf("%02u", i);

        happen(&world, GUEST_EVENT_BOOTED, uuid);
    }
    await_told(&world, 2);
    g_assert_cmpuint(strlen(world.last), ==, 100 * 3 - 1);
    run_for_a_while();
    g_assert_cmpuint(world.told, ==, 2);
    world_clear(&world);
}

/* The listing may have been made before it came. */
static void test_guest_that_comes_during_a_listing_stays(void)
{
    World world;

    world_init(&world, NEVER_MS, NEVER_MS);
    happen(&world, GUEST_EVENT_DEFINED_CHANGED, "");
    happen(&world, GUEST_EVENT_BOOTED, "b");
    list_ends(&world, "a");
    await_told(&world, 1);
    g_assert_cmpstr(world.last, ==, "a b");
    world_clear(&world);
}

static void test_guest_that_goes_during_a_listing_is_looked_for_again(void)
{
    World world;

    world_init(&world, 1, NEVER_MS);
    happen(&world, GUEST_EVENT_DEFINED_CHANGED, "");
    happen(&world, GUEST_EVENT_STOPPED, "b");
    run_for_a_while(); /* its listing would begin now: it waits for the first */
    list_ends(&world, "a b");
    await_listing(&world);
    list_ends(&world, "a");
    await_told(&world, 2);
    g_assert_cmpstr(world.last, ==, "a");
    world_clear(&world);
}

static void test_listing_that_fails_is_tried_again(void)
{
    World world;

    world_init(&world, NEVER_MS, 1);
    happen(&world, GUEST_EVENT_DEFINED_CHANGED, "");
    list_ends(&world, NULL);
    await_listing(&world);
    list_ends(&world, "a");
    await_told(&world, 1);
    g_assert_cmpstr(world.last, ==, "a");
    world_clear(&world);
}

static void test_last_ones_stand_while_libvirt_is_away(void)
{
    World world;

    world_init(&world, 1, NEVER_MS);
    connect_with(&world, "a");
    happen(&world, GUEST_EVENT_STOPPED, "a");
    await_listing(&world);
    list_ends(&world, NULL);
    run_for_a_while();
    g_assert_cmpuint(world.told, ==, 1);
    world_clear(&world);
}

static void test_free_during_a_listing_is_safe(void)
{
    World world;

    world_init(&world, 1, 1);
    happen(&world, GUEST_EVENT_DEFINED_CHANGED, "");
    happen(&world, GUEST_EVENT_BOOTED, "b");
    g_clear_pointer(&world.residents, residents_free);
    list_ends(&world, "a");
    run_for_a_while();
    g_assert_cmpuint(world.told, ==, 0);
    world_clear(&world);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/residents/guests-are-told-once-libvirt-is-there", test_guests_are_told_once_libvirt_is_there);
    g_test_add_func("/residents/host-without-guests-tells-that", test_host_without_guests_tells_that);
    g_test_add_func("/residents/guest-that-comes-is-told-without-a-listing", test_guest_that_comes_is_told_without_a_listing);
    g_test_add_func("/residents/guest-that-goes-is-looked-for", test_guest_that_goes_is_looked_for);
    g_test_add_func("/residents/what-did-not-change-is-not-told-again", test_what_did_not_change_is_not_told_again);
    g_test_add_func("/residents/one-guest-for-another-is-a-change", test_one_guest_for_another_is_a_change);
    g_test_add_func("/residents/many-changes-are-told-together", test_many_changes_are_told_together);
    g_test_add_func("/residents/guest-that-comes-during-a-listing-stays", test_guest_that_comes_during_a_listing_stays);
    g_test_add_func("/residents/guest-that-goes-during-a-listing-is-looked-for-again",
                    test_guest_that_goes_during_a_listing_is_looked_for_again);
    g_test_add_func("/residents/listing-that-fails-is-tried-again", test_listing_that_fails_is_tried_again);
    g_test_add_func("/residents/last-ones-stand-while-libvirt-is-away", test_last_ones_stand_while_libvirt_is_away);
    g_test_add_func("/residents/free-during-a-listing-is-safe", test_free_during_a_listing_is_safe);
    return g_test_run();
}
