/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "diagnose.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "pki.h"
#include "tb-clock.h"

#define DAY_S 86400

/* A host on which all is well. */
typedef struct Fixture {
    Pki *pki;
    Config config;
    HostFacts host;
    BusStatus status;
    DiagnosePeer peer;
    DiagnoseInput input;
} Fixture;

static char *kept_path(Fixture *f, const char *file)
{
    return (char *)pki_path(f->pki, "%s", file);
}

static void issue(Fixture *f, const char *file, gint64 until_s)
{
    static const char *const names[] = { "alpha", NULL };

    pki_issue(f->pki, &(PkiCertificate){ .file = file, .dns = names, .from_s = -60, .until_s = until_s });
}

static void set_host(Fixture *f)
{
    host_facts_init(&f->host);
    f->host.kvm = KVM_HV;
    f->host.tb_offset = true;
    f->host.qemu_version = QEMU_VERSION(7, 2, 22);
    f->host.known = FACT_BIT(HOST_KVM) | FACT_BIT(HOST_TB_OFFSET) | FACT_BIT(HOST_QEMU_VERSION) | FACT_BIT(HOST_SIMULATED);
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->pki = pki_new("fleet");
    issue(f, "alpha", 90 * DAY_S);
    pki_revoke(f->pki, NULL);
    f->config.name = (char *)"alpha";
    f->config.ca_file = kept_path(f, "cacert.pem");
    f->config.crl_file = kept_path(f, "cacrl.pem");
    f->config.cert_file = f->config.client_cert_file = kept_path(f, "alpha-cert.pem");
    f->config.key_file = f->config.client_key_file = kept_path(f, "alpha-key.pem");
    g_chmod(f->config.key_file, 0600);
    f->config.state_directory = (char *)g_get_tmp_dir();
    f->config.libvirt_uri = (char *)"qemu:///system";
    f->config.libvirt_events = TRUE;
    f->status = (BusStatus){ "up", "", TRUE, "active", "/hooks/qemu.d/90-tbsyncd", "[::]:16524", "" };
    f->peer = (DiagnosePeer){ .name = "beta", .linked = TRUE, .relation = RELATION_OK };
    set_host(f);
    f->input = (DiagnoseInput){
        .config = &f->config,
        .host = &f->host,
        .status = &f->status,
        .peers = &f->peer,
        .n_peers = 1,
        .now_real_ns = tb_clock_real_ns(),
    };
}

static void tear_down(Fixture *f, gconstpointer data)
{
    pki_free(f->pki);
}

/* "code severity object" of each problem but the CA of the fixture, which lives for a day, ", " between them. */
static char *problems(Fixture *f)
{
    g_autoptr(GVariant) list = g_variant_ref_sink(diagnose(&f->input));
    g_autoptr(GString) out = g_string_new(NULL);

    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) problem = g_variant_get_child_value(list, i);
        const char *code, *severity, *object, *text, *advice;
        g_autofree char *base = NULL;

        g_assert_true(g_variant_lookup(problem, "code", "&s", &code));
        g_assert_true(g_variant_lookup(problem, "severity", "&s", &severity));
        g_assert_true(g_variant_lookup(problem, "object", "&s", &object));
        g_assert_true(g_variant_lookup(problem, "text", "&s", &text));
        g_assert_true(g_variant_lookup(problem, "advice", "&s", &advice));
        g_assert_cmpstr(text, !=, "");
        g_assert_cmpstr(advice, !=, "");
        g_assert_null(strstr(advice, "{}"));
        base = g_path_get_basename(object);
        if (g_str_equal(base, "cacert.pem"))
            continue;
        g_string_append_printf(out, "%s%s %s %s", out->len > 0 ? ", " : "", code, severity, base);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void assert_problems(Fixture *f, const char *wanted)
{
    g_autofree char *found = problems(f);

    g_assert_cmpstr(found, ==, wanted);
}

static void test_where_all_is_well_nothing_is_said(Fixture *f, gconstpointer data)
{
    assert_problems(f, "");
}

