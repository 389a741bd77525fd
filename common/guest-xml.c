/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-xml.h"

#include <libxml/parser.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "facts-table.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlParserCtxt, xmlFreeParserCtxt)

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

/* One reading: what is filled and where the first error goes. */
typedef struct Reading {
    GuestFacts guest;
    GError **error;
} Reading;

static gboolean refuse(GError **error, const char *what)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "domain XML: %s", what);
    return FALSE;
}

static gboolean refuse_value(GError **error, const char *what, const char *value, const char *wanted)
{
    g_autofree char *field = g_strdup_printf("domain XML: %s", what);

    return fact_refuse(error, field, value, wanted);
}

/* ---- the tree ---- */

/* An entity needs a DOCTYPE, and libvirt writes none: stop before a single declaration is read. */
static void on_doctype(void *data, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id)
{
    xmlParserCtxt *context = data;

    context->_private = context;
    xmlStopParser(context);
}

/* libxml2's own limits stay on: 256 levels, 10 MB a text. Its messages are not passed on, since they may quote
 * what a secret stands beside. */
static xmlDoc *parse_tree(const char *xml, gsize length, GError **error)
{
    g_autoptr(xmlParserCtxt) context = NULL;

    if (length > GUEST_XML_MAX) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "domain XML: %" G_GSIZE_FORMAT " bytes are more than the limit of %u", length, GUEST_XML_MAX);
        return NULL;
    }
    if (length == 0 || !g_utf8_validate_len(xml, length, NULL)) {
        refuse(error, length == 0 ? "nothing was given" : "it is not UTF-8 text");
        return NULL;
    }
    context = xmlNewParserCtxt();
    if (context == NULL)
        g_error("no memory for domain XML");
    context->sax->internalSubset = on_doctype;
    g_autoptr(xmlDoc) doc = xmlCtxtReadMemory(context, xml, (int)length, NULL, "UTF-8",
                                              XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (context->_private != NULL) {
        refuse(error, "it has a DOCTYPE, which libvirt never writes");
        return NULL;
    }
    if (doc == NULL || !context->wellFormed) {
        const xmlError *last = xmlCtxtGetLastError(context);
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "domain XML: not well-formed or nested too deep, line %d", last != NULL ? last->line : 0);
        return NULL;
    }
    return g_steal_pointer(&doc);
}

/* Of libvirt's own vocabulary, which has no namespace. */
static gboolean node_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && node->ns == NULL && strcmp((const char *)node->name, name) == 0;
}

static gboolean node_is_qemu(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && node->ns != NULL &&
           strcmp((const char *)node->ns->href, QEMU_NAMESPACE) == 0 && strcmp((const char *)node->name, name) == 0;
}

/* The first child of that name, as libvirt takes it; NULL if there is none or no parent. */
static xmlNode *child_of(const xmlNode *parent, const char *name)
{
    for (xmlNode *node = parent != NULL ? parent->children : NULL; node != NULL; node = node->next)
        if (node_is(node, name))
            return node;
    return NULL;
}

static char *take(xmlChar *text)
{
    char *copy = g_strdup((const char *)text);

    xmlFree(text);
    return copy;
}

/* (transfer full) (nullable) */
static char *attribute_of(const xmlNode *node, const char *name)
{
    return node != NULL ? take(xmlGetNoNsProp(node, (const xmlChar *)name)) : NULL;
}

/* Without the white space around it. (transfer full) (nullable) */
static char *text_of(const xmlNode *node)
{
    char *text = node != NULL ? take(xmlNodeGetContent(node)) : NULL;

    return text != NULL ? g_strstrip(text) : NULL;
}

/* ---- facts ---- */

static gboolean store(Reading *r, GuestField field, const char *text)
{
    RawFact raw = { .kind = RAW_STRING, .string = text };
    g_autoptr(GError) error = NULL;

    g_assert(guest_fields[field].bit == field);
    if (fact_store(&guest_fields[field], &r->guest, &raw, &error))
        return TRUE;
    return refuse(r->error, error->message);
}

static void forget(Reading *r, GuestField field)
{
    r->guest.known &= ~FACT_BIT(field);
}

/* A word that we do not know makes the fact unknown, not the guest unreadable: policy decides what that means. */
static void store_word(Reading *r, GuestField field, const char *text)
{
    RawFact raw = { .kind = RAW_STRING, .string = text };

    if (!fact_store(&guest_fields[field], &r->guest, &raw, NULL))
        forget(r, field);
}

