/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a tbsyncd grows in a day: bench-soak TBSYNCD [HOURS]
 *
 * What happens to a busy host in 24 hours, without the pauses: each minute a hook, a sample of each peer in both directions, and other
 * guests on one of them; every five minutes somebody reads the whole state, every fifteen a peer asks for a guest, for its departure and for
 * all guests; every hour a peer restarts, every second hour the configuration is read again, every fourth all peers come back at once. The
 * daemon is a process of its own, with libvirt's test driver; this one plays its peers, over real TLS. Fails if RSS grows by more than 1 %
 * after the first hours.
 */
#include "load-hub.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define PEERS         8
#define HUB_GUEST_UUID "6695eb01-f6a4-8304-79aa-97f2502e193f" /* of libvirt's test driver */
#define HOURS         24
#define WARM_HOURS    4 /* caches, the allocator's arenas, and a ledger that has reached its bound */
#define POLL_REAL_NS  (4 * NS_PER_S / 1000)
#define GROWTH_MAX_PC 1.0

typedef struct Soak {
    Pki *pki;
    Hub hub;
    Node nodes[PEERS];
    Reactor *reactor;
    guint hooks, walks, questions, lists, restarts, reloads;
} Soak;

static void soak_init(Soak *soak, const char *tbsyncd)
{
    static const Node hub_node = { .name = "hub" };
    static const char *const names[PEERS] = { "node-0", "node-1", "node-2", "node-3", "node-4", "node-5", "node-6", "node-7" };

    *soak = (Soak){ .pki = pki_new("soak"), .reactor = reactor_new(NULL) };
    pki_revoke(soak->pki, NULL);
    hub_init(&soak->hub, soak->pki, tbsyncd);
    soak->hub.libvirt_uri = "test:///default";
    for (guint i = 0; i < PEERS; i++) {
        Node *node = &soak->nodes[i];

        node_init(node, soak->pki, names[i]);
        node_add_peer(node, &hub_node);
        node->peer_configs[0].port = soak->hub.port;
        node->config.poll_interval_ns = POLL_REAL_NS;
        node->reactor = soak->reactor;
        node_start(node);
    }
    soak->nodes[0].role = ROLE_MIGRATING_OUT;
    g_strlcpy(soak->nodes[0].guest.uuid, NODE_GUEST_UUID, sizeof soak->nodes[0].guest.uuid);
    FACT_SET(&soak->nodes[0].guest, GUEST_UUID);
    hub_write_config(&soak->hub, soak->nodes, PEERS, 1);
    hub_start(&soak->hub);
    hub_await_name(&soak->hub, "org.tbsyncd1");
}

static void soak_clear(Soak *soak)
{
    hub_kill(&soak->hub);
    for (guint i = 0; i < PEERS; i++)
        node_close(&soak->nodes[i]);
    for (guint i = 0; i < PEERS; i++)
        node_clear(&soak->nodes[i]);
    hub_clear(&soak->hub);
    reactor_unref(soak->reactor);
    pki_free(soak->pki);
}

static gboolean is_linked(const Node *node)
{
    return peer_state(peers_nth(node->peers, 0)) == PEER_LINKED;
}

static void restart_nodes(Soak *soak, guint first, guint n)
{
    for (guint i = first; i < first + n; i++)
        node_stop(&soak->nodes[i]);
    for (guint i = first; i < first + n; i++)
        node_start(&soak->nodes[i]);
    for (guint i = first; i < first + n; i++)
        WAIT_UNTIL(is_linked(&soak->nodes[i]));
    soak->restarts += n;
}

typedef struct Question {
    Node *node;
    gboolean found, told, listed;
    guint guests; /* of the list */
} Question;

static void on_found(GObject *source, GAsyncResult *result, void *data)
{
    Question *question = data;
    g_autoptr(GError) error = NULL;

    peers_found_free(peers_find_guest_finish(question->node->peers, result, &error)); /* nobody has it */
    question->found = TRUE;
}

static void on_departure(const Departure *departure, const GError *error, void *data)
{
    ((Question *) data)->told = TRUE;
}

static void on_guests(const GArray *guests, gboolean complete, const GError *error, void *data)
{
    Question *question = data;

    question->listed = TRUE;
    question->guests = guests ? guests->len : 0;
}

