#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian package: built from the tree, installed, removed and purged on a host with a real systemd and libvirtd."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import labtest

TREE = labtest.HERE.parent.parent


def build(directory):
    """(how it went, the .deb) of a copy of the tree, since dpkg-buildpackage writes beside it."""
    copy = pathlib.Path(directory, "tbsyncd")
    copy.mkdir(parents=True)
    subprocess.run(f"tar -C '{TREE}' --exclude=./.git --exclude='./build*' --exclude='./b-*' --exclude=__pycache__ -c . | tar -C '{copy}' -x",
                   shell=True, check=True)
    done = subprocess.run(["dpkg-buildpackage", "-us", "-uc", "-b"], cwd=copy, capture_output=True, text=True, check=False,
                          env=dict(os.environ, DEB_BUILD_OPTIONS="nocheck noddebs"))
    return done, next(pathlib.Path(directory).glob("tbsyncd_*.deb"), None)


def built(tap, directory):
    done, deb = build(directory)
    tap.ok(done.returncode == 0 and deb, "dpkg-buildpackage makes a package", (done.stdout + done.stderr)[-3000:])
    changes = next(pathlib.Path(directory).glob("*.changes"))
    lintian = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", changes], capture_output=True, text=True,
                             check=False)
    tap.ok(lintian.returncode == 0, "lintian finds no error and no warning", lintian.stdout)
    again = build(pathlib.Path(directory, "another", "folder"))[1]
    tap.ok(again and again.read_bytes() == deb.read_bytes(), "in another folder it is the same package, byte by byte",
           again and subprocess.run(["cmp", deb, again], capture_output=True, text=True, check=False).stdout)
    return deb


def staged(host):
    """Files of ours that the lab itself has put into its hosts."""
    stage = pathlib.Path(host.lab.run_dir, "stage")
    return ["/" + str(path.relative_to(stage)) for path in stage.rglob("*") if not path.is_dir()]


def traces(host):
    """Whatever a package of ours may leave: files, user, units."""
    found = host.run("find", "/etc", "/usr", "/lib", "/var/lib", "/run", "-xdev", "-path", "/usr/src", "-prune", "-o",
                     "-iname", "*tbsync*", "-not", "-path", "/var/lib/dpkg/*", "-not", "-path", "/var/lib/systemd/deb-systemd-*",
                     "-print").out.split()
    user = host.run("getent", "passwd", "tbsyncd").out
    units = host.run("systemctl", "list-unit-files", "--no-legend", "tbsyncd*").out
    return [word for word in (*found, user, units) if word.strip()]


def clear(tap, host):
    """Back to a host that has never seen tbsyncd, with a libvirtd that knows of no hook."""
    host.must("rm", "-rf", *staged(host), "/etc/tbsyncd", "/etc/libvirt/hooks/qemu.d", "/var/lib/tbsyncd")
    host.must("rm", "-rf", "/run/tbsyncd", "/usr/share/tbsyncd")
    host.run("userdel", "tbsyncd")
    # container images bring one that forbids packages to start and stop anything
    host.must("rm", "-f", "/usr/sbin/policy-rc.d")
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "restart", "libvirtd")
    tap.ok(traces(host) == [], "the host has never seen tbsyncd", traces(host))


def lab_config(host):
    """What this machine cannot be found to be."""
    return host.must("cat", "/etc/tbsyncd/tbsyncd.conf")


def installed(tap, host, deb, config):
    host.must("tee", "/tmp/tbsyncd.deb", stdin=deb.read_bytes())
    host.config("lab", config)
    result = host.run("apt-get", "-o", "Debug::NoLocking=1", "-y", "--no-install-recommends", "install", "/tmp/tbsyncd.deb")
    tap.ok(result.status == 0, "apt-get install ./tbsyncd.deb", result)
    tap.ok(host.run("getent", "passwd", "tbsyncd").status == 0, "its user is there")
    for unit in ("tbsyncd.service", "tbsyncd.socket"):
        tap.ok(host.run("systemctl", "is-enabled", unit).out.strip() == "enabled", f"{unit} is enabled")
    log = host.journal()
    tap.ok(host.run("systemctl", "is-active", "tbsyncd").status == 0 and "Failed" not in log, "the service runs from its first start on", log)
    hook = host.must("stat", "-c", "%a %U", "/etc/libvirt/hooks/qemu.d/90-tbsyncd").strip()
    tap.ok(hook == "755 root", "the hook is in place", hook)
    tap.has(host.must("journalctl", "-q", "--no-pager", "--list-catalog"), ["compat-mode-unsupported"],
            "the journal knows the findings")
    for page in ("tbsyncd.8", "tbsyncctl.1", "tbsyncd.conf.5", "org.tbsyncd1.5", "tbsync-findings.7"):
        tap.ok(host.run("test", "-s", f"/usr/share/man/man{page[-1]}/{page}.gz").status == 0, f"the manual has {page}")


