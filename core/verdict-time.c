/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rules on time: frequency, offset support, the relation between the clocks, and the plan. Guests
 * under TCG have none of this: their timebase stands still while they move.
 */

#include "verdict-private.h"

static void judge_frequency(Judgement *j)
{
    const HostFacts *source = j->source.host, *dest = j->dest.host;
    Severity unknown = severity_if(j->in->policy->unknown_facts_block);

    if (!FACT_KNOWN(dest, HOST_TIMEBASE_HZ))
        judge_unknown(j, "timebase_hz", 0, unknown);
    if (!source)
        return;
    if (!FACT_KNOWN(source, HOST_TIMEBASE_HZ))
        judge_unknown(j, "timebase_hz", 1, unknown);
    else if (FACT_KNOWN(dest, HOST_TIMEBASE_HZ) && source->timebase_hz != dest->timebase_hz)
        judge_add(j, &(Finding){ FINDING_TIMEBASE_FREQUENCY_DIFFERS, SEVERITY_BLOCK,
                                 .a = value_number(VALUE_HZ, (int64_t)source->timebase_hz),
                                 .b = value_number(VALUE_HZ, (int64_t)dest->timebase_hz) });
}

static void judge_offset_support(Judgement *j)
{
    const HostFacts *host = j->dest.host;
    CpuFamily family = cpu_family_of_pvr(j->dest.pvr);

    if (family != CPU_UNKNOWN && !cpu_has_tbu40(family))
        judge_add(j, &(Finding){ FINDING_TIMEBASE_OFFSET_UNSUPPORTED, SEVERITY_BLOCK,
                                 .b = value_pvr(j->dest.pvr), .variant = 1 });
    else if (!FACT_KNOWN(host, HOST_TB_OFFSET))
        judge_unknown(j, "tb_offset", 0, severity_if(j->in->policy->unknown_facts_block));
    else if (!host->tb_offset)
        judge_add(j, &(Finding){ FINDING_TIMEBASE_OFFSET_UNSUPPORTED, SEVERITY_BLOCK,
                                 .b = value_kernel(host), .variant = 0 });
}

/* Of the destination; POWER's if it is not known or no frequency at all. */
static uint64_t common_hz(const Judgement *j)
{
    const HostFacts *dest = j->dest.host;

    if (FACT_KNOWN(dest, HOST_TIMEBASE_HZ) && dest->timebase_hz != 0 &&
        dest->timebase_hz <= INT64_MAX)
        return dest->timebase_hz;
    return TB_FREQUENCY_POWER_HZ;
}

static void add_relation(Judgement *j, FindingCode code, int variant)
{
    judge_add(j, &(Finding){ code, severity_if(j->in->policy->relation_unknown_blocks),
                             .variant = (int8_t)variant });
}

/* Variant of timebase-relation-unknown by state. */
static const int relation_variants[] = {
    [RELATION_NONE] = 0,
    [RELATION_STEPPED] = 1,
    [RELATION_INVALID] = 2,
};

static bool relation_is_usable(Judgement *j)
{
    const RelationBounds *relation = j->in->relation;

    if (relation && relation->state == RELATION_OK)
        return true;
    if (relation)
        add_relation(j, FINDING_TIMEBASE_RELATION_UNKNOWN, relation_variants[relation->state]);
    else if (j->in->kind == JUDGE_MIGRATION)
        add_relation(j, FINDING_TIMEBASE_RELATION_UNKNOWN, 0);
    return false;
}

static void judge_age(Judgement *j)
{
    int64_t allowed_ns = j->in->policy->max_relation_age_ns;
    int64_t age_ns = ticks_to_ns_ceil(j->in->relation->age_ticks, common_hz(j));

    if (age_ns > allowed_ns)
        judge_add(j, &(Finding){ FINDING_TIMEBASE_RELATION_STALE,
                                 severity_if(j->in->policy->relation_unknown_blocks),
                                 .a = value_number(VALUE_NS, age_ns),
                                 .b = value_number(VALUE_NS, allowed_ns) });
}

/* It holds as any other does, but nobody watched the clocks meanwhile: what is proven is that neither host has booted. */
static void judge_stored(Judgement *j)
{
    if (j->in->relation->stored)
        judge_add(j, &(Finding){ FINDING_TIMEBASE_RELATION_STORED, SEVERITY_NOTE });
}

/* Only a skew that is sure: the whole interval lies beyond the bound. */
static void judge_skew(Judgement *j)
{
    Interval tod_ns = j->in->relation->tod_ns;
    int64_t allowed_ns = j->in->policy->max_tod_skew_ns;
    int64_t least_ns;

    if (tod_ns.lo > allowed_ns)
        least_ns = tod_ns.lo;
    else if (tod_ns.hi < -allowed_ns)
        least_ns = tod_ns.hi;
    else
        return;
    judge_add(j, &(Finding){ FINDING_TOD_SKEW, SEVERITY_WARN, .a = value_number(VALUE_NS, least_ns),
                             .b = value_number(VALUE_NS, allowed_ns) });
}

