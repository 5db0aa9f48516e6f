"""A model takes pictures as people have them and gives back what it was given, known values untouched."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import edgeconnect
from edgeconnect import EdgeConnect
from edgeconnect.errors import InputError
from edgeconnect.io import images


@pytest.fixture
def hole(photo: np.ndarray) -> np.ndarray:
    mask = np.zeros(photo.shape[:2], bool)
    mask[30:50, 40:70] = True
    return mask


@pytest.fixture
def expected(model: EdgeConnect, photo: np.ndarray, hole: np.ndarray) -> np.ndarray:
    return model.inpaint(photo, hole, texture=0.0)


@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_masks_may_be_of_any_kind(
    model: EdgeConnect, photo: np.ndarray, hole: np.ndarray, expected: np.ndarray, dtype: Any, scale: int
) -> None:
    mask = hole.astype(dtype) if dtype in (bool, np.float32) else hole.astype(dtype) * dtype(scale)
    for shaped in (mask, mask[..., None], mask[None], mask[None, None], torch.from_numpy(mask)):
        np.testing.assert_array_equal(model(photo, shaped, texture=0.0), expected)
    picture = Image.fromarray(hole.astype(np.uint8) * 255)
    np.testing.assert_array_equal(model(photo, picture, texture=0.0), expected)
    np.testing.assert_array_equal(model(photo, picture.convert("1"), texture=0.0), expected)


def test_what_comes_back_is_what_was_given(
    model: EdgeConnect, photo: np.ndarray, hole: np.ndarray, expected: np.ndarray, tmp_path: Path
) -> None:
    images.write_png(tmp_path / "p.png", photo)
    images.write_png(tmp_path / "m.png", hole)
    for given in (tmp_path / "p.png", str(tmp_path / "p.png"), Image.fromarray(photo)):
        result = model(given, tmp_path / "m.png", texture=0.0)
        assert isinstance(result, Image.Image) and result.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(result), expected)
    rgba = np.dstack([photo, np.full(hole.shape, 77, np.uint8)])
    result = model(Image.fromarray(rgba), hole, texture=0.0)
    assert result.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(result), np.dstack([expected, rgba[..., 3]]))
    tensor = torch.from_numpy(photo).permute(2, 0, 1)
    np.testing.assert_array_equal(model(tensor, hole, texture=0.0).permute(1, 2, 0).numpy(), expected)
    batch = np.stack([photo, photo[::-1]])
    filled = model(batch, np.stack([hole, hole[::-1]]), texture=0.0)
    np.testing.assert_array_equal(filled[0], expected)
    assert filled.shape == batch.shape and filled.dtype == batch.dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_every_known_value_and_are_filled_alike(
    model: EdgeConnect, photo: np.ndarray, hole: np.ndarray, expected: np.ndarray, dtype: Any
) -> None:
    given = (photo / 255).astype(dtype)
    given[0, 0] = 1 / 3
    result = model(given, hole, texture=0.0)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result[~hole], given[~hole])
    np.testing.assert_allclose(result[hole] * 255, expected[hole], atol=3)
    tensor = torch.from_numpy(given).permute(2, 0, 1)[None]
    again = model(tensor, torch.from_numpy(hole)[None, None], texture=0.0)
    assert again.shape == tensor.shape and again.dtype == tensor.dtype
    np.testing.assert_array_equal(again[0].permute(1, 2, 0).numpy(), result)


@pytest.mark.parametrize("shape", ["HW", "HW1"])
def test_grey_stays_grey(model: EdgeConnect, photo: np.ndarray, hole: np.ndarray, shape: str) -> None:
    grey = photo[..., 1] if shape == "HW" else photo[..., 1:2]
    result = model(grey, hole, texture=0.0)
    assert result.shape == grey.shape and result.dtype == np.uint8
    np.testing.assert_array_equal(result[~hole], grey[~hole])
    assert (result[hole] != grey[hole]).any()


@pytest.mark.parametrize(
    ("photo_given", "mask_given", "sentence"),
    [
        (np.full((9, 9, 3), 2.0), np.zeros((9, 9), bool), r"floats in \[0,1\]"),
        (np.zeros((9, 9, 3), np.int64), np.zeros((9, 9), bool), "uint8, uint16 or floats"),
        (np.zeros((9, 9, 5), np.uint8), np.zeros((9, 9), bool), "1 to 4 channels"),
        (torch.zeros(9, 9), np.zeros((9, 9), bool), "a tensor"),
        ([1, 2], np.zeros((9, 9), bool), "a path, a PIL image"),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((8, 9), bool), "the photo's"),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((2, 9, 9), bool), "one for each of 1 photos"),
        (np.zeros((9, 9, 3), np.uint8), np.full((9, 9), -1), "values from 0 on"),
        (np.zeros((9, 9, 3), np.uint8), None, "mask: expected a path"),
        ("none.png", np.zeros((9, 9), bool), "none.png"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(
    model: EdgeConnect, photo_given: Any, mask_given: Any, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        model(photo_given, mask_given)


def test_a_model_says_what_it_is_and_survives_pickle_and_moving(
    weights_file: Path, photo: np.ndarray, hole: np.ndarray
) -> None:
    model = EdgeConnect.from_pretrained(weights_file, device="cpu", precision="float32")
    assert repr(model).startswith(f"EdgeConnect({weights_file.stem}, device='cpu', float32, edge_generator: ")
    assert "steps" in model._repr_html_() and edgeconnect.__version__[0].isdigit()
    expected = model(photo, hole)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again(photo, hole), expected)
    assert again.to("cpu") is again
    np.testing.assert_array_equal(again(photo, hole), expected)
