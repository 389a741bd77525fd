#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asks real QEMU processes and `tbsyncctl judge` the same questions; fails on any difference.

A cell is a guest (CPU model, max-cpu-compat, interrupt controller, capabilities, machine type, and whether it never ran
or negotiated its mode) and a destination that is told to start it. QEMU answers by taking the guest's stream or not; judge
by its findings. What judge may refuse and QEMU take is listed in STRICTER, by code. TCG: KVM's own rules are not in it.

oracle.py --tbsyncctl PATH [--full] [--seed N] [--qemu PATH] [--qemu-destination PATH] [--jobs N]
Output is TAP. The seed of the sample is printed; TBSYNC_ORACLE_SEED or --seed gives it.
"""

import argparse
import concurrent.futures
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile

import qemu

# refused by rules of ours; each is named in the output with a reason
STRICTER = {"raw-adopts-mode", "qemu-version-loses-state"}

MODELS = ("970_v2.2", "970mp_v1.0", "970mp_v1.1", "power5+_v2.1", "power7_v2.3", "power7+_v2.1", "power8e_v2.1",
          "power8nvl_v1.0", "power8_v2.0", "power9_v1.0", "power9_v2.0", "power9_v2.2", "power10_v1.0", "power10_v2.0",
          "power11_v2.0")
LIMITS = ("", "power6", "power7", "power7+", "power8", "power9", "power10", "power11")
NEVER_RAN, CAS, CAS_POWER8, CAS_XIVE = "never-ran", "cas", "cas-of-power8-era", "cas-xive-radix"

BLOBS = {NEVER_RAN: {}, CAS: {}, CAS_POWER8: {"pvrs": qemu.LINUX_PVRS_OF_POWER8}, CAS_XIVE: {"xive": True}}

CAP_LEVELS = {"htm": ("off", "on"), "vsx": ("off", "on"), "dfp": ("off", "on"),
              "cfpc": ("broken", "workaround", "fixed"), "sbbc": ("broken", "workaround", "fixed"),
              "ibs": ("broken", "workaround", "fixed-ibs", "fixed-ccd"), "nested-hv": ("off", "on"),
              "large-decr": ("off", "on"), "ccf-assist": ("off", "on"), "fwnmi": ("off", "on"),
              "rpt-invalidate": ("off", "on"), "ail-mode-3": ("off", "on"), "nested-papr": ("off", "on"),
              "dawr1": ("off", "on")}


class End:
    """What one end is told to start."""

    def __init__(self, model, limit="", ic="dual", machine=None, caps=None, state=NEVER_RAN):
        self.model, self.limit, self.ic, self.machine = model, limit, ic, machine
        self.caps, self.state = caps or {}, state

    def key(self):
        return (self.model, self.limit, self.ic, self.machine, tuple(sorted(self.caps.items())), self.state)

    def __str__(self):
        words = [self.model, self.limit or "-", self.ic or "-", self.machine or "", self.state]
        return "/".join(w for w in words + ["%s=%s" % cap for cap in sorted(self.caps.items())] if w)

    def options(self, machine):
        words = [self.machine or machine]
        words += ["max-cpu-compat=%s" % self.limit] * bool(self.limit) + ["ic-mode=%s" % self.ic] * bool(self.ic)
        words += ["cap-%s=%s" % cap for cap in sorted(self.caps.items())]
        return ["-M", ",".join(words), "-cpu", self.model]

    def facts(self, machine):
        facts = {"arch": "ppc64", "accel": "tcg", "machine_type": self.machine or machine, "cpu_model": self.model,
                 "max_cpu_compat": self.limit,
                 "caps": {cap: CAP_LEVELS[cap].index(level) for cap, level in self.caps.items()}}
        if self.ic:
            facts["ic_mode"] = self.ic
        return facts

    def facts_after(self, source, machine):
        """The same at the destination, where what is left out means "as on the source"."""
        facts = self.facts(machine)
        if source.ic and not self.ic:
            facts["ic_mode"] = "xics" if facts["machine_type"] == "pseries-4.0" else "dual"
        return facts


class Lab:
    """The two QEMU binaries, a place for streams, and what came out."""

    def __init__(self, args, directory):
        self.args, self.directory = args, directory
        self.versions = {binary: self.version(binary) for binary in {args.qemu, args.qemu_destination}}
        oldest = min(self.versions.values(), key=lambda v: [int(n) for n in v.split(".")])
        self.machine = "pseries-" + ".".join(oldest.split(".")[:2])
        for state, options in BLOBS.items():
            with open(self.blob(state), "wb") as out:
                out.write(qemu.firmware(**options))

    def blob(self, state):
        return os.path.join(self.directory, state + ".bin")

    @staticmethod
    def version(binary):
        text = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
        return text.split("version ")[1].split()[0].split("(")[0]

    def save(self, source, path):
        """The mode in the guest's stream; None if it cannot start."""
        try:
            with qemu.Qemu(self.args.qemu, source.options(self.machine), self.blob(source.state)) as process:
                process.greet()
                if source.state != NEVER_RAN:
                    process.run_guest()
                process.save(path)
        except qemu.QemuEnded:
            return None
        return qemu.stream_mode(path)

    def load(self, destination, path):
        """None: taken; else why not."""
        options = destination.options(self.machine) + ["-incoming", "defer"]
        try:
            with qemu.Qemu(self.args.qemu_destination, options, self.blob(NEVER_RAN)) as process:
                process.greet()
                return None if process.load(path) else "failed"
        except qemu.QemuEnded as ended:
            return str(ended) or "ended"

    def measure(self, number, source, destinations):
        """(source, mode, destination, refusal) of each; one stream, kept no longer than needed."""
        path = os.path.join(self.directory, "stream-%d" % number)
        mode = self.save(source, path)
        cells = [(source, mode, end, self.load(end, path)) for end in destinations] if mode else []
        if os.path.exists(path):
            os.unlink(path)
        return cells

    def case(self, number, cell):
        source, mode, destination, _ = cell
        guest = dict(source.facts(self.machine), effective_mode=mode)
        return {"id": str(number), "guest": guest, "incoming": destination.facts_after(source, self.machine),
                "source": {"qemu_version": self.versions[self.args.qemu]},
                "destination": {"qemu_version": self.versions[self.args.qemu_destination]}}

    def judge(self, cells):
        lines = "".join(json.dumps(self.case(n, cell)) + "\n" for n, cell in enumerate(cells))
        done = subprocess.run([self.args.tbsyncctl, "judge", "-"], input=lines, text=True, capture_output=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]


