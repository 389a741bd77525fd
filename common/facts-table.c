/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-table.h"

#include <stddef.h>
#include <string.h>

#include "error.h"

#define HOST_FIELD(bit, name, type, member, ...) \
    { name, type, bit, offsetof(HostFacts, member), sizeof((HostFacts *)NULL)->member, __VA_ARGS__ }
#define GUEST_FIELD(bit, name, type, member, ...) \
    { name, type, bit, offsetof(GuestFacts, member), sizeof((GuestFacts *)NULL)->member, __VA_ARGS__ }

#define HZ_MAX    INT64_C(1000000000000) /* relation.h's own limit */
#define ORDER_MAX 63

/* clang-format off */
const FactField host_fields[] = {
    HOST_FIELD(HOST_NAME,          "name",          FACT_STRING,   name, 0),
    HOST_FIELD(HOST_MACHINE_ID,    "machine_id",    FACT_HEX_ID,   machine_id, 0),
    HOST_FIELD(HOST_BOOT_ID,       "boot_id",       FACT_HEX_ID,   boot_id, 0),
    HOST_FIELD(HOST_SIMULATED,     "simulated",     FACT_BOOL,     simulated, 0),
    HOST_FIELD(HOST_PVR,           "pvr",           FACT_PVR,      pvr, 0, G_MAXUINT32),
    HOST_FIELD(HOST_COMPAT_LEVEL,  "compat_level",  FACT_WORD,     compat_level, 0, 0, words_compat_mode),
    HOST_FIELD(HOST_NESTED,        "nested",        FACT_BOOL,     nested, 0),
    HOST_FIELD(HOST_KVM,           "kvm",           FACT_WORD,     kvm, 0, 0, words_kvm),
    HOST_FIELD(HOST_KERNEL,        "kernel",        FACT_STRING,   kernel, 0),
    HOST_FIELD(HOST_QEMU_VERSION,  "qemu_version",  FACT_VERSION,  qemu_version, 0),
    HOST_FIELD(HOST_MACHINE_TYPES, "machine_types", FACT_STRINGS,  machine_types, 0),
    HOST_FIELD(HOST_TIMEBASE_HZ,   "timebase_hz",   FACT_UNSIGNED, timebase_hz, 1, HZ_MAX),
    HOST_FIELD(HOST_TB_OFFSET,     "tb_offset",     FACT_BOOL,     tb_offset, 0),
    HOST_FIELD(HOST_MMU,           "mmu",           FACT_SET,      mmu, 0, 0, words_mmu),
    HOST_FIELD(HOST_CAPS,          "caps",          FACT_CAPS,     caps, 0),
    HOST_FIELD(HOST_HPT_MAX_ORDER, "hpt_max_order", FACT_UNSIGNED, hpt_max_order, 0, ORDER_MAX),
    HOST_FIELD(HOST_RESIZE_HPT,    "resize_hpt",    FACT_BOOL,     resize_hpt, 0),
    { NULL },
};

