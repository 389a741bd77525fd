/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* target-probe [DEVICE [VALUES [SEED]]]: what host-probe, tb-clock and kvm-probe find on this machine, as one JSON object on
 * stdout:
 *
 *   facts       as tbsyncctl prints them; note (nullable): of kvm-probe
 *   clock       null, or what tb-clock says against starting: at the frequency found, at twice that frequency
 *   offsets     what DEVICE made of VALUES timebase offsets, edges first: tried, failed (calls), wrong (not as
 *               offset_round_up() predicts), first_wrong; null where there is no KVM
 *
 * Exit 1 if the sources of /proc and device tree contradict each other; the reason is on stderr. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "facts-codec.h"
#include "host-probe.h"
#include "kvm-probe.h"
#include "offset.h"
#include "tb-clock.h"

#ifdef __powerpc__
#include <linux/kvm.h>
#include <sys/ioctl.h>
#endif

#define QUANTUM (G_GINT64_CONSTANT(1) << 24)

typedef struct Offsets {
    guint tried, failed, wrong;
    char first_wrong[128];
} Offsets;

#ifdef __powerpc__

/* Edges of the quantum at each power of two, then bits at random: as many as are set in a random mask, so that long runs of
 * zeroes and ones are among them. */
static gint64 value_at(guint i, GRand *rand)
{
    const gint64 around[] = { -QUANTUM, -QUANTUM + 1, -1, 0, 1, QUANTUM - 1, QUANTUM, QUANTUM + 1 };
    guint64 bits;

    if (i < G_N_ELEMENTS(around) * 62) {
        gint64 power = G_GINT64_CONSTANT(1) << (i / G_N_ELEMENTS(around));

        return (i & 1 ? -power : power) + around[i % G_N_ELEMENTS(around)];
    }
    bits = ((guint64)g_rand_int(rand) << 32) | g_rand_int(rand);
    if (i % 4 == 1)
        bits &= ((guint64)g_rand_int(rand) << 32) | g_rand_int(rand);
    if (i % 4 == 2)
        bits |= ((guint64)g_rand_int(rand) << 32) | g_rand_int(rand);
    if (i % 4 == 3)
        bits &= ~(guint64)(QUANTUM - 1);
    /* the highest quantum rounds up to 2^63, which is no offset of ours */
    return MIN((gint64)bits, G_MAXINT64 - QUANTUM);
}

static void try_offset(int vcpu, gint64 value, Offsets *offsets)
{
    gint64 ticks = value;
    struct kvm_one_reg reg = { .id = KVM_REG_PPC_TB_OFFSET, .addr = (guintptr)&ticks };
    int set = ioctl(vcpu, KVM_SET_ONE_REG, &reg), got;

    ticks = 0x5a;
    got = ioctl(vcpu, KVM_GET_ONE_REG, &reg);
    offsets->tried++;
    if (set < 0 || got < 0)
        offsets->failed++;
    if (ticks == offset_round_up(value))
        return;
    if (offsets->wrong++ == 0)
        g_snprintf(offsets->first_wrong, sizeof(offsets->first_wrong),
                   "%" G_GINT64_FORMAT " became %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT, value,
                   ticks, (gint64)offset_round_up(value));
}

static gboolean try_offsets(const char *device, guint n, guint seed, Offsets *offsets)
{
    int kvm = open(device, O_RDWR | O_CLOEXEC);
    int vm = kvm >= 0 ? ioctl(kvm, KVM_CREATE_VM, 0) : -1;
    int vcpu = vm >= 0 ? ioctl(vm, KVM_CREATE_VCPU, 0) : -1;
    GRand *rand = g_rand_new_with_seed(seed);

    for (guint i = 0; vcpu >= 0 && i < n; i++)
        try_offset(vcpu, value_at(i, rand), offsets);
    g_rand_free(rand);
    for (guint i = 0; i < 3; i++) {
        int fd = i == 0 ? vcpu : i == 1 ? vm : kvm;

        if (fd >= 0)
            close(fd);
    }
    return vcpu >= 0;
}

#else

static gboolean try_offsets(const char *device, guint n, guint seed, Offsets *offsets)
{
    return FALSE;
}

#endif

static void add_text(JsonBuilder *builder, const char *name, const char *text)
{
    json_builder_set_member_name(builder, name);
    if (text)
        json_builder_add_string_value(builder, text);
    else
        json_builder_add_null_value(builder);
}

static void add_number(JsonBuilder *builder, const char *name, gint64 number)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, number);
}

static void add_clock(JsonBuilder *builder, const char *name, guint64 hz, guint64 host_hz)
{
    const TbClockConfig config = { .frequency_hz = hz, .host_hz = host_hz };
    g_autoptr(GError) error = NULL;
    g_autoptr(TbClock) clock = tb_clock_new(&config, &error);

    add_text(builder, name, clock ? NULL : error->message);
}

static void add_clocks(JsonBuilder *builder, guint64 hz)
{
    json_builder_set_member_name(builder, "clock");
    json_builder_begin_object(builder);
    add_clock(builder, "found", 0, hz);
    add_clock(builder, "doubled", 2 * hz, 2 * hz);
    json_builder_end_object(builder);
}

static void add_offsets(JsonBuilder *builder, const Offsets *offsets)
{
    json_builder_set_member_name(builder, "offsets");
    if (!offsets) {
        json_builder_add_null_value(builder);
        return;
    }
    json_builder_begin_object(builder);
    add_number(builder, "tried", offsets->tried);
    add_number(builder, "failed", offsets->failed);
    add_number(builder, "wrong", offsets->wrong);
    add_text(builder, "first_wrong", offsets->wrong ? offsets->first_wrong : NULL);
    json_builder_end_object(builder);
}

static void print(JsonBuilder *builder)
{
    JsonNode *root = json_builder_get_root(builder);
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autofree char *text = NULL;

    json_generator_set_root(generator, root);
    text = json_generator_to_data(generator, NULL);
    g_print("%s\n", text);
    json_node_free(root);
}

int main(int argc, char **argv)
{
    const char *device = argc > 1 ? argv[1] : "/dev/kvm";
    guint n_values = argc > 2 ? (guint)strtoul(argv[2], NULL, 0) : 4096;
    guint seed = argc > 3 ? (guint)strtoul(argv[3], NULL, 0) : 1;
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *note = NULL;
    HostFacts facts;
    Offsets offsets = { 0 };
    gboolean has_offsets;

    host_facts_init(&facts);
    if (!host_probe("", &facts, &error)) {
        g_printerr("%s\n", error->message);
        return EXIT_FAILURE;
    }
    kvm_probe(device, &facts, &note);
    has_offsets = try_offsets(device, n_values, seed, &offsets);
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "facts");
    json_builder_begin_object(builder);
    host_facts_build_json(&facts, builder);
    json_builder_end_object(builder);
    add_text(builder, "note", note);
    add_clocks(builder, facts.timebase_hz);
    add_offsets(builder, has_offsets ? &offsets : NULL);
    json_builder_end_object(builder);
    print(builder);
    return EXIT_SUCCESS;
}
