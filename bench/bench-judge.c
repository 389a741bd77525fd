/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ns per judge() call, beside a memcpy of the same facts. Fails above the bar: 2 us per call. The
 * median of many short rounds, so that a busy machine does not decide.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "verdict-world.h"

#define ROUNDS 201
#define CALLS  2000
#define BAR_NS 2000

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void judge_once(World *w)
{
    judge(&w->in, &w->verdict);
}

/* What judge() reads of one world, copied. */
static void copy_once(World *w)
{
    static World to;

    memcpy(&to, w, offsetof(World, verdict));
    __asm__ volatile("" : : "r"(&to) : "memory");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double measure(void (*call)(World *), World *w)
{
    double rounds[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        int64_t start_ns = now_ns();

        for (int k = 0; k < CALLS; k++)
            call(w);
        rounds[i] = (double)(now_ns() - start_ns) / CALLS;
    }
    qsort(rounds, ROUNDS, sizeof rounds[0], compare);
    return rounds[ROUNDS / 2];
}

int main(void)
{
    static const struct {
        const char *name;
        uint32_t source_pvr, dest_pvr;
    } cases[] = {
        { "allowed, with a plan", PVR_POWER9, PVR_POWER9 },
        { "one way", PVR_POWER8, PVR_POWER10 },
        { "refused", PVR_POWER10, PVR_POWER8 },
    };
    double worst_ns = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        World *w = calloc(1, sizeof *w);
        double judge_ns, copy_ns;

        world_init(w, cases[i].source_pvr, cases[i].dest_pvr);
        judge_ns = measure(judge_once, w);
        copy_ns = measure(copy_once, w);
        printf("%-22s judge %7.1f ns, memcpy of its %zu bytes of facts %6.1f ns, findings %d\n",
               cases[i].name, judge_ns, offsetof(World, verdict), copy_ns, w->verdict.n_findings);
        worst_ns = MAX(worst_ns, judge_ns);
        free(w);
    }
    printf("worst %.1f ns, bar %d ns\n", worst_ns, BAR_NS);
    return worst_ns <= BAR_NS ? 0 : 1;
}
