/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim.h"

#define US INT64_C(1000)

#define CLOCKS_STILL    { .wander = SIM_WANDER_STILL, .rate_ppb = 49990, .slew_ppb = 200000 }
#define CLOCKS_WALK     { .wander = SIM_WANDER_WALK, .rate_ppb = 49990, .slew_ppb = 200000 }
#define CLOCKS_EXTREMES { .wander = SIM_WANDER_EXTREMES, .rate_ppb = 49990, .slew_ppb = 200000 }

#define LINK_1MS   { .forward_ns = 700 * US, .back_ns = 700 * US, .jitter_ns = 600 * US, .turnaround_ns = 50 * US }
#define LINK_RACK  { .forward_ns = 20 * US, .back_ns = 20 * US, .jitter_ns = 15 * US, .turnaround_ns = 30 * US }
#define LINK_SKEWED { .forward_ns = 200 * US, .back_ns = 9000 * US, .jitter_ns = 300 * US, .turnaround_ns = 50 * US }
#define LINK_SLOW  { .forward_ns = 20 * US, .back_ns = 20 * US, .jitter_ns = 15 * US, .turnaround_ns = 30 * SIM_S }
#define LINK_TAIL  { .forward_ns = 100 * US, .back_ns = 100 * US, .jitter_ns = 50 * US, .turnaround_ns = 500 * US, \
                     .tail_percent = 10, .tail_ns = 20 * SIM_MS, .loss_percent = 20 }

/* A liar's worlds are short: each is a new chance to be believed. */
#define LIAR .drift_ppb = 100000, .hosts = 2, .clocks = CLOCKS_WALK, .link = LINK_1MS

