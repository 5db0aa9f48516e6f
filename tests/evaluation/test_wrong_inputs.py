"""What the recipes say of inputs that make no number: one sentence each, and an exit code that is not 0."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import sentence_of, write_photos, write_vgg19

from edgeconnect.io.images import list_images, read_rgb, write_png

ROOT = Path(__file__).parents[2]
Change = Callable[[Path], object]


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and nobody's weights in a cache or named by the environment."""

    def refused(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refused)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    for name in ("INCEPTION", "LPIPS_ALEX", "LPIPS_VGG", "LPIPS_SQUEEZE"):
        monkeypatch.delenv(f"EDGECONNECT_{name}", raising=False)


@pytest.fixture
def folder(tmp_path: Path, weights_file: Path) -> Path:
    """truth, result, masks and maps of three pictures each, 64x64, and small weights."""
    write_photos(tmp_path / "truth", 3, (64, 64))
    for path in list_images(tmp_path / "truth"):
        write_png(tmp_path / "result" / path.name, 255 - read_rgb(path))
        mask = np.zeros((64, 64), bool)
        mask[20:40, 20:40] = True
        write_png(tmp_path / "masks" / path.name, mask)
        write_png(tmp_path / "maps" / path.name, mask)
    write_vgg19(tmp_path / "short.pth", last="2_1")
    return tmp_path


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def keep(folder: Path, kept: int) -> None:
    for path in list_images(folder)[kept:]:
        path.unlink()


def smaller(path: Path) -> None:
    write_png(path, read_rgb(path)[:60])


def empty(path: Path) -> None:
    keep(path, 0)


def inverted(folder: Path) -> None:
    for path in list_images(folder):
        write_png(path, 255 - read_rgb(path))


def nothing(folder: Path) -> None:
    pass


FIRST = "photo_0.png"
PHOTOS = "--photos ./truth --masks ./masks --size 64 --device cpu"
MODEL = f"{PHOTOS} --weights ./small.safetensors"
COMMANDS = {
    "score": "score --truth ./truth --result ./result --masks ./masks --protocol edgeconnect",
    "fid": "fid ./truth ./result --device cpu",
    "benchmark": f"benchmark {PHOTOS} --out ./out --inpainters ns",
    "edges": f"ablate edges {MODEL}",
    "sigma": f"ablate sigma {MODEL}",
    "detector": f"ablate detector {MODEL} --maps ./maps",
    "audit": f"ablate audit {MODEL}",
}
WHERE = "could not be downloaded .* get https://.* and put .* into .* or name your copy with --"
CASES: dict[str, tuple[str, Change, str, str]] = {
    "missing pair": ("score", lambda f: (f / "result" / FIRST).unlink(), "", r"result lacks 1 \(photo_0\)"),
    "another size": ("score", lambda f: smaller(f / "result" / FIRST), "", "photo_0: the result is 64x60 "),
    "empty folder": ("score", lambda f: empty(f / "result"), "", "result: expected pictures, got none"),
    "broken PNG": ("score", lambda f: truncate(f / "truth" / FIRST), "", "photo_0.png: expected a whole"),
    "a mask's size": ("score", lambda f: smaller(f / "masks" / FIRST), "", "the mask is 64x60 but .* 64x64"),
    "no mask": ("score", lambda f: (f / "masks" / FIRST).unlink(), "", "1 photos without a mask"),
    "offline LPIPS": ("score", nothing, "--lpips alex", WHERE + "lpips-trunk"),
    "offline FID": ("score", nothing, "--fid", WHERE + "inception"),
    "another trunk": ("score", nothing, "--lpips alex --lpips-trunk ./short.pth", "is not torchvision's"),
    "no trunk": (
        "score",
        nothing,
        f"--lpips alex --lpips-trunk ./truth/{FIRST}",
        "cannot be read as a weights",
    ),
    "one image": ("fid", lambda f: keep(f / "result", 1), "", "expected at least two pictures, got 1"),
    "no image": ("fid", lambda f: empty(f / "truth"), "", "expected at least two pictures, got 0"),
    "offline Inception": ("fid", nothing, "", WHERE + "inception"),
    "another Inception": ("fid", nothing, "--inception ./short.pth", "is not pytorch-fid's Inception v3"),
    "no masks": ("benchmark", lambda f: empty(f / "masks"), "", "masks: expected pictures, got none"),
    "black holes": ("benchmark", lambda f: inverted(f / "masks"), "", "3 of 3 that look otherwise"),
    "photos as masks": ("benchmark", nothing, "--masks ./truth", "photo_0.png: expected a mask, got a pict"),
    "broken photo": (
        "benchmark",
        lambda f: truncate(f / "truth" / FIRST),
        "",
        "photo_0.png: expected a whole",
    ),
    "LPIPS for all": ("benchmark", nothing, "--lpips vgg", WHERE + "lpips-trunk"),
    "FID for all": ("benchmark", nothing, "--fid", WHERE + "inception"),
    "short VGG": (
        "benchmark",
        nothing,
        "--features ./short.pth",
        "expected VGG-19 with relu1_1, relu2_1, relu3",
    ),
    "no photos": ("edges", lambda f: empty(f / "truth"), "", "truth: expected pictures, got none"),
    "half a photo": ("edges", lambda f: truncate(f / "truth" / FIRST), "", "photo_0.png: expected a whole"),
    "no weights": ("edges", nothing, "--weights ./no.safetensors", "no such weights"),
    "too many": ("edges", nothing, "--count 4", "expected 1 to 3 photos .* got 4"),
    "no VGG": ("audit", nothing, "--features ./no.pth", "no such feature extractor file"),
    "one photo": ("audit", lambda f: keep(f / "truth", 1), "", "at least two photos, got one"),
    "no map": ("detector", lambda f: (f / "maps" / FIRST).unlink(), "", "none of 2 is named photo_0"),
    "a map's size": (
        "detector",
        lambda f: smaller(f / "maps" / FIRST),
        "",
        "photo_0.png: the edge map is 64x60",
    ),
    "no such sigma": ("sigma", nothing, "--sigmas 1 -1", "--sigmas: expected 0 or more pixels, got -1"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_input_is_one_sentence(folder: Path, case: str) -> None:
    name, change, more, expected = CASES[case]
    change(folder)
    given = f"{COMMANDS[name]} {more}".split()
    sentence = sentence_of(*(folder / word if "/" in word else word for word in given))
    assert re.search(expected, sentence), sentence


def test_the_exit_code_is_1_and_nothing_but_the_sentence_is_told(folder: Path) -> None:
    (folder / "result" / FIRST).unlink()
    command = [sys.executable, "-m", "eval.score", "--truth", folder / "truth", "--result", folder / "result"]
    done = subprocess.run(
        [*command, "--protocol", "hole"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"edgeconnect: expected files of the same names, but {folder / 'result'} lacks 1 (photo_0)\n"
    )
