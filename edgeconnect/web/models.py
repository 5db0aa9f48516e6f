"""The weights and inpainters a client may choose from, by name; no path ever comes from a client."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from edgeconnect.errors import InputError
from edgeconnect.inpainters import find
from edgeconnect.inpainters.edgeconnect import EdgeConnect
from edgeconnect.io.atomic import real_path
from edgeconnect.models.weights import SHIPPED, find_weights, shipped_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from edgeconnect.device import Precision
    from edgeconnect.types import Inpainter


NETWORKS = "edgeconnect"
INPAINTERS = ("telea", "ns", "biharmonic")
"""Which ones every page offers besides the networks: they need no files."""


class Models:
    """Weights by name, loaded when first asked for, the last few kept."""

    def __init__(
        self,
        files: Mapping[str, Path],
        *,
        device: str = "auto",
        precision: Precision = "auto",
        kept: int = 2,
        inpainters: Sequence[str] = (),
    ) -> None:
        """files: weights files by name; the first is the default. kept: how many of them stay loaded.

        inpainters: further ones than the networks and INPAINTERS, as `inpainters.find` takes them; raises
        InputError where one does not exist.
        """
        self._methods = {
            method.name: method for method in (find(x, device) for x in (*INPAINTERS, *inpainters))
        }
        self._inpainters: dict[str, Inpainter] = {}
        self._files = dict(files)
        self.device, self._precision, self._kept = device, precision, kept
        self._loaded: OrderedDict[str, EdgeConnect] = OrderedDict()
        self.check_cancelled: Callable[[], None] = lambda: None  # called before each pass through a network

    @property
    def names(self) -> list[str]:
        """The names to choose from, the default first."""
        return list(self._files)

    @property
    def inpainters(self) -> list[str]:
        """The inpainters to choose from, the networks first."""
        return [NETWORKS, *self._methods]

    def inpainter(self, name: str) -> Inpainter:
        """One of `inpainters` but the networks, loaded when first asked for; raises InputError for others."""
        if name not in self._methods:
            raise InputError(f"inpainter: expected one of {', '.join(self.inpainters)}, got {name[:50]!r}")
        if name not in self._inpainters:
            self._inpainters[name] = self._methods[name].load()
        return self._inpainters[name]

    def get(self, name: str | None = None) -> EdgeConnect:
        """The model of that name, or the default; raises InputError for other names and unusable files."""
        name = self.names[0] if name is None else name
        if name not in self._files:
            raise InputError(f"weights: expected one of {', '.join(self.names)}, got {name!r}")
        if name not in self._loaded:
            self._loaded[name] = self._load(self._files[name])
        self._loaded.move_to_end(name)
        while len(self._loaded) > self._kept:
            self._loaded.popitem(last=False)
        return self._loaded[name]

    def _load(self, path: Path) -> EdgeConnect:
        model = EdgeConnect.load(path, device=self.device, precision=self._precision)
        _ = model.edge_generator, model.inpaint_generator  # both are needed: said now, not at the first fill
        model.check_cancelled = lambda: self.check_cancelled()
        return model


def by_name(sources: Sequence[str]) -> dict[str, Path]:
    """Weights files by a short name: those given, the first as the default, and those shipped.

    Without any given, the default is what `edgeconnect inpaint` uses. Raises InputError for what is not
    there.
    """
    paths = [find_weights(source) for source in sources] or [find_weights()]
    paths += [SHIPPED / f"{name}.safetensors" for name in shipped_names()]
    files: dict[str, Path] = {}
    for path in dict.fromkeys(real_path(path) for path in paths):
        name = base = path.parent.name if path.stem == "weights" else path.stem
        number = 2
        while name in files:
            name, number = f"{base}-{number}", number + 1
        files[name] = path
    return files
