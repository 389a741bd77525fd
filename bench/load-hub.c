/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "load-hub.h"

#include <glib/gstdio.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "facts-codec.h"
#include "guest-xml.h"
#include "sd-source.h"
#include "sd-variant.h"

#define MANAGER "org.tbsyncd1", "/org/tbsyncd1", "org.tbsyncd1.Manager"
#define ASK_XML                                                                                                       \
    "<domain type='kvm'><name>guest1</name><uuid>" NODE_GUEST_UUID "</uuid><memory>1048576</memory>"                  \
    "<os><type arch='ppc64' machine='pseries-7.2'>hvm</type></os><cpu mode='host-model'/></domain>"

static guint16 free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *) &address, size), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *) &address, &size), ==, 0);
    close(fd);
    return ntohs(address.sin_port);
}

pid_t hub_spawn(const Hub *hub, const char *const *words)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s/bus", hub->directory);
    g_autofree char *log = g_strdup_printf("%s/log", hub->directory);
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid > 0)
        return pid;
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    if (!freopen(log, "a", stderr) || !freopen("/dev/null", "w", stdout))
        _exit(127);
    execvp(words[0], (char *const *) words);
    _exit(127);
}

static void hub_start_bus(Hub *hub)
{
    g_autofree char *path = g_strdup_printf("%s/bus", hub->directory);
    g_autofree char *option = g_strdup_printf("--address=unix:path=%s", path);
    g_autofree char *address = g_strdup_printf("unix:path=%s", path);

    hub->bus_pid =
        hub_spawn(hub, (const char *const[]){ "dbus-daemon", "--session", "--nofork", "--nopidfile", option, NULL });
    while (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_usleep(10000);
    g_assert_cmpint(sd_bus_new(&hub->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(hub->bus, address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(hub->bus, 1), >=, 0);
    while (sd_bus_start(hub->bus) < 0)
        g_usleep(10000);
    hub->source = sd_source_attach(hub->bus, NULL, NULL, NULL);
}

void hub_init(Hub *hub, Pki *pki, const char *tbsyncd)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir();

    *hub = (Hub){ .pki = pki, .tbsyncd = tbsyncd, .port = free_port() };
    hub->directory = g_strdup_printf("%s/tbsync-load-XXXXXX", base);
    g_assert_nonnull(g_mkdtemp(hub->directory));
    pki_issue_host(pki, "hub");
    hub_start_bus(hub);
}

void hub_write_config(const Hub *hub, const Node *nodes, guint n, guint poll_s)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *path = g_strdup_printf("%s/conf", hub->directory);
    const char *d = hub->directory;

    g_string_printf(text,
                    "[Daemon]\nName=hub\nStateDirectory=%s/state\nRuntimeDirectory=%s/run\nHookDirectory=%s/hooks\nMaxRecords=100\n"
                    "[Timebase]\nSource=simulated\n[Host]\nPVR=0x004e1202\nKvm=hv\nTbOffset=yes\nMMU=hash,radix\n"
                    "[Link]\nListen=127.0.0.1:%u\nPollIntervalSec=%u\nCAFile=%s\n",
                    d, d, d, hub->port, poll_s, pki_path(hub->pki, "cacert.pem"));
    g_string_append_printf(text, "CRLFile=%s\n", pki_path(hub->pki, "cacrl.pem"));
    g_string_append_printf(text, "CertFile=%s\n", pki_path(hub->pki, "hub-cert.pem"));
    g_string_append_printf(text, "KeyFile=%s\n", pki_path(hub->pki, "hub-key.pem"));
    g_string_append_printf(text, "ClientCertFile=%s\n", pki_path(hub->pki, "hub-cert.pem"));
    g_string_append_printf(text, "ClientKeyFile=%s\n", pki_path(hub->pki, "hub-key.pem"));
    g_string_append_printf(text, "[Libvirt]\nURI=%s\n", hub->libvirt_uri ? hub->libvirt_uri : "");
    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "[Peer %s]\nAddress=127.0.0.1\nPort=%u\n", nodes[i].name, nodes[i].port);
    g_assert_true(g_file_set_contents(path, text->str, -1, NULL));
}

