/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX   6
#define STALE_DEPTH 4
#define SAMPLES_MAX 100000

typedef struct Pair {
    int local, remote;
    Relation relation;
    Exchange answers[STALE_DEPTH]; /* for a liar that repeats itself */
    unsigned n_exchanges;
    /* the truth at the anchors of the measured drift */
    SimFixed newer_truth, older_truth;
    int tod_steps_local, tod_steps_remote; /* since the last exchange that arrived */
} Pair;

typedef struct World {
    const SimScript *script;
    SimRandom random;
    SimHost hosts[HOSTS_MAX];
    Pair pairs[HOSTS_MAX * (HOSTS_MAX - 1) / 2];
    int n_pairs;
    SimCount *count;
    int64_t *half_widths_ns;
    unsigned n_half_widths;
} World;

static void world_init(World *world, uint64_t seed)
{
    RelationParams params = { .timebase_hz = SIM_HZ,
                              .drift_ppb = world->script->drift_ppb,
                              .tod_drift_ppb = world->script->tod_drift_ppb };

    world->random.state = seed;
    world->n_pairs = 0;
    for (int i = 0; i < world->script->hosts; i++)
        sim_host_init(&world->hosts[i], &world->script->clocks, &world->random);
    if (world->script->lie == SIM_LIE_FAST) {
        SimClockScript fast = { .rate_ppb = 0 };

        sim_host_init(&world->hosts[1], &fast, &world->random);
        world->hosts[1].segments[0].tb_rate += world->hosts[1].segments[0].tb_rate / 1000000 *
                                               (world->script->drift_ppb / 1000 * 3);
        world->hosts[1].next_change_ns = INT64_MAX;
    }
    for (int i = 0; i < world->script->hosts; i++)
        for (int j = i + 1; j < world->script->hosts; j++) {
            Pair *pair = &world->pairs[world->n_pairs++];

            memset(pair, 0, sizeof *pair);
            pair->local = i;
            pair->remote = j;
            relation_init(&pair->relation, &params);
        }
}

static SimHost *local_of(World *world, const Pair *pair)
{
    return &world->hosts[pair->local];
}

static SimHost *remote_of(World *world, const Pair *pair)
{
    return &world->hosts[pair->remote];
}

/* What the remote host makes of its stamps. */
static void lie(World *world, Pair *pair, Exchange *x)
{
    unsigned n = pair->n_exchanges++;

    switch (world->script->lie) {
    case SIM_LIE_NONE:
    case SIM_LIE_JUMPS: /* the clock itself does */
    case SIM_LIE_FAST:
        return;
    case SIM_LIE_CONSTANT:
        x->r2 = x->r3 = tb_ticks(123456789);
        return;
    case SIM_LIE_RANDOM:
        x->r2 = tb_ticks(sim_random_bits(&world->random));
        x->r3 = tb_ticks(sim_random_bits(&world->random));
        return;
    case SIM_LIE_PLAUSIBLE:
        x->r2 = tb_ticks(sim_random_bits(&world->random));
        x->r3 = tb_plus(x->r2, sim_random_range(&world->random, 1, tb_minus(x->l4, x->l1)));
        return;
    case SIM_LIE_STALE: {
        Exchange honest = *x, old = pair->answers[n % STALE_DEPTH];

        pair->answers[n % STALE_DEPTH] = honest;
        if (n >= STALE_DEPTH) {
            x->r2 = old.r2;
            x->r3 = old.r3;
            x->tod_r2 = old.tod_r2;
            x->tod_r3 = old.tod_r3;
        }
        return;
    }
    case SIM_LIE_BIASED:
        if (pair->local == 0 && pair->remote == 1) {
            x->r2 = tb_plus(x->r2, 50 * SIM_TB_MS);
            x->r3 = tb_plus(x->r3, 50 * SIM_TB_MS);
        }
        return;
    case SIM_LIE_FREEZES:
        if (n == 20)
            pair->answers[0] = *x;
        if (n > 20)
            x->r2 = x->r3 = pair->answers[0].r3;
        return;
    }
}

