/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-text.h"

#include <math.h>
#include <string.h>

#include "error.h"

typedef struct Scan {
    const char *text;
    gsize length;
    gsize at;
    guint depth;
    gsize key_at, key_length; /* the newest string: the key of the value that follows it */
} Scan;

static gboolean refuse(const Scan *scan, gsize from, gsize to, const char *problem, GError **error)
{
    g_autofree char *part = g_strndup(scan->text + from, MIN(to - from, 40));
    g_autofree char *value = g_strescape(part, NULL);
    g_autofree char *key_part = g_strndup(scan->text + scan->key_at, MIN(scan->key_length, 40));
    g_autofree char *key = g_strescape(key_part, NULL);
    const char *dots = to - from > 40 ? "..." : "";

    if (scan->key_length > 0)
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: %s%s %s", key, value, dots, problem);
    else
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "byte %" G_GSIZE_FORMAT ": %s%s %s", from, value,
                    dots, problem);
    return FALSE;
}

static gboolean scan_string(Scan *scan, GError **error)
{
    gsize start = scan->at++;

    for (; scan->at < scan->length; scan->at++) {
        char c = scan->text[scan->at];
        if (c == '"') {
            scan->key_at = start + 1;
            scan->key_length = scan->at++ - start - 1;
            return TRUE;
        }
        if ((guchar)c < 0x20)
            return refuse(scan, start, scan->at, "has a bare control character", error);
        if (c == '\\')
            scan->at++;
    }
    return refuse(scan, start, scan->length, "does not end", error);
}

static gsize skip_digits(const Scan *scan, gsize at)
{
    while (at < scan->length && g_ascii_isdigit(scan->text[at]))
        at++;
    return at;
}

/* End of the number that starts at `at`, strictly as JSON has it; *ret_integer: neither fraction nor exponent.
 * 0 if it is none. */
static gsize number_end(const Scan *scan, gsize at, gboolean *ret_integer)
{
    gsize digits = at + (scan->text[at] == '-'), end = skip_digits(scan, digits);

    *ret_integer = TRUE;
    if (end == digits || (scan->text[digits] == '0' && end > digits + 1))
        return 0;
    if (end < scan->length && scan->text[end] == '.') {
        gsize fraction = end + 1;
        *ret_integer = FALSE;
        if ((end = skip_digits(scan, fraction)) == fraction)
            return 0;
    }
    if (end < scan->length && (scan->text[end] == 'e' || scan->text[end] == 'E')) {
        gsize exponent = end + 1;
        *ret_integer = FALSE;
        if (exponent < scan->length && (scan->text[exponent] == '+' || scan->text[exponent] == '-'))
            exponent++;
        if ((end = skip_digits(scan, exponent)) == exponent)
            return 0;
    }
    return end;
}

/* A number, or one of the three words. Whatever stands there is taken up to the next character that can end it. */
static gboolean scan_scalar(Scan *scan, GError **error)
{
    static const char *const words[] = { "true", "false", "null" };
    gsize start = scan->at, end = start + 1;
    gboolean is_integer;

    while (end < scan->length && strchr(" \t\r\n,:[]{}\"", scan->text[end]) == NULL)
        end++;
    scan->at = end;
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        if (end - start == strlen(words[i]) && memcmp(scan->text + start, words[i], end - start) == 0)
            return TRUE;
    if ((scan->text[start] != '-' && !g_ascii_isdigit(scan->text[start])) ||
        number_end(scan, start, &is_integer) != end)
        return refuse(scan, start, end, "is no JSON value", error);
    /* 20 bytes hold every number of 64 bits, and a longer one is out of range whatever it is */
    char number[24];
    if (is_integer && end - start < sizeof number) {
        g_strlcpy(number, scan->text + start, end - start + 1);
        if (!g_ascii_string_to_signed(number, 10, G_MININT64, G_MAXINT64, NULL, NULL))
            return refuse(scan, start, end, "is out of range", error);
    } else if (is_integer) {
        return refuse(scan, start, end, "is out of range", error);
    }
    return TRUE;
}

static gboolean scan_token(Scan *scan, GError **error)
{
    switch (scan->text[scan->at]) {
    case '{':
    case '[':
        scan->at++;
        if (++scan->depth <= JSON_TEXT_DEPTH_MAX)
            return TRUE;
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "byte %" G_GSIZE_FORMAT ": nested deeper than %u levels",
                    scan->at - 1, JSON_TEXT_DEPTH_MAX);
        return FALSE;
    case '}':
    case ']':
        if (scan->depth > 0)
            scan->depth--;
        scan->at++;
        return TRUE;
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case ',':
    case ':':
        scan->at++;
        return TRUE;
    case '"':
        return scan_string(scan, error);
    default:
        return scan_scalar(scan, error);
    }
}

gboolean json_text_check(const char *text, gsize length, GError **error)
{
    Scan scan = { .text = text, .length = length };

    /* refuses NUL bytes too */
    if (!g_utf8_validate_len(text, length, NULL)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "the text is not UTF-8");
        return FALSE;
    }
    while (scan.at < scan.length)
        if (!scan_token(&scan, error))
            return FALSE;
    return TRUE;
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

static char *describe_double(double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (!isfinite(value))
        return g_strdup("a number beyond all range");
    return g_strdup(g_ascii_formatd(text, sizeof text, "%.17g", value));
}

char *json_text_describe(JsonNode *node)
{
    if (JSON_NODE_HOLDS_OBJECT(node))
        return g_strdup("an object");
    if (JSON_NODE_HOLDS_ARRAY(node))
        return g_strdup("an array");
    if (JSON_NODE_HOLDS_NULL(node))
        return g_strdup("null");
    if (json_node_get_value_type(node) == G_TYPE_STRING)
        return g_strdup_printf("\"%.60s\"", json_node_get_string(node));
    if (json_node_get_value_type(node) == G_TYPE_BOOLEAN)
        return g_strdup(json_node_get_boolean(node) ? "true" : "false");
    if (json_node_get_value_type(node) == G_TYPE_DOUBLE)
        return describe_double(json_node_get_double(node));
    return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
}

/* ---- one member of a broken text ---- */

/* A token that json-glib may read: a whole string or number. (nullable) (transfer full) */
static JsonNode *token_node(const char *token, gsize length)
{
    g_autofree char *text = g_strndup(token, length);
    JsonNode *node = NULL;

    if (g_utf8_validate(text, -1, NULL) && json_text_check(text, length, NULL))
        node = json_from_string(text, NULL);
    if (node != NULL && !JSON_NODE_HOLDS_VALUE(node))
        g_clear_pointer(&node, json_node_unref);
    return node;
}

JsonNode *json_text_peek(const char *text, gsize length, const char *name)
{
    Scan scan = { .text = text, .length = length };
    gboolean in_value = FALSE; /* the wanted name and its colon were read */
    JsonNode *node = NULL;

    while (scan.at < scan.length && node == NULL) {
        gsize start = scan.at;
        gboolean is_name = scan.depth == 1 && scan.key_length == strlen(name) &&
                           memcmp(text + scan.key_at, name, scan.key_length) == 0;
        char c = text[start];
        if (!scan_token(&scan, NULL))
            break;
        if (in_value && strchr(" \t\r\n", c) == NULL) {
            node = c != '{' && c != '[' ? token_node(text + start, scan.at - start) : NULL;
            break;
        }
        in_value |= c == ':' && is_name;
    }
    return node != NULL ? node : json_node_new(JSON_NODE_NULL);
}
