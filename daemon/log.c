/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <stdio.h>
#include <string.h>

struct Log {
    gint level; /* atomic, as the target: call-backs of libvirt log from threads of their own */
    gint target;
    gboolean is_journal; /* stderr */
    char *debug_domains; /* G_MESSAGES_DEBUG; may be NULL */
};

static const char *const levels[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };
static const char *const targets[] = {
    [LOG_TARGET_AUTO] = "auto", [LOG_TARGET_CONSOLE] = "console", [LOG_TARGET_JOURNAL] = "journal"
};

enum { LEVEL_CRIT = 2, LEVEL_ERR, LEVEL_WARNING, LEVEL_NOTICE, LEVEL_INFO, LEVEL_DEBUG };

static gboolean names_domain(const char *list, const char *domain)
{
    g_auto(GStrv) words = g_strsplit(list, " ", -1);

    return g_strv_contains((const char *const *)words, domain) || g_strv_contains((const char *const *)words, "all");
}

Log *log_new(void)
{
    Log *log = g_new0(Log, 1);

    log->debug_domains = g_strdup(g_getenv("G_MESSAGES_DEBUG"));
    log->level = log->debug_domains && names_domain(log->debug_domains, G_LOG_DOMAIN) ? LEVEL_DEBUG : LEVEL_INFO;
    log->is_journal = g_log_writer_is_journald(2);
    return log;
}

void log_free(Log *log)
{
    if (!log)
        return;
    g_free(log->debug_domains);
    g_free(log);
}

/* As g_log_writer_journald() numbers them, but for CRITICAL, which is a bug of ours: that is an error. */
static int level_of(GLogLevelFlags flags)
{
    if (flags & G_LOG_LEVEL_ERROR)
        return LEVEL_CRIT;
    if (flags & G_LOG_LEVEL_CRITICAL)
        return LEVEL_ERR;
    if (flags & G_LOG_LEVEL_WARNING)
        return LEVEL_WARNING;
    if (flags & G_LOG_LEVEL_MESSAGE)
        return LEVEL_NOTICE;
    return flags & G_LOG_LEVEL_INFO ? LEVEL_INFO : LEVEL_DEBUG;
}

gboolean log_wants(const Log *log, GLogLevelFlags level, const char *domain)
{
    int severity = level_of(level);

    if (severity > g_atomic_int_get(&log->level))
        return FALSE;
    if (severity < LEVEL_INFO || domain == NULL || strcmp(domain, G_LOG_DOMAIN) == 0)
        return TRUE;
    return log->debug_domains != NULL && names_domain(log->debug_domains, domain);
}

static const char *domain_of(const GLogField *fields, gsize n_fields)
{
    for (gsize i = 0; i < n_fields; i++)
        if (strcmp(fields[i].key, "GLIB_DOMAIN") == 0)
            return fields[i].value;
    return NULL;
}

static GLogWriterOutput on_line(GLogLevelFlags level, const GLogField *fields, gsize n_fields, void *data)
{
    const Log *log = data;
    LogTarget target = (LogTarget)g_atomic_int_get(&log->target);

    if (!log_wants(log, level, domain_of(fields, n_fields)))
        return G_LOG_WRITER_HANDLED;
    if ((target == LOG_TARGET_JOURNAL || (target == LOG_TARGET_AUTO && log->is_journal)) &&
        g_log_writer_journald(level, fields, n_fields, NULL) == G_LOG_WRITER_HANDLED)
        return G_LOG_WRITER_HANDLED;
    /* all of them: GLib's own writer puts the less severe ones on stdout */
    g_autofree char *text = g_log_writer_format_fields(level, fields, n_fields, FALSE);
    fprintf(stderr, "%s\n", text);
    return G_LOG_WRITER_HANDLED;
}

void log_install(Log *log)
{
    g_log_set_writer_func(on_line, log, NULL);
}

static gboolean set_word(gint *member, const char *const *words, guint n_words, const char *name)
{
    for (guint i = 0; i < n_words; i++) {
        if (strcmp(words[i], name) == 0) {
            g_atomic_int_set(member, (gint)i);
            return TRUE;
        }
    }
    return FALSE;
}

const char *log_level(const Log *log)
{
    return levels[g_atomic_int_get(&log->level)];
}

gboolean log_set_level(Log *log, const char *name)
{
    return set_word(&log->level, levels, G_N_ELEMENTS(levels), name);
}

const char *log_target(const Log *log)
{
    return targets[g_atomic_int_get(&log->target)];
}

gboolean log_set_target(Log *log, const char *name)
{
    return set_word(&log->target, targets, G_N_ELEMENTS(targets), name);
}
