/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-fleet.h"
#include "ctl-format.h"
#include "ctl-verbs.h"
#include "facts-codec.h"
#include "findings.h"
#include "verdict.h"

const char ctl_matrix_help[] =
    "Which guest could go where: one row for each guest of this host (with --all: of all linked hosts too), one column for each linked\n"
    "host. A cell is \"allow\", \"one-way\" (it may go, and could not come back), \"here\", or the first code that stands in the way;\n"
    "`tbsyncctl explain CODE` says what it means, `tbsyncctl check GUEST HOST` all that is known of one cell. Guests that are no ppc64\n"
    "pseries guests are not judged: \"-\". What the hosts can run is judged, not the clocks: those are for check.\n"
    "\n"
    "--assume changes a fact of all hosts as destinations, or of one: --assume pvr=0x00820200, --assume beta:caps.ibs=2.\n"
    "\n"
    "Exits 0 whatever the cells say, 4 if a host could not be asked for its guests.\n";

typedef struct Matrix {
    CtlFleet *fleet;
    Policy policy;
    gboolean all;
} Matrix;

typedef enum Cell { CELL_HERE, CELL_NOT_JUDGED, CELL_ALLOW, CELL_ONE_WAY, CELL_BLOCK } Cell;

static gboolean is_judged(const GuestFacts *guest)
{
    return !FACT_KNOWN(guest, GUEST_ARCH) || guest->arch != ARCH_OTHER;
}

static Cell judge_cell(const Matrix *matrix, const CtlFleetGuest *guest, guint host, Verdict *ret)
{
    const CtlFleetHost *source = matrix->fleet->hosts->pdata[guest->host];
    const CtlFleetHost *destination = matrix->fleet->hosts->pdata[host];
    JudgeInput input = {
        .kind = JUDGE_OFFLINE,
        .source = &source->facts,
        .guest = &guest->facts,
        .destination = &destination->assumed,
        .policy = &matrix->policy,
    };

    if (guest->host == host)
        return CELL_HERE;
    if (!is_judged(&guest->facts))
        return CELL_NOT_JUDGED;
    judge(&input, ret);
    if (ret->decision == DECISION_BLOCK)
        return CELL_BLOCK;
    for (guint i = 0; i < ret->n_findings; i++)
        if (ret->findings[i].code == FINDING_CANNOT_RETURN)
            return CELL_ONE_WAY;
    return CELL_ALLOW;
}

/* ---- text ---- */

static void add_cell(CtlTable *table, Cell cell, const Verdict *verdict)
{
    switch (cell) {
    case CELL_HERE:
        ctl_table_add(table, CTL_DIM, "here");
        break;
    case CELL_NOT_JUDGED:
        ctl_table_add(table, CTL_DIM, "-");
        break;
    case CELL_ALLOW:
        ctl_table_add(table, CTL_GOOD, "allow");
        break;
    case CELL_ONE_WAY:
        ctl_table_add(table, CTL_WARN, "one-way");
        break;
    case CELL_BLOCK:
        ctl_table_add(table, CTL_BAD, finding_code_name(verdict->findings[0].code));
        break;
    }
}

/* Without --all the own host is no column: all guests are here. */
static gboolean is_column(const Matrix *matrix, guint host)
{
    return matrix->all || !((const CtlFleetHost *)matrix->fleet->hosts->pdata[host])->own;
}

static CtlTable *new_table(const Ctl *ctl, const Matrix *matrix)
{
    g_autoptr(GPtrArray) heads = g_ptr_array_new();

    g_ptr_array_add(heads, (char *)"GUEST");
    if (matrix->all)
        g_ptr_array_add(heads, (char *)"HOST");
    g_ptr_array_add(heads, (char *)"STATE");
    for (guint i = 0; i < matrix->fleet->hosts->len; i++)
        if (is_column(matrix, i))
            g_ptr_array_add(heads, ((const CtlFleetHost *)matrix->fleet->hosts->pdata[i])->name);
    g_ptr_array_add(heads, NULL);
    return ctl_table_new(ctl, (const char *const *)heads->pdata);
}

static void print_matrix(const Ctl *ctl, const Matrix *matrix)
{
    g_autoptr(CtlTable) table = new_table(ctl, matrix);
    g_autoptr(CtlPager) pager = ctl_pager_open(ctl);
    Verdict verdict;

    for (guint i = 0; i < matrix->fleet->guests->len; i++) {
        const CtlFleetGuest *guest = &g_array_index(matrix->fleet->guests, CtlFleetGuest, i);
        const GuestFacts *facts = &guest->facts;

        ctl_table_add(table, CTL_PLAIN, FACT_KNOWN(facts, GUEST_NAME) ? facts->name : facts->uuid);
        if (matrix->all)
            ctl_table_add(table, CTL_PLAIN, ((const CtlFleetHost *)matrix->fleet->hosts->pdata[guest->host])->name);
        ctl_table_add(table, CTL_PLAIN, !FACT_KNOWN(facts, GUEST_ACTIVE) ? "-" : facts->active ? "running" : "off");
        for (guint host = 0; host < matrix->fleet->hosts->len; host++)
            if (is_column(matrix, host))
                add_cell(table, judge_cell(matrix, guest, host, &verdict), &verdict);
    }
    ctl_table_print(table);
}

