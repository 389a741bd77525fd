/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.tbsyncd1.Migration: one object for each of the newest records of the ledger.
 *
 * The ledger tells of each record that it stores. What the bus shows of it is kept here, so that nobody who asks for all objects
 * makes us read files, and so that only what differs is signalled. Records of before the start are read when somebody asks for the
 * first time: reading them takes longer than a start and a first verdict may.
 */
#include "bus-private.h"

#include <string.h>

#include "json-text.h"
#include "sd-variant.h"

#define INTERFACE "org.tbsyncd1.Migration"
#define PREFIX    BUS_ROOT "/migration"

typedef struct Migration {
    char *id;
    gboolean open;       /* more is to come of it */
    GVariant *properties; /* a{sv}: all of them, by name */
} Migration;

struct BusMigrations {
    Ledger *ledger;
    BusObjects *objects;
    GPtrArray *migrations; /* of Migration, oldest first */
    gboolean loaded;       /* those of before the start are among them */
};

/* Those whose changes are signalled. */
static const char *const changing[] = { "State", "Plan", "Audit", "LastEventRealNSec" };

static void migration_free(void *data)
{
    Migration *migration = data;

    g_free(migration->id);
    g_variant_unref(migration->properties);
    g_free(migration);
}

/* ---- a record as properties ---- */

static const char *member_string(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    const char *text = node && json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : "";

    return g_utf8_validate(text, -1, NULL) ? text : "";
}

static gint64 member_int(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && json_node_get_value_type(node) == G_TYPE_INT64 ? json_node_get_int(node) : 0;
}

static JsonArray *member_array(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

/* Numbers, words and booleans of an object; what else it holds is left out. */
static GVariant *scalars_to_variant(JsonNode *node)
{
    GVariantBuilder dict;
    JsonObjectIter iter;
    const char *name;
    JsonNode *member;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (!node || !JSON_NODE_HOLDS_OBJECT(node))
        return g_variant_builder_end(&dict);
    json_object_iter_init_ordered(&iter, json_node_get_object(node));
    while (json_object_iter_next_ordered(&iter, &name, &member)) {
        GType type = json_node_get_value_type(member);

        if (type == G_TYPE_INT64)
            g_variant_builder_add(&dict, "{sv}", name, g_variant_new_int64(json_node_get_int(member)));
        else if (type == G_TYPE_BOOLEAN)
            g_variant_builder_add(&dict, "{sv}", name, g_variant_new_boolean(json_node_get_boolean(member)));
        else if (type == G_TYPE_STRING && g_utf8_validate(json_node_get_string(member), -1, NULL))
            g_variant_builder_add(&dict, "{sv}", name, g_variant_new_string(json_node_get_string(member)));
    }
    return g_variant_builder_end(&dict);
}

static GVariant *findings_to_variant(JsonArray *findings)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; findings && i < json_array_get_length(findings); i++)
        g_variant_builder_add_value(&list, scalars_to_variant(json_array_get_element(findings, i)));
    return g_variant_builder_end(&list);
}

static gint64 last_event_real_ns(JsonArray *events)
{
    guint n = events ? json_array_get_length(events) : 0;
    JsonNode *last = n > 0 ? json_array_get_element(events, n - 1) : NULL;

    return last && JSON_NODE_HOLDS_OBJECT(last) ? member_int(json_node_get_object(last), "seen_real_ns") : 0;
}

/* The record of the start may be of anybody's making: what is missing or of another type is shown as unknown. */
static Migration *migration_new(const char *id, JsonObject *record)
{
    static const char *const words[][2] = { { "Guest", "name" },          { "GuestUuid", "uuid" },
                                            { "Source", "source" },       { "Destination", "destination" },
                                            { "Decision", "decision" },   { "State", "state" } };
    Migration *self = g_new0(Migration, 1);
    const char *state = member_string(record, "state");
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "Id", "s", id);
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        g_variant_dict_insert(&dict, words[i][0], "s", member_string(record, words[i][1]));
    g_variant_dict_insert_value(&dict, "Findings", findings_to_variant(member_array(record, "findings")));
    g_variant_dict_insert_value(&dict, "Plan", scalars_to_variant(json_object_get_member(record, "plan")));
    g_variant_dict_insert_value(&dict, "Audit", scalars_to_variant(json_object_get_member(record, "audit")));
    g_variant_dict_insert(&dict, "AskedRealNSec", "x", member_int(record, "asked_real_ns"));
    g_variant_dict_insert(&dict, "DecidedRealNSec", "x", member_int(record, "decided_real_ns"));
    g_variant_dict_insert(&dict, "LastEventRealNSec", "x", last_event_real_ns(member_array(record, "events")));
    self->id = g_strdup(id);
    self->open = strcmp(state, "planned") == 0 || strcmp(state, "arriving") == 0;
    self->properties = g_variant_ref_sink(g_variant_dict_end(&dict));
    return self;
}

/* ---- signals ---- */

static void emit_changes(const BusMigrations *self, const Migration *before, const Migration *now)
{
    const char *names[G_N_ELEMENTS(changing) + 1] = { NULL };
    guint n = 0;

    for (guint i = 0; i < G_N_ELEMENTS(changing); i++) {
        g_autoptr(GVariant) a = g_variant_lookup_value(before->properties, changing[i], NULL);
        g_autoptr(GVariant) b = g_variant_lookup_value(now->properties, changing[i], NULL);

        if (!g_variant_equal(a, b))
            names[n++] = changing[i];
    }
    bus_objects_changed(self->objects, now->id, names);
}

