/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>

#include "ctl-format.h"
#include "ctl-manager.h"
#include "ctl-verbs.h"
#include "facts-codec.h"

const char ctl_facts_help[] =
    "Prints what tbsyncd knows of this host as one JSON object, in the form that `tbsyncctl judge` takes as \"source\" and \"destination\".\n"
    "A field that is missing is not known.\n";

int ctl_facts(Ctl *ctl, int argc, char **argv)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(CtlManager) manager = NULL;
    g_autoptr(GError) error = NULL;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 0, 0 }, &exit_code))
        return exit_code;
    manager = ctl_manager_load(ctl, &error);
    if (manager == NULL)
        return ctl_fail(ctl, error);
    json_builder_begin_object(builder);
    host_facts_build_json(&manager->host, builder);
    json_builder_end_object(builder);
    ctl_print_json(builder);
    return CTL_EXIT_OK;
}