/* The other side of a migration: a guest comes to one of the peers. And of a plan. */
static void ask_hub(Soak *soak, Node *node)
{
    Question question = { .node = node };

    peers_find_guest_async(node->peers, HUB_GUEST_UUID, 2000, NULL, on_found, &question);
    WAIT_UNTIL(question.found);
    if (peer_ask_departure(peers_nth(node->peers, 0), HUB_GUEST_UUID, 2000, on_departure, &question))
        WAIT_UNTIL(question.told);
    if (peer_list_guests(peers_nth(node->peers, 0), 5000, on_guests, &question))
        WAIT_UNTIL(question.listed);
    soak->questions++;
    soak->lists += question.guests == 1;
}

/* A guest starts there, another ends. */
static void change_guests(Node *node)
{
    g_autofree char *uuid = g_uuid_string_random();
    const char *uuids[] = { NODE_GUEST_UUID, uuid };

    if (node->role == ROLE_MIGRATING_OUT)
        peers_tell_guests(node->peers, guest_marks_new(uuids, 2));
    else
        peers_tell_guests(node->peers, guest_marks_new(uuids + 1, 1));
}

static gboolean on_pause(void *data)
{
    *(gboolean *) data = TRUE;
    return G_SOURCE_REMOVE;
}

static void play_minute(Soak *soak, guint minute)
{
    Node *node = &soak->nodes[minute % PEERS];
    gboolean over = FALSE;
    double ms;

    change_guests(node);
    hub_ask(&soak->hub, 1, &ms);
    soak->hooks++;
    g_timeout_add(POLL_REAL_NS / (NS_PER_S / 1000), on_pause, &over); /* each node polls once */
    WAIT_UNTIL(over);
    if (minute % 5 == 0) {
        hub_count_sound(&soak->hub);
        soak->walks++;
    }
    if (minute % 15 == 0)
        ask_hub(soak, node);
    if (minute % 120 == 60) {
        kill(soak->hub.pid, SIGHUP);
        soak->reloads++;
    }
    if (minute % 240 == 239)
        restart_nodes(soak, 0, PEERS);
    else if (minute % 60 == 59)
        restart_nodes(soak, (minute / 60) % PEERS, 1);
}

static int run(Soak *soak, guint hours)
{
    guint64 warm_kb = 0, rss_kb = 0;
    double growth_pc;

    for (guint i = 0; i < PEERS; i++)
        WAIT_UNTIL(is_linked(&soak->nodes[i]));
    for (guint hour = 0; hour < hours; hour++) {
        for (guint minute = 0; minute < 60; minute++)
            play_minute(soak, hour * 60 + minute);
        rss_kb = hub_rss_kb(&soak->hub);
        if (hour + 1 == WARM_HOURS)
            warm_kb = rss_kb;
        if ((hour + 1) % 4 == 0)
            printf("  after %3u hours: RSS %6.2f MB\n", hour + 1, (double) rss_kb / 1024);
    }
    growth_pc = 100 * ((double) rss_kb / (double) warm_kb - 1);
    printf("%u hooks, %u walks over the bus, %u questions of peers, %u lists with our guest, %u restarts of peers, %u reloads\n",
           soak->hooks, soak->walks, soak->questions, soak->lists, soak->restarts, soak->reloads);
    printf("RSS growth from hour %u to hour %u: %.2f %%  bar: %.0f\n", WARM_HOURS, hours, growth_pc, GROWTH_MAX_PC);
    return growth_pc < GROWTH_MAX_PC ? 0 : 1;
}

static GLogWriterOutput drop_line(GLogLevelFlags level, const GLogField *fields, gsize n_fields, void *data)
{
    return level <= G_LOG_LEVEL_CRITICAL ? g_log_writer_default(level, fields, n_fields, data) : G_LOG_WRITER_HANDLED;
}

int main(int argc, char **argv)
{
    guint hours = argc > 2 ? (guint) g_ascii_strtoull(argv[2], NULL, 10) : HOURS;
    Soak soak;
    int status;

    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    g_log_set_writer_func(drop_line, NULL, NULL);
    if (argc < 2 || hours <= WARM_HOURS) {
        fprintf(stderr, "usage: bench-soak TBSYNCD [HOURS], more than %u\n", WARM_HOURS);
        return 2;
    }
    soak_init(&soak, argv[1]);
    status = run(&soak, hours);
    soak_clear(&soak);
    return status;
}