static void test_ends_of_certificates(Fixture *f, gconstpointer data)
{
    f->input.now_real_ns += (gint64)70 * DAY_S * NS_PER_S;
    f->config.crl_file = NULL;
    assert_problems(f, "certificate-expiring warn alpha-cert.pem");
    f->input.now_real_ns += (gint64)30 * DAY_S * NS_PER_S;
    assert_problems(f, "certificate-expired error alpha-cert.pem");
}

static void test_crl_that_is_overdue(Fixture *f, gconstpointer data)
{
    f->input.now_real_ns += (gint64)2 * DAY_S * NS_PER_S;
    assert_problems(f, "crl-expired error cacrl.pem");
}

static void test_certificate_that_cannot_be_used(Fixture *f, gconstpointer data)
{
    static const char *const names[] = { "alpha", NULL }, *const purposes[] = { "1.3.6.1.5.5.7.3.1", NULL };

    pki_issue(f->pki, &(PkiCertificate){ .file = "server", .dns = names, .purposes = purposes, .from_s = -60,
                                         .until_s = 90 * DAY_S });
    f->config.cert_file = f->config.client_cert_file = kept_path(f, "server-cert.pem");
    f->config.key_file = f->config.client_key_file = kept_path(f, "server-key.pem");
    g_chmod(f->config.key_file, 0600);
    assert_problems(f, "certificate-invalid error server-cert.pem"); /* not for TLS clients */
}

static void test_file_that_is_wrong_is_the_one_that_is_named(Fixture *f, gconstpointer data)
{
    f->config.key_file = kept_path(f, "absent-key.pem");
    assert_problems(f, "certificate-invalid error absent-key.pem");
    f->config.tls_priority = (char *)"+NONSENSE";
    f->config.key_file = f->config.client_key_file;
    assert_problems(f, "certificate-invalid error TLSPriority=+NONSENSE");
}

static void test_certificate_of_another_name(Fixture *f, gconstpointer data)
{
    f->config.name = (char *)"gamma";
    assert_problems(f, "certificate-name error alpha-cert.pem");
}

static void test_key_that_others_may_read(Fixture *f, gconstpointer data)
{
    g_chmod(f->config.key_file, 0604);
    assert_problems(f, "key-readable error alpha-key.pem");
}

static void test_hook_states(Fixture *f, gconstpointer data)
{
    f->status.hook_state = "missing";
    assert_problems(f, "hook-missing error 90-tbsyncd");
    f->status.hook_state = "not-executable";
    assert_problems(f, "hook-not-executable error 90-tbsyncd");
    f->status.hook_state = "unused";
    assert_problems(f, "hook-unused error 90-tbsyncd");
    f->status.hook_state = "unknown";
    assert_problems(f, "hook-unknown warn 90-tbsyncd");
}

static void test_libvirt_states(Fixture *f, gconstpointer data)
{
    f->status.libvirt_state = "down";
    assert_problems(f, "libvirt-away error system");
    f->status.libvirt_state = "off";
    assert_problems(f, "libvirt-off warn [Libvirt] URI=");
    f->status.libvirt_state = "up";
    f->input.timing_error = "no read-write access";
    assert_problems(f, "timing-failed warn [Libvirt] TimingEvents=");
    f->input.timing_error = NULL;
    f->config.libvirt_events = FALSE;
    assert_problems(f, "timing-off note [Libvirt] TimingEvents=");
}

static void test_host_that_cannot_carry_guests(Fixture *f, gconstpointer data)
{
    f->host.tb_offset = false;
    assert_problems(f, "timebase-offset-missing error KVM");
    f->host.kvm = KVM_PR;
    assert_problems(f, "kvm-pr error KVM");
    f->host.kvm = KVM_NONE;
    assert_problems(f, "kvm-missing warn KVM");
    f->status.kvm_note = "/dev/kvm cannot be opened";
    assert_problems(f, "kvm-missing warn KVM");
    set_host(f);
    f->status.kvm_note = "";
    f->host.simulated = true;
    assert_problems(f, "simulated-host warn alpha");
}

