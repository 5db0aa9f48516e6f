"""`edgeconnect single` as a user meets it."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import write_photos

from edgeconnect.cli import main
from edgeconnect.io.images import read_raw, read_rgb, write_png
from edgeconnect.io.schema import read_yaml

TINY = (
    *("--crop", "24", "--width", "4", "--downscales", "1", "--blocks", "1", "--disc-width", "4"),
    *("--steps", "4", "--save-every", "2", "--device", "cpu", "--precision", "float32", "--threads", "1"),
)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `trained` is a copy of: a folder with the photo and the run."""
    folder = tmp_path_factory.mktemp("trained")
    photo = write_photos(folder / "photos", count=1) / "photo_0.png"
    assert run("single", "train", photo, "--run", folder / "run", *TINY) == 0
    return folder


@pytest.fixture
def trained(tmp_path: Path, trained_once: Path) -> Path:
    """A run of a few steps on a photo of 40x56 px."""
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


def test_a_photo_is_trained_on_and_retargeted(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option, size in (("--scale=0.5", (20, 28)), ("--scale=0.5,2", (20, 112)), ("--size=70x30", (70, 30))):
        out = trained / "out.png"
        capsys.readouterr()
        assert run("single", "retarget", trained, option, "--out", out) == 0
        assert read_rgb(out).shape == (*size, 3)
        assert capsys.readouterr().out.strip() == str(out)


def test_a_photo_is_retargeted_without_training(tmp_path: Path) -> None:
    photo = write_photos(tmp_path / "photos", count=1) / "photo_0.png"
    out = tmp_path / "out.png"
    assert run("single", "retarget", photo, "--scale", "1,2", "--out", out) == 0
    assert read_rgb(out).shape == (40, 112, 3)
    assert run("single", "retarget", photo, "--size", "30x30", "--trapezoid", "0.2,0.2", "--out", out) == 0
    assert read_rgb(out).shape == (30, 30, 3)


class Terminal(io.StringIO):
    """What a terminal is shown."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("arguments", "bar"),
    [
        (("--scale", "1,2"), "run:   0%|"),
        (("--scale", "1,2", "--frames", 3), "0/3 [00:00<?, ?frame/s]"),
        (("--outline", "outline.png"), "run:   0%|"),
    ],
)
def test_a_bar_is_shown_on_a_terminal_and_nowhere_else(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[object, ...],
    bar: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outline = np.zeros((30, 50), bool)
    outline[5:25, 10:30] = True
    write_png(tmp_path / "outline.png", outline)
    arguments = (
        "single",
        "retarget",
        trained,
        *arguments,
        "--out",
        "o.gif" if "--frames" in arguments else "o.png",
    )
    capsys.readouterr()
    assert run(*arguments) == 0
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert run(*arguments) == 0
    shown = terminal.getvalue()
    assert bar in shown and shown.endswith("\r")  # rubbed out in the end


def test_the_generators_own_drawing_can_be_had(trained: Path, tmp_path: Path) -> None:
    drawn, redrawn = tmp_path / "drawn.png", tmp_path / "redrawn.png"
    assert run("single", "retarget", trained, "--scale", "2", "--raw", "--out", drawn) == 0
    assert run("single", "retarget", trained, "--scale", "2", "--out", redrawn) == 0
    assert (read_rgb(drawn) != read_rgb(redrawn)).any()


@pytest.mark.parametrize(
    ("size", "arguments", "sentence"),
    [
        ((40, 56), ["--frames", "3", "--out", "o.gif"], "need the folder of a `single train`, got a file"),
        ((40, 56), ["--raw", "--out", "o.png"], "need the folder of a `single train`, got a file"),
        ((7, 56), ["--out", "o.png"], "photo.png: expected 8 px or more on each side, got 56x7"),
    ],
)
def test_what_a_photo_without_training_cannot_give_is_said(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    size: tuple[int, int],
    arguments: list[str],
    sentence: str,
) -> None:
    write_png(tmp_path / "photo.png", np.full((*size, 3), 90, np.uint8))
    assert run("single", "retarget", tmp_path / "photo.png", "--scale", "2", *arguments) == 1
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1


def test_what_is_asked_beyond_the_trained_sizes_is_said(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("single", "retarget", trained, "--scale", "3,1", "--out", trained / "out.png") == 0
    assert "scaled by 3.00,1.00, but trained from 0.15 to 2.25" in capsys.readouterr().err


def test_a_trapezoid_and_an_outline_have_transparent_surroundings(trained: Path, tmp_path: Path) -> None:
    assert run("single", "retarget", trained, "--trapezoid", "0.25,0.1", "--out", tmp_path / "t.png") == 0
    alpha = read_raw(tmp_path / "t.png")[..., 3]
    assert alpha.shape == (40, 56)
    assert not alpha[0, :13].any() and alpha[0, 15:49].all() and alpha[-1].all()
    outline = np.zeros((30, 50), bool)
    outline[5:25, 10:30] = True
    write_png(tmp_path / "outline.png", outline)
    arguments = ("--outline", tmp_path / "outline.png", "--out", tmp_path / "o.png")
    assert run("single", "retarget", trained, *arguments) == 0
    np.testing.assert_array_equal(read_raw(tmp_path / "o.png")[..., 3] > 0, outline)


def test_an_animation_goes_through_sizes(trained: Path, tmp_path: Path) -> None:
    arguments = ("--scale", "0.5,1.5", "--trapezoid", "0.1,0.1", "--frames", 6, "--out", tmp_path / "a.gif")
    assert run("single", "retarget", trained, *arguments) == 0
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.size, gif.n_frames) == ((84, 40), 6)


def test_a_run_goes_on_without_naming_the_photo_again(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (trained / "checkpoints/step_00000004.pt").unlink()
    assert run("single", "train", "--run", trained, "--resume") == 0
    assert "resumed from step 2" in capsys.readouterr().out
    assert (trained / "checkpoints/step_00000004.pt").exists()


def test_the_ablations_are_one_flag_each(tmp_path: Path) -> None:
    photo = write_photos(tmp_path / "photos", count=1) / "photo_0.png"
    for name, flags in (("gan", ["--no-reconstruction"]), ("single_scale", ["--scales", "1"])):
        assert run("single", "train", photo, "--run", tmp_path / name, *TINY, *flags) == 0
    assert read_yaml(tmp_path / "gan/config.yaml")["w_reconstruction"] == 0
    assert read_yaml(tmp_path / "single_scale/config.yaml")["scales"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "o.png"], "expected a target: give --size HxW, --scale SY,SX"),
        (["--scale", "0.5", "--out", "o.xyz"], "o.xyz: expected a name ending in"),
        (["--scale", "0.5", "--frames", "3", "--out", "o.png"], "expected a name ending in .gif or .mp4"),
        (["--scale", "0.5", "--frames", "0", "--out", "o.gif"], "expected 2 or more frames, got 0"),
        (["--size", "4x4", "--out", "o.png"], "expected a result of at least 8x8 px"),
        (["--trapezoid", "0.5,0.5", "--out", "o.png"], "a top of at least 0.05 of the width"),
        (["--photo", "3", "--scale", "1", "--out", "o.png"], "photo 3: expected 0 to 0"),
        (["--outline", "o.png", "--trapezoid", "0,0", "--out", "p.png"], "goes with neither"),
    ],
)
def test_mistakes_are_one_sentence(
    trained: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    capsys.readouterr()
    assert run("single", "retarget", trained, *arguments) == 1
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1


@pytest.mark.parametrize("value", ["--size=4", "--size=axb", "--scale=0", "--scale=1,2,3", "--trapezoid=0.1"])
def test_unreadable_targets_are_wrong_arguments(trained: Path, value: str) -> None:
    assert run("single", "retarget", trained, value, "--out", "o.png") == 2


def test_training_mistakes_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = tmp_path / "small.png"
    write_png(small, np.zeros((10, 40, 3), np.uint8))
    assert run("single", "train", small, "--run", tmp_path / "r", *TINY) == 1
    assert "expected a photo of at least 16x16 px" in capsys.readouterr().err
    assert run("single", "train", "--run", tmp_path / "r", *TINY) == 1
    assert "photos: expected a value, got none" in capsys.readouterr().err
    assert run("single", "train", "--resume") == 1
    assert "--resume needs --run" in capsys.readouterr().err
    assert run("single", "train", "--resume", "--run", tmp_path / "none") == 1
    assert "found no config.yaml" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
