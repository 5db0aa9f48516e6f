"""Which photo meets which hole in a benchmark: drawn once by a seed and kept, with the inputs as PNG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeconnect.errors import InputError
from edgeconnect.images import list_images, read_raw, read_rgb, resize, write_png
from edgeconnect.masks import hole_ratio, repair, touches_border
from edgeconnect.provenance import content_hash
from eval.pairs import pictures
from eval.tables import ratio_label, write_json_lines

if TYPE_CHECKING:
    from edgeconnect.mask_repair import Polarity


@dataclass(frozen=True)
class Case:
    """One photo with one hole; the files `inputs/{photos,masks,holes}/NAME.png` hold them."""

    name: str
    photo: str
    mask: str
    hole_ratio: float
    touches_border: bool


@dataclass(frozen=True)
class Plan:
    """What decides the cases: same plan, same cases."""

    photos_sha256: str
    masks_sha256: str
    seed: int
    masks_per_photo: int
    size: int
    polarity: Polarity


def plan(photos: Path, masks: Path, seed: int, masks_per_photo: int, size: int, polarity: Polarity) -> Plan:
    """The plan for two folders as they are now. Errors: a folder without pictures."""
    photos_hash, masks_hash = (content_hash(pictures(folder), folder) for folder in (photos, masks))
    return Plan(photos_hash, masks_hash, seed, masks_per_photo, size, polarity)


def cases(photos: Path, masks: Path, chosen: Plan, out: Path) -> list[Case]:
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
    pairs = _pairs(list_images(photos), list_images(masks), chosen)
    drawn = [
        _write(f"{i:04d}-{photo.stem}", photo, mask, chosen, out) for i, (photo, mask) in enumerate(pairs)
    ]
    write_json_lines(kept, [asdict(chosen), *(asdict(case) for case in drawn)])
    return drawn


def _pairs(photos: Sequence[Path], masks: Sequence[Path], chosen: Plan) -> list[tuple[Path, Path]]:
    """Each photo with masks of different tenths of hole ratio, all tenths equally often (but for one)."""
    rng = np.random.default_rng(chosen.seed)
    shelves: dict[str, list[Path]] = {}
    for path in masks:
        shelves.setdefault(ratio_label(hole_ratio(_mask(path, chosen))), []).append(path)
    order = [shelves[label] for label in sorted(shelves)]
    rng.shuffle(order)
    turns = zip(
        cycle(order), [photo for photo in photos for _ in range(chosen.masks_per_photo)], strict=False
    )
    return [(photo, shelf[int(rng.integers(len(shelf)))]) for shelf, photo in turns]


def _write(name: str, photo: Path, mask: Path, chosen: Plan, out: Path) -> Case:
    """Write a case's photo, mask, and photo with a white hole."""
    pixels, hole = square(read_rgb(photo), chosen.size), _mask(mask, chosen)
    shown = pixels.copy()
    shown[hole] = 255
    for role, picture in (("photos", pixels), ("masks", hole), ("holes", shown)):
        write_png(out / "inputs" / role / f"{name}.png", picture)
    return Case(name, photo.name, mask.name, hole_ratio(hole), touches_border(hole))


def square(photo: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The photo's middle square at `size` pixels a side."""
    side = min(photo.shape[:2])
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    return resize(photo[top : top + side, left : left + side], size, size)


def _mask(path: Path, chosen: Plan) -> NDArray[np.bool_]:
    mask = repair(read_raw(path), (chosen.size, chosen.size), chosen.polarity)[0]
    if not mask.any() or mask.all():
        raise InputError(f"{path}: expected a mask with a hole and something known, got one of one colour")
    return mask
