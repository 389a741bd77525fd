#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-faults.py TBSYNCCTL TBSYNCD: what may happen to a daemon, to its peer, and to what lies between and below them.

alpha has a guest that is being migrated out to beta, whose hook asks. In each case the hook answers by itself and with the
right code, nothing that was recorded is lost, and the daemon goes on by itself and says so. That the guest runs on is seen in
tests/lab; what tbsyncd could do to it stands in tests/fault/failing-calls.h: nothing but read.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]
from ctl_tap import contains, equal, main  # noqa: E402
from hosts import Lab, Relay, await_that, enter_namespace, free_port, run  # noqa: E402

ALLOWED = (0, [])
NO_SOURCE = (1, ["source-unknown", "peer-unreachable"])
NO_DAEMON = (1, ["daemon-unavailable"])


def linked_pair(lab, **more_of_beta):
    alpha, beta = lab.pair(leaving=True, **more_of_beta)
    beta.await_linked("alpha")
    alpha.await_linked("beta")
    alpha.await_log("connected to libvirt")
    equal(beta.hook(), ALLOWED)
    contains(beta.records()[0], "plan")
    return alpha, beta


def recovered(beta, records):
    """As before the fault: the source is found again, and every record is there."""
    beta.await_linked("alpha")
    await_that("the source is found again", lambda: beta.hook() == ALLOWED)
    ids = [record["id"] for record in beta.records()]
    for record in records:
        assert record["id"] in ids, record["id"]


# ---- the peer ----

def test_peer_that_is_killed_is_missed_and_found_again():
    with Lab() as lab:
        alpha, beta = linked_pair(lab)
        records = beta.records()
        alpha.kill()
        equal(beta.hook(), NO_SOURCE)
        beta.await_log("peer alpha: link lost: ")
        alpha.start()
        beta.await_log("peer alpha: linked again")
        recovered(beta, records)


def test_peer_that_is_stopped_is_missed_and_found_again():
    with Lab() as lab:
        alpha, beta = linked_pair(lab)
        records = beta.records()
        alpha.signal(signal.SIGSTOP)
        equal(beta.hook(), NO_SOURCE)
        beta.await_log("peer alpha: link lost: ")  # two exchanges in a row went without an answer
        equal(beta.hook(), NO_SOURCE)
        alpha.signal(signal.SIGCONT)
        beta.await_log("peer alpha: linked again")
        recovered(beta, records)


# ---- the network ----

def relayed_pair(lab, mode="pass"):
    """All that alpha and beta say to each other passes the relay that is returned, too."""
    beta_port = free_port()
    relay = Relay(beta_port, mode)
    lab.stack.callback(relay.close)
    alpha = lab.host("alpha", free_port(), {"beta": relay.port}, uri=lab.test_uri(True))
    beta = lab.host("beta", beta_port, {"alpha": free_port()})
    alpha.has_leaving_guest()
    alpha.start()
    beta.start()
    return alpha, beta, relay


def spoiled_link(mode, delay_s=0.0):
    """A link that is up and then goes bad."""
    with Lab() as lab:
        alpha, beta, relay = relayed_pair(lab)
        recovered(beta, [])
        records = beta.records()
        relay.delay_s = delay_s
        relay.mode = mode
        equal(beta.hook(), NO_SOURCE)
        beta.await_log("peer alpha: link lost: ")
        alpha.await_log("peer beta: link lost: ")
        equal(beta.hook(), NO_SOURCE)
        relay.mode = "pass"
        beta.await_log("peer alpha: linked again")
        recovered(beta, records)


def test_link_that_is_cut_off_half_open_is_given_up():
    spoiled_link("hold")


def test_link_that_is_ten_seconds_late_is_given_up():
    spoiled_link("delay", 10.0)


def test_link_byte_at_a_time_works():
    with Lab() as lab:
        _, beta, relay = relayed_pair(lab, "bytes")
        recovered(beta, [])
        equal(beta.hook(), ALLOWED)
        relay.mode = "pass"