const FactField guest_fields[] = {
    GUEST_FIELD(GUEST_UUID,             "uuid",             FACT_ID,       uuid, 0),
    GUEST_FIELD(GUEST_NAME,             "name",             FACT_STRING,   name, 0),
    GUEST_FIELD(GUEST_ARCH,             "arch",             FACT_ARCH,     arch, 0, 0, words_arch),
    GUEST_FIELD(GUEST_ACCEL,            "accel",            FACT_WORD,     accel, 0, 0, words_accel),
    GUEST_FIELD(GUEST_MACHINE_TYPE,     "machine_type",     FACT_STRING,   machine_type, 0),
    GUEST_FIELD(GUEST_CPU_MODE,         "cpu_mode",         FACT_WORD,     cpu_mode, 0, 0, words_cpu_mode),
    GUEST_FIELD(GUEST_CPU_MODEL,        "cpu_model",        FACT_STRING,   cpu_model, 0),
    GUEST_FIELD(GUEST_MAX_CPU_COMPAT,   "max_cpu_compat",   FACT_WORD,     max_cpu_compat, 0, 0, words_compat_limit),
    GUEST_FIELD(GUEST_EFFECTIVE_MODE,   "effective_mode",   FACT_WORD,     effective_mode, 0, 0, words_compat_mode),
    GUEST_FIELD(GUEST_PVR,              "pvr",              FACT_PVR,      pvr, 0, G_MAXUINT32),
    GUEST_FIELD(GUEST_IC_MODE,          "ic_mode",          FACT_WORD,     ic_mode, 0, 0, words_ic_mode),
    GUEST_FIELD(GUEST_MMU,              "mmu",              FACT_WORD,     mmu, 0, 0, words_mmu),
    GUEST_FIELD(GUEST_CAPS,             "caps",             FACT_CAPS,     caps, 0),
    GUEST_FIELD(GUEST_MEMORY_BYTES,     "memory_bytes",     FACT_UNSIGNED, memory_bytes, 0, G_MAXINT64),
    GUEST_FIELD(GUEST_MAX_MEMORY_BYTES, "max_memory_bytes", FACT_UNSIGNED, max_memory_bytes, 0, G_MAXINT64),
    GUEST_FIELD(GUEST_RESIZE_HPT,       "resize_hpt",       FACT_WORD,     resize_hpt, 0, 0, words_resize_hpt),
    GUEST_FIELD(GUEST_ACTIVE,           "active",           FACT_BOOL,     active, 0),
    GUEST_FIELD(GUEST_TB_OFFSET_TICKS,  "tb_offset_ticks",  FACT_SIGNED,   tb_offset_ticks, G_MININT64, G_MAXINT64),
    GUEST_FIELD(GUEST_AHEAD_LO_TICKS,   "ahead_lo_ticks",   FACT_SIGNED,   ahead_lo_ticks, G_MININT64, G_MAXINT64),
    GUEST_FIELD(GUEST_AHEAD_HI_TICKS,   "ahead_hi_ticks",   FACT_SIGNED,   ahead_hi_ticks, G_MININT64, G_MAXINT64),
    GUEST_FIELD(GUEST_PAUSED,           "paused",           FACT_BOOL,     paused, 0),
    GUEST_FIELD(GUEST_TB_COPY_STALE,    "tb_copy_stale",    FACT_BOOL,     tb_copy_stale, 0),
    { NULL },
};
/* clang-format on */

/* Both kinds of facts begin with it. */
G_STATIC_ASSERT(offsetof(HostFacts, known) == 0);
G_STATIC_ASSERT(offsetof(GuestFacts, known) == 0);
/* FACT_WORD and FACT_SET write ints. */
G_STATIC_ASSERT(sizeof(CompatMode) == sizeof(int) && sizeof(unsigned) == sizeof(int));

RawKind fact_raw_kind(const FactField *field)
{
    switch (field->type) {
    case FACT_STRING:
    case FACT_ID:
    case FACT_HEX_ID:
    case FACT_VERSION:
    case FACT_WORD:
    case FACT_ARCH:
        return RAW_STRING;
    case FACT_BOOL:
        return RAW_BOOL;
    case FACT_UNSIGNED:
    case FACT_SIGNED:
    case FACT_PVR:
        return RAW_INTEGER;
    case FACT_SET:
    case FACT_STRINGS:
        return RAW_STRINGS;
    case FACT_CAPS:
        return RAW_CAPS;
    }
    g_assert_not_reached();
}

const char *fact_type_name(const FactField *field)
{
    switch (fact_raw_kind(field)) {
    case RAW_STRING:
        return "a string";
    case RAW_BOOL:
        return "true or false";
    case RAW_INTEGER:
        return "an integer";
    case RAW_STRINGS:
        return "an array of strings";
    case RAW_CAPS:
        return "an object of capability levels";
    }
    g_assert_not_reached();
}

gboolean fact_refuse(GError **error, const char *field, const char *value, const char *wanted)
{
    g_autofree char *part = g_strndup(value, 64);
    g_autofree char *shown = g_strescape(part, NULL);

    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s%s%s%s is not %s", field ? field : "", field ? ": " : "", shown,
                strlen(value) > 64 ? "..." : "", wanted);
    return FALSE;
}

static gboolean refuse_string(GError **error, const char *field, const char *value, const char *wanted)
{
    g_autofree char *part = g_strndup(value, 64);
    g_autofree char *shown = g_strescape(part, NULL);

    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: \"%s%s\" is not %s", field, shown,
                strlen(value) > 64 ? "..." : "", wanted);
    return FALSE;
}

static gboolean refuse_integer(GError **error, const FactField *field, gint64 value)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                "%s: %" G_GINT64_FORMAT " is out of range, %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, field->name,
                value, field->min, field->max);
    return FALSE;
}

gboolean fact_is_known(const FactField *field, const void *facts)
{
    return (*(const guint64 *)facts & FACT_BIT(field->bit)) != 0;
}

