"""Each command that a page of the documentation shows is one that the program understands."""

from __future__ import annotations

import argparse
import re
import shlex
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from edgeconnect import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for glob in ("*.md", "[a-z]*/*.md", "edgeconnect/*/*.md") for path in ROOT.glob(glob))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RECIPES = ("data", "edgeconnect", "eval", "masks")


class ParsedError(Exception):
    """The arguments were understood; nothing has been done with them."""


def shell_commands(page: str) -> list[list[str]]:
    """The words of each command in a page's shell blocks, without comments and redirections."""
    found = []
    for language, text in BLOCK.findall(page):
        for line in text.replace("\\\n", " ").splitlines():
            if language not in ("", "sh") or " [" in line:  # the latter is a summary of options
                continue
            reader = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
            reader.whitespace_split, words = True, list[str]()
            for word in [*reader, ";"]:
                if re.fullmatch("[&|;]+", word):
                    found.append(list(takewhile(lambda word: word not in ("<", ">", ">>"), words)))
                    words = []
                else:
                    words.append(word)
    return [words for words in found if words]


def ours(words: list[str]) -> tuple[str, list[str]] | None:
    """The module that a command runs and its arguments; None for other programs."""
    words = words[next((i for i, word in enumerate(words) if "=" not in word), 0) :]
    if Path(words[0]).name == "edgeconnect":
        return "edgeconnect.__main__", words[1:]
    if "-m" not in words or Path(words[0]).name not in ("python", "python3", "torchrun"):
        return None
    module, *arguments = words[words.index("-m") + 1 :]
    if module.split(".")[0] not in RECIPES:
        return None
    return ("edgeconnect.__main__" if module == "edgeconnect" else module), arguments


def parse(module: str, arguments: list[str]) -> None:
    """Start a program as the shell would; raises ParsedError where it understands its arguments."""
    run = cli.main if module == "edgeconnect.__main__" else import_module(module).main
    run(arguments)


@pytest.fixture(autouse=True)
def _only_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs end once their real parser has read all arguments."""
    parse_args = argparse.ArgumentParser.parse_args

    def parse_only(self: argparse.ArgumentParser, *arguments: Any) -> None:
        parse_args(self, *arguments)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    monkeypatch.setattr(cli, "prepare_process", lambda: None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_s_commands_are_understood(page: Path) -> None:
    for words in shell_commands(page.read_text(encoding="utf-8")):
        if (command := ours(words)) is None:
            continue
        with pytest.raises(ParsedError):
            parse(*command)


def test_commands_are_found_in_pages() -> None:
    readme = shell_commands((ROOT / "README.md").read_text(encoding="utf-8"))
    verbs = {command[1][0] for words in readme if (command := ours(words))}
    assert {"convert", "demo", "edges", "inpaint", "serve", "single", "train"} <= verbs
    block = "```sh\nA=1 edgeconnect score a b > c  # d\ncat e | python -m eval.speed \\\n  large && ls\n```\n"
    assert [ours(words) for words in shell_commands(block)] == [
        ("edgeconnect.__main__", ["score", "a", "b"]),
        None,
        ("eval.speed", ["large"]),
        None,
    ]


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("edgeconnect.__main__", ["edges", "photo.jpg", "--box", "1,2,3,4", "--out", "o.png", "--line", "x"]),
        ("edgeconnect.__main__", ["single", "fills", "photo.jpg"]),
        ("eval.benchmark", ["--no-such-option"]),
        ("eval.speed", ["nothing"]),
    ],
)
def test_a_mistaken_command_would_be_noticed(
    module: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(module, arguments)
    assert exit_.value.code == 2 and "error:" in capsys.readouterr().err
