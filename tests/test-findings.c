/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "findings.h"

#include <string.h>

#include "findings-table.h"
#include "json-text.h"

#define A "left-value"
#define B "right-value"

static Finding new_finding(FindingCode code, int variant)
{
    return (Finding){
        .code = code,
        .severity = SEVERITY_BLOCK,
        .variant = (gint8)variant,
        .a = { .kind = VALUE_STRING, .string = A },
        .b = { .kind = VALUE_STRING, .string = B },
        .advise_mode = COMPAT_POWER8,
    };
}

static void test_every_code_has_a_name_of_its_own(void)
{
    for (int code = 0; code < FINDING_CODE_COUNT; code++) {
        const char *name = finding_code_name((FindingCode)code);
        FindingCode back;
        g_assert_nonnull(name);
        g_assert_cmpuint(strspn(name, G_CSET_a_2_z "-"), ==, strlen(name));
        g_assert_true(finding_code_parse(name, &back));
        g_assert_cmpint(back, ==, code);
    }
    FindingCode untouched = FINDING_DEADLINE;
    g_assert_false(finding_code_parse("no-such-code", &untouched));
    g_assert_cmpint(untouched, ==, FINDING_DEADLINE);
}

static void test_every_code_is_explained(void)
{
    for (int code = 0; code < FINDING_CODE_COUNT; code++) {
        const char *explain = finding_code_explain((FindingCode)code);
        g_test_message("%s", finding_code_name((FindingCode)code));
        g_assert_nonnull(explain);
        g_assert_cmpuint(strlen(explain), >, 40);
        g_assert_true(g_str_has_suffix(explain, "."));
    }
}

static void test_message_ids_stay_and_differ(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    char id[MESSAGE_ID_SIZE];

    for (int code = 0; code < FINDING_CODE_COUNT; code++) {
        finding_code_message_id((FindingCode)code, id);
        g_assert_cmpuint(strspn(id, "0123456789abcdef"), ==, MESSAGE_ID_SIZE - 1);
        g_assert_cmpint(id[MESSAGE_ID_SIZE - 1], ==, '\0');
        g_assert_true(g_hash_table_add(seen, g_strdup(id)));
    }
    /* uuidgen --sha1 --namespace 3133296c-5f37-4d9d-9c0e-652a1f84d2b6 --name compat-mode-unsupported */
    finding_code_message_id(FINDING_COMPAT_MODE_UNSUPPORTED, id);
    g_assert_cmpstr(id, ==, "a930d34f4cdd57c7821461491c86f28f");
}

/* How many sentences finding.h promises for each code. */
static const guint variants[FINDING_CODE_COUNT] = {
    [FINDING_COMPAT_MODE_UNSUPPORTED] = MODE_VARIANT_DD1 + 1,
    [FINDING_COMPAT_MODE_UNKNOWN] = 2,
    [FINDING_RAW_PVR_MISMATCH] = 2,
    [FINDING_RAW_ADOPTS_MODE] = 2,
    [FINDING_MODE_ASSUMED] = 2,
    [FINDING_MODE_UNKNOWN] = 3,
    [FINDING_CPU_FAMILY_UNSUPPORTED] = FAMILY_VARIANT_DD1 + 1,
    [FINDING_INTERRUPT_CONTROLLER_MISSING] = IC_VARIANT_START + 1,
    [FINDING_QEMU_VERSION_REFUSES] = REFUSES_VARIANT_COMPAT + 1,
    [FINDING_QEMU_VERSION_LOSES_STATE] = LOSES_VARIANT_TIMEBASE + 1,
    [FINDING_MACHINE_TYPE_MISSING] = 3,
    [FINDING_TIMEBASE_OFFSET_UNSUPPORTED] = 2,
    [FINDING_TIMEBASE_RELATION_UNKNOWN] = 4,
    [FINDING_TIMEBASE_JUMP_TOO_LARGE] = 2,
    [FINDING_CAPABILITY_TOO_LOW] = CAPS_VARIANT_CPU + 1,
    [FINDING_CAPABILITY_INVALID] = 3,
    [FINDING_HASH_MMU_UNSUPPORTED] = 3,
    [FINDING_HPT_TOO_LARGE] = 2,
    [FINDING_RESIZE_HPT_UNSUPPORTED] = 2,
    [FINDING_DECREMENTER_NOT_MIGRATED] = 2,
    [FINDING_KERNEL_MODE_UNSUPPORTED] = 2,
    [FINDING_SIMULATED_HOST] = 3,
    [FINDING_FACT_UNKNOWN] = 3,
    [FINDING_CANNOT_RETURN] = RETURN_VARIANT_OFFSET + 1,
    [FINDING_TIMEBASE_STALE_COPY] = 2,
};

