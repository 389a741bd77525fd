/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LD_PRELOAD: the N-th call of one function of this process fails with an errno, once. TBSYNC_FAULT=FUNCTION:N:ERRNO; what fired
 * is said on stderr. tests/integration/test-failing-calls.py starts the daemon with it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <libvirt/libvirt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

/* TRUE: this call fails; errno is set. The environment is read each time: the shim has no state but the count. */
static bool is_due(const char *function, int *ret_error)
{
    static int calls;
    const char *text = getenv("TBSYNC_FAULT");
    size_t length = strlen(function);
    int at, error;

    if (!text || strncmp(text, function, length) != 0 || sscanf(text + length, ":%d:%d", &at, &error) != 2 ||
        __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) != at)
        return false;
    fprintf(stderr, "fault: %s\n", text);
    *ret_error = error;
    return true;
}

#define SHIM(type, function, parameters, arguments, failure)                  \
    __attribute__((visibility("default"))) type function parameters;          \
    type function parameters                                                  \
    {                                                                         \
        type (*real) parameters = (type(*) parameters) dlsym(RTLD_NEXT, #function); \
        int error;                                                            \
                                                                              \
        if (is_due(#function, &error)) {                                      \
            errno = error;                                                    \
            return failure;                                                   \
        }                                                                     \
        return real arguments;                                                \
    }

__attribute__((visibility("default"))) int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
    int (*real)(const char *path, int flags, ...) = (int (*)(const char *, int, ...)) dlsym(RTLD_NEXT, "open64");
    va_list arguments;
    int error, mode;

    va_start(arguments, flags);
    mode = va_arg(arguments, int); /* not used by the real one unless it was given */
    va_end(arguments);
    if (is_due("open64", &error)) {
        errno = error;
        return -1;
    }
    return real(path, flags, mode);
}

SHIM(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
SHIM(int, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size), -1)
SHIM(int, listen, (int fd, int backlog), (fd, backlog), -1)
SHIM(int, connect, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size), -1)
SHIM(int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags), (fd, address, size, flags), -1)
SHIM(int, socketpair, (int domain, int type, int protocol, int fds[2]), (domain, type, protocol, fds), -1)
SHIM(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags), -1)
SHIM(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags), -1)
SHIM(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), -1)
SHIM(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), -1)
SHIM(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size), -1)
SHIM(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), -1)
SHIM(int, epoll_create1, (int flags), (flags), -1)
SHIM(int, epoll_ctl, (int fd, int operation, int of_fd, struct epoll_event *event), (fd, operation, of_fd, event), -1)
SHIM(int, fsync, (int fd), (fd), -1)
SHIM(int, rename, (const char *from, const char *to), (from, to), -1)
SHIM(int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
SHIM(int, sd_bus_new, (sd_bus **ret), (ret), -error)
SHIM(int, sd_bus_open_system_with_description, (sd_bus **ret, const char *description), (ret, description), -error)
SHIM(int, sd_bus_add_object_vtable, (sd_bus *bus, sd_bus_slot **slot, const char *path, const char *interface, const sd_bus_vtable *vtable,
                                     void *data), (bus, slot, path, interface, vtable, data), -error)
SHIM(int, sd_bus_start, (sd_bus *bus), (bus), -error)
SHIM(int, sd_bus_process, (sd_bus *bus, sd_bus_message **ret), (bus, ret), -error)
SHIM(int, sd_bus_message_new_method_return, (sd_bus_message *call, sd_bus_message **ret), (call, ret), -error)
SHIM(int, sd_bus_call_async, (sd_bus *bus, sd_bus_slot **slot, sd_bus_message *message, sd_bus_message_handler_t handler, void *data,
                              uint64_t timeout_us), (bus, slot, message, handler, data, timeout_us), -error)
SHIM(int, sd_bus_message_new_method_call, (sd_bus *bus, sd_bus_message **ret, const char *name, const char *path, const char *interface,
                                           const char *member), (bus, ret, name, path, interface, member), -error)
SHIM(int, sd_bus_request_name_async, (sd_bus *bus, sd_bus_slot **slot, const char *name, uint64_t flags,
                                      sd_bus_message_handler_t handler, void *data), (bus, slot, name, flags, handler, data), -error)
SHIM(int, sd_bus_set_fd, (sd_bus *bus, int in_fd, int out_fd), (bus, in_fd, out_fd), -error)
SHIM(int, sd_bus_message_send, (sd_bus_message *message), (message), -error)
SHIM(int, gnutls_certificate_set_x509_key_mem2, (gnutls_certificate_credentials_t to, const gnutls_datum_t *certificate, const gnutls_datum_t *key,
                                                 gnutls_x509_crt_fmt_t format, const char *password, unsigned flags),
     (to, certificate, key, format, password, flags), GNUTLS_E_PARSING_ERROR)
SHIM(int, gnutls_certificate_set_x509_trust_mem, (gnutls_certificate_credentials_t to, const gnutls_datum_t *ca, gnutls_x509_crt_fmt_t format),
     (to, ca, format), GNUTLS_E_PARSING_ERROR)
SHIM(const gnutls_datum_t *, gnutls_certificate_get_peers, (gnutls_session_t session, unsigned *n), (session, n), NULL)
SHIM(int, gnutls_session_ticket_key_generate, (gnutls_datum_t *key), (key), GNUTLS_E_RANDOM_FAILED)
SHIM(int, gnutls_priority_set, (gnutls_session_t session, gnutls_priority_t cache), (session, cache), GNUTLS_E_INVALID_REQUEST)
SHIM(int, gnutls_init, (gnutls_session_t *session, unsigned flags), (session, flags), GNUTLS_E_MEMORY_ERROR)
SHIM(int, gnutls_handshake, (gnutls_session_t session), (session), GNUTLS_E_INTERNAL_ERROR)
SHIM(int, gnutls_priority_init, (gnutls_priority_t *cache, const char *text, const char **at), (cache, text, at), GNUTLS_E_INTERNAL_ERROR)
SHIM(ssize_t, gnutls_record_recv, (gnutls_session_t session, void *data, size_t size), (session, data, size), GNUTLS_E_DECRYPTION_FAILED)
SHIM(ssize_t, gnutls_record_send, (gnutls_session_t session, const void *data, size_t size), (session, data, size),
     GNUTLS_E_PUSH_ERROR)
SHIM(int, gnutls_certificate_allocate_credentials, (gnutls_certificate_credentials_t *ret), (ret), GNUTLS_E_MEMORY_ERROR)
SHIM(virConnectPtr, virConnectOpenReadOnly, (const char *uri), (uri), NULL)
SHIM(int, virEventRegisterDefaultImpl, (void), (), -1)
SHIM(int, virConnectListAllDomains, (virConnectPtr conn, virDomainPtr **ret, unsigned flags), (conn, ret, flags), -1)
SHIM(virDomainPtr, virDomainLookupByUUIDString, (virConnectPtr conn, const char *uuid), (conn, uuid), NULL)
SHIM(char *, virDomainGetXMLDesc, (virDomainPtr domain, unsigned flags), (domain, flags), NULL)
SHIM(int, virDomainGetState, (virDomainPtr domain, int *state, int *reason, unsigned flags), (domain, state, reason, flags), -1)
SHIM(char *, virConnectGetCapabilities, (virConnectPtr conn), (conn), NULL)
SHIM(int, virConnectDomainEventRegisterAny, (virConnectPtr conn, virDomainPtr domain, int event,
                                             virConnectDomainEventGenericCallback callback, void *data, virFreeCallback free_data),
     (conn, domain, event, callback, data, free_data), -1)
