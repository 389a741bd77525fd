#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The audit against the truth: what the records say of each blackout, beside QEMU's own STOP and RESUME events.

Both hosts run on one kernel, so that the true blackout is the difference of two stamps of one clock once the known shift
of each host's wall clock is taken off.
"""

import os
import pathlib
import re
import struct
import sys
import threading
import time

import labtest

SHIFT_S = 20  # longer than a migration takes on a busy machine, so that each stamp fits one of the clock's settings alone
PASSES = 10
STAMP_NS = 1000  # QEMU's stamps are whole microseconds
SLOW_MIB_S = "2"  # a transfer of some seconds
GUEST = "guest1"
EVENT = re.compile(r"^event (\w+) at (\d+)\.(\d+) for domain '([^']+)'(.*)")


class Shift:
    """One host's wall clock: what was added to it, and between which two instants that began (true time, ns)."""

    def __init__(self, host, root):
        self.host = host
        self.since = [(0, 0, 0)]
        self.file = os.open(root / "run/lab/skew.ns", os.O_WRONLY)

    def set(self, seconds):
        """What "lab skew" does, but at a known instant."""
        before_ns = time.time_ns()
        os.pwrite(self.file, struct.pack("=q", seconds * 10**9), 0)
        self.since.append((before_ns, time.time_ns(), seconds * 10**9))

    def true_ns(self, stamp_ns, window):
        """The instant in `window` at which this host's clock showed `stamp_ns`."""
        ends = [last for _, last, _ in self.since[1:]] + [window[1] + 1]
        possible = [stamp_ns - shift for (first, _, shift), end in zip(self.since, ends)
                    if max(first, window[0]) <= stamp_ns - shift <= min(end, window[1])]
        if len(possible) != 1:
            raise labtest.LabError(f"{self.host.name}: {stamp_ns} fits {possible} in {window} with {self.since}")
        return possible[0]


class Observer:
    """All raw QEMU events of one host, by a connection of our own."""

    def __init__(self, host):
        root = pathlib.Path(host.lab.must("root", host.name).strip())
        self.host = host
        self.shift = Shift(host, root)
        self.file = root / "run/lab/events"
        host.must("sh", "-c", "stdbuf -oL virsh -q qemu-monitor-event --loop >/run/lab/events 2>&1 </dev/null &")
        host.start("probe")
        labtest.wait_until(f"the observer of {host.name} to see events", self.sees_a_pause)
        host.remove("probe")

    def sees_a_pause(self):
        self.host.must("virsh", "suspend", "probe")
        self.host.must("virsh", "resume", "probe")
        return self.seen("STOP", guest="probe")

    def seen(self, what, guest=GUEST, said=""):
        """Stamps of that event, oldest first."""
        events = filter(None, map(EVENT.match, self.file.read_text(encoding="ascii").splitlines()))
        return [int(event[2]) * 10**9 + int(event[3]) * 1000 for event in events
                if event[1] == what and event[4] == guest and said in event[5]]

    def departures(self):
        """How many times QEMU has begun to send the guest."""
        return len(self.seen("MIGRATION", said='"active"'))


class Pass:
    """One migration, with what really happened."""

    def __init__(self, source, destination, name, *options):
        before = len(source.seen("STOP")), len(destination.seen("RESUME"))
        known = ids(destination.host)
        began_ns = time.time_ns()
        self.result = source.host.migrate(name, destination.host, *options)
        self.record = None
        if self.result.status != 0:
            return
        labtest.wait_until("QEMU's events", lambda: len(source.seen("STOP")) > before[0]
                           and len(destination.seen("RESUME")) > before[1])
        window = began_ns, time.time_ns()
        stop_ns = source.shift.true_ns(source.seen("STOP")[before[0]], window)
        self.blackout_ns = destination.shift.true_ns(destination.seen("RESUME")[before[1]], window) - stop_ns
        self.record = closed_record(destination.host, known)
        self.audit = self.record.get("audit", {})

    def __str__(self):
        slim = {key: self.record[key] for key in ("state", "events", "audit") if key in (self.record or {})}
        return f"{self.result}truth {getattr(self, 'blackout_ns', None)} ns\n{slim}"

    def arrived(self):
        return self.result.status == 0 and self.record["state"] == "completed"

    def complete(self):
        return (self.arrived() and self.audit.get("known") and not self.audit["contradiction"]
                and all(f"{what}_{end}_{unit}" in self.audit for what in ("blackout", "moved", "lost")
                        for end in ("lo", "hi") for unit in ("ticks", "ns")))

    def contains_truth(self):
        return (self.complete() and self.audit["blackout_lo_ns"] <= self.blackout_ns + STAMP_NS
                and self.audit["blackout_hi_ns"] >= self.blackout_ns - STAMP_NS)

    def width_ns(self):
        return self.audit["blackout_hi_ns"] - self.audit["blackout_lo_ns"]


