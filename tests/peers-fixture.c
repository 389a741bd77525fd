/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peers-fixture.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "facts-codec.h"
#include "link-fixture.h"
#include "sd-variant.h"

/* Quick enough for tests that wait for back-off; deadlines that must not strike are long. */
static const PeersTiming test_timing = {
    .hello_ms = 10000,
    .exchange_ms = 10000,
    .backoff_min_ms = 10,
    .backoff_max_ms = 160,
    .backoff_reset_ms = 100000,
    .refused_retry_ms = 100000,
    .retire_ms = 50,
    .linger_ms = 50,
    .settle_ms = 30,
    .half_open_ms = 100,
    .rebind_ms = 50,
    .start_delay_ms = 1000,
};

static int listen_on_loopback(guint16 *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *) &address, size), ==, 0);
    g_assert_cmpint(listen(fd, 64), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *) &address, &size), ==, 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

void node_init(Node *node, Pki *pki, const char *name)
{
    memset(node, 0, sizeof *node);
    node->name = name;
    pki_issue_host(pki, name);
    node->tls = link_fixture_tls(pki, name);
    node->listen_fd = listen_on_loopback(&node->port);
    node->config = (Config){
        .name = (char *) name,
        .listen_address = (char *) "",
        .poll_interval_ns = 64 * (guint64) NS_PER_S,
        .drift_bound_ppb = 100000,
        .max_links_per_peer = 2,
        .max_handshakes = 64,
        .peers = node->peer_configs,
    };
    guest_facts_init(&node->guest);
    host_facts_init(&node->facts);
    g_snprintf(node->facts.machine_id, sizeof node->facts.machine_id, "%08x%024x", g_str_hash(name), 1);
    FACT_SET(&node->facts, HOST_MACHINE_ID);
    node->clock_config = (TbClockConfig){ .simulated = TRUE, .frequency_hz = TB_FREQUENCY_POWER_HZ };
}

void node_add_peer(Node *node, const Node *other)
{
    g_assert_cmpuint(node->config.n_peers, <, NODE_PEERS_MAX);
    node->peer_configs[node->config.n_peers++] =
        (ConfigPeer){ .name = (char *) other->name, .address = (char *) "127.0.0.1", .port = other->port };
}

static const HostFacts *on_host_facts(void *data)
{
    return &((Node *) data)->facts;
}

static void on_find_guest(const char *peer_name, const char *uuid, sd_bus_message *call, void *data)
{
    Node *node = data;
    g_autoptr(GError) error = g_error_new_literal(TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "libvirt is away");
    GuestFacts guest;

    node->asked++;
    guest = node->guest;
    if (!FACT_KNOWN(&guest, GUEST_NAME))
        g_strlcpy(guest.name, node->name, sizeof guest.name);
    FACT_SET(&guest, GUEST_NAME);
    switch (node->answer) {
    case ANSWER_ROLE:
        link_service_reply_find(call, node->role, &guest);
        break;
    case ANSWER_ERROR:
        link_service_reply_error(call, error);
        break;
    case ANSWER_LATER:
        g_clear_pointer(&node->question, sd_bus_message_unref);
        node->question = sd_bus_message_ref(call);
        break;
    }
    sd_bus_message_unref(call);
}

static void on_list_guests(const char *peer_name, sd_bus_message *call, void *data)
{
    g_autoptr(GArray) guests = g_array_new(FALSE, FALSE, sizeof(GuestFacts));

    g_array_append_val(guests, ((Node *) data)->guest);
    link_service_reply_guests(call, guests);
    sd_bus_message_unref(call);
}

static Departure on_departure(const char *uuid, void *data)
{
    return ((Node *) data)->departure;
}

static void on_changed(Peer *peer, void *data)
{
    Node *node = data;

    node->changes++;
    for (guint i = 0; node->peers && i < peers_count(node->peers) && i < NODE_PEERS_MAX; i++) {
        PeerState state = peer_state(peers_nth(node->peers, i));

        if (node->states[i] == PEER_LINKED && state != PEER_LINKED)
            node->unlinked++;
        node->states[i] = state;
    }
}

