/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relation.h"

#include <glib.h>

#define HZ        TB_FREQUENCY_POWER_HZ
#define MS        INT64_C(512000) /* ticks */
#define S         (1000 * MS)
#define DRIFT_PPB 100000

static const RelationParams params = { .timebase_hz = HZ, .drift_ppb = DRIFT_PPB };

/* One exchange that began at local `sent`; `offset` is remote - local, in ticks. */
static Exchange exchange_at(uint64_t sent, int64_t offset, int64_t forward, int64_t back)
{
    const int64_t turnaround = 1000;
    TbTicks l1 = tb_ticks(sent), r2 = tb_plus(l1, offset + forward), r3 = tb_plus(r2, turnaround);

    return (Exchange){ .l1 = l1, .r2 = r2, .r3 = r3, .l4 = tb_plus(l1, forward + turnaround + back) };
}

/* The same with times of day `tod_offset_ns` apart; the local one equals local TB / f + shift. */
static Exchange with_tod(Exchange x, int64_t tb_offset, int64_t local_shift_ns, int64_t remote_shift_ns)
{
    x.has_tod = true;
    x.tod_l1 = tod_ns(ticks_to_ns_floor((int64_t)x.l1.raw, HZ) + local_shift_ns);
    x.tod_l4 = tod_ns(ticks_to_ns_floor((int64_t)x.l4.raw, HZ) + local_shift_ns);
    x.tod_r2 = tod_ns(ticks_to_ns_floor(tb_minus(x.r2, tb_ticks(0)) - tb_offset, HZ) + remote_shift_ns);
    x.tod_r3 = tod_ns(ticks_to_ns_floor(tb_minus(x.r3, tb_ticks(0)) - tb_offset, HZ) + remote_shift_ns);
    return x;
}

static Relation relation_new(void)
{
    Relation rel;

    relation_init(&rel, &params);
    return rel;
}

static RelationState add(Relation *rel, uint64_t sent, int64_t offset)
{
    Exchange x = exchange_at(sent, offset, MS, MS);

    return relation_add(rel, &x);
}

static void test_starts_with_no_bounds(void)
{
    Relation rel = relation_new();
    RelationBounds bounds = relation_at(&rel, tb_ticks(5));

    g_assert_cmpint(bounds.state, ==, RELATION_NONE);
    g_assert_cmpint(bounds.tod_state, ==, RELATION_NONE);
    g_assert_false(interval_is_bounded(bounds.tb_ticks));
    g_assert_false(interval_is_bounded(bounds.tod_ns));
    g_assert_cmpint(bounds.age_ticks, ==, 0);
}

static void test_one_exchange_gives_its_bounds(void)
{
    Relation rel = relation_new();
    Exchange x = { .l1 = tb_ticks(1000), .r2 = tb_ticks(900), .r3 = tb_ticks(910), .l4 = tb_ticks(1100) };
    RelationBounds bounds;

    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_OK);
    bounds = relation_at(&rel, x.l4);
    g_assert_cmpint(bounds.tb_ticks.lo, ==, -190);
    g_assert_cmpint(bounds.tb_ticks.hi, ==, -100 + 1); /* one tick of drift over the round trip */
    g_assert_cmpuint(bounds.exchanges, ==, 1);
}

static void test_bounds_widen_while_the_peer_is_silent(void)
{
    Relation rel = relation_new();
    RelationBounds fresh, old;
    TbTicks l4;

    add(&rel, 0, 5000);
    l4 = tb_ticks(2 * MS + 1000);
    fresh = relation_at(&rel, l4);
    old = relation_at(&rel, tb_plus(l4, 100 * S));
    g_assert_cmpint(old.state, ==, RELATION_OK);
    g_assert_cmpint(old.age_ticks, ==, 100 * S);
    g_assert_cmpint(fresh.tb_ticks.lo - old.tb_ticks.lo, ==, 10 * MS);
    g_assert_cmpint(old.tb_ticks.hi - fresh.tb_ticks.hi, ==, 10 * MS);
    /* An earlier "now" is no reason to be narrower than the exchange was. */
    fresh = relation_at(&rel, tb_ticks(0));
    g_assert_cmpint(fresh.age_ticks, ==, 0);
}

