from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from edgeconnect.cli import main
from edgeconnect.errors import InputError
from edgeconnect.inpainters.base import fill
from edgeconnect.inpainters.refine import Example, Refinement, Settings, hedged, patch_measures, refine
from edgeconnect.inpainters.registry import find
from edgeconnect.inpainters.single_image import InGAN, Progress, parse_seconds
from edgeconnect.io.images import read_rgb, write_png

SMALL = Settings(crop_px=32, batch=1, width=8, downscales=1, blocks=1, scales=2, check_every=2)


@pytest.fixture
def photo():
    return data.astronaut()[100:180, 180:276]


@pytest.fixture
def mask(photo):
    hole = np.zeros(photo.shape[:2], bool)
    hole[30:50, 40:62] = True
    return hole


def examples(seed: int = 0) -> list[Example]:
    """A real hole and a synthetic one in a random picture, previewed in gray."""
    picture = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    holes = torch.zeros(2, 1, 48, 48)
    holes[0, :, 4:20, 4:20] = 1
    holes[1, :, 28:40, 28:40] = 1
    return [Example(picture, picture * (1 - hole), hole[None], holes[:1]) for hole in holes]


def test_only_the_hole_changes_and_the_same_call_gives_the_same(photo, mask):
    results = [InGAN(iterations=2, seed=3)(photo, mask) for _ in range(2)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0][~mask], photo[~mask])
    assert (results[0][mask] != photo[mask]).any()


def test_what_was_in_the_hole_does_not_matter(photo, mask):
    other = photo.copy()
    other[mask] = 255
    inpainter = InGAN(iterations=2)
    np.testing.assert_array_equal(inpainter(photo, mask)[mask], inpainter(other, mask)[mask])


def test_sixteen_bit_photos_stay_sixteen_bit(photo, mask):
    deep = photo.astype(np.uint16) * 257
    result = InGAN(iterations=0)(deep, mask)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result[~mask], deep[~mask])
    assert np.abs(result[mask] / 257 - InGAN(iterations=0)(photo, mask)[mask]).max() <= 1


def test_an_empty_mask_returns_the_photo(photo):
    np.testing.assert_array_equal(InGAN(iterations=1)(photo, np.zeros(photo.shape[:2], bool)), photo)


def test_holes_far_apart_are_filled_each_in_its_own_window(photo):
    wide = np.concatenate([photo] * 5, axis=1)
    hole = np.zeros(wide.shape[:2], bool)
    hole[20:30, 10:20] = hole[20:30, 450:460] = True
    shown: list[np.ndarray] = []
    result = InGAN(iterations=0, watch=lambda p: shown.append(p.picture.copy()))(wide, hole)
    np.testing.assert_array_equal(result[~hole], wide[~hole])
    filled = [
        [(s[part] != wide[part]).any() for part in (np.s_[20:30, 10:20], np.s_[20:30, 450:460])]
        for s in shown
    ]
    assert filled[0] == [True, False]
    assert filled[-1] == [True, True]


def test_another_inpainter_can_give_the_structure(photo, mask):
    seen = []

    def black(part, hole):
        seen.append(hole.sum())
        return np.where(hole[..., None], np.uint8(0), part)

    plain, started = InGAN(iterations=0)(photo, mask), InGAN(iterations=0, start=black)(photo, mask)
    assert seen == [mask.sum()]
    assert (plain != started).any()


def test_progress_is_shown_and_an_exception_in_it_ends_the_fill(photo, mask):
    shown: list[Progress] = []

    def stop_in_refinement(progress: Progress) -> None:
        shown.append(progress)
        if progress.stage == "refinement":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        InGAN(iterations=50, watch=stop_in_refinement)(photo, mask)
    assert {p.stage for p in shown[:-1]} == {"patches"}
    assert shown[-1].picture.shape == photo.shape
    assert [p.seconds for p in shown] == sorted(p.seconds for p in shown)


@pytest.mark.parametrize(
    ("photo", "mask", "message"),
    [
        (np.zeros((40, 40), np.uint8), np.zeros((40, 40), bool), r"expected \(H,W,3\)"),
        (np.zeros((40, 40, 3), np.float32), np.zeros((40, 40), bool), "uint8 or uint16, got"),
        (np.zeros((40, 40, 3), np.uint8), np.zeros((40, 41), bool), "True = hole, got bool"),
        (np.zeros((40, 40, 3), np.uint8), np.full((40, 40), 255, np.uint8), "True = hole, got uint8"),
        (np.zeros((12, 40, 3), np.uint8), np.zeros((12, 40), bool), "16 px or more on each side, got 40x12"),
        (np.zeros((40, 40, 3), np.uint8), np.ones((40, 40), bool), "expected a known patch of 7x7"),
    ],
)
def test_what_cannot_be_filled_is_named(photo, mask, message):
    with pytest.raises(InputError, match=message):
        InGAN(iterations=0)(photo, mask)


