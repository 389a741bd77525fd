/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-tree.h"

#include <string.h>

#include "error.h"

struct JsonTree {
    JsonValue *values; /* JSON_TREE_VALUES_MAX of them; only pages in use cost memory */
    guint n_values;
    char *text; /* a copy, changed in place: strings are unescaped and ended where they stand */
    gsize capacity;

    /* while parsing */
    char *at, *end; /* *end is NUL */
    guint depth;
    const char *name; /* of the member that is being read, for messages */
    GError **error;
};

JsonTree *json_tree_new(void)
{
    JsonTree *tree = g_new0(JsonTree, 1);

    tree->values = g_new(JsonValue, JSON_TREE_VALUES_MAX);
    return tree;
}

void json_tree_free(JsonTree *tree)
{
    if (tree == NULL)
        return;
    g_free(tree->values);
    g_free(tree->text);
    g_free(tree);
}

/* ---- refusal ---- */

/* At most `max` bytes of a text, in whole characters. (transfer full) */
static char *shorten(const char *text, gsize max)
{
    gsize length = strnlen(text, max + 1);

    while (length > max || (length > 0 && ((guint8)text[length] & 0xc0) == 0x80))
        length--;
    return g_strndup(text, length);
}

/* `shown` ends at the next character that can end a value. */
static gboolean refuse(JsonTree *tree, const char *from, const char *problem)
{
    gsize length = strcspn(from, " \t\r\n,:]}");
    g_autofree char *part = g_strndup(from, CLAMP(length, 1, 40));
    g_autofree char *value = g_strescape(part, NULL);
    g_autofree char *name = tree->name != NULL ? shorten(tree->name, 40) : NULL;
    const char *dots = length > 40 ? "..." : "";

    if (from >= tree->end)
        g_set_error(tree->error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "broken JSON: it ends too early, at byte %" G_GSIZE_FORMAT,
                    (gsize)(tree->end - tree->text));
    else if (name != NULL)
        g_set_error(tree->error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: %s%s %s", name, value, dots, problem);
    else
        g_set_error(tree->error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "broken JSON: byte %" G_GSIZE_FORMAT ": %s%s %s",
                    (gsize)(from - tree->text), value, dots, problem);
    return FALSE;
}

static gboolean refuse_whole(JsonTree *tree, const char *problem)
{
    g_set_error(tree->error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "byte %" G_GSIZE_FORMAT ": %s",
                (gsize)(tree->at - tree->text), problem);
    return FALSE;
}

/* ---- tokens ---- */

static void skip_space(JsonTree *tree)
{
    while (*tree->at == ' ' || *tree->at == '\t' || *tree->at == '\r' || *tree->at == '\n')
        tree->at++;
}

/* The four digits of \uXXXX at `at`; G_MAXUINT if they are none. */
static gunichar read_hex4(const char *at)
{
    gunichar value = 0;

    for (int i = 0; i < 4; i++) {
        int digit = g_ascii_xdigit_value(at[i]);
        if (digit < 0)
            return G_MAXUINT;
        value = value << 4 | (gunichar)digit;
    }
    return value;
}

/* \uXXXX at `at`, or a pair of them; writes UTF-8 at `to`, which is never longer. Returns the bytes read, 0 if wrong. */
static gsize unescape_unicode(const char *at, char **to)
{
    gunichar c = read_hex4(at + 2), low;
    gsize length = 6;

    if (c >= 0xd800 && c < 0xdc00 && at[6] == '\\' && at[7] == 'u') {
        low = read_hex4(at + 8);
        if (low < 0xdc00 || low > 0xdfff)
            return 0;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        length = 12;
    }
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *to += g_unichar_to_utf8(c, *to);
    return length;
}

/* One escape at `at`; the same return. */
static gsize unescape(const char *at, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (at[1] == 'u')
        return unescape_unicode(at, to);
    found = at[1] != '\0' ? strchr(from, at[1]) : NULL;
    if (found == NULL)
        return 0;
    *(*to)++ = into[found - from];
    return 2;
}

/* Bytes from `at` on that stand for themselves in a string. */
static gsize plain_run(const char *at)
{
    const char *start = at;

    while ((guchar)*at >= 0x20 && *at != '"' && *at != '\\')
        at++;
    return (gsize)(at - start);
}

static gboolean read_string(JsonTree *tree, const char **ret)
{
    char *start = tree->at + 1, *to = start, *at = start;

    for (;;) {
        gsize run = plain_run(at);
        if (to != at)
            memmove(to, at, run);
        to += run;
        at += run;
        if (*at != '\\')
            break;
        gsize used = unescape(at, &to);
        if (used == 0)
            return refuse(tree, at, "is no escape in a string");
        at += used;
    }
    if (*at != '"')
        return at >= tree->end ? refuse(tree, at, "") : refuse(tree, at, "is a control character in a string");
    if (!g_utf8_validate_len(start, (gsize)(to - start), NULL)) {
        tree->at = start;
        return refuse_whole(tree, "a string that is not UTF-8");
    }
    *to = '\0';
    tree->at = at + 1;
    *ret = start;
    return TRUE;
}

static const char *skip_digits(const char *at)
{
    while (g_ascii_isdigit(*at))
        at++;
    return at;
}

/* End of the number at `at`, strictly as JSON has it; NULL if it is none. */
static const char *number_end(const char *at, gboolean *ret_integer)
{
    const char *digits = at + (*at == '-'), *end = skip_digits(digits), *part;

    *ret_integer = TRUE;
    if (end == digits || (*digits == '0' && end > digits + 1))
        return NULL;
    if (*end == '.') {
        *ret_integer = FALSE;
        part = end + 1;
        if ((end = skip_digits(part)) == part)
            return NULL;
    }
    if (*end == 'e' || *end == 'E') {
        *ret_integer = FALSE;
        part = end + 1;
        part += *part == '+' || *part == '-';
        if ((end = skip_digits(part)) == part)
            return NULL;
    }
    return end;
}

/* `at` to `end` are a sign and digits. FALSE: beyond 64 bits. */
static gboolean store_integer(JsonValue *value, const char *at, const char *end)
{
    gboolean negative = *at == '-';
    guint64 size = 0;

    for (at += negative; at < end; at++)
        if (__builtin_mul_overflow(size, 10u, &size) || __builtin_add_overflow(size, (guint64)(*at - '0'), &size))
            return FALSE;
    if (size > (guint64)G_MAXINT64 + negative) {
        value->kind = JSON_UNSIGNED;
        value->big = size;
        return !negative;
    }
    value->kind = JSON_INTEGER;
    value->integer = negative ? (gint64)-size : (gint64)size;
    return TRUE;
}

/* Whether a value may end before `c`. */
static gboolean is_end(char c)
{
    return strchr(" \t\r\n,:]}", c) != NULL; /* NUL is found too */
}

static gboolean read_number(JsonTree *tree, JsonValue *value)
{
    gboolean is_integer;
    const char *end = number_end(tree->at, &is_integer);

    if (end == NULL || !is_end(*end))
        return refuse(tree, tree->at, "is no JSON value");
    if (is_integer && !store_integer(value, tree->at, end))
        return refuse(tree, tree->at, "is out of range");
    if (!is_integer) {
        /* ended by json_value_describe(), which alone reads it: here the next character is still needed */
        value->kind = JSON_FRACTION;
        value->text = tree->at;
    }
    tree->at += end - tree->at;
    return TRUE;
}

static gboolean read_word(JsonTree *tree, JsonValue *value)
{
    static const struct {
        const char *word;
        JsonKind kind;
        gboolean boolean;
    } words[] = { { "true", JSON_BOOL, TRUE }, { "false", JSON_BOOL, FALSE }, { "null", JSON_NULL, FALSE } };

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        gsize length = strlen(words[i].word);
        if (strncmp(tree->at, words[i].word, length) != 0 || !is_end(tree->at[length]))
            continue;
        value->kind = words[i].kind;
        value->boolean = words[i].boolean;
        tree->at += length;
        return TRUE;
    }
    return refuse(tree, tree->at, "is no JSON value");
}

