"""Where a training item's hole comes from: drawn kinds and folders of mask files, mixed evenly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edgeconnect.errors import InputError
from edgeconnect.io.paths import PathList
from edgeconnect.masks import repair, shapes
from edgeconnect.masks.kinds import KINDS
from edgeconnect.masks.repair import Polarity
from edgeconnect.types import Mask

if TYPE_CHECKING:
    from collections.abc import Sequence

Source = Callable[[Generator, int, int], NDArray[np.bool_]]
"""(rng, height, width) -> mask (H,W), True = hole."""

_NOTED = 16  # files that a note looks at


@dataclass(frozen=True)
class MaskMix:
    """Holes from several sources, each as likely as the others."""

    sources: tuple[Source, ...]

    @staticmethod
    def parse(
        kinds: Sequence[str], ratio: tuple[float, float] = (0.0, 0.6), polarity: Polarity = "white"
    ) -> MaskMix:
        """A mix from names (`KINDS`) and folders of mask files.

        ratio: hole ratio of boxes and strokes; polarity: what is hole in the files. InputError for a name
        that is neither, an empty folder and an empty mix.
        kinds: names of KINDS and folders.
        """
        if not kinds:
            raise InputError(f"expected masks: any of {', '.join(KINDS)} or folders of mask files, got none")
        return MaskMix(tuple(_source(kind, ratio, polarity) for kind in kinds))

    def draw(self, rng: Generator, height: int, width: int) -> NDArray[np.bool_]:
        """One hole: (height, width) bool, True = hole.

        rng: decides all of it. height, width: in px.
        """
        return self.sources[int(rng.integers(len(self.sources)))](rng, height, width)

    def notes(self) -> list[str]:
        """A sentence on each folder: how much of its masks is hole tells a wrong polarity."""
        return [source.note() for source in self.sources if isinstance(source, MaskFiles)]


@dataclass(frozen=True)
class MaskFiles:
    """Mask files at random, in one of 4 rotations x mirror, at the size that is asked for."""

    paths: PathList
    polarity: Polarity

    def note(self) -> str:
        """How many files there are, and the mean hole ratio of some of them."""
        some = self.paths.select(np.unique(np.linspace(0, len(self.paths) - 1, _NOTED).astype(int)).tolist())
        holes = [repair.read_mask(path, None, self.polarity)[0].mean() for path in some]
        mean = float(np.mean(holes))
        doubt = "; is the other colour the hole? (--mask-polarity)" if mean > 0.5 else ""
        return f"{len(self.paths)} masks in {self.paths.root}, {self.polarity} is the hole: {mean:.0%}{doubt}"

    def __call__(self, rng: Generator, height: int, width: int) -> NDArray[np.bool_]:
        """(height, width) bool; InputError names a file that is broken or without any hole."""
        path = self.paths[int(rng.integers(len(self.paths)))]
        mask, _ = repair.read_mask(path, (height, width), self.polarity)
        if not mask.any():
            raise InputError(f"{path}: expected a mask with a hole ({self.polarity} pixels), got one without")
        return shapes.augment(rng, mask)


def _source(kind: str, ratio: tuple[float, float], polarity: Polarity) -> Source:
    if kind in KINDS:
        return partial(_drawn, kind, ratio)
    if not Path(kind).is_dir():
        raise InputError(f"masks: expected {', '.join(KINDS)} or a folder of mask files, got {kind!r}")
    files = PathList.from_folder(Path(kind))
    if not len(files):
        raise InputError(f"{kind}: expected a folder of mask files, got one without any picture")
    return MaskFiles(files, polarity)


def _drawn(kind: str, ratio: tuple[float, float], rng: Generator, height: int, width: int) -> Mask:
    return KINDS[kind](rng, height, width, ratio)