void node_start(Node *node)
{
    g_autoptr(GError) error = NULL;
    PeersParams params = {
        .config = &node->config,
        .tls = node->tls,
        .ledger = node->ledger,
        .timing = node->default_timing ? NULL : node->timing ? node->timing : &test_timing,
        .reactor = node->reactor,
        .listen_fd = node->listen_fd < 0 ? -1 : dup(node->listen_fd),
        .host_facts = on_host_facts,
        .find_guest = on_find_guest,
        .departure = on_departure,
        .list_guests = on_list_guests,
        .changed = on_changed,
        .data = node,
    };

    memset(node->states, 0, sizeof node->states);
    node->clock = tb_clock_new(&node->clock_config, &error);
    g_assert_no_error(error);
    params.clock = node->clock;
    node->peers = peers_new(&params, &error);
    g_assert_no_error(error);
}

void node_stop(Node *node)
{
    g_clear_pointer(&node->peers, peers_free);
    g_clear_pointer(&node->clock, tb_clock_free);
    g_clear_pointer(&node->question, sd_bus_message_unref);
}

void node_close(Node *node)
{
    node_stop(node);
    if (node->listen_fd >= 0)
        close(node->listen_fd);
    node->listen_fd = -1;
}

/* All that was left to the loop is done, so that a leak is one. */
void node_clear(Node *node)
{
    node_close(node);
    g_clear_pointer(&node->tls, link_tls_unref);
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

Peer *node_peer(Node *node, const char *name)
{
    Peer *peer = peers_by_name(node->peers, name);

    g_assert_nonnull(peer);
    return peer;
}

gboolean node_is_linked(Node *node, const char *name)
{
    return peer_state(node_peer(node, name)) == PEER_LINKED;
}

/* ---- three of them, and a search ---- */

void trio_init(Trio *trio)
{
    trio->pki = pki_new("fleet");
    pki_revoke(trio->pki, NULL);
    node_init(&trio->alpha, trio->pki, "alpha");
    node_init(&trio->beta, trio->pki, "beta");
    node_init(&trio->gamma, trio->pki, "gamma");
    node_add_peer(&trio->alpha, &trio->beta);
    node_add_peer(&trio->alpha, &trio->gamma);
    node_add_peer(&trio->beta, &trio->alpha);
    node_add_peer(&trio->gamma, &trio->alpha);
}

void trio_start(Trio *trio)
{
    node_start(&trio->alpha);
    node_start(&trio->beta);
    node_start(&trio->gamma);
    WAIT_UNTIL(node_is_linked(&trio->alpha, "beta") && node_is_linked(&trio->alpha, "gamma"));
}

void trio_clear(Trio *trio)
{
    node_clear(&trio->alpha);
    node_clear(&trio->beta);
    node_clear(&trio->gamma);
    g_clear_pointer(&trio->pki, pki_free);
}

void keep_result(GObject *source, GAsyncResult *result, void *data)
{
    *(GAsyncResult **) data = g_object_ref(result);
}

PeersFound *node_find_finish(Node *node, GAsyncResult **result, GError **error)
{
    PeersFound *found;

    WAIT_UNTIL(*result);
    found = peers_find_guest_finish(node->peers, *result, error);
    g_clear_object(result);
    return found;
}

PeersFound *node_find(Node *node, guint deadline_ms)
{
    g_autoptr(GError) error = NULL;
    GAsyncResult *result = NULL;
    PeersFound *found;

    peers_find_guest_async(node->peers, NODE_GUEST_UUID, deadline_ms, NULL, keep_result, &result);
    g_assert_null(result); /* never from inside the call */
    found = node_find_finish(node, &result, &error);
    g_assert_no_error(error);
    return found;
}

/* ---- a peer that misbehaves ---- */

static int fake_append_hello(sd_bus_message *message, Fake *fake)
{
    int r = sd_bus_message_append(message, "us", fake->version, fake->facts.name);

    return r < 0 ? r : sd_variant_append(message, host_facts_to_variant(&fake->facts));
}

static int on_fake_hello(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    Fake *fake = data;
    sd_bus_message *reply = NULL;
    int r;

    fake->hellos++;
    if (fake->mute_hello)
        return 1;
    g_assert_cmpint(sd_bus_message_new_method_return(call, &reply), >=, 0);
    g_assert_cmpint(fake_append_hello(reply, fake), >=, 0);
    r = sd_bus_message_send(reply);
    sd_bus_message_unref(reply);
    return r;
}

static int on_fake_exchange(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    Fake *fake = data;
    guint64 tb = tb_clock_read_tb(fake->clock).raw;

    fake->exchanges++;
    if (fake->mute_exchange)
        return 1;
    if (fake->deny_exchange)
        return sd_bus_error_set(ret_error, "org.tbsyncd1.Error.Denied", "too often");
    return sd_bus_reply_method_return(call, "txtx", tb, tb_clock_real_ns(), tb, tb_clock_real_ns());
}

static const sd_bus_vtable fake_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Hello", "usa{sv}", "usa{sv}", on_fake_hello, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Exchange", "", "txtx", on_fake_exchange, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static const char *on_fake_authorise(Link *link, const char *const *names, void *data)
{
    return names[0];
}

static void on_fake_up(Link *link, void *data)
{
    Fake *fake = data;

    fake->up = TRUE;
    g_assert_cmpint(sd_bus_add_object_vtable(link_bus(link), NULL, LINK_OBJECT_PATH, LINK_INTERFACE, fake_vtable, fake),
                    >=, 0);
}

static int on_fake_hello_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Fake *fake = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    fake->greeted = !error;
    if (error) {
        fake->hello_error = g_strdup(error->name);
        fake->hello_message = g_strdup(error->message);
    }
    return 1;
}

