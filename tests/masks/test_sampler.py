"""The mix of holes that training draws from."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeconnect.errors import InputError
from edgeconnect.masks.kinds import KINDS
from edgeconnect.masks.sampler import MaskMix


def save_mask(path: Path, mask: np.ndarray) -> Path:
    path.write_bytes(cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes())
    return path


def views(mask: np.ndarray) -> set[bytes]:
    turned = [np.rot90(mask, quarter) for quarter in range(4)]
    return {np.ascontiguousarray(view).tobytes() for turn in turned for view in (turn, turn[:, ::-1])}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_a_hole_of_the_crop_s_size(kind: str, rng: np.random.Generator) -> None:
    mask = MaskMix.parse([kind], (0.1, 0.3)).draw(rng, 64, 64)
    assert mask.shape == (64, 64)
    assert mask.dtype == np.bool_
    assert 0 < mask.mean() < 1


@pytest.mark.parametrize("kind", ["boxes", "strokes"])
def test_the_hole_ratio_asked_for_is_the_ratio_drawn(kind: str, rng: np.random.Generator) -> None:
    mix = MaskMix.parse([kind], (0.2, 0.25))
    ratios = [mix.draw(rng, 128, 128).mean() for _ in range(10)]
    assert min(ratios) > 0.19
    assert max(ratios) < 0.26


def test_mask_files_come_in_all_eight_views_and_no_other(tmp_path: Path, rng: np.random.Generator) -> None:
    mask = np.zeros((32, 32), bool)
    mask[3:20, 2:5] = mask[3:6, 2:12] = True
    save_mask(tmp_path / "L.png", mask)
    mix = MaskMix.parse([str(tmp_path)])
    drawn = {mix.draw(rng, 32, 32).tobytes() for _ in range(100)}
    assert drawn == views(mask)
    assert len(drawn) == 8


def test_mask_files_are_scaled_to_the_crop_and_read_in_the_told_polarity(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    mask = np.zeros((64, 64), bool)
    mask[:16] = True
    save_mask(tmp_path / "top.png", mask)
    assert MaskMix.parse([str(tmp_path)]).draw(rng, 32, 32).mean() == 0.25
    assert MaskMix.parse([str(tmp_path)], polarity="black").draw(rng, 32, 32).mean() == 0.75


def test_a_mix_draws_from_all_its_sources(tmp_path: Path, rng: np.random.Generator) -> None:
    save_mask(tmp_path / "dot.png", np.eye(16, dtype=bool))
    mix = MaskMix.parse(["centre", "half", str(tmp_path)])
    ratios = [round(float(mix.draw(rng, 16, 16).mean()), 3) for _ in range(300)]
    assert {ratio: ratios.count(ratio) > 70 for ratio in set(ratios)} == {0.25: True, 0.5: True, 0.062: True}


def test_a_mix_can_be_pickled_for_spawned_workers(tmp_path: Path) -> None:
    save_mask(tmp_path / "dot.png", np.eye(16, dtype=bool))
    mix = MaskMix.parse([*KINDS, str(tmp_path)])
    again = pickle.loads(pickle.dumps(mix))
    for seed in range(20):
        one, two = (m.draw(np.random.default_rng(seed), 24, 24) for m in (mix, again))
        np.testing.assert_array_equal(one, two)


def test_what_is_no_source_of_masks_is_an_error_that_says_so(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    with pytest.raises(InputError, match="got none"):
        MaskMix.parse([])
    with pytest.raises(InputError, match="'sqare'"):
        MaskMix.parse(["sqare"])
    with pytest.raises(InputError, match="without any picture"):
        MaskMix.parse([str(tmp_path)])
    save_mask(tmp_path / "nothing.png", np.zeros((8, 8)))
    with pytest.raises(InputError, match=r"nothing\.png: expected a mask with a hole"):
        MaskMix.parse([str(tmp_path)]).draw(rng, 8, 8)
