/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One real tbsyncd process on a bus of its own, told of N peers on loopback, for bench-load.c. */

#include "peers-fixture.h"

#include <sys/types.h>

typedef struct Hub {
    char *directory; /* bus, configuration, records: in memory if the machine lets us */
    Pki *pki;
    const char *tbsyncd;
    guint16 port;
    const char *libvirt_uri; /* (nullable) none */
    pid_t bus_pid, pid;
    sd_bus *bus; /* attached to the default context */
    GSource *source;
} Hub;

void hub_init(Hub *hub, Pki *pki, const char *tbsyncd);
void hub_write_config(const Hub *hub, const Node *nodes, guint n, guint poll_s);
void hub_start(Hub *hub);
void hub_kill(Hub *hub);
void hub_clear(Hub *hub);

/* Another process on the same bus; returns its pid. */
pid_t hub_spawn(const Hub *hub, const char *const *words);
/* From the loop, until somebody owns the name. */
void hub_await_name(const Hub *hub, const char *name);

guint64 hub_rss_kb(const Hub *hub);
double hub_cpu_ms(const Hub *hub);
/* Of its main thread: how long it could have run and got no processor. */
double hub_waited_ms(const Hub *hub);
/* How many of its peers have a sound relation. */
guint hub_count_sound(const Hub *hub);
/* Whether that peer has one that does not rest on what an earlier process measured. */
gboolean hub_is_fresh(const Hub *hub, const char *peer);

/* `count` questions at once for the guest of NODE_GUEST_UUID; waits for all. ret_ms: of each, in the order of the answers. */
void hub_ask(const Hub *hub, guint count, double *ret_ms);
/* One question. ret_stored: the answer says that it rests on a relation from before the start. Returns whether it is "allow". */
gboolean hub_ask_once(const Hub *hub, gboolean *ret_stored);
/* What its host would say of that guest, all known. */
void hub_describe_guest(GuestFacts *ret);
