"""scikit-image's Canny is the witness for `canny`; hand-made maps for `repair_edges`."""

from __future__ import annotations

import importlib
import sys

import cv2
import numpy as np
import pytest
from skimage import color, data, feature
from skimage.color import rgb2gray

from edgeconnect.edges import canny as canny_module
from edgeconnect.edges.canny import canny, known_range, to_full_gray, to_gray
from edgeconnect.edges.maps import borrow_edges, draw_edges, repair_edges
from edgeconnect.errors import InputError

SIGMAS = (0, 0.4, 1, 1.5, 2, 2.5, 3, 5)


def crop(photo: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(photo[60 : 60 + height, 100 : 100 + width])


def photos() -> list[np.ndarray]:
    rgb = (data.astronaut(), data.chelsea(), data.coffee(), data.rocket())
    return [to_gray(crop(photo, 173, 201)) for photo in rgb] + [crop(data.camera(), 256, 256) / 255]


def hole(height: int, width: int) -> np.ndarray:
    known = np.ones((height, width), np.uint8)
    cv2.line(known, (0, height // 3), (width, height), 0, 25)
    cv2.circle(known, (width // 2, height // 4), 20, 0, -1)
    return known.astype(bool)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_canny_marks_the_same_pixels_as_scikit_image(sigma: float) -> None:
    for gray in photos():
        np.testing.assert_array_equal(canny(gray, sigma), feature.canny(gray, sigma))


@pytest.mark.parametrize("sigma", SIGMAS)
def test_canny_of_the_known_pixels_marks_the_same_pixels_as_scikit_image(sigma: float) -> None:
    for gray in photos():
        known = hole(*gray.shape)
        np.testing.assert_array_equal(canny(gray, sigma, known), feature.canny(gray, sigma, mask=known))


def test_the_rim_of_a_hole_is_no_line_although_its_white_paint_is_brighter_than_the_photo() -> None:
    gray, known = np.full((64, 64), 0.2), np.ones((64, 64), bool)
    known[20:40, 20:40] = False
    painted = np.where(known, gray, 1.0)
    assert canny(painted).any()
    assert not canny(painted, known=known).any()


def test_drawn_shapes_whose_gradients_tie_are_the_same_too() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        picture = np.zeros((96, 96))
        for x, y, extent in rng.integers(5, 60, (3, 3)).tolist():
            cv2.rectangle(picture, (x, y), (x + extent, y + 20), float(rng.uniform(0.2, 1)), -1)
            cv2.circle(picture, (y, x), extent // 2, float(rng.uniform(0.2, 1)), -1)
        for sigma in (1, 2):
            np.testing.assert_array_equal(canny(picture, sigma), feature.canny(picture, sigma))


def test_without_scikit_images_private_function_lines_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    gray = photos()[0]
    expected = canny(gray, 2.0)
    monkeypatch.setattr(canny_module, "_nonmaximum_suppression_bilinear", None)
    np.testing.assert_array_equal(canny(gray, 2.0), expected)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "skimage.feature._canny_cy", None)  # an import of it then fails
    np.testing.assert_array_equal(importlib.reload(canny_module).canny(gray, 2.0), expected)
    monkeypatch.undo()
    importlib.reload(canny_module)


def test_a_photo_is_not_handed_to_scikit_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canny_module, "_original", lambda *_: pytest.fail("took the slow way"))
    assert all(canny(gray, 2.0).any() for gray in photos())


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 2), (3, 3), (5, 4), (31, 2), (17, 33)])
@pytest.mark.parametrize("sigma", [0, 0.3, 2, 12])
def test_tiny_pictures_give_what_scikit_image_gives(shape: tuple[int, int], sigma: float) -> None:
    rng = np.random.default_rng(shape)
    gray, known = rng.random(shape), rng.random(shape) < 0.8
    np.testing.assert_array_equal(canny(gray, sigma), feature.canny(gray, sigma))
    np.testing.assert_array_equal(canny(gray, sigma, known), feature.canny(gray, sigma, mask=known))


@pytest.mark.parametrize("value", [0.0, 0.37, 1.0])
def test_a_plain_picture_has_no_lines(value: float) -> None:
    assert not canny(np.full((40, 50), value)).any()


def test_nothing_known_has_no_lines() -> None:
    assert not canny(photos()[0], known=np.zeros((173, 201), bool)).any()


@pytest.mark.parametrize("thresholds", [(0.05, 0.1), (0.0, 0.3), (0.2, 0.2), (None, 0.5)])
def test_thresholds_are_scikit_image_s(thresholds: tuple[float | None, float]) -> None:
    gray, (low, high) = photos()[1], thresholds
    expected = feature.canny(gray, 2, low_threshold=low, high_threshold=high)
    np.testing.assert_array_equal(canny(gray, 2, low_threshold=low, high_threshold=high), expected)


def test_a_float32_picture_is_computed_in_float64() -> None:
    gray = photos()[0].astype(np.float32)
    np.testing.assert_array_equal(canny(gray), feature.canny(gray.astype(np.float64), 2))


@pytest.mark.parametrize(
    ("gray", "options", "said"),
    [
        (np.zeros((4, 4, 3)), {}, "float"),
        (np.zeros((4, 4), np.uint8), {}, "float"),
        (np.zeros((0, 4)), {}, "float"),
        (np.zeros((4, 4)), {"known": np.ones((4, 5), bool)}, "known"),
        (np.zeros((4, 4)), {"known": np.ones((4, 4), np.uint8)}, "known"),
        (np.zeros((4, 4)), {"sigma": -1.0}, "sigma"),
        (np.zeros((4, 4)), {"low_threshold": 0.5}, "low_threshold"),
    ],
)
def test_canny_names_the_argument_it_cannot_use(gray: np.ndarray, options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        canny(gray, **options)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_is_scikit_image_s_rgb2gray(dtype: type) -> None:
    rgb = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (20, 30, 3), endpoint=True).astype(dtype)
    np.testing.assert_array_equal(to_gray(rgb), color.rgb2gray(rgb))


def drawing() -> np.ndarray:
    lines = np.zeros((80, 120), np.uint8)
    cv2.line(lines, (10, 10), (100, 60), 255, 1)
    cv2.circle(lines, (60, 40), 25, 255, 2)
    return lines


def test_a_two_valued_map_comes_back_two_valued_in_any_form() -> None:
    lines = drawing()
    expected = (lines > 0).astype(np.float32)
    opaque = np.full_like(lines, 255)
    forms = {
        "gray": lines,
        "bool": lines > 0,
        "black on white": 255 - lines,
        "16 bit": lines.astype(np.uint16) * 257,
        "rgb": np.dstack([lines] * 3),
        "gray with alpha": np.dstack([255 - lines, opaque]),
        "rgba": np.dstack([lines] * 3 + [opaque]),
        "white strokes on a transparent layer": np.dstack([opaque, lines]),
        "black strokes on a transparent layer": np.dstack([np.zeros_like(lines)] * 3 + [lines]),
    }
    for name, pixels in forms.items():
        edge, notes = repair_edges(pixels, (80, 120))
        assert edge.dtype == np.float32
        np.testing.assert_array_equal(edge, expected, err_msg=name)
        assert len(notes) == 1


def test_a_told_polarity_is_used_and_nothing_is_said() -> None:
    mostly_white = 255 - drawing()
    edge, notes = repair_edges(mostly_white, (80, 120), "white")
    np.testing.assert_array_equal(edge, mostly_white / np.float32(255))
    assert notes == []


def test_a_guess_names_the_majority() -> None:
    assert "black strokes: 9" in repair_edges(255 - drawing(), (80, 120))[1][0]
    assert "white strokes: 9" in repair_edges(drawing(), (80, 120))[1][0]


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 0, 255), (0, 255, 0)])
@pytest.mark.parametrize("paper", [0, 255])
def test_a_stroke_of_any_strong_colour_is_a_full_stroke(colour: tuple[int, ...], paper: int) -> None:
    lines = drawing() > 0
    pixels = np.where(lines[..., None], np.uint8(colour), np.uint8(paper))
    np.testing.assert_array_equal(repair_edges(pixels, (80, 120))[0], lines.astype(np.float32))


