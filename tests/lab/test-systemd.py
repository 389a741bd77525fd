#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tbsyncd as an installed service: a real systemd is PID 1 of each host."""

import json
import re
import sys

import labtest


def status_field(host, pid, name):
    text = host.must("cat", f"/proc/{pid}/status")
    return re.search(rf"^{name}:\s*(.*)$", text, re.M).group(1).split()


def enabled(tap, *hosts):
    for host in hosts:
        result = host.run("systemctl", "enable", "--now", "tbsyncd")
        tap.ok(result.status == 0, f"systemctl enable --now tbsyncd on {host.name}", result)
        tap.ok(host.run("systemctl", "is-active", "tbsyncd").status == 0, f"the unit is active on {host.name}")


def unprivileged(tap, host):
    pid = host.tbsyncd_pid()
    uid = host.must("id", "-u", "tbsyncd").strip()
    tap.ok(uid != "0" and status_field(host, pid, "Uid") == [uid] * 4, "the daemon runs as user tbsyncd",
           status_field(host, pid, "Uid"))
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        tap.ok(int(status_field(host, pid, name)[0], 16) == 0, f"{name} is empty", status_field(host, pid, name))
    tap.ok(status_field(host, pid, "NoNewPrivs") == ["1"], "it can gain no privileges")
    tap.ok(status_field(host, pid, "Seccomp") == ["2"], "its system calls are filtered")
    key = "/etc/pki/libvirt/private/serverkey.pem"
    tap.ok(host.run("cat", key, user="tbsyncd").status != 0, "its user cannot read libvirt's key")
    owner = host.must("stat", "-c", "%U %a", "/var/lib/tbsyncd").strip()
    tap.ok(owner == "tbsyncd 750", "the state directory is its own", owner)


def no_dials(host):
    """From here to its next start no peer's dial starts the daemon, by its socket, while it is given what it needs. A dial that
    waited there may have started it ten times, which counts against the unit's limit, as do all the starts of this story."""
    host.must("systemctl", "stop", "tbsyncd.socket", "tbsyncd")
    host.must("systemctl", "reset-failed", "tbsyncd")


def service(tap, host):
    shown = host.must("systemctl", "show", "-p", "Type,StatusText,WatchdogUSec,User", "tbsyncd")
    tap.has(shown, ["Type=notify", "WatchdogUSec=30s", "User=tbsyncd"], "the unit is what it is said to be")
    tap.ok(re.search(r"^StatusText=.+", shown, re.M), "and has a status line", shown)
    pid = host.tbsyncd_pid()
    tap.ok(host.run("systemctl", "reload", "tbsyncd").status == 0 and host.tbsyncd_pid() == pid,
           "a reload keeps the process")
    host.config("wrong", "[Policy]\nNoSuchKey=1\n")
    host.run("systemctl", "reload", "tbsyncd")
    labtest.wait_until("the refused reload in the journal", lambda: "NoSuchKey" in host.must(
        "journalctl", "-q", "--no-pager", "-u", "tbsyncd"))
    tap.ok(host.tbsyncd_pid() == pid and host.run("tbsyncctl", "status").status == 0,
           "a wrong configuration is refused, the running one stays")
    restarted = host.run("systemctl", "restart", "tbsyncd")
    tap.ok(restarted.status != 0, "with a wrong configuration the daemon does not start")

    def at_rest():
        """A peer that dials has the socket start it anew, a few times."""
        shown = host.must("systemctl", "show", "-p", "ActiveState,ExecMainStatus,NRestarts", "tbsyncd")
        return shown if "ActiveState=failed" in shown else None

    shown = labtest.wait_until("the service to have failed", at_rest)
    tap.has(shown, ["ExecMainStatus=78", "NRestarts=0"], "and systemd does not try in vain")
    no_dials(host)
    host.config("wrong", None)
    host.must("systemctl", "start", "tbsyncd")


def port_is_kept(tap, host, peer):
    """systemd holds the port: whoever dials while the daemon is started again waits, and is not refused."""
    tap.ok(host.run("systemctl", "is-active", "tbsyncd.socket").status == 0, "tbsyncd.socket came with the service")
    for what, command in (("restarted", ("systemctl", "restart", "tbsyncd")),
                          ("killed", ("systemctl", "kill", "-s", "KILL", "tbsyncd"))):
        pid = host.tbsyncd_pid()
        with peer.dialling(host) as end:
            host.must(*command)
            labtest.wait_until("another daemon", lambda: host.tbsyncd_pid() not in (0, pid))
            tap.ok(end(), f"no dial is refused while the daemon is {what}")
    host.must("systemctl", "stop", "tbsyncd.socket", "tbsyncd")
    refused = peer.run("bash", "-c", ": </dev/tcp/$0/16524", host.name)
    tap.has(refused.err, ["refused"], "stopped with its socket it stays down")
    host.must("systemctl", "start", "tbsyncd")
    tap.ok(host.run("systemctl", "is-active", "tbsyncd.socket").status == 0, "and starts with its socket")


