/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-fleet.h"
#include "ctl-format.h"
#include "ctl-verbs.h"
#include "facts-codec.h"
#include "ppc-cpu.h"

const char ctl_guests_help[] =
    "Shows the guests that libvirt has on this host, as facts that decide on a migration. LIMIT is the newest compat mode that the guest\n"
    "may enter (max-cpu-compat), MODE the one it runs in. Guests that are no ppc64 pseries guests are named, and never judged.\n";

static void add_known(CtlTable *table, gboolean known, const char *text)
{
    ctl_table_add(table, known ? CTL_PLAIN : CTL_DIM, known ? text : "-");
}

static const char *mmu_word(unsigned mmu)
{
    return mmu == MMU_HASH ? "hash" : mmu == MMU_RADIX ? "radix" : "-";
}

static const char *arch_word(GuestArch arch)
{
    switch (arch) {
    case ARCH_PPC64:
        return "ppc64";
    case ARCH_PPC64LE:
        return "ppc64le";
    case ARCH_OTHER:
        break;
    }
    return "not pseries";
}

static void add_row(CtlTable *table, const GuestFacts *guest)
{
    add_known(table, FACT_KNOWN(guest, GUEST_NAME), guest->name);
    add_known(table, FACT_KNOWN(guest, GUEST_ACTIVE), guest->active ? "running" : "off");
    add_known(table, FACT_KNOWN(guest, GUEST_ARCH), arch_word(guest->arch));
    add_known(table, FACT_KNOWN(guest, GUEST_ACCEL), guest->accel == ACCEL_KVM ? "kvm" : "tcg");
    add_known(table, FACT_KNOWN(guest, GUEST_MACHINE_TYPE), guest->machine_type);
    add_known(table, FACT_KNOWN(guest, GUEST_CPU_MODEL), guest->cpu_model);
    add_known(table, FACT_KNOWN(guest, GUEST_MAX_CPU_COMPAT),
              guest->max_cpu_compat == COMPAT_RAW ? "none" : compat_mode_name(guest->max_cpu_compat));
    add_known(table, FACT_KNOWN(guest, GUEST_EFFECTIVE_MODE), compat_mode_name(guest->effective_mode));
    add_known(table, FACT_KNOWN(guest, GUEST_MMU), mmu_word(guest->mmu));
    if (FACT_KNOWN(guest, GUEST_TB_OFFSET_TICKS))
        ctl_table_printf(table, CTL_PLAIN, "%" G_GINT64_FORMAT, guest->tb_offset_ticks);
    else
        ctl_table_add(table, CTL_DIM, "-");
    add_known(table, FACT_KNOWN(guest, GUEST_UUID), guest->uuid);
}

static void print_guests(const Ctl *ctl, const GArray *guests)
{
    static const char *const heads[] = { "GUEST", "STATE", "ARCH", "ACCEL", "MACHINE", "CPU", "LIMIT", "MODE", "MMU",
                                         ">TB OFFSET (ticks)", "UUID", NULL };
    g_autoptr(CtlTable) table = ctl_table_new(ctl, heads);
    g_autoptr(CtlPager) pager = ctl_pager_open(ctl);

    for (guint i = 0; i < guests->len; i++)
        add_row(table, &g_array_index(guests, GuestFacts, i));
    ctl_table_print(table);
}

static void print_guests_json(const GArray *guests)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_array(builder);
    for (guint i = 0; i < guests->len; i++) {
        json_builder_begin_object(builder);
        guest_facts_build_json(&g_array_index(guests, GuestFacts, i), builder);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    ctl_print_json(builder);
}

int ctl_guests(Ctl *ctl, int argc, char **argv)
{
    g_autoptr(GArray) guests = NULL;
    g_autoptr(GError) error = NULL;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 0, 0 }, &exit_code))
        return exit_code;
    guests = ctl_guests_load(ctl, &error);
    if (guests == NULL)
        return ctl_fail(ctl, error);
    if (ctl->json)
        print_guests_json(guests);
    else if (guests->len == 0)
        printf("libvirt has no guests on this host.\n");
    else
        print_guests(ctl, guests);
    return CTL_EXIT_OK;
}
