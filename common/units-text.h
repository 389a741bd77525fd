/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Quantities as people read them, with their unit. Pure; the strings are (transfer full). */

#include <glib.h>

/* "1.234 ms", "-17 ns", "64.000 s": three decimals, rounded to nearest, the unit that leaves 1 to 999 in front;
 * "unbounded" at the ends of the range. */
char *ns_to_text(gint64 ns);

/* "512 MHz", "512.000001 MHz", "999 Hz" */
char *hz_to_text(gint64 hz);

/* "POWER9 (PVR 0x004e1202)"; "PVR 0x12345678" of no known family. */
char *pvr_to_text(guint32 pvr);