static void test_exchanges_narrow_each_other(void)
{
    Relation rel = relation_new();
    Exchange quick_there = exchange_at(0, 0, MS / 10, 5 * MS);
    Exchange quick_back = exchange_at(6 * MS, 0, 5 * MS, MS / 10);
    Interval bounds;

    relation_add(&rel, &quick_there);
    relation_add(&rel, &quick_back);
    bounds = relation_at(&rel, quick_back.l4).tb_ticks;
    g_assert_cmpint(bounds.lo, ==, -MS / 10);
    g_assert_cmpint(bounds.hi, <=, MS / 10 + MS / 500);
    g_assert_cmpint(bounds.hi, >=, MS / 10);
}

static void test_empty_intersection_means_step(void)
{
    Relation rel = relation_new();
    RelationBounds bounds;

    g_assert_cmpint(add(&rel, 0, 0), ==, RELATION_OK);
    g_assert_cmpint(add(&rel, S, 10 * MS), ==, RELATION_STEPPED);
    bounds = relation_at(&rel, tb_ticks(S));
    g_assert_true(interval_contains(bounds.tb_ticks, 10 * MS));
    g_assert_cmpuint(bounds.exchanges, ==, 1);
    g_assert_cmpint(add(&rel, 2 * S, 10 * MS), ==, RELATION_STEPPED);
    g_assert_cmpint(add(&rel, 3 * S, 10 * MS), ==, RELATION_STEPPED);
    g_assert_cmpint(add(&rel, 4 * S, 10 * MS), ==, RELATION_OK);
}

static void test_another_step_starts_confirming_again(void)
{
    Relation rel = relation_new();

    add(&rel, 0, 0);
    add(&rel, 1 * S, 10 * MS);
    add(&rel, 2 * S, 10 * MS);
    add(&rel, 3 * S, 20 * MS);
    for (int i = 4; i < 6; i++)
        g_assert_cmpint(add(&rel, (uint64_t)i * S, 20 * MS), ==, RELATION_STEPPED);
    g_assert_cmpint(add(&rel, 6 * S, 20 * MS), ==, RELATION_OK);
}

static void test_impossible_exchanges_are_invalid(void)
{
    static const struct {
        uint64_t l1, r2, r3, l4;
    } cases[] = {
        { 1000, 500, 510, 999 },                    /* negative round trip */
        { 1000, 510, 500, 2000 },                   /* replied before it received */
        { 1000, 500, 1502, 2000 },                  /* turnaround longer than the round trip */
        { 1000, 500, UINT64_C(1) << 40, 2000 },
        { 1000, (UINT64_C(1) << 62) + 1001, (UINT64_C(1) << 62) + 1001, 1001 }, /* nonsense apart */
        { 1000, (UINT64_C(1) << 62) + 2000, (UINT64_C(1) << 62) + 2000, UINT64_C(3) << 61 },
        { 1000, 1000, 1000, (UINT64_C(1) << 62) + 5000 },
        { 1000, (UINT64_C(3) << 62) + 999, (UINT64_C(3) << 62) + 999, 1000 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Relation rel = relation_new();
        Exchange x = { .l1 = tb_ticks(cases[i].l1),
                       .r2 = tb_ticks(cases[i].r2),
                       .r3 = tb_ticks(cases[i].r3),
                       .l4 = tb_ticks(cases[i].l4) };

        add(&rel, 0, 0);
        g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_INVALID);
        g_assert_false(interval_is_bounded(relation_at(&rel, x.l4).tb_ticks));
        g_assert_cmpuint(relation_at(&rel, x.l4).exchanges, ==, 0);
    }
}

static void test_invalid_is_left_through_stepped(void)
{
    Relation rel = relation_new();
    Exchange bad = exchange_at(S, 0, MS, MS);

    add(&rel, 0, 0);
    bad.r3 = tb_plus(bad.r2, -1);
    g_assert_cmpint(relation_add(&rel, &bad), ==, RELATION_INVALID);
    g_assert_cmpint(add(&rel, 2 * S, 0), ==, RELATION_STEPPED);
    g_assert_cmpint(add(&rel, 3 * S, 0), ==, RELATION_STEPPED);
    g_assert_cmpint(add(&rel, 4 * S, 0), ==, RELATION_STEPPED);
    g_assert_cmpint(add(&rel, 5 * S, 0), ==, RELATION_OK);
}

static void test_a_long_turnaround_may_exceed_the_round_trip_by_the_drift(void)
{
    Relation rel = relation_new();
    Exchange x = { .l1 = tb_ticks(0), .r2 = tb_ticks(10), .r3 = tb_ticks(10 + 10001000), .l4 = tb_ticks(10000000) };

    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_OK);
    relation_init(&rel, &params);
    x.r3 = tb_plus(x.r3, 1);
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_INVALID);
}

