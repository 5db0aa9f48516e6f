from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from edgeconnect.errors import InputError
from edgeconnect.ingan.transforms import Transformation, draw


def smooth_picture(height: int, width: int) -> torch.Tensor:
    """(1,2,height,width): waves much longer than a pixel."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 9) + np.cos(y / 7), np.sin((x + y) / 11)])
    return torch.from_numpy(waves[None]).float()


def test_another_size_is_what_opencv_gives() -> None:
    picture = smooth_picture(20, 30)
    resized = Transformation((33, 41))(picture)
    expected = cv2.resize(picture[0].permute(1, 2, 0).numpy(), (41, 33), interpolation=cv2.INTER_LINEAR)
    torch.testing.assert_close(resized[0].permute(1, 2, 0), torch.from_numpy(expected), atol=1e-4, rtol=0)


def test_a_trapezoid_is_what_opencv_gives() -> None:
    picture, size, (left, right) = smooth_picture(40, 60), (50, 70), (0.2, -0.1)
    moved = Transformation(size, (left, right))(picture)
    # pixel borders at whole numbers, pixel centres at halves
    frame = np.float32([[0, 0], [60, 0], [60, 40], [0, 40]]) - 0.5
    target = np.float32([[70 * left, 0], [70 + 70 * right, 0], [70, 50], [0, 50]]) - 0.5
    matrix = cv2.getPerspectiveTransform(frame, target)
    expected = cv2.warpPerspective(picture[0].permute(1, 2, 0).numpy(), matrix, (70, 50))
    inside = Transformation(size, (left, right)).inside()[0, 0].numpy().astype(np.uint8)
    away_from_the_sides = cv2.erode(inside, np.ones((5, 5)), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    difference = np.abs(moved[0].permute(1, 2, 0).numpy() - expected).max(2)
    assert away_from_the_sides.sum() > 2000
    assert difference[away_from_the_sides > 0].max() < 0.02


def test_a_narrower_top_fills_its_trapezoid_s_area() -> None:
    """Both top corners moved in by a fifth: mean width 0.8 of the frame's."""
    inside = Transformation((400, 400), (0.2, -0.2)).inside()
    assert inside.float().mean().item() == pytest.approx(0.8, abs=0.005)
    assert inside[0, 0, 0].float().mean().item() == pytest.approx(0.6, abs=0.01)
    assert inside[0, 0, -1].all()


@pytest.mark.parametrize("shifts", [(0.0, 0.0), (0.2, -0.25), (-0.2, 0.1), (0.3, 0.3)])
@pytest.mark.parametrize("size", [(60, 80), (90, 110)])
def test_there_and_back_is_the_same_picture(shifts: tuple[float, float], size: tuple[int, int]) -> None:
    picture, T = smooth_picture(60, 80), Transformation(size, shifts)
    T_inv = T.inverse((60, 80))
    back, shown = T_inv(T(picture)), T_inv.inside().expand(1, 2, -1, -1)
    assert (back - picture).abs()[shown].mean() < 0.02
    assert shown.float().mean() > 0.6
    assert T_inv.inverse(size) == T


def test_what_a_wider_top_pushes_out_of_the_frame_does_not_come_back() -> None:
    T = Transformation((100, 100), (-0.25, 0.25))
    assert T.inside().all()
    # the top edge shows the middle two thirds of the original
    row = T.inverse((100, 100)).inside()[0, 0, 0].float()
    assert row.mean().item() == pytest.approx(2 / 3, abs=0.02)


def test_a_trapezoid_without_a_top_is_refused() -> None:
    with pytest.raises(InputError, match=r"a top of at least 0.05 of the width, got 0.5,-0.5"):
        Transformation((10, 10), (0.5, -0.5))


def test_sizes_are_drawn_by_the_curriculum() -> None:
    def sizes(progress: float) -> np.ndarray:
        rng = np.random.default_rng(0)
        drawn = [draw(rng, (100, 200), progress, scales=(0.15, 2.25), min_px=16) for _ in range(2000)]
        return np.array([T.size for T in drawn]) / (100, 200)

    assert (sizes(0.0) == 1).all()
    half, whole = sizes(0.5), sizes(1.0)
    np.testing.assert_allclose(half.min(0), 0.575, atol=0.01)
    np.testing.assert_allclose(half.max(0), 1.625, atol=0.01)
    np.testing.assert_allclose(whole.max(0), 2.25, atol=0.01)
    np.testing.assert_allclose(whole.min(0), (0.16, 0.15), atol=0.01)  # 16 px of 100
    np.testing.assert_allclose(whole.mean(0), 1.2, atol=0.05)
    assert abs(np.corrcoef(whole.T)[0, 1]) < 0.1


def test_a_share_of_the_draws_are_trapezoids_within_the_largest_shift() -> None:
    rng = np.random.default_rng(0)
    options = {"scales": (0.5, 2.0), "min_px": 8, "trapezoids": 0.25, "max_shift": 0.3}
    shifts = np.array([draw(rng, (50, 50), 1.0, **options).shifts for _ in range(2000)])
    assert (shifts != 0).any(1).mean() == pytest.approx(0.25, abs=0.03)
    assert 0.28 < np.abs(shifts).max() <= 0.3
    early = np.array([draw(rng, (50, 50), 0.1, **options).shifts for _ in range(500)])
    assert np.abs(early).max() <= 0.03


def test_half_precision_features_stay_half() -> None:
    features = smooth_picture(12, 12).bfloat16()
    for shifts in ((0.0, 0.0), (0.1, -0.1)):
        with torch.autocast("cpu", torch.bfloat16):
            assert Transformation((15, 10), shifts)(features).dtype == torch.bfloat16
