"""How much one server does for its clients at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that keep a server answering and its memory small; see each field."""

    upload_bytes: int = 100 * 2**20  # of one request, all its files together
    upload_seconds: float = 60  # until a request has arrived whole
    pixels: int = 64_000_000  # of one picture: what phones take; more is refused before decoding
    uploads: int = 64  # requests that arrive at the same time; one more is told that the server is busy
    places: int = 8  # requests that wait or compute; likewise
    seconds: float = 120  # for one request, waiting included
    kept_bytes: int = 512 * 2**20  # decoded photos that can be named again instead of uploaded
    single_places: int = 2  # fills from the photo alone, besides `places`: one computes, one waits
    single_seconds: int = 120  # the longest budget of a fill; from the photo alone it may take `seconds` more
    hole_pixels: int = 16_000_000  # of a hole with the surroundings that any inpainter looks at
    patch_pixels: int = 16_000_000  # of a hole with the surroundings that patches are taken from: some 1.6 GB
