/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-codec.h"

#include <string.h>

#include "error.h"
#include "facts-words.h"
#include "json-text.h"

/* ---- helpers ---- */

static gboolean parse_host(const char *text, HostFacts *ret, GError **error)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    const JsonValue *object = json_tree_parse(tree, text, strlen(text), error);

    return object != NULL && host_facts_from_value(object, ret, error);
}

static gboolean parse_guest(const char *text, GuestFacts *ret, GError **error)
{
    g_autoptr(JsonTree) tree = json_tree_new();
    const JsonValue *object = json_tree_parse(tree, text, strlen(text), error);

    return object != NULL && guest_facts_from_value(object, ret, error);
}

static char *to_text(JsonBuilder *builder)
{
    g_autoptr(JsonNode) root = json_builder_get_root(builder);

    return json_to_string(root, FALSE);
}

static char *host_to_text(const HostFacts *host)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    host_facts_build_json(host, builder);
    json_builder_end_object(builder);
    return to_text(builder);
}

static char *guest_to_text(const GuestFacts *guest)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    guest_facts_build_json(guest, builder);
    json_builder_end_object(builder);
    return to_text(builder);
}

/* Names field and value, and leaves the output alone. */
static void check_host_refuses(const char *text, const char *field, const char *value)
{
    g_autoptr(GError) error = NULL;
    HostFacts host, before;

    memset(&host, 0x5a, sizeof host);
    before = host;
    g_assert_false(parse_host(text, &host, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    if (strstr(error->message, field) == NULL || strstr(error->message, value) == NULL)
        g_error("%s and %s are not in: %s", field, value, error->message);
    g_assert_cmpmem(&host, sizeof host, &before, sizeof before);
}

static void check_guest_refuses(const char *text, const char *field, const char *value)
{
    g_autoptr(GError) error = NULL;
    GuestFacts guest;

    g_assert_false(parse_guest(text, &guest, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    if (strstr(error->message, field) == NULL || strstr(error->message, value) == NULL)
        g_error("%s and %s are not in: %s", field, value, error->message);
}

/* ---- known answers ---- */

#define HOST_TEXT                                                                                              \
    "{\"name\":\"alpha\",\"machine_id\":\"0123456789abcdef0123456789abcdef\","                                \
    "\"boot_id\":\"fedcba9876543210fedcba9876543210\",\"simulated\":true,"                                      \
    "\"pvr\":\"0x004e1202\",\"compat_level\":\"power9\",\"nested\":false,\"kvm\":\"hv\","                      \
    "\"kernel\":\"6.1.0-31-powerpc64le\",\"qemu_version\":\"7.2.22\","                                         \
    "\"machine_types\":[\"pseries-7.2\",\"pseries-6.2\"],\"timebase_hz\":512000000,\"tb_offset\":true,"        \
    "\"mmu\":[\"hash\",\"radix\"],\"caps\":{\"htm\":0,\"cfpc\":1,\"ibs\":3,\"hpt-max-page-size\":24},"         \
    "\"hpt_max_order\":33,\"resize_hpt\":true}"

#define GUEST_TEXT                                                                                             \
    "{\"uuid\":\"c7a5fdbd-edaf-9455-926a-d65c16db1809\",\"name\":\"db 1\",\"arch\":\"ppc64le\",\"accel\":\"tcg\"," \
    "\"machine_type\":\"pseries-7.2\",\"cpu_mode\":\"host-model\",\"cpu_model\":\"power9_v2.0\","              \
    "\"max_cpu_compat\":\"\",\"effective_mode\":\"power7+\",\"pvr\":\"0x004e1202\",\"ic_mode\":\"xive\","      \
    "\"mmu\":\"radix\",\"caps\":{\"ibs\":2},\"memory_bytes\":1073741824,\"max_memory_bytes\":2147483648,"      \
    "\"resize_hpt\":\"required\",\"active\":true,\"tb_offset_ticks\":-16777216,\"ahead_lo_ticks\":-5,"         \
    "\"ahead_hi_ticks\":9223372036854775807}"

static void test_every_host_field_is_read_and_written(void)
{
    g_autoptr(GError) error = NULL;
    HostFacts host;

    g_assert_true(parse_host(HOST_TEXT, &host, &error));
    g_assert_cmphex(host.known, ==, FACT_BIT(HOST_BOOT_ID + 1) - 1);
    g_assert_cmphex(host.pvr, ==, 0x004e1202);
    g_assert_cmpint(host.compat_level, ==, COMPAT_POWER9);
    g_assert_cmpint(host.kvm, ==, KVM_HV);
    g_assert_cmpint(host.qemu_version, ==, QEMU_VERSION(7, 2, 22));
    g_assert_cmpint(host.n_machine_types, ==, 2);
    g_assert_cmpstr(host.machine_types[1], ==, "pseries-6.2");
    g_assert_cmpint(host.timebase_hz, ==, 512000000);
    g_assert_cmpint(host.mmu, ==, MMU_HASH | MMU_RADIX);
    g_assert_cmpint(host.caps[CAP_IBS], ==, 3);
    g_assert_cmpint(host.caps[CAP_SBBC], ==, CAP_UNKNOWN);
    g_assert_cmpint(host.hpt_max_order, ==, 33);
    g_autofree char *text = host_to_text(&host);
    g_assert_cmpstr(text, ==, HOST_TEXT);
}

static void test_every_guest_field_is_read_and_written(void)
{
    g_autoptr(GError) error = NULL;
    GuestFacts guest;

    g_assert_true(parse_guest(GUEST_TEXT, &guest, &error));
    g_assert_cmphex(guest.known, ==, FACT_BIT(GUEST_AHEAD_HI_TICKS + 1) - 1);
    g_assert_cmpint(guest.max_cpu_compat, ==, COMPAT_RAW);
    g_assert_cmpint(guest.effective_mode, ==, COMPAT_POWER7PLUS);
    g_assert_cmpint(guest.mmu, ==, MMU_RADIX);
    g_assert_cmpint(guest.tb_offset_ticks, ==, -16777216);
    g_assert_cmpint(guest.ahead_hi_ticks, ==, G_MAXINT64);
    g_autofree char *text = guest_to_text(&guest);
    g_assert_cmpstr(text, ==, GUEST_TEXT);
}

static void test_missing_is_unknown_and_unknown_keys_are_ignored(void)
{
    g_autoptr(GError) error = NULL;
    HostFacts host;

    g_assert_true(parse_host("{\"colour\":[{}],\"name\":\"\",\"caps\":{\"cap-of-2030\":\"x\"}}", &host, &error));
    g_assert_cmphex(host.known, ==, FACT_BIT(HOST_CAPS));
}

static void test_pvr_is_read_as_number_or_hex(void)
{
    g_autoptr(GError) error = NULL;
    HostFacts host;

    g_assert_true(parse_host("{\"pvr\":5116418}", &host, &error));
    g_assert_cmphex(host.pvr, ==, 0x004e1202);
    check_host_refuses("{\"pvr\":\"0x1004e1202\"}", "pvr", "0x1004e1202");
    check_host_refuses("{\"pvr\":\"5116418\"}", "pvr", "5116418");
    check_host_refuses("{\"pvr\":\"0x\"}", "pvr", "0x");
    check_host_refuses("{\"pvr\":4294967296}", "pvr", "4294967296");
    check_host_refuses("{\"pvr\":-1}", "pvr", "-1");
}

static void test_foreign_architectures_are_other(void)
{
    g_autoptr(GError) error = NULL;
    GuestFacts guest;

    g_assert_true(parse_guest("{\"arch\":\"x86_64\"}", &guest, &error));
    g_assert_cmpint(guest.arch, ==, ARCH_OTHER);
    check_guest_refuses("{\"arch\":7}", "arch", "7");
}

static void test_wrong_values_name_field_and_value(void)
{
    check_host_refuses("{\"name\":7}", "name", "7");
    check_host_refuses("{\"name\":\"a\\nb\"}", "name", "a\\nb");
    check_host_refuses("{\"name\":\"a\\u009bb\"}", "name", "a");
    check_host_refuses("{\"name\":null}", "name", "null");
    check_host_refuses("{\"machine_id\":\"xyz\"}", "machine_id", "xyz");
    check_host_refuses("{\"simulated\":\"yes\"}", "simulated", "yes");
    check_host_refuses("{\"simulated\":1}", "simulated", "1");
    check_host_refuses("{\"kvm\":\"xen\"}", "kvm", "xen");
    check_host_refuses("{\"timebase_hz\":0}", "timebase_hz", "0");
    check_host_refuses("{\"timebase_hz\":1000000000001}", "timebase_hz", "1000000000001");
    check_host_refuses("{\"timebase_hz\":1.5}", "timebase_hz", "1.5");
    check_host_refuses("{\"timebase_hz\":1e400}", "timebase_hz", "1e400");
    check_host_refuses("{\"timebase_hz\":NaN}", "timebase_hz", "NaN");
    check_host_refuses("{\"timebase_hz\":\"512000000\"}", "timebase_hz", "512000000");
    check_host_refuses("[]", "facts", "an array");
    check_host_refuses("{\"timebase_hz\":18446744073709551615}", "timebase_hz", "18446744073709551615");
    check_host_refuses("{\"timebase_hz\":{}}", "timebase_hz", "an object");
    check_host_refuses("{\"qemu_version\":\"7\"}", "qemu_version", "7");
    check_host_refuses("{\"qemu_version\":\"7.256.0\"}", "qemu_version", "7.256.0");
    check_host_refuses("{\"qemu_version\":\"7.2.0.1\"}", "qemu_version", "7.2.0.1");
    check_host_refuses("{\"machine_types\":\"pseries\"}", "machine_types", "pseries");
    check_host_refuses("{\"machine_types\":[1]}", "machine_types", "1");
    check_host_refuses("{\"machine_types\":[\"pseries-of-more-than-23-bytes\"]}", "machine_types", "pseries-of");
    check_host_refuses("{\"mmu\":[\"hash\",\"soft\"]}", "mmu", "soft");
    check_host_refuses("{\"mmu\":\"hash\"}", "mmu", "hash");
    check_host_refuses("{\"caps\":[]}", "caps", "an array");
    check_host_refuses("{\"caps\":{\"ibs\":5}}", "caps.ibs", "5");
    check_host_refuses("{\"caps\":{\"ibs\":-1}}", "caps.ibs", "-1");
    check_host_refuses("{\"caps\":{\"ibs\":1.0}}", "caps.ibs", "1");
    check_host_refuses("{\"caps\":{\"hpt-max-page-size\":65536}}", "caps.hpt-max-page-size", "65536");
    check_host_refuses("{\"hpt_max_order\":64}", "hpt_max_order", "64");
    check_guest_refuses("{\"mmu\":[\"hash\"]}", "mmu", "an array");
    check_guest_refuses("{\"uuid\":\"../../etc\"}", "uuid", "../../etc");
    check_guest_refuses("{\"max_cpu_compat\":\"raw\"}", "max_cpu_compat", "raw");
    check_guest_refuses("{\"effective_mode\":\"POWER9\"}", "effective_mode", "POWER9");
    check_guest_refuses("{\"memory_bytes\":-1}", "memory_bytes", "-1");
    check_guest_refuses("{\"memory_bytes\":18446744073709551615}", "memory_bytes", "18446744073709551615");
    check_guest_refuses("{\"tb_offset_ticks\":18446744073709551615}", "tb_offset_ticks", "18446744073709551615");
}

static void test_long_strings_and_lists_are_refused_not_cut(void)
{
    g_autofree char *name = g_strnfill(FACTS_NAME_MAX, 'a');
    g_autofree char *text = g_strdup_printf("{\"name\":\"%s\"}", name);
    GString *list = g_string_new("{\"machine_types\":[\"m\"");

    check_host_refuses(text, "name", "aaaa");
    for (int i = 0; i < FACTS_MACHINE_TYPES_MAX; i++)
        g_string_append(list, ",\"m\"");
    g_string_append(list, "]}");
    check_host_refuses(list->str, "machine_types", "96");
    g_string_free(list, TRUE);
}

static void test_uuid_is_normalised(void)
{
    g_autoptr(GError) error = NULL;
    GuestFacts guest;

    g_assert_true(parse_guest("{\"uuid\":\"C7A5FDBDEDAF9455926AD65C16DB1809\"}", &guest, &error));
    g_assert_cmpstr(guest.uuid, ==, "c7a5fdbd-edaf-9455-926a-d65c16db1809");
}

/* ---- properties over random facts ---- */

static void random_name(char *at, gsize size)
{
    static const char letters[] = "abcXYZ019-_. ";
    gsize length = (gsize)g_test_rand_int_range(1, (gint32)size);

    for (gsize i = 0; i < length; i++)
        at[i] = letters[g_test_rand_int_range(0, sizeof letters - 1)];
    at[length] = '\0';
}

static void random_caps(gint8 *caps)
{
    for (int cap = 0; cap < CAP_COUNT; cap++) {
        int level = g_test_rand_int_range(0, 40);
        caps[cap] = spapr_cap_level_is_valid((SpaprCap)cap, level) ? (gint8)level : CAP_UNKNOWN;
    }
}

static gint64 random_int64(void)
{
    return (gint64)((guint64)(guint32)g_test_rand_int() << 32 | (guint32)g_test_rand_int());
}

static void random_host(HostFacts *host)
{
    host_facts_init(host);
    host->known = (guint64)random_int64() & (FACT_BIT(HOST_BOOT_ID + 1) - 1);
    random_name(host->name, sizeof host->name);
    g_strlcpy(host->machine_id, "00112233445566778899aabbccddeeff", sizeof host->machine_id);
    g_strlcpy(host->boot_id, "ffeeddccbbaa99887766554433221100", sizeof host->boot_id);
    random_name(host->kernel, sizeof host->kernel);
    host->simulated = g_test_rand_bit();
    host->pvr = (guint32)g_test_rand_int();
    host->compat_level = (CompatMode)g_test_rand_int_range(0, COMPAT_COUNT);
    host->kvm = (KvmKind)g_test_rand_int_range(0, 3);
    host->qemu_version = QEMU_VERSION(g_test_rand_int_range(0, 200), g_test_rand_int_range(0, 256), 3);
    host->n_machine_types = (guint16)g_test_rand_int_range(0, FACTS_MACHINE_TYPES_MAX + 1);
    for (int i = 0; i < host->n_machine_types; i++)
        random_name(host->machine_types[i], FACTS_MACHINE_MAX);
    host->timebase_hz = (guint64)g_test_rand_int_range(1, G_MAXINT32);
    host->mmu = (unsigned)g_test_rand_int_range(0, 4);
    host->hpt_max_order = (guint8)g_test_rand_int_range(0, 64);
    host->resize_hpt = g_test_rand_bit();
    random_caps(host->caps);
}

static void random_guest(GuestFacts *guest)
{
    guest_facts_init(guest);
    guest->known = (guint64)random_int64() & (FACT_BIT(GUEST_AHEAD_HI_TICKS + 1) - 1);
    g_strlcpy(guest->uuid, "c7a5fdbd-edaf-9455-926a-d65c16db1809", sizeof guest->uuid);
    random_name(guest->name, sizeof guest->name);
    random_name(guest->machine_type, sizeof guest->machine_type);
    random_name(guest->cpu_model, sizeof guest->cpu_model);
    guest->arch = (GuestArch)g_test_rand_int_range(0, 3);
    guest->accel = (GuestAccel)g_test_rand_int_range(0, 2);
    guest->cpu_mode = (CpuMode)g_test_rand_int_range(0, 3);
    guest->max_cpu_compat = (CompatMode)g_test_rand_int_range(0, COMPAT_COUNT);
    guest->effective_mode = (CompatMode)g_test_rand_int_range(0, COMPAT_COUNT);
    guest->pvr = (guint32)g_test_rand_int();
    guest->ic_mode = (IcMode)g_test_rand_int_range(0, 3);
    guest->mmu = g_test_rand_bit() ? MMU_HASH : MMU_RADIX;
    guest->memory_bytes = (guint64)random_int64() >> 1;
    guest->max_memory_bytes = (guint64)random_int64() >> 1;
    guest->resize_hpt = (ResizeHpt)g_test_rand_int_range(0, 3);
    guest->active = g_test_rand_bit();
    guest->tb_offset_ticks = random_int64();
    guest->ahead_lo_ticks = random_int64();
    guest->ahead_hi_ticks = random_int64();
    random_caps(guest->caps);
}

/* JSON -> facts -> D-Bus -> facts -> JSON is the identity on what is known. */
static void test_random_hosts_survive_json_and_dbus(void)
{
    for (int round = 0; round < 500; round++) {
        g_autoptr(GError) error = NULL;
        HostFacts host, from_json, from_dbus;
        random_host(&host);
        g_autofree char *text = host_to_text(&host);
        g_assert_true(parse_host(text, &from_json, &error));
        g_autoptr(GVariant) dict = g_variant_ref_sink(host_facts_to_variant(&from_json));
        g_assert_true(host_facts_from_variant(dict, &from_dbus, &error));
        g_assert_cmphex(from_dbus.known, ==, host.known);
        g_autofree char *again = host_to_text(&from_dbus);
        g_assert_cmpstr(again, ==, text);
    }
}

static void test_random_guests_survive_json_and_dbus(void)
{
    for (int round = 0; round < 500; round++) {
        g_autoptr(GError) error = NULL;
        GuestFacts guest, from_json, from_dbus;
        random_guest(&guest);
        g_autofree char *text = guest_to_text(&guest);
        g_assert_true(parse_guest(text, &from_json, &error));
        g_autoptr(GVariant) dict = g_variant_ref_sink(guest_facts_to_variant(&from_json));
        g_assert_true(guest_facts_from_variant(dict, &from_dbus, &error));
        g_assert_cmphex(from_dbus.known, ==, guest.known);
        g_autofree char *again = guest_to_text(&from_dbus);
        g_assert_cmpstr(again, ==, text);
    }
}

static void test_objects_of_json_glib_are_read_alike(void)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    HostFacts host;
    GuestFacts guest;

    g_assert_true(host_facts_from_json(json_text_parse_object(parser, HOST_TEXT, strlen(HOST_TEXT), NULL), &host, NULL));
    g_autofree char *text = host_to_text(&host);
    g_assert_cmpstr(text, ==, HOST_TEXT);
    g_assert_true(guest_facts_from_json(json_text_parse_object(parser, GUEST_TEXT, strlen(GUEST_TEXT), NULL), &guest, NULL));
    g_autofree char *guest_text = guest_to_text(&guest);
    g_assert_cmpstr(guest_text, ==, GUEST_TEXT);
    g_assert_false(guest_facts_from_json(json_text_parse_object(parser, "{\"mmu\":1}", 9, NULL), &guest, NULL));
}

/* ---- D-Bus ---- */

static void check_variant_refuses(const char *text, const char *part)
{
    g_autoptr(GVariant) dict = g_variant_ref_sink(g_variant_new_parsed(text));
    g_autoptr(GError) error = NULL;
    HostFacts host;

    g_assert_false(host_facts_from_variant(dict, &host, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    if (strstr(error->message, part) == NULL)
        g_error("%s is not in: %s", part, error->message);
}

static void test_dbus_types_are_those_of_the_contract(void)
{
    HostFacts host;
    GuestFacts guest;
    static const char *const host_types[][2] = {
        { "name", "s" },         { "simulated", "b" }, { "pvr", "u" },  { "kvm", "s" },   { "machine_types", "as" },
        { "timebase_hz", "t" },  { "mmu", "as" },      { "caps", "a{sx}" }, { "hpt_max_order", "t" },
    };

    g_assert_true(parse_host(HOST_TEXT, &host, NULL));
    g_assert_true(parse_guest(GUEST_TEXT, &guest, NULL));
    g_autoptr(GVariant) dict = g_variant_ref_sink(host_facts_to_variant(&host));
    g_autoptr(GVariant) guest_dict = g_variant_ref_sink(guest_facts_to_variant(&guest));
    g_assert_cmpstr(g_variant_get_type_string(dict), ==, "a{sv}");
    for (guint i = 0; i < G_N_ELEMENTS(host_types); i++) {
        g_autoptr(GVariant) value = g_variant_lookup_value(dict, host_types[i][0], NULL);
        g_assert_cmpstr(g_variant_get_type_string(value), ==, host_types[i][1]);
    }
    g_autoptr(GVariant) offset = g_variant_lookup_value(guest_dict, "tb_offset_ticks", NULL);
    g_assert_cmpstr(g_variant_get_type_string(offset), ==, "x");
}

static void test_wrong_dbus_values_are_refused(void)
{
    check_variant_refuses("{'name': <7>}", "name");
    check_variant_refuses("{'simulated': <'x'>}", "simulated");
    check_variant_refuses("{'pvr': <uint64 18446744073709551615>}", "18446744073709551615");
    check_variant_refuses("{'pvr': <-1>}", "-1");
    check_variant_refuses("{'pvr': <'x'>}", "pvr");
    check_variant_refuses("{'machine_types': <[1, 2]>}", "machine_types");
    check_variant_refuses("{'caps': <{'ibs': int64 9}>}", "caps.ibs");
    check_variant_refuses("{'caps': <{'ibs': 'x'}>}", "caps");
    check_variant_refuses("[1]", "a{sv}");
}

/* ---- assignments, relation, policy ---- */

static void check_assign_refuses(const char *assignment, const char *part)
{
    g_autoptr(GError) error = NULL;
    HostFacts host;

    host_facts_init(&host);
    g_assert_false(host_facts_assign(&host, assignment, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    g_assert_cmpint(host.known, ==, 0);
    if (strstr(error->message, part) == NULL)
        g_error("%s is not in: %s", part, error->message);
}

static void test_assignments_as_typed(void)
{
    static const char *const typed[] = { "pvr=0x00820200", "mmu=hash, radix",  "caps.ibs=fixed-ccd", "Caps.LargeDecr=on",
                                         "TbOffset=yes",   "Kvm=hv",           "QemuVersion=9.2.0",  "timebase-hz=512000000",
                                         "simulated=true", "machine_types=a,b" };
    HostFacts host;

    host_facts_init(&host);
    for (guint i = 0; i < G_N_ELEMENTS(typed); i++) {
        g_autoptr(GError) error = NULL;
        host_facts_assign(&host, typed[i], &error);
        g_assert_no_error(error);
    }
    g_assert_cmphex(host.pvr, ==, 0x00820200);
    g_assert_cmpint(host.mmu, ==, 3);
    g_assert_cmpint(host.caps[CAP_IBS], ==, 3);
    g_assert_cmpint(host.caps[CAP_LARGE_DECR], ==, 1);
    g_assert_true(host.tb_offset && FACT_KNOWN(&host, HOST_TB_OFFSET));
    g_assert_cmpint(host.qemu_version, ==, QEMU_VERSION(9, 2, 0));
    g_assert_cmpint(host.n_machine_types, ==, 2);
}

static void test_wrong_assignments_are_refused(void)
{
    check_assign_refuses("pvr", "FIELD=VALUE");
    check_assign_refuses("colour=red", "colour");
    check_assign_refuses("pvr=red", "red");
    check_assign_refuses("tb_offset=maybe", "maybe");
    check_assign_refuses("caps=1", "caps");
    check_assign_refuses("caps.colour=1", "colour");
    check_assign_refuses("caps.ibs=fixed", "fixed");
    check_assign_refuses("mmu=soft", "soft");
}

static gboolean parse_relation(const char *text, RelationBounds *ret, GError **error)
{
    g_autoptr(JsonTree) tree = json_tree_new();

    return relation_from_value(json_tree_parse(tree, text, strlen(text), NULL), 512000000, ret, error);
}

static void test_relation_is_read(void)
{
    RelationBounds bounds;

    g_assert_true(parse_relation("{\"tb_lo\":-5,\"tb_hi\":7,\"age_ns\":1000000001}", &bounds, NULL));
    g_assert_cmpint(bounds.state, ==, RELATION_OK);
    g_assert_cmpint(bounds.tb_ticks.lo, ==, -5);
    g_assert_cmpint(bounds.tb_ticks.hi, ==, 7);
    g_assert_cmpint(bounds.age_ticks, ==, 512000001);
    g_assert_cmpint(bounds.tod_ns.lo, ==, G_MININT64);
    g_assert_false(bounds.stored);
    g_assert_true(parse_relation("{\"stored\":true}", &bounds, NULL));
    g_assert_true(bounds.stored);
    g_assert_true(parse_relation("{\"tod_lo_ns\":1,\"tod_hi_ns\":1}", &bounds, NULL));
    g_assert_cmpint(bounds.state, ==, RELATION_NONE);
}

static void test_wrong_relation_is_refused(void)
{
    static const char *const bad[] = {
        "{\"tb_lo\":1}",           "{\"tb_hi\":1}",        "{\"tb_lo\":2,\"tb_hi\":1}",
        "{\"age_ns\":-1}",         "{\"tb_lo\":1.5,\"tb_hi\":2}", "{\"tod_lo_ns\":1,\"tod_hi_ns\":\"2\"}",
        "{\"stored\":1}",
    };
    RelationBounds bounds;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_test_message("%s", bad[i]);
        g_assert_false(parse_relation(bad[i], &bounds, &error));
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    }
}

static gboolean parse_policy(const char *text, Policy *policy, GError **error)
{
    g_autoptr(JsonTree) tree = json_tree_new();

    return policy_from_value(json_tree_parse(tree, text, strlen(text), NULL), policy, error);
}

static void test_policy_keeps_what_is_not_named(void)
{
    Policy policy = POLICY_DEFAULT;

    g_assert_true(parse_policy("{\"UnknownMode\":\"strict\",\"MaxForwardJumpMSec\":40,\"RelationUnknown\":\"allow\"}",
                               &policy, NULL));
    g_assert_cmpint(policy.unknown_mode, ==, UNKNOWN_MODE_STRICT);
    g_assert_cmpint(policy.max_forward_jump_ns, ==, 40000000);
    g_assert_false(policy.relation_unknown_blocks);
    g_assert_true(policy.source_unknown_blocks);
    g_assert_cmpint(policy.max_relation_age_ns, ==, 300 * NS_PER_S);
}

static void test_wrong_policy_is_refused_as_a_whole(void)
{
    static const char *const bad[] = {
        "{\"RelationUnknown\":\"allow\",\"UnknownMode\":\"lax\"}", "{\"SourceUnknown\":true}",
        "{\"MaxForwardJumpMSec\":\"40\"}", "{\"MaxForwardJumpMSec\":-1}", "{\"MaxRelationAgeSec\":1e3}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        Policy policy = POLICY_DEFAULT;
        g_test_message("%s", bad[i]);
        g_assert_false(parse_policy(bad[i], &policy, &error));
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
        g_assert_true(policy.relation_unknown_blocks);
    }
}

static void test_policy_keys_are_checked(void)
{
    g_autoptr(GError) error = NULL;
    Policy policy = POLICY_DEFAULT;

    g_assert_true(policy_set(&policy, "MaxTodSkewMSec", "5", &error));
    g_assert_cmpint(policy.max_tod_skew_ns, ==, 5000000);
    g_assert_false(policy_set(&policy, "MaxTodSkewMSec", "5s", NULL));
    g_assert_false(policy_set(&policy, "Colour", "red", &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/facts-codec/every-host-field-is-read-and-written", test_every_host_field_is_read_and_written);
    g_test_add_func("/facts-codec/every-guest-field-is-read-and-written", test_every_guest_field_is_read_and_written);
    g_test_add_func("/facts-codec/missing-is-unknown-and-unknown-keys-are-ignored",
                    test_missing_is_unknown_and_unknown_keys_are_ignored);
    g_test_add_func("/facts-codec/pvr-is-read-as-number-or-hex", test_pvr_is_read_as_number_or_hex);
    g_test_add_func("/facts-codec/foreign-architectures-are-other", test_foreign_architectures_are_other);
    g_test_add_func("/facts-codec/wrong-values-name-field-and-value", test_wrong_values_name_field_and_value);
    g_test_add_func("/facts-codec/long-strings-and-lists-are-refused-not-cut",
                    test_long_strings_and_lists_are_refused_not_cut);
    g_test_add_func("/facts-codec/uuid-is-normalised", test_uuid_is_normalised);
    g_test_add_func("/facts-codec/random-hosts-survive-json-and-dbus", test_random_hosts_survive_json_and_dbus);
    g_test_add_func("/facts-codec/random-guests-survive-json-and-dbus", test_random_guests_survive_json_and_dbus);
    g_test_add_func("/facts-codec/objects-of-json-glib-are-read-alike", test_objects_of_json_glib_are_read_alike);
    g_test_add_func("/facts-codec/dbus-types-are-those-of-the-contract", test_dbus_types_are_those_of_the_contract);
    g_test_add_func("/facts-codec/wrong-dbus-values-are-refused", test_wrong_dbus_values_are_refused);
    g_test_add_func("/facts-codec/assignments-as-typed", test_assignments_as_typed);
    g_test_add_func("/facts-codec/wrong-assignments-are-refused", test_wrong_assignments_are_refused);
    g_test_add_func("/facts-codec/relation-is-read", test_relation_is_read);
    g_test_add_func("/facts-codec/wrong-relation-is-refused", test_wrong_relation_is_refused);
    g_test_add_func("/facts-codec/policy-keeps-what-is-not-named", test_policy_keeps_what_is_not_named);
    g_test_add_func("/facts-codec/wrong-policy-is-refused-as-a-whole", test_wrong_policy_is_refused_as_a_whole);
    g_test_add_func("/facts-codec/policy-keys-are-checked", test_policy_keys_are_checked);
    return g_test_run();
}
