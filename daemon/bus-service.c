/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-service.h"

#include "bus-private.h"
#include "error.h"
#include "log-control.h"
#include "sd-source.h"

#define BUS_NAME "org.tbsyncd1"

#define REOPEN_MS 1000

struct BusService {
    BusServiceParams params;
    sd_bus *bus;
    GSource *source;
    guint reopen_source;
    BusPeers *peers;
    BusMigrations *migrations;
};

static gboolean open_bus(BusService *service, GError **error);

static gboolean on_reopen(void *data)
{
    BusService *service = data;
    g_autoptr(GError) error = NULL;

    if (!open_bus(service, &error)) {
        g_debug("%s", error->message);
        return G_SOURCE_CONTINUE;
    }
    service->reopen_source = 0;
    return G_SOURCE_REMOVE;
}

static void close_bus(BusService *service)
{
    bus_peers_leave(service->peers);
    bus_migrations_leave(service->migrations);
    g_clear_pointer(&service->source, sd_source_remove);
    g_clear_pointer(&service->bus, sd_bus_close_unref);
}

static void on_bus_closed(int error, void *data)
{
    BusService *service = data;

    close_bus(service);
    service->params.owned(FALSE, g_strerror(error), service->params.data);
    if (!service->reopen_source)
        service->reopen_source = g_timeout_add(REOPEN_MS, on_reopen, service);
}

static int on_name(sd_bus_message *reply, void *data, sd_bus_error *e)
{
    BusService *service = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    guint32 result = 0;

    if (error) {
        service->params.owned(FALSE, error->message, service->params.data);
        return 0;
    }
    sd_bus_message_read(reply, "u", &result);
    /* 1: primary owner, 4: already owner (D-Bus specification, RequestName) */
    if (result == 1 || result == 4)
        service->params.owned(TRUE, NULL, service->params.data);
    else
        service->params.owned(FALSE, "another process owns it", service->params.data);
    return 0;
}

static int add_objects(BusService *service)
{
    sd_bus *bus = service->bus;
    int r = bus_manager_add(bus, &service->params);

    if (r >= 0)
        r = bus_peers_add(service->peers, bus);
    if (r >= 0)
        r = bus_migrations_add(service->migrations, bus);
    if (r >= 0)
        r = sd_bus_add_object_manager(bus, NULL, BUS_ROOT);
    if (r >= 0 && service->params.log)
        r = log_control_add(bus, service->params.log);
    if (r >= 0)
        r = sd_bus_request_name_async(bus, NULL, BUS_NAME, 0, on_name, service);
    return r;
}

static gboolean open_bus(BusService *service, GError **error)
{
    int r = sd_bus_open_system_with_description(&service->bus, "system-bus");

    if (r >= 0)
        r = add_objects(service);
    if (r < 0) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "cannot open the system bus: %s",
                    g_strerror(-r));
        close_bus(service);
        return FALSE;
    }
    service->source = sd_source_attach(service->bus, NULL, on_bus_closed, service);
    return TRUE;
}

BusService *bus_service_new(const BusServiceParams *params, GError **error)
{
    g_autoptr(BusService) service = g_new0(BusService, 1);

    service->params = *params;
    service->peers = bus_peers_new(params->peers);
    service->migrations = bus_migrations_new(params->ledger);
    if (!open_bus(service, error))
        return NULL;
    return g_steal_pointer(&service);
}

void bus_service_free(BusService *service)
{
    if (!service)
        return;
    g_clear_handle_id(&service->reopen_source, g_source_remove);
    if (service->bus)
        sd_bus_flush(service->bus); /* replies that are ready still go out */
    close_bus(service);
    bus_migrations_free(service->migrations);
    bus_peers_free(service->peers);
    g_free(service);
}

void bus_service_peers_changed(BusService *service)
{
    if (service)
        bus_peers_changed(service->peers);
}

void bus_service_peer_changed(BusService *service, Peer *peer)
{
    if (service)
        bus_peer_changed(service->peers, peer);
}

void bus_service_peer_sampled(BusService *service, Peer *peer)
{
    if (service)
        bus_peer_sampled(service->peers, peer);
}

void bus_service_manager_changed(BusService *service)
{
    if (service && service->bus)
        bus_manager_changed(service->bus);
}

void bus_service_hook_changed(BusService *service)
{
    if (service && service->bus)
        bus_manager_hook_changed(service->bus);
}
