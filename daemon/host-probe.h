/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /proc, /sys and device tree below a root prefix -> HostFacts. No judgement, no KVM ioctl, no libvirt.
 *
 * Read: /proc/cpuinfo (cpu, revision with pvr, timebase, platform, machine), /proc/device-tree
 * (cpus/ * /timebase-frequency, cpu-version, ibm,dec-bits; hypervisor/compatible), /proc/sys/kernel/osrelease,
 * /etc/machine-id, /proc/meminfo (CmaFree), /proc/self/auxv's AT_PLATFORM against AT_BASE_PLATFORM is not used:
 * cpuinfo says the same. What is not there stays unknown; on a machine that is no POWER machine only kernel and machine_id
 * are known. Contradicting sources (PVR of cpuinfo and of the device tree, two timebase frequencies) are
 * TBSYNC_ERROR_INVALID naming both.
 */

#include <glib.h>

#include "facts.h"

gboolean host_probe(const char *root, HostFacts *ret, GError **error);
