#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The figures of the README, measured in one run: what the hook costs, what the daemon takes, how well clocks are known.

figures.py [BUILD-DIRECTORY], as root. Figures, not a test: nothing is compared with a limit here.
"""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import labtest

TOP = labtest.HERE.parent.parent
CALLS = 50
TICKS_PER_US = 512
PYTHON_HOOK = "#!/usr/bin/python3\nimport sys, xml.etree.ElementTree\nxml.etree.ElementTree.fromstring(sys.stdin.read())\n"


def show(what, value):
    print(f"{what:<58} {value}", flush=True)


def percentiles(seconds):
    ordered = sorted(seconds)
    return (f"p50 {ordered[len(ordered) // 2] * 1e3:.1f} ms, p99 {ordered[-1 - len(ordered) // 100] * 1e3:.1f} ms, "
            f"max {ordered[-1] * 1e3:.1f} ms")


TIMER = """
import subprocess, sys, time
xml = open("/run/lab/begin.xml", "rb").read()
for _ in range(%d):
    start = time.perf_counter()
    done = subprocess.run([sys.argv[1], "guest1", "migrate", "begin", "-"], input=xml, capture_output=True)
    print(time.perf_counter() - start, done.returncode)
"""


def time_hook(host, path):
    lines = host.must("python3", "-", path, stdin=(TIMER % CALLS).encode()).splitlines()
    assert all(line.endswith(" 0") for line in lines), lines
    return [float(line.split()[0]) for line in lines]


def hook_times(lab, alpha, beta):
    """The whole path: the guest is leaving alpha all the while, so its source is found and measured each time."""
    alpha.start("guest1")
    xml = alpha.must("virsh", "dumpxml", "--migratable", "guest1")
    beta.must("tee", "/run/lab/begin.xml", stdin=xml.encode())
    beta.must("sh", "-c", "cat >/run/lab/python-hook && chmod +x /run/lab/python-hook", stdin=PYTHON_HOOK.encode())
    mover = threading.Thread(target=lambda: alpha.migrate("guest1", beta, "--bandwidth", "1"))
    mover.start()
    labtest.wait_until("the guest to be on its way", lambda: beta.state("guest1") == "paused")
    ours = time_hook(beta, "/etc/libvirt/hooks/qemu.d/90-tbsyncd")
    still = alpha.state("guest1") == "running"
    python = time_hook(beta, "/run/lab/python-hook")
    alpha.run("virsh", "domjobabort", "guest1")
    mover.join()
    alpha.remove("guest1")
    beta.remove("guest1")
    if not still:
        raise labtest.LabError("the migration was over before the hook was timed")
    show(f"hook, migrate begin, {CALLS} calls", percentiles(ours))
    show("a Python hook that only parses the XML", percentiles(python))


def other_costs(host):
    for line in host.must("python3", "-", stdin=(labtest.HERE / "hook-cost.py").read_bytes()).splitlines():
        what, ratio = line.rsplit(" ", 1)
        show(f"{what}, times an empty sh script", ratio)


def memory(host):
    for line in host.must("cat", f"/proc/{host.tbsyncd_pid()}/status").splitlines():
        if line.startswith(("VmRSS", "RssAnon")):
            show(f"daemon with one peer, {line.split(':')[0]}", line.split(":")[1].strip())


def width(relation):
    low, high = relation
    return f"{high - low} ticks = {(high - low) / TICKS_PER_US:.1f} us"


def interval(host, peer, what):
    show(f"width of the timebase interval, {what}", width(host.peer_property(peer, "TimebaseRelationTicks")))


def slow_link(lab, alpha, beta, one_way_us):
    """The two hosts meet over a link of that delay."""
    binary = pathlib.Path(lab.run_dir) / "tunlink"
    if not binary.exists():
        subprocess.run(["gcc", "-O2", "-o", binary, labtest.HERE / "tunlink.c", "-lm"], check=True)
    pids = [lab.must("pid", host.name).strip() for host in (alpha, beta)]
    delay = [str(one_way_us), "0", "0"]
    # one thread a link: its process ends with us
    link = subprocess.Popen([binary, pids[0], "tun0", pids[1], "tun0", *delay, *delay, "0", "1"], stdout=subprocess.PIPE)
    try:
        link.stdout.readline()
        # both go before one comes: what they know of each other over the fast cable would hold on the slow one too
        for host in (alpha, beta):
            host.tbsyncd("stop")
        for index, host in enumerate((alpha, beta), 1):
            host.must("ip", "addr", "add", f"10.78.0.{index}/24", "dev", "tun0")
            host.must("ip", "link", "set", "tun0", "up")
            host.must("sh", "-c", "sed s/10.77.0/10.78.0/ /etc/hosts >/run/lab/hosts; cat /run/lab/hosts >/etc/hosts")
        for host in (alpha, beta):
            host.tbsyncd("start")
        alpha.wait_linked("beta")
        interval(alpha, "beta", f"{one_way_us / 1000:g} ms each way")
    finally:
        link.terminate()
        link.communicate()
        for host in (alpha, beta):
            host.run("sh", "-c", "sed s/10.78.0/10.77.0/ /etc/hosts >/run/lab/hosts; cat /run/lab/hosts >/etc/hosts")


def loopback(build):
    script = ("for i in $(seq 100); do r=$(busctl --system --json=short get-property org.tbsyncd1 /org/tbsyncd1/peer/beta "
              "org.tbsyncd1.Peer RelationState) && case $r in *ok*) break;; esac; sleep 0.1; done; "
              "busctl --system --json=short get-property org.tbsyncd1 /org/tbsyncd1/peer/beta org.tbsyncd1.Peer "
              "TimebaseRelationTicks")
    done = subprocess.run([TOP / "scripts/run", "-n", "2", "bash", "-c", script], env=dict(os.environ, BUILD=str(build)),
                          stdout=subprocess.PIPE, check=True)
    show("width of the timebase interval, loopback", width(json.loads(done.stdout)["data"]))


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else TOP / "build").resolve()
    os.environ["LAB_BUILD"] = str(build)
    show("machine", f"{os.cpu_count()} CPUs, {time.strftime('%F', time.gmtime())}")
    loopback(build)
    with labtest.Lab(("alpha", "beta")) as lab:
        lab.link_all()
        alpha, beta = lab.hosts
        interval(alpha, "beta", "a virtual cable")
        memory(alpha)
        other_costs(beta)
        hook_times(lab, alpha, beta)
        for one_way_us in (500, 1000):
            slow_link(lab, alpha, beta, one_way_us)


if __name__ == "__main__":
    main()
