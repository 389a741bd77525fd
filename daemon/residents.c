/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "residents.h"

#define LIST_DEADLINE_MS 10000

struct Residents {
    ResidentsParams params;
    GHashTable *uuids;
    gboolean known;      /* listed once */
    GHashTable *newer;   /* those that came while a listing was under way: it may not have seen them */
    gboolean listing;    /* under way */
    gboolean list_again; /* what is under way may have missed something */
    guint list_timer, tell_timer;
    GCancellable *cancellable;
};

/* What a listing under way refers to: the Residents may be gone when it ends. */
typedef struct Round {
    Residents *residents; /* not to be touched once `cancellable` is cancelled */
    GCancellable *cancellable;
} Round;

static void residents_list(Residents *self);

static GHashTable *uuid_set_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

Residents *residents_new(const ResidentsParams *params)
{
    Residents *self = g_new0(Residents, 1);

    self->params = *params;
    self->params.tell_ms = params->tell_ms ? params->tell_ms : 100;
    self->params.list_ms = params->list_ms ? params->list_ms : 1000;
    self->params.retry_ms = params->retry_ms ? params->retry_ms : 10000;
    self->uuids = uuid_set_new();
    self->newer = uuid_set_new();
    self->cancellable = g_cancellable_new();
    return self;
}

void residents_free(Residents *self)
{
    if (!self)
        return;
    g_cancellable_cancel(self->cancellable);
    g_object_unref(self->cancellable);
    g_clear_handle_id(&self->list_timer, g_source_remove);
    g_clear_handle_id(&self->tell_timer, g_source_remove);
    g_hash_table_unref(self->uuids);
    g_hash_table_unref(self->newer);
    g_free(self);
}

/* ---- telling ---- */

static gboolean on_tell_timer(void *data)
{
    Residents *self = data;
    guint n;
    g_autofree const char **uuids = (const char **) g_hash_table_get_keys_as_array(self->uuids, &n);

    self->tell_timer = 0;
    self->params.changed(uuids, n, self->params.data);
    return G_SOURCE_REMOVE;
}

static void residents_tell(Residents *self)
{
    if (self->known && self->tell_timer == 0)
        self->tell_timer = g_timeout_add(self->params.tell_ms, on_tell_timer, self);
}

/* ---- listing ---- */

static gboolean on_list_timer(void *data)
{
    Residents *self = data;

    self->list_timer = 0;
    residents_list(self);
    return G_SOURCE_REMOVE;
}

static void residents_list_in(Residents *self, guint ms)
{
    if (self->list_timer == 0)
        self->list_timer = g_timeout_add(ms, on_list_timer, self);
}

static gboolean has_all_of(GHashTable *set, GHashTable *other)
{
    GHashTableIter iter;
    void *uuid;

    g_hash_table_iter_init(&iter, other);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        if (!g_hash_table_contains(set, uuid))
            return FALSE;
    return TRUE;
}

static void residents_take(Residents *self, const char *const *listed)
{
    GHashTable *uuids = uuid_set_new();
    GHashTableIter iter;
    gboolean changed;
    void *uuid;

    for (gsize i = 0; listed[i]; i++)
        g_hash_table_add(uuids, g_strdup(listed[i]));
    g_hash_table_iter_init(&iter, self->newer);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        g_hash_table_add(uuids, g_strdup(uuid));
    changed = !self->known || g_hash_table_size(uuids) != g_hash_table_size(self->uuids) || !has_all_of(uuids, self->uuids);
    g_hash_table_unref(self->uuids);
    self->uuids = uuids;
    self->known = TRUE;
    if (changed)
        residents_tell(self);
}

static void on_listed(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree Round *round = data;
    g_autoptr(GCancellable) cancellable = round->cancellable;
    gboolean over = g_cancellable_is_cancelled(cancellable);
    Residents *self = round->residents;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) listed = guests_uuids_finish(over ? NULL : self->params.guests, result, &error);

    if (over)
        return;
    self->listing = FALSE;
    if (listed) {
        residents_take(self, (const char *const *) listed);
    } else {
        g_debug("cannot tell peers which guests are here: %s", error->message);
        residents_list_in(self, self->params.retry_ms);
    }
    if (self->list_again)
        residents_list_in(self, self->params.list_ms);
}

static void residents_list(Residents *self)
{
    Round *round;

    self->list_again = self->listing;
    if (self->listing)
        return;
    self->listing = TRUE;
    g_hash_table_remove_all(self->newer);
    round = g_new0(Round, 1);
    *round = (Round){ self, g_object_ref(self->cancellable) };
    guests_uuids_async(self->params.guests, LIST_DEADLINE_MS, self->cancellable, on_listed, round);
}

/* ---- events ---- */

static void residents_add(Residents *self, const char *uuid)
{
    if (self->listing)
        g_hash_table_add(self->newer, g_strdup(uuid));
    if (g_hash_table_add(self->uuids, g_strdup(uuid)))
        residents_tell(self);
}

void residents_event(Residents *self, const GuestEvent *event)
{
    switch (event->kind) {
    case GUEST_EVENT_DEFINED:
    case GUEST_EVENT_BOOTED:
    case GUEST_EVENT_INCOMING_STARTED:
        residents_add(self, event->uuid);
        break;
    case GUEST_EVENT_DEFINED_CHANGED:
        if (*event->uuid)
            residents_list_in(self, self->params.list_ms);
        else
            residents_list(self); /* libvirt is there (again) */
        break;
    case GUEST_EVENT_LEFT:
    case GUEST_EVENT_FAILED:
    case GUEST_EVENT_STOPPED:
        residents_list_in(self, self->params.list_ms);
        break;
    case GUEST_EVENT_STOPPED_CPUS:
    case GUEST_EVENT_RESUMED_CPUS:
    case GUEST_EVENT_SUSPENDED:
    case GUEST_EVENT_RESUMED_HERE:
    case GUEST_EVENT_QEMU_STOP:
    case GUEST_EVENT_QEMU_RESUME:
    case GUEST_EVENT_QEMU_MIGRATION:
    case GUEST_EVENT_REGISTERS_SYNCED:
    case GUEST_EVENT_SYNC_FAILED:
        break;
    }
}
