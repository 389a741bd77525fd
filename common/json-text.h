/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON text of foreign origin -> json-glib object, safely.
 *
 * json-glib recurses once per level, has no limit, wraps integers beyond 64 bits in silence and takes comments for
 * white space. So the text is checked first: UTF-8, strict tokens, depth, and every integer within the signed 64
 * bits that json-glib keeps. Pure functions over one buffer; memory is bounded by the text.
 */

#include <glib.h>
#include <json-glib/json-glib.h>

#define JSON_TEXT_DEPTH_MAX 32u

/* TBSYNC_ERROR_INVALID, naming the field where a value is wrong and the position otherwise. Brackets are only
 * counted: whether they match, and commas and colons, is left to json-glib. */
gboolean json_text_check(const char *text, gsize length, GError **error);

/* Check, parse, and insist on an object at the top. `parser` is the caller's, so that it can be used again;
 * the returned object is (transfer none), valid until the parser's next use. */
JsonObject *json_text_parse_object(JsonParser *parser, const char *text, gsize length, GError **error);

/* A short form of a node for error messages: a number or string as written, shortened; "an object". (transfer full) */
char *json_text_describe(JsonNode *node);

/* The value of a member of the top object, if it is a string or a number and stands before anything broken: what a line
 * was about when it cannot be parsed. Otherwise a null node. (transfer full) */
JsonNode *json_text_peek(const char *text, gsize length, const char *name);
