/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-figures.h"

#include "relation.h"

AuditSubject audit_subject_of(const MigrationCase *c)
{
    const GuestFacts *guest = &c->guest;
    AuditSubject subject = {
        .timebase_hz = c->destination.timebase_hz,
        .kvm = !FACT_KNOWN(guest, GUEST_ACCEL) || guest->accel == ACCEL_KVM,
        .offline = FACT_KNOWN(guest, GUEST_ACTIVE) && !guest->active,
        .source_version = c->has_source ? c->source.qemu_version : 0,
        .destination_version = c->destination.qemu_version,
        .destination_takes_offset = c->destination.tb_offset,
        .copy_fresh = FACT_KNOWN(guest, GUEST_TB_COPY_STALE) && !guest->tb_copy_stale,
        .offset_known = FACT_KNOWN(guest, GUEST_TB_OFFSET_TICKS),
        .offset_ticks = guest->tb_offset_ticks,
        .ahead_ticks = INTERVAL_UNBOUNDED,
    };

    if (c->has_source)
        g_strlcpy(subject.source, c->source.name, sizeof subject.source);
    if (FACT_KNOWN(guest, GUEST_AHEAD_LO_TICKS))
        subject.ahead_ticks.lo = guest->ahead_lo_ticks;
    if (FACT_KNOWN(guest, GUEST_AHEAD_HI_TICKS))
        subject.ahead_ticks.hi = guest->ahead_hi_ticks;
    return subject;
}

static void set_ticks(JsonObject *object, const char *what, Interval ticks, guint64 hz)
{
    g_autofree char *lo = g_strdup_printf("%s_lo_ticks", what),
                    *hi = g_strdup_printf("%s_hi_ticks", what);
    g_autofree char *lo_ns = g_strdup_printf("%s_lo_ns", what),
                    *hi_ns = g_strdup_printf("%s_hi_ns", what);

    if (!interval_is_bounded(ticks))
        return; /* absent means unknown */
    json_object_set_int_member(object, lo, ticks.lo);
    json_object_set_int_member(object, hi, ticks.hi);
    json_object_set_int_member(object, lo_ns, ticks_to_ns_floor(ticks.lo, hz));
    json_object_set_int_member(object, hi_ns, ticks_to_ns_ceil(ticks.hi, hz));
}

/* What QEMU of these versions does with the guest's timebase over such a blackout. Whether the migration stopped the guest, or
 * somebody who suspended it on its way (virsh migrate --timeout), is not told by any event. To QEMU the latter is a paused guest, whose
 * timebase is made from the copy of the offset, and that may be stale. */
static Interval moved_by_qemu(const AuditSubject *subject, Interval blackout)
{
    Interval jump_ticks;
    OffsetQemuQuery query = {
        .event = OFFSET_EVENT_MIGRATION,
        .kvm = subject->kvm,
        .source_version = subject->source_version,
        .destination_version = subject->destination_version,
        .destination_takes_offset = subject->destination_takes_offset,
        .blackout_ticks = blackout,
        .stop_to_save_ticks = interval_of(0, blackout.hi),
        .load_to_run_ticks = interval_of(0, blackout.hi),
        .raw_jump_ticks = INTERVAL_UNBOUNDED,
    };

    jump_ticks = offset_qemu_prediction(&query).jump_ticks;
    if (subject->copy_fresh)
        return jump_ticks;
    query.paused_before = true;
    return interval_hull(jump_ticks, offset_qemu_prediction(&query).jump_ticks);
}

/* The offset that stock QEMU put in force: it continues the guest's timebase from where it was
 * saved, some time between stop and start, and the kernel rounds up. Known only if that leaves one
 * multiple. */
static void find_offset(const AuditSubject *subject, Interval apart_ticks, Interval moved_ticks,
                        GuestEntry *entry)
{
    Interval counted =
        interval_sub(moved_ticks, interval_of(0, subject->kvm ? TB_OFFSET_UNIT_TICKS - 1 : 0));
    Interval raw =
        interval_add(interval_sub(interval_point(subject->offset_ticks), apart_ticks), counted);

    entry->offset_known = subject->offset_known && interval_is_bounded(raw) &&
                          offset_round_up(raw.lo) == offset_round_up(raw.hi);
    entry->offset_ticks = entry->offset_known ? offset_round_up(raw.lo) : 0;
}

