from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from edgeconnect.cli import main
from edgeconnect.errors import InputError
from edgeconnect.inpainters.base import fill
from edgeconnect.inpainters.registry import find
from edgeconnect.inpainters.single_image import Progress, SingleImage, parse_seconds
from edgeconnect.inpainters.texture import fill_holes
from edgeconnect.io.images import read_rgb, write_png


@pytest.fixture
def photo():
    return data.astronaut()[100:180, 180:276]


@pytest.fixture
def mask(photo):
    hole = np.zeros(photo.shape[:2], bool)
    hole[30:50, 40:62] = True
    return hole


def test_only_the_hole_changes_and_the_same_call_gives_the_same(photo, mask):
    results = [SingleImage(seed=3)(photo, mask) for _ in range(2)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0][~mask], photo[~mask])
    assert (results[0][mask] != photo[mask]).any()


def test_what_was_in_the_hole_does_not_matter(photo, mask):
    other = photo.copy()
    other[mask] = 255
    np.testing.assert_array_equal(SingleImage()(photo, mask), SingleImage()(other, mask))


def test_sixteen_bit_photos_stay_sixteen_bit(photo, mask):
    deep = photo.astype(np.uint16) * 257
    result = SingleImage()(deep, mask)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result[~mask], deep[~mask])
    assert np.abs(result[mask] / 257 - SingleImage()(photo, mask)[mask]).max() <= 1


@pytest.mark.parametrize("value", [0, 128, 255])
def test_what_is_flat_stays_flat_to_the_level(value, mask):
    flat = np.full((*mask.shape, 3), value, np.uint8)
    hidden = np.where(mask[..., None], np.uint8(77), flat)
    np.testing.assert_array_equal(SingleImage()(hidden, mask), flat)


def test_an_empty_mask_returns_the_photo(photo):
    np.testing.assert_array_equal(SingleImage()(photo, np.zeros(photo.shape[:2], bool)), photo)


def test_holes_far_apart_are_filled_each_in_its_own_window(photo):
    wide = np.concatenate([photo] * 5, axis=1)
    hole = np.zeros(wide.shape[:2], bool)
    hole[20:30, 10:20] = hole[20:30, 450:460] = True
    shown: list[np.ndarray] = []
    hidden = np.where(hole[..., None], 255 - wide, wide)
    result = SingleImage(progress=lambda p: shown.append(p.picture.copy()))(hidden, hole)
    np.testing.assert_array_equal(result[~hole], wide[~hole])
    filled = [
        [(s[part] != hidden[part]).any() for part in (np.s_[20:30, 10:20], np.s_[20:30, 450:460])]
        for s in shown
    ]
    assert filled[0] == [True, False]
    assert filled[-1] == [True, True]


def test_a_start_gives_the_structure_whatever_the_size_of_the_photo():
    """Odd sides at every scale, too."""
    photo = data.astronaut()[:205, :211]
    mask = np.zeros(photo.shape[:2], bool)
    mask[49:119, 60:130] = True
    seen = []

    def black(part, hole):
        seen.append(hole.sum())
        return np.where(hole[..., None], np.uint8(0), part)

    plain, started = SingleImage()(photo, mask), SingleImage(black)(photo, mask)
    assert seen == [mask.sum()]
    assert started[mask].mean() < plain[mask].mean() - 20


def test_where_nothing_can_be_copied_the_guide_stays(photo):
    mask = np.ones(photo.shape[:2], bool)
    mask[:3] = False
    guide = np.where(mask[..., None], np.uint8(40), photo)
    np.testing.assert_array_equal(fill_holes(photo, mask, guide), guide)


def test_progress_is_shown_and_an_exception_in_it_ends_the_fill(photo, mask):
    shown: list[Progress] = []

    def stop(progress: Progress) -> None:
        shown.append(progress)
        if len(shown) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SingleImage(progress=stop)(photo, mask)
    assert shown[-1].picture.shape == photo.shape
    assert shown[0].seconds <= shown[1].seconds


def test_a_time_that_is_over_at_once_still_gives_a_whole_photo(photo, mask):
    result = SingleImage(budget_seconds=1e-9)(photo, mask)
    np.testing.assert_array_equal(result[~mask], photo[~mask])
    assert result[mask].std() > 5


@pytest.mark.parametrize(
    ("photo", "mask", "message"),
    [
        (np.zeros((40, 40), np.uint8), np.zeros((40, 40), bool), r"expected \(H,W,3\)"),
        (np.zeros((40, 40, 3), np.float32), np.zeros((40, 40), bool), "uint8 or uint16, got"),
        (np.zeros((40, 40, 3), np.uint8), np.zeros((40, 41), bool), "True = hole, got bool"),
        (np.zeros((40, 40, 3), np.uint8), np.full((40, 40), 255, np.uint8), "True = hole, got uint8"),
        (np.zeros((5, 40, 3), np.uint8), np.eye(5, 40, dtype=bool), "7 px or more on each side, got 40x5"),
        (np.zeros((40, 40, 3), np.uint8), np.ones((40, 40), bool), "expected a known patch of 7x7"),
    ],
)
def test_what_cannot_be_filled_is_named(photo, mask, message):
    with pytest.raises(InputError, match=message):
        SingleImage()(photo, mask)


def test_a_time_is_read_with_its_unit():
    assert [parse_seconds(t) for t in ("20s", "2m", "1.5h", "7")] == [20, 120, 5400, 7]
    for text in ("", "m", "-3s", "2 weeks", "inf"):
        with pytest.raises(InputError, match="expected a time"):
            parse_seconds(text)


@pytest.mark.parametrize("start", ["photo", "edgeconnect"])
def test_the_command_fills_a_photo_and_shows_its_progress(photo, tmp_path, capsys, start):
    write_png(tmp_path / "photo.png", photo)
    out, progress = tmp_path / "out.png", tmp_path / "progress.png"
    arguments = ["--box", "40,30,20,20", "--start", start, "--progress", str(progress), "--out", str(out)]
    with pytest.raises(SystemExit, match="0"):
        main(["single", "fill", str(tmp_path / "photo.png"), *arguments])
    result = read_rgb(out)
    changed = (result != photo).any(axis=2)
    assert changed[30:50, 40:60].any() and not np.delete(changed, np.s_[30:50], 0).any()
    assert capsys.readouterr().out.strip() == str(out)
    assert read_rgb(progress).shape == photo.shape


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--out", "x.png"], 1, "expected a hole"),
        (["--box", "0,0,400,400", "--out", "x.png"], 1, "--box: expected at least one known pixel"),
        (["--box", "0,0,9,9", "--budget", "soon", "--out", "x.png"], 2, "expected a time such as 20s"),
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


@pytest.mark.parametrize(("spec", "name"), [("patches", "patches"), ("patches:short=20s", "short")])
def test_the_benchmark_knows_the_single_image_inpainter(spec, name, photo, mask):
    method = find(spec)
    assert method.name == name
    result = fill(method.load(), photo, mask)
    np.testing.assert_array_equal(result[~mask], photo[~mask])