/* An explicit capability is the exception: left out it would pass for "not set". */
static gboolean store_cap(Reading *r, SpaprCap cap, const char *text)
{
    int level;

    if (!spapr_cap_level_parse(cap, text, &level)) {
        g_autofree char *what = g_strdup_printf("capability %s", spapr_cap_name(cap));
        return refuse_value(r->error, what, text, "one of its levels");
    }
    r->guest.caps[cap] = (gint8)level;
    return TRUE;
}

/* Bytes -> log2, which is how levels of hpt-max-page-size are counted. */
static gboolean store_page_size(Reading *r, guint64 bytes)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
    g_autofree char *shift = g_strdup_printf("%u", bytes != 0 ? g_bit_storage(bytes) - 1 : 0);

    if (bytes == 0 || (bytes & (bytes - 1)) != 0)
        return refuse_value(r->error, "hpt maxpagesize", text, "a power of two");
    return store_cap(r, CAP_HPT_MAX_PAGE_SIZE, shift);
}

/* libvirt's scale of sizes: a letter or KiB count in 1024, KB in 1000; case does not matter. */
static gboolean unit_factor(const char *unit, guint64 *ret)
{
    static const char letters[] = "kmgtpe";
    gsize length = strlen(unit);
    guint64 base = length == 2 ? 1000 : 1024, factor = 1;

    if (g_ascii_strcasecmp(unit, "b") == 0 || g_ascii_strcasecmp(unit, "byte") == 0 ||
        g_ascii_strcasecmp(unit, "bytes") == 0) {
        *ret = 1;
        return TRUE;
    }
    const char *letter = length >= 1 ? strchr(letters, g_ascii_tolower(unit[0])) : NULL;
    if (letter == NULL || *letter == '\0' ||
        !(length == 1 || g_ascii_strcasecmp(unit + 1, "b") == 0 || g_ascii_strcasecmp(unit + 1, "ib") == 0))
        return FALSE;
    for (const char *step = letters; step <= letter; step++)
        factor *= base;
    *ret = factor;
    return TRUE;
}

/* A size element; libvirt's default unit is KiB for memory and bytes for a page. */
static gboolean read_size(Reading *r, const xmlNode *node, const char *default_unit, guint64 *ret)
{
    g_autofree char *text = text_of(node);
    g_autofree char *unit = attribute_of(node, "unit");
    const char *what = (const char *)node->name;
    guint64 number, factor, bytes;

    if (!unit_factor(unit != NULL ? unit : default_unit, &factor))
        return refuse_value(r->error, what, unit, "a unit of size");
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number, NULL) ||
        __builtin_mul_overflow(number, factor, &bytes) || bytes > G_MAXINT64)
        return refuse_value(r->error, what, text, "a number of that unit below 8 EiB");
    *ret = bytes;
    return TRUE;
}

static gboolean read_identity(Reading *r, const xmlNode *domain)
{
    g_autofree char *uuid = text_of(child_of(domain, "uuid"));
    const xmlNode *name_node = child_of(domain, "name");

    if (uuid == NULL)
        return refuse(r->error, "it has no uuid");
    if (!uuid_normalise(uuid, r->guest.uuid))
        return refuse_value(r->error, "uuid", uuid, "a UUID");
    FACT_SET(&r->guest, GUEST_UUID);
    g_autofree char *name = name_node != NULL ? take(xmlNodeGetContent(name_node)) : NULL;
    if (name == NULL)
        return refuse(r->error, "it has no name");
    return store(r, GUEST_NAME, name);
}

static gboolean read_machine(Reading *r, const xmlNode *domain)
{
    const xmlNode *type = child_of(child_of(domain, "os"), "type");
    g_autofree char *arch = attribute_of(type, "arch");
    g_autofree char *machine = attribute_of(type, "machine");
    g_autofree char *accel = attribute_of(domain, "type");

    if (arch != NULL && !store(r, GUEST_ARCH, arch))
        return FALSE;
    if (FACT_KNOWN(&r->guest, GUEST_ARCH) && r->guest.arch == ARCH_OTHER)
        return TRUE;
    if (machine != NULL && !g_str_has_prefix(machine, "pseries")) {
        r->guest.arch = ARCH_OTHER;
        FACT_SET(&r->guest, GUEST_ARCH);
        return TRUE;
    }
    if (machine != NULL && !store(r, GUEST_MACHINE_TYPE, machine))
        return FALSE;
    store_word(r, GUEST_ACCEL, g_strcmp0(accel, "qemu") == 0 ? "tcg" : accel != NULL ? accel : "");
    return TRUE;
}

