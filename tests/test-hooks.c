/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hooks.h"

#include <glib/gstdio.h>
#include <string.h>

#include "findings.h"
#include "peers-fixture.h"
#include "tree.h"

/* alpha and gamma may be sources; beta is the destination, whose hooks are tested. */
typedef struct Fixture {
    Pki *pki;
    Node alpha, beta, gamma;
    char *directory;
    Ledger *ledger;
    Hooks *hooks;
    GuestFacts incoming;
    guint decided;
} Fixture;

typedef struct Result {
    HookAnswer *answer;
    GError *error;
    gboolean done;
} Result;

static const HostFacts *own_facts(void *data)
{
    return &((Fixture *)data)->beta.facts;
}

static void on_decided(const char *id, const MigrationCase *c, const Verdict *verdict,
                       JsonObject *record, void *data)
{
    Fixture *f = data;

    g_assert_cmpstr(json_object_get_string_member(record, "id"), ==, id);
    f->decided++;
}

static void describe_host(Node *node, guint32 pvr)
{
    HostFacts *facts = &node->facts;

    g_strlcpy(facts->name, node->name, sizeof facts->name);
    facts->pvr = pvr;
    facts->kvm = KVM_HV;
    facts->timebase_hz = TB_FREQUENCY_POWER_HZ;
    facts->tb_offset = facts->simulated = true;
    facts->mmu = MMU_HASH | MMU_RADIX;
    facts->qemu_version = QEMU_VERSION(7, 2, 22);
    for (int field = HOST_NAME; field <= HOST_TB_OFFSET; field++)
        if (field != HOST_COMPAT_LEVEL && field != HOST_NESTED && field != HOST_KERNEL &&
            field != HOST_MACHINE_TYPES)
            facts->known |= FACT_BIT(field);
    FACT_SET(facts, HOST_MMU);
    node->config.policy = POLICY_DEFAULT;
    node->config.policy.unknown_facts_block = false;
    node->config.hook_deadline_ns = 20 * (guint64)NS_PER_S;
}

static void describe_guest(GuestFacts *guest)
{
    guest_facts_init(guest);
    g_strlcpy(guest->uuid, NODE_GUEST_UUID, sizeof guest->uuid);
    g_strlcpy(guest->name, "web", sizeof guest->name);
    g_strlcpy(guest->machine_type, "pseries-7.2", sizeof guest->machine_type);
    guest->arch = ARCH_PPC64;
    guest->accel = ACCEL_KVM;
    guest->max_cpu_compat = COMPAT_RAW;
    for (int field = GUEST_UUID; field <= GUEST_MACHINE_TYPE; field++)
        guest->known |= FACT_BIT(field);
    FACT_SET(guest, GUEST_MAX_CPU_COMPAT);
}

static void set_up(Fixture *f, gconstpointer data)
{
    HooksParams params = { .host_facts = own_facts, .decided = on_decided, .data = f };
    g_autoptr(GError) error = NULL;

    f->pki = pki_new("fleet");
    node_init(&f->alpha, f->pki, "alpha");
    node_init(&f->beta, f->pki, "beta");
    node_init(&f->gamma, f->pki, "gamma");
    f->alpha.clock_config.start_ticks = 1000000000;
    node_add_peer(&f->alpha, &f->beta);
    node_add_peer(&f->beta, &f->alpha);
    node_add_peer(&f->beta, &f->gamma);
    node_add_peer(&f->gamma, &f->beta);
    describe_host(&f->alpha, 0x004e1202);
    describe_host(&f->beta, 0x004e1202);
    describe_host(&f->gamma, 0x004e1202);
    describe_guest(&f->incoming);
    f->alpha.guest = f->gamma.guest = f->incoming;
    f->alpha.guest.effective_mode = COMPAT_POWER9;
    FACT_SET(&f->alpha.guest, GUEST_EFFECTIVE_MODE);
    FACT_SET(&f->alpha.guest, GUEST_TB_OFFSET_TICKS);
    f->directory = g_dir_make_tmp("tbsyncd-hooks-XXXXXX", NULL);
    f->ledger = ledger_new(f->directory, 200, &error);
    g_assert_no_error(error);
    node_start(&f->alpha);
    node_start(&f->beta);
    node_start(&f->gamma);
    WAIT_UNTIL(node_is_linked(&f->beta, "alpha") && node_is_linked(&f->beta, "gamma"));
    params.peers = f->beta.peers;
    params.ledger = f->ledger;
    params.config = &f->beta.config;
    f->hooks = hooks_new(&params);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_clear_pointer(&f->hooks, hooks_free);
    node_clear(&f->alpha);
    node_clear(&f->beta);
    node_clear(&f->gamma);
    ledger_free(f->ledger);
    tree_remove(f->directory);
    g_free(f->directory);
    pki_free(f->pki);
}

