# SPDX-License-Identifier: LGPL-2.1-or-later
"""TAP for tests that run tbsyncctl: each function test_* of the calling module is a case."""

import json
import os
import subprocess
import sys
import traceback


class Ctl:
    """One run of the program under test."""

    def __init__(self, arguments, data=b"", environment=None, patience_s=120):
        if isinstance(data, str):
            data = data.encode()
        env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "PAGER", "TBSYNC_PAGER")}
        env.update({"LC_ALL": "C.UTF-8"}, **(environment or {}))
        done = subprocess.run([sys.argv[1], *arguments], input=data, env=env, capture_output=True, timeout=patience_s)
        self.status = done.returncode
        self.out = done.stdout.decode("utf-8")
        self.err = done.stderr.decode("utf-8")
        self.lines = self.out.splitlines()

    @property
    def objects(self):
        return [json.loads(line) for line in self.lines]


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r} is not {wanted!r}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def main(name, module):
    cases = [(case, function) for case, function in vars(module).items() if case.startswith("test_")]
    print(f"1..{len(cases)}")
    failed = 0
    for number, (case, function) in enumerate(cases, 1):
        label = f"/{name}/" + case[len("test_"):].replace("_", "-")
        try:
            function()
            print(f"ok {number} {label}")
        except Exception:  # whatever it is, the case failed
            failed += 1
            print(f"not ok {number} {label}")
            print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()), end="")
    return 1 if failed else 0
