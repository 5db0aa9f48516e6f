"""Inpainters behind one call, `(photo, mask) -> photo`: classical ones, EdgeConnect, LaMa, anyone's.

photo (H,W,3) uint8, mask (H,W) bool, True = hole -> (H,W,3) uint8 with the known pixels as they were.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray

from edgeconnect.errors import InputError
from edgeconnect.inpainters.base import Inpainter, ResultsFolder, Rgb
from edgeconnect.inpainters.classical import biharmonic, navier_stokes, telea
from edgeconnect.inpainters.edgeconnect import EdgeConnect
from edgeconnect.inpainters.lama import Lama
from edgeconnect.inpainters.single_image import BUDGET_SECONDS, InGAN, parse_seconds
from edgeconnect.models.weights import find_weights
from edgeconnect.provenance import content_hash, file_hash


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


def _bytes(picture: NDArray[Any]) -> Rgb:
    return np.asarray(picture, np.uint8)


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
    package = Path(__file__).parents[1]
    sources = [
        path for room in ("patches", "ingan", "inpainters") for path in sorted((package / room).glob("*.py"))
    ]
    code, networks = content_hash(sources, package), file_hash(find_weights())
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
