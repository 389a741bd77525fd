/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "offset.h"

#include "facts.h"

/* QEMU hw/ppc/ppc.c (timebase_save, timebase_load, timebase_pre_save, cpu_ppc_clock_vm_state_change) and
 * hw/ppc/spapr.c (vmstate_spapr, spapr_machine_init), read in 7.2 and 10.2; the borders between versions from the history:
 * 98a8b52442 (2.1) puts the timebase into the stream, 42043e4f1241 (2.9) stops and starts it with the VM, d14f33976282
 * (4.2) leaves a paused guest's timebase alone, "Do not re-read the clock on pre_save if doing savevm" (6.0).
 * Source and destination may be of different versions: the source's decides what is saved, the destination's when it is
 * put in force. */

/* The kernel rounds what it is given up to a multiple of 2^24. */
static const Interval rounding = { 0, TB_OFFSET_UNIT_TICKS - 1 };

/* QEMU keeps the unrounded offset until vCPU 0's registers are next read, so that a timebase that was saved at "VM stopped"
 * may be too old by what an earlier rounding added. */
static const Interval stale_copy = { -(TB_OFFSET_UNIT_TICKS - 1), 0 };

static OffsetQemuPrediction predict(const OffsetQemuQuery *q, OffsetQemuRule rule, Interval jump)
{
    return (OffsetQemuPrediction){ .known = true,
                                   .rule = rule,
                                   .jump_ticks = jump,
                                   .lost_ticks = interval_sub(q->blackout_ticks, jump),
                                   .may_go_back = jump.lo < 0 };
}

/* Saved at the stop and not again when the stream is written. */
static bool is_saved_at_stop_only(const OffsetQemuQuery *q)
{
    bool spares_paused = q->source_version >= QEMU_VERSION(4, 2, 0);
    bool spares_snapshots = q->source_version >= QEMU_VERSION(6, 0, 0);

    return q->event == OFFSET_EVENT_STOP_CONT || (q->paused_before && spares_paused) ||
           (q->event == OFFSET_EVENT_RESTORE && spares_snapshots);
}

static OffsetQemuPrediction predict_kvm(const OffsetQemuQuery *q)
{
    bool frozen = is_saved_at_stop_only(q);
    Interval before = frozen ? stale_copy : q->stop_to_save_ticks;
    bool has_none = q->source_version < QEMU_VERSION(2, 1, 0);

    if (!q->destination_takes_offset || (has_none && q->destination_version < QEMU_VERSION(2, 1, 0)))
        return predict(q, OFFSET_QEMU_NO_TIMEBASE, q->raw_jump_ticks);
    /* A stream without a timebase into a QEMU that expects one, or the reverse: seen in no source. */
    if (has_none || q->destination_version < QEMU_VERSION(2, 1, 0))
        return (OffsetQemuPrediction){ .known = false };
    if (q->event == OFFSET_EVENT_STOP_CONT && q->source_version < QEMU_VERSION(2, 9, 0))
        return predict(q, OFFSET_QEMU_RUNS_ON, q->blackout_ticks);
    if (q->destination_version < QEMU_VERSION(2, 9, 0))
        return predict(q, OFFSET_QEMU_AT_LOAD,
                       interval_add(interval_add(before, q->load_to_run_ticks), rounding));
    return predict(q, frozen ? OFFSET_QEMU_FROZEN : OFFSET_QEMU_AT_RUN, interval_add(before, rounding));
}

OffsetQemuPrediction offset_qemu_prediction(const OffsetQemuQuery *query)
{
    OffsetQemuPrediction unknown = { .known = false,
                                     .jump_ticks = INTERVAL_UNBOUNDED,
                                     .lost_ticks = INTERVAL_UNBOUNDED,
                                     .may_go_back = true };
    OffsetQemuPrediction result = unknown;
    bool is_measured_tcg = query->source_version >= QEMU_VERSION(2, 9, 0) &&
                           query->destination_version >= QEMU_VERSION(2, 9, 0);

    if (query->kvm)
        result = predict_kvm(query);
    else if (is_measured_tcg)
        result = predict(query, OFFSET_QEMU_VIRTUAL_CLOCK, interval_point(0));
    return result.known ? result : unknown;
}
