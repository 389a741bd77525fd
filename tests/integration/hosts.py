# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real tbsyncd processes, each on a bus of its own, linked over loopback TLS; and a TCP relay that can spoil what passes it.

Host("alpha") ... make one directory each below a temporary one, with a throw-away certificate. CPU and timebase are simulated;
libvirt is its test driver, in which alpha defines one guest (inactive), so that a hook elsewhere finds its source.
"""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

TBSYNCCTL, TBSYNCD = (str(pathlib.Path(path).resolve()) for path in sys.argv[1:3])
PATIENCE_S = 60        # for what has no documented deadline; the machine may be busy
HOOK_PATIENCE_S = 15   # thrice a hook's deadline: the machine may stand still, too. D-Bus by itself would wait for 25 s
GUEST_UUID = "5a5a5a5a-1111-4222-8333-00000000beef"

PSERIES = f"""<domain type='kvm'><name>guest1</name><uuid>{GUEST_UUID}</uuid><memory>1048576</memory>
<os><type arch='ppc64' machine='pseries-7.2'>hvm</type></os><cpu mode='host-model'/></domain>"""

SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # linux/sockios.h, linux/if.h
PORTS = itertools.count(20001)    # below those that the kernel gives to whoever connects

# run state 1: running, 5: shut off
NODE = f"""<node><domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'><name>guest1</name>
<uuid>{GUEST_UUID}</uuid><memory>1048576</memory><os><type arch='i686'>hvm</type></os><test:runstate>%d</test:runstate></domain>
</node>"""


def enter_namespace():
    """Runs this program again as root with mounts and a loopback of its own: nobody else takes its ports."""
    if os.environ.get("TBSYNC_OWN_NAMESPACE"):
        with socket.socket() as link:
            fcntl.ioctl(link, SIOCSIFFLAGS, struct.pack("16sH", b"lo", IFF_UP))
        return
    words = ["unshare", "--mount", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    os.execvpe(words[0], [*words, sys.executable, *sys.argv], dict(os.environ, TBSYNC_OWN_NAMESPACE="1"))


def run(*words, **how):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=PATIENCE_S, **how)


def await_that(what, condition):
    """The last value of condition(), once it is true."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE_S} s: {what}")
        time.sleep(0.02)


def send_signal(process, number):
    """With SIGSTOP: and none of its threads goes on, which is so once its first one was scheduled and no earlier."""
    process.send_signal(number)
    if number == signal.SIGSTOP:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)


class Pki:
    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.make_ca("ca")

    def make_ca(self, name):
        self._template(name, f"cn = {name}\nca\ncert_signing_key\ncrl_signing_key\n")
        self._key(name)
        self._certtool("--generate-self-signed", "--load-privkey", f"{name}.key.pem", "--template", f"{name}.info",
                       "--outfile", f"{name}.cert.pem")

    def _template(self, name, text):
        if "expiration_" not in text:
            text += "expiration_days = 10\n"
        (self.directory / f"{name}.info").write_text(text, encoding="ascii")

    def _certtool(self, *words):
        run("certtool", *words, cwd=self.directory)

    def _key(self, name):
        self._certtool("--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", f"{name}.key.pem")

    def issue(self, name, host=None, lines="tls_www_server\ntls_www_client\n", ca="ca"):
        """A certificate in files named NAME for a host of that or another name, new each time."""
        self._template(name, f"cn = {host or name}\ndns_name = {host or name}\nsigning_key\n{lines}")
        self._key(name)
        self._certtool("--generate-certificate", "--load-privkey", f"{name}.key.pem", "--load-ca-certificate", f"{ca}.cert.pem",
                       "--load-ca-privkey", f"{ca}.key.pem", "--template", f"{name}.info", "--outfile", f"{name}.cert.pem")

    def revoke(self, name):
        self._template("crl", "")
        more = ["--load-certificate", f"{name}.cert.pem"] if name else []
        self._certtool("--generate-crl", "--load-ca-privkey", "ca.key.pem", "--load-ca-certificate", "ca.cert.pem", *more,
                       "--template", "crl.info", "--outfile", "crl.pem")


