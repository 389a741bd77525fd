#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-count-tests.py COUNT-TESTS: what is counted of a run of "meson test", and what is shown of its failures."""

import json
import pathlib
import subprocess
import sys
import tempfile

from ctl_tap import contains, equal, main

COUNT_TESTS = sys.argv[1]
GOOD = """<testsuite name="tbsyncd.tbsyncd:unit / good"><testcase name="1 /good/a"/><testcase name="2 /good/b"/></testsuite>"""
BAD = """<testsuite name="tbsyncd.tbsyncd:unit / bad"><testcase name="1 /bad/a"/><testcase name="2 /bad/b"><failure/></testcase>
<testcase name="3 /bad/c"/></testsuite>"""
SCRIPT = """<testsuite name="tbsyncd"><testcase name="unit / script">%s</testcase></testsuite>"""


def program(name, result, stdout="", stderr=""):
    return {"name": f"tbsyncd:unit / {name}", "result": result, "stdout": stdout, "stderr": stderr}


def count(suites, programs):
    with tempfile.TemporaryDirectory() as directory:
        log = pathlib.Path(directory, "log")
        log.with_suffix(".junit.xml").write_text(f"<testsuites>{suites}</testsuites>", encoding="utf-8")
        log.with_suffix(".json").write_text("".join(json.dumps(one) + "\n" for one in programs), encoding="utf-8")
        done = subprocess.run([COUNT_TESTS, log], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()


def test_good_run_is_a_line():
    equal(count(GOOD, [program("good", "OK", "ok 1\n")]), (0, ["2 passed, 0 failed, 0 skipped"]))


def test_failed_case_is_counted_once_and_shown_with_what_was_said_of_it():
    status, lines = count(GOOD + BAD, [program("good", "OK"), program(
        "bad", "ERROR", "1..3\n# of a\nok 1 /bad/a\n# before b\nnot ok 2 /bad/b\n# after b\nok 3 /bad/c\n# of the end\n")])
    equal((status, lines), (1, ["bad: ERROR", "    # before b", "    not ok 2 /bad/b", "    # after b", "4 passed, 1 failed, 0 skipped"]))


def test_program_that_crashes_after_its_cases_is_a_failure():
    status, lines = count(GOOD, [program("good", "ERROR", "ok 1\nok 2\n", "Segmentation fault")])
    equal((status, lines[0], lines[-1]), (1, "good: ERROR", "2 passed, 1 failed, 0 skipped"))
    contains(lines, "    Segmentation fault")


def test_script_is_one_case_and_says_why_it_failed():
    equal(count(SCRIPT % "", [program("script", "OK")]), (0, ["1 passed, 0 failed, 0 skipped"]))
    equal(count(SCRIPT % "<failure/>", [program("script", "FAIL", "what is missing\n")]),
          (1, ["script: FAIL", "    what is missing", "0 passed, 1 failed, 0 skipped"]))


def test_no_more_than_the_end_of_a_long_story_is_shown():
    _, lines = count(SCRIPT % "<failure/>", [program("script", "FAIL", "".join(f"{i}\n" for i in range(1000)))])
    equal((len(lines), lines[-2]), (62, "    999"))


def test_run_without_a_case_is_no_success():
    equal(count("", []), (1, ["0 passed, 0 failed, 0 skipped"]))


def test_log_that_is_missing_is_a_failure():
    done = subprocess.run([COUNT_TESTS, "/nonexistent"], capture_output=True, text=True, check=False)
    equal((done.returncode, done.stdout), (1, "0 passed, 1 failed, 0 skipped\n"))


if __name__ == "__main__":
    sys.exit(main("count-tests", sys.modules[__name__]))
