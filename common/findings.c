/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "findings.h"

#include <string.h>

#include "facts-words.h"
#include "findings-table.h"
#include "json-tree.h"
#include "units-text.h"

static const char *const severity_names[] = {
    [SEVERITY_NOTE] = "note", [SEVERITY_WARN] = "warn", [SEVERITY_BLOCK] = "block"
};

const char *finding_code_name(FindingCode code)
{
    return finding_codes[code].name;
}

const char *finding_code_explain(FindingCode code)
{
    return finding_codes[code].explain;
}

/* A UUID of version 5 (RFC 9562): SHA-1 of a name space and the name. The name space is tbsyncd's own, and never changes. */
void finding_code_message_id(FindingCode code, char ret_id[static MESSAGE_ID_SIZE])
{
    static const guchar name_space[16] = { 0x31, 0x33, 0x29, 0x6c, 0x5f, 0x37, 0x4d, 0x9d,
                                           0x9c, 0x0e, 0x65, 0x2a, 0x1f, 0x84, 0xd2, 0xb6 };
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    const char *name = finding_code_name(code);
    guint8 digest[20];
    gsize length = sizeof digest;

    g_checksum_update(sum, name_space, sizeof name_space);
    g_checksum_update(sum, (const guchar *)name, (gssize)strlen(name));
    g_checksum_get_digest(sum, digest, &length);
    digest[6] = (guint8)((digest[6] & 0x0f) | 0x50);
    digest[8] = (guint8)((digest[8] & 0x3f) | 0x80);
    for (guint i = 0; i < (MESSAGE_ID_SIZE - 1) / 2; i++)
        g_snprintf(ret_id + 2 * i, 3, "%02x", digest[i]);
}

gboolean finding_code_parse(const char *name, FindingCode *ret_code)
{
    for (int code = 0; code < FINDING_CODE_COUNT; code++) {
        if (strcmp(finding_codes[code].name, name) == 0) {
            *ret_code = (FindingCode)code;
            return TRUE;
        }
    }
    return FALSE;
}

const char *severity_name(Severity severity)
{
    return severity_names[severity];
}

const char *decision_name(Decision decision)
{
    return decision == DECISION_BLOCK ? "block" : "allow";
}

/* ---- values ---- */

/* As QEMU takes it on its command line. */
static void append_cap_level(GString *out, const FindingValue *value)
{
    const char *level = spapr_cap_level_name(value->cap, (int)value->number);
    guint shift = (guint)value->number;

    g_string_append_printf(out, "cap-%s=", spapr_cap_name(value->cap));
    if (level != NULL)
        g_string_append(out, level);
    else if (value->cap == CAP_HPT_MAX_PAGE_SIZE && shift >= 10 && shift < 64)
        g_string_append_printf(out, "%" G_GUINT64_FORMAT "%c", G_GUINT64_CONSTANT(1) << (shift % 10),
                               "kMGTPE"[shift / 10 - 1]);
    else
        g_string_append_printf(out, "%" G_GINT64_FORMAT, (gint64)value->number);
}

static void append_owned(GString *out, char *text)
{
    g_string_append(out, text);
    g_free(text);
}

static void append_value(GString *out, const FindingValue *value)
{
    switch (value->kind) {
    case VALUE_NONE:
        g_string_append(out, "unknown");
        break;
    case VALUE_STRING:
        g_string_append(out, value->string);
        break;
    case VALUE_MODE:
        g_string_append(out, fact_word(words_compat_mode, (int)value->number));
        break;
    case VALUE_PVR:
        append_owned(out, pvr_to_text((guint32)value->number));
        break;
    case VALUE_HZ:
        append_owned(out, hz_to_text(value->number));
        break;
    case VALUE_TICKS:
        g_string_append_printf(out, "%" G_GINT64_FORMAT " ticks", (gint64)value->number);
        break;
    case VALUE_NS:
        append_owned(out, ns_to_text(value->number));
        break;
    case VALUE_INTEGER:
        g_string_append_printf(out, "%" G_GINT64_FORMAT, (gint64)value->number);
        break;
    case VALUE_QEMU_VERSION:
        g_string_append(out, "QEMU ");
        append_owned(out, qemu_version_to_text((guint32)value->number));
        break;
    case VALUE_CAP_LEVEL:
        append_cap_level(out, value);
        break;
    }
}