/* ---- which ones there are ---- */

/* Where `id` stands or belongs. */
static guint position(const BusMigrations *self, const char *id, gboolean *ret_found)
{
    guint at = self->migrations->len;
    int order = 1;

    while (at > 0 && (order = ledger_compare_ids(((Migration *)self->migrations->pdata[at - 1])->id, id)) > 0)
        at--;
    *ret_found = at > 0 && order == 0;
    return *ret_found ? at - 1 : at;
}

static void drop(BusMigrations *self, guint at)
{
    Migration *gone = g_ptr_array_steal_index(self->migrations, at);

    bus_objects_removed(self->objects, gone->id);
    migration_free(gone);
}

/* The oldest one that is over; or the oldest, if all are under way. */
static void make_place(BusMigrations *self)
{
    guint at = 0;

    if (self->migrations->len < BUS_MIGRATIONS_MAX)
        return;
    while (at < self->migrations->len && ((Migration *)self->migrations->pdata[at])->open)
        at++;
    drop(self, at < self->migrations->len ? at : 0);
}

static void put(BusMigrations *self, const char *id, JsonObject *record)
{
    Migration *now = migration_new(id, record), *before;
    gboolean found;
    guint at = position(self, id, &found);

    if (!found) {
        make_place(self);
        at = position(self, id, &found);
        g_ptr_array_insert(self->migrations, (int)at, now);
        bus_objects_added(self->objects, id);
        return;
    }
    before = self->migrations->pdata[at];
    self->migrations->pdata[at] = now;
    emit_changes(self, before, now);
    migration_free(before);
}

static void on_record(const char *id, JsonObject *record, void *data)
{
    BusMigrations *self = data;
    gboolean found;
    guint at;

    if (record) {
        put(self, id, record);
        return;
    }
    at = position(self, id, &found);
    if (found)
        drop(self, at);
}

/* The newest first, as many as there is place for beside those that were told of. Nothing is signalled: they were there all the time. */
static void load_once(BusMigrations *self)
{
    g_autoptr(GPtrArray) ids = self->loaded ? g_ptr_array_new() : ledger_ids(self->ledger, BUS_MIGRATIONS_MAX);
    g_autoptr(JsonParser) parser = json_parser_new();

    self->loaded = TRUE;
    for (guint i = 0; i < ids->len && self->migrations->len < BUS_MIGRATIONS_MAX; i++) {
        gboolean found;
        guint at = position(self, ids->pdata[i], &found);
        g_autofree char *text = found ? NULL : ledger_get(self->ledger, ids->pdata[i], NULL);
        JsonObject *record = text ? json_text_parse_object(parser, text, strlen(text), NULL) : NULL;

        if (record)
            g_ptr_array_insert(self->migrations, (int)at, migration_new(ids->pdata[i], record));
    }
}

/* ---- objects ---- */

static int on_get(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *data,
                  sd_bus_error *e)
{
    const Migration *migration = data;
    g_autoptr(GVariant) value = g_variant_lookup_value(migration->properties, property, NULL);

    return value ? sd_variant_append(reply, value) : -ENOENT;
}

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Id", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Guest", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("GuestUuid", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Source", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Destination", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Decision", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Findings", "aa{sv}", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("AskedRealNSec", "x", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("DecidedRealNSec", "x", on_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Plan", "a{sv}", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Audit", "a{sv}", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("LastEventRealNSec", "x", on_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_VTABLE_END,
};

static void *find_migration(void *owner, const char *id)
{
    BusMigrations *self = owner;
    gboolean found;
    guint at = position(self, id, &found);

    if (!found) { /* what was just stored is found, and signalled without reading anything */
        load_once(self);
        at = position(self, id, &found);
    }
    return found ? self->migrations->pdata[at] : NULL;
}

static guint count_migrations(void *owner)
{
    load_once(owner);
    return ((BusMigrations *)owner)->migrations->len;
}

static const char *nth_id(void *owner, guint n)
{
    return ((Migration *)((BusMigrations *)owner)->migrations->pdata[n])->id;
}

static const BusKind kind = { PREFIX, INTERFACE, vtable, find_migration, count_migrations, nth_id };

/* ---- life cycle ---- */

BusMigrations *bus_migrations_new(Ledger *ledger)
{
    BusMigrations *self = g_new0(BusMigrations, 1);

    self->ledger = ledger;
    self->objects = bus_objects_new(&kind, self);
    self->migrations = g_ptr_array_new_with_free_func(migration_free);
    ledger_watch(ledger, on_record, self);
    return self;
}

void bus_migrations_free(BusMigrations *self)
{
    if (!self)
        return;
    ledger_watch(self->ledger, NULL, NULL);
    g_ptr_array_unref(self->migrations);
    bus_objects_free(self->objects);
    g_free(self);
}

int bus_migrations_add(BusMigrations *self, sd_bus *bus)
{
    return bus_objects_add(self->objects, bus);
}

void bus_migrations_leave(BusMigrations *self)
{
    bus_objects_leave(self->objects);
}
