/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt hands to the hook: name, operation, sub-operation, extra argument, then the domain XML on stdin, then the
 * daemon's configuration. No daemon answers, so that the hook's own policy decides. */
#include <fcntl.h>
#include <unistd.h>

#include "ctl-verbs.h"
#include "fuzz.h"

enum { NAME = 1, EXTRA = 4, XML, CONFIGURATION, PARTS };

static const CtlVerb verb = { "hook", "", "", ctl_hook_help, ctl_hook };

static void read_stdin_from(const char *path)
{
    g_autofree char *file = g_build_filename(fuzz_directory(), path, NULL);
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(dup2(fd, STDIN_FILENO), >=, 0);
    close(fd);
}

static void set_environment(void)
{
    g_autofree char *bus = g_strdup_printf("unix:path=%s/no-bus", fuzz_directory());
    g_autofree char *config = g_build_filename(fuzz_directory(), "tbsyncd.conf", NULL);

    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", bus, TRUE);
    g_setenv("TBSYNC_CONFIG_FILE", config, TRUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzParts parts = fuzz_parts(data, size);
    char *argv[XML + 1] = { (char *) verb.name };
    char *owned[XML + 1] = { NULL }; /* GOption takes what it has read out of argv */
    Ctl ctl = { .verb = &verb };
    FuzzSilence silence;
    const uint8_t *part;
    size_t part_size;
    int argc = 1, status;

    set_environment();
    fuzz_write("xml", "", 0);
    fuzz_write("tbsyncd.conf", "", 0);
    for (int i = NAME; i < PARTS && fuzz_parts_next(&parts, &part, &part_size); i++) {
        if (i <= EXTRA)
            owned[i] = argv[argc++] = g_strndup((const char *) part, part_size);
        else
            fuzz_write(i == XML ? "xml" : "tbsyncd.conf", part, part_size);
    }
    read_stdin_from("xml");
    silence = fuzz_silence();
    status = ctl_hook(&ctl, argc, argv);
    fuzz_speak(&silence);
    g_assert_true(status == CTL_EXIT_OK || status == CTL_EXIT_ERROR || (status == CTL_EXIT_USAGE && argc < 4));
    for (int i = NAME; i <= EXTRA; i++)
        g_free(owned[i]);
    return 0;
}
