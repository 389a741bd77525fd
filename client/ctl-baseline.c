/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-fleet.h"
#include "ctl-format.h"
#include "ctl-verbs.h"
#include "facts-codec.h"
#include "findings.h"
#include "units-text.h"
#include "verdict.h"

const char ctl_baseline_help[] =
    "The newest compat mode that all HOSTs (default: this one and all linked peers) can give a guest, what keeps each host from a newer\n"
    "one, and which running guests stand in the way: those that run in a newer mode, or raw, and so cannot go everywhere. A mode that\n"
    "is not known is taken for the newest one that the guest's host and limit allow, and marked with \"?\".\n"
    "\n"
    "--assume changes a fact of all hosts, or of one: --assume beta:pvr=0x00820200.\n"
    "\n"
    "Exits 0, 1 if the hosts have no mode in common, 4 if a HOST is unknown or not linked, or one could not be asked for its guests.\n";

typedef struct Baseline {
    CtlFleet *fleet;
    Policy policy;
    CompatMode mode; /* COMPAT_RAW: none in common */
} Baseline;

/* ---- hosts ---- */

/* What of a verdict on a guest that stays where it is speaks about the mode, and not about the guest's devices or the clocks. */
static gboolean is_about_mode(const Finding *finding)
{
    switch (finding->code) {
    case FINDING_COMPAT_MODE_UNSUPPORTED:
    case FINDING_COMPAT_MODE_UNKNOWN:
    case FINDING_CPU_FAMILY_UNSUPPORTED:
    case FINDING_HASH_MMU_UNSUPPORTED:
    case FINDING_RADIX_MMU_UNSUPPORTED:
    case FINDING_KVM_PR_HOST:
    case FINDING_KVM_MISSING:
    case FINDING_KERNEL_MODE_UNSUPPORTED:
        return finding->severity == SEVERITY_BLOCK;
    case FINDING_FACT_UNKNOWN:
        return g_strcmp0(finding->a.string, "pvr") == 0;
    default: /* any other code of many */
        return FALSE;
    }
}

/* A guest that runs in that mode on this host. */
static void make_guest(const HostFacts *host, CompatMode mode, GuestFacts *ret)
{
    guest_facts_init(ret);
    ret->arch = ARCH_PPC64LE;
    ret->accel = ACCEL_KVM;
    ret->cpu_mode = CPU_HOST_MODEL;
    ret->max_cpu_compat = COMPAT_RAW;
    ret->effective_mode = mode;
    ret->active = true;
    ret->mmu = mode >= COMPAT_POWER9 && !(FACT_KNOWN(host, HOST_MMU) && host->mmu == MMU_HASH) ? MMU_RADIX : MMU_HASH;
    ret->known = FACT_BIT(GUEST_ARCH) | FACT_BIT(GUEST_ACCEL) | FACT_BIT(GUEST_CPU_MODE) | FACT_BIT(GUEST_MAX_CPU_COMPAT) |
                 FACT_BIT(GUEST_EFFECTIVE_MODE) | FACT_BIT(GUEST_ACTIVE) | FACT_BIT(GUEST_MMU);
}

/* Whether `host` can give a guest that mode; if not *ret_why says the first thing that keeps it from it, (transfer full). */
static gboolean host_gives(const Baseline *baseline, const CtlFleetHost *host, CompatMode mode, char **ret_why)
{
    GuestFacts guest;
    Verdict verdict;
    JudgeInput input = {
        .kind = JUDGE_OFFLINE,
        .source = &host->assumed,
        .guest = &guest,
        .destination = &host->assumed,
        .policy = &baseline->policy,
    };

    make_guest(&host->assumed, mode, &guest);
    judge(&input, &verdict);
    for (guint i = 0; i < verdict.n_findings; i++) {
        if (!is_about_mode(&verdict.findings[i]))
            continue;
        if (ret_why != NULL)
            *ret_why = finding_text(&verdict.findings[i]);
        return FALSE;
    }
    return TRUE;
}

static CompatMode newest_of_host(const Baseline *baseline, const CtlFleetHost *host)
{
    for (CompatMode mode = COMPAT_COUNT - 1; mode > COMPAT_RAW; mode--)
        if (host_gives(baseline, host, mode, NULL))
            return mode;
    return COMPAT_RAW;
}

static CompatMode newest_in_common(const Baseline *baseline)
{
    for (CompatMode mode = COMPAT_COUNT - 1; mode > COMPAT_RAW; mode--) {
        guint n = 0;

        for (guint i = 0; i < baseline->fleet->hosts->len; i++)
            n += host_gives(baseline, baseline->fleet->hosts->pdata[i], mode, NULL);
        if (n == baseline->fleet->hosts->len)
            return mode;
    }
    return COMPAT_RAW;
}

