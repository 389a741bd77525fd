#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-failing-calls.py TBSYNCCTL TBSYNCD SHIM [N/OF | FUNCTION...]: the daemon while each call that can fail fails once; all of them,
every OFth from the Nth on, or those that are named.
test-failing-calls.py TBSYNCCTL TBSYNCD: only whether it is known of each call how it can fail.

Run by `scripts/run -n 2`, but for the second. Which calls there are is what the daemon's symbols say, and from which of its places they come is what it says when
it runs under SHIM (tests/fault/fault-shim.c); how each is to fail stands in tests/fault/failing-calls.h. For each of them alpha is
started anew: it either says why it does not start, or is there, links with beta again, answers the hook, and ends when told.
"""

import contextlib
import errno
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from ctl_tap import Ctl  # noqa: E402

RUN = pathlib.Path(os.environ.get("TBSYNC_RUN_DIR", ""))
TBSYNCD, SHIM = sys.argv[2], "".join(sys.argv[3:4])
BUS = f"unix:path={RUN}/alpha/bus"
DEADLINE_S = 60  # the machine may be busy
HOOK_PATIENCE_S = 15  # thrice a hook's deadline: the machine may stand still, too. D-Bus by itself would wait for 25 s
TABLE = (pathlib.Path(__file__).parent.parent / "fault/failing-calls.h").read_text(encoding="ascii")
XML = """<domain type='kvm'><name>g</name><uuid>%s</uuid><memory>1048576</memory>
<os><type arch='ppc64le' machine='pseries-7.2'>hvm</type></os><cpu mode='host-model'/></domain>"""
NOBODYS_UUID = "5a5a5a5a-1111-4222-8333-00000000beef"
ALPHAS_UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"  # the one guest of test:///default, on either host


def value_of(how):
    """(what is returned, errno) for a word of the table."""
    if how == "NULL":
        return 0, 0
    if re.fullmatch(r"-?[0-9]+", how):
        return int(how), 0
    if how[0] == "-":
        return -getattr(errno, how[1:]), 0
    return -1, getattr(errno, how)


# function: (how many of its first calls, what is returned, errno)
FAULTS = {name: (int(times), *value_of(how)) for name, times, how in re.findall(r"^FAULT\((\w+), (\d+), (\S+)\)$", TABLE, flags=re.M)}
NEVER = {name for names in re.findall(r'^NEVER\("[^"]+", ([\w ]+)\)$', TABLE, flags=re.M) for name in names.split()}


def ctl(*arguments, data=b"", bus=BUS, patience_s=120):
    return Ctl(list(arguments), data, {"DBUS_SYSTEM_BUS_ADDRESS": bus}, patience_s)


def await_that(what, condition):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.02)


def owns_name():
    return subprocess.run(["gdbus", "wait", "--address", BUS, "--timeout", "1", "org.tbsyncd1"], capture_output=True,
                          check=False).returncode == 0


def has_met():
    """One that said what could not be read is tried again after a minute, or for the next hook."""
    peers = ctl("peers", "--json")
    return peers.status == 0 and json.loads(peers.out)[0]["state"] in ("linked", "refused")


def hook_of(host, uuid):
    return ctl("hook", "g", "migrate", "begin", "-", data=XML % uuid, bus=f"unix:path={RUN}/{host}/bus", patience_s=HOOK_PATIENCE_S)


def knock():
    """One without TLS, one without a certificate, and one in beta's name that says nothing."""
    address = re.search(r"^Listen=(.*):(\d+)$", (RUN / "alpha/tbsyncd.conf").read_text(encoding="utf-8"), flags=re.M)
    contexts = [ssl.create_default_context() for _ in range(2)]
    for context in contexts:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    contexts[1].load_cert_chain(RUN / "beta/own.cert.pem", RUN / "beta/own.key.pem")
    for wrap in (lambda link: link, contexts[0].wrap_socket, contexts[1].wrap_socket):
        with contextlib.suppress(OSError), socket.create_connection(address.groups(), timeout=DEADLINE_S) as plain, wrap(plain) as link:
            link.sendall(b"GET / HTTP/1.0\r\n\r\n")
            link.recv(4096)


def use(daemon):
    """All that operators, peers and strangers do, whatever becomes of it."""
    for words in (["guests"], ["check", "test", "beta"], ["rank", "test"], ["peers"], ["peers", "--history"], ["facts"], ["doctor"]):
        ctl(*words)
    ctl("hook", "g", "restore", "begin", "-", data=XML % NOBODYS_UUID)
    for record in json.loads(ctl("history", "--json", "--limit", "1").out or "[]"):
        ctl("show", record["id"])
    subprocess.run(["gdbus", "introspect", "--address", BUS, "--dest", "org.tbsyncd1", "--object-path", "/org/tbsyncd1", "--recurse"],
                   capture_output=True, check=False)
    knock()
    ctl("matrix", "--all", bus=f"unix:path={RUN}/beta/bus")
    for uuid in (ALPHAS_UUID, NOBODYS_UUID):
        hook_of("beta", uuid)
    daemon.send_signal(signal.SIGHUP)


def knows_nobody(host):
    """As ever: the other host was asked, and has no such guest."""
    asked = hook_of(host, NOBODYS_UUID)
    if asked.status != 1 or "source-unknown" not in asked.err:
        raise AssertionError(f"hook of {host}: {asked.status}: {asked.err}")
    return "peer-unreachable" not in asked.err


