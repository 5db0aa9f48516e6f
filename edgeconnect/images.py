"""Files <-> arrays: the only module that knows Pillow (and OpenCV for what Pillow would reduce to 8 bits)."""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageFile, TiffImagePlugin, UnidentifiedImageError

from edgeconnect.encoders import as_stored, encode_png, output_format, to_8bit, write_atomically
from edgeconnect.errors import InputError
from edgeconnect.signatures import READABLE, kind, looks_like_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Pixels = NDArray[np.unsignedinteger[Any]]

MAX_PIXELS = 500_000_000
"""Largest width x height that is decoded; more is a mistake or a decompression bomb."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF", "PPM")
_UNUSUAL = {"I": "32-bit integers", "F": "32-bit floats (HDR)", "LAB": "Lab colours", "HSV": "HSV colours"}
_ORIENTATION = 0x0112
# EXIF orientation -> what makes it upright, in this order: transpose, flip rows, flip columns
_TURNS = {2: "c", 3: "rc", 4: "r", 5: "t", 6: "tc", 7: "trc", 8: "tr"}
# what damaged or hostile files make Pillow's decoders raise
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError,
           RuntimeError, struct.error, zlib.error)  # fmt: skip
_limits: list[int | None] = []
_limit_lock = threading.Lock()


@dataclass(frozen=True)
class Photo:
    """A picture as it was in its file: rgb (H,W,3) uint8 or uint16, alpha (H,W) of the same type or None.

    `is_gray` says that the file held one colour channel (the three of `rgb` are then equal); `icc_profile` is
    the file's own; `orientation` is the EXIF one that was applied (1: none); `notes` are sentences about
    everything that reading changed.
    """

    rgb: Pixels
    alpha: Pixels | None = None
    is_gray: bool = False
    icc_profile: bytes | None = None
    orientation: int = 1
    notes: tuple[str, ...] = ()

    def without_eraser(self, hole: NDArray[np.bool_]) -> Photo:
        """This photo with an opaque hole, where the hole alone was transparent: it had been erased.

        hole: (H,W) bool. A photo that is transparent elsewhere too is a cut-out: it stays as it is.
        """
        if self.alpha is None:
            return self
        top = np.iinfo(self.alpha.dtype).max
        transparent = self.alpha <= top // 2
        if not transparent.any() or (transparent & ~hole).any():
            return self
        return replace(self, alpha=np.where(hole, top, self.alpha).astype(self.alpha.dtype))


def read_photo(path: str | Path) -> Photo:
    """A picture in full fidelity: 16 bits, alpha, grey and the ICC profile kept, EXIF orientation applied.

    CMYK becomes 8-bit sRGB and a multi-page TIFF or MPO its first picture, which the notes say. Raises
    InputError for animations, float pixels, damaged files, and more than MAX_PIXELS.
    """
    pixels, icc_profile, orientation, notes = _decode(Path(path))
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    is_gray, has_alpha = pixels.shape[2] < 3, pixels.shape[2] in (2, 4)
    alpha = np.ascontiguousarray(pixels[..., -1]) if has_alpha else None
    rgb = np.repeat(pixels[..., :1], 3, axis=2) if is_gray else np.ascontiguousarray(pixels[..., :3])
    return Photo(rgb, alpha, is_gray, icc_profile, orientation, tuple(notes))


def read_rgb(path: str | Path, short_side: int | None = None) -> NDArray[np.uint8]:
    """A picture as (H,W,3) uint8 for training and scoring: alpha is left out, 16 bits are rounded to 8.

    With `short_side`, a JPEG may come at 1/2, 1/4 or 1/8 of its size (never below that short side in pixels),
    which libjpeg decodes several times faster. Raises InputError as read_photo does.
    """
    path = Path(path)
    with _reading(path), _open(path) as image:
        # the grey and colour JPEGs that photo folders are full of need none of the care below
        if image.format == "JPEG" and image.mode in ("L", "RGB"):
            if short_side is not None:
                image.draft(None, (short_side, short_side))
            image.load()
            return np.ascontiguousarray(turn(np.asarray(image.convert("RGB")), _orientation(image)))
    return to_8bit(read_photo(path).rgb)


def read_raw(path: str | Path) -> Pixels:
    """A file's own channels, for masks and edge maps: (H,W) or (H,W,2|3|4), uint8 or uint16.

    One bit becomes 0/255, a palette its colours, alpha stays; EXIF orientation is applied. InputError as for
    read_photo.
    """
    return _decode(Path(path))[0]


def write_photo(path: str | Path, rgb: Pixels, like: Photo) -> list[str]:
    """Write (H,W,3) `rgb` as `like` was: grey, alpha, ICC profile and 16 bits kept; returns notes on losses.

    The suffix chooses PNG (also without one), TIFF, lossless WebP or BMP, which keep every pixel, or JPEG,
    which does not. InputError, with nothing written, for other suffixes and formats that cannot hold it.
    """
    _, encode = output_format(path)
    if rgb.dtype != like.rgb.dtype:
        raise ValueError(f"expected the photo's own {like.rgb.dtype}, got {rgb.dtype}")
    data, notes = encode(as_stored(rgb, like.is_gray, like.alpha), like.icc_profile, str(path))
    write_atomically(Path(path), data)
    return notes


def write_png(path: str | Path, pixels: Pixels | NDArray[np.bool_]) -> None:
    """Write (H,W) or (H,W,2|3|4) bool (as 0/255), uint8 or uint16 as a PNG, whatever the suffix."""
    array = pixels.astype(np.uint8) * np.uint8(255) if pixels.dtype == np.bool_ else pixels
    write_atomically(Path(path), encode_png(np.ascontiguousarray(array), None, str(path))[0])


def turn(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels turned and mirrored as an EXIF orientation asks; unknown values change nothing."""
    steps = _TURNS.get(orientation, "")
    turned = pixels.swapaxes(0, 1) if "t" in steps else pixels
    turned = turned[::-1] if "r" in steps else turned
    return turned[:, ::-1] if "c" in steps else turned


