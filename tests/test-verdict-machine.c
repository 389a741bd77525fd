/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <glib.h>

#include "verdict-private.h"
#include "verdict-world.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* --- machine types --- */

static void list_machine(HostFacts *host, const char *machine)
{
    world_copy(host->machine_types[host->n_machine_types++], machine, FACTS_MACHINE_MAX);
    FACT_SET(host, HOST_MACHINE_TYPES);
}

static void test_machine_type_must_be_listed(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    list_machine(&w->dest, "pseries-6.2");
    finding = assert_only(w, FINDING_MACHINE_TYPE_MISSING, SEVERITY_BLOCK, 0);
    g_assert_cmpstr(finding->a.string, ==, "pseries-7.2");
    list_machine(&w->dest, "pseries-7.2");
    assert_clean(w);
    UNSET(&w->guest, GUEST_MACHINE_TYPE);
    assert_clean(w);
}

static void test_machine_type_by_version(void)
{
    static const struct {
        const char *machine;
        uint32_t version;
        bool missing;
    } cases[] = {
        { "pseries-8.2", V(8, 2), false },  { "pseries-9.0", V(8, 2), true },
        { "pseries-2.12", V(9, 1), false }, { "pseries-2.12", V(9, 2), true },
        { "pseries-3.0", V(9, 2), false },  { "pseries-4.2", V(10, 2), true },
        { "pseries-5.0", V(10, 2), false }, { "pseries-jammy", V(2, 0), false },
        { "pseries-9.0", 0, false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree World *w = g_new0(World, 1);

        world_init(w, PVR_POWER9, PVR_POWER9);
        w->source.qemu_version = V(9, 1);
        set_machine(&w->guest, cases[i].machine);
        w->dest.qemu_version = cases[i].version;
        if (cases[i].missing)
            assert_value(&assert_found(w, FINDING_MACHINE_TYPE_MISSING, SEVERITY_BLOCK, 1)->b,
                         VALUE_QEMU_VERSION, cases[i].version);
        else
            assert_not_found(w, FINDING_MACHINE_TYPE_MISSING);
    }
}

static void test_machine_types_must_be_equal(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    set_machine(&w->incoming, "pseries-7.1");
    finding = assert_only(w, FINDING_MACHINE_TYPE_MISSING, SEVERITY_BLOCK, 2);
    g_assert_cmpstr(finding->a.string, ==, "pseries-7.2");
    g_assert_cmpstr(finding->b.string, ==, "pseries-7.1");
    w->guest.active = false;
    assert_clean(w);
    w->guest.active = true;
    UNSET(&w->guest, GUEST_MACHINE_TYPE);
    assert_clean(w);
    set_machine(&w->guest, "pseries-jammy");
    assert_only(w, FINDING_MACHINE_TYPE_MISSING, SEVERITY_BLOCK, 2);
    set_machine(&w->incoming, "pseries-jammy");
    assert_clean(w);
    set_machine(&w->guest, "pseries-2.12");
    set_machine(&w->incoming, "pseries-2.12-sxxm");
    assert_found(w, FINDING_MACHINE_TYPE_MISSING, SEVERITY_BLOCK, 2);
}

static void test_alias_is_the_newest_of_its_version(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    set_machine(&w->guest, "pseries");
    assert_clean(w);
    set_machine(&w->incoming, "pseries-8.2");
    assert_clean(w);
    set_machine(&w->incoming, "pseries");
    w->dest.qemu_version = V(9, 1);
    assert_only(w, FINDING_MACHINE_TYPE_MISSING, SEVERITY_BLOCK, 2);
    UNSET(&w->dest, HOST_QEMU_VERSION);
    w->dest.qemu_version = 0;
    assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_WARN, 0);
}

/* --- QEMU versions --- */

