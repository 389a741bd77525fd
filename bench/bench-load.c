/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one tbsyncd costs, and how quick it is, with 1 to 1000 peers: bench-load TBSYNCD [N ...]; --startup: how soon it answers
 * after kill -9, alone
 *
 * The daemon is a process of its own, so that CPU and memory are its alone; this process plays all peers, over real TLS on
 * loopback, so that waiting times contain the work of both ends. Each figure stands beside its bar, if it has one. Simulated
 * timebases; records on a file system in memory. On a machine that does other things "chrt -f 1 bench-load TBSYNCD --startup", as
 * root, tells how soon it would answer on a quiet one.
 */
#include "facts-codec.h"
#include "link-stranger.h"
#include "load-hub.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOOKS        200
#define HOOKS_BURST  100
#define STRANGERS    10000
#define CPU_SPAN_MS  10000
#define GUESTS       50 /* of each peer */

#define STARTUPS 20
/* Between two, so that others have the caches by then. The peers' patience plays no part: the daemon dials as soon as it runs. */
#define STARTUP_REST_MS 3000
/* What certtool makes unless it is told otherwise; libvirt before 11.6 wants RSA. */
#define STARTUP_RSA_BITS 3072

static const char *const startup_facts[] = { "pvr=0x004e1202", "kvm=hv", "tb_offset=yes", "mmu=hash,radix" };

/* One row of the table at the end. */
typedef struct Row {
    guint n;
    double start_ms, start_cpu_ms, rss_mb, find_ms, hook_ms, p99_ms, burst_ms, restart_ms, resumed_pc, cpu_pc;
} Row;

typedef struct World {
    const char *self, *tbsyncd;
    Pki *pki;
    Hub hub;
    Node *nodes;
    Reactor *reactor; /* of all nodes, so that playing many costs little more than being one */
    guint n;
    Row row;
    double p99_one_ms, rss_one_kb;
} World;

static double now_ms(void)
{
    return (double) tb_clock_boot_ns() / 1e6;
}

static gboolean on_span(void *data)
{
    *(gboolean *) data = TRUE;
    return G_SOURCE_REMOVE;
}

static void run_loop_for(guint ms)
{
    gboolean over = FALSE;

    g_timeout_add(ms, on_span, &over);
    WAIT_UNTIL(over);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y;
}

static double quantile(double *values, guint n, guint percent)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return values[MIN(n - 1, n * percent / 100)];
}

static void print_figure(const char *what, double value, const char *unit, const char *bar)
{
    printf("  %-52s %10.2f %-6s %s\n", what, value, unit, bar);
    fflush(stdout);
}

/* ---- the peers ---- */

static void world_init(World *world, guint n, guint rsa_bits)
{
    static const Node hub_node = { .name = "hub" };

    world->n = n;
    world->pki = pki_new("load");
    pki_set_rsa(world->pki, rsa_bits);
    pki_revoke(world->pki, NULL);
    hub_init(&world->hub, world->pki, world->tbsyncd);
    world->reactor = reactor_new(NULL);
    world->nodes = g_new0(Node, n);
    for (guint i = 0; i < n; i++) {
        Node *node = &world->nodes[i];

        node_init(node, world->pki, g_intern_string(g_strdup_printf("node-%04u", i)));
        node_add_peer(node, &hub_node);
        node->peer_configs[0].port = world->hub.port;
        node->default_timing = TRUE;
        node->reactor = world->reactor;
    }
}

static void world_clear(World *world)
{
    hub_kill(&world->hub);
    for (guint i = 0; i < world->n; i++)
        node_close(&world->nodes[i]);
    for (guint i = 0; i < world->n; i++)
        node_clear(&world->nodes[i]);
    hub_clear(&world->hub);
    g_free(world->nodes);
    g_clear_pointer(&world->reactor, reactor_unref);
    pki_free(world->pki);
}

static guint count_sound(const World *world)
{
    guint sound = 0;

    for (guint i = 0; i < world->n; i++) {
        const Peer *peer = peers_nth(world->nodes[i].peers, 0); /* opened up: peer_relation() would cost a clock reading */

        sound += peer->state == PEER_LINKED && peer->relation_state == RELATION_OK;
    }
    return sound;
}

