/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PID 1 of a guest of the emulated hosts: watches the guest's own timebase, the truth that audits are held to. On the console:
 *
 *   ready                once
 *   step FROM TO         two readings, in ticks, that are more than GAP_TICKS apart or in the wrong order
 *   at TB                twice a second: it runs
 *
 * It reads without a pause: what it sees of a step is to be the step alone, and not how long it slept. */
#include <inttypes.h>
#include <stdio.h>

#define HZ        UINT64_C(512000000)
#define GAP_TICKS (HZ / 10)

int main(void)
{
    uint64_t last = __builtin_ppc_get_timebase(), told = last;

    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    for (;;) {
        uint64_t now = __builtin_ppc_get_timebase();

        if (now < last || now - last > GAP_TICKS)
            printf("step %" PRIu64 " %" PRIu64 "\n", last, now);
        if (now - told > HZ / 2) {
            printf("at %" PRIu64 "\n", now);
            told = now;
        }
        last = now;
    }
}
