/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim.h"

#include <math.h>

/* splitmix64: one word of state, passes the usual tests, the same on every machine. */
uint64_t sim_random_bits(SimRandom *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double sim_random_unit(SimRandom *random)
{
    return (double)(sim_random_bits(random) >> 11) * 0x1p-53;
}

int64_t sim_random_range(SimRandom *random, int64_t lo, int64_t hi)
{
    unsigned __int128 width = (unsigned __int128)(hi - lo) * sim_random_bits(random);

    return lo + (int64_t)(width >> 64);
}

double sim_random_exponential(SimRandom *random, double mean)
{
    return -mean * log1p(-sim_random_unit(random));
}

double sim_random_log_normal(SimRandom *random, double median, double p99)
{
    const double z99 = 2.3263478740408408, two_pi = 6.283185307179586;
    double radius = sqrt(-2 * log1p(-sim_random_unit(random)));
    double normal = radius * cos(two_pi * sim_random_unit(random));

    return median * exp(normal * log(p99 / median) / z99);
}
