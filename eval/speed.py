"""How fast the package is against plain code: ratios of what is measured in turns, `python -m eval.speed`.

Other programs on the machine disturb both sides of a ratio alike, because they take turns: run for run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage import feature
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from edgeconnect.cli import demo
from edgeconnect.device import choose_device
from edgeconnect.edges.canny import canny, to_gray
from edgeconnect.errors import InputError
from edgeconnect.evaluation.tables import write_json_lines
from edgeconnect.io.images import list_images, read_rgb, resize
from edgeconnect.metrics.fid import Statistics, frechet_distance
from edgeconnect.patches.matching import COMPONENTS
from edgeconnect.provenance import versions
from eval import methods as made
from eval import single_methods as single
from eval.methods import PAPER_WIDTH, Method, Turn, filling, filling_all, inference, training

SIDE_PX, BATCH = 256, 4
INFERENCE_PX = (256, 512, 1024)
PAIRS, FID_PAIRS = 500, 32  # of pictures to score; of pictures for FID's features
LARGE, MEDIUM, SMALL, HOLE_PX = (4000, 6000), (3000, 4000), (1000, 1000), 200


@dataclass(frozen=True)
class Row:
    """One comparison: both sides' median seconds, and the median of the runs' own ratios, theirs / ours."""

    what: str
    seconds: float
    reference_seconds: float
    ratio: float
    note: str

    @classmethod
    def of(cls, what: str, ours: Sequence[float], theirs: Sequence[float], note: str) -> Row:
        """The row for the seconds of runs that took turns."""
        ratio = statistics.median(t / o for o, t in zip(ours, theirs, strict=True))
        return cls(what, statistics.median(ours), statistics.median(theirs), ratio, note)


def canny_rows(options: argparse.Namespace) -> Iterator[Row]:
    """Edges at sigma 2 of 256x256 photos against scikit-image's, without and with a hole."""
    grays = [to_gray(photo) for photo in _photos(options.photos)]
    known = np.ones((SIDE_PX, SIDE_PX), bool)
    known[64:192, 80:170] = False
    for name, mask in (("canny, whole photo", None), ("canny, known pixels", known)):
        ours, plain, differing = [], [], 0
        for _ in range(options.runs):
            for gray in grays:
                seconds, found = _timed(canny, gray, 2.0, mask)
                plain_seconds, expected = _timed(feature.canny, gray, 2.0, mask=mask)
                ours.append(seconds)
                plain.append(plain_seconds)
                differing += int((found != expected).sum())
        yield Row.of(name, ours, plain, f"{differing} pixels differ in {len(grays)} photos")


def train_rows(options: argparse.Namespace) -> Iterator[Row]:
    """A training step of stage inpaint, batch 4 at 256x256, paper width, eager and compiled."""
    with tempfile.TemporaryDirectory() as folder:
        features = Path(folder) / "vgg19.pth"
        layers = nn.ModuleDict({"features": make_layers(cfgs["E"], batch_norm=False)})
        torch.save(layers.state_dict(), features)
        sizes = (str(features), SIDE_PX, BATCH, PAPER_WIDTH, options.device)
        for kind in ("shipped", "compiled"):
            with _processes(options, (training, kind, *sizes), (training, "plain", *sizes)) as methods:
                ours, plain = _take_turns(methods, options.runs)
            note = f"{_gigabytes(ours)} GB; plain {_gigabytes(plain)} GB"
            yield Row.of(f"training step, {kind}", _seconds(ours), _seconds(plain), note)


def infer_rows(options: argparse.Namespace) -> Iterator[Row]:
    """Both generators at paper width, in the precision chosen for the device and in float32."""
    for size in INFERENCE_PX:
        works = [
            (inference, kind, size, PAPER_WIDTH, options.device) for kind in ("auto", "float32", "plain")
        ]
        with _processes(options, *works) as methods:
            fast, exact, plain = _take_turns(methods, options.runs)
        theirs, memory = _seconds(plain), f"plain {_gigabytes(plain)} GB"
        yield Row.of(
            f"inference {size}",
            _seconds(fast),
            theirs,
            f"{_gigabytes(fast)} GB; {memory}",
        )
        yield Row.of(
            f"inference {size}, float32", _seconds(exact), theirs, f"{_gigabytes(exact)} GB; {memory}"
        )


