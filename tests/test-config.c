/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "config-keys.h"
#include "error.h"

/* Hundreds of files that nobody needs after a crash: not synced. GLib 2.74 writes over an old file without cutting it. */
#define write_text(path, text, length, error) \
    (g_unlink(path), g_file_set_contents_full(path, text, length, G_FILE_SET_CONTENTS_NONE, 0644, error))

typedef struct Fixture {
    char *directory;
    char *path; /* the main file */
} Fixture;

static void fixture_set_up(Fixture *fixture, gconstpointer data)
{
    g_autofree char *drop_ins = NULL;

    fixture->directory = g_dir_make_tmp("tbsync-config-XXXXXX", NULL);
    g_assert_nonnull(fixture->directory);
    fixture->path = g_build_filename(fixture->directory, "t.conf", NULL);
    drop_ins = g_strconcat(fixture->path, ".d", NULL);
    g_assert_cmpint(g_mkdir(drop_ins, 0700), ==, 0);
}

static void fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    g_autofree char *drop_ins = g_strconcat(fixture->path, ".d", NULL);
    g_autoptr(GDir) dir = g_dir_open(drop_ins, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(drop_ins, name, NULL);
        g_unlink(file);
    }
    g_rmdir(drop_ins);
    g_unlink(fixture->path);
    g_rmdir(fixture->directory);
    g_free(fixture->path);
    g_free(fixture->directory);
}

static void write_drop_in(Fixture *fixture, const char *name, const char *text)
{
    g_autofree char *file = g_strdup_printf("%s.d/%s", fixture->path, name);

    g_assert_true(write_text(file, text, -1, NULL));
}

static Config *load(Fixture *fixture, const char *text, GError **error)
{
    g_assert_true(write_text(fixture->path, text, -1, NULL));
    return config_load(fixture->path, error);
}

static Config *load_good(Fixture *fixture, const char *text)
{
    g_autoptr(GError) error = NULL;
    Config *config = load(fixture, text, &error);

    g_assert_no_error(error);
    g_assert_nonnull(config);
    return config;
}

static void test_missing_files_give_the_defaults(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_load("/nonexistent/tbsyncd.conf", &error);
    Policy policy = POLICY_DEFAULT;

    g_assert_no_error(error);
    g_assert_cmpstr(config->state_directory, ==, "/var/lib/tbsyncd");
    g_assert_cmpstr(config->root, ==, "");
    g_assert_cmpuint(config->max_records, ==, 1000);
    g_assert_cmpuint(config->hook_deadline_ns, ==, G_GUINT64_CONSTANT(4500000000));
    g_assert_false(config->tb_simulated);
    g_assert_cmpuint(config->tb_frequency_hz, ==, 0);
    g_assert_cmpuint(config->drift_bound_ppb, ==, 100000);
    g_assert_cmpstr(config->listen_address, ==, "::");
    g_assert_cmpuint(config->listen_port, ==, 16524);
    g_assert_cmpstr(config->crl_file, ==, "/etc/pki/CA/cacrl.pem");
    g_assert_false(config->crl_required);
    g_assert_cmpuint(config->poll_interval_ns, ==, G_GUINT64_CONSTANT(64000000000));
    g_assert_cmpuint(config->n_peers, ==, 0);
    g_assert_cmpstr(config->libvirt_uri, ==, "qemu:///system");
    g_assert_false(config->libvirt_events);
    g_assert_false(config->libvirt_sync_registers);
    g_assert_false(config->libvirt_read_timebase);
    g_assert_nonnull(config->host_assignments);
    g_assert_null(config->host_assignments[0]);
    g_assert_cmpint(config->policy.unknown_mode, ==, policy.unknown_mode);
    g_assert_cmpint(config->policy.source_unknown_blocks, ==, policy.source_unknown_blocks);
    g_assert_cmpint(config->policy.unavailable_blocks, ==, policy.unavailable_blocks);
    g_assert_cmpint(config->policy.relation_unknown_blocks, ==, policy.relation_unknown_blocks);
    g_assert_cmpint(config->policy.unknown_facts_block, ==, policy.unknown_facts_block);
    g_assert_cmpint(config->policy.max_forward_jump_ns, ==, policy.max_forward_jump_ns);
    g_assert_cmpint(config->policy.max_relation_age_ns, ==, policy.max_relation_age_ns);
    g_assert_cmpint(config->policy.max_tod_skew_ns, ==, policy.max_tod_skew_ns);
}

