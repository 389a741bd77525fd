#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-ctl-judge.py TBSYNCCTL: the contract of `tbsyncctl judge`, on the built program."""

import json
import subprocess
import sys
import tempfile

from ctl_tap import Ctl, contains, equal, main

HOST = {
    "name": "beta", "simulated": False, "pvr": "0x004e1202", "nested": False, "kvm": "hv",
    "kernel": "6.1.0-31-powerpc64le", "qemu_version": "7.2.22", "machine_types": ["pseries-7.2", "pseries-6.2"],
    "timebase_hz": 512000000, "tb_offset": True, "mmu": ["hash", "radix"],
    "caps": {"htm": 0, "vsx": 1, "dfp": 1, "cfpc": 1, "sbbc": 1, "ibs": 3, "ccf-assist": 1, "nested-hv": 0, "large-decr": 1,
             "hpt-max-page-size": 34, "fwnmi": 1, "rpt-invalidate": 0},
    "hpt_max_order": 33, "resize_hpt": True,
}
GUEST = {
    "uuid": "c7a5fdbd-edaf-9455-926a-d65c16db1809", "name": "db1", "arch": "ppc64le", "accel": "kvm",
    "machine_type": "pseries-7.2", "cpu_mode": "host-model", "max_cpu_compat": "", "effective_mode": "power9",
    "ic_mode": "dual", "mmu": "radix", "caps": {}, "memory_bytes": 1 << 32, "max_memory_bytes": 1 << 32,
    "resize_hpt": "enabled", "active": True, "tb_offset_ticks": 0,
}
POWER8 = dict(HOST, pvr="0x004d0200", mmu=["hash"], caps=dict(HOST["caps"], **{"large-decr": 0}))
RELATION = {"tb_lo": 5, "tb_hi": 700, "tod_lo_ns": 1, "tod_hi_ns": 100, "age_ns": 1000000}


def case(name="c1", **changes):
    members = {"id": name, "source": HOST, "guest": GUEST, "destination": HOST}
    members.update(changes)
    return json.dumps({key: value for key, value in members.items() if value is not None}, separators=(",", ":"))


def judge(*lines, options=()):
    return Ctl(["judge", *options], "".join(line + "\n" for line in lines))


def codes(verdict):
    return [finding["code"] for finding in verdict["findings"]]


def test_equal_hosts_are_allowed():
    run = judge(case())
    equal(run.status, 0)
    equal(run.objects[0]["id"], "c1")
    equal(run.objects[0]["decision"], "allow")
    equal("plan" in run.objects[0], False)
    equal(run.err, "")


def test_older_cpu_is_blocked_with_cause_and_fix():
    run = judge(case(destination=POWER8))
    equal(run.status, 0)
    verdict = run.objects[0]
    equal(verdict["decision"], "block")
    finding = verdict["findings"][0]
    equal(finding["code"], "compat-mode-unsupported")
    equal(finding["severity"], "block")
    contains(finding["text"], "power9")
    contains(finding["text"], "POWER8 (PVR 0x004d0200)")
    contains(finding["advice"], "<cpu mode='host-model'><model>power8</model></cpu>")


def test_fail_on_block_says_so_in_the_exit_code():
    equal(judge(case(destination=POWER8), options=["--fail-on-block"]).status, 1)
    equal(judge(case(), options=["--fail-on-block"]).status, 0)
    equal(judge(case(destination=POWER8), "{", options=["--fail-on-block"]).status, 2)


def test_relation_gives_a_plan_that_cannot_step_back():
    plan = judge(case(relation=RELATION)).objects[0]["plan"]
    equal(sorted(plan), ["exact", "jump_hi_ticks", "jump_lo_ticks", "nearest_ticks", "offset_hi_ticks", "offset_ticks"])
    equal(plan["offset_ticks"] % (1 << 24), 0)
    equal(plan["offset_ticks"] >= -RELATION["tb_lo"], True)
    equal(plan["jump_lo_ticks"] >= 0, True)


def test_one_line_for_each_case_in_order():
    run = judge(case("a"), "", case("b", destination=POWER8), "  ", "broken", case(7))
    equal([line["id"] for line in run.objects], ["a", "b", None, 7])
    equal(run.objects[2]["line"], 5)
    equal(run.status, 2)


def test_broken_lines_cost_only_themselves():
    deep = '{"id":"deep","source":' + "[" * 10000 + "]" * 10000 + "}"
    huge = '{"id":"huge","x":"' + "x" * (1 << 20) + '"}'
    many = '{"id":"many","x":[' + "0," * 500000 + "0]}"
    bad = [deep, huge, many, '{"id":"nan","guest":{"pvr":NaN}}', '{"id":"end"', "[]", "null", '"x"', "{} {}", '{"id":"nul\\u0000"}']
    run = judge(*[line for pair in zip(bad, [case(str(i)) for i in range(len(bad))]) for line in pair])
    equal(run.status, 2)
    equal(len(run.lines), 2 * len(bad))
    for i, line in enumerate(run.objects):
        equal("decision" in line, i % 2 == 1)
        equal("error" in line, i % 2 == 0)
    equal([line["id"] for line in run.objects[0:10:2]], ["deep", "huge", "many", "nan", "end"])