/* Which of the two values a sentence may leave out, since the finding has none. */
static const struct {
    FindingCode code;
    int variant; /* -1: all */
    const char *values;
} without[] = {
    { FINDING_COMPAT_MODE_UNSUPPORTED, -1, "ab" },
    { FINDING_COMPAT_MODE_UNKNOWN, -1, "ab" },
    { FINDING_RAW_PVR_MISMATCH, -1, "ab" },
    { FINDING_RAW_ADOPTS_MODE, -1, "ab" },
    { FINDING_MODE_NEWER_THAN_LIMIT, -1, "ab" },
    { FINDING_MODE_ASSUMED, -1, "a" },
    { FINDING_MODE_UNKNOWN, -1, "" },
    { FINDING_CPU_FAMILY_UNSUPPORTED, FAMILY_VARIANT_PVR, "b" },
    { FINDING_CPU_FAMILY_UNSUPPORTED, FAMILY_VARIANT_PSERIES, "b" },
    { FINDING_CPU_FAMILY_UNSUPPORTED, FAMILY_VARIANT_DD1, "b" },
    { FINDING_MACHINE_TYPE_MISSING, 0, "a" },
    { FINDING_TIMEBASE_OFFSET_UNSUPPORTED, -1, "b" },
    { FINDING_TIMEBASE_RELATION_UNKNOWN, -1, "" },
    { FINDING_TIMEBASE_COULD_GO_BACK, -1, "a" },
    { FINDING_CAPABILITY_TOO_LOW, CAPS_VARIANT_TCG, "a" },
    { FINDING_CAPABILITY_TOO_LOW, CAPS_VARIANT_KVM, "a" },
    { FINDING_CAPABILITY_INVALID, 0, "a" },
    { FINDING_HASH_MMU_UNSUPPORTED, 0, "b" },
    { FINDING_HASH_MMU_UNSUPPORTED, 2, "" },
    { FINDING_RADIX_MMU_UNSUPPORTED, -1, "b" },
    { FINDING_RESIZE_HPT_UNSUPPORTED, -1, "" },
    { FINDING_DECREMENTER_NOT_MIGRATED, 1, "b" },
    { FINDING_KVM_PR_HOST, -1, "b" },
    { FINDING_SOURCE_UNKNOWN, -1, "a" },
    { FINDING_SIMULATED_HOST, -1, "" },
    { FINDING_DAEMON_UNAVAILABLE, -1, "a" },
    { FINDING_FACT_UNKNOWN, -1, "a" },
    { FINDING_CANNOT_RETURN, RETURN_VARIANT_OFFSET, "" },
    { FINDING_TIME_STOOD_STILL, -1, "" },
    { FINDING_KVM_MISSING, -1, "" },
    { FINDING_TIMEBASE_STALE_COPY, -1, "a" },
    { FINDING_TIMEBASE_RELATION_STORED, -1, "" },
};

static const char *values_of(FindingCode code, int variant)
{
    for (guint i = 0; i < G_N_ELEMENTS(without); i++)
        if (without[i].code == code && (without[i].variant == -1 || without[i].variant == variant))
            return without[i].values;
    return "ab";
}

static void check_sentence(FindingCode code, int variant)
{
    Finding finding = new_finding(code, variant);
    g_autofree char *text = finding_text(&finding);
    g_autofree char *advice = finding_advice(&finding);
    const char *values = values_of(code, variant);

    g_test_message("%s: %s. %s", finding_code_name(code), text, advice);
    g_assert_cmpint(strstr(text, A) != NULL, ==, strchr(values, 'a') != NULL);
    g_assert_cmpint(strstr(text, B) != NULL, ==, strchr(values, 'b') != NULL);
    g_assert_cmpuint(strlen(text), >, 20);
    g_assert_cmpuint(strlen(advice), >, 10);
    g_assert_null(strpbrk(text, "{}~\n"));
    g_assert_null(strpbrk(advice, "{}~\n"));
    g_assert_false(g_str_has_suffix(text, "."));
    g_assert_false(g_str_has_suffix(advice, "."));
}

