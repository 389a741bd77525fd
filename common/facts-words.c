/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-words.h"

#include <string.h>

const FactWord words_compat_limit[] = {
    { "", COMPAT_RAW },           { "power6", COMPAT_POWER6 },   { "power7", COMPAT_POWER7 },
    { "power7+", COMPAT_POWER7PLUS }, { "power8", COMPAT_POWER8 },   { "power9", COMPAT_POWER9 },
    { "power10", COMPAT_POWER10 },  { "power11", COMPAT_POWER11 }, { NULL },
};

const FactWord words_compat_mode[] = {
    { "raw", COMPAT_RAW },        { "power6", COMPAT_POWER6 },   { "power7", COMPAT_POWER7 },
    { "power7+", COMPAT_POWER7PLUS }, { "power8", COMPAT_POWER8 },   { "power9", COMPAT_POWER9 },
    { "power10", COMPAT_POWER10 },  { "power11", COMPAT_POWER11 }, { NULL },
};

const FactWord words_kvm[] = { { "hv", KVM_HV }, { "pr", KVM_PR }, { "none", KVM_NONE }, { NULL } };
const FactWord words_arch[] = {
    { "ppc64", ARCH_PPC64 }, { "ppc64le", ARCH_PPC64LE }, { "other", ARCH_OTHER }, { NULL }
};
const FactWord words_accel[] = { { "kvm", ACCEL_KVM }, { "tcg", ACCEL_TCG }, { NULL } };
const FactWord words_cpu_mode[] = {
    { "host-model", CPU_HOST_MODEL },
    { "host-passthrough", CPU_HOST_PASSTHROUGH },
    { "custom", CPU_CUSTOM },
    { NULL },
};
const FactWord words_ic_mode[] = {
    { "dual", IC_DUAL }, { "xics", IC_XICS }, { "xive", IC_XIVE }, { NULL }
};
const FactWord words_mmu[] = { { "hash", (int)MMU_HASH }, { "radix", (int)MMU_RADIX }, { NULL } };
const FactWord words_resize_hpt[] = {
    { "enabled", RESIZE_HPT_ENABLED },
    { "disabled", RESIZE_HPT_DISABLED },
    { "required", RESIZE_HPT_REQUIRED },
    { NULL },
};
const FactWord words_bool[] = {
    { "yes", TRUE }, { "no", FALSE },  { "true", TRUE }, { "false", FALSE },
    { "on", TRUE },  { "off", FALSE }, { "1", TRUE },    { "0", FALSE },
    { NULL },
};

/* Levels as QEMU orders them (hw/ppc/spapr_caps.c). "fixed-na" is 4: the index that the property stores, not the
 * constant 0x10 of KVM's query. */
static const FactWord levels_switch[] = { { "off", 0 }, { "on", 1 }, { NULL } };
static const FactWord levels_fixed[] = { { "broken", 0 }, { "workaround", 1 }, { "fixed", 2 }, { NULL } };
static const FactWord levels_ibs[] = {
    { "broken", 0 }, { "workaround", 1 }, { "fixed-ibs", 2 }, { "fixed-ccd", 3 }, { "fixed-na", 4 }, { NULL }
};

/* Page sizes from 4 KiB to 16 GiB. */
#define PAGE_SHIFT_MIN 12
#define PAGE_SHIFT_MAX 34

static const struct {
    const char *name;
    const FactWord *levels; /* NULL: a page shift */
} caps[CAP_COUNT] = {
    [CAP_HTM] = { "htm", levels_switch },
    [CAP_VSX] = { "vsx", levels_switch },
    [CAP_DFP] = { "dfp", levels_switch },
    [CAP_CFPC] = { "cfpc", levels_fixed },
    [CAP_SBBC] = { "sbbc", levels_fixed },
    [CAP_IBS] = { "ibs", levels_ibs },
    [CAP_HPT_MAX_PAGE_SIZE] = { "hpt-max-page-size", NULL },
    [CAP_NESTED_HV] = { "nested-hv", levels_switch },
    [CAP_LARGE_DECR] = { "large-decr", levels_switch },
    [CAP_CCF_ASSIST] = { "ccf-assist", levels_switch },
    [CAP_FWNMI] = { "fwnmi", levels_switch },
    [CAP_RPT_INVALIDATE] = { "rpt-invalidate", levels_switch },
    [CAP_AIL_MODE_3] = { "ail-mode-3", levels_switch },
    [CAP_NESTED_PAPR] = { "nested-papr", levels_switch },
    [CAP_DAWR1] = { "dawr1", levels_switch },
};

