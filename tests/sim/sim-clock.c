/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim.h"

#include <assert.h>
#include <string.h>

#define ONE ((SimFixed)1 << SIM_FRACTION_BITS)
#define PPB INT64_C(1000000000)

static int64_t with_ppb(int64_t rate, int32_t ppb)
{
    return (int64_t)((__int128)rate * (PPB + ppb) / PPB);
}

static void set_rates(SimHost *host, SimSegment *segment)
{
    int32_t slew = host->script.slew_ppb;
    int64_t nominal_tb = (int64_t)(ONE * (int64_t)SIM_HZ / SIM_S);

    if (slew > 0)
        slew = (int32_t)sim_random_range(&host->random, -slew, slew + 1);
    segment->tb_rate = with_ppb(nominal_tb, host->rate_ppb);
    segment->tod_rate = with_ppb(with_ppb((int64_t)ONE, host->rate_ppb), slew);
}

static int32_t next_rate_ppb(SimHost *host)
{
    int32_t most = host->script.rate_ppb, rate = host->rate_ppb;

    switch (host->script.wander) {
    case SIM_WANDER_STILL:
        return rate;
    case SIM_WANDER_WALK:
        rate += (int32_t)sim_random_range(&host->random, -most / 50, most / 50 + 1);
        return rate > most ? most : rate < -most ? -most : rate;
    case SIM_WANDER_EXTREMES:
        return sim_random_bits(&host->random) & 1 ? most : -most;
    }
    return rate;
}

static int64_t time_to_change(SimHost *host)
{
    double mean = host->script.change_ns > 0 ? (double)host->script.change_ns : 30.0 * SIM_S;

    /* Not less than the ring can hold between two polls. */
    return (int64_t)(mean / 4 + sim_random_exponential(&host->random, mean * 3 / 4));
}

static SimFixed advanced(SimFixed value, int64_t rate, int64_t ns)
{
    return value + (SimFixed)rate * ns;
}

static SimSegment *new_segment(SimHost *host, int64_t since_ns)
{
    SimSegment *old = &host->segments[host->newest % SIM_SEGMENTS];
    SimSegment *segment = &host->segments[++host->newest % SIM_SEGMENTS];
    int64_t passed = since_ns - old->since_ns;

    *segment = *old;
    segment->since_ns = since_ns;
    segment->tb = advanced(old->tb, old->tb_rate, passed);
    segment->tod = advanced(old->tod, old->tod_rate, passed);
    return segment;
}

void sim_host_init(SimHost *host, const SimClockScript *script, SimRandom *random)
{
    SimSegment *first = &host->segments[0];

    memset(host, 0, sizeof *host);
    host->script = *script;
    host->random.state = sim_random_bits(random);
    host->rate_ppb = (int32_t)sim_random_range(random, -script->rate_ppb, script->rate_ppb + 1);
    /* Some timebases wrap within the first minutes; the differences stay far below 2^62. */
    first->tb = ONE * sim_random_range(random, 0, INT64_C(1) << 50);
    if (sim_random_bits(random) % 4 == 0)
        first->tb = (ONE << 64) - ONE * sim_random_range(random, 0, 100 * (int64_t)SIM_HZ);
    first->tod = ONE * (1700000000 * SIM_S + sim_random_range(random, -20 * SIM_S, 20 * SIM_S));
    set_rates(host, first);
    host->next_change_ns = time_to_change(host);
}

/* The segment that holds at `at_ns`; the future is made as it is asked for. */
static const SimSegment *segment_at(SimHost *host, int64_t at_ns)
{
    unsigned n;

    while (at_ns >= host->next_change_ns) {
        SimSegment *segment = new_segment(host, host->next_change_ns);

        host->rate_ppb = next_rate_ppb(host);
        set_rates(host, segment);
        host->next_change_ns += time_to_change(host);
    }
    for (n = host->newest; host->segments[n % SIM_SEGMENTS].since_ns > at_ns; n--)
        assert(n > 0 && host->newest - n < SIM_SEGMENTS - 1);
    return &host->segments[n % SIM_SEGMENTS];
}

SimFixed sim_host_tb(SimHost *host, int64_t at_ns)
{
    const SimSegment *segment = segment_at(host, at_ns);

    return advanced(segment->tb, segment->tb_rate, at_ns - segment->since_ns);
}

SimFixed sim_host_tod(SimHost *host, int64_t at_ns)
{
    const SimSegment *segment = segment_at(host, at_ns);

    return advanced(segment->tod, segment->tod_rate, at_ns - segment->since_ns);
}

TbTicks sim_host_read_tb(SimHost *host, int64_t at_ns)
{
    return tb_ticks((uint64_t)(sim_host_tb(host, at_ns) >> SIM_FRACTION_BITS));
}

TodNs sim_host_read_tod(SimHost *host, int64_t at_ns)
{
    return tod_ns((int64_t)(sim_host_tod(host, at_ns) >> SIM_FRACTION_BITS));
}

void sim_host_step(SimHost *host, int64_t at_ns, int64_t ticks, int64_t ns)
{
    SimSegment *segment;

    segment_at(host, at_ns);
    assert(host->segments[host->newest % SIM_SEGMENTS].since_ns <= at_ns);
    segment = new_segment(host, at_ns);
    segment->tb += ONE * ticks;
    segment->tod += ONE * ns;
}

SimFixed sim_tb_difference(SimHost *remote, SimHost *local, int64_t at_ns)
{
    const unsigned __int128 wrap = (unsigned __int128)1 << (64 + SIM_FRACTION_BITS), half = wrap / 2;
    SimFixed difference = sim_host_tb(remote, at_ns) - sim_host_tb(local, at_ns);

    return (SimFixed)(((unsigned __int128)difference + half) % wrap) - (SimFixed)half;
}

bool sim_contains(Interval interval, SimFixed truth)
{
    return (interval.lo == INT64_MIN || sim_fixed(interval.lo) <= truth) &&
           (interval.hi == INT64_MAX || truth <= sim_fixed(interval.hi));
}
