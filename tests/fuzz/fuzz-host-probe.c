/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc and the device tree: each part is a letter for a file, and what that holds. */
#include "fuzz.h"
#include "host-probe.h"

#define CPU0 "proc/device-tree/cpus/PowerPC,POWER9@0/"
#define CPU4 "proc/device-tree/cpus/PowerPC,POWER9@4/"

static const char *file_of(uint8_t letter)
{
    static const struct {
        uint8_t letter;
        const char *path;
    } files[] = {
        { 'c', "proc/cpuinfo" },
        { 'o', "proc/sys/kernel/osrelease" },
        { 'i', "etc/machine-id" },
        { 'm', "proc/meminfo" },
        { 'h', "proc/device-tree/hypervisor/compatible" },
        { 't', CPU0 "timebase-frequency" },
        { 'e', CPU0 "ibm,extended-timebase-frequency" },
        { 'v', CPU0 "cpu-version" },
        { 'd', CPU0 "ibm,dec-bits" },
        { 'k', CPU0 "device_type" },
        { 'T', CPU4 "timebase-frequency" },
        { 'V', CPU4 "cpu-version" },
        { 'K', CPU4 "device_type" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(files); i++)
        if (files[i].letter == letter)
            return files[i].path;
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzParts parts = fuzz_parts(data, size);
    g_autoptr(GError) error = NULL;
    const uint8_t *part;
    size_t part_size;
    HostFacts host;
    gboolean ok;

    fuzz_clear();
    while (fuzz_parts_next(&parts, &part, &part_size)) {
        const char *path = part_size > 0 ? file_of(part[0]) : NULL;

        if (path)
            fuzz_write(path, part + 1, part_size - 1);
    }
    ok = host_probe(fuzz_directory(), &host, &error);
    fuzz_check_outcome(ok, error);
    if (ok) {
        fuzz_check_host(&host);
        g_assert_false(host_probe_refresh(fuzz_directory(), &host));
    }
    return 0;
}
