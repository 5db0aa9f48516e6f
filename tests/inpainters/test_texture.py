"""Where the patches are taken and where the guide: what is seen in the pixels that come out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from edgeconnect.inpainters.texture import fill_holes


def gradient_energy(pixels: np.ndarray, where: np.ndarray) -> float:
    steps = np.diff(pixels.astype(float).mean(2), axis=1)
    return float(np.square(steps)[where[:, 1:]].mean())


def rim(hole: np.ndarray) -> np.ndarray:
    """The outermost pixels of a hole, where a soft guide would be seen as a frame."""
    return hole & (cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5) < 6)


def holed(width: int) -> tuple[np.ndarray, np.ndarray]:
    photo = np.repeat(data.gravel()[:160, :160, None], 3, axis=2)
    hole = np.zeros(photo.shape[:2], bool)
    hole[30:130, 70 : 70 + width] = True
    return photo, hole


def test_a_soft_guide_leaves_no_hazy_frame_in_a_wide_hole() -> None:
    photo, hole = holed(60)
    soft = np.where(hole[..., None], cv2.GaussianBlur(photo, (0, 0), 6), photo)
    result = fill_holes(photo, hole, soft)
    at_rim = rim(hole)
    assert gradient_energy(soft, at_rim) < 0.15 * gradient_energy(photo, at_rim)
    assert gradient_energy(result, at_rim) > 0.5 * gradient_energy(photo, at_rim)


@pytest.mark.parametrize("sigma_px", [0.5, 3])
def test_a_thin_stroke_stays_the_guide_s_at_its_rim(sigma_px: float) -> None:
    photo, hole = holed(8)
    guide = np.where(hole[..., None], cv2.GaussianBlur(photo, (0, 0), sigma_px), photo)
    result = fill_holes(photo, hole, guide)
    outermost = hole & ~cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    patches = fill_holes(photo, hole)

    def away(other: np.ndarray) -> float:
        return float(np.abs(result.astype(float) - other)[outermost].mean())

    assert away(guide) < 0.3 * away(patches)
