/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's capabilities XML. */
#include "fuzz.h"
#include "guests-caps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    GuestsCaps caps;
    gboolean ok = guests_caps_parse((const char *) data, size, &caps, &error);

    fuzz_check_outcome(ok, error);
    if (ok) {
        g_assert_cmpuint(caps.n_machine_types, <=, FACTS_MACHINE_TYPES_MAX);
        g_assert_true(caps.has_ppc64 || caps.n_machine_types == 0);
        guests_caps_qemu_version(&caps, size);
    }
    return 0;
}
