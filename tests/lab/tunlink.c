/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tunlink - a userland link with delay, jitter, tail and loss between two
 * network namespaces, for kernels without the netem queueing discipline.
 *
 *   tunlink PID_A IF_A PID_B IF_B  A2B_US A2B_JIT_US A2B_EXP_US  B2A_US B2A_JIT_US B2A_EXP_US
 * LOSS_PCT SEED
 *
 * PID_A and PID_B are processes in the two namespaces. Creates a TUN device in each and carries IP
 * packets between them. Each packet is held for  base + U(-jit,+jit) + Exp(mean exp)  microseconds.
 * Kernel software TX timestamps are taken when the packet enters the TUN device,
 * that is before the delay (a netem qdisc on the sender's own device would hold
 * the packet before the timestamp, so a timestamping client never sees it).
 * Prints on SIGTERM how late releases were (the emulator's own error).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define QMAX 4096
#define MTU  2048

struct pkt {
    int64_t due;
    int out;
    int len;
    unsigned char b[MTU];
};
static struct pkt *q[QMAX]; /* binary heap on due */
static int qn;
static volatile sig_atomic_t stop;
static uint64_t rng;
static double late_sum, late_max;
static long late_n, drops;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}
static double urand(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (double)(rng >> 11) / 9007199254740992.0;
}
static void on_term(int s)
{
    (void)s;
    stop = 1;
}

static void push(struct pkt *p)
{
    int i = qn++;
    while (i > 0 && q[(i - 1) / 2]->due > p->due) {
        q[i] = q[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    q[i] = p;
}
static struct pkt *pop(void)
{
    struct pkt *top = q[0], *last = q[--qn];
    int i = 0, c;
    while ((c = 2 * i + 1) < qn) {
        if (c + 1 < qn && q[c + 1]->due < q[c]->due)
            c++;
        if (last->due <= q[c]->due)
            break;
        q[i] = q[c];
        i = c;
    }
    q[i] = last;
    return top;
}
static int tun_in(const char *pid, const char *ifn, int homens)
{
    char path[128];
    struct ifreq r;
    int n, fd;
    snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
    n = open(path, O_RDONLY | O_CLOEXEC);
    if (n < 0 || setns(n, CLONE_NEWNET) < 0) {
        perror(path);
        exit(1);
    }
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    memset(&r, 0, sizeof r);
    r.ifr_flags = IFF_TUN | IFF_NO_PI;
    snprintf(r.ifr_name, IFNAMSIZ, "%s", ifn);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0) {
        perror("tun");
        exit(1);
    }
    close(n);
    if (setns(homens, CLONE_NEWNET) < 0) {
        perror("setns home");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    int fd[2], home, i;
    double base[2], jit[2], ex[2], loss;

    if (argc != 13) {
        fprintf(stderr, "usage: see the head of tunlink.c\n");
        return 2;
    }
    home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    fd[0] = tun_in(argv[1], argv[2], home);
    fd[1] = tun_in(argv[3], argv[4], home);
    for (i = 0; i < 2; i++) {
        base[i] = atof(argv[5 + 3 * i]);
        jit[i] = atof(argv[6 + 3 * i]);
        ex[i] = atof(argv[7 + 3 * i]);
    }
    loss = atof(argv[11]) / 100.0;
    rng = strtoull(argv[12], NULL, 0) * 0x9E3779B97F4A7C15ull | 1;
    prctl(PR_SET_TIMERSLACK, 1UL);
    {
        struct sched_param sp = { .sched_priority = 1 };
        sched_setscheduler(0, SCHED_FIFO, &sp);
    }
    struct sigaction sa = { .sa_handler = on_term };
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    printf("ready\n");
    fflush(stdout);

    while (!stop) {
        struct pollfd pf[2] = { { fd[0], POLLIN, 0 }, { fd[1], POLLIN, 0 } };
        struct timespec ts, *tp = NULL;
        int64_t t = now_ns();

        while (qn && q[0]->due <= t) {
            struct pkt *p = pop();
            double late = (double)(t - p->due) / 1000.0;
            late_sum += late;
            late_n++;
            if (late > late_max)
                late_max = late;
            if (write(p->out, p->b, p->len) < 0)
                drops++;
            free(p);
            t = now_ns();
        }
        if (qn) {
            int64_t d = q[0]->due - t;
            if (d < 0)
                d = 0;
            ts.tv_sec = d / 1000000000;
            ts.tv_nsec = d % 1000000000;
            tp = &ts;
        }
        if (ppoll(pf, 2, tp, NULL) <= 0)
            continue;
        for (i = 0; i < 2; i++) {
            if (!(pf[i].revents & POLLIN))
                continue;
            for (;;) {
                struct pkt *p;
                double us;
                if (qn >= QMAX)
                    break;
                p = malloc(sizeof *p);
                p->len = read(fd[i], p->b, MTU);
                if (p->len <= 0) {
                    free(p);
                    break;
                }
                if (loss > 0 && urand() < loss) {
                    free(p);
                    continue;
                }
                us = base[i] + (jit[i] > 0 ? (2 * urand() - 1) * jit[i] : 0) +
                     (ex[i] > 0 ? -ex[i] * log(1 - urand()) : 0);
                if (us < 0)
                    us = 0;
                p->due = now_ns() + (int64_t)(us * 1000);
                p->out = fd[!i];
                push(p);
            }
        }
    }
    printf("carried %ld dropped %ld release_late_us mean %.1f max %.1f\n", late_n, drops,
           late_n ? late_sum / late_n : 0, late_max);
    return 0;
}
