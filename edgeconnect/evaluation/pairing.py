"""Which photo meets which hole: drawn once by a seed; a benchmark keeps it, with the inputs as PNG."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count, cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeconnect.errors import InputError
from edgeconnect.evaluation.pairs import checked_polarity, pictures
from edgeconnect.evaluation.tables import ratio_label, write_json_lines
from edgeconnect.io.images import list_images, read_rgb, resize, write_png
from edgeconnect.masks.repair import read_mask
from edgeconnect.masks.shapes import hole_ratio, touches_border
from edgeconnect.masks.strokes import strokes
from edgeconnect.provenance import content_hash

if TYPE_CHECKING:
    from edgeconnect.masks.repair import Polarity

DRAWN = "drawn"
"""Stands for the masks' hash where there are no files."""

_DRAWN_TENTHS = 6  # tables go to a hole ratio of 60 %
_LEAST_RATIO = 0.005  # below it there is hardly a hole to look at


@dataclass(frozen=True)
class Case:
    """One photo with one hole; a benchmark's files `inputs/{photos,masks,holes}/NAME.png` hold them."""

    name: str
    photo: str
    mask: str
    hole_ratio: float
    touches_border: bool


@dataclass(frozen=True)
class Example:
    """A case with its pixels: photo (S,S,3) uint8, mask (S,S) bool; `path` is the photo's file."""

    case: Case
    path: Path
    photo: NDArray[np.uint8]
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Plan:
    """What decides the cases: same plan, same cases."""

    photos_sha256: str
    masks_sha256: str
    seed: int
    masks_per_photo: int
    size: int
    polarity: Polarity


def plan(
    photos: Path, masks: Path | None, seed: int, masks_per_photo: int, size: int, polarity: Polarity | None
) -> Plan:
    """The plan for two folders as they are now; without masks they are drawn. Errors: an empty folder; no
    polarity told, and masks that look as if it were not white.
    """
    photos_hash = content_hash(pictures(photos), photos)
    masks_hash = DRAWN if masks is None else content_hash(pictures(masks), masks)
    return Plan(photos_hash, masks_hash, seed, masks_per_photo, size, checked_polarity(masks, polarity))


def cases(photos: Path, masks: Path | None, chosen: Plan, out: Path) -> list[Case]:
    """The plan's cases, with their inputs written to `out`; read from there if they are there already.

    Errors: `out` holds the cases of another plan.
    """
    kept = out / "pairing.jsonl"
    if kept.is_file():
        first, *lines = (json.loads(line) for line in kept.read_text().splitlines())
        if first != asdict(chosen):
            changed = ", ".join(key for key, value in asdict(chosen).items() if first.get(key) != value)
            raise InputError(f"{out} holds a benchmark with another {changed}: choose another --out")
        return [Case(**line) for line in lines]
    drawn = [_write(example, out) for example in examples(list_images(photos), masks, chosen)]
    write_json_lines(kept, [asdict(chosen), *(asdict(case) for case in drawn)])
    return drawn


def examples(photos: Sequence[Path], masks: Path | None, chosen: Plan) -> Iterator[Example]:
    """The plan's cases for these photos, one by one: all tenths of hole ratio equally often (but for one).

    Errors: a broken file; a mask that is all hole or has none.
    """
    holes = _drawn(chosen) if masks is None else _picked(masks, chosen)
    turns = [photo for photo in photos for _ in range(chosen.masks_per_photo)]
    for i, (path, (name, mask)) in enumerate(zip(turns, holes, strict=False)):
        case = Case(f"{i:04d}-{path.stem}", path.name, name, hole_ratio(mask), touches_border(mask))
        yield Example(case, path, square(read_rgb(path), chosen.size), mask)


def _picked(masks: Path, chosen: Plan) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Names and masks without end, from a folder's files."""
    rng = np.random.default_rng(chosen.seed)
    shelves: dict[str, list[Path]] = {}
    for path in list_images(masks):
        shelves.setdefault(ratio_label(hole_ratio(_mask(path, chosen))), []).append(path)
    order = [shelves[label] for label in sorted(shelves)]
    rng.shuffle(order)
    for shelf in cycle(order):
        path = shelf[int(rng.integers(len(shelf)))]
        yield path.name, _mask(path, chosen)


def _drawn(chosen: Plan) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Names and brush strokes without end; every other round of tenths touches the border."""
    for i in count():
        tenth = i % _DRAWN_TENTHS
        ratio = (max(tenth / 10, _LEAST_RATIO), (tenth + 1) / 10)
        border = i // _DRAWN_TENTHS % 2 == 0
        rng = np.random.default_rng((chosen.seed, i))
        yield f"strokes {i}", strokes(rng, chosen.size, chosen.size, ratio, border)


def _write(example: Example, out: Path) -> Case:
    """Write a case's photo, mask, and photo with a white hole."""
    shown = example.photo.copy()
    shown[example.mask] = 255
    for role, picture in (("photos", example.photo), ("masks", example.mask), ("holes", shown)):
        write_png(out / "inputs" / role / f"{example.case.name}.png", picture)
    return example.case


def square(photo: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The photo's middle square at `size` pixels a side."""
    side = min(photo.shape[:2])
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    return resize(photo[top : top + side, left : left + side], size, size)


def _mask(path: Path, chosen: Plan) -> NDArray[np.bool_]:
    mask = read_mask(path, (chosen.size, chosen.size), chosen.polarity)[0]
    if not mask.any() or mask.all():
        raise InputError(f"{path}: expected a mask with a hole and something known, got one of one colour")
    return mask
