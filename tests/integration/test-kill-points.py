#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-kill-points.py TBSYNCCTL TBSYNCD [EVERY]: kill -9 at each step of a hook, or at every so many of them.

beta is asked by the hook, alpha has the guest, which migrates out: it is found, its facts are taken, clocks are measured, and the
verdict is recorded. Either daemon is killed (tests/fault/kill-shim.c). The hook answers in time and with the right code, what was
recorded is there and whole after the next start, and all is as before by itself.
"""

import json
import mmap
import os
import pathlib
import signal
import struct
import sys

EVERY = int(sys.argv[3]) if len(sys.argv) > 3 else 1
sys.path[:0] = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]
from ctl_tap import equal, main  # noqa: E402
from hosts import Lab, await_that, enter_namespace  # noqa: E402

NO_END = 1 << 30
ALLOWED = (0, [])
NO_SOURCE = (1, ["source-unknown", "peer-unreachable"])
NO_DAEMON = (1, ["daemon-unavailable"])


class Countdown:
    """The end of one daemon, counted in its steps."""

    def __init__(self, path):
        path.write_bytes(bytes(12))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 12)

    def set(self, left):
        self.map[0:8] = struct.pack("ii", left, 0)

    @property
    def left(self):
        return struct.unpack("i", self.map[0:4])[0]

    @property
    def fired(self):
        return struct.unpack("i", self.map[4:8])[0] != 0


def killable_pair(lab):
    """alpha, beta and their countdowns by name."""
    ends = {name: Countdown(lab.directory / f"{name}.steps") for name in ("alpha", "beta")}
    # valgrind takes for lost what a thread has in its hands when the process kills itself
    no_leaks = f"{os.environ.get('VALGRIND_OPTS', '')} --leak-check=no"
    alpha, beta = lab.pair(leaving=True, environments={
        name: {"LD_PRELOAD": os.environ["KILL_SHIM"], "TBSYNC_KILL_FILE": str(lab.directory / f"{name}.steps"),
               "ASAN_OPTIONS": "verify_asan_link_order=0", "VALGRIND_OPTS": no_leaks}
        for name in ends})
    beta.await_linked("alpha")
    alpha.await_linked("beta")
    alpha.await_log("connected to libvirt")
    return alpha, beta, ends


def files_of(beta):
    """The records on disk, each whole: id -> record."""
    found = {}
    for path in (beta.directory / "state/migrations").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        equal(record["id"] + ".json", path.name)
        assert record["decision"] in ("allow", "block") and isinstance(record["findings"], list), record
        found[record["id"]] = record
    return found


def count_steps(beta, end):
    """Of one whole hook: the fewest and the most of a few."""
    steps = []
    for _ in range(3):
        end.set(NO_END)
        equal(beta.hook(), ALLOWED)
        steps.append(NO_END - end.left)
        end.set(0)
    return min(steps), max(steps)


def kill_at(at, victim, beta, end, refusal):
    """Whether it was killed; the hook's answer."""
    before = files_of(beta)
    end.set(at)
    answer = beta.hook()
    end.map[0:4] = bytes(4)
    if not end.fired:
        equal(answer, ALLOWED)
        return False, answer
    equal(victim.daemon.wait(), -signal.SIGKILL)
    assert answer in (ALLOWED, refusal), (at, answer)
    victim.start()
    # what is being written now comes to an end, what the killed one left is swept away
    await_that("nothing is left over", lambda: not list((beta.directory / "state").rglob("*.new")))
    after = files_of(beta)
    equal([id for id in before if id not in after], [])
    # an answer is given after its record is on disk
    assert answer == refusal or len(after) == len(before) + 1, (at, len(before), len(after))
    return True, answer


def check_all(name, refusal):
    with Lab() as lab:
        alpha, beta, ends = killable_pair(lab)
        await_that("the guest is found", lambda: beta.hook() == ALLOWED)
        assert "plan" in beta.records()[0], beta.records()[0]
        victim, end = (alpha if name == "alpha" else beta), ends[name]
        fewest, steps = count_steps(beta, end)
        kills, refused = 0, 0
        for at in range(1, steps + 1, EVERY):
            killed, answer = kill_at(at, victim, beta, end, refusal)
            kills += killed
            refused += answer == refusal
            if killed:
                beta.await_linked("alpha")
                alpha.await_linked("beta")
        equal(beta.hook(), ALLOWED)
        equal(sorted(record["id"] for record in beta.records()), sorted(files_of(beta)))
        print(f"# {name}: {steps} steps, {kills} kills, {refused} hooks refused")
        assert kills * EVERY * 2 > fewest and refused > 0, (fewest, steps, kills, refused)


def test_asked_daemon_killed_at_each_step_of_a_hook():
    check_all("beta", NO_DAEMON)


def test_peer_killed_at_each_step_of_a_hook():
    check_all("alpha", NO_SOURCE)


if __name__ == "__main__":
    enter_namespace()
    sys.exit(main("kill-points", sys.modules[__name__]))