static void test_every_kind_of_value_is_read(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Config) config = load_good(
        fixture, "# a comment\n; another\n\n[Daemon]\r\n  Name = Alpha.Example.ORG  \n"
                 "Root=/tmp/root\nMaxRecords=5\nHookDeadlineMSec=100\n"
                 "[Timebase]\nSource=simulated\nStartTicks=18446744073709551615\nDriftPpb=-50000\n"
                 "[Link]\nListen=10.77.0.1:0\nPollIntervalSec=1\nCRLFile=/x/"
                 "crl.pem\nTLSPriority=-VERS-TLS1.2=a\n"
                 "Discover=_tbsyncd._tcp.Example.ORG\nDiscoverIntervalSec=5\n"
                 "[Libvirt]\nURI=test:///default\nTimingEvents=1\nRefreshOffset=after-start\nReadGuestTimebase=yes\n"
                 "[Policy]\nSourceUnknown=allow\nMaxForwardJumpMSec=250\n");

    g_assert_cmpstr(config->name, ==, "alpha.example.org");
    g_assert_cmpstr(config->root, ==, "/tmp/root");
    g_assert_cmpuint(config->max_records, ==, 5);
    g_assert_cmpuint(config->hook_deadline_ns, ==, 100000000);
    g_assert_true(config->tb_simulated);
    g_assert_cmpuint(config->tb_frequency_hz, ==, 512000000);
    g_assert_cmpuint(config->tb_start_ticks, ==, G_MAXUINT64);
    g_assert_cmpint(config->tb_drift_ppb, ==, -50000);
    g_assert_cmpstr(config->listen_address, ==, "10.77.0.1");
    g_assert_cmpuint(config->listen_port, ==, 0);
    g_assert_cmpuint(config->poll_interval_ns, ==, 1000000000);
    g_assert_true(config->crl_required);
    g_assert_cmpstr(config->tls_priority, ==, "-VERS-TLS1.2=a");
    g_assert_cmpstr(config->discover, ==, "_tbsyncd._tcp.example.org");
    g_assert_cmpuint(config->discover_interval_ns, ==, G_GUINT64_CONSTANT(5000000000));
    g_assert_cmpstr(config->libvirt_uri, ==, "test:///default");
    g_assert_true(config->libvirt_events);
    g_assert_true(config->libvirt_sync_registers);
    g_assert_true(config->libvirt_read_timebase);
    g_assert_false(config->policy.source_unknown_blocks);
    g_assert_cmpint(config->policy.max_forward_jump_ns, ==, 250000000);
}

static void test_peers_keep_the_order_of_the_file(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Config) config = load_good(
        fixture,
        "[Daemon]\nName=alpha\n[Peer gamma]\n[Peer Beta.Example.org]\nAddress=[fd00::2]\nPort=1\n"
        "[Peer ALPHA]\nAddress=10.0.0.9\n[Peer delta]\nAddress=delta.lan\n");

    g_assert_cmpuint(config->n_peers, ==, 3);
    g_assert_cmpstr(config->peers[0].name, ==, "gamma");
    g_assert_cmpstr(config->peers[0].address, ==, "gamma");
    g_assert_cmpuint(config->peers[0].port, ==, 16524);
    g_assert_cmpstr(config->peers[1].name, ==, "beta.example.org");
    g_assert_cmpstr(config->peers[1].address, ==, "fd00::2");
    g_assert_cmpuint(config->peers[1].port, ==, 1);
    g_assert_cmpstr(config->peers[2].name, ==, "delta");
    g_assert_cmpstr(config->peers[2].address, ==, "delta.lan");
}