static void test_out_of_order_is_invalid(void)
{
    Relation rel = relation_new();

    add(&rel, S, 0);
    g_assert_cmpint(add(&rel, 0, 0), ==, RELATION_INVALID);
}

static void test_overlapping_exchanges_are_fine_but_confirm_nothing(void)
{
    Relation rel = relation_new();
    Exchange x = exchange_at(2 * S, 9 * S, MS, MS);

    add(&rel, 0, 0);
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_STEPPED);
    for (int i = 0; i < 10; i++)
        g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_STEPPED);
}

static void test_a_clock_that_stands_still_is_no_clock(void)
{
    Relation rel = relation_new();
    Exchange x = { .l1 = tb_ticks(0), .r2 = tb_ticks(500), .r3 = tb_ticks(500), .l4 = tb_ticks(20) };

    relation_add(&rel, &x);
    x.l1 = tb_ticks(20);
    x.l4 = tb_ticks(40);
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_INVALID);
}

static void test_a_remote_clock_that_goes_back_is_invalid(void)
{
    Relation rel = relation_new();
    Exchange x = { .l1 = tb_ticks(0), .r2 = tb_ticks(500), .r3 = tb_ticks(510), .l4 = tb_ticks(2000000) };

    relation_add(&rel, &x);
    x = (Exchange){ .l1 = tb_ticks(2000000), .r2 = tb_ticks(509), .r3 = tb_ticks(520), .l4 = tb_ticks(4000000) };
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_INVALID);
}

static void test_counters_may_wrap(void)
{
    Relation rel = relation_new();
    uint64_t sent = UINT64_MAX - 5 * (uint64_t)S;

    for (int i = 0; i < 10; i++) {
        g_assert_cmpint(add(&rel, sent + (uint64_t)i * S, 7 * S), ==, RELATION_OK);
        g_assert_true(interval_contains(
            relation_at(&rel, tb_ticks(sent + (uint64_t)i * S + 3 * MS)).tb_ticks, 7 * S));
    }
}

static void test_tod_is_bounded_like_the_timebase(void)
{
    Relation rel = relation_new();
    Exchange x = with_tod(exchange_at(0, 77, MS, MS), 77, 0, 5 * NS_PER_S);
    RelationBounds bounds;

    relation_add(&rel, &x);
    bounds = relation_at(&rel, x.l4);
    g_assert_cmpint(bounds.tod_state, ==, RELATION_OK);
    g_assert_true(interval_contains(bounds.tod_ns, 5 * NS_PER_S));
    g_assert_cmpint(interval_width(bounds.tod_ns), <, 2100000);
    bounds = relation_at(&rel, tb_plus(x.l4, S));
    g_assert_cmpint(interval_width(bounds.tod_ns), >, 2000000 + 2 * 600000);
    g_assert_cmpint(interval_width(bounds.tod_ns), <, 2100000 + 2 * 600000);
}

static void test_tod_step_keeps_the_timebase_relation(void)
{
    Relation rel = relation_new();
    RelationBounds bounds;
    Exchange x;

    for (int i = 0; i < 4; i++) {
        x = with_tod(exchange_at((uint64_t)i * S, 77, MS, MS), 77, 0, 0);
        relation_add(&rel, &x);
    }
    x = with_tod(exchange_at(4 * S, 77, MS, MS), 77, 0, 5 * NS_PER_S);
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_OK);
    bounds = relation_at(&rel, x.l4);
    g_assert_cmpuint(bounds.exchanges, ==, 5);
    g_assert_cmpint(bounds.tod_state, ==, RELATION_STEPPED);
    g_assert_false(interval_is_bounded(bounds.tod_ns));
    for (int i = 5; i < 8; i++) {
        x = with_tod(exchange_at((uint64_t)i * S, 77, MS, MS), 77, 0, 5 * NS_PER_S);
        relation_add(&rel, &x);
    }
    bounds = relation_at(&rel, x.l4);
    g_assert_cmpint(bounds.tod_state, ==, RELATION_OK);
    g_assert_true(interval_contains(bounds.tod_ns, 5 * NS_PER_S));
}

static void test_timebase_step_restarts_the_tod_relation(void)
{
    Relation rel = relation_new();
    Exchange x = with_tod(exchange_at(0, 0, MS, MS), 0, 0, 0);

    relation_add(&rel, &x);
    x = with_tod(exchange_at(S, S, MS, MS), S, 0, 0);
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_STEPPED);
    g_assert_cmpint(relation_at(&rel, x.l4).tod_state, ==, RELATION_STEPPED);
}