/* host-model with a model is the limit max-cpu-compat; everything else leaves it unset. */
static gboolean read_cpu(Reading *r, const xmlNode *domain)
{
    const xmlNode *cpu = child_of(domain, "cpu");
    g_autofree char *mode = attribute_of(cpu, "mode");
    g_autofree char *model = text_of(child_of(cpu, "model"));
    gboolean is_limit = g_strcmp0(mode, "host-model") == 0;

    store_word(r, GUEST_MAX_CPU_COMPAT, is_limit && model != NULL ? model : "");
    if (cpu != NULL)
        store_word(r, GUEST_CPU_MODE, mode != NULL ? mode : "custom");
    if (model == NULL || is_limit)
        return TRUE;
    return store(r, GUEST_CPU_MODEL, model);
}

static gboolean read_hpt(Reading *r, const xmlNode *hpt)
{
    g_autofree char *resizing = attribute_of(hpt, "resizing");
    const xmlNode *page = child_of(hpt, "maxpagesize");
    guint64 bytes;

    if (resizing != NULL)
        store_word(r, GUEST_RESIZE_HPT, resizing);
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): set where read_size() is TRUE */
    return page == NULL || (read_size(r, page, "b", &bytes) && store_page_size(r, bytes));
}

static gboolean read_features(Reading *r, const xmlNode *domain)
{
    static const struct {
        const char *element;
        const char *attribute;
        SpaprCap cap;
    } known[] = {
        { "htm", "state", CAP_HTM },           { "nested-hv", "state", CAP_NESTED_HV },
        { "ccf-assist", "state", CAP_CCF_ASSIST }, { "cfpc", "value", CAP_CFPC },
        { "sbbc", "value", CAP_SBBC },         { "ibs", "value", CAP_IBS },
    };
    const xmlNode *features = child_of(domain, "features");
    const xmlNode *hpt = child_of(features, "hpt");

    FACT_SET(&r->guest, GUEST_CAPS);
    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        const xmlNode *node = child_of(features, known[i].element);
        g_autofree char *value = attribute_of(node, known[i].attribute);
        if (node != NULL && !store_cap(r, known[i].cap, value != NULL ? value : ""))
            return FALSE;
    }
    return hpt == NULL || read_hpt(r, hpt);
}

/* Without maxMemory nothing can be plugged: the maximum is what is there. */
static gboolean read_memory(Reading *r, const xmlNode *domain)
{
    const xmlNode *memory = child_of(domain, "memory"), *max = child_of(domain, "maxMemory");

    if (memory == NULL)
        return TRUE;
    if (!read_size(r, memory, "KiB", &r->guest.memory_bytes))
        return FALSE;
    r->guest.max_memory_bytes = r->guest.memory_bytes;
    if (max != NULL && !read_size(r, max, "KiB", &r->guest.max_memory_bytes))
        return FALSE;
    FACT_SET(&r->guest, GUEST_MEMORY_BYTES);
    FACT_SET(&r->guest, GUEST_MAX_MEMORY_BYTES);
    return TRUE;
}

/* QEMU changed the default from xics to dual with pseries-4.1 (hw/ppc/spapr.c, class options). Names of other schemes
 * say nothing about it. */
static void assume_ic_mode(Reading *r)
{
    unsigned major, minor;
    char rest;

    if (!FACT_KNOWN(&r->guest, GUEST_MACHINE_TYPE) || FACT_KNOWN(&r->guest, GUEST_IC_MODE) ||
        sscanf(r->guest.machine_type, "pseries-%3u.%3u%c", &major, &minor, &rest) != 2)
        return;
    r->guest.ic_mode = major > 4 || (major == 4 && minor >= 1) ? IC_DUAL : IC_XICS;
    FACT_SET(&r->guest, GUEST_IC_MODE);
}

/* ---- qemu:commandline ---- */

/* QEMU's page size option takes bytes with a binary suffix. */
static gboolean apply_page_size(Reading *r, const char *value)
{
    gsize digits = strspn(value, G_CSET_DIGITS);
    g_autofree char *number = g_strndup(value, digits);
    guint64 bytes, factor;

    if (!unit_factor(value[digits] != '\0' ? value + digits : "b", &factor) ||
        !g_ascii_string_to_unsigned(number, 10, 0, G_MAXUINT32, &bytes, NULL) ||
        __builtin_mul_overflow(bytes, factor, &bytes))
        return refuse_value(r->error, "cap-hpt-max-page-size", value, "a size");
    return store_page_size(r, bytes);
}