/* One answer alone tells nothing about who gave it: a liar's first may be believed. */
static bool is_benefit_of_doubt(const World *world, const RelationBounds *bounds)
{
    return world->script->lie != SIM_LIE_NONE && bounds->exchanges <= 1;
}

/* The bounds hold no truth there, by design of the script. */
static bool is_beyond_proof(const World *world)
{
    return world->script->lie == SIM_LIE_FAST || world->script->lie == SIM_LIE_BIASED;
}

static void check_interval(World *world, Interval interval, SimFixed truth)
{
    world->count->intervals++;
    world->count->missed += !sim_contains(interval, truth);
}

static void check_bounds(World *world, Pair *pair, int64_t at_ns)
{
    SimHost *local = local_of(world, pair), *remote = remote_of(world, pair);
    RelationBounds bounds = relation_at(&pair->relation, sim_host_read_tb(local, at_ns));

    if (is_beyond_proof(world) || is_benefit_of_doubt(world, &bounds))
        return;
    if (bounds.state == RELATION_OK)
        check_interval(world, bounds.tb_ticks, sim_tb_difference(remote, local, at_ns));
    /* A step since the newest exchange is known to nobody. */
    if (bounds.tod_state == RELATION_OK && pair->tod_steps_local + pair->tod_steps_remote == 0 &&
        world->script->lie != SIM_LIE_STALE)
        check_interval(world, bounds.tod_ns, sim_host_tod(remote, at_ns) - sim_host_tod(local, at_ns));
}

/* The mean drift over the baseline, against the truth at both of its ends. */
static void check_drift(World *world, Pair *pair, const SimExchange *x)
{
    const Relation *rel = &pair->relation;
    RelationDrift drift = relation_drift(rel);
    SimFixed now = sim_tb_difference(remote_of(world, pair), local_of(world, pair), x->done_ns), moved;
    SimFixed ppb = 1000000000;

    if (rel->newer.set && rel->newer.at.raw == x->stamps.l4.raw) {
        pair->older_truth = pair->newer_truth;
        pair->newer_truth = now;
    }
    if (!drift.known || world->script->lie != SIM_LIE_NONE)
        return;
    moved = (now - (rel->older.set ? pair->older_truth : pair->newer_truth)) * ppb;
    world->count->intervals++;
    world->count->missed += sim_fixed(drift.ppb.lo) * drift.baseline_ticks > moved ||
                            sim_fixed(drift.ppb.hi) * drift.baseline_ticks < moved;
}

/* A guest goes from one host of the pair to the other: stopped and started some time before `until_ns`. */
static void check_plan(World *world, Pair *pair, int64_t now_ns, int64_t until_ns)
{
    SimRandom *random = &world->random;
    bool to_local = sim_random_bits(random) & 1;
    SimHost *source = to_local ? remote_of(world, pair) : local_of(world, pair);
    SimHost *destination = to_local ? local_of(world, pair) : remote_of(world, pair);
    int64_t stop_ns = sim_random_range(random, now_ns, until_ns);
    int64_t resume_ns = sim_random_range(random, stop_ns, until_ns);
    TbTicks horizon = sim_host_read_tb(local_of(world, pair), until_ns);
    RelationBounds bounds = relation_at(&pair->relation, horizon);
    int64_t off1 = TB_OFFSET_UNIT_TICKS * sim_random_range(random, -(1 << 20), 1 << 20);
    int64_t ahead = sim_random_range(random, -1000 * SIM_TB_MS, 1000 * SIM_TB_MS);
    TbTicks before = sim_host_read_tb(source, stop_ns), after = sim_host_read_tb(destination, resume_ns);
    OffsetQuery query = { .relation_ticks = to_local ? interval_neg(bounds.tb_ticks) : bounds.tb_ticks,
                          .source_offset_ticks = off1,
                          .ahead_ticks = interval_of(ahead, ahead + SIM_TB_MS) };
    SimFixed moved = sim_tb_difference(destination, source, resume_ns);
    OffsetPlan plan;

    if (bounds.state != RELATION_OK || is_beyond_proof(world) || is_benefit_of_doubt(world, &bounds))
        return;
    if (sim_random_bits(random) & 1)
        query.blackout_lo_ticks = tb_minus(sim_host_read_tb(source, resume_ns), before) * 9 / 10;
    plan = offset_plan(&query);
    world->count->plans++;
    if (!plan.known || tb_minus(tb_plus(after, plan.offset_ticks), tb_plus(before, off1)) < 0 ||
        tb_minus(tb_plus(after, plan.nearest_ticks), tb_plus(before, off1)) < 0)
        world->count->stepped_back++;
    moved += sim_fixed(plan.nearest_ticks - off1);
    check_interval(world, plan.nearest_jump_ticks, moved);
}

