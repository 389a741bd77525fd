/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hooks.h"

#include <string.h>

#include "findings.h"
#include "tb-clock.h"

struct Hooks {
    HooksParams params;
    const Config *config;
    GCancellable *cancellable; /* cancelled when the hooks go away */
};

/* One question. Owned by its GTask; steps that are under way hold a reference to the task. */
typedef struct Check {
    Hooks *hooks; /* NULL once the hooks are gone */
    HookAnswer *answer;
    GCancellable *cancellable; /* of the steps */
    guint deadline_source;
    gint64 asked_real_ns;
    gint64 deadline_boot_ns;
    gint64 deadline_ns; /* how long it was */
    char *peer_name;
    gboolean decided;
    gboolean finished;
} Check;

void hook_answer_free(HookAnswer *answer)
{
    if (!answer)
        return;
    g_strfreev(answer->unreachable);
    g_free(answer->migration_id);
    g_free(answer);
}

static void check_free(void *pointer)
{
    Check *check = pointer;

    g_clear_handle_id(&check->deadline_source, g_source_remove);
    g_clear_object(&check->cancellable);
    g_clear_pointer(&check->answer, hook_answer_free);
    g_free(check->peer_name);
    g_free(check);
}

static guint ms_left(const Check *check, guint at_most_ms)
{
    gint64 left_ms = (check->deadline_boot_ns - tb_clock_boot_ns()) / 1000000;

    return (guint)CLAMP(left_ms, 1, (gint64)at_most_ms);
}

static FindingValue value_string(const char *string)
{
    return string ? (FindingValue){ .kind = VALUE_STRING, .string = string } : (FindingValue){ 0 };
}

static void add_finding(Verdict *verdict, FindingCode code, Severity severity, FindingValue a)
{
    Finding finding = { .code = code, .severity = severity, .a = a };

    verdict_add(verdict, &finding);
}

static void finish(GTask *task)
{
    Check *check = g_task_get_task_data(task);

    if (check->finished)
        return;
    check->finished = TRUE;
    g_clear_handle_id(&check->deadline_source, g_source_remove);
    g_cancellable_cancel(check->cancellable);
    g_task_return_pointer(task, g_steal_pointer(&check->answer), (GDestroyNotify)hook_answer_free);
}

static void log_decision(const Check *check)
{
    const HookAnswer *answer = check->answer;
    const Verdict *verdict = &answer->verdict;
    const Finding *worst = verdict->n_findings > 0 ? &verdict->findings[0] : NULL;
    g_autofree char *text = worst ? finding_text(worst) : NULL;
    gboolean blocked = verdict->decision == DECISION_BLOCK;
    const char *peer = check->peer_name ? check->peer_name : "";
    GLogLevelFlags level = blocked ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE;
    char message_id[MESSAGE_ID_SIZE] = "";

    if (!worst) {
        g_log_structured(G_LOG_DOMAIN, level, "TBSYNC_GUEST", answer->c.guest.name, "TBSYNC_PEER", peer, "MESSAGE",
                         "guest %s from %s: allowed", answer->c.guest.name, *peer ? peer : "an unknown host");
        return;
    }
    finding_code_message_id(worst->code, message_id);
    g_log_structured(G_LOG_DOMAIN, level, "MESSAGE_ID", message_id, "TBSYNC_GUEST", answer->c.guest.name,
                     "TBSYNC_PEER", peer, "TBSYNC_CODE", finding_code_name(worst->code), "MESSAGE",
                     "guest %s from %s: %s: %s", answer->c.guest.name, *peer ? peer : "an unknown host",
                     blocked ? "refused" : "allowed", text);
}

static void on_recorded(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;

    /* The verdict stands even if the disk is full: a guest is not held up by our book-keeping. */
    if (!ledger_put_finish(NULL, result, &error))
        g_warning("verdict not recorded yet, tried again until it is: %s", error->message);
    finish(task);
}

static void record_and_answer(GTask *task)
{
    Check *check = g_task_get_task_data(task);
    Hooks *hooks = check->hooks;
    HookAnswer *answer = check->answer;
    RecordHead head;
    JsonObject *record;

    check->decided = TRUE;
    answer->migration_id =
        ledger_new_id(hooks->params.ledger, check->asked_real_ns, answer->c.incoming.uuid);
    head = (RecordHead){
        .id = answer->migration_id,
        .asked_real_ns = check->asked_real_ns,
        .decided_real_ns = tb_clock_real_ns(),
        .timebase_hz = answer->c.destination.timebase_hz,
        .state = answer->verdict.decision == DECISION_ALLOW ? RECORD_PLANNED : RECORD_REFUSED,
    };
    log_decision(check);
    record = record_new(&head, &answer->c, &answer->verdict);
    ledger_put_async(hooks->params.ledger, answer->migration_id, record, on_recorded,
                     g_object_ref(task));
    hooks->params.decided(answer->migration_id, &answer->c, &answer->verdict, record,
                          hooks->params.data);
    json_object_unref(record);
}

