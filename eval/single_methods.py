"""What `eval.speed single` times: InGAN's step, the search for patches, a whole fill; plain and as shipped.

"Plain" is float32 without allocator settings, and patches compared by torch.cdist in all their numbers.
"""

from __future__ import annotations

import numpy as np
import torch
from skimage import data

from edgeconnect.ingan.config import make_single_config
from edgeconnect.ingan.trainer import SingleTrainer
from edgeconnect.inpainters.single_image import SingleImage
from edgeconnect.memory import keep_memory
from edgeconnect.patches import fill as patch_fill
from edgeconnect.patches.matching import PATCH_PX, PatchIndex, patches_touching
from eval.methods import Work

HOLE_PX = 64
_QUERIES_AT_ONCE = 1024


def iterating(preset: str, kind: str, side: int) -> Work:
    """A training iteration of a preset on a photo of `side` px; kind: "shipped" or "plain"."""
    if kind != "plain":
        keep_memory()
    given = {"photos": ["none"], "run": "none", "device": "cpu", "preset": preset}
    config = make_single_config(given | ({"precision": "float32"} if kind == "plain" else {}))
    photo = torch.from_numpy(data.astronaut()[:side, :side] / np.float32(127.5) - 1)
    trainer = SingleTrainer(config, [photo.permute(2, 0, 1)[None]], torch.device("cpu"))
    return trainer.train_step


def searching(kind: str, side: int) -> Work:
    """Every patch of a hole against all known ones; kind: "shipped" or "plain".

    The work returns the mean distance reached, of a pixel in [0,1].
    """
    keep_memory()
    photo, hole = photo_and_hole(side)
    picture, touches = torch.from_numpy(photo / np.float32(255)), patches_touching(torch.from_numpy(hole))
    queries = touches.flatten().nonzero()[:, 0]

    def work() -> np.ndarray:
        index = (PlainIndex if kind == "plain" else PatchIndex)(picture, (~touches).float())
        matches, _ = index.nearest(index.descriptors[queries])
        rows = _rows(picture)
        return (rows[queries] - rows[matches]).norm(dim=1).mean().numpy()

    return work


def comparisons(side: int) -> int:
    """How many patches a search compares."""
    touches = patches_touching(torch.from_numpy(photo_and_hole(side)[1]))
    return int(touches.sum()) * int((~touches).sum())


def patch_filling(kind: str, side: int) -> Work:
    """A hole filled by patches alone; kind: "shipped" or "plain"."""
    if kind == "plain":
        patch_fill.PatchIndex = PlainIndex
    else:
        keep_memory()
    photo, hole = photo_and_hole(side)

    def work() -> None:
        SingleImage(device="cpu")(photo, hole)

    return work


def photo_and_hole(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo of `side` px with a square hole in its middle."""
    hole = np.zeros((side, side), bool)
    corner = (side - HOLE_PX) // 2
    hole[corner : corner + HOLE_PX, corner : corner + HOLE_PX] = True
    return data.astronaut()[:side, :side], hole


class PlainIndex(PatchIndex):
    """A `PatchIndex` as it would be written without a thought of speed: all numbers of all patches."""

    def describe(self, picture: torch.Tensor, guide: torch.Tensor | None = None) -> torch.Tensor:
        """Every patch's colours and gradients."""
        rows = _rows(picture)
        return rows if guide is None else torch.cat((rows, guide.flatten(0, 1)), dim=1)

    def nearest(self, queries: torch.Tensor, alpha: float | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """By torch.cdist; what is partly known costs nothing here."""
        keys = self.descriptors[self.keys]
        parts = torch.split(queries, _QUERIES_AT_ONCE)
        matches = self.keys[torch.cat([torch.cdist(part, keys).argmin(1) for part in parts])]
        return matches, self.distances(queries, matches)


def _rows(picture: torch.Tensor) -> torch.Tensor:
    """Colours and differences of neighbours in every patch: (rows * columns, 399)."""
    planes = picture.permute(2, 0, 1).unfold(1, PATCH_PX, 1).unfold(2, PATCH_PX, 1)
    patches = planes.permute(1, 2, 0, 3, 4).flatten(0, 1)
    parts = (patches, patches.diff(dim=3), patches.diff(dim=2))
    return torch.cat([part.flatten(1) for part in parts], dim=1)
