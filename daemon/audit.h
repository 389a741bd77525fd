/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Migrations to this host, from libvirt's events to the end of each record.
 *
 * Keeps the records of allowed migrations open until the guest has arrived, failed or not come
 * within AUDIT_EXPIRY_MS; a guest that dies before its QEMU is up makes no event, so libvirt is asked now and
 * then whether it is still here. Writes each change of state to the ledger and keeps the guest's entry
 * there. After an arrival the source is asked when it stopped the guest's CPUs, and the figures are
 * added. Also publishes the plan of each open record as <runtime directory>/plans/UUID.json and
 * removes it when the record is closed. Main thread only.
 */

#include <gio/gio.h>

#include "audit-figures.h"
#include "guests.h"
#include "ledger.h"
#include "record.h"
#include "relation.h"
#include "stamp-clock.h"

typedef struct Audit Audit;

/* A guest whose transfer takes longer is seen by its events all the same; only a guest that never
 * came expires, and one of which events may have been lost is given up. */
#define AUDIT_EXPIRY_MS (60u * 60 * 1000)

/* The source hears of the end of the migration later than we do: its libvirt answers after ours.
 * The first pause also lets QEMU's own RESUME stamp come in. */
#define AUDIT_ASK_PERIOD_MS 500
#define AUDIT_ASK_TIMES     20

/* A guest that libvirt does not have running or coming up so many times in a row has failed. Its QEMU is seen from the
 * moment on that libvirt begins to start it, which is right after the hook. */
#define AUDIT_LOOK_PERIOD_MS 10000
#define AUDIT_LOOK_TIMES     2

/* role: on this host; on error it says nothing. */
typedef void (*AuditLookDone)(GuestRole role, const GError *error, void *data);
typedef void (*AuditDepartureDone)(const Departure *departure, const GError *error, void *data);

typedef struct AuditParams {
    Ledger *ledger;
    StampClock *stamps;
    const char *runtime_directory; /* copied */
    guint32 drift_bound_ppb;
    guint renew_period_ms; /* between two versions of an open plan; 0: half of PLAN_VALID_S */
    guint ask_period_ms; /* between two questions to the source; 0: AUDIT_ASK_PERIOD_MS */
    guint expiry_ms;      /* 0: AUDIT_EXPIRY_MS */
    guint look_period_ms; /* between two looks for a guest that has not arrived; 0: AUDIT_LOOK_PERIOD_MS */
    /* Asks the local libvirt for the guest; `done` comes once, later. Never called before the hook was answered. */
    void (*look_here)(const char *uuid, AuditLookDone done, void *done_data, void *data);
    /* Asks the peer `source` for the departure of a guest; `done` comes once, later, or never if
     * FALSE is returned (no link). */
    gboolean (*ask_departure)(const char *source, const char *uuid, AuditDepartureDone done,
                              void *done_data, void *data);
    /* (nullable): reads the timebase of a guest under TCG that has started here. */
    GuestTimebaseReader read_timebase;
    /* This host minus `source`, now; unbounded if not known. */
    Interval (*relation)(const char *source, void *data);
    void *data;
} AuditParams;

/* Records left open by an earlier process are closed as "interrupted", one after the other from the loop. */
Audit *audit_new(const AuditParams *params);
void audit_free(Audit *audit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Audit, audit_free)

/* Open plans are made with the new bound from their next version on. */
void audit_reload(Audit *audit, guint32 drift_bound_ppb);

/* An allowed migration: `record` is kept (a reference is taken) and changed as events come. An
 * older open record of the same guest is closed as expired. */
void audit_open(Audit *audit, const char *id, const MigrationCase *c, JsonObject *record);

void audit_event(Audit *audit, const GuestEvent *event);

guint audit_open_count(const Audit *audit);