def test_previews_move_towards_a_safe_fill_as_far_as_the_synthetic_hole_says():
    slope = torch.linspace(-0.5, 0.5, 48).expand(1, 3, 48, 48)
    holes = [e.hole for e in examples()]
    noise = 0.4 * torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(1)) - 0.2

    def off(wrong: torch.Tensor | float, most: float, count: int = 2) -> float:
        """How far from the truth the real hole is, as a share of how far its preview was."""
        parts = [Example(slope, slope + wrong * hole, hole, holes[0]) for hole in holes[:count]]
        moved = hedged(parts, [slope] * count, most)[0].preview
        known = holes[0].expand(-1, 3, -1, -1) == 0
        assert torch.equal(moved[known], slope[known])
        return float((moved - slope).norm() / (parts[0].preview - slope).norm().clamp(min=1e-9))

    # false colours are put right whatever fine detail may do; that moves as far as it may
    assert off(0.5, most=1e-6) < 0.45
    assert off(noise, most=1e-6) > 0.8
    assert off(noise, most=0.5) == pytest.approx(0.5, abs=0.1)
    assert off(noise, most=1) < 0.15
    assert off(0.5, most=0) == 1
    # right previews stay, and all without a synthetic hole
    assert off(0.0, most=1) < 1e-3
    assert off(0.5, most=1, count=1) == 1


def test_a_fill_is_faded_unless_told_otherwise_towards_another_inpainter(photo, mask):
    """One iteration of the game changes nothing that is kept, so what differs is the fading."""

    def knowing(hidden, hole):
        return np.where(hole[..., None], photo, hidden)

    def off(**options):
        filled = InGAN(iterations=1, **options)(photo, mask)
        np.testing.assert_array_equal(filled[~mask], photo[~mask])
        return np.abs(filled[mask].astype(float) - photo[mask]).mean()

    assert off() != off(fade=0)
    assert off(fade=1, safe=knowing) < 0.5 * off(fade=0, safe=knowing)


def test_the_first_picture_of_the_refinement_is_the_preview():
    game = Refinement(examples(), SMALL, seed=0)
    torch.testing.assert_close(game.picture(game.examples[0]), game.examples[0].preview)


def test_refinement_trains_both_networks_and_leaves_known_pixels_alone():
    game = Refinement(examples(), SMALL, seed=0)
    before = [p.detach().clone() for p in (*game.G.parameters(), *game.D.parameters())]
    terms = [game.step() for _ in range(3)]
    after = [*game.G.parameters(), *game.D.parameters()]
    assert set(terms[0]) == {"d_adv", "adv", "l1"}
    assert all(np.isfinite(v) for t in terms for v in t.values())
    assert sum(not torch.equal(b, a) for b, a in zip(before, after, strict=True)) > len(before) / 2
    known = game.examples[0].hole.expand(-1, 3, -1, -1) == 0
    assert torch.equal(game.picture(game.examples[0])[known], game.examples[0].preview[known])


def test_no_judgement_depends_on_what_is_in_the_real_hole():
    terms = []
    for value in (-1.0, 1.0):
        parts = examples()
        spoilt = parts[0].photo.masked_fill(parts[0].hole > 0, value)
        game = Refinement([Example(spoilt, e.preview, e.hole, e.unknown) for e in parts], SMALL, seed=0)
        terms.append([game.step() for _ in range(2)])
    # batch norm sees whole crops, so the two agree closely, not exactly
    for a, b in zip(*terms, strict=True):
        assert a["l1"] == pytest.approx(b["l1"], abs=0.02)
        assert a["d_adv"] == pytest.approx(b["d_adv"], abs=0.05)


def test_the_synthetic_hole_has_a_true_target_and_the_real_one_none():
    real_alone = Refinement(examples()[:1], SMALL, seed=0).step()
    both = Refinement(examples(), SMALL, seed=0).step()
    assert real_alone["l1"] == 0
    assert both["l1"] > 0.1