/* Why not the mode after its newest one. (transfer full) */
static char *why_not_newer(const Baseline *baseline, const CtlFleetHost *host, CompatMode newest)
{
    char *why = NULL;

    if (newest == COMPAT_COUNT - 1 || host_gives(baseline, host, newest + 1, &why))
        return g_strdup("");
    return why;
}

/* ---- guests ---- */

typedef struct InTheWay {
    CompatMode mode; /* COMPAT_RAW: raw */
    gboolean assumed;
    const char *why;
} InTheWay;

/* What a guest of unknown mode most likely is in. */
static CompatMode likely_mode(const GuestFacts *guest, const HostFacts *host)
{
    CompatMode own = FACT_KNOWN(host, HOST_PVR) ? cpu_own_mode(host->pvr) : COMPAT_RAW;

    if (FACT_KNOWN(host, HOST_COMPAT_LEVEL) && host->compat_level != COMPAT_RAW)
        own = MIN(own, host->compat_level);
    if (!FACT_KNOWN(guest, GUEST_MAX_CPU_COMPAT) || guest->max_cpu_compat == COMPAT_RAW)
        return own;
    return own == COMPAT_RAW ? guest->max_cpu_compat : MIN(own, guest->max_cpu_compat);
}

static gboolean is_in_the_way(const Baseline *baseline, const CtlFleetGuest *guest, InTheWay *ret)
{
    const GuestFacts *facts = &guest->facts;
    const CtlFleetHost *host = baseline->fleet->hosts->pdata[guest->host];

    if ((FACT_KNOWN(facts, GUEST_ARCH) && facts->arch == ARCH_OTHER) || (FACT_KNOWN(facts, GUEST_ACTIVE) && !facts->active))
        return FALSE;
    ret->assumed = !FACT_KNOWN(facts, GUEST_EFFECTIVE_MODE);
    ret->mode = ret->assumed ? likely_mode(facts, &host->facts) : facts->effective_mode;
    if (ret->mode == COMPAT_RAW)
        ret->why = "it runs raw, on CPUs of its own kind only";
    else if (ret->mode > baseline->mode)
        ret->why = "it runs in a newer mode";
    else
        return FALSE;
    return TRUE;
}

/* ---- text ---- */

static void print_hosts(const Ctl *ctl, const Baseline *baseline)
{
    static const char *const heads[] = { "HOST", "CPU", "NEWEST", "REFUSES A NEWER GUEST SINCE", NULL };
    g_autoptr(CtlTable) table = ctl_table_new(ctl, heads);

    for (guint i = 0; i < baseline->fleet->hosts->len; i++) {
        const CtlFleetHost *host = baseline->fleet->hosts->pdata[i];
        CompatMode newest = newest_of_host(baseline, host);
        g_autofree char *cpu = FACT_KNOWN(&host->assumed, HOST_PVR) ? pvr_to_text(host->assumed.pvr) : g_strdup("unknown");
        g_autofree char *why = why_not_newer(baseline, host, newest);

        ctl_table_add(table, CTL_PLAIN, host->name);
        ctl_table_add(table, CTL_PLAIN, cpu);
        ctl_table_add(table, newest == COMPAT_RAW ? CTL_BAD : newest == baseline->mode ? CTL_WARN : CTL_GOOD,
                      newest == COMPAT_RAW ? "none" : compat_mode_name(newest));
        ctl_table_add(table, CTL_PLAIN, why);
    }
    ctl_table_print(table);
}

static void add_guest(CtlTable *table, const Baseline *baseline, const CtlFleetGuest *guest, const InTheWay *way)
{
    const GuestFacts *facts = &guest->facts;

    ctl_table_add(table, CTL_PLAIN, FACT_KNOWN(facts, GUEST_NAME) ? facts->name : facts->uuid);
    ctl_table_add(table, CTL_PLAIN, ((const CtlFleetHost *)baseline->fleet->hosts->pdata[guest->host])->name);
    ctl_table_printf(table, CTL_BAD, "%s%s", compat_mode_name(way->mode), way->assumed ? "?" : "");
    ctl_table_add(table, CTL_PLAIN,
                  !FACT_KNOWN(facts, GUEST_MAX_CPU_COMPAT)          ? "-"
                  : facts->max_cpu_compat == COMPAT_RAW ? "none"
                                                        : compat_mode_name(facts->max_cpu_compat));
    ctl_table_add(table, CTL_PLAIN, way->why);
}

