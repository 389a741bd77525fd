/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-private.h"

#include "error.h"
#include "sd-variant.h"

void bus_send_reply(sd_bus_message *call, GVariant *body)
{
    sd_bus_message *reply = NULL;
    g_autoptr(GVariant) owned = g_variant_ref_sink(body);
    GVariantIter iter;
    GVariant *child;
    int r = sd_bus_message_new_method_return(call, &reply);

    g_variant_iter_init(&iter, owned);
    while (r >= 0 && (child = g_variant_iter_next_value(&iter))) {
        r = sd_variant_append(reply, child);
        g_variant_unref(child);
    }
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    if (r < 0)
        g_debug("reply on the system bus: %s", g_strerror(-r));
    sd_bus_message_unref(reply);
}

int bus_reply_error(sd_bus_message *call, const GError *error)
{
    return sd_bus_reply_method_errorf(call, tbsync_error_dbus_name(error), "%s", error->message);
}

int bus_reply_invalid(sd_bus_message *call, const char *message)
{
    return sd_bus_reply_method_errorf(call, "org.tbsyncd1.Error.Invalid", "%s", message);
}