def log_level(tap, host):
    tap.ok(host.must("systemctl", "service-log-level", "tbsyncd").strip() == "info", "the log level is info")
    result = host.run("systemctl", "service-log-level", "tbsyncd", "debug")
    tap.ok(result.status == 0 and host.must("systemctl", "service-log-level", "tbsyncd").strip() == "debug",
           "systemctl service-log-level tbsyncd debug", result)
    result = host.run("busctl", "--system", "set-property", "org.tbsyncd1", "/org/freedesktop/LogControl1",
                      "org.freedesktop.LogControl1", "LogLevel", "s", "err", user="nobody")
    tap.ok(result.status != 0, "which nobody else may do", result)
    host.must("systemctl", "service-log-level", "tbsyncd", "info")


def watched(tap, host):
    """A daemon that hangs, and one that is killed, come back. One that a busy machine does not let run for a second or two is none
    that hangs."""
    host.must("mkdir", "-p", "/etc/systemd/system/tbsyncd.service.d")
    host.must("tee", "/etc/systemd/system/tbsyncd.service.d/watchdog.conf", stdin=b"[Service]\nWatchdogSec=6\n")
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "restart", "tbsyncd")
    for what, signal in (("hangs", "STOP"), ("is killed", "KILL")):
        pid = host.tbsyncd_pid()
        host.must("systemctl", "kill", "--kill-who=main", "-s", signal, "tbsyncd")
        labtest.wait_until(f"a new daemon after SIG{signal}", lambda: host.tbsyncd_pid() not in (0, pid)
                           and host.run("systemctl", "is-active", "tbsyncd").status == 0)
        tap.ok(host.run("tbsyncctl", "status").status == 0, f"a daemon that {what} is started anew")
    host.must("rm", "-r", "/etc/systemd/system/tbsyncd.service.d")
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "restart", "tbsyncd")


def bus_rights(tap, host):
    tap.ok(host.run("tbsyncctl", "status", user="nobody").status == 0, "anyone may read the status")
    for member, arguments in (("CheckIncoming", ("a{sv}", "0")), ("CheckRestore", ("a{sv}", "0")), ("Reload", ())):
        result = host.run("busctl", "--system", "call", "org.tbsyncd1", "/org/tbsyncd1", "org.tbsyncd1.Manager",
                          member, *arguments, user="nobody")
        tap.has(result.err, ["Access denied"], f"{member} is root's")
    result = host.run("busctl", "--system", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                      "su", "org.tbsyncd1", "0", user="nobody")
    tap.ok(result.status != 0, "nobody else can own the name", result)


def revoked(tap, lab, host, peer):
    """A CRL that comes while the daemon runs counts from the next reload on, though systemd makes no new credentials then."""
    crl = lab.must("crl", peer.name)
    host.wait_linked(peer.name)
    pid = host.tbsyncd_pid()
    host.must("sh", "-c", "cat >/etc/pki/CA/cacrl.pem; chmod 644 /etc/pki/CA/cacrl.pem", stdin=crl.encode())
    host.must("systemctl", "reload", "tbsyncd")
    labtest.wait_until("the revoked peer to be refused", lambda: "revoked" in json.dumps(host.ctl_json("peers")))
    tap.ok(host.tbsyncd_pid() == pid, "a reload refuses a peer whose certificate was revoked")
    host.must("rm", "/etc/pki/CA/cacrl.pem")
    host.must("systemctl", "restart", "tbsyncd")
    host.wait_linked(peer.name)


def pki(tap, host):
    """Most hosts have no CRL; without a certificate there is one clear line."""
    tap.ok(host.run("test", "-e", "/etc/pki/CA/cacrl.pem").status != 0, "all this went without a CRL")
    host.must("mv", "/etc/pki/libvirt/servercert.pem", "/etc/pki/libvirt/servercert.away")
    result = host.run("systemctl", "restart", "tbsyncd")
    log = host.journal("-o", "cat", "-u", "tbsyncd", "-n", "60")
    tap.ok(result.status != 0 and "/etc/pki/libvirt/servercert.pem" in log,
           "without a certificate the start fails and names the file", log)
    no_dials(host)
    host.must("mv", "/etc/pki/libvirt/servercert.away", "/etc/pki/libvirt/servercert.pem")
    host.must("systemctl", "start", "tbsyncd")


