/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names as certificates carry them: the expected one, then those of a peer. */
#include <string.h>

#include "fuzz.h"
#include "link-names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzParts parts = fuzz_parts(data, size);
    g_autoptr(GPtrArray) names = link_names_new();
    g_autofree char *expected = NULL, *text = NULL;
    const uint8_t *part;
    size_t part_size;
    gboolean is_there = FALSE;

    fuzz_parts_next(&parts, &part, &part_size);
    expected = g_strndup((const char *) part, part_size);
    while (fuzz_parts_next(&parts, &part, &part_size)) {
        guint before = names->len;

        link_names_add(names, (const char *) part, part_size);
        /* what was taken is the whole of what was given, up to a NUL inside and beyond */
        if (names->len > before) {
            g_assert_cmpmem(names->pdata[names->len - 2], strlen(names->pdata[names->len - 2]), part, part_size);
            is_there |= g_ascii_strcasecmp(names->pdata[names->len - 2], expected) == 0;
        }
    }
    g_assert_cmpuint(names->len, <=, LINK_NAMES_MAX + 1);
    g_assert_null(names->pdata[names->len - 1]);
    text = link_names_text(names);
    g_assert_true(g_str_is_ascii(text));
    g_assert_true(link_names_keep_only(names, expected) == is_there);
    return 0;
}
