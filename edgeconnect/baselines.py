"""Inpainters behind one call, `(photo, mask) -> photo`: classical ones, EdgeConnect, LaMa, anyone's.

photo (H,W,3) uint8, mask (H,W) bool, True = hole -> (H,W,3) uint8 with the known pixels as they were.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeconnect.errors import InputError
from edgeconnect.images import list_images, read_rgb

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Inpainter = Callable[[Rgb, Mask], Rgb]

_CLASSICAL_RADIUS_PX = 3
_LAMA_MULTIPLE_PX = 8


def telea(photo: Rgb, mask: Mask) -> Rgb:
    """Telea's fast marching (2004), OpenCV's, radius 3."""
    return np.asarray(cv2.inpaint(photo, mask.astype(np.uint8), _CLASSICAL_RADIUS_PX, cv2.INPAINT_TELEA))


def navier_stokes(photo: Rgb, mask: Mask) -> Rgb:
    """Bertalmio et al.'s Navier-Stokes flow (2001), OpenCV's, radius 3."""
    return np.asarray(cv2.inpaint(photo, mask.astype(np.uint8), _CLASSICAL_RADIUS_PX, cv2.INPAINT_NS))


def biharmonic(photo: Rgb, mask: Mask) -> Rgb:
    """The smoothest surface through the hole's rim, scikit-image's (Damelin & Hoang, 2018)."""
    from skimage.restoration import inpaint_biharmonic

    return _rgb(inpaint_biharmonic(photo, mask, channel_axis=-1))


class Lama:
    """LaMa (Suvorov et al., 2022) from a TorchScript file, such as the published big-lama.pt.

    The file's module takes a photo (1,3,H,W) in [0,1] and a mask (1,1,H,W), 1 = hole, whose sides are
    multiples of 8, and gives (1,3,H,W) in [0,1]. Errors: a file that is no TorchScript.
    """

    def __init__(self, file: Path, device: str = "auto") -> None:
        import torch

        from edgeconnect.runtime import choose_device

        self._device = choose_device(device)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # PyTorch moves on, the published file stays
                self._network = torch.jit.load(str(file), map_location=self._device).eval()  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{file}: expected a TorchScript file: {str(error).splitlines()[0]}") from error

    def __call__(self, photo: Rgb, mask: Mask) -> Rgb:
        """Fill the hole; the sides are reflected up to the next multiple of 8."""
        import torch

        bottom, right = (-side % _LAMA_MULTIPLE_PX for side in mask.shape)
        padded = np.pad(photo, ((0, bottom), (0, right), (0, 0)), mode="symmetric")
        hole = np.pad(mask, ((0, bottom), (0, right)), mode="symmetric")
        inputs = padded.transpose(2, 0, 1).astype(np.float32) / 255, hole[None].astype(np.float32)
        with torch.inference_mode():
            output = self._network(*(torch.from_numpy(x)[None].to(self._device) for x in inputs))
        picture = output[0].permute(1, 2, 0).float().cpu().numpy()[: photo.shape[0], : photo.shape[1]]
        return _rgb(picture)


@dataclass(frozen=True)
class ResultsFolder:
    """What another tool made of the same photos and masks: its files by name."""

    files: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path) -> ResultsFolder:
        """The pictures in a folder by their paths below it without the suffix."""
        return cls(
            {path.relative_to(folder).with_suffix("").as_posix(): path for path in list_images(folder)}
        )

    def picture(self, name: str) -> Rgb:
        """The result of that name. Errors: there is none."""
        if name not in self.files:
            raise InputError(f"expected a result named {name}, got none among {len(self.files)} files")
        return read_rgb(self.files[name])


def by_name(spec: str, device: str = "auto") -> tuple[str, Inpainter | ResultsFolder]:
    """An inpainter and its name in tables, from `KIND`, `KIND:VALUE` or `KIND:NAME=VALUE`.

    telea, ns, biharmonic; edgeconnect[:WEIGHTS], edgeconnect-without-edges[:WEIGHTS]; lama:FILE; folder:DIR;
    and `module:callable` for any other on Python's path. Errors: what does not exist.
    """
    kind, _, rest = spec.partition(":")
    name, named, value = rest.partition("=")
    if not named:
        name, value = "", rest
    if kind in _CLASSICAL and not rest:
        return kind, _CLASSICAL[kind]
    if kind in _BUILDERS:
        return name or kind, _BUILDERS[kind](value, device)
    if rest:
        return spec, _imported(kind, rest)
    raise InputError(
        f"expected an inpainter ({', '.join([*_CLASSICAL, *_BUILDERS])} or module:callable), got {spec!r}"
    )


def fill(inpainter: Inpainter, photo: Rgb, mask: Mask) -> Rgb:
    """The hole filled by an inpainter that is not shown what is in it; known pixels as they were.

    Errors: an inpainter that returns anything but the photo's shape in uint8.
    """
    shown = photo.copy()
    shown[mask] = 255
    filled = inpainter(shown, mask.copy())
    if not isinstance(filled, np.ndarray) or filled.shape != photo.shape or filled.dtype != np.uint8:
        got = f"{filled.shape} {filled.dtype}" if isinstance(filled, np.ndarray) else type(filled).__name__
        raise InputError(f"expected {photo.shape} uint8 from the inpainter, got {got}")
    result = photo.copy()
    result[mask] = filled[mask]
    return result


def _rgb(picture: NDArray[Any]) -> Rgb:
    """[0,1] to uint8."""
    return np.asarray(np.clip(np.rint(picture * 255), 0, 255), np.uint8)


def _edgeconnect(weights: str, device: str) -> Inpainter:
    from edgeconnect.inpaint import EdgeConnect

    model = EdgeConnect.load(weights or None, device=device)
    return lambda photo, mask: np.asarray(model.inpaint(photo, mask), np.uint8)


def _without_edges(weights: str, device: str) -> Inpainter:
    from edgeconnect.inpaint import EdgeConnect

    model = EdgeConnect.load(weights or None, device=device)
    return lambda photo, mask: np.asarray(model.inpaint(photo, mask, np.zeros(mask.shape, bool)), np.uint8)


def _imported(module: str, attribute: str) -> Inpainter:
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"expected an inpainter {module}:{attribute}: {error}") from error
    if not callable(found):
        raise InputError(f"expected a callable {module}:{attribute}, got {type(found).__name__}")
    inpainter: Inpainter = found
    return inpainter


_CLASSICAL: Mapping[str, Inpainter] = {"telea": telea, "ns": navier_stokes, "biharmonic": biharmonic}
_BUILDERS: Mapping[str, Callable[[str, str], Inpainter | ResultsFolder]] = {
    "edgeconnect": _edgeconnect,
    "edgeconnect-without-edges": _without_edges,
    "lama": lambda file, device: Lama(Path(file), device),
    "folder": lambda folder, _: ResultsFolder.of(Path(folder)),
}
