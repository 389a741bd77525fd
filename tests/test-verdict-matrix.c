/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* judge() over whole matrices of CPU model, limit and mode at both ends.
 *
 * Twice: against an independent statement of QEMU's rule, with the numbers of pairs and of accepted
 * pairs that were measured on real QEMU processes; and as text against tests/data/decisions.txt, so
 * that a change of policy is reviewed as a diff. TBSYNC_UPDATE_EXPECTED=1 writes that file anew.
 */
#include "verdict.h"

#include <glib.h>

#include "verdict-world.h"

/* ---- QEMU's rule, stated once more and without core/ppc-cpu.c ---- */

typedef struct Model {
    const char *name;
    uint32_t pvr;
    int level; /* 0: no modes; 1: 2.06, 2: 2.07, 3: 3.0, 4: 3.1 as POWER10, 5: as POWER11 */
} Model;

static const Model models_7_2[] = {
    { "970_v2.2", 0x00390202, 0 },     { "970mp_v1.0", 0x00440100, 0 },
    { "970mp_v1.1", 0x00440101, 0 },   { "power5+_v2.1", 0x003b0201, 0 },
    { "power7_v2.3", 0x003f0203, 1 },  { "power7+_v2.1", 0x004a0201, 1 },
    { "power8e_v2.1", 0x004b0201, 2 }, { "power8nvl_v1.0", 0x004c0100, 2 },
    { "power8_v2.0", 0x004d0200, 2 },  { "power9_v1.0", 0x004e0100, 3 },
    { "power9_v2.0", 0x004e1200, 3 },  { "power10_v1.0", 0x00800100, 4 },
    { "power10_v2.0", 0x00800200, 4 }, { NULL },
};

static const Model mixed_7_2[] = {
    { "power7_v2.3", 0x003f0203, 1 },  { "power7+_v2.1", 0x004a0201, 1 },
    { "power8e_v2.1", 0x004b0201, 2 }, { "power8nvl_v1.0", 0x004c0100, 2 },
    { "power8_v2.0", 0x004d0200, 2 },  { "power9_v2.0", 0x004e1200, 3 },
    { "power10_v2.0", 0x00800200, 4 }, { NULL },
};

static const Model mixed_10_0[] = {
    { "power7_v2.3", 0x003f0203, 1 },  { "power7p_v2.1", 0x004a0201, 1 },
    { "power8e_v2.1", 0x004b0201, 2 }, { "power8nvl_v1.0", 0x004c0100, 2 },
    { "power8_v2.0", 0x004d0200, 2 },  { "power9_v2.0", 0x004e1200, 3 },
    { "power9_v2.2", 0x004e1202, 3 },  { "power10_v2.0", 0x00801200, 4 },
    { "power11_v2.0", 0x00821200, 5 }, { NULL },
};

static const Model four_7_2[] = {
    { "power7_v2.3", 0x003f0203, 1 },
    { "power8_v2.0", 0x004d0200, 2 },
    { "power9_v2.0", 0x004e1200, 3 },
    { "power10_v2.0", 0x00800200, 4 },
    { NULL },
};

static const Model radix_7_2[] = {
    { "power9_v1.0", 0x004e0100, 3 },
    { "power9_v2.0", 0x004e1200, 3 },
    { "power10_v1.0", 0x00800100, 4 },
    { "power10_v2.0", 0x00800200, 4 },
    { NULL },
};

/* Level that a mode needs, by CompatMode. */
static const int mode_levels[COMPAT_COUNT] = { 99, 1, 1, 1, 2, 3, 4, 5 };

static bool rule_valid(CompatMode mode, const Model *cpu, bool new_qemu, CompatMode limit)
{
    if (mode_levels[mode] > cpu->level || (limit != COMPAT_RAW && mode > limit))
        return false;
    return !(new_qemu && mode == COMPAT_POWER7PLUS && cpu->level > 1) &&
           (new_qemu || mode != COMPAT_POWER11);
}

static bool rule_pvr_matches(uint32_t cpu, uint32_t incoming, bool new_qemu)
{
    if (cpu == incoming)
        return true;
    switch (cpu >> 16) {
    case 0x3f:
    case 0x4a:
    case 0x4b:
    case 0x4c:
    case 0x4d:
        return cpu >> 16 == incoming >> 16;
    case 0x4e:
        if (cpu >> 16 != incoming >> 16 || (cpu & 0xf00) != (incoming & 0xf00))
            return false;
        return !new_qemu || (incoming & 0xf) / 2 * 2 == (cpu & 0xf);
    case 0x80:
    case 0x82:
        return cpu >> 16 == incoming >> 16 && (cpu & 0xf00) == (incoming & 0xf00);
    default:
        return false;
    }
}

