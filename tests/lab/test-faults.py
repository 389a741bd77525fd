#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest runs on, whatever befalls the daemons while it is to migrate: real guests, real libvirtd, each fault in a real hook.

tests/integration/test-faults.py has more faults, and what becomes of links, records and the log.
"""

import contextlib
import sys

import labtest

NO_SOURCE = "source-unknown"
NO_DAEMON = "daemon-unavailable"


class Migration(labtest.Background):
    """virsh migrate of guest1."""

    def __init__(self, source, destination):
        super().__init__(source.migrate, "guest1", destination)
        self.destination = destination

    def await_hook(self):
        labtest.wait_until("the hook to be under way", lambda: not self.is_alive() or
                           self.destination.run("pgrep", "-f", "tbsyncctl hook guest1 migrate").status == 0)


def runs_on(tap, what, result, source, destination):
    tap.ok(result.status != 0, f"{what}: virsh migrate fails", result)
    tap.ok(source.runs("guest1"), f"{what}: the guest runs on")
    tap.ok(destination.state("guest1") is None and not destination.ever_started("guest1"), f"{what}: nothing was started elsewhere")


def refused(tap, what, code, source, destination):
    result = source.migrate("guest1", destination)
    tap.has(result.text, ["tbsync:", f"[{code}]"], f"{what}: virsh says why")
    runs_on(tap, what, result, source, destination)


TBSYNCD = "/run/lab/tbsyncd.pid"
LIBVIRTD = "/run/libvirtd.pid"


def daemons_that_hang_or_end(tap, alpha, beta):
    with alpha.stopped(TBSYNCD):
        refused(tap, "the source's tbsyncd is stopped", NO_SOURCE, alpha, beta)
    beta.wait_linked("alpha")
    with beta.stopped(TBSYNCD):
        refused(tap, "the destination's tbsyncd is stopped", NO_DAEMON, alpha, beta)
    beta.wait_linked("alpha")
    with alpha.stopped(TBSYNCD):  # so that the hook's question stays open
        migration = Migration(alpha, beta)
        migration.await_hook()
        beta.tbsyncd("kill")
        runs_on(tap, "the destination's tbsyncd is killed in the hook", migration.result(), alpha, beta)
    beta.tbsyncd("start")
    beta.wait_linked("alpha")


def bus_pid(host):
    return int(host.must("busctl", "--system", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                         "GetConnectionUnixProcessID", "s", "org.freedesktop.DBus").split()[1])


def bus_that_ends(tap, lab, alpha, beta):
    pid = bus_pid(beta)
    with alpha.stopped(TBSYNCD):
        migration = Migration(alpha, beta)
        migration.await_hook()
        beta.must("kill", "-KILL", str(pid))
        runs_on(tap, "the destination's bus ends in the hook", migration.result(), alpha, beta)
    beta.must("sh", "-c", "rm -f /run/dbus/system_bus_socket; dbus-daemon --system --nopidfile --fork")
    lab.must("libvirtd", "beta", "kill")  # it may have ended with its bus
    lab.must("libvirtd", "beta", "start")
    beta.wait_linked("alpha")


def libvirtd_that_hangs(tap, alpha, beta):
    records = len(beta.history())
    with contextlib.ExitStack() as trouble:
        with alpha.stopped(TBSYNCD):
            migration = Migration(alpha, beta)
            migration.await_hook()
            trouble.enter_context(alpha.stopped(LIBVIRTD))
        # tbsyncd goes on, and cannot ask
        labtest.wait_until("the hook's answer", lambda: not migration.is_alive() or len(beta.history()) > records)
    result = migration.result()
    tap.has(result.text, ["tbsync:", f"[{NO_SOURCE}]"], "the source's libvirtd hangs in the hook: virsh says why")
    runs_on(tap, "the source's libvirtd hangs in the hook", result, alpha, beta)


def libvirtd_that_is_killed(tap, lab, alpha, beta):
    with alpha.stopped(TBSYNCD):
        migration = Migration(alpha, beta)
        migration.await_hook()
        lab.must("libvirtd", "beta", "kill")
        result = migration.result()
    lab.must("libvirtd", "beta", "start")
    runs_on(tap, "the destination's libvirtd is killed in the hook", result, alpha, beta)
    beta.wait_linked("alpha")


def story(tap, lab, alpha, beta):
    lab.link_all()
    alpha.start("guest1")
    daemons_that_hang_or_end(tap, alpha, beta)
    libvirtd_that_hangs(tap, alpha, beta)
    libvirtd_that_is_killed(tap, lab, alpha, beta)
    bus_that_ends(tap, lab, alpha, beta)
    lab.link_all()
    result = alpha.migrate("guest1", beta)
    tap.ok(result.status == 0 and beta.runs("guest1"), "after all that it migrates", result)


if __name__ == "__main__":
    sys.exit(labtest.main(story, ("alpha", "beta")))
