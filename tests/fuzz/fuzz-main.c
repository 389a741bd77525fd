/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fuzz target as a plain test: fuzz-<target> [-p CASE]. TBSYNC_FUZZ_SEED=N and TBSYNC_FUZZ_RUNS=N give another course. An input
 * that kills the program is left in ./failed-<target>, to be named and put into the corpus. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_BYTES_MAX 65536u

typedef struct Input {
    char *name;
    uint8_t *data;
    gsize size;
} Input;

typedef struct Corpus {
    GPtrArray *inputs;
    GRand *rand;
    uint64_t seed;
    unsigned runs;
} Corpus;

/* what runs now, for the handler of a crash */
static const uint8_t *now_data;
static size_t now_size;

static void on_crash(int signal)
{
    int fd = open("failed-" FUZZ_TARGET, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd >= 0 && write(fd, now_data, now_size) >= 0)
        close(fd);
    raise(signal); /* SA_RESETHAND: the default this time */
}

static void watch_crashes(void)
{
    static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP };
    struct sigaction action = { .sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_NODEFER };

    for (guint i = 0; i < G_N_ELEMENTS(signals); i++)
        sigaction(signals[i], &action, NULL);
}

static void run_input(const uint8_t *data, size_t size)
{
    /* on the heap and no byte larger, so that a sanitizer sees a read beyond its end */
    g_autofree uint8_t *copy = g_malloc(MAX(size, 1));

    if (size > 0)
        memcpy(copy, data, size);
    now_data = copy;
    now_size = size;
    LLVMFuzzerTestOneInput(copy, size);
}

static void test_input(gconstpointer data)
{
    const Input *input = data;

    run_input(input->data, input->size);
}

/* --- mutations ------------------------------------------------------------------------------- */

static uint32_t below(Corpus *corpus, size_t end)
{
    return end > 1 ? (uint32_t) g_rand_int_range(corpus->rand, 0, (gint32) end) : 0;
}

static void insert(GByteArray *bytes, size_t at, const uint8_t *data, size_t size)
{
    size_t old = bytes->len;

    g_byte_array_set_size(bytes, (guint) (old + size));
    memmove(bytes->data + at + size, bytes->data + at, old - at);
    memcpy(bytes->data + at, data, size);
}

static void insert_word(Corpus *corpus, GByteArray *bytes)
{
    static const char *const words[] = {
        "0", "-1", "1", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
        "18446744073709551615", "18446744073709551616", "1e999", "NaN", "true", "null", "\"\"", "{}", "[]", "''", "%s%n",
        "../../../etc/passwd", "\xff", "\xc3\x28", "\xed\xa0\x80", "=", "[", "]", "{", "}", "<", ">", "&", "\n", "\r", "\t", " ", "\x1e",
    };
    const char *word = words[below(corpus, G_N_ELEMENTS(words))];

    insert(bytes, below(corpus, bytes->len + 1), (const uint8_t *) word, strlen(word));
}

/* A stretch of another input, or of this one. */
static void splice_in(Corpus *corpus, GByteArray *bytes)
{
    const Input *other = g_ptr_array_index(corpus->inputs, below(corpus, corpus->inputs->len));
    uint32_t from = below(corpus, other->size), size = below(corpus, MIN(other->size - from, 512) + 1);

    insert(bytes, below(corpus, bytes->len + 1), other->data + from, size);
}

static void repeat_stretch(Corpus *corpus, GByteArray *bytes)
{
    uint32_t from = below(corpus, bytes->len), size = below(corpus, MIN(bytes->len - from, 64) + 1);
    g_autofree uint8_t *stretch = g_memdup2(bytes->data + from, size);

    for (uint32_t times = below(corpus, 100); times > 0 && size > 0; times--)
        insert(bytes, from, stretch, size);
}

static void cut(Corpus *corpus, GByteArray *bytes)
{
    uint32_t from = below(corpus, bytes->len), size = below(corpus, MIN(bytes->len - from, 256) + 1);

    g_byte_array_remove_range(bytes, from, size);
}