def test_reset_in_the_handshake_is_tried_again():
    with Lab() as lab:
        alpha, beta, relay = relayed_pair(lab, "reset")
        alpha.await_log("peer beta: not linked: ")
        await_that("several tries", lambda: relay.connections >= 3)
        equal(beta.hook(), NO_SOURCE)
        records = beta.records()
        equal(len(records), 1)
        relay.mode = "pass"
        alpha.await_log("peer beta: linked")
        recovered(beta, records)


def test_connection_that_says_nothing_is_no_hindrance():
    with Lab() as lab:
        _, beta = linked_pair(lab)
        silent = [socket.create_connection(("127.0.0.1", beta.port)) for _ in range(100)]
        equal(beta.hook(), ALLOWED)
        beta.await_log("refused: connection from ")
        for one in silent:
            one.close()


# ---- libvirt ----

def hung_libvirtd(lab):
    """A socket that accepts and never answers."""
    path = lab.directory / "libvirt-sock"
    listener = lab.stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(path))
    listener.listen(16)
    accepted = []

    def accept():
        while True:
            try:
                accepted.append(listener.accept()[0])
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    return f"qemu+unix:///system?socket={path}", accepted


def test_libvirtd_that_hangs_holds_up_nothing():
    with Lab() as lab:
        uri, accepted = hung_libvirtd(lab)
        ports = [free_port(), free_port()]
        alpha = lab.host("alpha", ports[0], {"beta": ports[1]}, uri=uri)
        beta = lab.host("beta", ports[1], {"alpha": ports[0]}, uri=uri)
        alpha.start()
        beta.start()
        beta.await_linked("alpha")
        await_that("libvirtd is asked", lambda: len(accepted) >= 2)
        equal(beta.hook(), NO_SOURCE)  # alpha cannot know
        equal(len(beta.records()), 1)
        equal(beta.hook_end(beta.hook_start("restore"))[0], 0)
        beta.await_log("no libvirt: ")
        beta.await_linked("alpha")


def test_libvirtd_that_is_away_is_found_later():
    with Lab() as lab:
        path = lab.directory / "node.xml"
        alpha, beta = linked_pair(lab)
        path.unlink()
        alpha.kill()
        alpha.start()
        alpha.await_log("no libvirt: ")
        beta.await_linked("alpha")
        equal(beta.hook(), NO_SOURCE)
        records = beta.records()
        lab.test_uri(True)
        alpha.await_log("connected to libvirt again")
        recovered(beta, records)


# ---- this host ----

def test_bus_that_is_restarted_is_used_again():
    with Lab() as lab:
        _, beta = linked_pair(lab)
        records = beta.records()
        beta.bus.kill()
        beta.bus.wait()
        equal(beta.hook(), NO_DAEMON)
        beta.await_log("lost the system bus")
        beta.start_bus()
        beta.await_log("back on the system bus")
        recovered(beta, records)


def test_daemon_killed_in_a_hook_leaves_its_answer_to_the_policy():
    with Lab() as lab:
        alpha, beta = linked_pair(lab)
        records = beta.records()
        alpha.signal(signal.SIGSTOP)  # so that the question stays open
        for delay_s in (0, 0.02, 0.1, 0.5):  # wherever the question is by then
            hook = beta.hook_start()
            time.sleep(delay_s)
            beta.kill()
            equal(beta.hook_end(hook), NO_DAEMON)
            # of a question that is open nothing is begun; the record of an earlier one may be written anew just then
            equal(sorted({file.name.partition(".json")[0] for file in (beta.directory / "state/migrations").iterdir()}),
                  sorted(record["id"] for record in records))
            (beta.directory / "state/migrations/half.json.new").touch()
            beta.start()
            await_that("what was half written is swept away", lambda: not list((beta.directory / "state").rglob("*.new")))
        alpha.signal(signal.SIGCONT)
        recovered(beta, records)


