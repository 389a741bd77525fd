/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-tb.h"

/* What the guest's timebase counts while that of its host advances by `host_ticks`; none of it is negative, since a guest that
 * is stopped counts nothing. One tick more: both readings are floors. */
static Interval guest_ticks_of(const GuestTbQuery *q, Interval host_ticks)
{
    Interval ran = interval_of(host_ticks.lo > 0 ? host_ticks.lo : 0, host_ticks.hi > 0 ? host_ticks.hi : 0);
    Interval guest = interval_scale(ran, (int64_t)GUEST_TB_HZ, (int64_t)q->host_hz);
    int64_t slack = mul_div_ceil(guest.hi, q->rate_ppb, NS_PER_S) + (ran.hi > 0);

    guest = interval_widen(guest, slack);
    return interval_of(guest.lo > 0 ? guest.lo : 0, guest.hi);
}

GuestTbBounds guest_tb_at_stop(const GuestTbQuery *q)
{
    Interval ran = guest_ticks_of(q, interval_of(tb_minus(q->lo, q->reading.host_hi), tb_minus(q->hi, q->reading.host_lo)));

    return (GuestTbBounds){ tb_plus(q->reading.guest, ran.lo), tb_plus(q->reading.guest, ran.hi) };
}

GuestTbBounds guest_tb_at_start(const GuestTbQuery *q)
{
    Interval ran = guest_ticks_of(q, interval_of(tb_minus(q->reading.host_lo, q->hi), tb_minus(q->reading.host_hi, q->lo)));

    return (GuestTbBounds){ tb_plus(q->reading.guest, -ran.hi), tb_plus(q->reading.guest, -ran.lo) };
}

Interval guest_tb_moved(const GuestTbBounds *stop, const GuestTbBounds *start)
{
    return interval_of(tb_minus(start->lo, stop->hi), tb_minus(start->hi, stop->lo));
}