static void test_drop_ins_override_in_byte_order(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Config) config = NULL;

    write_drop_in(fixture, "10-a.conf",
                  "[Link]\nPollIntervalSec=10\nListen=\n[Peer beta]\nPort=10\n");
    write_drop_in(fixture, "9-b.conf", "[Link]\nPollIntervalSec=9\n[Host]\nPVR=\nNested=no\n");
    write_drop_in(fixture, "Z.conf", "[Daemon]\nMaxRecords=3\n");
    write_drop_in(fixture, "a.conf", "[Daemon]\nMaxRecords=4\n");
    write_drop_in(fixture, ".hidden.conf", "nonsense\n");
    write_drop_in(fixture, "b.conf~", "nonsense\n");
    config =
        load_good(fixture, "[Link]\nPollIntervalSec=1\n[Daemon]\nMaxRecords=2\nName=alpha\n"
                           "[Host]\nPVR=0x004e1202\nNested=yes\n[Peer beta]\nAddress=1.2.3.4\n");
    g_assert_cmpuint(config->poll_interval_ns, ==, G_GUINT64_CONSTANT(9000000000));
    g_assert_cmpstr(config->listen_address, ==, "");
    g_assert_cmpuint(config->max_records, ==, 4);
    g_assert_cmpuint(config->n_peers, ==, 1);
    g_assert_cmpstr(config->peers[0].address, ==, "1.2.3.4");
    g_assert_cmpuint(config->peers[0].port, ==, 10);
    g_assert_cmpstr(config->host_assignments[0], ==, "nested=no");
    g_assert_null(config->host_assignments[1]);
}

static void test_host_facts_become_assignments(Fixture *fixture, gconstpointer data)
{
    static const char *const expected[] = {
        "pvr=0x004e1202", "kvm=hv",      "mmu=hash,radix",      "tb_offset=yes",
        "caps.ibs=1",     "caps.cfpc=0", "qemu_version=7.2.22", NULL,
    };
    g_autoptr(Config) config =
        load_good(fixture, "[Host]\nPVR=0x004e1202\nKvm=hv\nMMU=hash,radix\nTbOffset=yes\n"
                           "Caps.ibs=1\nCaps.cfpc=0\nQemuVersion=7.2.22\n");

    g_assert_true(g_strv_equal((const char *const *)config->host_assignments, expected));
}

/* The message is "<directory>/t.conf:LINE: REST". */
static void assert_message(Fixture *fixture, const char *message, const char *expected)
{
    g_autofree char *whole = g_strdup_printf("%s/%s", fixture->directory, expected);

    g_assert_cmpstr(message, ==, whole);
}

