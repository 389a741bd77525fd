/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

#include <glib.h>
#include <string.h>

static void test_init_knows_nothing(void)
{
    HostFacts host;
    GuestFacts guest;

    memset(&host, 0xff, sizeof host);
    memset(&guest, 0xff, sizeof guest);
    host_facts_init(&host);
    guest_facts_init(&guest);
    g_assert_cmpuint(host.known, ==, 0);
    g_assert_cmpuint(guest.known, ==, 0);
    g_assert_cmpstr(host.name, ==, "");
    for (int cap = 0; cap < CAP_COUNT; cap++) {
        g_assert_cmpint(host.caps[cap], ==, CAP_UNKNOWN);
        g_assert_cmpint(guest.caps[cap], ==, CAP_UNKNOWN);
    }
}

static void test_overlay_takes_only_what_is_known(void)
{
    GuestFacts base, over;

    guest_facts_init(&base);
    guest_facts_init(&over);
    g_strlcpy(base.name, "old", sizeof base.name);
    base.pvr = 0x004e1202;
    base.caps[CAP_IBS] = 1;
    FACT_SET(&base, GUEST_NAME);
    FACT_SET(&base, GUEST_PVR);
    FACT_SET(&base, GUEST_CAPS);
    over.pvr = 0xdead; /* not marked as known */
    over.caps[CAP_HTM] = 0;
    over.max_cpu_compat = COMPAT_POWER8;
    FACT_SET(&over, GUEST_CAPS);
    FACT_SET(&over, GUEST_MAX_CPU_COMPAT);

    guest_facts_overlay(&base, &over);
    g_assert_cmpstr(base.name, ==, "old");
    g_assert_cmphex(base.pvr, ==, 0x004e1202);
    g_assert_cmpint(base.caps[CAP_IBS], ==, 1);
    g_assert_cmpint(base.caps[CAP_HTM], ==, 0);
    g_assert_cmpint(base.max_cpu_compat, ==, COMPAT_POWER8);
    g_assert_true(FACT_KNOWN(&base, GUEST_MAX_CPU_COMPAT));
    g_assert_false(FACT_KNOWN(&base, GUEST_MMU));
}

/* Every field by itself: it is taken, and nothing else is. */
static void test_overlay_takes_each_field(void)
{
    for (int field = GUEST_UUID; field <= GUEST_TB_COPY_STALE; field++) {
        GuestFacts base, over, wanted;

        memset(&base, 0, sizeof base);
        memset(&over, 0, sizeof over);
        guest_facts_init(&base);
        guest_facts_init(&over);
        wanted = base;
        g_strlcpy(over.uuid, "u", sizeof over.uuid);
        g_strlcpy(over.name, "n", sizeof over.name);
        g_strlcpy(over.machine_type, "m", sizeof over.machine_type);
        g_strlcpy(over.cpu_model, "c", sizeof over.cpu_model);
        over.arch = ARCH_OTHER;
        over.accel = ACCEL_TCG;
        over.cpu_mode = CPU_CUSTOM;
        over.max_cpu_compat = COMPAT_POWER8;
        over.effective_mode = COMPAT_POWER9;
        over.pvr = 1;
        over.ic_mode = IC_XIVE;
        over.mmu = MMU_RADIX;
        over.memory_bytes = 2;
        over.max_memory_bytes = 3;
        over.resize_hpt = RESIZE_HPT_REQUIRED;
        over.active = true;
        over.tb_offset_ticks = 4;
        over.ahead_lo_ticks = 5;
        over.ahead_hi_ticks = 6;
        over.paused = true;
        over.tb_copy_stale = true;
        over.known = FACT_BIT(field);
        guest_facts_overlay(&base, &over);
        g_assert_cmpuint(base.known, ==, FACT_BIT(field));
#define TAKEN(bit, member) ((base.member != wanted.member) == (field == (bit)))
        g_assert_true((base.uuid[0] != 0) == (field == GUEST_UUID));
        g_assert_true((base.name[0] != 0) == (field == GUEST_NAME));
        g_assert_true((base.machine_type[0] != 0) == (field == GUEST_MACHINE_TYPE));
        g_assert_true((base.cpu_model[0] != 0) == (field == GUEST_CPU_MODEL));
        g_assert_true(TAKEN(GUEST_ARCH, arch) && TAKEN(GUEST_ACCEL, accel) && TAKEN(GUEST_CPU_MODE, cpu_mode));
        g_assert_true(TAKEN(GUEST_MAX_CPU_COMPAT, max_cpu_compat) && TAKEN(GUEST_EFFECTIVE_MODE, effective_mode));
        g_assert_true(TAKEN(GUEST_PVR, pvr) && TAKEN(GUEST_IC_MODE, ic_mode) && TAKEN(GUEST_MMU, mmu));
        g_assert_true(TAKEN(GUEST_MEMORY_BYTES, memory_bytes) && TAKEN(GUEST_MAX_MEMORY_BYTES, max_memory_bytes));
        g_assert_true(TAKEN(GUEST_RESIZE_HPT, resize_hpt) && TAKEN(GUEST_ACTIVE, active));
        g_assert_true(TAKEN(GUEST_TB_OFFSET_TICKS, tb_offset_ticks));
        g_assert_true(TAKEN(GUEST_AHEAD_LO_TICKS, ahead_lo_ticks) && TAKEN(GUEST_AHEAD_HI_TICKS, ahead_hi_ticks));
        g_assert_true(TAKEN(GUEST_PAUSED, paused) && TAKEN(GUEST_TB_COPY_STALE, tb_copy_stale));
#undef TAKEN
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/facts/init-knows-nothing", test_init_knows_nothing);
    g_test_add_func("/facts/overlay-takes-only-what-is-known", test_overlay_takes_only_what_is_known);
    g_test_add_func("/facts/overlay-takes-each-field", test_overlay_takes_each_field);
    return g_test_run();
}
