"""Intervals of means over photos, by resampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeconnect.errors import InputError


def bootstrap_interval(
    values: Sequence[float], level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean: (low, high). Errors: no values.

    values: one a picture. level: the share of resamples within. resamples: how many are drawn. seed: of the
    drawing.
    """
    if len(values) == 0:
        raise InputError("an interval needs at least one value")
    rng, sample = np.random.default_rng(seed), np.asarray(values, np.float64)
    parts = np.array_split(np.empty(resamples), resamples * len(sample) // 2**20 + 1)  # to bound memory
    draws = (rng.integers(0, len(sample), (len(part), len(sample))) for part in parts)
    means = np.concatenate([sample[draw].mean(axis=1) for draw in draws])
    # "nearest" takes one of the means as it is: an infinite PSNR would turn an interpolated bound into nan
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2), method="nearest")
    return float(low), float(high)
