#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-manual.py TBSYNCCTL TBSYNCD SOURCE-ROOT PAGE...: the manual is sound, and says all that program, table and file say;
so do README.md, HACKING.md and docs/."""

import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from ctl_tap import Ctl, contains, equal, main

TBSYNCD, ROOT = sys.argv[2], pathlib.Path(sys.argv[3])
PAGES = {path.name: path for path in map(pathlib.Path, sys.argv[4:])}

# what mandoc -Wstyle says that is meant: our own pages are not installed where it looks, and sections are named [Section]
MEANT = re.compile(r"STYLE: (referenced manual not found|trailing delimiter: Ss \[)|outdated mandoc\.db")


def text(name):
    return PAGES[name].read_text(encoding="utf-8")


def documents():
    """Markdown of the tree, with its name."""
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        yield path.name, path.read_text(encoding="utf-8")


def test_there_are_five_pages():
    equal(sorted(PAGES), ["org.tbsyncd1.5", "tbsync-findings.7", "tbsyncctl.1", "tbsyncd.8", "tbsyncd.conf.5"])


def test_mandoc_has_nothing_to_say():
    for name, path in PAGES.items():
        done = subprocess.run(["mandoc", "-Tlint", "-Wstyle", path], capture_output=True, text=True, check=False)
        equal((name, [line for line in (done.stdout + done.stderr).splitlines() if not MEANT.search(line)]), (name, []))


def test_pages_lead_to_each_other():
    for name in PAGES:
        for page, section in re.findall(r"^\.Xr (\S+) (\d)", text(name), re.M):
            if page.startswith(("tbsync", "org.tbsyncd1")):
                equal((name, f"{page}.{section}" in PAGES), (name, True))
        contains(text(name), ".Sh SEE ALSO")


def test_every_verb_has_its_item():
    listed = [line.split("\t")[0] for line in Ctl(["complete", "verbs"]).lines]
    equal(re.findall(r"^\.It Cm (\S+)", text("tbsyncctl.1").split(".Sh VERBS")[1].split(".Sh")[0], re.M), listed)


def test_every_option_of_a_verb_is_described_with_its_letter():
    items = text("tbsyncctl.1").split(".Sh VERBS")[1].split(".Sh")[0]
    for name in re.findall(r"^\.It Cm (\S+)", items, re.M):
        own = re.split(r"^\.It Cm ", items.split(f".It Cm {name}")[1], flags=re.M)[0]
        for letter, option in re.findall(r"^  (?:-(\w), )?--([\w-]+)", Ctl([name, "--help"]).out, re.M):
            if option not in ("json", "no-legend", "no-pager", "color", "help"):
                equal((name, option, f".It{f' Fl {letter} ,' if letter else ''} Fl -{option}" in own), (name, option, True))


def test_every_option_of_the_daemon_is_described():
    shown = subprocess.run([TBSYNCD, "--help"], capture_output=True, text=True, check=True).stdout
    for option in re.findall(r"--([a-z-]+)", shown.split("Application Options:")[1]):
        contains(text("tbsyncd.8"), f"Fl -{option}")


def test_every_exit_status_of_the_daemon_is_described():
    section = text("tbsyncd.8").split(".Sh EXIT STATUS")[1].split(".Sh")[0]
    equal(re.findall(r"^\.It (\d+)$", section, re.M), ["0", "1", "64", "78"])


def test_every_finding_is_explained():
    codes = [code["code"] for code in json.loads(Ctl(["explain", "--json"]).out)]
    equal(re.findall(r"^\.It Sy (\S+)", text("tbsync-findings.7"), re.M), codes)


def test_every_key_is_described_with_its_default():
    shipped = (ROOT / "data" / "tbsyncd.conf").read_text(encoding="utf-8")
    keys = re.findall(r"^#([\w.]+)=(.*)$", shipped, re.M)
    equal(len(keys) > 40, True)
    equal(re.findall(r'^\.It Cm ([\w.]+)= Ns Ar "?(.*?)"?$', text("tbsyncd.conf.5"), re.M),
          [(key, default or "value") for key, default in keys])


def test_every_member_of_the_bus_is_described():
    shown = text("org.tbsyncd1.5")
    for path in sorted((ROOT / "data" / "dbus-1").glob("*.xml")):
        for interface in ElementTree.parse(path).getroot().iter("interface"):
            contains(shown, f".Sh INTERFACE {interface.get('name')}")
            for member in interface:
                if member.tag != "annotation":
                    equal(bool(re.search(rf"^\.It \S+ {member.get('name')}\b", shown, re.M)), True)


def test_readme_names_every_verb():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in Ctl(["complete", "verbs"]).lines:
        name = line.split("\t")[0]
        equal((name, bool(re.search(rf"`(tbsyncctl )?{name}\b[^`]*`", readme))), (name, True))


def test_hacking_is_one_page():
    lines = (ROOT / "HACKING.md").read_text(encoding="utf-8").splitlines()
    equal(len(lines) <= 66, True)


def test_hacking_or_readme_name_every_script():
    told = (ROOT / "HACKING.md").read_text(encoding="utf-8") + (ROOT / "README.md").read_text(encoding="utf-8")
    called = "".join(path.read_text(encoding="utf-8") for path in (*(ROOT / "scripts").iterdir(), ROOT / "meson.build", *ROOT.glob("*/meson.build"))
                     if path.is_file())
    for path in (ROOT / "scripts").iterdir():
        if path.is_file() and f"scripts/{path.name}" not in told:
            equal((path.name, f"scripts/{path.name}" in called), (path.name, True))


def test_paths_that_are_named_are_there():
    """In backquotes, from the root of the tree; what is built, or in a host, is not meant."""
    for name, words in documents():
        for path in re.findall(r"`((?:core|common|daemon|client|tests|scripts|docs|data|man|bench|packaging|debian|qemu-hooks)/[\w./*-]+)", words):
            equal((name, path, any(ROOT.glob(path.rstrip("/.")))), (name, path, True))


def test_pages_and_documents_that_are_named_are_there():
    for name, words in documents():
        for page, section in re.findall(r"\b(tbsync[\w.-]*|org\.tbsyncd1)\((\d)\)", words):
            equal((name, page, f"{page}.{section}" in PAGES), (name, page, True))


if __name__ == "__main__":
    sys.exit(main("manual", sys.modules[__name__]))