static void check_loops(World *world, int64_t at_ns)
{
    RelationLoopLink links[HOSTS_MAX * (HOSTS_MAX - 1) / 2];
    bool biased = world->script->lie == SIM_LIE_BIASED;
    RelationLoop loop;

    for (int i = 0; i < world->n_pairs; i++) {
        Pair *pair = &world->pairs[i];
        TbTicks now = sim_host_read_tb(local_of(world, pair), at_ns);
        RelationBounds bounds = relation_at(&pair->relation, now);

        links[i] = (RelationLoopLink){ (uint8_t)pair->local, (uint8_t)pair->remote,
                                       bounds.state == RELATION_OK ? bounds.tb_ticks : INTERVAL_UNBOUNDED };
    }
    loop = relation_loop_judge(links, (size_t)world->n_pairs, 0);
    world->count->loops += loop.state != RELATION_LOOP_UNKNOWN;
    world->count->loops_wrong +=
        biased ? loop.suspect_link != 0 : loop.state == RELATION_LOOP_OPEN || loop.suspect_link >= 0;
}

static void note_tod_step(World *world, Pair *pair, const RelationBounds *before, const RelationBounds *after)
{
    int steps = pair->tod_steps_local + pair->tod_steps_remote;

    if (steps == 1 && before->state == RELATION_OK && after->state == RELATION_OK &&
        before->tod_state == RELATION_OK) {
        RelationFault right = pair->tod_steps_local ? RELATION_FAULT_LOCAL_TOD : RELATION_FAULT_REMOTE_TOD;

        world->count->tod_restarts++;
        world->count->named_right += after->fault == right;
        world->count->named_wrong += after->fault != right;
    }
    pair->tod_steps_local = pair->tod_steps_remote = 0;
}

static void note_state(World *world, const RelationBounds *bounds)
{
    world->count->exchanges++;
    world->count->ok += bounds->state == RELATION_OK;
    world->count->stepped += bounds->state == RELATION_STEPPED;
    world->count->invalid += bounds->state == RELATION_INVALID;
    if (bounds->state == RELATION_OK && world->n_half_widths < SAMPLES_MAX)
        world->half_widths_ns[world->n_half_widths++] =
            ticks_to_ns_ceil(interval_width(bounds->tb_ticks), SIM_HZ) / 2;
}

/* Returns when the answer came, or when it would have. */
static int64_t exchange(World *world, Pair *pair, int64_t at_ns)
{
    SimLink link = { &world->script->link, &world->random, local_of(world, pair), remote_of(world, pair) };
    RelationBounds before, after;
    SimExchange x;

    if (!sim_link_exchange(&link, at_ns, &x)) {
        world->count->lost++;
        return x.done_ns;
    }
    lie(world, pair, &x.stamps);
    before = relation_at(&pair->relation, x.stamps.l4);
    relation_add(&pair->relation, &x.stamps);
    after = relation_at(&pair->relation, x.stamps.l4);
    note_tod_step(world, pair, &before, &after);
    note_state(world, &after);
    check_drift(world, pair, &x);
    check_bounds(world, pair, x.done_ns);
    return x.done_ns;
}