/* ---- JSON ---- */

static void add_string(JsonBuilder *builder, const char *name, const char *value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

static void add_strings(JsonBuilder *builder, const char *name, const GPtrArray *values)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_array(builder);
    for (guint i = 0; i < values->len; i++)
        json_builder_add_string_value(builder, values->pdata[i]);
    json_builder_end_array(builder);
}

static void build_cell(JsonBuilder *builder, const Matrix *matrix, const CtlFleetGuest *guest, guint host)
{
    Verdict verdict;
    Cell cell = judge_cell(matrix, guest, host, &verdict);

    if (cell == CELL_HERE || cell == CELL_NOT_JUDGED)
        return;
    json_builder_begin_object(builder);
    add_string(builder, "host", ((const CtlFleetHost *)matrix->fleet->hosts->pdata[host])->name);
    json_builder_set_member_name(builder, "one_way");
    json_builder_add_boolean_value(builder, cell == CELL_ONE_WAY);
    verdict_build_json(&verdict, builder);
    json_builder_end_object(builder);
}

static void build_guest(JsonBuilder *builder, const Matrix *matrix, const CtlFleetGuest *guest)
{
    json_builder_begin_object(builder);
    add_string(builder, "name", guest->facts.name);
    add_string(builder, "uuid", guest->facts.uuid);
    add_string(builder, "host", ((const CtlFleetHost *)matrix->fleet->hosts->pdata[guest->host])->name);
    json_builder_set_member_name(builder, "judged");
    json_builder_add_boolean_value(builder, is_judged(&guest->facts));
    json_builder_set_member_name(builder, "verdicts");
    json_builder_begin_array(builder);
    for (guint host = 0; host < matrix->fleet->hosts->len; host++)
        build_cell(builder, matrix, guest, host);
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

static void print_matrix_json(const Matrix *matrix)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "hosts");
    json_builder_begin_array(builder);
    for (guint i = 0; i < matrix->fleet->hosts->len; i++)
        json_builder_add_string_value(builder, ((const CtlFleetHost *)matrix->fleet->hosts->pdata[i])->name);
    json_builder_end_array(builder);
    add_strings(builder, "not_linked", matrix->fleet->absent);
    add_strings(builder, "not_listed", matrix->fleet->silent);
    json_builder_set_member_name(builder, "guests");
    json_builder_begin_array(builder);
    for (guint i = 0; i < matrix->fleet->guests->len; i++)
        build_guest(builder, matrix, &g_array_index(matrix->fleet->guests, CtlFleetGuest, i));
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    ctl_print_json(builder);
}

/* ---- verb ---- */

static gboolean set_policy(Policy *policy, char **settings, GError **error)
{
    for (; settings != NULL && *settings != NULL; settings++) {
        g_auto(GStrv) parts = g_strsplit(*settings, "=", 2);

        if (!policy_set(policy, parts[0], parts[0] != NULL && parts[1] != NULL ? parts[1] : "", error))
            return FALSE;
    }
    return TRUE;
}

static void print_text(const Ctl *ctl, const Matrix *matrix)
{
    if (matrix->fleet->guests->len == 0)
        printf("There are no guests.\n");
    else if (matrix->fleet->hosts->len == 1)
        printf("No peer is linked; see why: tbsyncctl peers\n");
    else
        print_matrix(ctl, matrix);
    ctl_fleet_print_missing(ctl, matrix->fleet);
}

int ctl_matrix(Ctl *ctl, int argc, char **argv)
{
    g_auto(GStrv) assume = NULL, policies = NULL;
    g_autoptr(CtlFleet) fleet = NULL;
    Matrix matrix = { .policy = POLICY_DEFAULT };
    const GOptionEntry options[] = {
        { "all", 0, 0, G_OPTION_ARG_NONE, &matrix.all, "The guests of all linked hosts", NULL },
        { "assume", 0, 0, G_OPTION_ARG_STRING_ARRAY, &assume, "Change a fact of all destinations, or of HOST", "[HOST:]FACT=VALUE" },
        { "policy", 0, 0, G_OPTION_ARG_STRING_ARRAY, &policies, "Change a key of [Policy] for this question", "KEY=VALUE" },
        { NULL },
    };
    g_autoptr(GError) error = NULL;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, options, &(CtlArguments){ &argc, &argv, 0, 0 }, &exit_code))
        return exit_code;
    if (!set_policy(&matrix.policy, policies, &error))
        return ctl_fail_usage(ctl, "--policy: %s", error->message);
    fleet = ctl_fleet_load(ctl, assume, matrix.all, &error);
    if (fleet == NULL)
        return ctl_fail(ctl, error);
    matrix.fleet = fleet;
    if (ctl->json)
        print_matrix_json(&matrix);
    else
        print_text(ctl, &matrix);
    return fleet->silent->len > 0 ? CTL_EXIT_UNKNOWN : CTL_EXIT_OK;
}
