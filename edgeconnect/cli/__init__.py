"""The command line: finds the verb, reads its arguments, calls it; a user's mistake ends in one sentence.

A verb is a module of this package with `add_arguments(parser)` and `run(options)`, which returns the exit
code, and a line in VERBS.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import signal
import sys
import time
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from edgeconnect import __version__
from edgeconnect.errors import InputError, NonFiniteLossError, printable
from edgeconnect.memory import keep_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERBS: Mapping[str, str] = {
    "demo": "fill four sample photos and print where the picture is",
    "inpaint": "fill the holes of a photo or of a folder of photos",
    "edges": "write the completed edge map, ready to edit in a paint program",
    "train": "train a stage on your own photos",
    "plot": "a training run as one HTML file: curves, samples, settings",
    "single": "one photo's own patches: fill its holes, train on it, retarget it",
    "convert": "released .pth files, or runs' weights, into one weights file",
    "serve": "the page to draw holes and edges on, and the HTTP API",
    "score": "scores of a folder of results against the truth",
    "fid": "Fréchet Inception distance between two folders",
    "benchmark": "photos x holes x inpainters: timed, scored and shown",
    "ablate": "what a model's edges are worth",
    "masks": "draw a folder of masks, check one",
    "data": "check a folder of photos, prepare it for training",
    "completion": "print the lines that teach bash, zsh or fish these verbs and their options",
}
"""Each verb's module (its name below this package) and its line in `--help`."""


_NAME_SHOWN = 200  # characters of a name that is too long


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `edgeconnect ...` and exit with `run`'s code."""
    prepare_process()
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def prepare_process() -> None:
    """Settings of a whole process that works for the command line."""
    if not sys.warnoptions:  # libraries' warnings are for developers, who ask for them with -W
        warnings.simplefilter("ignore")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    if "OMP_WAIT_POLICY" not in os.environ:
        # before PyTorch is imported: its threads wait for each other by counting, to 300,000 unless told, and
        # where other programs are at work take the core from the thread that they wait for
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    keep_memory()


def run(arguments: Sequence[str]) -> int:
    """Run a verb: 0 done, 1 unusable input, 2 wrong arguments, 128 + n by signal n."""
    options = build_parser(arguments[0] if arguments else "").parse_args([_shielded(a) for a in arguments])
    try:
        code: int = options.run_command(options)
    except (InputError, NonFiniteLossError) as error:
        print(f"edgeconnect: {error}", file=sys.stderr)
        _tell_torchrun(str(error))
        code = 1
    except BrokenPipeError:  # whoever read the output has had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 128 + signal.SIGPIPE
    except OSError as error:  # a name that is too long, a disk that is full, a folder that is closed
        name = printable(error.filename or "")[:_NAME_SHOWN]
        named = f"{name}: expected a usable file or folder, got" if name else "the system said"
        print(f"edgeconnect: {named}: {error.strerror or error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    return code


def _tell_torchrun(sentence: str) -> None:
    """Have `torchrun`, where it started this process, end its own long report with the sentence."""
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        message = {"message": sentence, "extraInfo": {"timestamp": str(int(time.time()))}}
        with suppress(OSError):
            Path(path).write_text(json.dumps({"message": message}), encoding="utf-8")


class Parser(argparse.ArgumentParser):
    """argparse, which says what a mistyped word may have meant, and where the help is, in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2 and a sentence."""
        if unknown := re.search(r"unrecognized arguments: (--?[\w-]+)", message):
            options = [option for action in self._subactions() for option in action.option_strings]
            message += _meant(unknown[1], options)
        elif wrong := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            message += _meant(wrong[1], re.findall(r"[\w.:-]+", wrong[2]))
        self.exit(2, f"{self.prog}: error: {message} (`{self.prog} --help` shows what there is)\n")

    def _subactions(self) -> list[argparse.Action]:
        """This parser's options and those of the verbs below it."""
        found = list(self._actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    found += parser._subactions() if isinstance(parser, Parser) else []
        return found


def _meant(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, 1, 0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _shielded(argument: str) -> str:
    """A box that begins left of the photo, "-5,3,20,20", so that argparse does not take it for an option."""
    return f" {argument}" if re.match(r"-\d+,", argument) else argument


def build_parser(chosen: str) -> argparse.ArgumentParser:
    """The parser with the options of the chosen verb alone: no other one's module is imported."""
    parser = Parser(prog="edgeconnect", description="Structure-guided image inpainting.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, text in VERBS.items():
        verb = verbs.add_parser(name, help=text)
        if name == chosen:
            module = import_module(f"edgeconnect.cli.{name}")
            verb.description = module.__doc__
            verb.set_defaults(run_command=module.run)
            module.add_arguments(verb)
    return parser