class Lab:
    """What the hosts of one case share. Ends with its "with" block: all processes with it."""

    pki_template = None  # certificates of the first lab, copied by the others

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tbsync-faults-"))
        self.stack = contextlib.ExitStack()
        self.hosts = []

    def __enter__(self):
        if Lab.pki_template is None:
            Lab.pki_template = pathlib.Path(tempfile.mkdtemp(prefix="tbsync-pki-")) / "pki"
            pki = Pki(Lab.pki_template)
            for name in ("alpha", "beta"):
                pki.issue(name)
            pki.revoke(None)
        shutil.copytree(Lab.pki_template, self.directory / "pki")
        self.pki = Pki.__new__(Pki)
        self.pki.directory = self.directory / "pki"
        return self

    def __exit__(self, kind, value, trace):
        for host in self.hosts:
            if kind:
                print("".join(f"# {host.name}: {line}\n" for line in host.log().splitlines()[-20:]), end="")
        ends = [host.end() for host in self.hosts]
        self.stack.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        assert kind or all(status in (None, 0) for status in ends), ends

    def host(self, name, port, peers, **more):
        host = Host(self, name, port, peers, more)
        self.hosts.append(host)
        return host

    def pair(self, leaving=False, environments=None, **more_of_beta):
        """alpha, which has the guest, and beta, which is asked by the hook; started."""
        ports = [free_port(), free_port()]
        alpha = self.host("alpha", ports[0], {"beta": ports[1]}, uri=self.test_uri(leaving))
        beta = self.host("beta", ports[1], {"alpha": ports[0]}, **more_of_beta)
        if leaving:
            alpha.has_leaving_guest()
        for host in (alpha, beta):
            host.environment.update((environments or {}).get(host.name, {}))
        alpha.start()
        beta.start()
        return alpha, beta

    def test_uri(self, running=False):
        path = self.directory / "node.xml"
        path.write_text(NODE % (1 if running else 5), encoding="ascii")
        return f"test://{path}"


def free_port():
    return next(PORTS)


