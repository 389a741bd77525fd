#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/quick-start.md, word by word, on two hosts with a real systemd and libvirtd, without certificates or configuration."""

import re
import shlex
import sys

import labtest

PAGE = labtest.HERE.parent.parent / "docs" / "quick-start.md"


def commands(page):
    """(where, command) of the fenced blocks: what follows a prompt, up to the next one."""
    for block in re.findall(r"^```\n(.*?)^```$", page, re.M | re.S):
        parts = re.split(r"^(alpha|beta|both)# ", block, flags=re.M)
        if parts[0]:
            raise labtest.LabError(f"no prompt before {parts[0]!r}")
        yield from zip(parts[1::2], (command.rstrip("\n") for command in parts[2::2]))


def scp(source, hosts, command):
    """The lab has no ssh; the files go by way of the lab itself."""
    *files, target = shlex.split(command)[1:]
    name, directory = target.split(":")
    for file in files:
        content = source.must("cat", file)
        hosts[name].must("tee", directory + file.rsplit("/", 1)[1], stdin=content.encode())


def bare(host):
    """A host after its installation; what is simulated stays, in a drop-in."""
    simulated = host.must("cat", "/etc/tbsyncd/tbsyncd.conf").split("[Peer", 1)[0]
    host.must("rm", "-rf", "/etc/pki", "/etc/tbsyncd/tbsyncd.conf", "/root/ca", "/root/tls")
    host.config("simulated", simulated)


def play(tap, hosts):
    for where, command in commands(PAGE.read_text(encoding="utf-8")):
        for host in hosts.values() if where == "both" else [hosts[where]]:
            if command.startswith("scp "):
                scp(host, hosts, command)
                continue
            result = host.run("bash", "-c", command)
            first = command.splitlines()[0]
            tap.ok(result.status == 0, f"{host.name}: {first}", result)
            if first == "tbsyncctl status":
                # "within a second": what is written next needs it
                for one, other in (("alpha", "beta"), ("beta", "alpha")):
                    hosts[one].wait_linked(other)
            yield first, result


def story(tap, lab, alpha, beta):
    for host in (alpha, beta):
        bare(host)
    alpha.start("guest1")
    shown = {}
    for command, result in play(tap, {"alpha": alpha, "beta": beta}):
        shown[command] = result.text
    tap.has(shown["tbsyncctl peers"], ["beta", "linked", "ok"], "the hosts are linked")
    tap.has(shown["tbsyncctl check guest1 beta"], ["allow"], "the guest may go")
    tap.ok(beta.runs("guest1"), "the guest runs on beta")
    tap.has(shown["tbsyncctl history"], ["guest1", "allow"], "and the history tells it")
    mode = alpha.must("stat", "-c", "%a %U", "/etc/pki/libvirt/private/serverkey.pem").strip()
    tap.ok(mode == "600 root", "the key is root's alone", mode)


if __name__ == "__main__":
    sys.exit(labtest.main(story, ("alpha", "beta"), mode="systemd"))
