/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One incoming migration from question to answer: find the source among the peers, take its facts,
 * measure, judge, plan, record.
 *
 * Nothing here, and nothing it calls, talks to the local libvirtd: libvirt waits for the hook, so
 * that would be a deadlock (libvirt docs/hooks.rst). Every question is answered within the
 * configured deadline, whatever is dead, hung or lying; what is not known by then is refused with
 * the reason. Many questions may be under way at once. Main thread only.
 */

#include <gio/gio.h>

#include "config.h"
#include "ledger.h"
#include "peers.h"
#include "record.h"

typedef struct Hooks Hooks;

typedef struct HooksParams {
    Peers *peers;
    Ledger *ledger;
    const Config *config; /* borrowed until hooks_reload() */
    const HostFacts *(*host_facts)(void *data);
    /* A verdict was recorded: `record` (transfer none) is what went to the ledger under `id`. */
    void (*decided)(const char *id, const MigrationCase *c, const Verdict *verdict,
                    JsonObject *record, void *data);
    void *data;
} HooksParams;

Hooks *hooks_new(const HooksParams *params);

/* Cancels what is under way: callers get G_IO_ERROR_CANCELLED. */
void hooks_free(Hooks *hooks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hooks, hooks_free)

void hooks_reload(Hooks *hooks, const Config *config);

typedef struct HookAnswer {
    MigrationCase c; /* keeps alive what the findings point to */
    Verdict verdict;
    GStrv unreachable;  /* (nullable) peers that did not answer; findings may point to them */
    char *migration_id; /* (nullable): none for a guest that is none of our business */
} HookAnswer;

void hook_answer_free(HookAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HookAnswer, hook_answer_free)

/* `incoming`: what the hook's XML says; copied. */
void hooks_check_async(Hooks *hooks, const GuestFacts *incoming, GAsyncReadyCallback callback,
                       void *data);

/* (transfer full). The only error is G_IO_ERROR_CANCELLED: all else is a verdict. */
HookAnswer *hooks_check_finish(GAsyncResult *result, GError **error);

/* A saved guest is to start here: judged against this host alone, at once, without a record.
 * (transfer full) */
HookAnswer *hooks_check_restore(Hooks *hooks, const GuestFacts *guest);
