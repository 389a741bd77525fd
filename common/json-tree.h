/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON text of foreign origin -> a tree of plain values, and plain values -> JSON text.
 *
 * For many small documents one after the other: a tree reuses its memory, so parsing allocates nothing after the first
 * documents, and what a document may cost is bounded by JSON_TREE_DEPTH_MAX and JSON_TREE_VALUES_MAX. Strict: UTF-8,
 * no comments, no trailing commas, no NUL in strings, integers within 64 bits. Of members with one name the last
 * one counts. Where json-glib's objects are wanted, json-text.h puts this check in front of it.
 */

#include <glib.h>

#define JSON_TREE_DEPTH_MAX  32u
#define JSON_TREE_VALUES_MAX 65536u

typedef enum JsonKind {
    JSON_NULL,
    JSON_BOOL,     /* boolean */
    JSON_INTEGER,  /* integer */
    JSON_UNSIGNED, /* big: 2^63 to 2^64 - 1 */
    JSON_FRACTION, /* text: a number with a fraction or an exponent, as written */
    JSON_STRING,   /* text */
    JSON_ARRAY,    /* first: elements */
    JSON_OBJECT,   /* first: members */
} JsonKind;

typedef struct JsonValue {
    JsonKind kind;
    const char *name; /* of a member; NULL in arrays and at the top */
    union {
        gboolean boolean;
        gint64 integer;
        guint64 big;
        const char *text;
        struct JsonValue *first;
    };
    struct JsonValue *next; /* in its array or object */
} JsonValue;

typedef struct JsonTree JsonTree;

JsonTree *json_tree_new(void);
void json_tree_free(JsonTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonTree, json_tree_free)

/* The top value, valid until the next call or json_tree_free(). NULL: TBSYNC_ERROR_INVALID that names the member or the
 * byte, and what stands there. */
const JsonValue *json_tree_parse(JsonTree *tree, const char *text, gsize length, GError **error);

/* The same, and an object at the top. */
const JsonValue *json_tree_parse_object(JsonTree *tree, const char *text, gsize length, GError **error);

/* After a failed parse: the top value with what was complete before the failure; NULL if there is nothing. */
const JsonValue *json_tree_partial(const JsonTree *tree);

/* NULL if `object` has no such member, is none or NULL. */
const JsonValue *json_value_member(const JsonValue *object, const char *name);

/* A short form for error messages: a number or string as written, shortened; "an object". (transfer full) */
char *json_value_describe(const JsonValue *value);

/* "text", with quotes and escapes. */
void json_append_string(GString *out, const char *text);

/* A scalar as JSON; arrays, objects and NULL as null. */
void json_append_scalar(GString *out, const JsonValue *value);
