/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health-log.h"

/* Every line that was logged since the last look, with a line end each. */
static GLogWriterOutput collect(GLogLevelFlags level, const GLogField *fields, gsize n_fields, void *data)
{
    GString *lines = data;

    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, "MESSAGE"))
            g_string_append_printf(lines, "%s%s\n", level == G_LOG_LEVEL_WARNING ? "! " : "",
                                   (const char *) fields[i].value);
    return G_LOG_WRITER_HANDLED;
}

static void expect(gconstpointer lines, const char *wanted)
{
    g_assert_cmpstr(((const GString *) lines)->str, ==, wanted);
    g_string_truncate((GString *) lines, 0);
}

static void tell(HealthLog *log, PeerState state, const char *error, RelationFault fault)
{
    health_log_peer(log, &(HealthPeer){ .name = "beta", .state = state, .error = error, .fault = fault });
}

static void test_peer_is_named_once_for_each_change(gconstpointer lines)
{
    g_autoptr(HealthLog) log = health_log_new();

    tell(log, PEER_DIALLING, NULL, RELATION_FAULT_NONE);
    expect(lines, "");
    tell(log, PEER_LINKED, NULL, RELATION_FAULT_NONE);
    tell(log, PEER_LINKED, NULL, RELATION_FAULT_NONE);
    expect(lines, "peer beta: linked\n");
    tell(log, PEER_IDLE, "cut", RELATION_FAULT_NONE);
    tell(log, PEER_DIALLING, "cut", RELATION_FAULT_NONE);
    tell(log, PEER_IDLE, "nobody there", RELATION_FAULT_NONE);
    expect(lines, "! peer beta: link lost: cut; trying again\n");
    tell(log, PEER_LINKED, NULL, RELATION_FAULT_NONE);
    expect(lines, "peer beta: linked again\n");
    tell(log, PEER_HELLO, NULL, RELATION_FAULT_NONE);
    expect(lines, "! peer beta: link lost: closed; trying again\n");
}

static void test_peer_that_was_never_there_is_named_once(gconstpointer lines)
{
    g_autoptr(HealthLog) log = health_log_new();

    tell(log, PEER_IDLE, "nobody there", RELATION_FAULT_NONE);
    tell(log, PEER_IDLE, "still nobody", RELATION_FAULT_NONE);
    expect(lines, "! peer beta: not linked: nobody there; trying again\n");
    tell(log, PEER_REFUSED, "it speaks version 2", RELATION_FAULT_NONE);
    tell(log, PEER_REFUSED, "it speaks version 2", RELATION_FAULT_NONE);
    expect(lines, "! peer beta: refused: it speaks version 2\n");
    tell(log, PEER_IDLE, "cut", RELATION_FAULT_NONE);
    expect(lines, "");
    tell(log, PEER_LINKED, NULL, RELATION_FAULT_NONE);
    expect(lines, "peer beta: linked\n");
}

static void test_every_fault_of_a_clock_is_told_and_its_end(gconstpointer lines)
{
    g_autoptr(HealthLog) log = health_log_new();

    tell(log, PEER_LINKED, NULL, RELATION_FAULT_NONE);
    expect(lines, "peer beta: linked\n");
    for (int fault = RELATION_FAULT_TOD; fault <= RELATION_FAULT_REMOTE_CLOCKS; fault++) {
        tell(log, PEER_LINKED, NULL, (RelationFault) fault);
        tell(log, PEER_LINKED, NULL, (RelationFault) fault);
        g_assert_true(g_str_has_prefix(((const GString *) lines)->str, "! peer beta: "));
        g_assert_cmpint(g_strrstr(((const GString *) lines)->str, "!") - ((const GString *) lines)->str, ==, 0);
        g_string_truncate((GString *) lines, 0);
    }
    tell(log, PEER_LINKED, NULL, RELATION_FAULT_NONE);
    expect(lines, "peer beta: the relation of the clocks holds again\n");
}

static void test_libvirt_is_named_once_for_each_change(gconstpointer lines)
{
    g_autoptr(HealthLog) log = health_log_new();

    health_log_libvirt(log, GUESTS_CONNECTING, NULL);
    health_log_libvirt(log, GUESTS_UP, NULL);
    health_log_libvirt(log, GUESTS_UP, NULL);
    expect(lines, "connected to libvirt\n");
    health_log_libvirt(log, GUESTS_DOWN, "it hung up");
    health_log_libvirt(log, GUESTS_CONNECTING, NULL);
    health_log_libvirt(log, GUESTS_DOWN, "no socket");
    expect(lines, "! no libvirt: it hung up; trying again\n");
    health_log_libvirt(log, GUESTS_UP, NULL);
    expect(lines, "connected to libvirt again\n");
}

static void test_discovery_is_named_once_for_each_change(gconstpointer lines)
{
    g_autoptr(HealthLog) log = health_log_new();

    health_log_discovery(log, 2, NULL, NULL);
    health_log_discovery(log, 2, NULL, NULL);
    health_log_discovery(log, 3, NULL, NULL);
    expect(lines, "peers found by Discover=: 2\npeers found by Discover=: 3\n");
    health_log_discovery(log, 3, "no server", NULL);
    health_log_discovery(log, 3, "another reason", NULL);
    expect(lines, "! cannot look up Discover=: no server; the 3 peers known from it stay, trying again\n");
    health_log_discovery(log, 3, NULL, "a.example.com");
    health_log_discovery(log, 3, NULL, "a.example.com");
    expect(lines, "peers found by Discover=: 3\n! DNS names a.example.com, which Discover= does not allow to be peers: "
                  "not in its domain, or no names of hosts\n");
}

int main(int argc, char **argv)
{
    g_autoptr(GString) lines = g_string_new(NULL);

    g_test_init(&argc, &argv, NULL);
    g_log_set_writer_func(collect, lines, NULL);
    g_test_add_data_func("/health-log/peer-is-named-once-for-each-change", lines,
                         test_peer_is_named_once_for_each_change);
    g_test_add_data_func("/health-log/peer-that-was-never-there-is-named-once", lines,
                         test_peer_that_was_never_there_is_named_once);
    g_test_add_data_func("/health-log/every-fault-of-a-clock-is-told-and-its-end", lines,
                         test_every_fault_of_a_clock_is_told_and_its_end);
    g_test_add_data_func("/health-log/libvirt-is-named-once-for-each-change", lines,
                         test_libvirt_is_named_once_for_each_change);
    g_test_add_data_func("/health-log/discovery-is-named-once-for-each-change", lines,
                         test_discovery_is_named_once_for_each_change);
    return g_test_run();
}
