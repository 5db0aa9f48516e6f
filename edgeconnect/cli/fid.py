"""Fréchet Inception distance between folders or kept statistics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.cli.options import add_engine_options, at_least

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("truth", type=Path, help="folder of pictures, or .npz statistics")
    parser.add_argument("result", type=Path, help="folder of pictures, or .npz statistics")
    parser.add_argument("--keep", type=Path, metavar="FILE.npz", help="where to keep TRUTH's statistics")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="pytorch-fid's weights file")
    parser.add_argument(
        "--precision", choices=("float32", "bf16"), default="float32", help="bf16: approximate"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-size", type=at_least(1), default=16)
    add_engine_options(parser, "batches at a time, each in a process with a network of its own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the number and its origin here")


def run(options: argparse.Namespace) -> int:
    """Print the distance with its N; the exit code."""
    from edgeconnect.evaluation.fid import measure
    from edgeconnect.evaluation.tables import write_json_lines

    report = measure(options)
    if options.json:
        write_json_lines(options.json, [report])
    approximate = " (bf16 features: approximate)" if options.precision == "bf16" else ""
    truth_n, result_n = ("unknown" if n is None else n for n in report["n"])
    print(f"FID {report['fid']:.4f}, N = {truth_n} and {result_n}{approximate}")
    for remark in report["remarks"]:
        print(f"note: {remark}", file=sys.stderr)
    return 0
