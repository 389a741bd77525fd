#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-ctl-replay.py TBSYNCCTL: the contract of `tbsyncctl replay`, on the built program."""

import json
import pathlib
import random
import sys

from ctl_tap import Ctl, contains, equal, main

START = {"timebase_hz": 512000000, "drift_ppb": 100000}


def replay(*lines):
    return Ctl(["replay"], "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))


def exchange(l1, r2, r3, l4, **more):
    return dict({"l1": l1, "r2": r2, "r3": r3, "l4": l4}, **more)


def test_one_exchange_bounds_the_difference():
    run = replay(START, exchange(1000, 5050, 5060, 1100))
    equal(run.status, 0)
    # r3 - l4, and r2 - l1 with the drift from l1 to l4, rounded outward
    equal(run.objects, [{"tb_lo": 3960, "tb_hi": 4051, "state": "ok"}])


def test_times_of_day_are_bounded_where_given():
    run = replay(START, exchange(1000, 5050, 5060, 1100, tod_l_ns=[10, 210], tod_r_ns=[1060, 1070]))
    bounds = run.objects[0]
    equal(bounds["tod_lo_ns"] <= 1070 - 210 and bounds["tod_hi_ns"] >= 1060 - 10, True)


def test_bounds_hold_the_truth_of_a_drifting_clock():
    rng = random.Random(7)
    rate, offset, now, lines, truths = 1 + 60e-6, 10**15, 10**9, [START], []
    for _ in range(300):
        now += rng.randrange(1, 512000000)
        there, back = rng.randrange(100, 300000), rng.randrange(100, 300000)
        remote = [int(offset + at * rate) for at in (now + there, now + there + 50)]
        lines.append(exchange(now, remote[0], remote[1], now + there + 50 + back))
        now += there + 50 + back
        truths.append(int(offset + now * rate) - now)
    run = replay(*lines)
    equal(len(run.lines), 300)
    for bounds, truth in zip(run.objects, truths):
        equal(bounds["state"], "ok")
        # the truth is rounded to ticks on its way into the stamps
        equal(bounds["tb_lo"] - 1 <= truth <= bounds["tb_hi"] + 1, True)


def test_step_and_nonsense_are_told():
    run = replay(START, exchange(1000, 5050, 5060, 1100), exchange(2000, 905050, 905060, 2100), exchange(3000, 5050, 5040, 3100))
    equal([line["state"] for line in run.objects], ["ok", "stepped", "invalid"])
    equal(run.objects[2]["tb_lo"], None)
    equal(run.objects[2]["tb_hi"], None)


def test_registers_wrap_at_64_bits():
    top = 2**64
    run = replay(START, exchange(top - 1000, top - 500, top - 490, top - 100), exchange(top - 50, 450, 460, 900))
    equal([line["state"] for line in run.objects], ["ok", "ok"])
    equal(run.objects[1]["tb_lo"] <= 400 <= run.objects[1]["tb_hi"], True)


def test_broken_lines_cost_only_themselves():
    good = exchange(1000, 5050, 5060, 1100)
    bad = ["broken", "{}", "[]", '{"l1":NaN}', json.dumps(dict(good, l1=-1)), json.dumps(dict(good, r2=1.5)),
           json.dumps(dict(good, l4="7")), json.dumps(dict(good, l4=2**64)), json.dumps(dict(good, tod_l_ns=[1, 2])),
           json.dumps(dict(good, tod_l_ns=[1], tod_r_ns=[1, 2])), json.dumps(dict(good, tod_l_ns=[1, 2], tod_r_ns=[1, 2.5])),
           json.dumps(dict(good, tod_l_ns=[1, 2], tod_r_ns=[1, 2, 3])), "[" * 10000]
    run = replay(START, *bad, good)
    equal(run.status, 2)
    equal(["error" in line for line in run.objects], [True] * len(bad) + [False])
    equal([line["line"] for line in run.objects[:-1]], list(range(2, 2 + len(bad))))
    contains(run.objects[4]["error"], "l1")
    contains(run.objects[4]["error"], "-1")


def test_first_line_must_name_the_clocks():
    for bad in ("", "{}", json.dumps({"timebase_hz": 512000000}), json.dumps(dict(START, timebase_hz=0)),
                json.dumps(dict(START, timebase_hz=10**13)), json.dumps(dict(START, drift_ppb=-1)),
                json.dumps(dict(START, drift_ppb=10**8)), "broken", json.dumps(exchange(1, 2, 3, 4))):
        run = replay(bad)
        equal(run.status, 1)
        equal(run.out, "")
        contains(run.err, "line 1")
    equal(replay(dict(START, drift_ppb=0)).status, 0)


def test_a_missing_file_is_named():
    run = Ctl(["replay", "/nonexistent/file"])
    equal(run.status, 1)
    contains(run.err, "/nonexistent/file")


def record(change=lambda record: None):
    """`replay` of a migration's record as the ledger has it, with a change."""
    kept = json.loads((pathlib.Path(__file__).parent / "data/record.json").read_text())
    change(kept)
    return replay(kept)


def test_record_gives_the_same_again():
    run = record()
    equal((run.status, run.lines), (0, ["relation: same", "decision: same", "findings: same", "plan: same"]))


def test_record_with_an_exchange_changed_differs():
    def later(kept):
        kept["measurement"]["exchanges"][-1]["r3"] += 100000
        kept["measurement"]["exchanges"][-1]["r2"] += 100000
    run = record(later)
    equal(run.status, 1)
    equal(run.lines[0], "relation: differs")
    contains(run.out, "  recorded {")
    contains(run.out, "  computed {")


def test_record_with_a_plan_changed_differs():
    run = record(lambda kept: kept["plan"].update(offset_ticks=kept["plan"]["offset_ticks"] - 2**24))
    equal((run.status, run.lines[:4]), (1, ["relation: same", "decision: same", "findings: same", "plan: differs"]))


def test_record_of_a_later_plan_keeps_the_first_one():
    def renew(kept):
        kept["plan_decided"] = dict(kept["plan"])
        kept["renewal"] = {name: kept["case"]["relation"][name] for name in ("tb_lo", "tb_hi")}
    equal(record(renew).lines[3:], ["plan: same", "renewed plan: same"])


def test_record_that_is_broken_is_refused_by_name():
    run = record(lambda kept: kept["measurement"]["before"].update(timebase_hz=0))
    equal((run.status, run.out), (1, ""))
    contains(run.err, "measurement.timebase_hz")


if __name__ == "__main__":
    sys.exit(main("ctl-replay", sys.modules[__name__]))
