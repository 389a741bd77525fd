/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What made a relation, as plain data: the relation before a burst, the burst's exchanges, and the instant at which bounds
 * were taken. Enough to compute the same bounds again, to the tick.
 *
 * In JSON timebases are signed 64-bit numbers (a register of 2^63 and more as the negative number of the same bits), states
 * and faults are words. Whatever is read is checked as far as relation.c asserts it.
 */

#include <json-glib/json-glib.h>

#include "relation.h"

/* Exchanges kept one by one; older ones are worked into `before`. A burst fits, and what others ask for meanwhile. */
#define RELATION_TRACE_MAX 48

typedef struct RelationTrace {
    gboolean known; /* else there is no relation, all else is undefined */
    Relation before;
    guint n_exchanges;
    Exchange exchanges[RELATION_TRACE_MAX];
    TbTicks at; /* local timebase */
} RelationTrace;

/* Starts at that relation, which is copied. */
void relation_trace_start(RelationTrace *trace, const Relation *before);

void relation_trace_add(RelationTrace *trace, const Exchange *exchange);

/* Bounds at `at` after all exchanges. */
RelationBounds relation_trace_bounds(const RelationTrace *trace);

/* A plan has to hold when the guest resumes, which is later than when it was made: the relation is
 * widened by the drift of so long. An open plan is made anew before that. */
#define PLAN_VALID_S 60

/* The relation from `now` until PLAN_VALID_S later. */
Interval plan_relation(Interval now_ticks, guint64 timebase_hz, guint32 drift_bound_ppb);

/* What a verdict and a plan are made from, destination minus source, of a trace that the destination took: source minus
 * destination. */
RelationBounds relation_trace_for_plan(const RelationTrace *trace, guint64 timebase_hz, guint32 drift_bound_ppb);

/* (transfer full) */
JsonObject *relation_to_json(const Relation *relation);
JsonObject *relation_trace_to_json(const RelationTrace *trace);

/* TBSYNC_ERROR_INVALID, naming the member. *ret is undefined then. */
gboolean relation_read_json(JsonObject *object, Relation *ret, GError **error);
gboolean relation_trace_read_json(JsonObject *object, RelationTrace *ret, GError **error);
