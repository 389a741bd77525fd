# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lab's tests share: TAP, hosts, guests, and waiting for a state that must come."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
LAB = HERE / "lab"
PATIENCE_S = 60
BUG = r"CRITICAL|AddressSanitizer|LeakSanitizer: detected|runtime error|[Aa]ssertion"


class Result:
    """How a command ended. `text` is both outputs, for messages."""

    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout.decode(errors="replace")
        self.err = done.stderr.decode(errors="replace")
        self.text = self.out + self.err

    def __str__(self):
        return f"exit {self.status}\n{self.text}"


class LabError(Exception):
    """The lab itself does not work: nothing was shown."""


def wait_until(what, condition):
    """Polls: most of what is waited for here is in another process on another 'host'."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"waited {PATIENCE_S} s in vain for {what}")
        time.sleep(0.1)


class Background(threading.Thread):
    """A function under way beside the story; what it raises is raised again where its result is asked for."""

    def __init__(self, function, *arguments):
        super().__init__()
        self.work = lambda: function(*arguments)
        self.value = self.error = None
        self.start()

    def run(self):
        try:
            self.value = self.work()
        except Exception as error:  # noqa: B902 - it is the asker's
            self.error = error

    def result(self):
        self.join()
        if self.error:
            raise self.error
        return self.value


class Host:
    def __init__(self, lab, name):
        self.lab = lab
        self.name = name

    def run(self, *command, user=None, stdin=b""):
        options = ["-u", user] if user else []
        return self.lab.call("exec", *options, self.name, *command, stdin=stdin)

    @contextlib.contextmanager
    def dialling(self, other):
        """Dials the other's tbsyncd all the while; what is yielded ends that and tells whether no dial was refused."""
        command = "until [ -e /run/lab/enough ]; do (: </dev/tcp/$0/16524) || exit 1; : >/run/lab/dialled; sleep 0.02; done"
        self.must("rm", "-f", "/run/lab/enough", "/run/lab/dialled")
        with subprocess.Popen([LAB, "exec", self.name, "bash", "-c", command, other.name], env=self.lab.environment) as process:
            def end():
                self.must("touch", "/run/lab/enough")
                return process.wait() == 0

            try:
                wait_until("the first dial", lambda: self.run("test", "-e", "/run/lab/dialled").status == 0 or process.poll() is not None)
                yield end
            finally:
                end()

    def must(self, *command, **how):
        result = self.run(*command, **how)
        if result.status != 0:
            raise LabError(f"{self.name}: {' '.join(command)}: {result}")
        return result.out

    def ctl_json(self, *arguments):
        text = self.must("tbsyncctl", *arguments, "--json")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return [json.loads(line) for line in text.splitlines()]

    def tbsyncd(self, op):
        self.lab.must("tbsyncd", self.name, op)

    def tbsyncd_pid(self):
        if self.lab.mode == "systemd":
            return int(self.must("systemctl", "show", "-P", "MainPID", "tbsyncd"))
        pid = int(self.must("cat", "/run/lab/tbsyncd.pid"))
        return pid if self.run("kill", "-0", str(pid)).status == 0 else 0

    @contextlib.contextmanager
    def stopped(self, pid_file):
        """The process that the file names stands still."""
        self.must("sh", "-c", 'kill -STOP "$(cat "$0")"', pid_file)
        try:
            yield
        finally:
            self.must("sh", "-c", 'kill -CONT "$(cat "$0")"', pid_file)

    def journal(self, *options):
        """What was logged up to now, of tbsyncd or as the options say: journald may be behind."""
        self.must("journalctl", "--sync")
        return self.must("journalctl", "-q", "--no-pager", *(options or ("-o", "cat", "-u", "tbsyncd")))

    def config(self, name, text):
        """A drop-in; None removes it."""
        if text is None:
            self.lab.must("config", self.name, name, "none")
        else:
            self.lab.must("config", self.name, name, stdin=text.encode())

    def manager_property(self, name):
        """None if the daemon is not there."""
        return self.bus_property("", "Manager", name)

    def peer_property(self, peer, name):
        """None if there is no such peer."""
        return self.bus_property("/peer/" + re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match.group(0)):02x}", peer), "Peer", name)

    def bus_property(self, path, interface, name):
        result = self.run("busctl", "--system", "--json=short", "get-property", "org.tbsyncd1", f"/org/tbsyncd1{path}",
                          f"org.tbsyncd1.{interface}", name)
        return json.loads(result.out)["data"] if result.status == 0 else None

    def wait_linked(self, *peers):
        wait_until(f"{self.name} to be connected to libvirt", lambda: self.manager_property("LibvirtState") == "up")
        for peer in peers:
            wait_until(f"{self.name} to be linked with {peer}",
                       lambda: self.peer_property(peer, "State") == "linked"
                       and self.peer_property(peer, "RelationState") == "ok"
                       and "machine_types" in (self.peer_property(peer, "Host") or ()))

    # guests
    def start(self, name, **what):
        self.lab.must("guest", self.name, f"name={name}", *(f"{key}={value}" for key, value in what.items()))

    def state(self, name):
        """libvirt's word, or None if it does not know the guest."""
        result = self.run("virsh", "-q", "domstate", name)
        return result.out.strip() if result.status == 0 else None

    def timebase(self, name):
        text = self.must("virsh", "qemu-monitor-command", name, "--hmp", "info registers")
        return int(re.search(r"\bTB 0*\d+ (\d+)", text).group(1))

    def runs(self, name):
        """The guest runs: libvirt says so, and its timebase moves."""
        if self.state(name) != "running":
            return False
        first = self.timebase(name)
        return self.timebase(name) > first

    def migrate(self, name, to, *options):
        return self.run("virsh", "migrate", "--live", *options, name, f"qemu+tls://{to.name}/system")

    def ever_started(self, name):
        """A QEMU of that name was started here: libvirt has made its log."""
        return self.run("test", "-e", f"/var/log/libvirt/qemu/{name}.log").status == 0

    def remove(self, name):
        """Ends and forgets a guest, wherever it got to."""
        self.run("virsh", "destroy", name)
        self.run("virsh", "undefine", name)

    def history(self, uuid=None):
        """Records of migrations, newest first."""
        records = self.ctl_json("history")
        if isinstance(records, dict):
            records = next(value for value in records.values() if isinstance(value, list))
        return [record for record in records if uuid in (None, record["uuid"])]

    def uuid(self, name):
        return self.must("virsh", "domuuid", name).strip()

    def hook(self, *arguments, xml=b""):
        return self.run("/etc/libvirt/hooks/qemu.d/90-tbsyncd", *arguments, stdin=xml)


