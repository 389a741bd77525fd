/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "left-open.h"

#include <string.h>

#include "json-text.h"
#include "record.h"

struct LeftOpen {
    Ledger *ledger;
    GPtrArray *ids; /* of char*, oldest first */
    guint source;
};

/* Most records were closed: parsing them would be most of the work. */
static gboolean may_be_open(const char *text)
{
    return text && (strstr(text, "\"planned\"") || strstr(text, "\"arriving\""));
}

static void close_if_open(const LeftOpen *self, const char *id)
{
    g_autofree char *text = ledger_get(self->ledger, id, NULL);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *record = may_be_open(text) ? json_text_parse_object(parser, text, strlen(text), NULL) : NULL;
    JsonNode *member = record ? json_object_get_member(record, "state") : NULL;
    const char *state = member && JSON_NODE_HOLDS_VALUE(member) ? json_node_get_string(member) : NULL;

    /* NULL where it is no string */
    if (!state || (strcmp(state, "planned") != 0 && strcmp(state, "arriving") != 0))
        return;
    record_set_state(record, RECORD_INTERRUPTED);
    ledger_put_async(self->ledger, id, record, NULL, NULL);
}

static gboolean on_idle(void *data)
{
    LeftOpen *self = data;

    if (self->ids->len == 0) {
        self->source = 0;
        return G_SOURCE_REMOVE;
    }
    close_if_open(self, g_ptr_array_index(self->ids, self->ids->len - 1));
    g_ptr_array_remove_index(self->ids, self->ids->len - 1);
    return G_SOURCE_CONTINUE;
}

LeftOpen *left_open_new(Ledger *ledger, guint search)
{
    LeftOpen *self = g_new0(LeftOpen, 1);
    g_autoptr(GPtrArray) newest_first = ledger_ids(ledger, search);

    self->ledger = ledger;
    self->ids = g_ptr_array_new_with_free_func(g_free);
    while (newest_first->len > 0)
        g_ptr_array_add(self->ids, g_strdup(g_ptr_array_remove_index(newest_first, newest_first->len - 1)));
    self->source = g_idle_add_full(G_PRIORITY_LOW, on_idle, self, NULL);
    return self;
}

void left_open_free(LeftOpen *self)
{
    if (!self)
        return;
    g_clear_handle_id(&self->source, g_source_remove);
    g_ptr_array_unref(self->ids);
    g_free(self);
}