static void test_impossible_tod_does_not_hurt_the_timebase(void)
{
    Relation rel = relation_new();
    Exchange x = with_tod(exchange_at(0, 0, MS, MS), 0, 0, 0);

    relation_add(&rel, &x);
    x = with_tod(exchange_at(S, 0, MS, MS), 0, 0, 0);
    x.tod_l4 = tod_ns(x.tod_l1.raw - 1);
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_OK);
    g_assert_cmpint(relation_at(&rel, x.l4).tod_state, ==, RELATION_INVALID);
    x = with_tod(exchange_at(2 * S, 0, MS, MS), 0, 0, 0);
    x.tod_r3 = tod_ns(x.tod_r2.raw - 1);
    relation_add(&rel, &x);
    g_assert_cmpint(relation_at(&rel, x.l4).tod_state, ==, RELATION_INVALID);
}

/* The same pair of hosts, n exchanges one per second from local second `from` on. */
static Exchange feed(Relation *rel, int from, int n, int64_t tb_offset, int64_t remote_shift_ns)
{
    Exchange x = { .has_tod = false };

    for (int i = from; i < from + n; i++) {
        x = with_tod(exchange_at((uint64_t)i * S, tb_offset, MS, MS), tb_offset, 0, remote_shift_ns);
        relation_add(rel, &x);
    }
    return x;
}

static RelationFault fault_after(Relation *rel, const Exchange *x)
{
    relation_add(rel, x);
    return relation_at(rel, x->l4).fault;
}

static void test_tod_step_is_named_until_confirmed(void)
{
    Relation rel = relation_new();
    Exchange x = feed(&rel, 0, 4, 77, 0);

    g_assert_cmpint(relation_at(&rel, x.l4).fault, ==, RELATION_FAULT_NONE);
    x = with_tod(exchange_at(5 * S, 77, MS, MS), 77, 0, 5 * NS_PER_S);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_REMOTE_TOD);
    x = feed(&rel, 6, 2, 77, 5 * NS_PER_S);
    g_assert_cmpint(relation_at(&rel, x.l4).fault, ==, RELATION_FAULT_REMOTE_TOD);
    x = feed(&rel, 8, 1, 77, 5 * NS_PER_S);
    g_assert_cmpint(relation_at(&rel, x.l4).fault, ==, RELATION_FAULT_NONE);
    x = with_tod(exchange_at(9 * S, 77, MS, MS), 77, -3 * NS_PER_S, 5 * NS_PER_S);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_LOCAL_TOD);
    x = with_tod(exchange_at(10 * S, 77, MS, MS), 77, 9 * NS_PER_S, 9 * NS_PER_S);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_TOD);
}

static void test_tod_step_during_an_exchange_is_named(void)
{
    Relation rel = relation_new();
    Exchange x;

    feed(&rel, 0, 4, 77, 0);
    x = with_tod(exchange_at(5 * S, 77, MS, MS), 77, 0, 0);
    x.tod_l4 = tod_ns(x.tod_l4.raw - NS_PER_S);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_LOCAL_TOD);
    g_assert_cmpint(relation_at(&rel, x.l4).state, ==, RELATION_OK);
}

static void test_timebase_jump_names_the_host_by_its_wall_clock(void)
{
    Relation rel = relation_new();
    Exchange x;

    feed(&rel, 0, 4, 0, 0);
    x = with_tod(exchange_at(5 * S, 8 * S, MS, MS), 8 * S, 0, 0);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_REMOTE_TIMEBASE);
    relation_init(&rel, &params);
    feed(&rel, 0, 4, 0, 0);
    x = with_tod(exchange_at(13 * S, -8 * S, MS, MS), -8 * S, -8 * NS_PER_S, -8 * NS_PER_S);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_LOCAL_TIMEBASE);
}

static void test_another_machine_under_the_same_name_is_named(void)
{
    Relation rel = relation_new();
    Exchange x;

    feed(&rel, 0, 4, 0, 0);
    x = with_tod(exchange_at(5 * S, 8 * S, MS, MS), 8 * S, 0, 8 * NS_PER_S);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_CLOCKS);
}

