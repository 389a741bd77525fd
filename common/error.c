/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"

#define OWN_PREFIX "org.tbsyncd1.Error."

/* Indexed by TbsyncError. */
static const char *const own_names[TBSYNC_ERROR_COUNT] = {
    [TBSYNC_ERROR_FAILED] = OWN_PREFIX "Failed",
    [TBSYNC_ERROR_INVALID] = OWN_PREFIX "Invalid",
    [TBSYNC_ERROR_NO_SUCH_PEER] = OWN_PREFIX "NoSuchPeer",
    [TBSYNC_ERROR_NO_SUCH_GUEST] = OWN_PREFIX "NoSuchGuest",
    [TBSYNC_ERROR_NO_SUCH_MIGRATION] = OWN_PREFIX "NoSuchMigration",
    [TBSYNC_ERROR_UNREACHABLE] = OWN_PREFIX "Unreachable",
    [TBSYNC_ERROR_VERSION] = OWN_PREFIX "Version",
    [TBSYNC_ERROR_IDENTITY] = OWN_PREFIX "Identity",
    [TBSYNC_ERROR_SIMULATED] = OWN_PREFIX "Simulated",
    [TBSYNC_ERROR_TIMEOUT] = OWN_PREFIX "Timeout",
    [TBSYNC_ERROR_UNAVAILABLE] = OWN_PREFIX "Unavailable",
    [TBSYNC_ERROR_DENIED] = OWN_PREFIX "Denied",
};

/* What bus and libsystemd themselves say about a call that never reached its method. */
static const struct {
    const char *name;
    TbsyncError code;
} foreign_names[] = {
    { "org.freedesktop.DBus.Error.ServiceUnknown", TBSYNC_ERROR_UNAVAILABLE },
    { "org.freedesktop.DBus.Error.NameHasNoOwner", TBSYNC_ERROR_UNAVAILABLE },
    { "org.freedesktop.DBus.Error.NoServer", TBSYNC_ERROR_UNAVAILABLE },
    { "org.freedesktop.DBus.Error.Disconnected", TBSYNC_ERROR_UNAVAILABLE },
    { "org.freedesktop.DBus.Error.FileNotFound", TBSYNC_ERROR_UNAVAILABLE },
    { "org.freedesktop.DBus.Error.AccessDenied", TBSYNC_ERROR_DENIED },
    { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", TBSYNC_ERROR_DENIED },
    { "org.freedesktop.DBus.Error.NoReply", TBSYNC_ERROR_TIMEOUT },
    { "org.freedesktop.DBus.Error.Timeout", TBSYNC_ERROR_TIMEOUT },
    { "org.freedesktop.DBus.Error.TimedOut", TBSYNC_ERROR_TIMEOUT },
    { "org.freedesktop.DBus.Error.InvalidArgs", TBSYNC_ERROR_INVALID },
    { "org.freedesktop.DBus.Error.InvalidSignature", TBSYNC_ERROR_INVALID },
};

G_DEFINE_QUARK(tbsync-error-quark, tbsync_error)

const char *tbsync_error_dbus_name(const GError *error)
{
    if (error->domain != TBSYNC_ERROR || error->code < 0 || error->code >= TBSYNC_ERROR_COUNT)
        return own_names[TBSYNC_ERROR_FAILED];
    return own_names[error->code];
}

GError *tbsync_error_from_dbus(const char *name, const char *message)
{
    TbsyncError code = TBSYNC_ERROR_FAILED;

    for (guint i = 0; i < G_N_ELEMENTS(own_names); i++)
        if (g_strcmp0(name, own_names[i]) == 0)
            code = (TbsyncError)i;
    for (guint i = 0; i < G_N_ELEMENTS(foreign_names); i++)
        if (g_strcmp0(name, foreign_names[i].name) == 0)
            code = foreign_names[i].code;
    return g_error_new_literal(TBSYNC_ERROR, code,
                               message != NULL ? message : name != NULL ? name : "unknown error");
}
