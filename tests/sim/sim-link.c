/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim.h"

static int64_t delay(const SimLink *link, int64_t least_ns)
{
    int64_t ns = least_ns;

    if (link->script->jitter_ns > 0)
        ns += sim_random_range(link->random, 0, link->script->jitter_ns);
    if (sim_random_range(link->random, 0, 100) < link->script->tail_percent)
        ns += (int64_t)sim_random_exponential(link->random, (double)link->script->tail_ns);
    return ns;
}

bool sim_link_exchange(const SimLink *link, int64_t sent_ns, SimExchange *ret)
{
    int64_t received = sent_ns + delay(link, link->script->forward_ns);
    int64_t replied = received + sim_random_range(link->random, 1000, link->script->turnaround_ns + 1001);
    int64_t done = replied + delay(link, link->script->back_ns);

    *ret = (SimExchange){ .sent_ns = sent_ns, .done_ns = done };
    ret->stamps = (Exchange){ .l1 = sim_host_read_tb(link->local, sent_ns),
                              .r2 = sim_host_read_tb(link->remote, received),
                              .r3 = sim_host_read_tb(link->remote, replied),
                              .l4 = sim_host_read_tb(link->local, done),
                              .has_tod = true,
                              .tod_l1 = sim_host_read_tod(link->local, sent_ns),
                              .tod_r2 = sim_host_read_tod(link->remote, received),
                              .tod_r3 = sim_host_read_tod(link->remote, replied),
                              .tod_l4 = sim_host_read_tod(link->local, done) };
    return sim_random_range(link->random, 0, 100) >= link->script->loss_percent;
}
