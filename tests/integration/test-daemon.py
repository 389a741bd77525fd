#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-daemon.py TBSYNCCTL TBSYNCD: the built daemon on private buses, with libvirt's test driver, as an operator sees it.

Run by `scripts/run -n 2`, which starts alpha and beta.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from ctl_tap import Ctl, contains, equal, main  # noqa: E402

RUN = pathlib.Path(os.environ["TBSYNC_RUN_DIR"])
TBSYNCD = sys.argv[2]
TEST_UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"  # the one guest of test:///default, on either host
DEADLINE_S = 60  # the machine may be busy

PSERIES = """<domain type='kvm'><name>test</name><uuid>%s</uuid><memory>1048576</memory>
<os><type arch='ppc64le' machine='pseries-7.2'>hvm</type></os><cpu mode='host-model'/></domain>"""


def bus(host):
    return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={RUN}/{host}/bus"}


def ctl(*arguments, host="alpha", data=b"", environment=None):
    return Ctl(list(arguments), data, dict(bus(host), **(environment or {})))


def await_that(what, condition):
    """The last value of condition(), once it is true."""
    end = time.monotonic() + DEADLINE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.02)


def peer(host, name):
    return next((p for p in json.loads(ctl("peers", "--json", host=host).out or "[]") if p["name"] == name), None)


def is_linked(host, name):
    found = peer(host, name)
    return found and found["state"] == "linked" and found["relation"]["state"] == "ok" and found["host"].get("pvr")


def await_links():
    for host, name in (("alpha", "beta"), ("beta", "alpha")):
        await_that(f"{host} is linked with {name}", lambda: is_linked(host, name))


def call(host, name, path, method, *arguments):
    return subprocess.run(["gdbus", "call", "--address", f"unix:path={RUN}/{host}/bus", "--dest", name, "--object-path", path,
                           "--method", method, *arguments], capture_output=True, text=True, timeout=60, check=False)


def start_bus(address):
    bus_daemon = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}", "--print-address"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert bus_daemon.stdout.readline(), "dbus-daemon does not start"  # told once it listens
    return bus_daemon


def pid_of(host, name):
    done = call(host, "org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetConnectionUnixProcessID", name)
    return int(done.stdout.split()[1].rstrip(",)")) if done.returncode == 0 else None


def log(host):
    return (RUN / host / "log").read_text(encoding="utf-8")


def hook(host, uuid=TEST_UUID, operation="migrate", **environment):
    return ctl("hook", "test", operation, "begin", "-", host=host, data=PSERIES % uuid, environment=environment)


