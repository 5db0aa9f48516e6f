"""One HTML file of a training run: its curves, its last samples, its settings; also while it trains."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.cli.options import at_least
from edgeconnect.errors import printable

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="[RUN/run.html]")
    parser.add_argument(
        "--every",
        type=at_least(1),
        metavar="SECONDS",
        help="write it again and again until Ctrl-C; a browser that shows it follows",
    )


def run(options: argparse.Namespace) -> int:
    """Write the page; the exit code."""
    from edgeconnect.evaluation.run_page import write_run_page

    page = write_run_page(options.run, options.out, options.every)
    print(printable(str(page)), flush=True)
    if options.every:
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(options.every)
                write_run_page(options.run, options.out, options.every)
        write_run_page(options.run, options.out)
    return 0
