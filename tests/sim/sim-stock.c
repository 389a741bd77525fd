/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim.h"

#include <stdlib.h>

/* KVM guests of a stock QEMU from 6.0 on, as hw/ppc/ppc.c and the kernel treat them: what the audit and a guest's ledger say has to hold
 * whatever was done to the guest. The relation is known to the tick; the doubt is in QEMU alone. */

#define HOSTS   3
#define VERSION QEMU_VERSION(7, 2, 0)

typedef struct Stock {
    SimRandom random;
    SimHost hosts[HOSTS];
    int on;
    int64_t at_ns;
    int64_t copy_ticks, kernel_ticks; /* QEMU's offset, and what the kernel made of it */
    uint64_t saved;                   /* the guest's timebase as QEMU keeps it while it is stopped */
    bool fresh;                       /* QEMU is known to have read its registers since the last start */
    Interval ahead_ticks;             /* its ledger */
    SimFixed ahead;                   /* the truth */
    SimStockResult result;
} Stock;

typedef struct Dark {
    int to;
    int64_t stop_ns, save_ns, run_ns;
    TbTicks stop, run; /* readings of either host's timebase */
    int64_t moved_ticks;
} Dark;

static SimHost *host(Stock *stock)
{
    return &stock->hosts[stock->on];
}

/* timebase_save() */
static void save(Stock *stock, int64_t at_ns)
{
    stock->saved = tb_plus(sim_host_read_tb(host(stock), at_ns), stock->copy_ticks).raw;
}

/* timebase_load(), and the kernel's part of it. */
static void start(Stock *stock, int64_t at_ns)
{
    stock->copy_ticks = tb_minus(tb_ticks(stock->saved), sim_host_read_tb(host(stock), at_ns));
    stock->kernel_ticks = offset_round_up(stock->copy_ticks);
    stock->fresh = false;
}

/* Any command that fetches the registers of the first vCPU. */
static void sync_copy(Stock *stock)
{
    stock->copy_ticks = stock->kernel_ticks;
    stock->fresh = true;
}

/* Stopped on its host and started on `to`. `live`: by the migration itself, which fetches the registers and saves once more. */
static Dark go_dark(Stock *stock, int to, bool live)
{
    Dark dark = { .to = to, .stop_ns = stock->at_ns };
    bool is_fresh = stock->copy_ticks == stock->kernel_ticks;
    TbTicks before;

    dark.save_ns = dark.stop_ns + sim_random_range(&stock->random, 0, 100 * SIM_MS);
    dark.run_ns = dark.save_ns + sim_random_range(&stock->random, 0, 300 * SIM_MS);
    dark.stop = sim_host_read_tb(host(stock), dark.stop_ns);
    before = tb_plus(dark.stop, stock->kernel_ticks);
    save(stock, dark.stop_ns);
    if (live) {
        sync_copy(stock);
        save(stock, dark.save_ns);
    }
    stock->on = to;
    start(stock, dark.run_ns);
    dark.run = sim_host_read_tb(host(stock), dark.run_ns);
    dark.moved_ticks = tb_minus(tb_plus(dark.run, stock->kernel_ticks), before);
    stock->result.back += dark.moved_ticks < 0;
    stock->result.back_though_fresh += dark.moved_ticks < 0 && (live || is_fresh);
    stock->at_ns = dark.run_ns;
    return dark;
}

static SimFixed dark_ticks(const Dark *dark, SimHost *source)
{
    return sim_host_tb(source, dark->run_ns) - sim_host_tb(source, dark->stop_ns);
}

static void take_ledger(Stock *stock, Interval ahead_ticks, SimFixed won)
{
    stock->ahead += won;
    stock->ahead_ticks = ahead_ticks;
    stock->result.intervals++;
    stock->result.missed += !sim_contains(ahead_ticks, stock->ahead);
}

static void pause(Stock *stock)
{
    Dark dark = go_dark(stock, stock->on, false);
    Interval ahead = interval_of(INT64_MIN, int64_add(stock->ahead_ticks.hi, TB_OFFSET_UNIT_TICKS - 1));

    take_ledger(stock, ahead, sim_fixed(dark.moved_ticks) - dark_ticks(&dark, host(stock)));
}

/* Who suspended the guest is told by nothing: unless the copy was surely right both are possible. */
static Interval predict(Interval blackout_ticks, bool fresh)
{
    OffsetQemuQuery query = { .event = OFFSET_EVENT_MIGRATION,
                              .kvm = true,
                              .source_version = VERSION,
                              .destination_version = VERSION,
                              .destination_takes_offset = true,
                              .blackout_ticks = blackout_ticks,
                              .stop_to_save_ticks = interval_of(0, blackout_ticks.hi),
                              .raw_jump_ticks = INTERVAL_UNBOUNDED };
    Interval jump_ticks = offset_qemu_prediction(&query).jump_ticks;

    query.paused_before = true;
    return fresh ? jump_ticks : interval_hull(jump_ticks, offset_qemu_prediction(&query).jump_ticks);
}

static void check(Stock *stock, Interval interval, SimFixed truth)
{
    stock->result.intervals++;
    stock->result.missed += !sim_contains(interval, truth);
}

static void move(Stock *stock, bool live)
{
    SimHost *source = host(stock), *destination;
    bool fresh = stock->fresh;
    Dark dark = go_dark(stock, (stock->on + (int)sim_random_range(&stock->random, 1, HOSTS)) % HOSTS, live);
    SimFixed moved = sim_fixed(dark.moved_ticks), stood = dark_ticks(&dark, source);
    OffsetAuditQuery query = { .timebase_hz = SIM_HZ,
                               .has_tb = true,
                               .stop_tb = dark.stop,
                               .stop_error_ticks = interval_of(0, 1), /* readings are floors */
                               .resume_tb = dark.run,
                               .resume_error_ticks = interval_of(0, 1),
                               .moved_ticks = INTERVAL_UNBOUNDED,
                               .ahead_ticks = stock->ahead_ticks };
    OffsetAudit audit;

    destination = host(stock);
    query.relation_ticks.lo = (int64_t)(sim_tb_difference(destination, source, dark.run_ns) >> SIM_FRACTION_BITS);
    query.relation_ticks.hi = query.relation_ticks.lo + 1;
    audit = offset_audit(&query);
    query.moved_ticks = predict(audit.blackout_ticks, fresh);
    audit = offset_audit(&query);
    check(stock, audit.blackout_ticks, stood);
    check(stock, audit.moved_ticks, moved);
    check(stock, audit.lost_ticks, stood - moved);
    take_ledger(stock, audit.ahead_ticks, moved - stood);
}

SimStockResult sim_stock_run(uint64_t seed, int events)
{
    SimClockScript clocks = { .wander = SIM_WANDER_WALK, .rate_ppb = 49000, .slew_ppb = 200000 };
    Stock *stock = calloc(1, sizeof *stock);
    SimStockResult result;

    stock->random.state = seed;
    for (int i = 0; i < HOSTS; i++)
        sim_host_init(&stock->hosts[i], &clocks, &stock->random);
    start(stock, 0); /* nothing was ever saved: its timebase begins at 0, or up to a unit later */
    for (int i = 0; i < events; i++) {
        stock->at_ns += sim_random_range(&stock->random, 0, 600 * SIM_S);
        switch (sim_random_range(&stock->random, 0, 4)) {
        case 0:
            sync_copy(stock);
            break;
        case 1:
            pause(stock);
            break;
        case 2:
            move(stock, true);
            break;
        case 3:
            move(stock, false);
            break;
        }
    }
    result = stock->result;
    free(stock);
    return result;
}
