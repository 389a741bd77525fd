/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The error domain of tbsyncd and its D-Bus names.
 *
 * error.c is the only place that converts between GError and D-Bus errors; it does so by name and
 * message only and includes no sd-bus header.
 */

#include <glib.h>

#define TBSYNC_ERROR (tbsync_error_quark())

typedef enum TbsyncError {
    TBSYNC_ERROR_FAILED,           /* org.tbsyncd1.Error.Failed */
    TBSYNC_ERROR_INVALID,          /* .Invalid: input that is refused; the message names object and value */
    TBSYNC_ERROR_NO_SUCH_PEER,     /* .NoSuchPeer */
    TBSYNC_ERROR_NO_SUCH_GUEST,    /* .NoSuchGuest */
    TBSYNC_ERROR_NO_SUCH_MIGRATION, /* .NoSuchMigration */
    TBSYNC_ERROR_UNREACHABLE,      /* .Unreachable: a peer cannot be reached */
    TBSYNC_ERROR_VERSION,          /* .Version: a peer speaks another protocol version */
    TBSYNC_ERROR_IDENTITY,         /* .Identity: a certificate does not match */
    TBSYNC_ERROR_SIMULATED,        /* .Simulated: a simulated host and a real one may not be peers */
    TBSYNC_ERROR_TIMEOUT,          /* .Timeout */
    TBSYNC_ERROR_UNAVAILABLE,      /* .Unavailable: libvirt or the daemon is away */
    TBSYNC_ERROR_DENIED,           /* .Denied */
    TBSYNC_ERROR_COUNT,
} TbsyncError;

GQuark tbsync_error_quark(void);

/* D-Bus error name of a GError of any domain; foreign domains give ".Failed". Static string. */
const char *tbsync_error_dbus_name(const GError *error);

/* A GError from a D-Bus error name and message; unknown names give TBSYNC_ERROR_FAILED, those that bus
 * and libsystemd use for calls that never reached their method give UNAVAILABLE, DENIED, TIMEOUT or INVALID. Both may
 * be NULL. (transfer full) */
GError *tbsync_error_from_dbus(const char *name, const char *message);