def check_size(path: str | Path, most_pixels: int) -> None:
    """Raise InputError where a picture's header says more than `most_pixels`, without decoding it."""
    with _reading(Path(path)), _open(Path(path), most_pixels):
        pass


def is_image(path: str | Path) -> bool:
    """Whether a file's first bytes are a picture's, also a damaged one's; suffixes count for nothing."""
    return looks_like_image(_head(Path(path)))


def list_images(folder: str | Path, recursive: bool = True) -> list[Path]:
    """The pictures in a folder by content, sorted; hidden files and folders and all others are left out."""
    root = Path(folder)
    if not root.is_dir():
        raise InputError(
            f"{root}: expected a folder of pictures, got {'a file' if root.exists() else 'nothing'}"
        )
    found: list[Path] = []
    for parent, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file() and is_image(path))


def resize(photo: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(H,W[,C]) uint8 at another size: area averages when it shrinks, bicubic when it grows."""
    shrinks = height * width < photo.shape[0] * photo.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(photo, (width, height), interpolation=method), np.uint8)


def _head(path: Path) -> bytes:
    """A file's first 32 bytes."""
    try:
        with path.open("rb") as file:
            return file.read(32)
    except OSError as error:
        raise InputError(f"{path}: expected a readable file, got: {error.strerror}") from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what decoders raise on a damaged or huge file into one sentence that names it."""
    try:
        with _own_limit():
            yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: expected a picture, got no such file") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: expected a {READABLE} picture, got {kind(_head(path))}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f"{path}: expected at most {MAX_PIXELS // 10**6} megapixels, got: {error}"
        ) from error
    except _BROKEN as error:
        raise InputError(f"{path}: expected a whole picture, got a damaged one ({error})") from error


@contextmanager
def _own_limit() -> Iterator[None]:
    """Lift Pillow's pixel limit to MAX_PIXELS: its own warns at 89 megapixels, below what scanners make.

    The limit is a global of Pillow's, so the first reader at work changes it and the last one puts it back.
    """
    with _limit_lock:
        _limits.append(_limits[0] if _limits else Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        yield
    finally:
        with _limit_lock:
            limit = _limits.pop()
            if not _limits:
                Image.MAX_IMAGE_PIXELS = limit


def _open(path: Path, most_pixels: int | None = None) -> ImageFile.ImageFile:
    """Read a file's header; pixels come later. InputError above `most_pixels` or MAX_PIXELS."""
    most_pixels = most_pixels or MAX_PIXELS
    image = Image.open(path, formats=_FORMATS)
    width, height = image.size
    if width * height > most_pixels:
        image.close()
        raise InputError(f"{path}: expected at most {most_pixels / 10**6:g} megapixels, got {width}x{height}")
    return image


def _decode(path: Path) -> tuple[Pixels, bytes | None, int, list[str]]:
    """A file's upright pixels (H,W) or (H,W,2|3|4), ICC profile, EXIF orientation and notes."""
    with _reading(path), _open(path) as image:
        notes, is_deep = _check_frames(path, image), _is_deep(image)
        # Pillow notices truncated data where OpenCV may hand back half a picture: it decodes first always
        image.load()
        orientation, icc_profile = _orientation(image), image.info.get("icc_profile")
        if image.mode == "CMYK":
            pixels, note = _from_cmyk(image, icc_profile)
            notes, icc_profile = [*notes, note], None
        else:
            pixels = _deep_pixels(path, image) if is_deep else _shallow_pixels(path, image)
    if orientation in _TURNS:
        notes.append(f"turned upright as its EXIF orientation {orientation} asks")
    return np.ascontiguousarray(turn(pixels, orientation)), icc_profile, orientation, notes


def _check_frames(path: Path, image: Image.Image) -> list[str]:
    """Refuse animations; a further page or a camera's second view is left out and said."""
    frames = getattr(image, "n_frames", 1)
    if frames == 1:
        return []
    if image.format in ("TIFF", "MPO"):
        return [f"the first of {frames} pictures in the file"]
    raise InputError(f"{path}: expected one picture, got an animation of {frames} frames")


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether the file holds 16 bits a channel, which Pillow's colour modes would reduce to 8."""
    if image.format == "JPEG2000":
        return True  # its depth does not show in the header that Pillow reads
    arguments = image.tile[0].args if image.tile else ""
    if image.format == "PPM":
        return arguments[-1] > 255 if isinstance(arguments, tuple) else False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return 16 in image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, ())
    raw_mode = arguments[0] if isinstance(arguments, tuple) else arguments
    return image.format == "PNG" and ";16" in str(raw_mode)


