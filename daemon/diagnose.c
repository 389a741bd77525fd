/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "diagnose.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "credentials.h"
#include "link-cert.h"
#include "link-names.h"
#include "spare-room.h"
#include "tbsyncd-config.h"

#define EXPIRY_NOTICE_NS (30 * 86400 * NS_PER_S)

/* ---- the list that is made ---- */

typedef struct Check Check;

typedef struct Examination {
    const DiagnoseInput *in;
    const Check *check; /* that runs */
    GVariantBuilder list;
} Examination;

/* One row of the table; `run` calls report() for each object that is not as it should be. */
struct Check {
    const char *code;
    const char *severity;
    void (*run)(Examination *e);
    const char *advice; /* what mends it; {} stands for the object */
};

static void report(Examination *e, const char *object, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void report(Examination *e, const char *object, const char *format, ...)
{
    g_auto(GStrv) parts = g_strsplit(e->check->advice, "{}", -1);
    g_autofree char *advice = g_strjoinv(object, parts);
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_variant_builder_open(&e->list, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&e->list, "{sv}", "code", g_variant_new_string(e->check->code));
    g_variant_builder_add(&e->list, "{sv}", "severity", g_variant_new_string(e->check->severity));
    g_variant_builder_add(&e->list, "{sv}", "object", g_variant_new_string(object));
    g_variant_builder_add(&e->list, "{sv}", "text", g_variant_new_take_string(g_utf8_make_valid(text, -1)));
    g_variant_builder_add(&e->list, "{sv}", "advice", g_variant_new_string(advice));
    g_variant_builder_close(&e->list);
}

/* ---- certificates ---- */

/* Each file once: one pair may serve both roles. `n` of them. */
static guint certificate_files(const Config *config, const char *ret_files[3])
{
    guint n = 0;

    ret_files[n++] = config->ca_file;
    ret_files[n++] = config->cert_file;
    if (config->client_cert_file && !g_str_equal(config->client_cert_file, config->cert_file))
        ret_files[n++] = config->client_cert_file;
    return n;
}

static char *date_text(gint64 real_ns)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(real_ns / NS_PER_S);

    return date ? g_date_time_format(date, "%Y-%m-%d %H:%M UTC") : g_strdup("a date beyond all calendars");
}

/* Those that end within [from, to) of now. */
static void report_ends(Examination *e, gint64 from_ns, gint64 to_ns, const char *word)
{
    const char *files[3];
    guint n = certificate_files(e->in->config, files);

    for (guint i = 0; i < n; i++) {
        gint64 until_ns, left_ns;

        if (!link_cert_until(files[i], LINK_CERT_CERTIFICATES, &until_ns, NULL))
            continue; /* that is another row */
        left_ns = until_ns == G_MAXINT64 ? until_ns : until_ns - e->in->now_real_ns;
        if (left_ns >= from_ns && left_ns < to_ns) {
            g_autofree char *date = date_text(until_ns);

            report(e, files[i], "a certificate in it %s on %s", word, date);
        }
    }
}

static void check_expired(Examination *e)
{
    report_ends(e, G_MININT64, 0, "expired");
}

static void check_expiring(Examination *e)
{
    report_ends(e, 0, EXPIRY_NOTICE_NS, "expires");
}

/* What the next start would say: chain, purpose, dates, CRL, and whether the key fits. The sentence begins with what it is about. */
static void check_certificates(Examination *e)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LinkTls) tls = credentials_load(e->in->config, &error);
    g_auto(GStrv) parts = tls ? NULL : g_strsplit(error->message, ": ", 2);

    if (parts)
        report(e, parts[0], "%s", parts[1] ? parts[1] : "it cannot be used");
}

static void check_certificate_name(Examination *e)
{
    const char *files[3];
    guint n = certificate_files(e->in->config, files);

    for (guint i = 1; i < n; i++) {
        g_autoptr(GPtrArray) names = link_cert_names(files[i], NULL);

        if (names && !link_names_keep_only(names, e->in->config->name)) {
            g_autofree char *text = link_names_text(names);

            report(e, files[i], "it names %s, and this host is Name=%s: peers will refuse it",
                   names->len > 1 ? text : "nobody", e->in->config->name);
        }
    }
}

