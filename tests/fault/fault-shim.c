/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LD_PRELOAD: one call of one function of this process fails, once. Stands in front of each FAULT of failing-calls.h, whatever its
 * arguments: they are passed on as they came.
 *
 * TBSYNC_FAULT="FUNCTION PLACE N VALUE ERRNO": the N-th call from PLACE, "*" for any, sets errno and returns VALUE; what fired is said on
 * stderr. TBSYNC_FAULT="places": each place is said on stderr when it calls for the first time: "place: FUNCTION MODULE+OFFSET".
 * tests/integration/test-failing-calls.py starts the daemon with it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 4096
#define STACK_BYTES 256 /* of arguments beyond the registers: no call of the daemon has so many */

/* "MODULE+OFFSET": the same in each run. */
static void name_place(void *address, char *ret, size_t size)
{
    Dl_info info;
    const char *slash;

    if (!dladdr(address, &info) || !info.dli_fname) {
        snprintf(ret, size, "?");
        return;
    }
    slash = strrchr(info.dli_fname, '/');
    snprintf(ret, size, "%s+%#lx", slash ? slash + 1 : info.dli_fname,
             (unsigned long) ((uintptr_t) address - (uintptr_t) info.dli_fbase));
}

/* Whether this function is called from there for the first time. */
static bool is_new_place(const char *function, void *address)
{
    static struct {
        const char *function;
        void *address;
    } places[PLACES_MAX];
    static int n;
    static char lock;
    int i = 0;

    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        ;
    while (i < n && (places[i].function != function || places[i].address != address))
        i++;
    if (i == n && n < PLACES_MAX) {
        places[n].function = function;
        places[n++].address = address;
    } else {
        i = -1;
    }
    __atomic_clear(&lock, __ATOMIC_RELEASE);
    return i >= 0;
}

static void tell_place(const char *function, void *address)
{
    char place[256];

    if (!is_new_place(function, address))
        return;
    name_place(address, place, sizeof place);
    fprintf(stderr, "place: %s %s\n", function, place);
}

/* Whether this call fails; errno is set. */
static bool is_due(const char *function, void *address, long *ret_value)
{
    static int calls;
    const char *text = getenv("TBSYNC_FAULT");
    size_t length = strlen(function);
    char place[256], wanted[256];
    int at, error;

    if (!text)
        return false;
    if (strcmp(text, "places") == 0) {
        int saved = errno;

        tell_place(function, address);
        errno = saved;
        return false;
    }
    if (strncmp(text, function, length) != 0 || sscanf(text + length, " %255s %d %ld %d", wanted, &at, ret_value, &error) != 4)
        return false;
    if (strcmp(wanted, "*") != 0) {
        name_place(address, place, sizeof place);
        if (strcmp(wanted, place) != 0)
            return false;
    }
    if (__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) != at)
        return false;
    fprintf(stderr, "fault: %s\n", text);
    errno = error;
    return true;
}

/* Of GCC: the arguments in registers and on the stack go on, and what comes back goes back, whatever they are. */
#define FAULT(name, times, how)                                                                                 \
    __attribute__((visibility("default"))) void *fault_##name(void) __asm__(#name);                            \
    void *fault_##name(void)                                                                                    \
    {                                                                                                           \
        void *arguments = __builtin_apply_args();                                                               \
        long value;                                                                                             \
                                                                                                                \
        if (is_due(#name, __builtin_return_address(0), &value))                                                 \
            return (void *) value;                                                                              \
        __builtin_return(__builtin_apply((void (*)()) dlsym(RTLD_NEXT, #name), arguments, STACK_BYTES));        \
    }
#define NEVER(reason, names)

#include "failing-calls.h"
