"""Mask files as users bring them -> one clean mask, with notes that say what was assumed or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from edgeconnect.errors import InputError, printable
from edgeconnect.io.images import read_raw, touching

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeconnect.types import Mask

    Channel = NDArray[np.uint8]

Polarity = Literal["guess", "white", "black", "alpha", "opaque"]
POLARITIES: tuple[Polarity, ...] = ("guess", "white", "black", "alpha", "opaque")

_LABELS = 64  # a label map has at most so many values
_STRIP_PX = 1 << 22  # of a large mask that are counted at once
_PLAIN = 8  # values that fill most of a mask, however it was painted, and at most two thirds of a photo


def repair(
    pixels: NDArray[Any], size: tuple[int, int] | None = None, polarity: Polarity = "guess"
) -> tuple[Mask, list[str]]:
    """A mask out of whatever a mask file holds, with notes that say each thing assumed or changed.

    `pixels` is (H,W) or (H,W,2|3|4), uint8 or uint16 or bool; the threshold is half of white. Values that do
    not come to both sides of it (0/1, a brush of little opacity) are stretched; of a label map (few values, 0
    among them and none near white but 255 for "void") all that is not 0 counts as white. `size` (height,
    width) resizes to the nearest pixel. `polarity` tells what the hole is: "white", "black", "alpha" (where
    the file is transparent) or "opaque" (where it is not). "guess" takes, in this order:
    1. alpha where anything is transparent: the transparent part with the soft rim that touches it, or the
       painted part when that is of one colour and covers less than half;
    2. a coloured brush: the coloured part when no background is black, else all that is not black;
    3. white, or black when white fills more than half of the image, but not all of it, and its shares of the
       image and of the border add up to more than 1.4 (no mask of the NVIDIA test set does, most of their
       inversions do).
    Raises InputError for `polarity` "alpha" or "opaque" without an alpha channel, and for a photo: most of it
    neither black nor white, in many values.
    """
    notes: list[str] = []
    values = _to_8bit(pixels)
    channels = values[..., None] if values.ndim == 2 else values
    alpha = channels[..., -1] if channels.shape[2] in (2, 4) else None
    colours = channels if alpha is None else channels[..., :-1]
    is_layer = polarity == "guess" and alpha is not None and (alpha < 128).any()
    if polarity in ("alpha", "opaque") or is_layer:
        mask = _from_alpha(alpha, colours, polarity, notes)
    else:
        mask = _from_colours(colours, polarity, notes)
    return _resized(mask, size, notes), notes


def read_mask(
    path: Path, size: tuple[int, int] | None = None, polarity: Polarity = "guess"
) -> tuple[Mask, list[str]]:
    """`repair` of a mask file; an InputError names it.

    path: any picture. size, polarity: as for `repair`.
    """
    try:
        return repair(read_raw(path), size, polarity)
    except InputError as error:
        raise error if printable(path) in str(error) else InputError(f"{path}: {error}") from None


def looks_like_mask(pixels: NDArray[Any]) -> bool:
    """Whether (H,W,C) pixels are black and white alone, both of them."""
    brightness = _to_8bit(pixels).max(axis=2)
    return share_between(brightness) < 0.01 and brightness.min() < 26 and brightness.max() > 229


def share_between(values: Channel) -> float:
    """The share of uint8 values that are neither black nor white, by more than a tenth of full scale."""
    return float(((values > 25) & (values < 230)).mean())


def _from_alpha(alpha: Channel | None, colours: Channel, polarity: Polarity, notes: list[str]) -> Mask:
    """The hole by an alpha channel."""
    if alpha is None:
        raise InputError(
            f"expected a mask with an alpha channel, got {colours.shape[2]} channels without one"
        )
    strength = _stretched(alpha, notes)
    painted = strength >= 128
    inks = colours[painted]
    is_one_ink = 0 < len(inks) < painted.size / 2 and np.ptp(inks, axis=0).max() <= 32
    if polarity == "opaque" or (polarity == "guess" and is_one_ink):
        _note_between(strength, notes)
        if polarity == "guess":
            notes.append(_guess("what is painted on a transparent layer", painted, "alpha"))
        return painted
    # a soft eraser leaves a rim of half-transparent pixels, whose colours are not all the photo's own
    mask = touching(alpha < alpha.max(initial=0), ~painted) | ~painted
    if (rim := mask & painted).any():
        notes.append(
            f"{rim.mean():.2%} of the pixels beside the hole are half transparent: they belong to it"
        )
    if polarity == "guess":
        notes.append(_guess("what is transparent", mask, "opaque"))
    return mask


def _from_colours(colours: Channel, polarity: Polarity, notes: list[str]) -> Mask:
    """The hole by brightness, or by colour where there is some."""
    brightness, chroma = colours.max(axis=2), np.ptp(colours, axis=2)
    _check_is_mask(brightness)
    is_coloured = (chroma >= 128).any()
    if is_coloured and polarity == "guess":
        has_black = (brightness < 64).mean() > 0.01
        mask = _thresholded(brightness, notes, is_coloured=True) if has_black else _thresholded(chroma, notes)
        notes.append(_guess("what is not black" if has_black else "what is coloured", mask, "black"))
        return mask
    white = _thresholded(brightness, notes)
    if polarity != "guess":
        return white if polarity == "white" else ~white
    is_inverted = 0.5 < white.mean() < 1 and white.mean() + _border_share(white) > 1.4
    mask = ~white if is_inverted else white
    notes.append(_guess("black" if is_inverted else "white", mask, "white" if is_inverted else "black"))
    if is_inverted and mask.mean() <= 0.5:
        notes[-1] += "; if white is, say so: polarity white"
    return mask


def _check_is_mask(values: Channel) -> None:
    """Raise InputError for a photo."""
    counts = _counts(values)
    between = share_between(values)
    if between > 0.5 and np.sort(counts)[-_PLAIN:].sum() < 0.75 * values.size:
        raise InputError(
            f"expected a mask, got a picture: {between:.1%} of its values are neither black nor white"
        )


def _counts(values: Channel) -> NDArray[np.int64]:
    """How often each of 256 values comes; strip by strip, as NumPy makes 8 bytes of each value."""
    strips = np.array_split(values.ravel(), values.size // _STRIP_PX + 1)
    return np.asarray(np.sum([np.bincount(strip, minlength=256) for strip in strips], axis=0), np.int64)


def _to_8bit(pixels: NDArray[Any]) -> Channel:
    """Pixels as uint8 with their type's white at 255."""
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint16:
        # 16-bit files of 8-bit or 0/1 values are stretched later like their 8-bit kin
        # and label maps of large numbers keep their small ones apart from 0
        deep = np.maximum(pixels >> 8, pixels > 0) if pixels.max(initial=0) > 255 else pixels
        return deep.astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise InputError(f"expected a mask of bool, uint8 or uint16 values, got {pixels.dtype}")
    return np.asarray(pixels, np.uint8)


