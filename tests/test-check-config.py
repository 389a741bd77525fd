#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-check-config.py TBSYNCD: `tbsyncd --check-config` as configuration management calls it."""

import os
import pathlib
import re
import sys
import tempfile

from ctl_tap import Ctl, contains, equal, main

EX_OK, EX_USAGE, EX_CONFIG = 0, 64, 78


def check(text, drop_in=None, options=(), mode=0o644):
    """(exit status, stdout, stderr) for a file of that text; the directory is DIR in stderr."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "tbsyncd.conf")
        if text is not None:
            path.write_text(text, encoding="utf-8")
            path.chmod(mode)
        if drop_in is not None:
            pathlib.Path(directory, "tbsyncd.conf.d").mkdir()
            pathlib.Path(directory, "tbsyncd.conf.d", "50-site.conf").write_text(drop_in, encoding="utf-8")
        done = Ctl(["--check-config", "--config", str(path), *options])
        return done.status, done.out, done.err.replace(directory, "DIR")


def test_right_file_says_nothing():
    equal(check("[Daemon]\nName=alpha\n[Peer beta]\nAddress=10.0.0.2\n"), (EX_OK, "", ""))


def test_empty_file_is_right():
    equal(check(""), (EX_OK, "", ""))


def test_shipped_file_is_right():
    shipped = pathlib.Path(__file__).parent.parent / "data" / "tbsyncd.conf"
    equal(check(shipped.read_text(encoding="utf-8")), (EX_OK, "", ""))


def test_wrong_line_is_named_with_its_file():
    for text, reason in (
            ("[Daemon]\n\nMaxRecords=0\n", "DIR/tbsyncd.conf:3: [Daemon] MaxRecords=0: must be 1 to 1000000"),
            ("[Link]\nPolIntervalSec=1\n", "DIR/tbsyncd.conf:2: [Link] PolIntervalSec=1: unknown key; man tbsyncd.conf lists them"),
            ("[Links]\n", "DIR/tbsyncd.conf:1: [Links] is no section of this file; man tbsyncd.conf lists them"),
            ("Name=alpha\n", "DIR/tbsyncd.conf:1: a key before the first [Section]"),
            ("[Policy]\nSourceUnknown=perhaps\n", "DIR/tbsyncd.conf:2: [Policy] SourceUnknown=perhaps: "
             "perhaps is not \"block\" or \"allow\"")):
        equal(check(text), (EX_CONFIG, "", f"tbsyncd: {reason}\n"))


def test_every_key_refuses_a_wrong_value():
    """The shipped file names all keys; what else it may say of a wrong value is one line that names file, key and value."""
    takes_anything = {"Kernel", "MachineTypes", "TLSPriority", "URI"}  # judged where they are used
    shipped = pathlib.Path(__file__).parent.parent / "data" / "tbsyncd.conf"
    section, seen = None, 0
    for line in shipped.read_text(encoding="utf-8").splitlines():
        title, key = re.match(r"#?\[(\w+).*\]$", line), re.match(r"#([\w.]+)=", line)
        if title:
            section = title.group(1)
        if not key or key.group(1) in takes_anything:
            continue
        title = "Peer beta" if section == "Peer" else section
        status, out, err = check(f"[{title}]\n{key.group(1)}=no such value\n")
        equal((key.group(1), status, out, err.count("\n")), (key.group(1), EX_CONFIG, "", 1))
        contains(err, f"tbsyncd: DIR/tbsyncd.conf:2: [{title}] {key.group(1)}=no such value: ")
        reason = err.split("no such value: ", 1)[1]
        equal((key.group(1), bool(re.search(r"must be|is not", reason)), reason.startswith(key.group(1))), (key.group(1), True, False))
        seen += 1
    equal(seen > 40, True)


def test_wrong_drop_in_is_named():
    equal(check("[Daemon]\nName=alpha\n", drop_in="[Link]\nListen=everywhere\n"),
          (EX_CONFIG, "", "tbsyncd: DIR/tbsyncd.conf.d/50-site.conf:2: [Link] Listen=everywhere: must be empty or an IP address and a port, "
           "such as [::]:16524 or 10.0.0.1:16524\n"))


def test_drop_in_mends_no_wrong_line():
    equal(check("[Daemon]\nMaxRecords=0\n", drop_in="[Daemon]\nMaxRecords=1\n")[0], EX_CONFIG)


def test_file_that_was_asked_for_must_exist():
    equal(check(None), (EX_CONFIG, "", "tbsyncd: DIR/tbsyncd.conf: No such file or directory\n"))


def test_nothing_else_is_opened():
    """Certificates, directories and libvirt that are not there are no matter of the configuration."""
    equal(check("[Daemon]\nStateDirectory=/nonexistent/state\n[Link]\nCertFile=/nonexistent/cert.pem\n"
                "CRLFile=/nonexistent/crl.pem\n[Libvirt]\nURI=nonexistent:///\n"), (EX_OK, "", ""))


def test_directory_is_no_file():
    with tempfile.TemporaryDirectory() as directory:
        done = Ctl(["--check-config", "--config", directory])
        equal((done.status, done.out, done.err), (EX_CONFIG, "", f"tbsyncd: {directory}: {os.strerror(21)}\n"))


def test_wrong_option_is_a_wrong_use():
    equal(check("", options=("--colour",))[0], EX_USAGE)
    equal(check("", options=("argument",))[0], EX_USAGE)


if __name__ == "__main__":
    sys.exit(main("check-config", sys.modules[__name__]))
