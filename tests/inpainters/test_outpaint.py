"""A photo's new border: as large as asked, all of it a hole, and the photo in it untouched."""

from __future__ import annotations

import numpy as np
import pytest

from edgeconnect import EdgeConnect
from edgeconnect.errors import InputError
from edgeconnect.inpainters.outpaint import Border, border, extend, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10%", Border(20, 10, 20, 10)),
        ("16", Border(16, 16, 16, 16)),
        ("16px", Border(16, 16, 16, 16)),
        ("left=25%", Border(left=50)),
        ("left=25%, bottom=7px", Border(left=50, bottom=7)),
        ("TOP=1.5%", Border(top=2)),
    ],
)
def test_lengths_are_percent_of_the_side_or_pixels(text: str, expected: Border) -> None:
    assert border(parse(text), 100, 200) == expected


@pytest.mark.parametrize(
    "text", ["", "ten", "-5", "10 %%", "up=5", "left=5,left=6", "left", "5,6", "left=", "nan%"]
)
def test_other_texts_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="expected a length such as 10% or 64px"):
        parse(text)


@pytest.mark.parametrize("text", ["0", "0%", "left=900"])
def test_borders_of_nothing_and_beyond_reason_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"extend: expected at (least|most)"):
        border(parse(text), 100, 200)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_photo_lies_in_its_border_and_the_rest_is_a_hole(photo: np.ndarray, dtype: type) -> None:
    pixels = photo.astype(dtype)
    larger, hole = extend(pixels, Border(3, 5, 0, 7))
    height, width = photo.shape[:2]
    assert larger.shape == (height + 12, width + 3, 3) and larger.dtype == dtype
    np.testing.assert_array_equal(larger[5 : 5 + height, 3:], pixels)
    assert hole.sum() == larger.shape[0] * larger.shape[1] - height * width
    assert not hole[5 : 5 + height, 3:].any()


def test_a_model_fills_the_border_and_keeps_the_photo(model: EdgeConnect, photo: np.ndarray) -> None:
    result = model.extend(photo, "left=8,bottom=10%", texture=0.0)
    height, width = photo.shape[:2]
    added = round(height * 0.1)
    assert result.shape == (height + added, width + 8, 3)
    np.testing.assert_array_equal(result[:height, 8:], photo)
    larger, hole = extend(photo, Border(left=8, bottom=added))
    np.testing.assert_array_equal(result, model.inpaint(larger, hole, texture=0.0))