def test_daemon_that_is_stopped_leaves_its_answer_to_the_policy():
    with Lab() as lab:
        _, beta = linked_pair(lab)
        records = beta.records()
        beta.signal(signal.SIGSTOP)
        equal(beta.hook(), NO_DAEMON)
        beta.signal(signal.SIGCONT)
        recovered(beta, records)


def complaints(beta, *codes):
    return [row["code"] for row in json.loads(beta.ctl("doctor", "--json").stdout) if row["code"] in codes]


def newest_is_kept_until_it_is_written(beta, records, make_room):
    """A verdict was given that the disk did not take: it is listed, doctor names it, and it is there once there is room."""
    beta.await_log("verdict not recorded yet, tried again until it is: ")
    newest = beta.records()[0]["id"]
    assert newest not in [record["id"] for record in records], newest
    equal(complaints(beta, "state-unwritten"), ["state-unwritten"])
    file = beta.directory / "state/migrations" / f"{newest}.json"
    equal(file.exists(), False)
    make_room()
    beta.await_log("all records are on disk again")
    equal(json.loads(file.read_text(encoding="utf-8"))["id"], newest)
    equal(complaints(beta, "state-unwritten"), [])
    beta.kill()
    beta.start()
    recovered(beta, [*records, {"id": newest}])


def half_written(host):
    """Files that give room back when they are done."""
    state = host.directory / "state"
    opened = [pathlib.Path(os.readlink(fd)) for fd in pathlib.Path(f"/proc/{host.daemon.pid}/fd").iterdir()]
    return [*state.rglob("*.new"), *(path for path in opened if state / "spare" in path.parents)]


def fill_disk(host, filler):
    """To the last byte, and it stays so: the daemon stands still meanwhile, and has nothing half written."""
    def fill():
        host.signal(signal.SIGSTOP)
        left = half_written(host)
        with contextlib.suppress(OSError), open(filler, "ab", buffering=0) as file:
            while not left:
                file.write(b"x" * 4096)
        host.signal(signal.SIGCONT)
        return not left

    await_that("nothing is half written", fill)


def test_record_is_on_a_full_disk_before_its_verdict_is_told():
    with Lab() as lab:
        state = lab.directory / "beta/state"
        alpha, beta = lab.pair(leaving=True)
        beta.kill()
        run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", state)
        lab.stack.callback(run, "umount", "--lazy", state)
        beta.start()
        recovered(beta, [])
        records = beta.records()
        filler = state / "filler"
        fill_disk(beta, filler)
        equal(beta.hook(), ALLOWED)
        newest = beta.records()[0]
        assert newest["id"] not in [record["id"] for record in records], newest
        equal(json.loads((state / "migrations" / f"{newest['id']}.json").read_text(encoding="utf-8"))["id"], newest["id"])
        contains(beta.log(), "No space left on device; written in the room that is kept for this")
        equal(complaints(beta, "state-unwritten", "state-full"), ["state-full"])
        beta.kill()
        beta.start()  # still without room
        recovered(beta, [*records, newest])
        # that room comes to an end
        while "verdict not recorded yet" not in beta.log():
            fill_disk(beta, filler)
            equal(beta.hook(), ALLOWED)
        fill_disk(beta, filler)
        equal(beta.hook(), ALLOWED)
        newest_is_kept_until_it_is_written(beta, [*records, newest], filler.unlink)
        await_that("there is room again", lambda: complaints(beta, "state-full") == [])


def test_record_that_a_read_only_directory_refuses_is_written_later():
    with Lab() as lab:
        state = lab.directory / "beta/state"
        alpha, beta = lab.pair(leaving=True)
        run("mount", "--bind", state, state)
        lab.stack.callback(run, "umount", "--lazy", state)
        recovered(beta, [])
        records = beta.records()
        # refused while one of its files is open to be written
        await_that("nothing is being written", lambda: subprocess.run(
            ["mount", "-o", "remount,bind,ro", state], capture_output=True, check=False, timeout=60).returncode == 0)
        equal(beta.hook(), ALLOWED)
        equal(subprocess.run([sys.argv[2], "--config", str(beta.config)], capture_output=True, check=False, timeout=60,
                             env=dict(os.environ, **beta.bus_environment())).returncode, 1)
        newest_is_kept_until_it_is_written(beta, records, lambda: run("mount", "-o", "remount,bind,rw", state))
        contains(beta.log(), "Read-only file system")


