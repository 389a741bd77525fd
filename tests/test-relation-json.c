/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relation-json.h"

#include <string.h>

#include "error.h"

#define HZ 512000000

/* A new member of these has to be added to the codec's tables. */
G_STATIC_ASSERT(sizeof(Relation) == 264);
G_STATIC_ASSERT(sizeof(Exchange) == 72);

/* A trace over `n` exchanges after ten older ones; the last one steps the time of day if `stepped`. */
static RelationTrace make_trace(guint n, gboolean stepped)
{
    RelationParams params = { .timebase_hz = HZ, .drift_ppb = 100000 };
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);
    guint64 local = G_MAXUINT64 - 5 * (guint64)HZ; /* wraps on the way */
    Relation relation;
    RelationTrace trace;

    relation_init(&relation, &params);
    for (guint i = 0; i < 10 + n; i++) {
        guint there = (guint)g_rand_int_range(rand, 100, 9000), back = (guint)g_rand_int_range(rand, 100, 9000);
        gint64 tod = (gint64)i * NS_PER_S + (stepped && i == 9 + n ? 5 * NS_PER_S : 0);
        Exchange x = { .l1 = tb_ticks(local),
                       .r2 = tb_ticks(local + 1000000 + there),
                       .r3 = tb_ticks(local + 1000000 + there + 10),
                       .l4 = tb_ticks(local + there + 10 + back),
                       .has_tod = true,
                       .tod_l1 = tod_ns((gint64)i * NS_PER_S),
                       .tod_r2 = tod_ns(tod + 2 * there),
                       .tod_r3 = tod_ns(tod + 2 * there + 20),
                       .tod_l4 = tod_ns((gint64)i * NS_PER_S + 2 * (there + 10 + back)) };

        if (i == 10)
            relation_trace_start(&trace, &relation);
        if (i >= 10)
            relation_trace_add(&trace, &x);
        relation_add(&relation, &x);
        local += HZ;
    }
    trace.at = tb_ticks(local);
    return trace;
}

static void assert_same_bounds(const RelationBounds *a, const RelationBounds *b)
{
    g_assert_cmpint(a->state, ==, b->state);
    g_assert_cmpint(a->tb_ticks.lo, ==, b->tb_ticks.lo);
    g_assert_cmpint(a->tb_ticks.hi, ==, b->tb_ticks.hi);
    g_assert_cmpint(a->tod_ns.lo, ==, b->tod_ns.lo);
    g_assert_cmpint(a->tod_ns.hi, ==, b->tod_ns.hi);
    g_assert_cmpint(a->age_ticks, ==, b->age_ticks);
    g_assert_cmpuint(a->exchanges, ==, b->exchanges);
    g_assert_cmpint(a->tod_state, ==, b->tod_state);
    g_assert_cmpint(a->fault, ==, b->fault);
    g_assert_cmpint(a->stored, ==, b->stored);
}

static char *text_of(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);

    json_object_unref(object);
    return json_to_string(node, FALSE);
}

static gboolean read_text(const char *text, RelationTrace *ret, GError **error)
{
    g_autoptr(JsonNode) node = json_from_string(text, NULL);

    return relation_trace_read_json(json_node_get_object(node), ret, error);
}

static void check_round_trip(guint n, gboolean stepped)
{
    RelationTrace trace = make_trace(n, stepped), again;
    RelationBounds wanted = relation_trace_bounds(&trace), got;
    g_autofree char *text = text_of(relation_trace_to_json(&trace)), *second = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(read_text(text, &again, &error));
    g_assert_no_error(error);
    got = relation_trace_bounds(&again);
    assert_same_bounds(&got, &wanted);
    second = text_of(relation_trace_to_json(&again));
    g_assert_cmpstr(second, ==, text);
}

static void test_round_trip(void)
{
    check_round_trip(8, FALSE);
    check_round_trip(8, TRUE);
}

/* As a burst finds it after a start: replayed it gives the same, the word "stored" included. */
static void test_stored_round_trip(void)
{
    RelationTrace trace = make_trace(1, FALSE), again;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL, *second = NULL;
    RelationBounds wanted, got;

    relation_set_stored(&trace.before);
    trace.n_exchanges = 0;
    wanted = relation_trace_bounds(&trace);
    g_assert_true(wanted.stored);
    text = text_of(relation_trace_to_json(&trace));
    g_assert_true(read_text(text, &again, &error));
    g_assert_no_error(error);
    got = relation_trace_bounds(&again);
    assert_same_bounds(&got, &wanted);
    second = text_of(relation_trace_to_json(&again));
    g_assert_cmpstr(second, ==, text);
}

