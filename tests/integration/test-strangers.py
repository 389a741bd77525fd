#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-strangers.py TBSYNCCTL TBSYNCD: who is kept out by a running tbsyncd, and what it says.

None of them gets a byte of D-Bus, each leaves one line in the log, with the reason. tests/test-link-strangers.c has many more cases
against the same listener in one process, and the other direction: a server that is not who it should be.
"""

import contextlib
import os
import pathlib
import re
import socket
import ssl
import struct
import sys
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]
from ctl_tap import contains, equal, main  # noqa: E402
from hosts import Lab, await_that, enter_namespace, free_port  # noqa: E402

HELLO = b"\0AUTH ANONYMOUS\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
BOTH = "tls_www_server\ntls_www_client\n"
READ_PATIENCE_S = 60


def speak(link):
    """What is heard after the first words of D-Bus."""
    heard = b""
    try:
        link.sendall(HELLO)
        while True:
            data = link.recv(4096)
            if not data:
                return heard
            heard += data
            if len(heard) > 4096:
                return heard
    except TimeoutError:
        raise
    except OSError:  # an alert, or a reset
        return heard


def tls_context(lab, certificate, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if certificate:
        pki = lab.pki.directory
        context.load_cert_chain(pki / f"{certificate}.cert.pem", pki / f"{certificate}.key.pem")
    return context


def tls_stranger(lab, beta, certificate, version=ssl.TLSVersion.TLSv1_3):
    with socket.create_connection(("127.0.0.1", beta.port), timeout=READ_PATIENCE_S) as plain:
        try:
            link = tls_context(lab, certificate, version).wrap_socket(plain)
        except ssl.SSLError:
            return b""
        with link:
            return speak(link)


def plain_stranger(beta):
    with socket.create_connection(("127.0.0.1", beta.port), timeout=READ_PATIENCE_S) as link:
        return speak(link)


def refusals(beta):
    return re.findall(r"refused: (connection from .*)", beta.log())


class Door:
    """beta, which knows alpha alone, and what was said so far."""

    def __init__(self, lab):
        self.lab = lab
        self.beta = lab.host("beta", free_port(), {"alpha": free_port()})
        self.beta.start()

    def check(self, heard, reason):
        before = self.said
        await_that(f"one line for {reason}", lambda: len(refusals(self.beta)) > before)
        lines = refusals(self.beta)[before:]
        equal(len(lines), 1)
        contains(lines[0], reason)
        assert re.match(r"connection from 127\.0\.0\.1:\d+: ", lines[0]), lines[0]
        return heard

    def refuses(self, certificate, reason, version=ssl.TLSVersion.TLSv1_3):
        self.said = len(refusals(self.beta))
        equal(self.check(tls_stranger(self.lab, self.beta, certificate, version), reason), b"")

    def refuses_plain(self, reason):
        self.said = len(refusals(self.beta))
        # an alert at most, which is no D-Bus
        assert len(self.check(plain_stranger(self.beta), reason)) <= 7


def with_door(check):
    with Lab() as lab:
        door = Door(lab)
        check(lab, door)
        equal(door.beta.daemon.poll(), None)
        equal(door.beta.end(), 0)
        equal(len(refusals(door.beta)), 1)  # also of what it said later


def test_no_certificate():
    with_door(lambda lab, door: door.refuses(None, "it sent no certificate"))


def test_certificate_of_another_ca():
    def check(lab, door):
        lab.pki.make_ca("other")
        lab.pki.issue("foreign", "alpha", ca="other")
        door.refuses("foreign", "not signed by our CA but by 'CN=other'")
    with_door(check)


def test_expired_certificate():
    def check(lab, door):
        lab.pki.issue("old", "alpha", BOTH + 'activation_date = "2020-01-01 00:00:00 UTC"\nexpiration_date = "2020-02-01 00:00:00 UTC"\n')
        door.refuses("old", "certificate expired on 2020-02-01")
    with_door(check)


def test_certificate_that_is_not_yet_valid():
    def check(lab, door):
        lab.pki.issue("future", "alpha", BOTH + 'activation_date = "2090-01-01 00:00:00 UTC"\nexpiration_date = "2091-01-01 00:00:00 UTC"\n')
        door.refuses("future", "not yet valid")
    with_door(check)


def test_revoked_certificate():
    with Lab() as lab:
        lab.pki.revoke("alpha")
        door = Door(lab)
        door.refuses("alpha", "revoked by the CRL")
        equal(door.beta.end(), 0)
        equal(len(refusals(door.beta)), 1)


def test_certificate_for_servers_alone():
    def check(lab, door):
        lab.pki.issue("server", "alpha", "tls_www_server\n")
        door.refuses("server", "not for TLS clients")
    with_door(check)


def test_certificate_with_another_hosts_name():
    def check(lab, door):
        lab.pki.issue("alphb")
        door.refuses("alphb", "'alphb' is not in the peer list")
    with_door(check)


def test_host_of_the_fleet_that_is_no_peer():
    with_door(lambda lab, door: door.refuses("beta", "is not in the peer list"))


def test_tls_1_2():
    with_door(lambda lab, door: door.refuses("alpha", "does not speak TLS 1.3", ssl.TLSVersion.TLSv1_2))


def test_no_tls():
    with_door(lambda lab, door: door.refuses_plain("is not TLS"))


def test_silence():
    def check(lab, door):
        door.said = 0
        with socket.create_connection(("127.0.0.1", door.beta.port), timeout=READ_PATIENCE_S) as link:
            door.check(link.recv(4096), "time limit")
    with_door(check)


FLOOD = 10000
RSS_MAY_GROW = 0.05


def rss_kb(host):
    status = pathlib.Path(f"/proc/{host.daemon.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def knock(beta, times):
    """Three kinds by turns: no TLS, a hello that breaks off, a connection that is reset."""
    for i in range(times):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", beta.port), timeout=READ_PATIENCE_S) as link:
            if i % 3 == 0:
                link.sendall(HELLO)
                link.recv(64)
            elif i % 3 == 1:
                link.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            else:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def count_refused(beta):
    return len(refusals(beta)) + sum(int(number) for number in re.findall(r"(\d+) more refused connections were not logged", beta.log()))


def slowest(beta, hooks, go_on):
    """The 99th of 100 hooks, each allowed, in ms."""
    took_ms = []
    while len(took_ms) < hooks or go_on():
        start = time.monotonic()
        equal(beta.hook(), (0, []))
        took_ms.append((time.monotonic() - start) * 1000)
    return sorted(took_ms)[len(took_ms) * 99 // 100 - 1], len(took_ms)


def test_ten_thousand_strangers_leave_memory_flat_and_links_alone():
    with Lab() as lab:
        # the address sanitizer keeps what is freed, which is no growth of ours
        options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
        alpha, beta = lab.pair(leaving=True, environments={"beta": {"ASAN_OPTIONS": options}})
        beta.await_linked("alpha")
        alpha.await_log("connected to libvirt")
        await_that("the source is found", lambda: beta.hook() == (0, []))
        quiet_ms, _ = slowest(beta, 50, lambda: False)
        knock(beta, FLOOD // 10)
        before_kb = rss_kb(beta)
        flood = threading.Thread(target=knock, args=(beta, FLOOD))
        flood.start()
        flood_ms, hooks = slowest(beta, 10, flood.is_alive)
        flood.join()
        equal(beta.is_linked("alpha"), True)
        after_kb = rss_kb(beta)
        print(f"# p99 of a hook: {quiet_ms:.0f} ms, {flood_ms:.0f} ms among strangers ({hooks} hooks); RSS {before_kb} kB, then {after_kb} kB")
        assert after_kb < before_kb * (1 + RSS_MAY_GROW), (before_kb, after_kb)
        assert len(refusals(beta)) < FLOOD / 10, "the log is flooded"
        # the next one that is logged tells how many were not
        await_that("all were seen", lambda: knock(beta, 1) or count_refused(beta) >= FLOOD * 11 // 10)
        equal(beta.log().count("link lost"), 0)


def test_peer_is_let_in():
    """What is refused above is refused for its fault: nothing else was different."""
    with Lab() as lab:
        door = Door(lab)
        assert tls_stranger(lab, door.beta, "alpha") != b""
        equal(refusals(door.beta), [])


if __name__ == "__main__":
    enter_namespace()
    sys.exit(main("strangers", sys.modules[__name__]))
