#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ReadGuestTimebase=: what the audit says of a guest's own timebase, beside what QEMU tells us before and after.

Both hosts run on one kernel. Time that the guest lost is the time that passed there, less what its timebase counted; both are
taken by this script, from before the migration to after it, within the time that its two questions to QEMU take.
"""

import sys
import time

import labtest

HZ = 512000000
PASSES = 6
SLOW_MIB_S = "2"


class Reading:
    """The guest's timebase, and between which two instants (ns) it was that."""

    def __init__(self, host):
        self.since_ns = time.monotonic_ns()
        self.ticks = host.timebase("guest1")
        self.until_ns = time.monotonic_ns()


def configure(lab, text):
    """As the manual says: read-write access by the socket's group."""
    for host in lab.hosts:
        host.must("chgrp", "tbsyncd", "/run/libvirt/libvirt-sock")
        host.must("chmod", "770", "/run/libvirt/libvirt-sock")
        host.config("timebase", f"[Libvirt]\nTimingEvents=yes\n{text}")
        host.tbsyncd("restart")
    for host in lab.hosts:
        labtest.wait_until(f"raw events on {host.name}", lambda: "true" in host.must(
            "busctl", "--system", "get-property", "org.tbsyncd1", "/org/tbsyncd1", "org.tbsyncd1.Manager", "TimingEvents"))
    lab.link_all()


def is_tainted(host):
    return "custom-monitor" in host.must("cat", "/var/log/libvirt/qemu/guest1.log")


def closed_audit(host):
    def look():
        record = next(iter(host.history()), None)
        return record and record["state"] == "completed" and host.ctl_json("show", record["id"]).get("audit")

    return labtest.wait_until("the end of the audit", look)


def migrate(tap, source, destination, live, what):
    """One migration and its audit, held against the truth. Returns whether the stop was read exactly."""
    options = ("--live",) if live else ("--bandwidth", SLOW_MIB_S)
    before = Reading(source)
    result = source.run("virsh", "migrate", *options, "guest1", f"qemu+tls://{destination.name}/system")
    if not tap.ok(result.status == 0, f"{what}: the guest arrives", result):
        return False
    audit = closed_audit(destination)
    after = Reading(destination)
    counted_ns = (after.ticks - before.ticks) * 10**9 // HZ
    least_ns = after.since_ns - before.until_ns - counted_ns
    most_ns = after.until_ns - before.since_ns - counted_ns
    if not tap.ok(audit["known"] and "guest_as_predicted" in audit, f"{what}: both ends of the guest's timebase are known", audit):
        return False
    tap.ok(before.ticks <= audit["guest_stop_hi_ticks"] and audit["guest_start_lo_ticks"] <= after.ticks
           and audit["guest_stop_lo_ticks"] <= after.ticks, f"{what}: between what QEMU told before and after", audit)
    tap.ok(audit["guest_moved_lo_ticks"] <= 0 <= audit["guest_moved_hi_ticks"] and audit["guest_as_predicted"]
           and not audit["guest_went_back"], f"{what}: it stood still in the dark, as QEMU does under TCG", audit)
    tap.ok(least_ns <= audit["lost_hi_ns"] and audit["lost_lo_ns"] <= most_ns and (live or least_ns > 500 * 10**6),
           f"{what}: what it lost is what really passed without it", f"{least_ns} .. {most_ns} ns\n{audit}")
    print(f"# {what}: lost {audit['lost_lo_ns'] / 1e6:.3f} .. {audit['lost_hi_ns'] / 1e6:.3f} ms, by this script "
          f"{least_ns / 1e6:.1f} .. {most_ns / 1e6:.1f} ms; the guest saw {audit['guest_moved_lo_ns'] / 1e6:.3f} .. "
          f"{audit['guest_moved_hi_ns'] / 1e6:.3f} ms")
    return audit["guest_stop_lo_ticks"] == audit["guest_stop_hi_ticks"]


def story(tap, lab, alpha, beta):
    configure(lab, "")
    alpha.start("guest1")
    result = alpha.migrate("guest1", beta)
    audit = closed_audit(beta)
    tap.ok(result.status == 0 and not any(key.startswith("guest_") for key in audit),
           "without ReadGuestTimebase= nothing is said of the guest's own timebase", audit)
    tap.ok(not is_tainted(alpha) and not is_tainted(beta), "and no guest is tainted")
    configure(lab, "ReadGuestTimebase=yes\n")
    hosts = beta, alpha
    exact = 0
    for number in range(PASSES):
        live = number % 3 != 2
        exact += migrate(tap, *hosts, live, f"migration {number + 1}{'' if live else ', not live'}")
        hosts = hosts[1], hosts[0]
    print(f"# the stop was read exactly, from the stopped guest, {exact} times of {PASSES}")
    tap.ok(is_tainted(alpha) and is_tainted(beta), "libvirt calls the guest tainted, as the manual says")


if __name__ == "__main__":
    sys.exit(labtest.main(story, ("alpha", "beta")))
