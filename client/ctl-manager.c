/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-manager.h"

#include "ctl-bus.h"
#include "facts-codec.h"

static char *get_string(GVariant *properties, const char *name)
{
    const char *text = "";

    g_variant_lookup(properties, name, "&s", &text);
    return g_strdup(text);
}

CtlManager *ctl_manager_load(Ctl *ctl, GError **error)
{
    g_autoptr(GVariant) properties = ctl_bus_get_all(ctl, CTL_BUS_ROOT, CTL_BUS_MANAGER, error);
    g_autoptr(GVariant) host = NULL;
    g_autoptr(CtlManager) manager = NULL;

    if (properties == NULL)
        return NULL;
    manager = g_new0(CtlManager, 1);
    manager->version = get_string(properties, "Version");
    manager->libvirt_state = get_string(properties, "LibvirtState");
    manager->libvirt_error = get_string(properties, "LibvirtError");
    manager->hook_state = get_string(properties, "HookState");
    manager->hook_path = get_string(properties, "HookPath");
    manager->listen = get_string(properties, "Listen");
    manager->kvm_note = get_string(properties, "KvmNote");
    manager->loop_state = get_string(properties, "LoopState");
    manager->loop_suspect = get_string(properties, "LoopSuspect");
    g_variant_lookup(properties, "TimingEvents", "b", &manager->timing_events);
    g_variant_lookup(properties, "TimebaseTicks", "t", &manager->timebase_ticks);
    host_facts_init(&manager->host);
    host = g_variant_lookup_value(properties, "Host", G_VARIANT_TYPE_VARDICT);
    if (host != NULL && !host_facts_from_variant(host, &manager->host, error))
        return NULL;
    return g_steal_pointer(&manager);
}

void ctl_manager_free(CtlManager *manager)
{
    if (manager == NULL)
        return;
    g_free(manager->version);
    g_free(manager->libvirt_state);
    g_free(manager->libvirt_error);
    g_free(manager->hook_state);
    g_free(manager->hook_path);
    g_free(manager->listen);
    g_free(manager->kvm_note);
    g_free(manager->loop_state);
    g_free(manager->loop_suspect);
    g_free(manager);
}

guint64 ctl_manager_timebase_hz(const CtlManager *manager)
{
    return FACT_KNOWN(&manager->host, HOST_TIMEBASE_HZ) ? manager->host.timebase_hz : 0;
}