/* Names go into terminals, journals and files: no control characters, valid UTF-8, and never cut in silence. */
static gboolean check_text(const char *field, const char *text, gsize size, GError **error)
{
    if (strlen(text) >= size) {
        g_autofree char *wanted = g_strdup_printf("at most %" G_GSIZE_FORMAT " bytes long", size - 1);
        return refuse_string(error, field, text, wanted);
    }
    if (!g_utf8_validate(text, -1, NULL))
        return refuse_string(error, field, text, "UTF-8");
    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at))
        if (g_unichar_iscntrl(g_utf8_get_char(at)))
            return refuse_string(error, field, text, "free of control characters");
    return TRUE;
}

static gboolean is_hex_id(const char *text)
{
    return strlen(text) == 32 && strspn(text, "0123456789abcdefABCDEF") == 32;
}

static gboolean is_id(const char *text)
{
    return strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_") == strlen(text);
}

static gboolean store_text(const FactField *field, char *at, const char *text, GError **error)
{
    if (!check_text(field->name, text, field->size, error))
        return FALSE;
    if (field->type == FACT_HEX_ID && text[0] != '\0' && !is_hex_id(text))
        return refuse_string(error, field->name, text, "32 hex digits");
    if (field->type == FACT_ID && !is_id(text))
        return refuse_string(error, field->name, text, "a UUID");
    if (field->type != FACT_ID || !uuid_normalise(text, at))
        g_strlcpy(at, text, field->size);
    return TRUE;
}

static gboolean store_word(const FactField *field, int *at, const char *text, GError **error)
{
    if (fact_word_parse(field->words, text, at))
        return TRUE;
    if (field->type == FACT_ARCH) {
        *at = ARCH_OTHER;
        return TRUE;
    }
    g_autofree char *wanted = fact_words_list(field->words);
    return refuse_string(error, field->name, text, wanted);
}

static gboolean store_integer(const FactField *field, void *at, gint64 value, GError **error)
{
    if (value < field->min || value > field->max)
        return refuse_integer(error, field, value);
    switch (field->size) {
    case 1:
        *(guint8 *)at = (guint8)value;
        return TRUE;
    case 4:
        *(guint32 *)at = (guint32)value;
        return TRUE;
    case 8:
        *(gint64 *)at = value;
        return TRUE;
    }
    g_assert_not_reached();
}

static gboolean store_pvr_text(const FactField *field, void *at, const char *text, GError **error)
{
    guint64 value;

    if (!g_str_has_prefix(text, "0x") ||
        !g_ascii_string_to_unsigned(text + 2, 16, 0, G_MAXUINT32, &value, NULL))
        return refuse_string(error, field->name, text, "an integer or 0x and up to 8 hex digits");
    return store_integer(field, at, (gint64)value, error);
}

static gboolean store_string(const FactField *field, void *at, const char *text, GError **error)
{
    switch (field->type) {
    case FACT_STRING:
    case FACT_ID:
    case FACT_HEX_ID:
        return store_text(field, at, text, error);
    case FACT_WORD:
    case FACT_ARCH:
        return store_word(field, at, text, error);
    case FACT_PVR:
        return store_pvr_text(field, at, text, error);
    case FACT_VERSION:
        return qemu_version_parse(text, at) ||
               refuse_string(error, field->name, text, "a version, major.minor or major.minor.micro");
    case FACT_BOOL:
    case FACT_UNSIGNED:
    case FACT_SIGNED:
    case FACT_SET:
    case FACT_STRINGS:
    case FACT_CAPS:
        break;
    }
    return refuse_string(error, field->name, text, fact_type_name(field));
}

static gboolean store_set(const FactField *field, unsigned *at, const RawFact *raw, GError **error)
{
    unsigned set = 0;

    for (guint i = 0; i < raw->strings.n; i++) {
        int bit = 0;
        if (!fact_word_parse(field->words, raw->strings.items[i], &bit)) {
            g_autofree char *wanted = fact_words_list(field->words);
            return refuse_string(error, field->name, raw->strings.items[i], wanted);
        }
        set |= (unsigned)bit;
    }
    *at = set;
    return TRUE;
}

/* HostFacts' only array of strings; its count lies beside it. */
static gboolean store_strings(const FactField *field, HostFacts *host, const RawFact *raw, GError **error)
{
    for (guint i = 0; i < raw->strings.n; i++)
        if (!check_text(field->name, raw->strings.items[i], FACTS_MACHINE_MAX, error))
            return FALSE;
    for (guint i = 0; i < raw->strings.n; i++)
        g_strlcpy(host->machine_types[i], raw->strings.items[i], FACTS_MACHINE_MAX);
    host->n_machine_types = (guint16)raw->strings.n;
    return TRUE;
}