def difference(refusal, verdict):
    """"" if judge says what QEMU does, or is stricter by a rule on the list."""
    blocks = {f["code"] for f in verdict["findings"] if f["severity"] == "block"}
    if (verdict["decision"] == "block") != bool(blocks):
        return "decision %s with block findings %s" % (verdict["decision"], sorted(blocks))
    if refusal is None and blocks - STRICTER:
        return "QEMU takes it, judge: %s" % ", ".join(sorted(blocks - STRICTER))
    if refusal is not None and not blocks - STRICTER:
        return "QEMU refuses it (%s), judge: %s" % (refusal, ", ".join(sorted(blocks)) or "allowed")
    return ""


# ---- what is asked: each group gives sources with their destinations ----

def ends(state, ic, models, limits):
    return [End(model, limit, ic, state=state) for model in models for limit in limits]


def cpu_group(state, ic):
    def group():
        everything = ends(NEVER_RAN, ic, MODELS, LIMITS)
        return [(source, everything) for source in ends(state, ic, MODELS, LIMITS)]
    return group


def controllers():
    """Interrupt controllers against each other, the default of old machine types among them."""
    for machine, state in itertools.product((None, "pseries-4.0", "pseries-3.0"), (NEVER_RAN, CAS)):
        names = ("dual", "xics", "xive", None) if machine != "pseries-3.0" else (None,)  # 3.0 takes no ic-mode
        modes = [(model, limit, ic) for model, limit in (("power8_v2.0", ""), ("power9_v2.0", ""), ("power9_v2.0", "power8"))
                 for ic in names]
        yield from ((End(m, l, ic, machine, state=state), [End(M, L, IC, machine) for M, L, IC in modes])
                    for m, l, ic in modes)


def capabilities():
    """Levels against each other, on CPUs and limits that move the defaults."""
    for model, limit in (("power10_v2.0", ""), ("power10_v2.0", "power9"), ("power9_v2.0", ""), ("power9_v2.0", "power8"),
                         ("power8_v2.0", "power7"), ("power7_v2.3", "")):
        settings = [{}] + [{cap: level} for cap, levels in CAP_LEVELS.items() for level in levels]
        for caps in settings:
            same = [c for c in settings if not c or not caps or c.keys() == caps.keys()]
            yield End(model, limit, "xics", caps=caps), [End(model, limit, "xics", caps=c) for c in same]


