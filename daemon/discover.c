/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover.h"

#include <string.h>

#include "config-keys.h"

/* Twice what libc gives one name server, attempts included. */
#define LOOKUP_DEADLINE_MS 20000u
#define RETRY_FIRST_MS 1000u
#define FOREIGN_SHOWN 3u

struct Discover {
    DiscoverParams params;
    GResolver *resolver;
    GArray *peers; /* of ConfigPeer */
    char *error, *foreign;
    GCancellable *lookup; /* (nullable) under way */
    guint deadline_timer, next_timer;
    guint retry_ms;
};

/* ---- what the targets mean ---- */

/* "_tbsyncd._tcp.example.org" -> "example.org"; the configuration lets nothing else pass. */
static const char *service_domain(const char *service)
{
    return strchr(strchr(service, '.') + 1, '.') + 1;
}

static gboolean is_within(const char *name, const char *domain)
{
    gsize length = strlen(name), end = strlen(domain);

    return length >= end && g_ascii_strcasecmp(name + length - end, domain) == 0 &&
           (length == end || name[length - end - 1] == '.');
}

/* The root, "." in the zone: no such service here. libresolv makes an empty name of it. */
static gboolean is_root(const char *target)
{
    return target[0] == '\0' || g_str_equal(target, ".");
}

static void add_foreign(GString *foreign, guint count, const char *name)
{
    g_autofree char *shown = g_strescape(name, NULL);

    if (count < FOREIGN_SHOWN)
        g_string_append_printf(foreign, "%s%.80s", count > 0 ? ", " : "", shown);
    else if (count == FOREIGN_SHOWN)
        g_string_append(foreign, " and more");
}

static void clear_peer(void *data)
{
    ConfigPeer *peer = data;

    g_free(peer->name);
    g_free(peer->address);
}

static GArray *peers_array_new(void)
{
    GArray *peers = g_array_new(FALSE, FALSE, sizeof(ConfigPeer));

    g_array_set_clear_func(peers, clear_peer);
    return peers;
}

/* In the order in which the first of several records for one name counts. */
static int compare_targets(gconstpointer a, gconstpointer b)
{
    GSrvTarget *one = (GSrvTarget *) a, *other = (GSrvTarget *) b;
    int names = g_ascii_strcasecmp(g_srv_target_get_hostname(one), g_srv_target_get_hostname(other));
    int first = g_srv_target_get_priority(one) - g_srv_target_get_priority(other);

    return names != 0 ? names : first != 0 ? first : g_srv_target_get_port(one) - g_srv_target_get_port(other);
}

static gboolean has_last(const GArray *peers, const char *name)
{
    return peers->len > 0 && g_str_equal(g_array_index(peers, ConfigPeer, peers->len - 1).name, name);
}

GArray *discover_read(const char *service, const char *own_name, GList *targets, char **ret_foreign)
{
    g_autoptr(GList) sorted = g_list_sort(g_list_copy(targets), compare_targets);
    GString *foreign = g_string_new(NULL);
    GArray *peers = peers_array_new();
    guint n_foreign = 0;

    for (GList *l = sorted; l && peers->len < DISCOVER_PEERS_MAX; l = l->next) {
        const char *target = g_srv_target_get_hostname(l->data);
        g_autofree char *name = g_ascii_strdown(target, -1);
        guint16 port = g_srv_target_get_port(l->data);

        if (is_root(target) || g_ascii_strcasecmp(name, own_name) == 0 || has_last(peers, name))
            continue;
        if (port == 0 || !config_name_is_valid(name) || !is_within(name, service_domain(service))) {
            add_foreign(foreign, n_foreign++, target);
            continue;
        }
        g_array_append_val(peers, ((ConfigPeer){ .name = g_strdup(name), .address = g_strdup(name), .port = port }));
    }
    *ret_foreign = g_string_free(foreign, n_foreign == 0);
    return peers;
}

static gboolean same_peers(const GArray *a, const GArray *b)
{
    if (a->len != b->len)
        return FALSE;
    for (guint i = 0; i < a->len; i++) {
        const ConfigPeer *one = &g_array_index(a, ConfigPeer, i), *other = &g_array_index(b, ConfigPeer, i);

        if (one->port != other->port || !g_str_equal(one->name, other->name))
            return FALSE;
    }
    return TRUE;
}

