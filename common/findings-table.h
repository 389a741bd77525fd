/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The words of every finding. Private to findings.c and findings-table.c. */

#include "finding.h"

typedef struct FindingCodeWords {
    const char *name;
    const char *explain;
} FindingCodeWords;

extern const FindingCodeWords finding_codes[FINDING_CODE_COUNT];

/* Templates; see expand() in findings.c. */
typedef struct FindingSentence {
    FindingCode code;
    int variant;
    const char *text;
    const char *advice;
    const char *advice_without_mode; /* instead of an advice with {limit}, if no mode fits; may be NULL */
} FindingSentence;

/* Ends with a NULL text. */
extern const FindingSentence finding_sentences[];
