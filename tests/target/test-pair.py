#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two emulated LPARs (pseries, systemd) on one wire: the package of tbsyncd installed, enabled, there after a reboot, linked by TLS;
its timebase relation contains what the emulator knows to be true. The second LPAR runs in a POWER8 compat mode."""

import re

import hosts
import targettest
from vm import PSERIES, Pseries

FACTS = """
echo cpuinfo-hz=$(sed -n 's/^timebase[^0-9]*//p' /proc/cpuinfo)
for f in /proc/device-tree/cpus/*/timebase-frequency; do echo tree-hz=$((0x$(od -An -tx1 $f | tr -d ' '))); done
for f in /proc/device-tree/cpus/*/cpu-version; do echo tree-pvr=0x$(od -An -tx1 $f | tr -d ' '); done
echo cpuinfo-pvr=$(sed -n 's/^revision.*(pvr \\(....\\) \\(....\\)).*/0x\\1\\2/p' /proc/cpuinfo | head -n 1)
"""

# a unit with ProtectProc= has a /proc of its own, without what is mounted below this one
SHOWN = "/etc/systemd/system/tbsyncd.service.d/shown.conf"
LOGICAL_PVRS = {"power8": "0x0f000004", "power9": "0x0f000005"}


def check_facts(tap, machine, level):
    name = machine.name
    status = machine.json("tbsyncctl status --json")
    facts = status["host"]
    seen = set(machine.must(FACTS).split())
    # a hypervisor puts the level into the device tree, as a logical PVR
    tap.ok(seen == {f"cpuinfo-hz={hosts.HZ}", f"tree-hz={hosts.HZ}", f"tree-pvr={LOGICAL_PVRS[level]}",
                    f"cpuinfo-pvr={facts['pvr']}"} and facts["timebase_hz"] == hosts.HZ,
           f"{name}: frequency, PVR and level are those of device tree and cpuinfo", f"{seen} {facts}")
    tap.ok(facts.get("nested") is True, f"{name}: it knows that it is an LPAR", facts)
    tap.ok(facts.get("compat_level") == level, f"{name}: its level is {level}", facts)
    # kvm_hv refuses to be loaded, but leaves the module kvm behind and with it a device
    tap.ok(not status["simulated"] and facts["kvm"] == "none", f"{name}: nothing is simulated, KVM is none", facts)


def check_service(tap, timer, machine, others):
    timer.time(f"{machine.name}: dpkg --install", hosts.install, machine,
               "[Libvirt]\nURI=\n" + hosts.peers_config(*others))
    status, text = timer.time(f"{machine.name}: systemctl enable --now", machine.run,
                              "systemctl enable --now tbsyncd && systemctl is-active tbsyncd", 180)
    tap.ok(status == 0, f"{machine.name}: systemctl enable --now tbsyncd", text)
    status, text = machine.run("tbsyncctl status")
    tap.ok(status == 0 and "512" in text, f"{machine.name}: tbsyncctl status", text)
    print("\n".join(f"# {line}" for line in text.splitlines()))


def check_doctor(tap, machine, other):
    """A host without libvirt and KVM, and then one whose peer is away too."""
    lacks = {"libvirt-off", "kvm-missing"}
    hosts.relation(machine, f"vm{other.number}")
    status, codes = hosts.doctor(machine)
    tap.ok(status == 1 and codes == lacks, f"{machine.name}: tbsyncctl doctor misses libvirt and KVM, nothing else", (status, codes))
    other.must("systemctl stop tbsyncd.socket tbsyncd")
    machine.wait("the doctor to miss the peer", lambda: hosts.doctor(machine)[1] != lacks, 120, 2)
    status, text = machine.run("tbsyncctl doctor")
    tap.ok(status == 1 and f"vm{other.number}" in text, f"{machine.name}: and names a peer that is away", text)
    print("\n".join(f"# {line}" for line in text.splitlines()))
    other.must("systemctl start tbsyncd.socket tbsyncd", 180)


def check_relation(tap, local, remote):
    found = hosts.relation(local, f"vm{remote.number}")["relation"]
    lo, hi = int(found["tb_lo_ticks"]), int(found["tb_hi_ticks"])
    true_lo, true_hi = hosts.true_relation(local, remote)
    detail = f"found {lo} .. {hi}, true {true_lo} .. {true_hi}"
    tap.ok(lo <= true_hi and true_lo <= hi, f"{local.name}: the relation with {remote.name} contains the truth", detail)
    tap.ok(hi - lo < hosts.HZ, f"{local.name}: and would miss one that is a second off", detail)
    print(f"# {local.name} to {remote.name}: {(hi - lo) / hosts.HZ * 1e3:.3f} ms wide, the truth is known to "
          f"{(true_hi - true_lo) / hosts.HZ * 1e3:.3f} ms", flush=True)


def refused(tap, machine, name, prepare, undo, words):
    """Without the socket: through that a peer that dials has the unit started again at once."""
    cursor = machine.must("journalctl -q -n 0 --show-cursor").split()[-1]
    machine.run(f"systemctl stop tbsyncd.socket tbsyncd; {prepare}; systemctl start tbsyncd", 180)
    text = machine.must(f"journalctl -q --no-pager -u tbsyncd --after-cursor '{cursor}'")
    tap.ok("status=78/CONFIG" in text and all(word in text for word in words), f"{machine.name}: {name}", text)
    machine.must(f"{undo}; systemctl start tbsyncd.socket tbsyncd && tbsyncctl status", 180)


def check_refusals(tap, machine):
    config = "/etc/tbsyncd/tbsyncd.conf.d/60-wrong.conf"
    refused(tap, machine, "a frequency that the machine does not have is refused",
            f"printf '[Timebase]\\nFrequencyHz=500000000\\n' >{config}", f"rm {config}", ["500000000", "512000000"])
    refused(tap, machine, "cpuinfo and device tree that contradict each other are refused",
            "sed '/^timebase/s/512000000/500000000/' /proc/cpuinfo >/run/cpuinfo; "
            f"printf '[Service]\\nProtectKernelTunables=no\\nBindReadOnlyPaths=/run/cpuinfo:/proc/cpuinfo\\n' >{SHOWN}; "
            "systemctl daemon-reload", f"rm {SHOWN}; systemctl daemon-reload", ["500000000", "512000000", "/proc/cpuinfo"])


def story(tap, timer, share):
    hosts.make_pki(share, {"vm1": "10.77.1.1", "vm2": "10.77.1.2"})
    wire = share / "wire"
    with Pseries(targettest.DIRECTORY, "one", 1) as one, Pseries(targettest.DIRECTORY, "two", 2) as two:
        one.boot(share, wire=wire)
        two.boot(share, wire=wire, options=("-M", PSERIES + ",max-cpu-compat=power8"))
        for machine in (one, two):
            timer.note(f"{machine.name}: boot", machine.wait_up())
        check_service(tap, timer, one, [two])
        check_service(tap, timer, two, [one])
        check_facts(tap, one, "power9")
        check_facts(tap, two, "power8")
        check_relation(tap, one, two)
        check_relation(tap, two, one)
        timer.note(f"{one.name}: reboot", one.reboot())
        status, text = one.run("systemctl is-system-running --wait; systemctl is-active tbsyncd && tbsyncctl status", 180)
        tap.ok(status == 0, f"{one.name}: tbsyncd is there after a reboot", text)
        check_relation(tap, two, one)
        check_doctor(tap, one, two)
        check_refusals(tap, one)
        bugs = [line for machine in (one, two) for line in machine.must(
            "journalctl -q --no-pager -u tbsyncd").splitlines() if re.search("CRITICAL|assert|runtime error", line)]
        tap.ok(not bugs, "no daemon found a bug in itself", "\n".join(bugs))


if __name__ == "__main__":
    targettest.main(story)