def daemon(*arguments, host="alpha", environment=None):
    return subprocess.run([TBSYNCD, *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env=dict(os.environ, **bus(host), **(environment or {})))


def reload_of(host):
    equal(call(host, "org.tbsyncd1", "/org/tbsyncd1", "org.tbsyncd1.Manager.Reload").returncode, 0)


def test_both_hosts_are_linked_and_related():
    await_links()
    contains(ctl("status").out, "1 linked")
    contains(ctl("peers").out, "beta")
    # beta's timebase starts 10^12 ticks above alpha's
    relation = peer("alpha", "beta")["relation"]
    assert relation["tb_lo_ticks"] <= 10 ** 12 <= relation["tb_hi_ticks"], relation
    # libvirt answers in a thread of its own, later than the bus
    await_that("libvirt is up", lambda: "libvirt: up" in ctl("status").out)
    equal([g["uuid"] for g in json.loads(ctl("guests", "--json").out)], [TEST_UUID])
    equal(json.loads(ctl("facts", "--json").out)["name"], "alpha")


def test_history_holds_the_sample_of_the_link():
    await_links()
    points = await_that("a burst has ended", lambda: json.loads(ctl("peers", "beta", "--history", "--json").out)[0]["points"])
    # 10^12 ticks at 512 MHz
    assert points[-1]["tb_lo_ns"] <= 1953125000000 <= points[-1]["tb_hi_ns"], points
    assert 0 <= points[-1]["age_ns"] < 10 ** 12, points
    contains(ctl("peers", "--history").out, "beta: timebase minus this host's")


def test_preflight_asks_for_peer_and_guest():
    await_links()
    equal(ctl("check", "test", "beta").status, 0)
    contains(ctl("check", "test", "gamma").err, "gamma")
    equal(ctl("check", "test", "gamma").status, 4)
    equal(ctl("check", "nobody", "beta").status, 4)
    equal(ctl("check", "test", "beta", "--assume", "pvr=0x004d0200").status, 0)
    refused = ctl("check", "test", "beta", "--assume", "pvr=much")
    contains(refused.err, "pvr")


def test_hook_finds_the_source_and_keeps_a_record():
    await_links()
    answer = hook("beta")
    equal(answer.out, "")
    # alpha runs that guest, but does not migrate it out: so nobody knows where it comes from
    equal(answer.status, 1)
    contains(answer.err, "tbsync: ")
    records = await_that("a record", lambda: json.loads(ctl("history", "--json", host="beta").out))
    shown = ctl("show", records[0]["id"], host="beta")
    contains(shown.out, TEST_UUID)
    contains(ctl("history", host="beta").out, "refused")
    equal(len(list((RUN / "beta/state/migrations").glob("*.json"))), len(records))
    for unknown in ("20200101T000000.000000Z-00000000", "20200101T000000.000000Z-00000000-17"):
        equal(ctl("show", unknown, host="beta").status, 4)
        equal(ctl("replay", unknown, host="beta").status, 4)


def test_monitor_tells_of_relations_and_migrations_as_they_happen():
    await_links()
    words = [sys.argv[1], "monitor", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=dict(os.environ, **bus("beta"))) as monitor:
        # what it says ends when it is killed, should a change never be told
        timer = threading.Timer(3 * DEADLINE_S, monitor.kill)
        timer.start()
        seen = []

        def await_line(kind, state, name=None):
            for line in monitor.stdout:
                seen.append(json.loads(line))
                if seen[-1]["kind"] == kind and seen[-1]["state"] == state and name in (None, seen[-1]["name"]):
                    return
            raise AssertionError(f"no {kind} {state}: {seen}")

        await_line("peer", "linked, relation ok", "alpha")
        path = RUN / "beta/hooks/qemu.d/90-tbsyncd"
        path.parent.mkdir(exist_ok=True)
        try:
            path.touch(0o644)
            await_line("host", "not-executable", "hook")
        finally:
            path.unlink()
        hook("beta")
        await_line("migration", "refused")
        newest = json.loads(ctl("history", "--json", host="beta").out)[0]["id"]
        while seen[-1]["name"] != newest:
            await_line("migration", "refused")
        path = RUN / "beta/tbsyncd.conf"
        before = path.read_text(encoding="utf-8")
        try:
            path.write_text(before.partition("[Peer alpha]")[0], encoding="utf-8")
            reload_of("beta")
            await_line("peer", "removed", "alpha")
        finally:
            path.write_text(before, encoding="utf-8")
        reload_of("beta")
        await_line("peer", "linked, relation ok", "alpha")
        timer.cancel()
        monitor.kill()
    await_links()


def test_hook_of_an_unknown_guest_is_refused():
    await_links()
    answer = hook("alpha", "5a5a5a5a-1111-4222-8333-00000000beef")
    equal(answer.status, 1)
    contains(answer.err, "source-unknown")


def test_restore_is_judged_here_alone():
    answer = hook("alpha", operation="restore")
    equal((answer.status, answer.out), (0, ""))
    refused = ctl("hook", "test", "restore", "begin", "-", data=(PSERIES % TEST_UUID).replace("host-model'/", "host-model'><model>power10</model></cpu"))
    equal(refused.status, 1)
    contains(refused.err, "compat-mode-unsupported")


def test_wrong_arguments_are_refused_over_the_bus():
    root, manager = "/org/tbsyncd1", "org.tbsyncd1.Manager."
    for method, arguments, part in (("CheckIncoming", ["{'uuid': <'x'>}"], "uuid"), ("CheckRestore", ["{'arch': <5>}"], "arch"),
                                    ("GetMigration", ["../../x"], "no migration"), ("Check", ["test", "", "[]"], "no peer")):
        done = call("alpha", "org.tbsyncd1", root, manager + method, *arguments)
        equal(done.returncode, 1)
        contains(done.stderr, part)


def test_broken_reload_keeps_the_running_configuration():
    path = RUN / "alpha/tbsyncd.conf"
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(before + "Colour=blue\n", encoding="utf-8")
        done = call("alpha", "org.tbsyncd1", "/org/tbsyncd1", "org.tbsyncd1.Manager.Reload")
        contains(done.stderr, "Colour")
        os.kill(pid_of("alpha", "org.tbsyncd1"), signal.SIGHUP)
        await_that("the refusal is logged", lambda: "the running configuration stays" in log("alpha"))
        equal(daemon("--check-config", "--config", str(path)).returncode, 78)
    finally:
        path.write_text(before, encoding="utf-8")
    equal(call("alpha", "org.tbsyncd1", "/org/tbsyncd1", "org.tbsyncd1.Manager.Reload").returncode, 0)
    contains(log("alpha"), "configuration and certificates read again")
    await_links()


def test_reload_tells_what_takes_a_restart():
    path = RUN / "alpha/tbsyncd.conf"
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(before.replace("URI=test:///default", "URI="), encoding="utf-8")
        reload_of("alpha")
        contains(log("alpha"), "not taken up before the next start: [Libvirt] URI=; type: systemctl restart tbsyncd")
        contains(ctl("doctor").out, "warn restart-needed [Libvirt] URI=: ")
        contains(ctl("status").out, "libvirt: up")
    finally:
        path.write_text(before, encoding="utf-8")
    reload_of("alpha")
    equal("restart-needed" in ctl("doctor").out, False)


def test_command_line_is_checked():
    contains(daemon("--version").stdout, "tbsyncd ")
    equal(daemon("--colour").returncode, 64)
    equal(daemon("argument").returncode, 64)
    equal(daemon("--check-config", "--config", str(RUN / "alpha/tbsyncd.conf")).returncode, 0)
    broken = RUN / "broken.conf"
    broken.write_text("[Host]\nPVR=much\n", encoding="utf-8")
    equal(daemon("--config", str(broken)).returncode, 78)


def other_config(**changes):
    """alpha's configuration with other lines; the port is any, so that it can start beside alpha."""
    text = (RUN / "alpha/tbsyncd.conf").read_text(encoding="utf-8")
    text = re.sub(r"^Listen=.*", "Listen=127.0.0.1:0", text, flags=re.M)
    text = text.replace(f"{RUN}/alpha/state", f"{RUN}/other-state").replace(f"{RUN}/alpha/run", f"{RUN}/other-run")
    lines = [line if line.partition("=")[0] not in changes else f"{line.partition('=')[0]}={changes[line.partition('=')[0]]}"
             for line in text.splitlines()]
    path = RUN / "other.conf"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_second_daemon_on_a_bus_ends():
    done = daemon("--config", other_config())
    equal(done.returncode, 1)
    contains(done.stderr, "cannot own org.tbsyncd1")


def activated(listen):
    """What a daemon says whose socket was handed over, up to its end: alpha has the name that it wants."""
    config = pathlib.Path(other_config(Listen=listen) if listen is not None else other_config())
    if listen is None:
        config.write_text(re.sub(r"^Listen=.*\n", "", config.read_text(encoding="utf-8"), flags=re.M), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # LISTEN_PID has to be that of the daemon, the descriptor 3
        words = ["sh", "-c", f'exec 3<&{listener.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"', TBSYNCD, "--config", str(config)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, pass_fds=[listener.fileno()],
                              env=dict(os.environ, **bus("alpha")))
    contains(done.stderr, "cannot own org.tbsyncd1")
    return done.stdout + done.stderr


def test_listen_is_said_to_be_unused_only_where_somebody_set_it():
    for listen, said in ((None, False), ("[::]:16524", False), ("127.0.0.1:16524", True), ("", True)):
        equal((listen, "Listen= is not used" in activated(listen)), (listen, said))


def test_what_cannot_be_started_is_named():
    for changes, status, part in (({"CertFile": "/nowhere.pem"}, 78, "/nowhere.pem"), ({"StateDirectory": "/proc/x"}, 1, "/proc/x"),
                                  ({"Source": "hardware"}, 78, ""), ({"Listen": "192.0.2.1:1"}, 1, "192.0.2.1")):
        done = daemon("--config", other_config(**changes))
        equal((changes, done.returncode), (changes, status))
        contains(done.stderr, part)


def test_free_memory_for_page_tables_is_as_of_now():
    """A daemon of its own, on a bus of its own, on a host that is a directory."""
    root, address = RUN / "root", f"unix:path={RUN}/root-bus"
    shutil.copytree(pathlib.Path(__file__).parent.parent / "data/hosts/power9-dd22", root, symlinks=True)
    config = pathlib.Path(other_config())
    config.write_text(f"[Daemon]\nRoot={root}\n" + config.read_text(encoding="utf-8"), encoding="utf-8")
    environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=address)
    with start_bus(address) as bus_daemon:
        with subprocess.Popen([TBSYNCD, "--config", config], env=environment, stderr=subprocess.DEVNULL) as child:
            def order():
                done = subprocess.run([sys.argv[1], "facts"], env=environment, capture_output=True, text=True, check=False)
                return done.returncode == 0 and json.loads(done.stdout).get("hpt_max_order")
            await_that("it answers", lambda: order() == 32)
            (root / "proc/meminfo").write_text("CmaTotal: 6684672 kB\nCmaFree: 0 kB\n", encoding="utf-8")
            await_that("the largest page table is a small one", lambda: order() == 24)
            child.terminate()
        bus_daemon.kill()


def test_bus_that_comes_back_is_used_again():
    address = f"unix:path={RUN}/beta/bus"
    os.kill(pid_of("beta", "org.freedesktop.DBus"), signal.SIGKILL)
    await_that("the loss is logged", lambda: "lost the system bus" in log("beta"))
    os.unlink(RUN / "beta/bus")
    with start_bus(address) as bus_daemon:
        await_that("the daemon is back", lambda: "back on the system bus" in log("beta"))
        contains(ctl("status", host="beta").out, "beta")
        os.kill(pid_of("beta", "org.tbsyncd1"), signal.SIGTERM)
        await_that("the daemon ends when told", lambda: pid_of("beta", "org.tbsyncd1") is None)
        bus_daemon.kill()


def test_hook_without_daemon_follows_the_policy():
    config = RUN / "hook.conf"
    for policy, status in (("allow", 0), ("block", 1)):
        config.write_text(f"[Policy]\nWhenUnavailable={policy}\n", encoding="utf-8")
        answer = hook("beta", TBSYNC_CONFIG_FILE=str(config))
        equal((policy, answer.status), (policy, status))
        contains(answer.err, "daemon-unavailable")
    equal(ctl("status", host="beta").status, 1)
    await_that("alpha sees that beta is gone", lambda: peer("alpha", "beta")["state"] != "linked")
    contains(ctl("check", "test", "beta").out, "peer-unreachable")


if __name__ == "__main__":
    sys.exit(main("daemon", sys.modules[__name__]))
