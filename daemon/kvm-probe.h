/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /dev/kvm -> HostFacts: HV, PR or none; timebase offset, MMU modes, capability levels, resize-hpt.
 *
 * The only includer of linux/kvm.h. Opens `device` ("/dev/kvm"), asks KVM_CHECK_EXTENSION and KVM_PPC_GET_CPU_CHAR, and
 * makes a throw-away VM with one vCPU to try KVM_REG_PPC_TB_OFFSET. Fills into `facts`, which may already hold host-probe's
 * facts. No device, no permission or no POWER kernel: kvm = none or unknown, with the reason in ret_note. Never fails
 * otherwise and never blocks for more than some ms.
 */

#include <glib.h>

#include "facts.h"

/* ret_note (transfer full) (nullable): one sentence for status and doctor. */
void kvm_probe(const char *device, HostFacts *facts, char **ret_note);
