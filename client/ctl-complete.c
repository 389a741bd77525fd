/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "ctl-bus.h"
#include "ctl-fleet.h"
#include "ctl-format.h"
#include "ctl-peer.h"
#include "ctl-record.h"
#include "ctl-verbs.h"
#include "findings.h"

const char ctl_complete_help[] =
    "For shells. \"verbs\": each verb, a tab and what it does. \"argument VERB N\": one name a line of what can stand there as the\n"
    "N-th argument, from 0; a line \"/\" says that a file can, too. \"peers\", \"guests\", \"migrations\", \"codes\": one name a line.\n"
    "Says nothing where nothing can be known.\n";

/* Names come from other hosts, and go into a shell: nothing but what needs no quotes. */
static void print_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (!g_ascii_isalnum(*at) && (at == name || g_strrstr("-_.:+", (char[]){ *at, '\0' }) == NULL))
            return;
    if (*name != '\0')
        printf("%s\n", name);
}

static void complete_peers(Ctl *ctl)
{
    g_autoptr(GPtrArray) peers = ctl_peers_load(ctl, NULL);

    for (guint i = 0; peers != NULL && i < peers->len; i++)
        print_name(((const CtlPeer *)peers->pdata[i])->name);
}

static void complete_guests(Ctl *ctl)
{
    g_autoptr(GArray) guests = ctl_guests_load(ctl, NULL);

    for (guint i = 0; guests != NULL && i < guests->len; i++)
        print_name(g_array_index(guests, GuestFacts, i).name);
}

static void complete_migrations(Ctl *ctl)
{
    g_autoptr(GPtrArray) records = ctl_records_load(ctl, 50, NULL);

    for (guint i = 0; records != NULL && i < records->len; i++)
        print_name(ctl_json_string(json_node_get_object(records->pdata[i]), "id"));
}

static void complete_codes(Ctl *ctl)
{
    for (int code = 0; code < FINDING_CODE_COUNT; code++)
        print_name(finding_code_name((FindingCode)code));
}

static void complete_verb_names(Ctl *ctl)
{
    for (const CtlVerb *verb = ctl->verbs; verb->name != NULL; verb++)
        if (!verb->hidden)
            print_name(verb->name);
}

static void complete_verbs(Ctl *ctl)
{
    for (const CtlVerb *verb = ctl->verbs; verb->name != NULL; verb++)
        if (!verb->hidden)
            printf("%s\t%s\n", verb->name, verb->summary);
}

static void complete_files(Ctl *ctl)
{
    printf("/\n");
}

typedef struct Words {
    const char *word;
    void (*run)(Ctl *ctl);
} Words;

static gboolean run_words(Ctl *ctl, const Words *words, const char *word)
{
    while (words->word != NULL && !g_str_equal(words->word, word))
        words++;
    if (words->word != NULL)
        words->run(ctl);
    return words->word != NULL;
}

/* The n-th word of a synopsis, "ID|FILE" of "[ID|FILE]"; the last one for ever if it ends in "...". (transfer full) (nullable) */
static char *synopsis_word(const char *synopsis, guint64 n)
{
    g_auto(GStrv) words = g_strsplit(synopsis, " ", -1);
    guint count = g_strv_length(words);
    guint64 at = count > 0 && n >= count && strstr(words[count - 1], "...") != NULL ? count - 1 : n;

    return at < count ? g_strdup(g_strdelimit(words[at], "[].", ' ')) : NULL;
}

/* What can stand there is what the table of verbs says. */
static void complete_argument(Ctl *ctl, const char *name, guint64 n)
{
    static const Words words[] = {
        { "PEER", complete_peers },     { "HOST", complete_peers }, { "GUEST", complete_guests },     { "ID", complete_migrations },
        { "CODE", complete_codes },     { "FILE", complete_files }, { "VERB", complete_verb_names }, { NULL },
    };
    const CtlVerb *verb = ctl->verbs;

    while (verb->name != NULL && (verb->hidden || !g_str_equal(verb->name, name)))
        verb++;
    if (verb->name == NULL)
        return;
    g_autofree char *word = synopsis_word(verb->synopsis, n);
    g_auto(GStrv) choices = g_strsplit(word != NULL ? word : "", "|", -1);
    for (guint i = 0; choices[i] != NULL; i++)
        run_words(ctl, words, g_strstrip(choices[i]));
}

int ctl_complete(Ctl *ctl, int argc, char **argv)
{
    static const Words words[] = {
        { "verbs", complete_verbs },           { "peers", complete_peers }, { "guests", complete_guests },
        { "migrations", complete_migrations }, { "codes", complete_codes }, { NULL },
    };
    int exit_code = CTL_EXIT_OK;
    guint64 n;

    if (!ctl_options(ctl, NULL, &(CtlArguments){ &argc, &argv, 1, 3 }, &exit_code))
        return exit_code;
    if (argc == 2 && run_words(ctl, words, argv[1]))
        return CTL_EXIT_OK;
    if (argc != 4 || !g_str_equal(argv[1], "argument"))
        return ctl_fail_usage(ctl, "\"%s\" is not verbs, argument VERB N, peers, guests, migrations or codes", argv[1]);
    if (!g_ascii_string_to_unsigned(argv[3], 10, 0, G_MAXINT, &n, NULL))
        return ctl_fail_usage(ctl, "\"%s\" is no number of an argument", argv[3]);
    complete_argument(ctl, argv[2], n);
    return CTL_EXIT_OK;
}
