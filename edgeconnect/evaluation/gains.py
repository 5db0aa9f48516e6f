"""What other edges are worth: paired gains with intervals, and a sentence about a model's edge map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeconnect.metrics.bootstrap import bootstrap_interval

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

LEAST_CHANGE = 1 / 255
"""A mean change of the hole under this (of 1), one level of 8 bits, is called none."""


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


@dataclass(frozen=True)
class Audit:
    """What several edge maps of the same holes did, each against none.

    `change`: mean absolute change of the hole, of 1, by the maps' names; `completed`, `true`, `strange`:
    gains of the model's own edges, the true ones and another photo's; `true_over_strange`: of the second over
    the third. `measure` names what the gains are of, with its unit.
    """

    measure: str
    change: Mapping[str, float]
    completed: Gain
    true: Gain
    strange: Gain
    true_over_strange: Gain

    @property
    def verdict(self) -> str:
        """One sentence: is the edge map used, and for the better?"""
        gains = (
            f"gain in {self.measure} over no edges: completed {self.completed}, true {self.true}, "
            f"another photo's {self.strange}"
        )
        if (most := max(self.change.values())) < LEAST_CHANGE:
            return (
                f"The edge map is ignored: no map changes the hole by more than {most:.4f} of 1 on average."
            )
        if not (self.true.is_sure and self.true_over_strange.is_sure):
            return f"The edge map changes the hole, but true edges do not surely improve it ({gains})."
        if not self.completed.is_sure:
            return f"The edge map is used, but only true edges surely help, completed ones do not ({gains})."
        return f"The edge map is used, and for the better ({gains})."


def shuffled_lines(edges: NDArray[np.generic], mask: Mask, rng: Generator) -> NDArray[np.generic]:
    """The edge map (H,W) with the values in the hole at random places in it: as many lines, no shapes."""
    shuffled = edges.copy()
    shuffled[mask] = rng.permutation(edges[mask])
    return shuffled