static void test_versions_in_both_directions(void)
{
    static const struct {
        uint32_t source, dest;
        IcMode ic;
        int refuses, loses; /* variants, -1: nothing of the kind */
    } cases[] = {
        { V(7, 2), V(9, 1), IC_DUAL, -1, -1 },
        { V(9, 2), V(9, 1), IC_XIVE, REFUSES_VARIANT_SLB, -1 },
        { V(10, 2), V(7, 2), IC_XICS, REFUSES_VARIANT_SLB, -1 },
        { V(9, 1), V(9, 2), IC_XIVE, -1, -1 },
        { V(9, 1), V(9, 2), IC_DUAL, REFUSES_VARIANT_ICP, -1 },
        { V(9, 1), V(9, 2), IC_XICS, REFUSES_VARIANT_ICP, -1 },
        { V(9, 1), QEMU_VERSION(10, 0, 4), IC_XICS, REFUSES_VARIANT_ICP, LOSES_VARIANT_RTAS },
        { V(9, 1), QEMU_VERSION(10, 0, 5), IC_XICS, -1, LOSES_VARIANT_RTAS },
        { V(9, 1), V(10, 1), IC_XICS, REFUSES_VARIANT_ICP, -1 },
        { V(9, 1), QEMU_VERSION(10, 1, 1), IC_XICS, -1, -1 },
        { V(9, 1), V(10, 2), IC_DUAL, -1, -1 },
        { V(9, 2), V(9, 2), IC_XICS, -1, LOSES_VARIANT_ICP },
        { V(9, 2), V(9, 2), IC_DUAL, -1, LOSES_VARIANT_ICP_IDLE },
        { V(9, 2), V(9, 2), IC_XIVE, -1, -1 },
        { V(9, 2), V(10, 2), IC_XICS, -1, LOSES_VARIANT_ICP },
        { QEMU_VERSION(10, 0, 5), QEMU_VERSION(10, 0, 5), IC_XICS, -1, LOSES_VARIANT_RTAS },
        { QEMU_VERSION(10, 0, 5), V(10, 2), IC_XIVE, -1, LOSES_VARIANT_RTAS },
        { QEMU_VERSION(10, 0, 5), V(10, 1), IC_XICS, REFUSES_VARIANT_ICP, LOSES_VARIANT_RTAS },
        { QEMU_VERSION(10, 1, 1), V(10, 2), IC_XICS, -1, -1 },
        { V(10, 2), V(10, 2), IC_DUAL, -1, -1 },
        { V(2, 0), V(2, 10), IC_DUAL, -1, LOSES_VARIANT_TIMEBASE },
        { V(2, 10), V(2, 0), IC_DUAL, REFUSES_VARIANT_COMPAT, LOSES_VARIANT_TIMEBASE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree World *w = g_new0(World, 1);
        const Finding *refuses, *loses;

        world_init(w, PVR_POWER9, PVR_POWER9);
        w->source.qemu_version = cases[i].source;
        w->dest.qemu_version = cases[i].dest;
        SET(&w->guest, GUEST_IC_MODE, ic_mode, cases[i].ic);
        judge(&w->in, &w->verdict);
        refuses = find_finding(w, FINDING_QEMU_VERSION_REFUSES);
        loses = find_finding(w, FINDING_QEMU_VERSION_LOSES_STATE);
        g_test_message("%x -> %x, ic %d", cases[i].source, cases[i].dest, cases[i].ic);
        g_assert_cmpint(refuses ? refuses->variant : -1, ==, cases[i].refuses);
        g_assert_cmpint(loses ? loses->variant : -1, ==, cases[i].loses);
        if (loses)
            g_assert_cmpint(loses->severity, ==,
                            loses->variant == LOSES_VARIANT_ICP ||
                                    loses->variant == LOSES_VARIANT_TIMEBASE
                                ? SEVERITY_BLOCK
                                : SEVERITY_WARN);
    }
}

static void test_xics_in_use_is_lost_before_the_guest_took_xive(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->source.qemu_version = w->dest.qemu_version = V(9, 2);
    set_mode(w, COMPAT_RAW);
    assert_only(w, FINDING_QEMU_VERSION_LOSES_STATE, SEVERITY_BLOCK, LOSES_VARIANT_ICP);
    UNSET(&w->guest, GUEST_EFFECTIVE_MODE);
    w->policy.unknown_mode = UNKNOWN_MODE_STRICT;
    assert_found(w, FINDING_QEMU_VERSION_LOSES_STATE, SEVERITY_BLOCK, LOSES_VARIANT_ICP);
}

static void test_timebase_of_old_versions_matters_under_kvm_only(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init_tcg(w, "power8", "power8");
    w->source.qemu_version = w->dest.qemu_version = V(2, 0);
    set_machine(&w->guest, "pseries-2.0");
    assert_not_found(w, FINDING_QEMU_VERSION_LOSES_STATE);
}

static void test_unknown_versions_are_said(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    UNSET(&w->source, HOST_QEMU_VERSION);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_WARN, 1);
    g_assert_cmpstr(finding->a.string, ==, "qemu_version");
    SET(&w->source, HOST_QEMU_VERSION, qemu_version, V(8, 2));
    UNSET(&w->dest, HOST_QEMU_VERSION);
    assert_found(w, FINDING_FACT_UNKNOWN, SEVERITY_WARN, 0);
}

/* --- hash and radix --- */

