"""One HTML file of a training run: its curves, its last samples, its settings; also while it trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.errors import printable

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="[RUN/run.html]")


def run(options: argparse.Namespace) -> int:
    """Write the page; the exit code."""
    from edgeconnect.evaluation.run_page import write_run_page

    print(printable(str(write_run_page(options.run, options.out))))
    return 0
