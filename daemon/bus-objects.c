/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects that are named by something the daemon has: their paths, which ones there are, and their coming and going. */
#include "bus-private.h"

#include <errno.h>
#include <stdlib.h>

struct BusObjects {
    const BusKind *kind;
    void *owner;
    sd_bus *bus; /* (nullable) */
};

BusObjects *bus_objects_new(const BusKind *kind, void *owner)
{
    BusObjects *self = g_new0(BusObjects, 1);

    self->kind = kind;
    self->owner = owner;
    return self;
}

void bus_objects_free(BusObjects *self)
{
    g_free(self);
}

/* ---- what sd-bus asks ---- */

static int on_find(sd_bus *bus, const char *path, const char *interface, void *data, void **ret_found, sd_bus_error *e)
{
    const BusObjects *self = data;
    void *found = NULL;
    char *name = NULL;
    int r = sd_bus_path_decode(path, self->kind->prefix, &name);

    if (r > 0)
        found = self->kind->find(self->owner, name);
    free(name);
    if (found)
        *ret_found = found;
    return found ? 1 : MIN(r, 0);
}

static int on_enumerate(sd_bus *bus, const char *prefix, void *data, char ***ret_nodes, sd_bus_error *e)
{
    const BusObjects *self = data;
    guint n = self->kind->count(self->owner);
    char **nodes = calloc(n + 1, sizeof *nodes); /* freed by sd-bus */
    int r = nodes ? 0 : -ENOMEM;

    for (guint i = 0; r >= 0 && i < n; i++)
        r = sd_bus_path_encode(self->kind->prefix, self->kind->name(self->owner, i), &nodes[i]);
    if (r < 0) {
        for (guint i = 0; nodes && i < n; i++)
            free(nodes[i]);
        free(nodes);
        return r;
    }
    *ret_nodes = nodes;
    return 1;
}

int bus_objects_add(BusObjects *self, sd_bus *bus)
{
    const BusKind *kind = self->kind;
    int r = sd_bus_add_fallback_vtable(bus, NULL, kind->prefix, kind->interface, kind->vtable, on_find, self);

    if (r >= 0)
        r = sd_bus_add_node_enumerator(bus, NULL, kind->prefix, on_enumerate, self);
    if (r >= 0)
        self->bus = bus;
    return r;
}

void bus_objects_leave(BusObjects *self)
{
    self->bus = NULL;
}

/* ---- signals ---- */

/* NULL: there is nobody to tell, or no memory. To be freed with free(). */
static char *path_of(const BusObjects *self, const char *name)
{
    char *path = NULL;

    return self->bus && sd_bus_path_encode(self->kind->prefix, name, &path) >= 0 ? path : NULL;
}

void bus_objects_added(BusObjects *self, const char *name)
{
    char *path = path_of(self, name);

    if (path)
        sd_bus_emit_object_added(self->bus, path);
    free(path);
}

void bus_objects_removed(BusObjects *self, const char *name)
{
    char *path = path_of(self, name);

    if (path)
        sd_bus_emit_interfaces_removed(self->bus, path, self->kind->interface, NULL);
    free(path);
}

void bus_objects_changed(BusObjects *self, const char *name, const char *const *properties)
{
    char *path = *properties ? path_of(self, name) : NULL;

    if (path)
        sd_bus_emit_properties_changed_strv(self->bus, path, self->kind->interface, (char **)properties);
    free(path);
}
