"""Other programs, used where they are installed, and one sentence where they are not."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from edgeconnect.errors import InputError
from edgeconnect.inpainters.base import fill
from edgeconnect.inpainters.registry import find, get

HOLE = np.zeros((64, 64), bool)
HOLE[20:40, 24:44] = True


@pytest.mark.parametrize("name", ["pypatchmatch", "pypatchmatch:5", "gmic", "opencv-shiftmap", "opencv-fsr"])
def test_an_installed_peer_fills_the_hole_and_nothing_else(name: str) -> None:
    try:
        inpainter = get(name)
    except InputError as error:
        pytest.skip(str(error))
    photo = data.astronaut()[100:164, 180:244]
    result = fill(inpainter, photo, HOLE)
    np.testing.assert_array_equal(result[~HOLE], photo[~HOLE])
    assert (result[HOLE] != 255).any(axis=1).mean() > 0.5


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("pypatchmatch", "needs the package PyPatchMatch"),
        ("gmic", "G'MIC's command line program"),
        ("opencv-shiftmap", "contributed modules"),
        ("opencv-fsr", "contributed modules"),
    ],
)
def test_a_missing_peer_is_one_sentence(monkeypatch: pytest.MonkeyPatch, name: str, sentence: str) -> None:
    monkeypatch.setitem(sys.modules, "patchmatch", None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delattr(cv2, "xphoto", raising=False)
    with pytest.raises(InputError, match=sentence):
        get(name)


def test_a_radius_out_of_range_is_named() -> None:
    with pytest.raises(InputError, match="expected a radius of 1 to 50 px, got '0'"):
        find("pypatchmatch:0")


def test_a_program_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "gmic"
    program.write_text("#!/bin/sh\necho 'no such command' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(InputError, match=r"exit code 3.*no such command"):
        get("gmic")(data.astronaut()[:64, :64], HOLE)
