/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-figures.h"

#define HZ G_GUINT64_CONSTANT(512000000)
#define MS G_GINT64_CONSTANT(512000)

typedef enum Copy { COPY_UNKNOWN, COPY_FRESH, COPY_STALE } Copy;

/* A KVM guest of QEMU 7.2 that was dark for 100 ms. (transfer full) */
static JsonObject *figures(Copy copy, GuestEntry *ret_entry)
{
    g_autofree MigrationCase *c = g_new0(MigrationCase, 1);
    Departure departure = { .state = DEPARTURE_LEFT, .precise = TRUE };
    Arrival arrival = { .precise = TRUE };
    AuditSubject subject;

    c->has_source = TRUE;
    c->source.qemu_version = c->destination.qemu_version = QEMU_VERSION(7, 2, 22);
    c->destination.timebase_hz = HZ;
    c->destination.tb_offset = true;
    guest_facts_init(&c->guest);
    c->guest.accel = ACCEL_KVM;
    FACT_SET(&c->guest, GUEST_ACCEL);
    FACT_SET(&c->guest, GUEST_AHEAD_LO_TICKS);
    FACT_SET(&c->guest, GUEST_AHEAD_HI_TICKS);
    c->guest.tb_copy_stale = copy == COPY_STALE;
    if (copy != COPY_UNKNOWN)
        FACT_SET(&c->guest, GUEST_TB_COPY_STALE);
    subject = audit_subject_of(c);
    departure.stop_lo = departure.stop_hi = tb_ticks(1000 * MS);
    arrival.run_lo = arrival.run_hi = tb_ticks(1100 * MS);
    return audit_figures(&subject, &departure, &arrival, interval_point(0), ret_entry);
}

/* QEMU's timebase runs on until it is stored, and the kernel rounds up. */
static void test_live_guest_moves_forward(void)
{
    GuestEntry entry;
    g_autoptr(JsonObject) object = figures(COPY_FRESH, &entry);

    g_assert_cmpint(json_object_get_int_member(object, "blackout_lo_ticks"), ==, 100 * MS);
    g_assert_cmpint(json_object_get_int_member(object, "moved_lo_ticks"), ==, 0);
    g_assert_cmpint(json_object_get_int_member(object, "moved_hi_ticks"), ==, 100 * MS + TB_OFFSET_UNIT_TICKS - 1);
    g_assert_cmpint(entry.ahead_lo_ticks, ==, -100 * MS);
    g_assert_cmpint(entry.ahead_hi_ticks, ==, TB_OFFSET_UNIT_TICKS - 1);
    g_assert_false(entry.offset_known);
}

/* "virsh migrate --timeout" suspends a guest that does not converge, and nothing tells the destination. To QEMU it is then a paused
 * one: its timebase was stored at the stop, from a copy of the offset that may lack what the kernel once rounded up. */
static void test_suspended_guest_may_have_gone_back(void)
{
    const Copy copies[] = { COPY_UNKNOWN, COPY_STALE };

    for (guint i = 0; i < G_N_ELEMENTS(copies); i++) {
        GuestEntry entry;
        g_autoptr(JsonObject) object = figures(copies[i], &entry);

        g_assert_cmpint(json_object_get_int_member(object, "moved_lo_ticks"), ==, -(TB_OFFSET_UNIT_TICKS - 1));
        g_assert_cmpint(json_object_get_int_member(object, "lost_hi_ticks"), ==, 100 * MS + TB_OFFSET_UNIT_TICKS - 1);
        g_assert_cmpint(entry.ahead_lo_ticks, ==, -100 * MS - (TB_OFFSET_UNIT_TICKS - 1));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/audit-figures/live-guest-moves-forward", test_live_guest_moves_forward);
    g_test_add_func("/audit-figures/suspended-guest-may-have-gone-back", test_suspended_guest_may_have_gone_back);
    return g_test_run();
}