static void on_checked(GObject *source, GAsyncResult *async, void *data)
{
    Result *result = data;

    result->answer = hooks_check_finish(async, &result->error);
    result->done = TRUE;
}

static HookAnswer *ask(Fixture *f)
{
    Result result = { 0 };

    hooks_check_async(f->hooks, &f->incoming, on_checked, &result);
    WAIT_UNTIL(result.done);
    g_assert_no_error(result.error);
    return result.answer;
}

static gboolean has_finding(const HookAnswer *answer, FindingCode code, Severity severity)
{
    for (guint i = 0; i < answer->verdict.n_findings; i++)
        if (answer->verdict.findings[i].code == code &&
            answer->verdict.findings[i].severity == severity)
            return TRUE;
    return FALSE;
}

static void assert_recorded(Fixture *f, const HookAnswer *answer, const char *state)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = ledger_get(f->ledger, answer->migration_id, &error);
    g_autoptr(JsonNode) node = NULL;

    g_assert_no_error(error);
    node = json_from_string(text, NULL);
    g_assert_cmpstr(json_object_get_string_member(json_node_get_object(node), "state"), ==, state);
}

static void test_running_guest_gets_a_safe_plan(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) answer = NULL;

    f->alpha.role = ROLE_MIGRATING_OUT;
    answer = ask(f);
    g_assert_cmpint(answer->verdict.decision, ==, DECISION_ALLOW);
    g_assert_true(answer->verdict.plan.known);
    /* beta's timebase is 10^9 ticks behind alpha's: the offset has to make up for it, to the next
     * multiple of 2^24 */
    g_assert_cmpint(answer->verdict.plan.offset_ticks, >=, 1000000000);
    g_assert_cmpint(answer->verdict.plan.offset_ticks, <=, 1000000000 + 2 * TB_OFFSET_UNIT_TICKS);
    g_assert_cmpint(answer->verdict.plan.offset_ticks % TB_OFFSET_UNIT_TICKS, ==, 0);
    g_assert_true(interval_contains(answer->c.relation.tb_ticks, -1000000000));
    g_assert_cmpuint(answer->c.relation.exchanges, >=, 8);
    g_assert_cmpstr(answer->c.source.name, ==, "alpha");
    g_assert_cmpuint(f->decided, ==, 1);
    assert_recorded(f, answer, "planned");
}

/* As after a start, with bounds that no exchange over a socket can match, and that no stall of this machine wears out. */
static void test_verdict_says_that_its_relation_was_stored(Fixture *f, gconstpointer data)
{
    Peer *alpha = node_peer(&f->beta, "alpha");
    Relation *relation = &alpha->relation;
    g_autoptr(HookAnswer) answer = NULL, later = NULL;
    g_autofree char *text = NULL;

    f->alpha.role = ROLE_MIGRATING_OUT;
    WAIT_UNTIL(alpha->relation_state == RELATION_OK && alpha->own_samples == 0);
    relation->tb.bounds = interval_point(1000000000);
    relation->params.drift_ppb = 1;
    relation_set_stored(relation);
    answer = ask(f);
    g_assert_cmpint(answer->verdict.decision, ==, DECISION_ALLOW);
    g_assert_true(answer->verdict.plan.known);
    g_assert_true(has_finding(answer, FINDING_TIMEBASE_RELATION_STORED, SEVERITY_NOTE));
    text = ledger_get(f->ledger, answer->migration_id, NULL);
    g_assert_nonnull(strstr(text, "\"stored\":true"));
    relation->stored = false;
    later = ask(f);
    g_assert_false(has_finding(later, FINDING_TIMEBASE_RELATION_STORED, SEVERITY_NOTE));
}