static void test_bad_lines_name_file_line_key_and_reason(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *text, *message;
    } table[] = {
        { "[Link]\n\nPollIntervalSec=0\n",
          "t.conf:3: [Link] PollIntervalSec=0: must be 1 to 86400" },
        { "[Link]\nPollIntervalSec=86401",
          "t.conf:2: [Link] PollIntervalSec=86401: must be 1 to 86400" },
        { "[Link]\nPollIntervalSec=64s",
          "t.conf:2: [Link] PollIntervalSec=64s: must be 1 to 86400" },
        { "[Link]\nPollIntervalSec=-1", "t.conf:2: [Link] PollIntervalSec=-1: must be 1 to 86400" },
        { "[Link]\nPollIntervalSec=", "t.conf:2: [Link] PollIntervalSec=: must be 1 to 86400" },
        { "[Link]\nPollIntervalSec=99999999999999999999",
          "t.conf:2: [Link] PollIntervalSec=99999999999999999999: must be 1 to 86400" },
        { "[Timebase]\nFrequencyHz=5",
          "t.conf:2: [Timebase] FrequencyHz=5: must be 0 or 1000000 to 10000000000" },
        { "[Timebase]\nDriftPpb=1000001",
          "t.conf:2: [Timebase] DriftPpb=1000001: must be -1000000 to 1000000" },
        { "[Timebase]\nSource=fast",
          "t.conf:2: [Timebase] Source=fast: must be hardware or simulated" },
        { "[Timebase]\nStartTicks=5\nFrequencyHz=0",
          "t.conf:2: [Timebase] StartTicks=5: only with Source=simulated" },
        { "[Libvirt]\nTimingEvents=maybe",
          "t.conf:2: [Libvirt] TimingEvents=maybe: must be yes or no" },
        { "[Link]\nListen=example.org:1",
          "t.conf:2: [Link] Listen=example.org:1: must be empty or an IP address "
          "and a port, such as [::]:16524 or 10.0.0.1:16524" },
        { "[Link]\nListen=[::]:70000",
          "t.conf:2: [Link] Listen=[::]:70000: the port must be 0 to 65535" },
        { "[Link]\nCAFile=ca.pem", "t.conf:2: [Link] CAFile=ca.pem: must be an absolute path" },
        { "[Daemon]\nRoot=/x/", "t.conf:2: [Daemon] Root=/x/: must not end in /" },
        { "[Daemon]\nName=a b", "t.conf:2: [Daemon] Name=a b: must be a DNS name" },
        { "[Link]\nDiscover=example.org",
          "t.conf:2: [Link] Discover=example.org: must be empty or a service of a domain, such as "
          "_tbsyncd._tcp.example.org" },
        { "[Link]\nDiscover=_tbsyncd._udp.example.org",
          "t.conf:2: [Link] Discover=_tbsyncd._udp.example.org: must be empty or a service of a "
          "domain, such as _tbsyncd._tcp.example.org" },
        { "[Link]\nDiscover=_tbsyncd._tcp._sub.example.org",
          "t.conf:2: [Link] Discover=_tbsyncd._tcp._sub.example.org: must be empty or a service of "
          "a domain, such as _tbsyncd._tcp.example.org" },
        { "[Link]\nDiscover=_tbsyncd._tcp.",
          "t.conf:2: [Link] Discover=_tbsyncd._tcp.: must be empty or a service of a domain, such "
          "as _tbsyncd._tcp.example.org" },
        { "[Link]\nDiscoverIntervalSec=0",
          "t.conf:2: [Link] DiscoverIntervalSec=0: must be 1 to 86400" },
        { "[Peer beta]\nAddress=a/b",
          "t.conf:2: [Peer beta] Address=a/b: must be a host name or an IP address" },
        { "[Peer beta]\nPort=0", "t.conf:2: [Peer beta] Port=0: must be 1 to 65535" },
        { "[Peer beta]\n[Peer BETA]", "t.conf:2: [Peer beta] is already in line 1" },
        { "[Peer]\n", "t.conf:1: [Peer] needs the name of the peer: [Peer NAME]" },
        { "[Peer a..b]\n", "t.conf:1: [Peer NAME]: the name must be a DNS name" },
        { "[Link]\nPollIntervalSec=1\nPollIntervalSec=1\n",
          "t.conf:3: [Link] PollIntervalSec=1: is already set in line 2" },
        { "[Link]\nPollInterval=1\n", "t.conf:2: [Link] PollInterval=1: unknown key; man tbsyncd.conf lists them" },
        { "[Link]\npollintervalsec=1\n", "t.conf:2: [Link] pollintervalsec=1: unknown key; man tbsyncd.conf lists them" },
        { "[Links]\n", "t.conf:1: [Links] is no section of this file; man tbsyncd.conf lists them" },
        { "[Link\n", "t.conf:1: a section must end in ]" },
        { "Name=alpha\n", "t.conf:1: a key before the first [Section]" },
        { "[Daemon]\nName\n", "t.conf:2: neither a [Section] nor Key=Value" },
        { "[Daemon]\n=alpha\n", "t.conf:2: neither a [Section] nor Key=Value" },
        { "[Daemon]\n# \xff\n", "t.conf:2: not UTF-8 text" },
        { "[Daemon]\nName=a\033[0m\n", "t.conf:2: control character" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Config) config = load(fixture, table[i].text, &error);

        g_assert_null(config);
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
        assert_message(fixture, error->message, table[i].message);
    }
}

