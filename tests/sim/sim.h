/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Simulated worlds for the time core: hosts with oscillators and wall clocks, links, liars, guests.
 *
 * The truth is exact: every clock is a 128-bit fixed-point number that is piecewise linear in real time, real time is
 * an integer number of ns, and whoever reads a clock gets its floor. The core under test sees readings only; the
 * checks compare its intervals with the fixed-point truth. Scripts (sim-scripts.c) say what a world is like and
 * which bounds must hold in it. Everything follows from one seed.
 */

#include "facts.h"
#include "offset.h"
#include "relation.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_HZ     TB_FREQUENCY_POWER_HZ
#define SIM_MS     INT64_C(1000000)    /* real ns */
#define SIM_S      INT64_C(1000000000) /* real ns */
#define SIM_TB_MS  INT64_C(512000)     /* ticks */

/* --- random numbers (sim-random.c) --- */

typedef struct SimRandom {
    uint64_t state;
} SimRandom;

uint64_t sim_random_bits(SimRandom *random);
/* [0, 1) */
double sim_random_unit(SimRandom *random);
/* [lo, hi) */
int64_t sim_random_range(SimRandom *random, int64_t lo, int64_t hi);
double sim_random_exponential(SimRandom *random, double mean);
/* exp(normal) with that median and that 99th percentile. */
double sim_random_log_normal(SimRandom *random, double median, double p99);

/* --- clocks (sim-clock.c) --- */

typedef __int128 SimFixed; /* ticks or ns, times 2^48 */
#define SIM_FRACTION_BITS 48

static inline SimFixed sim_fixed(int64_t units)
{
    return (SimFixed)units * ((SimFixed)1 << SIM_FRACTION_BITS);
}

typedef enum SimWander {
    SIM_WANDER_STILL,    /* one rate for ever */
    SIM_WANDER_WALK,     /* a new rate near the old one now and then */
    SIM_WANDER_EXTREMES, /* from one end of the allowed range to the other: the worst an oscillator may do */
} SimWander;

typedef struct SimClockScript {
    SimWander wander;
    int32_t rate_ppb; /* the oscillator stays within +- this of nominal */
    int32_t slew_ppb; /* the wall clock stays within +- this of its oscillator */
    int64_t change_ns; /* mean time between two changes of rate; 0: 30 s */
} SimClockScript;

typedef struct SimSegment {
    int64_t since_ns;  /* real */
    SimFixed tb, tod;  /* then */
    int64_t tb_rate, tod_rate; /* fixed point per real ns */
} SimSegment;

#define SIM_SEGMENTS 256

typedef struct SimHost {
    SimClockScript script;
    SimRandom random;
    int32_t rate_ppb;
    int64_t next_change_ns;
    unsigned newest;
    SimSegment segments[SIM_SEGMENTS]; /* a ring: the past is known as far back as it reaches */
} SimHost;

/* Starts at real time 0 with random values of both clocks; the timebase may be about to wrap. */
void sim_host_init(SimHost *host, const SimClockScript *script, SimRandom *random);

/* Truth at real time `at_ns`, without wrap-around. */
SimFixed sim_host_tb(SimHost *host, int64_t at_ns);
SimFixed sim_host_tod(SimHost *host, int64_t at_ns);

/* What a reader gets. */
TbTicks sim_host_read_tb(SimHost *host, int64_t at_ns);
TodNs sim_host_read_tod(SimHost *host, int64_t at_ns);

/* From `at_ns` on the clock shows that much more. Nothing later than at_ns was read so far. */
void sim_host_step(SimHost *host, int64_t at_ns, int64_t tb_ticks, int64_t tod_ns);

/* remote - local at one instant, wrapped to 64 bits as the readings are. */
SimFixed sim_tb_difference(SimHost *remote, SimHost *local, int64_t at_ns);

/* lo <= x <= hi, x = truth in fixed point. */
bool sim_contains(Interval interval, SimFixed truth);

/* --- links (sim-link.c) --- */

typedef struct SimLinkScript {
    int64_t forward_ns, back_ns;           /* least delays */
    int64_t jitter_ns;                     /* uniform, on top of each way */
    int64_t tail_ns;                       /* mean of an exponential tail ... */
    int tail_percent;                      /* ... that so many messages get */
    int loss_percent;                      /* of exchanges */
    int64_t turnaround_ns;                 /* largest */
} SimLinkScript;