static void check_key_mode(Examination *e)
{
    const char *files[] = { e->in->config->key_file, e->in->config->client_key_file };

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        struct stat info;

        if (!files[i] || (i > 0 && g_strcmp0(files[0], files[i]) == 0) || stat(files[i], &info) < 0)
            continue;
        if (info.st_mode & S_IRWXO)
            report(e, files[i], "this private key has mode %04o: anybody can be this host", info.st_mode & 07777u);
    }
}

static void check_crl(Examination *e)
{
    const char *file = e->in->config->crl_file;
    gint64 until_ns;

    if (!file || !link_cert_until(file, LINK_CERT_CRL, &until_ns, NULL) || until_ns > e->in->now_real_ns)
        return;
    g_autofree char *date = date_text(until_ns);
    report(e, file, "a new CRL was due on %s", date);
}

/* ---- this host ---- */

static void check_listen(Examination *e)
{
    if (e->in->listen_error)
        report(e, "Listen=", "%s", e->in->listen_error);
}

static void check_state_directory(Examination *e)
{
    const char *directory = e->in->config->state_directory;

    if (access(directory, W_OK | X_OK) < 0)
        report(e, directory, "records of migrations cannot be written: %s", g_strerror(errno));
}

static void check_unwritten(Examination *e)
{
    if (e->in->unwritten > 0)
        report(e, e->in->config->state_directory, "%u files could not be written there: they are kept in memory and tried again every 10 s",
               e->in->unwritten);
}

static void check_spare(Examination *e)
{
    if (e->in->spare_missing > 0)
        report(e, e->in->config->state_directory, "the disk is full or nearly so: room for %u of the %u next records is kept there",
               SPARE_FILES - e->in->spare_missing, SPARE_FILES);
}

static void check_restart(Examination *e)
{
    if (e->in->not_taken_up)
        report(e, e->in->not_taken_up, "changed in the configuration since tbsyncd was started, and not taken up by a reload");
}

static void check_simulated(Examination *e)
{
    if (FACT_KNOWN(e->in->host, HOST_SIMULATED) && e->in->host->simulated)
        report(e, e->in->config->name, "this host's facts or timebase are made up: it is peer of simulated hosts only");
}

static void check_kvm_pr(Examination *e)
{
    if (FACT_KNOWN(e->in->host, HOST_KVM) && e->in->host->kvm == KVM_PR)
        report(e, "KVM", "it is KVM PR, which has neither compat modes nor a timebase offset");
}

static void check_kvm(Examination *e)
{
    if (*e->in->status->kvm_note)
        report(e, "KVM", "%s", e->in->status->kvm_note);
    else if (FACT_KNOWN(e->in->host, HOST_KVM) && e->in->host->kvm == KVM_NONE)
        report(e, "KVM", "this host has no KVM");
}

static void check_tb_offset(Examination *e)
{
    const HostFacts *host = e->in->host;

    if (FACT_KNOWN(host, HOST_KVM) && host->kvm == KVM_HV && FACT_KNOWN(host, HOST_TB_OFFSET) && !host->tb_offset)
        report(e, "KVM", "kernel %s takes no timebase offset: guests that come here lose their time",
               FACT_KNOWN(host, HOST_KERNEL) ? host->kernel : "of unknown release");
}

/* [Q 3.5]: XICS presenters are not sent. */
static void check_qemu(Examination *e)
{
    const HostFacts *host = e->in->host;
    guint32 v = host->qemu_version;

    if (!FACT_KNOWN(host, HOST_QEMU_VERSION) ||
        !((v >= QEMU_VERSION(9, 2, 0) && v <= QEMU_VERSION(10, 0, 4)) || v == QEMU_VERSION(10, 1, 0)))
        return;
    report(e, "QEMU", "version %u.%u.%u does not send the interrupt presenters of guests with XICS: they hang after a migration",
           v >> 16, v >> 8 & 0xff, v & 0xff);
}

/* ---- libvirt ---- */

static void check_hook_missing(Examination *e)
{
    if (g_str_equal(e->in->status->hook_state, "missing"))
        report(e, e->in->status->hook_path, "libvirt's hook is missing: migrations are not checked");
}

