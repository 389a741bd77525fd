/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tbsyncctl: the table of verbs, and nothing that a verb could do itself. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "ctl-bus.h"
#include "ctl-format.h"
#include "ctl-verbs.h"
#include "ctl.h"
#include "tbsyncd-config.h"

static int run_help(Ctl *ctl, int argc, char **argv);

/* In the order of `tbsyncctl --help`. */
static const CtlVerb verbs[] = {
    { "status", "", "Show this host, its peers and the last migrations", ctl_status_help, ctl_status },
    { "peers", "[PEER]", "Show links and clock relations", ctl_peers_help, ctl_peers },
    { "guests", "", "Show the guests of this host", ctl_guests_help, ctl_guests },
    { "check", "GUEST HOST", "Tell whether a guest may migrate there", ctl_check_help, ctl_check },
    { "rank", "GUEST", "Show the peers a guest may go to, best for its timebase first", ctl_rank_help, ctl_rank },
    { "matrix", "", "Show which guest may migrate where", ctl_matrix_help, ctl_matrix },
    { "baseline", "[HOST...]", "Show the newest compat mode that hosts share", ctl_baseline_help, ctl_baseline },
    { "doctor", "", "Find what is wrong, and what mends it", ctl_doctor_help, ctl_doctor },
    { "history", "", "Show the migrations that came here", ctl_history_help, ctl_history },
    { "show", "ID", "Show one migration", ctl_show_help, ctl_show },
    { "monitor", "", "Show what changes, as it happens", ctl_monitor_help, ctl_monitor },
    { "metrics", "", "Print metrics for a monitoring system", ctl_metrics_help, ctl_metrics },
    { "facts", "", "Print what is known of this host", ctl_facts_help, ctl_facts },
    { "judge", "[FILE]", "Judge cases from a file, one JSON object a line", ctl_judge_help, ctl_judge },
    { "replay", "[ID|FILE]", "Compute a recorded migration, or recorded exchanges, again", ctl_replay_help, ctl_replay },
    { "explain", "[CODE]", "Explain a finding code, or list all of them", ctl_explain_help, ctl_explain },
    { "complete", "WHAT [VERB N]", "Print names for the shell", ctl_complete_help, ctl_complete, .hidden = TRUE },
    { "hook", "NAME OP SUB EXTRA", "Decide for libvirt's hook", ctl_hook_help, ctl_hook, .no_options = TRUE },
    { "help", "[VERB]", "Show this help, or that of a verb", "", run_help },
    { NULL },
};

static void print_overview(void)
{
    printf("tbsyncctl [OPTION...] VERB [ARGUMENT...]\n\n"
           "Ask tbsyncd about live migrations of POWER guests, and judge them offline.\n\n"
           "Verbs:\n");
    for (const CtlVerb *verb = verbs; verb->name != NULL; verb++)
        if (!verb->hidden)
            printf("  %-10s %-14s %s\n", verb->name, verb->synopsis, verb->summary);
    printf("\nOptions:\n"
           "  --json              print JSON for machines\n"
           "  --no-legend         print tables without head and foot\n"
           "  --no-pager          do not pipe long output into a pager\n"
           "  --color=WHEN        auto (default; a terminal, and NO_COLOR not set), always or never\n"
           "  -h, --help          show this help; behind a verb, that of the verb\n"
           "  --version           show the version\n\n"
           "Exit codes: 0 done or allowed, 1 error, 2 usage, 3 refused, 4 unknown.\n");
}

static const CtlVerb *find_verb(const char *name)
{
    for (const CtlVerb *verb = verbs; verb->name != NULL; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}

/* The verb that was most likely meant: same beginning, or the same letters in another order. */
static const char *similar_verb(const char *name)
{
    const char *best = NULL;
    gsize best_common = 1;

    for (const CtlVerb *verb = verbs; verb->name != NULL; verb++) {
        gsize common = 0;
        while (name[common] != '\0' && name[common] == verb->name[common])
            common++;
        if (common > best_common) {
            best = verb->name;
            best_common = common;
        }
    }
    return best;
}

static int fail_verb(const char *name)
{
    const char *similar = similar_verb(name);
    g_autofree char *shown = g_strescape(name, NULL);

    if (similar != NULL)
        fprintf(stderr, "tbsyncctl: there is no verb \"%s\", did you mean \"%s\"? See tbsyncctl --help\n", shown, similar);
    else
        fprintf(stderr, "tbsyncctl: there is no verb \"%s\". See tbsyncctl --help\n", shown);
    return CTL_EXIT_USAGE;
}

static int run_verb(Ctl *ctl, int argc, char **argv)
{
    ctl->verb = find_verb(argv[0]);
    if (ctl->verb == NULL)
        return fail_verb(argv[0]);
    return ctl->verb->run(ctl, argc, argv);
}

static int run_help(Ctl *ctl, int argc, char **argv)
{
    char help_option[] = "--help";
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 0, 1 }, &exit_code))
        return exit_code;
    if (argc == 1) {
        print_overview();
        return CTL_EXIT_OK;
    }
    return run_verb(ctl, 2, (char *[]){ argv[1], help_option, NULL });
}

/* Options before the verb; where the verb stands is returned, 0: all is done. What stands behind it is the verb's. */
static int parse_own_options(Ctl *ctl, int argc, char **argv, int *ret_exit)
{
    int verb_at = 1;

    *ret_exit = CTL_EXIT_OK;
    while (verb_at < argc && argv[verb_at][0] == '-')
        verb_at++;
    for (int i = 1; i < verb_at; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_overview();
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("tbsyncctl %s\n", TBSYNCD_VERSION);
            return 0;
        }
    }
    int own_argc = verb_at;
    g_autofree char **own_argv = g_new0(char *, (gsize)verb_at + 1);
    char **own = own_argv;
    memcpy(own_argv, argv, sizeof *argv * (gsize)verb_at);
    if (!ctl_options(ctl, NULL, &(CtlArguments){ &own_argc, &own, 0, 0 }, ret_exit))
        return 0;
    if (verb_at == argc) {
        *ret_exit = ctl_fail_usage(ctl, "a verb is missing");
        return 0;
    }
    return verb_at;
}

/* A full disk behind stdout is an error of ours, found here if not by an earlier flush. */
static int write_out(int exit_code)
{
    gboolean failed = fflush(stdout) != 0;

    if (!failed && !ferror(stdout))
        return exit_code;
    fprintf(stderr, "tbsyncctl: the output cannot be written%s%s\n", failed ? ": " : "", failed ? g_strerror(errno) : "");
    return exit_code == CTL_EXIT_OK ? CTL_EXIT_ERROR : exit_code;
}

int main(int argc, char **argv)
{
    Ctl ctl = { .color = CTL_COLOR_AUTO, .verbs = verbs, .columns = ctl_terminal_columns() };
    int exit_code;

    setlocale(LC_ALL, "");
    ctl_progress_init(&ctl.progress);
    int verb_at = parse_own_options(&ctl, argc, argv, &exit_code);
    if (verb_at > 0)
        exit_code = run_verb(&ctl, argc - verb_at, argv + verb_at);
    ctl_bus_close(&ctl);
    ctl_progress_clear(&ctl.progress);
    return write_out(exit_code);
}
