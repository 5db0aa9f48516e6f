"""Photos x holes x inpainters, timed, scored and shown: `python -m eval.benchmark --help`."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from edgeconnect.baselines import Entrant, Inpainter, ResultsFolder, by_name, fill
from edgeconnect.errors import InputError
from edgeconnect.images import read_raw, read_rgb, write_png
from edgeconnect.metrics import PROTOCOLS, score_pair
from edgeconnect.provenance import versions
from eval.pairing import Case, cases, plan
from eval.report import write_report
from eval.tables import json_line, write_json_lines

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


def run(entrant: Entrant, found: Sequence[Case], out: Path, scores: Scores) -> None:
    """Fill, time and score every case that is not yet scored; results go to `out`/results/NAME.

    Errors: earlier results of that name that something else made; whatever the inpainter cannot do.
    """
    if scores.origins(entrant.name) - {entrant.origin}:
        raise InputError(
            f"{out} holds the results of another {entrant.name}: name this one (KIND:NAME=FILE) or the --out"
        )
    waiting = [case for case in found if not scores.has(entrant.name, case.name)]
    if not waiting:
        return
    inpainter = entrant.load()
    for case in tqdm(waiting, desc=entrant.name, unit="photo"):
        try:
            row = _one(entrant.name, inpainter, case, out)
        except InputError as error:
            raise InputError(f"{entrant.name}, {case.name}: {error}") from error
        scores.add({"inpainter": entrant.name, "origin": entrant.origin, **row})


def _one(label: str, inpainter: Inpainter | ResultsFolder, case: Case, out: Path) -> Row:
    photo = read_rgb(out / "inputs" / "photos" / f"{case.name}.png")
    mask = read_raw(out / "inputs" / "masks" / f"{case.name}.png") > 0
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


@contextmanager
def _measured(cost: Row) -> Iterator[None]:
    """Seconds, and the peak of memory in MB beyond what the process held before (Linux alone tells it)."""
    watch = Path("/proc/self/clear_refs")
    before = _status_mb("VmRSS") if watch.exists() else None
    if watch.exists():
        watch.write_text("5")  # resets the peak
    start = time.perf_counter()
    yield
    cost["seconds"] = time.perf_counter() - start
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


def _benchmark(arguments: argparse.Namespace) -> Path:
    out: Path = arguments.out
    entrants = _entrants(arguments.inpainters, arguments.device)
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
    for entrant in entrants:
        run(entrant, found, out, scores)
    names = [entrant.name for entrant in entrants]
    origin = {**asdict(chosen), "inpainters": {e.name: e.origin for e in entrants}, "versions": versions()}
    return write_report(out, found, [row for row in scores.rows if row["inpainter"] in names], names, origin)


def _entrants(specs: str, device: str) -> list[Entrant]:
    """The inpainters of a list, all looked for before the first one runs; their names become folders."""
    found = [by_name(spec.strip(), device) for spec in specs.split(",") if spec.strip()]
    named = {re.sub(r"[^\w.-]", "_", entrant.name): entrant for entrant in found}
    if not found or len(named) < len(found):
        raise InputError(f"expected inpainters of different names (KIND:NAME=FILE), got {specs!r}")
    return [replace(entrant, name=name) for name, entrant in named.items()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m eval.benchmark", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--masks", type=Path, required=True, metavar="DIR", help="any number; drawn by hole ratio"
    )
    parser.add_argument("--inpainters", required=True, metavar="A,B,...", help=by_name.__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run again to go on or to add")
    parser.add_argument("--masks-per-photo", type=int, default=1, metavar="N")
    parser.add_argument("--size", type=int, default=256, metavar="PX", help="side of the square photos")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--polarity", choices=("white", "black", "alpha", "guess"), default="white")
    parser.add_argument("--device", default="auto")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run, resume, report; exit code 1 and one sentence for what cannot be used."""
    arguments = _parser().parse_args(argv)
    try:
        report = _benchmark(arguments)
    except InputError as error:
        sys.exit(str(error))
    print(report.with_name("results.md").read_text())
    print(f"report: {report}")


if __name__ == "__main__":
    main()
