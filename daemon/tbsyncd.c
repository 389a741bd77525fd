/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The process: options, signals, readiness, watchdog, exit code. Nothing else. */

#include <errno.h>
#include <glib-unix.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "config.h"
#include "error.h"
#include "log.h"
#include "manager.h"
#include "tbsyncd-config.h"

#define STATUS_INTERVAL_S 5

typedef struct Process {
    GMainLoop *loop;
    Manager *manager;
    char *last_status;
    int exit_code;
} Process;

static gboolean on_terminate(void *data)
{
    Process *process = data;

    sd_notify(0, "STOPPING=1");
    g_main_loop_quit(process->loop);
    return G_SOURCE_CONTINUE;
}

static gboolean on_hangup(void *data)
{
    Process *process = data;
    g_autoptr(GError) error = NULL;

    sd_notify(0, "RELOADING=1");
    if (!manager_reload(process->manager, &error))
        g_warning("not reloaded, the running configuration stays: %s", error->message);
    sd_notify(0, "READY=1");
    return G_SOURCE_CONTINUE;
}

static gboolean on_status(void *data)
{
    Process *process = data;
    g_autofree char *text = manager_status_text(process->manager);

    if (g_strcmp0(text, process->last_status) != 0) {
        sd_notifyf(0, "STATUS=%s", text);
        g_free(process->last_status);
        process->last_status = g_steal_pointer(&text);
    }
    return G_SOURCE_CONTINUE;
}

/* The ping comes from the main loop: a loop that hangs is restarted. */
static gboolean on_watchdog(void *data)
{
    sd_notify(0, "WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

static void on_ready(void *data)
{
    Process *process = data;

    sd_notify(0, "READY=1");
    g_message("ready");
    if (process->manager)
        on_status(process);
}

static void on_failed(const char *why, void *data)
{
    Process *process = data;

    g_printerr("tbsyncd: %s\n", why);
    process->exit_code = EXIT_FAILURE;
    g_main_loop_quit(process->loop);
}

static int listen_fd(void)
{
    int n = sd_listen_fds(1);

    if (n > 1)
        g_warning("%d sockets were passed in, only the first is used", n);
    return n >= 1 ? SD_LISTEN_FDS_START : -1;
}

static int run(const char *config_file, Log *log)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;
    Process process = { .loop = loop, .exit_code = EXIT_SUCCESS };
    ManagerParams params = {
        .config_file = config_file,
        .listen_fd = listen_fd(),
        .log = log,
        .ready = on_ready,
        .failed = on_failed,
        .data = &process,
    };
    guint64 watchdog_us = 0;

    process.manager = manager_new(&params, &error);
    if (!process.manager) {
        g_printerr("tbsyncd: %s\n", error->message);
        /* the unit does not start it again for what trying again cannot mend */
        return g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID) ? EX_CONFIG
                                                                          : EXIT_FAILURE;
    }
    g_unix_signal_add(SIGTERM, on_terminate, &process);
    g_unix_signal_add(SIGINT, on_terminate, &process);
    g_unix_signal_add(SIGHUP, on_hangup, &process);
    g_timeout_add_seconds(STATUS_INTERVAL_S, on_status, &process);
    if (sd_watchdog_enabled(1, &watchdog_us) > 0)
        g_timeout_add((guint)MAX(watchdog_us / 2000, 1), on_watchdog, NULL);
    g_main_loop_run(loop);
    manager_free(process.manager);
    g_free(process.last_status);
    return process.exit_code;
}

static int check_config(const char *config_file)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_load(config_file, &error);

    if (config)
        return EXIT_SUCCESS;
    g_printerr("tbsyncd: %s\n", error->message);
    return EX_CONFIG;
}

int main(int argc, char **argv)
{
    g_autofree char *config_file = NULL;
    Log *log = log_new(); /* until the process is gone */
    gboolean check = FALSE, version = FALSE;
    const GOptionEntry entries[] = {
        { "config", 'c', 0, G_OPTION_ARG_FILENAME, &config_file, "Configuration file", "FILE" },
        { "check-config", 0, 0, G_OPTION_ARG_NONE, &check, "Check the configuration and exit",
          NULL },
        { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and exit", NULL },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("- timebase and compatibility of migrating guests");
    g_autoptr(GError) error = NULL;

    log_install(log);
    setlocale(LC_ALL, "");
    signal(SIGPIPE, SIG_IGN);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        g_autofree char *extra = error ? NULL : g_strdup_printf("\"%s\" is one argument too many", argv[1]);

        g_printerr("tbsyncd: %s; try tbsyncd --help\n", error ? error->message : extra);
        return EX_USAGE;
    }
    if (version) {
        printf("tbsyncd %s\n", TBSYNCD_VERSION);
        return EXIT_SUCCESS;
    }
    /* the default file may be missing, one that was asked for may not */
    if (config_file && access(config_file, F_OK) < 0) {
        g_printerr("tbsyncd: %s: %s\n", config_file, g_strerror(errno));
        return EX_CONFIG;
    }
    if (!config_file)
        config_file = g_strdup(TBSYNCD_CONFIG_FILE);
    return check ? check_config(config_file) : run(config_file, log);
}
