"""What the ways to fill many photos cost beside each other, and that they make the same files.

    python -m eval.engines --photos 2000 --size 64

Crops of scikit-image's photos with small holes are filled by one process, by `--jobs` processes, and on a Ray
cluster of two nodes on this machine, one of which is killed on the way. Prints of each the seconds, those of
the processors, how many photos have a result, how many were computed more than once, and how many results are
other files than the first way's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from skimage import data

from edgeconnect.errors import InputError
from edgeconnect.io.images import write_png

WAYS = ("one", "jobs", "ray")
TRACED = """
import hashlib, os
from edgeconnect import inpainters

_inpainter = inpainters.get({name!r})

def fill(photo, mask):
    shown = photo.copy()
    shown[mask] = 255
    with open({traces!r} + str(os.getpid()), "a") as file:
        print(hashlib.sha256(shown).hexdigest(), file=file, flush=True)
    return _inpainter(photo, mask)
"""
"""An inpainter that writes down each photo that it is called with, before it fills it."""


@dataclass(frozen=True)
class Row:
    """How one way filled the photos.

    begin_s: until the first result, of `seconds`. workers: processes that filled any, lost ones too.
    """

    way: str
    seconds: float
    begin_s: float
    cpu_s: float
    workers: int
    filled: int
    twice: int
    differing: int


def write_photos(folder: Path, count: int, side_px: int) -> Path:
    """Photos, no two alike, each with a mask of its own, and the list of them."""
    rng = np.random.default_rng(0)
    sources = [load() for load in (data.astronaut, data.chelsea, data.coffee, data.rocket)]
    lines = ["photo,mask"]
    for number in range(count):
        source = sources[number % len(sources)]
        top, left = (int(rng.integers(length - side_px)) for length in source.shape[:2])
        photo = np.ascontiguousarray(source[top : top + side_px, left : left + side_px, :3])
        photo[0, 0] = number >> 16, number >> 8 & 255, number & 255
        hole = np.zeros((side_px, side_px), bool)
        height, width = rng.integers(side_px // 8, side_px // 3, 2)
        y, x = (int(rng.integers(1, side_px - length)) for length in (height, width))
        hole[y : y + height, x : x + width] = True
        write_png(folder / f"photos/{number:06}.png", photo)
        write_png(folder / f"masks/{number:06}.png", hole)
        lines.append(f"photos/{number:06}.png,masks/{number:06}.png")
    table = folder / "photos.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def compare(folder: Path, options: argparse.Namespace) -> Iterator[Row]:
    """A row for each of the ways, whose results lie in folders of their names.

    Raises InputError for a way that did not end well.
    """
    table = write_photos(folder, options.photos, options.size)
    first: dict[str, bytes] = {}
    for way in options.ways:
        out, traces = folder / way, folder / f"{way}-traces"
        traces.mkdir()
        source = TRACED.format(name=options.inpainter, traces=f"{traces}/")
        (folder / f"traced_{way}.py").write_text(source, encoding="utf-8")
        command = [sys.executable, "-m", "edgeconnect", "inpaint", str(table), "--out", str(out), "-q"]
        command += ["--inpainter", f"traced_{way}:fill", "--jobs", str(1 if way == "one" else options.jobs)]
        with _importable(folder), _processor_seconds() as cpu_s:
            if way == "ray":
                seconds, begin_s = _on_two_nodes([*command, "--engine", "ray"], out, options)
            else:
                seconds, begin_s = _timed(command, out)
        found = {path.name: _digest(path) for path in out.rglob("*.png")}
        first = first or found
        of_workers = [path.read_text().splitlines() for path in traces.iterdir()]
        calls = Counter(line for lines in of_workers for line in lines)
        differing = sum(found.get(name) != content for name, content in first.items())
        twice = calls.total() - len(calls)
        yield Row(way, seconds, begin_s, cpu_s(), len(of_workers), len(found), twice, differing)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Processes that are started meanwhile find this checkout and a folder's modules."""
    root = str(Path(__file__).parents[1])
    paths = filter(None, [root, str(folder), os.environ.get("PYTHONPATH")])
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(paths)):
        yield


