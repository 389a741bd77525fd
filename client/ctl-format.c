/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-format.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- text ---- */

gboolean ctl_has_color(const Ctl *ctl)
{
    const char *no_color = g_getenv("NO_COLOR");

    switch (ctl->color) {
    case CTL_COLOR_ALWAYS:
        return TRUE;
    case CTL_COLOR_NEVER:
        return FALSE;
    case CTL_COLOR_AUTO:
        break;
    }
    return (no_color == NULL || no_color[0] == '\0') && g_strcmp0(g_getenv("TERM"), "dumb") != 0 &&
           isatty(STDOUT_FILENO);
}

char *ctl_safe(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_sized_new(strlen(valid));

    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        /* format characters reverse or hide what stands beside them */
        if (g_unichar_iscntrl(c) || g_unichar_type(c) == G_UNICODE_FORMAT)
            g_string_append_c(out, ' ');
        else
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

static const char *style_sequence(CtlStyle style)
{
    switch (style) {
    case CTL_PLAIN:
        return "";
    case CTL_HEAD:
        return "\033[1m";
    case CTL_DIM:
        return "\033[2m";
    case CTL_GOOD:
        return "\033[32m";
    case CTL_WARN:
        return "\033[33m";
    case CTL_BAD:
        return "\033[31m";
    }
    g_assert_not_reached();
}

static void print_styled(gboolean color, CtlStyle style, const char *safe)
{
    if (color && style != CTL_PLAIN)
        printf("%s%s\033[0m", style_sequence(style), safe);
    else
        printf("%s", safe);
}

void ctl_print(const Ctl *ctl, CtlStyle style, const char *text)
{
    g_autofree char *safe = ctl_safe(text);

    print_styled(ctl_has_color(ctl), style, safe);
}

/* Columns on a terminal; combining characters take none, wide ones two. */
static int text_width(const char *text)
{
    int width = 0;

    for (; *text != '\0'; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);
        width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}

void ctl_print_field(const Ctl *ctl, int width, const char *name, const char *value)
{
    printf("%*s", MAX(width - text_width(name), 0) + 2, "");
    ctl_print(ctl, CTL_HEAD, name);
    printf(": ");
    ctl_print(ctl, CTL_PLAIN, value);
    printf("\n");
}

/* ---- tables ---- */

typedef struct Cell {
    CtlStyle style;
    char *text; /* safe */
} Cell;

struct CtlTable {
    const Ctl *ctl;
    GPtrArray *heads; /* without the ">" */
    GArray *right;    /* gboolean: flush right */
    GArray *cells;
};

static void cell_clear(void *data)
{
    g_free(((Cell *)data)->text);
}

CtlTable *ctl_table_new(const Ctl *ctl, const char *const *heads)
{
    CtlTable *table = g_new0(CtlTable, 1);

    table->ctl = ctl;
    table->heads = g_ptr_array_new_with_free_func(g_free);
    table->right = g_array_new(FALSE, TRUE, sizeof(gboolean));
    table->cells = g_array_new(FALSE, TRUE, sizeof(Cell));
    g_array_set_clear_func(table->cells, cell_clear);
    for (; *heads != NULL; heads++) {
        gboolean right = (*heads)[0] == '>';
        g_array_append_val(table->right, right);
        g_ptr_array_add(table->heads, g_strdup(*heads + right));
    }
    return table;
}

void ctl_table_free(CtlTable *table)
{
    if (table == NULL)
        return;
    g_ptr_array_unref(table->heads);
    g_array_unref(table->right);
    g_array_unref(table->cells);
    g_free(table);
}

void ctl_table_add(CtlTable *table, CtlStyle style, const char *text)
{
    Cell cell = { style, ctl_safe(text) };

    g_array_append_val(table->cells, cell);
}

void ctl_table_printf(CtlTable *table, CtlStyle style, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    ctl_table_add(table, style, text);
}

static int column_width(const CtlTable *table, guint column)
{
    int width = table->ctl->no_legend ? 0 : text_width(g_ptr_array_index(table->heads, column));

    for (guint i = column; i < table->cells->len; i += table->heads->len)
        width = MAX(width, text_width(g_array_index(table->cells, Cell, i).text));
    return width;
}

/* The last column is not padded, so that lines do not end in spaces. */
static void print_cell(const CtlTable *table, guint column, const Cell *cell, int width)
{
    gboolean last = column + 1 == table->heads->len, right = g_array_index(table->right, gboolean, column);
    int pad = width - text_width(cell->text);

    printf("%s%*s", column > 0 ? "  " : "", right ? pad : 0, "");
    print_styled(ctl_has_color(table->ctl), cell->style, cell->text);
    printf("%*s", right || last ? 0 : pad, "");
    if (last)
        printf("\n");
}

int ctl_terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void print_list(const CtlTable *table)
{
    guint n = table->heads->len;
    int width = 0;

    for (guint i = 0; i < n; i++)
        width = MAX(width, text_width(g_ptr_array_index(table->heads, i)));
    for (guint i = 0; i < table->cells->len; i++) {
        const char *head = g_ptr_array_index(table->heads, i % n);
        const Cell *cell = &g_array_index(table->cells, Cell, i);

        printf("%s%*s", i > 0 && i % n == 0 ? "\n" : "", width - text_width(head), "");
        print_styled(ctl_has_color(table->ctl), CTL_HEAD, head);
        printf("  ");
        print_styled(ctl_has_color(table->ctl), cell->style, cell->text);
        printf("\n");
    }
}

static void print_rows(const CtlTable *table, const int *widths)
{
    guint n = table->heads->len;

    for (guint i = 0; i < n && !table->ctl->no_legend; i++) {
        Cell head = { CTL_HEAD, g_ptr_array_index(table->heads, i) };
        print_cell(table, i, &head, widths[i]);
    }
    for (guint i = 0; i < table->cells->len; i++)
        print_cell(table, i % n, &g_array_index(table->cells, Cell, i), widths[i % n]);
}

void ctl_table_print(CtlTable *table)
{
    guint n = table->heads->len;
    g_autofree int *widths = g_new(int, n);
    int width = -2; /* between columns, and not before the first */

    for (guint i = 0; i < n; i++) {
        widths[i] = column_width(table, i);
        width += widths[i] + 2;
    }
    if (table->ctl->columns > 0 && width > table->ctl->columns && !table->ctl->no_legend)
        print_list(table);
    else
        print_rows(table, widths);
    g_array_set_size(table->cells, 0);
}

/* ---- JSON ---- */

void ctl_print_json(JsonBuilder *builder)
{
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, isatty(STDOUT_FILENO));

    printf("%s\n", text);
}

