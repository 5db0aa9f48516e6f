from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small import made_up_batch
from torch.nn import functional as F

from edgeconnect.errors import InputError
from edgeconnect.metrics.fid import InceptionFeatures, Statistics, frechet_distance
from edgeconnect.metrics.pixel import edge_precision_recall, l1, psnr, ssim
from edgeconnect.metrics.stateful import (
    EdgePrecisionRecall,
    FrechetInceptionDistance,
    LearnedPerceptualDistance,
    MeanAbsoluteError,
    PeakSignalNoiseRatio,
    StructuralSimilarity,
)

KINDS = {
    PeakSignalNoiseRatio: psnr,
    MeanAbsoluteError: l1,
    StructuralSimilarity: lambda a, b, mask: ssim(a, b, "gaussian", mask),
}


def pictures(count: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    batch = made_up_batch(count)
    noise = torch.randn(batch.photo.shape, generator=torch.Generator().manual_seed(1)) / 20
    return (batch.photo + noise).clamp(0, 1), batch.photo, batch.mask


def channels_last(tensor: torch.Tensor) -> np.ndarray:
    return tensor.permute(1, 2, 0).double().numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_hole", [True, False])
def test_batches_of_any_size_give_the_mean_of_the_functions(kind: type, in_hole: bool) -> None:
    results, truth, mask = pictures()
    metric = kind()
    for part in (slice(0, 2), slice(2, 5)):
        metric.update(results[part], truth[part], mask[part] if in_hole else None)
    holes = [hole[0].numpy() > 0.5 if in_hole else None for hole in mask]
    pairs = zip(truth, results, holes, strict=True)
    expected = [KINDS[kind](channels_last(a), channels_last(b), hole) for a, b, hole in pairs]
    assert metric.compute() == pytest.approx(np.mean(expected), abs=1e-12)
    assert metric.values == pytest.approx(expected, abs=1e-12)


def test_mean_absolute_error_of_a_hole_is_torchs() -> None:
    results, truth, mask = pictures()
    metric = MeanAbsoluteError()
    metric.update(results, truth, mask)
    inside = mask.bool().expand_as(truth)
    assert metric.compute() == pytest.approx(F.l1_loss(results[inside], truth[inside]).item(), abs=1e-6)


def test_a_call_returns_the_batchs_own_value_and_gathers_it() -> None:
    results, truth, mask = pictures(2)
    metric = PeakSignalNoiseRatio()
    first, second = (metric(results[i : i + 1], truth[i : i + 1], mask[i : i + 1]) for i in (0, 1))
    assert first != second
    assert metric.compute() == pytest.approx((first + second) / 2)
    metric.reset()
    with pytest.raises(InputError, match="at least one picture"):
        metric.compute()


def test_bytes_and_floats_of_one_picture_score_alike() -> None:
    results, truth, mask = ((x * 255).round().to(torch.uint8) for x in pictures())
    metric = PeakSignalNoiseRatio()
    of_bytes = metric(results, truth, mask > 0)
    assert metric(results / 255, truth / 255, mask / 255) == pytest.approx(of_bytes, abs=1e-4)
    assert metric(truth, truth) == math.inf


def test_lines_are_pooled_over_batches() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn, real = ((torch.rand(4, 1, 20, 24, generator=generator) > 0.9).float() for _ in range(2))
    mask = torch.zeros_like(drawn)
    mask[..., 4:15, 3:20] = 1
    metric = EdgePrecisionRecall()
    assert metric.compute() == (1.0, 1.0)
    for i in range(4):
        metric.update(drawn[i : i + 1], real[i : i + 1], mask[i : i + 1])
    side_by_side = [torch.cat(list(x[:, 0]), 1).numpy() for x in (drawn, real, mask)]
    expected = edge_precision_recall(*side_by_side[:2], side_by_side[2] > 0, tolerance_px=1)
    assert metric.compute() == pytest.approx(expected)
    metric.reset()
    assert metric.compute() == (1.0, 1.0)


def test_perceptual_distances_leave_what_is_outside_the_hole_out() -> None:
    def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a - b).abs().flatten(1).sum(1)

    results, truth, mask = pictures()
    metric = LearnedPerceptualDistance(distance)
    metric.update(results, truth, mask)
    expected = distance(truth * mask, results * mask).mean().item()
    assert metric.compute() == pytest.approx(expected, rel=1e-5)
    metric.reset()
    metric.update(results[:, :1], truth[:, :1])
    expected = 3 * distance(truth[:, :1], results[:, :1]).mean().item()
    assert metric.compute() == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_the_frechet_distance_is_that_of_all_pictures_features(made_up_inception) -> None:
    features = InceptionFeatures(made_up_inception[0])
    results, truth, _ = pictures(4)
    metric = FrechetInceptionDistance(features)
    for i in (0, 2):
        metric.update(truth[i : i + 2], real=True)
        metric.update((results[i : i + 2] * 255).round().to(torch.uint8), real=False)
    sets = [
        features([np.rint(channels_last(x) * 255).astype(np.uint8) for x in batch])
        for batch in (truth, results)
    ]
    expected = frechet_distance(*(Statistics.of(found) for found in sets))
    assert metric.compute() == pytest.approx(expected, rel=1e-4)
    metric.reset()
    with pytest.raises(InputError, match="at least two pictures"):
        metric.compute()


def test_other_shapes_are_refused() -> None:
    results, truth, mask = pictures()
    with pytest.raises(InputError, match="two batches"):
        MeanAbsoluteError().update(results, truth[:2])
    with pytest.raises(InputError, match="mask: expected"):
        MeanAbsoluteError().update(results, truth, mask[:, 0])
    with pytest.raises(InputError, match="no hole"):
        MeanAbsoluteError().update(results, truth, torch.zeros_like(mask))
