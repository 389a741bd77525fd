/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bench-peers PID TRIALS: two hosts over a real link, for bench-chrony.
 *
 * Runs in one network namespace as 10.79.0.1 and puts the other host, 10.79.0.2, into that of process PID. Both timebases are
 * simulated from the one clock of this machine, so the true difference is 0 and the middle of an interval is its error.
 * Prints one figure a line, "NAME VALUE": times in us, errors in ns, CPU in ns of the asking process. */

#include <fcntl.h>
#include <glib-unix.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "link-fixture.h"
#include "peers.h"

#define WARM_ASKS     100
#define CPU_EXCHANGES 400 /* less than a peer may ask for at once */

static const guint32 counts[] = { 8, 16, 64 };

typedef struct Host {
    Config config;
    ConfigPeer peer;
    HostFacts facts;
    TbClock *clock;
    LinkTls *tls;
    Peers *peers;
    gint64 dialled_us, sound_us; /* monotonic; 0: not yet */
    gint64 errors_ns[G_N_ELEMENTS(counts)];
    guint n_errors;
    gboolean burst_done;
} Host;

static const HostFacts *on_host_facts(void *data)
{
    return &((Host *)data)->facts;
}

static void on_find_guest(const char *peer_name, const char *uuid, sd_bus_message *call, void *data)
{
    sd_bus_message_unref(call); /* nobody asks */
}

static Departure on_departure(const char *uuid, void *data)
{
    return (Departure){ 0 };
}

static gint64 error_ns(const RelationBounds *bounds)
{
    gint64 middle_ticks = bounds->tb_ticks.lo / 2 + bounds->tb_ticks.hi / 2;

    return ABS(ticks_to_ns_floor(middle_ticks, TB_FREQUENCY_POWER_HZ));
}

static void on_changed(Peer *peer, void *data)
{
    Host *host = data;
    RelationBounds bounds;

    if (!peer)
        return;
    bounds = peer_relation(peer);
    if (!host->dialled_us && peer_state(peer) == PEER_DIALLING)
        host->dialled_us = g_get_monotonic_time();
    if (bounds.state != RELATION_OK)
        return;
    if (!host->sound_us)
        host->sound_us = g_get_monotonic_time();
    while (host->n_errors < G_N_ELEMENTS(counts) && bounds.exchanges >= counts[host->n_errors])
        host->errors_ns[host->n_errors++] = error_ns(&bounds);
}

static void host_init(Host *host, const char *name, const char *address, const char *peer, const char *peer_address)
{
    TbClockConfig clock = { .simulated = TRUE, .frequency_hz = TB_FREQUENCY_POWER_HZ };

    *host = (Host){ .peer = { .name = (char *)peer, .address = (char *)peer_address, .port = CONFIG_PORT } };
    host->config = (Config){ .name = (char *)name,
                             .listen_address = (char *)address,
                             .listen_port = CONFIG_PORT,
                             .poll_interval_ns = 64 * (guint64)NS_PER_S,
                             .drift_bound_ppb = 100000,
                             .max_links_per_peer = 2,
                             .max_handshakes = 64,
                             .peers = &host->peer,
                             .n_peers = 1 };
    host_facts_init(&host->facts);
    g_snprintf(host->facts.machine_id, sizeof host->facts.machine_id, "%032x", g_str_hash(name));
    FACT_SET(&host->facts, HOST_MACHINE_ID);
    host->clock = tb_clock_new(&clock, NULL);
}

static void host_start(Host *host)
{
    g_autoptr(GError) error = NULL;
    PeersParams params = { .config = &host->config,
                           .clock = host->clock,
                           .tls = host->tls,
                           .listen_fd = -1,
                           .host_facts = on_host_facts,
                           .find_guest = on_find_guest,
                           .departure = on_departure,
                           .changed = on_changed,
                           .data = host };

    host->dialled_us = host->sound_us = 0;
    host->n_errors = 0;
    host->peers = peers_new(&params, &error);
    g_assert_no_error(error);
}

