"""Which photo goes with which mask or edge map: files paired by stem."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_MASK_ENDING = re.compile(r"[_-]mask[_-]?\d*$", re.IGNORECASE)
_PHOTO_ENDING = re.compile(r"[_-](?:input|image|photo)$", re.IGNORECASE)


def pair_by_stem(
    photos: Sequence[Path], masks: Sequence[Path], what: str = "mask"
) -> list[tuple[Path, Path]]:
    """Each photo with its mask: the file of the same stem, or STEM_mask, STEM-mask, STEM_mask001; what says
    of a photo that it is one (STEM_input, _image, _photo) does not count either.

    Where stems repeat, as in trees of folders, the path below the common folder decides. Raises InputError
    that names photos without a mask, masks without a photo, and two files with one stem; `what` is what to
    call the masks there.
    """
    by_tree = any(len({path.stem for path in paths}) < len(paths) for paths in (photos, masks))
    photo_of = _by_key(photos, "photos", by_tree, lambda key: key)
    named = {_PHOTO_ENDING.sub("", key): key for key in photo_of} | {key: key for key in photo_of}
    mask_of = _by_key(
        masks, f"{what}s", by_tree, lambda key: key if key in photo_of else _photo_key(key, named)
    )
    lone_photos = [photo_of[key] for key in photo_of.keys() - mask_of.keys()]
    lone_masks = [mask_of[key] for key in mask_of.keys() - photo_of.keys()]
    if lone_photos or lone_masks:
        article = "an" if what[0] in "aeiou" else "a"
        parts = [
            _named(f"photos without {article} {what}", lone_photos),
            _named(f"{what}s without a photo", lone_masks),
        ]
        raise InputError(f"expected one {what} for each photo, got {' and '.join(filter(None, parts))}")
    return [(photo, mask_of[key]) for key, photo in photo_of.items()]


def is_named_after(mask: Path, photo: Path) -> bool:
    """Whether `pair_by_stem` would pair them in flat folders."""
    names = {_PHOTO_ENDING.sub("", photo.stem): photo.stem, photo.stem: photo.stem}
    return photo.stem in (mask.stem, _photo_key(mask.stem, names))


def is_mask_name(path: Path) -> bool:
    """Whether a file's name says that it is a mask.

    path: of which the stem counts.
    """
    return bool(_MASK_ENDING.search(path.stem))


def _by_key(paths: Sequence[Path], what: str, by_tree: bool, rename: Callable[[str], str]) -> dict[str, Path]:
    """Files by stem, or by their path below the common folder; InputError for two files with one key."""
    root = os.path.commonpath([path.parent for path in paths]) if paths else ""
    found: dict[str, Path] = {}
    for path in paths:
        key = rename(path.relative_to(root).with_suffix("").as_posix() if by_tree else path.stem)
        if key in found:
            raise InputError(f"expected {what} with one stem each, got {found[key]} and {path}")
        found[key] = path
    return found


def _photo_key(key: str, photos: Mapping[str, str]) -> str:
    """The photo's key that a mask's stands for; photos: their keys by these without their ending."""
    base = _MASK_ENDING.sub("", key)
    return photos.get(base, base)


def _named(what: str, paths: list[Path]) -> str:
    """How many files, with the first three by name; empty for none."""
    names = ", ".join(str(path) for path in sorted(paths)[:3])
    return f"{len(paths)} {what} ({names}{', ...' if len(paths) > 3 else ''})" if paths else ""
