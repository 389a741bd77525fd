#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A POWER9 and a POWER10 nested host with KVM HV, libvirtd and tbsyncd: virsh migrate of a KVM guest passes with a plan, a guest
with a higher level than the destination's is refused by the hook, running or not, the audit agrees with the timebase that the guest
itself logs, and RefreshOffset= keeps that from going back."""

import json
import os
import re
import shutil
import subprocess
import time

import hosts
import targettest
from vm import Pseries, Qemu

CONFIG = """[Libvirt]
TimingEvents=yes
RefreshOffset={refresh}
[Policy]
# several emulations share the machine
MaxRelationAgeSec=3600
"""
LIBVIRT = """set -e
modprobe kvm_hv
usermod -a -G libvirt tbsyncd
cat >>/etc/libvirt/libvirtd.conf <<'CONF'
host_uuid_source = "machine-id"
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
auth_unix_ro = "none"
auth_unix_rw = "none"
CONF
cat >>/etc/libvirt/qemu.conf <<'CONF'
security_driver = "none"
migrate_tls_x509_verify = 0
CONF
mkdir -p /var/lib/libvirt/images
cp /share/vmlinux /share/guest.img /var/lib/libvirt/images/
# with its sockets: a client of the boot would start it again before libvirtd-tls.socket listens
systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd.service
systemctl enable --now libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd-tls.socket
systemctl start libvirtd
"""
# what TCG cannot give a nested guest is said to be broken
DOMAIN = """<domain type='kvm'>
  <name>{name}</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='ppc64le' machine='pseries'>hvm</type>
    <kernel>/var/lib/libvirt/images/vmlinux</kernel>
    <initrd>/var/lib/libvirt/images/guest.img</initrd>
    <cmdline>console=hvc0 mitigations=off</cmdline>
  </os>
  <cpu mode='host-model'>{model}</cpu>
  <features>
    <cfpc value='broken'/><sbbc value='broken'/><ibs value='broken'/><ccf-assist state='off'/>
    <hpt><maxpagesize unit='KiB'>4</maxpagesize></hpt>
  </features>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-ppc64</emulator>
    <serial type='file'>
      <source path='/var/log/libvirt/qemu/{name}.console'/>
      <target type='spapr-vio-serial' port='0'/>
    </serial>
    <memballoon model='none'/>
  </devices>
</domain>
"""
CONSOLE = "/var/log/libvirt/qemu/{name}.console"


def config(refresh, other):
    return CONFIG.format(refresh=refresh) + hosts.peers_config(other)


def make_guest(share):
    """The guest is a kernel and one program."""
    root = share / "guest"
    root.mkdir()
    subprocess.run(["powerpc64le-linux-gnu-gcc", f"--sysroot={targettest.SYSROOT}", "-static", "-O2", "-mcpu=power8",
                    targettest.HERE / "guest-clock.c", "-o", root / "init"], check=True)
    with open(share / "guest.img", "wb") as image:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=b"init\n", stdout=image, cwd=root, check=True)
    shutil.copy(targettest.DIRECTORY / "vmlinux", share / "vmlinux")


def console(machine, name):
    return machine.run(f"cat {CONSOLE.format(name=name)}")[1]


def steps(text):
    """(from, to) of each step that the guest saw."""
    return [(int(first), int(second)) for first, second in re.findall(r"^step (\d+) (\d+)\s*$", text, re.M)]


def wait_beats(machine, name, beats, patience_s=300):
    """Until the guest has said so many times more that it runs."""
    want = len(re.findall("^at ", console(machine, name), re.M)) + beats
    machine.wait(f"{name} to run", lambda: len(re.findall("^at ", console(machine, name), re.M)) >= want, patience_s, 1)


def define(machine, name, model=""):
    (machine.share / f"{name}.xml").write_text(DOMAIN.format(name=name, model=model))
    machine.must(f"virsh -q define /share/{name}.xml", 180)


def history(machine):
    return machine.json("tbsyncctl history --json")


def migrate(machine, name, to, options="--live"):
    return machine.run(f"virsh -q migrate {options} {name} qemu+tls://vm{to.number}/system", 600)


def check_migration(tap, timer, left, right):
    define(left, "moves")
    timer.time("guest: virsh start", left.must, "virsh -q start moves", 300)
    timer.time("guest: boot", wait_beats, left, "moves", 3, 600)
    before = steps(console(left, "moves"))
    status, text = timer.time("guest: virsh migrate --live", migrate, left, "moves", right)
    if not tap.ok(status == 0, "virsh migrate --live of a KVM guest to the newer host passes", text):
        return
    wait_beats(right, "moves", 3)
    record = right.wait("the audit", lambda: next((record for record in history(right) if "audit" in record), None), 120, 2)
    print(f"# {json.dumps({key: record.get(key) for key in ('decision', 'findings', 'plan', 'audit')})}")
    tap.ok(record["decision"] == "allow" and "offset_ticks" in record.get("plan", {}), "it was allowed with a plan", record)
    tap.ok("cannot-return" in {finding["code"] for finding in record["findings"]},
           "and it says that the guest's next boot there is for good", record["findings"])
    seen = steps(console(right, "moves"))
    print(f"# steps before: {before}; at the destination: {seen}")
    check_audit(tap, record["audit"], seen)


def check_audit(tap, audit, seen):
    """The guest's step spans the blackout and at most GAP_TICKS of guest-clock before it."""
    if not tap.ok(audit.get("known") is True and "moved_lo_ticks" in audit and seen,
                  "the audit has figures, and the guest saw a step", f"{audit} {seen}"):
        return
    step = max(second - first for first, second in seen)
    lo, hi = int(audit["moved_lo_ticks"]), int(audit["moved_hi_ticks"])
    tap.ok(all(second > first for first, second in seen), "the guest's timebase never went back", seen)
    tap.ok(lo <= step and step - hosts.HZ // 10 <= hi, "the audit's bounds hold the step that the guest logged",
           f"{lo} .. {hi}, logged {step}")


