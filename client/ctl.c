/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"

#include <stdio.h>
#include <string.h>

#include "error.h"

/* ---- failures ---- */

static const char *verb_name(const Ctl *ctl)
{
    return ctl->verb != NULL ? ctl->verb->name : NULL;
}

static void say(const Ctl *ctl, const char *message)
{
    if (verb_name(ctl) != NULL)
        fprintf(stderr, "tbsyncctl %s: %s\n", verb_name(ctl), message);
    else
        fprintf(stderr, "tbsyncctl: %s\n", message);
}

int ctl_fail(const Ctl *ctl, const GError *error)
{
    say(ctl, error->message);
    if (g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_GUEST) ||
        g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_PEER) ||
        g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_MIGRATION) ||
        g_error_matches(error, TBSYNC_ERROR, TBSYNC_ERROR_UNREACHABLE))
        return CTL_EXIT_UNKNOWN;
    return CTL_EXIT_ERROR;
}

int ctl_fail_usage(const Ctl *ctl, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *problem = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *message = g_strdup_printf("%s. See tbsyncctl %s%s--help", problem,
                                               verb_name(ctl) != NULL ? verb_name(ctl) : "",
                                               verb_name(ctl) != NULL ? " " : "");
    say(ctl, message);
    return CTL_EXIT_USAGE;
}

/* ---- options ---- */

static gboolean set_color(const char *option, const char *value, gpointer data, GError **error)
{
    static const char *const words[] = { "auto", "always", "never" };
    Ctl *ctl = data;

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(words[i], value) == 0) {
            ctl->color = (CtlColor)i;
            return TRUE;
        }
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--color: \"%s\" is not auto, always or never", value);
    return FALSE;
}

static void print_help(const Ctl *ctl, GOptionContext *context)
{
    /* GLib writes a usage of its own before the first empty line */
    g_autofree char *options = g_option_context_get_help(context, TRUE, NULL);
    char *list = strstr(options, "\n\n");

    printf("tbsyncctl %s%s%s%s\n\n%s.\n%s%s", ctl->verb->name, ctl->verb->no_options ? "" : " [OPTION...]",
           *ctl->verb->synopsis != '\0' ? " " : "", ctl->verb->synopsis, ctl->verb->summary,
           *ctl->verb->help != '\0' ? "\n" : "", ctl->verb->help);
    if (!ctl->verb->no_options)
        printf("%s", list != NULL ? list + 1 : "\n");
}

static gboolean check_count(const Ctl *ctl, const CtlArguments *arguments, int *ret_exit)
{
    int n = *arguments->argc - 1;

    if (n < arguments->min)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a verb runs, so there is one */
        *ret_exit = ctl_fail_usage(ctl, "an argument is missing, %s", ctl->verb->synopsis);
    else if (arguments->max >= 0 && n > arguments->max)
        *ret_exit = ctl_fail_usage(ctl, "\"%s\" is one argument too many", (*arguments->argv)[arguments->max + 1]);
    else
        return TRUE;
    return FALSE;
}

static GOptionContext *new_context(Ctl *ctl, const GOptionEntry *entries, gboolean *help)
{
    const GOptionEntry common[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &ctl->json, "Print JSON for machines", NULL },
        { "no-legend", 0, 0, G_OPTION_ARG_NONE, &ctl->no_legend, "Print tables without head and foot", NULL },
        { "no-pager", 0, 0, G_OPTION_ARG_NONE, &ctl->no_pager, "Do not pipe long output into a pager", NULL },
        { "color", 0, 0, G_OPTION_ARG_CALLBACK, set_color, "Color: auto, always or never", "WHEN" },
        { "help", 'h', 0, G_OPTION_ARG_NONE, help, "Show this help", NULL },
        { NULL },
    };
    GOptionContext *context = g_option_context_new(NULL);
    GOptionGroup *group = g_option_group_new("main", NULL, NULL, ctl, NULL);

    g_option_context_set_help_enabled(context, FALSE);
    if (entries != NULL)
        g_option_group_add_entries(group, entries);
    g_option_group_add_entries(group, common);
    g_option_context_set_main_group(context, group);
    return context;
}

gboolean ctl_options(Ctl *ctl, const GOptionEntry *entries, const CtlArguments *arguments, int *ret_exit)
{
    gboolean help = FALSE;
    g_autoptr(GOptionContext) context = new_context(ctl, entries, &help);
    g_autoptr(GError) error = NULL;

    if (!g_option_context_parse(context, arguments->argc, arguments->argv, &error)) {
        *ret_exit = ctl_fail_usage(ctl, "%s", error->message);
        return FALSE;
    }
    if (help && ctl->verb != NULL) {
        print_help(ctl, context);
        *ret_exit = CTL_EXIT_OK;
        return FALSE;
    }
    /* GLib keeps a "--" that stands before the first argument */
    if (*arguments->argc > 1 && strcmp((*arguments->argv)[1], "--") == 0) {
        (*arguments->argv)[1] = (*arguments->argv)[0];
        (*arguments->argv)++;
        (*arguments->argc)--;
    }
    return check_count(ctl, arguments, ret_exit);
}