static gboolean apply_machine_option(Reading *r, const char *key, const char *value)
{
    SpaprCap cap;

    if (strcmp(key, "type") == 0)
        return store(r, GUEST_MACHINE_TYPE, value);
    if (strcmp(key, "max-cpu-compat") == 0)
        store_word(r, GUEST_MAX_CPU_COMPAT, value);
    else if (strcmp(key, "ic-mode") == 0)
        store_word(r, GUEST_IC_MODE, value);
    else if (strcmp(key, "resize-hpt") == 0)
        store_word(r, GUEST_RESIZE_HPT, value);
    else if (g_str_has_prefix(key, "cap-") && spapr_cap_parse(key + 4, &cap))
        return cap == CAP_HPT_MAX_PAGE_SIZE ? apply_page_size(r, value) : store_cap(r, cap, value);
    return TRUE;
}

/* "pseries-7.2,max-cpu-compat=power8": the first word without "=" is the machine type. */
static gboolean apply_machine(Reading *r, const char *options)
{
    g_auto(GStrv) words = g_strsplit(options, ",", -1);

    for (guint i = 0; words[i] != NULL; i++) {
        char *equals = strchr(words[i], '=');
        if (equals != NULL)
            *equals = '\0';
        else if (i > 0)
            continue;
        if (!apply_machine_option(r, equals != NULL ? words[i] : "type", equals != NULL ? equals + 1 : words[i]))
            return FALSE;
    }
    return TRUE;
}

/* "POWER9" or "host,compat=power8", the spelling of QEMU before 6.0. */
static gboolean apply_cpu(Reading *r, const char *options)
{
    g_auto(GStrv) words = g_strsplit(options, ",", -1);

    for (guint i = 1; words[0] != NULL && words[i] != NULL; i++)
        if (g_str_has_prefix(words[i], "compat="))
            store_word(r, GUEST_MAX_CPU_COMPAT, words[i] + strlen("compat="));
    if (words[0] != NULL && strcmp(words[0], "host") != 0)
        return store(r, GUEST_CPU_MODEL, words[0]);
    forget(r, GUEST_CPU_MODEL);
    return TRUE;
}

static gboolean apply_argument(Reading *r, const char *option, const char *value)
{
    const char *name = option[0] == '-' && option[1] == '-' ? option + 1 : option;

    if (strcmp(name, "-machine") == 0 || strcmp(name, "-M") == 0)
        return apply_machine(r, value);
    if (strcmp(name, "-cpu") == 0)
        return apply_cpu(r, value);
    return TRUE;
}

static gboolean read_arguments(Reading *r, const xmlNode *commandline)
{
    g_autofree char *previous = NULL;

    for (const xmlNode *node = commandline->children; node != NULL; node = node->next) {
        if (!node_is_qemu(node, "arg"))
            continue;
        g_autofree char *value = attribute_of(node, "value");
        if (previous != NULL && value != NULL && !apply_argument(r, previous, value))
            return FALSE;
        g_free(previous);
        previous = g_steal_pointer(&value);
    }
    return TRUE;
}

static gboolean read_commandlines(Reading *r, const xmlNode *domain)
{
    for (const xmlNode *node = domain->children; node != NULL; node = node->next)
        if (node_is_qemu(node, "commandline") && !read_arguments(r, node))
            return FALSE;
    return TRUE;
}

static gboolean read_domain(Reading *r, const xmlNode *domain)
{
    if (!read_identity(r, domain) || !read_machine(r, domain))
        return FALSE;
    if (FACT_KNOWN(&r->guest, GUEST_ARCH) && r->guest.arch == ARCH_OTHER)
        return TRUE;
    if (!read_cpu(r, domain) || !read_features(r, domain) || !read_memory(r, domain) ||
        !read_commandlines(r, domain))
        return FALSE;
    assume_ic_mode(r);
    return TRUE;
}

gboolean guest_xml_parse(const char *xml, gsize length, GuestFacts *ret, GError **error)
{
    g_autoptr(xmlDoc) doc = parse_tree(xml, length, error);
    Reading reading = { .error = error };

    if (doc == NULL)
        return FALSE;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (root == NULL || !node_is(root, "domain"))
        return refuse(error, "the top element is not a <domain> of libvirt");
    guest_facts_init(&reading.guest);
    if (!read_domain(&reading, root))
        return FALSE;
    *ret = reading.guest;
    return TRUE;
}