/* Between two rounds: nothing later than `at_ns` was read. */
static void step_clocks(World *world, int64_t at_ns)
{
    SimRandom *random = &world->random;
    const SimScript *script = world->script;
    int which = (int)sim_random_range(random, 0, script->hosts);
    int64_t size = sim_random_range(random, SIM_S, 3600 * SIM_S) * (sim_random_bits(random) & 1 ? 1 : -1);

    if (script->tod_steps_ns > 0 && sim_random_range(random, 0, script->tod_steps_ns) < script->poll_ns) {
        sim_host_step(&world->hosts[which], at_ns, 0, size);
        for (int i = 0; i < world->n_pairs; i++) {
            world->pairs[i].tod_steps_local += world->pairs[i].local == which;
            world->pairs[i].tod_steps_remote += world->pairs[i].remote == which;
        }
    }
    if (script->lie == SIM_LIE_JUMPS && sim_random_range(random, 0, 40) == 0)
        sim_host_step(&world->hosts[which], at_ns, ns_to_ticks_floor(size, SIM_HZ), 0);
}

static int64_t burst(World *world, int64_t at_ns)
{
    for (int n = 0; n < world->script->burst; n++)
        for (int i = 0; i < world->n_pairs; i++)
            at_ns = exchange(world, &world->pairs[i], at_ns + SIM_MS);
    return at_ns;
}

static void run_rounds(World *world)
{
    int64_t at_ns = burst(world, 100 * SIM_S);

    for (int round = 0; round < world->script->rounds; round++) {
        int64_t next_ns, poll_ns = world->script->poll_ns;

        for (int i = 0; i < world->n_pairs; i++)
            at_ns = exchange(world, &world->pairs[i], at_ns + 1);
        next_ns = at_ns + poll_ns * 9 / 10 + sim_random_range(&world->random, 1, poll_ns / 5 + 2);
        for (int i = 0; i < world->n_pairs; i++) {
            check_bounds(world, &world->pairs[i], sim_random_range(&world->random, at_ns, next_ns));
            check_plan(world, &world->pairs[i], at_ns, next_ns);
        }
        check_loops(world, at_ns);
        at_ns = next_ns;
        step_clocks(world, at_ns);
    }
}

static int compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static const char *judge_world(World *world)
{
    const SimScript *script = world->script;
    const SimCount *count = world->count;
    double ok_percent = 100.0 * (double)count->ok / (double)(count->exchanges ? count->exchanges : 1);

    if (count->missed > 0)
        return "an interval missed the truth";
    if (count->stepped_back > 0)
        return "a plan could take a timebase back";
    if (ok_percent < script->least_ok_percent)
        return "too few exchanges left the state ok";
    if (ok_percent > script->most_ok_percent)
        return "too many exchanges left the state ok";
    if (count->named_wrong > 0 || (script->tod_steps_ns > 0 && count->named_right == 0))
        return "a stepped wall clock was not named";
    if (count->loops_wrong > 0 || (script->hosts > 2 && count->loops == 0))
        return "a loop was judged wrongly";
    qsort(world->half_widths_ns, world->n_half_widths, sizeof *world->half_widths_ns, compare_ns);
    if (script->most_median_half_width_ns > 0 &&
        world->half_widths_ns[world->n_half_widths / 2] > script->most_median_half_width_ns)
        return "the intervals are too wide";
    return NULL;
}

const char *sim_world_run(const SimScript *script, uint64_t seed, int scale, SimCount *count)
{
    World *world = calloc(1, sizeof *world);
    const char *broken;

    world->script = script;
    world->count = count;
    world->half_widths_ns = calloc(SAMPLES_MAX, sizeof *world->half_widths_ns);
    for (int i = 0; i < script->worlds * scale; i++) {
        world_init(world, seed + (uint64_t)i * 1000003);
        run_rounds(world);
    }
    broken = judge_world(world);
    free(world->half_widths_ns);
    free(world);
    return broken;
}
