/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ledger.h"

#include <glib/gstdio.h>
#include <string.h>

#include "error.h"
#include "tree.h"

#define UUID  "5a5a5a5a-1111-4222-8333-00000000beef"
#define T0_NS G_GINT64_CONSTANT(1700000000000000000)

typedef struct Fixture {
    char *directory;
    Ledger *ledger;
} Fixture;

static Ledger *open_ledger(const char *directory, guint max_records)
{
    g_autoptr(GError) error = NULL;
    Ledger *ledger = ledger_new(directory, max_records, &error);

    g_assert_no_error(error);
    return ledger;
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->directory = g_dir_make_tmp("tbsyncd-ledger-XXXXXX", NULL);
    f->ledger = open_ledger(f->directory, 10);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_clear_pointer(&f->ledger, ledger_free);
    tree_remove(f->directory);
    g_free(f->directory);
}

static void on_put(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GError) error = NULL;
    int *done = data;

    *done = ledger_put_finish(NULL, result, &error) ? 1 : -1;
}

static int put(Fixture *f, const char *id, int value)
{
    JsonObject *record = json_object_new();
    int done = 0;

    json_object_set_int_member(record, "version", LEDGER_VERSION);
    json_object_set_int_member(record, "value", value);
    ledger_put_async(f->ledger, id, record, on_put, &done);
    json_object_unref(record);
    while (done == 0)
        g_main_context_iteration(NULL, TRUE);
    return done;
}

static gint64 value_of(const Ledger *ledger, const char *id)
{
    g_autofree char *text = ledger_get(ledger, id, NULL);
    g_autoptr(JsonNode) node = text ? json_from_string(text, NULL) : NULL;

    return node ? json_object_get_int_member(json_node_get_object(node), "value") : -1;
}

static gint64 value_on_disk(const Fixture *f, const char *id)
{
    g_autofree char *path = g_strdup_printf("%s/migrations/%s.json", f->directory, id);
    g_autofree char *text = NULL;
    g_autoptr(JsonNode) node = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return -1;
    node = json_from_string(text, NULL);
    return node ? json_object_get_int_member(json_node_get_object(node), "value") : -1;
}

static void test_record_survives_restart(Fixture *f, gconstpointer data)
{
    g_autofree char *id = ledger_new_id(f->ledger, T0_NS, UUID);

    g_assert_cmpint(put(f, id, 1), ==, 1);
    g_assert_cmpint(put(f, id, 2), ==, 1);
    ledger_free(f->ledger);
    f->ledger = open_ledger(f->directory, 10);
    g_assert_cmpint(value_of(f->ledger, id), ==, 2);
}

static void test_unwritten_record_is_already_read(Fixture *f, gconstpointer data)
{
    g_autofree char *id = ledger_new_id(f->ledger, T0_NS, UUID);
    JsonObject *record = json_object_new();

    json_object_set_int_member(record, "value", 7);
    ledger_put_async(f->ledger, id, record, NULL, NULL);
    json_object_unref(record);
    g_assert_cmpint(value_of(f->ledger, id), ==, 7); /* whether or not the writer was faster */
}

static void assert_order(const Ledger *ledger, const char *const *newest_first)
{
    g_autoptr(GPtrArray) ids = ledger_ids(ledger, 0);

    g_assert_cmpuint(ids->len, ==, g_strv_length((char **)newest_first));
    for (guint i = 0; i < ids->len; i++)
        g_assert_cmpstr(ids->pdata[i], ==, newest_first[i]);
}

static void restart(Fixture *f)
{
    ledger_free(f->ledger);
    f->ledger = open_ledger(f->directory, 10);
}

static void test_ids_name_time_guest_and_turn(Fixture *f, gconstpointer data)
{
    g_autofree char *first = ledger_new_id(f->ledger, T0_NS, UUID);
    g_autofree char *same_instant = ledger_new_id(f->ledger, T0_NS, UUID);

    g_assert_cmpstr(first, ==, "20231114T221320.000000Z-5a5a5a5a-1");
    g_assert_cmpstr(same_instant, ==, "20231114T221320.000000Z-5a5a5a5a-2");
}

static void test_order_is_that_of_the_questions_whatever_the_clock_says(Fixture *f, gconstpointer data)
{
    g_autofree char *first = ledger_new_id(f->ledger, T0_NS, UUID), *second = NULL, *third = NULL;

    put(f, first, 1);
    second = ledger_new_id(f->ledger, T0_NS - G_GINT64_CONSTANT(86400000000000), UUID);
    put(f, second, 2);
    assert_order(f->ledger, (const char *const[]){ second, first, NULL });
    restart(f);
    assert_order(f->ledger, (const char *const[]){ second, first, NULL });
    third = ledger_new_id(f->ledger, T0_NS - 1, UUID);
    put(f, third, 3);
    put(f, first, 4); /* a record that is written again keeps its place */
    assert_order(f->ledger, (const char *const[]){ third, second, first, NULL });
    restart(f);
    assert_order(f->ledger, (const char *const[]){ third, second, first, NULL });
}

