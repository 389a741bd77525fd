/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is wrong with this daemon's surroundings: files, libvirt, KVM, peers; each with what mends it. For Diagnose() on the bus.
 *
 * Reads small local files (certificates) and looks at permissions; asks nobody. Changes nothing. Everything else is told by the
 * caller. The rows are named in one table, diagnose.c.
 */

#include "bus-service.h"
#include "config.h"
#include "error.h"
#include "facts.h"

typedef struct DiagnosePeer {
    const char *name;
    gboolean linked;
    TbsyncError code;  /* of `error` */
    const char *error; /* (nullable) */
    RelationState relation;
} DiagnosePeer;

typedef struct DiagnoseInput {
    const Config *config;
    const HostFacts *host;
    const BusStatus *status;
    const char *timing_error; /* (nullable) why timing events are wanted and not received */
    const char *listen_error; /* (nullable) */
    const char *not_taken_up; /* (nullable) keys of the configuration that changed, and that a reload does not take up */
    const char *discover_error, *discover_foreign; /* (nullable) as discover.h has them */
    guint unwritten; /* of records that the disk did not take */
    guint spare_missing; /* of SPARE_FILES */
    const DiagnosePeer *peers;
    gsize n_peers;
    gint64 now_real_ns;
} DiagnoseInput;

/* Floating aa{sv}: {code, severity ("note", "warn", "error"), object, text, advice: s}, in the order of the table; empty: all is
 * well. */
GVariant *diagnose(const DiagnoseInput *in);
