#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Peers by DNS, from a real name server on the lab's network: records that come, go and lie; daemons in their sandbox."""

import sys

import labtest

DOMAIN = "lab.test"
ADDRESS = {"alpha": "10.77.0.1", "beta": "10.77.0.2", "gamma": "10.77.0.3"}
SERVER = "gamma"


def name(host):
    return f"{host.name}.{DOMAIN}"


def configure(lab, host):
    """No [Peer] section; a certificate of the name in DNS, beside libvirt's own; gamma's name server."""
    lab.must("certificate", name(host), f"{lab.run_dir}/pki/{name(host)}")
    for kind in ("cert", "key"):
        with open(f"{lab.run_dir}/pki/{name(host)}.{kind}.pem", "rb") as file:
            host.must("tee", f"/etc/tbsyncd/{kind}.pem", stdin=file.read())
    host.must("chown", "tbsyncd:", "/etc/tbsyncd/key.pem")
    host.must("chmod", "400", "/etc/tbsyncd/key.pem")
    main = host.must("cat", "/etc/tbsyncd/tbsyncd.conf").split("[Peer", 1)[0]
    host.must("tee", "/etc/tbsyncd/tbsyncd.conf", stdin=main.encode())
    files = "".join(f"{side}{kind}File=/etc/tbsyncd/{kind.lower()}.pem\n" for side in ("", "Client") for kind in ("Cert", "Key"))
    host.config("discover", f"[Daemon]\nName={name(host)}\n[Link]\n{files}"
                f"Discover=_tbsyncd._tcp.{DOMAIN}\nDiscoverIntervalSec=1\n")
    host.must("tee", "/etc/resolv.conf", stdin=f"nameserver {ADDRESS[SERVER]}\noptions timeout:1 attempts:1\n".encode())


class Dns:
    """dnsmasq, which takes other records with another start."""

    def __init__(self, host):
        self.host = host
        self.addresses = {f"{short}.{DOMAIN}": address for short, address in ADDRESS.items()}

    def serve(self, *targets):
        records = [f"srv-host=_tbsyncd._tcp.{DOMAIN},{target},16524" for target in targets]
        records += [f"host-record={full},{address}" for full, address in self.addresses.items()]
        text = "\n".join(["no-resolv", "no-hosts", "bind-interfaces", f"listen-address={ADDRESS[SERVER]}", "user=root",
                          f"local=/{DOMAIN}/", *records, ""])
        self.host.must("tee", "/etc/lab-dns.conf", stdin=text.encode())
        self.stop()
        self.host.must("systemd-run", "--quiet", "--collect", "--unit=lab-dns", "--property=Type=forking",
                       "/usr/sbin/dnsmasq", "--conf-file=/etc/lab-dns.conf", "--pid-file=/run/lab-dns.pid")

    def stop(self):
        self.host.run("systemctl", "stop", "lab-dns")


def peers(host):
    return sorted(peer["name"] for peer in host.ctl_json("peers"))


def wait_peers(host, *names):
    labtest.wait_until(f"{host.name} to have the peers {names}", lambda: peers(host) == sorted(names))


def doctor(host):
    return host.run("tbsyncctl", "doctor").text


def come(tap, alpha, beta, gamma, dns):
    wait_peers(alpha, name(beta))
    alpha.wait_linked(name(beta))
    beta.wait_linked(name(alpha))
    tap.ok(True, "alpha and beta have found each other by DNS")
    tap.ok(alpha.peer_property(name(beta), "Origin") == "dns", "which peers say of themselves")
    labtest.wait_until("gamma to have tried", lambda: gamma.peer_property(name(alpha), "Error"))
    tap.ok(gamma.peer_property(name(alpha), "State") != "linked" and peers(alpha) == [name(beta)],
           "gamma, which DNS does not name, is a stranger to them")
    alpha.start("guest1")
    result = alpha.migrate("guest1", beta)
    tap.ok(result.status == 0 and beta.runs("guest1"), "a guest migrates between them", result)
    tap.ok(beta.history(beta.uuid("guest1"))[0]["source"] == name(alpha), "and its record names the source by its name in DNS")
    dns.serve(name(alpha), name(beta), name(gamma))
    wait_peers(alpha, name(beta), name(gamma))
    for host in (alpha, beta):
        host.wait_linked(name(gamma))
    tap.ok(True, "a record more, and gamma is linked with both")
    log = alpha.journal("-o", "cat", "-u", "tbsyncd", f"TBSYNC_PEER={name(beta)}")
    tap.ok("linked" in log and "link lost" not in log, "the link to beta was not touched", log)


