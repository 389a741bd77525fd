/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight.h"

#include "error.h"
#include "facts-codec.h"

typedef struct Preflight {
    Guests *guests;
    Ledger *ledger;
    HookAnswer *answer;
} Preflight;

static void preflight_free(void *pointer)
{
    Preflight *preflight = pointer;

    g_clear_pointer(&preflight->answer, hook_answer_free);
    g_free(preflight);
}

static void on_guest(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GTask) task = data;
    Preflight *preflight = g_task_get_task_data(task);
    MigrationCase *c = &preflight->answer->c;
    GError *error = NULL;
    JudgeInput in;

    if (!guests_lookup_finish(preflight->guests, result, &c->guest, &error)) {
        g_task_return_error(task, error);
        return;
    }
    ledger_fill_guest(preflight->ledger, &c->guest);
    in = migration_case_input(c);
    judge(&in, &preflight->answer->verdict);
    if (preflight->answer->unreachable) {
        Finding finding = { .code = FINDING_PEER_UNREACHABLE,
                            .severity = SEVERITY_WARN,
                            .a = { .kind = VALUE_STRING,
                                   .string = preflight->answer->unreachable[0] } };
        verdict_add(&preflight->answer->verdict, &finding);
    }
    g_task_return_pointer(task, g_steal_pointer(&preflight->answer),
                          (GDestroyNotify)hook_answer_free);
}

void preflight_fill_case(const PreflightParams *params, const Peer *peer, MigrationCase *c)
{
    c->kind = JUDGE_MIGRATION;
    c->source = *params->own;
    c->has_source = TRUE;
    c->policy = params->config->policy;
    c->destination = *peer_facts(peer);
    c->relation = peer_relation(peer); /* peer minus local is destination minus source */
    c->relation.tb_ticks = plan_relation(c->relation.tb_ticks, c->destination.timebase_hz,
                                         params->config->drift_bound_ppb);
    c->has_relation = TRUE;
}

static gboolean fill_destination(const PreflightParams *params, const char *host,
                                 const char *const *assume, HookAnswer *answer, GError **error)
{
    Peer *peer = peers_by_name(params->peers, host);
    MigrationCase *c = &answer->c;

    if (!peer) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_PEER,
                    "no peer is named '%s'; list them with: tbsyncctl peers", host);
        return FALSE;
    }
    if (!peer_facts(peer)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE,
                    "nothing is known yet of peer '%s': %s", host,
                    peer_error(peer) ? peer_error(peer) : peer_state_name(peer_state(peer)));
        return FALSE;
    }
    preflight_fill_case(params, peer, c);
    for (guint i = 0; assume && assume[i]; i++)
        if (!host_facts_assign(&c->destination, assume[i], error))
            return FALSE;
    if (peer_state(peer) != PEER_LINKED)
        answer->unreachable = g_strdupv((char **)(const char *const[]){ host, NULL });
    return TRUE;
}

void preflight_async(const PreflightParams *params, const char *guest, const char *host,
                     const char *const *assume, GAsyncReadyCallback callback, void *data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Preflight *preflight = g_new0(Preflight, 1);
    GError *error = NULL;

    preflight->guests = params->guests;
    preflight->ledger = params->ledger;
    preflight->answer = g_new0(HookAnswer, 1);
    g_task_set_task_data(task, preflight, preflight_free);
    if (!fill_destination(params, host, assume, preflight->answer, &error)) {
        g_task_return_error(task, error);
        return;
    }
    guests_lookup_async(params->guests, guest, PREFLIGHT_LOOKUP_DEADLINE_MS, NULL, on_guest,
                        g_object_ref(task));
}

HookAnswer *preflight_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