/* At both ends. The hub is asked only when it can be so. */
static void await_sound(World *world)
{
    WAIT_UNTIL(count_sound(world) == world->n);
    while (hub_count_sound(&world->hub) < world->n)
        run_loop_for(10);
}

/* Until both ends have one link each and nothing is left to be done. */
static void await_calm(World *world)
{
    for (guint i = 0; i < world->n; i++)
        WAIT_UNTIL(((Peer *) peers_nth(world->nodes[i].peers, 0))->links->len == 1);
    run_loop_for(500);
}

/* What a node tells the hub of its guests, as a daemon with libvirt does. uuid: (nullable) of one more */
static void tell_guests(Node *node, const char *uuid)
{
    const char *uuids[GUESTS + 1];
    g_autoptr(GPtrArray) random = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < GUESTS; i++) {
        uuids[i] = g_uuid_string_random();
        g_ptr_array_add(random, (gpointer) uuids[i]);
    }
    uuids[GUESTS] = uuid;
    peers_tell_guests(node->peers, guest_marks_new(uuids, uuid ? GUESTS + 1 : GUESTS));
}

static void set_guest(World *world, gboolean is_there)
{
    Node *node = &world->nodes[0];

    node->role = is_there ? ROLE_MIGRATING_OUT : ROLE_ABSENT;
    g_strlcpy(node->guest.uuid, NODE_GUEST_UUID, sizeof node->guest.uuid);
    FACT_SET(&node->guest, GUEST_UUID);
    tell_guests(node, is_there ? NODE_GUEST_UUID : NULL);
    run_loop_for(100);
}

/* To poll a thousand listening sockets before each message is the cost of playing a thousand hosts in one process, each of which
 * has one. Off while hooks are measured: nobody connects then. */
static void set_listening(const World *world, gboolean listening)
{
    for (guint i = 0; i < world->n; i++) {
        Peers *peers = world->nodes[i].peers;

        if (listening)
            peers_half_open_done(peers, NULL, NULL); /* accepts again where nothing is accepted */
        else
            g_clear_handle_id(&peers->listen_source, g_source_remove);
    }
}

/* ---- figures ---- */

static void measure_start(World *world)
{
    double start_ms, cpu_ms;

    for (guint i = 0; i < world->n; i++) {
        node_start(&world->nodes[i]);
        tell_guests(&world->nodes[i], NULL);
    }
    run_loop_for(1); /* they listen, and begin to dial nobody */
    hub_write_config(&world->hub, world->nodes, world->n, 64);
    start_ms = now_ms();
    hub_start(&world->hub);
    await_sound(world);
    world->row.start_ms = now_ms() - start_ms;
    print_figure("start to all relations sound", world->row.start_ms, "ms", world->n == 256 ? "bar: 2000" : "");
    cpu_ms = world->row.start_cpu_ms = hub_cpu_ms(&world->hub);
    print_figure("  of that CPU of the daemon", cpu_ms, "ms", "");
    await_calm(world);
}

static void measure_rss(World *world)
{
    double rss_kb = (double) hub_rss_kb(&world->hub);

    if (world->n == 1)
        world->rss_one_kb = rss_kb;
    world->row.rss_mb = rss_kb / 1024;
    print_figure("RSS", rss_kb / 1024, "MB", world->n == 1000 ? "bar: 48" : "");
    if (world->n > 1 && world->rss_one_kb > 0)
        print_figure("  for each peer more", (rss_kb - world->rss_one_kb) / (world->n - 1), "kB",
                     world->n == 1000 ? "bar: 40" : "");
}