/* ---- sentences ---- */

/* libvirt's XML has no word for power7+; there the machine option is the only way. */
static void append_limit(GString *out, CompatMode mode)
{
    const char *word = fact_word(words_compat_mode, (int)mode);

    if (mode != COMPAT_POWER7PLUS)
        g_string_append_printf(out, "<cpu mode='host-model'><model>%s</model></cpu> (TCG guests: QEMU option "
                                    "-machine max-cpu-compat=%s)", word, word);
    else
        g_string_append_printf(out, "the QEMU option -machine max-cpu-compat=%s in <qemu:commandline>", word);
}

/* One placeholder at `at`; returns the bytes used. A brace that begins none stands for itself. */
static gsize expand_placeholder(GString *out, const char *at, const Finding *finding, gboolean *missing)
{
    if ((at[1] == 'a' || at[1] == 'b') && at[2] == '}') {
        const FindingValue *value = at[1] == 'a' ? &finding->a : &finding->b;
        append_value(out, value);
        *missing |= value->kind == VALUE_NONE;
        return strlen("{a}");
    }
    if (g_str_has_prefix(at, "{limit}")) {
        append_limit(out, finding->advise_mode);
        return strlen("{limit}");
    }
    g_string_append_c(out, *at);
    return 1;
}

/* {a}, {b}: the values; {limit}: the element to set for advise_mode; ~...~: left out if a value in it is missing. */
static void expand(GString *out, const char *template, const Finding *finding)
{
    gsize optional_from = 0;
    gboolean in_optional = FALSE, missing = FALSE;

    for (const char *at = template; *at != '\0';) {
        gsize plain = strcspn(at, "{~");
        g_string_append_len(out, at, (gssize)plain);
        at += plain;
        if (*at == '~') {
            if (in_optional && missing)
                g_string_truncate(out, optional_from);
            optional_from = out->len;
            in_optional = !in_optional;
            missing = FALSE;
            at++;
        } else if (*at == '{') {
            at += expand_placeholder(out, at, finding, &missing);
        }
    }
}

/* A variant that has no sentence is our bug; the code's first sentence is still true. */
static const FindingSentence *sentence_of(const Finding *finding)
{
    const FindingSentence *first = NULL;

    for (const FindingSentence *s = finding_sentences; s->text != NULL; s++) {
        if (s->code != finding->code)
            continue;
        if (s->variant == finding->variant)
            return s;
        if (first == NULL)
            first = s;
    }
    g_assert(first != NULL);
    return first;
}

static void append_text(GString *out, const Finding *finding)
{
    expand(out, sentence_of(finding)->text, finding);
}

static void append_advice(GString *out, const Finding *finding)
{
    const FindingSentence *sentence = sentence_of(finding);
    const char *template = sentence->advice;

    if (finding->advise_mode == COMPAT_RAW && strstr(template, "{limit}") != NULL)
        template = sentence->advice_without_mode != NULL ? sentence->advice_without_mode : "";
    expand(out, template, finding);
}

char *finding_text(const Finding *finding)
{
    GString *out = g_string_new(NULL);

    append_text(out, finding);
    return g_string_free(out, FALSE);
}

char *finding_advice(const Finding *finding)
{
    GString *out = g_string_new(NULL);

    append_advice(out, finding);
    return g_string_free(out, FALSE);
}

/* ---- verdicts ---- */

static void append_finding(GString *out, GString *scratch, const Finding *finding)
{
    g_string_append_printf(out, "{\"code\":\"%s\",\"severity\":\"%s\",\"text\":", finding_code_name(finding->code),
                           severity_name(finding->severity));
    g_string_truncate(scratch, 0);
    append_text(scratch, finding);
    json_append_string(out, scratch->str);
    g_string_append(out, ",\"advice\":");
    g_string_truncate(scratch, 0);
    append_advice(scratch, finding);
    json_append_string(out, scratch->str);
    g_string_append_c(out, '}');
}

