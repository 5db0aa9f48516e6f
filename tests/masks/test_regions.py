"""Claims about where is computed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from edgeconnect.masks.regions import Box, cells, depth, hole_groups, rim, wide_parts


def _mask(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


def test_a_lone_hole_is_bounded_tightly() -> None:
    assert hole_groups(_mask(200, 300, (20, 33, 41, 77)), 16) == [Box(20, 33, 41, 77)]


def test_holes_far_apart_are_separate_and_near_ones_are_joined() -> None:
    far = _mask(400, 400, (10, 10, 20, 20), (300, 300, 330, 310))
    near = _mask(400, 400, (10, 10, 20, 20), (30, 30, 40, 40))
    assert hole_groups(far, 32) == [Box(10, 10, 20, 20), Box(300, 300, 330, 310)]
    assert hole_groups(near, 32) == [Box(10, 10, 40, 40)]


def test_no_hole_has_no_group() -> None:
    assert hole_groups(np.zeros((50, 50), bool), 16) == []


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 120)), min_size=1, max_size=8))
def test_every_hole_pixel_lies_in_a_group_and_in_a_cell(corners: list[tuple[int, int]]) -> None:
    mask = _mask(97, 131, *((t, lf, t + 7, lf + 9) for t, lf in corners))
    for boxes in (hole_groups(mask, 16), list(cells(mask, 25))):
        covered = np.zeros_like(mask)
        for box in boxes:
            covered[box.slices] = True
        assert not (mask & ~covered).any()


def test_cells_do_not_overlap_and_are_no_larger_than_asked() -> None:
    boxes = list(cells(_mask(300, 500, (10, 20, 250, 470)), 100))
    count = np.zeros((300, 500), int)
    for box in boxes:
        count[box.slices] += 1
        assert box.bottom - box.top <= 100 and box.right - box.left <= 100
    assert count.max() == 1


def test_a_window_grows_to_its_smallest_size_inward_at_the_border() -> None:
    assert Box(0, 90, 10, 100).grown(5, (100, 100), min_side=40) == Box(0, 60, 40, 100)
    assert Box(40, 40, 60, 60).grown(10, (100, 100)) == Box(30, 30, 70, 70)
    assert Box(0, 0, 5, 5).grown(3, (20, 20), min_side=64) == Box(0, 0, 20, 20)


def test_depth_is_the_distance_to_the_nearest_known_pixel() -> None:
    mask = _mask(60, 80, (10, 10, 41, 60))
    exact = ndimage.distance_transform_edt(mask)
    assert abs(depth(mask) - exact.max()) < 0.05 * exact.max()
    assert depth(np.zeros((4, 4), bool)) == 0


def test_the_rim_is_the_hole_without_its_middle() -> None:
    mask = _mask(60, 80, (10, 10, 41, 60))
    near = rim(mask, 5)
    assert not (near & ~mask).any()
    assert (mask & ~near).sum() == (31 - 10) * (50 - 10)


def test_wide_is_where_a_disc_fits_in() -> None:
    mask = _mask(100, 200, (20, 10, 60, 70), (36, 70, 46, 150))  # a box with a stroke of 10 px
    disc = np.hypot(*np.mgrid[-8:9, -8:9]) <= 8
    opened = ndimage.binary_opening(mask, disc)
    wide = wide_parts(mask, 8)
    assert (wide != opened).sum() < 0.02 * opened.sum()
    assert not wide[:, 80:].any() and wide[40, 40]
    assert wide_parts(np.ones((10, 60), bool), 8).all()  # a hole goes on beyond the border
    assert not wide_parts(np.zeros((20, 30), bool), 8).any()