const SimScript sim_scripts[] = {
    { .name = "a quiet rack", .clocks = CLOCKS_STILL, .link = LINK_RACK, .drift_ppb = 100000, .hosts = 4,
      .poll_ns = 64 * SIM_S, .burst = 8, .rounds = 200, .worlds = 250,
      .least_ok_percent = 100, .most_ok_percent = 100, .most_median_half_width_ns = 50 * US },
    { .name = "1 ms links with jitter", .clocks = CLOCKS_WALK, .link = LINK_1MS, .drift_ppb = 100000, .hosts = 4,
      .poll_ns = 64 * SIM_S, .burst = 8, .rounds = 200, .worlds = 250,
      .least_ok_percent = 100, .most_ok_percent = 100, .most_median_half_width_ns = 1100 * US },
    { .name = "1 ms links polled ten times a second", .clocks = CLOCKS_EXTREMES, .link = LINK_1MS,
      .drift_ppb = 100000, .hosts = 2, .poll_ns = 100 * SIM_MS, .burst = 8, .rounds = 10000, .worlds = 30,
      .least_ok_percent = 100, .most_ok_percent = 100, .most_median_half_width_ns = 850 * US },
    { .name = "one way 45 times longer than the other", .clocks = CLOCKS_WALK, .link = LINK_SKEWED,
      .drift_ppb = 100000, .hosts = 3, .poll_ns = 64 * SIM_S, .burst = 8, .rounds = 200, .worlds = 250,
      .least_ok_percent = 100, .most_ok_percent = 100 },
    { .name = "loss and long tails", .clocks = CLOCKS_WALK, .link = LINK_TAIL, .drift_ppb = 100000, .hosts = 4,
      .poll_ns = 16 * SIM_S, .burst = 8, .rounds = 200, .worlds = 250,
      .least_ok_percent = 100, .most_ok_percent = 100 },
    { .name = "oscillators at the ends of their range", .clocks = CLOCKS_EXTREMES, .link = LINK_RACK,
      .drift_ppb = 100000, .hosts = 4, .poll_ns = 64 * SIM_S, .burst = 1, .rounds = 200, .worlds = 250,
      .least_ok_percent = 100, .most_ok_percent = 100 },
    { .name = "a peer that takes its time to answer", .clocks = CLOCKS_EXTREMES, .link = LINK_SLOW,
      .drift_ppb = 100000, .hosts = 2, .poll_ns = 64 * SIM_S, .burst = 8, .rounds = 200, .worlds = 100,
      .least_ok_percent = 100, .most_ok_percent = 100 },
    { .name = "a tight drift bound kept", .link = LINK_RACK, .drift_ppb = 1000, .hosts = 4,
      .clocks = { .wander = SIM_WANDER_EXTREMES, .rate_ppb = 499, .slew_ppb = 200000 },
      .poll_ns = 64 * SIM_S, .burst = 8, .rounds = 200, .worlds = 250,
      .least_ok_percent = 100, .most_ok_percent = 100, .most_median_half_width_ns = 30 * US },
    { .name = "the largest drift bounds, used up", .link = LINK_1MS, .drift_ppb = 10000000, .tod_drift_ppb = 100000000,
      .hosts = 4, .clocks = { .wander = SIM_WANDER_EXTREMES, .rate_ppb = 4970000, .slew_ppb = 44000000 },
      .poll_ns = 64 * SIM_S, .burst = 8, .rounds = 200, .worlds = 100,
      .least_ok_percent = 100, .most_ok_percent = 100 },
    { .name = "wall clocks that are stepped", .clocks = CLOCKS_WALK, .link = LINK_1MS, .drift_ppb = 100000,
      .hosts = 4, .poll_ns = 64 * SIM_S, .burst = 8, .tod_steps_ns = 600 * SIM_S, .rounds = 200, .worlds = 150,
      .least_ok_percent = 100, .most_ok_percent = 100 },
    { .name = "wall clocks that are stepped on a lossy link", .clocks = CLOCKS_EXTREMES, .link = LINK_TAIL,
      .drift_ppb = 100000, .hosts = 3, .poll_ns = 64 * SIM_S, .burst = 8, .tod_steps_ns = 3600 * SIM_S,
      .rounds = 200, .worlds = 150, .least_ok_percent = 100, .most_ok_percent = 100 },
    { .name = "timebases that jump", LIAR, .lie = SIM_LIE_JUMPS, .burst = 8, .poll_ns = 16 * SIM_S, .rounds = 400, .worlds = 100,
      .least_ok_percent = 70, .most_ok_percent = 95 },
    { .name = "a peer that always says the same", LIAR, .lie = SIM_LIE_CONSTANT, .burst = 8, .poll_ns = 10 * SIM_MS,
      .rounds = 50, .worlds = 500, .most_ok_percent = 2 },
    { .name = "a peer that says anything", LIAR, .lie = SIM_LIE_RANDOM, .burst = 8, .poll_ns = 64 * SIM_S, .rounds = 50,
      .worlds = 500, .most_ok_percent = 1 },
    { .name = "a peer that makes up plausible answers", LIAR, .lie = SIM_LIE_PLAUSIBLE, .burst = 8, .poll_ns = 64 * SIM_S,
      .rounds = 50, .worlds = 500, .most_ok_percent = 2 },
    /* Without a burst: answers that are late by always the same time are those of an honest clock with another value. Only
     * a loop over a third host can tell. */
    { .name = "a peer that repeats old answers", LIAR, .lie = SIM_LIE_STALE, .poll_ns = 64 * SIM_S, .burst = 1,
      .rounds = 50, .worlds = 500, .most_ok_percent = 10 },
    { .name = "a peer whose clock freezes", LIAR, .lie = SIM_LIE_FREEZES, .burst = 8, .poll_ns = SIM_S, .rounds = 100,
      .worlds = 500, .least_ok_percent = 15, .most_ok_percent = 20 },
    { .name = "an oscillator beyond the bound", LIAR, .lie = SIM_LIE_FAST, .burst = 8, .poll_ns = 64 * SIM_S, .rounds = 200,
      .worlds = 50, .most_ok_percent = 5 },
    { .name = "a peer that lies to one of its peers", .clocks = CLOCKS_EXTREMES, .link = LINK_TAIL, .drift_ppb = 100000,
      .hosts = 4, .poll_ns = 16 * SIM_S, .burst = 8, .lie = SIM_LIE_BIASED, .rounds = 50, .worlds = 50,
      .least_ok_percent = 100, .most_ok_percent = 100 },
};

const unsigned sim_n_scripts = sizeof sim_scripts / sizeof sim_scripts[0];
