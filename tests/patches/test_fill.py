from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from skimage import data
from small import patch_fill
from torch.nn import functional as F

from edgeconnect.patches import fill
from edgeconnect.patches.blending import blend_seam
from edgeconnect.patches.fill import FULL, Effort, NoPatchesError


def photo(side: int = 64) -> torch.Tensor:
    return torch.from_numpy(data.astronaut()[100 : 100 + side, 180 : 180 + side] / 255).float()


def box(side: int, top: int, left: int, length: int) -> torch.Tensor:
    hole = torch.zeros(side, side, dtype=torch.bool)
    hole[top : top + length, left : left + length] = True
    return hole


def stripes(side: int = 80) -> torch.Tensor:
    return (torch.arange(side) // 4 % 2).float()[None, :, None].expand(side, side, 3).contiguous()


SOLVED_PX = pytest.mark.parametrize("solved_px", [FULL.solved_px, 4000])
"""With fewer the matches of a coarser scale are only carried up to the finest one."""


@SOLVED_PX
def test_stripes_are_continued_through_the_hole(solved_px: int) -> None:
    hole = box(80, 24, 24, 32)
    hidden = stripes().masked_fill(hole[..., None], 0.5)
    assert torch.allclose(patch_fill(hidden, hole, effort=Effort(solved_px)), stripes(), atol=0.02)


@SOLVED_PX
def test_what_only_the_mirror_image_shows_is_copied_from_there(solved_px: int) -> None:
    symmetric = torch.cat((photo(), photo().flip(1)), dim=1)
    hole = torch.zeros(symmetric.shape[:2], dtype=torch.bool)
    hole[16:42, 36:62] = True
    one_sided = torch.cat((photo(), torch.full_like(photo(), 0.5)), dim=1)
    errors = [
        (patch_fill(picture, hole, effort=Effort(solved_px)) - picture).abs()[hole].median()
        for picture in (symmetric, one_sided)
    ]
    assert errors[0] < 0.015 < 0.04 < errors[1]  # copies that disagree here and there, and no copy at all


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_what_is_flat_stays_flat(value: float) -> None:
    flat = torch.full((64, 64, 3), value)
    hole = box(64, 20, 20, 24)
    assert (patch_fill(flat, hole, guide=torch.rand(64, 64, 3)) - flat).abs().max() < 1e-4


def test_known_pixels_stay_and_what_was_in_the_hole_does_not_matter() -> None:
    picture, hole = photo(), box(64, 20, 24, 18)
    results = [patch_fill(picture.masked_fill(hole[..., None], value), hole) for value in (0.0, 1.0)]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0][~hole], picture[~hole])
    assert float(results[0].min()) >= 0 and float(results[0].max()) <= 1


def test_the_guide_says_what_goes_where() -> None:
    halves = torch.full((128, 128, 3), 0.8)
    halves[:, :48] = 0.2
    hole = box(128, 32, 60, 56)
    dark = torch.where(hole[..., None], torch.full_like(halves, 0.2), halves)
    assert patch_fill(halves, hole)[50:70, 80:96].mean() > 0.7
    assert patch_fill(halves, hole, dark)[50:70, 80:96].mean() < 0.6


def test_what_is_near_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    """In noise everything is alike. The third channel, too faint to matter, says where a copy is from."""
    side = 160
    column = torch.arange(side).expand(side, side).float()
    picture = torch.rand(side, side, 3, generator=torch.Generator().manual_seed(0))
    picture[..., 2] = 0.05 * column / side
    hole = box(side, 60, 60, 40)

    def distance() -> float:
        source = patch_fill(picture, hole, effort=Effort(blend_steps=0))[..., 2] / 0.05 * side
        return float((source - column)[hole].abs().mean())

    near = distance()
    monkeypatch.setattr(fill, "PLACE_WEIGHT", 0.0)
    assert near < 0.5 * distance()


def test_nothing_is_copied_from_what_is_forbidden() -> None:
    picture = torch.full((96, 96, 3), 0.5)
    forbidden = box(96, 0, 0, 30)
    picture[forbidden] = 1.0
    result = patch_fill(picture, box(96, 34, 34, 30), forbidden=forbidden)
    assert result[34:64, 34:64].max() < 0.6


