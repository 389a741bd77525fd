#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job, end to end: real libvirtd, real QEMU, real migrations between simulated POWER9 and POWER8 hosts."""

import sys

import labtest

PAGE_TICKS = 1 << 24  # the kernel's unit of a timebase offset


def passes(tap, source, destination, name, what, *options, new_name=None):
    """A migration that is allowed: the guest runs there, and no longer here."""
    result = source.migrate(name, destination, *options)
    there = new_name or name
    return (tap.ok(result.status == 0, f"{what}: virsh migrate succeeds", result)
            and tap.ok(destination.runs(there), f"{what}: the guest runs on {destination.name}")
            and tap.ok(source.state(name) in (None, "shut off"), f"{what}: and no longer on {source.name}"))


def refused(tap, source, destination, name, what, words, *options):
    """A migration that is refused: virsh says why, the guest still runs here, nothing was started there."""
    result = source.migrate(name, destination, *options)
    tap.ok(result.status != 0, f"{what}: virsh migrate fails", result)
    tap.has(result.err, ["tbsync:", *words], f"{what}: virsh says why")
    tap.ok(source.runs(name), f"{what}: the guest still runs on {source.name}")
    tap.ok(not destination.ever_started(name) and destination.state(name) is None,
           f"{what}: nothing was started on {destination.name}")
    return result


def codes(record):
    return [finding["code"] for finding in record["findings"]]


def allowed_and_planned(tap, alpha, beta):
    alpha.start("guest1")
    uuid = alpha.uuid("guest1")
    passes(tap, alpha, beta, "guest1", "POWER9 to POWER9")
    records = beta.history(uuid)
    if not tap.ok(len(records) == 1, "the history has one record of it", records):
        return
    record = records[0]
    tap.ok((record["decision"], record["source"], record["destination"]) == ("allow", "alpha", "beta"),
           "the record has the verdict and both hosts", record)
    plan = record.get("plan", {})
    tap.ok(plan.get("offset_ticks", 1) % PAGE_TICKS == 0, "the plan's offset is one that the kernel takes", plan)
    tap.ok(plan.get("jump_lo_ticks", -1) >= 0, "the plan cannot move the guest's timebase back", plan)
    tap.ok(plan.get("jump_hi_ticks", -1) >= plan.get("jump_lo_ticks", 0), "the plan's jump is an interval", plan)
    tap.ok("simulated-host" in codes(record) and record["simulated"], "the record says that the hosts are simulated",
           record)


    done = labtest.wait_until("the record of the arrival", lambda: [
        arrived for arrived in beta.history(uuid) if arrived["state"] not in ("planned", "arriving")])
    tap.ok(done[0]["state"] == "completed", "and the record says that the guest has arrived", done)


def refused_and_told(tap, beta, gamma):
    result = refused(tap, beta, gamma, "guest1", "POWER9 to POWER8", ["power8"])
    line = next((line for line in result.err.splitlines() if "tbsync:" in line), "")
    tap.has(line[line.find("tbsync:"):], ["guest1", "POWER8", "max-cpu-compat=power8", "compat-mode-unsupported"],
            "the first line is complete in itself: who, why, what to do")
    tap.ok(gamma.history(beta.uuid("guest1"))[0]["decision"] == "block", "the refusal is in the history of gamma")


def limited(tap, beta, gamma):
    beta.remove("guest1")
    beta.start("guest1", limit="power8")
    passes(tap, beta, gamma, "guest1", "the same guest with a power8 limit to POWER8")
    gamma.remove("guest1")


