/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which guests a host has, as it tells its peers in advance (TellGuests of the link), so that a hook asks those first that may have
 * its guest, and not a thousand others.
 *
 * A mark is 32 bits of a guest's UUID. Marks are a hint: they are of some moment before, and two guests may share one. They decide who
 * is asked first and nothing else. NULL stands for a host that did not tell, or cannot: it may have any guest.
 */

#include <glib.h>
#include <systemd/sd-bus.h>

/* A host with more guests tells none of them. */
#define GUEST_MARKS_MAX 4096

typedef struct GuestMarks GuestMarks; /* immutable */

/* uuids: `n` of them, in lower case with dashes. (transfer full) (nullable): too many */
GuestMarks *guest_marks_new(const char *const *uuids, gsize n);
void guest_marks_free(GuestMarks *marks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestMarks, guest_marks_free)

/* The first 32 bits of the SHA-256 of the UUID, as 36 characters in lower case. */
guint32 guest_mark(const char *uuid);

/* marks: (nullable) */
gboolean guest_marks_may_have(const GuestMarks *marks, guint32 mark);

/* "aub": the marks, ascending, and whether they are all. marks: (nullable). Negative errno on failure. */
int guest_marks_append(sd_bus_message *message, const GuestMarks *marks);

/* The same from a peer. *ret (transfer full) (nullable). -EBADMSG: malformed, or not ascending; -E2BIG: more than GUEST_MARKS_MAX. Costs
 * microseconds, whatever is sent. */
int guest_marks_read(sd_bus_message *message, GuestMarks **ret);
