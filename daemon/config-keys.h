/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The keys of tbsyncd.conf: one table that says for each its section, type, default, range and meaning.
 *
 * Used by config.c, which reads files, and by config_describe(), which writes one. [Peer NAME] sections are not in the
 * table's struct fields: their two keys are set on a ConfigPeer. Reads no file.
 */

#include "config.h"

typedef enum ConfigKind {
    CONFIG_STRING,
    CONFIG_PATH,     /* absolute, or "" where the default is "" too */
    CONFIG_NAME,     /* a DNS name, stored in lower case; "" = this host's */
    CONFIG_ADDRESS,  /* a DNS name or an IP literal */
    CONFIG_SERVICE,  /* _service._tcp.domain, stored in lower case, or "" */
    CONFIG_BOOL,     /* yes no true false 1 0 -> gboolean */
    CONFIG_UNSIGNED, /* min .. max, times `scale` */
    CONFIG_SIGNED,
    CONFIG_WORD,     /* one of two words: the second is TRUE */
    CONFIG_LISTEN,   /* address:port */
    CONFIG_POLICY,   /* policy_set() */
    CONFIG_FACT,     /* host_facts_assign() with the fact named in `words` */
} ConfigKind;

typedef struct ConfigKey {
    const char *section;
    const char *key;   /* "Caps.*" stands for all that begin with "Caps." */
    ConfigKind kind;
    gsize offset, size; /* of the member of Config, or of ConfigPeer; not for LISTEN, POLICY, FACT */
    const char *fallback; /* default as text; goes through the same parser */
    gint64 min;
    guint64 max;          /* 0: no number. Of POLICY as policy_set() has it, for the manual */
    guint64 scale;     /* 0 = 1 */
    gboolean zero;     /* 0 is allowed although below min */
    gboolean at_start; /* a change counts from the next start on, not from a reload; or its whole section is so */
    const char *words; /* WORD: "hardware|simulated"; FACT: the name of the fact */
    const char *doc;
} ConfigKey;

/* The table, by section in the order of the shipped file. */
const ConfigKey *config_keys(gsize *ret_count);

/* The member is a char* of its own. */
gboolean config_key_is_string(const ConfigKey *key);

gboolean config_has_section(const char *section);

/* NULL if there is no such key. */
const ConfigKey *config_key_find(const char *section, const char *key);

/* Parses `value` into the member of `base`, a Config or, for the keys of [Peer NAME], a ConfigPeer. The error is the bare
 * reason: "must be 1 to 86400". CONFIG_FACT is checked only. */
gboolean config_key_set(const ConfigKey *key, gpointer base, const char *name, const char *value, GError **error);

/* "pvr=0x004e1202" for a CONFIG_FACT key as written in the file ("Caps.ibs"). (transfer full) */
char *config_key_assignment(const ConfigKey *key, const char *name, const char *value);

/* Labels of letters, digits, "-" and "_", at most 253 bytes. */
gboolean config_name_is_valid(const char *name);
