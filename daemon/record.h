/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A migration as this host decided it: the question, the verdict, and the JSON record made of both.
 *
 * Plain data, no I/O. The record's members are documented in docs/ledger.md.
 */

#include <json-glib/json-glib.h>

#include "relation-json.h"
#include "verdict.h"

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
    RelationTrace trace;     /* what it was made of: source minus destination */
    guint32 drift_bound_ppb; /* by which it was widened; valid if the trace is known */
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
    RECORD_INTERRUPTED, /* tbsyncd was not running, or had no libvirt, when it could have been seen; final */
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

/* Replaces the plan of a record by a known one made of `query` at that time of day. The first one is kept. */
void record_set_plan(JsonObject *record, const OffsetQuery *query, const OffsetPlan *plan, gint64 made_real_ns);
