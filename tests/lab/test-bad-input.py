#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is hostile or wrong gets one clear error; neither the daemon nor a migration in flight is lost."""

import subprocess
import sys

import labtest

SECRET = "root:x:0:0"
MIB = 1 << 20


def hostile_documents(good):
    """Name -> XML for the hook."""
    text = good.decode()
    bomb = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9)) + "]>"
    thief = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    return {
        "nothing at all": b"",
        "what is not XML": b"\x00\xff\xfenot XML",
        "half a document": good[:len(good) // 2],
        "an entity bomb": (bomb + text.replace("<name>guest1", "<name>&j;")).encode(),
        "an entity from a file": (thief + text.replace("<name>guest1", "<name>&x;")).encode(),
        "a document of 5 MiB": good.replace(b"</domain>", b"<!--" + b"x" * (5 * MIB) + b"--></domain>"),
        "elements 100000 deep": b"<domain>" + b"<a>" * 100000,
        "a UUID that is none": good.replace(b"<uuid>", b"<uuid>../../etc/"),
        "no UUID": good[:good.index(b"<uuid>")] + good[good.index(b"</uuid>") + 7:],
        "a NUL in the name": good.replace(b"<name>guest1", b"<name>gue\x00st1"),
    }


def documents(tap, lab, host):
    good = lab.xml(name="guest1")
    pid = host.tbsyncd_pid()
    for name, xml in hostile_documents(good).items():
        result = host.hook("guest1", "migrate", "begin", "-", xml=xml)
        tap.ok(result.status not in (0, 126, 127) and result.out == "" and result.err.startswith("tbsync: ")
               and SECRET not in result.err, f"{name}: refused in words, nothing on stdout", result)
    tap.ok(host.tbsyncd_pid() == pid, "the daemon is the same all the time")
    tap.ok(host.run("tbsyncctl", "status").status == 0, "and answers")


def configurations(tap, host):
    for what, text, words in (
            ("an unknown key", "[Policy]\nNoSuchKey=1\n", ["wrong.conf", "NoSuchKey"]),
            ("an unknown section", "[Nonsense]\nA=1\n", ["wrong.conf", "Nonsense"]),
            ("a value out of range", "[Daemon]\nHookDeadlineMSec=60000\n", ["wrong.conf", "HookDeadlineMSec", "60000"]),
            ("a word that is no number", "[Timebase]\nStartTicks=many\n", ["wrong.conf", "StartTicks", "many"]),
            ("an unknown CPU fact", "[Host]\nPVR=POWER9\n", ["wrong.conf", "PVR"]),
            ("the same peer twice", "[Peer delta]\n[Peer delta]\n", ["wrong.conf", "delta"])):
        host.config("wrong", text)
        result = host.run("tbsyncd")
        tap.ok(result.status != 0 and len(result.err.splitlines()) == 1 and all(word in result.err for word in words),
               f"{what}: the daemon does not start and one line names it", result)
    host.config("wrong", None)


def give_certificate(lab, host, prefix, authority=None):
    """The host has the pair PREFIX.cert.pem, PREFIX.key.pem from now on, and another authority if there is one."""
    pki = lab.must("root", host.name).strip() + "/etc/pki"
    for kind in ("server", "client"):
        subprocess.run(["install", "-m", "644", f"{prefix}.cert.pem", f"{pki}/libvirt/{kind}cert.pem"], check=True)
        subprocess.run(["install", "-m", "600", f"{prefix}.key.pem", f"{pki}/libvirt/private/{kind}key.pem"], check=True)
    subprocess.run(["install", "-m", "644", authority or f"{lab.run_dir}/pki/cacert.pem", f"{pki}/CA/cacert.pem"],
                   check=True)


def not_linked(tap, host, peer, what, words):
    """`peer` does not link with `host` and says why."""
    host.tbsyncd("restart")

    def reason():
        error = peer.peer_property(host.name, "Error") or ""
        return peer.peer_property(host.name, "State") != "linked" and any(word in error for word in words) and error

    error = labtest.wait_until(f"{peer.name} to say why {host.name} is not linked", reason)
    tap.has(error, [host.name], f"{what}: not linked, and the reason names the peer")
    tap.ok("\n" not in error, f"{what}: the reason is one line", error)
    tap.ok(host.peer_property(peer.name, "State") != "linked", f"{what}: nor is it linked the other way")


def certificates(tap, lab, alpha, gamma):
    alpha.wait_linked("beta")
    lab.must("certificate", "mallory", f"{lab.run_dir}/mallory")
    give_certificate(lab, gamma, f"{lab.run_dir}/mallory")
    not_linked(tap, gamma, alpha, "a certificate with another name", ["mallory"])

    stranger = labtest.Lab([])      # never up: for its authority
    stranger.must("certificate", "gamma", f"{stranger.run_dir}/gamma")
    give_certificate(lab, gamma, f"{stranger.run_dir}/gamma")
    gamma.tbsyncd("stop")
    result = lab.call("tbsyncd", "gamma", "start")
    tap.ok(result.status != 0 and "servercert.pem" in result.err and "CA" in result.err,
           "a certificate that the own authority did not sign: the daemon does not start and names it", result)
    give_certificate(lab, gamma, f"{stranger.run_dir}/gamma", f"{stranger.run_dir}/pki/cacert.pem")
    not_linked(tap, gamma, alpha, "a host of another authority", ["certificate", "CA"])
    subprocess.run(["rm", "-r", stranger.run_dir], check=True)

    tap.ok(alpha.peer_property("beta", "State") == "linked", "alpha and beta are linked as before")
    give_certificate(lab, gamma, f"{lab.run_dir}/pki/gamma")
    gamma.tbsyncd("restart")
    alpha.wait_linked("gamma")
    tap.ok(gamma.run("tbsyncctl", "peers").status == 0, "with its own certificate gamma is linked again")


def in_flight(tap, lab, alpha, beta):
    """A migration is under way while the destination's daemon is fed rubbish and killed."""
    alpha.start("guest1")
    mover = labtest.Background(alpha.migrate, "guest1", beta, "--bandwidth", "1")
    labtest.wait_until("the guest to arrive", lambda: beta.state("guest1") is not None or not mover.is_alive())
    # on a busy machine a hook takes as long as the whole transfer: QEMU waits for them
    with alpha.stopped("/run/libvirt/qemu/guest1.pid"):
        tap.ok(mover.is_alive() and alpha.state("guest1") == "running", "a slow migration is under way")
        record = beta.history(beta.uuid("guest1"))[0]
        xml = lab.xml(name="guest1")
        for name, document in hostile_documents(xml).items():
            if "MiB" not in name:
                beta.hook("guest1", "migrate", "begin", "-", xml=document)
        beta.tbsyncd("kill")
        tap.ok(mover.is_alive(), "it still is after hostile XML and the daemon's end")
    result = mover.result()
    tap.ok(result.status == 0 and beta.runs("guest1"), "and it ends well", result)
    beta.tbsyncd("start")
    records = beta.history(beta.uuid("guest1"))
    tap.ok(record["decision"] == "allow" and record["id"] in (one["id"] for one in records), "its record outlived the daemon", records)
    beta.remove("guest1")


def story(tap, lab, alpha, beta, gamma):
    lab.link_all()
    documents(tap, lab, beta)
    configurations(tap, beta)
    in_flight(tap, lab, alpha, beta)
    certificates(tap, lab, alpha, gamma)


if __name__ == "__main__":
    sys.exit(labtest.main(story, ("alpha", "beta", "gamma")))