def daemon_away(tap, alpha, beta):
    """The destination's tbsyncd is stopped."""
    alpha.start("guest2")
    beta.tbsyncd("stop")
    refused(tap, alpha, beta, "guest2", "destination's tbsyncd stopped, WhenUnavailable=block", ["tbsyncd"])
    beta.config("unavailable", "[Policy]\nWhenUnavailable=allow\n")
    said = beta.hook("guest2", "migrate", "begin", "-", xml=alpha.must("virsh", "dumpxml", "guest2").encode())
    tap.ok(said.status == 0 and said.out == "", "WhenUnavailable=allow: the hook lets it go and prints nothing", said)
    tap.has(said.err, ["tbsync:", "WhenUnavailable"], "WhenUnavailable=allow: and says so on stderr")
    passes(tap, alpha, beta, "guest2", "destination's tbsyncd stopped, WhenUnavailable=allow")
    beta.config("unavailable", None)
    beta.remove("guest2")


def not_ours(tap, alpha, beta):
    """No pseries guest, while the destination's tbsyncd is stopped and refuses all that is its business."""
    alpha.start("mac", arch="ppc", machine="g3beige")
    uuid = alpha.uuid("mac")
    result = alpha.migrate("mac", beta)
    tap.ok(result.status == 0 and beta.state("mac") == "running", "a guest that is no pseries guest migrates", result)
    beta.remove("mac")
    beta.tbsyncd("start")
    tap.ok(not beta.history(uuid), "and leaves no record")


def costs(tap, beta):
    """Every other operation, and the migration of a guest that is none of ours, beside an empty sh script."""
    script = (labtest.HERE / "hook-cost.py").read_bytes()
    for line in beta.must("python3", "-", stdin=script).splitlines():
        what, ratio = line.rsplit(" ", 1)
        tap.ok(float(ratio) <= 1.5, f"{what}: at most 1.5 times an empty sh script", f"it is {ratio} times")


def source_away(tap, alpha, beta):
    alpha.start("guest3")
    beta.wait_linked("alpha")
    alpha.tbsyncd("stop")
    refused(tap, alpha, beta, "guest3", "source's tbsyncd stopped", ["source"])
    record = beta.history(alpha.uuid("guest3"))[0]
    tap.ok("source-unknown" in codes(record), "the finding is source-unknown", record)
    alpha.tbsyncd("start")
    beta.wait_linked("alpha")
    alpha.wait_linked("beta")


def other_ways(tap, alpha, beta):
    passes(tap, alpha, beta, "guest3", "p2p", "--p2p", "--undefinesource")
    passes(tap, beta, alpha, "guest3", "--dname", "--dname", "guest3b", new_name="guest3b")
    tap.ok(alpha.history(alpha.uuid("guest3b"))[0]["decision"] == "allow", "the renamed guest is found by its UUID")
    alpha.remove("guest3b")


def restored(tap, alpha, gamma):
    """A saved guest is judged too, by what its definition says; /lab is storage that all hosts share."""
    alpha.start("guest4", limit="power9")
    alpha.must("virsh", "save", "guest4", "/lab/guest4.save")
    result = gamma.run("virsh", "restore", "/lab/guest4.save")
    tap.ok(result.status != 0 and "tbsync:" in result.err and "power9" in result.err,
           "a saved guest with a power9 limit is not restored on POWER8", result)
    tap.ok(not gamma.ever_started("guest4"), "nothing was started on gamma")
    result = alpha.run("virsh", "restore", "/lab/guest4.save")
    tap.ok(result.status == 0 and alpha.runs("guest4"), "it is restored on POWER9", result)
    alpha.remove("guest4")


def story(tap, lab, alpha, beta, gamma):
    lab.link_all()
    allowed_and_planned(tap, alpha, beta)
    refused_and_told(tap, beta, gamma)
    limited(tap, beta, gamma)
    daemon_away(tap, alpha, beta)
    not_ours(tap, alpha, beta)
    costs(tap, beta)
    source_away(tap, alpha, beta)
    other_ways(tap, alpha, beta)
    restored(tap, alpha, gamma)
    for host in lab.hosts:
        tap.has(host.must("tbsyncctl", "status"), ["SIMULATED"], f"tbsyncctl status of {host.name} says that it is simulated")


if __name__ == "__main__":
    sys.exit(labtest.main(story, ("alpha", "beta", "gamma")))