/* Ten and more are not in the order of their letters. */
static void test_order_counts_in_numbers(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) ids = NULL;

    for (int i = 1; i <= 12; i++) {
        g_autofree char *id = ledger_new_id(f->ledger, T0_NS, UUID);

        put(f, id, i);
    }
    restart(f);
    ids = ledger_ids(f->ledger, 0);
    for (int i = 0; i < 10; i++)
        g_assert_cmpint(value_of(f->ledger, ids->pdata[i]), ==, 12 - i);
}

/* Written by a version that had no numbers, and a name that nobody has given. */
static void test_old_records_come_before_numbered_ones(Fixture *f, gconstpointer data)
{
    static const char *const old[] = { "20231114T221320.000000Z-5a5a5a5a", "20231114T221321.000000Z-5a5a5a5a",
                                       "20990101T000000.000000Z-5a5a5a5a", "20990101T000000.000000Z-5a5a5a5a-9x" };
    g_autofree char *newest = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(old); i++) {
        g_autofree char *path = g_strdup_printf("%s/migrations/%s.json", f->directory, old[i]);

        g_file_set_contents(path, "{\"version\":1,\"value\":5}", -1, NULL);
    }
    restart(f);
    newest = ledger_new_id(f->ledger, T0_NS, UUID);
    put(f, newest, 1);
    restart(f);
    assert_order(f->ledger, (const char *const[]){ newest, old[3], old[2], old[1], old[0], NULL });
    g_assert_cmpint(value_of(f->ledger, old[0]), ==, 5);
}

