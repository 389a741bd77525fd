/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `tbsyncctl judge` reads. */
#include "ctl-verbs.h"
#include "fuzz.h"

static const CtlVerb verb = { "judge", "", "", ctl_judge_help, ctl_judge };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *path = g_build_filename(fuzz_directory(), "lines", NULL);
    char *argv[] = { (char *) verb.name, path, NULL };
    Ctl ctl = { .verb = &verb };
    FuzzSilence silence;
    int status;

    fuzz_write("lines", data, size);
    silence = fuzz_silence();
    status = ctl_judge(&ctl, 2, argv);
    fuzz_speak(&silence);
    g_assert_cmpint(status, >=, 0);
    g_assert_cmpint(status, <=, 2);
    return 0;
}
