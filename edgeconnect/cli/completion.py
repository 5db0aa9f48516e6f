"""Print the lines that teach a shell these verbs and their options.

bash: eval "$(edgeconnect completion bash)", also in ~/.bashrc; zsh: the same with zsh in ~/.zshrc;
fish: edgeconnect completion fish > ~/.config/fish/completions/edgeconnect.fish
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SHELLS = ("bash", "zsh", "fish")

_BASH = """_edgeconnect() {
  local word="${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then words="%(verbs)s --help --version"
  else case "${COMP_WORDS[1]}" in
%(cases)s
  esac; fi
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    *) COMPREPLY=(); [ "$COMP_CWORD" -gt 1 ] || COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
  esac
}
complete -o default -o bashdefault -F _edgeconnect edgeconnect
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("shell", choices=SHELLS)


def run(options: argparse.Namespace) -> int:
    """Print; the exit code."""
    print(script(options.shell), end="")
    return 0


def script(shell: str) -> str:
    """The lines for one of SHELLS."""
    from edgeconnect.cli import VERBS

    words = {verb: _words(verb) for verb in VERBS}
    if shell == "fish":
        return _fish(words)
    cases = "\n".join(f'    {verb}) words="{" ".join(each)}" ;;' for verb, each in words.items())
    bash = _BASH % {"verbs": " ".join(words), "cases": cases}
    return bash if shell == "bash" else "autoload -U +X bashcompinit && bashcompinit\n" + bash


def _words(verb: str) -> list[str]:
    """A verb's long options, and those of what it divides into."""
    from edgeconnect.cli import Parser, build_parser

    top = build_parser(verb)
    verbs = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    chosen = verbs.choices[verb]
    assert isinstance(chosen, Parser)
    options = [option for action in chosen._subactions() for option in action.option_strings]
    return sorted({option for option in options if option.startswith("--")})


def _fish(words: Mapping[str, list[str]]) -> str:
    from edgeconnect.cli import VERBS

    lines = ["complete -c edgeconnect -n __fish_use_subcommand -l version"]
    for verb, options in words.items():
        text = VERBS[verb].replace("'", "\\'")
        lines.append(f"complete -c edgeconnect -n __fish_use_subcommand -f -a {verb} -d '{text}'")
        seen = f"-n '__fish_seen_subcommand_from {verb}'"
        lines += [f"complete -c edgeconnect {seen} -l {option[2:]}" for option in options]
    return "\n".join(lines) + "\n"
