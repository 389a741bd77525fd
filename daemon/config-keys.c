/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-keys.h"

#include <gio/gio.h>
#include <string.h>

#include "error.h"
#include "facts-codec.h"
#include "tb-clock.h"

#define MEMBER(member)                                                                             \
    .offset = G_STRUCT_OFFSET(Config, member), .size = sizeof((Config *)0)->member
#define PEER_MEMBER(member)                                                                        \
    .offset = G_STRUCT_OFFSET(ConfigPeer, member), .size = sizeof((ConfigPeer *)0)->member

#define NS_PER_MS 1000000

static const struct {
    const char *name;
    const char *doc;
    gboolean at_start; /* see ConfigKey */
} sections[] = {
    { "Daemon", "The daemon itself." },
    { "Timebase",
      "Where this host's timebase comes from and how far two hosts' oscillators may drift apart." },
    { "Host", "Overrides of what was found out about this host, for tests and laboratories. Each "
              "one makes the host a "
              "simulated one, with which no real host will peer. An empty value leaves the fact as "
              "it was found.", TRUE },
    { "Link",
      "The connections between hosts: D-Bus over TLS 1.3 with certificates on both sides." },
    { "Peer", "One section for each other host, named as its certificate names it: [Peer "
              "beta.example.org]. The section "
              "of this host itself is left out, so that one file may serve a whole fleet." },
    { "Libvirt", "The local libvirt.", TRUE },
    { "Policy", "What blocks a migration. Words are block or allow where nothing else is said." },
};