def large_rows(options: argparse.Namespace) -> Iterator[Row]:
    """A 24-megapixel photo against one of 1 megapixel, each with one hole of 200x200; in 12, all three steps
    against the networks alone.
    """
    works = [(filling, options.weights, *size, HOLE_PX, 1.0, options.device) for size in (LARGE, SMALL)]
    with _processes(options, *works) as methods:
        large, small = _take_turns(methods, options.runs)
    note = f"{_gigabytes(large)} GB; 1 megapixel {_gigabytes(small)} GB"
    yield Row.of("hole in 24 MP against 1 MP", _seconds(large), _seconds(small), note)
    works = [(filling, options.weights, *MEDIUM, HOLE_PX, texture, options.device) for texture in (1.0, 0.0)]
    with _processes(options, *works) as methods:
        whole, networks = _take_turns(methods, options.runs)
    note = f"{_gigabytes(whole)} GB; networks {_gigabytes(networks)} GB"
    yield Row.of("three steps against two", _seconds(whole), _seconds(networks), note)


def rounding_rows(options: argparse.Namespace) -> Iterator[Row]:
    """bf16 against float32 with trained weights: time, and how far the pictures are apart."""
    photos = _photos(options.photos)
    works = [
        (filling_all, options.weights, precision, photos, options.device) for precision in ("bf16", "float32")
    ]
    with _processes(options, *works) as methods:
        fast, exact = _take_turns(methods, options.runs)
    gap = np.abs(fast[0].result - exact[0].result)
    note = f"of 1, in the holes of {len(photos)} photos: largest {gap.max():.3f}, mean {gap.mean():.5f}"
    yield Row.of("bf16 against float32", _seconds(fast), _seconds(exact), note)


def score_rows(options: argparse.Namespace) -> Iterator[Row]:
    """eval.score over pairs of files against a loop over scikit-image's functions."""
    with tempfile.TemporaryDirectory() as name:
        made.write_pairs(folder := Path(name), PAIRS, SIDE_PX)
        works = [(made.scoring, kind, folder) for kind in ("eval.score", "plain")]
        with _processes(options, *works) as methods:
            ours, plain = _take_turns(methods, options.runs)
    apart = np.abs(ours[0].result - plain[0].result).max()
    note = f"{PAIRS} pairs of files; numbers at most {apart:.1e} apart"
    yield Row.of("scores, edgeconnect", _seconds(ours), _seconds(plain), note)


def fid_rows(options: argparse.Namespace) -> Iterator[Row]:
    """FID's features of picture files against pytorch-fid's loop, with a made-up Inception file."""
    with tempfile.TemporaryDirectory() as name:
        made.write_pairs(folder := Path(name), FID_PAIRS, SIDE_PX)
        made.write_inception(weights := folder / "inception.pth")
        files = sorted(folder.glob("*/*.png"))
        works = [
            (made.inception_features, kind, weights, files) for kind in ("float32", "bf16", "pytorch_fid")
        ]
        with _processes(options, *works) as methods:
            exact, fast, theirs = _take_turns(methods, options.runs)
    expected = _fid(theirs)
    for what, turns in (("float32", exact), ("bf16, approximate", fast)):
        note = f"FID {_fid(turns) / expected - 1:+.1e} of {expected:.2f}, N = {FID_PAIRS}"
        yield Row.of(f"FID features, {what}", _seconds(turns), _seconds(theirs), note)


def single_rows(options: argparse.Namespace) -> Iterator[Row]:
    """The single-image mode: an iteration of its training, a search for patches, a fill by patches alone."""
    for what, prepare in (
        ("single, training iteration, small", partial(single.iterating, "small")),
        ("single, training iteration, medium", partial(single.iterating, "medium")),
        ("single, patch search", single.searching),
        ("single, fill by patches", single.patch_filling),
    ):
        with _processes(options, *((prepare, kind, SIDE_PX) for kind in ("shipped", "plain"))) as methods:
            ours, plain = _take_turns(methods, options.runs)
        note = f"{_gigabytes(ours)} GB; plain {_gigabytes(plain)} GB"
        if prepare is single.searching:
            nanoseconds = statistics.median(_seconds(ours)) / single.comparisons(SIDE_PX) * 1e9
            farther = ours[0].result / plain[0].result - 1
            note = (
                f"{nanoseconds:.2f} ns a comparison, {_share_of_peak(nanoseconds):.0%} of the peak of a "
                f"product of matrices; matches {farther:.2%} farther"
            )
        yield Row.of(what, _seconds(ours), _seconds(plain), note)


