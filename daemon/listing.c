/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listing.h"

#include "error.h"

/* Less than what a peer grants its ListGuests. */
#define LIST_DEADLINE_MS 3000

struct Listing {
    Guests *guests;
    GPtrArray *waiting; /* of sd_bus_message; not empty: a listing is under way */
    GCancellable *cancellable;
};

/* What a listing under way refers to: the Listing may be gone when it ends. */
typedef struct Round {
    Listing *listing; /* not to be touched once `cancellable` is cancelled */
    GCancellable *cancellable;
} Round;

static void message_unref(void *message)
{
    sd_bus_message_unref(message);
}

Listing *listing_new(Guests *guests)
{
    Listing *self = g_new0(Listing, 1);

    self->guests = guests;
    self->waiting = g_ptr_array_new_with_free_func(message_unref);
    self->cancellable = g_cancellable_new();
    return self;
}

/* guests: (nullable), then error. */
static void answer_all(Listing *self, const GArray *guests, const GError *error)
{
    for (guint i = 0; i < self->waiting->len; i++) {
        if (guests)
            link_service_reply_guests(self->waiting->pdata[i], guests);
        else
            link_service_reply_error(self->waiting->pdata[i], error);
    }
    g_ptr_array_set_size(self->waiting, 0);
}

void listing_free(Listing *self)
{
    g_autoptr(GError) error = NULL;

    if (!self)
        return;
    error = g_error_new_literal(TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "tbsyncd is ending");
    answer_all(self, NULL, error);
    g_cancellable_cancel(self->cancellable);
    g_object_unref(self->cancellable);
    g_ptr_array_unref(self->waiting);
    g_free(self);
}

static void on_listed(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree Round *round = data;
    g_autoptr(GCancellable) cancellable = round->cancellable;
    gboolean over = g_cancellable_is_cancelled(cancellable);
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) guests = guests_list_finish(over ? NULL : round->listing->guests, result, &error);

    if (!over)
        answer_all(round->listing, guests, error);
}

void listing_answer(Listing *self, sd_bus_message *call)
{
    Round *round;

    if (self->waiting->len >= LISTING_WAITING_MAX) {
        g_autoptr(GError) error = g_error_new_literal(TBSYNC_ERROR, TBSYNC_ERROR_DENIED, "too many ask for the guests of this host");

        link_service_reply_error(call, error);
        sd_bus_message_unref(call);
        return;
    }
    g_ptr_array_add(self->waiting, call);
    if (self->waiting->len > 1)
        return;
    round = g_new0(Round, 1);
    round->listing = self;
    round->cancellable = g_object_ref(self->cancellable);
    guests_list_async(self->guests, LIST_DEADLINE_MS, self->cancellable, on_listed, round);
}