static void test_without_wall_clocks_a_timebase_is_named(void)
{
    Relation rel = relation_new();
    Exchange x = exchange_at(S, 9 * S, MS, MS), back = exchange_at(0, 0, MS, MS);

    add(&rel, 0, 0);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_TIMEBASE);
    g_assert_cmpint(fault_after(&rel, &back), ==, RELATION_FAULT_LOCAL_TIMEBASE);
    relation_init(&rel, &params);
    x = exchange_at(S, 0, MS, MS);
    x.l4 = tb_plus(x.l1, -1);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_LOCAL_TIMEBASE);
    relation_init(&rel, &params);
    x = exchange_at(S, 0, MS, MS);
    x.r3 = tb_plus(x.r2, -1);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_REMOTE_TIMEBASE);
    relation_init(&rel, &params);
    add(&rel, 0, 0);
    x = exchange_at(S, -2 * S, MS, MS);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_REMOTE_TIMEBASE);
    relation_init(&rel, &params);
    x = exchange_at(0, 0, 10, 10);
    relation_add(&rel, &x);
    x.r2 = x.r3 = tb_plus(tb_ticks(0), 10);
    x.l1 = x.l4;
    x.l4 = tb_plus(x.l1, 1);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_REMOTE_TIMEBASE);
}

static void test_peer_that_stops_telling_the_time_keeps_its_timebase(void)
{
    Relation rel = relation_new();
    Exchange x = with_tod(exchange_at(0, 0, MS, MS), 0, 0, 0);

    relation_add(&rel, &x);
    add(&rel, S, 0);
    g_assert_cmpint(relation_at(&rel, tb_ticks(S)).state, ==, RELATION_OK);
    add(&rel, 2 * S, 9 * S);
    g_assert_cmpint(relation_at(&rel, tb_ticks(2 * S)).tod_state, ==, RELATION_INVALID);
    g_assert_cmpint(relation_at(&rel, tb_ticks(2 * S)).fault, ==, RELATION_FAULT_TIMEBASE);
}

static void test_stale_answers_with_wall_clocks_are_invalid(void)
{
    Relation rel = relation_new();
    Exchange x = feed(&rel, 10, 4, 0, 0);

    x = with_tod(exchange_at(5 * S, 0, MS, MS), 0, 0, 0);
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_INVALID);
    g_assert_cmpint(relation_at(&rel, x.l4).tod_state, ==, RELATION_INVALID);
    x = feed(&rel, 20, 3, 0, 0);
    g_assert_cmpint(relation_at(&rel, x.l4).tod_state, ==, RELATION_STEPPED);
    x = feed(&rel, 23, 1, 0, 0);
    g_assert_cmpint(relation_at(&rel, x.l4).tod_state, ==, RELATION_OK);
    g_assert_cmpint(relation_at(&rel, x.l4).fault, ==, RELATION_FAULT_NONE);
}

static void test_wall_clocks_may_come_later(void)
{
    Relation rel = relation_new();
    Exchange x;

    add(&rel, 0, 0);
    x = with_tod(exchange_at(S, 8 * S, MS, MS), 8 * S, 0, 0);
    g_assert_cmpint(fault_after(&rel, &x), ==, RELATION_FAULT_TIMEBASE);
    g_assert_cmpint(relation_at(&rel, x.l4).tod_state, ==, RELATION_OK);
}

static void test_slew_allowance_can_be_set(void)
{
    RelationParams tight = { .timebase_hz = HZ, .tod_drift_ppb = 1000 };
    Exchange x = with_tod(exchange_at(0, 0, MS, MS), 0, 0, 0);
    Relation rel;
    RelationBounds bounds;

    relation_init(&rel, &tight);
    relation_add(&rel, &x);
    bounds = relation_at(&rel, tb_plus(x.l4, 1000 * S));
    g_assert_cmpint(interval_width(bounds.tod_ns), <, 2100000 + 2 * 1000000);
    g_assert_cmpint(interval_width(bounds.tod_ns), >, 2000000 + 2 * 1000000);
}

/* A timebase so slow that two whole exchanges fit into three readings. */
static void test_a_coarse_clock_may_stand_still_for_a_tick(void)
{
    Relation rel = relation_new();
    Exchange x = { .l1 = tb_ticks(5), .r2 = tb_ticks(9), .r3 = tb_ticks(9), .l4 = tb_ticks(6) };

    relation_add(&rel, &x);
    x.l1 = tb_ticks(6);
    x.l4 = tb_ticks(7);
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_OK);
    x.l1 = tb_ticks(7);
    x.l4 = tb_ticks(9);
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_INVALID);
}