def go(tap, alpha, beta, gamma, dns):
    dns.serve(name(alpha), name(gamma))
    wait_peers(alpha, name(gamma))
    labtest.wait_until("beta to be shut out", lambda: beta.peer_property(name(alpha), "State") != "linked")
    tap.ok(True, "a record less, and beta is no peer any more")
    tap.ok(alpha.peer_property(name(gamma), "State") == "linked", "gamma still is")
    result = beta.migrate("guest1", alpha)
    tap.ok(result.status != 0 and "source-unknown" in result.err and beta.runs("guest1"),
           "a guest of its is refused, and runs on", result)


def lie(tap, alpha, beta, gamma, dns):
    """The server gives beta the address of gamma, names a host that is none, and one of another domain."""
    dns.addresses[name(beta)] = ADDRESS["gamma"]
    dns.addresses[f"delta.{DOMAIN}"] = ADDRESS["beta"]
    dns.serve(name(alpha), name(beta), name(gamma), f"delta.{DOMAIN}", "evil.example.com")
    wait_peers(alpha, name(beta), name(gamma), f"delta.{DOMAIN}")
    # what else is dialled under such a name shows its own certificate
    labtest.wait_until("alpha to have dialled what calls itself delta",
                       lambda: name(beta) in (alpha.peer_property(f"delta.{DOMAIN}", "Error") or ""))
    tap.ok(alpha.peer_property(f"delta.{DOMAIN}", "State") != "linked", "a name without a certificate is no peer")

    def tells_both():
        """At one time: on a busy machine any look-up and any dial may end otherwise, until the next one."""
        text = doctor(alpha)
        return "evil.example.com" in text and "peer-certificate" in text and text

    text = labtest.wait_until("doctor to tell of both hosts", tells_both)
    tap.has(text, ["discovery-foreign", f"delta.{DOMAIN}"], "doctor tells both")
    tap.ok("evil.example.com" not in peers(alpha), "a host of another domain is none")
    dns.addresses[name(beta)] = ADDRESS["beta"]
    del dns.addresses[f"delta.{DOMAIN}"]
    dns.serve(name(alpha), name(beta), name(gamma))
    wait_peers(alpha, name(beta), name(gamma))
    alpha.wait_linked(name(beta), name(gamma))
    tap.ok(True, "the records are right again, and so are the peers")


def silent(tap, alpha, beta, gamma, dns):
    dns.stop()
    text = labtest.wait_until("doctor to miss DNS", lambda: "discovery-failed" in (t := doctor(alpha)) and t)
    tap.has(text, [f"_tbsyncd._tcp.{DOMAIN}", "dig SRV"], "without a name server doctor says what to look at")
    tap.ok(alpha.peer_property(name(beta), "State") == "linked", "and the peers stay")
    alpha.tbsyncd("restart")
    tap.ok(peers(alpha) == [name(beta), name(gamma)], "a daemon that starts now knows them, too", peers(alpha))
    dns.serve(name(alpha), name(beta), name(gamma))
    alpha.wait_linked(name(beta), name(gamma))
    labtest.wait_until("doctor to be content", lambda: "discovery-failed" not in doctor(alpha))
    log = alpha.journal()
    tap.has(log, ["cannot look up Discover=", "peers found by Discover=: 2"], "the journal has told it")


def switched_off(tap, alpha, beta):
    alpha.config("zz-static", f"[Link]\nDiscover=\n[Peer {name(beta)}]\n")
    alpha.must("systemctl", "reload", "tbsyncd")
    wait_peers(alpha, name(beta))
    alpha.wait_linked(name(beta))
    tap.ok(alpha.peer_property(name(beta), "Origin") == "configuration", "without Discover= the static list is all there is")


def story(tap, lab, alpha, beta, gamma):
    dns = Dns({host.name: host for host in lab.hosts}[SERVER])
    dns.serve(name(alpha), name(beta))
    for host in lab.hosts:
        configure(lab, host)
        host.must("systemctl", "start", "tbsyncd")
    come(tap, alpha, beta, gamma, dns)
    go(tap, alpha, beta, gamma, dns)
    lie(tap, alpha, beta, gamma, dns)
    silent(tap, alpha, beta, gamma, dns)
    switched_off(tap, alpha, beta)


if __name__ == "__main__":
    sys.exit(labtest.main(story, ("alpha", "beta", "gamma"), mode="systemd"))
