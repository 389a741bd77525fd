/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest facts in JSON, by both readers, which have to agree. */
#include "facts-codec.h"
#include "fuzz.h"
#include "json-text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL, json_error = NULL;
    /* reused, as it is meant to be: a new one costs more than what it reads */
    static JsonTree *tree;
    g_autoptr(JsonParser) parser = json_parser_new();
    GuestFacts facts, json_facts;
    const JsonValue *value;
    JsonObject *object;
    gboolean ok, json_ok;

    if (!tree)
        tree = json_tree_new();
    value = json_tree_parse_object(tree, (const char *) data, size, &error);
    ok = value && guest_facts_from_value(value, &facts, &error);
    object = json_text_parse_object(parser, (const char *) data, size, &json_error);
    json_ok = object && guest_facts_from_json(object, &json_facts, &json_error);
    fuzz_check_outcome(ok, error);
    fuzz_check_outcome(json_ok, json_error);
    if (ok)
        fuzz_check_guest(&facts);
    if (ok && json_ok) { /* one alone may refuse: integers that json-glib cannot keep, a name given twice */
        g_autoptr(GVariant) a = g_variant_ref_sink(guest_facts_to_variant(&facts));
        g_autoptr(GVariant) b = g_variant_ref_sink(guest_facts_to_variant(&json_facts));

        g_assert_true(g_variant_equal(a, b));
    }
    return 0;
}
