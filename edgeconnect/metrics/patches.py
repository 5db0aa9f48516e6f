"""Whether two pictures are made of the same small patches: coherence, completeness, patch distributions.

Pictures are (H,W,3) arrays, uint8 or floats in [0,1]; a hole is (H,W) bool, True = hole. All measures are
means over scales, each half of the one before, so that structures larger than a patch count too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgeconnect.errors import InputError
from edgeconnect.types import Mask

Picture = NDArray[Any]
Patches = NDArray[np.float32]

_SIDE = 7  # pixels, as in Simakov et al.
_DISTANCES_AT_ONCE = 2**24


def bidirectional_similarity(result: Picture, source: Picture, scales: int = 3) -> tuple[float, float]:
    """(coherence, completeness) of a retargeted picture, 0 best (Simakov et al., 2008).

    Coherence is the mean squared difference, in [0,1], between each 7x7 patch of the result and the nearest
    one of the source; completeness the same from the source to the result. Sizes may differ.
    """
    pyramids = zip(_pyramid(result, scales), _pyramid(source, scales), strict=True)
    levels = [(_patches(a), _patches(b)) for a, b in pyramids]
    coherence = np.mean([_to_nearest(a, b) for a, b in levels])
    completeness = np.mean([_to_nearest(b, a) for a, b in levels])
    return float(coherence), float(completeness)


def hole_coherence(
    result: Picture, hole: Mask, scales: int = 3, max_patches: tuple[int, int] | None = None
) -> float:
    """Mean squared difference, 0 best, between patches that touch a filled hole and the nearest known ones.

    `result` is the composite. `max_patches`: so many of each kind are drawn at most, always the same ones.
    Errors: an empty hole; no 7x7 patch that is known at every scale.
    scales: each half as large as the one before. hole: (H,W) bool.
    """
    levels = zip(_pyramid(result, scales), _hole_pyramid(hole, scales), strict=True)
    return float(np.mean([_to_nearest(*_filled_and_known(a, m, max_patches)) for a, m in levels]))


def sliced_wasserstein(
    result: Picture, source: Picture, scales: int = 3, projections: int = 64, seed: int = 0
) -> float:
    """Distance between two pictures' patch distributions in pixel values, 0 best: frequencies count too.

    Mean over random unit directions of the Wasserstein-1 distance between the 7x7 patches' projections
    (Rabin et al., 2011). Sizes may differ.
    """
    levels = zip(_pyramid(result, scales), _pyramid(source, scales), strict=True)
    return float(np.mean([_sliced(_patches(a), _patches(b), projections, seed) for a, b in levels]))


def hole_sliced_wasserstein(
    result: Picture, hole: Mask, scales: int = 3, projections: int = 64, seed: int = 0
) -> float:
    """`sliced_wasserstein` between the patches that touch a filled hole and the known ones."""
    levels = zip(_pyramid(result, scales), _hole_pyramid(hole, scales), strict=True)
    return float(np.mean([_sliced(*_filled_and_known(a, m), projections, seed) for a, m in levels]))


def hole_band_wasserstein(
    result: Picture,
    hole: Mask,
    scales: int = 3,
    projections: int = 64,
    seed: int = 0,
    max_patches: tuple[int, int] | None = None,
) -> float:
    """`hole_sliced_wasserstein` by frequency: of the levels of a Laplacian pyramid, in the known deviations.

    After Karras et al. ("Progressive Growing of GANs", 2018, section 5): without the pyramid a patch's mean
    brightness, which says where in the photo it lies, outweighs all texture. Both sets of patches are scaled
    by the known ones' mean and deviation in each channel (there: each by its own), so that lost contrast
    counts. The last scale holds what is coarser. `max_patches` as for `hole_coherence`.
    result, hole, scales: as for `hole_coherence`. projections: directions that the patches are projected on,
    drawn by seed.
    """
    bands = _laplacian_pyramid(result, scales)
    distances = []
    for band, missing in zip(bands, _hole_pyramid(hole, scales), strict=True):
        filled, known = (p.reshape(len(p), 3, -1) for p in _filled_and_known(band, missing, max_patches))
        mean, deviation = known.mean((0, 2), keepdims=True), known.std((0, 2), keepdims=True) + 1e-6
        a, b = (((p - mean) / deviation).reshape(len(p), -1) for p in (filled, known))
        distances.append(_sliced(a, b, projections, seed))
    return float(np.mean(distances))


def _pyramid(picture: Picture, scales: int) -> Iterator[Patches]:
    """The picture in [0,1], float32, at full, half, quarter ... size. Errors: no room for a patch."""
    level: Patches = (picture / 255 if picture.dtype == np.uint8 else picture).astype(np.float32)
    for scale in range(scales):
        height, width = level.shape[0] >> min(scale, 1), level.shape[1] >> min(scale, 1)
        if min(height, width) < _SIDE:
            raise InputError(
                f"{picture.shape[1]}x{picture.shape[0]} pixels have no 7x7 patch at scale 1/{2**scale}"
            )
        level = np.asarray(cv2.resize(level, (width, height), interpolation=cv2.INTER_AREA), np.float32)
        yield level


def _laplacian_pyramid(picture: Picture, scales: int) -> list[Patches]:
    """What each scale of a Gaussian pyramid has over the next coarser one; the last one as it is."""
    levels = list(_pyramid(picture, scales))
    sizes = [level.shape[1::-1] for level in levels]
    coarser = (
        cv2.resize(c, size, interpolation=cv2.INTER_LINEAR)
        for c, size in zip(levels[1:], sizes, strict=False)
    )
    return [fine - up for fine, up in zip(levels, coarser, strict=False)] + levels[-1:]


def _hole_pyramid(hole: Mask, scales: int) -> Iterator[Mask]:
    """The hole at each scale: a pixel is in it if any pixel that it covers is. Errors: an empty hole."""
    if not hole.any():
        raise InputError("the mask has no hole, so there is no patch to score")
    return (level > 0 for level in _pyramid(hole.astype(np.float32), scales))


def _patches(picture: Patches) -> Patches:
    """All 7x7 patches of (H,W,3): (number, 147)."""
    return sliding_window_view(picture, (_SIDE, _SIDE), axis=(0, 1)).reshape(-1, _SIDE * _SIDE * 3)


def _filled_and_known(
    picture: Patches, hole: Mask, max_patches: tuple[int, int] | None = None
) -> tuple[Patches, Patches]:
    """Patches that touch the hole, and those that don't; at most so many of each, drawn evenly."""
    touches = sliding_window_view(hole, (_SIDE, _SIDE)).any(axis=(2, 3)).ravel()
    if touches.all():
        raise InputError(
            "no 7x7 patch is free of the hole at every scale, so there is nothing to compare it with"
        )
    filled, known = np.flatnonzero(touches), np.flatnonzero(~touches)
    if max_patches:
        filled, known = _drawn(filled, max_patches[0]), _drawn(known, max_patches[1])
    return _patches_at(picture, filled), _patches_at(picture, known)