def machine_types():
    """Machine types against each other: defaults before 5.0, before 2.12, and modes not sent before 2.10."""
    types = ["pseries-2.9", "pseries-2.10", "pseries-2.11", "pseries-2.12", "pseries-3.0", "pseries-4.0", "pseries-4.2",
             "pseries-5.0"]
    configs = [("power8_v2.0", ""), ("power8_v2.0", "power7"), ("power8_v2.0", "power8"), ("power9_v2.0", "power8"),
               ("power9_v2.0", "")]
    for machine, off in itertools.product(types, (True, False)):
        caps = {"htm": "off"} if off else {}
        everything = [End(m, l, "xics", machine, caps) for m, l in configs]
        everything.append(End("power8_v2.0", "", "xics", "pseries-7.0", caps))
        for (model, limit), state in itertools.product(configs, (NEVER_RAN, CAS)):
            yield End(model, limit, "xics", machine, caps, state), everything


GROUPS = {"never-ran-dual": cpu_group(NEVER_RAN, "dual"), "never-ran-xics": cpu_group(NEVER_RAN, "xics"),
          "never-ran-xive": cpu_group(NEVER_RAN, "xive"), "cas-xics": cpu_group(CAS, "xics"),
          "cas-dual": cpu_group(CAS, "dual"), "cas-of-power8-era-dual": cpu_group(CAS_POWER8, "dual"),
          "cas-xive-radix-dual": cpu_group(CAS_XIVE, "dual"), "controllers": controllers, "capabilities": capabilities,
          "machine-types": machine_types}


SAMPLE_SOURCES, SAMPLE_DESTINATIONS = 5, 8


def sample(pairs, rng):
    """All sources in an order of chance, each with some of its destinations."""
    pairs = rng.sample(pairs, len(pairs))
    return [(source, rng.sample(there, min(SAMPLE_DESTINATIONS, len(there)))) for source, there in pairs]


def measure_group(lab, pairs, enough):
    """The cells of at least so many sources that can start."""
    parts = []
    waiting = enumerate(pairs)
    with concurrent.futures.ThreadPoolExecutor(lab.args.jobs) as pool:
        while len(parts) < enough:
            turn = list(itertools.islice(waiting, 2 * lab.args.jobs))
            if not turn:
                break
            parts += filter(None, pool.map(lambda item: lab.measure(item[0], *item[1]), turn))
    return [cell for part in parts for cell in part]


def run_group(lab, name, cells):
    """The differences, as text."""
    found = []
    stricter = accepted = 0
    for (source, mode, destination, refusal), verdict in zip(cells, lab.judge(cells), strict=True):
        if "error" in verdict:
            sys.exit("judge: " + verdict["error"])
        why = difference(refusal, verdict)
        accepted += refusal is None
        stricter += refusal is None and verdict["decision"] == "block"
        if why:
            found.append("%s in %s -> %s: %s" % (source, mode, destination, why))
    print("# %s: %d cells, %d taken by QEMU, %d of them refused by a stricter rule" % (name, len(cells), accepted, stricter))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tbsyncctl", required=True)
    parser.add_argument("--qemu", default="qemu-system-ppc64")
    parser.add_argument("--qemu-destination")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--group", action="append", choices=GROUPS)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("TBSYNC_ORACLE_SEED") or random.SystemRandom().randrange(1 << 32)))
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    args.qemu_destination = args.qemu_destination or args.qemu
    rng = random.Random(args.seed)
    groups = args.group or list(GROUPS)
    failed = False
    print("# seed %d" % args.seed)
    print("1..%d" % len(groups))
    with tempfile.TemporaryDirectory(prefix="tbsync-oracle-") as directory:
        lab = Lab(args, directory)
        print("# %s -> %s, %s" % (lab.versions[args.qemu], lab.versions[args.qemu_destination], lab.machine))
        for number, name in enumerate(groups, 1):
            pairs = list(GROUPS[name]())
            cells = measure_group(lab, pairs if args.full else sample(pairs, rng), len(pairs) if args.full else SAMPLE_SOURCES)
            found = run_group(lab, name, cells)
            for line in found[:20]:
                print("# " + line)
            good = cells and not found
            failed = failed or not good
            print("%s %d %s" % ("ok" if good else "not ok", number, name), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