static void on_fake_started(Link *link, void *data)
{
    Fake *fake = data;
    sd_bus_message *call = NULL;

    if (fake->accept_only)
        return;
    g_assert_cmpint(sd_bus_message_new_method_call(link_bus(link), &call, NULL, LINK_OBJECT_PATH, LINK_INTERFACE,
                                                   "Hello"), >=, 0);
    g_assert_cmpint(fake_append_hello(call, fake), >=, 0);
    g_assert_cmpint(sd_bus_call_async(link_bus(link), NULL, call, on_fake_hello_answer, fake, 0), >=, 0);
    sd_bus_message_unref(call);
}

static void on_fake_closed(Link *link, const GError *error, void *data)
{
    Fake *fake = data;

    fake->closed = TRUE;
    fake->error = g_error_copy(error);
}

static const LinkCallbacks fake_callbacks = {
    .authorise = on_fake_authorise,
    .up = on_fake_up,
    .started = on_fake_started,
    .closed = on_fake_closed,
};

void fake_init(Fake *fake, Pki *pki, const char *file, const char *name)
{
    TbClockConfig config = { .simulated = TRUE, .frequency_hz = TB_FREQUENCY_POWER_HZ };
    g_autoptr(GError) error = NULL;

    memset(fake, 0, sizeof *fake);
    fake->tls = link_fixture_tls(pki, file);
    fake->clock = tb_clock_new(&config, &error);
    g_assert_no_error(error);
    fake->version = LINK_PROTOCOL_VERSION;
    host_facts_init(&fake->facts);
    g_strlcpy(fake->facts.name, name, sizeof fake->facts.name);
    fake->facts.simulated = true;
    fake->facts.timebase_hz = TB_FREQUENCY_POWER_HZ;
    FACT_SET(&fake->facts, HOST_NAME);
    FACT_SET(&fake->facts, HOST_SIMULATED);
    FACT_SET(&fake->facts, HOST_TIMEBASE_HZ);
}

void fake_dial(Fake *fake, const Node *node)
{
    LinkParams params = { .tls = fake->tls, .callbacks = &fake_callbacks, .data = fake };

    fake->link = link_dial("127.0.0.1", node->port, node->name, &params);
}

void fake_clear(Fake *fake)
{
    g_clear_pointer(&fake->link, link_free);
    g_clear_pointer(&fake->tls, link_tls_unref);
    g_clear_pointer(&fake->clock, tb_clock_free);
    g_clear_error(&fake->error);
    g_clear_pointer(&fake->hello_error, g_free);
    g_clear_pointer(&fake->hello_message, g_free);
}
