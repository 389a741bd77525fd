# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests on emulated POWER machines share. scripts/lab-ppc64 sets the environment:

TARGET_DIR: what build-image, build-package and get-qemu10 filled. TARGET_BUILD: the cross build. TARGET_SYSROOT: see make-sysroot.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))
from labtest import Tap  # noqa: E402 - one TAP for all labs

DIRECTORY = pathlib.Path(os.environ["TARGET_DIR"])
PACKAGE = DIRECTORY / "tbsyncd.deb"
BUILD = pathlib.Path(os.environ["TARGET_BUILD"])
SYSROOT = pathlib.Path(os.environ["TARGET_SYSROOT"])


class Timer:
    """What the report says of times."""

    def __init__(self):
        self.times = []

    def note(self, what, seconds):
        print(f"# {what}: {seconds:.1f} s", flush=True)
        self.times.append((what, seconds))

    def time(self, what, function, *arguments, **named):
        start = time.monotonic()
        value = function(*arguments, **named)
        self.note(what, time.monotonic() - start)
        return value


def needed(path):
    text = subprocess.run(["powerpc64le-linux-gnu-readelf", "-d", path], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", text)


def find_library(name):
    for place in ("lib/powerpc64le-linux-gnu", "usr/lib/powerpc64le-linux-gnu"):
        if (SYSROOT / place / name).exists():
            return SYSROOT / place / name
    raise FileNotFoundError(f"{name} is not in {SYSROOT}")


def bundle(program, directory):
    """The program and its libraries, for machines without any; how to start it there."""
    (directory / "lib").mkdir(parents=True, exist_ok=True)
    shutil.copy(program, directory)
    waiting = needed(program)
    while waiting:
        name = waiting.pop()
        if not (directory / "lib" / name).exists():
            shutil.copy(find_library(name), directory / "lib" / name)
            waiting += needed(directory / "lib" / name)
    return f"/share/lib/ld64.so.2 --library-path /share/lib /share/{program.name}"


def main(story):
    """Runs story(tap, timer, share); TAP on stdout, exit status for who wants it."""
    tap, timer = Tap(), Timer()
    try:
        with tempfile.TemporaryDirectory(prefix="tbsync-target-") as share:
            story(tap, timer, pathlib.Path(share))
        print(f"1..{tap.count}")
    except Exception as error:  # noqa: B902 - whatever it was, the plan was not fulfilled
        for line in traceback.format_exc().splitlines():
            print(f"# {line}")
        print(f"Bail out! {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        sys.exit(1)
    sys.exit(1 if tap.failed else 0)