def _drawn(indices: NDArray[np.intp], max_count: int) -> NDArray[np.intp]:
    if len(indices) <= max_count:
        return indices
    return np.sort(np.random.default_rng(0).choice(indices, max_count, replace=False))


def _patches_at(picture: Patches, indices: NDArray[np.intp]) -> Patches:
    """The 7x7 patches of (H,W,3) at some indices of their grid: (number, 147)."""
    windows = sliding_window_view(picture, (_SIDE, _SIDE), axis=(0, 1))
    return windows[np.unravel_index(indices, windows.shape[:2])].reshape(len(indices), -1)


def _to_nearest(a: Patches, b: Patches) -> float:
    """Mean over the rows of `a` (N,D) of the mean squared difference to the nearest row of `b` (M,D).

    One matrix product finds the neighbours, the smallest |b|² - 2ab; their distances are then taken exactly.
    """
    ones = np.ones((len(a), 1), np.float32)
    centred_a, centred_b = a - b.mean(axis=0), b - b.mean(axis=0)
    queries = np.concatenate([centred_a, ones], axis=1)
    keys = np.concatenate([-2 * centred_b, np.square(centred_b).sum(axis=1, keepdims=True)], axis=1).T
    parts = -(-len(a) * len(b) // _DISTANCES_AT_ONCE)
    nearest = np.concatenate([np.argmin(part @ keys, axis=1) for part in np.array_split(queries, parts)])
    return float(np.mean(np.square(a - b[nearest], dtype=np.float64)))


def _sliced(a: Patches, b: Patches, projections: int, seed: int) -> float:
    """Mean Wasserstein-1 distance of (N,D) and (M,D) projected to random unit directions."""
    # takes a second to import, and every worker that scores would pay for it
    from scipy.stats import wasserstein_distance

    directions = np.random.default_rng(seed).normal(size=(a.shape[1], projections)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    lines = zip((a @ directions).T, (b @ directions).T, strict=True)
    return float(np.mean([wasserstein_distance(x, y) for x, y in lines]))
