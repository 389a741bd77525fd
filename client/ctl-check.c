/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-bus.h"
#include "ctl-format.h"
#include "ctl-manager.h"
#include "ctl-record.h"
#include "ctl-verbs.h"
#include "error.h"

#define CHECK_DEADLINE_MS 15000

const char ctl_check_help[] =
    "Preflight: would the hook on HOST let GUEST of this host in, and what would happen to the guest's timebase? GUEST is a name or UUID,\n"
    "HOST the name of a linked peer. Nothing is migrated.\n"
    "\n"
    "--assume changes a fact of HOST for this question: --assume pvr=0x00820200 --assume caps.ibs=2.\n"
    "\n"
    "Exits 0 if allowed, 3 if refused, 4 if the guest or host is unknown or cannot be asked.\n";

static JsonNode *verdict_to_json(const char *guest, const char *host, GVariant *reply)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(GVariant) decision = g_variant_get_child_value(reply, 0);
    g_autoptr(GVariant) findings = g_variant_get_child_value(reply, 1);
    g_autoptr(GVariant) plan = g_variant_get_child_value(reply, 2);

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "guest");
    json_builder_add_string_value(builder, guest);
    json_builder_set_member_name(builder, "host");
    json_builder_add_string_value(builder, host);
    json_builder_set_member_name(builder, "decision");
    ctl_build_variant(builder, decision);
    json_builder_set_member_name(builder, "findings");
    ctl_build_variant(builder, findings);
    if (g_variant_n_children(plan) > 0) {
        json_builder_set_member_name(builder, "plan");
        ctl_build_variant(builder, plan);
    }
    json_builder_end_object(builder);
    return json_builder_get_root(builder);
}

static void print_verdict(Ctl *ctl, JsonNode *verdict)
{
    JsonObject *object = json_node_get_object(verdict);
    g_autoptr(CtlManager) manager = ctl_manager_load(ctl, NULL);

    ctl_print(ctl, CTL_HEAD, ctl_json_string(object, "guest"));
    printf(" to ");
    ctl_print(ctl, CTL_HEAD, ctl_json_string(object, "host"));
    printf(": ");
    ctl_verdict_print(ctl, object, manager != NULL ? ctl_manager_timebase_hz(manager) : 0);
}

static int report(Ctl *ctl, JsonNode *verdict)
{
    const char *decision = ctl_json_string(json_node_get_object(verdict), "decision");

    if (ctl->json) {
        g_autofree char *text = json_to_string(verdict, FALSE);

        printf("%s\n", text);
    } else {
        print_verdict(ctl, verdict);
    }
    return g_str_equal(decision, "allow") ? CTL_EXIT_OK : CTL_EXIT_REFUSED;
}

int ctl_check(Ctl *ctl, int argc, char **argv)
{
    g_auto(GStrv) assume = NULL;
    const GOptionEntry options[] = {
        { "assume", 0, 0, G_OPTION_ARG_STRING_ARRAY, &assume, "Change a fact of HOST for this question", "FACT=VALUE" },
        { NULL },
    };
    static const char *const none[] = { NULL };
    CtlCall call = { .method = "Check", .reply_type = "(saa{sv}a{sv})", .deadline_ms = CHECK_DEADLINE_MS };
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(JsonNode) verdict = NULL;
    g_autoptr(GError) error = NULL;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, options, &(CtlArguments){ &argc, &argv, 2, 2 }, &exit_code))
        return exit_code;
    reply = ctl_bus_call(ctl, &call,
                         g_variant_new("(ss^as)", argv[1], argv[2], assume != NULL ? (const char *const *)assume : none),
                         &error);
    if (reply == NULL && assume != NULL && g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID))
        return ctl_fail_usage(ctl, "--assume: %s; 'tbsyncctl facts' shows what can be assumed", error->message);
    if (reply == NULL)
        return ctl_fail(ctl, error);
    verdict = verdict_to_json(argv[1], argv[2], reply);
    return report(ctl, verdict);
}
