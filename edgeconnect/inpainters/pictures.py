"""Pictures as people have them -> the arrays that an inpainter takes, and back to what was given."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image as Pillow

from edgeconnect.errors import InputError
from edgeconnect.io import images
from edgeconnect.io.encoders import as_stored
from edgeconnect.masks import repair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeconnect.types import Image, Mask

    GiveBack = Callable[[list[Image]], Any]

KINDS = "a path, a PIL image, an array (H,W[,C]) or (N,H,W,C), or a tensor (C,H,W) or (N,C,H,W)"
_DEEP = np.iinfo(np.uint16).max


def photos(given: Any) -> tuple[list[Image], GiveBack]:
    """The photos (H,W,3) of `given`, and a function that turns as many filled ones into what was given.

    given: KINDS; numbers are uint8, uint16, or floats in [0,1]; 1, 3 or 4 channels, the fourth of which,
    alpha, stays as it is. Floats are filled in 16 bits; their known pixels come back as they were. A path
    comes back as a PIL image, with 16 bits as an array (H,W,C). Raises InputError for anything else.
    """
    if isinstance(given, str | os.PathLike):
        return _of_file(Path(given))
    if isinstance(given, Pillow.Image):
        return _of_pillow(given)
    if isinstance(given, torch.Tensor):
        return _of_tensor(given)
    if isinstance(given, np.ndarray):
        return _of_array(given)
    raise InputError(f"photo: expected {KINDS}, got {type(given).__name__}")


def masks(given: Any, sizes: list[tuple[int, int]]) -> list[Mask]:
    """Masks (H,W) bool, True = hole, one for each photo of those sizes; one mask may be for all of them.

    given: as for photos, of one channel: bool, 0/1, 0/255 or floats; half of the largest value of its kind
    and more is hole. Files and PIL images are repaired as the command line does. Raises InputError otherwise.
    """
    if isinstance(given, str | os.PathLike):
        found = [repair.repair(images.read_raw(Path(given)), sizes[0])[0]]
    elif isinstance(given, Pillow.Image):
        found = [repair.repair(_pixels_of(given), sizes[0])[0]]
    elif isinstance(given, list | tuple):
        found = [mask for each in given for mask in masks(each, sizes[:1])]
    else:
        array = given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else given
        if not isinstance(array, np.ndarray):
            raise InputError(f"mask: expected {KINDS}, got {type(given).__name__}")
        found = [_is_hole(part) for part in _planes(array, sizes[0])]
    if len(found) == 1:
        found *= len(sizes)
    if len(found) != len(sizes):
        raise InputError(f"mask: expected one, or one for each of {len(sizes)} photos, got {len(found)}")
    return found


def _of_file(path: Path) -> tuple[list[Image], GiveBack]:
    photo = images.read_photo(path)

    def give_back(filled: list[Image]) -> Any:
        pixels = as_stored(filled[0], photo.is_gray, photo.alpha)
        return Pillow.fromarray(pixels) if pixels.dtype == np.uint8 else pixels

    return [photo.rgb], give_back


def _of_pillow(image: Pillow.Image) -> tuple[list[Image], GiveBack]:
    found, give_back = _of_array(_pixels_of(image))

    def as_image(filled: list[Image]) -> Pillow.Image:
        return Pillow.fromarray(give_back(filled))

    return found, as_image


def _pixels_of(image: Pillow.Image) -> NDArray[Any]:
    """A PIL image's own channels; palettes become colours, one bit 0/255."""
    if image.mode.startswith("I;16"):
        return np.asarray(image, np.uint16)
    mode = image.mode
    if mode == "P":
        mode = "RGBA" if "transparency" in image.info else "RGB"
    elif mode not in ("L", "LA", "RGB", "RGBA"):
        mode = "L" if mode == "1" else "RGB"
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _of_tensor(tensor: torch.Tensor) -> tuple[list[Image], GiveBack]:
    if tensor.ndim not in (3, 4) or tensor.shape[-3] not in (1, 3, 4):
        raise InputError(f"photo: expected a tensor (C,H,W) or (N,C,H,W), got {tuple(tensor.shape)}")
    batch = tensor if tensor.ndim == 4 else tensor[None]
    array = batch.detach().permute(0, 2, 3, 1).cpu()
    is_numpy_s = array.dtype in (torch.uint8, torch.float64)
    found, give_back = _of_array((array if is_numpy_s else array.float()).numpy())

    def as_tensor(filled: list[Image]) -> torch.Tensor:
        result = torch.from_numpy(np.ascontiguousarray(give_back(filled))).permute(0, 3, 1, 2)
        return result.reshape(tensor.shape).to(tensor.device, tensor.dtype)

    return found, as_tensor


def _of_array(array: NDArray[Any]) -> tuple[list[Image], GiveBack]:
    if array.ndim not in (2, 3, 4) or (array.ndim > 2 and array.shape[-1] not in (1, 2, 3, 4)):
        raise InputError(
            f"photo: expected (H,W), (H,W,C) or (N,H,W,C) with 1 to 4 channels, got {array.shape}"
        )
    batch = array if array.ndim == 4 else array.reshape(1, *array.shape[:2], -1)
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min(initial=0) < 0 or array.max(initial=0) > 1:
            raise InputError(f"photo: expected floats in [0,1], got {array.min():g} to {array.max():g}")
        whole: NDArray[Any] = np.rint(batch * np.float64(_DEEP)).astype(np.uint16)
    elif array.dtype in (np.uint8, np.uint16):
        whole = batch
    else:
        raise InputError(f"photo: expected uint8, uint16 or floats in [0,1], got {array.dtype}")
    colours = batch.shape[3] - (1 if batch.shape[3] in (2, 4) else 0)
    found = [
        np.ascontiguousarray(np.repeat(part[..., :1], 3, 2) if colours == 1 else part[..., :3])
        for part in whole
    ]

    def give_back(filled: list[Image]) -> NDArray[Any]:
        result = batch.copy()
        for own, before, after in zip(result, found, filled, strict=True):
            shown = after[..., :colours]
            if colours == 1 and (after != after[..., :1]).any():
                shown = as_stored(after, True, None)[..., None]
            new = (before != after).any(2)
            values = shown if whole is batch else shown / array.dtype.type(_DEEP)
            own[..., :colours][new] = values[new]
        return result.reshape(array.shape)

    return found, give_back


def _planes(array: NDArray[Any], size: tuple[int, int]) -> list[NDArray[Any]]:
    """The masks (H,W) in an array with an axis for the batch, the channel, or both, or neither."""
    if array.ndim < 2 or array.ndim > 4:
        raise InputError(f"mask: expected (H,W) or one for each photo, got {array.shape}")
    squeezed = array[..., 0] if array.ndim > 2 and array.shape[-1] == 1 and size[1] != 1 else array
    if squeezed.ndim == 4 and squeezed.shape[1] == 1:
        squeezed = squeezed[:, 0]
    if squeezed.ndim == 4:
        raise InputError(f"mask: expected one channel, got {array.shape}")
    return [squeezed] if squeezed.ndim == 2 else list(squeezed)


def _is_hole(values: NDArray[Any]) -> Mask:
    if values.dtype == np.bool_:
        return values
    if values.size and (not np.isfinite(values).all() or values.min() < 0):
        raise InputError(f"mask: expected values from 0 on, got {values.min():g}")
    top = values.max(initial=0)
    if np.issubdtype(values.dtype, np.floating) and top > 1:
        raise InputError(f"mask: expected floats in [0,1], got up to {top:g}")
    return np.asarray(values > (0.5 if top <= 1 else 127))