typedef struct Config {
    const Model *cpu;
    CompatMode limit;
    bool new_qemu;
    IcMode ic;
} Config;

static bool rule_has_xive(const Config *c)
{
    return c->ic != IC_XICS && rule_valid(COMPAT_POWER9, c->cpu, c->new_qemu, c->limit);
}

static bool rule_starts(const Config *c)
{
    if (c->limit != COMPAT_RAW && !rule_valid(c->limit, c->cpu, c->new_qemu, COMPAT_RAW))
        return false;
    return c->ic != IC_XIVE || rule_has_xive(c);
}

static bool rule_accepts(const Config *source, CompatMode mode, const Config *dest)
{
    if (source->new_qemu && !dest->new_qemu)
        return false; /* cpu/slb */
    if (!source->new_qemu && dest->new_qemu && source->ic != IC_XIVE)
        return false; /* icp/server */
    if (rule_has_xive(source) && !rule_has_xive(dest))
        return false;
    if (mode != COMPAT_RAW)
        return rule_valid(mode, dest->cpu, dest->new_qemu, COMPAT_RAW);
    return dest->limit != COMPAT_RAW ||
           rule_pvr_matches(dest->cpu->pvr, source->cpu->pvr, dest->new_qemu);
}

/* ---- the same through judge() ---- */

typedef enum State { NEVER_RUN, AFTER_CAS, AFTER_CAS_POWER8 } State;

static CompatMode mode_in_state(const Config *c, State state)
{
    CompatMode mode = state == AFTER_CAS_POWER8 ? COMPAT_POWER8 : COMPAT_POWER11;

    if (state == NEVER_RUN)
        return c->limit;
    while (mode != COMPAT_RAW &&
           (mode == COMPAT_POWER7PLUS || !rule_valid(mode, c->cpu, c->new_qemu, c->limit)))
        mode--;
    return mode;
}

static GArray *make_configs(const Model *models, unsigned limits, bool new_qemu, IcMode ic)
{
    GArray *configs = g_array_new(FALSE, FALSE, sizeof(Config));

    for (const Model *cpu = models; cpu->name; cpu++)
        for (CompatMode limit = COMPAT_RAW; limit < COMPAT_COUNT; limit++) {
            Config config = { cpu, limit, new_qemu, ic };

            if ((limits & 1u << limit) != 0 && rule_starts(&config))
                g_array_append_val(configs, config);
        }
    return configs;
}

static void set_config(World *w, const Config *source, CompatMode mode, const Config *dest)
{
    world_init_tcg(w, source->cpu->name, dest->cpu->name);
    w->source.qemu_version = source->new_qemu ? QEMU_VERSION(10, 0, 2) : QEMU_VERSION(7, 2, 22);
    w->dest.qemu_version = dest->new_qemu ? QEMU_VERSION(10, 0, 2) : QEMU_VERSION(7, 2, 22);
    set_limit(w, source->limit, dest->limit);
    SET(&w->guest, GUEST_EFFECTIVE_MODE, effective_mode, mode);
    SET(&w->guest, GUEST_IC_MODE, ic_mode, source->ic);
    SET(&w->incoming, GUEST_IC_MODE, ic_mode, dest->ic);
}

static bool verdict_refuses(const Verdict *verdict)
{
    for (int i = 0; i < verdict->n_findings; i++)
        if (verdict->findings[i].severity == SEVERITY_BLOCK &&
            !finding_is_stricter(&verdict->findings[i]))
            return true;
    return false;
}

/* Blocked by nothing but rules of our own, and by which. */
static bool verdict_is_stricter(const Verdict *verdict)
{
    if (verdict->decision == DECISION_ALLOW || verdict_refuses(verdict))
        return false;
    for (int i = 0; i < verdict->n_findings; i++)
        if (verdict->findings[i].severity == SEVERITY_BLOCK)
            g_assert_true(verdict->findings[i].code == FINDING_RAW_ADOPTS_MODE ||
                          verdict->findings[i].code == FINDING_QEMU_VERSION_LOSES_STATE);
    return true;
}