static void measure_hooks(World *world)
{
    double ms[HOOKS], p99_ms, cpu_ms;

    set_listening(world, FALSE);
    set_guest(world, FALSE);
    for (guint i = 0; i < 20; i++)
        hub_ask(&world->hub, 1, &ms[i]);
    world->row.find_ms = quantile(ms, 20, 50);
    print_figure("nobody has the guest: FindGuest to all, median", world->row.find_ms, "ms",
                 world->n == 1000 ? "bar: 100" : "");
    set_guest(world, TRUE);
    cpu_ms = hub_cpu_ms(&world->hub);
    for (guint i = 0; i < HOOKS; i++)
        hub_ask(&world->hub, 1, &ms[i]);
    cpu_ms = hub_cpu_ms(&world->hub) - cpu_ms;
    world->row.hook_ms = quantile(ms, HOOKS, 50);
    print_figure("hook, median", world->row.hook_ms, "ms", "");
    print_figure("  CPU of the daemon for one", cpu_ms / HOOKS, "ms", "");
    p99_ms = world->row.p99_ms = quantile(ms, HOOKS, 99);
    if (world->n == 1)
        world->p99_one_ms = p99_ms;
    print_figure("hook, p99", p99_ms, "ms", "");
    if (world->n > 1 && world->p99_one_ms > 0)
        print_figure("  against one peer", p99_ms / world->p99_one_ms, "x", world->n == 1000 ? "bar: 3" : "");
    hub_ask(&world->hub, HOOKS_BURST, ms);
    world->row.burst_ms = quantile(ms, HOOKS_BURST, 100);
    print_figure("100 hooks at once, the last one", world->row.burst_ms, "ms", "deadline: 4500");
    set_listening(world, TRUE);
}

static void measure_storm(World *world)
{
    guint resumed = 0;
    double start_ms;

    run_loop_for(6000); /* links that lasted are dialled again at once */
    hub_kill(&world->hub);
    hub_write_config(&world->hub, world->nodes, world->n, 1);
    start_ms = now_ms();
    hub_start(&world->hub);
    WAIT_UNTIL(count_sound(world) < world->n);
    await_sound(world);
    world->row.restart_ms = now_ms() - start_ms;
    print_figure("killed and started: to all relations sound", world->row.restart_ms, "ms", "");
    print_figure("  of that CPU of the daemon", hub_cpu_ms(&world->hub), "ms", "");
    await_calm(world);
    for (guint i = 0; i < world->n; i++)
        resumed += link_is_resumed(((Peer *) peers_nth(world->nodes[i].peers, 0))->current->link);
    world->row.resumed_pc = 100.0 * resumed / world->n;
    print_figure("  sessions resumed", world->row.resumed_pc, "%", world->n == 1000 ? "bar: 95" : "");
}

/* The daemon polls once a second since the storm. */
static void measure_cpu(World *world)
{
    double cpu_ms, start_ms;

    run_loop_for(2000);
    cpu_ms = hub_cpu_ms(&world->hub);
    start_ms = now_ms();
    run_loop_for(CPU_SPAN_MS);
    world->row.cpu_pc = 100 * (hub_cpu_ms(&world->hub) - cpu_ms) / (now_ms() - start_ms);
    print_figure("CPU at one exchange per second each", world->row.cpu_pc, "%", world->n == 256 ? "bar: 10" : "");
}

/* ---- with one peer ---- */

static void measure_strangers(World *world)
{
    g_autofree char *port = g_strdup_printf("%u", world->hub.port);
    double rss_kb = (double) hub_rss_kb(&world->hub);
    g_autoptr(GArray) all_ms = g_array_new(FALSE, FALSE, sizeof(double));
    double ms, start_ms = now_ms();
    pid_t pid = hub_spawn(&world->hub, (const char *const[]){ world->self, "--strangers", port, NULL });

    while (waitpid(pid, NULL, WNOHANG) == 0) {
        hub_ask(&world->hub, 1, &ms);
        g_array_append_val(all_ms, ms);
        run_loop_for(5);
    }
    print_figure("10,000 connections from strangers", (now_ms() - start_ms) / 1000, "s", "");
    print_figure("  RSS more than before", (double) hub_rss_kb(&world->hub) - rss_kb, "kB", "bar: flat");
    print_figure("  hook meanwhile, median", quantile((double *) all_ms->data, all_ms->len, 50), "ms", "");
    print_figure("  hook p99 meanwhile, against without",
                 quantile((double *) all_ms->data, all_ms->len, 99) / world->p99_one_ms, "x", "bar: 3");
}

