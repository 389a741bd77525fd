/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listing.h"

#include <string.h>
#include <sys/socket.h>

#include "sd-source.h"

#define PATH      "/l"
#define INTERFACE "org.example.L"

/* A peer's end and ours, with a method whose calls go to the listing. */
typedef struct Fixture {
    Guests *guests;
    Listing *listing;
    sd_bus *ours, *theirs;
    GSource *our_source, *their_source;
    guint asked, answered, denied, unavailable;
    guint n_guests; /* of the last answer */
} Fixture;

static int on_list(sd_bus_message *call, void *data, sd_bus_error *e)
{
    Fixture *f = data;

    f->asked++;
    listing_answer(f->listing, sd_bus_message_ref(call));
    return 1;
}

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("List", NULL, "aa{sv}b", on_list, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static void on_event(const GuestEvent *event, void *data)
{
}

static void on_state(void *data)
{
}

static void set_up(Fixture *f, gconstpointer uri)
{
    GuestsConfig config = { .uri = uri };
    GuestsCallbacks callbacks = { on_event, on_state };
    sd_id128_t id;
    int fds[2];

    f->guests = guests_new(&config, &callbacks, NULL);
    f->listing = listing_new(f->guests);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
    g_assert_cmpint(sd_id128_randomize(&id), >=, 0);
    g_assert_cmpint(sd_bus_new(&f->ours), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(f->ours, fds[0], fds[0]), >=, 0);
    g_assert_cmpint(sd_bus_set_server(f->ours, 1, id), >=, 0);
    g_assert_cmpint(sd_bus_add_object_vtable(f->ours, NULL, PATH, INTERFACE, vtable, f), >=, 0);
    g_assert_cmpint(sd_bus_start(f->ours), >=, 0);
    g_assert_cmpint(sd_bus_new(&f->theirs), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(f->theirs, fds[1], fds[1]), >=, 0);
    g_assert_cmpint(sd_bus_start(f->theirs), >=, 0);
    f->our_source = sd_source_attach(f->ours, NULL, NULL, NULL);
    f->their_source = sd_source_attach(f->theirs, NULL, NULL, NULL);
}

static void tear_down(Fixture *f, gconstpointer uri)
{
    listing_free(f->listing);
    guests_free(f->guests);
    sd_source_remove(f->our_source);
    sd_source_remove(f->their_source);
    sd_bus_close_unref(f->ours);
    sd_bus_close_unref(f->theirs);
}

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *e)
{
    Fixture *f = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    f->answered++;
    f->denied += error && strcmp(error->name, "org.tbsyncd1.Error.Denied") == 0;
    f->unavailable += error && strcmp(error->name, "org.tbsyncd1.Error.Unavailable") == 0;
    f->n_guests = 0;
    if (error)
        return 1;
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >, 0);
    while (sd_bus_message_skip(reply, "a{sv}") > 0)
        f->n_guests++;
    return 1;
}

static void ask(Fixture *f, guint n)
{
    guint wanted = f->asked + n;

    for (guint i = 0; i < n; i++)
        g_assert_cmpint(sd_bus_call_method_async(f->theirs, NULL, NULL, PATH, INTERFACE, "List", on_answer, f, NULL), >=, 0);
    while (f->asked < wanted)
        g_main_context_iteration(NULL, TRUE);
}

static void wait_for(Fixture *f, guint answered)
{
    while (f->answered < answered)
        g_main_context_iteration(NULL, TRUE);
}

static void test_guests_of_libvirt_are_listed(Fixture *f, gconstpointer uri)
{
    while (guests_state(f->guests) != GUESTS_UP)
        g_main_context_iteration(NULL, TRUE);
    ask(f, 3);
    wait_for(f, 3);
    g_assert_cmpuint(f->n_guests, ==, 1); /* libvirt's test driver has one */
    ask(f, 1);
    wait_for(f, 4);
    g_assert_cmpuint(f->n_guests, ==, 1);
    g_assert_cmpuint(f->denied + f->unavailable, ==, 0);
}

static void test_absent_libvirt_is_unavailable(Fixture *f, gconstpointer uri)
{
    ask(f, 1);
    wait_for(f, 1);
    g_assert_cmpuint(f->unavailable, ==, 1);
}

static void test_those_who_wait_are_answered_at_the_end(Fixture *f, gconstpointer uri)
{
    while (guests_state(f->guests) != GUESTS_UP)
        g_main_context_iteration(NULL, TRUE);
    for (guint i = 0; i < 5; i++)
        g_assert_cmpint(sd_bus_call_method_async(f->theirs, NULL, NULL, PATH, INTERFACE, "List", on_answer, f, NULL), >=, 0);
    while (f->asked < 1)
        g_main_context_iteration(NULL, TRUE);
    listing_free(g_steal_pointer(&f->listing));
    f->listing = listing_new(f->guests);
    while (f->answered < 5)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(f->unavailable, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/listing/guests-of-libvirt-are-listed", Fixture, "test:///default", set_up, test_guests_of_libvirt_are_listed, tear_down);
    g_test_add("/listing/absent-libvirt-is-unavailable", Fixture, "", set_up, test_absent_libvirt_is_unavailable, tear_down);
    g_test_add("/listing/those-who-wait-are-answered-at-the-end", Fixture, "test:///default", set_up,
               test_those_who_wait_are_answered_at_the_end, tear_down);
    return g_test_run();
}