static void test_hash_guests(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->guest.mmu = MMU_HASH;
    w->dest.mmu = MMU_RADIX;
    finding = assert_only(w, FINDING_HASH_MMU_UNSUPPORTED, SEVERITY_BLOCK, 0);
    assert_value(&finding->b, VALUE_PVR, PVR_POWER9);
    set_limit(w, COMPAT_POWER8, COMPAT_POWER8);
    set_mode(w, COMPAT_POWER8);
    finding = assert_only(w, FINDING_HASH_MMU_UNSUPPORTED, SEVERITY_BLOCK, 1);
    assert_value(&finding->a, VALUE_MODE, COMPAT_POWER8);
    UNSET(&w->guest, GUEST_MMU); /* the mode tells */
    assert_only(w, FINDING_HASH_MMU_UNSUPPORTED, SEVERITY_BLOCK, 1);
    w->guest.active = false; /* the limit tells */
    assert_only(w, FINDING_HASH_MMU_UNSUPPORTED, SEVERITY_BLOCK, 1);
    set_limit(w, COMPAT_RAW, COMPAT_RAW);
    assert_clean(w);
    w->guest.active = true;
    set_mode(w, COMPAT_RAW);
    assert_only(w, FINDING_HASH_MMU_UNSUPPORTED, SEVERITY_BLOCK, 0);
}

static void test_hash_guests_where_the_host_does_not_tell(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->guest.mmu = MMU_HASH;
    UNSET(&w->dest, HOST_MMU);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_NOTE, 0);
    g_assert_cmpstr(finding->a.string, ==, "mmu");
    SET(&w->dest, HOST_NESTED, nested, false);
    assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_NOTE, 0);
    w->dest.nested = true;
    assert_only(w, FINDING_HASH_MMU_UNSUPPORTED, SEVERITY_BLOCK, 2);

    w->dest.nested = false;
    w->source.pvr = w->dest.pvr = 0x004e1201;
    assert_only(w, FINDING_HASH_MMU_UNSUPPORTED, SEVERITY_BLOCK, 0);
    set_kernel(&w->dest, "5.11.0");
    assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_NOTE, 0);
    UNSET(&w->dest, HOST_KERNEL);
    assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_NOTE, 0);

    world_init(w, PVR_POWER8, PVR_POWER8);
    UNSET(&w->dest, HOST_MMU);
    assert_clean(w);
    UNSET(&w->guest, GUEST_MMU);
    set_mode(w, COMPAT_RAW);
    UNSET(&w->guest, GUEST_MMU);
    assert_clean(w); /* raw on a CPU without radix: hash */
}

static void test_radix_guests(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->dest.mmu = MMU_HASH;
    finding = assert_only(w, FINDING_RADIX_MMU_UNSUPPORTED, SEVERITY_BLOCK, 0);
    assert_value(&finding->b, VALUE_PVR, PVR_POWER9);
    UNSET(&w->guest, GUEST_MMU);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_WARN, 2);
    g_assert_cmpstr(finding->a.string, ==, "mmu");
    UNSET(&w->dest, HOST_MMU);
    assert_clean(w);
    SET(&w->guest, GUEST_MMU, mmu, MMU_RADIX);
    assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_NOTE, 0);
    set_pvr(&w->dest, PVR_POWER8);
    UNSET(&w->dest, HOST_MMU);
    assert_found(w, FINDING_RADIX_MMU_UNSUPPORTED, SEVERITY_BLOCK, 0);
    UNSET(&w->dest, HOST_PVR);
    assert_not_found(w, FINDING_RADIX_MMU_UNSUPPORTED);
    set_pvr(&w->dest, PVR_POWER8);
    UNSET(&w->guest, GUEST_MMU);
    assert_not_found(w, FINDING_FACT_UNKNOWN); /* the mode is refused already */
    UNSET(&w->guest, GUEST_EFFECTIVE_MODE);
    UNSET(&w->guest, GUEST_MMU);
    w->policy.unknown_mode = UNKNOWN_MODE_STRICT;
    assert_not_found(w, FINDING_RADIX_MMU_UNSUPPORTED);
}

static void test_simulated_hosts_may_leave_out_mmu_and_table(void)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER9, PVR_POWER9);
    w->guest.accel = ACCEL_TCG;
    w->source.simulated = w->dest.simulated = true;
    UNSET(&w->dest, HOST_MMU);
    UNSET(&w->dest, HOST_HPT_MAX_ORDER);
    UNSET(&w->dest, HOST_RESIZE_HPT);
    w->guest.resize_hpt = RESIZE_HPT_ENABLED;
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_NOTE, 0);
    w->guest.mmu = MMU_HASH;
    assert_only(w, FINDING_SIMULATED_HOST, SEVERITY_NOTE, 0);
}

/* --- hash page table --- */

/* The order of the table for so much memory: the greatest that a host may lack. */
static int order_of(uint64_t memory_bytes)
{
    g_autofree World *w = g_new0(World, 1);

    world_init(w, PVR_POWER8, PVR_POWER8);
    w->guest.memory_bytes = w->guest.max_memory_bytes = memory_bytes;
    w->dest.hpt_max_order = 0;
    return (int)assert_only(w, FINDING_HPT_TOO_LARGE, SEVERITY_BLOCK, 0)->a.number;
}