static int run_strangers(guint16 port)
{
    static const char words[] = "GET / HTTP/1.0\r\n\r\n";
    const StrangerPlan plans[] = {
        { .no_greeting = TRUE },
        { .words = words, .words_bytes = sizeof words - 1, .end = STRANGER_READS },
        { .words = "", .words_bytes = 0, .end = STRANGER_RESETS },
        { .words = "\x16\x03\x01", .words_bytes = 3, .end = STRANGER_CLOSES },
    };
    Stranger *strangers[50];

    /* elsewhere they would have processors of their own: what is measured is what they cost the daemon */
    if (nice(19) < 0)
        return 1;
    for (guint done = 0; done < STRANGERS; done += G_N_ELEMENTS(strangers)) {
        for (guint i = 0; i < G_N_ELEMENTS(strangers); i++)
            strangers[i] = stranger_connect(port, &plans[i % G_N_ELEMENTS(plans)]);
        for (guint i = 0; i < G_N_ELEMENTS(strangers); i++)
            stranger_join(strangers[i]);
    }
    return 0;
}

/* An sd-bus service that does nothing, for scale. */
static int run_empty(void)
{
    sd_bus *bus = NULL;

    if (sd_bus_open_system(&bus) < 0 || sd_bus_request_name(bus, "org.tbsyncd1.Empty", 0) < 0)
        return 1;
    for (;;)
        if (sd_bus_process(bus, NULL) == 0)
            sd_bus_wait(bus, UINT64_MAX);
}

/* One start after kill -9. */
typedef struct Startup {
    double ready_ms, verdict_ms, cpu_ms, waited_ms, fresh_ms;
} Startup;

static Startup measure_one_start(World *world, guint *n_allowed, guint *n_stored)
{
    double start_ms;
    gboolean stored;
    Startup one;

    run_loop_for(STARTUP_REST_MS);
    hub_kill(&world->hub);
    start_ms = now_ms();
    hub_start(&world->hub);
    hub_await_name(&world->hub, "org.tbsyncd1");
    one.ready_ms = now_ms() - start_ms;
    *n_allowed += hub_ask_once(&world->hub, &stored);
    one.verdict_ms = now_ms() - start_ms;
    *n_stored += stored;
    one.cpu_ms = hub_cpu_ms(&world->hub);
    one.waited_ms = hub_waited_ms(&world->hub);
    while (!hub_is_fresh(&world->hub, world->nodes[0].name))
        ;
    one.fresh_ms = now_ms() - start_ms;
    WAIT_UNTIL(count_sound(world) == world->n);
    return one;
}

