"""Patch measures against a nearest-neighbour tree, and what holds for pictures made of the same patches."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy.spatial import cKDTree

from edgeconnect.errors import InputError
from edgeconnect.metrics.patches import (
    bidirectional_similarity,
    hole_band_wasserstein,
    hole_coherence,
    hole_sliced_wasserstein,
    sliced_wasserstein,
)


def patches(picture):
    return sliding_window_view(picture, (7, 7), axis=(0, 1)).reshape(-1, 147)


def test_coherence_and_completeness_are_the_mean_distances_to_the_nearest_neighbours(rng):
    a, b = rng.random((18, 25, 3)), rng.random((21, 16, 3))
    there, _ = cKDTree(patches(b)).query(patches(a))
    back, _ = cKDTree(patches(a)).query(patches(b))
    expected = np.mean(there**2) / 147, np.mean(back**2) / 147
    assert bidirectional_similarity(a, b, scales=1) == pytest.approx(expected, rel=1e-5)


def test_a_crop_is_coherent_but_not_complete(rng):
    source = rng.integers(0, 256, (40, 40, 3), np.uint8)
    coherence, completeness = bidirectional_similarity(source[:24, :32], source, scales=1)
    assert coherence == 0
    assert completeness > 0.01


def test_equal_pictures_have_distance_zero_at_every_scale(rng):
    source = rng.random((30, 33, 3))
    assert bidirectional_similarity(source, source) == (0, 0)
    assert sliced_wasserstein(source, source) == 0


def test_a_hole_filled_with_a_copy_of_the_known_part_is_coherent(rng):
    tile = rng.random((12, 12, 3)).astype(np.float32)
    picture = np.tile(tile, (4, 4, 1))
    hole = np.zeros((48, 48), bool)
    hole[14:30, 10:33] = True
    spoiled = np.where(hole[..., None], rng.random((48, 48, 3)), picture)
    assert hole_coherence(picture, hole, scales=1) == 0
    assert hole_coherence(spoiled, hole, scales=1) > 0.02
    assert hole_sliced_wasserstein(picture, hole, 2) < hole_sliced_wasserstein(spoiled, hole, 2)


def test_the_patch_distance_of_a_brighter_picture_is_the_shift_along_a_random_direction(rng):
    """|<1, d>| of a random unit d in 147 dimensions is sqrt(2 / π) on average."""
    source = rng.random((60, 60, 3)) / 2
    distance = sliced_wasserstein(source + 0.25, source, scales=1, projections=500)
    assert distance == pytest.approx(0.25 * np.sqrt(2 / np.pi), rel=0.1)
    assert sliced_wasserstein(source, source[:, :40]) < 0.02


def test_how_often_a_patch_appears_counts_for_the_distribution_alone(rng):
    flat, rough = np.zeros((40, 40, 3)), rng.random((40, 40, 3))
    often = np.concatenate([flat, flat, flat, rough], axis=1)
    once = np.concatenate([flat, rough], axis=1)
    assert max(bidirectional_similarity(often, once, scales=1)) == 0
    assert sliced_wasserstein(often, once, scales=1) > 0.05


def test_pictures_without_patches_to_compare_are_refused(rng):
    picture = rng.random((24, 24, 3))
    with pytest.raises(InputError, match="24x24 pixels have no 7x7 patch at scale 1/4"):
        bidirectional_similarity(picture, picture)
    with pytest.raises(InputError, match="no hole"):
        hole_coherence(picture, np.zeros((24, 24), bool), scales=1)
    with pytest.raises(InputError, match="free of the hole"):
        hole_coherence(picture, np.ones((24, 24), bool), scales=1)


def test_by_frequency_brightness_elsewhere_counts_less_than_missing_texture(rng):
    """A photo that grows brighter to the right: in plain values, what is like the left is far off."""
    grain = rng.normal(0, 0.05, (96, 96, 3))
    picture = np.linspace(0.2, 0.8, 96)[None, :, None] + grain
    hole = np.zeros((96, 96), bool)
    hole[32:64, 60:92] = True
    smooth = np.where(hole[..., None], picture - grain, picture)
    right = np.where(hole[..., None], picture - grain + rng.permutation(grain), picture)
    assert hole_band_wasserstein(right, hole) < 0.7 * hole_band_wasserstein(smooth, hole)
    assert hole_sliced_wasserstein(right, hole) > 0.9 * hole_sliced_wasserstein(smooth, hole)


def test_by_frequency_lost_contrast_counts(rng):
    picture = rng.random((64, 64, 3))
    hole = np.zeros((64, 64), bool)
    hole[20:44, 20:44] = True
    pale = np.where(hole[..., None], 0.5 + (picture - 0.5) / 2, picture)
    assert hole_band_wasserstein(pale, hole, 1) > 3 * hole_band_wasserstein(picture, hole, 1)


def test_a_sample_of_the_patches_gives_about_the_same_measures(rng):
    picture = rng.random((90, 90, 3)).astype(np.float32)
    hole = np.zeros((90, 90), bool)
    hole[30:60, 30:60] = True
    picture[hole] *= 0.5
    for measure in (hole_coherence, hole_band_wasserstein):
        whole, drawn = measure(picture, hole, 1), measure(picture, hole, 1, max_patches=(400, 4000))
        assert drawn == measure(picture, hole, 1, max_patches=(400, 4000)) != whole
        assert abs(drawn / whole - 1) < 0.1
        assert measure(picture, hole, 1, max_patches=(10**6, 10**6)) == whole