class Lab:
    def __init__(self, hosts, mode="ns"):
        self.mode = mode
        self.run_dir = tempfile.mkdtemp(prefix="tbsync-lab-")
        self.environment = dict(os.environ, LAB_RUN=self.run_dir, LAB_MODE=mode, LAB_HOSTS=" ".join(hosts))
        self.hosts = [Host(self, name) for name in hosts]

    def call(self, *arguments, stdin=b""):
        return Result(subprocess.run([LAB, *arguments], input=stdin, capture_output=True, env=self.environment,
                                     check=False))

    def must(self, *arguments, **how):
        result = self.call(*arguments, **how)
        if result.status != 0:
            raise LabError(f"lab {' '.join(arguments)}: {result}")
        return result.out

    def xml(self, **what):
        return self.must("xml", *(f"{key}={value}" for key, value in what.items())).encode()

    def link_all(self):
        for host in self.hosts:
            host.wait_linked(*(peer.name for peer in self.hosts if peer is not host))

    def logs(self, lines=40):
        for host in self.hosts:
            log = (("journalctl", "-q", "--no-pager", "-u", "tbsyncd", "-n", str(lines)) if self.mode == "systemd" else
                   ("tail", "-n", str(lines), "/var/log/tbsyncd.log"))
            yield f"--- tbsyncd on {host.name}"
            yield from self.call("exec", host.name, *log).text.splitlines()

    def __enter__(self):
        try:
            self.must("up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        result = self.call("down")
        if result.status == 0:
            subprocess.run(["rm", "-rf", self.run_dir], check=False)
        else:
            print(f"# {result.text}")


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, good, name, detail=None):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}", flush=True)
        if not good and detail is not None:
            for line in str(detail).splitlines():
                print(f"# {line}", flush=True)
        return bool(good)

    def has(self, text, words, name):
        """All of these words are in the text."""
        missing = [word for word in words if word not in text]
        return self.ok(not missing, name, f"missing {missing} in:\n{text}")


def end_on_term(lab):
    """A test that took too long is killed half a second after this signal: its hosts, with guests that burn a CPU each, go on their own."""
    def end(*_):
        subprocess.Popen([LAB, "down"], env=lab.environment, start_new_session=True)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)


def main(story, hosts, mode="ns"):
    """Runs story(tap, *hosts) in a lab of these hosts; TAP on stdout, exit status for who wants it."""
    tap = Tap()
    try:
        lab = Lab(hosts, mode)
        end_on_term(lab)
        with lab:
            try:
                story(tap, lab, *lab.hosts)
                bugs = [line for line in lab.logs(lines=100000) if re.search(BUG, line)]
                tap.ok(not bugs, "no daemon found a bug in itself", "\n".join(bugs))
            finally:
                if tap.failed or sys.exc_info()[0]:
                    for line in lab.logs():
                        print(f"# {line}")
        print(f"1..{tap.count}")
    except Exception as error:  # noqa: B902 - whatever it was, the plan was not fulfilled
        for line in traceback.format_exc().splitlines():
            print(f"# {line}")
        print(f"Bail out! {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        sys.exit(1)
    sys.exit(1 if tap.failed else 0)
