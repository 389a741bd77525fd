/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

#include <string.h>

void host_facts_init(HostFacts *host)
{
    memset(host, 0, sizeof *host);
    memset(host->caps, CAP_UNKNOWN, sizeof host->caps);
}

void guest_facts_init(GuestFacts *guest)
{
    memset(guest, 0, sizeof *guest);
    memset(guest->caps, CAP_UNKNOWN, sizeof guest->caps);
}

#define OVERLAY_VALUE(bit, member)        \
    if (FACT_KNOWN(over, bit))            \
    base->member = over->member
#define OVERLAY_ARRAY(bit, member)        \
    if (FACT_KNOWN(over, bit))            \
    memcpy(base->member, over->member, sizeof base->member)

static void overlay_identity(GuestFacts *base, const GuestFacts *over)
{
    OVERLAY_ARRAY(GUEST_UUID, uuid);
    OVERLAY_ARRAY(GUEST_NAME, name);
    OVERLAY_VALUE(GUEST_ARCH, arch);
    OVERLAY_VALUE(GUEST_ACCEL, accel);
    OVERLAY_ARRAY(GUEST_MACHINE_TYPE, machine_type);
    OVERLAY_VALUE(GUEST_CPU_MODE, cpu_mode);
    OVERLAY_ARRAY(GUEST_CPU_MODEL, cpu_model);
    OVERLAY_VALUE(GUEST_MAX_CPU_COMPAT, max_cpu_compat);
    OVERLAY_VALUE(GUEST_EFFECTIVE_MODE, effective_mode);
    OVERLAY_VALUE(GUEST_PVR, pvr);
}

static void overlay_machine(GuestFacts *base, const GuestFacts *over)
{
    OVERLAY_VALUE(GUEST_IC_MODE, ic_mode);
    OVERLAY_VALUE(GUEST_MMU, mmu);
    OVERLAY_VALUE(GUEST_MEMORY_BYTES, memory_bytes);
    OVERLAY_VALUE(GUEST_MAX_MEMORY_BYTES, max_memory_bytes);
    OVERLAY_VALUE(GUEST_RESIZE_HPT, resize_hpt);
    OVERLAY_VALUE(GUEST_ACTIVE, active);
    OVERLAY_VALUE(GUEST_TB_OFFSET_TICKS, tb_offset_ticks);
    OVERLAY_VALUE(GUEST_AHEAD_LO_TICKS, ahead_lo_ticks);
    OVERLAY_VALUE(GUEST_AHEAD_HI_TICKS, ahead_hi_ticks);
    OVERLAY_VALUE(GUEST_PAUSED, paused);
    OVERLAY_VALUE(GUEST_TB_COPY_STALE, tb_copy_stale);
}

void guest_facts_overlay(GuestFacts *base, const GuestFacts *over)
{
    overlay_identity(base, over);
    overlay_machine(base, over);
    for (int cap = 0; cap < CAP_COUNT; cap++)
        if (over->caps[cap] != CAP_UNKNOWN)
            base->caps[cap] = over->caps[cap];
    base->known |= over->known;
}