void hub_start(Hub *hub)
{
    g_autofree char *config = g_strdup_printf("%s/conf", hub->directory);

    hub->pid = hub_spawn(hub, (const char *const[]){ hub->tbsyncd, "--config", config, NULL });
}

static void end_process(pid_t *pid)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGKILL);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}

void hub_kill(Hub *hub)
{
    end_process(&hub->pid);
}

void hub_clear(Hub *hub)
{
    const char *words[] = { "rm", "-rf", hub->directory, NULL };

    hub_kill(hub);
    sd_source_remove(hub->source);
    sd_bus_close_unref(hub->bus);
    end_process(&hub->bus_pid);
    g_spawn_sync(NULL, (char **) words, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
    g_free(hub->directory);
}

static int on_owner(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    *(int *) data = sd_bus_message_is_method_error(reply, NULL) ? -1 : 1;
    return 0;
}

void hub_await_name(const Hub *hub, const char *name)
{
    int owned = -1;

    while (owned < 0) {
        owned = 0;
        g_assert_cmpint(sd_bus_call_method_async(hub->bus, NULL, "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                                                 "GetNameOwner", on_owner, &owned, "s", name), >=, 0);
        WAIT_UNTIL(owned != 0);
        if (owned < 0)
            g_usleep(500);
    }
}

guint64 hub_rss_kb(const Hub *hub)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int) hub->pid);
    g_autofree char *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "VmRSS:");
    return line ? g_ascii_strtoull(line + strlen("VmRSS:"), NULL, 10) : 0;
}

static guint64 hub_schedstat_ns(const Hub *hub, guint field)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/schedstat", (int) hub->pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    fields = g_strsplit(text, " ", 3);
    return g_ascii_strtoull(fields[field], NULL, 10);
}

double hub_cpu_ms(const Hub *hub)
{
    return (double) hub_schedstat_ns(hub, 0) / 1e6;
}

double hub_waited_ms(const Hub *hub)
{
    return (double) hub_schedstat_ns(hub, 1) / 1e6;
}

typedef struct Count {
    gboolean done;
    guint sound;
} Count;

/* What is an "ok" in that answer can only be a RelationState. */
static int on_objects(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Count *count = data;
    g_autoptr(GVariant) objects = NULL;
    GVariantIter iter;
    GVariant *interfaces;

    count->done = TRUE;
    if (sd_bus_message_is_method_error(reply, NULL) || sd_variant_read(reply, "a{oa{sa{sv}}}", &objects) <= 0)
        return 0;
    g_variant_iter_init(&iter, objects);
    while (g_variant_iter_next(&iter, "{o@a{sa{sv}}}", NULL, &interfaces)) {
        g_autoptr(GVariant) peer = g_variant_lookup_value(interfaces, "org.tbsyncd1.Peer", NULL);
        const char *state = "";

        if (peer && g_variant_lookup(peer, "RelationState", "&s", &state))
            count->sound += g_str_equal(state, "ok");
        g_variant_unref(interfaces);
    }
    return 0;
}

guint hub_count_sound(const Hub *hub)
{
    Count count = { 0 };

    g_assert_cmpint(sd_bus_call_method_async(hub->bus, NULL, "org.tbsyncd1", "/org/tbsyncd1",
                                             "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", on_objects,
                                             &count, ""), >=, 0);
    WAIT_UNTIL(count.done);
    return count.sound;
}

typedef struct Freshness {
    gboolean done, fresh;
} Freshness;

