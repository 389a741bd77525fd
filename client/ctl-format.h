/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tbsyncctl prints: tables with aligned columns, lines of name and value, JSON; color where it is wanted.
 *
 * Text that comes from elsewhere (names, sentences of a daemon) is made safe here: control characters never reach a
 * terminal. Quantities with units are in common/units-text.h.
 */

#include <glib.h>
#include <json-glib/json-glib.h>

#include "ctl.h"

typedef enum CtlStyle {
    CTL_PLAIN,
    CTL_HEAD, /* heads of tables, names of fields */
    CTL_DIM,  /* unknown, old, of no weight */
    CTL_GOOD, /* allowed, linked, ok */
    CTL_WARN,
    CTL_BAD, /* refused, broken */
} CtlStyle;

/* On stdout: --color, NO_COLOR, terminal. */
gboolean ctl_has_color(const Ctl *ctl);

/* One printable line: control characters become spaces, invalid UTF-8 a replacement character. (transfer full) */
char *ctl_safe(const char *text);

/* Prints text in a style, made safe, without a line end. */
void ctl_print(const Ctl *ctl, CtlStyle style, const char *text);

/* "  NAME: value" with values in one column, `width` being that of the longest name. */
void ctl_print_field(const Ctl *ctl, int width, const char *name, const char *value);

/* A table: cells row by row, column widths as needed, printed as a whole. */
typedef struct CtlTable CtlTable;

/* `heads` ends with NULL; a head that begins with ">" has its column flush right. */
CtlTable *ctl_table_new(const Ctl *ctl, const char *const *heads);
void ctl_table_add(CtlTable *table, CtlStyle style, const char *text);
void ctl_table_printf(CtlTable *table, CtlStyle style, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Columns of the terminal on stdout, 0 if it is none: for Ctl.columns, before a pager takes its place. */
int ctl_terminal_columns(void);

/* Prints head (unless --no-legend) and rows, and clears the table. What is wider than the terminal is printed as a list, one line for
 * each cell and an empty one between rows; never with --no-legend, which is for programs. */
void ctl_table_print(CtlTable *table);
void ctl_table_free(CtlTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlTable, ctl_table_free)

/* Prints what was built: indented on a terminal, else on one line. Consumes nothing. */
void ctl_print_json(JsonBuilder *builder);

/* "GUEST" -> its facts' a{sv} or any other GVariant as JSON into `builder`: strings, numbers, booleans, arrays,
 * dictionaries with string keys, variants, tuples as arrays. */
void ctl_build_variant(JsonBuilder *builder, GVariant *value);

/* From now on stdout goes into the pager ($TBSYNC_PAGER, $PAGER, less), if stdout is a terminal and neither --no-pager nor
 * --json was given. ctl_pager_close() waits for it; to be called before the verb returns. */
typedef struct CtlPager CtlPager;
CtlPager *ctl_pager_open(const Ctl *ctl);
void ctl_pager_close(CtlPager *pager);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlPager, ctl_pager_close)
