"""An object under a scribble: drawn shapes whose outline is known, and a real photo's spoon."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data, draw

from edgeconnect.errors import InputError
from edgeconnect.masks.selection import select_object


def _drawn(height: int, width: int, dtype: type = np.uint8) -> tuple[np.ndarray, np.ndarray]:
    """A noisy photo with an orange ellipse on green, and where that is."""
    rng = np.random.default_rng(0)
    photo = np.full((height, width, 3), (60, 120, 50), int)
    inside = np.zeros((height, width), bool)
    inside[draw.ellipse(height // 2, width // 2, height // 5, width // 8, shape=inside.shape)] = True  # type: ignore[no-untyped-call]
    photo[inside] = (230, 140, 40)
    noisy = np.clip(photo + rng.normal(0, 12, photo.shape), 0, 255).astype(np.uint8)
    return (noisy if dtype == np.uint8 else noisy.astype(np.uint16) * 257), inside


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(("size", "dtype"), [((240, 320), np.uint8), ((900, 1200), np.uint16)])
def test_a_click_on_an_object_selects_it_and_little_else(size: tuple[int, int], dtype: type) -> None:
    photo, inside = _drawn(*size, dtype)
    scribble = np.zeros(size, bool)
    scribble[size[0] // 2 - 3 : size[0] // 2 + 3, size[1] // 2 - 3 : size[1] // 2 + 3] = True
    found = select_object(photo, scribble)
    assert (found >= inside).mean() > 0.999 and _overlap(found, inside) > 0.85
    np.testing.assert_array_equal(found, select_object(photo, scribble))  # the same on every run


def test_a_scribble_on_a_photo_s_spoon_selects_the_spoon() -> None:
    photo = np.asarray(data.coffee())  # type: ignore[no-untyped-call]
    scribble = np.zeros(photo.shape[:2], bool)
    scribble[draw.line(255, 350, 275, 365)] = True  # type: ignore[no-untyped-call]
    found = select_object(photo, scribble)
    assert found[240:300, 330:380].mean() > 0.6  # its bowl
    assert not found[:150].any() and not found[330:].any() and not found[:, :280].any()  # not the cup


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (40, 40)])
def test_where_nothing_stands_out_the_scribble_is_what_is_selected(size: tuple[int, int]) -> None:
    scribble = np.zeros(size, bool)
    scribble[size[0] // 2, size[1] // 2] = True
    found = select_object(np.full((*size, 3), 90, np.uint8), scribble)
    assert found[scribble].all() and found.sum() <= 9


def test_an_empty_scribble_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="at least one pixel"):
        select_object(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool))