static void test_oldest_records_go_first(Fixture *f, gconstpointer data)
{
    g_autofree char *oldest = ledger_new_id(f->ledger, T0_NS, UUID);
    g_autoptr(GPtrArray) ids = NULL;
    g_autoptr(GError) error = NULL;

    put(f, oldest, 0);
    for (int i = 1; i <= 10; i++) {
        g_autofree char *id =
            ledger_new_id(f->ledger, T0_NS + i * G_GINT64_CONSTANT(1000000000), UUID);

        put(f, id, i);
    }
    ids = ledger_ids(f->ledger, 0);
    g_assert_cmpuint(ids->len, ==, 10);
    g_assert_null(ledger_get(f->ledger, oldest, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_MIGRATION);
    g_assert_nonnull(strstr(error->message, oldest));
    ledger_free(f->ledger);
    f->ledger = open_ledger(f->directory, 10);
    g_assert_cmpint(value_of(f->ledger, oldest), ==, -1);
}

static void test_ids_cannot_leave_the_directory(Fixture *f, gconstpointer data)
{
    g_autofree char *outside = g_build_filename(f->directory, "secret.json", NULL);

    g_file_set_contents(outside, "{\"value\":1}", -1, NULL);
    g_assert_null(ledger_get(f->ledger, "../secret", NULL));
}

static void test_torn_temporary_file_is_removed(Fixture *f, gconstpointer data)
{
    g_autofree char *id = ledger_new_id(f->ledger, T0_NS, UUID);
    g_autofree char *torn = g_strdup_printf("%s/migrations/%s.json.new", f->directory, id);

    put(f, id, 1);
    g_file_set_contents(torn, "{\"val", -1, NULL); /* killed while writing the next version */
    ledger_free(f->ledger);
    f->ledger = open_ledger(f->directory, 10);
    g_assert_false(g_file_test(torn, G_FILE_TEST_EXISTS));
    g_assert_cmpint(value_of(f->ledger, id), ==, 1);
}

static void test_unwritable_directory_is_named(Fixture *f, gconstpointer data)
{
    g_autofree char *file = g_build_filename(f->directory, "file", NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(file, "", 0, NULL);
    g_assert_null(ledger_new(file, 10, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, file));
}

static void test_failed_write_is_told_and_kept(Fixture *f, gconstpointer data)
{
    g_autofree char *id = ledger_new_id(f->ledger, T0_NS, UUID);
    g_autofree char *in_the_way = g_strdup_printf("%s/migrations/%s.json.new", f->directory, id);

    put(f, id, 1);
    g_assert_cmpint(g_mkdir(in_the_way, 0755), ==, 0); /* the temporary file cannot be made */
    g_assert_cmpint(put(f, id, 2), ==, -1);
    g_assert_cmpuint(ledger_unwritten(f->ledger), ==, 1);
    g_assert_cmpint(value_on_disk(f, id), ==, 1);
    g_assert_cmpint(value_of(f->ledger, id), ==, 2); /* in memory */
    g_rmdir(in_the_way);
    g_assert_cmpint(put(f, id, 3), ==, 1);
    g_assert_cmpuint(ledger_unwritten(f->ledger), ==, 0);
    g_assert_cmpint(value_of(f->ledger, id), ==, 3);
}

static void test_failed_write_is_made_good(Fixture *f, gconstpointer data)
{
    g_autofree char *id = ledger_new_id(f->ledger, T0_NS, UUID);
    g_autofree char *in_the_way = g_strdup_printf("%s/migrations/%s.json.new", f->directory, id);

    g_assert_cmpint(g_mkdir(in_the_way, 0755), ==, 0);
    g_assert_cmpint(put(f, id, 1), ==, -1);
    g_assert_cmpint(value_on_disk(f, id), ==, -1);
    g_rmdir(in_the_way);
    ledger_free(f->ledger); /* at the latest */
    f->ledger = open_ledger(f->directory, 10);
    g_assert_cmpint(value_of(f->ledger, id), ==, 1);
}

static void test_guest_entry_round_trip(Fixture *f, gconstpointer data)
{
    GuestEntry in = { .offset_known = TRUE,
                      .offset_ticks = -(G_GINT64_CONSTANT(5) << 24),
                      .ahead_lo_ticks = -3,
                      .ahead_hi_ticks = G_MAXINT64,
                      .paused_here = TRUE };
    GuestEntry out;

    g_assert_false(ledger_get_guest(f->ledger, UUID, &out));
    ledger_put_guest(f->ledger, UUID, &in);
    ledger_free(f->ledger);
    f->ledger = open_ledger(f->directory, 10);
    g_assert_true(ledger_get_guest(f->ledger, UUID, &out));
    g_assert_true(out.offset_known);
    g_assert_cmpint(out.offset_ticks, ==, in.offset_ticks);
    g_assert_cmpint(out.ahead_lo_ticks, ==, -3);
    g_assert_cmpint(out.ahead_hi_ticks, ==, G_MAXINT64);
    g_assert_true(out.paused_here);
    ledger_drop_guest(f->ledger, UUID);
    g_assert_false(ledger_get_guest(f->ledger, UUID, &out));
}

static void test_damaged_guest_entry_is_unknown(Fixture *f, gconstpointer data)
{
    static const char *const damaged[] = {
        "", "{", "[]", "{\"version\":2}", "{\"version\":\"1\"}", "null", "\xff\xfe"
    };
    g_autofree char *path = g_strdup_printf("%s/guests/" UUID ".json", f->directory);
    GuestEntry out;

    for (gsize i = 0; i < G_N_ELEMENTS(damaged); i++) {
        g_file_set_contents(path, damaged[i], -1, NULL);
        g_assert_false(ledger_get_guest(f->ledger, UUID, &out));
    }
}

/* What the ledger says of a guest of which libvirt knows no more than its UUID. */
static GuestFacts filled(const Fixture *f)
{
    GuestFacts guest;

    guest_facts_init(&guest);
    g_strlcpy(guest.uuid, UUID, sizeof guest.uuid);
    FACT_SET(&guest, GUEST_UUID);
    ledger_fill_guest(f->ledger, &guest);
    return guest;
}

static void test_fill_tells_of_qemus_copy(Fixture *f, gconstpointer data)
{
    static const GuestEntry entries[] = { { .paused_here = TRUE }, { .copy_synced = TRUE } };

    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++) {
        GuestFacts guest;

        ledger_put_guest(f->ledger, UUID, &entries[i]);
        guest = filled(f);
        g_assert_true(FACT_KNOWN(&guest, GUEST_TB_COPY_STALE));
        g_assert_cmpint(guest.tb_copy_stale, ==, entries[i].paused_here);
    }
}

/* Since then it may have been paused, while nobody looked. */
static void test_synced_copy_is_worth_nothing_after_a_gap(Fixture *f, gconstpointer data)
{
    static const GuestEntry paused = { .paused_here = TRUE }, synced = { .copy_synced = TRUE };
    GuestFacts guest;

    ledger_put_guest(f->ledger, UUID, &synced);
    ledger_forget_syncs(f->ledger);
    guest = filled(f);
    g_assert_false(FACT_KNOWN(&guest, GUEST_TB_COPY_STALE));
    ledger_put_guest(f->ledger, UUID, &synced);
    ledger_free(f->ledger);
    f->ledger = open_ledger(f->directory, 10);
    guest = filled(f);
    g_assert_false(FACT_KNOWN(&guest, GUEST_TB_COPY_STALE));
    ledger_put_guest(f->ledger, UUID, &paused);
    ledger_forget_syncs(f->ledger);
    ledger_free(f->ledger);
    f->ledger = open_ledger(f->directory, 10);
    guest = filled(f);
    g_assert_true(FACT_KNOWN(&guest, GUEST_TB_COPY_STALE));
    g_assert_true(guest.tb_copy_stale);
}

/* libvirt says that a guest was started again after it came; an entry that knows of no pause is of before that. */
static void test_fill_believes_libvirt_of_a_pause(Fixture *f, gconstpointer data)
{
    static const GuestEntry entries[] = {
        { .offset_known = TRUE, .offset_ticks = 1 << 24, .ahead_lo_ticks = -5, .ahead_hi_ticks = 7 },
        { .ahead_lo_ticks = G_MININT64, .ahead_hi_ticks = 7, .paused_here = TRUE },
    };
    static const gint64 wanted_hi[] = { G_MAXINT64, 7 };

    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++) {
        GuestFacts guest;

        guest_facts_init(&guest);
        g_strlcpy(guest.uuid, UUID, sizeof guest.uuid);
        guest.ahead_lo_ticks = G_MININT64;
        guest.ahead_hi_ticks = G_MAXINT64;
        guest.known = FACT_BIT(GUEST_UUID) | FACT_BIT(GUEST_AHEAD_LO_TICKS) | FACT_BIT(GUEST_AHEAD_HI_TICKS);
        ledger_put_guest(f->ledger, UUID, &entries[i]);
        ledger_fill_guest(f->ledger, &guest);
        g_assert_cmpint(guest.ahead_lo_ticks, ==, G_MININT64);
        g_assert_cmpint(guest.ahead_hi_ticks, ==, wanted_hi[i]);
        g_assert_false(FACT_KNOWN(&guest, GUEST_TB_OFFSET_TICKS));
    }
}

