"""Arrays -> the bytes of picture files: behind images.py, and what a server answers with."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from edgeconnect.errors import InputError
from edgeconnect.io.metadata import NOTHING, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.unsignedinteger[Any]]
    Encoder = Callable[[Pixels, bytes | None, str, Metadata], tuple[bytes, list[str]]]


_MAX_PX = {"WEBP": 16383, "JPEG": 65535}


def output_format(
    path: str | Path,
) -> tuple[str, Encoder]:
    """The format a file name asks for and its encoder; InputError for a suffix that cannot be written.

    path: of which the suffix counts; none means PNG.
    """
    suffix = Path(path).suffix.lower() or ".png"
    if suffix not in ENCODERS:
        raise InputError(f"{path}: expected a name ending in {', '.join(ENCODERS)}, got {suffix!r}")
    return ENCODERS[suffix]


def to_8bit(pixels: Pixels) -> NDArray[np.uint8]:
    """uint16 rounded to uint8 (65535 -> 255); uint8 as it is.

    pixels: any shape.
    """
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def as_stored(rgb: Pixels, is_gray: bool, alpha: Pixels | None) -> Pixels:
    """The channels a file holds: one of grey's equal three, alpha last (scaled where the size changed).

    rgb: (H,W,3). is_gray: whether its channels are equal and one is kept. alpha: (h,w) of rgb's type; None:
    opaque.
    """
    pixels: Pixels = to_gray(rgb) if is_gray else rgb
    if alpha is None:
        return np.ascontiguousarray(pixels)
    if alpha.shape != rgb.shape[:2]:
        alpha = np.asarray(cv2.resize(alpha, rgb.shape[1::-1], interpolation=cv2.INTER_AREA), rgb.dtype)
    return np.dstack([pixels, alpha])


def encode_png(
    pixels: Pixels, icc_profile: bytes | None, name: str, metadata: Metadata = NOTHING, level: int = 6
) -> tuple[bytes, list[str]]:
    """A PNG file, and notes on what it could not hold.

    pixels: (H,W) or (H,W,2|3|4) uint8 or uint16. icc_profile: as a file holds it, or None. name: for the
    notes. metadata: EXIF, XMP and texts. `level` is zlib's: 2 takes a quarter of the time of 6 for a tenth
    more bytes.
    """
    options: dict[str, Any] = {"pnginfo": _texts(metadata), "compress_level": level, **_given(metadata)}
    options.pop("xmp", None)
    if pixels.dtype == np.uint8 or pixels.ndim == 2:
        return _save(pixels, icc_profile, name, "PNG", **options), []
    # neither library writes 16-bit grey with alpha, so its grey is repeated; OpenCV wants blue first
    order = {2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]
    data = cv2.imencode(".png", pixels[..., order])[1].tobytes()
    header = 33  # signature and IHDR, which all that a file says besides pixels may follow
    said = _save(np.zeros((1, 1), np.uint8), icc_profile, name, "PNG", **options)
    return data[:header] + said[header : said.index(b"IDAT") - 4] + data[header:], []


def encode_tiff(
    pixels: Pixels, icc_profile: bytes | None, name: str, metadata: Metadata = NOTHING
) -> tuple[bytes, list[str]]:
    if pixels.dtype == np.uint8 or pixels.ndim == 2:
        options = _given(metadata)
        if xmp := options.pop("xmp", None):
            exif = Image.Exif()
            exif.load(metadata.exif or b"")
            exif[700] = xmp
            options["exif"] = exif.tobytes()
        # Pillow cannot compress what has the camera's part of EXIF
        options |= {} if metadata.exif else {"compression": "tiff_adobe_deflate"}
        return _save(pixels, icc_profile, name, "TIFF", **options), metadata.but("TIFF", "dpi", "exif", "xmp")
    import tifffile

    if pixels.shape[2] == 2:
        pixels = pixels[..., [0, 0, 0, 1]]
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        pixels,
        photometric="rgb",
        extrasamples=["unassalpha"] if pixels.shape[2] == 4 else None,
        compression="zlib",
        iccprofile=icc_profile,
        metadata=None,
        resolution=metadata.dpi,
        resolutionunit="INCH" if metadata.dpi else None,
        extratags=[(700, 1, len(metadata.xmp), metadata.xmp, True)] if metadata.xmp else None,
    )
    return file.getvalue(), metadata.but("TIFF of 16 bits", "dpi", "xmp")


def encode_webp(
    pixels: Pixels, icc_profile: bytes | None, name: str, metadata: Metadata = NOTHING
) -> tuple[bytes, list[str]]:
    if pixels.dtype != np.uint8:
        raise InputError(f"{name}: expected a format for 16 bits (.png or .tif), got WebP, which has 8")
    # `exact` keeps the colour of transparent pixels
    options = _given(metadata, "exif", "xmp")
    data = _save(pixels, icc_profile, name, "WEBP", lossless=True, exact=True, **options)
    return data, metadata.but("WebP", "exif", "xmp")


def encode_bmp(
    pixels: Pixels, icc_profile: bytes | None, name: str, metadata: Metadata = NOTHING
) -> tuple[bytes, list[str]]:
    if pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise InputError(f"{name}: expected a format for 16 bits and alpha (.png or .tif), got BMP")
    lost = ["BMP cannot hold the ICC profile"] if icc_profile else []
    return _save(pixels, None, name, "BMP", **_given(metadata, "dpi")), lost + metadata.but("BMP", "dpi")


def encode_jpeg(
    pixels: Pixels, icc_profile: bytes | None, name: str, metadata: Metadata = NOTHING
) -> tuple[bytes, list[str]]:
    notes = ["JPEG is lossy: known pixels change too; .png keeps them"]
    if pixels.dtype == np.uint16:
        notes.append("JPEG has 8 bits: 16 were rounded")
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        notes.append("JPEG has no alpha: it was left out")
        pixels = pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3]
    short = metadata.short()
    kept = ["dpi", *(field for field in ("exif", "xmp") if getattr(short, field))]
    data = _save(to_8bit(pixels), icc_profile, name, "JPEG", quality=95, subsampling=0, **_given(short))
    return data, notes + metadata.but("JPEG", *kept)


def encode_gif(frames: Sequence[Pixels], seconds_per_frame: float) -> bytes:
    """An endless animation of (H,W,3) uint8 pictures of one size, each with a palette of its own.

    frames: at least one. seconds_per_frame: GIF counts hundredths.
    """
    file = io.BytesIO()
    first, *rest = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    duration_ms = round(1000 * seconds_per_frame)
    first.save(file, "GIF", save_all=True, append_images=rest, duration=duration_ms, loop=0)
    return file.getvalue()


def _given(metadata: Metadata, *fields: str) -> dict[str, Any]:
    """What Pillow's `save` takes of the metadata, or of some fields of it."""
    found = {field: getattr(metadata, field) for field in fields or ("dpi", "exif", "xmp")}
    return {field: value for field, value in found.items() if value}