def test_bytes_that_are_no_text_are_refused():
    run = Ctl(["judge"], b'{"id":"a\xff"}\n{"id":\x00}\n\xff\xfe\n' + case().encode() + b"\n")
    equal(run.status, 2)
    equal(["error" in line for line in run.objects], [True, True, True, False])


def wrong(**changes):
    run = judge(case("w", **changes))
    equal(run.status, 2)
    equal(run.objects[0]["id"], "w")
    return run.objects[0]["error"]


def test_wrong_values_name_line_field_and_value():
    error = wrong(destination=dict(HOST, pvr="4e1202"))
    for part in ("line 1", "destination.pvr", "4e1202"):
        contains(error, part)
    contains(wrong(source=dict(HOST, kvm="xen")), "source.kvm")
    contains(wrong(guest=dict(GUEST, memory_bytes=-1)), "guest.memory_bytes")
    contains(wrong(guest=dict(GUEST, active="yes")), "guest.active")
    contains(wrong(incoming=dict(GUEST, mmu="soft")), "incoming.mmu")
    contains(wrong(relation={"tb_lo": 1}), "relation.tb_hi")
    contains(wrong(relation=dict(RELATION, tb_lo=1e400)), "tb_lo")
    contains(wrong(policy={"UnknownMode": "lax"}), "policy.UnknownMode")
    contains(wrong(source=7), "source")
    contains(wrong(relation=[]), "relation")
    contains(wrong(guest=None), "guest")
    contains(wrong(destination=None), "destination")
    contains(judge('{"id":"w","guest":{"memory_bytes":18446744073709551615},"destination":{}}').objects[0]["error"],
             "18446744073709551615")
    contains(judge('{"id":"w","guest":{"memory_bytes":1e400},"destination":{}}').objects[0]["error"], "1e400")


def test_unknown_keys_are_ignored():
    run = judge(case(comment={"x": [1]}, destination=dict(HOST, colour="red"), guest=dict(GUEST, shape=7)))
    equal(run.status, 0)
    equal(run.objects[0]["decision"], "allow")


def test_foreign_guests_are_allowed_without_findings():
    run = judge(case(guest={"arch": "x86_64", "name": "web"}, destination={}))
    equal(run.objects[0], {"id": "c1", "decision": "allow", "findings": []})


def test_incoming_replaces_what_the_guest_has():
    run = judge(case(guest=dict(GUEST, machine_type="pseries-7.2"), incoming={"machine_type": "pseries-6.2"}))
    contains(codes(run.objects[0]), "machine-type-missing")


def test_assumptions_change_every_destination():
    run = judge(case("a"), case("b"), options=["--assume", "pvr=0x004d0200", "--assume", "mmu=hash"])
    equal([line["decision"] for line in run.objects], ["block", "block"])
    for bad in ("colour=red", "pvr", "pvr=red"):
        run = judge(case(), options=["--assume", bad])
        equal(run.status, 2)
        equal(run.out, "")
        contains(run.err, "tbsyncctl judge --help")


def test_policies_of_the_command_line_are_defaults():
    unknown = dict(GUEST)
    del unknown["effective_mode"]
    equal(judge(case(guest=unknown)).objects[0]["decision"], "allow")
    equal(judge(case(guest=unknown), options=["--policy", "UnknownMode=strict"]).objects[0]["decision"], "block")
    run = judge(case(guest=unknown, policy={"UnknownMode": "negotiated"}), options=["--policy", "UnknownMode=strict"])
    equal(run.objects[0]["decision"], "allow")
    equal(judge(case(), options=["--policy", "UnknownMode=lax"]).status, 2)


def test_files_are_read_and_missing_ones_named():
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write(case())  # without a line end
        file.flush()
        equal(Ctl(["judge", file.name]).objects[0]["decision"], "allow")
        equal(Ctl(["judge", "-"], case()).objects[0]["decision"], "allow")
    run = Ctl(["judge", "/nonexistent/cases"])
    equal(run.status, 2)
    contains(run.err, "/nonexistent/cases: cannot be opened")
    run = Ctl(["judge", "/"])
    equal(run.status, 2)
    contains(run.err, "/: cannot be read")


def test_memory_stays_constant():
    lines = (case(relation=RELATION) + "\n").encode() * 20000
    with subprocess.Popen([sys.argv[1], "judge"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        child.stdin.write(lines)
        child.stdin.flush()
        # all but the last pipe of it is judged; the process is still there to be asked
        with open(f"/proc/{child.pid}/status") as file:
            peak = [line.split()[1] for line in file if line.startswith("VmHWM:")]
        child.stdin.close()
        equal(child.wait(), 0)
    with open(sys.argv[1], "rb") as file:
        sanitized = b"__asan_init" in file.read()
    # a sanitizer keeps freed memory back, which is not ours
    equal(int(peak[0]) < (1 << 20 if sanitized else 32 * 1024), True)


def test_a_full_disk_is_an_error():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.argv[1], "judge"], input=case().encode(), stdout=full, stderr=subprocess.PIPE)
    equal(done.returncode != 0, True)


if __name__ == "__main__":
    sys.exit(main("ctl-judge", sys.modules[__name__]))