/* How far the guest itself saw its timebase move, into `object`. Unbounded, and why, if either end is not known. */
static Interval moved_as_seen(const AuditSubject *subject, const Departure *departure, const Arrival *arrival,
                              JsonObject *object)
{
    GuestTbQuery query = { .reading = arrival->guest,
                           .limit = arrival->run_lo,
                           .host_hz = subject->timebase_hz,
                           .rate_ppb = RELATION_TOD_DRIFT_PPB_DEFAULT };
    GuestTbBounds start;
    Interval moved;

    if (!departure->guest_known || !arrival->guest.known) {
        json_object_set_string_member(object, "guest_why", arrival->guest.known
                                                               ? "the source does not know the guest's timebase"
                                                               : "QEMU did not tell the guest's timebase here");
        return INTERVAL_UNBOUNDED;
    }
    start = guest_tb_at_start(&query);
    moved = guest_tb_moved(&departure->guest_tb, &start);
    json_object_set_int_member(object, "guest_stop_lo_ticks", (gint64)departure->guest_tb.lo.raw);
    json_object_set_int_member(object, "guest_stop_hi_ticks", (gint64)departure->guest_tb.hi.raw);
    json_object_set_int_member(object, "guest_start_lo_ticks", (gint64)start.lo.raw);
    json_object_set_int_member(object, "guest_start_hi_ticks", (gint64)start.hi.raw);
    set_ticks(object, "guest_moved", moved, GUEST_TB_HZ);
    return moved;
}

/* What was seen against what QEMU does by its version: both hold, or the guest is believed. Its ticks are those of 512 MHz, and the
 * ones of `predicted` those of the host. */
static Interval moved_by_both(const AuditSubject *subject, Interval predicted, Interval seen, JsonObject *object)
{
    Interval host_ticks = seen, both;

    if (!interval_is_bounded(seen))
        return predicted;
    if (subject->timebase_hz != GUEST_TB_HZ)
        host_ticks = interval_scale(seen, (int64_t)subject->timebase_hz, (int64_t)GUEST_TB_HZ);
    both = interval_intersect(predicted, host_ticks);
    json_object_set_boolean_member(object, "guest_as_predicted", !interval_is_empty(both));
    json_object_set_boolean_member(object, "guest_went_back", seen.hi < 0);
    return interval_is_empty(both) ? host_ticks : both;
}

JsonObject *audit_figures(const AuditSubject *subject, const Departure *departure,
                          const Arrival *arrival, Interval relation_ticks, GuestEntry *ret_entry)
{
    OffsetAuditQuery query = {
        .timebase_hz = subject->timebase_hz,
        .has_tb = true,
        .stop_tb = departure->stop_lo,
        .stop_error_ticks = interval_of(0, tb_minus(departure->stop_hi, departure->stop_lo)),
        .resume_tb = arrival->run_lo,
        .resume_error_ticks = interval_of(0, tb_minus(arrival->run_hi, arrival->run_lo)),
        .relation_ticks = relation_ticks,
        .moved_ticks = INTERVAL_UNBOUNDED,
        .ahead_ticks = subject->ahead_ticks,
    };
    JsonObject *object = json_object_new();
    OffsetAudit audit = offset_audit(&query);
    Interval seen = INTERVAL_UNBOUNDED;

    if (arrival->reads_guest)
        seen = moved_as_seen(subject, departure, arrival, object);
    if (audit.known) {
        query.moved_ticks =
            moved_by_both(subject, moved_by_qemu(subject, audit.blackout_ticks), seen, object);
        audit = offset_audit(&query);
    }
    json_object_set_boolean_member(object, "known", audit.known);
    json_object_set_boolean_member(object, "contradiction", audit.contradiction);
    json_object_set_string_member(object, "stop_from", departure->precise ? "qemu" : "libvirt");
    json_object_set_string_member(object, "start_from", arrival->precise ? "qemu" : "libvirt");
    if (audit.known) {
        set_ticks(object, "blackout", audit.blackout_ticks, subject->timebase_hz);
        set_ticks(object, "moved", audit.moved_ticks, subject->timebase_hz);
        set_ticks(object, "lost", audit.lost_ticks, subject->timebase_hz);
        set_ticks(object, "ahead", audit.ahead_ticks, subject->timebase_hz);
    }
    *ret_entry = (GuestEntry){ .ahead_lo_ticks = audit.ahead_ticks.lo,
                               .ahead_hi_ticks = audit.ahead_ticks.hi };
    find_offset(subject,
                interval_of(tb_minus(arrival->run_lo, departure->stop_hi),
                            tb_minus(arrival->run_hi, departure->stop_lo)),
                audit.moved_ticks, ret_entry);
    if (ret_entry->offset_known)
        json_object_set_int_member(object, "offset_ticks", ret_entry->offset_ticks);
    return object;
}

JsonObject *audit_figures_unknown(const char *why)
{
    JsonObject *object = json_object_new();

    json_object_set_boolean_member(object, "known", FALSE);
    json_object_set_string_member(object, "why", why);
    return object;
}
