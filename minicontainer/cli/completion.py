"""``minicontainer completion``: the script that a shell needs to complete our commands.

The scripts know nothing of verbs and names: they hand the line to ``__complete`` (completing.py,
which draws the protocol) and the answer to the shell.  What a shell wants of its own is done here:
bash takes words apart at : and =, and must get only what follows the last of them; zsh takes a
colon for the beginning of the help; fish needs neither.
"""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb

BASH = r"""# bash completion for minicontainer:  source <(minicontainer completion bash)
_minicontainer() {
    local line=${COMP_LINE:0:COMP_POINT} breaks=${COMP_WORDBREAKS//[^:=]/} kind value help word before=
    word=${line##*[[:space:]]}
    [[ -n $breaks ]] && before=${word%"${word##*[$breaks]}"}
    local partial=${word#"$before"} IFS
    COMPREPLY=()
    while IFS=$'\t' read -r kind value help; do
        case $kind in
            plain) COMPREPLY+=("${value#"$before"}") ;;
            part) COMPREPLY+=("${value#"$before"}"); compopt -o nospace 2>/dev/null ;;
            file|dir)
                [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o filenames 2>/dev/null
                [[ $kind = dir ]] && kind=-d || kind=-f
                while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen "$kind" -- "$partial") ;;
        esac
    done < <("$1" __complete bash "$line" 2>/dev/null)
}
complete -F _minicontainer minicontainer
"""

ZSH = r"""#compdef minicontainer
# zsh completion for minicontainer:  source <(minicontainer completion zsh)
# or, as a file named _minicontainer in a folder of $fpath, loaded when it is first needed
_minicontainer() {
    local kind value help program=${(Q)words[1]}
    local -a plain parts files
    while IFS=$'\t' read -r kind value help; do
        value="${value//:/\\:}${help:+:$help}"
        case $kind in
            plain) plain+=("$value") ;;
            part) parts+=("$value") ;;
            file) files=(_files) ;;
            dir) files=(_files -/) ;;
        esac
    done < <($program __complete zsh $program "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    local found=1
    (( ${#plain} )) && _describe -V minicontainer plain && found=0
    (( ${#parts} )) && _describe -V minicontainer parts -S '' && found=0
    if (( ${#files} )); then
        [[ $PREFIX == --*=* ]] && compset -P '*='
        $files && found=0
    fi
    return found
}
if [[ ${funcstack[1]} == _minicontainer ]]; then
    _minicontainer "$@"
else
    compdef _minicontainer minicontainer
fi
"""

FISH = r"""# fish completion for minicontainer:  minicontainer completion fish | source
function __minicontainer_complete
    set -l words (commandline -opc)
    set -l partial (commandline -ct)
    for line in ($words[1] __complete fish $words "$partial" 2>/dev/null)
        set -l found (string split -m 1 \t -- $line)
        switch $found[1]
            case plain part
                echo $found[2]
            case file
                __fish_complete_path (string replace -r '^--[^=]*=' '' -- "$partial")
            case dir
                __fish_complete_directories (string replace -r '^--[^=]*=' '' -- "$partial") ''
        end
    end
end
complete -c minicontainer -e
complete -c minicontainer -f -a '(__minicontainer_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@verb("completion", usage="SHELL", help="Print the completion script of a shell: bash, zsh or fish")
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
def command(shell: str) -> None:
    """Print it for ``source``, or for the file where the shell looks for it."""
    click.echo(SCRIPTS[shell], nl=False)
