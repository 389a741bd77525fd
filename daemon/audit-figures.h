/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The figures of one finished migration: from the two ends' stop and start to blackout, ticks lost
 * and the guest's new entry.
 *
 * Pure but for JSON: readings come in, an object and a GuestEntry go out. The arithmetic is core's
 * (offset_audit(), offset_qemu_prediction()).
 */

#include <json-glib/json-glib.h>

#include "departures.h"
#include "ledger.h"
#include "offset.h"
#include "record.h"

/* What of the question the audit needs; plain values. */
typedef struct AuditSubject {
    char source[FACTS_NAME_MAX]; /* peer name; "" if it was not found */
    guint64 timebase_hz;
    gboolean kvm;
    gboolean offline; /* its definition is moved, no QEMU runs */
    guint32 source_version, destination_version; /* of QEMU; 0 = unknown */
    gboolean destination_takes_offset;
    gboolean copy_fresh; /* QEMU's copy of the offset on the source is known to be what the kernel had */
    gboolean offset_known;
    gint64 offset_ticks;  /* off1 */
    Interval ahead_ticks; /* before the migration; unbounded if unknown */
} AuditSubject;

AuditSubject audit_subject_of(const MigrationCase *c);

/* The guest's CPUs started here. */
typedef struct Arrival {
    TbTicks run_lo, run_hi; /* this host's timebase */
    gboolean precise;       /* from QEMU's own stamp */
    gboolean reads_guest;   /* the guest's own timebase was asked for; the answer, if it came: */
    GuestTbReading guest;
} Arrival;

/* relation_ticks: this host minus source, valid at the start. Returns the record's "audit" object
 * (transfer full) and the guest's entry from now on. */
JsonObject *audit_figures(const AuditSubject *subject, const Departure *departure,
                          const Arrival *arrival, Interval relation_ticks, GuestEntry *ret_entry);

/* The object of a migration whose blackout is not known, and why. (transfer full) */
JsonObject *audit_figures_unknown(const char *why);
