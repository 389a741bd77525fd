#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-verbs.py TBSYNCCTL: what all verbs of tbsyncctl have in common, on real daemons. Run by `scripts/run -n 2`."""

import json
import os
import pathlib
import pty
import re
import subprocess
import sys
import termios
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from ctl_tap import Ctl, contains, equal, main  # noqa: E402

RUN = pathlib.Path(os.environ["TBSYNC_RUN_DIR"])
DEADLINE_S = 60  # the machine may be busy
NOWHERE = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
GUEST = "5a5a5a5a-1111-4222-8333-00000000beef"
PSERIES = f"""<domain type='kvm'><name>web1</name><uuid>{GUEST}</uuid><memory>1048576</memory>
<os><type arch='ppc64le' machine='pseries-7.2'>hvm</type></os><cpu mode='host-model'/></domain>"""
HOST = '{"pvr":"0x004e1202","kvm":"hv","timebase_hz":512000000}'
CASE = '{"id":"c1","source":%s,"guest":{"arch":"ppc64","accel":"kvm","cpu_mode":"host-model"},"destination":%s}\n' % (HOST, HOST)
EXCHANGES = '{"timebase_hz":512000000,"drift_ppb":100000}\n{"l1":0,"r2":10,"r3":20,"l4":30}\n'


class Verb:
    """How a verb is called so that it has something to say.

    status: its exit code. asks: it needs the daemon. json: "object", "array" or "lines" of objects. color: it uses some.
    head: the first word of its table's head."""

    def __init__(self, *arguments, data="", status=0, asks=True, json="array", color=True, head=None):
        self.arguments, self.data, self.status, self.asks = list(arguments), data, status, asks
        self.json, self.color, self.head = json, color, head


VERBS = {
    "status": Verb(json="object", head="PEER"),
    "peers": Verb(head="PEER"),
    "guests": Verb(head="GUEST"),
    "check": Verb("test", "beta", json="object"),
    "rank": Verb("test", head="HOST"),
    "matrix": Verb(json="object", head="GUEST"),
    "baseline": Verb(json="object", head="HOST"),
    "doctor": Verb(status=1),  # the hook is missing
    "history": Verb(head="TIME"),
    "show": Verb("ID", json="object"),
    "monitor": Verb("--count", "0", json="lines"),
    "metrics": Verb(color=False),
    "facts": Verb(json="object", color=False),
    "judge": Verb(data=CASE, asks=False, json="lines", color=False),
    "replay": Verb(data=EXCHANGES, asks=False, json="lines", color=False),
    "explain": Verb("deadline", asks=False, json="object"),
}
OTHERS = {"hook", "help"}  # libvirt's arguments alone; of all verbs


def await_that(what, condition):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.02)


def is_ready():
    peers = json.loads(Ctl(["peers", "--json"]).out or "[]")
    return (peers and peers[0]["state"] == "linked" and peers[0]["relation"]["state"] == "ok"
            and "libvirt: up" in Ctl(["status"]).out)


def set_up():
    """Both hosts are linked, and one migration is on record."""
    await_that("beta is linked and libvirt up", is_ready)
    if not json.loads(Ctl(["history", "--json"]).out):
        equal(Ctl(["hook", "web1", "migrate", "begin", "-"], PSERIES).status, 1)
    VERBS["show"].arguments = [json.loads(Ctl(["history", "--json"]).out)[0]["id"]]


def run(name, *options, environment=None):
    verb = VERBS[name]
    return Ctl([name, *verb.arguments, *options], verb.data, environment)


def on_terminal(name, *options, columns=0, **environment):
    """What it writes to a terminal; columns 0: it does not say how wide it is."""
    verb = VERBS[name]
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm", "LC_ALL": "C.UTF-8"} | environment
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with subprocess.Popen([sys.argv[1], name, *verb.arguments, *options], stdin=subprocess.PIPE, stdout=theirs,
                          stderr=subprocess.DEVNULL, env=env) as child:
        os.close(theirs)
        child.stdin.write(verb.data.encode())
        child.stdin.close()
        out = b""
        try:
            while part := os.read(ours, 65536):
                out += part
        except OSError:  # how Linux says that the last writer is gone
            pass
    os.close(ours)
    return out.decode()


def each(check):
    """check(name, verb) for all; every failure is told with the verb."""
    set_up()
    for name, verb in VERBS.items():
        try:
            check(name, verb)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def test_table_names_every_verb():
    listed = Ctl(["--help"]).out.split("Verbs:\n")[1].split("\n\n")[0]
    equal({line.split()[0] for line in listed.splitlines()}, set(VERBS) | OTHERS)