typedef struct PlanNumber {
    const char *name;
    gint64 value;
} PlanNumber;

#define PLAN_NUMBERS 5

/* The members of a plan that are numbers, for both forms. */
static void plan_numbers(const OffsetPlan *plan, PlanNumber ret[PLAN_NUMBERS])
{
    ret[0] = (PlanNumber){ "offset_ticks", plan->offset_ticks };
    ret[1] = (PlanNumber){ "offset_hi_ticks", plan->offset_hi_ticks };
    ret[2] = (PlanNumber){ "nearest_ticks", plan->nearest_ticks };
    ret[3] = (PlanNumber){ "jump_lo_ticks", plan->jump_ticks.lo };
    ret[4] = (PlanNumber){ "jump_hi_ticks", plan->jump_ticks.hi };
}

static void append_plan(GString *out, const OffsetPlan *plan)
{
    PlanNumber numbers[PLAN_NUMBERS];

    plan_numbers(plan, numbers);
    g_string_append(out, ",\"plan\":{");
    for (guint i = 0; i < PLAN_NUMBERS; i++)
        g_string_append_printf(out, "\"%s\":%" G_GINT64_FORMAT ",", numbers[i].name, numbers[i].value);
    g_string_append_printf(out, "\"exact\":%s}", plan->exact ? "true" : "false");
}

void verdict_append_json(const Verdict *verdict, GString *out)
{
    g_autoptr(GString) scratch = g_string_sized_new(256);

    g_string_append_printf(out, "\"decision\":\"%s\",\"findings\":[", decision_name(verdict->decision));
    for (guint i = 0; i < verdict->n_findings; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        append_finding(out, scratch, &verdict->findings[i]);
    }
    g_string_append_c(out, ']');
    if (verdict->plan.known)
        append_plan(out, &verdict->plan);
}

void verdict_build_json(const Verdict *verdict, JsonBuilder *builder)
{
    g_autoptr(GString) text = g_string_new("{");
    JsonObjectIter iter;
    const char *name;
    JsonNode *member;

    verdict_append_json(verdict, text);
    g_string_append_c(text, '}');
    g_autoptr(JsonNode) node = json_from_string(text->str, NULL);
    g_assert(node != NULL && JSON_NODE_HOLDS_OBJECT(node));
    json_object_iter_init_ordered(&iter, json_node_get_object(node));
    while (json_object_iter_next_ordered(&iter, &name, &member)) {
        json_builder_set_member_name(builder, name);
        json_builder_add_value(builder, json_node_copy(member));
    }
}

static GVariant *finding_to_variant(const Finding *finding)
{
    g_autofree char *text = finding_text(finding);
    g_autofree char *advice = finding_advice(finding);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&dict, "{sv}", "code", g_variant_new_string(finding_code_name(finding->code)));
    g_variant_builder_add(&dict, "{sv}", "severity", g_variant_new_string(severity_name(finding->severity)));
    g_variant_builder_add(&dict, "{sv}", "text", g_variant_new_string(text));
    g_variant_builder_add(&dict, "{sv}", "advice", g_variant_new_string(advice));
    return g_variant_builder_end(&dict);
}

GVariant *verdict_findings_to_variant(const Verdict *verdict)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < verdict->n_findings; i++)
        g_variant_builder_add_value(&list, finding_to_variant(&verdict->findings[i]));
    return g_variant_builder_end(&list);
}

GVariant *offset_plan_to_variant(const OffsetPlan *plan)
{
    PlanNumber numbers[PLAN_NUMBERS];
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (!plan->known)
        return g_variant_builder_end(&dict);
    plan_numbers(plan, numbers);
    for (guint i = 0; i < PLAN_NUMBERS; i++)
        g_variant_builder_add(&dict, "{sv}", numbers[i].name, g_variant_new_int64(numbers[i].value));
    g_variant_builder_add(&dict, "{sv}", "exact", g_variant_new_boolean(plan->exact));
    return g_variant_builder_end(&dict);
}