def _texts(metadata: Metadata) -> PngImagePlugin.PngInfo:
    """PNG's texts, XMP among them."""
    texts = PngImagePlugin.PngInfo()
    for keyword, text in metadata.text:
        texts.add_text(keyword, text)
    if metadata.xmp:
        texts.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
    return texts


def _save(pixels: Pixels, icc_profile: bytes | None, name: str, format: str, **options: Any) -> bytes:
    """The bytes of a file that Pillow writes."""
    file = io.BytesIO()
    if icc_profile:
        options["icc_profile"] = icc_profile
    height, width = pixels.shape[:2]
    if max(height, width) > (max_px := _MAX_PX.get(format, 2**31)):
        raise InputError(
            f"{name}: expected at most {max_px} px a side for {format}, got {width}x{height}; "
            "choose another format"
        )
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format, **options)
    return file.getvalue()


ENCODERS: dict[str, tuple[str, Encoder]] = {
    ".png": ("PNG", encode_png),
    ".tif": ("TIFF", encode_tiff),
    ".tiff": ("TIFF", encode_tiff),
    ".webp": ("WebP", encode_webp),
    ".bmp": ("BMP", encode_bmp),
    ".jpg": ("JPEG", encode_jpeg),
    ".jpeg": ("JPEG", encode_jpeg),
}


def to_gray(rgb: Pixels) -> Pixels:
    """(H,W) luminance of (H,W,3), rounded; equal channels give back exactly their value."""
    return np.asarray(cv2.transform(rgb, np.array([[0.2125, 0.7154, 0.0721]])), rgb.dtype)
