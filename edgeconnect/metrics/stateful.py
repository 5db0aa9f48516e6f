"""Scores that are gathered batch by batch, after torchmetrics' interface: `update`, `compute`, `reset`.

The numbers are those of the functions beside this file. Batches are tensors (N,C,H,W), C 1 or 3, floats in
[0,1] or uint8; masks (N,1,H,W), 1 or True = hole; with a mask only the hole counts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgeconnect.errors import InputError
from edgeconnect.metrics.fid import InceptionFeatures, Statistics, frechet_distance
from edgeconnect.metrics.perceptual import Lpips
from edgeconnect.metrics.pixel import EdgeMatches, EdgeScore, edge_matches, l1, psnr, ssim

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from edgeconnect.metrics.pixel import Picture, Window
    from edgeconnect.types import Mask


class MeanMetric(ABC):
    """The mean over pictures of a score of each one; `values` are these, in the order they came."""

    def __init__(self) -> None:
        self.values: list[float] = []

    @abstractmethod
    def score(self, result: Picture, truth: Picture, mask: Mask | None) -> float:
        """One picture's score: (H,W[,3]) twice and (H,W) bool."""

    def update(self, preds: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Add a batch: results, truth, holes. Raises InputError for other shapes and empty holes."""
        self.values += self._scores(preds, target, mask)

    def compute(self) -> float:
        """The mean over all pictures so far; InputError where there is none."""
        return _mean(self.values)

    def reset(self) -> None:
        """Forget all pictures."""
        self.values.clear()

    def __call__(self, preds: Tensor, target: Tensor, mask: Tensor | None = None) -> float:
        """`update`; returns this batch's own mean."""
        new = self._scores(preds, target, mask)
        self.values += new
        return _mean(new)

    def _scores(self, preds: Tensor, target: Tensor, mask: Tensor | None) -> list[float]:
        _check(preds, target, mask)
        holes = [None] * len(preds) if mask is None else [hole > 0.5 for hole in _pictures(mask)]
        pairs = zip(_pictures(target), _pictures(preds), holes, strict=True)
        return [self.score(result, truth, hole) for truth, result, hole in pairs]


class PeakSignalNoiseRatio(MeanMetric):
    """`pixel.psnr` in dB."""

    def score(self, result: Picture, truth: Picture, mask: Mask | None) -> float:
        """See `pixel.psnr`."""
        return psnr(truth, result, mask)


class StructuralSimilarity(MeanMetric):
    """`pixel.ssim` with the given window."""

    def __init__(self, window: Window = "gaussian") -> None:
        super().__init__()
        self.window: Window = window

    def score(self, result: Picture, truth: Picture, mask: Mask | None) -> float:
        """See `pixel.ssim`."""
        return ssim(truth, result, self.window, mask)


class MeanAbsoluteError(MeanMetric):
    """`pixel.l1`, in [0,1]."""

    def score(self, result: Picture, truth: Picture, mask: Mask | None) -> float:
        """See `pixel.l1`."""
        return l1(truth, result, mask)


class LearnedPerceptualDistance(MeanMetric):
    """`perceptual.Lpips` of whole pictures; with a mask, what lies outside the hole is the truth's."""

    def __init__(self, distance: Lpips) -> None:
        super().__init__()
        self.distance = distance

    def score(self, result: Picture, truth: Picture, mask: Mask | None) -> float:
        """See `perceptual.Lpips`."""
        merged = result if mask is None else np.where(mask[..., None], result, truth)
        a, b = (torch.tensor(np.atleast_3d(x) / _top(x), dtype=torch.float32) for x in (truth, merged))
        return float(self.distance(*(x.expand(-1, -1, 3).permute(2, 0, 1)[None] for x in (a, b))))


class EdgePrecisionRecall:
    """`pixel.edge_matches` of edge maps (N,1,H,W), pooled over all lines: an EdgeScore."""

    def __init__(self, threshold: float = 0.5, tolerance_px: float = 1) -> None:
        self.threshold, self.tolerance_px = threshold, tolerance_px
        self.matches = EdgeMatches(0, 0, 0, 0)

    def update(self, preds: Tensor, target: Tensor, mask: Tensor) -> None:
        """Add a batch of drawn lines, true ones and holes; InputError for other shapes."""
        _check(preds, target, mask)
        for drawn, real, hole in zip(_pictures(preds), _pictures(target), _pictures(mask), strict=True):
            new = edge_matches(drawn, real, hole > 0.5, self.threshold, self.tolerance_px)
            self.matches = EdgeMatches(*(a + b for a, b in zip(self.matches, new, strict=True)))

    def compute(self) -> EdgeScore:
        """Precision and recall so far; 1 where nothing was drawn, or nothing was to be drawn."""
        drawn, right, true, found = self.matches
        return EdgeScore(right / drawn if drawn else 1.0, found / true if true else 1.0)

    def reset(self) -> None:
        """Forget all lines."""
        self.matches = EdgeMatches(0, 0, 0, 0)


class FrechetInceptionDistance:
    """`fid.frechet_distance` of two sets of whole pictures, as pytorch-fid computes it."""

    def __init__(self, features: InceptionFeatures) -> None:
        self.features = features
        self._of: dict[bool, list[NDArray[np.float32]]] = {True: [], False: []}

    def update(self, imgs: Tensor, real: bool) -> None:
        """Add a batch (N,3,H,W), uint8 or floats in [0,1], to the real set or to the other one."""
        pictures = [np.rint(x / _top(x) * 255).astype(np.uint8) for x in _pictures(imgs)]
        self._of[real].append(self.features(pictures))

    def compute(self) -> float:
        """The distance so far; InputError for fewer than two pictures in a set."""
        sets = (np.concatenate([np.empty((0, 2048), np.float32), *self._of[real]]) for real in (True, False))
        return frechet_distance(*(Statistics.of(features) for features in sets))

    def reset(self) -> None:
        """Forget all pictures."""
        self._of = {True: [], False: []}


def _mean(values: list[float]) -> float:
    if not values:
        raise InputError("expected at least one picture before a mean is computed, got none")
    return math.fsum(values) / len(values) if math.inf not in values else math.inf


def _check(preds: Tensor, target: Tensor, mask: Tensor | None) -> None:
    if preds.ndim != 4 or preds.shape != target.shape:
        raise InputError(
            f"expected two batches (N,C,H,W) of one shape, got {tuple(preds.shape)} and {tuple(target.shape)}"
        )
    if mask is not None and mask.shape != (expected := (len(preds), 1, *preds.shape[2:])):
        raise InputError(f"mask: expected {tuple(expected)}, got {tuple(mask.shape)}")


def _pictures(batch: Tensor) -> list[NDArray[Any]]:
    """Its (H,W,3), or (H,W) for one channel."""
    array = batch.detach().cpu().movedim(1, -1)
    arrays = (array if array.dtype in (torch.uint8, torch.bool) else array.double()).numpy()
    return list(arrays[..., 0] if arrays.shape[-1] == 1 else arrays)


def _top(picture: NDArray[Any]) -> float:
    return 255.0 if picture.dtype == np.uint8 else 1.0