static void test_values_of_other_modules_are_refused_with_their_line(Fixture *fixture,
                                                                     gconstpointer data)
{
    static const struct {
        const char *text, *start;
    } table[] = {
        { "[Policy]\nSourceUnknown=perhaps\n", "t.conf:2: [Policy] SourceUnknown=perhaps: " },
        { "[Host]\nPVR=many\n", "t.conf:2: [Host] PVR=many: " },
        { "[Host]\nMMU=segment\n", "t.conf:2: [Host] MMU=segment: " },
        { "[Host]\nCaps.nonsense=1\n", "t.conf:2: [Host] Caps.nonsense=1: " },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Config) config = load(fixture, table[i].text, &error);
        g_autofree char *start = g_strdup_printf("%s/%s", fixture->directory, table[i].start);

        g_assert_null(config);
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
        g_assert_true(g_str_has_prefix(error->message, start));
        g_assert_cmpuint(strlen(error->message), >, strlen(start));
    }
}

static void test_drop_in_errors_name_the_drop_in(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = NULL;

    write_drop_in(fixture, "a.conf", "\n[Daemon]\nMaxRecords=0\n");
    config = load(fixture, "[Daemon]\nMaxRecords=1\n", &error);
    g_assert_null(config);
    assert_message(fixture, error->message,
                   "t.conf.d/a.conf:3: [Daemon] MaxRecords=0: must be 1 to 1000000");
}

static void test_files_that_are_no_text_files_are_refused(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *huge = g_strnfill(1024 * 1024 + 1, '\n');

    g_assert_null(config_load(fixture->directory, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED);
    g_clear_error(&error);
    g_assert_null(load(fixture, huge, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED);
    assert_message(fixture, error->message, "t.conf: File too large");
    g_clear_error(&error);
    g_assert_true(write_text(fixture->path, "[Daemon]\n\0", 10, NULL));
    g_assert_null(config_load(fixture->path, &error));
    g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
    assert_message(fixture, error->message, "t.conf:2: not UTF-8 text");
}

static void test_listen_addresses(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *value, *address;
        guint16 port;
    } table[] = {
        { "[::]:16524", "::", 16524 },       { "0.0.0.0:1", "0.0.0.0", 1 },
        { "[::1]", "::1", 16524 },           { "fd00::1", "fd00::1", 16524 },
        { "127.0.0.1", "127.0.0.1", 16524 }, { "", "", 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *text = g_strdup_printf("[Link]\nListen=%s\n", table[i].value);
        g_autoptr(Config) config = load_good(fixture, text);

        g_assert_cmpstr(config->listen_address, ==, table[i].address);
        g_assert_cmpuint(config->listen_port, ==, table[i].port);
    }
}

static void test_reload_keeps_what_counts_from_the_start_on(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Config) running = load_good(fixture, "[Daemon]\nStateDirectory=/a\nMaxRecords=7\n[Host]\nKvm=hv\n[Libvirt]\nURI=\n");
    g_autoptr(Config) same = load_good(fixture, "[Libvirt]\nURI=\n[Daemon]\nMaxRecords=7\nStateDirectory=/a\n[Host]\nKvm=hv\n");
    g_autoptr(Config) config = load_good(fixture, "[Daemon]\nStateDirectory=/b\nMaxRecords=8\nHookDeadlineMSec=400\n[Host]\nKvm=pr\n"
                                                  "[Timebase]\nSource=simulated\nFrequencyHz=1000000\nDriftBoundPpb=7\n"
                                                  "[Libvirt]\nTimingEvents=yes\nRefreshOffset=after-start\n");
    g_autofree char *kept = config_keep_at_start(config, running), *none = config_keep_at_start(same, running);

    g_assert_null(none);
    g_assert_cmpstr(kept, ==,
                    "[Host], [Daemon] StateDirectory=, [Daemon] MaxRecords=, [Timebase] Source=, [Timebase] FrequencyHz=, [Libvirt] "
                    "URI=, [Libvirt] TimingEvents=, [Libvirt] RefreshOffset=");
    g_assert_cmpstr(config->state_directory, ==, "/a");
    g_assert_cmpuint(config->max_records, ==, 7);
    g_assert_cmpstr(config->host_assignments[0], ==, "kvm=hv");
    g_assert_false(config->tb_simulated || config->libvirt_events || config->libvirt_sync_registers);
    g_assert_cmpstr(config->libvirt_uri, ==, "");
    /* the others are new */
    g_assert_cmpuint(config->hook_deadline_ns, ==, 400 * 1000000);
    g_assert_cmpuint(config->drift_bound_ppb, ==, 7);
}

static void test_ranges_of_the_policy_are_as_described(Fixture *fixture, gconstpointer data)
{
    gsize count;
    const ConfigKey *keys = config_keys(&count);
    guint n = 0;

    for (gsize i = 0; i < count; i++) {
        g_autofree char *most = g_strdup_printf("[Policy]\n%s=%" G_GUINT64_FORMAT "\n", keys[i].key, keys[i].max);
        g_autofree char *more = g_strdup_printf("[Policy]\n%s=%" G_GUINT64_FORMAT "\n", keys[i].key, keys[i].max + 1);
        g_autoptr(GError) error = NULL;

        if (keys[i].kind != CONFIG_POLICY || keys[i].max == 0)
            continue;
        config_free(load_good(fixture, most));
        g_assert_null(load(fixture, more, &error));
        g_assert_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID);
        n++;
    }
    g_assert_cmpuint(n, ==, 3);
}

