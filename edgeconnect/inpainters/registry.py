"""Inpainters by name: `get("telea")(photo, mask)`. A new one is a file of this package and a line here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from edgeconnect.errors import InputError
from edgeconnect.inpainters.base import Method, ResultsFolder
from edgeconnect.provenance import content_hash, file_hash, versions
from edgeconnect.types import Inpainter, Mask, Rgb

PLAIN: Mapping[str, str] = {
    "telea": "classical:telea",
    "ns": "classical:navier_stokes",
    "biharmonic": "classical:biharmonic",
}
"""Names of functions `(photo, mask) -> photo`: the module of this package and the function's name in it."""


def get(name: str, device: str = "auto") -> Inpainter:
    """The inpainter of that name, loaded: see `find`."""
    return find(name, device).load()


def find(name: str, device: str = "auto") -> Method:
    """The inpainter that `KIND`, `KIND:VALUE` or `KIND:NAME=VALUE` means; NAME is what to call it.

    name: telea, ns, biharmonic; edgeconnect[:WEIGHTS], the same -without-edges or its -networks alone;
    patches[:TIME]; lama:FILE; folder:DIR; where they are installed pypatchmatch[:RADIUS], gmic,
    opencv-shiftmap, opencv-fsr; or `module:callable` for any other on Python's path.
    Raises InputError where there is no such inpainter or file.
    device: as `device.choose_device` takes it, for those that compute on one.
    """
    check_kind(name)
    kind, _, rest = name.partition(":")
    label, named, value = rest.partition("=")
    if not named:
        label, value = "", rest
    if kind in PLAIN and not rest:
        return _plain(kind)
    if kind in WITH_VALUE:
        origin, load = WITH_VALUE[kind](value, device)
        return Method(label or kind, origin, load)
    return _imported(kind, rest)


def check_kind(name: str) -> None:
    """Raise InputError where `find` knows nothing of this kind; nothing is imported or looked for.

    name: as for `find`.
    """
    kind, _, value = name.partition(":")
    if kind in PLAIN or kind in WITH_VALUE or value:
        return
    near = difflib.get_close_matches(name, names(), 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"expected an inpainter ({', '.join(names())} or module:callable), got {name!r}{meant}")


def names() -> list[str]:
    """All kinds, those first that need no value."""
    return [*PLAIN, *WITH_VALUE]


def _plain(name: str) -> Method:
    module_name, _, attribute = PLAIN[name].partition(":")
    module = import_module(f"edgeconnect.inpainters.{module_name}")
    code, libraries = file_hash(Path(str(module.__file__))), versions()
    used = ", ".join(f"{key} {libraries[key]}" for key in ("opencv-python-headless", "scikit-image"))
    return Method(name, f"{code}, {used}", lambda: getattr(module, attribute))


def _edgeconnect(
    value: str, device: str, *, edges: bool = True, texture: float = 1.0
) -> tuple[str, Callable[[], Inpainter]]:
    from edgeconnect.models.weights import find_weights

    weights = find_weights(value or None)

    def load() -> Inpainter:
        from edgeconnect.inpainters.edgeconnect import EdgeConnect

        model = EdgeConnect.load(weights, device=device)

        def inpaint(photo: Rgb, mask: Mask) -> Rgb:
            given = None if edges else np.zeros(mask.shape, bool)
            return np.asarray(model.inpaint(photo, mask, given, texture=texture), np.uint8)

        return inpaint

    return file_hash(weights), load


def _lama(value: str, device: str) -> tuple[str, Callable[[], Inpainter]]:
    file = Path(value)
    if not file.is_file():
        raise InputError(f"lama: expected a file, got nothing at {file}")

    def load() -> Inpainter:
        from edgeconnect.inpainters.lama import Lama

        return Lama(file, device)

    return file_hash(file), load


def _folder(value: str, device: str) -> tuple[str, Callable[[], Inpainter]]:
    results = ResultsFolder.of(Path(value))
    return content_hash(results.files.values(), Path(value)), lambda: results


def _single_image(value: str, device: str) -> tuple[str, Callable[[], Inpainter]]:
    """The photo's own patches alone, for at most a time (20s, 2m, ...) or for as long as it takes."""
    from edgeconnect.inpainters.single_image import SingleImage, parse_seconds

    inpainter = SingleImage(budget_seconds=parse_seconds(value) if value else None, device=device)
    package = Path(__file__).parents[1]
    sources = [path for room in ("patches", "inpainters") for path in (package / room).glob("*.py")]
    origin = f"{content_hash(sources, package)}, {value or 'no limit'}"
    return origin, lambda: lambda photo, mask: np.asarray(inpainter(photo, mask), np.uint8)


def _imported(module_name: str, attribute: str) -> Method:
    """A user's own; its module's source stands for what it depends on."""
    try:
        module = import_module(module_name)
        inpainter: Any = getattr(module, attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"expected an inpainter {module_name}:{attribute}: {error}") from error
    if not callable(inpainter):
        raise InputError(f"expected a callable {module_name}:{attribute}, got {type(inpainter).__name__}")
    origin = file_hash(Path(module.__file__)) if module.__file__ else ""
    return Method(f"{module_name}:{attribute}", origin, lambda: inpainter)


def _peer(value: str, device: str, *, make: str, argument: str = "") -> tuple[str, Callable[[], Inpainter]]:
    """Another program that is used where it is installed; a value is PyPatchMatch's radius."""
    from edgeconnect.inpainters import peers

    if make == "pypatchmatch":
        if value and not (value.isdecimal() and 1 <= int(value) <= 50):
            raise InputError(f"pypatchmatch: expected a radius of 1 to 50 px, got {value!r}")
        return f"radius {value or 3}", lambda: peers.pypatchmatch(int(value or 3))
    return make, lambda: getattr(peers, make)(*([argument] if argument else []))


WITH_VALUE: Mapping[str, Callable[[str, str], tuple[str, Callable[[], Inpainter]]]] = {
    "edgeconnect": _edgeconnect,
    "edgeconnect-without-edges": partial(_edgeconnect, edges=False, texture=0.0),
    "edgeconnect-networks": partial(_edgeconnect, texture=0.0),
    "patches": _single_image,
    "pypatchmatch": partial(_peer, make="pypatchmatch"),
    "gmic": partial(_peer, make="gmic"),
    "opencv-shiftmap": partial(_peer, make="opencv_contrib", argument="shiftmap"),
    "opencv-fsr": partial(_peer, make="opencv_contrib", argument="fsr"),
    "lama": _lama,
    "folder": _folder,
}
"""Kinds that take a value (weights, a file, a time) and a device: their origin, and what loads them."""
