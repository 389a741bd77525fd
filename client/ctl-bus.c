/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-bus-call.h"

#include <errno.h>
#include <string.h>

#include "error.h"
#include "sd-variant.h"

#define DEADLINE_DEFAULT_MS 5000u

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(sd_bus_error, sd_bus_error_free)

struct CtlBus {
    sd_bus *bus;
};

void ctl_bus_close(Ctl *ctl)
{
    if (ctl->bus == NULL)
        return;
    sd_bus_flush_close_unref(ctl->bus->bus);
    g_clear_pointer(&ctl->bus, g_free);
}

sd_bus *ctl_bus_open(Ctl *ctl, GError **error)
{
    sd_bus *bus = NULL;
    int r;

    if (ctl->bus != NULL)
        return ctl->bus->bus;
    r = sd_bus_open_system(&bus);
    if (r < 0) {
        const char *address = g_getenv("DBUS_SYSTEM_BUS_ADDRESS");
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE,
                    "the system bus%s%s cannot be reached: %s; check it with: systemctl status dbus",
                    address != NULL ? " at " : "", address != NULL ? address : "", g_strerror(-r));
        return NULL;
    }
    ctl->bus = g_new0(CtlBus, 1);
    ctl->bus->bus = bus;
    return bus;
}

/* What tbsyncd itself says is handed on. What it cannot reach, libvirt or a peer, is doctor's to look at. */
static void hand_on(const GError *said, GError **error)
{
    gboolean away = said->code == TBSYNC_ERROR_UNAVAILABLE || said->code == TBSYNC_ERROR_UNREACHABLE;

    g_set_error(error, TBSYNC_ERROR, said->code, "%s%s", said->message,
                away && strstr(said->message, "; ") == NULL ? "; see: tbsyncctl doctor" : "");
}

/* What the operator can do about it depends on who refused: the bus, libsystemd, or the daemon with words of its own. */
void ctl_bus_set_error(const Ctl *ctl, const CtlCall *call, int r, const sd_bus_error *bus_error, GError **error)
{
    guint deadline_ms = call->deadline_ms != 0 ? call->deadline_ms : DEADLINE_DEFAULT_MS;
    const char *name = sd_bus_error_is_set(bus_error) ? bus_error->name : NULL;
    g_autoptr(GError) said = tbsync_error_from_dbus(name, name != NULL ? bus_error->message : g_strerror(-r));

    if (r == -ETIMEDOUT || g_error_matches(said, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT))
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT,
                    "tbsyncd did not answer %s within %u ms; look at it with: systemctl status tbsyncd", call->method,
                    deadline_ms);
    else if (name != NULL && g_str_has_prefix(name, "org.tbsyncd1.Error."))
        hand_on(said, error);
    else if (g_error_matches(said, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE))
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE,
                    "tbsyncd is not running on this host; start it with: systemctl start tbsyncd");
    else if (g_error_matches(said, TBSYNC_ERROR, TBSYNC_ERROR_DENIED))
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_DENIED, "%s on tbsyncd is not permitted to you; try: sudo tbsyncctl %s",
                    call->method, ctl->verb != NULL ? ctl->verb->name : "");
    else
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "%s on tbsyncd failed: %s; see: journalctl -u tbsyncd",
                    call->method, said->message);
}

static int append_arguments(sd_bus_message *message, GVariant *arguments)
{
    for (gsize i = 0; arguments != NULL && i < g_variant_n_children(arguments); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(arguments, i);
        int r = sd_variant_append(message, child);
        if (r < 0)
            return r;
    }
    return 0;
}

int ctl_bus_new_call(sd_bus *bus, const CtlCall *call, GVariant *arguments, sd_bus_message **ret)
{
    g_autoptr(sd_bus_message) message = NULL;
    int r = sd_bus_message_new_method_call(bus, &message, CTL_BUS_NAME, call->path != NULL ? call->path : CTL_BUS_ROOT,
                                           call->interface != NULL ? call->interface : CTL_BUS_MANAGER, call->method);

    if (r < 0)
        return r;
    /* a status command must not change what it reports */
    r = sd_bus_message_set_auto_start(message, FALSE);
    if (r >= 0)
        r = append_arguments(message, arguments);
    if (r >= 0)
        *ret = g_steal_pointer(&message);
    return r;
}

