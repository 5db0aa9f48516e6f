"""Mask files as users bring them -> one clean mask, with notes that say what was assumed or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeconnect.types import Mask

    Channel = NDArray[np.uint8]

Polarity = Literal["guess", "white", "black", "alpha"]


def repair(
    pixels: NDArray[Any], size: tuple[int, int] | None = None, polarity: Polarity = "guess"
) -> tuple[Mask, list[str]]:
    """A mask out of whatever a mask file holds, with notes that say each thing assumed or changed.

    `pixels` is (H,W) or (H,W,2|3|4), uint8 or uint16 or bool; values 0/1 are stretched; the threshold is half
    of white. `size` (height, width) resizes to the nearest pixel. `polarity` tells what the hole is: "white",
    "black", or "alpha" (where the file is transparent). "guess" takes, in this order:
    1. alpha where anything is transparent: the transparent part, or the painted part when that is one colour
       other than black and covers less than half;
    2. a coloured brush: the coloured part when no background is black, else all that is not black;
    3. white, or black when white fills more than half of the image, but not all of it, and its shares of the
       image and of the border add up to more than 1.4 (no mask of the NVIDIA test set does, most of their
       inversions do).
    Raises InputError for `polarity` "alpha" without an alpha channel.
    """
    notes: list[str] = []
    values = _to_8bit(pixels)
    channels = values[..., None] if values.ndim == 2 else values
    alpha = channels[..., -1] if channels.shape[2] in (2, 4) else None
    colours = channels if alpha is None else channels[..., :-1]
    if polarity == "alpha" or (polarity == "guess" and alpha is not None and (alpha < 128).any()):
        mask = _from_alpha(alpha, colours, polarity, notes)
    else:
        mask = _from_colours(colours, polarity, notes)
    return _resized(mask, size, notes), notes


def share_between(values: Channel) -> float:
    """The share of uint8 values that are neither black nor white, by more than a tenth of full scale."""
    return float(((values > 25) & (values < 230)).mean())


def _from_alpha(alpha: Channel | None, colours: Channel, polarity: Polarity, notes: list[str]) -> Mask:
    """The hole by an alpha channel."""
    if alpha is None:
        raise InputError(
            f"expected a mask with an alpha channel, got {colours.shape[2]} channels without one"
        )
    _note_between(alpha, notes)
    painted = alpha >= 128
    inks = colours[painted]
    is_layer = polarity == "guess" and painted.mean() < 0.5 and len(inks) and np.ptp(inks, axis=0).max() <= 32
    if is_layer and inks.max() >= 64:
        notes.append(_guess("what is painted on a transparent layer", painted))
        return painted
    if polarity == "guess":
        notes.append(_guess("what is transparent", ~painted))
    return ~painted


def _from_colours(colours: Channel, polarity: Polarity, notes: list[str]) -> Mask:
    """The hole by brightness, or by colour where there is some."""
    brightness, chroma = colours.max(axis=2), np.ptp(colours, axis=2)
    is_coloured = (chroma >= 128).any()
    if is_coloured and polarity == "guess":
        has_black = (brightness < 64).mean() > 0.01
        mask = _thresholded(brightness if has_black else chroma, notes)
        notes.append(_guess("what is not black" if has_black else "what is coloured", mask))
        return mask
    white = _thresholded(brightness, notes)
    if polarity != "guess":
        return white if polarity == "white" else ~white
    is_inverted = 0.5 < white.mean() < 1 and white.mean() + _border_share(white) > 1.4
    mask = ~white if is_inverted else white
    doubt = "; if white is, say so: polarity white" if is_inverted else ""
    notes.append(_guess("black" if is_inverted else "white", mask) + doubt)
    return mask


def _to_8bit(pixels: NDArray[Any]) -> Channel:
    """Pixels as uint8 with their type's white at 255."""
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint16:
        # 16-bit files of 8-bit or 0/1 values are stretched later like their 8-bit kin
        return (pixels >> 8 if pixels.max(initial=0) > 255 else pixels).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise InputError(f"expected a mask of bool, uint8 or uint16 values, got {pixels.dtype}")
    return np.asarray(pixels, np.uint8)


def _thresholded(values: Channel, notes: list[str]) -> Mask:
    """Where values reach half of white; dark ones (0/1, label numbers) are stretched first, which is said."""
    top = int(values.max(initial=0))
    if 0 < top < 128:
        notes.append(f"values only reach {top} of 255: stretched")
        values = (values.astype(np.uint16) * 255 // top).astype(np.uint8)
    _note_between(values, notes)
    return values >= 128


def _note_between(values: Channel, notes: list[str]) -> None:
    """Say how many pixels are neither black nor white."""
    if (share := share_between(values)) >= 0.0005:
        notes.append(f"{share:.2%} of the pixels are in between (JPEG fringe, soft brush): cut at half")


def _guess(what: str, mask: Mask) -> str:
    return f"guessed that {what} is the hole ({mask.mean():.1%} of the image)"


def _resized(mask: Mask, size: tuple[int, int] | None, notes: list[str]) -> Mask:
    """The mask at (height, width) by nearest pixel; empty and full masks are said as well."""
    (height, width), (old_height, old_width) = size or mask.shape, mask.shape
    if (height, width) != (old_height, old_width):
        stretch = (width / old_width) / (height / old_height)
        shape = "" if abs(stretch - 1) < 0.01 else f", which stretches its width by {stretch:.2f}"
        notes.append(f"resized from {old_width}x{old_height} to {width}x{height} by nearest pixel{shape}")
        resized = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        mask = np.asarray(resized, bool)
    if not mask.any():
        notes.append("the mask is empty: there is no hole")
    if mask.all():
        notes.append("the mask is all hole: nothing is known")
    return mask


def _border_share(mask: Mask) -> float:
    """The share of the outermost rows and columns that a mask covers."""
    return float(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean())