void judge_plan(Judgement *j, const OffsetPlan *plan, uint64_t timebase_hz)
{
    int64_t allowed_ns = j->in->policy->max_forward_jump_ns;
    bool lockup = OFFSET_SOFT_LOCKUP_NS < allowed_ns;

    if (!plan->known) {
        add_relation(j, FINDING_TIMEBASE_RELATION_UNKNOWN, 3);
        return;
    }
    if (plan->jump_ticks.lo < 0)
        judge_add(j, &(Finding){ FINDING_TIMEBASE_COULD_GO_BACK, SEVERITY_BLOCK,
                                 .a = value_number(VALUE_TICKS, plan->jump_ticks.lo) });
    if (offset_jump_is_too_large(plan->jump_ticks, timebase_hz, allowed_ns))
        judge_add(j, &(Finding){ FINDING_TIMEBASE_JUMP_TOO_LARGE, SEVERITY_BLOCK,
                                 .a = value_number(VALUE_NS, ticks_to_ns_ceil(plan->jump_ticks.hi, timebase_hz)),
                                 .b = value_number(VALUE_NS, lockup ? OFFSET_SOFT_LOCKUP_NS : allowed_ns),
                                 .variant = lockup ? 1 : 0 });
    j->verdict->plan = *plan;
}

static void make_plan(Judgement *j)
{
    const GuestFacts *guest = j->in->guest;
    OffsetQuery query = { .relation_ticks = j->in->relation->tb_ticks };
    OffsetPlan plan;

    if (!FACT_KNOWN(guest, GUEST_TB_OFFSET_TICKS)) {
        if (j->in->kind == JUDGE_MIGRATION)
            judge_unknown(j, "tb_offset_ticks", 2, SEVERITY_WARN);
        return;
    }
    query.source_offset_ticks = guest->tb_offset_ticks;
    if (FACT_KNOWN(guest, GUEST_AHEAD_LO_TICKS) && FACT_KNOWN(guest, GUEST_AHEAD_HI_TICKS))
        query.ahead_ticks = interval_of(guest->ahead_lo_ticks, guest->ahead_hi_ticks);
    plan = offset_plan(&query);
    judge_plan(j, &plan, common_hz(j));
}

/* The kernel rounds the offset up, QEMU goes on with the value it gave: up to 2^24 - 1 ticks less. It learns the kernel's when it
 * fetches the registers of the first vCPU; the timebase that it stores when a guest is stopped is made from the copy
 * (hw/ppc/ppc.c, timebase_save; the one that a live migration stores comes after a fetch). */
static void judge_stale_copy(Judgement *j)
{
    const GuestFacts *guest = j->in->guest;
    bool known = FACT_KNOWN(guest, GUEST_TB_COPY_STALE);
    bool paused = FACT_KNOWN(guest, GUEST_PAUSED) && guest->paused;

    if (known ? !guest->tb_copy_stale : !paused)
        return;
    judge_add(j, &(Finding){ FINDING_TIMEBASE_STALE_COPY, SEVERITY_WARN,
                             .a = value_number(VALUE_NS, ticks_to_ns_ceil(UINT64_C(1) << 24, common_hz(j))),
                             .variant = paused ? 0 : 1 });
}

/* KVM carries no decrementer; a kernel with dec_expires relative to the guest's timebase (5.17) but
 * without the later fix (6.1) starts vCPUs with one that is far too large. TCG carries it from 8.2.
 */
static void judge_decrementer(Judgement *j)
{
    const HostFacts *host = j->dest.host;
    uint32_t source = j->source.qemu_version, dest = j->dest.qemu_version;
    uint32_t kernel = FACT_KNOWN(host, HOST_KERNEL) ? kernel_release_version(host->kernel) : 0;

    if (j->kvm && kernel >= QEMU_VERSION(5, 17, 0) && kernel < QEMU_VERSION(6, 1, 0))
        judge_add(j, &(Finding){ FINDING_DECREMENTER_NOT_MIGRATED, SEVERITY_WARN,
                                 .b = value_kernel(host), .variant = 1 });
    if (j->source.host && !j->dest.hardware && source != 0 && dest != 0 &&
        (source < QEMU_VERSION(8, 2, 0) || dest < QEMU_VERSION(8, 2, 0)))
        judge_add(j,
                  &(Finding){ FINDING_DECREMENTER_NOT_MIGRATED, SEVERITY_NOTE,
                              .a = value_version(source), .b = value_version(dest), .variant = 0 });
}

void judge_time(Judgement *j)
{
    if (j->running)
        judge_decrementer(j);
    if (j->in->kind == JUDGE_RESTORE)
        judge_add(j, &(Finding){ FINDING_TIME_STOOD_STILL, SEVERITY_NOTE });
    if (!j->timed)
        return;
    judge_frequency(j);
    judge_offset_support(j);
    if (j->in->kind == JUDGE_MIGRATION)
        judge_stale_copy(j);
    if (j->in->kind == JUDGE_RESTORE || !relation_is_usable(j))
        return;
    judge_age(j);
    judge_stored(j);
    judge_skew(j);
    make_plan(j);
}