/* The members of the reply one by one, since a D-Bus message is no struct itself. */
GVariant *ctl_bus_read_reply(const CtlCall *call, sd_bus_message *reply, GError **error)
{
    const GVariantType *tuple = G_VARIANT_TYPE(call->reply_type != NULL ? call->reply_type : "()");
    GVariantBuilder builder;

    g_variant_builder_init(&builder, tuple);
    for (const GVariantType *at = g_variant_type_first(tuple); at != NULL; at = g_variant_type_next(at)) {
        g_autofree char *member_type = g_variant_type_dup_string(at);
        g_autoptr(GVariant) member = NULL;
        if (sd_variant_read(reply, member_type, &member) <= 0) {
            g_variant_builder_clear(&builder);
            g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_VERSION,
                        "tbsyncd answered %s in an unknown form; tool and daemon must be of one version: tbsyncctl --version",
                        call->method);
            return NULL;
        }
        g_variant_builder_add_value(&builder, member);
    }
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

/* ---- a call that is waited for under the eyes of the operator ---- */

static int on_visible_reply(sd_bus_message *reply, void *data, sd_bus_error *error)
{
    *(sd_bus_message **)data = sd_bus_message_ref(reply);
    return 0;
}

/* As sd_bus_call(). */
static int call_visibly(Ctl *ctl, sd_bus_message *message, guint64 deadline_us, sd_bus_error *ret_error, sd_bus_message **ret)
{
    sd_bus *bus = sd_bus_message_get_bus(message);
    const char *method = sd_bus_message_get_member(message);
    g_autoptr(sd_bus_message) reply = NULL;
    sd_bus_slot *slot = NULL;
    int r = sd_bus_call_async(bus, &slot, message, on_visible_reply, &reply, deadline_us);

    ctl_progress_begin(&ctl->progress, method);
    while (r >= 0 && reply == NULL) {
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, CTL_PROGRESS_PERIOD_US);
        if (r == -EINTR)
            r = 0;
        ctl_progress_go_on(&ctl->progress, method);
    }
    ctl_progress_end(&ctl->progress);
    sd_bus_slot_unref(slot);
    if (reply != NULL && sd_bus_message_is_method_error(reply, NULL)) {
        sd_bus_error_copy(ret_error, sd_bus_message_get_error(reply));
        return -sd_bus_error_get_errno(ret_error);
    }
    *ret = g_steal_pointer(&reply);
    return MIN(r, 0);
}

/* The hook is never on a terminal, and in a hurry. */
static int call_message(Ctl *ctl, sd_bus_message *message, guint64 deadline_us, sd_bus_error *ret_error, sd_bus_message **ret)
{
    if (ctl->progress.enabled)
        return call_visibly(ctl, message, deadline_us, ret_error, ret);
    return sd_bus_call(sd_bus_message_get_bus(message), message, deadline_us, ret_error, ret);
}

GVariant *ctl_bus_call(Ctl *ctl, const CtlCall *call, GVariant *arguments, GError **error)
{
    g_autoptr(GVariant) held = arguments != NULL ? g_variant_ref_sink(arguments) : NULL;
    g_autoptr(sd_bus_message) message = NULL, reply = NULL;
    g_auto(sd_bus_error) bus_error = SD_BUS_ERROR_NULL;
    guint deadline_ms = call->deadline_ms != 0 ? call->deadline_ms : DEADLINE_DEFAULT_MS;
    sd_bus *bus = ctl_bus_open(ctl, error);

    if (bus == NULL)
        return NULL;
    int r = ctl_bus_new_call(bus, call, held, &message);
    if (r >= 0)
        r = call_message(ctl, message, (guint64)deadline_ms * 1000, &bus_error, &reply);
    if (r < 0) {
        ctl_bus_set_error(ctl, call, r, &bus_error, error);
        return NULL;
    }
    return ctl_bus_read_reply(call, reply, error);
}

GVariant *ctl_bus_get_all(Ctl *ctl, const char *path, const char *interface, GError **error)
{
    CtlCall call = { path, "org.freedesktop.DBus.Properties", "GetAll", "(a{sv})", 0 };
    g_autoptr(GVariant) reply = ctl_bus_call(ctl, &call, g_variant_new("(s)", interface), error);

    return reply != NULL ? g_variant_get_child_value(reply, 0) : NULL;
}

GVariant *ctl_bus_get_objects(Ctl *ctl, GError **error)
{
    CtlCall call = { NULL, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "(a{oa{sa{sv}}})", 0 };
    g_autoptr(GVariant) reply = ctl_bus_call(ctl, &call, NULL, error);

    return reply != NULL ? g_variant_get_child_value(reply, 0) : NULL;
}