def test_hairlines_do_not_copy_themselves() -> None:
    """A patch over a hairline is mostly known and nearest to itself: the line would stay black."""
    bright = 0.4 + 0.2 * torch.rand(128, 128, 3, generator=torch.Generator().manual_seed(0))
    hole = torch.zeros(128, 128, dtype=torch.bool)
    hole[20:108:12, 10:118] = True
    hole[50:80, 50:80] = True  # deep enough for several scales
    filled = patch_fill(bright.masked_fill(hole[..., None], 0), hole, guide=bright)
    assert filled[hole].min() > 0.3


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_strokes_are_filled_better_by_starting_at_the_finest_scale(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    picture = torch.from_numpy(getattr(data, name)()[100:260, 200:360] / 255).float()
    hole = torch.zeros(160, 160, dtype=torch.bool)
    for place in (20, 70, 120):
        hole[place : place + 16, 10:150] = hole[10:150, place : place + 16] = True
    soft = F.avg_pool2d(F.pad(picture.permute(2, 0, 1)[None], (4,) * 4, "replicate"), 9, 1)[0]

    def error() -> float:
        return float((patch_fill(picture, hole, guide=soft.permute(1, 2, 0)) - picture)[hole].abs().mean())

    new = error()
    monkeypatch.setattr(fill, "THIN_PX", 0)
    assert new < 0.95 * error()


def test_the_same_seed_gives_the_same_fill_and_another_one_another() -> None:
    picture, hole = photo(96), box(96, 30, 30, 36)
    first, again, other = (patch_fill(picture, hole, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_each_scale_is_shown_at_the_photos_size() -> None:
    shown: list[torch.Tensor] = []
    picture, hole = photo(), box(64, 10, 10, 30)
    patch_fill(picture, hole, progress=lambda picture: shown.append(picture()))
    assert len(shown) > 1
    assert all(s.shape == picture.shape and torch.equal(s[~hole], picture[~hole]) for s in shown)


def after(calls: int) -> Callable[[], bool]:
    """True from the given call on."""
    count = 0

    def is_over() -> bool:
        nonlocal count
        count += 1
        return count > calls

    return is_over


@pytest.mark.parametrize("calls", [0, 3, 12])
def test_when_time_is_over_the_fill_is_finished_from_what_it_has(calls: int) -> None:
    hole = box(80, 24, 24, 32)
    result = patch_fill(stripes(), hole, is_over=after(calls))
    assert torch.equal(result[~hole], stripes()[~hole])
    assert result[hole].std() > 0.2  # no grey


@pytest.mark.parametrize("hole", [box(64, 0, 0, 40), box(64, 24, 24, 40), ~box(64, 25, 25, 14)])
def test_holes_at_borders_and_of_nearly_everything_are_filled(hole: torch.Tensor) -> None:
    assert torch.isfinite(patch_fill(photo(), hole)).all()


@pytest.mark.parametrize(("height", "width"), [(7, 7), (9, 33), (65, 47), (256, 100)])
def test_any_size_is_filled(height: int, width: int) -> None:
    picture = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(0))
    hole = torch.zeros(height, width, dtype=torch.bool)
    hole[0, 0] = True
    hole[height // 2 :, width // 2 + 3 :] = True
    result = patch_fill(picture, hole)
    assert result.shape == picture.shape
    assert torch.equal(result[~hole], picture[~hole])


def test_where_no_patch_is_known_it_is_said() -> None:
    with pytest.raises(NoPatchesError, match="7x7"):
        patch_fill(photo(16), ~box(16, 0, 0, 4))
    with pytest.raises(NoPatchesError, match="7 px or more"):
        patch_fill(photo(6), box(6, 0, 0, 2))


def steps_of(picture: torch.Tensor) -> torch.Tensor:
    """Differences to the pixel below and to the right: (H,W,3) -> (H,W,6)."""
    padded = torch.nn.functional.pad(picture.permute(2, 0, 1)[None], (0, 1, 0, 1), "replicate")[0].permute(
        1, 2, 0
    )
    return torch.cat((padded[1:, :-1] - picture, padded[:-1, 1:] - picture), dim=2)


def test_a_seam_between_two_copies_is_closed_and_an_edge_that_was_copied_stays() -> None:
    hole = box(60, 20, 20, 20)
    flat = torch.full((60, 60, 3), 0.5)
    copied = flat.clone()
    copied[:, 30:] += 0.04
    seam = blend_seam(copied, flat, hole, torch.zeros(60, 60, 6))
    assert seam[30, 25:35].diff(dim=0).abs().max() < 0.01
    edge = blend_seam(copied, copied, hole, steps_of(copied))
    torch.testing.assert_close(edge, copied)
    copied[:, 30:] += 0.4
    two_things = blend_seam(copied, copied, hole, torch.zeros(60, 60, 6))
    torch.testing.assert_close(two_things, copied)


def test_blending_moves_a_copy_to_the_colours_around_and_keeps_its_gradients() -> None:
    picture = torch.full((60, 60, 3), 0.5)
    hole = box(60, 20, 20, 20)
    texture = 0.05 * torch.rand(60, 60, 3, generator=torch.Generator().manual_seed(0))
    copied = picture + 0.08 + texture
    blended = blend_seam(copied, picture, hole, steps_of(copied))
    assert torch.equal(blended[~hole], picture[~hole])
    at_rim = (blended - texture)[20, 20:40]
    assert (at_rim.mean() - 0.5).abs() < 0.045
    inside = (blended - picture - texture)[25:35, 25:35]
    assert inside.diff(dim=0).abs().max() < 0.01


@pytest.mark.parametrize(("height", "width"), [(300, 220), (257, 259)])
def test_planes_halved_in_strips_are_those_of_the_whole(
    height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = torch.Generator().manual_seed(0)
    photo = torch.randint(0, 256, (height, width, 3), generator=random).to(torch.uint8)
    hole = torch.rand(height, width, generator=random) < 0.5
    closed = hole | (torch.rand(height, width, generator=random) < 0.1)
    whole = fill._padded_planes(photo, hole, closed, photo.flip(0), (-height % 32, -width % 32))
    monkeypatch.setattr(fill, "STRIP_PX", 5 * width)
    halved = fill._halved_planes(photo, hole, closed, photo.flip(0), 32, 3)
    torch.testing.assert_close(halved, torch.nn.functional.avg_pool2d(whole, 8), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_halving_a_large_photo_costs_a_strip_of_floats() -> None:
    """With memory kept as the command line keeps it; 426 MB where strips were kept between temporaries."""
    code = """
import resource, torch
from edgeconnect.memory import keep_memory
from edgeconnect.patches import fill
keep_memory()
fill.STRIP_PX = 2**18
photo, hole = torch.zeros(4096, 4096, 3, dtype=torch.uint8), torch.zeros(4096, 4096, dtype=torch.bool)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fill._halved_planes(photo, hole, hole, photo, 64, 4)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(told.stdout) < 200_000
