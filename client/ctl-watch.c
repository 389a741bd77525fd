/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-watch.h"

#include "ctl-bus-call.h"
#include "error.h"
#include "sd-variant.h"

#define DEADLINE_US (5 * G_USEC_PER_SEC)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_slot, sd_bus_slot_unref)

struct CtlWatch {
    Ctl *ctl;
    sd_bus *bus;
    GQueue events; /* of CtlEvent */
    sd_bus_slot *changed, *added, *removed, *owner;
};

void ctl_event_free(CtlEvent *event)
{
    if (event == NULL)
        return;
    g_free(event->path);
    g_free(event->interface);
    g_clear_pointer(&event->properties, g_variant_unref);
    g_free(event);
}

static CtlEvent *event_new(CtlEventKind kind, const char *path, const char *interface, GVariant *properties)
{
    CtlEvent *event = g_new0(CtlEvent, 1);

    event->kind = kind;
    event->path = g_strdup(path);
    event->interface = g_strdup(interface);
    event->properties = properties != NULL ? g_variant_ref(properties) : NULL;
    return event;
}

static gboolean is_ours(const char *interface)
{
    return g_str_has_prefix(interface, CTL_BUS_NAME ".");
}

/* ---- signals: what is not of the expected form is left out ---- */

static int on_changed(sd_bus_message *message, void *data, sd_bus_error *error)
{
    CtlWatch *watch = data;
    g_autoptr(GVariant) properties = NULL;
    const char *interface;

    if (sd_bus_message_read(message, "s", &interface) > 0 && is_ours(interface) &&
        sd_variant_read(message, "a{sv}", &properties) > 0)
        g_queue_push_tail(&watch->events,
                          event_new(CTL_EVENT_CHANGED, sd_bus_message_get_path(message), interface, properties));
    return 0;
}

/* interfaces: a{sa{sv}} */
static CtlEvent *added_event(const char *path, GVariant *interfaces)
{
    GVariantIter iter;
    const char *interface;
    GVariant *properties;
    CtlEvent *event = NULL;

    g_variant_iter_init(&iter, interfaces);
    while (event == NULL && g_variant_iter_next(&iter, "{&s@a{sv}}", &interface, &properties)) {
        if (is_ours(interface))
            event = event_new(CTL_EVENT_ADDED, path, interface, properties);
        g_variant_unref(properties);
    }
    return event;
}

static int on_added(sd_bus_message *message, void *data, sd_bus_error *error)
{
    CtlWatch *watch = data;
    g_autoptr(GVariant) interfaces = NULL;
    const char *path;
    CtlEvent *event = NULL;

    if (sd_bus_message_read(message, "o", &path) > 0 && sd_variant_read(message, "a{sa{sv}}", &interfaces) > 0)
        event = added_event(path, interfaces);
    if (event != NULL)
        g_queue_push_tail(&watch->events, event);
    return 0;
}

static int on_removed(sd_bus_message *message, void *data, sd_bus_error *error)
{
    CtlWatch *watch = data;
    g_autoptr(GVariant) interfaces = NULL;
    const char *path;

    if (sd_bus_message_read(message, "o", &path) <= 0 || sd_variant_read(message, "as", &interfaces) <= 0)
        return 0;
    for (gsize i = 0; i < g_variant_n_children(interfaces); i++) {
        const char *interface;

        g_variant_get_child(interfaces, i, "&s", &interface);
        if (is_ours(interface))
            g_queue_push_tail(&watch->events, event_new(CTL_EVENT_REMOVED, path, interface, NULL));
    }
    return 0;
}

static int on_owner(sd_bus_message *message, void *data, sd_bus_error *error)
{
    CtlWatch *watch = data;
    const char *name, *before, *now;

    if (sd_bus_message_read(message, "sss", &name, &before, &now) > 0)
        g_queue_push_tail(&watch->events, event_new(*now != '\0' ? CTL_EVENT_BACK : CTL_EVENT_AWAY, NULL, NULL, NULL));
    return 0;
}

/* ---- life cycle ---- */

static int add_matches(CtlWatch *watch)
{
    static const char changed[] = "type='signal',sender='" CTL_BUS_NAME "',path_namespace='" CTL_BUS_ROOT "',"
                                  "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'";
    static const char manager[] = "org.freedesktop.DBus.ObjectManager";
    static const char owner[] = "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                                "member='NameOwnerChanged',arg0='" CTL_BUS_NAME "'";
    int r = sd_bus_add_match(watch->bus, &watch->changed, changed, on_changed, watch);

    if (r >= 0)
        r = sd_bus_match_signal(watch->bus, &watch->added, CTL_BUS_NAME, CTL_BUS_ROOT, manager, "InterfacesAdded", on_added, watch);
    if (r >= 0)
        r = sd_bus_match_signal(watch->bus, &watch->removed, CTL_BUS_NAME, CTL_BUS_ROOT, manager, "InterfacesRemoved", on_removed,
                                watch);
    if (r >= 0)
        r = sd_bus_add_match(watch->bus, &watch->owner, owner, on_owner, watch);
    return r;
}

static void set_lost(GError **error, int r)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE,
                "the system bus was lost: %s; check it with: systemctl status dbus", g_strerror(-r));
}