static void test_stored_members_are_checked(void)
{
    static const char *const names[] = { "stored", "fresh_lo", "fresh_hi" };
    RelationTrace trace = make_trace(1, FALSE), again;

    relation_set_stored(&trace.before);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(JsonObject) object = relation_trace_to_json(&trace);
        g_autoptr(GError) error = NULL;

        json_object_set_string_member(json_object_get_object_member(object, "before"), names[i], "");
        g_assert_false(relation_trace_read_json(object, &again, &error));
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
        g_assert_nonnull(strstr(error->message, names[i]));
    }
}

static void test_long_trace(void)
{
    RelationTrace trace = make_trace(RELATION_TRACE_MAX + 9, FALSE);
    RelationTrace shorter = make_trace(RELATION_TRACE_MAX, FALSE);
    RelationBounds bounds = relation_trace_bounds(&trace);

    g_assert_cmpuint(trace.n_exchanges, ==, RELATION_TRACE_MAX);
    g_assert_cmpuint(shorter.n_exchanges, ==, RELATION_TRACE_MAX);
    g_assert_cmpuint(bounds.exchanges, ==, 10 + RELATION_TRACE_MAX + 9);
}

/* Each member in turn is missing, of a wrong type, or a number out of range. */
static void test_foreign_text(void)
{
    RelationTrace trace = make_trace(1, FALSE), again;
    g_autoptr(JsonObject) good = relation_to_json(&trace.before);
    g_autoptr(GList) names = json_object_get_members(good);

    for (GList *name = names; name; name = name->next) {
        for (guint wrong = 0; wrong < 2; wrong++) {
            JsonObject *object = relation_trace_to_json(&trace);
            JsonObject *before = json_object_get_object_member(object, "before");
            g_autoptr(GError) error = NULL;

            if (wrong == 0)
                json_object_remove_member(before, name->data);
            else
                json_object_set_double_member(before, name->data, 0.5);
            g_assert_false(relation_trace_read_json(object, &again, &error));
            g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
            g_assert_nonnull(strstr(error->message, name->data));
            json_object_unref(object);
        }
    }
}

static void test_ranges(void)
{
    static const struct {
        const char *name;
        gint64 value;
    } cases[] = { { "timebase_hz", 0 },      { "timebase_hz", -1 },  { "drift_ppb", 10000001 },
                  { "tod_drift_ppb", -1 },   { "tb_exchanges", -1 }, { "tb_confirm", G_GINT64_CONSTANT(4294967296) } };
    RelationTrace trace = make_trace(1, FALSE), again;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(JsonObject) object = relation_trace_to_json(&trace);
        g_autoptr(GError) error = NULL;

        json_object_set_int_member(json_object_get_object_member(object, "before"), cases[i].name, cases[i].value);
        g_assert_false(relation_trace_read_json(object, &again, &error));
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    }
}

/* Ages are counted from them to the newest exchange, and none is negative. */
static void test_instants_out_of_order(void)
{
    static const char *const names[] = { "tb_at", "tod_at", "older_at", "newer_at" };
    RelationTrace trace = make_trace(1, FALSE), again;
    gint64 later = (gint64)tb_plus(trace.before.tb.at, 100 * (gint64)HZ).raw;

    trace.before.older = trace.before.newer;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(JsonObject) object = relation_trace_to_json(&trace);
        g_autoptr(GError) error = NULL;

        json_object_set_int_member(json_object_get_object_member(object, "before"), names[i], later);
        g_assert_false(relation_trace_read_json(object, &again, &error));
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
        g_assert_nonnull(strstr(error->message, names[i]));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/relation-json/what-is-read-again-gives-the-same-bounds", test_round_trip);
    g_test_add_func("/relation-json/a-stored-relation-stays-one", test_stored_round_trip);
    g_test_add_func("/relation-json/members-of-a-stored-relation-are-checked", test_stored_members_are_checked);
    g_test_add_func("/relation-json/old-exchanges-are-worked-in", test_long_trace);
    g_test_add_func("/relation-json/a-member-missing-or-of-a-wrong-type-is-named", test_foreign_text);
    g_test_add_func("/relation-json/numbers-out-of-range-are-refused", test_ranges);
    g_test_add_func("/relation-json/instants-out-of-order-are-refused", test_instants_out_of_order);
    return g_test_run();
}