static void print_guests(const Ctl *ctl, const Baseline *baseline)
{
    static const char *const heads[] = { "GUEST", "HOST", "MODE", "LIMIT", "IN THE WAY SINCE", NULL };
    g_autoptr(CtlTable) table = ctl_table_new(ctl, heads);
    guint n = 0;

    for (guint i = 0; i < baseline->fleet->guests->len; i++) {
        const CtlFleetGuest *guest = &g_array_index(baseline->fleet->guests, CtlFleetGuest, i);
        InTheWay way;

        if (!is_in_the_way(baseline, guest, &way))
            continue;
        add_guest(table, baseline, guest, &way);
        n++;
    }
    if (n == 0) {
        printf("No running guest stands in the way.\n");
        return;
    }
    ctl_table_print(table);
    if (!ctl->no_legend && baseline->mode != COMPAT_RAW)
        printf("\nSet <cpu mode='host-model'><model>%s</model></cpu> in each, then shut it down and start it again.\n",
               compat_mode_name(baseline->mode));
}

static void print_text(const Ctl *ctl, const Baseline *baseline)
{
    g_autoptr(CtlPager) pager = ctl_pager_open(ctl);

    ctl_print(ctl, CTL_HEAD, "baseline");
    printf(": ");
    if (baseline->mode != COMPAT_RAW)
        ctl_print(ctl, CTL_GOOD, compat_mode_name(baseline->mode));
    else
        ctl_print(ctl, CTL_BAD, "none: these hosts have no compat mode in common");
    printf("\n\n");
    print_hosts(ctl, baseline);
    printf("\n");
    print_guests(ctl, baseline);
}

/* ---- JSON ---- */

static void add_string(JsonBuilder *builder, const char *name, const char *value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

static void build_hosts(JsonBuilder *builder, const Baseline *baseline)
{
    json_builder_begin_array(builder);
    for (guint i = 0; i < baseline->fleet->hosts->len; i++) {
        const CtlFleetHost *host = baseline->fleet->hosts->pdata[i];
        CompatMode newest = newest_of_host(baseline, host);
        g_autofree char *why = why_not_newer(baseline, host, newest);

        json_builder_begin_object(builder);
        add_string(builder, "name", host->name);
        if (newest != COMPAT_RAW)
            add_string(builder, "newest", compat_mode_name(newest));
        add_string(builder, "why_not_newer", why);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void build_guests(JsonBuilder *builder, const Baseline *baseline)
{
    json_builder_begin_array(builder);
    for (guint i = 0; i < baseline->fleet->guests->len; i++) {
        const CtlFleetGuest *guest = &g_array_index(baseline->fleet->guests, CtlFleetGuest, i);
        InTheWay way;

        if (!is_in_the_way(baseline, guest, &way))
            continue;
        json_builder_begin_object(builder);
        add_string(builder, "name", guest->facts.name);
        add_string(builder, "uuid", guest->facts.uuid);
        add_string(builder, "host", ((const CtlFleetHost *)baseline->fleet->hosts->pdata[guest->host])->name);
        add_string(builder, "mode", compat_mode_name(way.mode));
        json_builder_set_member_name(builder, "mode_assumed");
        json_builder_add_boolean_value(builder, way.assumed);
        add_string(builder, "why", way.why);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void print_json(const Baseline *baseline)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "baseline");
    if (baseline->mode != COMPAT_RAW)
        json_builder_add_string_value(builder, compat_mode_name(baseline->mode));
    else
        json_builder_add_null_value(builder);
    json_builder_set_member_name(builder, "hosts");
    build_hosts(builder, baseline);
    json_builder_set_member_name(builder, "in_the_way");
    build_guests(builder, baseline);
    json_builder_end_object(builder);
    ctl_print_json(builder);
}

int ctl_baseline(Ctl *ctl, int argc, char **argv)
{
    g_auto(GStrv) assume = NULL;
    const GOptionEntry options[] = {
        { "assume", 0, 0, G_OPTION_ARG_STRING_ARRAY, &assume, "Change a fact of all hosts, or of HOST", "[HOST:]FACT=VALUE" },
        { NULL },
    };
    g_autoptr(CtlFleet) fleet = NULL;
    g_autoptr(GError) error = NULL;
    Baseline baseline = { .policy = POLICY_DEFAULT };
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, options, &(CtlArguments){ &argc, &argv, 0, -1 }, &exit_code))
        return exit_code;
    fleet = ctl_fleet_load(ctl, assume, TRUE, &error);
    if (fleet == NULL || !ctl_fleet_keep(fleet, argv + 1, &error))
        return ctl_fail(ctl, error);
    baseline.fleet = fleet;
    baseline.mode = newest_in_common(&baseline);
    if (ctl->json)
        print_json(&baseline);
    else
        print_text(ctl, &baseline);
    ctl_fleet_print_missing(ctl, fleet);
    if (fleet->silent->len > 0)
        return CTL_EXIT_UNKNOWN;
    return baseline.mode != COMPAT_RAW ? CTL_EXIT_OK : CTL_EXIT_ERROR;
}
