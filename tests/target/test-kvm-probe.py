#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""host-probe, tb-clock and kvm-probe on bare-metal POWER9 and POWER10 (PowerNV) and in a nested host, all emulated; timebase
offsets that the kernel rounds as core/offset predicts."""

import json
import re
import time

import targettest
from vm import PowerNv, Pseries, Qemu, VmError

VALUES = 4096
# what runs on PowerNV: in the initrd's busybox; before and after KVM is loaded
SCRIPT = """
echo "cpuinfo $(sed -n 's/^timebase[^0-9]*//p' /proc/cpuinfo)"
echo "probe-before $({probe} /dev/kvm {values})"
insmod /mod/kvm.ko; insmod /mod/kvm-hv.ko
echo "probe-after $({probe} /dev/kvm {values})"
"""
FAMILIES = {"power9": 0x004E, "power10": 0x0080}


def answer(text, word):
    """What follows `word` on the console, which the kernel writes to as well."""
    match = re.search(rf"^{word} (.*?)\r?$", text, re.M)
    if not match:
        raise VmError(f"no {word} in:\n{text[-3000:]}")
    return match.group(1)


def check_offsets(tap, where, offsets):
    tap.ok(offsets and offsets["tried"] == VALUES and offsets["failed"] == 0,
           f"{where}: KVM takes each of {VALUES} timebase offsets", offsets)
    tap.ok(offsets and offsets["wrong"] == 0, f"{where}: and rounds each up to 2^24 as predicted", offsets)


def mmu_modes(pvr, nested):
    """Linux, kvmppc_hash_v3_possible(): no hash in a nested host, nor on a POWER9 before DD 2.2 that itself uses radix."""
    early = pvr >> 16 == FAMILIES["power9"] and pvr & 0xFFF < 0x202
    return {"radix"} if nested or early else {"radix", "hash"}


def check_facts(tap, where, probe, cpu, nested):
    facts = probe["facts"]
    caps = facts.get("caps", {})
    tap.ok(facts["kvm"] == "hv" and probe["note"] is None, f"{where}: KVM is HV", probe)
    tap.ok(facts.get("tb_offset") is True, f"{where}: a timebase offset is taken", facts)
    tap.ok(int(facts["pvr"], 16) >> 16 == FAMILIES[cpu], f"{where}: the PVR is of {cpu}", facts["pvr"])
    tap.ok(facts.get("nested") is nested, f"{where}: it is {'an LPAR' if nested else 'bare metal'}", facts)
    tap.ok(set(facts["mmu"]) == mmu_modes(int(facts["pvr"], 16), nested), f"{where}: MMU modes", facts)
    tap.ok(caps.get("vsx") == 1 and caps.get("dfp") == 1 and caps.get("htm") == 0 and caps.get("nested-papr") == 0
           and 12 <= caps.get("hpt-max-page-size", 0) <= 34 and 0 <= caps.get("ibs", -1) <= 4,
           f"{where}: capability levels are such as QEMU has", caps)
    tap.ok(probe["clock"]["found"] is None, f"{where}: the timebase counts at the frequency found", probe["clock"])
    tap.ok("512000000" in (probe["clock"]["doubled"] or "") or "1024000000" in (probe["clock"]["doubled"] or ""),
           f"{where}: twice that frequency is refused, and the figure named", probe["clock"])


def powernv(tap, timer, share, cpu, qemu):
    where = f"PowerNV {cpu}"
    with PowerNv(targettest.DIRECTORY, f"nv-{cpu}", qemu) as machine:
        text = timer.time(f"{where}, QEMU {qemu.version}: boot, probe, power off", machine.run, cpu, share, "nv.sh")
    before, after = json.loads(answer(text, "probe-before")), json.loads(answer(text, "probe-after"))
    tap.ok(before["facts"]["kvm"] == "none" and "/dev/kvm" in before["note"] and before["offsets"] is None,
           f"{where}: without its module KVM is said to be missing", before)
    tap.ok(before["facts"]["timebase_hz"] == int(answer(text, "cpuinfo")) == 512000000,
           f"{where}: device tree and cpuinfo agree on the frequency", before["facts"])
    check_facts(tap, where, after, cpu, False)
    check_offsets(tap, where, after["offsets"])


def nested(tap, timer, share, command):
    where = "nested power9"
    with Pseries(targettest.DIRECTORY, "nested", 1, Qemu(targettest.DIRECTORY)) as machine:
        machine.boot(share, nested=True, memory_mib=2048)
        timer.note(f"{where}: boot", machine.wait_up())
        machine.must("modprobe kvm_hv")
        start = time.monotonic()
        probe = machine.json(f"{command} /dev/kvm {VALUES}")
        timer.note(f"{where}: probe", time.monotonic() - start)
    check_facts(tap, where, probe, "power9", True)
    check_offsets(tap, where, probe["offsets"])


def story(tap, timer, share):
    command = targettest.bundle(targettest.BUILD / "tests/target/target-probe", share)
    (share / "nv.sh").write_text(SCRIPT.format(probe=command, values=VALUES))
    powernv(tap, timer, share, "power9", Qemu())
    powernv(tap, timer, share, "power10", Qemu(targettest.DIRECTORY))
    nested(tap, timer, share, command)


if __name__ == "__main__":
    targettest.main(story)