def _share_of_peak(nanoseconds: float) -> float:
    """Of the operations per second that a large product of matrices reaches here and now."""
    side = 2048
    a = torch.ones(side, side)
    seconds = min(_timed(torch.mm, a, a)[0] for _ in range(5))
    return 2 * (COMPONENTS + 1) / nanoseconds / (2 * side**3 / seconds / 1e9)


def _fid(turns: Sequence[Turn]) -> float:
    """Between the two halves of the features."""
    return frechet_distance(*(Statistics.of(half) for half in np.split(turns[0].result, 2)))


SECTIONS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "canny": canny_rows,
    "train": train_rows,
    "infer": infer_rows,
    "rounding": rounding_rows,
    "large": large_rows,
    "score": score_rows,
    "fid": fid_rows,
    "single": single_rows,
}


ON_ANY_DEVICE = ("train", "infer", "rounding", "large")
"""Sections that `--device` moves; the others compare work of the CPU."""


def sections(section: str, device: str) -> list[str]:
    """The names of the sections that are asked for; "all" on another device than the CPU are those it can do.

    Raises InputError for a section that is the CPU's, or for a device that is not there.
    """
    if choose_device(device).type == "cpu":
        return list(SECTIONS) if section == "all" else [section]
    if section not in ("all", *ON_ANY_DEVICE):
        raise InputError(f"--device {device}: expected one of {', '.join(ON_ANY_DEVICE)}, got {section}")
    return list(ON_ANY_DEVICE) if section == "all" else [section]


def speed(options: argparse.Namespace) -> list[Row]:
    """The rows of the chosen sections, printed as they come."""
    names = sections(options.section, options.device)
    rows = []
    for name in names:
        for row in SECTIONS[name](options):
            rows.append(row)
            seconds = f"{row.seconds:9.4f} {row.reference_seconds:9.4f} {row.ratio:6.2f}"
            print(f"{row.what:28} {seconds}  {row.note}", flush=True)
    return rows


@contextmanager
def _processes(options: argparse.Namespace, *works: tuple[Any, ...]) -> Iterator[list[Method]]:
    """A Method for each work (how to prepare it, and with what), warmed up."""
    with ExitStack() as stack:
        yield [stack.enter_context(Method(*work, threads=options.threads)) for work in works]


def _take_turns(methods: Sequence[Method], runs: int) -> list[list[Turn]]:
    """Each method's turns: first, second, ..., first, second, ..."""
    rounds = [[method.turn() for method in methods] for _ in range(runs)]
    return [list(turns) for turns in zip(*rounds, strict=True)]


def _seconds(turns: Sequence[Turn]) -> list[float]:
    return [turn.seconds for turn in turns]


def _gigabytes(turns: Sequence[Turn]) -> str:
    return f"{max(turn.peak_bytes for turn in turns) / 1e9:.1f}"


def _timed(function: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, Any]:
    before = time.perf_counter()
    result = function(*arguments, **options)
    return time.perf_counter() - before, result


def _photos(folder: Path | None) -> list[np.ndarray]:
    """Photos of 256x256: a folder's, or four of scikit-image's."""
    if folder is None:
        return [photo for _, photo, _ in demo.samples()]
    return [resize(read_rgb(path), SIDE_PX, SIDE_PX) for path in list_images(folder)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m eval.speed", description=__doc__)
    parser.add_argument("section", nargs="?", default="all", choices=("all", *SECTIONS))
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="turns of each side (default: 7)")
    parser.add_argument("--device", default="cpu", help="for train, infer, rounding and large [cpu]")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of PyTorch (0: its own choice)")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="(default: scikit-image's samples)")
    parser.add_argument("--weights", metavar="FILE", help="for rounding and large (default: as shipped)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write settings and rows as JSON lines")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table; exit code 1 and one sentence for what cannot be used."""
    options = _parser().parse_args(argv)
    print(f"{'':28} {'seconds':>9} {'reference':>9} {'ratio':>6}")
    try:
        rows = speed(options)
    except InputError as error:
        sys.exit(str(error))
    if options.json:
        device = str(choose_device(options.device))
        machine = {
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "device": device if device.startswith("cpu") else torch.cuda.get_device_name(device),
            "threads": options.threads or torch.get_num_threads(),
        }
        settings = {"kind": "settings", "runs": options.runs, **machine, "versions": versions()}
        write_json_lines(options.json, [settings, *({"kind": "row", **asdict(row)} for row in rows)])


if __name__ == "__main__":
    main()