static const ConfigKey keys[] = {
    { "Daemon", "Name", CONFIG_NAME, MEMBER(name), "",
      .doc = "Name of this host towards its peers; its certificate must carry it. Empty: the host "
             "name." },
    { "Daemon", "StateDirectory", CONFIG_PATH, MEMBER(state_directory), "/var/lib/tbsyncd",
      .at_start = TRUE, .doc = "Where migration records are kept." },
    { "Daemon", "RuntimeDirectory", CONFIG_PATH, MEMBER(runtime_directory), "/run/tbsyncd",
      .at_start = TRUE, .doc = "Where the plans of migrations under way are published." },
    { "Daemon", "HookDirectory", CONFIG_PATH, MEMBER(hook_directory), "/etc/libvirt/hooks",
      .doc = "Libvirt's hook directory: watched, so that a missing hook is reported." },
    { "Daemon", "Root", CONFIG_PATH, MEMBER(root), "",
      .at_start = TRUE, .doc = "Directory that stands for / when /proc and the device tree are read. Makes the host "
             "a simulated one." },
    { "Daemon", "MaxRecords", CONFIG_UNSIGNED, MEMBER(max_records), "1000", 1, 1000000,
      .at_start = TRUE, .doc = "How many migration records are kept." },
    { "Daemon", "HookDeadlineMSec", CONFIG_UNSIGNED, MEMBER(hook_deadline_ns), "4500", 100, 4900,
      NS_PER_MS,
      .doc = "How long the answer to an incoming migration may take, in milliseconds. The hook "
             "itself gives up after 5 s." },

    { "Timebase", "Source", CONFIG_WORD, MEMBER(tb_simulated), "hardware",
      .words = "hardware|simulated",
      .at_start = TRUE, .doc = "hardware: the timebase register. simulated: a timebase made from the system's clock, "
             "for machines "
             "without one; makes the host a simulated one." },
    { "Timebase", "FrequencyHz", CONFIG_UNSIGNED, MEMBER(tb_frequency_hz), "0", TB_CLOCK_HZ_MIN,
      TB_CLOCK_HZ_MAX, .zero = TRUE,
      .at_start = TRUE, .doc = "Ticks a second. 0: what the machine says, or 512000000 if simulated. With "
             "Source=hardware the machine "
             "must agree." },
    { "Timebase", "StartTicks", CONFIG_UNSIGNED, MEMBER(tb_start_ticks), "0", 0, G_MAXUINT64,
      .at_start = TRUE, .doc = "Simulated only: what the timebase was when the machine was started." },
    { "Timebase", "DriftPpb", CONFIG_SIGNED, MEMBER(tb_drift_ppb), "0", -TB_CLOCK_DRIFT_PPB_MAX,
      TB_CLOCK_DRIFT_PPB_MAX,
      .at_start = TRUE, .doc = "Simulated only: how much too fast the timebase counts, in parts per 10^9." },
    { "Timebase", "DriftBoundPpb", CONFIG_UNSIGNED, MEMBER(drift_bound_ppb), "100000", 1, 10000000,
      .doc = "The most by which the oscillators of two hosts drift apart, in parts per 10^9. Every "
             "bound rests on it: "
             "too large costs precision, too small costs the proof." },

    { "Host", "PVR", CONFIG_FACT, .fallback = "", .words = "pvr",
      .doc = "Processor version register: 0x004e1202." },
    { "Host", "CompatLevel", CONFIG_FACT, .fallback = "", .words = "compat_level",
      .doc = "Level that this host runs at as an LPAR in a compat mode: power9." },
    { "Host", "Nested", CONFIG_FACT, .fallback = "", .words = "nested",
      .doc = "Whether this host is itself a guest: yes or no." },
    { "Host", "Kvm", CONFIG_FACT, .fallback = "", .words = "kvm", .doc = "hv, pr or none." },
    { "Host", "Kernel", CONFIG_FACT, .fallback = "", .words = "kernel",
      .doc = "Release of the kernel." },
    { "Host", "QemuVersion", CONFIG_FACT, .fallback = "", .words = "qemu_version",
      .doc = "Version of the emulator: 7.2.22." },
    { "Host", "MachineTypes", CONFIG_FACT, .fallback = "", .words = "machine_types",
      .doc = "Machine types of the emulator: pseries-6.2,pseries-7.2." },
    { "Host", "TbOffset", CONFIG_FACT, .fallback = "", .words = "tb_offset",
      .doc = "Whether KVM takes a timebase offset: yes or no." },
    { "Host", "MMU", CONFIG_FACT, .fallback = "", .words = "mmu",
      .doc = "What guests may use: hash, radix, or both "
             "with a comma." },
    { "Host", "HptMaxOrder", CONFIG_FACT, .fallback = "", .words = "hpt_max_order",
      .doc = "Largest hash page table, as log2 of its bytes." },
    { "Host", "ResizeHpt", CONFIG_FACT, .fallback = "", .words = "resize_hpt",
      .doc = "Whether KVM can resize a hash page table: yes or no." },
    { "Host", "Caps.*", CONFIG_FACT, .fallback = "", .words = "caps.",
      .doc = "Highest level of a pseries capability as QEMU counts it: Caps.ibs=3, Caps.cfpc=1." },

    { "Link", "Listen", CONFIG_LISTEN, .fallback = "[::]:16524",
      .doc = "Address and port for peers, or only an address. Empty: do not listen. Not used where systemd holds the "
             "port: there tbsyncd.socket says it." },
    { "Link", "CAFile", CONFIG_PATH, MEMBER(ca_file), "/etc/pki/CA/cacert.pem",
      .doc = "Certificates of the authority that signs all hosts' certificates." },
    { "Link", "CRLFile", CONFIG_PATH, MEMBER(crl_file), "/etc/pki/CA/cacrl.pem",
      .doc = "Revoked certificates. If set here the file must exist." },
    { "Link", "CertFile", CONFIG_PATH, MEMBER(cert_file), "/etc/pki/libvirt/servercert.pem",
      .doc = "This host's certificate for links that peers open." },
    { "Link", "KeyFile", CONFIG_PATH, MEMBER(key_file), "/etc/pki/libvirt/private/serverkey.pem",
      .doc = "Its key." },
    { "Link", "ClientCertFile", CONFIG_PATH, MEMBER(client_cert_file),
      "/etc/pki/libvirt/clientcert.pem",
      .doc = "This host's certificate for links that it opens." },
    { "Link", "ClientKeyFile", CONFIG_PATH, MEMBER(client_key_file),
      "/etc/pki/libvirt/private/clientkey.pem", .doc = "Its key." },
    { "Link", "TLSPriority", CONFIG_STRING, MEMBER(tls_priority), "",
      .doc = "GnuTLS priority string, appended to tbsyncd's own." },
    { "Link", "PollIntervalSec", CONFIG_UNSIGNED, MEMBER(poll_interval_ns), "64", 1, 86400,
      NS_PER_S, .doc = "How often the clocks of a peer are compared, in seconds." },
    { "Link", "MaxLinksPerPeer", CONFIG_UNSIGNED, MEMBER(max_links_per_peer), "2", 1, 64,
      .doc = "Connections that one peer may hold at a time." },
    { "Link", "MaxHandshakes", CONFIG_UNSIGNED, MEMBER(max_handshakes), "64", 1, 4096,
      .doc = "Connections not yet identified that are served at a time." },
    { "Link", "Discover", CONFIG_SERVICE, MEMBER(discover), "",
      .doc = "Service of DNS whose SRV records name further peers, such as _tbsyncd._tcp.example.org. Only names at or below its "
             "domain, example.org, count, and each peer has to show a certificate for its name as ever; so this means that "
             "whoever has one for a name of that domain may be a peer. A [Peer] section of the same name stands above the "
             "record. While DNS does not answer, or has no record, the peers of its last answer stay. Empty: no peers but "
             "those of [Peer] sections." },
    { "Link", "DiscoverIntervalSec", CONFIG_UNSIGNED, MEMBER(discover_interval_ns), "60", 1, 86400, NS_PER_S,
      .doc = "How often DNS is asked for peers, in seconds; a reload asks at once." },

    { "Peer", "Address", CONFIG_ADDRESS, PEER_MEMBER(address), "",
      .doc = "Host name or IP address to dial. Empty: the peer's name." },
    { "Peer", "Port", CONFIG_UNSIGNED, PEER_MEMBER(port), "16524", 1, 65535,
      .doc = "TCP port to dial." },

    { "Libvirt", "URI", CONFIG_STRING, MEMBER(libvirt_uri), "qemu:///system",
      .doc = "Connection to follow, read-only. Empty: none." },
    { "Libvirt", "TimingEvents", CONFIG_BOOL, MEMBER(libvirt_events), "no",
      .doc = "Whether to open a second, read-write connection for the times at which QEMU stopped "
             "and started a guest. "
             "Audits are tighter with it." },
    { "Libvirt", "RefreshOffset", CONFIG_WORD, MEMBER(libvirt_sync_registers), "never",
      .words = "never|after-start",
      .doc = "after-start: each time a guest starts to run, booted, resumed or arrived, QEMU is told \"info registers\" over a read-write "
             "connection, so that it learns the timebase offset as the kernel has rounded it. Without that the guest's timebase "
             "may go back by up to 32.8 ms when it is paused and resumed, or migrated while it is paused. libvirt marks the guest "
             "as tainted: custom-monitor." },
    { "Libvirt", "ReadGuestTimebase", CONFIG_BOOL, MEMBER(libvirt_read_timebase), "no",
      .doc = "Whether QEMU is asked for the timebase of a guest under TCG when it is migrated, with \"info registers\" over a "
             "read-write connection: here when the guest leaves, and once more when it has stopped or has arrived. Audits then "
             "tell how far the guest itself saw its timebase move, if both hosts have it. libvirt marks such a guest as "
             "tainted: custom-monitor. Guests under KVM are never asked, since QEMU does not know theirs." },

    { "Policy", "UnknownMode", CONFIG_POLICY, .fallback = "negotiated",
      .doc = "What to assume if the mode of a running guest is not known. negotiated: the CPU's "
             "own level within "
             "the guest's limit. strict: block. monitor: ask QEMU, which marks the guest as "
             "tainted." },
    { "Policy", "SourceUnknown", CONFIG_POLICY, .fallback = "block",
      .doc = "An incoming guest that no peer knows." },
    { "Policy", "WhenUnavailable", CONFIG_POLICY, .fallback = "block",
      .doc = "An incoming guest while tbsyncd does not answer." },
    { "Policy", "RelationUnknown", CONFIG_POLICY, .fallback = "block",
      .doc = "A running guest without a known relation between the two hosts' timebases." },
    { "Policy", "UnknownFacts", CONFIG_POLICY, .fallback = "block",
      .doc = "A fact that the verdict needs is not known." },
    { "Policy", "MaxForwardJumpMSec", CONFIG_POLICY, .fallback = "1000", .max = 3600000,
      .doc = "A larger forward step of the guest's timebase blocks, in milliseconds. One of more than 20 s, a Linux "
             "guest's soft-lockup limit, always does." },
    { "Policy", "MaxRelationAgeSec", CONFIG_POLICY, .fallback = "300", .max = 86400,
      .doc = "A relation that was not renewed for longer blocks, in seconds." },
    { "Policy", "MaxTodSkewMSec", CONFIG_POLICY, .fallback = "1000", .max = 3600000,
      .doc = "A larger difference between the two hosts' times of day is warned of, in "
             "milliseconds." },
};

