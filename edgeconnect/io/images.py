"""Picture files <-> arrays, in full fidelity: what `decoders` and `encoders` do, for paths."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np

from edgeconnect.errors import InputError
from edgeconnect.io.atomic import write_atomically
from edgeconnect.io.decoders import decode, head, open_image, orientation_of, reading, turn
from edgeconnect.io.encoders import as_stored, encode_png, output_format, to_8bit
from edgeconnect.io.metadata import NOTHING, Metadata
from edgeconnect.io.signatures import looks_like_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sample = TypeVar("Sample", bound=np.unsignedinteger[Any])
    Pixels = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class Photo:
    """A picture as it was in its file: rgb (H,W,3) uint8 or uint16, alpha (H,W) of the same type or None.

    `is_gray` says that the file held one colour channel (the three of `rgb` are then equal); `icc_profile` is
    the file's own; `orientation` is the EXIF one that was applied (1: none); `notes` are sentences about
    everything that reading changed; `metadata` is what else the file says.
    """

    rgb: Pixels
    alpha: Pixels | None = None
    is_gray: bool = False
    icc_profile: bytes | None = None
    orientation: int = 1
    notes: tuple[str, ...] = ()
    metadata: Metadata = NOTHING

    @property
    def is_transparent(self) -> bool:
        """Whether some of it is, by half or more."""
        return self.alpha is not None and bool((self.alpha <= np.iinfo(self.alpha.dtype).max // 2).any())

    def without_eraser(self, hole: NDArray[np.bool_]) -> Photo:
        """This photo with an opaque hole, where the hole alone was transparent: it had been erased.

        hole: (H,W) bool; the soft rim that an eraser left around it becomes opaque too. A photo that is
        transparent elsewhere is a cut-out: it stays as it is.
        """
        if self.alpha is None:
            return self
        top = np.iinfo(self.alpha.dtype).max
        transparent = self.alpha <= top // 2
        if not transparent.any() or (transparent & ~hole).any():
            return self
        erased = hole | touching(self.alpha < self.alpha.max(), hole)
        return replace(self, alpha=np.where(erased, top, self.alpha).astype(self.alpha.dtype))


def read_photo(path: str | Path) -> Photo:
    """A picture in full fidelity: depth, alpha, grey, ICC profile, metadata kept, EXIF orientation applied.

    CMYK becomes 8-bit sRGB and a TIFF or MPO of several its first picture, which the notes say. Depths of 9
    to 15 bits become 16, signed numbers unsigned. Raises
    InputError for animations, float pixels, damaged files, and more than MAX_PIXELS.
    path: the content decides, not the suffix.
    """
    found = decode(Path(path))
    pixels = found.pixels
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    is_gray, has_alpha = pixels.shape[2] < 3, pixels.shape[2] in (2, 4)
    alpha = np.ascontiguousarray(pixels[..., -1]) if has_alpha else None
    rgb = np.repeat(pixels[..., :1], 3, axis=2) if is_gray else np.ascontiguousarray(pixels[..., :3])
    return Photo(
        rgb, alpha, is_gray, found.icc_profile, found.orientation, tuple(found.notes), found.metadata
    )


def read_rgb(path: str | Path, short_side: int | None = None) -> NDArray[np.uint8]:
    """A picture as (H,W,3) uint8 for training: alpha is left out, 16 bits are rounded to 8.

    With `short_side`, a JPEG may come at 1/2, 1/4 or 1/8 of its size (never below that short side in pixels),
    which libjpeg decodes several times faster. Raises InputError as read_photo does.
    path: any file that `read_photo` reads.
    """
    return to_8bit(read_colours(path, short_side))


def read_colours(path: str | Path, short_side: int | None = None) -> Pixels:
    """What `read_rgb` reads, at the file's own depth: (H,W,3) uint8 or uint16.

    path, short_side: as for `read_rgb`.
    """
    path = Path(path)
    with reading(path), open_image(path) as image:
        # the grey and colour JPEGs that photo folders are full of need none of the care below
        if image.format == "JPEG" and image.mode in ("L", "RGB"):
            if short_side is not None:
                image.draft(None, (short_side, short_side))
            image.load()
            return np.ascontiguousarray(turn(np.asarray(image.convert("RGB")), orientation_of(image)))
    return read_photo(path).rgb


def read_raw(path: str | Path) -> Pixels:
    """A file's own channels, for masks and edge maps: (H,W) or (H,W,2|3|4), uint8 or uint16.

    One bit becomes 0/255, a palette its colours, alpha stays; EXIF orientation is applied. InputError as for
    read_photo.
    path: any file that `read_photo` reads.
    """
    return decode(Path(path)).pixels


def write_photo(path: str | Path, rgb: Pixels, like: Photo) -> list[str]:
    """Write (H,W,3) `rgb` as `like` was: grey, alpha, 16 bits, profile, metadata; returns notes on losses.

    The suffix chooses PNG (also without one), TIFF, lossless WebP or BMP, which keep every pixel, or JPEG,
    which does not. InputError, with nothing written, for other suffixes and formats that cannot hold it.
    path: where to, written atomically.
    """
    _, encode = output_format(path)
    if rgb.dtype != like.rgb.dtype:
        raise ValueError(f"expected the photo's own {like.rgb.dtype}, got {rgb.dtype}")
    data, notes = encode(as_stored(rgb, like.is_gray, like.alpha), like.icc_profile, str(path), like.metadata)
    write_atomically(Path(path), data)
    return notes


def write_png(path: str | Path, pixels: Pixels | NDArray[np.bool_]) -> None:
    """Write (H,W) or (H,W,2|3|4) bool (as 0/255), uint8 or uint16 as a PNG, whatever the suffix.

    path: where to, written atomically. pixels: as they are stored.
    """
    array = pixels.astype(np.uint8) * np.uint8(255) if pixels.dtype == np.bool_ else pixels
    write_atomically(Path(path), encode_png(np.ascontiguousarray(array), None, str(path))[0])


def check_size(path: str | Path, max_pixels: float) -> int:
    """A picture's pixels by its header, which is not decoded; InputError for more than `max_pixels`.

    path: any file that `read_photo` reads. max_pixels: width times height. Returns their number.
    """
    with reading(Path(path)), open_image(Path(path), max_pixels) as image:
        return image.width * image.height


def is_image(path: str | Path) -> bool:
    """Whether a file's first bytes are a picture's, also a damaged one's; suffixes count for nothing."""
    return looks_like_image(head(Path(path)))


def list_images(folder: str | Path, recursive: bool = True) -> list[Path]:
    """The pictures in a folder by content, sorted; hidden files and folders and all others are left out.

    folder: where. recursive: also in its folders.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(
            f"{root}: expected a folder of pictures, got {'a file' if root.exists() else 'nothing'}"
        )
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(root, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:  # a link back: its pictures were found already
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file() and is_image(path))


def touching(region: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected parts of `region` (H,W) that hold a pixel of `seeds` or lie beside one."""
    near = cv2.dilate(seeds.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    count, labels = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
    chosen = np.zeros(count, bool)
    chosen[np.asarray(labels)[near]] = True
    chosen[0] = False  # what is not in the region
    return np.asarray(chosen[labels])


def resize(photo: NDArray[Sample], height: int, width: int) -> NDArray[Sample]:
    """(H,W[,C]) uint8 or uint16 at another size: area averages when it shrinks, bicubic when it grows.

    photo: any number of channels. height, width: the new ones in px.
    """
    shrinks = height * width < photo.shape[0] * photo.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(photo, (width, height), interpolation=method), photo.dtype)
