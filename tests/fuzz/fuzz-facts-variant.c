/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts from D-Bus: 't' and a dictionary in GVariant's text form, or any other byte and a serialised one. */
#include "facts-codec.h"
#include "fuzz.h"

static GVariant *read_dict(const uint8_t *data, size_t size)
{
    g_autoptr(GVariant) raw = NULL;
    g_autoptr(GBytes) bytes = NULL;

    if (size > 0 && data[0] == 't')
        return !g_utf8_validate((const char *) data + 1, (gssize) size - 1, NULL) ? NULL : g_variant_parse(G_VARIANT_TYPE_VARDICT, (const char *) data + 1, (const char *) data + size, NULL, NULL);
    bytes = g_bytes_new(size > 0 ? data + 1 : NULL, size > 0 ? size - 1 : 0);
    raw = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, bytes, FALSE));
    return g_variant_get_normal_form(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GVariant) dict = read_dict(data, size);
    g_autoptr(GError) host_error = NULL, guest_error = NULL;
    HostFacts host;
    GuestFacts guest;
    gboolean ok;

    if (!dict)
        return 0;
    ok = host_facts_from_variant(dict, &host, &host_error);
    fuzz_check_outcome(ok, host_error);
    if (ok)
        fuzz_check_host(&host);
    ok = guest_facts_from_variant(dict, &guest, &guest_error);
    fuzz_check_outcome(ok, guest_error);
    if (ok)
        fuzz_check_guest(&guest);
    return 0;
}
