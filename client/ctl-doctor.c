/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl-bus.h"
#include "ctl-format.h"
#include "ctl-manager.h"
#include "ctl-verbs.h"
#include "error.h"

const char ctl_doctor_help[] =
    "Looks for what keeps migrations from being checked, or from working: the hook, certificates, libvirt, KVM, QEMU, peers, clocks.\n"
    "For each problem: what is wrong, and what mends it. Notes are no problems, and are shown with --all only.\n"
    "\n"
    "Exits 0 if all is well, 1 if something is wrong.\n";

typedef struct Problem {
    char *code, *severity, *object, *text, *advice;
} Problem;

typedef struct Doctor {
    Ctl *ctl;
    const char *root;    /* prefix of files, "" */
    CtlManager *manager; /* (nullable) tbsyncd does not answer */
    GError *unreachable; /* why */
    GPtrArray *problems; /* of Problem */
} Doctor;

/* What only the client can look at; what tbsyncd itself knows comes from Diagnose(). `run` reports each object. */
typedef struct DoctorCheck DoctorCheck;
struct DoctorCheck {
    const char *code, *severity;
    void (*run)(Doctor *doctor, const DoctorCheck *check);
    const char *advice; /* {} stands for the object */
};

static void problem_free(void *data)
{
    Problem *problem = data;

    g_free(problem->code);
    g_free(problem->severity);
    g_free(problem->object);
    g_free(problem->text);
    g_free(problem->advice);
    g_free(problem);
}

static void report(Doctor *doctor, const DoctorCheck *check, const char *object, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(check->advice, "{}", -1);
    Problem *problem = g_new0(Problem, 1);

    problem->code = g_strdup(check->code);
    problem->severity = g_strdup(check->severity);
    problem->object = g_strdup(object);
    problem->text = g_strdup(text);
    problem->advice = g_strjoinv(object, parts);
    g_ptr_array_add(doctor->problems, problem);
}

/* ---- the daemon ---- */

typedef enum Trouble { TROUBLE_NONE, TROUBLE_BUS, TROUBLE_AWAY, TROUBLE_FAILS } Trouble;

static Trouble trouble(const Doctor *doctor)
{
    if (doctor->unreachable == NULL)
        return TROUBLE_NONE;
    if (doctor->ctl->bus == NULL) /* it was never opened */
        return TROUBLE_BUS;
    return g_error_matches(doctor->unreachable, TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE) ? TROUBLE_AWAY : TROUBLE_FAILS;
}

/* Without the remedy, which other verbs have to say and here is the check's. */
static void report_trouble(Doctor *doctor, const DoctorCheck *check, const char *object, Trouble expected)
{
    g_auto(GStrv) parts = trouble(doctor) == expected ? g_strsplit(doctor->unreachable->message, "; ", 2) : NULL;

    if (parts != NULL)
        report(doctor, check, object, parts[0]);
}

static void check_bus(Doctor *doctor, const DoctorCheck *check)
{
    report_trouble(doctor, check, "system bus", TROUBLE_BUS);
}

static void check_daemon(Doctor *doctor, const DoctorCheck *check)
{
    report_trouble(doctor, check, "tbsyncd", TROUBLE_AWAY);
}

static void check_daemon_fails(Doctor *doctor, const DoctorCheck *check)
{
    report_trouble(doctor, check, "tbsyncd", TROUBLE_FAILS);
}

/* ---- libvirt's files ---- */

/* libvirt runs every executable of qemu.d, whatever its name: hidden ones and what editors and packages leave. */
static gboolean is_leftover(const char *name)
{
    static const char *const ends[] = { "~",    ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".dpkg-bak", ".rpmsave", ".rpmnew", ".rpmorig",
                                        ".bak", ".orig",     ".old",       ".save",     ".swp",      ".rej" };

    if (name[0] == '.')
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(ends); i++)
        if (g_str_has_suffix(name, ends[i]))
            return TRUE;
    return FALSE;
}

static void check_leftovers(Doctor *doctor, const DoctorCheck *check)
{
    const char *hook = doctor->manager != NULL ? doctor->manager->hook_path : "/etc/libvirt/hooks/qemu.d/90-tbsyncd";
    g_autofree char *parent = g_path_get_dirname(hook);
    g_autofree char *directory = g_build_filename(doctor->root, parent, NULL);
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        struct stat info;

        if (is_leftover(name) && stat(path, &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 0111) != 0)
            report(doctor, check, path, "libvirt runs this file, too: it is executable and in qemu.d");
    }
}

static gboolean has_key(const char *text, const char *key)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (guint i = 0; lines[i] != NULL; i++) {
        const char *line = g_strchug(lines[i]);
        gsize length = strlen(key);

        if (strncmp(line, key, length) == 0 && strspn(line + length, " \t") < strlen(line + length) &&
            line[length + strspn(line + length, " \t")] == '=')
            return TRUE;
    }
    return FALSE;
}

/* POWER has no SMBIOS, so libvirt makes a UUID of its own at each start; it shows in what hosts tell each other of a migration. */
static void check_host_uuid(Doctor *doctor, const DoctorCheck *check)
{
    static const char *const files[] = { "/etc/libvirt/libvirtd.conf", "/etc/libvirt/virtqemud.conf" };
    const HostFacts *host = doctor->manager != NULL ? &doctor->manager->host : NULL;
    gboolean simulated = host != NULL && FACT_KNOWN(host, HOST_SIMULATED) && host->simulated;

    if (host == NULL || !FACT_KNOWN(host, HOST_PVR) || (simulated && *doctor->root == '\0'))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(doctor->root, files[i], NULL);
        g_autofree char *text = NULL;

        if (g_file_get_contents(path, &text, NULL, NULL) && !has_key(text, "host_uuid") && !has_key(text, "host_uuid_source"))
            report(doctor, check, path, "neither host_uuid nor host_uuid_source is set: libvirt's UUID of this host is another one at each start");
    }
}

