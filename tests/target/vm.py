# SPDX-License-Identifier: LGPL-2.1-or-later
"""Emulated POWER machines: pseries VMs that boot the image's systemd, PowerNV machines that run one script in the initrd.

State of a machine: DIRECTORY/run/NAME, where DIRECTORY is the one that build-image and get-qemu10 filled. `share` of a machine is
a directory of this host that it sees as /share.
"""

import base64
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

# without the mitigations that TCG does not have, no guest of KVM would start
PSERIES = "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off"


class VmError(Exception):
    """The machine does not work: nothing was shown."""


class Socket:
    """A line of JSON each way: QMP, or the guest agent."""

    def __init__(self, path, timeout_s):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout_s)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def read(self):
        line = self.lines.readline()
        if not line:
            raise EOFError
        return json.loads(line.lstrip(b"\xff"))

    def send(self, command, **arguments):
        message = {"execute": command, **({"arguments": arguments} if arguments else {})}
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def call(self, command, **arguments):
        self.send(command, **arguments)
        while True:
            answer = self.read()
            if "error" in answer:
                raise VmError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]


class Qemu:
    """A QEMU for ppc64: the machine's own, or the one of get-qemu10."""

    def __init__(self, directory=None):
        root = directory / "qemu10" if directory else pathlib.Path("/")
        self.program = str(root / "usr/bin/qemu-system-ppc64")
        self.options = ["-L", str(root / "usr/share/qemu")] if directory else []
        text = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = re.search(r"version (\S+)", text).group(1)