gboolean config_key_is_string(const ConfigKey *key)
{
    return key->kind == CONFIG_STRING || key->kind == CONFIG_PATH || key->kind == CONFIG_NAME || key->kind == CONFIG_SERVICE;
}

const ConfigKey *config_keys(gsize *ret_count)
{
    *ret_count = G_N_ELEMENTS(keys);
    return keys;
}

gboolean config_has_section(const char *section)
{
    for (gsize i = 0; i < G_N_ELEMENTS(sections); i++)
        if (g_str_equal(sections[i].name, section))
            return TRUE;
    return FALSE;
}

static gboolean key_matches(const ConfigKey *entry, const char *key)
{
    gsize length = strlen(entry->key);

    if (entry->key[length - 1] == '*')
        return strncmp(entry->key, key, length - 1) == 0 && key[length - 1] != '\0';
    return g_str_equal(entry->key, key);
}

const ConfigKey *config_key_find(const char *section, const char *key)
{
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
        if (g_str_equal(keys[i].section, section) && key_matches(&keys[i], key))
            return &keys[i];
    return NULL;
}

gboolean config_name_is_valid(const char *name)
{
    gsize length = strlen(name), label = 0;

    if (length == 0 || length > 253)
        return FALSE;
    for (const char *p = name; *p; p++) {
        if (*p == '.') {
            if (label == 0)
                return FALSE;
            label = 0;
        } else if (g_ascii_isalnum(*p) || *p == '-' || *p == '_') {
            if (++label > 63)
                return FALSE;
        } else {
            return FALSE;
        }
    }
    return label > 0;
}

