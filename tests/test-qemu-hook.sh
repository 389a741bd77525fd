#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# test-qemu-hook.sh 90-tbsyncd.in: the hook script with a tbsyncctl that records what it is given and says no. TAP.
set -u
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
sed "s:@bindir@:$dir:" "$1" >"$dir/hook"
printf '#!/bin/sh\necho "$@" >%s/args; cat >%s/xml; echo out; echo err >&2; exit 7\n' "$dir" "$dir" >"$dir/tbsyncctl"
chmod +x "$dir/hook" "$dir/tbsyncctl"

n=0
# check NAME STATUS CALLED(yes|no): the hook with $xml and $args, and what must come of it
check() {
    local name=$1 status=$2 called=$3 got=0 was=no
    n=$((n + 1))
    rm -f "$dir/args" "$dir/xml"
    printf %s "$xml" >"$dir/in"
    # shellcheck disable=SC2086
    "$dir/hook" $args <"$dir/in" >"$dir/out" 2>"$dir/err" || got=$?
    [ ! -e "$dir/args" ] || was=yes
    if [ "$got" != "$status" ] || [ "$was" != "$called" ] || [ -s "$dir/out" ] ||
        { [ "$called" = yes ] && { [ "$(cat "$dir/args")" != "hook $args" ] || ! cmp -s "$dir/in" "$dir/xml"; }; }; then
        echo "not ok $n - $name"
        echo "# exit $got, tbsyncctl called: $was, stdout $(stat -c %s "$dir/out") bytes"
    else
        echo "ok $n - $name"
    fi
}

domain() { # ARCH MACHINE [EXTRA-BEFORE-OS]
    printf "<domain type='kvm'>\n  <name>g</name>\n%s  <os>\n    <type arch='%s' machine='%s'>hvm</type>\n  </os>\n</domain>\n" \
        "${3-}" "$1" "$2"
}

xml=$(domain ppc64 pseries-7.2)
for op in prepare start started stopped release reconnect attach; do
    args="g $op begin -"
    check "$op is none of ours" 0 no
done
args="g restore begin -"
check "restore of a pseries guest is asked" 7 yes
args="g migrate begin -"
check "migrate of a pseries guest is asked, the XML unchanged" 7 yes
xml=$(domain ppc64le pseries-7.2)
check "ppc64le is asked" 7 yes
xml=$(domain x86_64 pc-i440fx-7.2)
check "another architecture is not asked" 0 no
xml=$(domain x86_64 q35 | sed "s/<os>/<os firmware='efi'>/")
check "firmware does not make another architecture ours" 0 no
xml=$(domain ppc64 pseries-7.2 | sed "s/<os>/<os firmware='efi'>/")
check "firmware does not hide a pseries guest" 7 yes
xml=$(domain ppc64 powernv9)
check "a machine that is no pseries is not asked" 0 no
xml=$(domain ppc64 pseries-7.2 "  <metadata>
    <os>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
  </metadata>
")
check "a type inside metadata does not count" 7 yes
xml=$(domain x86_64 q35 "  <metadata>
    <a:b xmlns:a='urn:a'>pseries</a:b>
  </metadata>
")
check "metadata before another architecture costs nothing" 0 no
xml=$(domain x86_64 q35 "  <metadata>
    <metadata>
  </metadata>
")
check "metadata inside metadata goes to the parser" 7 yes
xml=$(domain x86_64 q35 "  <!-- c -->
")
check "a comment goes to the parser" 7 yes
xml="<domain><os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
check "XML on one line without an end goes to the parser" 7 yes
xml='\x00\\ %s  not XML
 at all'
check "what is not XML goes to the parser as it came" 7 yes
xml=
check "nothing on stdin goes to the parser" 7 yes
rm "$dir/tbsyncctl"
xml=$(domain ppc64 pseries-7.2)
check "a hook left behind by a removed package lets guests go" 0 no
echo "1..$n"