static void host_stop(Host *host)
{
    g_clear_pointer(&host->peers, peers_free);
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void wait_for(const gboolean *done)
{
    while (!*done)
        g_main_context_iteration(NULL, TRUE);
}

static void on_burst(GObject *source, GAsyncResult *result, void *data)
{
    Host *host = data;
    g_autoptr(GError) error = NULL;
    RelationTrace trace;

    peer_burst_finish(peers_nth(host->peers, 0), result, &trace, &error);
    g_assert_no_error(error);
    host->burst_done = TRUE;
}

static void burst(Host *host, guint count)
{
    host->burst_done = FALSE;
    peer_burst_async(peers_nth(host->peers, 0), count, 60000, NULL, on_burst, host);
    wait_for(&host->burst_done);
}

/* One start: how long until the first sound interval, and how wrong its middle is after so many exchanges. */
static void trial(Host *host, const char *what)
{
    host_start(host);
    while (host->n_errors == 0)
        g_main_context_iteration(NULL, TRUE);
    printf("%s %" G_GINT64_FORMAT "\n", what, host->sound_us - host->dialled_us);
    burst(host, counts[G_N_ELEMENTS(counts) - 1]);
    for (guint i = 0; i < host->n_errors; i++)
        printf("error-%u %" G_GINT64_FORMAT "\n", counts[i], host->errors_ns[i]);
    host_stop(host);
}

static gint64 cpu_ns(void)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents("/proc/self/schedstat", &text, NULL, NULL));
    return g_ascii_strtoll(text, NULL, 10);
}

static void standing_link(Host *host)
{
    gint64 before_ns;

    host_start(host);
    while (host->n_errors == 0)
        g_main_context_iteration(NULL, TRUE);
    for (int i = 0; i < WARM_ASKS; i++) {
        gint64 start_us = g_get_monotonic_time();

        burst(host, 1);
        printf("warm %" G_GINT64_FORMAT "\n", g_get_monotonic_time() - start_us);
    }
    before_ns = cpu_ns();
    burst(host, CPU_EXCHANGES);
    printf("cpu %" G_GINT64_FORMAT "\n", (cpu_ns() - before_ns) / CPU_EXCHANGES);
    host_stop(host);
}

/* The other host: in its own namespace until we are gone. */
static void serve(const char *pid, Pki *pki, int ready_fd)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/ns/net", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Host host;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
        perror(path);
        _exit(1);
    }
    host_init(&host, "beta", "10.79.0.2", "alpha", "10.79.0.1");
    host.tls = link_fixture_tls(pki, "beta");
    host_start(&host);
    close(ready_fd);
    for (;;)
        g_main_context_iteration(NULL, TRUE);
}

int main(int argc, char **argv)
{
    g_autoptr(Pki) pki = NULL;
    Host host;
    pid_t child;
    int trials, ready[2];
    char end;

    if (argc != 3 || (trials = atoi(argv[2])) < 1) {
        fprintf(stderr, "usage: bench-peers PID TRIALS\n");
        return 2;
    }
    pki = pki_new("bench");
    pki_revoke(pki, NULL);
    pki_issue_host(pki, "alpha");
    pki_issue_host(pki, "beta");
    g_assert_true(g_unix_open_pipe(ready, FD_CLOEXEC, NULL));
    child = fork();
    if (child == 0) {
        close(ready[0]);
        serve(argv[1], pki, ready[1]);
    }
    close(ready[1]);
    g_assert_cmpint(read(ready[0], &end, 1), ==, 0); /* it listens */
    close(ready[0]);
    host_init(&host, "alpha", "", "beta", "10.79.0.2");
    for (int i = 0; i < trials; i++) {
        host.tls = link_fixture_tls(pki, "alpha");
        trial(&host, "cold");
        trial(&host, "resumed");
        if (i == 0)
            standing_link(&host);
        g_clear_pointer(&host.tls, link_tls_unref);
    }
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    tb_clock_free(host.clock);
    return 0;
}
