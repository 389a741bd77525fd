/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relation.h"

/* The two bounds are made by the quickest message of each way, so what a further exchange may gain shrinks with their number, but on
 * a link that shakes it shrinks slowly: of 8 exchanges over 1 +- 0.3 ms one in twenty still leaves an interval 15 % wider
 * than the quickest messages of the last minute allow. A link that is steady shows it by not getting better. */
bool relation_burst_goes_on(RelationBurst *burst, const RelationBounds *bounds)
{
    int64_t width_ticks = interval_width(bounds->tb_ticks);

    if (burst->made++ == 0 || width_ticks < burst->narrowest_ticks) {
        burst->narrowest_ticks = width_ticks;
        burst->idle = 0;
    } else {
        burst->idle++;
    }
    return burst->idle < RELATION_BURST_IDLE && burst->made < RELATION_BURST_MAX;
}
