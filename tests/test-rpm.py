#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-rpm.py SOURCE-ROOT BUILD-ROOT: the RPM spec makes a package, also where the macros of Fedora are not, with what the build installs."""

import json
import pathlib
import subprocess
import sys
import tempfile

from ctl_tap import equal, main

ROOT, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])


def run(*command, **how):
    return subprocess.run(command, check=True, capture_output=True, text=True, **how).stdout


class Rpm:
    """The package, built once."""

    def __init__(self, directory):
        self.top = pathlib.Path(directory)
        version = json.loads((BUILD / "meson-info" / "intro-projectinfo.json").read_text(encoding="utf-8"))["version"]
        (self.top / "SOURCES").mkdir()
        subprocess.run(f"tar -C '{ROOT}' --exclude=./.git --exclude='./build*' --exclude='./b-*' --transform 's,^[.],tbsyncd-{version},' -c . "
                       f"| xz -1 >'{self.top}/SOURCES/tbsyncd-{version}.tar.xz'", shell=True, check=True)
        self.built = subprocess.run(["rpmbuild", "-bb", "--nodeps", "--nocheck", "--define", f"_topdir {self.top}", "--load",
                                     ROOT / "tests" / "rpm-macros", ROOT / "packaging" / "tbsyncd.spec"],
                                    capture_output=True, text=True, check=False)
        self.path = next(self.top.glob("RPMS/*/*.rpm"), None)

    def query(self, *options):
        return run("rpm", "-qp", "--nosignature", *options, self.path).splitlines()


def test_package_is_built():
    equal((RPM.built.returncode, RPM.built.stderr[-2000:] if RPM.built.returncode else ""), (0, ""))
    equal(len(list(RPM.top.glob("RPMS/*/*.rpm"))), 1)


def test_it_has_what_the_build_installs():
    wanted = set(json.loads((BUILD / "meson-info" / "intro-installed.json").read_text(encoding="utf-8")).values())
    equal(sorted(wanted - {path.removesuffix(".gz") for path in RPM.query("-l")}), [])


def test_configuration_is_the_administrators():
    equal(sorted(RPM.query("--configfiles")), ["/etc/libvirt/hooks/qemu.d/90-tbsyncd", "/etc/tbsyncd/tbsyncd.conf"])


def test_modes_and_owners():
    listed = {line.split()[-1]: (line.split()[0], line.split()[2]) for line in RPM.query("-lv")}
    equal(listed["/var/lib/tbsyncd"], ("drwxr-x---", "tbsyncd"))
    equal(listed["/etc/libvirt/hooks/qemu.d/90-tbsyncd"], ("-rwxr-xr-x", "root"))
    equal(listed["/usr/sbin/tbsyncd"], ("-rwxr-xr-x", "root"))
    equal([path for path, (mode, owner) in listed.items() if owner != "root" and path != "/var/lib/tbsyncd"], [])


def test_scripts_make_the_user_and_reload_libvirt():
    scripts = "\n".join(RPM.query("--scripts"))
    for words in ("preinstall scriptlet", "sysusers", "try-reload-or-restart", "catalog", "preun"):
        equal((words, words in scripts), (words, True))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        RPM = Rpm(scratch)
        sys.exit(main("rpm", sys.modules[__name__]))
