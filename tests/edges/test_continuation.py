"""Drawn pictures whose hidden lines are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from edgeconnect.edges.canny import canny
from edgeconnect.edges.continuation import LIKELY, continue_edges

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Picture = NDArray[np.float64]
    Mask = NDArray[np.bool_]

SIZE = 192


def canvas() -> Picture:
    """Smooth ground with a little seeded noise: drawn shapes have gradients that tie, photos have none."""
    return np.full((SIZE, SIZE), 0.3) + np.random.default_rng(0).normal(0, 0.004, (SIZE, SIZE))


def drawn(paint: Callable[[NDArray[np.float32]], Any]) -> Picture:
    shape = np.zeros((SIZE, SIZE), np.float32)
    paint(shape)
    return canvas() + 0.4 * cv2.GaussianBlur(shape, (0, 0), 0.7)


def hole(top: int = 64, left: int = 64, height: int = 64, width: int = 64) -> Mask:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def half_plane(degrees: float) -> Picture:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    angle = np.radians(degrees)
    return drawn(lambda shape: shape.__setitem__(x * np.sin(angle) - y * np.cos(angle) > 0, 1))


def disc(radius: float, centre: tuple[float, float]) -> Picture:
    y, x = np.mgrid[:SIZE, :SIZE]
    return drawn(lambda shape: shape.__setitem__(np.hypot(x - centre[0], y - centre[1]) < radius, 1))


def band(width: int) -> Picture:
    return drawn(lambda shape: cv2.line(shape, (20, 0), (170, SIZE), 1, width, cv2.LINE_AA))


def found_and_right(picture: Picture, mask: Mask) -> tuple[float, float]:
    """Recall and precision within 1.5 px of the likely lines in the hole."""
    lines = continued(picture, mask)
    true = canny(picture) & mask
    recall = (distance_transform_edt(~lines)[true] <= 1.5).mean()
    return float(recall), float((distance_transform_edt(~true)[lines] <= 1.5).mean())


def continued(picture: Picture, mask: Mask) -> Mask:
    return np.asarray(continue_edges(picture, canny(picture, known=~mask), mask) >= LIKELY)


@pytest.mark.parametrize("degrees", [0, 17, 45, 71, 90, 133])
def test_a_straight_edge_goes_through(degrees: float) -> None:
    recall, precision = found_and_right(half_plane(degrees), hole())
    assert recall > 0.95
    assert precision > 0.95


@pytest.mark.parametrize("radius", [50, 70, 100])
def test_an_arc_stays_an_arc(radius: float) -> None:
    recall, precision = found_and_right(disc(radius, (96, 96 + radius)), hole(72, 72, 48, 48))
    assert recall > 0.9
    assert precision > 0.9


def test_two_edges_cross() -> None:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    picture = canvas() + 0.25 * (x + 0.2 * y > 0) + 0.3 * (y - 0.3 * x > 0)
    recall, precision = found_and_right(picture, hole())
    assert recall > 0.8
    assert precision > 0.8


def test_an_edge_that_ends_at_another_meets_it() -> None:
    y, x = np.mgrid[:SIZE, :SIZE]
    picture = canvas() + 0.4 * (y > 96) + 0.25 * ((y <= 96) & (x > 90))
    recall, precision = found_and_right(picture, hole())
    assert recall > 0.9
    assert precision > 0.9


@pytest.mark.parametrize("width", [6, 9])
def test_both_sides_of_a_cable_go_through(width: int) -> None:
    recall, precision = found_and_right(band(width), hole())
    assert recall > 0.95
    assert precision > 0.95


def test_an_edge_that_leaves_the_photo_inside_the_hole_is_drawn_to_the_border() -> None:
    mask = hole(64, SIZE - 40, 64, 40)
    lines = continued(half_plane(0), mask)
    assert lines[94:99, -3:].any()


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_texture_draws_next_to_nothing_away_from_the_rim(seed: int) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, (SIZE, SIZE)), (0, 0), 1.5)
    picture = 0.5 + noise
    assert canny(picture, known=~hole()).sum() > 5000
    deep = distance_transform_edt(hole()) > 10
    true = canny(picture) & deep
    assert (continued(picture, hole()) & deep).sum() < 0.25 * true.sum()


def test_the_hole_itself_is_never_read() -> None:
    picture, mask = half_plane(30), hole()
    edge = canny(picture, known=~mask)
    other, wrong = picture.copy(), edge.copy()
    other[mask], wrong[mask] = 7, True
    np.testing.assert_array_equal(continue_edges(picture, edge, mask), continue_edges(other, wrong, mask))


def test_colour_and_integers_are_as_good_as_gray() -> None:
    picture, mask = half_plane(30), hole()
    pixels = np.rint(255 * np.repeat(picture[..., None], 3, axis=2)).astype(np.uint8)
    edge = canny(picture, known=~mask)
    both = continue_edges(pixels, edge, mask), continue_edges(picture, edge, mask)
    assert np.abs(both[0] - both[1]).max() < 0.05


def test_far_holes_do_not_disturb_each_other() -> None:
    picture = np.tile(half_plane(20), (1, 2))
    left, right = np.zeros(picture.shape, bool), np.zeros(picture.shape, bool)
    left[:, :SIZE], right[:, SIZE:] = hole(), hole()
    one, other, both = (continue_edges(picture, canny(picture, known=~(left | right)), m) for m in
                        (left, right, left | right))  # fmt: skip
    np.testing.assert_array_equal(both, np.maximum(one, other))


@pytest.mark.parametrize("share", [0, 0.001, 0.05, 0.5, 0.95, 1])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 3), (64, 80)])
def test_any_mask_and_any_edges_are_taken(share: float, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    mask, edge = rng.random(size) < share, rng.random(size) < 0.3
    lines = continue_edges(rng.random((*size, 3)), edge, mask)
    assert lines.shape == size
    assert lines.dtype == np.float32
    assert not lines[~mask].any()
    assert 0 <= lines.min() <= lines.max() <= 1
    assert not continue_edges(rng.random(size), np.zeros(size), mask).any()