CtlWatch *ctl_watch_new(Ctl *ctl, GError **error)
{
    g_autoptr(CtlWatch) watch = g_new0(CtlWatch, 1);
    int r;

    g_queue_init(&watch->events);
    watch->ctl = ctl;
    watch->bus = ctl_bus_open(ctl, error);
    if (watch->bus == NULL)
        return NULL;
    r = add_matches(watch);
    if (r >= 0)
        return g_steal_pointer(&watch);
    set_lost(error, r);
    return NULL;
}

void ctl_watch_free(CtlWatch *watch)
{
    if (watch == NULL)
        return;
    sd_bus_slot_unref(watch->changed);
    sd_bus_slot_unref(watch->added);
    sd_bus_slot_unref(watch->removed);
    sd_bus_slot_unref(watch->owner);
    g_queue_clear_full(&watch->events, (GDestroyNotify)ctl_event_free);
    g_free(watch);
}

/* ---- loading ---- */

typedef struct Load {
    CtlWatch *watch;
    const CtlCall *call;
    gboolean done;
    GVariant *reply; /* NULL: it failed with `error` */
    GError *error;
} Load;

static const CtlCall manager_call = { NULL, "org.freedesktop.DBus.Properties", "GetAll", "(a{sv})", 0 };
static const CtlCall objects_call = { NULL, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "(a{oa{sa{sv}}})", 0 };

/* The signals before an answer tell what it holds: of the manager, or of all other objects. */
static void drop_known(CtlWatch *watch, gboolean of_manager)
{
    for (GList *at = watch->events.head, *next; at != NULL; at = next) {
        const CtlEvent *event = at->data;

        next = at->next;
        if (event->path == NULL || g_str_equal(event->path, CTL_BUS_ROOT) != of_manager)
            continue;
        ctl_event_free(at->data);
        g_queue_delete_link(&watch->events, at);
    }
}

/* Called between the signals that came before the answer and those that came after. */
static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *error)
{
    Load *load = data;
    const sd_bus_error *failure = sd_bus_message_get_error(reply);

    load->done = TRUE;
    if (failure != NULL)
        ctl_bus_set_error(load->watch->ctl, load->call, -sd_bus_error_get_errno(failure), failure, &load->error);
    else
        load->reply = ctl_bus_read_reply(load->call, reply, &load->error);
    drop_known(load->watch, load->call == &manager_call);
    return 0;
}

/* One step of the bus: what came is dispatched, or something is waited for. */
static gboolean step(CtlWatch *watch, GError **error)
{
    int r = sd_bus_process(watch->bus, NULL);

    if (r == 0)
        r = sd_bus_wait(watch->bus, G_MAXUINT64);
    if (r >= 0 || r == -EINTR)
        return TRUE;
    set_lost(error, r);
    return FALSE;
}

/* What the tuple of its reply holds. (transfer full) */
static GVariant *load(CtlWatch *watch, const CtlCall *call, GVariant *arguments, GError **error)
{
    g_autoptr(GVariant) held = arguments != NULL ? g_variant_ref_sink(arguments) : NULL;
    g_autoptr(sd_bus_slot) slot = NULL;
    g_autoptr(GVariant) reply = NULL;
    Load load = { .watch = watch, .call = call };
    sd_bus_message *message = NULL;
    int r = ctl_bus_new_call(watch->bus, call, held, &message);

    if (r >= 0)
        r = sd_bus_call_async(watch->bus, &slot, message, on_answer, &load, DEADLINE_US);
    sd_bus_message_unref(message);
    if (r < 0) {
        set_lost(error, r);
        return NULL;
    }
    while (!load.done)
        if (!step(watch, error))
            return NULL;
    if (load.error != NULL)
        g_propagate_error(error, load.error);
    reply = load.reply;
    return reply != NULL ? g_variant_get_child_value(reply, 0) : NULL;
}

GPtrArray *ctl_watch_load(CtlWatch *watch, GError **error)
{
    g_autoptr(GVariant) manager = load(watch, &manager_call, g_variant_new("(s)", CTL_BUS_MANAGER), error);
    g_autoptr(GVariant) objects = manager != NULL ? load(watch, &objects_call, NULL, error) : NULL;
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func((GDestroyNotify)ctl_event_free);

    if (objects == NULL)
        return NULL;
    g_ptr_array_add(events, event_new(CTL_EVENT_ADDED, CTL_BUS_ROOT, CTL_BUS_MANAGER, manager));
    for (gsize i = 0; i < g_variant_n_children(objects); i++) {
        g_autoptr(GVariant) interfaces = NULL;
        const char *path;
        CtlEvent *event;

        g_variant_get_child(objects, i, "{&o@a{sa{sv}}}", &path, &interfaces);
        event = added_event(path, interfaces);
        if (event != NULL)
            g_ptr_array_add(events, event);
    }
    return g_steal_pointer(&events);
}

CtlEvent *ctl_watch_next(CtlWatch *watch, GError **error)
{
    while (g_queue_is_empty(&watch->events))
        if (!step(watch, error))
            return NULL;
    return g_queue_pop_head(&watch->events);
}
