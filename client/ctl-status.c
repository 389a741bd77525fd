/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-format.h"
#include "ctl-manager.h"
#include "ctl-peer.h"
#include "ctl-record.h"
#include "ctl-verbs.h"
#include "facts-codec.h"
#include "ppc-cpu.h"
#include "units-text.h"

#define RECORDS_SHOWN 5
#define NAME_WIDTH    8 /* of "timebase" */

const char ctl_status_help[] =
    "Shows this host as tbsyncd sees it: CPU and timebase, KVM, libvirt, whether libvirt calls the hook, each peer with the bounds of\n"
    "its timebase and time of day minus those of this host, and the last migrations that came here.\n";

typedef struct Status {
    CtlManager *manager;
    GPtrArray *peers;
    GPtrArray *records;
} Status;

static void status_clear(Status *status)
{
    g_clear_pointer(&status->manager, ctl_manager_free);
    g_clear_pointer(&status->peers, g_ptr_array_unref);
    g_clear_pointer(&status->records, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Status, status_clear)

static gboolean status_load(Ctl *ctl, Status *status, GError **error)
{
    status->manager = ctl_manager_load(ctl, error);
    if (status->manager == NULL)
        return FALSE;
    status->peers = ctl_peers_load(ctl, error);
    if (status->peers == NULL)
        return FALSE;
    status->records = ctl_records_load(ctl, RECORDS_SHOWN, error);
    return status->records != NULL;
}

/* ---- text ---- */

G_GNUC_PRINTF(3, 4)
static void print_field(const Ctl *ctl, const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    ctl_print_field(ctl, NAME_WIDTH, name, text);
}

static void print_cpu(const Ctl *ctl, const HostFacts *host)
{
    g_autofree char *cpu = FACT_KNOWN(host, HOST_PVR) ? pvr_to_text(host->pvr) : g_strdup("unknown");
    g_autofree char *level = FACT_KNOWN(host, HOST_COMPAT_LEVEL)
                                 ? g_strdup_printf(", runs as %s", compat_mode_name(host->compat_level))
                                 : g_strdup("");

    print_field(ctl, "CPU", "%s%s%s", cpu, level, FACT_KNOWN(host, HOST_NESTED) && host->nested ? ", itself a guest" : "");
}

static void print_timebase(const Ctl *ctl, const CtlManager *manager)
{
    guint64 hz = ctl_manager_timebase_hz(manager);
    g_autofree char *frequency = hz != 0 ? hz_to_text((gint64)hz) : g_strdup("frequency unknown");
    const HostFacts *host = &manager->host;

    print_field(ctl, "timebase", "%s (%" G_GUINT64_FORMAT " Hz), now %" G_GUINT64_FORMAT " ticks%s", frequency, hz,
                manager->timebase_ticks,
                FACT_KNOWN(host, HOST_SIMULATED) && host->simulated
                    ? "; SIMULATED: this host's facts or its timebase are made up"
                    : "");
}

static const char *kvm_word(const HostFacts *host)
{
    if (!FACT_KNOWN(host, HOST_KVM))
        return "unknown";
    switch (host->kvm) {
    case KVM_HV:
        return "hv";
    case KVM_PR:
        return "pr";
    case KVM_NONE:
        break;
    }
    return "none";
}

static void print_host(const Ctl *ctl, const CtlManager *manager)
{
    const HostFacts *host = &manager->host;

    ctl_print(ctl, CTL_HEAD, FACT_KNOWN(host, HOST_NAME) ? host->name : "this host");
    printf(" (tbsyncd %s)\n", manager->version);
    print_cpu(ctl, host);
    print_timebase(ctl, manager);
    print_field(ctl, "kernel", "%s", FACT_KNOWN(host, HOST_KERNEL) ? host->kernel : "unknown");
    print_field(ctl, "KVM", "%s%s%s", kvm_word(host), *manager->kvm_note != '\0' ? ": " : "", manager->kvm_note);
    if (g_str_equal(manager->loop_state, "open"))
        print_field(ctl, "loop", "the relations among the hosts contradict each other; suspect: %s", manager->loop_suspect);
    if (FACT_KNOWN(host, HOST_QEMU_VERSION))
        print_field(ctl, "QEMU", "%u.%u.%u, %u machine types", host->qemu_version >> 16, host->qemu_version >> 8 & 0xff,
                    host->qemu_version & 0xff, host->n_machine_types);
    else
        print_field(ctl, "QEMU", "unknown");
}

/* What to type next, for each state of the hook that is not "active". */
static char *hook_advice(const CtlManager *manager)
{
    const char *state = manager->hook_state;

    if (g_str_equal(state, "missing"))
        return g_strdup("; migrations are not checked: install the package again, then: systemctl reload libvirtd");
    if (g_str_equal(state, "not-executable"))
        return g_strdup_printf("; migrations are not checked: chmod 755 %s, then: systemctl reload libvirtd",
                               manager->hook_path);
    if (g_str_equal(state, "unused"))
        return g_strdup("; libvirtd was started before it was installed: systemctl reload libvirtd");
    return g_strdup("");
}

static void print_parts(const Ctl *ctl, const CtlManager *manager)
{
    g_autofree char *advice = hook_advice(manager);

    print_field(ctl, "libvirt", "%s%s%s%s", manager->libvirt_state, *manager->libvirt_error != '\0' ? ": " : "",
                manager->libvirt_error, manager->timing_events ? ", with timing events" : "");
    print_field(ctl, "hook", "%s (%s)%s", manager->hook_state, manager->hook_path, advice);
    print_field(ctl, "listen", "%s", *manager->listen != '\0' ? manager->listen : "not listening");
}

static void print_peers(const Ctl *ctl, const Status *status)
{
    guint linked = 0;

    for (guint i = 0; i < status->peers->len; i++)
        linked += ctl_peer_is_linked(status->peers->pdata[i]);
    print_field(ctl, "peers", "%u, %u linked", status->peers->len, linked);
    if (status->peers->len == 0)
        return;
    printf("\n");
    ctl_peers_print(ctl, status->peers, ctl_manager_timebase_hz(status->manager), FALSE);
}

static void print_status(const Ctl *ctl, const Status *status)
{
    print_host(ctl, status->manager);
    print_parts(ctl, status->manager);
    print_peers(ctl, status);
    printf("\n");
    if (status->records->len > 0)
        ctl_records_print(ctl, status->records);
    else
        printf("No migration came here yet.\n");
}

/* ---- JSON ---- */

static void add_string(JsonBuilder *builder, const char *name, const char *value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

static void build_libvirt(const CtlManager *manager, JsonBuilder *builder)
{
    json_builder_set_member_name(builder, "libvirt");
    json_builder_begin_object(builder);
    add_string(builder, "state", manager->libvirt_state);
    add_string(builder, "error", manager->libvirt_error);
    json_builder_set_member_name(builder, "timing_events");
    json_builder_add_boolean_value(builder, manager->timing_events);
    json_builder_end_object(builder);
}

static void build_manager(const CtlManager *manager, JsonBuilder *builder)
{
    g_autofree char *ticks = g_strdup_printf("%" G_GUINT64_FORMAT, manager->timebase_ticks);

    add_string(builder, "name", FACT_KNOWN(&manager->host, HOST_NAME) ? manager->host.name : "");
    add_string(builder, "version", manager->version);
    json_builder_set_member_name(builder, "simulated");
    json_builder_add_boolean_value(builder, manager->host.simulated);
    json_builder_set_member_name(builder, "host");
    json_builder_begin_object(builder);
    host_facts_build_json(&manager->host, builder);
    json_builder_end_object(builder);
    add_string(builder, "timebase_ticks", ticks); /* 64 bits unsigned: more than JSON's numbers hold */
    build_libvirt(manager, builder);
    json_builder_set_member_name(builder, "hook");
    json_builder_begin_object(builder);
    add_string(builder, "state", manager->hook_state);
    add_string(builder, "path", manager->hook_path);
    json_builder_end_object(builder);
    add_string(builder, "listen", manager->listen);
    add_string(builder, "kvm_note", manager->kvm_note);
    add_string(builder, "loop_state", manager->loop_state);
    add_string(builder, "loop_suspect", manager->loop_suspect);
}

static void print_status_json(const Status *status)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    build_manager(status->manager, builder);
    json_builder_set_member_name(builder, "peers");
    json_builder_begin_array(builder);
    ctl_peers_build_json(status->peers, ctl_manager_timebase_hz(status->manager), builder);
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "migrations");
    json_builder_begin_array(builder);
    for (guint i = 0; i < status->records->len; i++)
        json_builder_add_value(builder, json_node_ref(status->records->pdata[i]));
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    ctl_print_json(builder);
}

int ctl_status(Ctl *ctl, int argc, char **argv)
{
    g_auto(Status) status = { NULL };
    g_autoptr(GError) error = NULL;
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 0, 0 }, &exit_code))
        return exit_code;
    if (!status_load(ctl, &status, &error))
        return ctl_fail(ctl, error);
    if (ctl->json)
        print_status_json(&status);
    else
        print_status(ctl, &status);
    return CTL_EXIT_OK;
}