static gboolean refuse(GError **error, const char *reason)
{
    g_set_error_literal(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, reason);
    return FALSE;
}

static void set_string(gpointer base, const ConfigKey *key, char *value)
{
    char **member = G_STRUCT_MEMBER_P(base, key->offset);

    g_free(*member);
    *member = value;
}

static void set_number(gpointer base, const ConfigKey *key, guint64 value)
{
    gpointer member = G_STRUCT_MEMBER_P(base, key->offset);

    switch (key->size) {
    case sizeof(guint16):
        *(guint16 *)member = (guint16)value;
        return;
    case sizeof(guint32):
        *(guint32 *)member = (guint32)value;
        return;
    case sizeof(guint64):
        *(guint64 *)member = value;
        return;
    }
    g_assert_not_reached();
}

static gboolean set_unsigned(gpointer base, const ConfigKey *key, const char *value, GError **error)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT64, &number, NULL) ||
        ((number < (guint64)key->min || number > key->max) && !(key->zero && number == 0))) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "must be %s%" G_GINT64_FORMAT " to %" G_GUINT64_FORMAT,
                    key->zero ? "0 or " : "", key->min, key->max);
        return FALSE;
    }
    set_number(base, key, number * MAX(key->scale, 1));
    return TRUE;
}

static gboolean set_signed(gpointer base, const ConfigKey *key, const char *value, GError **error)
{
    gint64 number;

    if (!g_ascii_string_to_signed(value, 10, key->min, (gint64)key->max, &number, NULL)) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "must be %" G_GINT64_FORMAT " to %" G_GUINT64_FORMAT, key->min, key->max);
        return FALSE;
    }
    set_number(base, key, (guint64)number);
    return TRUE;
}

static gboolean parse_bool(const char *value, gboolean *ret, GError **error)
{
    static const char *const no[] = { "no", "false", "0", NULL };
    static const char *const yes[] = { "yes", "true", "1", NULL };

    if (!g_strv_contains(no, value) && !g_strv_contains(yes, value))
        return refuse(error, "must be yes or no");
    *ret = g_strv_contains(yes, value);
    return TRUE;
}

static gboolean set_word(gpointer base, const ConfigKey *key, const char *value, GError **error)
{
    g_auto(GStrv) words = g_strsplit(key->words, "|", -1);

    for (guint i = 0; words[i]; i++)
        if (g_str_equal(words[i], value)) {
            set_number(base, key, i);
            return TRUE;
        }
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "must be %s or %s", words[0], words[1]);
    return FALSE;
}

/* "[::1]" -> "::1". NULL if it is neither an IP literal nor, unless `literal`, a DNS name. */
static char *parse_address(const char *value, gboolean literal)
{
    gsize length = strlen(value);
    gboolean bracketed = length > 2 && value[0] == '[' && value[length - 1] == ']';
    g_autofree char *address = bracketed ? g_strndup(value + 1, length - 2) : g_strdup(value);

    if (bracketed && strchr(address, ':') == NULL)
        return NULL;
    if (!g_hostname_is_ip_address(address) &&
        (literal || bracketed || !config_name_is_valid(address)))
        return NULL;
    return g_steal_pointer(&address);
}

