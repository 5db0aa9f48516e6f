"""Photos x holes x inpainters, timed, scored and shown: `python -m eval.benchmark --help`."""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from edgeconnect import device
from edgeconnect.errors import InputError
from edgeconnect.evaluation import measures
from edgeconnect.evaluation.fid import Inception, statistics_of
from edgeconnect.evaluation.measures import Measure
from edgeconnect.evaluation.pairing import Case, cases, plan
from edgeconnect.evaluation.report import write_report
from edgeconnect.evaluation.tables import json_line, write_json_lines
from edgeconnect.inpainters.base import Method, ResultsFolder, fill
from edgeconnect.inpainters.registry import find
from edgeconnect.io.images import read_raw, read_rgb, write_png
from edgeconnect.metrics.fid import INCEPTION, frechet_distance
from edgeconnect.metrics.pixel import PROTOCOLS, score_pair
from edgeconnect.provenance import versions
from edgeconnect.types import Inpainter

_KEPT_EVERY = 200  # scores: a killed run loses at most so many
Row = dict[str, Any]


class Scores:
    """The lines of scores.jsonl, one an inpainter and case, kept as they come: a killed run can go on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.is_file() else []
        self.rows: list[Row] = [row for line in lines if (row := _parsed(line))]
        self._scored = {(row["inpainter"], row["name"]) for row in self.rows}
        write_json_lines(path, self.rows)  # without the half line of a run that was killed

    def has(self, inpainter: str, name: str) -> bool:
        """Whether that inpainter's result of that case is scored."""
        return (inpainter, name) in self._scored

    def origins(self, inpainter: str) -> set[str]:
        """What made the results under that name."""
        return {row["origin"] for row in self.rows if row["inpainter"] == inpainter}

    def add(self, row: Row) -> None:
        """Keep one more."""
        self.rows.append(row)
        with self._path.open("a") as file:
            file.write(json_line(row))

    def complete(self, measure: Measure, out: Path) -> None:
        """Score what was kept before this measure was asked for, from the files; all of a photo in a row."""
        lacking = sorted((row for row in self.rows if measure.key not in row), key=lambda row: row["name"])
        for number, row in enumerate(tqdm(lacking, desc=measure.heading, disable=not lacking), start=1):
            truth, mask = _inputs(row["name"], out)
            result = read_rgb(out / "results" / row["inpainter"] / f"{row['name']}.png")
            row[measure.key] = measure.of(truth, result, mask)
            if number % _KEPT_EVERY == 0 or number == len(lacking):
                write_json_lines(self._path, self.rows)


def run(method: Method, found: Sequence[Case], out: Path, scores: Scores) -> None:
    """Fill, time and score every case that is not yet scored; results go to `out`/results/NAME.

    Errors: earlier results of that name that something else made; whatever the inpainter cannot do.
    """
    if scores.origins(method.name) - {method.origin}:
        raise InputError(
            f"{out} holds the results of another {method.name}: name this one (KIND:NAME=FILE) or the --out"
        )
    waiting = [case for case in found if not scores.has(method.name, case.name)]
    if not waiting:
        return
    inpainter = method.load()
    for case in tqdm(waiting, desc=method.name, unit="photo"):
        try:
            row = _one(method.name, inpainter, case, out)
        except InputError as error:
            raise InputError(f"{method.name}, {case.name}: {error}") from error
        scores.add({"inpainter": method.name, "origin": method.origin, **row})


def _one(label: str, inpainter: Inpainter, case: Case, out: Path) -> Row:
    photo, mask = _inputs(case.name, out)
    cost: Row = {}
    if isinstance(inpainter, ResultsFolder):
        given = inpainter.picture(case.name)
        result = fill(lambda *_: given, photo, mask)
    else:
        with _measured(cost):
            result = fill(inpainter, photo, mask)
    write_png(out / "results" / label / f"{case.name}.png", result)
    flat = {
        f"{protocol}/{measure}": value
        for protocol in PROTOCOLS
        for measure, value in score_pair(photo, result, mask, protocol).items()
    }
    return {**asdict(case), **cost, **flat}


