#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-make-page.py MAKE-PAGE TBSYNCCTL CATALOG: manual pages and catalog say all that there is, or are not made."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from ctl_tap import contains, equal, main

MAKE_PAGE, TBSYNCCTL, CATALOG = sys.argv[1:4]


def page(placeholder, *sources):
    """(exit status, stderr, page) of a template that is this placeholder alone."""
    with tempfile.TemporaryDirectory() as directory:
        template, output = pathlib.Path(directory, "in"), pathlib.Path(directory, "out")
        template.write_text(f".Sh BEFORE\n{placeholder}\n")
        done = subprocess.run([MAKE_PAGE, template, output, "0.1", *sources], capture_output=True, text=True, check=False)
        return done.returncode, done.stderr, output.read_text() if output.exists() else None


def with_file(placeholder, text, mode=0o644):
    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory, "source")
        source.write_text(text)
        source.chmod(mode)
        return page(placeholder, source)


def refused(result, *words):
    status, error, made = result
    equal((status, made), (1, None))
    for word in words:
        contains(error, word)


def test_documented_interface_becomes_a_page():
    status, _, made = with_file("@INTERFACES@", '''<node><!-- One. Two. --><interface name="a.B"><!-- What it does. -->
        <method name="Do"><arg name="x" type="u" direction="in"/><arg name="y" type="as" direction="out"/></method>
        <!-- .Starts with a dot, has a \\backslash. -->
        <property name="P" type="s" access="read"/></interface></node>''')
    equal(status, 0)
    for line in (".Sh INTERFACE a.B", "One.\nTwo.\n", '.It Sy Do Pq "u x" No \\(-> Pq "as y"\nWhat it does.\n',
                 '.It Va P Pq "s; read only, changes are signalled"\n\\&.Starts with a dot, has a \\ebackslash.\n'):
        contains(made, line)


def test_undocumented_member_is_an_error():
    interface = '<node><!-- One. --><interface name="a.B">{}</interface></node>'
    refused(with_file("@INTERFACES@", interface.format('<property name="P" type="s" access="read"/>')), "a.B", "property P")
    refused(with_file("@INTERFACES@", interface.format(
        '<!-- Of Q alone. --><method name="Q"/><method name="R"/>')), "a.B", "method R")
    refused(with_file("@INTERFACES@", '<node><interface name="a.B"/></node>'), "interface a.B")


def test_key_without_words_is_an_error():
    text = "# Head.\n\n# The part.\n[Part]\n\n# What it is.\n#Key=1\n\n#Other=\n"
    refused(with_file("@KEYS@", text), "Other")
    status, _, made = with_file("@KEYS@", text.replace("#Other", "# This too.\n#Other"))
    equal(status, 0)
    contains(made, 'What it is.\nDefault:\n.Ql "1" .')
    contains(made, "This too.\nEmpty by default.")


def test_verb_without_help_is_an_error():
    script = '''#!/bin/sh
case $* in
--help) printf 'Verbs:\\n  dig  [HOLE]  Dig\\n\\nOptions:\\n' ;;
"help dig") printf 'tbsyncctl dig [OPTION...] [HOLE]\\n\\n{}\\nOptions:\\n  --deep=ELLS  How deep\\n  --json  x\\n' ;;
esac
'''
    refused(with_file("@VERBS@", script.format(""), 0o755), "tbsyncctl dig")
    status, _, made = with_file("@VERBS@", script.format("Dig.\\n"), 0o755)
    equal(status, 0)
    contains(made, '.It Cm dig Ar "[HOLE]"\nDig.')
    contains(made, ".It Fl -deep Ns = Ns Ar ELLS\nHow deep.")
    equal("-json" in made, False)


def test_every_verb_and_every_code_is_there():
    listed = subprocess.run([TBSYNCCTL, "--help"], capture_output=True, text=True, check=True).stdout
    verbs = [line.split()[0] for line in listed.split("Verbs:\n")[1].split("\n\n")[0].splitlines()]
    made = page("@VERBS@", TBSYNCCTL)[2]
    for verb in verbs:
        contains(made, f"\n.It Cm {verb}")
    made = page("@FINDINGS@", TBSYNCCTL)[2]
    for code in codes():
        contains(made, f"\n.It Sy {code['code']}\n")


def codes():
    return json.loads(subprocess.run([TBSYNCCTL, "explain", "--json"], capture_output=True, check=True).stdout)


def test_journal_takes_the_catalog():
    """As `journalctl -x` looks it up: by message id, the code in the first line."""
    with tempfile.TemporaryDirectory() as root:
        directory = pathlib.Path(root, "usr/lib/systemd/catalog")
        directory.mkdir(parents=True)
        os.makedirs(pathlib.Path(root, "var/lib/systemd/catalog"))
        (directory / "tbsyncd.catalog").write_bytes(pathlib.Path(CATALOG).read_bytes())
        subprocess.run(["journalctl", f"--root={root}", "--update-catalog"], capture_output=True, check=True)
        listed = subprocess.run(["journalctl", f"--root={root}", "--list-catalog"], capture_output=True, text=True,
                                check=True).stdout
    lines = sorted(line.split()[0] + " " + line.split()[-1] for line in listed.splitlines())
    equal(lines, sorted(f"{code['message_id']} {code['code']}" for code in codes()))


if __name__ == "__main__":
    sys.exit(main("make-page", sys.modules[__name__]))
