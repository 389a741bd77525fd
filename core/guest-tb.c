/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-tb.h"

/* The most that the guest's timebase counts while that of its host advances by `host_ticks`: nothing where that is negative,
 * since it is stopped then. One tick more: both readings are floors. */
static int64_t most_ticks(const GuestTbQuery *q, int64_t host_ticks)
{
    int64_t guest_ticks = mul_div_ceil(host_ticks, (int64_t)GUEST_TB_HZ, (int64_t)q->host_hz);

    return host_ticks > 0 ? int64_add(guest_ticks, mul_div_ceil(guest_ticks, q->rate_ppb, NS_PER_S) + 1) : 0;
}

GuestTbBounds guest_tb_at_stop(const GuestTbQuery *q)
{
    return (GuestTbBounds){ q->reading.guest, tb_plus(q->reading.guest, most_ticks(q, tb_minus(q->limit, q->reading.host_lo))) };
}

GuestTbBounds guest_tb_at_start(const GuestTbQuery *q)
{
    return (GuestTbBounds){ tb_plus(q->reading.guest, -most_ticks(q, tb_minus(q->reading.host_hi, q->limit))), q->reading.guest };
}

Interval guest_tb_moved(const GuestTbBounds *stop, const GuestTbBounds *start)
{
    return interval_of(tb_minus(start->lo, stop->hi), tb_minus(start->hi, stop->lo));
}