static void test_versions_of_qemu_that_lose_interrupts(Fixture *f, gconstpointer data)
{
    static const struct {
        guint32 version;
        gboolean loses;
    } cases[] = { { QEMU_VERSION(9, 1, 9), FALSE },  { QEMU_VERSION(9, 2, 0), TRUE },   { QEMU_VERSION(10, 0, 0), TRUE },
                  { QEMU_VERSION(10, 0, 4), TRUE },  { QEMU_VERSION(10, 0, 5), FALSE }, { QEMU_VERSION(10, 1, 0), TRUE },
                  { QEMU_VERSION(10, 1, 1), FALSE } };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        f->host.qemu_version = cases[i].version;
        assert_problems(f, cases[i].loses ? "qemu-loses-interrupts warn QEMU" : "");
    }
}

static void test_directory_and_address(Fixture *f, gconstpointer data)
{
    f->config.state_directory = (char *)"/nonexistent";
    f->input.listen_error = "the address is in use";
    assert_problems(f, "listen-failed error Listen=, state-not-writable error nonexistent");
    f->config.state_directory = (char *)g_get_tmp_dir();
    f->input.listen_error = NULL;
    f->input.unwritten = 3;
    f->input.spare_missing = 16;
    assert_problems(f, "state-unwritten error tmp, state-full warn tmp");
    f->input.unwritten = 0;
    f->input.spare_missing = 1;
    assert_problems(f, "state-full warn tmp");
}

static void test_what_a_reload_did_not_take_up(Fixture *f, gconstpointer data)
{
    f->input.not_taken_up = "[Libvirt] URI=";
    assert_problems(f, "restart-needed warn [Libvirt] URI=");
}

static void test_discovery(Fixture *f, gconstpointer data)
{
    f->config.discover = (char *)"_tbsyncd._tcp.example.org";
    f->input.discover_error = "no server";
    f->input.discover_foreign = "a.example.com";
    assert_problems(f, "discovery-failed error _tbsyncd._tcp.example.org, discovery-foreign warn _tbsyncd._tcp.example.org");
}

static void test_peers_by_what_keeps_them_away(Fixture *f, gconstpointer data)
{
    static const struct {
        TbsyncError code;
        const char *wanted;
    } cases[] = { { TBSYNC_ERROR_TIMEOUT, "peer-timeout error beta" },   { TBSYNC_ERROR_UNREACHABLE, "peer-unreachable error beta" },
                  { TBSYNC_ERROR_VERSION, "peer-version error beta" },   { TBSYNC_ERROR_SIMULATED, "peer-simulated error beta" },
                  { TBSYNC_ERROR_IDENTITY, "peer-certificate error beta" }, { TBSYNC_ERROR_DENIED, "peer-denies error beta" },
                  { TBSYNC_ERROR_FAILED, "peer-failed error beta" } };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        f->peer = (DiagnosePeer){ .name = "beta", .code = cases[i].code, .error = "why" };
        assert_problems(f, cases[i].wanted);
    }
    f->peer = (DiagnosePeer){ .name = "beta", .linked = TRUE, .relation = RELATION_STEPPED };
    assert_problems(f, "clock-stepped warn beta");
    f->peer.relation = RELATION_INVALID;
    assert_problems(f, "clock-stepped warn beta");
}

#define ADD(name, function) g_test_add("/diagnose/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("where-all-is-well-nothing-is-said", test_where_all_is_well_nothing_is_said);
    ADD("ends-of-certificates", test_ends_of_certificates);
    ADD("crl-that-is-overdue", test_crl_that_is_overdue);
    ADD("certificate-that-cannot-be-used", test_certificate_that_cannot_be_used);
    ADD("file-that-is-wrong-is-the-one-that-is-named", test_file_that_is_wrong_is_the_one_that_is_named);
    ADD("certificate-of-another-name", test_certificate_of_another_name);
    ADD("key-that-others-may-read", test_key_that_others_may_read);
    ADD("hook-states", test_hook_states);
    ADD("libvirt-states", test_libvirt_states);
    ADD("host-that-cannot-carry-guests", test_host_that_cannot_carry_guests);
    ADD("versions-of-qemu-that-lose-interrupts", test_versions_of_qemu_that_lose_interrupts);
    ADD("directory-and-address", test_directory_and_address);
    ADD("what-a-reload-did-not-take-up", test_what_a_reload_did_not_take_up);
    ADD("discovery", test_discovery);
    ADD("peers-by-what-keeps-them-away", test_peers_by_what_keeps_them_away);
    return g_test_run();
}