static void test_mode_that_the_destination_lacks_is_refused(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) answer = NULL;

    f->alpha.role = ROLE_MIGRATING_OUT;
    f->beta.facts.pvr = 0x004d0200;
    answer = ask(f);
    g_assert_cmpint(answer->verdict.decision, ==, DECISION_BLOCK);
    g_assert_true(has_finding(answer, FINDING_COMPAT_MODE_UNSUPPORTED, SEVERITY_BLOCK));
    assert_recorded(f, answer, "refused");
}

static void test_guest_that_nobody_knows_is_refused(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) answer = ask(f), allowed = NULL;

    g_assert_cmpint(answer->verdict.decision, ==, DECISION_BLOCK);
    g_assert_cmpuint(answer->verdict.n_findings, ==, 1);
    g_assert_true(has_finding(answer, FINDING_SOURCE_UNKNOWN, SEVERITY_BLOCK));
    assert_recorded(f, answer, "refused");

    f->beta.config.policy.source_unknown_blocks = false;
    allowed = ask(f);
    g_assert_cmpint(allowed->verdict.decision, ==, DECISION_ALLOW);
    g_assert_true(has_finding(allowed, FINDING_SOURCE_UNKNOWN, SEVERITY_WARN));
    g_assert_false(has_finding(allowed, FINDING_TIME_STOOD_STILL, SEVERITY_NOTE));
}

static void test_guest_that_merely_runs_elsewhere_is_no_source(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) answer = NULL;

    f->alpha.role = ROLE_ACTIVE;
    answer = ask(f);
    g_assert_true(has_finding(answer, FINDING_SOURCE_UNKNOWN, SEVERITY_BLOCK));
}

static void test_two_sources_are_ambiguous(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) answer = NULL;

    f->alpha.role = f->gamma.role = ROLE_MIGRATING_OUT;
    f->beta.peers->timing.settle_ms = 1000000; /* both answer before it is over, however slow this machine is */
    answer = ask(f);
    g_assert_cmpint(answer->verdict.decision, ==, DECISION_BLOCK);
    g_assert_true(has_finding(answer, FINDING_SOURCE_AMBIGUOUS, SEVERITY_BLOCK));
}

static void test_offline_migration_needs_no_relation(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) answer = NULL;

    f->alpha.role = ROLE_INACTIVE;
    answer = ask(f);
    g_assert_cmpint(answer->verdict.decision, ==, DECISION_ALLOW);
    g_assert_false(answer->verdict.plan.known);
    g_assert_false(answer->c.has_relation);
}

/* gamma had the guest once and kept its definition; alpha, which cannot be asked, may well run it now. */
static void test_old_definition_is_no_source_while_a_peer_is_missing(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) answer = NULL, allowed = NULL;

    f->gamma.role = ROLE_INACTIVE;
    f->alpha.answer = ANSWER_ERROR;
    answer = ask(f);
    g_assert_cmpint(answer->verdict.decision, ==, DECISION_BLOCK);
    g_assert_true(has_finding(answer, FINDING_SOURCE_UNKNOWN, SEVERITY_BLOCK));
    g_assert_true(has_finding(answer, FINDING_PEER_UNREACHABLE, SEVERITY_WARN));
    g_assert_false(answer->c.has_source);

    f->beta.config.policy.source_unknown_blocks = false;
    allowed = ask(f);
    g_assert_cmpint(allowed->verdict.decision, ==, DECISION_ALLOW);
    g_assert_true(has_finding(allowed, FINDING_SOURCE_UNKNOWN, SEVERITY_WARN));
}

static void test_peer_that_cannot_answer_is_named(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) answer = NULL;

    f->alpha.answer = ANSWER_ERROR;
    answer = ask(f);
    g_assert_true(has_finding(answer, FINDING_SOURCE_UNKNOWN, SEVERITY_BLOCK));
    g_assert_true(has_finding(answer, FINDING_PEER_UNREACHABLE, SEVERITY_WARN));
    g_assert_cmpstr(answer->unreachable[0], ==, "alpha");
}

static void test_silent_peer_does_not_outlast_the_deadline(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) answer = NULL;

    f->alpha.answer = ANSWER_LATER;
    f->beta.config.hook_deadline_ns = NS_PER_S / 10;
    answer = ask(f); /* comes at all: the deadline is the only thing that ends it */
    g_assert_cmpint(answer->verdict.decision, ==, DECISION_BLOCK);
    g_assert_true(has_finding(answer, FINDING_SOURCE_UNKNOWN, SEVERITY_BLOCK) ||
                  has_finding(answer, FINDING_DEADLINE, SEVERITY_BLOCK));
}

