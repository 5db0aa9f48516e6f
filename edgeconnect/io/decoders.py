"""Files -> upright pixels: Pillow, OpenCV for what Pillow would reduce to 8 bits, and what both get wrong."""

from __future__ import annotations

import io
import logging
import math
import re
import struct
import threading
import warnings
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from edgeconnect.errors import InputError
from edgeconnect.io import tiff
from edgeconnect.io.metadata import NOTHING, Metadata
from edgeconnect.io.metadata import of as metadata_of
from edgeconnect.io.signatures import READABLE, is_heic, kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Pixels = NDArray[np.unsignedinteger[Any]]

MAX_PIXELS = 333_000_000
"""Largest width x height that is decoded, half of it for 16 bits: a gigabyte as (H,W,3). More is a mistake or
a decompression bomb."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF", "PPM")
_UNUSUAL = {"I": "32-bit integers", "F": "32-bit floats (HDR)", "LAB": "Lab colours", "HSV": "HSV colours"}
_ORIENTATION = 0x0112
_PNG_END = b"\0\0\0\0IEND" + zlib.crc32(b"IEND").to_bytes(4)
_COMMENT = re.compile(rb"#[^\r\n]*")
_NETPBM = re.compile(rb"P([2356])" + 3 * rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})" + rb"\s")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# EXIF orientation -> what makes it upright, in this order: transpose, flip rows, flip columns
_TURNS = {2: "c", 3: "rc", 4: "r", 5: "t", 6: "tc", 7: "trc", 8: "tr"}
# what damaged or hostile files make Pillow's decoders raise
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError,
           RuntimeError, AttributeError, AssertionError, MemoryError, struct.error, zlib.error)  # fmt: skip
_limits: list[int | None] = []
_quiet: list[Any] = []
_NO_LOG = logging.NullHandler()
_limit_lock = threading.Lock()


@dataclass(frozen=True)
class Decoded:
    """A file's upright pixels (H,W) or (H,W,2|3|4), ICC profile, EXIF orientation, metadata and notes."""

    pixels: Pixels
    icc_profile: bytes | None
    orientation: int
    metadata: Metadata
    notes: list[str]


def decode(path: Path) -> Decoded:
    """What a picture's file holds, at its own depth; raises InputError where it cannot be read."""
    decoded = _opened(path)
    if not decoded.pixels.size:
        raise InputError(f"{path}: expected a picture, got one without any pixel")
    return decoded


