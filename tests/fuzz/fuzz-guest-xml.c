/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domain XML as the hook reads it. */
#include "fuzz.h"
#include "guest-xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    GuestFacts guest;
    gboolean ok = guest_xml_parse((const char *) data, size, &guest, &error);

    fuzz_check_outcome(ok, error);
    if (ok)
        fuzz_check_guest(&guest);
    return 0;
}
