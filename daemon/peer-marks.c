/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which guests who has, told in advance and whenever it changes. */
#include "peers-private.h"

void peer_tell_marks(Peer *self)
{
    int r;

    if (!self->current)
        return;
    r = link_tell_guests(link_bus(self->current->link), self->peers->marks);
    if (r < 0) /* it does not know less than nothing: it asks us */
        g_debug("peer %s: cannot tell which guests are here: %s", self->name, g_strerror(-r));
}

void peers_tell_guests(Peers *self, GuestMarks *marks)
{
    guest_marks_free(self->marks);
    self->marks = marks;
    for (guint i = 0; i < self->peers->len; i++)
        peer_tell_marks(g_ptr_array_index(self->peers, i));
}

void peer_take_marks(Peer *self, GuestMarks *marks)
{
    guest_marks_free(self->marks);
    self->marks = marks;
}
