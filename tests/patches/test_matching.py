from __future__ import annotations

import pytest
import torch
from skimage import data

from edgeconnect.patches.matching import (
    PATCH_PX,
    PatchField,
    PatchIndex,
    grid_size,
    patch_detail,
    patches_touching,
    places,
    weighted,
)


def photo(side: int = 64) -> torch.Tensor:
    return torch.from_numpy(data.astronaut()[100 : 100 + side, 180 : 180 + side] / 255).float()


def box(side: int, top: int, left: int, length: int) -> torch.Tensor:
    hole = torch.zeros(side, side, dtype=torch.bool)
    hole[top : top + length, left : left + length] = True
    return hole


def index_around(hole: torch.Tensor, picture: torch.Tensor) -> tuple[PatchIndex, torch.Tensor]:
    touches = patches_touching(hole)
    return PatchIndex(picture, (~touches).float()), touches.flatten().nonzero()[:, 0]


def full_distances(picture: torch.Tensor) -> torch.Tensor:
    """Every patch's pixels and differences of neighbours: what distances are the squares of."""
    planes = picture.permute(2, 0, 1).unfold(1, PATCH_PX, 1).unfold(2, PATCH_PX, 1)
    patches = planes.permute(1, 2, 0, 3, 4).flatten(0, 1)
    across, down = patches.diff(dim=3), patches.diff(dim=2)
    rows = torch.cat([part.flatten(1) for part in (patches, across, down)], dim=1).double()
    return torch.cdist(rows, rows).square()


def test_a_patch_touches_the_hole_where_any_of_its_pixels_is_in_it() -> None:
    touches = patches_touching(box(16, 8, 8, 1))
    assert {(int(y), int(x)) for y, x in touches.nonzero()} == {
        (y, x) for y in range(2, 9) for x in range(2, 9)
    }
    assert tuple(touches.shape) == grid_size(torch.zeros(16, 16)) == (10, 10)


def test_distances_are_those_of_colours_and_gradients_less_what_the_components_leave_out() -> None:
    picture = photo(32)
    index = PatchIndex(picture, torch.ones(26, 26))
    true = full_distances(picture)
    a = torch.arange(0, 676, 5)
    b = 675 - a
    found, wanted = index.distances(index.descriptors[a], b).double(), true[a, b]
    assert (found <= wanted * 1.001 + 1e-6).all()
    assert found.mean() > 0.8 * wanted.mean()


def test_a_usable_patch_finds_itself() -> None:
    picture = photo(96)  # more than one block of keys
    index = PatchIndex(picture, torch.ones(90, 90))
    last = torch.arange(90 * 90)[-50:]
    matches, distances = index.nearest(index.descriptors[last])
    assert torch.equal(matches, last)
    assert distances.max() < 1e-3


def test_the_nearest_is_nearly_as_near_as_by_full_distances_and_always_usable() -> None:
    picture = photo()
    index, queries = index_around(box(64, 20, 20, 20), picture)
    matches, _ = index.nearest(index.descriptors[queries])
    true = full_distances(picture)
    assert true[queries, matches].mean() < 1.1 * true[queries][:, index.keys].amin(1).mean()
    assert index.is_usable(matches).all()


def test_the_nearest_of_some_is_among_them() -> None:
    index, queries = index_around(box(64, 20, 20, 20), photo())
    some = index.keys[::7]
    matches, distances = index.nearest(index.descriptors[queries], among=some)
    assert torch.isin(matches, some).all()
    every = index.distances(
        index.descriptors[queries].repeat_interleave(len(some), 0), some.repeat(len(queries))
    )
    assert torch.allclose(distances, every.view(len(queries), -1).amin(1), atol=1e-4)


def test_patches_that_are_partly_unknown_cost_more() -> None:
    picture = photo(32)
    share = torch.ones(26, 26)
    share[10, 10] = 0.5
    index = PatchIndex(picture, share)
    there = torch.tensor([10 * 26 + 10])
    assert index.distances(index.descriptors[there], there) > 0.1 * index.descriptors.var(0).sum()
    matches, _ = index.nearest(index.descriptors[there])
    assert index.is_usable(there).all()
    share[10, 10] = 0
    assert not PatchIndex(picture, share).is_usable(there).any()
    assert len(matches) == 1


def test_detail_is_the_distance_to_a_patch_of_the_mean_colour() -> None:
    picture = photo(32)
    detail = patch_detail(picture).flatten()
    patches = picture.permute(2, 0, 1).unfold(1, PATCH_PX, 1).unfold(2, PATCH_PX, 1)
    for y, x in ((0, 0), (3, 17), (25, 25)):
        flat = patches[:, y, x].mean((1, 2))[None, None].expand(PATCH_PX, PATCH_PX, 3)
        pair = torch.cat((picture[y : y + PATCH_PX, x : x + PATCH_PX], flat), dim=1)
        expected = full_distances(pair)[0, -1]
        assert detail[y * 26 + x] == pytest.approx(float(expected), rel=1e-4)


