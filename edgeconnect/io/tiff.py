"""What a TIFF holds beyond Pillow: deep, signed and planar channels, premultiplied alpha, thumbnails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, 3: 1, _CMYK: 4}  # 3: a palette
_REDUCED = 1  # a bit of NewSubfileType: a thumbnail
_SMALLER = 4  # a page that is so many times smaller than another one is its thumbnail
_SIGNED = 2


@dataclass(frozen=True)
class Found:
    """The number of a file's main picture, its orientation and profile, its pixels, and notes.

    pixels: (H,W) or (H,W,2|3|4) uint16, alpha straight; CMYK is (H,W,4) uint8; None for those of up to 8
    bits, which Pillow reads.
    """

    number: int
    orientation: int
    icc_profile: bytes | None
    pixels: NDArray[Any] | None
    notes: list[str]


def read(path: Path, max_pixels: int) -> Found:
    """What Pillow would not read, or read wrongly; raises InputError for what nobody here reads.

    max_pixels: of more than 8 bits.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        number, notes = _main(path, list(file.pages))
        page: Any = file.pages[number]
        colours = _COLOURS.get(page.photometric)
        kinds = list(page.extrasamples)
        has_alpha = bool(kinds) and kinds[0] in (1, 2)
        if colours and (left_out := page.samplesperpixel - colours - has_alpha) > 0:
            notes.append(f"{left_out} further channel{'s' * (left_out > 1)} left out")
        if page.bitspersample == 1:
            notes.append("1 bit a pixel, which becomes 8 bit grey")
        if page.bitspersample <= 8 or page.sampleformat not in (1, _SIGNED):
            return Found(number, 1, None, None, notes)
        if colours is None or page.photometric == 3 or page.bitspersample > 16:
            raise InputError(
                f"{path}: expected grey, RGB or CMYK of 8 or 16 bits a channel, got a TIFF of "
                f"{_name(page.photometric)} with {page.bitspersample} bits"
            )
        if page.imagelength * page.imagewidth > max_pixels:
            limit = max_pixels / 10**6
            size = f"{page.imagewidth}x{page.imagelength}"
            raise InputError(f"{path}: expected at most {limit:g} megapixels of 16 bits, got {size}")
        pixels = _pixels(path, number, page)
        orientation, profile = (page.tags.valueof(tag) for tag in (274, 34675))
    pixels = pixels[..., : colours + has_alpha]
    if page.sampleformat == _SIGNED:
        pixels = (pixels.astype(np.int32) + 32768).astype(np.uint16)
        notes.append("signed numbers: 32768 was added")
    if page.photometric == _WHITE_IS_ZERO:
        pixels = np.concatenate([65535 - pixels[..., :1], pixels[..., 1:]], axis=2)
    if page.photometric == _CMYK:
        return Found(number, orientation or 1, profile, (pixels[..., :4] >> 8).astype(np.uint8), notes)
    if has_alpha and kinds[0] == 1:
        pixels = _straight(pixels)
        notes.append("its colours were multiplied by alpha: divided by it again")
    if pixels.shape[2] == 4 and (pixels[..., :1] == pixels[..., 1:3]).all():
        pixels = pixels[..., [0, 3]]  # grey with alpha, spread over three channels as by our own encoder
    pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return Found(number, orientation or 1, profile, pixels, notes)


def _name(number: Any) -> str:
    """What the standard calls a number, where it does."""
    return str(getattr(number, "name", number))


def _main(path: Path, pages: list[Any]) -> tuple[int, list[str]]:
    """The number of the picture among the pages of a file: the first that is no thumbnail, and a note."""
    areas = [page.imagewidth * page.imagelength for page in pages]
    whole = [n for n, page in enumerate(pages) if not int(page.subfiletype) & _REDUCED]
    if not whole:
        raise InputError(
            f"{path}: expected a picture, got a TIFF with its thumbnail alone (a camera's raw file?)"
        )
    number = next(n for n in whole if areas[n] * _SMALLER >= max(areas[n] for n in whole))
    if len(pages) == 1:
        return number, []
    which = "the first" if number == 0 else f"number {number + 1}, the first that is no thumbnail,"
    return number, [f"{which} of {len(pages)} pictures in the file"]


def _pixels(path: Path, number: int, page: Any) -> NDArray[Any]:
    """(H,W,C) of one page: as tifffile reads them, or OpenCV, which knows more compressions."""
    is_planar = page.planarconfig == 2 and page.samplesperpixel > 1
    try:
        pixels = np.asarray(page.asarray())
        pixels = np.moveaxis(pixels, 0, -1) if is_planar else pixels
    except (ValueError, NotImplementedError) as error:
        if "imagecodecs" not in str(error):
            raise
        usual = page.samplesperpixel in (1, 3, 4) and not is_planar and page.photometric != _CMYK
        found = cv2.imdecodemulti(
            np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED, range=(number, number + 1)
        )
        pages = [x for x in found[1] if x.dtype in (np.uint16, np.int16)] if usual and found[0] else []
        if not pages:
            raise InputError(
                f"{path}: expected a deep TIFF of no compression or Deflate, got {_name(page.compression)}"
            ) from None
        pixels = np.atleast_3d(pages[0])
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.shape[2] > 1 else pixels
        if page.bitspersample < 16:  # OpenCV moves them to the upper end
            pixels >>= 16 - page.bitspersample
    pixels = np.atleast_3d(pixels)
    return pixels if page.bitspersample == 16 else scaled(pixels, (1 << page.bitspersample) - 1)


def scaled(pixels: NDArray[Any], white: int) -> NDArray[Any]:
    """Unsigned numbers up to `white` so that white is their type's: 255 (uint8) or 65535 (uint16)."""
    top = np.iinfo(pixels.dtype).max
    return np.minimum((pixels.astype(np.uint32) * top + white // 2) // white, top).astype(pixels.dtype)


def _straight(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Colours that were multiplied by alpha divided by it, rounded; black where nothing is left of them."""
    colours, alpha = pixels[..., :-1].astype(np.uint64), pixels[..., -1:].astype(np.uint64)
    divided = (colours * 65535 + alpha // 2) // np.maximum(alpha, 1)
    return np.concatenate([np.minimum(divided, 65535).astype(np.uint16), pixels[..., -1:]], axis=2)