def test_help_says_how_it_is_used():
    def check(name, verb):
        for help_run in (Ctl([name, "--help"]), Ctl([name, "-h"]), Ctl(["help", name]), Ctl([name, "--help"], environment=NOWHERE)):
            equal((help_run.status, help_run.err), (0, ""))
            contains(help_run.out, f"tbsyncctl {name} [OPTION...]")
            for option in ("--json", "--no-legend", "--no-pager", "--color", "--help"):
                contains(help_run.out, option)
            equal(max(len(line) for line in help_run.lines) < 160, True)
    each(check)


def test_plain_output_has_nothing_for_terminals():
    def check(name, verb):
        done = run(name)
        equal((done.status, done.err), (verb.status, ""))
        equal(done.out != "" and "\033" not in done.out, True)
        if verb.head:
            equal(any(re.match(verb.head + "  +[A-Za-z>]", line) for line in done.lines), True)
    each(check)


def test_json_is_for_machines():
    kinds = {"object": dict, "array": list}

    def check(name, verb):
        done = run(name, "--json", "--color=always")
        equal((done.status, done.err, "\033" in done.out), (verb.status, "", False))
        if verb.json == "lines":
            equal(all(isinstance(entry, dict) for entry in done.objects) and len(done.objects) > 0, True)
        else:
            equal(isinstance(json.loads(done.out), kinds[verb.json]), True)
            equal(len(done.lines), 1)
    each(check)


def test_metrics_json_has_each_sample():
    set_up()
    samples = json.loads(Ctl(["metrics", "--json"]).out)
    lines = [line for line in Ctl(["metrics"]).lines if not line.startswith("#")]
    equal([sample["name"] for sample in samples], [re.match(r"\w+", line).group() for line in lines])
    equal([sample["value"] for sample in samples if sample["name"] == "tbsyncd_up"], [1])
    equal([s["value"] for s in samples if s["labels"] == {"peer": "beta", "state": "linked"}], [1])


def test_no_legend_leaves_the_head_out():
    def check(name, verb):
        done = run(name, "--no-legend")
        equal((done.status, done.err), (verb.status, ""))
        if verb.head:
            equal([line for line in done.lines if line.startswith(verb.head + " ")], [])
    each(check)


def test_color_only_on_a_terminal_that_wants_it():
    def check(name, verb):
        equal("\033[" in run(name, "--color=always").out, verb.color)
        equal("\033[" in on_terminal(name, "--no-pager"), verb.color)
        equal("\033" in on_terminal(name, "--no-pager", "--color=never"), False)
        equal("\033" in on_terminal(name, "--no-pager", NO_COLOR="1"), False)
        equal("\033" in on_terminal(name, "--no-pager", TERM="dumb"), False)
    each(check)


def test_table_wider_than_the_terminal_is_a_list():
    def check(name, verb):
        if not verb.head:
            return
        wide, narrow = (on_terminal(name, "--no-pager", "--color=never", columns=columns).splitlines() for columns in (400, 19))
        heads = next(line for line in wide if re.match(verb.head + "  ", line))
        for head in re.split("  +", heads):
            equal((head, any(line.lstrip().startswith(head + "  ") for line in narrow)), (head, True))
    each(check)


def test_pager_is_left_out_when_told_so():
    def check(name, verb):
        for options in (["--no-pager"], ["--json"]):
            equal("paged:" in on_terminal(name, *options, TBSYNC_PAGER="sed s/^/paged:/"), False)
    each(check)


def test_wrong_command_lines_are_one_sentence_and_2():
    def check(name, verb):
        for arguments in (["--frob"], ["--color=red"], ["--color"], *([] if name == "baseline" else [["a", "b", "c", "d"]])):
            done = Ctl([name, *arguments], verb.data)
            equal((arguments, done.status, done.out, done.err.count("\n")), (arguments, 2, "", 1))
            contains(done.err, f"tbsyncctl {name}: ")
            contains(done.err, f"See tbsyncctl {name} --help\n")
    each(check)


def test_absent_daemon_is_one_sentence_and_1():
    def check(name, verb):
        done = run(name, environment=NOWHERE)
        if not verb.asks:
            equal((done.status, done.err), (verb.status, ""))
            return
        equal(done.status, 1)
        if name == "doctor":  # it is its trade
            contains(done.out, "error bus-missing system bus: the system bus at unix:path=/nonexistent/bus cannot be reached")
            return
        equal(done.err, f"tbsyncctl {name}: the system bus at unix:path=/nonexistent/bus cannot be reached: "
                        "No such file or directory; check it with: systemctl status dbus\n")
    each(check)