static void check_hook_mode(Examination *e)
{
    if (g_str_equal(e->in->status->hook_state, "not-executable"))
        report(e, e->in->status->hook_path, "libvirt's hook is not executable: migrations are not checked");
}

static void check_hook_unused(Examination *e)
{
    if (g_str_equal(e->in->status->hook_state, "unused"))
        report(e, e->in->status->hook_path, "the running libvirtd is older than its first hook, and calls none until it is reloaded");
}

static void check_hook_unknown(Examination *e)
{
    if (g_str_equal(e->in->status->hook_state, "unknown"))
        report(e, e->in->status->hook_path, "the directory of libvirt's hooks cannot be read, so nobody knows");
}

static void check_libvirt(Examination *e)
{
    if (g_str_equal(e->in->status->libvirt_state, "down"))
        report(e, e->in->config->libvirt_uri, "libvirt is away: %s", e->in->status->libvirt_error);
}

static void check_libvirt_off(Examination *e)
{
    if (g_str_equal(e->in->status->libvirt_state, "off"))
        report(e, "[Libvirt] URI=", "libvirt is not watched: peers cannot learn which guests leave this host");
}

static void check_timing(Examination *e)
{
    if (e->in->timing_error)
        report(e, "[Libvirt] TimingEvents=", "%s", e->in->timing_error);
}

static void check_timing_off(Examination *e)
{
    if (!e->in->config->libvirt_events && g_str_equal(e->in->status->libvirt_state, "up"))
        report(e, "[Libvirt] TimingEvents=", "off: when a guest stopped and started is known to some ms only");
}

/* ---- peers ---- */

static void report_peers(Examination *e, TbsyncError code)
{
    for (gsize i = 0; i < e->in->n_peers; i++) {
        const DiagnosePeer *peer = &e->in->peers[i];

        if (!peer->linked && peer->code == code && peer->error)
            report(e, peer->name, "%s", peer->error);
    }
}

static void check_peer_timeout(Examination *e)
{
    report_peers(e, TBSYNC_ERROR_TIMEOUT);
}

static void check_peer_unreachable(Examination *e)
{
    report_peers(e, TBSYNC_ERROR_UNREACHABLE);
}

static void check_peer_version(Examination *e)
{
    report_peers(e, TBSYNC_ERROR_VERSION);
}

static void check_peer_simulated(Examination *e)
{
    report_peers(e, TBSYNC_ERROR_SIMULATED);
}

static void check_peer_identity(Examination *e)
{
    report_peers(e, TBSYNC_ERROR_IDENTITY);
}

static void check_peer_denied(Examination *e)
{
    report_peers(e, TBSYNC_ERROR_DENIED);
}

static void check_peer_other(Examination *e)
{
    static const TbsyncError others[] = { TBSYNC_ERROR_FAILED, TBSYNC_ERROR_INVALID, TBSYNC_ERROR_UNAVAILABLE };

    for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
        report_peers(e, others[i]);
}

static void check_discovery(Examination *e)
{
    if (e->in->discover_error)
        report(e, e->in->config->discover, "peers cannot be looked up, those of the last answer stay: %s", e->in->discover_error);
}

static void check_discovery_foreign(Examination *e)
{
    if (e->in->discover_foreign)
        report(e, e->in->config->discover, "it names %s, which are no hosts of its domain and no peers", e->in->discover_foreign);
}

static void check_relation(Examination *e)
{
    for (gsize i = 0; i < e->in->n_peers; i++) {
        const DiagnosePeer *peer = &e->in->peers[i];

        if (peer->relation == RELATION_STEPPED)
            report(e, peer->name, "a clock of this host or of the peer was stepped; a new relation is being made");
        else if (peer->relation == RELATION_INVALID)
            report(e, peer->name, "the peer's clock answers are impossible");
    }
}

/* ---- the table ---- */

/* tbsyncd's user has no right to libvirt's read-write connection, unless the administrator gives it. */
#define ALLOW_READ_WRITE "install -m 644 " TBSYNCD_POLKIT_RULE " /etc/polkit-1/rules.d/"