def ids(host):
    return {record["id"] for record in host.history()}


def closed_record(host, known):
    """The record that is not among the known ones, once nothing is to be added any more."""
    def look():
        new = ids(host) - known
        record = host.ctl_json("show", new.pop()) if new else {"state": "planned"}
        return (record["state"] not in ("planned", "arriving") and ("audit" in record or record["state"] != "completed")
                and record)

    return labtest.wait_until("the end of the record", look)


def give_events(lab, *hosts):
    """Read-write access by the socket's group, as the manual says, and both kinds of events."""
    for host in hosts:
        host.must("chgrp", "tbsyncd", "/run/libvirt/libvirt-sock")
        host.must("chmod", "770", "/run/libvirt/libvirt-sock")
        host.config("events", "[Libvirt]\nTimingEvents=yes\n")
        host.tbsyncd("restart")
    for host in hosts:
        labtest.wait_until(f"raw events on {host.name}", lambda: "true" in host.must(
            "busctl", "--system", "get-property", "org.tbsyncd1", "/org/tbsyncd1", "org.tbsyncd1.Manager", "TimingEvents"))
    lab.link_all()


def holds(tap, one, what, precise=True):
    tap.ok(one.complete(), f"{what}: the audit is complete", one)
    if not tap.ok(one.contains_truth(), f"{what}: its blackout contains the true one", one):
        return
    sources = one.audit["stop_from"], one.audit["start_from"]
    tap.ok(sources == (("qemu", "qemu") if precise else ("libvirt", "libvirt")), f"{what}: and it says whose stamps it has", one)
    print(f"# {what}: true {one.blackout_ns / 1e6:.3f} ms, {one.audit['blackout_lo_ns'] / 1e6:.3f} .. "
          f"{one.audit['blackout_hi_ns'] / 1e6:.3f} ms")


