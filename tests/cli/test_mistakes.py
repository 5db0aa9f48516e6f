"""What people do by mistake or by habit at the command line, and what then becomes of their files."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from scipy import ndimage
from small import made_up_batch

from edgeconnect.cli import main
from edgeconnect.cli.options import at_least
from edgeconnect.device import choose_device
from edgeconnect.io import images
from edgeconnect.io.decoders import turn
from edgeconnect.masks import repair
from edgeconnect.models.weights import SHIPPED, find_weights
from edgeconnect.training.config import make_config
from masks import check

pytestmark = pytest.mark.usefixtures("quick_patches")  # the command line, not the fill

EXIF_TURNED = 6  # to be shown turned by 90 degrees


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photo.png (96x128) and mask.png, a white box; the working directory."""
    images.write_png(tmp_path / "photo.png", photo)
    images.write_png(tmp_path / "mask.png", _box(photo.shape[:2]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGECONNECT_WEIGHTS", str(tmp_path / "small.safetensors"))
    return tmp_path


def _box(size: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[20:40, 30:70] = True
    return mask


def test_a_mask_that_is_all_white_is_all_hole_whatever_is_guessed(
    folder: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images.write_png(folder / "white.png", np.ones((96, 128), bool))
    assert run("inpaint", "photo.png", "--mask", "white.png", "--out", "o.png") == 1
    assert "at least one known pixel" in capsys.readouterr().err and not (folder / "o.png").exists()


def test_a_mask_taken_for_an_inverted_one_says_how_to_contradict() -> None:
    frame = np.full((64, 64), 255, np.uint8)
    frame[20:40, 20:40] = 0
    mask, notes = repair.repair(frame)
    assert mask[30, 30] and not mask[0, 0] and "polarity white" in notes[-1]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_erased_hole_is_opaque_after_filling_but_a_cut_out_stays_one(
    folder: Path, weights_file: Path, photo: np.ndarray, elsewhere: bool
) -> None:
    hole = _box(photo.shape[:2])
    alpha = np.where(hole, 0, 255).astype(np.uint8)
    if elsewhere:
        alpha[80:] = 0
    images.write_png(folder / "erased.png", np.dstack([photo, alpha]))
    assert run("inpaint", "erased.png", "--mask", "mask.png", "--out", "o.png") == 0
    result = images.read_photo(folder / "o.png")
    assert result.alpha is not None
    np.testing.assert_array_equal(result.alpha, alpha if elsewhere else np.full_like(alpha, 255))


def save_turned(photo: np.ndarray, path: Path) -> None:
    """As a camera held sideways would."""
    exif = Image.Exif()
    exif[0x0112] = EXIF_TURNED
    Image.fromarray(photo).save(path, exif=exif)


def test_a_mask_as_the_camera_stored_the_photo_is_turned_with_it(
    folder: Path, weights_file: Path, photo: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    save_turned(photo, folder / "turned.png")
    assert run("inpaint", "turned.png", "--mask", "mask.png", "--out", "o.png") == 0
    assert "mask.png: turned as its photo was" in capsys.readouterr().err
    before, after = images.read_rgb("turned.png"), images.read_rgb("o.png")
    hole = turn(_box(photo.shape[:2]), EXIF_TURNED)
    changed = (before != after).any(2)
    assert before.shape == (128, 96, 3) and changed[hole].any() and not changed[~hole].any()


def test_edge_maps_are_of_the_format_that_their_name_says(folder: Path, weights_file: Path) -> None:
    for name, format_ in (("e.tif", "TIFF"), ("e.webp", "WEBP"), ("e.png", "PNG"), ("e", "PNG")):
        assert run("edges", "photo.png", "--mask", "mask.png", "--out", name) == 0
        with Image.open(folder / name) as image:
            assert (image.format, image.size) == (format_, (128, 96))
    np.testing.assert_array_equal(images.read_raw("e.tif"), images.read_raw("e.png"))


def test_deep_tiffs_of_unusual_layouts_are_read_right(tmp_path: Path) -> None:
    values = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    tifffile.imwrite(tmp_path / "negative.tif", values, photometric="miniswhite")
    np.testing.assert_array_equal(images.read_photo(tmp_path / "negative.tif").rgb[..., 0], 65535 - values)
    planes = np.stack([values, values + 1, values + 2])
    for compression in (None, "zlib"):
        tifffile.imwrite(tmp_path / "planes.tif", planes, photometric="rgb", planarconfig="separate",
                         compression=compression)  # fmt: skip
        np.testing.assert_array_equal(
            images.read_photo(tmp_path / "planes.tif").rgb, np.moveaxis(planes, 0, 2)
        )


def test_a_name_that_ends_in_a_slash_is_a_folder(folder: Path, weights_file: Path) -> None:
    options = ("--mask", "mask.png", "--save-edges", "lines/", "--out", "new/")
    assert run("inpaint", "photo.png", *options) == 0
    assert (folder / "new/photo.png").is_file() and (folder / "lines/photo.png").is_file()
    assert run("inpaint", "photo.png", *options[:2], "--save-edges", "lines", "--out", "new") == 0


def test_a_folder_s_results_need_a_folder(
    folder: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "photos").mkdir()
    (folder / "photo.png").rename(folder / "photos/photo.png")
    assert run("inpaint", "photos", "--mask", "mask.png", "--out", "o.png") == 1
    assert "expected a folder for a folder's results" in capsys.readouterr().err


def test_a_broken_photo_of_a_folder_is_left_out_and_the_rest_filled(
    folder: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "photos").mkdir()
    whole = (folder / "photo.png").read_bytes()
    for name, content in (("a", whole), ("b", whole[: len(whole) // 2]), ("c", whole)):
        (folder / f"photos/{name}.png").write_bytes(content)
    assert run("inpaint", "photos", "--mask", "mask.png", "--out", "o") == 1
    assert sorted(path.name for path in (folder / "o").iterdir()) == ["a.png", "c.png"]
    error = capsys.readouterr().err
    assert "b.png: expected a whole picture" in error and "1 of 3 photos were left out" in error


def test_one_photo_finds_its_mask_among_others(
    folder: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("photo_mask", "other"):
        images.write_png(folder / f"masks/{name}.png", _box((96, 128)))
    assert run("inpaint", "photo.png", "--mask", "masks", "--out", "o.png") == 0
    (folder / "masks/photo_mask.png").unlink()
    assert run("inpaint", "photo.png", "--mask", "masks", "--out", "p.png") == 1
    assert run("inpaint", "photo.png", "--mask", "mask.png", "--edges", "masks", "--out", "p.png") == 1
    error = capsys.readouterr().err
    assert "photos without a mask (photo.png)" in error and "photos without an edge map" in error


TRAIN = "train edge --photos photos --steps 1 --run"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("single retarget photo.png --scale 1,1.2 --out photo.png", "replace an input"),
        ("single retarget photo.png --outline mask.png --out mask.png", "replace an input"),
        ("single retarget nothing.png --scale 2 --out o.png", "nothing.png: expected a photo or the folder"),
        ("single fill photo.png --mask mask.png --out o.png --progress photo.png", "replace an input"),
        ("single fill photo.png --mask mask.png --out o.png --progress o.png", "a result"),
        ("single fill photo.png --mask mask.png --out o.png --progress p.jpg", "name of a PNG"),
        ("convert small.safetensors --out mask.png/x.safetensors", "expected a place to write to"),
        ("convert small.safetensors --edge-threshold 0 --out x.safetensors", "between 0 and 1"),
        ("convert small.safetensors --residual-scale 0.8 --out x.safetensors", "hole_start smooth"),
        (f"{TRAIN} mask.png/run", "expected a place to write to"),
        (f"{TRAIN} run --betas 2,3", "betas: expected two numbers"),
        ("single train photo.png --run run --betas 2,3", "betas: expected two numbers"),
        ("inpaint photo.png --mask mask.png --device meta --out o.png", "device 'meta'"),
    ],
)
def test_mistakes_cost_no_file(
    folder: Path, weights_file: Path, command: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    images.write_png(folder / "photos/a.png", np.zeros((300, 300, 3), np.uint8))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert run(*command.split()) == 1
    assert sentence in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def _damaged(path: Path, content: Any) -> Path:
    path.mkdir()
    if isinstance(content, bytes):
        (path / "EdgeModel_gen.pth").write_bytes(content)
    else:
        torch.save(content, path / "EdgeModel_gen.pth")
    return path


def test_damaged_released_files_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folded = {f"encoder.1.weight_{part}": torch.ones(size) for part, size in
              (("orig", (4, 3, 7, 7)), ("u", (9,)), ("v", (9,)))}  # fmt: skip
    for number, content in enumerate((b"", b"no pickle", {"generator": folded})):
        source = _damaged(tmp_path / str(number), content)
        assert run("convert", source, "--out", tmp_path / "x.safetensors") == 1
        error = capsys.readouterr().err
        assert "EdgeModel_gen.pth: " in error and error.count("\n") == 1 and "weights_only" not in error


def test_a_file_called_default_does_not_stand_for_the_shipped_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGECONNECT_WEIGHTS", raising=False)
    Path("default").write_bytes(b"")
    assert find_weights() == SHIPPED / "default.safetensors"


def test_whole_numbers_have_bounds() -> None:
    assert at_least(1)("3") == 3 and at_least(0, 9)("9") == 9
    for kind, text in ((at_least(1), "0"), (at_least(0), "x"), (at_least(0, 9), "10"), (at_least(0), "1.5")):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number"):
            kind(text)


def test_the_cpu_is_a_device() -> None:
    assert choose_device("cpu").type == "cpu"


def test_a_joint_training_s_rate_never_falls_unless_told(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"photos": tmp_path, "run": tmp_path, "steps": 100}
    drops = {
        stage: make_config({**plain, "stage": stage}).drop_step for stage in ("edge", "inpaint", "joint")
    }
    assert drops == {"edge": 80, "inpaint": 80, "joint": 100}
    assert make_config({**plain, "stage": "joint", "lr_drop_at": 0.5}).drop_step == 50


def test_repaired_masks_never_replace_the_originals(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images.write_png(folder / "masks/a.png", 255 - _box((96, 128)).astype(np.uint8) * 200)
    before = (folder / "masks/a.png").read_bytes()
    assert check.main(["masks", "--repair-to", "./masks"]) == 1
    assert "--repair-to: expected another folder" in capsys.readouterr().err
    assert (folder / "masks/a.png").read_bytes() == before


def test_a_loader_can_put_a_whole_batch_into_page_locked_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor + 1)  # there may be no GPU
    batch = made_up_batch()
    pinned = torch.utils.data._utils.pin_memory.pin_memory(batch)
    for name in ("photo", "gray", "edge", "mask"):
        assert torch.equal(getattr(pinned, name), getattr(batch, name) + 1)


def test_photos_and_masks_in_one_folder_are_told_apart(
    folder: Path, weights_file: Path, photo: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b_input"):
        images.write_png(folder / f"both/{name}.png", photo)
    for name in ("a_mask001", "b_mask"):
        images.write_png(folder / f"both/{name}.png", _box((96, 128)))
    assert run("inpaint", "both", "--mask", "both", "--out", "o") == 0
    assert sorted(path.name for path in (folder / "o").iterdir()) == ["a.png", "b_input.png"]
    assert run("inpaint", "both/a.png", "--mask", "both", "--out", "one.png") == 0
    after = images.read_rgb(folder / "one.png")
    assert (after != photo).any() and np.array_equal(after[~_box((96, 128))], photo[~_box((96, 128))])
    (folder / "both/masks").mkdir()
    for path in folder.glob("both/*_mask*"):
        path.rename(folder / "both/masks" / path.name)
    assert run("inpaint", "both", "--mask", "both/masks", "--out", "below") == 0
    assert sorted(path.name for path in (folder / "below").iterdir()) == ["a.png", "b_input.png"]
    assert run("inpaint", "both/masks", "--mask", "both/masks", "--out", "no") == 1
    assert run("inpaint", "photo.png", "--mask", "both", "--out", "no.png") == 1
    assert "called PHOTO_mask" in capsys.readouterr().err and not (folder / "no").exists()


def test_a_photo_given_as_a_mask_is_refused_and_a_swap_is_recognised(
    folder: Path, weights_file: Path, photo: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    images.write_png(folder / "gray.png", photo.max(2))
    for photo_name, mask_name in (("photo.png", "gray.png"), ("mask.png", "gray.png")):
        assert run("inpaint", photo_name, "--mask", mask_name, "--out", "o.png") == 1
        error = capsys.readouterr().err
        assert "gray.png: expected a mask, got a picture" in error and not (folder / "o.png").exists()
        assert ("are the two swapped?" in error) == (photo_name == "mask.png")


def test_a_photo_without_transparency_is_not_its_own_mask(
    folder: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images.write_png(folder / "page.png", ~_box((96, 128)))  # black and white, as masks are
    images.write_png(
        folder / "opaque.png", np.dstack([images.read_rgb("page.png"), np.full((96, 128), 255, np.uint8)])
    )
    for name in ("page.png", "opaque.png"):
        assert run("inpaint", name, "--mask", f"./{name}", "--out", "o.png") == 1
        assert "got the photo itself, of which nothing is transparent" in capsys.readouterr().err
    assert not (folder / "o.png").exists()


def test_a_mask_as_the_camera_stored_the_photo_is_turned_at_any_size(
    folder: Path, weights_file: Path, photo: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    save_turned(photo, folder / "turned.png")
    hole = turn(_box(photo.shape[:2]), EXIF_TURNED)
    large, upright = np.kron(_box((96, 128)), np.ones((3, 3), bool)), np.kron(hole, np.ones((3, 3), bool))
    for mask, is_turned in ((large, True), (upright, False)):
        images.write_png(folder / "large.png", mask)
        assert run("inpaint", "turned.png", "--mask", "large.png", "--out", "o.png") == 0
        assert ("turned as its photo was" in capsys.readouterr().err) == is_turned
        changed = (images.read_rgb("turned.png") != images.read_rgb("o.png")).any(2)
        assert changed[hole].any() and not changed[~hole].any()


def test_what_a_soft_eraser_left_is_opaque_after_filling(
    folder: Path, weights_file: Path, photo: np.ndarray
) -> None:
    distance = ndimage.distance_transform_edt(~_box(photo.shape[:2]))
    alpha = np.clip(distance * 40, 0, 255).astype(np.uint8)
    images.write_png(folder / "erased.png", np.dstack([photo, alpha]))
    for more in (("--mask", "erased.png"), ("--mask", "mask.png", "--dilate", "4")):
        assert run("inpaint", "erased.png", *more, "--out", "o.png") == 0
        result = images.read_photo(folder / "o.png")
        assert result.alpha is not None and (result.alpha == 255).all()
        np.testing.assert_array_equal(result.rgb[distance > 7], photo[distance > 7])


def test_a_mask_that_is_all_hole_is_named_with_what_was_guessed(
    folder: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images.write_png(folder / "red.png", np.full((96, 128, 3), (255, 0, 0), np.uint8))
    assert run("inpaint", "photo.png", "--mask", "red.png", "--out", "o.png") == 1
    error = capsys.readouterr().err
    assert error.startswith("edgeconnect: red.png: expected at least one known pixel")
    assert "guessed that what is coloured is the hole (100.0% of the image)" in error
    assert run("inpaint", "photo.png", "--box", "0,0,128,96", "--out", "o.png") == 1
    assert "--box: expected at least one known pixel" in capsys.readouterr().err


def _hostile(folder: Path) -> dict[str, Path]:
    """Names and things that are no files."""
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to(folder / "loop")
    stray = Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.png"))
    return {
        "fifo": folder / "fifo",
        "device": Path("/dev/zero"),
        "loop": folder / "loop",
        "long": folder / ("x" * 5000 + ".png"),
        "deep": folder / "/".join(["y" * 200] * 40),
        "stray": stray,
        "control": folder / "a\x1b[31m\nb.png",
    }


HOSTILE = ("fifo", "device", "loop", "long", "deep", "stray", "control")


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize(
    "command",
    [
        "inpaint X --mask mask.png --out o.png",
        "inpaint photo.png --mask X --out o.png",
        "inpaint photo.png --mask mask.png --edges X --out o.png",
        "inpaint photo.png --mask mask.png --edges-from X --out o.png",
        "inpaint photo.png --mask mask.png --weights X --out o.png",
        "inpaint photo.png --mask mask.png --inpainter lama:X --out o.png",
        "train edge --photos X --run run",
        "train edge --photos photo.png --run run --config X",
        "convert X --out o.safetensors",
        "masks check X",
        "data check --photos X",
        "single retarget X --scale 2 --out o.png",
        "fid X X",
    ],
)
def test_what_is_no_file_is_a_sentence_and_nobody_waits_for_it(
    folder: Path, weights_file: Path, command: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(_hostile(folder)[kind])
    assert run(*(word.replace("X", path) for word in command.split())) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("edgeconnect: ") and error.isprintable()
    assert not any(folder.glob("o*")) and not (folder / "run").exists()


@pytest.mark.parametrize("kind", ["fifo", "device", "loop", "long"])
@pytest.mark.parametrize(
    "command",
    [
        "inpaint photo.png --mask mask.png --out X",
        "inpaint photo.png --mask mask.png --out o.png --save-edges X",
        "edges photo.png --mask mask.png --out X",
        "score --truth photos --result photos --protocol lama --json X",
    ],
)
def test_results_replace_no_device_pipe_or_loop(
    folder: Path, weights_file: Path, command: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    images.write_png(folder / "photos/a.png", np.zeros((64, 64, 3), np.uint8))
    hostile = _hostile(folder)
    path = Path("/dev/null") if kind == "device" else hostile[kind]
    assert run(*(word.replace("X", str(path)) for word in command.split())) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("edgeconnect: ")
    assert Path("/dev/null").is_char_device() and hostile["fifo"].is_fifo() and hostile["loop"].is_symlink()


def test_a_link_as_a_result_is_followed_and_stays_a_link(folder: Path, weights_file: Path) -> None:
    (folder / "real").mkdir()
    (folder / "o.png").symlink_to(folder / "real/result.png")
    assert run("inpaint", "photo.png", "--mask", "mask.png", "--out", "o.png") == 0
    assert (folder / "o.png").is_symlink() and (folder / "real/result.png").is_file()


def test_names_of_stray_bytes_and_control_characters_work_and_are_shown_escaped(
    folder: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [path.name for kind, path in _hostile(folder).items() if kind in ("stray", "control")]
    for name in names:
        (folder / "photo.png").rename(folder / name)
        assert run("inpaint", name, "--mask", "mask.png", "--out", f"out-{name}") == 0
        assert (folder / f"out-{name}").is_file()
        (folder / name).rename(folder / "photo.png")
    said = capsys.readouterr()
    assert (said.out + said.err).replace("\n", "").isprintable() and "\\x1b[31m\\n" in said.out


def test_a_closed_standard_output_is_no_traceback(folder: Path, weights_file: Path) -> None:
    command = [sys.executable, "-m", "edgeconnect", "masks", "check", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode in (1, 141)


@pytest.mark.parametrize("how", ["black", "alpha", "mask"])
def test_what_is_ignored_is_neither_filled_nor_copied_from(
    folder: Path, weights_file: Path, how: str, rng: np.random.Generator
) -> None:
    photo = rng.integers(180, 189, (96, 128, 3), np.uint8)
    photo[40:60, 60:80] = 0  # black, but inside: part of the photo
    outside = np.zeros((96, 128), bool)
    outside[:, :20] = outside[:10] = True
    photo[outside] = 0 if how == "black" else 5
    alpha = np.where(outside, 0, 255).astype(np.uint8)
    images.write_png(folder / "scan.png", np.dstack([photo, alpha]) if how == "alpha" else photo)
    images.write_png(folder / "outside.png", outside)
    ignore = "outside.png" if how == "mask" else how
    command = "inpaint scan.png --box 10,5,30,40 --inpainter telea --out o.png"
    assert run(*command.split(), "--ignore", ignore) == 0
    result, hole = images.read_photo(folder / "o.png"), np.zeros((96, 128), bool)
    hole[5:45, 10:40] = True
    hole &= ~outside
    np.testing.assert_array_equal(result.rgb[~hole], photo[~hole])
    assert result.rgb[hole].min() > 150
    assert run(*command.split()) == 0
    assert images.read_rgb(folder / "o.png")[hole].min() < 150  # without it, the fill fades to black


def test_a_hole_across_the_ends_of_a_panorama_is_filled_as_one(
    folder: Path, weights_file: Path, photo: np.ndarray
) -> None:
    results = []
    for shift in (0, 50, 77):
        images.write_png(folder / "pano.png", np.roll(photo, shift, axis=1))
        images.write_png(folder / "hole.png", np.roll(_box((96, 128)), shift, axis=1))
        options = ("--wrap", "--save-edges", "lines.png", "--texture", "0", "--out", "o.png")
        assert run("inpaint", "pano.png", "--mask", "hole.png", *options) == 0
        both = images.read_rgb(folder / "o.png"), images.read_raw(folder / "lines.png")
        results.append([np.roll(pixels, -shift, axis=1) for pixels in both])
        np.testing.assert_array_equal(results[-1][0][~_box((96, 128))], photo[~_box((96, 128))])
    for other in results[1:]:
        for one, same in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_alpha_is_ignored_in_vain_without_an_alpha_channel(
    folder: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inpaint", "photo.png", "--mask", "mask.png", "--ignore", "alpha", "--out", "o.png") == 1
    assert "photo.png: --ignore alpha: expected" in capsys.readouterr().err
    images.write_png(folder / "all.png", np.ones((96, 128), bool))
    assert run("inpaint", "photo.png", "--mask", "mask.png", "--ignore", "all.png", "--out", "o.png") == 1


def test_a_folder_goes_on_where_it_was_killed(
    folder: Path, weights_file: Path, photo: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        images.write_png(folder / f"photos/{name}.png", photo)
    options = ("--mask", "mask.png", "--inpainter", "telea", "--out", "o", "--skip-done")
    assert run("inpaint", "photos", *options) == 0
    (folder / "o/b.png").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "o").iterdir()}
    capsys.readouterr()
    assert run("inpaint", "photos", *options) == 0
    assert "2 of 3 photos had their results already" in capsys.readouterr().err
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "o").iterdir()}
    assert after.keys() == {"a.png", "b.png", "c.png"} and before.items() <= after.items()


def test_torchrun_s_report_ends_with_the_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(folder / "error.json"))
    assert run("train", "edge", "--photos", "nothing", "--run", "run") == 1
    told = json.loads((folder / "error.json").read_text())["message"]
    assert (
        "nothing: expected a folder of photos" in told["message"] and told["extraInfo"]["timestamp"].isdigit()
    )


def test_a_training_that_cannot_start_shows_no_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--photos", tmp_path / "nothere", "--run", tmp_path / "run", "--preset", "tiny")
    assert run("train", "edge", *options) == 1
    said = capsys.readouterr().err
    assert "nothere: expected a folder of photos" in said
    assert "\r" not in said