def listed(tap, host):
    """The bill of materials in the package, against the packages of the host."""
    bill = json.loads(host.must("cat", "/usr/share/tbsyncd/tbsyncd.spdx.json"))
    names = {entry["name"]: entry["versionInfo"] for entry in bill["packages"] if "purl" in json.dumps(entry) and entry["name"] != "tbsyncd"}
    needed = re.findall(r"([\w.+-]+)", host.must("dpkg-query", "-W", "-f", "${Depends}", "tbsyncd"))
    tap.ok(len(names) >= 6 and all(name in needed for name in names), "the bill of materials names what the package depends on", names)
    wrong = {name: version for name, version in names.items()
             if host.must("dpkg-query", "-W", "-f", "${Version}", name) != version}
    tap.ok(not wrong, "in the versions that are installed", wrong)


def upgraded(tap, alpha, beta):
    """The next version, here the same one again: another process, and no peer is refused meanwhile."""
    pid = beta.tbsyncd_pid()
    with alpha.dialling(beta) as end:
        result = beta.run("dpkg", "-i", "/tmp/tbsyncd.deb")
        tap.ok(result.status == 0, "dpkg -i over the running one", result)
        tap.ok(beta.tbsyncd_pid() not in (0, pid), "starts the daemon again")
        tap.ok(end(), "and no dial is refused meanwhile")
    beta.wait_linked("alpha")


def works(tap, alpha, beta):
    """libvirtd was running all the time: it asks because the package has reloaded it."""
    alpha.must("systemctl", "enable", "--now", "tbsyncd")
    alpha.wait_linked("beta")
    beta.wait_linked("alpha")
    alpha.start("guest1")
    result = alpha.migrate("guest1", beta)
    tap.ok(result.status == 0 and beta.runs("guest1"), "a guest migrates to it", result)
    tap.ok(beta.ctl_json("status")["hook"]["state"] == "active", "the hook is told to be active")
    record = beta.history(beta.uuid("guest1"))
    tap.ok(len(record) == 1 and record[0]["decision"] == "allow", "and its libvirtd has asked the hook", record)
    journal = beta.journal("-x", "-u", "tbsyncd", "TBSYNC_GUEST=guest1")
    tap.has(journal, ["guest1", "tbsync-findings(7)"], "journalctl -x explains the verdict")
    beta.remove("guest1")


def removed(tap, host):
    result = host.run("dpkg", "-r", "tbsyncd")
    tap.ok(result.status == 0, "dpkg -r", result)
    tap.ok(host.run("bash", "-c", ": </dev/tcp/127.0.0.1/16524").status != 0, "the port is closed")
    hook = host.hook("guest2", "migrate", "begin", "-", xml=b"<domain/>")
    tap.ok(hook.status == 0 and hook.text == "", "the hook that is left lets everything pass", hook)
    host.start("guest2")
    tap.ok(host.runs("guest2"), "guests start as before")
    host.remove("guest2")


def purged(tap, host):
    result = host.run("dpkg", "-P", "tbsyncd")
    tap.ok(result.status == 0, "dpkg -P", result)
    tap.ok(traces(host) == [], "nothing is left", traces(host))


def story(tap, lab, alpha, beta):
    config = lab_config(beta)
    with tempfile.TemporaryDirectory() as directory:
        deb = built(tap, directory)
        clear(tap, beta)
        installed(tap, beta, deb, config)
    listed(tap, beta)
    works(tap, alpha, beta)
    upgraded(tap, alpha, beta)
    removed(tap, beta)
    purged(tap, beta)
    again = beta.run("apt-get", "-y", "--no-install-recommends", "install", "/tmp/tbsyncd.deb")
    tap.ok(again.status == 0, "and it can be installed again", again)
    tap.ok(beta.run("dpkg", "-P", "tbsyncd").status == 0 and traces(beta) == [], "and purged at once", traces(beta))


if __name__ == "__main__":
    sys.exit(labtest.main(story, ("alpha", "beta"), mode="systemd"))
