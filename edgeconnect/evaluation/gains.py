"""What other edges are worth: gains photo by photo, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeconnect.metrics.bootstrap import bootstrap_interval

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from edgeconnect.types import Mask


class Gain(NamedTuple):
    """How much better than a reference, over the same photos: mean, 95 % bootstrap interval of it, and the
    share of the photos that are better.
    """

    mean: float
    interval_95: tuple[float, float]
    better: float

    @classmethod
    def of(cls, scores: Sequence[float], reference: Sequence[float], higher_is_better: bool) -> Gain:
        """The gain of some photos' scores over the same photos' `reference`; positive is better."""
        one, other = np.asarray(scores, np.float64), np.asarray(reference, np.float64)
        differs = one != other  # equal infinite PSNRs have no difference that could be computed
        gains = np.zeros(one.shape)
        np.subtract(one, other, out=gains, where=differs)
        gains *= 1 if higher_is_better else -1
        interval_95 = bootstrap_interval([float(gain) for gain in gains])
        return cls(float(gains.mean()), interval_95, float((gains > 0).mean()))

    @property
    def is_sure(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.interval_95[0] > 0

    def __str__(self) -> str:
        low, high = self.interval_95
        return f"{self.mean:+.3g} [{low:+.3g}, {high:+.3g}]"


def shuffled_lines(edges: NDArray[np.generic], mask: Mask, rng: Generator) -> NDArray[np.generic]:
    """The edge map (H,W) with the values in the hole at random places in it: as many lines, no shapes."""
    shuffled = edges.copy()
    shuffled[mask] = rng.permutation(edges[mask])
    return shuffled
