"""Score results against the truth: `python -m eval.score --truth DIR --result DIR --protocol NAME`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from edgeconnect.cli.arguments import at_least
from edgeconnect.errors import InputError
from edgeconnect.evaluation.pairs import ABOUT, Row, entries, lpips_values, pictures, score_all
from edgeconnect.evaluation.tables import Group, groups, markdown, write_json_lines
from edgeconnect.memory import keep_memory
from edgeconnect.metrics.pixel import PROTOCOLS
from edgeconnect.provenance import content_hash, file_hash, versions

if TYPE_CHECKING:  # torch is imported by those alone who ask for LPIPS or FID
    from edgeconnect.evaluation.fid import Inception
    from edgeconnect.metrics.perceptual import Lpips


def score(arguments: argparse.Namespace) -> tuple[Row, list[Group], list[Row]]:
    """The summary with all that the numbers depend on, means by hole ratio, and each picture's scores."""
    if arguments.edges and not arguments.masks:
        raise InputError("--edges are scored in the hole and need --masks")
    folders = {role: getattr(arguments, role) for role in ("truth", "result", "masks", "edges")}
    found = entries(**folders)
    # before the scores: a missing weights file should not cost the time of everything else
    distance = _lpips(arguments) if arguments.lpips else None
    inception = _inception(arguments) if arguments.fid else None
    rows = score_all(found, arguments.protocol, arguments.polarity, arguments.workers)
    if distance:
        for row, value in zip(rows, lpips_values(found, distance, arguments.workers), strict=True):
            row[f"lpips_{arguments.lpips}"] = value
    table = groups(rows, [name for name in rows[0] if name not in ABOUT])
    summary = {
        "protocol": arguments.protocol,
        "description": PROTOCOLS[arguments.protocol].description,
        **asdict(table[0]),
        **(_fid(arguments, inception) if inception else {}),
        "notes": _notes(rows),
        "inputs": {role: _contents(folder) for role, folder in folders.items() if folder},
        "weights": {used.file.name: file_hash(used.file) for used in (distance, inception) if used},
        "versions": versions(),
    }
    return summary, table, rows


def _contents(folder: Path) -> dict[str, str]:
    return {"folder": str(folder), "sha256": content_hash(pictures(folder), folder)}


def _lpips(arguments: argparse.Namespace) -> Lpips:
    from edgeconnect.device import choose_device
    from edgeconnect.metrics.perceptual import Lpips

    return Lpips(arguments.lpips, arguments.lpips_trunk, choose_device(arguments.device))


def _inception(arguments: argparse.Namespace) -> Inception:
    from edgeconnect.evaluation.fid import Inception
    from edgeconnect.metrics.fid import INCEPTION

    return Inception(INCEPTION.find(arguments.inception), arguments.device)


def _fid(arguments: argparse.Namespace, inception: Inception) -> dict[str, Any]:
    from edgeconnect.evaluation.fid import remarks, statistics_of
    from edgeconnect.metrics.fid import frechet_distance

    truth, result = (statistics_of(path, inception)[0] for path in (arguments.truth, arguments.result))
    return {"fid": frechet_distance(truth, result), "fid_remarks": remarks(truth, result)}


def _notes(rows: Sequence[Row]) -> list[str]:
    """What a reader should know about the results that were scored."""
    found = []
    if changed := sum(row.get("known_pixels_changed", False) for row in rows):
        found.append(
            f"{changed} of {len(rows)} results differ from the truth outside their holes: no composites?"
        )
    if equal := sum(row["psnr_db"] == float("inf") for row in rows):
        found.append(f"{equal} of {len(rows)} results equal the truth, so that the mean PSNR is infinite")
    return found


def _show(summary: Row, table: Sequence[Group]) -> None:
    print(f"protocol {summary['protocol']}: {summary['description']}")
    print(f"N = {summary['n']}; mean [95 % interval]\n")
    print(markdown(table))
    if "fid" in summary:
        print(f"\nFID {summary['fid']:.4f}, N = {summary['n']}")
    for note in summary["notes"] + summary.get("fid_remarks", []):
        print(f"note: {note}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m eval.score", description=__doc__)
    parser.add_argument("--truth", type=Path, required=True, metavar="DIR", help="the true photos")
    parser.add_argument("--result", type=Path, required=True, metavar="DIR", help="files of the same names")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="one a photo; a table by hole ratio")
    parser.add_argument("--polarity", choices=("white", "black", "alpha", "guess"), default="white",
                        help="what is a hole in the mask files (default: white)")  # fmt: skip
    parser.add_argument(
        "--edges", type=Path, metavar="DIR", help="predicted edge maps, white on black, to score"
    )
    parser.add_argument("--protocol", choices=tuple(PROTOCOLS), required=True)
    parser.add_argument("--lpips", choices=("alex", "vgg", "squeeze"), help="add LPIPS on this trunk")
    parser.add_argument("--lpips-trunk", type=Path, metavar="FILE", help="torchvision's weights of the trunk")
    parser.add_argument("--fid", action="store_true", help="add FID")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="pytorch-fid's weights file")
    parser.add_argument("--device", default="auto", help="for LPIPS and FID")
    parser.add_argument("--workers", type=at_least(1), default=os.cpu_count(), metavar="N")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write summary, groups and pictures as JSON lines"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table; exit code 1 and one sentence for inputs that cannot be scored."""
    arguments = _parser().parse_args(argv)
    keep_memory()
    cv2.setNumThreads(1)  # the pictures are the parallel work
    try:
        summary, table, rows = score(arguments)
        if arguments.json:
            lines = [{"kind": "summary", **summary}]
            lines += [{"kind": "group", **asdict(group)} for group in table[1:]]
            write_json_lines(arguments.json, lines + [{"kind": "picture", **row} for row in rows])
    except InputError as error:
        sys.exit(str(error))
    _show(summary, table)


if __name__ == "__main__":
    main()