static void test_random_answers_are_never_ok_for_long(void)
{
    Relation rel = relation_new();

    for (int i = 0; i < 100000; i++) {
        uint64_t sent = (uint64_t)i * S, bits = (uint64_t)g_test_rand_int() << 32;
        Exchange x = exchange_at(sent, 0, MS, MS);

        x.r2 = tb_ticks(bits ^ (uint32_t)g_test_rand_int());
        x.r3 = tb_plus(x.r2, g_test_rand_int_range(0, (gint32)MS));
        if (relation_add(&rel, &x) == RELATION_OK)
            g_assert_cmpint(i, ==, 0);
    }
}

static void test_drift_is_unknown_without_a_baseline(void)
{
    Relation rel = relation_new();

    g_assert_false(relation_drift(&rel).known);
    add(&rel, 0, 0);
    g_assert_false(relation_drift(&rel).known);
    add(&rel, S, 0);
    g_assert_true(relation_drift(&rel).known);
    add(&rel, 2 * S, 9 * S);
    g_assert_false(relation_drift(&rel).known);
}

/* A remote oscillator that is 40 ppm fast, over ten thousand seconds. */
static void test_measured_drift_contains_the_true_one_and_narrows(void)
{
    Relation rel = relation_new();
    int64_t width = INT64_MAX;

    for (int i = 0; i < 300; i++) {
        add(&rel, (uint64_t)i * 64 * S, 1000000 + (int64_t)i * 64 * S / 1000000 * 40);
        if (i > 0) {
            RelationDrift drift = relation_drift(&rel);

            g_assert_true(interval_contains(drift.ppb, 40000));
            g_assert_cmpint(drift.baseline_ticks, <=, 2 * RELATION_BASELINE_S * S);
            width = interval_width(drift.ppb);
        }
    }
    g_assert_cmpint(width, <, 1100); /* 4 ms in at least 4096 s */
}

static void test_measured_drift_stays_within_the_bound(void)
{
    Relation rel = relation_new();
    RelationDrift drift;

    add(&rel, 0, 0);
    add(&rel, 8 * MS, 0);
    drift = relation_drift(&rel);
    g_assert_cmpint(drift.ppb.lo, ==, -DRIFT_PPB);
    g_assert_cmpint(drift.ppb.hi, ==, DRIFT_PPB);
    g_assert_cmpint(drift.baseline_ticks, ==, 8 * MS);
}