static void test_every_variant_has_a_sentence_with_its_values(void)
{
    for (int code = 0; code < FINDING_CODE_COUNT; code++)
        for (guint variant = 0; variant < MAX(variants[code], 1); variant++)
            check_sentence((FindingCode)code, (int)variant);
}

static void test_no_sentence_is_beyond_the_variants(void)
{
    guint seen[FINDING_CODE_COUNT] = { 0 };

    for (const FindingSentence *s = finding_sentences; s->text != NULL; s++)
        g_assert_cmpint(s->variant, ==, seen[s->code]++);
    for (int code = 0; code < FINDING_CODE_COUNT; code++)
        g_assert_cmpuint(seen[code], ==, MAX(variants[code], 1));
}

static void test_sentence_without_values_still_reads(void)
{
    for (const FindingSentence *s = finding_sentences; s->text != NULL; s++) {
        Finding finding = { .code = s->code, .variant = (gint8)s->variant };
        g_autofree char *text = finding_text(&finding);
        g_autofree char *advice = finding_advice(&finding);
        g_assert_null(strstr(text, "  "));
        g_assert_null(strpbrk(text, "{}~"));
        g_assert_null(strstr(advice, "<model>raw"));
    }
    Finding finding = { .code = FINDING_TIMEBASE_OFFSET_UNSUPPORTED };
    g_autofree char *text = finding_text(&finding);
    g_assert_cmpstr(text, ==, "the destination's kernel takes no timebase offset for a guest");
}

static void test_advice_can_be_typed_in(void)
{
    Finding finding = new_finding(FINDING_COMPAT_MODE_UNSUPPORTED, 0);
    g_autofree char *advice = finding_advice(&finding);

    g_assert_nonnull(strstr(advice, "<cpu mode='host-model'><model>power8</model></cpu>"));
    g_assert_nonnull(strstr(advice, "-machine max-cpu-compat=power8"));
    finding.advise_mode = COMPAT_POWER7PLUS;
    g_autofree char *plus = finding_advice(&finding);
    g_assert_null(strstr(plus, "<model>"));
    g_assert_nonnull(strstr(plus, "max-cpu-compat=power7+"));
    finding.advise_mode = COMPAT_RAW;
    g_autofree char *none = finding_advice(&finding);
    g_assert_cmpstr(none, ==, "move it to a host whose CPU has that level");
}

static char *text_with(FindingValue a)
{
    Finding finding = { .code = FINDING_COMPAT_MODE_UNKNOWN, .a = a, .b = { VALUE_STRING, .string = "x" } };
    g_autofree char *text = finding_text(&finding);
    char *end = strstr(text, " mode, which");

    g_assert_true(g_str_has_prefix(text, "the guest runs in "));
    g_assert_nonnull(end);
    return g_strndup(text + strlen("the guest runs in "), (gsize)(end - text) - strlen("the guest runs in "));
}

static void check_value(FindingValue value, const char *expected)
{
    g_autofree char *text = text_with(value);

    g_assert_cmpstr(text, ==, expected);
}

static void test_values_are_shown_with_their_unit(void)
{
    check_value((FindingValue){ VALUE_MODE, .number = COMPAT_POWER9 }, "power9");
    check_value((FindingValue){ VALUE_MODE, .number = COMPAT_RAW }, "raw");
    check_value((FindingValue){ VALUE_PVR, .number = 0x004e1202 }, "POWER9 (PVR 0x004e1202)");
    check_value((FindingValue){ VALUE_PVR, .number = 0x12345678 }, "PVR 0x12345678");
    check_value((FindingValue){ VALUE_HZ, .number = 512000000 }, "512 MHz");
    check_value((FindingValue){ VALUE_TICKS, .number = -5 }, "-5 ticks");
    check_value((FindingValue){ VALUE_NS, .number = 1500000000 }, "1.500 s");
    check_value((FindingValue){ VALUE_INTEGER, .number = 33 }, "33");
    check_value((FindingValue){ VALUE_QEMU_VERSION, .number = QEMU_VERSION(10, 0, 5) }, "QEMU 10.0.5");
    check_value((FindingValue){ VALUE_CAP_LEVEL, CAP_IBS, .number = 3 }, "cap-ibs=fixed-ccd");
    check_value((FindingValue){ VALUE_CAP_LEVEL, CAP_HPT_MAX_PAGE_SIZE, .number = 16 }, "cap-hpt-max-page-size=64k");
    check_value((FindingValue){ VALUE_CAP_LEVEL, CAP_HPT_MAX_PAGE_SIZE, .number = 34 }, "cap-hpt-max-page-size=16G");
    check_value((FindingValue){ VALUE_CAP_LEVEL, CAP_IBS, .number = 9 }, "cap-ibs=9");
    check_value((FindingValue){ VALUE_NONE }, "unknown");
}