def check_running(daemon):
    """It is up: whatever failed, it comes back by itself."""
    await_that("linked with beta, or refused", lambda: daemon.poll() is not None or has_met())
    use(daemon)
    answer = hook_of("alpha", NOBODYS_UUID)
    # nobody has that guest: refused, with a reason, whatever failed
    if answer.status != 1 or "tbsync: " not in answer.err or answer.out:
        raise AssertionError(f"hook: {answer.status}: {answer.err}")
    for host in ("alpha", "beta"):
        await_that(f"{host} is linked and answered", lambda host=host: daemon.poll() is not None or knows_nobody(host))
    records = json.loads(ctl("history", "--json", "--limit", "1").out or "[{}]")
    if records[0].get("uuid") != NOBODYS_UUID:
        raise AssertionError(f"not recorded: {records}")
    for words in (["status"], ["guests"]):
        if ctl(*words).status != 0:
            raise AssertionError(f"{words[0]} does not answer")
    daemon.terminate()
    if daemon.wait(DEADLINE_S) != 0:
        raise AssertionError(f"it ended with {daemon.returncode}")


def ended_well(daemon, log):
    """It said why, and the service manager starts it again unless its configuration is to blame. No memory is fatal, by GLib's
    rule, as is no thread for GLib itself, and so is no epoll instance (reactor.c); -5 is g_error()."""
    fatal = ("no memory", "creating thread 'gmain'", "creating thread 'pool-spawner'", "cannot create an epoll instance")
    if daemon.returncode == -5 and any(text in log.read_text(encoding="utf-8") for text in fatal):
        return True
    return daemon.returncode in (1, 78) and "\ntbsyncd: " in "\n" + log.read_text(encoding="utf-8")


def run_with(fault):
    """What it said."""
    (RUN / "alpha/state/migrations/half.json.new").touch()  # as left by one that was killed
    shutil.rmtree(RUN / "alpha/state/spare", ignore_errors=True)  # as at the first start
    log = RUN / "fault.log"
    environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=BUS, LD_PRELOAD=SHIM, TBSYNC_FAULT=fault, ASAN_OPTIONS="verify_asan_link_order=0")
    with open(log, "wb") as out, subprocess.Popen([TBSYNCD, "--config", str(RUN / "alpha/tbsyncd.conf")], env=environment,
                                                  stdin=subprocess.DEVNULL, stdout=out, stderr=out) as daemon:
        try:
            await_that("started or ended", lambda: daemon.poll() is not None or owns_name())
            try:
                if daemon.poll() is None:
                    check_running(daemon)
            except AssertionError:
                # it may have had the name for a moment before it ended
                if daemon.poll() is None:
                    raise
            if daemon.wait(DEADLINE_S) != 0 and not ended_well(daemon, log):
                raise AssertionError(f"it ended with {daemon.returncode}")
        except Exception as problem:
            raise AssertionError(f"{problem}\n{log.read_text(encoding='utf-8')}") from problem
        finally:
            daemon.kill()
    return log.read_text(encoding="utf-8")


def check_table():
    """A call that nobody thought about does not pass."""
    done = subprocess.run(["nm", "-D", "--undefined-only", TBSYNCD], capture_output=True, text=True, check=True)
    needed = {re.sub(r"^__isoc\d+_|@.*", "", line.split()[1]) for line in done.stdout.splitlines()}
    # json-glib and GLib call what stands in the table; what begins with _ is the compiler's
    unknown = {name for name in needed if not re.match(r"_|g_|json_", name)} - FAULTS.keys() - NEVER
    if unknown:
        raise AssertionError(f"in no line of failing-calls.h: {' '.join(sorted(unknown))}")
    return "every-call-of-the-daemon-is-in-the-table"


def check_function(function, places):
    """It fails from anywhere, then from each place in the daemon."""
    times, value, error = FAULTS[function]
    fired, at = 0, 0
    try:
        while fired < times and "fault: " in run_with(f"{function} * {fired + 1} {value} {error}"):
            fired += 1
        if fired == 0 and times > 0:
            raise AssertionError("it is never called")
        for at, place in enumerate(places, 1):
            run_with(f"{function} {place} 1 {value} {error}")
    except AssertionError as problem:
        what = f"place {places[at - 1]}" if at else f"call {fired + 1}"
        raise AssertionError(f"{what}: {problem}") from problem
    return f"{function}-fails-{fired}-times-and-in-{len(places)}-places"


def find_places():
    """(function, its place) of each call that was seen; alpha has ended."""
    done = subprocess.run(["gdbus", "call", "--address", BUS, "--dest", "org.freedesktop.DBus", "--object-path", "/", "--method",
                           "org.freedesktop.DBus.GetConnectionUnixProcessID", "org.tbsyncd1"], capture_output=True, text=True, check=True)
    os.kill(int(done.stdout.split()[1].rstrip(",)")), 15)
    await_that("alpha has ended", lambda: not owns_name())
    return re.findall(r"^place: (\w+) (tbsyncd\+\S+)$", run_with("places"), flags=re.M)


def chosen(words):
    part = re.fullmatch(r"(\d+)/(\d+)", words[0]) if words else None
    return list(FAULTS)[int(part[1]) - 1::int(part[2])] if part else words or list(FAULTS)


def main():
    places = find_places() if SHIM else []
    cases = [(check_table, ())]
    if SHIM:
        cases += [(check_function, (name, [place for caller, place in places if caller == name])) for name in chosen(sys.argv[4:])]
    print(f"1..{len(cases)}")
    failed = 0
    for number, (check, arguments) in enumerate(cases, 1):
        try:
            print(f"ok {number} /failing-calls/{check(*arguments)}", flush=True)
        except AssertionError as problem:
            failed += 1
            print(f"not ok {number} /failing-calls/{' '.join(arguments[:1])}")
            print("".join(f"# {line}\n" for line in str(problem).splitlines()), end="", flush=True)
    print(f"# {len(FAULTS)} functions, {len(places)} places")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