def step_clock(beta, path, seconds):
    before = len(beta.log())
    with open(path, "r+b") as skew:  # mapped by the daemon: its length may not change
        skew.write((seconds * 1000000000).to_bytes(8, "little", signed=True))
    await_that("the step is named", lambda: "time of day was stepped" in beta.log()[before:])
    equal(beta.hook()[0], 0)  # the timebases did not move
    contains(beta.records()[0], "plan")
    await_that("it is measured anew", lambda: "the relation of the clocks holds again" in beta.log()[before:])
    await_that("it is known by how much", lambda: beta.hook() == ((0, ["tod-skew"]) if seconds else ALLOWED))


def test_wall_clock_that_is_stepped_is_named_and_spoils_no_verdict():
    with Lab() as lab:
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        lab.stack.callback(run, "umount", "--lazy", "/run")
        skew = pathlib.Path("/run/lab/skew.ns")
        skew.parent.mkdir()
        skew.write_bytes(bytes(8))
        _, beta = linked_pair(lab, environment={"LD_PRELOAD": os.environ["SKEW"], "ASAN_OPTIONS": "verify_asan_link_order=0"})
        records = beta.records()
        for seconds in (5, -3600, 0):
            step_clock(beta, skew, seconds)
        recovered(beta, records)


# ---- certificates ----

def shown_certificate(host):
    """What it shows to whoever connects; who that is does not matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", host.port), timeout=60) as plain, context.wrap_socket(plain) as link:
        return link.getpeercert(binary_form=True)


def test_certificate_is_replaced_without_losing_a_link():
    with Lab() as lab:
        alpha, beta = linked_pair(lab)
        records = beta.records()
        certificate = lab.pki.directory / "beta.cert.pem"
        equal(shown_certificate(beta), ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii")))
        before = certificate.read_bytes()
        lab.pki.issue("beta")
        assert certificate.read_bytes() != before
        beta.signal(signal.SIGHUP)
        beta.await_log("configuration and certificates read again")
        equal(shown_certificate(beta), ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii")))
        equal(beta.hook(), ALLOWED)
        equal(alpha.log().count("link lost") + beta.log().count("link lost"), 0)
        alpha.kill()
        alpha.start()
        beta.await_log("peer alpha: linked again")
        recovered(beta, records)


def test_certificate_that_is_broken_keeps_the_running_one():
    with Lab() as lab:
        alpha, beta = linked_pair(lab)
        certificate = lab.pki.directory / "beta.cert.pem"
        good = certificate.read_bytes()
        certificate.write_bytes(good[:100])
        beta.signal(signal.SIGHUP)
        beta.await_log("not reloaded, the running configuration stays: ")
        contains(beta.log(), "beta.cert.pem")
        equal(beta.hook(), ALLOWED)
        equal(alpha.log().count("link lost") + beta.log().count("link lost"), 0)


def test_peer_that_is_revoked_loses_its_link():
    with Lab() as lab:
        alpha, beta = linked_pair(lab)
        records = beta.records()
        lab.pki.revoke("alpha")
        beta.signal(signal.SIGHUP)
        beta.await_log("peer alpha: link lost: ")
        contains(beta.log(), "revoked")
        equal(beta.hook(), NO_SOURCE)
        equal(beta.peer("alpha")["state"] == "linked", False)
        lab.pki.revoke(None)
        beta.signal(signal.SIGHUP)
        beta.await_log("peer alpha: linked again")
        recovered(beta, records)


if __name__ == "__main__":
    enter_namespace()
    sys.exit(main("faults", sys.modules[__name__]))