def test_output_that_cannot_be_written_is_told():
    def check(name, verb):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([sys.argv[1], name, *verb.arguments], input=verb.data.encode(), stdout=full, stderr=subprocess.PIPE,
                                  check=False)
        equal(done.returncode, verb.status or 1)
        contains(done.stderr.decode(), "tbsyncctl: the output cannot be written")
    each(check)


def test_exit_codes_are_as_documented():
    set_up()
    for arguments, status in ((["check", "test", "beta"], 0), (["check", "nobody", "beta"], 4), (["check", "test", "gamma"], 4),
                              (["check", "test"], 2), (["check", "test", "beta", "--assume", "pvr=much"], 2),
                              (["rank", "test"], 0), (["rank", "nobody"], 4), (["peers", "beta"], 0), (["peers", "gamma"], 4),
                              (["baseline", "beta"], 0), (["baseline", "gamma"], 4), (["show", "nothing"], 4),
                              (["explain", "nothing"], 4), (["doctor"], 1), (["replay", "/nonexistent"], 1),
                              (["judge", "/nonexistent"], 2), (["metrics", "--output", "/nonexistent/x"], 1),
                              (["history", "--limit", "-3"], 2), (["nothing"], 2), ([], 2)):
        equal((arguments, Ctl(arguments).status), (arguments, status))


def test_refusals_say_what_where_and_what_to_type_next():
    set_up()
    for arguments, message in (
            ([], "tbsyncctl: a verb is missing. See tbsyncctl --help"),
            (["stauts"], 'tbsyncctl: there is no verb "stauts", did you mean "status"? See tbsyncctl --help'),
            (["check", "nobody", "beta"],
             "tbsyncctl check: libvirt knows no guest 'nobody' on this host; list them with: tbsyncctl guests"),
            (["rank", GUEST], f"tbsyncctl rank: libvirt knows no guest '{GUEST}' on this host; list them with: tbsyncctl guests"),
            (["check", "test", "gamma"],
             "tbsyncctl check: no peer is named 'gamma'; list them with: tbsyncctl peers"),
            (["check", "test", "beta", "--assume", "colour=1"],
             "tbsyncctl check: --assume: colour is not a host fact; 'tbsyncctl facts' shows what can be assumed. "
             "See tbsyncctl check --help"),
            (["--frob"], "tbsyncctl: Unknown option --frob. See tbsyncctl --help"),
            (["peers", "gamma"], "tbsyncctl peers: no peer is named 'gamma'; list them with: tbsyncctl peers"),
            (["baseline", "gamma"], "tbsyncctl baseline: no host is named 'gamma'; list them with: tbsyncctl peers"),
            (["matrix", "--assume", "gamma:pvr=1"],
             "tbsyncctl matrix: no host is named 'gamma'; list them with: tbsyncctl peers"),
            (["check", "test", "beta", "--assume", "pvr=much"],
             "tbsyncctl check: --assume: pvr: much is not an integer, decimal or 0x and hex digits; 'tbsyncctl facts' shows what can "
             "be assumed. See tbsyncctl check --help"),
            (["show", "x"], "tbsyncctl show: no migration 'x' is recorded here; list them with: tbsyncctl history --limit 0"),
            (["replay", "x"], "tbsyncctl replay: x: cannot be opened: No such file or directory; a migration is named by its ID, "
                              "list them with: tbsyncctl history"),
            (["explain", "x"], 'tbsyncctl explain: there is no finding code "x"; list them with: tbsyncctl explain'),
            (["check", "test"], "tbsyncctl check: an argument is missing, GUEST HOST. See tbsyncctl check --help"),
            (["status", "x"], 'tbsyncctl status: "x" is one argument too many. See tbsyncctl status --help'),
            (["history", "--limit=-3"], "tbsyncctl history: --limit: -3 is negative. See tbsyncctl history --help")):
        done = Ctl(arguments)
        equal((done.out, done.err), ("", message + "\n"))
    done = Ctl(["metrics", "--output", "/nonexistent/x"])
    contains(done.err, "tbsyncctl metrics: --output /nonexistent/x: ")


if __name__ == "__main__":
    sys.exit(main("verbs", sys.modules[__name__]))
