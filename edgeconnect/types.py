"""The types that everything here agrees on; needs no torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
"""A photo as (H,W,3) uint8."""

Image = NDArray[np.uint8] | NDArray[np.uint16]
"""A photo as (H,W,3), 8 or 16 bits a channel."""

Mask = NDArray[np.bool_]
"""(H,W) bool, True = hole (missing)."""

EdgeMap = NDArray[np.float32]
"""(H,W) in [0,1], 1 on a line."""

Inpainter = Callable[[Rgb, Mask], Rgb]
"""`(photo, mask) -> photo` with the hole filled. It may do with its arguments what it likes."""
