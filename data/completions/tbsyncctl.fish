# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for tbsyncctl; verbs come from its own help, names from the running tbsyncd

function __tbsyncctl_verbs
    tbsyncctl --help 2>/dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*  \([A-Z].*\)/\1\t\2/p'
end

complete -c tbsyncctl -f
complete -c tbsyncctl -n __fish_use_subcommand -a '(__tbsyncctl_verbs)'
complete -c tbsyncctl -l json -d 'Print JSON for machines'
complete -c tbsyncctl -l no-legend -d 'Print tables without head and foot'
complete -c tbsyncctl -l no-pager -d 'Do not pipe long output into a pager'
complete -c tbsyncctl -l color -x -a 'auto always never' -d 'Color'
complete -c tbsyncctl -s h -l help -d 'Show help'
complete -c tbsyncctl -n '__fish_seen_subcommand_from check matrix baseline judge' -l assume -x -d 'Change a fact of a host'
complete -c tbsyncctl -n '__fish_seen_subcommand_from check' -a '(tbsyncctl complete guests; tbsyncctl complete peers)'
complete -c tbsyncctl -n '__fish_seen_subcommand_from peers baseline' -a '(tbsyncctl complete peers)'
complete -c tbsyncctl -n '__fish_seen_subcommand_from show' -a '(tbsyncctl complete migrations)'
complete -c tbsyncctl -n '__fish_seen_subcommand_from explain' -a '(tbsyncctl complete codes)'
complete -c tbsyncctl -n '__fish_seen_subcommand_from help' -a '(__tbsyncctl_verbs)'
complete -c tbsyncctl -n '__fish_seen_subcommand_from judge replay' -F
