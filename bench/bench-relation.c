/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How narrow the relation is, and what an exchange costs in it.
 *
 * Width: a simulated link of 1 +- 0.3 ms each way, oscillators at the ends of their range, drift bound 100 ppm, sampled as
 * the daemon does: 8 exchanges at connect, one 64 s later and so on, and a burst when a hook asks, here after
 * 45 s, of as many exchanges as narrow it; 8 and 16 for comparison. The half-width after that is put beside (least forward + least return) / 2, of the exchanges made and of the
 * link. Cost: relation_add() beside a copy of the exchange, both over the same array. */

#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORLDS    2000
#define EXCHANGES 4096
#define REPEATS   200

static const SimLinkScript link_script = { .forward_ns = 700000,
                                           .back_ns = 700000,
                                           .jitter_ns = 600000,
                                           .turnaround_ns = 50000 };

typedef struct Pair {
    SimRandom random;
    SimHost local, remote;
    Relation relation;
    int64_t least_forward_ticks, least_back_ticks;
    int made; /* exchanges of the last burst */
} Pair;

static void pair_init(Pair *pair, uint64_t seed)
{
    SimClockScript clocks = { .wander = SIM_WANDER_EXTREMES, .rate_ppb = 49990, .slew_ppb = 200000 };
    RelationParams params = { .timebase_hz = SIM_HZ, .drift_ppb = 100000 };

    pair->random.state = seed;
    sim_host_init(&pair->local, &clocks, &pair->random);
    sim_host_init(&pair->remote, &clocks, &pair->random);
    relation_init(&pair->relation, &params);
    pair->least_forward_ticks = pair->least_back_ticks = INT64_MAX;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Exchanges 0: as long as they narrow the interval. */
static int64_t burst(Pair *pair, int64_t at_ns, int exchanges)
{
    SimLink link = { &link_script, &pair->random, &pair->local, &pair->remote };
    RelationBurst gain = { 0 };
    bool goes_on = true;

    for (int i = 0; goes_on; i++) {
        RelationBounds bounds;
        SimExchange x;
        int64_t apart;

        sim_link_exchange(&link, at_ns, &x);
        relation_add(&pair->relation, &x.stamps);
        apart = (int64_t)(sim_tb_difference(&pair->remote, &pair->local, at_ns) >> SIM_FRACTION_BITS);
        pair->least_forward_ticks =
            least(pair->least_forward_ticks, tb_minus(x.stamps.r2, x.stamps.l1) - apart);
        pair->least_back_ticks = least(pair->least_back_ticks, apart - tb_minus(x.stamps.r3, x.stamps.l4));
        at_ns = x.done_ns + 10000;
        bounds = relation_at(&pair->relation, x.stamps.l4);
        goes_on = exchanges > 0 ? i + 1 < exchanges : relation_burst_goes_on(&gain, &bounds);
        pair->made = i + 1;
    }
    return at_ns;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_quantiles(const char *what, double values[WORLDS])
{
    qsort(values, WORLDS, sizeof values[0], compare);
    printf("  %-52s median %.3f  p95 %.3f  worst %.3f\n", what, values[WORLDS / 2], values[WORLDS * 95 / 100],
           values[WORLDS - 1]);
}

static void width_after_45_s(int exchanges)
{
    double *of_made = calloc(WORLDS, sizeof *of_made), *of_link = calloc(WORLDS, sizeof *of_link);
    double *held = calloc(WORLDS, sizeof *held), *made = calloc(WORLDS, sizeof *made);
    Pair *pair = malloc(sizeof *pair);

    for (int i = 0; i < WORLDS; i++) {
        int64_t done_ns, asked_ns;
        RelationBounds bounds;

        pair_init(pair, (uint64_t)i + 1);
        asked_ns = burst(pair, SIM_S, 8) + 45 * SIM_S;
        bounds = relation_at(&pair->relation, sim_host_read_tb(&pair->local, asked_ns));
        held[i] = (double)interval_width(bounds.tb_ticks) / (1.4 * (double)SIM_TB_MS);
        done_ns = burst(pair, asked_ns, exchanges);
        made[i] = pair->made;
        bounds = relation_at(&pair->relation, sim_host_read_tb(&pair->local, done_ns));
        of_made[i] = (double)interval_width(bounds.tb_ticks) /
                     (double)(pair->least_forward_ticks + pair->least_back_ticks);
        of_link[i] = (double)interval_width(bounds.tb_ticks) / (1.4 * (double)SIM_TB_MS);
    }
    if (exchanges > 0)
        printf("half-width 45 s after connect, hook's burst of %d (1 = (least forward + least return) / 2):\n", exchanges);
    else
        printf("half-width 45 s after connect, hook's burst as it is (1 = the same; bar: 1.10):\n");
    print_quantiles("after the hook's burst, of the exchanges made", of_made);
    print_quantiles("after the hook's burst, of the link's own limits", of_link);
    print_quantiles("before it, 45 s of drift bound included", held);
    print_quantiles("exchanges in the hook's burst", made);
    free(made);
    free(of_made);
    free(of_link);
    free(held);
    free(pair);
}

static double now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static Exchange *make_exchanges(void)
{
    Exchange *exchanges = calloc(EXCHANGES, sizeof *exchanges);
    Pair *pair = malloc(sizeof *pair);
    SimLink link = { &link_script, &pair->random, &pair->local, &pair->remote };

    pair_init(pair, 1);
    for (int i = 0; i < EXCHANGES; i++) {
        SimExchange x;

        sim_link_exchange(&link, (i + 1) * 64 * SIM_S, &x);
        exchanges[i] = x.stamps;
    }
    free(pair);
    return exchanges;
}

static double cost_of_add_ns(const Exchange *exchanges)
{
    double start = now_ns();

    for (int n = 0; n < REPEATS; n++) {
        RelationParams params = { .timebase_hz = SIM_HZ, .drift_ppb = 100000 };
        Relation relation;

        relation_init(&relation, &params);
        for (int i = 0; i < EXCHANGES; i++)
            relation_add(&relation, &exchanges[i]);
        if (relation.tb.state != RELATION_OK)
            abort();
    }
    return (now_ns() - start) / REPEATS / EXCHANGES;
}

static double cost_of_copy_ns(const Exchange *exchanges)
{
    Exchange copy;
    double start = now_ns();

    for (int n = 0; n < REPEATS; n++)
        for (int i = 0; i < EXCHANGES; i++) {
            memcpy(&copy, &exchanges[i], sizeof copy);
            __asm__ volatile("" : : "r"(&copy) : "memory"); /* or it would be no copy */
        }
    return (now_ns() - start) / REPEATS / EXCHANGES;
}

int main(void)
{
    Exchange *exchanges = make_exchanges();
    double add, copy;

    width_after_45_s(0);
    width_after_45_s(8);
    width_after_45_s(16);
    add = cost_of_add_ns(exchanges);
    copy = cost_of_copy_ns(exchanges);
    printf("relation_add with times of day: %.1f ns, copy of an exchange: %.1f ns, ratio %.1f\n", add, copy, add / copy);
    free(exchanges);
    return 0;
}