typedef struct Run {
    const char *name;
    const Model *source, *dest;
    unsigned source_limits, dest_limits; /* sets of CompatMode */
    bool source_new, dest_new;           /* 10.0.2 instead of 7.2.22 */
    IcMode ic;
    State state;
    int pairs, accepted; /* measured */
    int stricter;        /* accepted by QEMU, blocked by our own rules */
} Run;

#define LIMITS_ALL   0x7fu /* raw (unset) and power6 to power10 */
#define LIMITS_MIXED 0xfdu /* without power6, with power11 */
#define LIMITS_FOUR  0x75u /* unset, power7, power8, power9, power10 */
#define LIMITS_RADIX 0x71u /* unset, power8, power9, power10 */
#define LIMITS_XIVE  0xe1u /* unset, power9, power10, power11 */

static const Run runs[] = {
    { "7.2-reset-dual", models_7_2, models_7_2, LIMITS_ALL, LIMITS_ALL, false, false, IC_DUAL,
      NEVER_RUN, 2809, 2059, 384 },
    { "7.2-reset-xics", models_7_2, models_7_2, LIMITS_ALL, LIMITS_ALL, false, false, IC_XICS,
      NEVER_RUN, 2809, 2275, 520 },
    { "7.2-cas-xics", models_7_2, models_7_2, LIMITS_ALL, LIMITS_ALL, false, false, IC_XICS,
      AFTER_CAS, 2809, 2207, 160 },
    { "7.2-cas-of-power8-era-dual", four_7_2, four_7_2, LIMITS_FOUR, LIMITS_FOUR, false, false,
      IC_DUAL, AFTER_CAS_POWER8, 196, 143, 0 },
    { "7.2-radix-and-xive", radix_7_2, radix_7_2, LIMITS_XIVE, LIMITS_RADIX, false, false, IC_DUAL,
      AFTER_CAS, 140, 84, 0 },
    { "10.0-reset-xics", mixed_10_0, mixed_10_0, LIMITS_MIXED, LIMITS_MIXED, true, true, IC_XICS,
      NEVER_RUN, 1156, 852, 852 },
    { "10.0-reset-xive", mixed_10_0, mixed_10_0, LIMITS_MIXED, LIMITS_MIXED, true, true, IC_XIVE,
      NEVER_RUN, 121, 94, 28 },
    { "7.2-to-10.0-reset-xive", mixed_7_2, mixed_10_0, LIMITS_MIXED, LIMITS_MIXED, false, true,
      IC_XIVE, NEVER_RUN, 55, 45, 14 },
    { "7.2-to-10.0-reset-xics", mixed_7_2, mixed_10_0, LIMITS_MIXED, LIMITS_MIXED, false, true,
      IC_XICS, NEVER_RUN, 986, 0, 0 },
    { "10.0-to-7.2-reset-xics", mixed_10_0, mixed_7_2, LIMITS_MIXED, LIMITS_MIXED, true, false,
      IC_XICS, NEVER_RUN, 986, 0, 0 },
};

static void test_run(gconstpointer data)
{
    const Run *run = data;
    g_autofree World *w = g_new0(World, 1);
    g_autoptr(GArray) sources =
        make_configs(run->source, run->source_limits, run->source_new, run->ic);
    g_autoptr(GArray) dests = make_configs(run->dest, run->dest_limits, run->dest_new, run->ic);
    int pairs = 0, accepted = 0, stricter = 0;

    for (guint i = 0; i < sources->len; i++)
        for (guint k = 0; k < dests->len; k++) {
            const Config *source = &g_array_index(sources, Config, i);
            const Config *dest = &g_array_index(dests, Config, k);
            CompatMode mode = mode_in_state(source, run->state);
            bool qemu_takes = rule_accepts(source, mode, dest);

            set_config(w, source, mode, dest);
            judge(&w->in, &w->verdict);
            if (verdict_refuses(&w->verdict) == qemu_takes)
                g_error("%s/%s in %s -> %s/%s: QEMU %s it", source->cpu->name,
                        compat_mode_name(source->limit), compat_mode_name(mode), dest->cpu->name,
                        compat_mode_name(dest->limit), qemu_takes ? "takes" : "refuses");
            pairs++;
            accepted += qemu_takes;
            stricter += verdict_is_stricter(&w->verdict);
        }
    g_assert_cmpint(pairs, ==, run->pairs);
    g_assert_cmpint(accepted, ==, run->accepted);
    g_assert_cmpint(stricter, ==, run->stricter);
}

/* ---- the matrix as text ---- */