class Host:
    def __init__(self, lab, name, port, peers, more):
        self.lab, self.name, self.port = lab, name, port
        self.directory = lab.directory / name
        self.directory.mkdir()
        self.daemon = self.bus = None
        self.log_path = self.directory / "log"
        self.environment = dict(more.get("environment", {}))
        self.wrapper = os.environ.get("TBSYNC_RUN_WRAPPER", "").split()
        self.config = self.directory / "tbsyncd.conf"
        d, pki = self.directory, lab.pki.directory
        self.config.write_text(
            f"[Daemon]\nName={name}\nStateDirectory={d}/state\nRuntimeDirectory={d}/run\nHookDirectory={d}/hooks\n"
            "[Timebase]\nSource=simulated\n[Host]\nPVR=0x004e1202\nKvm=hv\nTbOffset=yes\nMMU=hash,radix\nNested=no\n"
            "Kernel=6.1.0\nQemuVersion=7.2.22\nMachineTypes=pseries-7.2\n"
            f"[Link]\nListen=127.0.0.1:{port}\nCAFile={pki}/ca.cert.pem\nCRLFile={pki}/crl.pem\nPollIntervalSec=1\n"
            f"CertFile={pki}/{name}.cert.pem\nKeyFile={pki}/{name}.key.pem\n"
            f"ClientCertFile={pki}/{name}.cert.pem\nClientKeyFile={pki}/{name}.key.pem\n"
            f"[Libvirt]\nURI={more.get('uri', 'test:///default')}\n[Policy]\nUnknownFacts=allow\n"
            + "".join(f"[Peer {peer}]\nAddress=127.0.0.1\nPort={at}\n" for peer, at in peers.items()), encoding="utf-8")

    def has_leaving_guest(self):
        """From its start on libvirt says that its guest is being migrated out; how its timebase stands is known from an earlier one."""
        xml = self.directory / "guest.xml"
        xml.write_text(PSERIES, encoding="ascii")
        self.environment.update(LD_PRELOAD=os.environ["KILL_SHIM"], TBSYNC_LEAVING_XML=str(xml), ASAN_OPTIONS="verify_asan_link_order=0")
        guests = self.directory / "state/guests"
        guests.mkdir(parents=True)
        (guests / f"{GUEST_UUID}.json").write_text(json.dumps(
            {"version": 1, "uuid": GUEST_UUID, "tb_offset_ticks": 0, "ahead_lo_ticks": 0, "ahead_hi_ticks": 0}), encoding="ascii")

    # ---- processes ----

    def start_bus(self):
        path = self.directory / "bus"
        path.unlink(missing_ok=True)
        self.bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address=unix:path={path}", "--print-address"],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with self.bus.stdout as address:  # told once it listens
            assert address.readline(), "dbus-daemon does not start"

    def start(self):
        if self.bus is None:
            self.start_bus()
        before = self.log().count("ready\n")
        with open(self.log_path, "ab") as log:
            env = {key: value for key, value in os.environ.items() if key not in ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET")}
            self.daemon = subprocess.Popen([*self.wrapper, TBSYNCD, "--config", str(self.config)], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, env=dict(env, **self.bus_environment(), **self.environment))
        await_that(f"tbsyncd of {self.name} is ready", lambda: self.daemon.poll() is not None
                   or self.log().count("ready\n") > before)
        assert self.daemon.poll() is None, self.log()

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def signal(self, number):
        send_signal(self.daemon, number)

    def end(self):
        """Its exit status; None if it had ended before. It ends by itself, so that leaks are found."""
        status = None
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGCONT)
            self.daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self.daemon.wait(PATIENCE_S)
        for process in (self.daemon, self.bus):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        return status

    # ---- what is seen of it ----

    def bus_environment(self):
        return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.directory}/bus", "LC_ALL": "C.UTF-8"}

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def await_log(self, text, times=1):
        await_that(f"{self.name} says {times} times: {text}", lambda: self.log().count(text) >= times)

    def ctl(self, *words):
        return subprocess.run([TBSYNCCTL, *words], env=dict(os.environ, **self.bus_environment()), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    def peer(self, name):
        done = self.ctl("peers", "--json")
        return next((p for p in json.loads(done.stdout or "[]") if p["name"] == name), None)

    def is_linked(self, name):
        peer = self.peer(name)
        return bool(peer) and peer["state"] == "linked" and peer["relation"]["state"] == "ok"

    def await_linked(self, name):
        await_that(f"{self.name} is linked with {name}", lambda: self.is_linked(name))

    def hook_start(self, operation="migrate"):
        hook = subprocess.Popen([TBSYNCCTL, "hook", "guest1", operation, "begin", "-"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=dict(os.environ, **self.bus_environment(), TBSYNC_CONFIG_FILE=str(self.config)))
        hook.stdin.write(PSERIES)
        hook.stdin.close()
        hook.stdin = None
        return hook

    def hook_end(self, hook):
        """Exit status and finding codes, first the most severe. It has an end of its own."""
        try:
            out, err = hook.communicate(timeout=HOOK_PATIENCE_S)
        finally:
            hook.kill()
        assert out == "", out
        return hook.returncode, re.findall(r"\[([a-z-]+)\]$", err, flags=re.M)

    def hook(self):
        return self.hook_end(self.hook_start())

    def records(self):
        done = self.ctl("history", "--json", "--limit", "0")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


# ---- the relay ----

class Relay:
    """Between a dialler and 127.0.0.1:port. What it does is an attribute that may be changed at any time:
    "pass", "hold" (black hole: nothing passes, nothing is closed), "bytes" (one at a time), "reset" (in the handshake: after
    the first bytes of either side), "delay" (each piece so many seconds later)."""

    def __init__(self, port, mode="pass", delay_s=0.0):
        self.target, self.mode, self.delay_s = port, mode, delay_s
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.closed = True
        self.listener.close()

    def _accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                continue
            self.connections += 1
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client, server):
        with contextlib.suppress(OSError):
            while not self.closed:
                # what is held is left where it is, the end of a connection too
                ready = [] if self.mode == "hold" else select.select([client, server], [], [], 0.05)[0]
                if not ready:
                    time.sleep(0.01)
                for source in ready:
                    data = source.recv(16384)
                    if not data:
                        raise OSError("the end")
                    self._send(data, server if source is client else client)
        for end in (client, server):
            if self.mode == "reset":
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()

    def _send(self, data, sink):
        if self.mode == "delay":
            time.sleep(self.delay_s)
        if self.mode == "reset":
            raise OSError("reset")
        step = 1 if self.mode == "bytes" else len(data)
        for i in range(0, len(data), step):
            sink.sendall(data[i:i + step])