typedef struct SimExchange {
    Exchange stamps;
    int64_t sent_ns, done_ns; /* real */
} SimExchange;

typedef struct SimLink {
    const SimLinkScript *script;
    SimRandom *random;
    SimHost *local, *remote;
} SimLink;

/* False: lost. */
bool sim_link_exchange(const SimLink *link, int64_t sent_ns, SimExchange *ret);

/* --- results --- */

typedef struct SimCount {
    uint64_t intervals, plans;      /* checked */
    uint64_t missed;                /* intervals that did not contain the truth while the state was ok */
    uint64_t stepped_back;          /* plans that could take a guest's timebase back */
    uint64_t exchanges, lost;
    uint64_t ok, stepped, invalid;  /* states after an exchange */
    uint64_t tod_restarts, named_right, named_wrong;
    uint64_t loops, loops_wrong;    /* judged; open though all were honest, or the liar's link not named */
} SimCount;

/* --- worlds (sim-world.c) --- */

typedef enum SimLie {
    SIM_LIE_NONE,
    SIM_LIE_CONSTANT, /* the same number for ever */
    SIM_LIE_RANDOM,   /* any numbers */
    SIM_LIE_PLAUSIBLE, /* any number, then a sensible turnaround */
    SIM_LIE_STALE,    /* the answers of some exchanges ago */
    SIM_LIE_JUMPS,    /* honest, but the clock leaps now and then; both ways */
    SIM_LIE_FAST,     /* honest, but three times as fast as the drift bound allows */
    SIM_LIE_FREEZES,  /* honest for a while, then stands still */
    SIM_LIE_BIASED,   /* host 1 adds 50 ms for host 0 alone: no pair can tell, a loop can */
} SimLie;

typedef struct SimScript {
    const char *name;
    SimClockScript clocks;
    SimLinkScript link;
    uint32_t drift_ppb;
    uint32_t tod_drift_ppb;    /* 0: the default */
    int hosts;                 /* the first is the observer of all others, and so on: full mesh */
    int64_t poll_ns;           /* mean time between exchanges of one pair */
    int burst;                 /* exchanges at the start, 1 ms apart */
    int64_t tod_steps_ns;      /* mean time between steps of one wall clock; 0: none */
    SimLie lie;                /* of every remote host */
    int rounds;                /* polls of each pair per world */
    int worlds;                /* times the scale */
    /* bounds to hold, besides "nothing missed, nothing stepped back" */
    int least_ok_percent;      /* of exchanges after which the state is ok */
    int most_ok_percent;
    int64_t most_median_half_width_ns; /* of the timebase relation after an exchange; 0: any */
} SimScript;

extern const SimScript sim_scripts[];
extern const unsigned sim_n_scripts;

/* Runs script->worlds x scale worlds; adds to `count`. NULL: all bounds hold; else what does not. */
const char *sim_world_run(const SimScript *script, uint64_t seed, int scale, SimCount *count);

/* --- guests (sim-guest.c) --- */

typedef struct SimGuestResult {
    int64_t worst_ns;       /* of the errors */
    uint64_t audits_missed; /* audits whose blackout or ledger interval did not contain the truth */
    uint64_t stepped_back;
    uint64_t held;          /* starts that were put off, lest the guest be too far ahead */
} SimGuestResult;

/* One guest on a walk over `hosts` hosts (2 .. 4). Each move's error |guest TB - where it would be without migrations|
 * goes to ret_errors_ns[0 .. moves - 1]. */
SimGuestResult sim_guest_run(uint64_t seed, int hosts, int moves, int64_t *ret_errors_ns);

/* --- guests of stock QEMU (sim-stock.c) --- */

typedef struct SimStockResult {
    uint64_t intervals;         /* checked */
    uint64_t missed;            /* that did not contain the truth */
    uint64_t back;              /* times that QEMU took a guest's timebase back */
    uint64_t back_though_fresh; /* though its copy of the offset was the kernel's */
} SimStockResult;

/* One guest that is paused, moved live, suspended and moved, and its registers read, at random. */
SimStockResult sim_stock_run(uint64_t seed, int events);
