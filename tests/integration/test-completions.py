#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-completions.py TBSYNCCTL: what TAB offers in bash, zsh and fish, with two running daemons.

Run by `scripts/run -n 2`, which starts alpha and beta; libvirt's test driver has a guest named test.
"""

import json
import os
import pathlib
import pty
import shlex
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from ctl_tap import Ctl, equal, main  # noqa: E402

SCRIPTS = pathlib.Path(__file__).parent.parent.parent / "data" / "completions"
TBSYNCCTL = pathlib.Path(sys.argv[1])
ENVIRONMENT = dict(os.environ, PATH=f"{TBSYNCCTL.parent}:{os.environ['PATH']}", LC_ALL="C.UTF-8", TERM="dumb")
VERBS = sorted(line.split("\t")[0] for line in Ctl(["complete", "verbs"]).lines)


def run(*command):
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def bash(line):
    words = line.split(" ")
    return run("bash", "-c", f". '{SCRIPTS}/tbsyncctl.bash'; COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; "
               '_tbsyncctl; for word in "${COMPREPLY[@]}"; do echo "$word"; done')


def fish(line):
    return [offer.split("\t")[0] for offer in run("fish", "--no-config", "-c", f"source '{SCRIPTS}/tbsyncctl.fish'; complete -C '{line}'")]


# compadd is how a zsh completion offers words: what it takes goes to a pipe
ZSH = r"""
PS1= RPS1=
unsetopt prompt_sp prompt_cr
fpath=(@SCRIPTS@ $fpath)
autoload -Uz compinit
compinit -u -D
typeset -ga offered
compadd() {
    if (( ${@[(I)-[AOD]]} )); then builtin compadd "$@"; return; fi
    local -a hits
    builtin compadd -A hits "$@"
    offered+=($hits)
    builtin compadd "$@"
}
tell() {
    offered=()
    _main_complete
    compstate[insert]= compstate[list]=
    print -rl -- $offered END >@PIPE@
}
zle -C tell complete-word tell
bindkey '^I' tell
print READY >@PIPE@
"""


def zsh(line):
    """A zsh on a terminal of its own, into which the line and TAB are typed."""
    with tempfile.TemporaryDirectory() as directory:
        pipe, setup = pathlib.Path(directory, "pipe"), pathlib.Path(directory, "setup")
        os.mkfifo(pipe)
        setup.write_text(ZSH.replace("@SCRIPTS@", shlex.quote(str(SCRIPTS))).replace("@PIPE@", str(pipe)), encoding="utf-8")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"], ENVIRONMENT)
        os.write(terminal, f"source {setup}\n".encode())
        equal(pipe.read_text(encoding="utf-8").split(), ["READY"])
        os.write(terminal, line.encode() + b"\t")
        offers = pipe.read_text(encoding="utf-8").splitlines()
        os.close(terminal)
        os.waitpid(pid, 0)
        equal(offers[-1], "END")
        return offers[:-1]


def each(line, wanted):
    for shell in (bash, zsh, fish):
        equal((shell.__name__, line, sorted(shell(line))), (shell.__name__, line, sorted(wanted)))


def test_every_verb_of_the_table_is_offered():
    listed = [text.split()[0] for text in Ctl(["--help"]).out.split("Verbs:\n")[1].split("\n\n")[0].splitlines()]
    equal(VERBS, sorted(listed))
    equal(len(VERBS) > 15, True)
    each("tbsyncctl ", VERBS)
    each("tbsyncctl help ", VERBS)


def test_verb_is_completed():
    each("tbsyncctl mat", ["matrix"])
    each("tbsyncctl --json base", ["baseline"])


def test_options_are_those_of_the_verb():
    each("tbsyncctl check --as", ["--assume"])
    each("tbsyncctl peers --no-", ["--no-legend", "--no-pager"])
    each("tbsyncctl status --as", [])


def test_peers_are_offered():
    each("tbsyncctl peers ", ["beta"])
    each("tbsyncctl baseline ", ["beta"])
    each("tbsyncctl baseline beta be", ["beta"])


def test_guests_are_offered_then_peers():
    while "libvirt: up" not in Ctl(["status"]).out:  # a thread of its own connects; the test run's own time limit is the only clock
        time.sleep(0.02)
    each("tbsyncctl check ", ["test"])
    each("tbsyncctl check --json te", ["test"])
    each("tbsyncctl check test ", ["beta"])
    each("tbsyncctl rank ", ["test"])
    each("tbsyncctl check test beta ", [])


def test_codes_are_offered():
    each("tbsyncctl explain dead", ["deadline"])


def test_files_are_offered_where_files_can_stand():
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "cases.json")
        path.write_text(json.dumps({}), encoding="utf-8")
        for shell in (bash, zsh, fish):
            for verb in ("judge", "replay"):
                # zsh offers the last part alone
                equal([offer.rsplit("/", 1)[1] if "/" in offer else offer for offer in shell(f"tbsyncctl {verb} {directory}/ca")],
                      ["cases.json"])
        each(f"tbsyncctl status {directory}/ca", [])


def test_hidden_verbs_are_not():
    each("tbsyncctl compl", [])


if __name__ == "__main__":
    sys.exit(main("completions", sys.modules[__name__]))