def test_soft_strokes_are_kept_and_jpeg_noise_is_not() -> None:
    soft = cv2.GaussianBlur(drawing(), (3, 3), 0.8)
    np.testing.assert_allclose(repair_edges(soft, (80, 120))[0][soft > 31], soft[soft > 31] / 255, rtol=1e-6)
    jpeg = cv2.imdecode(
        cv2.imencode(".jpg", drawing(), [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_GRAYSCALE
    )
    off_the_lines = drawing() == 0
    assert (jpeg[off_the_lines] > 0).mean() > 0.02
    edge = repair_edges(jpeg, (80, 120))[0]
    assert not edge[off_the_lines].any()
    assert edge[drawing() > 0].min() > 0.8


def test_an_empty_map_has_no_edges() -> None:
    for pixels in (np.zeros((9, 9), np.uint8), np.full((9, 9), 255, np.uint8), np.zeros((9, 9, 4), np.uint8)):
        assert not repair_edges(pixels, (9, 9))[0].any()


def test_a_map_of_another_size_is_an_error_with_both_sizes() -> None:
    with pytest.raises(InputError, match="120x80 pixels and its photo 64x32"):
        repair_edges(drawing(), (32, 64))


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4)), np.zeros((4, 4, 5), np.uint8), np.zeros((4, 4, 1, 1), np.uint8)]
)
def test_pixels_of_another_kind_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        repair_edges(pixels, (4, 4))


def test_a_polarity_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="polarity"):
        repair_edges(np.zeros((4, 4), np.uint8), (4, 4), "alpha")  # type: ignore[arg-type]


def test_a_photo_of_a_narrow_range_has_the_lines_of_the_full_range() -> None:
    photo = data.astronaut()[::2, ::2]
    full = np.asarray((photo.astype(float) - photo.min()) / np.ptp(photo))
    narrow = 1000 + photo.astype(np.uint16) * 8
    known = np.ones(photo.shape[:2], bool)
    known[50:90, 50:90] = False
    outlier = narrow.copy()
    outlier[60, 60] = 65535  # in the hole, which does not count
    expected = canny(rgb2gray(full), 2.0, known)
    assert expected.sum() > 1000
    for seen in (narrow, outlier):
        assert (canny(to_full_gray(seen, known_range(seen, known)), 2.0, known) != expected).mean() < 1e-3
    np.testing.assert_array_equal(to_full_gray(photo), to_gray(photo))
    lines, _ = borrow_edges(narrow, photo.shape[:2], canny)
    assert (lines.astype(bool) != canny(rgb2gray(full))).mean() < 1e-3
    assert not to_full_gray(np.full((9, 9, 3), 7, np.uint8)).std() > 1e-9


def test_known_edges_are_drawn_black_and_completed_ones_blue() -> None:
    edge, mask = np.float32([[0, 1, 1, 0]]), np.array([[False, False, True, True]])
    white, black, blue, tinted = [255] * 3, [0] * 3, [0, 50, 255], [232, 240, 255]
    np.testing.assert_array_equal(draw_edges(edge, mask), [[white, black, blue, tinted]])