static char *verdict_to_text(const Verdict *verdict)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    verdict_build_json(verdict, builder);
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    return json_to_string(root, FALSE);
}

static void test_verdict_as_json(void)
{
    Verdict verdict = { .decision = DECISION_BLOCK, .n_findings = 1 };

    verdict.findings[0] = (Finding){ .code = FINDING_TIME_STOOD_STILL, .severity = SEVERITY_NOTE };
    g_autofree char *text = verdict_to_text(&verdict);
    g_assert_cmpstr(text, ==,
                    "{\"decision\":\"block\",\"findings\":[{\"code\":\"time-stood-still\",\"severity\":\"note\","
                    "\"text\":\"the guest's time stood still while it was saved\","
                    "\"advice\":\"check time synchronisation in the guest: chronyc makestep\"}]}");
    verdict = (Verdict){ .plan = { .known = TRUE, .offset_ticks = 16777216, .offset_hi_ticks = 33554432,
                                   .jump_ticks = { -1, 7 }, .nearest_ticks = 16777216 } };
    g_autofree char *plan = verdict_to_text(&verdict);
    g_assert_cmpstr(plan, ==,
                    "{\"decision\":\"allow\",\"findings\":[],\"plan\":{\"offset_ticks\":16777216,\"offset_hi_ticks\":33554432,"
                    "\"nearest_ticks\":16777216,\"jump_lo_ticks\":-1,\"jump_hi_ticks\":7,\"exact\":false}}");
}

static void test_verdict_on_dbus(void)
{
    Verdict verdict = { .n_findings = 1, .plan = { .known = TRUE, .offset_ticks = 16777216 } };
    const char *code;
    gint64 offset;

    verdict.findings[0] = (Finding){ .code = FINDING_DEADLINE, .severity = SEVERITY_BLOCK };
    g_autoptr(GVariant) list = g_variant_ref_sink(verdict_findings_to_variant(&verdict));
    g_autoptr(GVariant) plan = g_variant_ref_sink(offset_plan_to_variant(&verdict.plan));
    g_autoptr(GVariant) first = g_variant_get_child_value(list, 0);
    g_assert_cmpstr(g_variant_get_type_string(list), ==, "aa{sv}");
    g_assert_true(g_variant_lookup(first, "code", "&s", &code));
    g_assert_cmpstr(code, ==, "deadline");
    g_assert_true(g_variant_lookup(plan, "offset_ticks", "x", &offset));
    g_assert_cmpint(offset, ==, 16777216);
    verdict.plan.known = FALSE;
    g_autoptr(GVariant) none = g_variant_ref_sink(offset_plan_to_variant(&verdict.plan));
    g_assert_cmpuint(g_variant_n_children(none), ==, 0);
}

static void test_severities_and_decisions_have_names(void)
{
    g_assert_cmpstr(severity_name(SEVERITY_BLOCK), ==, "block");
    g_assert_cmpstr(decision_name(DECISION_ALLOW), ==, "allow");
    g_assert_cmpstr(decision_name(DECISION_BLOCK), ==, "block");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/findings/every-code-has-a-name-of-its-own", test_every_code_has_a_name_of_its_own);
    g_test_add_func("/findings/every-code-is-explained", test_every_code_is_explained);
    g_test_add_func("/findings/message-ids-stay-and-differ", test_message_ids_stay_and_differ);
    g_test_add_func("/findings/every-variant-has-a-sentence-with-its-values",
                    test_every_variant_has_a_sentence_with_its_values);
    g_test_add_func("/findings/no-sentence-is-beyond-the-variants", test_no_sentence_is_beyond_the_variants);
    g_test_add_func("/findings/sentence-without-values-still-reads", test_sentence_without_values_still_reads);
    g_test_add_func("/findings/advice-can-be-typed-in", test_advice_can_be_typed_in);
    g_test_add_func("/findings/values-are-shown-with-their-unit", test_values_are_shown_with_their_unit);
    g_test_add_func("/findings/verdict-as-json", test_verdict_as_json);
    g_test_add_func("/findings/verdict-on-dbus", test_verdict_on_dbus);
    g_test_add_func("/findings/severities-and-decisions-have-names", test_severities_and_decisions_have_names);
    return g_test_run();
}
