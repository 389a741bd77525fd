#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# test-completions.sh TBSYNCCTL COMPLETION: what bash offers, with the built tbsyncctl and without a daemon
set -u
dir=$(dirname "$1")
PATH=$dir:$PATH
DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent/bus
export PATH DBUS_SYSTEM_BUS_ADDRESS
# shellcheck source=data/completions/tbsyncctl.bash
. "$2"
status=0
number=0

# NAME WANTED WORD...: the last word is being typed
offers() {
    local name=$1 wanted=$2
    shift 2
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _tbsyncctl
    number=$((number + 1))
    if [ "${COMPREPLY[*]-}" = "$wanted" ]; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        echo "# offers '${COMPREPLY[*]-}', not '$wanted'"
        status=1
    fi
}

echo 1..11
offers "a verb is completed" "matrix" tbsyncctl mat
offers "a verb is completed behind an option" "baseline" tbsyncctl --json base
offers "hidden verbs are not offered" "" tbsyncctl compl
offers "help takes verbs" "doctor" tbsyncctl help doc
offers "options are those of the verb" "--assume" tbsyncctl check --as
offers "options of peers" "--history" tbsyncctl peers --hi
offers "options of all verbs are offered, too" "--no-legend --no-pager" tbsyncctl peers --no-
offers "explain takes finding codes" "deadline" tbsyncctl explain dead
offers "files are offered where they can stand" "$0" tbsyncctl judge "${0%.sh}"
offers "without a daemon there are no names" "" tbsyncctl peers ""
offers "nothing stands behind a verb without arguments" "" tbsyncctl status ""
exit $status
