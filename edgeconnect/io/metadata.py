"""What a picture's file says besides pixels and colours: resolution, EXIF, XMP, texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL.Image import Exif

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))[2-8]')
# tags of a TIFF about how its own pixels are stored, and ICC and XMP, which are kept apart
_STORAGE = frozenset((*range(254, 260), 262, 266, 273, *range(277, 282), 284, *range(288, 294), 297, 301,
                      *range(317, 349), 512, *range(513, 522), *range(529, 533),
                      700, 34377, 34675))  # fmt: skip
_EXIF_MAX_BYTES = 65_000  # of JPEG's segments
_STALE = ("Raw profile type", "XML:com.adobe.xmp")  # ImageMagick's copies of EXIF and ICC; XMP is kept apart


@dataclass(frozen=True)
class Metadata:
    """dpi: pixels an inch across and down; exif, xmp: as in files, but upright; text: PNG's, by keyword."""

    dpi: tuple[float, float] | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    text: tuple[tuple[str, str], ...] = ()

    def but(self, format: str, *kept: str) -> list[str]:
        """A note on what is there and would be left out in a format that holds the fields `kept`."""
        names = {"dpi": "the resolution", "exif": "EXIF", "xmp": "XMP", "text": "texts"}
        lost = [what for field, what in names.items() if field not in kept and getattr(self, field)]
        return [f"{format} cannot hold {' and '.join(lost)} here: left out"] if lost else []

    def short(self) -> Metadata:
        """Without EXIF and XMP that are too long for a JPEG."""
        exif, xmp = (x if x and len(x) <= _EXIF_MAX_BYTES else None for x in (self.exif, self.xmp))
        return Metadata(self.dpi, exif, xmp, self.text)


NOTHING = Metadata()


def of(image: Image) -> Metadata:
    """What Pillow found in an opened file; EXIF and XMP say upright.

    An EXIF thumbnail is left out: it would still show what was in a hole. Raises what Pillow raises on
    damaged EXIF.
    """
    info, exif = image.info, Exif()
    exif.load(image.getexif().tobytes())  # a copy: Pillow turns a TIFF by its own
    if image.format == "TIFF":
        for tag in set(exif) & _STORAGE:
            del exif[tag]
    if _ORIENTATION in exif:
        exif[_ORIENTATION] = 1
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    return Metadata(
        _dpi(info.get("dpi")),
        exif.tobytes() if len(exif) else None,
        _XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if isinstance(xmp, bytes) else None,
        tuple(_texts(image)),
    )


def _texts(image: Image) -> list[tuple[str, str]]:
    """PNG's texts, and the one comment of other formats."""
    texts = getattr(image, "text", None) or {}
    found = [(keyword, str(text)) for keyword, text in texts.items() if not keyword.startswith(_STALE)]
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        comment = comment.decode("utf-8", "replace")
    return [*found, ("Comment", comment)] if comment else found


def _dpi(value: Any) -> tuple[float, float] | None:
    try:
        x, y = (float(number) for number in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None
