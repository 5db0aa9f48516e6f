"""What `eval.speed single` times: InGAN's step, the search for patches, a whole fill; plain and as shipped.

"Plain" is float32 without allocator settings, and patches compared by torch.cdist in all their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from skimage import data

from edgeconnect.ingan.config import make_single_config
from edgeconnect.ingan.trainer import SingleTrainer
from edgeconnect.inpainters.single_image import InGAN
from edgeconnect.memory import keep_memory
from edgeconnect.patches import fill as patch_fill
from edgeconnect.patches import matching as patches
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
    picture, missing = torch.from_numpy(photo / np.float32(255)), torch.from_numpy(hole)
    queries, known = patches.touching(missing)

    def work() -> np.ndarray:
        finder = PlainKeys if kind == "plain" else patches.Keys
        found = finder(picture, known).nearest(picture, queries)
        return patches.distances(picture, queries, found).sqrt().mean().numpy()

    return work


def comparisons(side: int) -> int:
    """How many patches a search compares."""
    queries, known = patches.touching(torch.from_numpy(photo_and_hole(side)[1]))
    return len(queries) * len(known)


def patch_filling(kind: str, side: int) -> Work:
    """A hole filled by patch matching alone; kind: "shipped" or "plain"."""
    if kind == "plain":
        patch_fill.Keys = PlainKeys
    else:
        keep_memory()
    photo, hole = photo_and_hole(side)

    def work() -> None:
        InGAN(iterations=0, device="cpu")(photo, hole)

    return work


def photo_and_hole(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo of `side` px with a square hole in its middle."""
    hole = np.zeros((side, side), bool)
    corner = (side - HOLE_PX) // 2
    hole[corner : corner + HOLE_PX, corner : corner + HOLE_PX] = True
    return data.astronaut()[:side, :side], hole


class PlainKeys:
    """`patches.Keys` as it would be written without a thought of speed."""

    def __init__(self, picture: torch.Tensor, indices: torch.Tensor) -> None:
        self._indices, self._keys = indices, patches.rows(picture, indices)

    def nearest(self, picture: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """For each patch of `picture` at `indices`, the index of the nearest key, (N,)."""
        return self._indices[torch.cat([d.argmin(1) for d in self._distances(picture, indices)])]

    def nearest_unused(self, picture: torch.Tensor, indices: torch.Tensor, alpha: float) -> torch.Tensor:
        """The same by the normalised score, all distances computed twice to spare memory."""
        least = torch.stack([d.square().amin(0) for d in self._distances(picture, indices)]).amin(0)
        least += alpha * least.mean() + 1e-9
        rated = ((d.square() / least).argmin(1) for d in self._distances(picture, indices))
        return self._indices[torch.cat(list(rated))]

    def _distances(self, picture: torch.Tensor, indices: torch.Tensor) -> Iterator[torch.Tensor]:
        for part in torch.split(patches.rows(picture, indices), _QUERIES_AT_ONCE):
            yield torch.cdist(part, self._keys)
