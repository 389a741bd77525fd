/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ranking.h"

#include <string.h>

#include "facts-codec.h"

#define UNIT TB_OFFSET_UNIT_TICKS

#define HOST "\"machine_types\":[\"pseries-7.2\"],\"simulated\":true,\"kvm\":\"hv\",\"nested\":false," \
             "\"qemu_version\":\"7.2.0\",\"kernel\":\"6.1\",\"timebase_hz\":512000000,\"tb_offset\":true,\"mmu\":[\"hash\",\"radix\"]," \
             "\"caps\":{\"htm\":0,\"vsx\":1,\"dfp\":1,\"cfpc\":2,\"sbbc\":2,\"ibs\":2,\"hpt-max-page-size\":24,\"nested-hv\":1," \
             "\"large-decr\":1,\"ccf-assist\":1},\"hpt_max_order\":34,\"resize_hpt\":true"

static const char *const power9 = "{\"name\":\"h\",\"pvr\":\"0x004e1202\"," HOST "}";
static const char *const power8 = "{\"name\":\"h\",\"pvr\":\"0x004d0200\"," HOST "}";
static const char *const guest = "{\"uuid\":\"c7a5fdbd-edaf-9455-926a-d65c16db1809\",\"name\":\"db\",\"arch\":\"ppc64\","
                                 "\"accel\":\"kvm\",\"machine_type\":\"pseries-7.2\",\"cpu_mode\":\"host-model\","
                                 "\"cpu_model\":\"power9\",\"max_cpu_compat\":\"power9\",\"ic_mode\":\"dual\",\"caps\":{},"
                                 "\"memory_bytes\":1073741824,\"max_memory_bytes\":1073741824,\"active\":true,"
                                 "\"tb_offset_ticks\":0,\"ahead_lo_ticks\":0,\"ahead_hi_ticks\":0}";

static void read_host(const char *text, HostFacts *ret)
{
    g_autoptr(JsonNode) node = json_from_string(text, NULL);
    g_autoptr(GError) error = NULL;

    host_facts_from_json(json_node_get_object(node), ret, &error);
    g_assert_no_error(error);
}

/* The destination's timebase is that many ticks past a multiple of the unit ahead of ours. */
static RankEntry *entry(const char *name, const char *host, gint64 phase_ticks, RelationState state)
{
    g_autofree MigrationCase *c = g_new0(MigrationCase, 1);
    g_autoptr(JsonNode) node = json_from_string(guest, NULL);
    g_autoptr(GError) error = NULL;

    c->kind = JUDGE_MIGRATION;
    read_host(power9, &c->source);
    c->has_source = TRUE;
    read_host(host, &c->destination);
    guest_facts_from_json(json_node_get_object(node), &c->guest, &error);
    g_assert_no_error(error);
    c->policy = POLICY_DEFAULT;
    c->relation = (RelationBounds){ .state = state, .exchanges = 8, .tb_ticks = INTERVAL_UNBOUNDED, .tod_state = state };
    if (state == RELATION_OK)
        c->relation.tb_ticks = interval_of(-100 * UNIT + phase_ticks - 10, -100 * UNIT + phase_ticks + 10);
    c->has_relation = TRUE;
    return rank_entry_new(name, c);
}

static void test_order(void)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(rank_entry_free);
    static const char *const wanted[] = { "near", "middle", "far", "older", "unknown" };

    /* offset = -rel rounded up: a phase of p ticks leaves p ticks of jump */
    g_ptr_array_add(entries, entry("far", power9, UNIT - 1000, RELATION_OK));
    g_ptr_array_add(entries, entry("older", power8, 1000, RELATION_OK));
    g_ptr_array_add(entries, entry("unknown", power9, 1000, RELATION_NONE));
    g_ptr_array_add(entries, entry("middle", power9, UNIT / 2, RELATION_OK));
    g_ptr_array_add(entries, entry("near", power9, 1000, RELATION_OK));
    ranking_sort(entries);
    for (guint i = 0; i < entries->len; i++) {
        const RankEntry *e = entries->pdata[i];

        g_assert_cmpstr(e->host, ==, wanted[i]);
        g_assert_cmpint(e->verdict.decision, ==, i < 3 ? DECISION_ALLOW : DECISION_BLOCK);
    }
}

static void test_error(void)
{
    RankEntry *e = entry("near", power9, 1000, RELATION_OK);

    g_assert_true(interval_is_bounded(e->error_ns));
    g_assert_cmpint(e->error_ns.lo, <=, ticks_to_ns_floor(1000, 512000000));
    g_assert_cmpint(e->error_ns.hi, >=, ticks_to_ns_ceil(1000, 512000000));
    g_assert_cmpint(interval_width(e->error_ns), <, 1000);
    g_assert_cmpint(e->offset_ticks, ==, 100 * UNIT);
    rank_entry_free(e);
    e = entry("unknown", power9, 0, RELATION_NONE);
    g_assert_false(interval_is_bounded(e->error_ns));
    rank_entry_free(e);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ranking/allowed-ones-first-then-by-the-phase-of-the-timebase", test_order);
    g_test_add_func("/ranking/error-contains-the-truth-or-is-unknown", test_error);
    return g_test_run();
}
