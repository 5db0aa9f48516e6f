"""Inpainters behind one call, `(photo, mask) -> photo`: classical ones, EdgeConnect, LaMa, anyone's.

photo (H,W,3) uint8, mask (H,W) bool, True = hole -> (H,W,3) uint8 with the known pixels as they were.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import skimage
import torch
from numpy.typing import NDArray
from skimage.restoration import inpaint_biharmonic

from edgeconnect.errors import InputError
from edgeconnect.images import list_images, read_rgb
from edgeconnect.ingan.fill import BUDGET_SECONDS, InGAN, parse_seconds
from edgeconnect.inpaint import EdgeConnect
from edgeconnect.provenance import content_hash, file_hash
from edgeconnect.runtime import choose_device
from edgeconnect.weights import find_weights

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
    return _rgb(inpaint_biharmonic(photo, mask, channel_axis=-1))


class Lama:
    """LaMa (Suvorov et al., 2022) from a TorchScript file, such as the published big-lama.pt.

    The file's module takes a photo (1,3,H,W) in [0,1] and a mask (1,1,H,W), 1 = hole, whose sides are
    multiples of 8, and gives (1,3,H,W) in [0,1]. Errors: a file that is no TorchScript.
    """

    def __init__(self, file: Path, device: str = "auto") -> None:
        self._device = choose_device(device)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # PyTorch moves on, the published file stays
                self._network = torch.jit.load(str(file), map_location=self._device).eval()  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{file}: expected a TorchScript file: {str(error).splitlines()[0]}") from error

    def __call__(self, photo: Rgb, mask: Mask) -> Rgb:
        """Fill the hole; the sides are reflected up to the next multiple of 8."""
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


@dataclass(frozen=True)
class Entrant:
    """An inpainter by name; `origin`, a hash or a version, changes when results might; `load` readies it."""

    name: str
    origin: str
    load: Callable[[], Inpainter | ResultsFolder]


def by_name(spec: str, device: str = "auto") -> Entrant:
    """The inpainter that `KIND`, `KIND:VALUE` or `KIND:NAME=VALUE` means.

    telea, ns, biharmonic; patches, ingan[:TIME]; edgeconnect[:WEIGHTS], edgeconnect-without-edges[:WEIGHTS];
    lama:FILE; folder:DIR; and `module:callable` for any other on Python's path. Errors: what does not exist.
    """
    kind, _, rest = spec.partition(":")
    name, named, value = rest.partition("=")
    if not named:
        name, value = "", rest
    if kind in _CLASSICAL and not rest:
        inpainter, library = _CLASSICAL[kind]
        return Entrant(kind, f"{library.__name__} {library.__version__}", lambda: inpainter)
    if kind.startswith("edgeconnect") and kind in _LOADERS:
        return _from_file(kind, name, find_weights(value or None), device)
    if kind == "folder":
        results = ResultsFolder.of(Path(value))
        return Entrant(name or kind, content_hash(results.files.values(), Path(value)), lambda: results)
    if kind in _LOADERS:
        return _from_file(kind, name, Path(value), device)
    if kind in _SINGLE:
        return _single(kind, name, value, device)
    if rest:
        return _imported(kind, rest)
    names = ", ".join([*_CLASSICAL, *_SINGLE, *_LOADERS, "folder"])
    raise InputError(f"expected an inpainter ({names} or module:callable), got {spec!r}")


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


def _bytes(picture: NDArray[Any]) -> Rgb:
    return np.asarray(picture, np.uint8)


def _rgb(picture: NDArray[Any]) -> Rgb:
    """[0,1] to uint8."""
    return np.asarray(np.clip(np.rint(picture * 255), 0, 255), np.uint8)


def _from_file(kind: str, name: str, file: Path, device: str) -> Entrant:
    if not file.is_file():
        raise InputError(f"{kind}: expected a file, got nothing at {file}")
    return Entrant(name or kind, file_hash(file), lambda: _LOADERS[kind](file, device))


def _edgeconnect(weights: Path, device: str) -> Inpainter:
    model = EdgeConnect.load(weights, device=device)
    return lambda photo, mask: _bytes(model.inpaint(photo, mask))


def _without_edges(weights: Path, device: str) -> Inpainter:
    model = EdgeConnect.load(weights, device=device)
    return lambda photo, mask: _bytes(model.inpaint(photo, mask, np.zeros(mask.shape, bool)))


def _single(kind: str, name: str, value: str, device: str) -> Entrant:
    """The photo's own patches: matched alone, or refined for a time (20s, 2m, ...) or the default one."""
    if kind == "patches":
        inpainter = InGAN(iterations=0, device=device)
    else:
        inpainter = InGAN(parse_seconds(value) if value else BUDGET_SECONDS, device=device)
    sources = Path(__file__).parent / "ingan"
    code, networks = content_hash(sorted(sources.glob("*.py")), sources), file_hash(find_weights())
    origin = f"{code}, {networks}, {inpainter.budget_seconds:g} s"
    return Entrant(
        name or kind, origin, lambda: lambda photo, mask: np.asarray(inpainter(photo, mask), np.uint8)
    )


def _imported(module_name: str, attribute: str) -> Entrant:
    """A user's own; its module's source stands for what it depends on."""
    try:
        module = importlib.import_module(module_name)
        inpainter: Inpainter = getattr(module, attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"expected an inpainter {module_name}:{attribute}: {error}") from error
    if not callable(inpainter):
        raise InputError(f"expected a callable {module_name}:{attribute}, got {type(inpainter).__name__}")
    origin = file_hash(Path(module.__file__)) if module.__file__ else ""
    return Entrant(f"{module_name}:{attribute}", origin, lambda: inpainter)


_CLASSICAL: Mapping[str, tuple[Inpainter, ModuleType]] = {
    "telea": (telea, cv2),
    "ns": (navier_stokes, cv2),
    "biharmonic": (biharmonic, skimage),
}
_SINGLE = ("patches", "ingan")
_LOADERS: Mapping[str, Callable[[Path, str], Inpainter]] = {
    "edgeconnect": _edgeconnect,
    "edgeconnect-without-edges": _without_edges,
    "lama": Lama,
}