def _deep_pixels(path: Path, image: Image.Image) -> Pixels:
    """Pixels as OpenCV reads them, in RGB order; a PNG's one transparent grey value becomes alpha."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    if tags.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2:
        raise InputError(f"{path}: expected a 16-bit TIFF of whole pixels, got one of separate colour planes")
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: expected 8 or 16 bits a channel, got a {image.format} OpenCV cannot read")
    if pixels.ndim == 2:
        if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:
            return np.asarray(65535 - pixels, np.uint16)  # white is 0, which OpenCV leaves as it is
        if (transparent := image.info.get("transparency")) is None:
            return np.asarray(pixels)
        return np.dstack([pixels, np.where(pixels == transparent, 0, 65535).astype(np.uint16)])
    if pixels.shape[2] == 4 and (pixels[..., :1] == pixels[..., 1:3]).all():
        return np.asarray(pixels[..., [0, 3]])  # grey with alpha, which OpenCV spreads over three channels
    return np.asarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])


def _shallow_pixels(path: Path, image: Image.Image) -> NDArray[np.uint8]:
    """Pixels of an 8-bit, 1-bit or palette picture: grey or RGB, with alpha where there is transparency."""
    if image.mode in _UNUSUAL:
        raise InputError(f"{path}: expected 8 or 16 bits a channel, got {_UNUSUAL[image.mode]}")
    gray = image.mode in ("1", "L", "LA", "La")
    if image.mode == "1":
        image = image.convert("L")
    mode = ("L" if gray else "RGB") + ("A" if image.has_transparency_data else "")
    return np.asarray(image.convert(mode))


def _from_cmyk(image: Image.Image, icc_profile: bytes | None) -> tuple[NDArray[np.uint8], str]:
    """CMYK as 8-bit sRGB, by its own profile where there is a usable one (relative colorimetric)."""
    plainly = "CMYK converted to RGB plainly"
    if not icc_profile:
        return np.asarray(image.convert("RGB")), f"{plainly}: it has no ICC profile"
    try:
        profiles = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile)), ImageCms.createProfile("sRGB")
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        converted = ImageCms.profileToProfile(image, *profiles, intent, "RGB", flags=flags)
    except (ImageCms.PyCMSError, OSError):
        return np.asarray(image.convert("RGB")), f"{plainly}: its ICC profile is unusable"
    return np.asarray(converted), "CMYK converted to sRGB by its ICC profile"


def _orientation(image: Image.Image) -> int:
    """A loaded picture's EXIF orientation; 1 where Pillow has applied it already (TIFF)."""
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) else 1
