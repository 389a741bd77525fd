/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-probe.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "ppc-cpu.h"

/* 2048 processors take 300 kB of cpuinfo; anything much larger is no cpuinfo. */
#define CPUINFO_MAX_BYTES (4 * 1024 * 1024)
#define TEXT_MAX_BYTES    (64 * 1024)
#define CELL_MAX_BYTES    64
#define CPU_NODES_MAX     4096

#define TIMEBASE_HZ_MAX G_GUINT64_CONSTANT(1000000000000) /* core/relation.h */

#define LOGICAL_PVR_MASK 0xff000000u
#define LOGICAL_PVR      0x0f000000u

#define HPT_ORDER_BUDDY 24 /* 16 MiB */
#define HPT_ORDER_MAX   46 /* Linux arch/powerpc/include/asm/kvm_book3s_64.h, PPC_MAX_HPT_ORDER */

/* What QEMU's POWER9 and later models have; a host with any other number cannot give
 * cap-large-decr. */
#define LARGE_DECR_BITS 56

typedef struct CpuInfo {
    gboolean has_pvr;
    guint32 pvr;
    char *pvr_processor; /* (nullable) whose PVR it is */
    char *cpu;           /* (nullable) "POWER9 (architected)" */
    char *platform;      /* (nullable) "PowerNV", "pSeries", "PowerMac" */
    char *mmu;           /* (nullable) "Radix", "Hash" */
    guint64 timebase_hz; /* 0 = unknown */
} CpuInfo;

typedef struct DeviceTree {
    gboolean has_cpus;
    guint32 version; /* cpu-version, 0 = unknown */
    guint64 timebase_hz;
    guint64 decrementer_bits; /* 0 = not there, so 32 */
    char *hypervisor;         /* (nullable) first word of hypervisor/compatible */
} DeviceTree;

static void cpu_info_clear(CpuInfo *info)
{
    g_free(info->pvr_processor);
    g_free(info->cpu);
    g_free(info->platform);
    g_free(info->mmu);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CpuInfo, cpu_info_clear)

static void device_tree_clear(DeviceTree *tree)
{
    g_free(tree->hypervisor);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DeviceTree, device_tree_clear)

