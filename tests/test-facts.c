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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/facts/init-knows-nothing", test_init_knows_nothing);
    g_test_add_func("/facts/overlay-takes-only-what-is-known", test_overlay_takes_only_what_is_known);
    return g_test_run();
}
