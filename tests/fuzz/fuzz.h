/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A fuzz target: one fuzz-<target>.c with LLVMFuzzerTestOneInput(), and a directory corpus/<target>/ with one or more inputs.
 *
 * Built with -Dfuzz=true it is a libFuzzer program. Otherwise fuzz-main.c is its main: a plain test that runs every input of
 * the corpus as a case of its own, then seeded mutations of them. An input that once made a target fail stays in the corpus
 * under a name that says what it is. GLib's criticals are failures, its warnings are silent.
 */

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A directory of this process, removed at its end. */
const char *fuzz_directory(void);

/* Writes <directory>/<path>, making what is missing above it. */
void fuzz_write(const char *path, const void *data, size_t size);

/* Removes all that is in the directory. */
void fuzz_clear(void);

/* Inputs of several parts: byte FUZZ_PART stands between them. */
#define FUZZ_PART 0x1e
typedef struct FuzzParts {
    const uint8_t *next;
    size_t left;
    gboolean done;
} FuzzParts;
FuzzParts fuzz_parts(const uint8_t *data, size_t size);
gboolean fuzz_parts_next(FuzzParts *parts, const uint8_t **ret_part, size_t *ret_size);

/* What is printed between the two is dropped; with libFuzzer on stdout alone, since a report goes to stderr. */
typedef struct FuzzSilence {
    int saved_out, saved_err;
} FuzzSilence;
FuzzSilence fuzz_silence(void);
void fuzz_speak(FuzzSilence *silence);

/* Facts that a parser let through are ones that a peer would take, and arrive there as they were sent. */
void fuzz_check_host(const HostFacts *host);
void fuzz_check_guest(const GuestFacts *guest);

/* A parser that refuses says why; one that accepts does not. */
void fuzz_check_outcome(gboolean ok, const GError *error);
