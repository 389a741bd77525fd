/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's capabilities XML -> what this host's ppc64 emulator is.
 *
 * The XML is libvirtd's own and holds nothing chosen by users; GLib's markup parser is enough for
 * it (no document types, no entities but the five). Domain XML goes through common/guest-xml
 * instead.
 */

#include <glib.h>

#include "facts.h"

#define GUESTS_CAPS_MAX (16u * 1024 * 1024) /* bytes; a real one has some 100 kB */

typedef struct GuestsCaps {
    char host_arch[16]; /* "ppc64le", "x86_64"; "" if not said */
    gboolean has_ppc64; /* there is a hvm emulator for ppc64 or ppc64le; else all below is empty */
    char emulator[256]; /* its path */
    guint n_machine_types; /* pseries machine types, no duplicates */
    char machine_types[FACTS_MACHINE_TYPES_MAX][FACTS_MACHINE_MAX];
} GuestsCaps;

/* Errors: TBSYNC_ERROR_INVALID; *ret untouched. */
gboolean guests_caps_parse(const char *xml, gsize length, GuestsCaps *ret, GError **error);

/* The QEMU version to believe; 0: unknown. `reported` is virConnectGetVersion()'s (major * 1000000
 * + minor * 1000 + micro; 0: none), which is that of the emulator for the host's own architecture
 * (libvirt src/qemu/qemu_capabilities.c, virQEMUCapsGetDefaultVersion). On a POWER host that is the
 * right one. Elsewhere the newest pseries-X.Y, which QEMU names after its release, decides on major
 * and minor. */
guint32 guests_caps_qemu_version(const GuestsCaps *caps, unsigned long reported);
