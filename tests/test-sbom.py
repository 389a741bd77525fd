#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-sbom.py SOURCE-ROOT BUILD-ROOT: the bill of materials is SPDX, complete, true, and the same each time."""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from ctl_tap import contains, equal, main

ROOT, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
SBOM = BUILD / "tbsyncd.spdx.json"
TEXT = SBOM.read_text(encoding="utf-8")
DOCUMENT = json.loads(TEXT)
PROGRAMS = [BUILD / "daemon" / "tbsyncd", BUILD / "client" / "tbsyncctl"]

# SPDX 2.3, clauses 6 to 8: what must be there, and what it looks like
FIELDS = {
    "document": {"spdxVersion": r"SPDX-2\.3", "dataLicense": r"CC0-1\.0", "SPDXID": r"SPDXRef-DOCUMENT", "name": r".+",
                 "documentNamespace": r"https://[^#\s]+"},
    "creation": {"created": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"},
    "package": {"SPDXID": r"SPDXRef-[A-Za-z0-9.-]+", "name": r".+", "versionInfo": r"\S+", "downloadLocation": r"NOASSERTION|NONE|\S+://\S+",
                "licenseConcluded": r"\S+", "licenseDeclared": r"\S+", "copyrightText": r"\S+"},
    "file": {"SPDXID": r"SPDXRef-[A-Za-z0-9.-]+", "fileName": r"\./[^/].*", "licenseConcluded": r"\S+", "copyrightText": r"\S+"},
    "relationship": {"spdxElementId": r"SPDXRef-[A-Za-z0-9.-]+", "relatedSpdxElement": r"SPDXRef-[A-Za-z0-9.-]+",
                     "relationshipType": r"DESCRIBES|CONTAINS|DYNAMIC_LINK|BUILD_TOOL_OF"},
}


def check_fields(kind, entry):
    for field, pattern in FIELDS[kind].items():
        if not re.fullmatch(pattern, entry.get(field, "")):
            raise AssertionError(f"{kind} {entry.get('SPDXID')}: {field} is {entry.get(field)!r}")


def related(kind):
    return [(entry["spdxElementId"], entry["relatedSpdxElement"]) for entry in DOCUMENT["relationships"] if entry["relationshipType"] == kind]


def package(name):
    return next(entry for entry in DOCUMENT["packages"] if entry["name"] == name)


def make(directory, programs, environment=None):
    """(exit status, stderr, text) of another run, elsewhere."""
    output = pathlib.Path(directory, "out.json")
    tools = [f"{entry['name']}:{entry['versionInfo']}" for entry in DOCUMENT["packages"]
             if (entry["SPDXID"], package("tbsyncd")["SPDXID"]) in related("BUILD_TOOL_OF")]
    done = subprocess.run([ROOT / "scripts" / "make-sbom", output, f"{output}.d", ROOT, BUILD, *tools, "--", *programs], cwd=directory,
                          env=dict(os.environ, **(environment or {})), capture_output=True, text=True, check=False)
    return done.returncode, done.stderr, output.read_text(encoding="utf-8") if output.exists() else None


def test_it_is_an_spdx_document():
    check_fields("document", DOCUMENT)
    check_fields("creation", DOCUMENT["creationInfo"])
    equal(all(re.match(r"(Tool|Person|Organization): \S", creator) for creator in DOCUMENT["creationInfo"]["creators"]), True)
    for kind in ("package", "file", "relationship"):
        entries = DOCUMENT[f"{kind}s"]
        equal(len(entries) > 0, True)
        for entry in entries:
            check_fields(kind, entry)


def test_each_name_stands_for_one_thing_and_leads_somewhere():
    names = [entry["SPDXID"] for kind in ("packages", "files") for entry in DOCUMENT[kind]]
    equal(len(names), len(set(names)))
    for entry in DOCUMENT["relationships"]:
        for end in ("spdxElementId", "relatedSpdxElement"):
            equal(entry[end] in {"SPDXRef-DOCUMENT", *names}, True)
    equal(related("DESCRIBES"), [("SPDXRef-DOCUMENT", package("tbsyncd")["SPDXID"])])


def test_checksums_are_those_of_the_files():
    for entry in DOCUMENT["files"]:
        content = (ROOT / entry["fileName"]).read_bytes()
        equal({sum["algorithm"]: sum["checksumValue"] for sum in entry["checksums"]},
              {"SHA1": hashlib.sha1(content).hexdigest(), "SHA256": hashlib.sha256(content).hexdigest()})
    digests = sorted(entry["checksums"][0]["checksumValue"] for entry in DOCUMENT["files"])
    equal(package("tbsyncd")["packageVerificationCode"]["packageVerificationCodeValue"], hashlib.sha1("".join(digests).encode()).hexdigest())


def test_each_source_that_was_compiled_is_in_it():
    """As the compiler was told, for the programs and the libraries that they are made of."""
    listed = {entry["fileName"][2:] for entry in DOCUMENT["files"]}
    seen = set()
    for command in json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8")):
        if re.match(r"(core|common|daemon|client)/(libtbsync-\w+\.a|tbsyncd|tbsyncctl)\.p/", command["output"]):
            seen.add(str((BUILD / command["file"]).resolve().relative_to(ROOT)))
    equal(len(seen) > 50, True)
    equal(sorted(seen - listed), [])
    equal([name for name in listed if name.startswith("tests/") or name.endswith(".c") and name not in seen], [])
    owner = package("tbsyncd")["SPDXID"]
    equal({file for one, file in related("CONTAINS") if one == owner}, {entry["SPDXID"] for entry in DOCUMENT["files"]})


def test_each_library_is_in_it_with_its_version():
    linked = [entry for entry in DOCUMENT["packages"] if (package("tbsyncd")["SPDXID"], entry["SPDXID"]) in related("DYNAMIC_LINK")]
    told = " ".join(entry["comment"] for entry in linked)
    for program in PROGRAMS:
        shown = subprocess.run(["readelf", "-dW", program], capture_output=True, text=True, check=True).stdout
        for soname in re.findall(r"\(NEEDED\).*\[(.+)\]", shown):
            contains(told, soname)
    for entry in linked:
        equal(bool(re.match(r"\d", entry["versionInfo"])), True)


def test_versions_are_those_of_the_installed_packages():
    for entry in DOCUMENT["packages"]:
        for reference in entry.get("externalRefs", []):
            match = re.fullmatch(r"pkg:deb/[\w-]+/([\w.+-]+)@\S+\?arch=(\w+)", reference["referenceLocator"])
            if match:
                version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", f"{match.group(1)}:{match.group(2)}"], capture_output=True,
                                         text=True, check=True).stdout
                equal((entry["name"], entry["versionInfo"]), (match.group(1), version))


def test_same_build_gives_the_same_bytes_wherever():
    with tempfile.TemporaryDirectory() as directory:
        equal(make(directory, PROGRAMS, {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"}), (0, "", TEXT))
    for path in (str(ROOT), str(BUILD)):
        equal(path in TEXT, False)


def test_date_is_the_one_that_the_build_is_given():
    with tempfile.TemporaryDirectory() as directory:
        other = json.loads(make(directory, PROGRAMS, {"SOURCE_DATE_EPOCH": "86400"})[2])
    equal(other["creationInfo"]["created"], "1970-01-02T00:00:00Z")
    equal(other["documentNamespace"] != DOCUMENT["documentNamespace"], True)


def test_program_without_libraries_is_an_error():
    with tempfile.TemporaryDirectory() as directory:
        status, error, made = make(directory, [ROOT / "COPYING"])
    equal((status, made), (1, None))
    contains(error, "COPYING names no library")


if __name__ == "__main__":
    sys.exit(main("sbom", sys.modules[__name__]))
