/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the cost of a daemon grows with its peers: bench-fleet [N ...]
 *
 * One hub and N peers of it in one process, over real TLS on loopback: what is printed is the cost of both ends together, but
 * for the last column. All start in the same instant, as after a power cut. Simulated timebases.
 */
#include "peers-fixture.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

typedef struct World {
    Pki *pki;
    Node hub;
    Node *nodes;
    ConfigPeer *hub_peers;
    guint n;
} World;

static double now_ms(void)
{
    return (double) tb_clock_boot_ns() / 1e6;
}

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static void world_init(World *world, guint n)
{
    world->n = n;
    world->pki = pki_new("fleet");
    pki_revoke(world->pki, NULL);
    world->nodes = g_new0(Node, n);
    world->hub_peers = g_new0(ConfigPeer, n);
    node_init(&world->hub, world->pki, "hub");
    for (guint i = 0; i < n; i++) {
        node_init(&world->nodes[i], world->pki, g_intern_string(g_strdup_printf("node-%04u", i)));
        node_add_peer(&world->nodes[i], &world->hub);
        world->hub_peers[i] = (ConfigPeer){
            .name = (char *) world->nodes[i].name, .address = (char *) "127.0.0.1", .port = world->nodes[i].port
        };
    }
    world->hub.config.peers = world->hub_peers;
    world->hub.config.n_peers = n;
}

static void world_clear(World *world)
{
    node_close(&world->hub); /* else it would dial again while the others end one by one */
    for (guint i = 0; i < world->n; i++)
        node_close(&world->nodes[i]);
    for (guint i = 0; i < world->n; i++)
        node_clear(&world->nodes[i]);
    node_clear(&world->hub);
    g_free(world->nodes);
    g_free(world->hub_peers);
    pki_free(world->pki);
}

static guint count_sound(World *world)
{
    guint sound = 0;

    for (guint i = 0; i < world->n; i++)
        sound += peer_relation(peers_nth(world->hub.peers, i)).state == RELATION_OK;
    return sound;
}

static void on_found(GObject *source, GAsyncResult *result, void *data)
{
    *(PeersFound **) data = peers_find_guest_finish(NULL, result, NULL);
}

static double find_ms(World *world)
{
    double start_ms = now_ms();
    PeersFound *found = NULL;

    peers_find_guest_async(world->hub.peers, NODE_GUEST_UUID, 10000, NULL, on_found, &found);
    WAIT_UNTIL(found);
    if (found->answered != world->n)
        printf("only %u of %u answered\n", found->answered, world->n);
    peers_found_free(found);
    return now_ms() - start_ms;
}

static void run(guint n)
{
    double start_ms, start_cpu_ms, sound_ms, sound_cpu_ms, best_find_ms = 1e9;
    struct mallinfo2 before, after;
    World world;

    world_init(&world, n);
    before = mallinfo2();
    start_ms = now_ms();
    start_cpu_ms = cpu_ms();
    node_start(&world.hub);
    for (guint i = 0; i < n; i++)
        node_start(&world.nodes[i]);
    WAIT_UNTIL(count_sound(&world) == n);
    sound_ms = now_ms() - start_ms;
    sound_cpu_ms = cpu_ms() - start_cpu_ms;
    for (guint i = 0; i < n; i++)
        WAIT_UNTIL(((Peer *) peers_nth(world.hub.peers, i))->links->len == 1);
    for (int i = 0; i < 5; i++)
        best_find_ms = MIN(best_find_ms, find_ms(&world));
    after = mallinfo2();
    printf("%6u %12.1f %12.1f %14.2f %14.1f\n", n, sound_ms, sound_cpu_ms, best_find_ms,
           (double) (after.uordblks - before.uordblks) / n / 2 / 1024);
    fflush(stdout);
    world_clear(&world);
}

int main(int argc, char **argv)
{
    static const guint sizes[] = { 1, 16, 64, 256 };
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    printf(" peers  all sound/ms  cpu both/ms  find in all/ms  heap/peer/kB\n");
    for (int i = 1; i < argc; i++)
        run((guint) g_ascii_strtoull(argv[i], NULL, 10));
    for (guint i = 0; argc == 1 && i < G_N_ELEMENTS(sizes); i++)
        run(sizes[i]);
    return 0;
}