static void test_credentials_stand_in_for_files_not_set(Fixture *fixture, gconstpointer data)
{
    g_autofree char *directory = g_strconcat(fixture->path, ".d", NULL);
    g_autofree char *ca_file = g_build_filename(directory, "cacert.pem", NULL);
    const char *own_ca = "/etc/pki/CA/cacert.pem";
    g_autoptr(Config) config = NULL;

    write_drop_in(fixture, "cacert.pem", "-----BEGIN CERTIFICATE-----\n");
    write_drop_in(fixture, "cacrl.pem", "absent");
    write_drop_in(fixture, "servercert.pem", "absent\n");
    write_drop_in(fixture, "serverkey.pem", "-----BEGIN\n");
    g_setenv("CREDENTIALS_DIRECTORY", directory, TRUE);
    config = load_good(fixture, "[Link]\nKeyFile=/own/key.pem\n");
    g_unsetenv("CREDENTIALS_DIRECTORY");
    /* on a machine with a PKI of its own, the file that a reload will find renewed */
    g_assert_cmpstr(config->ca_file, ==, g_access(own_ca, R_OK) == 0 ? own_ca : ca_file);
    g_assert_cmpstr(config->crl_file, ==, "");
    g_assert_cmpstr(config->cert_file, ==, "/etc/pki/libvirt/servercert.pem");
    g_assert_cmpstr(config->key_file, ==, "/own/key.pem");
    g_assert_cmpstr(config->client_key_file, ==, "/etc/pki/libvirt/private/clientkey.pem");
}

static void test_shipped_file_is_the_described_one(Fixture *fixture, gconstpointer data)
{
    g_autofree char *described = config_describe();
    g_autofree char *shipped = NULL;

    /* after a change of the table: TBSYNC_UPDATE_EXPECTED=1 meson test config */
    if (g_getenv("TBSYNC_UPDATE_EXPECTED"))
        g_assert_true(write_text(SOURCE_ROOT "/data/tbsyncd.conf", described, -1, NULL));
    g_assert_true(g_file_get_contents(SOURCE_ROOT "/data/tbsyncd.conf", &shipped, NULL, NULL));
    g_assert_cmpstr(shipped, ==, described);
}

