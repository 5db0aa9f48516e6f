"""Fit what `edges/continuation.py` knows of lines: how likely joins and extensions are, by their features.

    python -m eval.fit_lines PHOTOS [--masks DIR] [--count 600] [--seed 1]

Holes are cut into photos whose true Canny lines are known: boxes, and mask files where there are some. A
candidate is right as far as true lines run along it, less what such a curve meets by chance nearby; logistic
regressions on its features give the three rows of log odds, which are printed as they stand in the module.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter
from tqdm import tqdm

from edgeconnect.edges import continuation
from edgeconnect.edges.canny import canny, to_gray
from edgeconnect.errors import InputError
from edgeconnect.io import images
from edgeconnect.masks.repair import read_mask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SIDE_PX = 256  # of the crops, as in training
SIGMA = 2.0
BOX_PX = 70
RIDGE = 1e-3  # on all but the constant, of the mean log likelihood
ALONG = 0.8  # cosine between a curve and a true line that runs along it
SHIFTS, SHIFT_PX = 6, (10, 30)  # where else a curve is laid, to see what it meets by chance
MAX_CHANCE = 0.6
END_POINTS = 6  # of a join, which lie so near to its ends that they always meet a line
MAX_LENGTH_PX = 80  # of extensions


@dataclass(frozen=True)
class Case:
    """A crop with a hole: photo (H,W,3) in [0,1], its known lines and its hole (H,W) bool, and the truth."""

    photo: NDArray[np.float64]
    known: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    truth: Truth


@dataclass(frozen=True)
class Truth:
    """Of each pixel (H,W), the nearest true line: how far, and its direction (2,H,W)."""

    distance_px: NDArray[np.float64]
    direction: NDArray[np.float64]

    @classmethod
    def of(cls, gray: NDArray[np.float64]) -> Truth:
        """gray: (H,W) in [0,1]."""
        lines = canny(gray, SIGMA)
        if not lines.any():
            return cls(np.full(gray.shape, np.inf), np.zeros((2, *gray.shape)))
        smooth = gaussian_filter(gray, SIGMA)
        across = np.stack([cv2.Sobel(smooth, -1, dx, 1 - dx) for dx in (1, 0)])
        across /= np.linalg.norm(across, axis=0) + 1e-12
        distance_px, (y, x) = distance_transform_edt(~lines, return_indices=True)
        return cls(distance_px, np.stack((-across[1], across[0]))[:, y, x])

    def hits(self, curve: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points of curves (K,P,2) lie within 1 px of a true line that runs along them: (K,P)."""
        tangent = np.gradient(curve, axis=1)
        tangent /= np.linalg.norm(tangent, axis=2, keepdims=True) + 1e-9
        along = sum(continuation.values_at(self.direction[i], curve, 0.0) * tangent[..., i] for i in range(2))
        return (continuation.values_at(self.distance_px, curve, np.inf) <= 1) & (np.abs(along) > ALONG)

    def chance(self, curve: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """How often each point hits where the curves are laid elsewhere nearby: (K,P)."""
        total = np.zeros(curve.shape[:2])
        for _ in range(SHIFTS):
            angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(*SHIFT_PX)
            total += self.hits(curve + reach * np.array([np.cos(angle), np.sin(angle)]))
        return total / SHIFTS


def cases(photos: list[Path], masks: list[Path], seed: int) -> Iterator[Case]:
    """Each photo with a box in its middle, a box anywhere and, where there are some, a mask file."""
    rng = np.random.default_rng(seed)
    for number, path in enumerate(tqdm(photos, unit="photo", disable=not sys.stderr.isatty())):
        crop = _crop(images.read_rgb(path))
        gray = to_gray(crop)
        truth = Truth.of(gray)
        side = int(rng.integers(40, 90))
        top, left = rng.integers(8, SIDE_PX - side - 8, 2).tolist()
        middle = (SIDE_PX - BOX_PX) // 2
        holes = [_box(middle, middle, BOX_PX), _box(top, left, side)]
        if masks:
            holes.append(read_mask(masks[number % len(masks)], (SIDE_PX, SIDE_PX))[0])
        for mask in holes:
            yield Case(crop / 255, canny(gray, SIGMA, known=~mask), mask, truth)


def fit(found: list[Case], seed: int) -> dict[str, NDArray[np.float64]]:
    """The log odds of joins, of chosen joins and of extensions, by the names they have in the module."""
    rng = np.random.default_rng(seed)
    ends = [continuation.find_ends(case.photo, case.known, case.mask) for case in found]
    pairs = [(case, each) for case, each in zip(found, ends, strict=True) if len(each)]
    joins = [continuation.possible_joins(each, case.mask) for case, each in pairs]
    shares = [_shares(case, each.curve, rng) for (case, _), each in zip(pairs, joins, strict=True)]
    join = logistic_regression(
        np.concatenate([each.features for each in joins]),
        np.concatenate([share["inner"] for share in shares]),
        np.concatenate(
            [_balanced(share["weight"], len(each)) for share, (_, each) in zip(shares, pairs, strict=True)]
        ),
    )
    picks = [
        continuation.choose_joins(each.features @ join, each, own)
        for each, (_, own) in zip(joins, pairs, strict=True)
    ]
    chosen = logistic_regression(
        np.concatenate([features for _, features in picks]),
        np.concatenate([share["whole"][picked] for share, (picked, _) in zip(shares, picks, strict=True)]),
        np.concatenate(
            [
                share["weight"][picked] ** 2 / (10 + len(picked))
                for share, (picked, _) in zip(shares, picks, strict=True)
            ]
        ),
    )
    alone = [
        _extension_samples(case, own, each, picked, features @ chosen, rng)
        for (case, own), each, (picked, features) in zip(pairs, joins, picks, strict=True)
    ]
    extension = logistic_regression(*(np.concatenate(parts) for parts in zip(*alone, strict=True)))
    return {"JOIN_LOG_ODDS": join, "CHOSEN_LOG_ODDS": chosen, "EXTENSION_LOG_ODDS": extension}


def logistic_regression(
    features: NDArray[np.float64], right: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log odds (F,) by Newton's method.

    features: (N,F), the first constant. right: (N,), as shares of 1. weight: (N,), 0 or more.
    """
    weight = (weight + 1e-12) / (weight + 1e-12).sum()
    found = np.zeros(features.shape[1])
    ridge = RIDGE * np.r_[0, np.ones(len(found) - 1)]
    for _ in range(40):
        share = 1 / (1 + np.exp(-features @ found))
        gradient = features.T @ (weight * (share - right)) + ridge * found
        curvature = (features * (weight * share * (1 - share) + 1e-12)[:, None]).T @ features
        step = np.linalg.solve(curvature + np.diag(ridge + 1e-9), gradient)
        found -= step
        if np.abs(step).max() < 1e-8:
            break
    return found


def _shares(case: Case, curve: NDArray[np.float64], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """How much of each curve (K,P,2) in the hole is a true line, beyond chance, and how much that counts."""
    hit, inside = case.truth.hits(curve), continuation.values_at(case.mask, curve, False)
    middle = np.zeros(curve.shape[1], bool)
    middle[END_POINTS:-END_POINTS] = True
    chance = np.minimum(_mean(case.truth.chance(curve, rng), inside), MAX_CHANCE)
    inner = np.clip(_mean(hit, inside & middle) * 1.5 - 0.25, 0, 1)
    length_px = np.linalg.norm(np.diff(curve, axis=1), axis=2).sum(1) * inside.mean(1)
    return {
        "inner": np.clip((inner - chance) / (1 - chance), 0, 1),
        "whole": np.clip((_mean(hit, inside) - chance) / (1 - chance), 0, 1),
        "weight": np.sqrt(length_px),
    }


def _extension_samples(
    case: Case,
    ends: continuation.Ends,
    joins: continuation.Joins,
    picked: NDArray[np.int64],
    log_odds: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Features, rightness and weight of every other pixel of each end's own way on."""
    partner = np.zeros(len(ends))
    partner[joins.first[picked]] = partner[joins.second[picked]] = 1 / (1 + np.exp(-log_odds))
    alone = continuation.extensions(ends, case.mask, partner)
    hit, inside = case.truth.hits(alone.path), continuation.values_at(case.mask, alone.path, False)
    chance = case.truth.chance(alone.path[:, :MAX_LENGTH_PX], rng)
    usual = np.minimum(_mean(chance, alone.inside[:, :MAX_LENGTH_PX]), MAX_CHANCE)[:, None]
    taken = alone.inside & inside
    taken[:, MAX_LENGTH_PX:] = taken[:, 1::2] = False
    right = ((hit & inside) - usual) / (1 - usual)
    return alone.features[taken], right[taken], np.full(taken.sum(), 1 / (10 + len(ends)))


def _mean(values: NDArray[Any], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray((values * where).sum(1) / np.maximum(where.sum(1), 1))


def _balanced(weight: NDArray[np.float64], ends: int) -> NDArray[np.float64]:
    """Hopeless candidates are the most: all of a hole's count as much as its ends, of which 30 count."""
    return weight / (weight.sum() + 1e-9) * min(ends, 30)


def _box(top: int, left: int, side: int) -> NDArray[np.bool_]:
    mask = np.zeros((SIDE_PX, SIDE_PX), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def _crop(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a photo whose short side is brought to SIDE_PX."""
    height, width = photo.shape[:2]
    scale = SIDE_PX / min(height, width)
    size = max(SIDE_PX, round(height * scale)), max(SIDE_PX, round(width * scale))
    photo = images.resize(photo, *size)
    top, left = (size[0] - SIDE_PX) // 2, (size[1] - SIDE_PX) // 2
    return np.ascontiguousarray(photo[top : top + SIDE_PX, left : left + SIDE_PX])


def main(arguments: list[str] | None = None) -> int:
    """Print the log odds; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="a folder of photos")
    parser.add_argument("--masks", type=Path, help="a folder of mask files, one for each photo in turn")
    parser.add_argument(
        "--count", type=int, default=600, help="photos at most, evenly from all [%(default)s]"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the boxes [%(default)s]")
    options = parser.parse_args(arguments)
    try:
        photos = images.list_images(options.photos)
        masks = images.list_images(options.masks) if options.masks else []
        if not photos or (options.masks and not masks):
            raise InputError(f"{options.masks if photos else options.photos}: expected pictures, found none")
        picked = np.linspace(0, len(photos) - 1, min(options.count, len(photos))).astype(int)
        found = list(cases([photos[i] for i in picked], masks, options.seed))
        for name, values in fit(found, options.seed).items():
            print(f"{name} = ({', '.join(f'{value:.3f}' for value in values)})")
    except InputError as error:
        print(f"eval.fit_lines: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