static const char legend[] =
    "# Decisions of judge(), written by tests/test-verdict-matrix.c; TBSYNC_UPDATE_EXPECTED=1 in "
    "its\n"
    "# environment writes this file anew. One line per CPU, limit and running mode on the source, "
    "one\n"
    "# column per CPU and limit at the destination. A cell names the first reason to block, or "
    "what\n"
    "# the guest is warned of, or says that it may go:\n"
    "#   .  may go                          o  may go, could not come back\n"
    "#   M  mode not valid there            S  limit not valid there: QEMU would not start\n"
    "#   R  raw, PVR differs                A  raw, would adopt the limit in mid-flight\n"
    "#   I  interrupt controller missing    V  QEMU versions refuse each other\n"
    "#   L  QEMU version loses state        T  no timebase offset there (970)\n"
    "#   n  warned: mode newer than limit   c  warned: a capability's default is lower there\n"
    "#   l  warned: version loses state     ?  anything else\n";

static char finding_letter(const Finding *finding)
{
    bool blocks = finding->severity == SEVERITY_BLOCK;

    switch ((int)finding->code) {
    case FINDING_COMPAT_MODE_UNSUPPORTED:
        return finding->variant == MODE_VARIANT_LIMIT ? 'S' : 'M';
    case FINDING_COMPAT_MODE_UNKNOWN:
        return finding->variant == 0 ? 'M' : 'S';
    case FINDING_RAW_PVR_MISMATCH:
        return 'R';
    case FINDING_RAW_ADOPTS_MODE:
        return 'A';
    case FINDING_INTERRUPT_CONTROLLER_MISSING:
        return 'I';
    case FINDING_QEMU_VERSION_REFUSES:
        return 'V';
    case FINDING_QEMU_VERSION_LOSES_STATE:
        return blocks ? 'L' : 'l';
    case FINDING_TIMEBASE_OFFSET_UNSUPPORTED:
        return 'T';
    case FINDING_MODE_NEWER_THAN_LIMIT:
        return 'n';
    case FINDING_CAPABILITY_DEFAULT_DIFFERS:
        return 'c';
    default:
        return '?';
    }
}

static char verdict_letter(const Verdict *verdict)
{
    if (verdict->n_findings > 0 && verdict->findings[0].severity != SEVERITY_NOTE)
        return finding_letter(&verdict->findings[0]);
    for (int i = 0; i < verdict->n_findings; i++)
        if (verdict->findings[i].code == FINDING_CANNOT_RETURN)
            return 'o';
    return '.';
}

static const char *const printed_models[] = { "970",    "power5+", "power7",  "power8",
                                              "power9", "power10", "power11", NULL };

typedef struct Sheet {
    const char *title;
    uint32_t source_version, dest_version;
    IcMode ic;
    bool kvm;
} Sheet;

static const Sheet sheets[] = {
    { "TCG, QEMU 7.2 -> 7.2, ic-mode=dual", V(7, 2), V(7, 2), IC_DUAL, false },
    { "TCG, QEMU 7.2 -> 7.2, ic-mode=xics", V(7, 2), V(7, 2), IC_XICS, false },
    { "TCG, QEMU 10.0.2 -> 10.0.2, ic-mode=xics", QEMU_VERSION(10, 0, 2), QEMU_VERSION(10, 0, 2),
      IC_XICS, false },
    { "TCG, QEMU 7.2 -> 10.0.2, ic-mode=xive", V(7, 2), QEMU_VERSION(10, 0, 2), IC_XIVE, false },
    { "TCG, QEMU 10.0.2 -> 7.2, ic-mode=xics", QEMU_VERSION(10, 0, 2), V(7, 2), IC_XICS, false },
    { "KVM, QEMU 8.2 -> 8.2, ic-mode=dual", V(8, 2), V(8, 2), IC_DUAL, true },
    { "KVM, QEMU 10.2 -> 10.2, ic-mode=dual", V(10, 2), V(10, 2), IC_DUAL, true },
    { "KVM, QEMU 8.2 -> 10.2, ic-mode=xics", V(8, 2), V(10, 2), IC_XICS, true },
};

typedef struct Cell {
    uint32_t pvr;
    const char *model;
    CompatMode limit;
} Cell;

