/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "case-json.h"

#include "facts-codec.h"

static void test_case_reads_back_as_it_was(void)
{
    Policy policy = POLICY_DEFAULT, policy_back = POLICY_DEFAULT;
    RelationBounds relation = { .state = RELATION_OK,
                                .tb_ticks = { -5, 7 },
                                .tod_ns = { -50, 70 },
                                .age_ticks = 512000000,
                                .exchanges = 8 },
                   relation_back;
    HostFacts source, destination, host_back;
    GuestFacts guest, guest_back;
    JudgeInput in = { .kind = JUDGE_MIGRATION,
                      .source = &source,
                      .guest = &guest,
                      .destination = &destination,
                      .relation = &relation,
                      .policy = &policy };
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = NULL;
    JsonObject *object;

    host_facts_init(&source);
    source.pvr = 0x004e1202;
    FACT_SET(&source, HOST_PVR);
    host_facts_init(&destination);
    destination.timebase_hz = 512000000;
    FACT_SET(&destination, HOST_TIMEBASE_HZ);
    guest_facts_init(&guest);
    guest.tb_offset_ticks = -16777216;
    FACT_SET(&guest, GUEST_TB_OFFSET_TICKS);
    policy.unknown_mode = UNKNOWN_MODE_STRICT;
    policy.source_unknown_blocks = false;
    policy.max_forward_jump_ns = 250 * INT64_C(1000000);

    json_builder_begin_object(builder);
    case_build_json(&in, 512000000, builder);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    object = json_node_get_object(root);
    g_assert_cmpstr(json_object_get_string_member(object, "kind"), ==, "migration");
    g_assert_false(json_object_has_member(object, "incoming"));
    g_assert_true(
        host_facts_from_json(json_object_get_object_member(object, "source"), &host_back, &error));
    g_assert_cmphex(host_back.pvr, ==, source.pvr);
    g_assert_true(
        guest_facts_from_json(json_object_get_object_member(object, "guest"), &guest_back, &error));
    g_assert_cmpint(guest_back.tb_offset_ticks, ==, guest.tb_offset_ticks);
    g_assert_true(
        policy_from_json(json_object_get_object_member(object, "policy"), &policy_back, &error));
    g_assert_cmpmem(&policy, sizeof policy, &policy_back, sizeof policy_back);
    g_assert_true(relation_from_json(json_object_get_object_member(object, "relation"), 512000000,
                                     &relation_back, &error));
    g_assert_cmpint(relation_back.tb_ticks.lo, ==, -5);
    g_assert_cmpint(relation_back.tod_ns.hi, ==, 70);
    g_assert_cmpint(relation_back.age_ticks, ==, relation.age_ticks);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/case-json/case-reads-back-as-it-was", test_case_reads_back_as_it_was);
    return g_test_run();
}
