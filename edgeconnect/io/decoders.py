"""Files -> upright pixels: Pillow, OpenCV for what Pillow would reduce to 8 bits, and what both get wrong."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageFile, TiffImagePlugin, UnidentifiedImageError

from edgeconnect.errors import InputError
from edgeconnect.io.signatures import READABLE, kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def decode(path: Path) -> tuple[Pixels, bytes | None, int, list[str]]:
    """A file's upright pixels (H,W) or (H,W,2|3|4), ICC profile, EXIF orientation and notes."""
    with reading(path), open_image(path) as image:
        notes, is_deep = _check_frames(path, image), _is_deep(image)
        # Pillow notices truncated data where OpenCV may hand back half a picture: it decodes first always
        image.load()
        orientation, icc_profile = orientation_of(image), image.info.get("icc_profile")
        if image.mode == "CMYK":
            pixels, note = _from_cmyk(image, icc_profile)
            notes, icc_profile = [*notes, note], None
        else:
            pixels = _deep_pixels(path, image) if is_deep else _shallow_pixels(path, image)
    if orientation in _TURNS:
        notes.append(f"turned upright as its EXIF orientation {orientation} asks")
    return np.ascontiguousarray(turn(pixels, orientation)), icc_profile, orientation, notes


def turn(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels turned and mirrored as an EXIF orientation asks; unknown values change nothing."""
    steps = _TURNS.get(orientation, "")
    turned = pixels.swapaxes(0, 1) if "t" in steps else pixels
    turned = turned[::-1] if "r" in steps else turned
    return turned[:, ::-1] if "c" in steps else turned


def head(path: Path) -> bytes:
    """A file's first 32 bytes."""
    try:
        with path.open("rb") as file:
            return file.read(32)
    except OSError as error:
        raise InputError(f"{path}: expected a readable file, got: {error.strerror}") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what decoders raise on a damaged or huge file into one sentence that names it."""
    try:
        with _own_limit():
            yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: expected a picture, got no such file") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: expected a {READABLE} picture, got {kind(head(path))}") from error
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


def open_image(path: Path, max_pixels: int | None = None) -> ImageFile.ImageFile:
    """Read a file's header; pixels come later. InputError above `max_pixels` or MAX_PIXELS."""
    max_pixels = max_pixels or MAX_PIXELS
    image = Image.open(path, formats=_FORMATS)
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise InputError(f"{path}: expected at most {max_pixels / 10**6:g} megapixels, got {width}x{height}")
    return image


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


def orientation_of(image: Image.Image) -> int:
    """A loaded picture's EXIF orientation; 1 where Pillow has applied it already (TIFF)."""
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) else 1
