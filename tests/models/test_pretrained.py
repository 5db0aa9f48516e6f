"""Claims about the weights that come with the package."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgeconnect import EdgeConnect
from edgeconnect.cli import demo
from edgeconnect.metrics import pixel
from edgeconnect.models.weights import find_weights, shipped_names


def test_the_default_weights_are_shipped_and_small() -> None:
    assert "default" in shipped_names()
    assert find_weights("default").stat().st_size < 25e6


def test_the_default_weights_say_how_they_were_made() -> None:
    provenance = EdgeConnect.load("default").provenance
    assert {"edge_generator", "inpaint_generator", "note"} <= set(provenance)


@pytest.mark.slow
def test_the_default_weights_fill_the_samples_better_than_a_classical_method() -> None:
    model = EdgeConnect.load("default", device="cpu", precision="float32")
    ours, theirs = [], []
    for _, photo, mask in demo.samples():
        classical = cv2.inpaint(photo, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
        ours.append(pixel.psnr(photo, model.inpaint(photo, mask), mask))
        theirs.append(pixel.psnr(photo, classical, mask))
    assert np.mean(ours) > np.mean(theirs)
