"""Scores against scikit-image, values worked out by hand, and algebra."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.color import rgb2gray
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from edgeconnect.errors import InputError
from edgeconnect.metrics.bootstrap import bootstrap_interval
from edgeconnect.metrics.pixel import (
    PROTOCOLS,
    edge_matches,
    edge_precision_recall,
    l1,
    psnr,
    relative_l1,
    score_pair,
    ssim,
    ssim_map,
)


@pytest.fixture
def pair(rng):
    """Two similar RGB pictures with flat areas, uint8."""
    a = np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 8, 1))).astype(np.uint8)
    b = np.clip(a + rng.normal(0, 12, a.shape), 0, 255).astype(np.uint8)
    b[:30, :30] = a[:30, :30]
    return a, b


@pytest.fixture
def hole():
    mask = np.zeros((80, 80), bool)
    mask[:40, 20:70] = True
    return mask


def test_psnr_is_scikit_images_for_integers_and_floats(pair):
    a, b = pair
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)
    assert psnr(a / 255, b / 255) == pytest.approx(psnr(a, b), abs=1e-9)
    assert psnr(a.astype(np.uint16) * 257, b.astype(np.uint16) * 257) == pytest.approx(psnr(a, b), abs=1e-9)


def test_psnr_of_the_hole_is_the_psnr_of_its_pixels(pair, hole):
    a, b = pair
    error = mean_squared_error(a[:40, 20:70] / 255, b[:40, 20:70] / 255)
    assert psnr(a, b, hole) == pytest.approx(-10 * np.log10(error))


def test_equal_pictures_have_infinite_psnr_and_ssim_one(pair):
    assert psnr(pair[0], pair[0]) == math.inf
    assert ssim(pair[0], pair[0]) == ssim(pair[0], pair[0], "uniform51") == 1


def test_ssim_with_the_uniform_window_is_scikit_images_on_gray(pair):
    a, b = (rgb2gray(x) for x in pair)
    expected, full = structural_similarity(a, b, data_range=1, win_size=51, full=True)
    assert ssim(a, b, "uniform51") == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(ssim_map(a, b, "uniform51"), full, atol=1e-9)


def test_ssim_with_the_gaussian_window_is_scikit_images_on_rgb(pair):
    expected, full = structural_similarity(
        *pair, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim(*pair) == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(ssim_map(*pair), full, atol=1e-9)


def test_ssim_of_the_hole_is_the_mean_of_the_map_there(pair, hole):
    _, full = structural_similarity(
        *pair, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim(*pair, mask=hole) == pytest.approx(full[:40, 20:70].mean(), abs=1e-9)


def test_ssim_leaves_its_inputs_alone(pair):
    a, b = (x / 255 for x in pair)
    kept = a.copy(), b.copy()
    ssim(a, b)
    np.testing.assert_array_equal((a, b), kept)


def test_ssim_refuses_a_picture_smaller_than_its_window():
    small = np.zeros((50, 60))
    with pytest.raises(InputError, match="51 pixels does not fit into 60x50"):
        ssim(small, small, "uniform51")


def test_l1_and_relative_l1_are_the_values_worked_out_by_hand():
    a, b = np.array([[0.0, 0.5], [1.0, 0.25]]), np.array([[0.5, 0.5], [0.0, 0.25]])
    assert l1(a, b) == 1.5 / 4
    assert l1(a, b, np.array([[True, True], [False, False]])) == 0.25
    assert relative_l1(a, b) == 1.5 / 3
    assert relative_l1(np.zeros((2, 2)), np.zeros((2, 2))) == 0
    assert l1(np.array([[0, 255]], np.uint8), np.array([[255, 255]], np.uint8)) == 0.5


def test_edge_precision_and_recall_count_the_hole_alone():
    truth = np.array([[1, 1, 0, 0, 1]], bool)
    drawn = np.array([[0.9, 0.4, 0.6, 0.0, 0.0]])
    inside = np.array([[True, True, True, True, False]])
    score = edge_precision_recall(drawn, truth, inside)
    assert score == (1 / 2, 1 / 2)
    assert score.f1 == 0.5
    assert edge_precision_recall(drawn, truth, inside, threshold=0.3) == (2 / 3, 1.0)


def test_edges_within_the_tolerance_agree():
    truth, drawn, hole = np.zeros((7, 7), bool), np.zeros((7, 7), bool), np.ones((7, 7), bool)
    truth[:, 2], drawn[:, 4] = True, True
    assert edge_precision_recall(drawn, truth, hole, tolerance_px=1.9) == (0, 0)
    assert edge_precision_recall(drawn, truth, hole, tolerance_px=2) == (1, 1)


def test_no_edge_drawn_is_precise_and_none_to_draw_is_recalled():
    nothing, line, hole = np.zeros((3, 3), bool), np.eye(3, dtype=bool), np.ones((3, 3), bool)
    assert edge_precision_recall(nothing, nothing, hole) == (1, 1)
    assert edge_precision_recall(nothing, line, hole) == (1, 0)
    assert edge_precision_recall(line, nothing, hole) == (0, 1)
    assert edge_precision_recall(nothing, line, hole).f1 == 0


def test_the_bootstrap_interval_is_close_to_the_normal_one_and_repeats(rng):
    values = list(rng.normal(5, 2, 400))
    low, high = bootstrap_interval(values)
    spread = 1.96 * np.std(values) / np.sqrt(400)
    assert low == pytest.approx(np.mean(values) - spread, abs=0.03)
    assert high == pytest.approx(np.mean(values) + spread, abs=0.03)
    assert bootstrap_interval(values) == (low, high)
    assert bootstrap_interval([3.0, 3.0]) == (3, 3)
    assert bootstrap_interval([20.0, math.inf]) == (20, math.inf)
    with pytest.raises(InputError, match="at least one"):
        bootstrap_interval([])


def test_the_edgeconnect_protocol_is_the_released_scripts_arithmetic(pair):
    a, b = (rgb2gray(x / 255) for x in pair)
    assert score_pair(*pair, None, "edgeconnect") == pytest.approx(
        {
            "psnr_db": peak_signal_noise_ratio(a, b, data_range=1),
            "ssim": structural_similarity(a, b, data_range=1, win_size=51),
            "relative_l1": np.abs(a - b).sum() / (a + b).sum(),
        }
    )


def test_hole_scores_ignore_the_known_pixels(pair, hole):
    a, b = pair
    spoiled = b.copy()
    spoiled[50:] = 0
    assert score_pair(a, b, hole, "hole") == score_pair(a, spoiled, hole, "hole")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_scores_a_perfect_result_best(pair, hole, protocol):
    scores = score_pair(pair[0], pair[0], hole, protocol)
    assert scores.pop("psnr_db") == math.inf
    assert scores.pop("ssim") == 1
    assert set(scores.values()) == {0}


def test_pairs_that_cannot_be_scored_are_refused(pair, hole):
    a, b = pair
    with pytest.raises(InputError, match="one of edgeconnect, lama, hole"):
        score_pair(a, b, None, "mine")
    with pytest.raises(InputError, match="the result is 80x79 with 3 channels but the truth is 80x80"):
        score_pair(a, b[:79], None, "lama")
    with pytest.raises(InputError, match="needs masks"):
        score_pair(a, b, None, "hole")
    with pytest.raises(InputError, match="no hole"):
        score_pair(a, b, hole & False, "hole")
    with pytest.raises(InputError, match="the mask is 80x79"):
        score_pair(a, b, hole[:79], "hole")


def test_matches_are_what_precision_and_recall_are_shares_of(rng):
    drawn, truth, hole = (rng.random((20, 20)) < share for share in (0.2, 0.2, 0.7))
    matches = edge_matches(drawn, truth, hole)
    score = edge_precision_recall(drawn, truth, hole, tolerance_px=1)
    assert (matches.right / matches.drawn, matches.found / matches.true) == score
    assert edge_matches(drawn, truth & False, hole) == (int((drawn & hole).sum()), 0, 0, 0)
