# SPDX-License-Identifier: LGPL-2.1-or-later
"""On a host: how many times an empty sh script the hook costs where tbsyncd has no business. "WHAT RATIO" a line.

The two run alternately and the fastest of many runs counts: what else the machine does only ever adds.
"""

import os
import subprocess
import tempfile
import time

HOOK = "/etc/libvirt/hooks/qemu.d/90-tbsyncd"
ROUNDS = 150
OPERATIONS = ("prepare", "start", "started", "stopped", "release", "reconnect")

# as libvirt writes it; the long tail is what a real guest has
XML = ("<domain type='kvm'>\n  <name>g</name>\n  <uuid>5a5a5a5a-1111-4222-8333-00000000beef</uuid>\n"
       "  <memory unit='KiB'>524288</memory>\n  <vcpu placement='static'>1</vcpu>\n"
       "  <os>\n    <type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>\n  </os>\n"
       + "    <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>\n" * 60
       + "</domain>\n").encode()


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, input=XML, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main():
    with tempfile.TemporaryDirectory() as directory:
        empty = os.path.join(directory, "empty")
        with open(empty, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 0\n")
        os.chmod(empty, 0o755)
        for what, operation in (*((f"hook {op}", op) for op in OPERATIONS), ("hook migrate of an x86 guest", "migrate")):
            arguments = ["g", operation, "begin", "-"]
            own, other = [], []
            for _ in range(ROUNDS):
                own.append(seconds([HOOK, *arguments]))
                other.append(seconds([empty, *arguments]))
            print(f"{what} {min(own) / min(other):.2f}")


main()
