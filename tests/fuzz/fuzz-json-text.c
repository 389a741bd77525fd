/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Foreign JSON of any kind: what is printed again reads as the same. */
#include "fuzz.h"
#include "json-text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* reused, as it is meant to be: a new one costs more than what it reads */
    static JsonTree *tree, *again;
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) error = NULL, tree_error = NULL;
    const JsonValue *value;
    JsonObject *object;

    if (!tree) {
        tree = json_tree_new();
        again = json_tree_new();
    }
    value = json_tree_parse(tree, (const char *) data, size, &tree_error);
    fuzz_check_outcome(value != NULL, tree_error);
    object = json_text_parse_object(parser, (const char *) data, size, &error);
    fuzz_check_outcome(object != NULL, error);
    g_assert_true(value || !object);
    if (object) {
        g_autofree char *first = json_value_describe(value);
        const JsonValue *copy = json_text_to_value(object, again, &error);
        g_autofree char *second = copy ? json_value_describe(copy) : NULL;

        g_assert_no_error(error);
        g_assert_cmpstr(first, ==, second);
    }
    return 0;
}