/* ---- over a restart ---- */

static void keep(const Discover *self)
{
    g_autoptr(JsonObject) object = json_object_new();
    JsonArray *peers = json_array_new();

    if (!self->params.ledger)
        return;
    for (guint i = 0; i < self->peers->len; i++) {
        const ConfigPeer *peer = &g_array_index(self->peers, ConfigPeer, i);
        JsonObject *member = json_object_new();

        json_object_set_string_member(member, "name", peer->name);
        json_object_set_int_member(member, "port", peer->port);
        json_array_add_object_element(peers, member);
    }
    json_object_set_string_member(object, "service", self->params.config->discover);
    json_object_set_array_member(object, "peers", peers);
    ledger_put_discovered(self->params.ledger, object);
}

/* (nullable): whatever else stands there is no target. */
static GSrvTarget *read_target(JsonNode *node)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonNode *name = object ? json_object_get_member(object, "name") : NULL;
    JsonNode *port = object ? json_object_get_member(object, "port") : NULL;

    if (!name || json_node_get_value_type(name) != G_TYPE_STRING || !port ||
        json_node_get_value_type(port) != G_TYPE_INT64 || json_node_get_int(port) < 1 || json_node_get_int(port) > 65535)
        return NULL;
    return g_srv_target_new(json_node_get_string(name), (guint16) json_node_get_int(port), 0, 0);
}

/* The file goes the way of an answer: what a record could not say, it cannot either. */
static GArray *recall(const Discover *self)
{
    const Config *config = self->params.config;
    g_autoptr(JsonObject) object = self->params.ledger ? ledger_get_discovered(self->params.ledger) : NULL;
    JsonNode *service = object ? json_object_get_member(object, "service") : NULL;
    JsonNode *peers = object ? json_object_get_member(object, "peers") : NULL;
    g_autofree char *foreign = NULL;
    GList *targets = NULL;
    GArray *read;

    if (!service || json_node_get_value_type(service) != G_TYPE_STRING ||
        !g_str_equal(json_node_get_string(service), config->discover) || !peers || !JSON_NODE_HOLDS_ARRAY(peers))
        return peers_array_new();
    for (guint i = 0; i < json_array_get_length(json_node_get_array(peers)); i++) {
        GSrvTarget *target = read_target(json_array_get_element(json_node_get_array(peers), i));

        if (target)
            targets = g_list_prepend(targets, target);
    }
    read = discover_read(config->discover, config->name, targets, &foreign);
    g_resolver_free_targets(targets);
    return read;
}

/* ---- lookups ---- */

static void begin_lookup(Discover *self);

static gboolean on_next_timer(void *data)
{
    Discover *self = data;

    self->next_timer = 0;
    begin_lookup(self);
    return G_SOURCE_REMOVE;
}

static void schedule(Discover *self)
{
    guint64 interval_ms = self->params.config->discover_interval_ns / (NS_PER_S / 1000);
    guint64 wait_ms = self->error ? MIN(self->retry_ms, interval_ms) : interval_ms;

    self->retry_ms = self->error ? (guint) MIN(self->retry_ms * (guint64) 2, interval_ms) : RETRY_FIRST_MS;
    /* a fleet that was started at once need not ask at once for ever */
    self->next_timer = g_timeout_add((guint) ((double) wait_ms * g_random_double_range(0.9, 1.1)), on_next_timer, self);
}

/* TRUE if it is another one. */
static gboolean set_text(char **member, char *text)
{
    gboolean other = g_strcmp0(*member, text) != 0;

    g_free(*member);
    *member = text;
    return other;
}

static void take_failure(Discover *self, char *reason)
{
    if (set_text(&self->error, reason))
        self->params.changed(self->params.data);
}

