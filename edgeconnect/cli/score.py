"""Score a folder of results against the truth, by a named protocol."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from edgeconnect.cli.options import add_engine_options, add_polarity_option, at_least
from edgeconnect.evaluation.pairs import Row
from edgeconnect.evaluation.score import score
from edgeconnect.evaluation.tables import Group, markdown, write_json_lines
from edgeconnect.metrics.pixel import PROTOCOLS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--truth", type=Path, required=True, metavar="DIR", help="the true photos")
    parser.add_argument("--result", type=Path, required=True, metavar="DIR", help="files of the same names")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="one a photo; a table by hole ratio")
    add_polarity_option(parser)
    parser.add_argument(
        "--edges", type=Path, metavar="DIR", help="predicted edge maps, white on black, to score"
    )
    parser.add_argument("--protocol", choices=tuple(PROTOCOLS), required=True)
    parser.add_argument("--lpips", choices=("alex", "vgg", "squeeze"), help="add LPIPS on this trunk")
    parser.add_argument("--lpips-trunk", type=Path, metavar="FILE", help="torchvision's weights of the trunk")
    parser.add_argument("--fid", action="store_true", help="add FID")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="pytorch-fid's weights file")
    parser.add_argument("--device", default="auto", help="for LPIPS and FID")
    parser.add_argument(
        "--workers", type=at_least(1), default=os.cpu_count(), metavar="N", help="threads of this process"
    )
    add_engine_options(parser, "groups of pictures at a time, each in a process of its own")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write summary, groups and pictures as JSON lines"
    )


def run(options: argparse.Namespace) -> int:
    """Print the table; the exit code."""
    cv2.setNumThreads(1)  # the pictures are the parallel work
    summary, table, rows = score(options)
    if options.json:
        lines = [{"kind": "summary", **summary}]
        lines += [{"kind": "group", **asdict(group)} for group in table[1:]]
        write_json_lines(options.json, lines + [{"kind": "picture", **row} for row in rows])
    _show(summary, table)
    return 0


def _show(summary: Row, table: Sequence[Group]) -> None:
    print(f"protocol {summary['protocol']}: {summary['description']}")
    print(f"N = {summary['n']}; mean [95 % interval]\n")
    print(markdown(table))
    if "fid" in summary:
        print(f"\nFID {summary['fid']:.4f}, N = {summary['n']}")
    for note in summary["notes"] + summary.get("fid_remarks", []):
        print(f"note: {note}", file=sys.stderr)