def _thresholded(values: Channel, notes: list[str], *, is_coloured: bool = False) -> Mask:
    """Where values reach half of white, or are not 0 in a label map; what lies on one side is stretched."""
    if (found := _labels(values, is_coloured)) is not None:
        notes.append(f"{len(found)} values beside 0, as in a label map: all of them count as white")
        return values > 0
    values = _stretched(values, notes)
    _note_between(values, notes)
    return values >= 128


def _labels(values: Channel, is_coloured: bool) -> Channel | None:
    """The values of a label map but 0; None for other masks. 255 may be what "void" is called in VOC's."""
    background, *found = np.flatnonzero(_counts(values)).tolist() or [1]
    inner = [value for value in found if value < 255]
    if background != 0 or not inner or len(inner) > _LABELS:
        return None
    if not is_coloured and 255 in found:
        is_void = inner[-1] < 128 and (values == 255).sum() < np.isin(values, inner).sum()
        return np.array(found, np.uint8) if is_void else None
    is_dark = len(inner) > 1 and inner[-1] < 230
    return np.array(found, np.uint8) if is_coloured or is_dark else None


def _stretched(values: Channel, notes: list[str]) -> Channel:
    """Values to both sides of half: dark ones by their largest, bright ones that span a quarter by both."""
    low, top = int(values.min(initial=255)), int(values.max(initial=0))
    if 0 < top < 128:
        notes.append(f"values only reach {top} of 255: stretched")
        return (values.astype(np.uint16) * 255 // top).astype(np.uint8)
    if low >= 128 and top - low >= 64:
        notes.append(f"values only go down to {low} of 255: stretched")
        return ((values.astype(np.uint16) - low) * 255 // (top - low)).astype(np.uint8)
    return values


def _note_between(values: Channel, notes: list[str]) -> None:
    """Say how many pixels are neither black nor white."""
    if (share := share_between(values)) >= 0.0005:
        notes.append(f"{share:.2%} of the pixels are in between (JPEG fringe, soft brush): cut at half")


def _guess(what: str, mask: Mask, otherwise: Polarity) -> str:
    """What was guessed; how to turn it, where it makes most of the image a hole."""
    doubt = f"; if the rest is, say so: polarity {otherwise}" if mask.mean() > 0.5 else ""
    return f"guessed that {what} is the hole ({mask.mean():.1%} of the image){doubt}"


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
