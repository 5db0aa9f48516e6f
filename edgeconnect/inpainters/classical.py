"""Inpainters without learning, from OpenCV and scikit-image."""

from __future__ import annotations

import cv2
import numpy as np
from skimage.restoration import inpaint_biharmonic

from edgeconnect.inpainters.base import as_rgb
from edgeconnect.types import Mask, Rgb

_CLASSICAL_RADIUS_PX = 3


def telea(photo: Rgb, mask: Mask) -> Rgb:
    """Telea's fast marching (2004), OpenCV's, radius 3."""
    return np.asarray(cv2.inpaint(photo, mask.astype(np.uint8), _CLASSICAL_RADIUS_PX, cv2.INPAINT_TELEA))


def navier_stokes(photo: Rgb, mask: Mask) -> Rgb:
    """Bertalmio et al.'s Navier-Stokes flow (2001), OpenCV's, radius 3."""
    return np.asarray(cv2.inpaint(photo, mask.astype(np.uint8), _CLASSICAL_RADIUS_PX, cv2.INPAINT_NS))


def biharmonic(photo: Rgb, mask: Mask) -> Rgb:
    """The smoothest surface through the hole's rim, scikit-image's (Damelin & Hoang, 2018)."""
    return as_rgb(inpaint_biharmonic(photo, mask, channel_axis=-1))