static gboolean set_listen(Config *config, const char *value, GError **error)
{
    /* the port follows the last colon, unless that is inside brackets or one of many in a bare IPv6
     * address */
    const char *colon = strrchr(value, ':');
    gboolean has_port = colon != NULL && strchr(colon, ']') == NULL &&
                        (value[0] == '[' || strchr(value, ':') == colon);
    g_autofree char *text = has_port ? g_strndup(value, (gsize)(colon - value)) : g_strdup(value);
    g_autofree char *address = *value ? parse_address(text, TRUE) : g_strdup("");
    guint64 port = *value ? CONFIG_PORT : 0;

    if (address == NULL)
        return refuse(
            error,
            "must be empty or an IP address and a port, such as [::]:16524 or 10.0.0.1:16524");
    if (has_port && !g_ascii_string_to_unsigned(colon + 1, 10, 0, 65535, &port, NULL))
        return refuse(error, "the port must be 0 to 65535");
    g_free(config->listen_address);
    config->listen_address = g_steal_pointer(&address);
    config->listen_port = (guint16)port;
    return TRUE;
}

static gboolean set_path(gpointer base, const ConfigKey *key, const char *value, GError **error)
{
    gboolean may_be_empty =
        key->fallback[0] == '\0' || key->offset == G_STRUCT_OFFSET(Config, crl_file);

    if (!g_path_is_absolute(value) && !(may_be_empty && value[0] == '\0'))
        return refuse(error, may_be_empty ? "must be an absolute path or empty"
                                          : "must be an absolute path");
    /* the root prefix is put in front of absolute paths */
    if (key->offset == G_STRUCT_OFFSET(Config, root) && g_str_has_suffix(value, "/"))
        return refuse(error, "must not end in /");
    set_string(base, key, g_strdup(value));
    return TRUE;
}

static gboolean set_name(gpointer base, const ConfigKey *key, const char *value, GError **error)
{
    if (value[0] != '\0' && !config_name_is_valid(value))
        return refuse(error, "must be a DNS name");
    set_string(base, key, g_ascii_strdown(value, -1));
    return TRUE;
}

/* "_tbsyncd._tcp.example.org" */
static gboolean service_is_valid(const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ".", 3);

    return g_strv_length(parts) == 3 && config_name_is_valid(value) && parts[0][0] == '_' && parts[0][1] != '\0' &&
           g_ascii_strcasecmp(parts[1], "_tcp") == 0 && parts[2][0] != '_';
}

static gboolean set_service(gpointer base, const ConfigKey *key, const char *value, GError **error)
{
    if (value[0] != '\0' && !service_is_valid(value))
        return refuse(error, "must be empty or a service of a domain, such as _tbsyncd._tcp.example.org");
    set_string(base, key, g_ascii_strdown(value, -1));
    return TRUE;
}

static gboolean set_address(gpointer base, const ConfigKey *key, const char *value, GError **error)
{
    char *address = value[0] ? parse_address(value, FALSE) : g_strdup("");

    if (address == NULL)
        return refuse(error, "must be a host name or an IP address");
    set_string(base, key, address);
    return TRUE;
}

char *config_key_assignment(const ConfigKey *key, const char *name, const char *value)
{
    const char *member = g_str_has_suffix(key->words, ".") ? strchr(name, '.') + 1 : "";

    return g_strdup_printf("%s%s=%s", key->words, member, value);
}

static gboolean check_fact(const ConfigKey *key, const char *name, const char *value,
                           GError **error)
{
    g_autofree char *assignment = config_key_assignment(key, name, value);
    HostFacts scratch;

    host_facts_init(&scratch);
    return value[0] == '\0' || host_facts_assign(&scratch, assignment, error);
}

gboolean config_key_set(const ConfigKey *key, gpointer base, const char *name, const char *value,
                        GError **error)
{
    gboolean flag;

    switch (key->kind) {
    case CONFIG_STRING:
        set_string(base, key, g_strdup(value));
        return TRUE;
    case CONFIG_PATH:
        return set_path(base, key, value, error);
    case CONFIG_NAME:
        return set_name(base, key, value, error);
    case CONFIG_ADDRESS:
        return set_address(base, key, value, error);
    case CONFIG_SERVICE:
        return set_service(base, key, value, error);
    case CONFIG_BOOL:
        if (!parse_bool(value, &flag, error))
            return FALSE;
        set_number(base, key, (guint64)flag);
        return TRUE;
    case CONFIG_UNSIGNED:
        return set_unsigned(base, key, value, error);
    case CONFIG_SIGNED:
        return set_signed(base, key, value, error);
    case CONFIG_WORD:
        return set_word(base, key, value, error);
    case CONFIG_LISTEN:
        return set_listen(base, value, error);
    case CONFIG_POLICY:
        return policy_set(&((Config *)base)->policy, key->key, value, error);
    case CONFIG_FACT:
        return check_fact(key, name, value, error);
    }
    g_assert_not_reached();
}

