"""Edge detectors by name: what draws the known edges. A new one is a file of this package and a line here.

A weights file names the detector and the sigma that it was trained with, and is used with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from edgeconnect.edges.canny import canny
from edgeconnect.errors import InputError
from edgeconnect.types import Mask

Detector = Callable[[NDArray[np.floating], float, Mask | None], Mask]
"""`(gray, sigma_px, known) -> lines`: gray (H,W) in [0,1]; known (H,W) bool or None, False where pixels are
missing, so that the rim of a hole is no line; lines (H,W) bool.
"""

DETECTORS: Mapping[str, Detector] = {
    "canny": canny,
}

FILES = "files"
"""Stands in a weights file for a detector that this package does not have: its maps came as files."""


def get(name: str) -> Detector:
    """The detector of that name; raises InputError, also for maps that only exist as files."""
    if name == FILES:
        raise InputError(
            "these weights were trained on edge maps from files, not on a detector of this package: "
            "expected the photo's edges by that detector (known_edges), got none"
        )
    if name not in DETECTORS:
        raise InputError(f"expected an edge detector ({', '.join(DETECTORS)}), got {name!r}")
    return DETECTORS[name]
