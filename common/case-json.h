/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The question put to judge(), written as one case of the offline format, so that what was decided
 * online can be decided again by `tbsyncctl judge` and `tbsyncctl replay` with the same result.
 */

#include <json-glib/json-glib.h>

#include "verdict.h"

/* Members "kind", "source", "guest", "incoming", "destination", "relation", "policy" added to
 * `builder`, which is inside an object; those that are NULL in `in` are left out. timebase_hz: of
 * both hosts, turns the relation's age into ns; > 0 if there is a relation. */
void case_build_json(const JudgeInput *in, guint64 timebase_hz, JsonBuilder *builder);

/* Its "relation" alone: one object. */
void case_relation_build_json(const RelationBounds *relation, guint64 timebase_hz,
                              JsonBuilder *builder);

/* "offline", "migration", "restore" */
const char *judge_kind_name(JudgeKind kind);
gboolean judge_kind_parse(const char *name, JudgeKind *ret);