static void test_order_by_memory(void)
{
    static const struct {
        uint64_t memory_bytes;
        int order;
    } cases[] = {
        { 1, 18 },         { 32 * MIB, 18 },   { 32 * MIB + 1, 19 }, { 256 * MIB, 21 },
        { 512 * MIB, 22 }, { 768 * MIB, 23 },  { GIB, 23 },          { 2 * GIB, 24 },
        { 4 * GIB, 25 },   { 16 * GIB, 27 },   { 64 * GIB, 29 },     { 128 * GIB, 30 },
        { 512 * GIB, 32 }, { 1024 * GIB, 33 }, { UINT64_MAX, 46 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpint(order_of(cases[i].memory_bytes), ==, cases[i].order);
}

static void test_table_must_fit(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER8);
    w->guest.memory_bytes = GIB;
    w->guest.max_memory_bytes = 16 * GIB;
    w->dest.hpt_max_order = 26;
    finding = assert_only(w, FINDING_HPT_TOO_LARGE, SEVERITY_BLOCK, 0);
    assert_value(&finding->a, VALUE_INTEGER, 27);
    assert_value(&finding->b, VALUE_INTEGER, 26);
    w->guest.resize_hpt = RESIZE_HPT_ENABLED; /* 23 if it can resize, 27 if not */
    assert_only(w, FINDING_HPT_TOO_LARGE, SEVERITY_WARN, 1);
    UNSET(&w->guest, GUEST_RESIZE_HPT);
    assert_only(w, FINDING_HPT_TOO_LARGE, SEVERITY_WARN, 1);
    UNSET(&w->guest, GUEST_MAX_MEMORY_BYTES);
    assert_clean(w);
    UNSET(&w->dest, HOST_HPT_MAX_ORDER);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_NOTE, 0);
    g_assert_cmpstr(finding->a.string, ==, "hpt_max_order");
    UNSET(&w->guest, GUEST_MEMORY_BYTES);
    assert_clean(w);
}

static void test_resizing(void)
{
    g_autofree World *w = g_new0(World, 1);
    const Finding *finding;

    world_init(w, PVR_POWER8, PVR_POWER8);
    w->dest.resize_hpt = false;
    assert_clean(w);
    w->guest.resize_hpt = RESIZE_HPT_REQUIRED;
    assert_only(w, FINDING_RESIZE_HPT_UNSUPPORTED, SEVERITY_BLOCK, 0);
    w->guest.resize_hpt = RESIZE_HPT_ENABLED;
    assert_only(w, FINDING_RESIZE_HPT_UNSUPPORTED, SEVERITY_NOTE, 1);
    UNSET(&w->dest, HOST_RESIZE_HPT);
    finding = assert_only(w, FINDING_FACT_UNKNOWN, SEVERITY_NOTE, 0);
    g_assert_cmpstr(finding->a.string, ==, "resize_hpt");
    SET(&w->dest, HOST_RESIZE_HPT, resize_hpt, true);
    assert_clean(w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict-machine/machine-type-must-be-listed",
                    test_machine_type_must_be_listed);
    g_test_add_func("/verdict-machine/machine-type-by-version", test_machine_type_by_version);
    g_test_add_func("/verdict-machine/machine-types-must-be-equal",
                    test_machine_types_must_be_equal);
    g_test_add_func("/verdict-machine/alias-is-the-newest-of-its-version",
                    test_alias_is_the_newest_of_its_version);
    g_test_add_func("/verdict-machine/versions-in-both-directions",
                    test_versions_in_both_directions);
    g_test_add_func("/verdict-machine/xics-in-use-is-lost-before-the-guest-took-xive",
                    test_xics_in_use_is_lost_before_the_guest_took_xive);
    g_test_add_func("/verdict-machine/timebase-of-old-versions-matters-under-kvm-only",
                    test_timebase_of_old_versions_matters_under_kvm_only);
    g_test_add_func("/verdict-machine/unknown-versions-are-said", test_unknown_versions_are_said);
    g_test_add_func("/verdict-machine/hash-guests", test_hash_guests);
    g_test_add_func("/verdict-machine/hash-guests-where-the-host-does-not-tell",
                    test_hash_guests_where_the_host_does_not_tell);
    g_test_add_func("/verdict-machine/radix-guests", test_radix_guests);
    g_test_add_func("/verdict-machine/simulated-hosts-may-leave-out-mmu-and-table",
                    test_simulated_hosts_may_leave_out_mmu_and_table);
    g_test_add_func("/verdict-machine/order-by-memory", test_order_by_memory);
    g_test_add_func("/verdict-machine/table-must-fit", test_table_must_fit);
    g_test_add_func("/verdict-machine/resizing", test_resizing);
    return g_test_run();
}