def _opened(path: Path) -> Decoded:
    with reading(path):
        found = tiff.read(path, MAX_PIXELS // 2) if head(path)[:4] in _TIFF else None
        try:
            image = open_image(path)
        except UnidentifiedImageError:  # of kinds that Pillow does not know
            if found is None or found.pixels is None:
                raise
            pixels = turn(found.pixels, found.orientation)
            return Decoded(pixels, found.icc_profile, found.orientation, NOTHING, found.notes)
        with image:
            return _decode(path, image, found)


def _decode(path: Path, image: ImageFile.ImageFile, found: tiff.Found | None) -> Decoded:
    """`decode` of an opened file; `found` of a TIFF."""
    notes, pixels = _check_frames(path, image), None
    if found:
        image.seek(found.number)
        notes, pixels = found.notes, found.pixels
    white = _white(path, image)
    _check_bytes(path, image, white)
    orientation, icc_profile = orientation_of(image), image.info.get("icc_profile")
    try:
        metadata = metadata_of(image)
    except _BROKEN:
        metadata, notes = NOTHING, [*notes, "its EXIF is damaged: left out"]
    is_cmyk = image.mode == "CMYK"
    shown: Image.Image = image
    if pixels is None:
        # Pillow notices truncated data where OpenCV may hand back half a picture: it decodes first always
        image.load()
        if image.format == "TIFF":
            orientation = 1  # Pillow has turned it
        if not is_cmyk:
            pixels = _shallow_pixels(path, image) if white == 255 else _deep_pixels(path, image, white, notes)
    elif is_cmyk:
        shown = Image.frombytes("CMYK", pixels.shape[1::-1], pixels.tobytes())
    if is_cmyk or pixels is None:
        pixels, note = _from_cmyk(shown, icc_profile)
        notes, icc_profile = [*notes, note], None
    if image.format == "AVIF" and _is_deep_avif(path):
        notes.append("10 or 12 bits a channel were read as 8")
    if image.format == "HEIF" and image.info.get("bit_depth", 8) > 8:
        notes.append(f"{image.info['bit_depth']} bits a channel were read as 8")
    if orientation in _TURNS:
        notes.append(f"turned upright as its EXIF orientation {orientation} asks")
    pixels = np.ascontiguousarray(turn(pixels, orientation))
    return Decoded(pixels, icc_profile, orientation, metadata, notes)


def turn(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels turned and mirrored as an EXIF orientation asks; unknown values change nothing.

    pixels: (H,W[,C]). orientation: 1 to 8 by the EXIF standard.
    """
    steps = _TURNS.get(orientation, "")
    turned = pixels.swapaxes(0, 1) if "t" in steps else pixels
    turned = turned[::-1] if "r" in steps else turned
    return turned[:, ::-1] if "c" in steps else turned


def head(path: Path) -> bytes:
    """A file's first 32 bytes."""
    try:
        require_file(path)
        with path.open("rb") as file:
            return file.read(32)
    except FileNotFoundError as error:
        raise InputError(f"{path}: expected a readable file, got no such file") from error
    except (OSError, ValueError) as error:  # a name with NUL is a ValueError
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: expected a readable file, got: {_words(error)}") from error


def require_file(path: Path) -> None:
    """Raise InputError for folders, pipes and devices: one would wait for them without end."""
    if path.exists() and not path.is_file():
        what = "folder" if path.is_dir() else "device or pipe"
        raise InputError(f"{path}: expected a file, got a {what}")


def _words(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


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
    except PermissionError as error:
        raise InputError(f"{path}: expected a readable file, got: {error.strerror}") from error
    except _BROKEN as error:
        raise InputError(f"{path}: expected a whole picture, got a damaged one ({_words(error)})") from error


@contextmanager
def _own_limit() -> Iterator[None]:
    """Lift Pillow's pixel limit to MAX_PIXELS: its own warns at 89 megapixels, below what scanners make.

    What it and tifffile warn of and log is kept from the user. Limit and warnings are of the whole process,
    so the first reader at work changes them and the last one puts them back.
    """
    with _limit_lock:
        if not _quiet:
            _limits.append(Image.MAX_IMAGE_PIXELS)
            Image.MAX_IMAGE_PIXELS = MAX_PIXELS
            for name in ("PIL", "tifffile"):  # without any handler, errors would go to the terminal
                logging.getLogger(name).addHandler(_NO_LOG)
            _quiet.append(warnings.catch_warnings(action="ignore"))
            _quiet[0].__enter__()
        _quiet.append(None)
    try:
        yield
    finally:
        with _limit_lock:
            _quiet.pop()
            if len(_quiet) == 1:
                _quiet.pop().__exit__(None, None, None)
                Image.MAX_IMAGE_PIXELS = _limits.pop()


def open_image(path: Path, max_pixels: float | None = None) -> ImageFile.ImageFile:
    """Read a file's header; pixels come later. InputError above `max_pixels` or MAX_PIXELS."""
    require_file(path)
    max_pixels = MAX_PIXELS if max_pixels is None else max_pixels
    if is_heic(head(path)) and _heif_opened():
        try:
            image = Image.open(path, formats=(*_FORMATS, "HEIF"))
        except UnidentifiedImageError as error:
            raise InputError(f"{path}: expected a picture, got a damaged HEIC") from error
    else:
        image = Image.open(path, formats=_FORMATS)
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise InputError(f"{path}: expected at most {max_pixels / 10**6:g} megapixels, got {width}x{height}")
    return image


def _heif_opened() -> bool:
    """Have Pillow read HEIC files, where the package for it is installed: whether it is."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _check_frames(path: Path, image: Image.Image) -> list[str]:
    """Refuse animations; a camera's second view is left out and said."""
    frames = getattr(image, "n_frames", 1)
    if frames == 1 or image.format == "TIFF":
        return []
    if image.format in ("MPO", "HEIF"):
        return [f"the first of {frames} pictures in the file"]
    raise InputError(f"{path}: expected one picture, got an animation of {frames} frames")


def _check_bytes(path: Path, image: ImageFile.ImageFile, white: int) -> None:
    """Refuse what would take too much memory: deep pictures, and PNGs whose header promises too much.

    A byte of Deflate, PNG's compression, holds 1032 at most.
    """
    width, height = image.size
    if white > 255 and width * height > MAX_PIXELS // 2:
        limit = MAX_PIXELS / 2e6
        raise InputError(f"{path}: expected at most {limit:g} megapixels of 16 bits, got {width}x{height}")
    bits = {"RGB": 24, "RGBA": 32, "LA": 16, "I;16": 16}.get(image.mode, 1)
    if image.format == "PNG" and width * height * bits / 8 > 1032 * path.stat().st_size:
        raise InputError(f"{path}: expected the {width}x{height} pixels of its header, got too few bytes")


def _white(path: Path, image: ImageFile.ImageFile) -> int:
    """The largest value that a channel can have; 255 where Pillow's colour modes will do."""
    if image.format == "JPEG2000":
        return (1 << _jpeg2000_depth(path)) - 1
    arguments = image.tile[0].args if image.tile else ""
    if image.format == "PPM":
        header = _NETPBM.match(path.read_bytes())
        return max(int(header[4]), 255) if header else 255
    raw_mode = arguments[0] if isinstance(arguments, tuple) else arguments
    return 65535 if image.format == "PNG" and ";16" in str(raw_mode) else 255


def _jpeg2000_depth(path: Path) -> int:
    """The bits of all components, from the codestream's SIZ marker; InputError for mixed and signed ones."""
    _, _, marker = path.read_bytes().partition(b"\xff\x4f\xff\x51")
    count = int.from_bytes(marker[36:38])
    depths = {marker[38 + 3 * number] for number in range(count)}
    if len(depths) != 1 or max(depths) >= 128:
        raise InputError(f"{path}: expected unsigned channels of one depth, got a JPEG 2000 of others")
    return depths.pop() + 1


def _pixels_alone(png: bytes) -> bytes:
    """A PNG without what it says about its colours: libpng would comment on that to the terminal.

    Raises ValueError for a damaged part, on which it would comment too.
    """
    kept, place = [png[:8]], 8
    while place + 12 <= len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4])
        kind = png[place + 4 : place + 8]
        if kind == b"IEND":
            break
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
            if zlib.crc32(png[place + 4 : end - 4]) != int.from_bytes(png[end - 4 : end]):
                raise ValueError(f"checksum of {kind.decode()}")
            kept.append(png[place:end])
        place = end
    return b"".join([*kept, _PNG_END])


def _netpbm(content: bytes) -> NDArray[np.uint16]:
    """The numbers of a PGM or PPM above 8 bits, which Pillow reduces and OpenCV reads in part."""
    header = _NETPBM.match(content)
    assert header is not None
    width, height = int(header[2]), int(header[3])
    shape, body = (height, width, 3) if header[1] in b"36" else (height, width), content[header.end() :]
    count = math.prod(shape)
    if header[1] in b"56":
        return np.frombuffer(body, ">u2", count).astype(np.uint16).reshape(shape)
    numbers = _COMMENT.sub(b"", body).split(None, count)[:count]
    return np.array(numbers, np.float64).clip(0, 65535).astype(np.uint16).reshape(shape)


def _is_deep_avif(path: Path) -> bool:
    """Whether the AV1 configuration box says more than 8 bits."""
    _, found, box = path.read_bytes().partition(b"av1C")
    return bool(found) and len(box) > 2 and bool(box[2] & 0x40)


def _deep_pixels(path: Path, image: Image.Image, white: int, notes: list[str]) -> Pixels:
    """Pixels of other than 8 bits as OpenCV reads them, in RGB order, white at 255 or 65535.

    A PNG's one transparent grey value becomes alpha.
    """
    if image.format == "PPM":
        return tiff.scaled(_netpbm(path.read_bytes()), white)
    content = path.read_bytes()
    if image.format == "PNG":
        image.close()  # its 8 bits a channel
        content = _pixels_alone(content)
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        if image.format == "JPEG2000":
            notes.append(f"{white.bit_length()} bits a channel were read as 8: their layout is unusual")
            return _shallow_pixels(path, image)
        raise InputError(f"{path}: expected 8 or 16 bits a channel, got a {image.format} OpenCV cannot read")
    pixels = tiff.scaled(pixels, white)
    if pixels.ndim == 2:
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
    return np.asarray(image if image.mode == mode else image.convert(mode))  # a conversion always copies


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
