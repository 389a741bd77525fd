/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What TLS costs a link: a method call over a link beside the same call over a plain socketpair, a resumed connection
 * beside a full one, the memory of a link, and what strangers leave behind. Both ends live in this process and one loop. */

#include "link-fixture.h"
#include "link-stranger.h"
#include "sd-source.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define CALLS     5000
#define CONNECTS  200
#define LINKS     500
#define STRANGERS 1000

static gint64 now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (gint64) t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

    return (x > y) - (x < y);
}

static double median_us(const char *what, gint64 *samples_ns, gsize n)
{
    qsort(samples_ns, n, sizeof *samples_ns, compare);
    printf("%-42s min %8.1f us  median %8.1f us  p99 %8.1f us\n", what, (double) samples_ns[0] / 1e3,
           (double) samples_ns[n / 2] / 1e3, (double) samples_ns[n - n / 100 - 1] / 1e3);
    return (double) samples_ns[n / 2] / 1e3;
}

static double time_calls(const char *what, sd_bus *bus)
{
    static gint64 samples_ns[CALLS];
    EchoCount count = { 0 };

    for (int i = -100; i < CALLS; i++) {
        gint64 start_ns = now_ns();

        link_call_echo(bus, 32, &count);
        link_wait(&count.replies, i + 101);
        if (i >= 0)
            samples_ns[i] = now_ns() - start_ns;
    }
    return median_us(what, samples_ns, CALLS);
}

static int on_plain_echo(sd_bus_message *m, void *data, sd_bus_error *ret_error)
{
    const void *bytes;
    gsize size;
    sd_bus_message *reply = NULL;

    sd_bus_message_read_array(m, 'y', &bytes, &size);
    sd_bus_message_new_method_return(m, &reply);
    sd_bus_message_append_array(reply, 'y', bytes, size);
    sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return 1;
}

static const sd_bus_vtable plain_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Echo", "ay", "ay", on_plain_echo, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static double bench_plain(void)
{
    sd_bus *server = NULL, *client = NULL;
    GSource *server_source, *client_source;
    sd_id128_t id;
    double us;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        abort();
    sd_id128_randomize(&id);
    sd_bus_new(&server);
    sd_bus_set_fd(server, fds[0], fds[0]);
    sd_bus_set_server(server, 1, id);
    sd_bus_add_object_vtable(server, NULL, "/test", "org.tbsyncd1.Test", plain_vtable, NULL);
    sd_bus_start(server);
    sd_bus_new(&client);
    sd_bus_set_fd(client, fds[1], fds[1]);
    sd_bus_start(client);
    server_source = sd_source_attach(server, NULL, NULL, NULL);
    client_source = sd_source_attach(client, NULL, NULL, NULL);
    us = time_calls("call, sd-bus on a socketpair", client);
    sd_source_remove(client_source);
    sd_source_remove(server_source);
    sd_bus_close_unref(client);
    sd_bus_close_unref(server);
    return us;
}

static double bench_link(Pki *pki)
{
    LinkFixture f;
    double us;

    link_fixture_init(&f, pki);
    link_fixture_connect(&f);
    us = time_calls("call, link", link_bus(f.client.link));
    link_fixture_clear(&f);
    return us;
}

/* From dialling until a first call is answered. */
static double bench_connects(Pki *pki, gboolean resume)
{
    static gint64 samples_ns[CONNECTS];
    LinkFixture f;

    link_fixture_init(&f, pki);
    for (int i = -1; i < CONNECTS; i++) {
        EchoCount count = { 0 };
        gint64 start_ns;

        if (!resume) {
            link_tls_unref(f.client_tls);
            f.client_tls = link_fixture_tls(pki, "alpha");
            f.client.params.tls = f.client_tls;
        }
        start_ns = now_ns();
        link_fixture_connect(&f);
        link_call_echo(link_bus(f.client.link), 1, &count);
        link_wait(&count.replies, 1);
        if (i >= 0) {
            samples_ns[i] = now_ns() - start_ns;
            if (link_is_resumed(f.server.link) != resume)
                abort();
        }
        g_clear_pointer(&f.client.link, link_free);
    }
    link_fixture_clear(&f);
    return median_us(resume ? "connect and first call, resumed" : "connect and first call, full", samples_ns, CONNECTS);
}

static double heap_kb(void)
{
    return (double) mallinfo2().uordblks / 1024;
}

static double rss_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%*s %ld", &pages) != 1)
        abort();
    fclose(file);
    return (double) pages * 4;
}

static void bench_memory(Pki *pki)
{
    g_autoptr(GPtrArray) links = g_ptr_array_new_with_free_func((GDestroyNotify) link_free);
    double before_kb, links_kb;
    LinkFixture f;

    link_fixture_init(&f, pki);
    before_kb = heap_kb();
    for (int i = 0; i < LINKS; i++) {
        EchoCount count = { 0 };

        link_fixture_connect(&f);
        link_call_echo(link_bus(f.client.link), 1000, &count);
        link_wait(&count.replies, 1);
        link_settle();
        g_ptr_array_add(links, g_steal_pointer(&f.client.link));
        g_ptr_array_add(links, g_steal_pointer(&f.server.link));
    }
    links_kb = heap_kb() - before_kb;
    printf("%-42s %.1f kB of heap per end (%d links, both ends here)\n", "memory", links_kb / LINKS / 2, LINKS);
    g_ptr_array_set_size(links, 0);
    link_fixture_clear(&f);
}

/* Without a certificate, and without TLS: after the first hundred the process must not grow. */
static void bench_strangers(Pki *pki)
{
    static const char http[] = "GET / HTTP/1.1\r\n\r\n";
    StrangerPlan plans[] = { { .priority = "NORMAL" }, { .words = http, .words_bytes = sizeof http - 1 } };
    double rss_before_kb = 0;
    gint64 start_ns = 0;
    LinkFixture f;

    link_fixture_init(&f, pki);
    for (int i = -100; i < STRANGERS; i++) {
        Stranger *stranger;

        if (i == 0) {
            rss_before_kb = rss_kb();
            start_ns = now_ns();
        }
        stranger = stranger_connect(f.port, &plans[i & 1]);
        link_wait(&f.server.closed, i + 101);
        stranger_join(stranger);
    }
    printf("%-42s %+.0f kB of RSS after %d, %.0f us each (with the stranger's own work)\n", "strangers",
           rss_kb() - rss_before_kb, STRANGERS, (double) (now_ns() - start_ns) / STRANGERS / 1e3);
    if (f.server.up > 0)
        abort();
    link_fixture_clear(&f);
}

int main(void)
{
    g_autoptr(Pki) pki = pki_new("Fleet CA");
    double plain_us, link_us, full_us, resumed_us;

    pki_issue_host(pki, "alpha");
    pki_issue_host(pki, "beta");
    plain_us = bench_plain();
    link_us = bench_link(pki);
    printf("%-42s %.2f\n", "ratio link / socketpair", link_us / plain_us);
    full_us = bench_connects(pki, FALSE);
    resumed_us = bench_connects(pki, TRUE);
    printf("%-42s %.2f\n", "ratio resumed / full", resumed_us / full_us);
    bench_memory(pki);
    bench_strangers(pki);
    return 0;
}