static void decide(GTask *task)
{
    Check *check = g_task_get_task_data(task);
    HookAnswer *answer = check->answer;
    JudgeInput in = migration_case_input(&answer->c);

    judge(&in, &answer->verdict);
}

/* Against the destination alone, as far as the XML tells. What judge() says of saved guests does
 * not apply; that nothing is known of the running one is said by the finding that is added after
 * this. */
static void decide_on_destination_alone(HookAnswer *answer)
{
    JudgeInput in;
    Verdict all;

    answer->c.kind = JUDGE_RESTORE;
    in = migration_case_input(&answer->c);
    judge(&in, &all);
    for (guint i = 0; i < all.n_findings; i++)
        if (all.findings[i].code != FINDING_TIME_STOOD_STILL &&
            all.findings[i].code != FINDING_MODE_ASSUMED)
            verdict_add(&answer->verdict, &all.findings[i]);
}

static void decide_without_source(GTask *task, FindingCode code)
{
    Check *check = g_task_get_task_data(task);
    HookAnswer *answer = check->answer;
    gboolean blocks = code == FINDING_SOURCE_AMBIGUOUS || answer->c.policy.source_unknown_blocks;

    add_finding(&answer->verdict, code, blocks ? SEVERITY_BLOCK : SEVERITY_WARN,
                value_string(code == FINDING_SOURCE_UNKNOWN ? answer->c.incoming.uuid : NULL));
    for (guint i = 0; answer->unreachable && answer->unreachable[i]; i++)
        add_finding(&answer->verdict, FINDING_PEER_UNREACHABLE, SEVERITY_WARN,
                    value_string(answer->unreachable[i]));
    if (!blocks)
        decide_on_destination_alone(answer);
    record_and_answer(task);
}

static void take_relation(MigrationCase *c, const RelationTrace *trace, const Config *config)
{
    c->trace = *trace;
    c->drift_bound_ppb = config->drift_bound_ppb;
    c->relation = trace->known
                      ? relation_trace_for_plan(trace, c->destination.timebase_hz, c->drift_bound_ppb)
                      : (RelationBounds){ .tb_ticks = INTERVAL_UNBOUNDED, .tod_ns = INTERVAL_UNBOUNDED };
    c->has_relation = TRUE;
}

static void on_burst(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GTask) task = data;
    Check *check = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    RelationTrace trace;
    Peer *peer;

    if (check->finished || !check->hooks)
        return;
    peer = peers_by_name(check->hooks->params.peers, check->peer_name);
    if (peer && peer_burst_finish(peer, result, &trace, &error)) {
        take_relation(&check->answer->c, &trace, check->hooks->config);
    } else if (peer) {
        /* The relation of earlier samples still holds, only wider; judge() looks at its age. */
        g_debug("burst with %s: %s", check->peer_name, error->message);
        trace = peer_trace(peer);
        take_relation(&check->answer->c, &trace, check->hooks->config);
    }
    decide(task);
    record_and_answer(task);
}

static void take_source(Check *check, PeersFound *found)
{
    MigrationCase *c = &check->answer->c;
    const HostFacts *facts = peer_facts(found->peer);

    if (facts) {
        c->source = *facts;
        c->has_source = TRUE;
    }
    c->guest = found->guest;
    c->guest.active = found->role != ROLE_INACTIVE;
    FACT_SET(&c->guest, GUEST_ACTIVE);
    check->peer_name = g_strdup(peer_name(found->peer));
}

static GStrv names_of(const GPtrArray *names)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    for (guint i = 0; names && i < names->len; i++)
        g_strv_builder_add(builder, g_ptr_array_index(names, i));
    return g_strv_builder_end(builder);
}

/* ACTIVE: runs there, but is not being migrated out: it cannot be what libvirt sends us. INACTIVE: moved offline, or a definition
 * that was left behind when the guest went to a host that cannot be asked now; nothing that libvirt gives us tells these two apart. */
static gboolean is_source(const PeersFound *found)
{
    return found->peer && (found->role == ROLE_MIGRATING_OUT || (found->role == ROLE_INACTIVE && found->unreachable->len == 0));
}