class Machine:
    def __init__(self, directory, name, qemu=None):
        self.directory = directory
        self.state = directory / "run" / name
        self.state.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.qemu = qemu or Qemu()
        self.process = None
        self.started_s = 0.0

    def start(self, *options):
        for stale in self.state.glob("*.sock"):
            stale.unlink()
        command = ["nice", self.qemu.program, *self.qemu.options, "-name", self.name, "-display", "none",
                   "-kernel", str(self.directory / "vmlinux"), "-initrd", str(self.directory / "initrd.img"),
                   "-qmp", f"unix:{self.state}/qmp.sock,server=on,wait=off", *options]
        with open(self.state / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.started_s = time.monotonic()

    def age_s(self):
        return time.monotonic() - self.started_s

    def console(self):
        try:
            return (self.state / "console.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def check_alive(self):
        if self.process.poll() is not None:
            log = (self.state / "qemu.log").read_text(errors="replace")
            raise VmError(f"{self.name}: QEMU ended with {self.process.returncode}: {log}")

    def qmp(self, command, **arguments):
        with Socket(self.state / "qmp.sock", 30) as qmp:
            qmp.read()
            qmp.call("qmp_capabilities")
            return qmp.call(command, **arguments)

    def hmp(self, line):
        return self.qmp("human-monitor-command", **{"command-line": line})

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class PowerNv(Machine):
    """Bare metal: skiboot, Linux, `script` of the share in the initrd's busybox, power off."""

    def run(self, cpu, share, script, patience_s=300):
        """Returns the console's text."""
        (self.state / "console.log").unlink(missing_ok=True)
        # with -nodefaults PowerNV would have no PCI
        self.start("-M", cpu.replace("power", "powernv"), "-cpu", cpu, "-smp", "2,cores=2,threads=1", "-m", "2048",
                   "-accel", "tcg,thread=multi", "-nic", "none", "-serial", f"file:{self.state}/console.log",
                   "-append", f"console=hvc0 mitigations=off vm.run={script}",
                   "-fsdev", f"local,id=share,path={share},security_model=none",
                   "-device", "virtio-9p-pci,fsdev=share,mount_tag=share,bus=pcie.0")
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired as error:
            raise VmError(f"{self.name} is not done after {patience_s} s:\n{self.console()[-2000:]}") from error
        return self.console()


class Pseries(Machine):
    """Boots the image's systemd. `wire` is a socket of two machines: who comes first listens."""

    def __init__(self, directory, name, number, qemu=None):
        super().__init__(directory, name, qemu)
        self.number = number
        self.share = None

    def boot(self, share, *, image="base", wire=None, nested=False, memory_mib=1024, cpus=1, cpu="power9", options=(),
             keep=False):
        self.share = share
        disk = self.state / "disk.qcow2"
        if not keep or not disk.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b",
                            str(self.directory / f"{image}.qcow2"), str(disk)], check=True)
        arguments = [
            "-M", PSERIES + (",cap-nested-hv=on" if nested else ""), "-cpu", cpu, "-smp", str(cpus),
            "-m", str(memory_mib), "-accel", "tcg,thread=multi", "-nodefaults",
            "-append", f"console=hvc0 vm.number={self.number} net.ifnames=0 mitigations=off no_stf_barrier",
            "-chardev", f"file,id=console,path={self.state}/console.log", "-device", "spapr-vty,chardev=console",
            "-drive", f"file={disk},if=none,id=disk,cache=unsafe", "-device", "virtio-blk-pci,drive=disk",
            "-fsdev", f"local,id=share,path={share},security_model=none",
            "-device", "virtio-9p-pci,fsdev=share,mount_tag=share",
            "-object", "rng-random,filename=/dev/urandom,id=random", "-device", "virtio-rng-pci,rng=random",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={self.state}/agent.sock,server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
        if wire:
            end = "off" if os.path.exists(wire) else "on"
            arguments += ["-netdev", f"stream,id=wire,server={end},addr.type=unix,addr.path={wire}",
                          "-device", f"virtio-net-pci,netdev=wire,mac=52:54:00:aa:01:{self.number:02x},romfile="]
        self.start(*arguments, *options)
        if wire:
            self.wait("the end of the wire", lambda: os.path.exists(wire), 10)

    def wait(self, what, condition, patience_s=120, pause_s=0.25):
        end = time.monotonic() + patience_s
        while True:
            self.check_alive()
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise VmError(f"{self.name}: waited {patience_s} s in vain for {what}\n{self.console()[-1500:]}")
            time.sleep(pause_s)

    def agent(self, timeout_s=180):
        agent = Socket(self.state / "agent.sock", timeout_s)
        number = time.monotonic_ns() & 0x7FFFFFFF
        agent.send("guest-sync", id=number)
        while True:
            try:
                if agent.read().get("return") == number:
                    return agent
            except ValueError:
                pass  # what an earlier, interrupted call left

    def answers(self):
        try:
            with self.agent(5):
                return True
        except (OSError, EOFError):
            return False

    def wait_up(self, patience_s=300):
        """Until the agent answers; returns seconds since the start."""
        self.wait("the guest agent", self.answers, patience_s, 0.5)
        return self.age_s()

    def run(self, script, patience_s=120):
        """(exit status, both outputs) of a shell script."""
        with self.agent() as agent:
            pid = agent.call("guest-exec", path="/bin/sh", arg=["-c", script], **{"capture-output": True})["pid"]
            end = time.monotonic() + patience_s
            pause_s = 0.02
            while True:
                status = agent.call("guest-exec-status", pid=pid)
                if status["exited"]:
                    text = b"".join(base64.b64decode(status.get(key, "")) for key in ("out-data", "err-data"))
                    return status.get("exitcode", 128 + status.get("signal", 0)), text.decode(errors="replace")
                if time.monotonic() > end:
                    raise VmError(f"{self.name}: not done after {patience_s} s: {script}")
                time.sleep(pause_s)
                pause_s = min(pause_s * 1.5, 0.5)

    def must(self, script, patience_s=120):
        status, text = self.run(script, patience_s)
        if status != 0:
            raise VmError(f"{self.name}: exit {status}: {script}\n{text}")
        return text

    def json(self, script):
        """What a script prints, as JSON."""
        return json.loads(self.must(script))

    def reboot(self):
        boot = self.must("cat /proc/sys/kernel/random/boot_id")
        with self.agent() as agent:
            agent.send("guest-shutdown", mode="reboot")
        start = time.monotonic()

        def is_back():
            try:
                return self.answers() and self.run("cat /proc/sys/kernel/random/boot_id")[1] != boot
            except (VmError, OSError, EOFError):
                return False
        self.wait(f"{self.name} to be back", is_back, 300, 1)
        return time.monotonic() - start
