"""Gains worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeconnect.evaluation.gains import Gain, shuffled_lines


def test_gains_are_differences_photo_by_photo_whose_sign_says_better() -> None:
    gain = Gain.of([23.0, 29.0, 31.0], [20.0, 30.0, 30.0], higher_is_better=True)
    assert gain.mean == 1.0 and gain.better == pytest.approx(2 / 3)
    assert gain.interval_95[0] < 1 < gain.interval_95[1] and not gain.is_sure
    assert Gain.of([0.3, 0.4], [0.5, 0.5], higher_is_better=False).is_sure
    assert str(Gain.of([2.0, 2.0], [1.0, 1.0], higher_is_better=True)) == "+1 [+1, +1]"


def test_equal_perfect_scores_are_no_gain() -> None:
    gain = Gain.of([math.inf, 31.0], [math.inf, 30.0], higher_is_better=True)
    assert gain.mean == 0.5


def test_shuffled_lines_are_as_many_elsewhere_in_the_hole(rng: np.random.Generator) -> None:
    edges, mask = rng.random((20, 30)) > 0.8, np.zeros((20, 30), bool)
    mask[4:16, 5:25] = True
    shuffled = shuffled_lines(edges, mask, rng)
    assert shuffled[mask].sum() == edges[mask].sum()
    assert (shuffled[mask] != edges[mask]).any()
    np.testing.assert_array_equal(shuffled[~mask], edges[~mask])
