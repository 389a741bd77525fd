/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LD_PRELOAD: this process is killed at one of its steps, and libvirt's test driver has a guest that migrates out.
 *
 * A step is a call that reads from, writes to or waits for what is outside: bus, link, files. TBSYNC_KILL_FILE names a file of
 * three 32-bit numbers, which the test may change at any time: steps left until the end (0: no end is near), a flag that it came,
 * and all steps so far. TBSYNC_LEAVING_XML names a file with the XML of the guest.
 * tests/integration/test-kill-points.py starts daemons with it.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <libvirt/libvirt.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

typedef struct Countdown {
    int32_t left, fired, steps;
} Countdown;

/* NULL: none. The environment is read once. */
static Countdown *countdown(void)
{
    static Countdown *mapped;
    static int opened;
    const char *path = getenv("TBSYNC_KILL_FILE");
    int fd;

    if (__atomic_exchange_n(&opened, 1, __ATOMIC_SEQ_CST) || !path || (fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
        return __atomic_load_n(&mapped, __ATOMIC_SEQ_CST);
    mapped = mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        abort();
    return mapped;
}

__attribute__((constructor)) static void map_countdown(void)
{
    countdown();
}

static void step(const char *call)
{
    Countdown *c = countdown();

    if (!c)
        return;
    __atomic_add_fetch(&c->steps, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&c->left, __ATOMIC_SEQ_CST) <= 0 || __atomic_sub_fetch(&c->left, 1, __ATOMIC_SEQ_CST) != 0)
        return;
    __atomic_store_n(&c->fired, 1, __ATOMIC_SEQ_CST);
    dprintf(STDERR_FILENO, "killed before %s\n", call);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

#define STEP(type, function, parameters, arguments)                           \
    __attribute__((visibility("default"))) type function parameters;          \
    type function parameters                                                  \
    {                                                                         \
        type (*real) parameters = (type(*) parameters) dlsym(RTLD_NEXT, #function); \
                                                                              \
        step(#function);                                                      \
        return real arguments;                                                \
    }

STEP(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
STEP(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
STEP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
STEP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
STEP(int, poll, (struct pollfd *fds, nfds_t n, int timeout_ms), (fds, n, timeout_ms))
STEP(int, epoll_wait, (int fd, struct epoll_event *events, int n, int timeout_ms), (fd, events, n, timeout_ms))
STEP(int, fsync, (int fd), (fd))
STEP(int, rename, (const char *from, const char *to), (from, to))
STEP(int, unlink, (const char *path), (path))
STEP(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
STEP(int, close, (int fd), (fd))
STEP(int, sd_bus_process, (sd_bus *bus, sd_bus_message **ret), (bus, ret))
STEP(int, sd_bus_send, (sd_bus *bus, sd_bus_message *message, uint64_t *cookie), (bus, message, cookie))
STEP(ssize_t, gnutls_record_recv, (gnutls_session_t session, void *data, size_t size), (session, data, size))
STEP(ssize_t, gnutls_record_send, (gnutls_session_t session, const void *data, size_t size), (session, data, size))
STEP(virDomainPtr, virDomainLookupByUUIDString, (virConnectPtr conn, const char *uuid), (conn, uuid))

/* --- the guest ------------------------------------------------------------------------------- */

__attribute__((visibility("default"))) int virDomainGetJobStats(virDomainPtr domain, int *type, virTypedParameterPtr *params, int *n_params,
                                                                unsigned flags)
{
    int max = 0;

    step("virDomainGetJobStats");
    *type = VIR_DOMAIN_JOB_UNBOUNDED;
    *params = NULL;
    *n_params = 0;
    return virTypedParamsAddInt(params, n_params, &max, VIR_DOMAIN_JOB_OPERATION, VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT);
}

__attribute__((visibility("default"))) char *virDomainGetXMLDesc(virDomainPtr domain, unsigned flags)
{
    const char *path = getenv("TBSYNC_LEAVING_XML");
    FILE *file = path ? fopen(path, "re") : NULL;
    char *text = calloc(1, 4096);

    step("virDomainGetXMLDesc");
    if (!file || !text || fread(text, 1, 4095, file) == 0)
        abort();
    fclose(file);
    return text;
}
