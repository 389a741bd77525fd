/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units-text.h"

#include "ppc-cpu.h"

char *ns_to_text(gint64 ns)
{
    static const struct {
        guint64 scale;
        const char *unit;
    } units[] = { { G_GUINT64_CONSTANT(1000), "us" },
                  { G_GUINT64_CONSTANT(1000000), "ms" },
                  { G_GUINT64_CONSTANT(1000000000), "s" } };
    guint64 size = ns < 0 ? -(guint64)ns : (guint64)ns;
    guint i = 0;

    if (ns == G_MININT64 || ns == G_MAXINT64)
        return g_strdup("unbounded");
    if (size < 1000)
        return g_strdup_printf("%" G_GINT64_FORMAT " ns", ns);
    /* 999.9995 of a unit would print as 1000.000 */
    while (i + 1 < G_N_ELEMENTS(units) && size + units[i].scale / 2000 >= units[i + 1].scale)
        i++;
    guint64 thousandths = size / (units[i].scale / 1000) + (size % (units[i].scale / 1000) * 2 >= units[i].scale / 1000);
    return g_strdup_printf("%s%" G_GUINT64_FORMAT ".%03u %s", ns < 0 ? "-" : "", thousandths / 1000,
                           (guint)(thousandths % 1000), units[i].unit);
}

char *hz_to_text(gint64 hz)
{
    if (hz < 1000000)
        return g_strdup_printf("%" G_GINT64_FORMAT " Hz", hz);
    if (hz % 1000000 == 0)
        return g_strdup_printf("%" G_GINT64_FORMAT " MHz", hz / 1000000);
    return g_strdup_printf("%" G_GINT64_FORMAT ".%06u MHz", hz / 1000000, (guint)(hz % 1000000));
}

char *pvr_to_text(guint32 pvr)
{
    CpuFamily family = cpu_family_of_pvr(pvr);

    if (family == CPU_UNKNOWN)
        return g_strdup_printf("PVR 0x%08x", pvr);
    return g_strdup_printf("%s (PVR 0x%08x)", cpu_family_name(family), pvr);
}
