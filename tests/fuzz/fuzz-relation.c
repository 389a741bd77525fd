/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A peer that answers exchanges with any numbers: drift, then eight numbers for each exchange. */
#include <string.h>

#include "fuzz.h"
#include "relation.h"

enum { L1, R2, R3, L4, TOD_L1, TOD_R2, TOD_R3, TOD_L4, NUMBERS };

/* Our own stamps are sound, whatever the peer says: differences of them are, so the first one is a start and the others add. */
static Exchange exchange_of(const int64_t *n, uint64_t *now, int64_t *now_tod_ns)
{
    Exchange x = { .r2 = tb_ticks((uint64_t) n[R2]), .r3 = tb_ticks((uint64_t) n[R3]), .has_tod = n[TOD_L1] & 1 };

    *now += (uint64_t) n[L1] >> 20;
    *now_tod_ns = (int64_t) ((uint64_t) *now_tod_ns + ((uint64_t) n[L1] >> 20));
    x.l1 = tb_ticks(*now);
    x.tod_l1 = tod_ns(*now_tod_ns);
    *now += (uint64_t) n[L4] >> 30;
    x.l4 = tb_ticks(*now);
    x.tod_l4 = tod_ns(n[TOD_L4]);
    x.tod_r2 = tod_ns(n[TOD_R2]);
    x.tod_r3 = tod_ns(n[TOD_R3]);
    return x;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RelationParams params = { .timebase_hz = 512000000, .drift_ppb = 100000 };
    uint64_t now = UINT64_MAX - 1000; /* wraps early */
    int64_t now_tod_ns = INT64_C(1700000000000000000), numbers[NUMBERS];
    Relation relation;

    if (size < 4)
        return 0;
    params.drift_ppb = (uint32_t) data[0] << 8 | data[1];
    relation_init(&relation, &params);
    for (data += 4, size -= 4; size >= sizeof numbers; data += sizeof numbers, size -= sizeof numbers) {
        RelationBounds bounds;
        RelationState state;
        Exchange x;

        memcpy(numbers, data, sizeof numbers);
        x = exchange_of(numbers, &now, &now_tod_ns);
        state = relation_add(&relation, &x);
        bounds = relation_at(&relation, tb_ticks(now + ((uint64_t) numbers[TOD_L1] >> 24)));
        g_assert_true(bounds.state == state);
        g_assert_true(bounds.tb_ticks.lo <= bounds.tb_ticks.hi);
        g_assert_true(bounds.tod_ns.lo <= bounds.tod_ns.hi);
        g_assert_cmpint(bounds.age_ticks, >=, 0);
        relation_drift(&relation);
    }
    return 0;
}
