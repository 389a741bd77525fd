/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX 4

/* Blackouts as live migrations have them: 50 ms in the median, 300 ms for one in a hundred. */
#define BLACKOUT_MEDIAN_NS (50.0 * SIM_MS)
#define BLACKOUT_P99_NS    (300.0 * SIM_MS)

#define BURST     8
#define DRIFT_PPB 100000

typedef struct GuestWorld {
    SimRandom random;
    SimHost hosts[HOSTS_MAX];
    SimLinkScript links[HOSTS_MAX][HOSTS_MAX]; /* seen from the first; asymmetric, each in its own way */
    Relation relations[HOSTS_MAX][HOSTS_MAX];  /* second minus first */
    int on;
    int64_t offset_ticks;
    Interval ahead_ticks; /* its ledger */
    SimFixed ahead;       /* the truth */
    SimGuestResult result;
} GuestWorld;

/* A path may be longer one way than the other; it is the same path whoever asks. */
static void link_init(GuestWorld *world, int i, int j)
{
    SimLinkScript *link = &world->links[i][j], *reverse = &world->links[j][i];

    *link = (SimLinkScript){ .forward_ns = sim_random_range(&world->random, 700000, 900000),
                             .back_ns = sim_random_range(&world->random, 700000, 900000),
                             .jitter_ns = 600000,
                             .turnaround_ns = 50000 };
    *reverse = *link;
    reverse->forward_ns = link->back_ns;
    reverse->back_ns = link->forward_ns;
}

static void world_init(GuestWorld *world, uint64_t seed, int hosts)
{
    SimClockScript clocks = { .wander = SIM_WANDER_WALK, .rate_ppb = 49000, .slew_ppb = 200000 };
    RelationParams params = { .timebase_hz = SIM_HZ, .drift_ppb = DRIFT_PPB };

    memset(world, 0, sizeof *world);
    world->random.state = seed;
    for (int i = 0; i < hosts; i++) {
        sim_host_init(&world->hosts[i], &clocks, &world->random);
        for (int j = 0; j < hosts; j++)
            relation_init(&world->relations[i][j], &params);
        for (int j = i + 1; j < hosts; j++)
            link_init(world, i, j);
    }
}

static int64_t burst(GuestWorld *world, int local, int remote, int64_t at_ns)
{
    SimLink link = { &world->links[local][remote], &world->random, &world->hosts[local], &world->hosts[remote] };

    for (int n = 0; n < BURST; n++) {
        SimExchange x;

        sim_link_exchange(&link, at_ns, &x);
        relation_add(&world->relations[local][remote], &x.stamps);
        at_ns = x.done_ns + 100000;
    }
    return at_ns;
}

/* The audit with all that can be known: stamps of both timebases and both offsets. */
static OffsetAudit audit(GuestWorld *world, Interval relation, TbTicks stop, TbTicks resume, int64_t offset_ticks)
{
    OffsetAuditQuery query = { .timebase_hz = SIM_HZ,
                               .has_tb = true,
                               .stop_tb = stop,
                               .resume_tb = resume,
                               .relation_ticks = relation,
                               .has_offsets = true,
                               .source_offset_ticks = world->offset_ticks,
                               .destination_offset_ticks = offset_ticks,
                               .ahead_ticks = world->ahead_ticks };

    return offset_audit(&query);
}

static int64_t absolute_ns(SimFixed ticks)
{
    int64_t ns = ticks_to_ns_floor((int64_t)(ticks >> SIM_FRACTION_BITS), SIM_HZ);

    return ns < 0 ? -ns : ns;
}

/* The guest stays stopped until the destination's timebase has advanced by so much. Returns when it starts. */
static int64_t hold(GuestWorld *world, SimHost *destination, int64_t resume_ns, int64_t hold_ticks)
{
    TbTicks ready = tb_plus(sim_host_read_tb(destination, resume_ns), hold_ticks);

    world->result.held += hold_ticks > 0;
    while (tb_minus(ready, sim_host_read_tb(destination, resume_ns)) > 0)
        resume_ns += ticks_to_ns_floor(tb_minus(ready, sim_host_read_tb(destination, resume_ns)), SIM_HZ) + 1;
    return resume_ns;
}

/* Stops on `world->on`, starts on `to`. The offset is chosen when the guest is about to start: by then
 * both readings that count are known. Returns the real time after it. */
static int64_t move(GuestWorld *world, int to, int64_t at_ns)
{
    SimHost *source = &world->hosts[world->on], *destination = &world->hosts[to];
    int64_t stop_ns = burst(world, to, world->on, at_ns) + sim_random_range(&world->random, 0, 5 * SIM_S);
    int64_t dark_ns = (int64_t)sim_random_log_normal(&world->random, BLACKOUT_MEDIAN_NS, BLACKOUT_P99_NS);
    int64_t resume_ns = stop_ns + dark_ns;
    TbTicks stop = sim_host_read_tb(source, stop_ns), resume = sim_host_read_tb(destination, resume_ns);
    RelationBounds bounds = relation_at(&world->relations[to][world->on], resume);
    /* destination minus source, until the end of a hold */
    Interval relation = interval_widen(interval_neg(bounds.tb_ticks),
                                       mul_div_ceil(TB_OFFSET_UNIT_TICKS, DRIFT_PPB, NS_PER_S));
    OffsetQuery query = { .relation_ticks = relation,
                          .source_offset_ticks = world->offset_ticks,
                          .ahead_ticks = world->ahead_ticks,
                          .has_floor = true,
                          .floor_ticks = tb_minus(tb_plus(stop, world->offset_ticks), resume),
                          .hold_max_ticks = TB_OFFSET_UNIT_TICKS };
    OffsetPlan plan = offset_plan(&query);
    OffsetAudit done;
    SimFixed true_dark;

    resume_ns = hold(world, destination, resume_ns, plan.hold_ticks);
    resume = sim_host_read_tb(destination, resume_ns);
    done = audit(world, relation, stop, resume, plan.nearest_ticks);
    true_dark = sim_host_tb(source, resume_ns) - sim_host_tb(source, stop_ns);
    world->ahead += sim_tb_difference(destination, source, resume_ns) +
                    sim_fixed(plan.nearest_ticks - world->offset_ticks);
    world->result.stepped_back += !plan.known || tb_minus(tb_plus(resume, plan.nearest_ticks),
                                                          tb_plus(stop, world->offset_ticks)) < 0;
    /* Stamps are floors: they may be a tick off. */
    world->result.audits_missed += !sim_contains(interval_widen(done.blackout_ticks, 1), true_dark) ||
                                   !sim_contains(done.ahead_ticks, world->ahead);
    world->ahead_ticks = done.ahead_ticks;
    world->offset_ticks = plan.nearest_ticks;
    world->on = to;
    return resume_ns;
}

SimGuestResult sim_guest_run(uint64_t seed, int hosts, int moves, int64_t *ret_errors_ns)
{
    GuestWorld *world = calloc(1, sizeof *world);
    SimGuestResult result;
    int64_t at_ns = 0;

    world_init(world, seed, hosts);
    for (int i = 0; i < moves; i++) {
        int to = (world->on + (int)sim_random_range(&world->random, 1, hosts)) % hosts;

        at_ns = move(world, to, at_ns + 60 * SIM_S + sim_random_range(&world->random, 0, 600 * SIM_S));
        ret_errors_ns[i] = absolute_ns(world->ahead);
        if (ret_errors_ns[i] > world->result.worst_ns)
            world->result.worst_ns = ret_errors_ns[i];
    }
    result = world->result;
    free(world);
    return result;
}
