/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict-variant.h"

#include "findings.h"

static void add(GVariantBuilder *dict, const char *key, GVariant *value)
{
    g_variant_builder_add(dict, "{sv}", key, value);
}

static GVariant *finding_to_variant(const Finding *finding)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add(&dict, "code", g_variant_new_string(finding_code_name(finding->code)));
    add(&dict, "severity", g_variant_new_string(severity_name(finding->severity)));
    add(&dict, "text", g_variant_new_take_string(finding_text(finding)));
    add(&dict, "advice", g_variant_new_take_string(finding_advice(finding)));
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

GVariant *verdict_plan_to_variant(const Verdict *verdict)
{
    const OffsetPlan *plan = &verdict->plan;
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (plan->known) {
        add(&dict, "offset_ticks", g_variant_new_int64(plan->offset_ticks));
        add(&dict, "offset_hi_ticks", g_variant_new_int64(plan->offset_hi_ticks));
        add(&dict, "exact", g_variant_new_boolean(plan->exact));
        add(&dict, "nearest_ticks", g_variant_new_int64(plan->nearest_ticks));
        add(&dict, "jump_lo_ticks", g_variant_new_int64(plan->jump_ticks.lo));
        add(&dict, "jump_hi_ticks", g_variant_new_int64(plan->jump_ticks.hi));
    }
    return g_variant_builder_end(&dict);
}