def timing_events(tap, host):
    """libvirt's read-write connection is not for tbsyncd, until the administrator does what doctor says."""
    def wanted():
        return {row["code"]: row for row in json.loads(host.run("tbsyncctl", "doctor", "--json").out or "[]")}

    def kept_out():
        """By polkit itself: a libvirtd that is still starting says no for another reason, and polkitd may miss a rule that comes as it starts."""
        row = wanted().get("timing-failed")
        return row["advice"] if row and "polkit" in row["text"] else None

    def received():
        return host.run("busctl", "--system", "get-property", "org.tbsyncd1", "/org/tbsyncd1", "org.tbsyncd1.Manager",
                        "TimingEvents").out.strip() == "b true"

    host.must("sed", "-i", 's/^auth_unix_rw = .*/auth_unix_rw = "polkit"/', "/etc/libvirt/libvirtd.conf")
    host.must("systemctl", "restart", "libvirtd")
    host.config("timing", "[Libvirt]\nTimingEvents=yes\n")
    host.must("systemctl", "restart", "tbsyncd")
    advice = labtest.wait_until("doctor to say that polkit keeps tbsyncd out", kept_out)
    tap.ok(not received(), "polkit does not let tbsyncd manage guests")
    result = host.run("sh", "-c", advice)
    tap.ok(result.status == 0, f"what doctor says can be typed: {advice}", result)
    labtest.wait_until("timing events", received)
    tap.ok("timing-failed" not in wanted(), "with the rule the events come")
    result = host.run("virsh", "-q", "-c", "qemu:///system", "list", user="nobody")
    tap.ok(result.status != 0, "and nobody else may more than before", result)
    host.must("rm", "/etc/polkit-1/rules.d/60-tbsyncd-libvirt.rules")
    host.config("timing", None)
    host.must("sed", "-i", 's/^auth_unix_rw = .*/auth_unix_rw = "none"/', "/etc/libvirt/libvirtd.conf")
    host.must("systemctl", "restart", "libvirtd", "tbsyncd")


def hardened(tap, host):
    """As systemd counts it on the running unit, drop-ins and defaults of this machine included."""
    result = host.run("systemd-analyze", "security", "--no-pager", "--threshold=15", "tbsyncd.service")
    exposure = re.search(r"exposure level for tbsyncd\.service: ([\d.]+)", result.text)
    tap.ok(result.status == 0 and exposure and float(exposure.group(1)) <= 1.5,
           f"systemd-analyze security: {exposure.group(1) if exposure else 'no figure'}, at most 1.5", result.text[-400:])


def migrates(tap, alpha, beta):
    alpha.wait_linked("beta")
    beta.wait_linked("alpha")
    alpha.start("guest1")
    result = alpha.migrate("guest1", beta)
    tap.ok(result.status == 0 and beta.runs("guest1"), "a guest migrates between the two services", result)
    record = beta.history(beta.uuid("guest1"))
    tap.ok(len(record) == 1 and record[0]["decision"] == "allow", "its verdict is in the history", record)
    no_dials(beta)
    beta.config("unavailable", "[Policy]\nWhenUnavailable=allow\n")
    beta.must("systemctl", "mask", "tbsyncd")
    alpha.start("guest2")
    result = alpha.migrate("guest2", beta)
    tap.ok(result.status == 0, "WhenUnavailable=allow lets a guest in without the daemon", result)
    log = beta.journal("-o", "cat", "-b")
    tap.has(log, ["guest2", "WhenUnavailable"], "and the journal says so")
    beta.must("systemctl", "unmask", "tbsyncd")
    beta.config("unavailable", None)
    beta.must("systemctl", "start", "tbsyncd")
    beta.remove("guest2")
    beta.remove("guest1")


def rebooted(tap, lab, host):
    first = lab.must("pid", host.name)
    before = len(host.history())
    host.run("systemctl", "reboot")
    labtest.wait_until(f"another PID 1 on {host.name}", lambda: lab.call("pid", host.name).out not in ("", first))
    lab.must("wait", host.name)
    result = host.run("tbsyncctl", "status")
    tap.ok(result.status == 0, "after a reboot tbsyncctl status answers", result)
    tap.ok(len(host.history()) == before > 0, "and the history is still there")
    unprivileged(tap, host)


def story(tap, lab, alpha, beta):
    enabled(tap, alpha, beta)
    unprivileged(tap, beta)
    hardened(tap, beta)
    port_is_kept(tap, beta, alpha)  # before any start fails: a dial that waits meanwhile uses up the socket's limit of ten in 30 s
    service(tap, beta)
    bus_rights(tap, beta)
    log_level(tap, beta)
    migrates(tap, alpha, beta)
    timing_events(tap, beta)
    watched(tap, beta)
    revoked(tap, lab, beta, alpha)
    pki(tap, beta)
    rebooted(tap, lab, beta)


if __name__ == "__main__":
    sys.exit(labtest.main(story, ("alpha", "beta"), mode="systemd"))
