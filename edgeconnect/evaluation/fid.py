"""Fréchet Inception distance between folders or kept statistics: `python -m eval.fid TRUTH RESULT`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edgeconnect.device import choose_device
from edgeconnect.engines.choice import HERE, Engine
from edgeconnect.errors import InputError
from edgeconnect.io.atomic import write_atomically
from edgeconnect.io.images import list_images, read_rgb
from edgeconnect.metrics.fid import (
    FEATURES,
    INCEPTION,
    Collector,
    InceptionFeatures,
    Precision,
    Statistics,
    frechet_distance,
)
from edgeconnect.provenance import content_hash, file_hash, versions


@dataclass(frozen=True)
class Origin:
    """What statistics were made of: the SHA-256 of the pictures and of the network's file, the precision."""

    pictures: str
    weights: str
    precision: str


@dataclass(frozen=True)
class Inception:
    """Which network takes the features; found and loaded when first needed."""

    given: Path | None = None
    device: str = "auto"
    precision: Precision = "float32"
    batch_size: int = 16

    @cached_property
    def file(self) -> Path:
        """The weights file."""
        return INCEPTION.find(self.given)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the weights file."""
        return file_hash(self.file)

    @cached_property
    def _features(self) -> InceptionFeatures:
        return InceptionFeatures(self.file, choose_device(self.device), self.precision)

    def statistics(self, files: Sequence[Path], engine: Engine = HERE) -> Statistics:
        """Statistics of all these pictures. Errors: a picture that cannot be read; fewer than two."""
        collector = Collector()
        with tqdm(total=len(files), unit="picture", desc="Inception", leave=False) as bar:
            for block in self._blocks(files, engine):
                collector.add(block)
                bar.update(len(block))
        return collector.statistics()

    def _blocks(self, files: Sequence[Path], engine: Engine) -> Iterator[NDArray[np.float32]]:
        """Features of a batch of pictures each, in order, whoever computes them."""
        if engine.is_here:
            pictures = _read(files)
            while batch := list(islice(pictures, self.batch_size)):
                yield self._features(batch, self.batch_size)
            return
        setup = partial(_set_up, self.file, self.device, self.precision)
        batches = [files[at : at + self.batch_size] for at in range(0, len(files), self.batch_size)]
        yield from engine.values(setup, batches, partial(tqdm.write, file=sys.stderr))


def _set_up(file: Path, device: str, precision: Precision) -> Callable[[Sequence[Path]], NDArray[np.float32]]:
    """What a worker does: features of the pictures in some files, as one batch."""
    features = InceptionFeatures(file, choose_device(device), precision)
    return lambda files: features(map(read_rgb, files), len(files))


def statistics_of(
    path: Path, inception: Inception, keep: Path | None = None, engine: Engine = HERE
) -> tuple[Statistics, Origin | None]:
    """Statistics of a folder, or those kept in an .npz file, and what they were made of (if that is known).

    With `keep` a folder's statistics come from that file while its pictures, the weights and the precision
    are still the same; otherwise they are made anew and kept there.
    """
    if path.suffix == ".npz":
        return load(path)
    files = _pictures(path)
    origin = Origin(content_hash(files, path), inception.hash, inception.precision)
    if keep is not None and keep.is_file():
        kept = _arrays(keep)
        if _origin(kept) == origin:
            return _statistics(kept), origin
        tqdm.write(f"{keep} is of other pictures, weights or precision: made anew", file=sys.stderr)
    statistics = inception.statistics(files, engine)
    if keep is not None:
        save(keep, statistics, origin)
    return statistics, origin


def save(path: Path, statistics: Statistics, origin: Origin) -> None:
    """Keep statistics as pytorch-fid does (`mu`, `sigma`), with their number of pictures and their origin."""
    count = np.asarray(statistics.count)
    arrays = {"mu": statistics.mean, "sigma": statistics.covariance, "count": count, **asdict(origin)}
    write_atomically(path, lambda temporary: np.savez(temporary, **arrays))


def load(path: Path) -> tuple[Statistics, Origin | None]:
    """Statistics from our file or from pytorch-fid's, which tells no origin. Errors: any other file."""
    kept = _arrays(path)
    return _statistics(kept), _origin(kept)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What a file of statistics holds. Errors: any other file."""
    if not path.is_file():
        raise InputError(f"{path}: expected FID statistics in an .npz file, got no file")
    try:
        with path.open("rb") as stream, np.load(stream) as file:
            kept: dict[str, NDArray[Any]] = dict(file)
        mean, covariance = kept["mu"], kept["sigma"]
    except Exception as error:  # of a damaged file it may raise anything
        raise InputError(f"{path}: expected FID statistics (mu, sigma) in an .npz file: {error}") from error
    if mean.shape != (FEATURES,) or covariance.shape != (FEATURES, FEATURES):
        raise InputError(f"{path}: expected statistics of {FEATURES} features, got {mean.shape}")
    return kept


def _origin(kept: dict[str, NDArray[Any]]) -> Origin | None:
    if "pictures" not in kept:
        return None
    return Origin(*(str(kept[name]) for name in ("pictures", "weights", "precision")))


def _statistics(kept: dict[str, NDArray[Any]]) -> Statistics:
    """The covariance's factor takes seconds."""
    count = None if "pictures" not in kept else int(kept["count"])
    return Statistics.of_covariance(kept["mu"], kept["sigma"], count)


def remarks(truth: Statistics, result: Statistics) -> list[str]:
    """What a reader of the number must know about its N."""
    found = []
    if any(n is not None and n <= FEATURES for n in (truth.count, result.count)):
        found.append(
            f"N <= {FEATURES}: the covariance is singular and FID biased upwards; compare at equal N only"
        )
    if truth.count != result.count:
        found.append("the two N differ, and with them FID's bias")
    if None in (truth.count, result.count):
        found.append("statistics of another tool: their N, pictures and weights are unknown")
    return found


def _pictures(folder: Path) -> list[Path]:
    files = list_images(folder)
    if len(files) < 2:
        raise InputError(f"{folder}: expected at least two pictures, got {len(files)}: one has no covariance")
    return files


def _read(files: Sequence[Path], ahead: int = 64) -> Iterator[NDArray[np.uint8]]:
    """Pictures in order, read in two threads while the network works."""
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(files), ahead):
            yield from pool.map(read_rgb, files[start : start + ahead])


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The distance between two sets, their N, and what the number depends on. Errors: unusable input.

    arguments: the verb's options.
    """
    inception = Inception(arguments.inception, arguments.device, arguments.precision, arguments.batch_size)
    for path in (arguments.truth, arguments.result):
        if path.suffix != ".npz":
            _pictures(path)  # tell what is missing now, not after an hour of the other folder's features
    engine = Engine(arguments.engine, arguments.jobs, arguments.device != "cpu")
    truth, truth_origin = statistics_of(arguments.truth, inception, arguments.keep, engine)
    result, result_origin = statistics_of(arguments.result, inception, engine=engine)
    if truth_origin and result_origin:
        for name in ("weights", "precision"):
            one, other = getattr(truth_origin, name), getattr(result_origin, name)
            if one != other:
                raise InputError(f"the two sets' features are not comparable: {name} {one} and {other}")
    return {
        "fid": frechet_distance(truth, result),
        "n": [truth.count, result.count],
        "remarks": remarks(truth, result),
        "truth": truth_origin and asdict(truth_origin),
        "result": result_origin and asdict(result_origin),
        "versions": versions(),
    }
