/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "ctl-format.h"
#include "ctl-verbs.h"
#include "findings.h"

const char ctl_explain_help[] =
    "Without an argument all finding codes are listed, each with its meaning. These are the codes that judge, check,\n"
    "history and the journal (TBSYNC_CODE=) name.\n";

static void build_code(JsonBuilder *builder, FindingCode code)
{
    char message_id[MESSAGE_ID_SIZE];

    finding_code_message_id(code, message_id);
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "message_id");
    json_builder_add_string_value(builder, message_id);
    json_builder_set_member_name(builder, "code");
    json_builder_add_string_value(builder, finding_code_name(code));
    json_builder_set_member_name(builder, "text");
    json_builder_add_string_value(builder, finding_code_explain(code));
    json_builder_end_object(builder);
}

/* At word ends, with an indent; the sources of the table have no line ends. */
static void print_wrapped(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    gsize column = 0;

    for (guint i = 0; words[i] != NULL; i++) {
        gsize length = strlen(words[i]);
        if (column > 0 && column + 1 + length > 76) {
            printf("\n");
            column = 0;
        }
        printf("%s%s", column == 0 ? "    " : " ", words[i]);
        column += length + 1;
    }
    printf("\n");
}

static void print_code(const Ctl *ctl, FindingCode code)
{
    ctl_print(ctl, CTL_HEAD, finding_code_name(code));
    printf("\n");
    print_wrapped(finding_code_explain(code));
}

static void print_all(const Ctl *ctl)
{
    g_autoptr(CtlPager) pager = ctl_pager_open(ctl);

    for (int code = 0; code < FINDING_CODE_COUNT; code++)
        print_code(ctl, (FindingCode)code);
}

int ctl_explain(Ctl *ctl, int argc, char **argv)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    FindingCode code;
    int exit_code;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 0, 1 }, &exit_code))
        return exit_code;
    if (argc > 1 && !finding_code_parse(argv[1], &code)) {
        fprintf(stderr, "tbsyncctl explain: there is no finding code \"%s\"; list them with: tbsyncctl explain\n", argv[1]);
        return CTL_EXIT_UNKNOWN;
    }
    if (ctl->json && argc > 1) {
        build_code(builder, code);
        ctl_print_json(builder);
    } else if (ctl->json) {
        json_builder_begin_array(builder);
        for (int i = 0; i < FINDING_CODE_COUNT; i++)
            build_code(builder, (FindingCode)i);
        json_builder_end_array(builder);
        ctl_print_json(builder);
    } else if (argc > 1) {
        print_code(ctl, code);
    } else {
        print_all(ctl);
    }
    return CTL_EXIT_OK;
}
