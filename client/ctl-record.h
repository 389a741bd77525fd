/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Verdicts and records of migrations, which the daemon hands out as JSON: read and printed. For check, status, history and
 * show.
 */

#include <json-glib/json-glib.h>

#include "ctl.h"

/* The newest `limit` records (0: all), newest first: JsonNode objects. (transfer full) */
GPtrArray *ctl_records_load(Ctl *ctl, guint limit, GError **error);

/* A record's text; TBSYNC_ERROR_VERSION if it is no JSON object. (transfer full) */
JsonNode *ctl_record_parse(const char *text, GError **error);

/* One row a record. */
void ctl_records_print(const Ctl *ctl, const GPtrArray *records);

/* "decision", "findings" and "plan" of `object`: the decision as a word, each finding with its fix, the plan in ticks and, if
 * timebase_hz is not 0, in units of time. */
void ctl_verdict_print(const Ctl *ctl, JsonObject *object, guint64 timebase_hz);

/* A member of that type; "" and FALSE if there is none. */
const char *ctl_json_string(JsonObject *object, const char *name);
gboolean ctl_json_int(JsonObject *object, const char *name, gint64 *ret);

/* Local time of a CLOCK_REALTIME stamp. (transfer full) */
char *ctl_time_text(gint64 real_ns);
