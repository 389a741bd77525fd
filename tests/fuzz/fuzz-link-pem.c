/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The credential files of [Link]: CA, certificate, key, CRL. They are root's; but a half-written one must not end the daemon. */
#include "fuzz.h"
#include "link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "ca.pem", "cert.pem", "key.pem", "crl.pem" };
    FuzzParts parts = fuzz_parts(data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(LinkTls) tls = NULL;
    char *paths[G_N_ELEMENTS(names)];
    const uint8_t *part;
    size_t part_size;

    fuzz_clear();
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (fuzz_parts_next(&parts, &part, &part_size))
            fuzz_write(names[i], part, part_size);
        paths[i] = g_build_filename(fuzz_directory(), names[i], NULL);
    }
    tls = link_tls_new(
        &(LinkTlsConfig){ .ca_file = paths[0], .cert_file = paths[1], .key_file = paths[2], .crl_file = paths[3] }, &error);
    fuzz_check_outcome(tls != NULL, error);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        g_free(paths[i]);
    return 0;
}
