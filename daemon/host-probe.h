/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /proc, /sys and device tree below a root prefix -> HostFacts. No judgement, no KVM ioctl, no libvirt.
 *
 * Read: /proc/cpuinfo (cpu, revision with pvr, timebase, platform, MMU), /proc/device-tree
 * (cpus/ * /timebase-frequency, ibm,extended-timebase-frequency, cpu-version, ibm,dec-bits; hypervisor/compatible),
 * /proc/sys/kernel/osrelease, /etc/machine-id, /proc/meminfo (CmaTotal, CmaFree).
 *
 * What is not there, cut off or unreadable stays unknown: a fact that is missing can be told from one that is wrong, and
 * whoever needs it says so. On a machine that is no POWER machine only kernel and machine_id are known. Sources that
 * contradict each other are an error, since no choice between them would be more than a guess.
 */

#include <glib.h>

#include "facts.h"

/* `root`: "" for this machine, or a directory without a final slash. Fills *ret whole. `simulated` is known and true with a
 * root prefix, and otherwise left to the caller.
 *
 * TBSYNC_ERROR_INVALID, naming both values and where they stand: PVRs of two processors, or of cpuinfo and device tree; PVR
 * and CPU name; two timebase frequencies; two levels of an LPAR; a bare-metal platform inside a hypervisor. */
gboolean host_probe(const char *root, HostFacts *ret, GError **error);

/* Reads again what changes while a host runs: hpt_max_order. Returns whether it did change. */
gboolean host_probe_refresh(const char *root, HostFacts *facts);
