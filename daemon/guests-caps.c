/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guests-caps.h"

#include <stdio.h>
#include <string.h>

#include "error.h"

typedef enum CapsText {
    TEXT_NONE,
    TEXT_HOST_ARCH,
    TEXT_OS_TYPE,
    TEXT_EMULATOR,
    TEXT_MACHINE
} CapsText;

typedef struct CapsParser {
    GuestsCaps *caps;
    GPtrArray *path;   /* of char*: open elements, outermost first */
    gboolean is_hvm;   /* os_type of the guest element we are in */
    gboolean is_ppc64; /* we are in its <arch name='ppc64...'> */
} CapsParser;

static gboolean path_is(const CapsParser *parser, const char *const *names)
{
    guint n = g_strv_length((char **)names);

    if (parser->path->len != n)
        return FALSE;
    for (guint i = 0; i < n; i++) {
        if (!g_str_equal(parser->path->pdata[i], names[i]))
            return FALSE;
    }
    return TRUE;
}

/* Machine types stand below <arch> and again below each of its <domain type=...>. */
static CapsText caps_text_kind(const CapsParser *parser)
{
    static const struct {
        const char *names[6];
        CapsText kind;
    } places[] = {
        { { "capabilities", "host", "cpu", "arch", NULL }, TEXT_HOST_ARCH },
        { { "capabilities", "guest", "os_type", NULL }, TEXT_OS_TYPE },
        { { "capabilities", "guest", "arch", "emulator", NULL }, TEXT_EMULATOR },
        { { "capabilities", "guest", "arch", "domain", "emulator", NULL }, TEXT_EMULATOR },
        { { "capabilities", "guest", "arch", "machine", NULL }, TEXT_MACHINE },
        { { "capabilities", "guest", "arch", "domain", "machine", NULL }, TEXT_MACHINE },
    };

    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        if (path_is(parser, places[i].names))
            return places[i].kind;
    }
    return TEXT_NONE;
}

static void caps_add_machine(GuestsCaps *caps, const char *name)
{
    if (!g_str_has_prefix(name, "pseries") || strlen(name) >= FACTS_MACHINE_MAX ||
        caps->n_machine_types == FACTS_MACHINE_TYPES_MAX)
        return;
    for (guint i = 0; i < caps->n_machine_types; i++) {
        if (g_str_equal(caps->machine_types[i], name))
            return;
    }
    g_strlcpy(caps->machine_types[caps->n_machine_types++], name, FACTS_MACHINE_MAX);
}

static const char *attribute(const char **names, const char **values, const char *name)
{
    for (; *names != NULL; names++, values++) {
        if (g_str_equal(*names, name))
            return *values;
    }
    return NULL;
}

static void on_start(GMarkupParseContext *context, const char *element, const char **names,
                     const char **values, void *data, GError **error)
{
    CapsParser *parser = data;
    const char *arch = attribute(names, values, "name");
    const char *canonical = attribute(names, values, "canonical");

    g_ptr_array_add(parser->path, g_strdup(element));
    if (path_is(parser, (const char *const[]){ "capabilities", "guest", NULL }))
        parser->is_hvm = FALSE;
    if (path_is(parser, (const char *const[]){ "capabilities", "guest", "arch", NULL })) {
        parser->is_ppc64 = parser->is_hvm && arch != NULL &&
                           (g_str_equal(arch, "ppc64") || g_str_equal(arch, "ppc64le"));
        parser->caps->has_ppc64 = parser->caps->has_ppc64 || parser->is_ppc64;
    }
    if (parser->is_ppc64 && canonical != NULL && caps_text_kind(parser) == TEXT_MACHINE)
        caps_add_machine(parser->caps, canonical);
}

static void on_end(GMarkupParseContext *context, const char *element, void *data, GError **error)
{
    CapsParser *parser = data;

    if (path_is(parser, (const char *const[]){ "capabilities", "guest", "arch", NULL }))
        parser->is_ppc64 = FALSE;
    g_ptr_array_set_size(parser->path, (int)parser->path->len - 1);
}

static void on_text(GMarkupParseContext *context, const char *text, gsize length, void *data,
                    GError **error)
{
    CapsParser *parser = data;
    GuestsCaps *caps = parser->caps;

    switch (caps_text_kind(parser)) {
    case TEXT_NONE:
        break;
    case TEXT_HOST_ARCH:
        g_strlcpy(caps->host_arch, text, sizeof caps->host_arch);
        break;
    case TEXT_OS_TYPE:
        parser->is_hvm = g_str_equal(text, "hvm");
        break;
    case TEXT_EMULATOR:
        if (parser->is_ppc64 && caps->emulator[0] == '\0')
            g_strlcpy(caps->emulator, text, sizeof caps->emulator);
        break;
    case TEXT_MACHINE:
        if (parser->is_ppc64)
            caps_add_machine(caps, text);
        break;
    }
}

gboolean guests_caps_parse(const char *xml, gsize length, GuestsCaps *ret, GError **error)
{
    static const GMarkupParser functions = { .start_element = on_start,
                                             .end_element = on_end,
                                             .text = on_text };
    g_autofree GuestsCaps *caps = g_new0(GuestsCaps, 1);
    g_autoptr(GPtrArray) path = g_ptr_array_new_with_free_func(g_free);
    CapsParser parser = { .caps = caps, .path = path };
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&functions, 0, &parser, NULL);
    g_autoptr(GError) cause = NULL;

    if (length > GUESTS_CAPS_MAX) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "libvirt's capabilities have %" G_GSIZE_FORMAT " bytes, more than %u", length,
                    GUESTS_CAPS_MAX);
        return FALSE;
    }
    if (!g_markup_parse_context_parse(context, xml, (gssize)length, &cause) ||
        !g_markup_parse_context_end_parse(context, &cause)) {
        /* GLib quotes single bytes of what it does not like */
        g_autofree char *message = g_utf8_make_valid(cause->message, -1);

        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "libvirt's capabilities cannot be parsed: %s", message);
        return FALSE;
    }
    *ret = *caps;
    return TRUE;
}

/* major << 8 | minor of "pseries-7.2" (also of "pseries-rhel9.2.0": no, vendors' names say nothing
 * of QEMU); 0 if none. */
static guint32 machine_release(const char *machine)
{
    unsigned major, minor;
    int end = 0;

    if (sscanf(machine, "pseries-%3u.%3u%n", &major, &minor, &end) != 2 || major > 255 ||
        minor > 255)
        return 0;
    return machine[end] == '\0' || machine[end] == '-' ? major << 8 | minor : 0;
}

guint32 guests_caps_qemu_version(const GuestsCaps *caps, unsigned long reported)
{
    guint32 version = QEMU_VERSION(reported / 1000000 & 0xff, reported / 1000 % 1000 & 0xff,
                                   reported % 1000 & 0xff);
    guint32 newest = 0;

    if (!caps->has_ppc64)
        return 0;
    if (g_str_has_prefix(caps->host_arch, "ppc64"))
        return version;
    for (guint i = 0; i < caps->n_machine_types; i++)
        newest = MAX(newest, machine_release(caps->machine_types[i]));
    return newest == 0 || version >> 8 == newest ? version : newest << 8;
}