static void take_answer(Discover *self, GList *targets)
{
    const Config *config = self->params.config;
    char *foreign = NULL;
    g_autoptr(GArray) other = discover_read(config->discover, config->name, targets, &foreign);
    gboolean changed = !same_peers(other, self->peers);

    /* what is the same stays in place: it is lent */
    if (changed) {
        GArray *before = self->peers;

        self->peers = g_steal_pointer(&other);
        other = before; /* until `changed` has returned */
        keep(self);
    }
    changed = set_text(&self->error, NULL) || changed;
    changed = set_text(&self->foreign, foreign) || changed;
    if (changed)
        self->params.changed(self->params.data);
}

static void end_lookup(Discover *self)
{
    g_clear_handle_id(&self->deadline_timer, g_source_remove);
    g_clear_object(&self->lookup);
}

static void on_lookup(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GError) error = NULL;
    GList *targets = g_resolver_lookup_service_finish(G_RESOLVER(source), result, &error);
    Discover *self = data;

    /* by discover_free() or discover_reload(), or at the deadline: then it is dealt with already */
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    end_lookup(self);
    if (error)
        take_failure(self, g_strdup(error->message));
    else
        take_answer(self, targets);
    g_resolver_free_targets(targets);
    schedule(self);
}

static void abandon_lookup(Discover *self)
{
    if (self->lookup)
        g_cancellable_cancel(self->lookup);
    end_lookup(self);
}

static gboolean on_deadline(void *data)
{
    Discover *self = data;

    self->deadline_timer = 0;
    abandon_lookup(self);
    take_failure(self, g_strdup("no name server has answered in time"));
    schedule(self);
    return G_SOURCE_REMOVE;
}

static gboolean is_wanted(const Discover *self)
{
    return self->params.config->discover && *self->params.config->discover;
}

static void begin_lookup(Discover *self)
{
    g_auto(GStrv) parts = NULL;

    if (!is_wanted(self))
        return;
    parts = g_strsplit(self->params.config->discover, ".", 3);
    self->lookup = g_cancellable_new();
    self->deadline_timer = g_timeout_add(self->params.deadline_ms, on_deadline, self);
    /* without the underlines, which it sets itself */
    g_resolver_lookup_service_async(self->resolver, parts[0] + 1, parts[1] + 1, parts[2], self->lookup, on_lookup, self);
}

/* ---- life cycle ---- */

Discover *discover_new(const DiscoverParams *params)
{
    Discover *self = g_new0(Discover, 1);

    self->params = *params;
    if (self->params.deadline_ms == 0)
        self->params.deadline_ms = LOOKUP_DEADLINE_MS;
    self->resolver = params->resolver ? g_object_ref(params->resolver) : g_resolver_get_default();
    self->retry_ms = RETRY_FIRST_MS;
    self->peers = is_wanted(self) ? recall(self) : peers_array_new();
    begin_lookup(self);
    return self;
}

void discover_free(Discover *self)
{
    if (!self)
        return;
    abandon_lookup(self);
    g_clear_handle_id(&self->next_timer, g_source_remove);
    g_array_unref(self->peers);
    g_object_unref(self->resolver);
    g_free(self->error);
    g_free(self->foreign);
    g_free(self);
}

void discover_reload(Discover *self, const Config *config)
{
    gboolean same = g_strcmp0(config->discover, self->params.config->discover) == 0 &&
                    g_strcmp0(config->name, self->params.config->name) == 0;

    abandon_lookup(self);
    g_clear_handle_id(&self->next_timer, g_source_remove);
    self->params.config = config;
    self->retry_ms = RETRY_FIRST_MS;
    if (!same) {
        g_autoptr(GArray) before = self->peers;

        self->peers = is_wanted(self) ? recall(self) : peers_array_new();
        g_clear_pointer(&self->error, g_free);
        g_clear_pointer(&self->foreign, g_free);
        self->params.changed(self->params.data);
    }
    begin_lookup(self);
}

const ConfigPeer *discover_peers(const Discover *self, gsize *ret_count)
{
    *ret_count = self->peers->len;
    return self->peers->len > 0 ? &g_array_index(self->peers, ConfigPeer, 0) : NULL;
}

const char *discover_error(const Discover *self)
{
    return self->error;
}

const char *discover_foreign(const Discover *self)
{
    return self->foreign;
}