def test_the_kept_state_is_never_worse_than_the_preview_by_its_own_measure():
    parts = examples()
    best = refine(parts, SMALL, 0, lambda iteration: iteration < 8)
    hole = parts[0].hole[0, 0].numpy() > 0

    def measured(picture: torch.Tensor) -> np.ndarray:
        return np.array(patch_measures(((picture[0] + 1) / 2).permute(1, 2, 0).numpy(), hole))

    assert (measured(best) / measured(parts[0].preview)).sum() <= 2


def test_refinement_ends_when_nothing_gets_better_for_long():
    iterations = []
    settings = replace(SMALL, patience=6, lr=0.0)  # nothing ever changes
    best = refine(examples(), settings, 0, lambda iteration: iterations.append(iteration) is None)
    assert iterations[-1] == 6
    assert torch.equal(best, examples()[0].preview)


def test_of_three_holes_the_last_one_judges_and_is_not_trained_on(monkeypatch):
    parts, trained_on, judged = examples(), [], []
    third = torch.zeros(1, 1, 48, 48)
    third[..., 28:40, 4:16] = 1
    parts.append(replace(parts[0], preview=parts[0].photo * (1 - third), hole=third))

    class Watched(Refinement):
        def __init__(self, examples, settings, seed):
            super().__init__(examples, settings, seed)
            trained_on.extend(examples)

        def picture(self, example):
            judged.append(example)
            if example is parts[2]:  # ever further from the truth
                return example.preview - 10 * example.hole * len(judged)
            return super().picture(example)

    monkeypatch.setattr("edgeconnect.inpainters.refine.Refinement", Watched)
    best = refine(parts, SMALL, 0, lambda iteration: iteration < 8)
    assert [id(e) for e in trained_on] == [id(e) for e in parts[:2]]
    assert sum(e is parts[2] for e in judged) == 4
    assert torch.equal(best, parts[0].preview)


def test_the_same_seed_gives_the_same_refinement():
    games = [Refinement(examples(), SMALL, seed=1) for _ in range(2)]
    first, second = ([game.step() for _ in range(2)] for game in games)
    assert first == second


def test_the_caller_s_random_numbers_are_left_alone(photo, mask):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    InGAN(60, iterations=2, fade=0)(photo, mask)
    assert torch.equal(torch.rand(2), expected)


def test_a_time_is_read_with_its_unit():
    assert [parse_seconds(t) for t in ("20s", "2m", "1.5h", "7")] == [20, 120, 5400, 7]
    for text in ("", "m", "-3s", "2 weeks", "inf"):
        with pytest.raises(InputError, match="expected a time"):
            parse_seconds(text)


def test_the_command_fills_a_photo_and_shows_its_progress(photo, tmp_path, capsys):
    write_png(tmp_path / "photo.png", photo)
    out, progress = tmp_path / "out.png", tmp_path / "progress.png"
    arguments = ["--box", "40,30,20,20", "--iterations", "1", "--progress", str(progress), "--out", str(out)]
    with pytest.raises(SystemExit, match="0"):
        main(["single", "fill", str(tmp_path / "photo.png"), *arguments])
    result = read_rgb(out)
    changed = (result != photo).any(axis=2)
    assert changed[30:50, 40:60].any() and not np.delete(changed, np.s_[30:50], 0).any()
    assert capsys.readouterr().out.strip() == str(out)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--out", "x.png"], 1, "expected a hole"),
        (["--box", "0,0,400,400", "--out", "x.png"], 1, "photo.png: expected a known patch"),
        (["--box", "0,0,9,9", "--budget", "soon", "--out", "x.png"], 2, "expected a time such as 20s"),
        (["--box", "0,0,9,9", "--fade", "2", "--out", "x.png"], 2, "expected a share from 0 to 1, got '2'"),
        (["--box", "0,0,9,9", "--fade", "x", "--out", "x.png"], 2, "expected a share from 0 to 1, got 'x'"),
    ],
)
def test_wrong_commands_end_in_one_sentence(photo, tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    write_png("photo.png", photo)
    with pytest.raises(SystemExit) as ended:
        main(["single", "fill", "photo.png", *arguments])
    assert ended.value.code == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("spec", "name"), [("patches", "patches"), ("ingan:20s", "ingan"), ("ingan:short=20s", "short")]
)
def test_the_benchmark_knows_the_single_image_inpainters(spec, name, photo, mask):
    method = find(spec)
    assert method.name == name
    if spec == "patches":
        result = fill(method.load(), photo, mask)
        np.testing.assert_array_equal(result[~mask], photo[~mask])