static gboolean store_value(const FactField *field, void *facts, const RawFact *raw, GError **error)
{
    void *at = (char *)facts + field->offset;

    switch (raw->kind) {
    case RAW_STRING:
        return store_string(field, at, raw->string, error);
    case RAW_BOOL:
        *(bool *)at = raw->boolean;
        return TRUE;
    case RAW_INTEGER:
        return store_integer(field, at, raw->integer, error);
    case RAW_STRINGS:
        return field->type == FACT_SET ? store_set(field, at, raw, error) : store_strings(field, facts, raw, error);
    case RAW_CAPS:
        /* as a whole: of a field that is given twice the last one counts */
        memcpy(at, raw->caps, sizeof raw->caps);
        return TRUE;
    }
    g_assert_not_reached();
}

gboolean fact_store(const FactField *field, void *facts, const RawFact *raw, GError **error)
{
    guint64 *known = facts;
    gboolean is_text = field->type == FACT_STRING || field->type == FACT_ID || field->type == FACT_HEX_ID;

    g_assert(raw->kind == fact_raw_kind(field) || raw->kind == RAW_STRING);
    if (!store_value(field, facts, raw, error))
        return FALSE;
    if (is_text && raw->string[0] == '\0')
        *known &= ~FACT_BIT(field->bit);
    else
        *known |= FACT_BIT(field->bit);
    return TRUE;
}

static gint64 load_integer(const FactField *field, const void *at)
{
    switch (field->size) {
    case 1:
        return *(const guint8 *)at;
    case 4:
        return *(const guint32 *)at;
    case 8:
        return *(const gint64 *)at;
    }
    g_assert_not_reached();
}

static void load_strings(const FactField *field, const void *facts, RawFact *ret)
{
    const HostFacts *host = facts;

    ret->strings.n = 0;
    if (field->type == FACT_STRINGS) {
        for (guint i = 0; i < host->n_machine_types; i++)
            ret->strings.items[ret->strings.n++] = host->machine_types[i];
        return;
    }
    unsigned set = *(const unsigned *)(const void *)((const char *)facts + field->offset);
    for (const FactWord *word = field->words; word->word != NULL; word++)
        if (set & (unsigned)word->value)
            ret->strings.items[ret->strings.n++] = word->word;
}

void fact_load(const FactField *field, const void *facts, RawFact *ret)
{
    const void *at = (const char *)facts + field->offset;

    ret->kind = fact_raw_kind(field);
    switch (ret->kind) {
    case RAW_STRING:
        if (field->type == FACT_WORD || field->type == FACT_ARCH) {
            ret->string = fact_word(field->words, *(const int *)at);
            g_assert(ret->string != NULL);
        } else if (field->type == FACT_VERSION) {
            guint32 version = *(const guint32 *)at;
            g_snprintf(ret->text, sizeof ret->text, "%u.%u.%u", version >> 16, version >> 8 & 0xff, version & 0xff);
            ret->string = ret->text;
        } else {
            ret->string = at;
        }
        break;
    case RAW_BOOL:
        ret->boolean = *(const bool *)at;
        break;
    case RAW_INTEGER:
        ret->integer = load_integer(field, at);
        break;
    case RAW_STRINGS:
        load_strings(field, facts, ret);
        break;
    case RAW_CAPS:
        memcpy(ret->caps, at, sizeof ret->caps);
        break;
    }
}

void raw_caps_init(RawFact *raw)
{
    raw->kind = RAW_CAPS;
    memset(raw->caps, CAP_UNKNOWN, sizeof raw->caps);
}

gboolean raw_caps_add(RawFact *raw, const char *name, gint64 level, GError **error)
{
    SpaprCap cap;

    if (!spapr_cap_parse(name, &cap))
        return TRUE;
    if (!spapr_cap_level_is_valid(cap, level)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "caps.%s: %" G_GINT64_FORMAT " is not one of its levels",
                    spapr_cap_name(cap), level);
        return FALSE;
    }
    raw->caps[cap] = (gint8)level;
    return TRUE;
}

gboolean raw_strings_add(RawFact *raw, const FactField *field, const char *item, GError **error)
{
    if (raw->strings.n == RAW_STRINGS_MAX) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s: more than %d entries", field->name,
                    RAW_STRINGS_MAX);
        return FALSE;
    }
    raw->strings.items[raw->strings.n++] = item;
    return TRUE;
}
