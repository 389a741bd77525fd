/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The words of every enumeration in the facts: what JSON, D-Bus, command lines and domain XML call a value.
 *
 * Tables only; they end with a NULL word. Several words may stand for one value: the first one is the name that
 * is written, the others are only read.
 */

#include <glib.h>

#include "facts.h"

typedef struct FactWord {
    const char *word;
    int value;
} FactWord;

extern const FactWord words_compat_limit[]; /* "" = unset */
extern const FactWord words_compat_mode[];  /* "raw" */
extern const FactWord words_kvm[];
extern const FactWord words_arch[];
extern const FactWord words_accel[];
extern const FactWord words_cpu_mode[];
extern const FactWord words_ic_mode[];
extern const FactWord words_mmu[];
extern const FactWord words_resize_hpt[];
extern const FactWord words_bool[]; /* as typed: yes, no, true, false, on, off, 1, 0 */

/* NULL if no word stands for `value`. */
const char *fact_word(const FactWord *words, int value);

/* FALSE if `text` is none of the words (compared exactly); *ret untouched. */
gboolean fact_word_parse(const FactWord *words, const char *text, int *ret);

/* "yes", "no" or "maybe": the words of a table in quotes, for error messages. (transfer full) */
char *fact_words_list(const FactWord *words);

/* "hpt-max-page-size": QEMU's name without the "cap-" before it. */
const char *spapr_cap_name(SpaprCap cap);
gboolean spapr_cap_parse(const char *name, SpaprCap *ret);

/* QEMU's word for a level ("workaround", "on"); NULL where the level is a plain number or none at all. */
const char *spapr_cap_level_name(SpaprCap cap, int level);

/* A word or a number as QEMU takes it on the command line, hpt-max-page-size as log2; FALSE if the capability has no
 * such level. */
gboolean spapr_cap_level_parse(SpaprCap cap, const char *text, int *ret);
gboolean spapr_cap_level_is_valid(SpaprCap cap, gint64 level);

/* "7.2.22" or "7.2" <-> QEMU_VERSION(). (transfer full) */
char *qemu_version_to_text(guint32 version);
gboolean qemu_version_parse(const char *text, guint32 *ret);

/* 32 hex digits with or without dashes -> lower case with dashes. FALSE if it is no UUID; `ret` untouched. */
gboolean uuid_normalise(const char *text, char ret[FACTS_UUID_MAX]);
