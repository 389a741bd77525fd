/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* As much of GLib's test framework as the tests of core/ use, on nothing but libc.
 *
 * For architectures that Debian has a cross compiler for, but no GLib: big-endian ppc64. Failed assertions end the program;
 * the output is TAP. The seed is printed and can be given, --seed N. Nothing but tests includes this.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int gboolean;
typedef int8_t gint8;
typedef uint8_t guint8;
typedef int32_t gint32;
typedef uint32_t guint32;
typedef int64_t gint64;
typedef uint64_t guint64;
typedef unsigned guint;
typedef size_t gsize;
typedef const void *gconstpointer;

#define TRUE  1
#define FALSE 0

#define G_N_ELEMENTS(array) (sizeof(array) / sizeof(array)[0])
#define G_GINT64_FORMAT     PRId64
#define G_GUINT64_FORMAT    PRIu64
#define G_MININT64          INT64_MIN
#define G_MAXINT64          INT64_MAX
#define G_MAXUINT64         UINT64_MAX
#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define ABS(a)    ((a) < 0 ? -(a) : (a))
#endif

#define g_new0(type, count) ((type *)calloc((count), sizeof(type)))
#define g_autofree          __attribute__((cleanup(plain_free)))

static inline void plain_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void g_free(void *pointer)
{
    free(pointer);
}

/* Cases are kept in a list that grows at its end; one program, one list. */
typedef struct PlainCase {
    const char *path;
    void (*run)(void);
} PlainCase;

typedef struct PlainTests {
    PlainCase cases[256];
    unsigned count;
    uint64_t random;
} PlainTests;

static inline PlainTests *plain_tests(void)
{
    static PlainTests tests;
    return &tests;
}

static inline void plain_fail(const char *file, int line, const char *what)
{
    printf("Bail out! %s:%d: %s\n", file, line, what);
    fflush(stdout);
    abort();
}

#define PLAIN_COMPARE(type, format, a, op, b)                                                                    \
    do {                                                                                                         \
        type plain_a = (type)(a), plain_b = (type)(b);                                                           \
        if (!(plain_a op plain_b)) {                                                                             \
            char plain_text[512];                                                                                \
            snprintf(plain_text, sizeof plain_text, "%s %s %s (%" format ", %" format ")", #a, #op, #b, plain_a, \
                     plain_b);                                                                                   \
            plain_fail(__FILE__, __LINE__, plain_text);                                                          \
        }                                                                                                        \
    } while (0)

#define g_assert_cmpint(a, op, b)  PLAIN_COMPARE(int64_t, PRId64, a, op, b)
#define g_assert_cmpuint(a, op, b) PLAIN_COMPARE(uint64_t, PRIu64, a, op, b)
#define g_assert_cmphex(a, op, b)  PLAIN_COMPARE(uint64_t, PRIx64, a, op, b)
#define g_assert_cmpstr(a, op, b)  g_assert_true(strcmp((a), (b)) op 0)
#define g_assert_true(condition)   ((condition) ? (void)0 : plain_fail(__FILE__, __LINE__, #condition))
#define g_assert_false(condition)  g_assert_true(!(condition))
#define g_assert_null(pointer)     g_assert_true((pointer) == NULL)
#define g_assert_nonnull(pointer)  g_assert_true((pointer) != NULL)
#define g_test_message(...)        (printf("# " __VA_ARGS__), puts(""))

static inline void g_test_init(int *argc, char ***argv, void *end)
{
    uint64_t seed = 1;

    (void)end;
    for (int i = 1; i + 1 < *argc; i++)
        if (strcmp((*argv)[i], "--seed") == 0)
            seed = strtoull((*argv)[i + 1], NULL, 0);
    plain_tests()->random = seed;
    printf("# random seed: %" PRIu64 "\n", seed);
}

static inline void plain_add(PlainCase added)
{
    PlainTests *tests = plain_tests();

    g_assert_true(tests->count < G_N_ELEMENTS(tests->cases));
    tests->cases[tests->count++] = added;
}

static inline void g_test_add_func(const char *path, void (*run)(void))
{
    plain_add((PlainCase){ .path = path, .run = run });
}

static inline int g_test_run(void)
{
    PlainTests *tests = plain_tests();

    printf("1..%u\n", tests->count);
    for (unsigned i = 0; i < tests->count; i++) {
        tests->cases[i].run();
        printf("ok %u %s\n", i + 1, tests->cases[i].path);
        fflush(stdout);
    }
    return 0;
}

/* splitmix64 */
static inline uint64_t plain_random(void)
{
    uint64_t x = plain_tests()->random += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline gint32 g_test_rand_int(void)
{
    return (gint32)(plain_random() >> 32);
}

static inline gint32 g_test_rand_int_range(gint32 begin, gint32 end)
{
    return (gint32)(begin + (int64_t)(plain_random() % (uint64_t)((int64_t)end - begin)));
}

static inline gboolean g_test_rand_bit(void)
{
    return (plain_random() >> 63) != 0;
}

static inline double g_test_rand_double(void)
{
    return (double)(plain_random() >> 11) / 9007199254740992.0;
}

static inline gsize g_strlcpy(char *to, const char *from, gsize size)
{
    snprintf(to, size, "%s", from);
    return strlen(from);
}
