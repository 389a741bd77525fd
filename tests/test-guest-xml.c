/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-xml.h"

#include <string.h>

#include "error.h"

#define UUID  "c7a5fdbd-edaf-9455-926a-d65c16db1809"
#define IDENT "<name>db1</name><uuid>" UUID "</uuid>"
#define OS    "<os><type arch='ppc64le' machine='pseries-7.2'>hvm</type></os>"

static GuestFacts parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    GuestFacts guest;

    guest_xml_parse(xml, strlen(xml), &guest, &error);
    g_assert_no_error(error);
    return guest;
}

/* A pseries KVM guest with `rest` in it. */
static GuestFacts parse_with(const char *rest)
{
    g_autofree char *xml = g_strdup_printf("<domain type='kvm'>" IDENT OS "%s</domain>", rest);

    return parse(xml);
}

static void check_bytes_refused(const char *xml, gsize length, const char *part)
{
    g_autoptr(GError) error = NULL;
    GuestFacts guest, before;

    memset(&guest, 0x5a, sizeof guest);
    before = guest;
    g_assert_false(guest_xml_parse(xml, length, &guest, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    if (strstr(error->message, part) == NULL)
        g_error("\"%s\" is not in: %s", part, error->message);
    g_assert_cmpmem(&guest, sizeof guest, &before, sizeof before);
}

static void check_refused(const char *xml, const char *part)
{
    check_bytes_refused(xml, strlen(xml), part);
}

static void check_rest_refused(const char *rest, const char *part)
{
    g_autofree char *xml = g_strdup_printf("<domain type='kvm'>" IDENT OS "%s</domain>", rest);

    check_refused(xml, part);
}

static void test_whole_guest_as_libvirt_writes_it(void)
{
    GuestFacts guest = parse(
        "<?xml version='1.0'?>\n<!-- c -->\n<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
        "  <name>db 1</name>\n  <uuid> C7A5FDBD-EDAF-9455-926A-D65C16DB1809 </uuid>\n"
        "  <metadata><x:uuid xmlns:x='urn:x'>7</x:uuid></metadata>\n"
        "  <maxMemory slots='16' unit='GiB'>16</maxMemory>\n  <memory unit='KiB'>1048576</memory>\n"
        "  <os><type arch='ppc64le' machine='pseries-7.2'>hvm</type></os>\n"
        "  <features><htm state='off'/><nested-hv state='on'/><ccf-assist state='on'/><cfpc value='workaround'/>"
        "<sbbc value='fixed'/><ibs value='fixed-ccd'/>"
        "<hpt resizing='required'><maxpagesize unit='MiB'>16</maxpagesize></hpt></features>\n"
        "  <cpu mode='host-model' check='partial'><model fallback='forbid'>power8</model></cpu>\n"
        "  <devices><graphics type='vnc' passwd='secret'/></devices></domain>\n");

    g_assert_cmpstr(guest.uuid, ==, UUID);
    g_assert_cmpstr(guest.name, ==, "db 1");
    g_assert_cmpint(guest.arch, ==, ARCH_PPC64LE);
    g_assert_cmpint(guest.accel, ==, ACCEL_KVM);
    g_assert_cmpstr(guest.machine_type, ==, "pseries-7.2");
    g_assert_cmpint(guest.cpu_mode, ==, CPU_HOST_MODEL);
    g_assert_cmpint(guest.max_cpu_compat, ==, COMPAT_POWER8);
    g_assert_cmpint(guest.memory_bytes, ==, 1073741824);
    g_assert_cmpint(guest.max_memory_bytes, ==, G_GINT64_CONSTANT(17179869184));
    g_assert_cmpint(guest.caps[CAP_HTM], ==, 0);
    g_assert_cmpint(guest.caps[CAP_NESTED_HV], ==, 1);
    g_assert_cmpint(guest.caps[CAP_CCF_ASSIST], ==, 1);
    g_assert_cmpint(guest.caps[CAP_CFPC], ==, 1);
    g_assert_cmpint(guest.caps[CAP_SBBC], ==, 2);
    g_assert_cmpint(guest.caps[CAP_IBS], ==, 3);
    g_assert_cmpint(guest.caps[CAP_HPT_MAX_PAGE_SIZE], ==, 24);
    g_assert_cmpint(guest.caps[CAP_LARGE_DECR], ==, CAP_UNKNOWN);
    g_assert_cmpint(guest.resize_hpt, ==, RESIZE_HPT_REQUIRED);
    g_assert_cmpint(guest.ic_mode, ==, IC_DUAL);
    g_assert_false(FACT_KNOWN(&guest, GUEST_CPU_MODEL));
    g_assert_false(FACT_KNOWN(&guest, GUEST_EFFECTIVE_MODE));
    g_assert_false(FACT_KNOWN(&guest, GUEST_PVR));
}

static void test_limit_is_known_to_be_unset(void)
{
    static const char *const cpus[] = {
        "", "<cpu mode='host-model' check='partial'/>", "<cpu mode='host-passthrough' check='none'/>",
        "<cpu mode='custom'><model>POWER9</model></cpu>", "<cpu mode='maximum'/>",
        "<cpu mode='host-model'><model/></cpu>",
    };

    for (guint i = 0; i < G_N_ELEMENTS(cpus); i++) {
        GuestFacts guest = parse_with(cpus[i]);
        g_test_message("%s", cpus[i]);
        g_assert_true(FACT_KNOWN(&guest, GUEST_MAX_CPU_COMPAT));
        g_assert_cmpint(guest.max_cpu_compat, ==, COMPAT_RAW);
    }
}

static void test_unknown_limit_is_unknown(void)
{
    GuestFacts guest = parse_with("<cpu mode='host-model'><model>POWER8</model></cpu>");

    g_assert_false(FACT_KNOWN(&guest, GUEST_MAX_CPU_COMPAT));
}

static void test_custom_model_is_the_cpu(void)
{
    GuestFacts guest = parse_with("<cpu mode='custom' match='exact'><model fallback='forbid'>POWER9</model></cpu>");

    g_assert_cmpint(guest.cpu_mode, ==, CPU_CUSTOM);
    g_assert_cmpstr(guest.cpu_model, ==, "POWER9");
    guest = parse_with("<cpu><model>POWER8</model></cpu>");
    g_assert_cmpint(guest.cpu_mode, ==, CPU_CUSTOM);
}

static void test_only_explicit_capabilities_are_set(void)
{
    GuestFacts guest = parse_with("<features><acpi/></features>");

    g_assert_true(FACT_KNOWN(&guest, GUEST_CAPS));
    for (int cap = 0; cap < CAP_COUNT; cap++)
        g_assert_cmpint(guest.caps[cap], ==, CAP_UNKNOWN);
    g_assert_false(FACT_KNOWN(&guest, GUEST_RESIZE_HPT));
}

static GuestFacts parse_args(const char *args)
{
    g_autofree char *xml = g_strdup_printf("<domain type='qemu' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>" IDENT OS
                                           "<cpu mode='custom'><model>POWER8</model></cpu>"
                                           "<q:commandline>%s</q:commandline></domain>",
                                           args);
    return parse(xml);
}

static void test_command_line_of_qemu_is_read(void)
{
    GuestFacts guest = parse_args("<q:arg value='-machine'/><q:arg value='pseries-6.2,max-cpu-compat=power8,cap-ibs=workaround,"
                                  "cap-hpt-max-page-size=64k,cap-large-decr=off,ic-mode=xics,resize-hpt=disabled,usb=off'/>"
                                  "<q:arg value='-cpu'/><q:arg value='power9_v2.0'/>");

    g_assert_cmpint(guest.accel, ==, ACCEL_TCG);
    g_assert_cmpstr(guest.machine_type, ==, "pseries-6.2");
    g_assert_cmpint(guest.max_cpu_compat, ==, COMPAT_POWER8);
    g_assert_cmpint(guest.caps[CAP_IBS], ==, 1);
    g_assert_cmpint(guest.caps[CAP_HPT_MAX_PAGE_SIZE], ==, 16);
    g_assert_cmpint(guest.caps[CAP_LARGE_DECR], ==, 0);
    g_assert_cmpint(guest.ic_mode, ==, IC_XICS);
    g_assert_cmpint(guest.resize_hpt, ==, RESIZE_HPT_DISABLED);
    g_assert_cmpstr(guest.cpu_model, ==, "power9_v2.0");
}

static void test_command_line_forms(void)
{
    GuestFacts guest = parse_args("<q:arg value='-M'/><q:arg value='max-cpu-compat=power7+'/>");

    g_assert_cmpint(guest.max_cpu_compat, ==, COMPAT_POWER7PLUS);
    g_assert_cmpstr(guest.machine_type, ==, "pseries-7.2");
    guest = parse_args("<q:arg value='--machine'/><q:arg value='max-cpu-compat=power12'/>");
    g_assert_false(FACT_KNOWN(&guest, GUEST_MAX_CPU_COMPAT));
    guest = parse_args("<q:arg value='-cpu'/><q:arg value='host,compat=power8'/>");
    g_assert_cmpint(guest.max_cpu_compat, ==, COMPAT_POWER8);
    g_assert_false(FACT_KNOWN(&guest, GUEST_CPU_MODEL));
    guest = parse_args("<q:arg value='-machine'/>");
    g_assert_cmpint(guest.max_cpu_compat, ==, COMPAT_RAW);
    guest = parse_args("<q:env name='A' value='-cpu'/><q:arg value='-foo'/><q:arg value='max-cpu-compat=power8'/>");
    g_assert_cmpint(guest.max_cpu_compat, ==, COMPAT_RAW);
}

static void test_command_line_of_a_foreign_namespace_is_ignored(void)
{
    GuestFacts guest = parse("<domain type='kvm' xmlns:q='urn:other'>" IDENT OS "<q:commandline><q:arg value='-machine'/>"
                             "<q:arg value='max-cpu-compat=power8'/></q:commandline></domain>");

    g_assert_cmpint(guest.max_cpu_compat, ==, COMPAT_RAW);
}

static IcMode ic_mode_of(const char *machine, gboolean *ret_known)
{
    g_autofree char *xml = g_strdup_printf("<domain type='kvm'>" IDENT "<os><type arch='ppc64' machine='%s'/></os></domain>",
                                           machine);
    GuestFacts guest = parse(xml);

    *ret_known = FACT_KNOWN(&guest, GUEST_IC_MODE);
    return guest.ic_mode;
}

static void test_interrupt_controller_follows_the_machine_type(void)
{
    gboolean known;

    g_assert_cmpint(ic_mode_of("pseries-4.0", &known), ==, IC_XICS);
    g_assert_true(known);
    g_assert_cmpint(ic_mode_of("pseries-4.1", &known), ==, IC_DUAL);
    g_assert_true(known);
    g_assert_cmpint(ic_mode_of("pseries-10.0", &known), ==, IC_DUAL);
    g_assert_true(known);
    ic_mode_of("pseries", &known);
    g_assert_false(known);
    ic_mode_of("pseries-rhel7.6.0", &known);
    g_assert_false(known);
}

static void check_other(const char *arch, const char *machine)
{
    g_autofree char *xml = g_strdup_printf("<domain type='kvm'>" IDENT "<memory>1</memory><os><type arch='%s' machine='%s'/></os>"
                                           "<features><ibs value='nonsense'/></features></domain>",
                                           arch, machine);
    GuestFacts guest = parse(xml);

    g_assert_cmpint(guest.arch, ==, ARCH_OTHER);
    g_assert_cmphex(guest.known, ==, FACT_BIT(GUEST_UUID) | FACT_BIT(GUEST_NAME) | FACT_BIT(GUEST_ARCH));
}

static void test_guests_that_are_none_of_ours(void)
{
    check_other("x86_64", "pc-q35-7.2");
    check_other("s390x", "pseries-7.2");
    check_other("ppc64", "powernv9");
}

static guint64 memory_of(const char *element)
{
    return parse_with(element).memory_bytes;
}

static void test_memory_units(void)
{
    g_assert_cmpint(memory_of("<memory>1024</memory>"), ==, 1048576);
    g_assert_cmpint(memory_of("<memory unit='b'>1024</memory>"), ==, 1024);
    g_assert_cmpint(memory_of("<memory unit='bytes'>1024</memory>"), ==, 1024);
    g_assert_cmpint(memory_of("<memory unit='KB'>3</memory>"), ==, 3000);
    g_assert_cmpint(memory_of("<memory unit='k'>3</memory>"), ==, 3072);
    g_assert_cmpint(memory_of("<memory unit='MB'>3</memory>"), ==, 3000000);
    g_assert_cmpint(memory_of("<memory unit='MiB'>3</memory>"), ==, 3145728);
    g_assert_cmpint(memory_of("<memory unit='G'>2</memory>"), ==, G_GINT64_CONSTANT(2147483648));
    g_assert_cmpint(memory_of("<memory unit='TiB'>1</memory>"), ==, G_GINT64_CONSTANT(1099511627776));
    g_assert_cmpint(parse_with("<memory>1024</memory>").max_memory_bytes, ==, 1048576);
    check_rest_refused("<memory unit='stone'>1</memory>", "stone");
    check_rest_refused("<memory unit='KiBB'>1</memory>", "KiBB");
    check_rest_refused("<memory unit='EiB'>8</memory>", "memory");
    check_rest_refused("<memory>99999999999999999999</memory>", "99999999999999999999");
    check_rest_refused("<memory>-1</memory>", "-1");
    check_rest_refused("<memory/>", "memory");
    check_rest_refused("<memory>1</memory><maxMemory>x</maxMemory>", "maxMemory");
}

static void test_explicit_capability_must_be_understood(void)
{
    check_rest_refused("<features><ibs value='fixed-everything'/></features>", "fixed-everything");
    check_rest_refused("<features><htm/></features>", "htm");
    check_rest_refused("<features><hpt><maxpagesize unit='KiB'>65</maxpagesize></hpt></features>", "power of two");
    check_rest_refused("<features><hpt><maxpagesize>1</maxpagesize></hpt></features>", "hpt-max-page-size");
    check_rest_refused("<x:commandline xmlns:x='http://libvirt.org/schemas/domain/qemu/1.0'><x:arg value='-M'/>"
                       "<x:arg value='cap-cfpc=9'/></x:commandline>", "cfpc");
    check_rest_refused("<x:commandline xmlns:x='http://libvirt.org/schemas/domain/qemu/1.0'><x:arg value='-M'/>"
                       "<x:arg value='cap-hpt-max-page-size=big'/></x:commandline>", "big");
}

static void test_identity_is_needed(void)
{
    check_refused("<domain type='kvm'><name>a</name></domain>", "no uuid");
    check_refused("<domain type='kvm'><name>a</name><uuid>7</uuid></domain>", "7");
    check_refused("<domain type='kvm'><name>a</name><uuid>../../../../etc/passwd/aaaaaaaaaaaaaa</uuid></domain>", "UUID");
    check_refused("<domain type='kvm'><uuid>" UUID "</uuid></domain>", "no name");
    check_refused("<domain type='kvm'><name>a\nb</name><uuid>" UUID "</uuid></domain>", "control");
    g_autofree char *name = g_strnfill(300, 'n');
    g_autofree char *xml = g_strdup_printf("<domain><name>%s</name><uuid>" UUID "</uuid></domain>", name);
    check_refused(xml, "255 bytes");
}

static void test_what_is_no_domain_is_refused(void)
{
    check_refused("", "nothing");
    check_refused("hello", "well-formed");
    check_refused("<domain>", "well-formed");
    check_refused("<domain></domain><domain/>", "well-formed");
    check_refused("<domstatus><domain/></domstatus>", "top element");
    check_refused("<domain xmlns='urn:other'>" IDENT "</domain>", "top element");
    check_refused("<d:domain xmlns:d='urn:other'>" IDENT "</d:domain>", "top element");
    check_refused("<domain><name>&undefined;</name><uuid>" UUID "</uuid></domain>", "well-formed");
}

static void test_entities_are_refused(void)
{
    check_refused("<!DOCTYPE domain [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
                  "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>]>"
                  "<domain><name>&d;</name><uuid>" UUID "</uuid></domain>", "DOCTYPE");
    check_refused("<!DOCTYPE domain [<!ENTITY f SYSTEM 'file:///etc/passwd'>]>"
                  "<domain><name>&f;</name><uuid>" UUID "</uuid></domain>", "DOCTYPE");
    check_refused("<!DOCTYPE domain SYSTEM 'http://127.0.0.1:1/d.dtd'><domain>" IDENT "</domain>", "DOCTYPE");
    check_refused("<!DOCTYPE domain><domain>" IDENT "</domain>", "DOCTYPE");
}

static void test_depth_and_size_are_bounded(void)
{
    GString *deep = g_string_new("<domain>" IDENT);

    for (int i = 0; i < 10000; i++)
        g_string_append(deep, "<a>");
    for (int i = 0; i < 10000; i++)
        g_string_append(deep, "</a>");
    g_string_append(deep, "</domain>");
    check_refused(deep->str, "nested too deep");
    g_string_free(deep, TRUE);

    g_autofree char *huge = g_strnfill(GUEST_XML_MAX + 1, ' ');
    check_refused(huge, "limit");
}

static void test_bytes_that_are_no_text_are_refused(void)
{
    static const char nul[] = "<domain>" IDENT "\0</domain>";
    static const char utf16[] = "\xff\xfe<\0d\0o\0m\0";

    check_bytes_refused(nul, sizeof nul - 1, "UTF-8");
    check_bytes_refused(utf16, sizeof utf16 - 1, "UTF-8");
    check_refused("<domain><name>\xe4</name><uuid>" UUID "</uuid></domain>", "UTF-8");
}

/* No message may quote what stands in the XML beside the facts. */
static void test_secrets_stay_out_of_messages(void)
{
    static const char xml[] = "<domain>" IDENT "<graphics passwd='hunter2'><hunter2></graphics></domain>";
    g_autoptr(GError) error = NULL;
    GuestFacts guest;

    g_assert_false(guest_xml_parse(xml, strlen(xml), &guest, &error));
    g_assert_null(strstr(error->message, "hunter2"));
}

static void test_mutations_never_crash(void)
{
    static const char good[] = "<domain type='kvm' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>" IDENT OS
                               "<memory unit='KiB'>1</memory><cpu mode='host-model'><model>power8</model></cpu>"
                               "<q:commandline><q:arg value='-M'/><q:arg value='a,b=c'/></q:commandline></domain>";

    for (guint round = 0; round < 5000; round++) {
        char xml[sizeof good];
        GuestFacts guest;
        memcpy(xml, good, sizeof good);
        for (guint i = 0; i < 2; i++)
            xml[g_test_rand_int_range(0, sizeof good - 1)] = "<>&'/=: x!\x80"[g_test_rand_int_range(0, 11)];
        guest_xml_parse(xml, sizeof good - 1, &guest, NULL);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GTestFunc test;
    } cases[] = {
        { "whole-guest-as-libvirt-writes-it", test_whole_guest_as_libvirt_writes_it },
        { "limit-is-known-to-be-unset", test_limit_is_known_to_be_unset },
        { "unknown-limit-is-unknown", test_unknown_limit_is_unknown },
        { "custom-model-is-the-cpu", test_custom_model_is_the_cpu },
        { "only-explicit-capabilities-are-set", test_only_explicit_capabilities_are_set },
        { "command-line-of-qemu-is-read", test_command_line_of_qemu_is_read },
        { "command-line-forms", test_command_line_forms },
        { "command-line-of-a-foreign-namespace-is-ignored", test_command_line_of_a_foreign_namespace_is_ignored },
        { "interrupt-controller-follows-the-machine-type", test_interrupt_controller_follows_the_machine_type },
        { "guests-that-are-none-of-ours", test_guests_that_are_none_of_ours },
        { "memory-units", test_memory_units },
        { "explicit-capability-must-be-understood", test_explicit_capability_must_be_understood },
        { "identity-is-needed", test_identity_is_needed },
        { "what-is-no-domain-is-refused", test_what_is_no_domain_is_refused },
        { "entities-are-refused", test_entities_are_refused },
        { "depth-and-size-are-bounded", test_depth_and_size_are_bounded },
        { "bytes-that-are-no-text-are-refused", test_bytes_that_are_no_text_are_refused },
        { "secrets-stay-out-of-messages", test_secrets_stay_out_of_messages },
        { "mutations-never-crash", test_mutations_never_crash },
    };

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/guest-xml/%s", cases[i].name);
        g_test_add_func(path, cases[i].test);
    }
    return g_test_run();
}