/* Uncommented, the shipped file must load and change nothing. */
static void test_described_defaults_are_the_defaults(Fixture *fixture, gconstpointer data)
{
    g_autofree char *described = config_describe();
    g_auto(GStrv) lines = g_strsplit(described, "\n", -1);
    g_autoptr(GString) text = g_string_new("");
    g_auto(GStrv) parts = NULL;
    g_autofree char *good = NULL;
    g_autoptr(Config) config = NULL;
    gsize count;
    const ConfigKey *keys = config_keys(&count);

    for (guint i = 0; lines[i]; i++) {
        gboolean is_key = lines[i][0] == '#' && g_ascii_isupper(lines[i][1]);

        if (strstr(lines[i], "Caps.NAME") == NULL && !g_str_has_prefix(lines[i], "#CRLFile"))
            g_string_append_printf(
                text, "%s\n", is_key || g_str_has_prefix(lines[i], "#[") ? lines[i] + 1 : lines[i]);
    }
    parts = g_strsplit(text->str, "[Peer NAME]", -1);
    good = g_strjoinv("[Peer beta]", parts);
    config = load_good(fixture, good);
    g_assert_cmpuint(config->poll_interval_ns, ==, G_GUINT64_CONSTANT(64000000000));
    g_assert_cmpstr(config->peers[0].address, ==, "beta");
    g_assert_null(config->host_assignments[0]);
    for (gsize i = 0; i < count; i++)
        g_assert_true(keys[i].doc != NULL && g_str_has_suffix(keys[i].doc, "."));
}

/* Bytes of a valid file are changed at random: it is loaded or refused with file and line, never
 * worse. */
static void test_mutated_files_never_crash(Fixture *fixture, gconstpointer data)
{
    static const char seed_text[] =
        "[Daemon]\nName=alpha\nMaxRecords=10\n[Timebase]\nSource=simulated\nDriftPpb=-5\n"
        "[Peer beta]\nAddress=[fd00::1]\nPort=1\n[Link]\nListen=[::]:1\n[Host]\nCaps.ibs=1\n"
        "[Policy]\nMaxTodSkewMSec=5\n";
    static const char alphabet[] = "[]=#;\n\t .:09aZ\xc3\xa9-\"";

    for (int round = 0; round < 3000; round++) {
        g_autofree char *text = g_strdup(seed_text);
        g_autoptr(GError) error = NULL;
        g_autoptr(Config) config = NULL;
        int changes = g_test_rand_int_range(1, 8);

        while (changes-- > 0)
            text[g_test_rand_int_range(0, sizeof seed_text - 1)] =
                alphabet[g_test_rand_int_range(0, sizeof alphabet - 1)];
        config = load(fixture, text, &error);
        g_assert_true((config == NULL) == (error != NULL));
        if (error != NULL)
            g_assert_true(g_str_has_prefix(error->message, fixture->path));
    }
}

#define ADD(name, function)                                                                        \
    g_test_add("/config/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("missing-files-give-the-defaults", test_missing_files_give_the_defaults);
    ADD("every-kind-of-value-is-read", test_every_kind_of_value_is_read);
    ADD("peers-keep-the-order-of-the-file", test_peers_keep_the_order_of_the_file);
    ADD("drop-ins-override-in-byte-order", test_drop_ins_override_in_byte_order);
    ADD("host-facts-become-assignments", test_host_facts_become_assignments);
    ADD("bad-lines-name-file-line-key-and-reason", test_bad_lines_name_file_line_key_and_reason);
    ADD("values-of-other-modules-are-refused-with-their-line",
        test_values_of_other_modules_are_refused_with_their_line);
    ADD("drop-in-errors-name-the-drop-in", test_drop_in_errors_name_the_drop_in);
    ADD("files-that-are-no-text-files-are-refused", test_files_that_are_no_text_files_are_refused);
    ADD("listen-addresses", test_listen_addresses);
    ADD("reload-keeps-what-counts-from-the-start-on", test_reload_keeps_what_counts_from_the_start_on);
    ADD("ranges-of-the-policy-are-as-described", test_ranges_of_the_policy_are_as_described);
    ADD("credentials-stand-in-for-files-not-set", test_credentials_stand_in_for_files_not_set);
    ADD("shipped-file-is-the-described-one", test_shipped_file_is_the_described_one);
    ADD("described-defaults-are-the-defaults", test_described_defaults_are_the_defaults);
    ADD("mutated-files-never-crash", test_mutated_files_never_crash);
    return g_test_run();
}