/* ---- the table ---- */

static const DoctorCheck checks[] = {
    { "bus-missing", "error", check_bus, "systemctl status dbus" },
    { "daemon-not-running", "error", check_daemon, "systemctl start {}; journalctl -u {} -n 20; {} --check-config" },
    { "daemon-fails", "error", check_daemon_fails, "systemctl status {}; journalctl -u {} -n 20; systemctl restart {}" },
    { "hook-leftover", "error", check_leftovers, "rm {}" },
    { "host-uuid-random", "warn", check_host_uuid, "set host_uuid_source = \"machine-id\" in {}; systemctl restart libvirtd" },
};

static char *dup_member(GVariant *dict, const char *name)
{
    const char *text = "";

    g_variant_lookup(dict, name, "&s", &text);
    return g_strdup(text);
}

static gboolean ask_daemon(Doctor *doctor, GError **error)
{
    CtlCall call = { .method = "Diagnose", .reply_type = "(aa{sv})" };
    g_autoptr(GVariant) reply = NULL, list = NULL;

    doctor->manager = ctl_manager_load(doctor->ctl, error);
    if (doctor->manager == NULL)
        return FALSE;
    reply = ctl_bus_call(doctor->ctl, &call, NULL, error);
    if (reply == NULL)
        return FALSE;
    list = g_variant_get_child_value(reply, 0);
    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(list, i);
        Problem *problem = g_new0(Problem, 1);

        problem->code = dup_member(dict, "code");
        problem->severity = dup_member(dict, "severity");
        problem->object = dup_member(dict, "object");
        problem->text = dup_member(dict, "text");
        problem->advice = dup_member(dict, "advice");
        g_ptr_array_add(doctor->problems, problem);
    }
    return TRUE;
}

static gboolean is_note(const Problem *problem)
{
    return g_str_equal(problem->severity, "note");
}

static guint count_wrong(const Doctor *doctor)
{
    guint n = 0;

    for (guint i = 0; i < doctor->problems->len; i++)
        n += !is_note(doctor->problems->pdata[i]);
    return n;
}

/* ---- output ---- */

static void print_text(const Doctor *doctor, gboolean all)
{
    const Ctl *ctl = doctor->ctl;
    guint wrong = count_wrong(doctor);

    for (guint i = 0; i < doctor->problems->len; i++) {
        const Problem *problem = doctor->problems->pdata[i];

        if (is_note(problem) && !all)
            continue;
        ctl_print(ctl, g_str_equal(problem->severity, "error") ? CTL_BAD : is_note(problem) ? CTL_DIM : CTL_WARN, problem->severity);
        printf(" ");
        ctl_print(ctl, CTL_HEAD, problem->code);
        printf(" ");
        ctl_print(ctl, CTL_PLAIN, problem->object);
        printf(": ");
        ctl_print(ctl, CTL_PLAIN, problem->text);
        printf("\n    fix: ");
        ctl_print(ctl, CTL_PLAIN, problem->advice);
        printf("\n");
    }
    if (wrong == 0)
        printf("All is well.\n");
    else if (!ctl->no_legend)
        printf("%u problem%s found.\n", wrong, wrong == 1 ? "" : "s");
}

static void add_string(JsonBuilder *builder, const char *name, const char *value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

static void print_json(const Doctor *doctor)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_array(builder);
    for (guint i = 0; i < doctor->problems->len; i++) {
        const Problem *problem = doctor->problems->pdata[i];

        json_builder_begin_object(builder);
        add_string(builder, "code", problem->code);
        add_string(builder, "severity", problem->severity);
        add_string(builder, "object", problem->object);
        add_string(builder, "text", problem->text);
        add_string(builder, "advice", problem->advice);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    ctl_print_json(builder);
}

static void doctor_clear(Doctor *doctor)
{
    g_clear_pointer(&doctor->manager, ctl_manager_free);
    g_clear_error(&doctor->unreachable);
    g_clear_pointer(&doctor->problems, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Doctor, doctor_clear)

int ctl_doctor(Ctl *ctl, int argc, char **argv)
{
    gboolean all = FALSE;
    g_autofree char *root = NULL;
    const GOptionEntry options[] = {
        { "all", 0, 0, G_OPTION_ARG_NONE, &all, "Notes, too", NULL },
        { "root", 0, 0, G_OPTION_ARG_FILENAME, &root, "Look at the files of libvirt below DIR", "DIR" },
        { NULL },
    };
    g_auto(Doctor) doctor = { .ctl = ctl };
    int exit_code = CTL_EXIT_OK;

    if (!ctl_options(ctl, options, &(CtlArguments){ &argc, &argv, 0, 0 }, &exit_code))
        return exit_code;
    doctor.root = root != NULL ? root : "";
    doctor.problems = g_ptr_array_new_with_free_func(problem_free);
    ask_daemon(&doctor, &doctor.unreachable);
    for (guint i = 0; i < G_N_ELEMENTS(checks); i++)
        checks[i].run(&doctor, &checks[i]);
    if (ctl->json)
        print_json(&doctor);
    else
        print_text(&doctor, all);
    return count_wrong(&doctor) > 0 ? CTL_EXIT_ERROR : CTL_EXIT_OK;
}