/* ---- structure ---- */

static gboolean read_value(JsonTree *tree, JsonValue *value);

static JsonValue *new_value(JsonTree *tree)
{
    if (tree->n_values == JSON_TREE_VALUES_MAX) {
        refuse_whole(tree, "too many values");
        return NULL;
    }
    JsonValue *value = &tree->values[tree->n_values++];
    *value = (JsonValue){ JSON_NULL };
    return value;
}

static gboolean read_name(JsonTree *tree, const char **ret)
{
    if (*tree->at != '"')
        return refuse(tree, tree->at, "stands where the name of a member should");
    if (!read_string(tree, ret))
        return FALSE;
    skip_space(tree);
    if (*tree->at != ':')
        return refuse(tree, tree->at, "stands where \":\" should");
    tree->at++;
    return TRUE;
}

/* One element or member; linked in only when it is complete, for json_tree_partial(). */
static JsonValue *read_child(JsonTree *tree, gboolean is_object)
{
    JsonValue *child = new_value(tree);

    if (child == NULL || (is_object && !read_name(tree, &child->name)))
        return NULL;
    if (is_object)
        tree->name = child->name;
    skip_space(tree);
    return read_value(tree, child) ? child : NULL;
}

static gboolean read_children(JsonTree *tree, JsonValue *parent, char close)
{
    JsonValue **link = &parent->first;

    for (;;) {
        skip_space(tree);
        JsonValue *child = read_child(tree, close == '}');
        if (child == NULL)
            return FALSE;
        *link = child;
        link = &child->next;
        skip_space(tree);
        if (*tree->at == close) {
            tree->at++;
            return TRUE;
        }
        if (*tree->at != ',')
            return refuse(tree, tree->at, close == '}' ? "stands where \",\" or \"}\" should"
                                                       : "stands where \",\" or \"]\" should");
        tree->at++;
    }
}

