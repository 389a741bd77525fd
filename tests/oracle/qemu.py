# SPDX-License-Identifier: LGPL-2.1-or-later
"""One qemu-system-ppc64 process under TCG, driven over QMP; and the guest it runs for a moment.

The guest is no operating system but a few instructions given as firmware: they make the one hypercall that settles
the compat mode (H_CAS), tell its return code on the console and spin. No call here waits by the clock: QMP events,
the console and the end of the process are awaited, all under one deadline per process.
"""

import json
import os
import re
import select
import socket
import struct
import subprocess
import time

DEADLINE_S = 60

H_CAS = 0xF002
H_PUT_TERM_CHAR = 0x58
CAS_VECTOR = 0x400        # where the vectors stand in the blob
CAS_BUFFER = 0x100000     # where QEMU may put the device tree
ENTRY = 0x100

# what Linux offers (arch/powerpc/kernel/prom_init.c, ibm_architecture_vec_template): mask, PVR; the last one is
# what QEMU takes as the end of the list
LINUX_PVRS = ((0xfffe0000, 0x003a0000), (0xffff0000, 0x003e0000), (0xffff0000, 0x003f0000),
              (0xffff0000, 0x004b0000), (0xffff0000, 0x004c0000), (0xffff0000, 0x004d0000),
              (0xffff0000, 0x004e0000), (0xffff0000, 0x00800000), (0xffff0000, 0x00820000),
              (0xffffffff, 0x0f000007), (0xffffffff, 0x0f000006), (0xffffffff, 0x0f000005),
              (0xffffffff, 0x0f000004), (0xffffffff, 0x0f000003), (0xffffffff, 0x0f000002),
              (0xfffffffe, 0x0f000001))
LINUX_PVRS_OF_POWER8 = tuple(pair for pair in LINUX_PVRS
                             if pair[1] not in (0x004e0000, 0x00800000, 0x00820000, 0x0f000007, 0x0f000006, 0x0f000005))

MODES = {0x0f000002: "power6", 0x0f000003: "power7", 0x0f100003: "power7+", 0x0f000004: "power8", 0x0f000005: "power9",
         0x0f000006: "power10", 0x0f000007: "power11"}


def option_vectors(xive):
    """Five option vectors; 1 and 5 are those that QEMU reads. Each: its length minus 1, its bytes."""
    first = bytearray(4)
    fifth = bytearray(26)
    if xive:
        first[2] = 0x80            # byte 3: ISA 3.0
        fifth[22] = 0x40           # byte 23: XIVE exploitation
        fifth[23] = 0x40           # byte 24: radix
        fifth[25] = 0x40           # byte 26: radix with GTSE
    vectors = [bytes(first), b"\0", b"\0", b"\0", bytes(fifth)]
    return bytes([len(vectors) - 1]) + b"".join(bytes([len(v) - 1]) + v for v in vectors)


def firmware(pvrs=LINUX_PVRS, xive=False):
    """Big-endian code and data, entered at 0x100 in real mode."""
    def li(reg, value):
        return 0x38000000 | reg << 21 | value

    def lis(reg, value):
        return 0x3c000000 | reg << 21 | value

    def ori(reg, value):
        return 0x60000000 | reg << 21 | reg << 16 | value

    def mr(to, source):
        return 0x7c000378 | source << 21 | to << 16 | source << 11

    code = [li(3, 0), ori(3, H_CAS), li(4, CAS_VECTOR), lis(5, CAS_BUFFER >> 16), lis(6, 0x10), 0x44000022,  # sc 1
            mr(6, 3), li(3, H_PUT_TERM_CHAR), li(4, 0), li(5, 8), li(7, 0), 0x44000022,
            0x48000000]                                                                                    # b .
    blob = bytearray(12 * 1024)
    struct.pack_into(">%dI" % len(code), blob, ENTRY, *code)
    vector = b"".join(struct.pack(">II", mask, pvr) for mask, pvr in pvrs) + option_vectors(xive)
    blob[CAS_VECTOR:CAS_VECTOR + len(vector)] = vector
    return bytes(blob)


class QemuEnded(Exception):
    """The process has ended; its last words."""


class Qemu:
    """One process, stopped (-S) until told otherwise. A context manager: ends with its process ended."""

    def __init__(self, binary, options, blob):
        ours, theirs = socket.socketpair()
        self.deadline = time.monotonic() + DEADLINE_S
        self.sock = ours
        self.pending = b""
        self.events = []
        self.process = subprocess.Popen(
            [binary, "-nodefaults", "-display", "none", "-accel", "tcg", "-m", "256", "-S", "-bios", blob,
             "-chardev", "socket,id=q,fd=%d" % theirs.fileno(), "-mon", "chardev=q,mode=control",
             "-chardev", "stdio,id=c,signal=off", "-device", "spapr-vty,reg=0x30000000,chardev=c"] + options,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[theirs.fileno()])
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.communicate()
        self.sock.close()

    def last_words(self):
        self.process.kill()
        words = self.process.communicate()[1].decode(errors="replace")
        return "; ".join(line for line in words.splitlines()
                         if not re.search(r"warning:|TCG doesn't support requested feature", line))

    def wait_readable(self, fd):
        if not select.select([fd], [], [], max(0, self.deadline - time.monotonic()))[0]:
            raise TimeoutError("qemu did not answer within %d s" % DEADLINE_S)

    def message(self):
        """The next QMP message; QemuEnded at the end."""
        while b"\n" not in self.pending:
            self.wait_readable(self.sock)
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise QemuEnded(self.last_words())
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return json.loads(line)

    def greet(self):
        """Version of this QEMU, "7.2.22"."""
        version = self.message()["QMP"]["version"]["qemu"]
        self.command("qmp_capabilities")
        return "%(major)d.%(minor)d.%(micro)d" % version

    def command(self, name, **arguments):
        try:
            self.sock.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        except BrokenPipeError:
            raise QemuEnded(self.last_words()) from None
        while True:
            answer = self.message()
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError("%s: %s" % (name, answer["error"]["desc"]))
            else:
                return answer["return"]

    def wait_migration(self):
        """True: completed; False: failed."""
        while True:
            event = self.events.pop(0) if self.events else self.message()
            status = event.get("data", {}).get("status") if event.get("event") == "MIGRATION" else None
            if status in ("completed", "failed"):
                return status == "completed"

    def run_guest(self):
        """Runs the guest until it has told what H_CAS returned."""
        self.command("cont")
        told = b""
        while len(told) < 8:
            self.wait_readable(self.process.stdout)
            data = os.read(self.process.stdout.fileno(), 8 - len(told))
            if not data:
                raise QemuEnded(self.last_words())
            told += data
        self.command("stop")
        return struct.unpack(">q", told)[0]

    def migrate_events(self):
        self.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])

    def save(self, path):
        self.migrate_events()
        self.command("migrate", uri="exec:cat > " + path)
        if not self.wait_migration():
            raise RuntimeError("migration to a file failed")

    def load(self, path):
        """True: taken. False or QemuEnded: refused."""
        self.migrate_events()
        self.command("migrate-incoming", uri="exec:cat " + path)
        return self.wait_migration()


def stream_mode(path):
    """The compat mode in the stream: "raw" if its subsection is absent."""
    with open(path, "rb") as stream:
        data = stream.read()
    at = data.find(b"\x05\x0acpu/compat")
    return "raw" if at < 0 else MODES[struct.unpack_from(">I", data, at + 2 + len("cpu/compat") + 4)[0]]
