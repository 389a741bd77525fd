/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-world.h"

static void test_local_pause_makes_the_offset_unknown(Fixture *f, gconstpointer data)
{
    GuestEntry entry = { .offset_known = TRUE, .offset_ticks = 0 };

    ledger_put_guest(f->ledger, UUID, &entry);
    event(f, GUEST_EVENT_RESUMED_HERE);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_false(entry.offset_known);
    g_assert_true(entry.paused_here);
    event(f, GUEST_EVENT_BOOTED); /* a new QEMU process: libvirt's state says all there is */
    g_assert_false(ledger_get_guest(f->ledger, UUID, &entry));
}

/* guests/UUID.json bounds the guest's timebase against real time. It stood still for as long as it was paused, and the kernel
 * rounded the new offset up. */
static void assert_known_to_be_behind(const Fixture *f, gint64 ahead_hi_ticks)
{
    GuestEntry entry;

    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_cmpint(entry.ahead_lo_ticks, ==, G_MININT64);
    g_assert_cmpint(entry.ahead_hi_ticks, ==, ahead_hi_ticks + TB_OFFSET_UNIT_TICKS - 1);
    g_assert_false(entry.offset_known);
}

static void test_local_pause_leaves_the_guest_behind(Fixture *f, gconstpointer data)
{
    const GuestEntry entry = { .ahead_lo_ticks = -5, .ahead_hi_ticks = 7 };

    ledger_put_guest(f->ledger, UUID, &entry);
    event(f, GUEST_EVENT_SUSPENDED);
    event(f, GUEST_EVENT_RESUMED_HERE);
    assert_known_to_be_behind(f, 7);
}

/* The CPUs were stopped to move it and started again here: to QEMU that is a pause like any other. */
static void test_failed_move_away_is_a_pause(Fixture *f, gconstpointer data)
{
    const GuestEntry entry = { .offset_known = TRUE, .ahead_lo_ticks = -5, .ahead_hi_ticks = 7, .copy_synced = TRUE };
    GuestEntry after;

    ledger_put_guest(f->ledger, UUID, &entry);
    event(f, GUEST_EVENT_STOPPED_CPUS);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    assert_known_to_be_behind(f, 7);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &after));
    g_assert_true(after.paused_here);
    g_assert_false(after.copy_synced);
}

static void test_second_word_of_post_copy_is_no_pause(Fixture *f, gconstpointer data)
{
    GuestEntry entry;

    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    f->departure = (Departure){ .state = DEPARTURE_LEFT };
    f->departure.stop_lo = f->departure.stop_hi = tb_plus(stamp_clock_now(f->stamps), -1000 - 51200000);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    wait_until_closed(f);
    event(f, GUEST_EVENT_RESUMED_CPUS); /* libvirt's Resumed/Migrated, after Resumed/Post-copy */
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_cmpint(entry.ahead_lo_ticks, >, G_MININT64);
    g_assert_false(entry.paused_here);
}

/* Nobody saw it leave: what was known of it then is of another QEMU process. */
static void test_guest_that_comes_in_is_not_what_it_was(Fixture *f, gconstpointer data)
{
    const GuestEntry old = { .offset_known = TRUE, .copy_synced = TRUE };
    GuestEntry entry;

    ledger_put_guest(f->ledger, UUID, &old);
    event(f, GUEST_EVENT_INCOMING_STARTED); /* without a record: the hook was not asked */
    event(f, GUEST_EVENT_RESUMED_CPUS);
    g_assert_false(ledger_get_guest(f->ledger, UUID, &entry));
}

static void test_late_figures_do_not_undo_a_pause(Fixture *f, gconstpointer data)
{
    GuestEntry entry;

    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    f->departure = (Departure){ .state = DEPARTURE_LEFT };
    f->departure.stop_lo = f->departure.stop_hi = tb_plus(stamp_clock_now(f->stamps), -1000 - 51200000);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    event(f, GUEST_EVENT_SUSPENDED);
    event(f, GUEST_EVENT_RESUMED_HERE);
    event(f, GUEST_EVENT_REGISTERS_SYNCED);
    wait_until_closed(f);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_cmpint(entry.ahead_lo_ticks, ==, G_MININT64);
    g_assert_cmpint(entry.ahead_hi_ticks, <, G_MAXINT64);
    g_assert_false(entry.offset_known);
    g_assert_true(entry.copy_synced);
}

static void test_sync_after_a_pause_mends_the_copy(Fixture *f, gconstpointer data)
{
    GuestEntry entry;

    event(f, GUEST_EVENT_RESUMED_HERE);
    event(f, GUEST_EVENT_SYNC_FAILED);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_true(entry.paused_here);
    event(f, GUEST_EVENT_REGISTERS_SYNCED);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_false(entry.paused_here);
    g_assert_true(entry.copy_synced);
    g_assert_false(entry.offset_known);
    event(f, GUEST_EVENT_RESUMED_HERE);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_true(entry.paused_here);
    g_assert_false(entry.copy_synced);
}

static void test_sync_of_before_a_gap_does_not_count(Fixture *f, gconstpointer data)
{
    GuestEvent connected = { .kind = GUEST_EVENT_DEFINED_CHANGED, .uuid = "", .name = "", .detail = "connected" };
    GuestEntry entry;

    event(f, GUEST_EVENT_RESUMED_HERE);
    event(f, GUEST_EVENT_REGISTERS_SYNCED);
    audit_event(f->audit, &connected);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_false(entry.copy_synced);
}

static void test_late_figures_do_not_undo_a_sync(Fixture *f, gconstpointer data)
{
    GuestEntry entry;

    open_record(f, "a");
    event(f, GUEST_EVENT_INCOMING_STARTED);
    event(f, GUEST_EVENT_RESUMED_CPUS);
    event(f, GUEST_EVENT_REGISTERS_SYNCED);
    wait_until_closed(f);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &entry));
    g_assert_true(entry.copy_synced);
}

#define ADD(name, function) g_test_add("/audit-guests/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("local-pause-makes-the-offset-unknown", test_local_pause_makes_the_offset_unknown);
    ADD("local-pause-leaves-the-guest-behind", test_local_pause_leaves_the_guest_behind);
    ADD("failed-move-away-is-a-pause", test_failed_move_away_is_a_pause);
    ADD("second-word-of-post-copy-is-no-pause", test_second_word_of_post_copy_is_no_pause);
    ADD("guest-that-comes-in-is-not-what-it-was", test_guest_that_comes_in_is_not_what_it_was);
    ADD("late-figures-do-not-undo-a-pause", test_late_figures_do_not_undo_a_pause);
    ADD("sync-after-a-pause-mends-the-copy", test_sync_after_a_pause_mends_the_copy);
    ADD("sync-of-before-a-gap-does-not-count", test_sync_of_before_a_gap_does_not_count);
    ADD("late-figures-do-not-undo-a-sync", test_late_figures_do_not_undo_a_sync);
    return g_test_run();
}