static void test_other_architectures_are_none_of_our_business(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) answer = NULL;

    f->incoming.arch = ARCH_OTHER;
    answer = ask(f);
    g_assert_cmpint(answer->verdict.decision, ==, DECISION_ALLOW);
    g_assert_cmpuint(answer->verdict.n_findings, ==, 0);
    g_assert_null(answer->migration_id);
    g_assert_cmpuint(f->decided, ==, 0);
    g_assert_cmpuint(f->alpha.asked, ==, 0);
}

static void test_hundred_questions_at_once(Fixture *f, gconstpointer data)
{
    Result results[100] = { 0 };
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);

    f->alpha.role = ROLE_MIGRATING_OUT;
    for (guint i = 0; i < G_N_ELEMENTS(results); i++)
        hooks_check_async(f->hooks, &f->incoming, on_checked, &results[i]);
    for (guint i = 0; i < G_N_ELEMENTS(results); i++) {
        WAIT_UNTIL(results[i].done);
        g_assert_no_error(results[i].error);
        g_assert_cmpint(results[i].answer->verdict.decision, ==, DECISION_ALLOW);
        g_assert_true(g_hash_table_add(ids, results[i].answer->migration_id));
    }
    for (guint i = 0; i < G_N_ELEMENTS(results); i++)
        hook_answer_free(results[i].answer);
}

static void test_questions_end_with_the_hooks(Fixture *f, gconstpointer data)
{
    Result result = { 0 };

    f->alpha.answer = ANSWER_LATER;
    hooks_check_async(f->hooks, &f->incoming, on_checked, &result);
    g_clear_pointer(&f->hooks, hooks_free);
    WAIT_UNTIL(result.done);
    g_assert_null(result.answer);
    g_assert_error(result.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&result.error);
}

static void test_restore_is_judged_against_this_host(Fixture *f, gconstpointer data)
{
    g_autoptr(HookAnswer) fits = hooks_check_restore(f->hooks, &f->incoming), refused = NULL;

    g_assert_cmpint(fits->verdict.decision, ==, DECISION_ALLOW);
    g_assert_true(has_finding(fits, FINDING_TIME_STOOD_STILL, SEVERITY_NOTE));
    f->incoming.max_cpu_compat = COMPAT_POWER10;
    refused = hooks_check_restore(f->hooks, &f->incoming);
    g_assert_cmpint(refused->verdict.decision, ==, DECISION_BLOCK);
    g_assert_cmpuint(f->alpha.asked, ==, 0);
}

#define ADD(name, function) g_test_add("/hooks/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK); /* refusals are warnings */
    ADD("running-guest-gets-a-safe-plan", test_running_guest_gets_a_safe_plan);
    ADD("verdict-says-that-its-relation-was-stored", test_verdict_says_that_its_relation_was_stored);
    ADD("mode-that-the-destination-lacks-is-refused",
        test_mode_that_the_destination_lacks_is_refused);
    ADD("guest-that-nobody-knows-is-refused", test_guest_that_nobody_knows_is_refused);
    ADD("guest-that-merely-runs-elsewhere-is-no-source",
        test_guest_that_merely_runs_elsewhere_is_no_source);
    ADD("two-sources-are-ambiguous", test_two_sources_are_ambiguous);
    ADD("offline-migration-needs-no-relation", test_offline_migration_needs_no_relation);
    ADD("old-definition-is-no-source-while-a-peer-is-missing", test_old_definition_is_no_source_while_a_peer_is_missing);
    ADD("peer-that-cannot-answer-is-named", test_peer_that_cannot_answer_is_named);
    ADD("silent-peer-does-not-outlast-the-deadline",
        test_silent_peer_does_not_outlast_the_deadline);
    ADD("other-architectures-are-none-of-our-business",
        test_other_architectures_are_none_of_our_business);
    ADD("hundred-questions-at-once", test_hundred_questions_at_once);
    ADD("questions-end-with-the-hooks", test_questions_end_with_the_hooks);
    ADD("restore-is-judged-against-this-host", test_restore_is_judged_against_this_host);
    return g_test_run();
}