static void test_faults_have_names(void)
{
    static const char *const names[] = { "none",           "tod",             "local-tod",
                                         "remote-tod",     "timebase",        "local-timebase",
                                         "remote-timebase", "clocks",         "local-clocks",
                                         "remote-clocks",  "clocks" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_cmpstr(relation_fault_name((RelationFault)i), ==, names[i]);
}

static void test_states_have_names(void)
{
    g_assert_cmpstr(relation_state_name(RELATION_NONE), ==, "none");
    g_assert_cmpstr(relation_state_name(RELATION_OK), ==, "ok");
    g_assert_cmpstr(relation_state_name(RELATION_STEPPED), ==, "stepped");
    g_assert_cmpstr(relation_state_name(RELATION_INVALID), ==, "invalid");
    g_assert_cmpstr(relation_state_name((RelationState)99), ==, "invalid");
}

#define CASE(name, function) g_test_add_func("/relation/" name, function)

/* What another process has left: 2 ms wide, made at the beginning of time. */
static Relation stored_relation(void)
{
    Relation rel = relation_new();
    Exchange x = with_tod(exchange_at(0, 5000, MS, MS), 5000, 0, 0);

    relation_add(&rel, &x);
    relation_set_stored(&rel);
    return rel;
}

static bool is_stored(const Relation *rel)
{
    return relation_at(rel, rel->tb.at).stored;
}

static void test_stored_bounds_say_so_until_fresh_ones_do_as_well(void)
{
    Relation rel = stored_relation();
    Exchange wide = exchange_at(S, 5000, 3 * MS, 3 * MS), quick_there = exchange_at(2 * S, 5000, MS / 2, 3 * MS),
             quick_back = exchange_at(3 * S, 5000, 3 * MS, MS / 2);

    g_assert_true(is_stored(&rel));
    g_assert_cmpint(relation_at(&rel, tb_ticks(0)).state, ==, RELATION_OK);
    g_assert_cmpint(relation_add(&rel, &wide), ==, RELATION_OK);
    g_assert_true(is_stored(&rel)); /* of 1 ms and 0.1 ms of drift at both ends */
    relation_add(&rel, &quick_there);
    g_assert_true(is_stored(&rel)); /* at one end */
    relation_add(&rel, &quick_back);
    g_assert_false(is_stored(&rel));
    relation_add(&rel, &(Exchange){ .l1 = tb_ticks(4 * S), .r2 = tb_ticks(4 * S + 4 * MS), .r3 = tb_ticks(4 * S + 4 * MS),
                                    .l4 = tb_ticks(4 * S + 9 * MS) });
    g_assert_false(is_stored(&rel));
    g_assert_false(relation_at(&(Relation){ .stored = true }, tb_ticks(0)).stored); /* nothing is known at all */
}

static void test_drift_wears_stored_bounds_out(void)
{
    Relation rel = stored_relation();
    Exchange wide = exchange_at(30 * S, 5000, 3 * MS, 3 * MS);

    relation_add(&rel, &wide);
    g_assert_false(is_stored(&rel)); /* 1 ms and 3 ms of drift */
}

static void test_nothing_stored_is_left_after_a_contradiction(void)
{
    Relation rel = stored_relation(), fresh = relation_new();

    g_assert_cmpint(add(&rel, S, 5000 + 100 * MS), ==, RELATION_STEPPED);
    add(&fresh, S, 5000 + 100 * MS);
    g_assert_false(is_stored(&rel));
    g_assert_cmpint(relation_at(&rel, rel.tb.at).tb_ticks.lo, ==, relation_at(&fresh, fresh.tb.at).tb_ticks.lo);
    g_assert_cmpint(relation_at(&rel, rel.tb.at).tb_ticks.hi, ==, relation_at(&fresh, fresh.tb.at).tb_ticks.hi);
    rel = stored_relation();
    g_assert_cmpint(add(&rel, UINT64_MAX - (uint64_t)S, 5000), ==, RELATION_INVALID); /* older than what was stored */
    g_assert_false(is_stored(&rel));
}

/* What "stored" means, against a relation that began with the first fresh exchange. */
static void test_stored_is_told_as_long_as_it_narrows(void)
{
    uint32_t was_stored = 0, was_not = 0;

    for (int world = 0; world < 2000; world++) {
        Relation rel = stored_relation(), fresh = relation_new();
        uint64_t at = (uint64_t)(g_test_rand_int_range(1, 20) * S);

        for (int i = 0; i < 12; i++) {
            Exchange x = exchange_at(at, 5000, g_test_rand_int_range(1000, (gint32)(4 * MS)),
                                     g_test_rand_int_range(1000, (gint32)(4 * MS)));
            RelationBounds both, alone;

            relation_add(&rel, &x);
            relation_add(&fresh, &x);
            both = relation_at(&rel, x.l4);
            alone = relation_at(&fresh, x.l4);
            g_assert_true(interval_contains(both.tb_ticks, 5000));
            g_assert_cmpint(both.stored, ==,
                            both.tb_ticks.lo != alone.tb_ticks.lo || both.tb_ticks.hi != alone.tb_ticks.hi);
            was_stored += both.stored;
            was_not += !both.stored;
            at = x.l4.raw + (uint64_t)g_test_rand_int_range(1000, (gint32)(S / 10));
        }
    }
    g_assert_cmpuint(was_stored, >, 1000);
    g_assert_cmpuint(was_not, >, 1000);
}

/* A wall clock that was stepped while nobody looked is neither believed nor blamed. */
static void test_times_of_day_are_not_stored(void)
{
    Relation rel = stored_relation();
    Exchange x = with_tod(exchange_at(S, 5000, MS, MS), 5000, 0, 7 * NS_PER_S);
    RelationBounds bounds = relation_at(&rel, tb_ticks(0));

    g_assert_cmpint(bounds.tod_state, ==, RELATION_NONE);
    g_assert_false(interval_is_bounded(bounds.tod_ns));
    g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_OK);
    bounds = relation_at(&rel, x.l4);
    g_assert_cmpint(bounds.tod_state, ==, RELATION_OK);
    g_assert_cmpint(bounds.fault, ==, RELATION_FAULT_NONE);
    g_assert_true(interval_contains(bounds.tod_ns, 7 * NS_PER_S));
}