def _timed(
    command: Sequence[str],
    out: Path,
    address: str | None = None,
    after: int = 0,
    meanwhile: Callable[[], object] | None = None,
) -> tuple[float, float]:
    """Seconds of a command, and until its first result.

    address: of a Ray cluster. meanwhile: is called once there are more than `after` results.
    """
    environment = os.environ | ({"RAY_ADDRESS": address} if address else {})
    start, begin_s, is_called = time.monotonic(), 0.0, meanwhile is None
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}  # Ray prints there what became of nodes
    with subprocess.Popen(command, env=environment, text=True, **quiet) as process:
        while process.poll() is None:
            if not begin_s or not is_called:
                filled = sum(1 for _ in out.rglob("*.png"))
                begin_s = begin_s or (time.monotonic() - start if filled else 0.0)
                if meanwhile and not is_called and filled > after:
                    is_called = True
                    meanwhile()
            time.sleep(0.1)
        seconds = time.monotonic() - start
        said = process.stderr.read() if process.stderr else ""
    if process.returncode or not is_called:
        raise InputError(f"expected all photos to be filled, got: {said.strip()[-2000:]}")
    print(said, end="", file=sys.stderr)  # such as that the cluster has no room yet
    return seconds, begin_s or seconds  # where it ended before it was looked at


def _on_two_nodes(command: Sequence[str], out: Path, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds of a command and until its first result, on two nodes, one of which is killed on the way."""
    from ray.cluster_utils import Cluster

    size: dict[str, Any] = {"num_cpus": options.jobs, "object_store_memory": 80 << 20}
    cluster = Cluster()
    try:
        cluster.add_node(**size, include_dashboard=False)
        second = cluster.add_node(**size)
        cluster.wait_for_nodes()
        kill = partial(cluster.remove_node, second, allow_graceful=False)
        return _timed(command, out, cluster.address, int(options.photos * options.kill_after), kill)
    finally:
        cluster.shutdown()


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


@contextmanager
def _processor_seconds() -> Iterator[Callable[[], float]]:
    """Counts the processors' seconds of all processes below this one, also of those that are killed.

    Looked at twice a second: of a process that ends, up to half a second may be missing. Linux alone.
    """
    taken: dict[tuple[int, int], float] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            taken.update(_below(os.getpid()))

    before = sum(taken.values())
    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield lambda: sum(taken.values()) - before
    finally:
        over.set()
        watching.join()


def _below(number: int) -> dict[tuple[int, int], float]:
    """Processor seconds of each process below one, by its number and start."""
    ticks = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    found: dict[int, tuple[int, float]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended
            continue
        process = int(stat.parent.name)
        parents[process] = int(fields[1])
        found[process] = int(fields[19]), (int(fields[11]) + int(fields[12])) / ticks
    below, new = set[int](), {number}
    while new:
        new = {process for process, parent in parents.items() if parent in new}
        below |= new
    return {(process, found[process][0]): found[process][1] for process in below}


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each way; exit code 1 and one sentence where one did not fill all photos."""
    parser = argparse.ArgumentParser(
        "python -m eval.engines", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=2000, metavar="N")
    parser.add_argument("--size", type=int, default=64, metavar="PX", help="side of a photo [64]")
    parser.add_argument("--inpainter", default="telea", metavar="NAME", help="[telea]")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="workers of jobs and ray [2]")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--kill-after", type=float, default=0.4, metavar="SHARE", help="of the photos [0.4]")
    options = parser.parse_args(argv)
    columns = ("way", "seconds", "to begin", "CPU s", "workers", "filled", "twice", "differing")
    print(("{:5}" + "{:>10}" * 7).format(*columns))
    with tempfile.TemporaryDirectory() as folder:
        try:
            for row in compare(Path(folder), options):
                times = f"{row.seconds:10.1f}{row.begin_s:10.1f}{row.cpu_s:10.1f}"
                counts = f"{row.workers:10}{row.filled:10}{row.twice:10}{row.differing:10}"
                print(f"{row.way:5}{times}{counts}", flush=True)
        except InputError as error:
            sys.exit(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
