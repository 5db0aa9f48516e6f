"""Score results against the truth: `python -m eval.score --truth DIR --result DIR --protocol NAME`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.engines.choice import Engine
from edgeconnect.errors import InputError
from edgeconnect.evaluation.pairs import (
    ABOUT,
    Row,
    checked_polarity,
    entries,
    pictures,
    score_all,
)
from edgeconnect.evaluation.tables import Group, groups
from edgeconnect.metrics.pixel import PROTOCOLS
from edgeconnect.provenance import content_hash, file_hash, versions

if TYPE_CHECKING:  # torch is imported by those alone who ask for LPIPS or FID
    from edgeconnect.evaluation.fid import Inception
    from edgeconnect.metrics.perceptual import Lpips, Trunk


def score(arguments: argparse.Namespace) -> tuple[Row, list[Group], list[Row]]:
    """The summary with all that the numbers depend on, means by hole ratio, and each picture's scores.

    arguments: the verb's options. Errors: unusable input.
    """
    if arguments.edges and not arguments.masks:
        raise InputError("--edges are scored in the hole and need --masks")
    folders = {role: getattr(arguments, role) for role in ("truth", "result", "masks", "edges")}
    found = entries(**folders)
    checked_polarity(arguments.masks, arguments.polarity)
    # before the scores: a missing weights file should not cost the time of everything else
    engine = Engine(arguments.engine, arguments.jobs, arguments.device != "cpu")
    load: Callable[[], Lpips] = partial(_lpips, arguments.lpips, arguments.lpips_trunk, arguments.device)
    distance = load() if arguments.lpips else None
    inception = _inception(arguments) if arguments.fid else None
    if distance and engine.is_here:
        load = partial(_loaded, distance)
    how = arguments.protocol, arguments.polarity, arguments.workers
    rows = score_all(found, *how, engine, load if distance else None)
    for row in rows if distance else []:
        row[f"lpips_{arguments.lpips}"] = row.pop("lpips")
    table = groups(rows, [name for name in rows[0] if name not in ABOUT])
    summary = {
        "protocol": arguments.protocol,
        "description": PROTOCOLS[arguments.protocol].description,
        **asdict(table[0]),
        **(_fid(arguments, inception, engine) if inception else {}),
        "notes": _notes(rows),
        "inputs": {role: _contents(folder) for role, folder in folders.items() if folder},
        "weights": {used.file.name: file_hash(used.file) for used in (distance, inception) if used},
        "versions": versions(),
    }
    return summary, table, rows


def _contents(folder: Path) -> dict[str, str]:
    return {"folder": str(folder), "sha256": content_hash(pictures(folder), folder)}


def _lpips(name: Trunk, trunk: Path | None, device: str) -> Lpips:
    from edgeconnect.device import choose_device
    from edgeconnect.metrics.perceptual import Lpips

    return Lpips(name, trunk, choose_device(device))


def _loaded(distance: Lpips) -> Lpips:
    """What is loaded already."""
    return distance


def _inception(arguments: argparse.Namespace) -> Inception:
    from edgeconnect.evaluation.fid import Inception
    from edgeconnect.metrics.fid import INCEPTION

    return Inception(INCEPTION.find(arguments.inception), arguments.device)


def _fid(arguments: argparse.Namespace, inception: Inception, engine: Engine) -> dict[str, Any]:
    from edgeconnect.evaluation.fid import remarks, statistics_of
    from edgeconnect.metrics.fid import frechet_distance

    paths = arguments.truth, arguments.result
    truth, result = (statistics_of(path, inception, engine=engine)[0] for path in paths)
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
    if deep := sum(row["bits"] > 8 for row in rows):
        found.append(f"{deep} of {len(rows)} pairs have 16 bits: scored so; LPIPS and FID see 8")
    return found
