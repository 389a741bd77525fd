# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for tbsyncctl; what can stand where is tbsyncctl's own knowledge, names come from the running tbsyncd

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
    case $cur:$verb in
        -*)
            # shellcheck disable=SC2086
            words=$(tbsyncctl $verb --help 2>/dev/null | grep -oE -- '(^|[ ,])--[a-z-]+' | tr -d ' ,' | sort -u)
            ;;
        *:) words=$(tbsyncctl complete verbs 2>/dev/null | cut -f 1) ;;
        *) words=$(tbsyncctl complete argument "$verb" "$n" 2>/dev/null) ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "${words//\//}" -- "$cur")
    case $words in
        */*) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur") ;;
    esac
}
complete -F _tbsyncctl tbsyncctl
