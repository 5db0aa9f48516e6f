"""The last photos that clients sent, by the hash of their files: an edit need not upload its photo again."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeconnect.io.images import Photo


class UnknownPhotoError(LookupError):
    """A photo that is not (or no longer) kept."""


class PhotoStore:
    """Decoded photos up to a number of bytes, the least recently used leaving first; not thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        """max_bytes: of pixels; a single photo may be larger and stays until the next one comes."""
        self._max_bytes = max_bytes
        self._photos: OrderedDict[str, Photo] = OrderedDict()

    def keep(self, name: str, photo: Photo) -> None:
        """Add a photo and let go of others where there are too many."""
        self._photos[name] = photo
        self._photos.move_to_end(name)
        while len(self._photos) > 1 and sum(map(_bytes, self._photos.values())) > self._max_bytes:
            self._photos.popitem(last=False)

    def get(self, name: str) -> Photo:
        """The photo of that name; raises UnknownPhotoError."""
        if name not in self._photos:
            raise UnknownPhotoError(name)
        self._photos.move_to_end(name)
        return self._photos[name]

    def __contains__(self, name: str) -> bool:
        return name in self._photos


def _bytes(photo: Photo) -> int:
    return photo.rgb.nbytes + (0 if photo.alpha is None else photo.alpha.nbytes)
