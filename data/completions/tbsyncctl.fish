# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for tbsyncctl; what can stand where is tbsyncctl's own knowledge, names come from the running tbsyncd

function __tbsyncctl_words
    set -l before (commandline -opc | tail -n +2 | string match -v -- '-*')
    if test (count $before) -eq 0
        tbsyncctl complete verbs 2>/dev/null
    else
        set -l names (tbsyncctl complete argument $before[1] (math (count $before) - 1) 2>/dev/null)
        string match -v / -- $names
        contains / -- $names; and __fish_complete_path (commandline -ct)
    end
end

function __tbsyncctl_options
    set -l before (commandline -opc | tail -n +2 | string match -v -- '-*')
    tbsyncctl $before[1] --help 2>/dev/null | string match -r -a -- '(?:^|[ ,])(--[a-z-]+)' | string match -- '--*'
end

complete -c tbsyncctl -f
complete -c tbsyncctl -n 'not string match -q -- "-*" (commandline -ct)' -a '(__tbsyncctl_words)'
complete -c tbsyncctl -n 'string match -q -- "-*" (commandline -ct)' -a '(__tbsyncctl_options)'
complete -c tbsyncctl -l color -x -a 'auto always never'
