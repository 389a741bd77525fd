/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The facts of this host: probed once, completed by clock and libvirt, read again where they change while the host runs; above all
 * stands what [Host] of the configuration says.
 *
 * Asks nobody but /proc, the device tree and /dev/kvm. Decides nothing, tells nobody: whoever shows the facts to peers asks
 * own_host_has_changed() from time to time. Main thread only.
 */

#include <glib.h>

#include "config.h"
#include "facts.h"
#include "guests.h"

typedef struct OwnHost OwnHost;

/* What changes by itself (hpt_max_order) is not read again sooner. */
#define OWN_HOST_REFRESH_NS NS_PER_S

/* Probes the machine, or what Root= has instead; of `config` nothing is kept. Errors as host_probe(). */
OwnHost *own_host_new(const Config *config, GError **error);
void own_host_free(OwnHost *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OwnHost, own_host_free)

/* What the KVM probe has to say; NULL if all is well, or if nobody asked KVM. */
const char *own_host_kvm_note(const OwnHost *self);

/* now_boot_ns: CLOCK_BOOTTIME. (transfer none): later calls change it in place. */
const HostFacts *own_host_facts(OwnHost *self, gint64 now_boot_ns);

void own_host_set_name(OwnHost *self, const char *name);

/* Of the clock, before anybody is told of the host: no change. */
void own_host_set_timebase_hz(OwnHost *self, guint64 timebase_hz);

/* QEMU's version and machine types, if libvirt has told them. */
void own_host_take_guests(OwnHost *self, const Guests *guests);

/* Whether the facts are others than at the last call; of the first call: than before. */
gboolean own_host_has_changed(OwnHost *self, gint64 now_boot_ns);
