/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "own-host.h"

#include <string.h>

#include "facts-codec.h"
#include "host-probe.h"
#include "kvm-probe.h"

struct OwnHost {
    char *root;
    char **assignments; /* of [Host] */
    char *kvm_note;     /* (nullable) */
    HostFacts facts;
    HostFacts told; /* at the last own_host_has_changed() */
    gint64 read_boot_ns; /* what changes by itself; G_MININT64: at the start */
};

/* What the configuration says of this host stands above what is probed. */
static gboolean assign(OwnHost *self, GError **error)
{
    for (char **s = self->assignments; s && *s; s++)
        if (!host_facts_assign(&self->facts, *s, error))
            return FALSE;
    return TRUE;
}

static gboolean probe(OwnHost *self, GError **error)
{
    if (!host_probe(self->root, &self->facts, error))
        return FALSE;
    if (*self->root == '\0')
        kvm_probe("/dev/kvm", &self->facts, &self->kvm_note);
    return assign(self, error);
}

OwnHost *own_host_new(const Config *config, GError **error)
{
    g_autoptr(OwnHost) self = g_new0(OwnHost, 1);
    gboolean assigned = config->host_assignments && config->host_assignments[0];

    self->root = g_strdup(config->root);
    self->assignments = g_strdupv(config->host_assignments);
    self->read_boot_ns = G_MININT64;
    if (!probe(self, error))
        return NULL;
    if (assigned)
        g_clear_pointer(&self->kvm_note, g_free); /* it is about the machine, not about what it plays */
    own_host_set_name(self, config->name);
    self->facts.simulated = config->tb_simulated || *config->root != '\0' || assigned;
    FACT_SET(&self->facts, HOST_SIMULATED);
    self->told = self->facts;
    return g_steal_pointer(&self);
}

void own_host_free(OwnHost *self)
{
    if (!self)
        return;
    g_free(self->root);
    g_strfreev(self->assignments);
    g_free(self->kvm_note);
    g_free(self);
}

const char *own_host_kvm_note(const OwnHost *self)
{
    return self->kvm_note;
}

const HostFacts *own_host_facts(OwnHost *self, gint64 now_boot_ns)
{
    if (self->read_boot_ns != G_MININT64 && now_boot_ns - self->read_boot_ns < OWN_HOST_REFRESH_NS)
        return &self->facts;
    self->read_boot_ns = now_boot_ns;
    if (host_probe_refresh(self->root, &self->facts))
        assign(self, NULL);
    return &self->facts;
}

void own_host_set_name(OwnHost *self, const char *name)
{
    g_strlcpy(self->facts.name, name, sizeof self->facts.name);
    FACT_SET(&self->facts, HOST_NAME);
}

void own_host_set_timebase_hz(OwnHost *self, guint64 timebase_hz)
{
    self->facts.timebase_hz = self->told.timebase_hz = timebase_hz;
    FACT_SET(&self->facts, HOST_TIMEBASE_HZ);
    FACT_SET(&self->told, HOST_TIMEBASE_HZ);
}

void own_host_take_guests(OwnHost *self, const Guests *guests)
{
    guests_fill_host_facts(guests, &self->facts);
    assign(self, NULL);
}

gboolean own_host_has_changed(OwnHost *self, gint64 now_boot_ns)
{
    const HostFacts *now = own_host_facts(self, now_boot_ns);
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): a difference in padding costs one announcement */
    gboolean changed = memcmp(now, &self->told, sizeof *now) != 0;

    self->told = *now;
    return changed;
}