def test_a_bonus_lowers_the_distance_to_a_patch_and_changes_no_other() -> None:
    picture = photo(32)
    bonus = torch.zeros(26, 26)
    bonus[10, 10] = 0.25
    usable = torch.ones(26, 26)
    every = torch.arange(26 * 26)
    plain, lowered = PatchIndex(picture, usable), PatchIndex(picture, usable, bonus=bonus)
    queries = plain.descriptors[:1].expand(26 * 26, -1)
    change = plain.distances(queries, every) - lowered.distances(queries, every)
    torch.testing.assert_close(change, bonus.flatten(), atol=1e-5, rtol=0)


def test_patches_that_nothing_else_is_near_to_are_preferred_by_the_normalised_score() -> None:
    picture = photo()
    index, queries = index_around(box(64, 20, 20, 20), picture)
    described = index.descriptors[queries]
    plain, _ = index.nearest(described)
    spread, _ = index.nearest(described, alpha=0.5)
    distances = torch.cdist(described.double(), index.descriptors[index.keys].double()).square()
    least = distances.amin(0)
    score = distances / (least + 0.5 * least.mean())
    reached = score.gather(1, torch.searchsorted(index.keys, spread)[:, None])[:, 0]
    assert reached.mean() < 1.02 * score.amin(1).mean()
    assert len(spread.unique()) > len(plain.unique())


def test_a_random_search_comes_near_to_the_exact_one() -> None:
    picture = photo()
    index, queries = index_around(box(64, 20, 20, 20), picture)
    described = index.descriptors[queries]
    _, exact = index.nearest(described)
    matches = index.keys[torch.zeros(len(queries), dtype=torch.long)]
    distances = first = index.distances(described, matches)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        matches, distances = index.search_around(described, matches, distances, generator)
    assert exact.mean() <= distances.mean() < exact.mean() + 0.2 * (first.mean() - exact.mean())
    assert index.is_usable(matches).all()


def test_propagation_carries_a_neighbours_offset_and_lowers_the_cost() -> None:
    stripes = ((torch.arange(60) // 3) % 2).float()[None, :, None].expand(60, 60, 3).contiguous()
    index, queries = index_around(box(60, 26, 26, 8), stripes)
    field = PatchField(54, 54, queries)
    described = index.descriptors[queries]
    field.matches, field.distances = index.nearest(described)
    wrong = len(queries) // 2
    field.matches[wrong] = index.keys[0] + 1
    field.distances = index.distances(described, field.matches)
    before = field.distances.clone()
    field.propagate(index, described, coherence=0.0, passes=2)
    assert (field.distances <= before + 1e-6).all()
    assert field.distances[wrong] < 1e-3
    assert index.is_usable(field.matches).all()


def test_coherence_makes_offsets_constant() -> None:
    picture = photo()
    index, queries = index_around(box(64, 20, 20, 20), picture)
    described = index.descriptors[queries]

    def offsets(coherence: float) -> int:
        field = PatchField(58, 58, queries)
        field.matches, field.distances = index.nearest(described)
        field.propagate(index, described, coherence, passes=4)
        return len((field.matches - queries).unique())

    assert offsets(2.0) < 0.5 * offsets(0.0)


def test_matches_of_half_the_size_are_doubled() -> None:
    coarse = PatchField(10, 10, torch.tensor([44]))  # at (4, 4)
    coarse.matches = torch.tensor([2 * 10 + 7])  # offset (-2, +3)
    field = PatchField(26, 26, torch.tensor([8 * 26 + 9, 20 * 26 + 20]))
    field.upsampled(coarse, (26, 26), 10)
    assert field.matches[0] == (8 - 4) * 26 + 9 + 6
    assert field.matches[1] == 20 * 26 + 20  # was no query there


def test_a_pixel_becomes_the_weighted_mean_of_what_its_patches_propose() -> None:
    picture = torch.zeros(7, 9, 1)
    picture[3, :, 0] = torch.tensor([0.0, 0, 0, 9, 0, 1, 0, 0, 0])
    field = PatchField(1, 3, torch.tensor([0, 2]))
    field.matches = torch.tensor([1, 1])
    # over pixel (3, 4): patch 0 shows its pixel 5 there, patch 2 its pixel 3
    hole = torch.zeros(7, 9, dtype=torch.bool)
    hole[3, 4] = True
    voted = field.vote(weighted(picture), torch.tensor([3.0, 1.0]), places(hole))
    assert voted[0, 0] == pytest.approx((3 * 1 + 1 * 9) / 4)
    worth = torch.ones(7, 9)
    worth[3, 3] = 1e-6
    voted = field.vote(weighted(picture, worth), torch.tensor([3.0, 1.0]), places(hole))
    assert voted[0, 0] == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("kind", ["flat", "gradient", "stripes", "checkerboard"])
def test_pictures_of_low_rank_are_described(kind: str) -> None:
    y, x = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    planes = {"flat": 0 * x, "gradient": x / 48, "stripes": x // 4 % 2, "checkerboard": (x // 4 + y // 4) % 2}
    picture = planes[kind].float()[..., None].expand(48, 48, 3).contiguous()
    index, queries = index_around(box(48, 16, 16, 12), picture)
    matches, distances = index.nearest(index.descriptors[queries])
    assert index.is_usable(matches).all()
    assert torch.isfinite(distances).all()
