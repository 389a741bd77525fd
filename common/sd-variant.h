/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* sd-bus message <-> GVariant, so that codecs know one form only. Generic over types; bounded depth.
 *
 * Return values are sd-bus' own: negative errno, or >= 0.
 */

#include <glib.h>
#include <systemd/sd-bus.h>

/* Appends one complete value. A floating value is consumed. -EINVAL for types D-Bus does not have. */
int sd_variant_append(sd_bus_message *message, GVariant *value);

/* Reads one complete value of type `type` ("a{sv}"). 1 and *ret (transfer full); 0 at the end of the message;
 * -EBADMSG if the message holds something else; -E2BIG beyond 64 levels. */
int sd_variant_read(sd_bus_message *message, const char *type, GVariant **ret);
