/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Records that an earlier process left open are closed as "interrupted": nobody saw how they ended.
 *
 * One record a turn of the loop, when nothing else is to be done: reading the newest ones takes longer than a start and a
 * first verdict may. Only records that are there at left_open_new() are looked at. Main thread only.
 */

#include "ledger.h"

typedef struct LeftOpen LeftOpen;

/* Looks at the `search` newest records. `ledger` must outlive it. */
LeftOpen *left_open_new(Ledger *ledger, guint search);

/* What was not looked at until then is left for the next process. NULL is fine. */
void left_open_free(LeftOpen *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LeftOpen, left_open_free)
