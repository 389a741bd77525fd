/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON text of foreign origin -> json-glib object, safely.
 *
 * json-glib recurses once per level, has no limit, wraps integers beyond 64 bits in silence and takes comments for
 * white space. So the text goes through json-tree.h first, and its integers have to fit the signed 64 bits that
 * json-glib keeps. For one document now and then; for streams of them json-tree.h alone is much faster.
 */

#include <glib.h>
#include <json-glib/json-glib.h>

#include "json-tree.h"

/* TBSYNC_ERROR_INVALID, naming the field where a value is wrong and the position otherwise. */
gboolean json_text_check(const char *text, gsize length, GError **error);

/* Check, parse, and insist on an object at the top. `parser` is the caller's, so that it can be used again;
 * the returned object is (transfer none), valid until the parser's next use. */
JsonObject *json_text_parse_object(JsonParser *parser, const char *text, gsize length, GError **error);

/* The way back: an object of json-glib as a value of `tree`. */
const JsonValue *json_text_to_value(JsonObject *object, JsonTree *tree, GError **error);
