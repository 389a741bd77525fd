/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skew.so - shift the wall clock (CLOCK_REALTIME only) of a lab host's processes.
 *
 * For /etc/ld.so.preload of one host (its /etc is private), or LD_PRELOAD.  The offset in
 * nanoseconds is the 8 bytes of the file /run/lab/skew.ns, mapped once per process: it can be
 * changed while processes run ("lab.sh skew HOST SECONDS").  No file: no shift.  Covers
 * clock_gettime, gettimeofday, time, timespec_get, ftime; and absolute CLOCK_REALTIME waits
 * (pthread_cond_timedwait & co, sem_timedwait, clock_nanosleep, timerfd_settime).
 * Not covered: raw system calls, static binaries, Go programs, kernel stamps (file times).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *map;
static const int64_t zero;

static int64_t offset(void)
{
    if (!map) {
        int e = errno, fd = open("/run/lab/skew.ns", O_RDONLY | O_CLOEXEC);
        void *p = fd < 0 ? MAP_FAILED : mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
        if (fd >= 0)
            close(fd);
        map = p == MAP_FAILED ? &zero : p;
        errno = e;
    }
    return *map;
}

static void add(struct timespec *t, int64_t ns)
{
    int64_t s = ns / 1000000000, n = t->tv_nsec + ns % 1000000000;
    if (n >= 1000000000)
        n -= 1000000000, s++;
    if (n < 0)
        n += 1000000000, s--;
    t->tv_sec += s, t->tv_nsec = n;
}

static void *next_sym(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}
#define REAL(type, name)                                                                           \
    static type (*real)();                                                                         \
    if (!real)                                                                                     \
    real = (type(*)())next_sym(name)

static int is_real(clockid_t c)
{
    return c == CLOCK_REALTIME || c == CLOCK_REALTIME_COARSE || c == CLOCK_TAI ||
           c == CLOCK_REALTIME_ALARM;
}

int clock_gettime(clockid_t c, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    int r;
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))next_sym("clock_gettime");
    r = real ? real(c, t) : (int)syscall(SYS_clock_gettime, c, t);
    if (!r && is_real(c))
        add(t, offset());
    return r;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec t;
    if (tz)
        syscall(SYS_gettimeofday, NULL, tz);
    clock_gettime(CLOCK_REALTIME, &t);
    tv->tv_sec = t.tv_sec, tv->tv_usec = t.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

int timespec_get(struct timespec *t, int base)
{
    if (base != TIME_UTC)
        return 0;
    clock_gettime(CLOCK_REALTIME, t);
    return base;
}

/* absolute waits: what the caller computed from the shifted clock goes back to the real one */
static const struct timespec *back(const struct timespec *abs, struct timespec *buf)
{
    if (!abs)
        return NULL;
    *buf = *abs;
    add(buf, -offset());
    return buf;
}

int sem_timedwait(sem_t *restrict s, const struct timespec *restrict abs)
{
    struct timespec b;
    REAL(int, "sem_timedwait");
    return real(s, back(abs, &b));
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict m, const struct timespec *restrict abs)
{
    struct timespec b;
    REAL(int, "pthread_mutex_timedlock");
    return real(m, back(abs, &b));
}

/* a condition variable may have been told to use CLOCK_MONOTONIC: the clock is kept in bit 1 of the
 * glibc (>= 2.25) flags word __wrefs; shift only what waits on the wall clock */
int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m,
                           const struct timespec *restrict abs)
{
    struct timespec b;
    REAL(int, "pthread_cond_timedwait");
    int mono = (c->__data.__wrefs & 2) != 0;
    return real(c, m, mono ? abs : back(abs, &b));
}

int clock_nanosleep(clockid_t c, int flags, const struct timespec *req, struct timespec *rem)
{
    struct timespec b;
    REAL(int, "clock_nanosleep");
    return real(c, flags, (flags & TIMER_ABSTIME) && is_real(c) ? back(req, &b) : req, rem);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
    /* the clock of the descriptor is not known here: absolute times near the wall clock are wall
     * times */
    struct itimerspec n;
    REAL(int, "timerfd_settime");
    if (new && (flags & TFD_TIMER_ABSTIME) && new->it_value.tv_sec > 1000000000) {
        n = *new;
        add(&n.it_value, -offset());
        new = &n;
    }
    return real(fd, flags, new, old);
}
