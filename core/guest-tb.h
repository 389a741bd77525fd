/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest's own timebase at the ends of a blackout, from readings that were taken some time before or after them.
 *
 * Only of guests under TCG: QEMU makes their timebase from its virtual clock, which counts 512 MHz of the host's monotonic
 * clock while the guest runs and stands still while it is stopped (QEMU hw/ppc/ppc.c, cpu_ppc_get_tb). A reading of a
 * stopped guest is therefore exact whenever it was taken; one of a running guest is as wide as the time it took.
 * Pure: integers, rounded outward; everything else is the caller's to know, such as whether the guest ran in between.
 */

#include "interval.h"
#include "units.h"

/* QEMU include/hw/ppc/spapr.h, SPAPR_TIMEBASE_FREQ: whatever the host's frequency is. */
#define GUEST_TB_HZ TB_FREQUENCY_POWER_HZ

typedef struct GuestTbReading {
    bool known;
    TbTicks guest;            /* what the guest's timebase was ... */
    TbTicks host_lo, host_hi; /* ... at some instant between these two of its host's */
} GuestTbReading;

/* QEMU's virtual clock stops some time before the STOP event is stamped, and starts some time after RESUME was (QEMU
 * softmmu/cpus.c, do_vm_stop and vm_prepare_start; pausing vCPUs takes ms on a busy machine). So only one side of each instant is known. */
typedef struct GuestTbQuery {
    GuestTbReading reading;
    TbTicks limit;        /* on the same host's timebase: when it had surely stopped, or had surely not yet started */
    uint64_t host_hz;     /* 1 .. 10^12 */
    uint32_t rate_ppb;    /* by how much the monotonic clock may run faster or slower than the host's timebase */
} GuestTbQuery;

typedef struct GuestTbBounds {
    TbTicks lo, hi; /* of the guest's timebase */
} GuestTbBounds;

/* At the stop, which was not after `limit`. The guest ran from the reading to it, or had stopped and was not started before the
 * reading. */
GuestTbBounds guest_tb_at_stop(const GuestTbQuery *query);

/* At the start, which was not before `limit`. The guest ran from it to the reading, or the reading came first and it was
 * stopped all the while. */
GuestTbBounds guest_tb_at_start(const GuestTbQuery *query);

/* start - stop, in ticks of the guest: how far the guest saw its timebase move over the blackout. */
Interval guest_tb_moved(const GuestTbBounds *stop, const GuestTbBounds *start);
