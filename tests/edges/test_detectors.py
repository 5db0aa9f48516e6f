"""Which detector drew the edges that networks were trained on travels with their weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import tiny_config, write_photos

from edgeconnect import EdgeConnect
from edgeconnect.edges import detectors
from edgeconnect.edges.canny import canny, to_gray
from edgeconnect.errors import InputError
from edgeconnect.io.images import list_images, read_rgb, write_png
from edgeconnect.models.checkpoint import load_weights, save_weights
from edgeconnect.models.weights import gather
from edgeconnect.training.loop import train
from edgeconnect.training.run_folder import Paths


def test_a_detector_is_found_by_its_name(photo: np.ndarray) -> None:
    gray = to_gray(photo)
    np.testing.assert_array_equal(detectors.get("canny")(gray, 1.5, None), canny(gray, 1.5))
    with pytest.raises(InputError, match=r"expected an edge detector .canny.*got 'hed'"):
        detectors.get("hed")


def test_an_unknown_detector_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"detector: expected one of canny.*got hed"):
        tiny_config(tmp_path, detector="hed")


def test_weights_of_a_run_on_edge_maps_from_files_are_not_used_with_canny(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos")
    for path in list_images(photos):
        write_png(tmp_path / "maps" / path.name, canny(to_gray(read_rgb(path)), 0.5))
    config = tiny_config(tmp_path, steps=1, edges_folder=str(tmp_path / "maps"))
    train(config)
    weights = load_weights(Paths(config.run).weights)
    assert (weights.detector, weights.sigma) == (detectors.FILES, 2.0)
    model = EdgeConnect.load(config.run, device="cpu", precision="float32")
    picture = read_rgb(list_images(photos)[0])
    hole = np.zeros(picture.shape[:2], bool)
    hole[10:20, 10:20] = True
    with pytest.raises(InputError, match="trained on edge maps from files"):
        model.complete_edges(picture, hole)


def test_the_detector_of_weights_decides_the_known_edges(
    weights_file: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(gray: np.ndarray, sigma: float, known: np.ndarray | None) -> np.ndarray:
        return np.zeros(gray.shape, bool)

    monkeypatch.setattr(detectors, "DETECTORS", {"canny": canny, "none": none})
    save_weights(weights_file, replace(load_weights(weights_file), detector="none"))
    model = EdgeConnect.load(weights_file, device="cpu", precision="float32")
    hole = np.zeros(photo.shape[:2], bool)
    hole[30:50, 30:50] = True
    assert not model.complete_edges(photo, hole)[~hole].any()


def test_weights_of_different_detectors_are_not_merged(weights_file: Path, tmp_path: Path) -> None:
    one, two = load_weights(weights_file), load_weights(weights_file)
    del one.networks["inpaint_generator"], two.networks["edge_generator"]
    save_weights(tmp_path / "one.safetensors", one)
    save_weights(tmp_path / "two.safetensors", replace(two, detector="files"))
    with pytest.raises(InputError, match=r"expected all trained on the same edges"):
        gather([tmp_path / "one.safetensors", tmp_path / "two.safetensors"])
