/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /etc/tbsyncd/tbsyncd.conf and tbsyncd.conf.d/ *.conf -> struct.
 *
 * The keys, their defaults, ranges and words stand in one table, config-keys.c; here files are read and merged. A file is
 * UTF-8 of at most 1 MiB: [Section] lines, Key=Value lines, comments from # or ; at the start of a line, empty lines; white
 * space around sections, keys and values is dropped, there are no quotes and no continuation lines. A key of a later file
 * replaces that of an earlier one; twice in one file is an error, and so is one [Peer NAME] twice in one file. A
 * [Peer NAME] of this host's own name is left out, so that one file serves a whole fleet.
 *
 * An unknown section or key, a value out of range or something given twice is TBSYNC_ERROR_INVALID with file, line, section,
 * key, value and reason; nothing is defaulted in silence. Missing files are fine: all keys have defaults.
 *
 * The *File= keys of [Link] that are not set and whose default the daemon may not read itself take the files of the same names as
 * libvirt's from $CREDENTIALS_DIRECTORY, where they are there and do not hold the one word "absent".
 */

#include <glib.h>

#include "facts.h"
#include "verdict.h"

typedef struct ConfigPeer {
    char *name;    /* the name its certificate must carry, and the peer key */
    char *address; /* host name or IP literal to dial; default: name */
    guint16 port;  /* default: 16524 */
} ConfigPeer;

typedef struct Config {
    /* [Daemon] */
    char *name;                  /* Name=: this host's name towards peers; default: host name */
    char *state_directory;       /* StateDirectory=/var/lib/tbsyncd */
    char *runtime_directory;     /* RuntimeDirectory=/run/tbsyncd */
    char *hook_directory;        /* HookDirectory=/etc/libvirt/hooks: watched for the hook file */
    char *root;                  /* Root=: prefix for /proc, /sys, device tree; fixtures. Not "" makes the host simulated */
    guint max_records;           /* MaxRecords=1000: migrations kept */
    guint64 hook_deadline_ns;    /* HookDeadlineMSec=4500 */

    /* [Timebase] */
    gboolean tb_simulated;       /* Source=hardware|simulated */
    guint64 tb_frequency_hz;     /* FrequencyHz=: 0 = from the host (hardware), 512000000 (simulated) */
    guint64 tb_start_ticks;      /* StartTicks=: simulated only */
    gint32 tb_drift_ppb;         /* DriftPpb=: simulated only */
    guint32 drift_bound_ppb;     /* DriftBoundPpb=100000: between two hosts */

    /* [Host] overrides of probed facts, each one makes the host simulated: PVR=0x004e1202 MMU=hash,radix TbOffset=yes
     * Caps.ibs=3 ...; an empty value takes an override of an earlier file back */
    char **host_assignments;     /* "pvr=0x004e1202", for host_facts_assign(); NULL-terminated, may be empty */

    /* [Link] */
    char *listen_address;        /* Listen=[::]:16524: an IP literal without brackets; "" = do not listen */
    guint16 listen_port;         /* 0 with an address: any free port */
    char *ca_file;               /* CAFile=/etc/pki/CA/cacert.pem */
    char *crl_file;              /* CRLFile=/etc/pki/CA/cacrl.pem; a missing default file is no error, a named one is */
    gboolean crl_required;       /* CRLFile= was set */
    char *cert_file;             /* CertFile=/etc/pki/libvirt/servercert.pem */
    char *key_file;              /* KeyFile=/etc/pki/libvirt/private/serverkey.pem */
    char *client_cert_file;      /* ClientCertFile=/etc/pki/libvirt/clientcert.pem, used to dial */
    char *client_key_file;
    char *tls_priority;          /* TLSPriority= GnuTLS priority string appended to the default */
    guint64 poll_interval_ns;    /* PollIntervalSec=64 */
    guint max_links_per_peer;    /* MaxLinksPerPeer=2 */
    guint max_handshakes;        /* MaxHandshakes=64 */
    char *discover;              /* Discover=_tbsyncd._tcp.example.org: service, protocol, domain; "": nobody but [Peer NAME] */
    guint64 discover_interval_ns; /* DiscoverIntervalSec=60 */

    /* [Peer NAME], in the order of the file */
    ConfigPeer *peers;
    gsize n_peers;

    /* [Libvirt] */
    char *libvirt_uri;           /* URI=qemu:///system; "" = none */
    gboolean libvirt_sync_registers; /* RefreshOffset=never|after-start */
    gboolean libvirt_read_timebase;  /* ReadGuestTimebase= */
    gboolean libvirt_events;     /* TimingEvents=no|yes: second, read-write connection for STOP/RESUME stamps */

    /* [Policy] */
    Policy policy;
} Config;

#define CONFIG_PORT 16524 /* where tbsyncd listens, unless told otherwise */

/* `path`: the main file; drop-ins, "*.conf", are read from "<path>.d/" in byte order of their names. A file that exists and
 * cannot be read is TBSYNC_ERROR_FAILED. */
Config *config_load(const char *path, GError **error);
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* For a reload: what counts from the start on only is set in `config` to what it is in `running`, so that it tells what is in force.
 * The keys that differed, "[Host], [Libvirt] URI="; NULL: none. (transfer full) (nullable) */
char *config_keep_at_start(Config *config, const Config *running);

/* Text of a configuration with all defaults, one key a line with its comment: for the manual and the shipped file.
 * (transfer full) */
char *config_describe(void);