/* ---- what a reload does not take up ---- */

static gboolean is_at_start(const ConfigKey *key)
{
    for (gsize i = 0; i < G_N_ELEMENTS(sections); i++)
        if (g_str_equal(sections[i].name, key->section) && sections[i].at_start)
            return TRUE;
    return key->at_start;
}

/* FALSE: they are equal. */
static gboolean keep_member(const ConfigKey *key, Config *config, const Config *running)
{
    gconstpointer from = G_STRUCT_MEMBER_P(running, key->offset);
    gpointer to = G_STRUCT_MEMBER_P(config, key->offset);

    if (config_key_is_string(key)) {
        if (g_strcmp0(*(char *const *)from, *(char **)to) == 0)
            return FALSE;
        set_string(config, key, g_strdup(*(char *const *)from));
    } else {
        if (memcmp(from, to, key->size) == 0)
            return FALSE;
        memcpy(to, from, key->size);
    }
    return TRUE;
}

static gboolean keep_facts(Config *config, const Config *running)
{
    if (g_strv_equal((const char *const *)running->host_assignments, (const char *const *)config->host_assignments))
        return FALSE;
    g_strfreev(config->host_assignments);
    config->host_assignments = g_strdupv(running->host_assignments);
    return TRUE;
}

char *config_keep_at_start(Config *config, const Config *running)
{
    GString *kept = g_string_new(keep_facts(config, running) ? "[Host]" : "");

    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
        if (is_at_start(&keys[i]) && keys[i].kind != CONFIG_FACT && keep_member(&keys[i], config, running))
            g_string_append_printf(kept, "%s[%s] %s=", kept->len > 0 ? ", " : "", keys[i].section, keys[i].key);
    return g_string_free(kept, kept->len == 0);
}

/* Appends `text` as comment lines of at most 79 columns. */
static void append_comment(GString *out, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    gsize column = 0;

    for (guint i = 0; words[i]; i++) {
        if (column > 0 && column + 1 + strlen(words[i]) > 79) {
            g_string_append_c(out, '\n');
            column = 0;
        }
        if (column == 0) {
            g_string_append_c(out, '#');
            column = 1;
        }
        g_string_append_printf(out, " %s", words[i]);
        column += 1 + strlen(words[i]);
    }
    g_string_append_c(out, '\n');
}

static void append_key(GString *out, const ConfigKey *key)
{
    g_string_append_c(out, '\n');
    append_comment(out, key->doc);
    if (key->at_start)
        append_comment(out, "A change counts from the next start on, not from a reload.");
    if (key->max > 0) {
        g_autofree char *range = g_strdup_printf("%s%" G_GINT64_FORMAT " to %" G_GUINT64_FORMAT ".",
                                                 key->zero ? "0, or " : "", key->min, key->max);
        append_comment(out, range);
    }
    g_string_append_printf(out, "#%s=%s\n",
                           g_str_equal(key->key, "Caps.*") ? "Caps.NAME" : key->key, key->fallback);
}

char *config_describe(void)
{
    GString *out = g_string_new(
        "# Configuration of tbsyncd; see tbsyncd.conf(5). All keys are shown with their defaults.\n"
        "# Files in tbsyncd.conf.d/ override this one, key by key.\n");

    for (gsize s = 0; s < G_N_ELEMENTS(sections); s++) {
        g_string_append_c(out, '\n');
        append_comment(out, sections[s].doc);
        if (sections[s].at_start)
            append_comment(out, "A change counts from the next start on, not from a reload.");
        g_string_append_printf(out,
                               g_str_equal(sections[s].name, "Peer") ? "#[%s NAME]\n" : "[%s]\n",
                               sections[s].name);
        for (gsize k = 0; k < G_N_ELEMENTS(keys); k++)
            if (g_str_equal(keys[k].section, sections[s].name))
                append_key(out, &keys[k]);
    }
    return g_string_free(out, FALSE);
}