static void on_found(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GTask) task = data;
    Check *check = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    g_autoptr(PeersFound) found = NULL;

    if (check->finished || !check->hooks)
        return;
    found = peers_find_guest_finish(check->hooks->params.peers, result, &error);
    if (found)
        check->answer->unreachable = names_of(found->unreachable);
    if (found && found->migrating_out > 1) {
        decide_without_source(task, FINDING_SOURCE_AMBIGUOUS);
        return;
    }
    if (!found || !is_source(found)) {
        decide_without_source(task, FINDING_SOURCE_UNKNOWN);
        return;
    }
    take_source(check, found);
    if (found->role == ROLE_INACTIVE) {
        decide(task);
        record_and_answer(task);
        return;
    }
    peer_burst_async(found->peer, 0, ms_left(check, 1500), check->cancellable, on_burst, g_object_ref(task));
}

static gboolean on_deadline(void *data)
{
    GTask *task = data;
    Check *check = g_task_get_task_data(task);

    check->deadline_source = 0;
    if (!check->decided) {
        FindingValue deadline = { .kind = VALUE_NS, .number = check->deadline_ns };

        add_finding(&check->answer->verdict, FINDING_DEADLINE, SEVERITY_BLOCK, deadline);
        check->decided = TRUE;
        log_decision(check);
    }
    finish(task);
    return G_SOURCE_REMOVE;
}

static void on_hooks_gone(GCancellable *cancellable, void *data)
{
    Check *check = g_task_get_task_data(data);

    check->hooks = NULL;
    g_clear_handle_id(&check->deadline_source, g_source_remove);
    if (check->finished)
        return;
    check->finished = TRUE;
    g_cancellable_cancel(check->cancellable);
    g_task_return_new_error(data, G_IO_ERROR, G_IO_ERROR_CANCELLED, "tbsyncd is shutting down");
}

static gboolean is_pseries(const GuestFacts *guest)
{
    return (!FACT_KNOWN(guest, GUEST_ARCH) || guest->arch != ARCH_OTHER) &&
           (!FACT_KNOWN(guest, GUEST_MACHINE_TYPE) ||
            g_str_has_prefix(guest->machine_type, "pseries"));
}

static HookAnswer *answer_new(Hooks *hooks, const GuestFacts *incoming, JudgeKind kind)
{
    HookAnswer *answer = g_new0(HookAnswer, 1);
    MigrationCase *c = &answer->c;

    c->kind = kind;
    c->guest = *incoming;
    c->incoming = *incoming;
    c->has_incoming = TRUE;
    c->destination = *hooks->params.host_facts(hooks->params.data);
    c->policy = hooks->config->policy;
    host_facts_init(&c->source);
    return answer;
}

void hooks_check_async(Hooks *hooks, const GuestFacts *incoming, GAsyncReadyCallback callback,
                       void *data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Check *check = g_new0(Check, 1);
    guint deadline_ms = (guint)(hooks->config->hook_deadline_ns / 1000000);

    check->hooks = hooks;
    check->cancellable = g_cancellable_new();
    check->answer = answer_new(hooks, incoming, JUDGE_MIGRATION);
    check->asked_real_ns = tb_clock_real_ns();
    check->deadline_ns = (gint64)hooks->config->hook_deadline_ns;
    check->deadline_boot_ns = tb_clock_boot_ns() + check->deadline_ns;
    g_task_set_task_data(task, check, check_free);
    if (!is_pseries(incoming)) {
        finish(task);
        return;
    }
    /* Both hold the task: it ends by finish() or by on_hooks_gone(). */
    check->deadline_source = g_timeout_add_full(G_PRIORITY_HIGH, deadline_ms, on_deadline,
                                                g_object_ref(task), g_object_unref);
    g_signal_connect_object(hooks->cancellable, "cancelled", G_CALLBACK(on_hooks_gone), task, 0);
    peers_find_guest_async(hooks->params.peers, incoming->uuid, ms_left(check, deadline_ms / 2),
                           check->cancellable, on_found, g_object_ref(task));
}

HookAnswer *hooks_check_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

HookAnswer *hooks_check_restore(Hooks *hooks, const GuestFacts *guest)
{
    HookAnswer *answer = answer_new(hooks, guest, JUDGE_RESTORE);
    JudgeInput in;

    answer->c.has_incoming = FALSE;
    in = migration_case_input(&answer->c);
    judge(&in, &answer->verdict);
    return answer;
}

Hooks *hooks_new(const HooksParams *params)
{
    Hooks *hooks = g_new0(Hooks, 1);

    hooks->params = *params;
    hooks->config = params->config;
    hooks->cancellable = g_cancellable_new();
    return hooks;
}

void hooks_reload(Hooks *hooks, const Config *config)
{
    hooks->config = config;
}

void hooks_free(Hooks *hooks)
{
    if (!hooks)
        return;
    g_cancellable_cancel(hooks->cancellable);
    g_clear_object(&hooks->cancellable);
    g_free(hooks);
}
