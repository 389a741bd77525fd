# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for tbsyncctl; verbs and options come from its own help, names from the running tbsyncd

_tbsyncctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} verb='' n=0 i words=''
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -*) ;;
            *)
                if [ -z "$verb" ]; then verb=${COMP_WORDS[i]}; else n=$((n + 1)); fi
                ;;
        esac
    done
    case $cur in
        -*)
            # shellcheck disable=SC2086
            words=$(tbsyncctl $verb --help 2>/dev/null | grep -oE -- '(^|[ ,])--[a-z-]+' | tr -d ' ,' | sort -u)
            ;;
        *)
            case $verb:$n in
                :*) words=$(tbsyncctl --help 2>/dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\).*/\1/p') ;;
                check:0) words=$(tbsyncctl complete guests 2>/dev/null) ;;
                check:1 | peers:0 | baseline:*) words=$(tbsyncctl complete peers 2>/dev/null) ;;
                show:0) words=$(tbsyncctl complete migrations 2>/dev/null) ;;
                explain:0) words=$(tbsyncctl complete codes) ;;
                help:0) words=$(tbsyncctl --help 2>/dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\).*/\1/p') ;;
                judge:0 | replay:0) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
            esac
            ;;
    esac
    [ -z "$words" ] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _tbsyncctl tbsyncctl
