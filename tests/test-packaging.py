#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-packaging.py SOURCE-ROOT BUILD-ROOT: the RPM spec and the Debian package say what the build installs, in the same version."""

import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from ctl_tap import contains, equal, main

ROOT, BUILD = map(pathlib.Path, sys.argv[1:3])
SPEC = ROOT / "packaging" / "tbsyncd.spec"

# as Fedora has them; those of systemd come from systemd-rpm-macros
MACROS = {
    "_sysconfdir": "/etc", "_bindir": "/usr/bin", "_sbindir": "/usr/sbin", "_datadir": "/usr/share", "_mandir": "/usr/share/man",
    "_sharedstatedir": "/var/lib", "_unitdir": "/usr/lib/systemd/system", "_sysusersdir": "/usr/lib/sysusers.d",
    "_tmpfilesdir": "/usr/lib/tmpfiles.d", "_journalcatalogdir": "/usr/lib/systemd/catalog",
}


def spec_files():
    """(path pattern, is a directory of our own) of each line of %files."""
    text = SPEC.read_text(encoding="utf-8")
    for line in re.search(r"^%files\n(.*?)^%changelog", text, re.M | re.S).group(1).splitlines():
        if line and not line.startswith(("%license", "%doc")):
            yield re.sub(r"%\{(\w+)\}", lambda match: MACROS[match.group(1)], line.split()[-1]), "%dir" in line


def installed():
    text = (BUILD / "meson-info" / "intro-installed.json").read_text(encoding="utf-8")
    return sorted(set(json.loads(text).values()))


def rpmlint(spec):
    return subprocess.run(["rpmlint", "-r", ROOT / "packaging" / "tbsyncd.rpmlintrc", spec], capture_output=True, text=True, check=False)


def test_rpm_has_each_file_that_is_installed():
    patterns = [path for path, is_directory in spec_files() if not is_directory]
    equal([path for path in installed() if not any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)], [])


def test_rpm_has_no_file_that_is_not_installed():
    paths = installed()
    equal([pattern for pattern, is_directory in spec_files()
           if not is_directory and not any(fnmatch.fnmatchcase(path, pattern) for path in paths)], [])


def test_rpm_owns_the_directories_it_makes():
    owned = {path for path, is_directory in spec_files() if is_directory}
    for path in installed():
        for parent in pathlib.PurePath(path).parents:
            if parent.name in ("tbsyncd", "qemu.d") and str(parent) not in owned:
                raise AssertionError(f"{parent} of {path} is nobody's")


def test_rpmlint_accepts_the_spec():
    done = rpmlint(SPEC)
    equal((done.returncode, re.findall(r"\S+: [EW]: .*", done.stdout)), (0, []))
    contains(done.stdout, "1 specfiles checked; 0 errors, 0 warnings")


def test_rpmlint_would_say_what_is_wrong():
    with tempfile.TemporaryDirectory() as directory:
        wrong = pathlib.Path(directory, "tbsyncd.spec")
        wrong.write_text(re.sub(r"^%install\n", "%install\nrm -rf $RPM_BUILD_ROOT /usr/lib/x\n", SPEC.read_text(encoding="utf-8"), flags=re.M),
                         encoding="utf-8")
        if not re.search(r"tbsyncd\.spec:\d+: [EW]: ", rpmlint(wrong).stdout):
            raise AssertionError("rpmlint takes anything")


def test_all_tell_the_same_version():
    version = re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text(encoding="utf-8")).group(1)
    equal(re.search(r"^Version:\s+(\S+)", SPEC.read_text(encoding="utf-8"), re.M).group(1), version)
    equal(re.match(r"tbsyncd \(([\d.]+)\)", (ROOT / "debian" / "changelog").read_text(encoding="utf-8")).group(1), version)
    equal((ROOT / "NEWS").read_text(encoding="utf-8").split()[1], version)


def test_both_packages_need_what_the_build_needs():
    """Each dependency() of meson.build stands in the spec, and its -dev package in debian/control, with its least version."""
    needed = re.findall(r"^\w+ = dependency\('([\w.-]+)'(?:, version: '>= ([\d.]+)')?",
                        (ROOT / "meson.build").read_text(encoding="utf-8"), re.M)
    equal(len(needed) > 5, True)
    spec = SPEC.read_text(encoding="utf-8")
    control = (ROOT / "debian" / "control").read_text(encoding="utf-8").split("\n\n")[0]
    of_debian = {"gio-2.0": "libglib2.0-dev", "gio-unix-2.0": "libglib2.0-dev", "glib-2.0": "libglib2.0-dev",
                 "gnutls": "libgnutls28-dev", "json-glib-1.0": "libjson-glib-dev", "libsystemd": "libsystemd-dev",
                 "libvirt": "libvirt-dev", "libvirt-qemu": "libvirt-dev", "libxml-2.0": "libxml2-dev"}
    for name, least in needed:
        contains(spec, f"pkgconfig({'gio-unix-2.0' if name == 'gio-2.0' else name})" + (f" >= {least}\n" if least else "\n"))
        contains(control, f" {of_debian[name]}" + (f" (>= {least})" if least else ""))


if __name__ == "__main__":
    sys.exit(main("packaging", sys.modules[__name__]))
