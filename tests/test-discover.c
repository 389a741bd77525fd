/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover.h"

#include <string.h>

#include "config-keys.h"
#include "error.h"

#define SERVICE "_tbsyncd._tcp.example.org"
#define QUICK_NS (2 * (guint64) (NS_PER_S / 1000))

/* ---- a resolver that answers what the test says, when it says so ---- */

typedef struct FakeResolver {
    GResolver parent;
    GTask *question; /* (nullable): not answered yet */
    char *asked;     /* name of the last one */
    guint questions;
} FakeResolver;

typedef GResolverClass FakeResolverClass;

GType fake_resolver_get_type(void);
G_DEFINE_TYPE(FakeResolver, fake_resolver, G_TYPE_RESOLVER)

static void on_asked(GResolver *resolver, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback,
                     void *data)
{
    FakeResolver *self = (FakeResolver *) resolver;

    g_clear_object(&self->question);
    g_free(self->asked);
    self->asked = g_strdup(name);
    self->question = g_task_new(resolver, cancellable, callback, data);
    g_task_set_return_on_cancel(self->question, TRUE);
    self->questions++;
}

static GList *on_finish(GResolver *resolver, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void fake_resolver_finalize(GObject *object)
{
    FakeResolver *self = (FakeResolver *) object;

    g_assert_null(self->question);
    g_free(self->asked);
    G_OBJECT_CLASS(fake_resolver_parent_class)->finalize(object);
}

static void fake_resolver_class_init(FakeResolverClass *class)
{
    class->lookup_service_async = on_asked;
    class->lookup_service_finish = on_finish;
    G_OBJECT_CLASS(class)->finalize = fake_resolver_finalize;
}

static void fake_resolver_init(FakeResolver *self)
{
}

static void free_targets(void *targets)
{
    g_resolver_free_targets(targets);
}

/* "alpha.example.org:1 beta.example.org:2" */
static GList *targets_of(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    GList *targets = NULL;

    for (guint i = 0; words[i]; i++) {
        char *colon = strrchr(words[i], ':');

        if (!colon)
            continue;
        *colon = '\0';
        targets = g_list_append(targets, g_srv_target_new(words[i], (guint16) atoi(colon + 1), 0, 0));
    }
    return targets;
}

/* ---- fixture ---- */

typedef struct Fixture {
    FakeResolver *resolver;
    Config config;
    char *directory;
    Ledger *ledger;
    Discover *discover;
    guint changes;
} Fixture;

static void on_changed(void *data)
{
    ((Fixture *) data)->changes++;
}

static void start(Fixture *f)
{
    DiscoverParams params = { .config = &f->config,
                              .resolver = G_RESOLVER(f->resolver),
                              .ledger = f->ledger,
                              .changed = on_changed,
                              .data = f };

    f->discover = discover_new(&params);
}

static void setup(Fixture *f, gconstpointer data)
{
    f->resolver = g_object_new(fake_resolver_get_type(), NULL);
    f->config = (Config){ .name = (char *) "alpha.example.org",
                          .discover = (char *) SERVICE,
                          .discover_interval_ns = QUICK_NS };
    f->directory = g_dir_make_tmp("tbsync-discover-XXXXXX", NULL);
    f->ledger = ledger_new(f->directory, 10, NULL);
    start(f);
}

static void teardown(Fixture *f, gconstpointer data)
{
    g_autofree char *remove = g_strdup_printf("rm -r '%s'", f->directory);

    discover_free(f->discover);
    g_clear_object(&f->resolver->question);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_object_unref(f->resolver);
    ledger_free(f->ledger);
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
    g_free(f->directory);
}

static void wait_for_question(Fixture *f)
{
    while (!f->resolver->question)
        g_main_context_iteration(NULL, TRUE);
}

static void settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void answer(Fixture *f, const char *targets)
{
    g_autoptr(GTask) question = NULL;

    wait_for_question(f);
    question = g_steal_pointer(&f->resolver->question);
    g_task_return_pointer(question, targets_of(targets), free_targets);
    g_clear_object(&question);
    settle();
}

static void fail(Fixture *f, const char *why)
{
    g_autoptr(GTask) question = NULL;

    wait_for_question(f);
    question = g_steal_pointer(&f->resolver->question);
    g_task_return_new_error(question, G_RESOLVER_ERROR, G_RESOLVER_ERROR_TEMPORARY_FAILURE, "%s", why);
    g_clear_object(&question);
    settle();
}

static char *text_of(const ConfigPeer *peers, gsize n)
{
    GString *text = g_string_new(NULL);

    for (gsize i = 0; i < n; i++) {
        g_assert_cmpstr(peers[i].name, ==, peers[i].address);
        g_string_append_printf(text, "%s%s:%u", i > 0 ? " " : "", peers[i].name, peers[i].port);
    }
    return g_string_free(text, FALSE);
}

static void assert_peers(Fixture *f, const char *wanted)
{
    gsize n;
    const ConfigPeer *peers = discover_peers(f->discover, &n);
    g_autofree char *text = text_of(peers, n);

    g_assert_cmpstr(text, ==, wanted);
}

/* ---- what the targets mean ---- */

static void test_targets(void)
{
    static const struct {
        const char *targets, *peers, *foreign;
    } table[] = {
        { "", "", NULL },
        { "beta.example.org:16524 gamma.example.org:1", "beta.example.org:16524 gamma.example.org:1", NULL },
        { "gamma.example.org:2 beta.example.org:1", "beta.example.org:1 gamma.example.org:2", NULL },
        { "Beta.Example.ORG:1", "beta.example.org:1", NULL },
        { "b.rack7.example.org:1", "b.rack7.example.org:1", NULL },
        { "example.org:1", "example.org:1", NULL },
        /* this host, however it is written */
        { "alpha.example.org:1 ALPHA.example.org:2", "", NULL },
        { "beta.example.org:3 BETA.example.org:2 beta.example.org:1", "beta.example.org:1", NULL },
        /* nobody else's domain, however near */
        { "evil.example.com:1", "", "evil.example.com" },
        { "evilexample.org:1", "", "evilexample.org" },
        { "example.org.evil.net:1 org:1", "", "example.org.evil.net, org" },
        { "a:1 b:1 c:1 d:1 e:1", "", "a, b, c and more" },
        /* no names of hosts */
        { "b\nc.example.org:1", "", "b\\nc.example.org" },
        { "*.example.org:1", "", "*.example.org" },
        { "beta.example.org:0", "", "beta.example.org" },
        { "..example.org:1", "", "..example.org" },
        /* the root: none at all */
        { ".:0", "", NULL },
        { ":0", "", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        GList *targets = targets_of(table[i].targets);
        g_autofree char *foreign = NULL, *text = NULL;
        g_autoptr(GArray) peers = discover_read(SERVICE, "alpha.example.org", targets, &foreign);

        text = text_of((ConfigPeer *) (gpointer) peers->data, peers->len);
        g_assert_cmpstr(text, ==, table[i].peers);
        g_assert_cmpstr(foreign, ==, table[i].foreign);
        g_resolver_free_targets(targets);
    }
}

static void test_priority_decides_between_two_ports(void)
{
    g_autofree char *foreign = NULL;
    GList *targets = g_list_prepend(NULL, g_srv_target_new("beta.example.org", 1, 20, 0));
    g_autoptr(GArray) peers = NULL;

    targets = g_list_prepend(targets, g_srv_target_new("beta.example.org", 2, 10, 0));
    peers = discover_read(SERVICE, "alpha.example.org", targets, &foreign);
    g_assert_cmpuint(peers->len, ==, 1);
    g_assert_cmpuint(g_array_index(peers, ConfigPeer, 0).port, ==, 2);
    g_resolver_free_targets(targets);
}

/* Whatever DNS says: who comes out is a host of the domain, another one each time, and not this one. */
static void test_any_answer_names_hosts_of_the_domain(void)
{
    static const char *const parts[] = { "example.org", "example", "org", "alpha", "beta", ".", "..", "-", "_", "*", "\n", "\xff", "A", "" };
    guint seen = 0;

    for (guint run = 0; run < 20000; run++) {
        g_autofree char *foreign = NULL;
        g_autoptr(GArray) peers = NULL;
        GList *targets = NULL;

        for (gint n = g_test_rand_int_range(0, 6); n > 0; n--) {
            g_autoptr(GString) name = g_string_new(NULL);

            for (gint m = g_test_rand_int_range(0, 5); m > 0; m--)
                g_string_append(name, parts[g_test_rand_int_range(0, G_N_ELEMENTS(parts))]);
            if (g_test_rand_bit())
                g_string_append(name, ".example.org");
            targets = g_list_prepend(targets, g_srv_target_new(name->str, (guint16) g_test_rand_int_range(0, 3), 0, 0));
        }
        peers = discover_read(SERVICE, "alpha.example.org", targets, &foreign);
        for (guint i = 0; i < peers->len; i++) {
            const ConfigPeer *peer = &g_array_index(peers, ConfigPeer, i);

            g_assert_true(config_name_is_valid(peer->name));
            g_assert_true(g_str_has_suffix(peer->name, ".example.org") || g_str_equal(peer->name, "example.org"));
            g_assert_cmpstr(peer->name, !=, "alpha.example.org");
            g_assert_cmpuint(peer->port, >, 0);
            g_assert_true(i == 0 || strcmp(peer->name, g_array_index(peers, ConfigPeer, i - 1).name) > 0);
            seen++;
        }
        g_assert_true(!foreign || g_str_is_ascii(foreign));
        g_resolver_free_targets(targets);
    }
    g_assert_cmpuint(seen, >, 1000);
}

static void test_answer_is_bounded(void)
{
    g_autofree char *foreign = NULL;
    g_autoptr(GArray) peers = NULL;
    GList *targets = NULL;

    for (guint i = 0; i < DISCOVER_PEERS_MAX + 100; i++) {
        g_autofree char *name = g_strdup_printf("h%05u.example.org", i);

        targets = g_list_prepend(targets, g_srv_target_new(name, 1, 0, 0));
    }
    peers = discover_read(SERVICE, "alpha.example.org", targets, &foreign);
    g_assert_cmpuint(peers->len, ==, DISCOVER_PEERS_MAX);
    g_resolver_free_targets(targets);
}

/* ---- lookups ---- */

static void test_peers_come_and_go(Fixture *f, gconstpointer data)
{
    assert_peers(f, "");
    answer(f, "beta.example.org:1");
    g_assert_cmpstr(f->resolver->asked, ==, SERVICE);
    assert_peers(f, "beta.example.org:1");
    g_assert_cmpuint(f->changes, ==, 1);
    answer(f, "gamma.example.org:1 beta.example.org:1");
    assert_peers(f, "beta.example.org:1 gamma.example.org:1");
    g_assert_cmpuint(f->changes, ==, 2);
    answer(f, "gamma.example.org:1");
    assert_peers(f, "gamma.example.org:1");
    answer(f, "gamma.example.org:7");
    assert_peers(f, "gamma.example.org:7");
    g_assert_cmpuint(f->changes, ==, 4);
}

static void test_same_answer_is_no_change(Fixture *f, gconstpointer data)
{
    const ConfigPeer *first;
    gsize n;

    answer(f, "beta.example.org:1 gamma.example.org:1");
    first = discover_peers(f->discover, &n);
    answer(f, "gamma.example.org:1 beta.example.org:1");
    g_assert_cmpuint(f->changes, ==, 1);
    g_assert_true(discover_peers(f->discover, &n) == first); /* lent, so it stays where it is */
}

static void test_failure_keeps_the_peers(Fixture *f, gconstpointer data)
{
    answer(f, "beta.example.org:1");
    fail(f, "the server is on fire");
    assert_peers(f, "beta.example.org:1");
    g_assert_cmpstr(discover_error(f->discover), ==, "the server is on fire");
    g_assert_cmpuint(f->changes, ==, 2);
    fail(f, "the server is on fire");
    g_assert_cmpuint(f->changes, ==, 2);
    answer(f, "beta.example.org:1");
    g_assert_null(discover_error(f->discover));
    g_assert_cmpuint(f->changes, ==, 3);
    assert_peers(f, "beta.example.org:1");
}

static void test_root_target_takes_all(Fixture *f, gconstpointer data)
{
    answer(f, "beta.example.org:1");
    answer(f, ".:0");
    assert_peers(f, "");
    g_assert_null(discover_error(f->discover));
}

static void test_foreign_targets_are_told(Fixture *f, gconstpointer data)
{
    answer(f, "beta.example.org:1 evil.example.com:1");
    assert_peers(f, "beta.example.org:1");
    g_assert_cmpstr(discover_foreign(f->discover), ==, "evil.example.com");
    answer(f, "beta.example.org:1");
    g_assert_null(discover_foreign(f->discover));
    g_assert_cmpuint(f->changes, ==, 2);
}

static void test_silent_server_is_a_failure(Fixture *f, gconstpointer data)
{
    DiscoverParams params = { .config = &f->config,
                              .resolver = G_RESOLVER(f->resolver),
                              .deadline_ms = 1,
                              .changed = on_changed,
                              .data = f };

    answer(f, "beta.example.org:1");
    discover_free(f->discover);
    g_clear_object(&f->resolver->question);
    f->discover = discover_new(&params);
    f->changes = 0;
    while (f->changes == 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpstr(discover_error(f->discover), ==, "no name server has answered in time");
    g_clear_object(&f->resolver->question);
    wait_for_question(f); /* it goes on asking */
}

static void test_answer_is_kept_over_a_restart(Fixture *f, gconstpointer data)
{
    answer(f, "beta.example.org:1 gamma.example.org:2");
    discover_free(f->discover);
    start(f);
    assert_peers(f, "beta.example.org:1 gamma.example.org:2");
    discover_free(f->discover);
    f->config.discover = (char *) "_tbsyncd._tcp.example.net";
    start(f);
    assert_peers(f, "");
    discover_free(f->discover);
    f->config.discover = (char *) "";
    start(f);
    assert_peers(f, "");
}

static void test_kept_file_can_say_no_more_than_dns(Fixture *f, gconstpointer data)
{
    static const char *const texts[] = {
        "{\"service\":\"" SERVICE "\",\"peers\":[{\"name\":\"evil.example.com\",\"port\":1},{\"name\":\"beta.example.org\",\"port\":1}]}",
        "{\"service\":\"" SERVICE "\",\"peers\":[1,{\"name\":2,\"port\":1},{\"name\":\"c.example.org\",\"port\":70000},"
        "{\"name\":\"d.example.org\",\"port\":\"1\"},null,{\"name\":\"beta.example.org\",\"port\":1}]}",
        "{\"service\":[],\"peers\":[]}",
        "{\"service\":\"" SERVICE "\",\"peers\":{}}",
        "{}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(JsonNode) node = json_from_string(texts[i], NULL);

        discover_free(f->discover);
        ledger_put_discovered(f->ledger, json_node_get_object(node));
        start(f);
        assert_peers(f, i < 2 ? "beta.example.org:1" : "");
    }
}

static void test_reload_asks_at_once(Fixture *f, gconstpointer data)
{
    guint before;

    f->config.discover_interval_ns = 3600 * (guint64) NS_PER_S;
    answer(f, "beta.example.org:1");
    before = f->resolver->questions;
    discover_reload(f->discover, &f->config);
    g_assert_cmpuint(f->resolver->questions, ==, before + 1);
    assert_peers(f, "beta.example.org:1");
    g_assert_cmpuint(f->changes, ==, 1);
}

static void test_reload_to_another_service_forgets(Fixture *f, gconstpointer data)
{
    Config other = f->config, none = f->config;

    answer(f, "beta.example.org:1");
    other.discover = (char *) "_tbsyncd._tcp.example.net";
    discover_reload(f->discover, &other);
    g_assert_cmpuint(f->changes, ==, 2);
    assert_peers(f, "");
    answer(f, "beta.example.net:1");
    g_assert_cmpstr(f->resolver->asked, ==, "_tbsyncd._tcp.example.net");
    assert_peers(f, "beta.example.net:1");
    none.discover = (char *) "";
    discover_reload(f->discover, &none);
    assert_peers(f, "");
    g_clear_object(&f->resolver->question);
    settle();
    g_assert_null(f->resolver->question);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(Fixture *f, gconstpointer data);
    } lookups[] = {
        { "peers-come-and-go", test_peers_come_and_go },
        { "same-answer-is-no-change", test_same_answer_is_no_change },
        { "failure-keeps-the-peers", test_failure_keeps_the_peers },
        { "root-target-takes-all", test_root_target_takes_all },
        { "foreign-targets-are-told", test_foreign_targets_are_told },
        { "silent-server-is-a-failure", test_silent_server_is_a_failure },
        { "answer-is-kept-over-a-restart", test_answer_is_kept_over_a_restart },
        { "kept-file-can-say-no-more-than-dns", test_kept_file_can_say_no_more_than_dns },
        { "reload-asks-at-once", test_reload_asks_at_once },
        { "reload-to-another-service-forgets", test_reload_to_another_service_forgets },
    };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/discover/targets", test_targets);
    g_test_add_func("/discover/priority-decides-between-two-ports", test_priority_decides_between_two_ports);
    g_test_add_func("/discover/any-answer-names-hosts-of-the-domain", test_any_answer_names_hosts_of_the_domain);
    g_test_add_func("/discover/answer-is-bounded", test_answer_is_bounded);
    for (gsize i = 0; i < G_N_ELEMENTS(lookups); i++) {
        g_autofree char *path = g_strconcat("/discover/", lookups[i].name, NULL);

        g_test_add(path, Fixture, NULL, setup, lookups[i].test, teardown);
    }
    return g_test_run();
}