static void mutate(Corpus *corpus, GByteArray *bytes)
{
    uint8_t byte = (uint8_t) g_rand_int(corpus->rand);

    switch (below(corpus, bytes->len > 0 ? 8 : 2)) {
    case 0:
        insert_word(corpus, bytes);
        break;
    case 1:
        splice_in(corpus, bytes);
        break;
    case 2:
        bytes->data[below(corpus, bytes->len)] = byte;
        break;
    case 3:
        bytes->data[below(corpus, bytes->len)] ^= (uint8_t) (1u << byte % 8);
        break;
    case 4:
        insert(bytes, below(corpus, bytes->len + 1), &byte, 1);
        break;
    case 5:
        cut(corpus, bytes);
        break;
    case 6:
        repeat_stretch(corpus, bytes);
        break;
    default:
        g_byte_array_set_size(bytes, below(corpus, bytes->len + 1));
        break;
    }
}

static void test_mutations(gconstpointer data)
{
    Corpus *corpus = (Corpus *) data;

    g_test_message("TBSYNC_FUZZ_SEED=%" G_GUINT64_FORMAT " TBSYNC_FUZZ_RUNS=%u", corpus->seed, corpus->runs);
    g_rand_set_seed(corpus->rand, (guint32) corpus->seed);
    for (unsigned run = 0; run < corpus->runs; run++) {
        const Input *input = g_ptr_array_index(corpus->inputs, run % corpus->inputs->len);
        g_autoptr(GByteArray) bytes = g_byte_array_append(g_byte_array_new(), input->data, (guint) input->size);

        for (uint32_t changes = 1 + below(corpus, 6); changes > 0 && bytes->len < INPUT_BYTES_MAX; changes--)
            mutate(corpus, bytes);
        run_input(bytes->data, bytes->len);
    }
}

/* --- corpus ---------------------------------------------------------------------------------- */

static void input_free(void *pointer)
{
    Input *input = pointer;

    g_free(input->name);
    g_free(input->data);
    g_free(input);
}

static gint compare_inputs(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const Input *const *) a)->name, (*(const Input *const *) b)->name);
}

static void corpus_load(Corpus *corpus)
{
    g_autoptr(GDir) dir = g_dir_open(FUZZ_CORPUS, 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(FUZZ_CORPUS, name, NULL);
        Input *input = g_new0(Input, 1);

        input->name = g_strdup(name);
        g_assert_true(g_file_get_contents(path, (char **) &input->data, &input->size, NULL));
        g_ptr_array_add(corpus->inputs, input);
    }
    g_assert_cmpuint(corpus->inputs->len, >, 0);
    g_ptr_array_sort(corpus->inputs, compare_inputs);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = g_getenv(variable);

    return text ? g_ascii_strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    Corpus corpus = { .inputs = g_ptr_array_new_with_free_func(input_free), .rand = g_rand_new() };
    int status;

    corpus.seed = number_from("TBSYNC_FUZZ_SEED", 1);
    corpus.runs = (unsigned) number_from("TBSYNC_FUZZ_RUNS", FUZZ_RUNS);
    g_test_init(&argc, &argv, NULL);
    LLVMFuzzerInitialize(&argc, &argv);
    watch_crashes();
    corpus_load(&corpus);
    for (guint i = 0; i < corpus.inputs->len; i++) {
        const Input *input = g_ptr_array_index(corpus.inputs, i);
        g_autofree char *path = g_strconcat("/fuzz/" FUZZ_TARGET "/", input->name, NULL);

        g_test_add_data_func(path, input, test_input);
    }
    g_test_add_data_func("/fuzz/" FUZZ_TARGET "/mutations", &corpus, test_mutations);
    status = g_test_run();
    g_ptr_array_unref(corpus.inputs);
    g_rand_free(corpus.rand);
    return status;
}