def back_and_forth(tap, a, b):
    for n in range(PASSES // 2):
        holds(tap, Pass(a, b, GUEST), f"migration {2 * n + 1}")
        holds(tap, Pass(b, a, GUEST), f"migration {2 * n + 2}")


def shifted(tap, a, b):
    b.shift.set(SHIFT_S)
    there = Pass(a, b, GUEST)
    holds(tap, there, f"to a host whose wall clock is {SHIFT_S} s ahead")
    holds(tap, Pass(b, a, GUEST), "and back from it")


def under_way(source, before):
    labtest.wait_until("the guest to be on its way", lambda: source.departures() > before)


def while_shifting(tap, source, destination, shifted_one, seconds, what):
    """The clock is shifted once the guest is on its way, long before it stops."""
    def shift():
        under_way(source, before)
        shifted_one.shift.set(seconds)

    before = source.departures()
    other = labtest.Background(shift)
    one = Pass(source, destination, GUEST, "--bandwidth", SLOW_MIB_S)
    other.result()
    holds(tap, one, what)


def while_dark(tap, source, destination, shifted_one, seconds, what):
    """The clock is shifted while the CPUs stand still, or just after."""
    def shift():
        while len(source.seen("STOP")) == before and not over.is_set():
            time.sleep(0.001)
        shifted_one.shift.set(seconds)

    before = len(source.seen("STOP"))
    over = threading.Event()
    other = labtest.Background(shift)
    one = Pass(source, destination, GUEST)
    over.set()
    other.result()
    holds(tap, one, what)


def by_libvirt_alone(tap, lab, a, b):
    """Lifecycle events only: the same truth within wider bounds."""
    for one in (a, b):
        one.host.config("events", None)
        one.host.tbsyncd("restart")
    lab.link_all()
    one = Pass(a, b, GUEST)
    holds(tap, one, "without TimingEvents=", precise=False)


def slow_migration(source, destination):
    """In the background, slow enough to be interfered with. Returns once the guest is on its way."""
    before = source.departures()
    migration = labtest.Background(source.host.migrate, GUEST, destination.host, "--bandwidth", "1")
    under_way(source, before)
    return migration


def ends_as(tap, host, known, state, what):
    record = closed_record(host, known)
    return tap.ok(record["state"] == state, f"{what}: the record says {state}", record) and record


def aborted(tap, a, b):
    known = ids(b.host)
    migration = slow_migration(a, b)
    a.host.must("virsh", "domjobabort", GUEST)
    result = migration.result()
    tap.ok(result.status != 0 and a.host.runs(GUEST), "aborted: the guest runs on", result)
    record = ends_as(tap, b.host, known, "failed", "aborted")
    tap.ok(record and "blackout_lo_ticks" not in record.get("audit", {}), "aborted: and claims no blackout", record)


def failed(tap, a, b):
    """QEMU on the destination dies on the way."""
    known = ids(b.host)
    migration = slow_migration(a, b)
    b.host.must("sh", "-c", f"kill -KILL $(cat /run/libvirt/qemu/{GUEST}.pid)")
    result = migration.result()
    tap.ok(result.status != 0 and a.host.runs(GUEST), "destination's QEMU killed: the guest runs on", result)
    ends_as(tap, b.host, known, "failed", "destination's QEMU killed")


def paused(tap, a, b):
    known = ids(b.host)
    a.host.must("virsh", "suspend", GUEST)
    result = a.host.migrate(GUEST, b.host)
    tap.ok(result.status == 0 and b.host.state(GUEST) == "paused", "paused: it arrives paused", result)
    record = ends_as(tap, b.host, known, "completed", "paused")
    audit = record["audit"] if record else {}
    tap.ok(audit.get("paused") and not audit["known"] and audit["why"], "paused: and that no blackout is known, and why", record)
    b.host.must("virsh", "resume", GUEST)


def post_copy(tap, a, b):
    one = Pass(a, b, GUEST, "--postcopy", "--postcopy-after-precopy")
    holds(tap, one, "post-copy")


def replayed(tap, host):
    """Relation, verdict and plan of each record are computed again from what it holds."""
    for name in sorted(ids(host)):
        result = host.run("tbsyncctl", "replay", name)
        tap.ok(result.status == 0 and all(f"{what}: same" in result.out for what in ("relation", "findings", "plan")),
               f"replay of {name} on {host.name} gives the same", result)


def ranked(tap, host):
    ranks = host.ctl_json("rank", GUEST)
    tap.ok([rank["host"] for rank in ranks] == ["beta"] and ranks[0]["decision"] == "allow"
           and -1e9 / 512e6 * 2**24 < ranks[0]["error_lo_ns"] <= ranks[0]["error_hi_ns"] < 1e9 / 512e6 * 2**24,
           "rank names beta, and the guest's timebase would be within one unit of real time there", ranks)


def story(tap, lab, alpha, beta):
    give_events(lab, alpha, beta)
    a, b = Observer(alpha), Observer(beta)
    alpha.start(GUEST)
    ranked(tap, alpha)
    back_and_forth(tap, a, b)
    shifted(tap, a, b)
    while_shifting(tap, a, b, a, SHIFT_S, f"source's wall clock set forward {SHIFT_S} s on the way")
    while_shifting(tap, b, a, a, 0, f"destination's wall clock set back {SHIFT_S} s on the way")
    while_dark(tap, a, b, b, 0, f"destination's wall clock set back {SHIFT_S} s in the dark")
    while_dark(tap, b, a, b, SHIFT_S, f"source's wall clock set forward {SHIFT_S} s in the dark")
    b.shift.set(0)
    post_copy(tap, a, b)
    aborted(tap, b, a)
    failed(tap, b, a)
    paused(tap, b, a)
    by_libvirt_alone(tap, lab, a, b)
    replayed(tap, alpha)
    replayed(tap, beta)


if __name__ == "__main__":
    sys.exit(labtest.main(story, ("alpha", "beta")))
