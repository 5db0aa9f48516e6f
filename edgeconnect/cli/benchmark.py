"""Photos x holes x inpainters, timed, scored and shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.cli.options import add_polarity_option, at_least
from edgeconnect.evaluation.measures import EXTRA

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--masks", type=Path, metavar="DIR", help="any number (default: strokes, drawn by --seed)"
    )
    parser.add_argument(
        "--inpainters",
        required=True,
        metavar="A,B,...",
        help="names as of `edgeconnect inpaint --inpainter`, also folder:DIR; KIND:NAME=VALUE names it",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run again to go on or to add")
    parser.add_argument("--masks-per-photo", type=at_least(1), default=1, metavar="N")
    parser.add_argument(
        "--size", type=at_least(8), default=256, metavar="PX", help="side of the square photos"
    )
    parser.add_argument("--seed", type=at_least(0), default=0)
    add_polarity_option(parser)
    parser.add_argument("--features", type=Path, metavar="FILE", help="VGG-19: adds two distances in it")
    parser.add_argument(
        "--patches",
        action="store_true",
        help="add patch coherence and distribution: is it the photo's stuff?",
    )
    parser.add_argument("--measures", default="", metavar="A,B,...", help=f"add any of {', '.join(EXTRA)}")
    parser.add_argument("--lpips", choices=("alex", "vgg", "squeeze"), help="add LPIPS on this trunk")
    parser.add_argument("--lpips-trunk", type=Path, metavar="FILE", help="torchvision's weights of the trunk")
    parser.add_argument("--fid", action="store_true", help="add FID")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="pytorch-fid's weights file")
    parser.add_argument("--device", default="auto")


def run(options: argparse.Namespace) -> int:
    """Run, resume, report; the exit code."""
    from edgeconnect.evaluation.benchmark import benchmark

    report = benchmark(options)
    print(report.with_name("results.md").read_text())
    print(f"report: {report}")
    return 0
