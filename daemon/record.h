/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A migration as this host decided it: the question, the verdict, and the JSON record made of both.
 *
 * Plain data, no I/O. The record's members are documented in docs/ledger.md.
 */

#include <json-glib/json-glib.h>

#include "verdict.h"

/* A plan has to hold when the guest resumes, which is later than when it was made: the relation is
 * widened by the drift of so long. An open plan is made anew before that. */
#define PLAN_VALID_S 60

/* The relation from `now` until PLAN_VALID_S later. */
Interval plan_relation(Interval now_ticks, guint64 timebase_hz, guint32 drift_bound_ppb);

/* Owns all facts that findings point into: must live as long as the verdict made from it. */
typedef struct MigrationCase {
    JudgeKind kind;
    gboolean has_source;
    HostFacts source;
    GuestFacts guest; /* the source's own view, or the hook's XML if the source is unknown */
    gboolean has_incoming;
    GuestFacts incoming;
    HostFacts destination;
    gboolean has_relation;
    RelationBounds relation; /* destination minus source, from now until PLAN_VALID_S later */
    Policy policy;
} MigrationCase;

/* Views `c` as judge()'s input. */
JudgeInput migration_case_input(const MigrationCase *c);

typedef enum RecordState {
    RECORD_REFUSED,  /* blocked; final */
    RECORD_PLANNED,  /* allowed, nothing seen yet. Left by ARRIVING, COMPLETED, FAILED or EXPIRED */
    RECORD_ARRIVING, /* QEMU runs here, paused. Left by COMPLETED, FAILED */
    RECORD_COMPLETED, /* the guest's CPUs started here; final but for the audit's figures */
    RECORD_FAILED, /* QEMU ended here before its CPUs started: the guest stayed on the source; final
                    */
    RECORD_EXPIRED,     /* the guest never arrived; final */
    RECORD_INTERRUPTED, /* tbsyncd was not running when it could have been seen; final */
} RecordState;

const char *record_state_name(RecordState state);

typedef struct RecordHead {
    const char *id;
    gint64 asked_real_ns;
    gint64 decided_real_ns;
    guint64 timebase_hz;
    RecordState state;
} RecordHead;

/* (transfer full) */
JsonObject *record_new(const RecordHead *head, const MigrationCase *c, const Verdict *verdict);

/* Replaces the state of a record. */
void record_set_state(JsonObject *record, RecordState state);

/* Replaces the plan of a record by a known one made at that time of day. */
void record_set_plan(JsonObject *record, const OffsetPlan *plan, gint64 made_real_ns);
