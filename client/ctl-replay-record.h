/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A record of a migration computed again: relation, verdict and plan from what the record says they were made of, compared
 * with what the record says they were. Formats: docs/ledger.md.
 */

#include "ctl.h"

/* Whether the text may be a record: an object with a "case". */
gboolean ctl_replay_is_record(const char *text, gsize length);

/* Prints what is the same and what differs. Returns CTL_EXIT_OK if all is the same, CTL_EXIT_ERROR if something differs or the
 * record cannot be read. */
int ctl_replay_record(Ctl *ctl, const char *text);
