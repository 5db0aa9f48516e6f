from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from edgeconnect.errors import InputError
from edgeconnect.patches.fill import patch_fill, scales
from edgeconnect.patches.matching import PATCH_PX, Keys, distances, grid, improve, rows, touching, vote


def photo(side: int = 64) -> torch.Tensor:
    return torch.from_numpy(data.astronaut()[100 : 100 + side, 180 : 180 + side] / np.float32(255))


def box(side: int, top: int, left: int, length: int) -> torch.Tensor:
    hole = torch.zeros(side, side, dtype=torch.bool)
    hole[top : top + length, left : left + length] = True
    return hole


def test_a_row_holds_the_pixels_of_its_patch() -> None:
    picture = torch.arange(10 * 12 * 2.0).view(10, 12, 2)
    index = 2 * grid(picture)[1] + 3
    assert torch.equal(rows(picture, torch.tensor([index]))[0], picture[2:9, 3:10].flatten())


def test_a_patch_touches_the_hole_where_any_of_its_pixels_is_in_it() -> None:
    touches, free = touching(box(16, 8, 8, 1))
    corners = {(y, x) for y in range(2, 9) for x in range(2, 9)}
    assert {(int(i) // 10, int(i) % 10) for i in touches} == corners
    assert len(touches) + len(free) == 100


def test_a_patch_that_is_among_the_keys_finds_itself() -> None:
    picture = photo()
    indices = torch.arange(0, 58 * 58, 7)
    assert torch.equal(Keys(picture, indices).nearest(picture, indices), indices)


def test_the_nearest_patch_is_as_near_as_the_one_that_full_distances_find() -> None:
    picture = photo()
    queries, keys = touching(box(64, 20, 20, 20))
    found = Keys(picture, keys).nearest(picture, queries)
    distances = torch.cdist(rows(picture, queries).double(), rows(picture, keys).double())
    reached = (rows(picture, queries) - rows(picture, found)).norm(dim=1)
    assert reached.mean() < 1.01 * distances.min(1).values.mean()
    assert set(found.tolist()) <= set(keys.tolist())


def test_keys_that_nothing_else_is_near_to_are_preferred_as_the_normalised_score_says() -> None:
    picture = photo()
    queries, keys = touching(box(64, 20, 20, 20))
    found = Keys(picture, keys).nearest_unused(picture, queries, alpha=0.5)
    distances = torch.cdist(rows(picture, queries).double(), rows(picture, keys).double()).square()
    least = distances.amin(0)
    score = distances / (least + 0.5 * least.mean())
    positions = torch.searchsorted(keys, found)
    reached = score.gather(1, positions[:, None])[:, 0]
    assert reached.mean() < 1.02 * score.amin(1).mean()
    assert len(found.unique()) > len(Keys(picture, keys).nearest(picture, queries).unique())


def test_more_keys_than_a_block_holds_are_all_compared() -> None:
    picture = photo(96)
    indices = torch.arange(90 * 90)
    last = indices[-50:]
    assert torch.equal(Keys(picture, indices).nearest(picture, last), last)


def test_a_pixel_becomes_the_weighted_mean_of_what_its_patches_say() -> None:
    picture = torch.zeros(7, 9, 1)
    picture[3, :, 0] = torch.tensor([0.0, 0, 0, 9, 0, 1, 0, 0, 0])
    hole = torch.zeros(7, 9, dtype=torch.bool)
    hole[3, 4] = True
    # patches 0 and 2 over the pixel; 0 takes 1 for itself (shows its pixel 5), 2 takes 1 (shows pixel 3)
    voted = vote(picture, hole, torch.tensor([0, 2]), torch.tensor([1, 1]), torch.tensor([3.0, 1.0]))
    assert voted[3, 4, 0] == pytest.approx((3 * 1 + 1 * 9) / 4)
    assert torch.equal(voted[~hole], picture[~hole])


def test_stripes_are_continued_through_the_hole() -> None:
    across = (torch.arange(80) // 4 % 2).float()
    stripes = across[None, :, None].expand(80, 80, 3).contiguous()
    hole = box(80, 24, 24, 32)
    hidden = stripes.masked_fill(hole[..., None], 0.5)
    assert torch.allclose(patch_fill(hidden, hole), stripes, atol=0.02)


def test_known_pixels_stay_and_what_was_in_the_hole_does_not_matter() -> None:
    picture, hole = photo(), box(64, 20, 24, 18)
    results = [patch_fill(picture.masked_fill(hole[..., None], value), hole) for value in (0.0, 1.0)]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0][~hole], picture[~hole])
    assert float(results[0].min()) >= 0 and float(results[0].max()) <= 1


def test_another_fill_gives_the_structure() -> None:
    halves = torch.full((128, 128, 3), 0.8)
    halves[:, :48] = 0.2
    hole = box(128, 32, 60, 56)
    dark = torch.where(hole[..., None], torch.full_like(halves, 0.2), halves)
    assert patch_fill(halves, hole)[50:70, 80:96].mean() > 0.7
    assert patch_fill(halves, hole, dark)[50:70, 80:96].mean() < 0.6


def test_each_scale_is_shown_at_the_photos_size() -> None:
    shown: list[torch.Tensor] = []
    picture, hole = photo(), box(64, 10, 10, 30)
    result = patch_fill(picture, hole, watch=shown.append)
    assert len(shown) == scales(hole) + 1 > 1
    assert all(s.shape == picture.shape and torch.equal(s[~hole], picture[~hole]) for s in shown)
    assert torch.equal(shown[-1], result)


@pytest.mark.parametrize("hole", [box(64, 0, 0, 40), box(64, 24, 24, 40), ~box(64, 25, 25, 14)])
def test_holes_at_borders_and_of_nearly_everything_are_filled(hole: torch.Tensor) -> None:
    result = patch_fill(photo(), hole)
    assert torch.isfinite(result).all()
    assert torch.equal(result[~hole], photo()[~hole])


def test_where_no_patch_is_known_the_error_says_so() -> None:
    hole = ~box(64, 25, 25, PATCH_PX - 1)
    with pytest.raises(InputError, match="expected a known patch of 7x7"):
        patch_fill(photo(), hole)


def test_nothing_is_copied_from_what_is_to_be_avoided() -> None:
    picture = torch.zeros(64, 64, 3)
    picture[:, 32:] = 1
    hole, right = box(64, 20, 22, 8), torch.zeros(64, 64, dtype=torch.bool)
    right[:, 30:] = True
    spoilt = picture.clone()
    spoilt[:, :32] = torch.linspace(0, 0.5, 32)[None, :, None]
    filled = patch_fill(spoilt, hole, avoid=right)
    assert float(filled[hole].max()) <= 0.5 < float(spoilt[right].max())
    assert torch.equal(filled[~hole], spoilt[~hole])


def test_neighbours_matches_find_what_comparing_all_finds_on_a_smooth_field() -> None:
    picture = photo()
    hole = box(64, 24, 24, 10)
    queries, known = touching(hole)
    first = known[torch.randint(len(known), (len(queries),), generator=torch.Generator().manual_seed(0))]
    matches = first
    for _ in range(4):
        matches = improve(picture, known, queries, matches)
    before, after = distances(picture, queries, first), distances(picture, queries, matches)
    assert (after <= before).all() and after.mean() < 0.5 * before.mean()
    assert set(matches.tolist()) <= set(known.tolist())


def test_a_picture_too_large_to_compare_all_with_all_is_filled_from_its_coarser_scales(monkeypatch) -> None:
    across = (torch.arange(96) // 8 % 2).float()
    stripes = across[None, :, None].expand(96, 96, 3).contiguous()
    hole = box(96, 32, 32, 32)
    known = len(touching(hole)[1])
    monkeypatch.setattr("edgeconnect.patches.fill.MOST_COMPARISONS", 38**2 * known - 1)
    assert (patch_fill(stripes.masked_fill(hole[..., None], 0.5), hole) - stripes).abs().mean() < 0.01


def test_a_long_thin_hole_that_is_too_large_to_compare_all_with_all_is_filled_as_well(monkeypatch) -> None:
    # a scratch: never halved, so there are no coarser matches to start from
    photo = torch.from_numpy(data.astronaut()[60:220, 160:320].copy()).float() / 255
    hole = torch.zeros(160, 160, dtype=torch.bool)
    hole[70:76, 10:150] = True

    def error() -> float:
        filled = patch_fill(photo.masked_fill(hole[..., None], 0.5), hole)
        return float((filled - photo)[hole].square().mean())

    best = error()
    monkeypatch.setattr("edgeconnect.patches.fill.MOST_COMPARISONS", 2**20)
    assert error() < 1.5 * best