static void test_fill_keeps_what_is_known(Fixture *f, gconstpointer data)
{
    GuestEntry entry = {
        .offset_known = TRUE, .offset_ticks = 1 << 24, .ahead_lo_ticks = 1, .ahead_hi_ticks = 2
    };
    GuestFacts guest;

    ledger_put_guest(f->ledger, UUID, &entry);
    guest_facts_init(&guest);
    g_strlcpy(guest.uuid, UUID, sizeof guest.uuid);
    FACT_SET(&guest, GUEST_UUID);
    ledger_fill_guest(f->ledger, &guest);
    g_assert_true(FACT_KNOWN(&guest, GUEST_TB_OFFSET_TICKS));
    g_assert_cmpint(guest.tb_offset_ticks, ==, 1 << 24);
    g_assert_cmpint(guest.ahead_hi_ticks, ==, 2);

    g_assert_false(FACT_KNOWN(&guest, GUEST_TB_COPY_STALE));

    guest.tb_offset_ticks = 0;
    ledger_fill_guest(f->ledger, &guest); /* libvirt's own word stands */
    g_assert_cmpint(guest.tb_offset_ticks, ==, 0);
}

#define ADD(name, function) g_test_add("/ledger/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("record-survives-restart", test_record_survives_restart);
    ADD("unwritten-record-is-already-read", test_unwritten_record_is_already_read);
    ADD("ids-name-time-guest-and-turn", test_ids_name_time_guest_and_turn);
    ADD("order-is-that-of-the-questions-whatever-the-clock-says",
        test_order_is_that_of_the_questions_whatever_the_clock_says);
    ADD("order-counts-in-numbers", test_order_counts_in_numbers);
    ADD("old-records-come-before-numbered-ones", test_old_records_come_before_numbered_ones);
    ADD("oldest-records-go-first", test_oldest_records_go_first);
    ADD("ids-cannot-leave-the-directory", test_ids_cannot_leave_the_directory);
    ADD("torn-temporary-file-is-removed", test_torn_temporary_file_is_removed);
    ADD("unwritable-directory-is-named", test_unwritable_directory_is_named);
    ADD("failed-write-is-told-and-kept",
        test_failed_write_is_told_and_kept);
    ADD("failed-write-is-made-good", test_failed_write_is_made_good);
    ADD("guest-entry-round-trip", test_guest_entry_round_trip);
    ADD("damaged-guest-entry-is-unknown", test_damaged_guest_entry_is_unknown);
    ADD("fill-tells-of-qemus-copy", test_fill_tells_of_qemus_copy);
    ADD("synced-copy-is-worth-nothing-after-a-gap", test_synced_copy_is_worth_nothing_after_a_gap);
    ADD("fill-believes-libvirt-of-a-pause", test_fill_believes_libvirt_of_a_pause);
    ADD("fill-keeps-what-is-known", test_fill_keeps_what_is_known);
    return g_test_run();
}
