#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-libvirtd.py TBSYNCCTL TBSYNCD: a real libvirtd that is stopped, hangs or is restarted while a hook is under way. As root.

Two libvirtd with the test driver, each in files of its own: alpha's has the guest, beta's is the one that waits for the hook.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]
from ctl_tap import equal, main  # noqa: E402
from hosts import NODE, Lab, await_that, enter_namespace, free_port, run, send_signal  # noqa: E402

ALLOWED = (0, [])
NO_SOURCE = (1, ["source-unknown", "peer-unreachable"])


class Libvirtd:
    """Files of its own are mounted over those of the machine: two do not share /run, so each has a namespace of its own, too."""

    def __init__(self, lab, name):
        self.directory = lab.directory / f"libvirtd-{name}"
        self.directory.mkdir()
        (self.directory / "conf").write_text(
            f'unix_sock_dir = "{self.directory}"\nauth_unix_ro = "none"\nauth_unix_rw = "none"\n', encoding="ascii")
        (self.directory / "node.xml").write_text(NODE % 5, encoding="ascii")
        self.uri = f"test+unix://{self.directory}/node.xml?socket={self.directory}/libvirt-sock-ro"
        self.process = None
        lab.stack.callback(self.kill)

    def start(self):
        mounts = " && ".join(f"mount -t tmpfs tmpfs {path}" for path in ("/run", "/var/lib/libvirt", "/var/cache/libvirt"))
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", f"{mounts} && exec libvirtd --config conf --pid-file pid"],
                                            cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        await_that("libvirtd answers", lambda: self.process.poll() is None and subprocess.run(
            ["virsh", "-c", self.uri, "list", "--all"], capture_output=True, check=False, timeout=60).returncode == 0)

    def signal(self, number):
        send_signal(self.process, number)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for left in self.directory.glob("*sock*"):
                left.unlink()


def pair_with_libvirtd(lab):
    libvirtds = [Libvirtd(lab, name) for name in ("alpha", "beta")]
    for one in libvirtds:
        one.start()
    ports = [free_port(), free_port()]
    alpha = lab.host("alpha", ports[0], {"beta": ports[1]}, uri=libvirtds[0].uri)
    beta = lab.host("beta", ports[1], {"alpha": ports[0]}, uri=libvirtds[1].uri)
    for host in (alpha, beta):
        host.start()
        host.await_log("connected to libvirt")
    beta.await_linked("alpha")
    equal(beta.hook(), ALLOWED)
    return alpha, beta, *libvirtds


def asks_libvirt(host):
    """A call is in libvirt now."""
    for task in pathlib.Path(f"/proc/{host.daemon.pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            if (task / "comm").read_text(encoding="ascii") == "tbsync-libvirt\n":
                return True
    return False


def recovered(beta, records):
    await_that("the source is found again", lambda: beta.hook() == ALLOWED)
    ids = [record["id"] for record in beta.records()]
    for record in records:
        assert record["id"] in ids, record["id"]


def hook_in_trouble(trouble, end_of_trouble, answers):
    """The source's libvirtd hangs, so that the hook is under way; then the trouble comes."""
    with Lab() as lab:
        alpha, beta, source, _ = pair_with_libvirtd(lab)
        records = beta.records()
        source.signal(signal.SIGSTOP)
        hook = beta.hook_start()
        await_that("alpha asks its libvirtd", lambda: asks_libvirt(alpha))
        trouble(source)
        answer = beta.hook_end(hook)
        assert answer in answers, answer
        end_of_trouble(source)
        recovered(beta, records)
        equal([host.daemon.poll() for host in (alpha, beta)], [None, None])
        return alpha.log()


def nothing(_):
    pass


def test_source_libvirtd_that_hangs_in_a_hook_is_given_up():
    hook_in_trouble(nothing, lambda source: source.signal(signal.SIGCONT), [NO_SOURCE])


def test_source_libvirtd_that_is_killed_in_a_hook_is_given_up():
    log = hook_in_trouble(Libvirtd.kill, Libvirtd.start, [NO_SOURCE])
    assert "no libvirt: " in log and "connected to libvirt again" in log, log


def test_source_libvirtd_that_is_restarted_in_a_hook_is_found_again():
    def restart(source):
        source.kill()
        source.start()
    hook_in_trouble(restart, nothing, [NO_SOURCE, ALLOWED])


def test_source_libvirtd_that_goes_on_in_a_hook_is_heard():
    hook_in_trouble(lambda source: source.signal(signal.SIGCONT), nothing, [ALLOWED])


def test_own_libvirtd_holds_up_no_hook():
    """It waits for the hook: stopped, away or back, it is not asked."""
    with Lab() as lab:
        _, beta, _, own = pair_with_libvirtd(lab)
        records = beta.records()
        own.signal(signal.SIGSTOP)
        equal(beta.hook(), ALLOWED)
        own.kill()
        equal(beta.hook(), ALLOWED)
        beta.await_log("no libvirt: ")
        own.start()
        beta.await_log("connected to libvirt again")
        recovered(beta, records)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("libvirtd needs root")
    enter_namespace()
    run("mount", "--make-rprivate", "/")
    sys.exit(main("libvirtd", sys.modules[__name__]))