static gboolean read_container(JsonTree *tree, JsonValue *value)
{
    char close = *tree->at == '{' ? '}' : ']';

    value->kind = close == '}' ? JSON_OBJECT : JSON_ARRAY;
    value->first = NULL;
    if (tree->depth == JSON_TREE_DEPTH_MAX)
        return refuse_whole(tree, "nested deeper than 32 levels");
    tree->at++;
    skip_space(tree);
    if (*tree->at == close) {
        tree->at++;
        return TRUE;
    }
    tree->depth++;
    gboolean ok = read_children(tree, value, close);
    tree->depth--;
    return ok;
}

static gboolean read_value(JsonTree *tree, JsonValue *value)
{
    switch (*tree->at) {
    case '{':
    case '[':
        return read_container(tree, value);
    case '"':
        value->kind = JSON_STRING;
        return read_string(tree, &value->text);
    case '-':
    case '0' ... '9':
        return read_number(tree, value);
    default:
        return read_word(tree, value);
    }
}

static gboolean read_document(JsonTree *tree)
{
    skip_space(tree);
    if (tree->at == tree->end)
        return refuse(tree, tree->at, "");
    if (!read_value(tree, new_value(tree)))
        return FALSE;
    skip_space(tree);
    tree->name = NULL;
    return tree->at == tree->end || refuse(tree, tree->at, "stands behind the end");
}

const JsonValue *json_tree_parse(JsonTree *tree, const char *text, gsize length, GError **error)
{
    if (tree->capacity < length + 1) {
        tree->capacity = MAX(length + 1, 4096);
        g_free(tree->text);
        tree->text = g_malloc(tree->capacity);
    }
    memcpy(tree->text, text, length);
    tree->text[length] = '\0';
    tree->at = tree->text;
    tree->end = tree->text + length;
    tree->n_values = 0;
    tree->depth = 0;
    tree->name = NULL;
    tree->error = error;
    return read_document(tree) ? &tree->values[0] : NULL;
}

const JsonValue *json_tree_parse_object(JsonTree *tree, const char *text, gsize length, GError **error)
{
    const JsonValue *top = json_tree_parse(tree, text, length, error);

    if (top != NULL && top->kind != JSON_OBJECT) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "the text is not a JSON object");
        return NULL;
    }
    return top;
}

const JsonValue *json_tree_partial(const JsonTree *tree)
{
    return tree->n_values > 0 ? &tree->values[0] : NULL;
}

/* ---- use ---- */

const JsonValue *json_value_member(const JsonValue *object, const char *name)
{
    const JsonValue *found = NULL;

    if (object == NULL || object->kind != JSON_OBJECT)
        return NULL;
    for (const JsonValue *member = object->first; member != NULL; member = member->next)
        if (strcmp(member->name, name) == 0)
            found = member;
    return found;
}

char *json_value_describe(const JsonValue *value)
{
    g_autofree char *text = NULL;

    switch (value->kind) {
    case JSON_NULL:
        return g_strdup("null");
    case JSON_BOOL:
        return g_strdup(value->boolean ? "true" : "false");
    case JSON_INTEGER:
        return g_strdup_printf("%" G_GINT64_FORMAT, value->integer);
    case JSON_UNSIGNED:
        return g_strdup_printf("%" G_GUINT64_FORMAT, value->big);
    case JSON_FRACTION:
        return g_strndup(value->text, MIN(strspn(value->text, "0123456789+-.eE"), 40));
    case JSON_STRING:
        text = shorten(value->text, 60);
        return g_strdup_printf("\"%s\"", text);
    case JSON_ARRAY:
        return g_strdup("an array");
    case JSON_OBJECT:
        return g_strdup("an object");
    }
    g_assert_not_reached();
}

void json_append_string(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    while (*text != '\0') {
        gsize run = plain_run(text);
        g_string_append_len(out, text, (gssize)run);
        text += run;
        if (*text == '"' || *text == '\\')
            g_string_append_printf(out, "\\%c", *text++);
        else if (*text != '\0')
            g_string_append_printf(out, "\\u%04x", (guchar)*text++);
    }
    g_string_append_c(out, '"');
}

void json_append_scalar(GString *out, const JsonValue *value)
{
    if (value == NULL || value->kind == JSON_ARRAY || value->kind == JSON_OBJECT) {
        g_string_append(out, "null");
    } else if (value->kind == JSON_STRING) {
        json_append_string(out, value->text);
    } else {
        g_autofree char *text = json_value_describe(value);
        g_string_append(out, text);
    }
}