static double measure_empty(const World *world)
{
    double ms[STARTUPS];

    for (guint i = 0; i < STARTUPS; i++) {
        double start_ms = now_ms();
        pid_t pid = hub_spawn(&world->hub, (const char *const[]){ world->self, "--empty", NULL });

        hub_await_name(&world->hub, "org.tbsyncd1.Empty");
        ms[i] = now_ms() - start_ms;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return quantile(ms, STARTUPS, 50);
}

static void print_starts(const Startup *starts)
{
    static const struct {
        const char *what;
        gsize offset;
        guint percent;
        const char *bar;
    } rows[] = {
        { "killed and started: to the name on the bus, median", offsetof(Startup, ready_ms), 50, "" },
        { "  to the first verdict, median", offsetof(Startup, verdict_ms), 50, "bar: 50" },
        { "  to the first verdict, worst", offsetof(Startup, verdict_ms), 100, "bar: 50" },
        { "    of that CPU of its main thread, median", offsetof(Startup, cpu_ms), 50, "" },
        { "    worst", offsetof(Startup, cpu_ms), 100, "" },
        { "    and its wait for a processor, median", offsetof(Startup, waited_ms), 50, "" },
        { "    worst", offsetof(Startup, waited_ms), 100, "what the machine gave to others" },
        { "  to a fresh interval, median", offsetof(Startup, fresh_ms), 50, "bar: 200" },
        { "  to a fresh interval, worst", offsetof(Startup, fresh_ms), 100, "bar: 200" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        double values[STARTUPS];

        for (guint j = 0; j < STARTUPS; j++)
            values[j] = G_STRUCT_MEMBER(double, &starts[j], rows[i].offset);
        print_figure(rows[i].what, quantile(values, STARTUPS, rows[i].percent), "ms", rows[i].bar);
    }
}

static void measure_startup(World *world)
{
    Startup starts[STARTUPS];
    guint n_allowed = 0, n_stored = 0;

    print_figure("an empty sd-bus service: start to its name", measure_empty(world), "ms", "");
    for (guint i = 0; i < STARTUPS; i++)
        starts[i] = measure_one_start(world, &n_allowed, &n_stored);
    print_starts(starts);
    print_figure("  first verdicts that are \"allow\"", n_allowed, "of " G_STRINGIFY(STARTUPS), "");
    print_figure("  first verdicts that rest on the stored relation", n_stored, "of " G_STRINGIFY(STARTUPS), "");
}

static void print_table(const GArray *rows)
{
    printf("cost by the number of peers\n"
           "  peers  start ms  its CPU  RSS MB  find ms  hook ms  p99 ms  100 at once  restart ms  resumed %%  CPU %%\n");
    for (guint i = 0; i < rows->len; i++) {
        const Row *row = &g_array_index(rows, Row, i);

        printf("  %5u  %8.0f  %7.0f  %6.1f  %7.2f  %7.2f  %6.2f  %11.0f  %10.0f  %9.1f  %5.2f\n", row->n, row->start_ms,
               row->start_cpu_ms, row->rss_mb, row->find_ms, row->hook_ms, row->p99_ms, row->burst_ms, row->restart_ms,
               row->resumed_pc, row->cpu_pc);
    }
}

static void run(World *world, guint n)
{
    printf("%u peers\n", n);
    world->row = (Row){ .n = n };
    world_init(world, n, 0);
    measure_start(world);
    measure_rss(world);
    measure_hooks(world);
    measure_storm(world);
    measure_cpu(world);
    measure_rss(world);
    if (n == 1)
        measure_strangers(world);
    world_clear(world);
}

/* Alone, without all that comes before: as a host of a fleet is, which has libvirt, as many records as MaxRecords= allows, a peer
 * whose facts are known and whose relation was stored. */
static void run_startup(World *world, guint rsa_bits)
{
    double ignored[HOOKS];
    Node *node;

    world_init(world, 1, rsa_bits);
    world->hub.libvirt_uri = "test:///default";
    node = &world->nodes[0];
    for (guint i = 0; i < G_N_ELEMENTS(startup_facts); i++)
        g_assert_true(host_facts_assign(&node->facts, startup_facts[i], NULL));
    g_strlcpy(node->facts.boot_id, "fedcba9876543210fedcba9876543210", sizeof node->facts.boot_id);
    FACT_SET(&node->facts, HOST_BOOT_ID);
    measure_start(world);
    set_guest(world, TRUE);
    hub_describe_guest(&node->guest);
    hub_ask(&world->hub, HOOKS, ignored);
    measure_startup(world);
    world_clear(world);
}

/* What a thousand peers have to say would hide the figures. */
static GLogWriterOutput drop_line(GLogLevelFlags level, const GLogField *fields, gsize n_fields, void *data)
{
    return level <= G_LOG_LEVEL_WARNING ? g_log_writer_default(level, fields, n_fields, data) : G_LOG_WRITER_HANDLED;
}

int main(int argc, char **argv)
{
    static const guint sizes[] = { 1, 4, 16, 64, 256, 1000 };
    World world = { .self = "/proc/self/exe" };
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(Row));
    guint n_sizes = argc > 2 ? (guint) argc - 2 : G_N_ELEMENTS(sizes);
    struct rlimit limit;

    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0); /* children are forked in between */
    g_log_set_writer_func(drop_line, NULL, NULL);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (argc == 3 && g_str_equal(argv[1], "--strangers"))
        return run_strangers((guint16) atoi(argv[2]));
    if (argc == 2 && g_str_equal(argv[1], "--empty"))
        return run_empty();
    if (argc < 2) {
        fprintf(stderr, "usage: bench-load TBSYNCD [N ... | --startup]\n");
        return 2;
    }
    world.tbsyncd = argv[1];
    if (argc == 2 || g_str_equal(argv[2], "--startup")) {
        printf("start, keys of an elliptic curve\n");
        run_startup(&world, 0);
        printf("start, RSA keys of %u bits\n", STARTUP_RSA_BITS);
        run_startup(&world, STARTUP_RSA_BITS);
    }
    if (argc > 2 && g_str_equal(argv[2], "--startup"))
        return 0;
    for (guint i = 0; i < n_sizes; i++) {
        run(&world, argc > 2 ? (guint) g_ascii_strtoull(argv[i + 2], NULL, 10) : sizes[i]);
        g_array_append_val(rows, world.row);
    }
    print_table(rows);
    return 0;
}
