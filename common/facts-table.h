/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one table of fields that every codec of facts walks. Private to common/: the codecs and
 * guest-xml.c.
 *
 * A codec turns a foreign value into a RawFact, which says only what kind of value was found; fact_store() checks
 * it against the field and writes it. fact_load() goes the other way. So a rule (range, words, length) stands in
 * one place whatever the format.
 */

#include <glib.h>

#include "facts-words.h"
#include "facts.h"

typedef enum FactType {
    FACT_STRING,   /* char[size]; "" is read as unknown */
    FACT_ID,       /* char[size] that becomes part of paths: letters, digits, "-", "_"; UUIDs are normalised */
    FACT_HEX_ID,   /* char[size] of exactly 32 hex digits */
    FACT_BOOL,     /* bool */
    FACT_UNSIGNED, /* integer of `size` bytes, never negative; D-Bus t */
    FACT_SIGNED,   /* int64_t; D-Bus x */
    FACT_PVR,      /* uint32_t; also as "0x..." text; D-Bus u */
    FACT_VERSION,  /* uint32_t, text "7.2.22" */
    FACT_WORD,     /* an enumeration of `size` bytes, one of `words` */
    FACT_ARCH,     /* the same, but any other word is ARCH_OTHER */
    FACT_SET,      /* unsigned, bits of `words`; array of strings */
    FACT_STRINGS,  /* machine_types and its count */
    FACT_CAPS,     /* int8_t[CAP_COUNT] */
} FactType;

typedef struct FactField {
    const char *name;
    FactType type;
    guint bit;
    gsize offset;
    gsize size;
    gint64 min, max; /* integers */
    const FactWord *words;
} FactField;

/* Indexed by HostField and GuestField; end with a NULL name. */
extern const FactField host_fields[];
extern const FactField guest_fields[];

typedef enum RawKind { RAW_STRING, RAW_BOOL, RAW_INTEGER, RAW_STRINGS, RAW_CAPS } RawKind;

#define RAW_STRINGS_MAX FACTS_MACHINE_TYPES_MAX

/* Strings are borrowed from the foreign value, or from the facts. `text` has room for those made on the way. */
typedef struct RawFact {
    RawKind kind;
    union {
        const char *string;
        gboolean boolean;
        gint64 integer;
        struct {
            const char *items[RAW_STRINGS_MAX];
            guint n;
        } strings;
        gint8 caps[CAP_COUNT];
    };
    char text[16];
} RawFact;

/* The kind of value in which the field is written (and read, beside text for FACT_PVR). */
RawKind fact_raw_kind(const FactField *field);

gboolean fact_is_known(const FactField *field, const void *facts);

/* Writes the value and marks it known; TBSYNC_ERROR_INVALID naming field and value otherwise. */
gboolean fact_store(const FactField *field, void *facts, const RawFact *raw, GError **error);

/* The value of a known field. */
void fact_load(const FactField *field, const void *facts, RawFact *ret);

/* One member of a caps dictionary. An unknown capability is ignored. */
gboolean raw_caps_add(RawFact *raw, const char *name, gint64 level, GError **error);
void raw_caps_init(RawFact *raw);
gboolean raw_strings_add(RawFact *raw, const FactField *field, const char *item, GError **error);

/* Sets TBSYNC_ERROR_INVALID "FIELD: VALUE is not WANTED", without "FIELD: " if it is NULL; returns FALSE. `value` is foreign text and is escaped and
 * shortened. */
gboolean fact_refuse(GError **error, const char *field, const char *value, const char *wanted);

/* What the field takes, for messages: "an integer". */
const char *fact_type_name(const FactField *field);
