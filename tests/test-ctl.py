#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-ctl.py TBSYNCCTL: the command line of tbsyncctl as such."""

import json
import os
import pty
import subprocess
import sys

from ctl_tap import Ctl, contains, equal, main


def verbs():
    listed = Ctl(["--help"]).out.split("Verbs:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def test_every_verb_has_help():
    for verb in verbs():
        if verb == "hook":
            continue  # libvirt's arguments, never an option; never a byte on stdout
        run = Ctl([verb, "--help"])
        equal(run.status, 0)
        contains(run.out, f"tbsyncctl {verb} [OPTION...]")
        contains(run.out, "--json")
        equal(run.err, "")
        equal(Ctl(["help", verb]).out, run.out)


def test_help_and_version():
    equal(Ctl(["--help"]).out, Ctl(["help"]).out)
    equal(Ctl(["-h"]).status, 0)
    contains(Ctl(["--version"]).out, "tbsyncctl 0.")


def test_usage_errors_name_what_and_what_next():
    for arguments, part in (([], "a verb is missing"), (["stauts"], '"stauts"'), (["judg"], 'did you mean "judge"'),
                            (["--nonsense", "judge"], "--nonsense"), (["judge", "--nonsense"], "--nonsense"),
                            (["judge", "a", "b"], '"b"'), (["judge", "--color=red"], "red"), (["help", "nonsense"], "nonsense"),
                            (["--color", "judge"], "color")):
        run = Ctl(arguments)
        equal((arguments, run.status), (arguments, 2))
        equal(run.out, "")
        contains(run.err, part)
        contains(run.err, "--help")
        equal(run.err.count("\n"), 1)


def test_verbs_with_control_characters_do_not_reach_the_terminal():
    equal("\033" in Ctl(["\033[31mred"]).err, False)


def test_options_stand_before_or_behind_the_verb():
    equal(Ctl(["--json", "explain", "deadline"]).out, Ctl(["explain", "deadline", "--json"]).out)
    equal(json.loads(Ctl(["--json", "explain", "deadline"]).out)["code"], "deadline")


def test_every_code_is_explained():
    codes = json.loads(Ctl(["explain", "--json"]).out)
    equal(len(codes) > 35, True)
    for entry in codes:
        contains(Ctl(["explain", entry["code"]]).out, entry["code"])
    equal(Ctl(["explain", "nonsense"]).status, 4)


def on_terminal(arguments, **environment):
    env = dict({key: value for key, value in os.environ.items() if key != "NO_COLOR"}, TERM="xterm", **environment)
    ours, theirs = pty.openpty()
    child = subprocess.Popen([sys.argv[1], *arguments], stdout=theirs, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env)
    os.close(theirs)
    out = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the last writer is gone
            break
        if not part:
            break
        out += part
    child.communicate()
    os.close(ours)
    return out.decode()


def test_color_only_on_a_terminal_that_wants_it():
    equal("\033" in Ctl(["explain", "deadline"]).out, False)
    equal("\033" in Ctl(["explain", "deadline", "--color=always"]).out, True)
    equal("\033" in on_terminal(["explain", "deadline"]), True)
    equal("\033" in on_terminal(["explain", "deadline", "--color=never"]), False)
    equal("\033" in on_terminal(["explain", "deadline"], NO_COLOR="1"), False)


def test_long_output_goes_through_the_pager_unless_told():
    contains(on_terminal(["explain"], TBSYNC_PAGER="sed s/^/paged:/"), "paged:")
    equal("paged:" in on_terminal(["explain", "--no-pager"], TBSYNC_PAGER="sed s/^/paged:/"), False)
    equal("paged:" in Ctl(["explain"], environment={"TBSYNC_PAGER": "sed s/^/paged:/"}).out, False)
    contains(on_terminal(["explain"], TBSYNC_PAGER=""), "deadline")


if __name__ == "__main__":
    sys.exit(main("ctl", sys.modules[__name__]))