static const Check checks[] = {
    { "hook-missing", "error", check_hook_missing, "apt-get install --reinstall tbsyncd; systemctl reload libvirtd" },
    { "hook-not-executable", "error", check_hook_mode, "chmod 755 {}; systemctl reload libvirtd" },
    { "hook-unused", "error", check_hook_unused, "systemctl reload libvirtd" },
    { "hook-unknown", "warn", check_hook_unknown, "ls -l {}" },
    { "certificate-expired", "error", check_expired, "make {} anew (certtool), then: systemctl restart tbsyncd" },
    { "certificate-expiring", "warn", check_expiring, "make {} anew (certtool), then: systemctl restart tbsyncd" },
    { "certificate-invalid", "error", check_certificates, "mend {} (certtool -i shows a certificate, certtool -k a key), then: systemctl restart tbsyncd" },
    { "certificate-name", "error", check_certificate_name, "certtool -i --infile {}; set Name= in [Daemon], or make it anew" },
    { "key-readable", "error", check_key_mode, "chmod 600 {}" },
    { "crl-expired", "error", check_crl, "certtool --generate-crl on the CA, copy it to {}, then: systemctl reload tbsyncd" },
    { "listen-failed", "error", check_listen, "ip address; ss -ltnp; then correct {} in [Link] and type: systemctl reload tbsyncd" },
    { "state-not-writable", "error", check_state_directory, "chown tbsyncd: {}; chmod 700 {}" },
    { "state-unwritten", "error", check_unwritten, "df {}; findmnt --target {}" },
    { "state-full", "warn", check_spare, "df {}" },
    { "restart-needed", "warn", check_restart, "systemctl restart tbsyncd" },
    { "libvirt-away", "error", check_libvirt, "systemctl status libvirtd; virsh -c {} uri" },
    { "libvirt-off", "warn", check_libvirt_off, "set {} and type: systemctl restart tbsyncd" },
    { "timing-failed", "warn", check_timing, ALLOW_READ_WRITE "; systemctl restart tbsyncd" },
    { "timing-off", "note", check_timing_off, "set {}yes in tbsyncd.conf, and: " ALLOW_READ_WRITE },
    { "kvm-missing", "warn", check_kvm, "modprobe kvm_hv; ls -l /dev/kvm" },
    { "kvm-pr", "error", check_kvm_pr, "modprobe -r kvm_pr; modprobe kvm_hv" },
    { "timebase-offset-missing", "error", check_tb_offset, "boot a kernel from 3.14 on" },
    { "qemu-loses-interrupts", "warn", check_qemu, "install QEMU 10.0.5 or 10.1.1" },
    { "simulated-host", "warn", check_simulated, "remove [Host] and Source=simulated from tbsyncd.conf" },
    { "peer-timeout", "error", check_peer_timeout, "is port 16524 open there? on {}: firewall-cmd --add-port=16524/tcp --permanent" },
    { "peer-unreachable", "error", check_peer_unreachable, "ssh {} systemctl status tbsyncd; if that name is not found here: Address= in [Peer {}]" },
    { "peer-version", "error", check_peer_version, "install the same version here and on {}" },
    { "peer-simulated", "error", check_peer_simulated, "a simulated and a real host are never peers: remove one of them" },
    { "peer-certificate", "error", check_peer_identity, "on {}: tbsyncctl doctor; if only the name differs, correct [Peer {}] here" },
    { "peer-denies", "error", check_peer_denied, "on {}: journalctl -u tbsyncd -n 20" },
    { "peer-failed", "error", check_peer_other, "on {}: tbsyncctl doctor" },
    { "discovery-failed", "error", check_discovery, "dig SRV {}; cat /etc/resolv.conf; then: systemctl reload tbsyncd" },
    { "discovery-foreign", "warn", check_discovery_foreign,
      "dig SRV {}; correct the records, or name hosts of another domain in [Peer] sections" },
    { "clock-stepped", "warn", check_relation, "chronyc tracking, here and on {}" },
};

GVariant *diagnose(const DiagnoseInput *in)
{
    Examination e = { .in = in };

    g_variant_builder_init(&e.list, G_VARIANT_TYPE("aa{sv}"));
    for (gsize i = 0; i < G_N_ELEMENTS(checks); i++) {
        e.check = &checks[i];
        checks[i].run(&e);
    }
    return g_variant_builder_end(&e.list);
}
