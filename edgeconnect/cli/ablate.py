"""The paper's ablations of a trained model, and whether it uses its edge map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.cli.options import add_polarity_option, at_least
from edgeconnect.evaluation.ablate import ablate, precision
from edgeconnect.evaluation.conditions import ABLATIONS
from edgeconnect.evaluation.tables import write_json_lines

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    commands = parser.add_subparsers(dest="ablation", required=True)
    parts = {
        name: commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        for name, function in (ABLATIONS | {"precision": precision}).items()
    }
    for name, part in parts.items():
        _add_common(part)
        if name != "precision":
            part.add_argument("--features", type=Path, metavar="FILE", help="VGG-19: adds the distance in it")
    parts["sigma"].add_argument(
        "--sigmas", type=float, nargs="+", metavar="PX", default=[0.5, 1, 1.5, 2, 3, 4]
    )
    parts["detector"].add_argument(
        "--maps", type=Path, required=True, metavar="DIR", help="named as the photos"
    )
    parts["detector"].add_argument("--map-polarity", choices=("white", "black", "guess"), default="white",
                                   help="colour of the lines (default: white)")  # fmt: skip
    parts["precision"].add_argument(
        "--tolerance-px", type=float, default=1, metavar="PX", help="(default: 1)"
    )


def run(options: argparse.Namespace) -> int:
    """Compute, print the tables; the exit code."""
    text, lines = ablate(options)
    print(text)
    if options.json:
        write_json_lines(options.json, lines)
    return 0


def _add_common(part: argparse.ArgumentParser) -> None:
    part.add_argument("--photos", type=Path, required=True, metavar="DIR")
    part.add_argument(
        "--masks", type=Path, metavar="DIR", help="any number (default: strokes, drawn by --seed)"
    )
    add_polarity_option(part)
    part.add_argument("--weights", metavar="NAME|PATH", help="(default: as shipped)")
    part.add_argument("--count", type=int, metavar="N", help="photos, evenly over the folder (default: all)")
    part.add_argument(
        "--size", type=at_least(8), default=256, metavar="PX", help="side of the squares (default: 256)"
    )
    part.add_argument("--seed", type=at_least(0), default=0)
    part.add_argument("--device", default="auto")
    part.add_argument(
        "--json", type=Path, metavar="FILE", help="write summary, groups and pictures as JSON lines"
    )