const char *fact_word(const FactWord *words, int value)
{
    for (; words->word != NULL; words++)
        if (words->value == value)
            return words->word;
    return NULL;
}

gboolean fact_word_parse(const FactWord *words, const char *text, int *ret)
{
    for (; words->word != NULL; words++) {
        if (strcmp(words->word, text) == 0) {
            *ret = words->value;
            return TRUE;
        }
    }
    return FALSE;
}

char *fact_words_list(const FactWord *words)
{
    GString *list = g_string_new(NULL);

    for (; words->word != NULL; words++) {
        if (list->len > 0)
            g_string_append(list, words[1].word != NULL ? ", " : " or ");
        g_string_append_printf(list, "\"%s\"", words->word);
    }
    return g_string_free(list, FALSE);
}

const char *spapr_cap_name(SpaprCap cap)
{
    return caps[cap].name;
}

gboolean spapr_cap_parse(const char *name, SpaprCap *ret)
{
    for (int cap = 0; cap < CAP_COUNT; cap++) {
        if (strcmp(caps[cap].name, name) == 0) {
            *ret = (SpaprCap)cap;
            return TRUE;
        }
    }
    return FALSE;
}

const char *spapr_cap_level_name(SpaprCap cap, int level)
{
    return caps[cap].levels != NULL ? fact_word(caps[cap].levels, level) : NULL;
}

gboolean spapr_cap_level_is_valid(SpaprCap cap, gint64 level)
{
    if (level < 0 || level > G_MAXINT8)
        return FALSE;
    if (caps[cap].levels == NULL)
        return level >= PAGE_SHIFT_MIN && level <= PAGE_SHIFT_MAX;
    return fact_word(caps[cap].levels, (int)level) != NULL;
}

gboolean spapr_cap_level_parse(SpaprCap cap, const char *text, int *ret)
{
    gint64 number;

    if (caps[cap].levels != NULL && fact_word_parse(caps[cap].levels, text, ret))
        return TRUE;
    if (!g_ascii_string_to_signed(text, 10, 0, G_MAXINT8, &number, NULL) ||
        !spapr_cap_level_is_valid(cap, number))
        return FALSE;
    *ret = (int)number;
    return TRUE;
}

char *qemu_version_to_text(guint32 version)
{
    return g_strdup_printf("%u.%u.%u", version >> 16, version >> 8 & 0xff, version & 0xff);
}

gboolean qemu_version_parse(const char *text, guint32 *ret)
{
    static const guint64 limits[] = { 0x7fff, 0xff, 0xff };
    guint64 parts[] = { 0, 0, 0 };
    g_auto(GStrv) words = g_strsplit(text, ".", 4);
    guint n = g_strv_length(words);

    if (n < 2 || n > 3)
        return FALSE;
    for (guint i = 0; i < n; i++)
        if (!g_ascii_string_to_unsigned(words[i], 10, 0, limits[i], &parts[i], NULL))
            return FALSE;
    *ret = QEMU_VERSION(parts[0], parts[1], parts[2]);
    return TRUE;
}

gboolean uuid_normalise(const char *text, char ret[FACTS_UUID_MAX])
{
    char digits[33];
    guint n = 0;

    for (; *text != '\0'; text++) {
        if (*text == '-')
            continue;
        if (n == 32 || !g_ascii_isxdigit(*text))
            return FALSE;
        digits[n++] = g_ascii_tolower(*text);
    }
    if (n != 32)
        return FALSE;
    digits[n] = '\0';
    g_snprintf(ret, FACTS_UUID_MAX, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12, digits + 16,
               digits + 20);
    return TRUE;
}
