#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# test-unit-security.sh DIRECTORY...: the units that were built and written, as systemd itself judges them
set -u
status=0
number=0
check() { # NAME COMMAND...
    name=$1
    shift
    number=$((number + 1))
    if out=$("$@" 2>&1); then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        echo "$out" | sed 's/^/# /'
        status=1
    fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for directory; do
    cp "$directory"/tbsyncd.service "$directory"/tbsyncd*.socket "$directory"/tbsyncd*.timer "$work/" 2>/dev/null
done
sed 's#^ExecStart=/[^ ]*#ExecStart=/bin/true#' "$work/tbsyncd.service" >"$work/verify.service"
sed -i '/^Wants=tbsyncd.socket/d' "$work/verify.service"
mkdir "$work/strict"
# what is forbidden is missed when it is allowed: systemd counts
loose=$work/strict/tbsyncd.service
sed '/^SystemCallFilter=/d; /^ProtectSystem=/d; /^NoNewPrivileges=/d' "$work/tbsyncd.service" >"$loose"

echo 1..3
check "the exposure of the unit is at most 1.5" \
    systemd-analyze security --no-pager --offline=true --threshold=15 "$work/tbsyncd.service"
check "without its filters it would be more" \
    sh -c '! systemd-analyze security --no-pager --offline=true --threshold=15 "$0"' "$loose"
check "systemd understands every line" \
    sh -c 'out=$(systemd-analyze verify --man=no "$@" 2>&1); printf "%s\n" "$out"; ! printf "%s" "$out" | grep -q "$(dirname "$1")"' \
    sh "$work/verify.service" "$work/tbsyncd.socket"
exit $status