static void build_children(JsonBuilder *builder, GVariant *value)
{
    json_builder_begin_array(builder);
    for (gsize i = 0; i < g_variant_n_children(value); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
        ctl_build_variant(builder, child);
    }
    json_builder_end_array(builder);
}

static void build_dictionary(JsonBuilder *builder, GVariant *value)
{
    json_builder_begin_object(builder);
    for (gsize i = 0; i < g_variant_n_children(value); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(value, i);
        g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
        g_autoptr(GVariant) member = g_variant_get_child_value(entry, 1);
        json_builder_set_member_name(builder, g_variant_get_string(key, NULL));
        ctl_build_variant(builder, member);
    }
    json_builder_end_object(builder);
}

static void build_integer(JsonBuilder *builder, GVariant *value)
{
    g_autofree char *text = g_variant_print(value, FALSE);
    gint64 number;

    /* beyond the signed range, where JSON readers lose digits anyway */
    if (g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &number, NULL))
        json_builder_add_int_value(builder, number);
    else
        json_builder_add_string_value(builder, text);
}

void ctl_build_variant(JsonBuilder *builder, GVariant *value)
{
    const GVariantType *type = g_variant_get_type(value);

    if (g_variant_type_is_variant(type)) {
        g_autoptr(GVariant) inner = g_variant_get_variant(value);
        ctl_build_variant(builder, inner);
    } else if (g_variant_type_is_subtype_of(type, G_VARIANT_TYPE("a{s*}"))) {
        build_dictionary(builder, value);
    } else if (g_variant_type_is_container(type)) {
        build_children(builder, value);
    } else if (g_variant_type_equal(type, G_VARIANT_TYPE_BOOLEAN)) {
        json_builder_add_boolean_value(builder, g_variant_get_boolean(value));
    } else if (g_variant_type_equal(type, G_VARIANT_TYPE_DOUBLE)) {
        json_builder_add_double_value(builder, g_variant_get_double(value));
    } else if (g_variant_classify(value) == G_VARIANT_CLASS_STRING ||
               g_variant_classify(value) == G_VARIANT_CLASS_OBJECT_PATH ||
               g_variant_classify(value) == G_VARIANT_CLASS_SIGNATURE) {
        json_builder_add_string_value(builder, g_variant_get_string(value, NULL));
    } else if (g_variant_classify(value) == G_VARIANT_CLASS_BYTE) {
        json_builder_add_int_value(builder, g_variant_get_byte(value));
    } else {
        build_integer(builder, value);
    }
}

/* ---- pager ---- */

struct CtlPager {
    GPid pid;
    int stdout_fd; /* as it was */
};

static const char *pager_command(void)
{
    const char *command = g_getenv("TBSYNC_PAGER");

    if (command == NULL)
        command = g_getenv("PAGER");
    return command != NULL ? command : "less";
}

/* NULL where none is wanted or none can be had: then all goes straight to the terminal. */
CtlPager *ctl_pager_open(const Ctl *ctl)
{
    const char *command = pager_command();
    char *arguments[] = { (char *)"/bin/sh", (char *)"-c", (char *)command, NULL };
    g_auto(GStrv) environment = g_get_environ();
    GPid pid;
    int input;

    if (ctl->json || ctl->no_pager || !isatty(STDOUT_FILENO) || command[0] == '\0' || strcmp(command, "cat") == 0)
        return NULL;
    /* less: leave at once if all fits on a screen, pass the color of --color=always through */
    environment = g_environ_setenv(environment, "LESS", "FRXMK", FALSE);
    if (!g_spawn_async_with_pipes(NULL, arguments, environment, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, &input,
                                  NULL, NULL, NULL))
        return NULL;
    CtlPager *pager = g_new0(CtlPager, 1);
    pager->pid = pid;
    fflush(stdout);
    pager->stdout_fd = dup(STDOUT_FILENO);
    dup2(input, STDOUT_FILENO);
    close(input);
    return pager;
}

void ctl_pager_close(CtlPager *pager)
{
    if (pager == NULL)
        return;
    fflush(stdout);
    dup2(pager->stdout_fd, STDOUT_FILENO);
    close(pager->stdout_fd);
    waitpid(pager->pid, NULL, 0);
    g_spawn_close_pid(pager->pid);
    g_free(pager);
}
