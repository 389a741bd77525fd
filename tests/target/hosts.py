# SPDX-License-Identifier: LGPL-2.1-or-later
"""tbsyncd on VMs of vm.py: certificates, installation, and the truth about their timebases, which only the emulator knows."""

import json
import re
import shutil
import subprocess
import time

import targettest
from vm import VmError

HZ = 512000000

TEMPLATE = """organization = target lab
cn = {name}
dns_name = {name}
ip_address = {address}
tls_www_server
tls_www_client
signing_key
encryption_key
expiration_days = 3650
"""


def certtool(*arguments):
    done = subprocess.run(["certtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise VmError(f"certtool: {done.stderr}")


def make_pki(share, addresses):
    """Below share/pki, as libvirt names the files: a CA, and a certificate for each host in share/pki/NAME."""
    pki = share / "pki"
    pki.mkdir()
    (pki / "ca.info").write_text("cn = target CA\nca\ncert_signing_key\ncrl_signing_key\nexpiration_days = 3650\n")
    certtool("--generate-privkey", "--key-type", "rsa", "--bits", "2048", "--outfile", pki / "cakey.pem")
    certtool("--generate-self-signed", "--load-privkey", pki / "cakey.pem", "--template", pki / "ca.info",
             "--outfile", pki / "cacert.pem")
    for name, address in addresses.items():
        host = pki / name
        host.mkdir()
        (host / "info").write_text(TEMPLATE.format(name=name, address=address))
        certtool("--generate-privkey", "--key-type", "rsa", "--bits", "2048", "--outfile", host / "key.pem")
        certtool("--generate-certificate", "--load-privkey", host / "key.pem", "--load-ca-certificate",
                 pki / "cacert.pem", "--load-ca-privkey", pki / "cakey.pem", "--template", host / "info",
                 "--outfile", host / "cert.pem")


# its certificates are there before it: the package starts what it installs. A reload of dbus and so on are the package's matter
INSTALL = """set -e
mkdir -p /etc/pki/CA /etc/pki/libvirt/private
cp /share/pki/cacert.pem /etc/pki/CA/
for kind in server client; do
    cp /share/pki/{name}/cert.pem /etc/pki/libvirt/${{kind}}cert.pem
    install -m 600 /share/pki/{name}/key.pem /etc/pki/libvirt/private/${{kind}}key.pem
done
# emulated, two at a time: a start takes ten times as long as on the real thing
mkdir -p /etc/systemd/system/tbsyncd.service.d
printf '[Service]\\nTimeoutStartSec=180\\nWatchdogSec=300\\n' >/etc/systemd/system/tbsyncd.service.d/slow.conf
DEBIAN_FRONTEND=noninteractive dpkg --install /share/tbsyncd.deb
"""


CONFIGURE = """mkdir -p /etc/tbsyncd/tbsyncd.conf.d
cat >/etc/tbsyncd/tbsyncd.conf.d/50-lab.conf <<'CONF'
{config}
CONF
"""


def configure(machine, config):
    machine.must(CONFIGURE.format(config=config))


def install(machine, config):
    """The package, with certificates and configuration; not enabled and not started."""
    configure(machine, config)
    shutil.copy(targettest.PACKAGE, machine.share)
    machine.must(INSTALL.format(name=f"vm{machine.number}"), 300)
    machine.must("systemctl disable --now tbsyncd")


def peers_config(*machines):
    return "\n".join(f"[Peer vm{machine.number}]\nAddress=10.77.1.{machine.number}\n" for machine in machines)


def doctor(machine):
    """Exit status, and the codes of what is wrong."""
    status, text = machine.run("tbsyncctl doctor --json")
    return status, {problem["code"] for problem in json.loads(text) if problem["severity"] != "note"}


def relation(machine, name):
    """What tbsyncd knows of the peer, once a relation is there."""
    def look():
        status, text = machine.run("tbsyncctl peers --json")
        if status != 0:
            return None
        found = [peer for peer in json.loads(text) if peer["name"] == name]
        return found[0] if found and found[0]["state"] == "linked" and found[0]["relation"]["state"] == "ok" else None
    try:
        return machine.wait(f"a relation with {name}", look, 180, 1)
    except VmError as error:
        known = machine.run("tbsyncctl peers; journalctl --unit=tbsyncd --no-pager --lines=10")[1]
        raise VmError(f"{error}\n{known}") from error


def read_timebase(machine):
    """(lo, hi) of TB minus the host's CLOCK_MONOTONIC in ticks: both machines' virtual clocks are that clock, shifted."""
    before_ns = time.monotonic_ns()
    text = machine.hmp("info registers")
    after_ns = time.monotonic_ns()
    match = re.search(r"^TB 0*(\d+) 0*(\d+)", text, re.M) or re.search(r"\bTB (\d+) (\d+)", text)
    if not match:
        raise VmError(f"{machine.name}: no timebase in {text}")
    ticks = int(match.group(2))
    return ticks - after_ns * HZ // 10**9 - 1, ticks - before_ns * HZ // 10**9 + 1


def true_timebase(machine, tries=40):
    """The tightest bounds of a few tries."""
    bounds = [read_timebase(machine) for _ in range(tries)]
    lo, hi = max(bound[0] for bound in bounds), min(bound[1] for bound in bounds)
    if lo > hi:
        raise VmError(f"{machine.name}: the timebase does not follow the host's clock: {bounds}")
    return lo, hi


def true_relation(local, remote):
    """(lo, hi) of remote minus local TB, ticks."""
    local_lo, local_hi = true_timebase(local)
    remote_lo, remote_hi = true_timebase(remote)
    return remote_lo - local_hi, remote_hi - local_lo
