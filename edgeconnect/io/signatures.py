"""What a file is, by its first bytes: suffixes lie."""

from __future__ import annotations

import re

READABLE = "JPEG, PNG, WebP, TIFF, BMP, GIF, JPEG 2000, AVIF or PPM"
_SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|II\*\0|MM\0\*|II\+\0|MM\0\+|BM....\0\0\0\0|GIF8[79]a"
    rb"|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51|....ftyp(?:avi[fs]|mif1|msf1)|P[1-6]\s",
    re.DOTALL,
)
# pictures by content too, but of kinds that have to be converted first: they are refused by their name
_REFUSED = re.compile(
    rb"(?P<HEIC>....ftyphe[ivc])|(?P<OpenEXR>v/1\x01)|(?P<Radiance_HDR>#\?(?:RADIANCE|RGBE))", re.DOTALL
)


def looks_like_image(head: bytes) -> bool:
    """Whether a file's first 32 bytes are a picture's, also of a kind that is refused when it is read."""
    return bool(_SIGNATURES.match(head) or _REFUSED.match(head))


def is_heic(head: bytes) -> bool:
    """Whether a file's first 32 bytes are those of HEIC, as phones write it."""
    return bool(re.match(rb"....ftyp(?:he[iv]|mif1)", head, re.DOTALL)) and not _is_avif(head)


def _is_avif(head: bytes) -> bool:
    return b"avif" in head[8:]


def kind(head: bytes) -> str:
    """What a file with these first 32 bytes is, in words, when Pillow does not open it."""
    if not head:
        return "an empty file"
    if is_heic(head):
        return "HEIC: pip install 'edgeconnect[heic]' to read it, or convert it to PNG"
    if refused := _REFUSED.match(head):
        return f"{(refused.lastgroup or '').replace('_', ' ')}: convert it to PNG first"
    if head[:2] in (b"II", b"MM") and _SIGNATURES.match(head):
        return "a damaged TIFF or one with float or unusual channels"
    return "a damaged one" if _SIGNATURES.match(head) else "a file of another kind"