def _inputs(name: str, out: Path) -> tuple[Any, Any]:
    """A case's photo and mask."""
    photo = read_rgb(out / "inputs" / "photos" / f"{name}.png")
    return photo, read_raw(out / "inputs" / "masks" / f"{name}.png") > 0


@contextmanager
def _measured(cost: Row) -> Iterator[None]:
    """Seconds, the peak of memory in MB beyond what the process held before (Linux alone tells it), and the
    peak of a CUDA device's, networks included.
    """
    watch = Path("/proc/self/clear_refs")
    before = _status_mb("VmRSS") if watch.exists() else None
    if watch.exists():
        watch.write_text("5")  # resets the peak
    device.forget_peak_memory()
    start = time.perf_counter()
    yield
    cost["seconds"] = time.perf_counter() - start
    cost["device_memory_mb"] = device.peak_memory_mb()
    cost["extra_memory_mb"] = None if before is None else max(_status_mb("VmHWM") - before, 0)


def _status_mb(field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _parsed(line: str) -> Row | None:
    try:
        row: Row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return {
        key: math.inf if value is None and key.endswith("psnr_db") else value for key, value in row.items()
    }


def benchmark(arguments: argparse.Namespace) -> Path:
    """Run what is missing and write the report: its path. Errors: unusable input.

    arguments: the verb's options.
    """
    out: Path = arguments.out
    methods = _methods(arguments.inpainters, arguments.device)
    # before anything runs: a missing weights file should not cost the time of everything else
    extra, inception = _extra(arguments), _inception(arguments)
    chosen = plan(
        arguments.photos,
        arguments.masks,
        arguments.seed,
        arguments.masks_per_photo,
        arguments.size,
        arguments.polarity,
    )
    found = cases(arguments.photos, arguments.masks, chosen, out)
    scores = Scores(out / "scores.jsonl")
    for method in methods:
        run(method, found, out, scores)
    for measure in extra:
        scores.complete(measure, out)
    fid = _fid(out, [method.name for method in methods], inception)
    origin = {**asdict(chosen), "inpainters": {e.name: e.origin for e in methods}, "versions": versions()}
    origin |= {"measures": {measure.heading: measure.key for measure in extra}} if extra else {}
    origin |= {"inception_sha256": inception.hash} if inception else {}
    rows = [row for row in scores.rows if row["inpainter"] in fid]
    return write_report(out, found, rows, [*measures.STANDARD, *extra], fid, origin)


def _extra(arguments: argparse.Namespace) -> list[Measure]:
    """The measures that were asked for besides the standard ones."""
    device = arguments.device
    found = []
    if arguments.features:
        found = [make(arguments.features, device) for make in (measures.vgg_l1, measures.unit_distance)]
    named = [*(measures.PATCHES if arguments.patches else ()), arguments.measures]
    found += measures.by_names(",".join(dict.fromkeys(named)))
    return found + (
        [measures.lpips(arguments.lpips, arguments.lpips_trunk, device)] if arguments.lpips else []
    )


def _inception(arguments: argparse.Namespace) -> Inception | None:
    return Inception(INCEPTION.find(arguments.inception), arguments.device) if arguments.fid else None


def _fid(out: Path, names: Sequence[str], inception: Inception | None) -> dict[str, float | None]:
    """Each inpainter's FID over all its results; None where it was not asked for."""
    if inception is None:
        return dict.fromkeys(names)
    truth = statistics_of(out / "inputs" / "photos", inception)[0]
    results = {name: statistics_of(out / "results" / name, inception)[0] for name in names}
    return {name: frechet_distance(truth, statistics) for name, statistics in results.items()}


def _methods(specs: str, device: str) -> list[Method]:
    """The inpainters of a list, all looked for before the first one runs; their names become folders."""
    found = [find(spec.strip(), device) for spec in specs.split(",") if spec.strip()]
    named = {re.sub(r"[^\w.-]", "_", method.name): method for method in found}
    if not found or len(named) < len(found):
        raise InputError(f"expected inpainters of different names (KIND:NAME=FILE), got {specs!r}")
    return [replace(method, name=name) for name, method in named.items()]
