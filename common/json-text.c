/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-text.h"

#include <math.h>
#include <string.h>

#include "error.h"

/* The tree is at most JSON_TREE_DEPTH_MAX deep. */
static gboolean check_numbers(const JsonValue *value, GError **error)
{
    if (value->kind == JSON_UNSIGNED) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: %" G_GUINT64_FORMAT " is out of range",
                    value->name != NULL ? value->name : "element", value->big);
        return FALSE;
    }
    if (value->kind == JSON_FRACTION && !isfinite(g_ascii_strtod(value->text, NULL))) {
        g_autofree char *shown = json_value_describe(value);

        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: %s is out of range",
                    value->name != NULL ? value->name : "element", shown);
        return FALSE;
    }
    if (value->kind != JSON_ARRAY && value->kind != JSON_OBJECT)
        return TRUE;
    for (const JsonValue *child = value->first; child != NULL; child = child->next)
        if (!check_numbers(child, error))
            return FALSE;
    return TRUE;
}

gboolean json_text_check(const char *text, gsize length, GError **error)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    const JsonValue *top = json_tree_parse(tree, text, length, error);

    return top != NULL && check_numbers(top, error);
}

JsonObject *json_text_parse_object(JsonParser *parser, const char *text, gsize length, GError **error)
{
    g_autoptr(GError) parse_error = NULL;

    if (!json_text_check(text, length, error))
        return NULL;
    if (!json_parser_load_from_data(parser, text, (gssize)length, &parse_error)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "broken JSON: %s", parse_error->message);
        return NULL;
    }
    JsonNode *root = json_parser_get_root(parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "the text is not a JSON object");
        return NULL;
    }
    return json_node_get_object(root);
}

const JsonValue *json_text_to_value(JsonObject *object, JsonTree *tree, GError **error)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);

    json_node_set_object(node, object);
    g_autofree char *text = json_to_string(node, FALSE);
    return json_tree_parse_object(tree, text, strlen(text), error);
}
