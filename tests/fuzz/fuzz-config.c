/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's configuration and, as further parts, drop-ins; by the hook's reader of its one key too. */
#include "config.h"
#include "fuzz.h"
#include "hook-policy.h"

static void write_files(const uint8_t *data, size_t size)
{
    FuzzParts parts = fuzz_parts(data, size);
    const uint8_t *part;
    size_t part_size;

    fuzz_clear();
    for (char name = '0'; name < '4' && fuzz_parts_next(&parts, &part, &part_size); name++) {
        g_autofree char *drop_in = g_strdup_printf("tbsyncd.conf.d/%c.conf", name);

        fuzz_write(name == '0' ? "tbsyncd.conf" : drop_in, part, part_size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *path = g_build_filename(fuzz_directory(), "tbsyncd.conf", NULL);
    g_autoptr(GError) error = NULL, hook_error = NULL;
    g_autoptr(Config) config = NULL;
    HookPolicy policy = { 0 };
    gboolean ok;

    write_files(data, size);
    config = config_load(path, &error);
    fuzz_check_outcome(config != NULL, error);
    ok = hook_policy_read(path, &policy, &hook_error);
    fuzz_check_outcome(ok, hook_error);
    g_assert_true(ok || policy.blocks);
    /* who starts on these files must not have a hook that reads them otherwise */
    g_assert_true(!config || (ok && (policy.blocks != FALSE) == config->policy.unavailable_blocks));
    g_free(policy.origin);
    return 0;
}