static GArray *printed_cells(uint32_t version)
{
    GArray *cells = g_array_new(FALSE, FALSE, sizeof(Cell));

    for (int i = 0; printed_models[i]; i++)
        for (CompatMode limit = COMPAT_RAW; limit < COMPAT_COUNT; limit++) {
            uint32_t pvr = cpu_model_pvr(printed_models[i], version);
            Cell cell = { pvr, printed_models[i], limit };

            if (pvr != 0 &&
                (limit == COMPAT_RAW || compat_mode_is_valid(limit, pvr, version, COMPAT_RAW)))
                g_array_append_val(cells, cell);
        }
    return cells;
}

static void set_cell(World *w, const Sheet *sheet, const Cell *source, const Cell *dest)
{
    if (sheet->kvm)
        world_init(w, source->pvr, dest->pvr);
    else
        world_init_tcg(w, source->model, dest->model);
    w->source.qemu_version = sheet->source_version;
    w->dest.qemu_version = sheet->dest_version;
    set_limit(w, source->limit, dest->limit);
    SET(&w->guest, GUEST_IC_MODE, ic_mode, sheet->ic);
}

static void print_line(GString *out, const Sheet *sheet, const Cell *source, CompatMode mode)
{
    g_autofree World *w = g_new0(World, 1);
    g_autoptr(GArray) dests = printed_cells(sheet->dest_version);
    const char *last = NULL;

    g_string_append_printf(out, "%-8s %-8s %-8s", source->model,
                           source->limit ? compat_mode_name(source->limit) : "-",
                           compat_mode_name(mode));
    for (guint i = 0; i < dests->len; i++) {
        const Cell *dest = &g_array_index(dests, Cell, i);

        set_cell(w, sheet, source, dest);
        set_mode(w, mode);
        judge(&w->in, &w->verdict);
        g_string_append_printf(out, "%s%c", dest->model != last ? " " : "",
                               verdict_letter(&w->verdict));
        last = dest->model;
    }
    g_string_append_c(out, '\n');
}

static void print_head(GString *out, const Sheet *sheet)
{
    g_autoptr(GArray) dests = printed_cells(sheet->dest_version);
    const char *last = NULL;

    g_string_append_printf(out, "\n== %s\ndestinations:", sheet->title);
    for (guint i = 0; i < dests->len; i++) {
        const Cell *dest = &g_array_index(dests, Cell, i);

        if (dest->model != last)
            g_string_append_printf(out, " %s/-", dest->model);
        else
            g_string_append_printf(out, ",%s", compat_mode_name(dest->limit) + strlen("power"));
        last = dest->model;
    }
    g_string_append(out, "\nsource   limit    mode\n");
}

static void print_sheet(GString *out, const Sheet *sheet)
{
    g_autoptr(GArray) sources = printed_cells(sheet->source_version);

    print_head(out, sheet);
    for (guint i = 0; i < sources->len; i++) {
        const Cell *source = &g_array_index(sources, Cell, i);

        for (CompatMode mode = COMPAT_RAW; mode < COMPAT_COUNT; mode++)
            if (mode == COMPAT_RAW
                    ? source->limit == COMPAT_RAW
                    : compat_mode_is_valid(mode, source->pvr, sheet->source_version, source->limit))
                print_line(out, sheet, source, mode);
    }
}

static void test_decisions_are_as_reviewed(void)
{
    g_autoptr(GString) out = g_string_new(legend);
    g_autofree char *path = g_build_filename(TEST_DATA, "decisions.txt", NULL);
    g_autofree char *expected = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) got_lines = NULL, expected_lines = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(sheets); i++)
        print_sheet(out, &sheets[i]);
    if (g_getenv("TBSYNC_UPDATE_EXPECTED")) {
        g_file_set_contents(path, out->str, (gssize)out->len, &error);
        g_assert_no_error(error);
    }
    g_file_get_contents(path, &expected, NULL, &error);
    g_assert_no_error(error);
    got_lines = g_strsplit(out->str, "\n", -1);
    expected_lines = g_strsplit(expected, "\n", -1);
    for (guint i = 0; got_lines[i] && expected_lines[i]; i++)
        g_assert_cmpstr(got_lines[i], ==, expected_lines[i]);
    g_assert_cmpuint(g_strv_length(got_lines), ==, g_strv_length(expected_lines));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(runs); i++) {
        g_autofree char *path = g_strdup_printf("/verdict-matrix/as-measured/%s", runs[i].name);

        g_test_add_data_func(path, &runs[i], test_run);
    }
    g_test_add_func("/verdict-matrix/decisions-are-as-reviewed", test_decisions_are_as_reviewed);
    return g_test_run();
}