/* Three silences of 372 years each: a replayed file may say so. Ages beyond 2^63 ticks have no number. */
static void test_centuries_of_silence_leave_the_truth_inside(void)
{
    const uint64_t step = UINT64_C(6000000000000000000);
    Relation rel = relation_new();

    for (unsigned i = 0; i < 4; i++) {
        Exchange x = exchange_at(i * step, 77, MS, MS);

        if (i % 3 == 0)
            x = with_tod(x, 77, 0, 0);
        g_assert_cmpint(relation_add(&rel, &x), ==, RELATION_OK);
        g_assert_true(interval_contains(relation_at(&rel, x.l4).tb_ticks, 77));
        relation_drift(&rel);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CASE("starts-with-no-bounds", test_starts_with_no_bounds);
    CASE("one-exchange-gives-its-bounds", test_one_exchange_gives_its_bounds);
    CASE("bounds-widen-while-the-peer-is-silent", test_bounds_widen_while_the_peer_is_silent);
    CASE("exchanges-narrow-each-other", test_exchanges_narrow_each_other);
    CASE("empty-intersection-means-step", test_empty_intersection_means_step);
    CASE("another-step-starts-confirming-again", test_another_step_starts_confirming_again);
    CASE("impossible-exchanges-are-invalid", test_impossible_exchanges_are_invalid);
    CASE("invalid-is-left-through-stepped", test_invalid_is_left_through_stepped);
    CASE("a-long-turnaround-may-exceed-the-round-trip-by-the-drift",
         test_a_long_turnaround_may_exceed_the_round_trip_by_the_drift);
    CASE("out-of-order-is-invalid", test_out_of_order_is_invalid);
    CASE("overlapping-exchanges-are-fine-but-confirm-nothing",
         test_overlapping_exchanges_are_fine_but_confirm_nothing);
    CASE("a-clock-that-stands-still-is-no-clock", test_a_clock_that_stands_still_is_no_clock);
    CASE("a-remote-clock-that-goes-back-is-invalid", test_a_remote_clock_that_goes_back_is_invalid);
    CASE("counters-may-wrap", test_counters_may_wrap);
    CASE("tod-is-bounded-like-the-timebase", test_tod_is_bounded_like_the_timebase);
    CASE("tod-step-keeps-the-timebase-relation", test_tod_step_keeps_the_timebase_relation);
    CASE("timebase-step-restarts-the-tod-relation", test_timebase_step_restarts_the_tod_relation);
    CASE("impossible-tod-does-not-hurt-the-timebase", test_impossible_tod_does_not_hurt_the_timebase);
    CASE("tod-step-is-named-until-confirmed", test_tod_step_is_named_until_confirmed);
    CASE("tod-step-during-an-exchange-is-named", test_tod_step_during_an_exchange_is_named);
    CASE("timebase-jump-names-the-host-by-its-wall-clock",
         test_timebase_jump_names_the_host_by_its_wall_clock);
    CASE("another-machine-under-the-same-name-is-named",
         test_another_machine_under_the_same_name_is_named);
    CASE("without-wall-clocks-a-timebase-is-named", test_without_wall_clocks_a_timebase_is_named);
    CASE("peer-that-stops-telling-the-time-keeps-its-timebase",
         test_peer_that_stops_telling_the_time_keeps_its_timebase);
    CASE("stale-answers-with-wall-clocks-are-invalid",
         test_stale_answers_with_wall_clocks_are_invalid);
    CASE("wall-clocks-may-come-later", test_wall_clocks_may_come_later);
    CASE("slew-allowance-can-be-set", test_slew_allowance_can_be_set);
    CASE("a-coarse-clock-may-stand-still-for-a-tick", test_a_coarse_clock_may_stand_still_for_a_tick);
    CASE("random-answers-are-never-ok-for-long", test_random_answers_are_never_ok_for_long);
    CASE("drift-is-unknown-without-a-baseline", test_drift_is_unknown_without_a_baseline);
    CASE("measured-drift-contains-the-true-one-and-narrows",
         test_measured_drift_contains_the_true_one_and_narrows);
    CASE("measured-drift-stays-within-the-bound", test_measured_drift_stays_within_the_bound);
    CASE("stored-bounds-say-so-until-fresh-ones-do-as-well",
         test_stored_bounds_say_so_until_fresh_ones_do_as_well);
    CASE("stored-is-told-as-long-as-it-narrows", test_stored_is_told_as_long_as_it_narrows);
    CASE("drift-wears-stored-bounds-out", test_drift_wears_stored_bounds_out);
    CASE("nothing-stored-is-left-after-a-contradiction",
         test_nothing_stored_is_left_after_a_contradiction);
    CASE("times-of-day-are-not-stored", test_times_of_day_are_not_stored);
    CASE("faults-have-names", test_faults_have_names);
    CASE("states-have-names", test_states_have_names);
    CASE("centuries-of-silence-leave-the-truth-inside", test_centuries_of_silence_leave_the_truth_inside);
    return g_test_run();
}
