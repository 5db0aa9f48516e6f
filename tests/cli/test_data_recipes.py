"""The recipes in data/: run as a user runs them, on a handful of photos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data as samples

from data import check, prepare
from edgeconnect.io.images import read_rgb
from edgeconnect.io.paths import photo_paths


def save(path: Path, rgb: np.ndarray, *options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rgb[..., ::-1] if rgb.ndim == 3 else rgb
    path.write_bytes(cv2.imencode(path.suffix, pixels, options)[1].tobytes())
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six photos in two folders, 60x90 to 200x100 pixels."""
    folder = tmp_path / "photos"
    for number, (height, width) in enumerate(
        [(60, 90), (120, 180), (200, 100), (64, 64), (90, 90), (150, 140)]
    ):
        top = 60 * number
        save(
            folder / f"{'ab'[number % 2]}/{number}.png",
            samples.astronaut()[top : top + height, 100 : 100 + width],
        )
    return folder


def run_prepare(photos: Path, out: Path, *more: str) -> int:
    return prepare.main(["--photos", str(photos), "--out", str(out), *more])


def test_large_photos_are_scaled_and_small_ones_are_copied(photos: Path, tmp_path: Path) -> None:
    assert run_prepare(photos, tmp_path / "out", "--short-side", "64") == 0
    shapes = {path.name: read_rgb(path).shape[:2] for path in photo_paths(tmp_path / "out/train.txt")}
    assert shapes == {
        "0.png": (60, 90), "1.jpg": (64, 96), "2.jpg": (128, 64), "3.png": (64, 64), "4.jpg": (64, 64),
        "5.jpg": (69, 64),
    }  # fmt: skip
    assert (tmp_path / "out/a/0.png").read_bytes() == (photos / "a/0.png").read_bytes()


def test_lossless_photos_are_the_area_averages(photos: Path, tmp_path: Path) -> None:
    assert run_prepare(photos, tmp_path / "out", "--short-side", "60", "--format", "png") == 0
    photo = samples.astronaut()[60:180, 100:280].astype(float)
    expected = photo.reshape(60, 2, 90, 2, 3).mean(axis=(1, 3))
    assert np.abs(read_rgb(tmp_path / "out/b/1.png") - expected).max() <= 0.75


def test_the_split_is_seeded_and_every_photo_is_in_one_part(photos: Path, tmp_path: Path) -> None:
    parts = []
    for out, seed in (("one", "3"), ("two", "3"), ("three", "4")):
        more = ["--short-side", "64", "--split", "val=2", "--split", "test=1", "--seed", seed]
        assert run_prepare(photos, tmp_path / out, *more) == 0
        parts.append(
            [(tmp_path / out / f"{name}.txt").read_text().split() for name in ("train", "val", "test")]
        )
    assert parts[0] == parts[1] != parts[2]
    assert [len(part) for part in parts[0]] == [3, 2, 1]
    assert len({name for part in parts[0] for name in part}) == 6


def test_a_broken_photo_stops_with_its_name_or_is_left_out_and_listed(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = photos / "b/3.png"
    broken.write_bytes(broken.read_bytes()[:2000])
    assert run_prepare(photos, tmp_path / "out") == 1
    assert "3.png: expected a whole picture" in capsys.readouterr().err
    assert not (tmp_path / "out/train.txt").exists()
    assert run_prepare(photos, tmp_path / "out", "--skip-broken") == 0
    assert "left out 1 broken photos:" in capsys.readouterr().out
    assert len(photo_paths(tmp_path / "out/train.txt")) == 5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--split", "val"], "NAME=COUNT"),
        (["--split", "train=2"], "NAME=COUNT"),
        (["--split", "val=6"], "fewer than all 6"),
    ],
)
def test_an_option_that_cannot_be_is_one_sentence(
    photos: Path, tmp_path: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_prepare(photos, tmp_path / "out", *more) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_photos_are_never_written_over(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_prepare(photos, photos / "small") == 1
    assert "outside" in capsys.readouterr().err
    save(photos / "a/0.jpg", samples.astronaut()[:70, :70])
    assert run_prepare(photos, tmp_path / "out") == 1
    assert "both would become a/0.jpg" in capsys.readouterr().err


def test_what_is_wrong_with_photos_is_found_and_named(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (photos / "a/4.png").read_bytes()
    (photos / "b/broken.png").write_bytes(whole[:3000])
    (photos / "b/equal.png").write_bytes(whole)
    small = cv2.resize(samples.astronaut()[60:180, 100:280], (150, 100), interpolation=cv2.INTER_AREA)
    save(photos / "b/1_again.jpg", small, cv2.IMWRITE_JPEG_QUALITY, 60)
    save(photos / "b/gray.png", samples.camera()[:100, :100])
    save(photos / "b/deep.png", samples.camera()[200:300, :100].astype(np.uint16) * 257)
    save(photos / "b/clear.png", np.dstack([samples.coffee()[:99, :99], np.full((99, 99), 90, np.uint8)]))
    good = tmp_path / "lists/good.txt"
    assert check.main(["--photos", str(photos), "--min-side", "64", "--good", str(good)]) == 1
    said = capsys.readouterr().out
    for line in (
        "1 broken",
        f"{photos}/b/broken.png: expected a whole picture",
        f"1 duplicates\n  {photos}/b/equal.png = {photos}/a/4.png",
        f"1 near duplicates\n  {photos}/b/1_again.jpg ~ {photos}/b/1.png",
        f"1 with a short side under 64 px\n  {photos}/a/0.png: 60",
        "1 gray: read as 8-bit RGB",
        "1 16 bit gray: read",
        "1 with alpha: read",
        "12 photos, 4 to leave out",
    ):
        assert line in said
    names = {path.name for path in photo_paths(good)}
    assert names == {"1.png", "2.png", "3.png", "4.png", "5.png", "gray.png", "deep.png", "clear.png"}


def test_a_folder_without_a_problem_exits_with_0(photos: Path) -> None:
    assert check.main(["--photos", str(photos), "--min-side", "60"]) == 0


def test_a_folder_without_photos_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["--photos", str(tmp_path)]) == 1
    assert "folder without any picture" in capsys.readouterr().err


def test_plain_pictures_of_other_colours_do_not_look_alike(tmp_path: Path) -> None:
    for level in (20, 60, 100):
        save(tmp_path / f"{level}.png", np.full((30, 30, 3), level, np.uint8))
    assert check.main(["--photos", str(tmp_path), "--min-side", "1"]) == 0
