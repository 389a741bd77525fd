/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finding code -> name, one sentence, one piece of advice that can be typed in.
 *
 * One table serves tool, hook, journal and manual pages. The sentence names both values that clash; the advice
 * is what an operator types or sets next.
 *
 * Values that callers of judge() put into their own findings (any may be VALUE_NONE):
 *   source-unknown            a: UUID
 *   source-ambiguous          a, b: names of two hosts
 *   peer-unreachable          a: name of the peer, b: reason
 *   guest-changed-on-the-way  a: what it was, b: what it became ("cpu_model POWER9")
 *   daemon-unavailable        a: reason
 *   deadline                  a: the deadline, ns; b: what was waited for
 */

#include <glib.h>
#include <json-glib/json-glib.h>

#include "verdict.h"

/* "compat-mode-unsupported" */
const char *finding_code_name(FindingCode code);

/* false if no code has that name; *ret_code untouched. */
gboolean finding_code_parse(const char *name, FindingCode *ret_code);

/* "note", "warn", "block"; "allow", "block" */
const char *severity_name(Severity severity);
const char *decision_name(Decision decision);

/* One sentence without a full stop, naming both values. (transfer full) */
char *finding_text(const Finding *finding);

/* One piece of advice, an imperative sentence without a full stop; "" if there is none. (transfer full) */
char *finding_advice(const Finding *finding);

/* What the code means in general, for `tbsyncctl explain`, the journal catalog and tbsync-findings(7): a
 * paragraph. Static. */
const char *finding_code_explain(FindingCode code);

#define MESSAGE_ID_SIZE 33

/* MESSAGE_ID= of the code's journal entries, by which `journalctl -x` finds its explanation: 32 hex digits. It is made from
 * the code's name, so that it stays the same as long as that does, in every version. */
void finding_code_message_id(FindingCode code, char ret_id[static MESSAGE_ID_SIZE]);

/* {"decision":..., "findings":[{code,severity,text,advice}], "plan":{...}}: members added to `builder`,
 * which is inside an object. The plan only if plan.known. */
void verdict_build_json(const Verdict *verdict, JsonBuilder *builder);

/* The same as text, "decision":...,"findings":[...], for what stands between two braces. */
void verdict_append_json(const Verdict *verdict, GString *out);

/* The same for D-Bus, floating: aa{sv} of {code, severity, text, advice}; a{sv} of {offset_ticks, offset_hi_ticks,
 * nearest_ticks, jump_lo_ticks, jump_hi_ticks, exact}, empty if no plan is known. */
GVariant *verdict_findings_to_variant(const Verdict *verdict);
GVariant *offset_plan_to_variant(const OffsetPlan *plan);
