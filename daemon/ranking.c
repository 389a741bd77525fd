/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ranking.h"

#include <string.h>

/* One question. The peers are looked at when it is asked, since they may be gone when libvirt has answered. */
typedef struct Ranking {
    Guests *guests;
    Ledger *ledger;
    GPtrArray *names; /* of char* */
    GPtrArray *cases; /* of MigrationCase, without the guest */
} Ranking;

static void ranking_free(void *pointer)
{
    Ranking *ranking = pointer;

    g_ptr_array_unref(ranking->names);
    g_ptr_array_unref(ranking->cases);
    g_free(ranking);
}

void rank_entry_free(void *pointer)
{
    RankEntry *entry = pointer;

    g_free(entry->host);
    g_free(entry);
}

static Interval ticks_to_ns(Interval ticks, guint64 hz)
{
    return interval_is_bounded(ticks) ? interval_of(ticks_to_ns_floor(ticks.lo, hz), ticks_to_ns_ceil(ticks.hi, hz))
                                      : INTERVAL_UNBOUNDED;
}

RankEntry *rank_entry_new(const char *host, const MigrationCase *c)
{
    RankEntry *entry = g_new0(RankEntry, 1);
    const GuestFacts *guest = &c->guest;
    JudgeInput in = migration_case_input(c);
    OffsetQuery query = { .relation_ticks = c->relation.tb_ticks,
                          .source_offset_ticks = guest->tb_offset_ticks,
                          .ahead_ticks = INTERVAL_UNBOUNDED };

    entry->host = g_strdup(host);
    entry->error_ns = INTERVAL_UNBOUNDED;
    judge(&in, &entry->verdict);
    if (FACT_KNOWN(guest, GUEST_AHEAD_LO_TICKS))
        query.ahead_ticks.lo = guest->ahead_lo_ticks;
    if (FACT_KNOWN(guest, GUEST_AHEAD_HI_TICKS))
        query.ahead_ticks.hi = guest->ahead_hi_ticks;
    if (!entry->verdict.plan.known)
        return entry; /* judge() knows when a plan means something */
    entry->error_ns = ticks_to_ns(offset_expected_error(&query), c->destination.timebase_hz);
    entry->offset_ticks = entry->verdict.plan.nearest_ticks;
    return entry;
}

static int compare(gconstpointer a, gconstpointer b)
{
    const RankEntry *x = *(const RankEntry *const *)a, *y = *(const RankEntry *const *)b;
    gboolean x_blocked = x->verdict.decision == DECISION_BLOCK, y_blocked = y->verdict.decision == DECISION_BLOCK;
    gint64 x_size = offset_error_size_ticks(x->error_ns), y_size = offset_error_size_ticks(y->error_ns);

    if (x_blocked != y_blocked)
        return x_blocked - y_blocked;
    if (x_size != y_size)
        return x_size < y_size ? -1 : 1;
    return strcmp(x->host, y->host);
}

void ranking_sort(GPtrArray *entries)
{
    g_ptr_array_sort(entries, compare);
}

static void on_guest(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GTask) task = data;
    Ranking *ranking = g_task_get_task_data(task);
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(rank_entry_free);
    GError *error = NULL;
    GuestFacts guest;

    guest_facts_init(&guest);
    if (!guests_lookup_finish(ranking->guests, result, &guest, &error)) {
        g_task_return_error(task, error);
        return;
    }
    ledger_fill_guest(ranking->ledger, &guest);
    for (guint i = 0; i < ranking->cases->len; i++) {
        MigrationCase *c = ranking->cases->pdata[i];

        c->guest = guest;
        g_ptr_array_add(entries, rank_entry_new(ranking->names->pdata[i], c));
    }
    ranking_sort(entries);
    g_task_return_pointer(task, g_steal_pointer(&entries), (GDestroyNotify)g_ptr_array_unref);
}

void ranking_async(const PreflightParams *params, const char *guest, GAsyncReadyCallback callback, void *data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Ranking *ranking = g_new0(Ranking, 1);

    ranking->guests = params->guests;
    ranking->ledger = params->ledger;
    ranking->names = g_ptr_array_new_with_free_func(g_free);
    ranking->cases = g_ptr_array_new_with_free_func(g_free);
    g_task_set_task_data(task, ranking, ranking_free);
    for (guint i = 0; i < peers_count(params->peers); i++) {
        Peer *peer = peers_nth(params->peers, i);
        MigrationCase *c;

        if (peer_state(peer) != PEER_LINKED)
            continue;
        c = g_new0(MigrationCase, 1);
        preflight_fill_case(params, peer, c);
        g_ptr_array_add(ranking->cases, c);
        g_ptr_array_add(ranking->names, g_strdup(peer_name(peer)));
    }
    guests_lookup_async(params->guests, guest, PREFLIGHT_LOOKUP_DEADLINE_MS, NULL, on_guest, g_object_ref(task));
}

GPtrArray *ranking_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
