#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-probe.py COMMAND...: target-probe on a machine without POWER KVM says so."""

import json
import os
import subprocess
import sys
import tempfile


def probe(command, device):
    done = subprocess.run([*command, device], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr


def main():
    command = sys.argv[1:]
    with tempfile.NamedTemporaryFile() as no_device:
        cases = [("without a device", "/nonexistent/kvm", "none"), ("with a device that is none", no_device.name, None)]
        print(f"1..{len(cases)}")
        for number, (name, device, kvm) in enumerate(cases, 1):
            status, answer = probe(command, device)
            good = (status == 0 and answer["offsets"] is None and device in (answer["note"] or "")
                    and (kvm is None or answer["facts"].get("kvm") == kvm))
            print(f"{'' if good else 'not '}ok {number} - {name} the probe says so")
            if not good:
                print(f"# exit {status}: {answer}")


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C.UTF-8"
    main()