static gboolean contradiction(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean contradiction(GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_propagate_error(error,
                      g_error_new_valist(TBSYNC_ERROR, TBSYNC_ERROR_INVALID, format, arguments));
    va_end(arguments);
    return FALSE;
}

/* At most `max` bytes of a regular file, with a terminator behind them; NULL if it cannot be read
 * or is longer. */
static char *read_bounded(const char *root, const char *path, gsize max, gsize *ret_length)
{
    g_autofree char *name = g_strconcat(root, path, NULL);
    g_autofree char *data = NULL;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    gsize length = 0, size = 0;
    ssize_t got = 1;
    struct stat info;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
        got = -1;
    while (got > 0 && length <= max) {
        if (length == size) {
            size = MIN(max + 1, MAX(4096, 2 * size));
            data = g_realloc(data, size + 1);
        }
        if (length == size)
            break;
        got = read(fd, data + length, size - length);
        if (got > 0)
            length += (gsize)got;
    }
    close(fd);
    if (got < 0 || length > max || data == NULL)
        return NULL;
    data[length] = '\0';
    *ret_length = length;
    return g_steal_pointer(&data);
}

/* A text without its last newline; NULL if it is not there, longer than `max` or holds anything but
 * printable ASCII. */
static char *read_word(const char *root, const char *path, gsize max)
{
    gsize length;
    g_autofree char *text = read_bounded(root, path, TEXT_MAX_BYTES, &length);

    if (text == NULL || strlen(text) != length)
        return NULL;
    g_strchomp(text);
    for (const char *p = text; *p; p++)
        if (!g_ascii_isgraph(*p))
            return NULL;
    return text[0] == '\0' || strlen(text) > max ? NULL : g_steal_pointer(&text);
}

/* "2.2 (pvr 004e 1202)" -> 0x004e1202, as arch/powerpc/kernel/setup-common.c prints it. */
static gboolean parse_revision(const char *value, guint32 *ret_pvr)
{
    const char *start = strstr(value, "(pvr ");
    guint32 pvr = 0;

    if (start == NULL)
        return FALSE;
    start += strlen("(pvr ");
    for (int i = 0; i < 9; i++) {
        if (i == 4 ? start[i] != ' ' : !g_ascii_isxdigit(start[i]))
            return FALSE;
        if (i != 4)
            pvr = pvr << 4 | (guint32)g_ascii_xdigit_value(start[i]);
    }
    *ret_pvr = pvr;
    return start[9] == ')' && pvr != 0;
}

static void keep_first(char **member, const char *value)
{
    if (*member == NULL && value[0] != '\0' && g_utf8_validate(value, -1, NULL))
        *member = g_strndup(value, FACTS_NAME_MAX);
}

static gboolean is_number(const char *value)
{
    return value[0] != '\0' && value[strspn(value, "0123456789")] == '\0';
}

static gboolean take_pvr(CpuInfo *info, const char *value, const char *processor, GError **error)
{
    guint32 pvr;

    if (!parse_revision(value, &pvr))
        return TRUE;
    if (info->has_pvr && info->pvr != pvr)
        return contradiction(
            error, "/proc/cpuinfo: processor %s has PVR 0x%08x, but processor %s has 0x%08x",
            info->pvr_processor, info->pvr, processor, pvr);
    if (!info->has_pvr)
        info->pvr_processor = g_strndup(processor, 16);
    info->has_pvr = TRUE;
    info->pvr = pvr;
    return TRUE;
}

/* Walks the lines "key<tab>: value" of a text that it takes apart. The last line counts only if it
 * is whole: what is cut off must not pass for a shorter number. */
static gboolean parse_cpuinfo(char *text, CpuInfo *info, GError **error)
{
    const char *processor = "?";
    char *next;

    for (char *line = text; (next = strchr(line, '\n')) != NULL; line = next + 1) {
        char *colon, *value;

        *next = '\0';
        colon = strchr(line, ':');
        if (colon == NULL)
            continue;
        *colon = '\0';
        g_strstrip(line);
        value = g_strstrip(colon + 1);
        if (g_str_equal(line, "processor"))
            processor = is_number(value) ? value : "?";
        else if (g_str_equal(line, "cpu"))
            keep_first(&info->cpu, value);
        else if (g_str_equal(line, "platform"))
            keep_first(&info->platform, value);
        else if (g_str_equal(line, "MMU"))
            keep_first(&info->mmu, value);
        else if (g_str_equal(line, "timebase"))
            g_ascii_string_to_unsigned(value, 10, 1, G_MAXINT64, &info->timebase_hz, NULL);
        else if (g_str_equal(line, "revision") && !take_pvr(info, value, processor, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean read_cpuinfo(const char *root, CpuInfo *info, GError **error)
{
    gsize length;
    g_autofree char *text = read_bounded(root, "/proc/cpuinfo", CPUINFO_MAX_BYTES, &length);

    if (text == NULL)
        return TRUE;
    /* a NUL would hide the lines behind it */
    for (gsize i = 0; i < length; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    return parse_cpuinfo(text, info, error);
}

/* A property of one or two big-endian cells; 0 if it is absent or of another size. */
static guint64 read_cells(const char *root, const char *node, const char *property)
{
    g_autofree char *path = g_build_filename(node, property, NULL);
    gsize length;
    g_autofree char *data = read_bounded(root, path, CELL_MAX_BYTES, &length);
    guint64 value = 0;

    if (data == NULL || (length != 4 && length != 8))
        return 0;
    for (gsize i = 0; i < length; i++)
        value = value << 8 | (guint8)data[i];
    return value;
}

/* Joins what two places say; 0 = says nothing. */
static gboolean join(guint64 *value, guint64 other, const char *node, const char *property,
                     GError **error)
{
    if (other == 0 || other == *value)
        return TRUE;
    if (*value != 0)
        return contradiction(
            error, "%s: %s is %" G_GUINT64_FORMAT ", but another processor has %" G_GUINT64_FORMAT,
            node, property, other, *value);
    *value = other;
    return TRUE;
}

/* The extended property is looked at first by arch/powerpc/kernel/time.c, generic_calibrate_decr;
 * both count if both are there. */
static gboolean read_cpu_node(const char *root, const char *node, DeviceTree *tree, GError **error)
{
    static const char *const frequencies[] = { "timebase-frequency",
                                               "ibm,extended-timebase-frequency" };
    guint64 version = tree->version;

    for (gsize i = 0; i < G_N_ELEMENTS(frequencies); i++)
        if (!join(&tree->timebase_hz, read_cells(root, node, frequencies[i]), node, frequencies[i],
                  error))
            return FALSE;
    if (!join(&version, read_cells(root, node, "cpu-version"), node, "cpu-version", error) ||
        !join(&tree->decrementer_bits, read_cells(root, node, "ibm,dec-bits"), node, "ibm,dec-bits",
              error))
        return FALSE;
    tree->version = version <= G_MAXUINT32 ? (guint32)version : 0;
    tree->has_cpus = TRUE;
    return TRUE;
}

static gboolean is_cpu_node(const char *root, const char *node)
{
    g_autofree char *path = g_build_filename(node, "device_type", NULL);
    gsize length;
    g_autofree char *type = read_bounded(root, path, CELL_MAX_BYTES, &length);

    return type != NULL && g_str_equal(type, "cpu");
}

static gboolean read_device_tree(const char *root, DeviceTree *tree, GError **error)
{
    static const char cpus[] = "/proc/device-tree/cpus";
    g_autofree char *directory = g_strconcat(root, cpus, NULL);
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    gsize length;
    g_autofree char *hypervisor =
        read_bounded(root, "/proc/device-tree/hypervisor/compatible", CELL_MAX_BYTES, &length);
    const char *name;

    if (hypervisor != NULL)
        keep_first(&tree->hypervisor, hypervisor);
    for (int i = 0; dir != NULL && i < CPU_NODES_MAX && (name = g_dir_read_name(dir)) != NULL;
         i++) {
        g_autofree char *node = g_build_filename(cpus, name, NULL);

        if (g_utf8_validate(name, -1, NULL) && is_cpu_node(root, node) &&
            !read_cpu_node(root, node, tree, error))
            return FALSE;
    }
    return TRUE;
}

static CompatMode mode_of_logical_pvr(guint32 pvr)
{
    for (CompatMode mode = COMPAT_RAW + 1; mode < COMPAT_COUNT; mode++)
        if (compat_mode_logical_pvr(mode) == pvr)
            return mode;
    return COMPAT_RAW;
}

/* The digits behind "POWER" or "Power": 9 for "POWER9 (architected), altivec supported", 0 if there
 * are none. */
static guint power_generation(const char *name)
{
    guint64 number = 0;
    gsize digits = 0;

    if (name == NULL || g_ascii_strncasecmp(name, "POWER", 5) != 0)
        return 0;
    while (g_ascii_isdigit(name[5 + digits]))
        digits++;
    if (digits > 0 && digits < 4)
        number = g_ascii_strtoull(name + 5, NULL, 10);
    return (guint)number;
}

/* "POWER9 (architected)": Linux names the level that its hypervisor gave it,
 * arch/powerpc/kernel/cpu_specs_book3s_64.h */
static CompatMode mode_of_cpu_name(const char *name)
{
    g_autofree char *word = NULL;

    if (name == NULL || strstr(name, "(architected)") == NULL)
        return COMPAT_RAW;
    word = g_strdup_printf("power%u", power_generation(name));
    for (CompatMode mode = COMPAT_RAW + 1; mode < COMPAT_COUNT; mode++)
        if (g_str_equal(compat_mode_name(mode), word))
            return mode;
    return COMPAT_RAW;
}

static gboolean merge_pvr(const CpuInfo *info, const DeviceTree *tree, HostFacts *facts,
                          GError **error)
{
    gboolean is_logical = (tree->version & LOGICAL_PVR_MASK) == LOGICAL_PVR;
    gboolean is_architected = info->cpu != NULL && strstr(info->cpu, "(architected)") != NULL;
    guint named = power_generation(info->cpu), numbered;

    if (!info->has_pvr)
        return TRUE;
    if (tree->version != 0 && !is_logical && tree->version != info->pvr)
        return contradiction(error,
                             "the PVR is 0x%08x in /proc/cpuinfo, but 0x%08x in the device tree",
                             info->pvr, tree->version);
    numbered = power_generation(cpu_family_name(cpu_family_of_pvr(info->pvr)));
    if (!is_architected && named != 0 && numbered != 0 && named != numbered)
        return contradiction(error, "/proc/cpuinfo names a %s, but PVR 0x%08x is a %s", info->cpu,
                             info->pvr, cpu_family_name(cpu_family_of_pvr(info->pvr)));
    facts->pvr = info->pvr;
    FACT_SET(facts, HOST_PVR);
    return TRUE;
}

static gboolean merge_level(const CpuInfo *info, const DeviceTree *tree, HostFacts *facts,
                            GError **error)
{
    gboolean is_logical = (tree->version & LOGICAL_PVR_MASK) == LOGICAL_PVR;
    CompatMode told = is_logical ? mode_of_logical_pvr(tree->version) : COMPAT_RAW;
    CompatMode named = mode_of_cpu_name(info->cpu);

    if (named != COMPAT_RAW && tree->version != 0 && !is_logical)
        return contradiction(
            error,
            "/proc/cpuinfo says %s, but the device tree has PVR 0x%08x, which is no logical one",
            info->cpu, tree->version);
    /* POWER7+ is POWER7 to Linux */
    if (named != COMPAT_RAW && told != COMPAT_RAW && named != told &&
        !(named == COMPAT_POWER7 && told == COMPAT_POWER7PLUS))
        return contradiction(
            error, "/proc/cpuinfo says %s, but the device tree has the logical PVR 0x%08x of %s",
            info->cpu, tree->version, compat_mode_name(told));
    if (told == COMPAT_RAW && named == COMPAT_RAW)
        return TRUE;
    facts->compat_level = told != COMPAT_RAW ? told : named;
    FACT_SET(facts, HOST_COMPAT_LEVEL);
    return TRUE;
}

static gboolean merge_platform(const CpuInfo *info, const DeviceTree *tree, HostFacts *facts,
                               GError **error)
{
    gboolean bare =
        g_strcmp0(info->platform, "PowerNV") == 0 || g_strcmp0(info->platform, "PowerMac") == 0;
    gboolean logical = FACT_KNOWN(facts, HOST_COMPAT_LEVEL);

    if (bare && logical)
        return contradiction(
            error,
            "/proc/cpuinfo says platform %s, which is bare metal, but this host runs at level %s",
            info->platform, compat_mode_name(facts->compat_level));
    if (bare && tree->hypervisor != NULL)
        return contradiction(
            error,
            "/proc/cpuinfo says platform %s, which is bare metal, but the device tree has a "
            "hypervisor, %s",
            info->platform, tree->hypervisor);
    if (!bare && g_strcmp0(info->platform, "pSeries") != 0 && !logical)
        return TRUE;
    facts->nested = !bare;
    FACT_SET(facts, HOST_NESTED);
    return TRUE;
}

static gboolean merge_timebase(const CpuInfo *info, const DeviceTree *tree, HostFacts *facts,
                               GError **error)
{
    if (info->timebase_hz != 0 && tree->timebase_hz != 0 && info->timebase_hz != tree->timebase_hz)
        return contradiction(error,
                             "the timebase counts at %" G_GUINT64_FORMAT
                             " Hz in /proc/cpuinfo, but at %" G_GUINT64_FORMAT
                             " Hz in the device tree",
                             info->timebase_hz, tree->timebase_hz);
    facts->timebase_hz = info->timebase_hz ? info->timebase_hz : tree->timebase_hz;
    /* what no relation could be computed with, and no peer would take, is not known */
    if (facts->timebase_hz > TIMEBASE_HZ_MAX)
        facts->timebase_hz = 0;
    if (facts->timebase_hz != 0)
        FACT_SET(facts, HOST_TIMEBASE_HZ);
    return TRUE;
}

/* POWER9 before DD2.2 cannot have threads of one core in hash and in radix mode
 * (Linux arch/powerpc/kvm/book3s_hv.c, kvmppc_hash_v3_possible). */
static gboolean mixes_hash_and_radix(guint32 pvr)
{
    if (pvr >> 16 != 0x004e)
        return TRUE;
    if ((pvr & 0xe000) == 0)
        return (pvr & 0x0fff) >= 0x202;
    if ((pvr & 0xe000) == 0x2000)
        return (pvr & 0x0fff) >= 0x101;
    return TRUE;
}

/* Only bare metal is certain: what a hypervisor lets its guests' guests do, kvm-probe asks. */
static void take_mmu(const CpuInfo *info, HostFacts *facts)
{
    gboolean has_radix;

    if (!FACT_KNOWN(facts, HOST_NESTED) || facts->nested || !FACT_KNOWN(facts, HOST_PVR))
        return;
    switch (cpu_family_of_pvr(facts->pvr)) {
    case CPU_UNKNOWN:
    case CPU_FAMILY_COUNT:
        return;
    case CPU_POWER9:
    case CPU_POWER10:
    case CPU_POWER11:
        if (g_strcmp0(info->mmu, "Radix") != 0 && g_strcmp0(info->mmu, "Hash") != 0)
            return;
        has_radix = g_str_equal(info->mmu, "Radix");
        facts->mmu = !has_radix                         ? MMU_HASH
                     : mixes_hash_and_radix(facts->pvr) ? MMU_RADIX | MMU_HASH
                                                        : MMU_RADIX;
        break;
    case CPU_970:
    case CPU_970FX:
    case CPU_970MP:
    case CPU_POWER4:
    case CPU_POWER5:
    case CPU_POWER5PLUS:
    case CPU_POWER6:
    case CPU_POWER7:
    case CPU_POWER7PLUS:
    case CPU_POWER8E:
    case CPU_POWER8NVL:
    case CPU_POWER8:
        facts->mmu = MMU_HASH;
        break;
    }
    FACT_SET(facts, HOST_MMU);
}

/* "CmaFree:  13107200 kB" -> bytes; FALSE if the line is not there. */
static gboolean meminfo_bytes(const char *text, const char *key, guint64 *ret_bytes)
{
    const char *line = strstr(text, key);
    const char *number;
    char *end;
    guint64 kibibytes;

    if (line == NULL || (line != text && line[-1] != '\n'))
        return FALSE;
    number = line + strlen(key);
    while (*number == ' ')
        number++;
    kibibytes = g_ascii_strtoull(number, &end, 10);
    if (!g_ascii_isdigit(*number) || !g_str_has_prefix(end, " kB\n") ||
        kibibytes > G_MAXUINT64 / 1024)
        return FALSE;
    *ret_bytes = kibibytes * 1024;
    return TRUE;
}

/* KVM HV takes hash page tables from its contiguous memory, and if that fails from the page
 * allocator, which gives at most 16 MiB in one piece (arch/powerpc/kvm/book3s_64_mmu_hv.c,
 * kvmppc_allocate_hpt; arch/powerpc/Kconfig, ARCH_FORCE_MAX_ORDER). The largest power of two that
 * fits into what is free is an upper bound: how far it is in one piece is not to be seen from here.
 * A guest of a hypervisor has no such memory and cannot run hash guests under KVM HV. */
static void take_hpt_order(const char *root, HostFacts *facts)
{
    gsize length;
    g_autofree char *text = read_bounded(root, "/proc/meminfo", TEXT_MAX_BYTES, &length);
    guint64 total_bytes, free_bytes;
    guint8 order = HPT_ORDER_BUDDY;

    if (text == NULL || !FACT_KNOWN(facts, HOST_PVR) || !FACT_KNOWN(facts, HOST_NESTED) ||
        facts->nested)
        return;
    if (!meminfo_bytes(text, "CmaTotal:", &total_bytes) ||
        !meminfo_bytes(text, "CmaFree:", &free_bytes) || total_bytes == 0)
        return;
    while (order < HPT_ORDER_MAX && (free_bytes >> (order + 1)) != 0)
        order++;
    facts->hpt_max_order = order;
    FACT_SET(facts, HOST_HPT_MAX_ORDER);
}

static void take_decrementer(const DeviceTree *tree, HostFacts *facts)
{
    if (!tree->has_cpus)
        return;
    facts->caps[CAP_LARGE_DECR] = tree->decrementer_bits == LARGE_DECR_BITS;
    FACT_SET(facts, HOST_CAPS);
}

static void take_boot_id(const char *root, HostFacts *facts)
{
    g_autofree char *uuid = read_word(root, "/proc/sys/kernel/random/boot_id", 36);
    g_auto(GStrv) parts = uuid ? g_strsplit(uuid, "-", -1) : NULL;
    g_autofree char *id = parts ? g_strjoinv("", parts) : NULL;

    if (id != NULL && strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32) {
        g_strlcpy(facts->boot_id, id, sizeof facts->boot_id);
        FACT_SET(facts, HOST_BOOT_ID);
    }
}

static void take_identity(const char *root, HostFacts *facts)
{
    g_autofree char *kernel =
        read_word(root, "/proc/sys/kernel/osrelease", sizeof facts->kernel - 1);
    g_autofree char *id = read_word(root, "/etc/machine-id", 32);

    if (kernel != NULL) {
        g_strlcpy(facts->kernel, kernel, sizeof facts->kernel);
        FACT_SET(facts, HOST_KERNEL);
    }
    if (id != NULL && strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32) {
        g_strlcpy(facts->machine_id, id, sizeof facts->machine_id);
        FACT_SET(facts, HOST_MACHINE_ID);
    }
    take_boot_id(root, facts);
    if (root[0] != '\0') {
        facts->simulated = true;
        FACT_SET(facts, HOST_SIMULATED);
    }
}

gboolean host_probe(const char *root, HostFacts *ret, GError **error)
{
    g_auto(CpuInfo) info = { 0 };
    g_auto(DeviceTree) tree = { 0 };
    HostFacts facts;

    host_facts_init(&facts);
    if (!read_cpuinfo(root, &info, error) || !read_device_tree(root, &tree, error))
        return FALSE;
    take_identity(root, &facts);
    /* without a PVR this is no POWER machine; device trees are everywhere */
    if (info.has_pvr &&
        (!merge_pvr(&info, &tree, &facts, error) || !merge_level(&info, &tree, &facts, error) ||
         !merge_platform(&info, &tree, &facts, error) ||
         !merge_timebase(&info, &tree, &facts, error)))
        return FALSE;
    if (info.has_pvr) {
        take_mmu(&info, &facts);
        take_hpt_order(root, &facts);
        take_decrementer(&tree, &facts);
    }
    *ret = facts;
    return TRUE;
}

gboolean host_probe_refresh(const char *root, HostFacts *facts)
{
    HostFacts before = *facts;

    take_hpt_order(root, facts);
    return before.known != facts->known || before.hpt_max_order != facts->hpt_max_order;
}