def check_refusal(tap, timer, newer, older):
    """A guest with a level that its own host has and the other has not: before it is started, and while it runs."""
    define(newer, "newer", "<model>power10</model>")
    status, text = migrate(newer, "newer", older, "--offline --persistent")
    tap.ok(status != 0 and "compat-mode-unsupported" in text and "power10" in text,
           "a guest with a higher level is refused by the hook before it runs", text)
    newer.must("virsh -q start newer", 300)
    wait_beats(newer, "newer", 3, 600)
    status, text = timer.time("guest: refused migration", migrate, newer, "newer", older)
    tap.ok(status != 0 and "compat-mode-unsupported" in text and "power10" in text, "and refused while it runs", text)
    cases = [record["case"] for record in history(older) if record["name"] == "newer" and record["decision"] == "block"]
    tap.ok(any(case["guest"]["active"] and "relation" in case for case in cases),
           "with its source found and the relation known", cases)
    wait_beats(newer, "newer", 3)
    tap.ok(newer.must("virsh domstate newer").strip() == "running", "it keeps running where it was")
    tap.ok(older.run("virsh -q domstate newer")[0] != 0, "and never came to the other host")
    newer.must("virsh -q destroy newer")


# What runs beside the guest would show as steps forward, and hide those back.
APART = """
for task in /proc/[0-9]*/task/[0-9]*; do
    case $(cat $task/comm 2>/dev/null) in
        CPU*KVM) taskset -cp 1 ${task##*/} ;;
        *) taskset -cp 0 ${task##*/} ;;
    esac
done >/dev/null 2>&1
true
"""


def pauses(machine, name, times):
    """The steps that the guest sees over so many pauses, and otherwise."""
    before = len(steps(console(machine, name)))
    for _ in range(times):
        machine.must(f"printf 'suspend {name}\\nresume {name}\\n' | virsh -q", 120)
        wait_beats(machine, name, 1)
    return steps(console(machine, name))[before:]


def check_pauses(tap, timer, machine, other):
    define(machine, "rests")
    machine.must("virsh -q start rests", 300)
    wait_beats(machine, "rests", 3, 600)
    machine.must(APART)
    stock = timer.time("ten pauses", pauses, machine, "rests", 10)
    tap.ok(any(second < first for first, second in stock), "stock QEMU sets the timebase back within ten pauses", stock)
    print(f"# all steps: {[round((second - first) / hosts.HZ * 1e3, 1) for first, second in stock]} ms")
    print(f"# back by {[round((first - second) / hosts.HZ * 1e3, 1) for first, second in stock if second < first]} ms")
    hosts.configure(machine, config("after-start", other))
    machine.must("systemctl restart tbsyncd", 300)
    machine.wait("libvirt", lambda: machine.json("tbsyncctl status --json")["libvirt"]["state"] == "up")
    pauses(machine, "rests", 1)  # the first start that is followed by a fetch
    mended = timer.time("twenty pauses, RefreshOffset=after-start", pauses, machine, "rests", 20)
    tap.ok(not any(second < first for first, second in mended), "with RefreshOffset=after-start never in twenty", mended)
    tap.ok("custom-monitor" in machine.must("virsh dominfo rests; cat /var/log/libvirt/qemu/rests.log"),
           "and libvirt says that the guest is tainted")


def set_up(timer, machine, other):
    timer.note(f"{machine.name}: boot", machine.wait_up(600))
    hosts.install(machine, config("never", other))
    timer.time(f"{machine.name}: libvirtd", machine.must, LIBVIRT, 300)
    timer.time(f"{machine.name}: systemctl enable --now", machine.must, "systemctl enable --now tbsyncd", 300)


def story(tap, timer, share):
    os.chmod(share, 0o755)
    hosts.make_pki(share, {"vm1": "10.77.1.1", "vm2": "10.77.1.2"})
    make_guest(share)
    wire = share / "wire"
    qemu = Qemu(targettest.DIRECTORY)
    start = time.monotonic()
    with Pseries(targettest.DIRECTORY, "left", 1, qemu) as left, Pseries(targettest.DIRECTORY, "right", 2, qemu) as right:
        for machine, cpu in ((left, "power9"), (right, "power10")):
            machine.boot(share, image="host", wire=wire, nested=True, memory_mib=2048, cpus=2, cpu=cpu)
        set_up(timer, left, right)
        set_up(timer, right, left)
        for machine, other, level in ((left, right, "power9"), (right, left, "power10")):
            hosts.relation(machine, f"vm{other.number}")
            facts = machine.json("tbsyncctl facts --json")
            tap.ok(facts["kvm"] == "hv" and facts["tb_offset"] and not facts["simulated"] and facts["compat_level"] == level,
                   f"{machine.name}: a KVM HV host of {level} that takes offsets", facts)
            tap.ok(hosts.doctor(machine) == (0, set()), f"{machine.name}: tbsyncctl doctor finds nothing wrong",
                   machine.run("tbsyncctl doctor")[1])
        check_migration(tap, timer, left, right)
        right.must("virsh -q destroy moves")
        check_refusal(tap, timer, right, left)
        check_pauses(tap, timer, left, right)
    timer.note("all", time.monotonic() - start)


if __name__ == "__main__":
    targettest.main(story)
