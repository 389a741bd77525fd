#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-failing-calls.py TBSYNCCTL TBSYNCD SHIM: the daemon while each call that can fail fails once.

Run by `scripts/run -n 2`. For the first calls of each function of SHIM (tests/fault/fault-shim.c) alpha is started anew: it either
says why it does not start, or is there, links with beta again, answers the hook, and ends when told.
"""

import errno
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from ctl_tap import Ctl  # noqa: E402

RUN = pathlib.Path(os.environ["TBSYNC_RUN_DIR"])
TBSYNCD, SHIM = sys.argv[2], sys.argv[3]
BUS = f"unix:path={RUN}/alpha/bus"
DEADLINE_S = 30
XML = """<domain type='kvm'><name>g</name><uuid>5a5a5a5a-1111-4222-8333-00000000beef</uuid><memory>1048576</memory>
<os><type arch='ppc64le' machine='pseries-7.2'>hvm</type></os><cpu mode='host-model'/></domain>"""

# function: how many of its first calls, and with which error
FAULTS = {
    "socket": (3, errno.EMFILE), "bind": (2, errno.EADDRNOTAVAIL), "listen": (1, errno.EADDRINUSE), "connect": (3, errno.ECONNREFUSED),
    "socketpair": (2, errno.EMFILE), "recv": (3, errno.ECONNRESET), "send": (3, errno.ECONNRESET),
    "sendmsg": (4, errno.EPIPE), "recvmsg": (4, errno.ECONNRESET), "fsync": (3, errno.EIO), "rename": (2, errno.ENOSPC),
    "open64": (8, errno.EMFILE), "read": (8, errno.EIO), "write": (4, errno.ENOSPC),
    "epoll_create1": (2, errno.EMFILE), "epoll_ctl": (4, errno.ENOSPC),
    "sd_bus_message_new_method_call": (4, errno.ENOMEM), "sd_bus_request_name_async": (1, errno.ENOBUFS), "sd_bus_set_fd": (2, errno.EINVAL),
    "sd_bus_message_send": (4, errno.ENOBUFS), "gnutls_certificate_set_x509_key_mem2": (1, 0), "gnutls_certificate_set_x509_trust_mem": (1, 0),
    "gnutls_certificate_get_peers": (2, 0), "gnutls_session_ticket_key_generate": (1, 0), "gnutls_priority_set": (2, 0),
    "virDomainGetState": (2, 0), "virDomainGetXMLDesc": (2, 0), "virDomainLookupByUUIDString": (1, 0),
    "mkdir": (2, errno.EROFS), "sd_bus_new": (2, errno.ENOMEM), "sd_bus_open_system_with_description": (1, errno.ENOENT),
    "sd_bus_start": (2, errno.EIO), "sd_bus_process": (8, errno.EIO), "sd_bus_message_new_method_return": (2, errno.ENOMEM),
    "sd_bus_call_async": (4, errno.ENOBUFS), "sd_bus_add_object_vtable": (2, errno.ENOMEM), "gnutls_init": (2, errno.ENOMEM),
    "gnutls_handshake": (3, 0), "gnutls_priority_init": (1, 0), "gnutls_record_recv": (3, 0), "gnutls_record_send": (3, 0),
    "gnutls_certificate_allocate_credentials": (2, 0), "virConnectOpenReadOnly": (1, 0), "virEventRegisterDefaultImpl": (1, 0),
    "virConnectListAllDomains": (1, 0), "virConnectGetCapabilities": (1, 0), "virConnectDomainEventRegisterAny": (2, 0),
}


def ctl(*arguments, data=b"", bus=BUS):
    return Ctl(list(arguments), data, {"DBUS_SYSTEM_BUS_ADDRESS": bus})


def await_that(what, condition):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.02)


def owns_name():
    return subprocess.run(["gdbus", "wait", "--address", BUS, "--timeout", "1", "org.tbsyncd1"], capture_output=True,
                          check=False).returncode == 0


def is_linked():
    peers = ctl("peers", "--json")
    return peers.status == 0 and json.loads(peers.out)[0]["state"] == "linked"


def check_running(daemon):
    """It is up: whatever failed, it comes back by itself."""
    await_that("linked with beta", lambda: daemon.poll() is not None or is_linked())
    start = time.monotonic()
    ctl("guests")
    answer = ctl("hook", "g", "migrate", "begin", "-", data=XML)
    took_s = time.monotonic() - start
    # nobody has that guest: refused, in time, with a reason, whatever failed
    if answer.status != 1 or "tbsync: " not in answer.err or answer.out or took_s > 5.5:
        raise AssertionError(f"hook: {answer.status} after {took_s:.1f} s: {answer.err}")
    again = ctl("hook", "g", "migrate", "begin", "-", data=XML)
    if "source-unknown" not in again.err:
        raise AssertionError(f"second hook: {again.err}")
    asked = ctl("hook", "g", "migrate", "begin", "-", data=XML, bus=f"unix:path={RUN}/beta/bus")
    if asked.status != 1 or "source-unknown" not in asked.err:
        raise AssertionError(f"hook of beta: {asked.status}: {asked.err}")
    if ctl("status").status != 0:
        raise AssertionError("status does not answer")
    daemon.terminate()
    if daemon.wait(DEADLINE_S) != 0:
        raise AssertionError(f"it ended with {daemon.returncode}")


def ended_well(daemon, log):
    """It said why, and the service manager starts it again unless its configuration is to blame. No memory is fatal, by GLib's
    rule, and so is no epoll instance (reactor.c); -5 is g_error()."""
    if daemon.returncode == -5 and any(text in log.read_text(encoding="utf-8") for text in ("no memory", "cannot create an epoll instance")):
        return True
    return daemon.returncode in (1, 78) and "\ntbsyncd: " in "\n" + log.read_text(encoding="utf-8")


def run_one(function, at, error):
    """Whether the fault fired."""
    log = RUN / "fault.log"
    environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=BUS, LD_PRELOAD=SHIM, TBSYNC_FAULT=f"{function}:{at}:{error}",
                       ASAN_OPTIONS="verify_asan_link_order=0")
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
    return "fault: " in log.read_text(encoding="utf-8")


def main():
    done = subprocess.run(["gdbus", "call", "--address", BUS, "--dest", "org.freedesktop.DBus", "--object-path", "/", "--method",
                           "org.freedesktop.DBus.GetConnectionUnixProcessID", "org.tbsyncd1"], capture_output=True, text=True, check=True)
    os.kill(int(done.stdout.split()[1].rstrip(",)")), 15)
    await_that("alpha has ended", lambda: not owns_name())
    print(f"1..{len(FAULTS)}")
    failed = 0
    for number, (function, (times, error)) in enumerate(FAULTS.items(), 1):
        fired = 0
        try:
            while fired < times and run_one(function, fired + 1, error):
                fired += 1
            if fired == 0:
                raise AssertionError("it is never called")
            print(f"ok {number} /failing-calls/{function}-fails-{fired}-times", flush=True)
        except AssertionError as problem:
            failed += 1
            print(f"not ok {number} /failing-calls/{function}-fails")
            print("".join(f"# call {fired + 1}: {line}\n" for line in str(problem).splitlines()), end="", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