static int on_peer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Freshness *self = data;
    g_autoptr(GVariant) peer = NULL;
    const char *state = "";
    gboolean stored = TRUE;

    self->done = TRUE;
    if (sd_bus_message_is_method_error(reply, NULL) || sd_variant_read(reply, "a{sv}", &peer) <= 0)
        return 0;
    self->fresh = g_variant_lookup(peer, "RelationState", "&s", &state) && g_str_equal(state, "ok") &&
                  g_variant_lookup(peer, "RelationStored", "b", &stored) && !stored;
    return 0;
}

gboolean hub_is_fresh(const Hub *hub, const char *peer)
{
    Freshness freshness = { FALSE, FALSE };
    char *path = NULL;

    g_assert_cmpint(sd_bus_path_encode("/org/tbsyncd1/peer", peer, &path), >=, 0);
    g_assert_cmpint(sd_bus_call_method_async(hub->bus, NULL, "org.tbsyncd1", path, "org.freedesktop.DBus.Properties", "GetAll",
                                             on_peer, &freshness, "s", "org.tbsyncd1.Peer"), >=, 0);
    free(path);
    WAIT_UNTIL(freshness.done);
    return freshness.fresh;
}

typedef struct Asked {
    gint64 start_ns;
    double *ret_ms;
    guint answered, allowed, stored;
} Asked;

static gboolean has_finding(GVariant *findings, const char *code)
{
    GVariantIter iter;
    GVariant *finding;
    gboolean found = FALSE;

    g_variant_iter_init(&iter, findings);
    while ((finding = g_variant_iter_next_value(&iter))) {
        const char *own = "";

        found = found || (g_variant_lookup(finding, "code", "&s", &own) && g_str_equal(own, code));
        g_variant_unref(finding);
    }
    return found;
}

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Asked *asked = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    g_autoptr(GVariant) findings = NULL;
    const char *decision = "";

    asked->ret_ms[asked->answered++] = (double) (tb_clock_boot_ns() - asked->start_ns) / 1e6;
    if (error) {
        printf("a question was not answered: %s\n", error->message);
    } else if (sd_bus_message_read(reply, "s", &decision) > 0 && sd_variant_read(reply, "aa{sv}", &findings) > 0) {
        asked->allowed += g_str_equal(decision, "allow");
        asked->stored += has_finding(findings, "timebase-relation-stored");
    }
    return 0;
}

static Asked ask(const Hub *hub, guint count, double *ret_ms)
{
    Asked asked = { .start_ns = tb_clock_boot_ns(), .ret_ms = ret_ms };
    GuestFacts guest;

    g_assert_true(guest_xml_parse(ASK_XML, strlen(ASK_XML), &guest, NULL));
    for (guint i = 0; i < count; i++) {
        sd_bus_message *call = NULL;

        g_assert_cmpint(sd_bus_message_new_method_call(hub->bus, &call, MANAGER, "CheckIncoming"), >=, 0);
        g_assert_cmpint(sd_variant_append(call, guest_facts_to_variant(&guest)), >=, 0);
        g_assert_cmpint(sd_bus_call_async(hub->bus, NULL, call, on_answer, &asked, 0), >=, 0);
        sd_bus_message_unref(call);
    }
    WAIT_UNTIL(asked.answered == count);
    return asked;
}

void hub_ask(const Hub *hub, guint count, double *ret_ms)
{
    ask(hub, count, ret_ms);
}

gboolean hub_ask_once(const Hub *hub, gboolean *ret_stored)
{
    double ignored_ms;
    Asked asked = ask(hub, 1, &ignored_ms);

    *ret_stored = asked.stored > 0;
    return asked.allowed > 0;
}

void hub_describe_guest(GuestFacts *ret)
{
    g_assert_true(guest_xml_parse(ASK_XML, strlen(ASK_XML), ret, NULL));
    ret->tb_offset_ticks = ret->ahead_lo_ticks = ret->ahead_hi_ticks = 0;
    FACT_SET(ret, GUEST_TB_OFFSET_TICKS);
    FACT_SET(ret, GUEST_AHEAD_LO_TICKS);
    FACT_SET(ret, GUEST_AHEAD_HI_TICKS);
}
